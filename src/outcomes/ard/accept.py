"""Which results could not be computed, and whether that was declared acceptable."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from outcomes.ard.rows import read_ard
from outcomes.datasets.schema import Schema, text
from outcomes.datasets.store import empty, write_csv

if TYPE_CHECKING:
    import pandas as pd

FAILED = Schema(
    "accepted",
    "Results That Could Not Be Computed",
    (
        text("analysis", "Analysis", required=True),
        text("result_id", "Readable identifier", required=True),
        text("error", "Why there is no result", required=True),
    ),
    key=("analysis", "result_id"),
)


def failed_analyses(files: Iterable[Path]) -> pd.DataFrame:
    """Collect the rows with an error.

    Parameters
    ----------
    files : iterable of Path
        ARD files.

    Returns
    -------
    DataFrame
        ``analysis result_id error``, one row per failed result.

    Raises
    ------
    DataError
        If a file is absent or is no ARD.
    """
    import pandas as pd

    parts = [empty(FAILED)]
    for file in files:
        table = read_ard(file)
        parts.append(table.loc[table["error"] != "", FAILED.names])
    return pd.concat(parts, ignore_index=True)


def fatal_rows(failed: pd.DataFrame, accepted: Collection[str]) -> pd.DataFrame:
    """Return the failed results of analyses that must not fail.

    Parameters
    ----------
    failed : DataFrame
        From `failed_analyses`.
    accepted : collection of str
        Analyses of which the study declares ``accept_error``.
    """
    return failed[~failed["analysis"].isin(list(accepted))]


def write_accepted(failed: pd.DataFrame, path: Path) -> None:
    """Write the failed results, all of them declared acceptable, as CSV."""
    write_csv(failed, path, FAILED)
