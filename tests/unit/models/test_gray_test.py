"""Gray's test: invariance, size, degenerate and bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models.survival.gray import gray_test

COLUMNS = {"time": "AVAL", "event": "CAUSE", "by": "ARM"}


def trial(n: int = 90, seed: int = 5, arms: str = "ABC") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "ARM": rng.choice(list(arms), n),
            "SITE": rng.choice(["S1", "S2"], n),
            "AVAL": 7.0 * rng.integers(1, 14, n),
            "CAUSE": rng.choice([0, 1, 2], n, p=[0.3, 0.4, 0.3]),
        }
    )


def test_relabelled_groups_and_mixed_rows_give_the_same() -> None:
    data = trial()
    first = gray_test(data, strata="SITE", **COLUMNS)
    names = {"A": "Z", "B": "Y", "C": "X"}
    other = data.assign(ARM=data["ARM"].map(names)).sample(frac=1.0, random_state=2)
    again = gray_test(other, strata="SITE", **COLUMNS)
    assert again.statistic == pytest.approx(first.statistic, rel=1e-12)
    np.testing.assert_allclose(again.score[::-1], first.score, atol=1e-12)
    assert first.score.sum() == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(first.cov.sum(axis=0), 0.0, atol=1e-12)


def test_other_units_of_time_give_the_same() -> None:
    data = trial()
    weeks = data.assign(AVAL=data["AVAL"] / 7.0)
    assert gray_test(weeks, **COLUMNS).statistic == gray_test(data, **COLUMNS).statistic


def test_size_is_kept_and_a_difference_is_found() -> None:
    rng = np.random.default_rng(11)
    statistics, found = [], 0
    for _ in range(120):
        own, other = rng.exponential(100.0, 120), rng.exponential(150.0, 120)
        arm = np.arange(120) % 2
        lost = rng.uniform(50.0, 250.0, 120)
        data = frame(own, other, lost, arm)
        statistics.append(gray_test(data, **COLUMNS).statistic)
        faster = frame(np.where(arm == 1, own / 2.5, own), other, lost, arm)
        found += gray_test(faster, **COLUMNS).p_value < 0.05
    # A chi-square with one degree of freedom has mean 1 and standard deviation 1.41.
    assert abs(np.mean(statistics) - 1.0) < 3 * 1.42 / np.sqrt(120)
    assert np.mean(np.array(statistics) > 3.8415) < 0.11
    assert found > 96


def frame(own: Any, other: Any, lost: Any, arm: Any) -> pd.DataFrame:
    time = np.minimum(np.minimum(own, other), lost)
    cause = np.where(time == lost, 0, np.where(time == own, 1, 2))
    return pd.DataFrame({"AVAL": time, "CAUSE": cause, "ARM": arm})


def test_groups_without_the_event_and_causes_without_events() -> None:
    data = trial(arms="AB")
    data.loc[(data["ARM"] == "B") & (data["CAUSE"] == 1), "CAUSE"] = 0
    one = gray_test(data, **COLUMNS)
    assert np.isfinite(one.statistic)
    assert one.score[1] < 0 < one.score[0]
    none = gray_test(data, cause=3, **COLUMNS)
    assert np.isnan(none.statistic)
    assert np.isnan(none.p_value)
    assert none.df == 0
    assert np.isnan(gray_test(data.assign(CAUSE=0), **COLUMNS).statistic)


def test_a_stratum_with_one_group_compares_nothing() -> None:
    data = trial(arms="AB")
    single = gray_test(data, **COLUMNS)
    more = trial(20, arms="A").assign(SITE="S9")
    both = pd.concat([data.assign(SITE="S1"), more], ignore_index=True)
    assert gray_test(both, strata="SITE", **COLUMNS).statistic == pytest.approx(
        single.statistic, rel=1e-12
    )


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"ARM": "A"}, {}, "the one level 'A'"),
        ({"AVAL": -1.0}, {}, "are not after 0"),
        ({"CAUSE": 0.5}, {}, "none of 0, 1, 2"),
        ({}, {"cause": 0}, "is no cause"),
        ({}, {"rho": np.nan}, "is no finite number"),
    ],
)
def test_bad_input_is_named(change: Any, options: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        gray_test(trial().assign(**change), **COLUMNS, **options)
