"""Separation: found exactly, named, and told in the words of the data."""

from __future__ import annotations

import time
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.models.logistic.fit import fit_logistic
from outcomes.models.logistic.separation import Separation, find_separation

NAMES = ("Intercept", "a", "b")


def rays(X: Any, z: Any) -> list[Any]:
    """Extreme rays of {b: z x'b >= 0}, by integers; X of rank 3, z 0 for equality."""
    found = []
    for i, j in combinations(range(len(X)), 2):
        ray = np.cross(X[i], X[j])
        for b in (ray, -ray):
            margin = X @ b
            inside = np.all(margin[z == 0] == 0) and np.all((z * margin)[z != 0] >= 0)
            if b.any() and inside:
                found.append(b)
    return found


def random_case(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    while True:
        n = int(rng.integers(5, 14))
        X = rng.integers(-2, 3, size=(n, 3))
        X[:, 0] = 1
        trials = rng.integers(1, 3, size=n)
        y = rng.integers(0, trials + 1)
        if rng.random() < 0.7:  # separated along a random direction, or nearly
            z = np.sign(X @ rng.integers(-2, 3, size=3))
            y = np.where(z > 0, trials, np.where(z < 0, 0, y))
        if np.linalg.matrix_rank(X) == 3:
            return X, y, trials


def test_answers_are_those_of_integer_arithmetic() -> None:
    rng = np.random.default_rng(7)
    kinds = dict.fromkeys(("none", "quasi-complete", "complete"), 0)
    for _ in range(120):
        X, y, trials = random_case(rng)
        rows, group = np.unique(X, axis=0, return_inverse=True)
        group = group.ravel()
        good = np.bincount(group, y) > 0
        bad = np.bincount(group, trials - y) > 0
        z = good.astype(int) - bad.astype(int)
        known = rays(rows, z)
        strict = np.zeros(len(rows), dtype=bool)
        for ray in known:
            strict |= rows @ ray != 0
        found = find_separation(X.astype(float), y.astype(float), trials, NAMES)
        kind = "none" if not known else "complete" if strict.all() else "quasi-complete"
        assert found.kind == kind
        assert found.sides.tolist() == (z * strict)[group].tolist()
        for j in range(3):
            assert found.up[j] == any(ray[j] > 0 for ray in known)
            assert found.down[j] == any(ray[j] < 0 for ray in known)
        if known:
            margin = z * (rows @ found.direction)
            assert np.all(margin[strict] > 0)
            assert np.allclose((rows @ found.direction)[~strict], 0.0, atol=1e-9)
            assert found.columns == tuple(np.array(NAMES)[found.direction != 0])
            assert np.max(np.abs(found.direction)) == pytest.approx(1.0)
        kinds[kind] += 1
    assert min(kinds.values()) > 10


def two_arms(n: int = 200) -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    arm = np.arange(n) % 2
    x = rng.normal(size=n)
    X = np.column_stack([np.ones(n), arm, x])
    y = np.where(arm == 1, 1.0, rng.random(n) < 0.5)
    return X, y


@pytest.mark.parametrize(("scale", "origin"), [(1.0, 0.0), (1e6, 0.0), (1e-6, 0.3)])
def test_units_and_origins_do_not_matter(scale: float, origin: float) -> None:
    X, y = two_arms()
    X[:, 2] = X[:, 2] * scale + origin * scale
    found = find_separation(X, y, None, NAMES)
    assert found.kind == "quasi-complete"
    assert found.columns == ("a",)
    assert found.sides.tolist() == (X[:, 1] == 1).astype(int).tolist()


@pytest.mark.parametrize("gap", [1e-3, 1e-5, 1e-7])
def test_a_narrow_gap_is_complete_and_a_narrow_overlap_is_none(gap: float) -> None:
    x = np.concatenate([np.linspace(-1, 0, 30), np.linspace(gap, 1, 30)])
    y = (np.arange(60) >= 30).astype(float)
    X = np.column_stack([np.ones(60), x])
    assert find_separation(X, y, None, NAMES[:2]).kind == "complete"
    y[29], y[30] = 1.0, 0.0
    assert find_separation(X, y, None, NAMES[:2]).kind == "none"


def test_dates_far_from_their_origin() -> None:
    day = 45_000.0 + np.arange(40)
    X = np.column_stack([np.ones(40), day])
    y = (day > 45_019).astype(float)
    found = find_separation(X, y, None, NAMES[:2])
    assert found.kind == "complete"
    assert found.up.tolist() == [False, True]
    assert found.down.tolist() == [True, False]


def test_columns_that_repeat_others_take_no_part() -> None:
    X, y = two_arms()
    found = find_separation(np.column_stack([X, X[:, 1]]), y, None, (*NAMES, "c"))
    assert found.columns == ("a",)
    assert found.direction.tolist() == [0.0, 1.0, 0.0, 0.0]


def test_counts_separate_only_where_all_or_none_succeed() -> None:
    X = np.column_stack([np.ones(4), [0, 0, 1, 1]]).astype(float)
    trials = np.array([5.0, 5, 5, 5])
    mixed = find_separation(X, np.array([1.0, 2, 5, 4]), trials, NAMES[:2])
    assert not mixed
    assert mixed.message == ""
    found = find_separation(X, np.array([1.0, 2, 5, 5]), trials, NAMES[:2])
    assert found
    assert found.message == (
        "quasi-complete separation along a: all 2 records where it is positive have"
        " outcome 1; it is zero for the other 2"
    )


@pytest.mark.parametrize("separated", [False, True])
def test_a_large_trial_is_quick(separated: bool) -> None:
    rng = np.random.default_rng(5)
    n = 30_000
    X = np.column_stack([np.ones(n), rng.normal(size=(n, 8)), np.arange(n) % 3 == 0])
    y = (rng.random(n) < 1 / (1 + np.exp(-X[:, 1]))).astype(float)
    if separated:
        y[X[:, -1] == 1] = 1.0
    names = tuple("cdefghijkl")
    start = time.perf_counter()
    found = find_separation(X, y, None, names)
    spent = time.perf_counter() - start
    assert found.columns == (("l",) if separated else ())
    # Milliseconds without, half a second with; a busy machine may take ten times that.
    assert spent < 5.0


def trial(n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    frame = pd.DataFrame(
        {
            "ARM": np.repeat(["PSI1", "PSI10", "PSI25"], n // 3),
            "VISIT": np.tile(["WEEK03", "WEEK12"], n // 2),
            "BASE": rng.normal(30, 5, n).round(1),
        }
    )
    frame["Y"] = (rng.random(n) < 0.5).astype(int)
    return frame


def words(formula: str, data: pd.DataFrame, **options: Any) -> tuple[Separation, str]:
    fit = fit_logistic(formula, data, **options)
    assert not fit.convergence.converged
    return fit.separation, fit.convergence.messages[0]


def test_a_level_is_named() -> None:
    data = trial()
    data.loc[data.ARM == "PSI25", "Y"] = 1
    found, message = words("Y ~ ARM + BASE", data)
    assert found.columns == ("ARM[T.PSI25]",)
    assert message == (
        "quasi-complete separation: every record with ARM 'PSI25' (80) has Y 1. The"
        " coefficients of ARM[T.PSI25] have no finite maximum likelihood estimate: use"
        " penalty='firth', or take out or pool what separates."
    )


def test_the_reference_level_is_named() -> None:
    data = trial()
    data.loc[data.ARM == "PSI1", "Y"] = 0
    found, message = words("Y ~ ARM + BASE", data)
    assert found.columns == ("Intercept", "ARM[T.PSI10]", "ARM[T.PSI25]")
    assert np.sign(found.direction[:3]).tolist() == [-1, 1, 1]
    assert "every record with ARM 'PSI1' (80) has Y 0." in message


def test_a_cell_is_named() -> None:
    data = trial()
    data.loc[(data.ARM == "PSI25") & (data.VISIT == "WEEK03"), "Y"] = 1
    assert not fit_logistic("Y ~ ARM + VISIT + BASE", data).separation
    found, message = words("Y ~ ARM*VISIT + BASE", data)
    assert "every record with ARM 'PSI25' and VISIT 'WEEK03' (40) has Y 1." in message
    assert "ARM[T.PSI25]" in found.columns
    assert "BASE" not in found.columns


def test_several_cells_are_named() -> None:
    data = trial()
    data.loc[data.ARM == "PSI25", "Y"] = 1
    data.loc[(data.ARM == "PSI1") & (data.VISIT == "WEEK12"), "Y"] = 0
    _, message = words("Y ~ ARM*VISIT", data)
    assert (
        "every record with ARM 'PSI25' (80) has Y 1; every record with ARM" in message
    )
    assert "ARM 'PSI1' and VISIT 'WEEK12' (40) has Y 0." in message


def test_complete_separation_by_an_arm_is_named() -> None:
    data = trial().query("ARM != 'PSI10'")
    data["Y"] = (data.ARM == "PSI25").astype(int)
    found, message = words("Y ~ ARM", data)
    assert found.kind == "complete"
    assert message.startswith(
        "complete separation: every record with ARM 'PSI1' (80) has Y 0; every record"
        " with ARM 'PSI25' (80) has Y 1."
    )


def test_a_covariate_is_named_with_its_bounds() -> None:
    data = pd.DataFrame({"Y": [0, 0, 1, 0, 1, 1], "X": [1.0, 2, 3, 3, 5, 6]})
    found, message = words("Y ~ X", data)
    assert found.kind == "quasi-complete"
    assert "every record with X 5 or more (2) has Y 1; every record with X 2" in message
    falling = data.assign(Y=1 - data.Y)
    _, message = words("Y ~ X", falling)
    assert "X 2 or less (2) has Y 1; every record with X 5 or more (2) has" in message


def test_a_combination_is_written_out() -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"X": rng.normal(size=60), "Z": rng.normal(size=60)})
    data["W"] = rng.normal(size=60)
    data["Y"] = (data.X - data.Z > 0).astype(int)
    found, message = words("Y ~ X + Z + W", data)
    assert found.kind == "complete"
    assert set(found.columns) - {"Intercept"} == {"X", "Z"}
    assert "every record where X - " in message
    assert "is above zero" in message


def test_counts_have_words_of_their_own() -> None:
    data = pd.DataFrame({"ARM": list("aabb"), "R": [2, 3, 4, 6], "N": [4, 5, 4, 6]})
    _, message = words("R ~ ARM", data, trials="N")
    assert "every record with ARM 'b' (2) has in R only successes." in message
