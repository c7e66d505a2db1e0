"""`fit_glmm`: the maximum, its boundary, what it returns and what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from outcomes.models import contrasts, emmeans, joint_test, tidy
from outcomes.models.mixed.glmm.fit import fit_glmm
from outcomes.models.mixed.glmm.objective import evaluate
from unit.models.glmm_trials import (
    FAMILIES,
    FORMULA,
    STRUCTURES,
    dense_effects,
    fit_kind,
    fixed_part,
    grid_loglik,
    log_density,
    make_outcomes,
)


def exact_derivatives(fit: Any, h: float) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and Hessian of the brute-force integral over beta and theta."""
    x = np.concatenate([fit.beta, fit.theta])
    p = len(fit.beta)

    def value(at: np.ndarray) -> float:
        moved = replace(
            fit, beta=at[:p], theta=at[p:], covariances=fit.covariance_of(at[p:])
        )
        return grid_loglik(moved, 801)

    k = len(x)
    gradient, H = np.empty(k), np.empty((k, k))
    unit = h * np.eye(k)
    centre = value(x)
    plus, minus = ([value(x + s * e) for e in unit] for s in (1.0, -1.0))
    for i in range(k):
        gradient[i] = (plus[i] - minus[i]) / (2 * h)
        H[i, i] = (plus[i] - 2 * centre + minus[i]) / h**2
        for j in range(i):
            both = value(x + unit[i] + unit[j]) + value(x - unit[i] - unit[j])
            H[i, j] = both - plus[i] - minus[i] - plus[j] - minus[j] + 2 * centre
            H[i, j] = H[j, i] = H[i, j] / (2 * h**2)
    return gradient, H


@pytest.mark.parametrize("kind", ["logit", "probit of trials", "poisson"])
def test_quadrature_finds_the_exact_maximum_and_its_curvature(kind: str) -> None:
    fit = fit_kind(kind, n_quad=60)
    assert fit.convergence.converged
    gradient, H = exact_derivatives(fit, 2e-3)
    step = np.linalg.solve(H, gradient)
    size = np.sqrt(np.diagonal(fit.cov_joint))
    assert np.max(np.abs(step) / size) < 1e-4  # the error of the differences
    expected = np.sqrt(np.diagonal(np.linalg.inv(-H)))
    np.testing.assert_allclose(size, expected, rtol=1e-4)


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_fit_converges_to_a_zero_gradient(kind: str, structure: str) -> None:
    fit = fit_kind(kind, structure)
    assert fit.convergence.converged, fit.convergence
    assert fit.convergence.gradient_norm < 1e-6
    assert np.all(np.isfinite(fit.cov_joint))


@pytest.mark.parametrize("kind", ["logit", "negative binomial", "cumulative"])
def test_joint_covariance_is_the_inverse_of_a_richardson_hessian(kind: str) -> None:
    fit = fit_kind(kind, "intercept")
    problem, phi = fit.prepared.problem, fit.optimum.phi
    start = fit.optimum.state.at.modes

    def gradient(x: np.ndarray) -> np.ndarray:
        at = evaluate(x, problem, start)
        assert at is not None
        return at.gradient

    rows = []
    for unit in np.eye(len(phi)):
        coarse, fine = (
            (gradient(phi + h * unit) - gradient(phi - h * unit)) / (2 * h)
            for h in (2e-3, 1e-3)
        )
        rows.append((4 * fine - coarse) / 3)
    expected = 2.0 * np.linalg.inv(np.array(rows))
    size = np.sqrt(np.diagonal(expected))
    scaled = (fit.optimum.covariance - expected) / size[:, None] / size
    assert np.max(np.abs(scaled)) < 1e-7


