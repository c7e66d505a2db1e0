"""MMRM against SAS PROC MIXED in full precision: Kenward-Roger, EMPIRICAL, WEIGHT."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.models import contrasts, emmeans, fit_mmrm
from outcomes.models.mmrm.results import MmrmFit
from parity.by_subject import at_theta, unweighted_jacobian
from parity.mmrm_cases import (
    SAS_EMPIRICAL,
    SAS_KR,
    SAS_PRINTED,
    case,
    data_of,
    fit_case,
    fit_spec,
    numbers,
    order_of,
    shared_cases,
)
from parity.sas_cases import (
    SAS_ALONE,
    SAS_LOGLIK,
    SAS_STOP,
    SAS_THETA,
    fit_alone,
    printed_sigma,
    sas_alone,
    theta_of,
)
from shared import shared

# The reference's own calculation, good to 1e-6 in a standard error.
EXACT_OPTIMUM = 1e-6
# Where SAS stopped early enough to show in the degrees of freedom (differences.md, 2).
EARLY_DF = ("sas-kr-us", "sas-kr-csh")
VARIANTS = ("kenward-roger", "kenward-roger-linear")
COLUMNS = (
    ("estimate", "estimate"),
    ("std_error", "se"),
    ("df", "df"),
    ("statistic", "t"),
    ("conf_low", "lower"),
    ("conf_high", "upper"),
)


def _difference(fit: MmrmFit) -> Any:
    return contrasts(emmeans(fit, "ARMCD"), reference="PBO").frame.iloc[0]


def test_every_case_is_compared() -> None:
    assert set(shared_cases("sas.json")) == {*SAS_KR, *SAS_PRINTED, *SAS_EMPIRICAL}


# Full precision


@pytest.mark.parametrize("name", SAS_KR)
@pytest.mark.parametrize("vcov", VARIANTS)
def test_kenward_roger_matches_sas(name: str, vcov: str) -> None:
    results = case(name)["results"]
    fit = fit_case(name, "kenward-roger", vcov)
    row = _difference(fit)
    theirs = results[vcov.replace("-", "_")]
    for ours, key in COLUMNS:
        if not (key == "df" and name in EARLY_DF):  # the next but one
            assert row[ours] == pytest.approx(theirs[key], rel=SAS_STOP), key
    deviance = results["fit"]["minus2_log_likelihood_last_iteration"]
    assert -2 * fit.loglik == pytest.approx(deviance, abs=SAS_LOGLIK)


@pytest.mark.parametrize("name", SAS_KR)
@pytest.mark.parametrize("vcov", VARIANTS)
def test_kenward_roger_matches_sas_where_it_stopped(name: str, vcov: str) -> None:
    fit = fit_case(name, "kenward-roger", vcov)
    row = _difference(at_theta(fit, theta_of(fit, printed_sigma(name))))
    theirs = case(name)["results"][vcov.replace("-", "_")]
    for ours, key in COLUMNS:
        assert row[ours] == pytest.approx(theirs[key], rel=SAS_THETA), key


@pytest.mark.xfail(
    raises=AssertionError, strict=True, reason="docs/validation/differences.md, 2"
)
@pytest.mark.parametrize("name", EARLY_DF)
@pytest.mark.parametrize("vcov", VARIANTS)
def test_df_at_the_optimum_are_those_where_sas_stopped(name: str, vcov: str) -> None:
    row = _difference(fit_case(name, "kenward-roger", vcov))
    theirs = case(name)["results"][vcov.replace("-", "_")]
    assert row.df == pytest.approx(theirs["df"], rel=SAS_STOP)


@pytest.mark.parametrize("name", SAS_KR)
def test_fit_matches_the_exact_optimum(name: str) -> None:
    exact = case(name)["results"]["exact_optimum"]
    fit = fit_case(name, "kenward-roger", "kenward-roger")
    assert fit.loglik == pytest.approx(exact["logLik"], abs=1e-8)
    np.testing.assert_allclose(fit.sigma[0], exact["covariance"], rtol=1e-9)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.xfail(
                name == "sas-kr-us",
                raises=AssertionError,
                strict=True,
                reason="docs/validation/differences.md, 3",
            ),
        )
        for name in SAS_KR
    ],
)
@pytest.mark.parametrize("vcov", VARIANTS)
def test_kenward_roger_matches_the_exact_optimum(name: str, vcov: str) -> None:
    exact = case(name)["results"]["exact_optimum"]
    kind = {"kenward-roger": "natural", "kenward-roger-linear": "linear"}[vcov]
    fit = fit_case(name, "kenward-roger", vcov)
    row = _difference(fit)
    assert row.std_error == pytest.approx(exact[f"kr_{kind}_se"], rel=EXACT_OPTIMUM)
    np.testing.assert_allclose(
        fit.cov_inference,
        exact[f"kr_{kind}_vcov"],
        rtol=2 * EXACT_OPTIMUM,  # of a square
    )


@pytest.mark.parametrize("structure", SAS_ALONE)
def test_kenward_roger_of_other_structures_matches_sas(structure: str) -> None:
    row = _difference(fit_alone(structure))
    theirs = sas_alone(structure)
    for ours, key in (
        ("estimate", "Estimate"),
        ("std_error", "StdErr"),
        ("df", "DF"),
        ("statistic", "tValue"),
        ("conf_low", "Lower"),
        ("conf_high", "Upper"),
    ):
        if (structure, key) != ("adh", "DF"):  # the next
            assert row[ours] == pytest.approx(theirs[key], rel=SAS_STOP), key


@pytest.mark.xfail(
    raises=AssertionError, strict=True, reason="docs/validation/differences.md, 2"
)
def test_df_of_ante_dependence_at_the_optimum_are_those_where_sas_stopped() -> None:
    row = _difference(fit_alone("adh"))
    assert row.df == pytest.approx(sas_alone("adh")["DF"], rel=SAS_STOP)


def test_sas_may_stop_where_ante_dependence_gives_its_numbers() -> None:
    """Nearest point with SAS's estimate, SE and df: inside its stopping rule."""
    fit = fit_alone("adh")
    target = sas_alone("adh")[["Estimate", "StdErr", "DF"]].to_numpy(dtype=float)
    root = np.linalg.cholesky(fit.cov_theta)
    m = len(fit.theta)

    def off(z: np.ndarray) -> np.ndarray:
        row = _difference(at_theta(fit, fit.theta + root @ z))
        return np.array([row.estimate, row.std_error, row.df]) / target - 1.0

    z, step = np.zeros(m), 1e-4
    for _ in range(3):
        now = off(z)
        slopes = np.array([(off(z + step * e) - now) / step for e in np.eye(m)])
        z -= np.linalg.pinv(slopes.T) @ now
    assert np.abs(off(z)).max() < 1e-8
    there = at_theta(fit, fit.theta + root @ z)
    excess = 2.0 * (fit.loglik - there.loglik)
    assert 0.0 < excess < 1e-8 * abs(2.0 * fit.loglik)


