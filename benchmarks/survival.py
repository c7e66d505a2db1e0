"""Time Cox models, against limits.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/survival.py [--others]

One line per row: the median of several wall times of design matrix, fit and
coefficient table, after one call that pays for imports. ``--others`` also times R
survival, by ``Rscript``, and statsmodels on the same data. Exits with 1 where a limit
is broken.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

REPEATS = 7
FORMULA = "arm + base + age"
R_CALL = """
suppressPackageStartupMessages(library(survival))
d <- read.csv(commandArgs(TRUE)[1])
call <- function() {CALL}
invisible(call())
cat(median(replicate({REPEATS}, system.time(call())[["elapsed"]])))
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    work : str
        What is fitted, in words.
    n : int
        Rows of data.
    options : mapping
        Of the fit.
    seconds : float
        Limit.
    r_call : str
        The same in R; empty to leave it out.
    """

    work: str
    n: int
    options: Mapping[str, Any]
    seconds: float
    r_call: str = ""


ROWS = (
    Row(
        "10,000, clusters",
        10_000,
        {"cluster": "site"},
        0.6,
        "coxph(Surv(time, event) ~ arm + base + age, d, cluster = site)",
    ),
    Row(
        "10,000, entry, weights, clusters",
        10_000,
        {"cluster": "site", "entry": "start", "weights": "weight"},
        0.6,
        "coxph(Surv(start, time, event) ~ arm + base + age, d, weights = weight,"
        " cluster = site)",
    ),
    Row(
        "10,000, 500 strata",
        10_000,
        {"strata": "site"},
        0.6,
        "coxph(Surv(time, event) ~ arm + base + age + strata(site), d)",
    ),
    Row("10,000, an arm without events", 10_000, {"cluster": "site"}, 2.0),
    Row("100,000, clusters", 100_000, {"cluster": "site"}, 3.0),
    Row("100,000, entry", 100_000, {"entry": "start"}, 3.0),
)


def make_data(row: Row) -> pd.DataFrame:
    """Simulate a year in whole days, with ties."""
    import pandas as pd

    rng = np.random.default_rng(20240611)
    n = row.n
    d = pd.DataFrame(
        {
            "arm": rng.choice(["a", "b", "c"], n),
            "base": rng.normal(30.0, 5.0, n),
            "age": rng.integers(18, 80, n),
            "site": rng.integers(0, n // 20, n),
            "weight": rng.uniform(0.5, 2.0, n),
        }
    )
    rate = np.exp(0.02 * (d["base"] - 30.0) - 0.5 * (d["arm"] == "b")) / 200.0
    died, left = np.ceil(rng.exponential(1.0 / rate)), rng.integers(1, 366, n)
    d["time"] = np.minimum(died, left)
    d["event"] = (died <= left).astype(int)
    d["start"] = np.minimum(rng.integers(0, 60, n), d["time"] - 1)
    if "without events" in row.work:
        d.loc[d["arm"] == "b", "event"] = 0
    return d


def median_time(call: Callable[[], object]) -> float:
    """Time a call several times, after one that pays for imports."""
    call()
    walls = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        walls.append(time.perf_counter() - start)
    return statistics.median(walls)


def our_call(row: Row, data: pd.DataFrame) -> Callable[[], object]:
    """Make the call that is timed."""
    from outcomes.models.survival.cox import fit_cox
    from outcomes.models.tables import tidy

    return lambda: tidy(
        fit_cox(FORMULA, data, time="time", event="event", **row.options)
    )


def statsmodels_call(data: pd.DataFrame) -> Callable[[], object]:
    """Make the call of statsmodels, clusters included."""
    import statsmodels.formula.api as smf

    def call() -> object:
        model = smf.phreg(f"time ~ {FORMULA}", data, status=data["event"], ties="efron")
        return model.fit(groups=data["site"]).summary()

    return call


def r_time(row: Row, data: pd.DataFrame) -> float | None:
    """Let R time a row on the same data; None without R."""
    program = shutil.which("Rscript")
    if program is None or not row.r_call:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path, script = Path(folder) / "data.csv", Path(folder) / "call.R"
        data.to_csv(path, index=False)
        text = R_CALL.replace("{CALL}", row.r_call).replace("{REPEATS}", str(REPEATS))
        script.write_text(text, encoding="utf-8")
        command = [program, "--vanilla", str(script), str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
    return float(done.stdout) if done.returncode == 0 else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--others", action="store_true", help="other programs, too")
    given = parser.parse_args()
    kept = True
    print(f"{'rows':<36}{'seconds':>9}{'limit':>8}", flush=True)
    for row in ROWS:
        data = make_data(row)
        found = median_time(our_call(row, data))
        kept &= found <= row.seconds
        verdict = "ok" if found <= row.seconds else "OVER"
        print(f"{row.work:<36}{found:>9.3f}{row.seconds:>8.2f} {verdict}", flush=True)
        if not given.others:
            continue
        theirs = r_time(row, data)
        if theirs is not None:
            print(f"{'  R survival':<36}{theirs:>9.3f}", flush=True)
        if row is ROWS[0]:
            theirs = median_time(statsmodels_call(data))
            print(f"{'  statsmodels PHReg':<36}{theirs:>9.3f}", flush=True)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
