"""Size of the tests of an MMRM in small trials with dropout.

    OMP_NUM_THREADS=1 .venv/bin/python tests/studies/mmrm_size.py

prints the table of ``docs/studies/mmrm-size.md``, where purpose and design are told.
What counts as a rejection was settled before the study was first run:

- the structures of `LADDER` are tried in turn and the first that converges is used;
- a trial in which none converges, or whose p-value cannot be computed, does *not*
  reject. It is counted, and the size without such trials stands beside.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import sqrt
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from outcomes.errors import ModelError
from outcomes.models import contrasts, emmeans, fit_mmrm
from outcomes.models.inference import evaluate_estimable, statistics_frame
from studies.dropout_trials import ARMS, N_TRIALS, SEED, VISITS, simulate_trial

LEVEL: Final = 0.05
LADDER: Final = ("us", "toeph", "ar1h", "cs")
METHODS: Final = {
    "Kenward-Roger": ("kenward-roger", "kenward-roger"),
    "Satterthwaite": ("satterthwaite", "model"),
    "between-within": ("between-within", "model"),
    "asymptotic (Wald z)": ("asymptotic", "model"),
    "CR0": ("satterthwaite", "cr0"),
    "CR2": ("satterthwaite", "cr2"),
    "CR3": ("satterthwaite", "cr3"),
}
"""Name in the table: ``df`` and ``vcov``. The first one is the primary method."""
NUMBERS: Final = ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high")
FORMULA: Final = "change ~ base*visit + arm*visit"
NORMAL_975: Final = 1.959963984540054
CHUNK: Final = 25
ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What the methods say of one trial.

    Attributes
    ----------
    structure : str
        Structure of the fit that was used; empty where none converged.
    refused : tuple of str
        Why the structures before it did not, or what made a fit impossible.
    numbers : FloatArray, shape (methods, NUMBERS)
        Of the difference between the arms at the last visit, NaN where missing.
    """

    structure: str
    refused: tuple[str, ...]
    numbers: np.ndarray


@dataclass(frozen=True, slots=True)
class MethodSummary:
    """One line of the table; sizes are shares, not percentages."""

    name: str
    rejections: int
    size: float
    size_us: float
    size_fitted: float
    coverage: float
    std_error_ratio: float
    median_df: float
    n_missing: int


def analyse_trial(index: int, seed: int) -> TrialResult:
    """Simulate one trial and test its last visit by every method."""
    data = simulate_trial(index, seed)
    numbers = np.full((len(METHODS), len(NUMBERS)), np.nan)
    row = None
    for place, (df, vcov) in enumerate(METHODS.values()):
        try:
            fit = fit_mmrm(
                FORMULA,
                data,
                subject="subject",
                visit="visit",
                covariance=LADDER,
                df=df,
                vcov=vcov,
            )
        except ModelError as error:
            return TrialResult("", (str(error),), numbers)
        steps = fit.convergence.ladder
        refused = tuple(f"{s.covariance}: {s.message}" for s in steps if s.message)
        if not fit.convergence.converged:
            return TrialResult("", refused, numbers)
        if row is None:  # the same columns for every method
            means = emmeans(fit, "arm", by="visit")
            difference = contrasts(means, reference=ARMS[0])
            row = difference.L[difference.frame["visit"] == VISITS[-1]]
        frame = statistics_frame(evaluate_estimable(fit, row), 1.0 - LEVEL)
        numbers[place] = frame.loc[0, list(NUMBERS)]
    return TrialResult(fit.structure, refused, numbers)


def run_study(
    n_trials: int = N_TRIALS, *, seed: int = SEED, processes: int = 2
) -> list[TrialResult]:
    """Analyse the trials, in order; the same whatever the number of processes."""
    with _one_thread_each(), get_context("spawn").Pool(processes) as pool:
        work = pool.imap(partial(analyse_trial, seed=seed), range(n_trials), CHUNK)
        return list(work)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let the processes started meanwhile use one thread for linear algebra."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def monte_carlo_half_width(n_trials: int, level: float = LEVEL) -> float:
    """Half of the normal 95 % interval of a size, were it exactly ``level``."""
    return NORMAL_975 * sqrt(level * (1.0 - level) / n_trials)


def summarise(results: Sequence[TrialResult]) -> list[MethodSummary]:
    """Count what each method did; its coverage is of the true difference, zero."""
    every = np.stack([result.numbers for result in results])
    us = np.array([result.structure == "us" for result in results])
    out = []
    for place, name in enumerate(METHODS):
        column = dict(zip(NUMBERS, every[:, place, :].T, strict=True))
        known = np.isfinite(column["p_value"])
        rejects = known & (column["p_value"] < LEVEL)
        covers = (column["conf_low"] <= 0.0) & (column["conf_high"] >= 0.0)
        usual = np.sqrt(np.mean(column["std_error"][known] ** 2))
        out.append(
            MethodSummary(
                name=name,
                rejections=int(rejects.sum()),
                size=float(rejects.mean()),
                size_us=float(rejects[us].mean()),
                size_fitted=float(rejects[known].mean()),
                coverage=float(covers[known].mean()),
                std_error_ratio=float(usual / np.std(column["estimate"][known])),
                median_df=float(np.median(column["df"][known])),
                n_missing=int((~known).sum()),
            )
        )
    return out


def tabulate(results: Sequence[TrialResult]) -> str:
    """Write the two tables of the page as Markdown."""
    n = len(results)
    lines = [
        "| method | rejections | size, % | us only, % | with a p-value, % |"
        " coverage, % | SE ratio | median df | no p-value |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for line in summarise(results):
        half = NORMAL_975 * sqrt(line.size * (1.0 - line.size) / n)
        df = "∞" if np.isinf(line.median_df) else f"{line.median_df:.1f}"
        lines.append(
            f"| {line.name} | {line.rejections:,} |"
            f" {100 * line.size:.2f} ({100 * (line.size - half):.2f} to"
            f" {100 * (line.size + half):.2f}) | {100 * line.size_us:.2f} |"
            f" {100 * line.size_fitted:.2f} | {100 * line.coverage:.2f} |"
            f" {line.std_error_ratio:.3f} | {df} | {line.n_missing} |"
        )
    used = Counter(result.structure for result in results)
    lines += ["", "| structure used | trials |", "|---|---|"]
    lines += [f"| `{name}` | {used[name]:,} |" for name in LADDER]
    lines.append(f"| none converged | {used['']:,} |")
    return "\n".join(lines)


def main() -> None:
    results = run_study()
    print(tabulate(results))
    reasons = Counter(reason for result in results for reason in result.refused)
    for reason, count in reasons.most_common():
        print(f"{count} x {reason}")


if __name__ == "__main__":
    main()
