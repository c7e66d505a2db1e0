"""Cumulative incidence and Gray's test against R survival and cmprsk.

What is compared with what is in `hazard_compare`.
"""

from __future__ import annotations

from typing import Any

import pytest

from parity import hazard_compare as compare
from parity.hazard_compare import BY_ROWS, COMPETING, PLAIN
from parity.survival_compare import SCALES, agree

# Both sides are closed formulas: what is left is rounding (measured: 3e-14 at most).
CLOSE = 1e-11


def test_every_case_is_used() -> None:
    assert set(COMPETING) == {*PLAIN, *BY_ROWS}


@pytest.mark.parametrize("name", [*PLAIN, *BY_ROWS])
def test_estimates_match_survfit(name: str) -> None:
    agree(compare.incidence(name), CLOSE)


@pytest.mark.parametrize("name", [*PLAIN, "weighted", "late"])
@pytest.mark.parametrize("scale", SCALES)
def test_standard_errors_and_limits_match_survfit(name: str, scale: Any) -> None:
    agree(compare.incidence_errors(name, scale), CLOSE)


@pytest.mark.xfail(strict=True, reason="one weight per subject (differences.md, 21)")
def test_standard_errors_match_survfit_where_weights_change() -> None:
    agree(compare.incidence_errors("split", "log-log"), CLOSE)


def test_weights_that_change_within_subjects_match_survfit_of_one_cause() -> None:
    agree(compare.one_cause(), CLOSE)


@pytest.mark.parametrize("name", PLAIN)
def test_aalens_variance_matches_cuminc(name: str) -> None:
    agree(compare.aalen(name), CLOSE)


@pytest.mark.parametrize("name", PLAIN)
def test_grays_test_matches_cuminc(name: str) -> None:
    agree(compare.gray(name), CLOSE)
