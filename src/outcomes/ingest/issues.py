"""The issue log: what was found in raw data, and what was done about it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

from outcomes.datasets.results import ISSUES
from outcomes.datasets.store import conform, empty

if TYPE_CHECKING:
    import pandas as pd

Severity = Literal["error", "warning", "note"]
_SHOWN = 60
_CAUSE = ("severity", "rule", "file", "column")
FEW = 3
"""Rows of one cause that are shown; the log holds all."""


@dataclass(slots=True)
class IssueLog:
    """Issues of one stage, in the order they were found."""

    stage: str = "ingest"
    found: list[dict[str, object]] = field(default_factory=list)

    def add(
        self,
        severity: Severity,
        rule: str,
        message: str,
        remedy: str = "",
        *,
        file: str = "",
        row: int | None = None,
        column: str = "",
        subject: str = "",
        value: str = "",
    ) -> None:
        """Add one issue.

        Parameters
        ----------
        severity : str
            An error stops the run; a warning and a note say what was done.
        rule : str
            Which check found it.
        message, remedy : str
            What is wrong; what to do or what was done.
        file, row, column, subject, value
            Where, as far as that can be said; the header is row 1.
        """
        self.found.append(
            {
                "stage": self.stage,
                "severity": severity,
                "rule": rule,
                "file": file,
                "row": row,
                "column": printable(column),
                "subject": printable(subject),
                "value": printable(value),
                "message": message,
                "remedy": remedy,
            }
        )

    @property
    def has_errors(self) -> bool:
        """Whether anything found is an error."""
        return any(issue["severity"] == "error" for issue in self.found)

    def frame(self) -> pd.DataFrame:
        """Return the issue log as its table; what was found twice stands once."""
        import pandas as pd

        if not self.found:
            return empty(ISSUES)
        frame = pd.DataFrame(self.found).astype({"row": "Int64"})
        return conform(frame.drop_duplicates(list(ISSUES.key)), ISSUES)


def lines_of(issues: pd.DataFrame) -> list[str]:
    """Return issues as text, one line each; of a cause with many rows, the first.

    Examples
    --------
    >>> log = IssueLog()
    >>> log.add("error", "range", "7 is above 6.", file="a.csv", row=2, column="x")
    >>> lines_of(log.frame())
    ['a.csv, row 2, column x: 7 is above 6.']
    """
    records = issues.astype(object).where(issues.notna(), None).to_dict("records")
    lines = []
    for group in grouped(records):
        lines += [line_of(issue, ("row", "column", "subject")) for issue in group[:FEW]]
        lines += further(group)
    return lines


def grouped(issues: Iterable[Mapping[Any, Any]]) -> list[list[Mapping[Any, Any]]]:
    """Put issues of one cause together: same severity, rule, file and column.

    An issue that is of no single row or subject stands for itself.
    """
    groups: dict[tuple[object, ...], list[Mapping[Any, Any]]] = {}
    for number, issue in enumerate(issues):
        many = issue.get("row") is not None or bool(issue.get("subject"))
        key = tuple(issue.get(name) for name in _CAUSE)
        groups.setdefault((*key, None if many else number), []).append(issue)
    return list(groups.values())


def line_of(issue: Mapping[Any, Any], named: Sequence[str]) -> str:
    """Return an issue as a line: its file and ``named`` places, what, what to do."""
    place = [str(issue["file"])] if issue.get("file") else []
    for name in named:
        value = issue.get(name)
        if value is not None and value != "":
            place.append(f"{name} {value!r}" if name == "value" else f"{name} {value}")
    remedy = f" {issue['remedy']}" if issue.get("remedy") else ""
    return f"{', '.join(place)}: {issue['message']}{remedy}"


def further(group: Sequence[Mapping[Any, Any]], hint: str = "") -> list[str]:
    """Return the line that counts what a group has beyond the first `FEW`."""
    more = len(group) - FEW
    if more <= 0:
        return []
    what = "row" if all(i.get("row") is not None for i in group) else "subject"
    message = f"and {plural(more, f'more {what}')}{hint}."
    return [line_of({**group[0], "message": message, "remedy": ""}, ("column",))]


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 row``, ``2 rows``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def printable(text: str) -> str:
    r"""Return text with control and other invisible characters spelled out, cut short.

    Examples
    --------
    >>> printable(chr(7) + "x")
    '\\x07x'
    """
    if len(text) > 2 * _SHOWN:
        text = text[: 2 * _SHOWN - 3] + "..."
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c.isprintable() and not is_unseen(c) else ascii(c)[1:-1] for c in text
    )


_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Variation selectors and fillers: letters or marks by category, but nothing to see."""


def is_unseen(character: str) -> bool:
    """Say whether nobody sees a character, or sees a plain space in its place."""
    if character.isascii():
        return not character.isprintable()
    unseen = unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Zs")
    return unseen or _UNSEEN.match(character) is not None


def quoted(text: str) -> str:
    """Return a value as it stands in a message: quoted, printable, cut short."""
    shown = printable(text)
    return f"'{shown[: _SHOWN - 3]}...'" if len(shown) > _SHOWN else f"'{shown}'"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ' Did you mean ...?' with the nearest known name, or ''."""
    near = get_close_matches(name, [k for k in known if k], n=1)
    return f" Did you mean {quoted(near[0])}?" if near else ""


_HINTS = 10
_CANDIDATES = 5000


def hints(known: Iterable[str]) -> Callable[[str], str]:
    """Return `nearest` among known names, for a column full of unknown ones.

    Comparing is slow, so that only the first distinct names get a hint, and none does
    where many are known.
    """
    names = list(known)
    told: dict[str, str] = {}

    def hint(name: str) -> str:
        if name not in told:
            able = len(told) < _HINTS and len(names) <= _CANDIDATES
            told[name] = nearest(name, names) if able else ""
        return told[name]

    return hint
