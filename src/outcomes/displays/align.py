r"""Numbers under numbers: pads the pieces of cells, so that columns line up.

Columns are set flush right with figures of equal width. That aligns a plain number,
not the first one of ``5 (4.8)`` above ``15 (14.4)``. Pieces of cells of the same make
in one column are therefore filled up on the left with figure spaces (U+2007).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from outcomes.displays.description import Cell, Grid, Part, Row

FIGURE_SPACE = "\u2007"


def aligned(grid: Grid) -> Grid:
    """Return the grid with the numbers of each column and make filled up.

    Only where its rows are alike; under a mean, a confidence interval needs no filling.
    """
    if not grid.alike:
        return grid
    groups = []
    for group in grid.groups:
        widths = _widths(group.rows)
        rows = tuple(
            replace(
                row,
                cells=tuple(
                    _filled(cell, widths[place, _make(cell)])
                    for place, cell in enumerate(row.cells)
                ),
            )
            for row in group.rows
        )
        groups.append(replace(group, rows=rows))
    return replace(grid, groups=tuple(groups))


def _make(cell: Cell) -> tuple[str, ...]:
    """Return what cells must share to be aligned piece by piece: their plain text."""
    return tuple("#" if part.result_id else part.text for part in cell.parts)


def _widths(rows: tuple[Row, ...]) -> dict[tuple[int, tuple[str, ...]], list[int]]:
    widths: dict[tuple[int, tuple[str, ...]], list[int]] = defaultdict(list)
    for row in rows:
        for place, cell in enumerate(row.cells):
            known = widths[place, _make(cell)]
            lengths = [len(part.text) for part in cell.parts]
            known.extend([0] * (len(lengths) - len(known)))
            known[:] = [max(pair) for pair in zip(known, lengths, strict=True)]
    return widths


def _filled(cell: Cell, widths: list[int]) -> Cell:
    if len(cell.parts) < 2:
        return cell
    parts = [
        Part(part.text.rjust(width, FIGURE_SPACE), part.result_id)
        if part.result_id
        else part
        for part, width in zip(cell.parts, widths, strict=True)
    ]
    first = parts[0]
    if first.result_id:
        parts[0] = Part(first.text.lstrip(FIGURE_SPACE), first.result_id)
    return Cell(tuple(parts))
