"""Variance components of mixed models: intervals, shares of variance and tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial, singledispatch
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.inference import check_conf_level
from outcomes.models.mixed.effects import INTERCEPT, Term
from outcomes.models.mixed.profile import FARTHEST, limit, slope_and_bend
from outcomes.models.options import (
    BoolArray,
    FloatArray,
    IntArray,
    Interval,
    check_option,
)

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["sd", "correlation", "icc", "residual"]
Parts = tuple[list[FloatArray], float]

# Standard deviation, as a share of all there is, from which an upper limit is sought
# where the estimate is zero.
FROM_ZERO = 0.05
# Difference of two deviances that is rounding.
NO_CHANGE = 1e-6
# The scale of correlations and shares has no ends; here they are at one.
END = 9.0
# Where a limit is sought from if a correlation is one, on Fisher's scale.
INSIDE = 1.8
# Beyond this, on Fisher's scale from the estimate, a correlation's limit is one.
CERTAIN = 5.0
# By how much other correlations shrink until a covariance is one.
SHRINK = 0.9


class Surface(Protocol):
    """The deviance of a mixed model over all its parameters."""

    @property
    def terms(self) -> tuple[Term, ...]:
        """Random effects."""

    @property
    def start(self) -> FloatArray:
        """Parameters at the minimum."""

    @property
    def places(self) -> IntArray:
        """Parameters the variance components depend on."""

    @property
    def best(self) -> float:
        """Deviance at the minimum."""

    def deviance(
        self, phi: FloatArray, *, fresh: bool = False
    ) -> tuple[float, FloatArray, FloatArray] | None:
        """Value, gradient and Hessian, as `profile.Deviance`."""

    def parts(self, phi: FloatArray) -> Parts:
        """Covariance of each term and the residual variance."""

    def with_covariance(
        self, phi: FloatArray, term: int, covariance: FloatArray
    ) -> FloatArray:
        """Parameters with the covariance of one term set."""

    def without(self, free: BoolArray) -> float:
        """Least deviance with some elements of the factors at zero."""


@singledispatch
def surface(fit: Any) -> Surface:
    """Give the deviance of a fit over all its parameters."""
    raise ModelError(f"{type(fit).__name__} is not a mixed model.")


@dataclass(frozen=True, slots=True)
class Target:
    """A quantity of the variance components, on a scale without ends.

    Attributes
    ----------
    kind : str
        ``sd``, ``correlation``, ``icc`` or ``residual``.
    term : int
        Number of the term.
    effects : tuple of int
        The effect, or the two of a correlation.
    """

    kind: Kind
    term: int = -1
    effects: tuple[int, ...] = ()

    def value(self, parts: Parts) -> float:
        """Return the quantity itself."""
        covariances, residual = parts
        if self.kind == "residual":
            return float(np.sqrt(residual))
        own = covariances[self.term]
        if self.kind == "icc":
            whole = residual + sum(float(each[0, 0]) for each in covariances)
            return float(own[0, 0]) / whole
        i, j = self.effects[0], self.effects[-1]
        if self.kind == "sd":
            return float(np.sqrt(own[i, i]))
        size = np.sqrt(own[i, i] * own[j, j])
        return float(np.clip(own[i, j] / size, -1.0, 1.0)) if size > 0.0 else np.nan

    def to_scale(self, value: float) -> float:
        """Logarithm, Fisher's z or logit."""
        with np.errstate(divide="ignore"):
            if self.kind == "correlation":
                return float(np.arctanh(value))
            if self.kind == "icc":
                return float(np.log(value) - np.log1p(-value))
            return float(np.log(value))

    def from_scale(self, value: float) -> float:
        """Undo `to_scale`."""
        if self.kind == "correlation":
            return float(np.tanh(value))
        if self.kind == "icc":
            return float(1.0 / (1.0 + np.exp(-value)))
        return float(np.exp(value))


def variance_components(
    fit: Any, conf_level: float = 0.95, interval: Interval | None = "profile"
) -> pd.DataFrame:
    """Tabulate standard deviations and correlations of random effects.

    Parameters
    ----------
    fit : LmmFit or GlmmFit
        A mixed model.
    conf_level : float
        Of the limits.
    interval : str or None
        ``"profile"``: where the profile deviance, of the fit's own method, rises by the
        quantile of chi-square; ``None``: no limits. A lower limit of 0 says that the
        data do not exclude it.

    Returns
    -------
    pandas.DataFrame
        ``grouping term parameter estimate conf_low conf_high``; ``parameter`` is
        ``sd``, ``correlation`` (``term`` names both effects) or, last, ``residual sd``
        of a linear model.

    Raises
    ------
    ModelError
        If an option is not understood.
    """
    import pandas as pd

    over = surface(fit)
    rows = []
    for grouping, name, target in _targets(over):
        estimate, low, high = _interval(over, target, conf_level, interval)
        label = "residual sd" if target.kind == "residual" else target.kind
        rows.append((grouping, name, label, estimate, low, high))
    columns = ["grouping", "term", "parameter", "estimate", "conf_low", "conf_high"]
    return pd.DataFrame(rows, columns=columns)


