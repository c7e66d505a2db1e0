"""Who, at which visit or session, on which date: where a questionnaire row belongs."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from outcomes.ingest.cells import BoolArray, Cells, IntArray, each
from outcomes.ingest.issues import hints, quoted
from outcomes.ingest.raw import TextArray
from outcomes.ingest.variables import check_ids, check_subjects
from outcomes.study.spec import QuestionnaireSource, Study

_NOT_FLAGGED = {"", "N", "NO", "0", "F", "FALSE"}


@dataclass(frozen=True, slots=True)
class Places:
    """Of n rows or administrations: subject, visit, session, date, day, rater.

    ``session`` and ``day`` are 0 where there is none (neither can be 0).
    """

    subject: TextArray
    visit: TextArray
    session: IntArray
    date: TextArray
    day: IntArray
    rater: TextArray
    not_done: BoolArray
    row: IntArray

    def take(self, positions: IntArray) -> Places:
        """Return some of them."""
        return Places(*(getattr(self, f.name)[positions] for f in fields(self)))

    def keys(self) -> list[tuple[str, str, int, str, int]]:
        """Return what makes an administration one: all but rater and row."""
        return list(
            zip(
                self.subject.tolist(),
                self.visit.tolist(),
                self.session.tolist(),
                self.date.tolist(),
                self.day.tolist(),
                strict=True,
            )
        )


def columns_of(source: QuestionnaireSource) -> list[str]:
    """Return the columns of a source that say where a row belongs."""
    named = (
        source.subject,
        source.visit,
        source.session,
        source.date,
        source.day,
        source.rater,
        source.not_done,
    )
    return [name for name in named if name is not None]


def read_places(
    spec: Study, source: QuestionnaireSource, cells: Cells, known: set[str] | None
) -> Places:
    """Read where every row of a file belongs, and report rows that belong nowhere.

    Parameters
    ----------
    spec : Study
        The study: its visits.
    source : QuestionnaireSource
        What it says of the file.
    cells : Cells
        The file.
    known : set of str or None
        The subjects of DM, if it could be read.
    """
    n = len(cells.table.rows)
    subject = cells.text(source.subject)
    cells.reject(
        subject == "",
        "empty-value",
        source.subject,
        "the subject is empty; every row needs it.",
        "Fill it in, or remove the row from the export.",
    )
    check_ids(cells, subject, source.subject)
    check_subjects(cells, subject, source.subject, known)
    none = np.full(n, "", dtype=object)
    rater = cells.text(source.rater) if source.rater else none
    flag = cells.text(source.not_done) if source.not_done else none
    flagged = each(flag, lambda text: text.upper() not in _NOT_FLAGGED)
    return Places(
        subject=subject,
        visit=_visits(spec, source, cells),
        session=_sessions(source, cells),
        date=cells.dates(source.date) if source.date else none,
        day=_days(source, cells),
        rater=rater,
        not_done=flagged.astype(np.bool_),
        row=cells.table.rows,
    )


def _visits(spec: Study, source: QuestionnaireSource, cells: Cells) -> TextArray:
    if source.visit is None:
        return np.full(len(cells.table.rows), source.at_visit or "", dtype=object)
    visit = cells.text(source.visit, source.visit_values)
    ids = [v.id for v in spec.visits]
    legal = [*ids, *(code for code in spec.unscheduled_visits if code)]
    cells.reject(
        visit == "",
        "visit-missing",
        source.visit,
        "the visit is empty.",
        "Fill it in, or map the empty value under visit_values.",
    )
    unknown = np.array([code != "" and code not in legal for code in visit])
    hint = hints([*legal, *source.visit_values])
    cells.reject(
        unknown.astype(np.bool_),
        "unknown-visit",
        source.visit,
        lambda value: (
            f"{quoted(value)} is neither in the schedule ({', '.join(ids)}) nor an "
            f"unscheduled visit.{hint(value)}"
        ),
        "Correct it, map it under visit_values, or list it in unscheduled_visits.",
    )
    return visit


def _sessions(source: QuestionnaireSource, cells: Cells) -> IntArray:
    n = len(cells.table.rows)
    if source.session is None:
        return np.full(n, source.at_session or 0, dtype=np.int64)
    session = cells.integers(source.session, least=1)
    if source.visit is None and source.at_visit is None:
        cells.reject(
            cells.text(source.session) == "",
            "session-missing",
            source.session,
            "the session is empty, and no visit says where the row belongs.",
            "Fill it in.",
        )
    return np.nan_to_num(session, nan=0.0).astype(np.int64)


def _days(source: QuestionnaireSource, cells: Cells) -> IntArray:
    if source.day is None:
        return np.zeros(len(cells.table.rows), dtype=np.int64)
    day = cells.integers(source.day)
    cells.reject(
        day == 0,
        "day-zero",
        source.day,
        "day 0 does not exist: the day before day 1 is day -1.",
        "Give study days as CDISC counts them.",
    )
    return np.nan_to_num(day, nan=0.0).astype(np.int64)


def group_rows(places: Places) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group rows of a long file into administrations.

    Returns
    -------
    of_row : shape (n,)
        The administration of each row.
    first : shape (m,)
        The first row of each administration.
    """
    seen: dict[tuple[str, str, int, str, int], int] = {}
    of_row = np.empty(len(places.row), dtype=np.int64)
    first: list[int] = []
    for position, key in enumerate(places.keys()):
        number = seen.setdefault(key, len(first))
        if number == len(first):
            first.append(position)
        of_row[position] = number
    return of_row, np.array(first, dtype=np.int64)
