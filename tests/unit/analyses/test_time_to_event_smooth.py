from __future__ import annotations

import numpy as np
import pytest
from statsmodels.nonparametric.smoothers_lowess import lowess

from outcomes.analyses.time_to_event_smooth import local_linear


def test_a_line_is_its_own_smooth() -> None:
    x = np.array([1.0, 3.0, 4.0, 9.0, 20.0])
    assert local_linear(x, 2 - 3 * x) == pytest.approx(2 - 3 * x)


def test_the_smooth_is_clevelands_without_robust_steps() -> None:
    x = np.arange(1.0, 41.0) ** 1.3
    y = np.sin(x / 20) + np.resize([0.3, -0.2, 0.1], 40)
    reference = lowess(y, x, frac=2 / 3, it=0, return_sorted=False)
    # Only how far the farthest neighbour counts differs.
    assert local_linear(x, y) == pytest.approx(reference, abs=0.02)


def test_many_events_on_one_day_have_one_value() -> None:
    x = np.array([8.0] * 6 + [15.0])
    y = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0])
    smooth = local_linear(x, y)
    assert np.isfinite(smooth).all()
    assert smooth[:6] == pytest.approx(smooth[0])


@pytest.mark.parametrize(("x", "mean"), [([], None), ([3.0], 1.0), ([3.0, 3.0], 1.5)])
def test_without_two_days_it_is_the_mean(x: list[float], mean: float | None) -> None:
    y = np.arange(1.0, len(x) + 1.0)
    smooth = local_linear(np.array(x), y)
    assert len(smooth) == len(x)
    if mean is not None:
        assert smooth == pytest.approx(mean)
