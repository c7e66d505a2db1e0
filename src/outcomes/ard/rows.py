"""Collecting results row by row, and their file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcomes.ard.identifier import result_id
from outcomes.datasets.results import ARD, KEY
from outcomes.datasets.store import conform, empty, read_table, write_table
from outcomes.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame


class ArdRows:
    """Rows of results, with columns that are the same for many of them.

    Parameters
    ----------
    **defaults
        Columns of the ARD that every row has unless it says otherwise.

    Examples
    --------
    >>> rows = ArdRows(study="demo", analysis="primary", prespecified="Y")
    >>> week3 = rows.at(visit="WEEK3", term="lsmean")
    >>> week3.add("estimate", -12.0, arm="PSI25")
    >>> rows.frame()["result_id"].tolist()
    ['primary.visit:WEEK3.arm:PSI25.term:lsmean.estimate']
    """

    __slots__ = ("_defaults", "_rows")

    def __init__(self, **defaults: Any) -> None:
        self._rows: list[dict[str, Any]] = []
        self._defaults = _known(defaults)

    def at(self, **defaults: Any) -> ArdRows:
        """Return a view with further defaults; rows go to the same collection."""
        view = ArdRows(**{**self._defaults, **defaults})
        view._rows = self._rows
        return view

    def default(self, column: str) -> Any:
        """Return the default of a column, ``''`` if it has none."""
        return self._defaults.get(column, "")

    def add(self, statistic: str, value: float | None = None, **columns: Any) -> None:
        """Add one statistic.

        Parameters
        ----------
        statistic : str
            Its name.
        value : float, optional
            Its value; None or NaN where it has none (then ``text`` or ``error`` says
            what there is).
        **columns
            Any column of the ARD.
        """
        row = {**self._defaults, **_known(columns), "statistic": statistic}
        number = math.nan if value is None else float(value)
        self._rows.append({**row, "value": number})

    def add_all(self, statistics: Mapping[str, float | None], **columns: Any) -> None:
        """Add several statistics that share all other columns."""
        for statistic, value in statistics.items():
            self.add(statistic, value, **columns)

    def fail(self, error: str, **columns: Any) -> None:
        """Add a row that says why a result is absent (statistic ``estimate``)."""
        self.add("estimate", None, error=error, **columns)

    def __len__(self) -> int:
        return len(self._rows)

    def frame(self) -> Frame:
        """Return the rows as a table, identified, checked and sorted.

        Raises
        ------
        DataError
            As `identified`.
        """
        import pandas as pd

        if not self._rows:
            return empty(ARD)
        return identified(pd.DataFrame(self._rows))


def _known(columns: Mapping[str, Any]) -> dict[str, Any]:
    unknown = [name for name in columns if ARD.column(name) is None]
    if unknown:
        raise TypeError(f"the ARD has no column {', '.join(unknown)}")
    return dict(columns)


def point_level(number: int) -> str:
    """Return the level of a point of a curve or scatter: text that sorts as it should.

    Examples
    --------
    >>> point_level(7)
    '0007'
    """
    return f"{number:04d}"


def identified(frame: Frame) -> Frame:
    """Give rows their `result_id` and the shape of the ARD.

    Raises
    ------
    DataError
        If two rows share a key or an identifier, several studies are mixed, or a visit
        has several days.
    """
    keys = frame.reindex(columns=list(KEY)).itertuples(index=False, name=None)
    ids = [result_id(dict(zip(KEY, values, strict=True))) for values in keys]
    out = conform(frame.assign(result_id=ids), ARD)
    if out["study"].nunique() > 1:
        studies = ", ".join(sorted(out["study"].unique()))
        raise DataError(f"ard: one table is of one study; these are of {studies}.")
    days = out.loc[out["visit"] != ""].groupby("visit")["time"].nunique(dropna=False)
    if (days > 1).any():
        raise DataError(
            f"ard: the visit {days.index[days > 1][0]} has several planned days."
        )
    doubled = out["result_id"].duplicated()
    if doubled.any():
        raise DataError(
            f"ard: the result_id {out.loc[doubled, 'result_id'].iloc[0]} stands twice."
        )
    return out


def write_ard(rows: ArdRows, path: Path) -> None:
    """Write the results of an analysis as Parquet.

    Raises
    ------
    DataError
        As `identified`.
    """
    write_table(rows.frame(), path, ARD)


def read_ard(path: Path) -> Frame:
    """Read the results of one analysis, or of all in a folder.

    Parameters
    ----------
    path : Path
        A Parquet file that `write_ard` wrote; a folder of those; or the results folder
        of a study, which holds them in ``ard``.

    Returns
    -------
    DataFrame
        Rows in the order of the key.

    Raises
    ------
    DataError
        If there is nothing to read, a file is no ARD, or two rows share a key.
    """
    import pandas as pd

    if not path.is_dir():
        return read_table(path, ARD)
    folder = path / "ard" if (path / "ard").is_dir() else path
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise DataError(f"{path}: no .parquet file in this folder.")
    return conform(pd.concat([read_table(file, ARD) for file in files]), ARD)
