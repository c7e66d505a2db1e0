"""Questionnaire files to QS: one group per administration, one row per answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from outcomes.datasets.sdtm import INSTRUMENT_NOT_DONE, ITEM_SKIPPED
from outcomes.errors import SpecError
from outcomes.ingest.answers import GIVEN, Answers, read_answers
from outcomes.ingest.cells import BoolArray, Cells, IntArray
from outcomes.ingest.issues import IssueLog, plural, quoted
from outcomes.ingest.layouts import Sheet, answer_columns, long_sheet, wide_sheet
from outcomes.ingest.places import columns_of, read_places
from outcomes.ingest.raw import RawTable
from outcomes.ingest.variables import distinct_rows
from outcomes.instruments.definition import Instrument
from outcomes.instruments.registry import instrument
from outcomes.study.explain import entry_of
from outcomes.study.spec import QuestionnaireSource, Study

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Answered:
    """What one source gives; ``done`` marks administrations with anything to keep."""

    source: QuestionnaireSource
    definition: Instrument
    sheet: Sheet
    answers: Answers
    done: BoolArray


def read_questionnaire(
    spec: Study,
    position: int,
    table: RawTable,
    log: IssueLog,
    known: set[str] | None,
) -> Answered | None:
    """Read one entry of ``sources.qs``.

    Parameters
    ----------
    spec : Study
        The study.
    position : int
        Which entry.
    table : RawTable
        Its file.
    log : IssueLog
        Takes every problem.
    known : set of str or None
        The subjects of DM, if it could be read.
    """
    source = spec.sources.qs[position]
    where = entry_of("sources.qs", position, source.file)
    definition = _definition(source, where, log)
    if definition is None:
        return None
    columns = answer_columns(spec, source, definition, table, log)
    if columns is None:
        return None
    if source.rows == "distinct":
        used = [*columns_of(source), *columns.values()]
        used += [source.item] if source.layout == "long" and source.item else []
        table = distinct_rows(table, used, log)
    subject = table.columns[source.subject]
    cells = Cells(table, source, log, subject)
    places = read_places(spec, source, cells, known)
    if source.layout == "long":
        sheet = long_sheet(spec, source, definition, cells, places)
    else:
        sheet = wide_sheet(places, columns, table)
    answers = read_answers(source, definition, sheet, log)
    return Answered(
        source, definition, sheet, answers, _done(source, sheet, answers, log)
    )


def _definition(
    source: QuestionnaireSource, where: str, log: IssueLog
) -> Instrument | None:
    """Return the instrument of a source whose keys hold together, or report."""
    problem = ""
    definition: Instrument | None = None
    try:
        definition = instrument(source.instrument)
    except SpecError as unknown:
        problem = str(unknown)
    ways = [source.items is not None, source.layout == "long", bool(source.totals)]
    if sum(ways) != 1:
        problem = (
            "needs one of: items (wide), layout: long with item and value, totals."
        )
    elif source.layout == "long" and not (source.item and source.value):
        problem = "layout: long needs item and value, the names of two columns."
    elif definition and not source.totals:
        listed = ", ".join(definition.orderings)
        if definition.orderings and source.ordering is None:
            problem = f"{definition.id} needs an ordering: one of {listed}."
        elif source.ordering and source.ordering not in definition.orderings:
            problem = f"ordering {quoted(source.ordering)} is not one of: {listed}."
    elif definition:
        absent = [name for name in source.totals if name not in definition.scores]
        if absent:
            problem = f"{definition.id} has no score {', '.join(absent)}."
    if problem:
        log.add("error", "study-file", f"{where}: {problem}", file=source.file)
        return None
    return definition


def _done(
    source: QuestionnaireSource, sheet: Sheet, answers: Answers, log: IssueLog
) -> BoolArray:
    """Mark administrations with an answer; count those without, and contradictions."""
    kept = (answers.state != ITEM_SKIPPED).any(axis=1)
    flagged = sheet.places.not_done
    for m in np.flatnonzero(flagged & kept).tolist():
        k = int(np.flatnonzero(answers.state[m] != ITEM_SKIPPED)[0])
        log.add(
            "error",
            "not-done-answered",
            f"is marked as not done ({source.not_done}), but has answers.",
            "Correct the mark, or remove the answers.",
            file=source.file,
            row=int(sheet.rows[m, k]),
            column=sheet.names[k],
            subject=str(sheet.places.subject[m]),
            value=str(sheet.text[m, k]),
        )
    empty = np.flatnonzero(~flagged & ~kept)
    if len(empty):
        rows = sheet.places.row[empty]
        log.add(
            "note",
            "no-answer",
            f"{plural(len(empty), 'administration')} of {source.instrument} without "
            f"any answer{_the_first(rows)}.",
            "Kept as an instrument that was not done.",
            file=source.file,
            row=int(rows[0]),
        )
    return np.asarray(kept & ~flagged, dtype=np.bool_)


def _the_first(rows: IntArray) -> str:
    return f", the first in row {rows[0]}" if len(rows) > 1 else ""


def check_duplicates(spec: Study, found: list[Answered], log: IssueLog) -> None:
    """Report administrations that stand twice, within a file or in two.

    Two of one subject, instrument and visit on the same date cannot be told apart. On
    other dates they are settled later (``duplicates``), unless that says ``error``.
    """
    dated: dict[tuple[object, ...], str] = {}
    slots: dict[tuple[object, ...], str] = {}
    for one in found:
        places, source = one.sheet.places, one.source
        for m, key in enumerate(places.keys()):
            subject, visit, session, date, day = key
            if not subject:
                continue
            here = f"row {places.row[m]} of {source.file}"
            slot = (source.instrument, subject, visit, session)
            earlier = dated.setdefault((*slot, date, day), here)
            message = ""
            if earlier != here:
                message = f"on the same date ({date or day or 'none given'})"
            elif visit and visit not in spec.unscheduled_visits:
                earlier = slots.setdefault(slot, here)
                if spec.duplicates == "error" and earlier != here:
                    message = "on another date, and the study says duplicates: error"
            if message:
                what = f"at {visit}" if visit else f"after session {session}"
                log.add(
                    "error",
                    "duplicate-administration",
                    f"{source.instrument} of subject {quoted(subject)} {what} stands "
                    f"already in {earlier}, {message}.",
                    "Keep one record, or correct the visit or the date.",
                    file=source.file,
                    row=int(places.row[m]),
                    column=source.visit or source.session or source.subject,
                    subject=subject,
                    value=visit or str(session),
                )


def to_qs(spec: Study, found: list[Answered]) -> pd.DataFrame:
    """Return QS: answers in the instrument's own numbering, numbered per subject.

    QSSEQ follows date, day, place of the visit in the schedule, session, instrument
    and item, whatever the order of the files.
    """
    import pandas as pd

    frame = pd.concat([_rows(one) for one in found], ignore_index=True)
    order = {visit.id: place for place, visit in enumerate(spec.visits)}
    frame["place"] = frame["VISIT"].map(order).fillna(len(order))
    keys = ["USUBJID", "QSDTC", "QSDY", "place", "SESSION", "QSCAT", "QSGRPID"]
    frame = frame.sort_values(
        [*keys, "QSITEM", "QSTESTCD"], kind="stable", ignore_index=True
    )
    frame["QSSEQ"] = frame.groupby("USUBJID", sort=False).cumcount() + 1
    for name in ("SESSION", "QSDY", "QSITEM"):
        frame[name] = frame[name].astype("Int64").mask(frame[name] == 0)
    frame["STUDYID"] = spec.study.id
    return frame.drop(columns="place")


def _rows(one: Answered) -> pd.DataFrame:
    """Return the rows of one source: its answers, and QSALL where there are none."""
    import pandas as pd

    sheet, places, answers = one.sheet, one.sheet.places, one.answers
    tests, items = [], []
    for key in sheet.keys:
        by_item = isinstance(key, int)
        tests.append(
            one.definition.items[key].testcd
            if isinstance(key, int)
            else one.definition.scores[key].paramcd
        )
        items.append(key if by_item else 0)
    m, k = np.nonzero(np.repeat(one.done[:, None], len(tests), axis=1))
    given = answers.state[m, k] == GIVEN
    absent = np.flatnonzero(~one.done)
    n = len(absent)
    at = np.concatenate([m, absent])
    blank = np.full(n, "", dtype=object)
    none = np.full(n, INSTRUMENT_NOT_DONE, dtype=object)
    reason = np.concatenate([answers.state[m, k], none])
    return pd.DataFrame(
        {
            "USUBJID": places.subject[at],
            "QSCAT": one.definition.id,
            "QSGRPID": _groups(one)[at],
            "QSTESTCD": np.concatenate(
                [np.array(tests, dtype=object)[k], np.full(n, "QSALL", dtype=object)]
            ),
            "QSITEM": np.concatenate([np.array(items, dtype=np.int64)[k], absent * 0]),
            "QSORRES": np.concatenate([np.where(given, sheet.text[m, k], ""), blank]),
            "QSSTRESN": np.concatenate([answers.value[m, k], np.full(n, np.nan)]),
            "QSSTAT": np.where(reason == GIVEN, "", "NOT DONE"),
            "QSREASND": reason,
            "VISIT": places.visit[at],
            "SESSION": places.session[at],
            "QSDTC": places.date[at],
            "QSDY": places.day[at],
            "QSEVALID": places.rater[at],
            "QSVER": one.source.version or "",
            "SRCFILE": one.source.file,
            "SRCROW": np.concatenate([sheet.rows[m, k], places.row[absent]]),
        }
    )


def _groups(one: Answered) -> np.ndarray[tuple[int, ...], np.dtype[np.object_]]:
    """Return QSGRPID of each administration: instrument, visit, session, date."""
    names = np.empty(len(one.done), dtype=object)
    for m, key in enumerate(one.sheet.places.keys()):
        _, visit, session, date, day = key
        parts = [one.definition.id, visit, f"S{session}" if session else "", date]
        parts.append(f"D{day}" if day else "")
        names[m] = ":".join(part for part in parts if part)
    return names
