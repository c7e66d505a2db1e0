"""`fit_mmrm` as its users meet it: known answers, bad input, convergence."""

from __future__ import annotations

import dataclasses
import pickle
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from outcomes.errors import ModelError
from outcomes.models import contrasts, emmeans, fit_mmrm, glance, joint_test, tidy
from outcomes.models.mmrm.results import MmrmFit
from unit.models.trials import make_trial

FORMULA = "change ~ base*week + arm*week"


def _fit(data: pd.DataFrame, formula: str = FORMULA, **options: Any) -> MmrmFit:
    return fit_mmrm(
        formula, data, **({"subject": "subject", "visit": "week"} | options)
    )


# Known answers


@pytest.mark.parametrize("df", ["kenward-roger", "satterthwaite", "residual"])
@pytest.mark.parametrize("covariance", ["us", "cs", "ar1"])
def test_one_visit_is_analysis_of_covariance(df: str, covariance: str) -> None:
    import statsmodels.formula.api as smf

    data = make_trial(visits=(6,), dropout=0.0, gaps=0.0)
    table = tidy(_fit(data, "change ~ base + arm", df=df, covariance=covariance))
    data["active"] = (data["arm"] == "placebo") * 1.0  # "active" sorts first
    ols = smf.ols("change ~ base + active", data).fit()
    np.testing.assert_allclose(table["estimate"], ols.params, rtol=1e-10)
    np.testing.assert_allclose(table["std_error"], ols.bse, rtol=1e-9)
    np.testing.assert_allclose(table["df"], ols.df_resid, rtol=1e-9)
    np.testing.assert_allclose(table["p_value"], ols.pvalues, rtol=1e-8)


@pytest.mark.parametrize("df", ["kenward-roger", "satterthwaite"])
def test_two_balanced_visits_are_a_paired_t_test(df: str) -> None:
    data = make_trial(n=14, visits=(1, 2), arms=("all",), dropout=0.0, gaps=0.0)
    fit = _fit(data, "change ~ week", df=df)
    row = tidy(fit).iloc[1]
    wide = data.pivot(index="subject", columns="week", values="change")
    known = stats.ttest_rel(wide[2], wide[1])
    assert row.statistic == pytest.approx(known.statistic, rel=1e-10)
    assert row.df == pytest.approx(13, rel=1e-10)
    assert row.p_value == pytest.approx(known.pvalue, rel=1e-9)


def test_two_arms_at_complete_visits_are_separate_t_tests() -> None:
    data = make_trial(n=20, dropout=0.0, gaps=0.0)
    frame = contrasts(
        emmeans(_fit(data, "change ~ arm*week"), "arm", by="week"), reference="placebo"
    ).frame.set_index("week")
    for week, group in data.groupby("week"):
        parts = [
            group.loc[group["arm"] == arm, "change"] for arm in ("active", "placebo")
        ]
        known = stats.ttest_ind(*parts)
        assert frame.statistic[week] == pytest.approx(known.statistic, rel=1e-9)
        assert frame.df[week] == pytest.approx(18, rel=1e-9)


def test_compound_symmetry_is_a_random_intercept() -> None:
    import statsmodels.formula.api as smf

    data = make_trial()
    fit = _fit(data, "change ~ base + arm", covariance="cs", df="satterthwaite")
    data["placebo"] = (data["arm"] == "placebo") * 1.0
    mixed = smf.mixedlm("change ~ base + placebo", data, groups="subject").fit(
        reml=True, method="bfgs", gtol=1e-10
    )
    assert fit.theta[0] == pytest.approx(float(mixed.cov_re.iloc[0, 0]), rel=1e-4)
    assert fit.theta[1] == pytest.approx(mixed.scale, rel=1e-4)
    np.testing.assert_allclose(fit.beta, mixed.fe_params, rtol=1e-5)
    assert fit.loglik == pytest.approx(mixed.llf, abs=1e-5)


def test_hotelling_joint_test_of_complete_data() -> None:
    # All changes zero in one arm under us: Hotelling's T2, which Kenward-Roger gives.
    data = make_trial(n=16, arms=("all",), dropout=0.0, gaps=0.0)
    fit = _fit(data, "change ~ 0 + week")
    found = joint_test(fit, np.eye(4)).iloc[0]
    wide = data.pivot(index="subject", columns="week", values="change").to_numpy()
    n, k = wide.shape
    t2 = n * wide.mean(0) @ np.linalg.solve(np.cov(wide.T), wide.mean(0))
    assert found.num_df == k
    assert found.den_df == pytest.approx(n - k, rel=1e-9)
    assert found.statistic == pytest.approx(t2 * (n - k) / (k * (n - 1)), rel=1e-9)


