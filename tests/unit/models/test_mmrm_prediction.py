"""Predictions and conditional means against regression and one subject at a time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models.means import emmeans
from outcomes.models.mmrm.fit import fit_mmrm
from outcomes.models.mmrm.histories import read_histories
from outcomes.models.mmrm.prediction import (
    conditional_distribution,
    conditional_mean,
    predict,
)
from outcomes.models.mmrm.results import MmrmFit
from unit.models.trials import make_trial

FORMULA = "change ~ base*week + arm*week"
WEEKS = (1, 2, 4, 8)
KINDS: dict[str, dict[str, Any]] = {
    "us": {},
    "ar1 by arm": {"covariance": "ar1", "group": "arm"},
    "us weighted": {"weights": "weight"},
    "toeph by arm weighted": {
        "covariance": "toeph",
        "group": "arm",
        "weights": "weight",
    },
    "sp_exp": {"covariance": "sp_exp", "coordinates": "week_number"},
    "sp_exp individual": {
        "covariance": "sp_exp",
        "coordinates": "day",
        "group": "arm",
        "weights": "weight",
    },
}


def _trial(seed: int = 1, **options: Any) -> pd.DataFrame:
    data = make_trial(seed, **options)
    rng = np.random.default_rng(8)
    data["week_number"] = data["week"].to_numpy(dtype=float)
    data["day"] = 7 * data["week_number"] + rng.integers(-2, 3, len(data))
    data["weight"] = rng.uniform(0.4, 2.5, len(data))
    return data


def _fit(data: pd.DataFrame, formula: str = FORMULA, **options: Any) -> MmrmFit:
    return fit_mmrm(formula, data, subject="subject", visit="week", **options)


def _with_gaps(seed: int = 5) -> pd.DataFrame:
    """Other subjects: rows missing, outcomes missing, rows shuffled, an own index."""
    data = _trial(seed, n=40)
    rng = np.random.default_rng(seed)
    data["change"] = data["change"].mask(rng.random(len(data)) < 0.4)
    data["subject"] = "new " + data["subject"]
    data.index = pd.Index(rng.permutation(len(data)) + 100)
    return data.sample(frac=1.0, random_state=2)


def _covariance(fit: MmrmFit, own: pd.DataFrame) -> np.ndarray:
    """Residual covariance of one subject's records, by the definitions."""
    g = fit.groups.index(own["arm"].iloc[0]) if fit.group else 0
    at = [fit.visits.index(value) for value in own["week"]]
    V = fit.sigma[g][np.ix_(at, at)] if len(fit.sigma[g]) == 4 else None
    if fit.structure == "sp_exp":
        variance, reach = np.split(fit.theta, len(fit.sigma))[g]
        place = own[fit.coordinates[0]].to_numpy()
        V = variance * np.exp(-np.abs(np.subtract.outer(place, place)) / reach)
    root = np.sqrt(own["weight"]) if fit.weights else np.ones(len(own))
    return V / np.outer(root, root)


@pytest.mark.parametrize("kind", KINDS)
def test_conditional_mean_is_that_of_each_subject_by_itself(kind):
    fit = _fit(_trial(), **KINDS[kind])
    data = _with_gaps()
    table = conditional_mean(fit, data)
    assert list(table.columns) == [
        *("subject", "week", "observed", "mean"),
        *("conditional_mean", "conditional_sd"),
    ]
    assert table.index.equals(data.index)
    assert table.attrs["messages"] == ()
    mean = predict(fit, data)["estimate"]
    assert np.allclose(table["mean"], mean)
    seen = table["observed"].notna()
    assert np.array_equal(table.loc[seen, "conditional_mean"], data["change"][seen])
    assert (table.loc[seen, "conditional_sd"] == 0).all()
    for _, own in data.groupby("subject"):
        m, o = own["change"].isna().to_numpy(), own["change"].notna().to_numpy()
        V = _covariance(fit, own)
        slope = np.linalg.solve(V[np.ix_(o, o)], V[np.ix_(o, m)]).T
        mu = mean[own.index].to_numpy()
        expected = mu[m] + slope @ (own["change"].to_numpy() - mu)[o]
        left = V[np.ix_(m, m)] - slope @ V[np.ix_(o, m)]
        got = table.loc[own.index[m]]
        assert np.allclose(got["conditional_mean"], expected, rtol=1e-10)
        assert np.allclose(got["conditional_sd"], np.sqrt(np.diag(left)), rtol=1e-10)
        if not o.any():
            assert np.array_equal(got["conditional_mean"], got["mean"])