def icc(
    fit: Any, conf_level: float = 0.95, interval: Interval | None = "profile"
) -> pd.DataFrame:
    """Share of the variance of an outcome that lies between the levels of a grouping.

    Parameters
    ----------
    fit : LmmFit or GlmmFit
        A mixed model with random intercepts only.
    conf_level : float
        Of the limits.
    interval : str or None
        ``"profile"`` or none.

    Returns
    -------
    pandas.DataFrame
        ``grouping estimate conf_low conf_high scale``. The scale is ``observed`` for a
        linear model and ``latent`` for others: the residual variance there is that of
        the standard logistic (pi^2 / 3) or normal (1) distribution.

    Raises
    ------
    ModelError
        With random slopes, where the share depends on the covariate, or a family
        without a latent variable.
    """
    import pandas as pd

    over = surface(fit)
    if any(term.effects != (INTERCEPT,) for term in over.terms):
        raise ModelError(
            "icc: with random slopes the share of variance depends on the covariate;"
            " fit random intercepts only."
        )
    residual = over.parts(over.start)[1]
    if not residual > 0.0:
        raise ModelError(
            "icc: a model of counts has no residual variance on the scale of its random"
            " effects; report the standard deviation."
        )
    rows = []
    for k, term in enumerate(over.terms):
        found = _interval(over, Target("icc", k, (0,)), conf_level, interval)
        rows.append((term.grouping, *found))
    frame = pd.DataFrame(
        rows, columns=["grouping", "estimate", "conf_low", "conf_high"]
    )
    latent = not hasattr(over, "sigma_is_free")
    return frame.assign(scale="latent" if latent else "observed")


def component_tests(fit: Any) -> pd.DataFrame:
    """Test each random effect by the likelihood ratio.

    A variance cannot be negative, so without the effect the ratio is an equal mixture
    of two chi-squares (Self and Liang 1987; Stram and Lee 1994): with 0 and 1 degrees
    of freedom for a random intercept alone, with c - 1 and c for one of c correlated
    effects. An intercept that has slopes beside it is not tested.

    Parameters
    ----------
    fit : LmmFit or GlmmFit
        A mixed model.

    Returns
    -------
    pandas.DataFrame
        ``grouping term statistic df_low df_high p_value loglik_full loglik_reduced``.
        The fixed effects are the same in both models, so restricted likelihoods may be
        compared.

    References
    ----------
    Self and Liang (1987), JASA 82, 605-610; Stram and Lee (1994), Biometrics 50,
    1171-1177.
    """
    import pandas as pd
    from scipy.special import chdtrc

    over = surface(fit)
    rows = []
    for k, term in enumerate(over.terms):
        for j, effect in enumerate(term.effects):
            if term.c > 1 and effect == INTERCEPT:
                continue
            reduced = over.without(_others(over.terms, k, j))
            statistic = reduced - over.best
            if statistic < NO_CHANGE:  # the effect is not there; the rest is rounding
                statistic = 0.0
            above = [chdtrc(d, statistic) if d else 0.0 for d in (term.c - 1, term.c)]
            p_value = 1.0 if statistic == 0.0 else 0.5 * sum(above)
            difference = -0.5 * (reduced - over.best)
            rows.append(
                {
                    "grouping": term.grouping,
                    "term": effect,
                    "statistic": statistic if np.isfinite(reduced) else np.nan,
                    "df_low": term.c - 1,
                    "df_high": term.c,
                    "p_value": p_value if np.isfinite(reduced) else np.nan,
                    "loglik_full": fit.loglik,
                    "loglik_reduced": fit.loglik + difference,
                }
            )
    return pd.DataFrame(rows)


def _others(terms: tuple[Term, ...], term: int, effect: int) -> BoolArray:
    """Elements of the factors that stay when one effect goes."""
    free: list[bool] = []
    for k, each in enumerate(terms):
        for a, b in zip(*np.tril_indices(each.c), strict=True):
            free.append(k != term or effect not in (a, b))
    return np.array(free)


def _targets(over: Surface) -> Iterator[tuple[str, str, Target]]:
    for k, term in enumerate(over.terms):
        for j, name in enumerate(term.effects):
            yield term.grouping, name, Target("sd", k, (j,))
        for i in range(term.c):
            for j in range(i):
                pair = f"{term.effects[j]}, {term.effects[i]}"
                yield term.grouping, pair, Target("correlation", k, (j, i))
    if hasattr(over, "sigma_is_free"):
        yield "", "", Target("residual")