def test_ladder_is_climbed_down_and_recorded() -> None:
    data = make_trial(n=8, dropout=0.3)
    keep = [
        (w != 8) | (s == "P000") for w, s in zip(data.week, data.subject, strict=True)
    ]
    data = data.loc[keep]
    fit = _fit(data, "change ~ arm + week", covariance=["us", "ar1", "cs"])
    assert fit.structure == "ar1"
    assert [s.covariance for s in fit.convergence.ladder] == ["us", "ar1"]
    assert [s.converged for s in fit.convergence.ladder] == [False, True]
    assert glance(fit).loc[0, "covariance"] == "ar1"
    assert any(m.startswith("us: ") for m in fit.convergence.messages)


def test_optimum_is_tight() -> None:
    for covariance in ("us", "cs", "ar1"):
        record = _fit(make_trial(), covariance=covariance).convergence
        assert record.status == "converged"
        assert record.gradient_norm < 1e-8
        assert record.min_eigenvalue > 0
        assert 0 < record.iterations < 15


def _repeated_visit() -> pd.DataFrame:
    """Week 8 repeats week 4 in every subject, so their correlation is one."""
    data = make_trial(n=30, dropout=0.0, gaps=0.0)
    copied = data.loc[data["week"] == 4].assign(week=8)
    return pd.concat([data.loc[data["week"] != 8], copied])


def test_ladder_goes_on_from_a_fit_that_does_not_converge() -> None:
    fit = _fit(_repeated_visit(), "change ~ arm*week", covariance=["us", "cs"])
    assert fit.structure == "cs"
    assert fit.convergence.converged
    first, second = fit.convergence.ladder
    assert (first.covariance, first.converged) == ("us", False)
    assert "singular" in first.message
    assert second.converged


def test_where_no_step_converges_the_last_fit_comes_back_marked() -> None:
    data = _repeated_visit()
    fit = _fit(data, "change ~ arm*week", covariance=["us", "us"])
    assert fit.convergence.status == "not-converged"
    assert [s.converged for s in fit.convergence.ladder] == [False, False]


def test_singular_covariance_is_returned_and_marked() -> None:
    fit = _fit(_repeated_visit(), "change ~ arm*week")
    assert fit.convergence.status == "not-converged"
    assert any("singular" in message for message in fit.convergence.messages)
    table = tidy(fit)
    assert not glance(fit).loc[0, "converged"]
    assert not (table["estimate"] == 0).any()
    assert table["estimate"].notna().all()


# What was left out is counted


def test_incomplete_rows_are_counted_by_reason() -> None:
    data = make_trial()
    full = _fit(data)
    gaps = data.copy()
    gaps.loc[[3, 7], "change"] = np.nan
    gaps.loc[[7, 9, 11], "base"] = np.nan
    with pytest.raises(ModelError, match=r"miss base in 2 \(first of subject P\d+"):
        _fit(gaps)
    fit = _fit(gaps, missing="exclude")
    assert fit.excluded == {"change is missing": 2, "base is missing": 2}
    assert fit.n_excluded == 4
    assert fit.n_records == full.n_records - 4
    assert full.excluded == {}


def test_aliased_columns_are_named_and_have_no_numbers() -> None:
    data = make_trial()
    data["twin"] = 2 * data["base"] + 1
    fit = _fit(data, "change ~ base + twin + arm*week")
    assert fit.aliased == ("twin",)
    row = tidy(fit).set_index("term").loc["twin"]
    assert row.isna().all()
    assert any("twin" in message for message in fit.convergence.messages)
    plain = _fit(data, "change ~ base + arm*week")
    np.testing.assert_allclose(fit.beta, plain.beta, rtol=1e-9)
    assert list(fit.vcov.index) == list(fit.estimated_terms)


