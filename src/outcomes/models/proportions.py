"""One proportion and the comparison of two.

Numbered equations are in ``docs/methods/proportions.md``. All limits are two-sided.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outcomes.errors import ModelError, one_of
from outcomes.models.inference import check_conf_level
from outcomes.models.options import (
    LEGAL_PROPORTION,
    ProportionMeasure,
    ProportionMethod,
    check_option,
)

if TYPE_CHECKING:
    import pandas as pd

Limits = tuple[float, float]
BISECTIONS = 200


@dataclass(frozen=True, slots=True)
class _Table:
    """Responders and subjects of two groups, group 0 the reference."""

    x1: int
    n1: int
    x0: int
    n0: int

    @property
    def p1(self) -> float:
        return self.x1 / self.n1

    @property
    def p0(self) -> float:
        return self.x0 / self.n0


@dataclass(frozen=True, slots=True)
class _Interval:
    """An estimate, its limits and the p value of the matching test, NaN if none."""

    estimate: float
    low: float
    high: float
    p_value: float = math.nan


def two_proportions(
    x1: int,
    n1: int,
    x0: int,
    n0: int,
    measure: ProportionMeasure = "risk-difference",
    method: ProportionMethod = "newcombe",
    conf_level: float = 0.95,
) -> pd.DataFrame:
    """Compare two independent proportions, group 1 against group 0.

    Parameters
    ----------
    x1, n1 : int
        Responders and subjects of the group of interest.
    x0, n0 : int
        The same of the reference group.
    measure : str
        ``"risk-difference"``, ``"risk-ratio"`` or ``"odds-ratio"``.
    method : str
        For the difference ``"newcombe"`` (hybrid score), ``"miettinen-nurminen"``
        (score, with the factor N / (N - 1)), ``"mee"`` (score without it),
        ``"agresti-caffo"`` or ``"wald"``; for the ratios ``"wald"`` on the log scale.
    conf_level : float
        Of the limits.

    Returns
    -------
    pandas.DataFrame
        One row ``measure method estimate conf_low conf_high conf_level p_value
        proportion1 proportion0``. ``p_value`` is that of the test the interval inverts
        (score or Wald, of no difference); Newcombe and Agresti-Caffo have none. A ratio
        with an empty cell has no limits.

    Raises
    ------
    ModelError
        If the counts are not whole numbers with 0 <= x <= n and n > 0, or the measure
        has no such method.

    References
    ----------
    Newcombe (1998), Stat Med 17, 873-890; Miettinen and Nurminen (1985), Stat Med 4,
    213-226; Mee (1984), Biometrics 40, 1175-1176; Agresti and Caffo (2000), Am Stat 54,
    280-288.

    Examples
    --------
    >>> row = two_proportions(56, 70, 48, 80).iloc[0]
    >>> print(f"{row.estimate:.4f} ({row.conf_low:.4f}, {row.conf_high:.4f})")
    0.2000 (0.0524, 0.3339)
    """
    import pandas as pd

    check_option(measure, ProportionMeasure, name="measure")
    check_option(method, ProportionMethod, name="method")
    if method not in LEGAL_PROPORTION[measure]:
        raise ModelError(
            one_of(method, LEGAL_PROPORTION[measure], name=f"method for {measure}")
        )
    z = _quantile(conf_level)
    table = _Table(*_counts(x1, n1, group="1"), *_counts(x0, n0, group="0"))
    found = _METHODS[measure, method](table, z)
    return pd.DataFrame(
        [
            {
                "measure": measure,
                "method": method,
                "estimate": found.estimate,
                "conf_low": found.low,
                "conf_high": found.high,
                "conf_level": float(conf_level),
                "p_value": found.p_value,
                "proportion1": table.p1,
                "proportion0": table.p0,
            }
        ]
    )


def wilson(x: int, n: int, conf_level: float = 0.95) -> pd.DataFrame:
    """Estimate one proportion with Wilson's score limits.

    Parameters
    ----------
    x, n : int
        Responders and subjects.
    conf_level : float
        Of the limits.

    Returns
    -------
    pandas.DataFrame
        One row ``method estimate conf_low conf_high conf_level``.

    Raises
    ------
    ModelError
        If the counts are not whole numbers with 0 <= x <= n and n > 0.

    References
    ----------
    Wilson (1927), J Am Stat Assoc 22, 209-212.

    Examples
    --------
    >>> print(f"{wilson(0, 10).loc[0, 'conf_high']:.4f}")
    0.2775
    """
    import pandas as pd

    x, n = _counts(x, n)
    low, high = wilson_limits(x, n, _quantile(conf_level))
    return pd.DataFrame(
        [
            {
                "method": "wilson",
                "estimate": x / n,
                "conf_low": low,
                "conf_high": high,
                "conf_level": float(conf_level),
            }
        ]
    )


def wilson_limits(x: int, n: int, z: float) -> Limits:
    """Wilson's score limits, equation (1), exact at 0 and n."""
    centre = 2 * x + z * z
    spread = z * math.sqrt(z * z + 4 * x * (n - x) / n)
    divisor = 2 * (n + z * z)
    low = 0.0 if x == 0 else (centre - spread) / divisor
    high = 1.0 if x == n else (centre + spread) / divisor
    return low, high


