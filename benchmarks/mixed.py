"""Time whole calls of mixed models and estimating equations, against limits.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/mixed.py [--row NAME] [--others]

One line per row: medians of several wall and processor times of design matrix, fit,
inference and coefficient table, in a fresh process. ``--others`` also times other
programs on the same data, where they are installed: R (lme4, glmmTMB, geepack) by
``Rscript``, and statsmodels. Exits with 1 where a limit is broken.

``--row NAME --json`` measures one row in this very process.
"""

from __future__ import annotations

import argparse
import json
import os
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

if TYPE_CHECKING:
    import pandas as pd

HERE = Path(__file__).resolve()
# Repeated until so much time is spent, within these numbers of times.
ENOUGH_SECONDS = 3.0
FEWEST, MOST = 3, 30
YES_NO = "response ~ base + arm*week"
CHANGE = "change ~ base + site + arm*week"
INTERCEPT, SLOPE = {"subject": "1"}, {"subject": "1 + week"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    name : str
        For ``--row``.
    work : str
        What is fitted, in words.
    model : str
        ``glmm``, ``lmm`` or ``gee``.
    subjects, visits : int
        Of the simulated trial.
    options : mapping
        Of the fit, besides formula and data.
    seconds : float or None
        Limit.
    others : tuple of str
        Other programs that can do it, as ``mixed.R`` calls them.
    slopes : bool
        Whether subjects of the trial differ in their slopes.
    """

    name: str
    work: str
    model: str
    subjects: int
    visits: int
    options: Mapping[str, Any]
    seconds: float | None
    others: tuple[str, ...]
    slopes: bool = False


LAPLACE = {"random": INTERCEPT, "n_quad": 1}
QUADRATURE = {"random": INTERCEPT, "n_quad": 15}
EXCHANGEABLE = {"subject": "subject", "structure": "exchangeable"}
WEEKS = {"levels": {"week": list(range(1, 9))}}
ROWS = (
    Row(
        "agq-200",
        "200 x 6, intercept, 15 points",
        "glmm",
        200,
        6,
        QUADRATURE,
        0.1,
        ("lme4-agq",),
    ),
    Row(
        "slope-200",
        "200 x 6, slope, Laplace",
        "glmm",
        200,
        6,
        {"random": SLOPE},
        0.2,
        ("lme4-slope", "glmmTMB-slope"),
        slopes=True,
    ),
    Row(
        "agq-5k",
        "5,000 x 6, intercept, 15 points",
        "glmm",
        5_000,
        6,
        QUADRATURE,
        2.0,
        ("lme4-agq",),
    ),
    Row(
        "laplace-5k",
        "5,000 x 6, intercept, Laplace",
        "glmm",
        5_000,
        6,
        LAPLACE,
        1.0,
        ("lme4-laplace", "glmmTMB-laplace"),
    ),
    Row(
        "slope-5k",
        "5,000 x 6, slope, Laplace",
        "glmm",
        5_000,
        6,
        {"random": SLOPE},
        1.0,
        ("lme4-slope", "glmmTMB-slope"),
        slopes=True,
    ),
    Row(
        "lmm-10k",
        "10,000 x 8, linear, intercept",
        "lmm",
        10_000,
        8,
        {"random": INTERCEPT, **WEEKS},
        0.8,
        ("lme4-linear", "lmerTest-linear"),
    ),
    Row(
        "gee-5k",
        "5,000 x 6, GEE, exchangeable",
        "gee",
        5_000,
        6,
        EXCHANGEABLE,
        None,
        ("geepack", "statsmodels"),
    ),
)


def make_data(row: Row) -> pd.DataFrame:
    """Simulate the trial of a row."""
    from mixed_trials import yes_no_trial
    from trials import large_trial

    if row.model == "lmm":
        return large_trial(row.subjects, row.visits)
    return yes_no_trial(row.subjects, row.visits, slopes=row.slopes)


def our_call(row: Row, data: pd.DataFrame) -> Callable[[], None]:
    """Make the call that is timed: fit and coefficient table."""
    from outcomes.models import fit_gee, fit_glmm, fit_lmm, tidy

    fit_of: Any = {"glmm": fit_glmm, "lmm": fit_lmm, "gee": fit_gee}[row.model]
    formula = CHANGE if row.model == "lmm" else YES_NO

    def call() -> None:
        fit = fit_of(formula, data, **row.options)
        if not fit.convergence.converged or tidy(fit)["std_error"].isna().any():
            raise RuntimeError(f"{row.name}: {fit.convergence}")

    return call


def statsmodels_call(data: pd.DataFrame) -> Callable[[], None]:
    """Make the call of statsmodels' own estimating equations."""
    import statsmodels.api as sm
    import statsmodels.formula.api as smf

    def call() -> None:
        smf.gee(
            YES_NO,
            "subject",
            data,
            family=sm.families.Binomial(),
            cov_struct=sm.cov_struct.Exchangeable(),
        ).fit().summary()

    return call


def time_call(call: Callable[[], None]) -> dict[str, Any]:
    """Time a call several times, after one that pays for imports."""
    call()
    walls: list[float] = []
    processors: list[float] = []
    while len(walls) < FEWEST or (sum(walls) < ENOUGH_SECONDS and len(walls) < MOST):
        wall, processor = time.perf_counter(), time.process_time()
        call()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return {
        "wall": statistics.median(walls),
        "processor": statistics.median(processors),
        "repeats": len(walls),
    }


def measure(row: Row, whose: str = "ours") -> dict[str, Any]:
    """Measure one row in this process."""
    data = make_data(row)
    if whose == "statsmodels":
        return time_call(statsmodels_call(data))
    return time_call(our_call(row, data))


def measure_apart(row: Row, whose: str = "ours") -> dict[str, Any]:
    """Measure one row in a process of its own."""
    if whose not in ("ours", "statsmodels"):
        return measure_r(row, whose)
    command = [sys.executable, str(HERE), "--row", row.name, "--json", "--whose", whose]
    return _run(command)


def measure_r(row: Row, whose: str) -> dict[str, Any]:
    """Let R time a row on the same data."""
    program = shutil.which("Rscript")
    if program is None:
        return {"failure": "no Rscript"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trial.csv"
        make_data(row).to_csv(path, index=False)
        return _run(
            [program, "--vanilla", str(HERE.with_suffix(".R")), str(path), whose]
        )


def _run(command: list[str]) -> dict[str, Any]:
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | one)
    if done.returncode != 0:
        return {"failure": (done.stderr.strip() or "no message").splitlines()[-1]}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def show(row: Row, whose: str, found: Mapping[str, Any]) -> bool:
    """Print one line; True where the limit is kept."""
    name = whose if whose == "ours" else f"  {found.get('version', whose)}"
    start = f"{row.work if whose == 'ours' else '':<34}{name:<24}"
    if "failure" in found:
        print(f"{start} FAILED {found['failure']}", flush=True)
        return whose != "ours"
    kept = whose != "ours" or row.seconds is None or found["wall"] <= row.seconds
    most = "" if whose != "ours" or row.seconds is None else f"{row.seconds:.2f}"
    verdict = "" if not most else "ok" if kept else "OVER"
    print(
        f"{start}{found['wall']:>9.3f}{most:>8} {verdict:<5}"
        f"{found['processor']:>10.3f}{found['repeats']:>5}",
        flush=True,
    )
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [row.name for row in ROWS]
    parser.add_argument("--row", action="append", choices=names, help="only this one")
    parser.add_argument("--others", action="store_true", help="other programs, too")
    parser.add_argument("--json", action="store_true", help="one row, as numbers")
    parser.add_argument("--whose", default="ours", choices=("ours", "statsmodels"))
    given = parser.parse_args()
    rows = [row for row in ROWS if given.row is None or row.name in given.row]
    if given.json:
        if len(rows) != 1:
            parser.error("--json goes with one --row")
        print(json.dumps(measure(rows[0], given.whose)))
        return 0
    print(
        f"{'work':<34}{'program':<24}{'seconds':>9}{'limit':>8}{'':6}"
        f"{'processor':>10}{'calls':>5}"
    )
    kept = True
    for row in rows:
        for whose in ("ours", *(row.others if given.others else ())):
            kept &= show(row, whose, measure_apart(row, whose))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
