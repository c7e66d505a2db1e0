"""Compound symmetry with a covariance that is not negative is a random intercept."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from outcomes.models import joint_test, tidy
from outcomes.models.mmrm.results import MmrmFit
from parity.mmrm_cases import REFERENCE, fit_case, numbers, order_of
from parity.mmrm_compare import full_matrix

# The same data and mean are a case of mmrm.json.
MMRM = "caps60-cs-reml"
LOGLIK = 1e-6  # absolute
# lme4 is polished by numerical gradients of 2e-8, its Satterthwaite uses a numerical
# Hessian.
ESTIMATE = 1e-5
VARIANCE = 1e-4
SATTERTHWAITE = 1e-3
KENWARD_ROGER = 1e-4


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    cases = json.loads((REFERENCE / "lmm.json").read_text(encoding="utf-8"))
    results: dict[str, Any] = cases[0]["results"]
    return results


def _table(fit: MmrmFit, names: list[str]) -> Any:
    return tidy(fit).iloc[order_of(names, fit)]


def test_likelihood_and_variances_are_those_of_lme4(theirs: dict[str, Any]) -> None:
    fit = fit_case(MMRM)
    assert fit.loglik == pytest.approx(theirs["logLik"], abs=LOGLIK)
    intercept = theirs["random"]["subject"]["sd"][0] ** 2
    residual = theirs["residual_sd"] ** 2
    expected = intercept + residual * np.eye(len(fit.visits))
    np.testing.assert_allclose(fit.sigma[0], expected, rtol=VARIANCE)
    assert intercept > 0


def test_coefficients_are_those_of_lme4(theirs: dict[str, Any]) -> None:
    fixed = theirs["fixed"]
    fit = fit_case(MMRM)
    table = _table(fit, fixed["names"])
    for ours, key, tolerance in (
        ("estimate", "estimate", ESTIMATE),
        ("std_error", "se", ESTIMATE),
        ("statistic", "t", ESTIMATE),
        ("df", "df_satterthwaite", SATTERTHWAITE),
        ("p_value", "p", SATTERTHWAITE),
    ):
        np.testing.assert_allclose(table[ours], fixed[key], rtol=tolerance)
    at = order_of(theirs["vcov"]["rows"], fit)
    expected = full_matrix(theirs["vcov"])
    size = np.sqrt(np.outer(np.diagonal(expected), np.diagonal(expected)))
    off = np.abs(fit.cov_model[np.ix_(at, at)] - expected) / size
    assert off.max() <= ESTIMATE


def test_kenward_roger_standard_errors_are_those_of_pbkrtest(
    theirs: dict[str, Any],
) -> None:
    # Its information is the expected one: differences.md, 12.
    fit = fit_case(MMRM, "kenward-roger", "kenward-roger-linear")
    table = _table(fit, theirs["fixed"]["names"])
    expected = theirs["kenward_roger"]["se"]
    np.testing.assert_allclose(table["std_error"], expected, rtol=KENWARD_ROGER)


@pytest.mark.xfail(
    raises=AssertionError, strict=True, reason="docs/validation/differences.md, 12"
)
def test_kenward_roger_df_are_those_of_pbkrtest(theirs: dict[str, Any]) -> None:
    fit = fit_case(MMRM, "kenward-roger", "kenward-roger-linear")
    table = _table(fit, theirs["fixed"]["names"])
    expected = theirs["kenward_roger"]["df"]
    np.testing.assert_allclose(table["df"], expected, rtol=KENWARD_ROGER)


def _joint(fit: MmrmFit, test: dict[str, Any]) -> Any:
    names = test["L"]["rows"]
    L = np.zeros((len(names), len(fit.beta)))
    L[np.arange(len(names)), order_of(names, fit)] = 1.0
    given = numbers(test["L"]["values"])
    np.testing.assert_array_equal(L[:, order_of(test["L"]["cols"], fit)], given)
    return joint_test(fit, L).iloc[0]


@pytest.mark.parametrize("name", ["interaction", "arm"])
def test_joint_tests_are_those_of_lmertest(theirs: dict[str, Any], name: str) -> None:
    test = theirs["F_tests"][name]
    ours = _joint(fit_case(MMRM), test)
    expected = test["satterthwaite"]
    assert ours.statistic == pytest.approx(expected["F"], rel=ESTIMATE)
    assert ours.num_df == expected["num_df"]
    assert ours.den_df == pytest.approx(expected["denom_df"], rel=SATTERTHWAITE)
