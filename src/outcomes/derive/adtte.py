"""ADTTE: one row per randomised subject at risk and time to an event.

What counts as an event, from when, and what ends the time at risk is in the study file
(`outcomes.study.events`); the rules are told in ``docs/methods/times.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from outcomes.datasets.adam import ADTTE
from outcomes.datasets.store import conform, empty
from outcomes.derive.assessed import assessments, decided
from outcomes.derive.censoring import censored, ends_of
from outcomes.derive.days import ordinals
from outcomes.derive.endpoints import label_of
from outcomes.derive.event_notes import (
    seen_later,
    summary,
    unconfirmed,
    unrecorded,
)
from outcomes.derive.notes import Derivation, Note, first, plural
from outcomes.derive.occurrences import (
    COLUMNS,
    by_assessment,
    by_record,
    holds,
)
from outcomes.derive.origin import origins_of
from outcomes.study.displays import rule_label
from outcomes.study.events import AnyEventRule, Criterion, TimeToEventEndpoint

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.datasets.store import Frame
    from outcomes.study.spec import Study

EVENT, COMPETING, CENSORING = 0, 1, 2
"""The order of what happens on one day."""
_CNSR = {EVENT: 0, COMPETING: 2, CENSORING: 1}


@dataclass(frozen=True, slots=True)
class _Given:
    """What all times of a study are derived from; ``people`` are the randomised."""

    spec: Study
    tables: Mapping[str, Frame]
    people: Frame
    values: dict[str, Frame]
    ends: Frame


def derive_adtte(
    spec: Study, tables: Mapping[str, Frame], adsl: Frame, adqs: Frame
) -> Derivation:
    """Derive the dataset of times to events.

    Parameters
    ----------
    spec : Study
        The study.
    tables : mapping of str to DataFrame
        SDTM tables by domain; ``ae`` and ``cm`` are read where a rule asks for them.
    adsl : DataFrame
        From `outcomes.derive.adsl.derive_adsl`.
    adqs : DataFrame
        From `outcomes.derive.adqs.derive_adqs`.

    Returns
    -------
    Derivation
        ``frame`` conforms to `outcomes.datasets.adam.ADTTE` and has no row for an
        endpoint of another kind; ``notes`` says who is not at risk, which records were
        not used and why, and how many events there are.
    """
    import pandas as pd

    keys = [k for k, e in spec.endpoints.items() if isinstance(e, TimeToEventEndpoint)]
    if not keys:
        return Derivation(empty(ADTTE), [])
    people = adsl[adsl["RANDFL"] == "Y"].set_index("USUBJID", drop=False)
    seen = assessments(spec, adsl, adqs)
    parts = {p for key in keys for p in _time(spec, key).parts}
    values = {part: decided(spec, part, seen) for part in sorted(parts)}
    given = _Given(spec, tables, people, values, ends_of(people, adqs))
    frames, notes = [], seen_later(given.ends)
    for key in keys:
        frame, more = _derive(given, key)
        frames.append(frame)
        notes += more
    return Derivation(conform(pd.concat(frames, ignore_index=True), ADTTE), notes)


def _time(spec: Study, key: str) -> TimeToEventEndpoint:
    endpoint = spec.endpoints[key]
    assert isinstance(endpoint, TimeToEventEndpoint)  # chosen by its kind
    return endpoint


def _derive(given: _Given, key: str) -> tuple[Frame, list[Note]]:
    """Derive the rows of one endpoint."""
    endpoint = _time(given.spec, key)
    response = given.values.get(endpoint.response or "")
    origin, notes = origins_of(endpoint, given.people, response)
    notes += _before_response(given, endpoint, origin)
    origin = origin.dropna()
    at_risk = {
        part: _since(endpoint, values, origin) for part, values in given.values.items()
    }
    met, more = _occurrences(given, endpoint, at_risk, origin)
    notes += more
    out, more = censored(
        endpoint, origin, _last(given, endpoint, at_risk, origin), given.ends
    )
    notes += more
    out["CNSR"] = 1
    if len(met):
        own = met.set_index("USUBJID")
        for name in ("day", "EVNTDESC", "CNSDTDSC", "SRCDOM", "SRCSEQ"):
            out[name] = out[name].astype(object)
            out.loc[own.index, name] = own[name].astype(object)
        out.loc[own.index, "CNSR"] = own["rank"].map(_CNSR)
    frame = _rows(given, key, out, origin)
    left = met.set_index("USUBJID")["left"] if len(met) else None
    frame["LEFTDY"], frame["RGHTDY"] = _bounds(endpoint, frame, at_risk, origin, left)
    return frame, [*notes, summary(endpoint.paramcd, frame)]


def _of(rows: Frame, by_subject: pd.Series[float]) -> pd.Series[float]:
    """Return a number of each row's subject, NaN of who has none."""
    # without rows or subjects the result would be text
    return rows["USUBJID"].map(by_subject).astype("float64")


