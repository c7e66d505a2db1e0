"""Logistic regression: estimates, separated data, profiles, and what it refuses."""

from __future__ import annotations

import doctest
import time
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, gammaln
from scipy.stats import norm

from outcomes.errors import ModelError
from outcomes.models import anova, contrasts, emmeans, joint_test, tidy
from outcomes.models.logistic.climb import Task, evaluate, penalty_curvature
from outcomes.models.logistic.fit import fit_logistic
from outcomes.models.logistic.profile import profile_intervals, profile_test
from outcomes.models.logistic.results import LogisticFit, summary_row
from outcomes.models.logistic.rules import read_successes


def trial(n: int = 200, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "ARM": rng.choice(["A", "B", "C"], n),
            "BASE": rng.normal(30, 5, n),
            "SEX": rng.choice(["f", "m"], n),
        }
    )
    eta = -0.4 + 0.9 * (frame.ARM == "B") - 0.08 * (frame.BASE - 30)
    frame["Y"] = (rng.random(n) < expit(eta)).astype(int)
    return frame


def separated(n: int = 120) -> pd.DataFrame:
    data = trial(n, seed=4)
    data.loc[data.ARM == "C", "Y"] = 1
    return data


def score(fit: LogisticFit) -> Any:
    """Evaluate the (modified) score at the estimates, from its definition."""
    X = fit.design.X[:, ~fit.aliased_mask]
    p = expit(X @ fit.beta)
    residual = fit.successes - fit.n_trials * p
    if fit.penalty:
        half = X * np.sqrt(fit.n_trials * p * (1 - p))[:, None]
        hat = np.diagonal(half @ np.linalg.inv(half.T @ half) @ half.T)
        residual = residual + hat * (0.5 - p)
    return X.T @ residual


@pytest.mark.parametrize("penalty", [None, "firth"])
def test_the_score_vanishes_at_the_estimates(penalty: Any) -> None:
    fit = fit_logistic("Y ~ ARM*BASE + SEX", trial(), penalty=penalty)
    assert fit.convergence.converged
    assert np.max(np.abs(score(fit))) < 1e-8
    X = fit.design.X
    p = expit(X @ fit.beta)
    information = X.T @ (X * (p * (1 - p))[:, None])
    assert fit.cov_model == pytest.approx(np.linalg.inv(information), rel=1e-8)


def test_a_two_by_two_table_has_closed_forms() -> None:
    data = pd.DataFrame({"ARM": ["a", "b"], "R": [7, 12], "N": [20, 18]})
    fit = fit_logistic("R ~ ARM", data, trials="N")
    assert fit.beta[1] == pytest.approx(np.log(12 / 6) - np.log(7 / 13), abs=1e-12)
    assert fit.vcov.iloc[1, 1] == pytest.approx(1 / 12 + 1 / 6 + 1 / 7 + 1 / 13)
    # Firth's penalty in a saturated model is half a record in every cell.
    firth = fit_logistic("R ~ ARM", data, trials="N", penalty="firth")
    expected = np.log(12.5 / 6.5) - np.log(7.5 / 13.5)
    assert firth.beta[1] == pytest.approx(expected, abs=1e-9)


def test_counts_are_records_and_their_coefficients_are_counted() -> None:
    counts = pd.DataFrame({"ARM": ["a", "b"], "R": [7, 12], "N": [20, 18]})
    single = pd.DataFrame(
        {"ARM": ["a"] * 20 + ["b"] * 18, "Y": [1] * 7 + [0] * 13 + [1] * 12 + [0] * 6}
    )
    one = fit_logistic("R ~ ARM", counts, trials="N")
    other = fit_logistic("Y ~ ARM", single)
    assert one.beta == pytest.approx(other.beta, abs=1e-10)
    n, y = counts.N.to_numpy(), counts.R.to_numpy()
    constant = np.sum(gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1))
    assert one.loglik == pytest.approx(other.loglik + constant, abs=1e-10)
    row = summary_row(one)
    assert row["aic"] == pytest.approx(-2 * one.loglik + 4)
    assert row["bic"] == pytest.approx(-2 * one.loglik + 2 * np.log(2))
    assert (row["family"], row["link"], row["method"]) == ("binomial", "logit", "ml")
    assert (row["n_records"], row["df"], row["vcov"]) == (2, "asymptotic", "model")


