"""Time whole MMRM calls and measure their memory, against limits.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/mmrm.py [folder] [--row NAME]

One line per row: best of several wall times of design matrix, fit, inference and
coefficient table, and the peak resident set of a fresh process that makes or reads the
data and does nothing else, interpreter and libraries included. Rows on public data sets
need the folder that holds ``fev_data.csv`` and ``bcva_data.csv``. Exits with 1 where a
limit is broken.

``--row NAME --json`` measures one row in this very process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
SIMULATED = "change ~ base + site + arm*week"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    name : str
        For ``--row``.
    work : str
        What is fitted, in words.
    data : str or tuple of int
        Name of a file, or subjects and visits of a simulated trial.
    options : mapping
        Of `fit_mmrm`, besides subject and visit.
    seconds, megabytes : float or None
        Limits.
    """

    name: str
    work: str
    data: str | tuple[int, int]
    options: Mapping[str, Any]
    seconds: float
    megabytes: float | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """How the columns of a data set are called."""

    formula: str
    subject: str
    visit: str
    levels: Mapping[str, list[Any]] = field(default_factory=dict)


SOURCES = {
    "fev_data": Source(
        "FEV1 ~ RACE + SEX + ARMCD*AVISIT",
        "USUBJID",
        "AVISIT",
        {"AVISIT": [f"VIS{i}" for i in range(1, 5)]},
    ),
    "bcva_data": Source(
        "BCVA_CHG ~ BCVA_BL + RACE + ARMCD*AVISIT",
        "USUBJID",
        "AVISIT",
        {"AVISIT": [f"VIS{i:02d}" for i in range(1, 11)]},
    ),
}

SATTERTHWAITE = {"df": "satterthwaite"}
KENWARD_ROGER = {"df": "kenward-roger"}
MIDDLE, LARGE = (10_000, 8), (100_000, 6)
ROWS = (
    Row("fev-kr", "fev_data 197 x 4, us, KR", "fev_data", KENWARD_ROGER, 0.03),
    Row("fev-cr2", "fev_data 197 x 4, us, CR2", "fev_data", {"vcov": "cr2"}, 0.1),
    Row("bcva-satt", "bcva 1,000 x 10, us, Satt", "bcva_data", SATTERTHWAITE, 0.5),
    Row("bcva-kr", "bcva 1,000 x 10, us, KR", "bcva_data", KENWARD_ROGER, 1.0),
    Row("10k-satt", "10,000 x 8, us, Satt", MIDDLE, SATTERTHWAITE, 1.0, 500),
    Row("10k-kr", "10,000 x 8, us, KR", MIDDLE, KENWARD_ROGER, 3.0),
    Row("100k-satt", "100,000 x 6, us, Satt", LARGE, SATTERTHWAITE, 6.0),
    Row("1m-satt", "1,000,000 x 6, us, Satt", (1_000_000, 6), SATTERTHWAITE, 60, 8000),
    # The limits from here on are our own, to notice when something grows.
    Row("fev-cr3", "fev_data 197 x 4, us, CR3", "fev_data", {"vcov": "cr3"}, 0.1),
    Row("10k-cr2", "10,000 x 8, us, CR2", MIDDLE, {"vcov": "cr2"}, 2.0),
    Row("10k-cr3", "10,000 x 8, us, CR3", MIDDLE, {"vcov": "cr3"}, 2.0),
    Row(
        "10k-toeph",
        "10,000 x 8, toeph, KR",
        MIDDLE,
        {"covariance": "toeph", **KENWARD_ROGER},
        1.0,
    ),
    Row(
        "10k-ar1h",
        "10,000 x 8, ar1h, KR",
        MIDDLE,
        {"covariance": "ar1h", **KENWARD_ROGER},
        1.0,
    ),
    Row(
        "10k-group",
        "10,000 x 8, us by arm, KR",
        MIDDLE,
        {"group": "arm", **KENWARD_ROGER},
        1.5,
    ),
    Row(
        "10k-weights",
        "10,000 x 8, us, weights, KR",
        MIDDLE,
        {"weights": "weight", **KENWARD_ROGER},
        1.5,
    ),
    Row(
        "1k-spexp",
        "1,000 x 6, sp_exp of own days, KR",
        (1_000, 6),
        {"covariance": "sp_exp", "coordinates": "day", **KENWARD_ROGER},
        1.0,
    ),
    Row("1m-kr", "1,000,000 x 6, us, KR", (1_000_000, 6), KENWARD_ROGER, 60, 8000),
)


def measure(row: Row, folder: Path | None) -> dict[str, Any]:
    """Measure one row in this process."""
    import pandas as pd
    from timing import peak_megabytes, time_call
    from trials import large_trial

    if isinstance(row.data, str):
        if folder is None:
            raise SystemExit(f"{row.name} needs the folder that holds {row.data}.csv")
        source = SOURCES[row.data]
        data = pd.read_csv(folder / f"{row.data}.csv")
    else:
        source = Source(SIMULATED, "subject", "week")
        own = bool({"weights", "coordinates"} & row.options.keys())
        data = large_trial(*row.data, individual=own)
    options = {
        "subject": source.subject,
        "visit": source.visit,
        "levels": source.levels,
        **row.options,
    }
    timing = time_call(data, source.formula, options)
    return {
        "wall": timing.wall,
        "processor": timing.processor,
        "repeats": timing.repeats,
        "megabytes": peak_megabytes(),
    }


def measure_apart(row: Row, folder: Path | None) -> dict[str, Any]:
    """Measure one row in a process of its own."""
    command = [sys.executable, str(HERE), "--row", row.name, "--json"]
    if folder is not None:
        command.append(str(folder))
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return {"failure": (done.stderr.strip() or "no message").splitlines()[-1]}
    return dict(json.loads(done.stdout))


def verdict(measured: float | None, limit: float | None) -> str:
    """Say whether a measurement keeps its limit."""
    if limit is None or measured is None:
        return ""
    return "ok" if measured <= limit else "OVER"


def show(row: Row, found: Mapping[str, Any]) -> bool:
    """Print one line; True where all limits are kept."""
    if "failure" in found:
        print(f"{row.work:<36} FAILED {found['failure']}", flush=True)
        return False
    memory = found["megabytes"]
    verdicts = verdict(found["wall"], row.seconds), verdict(memory, row.megabytes)
    shown = "not known" if memory is None else f"{memory:,.0f}"
    most = "" if row.megabytes is None else f"{row.megabytes:,.0f}"
    print(
        f"{row.work:<36}{found['wall']:>9.3f}{row.seconds:>8.2f} {verdicts[0]:<5}"
        f"{shown:>10}{most:>8} {verdicts[1]:<5}{found['repeats']:>3}",
        flush=True,
    )
    return "OVER" not in verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    names = [row.name for row in ROWS]
    parser.add_argument("--row", action="append", choices=names, help="only this one")
    parser.add_argument("--json", action="store_true", help="one row, as numbers")
    given = parser.parse_args()
    rows = [row for row in ROWS if given.row is None or row.name in given.row]
    if given.json:
        if len(rows) != 1:
            parser.error("--json goes with one --row")
        print(json.dumps(measure(rows[0], given.folder)))
        return 0
    if given.folder is None:
        rows = [row for row in rows if not isinstance(row.data, str)]
    print(f"{'work':<36}{'seconds':>9}{'limit':>8}{'':6}{'peak MB':>10}{'limit':>8}")
    kept = [show(row, measure_apart(row, given.folder)) for row in rows]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
