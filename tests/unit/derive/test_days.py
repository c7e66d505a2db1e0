from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from outcomes.derive.days import date_text, difference, ordinals, study_day


@pytest.mark.parametrize(
    ("date", "day"),
    [("2024-02-28", -2), ("2024-02-29", -1), ("2024-03-01", 1), ("2024-03-02", 2)],
)
def test_the_day_before_day_1_is_day_minus_1(date: str, day: int) -> None:
    dates = pd.Series([date, "2024-03-01"], dtype="str")
    days = ordinals(dates)
    assert study_day(days[:1], days[1]).tolist() == [day]


def test_days_between_study_days_count_no_day_0() -> None:
    assert difference([1, -1, -3, 8, 8], [-1, 1, -1, 8, 5]).tolist() == [
        1,
        -1,
        -2,
        0,
        3,
    ]


def test_difference_is_that_of_the_dates() -> None:
    dates = np.arange(-30, 31)
    days = study_day(dates, 0)
    assert (days != 0).all()
    assert (difference(days[:, None], days) == dates[:, None] - dates).all()


def test_texts_that_are_no_whole_date_have_no_day() -> None:
    dates = pd.Series(["2024-03", "2024-02-30", "", "2024-03-01T08:30"], dtype="str")
    assert np.isnan(ordinals(dates)).tolist() == [True, True, True, False]
    assert date_text(dates).tolist() == ["", "", "", "2024-03-01"]