def test_units_of_covariates_change_nothing_else() -> None:
    data = make_outcomes("logit")
    moved = data.assign(t=data.t * 7000.0 + 1e5, x=data.x / 1e4)
    options: dict[str, Any] = {"random": {"id": "0 + t"}, "family": "binomial"}
    plain = fit_glmm("y ~ arm*x", data, **options)
    scaled = fit_glmm("y ~ arm*x", moved.assign(t=data.t * 7000.0), **options)
    assert scaled.loglik == pytest.approx(plain.loglik, abs=1e-9)
    assert scaled.theta[0] * 7000.0 == pytest.approx(plain.theta[0], rel=1e-7)
    ratio = scaled.beta / plain.beta
    np.testing.assert_allclose(ratio, [1, 1, 1e4, 1e4], rtol=1e-6)
    both = [
        fit_glmm("y ~ arm*t", d, random={"id": "1 + t"}, family="binomial")
        for d in (data, moved)
    ]
    assert both[0].loglik == pytest.approx(both[1].loglik, abs=1e-7)


def test_order_of_rows_changes_nothing() -> None:
    data = make_outcomes("logit")
    options: dict[str, Any] = {"random": STRUCTURES["nested"], "family": "binomial"}
    first = fit_glmm(FORMULA, data, **options)
    second = fit_glmm(FORMULA, data.iloc[::-1], **options)
    np.testing.assert_allclose(first.beta, second.beta, rtol=1e-8)
    np.testing.assert_allclose(first.theta, second.theta, rtol=1e-8)


def test_trials_are_as_many_records_of_one() -> None:
    data = make_outcomes("logit of trials", n=40)
    counts = fit_glmm(FORMULA, data, random={"id": "1"}, family="binomial", trials="n")
    long = data.loc[data.index.repeat(data.n)]
    place = long.groupby(level=0).cumcount()
    long = long.assign(y=(place < long.y).astype(int)).reset_index(drop=True)
    single = fit_glmm(FORMULA, long, random={"id": "1"}, family="binomial")
    np.testing.assert_allclose(counts.beta, single.beta, rtol=1e-7)
    size = np.sqrt(np.diagonal(single.cov_joint))
    scaled = (counts.cov_joint - single.cov_joint) / size[:, None] / size
    assert np.max(np.abs(scaled)) < 1e-6
    assert counts.loglik > single.loglik  # binomial coefficients


def test_alike_groups_are_worked_on_once() -> None:
    rng = np.random.default_rng(8)
    n, visits = 400, 3
    subject = np.repeat(np.arange(n), visits)
    week = np.tile(np.arange(visits), n)
    u = rng.normal(size=n)[subject]
    data = pd.DataFrame({"id": subject, "week": week, "arm": subject % 2})
    data["y"] = rng.binomial(1, expit(u + 0.5 * data.arm * week - 0.5))
    data = data[rng.random(len(data)) < 0.9]
    alike = fit_glmm("y ~ arm*week", data, random={"id": "1"}, family="binomial")
    assert alike.prepared.problem.structure.G < 100
    # A covariate without effect on the fit makes every subject different.
    own = data.assign(offset=1e-13 * rng.normal(size=len(data)))
    apart = fit_glmm(
        "y ~ arm*week", own, random={"id": "1"}, family="binomial", offset="offset"
    )
    groups = apart.prepared.problem.structure.G
    assert groups == data.id.nunique()
    assert alike.loglik == pytest.approx(apart.loglik, abs=1e-9)
    np.testing.assert_allclose(alike.beta, apart.beta, atol=1e-8)
    np.testing.assert_allclose(alike.cov_joint, apart.cov_joint, atol=1e-8)
    for name in ("estimate", "std_error"):
        np.testing.assert_allclose(
            getattr(alike.modes()[0], name), getattr(apart.modes()[0], name), atol=1e-7
        )


