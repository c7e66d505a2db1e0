"""The issue log in short: how often each rule spoke, and what it first said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcomes.datasets.results import ISSUES
from outcomes.datasets.store import read_csv

_SEVERITY = ("error", "warning", "note")
_ORIGIN = "study-day-origin"
"""The rule of derivation that replaced the date of day 1."""
_STAGE = ("ingest", "derive")


@dataclass(frozen=True, slots=True)
class Finding:
    """All issues of one stage, severity and rule."""

    stage: str
    severity: str
    rule: str
    count: int
    example: str
    where: str
    remedy: str


def findings_in(path: Path) -> list[Finding]:
    """Read an issue log, the most severe first.

    Raises
    ------
    DataError
        If the file is absent or is no issue log.
    """
    frame = read_csv(path, ISSUES)
    groups: dict[tuple[str, str, str], list[dict[Any, Any]]] = {}
    for row in frame.astype(object).to_dict("records"):
        key = row["stage"], row["severity"], row["rule"]
        groups.setdefault(key, []).append(row)
    findings = [
        Finding(
            *key,
            count=len(rows),
            example=rows[0]["message"],
            where=_where(rows[0]),
            remedy=rows[0]["remedy"],
        )
        for key, rows in groups.items()
    ]
    return sorted(findings, key=_order)


def origin_notes(path: Path) -> tuple[str, ...]:
    """Return what the log says of subjects whose study days count from another day.

    Raises
    ------
    DataError
        As `findings_in`.
    """
    frame = read_csv(path, ISSUES)
    rows = frame[(frame["stage"] == "derive") & (frame["rule"] == _ORIGIN)]
    return tuple(dict.fromkeys(rows["message"]))


def _where(row: dict[Any, Any]) -> str:
    line = row["row"]
    parts = [
        row["file"],
        f"row {line}" if isinstance(line, int) else "",
        row["column"],
        f"subject {row['subject']}" if row["subject"] else "",
    ]
    return ", ".join(part for part in parts if part)


def _order(finding: Finding) -> tuple[int, int, str]:
    return (
        _place(finding.severity, _SEVERITY),
        _place(finding.stage, _STAGE),
        finding.rule,
    )


def _place(value: str, order: tuple[str, ...]) -> int:
    return order.index(value) if value in order else len(order)
