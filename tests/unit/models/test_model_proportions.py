"""Properties of the intervals for proportions, and bad counts."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest

from outcomes.errors import ModelError
from outcomes.models import two_proportions, wilson
from outcomes.models.proportions import score_statistic

SCORE = ("miettinen-nurminen", "mee")
PROPER = (*SCORE, "newcombe")  # limits inside [-1, 1]
ALL = (*PROPER, "agresti-caffo", "wald")
TABLES = [
    (a, m, b, n)
    for m, n in ((1, 1), (1, 4), (3, 2), (5, 5), (7, 40))
    for a, b in product(sorted({0, m // 2, m}), sorted({0, n // 2, n}))
]


@pytest.mark.parametrize("method", PROPER)
@pytest.mark.parametrize("table", TABLES)
def test_limits_hold_the_estimate_within_minus_one_and_one(
    table: tuple[int, int, int, int], method: str
) -> None:
    row = two_proportions(*table, method=method).iloc[0]
    assert -1 <= row.conf_low <= row.estimate + 1e-15
    assert row.estimate - 1e-15 <= row.conf_high <= 1


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("table", TABLES)
def test_swapping_the_groups_mirrors_the_limits(
    table: tuple[int, int, int, int], method: str
) -> None:
    x1, n1, x0, n0 = table
    one = two_proportions(x1, n1, x0, n0, method=method).iloc[0]
    two = two_proportions(x0, n0, x1, n1, method=method).iloc[0]
    assert one.conf_low == pytest.approx(-two.conf_high, abs=1e-9)
    assert one.conf_high == pytest.approx(-two.conf_low, abs=1e-9)
    if not math.isnan(one.p_value):
        assert one.p_value == pytest.approx(two.p_value, rel=1e-9)


@pytest.mark.parametrize("method", SCORE)
@pytest.mark.parametrize("table", [(7, 12, 2, 13), (56, 70, 48, 80), (0, 20, 3, 9)])
def test_score_limits_are_where_the_test_is_just_significant(
    table: tuple[int, int, int, int], method: str
) -> None:
    row = two_proportions(*table, method=method).iloc[0]
    for limit, sign in ((row.conf_low, 1), (row.conf_high, -1)):
        z = score_statistic(*table, limit, correct=method != "mee")
        assert z == pytest.approx(sign * 1.959963984540054, rel=1e-7)


@pytest.mark.parametrize("table", [(7, 12, 2, 13), (5, 56, 0, 29), (3, 9, 20, 41)])
@pytest.mark.parametrize("delta", [-0.4, -0.05, 0.0, 0.1, 0.35])
def test_restricted_estimate_maximises_the_likelihood(
    table: tuple[int, int, int, int], delta: float
) -> None:
    from outcomes.models.proportions import _restricted

    x1, n1, x0, n0 = table
    grid = np.linspace(max(0, -delta), min(1, 1 - delta), 200_001)[1:-1]
    loglik = (
        x1 * np.log(grid + delta)
        + (n1 - x1) * np.log1p(-grid - delta)
        + x0 * np.log(grid)
        + (n0 - x0) * np.log1p(-grid)
    )
    best = float(grid[np.argmax(loglik)])
    assert _restricted(x1, n1, x0, n0, delta) == pytest.approx(best, abs=2e-5)


def test_wider_with_more_confidence() -> None:
    for method in ALL:
        narrow = two_proportions(7, 12, 2, 13, method=method, conf_level=0.8).iloc[0]
        wide = two_proportions(7, 12, 2, 13, method=method, conf_level=0.99).iloc[0]
        assert wide.conf_low < narrow.conf_low < narrow.conf_high < wide.conf_high


def test_columns_and_methods_without_a_test() -> None:
    frame = two_proportions(7, 12, 2, 13)
    assert list(frame.columns) == [
        "measure",
        "method",
        "estimate",
        "conf_low",
        "conf_high",
        "conf_level",
        "p_value",
        "proportion1",
        "proportion0",
    ]
    assert math.isnan(frame.loc[0, "p_value"])
    assert math.isnan(two_proportions(0, 5, 0, 7, method="wald").loc[0, "p_value"])


@pytest.mark.parametrize(
    ("table", "risk", "odds"),
    [
        ((0, 5, 2, 7), 0.0, 0.0),
        ((2, 5, 0, 7), math.inf, math.inf),
        ((0, 5, 0, 7), math.nan, math.nan),
        ((5, 5, 2, 7), 3.5, math.inf),
        ((5, 5, 7, 7), 1.0, math.nan),
    ],
)
def test_ratios_with_empty_cells_have_an_estimate_but_no_limits(
    table: tuple[int, int, int, int], risk: float, odds: float
) -> None:
    found = two_proportions(*table, measure="odds-ratio", method="wald").iloc[0]
    assert found.estimate == pytest.approx(odds, nan_ok=True)
    assert math.isnan(found.conf_low)
    found = two_proportions(*table, measure="risk-ratio", method="wald").iloc[0]
    assert found.estimate == pytest.approx(risk, nan_ok=True)


def test_wilson_is_exact_at_the_ends() -> None:
    assert wilson(0, 9).loc[0, "conf_low"] == 0.0
    assert wilson(9, 9).loc[0, "conf_high"] == 1.0
    assert wilson(np.int64(4), 9.0).loc[0, "estimate"] == 4 / 9


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        ((6, 5, 1, 5), {}, "x1: 6 is not between 0 and n1=5"),
        ((1, 5, -1, 5), {}, "x0: -1 is not between 0 and n0=5"),
        ((0, 0, 1, 5), {}, "n1: 0 subjects"),
        ((1, 5, 1, -5), {}, "n0: -5 subjects"),
        ((1.5, 5, 1, 5), {}, "x1: 1.5 is not a whole number"),
        ((1, math.nan, 1, 5), {}, "n1: nan is not a whole number"),
        ((1, math.inf, 1, 5), {}, "n1: inf is not a whole number"),
        ((1, 5, "x", 5), {}, "x0: 'x' is not a whole number"),
        ((1, 5, None, 5), {}, "x0: None is not a whole number"),
        ((1, 5, 1, 5), {"method": "newcomb"}, "Did you mean 'newcombe'"),
        ((1, 5, 1, 5), {"measure": "rd"}, "measure: 'rd' is not known"),
        ((1, 5, 1, 5), {"measure": "odds-ratio"}, "method for odds-ratio.*wald"),
        ((1, 5, 1, 5), {"conf_level": 95}, "not between 0 and 1"),
    ],
)
def test_bad_counts_and_options_are_answered(
    arguments: tuple[Any, ...], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ModelError, match=says):
        two_proportions(*arguments, **options)


def test_wilson_refuses_bad_counts() -> None:
    with pytest.raises(ModelError, match="x: 3 is not between 0 and n=2"):
        wilson(3, 2)