def score_statistic(
    x1: int, n1: int, x0: int, n0: int, delta: float, *, correct: bool
) -> float:
    """Score statistic of the hypothesis that the difference is delta, equation (3).

    Parameters
    ----------
    x1, n1, x0, n0 : int
        The table.
    delta : float
        Difference under test, in [-1, 1].
    correct : bool
        Miettinen and Nurminen's factor N / (N - 1).

    Returns
    -------
    float
        Asymptotically standard normal; infinite where the restricted variance is zero
        and the observed difference is another one.
    """
    p0 = _restricted(x1, n1, x0, n0, delta)
    p1 = min(1.0, max(0.0, p0 + delta))
    total = n1 + n0
    variance = p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0
    if correct:
        variance *= total / (total - 1)
    # Exact in whole numbers where delta is the observed difference.
    distance = (x1 * n0 - x0 * n1) / (n1 * n0) - delta
    if variance <= 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def _restricted(x1: int, n1: int, x0: int, n0: int, delta: float) -> float:
    """Maximum likelihood estimate of p0 given p1 - p0 = delta, equation (4)."""
    total = n1 + n0
    a3 = float(total)
    a2 = (n1 + 2 * n0) * delta - total - (x1 + x0)
    a1 = (n0 * delta - total - 2 * x0) * delta + x1 + x0
    a0 = x0 * delta * (1 - delta)
    shift = a2 / (3 * a3)
    q = shift**3 - a1 * a2 / (6 * a3**2) + a0 / (2 * a3)
    p = math.sqrt(max(0.0, shift**2 - a1 / (3 * a3)))
    if q < 0:
        p = -p
    ratio = q / p**3 if p else 0.0
    angle = (math.pi + math.acos(min(1.0, max(-1.0, ratio)))) / 3
    root = 2 * p * math.cos(angle) - shift
    # p1 = p0 + delta has to be a proportion as well.
    return min(1.0, 1.0 - delta, max(0.0, -delta, root))


def _score(table: _Table, z: float, *, correct: bool) -> _Interval:
    def statistic(delta: float) -> float:
        return score_statistic(
            table.x1, table.n1, table.x0, table.n0, delta, correct=correct
        )

    difference = table.p1 - table.p0
    low = _crossing(lambda t: statistic(t) > z, -1.0, difference)
    high = _crossing(lambda t: statistic(t) >= -z, difference, 1.0)
    return _Interval(difference, low, high, _two_sided(statistic(0.0)))


def _crossing(above: Callable[[float], bool], left: float, right: float) -> float:
    """Bisect for where a decreasing statistic stops being above its limit."""
    if not above(left):
        return left
    for _ in range(BISECTIONS):
        middle = (left + right) / 2
        if middle in (left, right):
            break
        if above(middle):
            left = middle
        else:
            right = middle
    return right if above(right) else (left + right) / 2