def _since(
    endpoint: TimeToEventEndpoint, values: Frame, origin: pd.Series[float]
) -> Frame:
    """Return the assessments of the time at risk, those of the origin's day included.

    A first response is itself an assessment: then only those after it are.
    """
    start = _of(values, origin)
    if endpoint.origin == "first-response":
        return values[values["day"] > start]
    return values[values["day"] >= start]


def _occurrences(
    given: _Given,
    endpoint: TimeToEventEndpoint,
    at_risk: Mapping[str, Frame],
    origin: pd.Series[float],
) -> tuple[Frame, list[Note]]:
    """Return what happened first to each subject, with its ``rank``; or nothing.

    What is found after a competing or censoring event counts for nothing, so those are
    looked for first.
    """
    import pandas as pd

    found: list[Frame] = []
    notes: list[Note] = []
    ranked = [
        *((CENSORING, rule) for rule in endpoint.censoring),
        *((COMPETING, rule) for rule in endpoint.competing),
        *((EVENT, rule) for rule in endpoint.rules),
    ]
    for rank, rule in ranked:
        if not isinstance(rule, Criterion):
            rows = by_record(rule, given.tables, given.people)
            notes += unrecorded(given.spec, given.tables, endpoint, rule)
            rows, more = _usable(given, endpoint, rule, rows, origin)
            notes += more
            found.append(_named(given.spec, rule, rows, rank, len(found)))
    for wanted in ((CENSORING, COMPETING), (EVENT,)):
        stop = _stop(found)
        for rank, rule in ranked:
            if isinstance(rule, Criterion) and rank in wanted:
                seen = at_risk[rule.endpoint]
                until = _of(seen, stop).fillna(np.inf)
                rows, open_runs = by_assessment(rule, seen[seen["day"] <= until])
                found.append(_named(given.spec, rule, rows, rank, len(found)))
                notes += unconfirmed(given.spec, endpoint, rule, open_runs)
    kept = [rows for rows in found if len(rows)]
    if not kept:
        return pd.DataFrame(columns=[*COLUMNS, "rank"]), notes
    place = {id(rule): n for n, (_, rule) in enumerate(ranked)}
    every = pd.concat(kept, ignore_index=True)
    every["order"] = every["rule"].map(place)
    every = every.sort_values(["USUBJID", "day", "rank", "order", "SRCSEQ"])
    return every.drop_duplicates("USUBJID"), notes


def _named(
    spec: Study, rule: AnyEventRule, rows: Frame, rank: int, number: int
) -> Frame:
    """Say of occurrences by which rule they are; the first of each subject."""
    label = rule_label(spec, rule)
    rows = rows.sort_values(["USUBJID", "day", "SRCSEQ"]).drop_duplicates("USUBJID")
    return rows.assign(
        rank=rank,
        rule=id(rule),
        EVNTDESC=label,
        CNSDTDSC=label if rank == CENSORING else "",
    )


def _stop(found: list[Frame]) -> pd.Series[float]:
    """Return the day of the first competing or censoring event so far."""
    import pandas as pd

    ends = [rows[["USUBJID", "day"]] for rows in found if (rows["rank"] != EVENT).any()]
    if not ends:
        return pd.Series(dtype="float64")
    return pd.concat(ends, ignore_index=True).groupby("USUBJID")["day"].min()


def _usable(
    given: _Given,
    endpoint: TimeToEventEndpoint,
    rule: AnyEventRule,
    rows: Frame,
    origin: pd.Series[float],
) -> tuple[Frame, list[Note]]:
    """Return the records within the time of observation; say which others there are."""
    import pandas as pd

    rows = rows[rows["USUBJID"].isin(origin.index)]
    who, day = rows["USUBJID"], rows["day"].astype("float64")
    people = given.people
    known = people["RANDDT"].where(people["RANDDT"] != "", people["TRTSDT"])
    randomised = pd.Series(ordinals(known), people.index)
    undated = day.isna()
    prior = day < _of(rows, randomised)
    before = ~prior & (day < _of(rows, origin))
    late = day > _of(rows, given.ends["limit"])
    found = [
        ("event-undated", undated, "without a whole date", "warning"),
        ("event-before-randomisation", prior, "before randomisation", "warning"),
        ("event-before-origin", before, "before the origin", "note"),
        ("event-after-end", late, "after the end of observation", "warning"),
    ]
    label = rule_label(given.spec, rule)
    notes = [
        Note(
            name,
            f"{endpoint.paramcd}: {plural(int(mask.sum()), 'record')} of '{label}' "
            f"{what} {first(who[mask])}.",
            remedy="not used",
            severity="warning" if severity == "warning" else "note",
            file="adtte",
            column="ADT",
            value=endpoint.paramcd,
        )
        for name, mask, what, severity in found
        if mask.any()
    ]
    return rows[~(undated | prior | before | late)], notes


