"""Population-averaged risks against brute-force averages and integrals."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit, ndtr

from outcomes.errors import ModelError
from outcomes.models import (
    fit_gee,
    fit_glmm,
    fit_lmm,
    fit_logistic,
    standardise,
    tidy,
)
from outcomes.models.mixed.glmm.results import GlmmFit

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(180)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
RANDOM = {
    "intercept": {"id": "1"},
    "slope": {"id": "1 + t"},
    "nested": {"site/id": "1"},
    "members": {"mm(ther, second)": "1"},
    "slopes of members": {"mm(ther, second)": "1 || t", "id": "1"},
}


@lru_cache(maxsize=1)
def _data() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 70
    who = np.repeat(np.arange(n), 4)
    t = np.tile([0.0, 1.0, 2.0, 3.0], n)
    keep = rng.random(4 * n) < 0.85
    ther = rng.integers(0, 8, 4 * n)
    second = np.where(rng.random(4 * n) < 0.6, (ther + 1) % 8, ther)
    x = rng.normal(size=n).round(2)[who]
    eta = -0.6 + 0.5 * (who % 3 == 1) + 0.9 * (who % 3 == 2) + 0.2 * t + 0.5 * x
    eta += 1.5 * rng.normal(size=n)[who] + 0.5 * t * rng.normal(size=n)[who]
    eta += 0.6 * rng.normal(size=8)[ther] + 0.6 * rng.normal(size=8)[second]
    data = pd.DataFrame(
        {
            "id": [f"S{k:02d}" for k in who],
            "site": [f"site {k % 6}" for k in who],
            "arm": np.array(["low", "high", "placebo"])[who % 3],
            "visit": [f"W{k:.0f}" for k in t],
            "t": t,
            "x": x,
            "ther": [f"T{k}" for k in ther],
            "second": [None if k % 5 == 0 else f"T{k}" for k in second],
            "y": rng.binomial(1, expit(eta)),
        }
    )
    return data[keep].reset_index(drop=True)


@lru_cache(maxsize=32)
def _fit(kind: str, link: str = "logit") -> GlmmFit:
    return fit_glmm(
        "y ~ arm*t + x",
        _data(),
        random=RANDOM[kind],
        family="binomial",
        link=link,  # type: ignore[arg-type]
        n_quad=9 if kind == "intercept" else None,
    )


def _columns(data: pd.DataFrame, arm: str, t: Any = None) -> pd.DataFrame:
    """Build the model matrix with the arm set, by name."""
    week = data["t"] if t is None else pd.Series(float(t), index=data.index)
    low, placebo = float(arm == "low"), float(arm == "placebo")
    found = {"Intercept": 1.0, "arm[T.low]": low, "arm[T.placebo]": placebo}
    frame = pd.DataFrame(found, index=data.index).assign(t=week, x=data["x"])
    return frame.assign(
        **{"arm[T.low]:t": low * week, "arm[T.placebo]:t": placebo * week}
    )


def _variance(
    kind: str, data: pd.DataFrame, theta: np.ndarray, t: Any = None
) -> np.ndarray:
    """Variance of the random part of each record, from factors by rows."""
    week = data["t"].to_numpy() if t is None else np.full(len(data), float(t))
    if kind == "intercept":
        return np.full(len(data), theta[0] ** 2)
    if kind == "nested":
        return np.full(len(data), theta[0] ** 2 + theta[1] ** 2)
    if kind == "slope":
        return (theta[0] + theta[1] * week) ** 2 + (theta[2] * week) ** 2
    named = list(zip(data["ther"], data["second"], strict=True))
    alone = np.array([b is None or b != b or a == b for a, b in named])
    share = np.where(alone, 1.0, 0.5)
    if kind == "members":
        return share * theta[0] ** 2
    return share * (theta[0] ** 2 + (theta[1] * week) ** 2) + theta[2] ** 2


def _risk(
    fit: GlmmFit,
    kind: str,
    arm: str,
    parameters: np.ndarray,
    *,
    t: Any = None,
    over: str = "subjects",
) -> float:
    """Average risk with the arm set, by Gauss-Hermite quadrature."""
    data, p = _data(), len(fit.beta)
    eta = _columns(data, arm, t)[list(fit.terms)].to_numpy() @ parameters[:p]
    sd = np.sqrt(_variance(kind, data, parameters[p:], t))
    inverse = expit if fit.link == "logit" else ndtr
    mean = inverse(eta[:, None] + sd[:, None] * NODES) @ WEIGHTS
    if over == "records":
        return float(mean.mean())
    groups = data["id"] if "mm" not in next(iter(fit.random)) else data.index
    if kind == "slopes of members":
        groups = data["id"]
    return float(pd.Series(mean).groupby(np.asarray(groups)).mean().mean())


def _parameters(fit: GlmmFit) -> np.ndarray:
    return np.concatenate([fit.beta, fit.theta])


def _slope(f: Any, at: np.ndarray) -> np.ndarray:
    steps = 1e-5 * np.eye(len(at))
    return np.array([(f(at + e) - f(at - e)) / 2e-5 for e in steps])


ARMS = ("high", "low", "placebo")


@pytest.mark.parametrize("over", ["subjects", "records"])
@pytest.mark.parametrize("kind", sorted(RANDOM))
def test_risks_and_their_standard_errors(kind: str, over: Any) -> None:
    fit = _fit(kind)
    found = standardise(fit, "arm", measure="risk", over=over)
    assert list(found.frame["arm"]) == list(ARMS)
    at, k = _parameters(fit), len(_parameters(fit))
    V = fit.cov_joint[:k, :k]
    for row, arm in zip(found.frame.itertuples(), ARMS, strict=True):

        def risk(p: np.ndarray, arm: str = arm) -> float:
            return _risk(fit, kind, arm, p, over=over)

        assert row.estimate == pytest.approx(risk(at), abs=1e-9)
        g = _slope(risk, at)
        assert row.std_error == pytest.approx(np.sqrt(g @ V @ g), rel=1e-5)
        z = 1.959963984540054 * row.std_error / (row.estimate * (1 - row.estimate))
        assert row.conf_low == pytest.approx(expit(logit(row.estimate) - z))
        assert row.conf_high == pytest.approx(expit(logit(row.estimate) + z))
        assert np.isnan(row.p_value)


@pytest.mark.parametrize("measure", ["risk-difference", "risk-ratio", "odds-ratio"])
@pytest.mark.parametrize("reference", ["placebo", "high"])
def test_comparisons(measure: Any, reference: str) -> None:
    fit = _fit("slope")
    found = standardise(
        fit, "arm", measure=measure, reference=reference, conf_level=0.9
    ).frame
    at, k = _parameters(fit), len(_parameters(fit))
    V = fit.cov_joint[:k, :k]
    scale = {"risk-difference": lambda r: r, "risk-ratio": np.log, "odds-ratio": logit}
    others = [arm for arm in ARMS if arm != reference]
    assert list(found["arm"]) == others
    assert set(found["reference"]) == {reference}
    assert set(found["effect"]) == {"marginal"}
    for row, arm in zip(found.itertuples(), others, strict=True):

        def value(p: np.ndarray, arm: str = arm) -> float:
            one, other = (_risk(fit, "slope", a, p) for a in (arm, reference))
            return float(scale[measure](one) - scale[measure](other))

        g = _slope(value, at)
        error = np.sqrt(g @ V @ g)
        back = np.exp if measure != "risk-difference" else np.asarray
        assert row.estimate == pytest.approx(float(back(value(at))), rel=1e-8)
        assert row.std_error == pytest.approx(error, rel=1e-5)
        z = 1.6448536269514722 * error
        assert row.conf_low == pytest.approx(float(back(value(at) - z)), rel=1e-5)
        assert row.conf_high == pytest.approx(float(back(value(at) + z)), rel=1e-5)
        assert row.statistic == pytest.approx(value(at) / error, rel=1e-5)
        assert row.p_value == pytest.approx(2 * ndtr(-abs(value(at) / error)), rel=1e-4)


def test_a_covariate_set_to_a_value() -> None:
    fit = _fit("slopes of members")
    found = standardise(fit, "arm", measure="risk", at={"t": 2}).frame
    for row, arm in zip(found.itertuples(), ARMS, strict=True):
        expected = _risk(fit, "slopes of members", arm, _parameters(fit), t=2)
        assert row.estimate == pytest.approx(expected, abs=1e-9)


def test_the_delta_method_against_draws_of_parameters() -> None:
    fit = _fit("slope")
    at, k = _parameters(fit), len(_parameters(fit))
    draws = np.random.default_rng(5).multivariate_normal(
        at, fit.cov_joint[:k, :k], size=120, method="eigh"
    )
    gaps = [
        _risk(fit, "slope", "low", d) - _risk(fit, "slope", "high", d) for d in draws
    ]
    row = standardise(fit, "arm").frame.iloc[0]
    assert np.std(gaps) == pytest.approx(row.std_error, rel=0.2)


def test_probit_has_a_closed_form() -> None:
    fit = _fit("intercept", "probit")
    sd = abs(fit.theta[0])
    for row in standardise(fit, "arm", measure="risk").frame.itertuples():
        eta = _columns(_data(), row.arm)[list(fit.terms)].to_numpy() @ fit.beta
        mean = pd.Series(ndtr(eta / np.sqrt(1.0 + sd**2)))
        expected = mean.groupby(_data()["id"].to_numpy()).mean().mean()
        assert row.estimate == pytest.approx(expected, abs=1e-12)


def test_large_random_effects_are_integrated_exactly() -> None:
    # Where fixed nodes of a quadrature would be too few: sd about 6.
    rng = np.random.default_rng(6)
    who = np.repeat(np.arange(150), 5)
    eta = 6.0 * rng.normal(size=150)[who] + 1.0 * (who % 2)
    data = pd.DataFrame({"id": who, "arm": np.where(who % 2, "B", "A")})
    data["y"] = rng.binomial(1, expit(eta))
    fit = fit_glmm("y ~ arm", data, random={"id": "1"}, family="binomial")
    sd = abs(float(fit.theta[0]))
    assert sd > 4.0
    z = np.linspace(-10.0, 10.0, 200_001)
    density = np.exp(-0.5 * z**2) / np.exp(-0.5 * z**2).sum()
    risks = [float(expit(eta + sd * z) @ density) for eta in np.cumsum(fit.beta)]
    found = standardise(fit, "arm", measure="risk").frame["estimate"]
    np.testing.assert_allclose(found, risks, atol=1e-9)


@pytest.mark.parametrize("name", ["records", "level", "t2"])
def test_the_name_of_a_slope_means_nothing(name: str) -> None:
    data = _data().assign(**{name: _data()["t"]})
    found, expected = (
        standardise(
            fit_glmm("y ~ arm", data, random={"id": f"1 + {x}"}, family="binomial"),
            "arm",
        ).frame["estimate"]
        for x in (name, "t")
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)


# Models without random effects


def test_no_random_variance_is_a_logistic_model() -> None:
    rng = np.random.default_rng(7)
    who = np.repeat(np.arange(60), 4)
    data = pd.DataFrame({"id": who, "arm": np.where(who % 2, "B", "A")})
    data["x"] = rng.normal(size=240)
    # Every subject has two responses of four: less between than chance would make.
    data["y"] = np.tile([1, 0, 1, 0], 60)
    mixed = fit_glmm("y ~ arm + x", data, random={"id": "1"}, family="binomial")
    assert mixed.boundary
    plain = fit_logistic("y ~ arm + x", data)
    for measure in ("risk", "risk-difference", "odds-ratio"):
        one, other = (
            standardise(fit, "arm", measure=measure, over="records").frame  # type: ignore[arg-type]
            for fit in (mixed, plain)
        )
        columns = ["estimate", "std_error", "conf_low", "conf_high"]
        np.testing.assert_allclose(one[columns], other[columns], rtol=1e-4, atol=1e-8)


def test_a_logistic_model_by_hand() -> None:
    data = _data()
    fit = fit_logistic("y ~ arm + x", data)
    names = list(fit.terms)
    V = np.asarray(fit.cov_inference)
    found = standardise(fit, "arm", measure="risk", over="records")
    gradients = []
    for row, arm in zip(found.frame.itertuples(), ARMS, strict=True):
        X = _columns(data, arm)[names].to_numpy()
        mean = expit(X @ fit.beta)
        g = ((mean * (1 - mean))[:, None] * X).mean(axis=0)
        gradients.append(g)
        assert row.estimate == pytest.approx(mean.mean())
        assert row.std_error == pytest.approx(np.sqrt(g @ V @ g))
    G = np.array(gradients)
    np.testing.assert_allclose(found.cov_risks, G @ V @ G.T, rtol=1e-9)


def test_a_model_of_the_arm_alone_gives_the_observed_risks() -> None:
    data = _data()
    found = standardise(fit_logistic("y ~ arm", data), "arm", measure="risk").frame
    observed = data.groupby("arm")["y"].agg(["mean", "size"])
    np.testing.assert_allclose(found["estimate"], observed["mean"], rtol=1e-8)
    binomial = np.sqrt(observed["mean"] * (1 - observed["mean"]) / observed["size"])
    np.testing.assert_allclose(found["std_error"], binomial, rtol=1e-6)


def test_estimating_equations() -> None:
    data = _data()
    fit = fit_gee(
        "y ~ arm*t + x",
        data,
        subject="id",
        visit="visit",
        family="binomial",
        levels={"visit": ["W0", "W1", "W2", "W3"]},
    )
    V = np.asarray(fit.cov_inference)
    for row in standardise(fit, "arm", measure="risk").frame.itertuples():
        X = _columns(data, row.arm)[list(fit.terms)].to_numpy()
        weight = 1.0 / data.groupby("id")["y"].transform("size") / data["id"].nunique()
        mean = expit(X @ fit.beta)
        g = (weight.to_numpy() * mean * (1 - mean)) @ X
        assert row.estimate == pytest.approx(float(weight @ mean))
        assert row.std_error == pytest.approx(np.sqrt(g @ V @ g))


def test_by_visit_and_cells_without_records() -> None:
    data = _data()
    data = data[~((data["arm"] == "low") & (data["visit"] == "W3"))]
    fit = fit_glmm("y ~ arm*visit + x", data, random={"id": "1"}, family="binomial")
    table = standardise(fit, "arm", by="visit", reference="placebo").frame
    assert list(table[["visit", "arm"]].itertuples(index=False, name=None)) == [
        (visit, arm) for visit in ("W0", "W1", "W2", "W3") for arm in ("high", "low")
    ]
    lost = (table["visit"] == "W3") & (table["arm"] == "low")
    assert table.loc[lost, ["estimate", "std_error", "p_value"]].isna().all(axis=None)
    kept = table.loc[~lost, ["estimate", "std_error", "conf_low", "conf_high"]]
    assert kept.notna().all(axis=None)
    # Against a hidden reference nothing can be compared in that cell.
    other = standardise(fit, "arm", by="visit", reference="low").frame
    assert other.loc[other["visit"] == "W3", "estimate"].isna().all()
    assert other.loc[other["visit"] != "W3", "estimate"].notna().all()


def test_the_marginal_odds_ratio_is_nearer_one() -> None:
    fit = _fit("intercept")
    conditional = tidy(fit).set_index("term").loc["arm[T.placebo]", "estimate"]
    at = standardise(fit, "arm", measure="odds-ratio", at={"t": 0}).frame.iloc[1]
    assert 0.0 < np.log(at.estimate) / conditional < 1.0


def test_rows_in_another_order_and_levels_declared() -> None:
    data = _data().sample(frac=1.0, random_state=1)
    levels = {"arm": ["placebo", "low", "high"]}
    fit = fit_glmm(
        "y ~ arm*t + x", data, random={"id": "1 + t"}, family="binomial", levels=levels
    )
    found = standardise(fit, "arm").frame
    assert list(found["arm"]) == ["low", "high"]
    expected = standardise(_fit("slope"), "arm", reference="placebo").frame
    np.testing.assert_allclose(
        found.set_index("arm").loc[["high", "low"], ["estimate", "std_error"]],
        expected[["estimate", "std_error"]],
        rtol=1e-4,
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"factor": "arms"}, "Did you mean 'arm'"),
        ({"factor": "t"}, "standardise"),
        ({"factor": "id"}, "standardise"),
        ({"by": "arm"}, "cannot also be in 'by'"),
        ({"by": "t"}, "standardise"),
        ({"measure": "hazard-ratio"}, "measure"),
        ({"reference": "placbo"}, "Did you mean 'placebo'"),
        ({"over": "visits"}, "over"),
        ({"conf_level": 95}, "conf_level"),
        ({"at": {"week": 1}}, "standardise at"),
        ({"at": {"t": "two"}}, "needs a number"),
        ({"at": {"t": np.nan}}, "needs a number"),
        ({"at": {"t": True}}, "needs a number"),
        ({"at": {"arm": "low"}}, "set to its levels already"),
    ],
)
def test_what_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        standardise(_fit("slope"), options.pop("factor", "arm"), **options)


def test_models_of_other_outcomes_are_refused() -> None:
    data = _data().assign(z=_data()["t"] + _data()["x"] ** 2)
    with pytest.raises(ModelError, match="no model of a yes/no outcome"):
        standardise(fit_lmm("z ~ arm", data, random={"id": "1"}), "arm")
    counts = fit_glmm("y ~ arm", data, random={"id": "1"}, family="poisson")
    with pytest.raises(ModelError, match="poisson"):
        standardise(counts, "arm")
    means = fit_gee("z ~ arm", data, subject="id", visit="t", family="gaussian")
    with pytest.raises(ModelError, match="yes/no"):
        standardise(means, "arm")
