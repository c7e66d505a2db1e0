"""Predicted random effects: the table, shrinkage, boundaries and levels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models import fit_lmm, fit_logistic, random_effects, tidy
from unit.models.lmm_dense import dense_of, make_sessions, shares, values

COLUMNS = [
    "grouping",
    "level",
    "term",
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
]


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return make_sessions(5, n=24, sites=5)


def test_the_table(data: pd.DataFrame) -> None:
    fit = fit_lmm("y ~ t", data, random={"ther": "1", "id": "1 + t"})
    table = random_effects(fit, conf_level=0.9)
    assert list(table.columns) == COLUMNS
    assert len(table) == 6 + 2 * 24
    assert table["level"].tolist()[:6] == [f"T{k}" for k in range(6)]
    assert table["term"].tolist()[6:10] == ["Intercept", "t", "Intercept", "t"]
    width = 1.6448536269514722 * table["std_error"]
    np.testing.assert_allclose(table["conf_low"], table["estimate"] - width)
    np.testing.assert_allclose(table["conf_high"], table["estimate"] + width)


def test_they_are_conditional_means(data: pd.DataFrame) -> None:
    # E(b | y) = G Z' V^-1 (y - X beta), of members too.
    random = {"mm(ther, second)": "1", "id": "1"}
    fit = fit_lmm("y ~ t", data, random=random)
    model = dense_of(fit, data, "members", fit.design.X)
    of_id = (shares(data, "id"), values(data, "1"))
    model = type(model)(model.y, model.X, [*model.effects, of_id])
    psi = model.psi_of(fit)
    beta, _, inverse = model.gls(psi)
    rest = inverse @ (model.y - model.X @ beta)
    expected = np.concatenate([psi[k] * model.Z(k, 0).T @ rest for k in range(2)])
    np.testing.assert_allclose(random_effects(fit)["estimate"], expected, atol=1e-9)


def test_shrinkage_of_a_balanced_design() -> None:
    rng = np.random.default_rng(2)
    q, m = 9, 5
    y = rng.normal(size=(q, m)) + 1.5 * rng.normal(size=q)[:, None]
    frame = pd.DataFrame({"y": y.ravel(), "g": np.repeat(np.arange(q), m)})
    fit = fit_lmm("y ~ 1", frame, random={"g": "1"})
    table = random_effects(fit)
    between = float(fit.covariances[0][0, 0])
    shrunk = between / (between + fit.residual_variance / m)
    np.testing.assert_allclose(table["estimate"], shrunk * (y.mean(axis=1) - y.mean()))
    known = random_effects(fit, fixed="known")["std_error"]
    np.testing.assert_allclose(known, np.sqrt(between * (1 - shrunk)))
    # The mean is estimated: its part of the variance comes on top.
    mean = tidy(fit).loc[0, "std_error"]
    np.testing.assert_allclose(
        table["std_error"] ** 2, between * (1 - shrunk) + (shrunk * mean) ** 2
    )
    assert table["estimate"].sum() == pytest.approx(0.0, abs=1e-9)


def test_limits_cover_what_was_drawn() -> None:
    rng = np.random.default_rng(3)
    who, hits, n = np.repeat(np.arange(40), 4), [], 0
    for _ in range(10):
        b = rng.normal(size=40)
        y = 3.0 + b[who] + rng.normal(size=160)
        frame = pd.DataFrame({"y": y, "g": who})
        table = random_effects(fit_lmm("y ~ 1", frame, random={"g": "1"}))
        hits.append(((table["conf_low"] <= b) & (b <= table["conf_high"])).sum())
        n += 40
    assert sum(hits) / n == pytest.approx(0.95, abs=0.04)


def test_no_variance_no_effects(data: pd.DataFrame) -> None:
    small = make_sessions(1)
    fit = fit_lmm("y ~ arm*t + x", small, random={"site/id": "1"})
    table = random_effects(fit).query("grouping == 'site'")
    assert not table[["estimate", "std_error"]].to_numpy().any()


def test_collinear_effects_are_predicted() -> None:
    frame = make_sessions(1)
    fit = fit_lmm("y ~ t", frame, random={"ther": "1 + t"})
    assert "collinear" in fit.boundary[0]
    table = random_effects(fit)
    wide = table.pivot(index="level", columns="term", values="estimate")
    assert abs(np.corrcoef(wide["Intercept"], wide["t"])[0, 1]) == pytest.approx(1.0)
    errors = table.pivot(index="level", columns="term", values="std_error")
    assert np.isfinite(errors.to_numpy()).all()


def test_combinations_are_named_by_their_parts(data: pd.DataFrame) -> None:
    fit = fit_lmm("y ~ t", data, random={"site:ther": "1"})
    there = set(data["site"] + ":" + data["ther"])
    assert set(random_effects(fit)["level"]) == there
    assert fit.n_groups == {"site:ther": len(there)}


def test_units_of_the_slope_and_of_the_outcome(data: pd.DataFrame) -> None:
    random = {"id": "1 + t"}
    plain = random_effects(fit_lmm("y ~ t", data, random=random))
    days = data.assign(t=data["t"] * 7.0, y=data["y"] * 100.0 + 5.0)
    table = random_effects(fit_lmm("y ~ t", days, random=random))
    size = np.where(table["term"] == "t", 100.0 / 7.0, 100.0)
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(table[column], plain[column] * size, rtol=1e-6)


def test_what_is_refused(data: pd.DataFrame) -> None:
    fit = fit_lmm("y ~ t", data, random={"id": "1"})
    with pytest.raises(ModelError, match="fixed"):
        random_effects(fit, fixed="conditional")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="conf_level"):
        random_effects(fit, conf_level=1.0)
    yes = data.assign(yes=(data["y"] > 2).astype(int))
    with pytest.raises(ModelError, match="LogisticFit is not a mixed model"):
        random_effects(fit_logistic("yes ~ t", yes))