def _before_response(
    given: _Given, endpoint: TimeToEventEndpoint, origin: pd.Series[float]
) -> list[Note]:
    """Say who met a criterion without, or before, the response it is counted from."""
    if endpoint.origin != "first-response":
        return []
    never: set[str] = set()
    early: set[str] = set()
    for rule in endpoint.rules:
        # that there was no response yet says nothing where the event is its loss
        loss = isinstance(rule, Criterion) and rule.endpoint == endpoint.response
        if isinstance(rule, Criterion) and not loss:
            values = given.values[rule.endpoint]
            start = _of(values, origin)
            met, _ = by_assessment(rule, values[start.isna()])
            never |= set(met["USUBJID"])
            met, _ = by_assessment(rule, values[values["day"] < start])
            early |= set(met["USUBJID"])
    code = endpoint.paramcd
    notes = []
    if never:
        notes.append(
            Note(
                "relapse-without-response",
                f"{code}: {plural(len(never), 'subject')} who met a criterion of the "
                f"event and never had the response it is counted from {first(never)}.",
                remedy="relapse without prior response is no event; not at risk",
                severity="warning",
                file="adtte",
                column="STARTDT",
                value=code,
            )
        )
    if early:
        notes.append(
            Note(
                "event-before-origin",
                f"{code}: {plural(len(early), 'subject')} who met a criterion of the "
                f"event before the first response {first(early)}.",
                remedy="not used",
                file="adtte",
                column="ADT",
                value=code,
            )
        )
    return notes


def _last(
    given: _Given,
    endpoint: TimeToEventEndpoint,
    at_risk: Mapping[str, Frame],
    origin: pd.Series[float],
) -> Frame:
    """Return the last assessment that can show the event; without such, of any kind."""
    import pandas as pd

    keys = {rule.endpoint for rule in endpoint.rules if isinstance(rule, Criterion)}
    if not keys:
        own = given.ends.reindex(origin.index)
        day = own["contact"].where(own["contact"] >= origin)
        return pd.DataFrame({"day": day, "ASEQ": own["sequence"]})
    rows = pd.concat([at_risk[key] for key in sorted(keys)], ignore_index=True)
    rows = rows.sort_values(["USUBJID", "day", "ASEQ"])
    return rows.drop_duplicates("USUBJID", keep="last").set_index("USUBJID")


def _rows(given: _Given, key: str, out: Frame, origin: pd.Series[float]) -> Frame:
    """Return the rows without the interval that holds the event."""
    people = given.people.loc[origin.index]
    start = origin.to_numpy(dtype=np.float64)
    day = out["day"].to_numpy(dtype=np.float64)
    due = people["FUPDT"].where(people["FUPFL"] == "Y", people["EOSDT"])
    due = due.where(people["FUPFL"] != "", "")
    return out.drop(columns="day").assign(
        STUDYID=people["STUDYID"],
        USUBJID=people["USUBJID"],
        PARAMCD=_time(given.spec, key).paramcd,
        PARAM=label_of(given.spec, key),
        STARTDT=_dates(start),
        ADT=_dates(day),
        AVAL=day - start + 1.0,
        AVALU="DAYS",
        FUPDY=ordinals(due) - start + 1.0,
    )


def _dates(days: NDArray[Any]) -> list[str]:
    """Return the ISO 8601 texts of days since 1970."""
    return [str(day) for day in days.astype(np.int64).astype("datetime64[D]")]


def _bounds(
    endpoint: TimeToEventEndpoint,
    frame: Frame,
    at_risk: Mapping[str, Frame],
    origin: pd.Series[float],
    left: pd.Series[float] | None,
) -> tuple[pd.Series[float], pd.Series[float]]:
    """Return LEFTDY and RGHTDY.

    An event seen at an assessment lies behind the last assessment without it; the day
    of a recorded event is known. Who has no event is known to be free of it up to the
    last assessment that found none by any criterion, or throughout where there is no
    criterion. Where nothing was found before, that is the first response (day 1), or
    the day before the origin (0).
    """
    aval = frame["AVAL"]
    floor = 1.0 if endpoint.origin == "first-response" else 0.0
    event = frame["CNSR"] == 0
    free = aval.copy()
    for rule in endpoint.rules:
        if isinstance(rule, Criterion):
            seen = at_risk[rule.endpoint]
            until = _of(seen, aval + origin - 1.0)
            none = seen[~holds(rule, seen) & (seen["day"] <= until)]
            last = none.groupby("USUBJID")["day"].max().reindex(frame.index)
            known = (last - origin + 1.0).fillna(floor)
            free = free.where(free < known, known)
    if left is not None:
        own = left.reindex(frame.index)
        before = (own - origin + 1.0).clip(lower=floor)
        free = free.where(~event, before.where(own.notna(), aval))
    return free, aval.where(event)