def test_probit_agrees_with_its_closed_form() -> None:
    data = pd.DataFrame({"ARM": ["a", "b"], "R": [7, 12], "N": [20, 18]})
    fit = fit_logistic("R ~ ARM", data, trials="N", link="probit")
    expected = [norm.ppf(7 / 20), norm.ppf(12 / 18) - norm.ppf(7 / 20)]
    assert fit.beta == pytest.approx(expected, abs=1e-10)
    eta = np.array([-1.0, 0.3])
    assert fit.inverse_link(eta) == pytest.approx(norm.cdf(eta))
    assert fit.inverse_link_slope(eta) == pytest.approx(norm.pdf(eta))


def test_slope_is_the_derivative_of_the_probability() -> None:
    fit = fit_logistic("Y ~ BASE", trial())
    eta = np.linspace(-4, 4, 9)
    numeric = (fit.inverse_link(eta + 1e-6) - fit.inverse_link(eta - 1e-6)) / 2e-6
    assert fit.inverse_link_slope(eta) == pytest.approx(numeric, rel=1e-6)


@pytest.mark.parametrize("penalty", [None, "firth"])
def test_units_and_origins_change_nothing_else(penalty: Any) -> None:
    data = trial()
    moved = data.assign(BASE=data.BASE * 1e5 + 3e7)
    one = fit_logistic("Y ~ ARM + BASE", data, penalty=penalty)
    other = fit_logistic("Y ~ ARM + BASE", moved, penalty=penalty)
    assert other.loglik == pytest.approx(one.loglik, abs=1e-9)
    assert other.beta[1:] == pytest.approx(
        [*one.beta[1:3], one.beta[3] / 1e5], rel=1e-7
    )
    here, there = (profile_intervals(fit, "BASE") for fit in (one, other))
    for limit in ("conf_low", "conf_high"):
        assert there[limit][0] * 1e5 == pytest.approx(here[limit][0], rel=1e-6)


@pytest.mark.parametrize("penalty", [None, "firth"])
def test_success_and_failure_are_symmetric(penalty: Any) -> None:
    data = trial(60)
    one = fit_logistic("Y ~ ARM + BASE", data, penalty=penalty)
    other = fit_logistic("Y ~ ARM + BASE", data.assign(Y=1 - data.Y), penalty=penalty)
    assert other.beta == pytest.approx(-one.beta, rel=1e-8)
    here, there = profile_intervals(one), profile_intervals(other)
    assert there.conf_low.to_numpy() == pytest.approx(-here.conf_high.to_numpy())
    assert there.p_value.to_numpy() == pytest.approx(here.p_value.to_numpy())


def test_what_follows_from_a_fit() -> None:
    fit = fit_logistic("Y ~ ARM + BASE", trial())
    table = tidy(fit)
    assert list(table.term) == ["Intercept", "ARM[T.B]", "ARM[T.C]", "BASE"]
    assert np.isinf(table.df).all()
    z = table.estimate / table.std_error
    assert table.p_value.to_numpy() == pytest.approx(2 * norm.sf(np.abs(z)))
    dif = contrasts(emmeans(fit, "ARM"), reference="A")
    assert dif.frame.estimate.to_numpy() == pytest.approx(
        table.estimate[1:3].to_numpy()
    )
    wald = fit.beta[1:3] @ np.linalg.solve(fit.cov_model[1:3, 1:3], fit.beta[1:3])
    assert joint_test(dif).statistic[0] == pytest.approx(wald / 2)
    tests = anova(fit).set_index("term")
    assert tests.loc["ARM", "statistic"] == pytest.approx(wald / 2)
    assert np.isinf(tests.loc["ARM", "den_df"])


@pytest.mark.parametrize("penalty", [None, "firth"])
def test_aliased_columns_are_reported(penalty: Any) -> None:
    data = trial()
    data["TWICE"] = 2 * data.BASE
    fit = fit_logistic("Y ~ ARM + BASE + TWICE", data, penalty=penalty)
    assert fit.aliased == ("TWICE",)
    assert any("TWICE" in message for message in fit.convergence.messages)
    assert tidy(fit).set_index("term").loc["TWICE"].isna().all()
    assert profile_intervals(fit).set_index("term").loc["TWICE"].isna().all()
    plain = fit_logistic("Y ~ ARM + BASE", data, penalty=penalty)
    assert fit.beta == pytest.approx(plain.beta, abs=1e-9)
    same = profile_test(fit, ["BASE", "TWICE"])
    assert same.df[0] == 1
    assert same.statistic[0] == pytest.approx(
        profile_intervals(plain, "BASE").statistic[0]
    )


