"""Estimating equations on data too small for their working correlation."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from outcomes.models.gee.fit import fit_gee
from outcomes.models.gee.results import GeeFit
from outcomes.models.gee.run_off import find_run_off
from outcomes.models.tables import tidy


def make_gaps(seed: int, n: int = 25, visits: int = 6) -> pd.DataFrame:
    """Simulate rare yes/no outcomes with three visits in ten missing."""
    rng = np.random.default_rng(seed)
    subject, t = np.repeat(np.arange(n), visits), np.tile(np.arange(visits), n)
    effect = 1.2 * rng.normal(size=n)
    risk = expit(-2.0 + 0.5 * t + 0.5 * (subject % 2) + effect[subject])
    yes = (rng.random(len(t)) < risk).astype(int)
    kept = (rng.random(len(t)) < 0.7) | ((t == 0) & (subject % 5 != 0))
    x = rng.normal(size=n)[subject]
    arm = np.where(subject % 2, "B", "A")
    data = pd.DataFrame(
        {"id": subject, "t": t, "time": t * 1.0, "arm": arm, "x": x, "y": yes}
    )
    return data[kept].sample(frac=1, random_state=seed).reset_index(drop=True)


def fit(data: pd.DataFrame, **options: Any) -> GeeFit:
    return fit_gee("y ~ arm*time + x", data, subject="id", visit="t", **options)


@pytest.mark.parametrize("seed", [1, 5, 7])
@pytest.mark.parametrize("family", ["binomial", "poisson"])
@pytest.mark.parametrize("moments", ["n", "n-p"])
def test_a_correlation_that_leads_astray_is_no_separation(
    seed: int, family: Any, moments: Any
) -> None:
    data = make_gaps(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit(data, family=family, structure="unstructured", moments=moments)
    assert not found.convergence.converged
    assert "unstructured working correlation" in found.convergence.messages[0]
    assert not any("separation" in text for text in found.convergence.messages)
    assert tidy(found)["std_error"].isna().all()
    # without that correlation there is nothing wrong with the data
    assert fit(data, family=family, structure="independence").convergence.converged


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equations_that_are_not_solved_have_no_standard_errors(seed: int) -> None:
    found = fit(
        make_gaps(seed), family="gaussian", structure="unstructured", moments="n-p"
    )
    assert found.convergence.status == "not-converged"
    assert tidy(found)["p_value"].isna().all()


@pytest.mark.parametrize("structure", ["exchangeable", "ar1"])
def test_simple_structures_manage_with_the_same_data(structure: Any) -> None:
    found = fit(make_gaps(5), structure=structure, vcov="mancl-derouen")
    assert found.convergence.converged
    assert (tidy(found)["std_error"] > 0).all()


def test_weights_that_are_no_numbers_have_run_off() -> None:
    Q = np.eye(3)[:, :2]
    assert find_run_off(Q, np.array([np.nan, 1, 1]), np.zeros(2), None).shape == (2, 2)
