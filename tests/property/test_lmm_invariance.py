"""What must not change a linear mixed model, and that nothing beats its likelihood."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcomes.models import fit_lmm, joint_test, random_effects, tidy
from outcomes.models.mixed.results import LmmFit
from unit.models.lmm_dense import CASES, dense_of, make_sessions

FORMULA = "y ~ arm*t + x"
STATISTICS = ["estimate", "std_error", "df", "p_value"]
FEW = settings(max_examples=7, deadline=None, derandomize=True)
cases = st.sampled_from(sorted(CASES))
dfs = st.sampled_from(["satterthwaite", "kenward-roger"])
seeds = st.integers(1, 6)
# Random effects that no unit of a covariate touches.
PLAIN = ["crossed", "interaction", "members", "nested"]


@lru_cache(maxsize=64)
def _data(seed: int) -> pd.DataFrame:
    return make_sessions(seed, n=16, visits=4)


@lru_cache(maxsize=256)
def _plain(case: str, seed: int, df: str) -> LmmFit:
    return _fit(_data(seed), case, df)


def _fit(data: pd.DataFrame, case: str, df: str) -> LmmFit:
    return fit_lmm(FORMULA, data, random=CASES[case][0], df=df)


def _assert_same(found: LmmFit, fit: LmmFit, *, rel: float = 1e-5) -> None:
    assert found.boundary == fit.boundary
    assert found.loglik == pytest.approx(fit.loglik, abs=1e-7)
    ours, theirs = (tidy(each).set_index("term")[STATISTICS] for each in (found, fit))
    np.testing.assert_allclose(ours.loc[theirs.index], theirs, rtol=rel, atol=1e-9)


@FEW
@given(cases, seeds, dfs, st.randoms(use_true_random=False))
def test_order_and_names(case: str, seed: int, df: str, random: object) -> None:
    data, fit = _data(seed), _plain(case, seed, df)
    rng = np.random.default_rng(random.randrange(2**32))  # type: ignore[attr-defined]
    shuffled = data.iloc[rng.permutation(len(data))]
    shuffled = shuffled[list(rng.permutation(data.columns))]
    for name in ("id", "site"):
        levels = sorted(data[name].unique())
        other = dict(zip(levels, rng.permutation(len(levels)), strict=True))
        shuffled[name] = shuffled[name].map(other)
    found = _fit(shuffled, case, df)
    _assert_same(found, fit)
    for a, b in zip(found.covariances, fit.covariances, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@FEW
@given(cases, seeds, dfs, st.sampled_from([1e-6, 1e-3, 1e3, 1e6]), st.booleans())
def test_unit_and_origin_of_the_outcome(
    case: str, seed: int, df: str, unit: float, moved: bool
) -> None:
    data, fit = _data(seed), _plain(case, seed, df)
    offset = 1e6 if moved else 0.0
    found = _fit(data.assign(y=unit * (data["y"] + offset)), case, df)
    assert found.boundary == fit.boundary
    ours, theirs = tidy(found), tidy(fit)
    change = np.where(theirs["term"] == "Intercept", unit * offset, 0.0)
    np.testing.assert_allclose(
        (ours["estimate"] - change) / unit, theirs["estimate"], rtol=1e-6, atol=1e-6
    )
    for name in ("df", "std_error"):
        scaled = unit if name == "std_error" else 1.0
        np.testing.assert_allclose(ours[name] / scaled, theirs[name], rtol=1e-4)
    for a, b in zip(found.covariances, fit.covariances, strict=True):
        np.testing.assert_allclose(a / unit**2, b, rtol=1e-3, atol=1e-5)
    jacobian = (len(data) - 5) * np.log(unit)
    assert found.loglik + jacobian == pytest.approx(fit.loglik, abs=1e-5)


@FEW
@given(st.sampled_from(PLAIN), seeds, dfs, st.sampled_from([1e-8, 1e-3, 1e5, 1e9]))
def test_unit_of_a_covariate(case: str, seed: int, df: str, unit: float) -> None:
    data, fit = _data(seed), _plain(case, seed, df)
    found = _fit(data.assign(x=unit * data["x"], t=data["t"] * unit), case, df)
    for name in ("df", "statistic"):
        np.testing.assert_allclose(tidy(found)[name], tidy(fit)[name], rtol=1e-5)
    L = np.eye(5)[1:]
    ours, theirs = joint_test(found, L), joint_test(fit, L)
    # Fai and Cornelius rest on eigenvalues of rows, whose lengths are units.
    same = ["statistic"] if df == "satterthwaite" else list(theirs.columns)
    np.testing.assert_allclose(ours[same], theirs[same], rtol=1e-5)


@FEW
@given(
    st.sampled_from(["correlated slope", "independent slope", "slope only"]),
    seeds,
    st.sampled_from([1e-8, 1e-3, 1e5, 1e9]),
)
def test_unit_of_a_slope(case: str, seed: int, unit: float) -> None:
    data, fit = _data(seed), _plain(case, seed, "satterthwaite")
    found = _fit(data.assign(t=unit * data["t"]), case, "satterthwaite")
    assert found.boundary == fit.boundary
    for name in ("df", "statistic"):
        np.testing.assert_allclose(tidy(found)[name], tidy(fit)[name], rtol=1e-5)
    ours, theirs = (random_effects(each) for each in (found, fit))
    size = np.where(theirs["term"] == "t", unit, 1.0)
    scale = theirs["estimate"].abs().max()
    np.testing.assert_allclose(
        ours["estimate"] * size, theirs["estimate"], rtol=1e-4, atol=1e-5 * scale
    )


@FEW
@given(
    cases,
    seeds,
    st.sampled_from(["reml", "ml"]),
    st.lists(st.floats(-2.5, 2.5), min_size=8, max_size=8),
    st.floats(-1.0, 1.0),
)
def test_no_variances_are_more_likely(
    case: str, seed: int, method: str, drawn: list[float], log_sigma2: float
) -> None:
    data = _data(seed)
    fit = fit_lmm(FORMULA, data, random=CASES[case][0], method=method)
    model = dense_of(fit, data, case, fit.design.X)
    best = model.psi_of(fit)
    phi = model.pack(best)
    far = np.append(drawn[: len(phi) - 1], np.log(best[-1]) + log_sigma2)
    for share in (0.001, 0.03, 0.3, 1.0):
        at = phi + share * (far - phi)
        assert model.loglik(model.unpack(at)) <= fit.loglik + 1e-9


@FEW
@given(st.integers(2, 6), st.integers(2, 5), st.integers(0, 1000))
def test_balanced_data_have_exact_degrees_of_freedom(q: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(q, m)) + 2.0 * rng.normal(size=q)[:, None]
    data = pd.DataFrame({"y": y.ravel(), "g": np.repeat(np.arange(q), m)})
    fit = fit_lmm("y ~ 1", data, random={"g": "1"}, df="kenward-roger")
    row = tidy(fit).iloc[0]
    if fit.boundary:
        assert row.std_error > 0.0
        return
    between = m * np.var(y.mean(axis=1), ddof=1)
    assert row.df == pytest.approx(q - 1, rel=1e-6)
    assert row.std_error == pytest.approx(np.sqrt(between / (q * m)), rel=1e-7)
