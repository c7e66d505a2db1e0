"""What a table is: columns with a type and a label, a key, a sort order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "integer", "number"]


@dataclass(frozen=True, slots=True)
class Column:
    """One variable of a table.

    ``required`` means that no row may leave it empty (``''`` or null).
    """

    name: str
    kind: Kind
    label: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Schema:
    """One kind of table.

    ``key`` identifies a row and gives the order of rows. An ``open`` table may carry
    further columns, those a study declares.
    """

    name: str
    label: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    open: bool = False

    @property
    def names(self) -> list[str]:
        """Column names, in order."""
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column | None:
        """Return the column called ``name``, or None."""
        return next((c for c in self.columns if c.name == name), None)


def text(name: str, label: str, *, required: bool = False) -> Column:
    """Declare a text column."""
    return Column(name, "text", label, required)


def integer(name: str, label: str, *, required: bool = False) -> Column:
    """Declare a whole-number column."""
    return Column(name, "integer", label, required)


def number(name: str, label: str, *, required: bool = False) -> Column:
    """Declare a floating-point column."""
    return Column(name, "number", label, required)