def test_an_empty_cell_is_named_and_its_means_are_not_estimable() -> None:
    data = make_trial()
    data = data.loc[(data["arm"] != "active") | (data["week"] != 8)]
    fit = _fit(data)
    said = " ".join(fit.convergence.messages)
    assert "no record has arm 'active' and week 8" in said or (
        "no record has week 8 and arm 'active'" in said
    )
    means = emmeans(fit, "arm", by="week")
    frame = means.frame.set_index(["arm", "week"])
    assert np.isnan(frame.estimate["active", 8])
    assert np.isfinite(frame.estimate["placebo", 8])
    assert np.isfinite(frame.estimate["active", 4])
    differences = contrasts(means, reference="placebo")
    assert list(differences.frame["estimate"].isna()) == [False, False, False, True]
    with pytest.raises(ModelError, match="estimable"):
        joint_test(differences)


def test_unused_levels_are_dropped_and_said() -> None:
    data = make_trial()
    fit = _fit(data, levels={"arm": ["placebo", "sham", "active"]})
    assert "arm: no row used has level 'sham'" in fit.convergence.messages
    assert fit.design.factors["arm"] == ("placebo", "active")


def test_a_visit_nobody_has_is_a_gap_under_ar1() -> None:
    data = make_trial(visits=(1, 2, 8))
    with_gap = _fit(data, covariance="ar1", levels={"week": [1, 2, 4, 8]})
    rho = with_gap.theta[1]
    assert with_gap.sigma[0, 1, 2] == pytest.approx(with_gap.theta[0] * rho**2)
    assert with_gap.visits == (1, 2, 8)
    assert _fit(data, covariance="ar1").loglik != pytest.approx(with_gap.loglik)


def test_a_single_arm_is_an_ordinary_case() -> None:
    data = make_trial(arms=("only",))
    fit = _fit(data, "change ~ base*week + arm*week")
    assert fit.convergence.converged
    frame = emmeans(fit, "arm", by="week").frame
    plain = emmeans(_fit(data, "change ~ base*week"), "week").frame
    np.testing.assert_allclose(frame["estimate"], plain["estimate"], rtol=1e-9)
    assert any("one level 'only'" in m for m in fit.convergence.messages)


def test_an_arm_without_an_outcome_is_named_and_counted() -> None:
    data = make_trial(arms=("placebo", "low", "high"))
    data.loc[data["arm"] == "low", "change"] = np.nan
    fit = _fit(data)
    assert "arm: no row used has level 'low'" in fit.convergence.messages
    assert fit.excluded["change is missing"] == fit.n_excluded > 0
    assert set(emmeans(fit, "arm").frame["arm"]) == {"placebo", "high"}


# The fit is a record