@pytest.mark.xfail(
    raises=AssertionError, strict=True, reason="docs/validation/differences.md, 13"
)
@pytest.mark.parametrize(
    "options",
    [{"vcov": "kenward-roger"}, {"coordinates": "VISITN"}],
    ids=["full-variant", "one-coordinate"],
)
def test_spatial_file_holds_what_its_name_says(options: dict[str, str]) -> None:
    row = _difference(fit_alone("sp_exp", **options))
    assert row.std_error == pytest.approx(sas_alone("sp_exp")["StdErr"], rel=SAS_STOP)


@pytest.mark.parametrize("name", SAS_EMPIRICAL)
def test_sandwich_matches_sas_empirical(name: str) -> None:
    results = case(name)["results"]
    fit = fit_case(name, "between-within", "cr0")
    at = order_of(results["vcov"]["rows"], fit)
    np.testing.assert_allclose(
        fit.cov_inference[np.ix_(at, at)],
        numbers(results["vcov"]["values"]),
        rtol=2 * SAS_STOP,  # of a square
    )
    row, theirs = _difference(fit), results["difference"]
    for ours, key in (
        ("estimate", "estimate"),
        ("std_error", "se"),
        ("conf_low", "lower"),
        ("conf_high", "upper"),
    ):
        assert row[ours] == pytest.approx(theirs[key], rel=SAS_STOP), key
    assert row.df == theirs["df"] == 195.0


