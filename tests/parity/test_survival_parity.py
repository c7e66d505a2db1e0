"""Survival curves, log-rank tests and restricted means against R and statsmodels.

What is compared with what is in `survival_compare`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from outcomes.errors import ModelError
from outcomes.models import kaplan_meier, rmst
from parity import survival_compare as compare
from parity.survival_compare import (
    CASES,
    SCALES,
    agree,
    read_case,
    read_shared,
    shared_cases,
)

# References have 15 digits; ours differ from them in the last one or two.
CLOSE = 1e-12
SHARED_CASES = ("lung-km-sex", "durability200-km", "durability60-km")
UNWEIGHTED = [name for name, case in CASES.items() if case["tests"]]
WEIGHTED = [name for name, case in CASES.items() if case["scores"]]


def test_every_shared_case_is_named() -> None:
    kinds = {name: case["spec"]["kind"] for name, case in shared_cases().items()}
    assert set(SHARED_CASES) == {n for n, kind in kinds.items() if kind == "km"}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", SHARED_CASES)
def test_shared_curves_match_r(name: str, scale: Any) -> None:
    agree(compare.shared_curves(name, scale), CLOSE)


@pytest.mark.parametrize("name", SHARED_CASES)
def test_shared_tests_match_r(name: str) -> None:
    agree(compare.shared_tests(name), CLOSE)


@pytest.mark.parametrize("name", SHARED_CASES)
def test_shared_restricted_means_match_r(name: str) -> None:
    agree(compare.shared_means(name), CLOSE)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", CASES)
def test_curves_and_quantiles_match_r(name: str, scale: Any) -> None:
    agree(compare.curves(name, scale), CLOSE)


def test_curves_at_any_time_match_r_on_rows_that_begin_late() -> None:
    agree(compare.late_at_times(), CLOSE)


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("early", "late")])
def test_restricted_means_match_r(name: str) -> None:
    agree(compare.means(name), CLOSE)


@pytest.mark.parametrize("name", UNWEIGHTED)
def test_tests_match_survdiff(name: str) -> None:
    agree(compare.tests(name), CLOSE)


@pytest.mark.parametrize("name", WEIGHTED)
def test_weighted_tests_match_the_robust_score_test_of_coxph(name: str) -> None:
    agree(compare.weighted_tests(name), CLOSE)


@pytest.mark.parametrize("name", compare.STATSMODELS_CURVES)
def test_curves_match_statsmodels(name: str) -> None:
    agree(compare.statsmodels_curves(name), CLOSE)


@pytest.mark.parametrize(("name", "rho", "strata"), compare.STATSMODELS_TESTS)
def test_tests_match_statsmodels(name: str, rho: float, strata: str | None) -> None:
    agree(compare.statsmodels_test(name, rho, strata), 1e-10)


# R is quantile(survfit(Surv(time, 1 - event) ~ arm), 0.5), where who has the event is
# at risk of being censored then.
@pytest.mark.parametrize(
    ("name", "ours", "r"),
    [
        ("visits", [294, 280, 322], [294, 280, 322]),
        ("ends", [634.5, np.nan], [np.nan, np.nan]),
        ("flat", [11.5, 20], [11.5, np.nan]),
    ],
)
def test_reverse_medians_differ_from_those_of_r_at_ties_alone(
    name: str, ours: list[float], r: list[float]
) -> None:
    _, data, columns = read_case(name)
    found = kaplan_meier(data, **columns).follow_up()
    np.testing.assert_allclose(found["median"], ours, rtol=1e-12)
    turned = kaplan_meier(data.assign(event=1 - data["event"]), **columns)
    np.testing.assert_allclose(turned.quantiles([0.5])["estimate"], r, rtol=1e-12)


def test_r_carries_the_curve_on_where_there_is_no_restricted_mean() -> None:
    _, data, columns = read_shared("lung-km-sex")
    # summary(survfit(Surv(time, event) ~ 1, men), rmean = 1100)
    last, tau, of_r = 1022.0, 1100.0, 343.6504514
    with pytest.raises(ModelError, match="1100 is after the last time 1022"):
        rmst(data, **columns, tau=tau)
    men = data[data["sex"] == "1"].drop(columns="sex")
    columns = {"time": columns["time"], "event": columns["event"]}
    area = rmst(men, **columns, tau=last)["estimate"].iloc[0]
    left = kaplan_meier(men, **columns).at([last])["survival"].iloc[0]
    assert area + left * (tau - last) == pytest.approx(of_r, rel=1e-9)
