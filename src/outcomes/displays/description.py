"""What a display says, before any writer gives it a form.

HTML is made from these today; another form is another writer of the same description.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from outcomes.displays.charts import Chart

Label = Literal["PRE-SPECIFIED", "EXPLORATORY"]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a cell: a number with the ARD row it comes from, or mere text."""

    text: str
    result_id: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """The content of one place of a table, also of a heading."""

    parts: tuple[Part, ...] = ()

    @property
    def text(self) -> str:
        """The whole cell as it reads."""
        return "".join(part.text for part in self.parts)

    @property
    def result_ids(self) -> tuple[str, ...]:
        """The ARD rows behind the cell, in order of appearance."""
        return tuple(part.result_id for part in self.parts if part.result_id)


@dataclass(frozen=True, slots=True)
class Column:
    """A column; equal ``span`` of neighbours is one heading over them."""

    header: Cell
    span: Cell | None = None
    align: Literal["number", "text"] = "number"


@dataclass(frozen=True, slots=True)
class Row:
    """A row; ``indent`` sets its heading in below the row before.

    A ``wide`` row has one cell, over all columns.
    """

    header: Cell
    cells: tuple[Cell, ...]
    indent: int = 0
    wide: bool = False


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows that belong together, under a heading where there is one."""

    rows: tuple[Row, ...]
    header: Cell | None = None


@dataclass(frozen=True, slots=True)
class Heading:
    """What every display says about itself."""

    id: str
    analysis: str
    kind: Literal["table", "figure"]
    number: str
    name: str
    """``Table 14.2.1``."""
    title: str
    population: str
    label: Label
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """The body of a table: stub heading, columns and rows.

    ``alike`` says that the rows of a column hold the same kind of numbers, so that a
    writer lines up also what stands in brackets.
    """

    stub: str
    columns: tuple[Column, ...]
    groups: tuple[RowGroup, ...]
    alike: bool = False

    def cells(self) -> Iterable[Cell]:
        """Iterate over all cells with content, headings included."""
        for column in self.columns:
            if column.span is not None:
                yield column.span
            yield column.header
        for group in self.groups:
            if group.header is not None:
                yield group.header
            for row in group.rows:
                yield row.header
                yield from row.cells


@dataclass(frozen=True, slots=True)
class Table:
    """A table, ready for any writer."""

    heading: Heading
    grid: Grid
    footnotes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    """Why results are absent, in words; empty if all are there."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: what to draw, what to say under it, and its numbers as a table."""

    heading: Heading
    chart: Chart | None
    caption: str
    alt: str
    numbers: Grid
    footnotes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


def text(content: str) -> Cell:
    """Return a cell that is mere text."""
    return Cell((Part(content),))


def joined(*pieces: Cell | str) -> Cell:
    """Put cells and plain texts together into one cell."""
    parts: list[Part] = []
    for piece in pieces:
        parts.extend([Part(piece)] if isinstance(piece, str) else piece.parts)
    return Cell(tuple(parts))
