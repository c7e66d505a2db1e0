"""Limits of time and memory, each row of the benchmark in a process of its own.

And that the figure of how cost grows is that of the numbers beside it.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from shared import ROOT, shared

BENCHMARKS = ROOT / "benchmarks"
FIGURES = ROOT / "docs" / "figures"


def _load(name: str) -> ModuleType:
    """Import a script that is in no package."""
    path = BENCHMARKS / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


benchmark = _load("mmrm")
# What was promised: seconds of one thread, megabytes.
PROMISED = {
    "fev-kr": (0.03, None),
    "fev-cr2": (0.1, None),
    "bcva-satt": (0.5, None),
    "bcva-kr": (1.0, None),
    "10k-satt": (1.0, 500),
    "10k-kr": (3.0, None),
    "100k-satt": (6.0, None),
    "1m-satt": (60.0, 8000),
}


def test_limits_of_the_benchmark_are_those_promised() -> None:
    rows = {row.name: (row.seconds, row.megabytes) for row in benchmark.ROWS}
    assert {name: rows[name] for name in PROMISED} == PROMISED


def test_figure_of_cost_shows_the_numbers_beside_it() -> None:
    cost = _load("cost")
    points = cost.read(FIGURES / "mmrm-cost.csv")
    sizes = len(cost.SUBJECTS) + len(cost.VISITS) + len(cost.PATTERNS)
    assert len(points) == len(cost.SERIES) * sizes
    drawn = io.BytesIO()
    cost.draw(points, drawn, "svg")
    assert drawn.getvalue() == (FIGURES / "mmrm-cost.svg").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("row", benchmark.ROWS, ids=lambda row: row.name)
def test_call_is_fast_and_small(row: Any) -> None:
    command = [sys.executable, str(BENCHMARKS / "mmrm.py"), "--json", "--row", row.name]
    if isinstance(row.data, str):
        command.append(str(shared("references", "data", f"{row.data}.csv").parent))
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, env=os.environ | one_thread
    )
    found = json.loads(done.stdout)
    # Of the processor, not of the clock: other work on the machine is no fault of ours.
    assert found["processor"] <= row.seconds
    if row.megabytes is not None and found["megabytes"] is not None:
        assert found["megabytes"] <= row.megabytes
