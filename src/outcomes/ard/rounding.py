"""The one place where numbers become text.

Rounding is half away from zero, on the decimal number a person would write down, not on
its binary form. A double carries noise of arithmetic in its last bits (0.285 * 100 is
28.499999999999996), so the number is first taken at 14 significant decimal digits; what
lies within one part in 10^14 of a half counts as that half.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from outcomes.errors import RenderError

SIGNIFICANT: Final = 14
"""Decimal digits of a double that are believed."""


def round_half_away(value: float, digits: int) -> Decimal:
    """Round half away from zero.

    Parameters
    ----------
    value : float
        A finite number.
    digits : int
        Digits after the point.

    Returns
    -------
    Decimal
        With exactly that many digits; never minus zero.

    Raises
    ------
    RenderError
        If the value is not finite.

    Examples
    --------
    >>> round_half_away(2.675, 2), round_half_away(-0.5, 0), round_half_away(-0.04, 1)
    (Decimal('2.68'), Decimal('-1'), Decimal('0.0'))
    """
    if not math.isfinite(value):
        raise RenderError(f"{value} cannot be rounded; it is not a finite number.")
    # ROUND_HALF_UP of the decimal module is half away from zero.
    taken = Decimal(f"{float(value):.{SIGNIFICANT - 1}e}")
    rounded = taken.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
    return abs(rounded) if rounded.is_zero() else rounded


def format_number(value: float | None, digits: int) -> str:
    """Format a number with a fixed count of digits after the point.

    Parameters
    ----------
    value : float or None
        The number.
    digits : int
        Digits after the point.

    Returns
    -------
    str
        ``''`` for None and NaN, ``'Inf'`` or ``'-Inf'`` where infinite.

    Examples
    --------
    >>> format_number(-2.80176, 2), format_number(-0.001, 1), format_number(None, 1)
    ('-2.80', '0.0', '')
    """
    if value is None or math.isnan(value):
        return ""
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return f"{round_half_away(value, digits):f}"


def format_p(p: float | None, *, digits: int = 3, leading_zero: bool = True) -> str:
    """Format a p value.

    Parameters
    ----------
    p : float or None
        From 0 to 1.
    digits : int
        Digits after the point; smaller values than the last digit can show are given
        as ``<``. The comparison is with the value, not with its rounded form.
    leading_zero : bool
        ``0.013``, or ``.013`` as SAS prints it.

    Returns
    -------
    str
        ``''`` for None and NaN; ``'>0.99'`` above 0.99.

    Raises
    ------
    RenderError
        If the number is not from 0 to 1.

    Examples
    --------
    >>> format_p(0.0131), format_p(0.00099), format_p(0.999)
    ('0.013', '<0.001', '>0.99')
    >>> format_p(0.00005, digits=4, leading_zero=False)
    '<.0001'
    """
    if p is None or math.isnan(p):
        return ""
    if not 0 <= p <= 1:
        raise RenderError(f"{p} is no p value; it must be from 0 to 1.")
    floor = Decimal(1).scaleb(-digits)
    taken = Decimal(f"{float(p):.{SIGNIFICANT - 1}e}")
    if taken < floor:
        text = f"<{floor:f}"
    elif taken > Decimal("0.99"):
        text = ">0.99"
    else:
        text = f"{round_half_away(p, digits):f}"
    return text if leading_zero else text.replace("0.", ".", 1)
