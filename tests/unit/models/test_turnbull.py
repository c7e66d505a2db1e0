"""Survival from intervals: the maximum is proved, known times are Kaplan-Meier."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models.survival.interval_censoring import turnbull
from outcomes.models.survival.interval_npmle import (
    find_intersections,
    gradient,
    maximise,
)
from outcomes.models.survival.kaplan_meier import kaplan_meier

ENDS = {"left": "LEFT", "right": "RIGHT"}


def visits(rng: np.random.Generator, n: int, days: Any, missed: float) -> Any:
    """Last day without and first day with the event, some visits being missed."""
    event = rng.weibull(1.2, n) * 200.0
    seen = (rng.random((n, len(days))) > missed) * np.asarray(days, dtype=float)
    left = np.where((seen > 0) & (seen < event[:, None]), seen, 0.0).max(axis=1)
    right = np.where(seen >= event[:, None], seen, np.inf).min(axis=1)
    return left, right


def frame(left: Any, right: Any, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"LEFT": left, "RIGHT": right, **columns})


def check_maximum(left: Any, right: Any) -> None:
    """Karush, Kuhn and Tucker: no mass is worth more than those there are."""
    cells = find_intersections(np.asarray(left, float), np.asarray(right, float))
    found = maximise(cells)
    slope = gradient(cells, found.mass) / cells.n
    assert found.mass.sum() == pytest.approx(1.0, abs=1e-12)
    assert np.all(found.mass >= 0.0)
    assert slope.max() <= 1.0 + 1e-10
    np.testing.assert_allclose(slope[found.mass > 0], 1.0, atol=1e-8)


def test_the_maximum_is_proved_on_small_trials_of_all_kinds() -> None:
    rng = np.random.default_rng(8)
    for _ in range(200):
        n = int(rng.integers(1, 30))
        left = rng.integers(0, 12, n).astype(float)
        right = left + rng.integers(0, 6, n)
        right = np.where(right == 0.0, 1.0, right)
        check_maximum(left, np.where(rng.random(n) < 0.2, np.inf, right))


def test_the_maximum_is_proved_on_continuous_inspection_times() -> None:
    rng = np.random.default_rng(9)
    event = rng.exponential(1.0, 800)
    seen = np.sort(rng.exponential(1.0, (800, 2)), axis=1)
    before, after = event <= seen[:, 0], event > seen[:, 1]
    left = np.where(after, seen[:, 1], np.where(before, 0.0, seen[:, 0]))
    right = np.where(after, np.inf, np.where(before, seen[:, 0], seen[:, 1]))
    check_maximum(left, right)
    check_maximum(*visits(rng, 600, range(3, 400, 4), 0.97))


def test_two_thousand_subjects_at_two_hundred_days_take_less_than_a_second() -> None:
    rng = np.random.default_rng(10)
    data = frame(*visits(rng, 2000, range(2, 402, 2), 0.4))
    turnbull(data.head(50), **ENDS)  # imports
    start = time.perf_counter()
    found = turnbull(data, **ENDS)
    assert time.perf_counter() - start < 1.0  # 0.02 s on an ordinary machine
    assert found.converged


def test_maximal_intersections_are_turnbulls() -> None:
    # Peto's example in short: (0, 2], (1, 3], (2, 4], {3}, (4, inf).
    cells = find_intersections(
        np.array([0.0, 1.0, 2.0, 3.0, 4.0]), np.array([2.0, 3.0, 4.0, 3.0, np.inf])
    )
    assert cells.left.tolist() == [1.0, 3.0, 4.0]
    assert cells.right.tolist() == [2.0, 3.0, np.inf]


def test_known_and_right_censored_times_give_kaplan_meier() -> None:
    rng = np.random.default_rng(12)
    event, lost = rng.integers(1, 60, 120), rng.integers(20, 70, 120)
    data = pd.DataFrame(
        {
            "AVAL": np.minimum(event, lost).astype(float),
            "EVENT": (event <= lost).astype(int),
            "ARM": rng.choice(["A", "B"], 120),
        }
    )
    ends = data.assign(LEFT=data["AVAL"], RIGHT=data["AVAL"].where(data["EVENT"] == 1))
    days = np.arange(0, 75)
    ours = turnbull(ends, by="ARM", **ENDS).at(days)
    km = kaplan_meier(data, time="AVAL", event="EVENT", by="ARM").at(days)
    known = km["survival"].notna().to_numpy()
    for name in ("survival_low", "survival_high"):
        np.testing.assert_allclose(ours[name][known], km["survival"][known], atol=1e-13)
    inside = known & ((km["survival"] > 0) & (km["survival"] < 1)).to_numpy()
    for name in ("conf_low", "conf_high"):  # Greenwood's
        np.testing.assert_allclose(ours[name][inside], km[name][inside], atol=1e-12)


def test_visits_nobody_missed_give_shares() -> None:
    data = frame([0, 0, 7, 7, 7, 28, 28, 28, 28, 28], [7, 7, 28, 28, 28] + [np.nan] * 5)
    found = turnbull(data, **ENDS)
    np.testing.assert_allclose(found.intervals["mass"], [0.2, 0.3, 0.5], atol=1e-12)
    at = found.at([0, 3, 7, 8, 28, 29]).set_index("time")
    low, high = [1.0, 0.8, 0.8, 0.5, 0.5, 0.0], [1.0, 1.0, 0.8, 0.8, 0.5, 0.5]
    np.testing.assert_allclose(at["survival_low"], low, atol=1e-12)
    np.testing.assert_allclose(at["survival_high"], high, atol=1e-12)
    # With fixed days it is the multinomial: var S(7) = 0.8 * 0.2 / 10.
    width = 1.959963984540054 * np.sqrt(0.016) / (0.8 * np.log(1 / 0.8))
    assert at.loc[7, "conf_low"] == pytest.approx(0.8 ** np.exp(width))
    assert at.loc[7, "conf_high"] == pytest.approx(0.8 ** np.exp(-width))


def test_quantiles_are_bounded_and_may_not_be_reached() -> None:
    found = turnbull(frame([0, 7, 7, 28], [7, 28, 28, np.nan]), **ENDS)
    rows = found.quantiles([0.25, 0.5, 0.75, 0.9]).set_index("prob")
    assert rows["low"].tolist() == [0.0, 7.0, 7.0, 28.0]
    assert rows["high"].tolist()[:3] == [7.0, 28.0, 28.0]
    assert np.isnan(rows.loc[0.9, "high"])


def test_a_group_without_events_keeps_survival_at_one() -> None:
    data = frame([28.0] * 4 + [7.0], [np.nan] * 4 + [28.0], ARM=list("AAABB"))
    found = turnbull(data, by="ARM", **ENDS)
    assert found.levels == ("A", "B")
    row = found.at([28]).iloc[0]
    assert (row["survival_low"], row["survival_high"]) == (1.0, 1.0)
    assert found.quantiles([0.5])["high"].isna().iloc[0]


def test_rows_in_another_order_and_missing_left_ends_give_the_same() -> None:
    rng = np.random.default_rng(13)
    left, right = visits(rng, 80, [7, 14, 28, 56, 84], 0.3)
    data = frame(left, right)
    first = turnbull(data, **ENDS).intervals
    mixed = data.sample(frac=1.0, random_state=3)
    mixed["LEFT"] = mixed["LEFT"].where(mixed["LEFT"] > 0)
    pd.testing.assert_frame_equal(turnbull(mixed, **ENDS).intervals, first, rtol=1e-9)


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        ([7, 9], [8, 8], "'RIGHT': 1 of 2 rows are before 'LEFT' \\(row 1\\)"),
        ([-1, 9], [8, 9], "'LEFT': 1 of 2 rows are before 0"),
        ([0, 1], [0, 2], "are an event at 0"),
        ([np.nan, 1], [np.nan, 2], "miss both it and 'RIGHT'"),
        (["x", 1], [4, 2], "are no numbers"),
        ([np.inf, 1], [np.inf, 2], "are infinite"),
    ],
)
def test_ends_that_cannot_be_are_named(left: Any, right: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        turnbull(frame(left, right), **ENDS)


def test_all_problems_are_told_at_once() -> None:
    data = frame([-1.0, 9.0, 1.0], [8.0, 8.0, 2.0], ARM=["A", "A", None])
    with pytest.raises(ModelError, match=r"before 0.*before 'LEFT'.*missing"):
        turnbull(data, by="ARM", **ENDS)
    with pytest.raises(ModelError, match="no column 'START'"):
        turnbull(data, left="START", right="RIGHT")
    found = turnbull(frame([0.0, 7.0], [7.0, np.nan]), **ENDS)
    with pytest.raises(ModelError, match="0 or more"):
        found.at([-1])
    with pytest.raises(ModelError, match="between 0 and 1"):
        found.quantiles([50])
