"""Presets, constrained analysis, groups, weights and sandwiches of `fit_mmrm`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models import contrasts, emmeans, fit_mmrm, glance, tidy
from outcomes.models.mmrm.results import MmrmFit
from unit.models.trials import make_trial


def _fit(data: pd.DataFrame, formula: str = "change ~ base + arm*week", **o: Any):
    return fit_mmrm(formula, data, subject="subject", visit="week", **o)


# Which numbers come from where


@pytest.mark.parametrize(
    ("options", "df", "vcov"),
    [
        ({}, "kenward-roger", "kenward-roger"),
        ({"method": "ml"}, "satterthwaite", "model"),
        ({"vcov": "cr2"}, "satterthwaite", "cr2"),
        ({"vcov": "model"}, "satterthwaite", "model"),
        ({"vcov": "kenward-roger-mmrm"}, "kenward-roger", "kenward-roger-mmrm"),
        ({"df": "between-within", "vcov": "cr0"}, "between-within", "cr0"),
        ({"preset": "sas_proc_mixed"}, "kenward-roger", "kenward-roger"),
        ({"preset": "sas_proc_mixed", "df": "residual"}, "residual", "model"),
        ({"preset": "sas_proc_mixed", "method": "ml"}, "satterthwaite", "model"),
        ({"preset": "r_mmrm"}, "satterthwaite", "model"),
        (
            {"preset": "r_mmrm", "df": "kenward-roger"},
            "kenward-roger",
            "kenward-roger-mmrm",
        ),
        ({"preset": "r_mmrm", "df": "residual"}, "residual", "cr0"),
        ({"preset": "r_mmrm", "df": "residual", "vcov": "cr3"}, "residual", "cr3"),
    ],
)
def test_what_df_and_vcov_default_to(
    options: dict[str, Any], df: str, vcov: str
) -> None:
    row = glance(_fit(make_trial(), covariance="cs", **options)).iloc[0]
    assert (row["df"], row["vcov"]) == (df, vcov)


# Constrained longitudinal data analysis


def _with_baseline() -> pd.DataFrame:
    """Make the trial with its baseline as the record of week 0."""
    data = make_trial(n=80)
    start = data.groupby("subject", as_index=False).first()
    start = start.assign(week=0, change=0.0)
    both = pd.concat([start, data], ignore_index=True)
    both["value"] = both["base"] + both["change"]
    return both.drop(columns=["base", "change"])


def test_constrained_arms_share_their_first_mean_only() -> None:
    data = _with_baseline()
    fit = _fit(data, "value ~ arm*week", constrained=("arm", 0))
    # The same model by hand: an arm effect at each visit but the first.
    by_hand = data.copy()
    later = [1, 2, 4, 8]
    for week in later:
        by_hand[f"at_{week}"] = (
            (data["week"] == week) & (data["arm"] == "placebo")
        ).astype(float)
    terms = " + ".join(f"at_{week}" for week in later)
    plain = _fit(by_hand, f"value ~ week + {terms}")
    assert fit.aliased == ()
    assert fit.loglik == pytest.approx(plain.loglik, abs=1e-9)
    frame = contrasts(emmeans(fit, "arm", by="week"), reference="active").frame
    ours = frame.set_index("week")
    assert ours.loc[0, "estimate"] == 0.0
    theirs = tidy(plain).set_index("term")
    for week in later:
        for name in ("estimate", "std_error", "df", "p_value"):
            expected = theirs.loc[f"at_{week}", name]
            assert ours.loc[week, name] == pytest.approx(expected, rel=1e-9)
    means = emmeans(fit, "arm", by="week").frame.set_index(["week", "arm"])
    assert means.loc[(0, "active"), "estimate"] == means.loc[(0, "placebo"), "estimate"]


def test_constrained_differences_of_change_are_those_of_values() -> None:
    fit = _fit(_with_baseline(), "value ~ arm*week", constrained=("arm", 0))
    means = emmeans(fit, "arm", by="week")
    change = contrasts(means, reference=0, over="week")
    of_change = contrasts(change, reference="active", over="arm").frame
    of_value = contrasts(means, reference="active").frame
    late = of_value[of_value["week"] != 0].reset_index(drop=True)
    for name in ("estimate", "std_error", "df"):
        np.testing.assert_allclose(of_change[name], late[name], rtol=1e-9)


def test_other_terms_of_a_constrained_arm_begin_after_the_first_visit() -> None:
    data = _with_baseline()
    fit = _fit(data, "value ~ site + arm:site + arm*week", constrained=("arm", 0))
    means = emmeans(fit, "arm", by=["week", "site"]).frame
    first = means[means["week"] == 0]
    assert (first.groupby("site")["estimate"].nunique() == 1).all()
    later = means[means["week"] == 8]
    assert (later.groupby("site")["estimate"].nunique() == 2).all()


# Groups and weights


def test_each_group_has_its_covariance() -> None:
    fit = _fit(make_trial(n=90), covariance="csh", group="arm")
    assert set(fit.covariance) == {"active", "placebo"} == set(fit.groups)
    frame = fit.covariance["placebo"]
    assert list(frame.index) == list(fit.visits)
    np.testing.assert_array_equal(frame, fit.sigma[1])
    assert len(fit.theta) == len(fit.theta_names) == 2 * 5
    assert fit.theta_names[0] == "active: variance[1]"
    assert fit.theta_names[-1] == "placebo: correlation"


def test_a_group_need_not_be_in_the_formula_nor_change_what_is() -> None:
    data = make_trial(n=90)
    data["dose"] = (data["arm"] == "active") * 25.0
    outside = _fit(data, "change ~ base + week", group="arm")
    assert "arm" not in outside.design.factors
    inside = _fit(data, "change ~ base + dose*week", group="dose")
    assert "dose" in inside.terms  # still a covariate, not a factor


def test_a_group_too_small_is_named() -> None:
    data = make_trial()
    few = data["subject"].isin(data["subject"].unique()[:2])
    data["stratum"] = np.where(few, "few", "many")
    with pytest.raises(ModelError, match=r"stratum 'few': .* at least 4 subjects, and"):
        _fit(data, group="stratum")
    fit = _fit(data, group="stratum", covariance=["us", "ar1"])
    assert fit.structure == "ar1"
    assert "stratum 'few'" in fit.convergence.ladder[0].message


def test_a_visit_missing_in_one_group_is_named() -> None:
    data = make_trial()
    data = data[~((data["arm"] == "active") & (data["week"] == 8))]
    with pytest.raises(ModelError, match="arm 'active': visit 8 has no record"):
        _fit(data, group="arm", covariance="ar1h")


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_weights_that_are_not_positive_are_named(bad: float) -> None:
    data = make_trial()
    data["w"] = 1.0
    data.loc[5, "w"] = bad
    who, week = data.loc[5, "subject"], data.loc[5, "week"]
    says = f"1 records have a w that is not positive .first: {who} at {week}"
    with pytest.raises(ModelError, match=says):
        _fit(data, weights="w")


def test_a_constant_weight_changes_sigma_alone() -> None:
    data = make_trial()
    data["w"] = 4.0
    plain, heavy = _fit(data), _fit(data, weights="w")
    np.testing.assert_allclose(heavy.sigma, 4.0 * plain.sigma, rtol=1e-8)
    pd.testing.assert_frame_equal(tidy(heavy), tidy(plain), rtol=1e-8)
    assert heavy.loglik == pytest.approx(plain.loglik, abs=1e-9)


def test_records_at_the_same_place_are_named() -> None:
    data = make_trial()
    data["day"] = data["week"].where(data["week"] != 8, 4)
    says = "several records at the same day .first: P000 at 4, P000 at 8"
    with pytest.raises(ModelError, match=says):
        _fit(data, covariance="sp_exp", coordinates="day")


def test_the_visit_may_be_the_coordinate() -> None:
    fit = _fit(make_trial(), covariance="sp_exp", coordinates="week")
    variance, reach = fit.theta
    assert fit.theta_names == ("variance", "range")
    assert fit.sigma[0, 1, 3] == pytest.approx(variance * np.exp(-6 / reach))


def test_no_correlation_is_the_boundary_of_sp_exp() -> None:
    data = make_trial(visits=(1, 2), dropout=0.0, gaps=0.0)
    rng = np.random.default_rng(5)
    opposed = np.repeat(rng.normal(size=60), 2) * np.tile([1.0, -1.0], 60)
    data["change"] = opposed + rng.normal(size=120)
    fit = _fit(data, covariance="sp_exp", coordinates="week")
    assert not fit.convergence.converged
    assert any("lower boundary" in message for message in fit.convergence.messages)


# Sandwiches


def test_who_settles_a_coefficient_alone_has_no_jackknife() -> None:
    data = make_trial()
    data["site"] = data["site"].mask(data["subject"] == "P007", "S9")
    formula = "change ~ base + site + arm*week"
    with pytest.raises(ModelError, match="without subject P007 a coefficient"):
        _fit(data, formula, vcov="cr3")
    row = tidy(_fit(data, formula, vcov="cr2")).set_index("term").loc["site[T.S9]"]
    assert np.isfinite(row["std_error"])


def test_a_sandwich_does_not_need_the_observed_information() -> None:
    fit: MmrmFit = _fit(make_trial(), vcov="cr0", df="asymptotic")
    assert np.isinf(tidy(fit)["df"]).all()
