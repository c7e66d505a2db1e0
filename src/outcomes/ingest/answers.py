"""Answers as collected to numbers, each checked against its item or score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from outcomes.datasets.sdtm import ITEM_SKIPPED, NOT_APPLICABLE
from outcomes.ingest.cells import BoolArray, FloatArray, each, not_a_number, numbers_of
from outcomes.ingest.issues import IssueLog, quoted
from outcomes.ingest.layouts import Sheet
from outcomes.ingest.raw import TextArray
from outcomes.instruments.definition import Instrument
from outcomes.study.spec import QuestionnaireSource

GIVEN = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers of m administrations to k items or scores.

    ``state`` is ``GIVEN``, ITEM SKIPPED or NOT APPLICABLE; ``value`` is NaN unless
    given.
    """

    value: FloatArray
    state: TextArray


def read_answers(
    source: QuestionnaireSource, definition: Instrument, sheet: Sheet, log: IssueLog
) -> Answers:
    """Turn answers into numbers and report those that cannot be right.

    An item takes whole numbers in its range; a total, any number in the range of the
    score. Nothing is corrected.
    """
    state = each(sheet.text, lambda text: _state(text, source))
    given = state == GIVEN
    value = numbers_of(sheet.text, source.decimal)
    value = np.where(given, value, np.nan)
    unread = given & np.isnan(value)
    _report(
        unread,
        "not-a-number",
        lambda text, _: not_a_number(text, source.decimal),
        "Correct it, or list it under missing or not_applicable.",
        source=source,
        sheet=sheet,
        log=log,
    )
    low, high, names = _ranges(definition, sheet)
    if not source.totals:
        broken = ~np.isnan(value) & (value != np.floor(value))
        _report(
            broken,
            "item-not-an-integer",
            lambda text, k: (
                f"{quoted(text)} is not a whole number; {names[k]} takes "
                f"{low[k]:g} to {high[k]:g}."
            ),
            "Correct it in the source.",
            source=source,
            sheet=sheet,
            log=log,
        )
        value = np.where(broken, np.nan, value)
        _coded_from_one(source, definition, sheet, value, low, high, log)
    _report(
        (value < low) | (value > high),
        "out-of-range",
        lambda text, k: (
            f"{quoted(text)} is out of range: {names[k]} goes from "
            f"{low[k]:g} to {high[k]:g}."
        ),
        "Correct it in the source.",
        source=source,
        sheet=sheet,
        log=log,
    )
    return Answers(value, state)


def _state(text: str, source: QuestionnaireSource) -> str:
    # not_applicable goes first: a code may by default be one for missing, too.
    if text and text in source.not_applicable:
        return NOT_APPLICABLE
    if text == "" or text in source.missing:
        return ITEM_SKIPPED
    return GIVEN


def _ranges(
    definition: Instrument, sheet: Sheet
) -> tuple[FloatArray, FloatArray, list[str]]:
    """Return the smallest and largest value of each column, and what to call it."""
    bounds: list[tuple[float, float]] = []
    names: list[str] = []
    for key in sheet.keys:
        if isinstance(key, int):
            item = definition.items[key]
            bounds.append((item.min, item.max))
            names.append(f"item {key} of {definition.id}")
        else:
            bounds.append(definition.bounds(key))
            names.append(f"{key} of {definition.id}")
    table = np.array(bounds, dtype=np.float64).reshape(len(bounds), 2)
    return table[:, 0], table[:, 1], names


def _coded_from_one(
    source: QuestionnaireSource,
    definition: Instrument,
    sheet: Sheet,
    value: FloatArray,
    low: FloatArray,
    high: FloatArray,
    log: IssueLog,
) -> None:
    """Report, once and beside the single answers, items that look coded one too high.

    That is: one above the maximum occurs, nothing beyond, and the minimum never does.
    """
    if not len(low):
        return
    (least, most), _ = Counter(zip(low, high, strict=True)).most_common(1)[0]
    alike = (low == least) & (high == most)
    seen = value[:, alike]
    above = (value == most + 1) & alike
    if not above.any() or (seen == least).any() or (seen > most + 1).any():
        return
    m, k = (int(index) for index in np.argwhere(above)[0])
    log.add(
        "error",
        "coded-from-one",
        f"{definition.id} looks coded {least + 1:g}-{most + 1:g}: {most + 1:g} stands "
        f"in {int(above.sum())} answers and {least:g} in none; nothing is corrected "
        "silently.",
        f"Recode it to {least:g}-{most:g} in the source.",
        file=source.file,
        row=int(sheet.rows[m, k]),
        column=sheet.names[k],
        subject=str(sheet.places.subject[m]),
        value=str(sheet.text[m, k]),
    )


def _report(
    bad: BoolArray,
    rule: str,
    message: Callable[[str, int], str],
    remedy: str,
    *,
    source: QuestionnaireSource,
    sheet: Sheet,
    log: IssueLog,
) -> None:
    """Report every marked answer; the message is made of its text and its column."""
    for m, k in np.argwhere(bad).tolist():
        text = str(sheet.text[m, k])
        log.add(
            "error",
            rule,
            message(text, k),
            remedy,
            file=source.file,
            row=int(sheet.rows[m, k]),
            column=sheet.names[k],
            subject=str(sheet.places.subject[m]),
            value=text,
        )
