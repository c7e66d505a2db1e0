"""From the results of several studies to the table and figure of a comparison."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from outcomes.comparison.load import ComparisonFile
from outcomes.datasets.store import atomic
from outcomes.displays.across_context import across_context
from outcomes.displays.across_figure import figure_across
from outcomes.displays.across_table import table_across
from outcomes.displays.description import Heading
from outcomes.displays.drawing.draw import draw
from outcomes.displays.html import numbers_fragment, page, table_fragment
from outcomes.errors import UsageError

_OF_STUDIES = ("sdtm", "adam", "ard")
"""Folders that the results of a study have, and those of a comparison have not."""


def render_across(comparison: ComparisonFile, results: Path, out: Path) -> None:
    """Make the displays of a comparison and write their files.

    Parameters
    ----------
    comparison : ComparisonFile
        The comparison.
    results : Path
        Folder with the results of the studies, one folder each.
    out : Path
        Results folder of the comparison: ``tables`` and ``figures`` go there.

    Raises
    ------
    DataError
        If the results of a study are absent, no ARD, or of another study or analysis.
    RenderError
        If several results stand for one place of a display.
    UsageError
        If ``out`` holds the results of a study, which would be taken for those of an
        earlier plan and removed.
    """
    _refuse_study_folder(out)
    context = across_context(comparison, results)
    info = comparison.spec.comparison
    table, figure = table_across(context), figure_across(context)
    fragment = table_fragment(table)
    whole = page(table.heading, fragment, study=f"{info.title} ({info.id})")
    with atomic(out / "tables" / f"{table.heading.id}.html") as stream:
        stream.write(whole)
    said = {"footnotes": list(table.footnotes), "failures": list(table.failures)}
    _describe(out / "tables", table.heading, {**said, "html": fragment})
    draw(figure.chart, figure.failures, out / "figures", figure.heading.id)
    content = {
        "caption": figure.caption,
        "alt": figure.alt,
        "footnotes": list(figure.footnotes),
        "failures": list(figure.failures),
        "numbers": numbers_fragment(figure),
    }
    _describe(out / "figures", figure.heading, content)


def _refuse_study_folder(out: Path) -> None:
    held = [name for name in _OF_STUDIES if (out / name).exists()]
    if held:
        raise UsageError(
            f"{out}: holds the results of a study ({', '.join(held)}); give --out a "
            "folder of its own."
        )


def _describe(folder: Path, heading: Heading, content: dict[str, Any]) -> None:
    """Write what a display says beside it; ``study`` is the comparison here."""
    said = {**asdict(heading), "study": heading.analysis, **content}
    with atomic(folder / f"{heading.id}.json") as stream:
        json.dump(said, stream, ensure_ascii=False, indent=1, sort_keys=True)
        stream.write("\n")
