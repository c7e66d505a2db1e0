from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes.analyses.describe import moments, pooled_sd, quantile, share, summary
from outcomes.analyses.effect_size import mean_difference


@pytest.mark.parametrize(
    ("values", "q1", "median", "q3"),
    [
        ([7], 7, 7, 7),
        ([1, 2], 1, 1.5, 2),
        ([1, 2, 3], 1, 2, 3),
        ([1, 2, 3, 4], 1.5, 2.5, 3.5),
        ([1, 2, 3, 4, 5], 2, 3, 4),
        ([16, 1, 8, 2, 4], 2, 4, 8),
        (list(range(1, 11)), 3, 5.5, 8),
        (list(range(1, 13)), 3.5, 6.5, 9.5),
    ],
)
def test_quartiles_are_those_of_sas_by_hand(
    values: list[float], q1: float, median: float, q3: float
) -> None:
    found = [quantile(values, p) for p in (0.25, 0.5, 0.75)]
    assert found == [q1, median, q3]


@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=40),
    st.sampled_from([(1, 4), (1, 2), (3, 4), (1, 10)]),
)
def test_quantiles_follow_the_definition_of_pctldef_5(
    values: list[int], p: tuple[int, int]
) -> None:
    ordered = sorted(values)
    j, rest = divmod(len(values) * p[0], p[1])
    expected = (
        ordered[j] if rest else (ordered[j - 1] + ordered[min(j, len(values) - 1)]) / 2
    )
    assert quantile(values, p[0] / p[1]) == expected


def test_a_summary_counts_what_is_missing() -> None:
    found = summary(pd.Series([3.0, None, 5.0]))
    assert found["n"] == 2
    assert found["n_missing"] == 1
    assert (found["min"], found["median"], found["max"]) == (3, 4, 5)
    assert found["sd"] == pytest.approx(math.sqrt(2))


def test_nobody_has_no_mean_and_one_subject_no_sd() -> None:
    empty = summary(pd.Series([], dtype="float64"))
    assert empty["n"] == 0
    assert all(math.isnan(empty[s]) for s in ("mean", "sd", "median", "min", "q3"))
    one = moments([4.0])
    assert one["mean"] == 4.0
    assert math.isnan(one["sd"])
    assert math.isnan(share(0, 0)["percent"])


def exactly(mean: float, sd: float, n: int) -> np.ndarray:
    """Make n numbers with exactly this mean and standard deviation."""
    x = np.arange(n, dtype=float)
    return mean + sd * (x - x.mean()) / x.std(ddof=1)


def test_the_published_effect_size_of_mapp1_is_the_one_by_change_of_completers() -> (
    None
):
    # Mitchell et al., Nat Med 2021: d = 0.91, -24.4 (11.6) n = 42, -13.9 (11.5) n = 37.
    groups = [exactly(-24.4, 11.6, 42), exactly(-13.9, 11.5, 37)]
    d = mean_difference(groups) / pooled_sd(groups)
    assert d == pytest.approx(-0.909, abs=5e-4)


def test_the_pooled_sd_ignores_groups_without_spread_to_give() -> None:
    assert pooled_sd([[1, 3], [10, 14], [], [5]]) == pytest.approx(math.sqrt(5))
    assert math.isnan(pooled_sd([[1], [2]]))


def test_quantiles_do_not_hang_on_the_rounding_of_a_product() -> None:
    # p has two decimals, so n p is decided in whole numbers.
    for n in range(1, 400):
        values = np.arange(1.0, n + 1.0)
        for hundredths in range(101):
            j, rest = divmod(n * hundredths, 100)
            if rest:
                expected = values[j]
            else:
                expected = (values[max(j - 1, 0)] + values[min(j, n - 1)]) / 2
            assert quantile(values, hundredths / 100) == expected