def _interval(
    over: Surface, target: Target, conf_level: float, interval: str | None
) -> tuple[float, float, float]:
    """Estimate and limits of a quantity."""
    from scipy.special import chdtri

    estimate = target.value(over.parts(over.start))
    if interval is None:
        return estimate, np.nan, np.nan
    check_option(interval, Interval, name="interval")
    rise = float(chdtri(1, 1.0 - check_conf_level(conf_level)))
    if not np.isfinite(estimate):  # a correlation with a variance at zero
        return estimate, np.nan, np.nan
    low = _limit(over, target, rise, -1)
    return estimate, low, _limit(over, target, rise, 1)


def _limit(over: Surface, target: Target, rise: float, side: int) -> float:
    """One limit, in the units of the quantity."""
    estimate = target.value(over.parts(over.start))
    nonnegative = target.kind in ("sd", "icc")
    if nonnegative and side < 0:
        reduced = over.without(_others(over.terms, target.term, target.effects[0]))
        if estimate == 0.0 or reduced - over.best <= rise:
            return 0.0
    start = over.start
    if target.kind == "correlation" and abs(estimate) > np.tanh(END):
        if np.sign(estimate) == side:
            return float(side)
        start = _set(over, target, start, np.sign(estimate) * INSIDE)
    if nonnegative and estimate == 0.0:
        start = _off_zero(over, target)

    ceiling, farthest = np.nan, FARTHEST
    if target.kind == "correlation":
        gone = [_others(over.terms, target.term, k) for k in target.effects]
        ceiling, farthest = min(over.without(free) for free in gone), CERTAIN
        if ceiling - over.best <= rise:  # without one of the effects there is none
            return float(side)

    def quantity(phi: FloatArray) -> float:
        return target.to_scale(target.value(over.parts(phi)))

    found = limit(
        over.deviance,
        quantity,
        start=start,
        places=over.places,
        best=over.best,
        rise=rise,
        width=_width(over, target, start, rise),
        side=side,
        scaled=partial(_set, over, target),
        ceiling=ceiling,
        farthest=farthest,
    )
    if np.isinf(found):
        if target.kind == "correlation":
            return float(side)
        return (0.0 if side < 0 else np.inf) if target.kind != "icc" else max(side, 0.0)
    return target.from_scale(found)


def _width(over: Surface, target: Target, start: FloatArray, rise: float) -> float:
    """Distance of the limit if the deviance were a parabola."""
    here = over.deviance(start)
    slope, _ = slope_and_bend(
        lambda phi: target.to_scale(target.value(over.parts(phi))), start, over.places
    )
    if here is None:
        return 0.5
    values, vectors = np.linalg.eigh(here[2])
    along = vectors.T @ slope
    good = values > 1e-8 * values[-1]
    width = float(np.sqrt(2.0 * rise * np.sum(along[good] ** 2 / values[good]) / 2.0))
    return min(max(width, 0.05), 2.0) if np.isfinite(width) else 0.5


def _off_zero(over: Surface, target: Target) -> FloatArray:
    covariances, residual = over.parts(over.start)
    whole = residual + sum(float(np.trace(each)) for each in covariances)
    own = covariances[target.term].copy()
    i = target.effects[0]
    own[i, i] = FROM_ZERO**2 * (whole if whole > 0.0 else 1.0)
    return over.with_covariance(over.start, target.term, own)


def _set(over: Surface, target: Target, phi: FloatArray, value: float) -> FloatArray:
    """Parameters near given ones at which the quantity has (almost) a given value."""
    if target.kind == "residual":
        return phi
    wanted = target.from_scale(value)
    covariances, residual = over.parts(phi)
    own = covariances[target.term].copy()
    i, j = target.effects[0], target.effects[-1]
    if target.kind == "correlation":
        own[i, j] = own[j, i] = wanted * np.sqrt(own[i, i] * own[j, j])
        others = [k for k in range(len(own)) if k not in (i, j)]
        while np.linalg.eigvalsh(own)[0] < 0.0 and np.any(own[others][:, [i, j]]):
            for k in (i, j):
                own[k, others] *= SHRINK
                own[others, k] *= SHRINK
        return over.with_covariance(phi, target.term, own)
    if target.kind == "icc":
        rest = residual + sum(float(each[0, 0]) for each in covariances) - own[0, 0]
        wanted = float(np.sqrt(rest * wanted / (1.0 - wanted)))
    size = float(np.sqrt(own[i, i]))
    if size > 0.0:
        own[i] *= wanted / size
        own[:, i] *= wanted / size
    else:
        own[i, i] = wanted**2
    return over.with_covariance(phi, target.term, own)
