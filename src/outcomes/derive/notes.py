"""What derivation says about what it did: counted, with a reason, never silent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from outcomes.datasets.results import ISSUES
from outcomes.datasets.store import conform, empty

if TYPE_CHECKING:
    from outcomes.datasets.store import Frame


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the issue log.

    A *warning* asks somebody to look; a *note* says what a rule did.
    """

    rule: str
    message: str
    remedy: str = ""
    severity: Literal["note", "warning"] = "note"
    file: str = "adsl"
    column: str = ""
    subject: str = ""
    value: str = ""


class Derivation(NamedTuple):
    """A derived table and what is to be said about it."""

    frame: Frame
    notes: list[Note]


def as_issues(notes: Sequence[Note]) -> Frame:
    """Return notes as rows of the issue log, of stage ``derive``."""
    import pandas as pd

    if not notes:
        return empty(ISSUES)
    rows = [{"stage": "derive", **asdict(note)} for note in notes]
    return conform(pd.DataFrame(rows), ISSUES)


def first(names: Iterable[object], limit: int = 3) -> str:
    """Name the first few of many, sorted: ``(first: 01-001, 01-002, 01-005)``."""
    listed = sorted({str(name) for name in names})
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return f"({', '.join(listed[:limit])}{more})"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 subject``, ``2 subjects``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
