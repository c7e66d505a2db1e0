"""Raw CSV files as text: decoded, split, checked, never interpreted."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outcomes.errors import SpecError
from outcomes.ingest.issues import IssueLog, nearest, plural, quoted
from outcomes.study.load import StudyFile
from outcomes.study.spec import RawFile

TextArray = NDArray[np.object_]
IntArray = NDArray[np.int64]

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_IN_YAML = {",": '","', ";": '";"', "\t": '"\\t"', "|": '"|"'}
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
INVISIBLE = re.compile(
    "[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028\u2029\u202a-\u202e\u2060"
    "\u2066-\u2069\ufeff\ufffd\ufffe\uffff]"
)
"""Characters nobody sees or means, that make two equal ids different."""


@dataclass(frozen=True, slots=True)
class RawTable:
    """A raw file as text, every field stripped of white space at its ends.

    ``rows`` are row numbers as a spreadsheet shows them: the header is row 1, a field
    with a line break in it does not start a new row.
    """

    file: str
    rows: IntArray
    columns: dict[str, TextArray]

    def distinct(self, names: Sequence[str]) -> RawTable:
        """Return the first of rows that are equal in some columns."""
        first: dict[tuple[str, ...], int] = {}
        for position, key in enumerate(
            zip(*(self.columns[name] for name in names), strict=True)
        ):
            first.setdefault(key, position)
        keep = np.fromiter(first.values(), dtype=np.int64, count=len(first))
        columns = {name: text[keep] for name, text in self.columns.items()}
        return RawTable(self.file, self.rows[keep], columns)


@dataclass(slots=True)
class RawFiles:
    """The raw files of a study; each is read, and its faults reported, once."""

    study: StudyFile
    log: IssueLog
    _read: dict[tuple[str, str, str], RawTable | None] = field(default_factory=dict)

    def table(self, source: RawFile) -> RawTable | None:
        """Return a raw file, or None where it cannot be read at all."""
        key = (source.file, source.delimiter, source.encoding)
        if key not in self._read:
            self._read[key] = _read(self.study, source, self.log)
        return self._read[key]


def _read(study: StudyFile, source: RawFile, log: IssueLog) -> RawTable | None:
    data = _bytes(study, source, log)
    text = None if data is None else _decode(data, source, log)
    if text is None or not _right_delimiter(text, source, log):
        return None
    records = _split(text, source, log)
    if records is None:
        return None
    table = _table(records, source, log)
    if table is not None and INVISIBLE.search(text):
        _report_invisible(table, log)
    return table


def _bytes(study: StudyFile, source: RawFile, log: IssueLog) -> bytes | None:
    try:
        path = study.raw(source.file)
    except (SpecError, ValueError, OSError, RuntimeError) as problem:
        # besides SpecError: a NUL in the name, a link that leads to itself
        log.add("error", "path", str(problem), file=source.file)
        return None
    try:
        return path.read_bytes()
    except FileNotFoundError:
        hint = nearest(path.name, _files_beside(path))
        log.add(
            "error",
            "missing-file",
            "there is no such file in the data root.",
            f"Put it there or correct the name.{hint}",
            file=source.file,
        )
    except OSError as problem:
        log.add(
            "error",
            "unreadable-file",
            f"cannot be read: {problem.strerror}.",
            "A readable file is needed here.",
            file=source.file,
        )
    return None


def _files_beside(path: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        return []


def _decode(data: bytes, source: RawFile, log: IssueLog) -> str | None:
    """Return the text of a file, or report why its bytes are no text."""
    if not data.strip(b" \t\r\n" + _UTF8_MARK):
        log.add(
            "error", "empty-file", "is empty.", "Export it again.", file=source.file
        )
        return None
    encoding = _codec(data, source, log)
    if encoding is None:
        return None
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as problem:
        before = data[: problem.start].decode(encoding, errors="replace")
        if source.encoding == "utf-8":
            advice = "utf-8: declare encoding: cp1252 (or latin-1) if it is that"
        else:
            advice = f"{source.encoding}: declare the encoding it has"
        log.add(
            "error",
            "encoding",
            f"byte {problem.start} ({data[problem.start]:#04x}) is not {advice}.",
            "Or export the file as UTF-8.",
            file=source.file,
            row=_row_at(before, source),
            value=f"{data[problem.start]:#04x}",
        )
        return None
    if not text.strip("\ufeff \t\r\n"):  # nothing but a mark of the encoding
        log.add(
            "error", "empty-file", "is empty.", "Export it again.", file=source.file
        )
        return None
    if "\0" in text:
        before = text[: text.index("\0")]
        log.add(
            "error",
            "nul-byte",
            f"holds a NUL byte after {len(before)} characters; this is no text file, "
            "or it is damaged.",
            "Export it again.",
            file=source.file,
            row=_row_at(before, source),
            value="\0",
        )
        return None
    return text


def _codec(data: bytes, source: RawFile, log: IssueLog) -> str | None:
    """Return the codec of the declared encoding, or report a mark that denies it."""
    declared = source.encoding
    begins = ""
    if declared != "utf-16" and data.startswith(_UTF16_MARKS):
        begins = "utf-16"
    elif declared != "utf-8" and data.startswith(_UTF8_MARK):
        begins = "utf-8"
    elif declared == "utf-16" and not data.startswith(_UTF16_MARKS):
        if b"\0" in data[:2]:
            return "utf-16-be" if data[0] == 0 else "utf-16-le"
        log.add(
            "error",
            "encoding",
            "is not UTF-16, which is declared for it.",
            "Declare the encoding it has (most often utf-8).",
            file=source.file,
        )
        return None
    if begins:
        log.add(
            "error",
            "encoding",
            f"begins with the mark of {begins}, but {declared} is declared for it.",
            f"Declare encoding: {begins}.",
            file=source.file,
        )
        return None
    return "utf-8-sig" if declared == "utf-8" else declared


def _reader(text: str, delimiter: str, *, strict: bool) -> Iterator[list[str]]:
    stream = io.StringIO(text, newline="")
    return csv.reader(
        stream, delimiter=delimiter, strict=strict, skipinitialspace=delimiter != "\t"
    )


def _row_at(before: str, source: RawFile) -> int | None:
    """Return the row that the text after ``before`` is in."""
    reader = _reader(before + "x", source.delimiter, strict=False)
    try:
        return sum(1 for _ in reader)
    except csv.Error:
        return None


def _right_delimiter(text: str, source: RawFile, log: IssueLog) -> bool:
    """Report a header that is one column, and would be more with another delimiter."""
    line = re.split(r"[\r\n]", text, maxsplit=1)[0]

    def count(delimiter: str) -> int:
        return line.count(delimiter)

    other = max((d for d in _DELIMITERS if d != source.delimiter), key=count)
    if count(source.delimiter) or not count(other):
        return True
    log.add(
        "error",
        "delimiter",
        f"the header is one column with the delimiter {source.delimiter!r} "
        f"({_DELIMITERS[source.delimiter]}), but holds {other!r} "
        f"({_DELIMITERS[other]}) {plural(count(other), 'time')}.",
        f"Declare delimiter: {_IN_YAML[other]}.",
        file=source.file,
        row=1,
        value=line,
    )
    return False


def _split(text: str, source: RawFile, log: IssueLog) -> list[list[str]] | None:
    records: list[list[str]] = []
    try:
        records.extend(_reader(text, source.delimiter, strict=True))
    except csv.Error as problem:
        log.add(
            "error",
            "quotes",
            f"cannot be split into fields from here on: {problem}.",
            'Look for a quotation mark that is not closed or not doubled ("").',
            file=source.file,
            row=len(records) + 1,
        )
        return None
    return records


def _table(records: list[list[str]], source: RawFile, log: IssueLog) -> RawTable | None:
    file = source.file
    header = [name.strip() for name in records[0]]
    if not any(header):
        message = "row 1 is blank; the header must stand there."
        log.add("error", "header", message, file=file, row=1)
        return None
    for name, count in Counter(header).items():
        if name and count > 1:
            log.add(
                "error",
                "duplicate-column",
                f"{count} columns are called {quoted(name)}.",
                "Rename or remove all but one.",
                file=file,
                row=1,
                column=name,
            )
    kept, rows, blank = [], [], []
    for row, record in enumerate(records[1:], start=2):
        if not any(map(str.strip, record)):
            blank.append(row)
        elif len(record) != len(header):
            log.add(
                "error",
                "ragged-row",
                f"has {plural(len(record), 'field')}, the header has {len(header)}.",
                "Quote fields that hold the delimiter; write every field.",
                file=file,
                row=row,
                value=source.delimiter.join(record),
            )
        else:
            kept.append(record)
            rows.append(row)
    if blank:
        log.add(
            "note",
            "blank-row",
            f"{plural(len(blank), 'blank row')}"
            + (f", the first is row {blank[0]}." if len(blank) > 1 else "."),
            "Left out.",
            file=file,
            row=blank[0],
        )
    if len(records) - 1 == len(blank):
        log.add(
            "error",
            "no-rows",
            "has a header and no row below it.",
            "Export it again; if there is nothing to report, remove the source.",
            file=file,
            row=1,
        )
        return None
    columns: dict[str, TextArray] = {}
    for position, name in enumerate(header):
        if name and name not in columns:
            texts = [record[position].strip() for record in kept]
            columns[name] = np.array(texts, dtype=object)
    return RawTable(file, np.array(rows, dtype=np.int64), columns)


def _report_invisible(table: RawTable, log: IssueLog) -> None:
    for name, texts in table.columns.items():
        cells = [(1, name), *zip(table.rows.tolist(), texts, strict=True)]
        for row, text in cells:
            found = INVISIBLE.search(text)
            if found:
                log.add(
                    "error",
                    "invisible-character",
                    f"holds the invisible character U+{ord(found[0]):04X}.",
                    "Remove it; if many fields do, the encoding is declared wrongly.",
                    file=table.file,
                    row=row,
                    column=name,
                    value=text,
                )