@pytest.mark.parametrize("kind", KINDS)
def test_distribution_at_other_parameters_is_per_pattern_and_whole(kind):
    fit = _fit(_trial(), **KINDS[kind])
    data = _with_gaps()
    beta, theta = 0.9 * fit.beta, 1.1 * fit.theta
    known = read_histories(fit, data)
    blocks = conditional_distribution(fit, known, beta=beta, theta=theta)
    rows = np.concatenate([block.rows.ravel() for block in blocks])
    assert sorted(rows) == list(np.flatnonzero(data["change"].isna()))
    weights = known.records.weights
    for block in blocks:
        n, k = block.rows.shape
        own = fit.structure == "sp_exp" or fit.weights is not None
        assert block.mean.shape == (n, k)
        assert block.covariance.shape == (n if own else 1, k, k)
        assert [fit.visits[v] for v in block.visits] == [
            *data["week"].iloc[block.rows[0]]
        ]
        assert {known.records.group[r] for r in block.rows.ravel()} == {block.group}
    # At the estimates the same function gives the table, and Sigma scales with theta.
    table = conditional_mean(fit, data)
    for plain in conditional_distribution(fit, data):
        variances = np.diagonal(plain.covariance, axis1=1, axis2=2)
        expected = table["conditional_sd"].to_numpy()[plain.rows]
        assert np.allclose(np.sqrt(variances), expected)
        expected = table["conditional_mean"].to_numpy()[plain.rows]
        assert np.allclose(plain.mean, expected)
    if fit.structure == "us":
        for block, plain in zip(
            blocks, conditional_distribution(fit, data), strict=True
        ):
            assert np.allclose(block.covariance, 1.1 * plain.covariance)
    assert (weights != 1.0).any() == (fit.weights is not None)


def test_complete_balanced_data_give_the_regression_on_observed_visits():
    data = _trial(dropout=0.0, gaps=0.0)
    fit = _fit(data, "change ~ arm*week", method="ml")
    new = data.assign(change=data["change"].mask(data["week"] == 8))
    table = conditional_mean(fit, new)
    wide = data.pivot(index="subject", columns="week", values="change")
    arm = data.groupby("subject")["arm"].first().eq("active")
    X = np.column_stack([np.ones(len(wide)), arm, wide[[1, 2, 4]]])
    b, rss = np.linalg.lstsq(X, wide[8], rcond=None)[:2]
    last = table[table["week"] == 8].set_index("subject").loc[wide.index]
    assert np.allclose(last["conditional_mean"], X @ b, rtol=1e-8)
    assert np.allclose(last["conditional_sd"], np.sqrt(rss / len(wide)), rtol=1e-8)


def test_conditional_covariance_is_that_of_simulated_outcomes():
    fit = _fit(_trial())
    data = pd.DataFrame({"subject": "P", "week": WEEKS, "arm": "active"})
    data = data.assign(base=31.0, change=[-4.0, np.nan, -7.0, np.nan])
    (block,) = conditional_distribution(fit, data)
    rng = np.random.default_rng(6)
    mu = predict(fit, data)["estimate"].to_numpy()
    y = rng.multivariate_normal(mu, fit.sigma[0], size=40_000)
    X = np.column_stack([np.ones(len(y)), y[:, [0, 2]]])
    b = np.linalg.lstsq(X, y[:, [1, 3]], rcond=None)[0]
    assert np.allclose(np.array([1.0, -4.0, -7.0]) @ b, block.mean[0], atol=0.1)
    left = np.cov((y[:, [1, 3]] - X @ b).T)
    assert np.allclose(left, block.covariance[0], rtol=0.05)


