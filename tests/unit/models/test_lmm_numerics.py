"""The linear mixed model against matrices written out in full."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.models import (
    anova,
    contrasts,
    emmeans,
    fit_lmm,
    glance,
    joint_test,
    random_effects,
    tidy,
)
from outcomes.models.mixed.results import LmmFit
from unit.models.lmm_dense import CASES, Dense, dense_of, make_sessions

FORMULA = "y ~ arm*t + x"
# Sums of the same numbers in another order.
EXACT = 1e-10
# Of an optimum: Newton's method ends at the last digits.
OPTIMUM = 1e-6
PRESETS = {"r_lmertest": False, "sas_proc_mixed": True}


@lru_cache(maxsize=8)
def _data(seed: int = 5) -> pd.DataFrame:
    return make_sessions(seed, n=30, visits=6, sites=6, sd=1.5)


def _small() -> pd.DataFrame:
    return make_sessions(1)


@lru_cache(maxsize=256)
def _fit(case: str, seed: int = 5, **options: Any) -> LmmFit:
    data = _small() if seed == 1 else _data(seed)
    return fit_lmm(FORMULA, data, random=CASES[case][0], **options)


def _dense(case: str, fit: LmmFit, seed: int = 5) -> Dense:
    data = _small() if seed == 1 else _data(seed)
    X = np.column_stack(
        [
            np.ones(len(data)),
            data["arm"] == "B",
            data["t"],
            (data["arm"] == "B") * data["t"],
            data["x"],
        ]
    ).astype(float)
    order = ["Intercept", "arm[T.B]", "t", "arm[T.B]:t", "x"]
    return dense_of(fit, data, case, X[:, [order.index(c) for c in fit.terms]])


INNER = sorted(case for case in CASES if case != "three effects")


@pytest.mark.parametrize(("seed", "method"), [(5, "reml"), (1, "reml"), (1, "ml")])
@pytest.mark.parametrize("case", sorted(CASES))
def test_likelihood_coefficients_and_optimum(case: str, seed: int, method: str) -> None:
    fit = _fit(case, seed, method=method)
    model = _dense(case, fit, seed)
    psi = model.psi_of(fit)
    beta, Phi, _ = model.gls(psi)
    assert fit.convergence.converged
    assert fit.loglik == pytest.approx(model.loglik(psi), abs=1e-9)
    np.testing.assert_allclose(fit.beta, beta, rtol=EXACT)
    np.testing.assert_allclose(fit.cov_model, Phi, rtol=1e-9, atol=1e-14)
    # Conditions of a maximum over covariance matrices, at a boundary or not: the
    # gradient S, a matrix, has S C = 0 and no positive eigenvalue.
    score, at = model.score(psi) * psi[-1], 0
    assert score[-1] == pytest.approx(0.0, abs=OPTIMUM)
    for C in model.matrices(psi):
        c = len(C)
        S = np.zeros((c, c))
        S[np.tril_indices(c)] = score[at : at + c * (c + 1) // 2]
        S = (S + S.T) / 2.0
        np.testing.assert_allclose(S @ C / psi[-1], 0.0, atol=OPTIMUM)
        assert np.linalg.eigvalsh(S)[-1] < OPTIMUM
        at += c * (c + 1) // 2


def test_all_cases_but_one_have_an_inner_optimum() -> None:
    # Else the tests below would compare less than they say.
    assert [case for case in sorted(CASES) if _fit(case).boundary] == ["three effects"]
    assert sum(bool(_fit(case, 1).boundary) for case in CASES) > 3


@pytest.mark.parametrize("case", INNER)
def test_satterthwaite(case: str) -> None:
    fit = _fit(case)
    model = _dense(case, fit)
    psi = model.psi_of(fit)
    covariance = np.linalg.inv(model.information(psi, observed=True))
    expected = model.satterthwaite(psi, np.eye(5), covariance=covariance)
    np.testing.assert_allclose(tidy(fit)["df"], expected, rtol=1e-7)


def test_satterthwaite_by_differences_alone() -> None:
    for case in ("correlated slope", "members with slopes"):
        fit = _fit(case)
        model = _dense(case, fit)
        expected = model.satterthwaite(model.psi_of(fit), np.eye(5))
        np.testing.assert_allclose(tidy(fit)["df"], expected, rtol=1e-4)


def test_satterthwaite_under_ml_by_differences() -> None:
    fit = _fit("crossed", method="ml")
    model = _dense("crossed", fit)
    assert not fit.boundary
    expected = model.satterthwaite(model.psi_of(fit), np.eye(5))
    np.testing.assert_allclose(tidy(fit)["df"], expected, rtol=1e-4)


def test_joint_satterthwaite_is_fai_and_cornelius() -> None:
    rng = np.random.default_rng(3)
    L = rng.normal(size=(3, 5))
    for case in ("nested", "members", "everything"):
        fit = _fit(case)
        model = _dense(case, fit)
        psi = model.psi_of(fit)
        beta, Phi, _ = model.gls(psi)
        values, vectors = np.linalg.eigh(L @ Phi @ L.T)
        rows = vectors.T @ L
        covariance = np.linalg.inv(model.information(psi, observed=True))
        nu = model.satterthwaite(psi, rows, covariance=covariance)
        E = np.sum(nu / (nu - 2.0))
        found = joint_test(fit, L).iloc[0]
        assert found.num_df == 3
        assert found.statistic == pytest.approx(np.mean((rows @ beta) ** 2 / values))
        assert found.den_df == pytest.approx(2 * E / (E - 3), rel=1e-7)


@pytest.mark.parametrize(
    ("case", "preset"),
    [(case, "r_lmertest") for case in INNER]
    + [(case, "sas_proc_mixed") for case in ("everything", "factor slope", "members")],
)
def test_kenward_roger(case: str, preset: str) -> None:
    fit = _fit(case, df="kenward-roger", preset=preset)
    model = _dense(case, fit)
    psi = model.psi_of(fit)
    kept = range(len(psi))
    W = np.linalg.inv(model.information(psi, observed=PRESETS[preset]))
    adjusted = model.kenward_roger(psi, W, kept)
    np.testing.assert_allclose(fit.cov_inference, adjusted, rtol=1e-8, atol=1e-13)
    df = model.satterthwaite(psi, np.eye(5), covariance=W)
    np.testing.assert_allclose(tidy(fit)["df"], df, rtol=1e-7)
    L = np.random.default_rng(4).normal(size=(2, 5))
    F, den_df = model.kenward_roger_test(psi, W, kept, L)
    found = joint_test(fit, L).iloc[0]
    assert found.statistic == pytest.approx(F, rel=1e-8)
    assert found.den_df == pytest.approx(den_df, rel=1e-8)


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("case", ["nested", "everything", "factor slope"])
def test_kenward_roger_at_the_boundary(case: str, preset: str) -> None:
    fit = _fit(case, 1, df="kenward-roger", preset=preset)
    assert fit.boundary
    model = _dense(case, fit, 1)
    psi = model.psi_of(fit)
    observed = PRESETS[preset]
    kept = [k for k in range(len(psi)) if not observed or psi[k] != 0.0]
    information = model.information(psi, observed=observed)[np.ix_(kept, kept)]
    if np.linalg.eigvalsh(information)[0] < 0.0:  # beyond the edge lies the maximum
        assert tidy(fit)["p_value"].isna().all()
        return
    W = np.linalg.inv(information)
    adjusted = model.kenward_roger(psi, W, kept)
    np.testing.assert_allclose(fit.cov_inference, adjusted, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_a_variance_of_zero_is_a_model_without_it(df: str) -> None:
    with_, without = (
        fit_lmm(FORMULA, _small(), random=random, df=df, preset="sas_proc_mixed")
        for random in ({"site/id": "1"}, {"site:id": "1"})
    )
    assert with_.boundary == ("the variance of Intercept of site is zero",)
    assert not without.boundary
    assert with_.loglik == pytest.approx(without.loglik, abs=1e-10)
    for column in ("estimate", "std_error", "df", "p_value"):
        np.testing.assert_allclose(tidy(with_)[column], tidy(without)[column], 1e-8)


@pytest.mark.parametrize("case", INNER)
def test_henderson(case: str) -> None:
    fit = _fit(case)
    model = _dense(case, fit)
    effects, estimated, known = model.henderson(model.psi_of(fit))
    table = random_effects(fit)
    np.testing.assert_allclose(table["estimate"], effects, rtol=1e-7, atol=1e-11)
    np.testing.assert_allclose(table["std_error"], estimated, rtol=1e-8)
    with_known = random_effects(fit, fixed="known")
    np.testing.assert_allclose(with_known["std_error"], known, rtol=1e-8)


def test_information_criteria_count_as_lme4_does() -> None:
    fit = _fit("correlated slope", method="ml")
    row = glance(fit).iloc[0]
    assert row.n_parameters == 5 + 3 + 1
    assert row.aic == pytest.approx(-2 * fit.loglik + 18)
    assert row.bic == pytest.approx(-2 * fit.loglik + 9 * np.log(len(_data())))


# Means, contrasts and tests of terms, which are those of any linear fit


def test_means_and_contrasts_by_hand() -> None:
    fit = _fit("crossed", df="kenward-roger")
    model = _dense("crossed", fit)
    psi = model.psi_of(fit)
    beta, _, _ = model.gls(psi)
    W = np.linalg.inv(model.information(psi, observed=False))
    adjusted = model.kenward_roger(psi, W, range(3))
    data = _data()
    at = {"Intercept": 1.0, "t": 2.0, "x": data["x"].mean()}
    rows = []
    for arm in (0.0, 1.0):
        whole = at | {"arm[T.B]": arm, "arm[T.B]:t": 2.0 * arm}
        rows.append([whole[c] for c in fit.terms])
    L = np.array(rows)
    means = emmeans(fit, "arm", at={"t": 2.0})
    np.testing.assert_allclose(means.frame["estimate"], L @ beta)
    errors = np.sqrt(np.diagonal(L @ adjusted @ L.T))
    np.testing.assert_allclose(means.frame["std_error"], errors)
    found = contrasts(means, reference="A").frame.iloc[0]
    row = L[1] - L[0]
    assert found.estimate == pytest.approx(row @ beta)
    assert found.std_error == pytest.approx(np.sqrt(row @ adjusted @ row))
    df = model.satterthwaite(psi, row[None], covariance=W)[0]
    assert found.df == pytest.approx(df, rel=1e-7)


@pytest.mark.parametrize("kind", [2, 3])
@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_tests_of_terms(df: str, kind: int) -> None:
    table = anova(_fit("crossed", df=df), type=kind).set_index("term")
    assert list(table.index) == ["arm", "t", "x", "arm:t"]
    one = tidy(_fit("crossed", df=df)).set_index("term")
    for term, column in {"x": "x", "arm:t": "arm[T.B]:t"}.items():
        assert table.loc[term, "statistic"] == pytest.approx(
            one.loc[column, "statistic"] ** 2
        )
        assert table.loc[term, "p_value"] == pytest.approx(one.loc[column, "p_value"])


def test_rows_that_depend_on_others_count_once() -> None:
    for df in ("satterthwaite", "kenward-roger", "residual", "asymptotic"):
        fit = _fit("crossed", df=df)
        L = np.eye(5)[[1, 2]]
        more = np.vstack([L, L[0] + L[1], 2 * L[1]])
        pd.testing.assert_frame_equal(joint_test(fit, L), joint_test(fit, more))


def test_residual_and_asymptotic_df() -> None:
    assert set(tidy(_fit("crossed", df="residual"))["df"]) == {len(_data()) - 5.0}
    assert np.isinf(tidy(_fit("crossed", df="asymptotic"))["df"]).all()


# Balanced data, where everything has a closed form


def test_one_way_analysis_of_variance() -> None:
    rng = np.random.default_rng(8)
    q, m = 7, 4
    y = rng.normal(size=(q, m)) + 1.5 * rng.normal(size=q)[:, None]
    data = pd.DataFrame({"y": y.ravel(), "g": np.repeat(list("abcdefg"), m)})
    fit = fit_lmm("y ~ 1", data, random={"g": "1"}, df="kenward-roger")
    between = m * np.var(y.mean(axis=1), ddof=1)
    within = np.sum((y - y.mean(axis=1, keepdims=True)) ** 2) / (q * (m - 1))
    assert fit.residual_variance == pytest.approx(within)
    assert fit.covariances[0][0, 0] == pytest.approx((between - within) / m)
    row = tidy(fit).iloc[0]
    assert row.estimate == pytest.approx(y.mean())
    assert row.std_error == pytest.approx(np.sqrt(between / (q * m)))
    assert row.df == pytest.approx(q - 1)


def test_paired_t_test() -> None:
    rng = np.random.default_rng(9)
    n = 12
    y = rng.normal(size=(n, 2)) + rng.normal(size=n)[:, None] + [0.0, 0.8]
    data = pd.DataFrame({"y": y.ravel(), "id": np.repeat(range(n), 2)})
    data["arm"] = ["A", "B"] * n
    gap = y[:, 1] - y[:, 0]
    for df in ("satterthwaite", "kenward-roger"):
        row = tidy(fit_lmm("y ~ arm", data, random={"id": "1"}, df=df)).iloc[1]
        assert row.estimate == pytest.approx(gap.mean())
        assert row.std_error == pytest.approx(gap.std(ddof=1) / np.sqrt(n))
        assert row.df == pytest.approx(n - 1)
