"""Residuals against nlme's gls, and against one subject at a time."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models.mmrm.fit import fit_mmrm
from outcomes.models.mmrm.residuals import residuals
from outcomes.models.mmrm.results import MmrmFit
from outcomes.models.mmrm.subjects import subject_blocks
from unit.models.trials import make_trial

REFERENCE = Path(__file__).resolve().parents[2] / "parity" / "reference"
VISITS = ("W02", "W04", "W08", "W12")
KINDS = ("raw", "pearson", "normalised")
CASES = ("plain", "weighted")
# gls stops before its optimum: its log likelihood is up to 1e-8 below ours, which is
# up to 6e-5 in a residual of 20. At its own parameters nothing but rounding is left.
AT_OPTIMUM, AT_THEIRS = 1e-4, 1e-9


@cache
def _reference() -> dict[str, Any]:
    return dict(json.loads((REFERENCE / "nlme.json").read_text(encoding="utf-8")))


@cache
def _fit(case: str) -> MmrmFit:
    data = pd.read_csv(REFERENCE / "trial_caps60.csv")
    data["weight"] = 1.0 / (0.5 + np.arange(len(data)) % 5 / 2)
    return fit_mmrm(
        "change ~ baseline*visit + arm*visit",
        data.loc[_reference()["rows"]],
        subject="subject",
        visit="visit",
        weights="weight" if case == "weighted" else None,
        levels={"visit": VISITS},
    )


def _at_their_parameters(case: str) -> MmrmFit:
    """Our fit with the coefficients and the covariance gls printed."""
    theirs = _reference()["cases"][case]
    names = {
        frozenset(name.split(":")): value
        for name, value in theirs["coefficients"].items()
    }
    fit = _fit(case)
    ours = [
        "(Intercept)" if name == "Intercept" else name.replace("[T.", "")
        for name in fit.terms
    ]
    beta = [names[frozenset(name.replace("]", "").split(":"))] for name in ours]
    theta = np.array(theirs["sigma"])[np.tril_indices(4)]
    return replace(fit, beta=np.array(beta), theta=theta)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_residuals_are_those_of_gls(case, kind):
    theirs = _reference()["cases"][case]
    table = residuals(_fit(case), kind)
    assert _fit(case).loglik == pytest.approx(theirs["loglik"], abs=2e-8)
    assert np.allclose(table["residual"], theirs[kind], rtol=0, atol=AT_OPTIMUM)
    table = residuals(_at_their_parameters(case), kind)
    assert np.allclose(table["residual"], theirs[kind], rtol=0, atol=AT_THEIRS)
    assert np.allclose(table["fitted"], theirs["fitted"], rtol=0, atol=AT_THEIRS)


def _options(data: pd.DataFrame) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    data["weight"] = rng.uniform(0.4, 2.5, len(data))
    data["day"] = 7 * data["week"] + rng.integers(-2, 3, len(data))
    return {
        "group": "arm",
        "weights": "weight",
        "coordinates": "day",
        "covariance": "sp_exp",
    }


def test_each_subject_by_itself_with_groups_weights_and_coordinates():
    data = make_trial().sample(frac=1.0, random_state=3)  # visits out of order too
    fit = fit_mmrm(
        "change ~ base + arm*week",
        data,
        subject="subject",
        visit="week",
        **_options(data),
    )
    tables = {kind: residuals(fit, kind) for kind in KINDS}
    raw = tables["raw"]
    assert list(raw.columns) == ["subject", "week", "observed", "fitted", "residual"]
    assert list(raw["subject"]) == list(fit.design.frame["subject"])
    assert np.allclose(raw["residual"], raw["observed"] - raw["fitted"])
    variance, reach = fit.theta.reshape(2, 2).T
    for who in raw["subject"].unique():
        mine = fit.design.frame["subject"] == who
        own = fit.design.frame[mine].sort_values("week")
        g = fit.groups.index(own["arm"].iloc[0])
        day, weight = own["day"].to_numpy(), own["weight"].to_numpy()
        V = variance[g] * np.exp(-np.abs(np.subtract.outer(day, day)) / reach[g])
        V /= np.sqrt(np.outer(weight, weight))
        r = raw.loc[own.index, "residual"]
        got = tables["pearson"].loc[own.index, "residual"]
        assert np.allclose(got, r / np.sqrt(np.diag(V)))
        got = tables["normalised"].loc[own.index, "residual"]
        assert np.allclose(got, np.linalg.solve(np.linalg.cholesky(V), r))


def test_normalised_residuals_of_balanced_data_have_no_correlation_left():
    data = make_trial(dropout=0.0, gaps=0.0)
    fit = fit_mmrm(
        "change ~ arm*week", data, subject="subject", visit="week", method="ml"
    )
    wide = residuals(fit, "normalised").pivot(
        index="subject", columns="week", values="residual"
    )
    # Under ML with a saturated mean Sigma is the mean product of residuals.
    assert np.allclose(wide.T @ wide / len(wide), np.eye(4), atol=1e-8)


def test_aliased_columns_and_one_visit():
    data = make_trial().query("week == 8").assign(twice=lambda d: 2 * d["base"])
    fit = fit_mmrm("change ~ base + twice + arm", data, subject="subject", visit="week")
    assert fit.aliased == ("twice",)
    raw, scaled = residuals(fit), residuals(fit, "normalised")
    assert raw["residual"].sum() == pytest.approx(0.0, abs=1e-9)
    assert (scaled["residual"] ** 2).sum() == pytest.approx(len(data) - 3)
    assert len(subject_blocks(fit)) == 1


def test_an_unknown_kind_is_refused():
    with pytest.raises(ModelError, match=r"normalized.*Did you mean 'normalised'"):
        residuals(_fit("plain"), "normalized")