def test_prediction_is_the_ls_mean_of_its_cell():
    fit = _fit(_trial(), df="satterthwaite")
    means = emmeans(fit, "arm", by="week", conf_level=0.9).frame
    cells = means[["arm", "week"]].assign(base=fit.design.covariates["base"])
    table = predict(fit, cells, conf_level=0.9)
    assert list(table.columns) == [
        *("estimate", "std_error", "df", "conf_low", "conf_high")
    ]
    assert np.allclose(table, means[list(table.columns)])
    assert table.attrs["messages"] == ()


def test_prediction_of_the_data_is_the_fit_with_an_offset_index():
    data = _trial()
    fit = _fit(data)
    table = predict(fit, data[["base", "arm", "week"]].set_index(data.index + 7))
    assert np.allclose(table["estimate"], fit.design.X @ fit.beta)
    assert list(table.index) == list(data.index + 7)
    assert predict(fit, data.iloc[:0]).empty
    # More rows than are evaluated at once.
    many = pd.concat([data] * 8)
    assert np.array_equal(predict(fit, many).iloc[-len(data) :], table)


def test_missing_covariates_are_counted_and_never_dropped():
    data = _with_gaps()
    fit = _fit(_trial())
    seen, unseen = (
        np.flatnonzero(keep)[:2]
        for keep in (data["change"].notna(), data["change"].isna())
    )
    holes = data.assign(base=data["base"].mask(data.index.isin(data.index[seen])))
    holes.iloc[unseen, holes.columns.get_loc("arm")] = None
    notes = (
        "base is missing in 2 rows: no prediction",
        "arm is missing in 2 rows: no prediction",
    )
    table = predict(fit, holes)
    assert table.attrs["messages"] == notes
    lost = [*seen, *unseen]
    assert table.iloc[lost].isna().all(axis=None)
    assert table.drop(table.index[lost]).notna().all(axis=None)
    table = conditional_mean(fit, holes)
    assert table.attrs["messages"] == notes
    assert table["mean"].iloc[lost].isna().all()
    assert np.array_equal(
        table["conditional_mean"].iloc[seen], holes["change"].iloc[seen]
    )
    last = ["conditional_mean", "conditional_sd"]
    assert table[last].iloc[unseen].isna().all(axis=None)
    # What has no mean is not conditioned on: the rest is as if it were not there.
    without = conditional_mean(fit, holes.drop(holes.index[lost]))
    assert np.allclose(without[last], table.loc[without.index, last])
    with pytest.raises(ModelError, match=r"base is missing in 2 rows.*Complete such"):
        conditional_distribution(fit, holes)


def test_a_mean_the_fit_does_not_determine_is_nan():
    data = _trial()
    empty = (data["arm"] == "active") & (data["week"] == 8)
    fit = _fit(data[~empty])
    table = predict(fit, data)
    assert table["estimate"].isna().equals(empty)
    assert "does not determine the mean" in table.attrs["messages"][0]
    assert conditional_mean(fit, data)["mean"].isna().equals(empty)


def test_a_constrained_fit_shares_the_mean_of_the_first_visit():
    data = _trial()
    fit = _fit(data, "change ~ arm*week", constrained=("arm", 1))
    cells = pd.DataFrame({"arm": ["placebo", "active"] * 2, "week": [1, 1, 8, 8]})
    a, b, c, d = predict(fit, cells)["estimate"]
    assert a == b
    assert c != d


def test_subjects_of_one_group_have_the_covariance_of_that_group():
    fit = _fit(_trial(), "change ~ arm", group="arm", covariance="ad")
    assert fit.groups == ("active", "placebo")
    for arm, own in fit.covariance.items():
        new = pd.DataFrame({"subject": "P", "week": WEEKS, "arm": arm})
        table = conditional_mean(fit, new.assign(change=None))
        assert np.array_equal(table["conditional_mean"], table["mean"])
        assert np.allclose(table["conditional_sd"], np.sqrt(np.diag(own)))
    with pytest.raises(ModelError, match="'week' has 9 in 1 row, which no record"):
        conditional_mean(fit, new.assign(change=None, week=[1, 2, 4, 9]))


