"""Cells of a raw file turned into numbers, dates and codes, strictly."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcomes.ingest.issues import FEW, IssueLog, hints, nearest, plural, quoted
from outcomes.ingest.raw import RawTable, TextArray
from outcomes.study.spec import RawFile

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_NUMBER = {
    mark: re.compile(rf"[+-]?(?:[0-9]{{1,15}}(?:{re.escape(mark)}[0-9]{{0,30}})?)")
    for mark in ".,"
}
"""Digits and one decimal mark: no thousands separator, exponent, NaN or infinity.
Up to 15 digits before the mark, which a double holds exactly."""


_DATE_FORMATS = (
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y/%m/%d",
    "%d-%b-%Y",
)
"""What dates are usually written in; one is suggested where it fits a whole column."""


_ISO = "%Y-%m-%d"
_PARTIAL = re.compile("[0-9]{4}(-(0[1-9]|1[0-2]))?")
"""A year, or a year and a month, of ISO 8601."""


_FIRST_DATE, _LAST_DATE = "1900-01-01", "2100-12-31"
"""No trial has a date beyond them; a wrong format or a code for missing has."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one raw file as one source declares them.

    ``subject`` is the text of the subject column, to name subjects in issues.
    """

    table: RawTable
    source: RawFile
    log: IssueLog
    subject: TextArray

    def text(self, column: str, mapping: Mapping[str, str] | None = None) -> TextArray:
        """Return a column as text: '' for a missing code, values of a map exchanged.

        The map goes first, so that it may give a meaning to a missing code.
        """
        missing = set(self.source.missing)
        exchange = mapping or {}
        return each(
            self.table.columns[column],
            lambda text: exchange.get(text, "" if text in missing else text),
        )

    def mapped(
        self, column: str, mapping: Mapping[str, str], *, where: str
    ) -> TextArray:
        """Return a column through its map; a warning names values the map lacks."""
        raw = self.table.columns[column]
        out = self.text(column, mapping)
        passed = {"", *self.source.missing, *mapping, *mapping.values()}
        places: dict[str, list[int]] = {}
        for position, value in enumerate(raw.tolist()):
            if value not in passed:
                places.setdefault(value, []).append(position)
        hint = hints(mapping)
        for value, hits in places.items():
            self.log.add(
                "warning",
                "value-not-mapped",
                f"{quoted(value)} is not in {where}; it stands in "
                f"{plural(len(hits), 'row')}.",
                f"It was kept as it is.{hint(value)}",
                file=self.table.file,
                row=int(self.table.rows[hits[0]]),
                column=column,
                value=value,
            )
        return out

    def reject(
        self,
        bad: BoolArray,
        rule: str,
        column: str,
        message: str | Callable[[str], str],
        remedy: str = "",
        *,
        values: TextArray | None = None,
    ) -> None:
        """Report every marked row as an error.

        ``message`` is a sentence, or makes one of the value.
        """
        texts = self.table.columns.get(column) if values is None else values
        said: dict[str, str] = {}
        for position in np.flatnonzero(bad).tolist():
            value = "" if texts is None else str(texts[position])
            if value not in said:
                said[value] = message if isinstance(message, str) else message(value)
            self.reject_row(position, rule, column, said[value], remedy, value=value)

    def reject_row(
        self,
        position: int,
        rule: str,
        column: str,
        message: str,
        remedy: str = "",
        *,
        value: str,
    ) -> None:
        """Report one row as an error."""
        self.log.add(
            "error",
            rule,
            message,
            remedy,
            file=self.table.file,
            row=int(self.table.rows[position]),
            column=column,
            subject=str(self.subject[position]),
            value=value,
        )

    def numbers(self, column: str, text: TextArray | None = None) -> FloatArray:
        """Return a column as numbers, NaN where empty; report what is none."""
        texts = self.text(column) if text is None else text
        out = numbers_of(texts, self.source.decimal)
        bad = np.isnan(out) & (texts != "")
        self.reject(
            bad,
            "not-a-number",
            column,
            lambda value: not_a_number(value, self.source.decimal),
            "Correct it, or list it under missing.",
            values=texts,
        )
        return out

    def integers(
        self, column: str, text: TextArray | None = None, *, least: int | None = None
    ) -> FloatArray:
        """Return a column as whole numbers (NaN where empty); report others."""
        out = self.numbers(column, text)
        given = ~np.isnan(out)
        whole = given & (out == np.floor(out))
        low = -np.inf if least is None else least
        bad = given & ~(whole & (out >= low))
        limit = "" if least is None else f" of {least} or more"
        self.reject(
            bad,
            "not-an-integer",
            column,
            lambda value: f"{quoted(value)} is not a whole number{limit}.",
            "Correct it, or list it under missing.",
            values=text,
        )
        return np.where(bad, np.nan, out)

    def dates(
        self, column: str, text: TextArray | None = None, *, partial: bool = False
    ) -> TextArray:
        """Return a column as ISO 8601 dates, '' where empty; report what is none.

        With ``partial`` a year, or a year and a month, stays as it is, with a warning.
        In another ``date_format`` than ISO 8601 what they look like is not known.
        """
        texts = self.text(column) if text is None else text
        written = self.source.date_format
        if not is_date_format(written):
            self.log.add(
                "error",
                "date-format",
                f"date_format {quoted(written)} does not give day, month and year.",
                "Write it with codes as in '%Y-%m-%d' or '%d.%m.%Y'.",
                file=self.table.file,
                column=column,
            )
            return np.full(len(texts), "", dtype=object)
        kept = partial and written == _ISO
        out = each(
            texts,
            lambda value: (
                value if kept and is_partial(value) else iso_date(value, written)
            ),
        )
        how = f" {_partial_remedy(written)}" if partial else ""
        self.reject(
            (out == "") & (texts != ""),
            "date",
            column,
            lambda value: f"{quoted(value)} is no calendar date written {written}.",
            f"{_date_remedy(texts)}{how}",
            values=texts,
        )
        self._warn_of_partial(column, out)
        first = each(out, lambda value: value + "-01-01"[len(value) - 4 :])
        self.reject(
            (out != "") & ((first < _FIRST_DATE) | (first > _LAST_DATE)),
            "implausible-date",
            column,
            lambda value: (
                f"{quoted(value)} is not between {_FIRST_DATE} and {_LAST_DATE}."
            ),
            "Correct it, or list it under missing.",
            values=texts,
        )
        return out

    def _warn_of_partial(self, column: str, out: TextArray) -> None:
        """Say once how many dates of a column lack a day, and of whom."""
        hits = np.flatnonzero(each(out, is_partial).astype(np.bool_))
        if not len(hits):
            return
        given = int(np.count_nonzero(out != ""))
        subjects = list(dict.fromkeys(self.subject[hits].tolist()))
        more = len(subjects) - FEW
        named = ", ".join(quoted(name) for name in subjects[:FEW])
        self.log.add(
            "warning",
            "partial-date",
            f"{len(hits)} of {plural(given, 'date')} "
            f"{'is' if len(hits) == 1 else 'are'} partial (a year, or a year and a "
            "month), of "
            f"{plural(len(subjects), 'subject')} ({named}"
            f"{f' and {more} more' if more > 0 else ''}).",
            "Kept as written, and not used where a day is needed.",
            file=self.table.file,
            row=int(self.table.rows[hits[0]]),
            column=column,
            value=str(out[hits[0]]),
        )


def each(texts: TextArray, function: Callable[[str], Any]) -> NDArray[Any]:
    """Apply a function once per distinct text."""
    result = {text: function(text) for text in dict.fromkeys(texts.ravel().tolist())}
    flat = np.empty(texts.size, dtype=object)
    flat[:] = [result[text] for text in texts.ravel().tolist()]
    return flat.reshape(texts.shape)


def numbers_of(texts: TextArray, decimal: str) -> FloatArray:
    """Return texts as numbers, NaN for what is none (and for '')."""
    return each(texts, lambda text: _number(text, decimal)).astype(np.float64)


def _number(text: str, decimal: str) -> float:
    if not _NUMBER[decimal].fullmatch(text):
        return float("nan")
    return float(text.replace(decimal, "."))


def not_a_number(value: str, decimal: str) -> str:
    """Say why a text is no number, with the decimal mark that would make it one."""
    other = "," if decimal == "." else "."
    hint = ""
    if _NUMBER[other].fullmatch(value):
        hint = f'; it would be one with decimal: "{other}"'
    return f"{quoted(value)} is not a number{hint}."


def iso_date(text: str, written: str) -> str:
    """Return a date as ISO 8601 text, '' for what is no date so written."""
    if any(c.isdigit() and not c.isascii() for c in text):
        return ""  # strptime reads the digits of every script
    try:
        return datetime.strptime(text, written).date().isoformat()
    except ValueError:
        return ""


def is_partial(text: str) -> bool:
    """Say whether a text is a year, or a year and a month, of ISO 8601.

    Examples
    --------
    >>> [is_partial(text) for text in ("2019", "2019-08", "2019-08-01", "2019-13")]
    [True, True, False, False]
    """
    return _PARTIAL.fullmatch(text) is not None


def _partial_remedy(written: str) -> str:
    """Say how a date is given of which the day is not known."""
    if written == _ISO:
        return "If the day is not known, write the month or the year: 2019-08, 2019."
    return (
        "If the day of some is not known, write the column in ISO 8601 (2019-08-24, "
        f'2019-08, 2019) with date_format: "{_ISO}".'
    )


def _date_remedy(texts: TextArray) -> str:
    """Say what to do with dates that do not read; name a format that all are in."""
    values = [text for text in dict.fromkeys(texts) if text]
    fits = [f for f in _DATE_FORMATS if all(iso_date(value, f) for value in values)]
    if not fits:
        return "Correct it, or declare date_format, or list it under missing."
    declared = " or ".join(f'"{written}"' for written in fits)
    if len(fits) > 1:
        return f"Declare date_format: {declared}; the dates can be read as each."
    return f"Declare date_format: {declared}; every date of the column is so written."


def is_date_format(written: str) -> bool:
    """Say whether a format gives a whole date: a date written so reads back equal."""
    try:
        return all(
            datetime.strptime(day.strftime(written), written).date() == day
            for day in (date(2001, 11, 22), date(2019, 3, 4))
        )
    except (ValueError, re.error):
        return False


def absent_columns(
    table: RawTable, names: Sequence[str], log: IssueLog, mapped: Sequence[str] = ()
) -> list[str]:
    """Report columns that a file lacks, each with the nearest it has; return them.

    A column that the source has a use for already, in ``names`` or ``mapped``, is not
    what is meant, and not suggested.
    """
    absent = [name for name in dict.fromkeys(names) if name not in table.columns]
    free = [name for name in table.columns if name not in (*names, *mapped)]
    for name in absent:
        log.add(
            "error",
            "missing-column",
            f"there is no column {quoted(name)}.{nearest(name, free)}",
            "Correct the name in the study file, or export the column.",
            file=table.file,
            row=1,
            column=name,
        )
    return absent