def test_fit_is_frozen_slotted_and_pickles() -> None:
    fit = _fit(make_trial())
    assert not hasattr(fit, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        fit.loglik = 0.0  # type: ignore[misc]
    again = pickle.loads(pickle.dumps(fit))
    pd.testing.assert_frame_equal(tidy(again), tidy(fit))
    pd.testing.assert_frame_equal(
        emmeans(again, "arm", by="week").frame, emmeans(fit, "arm", by="week").frame
    )
    assert list(fit.covariance.index) == [1, 2, 4, 8]


def test_the_data_are_not_changed() -> None:
    data = make_trial()
    before = data.copy(deep=True)
    _fit(data)
    pd.testing.assert_frame_equal(data, before)


def test_text_visits_take_the_declared_order() -> None:
    data = make_trial()
    data["visit"] = "WEEK" + data["week"].astype(str)
    order = ["WEEK1", "WEEK2", "WEEK4", "WEEK8"]
    plain = _fit(data, covariance="ar1")
    formula = FORMULA.replace("week", "visit")
    listed = _fit(
        data, formula, visit="visit", covariance="ar1", levels={"visit": order}
    )
    data["visit"] = pd.Categorical(data["visit"], order, ordered=True)
    typed = _fit(data, formula, visit="visit", covariance="ar1")
    assert listed.loglik == typed.loglik == pytest.approx(plain.loglik, abs=1e-10)
    assert typed.visits == tuple(order)


# Options


def test_defaults_follow_the_method() -> None:
    reml, ml = _fit(make_trial()), _fit(make_trial(), method="ml")
    assert (reml.df_method, reml.vcov_method) == ("kenward-roger", "kenward-roger")
    assert (ml.df_method, ml.vcov_method) == ("satterthwaite", "model")
    model = _fit(make_trial(), vcov="model")
    assert model.df_method == "satterthwaite"


def test_asymptotic_is_normal() -> None:
    fit = _fit(make_trial(), df="asymptotic")
    row = tidy(fit).iloc[1]
    assert np.isinf(row.df)
    assert row.p_value == pytest.approx(
        2 * stats.norm.sf(abs(row.statistic)), rel=1e-12
    )
    half = row.conf_high - row.estimate
    assert half == pytest.approx(stats.norm.ppf(0.975) * row.std_error, rel=1e-12)
    joint = joint_test(fit, np.eye(len(fit.beta))[1:3]).iloc[0]
    assert joint.p_value == pytest.approx(
        stats.chi2.sf(joint.statistic * 2, 2), rel=1e-12
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"covariance": "usn"},
            "covariance: 'usn' is not known. Choose one of us, toeph",
        ),
        ({"covariance": []}, "covariance: the list is empty"),
        ({"method": "REML"}, "method: 'REML' is not known. Choose one of reml, ml"),
        ({"df": "kr"}, "df: 'kr' is not known"),
        ({"vcov": "cr1"}, "vcov: 'cr1' is not known"),
        ({"df": "kenward-roger", "vcov": "cr0"}, "does not go with"),
        ({"preset": "sas"}, "preset: 'sas' is not known"),
        ({"missing": "drop"}, "missing: 'drop' is not known"),
        ({"covariance": "sp_exp"}, "'sp_exp' measures distances, so give coordinates="),
        ({"coordinates": "week"}, "only covariance 'sp_exp' uses them"),
        ({"covariance": "sp_exp", "coordinates": "day"}, "no column 'day'"),
        ({"covariance": "sp_exp", "coordinates": "arm"}, "must be a column of numbers"),
        ({"group": "sex"}, "no column 'sex'"),
        (
            {"group": "week"},
            r"\d+ subjects change their week .*first: P000",
        ),
        ({"weights": "heavy"}, "no column 'heavy'"),
        ({"weights": "arm"}, "'arm' must be a column of numbers"),
        ({"constrained": "arm"}, "give the factor and the first visit"),
        ({"constrained": ("base", 1)}, "constrained: 'base' must be a factor"),
        ({"constrained": ("site", 1)}, "constrained: 'site' must be a factor"),
        ({"constrained": ("arm", 0)}, "0 is not the first week of the rows used"),
        ({"method": "ml", "df": "kenward-roger"}, "defined for REML only"),
        ({"method": "ml", "vcov": "kenward-roger"}, "defined for REML only"),
        ({"df": "satterthwaite", "vcov": "kenward-roger"}, "does not go with"),
        ({"df": "kenward-roger", "vcov": "model"}, "does not go with"),
        ({"subject": "who"}, "no column 'who'"),
        ({"visit": "when"}, "no column 'when' for visit"),
        ({"visit": "site"}, "sorting text puts WEEK12 before WEEK3"),
        ({"levels": {"week": [1, 2, 4]}}, "not among its declared levels.*8"),
        ({"levels": {"arm": ["active", "active"]}}, "lists a level twice"),
        ({"levels": {"nothing": ["a"]}}, "no column 'nothing'"),
    ],
)
def test_wrong_options_are_answered(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        _fit(make_trial(), **options)


def _with(**columns: Any) -> pd.DataFrame:
    return make_trial().assign(**columns)


@pytest.mark.parametrize(
    ("data", "formula", "says"),
    [
        (make_trial().iloc[:0], FORMULA, "data has no rows"),
        (
            _with(change=np.nan),
            FORMULA,
            "no row of data is complete.*change is missing",
        ),
        (_with(change=3.0), FORMULA, "without remainder"),
        (_with(change=lambda d: d["base"]), FORMULA, "without remainder"),
        (_with(change="many"), FORMULA, "'change' must be a column of numbers"),
        (_with(base=np.inf), FORMULA, "'base' has .* infinite"),
        (
            _with(arm=lambda d: [1, "a"] * (len(d) // 2) + [1] * (len(d) % 2)),
            FORMULA,
            "'arm' mixes types",
        ),
        (
            make_trial().iloc[:, [0, 1, 3, 4, 4, 5]],
            FORMULA,
            "more than one column 'week'",
        ),
        (
            make_trial().iloc[:, [0, 1, 1, 3, 4, 5]],
            FORMULA,
            "more than one column 'arm'",
        ),
        (
            make_trial(n=2, gaps=0.0, dropout=0.0),
            FORMULA,
            "nothing is left to estimate",
        ),
        (
            make_trial(n=3, gaps=0.0, dropout=0.0),
            "change ~ week",
            "needs at least 4 subjects, and there are 3",
        ),
    ],
)
def test_hopeless_data_are_answered_by_name(
    data: pd.DataFrame, formula: str, says: str
) -> None:
    with pytest.raises(ModelError, match=says):
        _fit(data, formula)


def test_a_visit_with_one_record_is_named() -> None:
    data = make_trial()
    first = data.index[data["week"] == 8][0]
    data = data.loc[(data["week"] != 8) | (data.index == first)]
    with pytest.raises(ModelError, match="visit 8 has one record"):
        _fit(data, "change ~ arm + week")


def test_visits_nobody_shares_are_named() -> None:
    data = make_trial(n=80)
    odd = data["subject"].str[-1].astype(int) % 2 == 1
    data = data.loc[(odd & (data["week"] != 8)) | (~odd & (data["week"] != 4))]
    with pytest.raises(ModelError, match="0 subjects have both visit 4 and visit 8"):
        _fit(data, "change ~ arm + week")
    assert _fit(data, "change ~ arm + week", covariance="cs").convergence.converged


def test_no_subject_with_two_visits_is_said() -> None:
    data = make_trial().drop_duplicates("subject")
    data["week"] = np.arange(len(data)) % 4
    with pytest.raises(ModelError, match="no subject has two visits"):
        _fit(data, "change ~ arm", covariance="cs")


def test_duplicates_are_named_with_their_number() -> None:
    data = make_trial()
    data = pd.concat([data, data.iloc[:5]])
    with pytest.raises(
        ModelError, match=r"5 pairs of subject and week.*first: P000 at"
    ):
        _fit(data)


def test_unfamiliar_column_types_work() -> None:
    data = make_trial()
    plain = _fit(data, FORMULA)
    data["base"] = data["base"].astype("Float64")
    data["arm"] = pd.Categorical(data["arm"], ["active", "placebo"])
    data["week"] = data["week"].astype("Int64")
    data["subject"] = data["subject"].astype(object)
    data.index = data.index[::-1] * 3
    assert _fit(data).loglik == pytest.approx(plain.loglik, abs=1e-9)


@pytest.mark.parametrize("kind", [float, int, Decimal, Fraction, np.float32])
def test_objects_that_are_numbers_are_a_covariate(kind: Any) -> None:
    data = make_trial()
    data["base"] = data["base"].round()
    plain = _fit(data)
    data["base"] = pd.Series([kind(v) for v in data["base"]], dtype=object)
    fit = _fit(data)
    assert set(fit.design.covariates) == {"base"}
    assert fit.loglik == pytest.approx(plain.loglik, abs=1e-9)


@pytest.mark.parametrize(
    "values",
    [
        lambda b: (b > 30).astype(object),
        lambda b: (b > 30).map({True: "1", False: "0"}),
    ],
)
def test_objects_that_are_truth_values_or_text_are_a_factor(values: Any) -> None:
    data = make_trial()
    data["base"] = values(data["base"])
    assert "base" in _fit(data).design.factors


@pytest.mark.parametrize("dtype", [complex, object])
@pytest.mark.parametrize("column", ["base", "change"])
def test_complex_numbers_are_refused(column: str, dtype: Any) -> None:
    data = make_trial()
    data[column] = (data[column] * (1 + 2j)).astype(dtype)
    with pytest.raises(ModelError, match=f"'{column}' has complex numbers"):
        _fit(data)


@pytest.mark.parametrize(("scale", "says"), [(1e-100, "less"), (1e100, "more")])
def test_a_unit_beyond_computing_is_named(scale: float, says: str) -> None:
    data = make_trial().assign(change=lambda d: d["change"] * scale)
    with pytest.raises(ModelError, match=f"'change' varies by {says} than 1e"):
        _fit(data)
    near = make_trial().assign(change=lambda d: d["change"] * np.sqrt(scale))
    assert _fit(near).convergence.converged


def test_one_arm_has_no_contrast() -> None:
    data = make_trial()
    data.loc[data["arm"] == "active", "change"] = np.nan
    means = emmeans(_fit(data), "arm", by="week")
    for how in ({"reference": "placebo"}, {"pairwise": True}):
        with pytest.raises(ModelError, match="arm has the one level 'placebo'"):
            contrasts(means, **how)
