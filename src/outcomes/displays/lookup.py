"""The ARD of one analysis, asked for by term, arm, visit and statistic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING

from outcomes.errors import RenderError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the ARD, as far as displays show it; ``value`` is None if absent."""

    result_id: str
    endpoint: str
    population: str
    visit: str
    time: float | None
    session: str
    arm: str
    comparator: str
    subgroup: str
    level: str
    term: str
    method_id: str
    conf_level: float | None
    statistic: str
    value: float | None
    text: str
    method: str
    warning: str
    error: str
    prespecified: str


_Place = tuple[str, str, str, str, str, str, str, str]


class Results:
    """The rows of one analysis.

    Parameters
    ----------
    rows : iterable of Result
        In the order of the file.
    """

    __slots__ = ("_places", "rows")

    def __init__(self, rows: Iterable[Result]) -> None:
        self.rows = tuple(rows)
        self._places: dict[_Place, list[Result]] = defaultdict(list)
        for row in self.rows:
            place = (
                row.term,
                row.statistic,
                row.visit,
                row.arm,
                row.comparator,
                row.subgroup,
                row.level,
                row.method_id,
            )
            self._places[place].append(row)

    def get(
        self,
        term: str,
        statistic: str,
        *,
        visit: str = "",
        arm: str = "",
        comparator: str = "",
        subgroup: str = "",
        level: str = "",
        method_id: str = "",
        endpoint: str | None = None,
        population: str | None = None,
        time: float | None = None,
    ) -> Result | None:
        """Return the one row of this key, or None if there is none.

        An endpoint, population or time that is not given may be any.

        Raises
        ------
        RenderError
            If several rows match: the display would show one of them by chance.
        """
        place = (
            *(term, statistic, visit, arm, comparator),
            *(subgroup, level, method_id),
        )
        return _only(
            row
            for row in self._places.get(place, ())
            if endpoint in (None, row.endpoint)
            and population in (None, row.population)
            and time in (None, row.time)
        )

    def having(
        self,
        term: str,
        *,
        statistic: str | None = None,
        visit: str | None = None,
        arm: str | None = None,
        endpoint: str | None = None,
        method_id: str | None = None,
        population: str | None = None,
        subgroup: str | None = None,
    ) -> list[Result]:
        """Return the rows of a term, narrowed by what is given, in file order."""
        return [
            row
            for row in self.rows
            if row.term == term
            and statistic in (None, row.statistic)
            and visit in (None, row.visit)
            and arm in (None, row.arm)
            and endpoint in (None, row.endpoint)
            and method_id in (None, row.method_id)
            and population in (None, row.population)
            and subgroup in (None, row.subgroup)
        ]

    def levels(self, term: str, **narrowed: str) -> list[str]:
        """Return the levels of a term that are not '', in file order, once each."""
        found = {row.level: None for row in self.having(term, **narrowed) if row.level}
        return list(found)

    @property
    def errors(self) -> list[Result]:
        """Rows that say why a result is absent."""
        return [row for row in self.rows if row.error]

    @property
    def warnings(self) -> list[str]:
        """Warnings of any row, once each, in file order.

        Not those of the steps of a ladder: that of every number tells them together.
        """
        return list(
            dict.fromkeys(
                row.warning for row in self.rows if row.warning and row.term != "ladder"
            )
        )


def _only(rows: Iterable[Result]) -> Result | None:
    found = list(rows)
    if len(found) > 1:
        ids = ", ".join(row.result_id for row in found[:3])
        raise RenderError(
            f"{len(found)} results stand for one place of a display ({ids}); "
            "a display needs exactly one."
        )
    return found[0] if found else None


def results_of(frame: pd.DataFrame) -> Results:
    """Take an ARD frame apart into rows.

    Parameters
    ----------
    frame : DataFrame
        As `outcomes.ard.rows.read_ard` returns it.
    """
    names = list(Result.__dataclass_fields__)
    records = frame[names].astype(object).to_dict("records")
    rows = []
    for record in records:
        for name in ("value", "conf_level", "time"):
            number = record[name]
            absent = number is None or isnan(number)
            record[name] = None if absent else float(number)
        rows.append(Result(**{name: record[name] for name in names}))
    return Results(rows)