def test_without_penalty_separated_data_are_returned_and_marked() -> None:
    fit = fit_logistic("Y ~ ARM + BASE", separated())
    assert not fit.convergence.converged
    assert "DID NOT CONVERGE" in repr(fit)
    assert not summary_row(fit)["converged"]
    assert "ARM 'C'" in fit.convergence.messages[0]
    assert "penalty='firth'" in fit.convergence.messages[0]
    table = tidy(fit).set_index("term")
    assert table.loc["ARM[T.C]", "estimate"] > 10
    assert np.isnan(table.loc["ARM[T.C]", "std_error"])
    # What does not run off is the fit of the records that are not separated.
    rest = separated().query("ARM != 'C'")
    others = tidy(fit_logistic("Y ~ ARM + BASE", rest)).set_index("term")
    for term in others.index:
        for name in ("estimate", "std_error"):
            assert table.loc[term, name] == pytest.approx(others.loc[term, name])
    test = joint_test(contrasts(emmeans(fit, "ARM"), reference="A"))
    assert np.isnan(test.p_value[0])
    assert "separated" in test.attrs["reason"]


def test_a_profile_of_separated_data_is_open_on_one_side() -> None:
    data = separated()
    fit = fit_logistic("Y ~ ARM + BASE", data)
    rows = profile_intervals(fit).set_index("term")
    open_row = rows.loc["ARM[T.C]"]
    assert open_row.estimate == np.inf
    assert open_row.conf_high == np.inf
    assert np.isfinite(open_row.conf_low)
    # At the limit the likelihood with the coefficient held is chi-square / 2 below.
    assert 0 < open_row.p_value < 0.05
    rest = profile_intervals(fit_logistic("Y ~ ARM + BASE", data.query("ARM != 'C'")))
    for name in ("estimate", "conf_low", "conf_high", "statistic"):
        assert rows.loc["BASE", name] == pytest.approx(
            rest.set_index("term").loc["BASE", name], rel=1e-6
        )
    mirrored = profile_intervals(
        fit_logistic("Y ~ ARM + BASE", data.assign(Y=1 - data.Y)), "ARM[T.C]"
    ).iloc[0]
    assert mirrored.conf_low == mirrored.estimate == -np.inf
    assert mirrored.conf_high == pytest.approx(-open_row.conf_low, rel=1e-6)


def test_a_profile_of_an_empty_cell_has_a_closed_form() -> None:
    # 5 of 5 against 6 of 12: given the log odds ratio, a binomial likelihood in one
    # unknown, maximised here on a grid.
    data = pd.DataFrame({"ARM": ["a", "b"], "R": [6, 5], "N": [12, 5]})
    row = profile_intervals(fit_logistic("R ~ ARM", data, trials="N"), "ARM[T.b]")
    best = 12 * np.log(0.5)
    alpha = np.linspace(-3, 3, 2_000_001)
    held = 6 * np.log(expit(alpha)) + 6 * np.log(expit(-alpha))
    held = held + 5 * np.log(expit(alpha + row.conf_low[0]))
    assert 2 * (best - held.max()) == pytest.approx(norm.ppf(0.975) ** 2, abs=1e-6)


def test_firth_makes_separated_data_finite() -> None:
    fit = fit_logistic("Y ~ ARM + BASE", separated(), penalty="firth")
    assert fit.convergence.converged
    assert fit.separation.kind == "quasi-complete"
    assert "penalty are finite" in fit.convergence.messages[0]
    assert np.max(np.abs(score(fit))) < 1e-8
    rows = profile_intervals(fit)
    assert np.isfinite(rows.drop(columns="term").to_numpy()).all()
    assert (rows.conf_low < rows.estimate).all()
    assert (rows.estimate < rows.conf_high).all()
    assert fit.penalised_loglik != fit.loglik
    assert summary_row(fit)["method"] == "firth"


