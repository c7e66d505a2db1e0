"""Intervals and tests by the profile of the likelihood, penalised or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from outcomes.errors import ModelError, one_of
from outcomes.models.estimable import alias_columns
from outcomes.models.inference import check_conf_level
from outcomes.models.logistic.climb import Point, Task, climb, evaluate
from outcomes.models.logistic.results import LogisticFit
from outcomes.models.logistic.separation import find_separation, triangle
from outcomes.models.options import FloatArray, IntArray
from outcomes.models.profiles import profile_intervals

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("estimate", "conf_low", "conf_high", "statistic", "p_value")
LOST = "the profile of the likelihood could not be followed for: "
MAX_TRIES = 100
# Largest move of a linear predictor by a short first step, and how steps grow.
FIRST = 1.0
GROWTH = 1.5
# Distance of the root of the likelihood ratio statistic from its limit, in standard
# errors, at which a limit is found.
FOUND = 1e-9


class _Lost(Exception):
    """A profile could not be followed."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The likelihood of a fit with some coefficients held.

    Attributes
    ----------
    task : Task
        Orthonormal columns, in an order in which the held coefficients are last and
        depend on the last coefficients of these columns only.
    scale : FloatArray, shape (k, k)
        The last coefficients are ``scale`` times those held.
    top : float
        The largest value, or the supremum.
    start : Point
        The maximum where there is one, else coefficients of zero.
    idle : bool
        Whether the likelihood is the same whatever the value held.
    """

    task: Task
    scale: FloatArray
    top: float
    start: Point
    idle: bool = False

    def hold(self, last: FloatArray, near: Point) -> Point:
        """Maximise over the others, the last coefficients held; start near a point."""
        k = len(last)
        plain = near.gamma.copy()
        change = last - plain[-k:]
        plain[-k:] = last
        ridge = plain.copy()
        if k < len(plain):  # along the ridge, to first order
            others, cross = near.information[:-k, :-k], near.information[:-k, -k:]
            ridge[:-k] -= np.linalg.lstsq(others, cross @ change, rcond=None)[0]
        for start in (ridge, plain):
            peak = climb(self.task, start, fixed=k)
            if peak.settled:
                return peak.at
        raise _Lost

    def statistic_at_zero(self) -> float:
        """Likelihood ratio statistic of the hypothesis that those held are zero."""
        zero = np.zeros(len(self.scale))
        return self.statistic(self.hold(zero, self.start))

    def statistic(self, at: Point) -> float:
        """Likelihood ratio statistic against the maximum."""
        return max(0.0, 2.0 * (self.top - at.value))


@profile_intervals.register(LogisticFit)
def _(
    fit: LogisticFit,
    terms: str | Sequence[str] | None = None,
    conf_level: float = 0.95,
) -> pd.DataFrame:
    import pandas as pd
    from scipy.special import chdtrc, ndtri

    level = check_conf_level(conf_level)
    wanted = _wanted(fit, terms)
    _check_usable(fit)
    known = {name: j for j, name in enumerate(fit.estimated_terms)}
    root = float(ndtri((1.0 + level) / 2.0))
    table, lost = [], []
    for term in wanted:
        row = dict.fromkeys(COLUMNS, np.nan)
        if term in known:
            place = known[term]
            profile = _pose(fit, np.array([place]))
            row["estimate"] = _estimate(fit, place)
            for name, find in (
                ("conf_low", partial(_limit, fit, profile, place, -1, root)),
                ("conf_high", partial(_limit, fit, profile, place, 1, root)),
                ("statistic", profile.statistic_at_zero),
            ):
                try:
                    row[name] = find()
                except _Lost:
                    lost.append(f"{name} of {term}")
            row["p_value"] = float(chdtrc(1.0, row["statistic"]))
        table.append({"term": term, **row})
    frame = pd.DataFrame(table)
    frame.attrs["reason"] = LOST + ", ".join(lost) if lost else ""
    return frame


def profile_test(fit: LogisticFit, terms: str | Sequence[str]) -> pd.DataFrame:
    """Test that several coefficients are zero, by the likelihood ratio.

    With Firth's penalty both likelihoods carry the penalty of the whole model matrix,
    as in R ``logistftest``.

    Parameters
    ----------
    fit : LogisticFit
        A fit.
    terms : str or sequence of str
        Columns of the model matrix; those that repeat earlier ones take no part.

    Returns
    -------
    pandas.DataFrame
        One row ``statistic df p_value``.

    Raises
    ------
    ModelError
        If a term is not a column of the model matrix or none has a coefficient.

    Examples
    --------
    >>> profile_test(fit, ["SITE[T.B]", "SITE[T.C]"])  # doctest: +SKIP
    """
    import pandas as pd
    from scipy.special import chdtrc

    names = list(fit.estimated_terms)
    places = [names.index(term) for term in _wanted(fit, terms) if term in names]
    if not places:
        raise ModelError("profile_test: none of the terms has a coefficient.")
    _check_usable(fit)
    profile = _pose(fit, np.array(sorted(set(places))))
    df = len(set(places))
    try:
        statistic = profile.statistic_at_zero()
    except _Lost:
        raise ModelError(
            f"profile_test: {LOST}{', '.join(_wanted(fit, terms))}."
        ) from None
    return pd.DataFrame(
        [
            {
                "statistic": statistic,
                "df": df,
                "p_value": float(chdtrc(float(df), statistic)),
            }
        ]
    )


def _wanted(fit: LogisticFit, terms: str | Sequence[str] | None) -> list[str]:
    if terms is None:
        return list(fit.terms)
    if isinstance(terms, str) or not isinstance(terms, Iterable):
        terms = [terms]
    wanted = list(terms)
    for term in wanted:
        if term not in fit.terms:
            raise ModelError(one_of(term, fit.terms, name="terms"))
    return wanted


def _check_usable(fit: LogisticFit) -> None:
    if not fit.convergence.converged and not fit.runs_off:
        raise ModelError(
            "the fit did not converge, so there is no maximum to measure a profile"
            f" from: {' '.join(fit.convergence.messages[:1])}"
        )


def _pose(fit: LogisticFit, places: IntArray) -> Profile:
    """Put the columns of some coefficients last and orthonormalise.

    Where the data are separated, records that the other columns separate take no part:
    at the supremum their likelihood is one, whatever is held. What remains has a
    maximum.
    """
    X, y, n = fit.design.X[:, ~fit.aliased_mask], fit.successes, fit.n_trials
    others, held = np.delete(X, places, axis=1), X[:, places]
    k, idle = len(places), False
    if fit.runs_off:
        top = _supremum(fit, X)
        others, held, y, n = _without_separated(others, held, y, n)
        idle = bool(alias_columns(triangle(np.column_stack([others, held]))).any())
    if idle:  # held at zero the columns make no difference, and nowhere else is asked
        Q = np.column_stack([np.linalg.qr(others)[0], np.zeros_like(held)])
        task, R = _task(fit, Q, y, n), np.eye(Q.shape[1])
    else:
        Q, R = np.linalg.qr(np.column_stack([others, held]))
        task = _task(fit, Q, y, n)
    if fit.runs_off:
        start = evaluate(task, np.zeros(Q.shape[1]))
    else:
        order = np.concatenate([np.delete(np.arange(len(fit.beta)), places), places])
        start = evaluate(task, R @ fit.beta[order])
        top = start.value
    return Profile(task, R[-k:, -k:], top, start, idle)


def _task(fit: LogisticFit, Q: FloatArray, y: FloatArray, n: FloatArray) -> Task:
    return Task(Q, y, n, fit.link, fit.penalty == "firth")


def _supremum(fit: LogisticFit, X: FloatArray) -> float:
    """Largest likelihood there is room for, that of the records not separated."""
    nothing = np.zeros((len(X), 0))
    rest, _, y, n = _without_separated(X, nothing, fit.successes, fit.n_trials)
    if not rest.size:
        return 0.0
    Q = np.linalg.qr(rest)[0]
    return climb(_task(fit, Q, y, n), np.zeros(Q.shape[1])).at.value


def _without_separated(
    X: FloatArray, beside: FloatArray, y: FloatArray, n: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Leave out the rows that columns separate, and then columns without a part."""
    if not X.shape[1]:
        return X, beside, y, n
    names = tuple(str(j) for j in range(X.shape[1]))
    rest = find_separation(X, y, n, names).sides == 0
    X = X[rest]
    return X[:, ~alias_columns(triangle(X))], beside[rest], y[rest], n[rest]


