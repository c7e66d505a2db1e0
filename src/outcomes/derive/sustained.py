"""Yes/no endpoints that must hold at every one of several visits.

The rules, with truth tables and sources: ``docs/methods/sustained.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from outcomes.derive.notes import Note, first, plural
from outcomes.derive.visits import add_windows
from outcomes.instruments.scoring import PRORATED

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.datasets.store import Frame
    from outcomes.study.endpoints import SustainedEndpoint
    from outcomes.study.spec import Study, Visit

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

COUNTED = "NRI"
"""DTYPE of a no that rests on missed visits alone."""
PASSED = "GAP"
"""DTYPE of a value that does not rest on the visit that was missed."""


@dataclass(frozen=True, slots=True)
class Held:
    """What was found of subjects at visits.

    Attributes
    ----------
    value : FloatArray, shape (n, k)
        1, 0, or NaN (undecided): the condition held at every visit through this one.
    missed : BoolArray, shape (n, k)
        This visit was missed, or its assessment set aside.
    counted : BoolArray, shape (n, k)
        No through this visit because a visit was missed; no assessment through it and
        no rescue medication says so.
    overruled : BoolArray, shape (n, k)
        This visit has a yes that does not count, because of rescue medication.
    """

    value: FloatArray
    missed: BoolArray
    counted: BoolArray
    overruled: BoolArray


def hold(
    found: FloatArray,
    rescued: BoolArray,
    *,
    missed: str = "failure",
    rescue: str = "failure",
    minimum: int | None = None,
) -> Held:
    """Decide at each visit whether a condition held at all visits through it.

    Parameters
    ----------
    found : FloatArray, shape (n, k)
        1 where the condition held, 0 where it did not, NaN where a visit was missed;
        visits in order.
    rescued : BoolArray, shape (n, k)
        Whether a visit is on or after the first rescue medication.
    missed : {"failure", "single", "ignore", "missing"}
        What a missed visit is: a no; a yes if both neighbours are one, else a no;
        passed over, but for the first visit; unknown.
    rescue : {"failure", "ignore", "missing"}
        What a visit after rescue is: a no; what it is; missed.
    minimum : int, optional
        With ``single`` and ``ignore``: once fewer than this many of the k visits can
        be assessed, a missed visit is a no.

    Returns
    -------
    Held
        A value never rises from one visit to the next: a no stays.

    Examples
    --------
    >>> never = np.zeros((1, 4), dtype=bool)
    >>> visits = np.array([[1.0, np.nan, 1.0, 1.0]])
    >>> hold(visits, never).value
    array([[1., 0., 0., 0.]])
    >>> hold(visits, never, missed="single").value
    array([[1., 1., 1., 1.]])
    """
    after = rescued & (rescue != "ignore")
    gone = np.isnan(found) | (after & (rescue == "missing"))
    known = np.where(after, 0.0 if rescue == "failure" else np.nan, found)
    absent = np.isnan(known)
    passed = _passed(known, missed, minimum)
    failing = absent & ~passed & (missed != "missing")
    settled = np.where(passed, 1.0, np.where(failing, 0.0, known))
    no, unknown = through(settled == 0.0), through(np.isnan(settled))
    return Held(
        value=np.where(no, 0.0, np.where(unknown, np.nan, 1.0)),
        missed=gone,
        counted=no & ~through(known == 0.0),
        overruled=after & (found == 1.0),
    )


def through(marked: BoolArray) -> BoolArray:
    """Mark the visits by which any visit was marked."""
    return np.logical_or.accumulate(marked, axis=1)


def _passed(known: FloatArray, missed: str, minimum: int | None) -> BoolArray:
    """Mark the missed visits that the rule passes over."""
    absent = np.isnan(known)
    if missed not in ("single", "ignore"):
        return np.zeros_like(absent)
    passed = absent.copy()
    passed[:, 0] = False  # nothing can last that was not there
    if missed == "single":
        passed[:, -1] = False
        passed[:, 1:-1] &= (known[:, :-2] == 1.0) & (known[:, 2:] == 1.0)
    if minimum is not None:
        passed &= np.cumsum(passed, axis=1) <= known.shape[1] - minimum
    return passed


def sustained_rows(
    spec: Study,
    endpoint: SustainedEndpoint,
    parts: Frame,
    subjects: Frame,
    rescue: pd.Series[float],
    scheduled: Sequence[str],
) -> tuple[Frame, list[Note]]:
    """Derive the rows of a sustained endpoint: one per randomised subject and visit.

    Parameters
    ----------
    spec : Study
        The study.
    endpoint : SustainedEndpoint
        The endpoint.
    parts : DataFrame
        Analysed records after baseline of the endpoint that it is of, with AVAL 1, 0
        or NaN (undecided, which is missed).
    subjects : DataFrame
        ``STUDYID USUBJID`` of the randomised.
    rescue : Series of float
        Study day of the first rescue medication, by USUBJID.
    scheduled : sequence of str
        Visits that the instrument has.

    Returns
    -------
    rows : DataFrame
        At an assessed visit the record with AVAL replaced, at a missed one a row
        without a date. No row where the value is undecided.
    notes : list of Note
        What was missed, decided by rule, undecided; visits that do not exist.
    """
    visits, notes = _visits(spec, endpoint, scheduled)
    if not visits:
        return parts.iloc[:0], notes
    ids = [visit.id for visit in visits]
    rows = _placed(parts, subjects, ids)
    shape = (len(subjects), len(ids))
    target = np.tile([float(visit.day) for visit in visits], len(subjects))
    day = np.where(rows["ADY"].isna(), target, rows["ADY"].astype("float64"))
    started = rows["USUBJID"].map(rescue).to_numpy(dtype=np.float64)
    found = rows["AVAL"].to_numpy(dtype=np.float64).reshape(shape)
    held = hold(
        found,
        (day >= started).reshape(shape),
        missed=endpoint.missed,
        rescue=endpoint.rescue,
        minimum=endpoint.minimum,
    )
    rows = _with_values(spec, rows, held)
    return rows, notes + _notes(endpoint, subjects["USUBJID"], ids, held)


def _visits(
    spec: Study, endpoint: SustainedEndpoint, scheduled: Sequence[str]
) -> tuple[list[Visit], list[Note]]:
    """Return the visits that the instrument has, none if the first is not one.

    Between two named visits only those that the instrument has are meant.
    """
    visits = spec.visits_of(endpoint)
    there = [visit for visit in visits if visit.id in scheduled]
    named = [*endpoint.visits, endpoint.start, endpoint.end]
    absent = [v.id for v in visits if v.id in named and v.id not in scheduled]
    if not absent:
        return there, []
    lost = visits[0].id in absent
    note = Note(
        "sustained-not-scheduled",
        f"{endpoint.paramcd}: no administration at {', '.join(absent)}, which the "
        "endpoint is of.",
        remedy="the parameter has no rows, for there is nothing to begin with"
        if lost
        else "the other visits decide, and have rows",
        severity="warning",
        file="adqs",
        column="AVISIT",
        value=endpoint.paramcd,
    )
    return [] if lost else there, [note]


def _placed(parts: Frame, subjects: Frame, visits: list[str]) -> Frame:
    """Return a row for each subject and visit, in order: the record, or nothing."""
    import pandas as pd

    # of several at one visit (of several sessions) a no counts
    own = parts[parts["AVAL"].notna()].sort_values("AVAL", kind="stable")
    own = own.drop_duplicates(["USUBJID", "AVISIT"]).drop(columns="STUDYID")
    grid = subjects[["STUDYID", "USUBJID"]].merge(
        pd.DataFrame({"AVISIT": pd.Series(visits, dtype="str")}), how="cross"
    )
    return grid.merge(own, on=["USUBJID", "AVISIT"], how="left")


def _with_values(spec: Study, rows: Frame, held: Held) -> Frame:
    """Put values into rows; those of missed visits lose what a record has."""
    prorated = (rows["DTYPE"].fillna("") != "").to_numpy(dtype=bool)
    made_of = np.where(through(prorated.reshape(held.value.shape)), PRORATED, "")
    kind = np.where(through(held.missed), PASSED, made_of)
    kind = np.where(held.counted, COUNTED, kind)
    out = rows.assign(AVAL=held.value.ravel(), DTYPE=kind.ravel())
    missed = held.missed.ravel()
    made = out.loc[missed, ["STUDYID", "USUBJID", "AVISIT", "AVAL", "DTYPE"]]
    made = made.assign(SRCDOM="ADSL", ADY=np.nan, rescue=np.nan, sequence=0)
    return _stacked([out[~missed].assign(SRCDOM="ADQS"), add_windows(spec, made)])


def _stacked(parts: list[Frame]) -> Frame:
    """Put observed rows and rows by rule together, without the undecided."""
    import pandas as pd

    kept = [part[part["AVAL"].notna()] for part in parts]
    return pd.concat([part for part in kept if len(part)] or kept[:1])


def _notes(
    endpoint: SustainedEndpoint,
    subjects: pd.Series[str],
    visits: list[str],
    held: Held,
) -> list[Note]:
    """Count what was missed, and what the rules decided."""
    names = subjects.to_numpy()
    code = endpoint.paramcd
    missed, last = through(held.missed)[:, -1], held.value[:, -1]
    no, undecided = held.counted[:, -1], np.isnan(last)
    all_the_same: BoolArray = missed & (last == 1.0)
    place = f"from {visits[0]} to {visits[-1]}"
    notes = []

    def note(rule: str, who: BoolArray, message: str, remedy: str) -> None:
        if who.any():
            text = f"{code}: {plural(int(who.sum()), 'randomised subject')} {message}"
            notes.append(
                Note(
                    rule,
                    f"{text} {first(names[who])}.",
                    remedy=remedy,
                    file="adqs",
                    column="DTYPE",
                    value=code,
                )
            )

    note(
        "sustained-missed",
        missed,
        f"with {plural(int(held.missed.sum()), 'visit')} missed {place}, of whom "
        f"{int(no.sum())} no for that alone, {int(all_the_same.sum())} yes all the "
        f"same, {int(undecided.sum())} undecided",
        f"missed: {endpoint.missed}; DTYPE {COUNTED} where a no rests on that alone, "
        f"{PASSED} where the value does not",
    )
    note(
        "sustained-rescue",
        through(held.overruled)[:, -1],
        f"with a yes at {plural(int(held.overruled.sum()), 'visit')} on or after "
        f"rescue medication {place}",
        f"rescue: {endpoint.rescue}",
    )
    return notes
