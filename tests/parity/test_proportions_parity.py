"""Two proportions against R, on tables with and without empty cells."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from outcomes.models import two_proportions, wilson

CASES = {
    case["id"]: case
    for case in json.loads(
        (Path(__file__).parent / "reference" / "proportions.json").read_text("utf-8")
    )
}
CLOSED_FORM = 1e-12
# Their root search stops at 1e-13; at an empty cell (0/10 against 0/20) the closed form
# both sides use for the restricted estimate keeps half of the digits.
ROOT = 1e-11

DIFFERENCE = {
    "newcombe": ("newcombe", CLOSED_FORM),
    "miettinen-nurminen": ("miettinen_nurminen", ROOT),
    "mee": ("mee", ROOT),
    "agresti-caffo": ("agresti_caffo", CLOSED_FORM),
    "wald": ("wald", CLOSED_FORM),
}


def _row(name: str, **options: Any) -> Any:
    spec = CASES[name]["spec"]
    counts = (spec[key] for key in ("x1", "n1", "x0", "n0"))
    return two_proportions(*counts, conf_level=spec["level"], **options).iloc[0]


@pytest.mark.parametrize("method", DIFFERENCE)
@pytest.mark.parametrize("name", CASES)
def test_risk_difference_matches_r(name: str, method: str) -> None:
    key, tolerance = DIFFERENCE[method]
    results = CASES[name]["results"]
    row = _row(name, method=method)
    assert row.estimate == pytest.approx(results["risk_difference"], abs=1e-14)
    assert row.conf_low == pytest.approx(results[key]["lower"], abs=tolerance)
    assert row.conf_high == pytest.approx(results[key]["upper"], abs=tolerance)


@pytest.mark.parametrize("measure", ["risk-ratio", "odds-ratio"])
@pytest.mark.parametrize("name", CASES)
def test_ratios_match_r(name: str, measure: str) -> None:
    theirs = CASES[name]["results"][measure.replace("-", "_")]
    row = _row(name, measure=measure, method="wald")
    if theirs is None:
        assert math.isnan(row.conf_low)
        assert math.isnan(row.conf_high)
        return
    assert math.log(row.estimate) == pytest.approx(theirs["log"], abs=1e-12)
    assert row.conf_low == pytest.approx(theirs["lower"], rel=CLOSED_FORM)
    assert row.conf_high == pytest.approx(theirs["upper"], rel=CLOSED_FORM)


@pytest.mark.parametrize("name", CASES)
def test_mee_test_is_pearsons(name: str) -> None:
    # Without the factor N / (N - 1) the squared score statistic at zero is Pearson's.
    chisq = CASES[name]["results"]["pearson_chisq"]
    p_value = _row(name, method="mee").p_value
    if chisq is None:
        assert p_value == 1.0
        return
    assert p_value == pytest.approx(math.erfc(math.sqrt(chisq / 2)), rel=1e-9)


@pytest.mark.parametrize("group", ["1", "0"])
@pytest.mark.parametrize("name", CASES)
def test_wilson_matches_r(name: str, group: str) -> None:
    spec, theirs = CASES[name]["spec"], CASES[name]["results"][f"wilson{group}"]
    row = wilson(spec[f"x{group}"], spec[f"n{group}"], spec["level"]).iloc[0]
    assert row.conf_low == pytest.approx(theirs["lower"], abs=CLOSED_FORM)
    assert row.conf_high == pytest.approx(theirs["upper"], abs=CLOSED_FORM)
