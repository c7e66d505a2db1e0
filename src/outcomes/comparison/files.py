"""The displays of a comparison and their files: the planner and the report ask, too."""

from __future__ import annotations

from typing import Final, Literal

TABLE: Final = "days"
FIGURE: Final = "panels"
"""The displays of a comparison; their ids have its id and a hyphen before them."""

_ENDS: Final = {"table": ("html", "json"), "figure": ("svg", "pdf", "png", "json")}


def display_id(comparison: str, kind: Literal["table", "figure"]) -> str:
    """Return the id of the table, or of the figure, of a comparison."""
    return f"{comparison}-{TABLE if kind == 'table' else FIGURE}"


def display_files(comparison: str) -> list[tuple[str, Literal["table", "figure"]]]:
    """List the displays of a comparison: id and kind."""
    kinds: tuple[Literal["table", "figure"], ...] = ("table", "figure")
    return [(display_id(comparison, kind), kind) for kind in kinds]


def display_outputs(comparison: str) -> list[str]:
    """Name the files of the displays, relative to the results folder."""
    return [
        f"{kind}s/{id}.{end}"
        for id, kind in display_files(comparison)
        for end in _ENDS[kind]
    ]