def _estimate(fit: LogisticFit, place: int) -> float:
    up, down = _runs(fit, place)
    if up and down:
        return float("nan")
    return float("inf" if up else "-inf" if down else fit.beta[place])


def _runs(fit: LogisticFit, place: int) -> tuple[bool, bool]:
    """Tell whether a coefficient may grow, and fall, at no loss of likelihood."""
    if not fit.runs_off:
        return False, False
    j = np.flatnonzero(~fit.aliased_mask)[place]
    return bool(fit.separation.up[j]), bool(fit.separation.down[j])


def _limit(
    fit: LogisticFit, profile: Profile, place: int, side: int, root: float
) -> float:
    """Find where the root of the likelihood ratio statistic reaches its limit.

    The root is nearly a straight line in the coefficient, so Newton's method, kept
    within a bracket, needs few steps. It starts at the estimate; where that is
    infinite, at zero.
    """
    runs = _runs(fit, place)
    if profile.idle or runs[0 if side > 0 else 1]:
        return side * float("inf")
    scale = float(profile.scale[0, 0])
    estimate = None if any(runs) else fit.beta[place] * scale
    toward = side * float(np.sign(scale))
    near = profile.hold(np.array([estimate or 0.0]), profile.start)
    for step in _first_steps(profile, near):
        found = _search(profile, near, estimate, toward * step, root)
        if found is not None:
            return found / scale
    raise _Lost


