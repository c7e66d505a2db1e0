"""Draws of the parameters: their moments, closed forms, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from outcomes.errors import ModelError
from outcomes.models.mmrm.draws import ParameterDraws, draw_parameters
from outcomes.models.mmrm.fit import fit_mmrm
from outcomes.models.mmrm.results import MmrmFit
from outcomes.models.mmrm.subjects import blocks_of
from unit.models.trials import make_trial

KINDS: dict[str, dict[str, Any]] = {
    "us": {},
    "ar1": {"covariance": "ar1"},
    "cs": {"covariance": "cs"},
    "toeph by arm": {"covariance": "toeph", "group": "arm"},
    "adh weighted": {"covariance": "adh", "weights": "weight"},
    "sp_exp individual": {
        "covariance": "sp_exp",
        "coordinates": "day",
        "weights": "weight",
        "group": "arm",
    },
}
STEP = 1e-6
N = 800
# Of a mean, and of a mean product (variance 2 at most), of standard normal draws.
STANDARD_ERRORS = 5.0


def _fit(kind: str = "us", n: int = 150, scale: float = 1.0, **options: Any) -> MmrmFit:
    data = make_trial(n=n)
    rng = np.random.default_rng(8)
    data["change"] *= scale
    data["day"] = 7 * data["week"] + rng.integers(-2, 3, len(data))
    data["weight"] = rng.uniform(0.4, 2.5, len(data))
    return fit_mmrm(
        "change ~ arm*week",
        data,
        subject="subject",
        visit="week",
        **{**KINDS[kind], **options},
    )


def _draw(fit: MmrmFit, n: int = N, seed: int = 3) -> ParameterDraws:
    return draw_parameters(fit, np.random.default_rng(seed), n)


def _free(fit: MmrmFit, theta: np.ndarray) -> np.ndarray:
    problem = fit.problem
    return np.concatenate(
        [
            problem.structure.to_free(own, part.distance)
            for own, part in zip(problem.by_part(theta), problem.parts, strict=True)
        ]
    )


def _assert_standard_normal(z: np.ndarray) -> None:
    n, k = z.shape
    assert np.abs(z.mean(axis=0)).max() < STANDARD_ERRORS / np.sqrt(n)
    off = np.abs(z.T @ z / n - np.eye(k)).max()
    assert off < STANDARD_ERRORS * np.sqrt(2.0 / n)


@pytest.mark.parametrize("kind", KINDS)
def test_free_parameters_have_the_covariance_the_delta_method_gives(kind):
    fit = _fit(kind)
    draws = _draw(fit)
    assert draws.n_invalid == 0
    # The Jacobian by differences, where the code reads it off derivatives of Sigma.
    jacobian = np.stack(
        [
            (_free(fit, fit.theta + step) - _free(fit, fit.theta - step))
            / (2.0 * step.sum())
            for step in np.diag(STEP * fit.problem.scale(fit.theta))
        ],
        axis=1,
    )
    cov = jacobian @ fit.cov_theta @ jacobian.T
    away = np.array([_free(fit, theta) for theta in draws.theta])
    away -= _free(fit, fit.theta)
    _assert_standard_normal(np.linalg.solve(np.linalg.cholesky(cov), away.T).T)


@pytest.mark.parametrize("kind", KINDS)
def test_coefficients_are_normal_about_their_estimate_at_the_covariance(kind):
    fit = _fit(kind, n=40)
    draws = _draw(fit, n=300)
    X, y = fit.design.X, fit.design.y
    z = np.empty_like(draws.beta)
    inner, centres = np.zeros((X.shape[1],) * 2), np.empty_like(draws.beta)
    for i, (beta, theta) in enumerate(zip(draws.beta, draws.theta, strict=True)):
        A, b = np.zeros((X.shape[1],) * 2), np.zeros(X.shape[1])
        for block in blocks_of(fit.records, fit.problem, theta):
            own = X[block.rows]
            weighted = np.swapaxes(np.linalg.solve(block.sigma, own), 1, 2)
            A += (weighted @ own).sum(axis=0)
            b += (weighted @ y[block.rows][:, :, None]).sum(axis=0)[:, 0]
        centres[i] = np.linalg.solve(A, b)
        inner += np.linalg.inv(A) / len(z)
        z[i] = np.linalg.cholesky(A).T @ (beta - centres[i])
    _assert_standard_normal(z)
    # Law of total variance: Phi at the drawn covariance, and what the estimate moves.
    whole = inner + np.cov(centres.T)
    root = np.linalg.cholesky(whole)
    _assert_standard_normal(np.linalg.solve(root, (draws.beta - fit.beta).T).T)


def test_one_visit_is_a_lognormal_variance_and_a_normal_regression():
    data = make_trial(n=50).query("week == 8")
    fit = fit_mmrm("change ~ base + arm", data, subject="subject", visit="week")
    draws = _draw(fit)
    spare = len(data) - 3
    variance = fit.theta[0]
    # At the maximum the information on log variance is spare / 2.
    z = np.log(draws.theta[:, 0] / variance) / np.sqrt(2.0 / spare)
    _assert_standard_normal(z[:, None])
    root = np.linalg.cholesky(fit.design.X.T @ fit.design.X)
    sd = np.sqrt(draws.theta)
    _assert_standard_normal((draws.beta - fit.beta) @ root / sd)
    assert np.array_equal(draws.sigma[:, 0, 0, 0], draws.theta[:, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_covariances_are_those_of_the_parameters_and_valid(kind):
    fit = _fit(kind, n=40)
    draws = _draw(fit, n=50)
    assert draws.beta.shape == (50, len(fit.beta))
    assert draws.theta.shape == (50, len(fit.theta))
    assert draws.sigma.shape == (50, *fit.sigma.shape)
    assert np.linalg.eigvalsh(draws.sigma).min() > 0
    part = fit.problem.parts[-1]
    distance = part.distance
    if part.individual:
        distance = np.array([[0.0, 1.0], [1.0, 0.0]])
    last = fit.problem.by_part(draws.theta[-1])[-1]
    expected = fit.problem.structure.sigma(last, distance)
    assert np.array_equal(draws.sigma[-1, -1], expected)


def test_draws_are_reproducible_and_a_longer_series_begins_alike():
    fit = _fit("ar1")
    short, long = _draw(fit, n=4), _draw(fit, n=9)
    assert np.array_equal(short.beta, long.beta[:4])
    assert np.array_equal(short.theta, long.theta[:4])
    other = _draw(fit, n=4, seed=4)
    assert not np.any(other.theta == short.theta)


def test_draws_follow_the_unit_of_the_outcome():
    one, other = (_draw(_fit(scale=scale), n=5) for scale in (1.0, 1e4))
    assert np.allclose(other.beta, 1e4 * one.beta, rtol=1e-6)
    assert np.allclose(other.theta, 1e8 * one.theta, rtol=1e-6)


def test_invalid_covariances_are_drawn_again():
    fit = _fit("us", n=14, covariance="toeph")
    draws = _draw(fit, n=100)
    assert draws.n_invalid > 0
    assert np.linalg.eigvalsh(draws.sigma).min() > 0


def test_a_covariance_that_is_hardly_ever_valid_is_refused():
    fit = _fit("us", covariance="toeph")
    wide = replace(fit, cov_theta=1e6 * fit.cov_theta)
    with pytest.raises(ModelError, match=r"91 of \d+ draws.*'toeph' are not positive"):
        _draw(wide, n=5)


def test_what_cannot_be_drawn_from_is_refused():
    fit = _fit()
    failed = replace(fit, convergence=replace(fit.convergence, status="not-converged"))
    with pytest.raises(ModelError, match="did not converge"):
        _draw(failed)
    with pytest.raises(ModelError, match="n: 0 is not a positive whole number"):
        _draw(fit, n=0)
    with pytest.raises(ModelError, match="a numpy Generator is needed"):
        draw_parameters(fit, 1, 5)
