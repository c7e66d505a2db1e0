"""Survival from intervals against R survival, with its EM steps run to the end."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.models.survival.interval_censoring import turnbull

REFERENCE = Path(__file__).parent / "reference" / "survival_turnbull.json"
NAMES = ("few", "many", "mixed", "ordinary")
# EM steps end at 1e-15 per step; measured: 7e-15.
CLOSE = 1e-12
# Where survfit's own rule ends them, at 5e-5 per step.
USUAL = 1e-3


@cache
def cases() -> dict[str, Any]:
    return {case["id"]: case for case in json.loads(REFERENCE.read_text())["cases"]}


def test_every_case_is_used() -> None:
    assert set(cases()) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_survival_matches_survfit_where_it_is_determined(name: str) -> None:
    case = cases()[name]
    found = turnbull(
        pd.DataFrame(case["data"], dtype=float), left="left", right="right"
    )
    assert found.converged
    at = found.at(case["time"])
    np.testing.assert_allclose(at["survival_low"], at["survival_high"], atol=1e-12)
    np.testing.assert_allclose(at["survival_high"], case["survival"], atol=CLOSE)
    assert np.abs(at["survival_high"] - case["usual"]).max() < USUAL
