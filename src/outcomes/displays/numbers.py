"""From ARD rows to cells: the only place of the displays where a number gets digits."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal

from outcomes.ard.rounding import format_number, format_p, round_half_away
from outcomes.displays.description import Cell, Part, joined
from outcomes.displays.lookup import Result

ABSENT = "\u2013"
"""There is no such result."""
NOT_ESTIMABLE = "NE"
"""The result was asked for, but could not be computed."""

NOT_REACHED = "NR"
"""The quantile of a time lies beyond what was observed."""
NOT_FOLLOWED = "not followed"
"""Nobody is observed so long."""

COUNT = 0
PERCENT = 1
MEAN = 2
SD = 2
DF = 1
RATIO = 2
EFFECT = 2
CORRELATION = 2
LIKELIHOOD = 2
_SIGNIFICANT = 3
"""Digits of a ratio."""
_MOST = 6
"""Digits after the point of a ratio near to zero."""
_NOISE = 1e-6
"""A value this near to one with fewer digits is that one."""


def decimals_of(results: Iterable[Result]) -> int:
    """Return the digits after the point that data have, 2 at most.

    Judged by extremes and quartiles; halfway between two values counts as the values,
    as the median of an even number of them is.

    Parameters
    ----------
    results : iterable of Result
        Rows with statistic ``min``, ``max``, ``q1``, ``median``, ``q3`` or ``x``.
    """
    rows = [(row.statistic, row.value) for row in results if row.value is not None]
    for digits in (0, 1):
        unit = 10.0**digits
        steps = [
            value * unit * (2 if statistic in ("q1", "median", "q3") else 1)
            for statistic, value in rows
        ]
        if all(abs(step - round(step)) < _NOISE for step in steps):
            return digits
    return 2


def number(result: Result | None, digits: int) -> Cell:
    """Return a rounded number, traceable to its row.

    Parameters
    ----------
    result : Result or None
        None gives the sign for no result, a row without value that for not estimable.
    digits : int
        Digits after the point.
    """
    if result is None:
        return Cell((Part(ABSENT),))
    content = format_number(result.value, digits) or NOT_ESTIMABLE
    return Cell((Part(_with_minus(content), result.result_id),))


def ratio(result: Result | None) -> Cell:
    """Return a ratio with three significant digits, traceable to its row.

    Digits before the point are all kept, and below 10 there are two after it at least:
    ``2953``, ``139``, ``13.9``, ``6.60``, ``0.0512``.
    """
    value = abs(result.value or 0.0) if result is not None else 0.0
    if not 0.0 < value < math.inf:
        return number(result, RATIO)
    digits = _SIGNIFICANT - 1 - math.floor(math.log10(value))
    # 9.996 has two digits after the point, and one once it is 10.0.
    if float(round_half_away(value, max(digits, 0))) >= 10.0 ** (_SIGNIFICANT - digits):
        digits -= 1
    return number(result, min(max(digits, 0), _MOST))


def proportion(result: Result | None) -> Cell:
    """Return a proportion as a percentage, traceable to its row.

    The unit is changed on the decimal number, so that 0.0285 is 2.85 and rounds so.
    Beyond the time observed there is none: ``not followed``.
    """
    if result is not None and result.value is None and result.text == NOT_FOLLOWED:
        return Cell((Part(NOT_FOLLOWED, result.result_id),))
    if result is None or result.value is None or not math.isfinite(result.value):
        return number(result, PERCENT)
    percent = float(Decimal(repr(result.value)).scaleb(2))
    content = format_number(percent, PERCENT)
    return Cell((Part(_with_minus(content), result.result_id),))


def days(result: Result | None) -> Cell:
    """Return a time in days, whole where it is; ``NR`` where it is not reached."""
    if result is not None and result.value is None and "not reached" in result.text:
        return Cell((Part(NOT_REACHED, result.result_id),))
    whole = result is None or result.value is None or result.value == int(result.value)
    return number(result, 0 if whole else 1)


def p_value(result: Result | None) -> Cell:
    """Return a p value, traceable to its row."""
    if result is None:
        return Cell((Part(ABSENT),))
    content = format_p(result.value) or NOT_ESTIMABLE
    return Cell((Part(content, result.result_id),))


def words(result: Result | None) -> Cell:
    """Return the text of a row, traceable to it."""
    if result is None:
        return Cell((Part(ABSENT),))
    return Cell((Part(result.text or NOT_ESTIMABLE, result.result_id),))


def with_brackets(first: Cell, second: Cell) -> Cell:
    """Return ``first (second)``; one sign where neither exists."""
    if not first.result_ids and not second.result_ids:
        return first
    return joined(first, " (", second, ")")


def interval(low: Cell, high: Cell) -> Cell:
    """Return ``low, high``; one sign where neither exists."""
    if not low.result_ids and not high.result_ids:
        return low
    return joined(low, ", ", high)


def _with_minus(content: str) -> str:
    """Write the minus sign of typography, which is as wide as a plus."""
    return content.replace("-", "\u2212")