@pytest.mark.parametrize("kind", ["logit", "negative binomial", "cumulative"])
@pytest.mark.parametrize("structure", ["slope", "everything"])
def test_modes_are_those_of_dense_matrices(kind: str, structure: str) -> None:
    fit = fit_kind(kind, structure)
    A, known = dense_effects(fit), fixed_part(fit)
    estimates, errors = [], []
    for term, modes, sigma in zip(
        fit.terms_random, fit.modes(), fit.covariances, strict=True
    ):
        shown = np.zeros(len(known))
        for member, weight in zip(term.member, term.weights, strict=True):
            shown += weight * (term.values * modes.estimate[member]).sum(axis=1)
        estimates.append(shown)
        errors.append((modes.std_error, sigma))
    eta = known + np.sum(estimates, axis=0)
    h = 1e-4
    low, mid, high = (log_density(fit, eta + k * h) for k in (-1, 0, 1))
    slope, w = (high - low) / (2 * h), -(high - 2 * mid + low) / h**2
    # At the mode, u = (Z Lambda)' l', so the effects of the records are A u.
    np.testing.assert_allclose(A @ (A.T @ slope), eta - known, atol=1e-5)
    M = A.T @ (A * w[:, None]) + np.eye(A.shape[1])
    inverse = np.linalg.inv(M)
    place = 0
    for (std_error, sigma), term in zip(errors, fit.terms_random, strict=True):
        values, vectors = np.linalg.eigh(sigma)
        root = vectors * np.sqrt(np.maximum(values, 0))
        own = place + np.arange(term.c)[None, :] * term.q
        for level in range(term.q):
            block = inverse[np.ix_(own[0] + level, own[0] + level)]
            expected = np.sqrt(np.maximum(np.diagonal(root @ block @ root.T), 0))
            np.testing.assert_allclose(std_error[level], expected, atol=1e-5)
        place += term.q * term.c


def no_variation(n: int = 100, visits: int = 6) -> pd.DataFrame:
    """Fewer ties within subjects than chance has: the variance is at zero."""
    rng = np.random.default_rng(5)
    data = make_outcomes("logit", n, visits).sort_values(["id", "t"])
    halves = [rng.permutation(visits) % 2 for _ in range(n)]
    return data.assign(y=np.concatenate(halves))


@pytest.mark.parametrize("points", [1, 5, 25])
def test_zero_variance_is_returned_and_is_the_model_without(points: int) -> None:
    data = no_variation()
    fit = fit_glmm(
        "y ~ arm*t", data, random={"id": "1"}, family="binomial", n_quad=points
    )
    assert fit.convergence.converged
    assert fit.boundary == ("the variance of Intercept of id is zero",)
    assert fit.theta[0] == 0.0
    X = fit.design.X
    beta = np.zeros(X.shape[1])
    for _ in range(20):
        p = expit(X @ beta)
        information = X.T @ (X * (p * (1 - p))[:, None])
        beta += np.linalg.solve(information, X.T @ (fit.design.y - p))
    np.testing.assert_allclose(fit.beta, beta, atol=1e-9)
    np.testing.assert_allclose(fit.cov_model, np.linalg.inv(information), rtol=1e-6)
    assert np.all(fit.cov_joint[-1] == 0.0)
    assert np.all(fit.modes()[0].estimate == 0.0)


def test_correlation_of_one_is_returned_and_named() -> None:
    data = make_outcomes("logit", 80, 3, seed=11, sd=0.3)
    fit = fit_glmm("y ~ arm*t", data, random={"id": "1 + t"}, family="binomial")
    assert fit.convergence.converged
    covariance = fit.random_covariance["id"].to_numpy()
    assert abs(np.linalg.det(covariance)) < 1e-12
    assert fit.boundary
    assert np.all(np.isfinite(fit.cov_model))


def test_start_at_a_saddle_is_left() -> None:
    from outcomes.models.mixed.glmm.maximise import maximise

    fit = fit_kind("logit", "nested")
    problem = fit.prepared.problem
    phi = fit.optimum.phi.copy()
    phi[: problem.structure.n_theta] = 0.0
    found = maximise(problem, phi)
    assert found is not None
    assert not found.message
    np.testing.assert_allclose(
        found.state.at.deviance, fit.optimum.state.at.deviance, atol=1e-8
    )


def test_separation_names_the_term() -> None:
    data = make_outcomes("logit")
    data.loc[(data.arm == "B") & (data.visit == "W4"), "y"] = 1
    fit = fit_glmm("y ~ arm*visit", data, random={"id": "1"}, family="binomial")
    assert not fit.convergence.converged
    assert "separation" in fit.convergence.messages[0]
    assert "'W4'" in fit.convergence.messages[0]


