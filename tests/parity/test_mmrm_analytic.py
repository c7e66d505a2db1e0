"""MMRM where the answer has a closed form or another, simpler, derivation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from outcomes.models import contrasts, emmeans, fit_mmrm, joint_test, tidy
from outcomes.models.mmrm.results import MmrmFit

# Both sides are exact; what is left is the optimiser's stop and rounding.
EXACT = 1e-10
# Degrees of freedom pass through the inverse of the observed information, and a p value
# through a tail of t.
EXACT_DF = 1e-8
STATISTICS = ["estimate", "std_error", "df", "statistic", "p_value"]
VISITS = ["W1", "W2", "W4", "W8"]


def _trial(n: int, *, seed: int, dropout: float = 0.0) -> pd.DataFrame:
    """Two arms, four visits, correlated within subjects, later visits more variable."""
    rng = np.random.default_rng(seed)
    arm = np.where(np.arange(n) % 2 == 0, "A", "B")
    baseline = rng.normal(30, 5, n)
    level = rng.normal(0, 3, n)
    rows = []
    for i in range(n):
        for k, visit in enumerate(VISITS):
            if k and rng.random() < dropout:
                break
            drift = -2.0 * k * (1.3 if arm[i] == "B" else 1.0)
            noise = rng.normal(0, 1 + 0.5 * k) * (1.5 if arm[i] == "B" else 1.0)
            y = 0.5 * baseline[i] + level[i] + drift + noise
            rows.append((f"{i:03d}", arm[i], visit, 1.0 + k, baseline[i], y))
    columns = ["subject", "arm", "visit", "place", "baseline", "y"]
    return pd.DataFrame(rows, columns=columns)


def _fit(formula: str, data: pd.DataFrame, **options: Any) -> MmrmFit:
    fit = fit_mmrm(
        formula,
        data,
        subject="subject",
        visit="visit",
        levels={"visit": VISITS},
        **options,
    )
    assert fit.convergence.converged
    return fit


def _close(ours: Any, theirs: Any, rtol: float = EXACT) -> None:
    np.testing.assert_allclose(
        np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float), rtol=rtol
    )


def _same_tables(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    assert list(ours["term"]) == list(theirs["term"])
    for column in STATISTICS:
        exact = EXACT if column in ("estimate", "std_error") else EXACT_DF
        _close(ours[column], theirs[column], exact)


# One visit: analysis of covariance


@pytest.fixture(scope="module")
def week_8() -> pd.DataFrame:
    data = _trial(40, seed=1)
    return data[data["visit"] == "W8"]


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger", "residual"])
def test_one_visit_is_analysis_of_covariance(week_8: pd.DataFrame, df: str) -> None:
    ols = smf.ols("y ~ baseline + arm", week_8).fit()
    table = tidy(_fit("y ~ baseline + arm", week_8, df=df)).set_index("term")
    names = list(table.index)
    _close(table["estimate"], ols.params[names])
    _close(table["std_error"], ols.bse[names])
    _close(table["df"], [ols.df_resid] * 3)
    _close(table["p_value"], ols.pvalues[names], EXACT_DF)
    _close(table[["conf_low", "conf_high"]], ols.conf_int().loc[names])


def test_one_visit_by_maximum_likelihood(week_8: pd.DataFrame) -> None:
    ols = smf.ols("y ~ baseline + arm", week_8).fit()
    fit = _fit("y ~ baseline + arm", week_8, method="ml")
    _close(fit.loglik, ols.llf)
    _close(fit.sigma.ravel(), [ols.ssr / ols.nobs])


def test_one_visit_joint_test_is_the_f_test(week_8: pd.DataFrame) -> None:
    ols = smf.ols("y ~ baseline + arm", week_8).fit()
    expected = ols.f_test(np.eye(3)[1:])
    for df in ("satterthwaite", "kenward-roger"):
        fit = _fit("y ~ baseline + arm", week_8, df=df)
        order = [fit.terms.index(name) for name in ols.params.index]
        ours = joint_test(fit, np.eye(3)[1:][:, np.argsort(order)]).iloc[0]
        _close(ours.statistic, expected.fvalue)
        assert ours.num_df == 2
        _close(ours.den_df, expected.df_denom, EXACT_DF)


@pytest.mark.parametrize("structure", ["cs", "ar1h", "toep", "adh"])
def test_one_visit_is_the_same_with_every_structure(
    week_8: pd.DataFrame, structure: str
) -> None:
    ours = _fit("y ~ baseline + arm", week_8, covariance=structure)
    _same_tables(tidy(ours), tidy(_fit("y ~ baseline + arm", week_8)))


@pytest.mark.parametrize(
    ("df", "vcov"),
    [
        ("satterthwaite", "model"),
        ("kenward-roger", "kenward-roger"),
        ("kenward-roger", "kenward-roger-linear"),
    ],
)
def test_one_visit_with_a_variance_per_arm_is_welch(
    week_8: pd.DataFrame, df: str, vcov: str
) -> None:
    fit = _fit("y ~ arm", week_8, group="arm", df=df, vcov=vcov)
    a, b = (week_8.loc[week_8["arm"] == arm, "y"].to_numpy() for arm in "AB")
    share_a, share_b = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    expected_df = (share_a + share_b) ** 2 / (
        share_a**2 / (len(a) - 1) + share_b**2 / (len(b) - 1)
    )
    welch = stats.ttest_ind(b, a, equal_var=False)
    row = contrasts(emmeans(fit, "arm"), reference="A").frame.iloc[0]
    _close(fit.sigma.ravel(), [a.var(ddof=1), b.var(ddof=1)])
    _close(row.estimate, b.mean() - a.mean())
    _close(row.std_error, np.sqrt(share_a + share_b))
    _close(row.df, expected_df, EXACT_DF)
    _close(row.statistic, welch.statistic)
    _close(row.p_value, welch.pvalue, EXACT_DF)


# One visit: the sandwich is that of White, its degrees of freedom of Bell and McCaffrey


POWER = {"cr0": 0.0, "cr2": 0.5, "cr3": 1.0}


@pytest.mark.parametrize("vcov", POWER)
def test_one_visit_sandwich_is_that_for_independent_records(
    week_8: pd.DataFrame, vcov: str
) -> None:
    fit = _fit("y ~ baseline + arm", week_8, df="satterthwaite", vcov=vcov)
    hc = smf.ols("y ~ baseline + arm", week_8).fit(cov_type=vcov.replace("cr", "HC"))
    names = list(fit.terms)
    _close(fit.cov_inference, hc.cov_params().loc[names, names])


@pytest.mark.parametrize("vcov", POWER)
def test_one_visit_sandwich_has_bell_mccaffrey_degrees_of_freedom(
    week_8: pd.DataFrame, vcov: str
) -> None:
    fit = _fit("y ~ baseline + arm", week_8, df="satterthwaite", vcov=vcov)
    X = fit.design.X
    inverse = np.linalg.inv(X.T @ X)
    M = np.eye(len(X)) - X @ inverse @ X.T
    weights = np.diagonal(M) ** -POWER[vcov]
    expected = []
    for row in np.eye(X.shape[1]):
        a = weights * (X @ inverse @ row)
        spread = a[:, None] * M * a
        expected.append(np.trace(spread) ** 2 / np.sum(spread**2))
    _close(tidy(fit)["df"], expected, EXACT_DF)


# Two visits, complete: the paired t test


@pytest.fixture(scope="module")
def pairs() -> pd.DataFrame:
    data = _trial(15, seed=2)
    return data[data["visit"].isin(["W1", "W8"])]


@pytest.mark.parametrize(
    ("df", "vcov"),
    [
        ("satterthwaite", "model"),
        ("kenward-roger", "kenward-roger"),
        ("kenward-roger", "kenward-roger-linear"),
    ],
)
def test_two_complete_visits_are_the_paired_t_test(
    pairs: pd.DataFrame, df: str, vcov: str
) -> None:
    wide = pairs.pivot_table(index="subject", columns="visit", values="y")
    expected = stats.ttest_rel(wide["W8"], wide["W1"])
    change = wide["W8"] - wide["W1"]
    fit = _fit("y ~ visit", pairs, covariance="us", df=df, vcov=vcov)
    row = tidy(fit).set_index("term").loc["visit[T.W8]"]
    _close(row["estimate"], change.mean())
    _close(row["std_error"], change.std(ddof=1) / np.sqrt(len(change)))
    _close(row["df"], len(change) - 1, EXACT_DF)
    _close(row["statistic"], expected.statistic)
    _close(row["p_value"], expected.pvalue, EXACT_DF)


# Hours of sleep gained by ten patients on two drugs (Student, 1908, Biometrika 6).
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


@pytest.mark.parametrize(
    ("df", "vcov", "printed"),
    [
        ("satterthwaite", "model", 0.3890),
        ("kenward-roger", "kenward-roger", 0.3890),
        ("kenward-roger", "kenward-roger-linear", 0.3890),
        ("kenward-roger", "kenward-roger-mmrm", 0.3386),  # differences.md, 1
    ],
)
def test_paired_data_give_what_sas_and_r_were_seen_to_print(
    df: str, vcov: str, printed: float
) -> None:
    subjects = [f"{i:03d}" for i in range(10)] * 2
    visits = ["W1"] * 10 + ["W2"] * 10
    data = pd.DataFrame({"subject": subjects, "visit": visits, "y": FIRST + SECOND})
    fit = _fit("y ~ visit", data, df=df, vcov=vcov)
    row = tidy(fit).set_index("term").loc["visit[T.W2]"]
    assert row["estimate"] == pytest.approx(1.58, rel=EXACT)
    assert row["std_error"] == pytest.approx(printed, abs=5e-5)
    assert row["df"] == pytest.approx(9.0, rel=EXACT_DF)


# Groups


@pytest.fixture(scope="module")
def trial() -> pd.DataFrame:
    return _trial(60, seed=3, dropout=0.15)


@pytest.mark.parametrize("structure", ["us", "ar1h", "cs", "toeph"])
@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_a_covariance_per_arm_and_separate_means_are_separate_fits(
    trial: pd.DataFrame, structure: str, df: str
) -> None:
    options = {"covariance": structure, "df": df}
    together = _fit("y ~ arm * visit", trial, group="arm", **options)
    assert together.groups == ("A", "B")
    means = emmeans(together, "visit", by="arm").frame
    loglik = 0.0
    for g, arm in enumerate(together.groups):
        alone = _fit("y ~ visit", trial[trial["arm"] == arm], **options)
        loglik += alone.loglik
        _close(together.sigma[g], alone.sigma[0], 1e-8)
        _close(together.covariance[arm], alone.covariance, 1e-8)
        own = means[means["arm"] == arm].reset_index(drop=True)
        expected = emmeans(alone, "visit").frame
        _close(own["estimate"], expected["estimate"], 1e-9)
        _close(own["std_error"], expected["std_error"], 1e-9)
        _close(own["df"], expected["df"], 1e-7)
    _close(together.loglik, loglik)


@pytest.mark.parametrize("structure", ["us", "adh", "csh"])
def test_two_groups_with_the_same_data_have_the_same_covariance(
    trial: pd.DataFrame, structure: str
) -> None:
    first = trial.assign(half="first")
    second = trial.assign(half="second", subject="again" + trial["subject"])
    both = pd.concat([first, second], ignore_index=True)
    fit = _fit("y ~ half * visit", both, group="half", covariance=structure)
    _close(fit.sigma[0], fit.sigma[1], 1e-9)
    estimates = contrasts(emmeans(fit, "half", by="visit"), reference="first").frame
    assert np.all(np.abs(estimates["estimate"]) < 1e-10 * np.abs(trial["y"]).max())
    means = emmeans(fit, "half", by="visit").frame
    np.testing.assert_allclose(
        estimates["std_error"],
        np.sqrt(2) * means.loc[means["half"] == "first", "std_error"],
        rtol=1e-9,
    )


# Weights


@pytest.mark.parametrize("structure", ["us", "toeph", "cs"])
@pytest.mark.parametrize(
    ("df", "vcov"),
    [
        ("satterthwaite", "model"),
        ("kenward-roger", "kenward-roger"),
        ("kenward-roger", "kenward-roger-mmrm"),
        ("satterthwaite", "cr0"),
        ("satterthwaite", "cr2"),
        ("satterthwaite", "cr3"),
    ],
)
def test_equal_weights_scale_the_covariance_only(
    trial: pd.DataFrame, structure: str, df: str, vcov: str
) -> None:
    options = {"covariance": structure, "df": df, "vcov": vcov}
    formula = "y ~ baseline + arm * visit"
    plain = _fit(formula, trial, **options)
    weighted = _fit(formula, trial.assign(w=2.0), weights="w", **options)
    _close(weighted.sigma, 2.0 * plain.sigma, 1e-8)
    _close(weighted.loglik, plain.loglik)
    _close(weighted.beta, plain.beta, 1e-9)
    _close(tidy(weighted)["std_error"], tidy(plain)["std_error"], 1e-9)
    _close(tidy(weighted)["df"], tidy(plain)["df"], 1e-7)


def test_weights_at_one_visit_are_weighted_least_squares(week_8: pd.DataFrame) -> None:
    weights = np.random.default_rng(4).uniform(0.5, 2.0, len(week_8))
    data = week_8.assign(w=weights)
    wls = smf.wls("y ~ baseline + arm", data, weights=weights).fit()
    fit = _fit("y ~ baseline + arm", data, weights="w", df="satterthwaite")
    table = tidy(fit).set_index("term")
    _close(table["estimate"], wls.params[list(table.index)])
    _close(table["std_error"], wls.bse[list(table.index)])
    _close(table["df"], [wls.df_resid] * 3, EXACT_DF)
    _close(fit.sigma.ravel(), [wls.scale])


# Spatial exponential


@pytest.mark.parametrize(
    ("df", "vcov"),
    [("satterthwaite", "model"), ("kenward-roger", "kenward-roger-linear")],
)
def test_spatial_exponential_at_equal_distances_is_autoregressive(
    trial: pd.DataFrame, df: str, vcov: str
) -> None:
    formula = "y ~ baseline + arm * visit"
    options = {"df": df, "vcov": vcov}
    ar1 = _fit(formula, trial, covariance="ar1", **options)
    spatial = _fit(formula, trial, covariance="sp_exp", coordinates="place", **options)
    variance, reach = spatial.theta
    _close([variance, np.exp(-1.0 / reach)], ar1.theta, 1e-8)
    _close(spatial.loglik, ar1.loglik)
    _same_tables_loosely(tidy(spatial), tidy(ar1))


def _same_tables_loosely(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    """Two optima of the same likelihood, each as near as its optimiser came."""
    _close(ours["estimate"], theirs["estimate"], 1e-8)
    _close(ours["std_error"], theirs["std_error"], 1e-8)
    _close(ours["df"], theirs["df"], 1e-7)


def test_the_unit_of_coordinates_is_that_of_the_range(trial: pd.DataFrame) -> None:
    formula = "y ~ baseline + arm * visit"
    options = {"covariance": "sp_exp", "coordinates": "place"}
    weeks = _fit(formula, trial, **options)
    days = _fit(formula, trial.assign(place=7.0 * trial["place"] + 3.0), **options)
    _close(days.theta, weeks.theta * [1.0, 7.0], 1e-8)
    _close(days.cov_inference, weeks.cov_inference, 1e-8)
