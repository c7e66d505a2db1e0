"""Restricted mean survival times: by hand, and what the frame holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models.survival.rmst import COLUMNS, rmst

ROLES: dict[str, Any] = {"time": "t", "event": "e", "by": "arm"}


@pytest.fixture
def trial() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 80
    own, lost = rng.exponential(40.0, n), rng.uniform(30.0, 90.0, n)
    return pd.DataFrame(
        {
            "t": np.minimum(own, lost),
            "e": own <= lost,
            "arm": np.array(["low", "high"])[np.arange(n) % 2],
            "w": rng.uniform(0.5, 2.0, n),
        }
    )


def test_area_by_hand() -> None:
    data = pd.DataFrame({"t": [2, 4, 6, 8], "e": [1, 1, 0, 0]})
    mean = rmst(data, time="t", event="e", tau=7).iloc[0]
    # 2 * 1 + 2 * 3/4 + 3 * 1/2, and after 2 and 4 the areas 3 and 1.5.
    assert mean["estimate"] == 5.0
    assert mean["std_error"] == pytest.approx(np.sqrt(9 / 12 + 2.25 / 6))
    assert (mean["level"], mean["reference"], mean["tau"]) == ("", "", 7.0)


def test_rows_and_columns(trial: pd.DataFrame) -> None:
    found = rmst(trial, **ROLES, tau=25, reference="low")
    assert list(found) == list(COLUMNS)
    assert found["term"].tolist() == ["rmst", "rmst", "difference", "ratio"]
    assert found["level"].tolist() == ["high", "low", "high", "high"]
    assert found["reference"].tolist() == ["", "", "low", "low"]
    assert found[["statistic", "p_value"]][:2].isna().all(axis=None)
    high, low, difference, ratio = found["estimate"]
    assert difference == pytest.approx(high - low)
    assert ratio == pytest.approx(high / low)
    low, high = found.loc[3, ["conf_low", "conf_high"]]
    assert np.sqrt(low * high) == pytest.approx(ratio)


def test_the_first_level_is_the_reference_unless_told(trial: pd.DataFrame) -> None:
    assert rmst(trial, **ROLES, tau=25)["reference"].tolist()[2:] == ["high", "high"]
    with pytest.raises(ModelError, match="Did you mean 'low'"):
        rmst(trial, **ROLES, tau=25, reference="lo")


def test_everybody_seen_to_tau_gives_the_plain_mean() -> None:
    rng = np.random.default_rng(8)
    t = rng.exponential(30.0, 50) + 0.5
    data = pd.DataFrame({"t": np.minimum(t, 60.0), "e": t < 60.0})
    mean = rmst(data, time="t", event="e", tau=60.0).iloc[0]
    assert mean["estimate"] == pytest.approx(data["t"].mean())
    error = data["t"].std(ddof=0) / np.sqrt(50)
    assert mean["std_error"] == pytest.approx(error)


def test_everybody_seen_to_tau_gives_the_weighted_mean() -> None:
    rng = np.random.default_rng(9)
    t, w = rng.exponential(30.0, 50) + 0.5, rng.uniform(0.2, 3.0, 50)
    data = pd.DataFrame({"t": np.minimum(t, 60.0), "e": t < 60.0, "w": w})
    mean = rmst(data, time="t", event="e", tau=60.0, weights="w").iloc[0]
    y = data["t"].to_numpy()
    average = np.average(y, weights=w)
    assert mean["estimate"] == pytest.approx(average)
    error = np.linalg.norm(w * (y - average)) / w.sum()
    assert mean["std_error"] == pytest.approx(error)


def test_the_scale_of_weights_does_not_matter(trial: pd.DataFrame) -> None:
    ours = rmst(trial.assign(w=trial["w"] * 9.0), **ROLES, tau=25, weights="w")
    pd.testing.assert_frame_equal(ours, rmst(trial, **ROLES, tau=25, weights="w"))


def test_a_time_after_the_last_one_is_refused_by_arm(trial: pd.DataFrame) -> None:
    with pytest.raises(ModelError) as error:
        rmst(trial, **ROLES, tau=500)
    text = str(error.value)
    assert "of arm 'high'" in text
    assert "of arm 'low'" in text
    assert "Choose tau no later" in text


def test_a_curve_that_is_zero_is_known_for_ever() -> None:
    data = pd.DataFrame({"t": [2, 4], "e": [1, 1]})
    assert rmst(data, time="t", event="e", tau=100)["estimate"].tolist() == [3.0]
    both = pd.DataFrame({"t": [2, 4, 4], "e": [1, 1, 0]})
    with pytest.raises(ModelError, match="after the last time 4,"):
        rmst(both, time="t", event="e", tau=4.5)


def test_tau_before_the_first_time_is_tau() -> None:
    data = pd.DataFrame({"t": [2, 4], "e": [1, 0]})
    mean = rmst(data, time="t", event="e", tau=1.5).iloc[0]
    assert (mean["estimate"], mean["std_error"]) == (1.5, 0.0)


@pytest.mark.parametrize("tau", [0, -1, np.nan, np.inf, "28", True, None])
def test_tau_is_a_positive_time(trial: pd.DataFrame, tau: Any) -> None:
    with pytest.raises(ModelError, match="tau"):
        rmst(trial, **ROLES, tau=tau)
