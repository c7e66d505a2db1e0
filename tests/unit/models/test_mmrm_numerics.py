"""The fast algebra against per-subject loops and finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.models import contrasts, emmeans, fit_mmrm, joint_test
from outcomes.models.design import alias_columns
from outcomes.models.mmrm import kenward_roger, satterthwaite
from outcomes.models.mmrm.covariance import STRUCTURES
from outcomes.models.mmrm.likelihood import Problem, differentiate, evaluate
from outcomes.models.mmrm.patterns import PatternData, compress, group_patterns
from outcomes.models.mmrm.prepare import Prepared, pose, prepare
from outcomes.models.mmrm.results import MmrmFit
from unit.models.trials import make_trial

FORMULA = "change ~ base*week + arm*week + site"


def _fit(covariance: str, **options: Any) -> MmrmFit:
    return fit_mmrm(
        FORMULA,
        make_trial(),
        subject="subject",
        visit="week",
        covariance=covariance,
        **options,
    )


def _problem(fit: MmrmFit, *, reml: bool) -> tuple[Prepared, Problem]:
    frame = fit.design.frame
    subjects = pd.factorize(frame["subject"])[0]
    visits = frame["week"].cat.codes.to_numpy(dtype=np.intp)
    ready = prepare(fit.design, subjects, visits, len(fit.visits))
    structure = STRUCTURES[fit.structure]
    return ready, pose(ready, structure, np.arange(4.0), reml=reml)


class _BruteForce:
    """Textbook sums, one subject at a time, in the columns of the user."""

    def __init__(self, fit: MmrmFit) -> None:
        frame = fit.design.frame
        self.X, self.y = fit.design.X, fit.design.y
        self.visit = frame["week"].cat.codes.to_numpy()
        self.rows = [
            np.flatnonzero(frame["subject"] == s) for s in frame["subject"].unique()
        ]

    def deviance(self, sigma: np.ndarray, *, reml: bool) -> float:
        n, p = self.X.shape
        A, b, c, logdet = np.zeros((p, p)), np.zeros(p), 0.0, 0.0
        for rows in self.rows:
            V = sigma[np.ix_(self.visit[rows], self.visit[rows])]
            W = np.linalg.inv(V)
            X, y = self.X[rows], self.y[rows]
            A, b, c = A + X.T @ W @ X, b + X.T @ W @ y, c + y @ W @ y
            logdet += np.linalg.slogdet(V)[1]
        rest = c - b @ np.linalg.solve(A, b)
        constant = (n - p if reml else n) * np.log(2 * np.pi)
        restricted = np.linalg.slogdet(A)[1] if reml else 0.0
        return float(constant + logdet + restricted + rest)

    def pieces(self, sigma: np.ndarray, first: np.ndarray, second: np.ndarray) -> Any:
        """Phi and P, Q, R of Kenward and Roger (1997)."""
        p, m = self.X.shape[1], len(first)
        A = np.zeros((p, p))
        P = np.zeros((m, p, p))
        Q, R = np.zeros((m, m, p, p)), np.zeros((m, m, p, p))
        for rows in self.rows:
            at = np.ix_(self.visit[rows], self.visit[rows])
            W, X = np.linalg.inv(sigma[at]), self.X[rows]
            A += X.T @ W @ X
            for h in range(m):
                P[h] -= X.T @ W @ first[h][at] @ W @ X
                for j in range(m):
                    Q[h, j] += X.T @ W @ first[h][at] @ W @ first[j][at] @ W @ X
                    R[h, j] += X.T @ W @ second[h, j][at] @ W @ X
        return np.linalg.inv(A), P, Q, R


@pytest.mark.parametrize("covariance", STRUCTURES)
@pytest.mark.parametrize("method", ["reml", "ml"])
def test_log_likelihood_is_the_textbook_sum(covariance: str, method: str) -> None:
    fit = _fit(covariance, method=method)
    slow = _BruteForce(fit).deviance(fit.sigma, reml=method == "reml")
    assert -2 * fit.loglik == pytest.approx(slow, abs=1e-8)


@pytest.mark.parametrize("covariance", STRUCTURES)
@pytest.mark.parametrize("reml", [True, False])
def test_gradient_and_hessian_are_the_derivatives(covariance: str, reml: bool) -> None:
    fit = _fit(covariance)
    _, problem = _problem(fit, reml=reml)
    scale = problem.structure.scale(fit.theta, problem.positions)
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


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_structure_derivatives_are_those_of_sigma(covariance: str) -> None:
    fit = _fit(covariance)
    structure = STRUCTURES[covariance]
    positions = np.array([0.0, 1.0, 3.0, 4.0])  # a visit nobody attended in between
    first = structure.first(fit.theta, positions)
    second = structure.second(fit.theta, positions)
    scale = structure.scale(fit.theta, positions)
    for h in range(len(fit.theta)):
        step = np.zeros_like(fit.theta)
        step[h] = 1e-6 * scale[h]
        up, down = fit.theta + step, fit.theta - step
        slope = structure.sigma(up, positions) - structure.sigma(down, positions)
        np.testing.assert_allclose(
            first[h], slope / (2 * step[h]), rtol=1e-6, atol=1e-7
        )
        bend = structure.first(up, positions) - structure.first(down, positions)
        np.testing.assert_allclose(
            second[h], bend / (2 * step[h]), rtol=1e-6, atol=1e-6
        )
    assert structure.linear == (not np.any(second))


@pytest.mark.parametrize("covariance", STRUCTURES)
@pytest.mark.parametrize("vcov", ["kenward-roger", "kenward-roger-linear"])
def test_kenward_roger_is_the_sum_over_subjects(covariance: str, vcov: str) -> None:
    fit = _fit(covariance, vcov=vcov)
    structure = STRUCTURES[covariance]
    positions = np.arange(4.0)
    Phi, P, Q, R = _BruteForce(fit).pieces(
        fit.sigma,
        structure.first(fit.theta, positions),
        structure.second(fit.theta, positions),
    )
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
    df, scale = kenward_roger.scaled_f(float(A1), float(A2), 3)
    d = L @ fit.beta
    statistic = scale * d @ np.linalg.solve(L @ adjusted @ L.T, d) / 3
    found = kenward_roger.joint(
        L,
        beta=fit.beta,
        cov_beta=fit.cov_model,
        adjusted=fit.cov_inference,
        jacobian=fit.jacobian,
        cov_theta=fit.cov_theta,
    )
    assert found == pytest.approx((statistic, df), rel=1e-8)


def test_one_row_kenward_roger_df_are_satterthwaites() -> None:
    fit = _fit("us")
    row = np.eye(len(fit.beta))[-1:]
    parts = {
        "cov_beta": fit.cov_model,
        "jacobian": fit.jacobian,
        "cov_theta": fit.cov_theta,
    }
    _, df = kenward_roger.joint(row, beta=fit.beta, adjusted=fit.cov_inference, **parts)
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
        df, scale = kenward_roger.scaled_f(A2 * rng.uniform(0, r), A2, r)
        if np.isnan(df):
            some += 1
            assert np.isnan(scale)
        else:
            assert df > 2
            assert scale > 0
    assert 0 < some < 2000
    assert np.isnan(kenward_roger.scaled_f(6.0, 3.0, 3)[0])  # mean 1 / (1 - 3/3)


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
    grouped: PatternData = group_patterns(Z, subjects, visits, 4)
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
