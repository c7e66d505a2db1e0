"""Wide, long and totals-only files brought to one table: a row per administration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.ingest.cells import Cells, IntArray, absent_columns
from outcomes.ingest.issues import IssueLog, nearest, quoted
from outcomes.ingest.places import Places, columns_of, group_rows
from outcomes.ingest.raw import RawTable, TextArray
from outcomes.instruments.definition import Instrument
from outcomes.study.spec import QuestionnaireSource, Study


@dataclass(frozen=True, slots=True)
class Sheet:
    """Answers of m administrations as text.

    Attributes
    ----------
    places : Places
        Of the m administrations.
    keys : tuple
        What the k columns are: own item numbers, or names of scores.
    names : tuple of str
        The raw columns they were read from.
    text : TextArray, shape (m, k)
        As collected.
    rows : IntArray, shape (m, k)
        Row of the raw file.
    """

    places: Places
    keys: tuple[int, ...] | tuple[str, ...]
    names: tuple[str, ...]
    text: TextArray
    rows: IntArray


def answer_columns(
    spec: Study,
    source: QuestionnaireSource,
    definition: Instrument,
    table: RawTable,
    log: IssueLog,
) -> dict[int, str] | dict[str, str] | None:
    """Return the columns that hold answers, by item or score; report those absent.

    For a long file this is one column under item 0. None where the source cannot be
    read with the columns there are.
    """
    places = columns_of(source)
    answers = _answers_of(source, definition)
    where_absent = absent_columns(table, places, log, answers)
    found: dict[int, str] | dict[str, str]
    if source.totals:
        found = dict(source.totals)
        where_absent += absent_columns(table, answers, log, places)
    elif source.layout == "long":
        where_absent += absent_columns(table, answers, log, places)
        found = {0: source.value or ""}
    else:
        pattern = source.items or ""
        positions = definition.positions(source.ordering)
        wanted = dict(zip(positions.values(), answers, strict=True))
        found = {own: wanted[own] for own in definition.items}
        absent = [own for own in found if found[own] not in table.columns]
        if len(absent) == len(found):
            names = list(found.values())
            log.add(
                "error",
                "missing-column",
                f"no column reads like {quoted(pattern)}: {quoted(names[0])} to "
                f"{quoted(names[-1])}."
                + nearest(names[0], [c for c in table.columns if c not in places]),
                "Correct items in the study file, or export the columns.",
                file=table.file,
                row=1,
                column=pattern,
            )
            return None
        needed = needed_items(spec, definition)
        lacking = [found[own] for own in absent if own in needed]
        absent_columns(table, lacking, log, [*places, *answers])
        _note_absent(
            {own: found[own] for own in absent if own not in needed},
            definition,
            table,
            log,
        )
        found = {own: name for own, name in found.items() if own not in absent}
    return None if where_absent else found


def _answers_of(source: QuestionnaireSource, definition: Instrument) -> list[str]:
    """Return the columns that a source names for answers."""
    if source.totals:
        return list(source.totals.values())
    if source.layout == "long":
        return [source.item or "", source.value or ""]
    positions = definition.positions(source.ordering)
    return [(source.items or "").format(item=at) for at in positions]


def needed_items(spec: Study, definition: Instrument) -> set[int]:
    """Return the items that count in what the study uses of an instrument.

    That is the scores of its endpoints and predictors; where there are none (or the
    study file is broken there), the items of all scores.
    """
    names: set[str] = set()
    for endpoint in getattr(spec, "endpoints", {}).values():
        if getattr(endpoint, "instrument", None) == definition.id:
            names.add(endpoint.score)
    for analysis in getattr(spec, "analyses", []):
        predictor = getattr(analysis, "predictor", None)
        if predictor is not None and predictor.instrument == definition.id:
            names.add(predictor.score)
    rules = spec.instruments.get(definition.id)
    criteria = rules.criteria if rules else {}
    used = names & {*definition.scores, *definition.derived} or set(definition.scores)
    needed: set[int] = set()
    for name in used:
        needed.update(definition.items_of(name, criteria))
    return needed


def _note_absent(
    absent: dict[int, str], definition: Instrument, table: RawTable, log: IssueLog
) -> None:
    for own, name in absent.items():
        log.add(
            "warning",
            "item-not-collected",
            f"there is no column {quoted(name)} (item {own} of {definition.id}); no "
            "endpoint of the study needs it.",
            "Scores made of it are missing.",
            file=table.file,
            row=1,
            column=name,
        )


def wide_sheet(
    places: Places, columns: dict[int, str] | dict[str, str], table: RawTable
) -> Sheet:
    """Return a file with a column per item or score: a row is an administration."""
    names = tuple(columns.values())
    text = np.stack([table.columns[name] for name in names], axis=1)
    rows = np.repeat(table.rows[:, None], len(names), axis=1)
    return Sheet(places, tuple(columns), names, text, rows)  # type: ignore[arg-type]


def long_sheet(
    spec: Study,
    source: QuestionnaireSource,
    definition: Instrument,
    cells: Cells,
    places: Places,
) -> Sheet:
    """Return a file with a row per item, its rows gathered into administrations.

    An item without a row is empty text at the first row of its administration. Items
    that no row of the file has were not collected.
    """
    of_row, first = group_rows(places)
    at, value = source.item or "", source.value or ""
    item = _items(source, definition, cells, at, ~places.not_done)
    numbers = [n for n in definition.items if (item == n).any()]
    _never(spec, definition, numbers, cells, at)
    slot = np.full(max(definition.items) + 1, -1, dtype=np.int64)
    slot[numbers] = np.arange(len(numbers))
    text = np.full((len(first), len(numbers)), "", dtype=object)
    rows = np.repeat(places.row[first][:, None], len(numbers), axis=1)
    known = np.flatnonzero(item > 0)
    cell = of_row[known] * max(len(numbers), 1) + slot[item[known]]
    kept, start = np.unique(cell, return_index=True)
    again = np.setdiff1d(np.arange(len(known)), start)
    if len(again):
        before = known[start[np.searchsorted(kept, cell[again])]]
        _repeated(cells, at, definition, known[again], before)
    source_rows = known[start]
    text.ravel()[kept] = cells.table.columns[value][source_rows]
    rows.ravel()[kept] = places.row[source_rows]
    _same_rater(source, cells, places, of_row, first)
    flagged = np.zeros(len(first), dtype=np.bool_)
    np.logical_or.at(flagged, of_row, places.not_done)
    together = places.take(first)
    together.not_done[:] = flagged
    names = (value,) * len(numbers)
    return Sheet(together, tuple(numbers), names, text, rows)


def _items(
    source: QuestionnaireSource,
    definition: Instrument,
    cells: Cells,
    column: str,
    needed: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
) -> IntArray:
    """Return the own item number of every row, 0 where there is none."""
    positions = definition.positions(source.ordering)
    names = {str(at): own for at, own in positions.items()}
    if source.ordering is None:
        names |= {item.testcd: own for own, item in definition.items.items()}
    text = cells.text(column)
    item = np.array(
        [names.get(t.lstrip("0") if t.isdecimal() else t, 0) for t in text],
        dtype=np.int64,
    )
    listed = sorted(positions)
    span = (
        f"{listed[0]} to {listed[-1]}"
        if listed == list(range(listed[0], listed[-1] + 1))
        else ", ".join(map(str, listed))
    )
    # A row that says 'not done' may leave the item empty.
    cells.reject(
        (item == 0) & ((text != "") | needed),
        "unknown-item",
        column,
        lambda value: f"{quoted(value)} is no item of {definition.id}: {span}.",
        "Correct it, or remove the row from the export.",
    )
    return item


def _never(
    spec: Study, definition: Instrument, numbers: list[int], cells: Cells, column: str
) -> None:
    needed = needed_items(spec, definition)
    for own in definition.items:
        if own in numbers:
            continue
        hard = own in needed
        cells.log.add(
            "error" if hard else "warning",
            "item-not-collected",
            f"item {own} of {definition.id} stands in no row"
            f"{'' if hard else '; no endpoint of the study needs it'}.",
            "Export it too." if hard else "Scores made of it are missing.",
            file=cells.table.file,
            column=column,
            value=str(own),
        )


def _repeated(
    cells: Cells, column: str, definition: Instrument, again: IntArray, before: IntArray
) -> None:
    for position, earlier in zip(again.tolist(), before.tolist(), strict=True):
        mark = np.zeros(len(cells.table.rows), dtype=np.bool_)
        mark[position] = True
        cells.reject(
            mark,
            "duplicate-record",
            column,
            f"this item of {definition.id} stands already in row "
            f"{cells.table.rows[earlier]} for the same subject, visit and date.",
            "Keep one of them.",
        )


def _same_rater(
    source: QuestionnaireSource,
    cells: Cells,
    places: Places,
    of_row: IntArray,
    first: IntArray,
) -> None:
    if source.rater is None:
        return
    leading = first[of_row]
    cells.reject(
        places.rater != places.rater[leading],
        "rater-conflict",
        source.rater,
        "another row of the same subject, visit and date names another rater.",
        "One administration has one rater; correct it, or keep the rows of one.",
    )
