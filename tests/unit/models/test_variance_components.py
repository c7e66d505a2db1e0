"""Intervals, shares of variance and tests of components, against brute force."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import brentq, minimize_scalar

from outcomes.errors import ModelError
from outcomes.models import (
    component_tests,
    fit_lmm,
    fit_logistic,
    icc,
    variance_components,
)
from outcomes.models.mixed.criterion import evaluate
from outcomes.models.mixed.results import LmmFit
from unit.models.lmm_dense import (
    CASES,
    Dense,
    brute_profile,
    chi_square_rise,
    dense_of,
    make_sessions,
)

FORMULA = "y ~ arm*t + x"
Quantity = Callable[[np.ndarray], float]


@lru_cache(maxsize=8)
def _data(seed: int = 5) -> pd.DataFrame:
    return make_sessions(seed, n=24, sites=5)


@lru_cache(maxsize=32)
def _fit(case: str, seed: int = 5, method: str = "reml") -> LmmFit:
    return fit_lmm(
        FORMULA,
        _data(seed),
        random=CASES[case][0],
        method=method,  # type: ignore[arg-type]
    )


def _dense(case: str, fit: LmmFit, seed: int = 5) -> Dense:
    return dense_of(fit, _data(seed), case, fit.design.X)


def _quantities(model: Dense) -> list[Quantity]:
    """Rows of `variance_components` as functions of psi."""
    found: list[Quantity] = []
    for k, c in enumerate(model.sizes):
        for i in range(c):
            found.append(lambda psi, k=k, i=i: np.sqrt(model.matrices(psi)[k][i, i]))
        for i in range(c):
            for j in range(i):
                found.append(
                    lambda psi, k=k, i=i, j=j: _correlation(model, psi, k, i, j)
                )
    return [*found, lambda psi: np.sqrt(psi[-1])]


def _correlation(model: Dense, psi: np.ndarray, k: int, i: int, j: int) -> float:
    C = model.matrices(psi)[k]
    return float(C[i, j] / np.sqrt(C[i, i] * C[j, j]))


def _rise(model: Dense, fit: LmmFit, quantity: Quantity, value: float) -> float:
    """How far the profile deviance has risen at a value, by a general optimiser."""
    phi = model.pack(model.psi_of(fit))
    starts = [phi, 1.3 * phi]
    least = min(brute_profile(model, start, quantity, value) for start in starts)
    return least + 2.0 * fit.loglik


@pytest.mark.parametrize(
    ("case", "seed", "method", "conf_level"),
    [
        ("intercept", 5, "reml", 0.95),
        ("crossed", 5, "ml", 0.95),
        ("nested", 5, "reml", 0.8),
        ("correlated slope", 6, "ml", 0.8),
        ("members", 5, "reml", 0.99),
    ],
)
def test_limits_lie_where_the_profile_says(
    case: str, seed: int, method: str, conf_level: float
) -> None:
    fit = _fit(case, seed, method)
    model = _dense(case, fit, seed)
    table = variance_components(fit, conf_level=conf_level)
    quantities, checked = _quantities(model), 0
    psi = model.psi_of(fit)
    for row, quantity in zip(table.itertuples(), quantities, strict=True):
        assert row.estimate == pytest.approx(quantity(psi), rel=1e-9)
        assert row.conf_low <= row.estimate <= row.conf_high
        for limit in (row.conf_low, row.conf_high):
            if limit in (0.0, 1.0, -1.0):
                continue
            rise = _rise(model, fit, quantity, limit)
            assert rise == pytest.approx(chi_square_rise(conf_level), abs=1e-5)
            checked += 1
    assert checked >= len(quantities)


def test_limits_of_a_balanced_design_on_a_grid() -> None:
    # The profile deviance of sigma_b in a one-way layout, every point by a grid.
    rng = np.random.default_rng(11)
    q, m = 3, 5
    y = rng.normal(size=(q, m)) + 6.0 * rng.normal(size=q)[:, None]
    data = pd.DataFrame({"y": y.ravel(), "g": np.repeat(list("abc"), m)})
    fit = fit_lmm("y ~ 1", data, random={"g": "1"})
    within = np.sum((y - y.mean(axis=1, keepdims=True)) ** 2)
    between = m * np.sum((y.mean(axis=1) - y.mean()) ** 2)

    def deviance(sd: float) -> float:
        s2 = np.exp(np.linspace(-4.0, 4.0, 40_001))
        whole = s2 + m * sd**2
        parts = q * (m - 1) * np.log(s2) + within / s2
        return float(np.min(parts + (q - 1) * np.log(whole) + between / whole))

    sd = np.sqrt(fit.covariances[0][0, 0])
    goal = deviance(sd) + chi_square_rise(0.95)
    row = variance_components(fit).iloc[0]
    assert deviance(0.0) > goal  # so the lower limit is not zero
    low = brentq(lambda v: deviance(v) - goal, 1e-6, sd)
    high = brentq(lambda v: deviance(v) - goal, sd, 500.0)
    assert row.conf_low == pytest.approx(low, rel=1e-4)
    assert row.conf_high == pytest.approx(high, rel=1e-4)
    assert row.conf_high > 4.0 * sd  # three levels say little


def test_two_levels_have_limits() -> None:
    rng = np.random.default_rng(12)
    data = pd.DataFrame({"g": np.repeat(["a", "b"], 8)})
    data["y"] = rng.normal(size=16) + 3.0 * (data["g"] == "a")
    row = variance_components(fit_lmm("y ~ 1", data, random={"g": "1"})).iloc[0]
    assert 0.0 <= row.conf_low < row.estimate < 10 * row.estimate < row.conf_high
    assert np.isfinite(row.conf_high)


def test_a_lower_limit_of_zero_is_the_likelihood_ratio() -> None:
    # Zero is in the interval just when the model without the component is.
    fit = _fit("crossed", 5)
    row = component_tests(fit).query("grouping == 'ther'").iloc[0]
    level = float(stats.chi2.cdf(row.statistic, 1))
    assert 0.5 < level < 0.9989
    wide, narrow = (
        variance_components(fit, conf_level=each).iloc[1]
        for each in (level + 0.001, level - 0.001)
    )
    assert wide.conf_low == 0.0 < narrow.conf_low < 0.5 * row.statistic


def test_an_estimate_of_zero_has_an_upper_limit() -> None:
    data = make_sessions(1)
    fit = fit_lmm(FORMULA, data, random={"site/id": "1"})
    row = variance_components(fit).iloc[0]
    assert row.estimate == row.conf_low == 0.0 < row.conf_high
    model = dense_of(fit, data, "nested", fit.design.X)
    start = model.psi_of(fit)
    start[0] = row.conf_high**2
    quantity = _quantities(model)[0]
    least = brute_profile(model, model.pack(start), quantity, row.conf_high)
    rise = least + 2.0 * fit.loglik
    assert rise == pytest.approx(chi_square_rise(0.95), abs=1e-5)


def test_an_upper_limit_near_zero() -> None:
    # Much data on a variance that is not there: the limit is a few hundredths.
    rng = np.random.default_rng(13)
    q, m = 6000, 12
    y = rng.normal(size=(q, m))
    y -= 0.6 * y.mean(axis=1, keepdims=True)
    data = pd.DataFrame({"y": y.ravel(), "g": np.repeat(np.arange(q), m)})
    fit = fit_lmm("y ~ 1", data, random={"g": "1"})
    assert fit.boundary
    row = variance_components(fit).iloc[0]
    assert 0.0 < row.conf_high < 0.05
    share = icc(fit).iloc[0]
    assert share.conf_high == pytest.approx(
        row.conf_high**2 / (row.conf_high**2 + fit.residual_variance), rel=0.05
    )


def test_correlations_near_one() -> None:
    fit = _fit("correlated slope")
    row = variance_components(fit).query("parameter == 'correlation'").iloc[0]
    assert 0.9 < row.estimate < 1.0 == row.conf_high
    # The profile at almost one has not risen enough, so one belongs to the interval.
    model = _dense("correlated slope", fit)
    quantity = _quantities(model)[2]
    assert _rise(model, fit, quantity, 0.999) < chi_square_rise(0.95)
    assert _rise(model, fit, quantity, row.conf_low) == pytest.approx(
        chi_square_rise(0.95), abs=1e-5
    )


def test_a_correlation_of_one_has_another_limit() -> None:
    rng = np.random.default_rng(14)
    who, t = np.repeat(np.arange(25), 4), np.tile([0.0, 1.0, 2.0, 3.0], 25)
    b = rng.normal(size=25)[who]
    data = pd.DataFrame({"id": who, "t": t})
    data["y"] = (2.0 + t) * b + rng.normal(size=100)
    fit = fit_lmm("y ~ t", data, random={"id": "1 + t"})
    assert fit.boundary == ("the effects Intercept, t of id are collinear",)
    row = variance_components(fit).query("parameter == 'correlation'").iloc[0]
    assert row.estimate == pytest.approx(1.0)
    assert row.conf_high == 1.0
    assert 0.0 < row.conf_low < 1.0
    share, value = np.ones((100, 25)) * (who[:, None] == np.arange(25)), t[:, None]
    effects = [(share, np.hstack([np.ones((100, 1)), value]))]
    model = Dense(data["y"].to_numpy(), np.column_stack([np.ones(100), t]), effects)
    start = model.psi_of(fit) * [1.0, 0.8, 1.0, 1.0]
    least = min(
        brute_profile(model, model.pack(s), _quantities(model)[2], row.conf_low)
        for s in (start, start * [1.0, 0.9, 1.2, 1.0])
    )
    rise = least + 2.0 * fit.loglik
    assert rise == pytest.approx(chi_square_rise(0.95), abs=1e-5)


def test_levels_of_confidence_are_nested() -> None:
    fit = _fit("crossed")
    last = None
    for conf_level in (0.5, 0.95, 0.99):
        table = variance_components(fit, conf_level=conf_level)
        if last is not None:
            assert (table["conf_low"] <= last["conf_low"]).all()
            assert (table["conf_high"] >= last["conf_high"]).all()
        last = table


def test_the_table_itself() -> None:
    table = variance_components(_fit("correlated slope"), interval=None)
    assert table[["grouping", "term", "parameter"]].to_numpy().tolist() == [
        ["id", "Intercept", "sd"],
        ["id", "t", "sd"],
        ["id", "Intercept, t", "correlation"],
        ["", "", "residual sd"],
    ]
    assert table[["conf_low", "conf_high"]].isna().all(axis=None)
    C = _fit("correlated slope").covariances[0]
    sd = np.sqrt(np.diagonal(C))
    expected = [
        *sd,
        C[0, 1] / sd.prod(),
        np.sqrt(_fit("correlated slope").residual_variance),
    ]
    np.testing.assert_allclose(table["estimate"], expected)


@pytest.mark.parametrize("wrong", [0.0, 1.0, 95, "95%", None])
def test_levels_that_are_refused(wrong: object) -> None:
    with pytest.raises(ModelError, match="conf_level"):
        variance_components(_fit("crossed"), conf_level=wrong)  # type: ignore[arg-type]


def test_intervals_and_models_that_are_refused() -> None:
    with pytest.raises(ModelError, match="interval"):
        variance_components(_fit("crossed"), interval="wald")  # type: ignore[arg-type]
    data = _data().assign(yes=(_data()["y"] > 2).astype(int))
    other = fit_logistic("yes ~ t", data)
    for function in (variance_components, icc, component_tests):
        with pytest.raises(ModelError, match="LogisticFit is not a mixed model"):
            function(other)


# Shares of variance


def test_shares_of_variance() -> None:
    fit = _fit("nested")
    parts = [float(C[0, 0]) for C in fit.covariances]
    whole = sum(parts) + fit.residual_variance
    table = icc(fit, conf_level=0.9)
    assert list(table["grouping"]) == ["site", "site:id"]
    assert set(table["scale"]) == {"observed"}
    np.testing.assert_allclose(table["estimate"], np.array(parts) / whole)
    model = _dense("nested", fit)
    for k, row in enumerate(table.itertuples()):
        for limit in (row.conf_low, row.conf_high):
            if limit in (0.0, 1.0):
                continue
            rise = _rise(model, fit, lambda psi, k=k: psi[k] / psi.sum(), limit)
            assert rise == pytest.approx(chi_square_rise(0.9), abs=1e-5)


def test_the_share_of_a_balanced_design_has_an_exact_profile() -> None:
    # With one grouping the share is a function of F alone.
    rng = np.random.default_rng(15)
    q, m = 8, 4
    y = rng.normal(size=(q, m)) + rng.normal(size=q)[:, None]
    data = pd.DataFrame({"y": y.ravel(), "g": np.repeat(np.arange(q), m)})
    row = icc(fit_lmm("y ~ 1", data, random={"g": "1"})).iloc[0]
    within = np.sum((y - y.mean(axis=1, keepdims=True)) ** 2)
    between = m * np.sum((y.mean(axis=1) - y.mean()) ** 2)
    n = q * m - 1

    def deviance(rho: float) -> float:
        ratio = 1.0 + m * rho / (1.0 - rho)
        total = within + between / ratio
        return n * np.log(total) + (q - 1) * np.log(ratio)

    goal = deviance(row.estimate) + chi_square_rise(0.95)
    for limit in (row.conf_low, row.conf_high):
        if limit > 0.0:
            assert deviance(limit) == pytest.approx(goal, abs=1e-6)
        else:
            assert deviance(0.0) <= goal
    assert row.conf_high < 1.0


def test_slopes_have_no_share() -> None:
    with pytest.raises(ModelError, match="with random slopes"):
        icc(_fit("correlated slope"))


# Tests of components


def test_mixtures_by_definition() -> None:
    fits = {
        "crossed": {"id": {"ther": "1"}, "ther": {"id": "1"}},
        "correlated slope": {"id": {"id": "1"}},
        "independent slope": {"id": {"id": "0 + t"}},
    }
    for case, reduced in fits.items():
        fit = _fit(case)
        table = component_tests(fit)
        for grouping, random in reduced.items():
            row = table[table["grouping"] == grouping].iloc[0]
            without = fit_lmm(FORMULA, _data(), random=random)
            statistic = 2.0 * (fit.loglik - without.loglik)
            assert row.loglik_reduced == pytest.approx(without.loglik, abs=1e-7)
            assert row.loglik_full == fit.loglik
            assert row.statistic == pytest.approx(statistic, abs=1e-6)
            c = 2 if case == "correlated slope" else 1
            assert (row.df_low, row.df_high) == (c - 1, c)
            low = stats.chi2.sf(row.statistic, c - 1) if c > 1 else 0.0
            expected = 0.5 * low + 0.5 * stats.chi2.sf(row.statistic, c)
            assert row.p_value == pytest.approx(expected)


def test_three_correlated_effects() -> None:
    fit = fit_lmm("y ~ t + u", _data(), random={"id": "1 + t + u"})
    table = component_tests(fit).set_index("term")
    assert list(table.index) == ["t", "u"]
    assert set(table["df_low"]) == {2}
    for gone, kept in (("t", "u"), ("u", "t")):
        without = fit_lmm("y ~ t + u", _data(), random={"id": f"1 + {kept}"})
        assert table.loc[gone, "loglik_reduced"] == pytest.approx(
            without.loglik, abs=1e-6
        )


def test_at_the_boundary_p_is_one() -> None:
    fit = fit_lmm(FORMULA, make_sessions(1), random={"site/id": "1"})
    row = component_tests(fit).iloc[0]
    assert (row.grouping, row.statistic, row.p_value) == ("site", 0.0, 1.0)
    assert row.loglik_reduced == pytest.approx(fit.loglik, abs=1e-9)


@pytest.mark.slow
def test_the_mixture_has_the_right_size() -> None:
    # Without the component, P(F < 1) = 0.57 of the ratios are zero.
    rng = np.random.default_rng(16)
    q, m, n = 10, 6, 600
    data = pd.DataFrame({"g": np.repeat(np.arange(q), m)})
    p = []
    for _ in range(n):
        y = rng.normal(size=q * m)
        p.append(component_tests(fit_lmm("y ~ 1", data.assign(y=y), random={"g": "1"})))
    found = pd.concat(p)["p_value"].to_numpy()
    assert np.mean(found == 1.0) == pytest.approx(0.57, abs=0.06)
    assert np.mean(found < 0.05) == pytest.approx(0.045, abs=0.025)


def test_a_valley_of_the_profile_is_followed() -> None:
    # A first step too long for the minimum to be found left no upper limit.
    frame, random = _valley(), CASES["factor without constant"][0]
    fit = fit_lmm("y ~ arm*t", frame, random=random)
    row = variance_components(fit).iloc[1]
    assert (row.term, row.conf_low) == ("arm[B]", 0.0)
    model = dense_of(fit, frame, "factor without constant", fit.design.X)
    assert _rise(model, fit, _quantities(model)[1], row.conf_high) == pytest.approx(
        chi_square_rise(0.95), abs=1e-5
    )


def _valley() -> pd.DataFrame:
    r = np.random.default_rng(20021)
    n, visits = int(r.integers(8, 24)), int(r.integers(3, 6))
    sites, sd = int(r.integers(2, 5)), float(r.choice([0, 0.3, 1, 3]))
    return make_sessions(20021, n=n, visits=visits, sites=sites, sd=sd)


def test_a_share_is_followed_where_absent_components_return() -> None:
    """With site at zero, the least share of subjects is reached with site above it."""
    rng = np.random.default_rng(1)
    who = np.repeat(np.arange(48), 4)
    y = rng.normal(0.0, 2.0, 48)[who] + rng.normal(0.0, 1.0, len(who))
    site = np.arange(48) % 8
    data = pd.DataFrame({"y": y, "id": who.astype(str), "site": site[who].astype(str)})
    fit = fit_lmm("y ~ 1", data, random={"id": "1", "site": "1"})
    assert fit.boundary == ("the variance of Intercept of site is zero",)

    def profile(share: float) -> float:
        def deviance(of_site: float) -> float:
            of_id = share / (1.0 - share) * (1.0 + of_site)
            at = evaluate(np.sqrt([of_id, of_site]), fit.moments, reml=True)
            assert at is not None
            return at.deviance

        grid = np.linspace(0.0, 6.0, 601)
        near = grid[np.argmin([deviance(x) for x in grid])]
        low, high = max(near - 0.02, 0.0), near + 0.02
        found = minimize_scalar(deviance, bounds=(low, high), options={"xatol": 1e-10})
        return min(float(found.fun), deviance(0.0))

    shares = icc(fit).set_index("grouping").loc["id"]
    best, rise = fit.optimum.at.deviance, 3.841458820694124
    lower = brentq(lambda x: profile(x) - best - rise, 0.05, shares["estimate"])
    assert shares["conf_low"] == pytest.approx(lower, abs=2e-5)
    stuck = evaluate(
        np.array([np.sqrt(lower / (1.0 - lower)), 0.0]), fit.moments, reml=True
    )
    assert stuck is not None
    assert stuck.deviance > best + rise + 0.1  # another answer where site stays at zero
