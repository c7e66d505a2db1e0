"""Time one MMRM call: design matrix, fit, inference and coefficient table."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from outcomes.models import fit_mmrm, tidy

# Repeated until so much time is spent, within these numbers of times.
ENOUGH_SECONDS = 3.0
FEWEST, MOST = 2, 30


@dataclass(frozen=True, slots=True)
class Timing:
    """Best wall and processor seconds of several calls."""

    wall: float
    processor: float
    repeats: int


def time_call(data: pd.DataFrame, formula: str, options: Mapping[str, Any]) -> Timing:
    """Time fit and coefficient table, the first call (imports) being one of several.

    Raises
    ------
    RuntimeError
        If the fit does not converge: its time would mean nothing.
    """
    walls: list[float] = []
    processors: list[float] = []
    while len(walls) < FEWEST or (sum(walls) < ENOUGH_SECONDS and len(walls) < MOST):
        wall, processor = time.perf_counter(), time.process_time()
        fit = fit_mmrm(formula, data, **options)
        table = tidy(fit)
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
        if not fit.convergence.converged or table["std_error"].isna().any():
            raise RuntimeError(f"{formula}, {dict(options)}: {fit.convergence}")
        del fit, table  # two at once would count twice in the memory
    return Timing(min(walls), min(processors), len(walls))


def peak_megabytes() -> float | None:
    """Peak resident set of this process so far; None where Linux does not tell it.

    Interpreter, libraries and input data included. Unlike ``getrusage``, it has no part
    in the memory of the process that started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    for line in status.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return None
