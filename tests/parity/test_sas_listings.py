"""MMRM against listings of SAS PROC MIXED, to the digits they print."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.models import contrasts, emmeans, fit_mmrm, glance, joint_test, tidy
from outcomes.models.mmrm.results import MmrmFit
from parity.by_subject import at_theta
from parity.mmrm_cases import SAS_PRINTED, case, fit_case
from parity.sas_cases import (
    SAS_LOGLIK,
    SAS_STOP,
    SAS_THETA,
    our_parameter,
    printed_parameters,
    printed_sigma,
    theta_of,
)
from shared import shared

STOP_OF_DEVIANCE = 1e-8  # SAS_LOGLIK as a share of thousands


def _printed(value: float, *, whole: bool = False) -> float:
    """Half a unit of the last printed digit."""
    text = repr(float(value)).removesuffix(".0")
    digits = 0 if whole or "." not in text else len(text.split(".")[1])
    return 0.5 * 10.0**-digits


def _assert_printed(
    ours: float,
    theirs: Any,
    label: str,
    *,
    scale: float = 0.0,
    whole: bool = False,
    stop: float = SAS_STOP,
) -> None:
    """Compare with a printed number; ``scale`` is the size of what it is one part of.

    Where SAS stops early an estimate is off by a share of its standard error and a
    covariance by a share of the variances, however near to zero they are.
    """
    if isinstance(theirs, dict):
        assert ours < theirs["below"], label
        return
    slack = _printed(theirs, whole=whole) + stop * max(abs(theirs), scale)
    assert abs(ours - theirs) <= slack * (1 + 1e-9), f"{label}: {ours}, SAS {theirs}"


def _sas_term(effect: str) -> tuple[str, ...]:
    if effect == "Intercept":
        return ("Intercept",)
    names, _, levels = effect.partition(" ")
    factors = names.split("*")
    values = [levels] if len(factors) == 1 else levels.split(" ")
    pairs = zip(factors, values, strict=True)
    return tuple(sorted(f"{name}[T.{value}]" for name, value in pairs))


@pytest.mark.parametrize("name", SAS_PRINTED)
def test_fit_matches_sas_as_printed(name: str) -> None:
    results = case(name)["results"]
    fit = fit_case(name)
    row = glance(fit).iloc[0]
    assert row.deviance == pytest.approx(
        results["minus2_log_likelihood_last_iteration"], abs=SAS_LOGLIK
    )
    assert row.n_parameters == results["dimensions"]["Covariance Parameters"]
    # SAS stopped early, so its other numbers are compared at the covariance parameters
    # it printed, where they must agree to the digits shown.
    table = tidy(at_theta(fit, theta_of(fit, printed_sigma(name))))
    optimum = tidy(fit)
    at = {tuple(sorted(t.split(":"))): i for i, t in enumerate(table["term"])}
    for effect in results["fixed_effects"]:
        row_number = at[_sas_term(effect["effect"])]
        ours, best = table.iloc[row_number], optimum.iloc[row_number]
        label, se = effect["effect"], effect["se"]
        _assert_printed(
            ours.estimate, effect["estimate"], label, scale=se, stop=SAS_THETA
        )
        _assert_printed(ours.std_error, se, label, stop=SAS_THETA)
        _assert_printed(ours.df, effect["df"], label, whole=True, stop=SAS_THETA)
        _assert_printed(best.statistic, effect["t"], label, scale=1.0)
        _assert_printed(ours.p_value, effect["p"], label, scale=1.0, stop=SAS_THETA)


def _criteria(fit: MmrmFit, results: dict[str, Any]) -> dict[str, float]:
    """AIC, AICC and BIC as SAS counts parameters, records and subjects."""
    row = glance(fit).iloc[0]
    reml = fit.method == "reml"
    d = row.n_parameters + (0 if reml else len(fit.beta))
    n = fit.n_records - (len(fit.beta) if reml else 0)
    subjects = results["dimensions"]["Subjects"]  # also those without data
    return {
        "AIC": row.deviance + 2 * d,
        "AICC": row.deviance + 2 * d * n / (n - d - 1),
        "BIC": row.deviance + d * np.log(subjects),
    }


@pytest.mark.parametrize("name", SAS_PRINTED)
def test_information_criteria_match_sas_by_its_count(name: str) -> None:
    results = case(name)["results"]
    theirs = results["fit_statistics"]
    ours = _criteria(fit_case(name), results)
    for criterion, value in ours.items():
        _assert_printed(value, theirs[criterion], criterion, stop=STOP_OF_DEVIANCE)


UNDER_REML = [name for name in SAS_PRINTED if name.endswith("-reml")]
UNDER_ML = [name for name in SAS_PRINTED if name.endswith("-ml")]
# Three subjects without data are worth 0.015 in BIC for each parameter; in the other
# cases one printed decimal hides that.
BIC_SHOWS = (
    "sas-intercept-us-reml",
    "sas-intercept-ar1h-reml",
    "sas-intercept-cs-reml",
    "sas-full-us-reml",
)


@pytest.mark.parametrize("name", UNDER_REML)
@pytest.mark.parametrize("criterion", ["aic", "aicc"])
def test_information_criteria_match_sas_under_reml(name: str, criterion: str) -> None:
    theirs = case(name)["results"]["fit_statistics"][criterion.upper()]
    ours = glance(fit_case(name)).iloc[0][criterion]
    _assert_printed(ours, theirs, criterion, stop=STOP_OF_DEVIANCE)


@pytest.mark.xfail(
    raises=AssertionError, strict=True, reason="docs/validation/differences.md, 4"
)
@pytest.mark.parametrize(
    ("name", "criterion"),
    [(name, "bic") for name in BIC_SHOWS]
    + [(name, c) for name in UNDER_ML for c in ("aic", "aicc", "bic")],
)
def test_other_information_criteria_match_sas(name: str, criterion: str) -> None:
    theirs = case(name)["results"]["fit_statistics"][criterion.upper()]
    ours = glance(fit_case(name)).iloc[0][criterion]
    _assert_printed(ours, theirs, criterion, stop=STOP_OF_DEVIANCE)


@pytest.mark.parametrize("name", SAS_PRINTED)
def test_covariance_parameters_match_sas_as_printed(name: str) -> None:
    fit = fit_case(name)
    printed = printed_parameters(name)
    groups = list(dict.fromkeys(p["group"] for p in printed))
    if fit.group:
        assert groups == [f"{fit.group} {level}" for level in fit.groups]
    assert len(groups) == len(fit.sigma)
    largest = float(np.max(fit.sigma))
    for p in printed:
        ours = our_parameter(name, p["name"], fit.sigma[groups.index(p["group"])])
        correlation = p["name"].startswith(("AR", "CSH"))
        scale = 1.0 if correlation else largest
        _assert_printed(ours, p["estimate"], p["name"], scale=scale)


def test_ls_means_and_all_differences_match_sas_as_printed() -> None:
    results = case("sas-full-us-reml")["results"]
    fit = fit_case("sas-full-us-reml")
    means = emmeans(fit, ["AVISIT", "ARMCD"])
    found = {(r.AVISIT, r.ARMCD): r for r in means.frame.itertuples()}
    for row in results["lsmeans"]:
        visit, arm = row["label"].split(" ")[1:]
        ours = found[visit, arm]
        _assert_printed(ours.estimate, row["estimate"], row["label"])
        _assert_printed(ours.std_error, row["se"], row["label"])
        _assert_printed(ours.df, row["df"], row["label"], whole=True)
        _assert_printed(ours.conf_low, row["lower"], row["label"])
        _assert_printed(ours.conf_high, row["upper"], row["label"])
    cells = [(r.AVISIT, r.ARMCD) for r in means.frame.itertuples()]
    assert len(results["differences"]) == 28
    for row in results["differences"]:
        v1, a1, v2, a2 = row["label"].split(" ")[1:]
        weights = [(c == (v1, a1)) - (c == (v2, a2)) * 1.0 for c in cells]
        ours = contrasts(means, weights={"d": weights}).frame.iloc[0]
        _assert_printed(ours.estimate, row["estimate"], row["label"])
        _assert_printed(ours.std_error, row["se"], row["label"])
        _assert_printed(ours.df, row["df"], row["label"], whole=True)


@pytest.mark.parametrize("name", ["sas-full-us-reml", "sas-full-us-ml"])
def test_type_3_tests_match_sas_as_printed(name: str) -> None:
    fit = fit_case(name)
    firsts = {f: levels[0] for f, levels in fit.design.factors.items()}
    by_visit = contrasts(emmeans(fit, "ARMCD", by="AVISIT"), reference="PBO")
    tests = {
        f: contrasts(emmeans(fit, f), reference=first) for f, first in firsts.items()
    }
    tests["AVISIT*ARMCD"] = contrasts(by_visit, reference="VIS1", over="AVISIT")
    rows = case(name)["results"]["type3"]
    assert {row["effect"] for row in rows} == set(tests)
    for row in rows:
        ours = joint_test(tests[row["effect"]]).iloc[0]
        assert ours.num_df == row["num_df"]
        _assert_printed(ours.statistic, row["F"], row["effect"])
        _assert_printed(ours.den_df, row["denom_df"], row["effect"], whole=True)


# The antidepressant trial


@pytest.fixture(scope="module")
def antidepressant() -> MmrmFit:
    path = shared("data", "antidepressant-hamd17", "antidepressant_data.csv")
    return fit_mmrm(
        "CHANGE ~ BASVAL*VISIT + THERAPY*VISIT",
        pd.read_csv(path),
        subject="PATIENT",
        visit="VISIT",
        levels={"THERAPY": ["PLACEBO", "DRUG"]},
    )


def test_antidepressant_trial_gives_the_published_differences(
    antidepressant: MmrmFit,
) -> None:
    frame = contrasts(
        emmeans(antidepressant, "THERAPY", by="VISIT"), reference="PLACEBO"
    ).frame.set_index("VISIT")
    assert -2 * antidepressant.loglik == pytest.approx(3494.2029, abs=5e-5)
    for visit, estimate, std_error, printed in (
        (5, -1.403, 0.924, 5e-4),
        (6, -2.225, 1.001, 5e-4),
        (7, -2.8018, 1.1163, 5e-5),
    ):
        assert frame.estimate[visit] == pytest.approx(estimate, abs=printed)
        assert frame.std_error[visit] == pytest.approx(std_error, abs=printed)
    # Quoted as 150.11 and 0.01314; at the optimum they are those of the last two lines
    # (docs/validation/differences.md, 5).
    assert frame.df[7] == pytest.approx(150.11, rel=1e-4)
    assert frame.p_value[7] == pytest.approx(0.01314, rel=5e-4)
    assert frame.df[7] == pytest.approx(150.10176, abs=1e-5)
    assert frame.p_value[7] == pytest.approx(0.01313493, abs=1e-8)


def test_antidepressant_trial_gives_the_printed_sas_results(
    antidepressant: MmrmFit,
) -> None:
    folder = ("data", "antidepressant-hamd17")
    printed = pd.read_csv(shared(*folder, "sas_mmrm_reference.csv"), dtype=str)
    means = emmeans(antidepressant, "THERAPY", by="VISIT")
    ours = {(r.THERAPY, str(r.VISIT)): r for r in means.frame.itertuples()}
    differences = contrasts(means, reference="PLACEBO").frame
    ours |= {("DRUG-PLACEBO", str(r.VISIT)): r for r in differences.itertuples()}
    assert len(printed) == len(ours) == 12
    for row in printed.itertuples():
        found = ours[row.arm, row.visit]
        for value, text in (
            (found.estimate, row.estimate),
            (found.std_error, row.se),
            (found.df, row.df),
        ):
            half = 0.5 * 10.0 ** -len(text.partition(".")[2])
            assert abs(value - float(text)) <= half + SAS_STOP * abs(float(text))
    theirs = pd.read_csv(shared(*folder, "sas_mmrm_reference_cov.csv"))
    for cell in theirs.itertuples():
        value = antidepressant.sigma[0, cell.row - 1, cell.col - 1]
        assert value == pytest.approx(cell.estimate, abs=5e-5 + SAS_STOP * value)
