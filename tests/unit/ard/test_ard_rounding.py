from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes.ard.rounding import format_number, format_p, round_half_away
from outcomes.errors import RenderError


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (0.5, 0, "1"),
        (-0.5, 0, "-1"),
        (1.5, 0, "2"),
        (2.5, 0, "3"),
        (2.675, 2, "2.68"),
        (-2.675, 2, "-2.68"),
        (1.005, 2, "1.01"),
        (0.285 * 100, 0, "29"),  # 28.499999999999996
        (1.1 * 1.1, 3, "1.210"),
        (0.1 + 0.2, 1, "0.3"),
        (2.4999999999, 0, "2"),
        (2.4999999999999, 0, "2"),
        (2.49999999999999, 0, "3"),
        (100 * 14 / 26, 0, "54"),
        (0.05, 1, "0.1"),
        (-0.04, 1, "0.0"),
        (-0.0, 2, "0.00"),
        (0.0004, 3, "0.000"),
        (999.95, 1, "1000.0"),
        (1e15, 0, "1000000000000000"),
        (1e-300, 2, "0.00"),
    ],
)
def test_a_borderline_number_rounds_as_by_hand(
    value: float, digits: int, expected: str
) -> None:
    assert format_number(value, digits) == expected


@given(
    st.integers(-(10**8), 10**8), st.integers(0, 4), st.sampled_from([0.5, -0.5, 0.0])
)
def test_halves_go_away_from_zero(whole: int, digits: int, half: float) -> None:
    exact = Decimal(whole) + Decimal(half) * (1 if whole >= 0 else -1) * (
        1 if half >= 0 else 0
    )
    shown = round_half_away(float(exact.scaleb(-digits)), digits)
    away = abs(exact).to_integral_value(rounding="ROUND_HALF_UP")
    assert abs(shown) == away.scaleb(-digits)


@given(st.floats(-1e9, 1e9), st.integers(0, 6))
def test_zero_never_has_a_sign(value: float, digits: int) -> None:
    text = format_number(value, digits)
    assert not (text.startswith("-") and float(text) == 0)


def test_what_has_no_value_shows_nothing() -> None:
    assert format_number(None, 2) == format_number(float("nan"), 2) == ""
    assert format_p(None) == format_p(float("nan")) == ""


def test_an_infinite_limit_is_named() -> None:
    assert format_number(float("inf"), 1) == "Inf"
    assert format_number(float("-inf"), 1) == "-Inf"
    with pytest.raises(RenderError, match="finite"):
        round_half_away(float("inf"), 1)


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (0.0, "<0.001"),
        (0.00099999, "<0.001"),
        (0.001, "0.001"),
        (0.0014999, "0.001"),
        (0.0015, "0.002"),
        (0.0131, "0.013"),
        (0.0495, "0.050"),
        (0.04949, "0.049"),
        (0.99, "0.990"),
        (0.9901, ">0.99"),
        (1.0, ">0.99"),
    ],
)
def test_a_p_value_has_a_floor_and_a_ceiling(p: float, expected: str) -> None:
    assert format_p(p) == expected


@pytest.mark.parametrize(
    ("p", "expected"), [(0.00009, "<.0001"), (0.0001, ".0001"), (0.995, ">.99")]
)
def test_a_p_value_in_the_manner_of_sas(p: float, expected: str) -> None:
    assert format_p(p, digits=4, leading_zero=False) == expected


@pytest.mark.parametrize("p", [-0.01, 1.01])
def test_a_number_that_is_no_p_value_is_refused(p: float) -> None:
    with pytest.raises(RenderError, match="no p value"):
        format_p(p)
