"""Likelihoods and derivatives of mixed models against naive ones and differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from outcomes.models.mixed.glmm.fit import fit_glmm
from outcomes.models.mixed.glmm.objective import evaluate
from outcomes.models.mixed.glmm.operator import Operator, invert_blocks
from outcomes.models.mixed.glmm.quadrature import hermite_rule
from unit.models.glmm_trials import (
    FAMILIES,
    FORMULA,
    STRUCTURES,
    fit_kind,
    grid_loglik,
    laplace_loglik,
    make_outcomes,
)


def differences(f, x: np.ndarray, h: float = 1e-3) -> np.ndarray:
    """Fourth-order central differences of f, a vector; last axis runs over x."""
    out = []
    for j in range(len(x)):
        at = []
        for k in (-2, -1, 1, 2):
            moved = x.copy()
            moved[j] += k * h
            at.append(np.asarray(f(moved)))
        out.append((at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h))
    return np.stack(out, axis=-1)


@pytest.mark.parametrize("kind", FAMILIES)
def test_derivatives_of_each_log_density(kind: str) -> None:
    family = fit_kind(kind, n_quad=1).prepared.problem.family
    psi = family.start() + 0.1
    n = len(family.y)
    eta = np.linspace(-4.0, 4.0, n)
    terms = family.kernel(eta, psi, 3)
    h = 1e-3
    far = [family.kernel(eta + k * h, psi, 3) for k in (-2, -1, 1, 2)]
    for order in range(3):
        slope = (
            far[0][order] - 8 * far[1][order] + 8 * far[2][order] - far[3][order]
        ) / (12 * h)
        np.testing.assert_allclose(terms[order + 1], slope, atol=1e-9)
    if not family.n_extra:
        return
    for own, order in zip(family.slopes(eta, psi), range(3), strict=True):
        expected = differences(lambda p, k=order: family.kernel(eta, p, k + 1)[k], psi)
        np.testing.assert_allclose(own.T, expected.reshape(own.T.shape), atol=1e-9)
    expected = differences(lambda p: family.constant(p)[0], psi)
    own = family.constant(psi)[1].T
    np.testing.assert_allclose(own, expected.reshape(own.shape), atol=1e-9)


@pytest.mark.parametrize("kind", FAMILIES)
def test_far_tails_are_finite_and_concave(kind: str) -> None:
    family = fit_kind(kind, n_quad=1).prepared.problem.family
    psi = family.start()
    for eta in (-600.0, -50.0, 50.0, 600.0):
        if "binomial" not in kind and kind == "poisson" and eta > 100:
            continue
        terms = family.kernel(np.full(len(family.y), eta), psi, 3)
        assert all(np.all(np.isfinite(term)) for term in terms)
        assert np.all(terms[2] <= 0.0)


CASES = [(kind, name, 1) for kind in FAMILIES for name in STRUCTURES]
CASES += [(kind, "intercept", points) for kind in FAMILIES for points in (2, 5, 9)]


@pytest.mark.parametrize(("kind", "structure", "points"), CASES)
def test_gradient_is_that_of_the_deviance(
    kind: str, structure: str, points: int
) -> None:
    fit = fit_kind(kind, structure)
    problem = replace(fit.prepared.problem, n_quad=points)
    rng = np.random.default_rng(4)
    phi = fit.optimum.phi + 0.2 * rng.normal(size=problem.n_parameters)
    at = evaluate(phi, problem, problem.rest())
    assert at is not None

    def deviance(x: np.ndarray) -> float:
        there = evaluate(x, problem, at.modes)
        assert there is not None
        return there.deviance

    numeric = differences(deviance, phi, 1e-4)
    size = np.max(np.abs(numeric))
    np.testing.assert_allclose(at.gradient, numeric, atol=2e-9 * size)


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("structure", ["slope", "nested", "members", "everything"])
def test_laplace_is_that_of_dense_matrices(kind: str, structure: str) -> None:
    fit = fit_kind(kind, structure)
    assert fit.n_quad == 1
    assert fit.loglik == pytest.approx(laplace_loglik(fit), abs=2e-7)


@pytest.mark.parametrize("kind", FAMILIES)
def test_one_point_is_laplace(kind: str) -> None:
    fit = fit_kind(kind, n_quad=1)
    assert fit.loglik == pytest.approx(laplace_loglik(fit), abs=2e-7)


@pytest.mark.parametrize("kind", FAMILIES)
def test_quadrature_is_the_integral(kind: str) -> None:
    fit = fit_kind(kind, n_quad=60)
    assert fit.loglik == pytest.approx(grid_loglik(fit), abs=1e-8)


def test_quadrature_over_a_slope_is_the_integral() -> None:
    data = make_outcomes("logit", n=42)
    options = {"random": {"id": "0 + t"}, "family": "binomial"}
    fit = fit_glmm(FORMULA, data, n_quad=60, **options)
    assert fit.theta[0] > 0.1
    assert fit.loglik == pytest.approx(grid_loglik(fit), abs=1e-8)


@pytest.mark.parametrize("points", [1, 2, 3, 10, 25, 60, 101, 200])
def test_hermite_rule_integrates_polynomials(points: int) -> None:
    x, log_weight = hermite_rule(points)
    weight = np.exp(log_weight - x * x / 2.0)
    moment = 1.0
    for k in range(0, min(2 * points - 1, 30), 2):
        assert weight @ x**k == pytest.approx(moment, rel=1e-11)
        moment *= k + 1
    np.testing.assert_array_equal(x, -x[::-1])


def test_hermite_weights_keep_digits_in_the_tails() -> None:
    x, log_weight = hermite_rule(40)
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    np.testing.assert_allclose(x, nodes, atol=1e-12)
    expected = np.log(weights / np.sqrt(2.0 * np.pi)) + nodes**2 / 2.0
    np.testing.assert_allclose(log_weight, expected, atol=1e-9)


def test_blocks_are_inverted_together() -> None:
    rng = np.random.default_rng(2)
    roots = rng.normal(size=(7, 4, 4))
    M = roots @ roots.transpose(0, 2, 1) + np.eye(4)
    inverse, log_det = invert_blocks(np.moveaxis(M, 0, -1).copy())
    expected = np.moveaxis(np.linalg.inv(M), 0, -1)
    np.testing.assert_allclose(inverse, expected, atol=1e-12)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(M)[1], atol=1e-12)


def test_solutions_and_leverage_are_those_of_the_whole_matrix() -> None:
    fit = fit_kind("logit", "everything")
    problem = fit.prepared.problem
    s = problem.structure
    rng = np.random.default_rng(3)
    theta = rng.normal(size=s.n_theta)
    op = Operator(s, theta)
    w = rng.random(len(problem.offset)) + 0.1
    factor = op.factor(w)
    size = s.C * s.G + s.q
    A = np.empty((len(w), size))
    for j in range(size):
        unit = np.zeros(size)
        unit[j] = 1.0
        A[:, j] = op.forward((unit[: s.C * s.G].reshape(s.C, s.G), unit[s.C * s.G :]))
    M = A.T @ (A * w[:, None]) + np.eye(size)
    r = rng.normal(size=size)
    own, over = factor.solve((r[: s.C * s.G].reshape(s.C, s.G), r[s.C * s.G :]))
    solved = np.concatenate([own.ravel(), over])
    np.testing.assert_allclose(solved, np.linalg.solve(M, r), atol=1e-10)
    assert factor.log_det == pytest.approx(np.linalg.slogdet(M)[1], abs=1e-9)
    rows = factor.rows()
    leverage = (op.A * rows[0]).sum(axis=0) + (op.B * rows[1]).sum(axis=0)
    expected = np.einsum("ij,ji->i", A, np.linalg.solve(M, A.T))
    np.testing.assert_allclose(leverage, expected, atol=1e-10)
