"""The fast algebra against per-subject loops and finite differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.models import (
    contrasts,
    emmeans,
    fit_mmrm,
    joint_test,
    satterthwaite,
    scaled_f,
)
from outcomes.models.estimable import alias_columns
from outcomes.models.inference import evaluate_rows
from outcomes.models.mmrm.covariance import STRUCTURES
from outcomes.models.mmrm.likelihood import differentiate, evaluate
from outcomes.models.mmrm.patterns import PatternData, compress, group_patterns
from outcomes.models.mmrm.results import MmrmFit
from unit.models.trials import make_trial

FORMULA = "change ~ base*week + arm*week + site"
PLAIN = {name: {} for name in STRUCTURES if name != "sp_exp"}
# Every structure, then groups, weights, coordinates and all of them together.
KINDS: dict[str, dict[str, Any]] = {
    **PLAIN,
    "sp_exp": {"coordinates": "week_number"},
    "us by arm": {"covariance": "us", "group": "arm"},
    "adh by arm": {"covariance": "adh", "group": "arm"},
    "us weighted": {"covariance": "us", "weights": "weight"},
    "sp_exp individual": {"covariance": "sp_exp", "coordinates": "day"},
    "sp_exp in two dimensions": {
        "covariance": "sp_exp",
        "coordinates": ["day", "hour"],
        "group": "arm",
        "weights": "weight",
    },
}


def _data() -> pd.DataFrame:
    data = make_trial()
    rng = np.random.default_rng(8)
    data["week_number"] = data["week"].to_numpy(dtype=float)
    data["day"] = 7 * data["week_number"] + rng.integers(-2, 3, len(data))
    data["hour"] = rng.uniform(0, 24, len(data))
    data["weight"] = rng.uniform(0.4, 2.5, len(data))
    return data


def _fit(kind: str, **options: Any) -> MmrmFit:
    options = {"covariance": kind, **KINDS[kind], **options}
    return fit_mmrm(FORMULA, _data(), subject="subject", visit="week", **options)


class _BruteForce:
    """Textbook sums, one subject at a time, in the columns of the user."""

    def __init__(self, fit: MmrmFit) -> None:
        frame = fit.design.frame
        self.structure = STRUCTURES[fit.structure]
        self.X, self.y = fit.design.X, fit.design.y
        self.weight = frame[fit.weights] if fit.weights else np.ones(len(frame))
        visit = frame["week"].cat.codes.to_numpy(dtype=float)[:, None]
        self.place = frame[list(fit.coordinates)] if fit.coordinates else visit
        self.place = np.asarray(self.place, dtype=float)
        self.visit = visit[:, 0].astype(int)
        group = frame[fit.group] if fit.group else np.zeros(len(frame))
        self.group = np.searchsorted(np.unique(group), group)
        self.n_groups = len(np.unique(group))
        self.rows = [
            np.flatnonzero(frame["subject"] == s) for s in frame["subject"].unique()
        ]

    def matrices(self, theta: np.ndarray) -> Any:
        """Rows, weighted covariance of one subject and its derivatives, in turn."""
        m = len(theta) // self.n_groups
        for rows in self.rows:
            g = self.group[rows[0]]
            mine = theta[g * m : (g + 1) * m]
            at = np.arange(len(rows))
            place = self.place[rows]
            if not self.structure.spatial:
                at, place = self.visit[rows], np.arange(4.0)[:, None]
            apart = np.linalg.norm(place[:, None] - place[None], axis=2)
            root = 1 / np.sqrt(np.asarray(self.weight)[rows])
            scale = np.outer(root, root)
            V = self.structure.sigma(mine, apart)[np.ix_(at, at)] * scale
            first = np.zeros((len(theta), *V.shape))
            second = np.zeros((len(theta), len(theta), *V.shape))
            own = slice(g * m, (g + 1) * m)
            pick = np.ix_(range(m), at, at)
            first[own] = self.structure.first(mine, apart)[pick] * scale
            pick = np.ix_(range(m), range(m), at, at)
            second[own, own] = self.structure.second(mine, apart)[pick] * scale
            yield rows, V, first, second

    def deviance(self, theta: np.ndarray, *, reml: bool) -> float:
        n, p = self.X.shape
        A, b, c, logdet = np.zeros((p, p)), np.zeros(p), 0.0, 0.0
        for rows, V, _, _ in self.matrices(theta):
            W = np.linalg.inv(V)
            X, y = self.X[rows], self.y[rows]
            A, b, c = A + X.T @ W @ X, b + X.T @ W @ y, c + y @ W @ y
            logdet += np.linalg.slogdet(V)[1]
        rest = c - b @ np.linalg.solve(A, b)
        constant = (n - p if reml else n) * np.log(2 * np.pi)
        restricted = np.linalg.slogdet(A)[1] if reml else 0.0
        return float(constant + logdet + restricted + rest)

    def pieces(self, theta: np.ndarray) -> Any:
        """Phi and P, Q, R of Kenward and Roger (1997)."""
        p, m = self.X.shape[1], len(theta)
        A = np.zeros((p, p))
        P = np.zeros((m, p, p))
        Q, R = np.zeros((m, m, p, p)), np.zeros((m, m, p, p))
        for rows, V, first, second in self.matrices(theta):
            W, X = np.linalg.inv(V), self.X[rows]
            A += X.T @ W @ X
            for h in range(m):
                P[h] -= X.T @ W @ first[h] @ W @ X
                for j in range(m):
                    Q[h, j] += X.T @ W @ first[h] @ W @ first[j] @ W @ X
                    R[h, j] += X.T @ W @ second[h, j] @ W @ X
        return np.linalg.inv(A), P, Q, R


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["reml", "ml"])
def test_log_likelihood_is_the_textbook_sum(kind: str, method: str) -> None:
    fit = _fit(kind, method=method)
    assert fit.convergence.converged
    slow = _BruteForce(fit).deviance(fit.theta, reml=method == "reml")
    assert -2 * fit.loglik == pytest.approx(slow, abs=1e-8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reml", [True, False])
def test_gradient_and_hessian_are_the_derivatives(kind: str, reml: bool) -> None:
    fit = _fit(kind)
    problem = replace(fit.problem, reml=reml)
    scale = problem.scale(fit.theta)
    rng = np.random.default_rng(3)
    theta = fit.theta + 0.05 * scale * rng.standard_normal(len(scale))
    at = evaluate(theta, problem)
    assert at is not None
    exact = differentiate(theta, at, problem)

    def shifted(h: int, sign: int) -> Any:
        there = theta.copy()
        there[h] += sign * 1e-5 * scale[h]
        found = evaluate(there, problem)
        assert found is not None
        return found, differentiate(there, found, problem)

    for h in range(len(theta)):
        (up, d_up), (down, d_down) = shifted(h, 1), shifted(h, -1)
        width = 2e-5 * scale[h]
        slope = (up.deviance - down.deviance) / width
        assert exact.gradient[h] == pytest.approx(slope, rel=1e-6, abs=1e-5 / scale[h])
        np.testing.assert_allclose(
            exact.hessian[h] * scale[h] * scale,
            (d_up.gradient - d_down.gradient) / width * scale[h] * scale,
            rtol=1e-6,
            atol=1e-6 * np.max(np.abs(exact.hessian * np.outer(scale, scale))),
        )
        jacobian = (up.Phi - down.Phi) / width
        np.testing.assert_allclose(
            exact.jacobian[h], jacobian, rtol=1e-5, atol=1e-7 * np.max(np.abs(jacobian))
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("vcov", ["kenward-roger", "kenward-roger-linear"])
def test_kenward_roger_is_the_sum_over_subjects(kind: str, vcov: str) -> None:
    fit = _fit(kind, vcov=vcov)
    Phi, P, Q, R = _BruteForce(fit).pieces(fit.theta)
    w = fit.cov_theta
    inner = np.einsum("hj,hjab->ab", w, Q)
    inner -= np.einsum("hj,hab,bc,jcd->ad", w, P, Phi, P)
    if vcov == "kenward-roger":
        inner -= 0.25 * np.einsum("hj,hjab->ab", w, R)
    adjusted = Phi + 2 * Phi @ inner @ Phi
    size = np.sqrt(np.outer(np.diag(adjusted), np.diag(adjusted)))
    np.testing.assert_allclose(fit.cov_inference / size, adjusted / size, atol=1e-9)
    np.testing.assert_allclose(
        fit.jacobian, -Phi @ P @ Phi, atol=1e-9 * np.max(np.abs(Phi @ P @ Phi))
    )
    # The F test by the formulas of the paper
    L = np.eye(len(Phi))[-3:]
    Theta = L.T @ np.linalg.inv(L @ Phi @ L.T) @ L
    TP = np.einsum("ab,bc,hcd,de->hae", Theta, Phi, P, Phi)
    A1 = np.einsum("hj,h,j", w, np.trace(TP, 0, 1, 2), np.trace(TP, 0, 1, 2))
    A2 = np.einsum("hj,hab,jba", w, TP, TP)
    df, scale = scaled_f.scaled_f(float(A1), float(A2), 3)
    d = L @ fit.beta
    statistic = scale * d @ np.linalg.solve(L @ adjusted @ L.T, d) / 3
    found = scaled_f.joint(
        L,
        beta=fit.beta,
        cov_beta=fit.cov_model,
        adjusted=fit.cov_inference,
        jacobian=fit.jacobian,
        cov_theta=fit.cov_theta,
    )
    assert found == pytest.approx((statistic, df), rel=1e-8)


@pytest.mark.parametrize(
    "kind", ["us", "toep", "csh", "cs", "ad", "sp_exp", "sp_exp individual"]
)
def test_kenward_roger_in_the_free_parameters_by_differences(kind: str) -> None:
    # The R term from second differences of Sigma and the covariance of the parameters
    # from a numerical Jacobian: nothing of the analytic transformation is used.
    fit = _fit(kind, vcov="kenward-roger-mmrm")
    linear = _fit(kind, vcov="kenward-roger-linear")
    slow = _BruteForce(fit)
    structure = STRUCTURES[fit.structure]
    K = 4
    apart = np.abs(np.arange(K)[:, None] - np.arange(K)).astype(float)
    thetas = np.split(fit.theta, slow.n_groups)
    eta = np.concatenate([structure.to_free(own, apart) for own in thetas])

    def natural(free: np.ndarray) -> np.ndarray:
        parts = np.split(free, slow.n_groups)
        return np.concatenate([structure.from_free(own, apart) for own in parts])

    steps = 1e-4 * np.eye(len(eta))
    J = np.array([(natural(eta + s) - natural(eta - s)) / 2e-4 for s in steps]).T
    w = np.linalg.inv(J) @ fit.cov_theta @ np.linalg.inv(J).T
    Phi = fit.cov_model
    R = np.zeros_like(Phi)
    covariances: dict[tuple[int, int], list[np.ndarray]] = {}
    for a, one in enumerate(steps):
        for b, other in enumerate(steps):
            moved = [one + other, one - other, other - one, -one - other]
            covariances[a, b] = [
                [V for _, V, _, _ in slow.matrices(natural(eta + move))]
                for move in moved
            ]
    for i, (rows, V, _, _) in enumerate(slow.matrices(fit.theta)):
        bent = sum(
            w[a, b] * (V4[0][i] - V4[1][i] - V4[2][i] + V4[3][i]) / 4e-8
            for (a, b), V4 in covariances.items()
        )
        U = np.linalg.solve(V, slow.X[rows])
        R += U.T @ bent @ U
    expected = linear.cov_inference - 0.5 * Phi @ R @ Phi
    size = np.sqrt(np.outer(np.diag(Phi), np.diag(Phi)))
    np.testing.assert_allclose(fit.cov_inference / size, expected / size, atol=2e-6)
    # As large a difference as there is to see
    assert np.max(np.abs(fit.cov_inference - linear.cov_inference) / size) > 2e-4


def test_individual_coordinates_give_what_shared_ones_do() -> None:
    data = _data()
    shared = _fit("sp_exp")
    # One subject elsewhere makes all distances individual; its weight is next to none.
    data.loc[data["subject"] == data["subject"].iloc[0], "week_number"] *= 1.0 + 1e-12
    alone = fit_mmrm(
        FORMULA,
        data,
        subject="subject",
        visit="week",
        covariance="sp_exp",
        coordinates="week_number",
    )
    assert not shared.problem.parts[0].individual
    assert alone.problem.parts[0].individual
    assert alone.loglik == pytest.approx(shared.loglik, abs=1e-9)
    np.testing.assert_allclose(alone.theta, shared.theta, rtol=1e-9)
    np.testing.assert_allclose(alone.cov_theta, shared.cov_theta, rtol=1e-8)
    np.testing.assert_allclose(alone.cov_inference, shared.cov_inference, rtol=1e-9)


@pytest.mark.parametrize("vcov", ["cr0", "cr2", "cr3"])
@pytest.mark.parametrize("kind", ["us", "adh by arm", "sp_exp in two dimensions"])
def test_sandwich_is_the_sum_over_subjects(kind: str, vcov: str) -> None:
    fit = _fit(kind, df="satterthwaite", vcov=vcov)
    slow = _BruteForce(fit)
    X, n = slow.X, len(slow.y)
    whole = np.zeros((n, n))  # block diagonal C with C C' = V^-1, C lower
    for rows, V, _, _ in slow.matrices(fit.theta):
        whole[np.ix_(rows, rows)] = np.linalg.cholesky(np.linalg.inv(V))
    x, e = whole.T @ X, whole.T @ (slow.y - X @ fit.beta)
    Phi = np.linalg.inv(x.T @ x)
    left = np.eye(n) - x @ Phi @ x.T
    meat = np.zeros_like(Phi)
    g = []
    row = np.zeros(len(Phi))
    row[[3, -1]] = 1.0, -2.0
    for rows in slow.rows:
        values, vectors = np.linalg.eigh(left[np.ix_(rows, rows)])
        power = {"cr0": 0.0, "cr2": -0.5, "cr3": -1.0}[vcov]
        A = (vectors * values**power) @ vectors.T
        score = x[rows].T @ A @ e[rows]
        meat += np.outer(score, score)
        g.append(left[:, rows] @ A @ x[rows] @ Phi @ row)
    size = np.sqrt(np.outer(np.diag(Phi), np.diag(Phi)))
    np.testing.assert_allclose(
        fit.cov_inference / size, Phi @ meat @ Phi / size, atol=1e-9
    )
    G = np.array(g) @ np.array(g).T
    df = evaluate_rows(fit, row[None]).df[0]
    assert df == pytest.approx(np.trace(G) ** 2 / np.sum(G**2), rel=1e-9)


def test_one_row_kenward_roger_df_are_satterthwaites() -> None:
    fit = _fit("us")
    row = np.eye(len(fit.beta))[-1:]
    parts = {
        "cov_beta": fit.cov_model,
        "jacobian": fit.jacobian,
        "cov_theta": fit.cov_theta,
    }
    _, df = scaled_f.joint(row, beta=fit.beta, adjusted=fit.cov_inference, **parts)
    assert df == pytest.approx(float(satterthwaite.row_df(row, **parts)[0]), rel=1e-12)


def test_kenward_roger_says_where_no_f_exists() -> None:
    # Complete data: Hotelling's test with n - 4 degrees of freedom, defined above 2.
    for n, exists in ((5, False), (6, False), (7, True), (8, True), (9, True)):
        data = make_trial(n=n, arms=("all",), dropout=0.0, gaps=0.0)
        fit = fit_mmrm("change ~ 0 + week", data, subject="subject", visit="week")
        found = joint_test(fit, np.eye(4))
        row = found.iloc[0]
        assert row["num_df"] == 4
        numbers = row[["statistic", "den_df", "p_value"]]
        if exists:
            assert found.attrs["reason"] == ""
            assert row["den_df"] == pytest.approx(n - 4, rel=1e-8)
            assert row["statistic"] > 0
            assert 0 < row["p_value"] < 1
        else:
            assert numbers.isna().all()
            assert "too few subjects" in found.attrs["reason"]


@pytest.mark.parametrize("seed", [91, 136])
def test_kenward_roger_never_gives_a_negative_f(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, K = int(rng.integers(5, 10)), int(rng.integers(3, 6))
    arm = np.array(["A", "B"])[np.arange(n) % 2]
    data = pd.DataFrame(
        {
            "subject": np.repeat(np.arange(n), K),
            "week": np.tile(np.arange(K), n),
            "arm": np.repeat(arm, K),
        }
    )
    data["change"] = np.repeat(rng.normal(0, 2, n), K) + rng.normal(0, 2, n * K)
    data = data[rng.random(len(data)) > 0.2]
    fit = fit_mmrm("change ~ arm*week", data, subject="subject", visit="week")
    differences = contrasts(emmeans(fit, "arm", by="week"), reference="A")
    found = joint_test(differences)
    assert found[["statistic", "den_df", "p_value"]].isna().all(axis=None)
    assert "does not exist" in found.attrs["reason"]


def test_moments_that_no_f_distribution_has() -> None:
    rng = np.random.default_rng(3)
    some = 0
    for _ in range(2000):
        r = int(rng.integers(2, 8))
        A2 = rng.exponential(1.0)
        df, scale = scaled_f.scaled_f(A2 * rng.uniform(0, r), A2, r)
        if np.isnan(df):
            some += 1
            assert np.isnan(scale)
        else:
            assert df > 2
            assert scale > 0
    assert 0 < some < 2000
    assert np.isnan(scaled_f.scaled_f(6.0, 3.0, 3)[0])  # mean 1 / (1 - 3/3)


def test_equal_df_are_not_inflated_when_combined() -> None:
    assert satterthwaite.combine_df(np.array([20.0, 20.0, 20.0])) == 20.0
    assert satterthwaite.combine_df(np.array([1.5, 30.0])) == 2.0


def test_compression_keeps_all_sums_of_products() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((400, 3, 5))
    rows[:, :, 0] = 1.0
    rows[:, :, 1] = rng.standard_normal((400, 1))  # a baseline covariate
    rows[:, 1:, 2] = 0.0
    small = compress(rows)
    # 1 intercept, 1 baseline, 1 + 3 + 3 others: nothing more is needed
    assert len(small) == 9
    for one, other in ((rows.reshape(400, -1), small.reshape(len(small), -1)),):
        np.testing.assert_allclose(one.T @ one, other.T @ other, atol=1e-9)


def test_patterns_count_every_subject_once() -> None:
    data = make_trial(n=300)
    visits = np.searchsorted([1, 2, 4, 8], data["week"].to_numpy())
    subjects = pd.factorize(data["subject"])[0]
    Z = np.column_stack([np.ones(len(data)), data["base"], data["change"]])
    grouped: PatternData = group_patterns(
        Z, subjects, visits, distance=np.zeros((4, 4))
    )
    assert grouped.counts.sum() == data["subject"].nunique()
    assert grouped.n_records == len(data)
    assert len(grouped.Z) < data["subject"].nunique() / 2
    flat = grouped.Z.reshape(-1, 3)
    np.testing.assert_allclose(flat.T @ flat, Z.T @ Z, rtol=1e-12)


def test_aliased_columns_are_found_in_column_order() -> None:
    rng = np.random.default_rng(5)
    X = rng.standard_normal((30, 5))
    X[:, 2] = X[:, 0] - 2 * X[:, 1]
    X[:, 4] = 1e6 * X[:, 2] + X[:, 3]
    assert list(alias_columns(X)) == [False, False, True, False, True]
    assert list(alias_columns(X[:, ::-1])) == [False, False, True, False, True]


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_a_large_offset_of_a_covariate_costs_no_digits(shift: float) -> None:
    data = make_trial()
    data["base"] += shift
    fit = fit_mmrm("change ~ base + arm*week", data, subject="subject", visit="week")
    plain = fit_mmrm(
        "change ~ base + arm*week", make_trial(), subject="subject", visit="week"
    )
    assert fit.aliased == ()
    np.testing.assert_allclose(fit.sigma, plain.sigma, rtol=1e-8)
    np.testing.assert_allclose(fit.beta[1:], plain.beta[1:], rtol=1e-7)
    np.testing.assert_allclose(
        np.diag(fit.cov_inference)[1:], np.diag(plain.cov_inference)[1:], rtol=1e-7
    )