def test_levels_without_variation_have_no_finite_variance() -> None:
    data = make_outcomes("logit")
    chosen = np.random.default_rng(3).random(data.id.nunique()) < 0.5
    codes = data.id.astype("category").cat.codes
    data = data.assign(y=chosen[codes].astype(int))
    fit = fit_glmm("y ~ arm", data, random={"id": "1"}, family="binomial")
    assert not fit.convergence.converged
    assert "hardly vary within levels" in fit.convergence.messages[0]


def test_a_poor_approximation_of_the_integral_is_told() -> None:
    data = make_outcomes("logit", 120, 6, sd=8.0)
    options: dict[str, Any] = {"random": {"id": "1"}, "family": "binomial"}
    laplace = fit_glmm("y ~ arm*t", data, n_quad=1, **options)
    assert any("Laplace's approximation" in m for m in laplace.convergence.messages)
    points = fit_glmm("y ~ arm*t", data, n_quad=25, **options)
    assert any("25 quadrature points are few" in m for m in points.convergence.messages)
    settled = fit_glmm("y ~ arm*t", data, **options)
    assert settled.n_quad > 25
    assert not any("points are few" in m for m in settled.convergence.messages)
    many = fit_glmm("y ~ arm*t", data, n_quad=200, **options)
    gap, before = (abs(each.loglik - many.loglik) for each in (settled, points))
    assert gap < 0.01 < before
    many = fit_glmm("y ~ arm*t", data, n_quad=150, **options)
    assert many.convergence.messages == ()
    assert many.loglik == pytest.approx(grid_loglik(many), abs=1e-5)
    assert fit_kind("logit").convergence.messages == ()


def test_cell_of_zero_counts_runs_off() -> None:
    data = make_outcomes("poisson")
    data.loc[(data.arm == "B") & (data.visit == "W4"), "y"] = 0
    fit = fit_glmm("y ~ arm*visit", data, random={"id": "1"}, family="poisson")
    assert not fit.convergence.converged
    assert "run off" in " ".join(fit.convergence.messages)


def test_no_overdispersion_is_a_poisson_model() -> None:
    data = make_outcomes("poisson")
    mean = data.groupby("id").y.transform("mean").round()
    data = data.assign(y=mean + (data.index % 2))
    options: dict[str, Any] = {"random": {"id": "1"}, "n_quad": 9}
    negative = fit_glmm("y ~ arm", data, family="negative-binomial", **options)
    poisson = fit_glmm("y ~ arm", data, family="poisson", **options)
    assert negative.dispersion == np.inf
    assert "dispersion" in negative.boundary[0]
    np.testing.assert_allclose(negative.beta, poisson.beta, rtol=1e-9)


def test_offset_moves_the_intercept() -> None:
    data = make_outcomes("poisson")
    plain = fit_glmm(FORMULA, data, random={"id": "1"}, family="poisson")
    moved = fit_glmm(
        FORMULA,
        data.assign(log_time=np.log(2.0)),
        random={"id": "1"},
        family="poisson",
        offset="log_time",
    )
    change = np.zeros(len(plain.beta))
    change[0] = -np.log(2.0)
    np.testing.assert_allclose(moved.beta, plain.beta + change, atol=1e-8)


def test_two_categories_of_a_cumulative_model_are_a_logistic_one() -> None:
    from outcomes.models.mixed.glmm.ordinal import CumulativeLogit

    fit = fit_kind("logit", n_quad=1)
    problem = fit.prepared.problem
    family = CumulativeLogit(problem.family.y.astype(int), 2, np.array([0.5, 0.5]))
    theta, beta, _ = problem.split(fit.optimum.phi)
    cut = replace(problem, family=family)
    at = evaluate(np.concatenate([theta, beta, [0.0]]), cut, cut.rest())
    assert at is not None
    assert at.deviance == pytest.approx(-2.0 * fit.loglik, abs=1e-9)