@pytest.mark.parametrize("penalty", [None, "firth"])
def test_intervals_and_tests_agree(penalty: Any) -> None:
    fit = fit_logistic("Y ~ ARM + BASE", trial(), penalty=penalty)
    row = profile_intervals(fit, "BASE").iloc[0]
    level = 1.0 - row.p_value  # the interval that just reaches zero
    edge = profile_intervals(fit, "BASE", conf_level=level).iloc[0]
    assert min(abs(edge.conf_low), abs(edge.conf_high)) < 1e-7
    both = profile_test(fit, ["ARM[T.B]", "ARM[T.C]"]).iloc[0]
    assert both.df == 2
    one = profile_test(fit, "BASE").iloc[0]
    assert one.statistic == pytest.approx(row.statistic)
    if penalty is None:
        small = fit_logistic("Y ~ BASE", trial())
        expected = 2 * (fit.loglik - small.loglik)
        assert both.statistic == pytest.approx(expected, abs=1e-8)


def tiny(seed: int) -> pd.DataFrame:
    """Draw a data set with hardly more records than columns, separated as a rule."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(8, 20))
    frame = pd.DataFrame(
        {
            "Y": rng.integers(0, 2, n),
            "X": rng.normal(size=n),
            "G": rng.choice(list("abc"), n),
            "H": rng.choice(list("uv"), n),
        }
    )
    frame.loc[:1, "Y"] = [0, 1]
    return frame


@pytest.mark.parametrize("penalty", [None, "firth"])
@pytest.mark.parametrize("seed", range(6))
def test_tiny_data_sets_have_profiles(seed: int, penalty: Any) -> None:
    fit = fit_logistic("Y ~ G*H + X", tiny(seed), penalty=penalty)
    rows = profile_intervals(fit)
    assert rows.attrs["reason"] == ""
    rows = rows.loc[~fit.aliased_mask]
    assert rows.statistic.ge(0).all()
    assert rows.p_value.between(0, 1).all()
    assert (rows.conf_low < rows.conf_high).all()
    if penalty:
        assert fit.convergence.converged
        assert np.max(np.abs(score(fit))) < 1e-6
        assert np.isfinite(rows[["conf_low", "conf_high"]].to_numpy()).all()
    else:
        assert fit.convergence.converged == (not fit.separation)
        # A side is open where, and only where, the coefficient can run off.
        kept = ~fit.aliased_mask
        assert np.isinf(rows.conf_high).tolist() == fit.separation.up[kept].tolist()
        assert np.isinf(rows.conf_low).tolist() == fit.separation.down[kept].tolist()


def test_the_curvature_of_the_penalty_is_the_derivative_of_its_gradient() -> None:
    rng = np.random.default_rng(8)
    Q = np.linalg.qr(rng.normal(size=(30, 4)))[0]
    n = rng.integers(1, 4, 30).astype(float)
    y = np.floor(rng.random(30) * (n + 1))
    task = Task(Q, y, n, firth=True)
    gamma = rng.normal(size=4) * 3
    found = penalty_curvature(task, evaluate(task, gamma))
    at = evaluate(task, gamma)
    numeric = np.empty((4, 4))
    for j, step in enumerate(np.eye(4) * 1e-6):
        high, low = (evaluate(task, gamma + s * step).gradient for s in (1, -1))
        numeric[j] = (high - low) / 2e-6
    assert found - at.information == pytest.approx(numeric, abs=1e-8)


def test_a_covariate_with_an_outlier_of_another_unit() -> None:
    data = trial()
    data.loc[3, "BASE"] = 1e6  # one record in milligrams among grams
    fit = fit_logistic("Y ~ BASE", data)
    assert fit.convergence.converged
    assert np.isfinite(profile_intervals(fit).drop(columns="term").to_numpy()).all()


def test_records_left_out_are_counted() -> None:
    data = trial()
    data["Y"] = data.Y.astype(float)
    data.loc[[0, 5], "Y"] = np.nan
    data.loc[7, "BASE"] = np.nan
    with pytest.raises(ModelError, match=r"miss BASE in 1 \(first: row 8\)"):
        fit_logistic("Y ~ BASE", data)
    fit = fit_logistic("Y ~ BASE", data, missing="exclude")
    assert fit.n_excluded == 3
    assert fit.excluded == {"Y is missing": 2, "BASE is missing": 1}
    assert fit.n_records == 197


def refused(match: str, y: Any, trials: Any = None) -> None:
    data = pd.DataFrame({"Y": y, "X": np.arange(len(y), dtype=float)})
    options = {}
    if trials is not None:
        data["N"], options = trials, {"trials": "N"}
    with pytest.raises(ModelError, match=match):
        fit_logistic("Y ~ X", data, **options)


def test_outcomes_that_are_not_binary_are_refused() -> None:
    refused(
        r"2 of 4 records have other values: 2 \(2\) \(first: rows 2, 4\)", [0, 2, 1, 2]
    )
    refused(r"other values: 0\.5 \(1\) \(first: row 1\)", [0.5, 1, 0, 1])
    refused(r"it has the text 'N', 'Y'\. Code the event as 1", ["Y", "N", "Y", "N"])
    refused("'Y' is 1 in all 4 records: there is nothing to explain", [1, 1, 1, 1])
    refused("'Y' is 0 in all 4 records", [0, 0, 0, 0])


def test_counts_that_are_none_are_refused() -> None:
    refused(r"more successes in 'Y' than trials in 'N' \(first: row 2, where it is 5 of"
            " 4", [1, 5, 2], [4, 4, 4])  # fmt: skip
    refused(r"'Y' must hold counts.*-1 \(1\)", [-1, 2, 2], [4, 4, 4])
    refused(r"'N' must hold counts.*4\.5 \(1\)", [1, 2, 2], [4, 4.5, 4])
    refused("1 records have no trials in 'N'", [0, 2, 2], [0, 4, 4])
    refused("all of its trials in all 3 records", [4, 3, 4], [4, 3, 4])


def test_the_rule_stands_alone() -> None:
    successes, trials = read_successes(np.array([0.0, 1.0]), outcome_name="AVAL")
    assert successes.tolist() == [0.0, 1.0]
    assert trials.tolist() == [1.0, 1.0]
    with pytest.raises(ModelError, match=r"first: row 12"):
        read_successes(np.array([0.0, 3.0]), rows=np.array([4, 11]))


@pytest.mark.parametrize(("module", "examples"), [("rules", 1), ("separation", 3)])
def test_examples_in_docstrings_are_right(module: str, examples: int) -> None:
    result = doctest.testmod(import_module(f"outcomes.models.logistic.{module}"))
    assert result.failed == 0
    assert result.attempted == examples


def test_options_are_checked() -> None:
    data = trial()
    with pytest.raises(ModelError, match=r"penalty: 'firt' .*Did you mean 'firth'"):
        fit_logistic("Y ~ BASE", data, penalty="firt")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="Choose one of logit, probit"):
        fit_logistic("Y ~ BASE", data, link="cloglog")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="for the logit link only"):
        fit_logistic("Y ~ BASE", data, link="probit", penalty="firth")
    with pytest.raises(ModelError, match="no column 'N'"):
        fit_logistic("Y ~ BASE", data, trials="N")
    fit = fit_logistic("Y ~ BASE", data)
    with pytest.raises(ModelError, match=r"terms: 'BASSE' .*Did you mean 'BASE'"):
        profile_intervals(fit, "BASSE")
    with pytest.raises(ModelError, match="conf_level"):
        profile_intervals(fit, conf_level=95)


def test_more_columns_than_records_is_separation() -> None:
    data = pd.DataFrame({"Y": [0, 1, 1, 0], "G": list("abcd")})
    fit = fit_logistic("Y ~ G", data)
    assert fit.separation.kind == "complete"
    assert not fit.convergence.converged


def test_a_large_trial_is_quick() -> None:
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(30_000, 9)), columns=list("abcdefghi"))
    data["Y"] = (rng.random(30_000) < expit(data.a)).astype(int)
    fit_logistic("Y ~ a", data[:100])
    start = time.perf_counter()
    fit_logistic("Y ~ " + " + ".join("abcdefghi"), data, penalty="firth")
    # A tenth of a second alone; ten times that on a busy machine.
    assert time.perf_counter() - start < 1.0