def test_sandwich_of_an_autoregressive_fit_matches_sas_empirical() -> None:
    folder = ("data", "mmrm-reference")
    spec = {**case("sas-empirical-us-reml")["spec"], "covariance": "ar1"}
    fit = fit_spec(spec, data_of("data/fev_data.csv"), "between-within", "cr0")
    covb = pd.read_csv(shared(*folder, "sas_empirical_ar1_covb.csv"))
    expected = covb[["Col1", "Col2"]].to_numpy()[:2]
    np.testing.assert_allclose(fit.cov_inference, expected, rtol=2 * SAS_STOP)
    theirs = pd.read_csv(shared(*folder, "sas_empirical_ar1_lsmean.csv")).iloc[0]
    row = _difference(fit)
    assert row.estimate == pytest.approx(theirs["Estimate"], rel=SAS_STOP)
    assert row.std_error == pytest.approx(theirs["StdErr"], rel=SAS_STOP)
    assert row.df == theirs["DF"]


# SAS, WEIGHT: degrees of freedom of LS means in the listing published with mmrm.
WEIGHTED_DF = {
    ("VIS1", "TRT"): 350,
    ("VIS1", "PBO"): 353,
    ("VIS2", "TRT"): 364,
    ("VIS2", "PBO"): 367,
    ("VIS3", "TRT"): 347,
    ("VIS3", "PBO"): 316,
    ("VIS4", "TRT"): 395,
    ("VIS4", "PBO"): 322,
}


def _assert_weighted_df(fit: MmrmFit) -> None:
    frame = emmeans(fit, "ARMCD", by="AVISIT").frame
    assert len(frame) == len(WEIGHTED_DF)
    for row in frame.itertuples():
        theirs = WEIGHTED_DF[row.AVISIT, row.ARMCD]
        assert row.df == pytest.approx(theirs, abs=0.5 + SAS_STOP * theirs)


@pytest.mark.xfail(
    raises=AssertionError, strict=True, reason="docs/validation/differences.md, 10"
)
def test_df_with_weights_are_those_of_sas() -> None:
    _assert_weighted_df(fit_case("fev-weighted-us-reml"))


def test_sas_leaves_weights_out_of_the_derivatives_its_df_need() -> None:
    fit = fit_case("fev-weighted-us-reml")
    _assert_weighted_df(replace(fit, jacobian=unweighted_jacobian(fit)))


@pytest.mark.parametrize(
    ("df", "expected"),
    [
        (None, ("kenward-roger", "kenward-roger")),
        ("kenward-roger", ("kenward-roger", "kenward-roger")),
        ("satterthwaite", ("satterthwaite", "model")),
        ("between-within", ("between-within", "model")),
        ("residual", ("residual", "model")),
    ],
)
def test_preset_of_sas_pairs_as_sas_does(
    df: str | None, expected: tuple[str, str]
) -> None:
    spec = case("caps60-us-reml")["spec"]
    fit = fit_mmrm(
        f"{spec['outcome']} ~ {spec['fixed']}",
        data_of(case("caps60-us-reml")["data"]),
        subject=spec["subject"],
        visit=spec["visit"],
        levels=spec["levels"],
        preset="sas_proc_mixed",
        df=df,
    )
    assert (fit.df_method, fit.vcov_method) == expected
    same = fit_case("caps60-us-reml", *expected)
    np.testing.assert_array_equal(fit.cov_inference, same.cov_inference)