def test_thresholds_stand_for_the_intercept() -> None:
    data = make_outcomes("cumulative")
    number = fit_glmm(FORMULA, data, random={"id": "1"}, family="cumulative")
    assert list(number.thresholds) == ["1|2", "2|3", "3|4"]
    assert np.all(np.diff(list(number.thresholds.values())) > 0)
    assert "Intercept" not in number.estimated_terms
    moved = fit_glmm(
        FORMULA, data.assign(x=data.x + 5), random={"id": "1"}, family="cumulative"
    )
    shift = 5.0 * number.beta[list(number.estimated_terms).index("x")]
    np.testing.assert_allclose(
        list(moved.thresholds.values()),
        np.array(list(number.thresholds.values())) + shift,
        atol=1e-7,
    )
    floats = fit_glmm(
        FORMULA, data.assign(y=data.y * 1.0), random={"id": "1"}, family="cumulative"
    )
    assert list(floats.thresholds) == ["1|2", "2|3", "3|4"]
    names = ["low", "some", "much", "most"]
    labels = pd.Categorical.from_codes(data.y - 1, names, ordered=True)
    words = fit_glmm(
        FORMULA, data.assign(y=labels), random={"id": "1"}, family="cumulative"
    )
    assert list(words.thresholds) == ["low|some", "some|much", "much|most"]
    np.testing.assert_allclose(words.beta, number.beta, rtol=1e-10)
    frame = tidy(number).set_index("term")
    assert np.isnan(frame.loc["Intercept", "estimate"])
    assert np.all(np.isfinite(frame.drop("Intercept")["std_error"]))
    found = contrasts(emmeans(number, "arm"), reference="A").frame
    assert np.all(np.isfinite(found.estimate))


def test_between_within_degrees_of_freedom() -> None:
    data = make_outcomes("logit")
    fit = fit_glmm(
        "y ~ arm*t", data, random={"id": "1"}, family="binomial", df="between-within"
    )
    df = tidy(fit).set_index("term").df
    n, N = len(data), data.id.nunique()
    assert df["arm[T.B]"] == N - 2
    assert df["t"] == df["arm[T.B]:t"] == n - N - 2
    test = joint_test(fit, np.eye(4)[1:]).iloc[0]
    assert (test.num_df, test.den_df) == (3, N - 2)
    plain = tidy(fit_glmm("y ~ arm*t", data, random={"id": "1"}, family="binomial"))
    assert np.all(np.isinf(plain.df))


def test_exclusions_are_counted() -> None:
    data = make_outcomes("logit")
    data.loc[:4, "y"] = np.nan
    data.loc[5:7, "x"] = np.nan
    fit = fit_glmm(
        FORMULA, data, random={"id": "1"}, family="binomial", missing="exclude"
    )
    assert fit.excluded == {"y is missing": 5, "x is missing": 3}
    assert (fit.n_excluded, fit.n_records) == (8, len(data) - 8)
    assert fit.n_subjects == fit.n_groups["id"] == data.id.nunique()


def test_default_points_are_25_for_one_effect_and_laplace_otherwise() -> None:
    assert fit_kind("logit", "intercept").n_quad == 25
    assert fit_kind("logit", "slope").n_quad == 1
    assert fit_kind("logit", "members").n_quad == 1
    assert "25 quadrature points" in repr(fit_kind("logit", "intercept"))
    assert "Laplace" in repr(fit_kind("logit", "slope"))


def test_names_and_shapes_of_the_joint_covariance_agree() -> None:
    fit = fit_kind("cumulative", "everything")
    assert fit.cov_parameters.shape == (len(fit.parameters),) * 2
    k = len(fit.beta) + len(fit.theta) + len(fit.psi)
    assert fit.cov_joint.shape == (k, k)
    np.testing.assert_allclose(fit.cov_joint, fit.cov_joint.T)
    for own, same in zip(fit.covariance_of(fit.theta), fit.covariances, strict=True):
        np.testing.assert_array_equal(own, same)


def test_aliased_columns_are_named() -> None:
    data = make_outcomes("logit").assign(copy=lambda d: 2 * d.x)
    fit = fit_glmm("y ~ arm*t + x + copy", data, random={"id": "1"}, family="binomial")
    assert fit.aliased == ("copy",)
    assert len(fit.beta) == 5