def test_an_intercept_alone_and_numbers_of_other_types():
    data = _trial()
    data["base"] = [Decimal(f"{value:.1f}") for value in data["base"]]
    fit = _fit(data, "change ~ 1", covariance="cs")
    assert predict(fit, pd.DataFrame(index=[4, 5]))["df"].notna().all()
    fit = _fit(data, "change ~ base", covariance="cs")
    new = pd.DataFrame({"base": pd.array([30, None], dtype="Int64")}, index=[7, 7])
    table = predict(fit, new)
    assert table["estimate"].iloc[0] == pytest.approx(fit.beta @ [1.0, 30.0])
    assert table.iloc[1].isna().all()
    new = new.astype(object).fillna(Decimal(30))
    assert predict(fit, new)["estimate"].nunique() == 1


def test_a_ladder_that_left_its_coordinates_does_not_ask_for_them():
    data = _trial()
    fit = _fit(
        data.query("week == 8"), "change ~ arm", covariance="sp_exp", coordinates="day"
    )
    new = data.query("week == 8").drop(columns="day").assign(change=np.nan)
    table = conditional_mean(fit, new)
    assert np.allclose(table["conditional_sd"], np.sqrt(fit.theta[0]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.drop(columns="base"), "no column 'base'"),
        (lambda d: d.assign(arm="other"), r"'arm' has 'other' in \d+ rows"),
        (lambda d: d.assign(week=d["week"].replace(8, 9)), "'week' has 9 in"),
        (lambda d: d.assign(base="high"), "'base' must be a column of numbers"),
        (lambda d: d.assign(base=np.inf), r"'base' has \d+ infinite values"),
        (lambda d: pd.concat([d, d["base"]], axis=1), "more than one column 'base'"),
    ],
)
def test_rows_that_do_not_fit_are_refused(change, said):
    fit = _fit(_trial())
    for function in (predict, conditional_mean, conditional_distribution):
        with pytest.raises(ModelError, match=said):
            function(fit, change(_with_gaps()))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.drop(columns="change"), "no column 'change'"),
        (lambda d: d.drop(columns="weight"), "no column 'weight'"),
        (lambda d: d.assign(subject=None), r"'subject' is missing in \d+ rows;"),
        (lambda d: d.assign(weight=np.nan), r"'weight' is missing.*first of subject"),
        (lambda d: d.assign(weight=-1.0), "weight that is not positive"),
        (lambda d: pd.concat([d, d.iloc[:1]]), "more than one record"),
        (lambda d: d.assign(arm=["active", "placebo"] * (len(d) // 2)), "change their"),
        (lambda d: d.iloc[:0], "no rows"),
        (lambda d: d.assign(change="none"), "'change' must be a column of numbers"),
    ],
)
def test_histories_that_do_not_fit_are_refused(change, said):
    fit = _fit(_trial(), covariance="cs", group="arm", weights="weight")
    new = _with_gaps()
    with pytest.raises(ModelError, match=said):
        conditional_mean(fit, change(new.iloc[: len(new) // 2 * 2]))


def test_parameters_that_do_not_fit_are_refused():
    fit = _fit(_trial())
    data = _with_gaps()
    with pytest.raises(ModelError, match="theta: 10 finite numbers are needed"):
        conditional_distribution(fit, data, theta=fit.theta[:3])
    with pytest.raises(ModelError, match="not positive definite"):
        conditional_distribution(fit, data, theta=-fit.theta)
    fit = _fit(_trial(), **KINDS["sp_exp"])
    with pytest.raises(ModelError, match="no covariance at these"):
        conditional_distribution(fit, data, theta=-fit.theta)
    with pytest.raises(ModelError, match="not positive definite"):
        conditional_distribution(fit, data, theta=fit.theta * [-1.0, 1.0])