def _newcombe(table: _Table, z: float) -> _Interval:
    low1, high1 = wilson_limits(table.x1, table.n1, z)
    low0, high0 = wilson_limits(table.x0, table.n0, z)
    difference = table.p1 - table.p0
    return _Interval(
        difference,
        difference - math.hypot(table.p1 - low1, high0 - table.p0),
        difference + math.hypot(high1 - table.p1, table.p0 - low0),
    )


def _agresti_caffo(table: _Table, z: float) -> _Interval:
    size1, size0 = table.n1 + 2, table.n0 + 2
    a, b = (table.x1 + 1) / size1, (table.x0 + 1) / size0
    spread = z * math.sqrt(a * (1 - a) / size1 + b * (1 - b) / size0)
    return _Interval(table.p1 - table.p0, a - b - spread, a - b + spread)


def _wald(table: _Table, z: float) -> _Interval:
    difference = table.p1 - table.p0
    se = math.sqrt(
        table.p1 * (1 - table.p1) / table.n1 + table.p0 * (1 - table.p0) / table.n0
    )
    p_value = _two_sided(difference / se) if se > 0 else math.nan
    return _Interval(difference, difference - z * se, difference + z * se, p_value)


def _log_ratio(
    numerator: float, denominator: float, variance: float, z: float
) -> _Interval:
    """Wald limits of a ratio on the log scale; none where a cell is empty."""
    if math.isnan(variance):
        estimate = math.nan
        if denominator:
            estimate = numerator / denominator
        elif numerator:
            estimate = math.inf
        return _Interval(estimate, math.nan, math.nan)
    log, se = math.log(numerator / denominator), math.sqrt(variance)
    p_value = _two_sided(log / se) if se > 0 else math.nan
    return _Interval(
        numerator / denominator, math.exp(log - z * se), math.exp(log + z * se), p_value
    )


def _risk_ratio(table: _Table, z: float) -> _Interval:
    variance = math.nan
    if table.x1 and table.x0:
        variance = 1 / table.x1 - 1 / table.n1 + 1 / table.x0 - 1 / table.n0
    return _log_ratio(table.p1, table.p0, variance, z)


def _odds_ratio(table: _Table, z: float) -> _Interval:
    cells = (table.x1, table.n1 - table.x1, table.x0, table.n0 - table.x0)
    variance = sum(1 / cell for cell in cells) if all(cells) else math.nan
    numerator, denominator = cells[0] * cells[3], cells[1] * cells[2]
    return _log_ratio(numerator, denominator, variance, z)


_METHODS: dict[tuple[str, str], Callable[[_Table, float], _Interval]] = {
    ("risk-difference", "newcombe"): _newcombe,
    ("risk-difference", "miettinen-nurminen"): lambda t, z: _score(t, z, correct=True),
    ("risk-difference", "mee"): lambda t, z: _score(t, z, correct=False),
    ("risk-difference", "agresti-caffo"): _agresti_caffo,
    ("risk-difference", "wald"): _wald,
    ("risk-ratio", "wald"): _risk_ratio,
    ("odds-ratio", "wald"): _odds_ratio,
}


def _counts(x: Any, n: Any, *, group: str = "") -> tuple[int, int]:
    numbers: list[int] = []
    for name, value in ((f"x{group}", x), (f"n{group}", n)):
        try:
            whole = int(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise ModelError(f"{name}: {value!r} is not a whole number.") from error
        if whole != value:
            raise ModelError(f"{name}: {value!r} is not a whole number.")
        numbers.append(whole)
    responders, subjects = numbers
    if subjects <= 0:
        raise ModelError(f"n{group}: {subjects} subjects; there must be at least one.")
    if not 0 <= responders <= subjects:
        raise ModelError(
            f"x{group}: {responders} is not between 0 and n{group}={subjects}."
        )
    return responders, subjects


def _quantile(conf_level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + check_conf_level(conf_level)) / 2))


def _two_sided(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2))