def _search(
    profile: Profile, near: Point, estimate: float | None, step: float, root: float
) -> float | None:
    """Step away from the estimate until the limit is bracketed, then close in."""
    toward = float(np.sign(step))
    inside, beyond = (-toward * np.inf if estimate is None else estimate), None
    x = 0.0 if estimate is None else estimate + root * step
    for _ in range(MAX_TRIES):
        try:
            near = profile.hold(np.array([x]), near)
        except _Lost:
            return None
        reached = float(np.sqrt(profile.statistic(near)))
        if abs(reached - root) <= FOUND:
            return x
        if reached < root:
            inside = x
        else:
            beyond = x
        slope = -float(near.gradient[-1]) * toward / max(reached, 1e-300)
        guess = x + toward * (root - reached) / slope if slope > 0 else np.nan
        x = _next(guess, x, inside, beyond, 2.0 * step)
        step *= GROWTH
    return None


def _first_steps(profile: Profile, at: Point) -> list[float]:
    """List the steps to try: a standard error; where that is no guide, a short one."""
    information = at.information
    left = float(information[-1, -1])
    if len(information) > 1:
        cross = information[:-1, -1]
        others = information[:-1, :-1]
        left -= float(cross @ np.linalg.lstsq(others, cross, rcond=None)[0])
    short = FIRST / max(float(np.max(np.abs(profile.task.Q[:, -1]))), 1e-300)
    return [1.0 / float(np.sqrt(left)), short] if left > 0.0 else [short]


def _next(
    guess: float, x: float, inside: float, beyond: float | None, longest: float
) -> float:
    """Take Newton's guess if it lies in the bracket and is near, else halve or step."""
    near = bool(np.isfinite(guess)) and abs(guess - x) < abs(longest)
    if beyond is None:  # all known points are inside
        return guess if near and (guess - x) * longest > 0 else inside + longest
    if not np.isfinite(inside):
        return guess if near and (guess - x) * longest < 0 else beyond - longest
    within = min(inside, beyond) < guess < max(inside, beyond)
    return guess if within else 0.5 * (inside + beyond)
