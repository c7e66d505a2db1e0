"""Survival curves: small cases by hand, and what the frames hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.models.survival.kaplan_meier import KaplanMeier, kaplan_meier
from outcomes.models.survival.quantiles import curve_quantiles

CURVE = [
    *("level", "time", "n_risk", "n_event", "n_censor", "survival", "std_error"),
    *("conf_low", "conf_high", "count_risk", "count_event"),
]
AT = CURVE[:-2]


def table(time: Any, event: Any, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"t": time, "e": event, **columns})


def fit(time: Any, event: Any, **options: Any) -> KaplanMeier:
    return kaplan_meier(table(time, event), time="t", event="e", **options)


def test_events_come_before_censorings_of_the_same_day() -> None:
    curve = fit([2, 2, 2, 5], [1, 0, 1, 1]).curve
    assert curve["time"].tolist() == [2, 5]
    assert curve["n_risk"].tolist() == [4, 1]
    assert curve["n_event"].tolist() == [2, 1]
    assert curve["n_censor"].tolist() == [1, 0]
    assert curve["survival"].tolist() == [0.5, 0.0]


def test_curve_has_its_columns_and_whole_counts() -> None:
    curve = fit([1, 2, 3], [1, 0, 1]).curve
    assert list(curve) == CURVE
    assert all(curve[name].dtype.kind == "i" for name in CURVE if name[1:2] == "_")
    assert curve["level"].tolist() == ["", "", ""]


def test_greenwood_by_hand() -> None:
    curve = fit([1, 2, 3, 4], [1, 1, 0, 1]).curve
    by_hand = [0.75 * np.sqrt(1 / 12), 0.5 * np.sqrt(1 / 12 + 1 / 6)]
    assert curve["std_error"][:2].tolist() == pytest.approx(by_hand)
    assert curve["std_error"][2] == curve["std_error"][1]
    assert np.isnan(curve["std_error"][3])


def test_levels_keep_the_order_of_a_categorical_and_name_those_without_rows() -> None:
    arms = pd.Categorical(["placebo", "high", "high"], ["placebo", "low", "high"])
    data = table([1, 2, 3], [1, 1, 0], arm=arms)
    km = kaplan_meier(data, time="t", event="e", by="arm")
    assert km.levels == ("placebo", "high")
    assert km.unused == ("low",)
    assert km.curve["level"].tolist() == ["placebo", "high", "high"]
    assert (km.n_subjects, km.n_records) == (3, 3)


def test_at_counts_events_through_and_censorings_before() -> None:
    at = fit([2, 3, 3, 5, 8], [1, 1, 0, 0, 1]).at([0, 2, 2.5, 3, 5, 8, 9])
    assert list(at) == AT
    assert at["n_risk"].tolist() == [5, 5, 4, 4, 2, 1, 0]
    assert at["n_event"].tolist() == [0, 1, 1, 2, 2, 3, 3]
    assert at["n_censor"].tolist() == [0, 0, 0, 0, 1, 2, 2]
    assert at["survival"].tolist() == pytest.approx([1, 0.8, 0.8, 0.6, 0.6, 0, 0])


def test_nothing_is_known_after_the_last_censoring() -> None:
    at = fit([2, 4], [1, 0]).at([4, 4.5])
    assert at["survival"][0] == 0.5
    assert at.loc[1, ["survival", "std_error", "conf_low", "conf_high"]].isna().all()
    assert at["n_risk"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("conf_type", "at_one", "at_zero"),
    [("log-log", np.nan, np.nan), ("log", 1.0, np.nan), ("plain", 1.0, np.nan)],
)
def test_limits_at_one_and_zero_are_those_of_r(
    conf_type: Any, at_one: float, at_zero: float
) -> None:
    km = fit([1, 2, 3, 4], [0, 1, 1, 1], conf_type=conf_type)
    for name in ("conf_low", "conf_high"):
        assert km.curve[name][0] == pytest.approx(at_one, nan_ok=True)
        assert km.curve[name][3] == pytest.approx(at_zero, nan_ok=True)
        assert km.at([0.5])[name][0] == 1.0


def test_limits_by_hand() -> None:
    for conf_type, low, high in (
        ("plain", 0.5 - 1.959964 * 0.25, 0.5 + 1.959964 * 0.25),
        ("log", 0.5 * np.exp(-1.959964 * 0.5), 1.0),
        (
            "log-log",
            0.5 ** np.exp(1.959964 * 0.5 / np.log(2)),
            0.5 ** np.exp(-1.959964 * 0.5 / np.log(2)),
        ),
    ):
        curve = fit([1, 2, 3, 4], [1, 1, 0, 0], conf_type=conf_type).curve
        assert curve["conf_low"][1] == pytest.approx(low, abs=1e-6)
        assert curve["conf_high"][1] == pytest.approx(high, abs=1e-6)
    narrow = fit([1, 2, 3, 4], [1, 1, 0, 0], conf_level=0.5).curve
    assert narrow["conf_low"][1] > curve["conf_low"][1]


def test_a_quantile_on_a_flat_stretch_is_its_middle() -> None:
    km = fit([1, 3, 6, 8], [1, 1, 1, 1])
    assert km.quantiles()["estimate"].tolist() == [2.0, 4.5, 7.0]
    flat = fit([1, 3, 6, 8], [1, 1, 0, 0])
    assert flat.quantiles([0.5])["estimate"].tolist() == [5.5]
    assert np.isnan(flat.quantiles([0.75])["estimate"][0])


def test_a_quantile_allows_for_rounding() -> None:
    near = np.array([0.9, 0.5 + 1e-12, 0.2])
    time = np.array([1.0, 2.0, 4.0])
    assert curve_quantiles(time, near, [0.5]).tolist() == [3.0]


def test_quantiles_have_the_levels_and_shares() -> None:
    data = table([1, 2, 3, 4], [1, 1, 1, 0], arm=["a", "a", "b", "b"])
    found = kaplan_meier(data, time="t", event="e", by="arm").quantiles([0.5])
    assert list(found) == ["level", "prob", "estimate", "conf_low", "conf_high"]
    assert found["level"].tolist() == ["a", "b"]
    assert found["estimate"].tolist() == [1.5, 3.5]


def test_follow_up_is_the_time_to_censoring() -> None:
    km = fit([1, 2, 4, 6, 6], [1, 0, 0, 1, 0])
    found = km.follow_up()
    assert list(found) == ["level", "median", "minimum", "maximum"]
    # Not censored after 2: 3/4, after 4: 1/2, so the median is between 4 and 6.
    assert found.iloc[0].tolist() == ["", 5.0, 1.0, 6.0]
    assert np.isnan(fit([1, 2], [1, 1]).follow_up()["median"][0])


def test_who_has_the_event_is_not_at_risk_of_censoring_that_day() -> None:
    found = fit([3, 3, 5, 5], [1, 0, 1, 0]).follow_up()
    # At 3 one of three is censored, at 5 the only one left: 2/3, then 0.
    assert found["median"][0] == 5.0


def test_late_entry_counts_from_the_day_after() -> None:
    data = table([4, 6, 8], [1, 1, 0], s=[0, 4, 5])
    km = kaplan_meier(data, time="t", event="e", entry="s")
    assert km.curve["n_risk"].tolist() == [1, 2, 1]
    assert km.at([0, 1, 4, 5, 5.5])["n_risk"].tolist() == [1, 1, 1, 1, 2]


def test_zero_counts_as_there_from_the_start() -> None:
    data = table([4, 6], [1, 0], s=[0, 0])
    ours = kaplan_meier(data, time="t", event="e", entry="s")
    pd.testing.assert_frame_equal(ours.at([0, 4]), fit([4, 6], [1, 0]).at([0, 4]))


def test_a_row_that_another_takes_up_is_not_censored() -> None:
    data = table([5, 9, 7], [0, 1, 0], s=[0, 5, 0], id=[1, 1, 2])
    km = kaplan_meier(data, time="t", event="e", entry="s", subject="id")
    assert km.curve["time"].tolist() == [7, 9]
    assert km.curve["n_censor"].tolist() == [1, 0]
    assert km.n_subjects == 2
    assert km.follow_up()["maximum"][0] == 9


def test_weighted_counts_are_sums_and_numbers_stand_beside_them() -> None:
    data = table([1, 2, 3], [1, 0, 1], w=[0.5, 1.5, 2.0])
    curve = kaplan_meier(data, time="t", event="e", weights="w").curve
    assert list(curve) == CURVE
    assert curve["n_risk"].tolist() == [4.0, 3.5, 2.0]
    assert curve["count_risk"].tolist() == [3, 2, 1]
    assert curve["count_event"].tolist() == [1, 0, 1]
    assert curve["survival"].tolist() == [0.875, 0.875, 0.0]
    assert curve["std_error"][2] == 0.0


def test_weights_of_zero_count_for_nothing() -> None:
    data = table([1, 2, 3, 4], [1, 1, 0, 1], w=[1.0, 0.0, 1.0, 0.1])
    ours = kaplan_meier(data, time="t", event="e", weights="w")
    some = data[data["w"] > 0]
    theirs = kaplan_meier(some, time="t", event="e", weights="w")
    a, b = ours.at([1, 2, 3, 4]), theirs.at([1, 2, 3, 4])
    pd.testing.assert_frame_equal(a, b)


def test_a_sum_of_weights_that_comes_to_nothing_is_nothing() -> None:
    # 0.1 + 0.2 + 0.3 taken away one by one leaves 5e-17.
    data = table([1, 2, 3], [1, 1, 1], w=[0.1, 0.2, 0.3])
    at = kaplan_meier(data, time="t", event="e", weights="w").at([3, 4])
    assert at["survival"].tolist() == [0.0, 0.0]
    assert at["n_risk"].tolist() == [0.3, 0.0]


def test_times_that_differ_by_rounding_are_one() -> None:
    curve = fit([0.1 + 0.2, 0.3, 0.5], [1, 1, 0]).curve
    assert curve["n_event"].tolist() == [2, 0]


def test_many_rows_are_fast() -> None:
    from time import perf_counter

    rng = np.random.default_rng(1)
    n = 200_000
    data = table(rng.exponential(100.0, n) + 0.1, rng.integers(0, 2, n))
    start = perf_counter()
    kaplan_meier(data, time="t", event="e")
    assert perf_counter() - start < 2.0  # 0.2 s for 200,000 on an idle core
