"""ADSL: one row per subject."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from outcomes.datasets.adam import ADSL
from outcomes.datasets.sdtm import INSTRUMENT_NOT_DONE, TABLES
from outcomes.datasets.store import conform, empty
from outcomes.derive.days import date_text
from outcomes.derive.disposition import (
    CONSENT,
    RANDOMIZED,
    completion,
    end_of_study,
    in_follow_up,
    milestone_dates,
    read_events,
)
from outcomes.derive.follow_up import follow_up
from outcomes.derive.notes import Derivation, Note, first, plural
from outcomes.derive.populations import add_flags
from outcomes.derive.sites import pool_sites
from outcomes.derive.subjects import covariates, major_deviations, rescue_dates, strata
from outcomes.derive.treatment import actual_arm, exposure, planned_arm
from outcomes.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.datasets.store import Frame
    from outcomes.study.spec import Study


def derive_adsl(spec: Study, tables: Mapping[str, Frame]) -> Derivation:
    """Derive the subject-level dataset.

    Parameters
    ----------
    spec : Study
        The study.
    tables : mapping of str to DataFrame
        SDTM tables by domain; ``dm`` is needed, others may be absent.

    Returns
    -------
    Derivation
        ``frame`` conforms to `outcomes.datasets.adam.ADSL` with the declared
        covariates and a flag per population as further columns; ``notes`` says what
        was pooled, assumed, contradictory or not used.

    Raises
    ------
    DataError
        No subject; unknown arm codes; covariates that are no numbers or have a name
        ADSL uses; a population that cannot be selected; a site named like the pool;
        a follow-up whose denominators do not close, with every subject concerned.
    """
    if tables["dm"].empty:
        raise DataError("dm: there is no subject; run ingest again.")
    dm = tables["dm"].sort_values("USUBJID").set_index("USUBJID", drop=False)
    dm = dm.rename_axis(None)

    def get(name: str) -> Frame:
        return tables[name] if name in tables else empty(TABLES[name])

    out = dm[
        [
            *("STUDYID", "USUBJID", "SUBJID", "SITEID", "AGE", "SEX", "RACE", "ETHNIC"),
            *("ARMCD", "ACTARMCD"),
        ]
    ].copy()

    planned = planned_arm(spec, dm)
    randomised = planned["RANDFL"] == "Y"
    exposed = exposure(spec, get("ex"), dm.index)
    actual, notes = actual_arm(spec, dm, get("ex"), planned, exposed["TRTFL"])
    for part in (planned, exposed, actual):
        out[part.columns] = part

    notes += _milestones(spec, dm, get("ds"), get("qs"), out, randomised)
    out["STRATAR"], more = strata(spec, dm, get("suppdm"), randomised)
    notes += more
    out["NMAJDEV"] = major_deviations(
        get("dv"), dm.index, present=spec.sources.dv is not None
    )
    since = out["TRTSDT"].where(out["TRTSDT"] != "", out["RANDDT"])
    out["RESCDT"], more = rescue_dates(get("cm"), since.where(randomised, ""))
    notes += more
    out["SITEGR1"], more = pool_sites(out["SITEID"], randomised, spec.sites)
    notes += more
    extra = covariates(spec, get("suppdm"), dm.index)
    out[extra.columns] = extra
    frame = add_flags(spec.populations, conform(out, ADSL))
    return Derivation(frame, notes)


def _milestones(
    spec: Study,
    dm: Frame,
    ds: Frame,
    qs: Frame,
    out: Frame,
    randomised: pd.Series[Any],
) -> list[Note]:
    """Fill in consent, randomisation and end of study; return what is to be noted."""
    late = in_follow_up(ds)
    events, notes = read_events(ds[~late])
    consent = milestone_dates(events, CONSENT)
    out["RFICDT"] = _date(dm["RFICDTC"], consent)
    out["RANDDT"] = _date(dm["RANDDTC"], milestone_dates(events, RANDOMIZED)).where(
        randomised, ""
    )
    notes += _two_dates(out, events, randomised)
    consented = (out["RFICDT"] != "") | out.index.isin(consent.index)
    if not consented.any():
        consented |= True
        notes.append(
            Note(
                "no-consent-record",
                "No subject has a date or a record of informed consent.",
                remedy="ENRLFL is Y for every subject of dm",
                column="ENRLFL",
            )
        )
    out["ENRLFL"] = consented.map({True: "Y", False: "N"}).astype("str")
    silent = randomised & ~consented
    if silent.any():
        notes.append(
            Note(
                "randomised-without-consent",
                f"{plural(int(silent.sum()), 'randomised subject')} without a record "
                f"of informed consent {first(out.index[silent])}.",
                remedy="ENRLFL is N",
                severity="warning",
                column="ENRLFL",
            )
        )
    end = None
    if spec.sources.ds is not None:
        end, more = end_of_study(events, dm.index, randomised)
        out[end.columns] = end
        notes += more
    notes += follow_up(spec, ds[late], ds[~late], qs[_done(qs)], out, randomised)
    last = spec.without_follow_up().visits[-1].id
    seen = set(qs.loc[_done(qs) & (qs["VISIT"] == last), "USUBJID"])
    seen &= set(randomised.index[randomised])
    out["COMPLFL"], more = completion(end, randomised, seen)
    return notes + more


def _done(qs: Frame) -> pd.Series[Any]:
    """Say which rows of QS belong to an instrument that was done."""
    return (qs["QSREASND"] != INSTRUMENT_NOT_DONE) & (qs["QSTESTCD"] != "QSALL")


def _date(main: pd.Series[Any], other: pd.Series[Any]) -> pd.Series[Any]:
    """Return the date of DM, where it has none that of DS."""
    own = date_text(main)
    return own.where(own != "", other.reindex(main.index, fill_value="")).astype("str")


def _two_dates(out: Frame, events: Frame, randomised: pd.Series[Any]) -> list[Note]:
    """Warn where DM and DS have different dates of randomisation, or there is none."""
    notes = []
    other = milestone_dates(events, RANDOMIZED).reindex(out.index, fill_value="")
    differ = randomised & (other != "") & (out["RANDDT"] != other)
    for subject in out.index[differ]:
        notes.append(
            Note(
                "randomisation-date",
                f"randomised on {out['RANDDT'][subject]} by dm, on "
                f"{other[subject]} by ds.",
                remedy="that of dm is used",
                severity="warning",
                column="RANDDT",
                subject=str(subject),
            )
        )
    lost = ~randomised & out.index.isin(
        events.loc[events["term"] == RANDOMIZED, "USUBJID"]
    )
    if lost.any():
        notes.append(
            Note(
                "randomised-without-arm",
                f"{plural(int(lost.sum()), 'subject')} RANDOMIZED in ds without an "
                f"arm in dm {first(out.index[lost])}.",
                remedy="RANDFL is N",
                severity="warning",
                column="RANDFL",
            )
        )
    return notes
