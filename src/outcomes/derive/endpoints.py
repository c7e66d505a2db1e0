"""Yes/no endpoints: decided exactly, and filled in where nobody could decide.

A value is compared as the fraction it is, never as a rounded percentage: scores are
quotients of small whole numbers, and the nearest such quotient of a double is exact.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.derive.baseline import after_baseline
from outcomes.derive.notes import Note, first, plural
from outcomes.derive.sustained import COUNTED, sustained_rows
from outcomes.derive.visits import PLACE, add_windows
from outcomes.errors import SpecError
from outcomes.instruments.registry import instrument
from outcomes.study.displays import endpoint_label
from outcomes.study.endpoints import (
    AllOfEndpoint,
    ChangeEndpoint,
    ResponseEndpoint,
    StatusEndpoint,
    SustainedEndpoint,
    ThresholdEndpoint,
)
from outcomes.study.events import TimeToEventEndpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from outcomes.datasets.store import Frame
    from outcomes.study.spec import Study

    ScoreEndpoint = ResponseEndpoint | ThresholdEndpoint | StatusEndpoint

NON_RESPONDER = COUNTED
_LARGEST_DENOMINATOR = 100_000
_AT = [name for name in PLACE if name != "PARAMCD"]


def derive_endpoints(
    spec: Study, records: Frame, adsl: Frame
) -> tuple[Frame, list[Note]]:
    """Derive one parameter per yes/no endpoint.

    Each analysed record after baseline gives a row where the endpoint can be decided.
    Each randomised subject without such a row at a visit where the instrument is
    scheduled gets one by rule: AVALC ``N``, DTYPE ``NRI`` (missing = non-responder).
    An instrument is scheduled at the visits for which it has any administration,
    done or not. A sustained endpoint has its own rules for that, see
    `outcomes.derive.sustained`.

    Parameters
    ----------
    spec : Study
        The study.
    records : DataFrame
        Scored records with ANL01FL and BASE.
    adsl : DataFrame
        The subjects.

    Returns
    -------
    rows : DataFrame
        Rows to add to ADQS.
    notes : list of Note
        Undecidable records and rows by rule, counted.

    Raises
    ------
    SpecError
        A paramcd is also that of a score; all of them.
    """
    import pandas as pd

    _refuse_codes(spec, records)
    analysed = records[
        (records["ANL01FL"] == "Y")
        & (records["AVISIT"] != "")
        & after_baseline(spec, records)
    ]
    decided: dict[str, Frame] = {}
    parts: list[Frame] = []
    notes: list[Note] = []
    for key in _in_order(spec):
        endpoint = spec.endpoints[key]
        if isinstance(endpoint, ChangeEndpoint | TimeToEventEndpoint):
            continue  # a column of its score; a parameter of ADTTE
        if isinstance(endpoint, SustainedEndpoint):
            rows, more = _sustained(spec, endpoint, decided, records, adsl)
            parts.append(_named(spec, key, rows))
            notes += more or _notes(endpoint.paramcd, rows, rows.iloc[:0])
            continue
        if isinstance(endpoint, AllOfEndpoint):
            rows = _all_of([decided[part] for part in endpoint.of])
        else:
            source = source_of(endpoint, analysed)
            rows = source.assign(AVAL=decide(endpoint, source))
        decided[key] = rows
        rows = _named(spec, key, rows).assign(SRCDOM="ADQS")
        observed = rows[rows["AVAL"].notna()]
        filled = _non_responders(spec, observed, records, adsl, key)
        parts += [observed, filled]
        notes += _notes(endpoint.paramcd, rows, filled)
    if not parts:
        return records.iloc[:0], notes
    out = pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
    out["AVALC"] = out["AVAL"].map({1.0: "Y", 0.0: "N"}).astype("str")
    out["ANL01FL"] = "Y"
    out["ABLFL"] = out["ANL01RS"] = ""
    out[["BASE", "CHG", "PCHG"]] = np.nan
    return out, notes


def _refuse_codes(spec: Study, records: Frame) -> None:
    taken = dict(zip(records["PARAMCD"], records["PARCAT1"], strict=True))
    problems = [
        f"endpoints.{key}.paramcd: '{endpoint.paramcd}' is a score of "
        f"{taken[endpoint.paramcd]}; choose another code."
        for key, endpoint in spec.endpoints.items()
        if not isinstance(endpoint, ChangeEndpoint) and endpoint.paramcd in taken
    ]
    if problems:
        raise SpecError("\n".join(problems))


def _in_order(spec: Study) -> list[str]:
    """Return endpoint keys, those made of others behind those."""
    place = {AllOfEndpoint: 1, SustainedEndpoint: 2}
    return sorted(spec.endpoints, key=lambda k: place.get(type(spec.endpoints[k]), 0))


def _named(spec: Study, key: str, rows: Frame) -> Frame:
    """Say of rows which parameter they are."""
    endpoint = spec.endpoints[key]
    return rows.assign(
        PARAMCD="" if isinstance(endpoint, ChangeEndpoint) else endpoint.paramcd,
        PARAM=label_of(spec, key),
        PARCAT1="/".join(_instruments(spec, key)),
    )


def _sustained(
    spec: Study,
    endpoint: SustainedEndpoint,
    decided: Mapping[str, Frame],
    records: Frame,
    adsl: Frame,
) -> tuple[Frame, list[Note]]:
    return sustained_rows(
        spec,
        endpoint,
        decided[endpoint.of],
        adsl[adsl["RANDFL"] == "Y"],
        records.groupby("USUBJID")["rescue"].first(),
        _wanted(spec, records, adsl, endpoint.of),
    )


def _instruments(spec: Study, key: str) -> list[str]:
    endpoint = spec.endpoints[key]
    if isinstance(endpoint, AllOfEndpoint):
        names = [name for part in endpoint.of for name in _instruments(spec, part)]
        return list(dict.fromkeys(names))
    if isinstance(endpoint, SustainedEndpoint):
        return _instruments(spec, endpoint.of)
    if isinstance(endpoint, TimeToEventEndpoint):
        names = [name for part in endpoint.parts for name in _instruments(spec, part)]
        return list(dict.fromkeys(names))
    return [endpoint.instrument]


def source_of(endpoint: ScoreEndpoint, analysed: Frame) -> Frame:
    """Return the records of the score that an endpoint is made of."""
    definition = instrument(endpoint.instrument)
    part = definition.scores.get(endpoint.score) or definition.derived[endpoint.score]
    return analysed[
        (analysed["PARCAT1"] == definition.id) & (analysed["PARAMCD"] == part.paramcd)
    ]


def exact(value: float) -> Fraction:
    """Return the quotient of whole numbers that a score is.

    Examples
    --------
    >>> exact(100 * 91 / 150)
    Fraction(182, 3)
    """
    return Fraction(value).limit_denominator(_LARGEST_DENOMINATOR)


def decide(endpoint: ScoreEndpoint, source: Frame) -> pd.Series[Any]:
    """Decide an endpoint of a score: 1, 0, or NaN where it cannot be decided.

    Parameters
    ----------
    endpoint : ResponseEndpoint or ThresholdEndpoint or StatusEndpoint
        What is asked.
    source : DataFrame
        Records with AVAL, AVALC and BASE.

    Returns
    -------
    Series of float
        Index of ``source``. A percentage of a baseline that is missing or not above 0
        cannot be decided, nor can points without a baseline.
    """
    import pandas as pd

    if isinstance(endpoint, StatusEndpoint):
        held = (source["AVALC"] == endpoint.equals).astype("float64")
        return held.where(source["AVALC"] != "")
    pairs = zip(source["AVAL"].tolist(), source["BASE"].tolist(), strict=True)
    values = [_decide_one(endpoint, value, base) for value, base in pairs]
    return pd.Series(values, index=source.index, dtype="float64")


def _decide_one(
    endpoint: ResponseEndpoint | ThresholdEndpoint, aval: float, base: float
) -> float:
    if np.isnan(aval):
        return float("nan")
    value = exact(aval)
    if isinstance(endpoint, ThresholdEndpoint):
        if endpoint.at_most is not None:
            return float(value <= exact(endpoint.at_most))
        return float(value >= exact(endpoint.at_least or 0.0))
    if np.isnan(base):
        return float("nan")
    fallen = exact(base) - value
    if endpoint.points is not None:
        needed = Fraction(endpoint.points)
    elif base > 0:
        needed = Fraction(endpoint.reduction or 0, 100) * exact(base)
    else:
        return float("nan")
    return float(fallen > needed if endpoint.strict else fallen >= needed)


def _all_of(parts: list[Frame]) -> Frame:
    """Combine yes/no rows at one place: no if any is no, yes if all are yes.

    The row takes its date and source from the latest of its parts, of equally late
    ones from the first named.
    """
    import pandas as pd

    rows = pd.concat(
        [part.assign(order=n) for n, part in enumerate(parts)], ignore_index=True
    )
    grouped = rows.groupby(_AT, dropna=False)["AVAL"]
    lowest, present = grouped.transform("min"), grouped.transform("count")
    decidable = (lowest == 0.0) | (present == len(parts))
    rows["AVAL"] = lowest.where(decidable)
    rows["day"] = rows["ADY"].fillna(-np.inf)
    rows = rows.sort_values(["day", "order"], ascending=[False, True], kind="stable")
    prorated = rows[rows["DTYPE"] != ""].groupby(_AT, dropna=False)["DTYPE"].first()
    out = rows.drop_duplicates(_AT).drop(columns=["order", "day", "DTYPE"])
    return out.join(prorated, on=_AT).fillna({"DTYPE": ""})


def _non_responders(
    spec: Study, observed: Frame, records: Frame, adsl: Frame, key: str
) -> Frame:
    """Return the rows made by rule for one endpoint."""
    import pandas as pd

    randomised = adsl[adsl["RANDFL"] == "Y"]
    wanted = _wanted(spec, records, adsl, key)
    grid = randomised[["STUDYID", "USUBJID"]].merge(
        pd.DataFrame({"AVISIT": pd.Series(wanted, dtype="str")}), how="cross"
    )
    index = pd.MultiIndex.from_frame(grid[["USUBJID", "AVISIT"]])
    there = pd.MultiIndex.from_frame(observed[["USUBJID", "AVISIT"]])
    grid = grid[~index.isin(there)].reset_index(drop=True)
    grid = _named(spec, key, grid).assign(
        AVAL=0.0,
        ADY=np.nan,
        DTYPE=NON_RESPONDER,
        SRCDOM="ADSL",
        rescue=np.nan,
        sequence=0,
    )
    return add_windows(spec, grid)


def _wanted(spec: Study, records: Frame, adsl: Frame, key: str) -> list[str]:
    """Return the visits at which every instrument of an endpoint is scheduled."""
    randomised = adsl.loc[adsl["RANDFL"] == "Y", "USUBJID"]
    visits = _scheduled(spec, records[records["USUBJID"].isin(randomised)])
    return [
        visit
        for visit in visits["visit"].unique()
        if all(
            ((visits["visit"] == visit) & (visits["name"] == name)).any()
            for name in _instruments(spec, key)
        )
    ]


def _scheduled(spec: Study, records: Frame) -> Frame:
    """Return the instrument and id of visits after baseline that instruments have."""
    places = [visit.id for visit in spec.visits]
    later = places[places.index(spec.baseline_visit.id) + 1 :]
    pairs = records.loc[records["VISIT"].isin(later), ["PARCAT1", "VISIT"]]
    pairs = pairs.drop_duplicates().set_axis(["name", "visit"], axis=1)
    return pairs.sort_values(["visit", "name"])


def label_of(spec: Study, key: str) -> str:
    """Return the label of an endpoint: the declared one, else what it says."""
    endpoint = spec.endpoints[key]
    if endpoint.label is not None:
        return endpoint.label
    if isinstance(endpoint, AllOfEndpoint):
        return " and ".join(label_of(spec, part) for part in endpoint.of)
    if isinstance(endpoint, SustainedEndpoint):
        visits = [visit.label for visit in spec.visits_of(endpoint)]
        at = f"at {', '.join(visits)}"
        if not endpoint.visits:
            at = f"from {visits[0]} through {visits[-1]}"
        return f"{label_of(spec, endpoint.of)}, Sustained {at}"
    if isinstance(endpoint, TimeToEventEndpoint):
        return endpoint_label(spec, key)
    definition = instrument(endpoint.instrument)
    part = definition.scores.get(endpoint.score) or definition.derived[endpoint.score]
    match endpoint:
        case ChangeEndpoint():
            return f"{part.label}: Change from Baseline"
        case StatusEndpoint():
            return f"{part.label}: {'Yes' if endpoint.equals == 'Y' else 'No'}"
        case ThresholdEndpoint():
            side = "at most" if endpoint.at_most is not None else "at least"
            bound = endpoint.at_most if side == "at most" else endpoint.at_least
            return f"{part.label} of {side} {bound:g}"
    more = "more than" if endpoint.strict else "at least"
    size = f"{endpoint.points} points" if endpoint.points else f"{endpoint.reduction} %"
    return f"{part.label} Reduced by {more} {size}"


def _notes(code: str, rows: Frame, filled: Frame) -> list[Note]:
    notes = []
    undecided = rows[rows["AVAL"].isna()]
    if len(undecided):
        notes.append(
            Note(
                "endpoint-undecidable",
                f"{code}: {plural(len(undecided), 'analysed record')} after baseline "
                f"cannot be decided {first(undecided['USUBJID'])}.",
                remedy="no observed row",
                file="adqs",
                column="AVALC",
                value=code,
            )
        )
    if len(filled):
        notes.append(
            Note(
                "non-responder",
                f"{code}: {plural(len(filled), 'visit')} of "
                f"{plural(filled['USUBJID'].nunique(), 'randomised subject')} without "
                "a decided value.",
                remedy=f"rows with AVALC N and DTYPE {NON_RESPONDER}",
                file="adqs",
                column="DTYPE",
                value=code,
            )
        )
    if rows.empty and filled.empty:
        notes.append(
            Note(
                "endpoint-empty",
                f"{code}: no record after baseline has a visit.",
                remedy="the parameter has no rows",
                severity="warning",
                file="adqs",
                column="PARAMCD",
                value=code,
            )
        )
    return notes
