"""Population-averaged risks from models of a binary outcome, by g-computation.

Every record is predicted with the factor set to each of its levels and all else as
observed; predictions are averaged. In a mixed model the prediction for a record is
averaged over the distribution of the random effects first, so the result is a risk in
the population and not that of a typical participant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError, one_of
from outcomes.models.columns import code_levels
from outcomes.models.design import Design, code_rows
from outcomes.models.inference import (
    RowInference,
    check_conf_level,
    keep_estimable,
    statistics_frame,
)
from outcomes.models.options import FloatArray, IntArray, Measure, Over, check_option

if TYPE_CHECKING:
    import pandas as pd

RATIOS = ("risk-ratio", "odds-ratio")


@dataclass(frozen=True, slots=True)
class Standardised:
    """Population-averaged estimates.

    Attributes
    ----------
    frame : pandas.DataFrame
        The factor and ``by`` columns, ``reference`` (but for risks), ``measure``,
        ``effect`` (always ``"marginal"``), then ``estimate std_error df statistic
        p_value conf_low conf_high``. For ratios the estimate and its limits are ratios,
        and ``std_error`` is that of their logarithm. Limits of a risk come from the
        logit.
    cov : FloatArray, shape (rows, rows)
        Covariance of the rows, of logarithms for ratios.
    risks : FloatArray, shape (rows of risks,)
        The averaged risks.
    cov_risks : FloatArray, shape (rows of risks, rows of risks)
        Their covariance.
    fit : object
        The fit.
    """

    frame: pd.DataFrame
    cov: FloatArray
    risks: FloatArray
    cov_risks: FloatArray
    fit: Any


@singledispatch
def mean_outcome(
    fit: Any, X: FloatArray, frame: pd.DataFrame
) -> tuple[FloatArray, FloatArray]:
    """Mean outcome of records, shape (n,), and its derivatives, shape (n, k).

    ``X`` is over the columns that have a coefficient, ``frame`` the records as they are
    predicted; the k parameters are those of `parameter_covariance`.
    """
    # Means of 0 and 1 are risks whatever the family (a Poisson model of them, say).
    risks = getattr(fit, "family", "binomial") == "binomial" or (
        np.all((fit.design.y == 0.0) | (fit.design.y == 1.0))
    )
    if not (hasattr(fit, "inverse_link") and risks):
        raise ModelError(
            f"standardise: {type(fit).__name__} is no model of a yes/no outcome."
        )
    eta = X @ fit.beta
    return fit.inverse_link(eta), fit.inverse_link_slope(eta)[:, None] * X


@singledispatch
def parameter_covariance(fit: Any) -> FloatArray:
    """Covariance of the parameters of `mean_outcome`; shape (k, k)."""
    return np.asarray(fit.cov_inference)


@singledispatch
def subjects_of(fit: Any) -> IntArray:
    """Subject of each record, codes from 0; shape (n,)."""
    subject = getattr(fit, "subject", None)
    if subject is None:
        return np.arange(len(fit.design.X))
    codes = np.unique(fit.design.frame[subject].astype(str), return_inverse=True)[1]
    return np.asarray(codes, dtype=np.intp).ravel()


def standardise(
    fit: Any,
    factor: str,
    *,
    measure: Measure = "risk-difference",
    reference: Any = None,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    over: Over = "subjects",
    conf_level: float = 0.95,
) -> Standardised:
    """Average predicted risks over the population, and compare them.

    Parameters
    ----------
    fit : GlmmFit, GeeFit or LogisticFit
        A model of a yes/no outcome.
    factor : str
        The factor to set, the arm as a rule.
    measure : str
        ``"risk"`` of each level, or ``"risk-difference"``, ``"risk-ratio"``,
        ``"odds-ratio"`` of each level against the reference.
    reference : optional
        Level compared with; the first by default.
    by : str or sequence of str, optional
        Further factors to set to each of their levels in turn, the visit as a rule.
    at : mapping, optional
        Columns to set to one value: ``{"WEEK": 12}``.
    over : str
        ``"subjects"``: each counts the same, whatever its number of records;
        ``"records"``: each record does.
    conf_level : float
        Of the limits.

    Returns
    -------
    Standardised
        Estimates with standard errors by the delta method, from the joint covariance of
        coefficients and variance components, given the covariates observed. Rows the
        data do not determine are NaN, and so are the standard errors of a fit that did
        not converge.

    Raises
    ------
    ModelError
        If a name or level is not one of the model, or the outcome is not yes/no.

    Notes
    -----
    Equations: ``docs/methods/mixed.md``. The model-based odds ratio of a mixed model is
    conditional on the random effects and further from 1 than this one.

    Examples
    --------
    >>> standardise(fit, "TRT01P", by="AVISIT").frame  # doctest: +SKIP
    """
    check_option(measure, Measure, name="measure")
    check_option(over, Over, name="over")
    conf_level = check_conf_level(conf_level)
    design = getattr(fit, "design", None)
    if not isinstance(design, Design):
        raise ModelError(f"standardise: {type(fit).__name__} is no fitted model.")
    within = _names(by)
    for name in (factor, *within):
        if not isinstance(name, str) or name not in design.factors:
            if name in design.covariates:
                raise ModelError(
                    f"standardise: {name!r} is a column of numbers in this fit, without"
                    f" levels to set. Fit with levels={{{name!r}: [...]}}, or make it"
                    " text."
                )
            raise ModelError(one_of(name, design.factors, name="standardise"))
    if factor in within:
        raise ModelError(f"standardise: {factor!r} cannot also be in 'by'.")
    fixed = _fixed(design, at or {}, (factor, *within))
    levels = design.factors[factor]
    base = levels[0] if reference is None else reference
    if base not in levels:
        raise ModelError(one_of(base, levels, name="standardise reference"))
    cells = [
        (*rest, level)
        for rest in product(*(design.factors[name] for name in within))
        for level in levels
    ]
    weights = _weights(fit, over)
    risks, slopes = _average(fit, (*within, factor), cells, fixed, weights)
    cov_risks = slopes @ parameter_covariance(fit) @ slopes.T
    if not fit.convergence.converged:  # marked, not hidden
        cov_risks = np.full_like(cov_risks, np.nan)
    labels = _labels(cells, (*within, factor), design)
    if measure == "risk":
        frame, cov = _risks(risks, cov_risks, conf_level)
        return _pack(labels, frame, measure, cov, risks, cov_risks, fit)
    k = len(levels)
    place = levels.index(base)
    rows = [i for i in range(len(cells)) if i % k != place]
    pairs = [(i, i - i % k + place) for i in rows]
    frame, cov = _compare(risks, cov_risks, pairs, measure, conf_level)
    shown = labels.iloc[rows].reset_index(drop=True).assign(reference=base)
    return _pack(shown, frame, measure, cov, risks, cov_risks, fit)


def _pack(
    labels: pd.DataFrame,
    numbers: pd.DataFrame,
    measure: str,
    cov: FloatArray,
    risks: FloatArray,
    cov_risks: FloatArray,
    fit: Any,
) -> Standardised:
    import pandas as pd

    named = labels.assign(measure=measure, effect="marginal")
    frame = pd.concat([named.reset_index(drop=True), numbers], axis=1)
    return Standardised(frame, cov, risks, cov_risks, fit)


def _labels(
    cells: Sequence[tuple[Any, ...]], names: Sequence[str], design: Design
) -> pd.DataFrame:
    import pandas as pd

    columns = {
        name: code_levels(pd.Series([cell[j] for cell in cells]), design.factors[name])
        for j, name in enumerate(names)
    }
    return pd.DataFrame(columns)


def _names(by: Any) -> tuple[Any, ...]:
    """Columns given as one name, several or none."""
    if by is None:
        return ()
    if isinstance(by, str) or not isinstance(by, Iterable):
        return (by,)
    return tuple(by)


def _fixed(
    design: Design, at: Mapping[str, Any], set_already: Sequence[str]
) -> dict[str, Any]:
    """Columns to set to one value, checked."""
    if not isinstance(at, Mapping):
        raise ModelError(
            "standardise at: give columns and values, as in {'WEEK': 12}, not"
            f" {at!r}."
        )
    for name, value in at.items():
        if name in set_already:
            raise ModelError(f"standardise at: {name!r} is set to its levels already.")
        if name in design.factors:
            if value not in design.factors[name]:
                raise ModelError(
                    one_of(value, design.factors[name], name=f"standardise at {name!r}")
                )
        elif name not in design.covariates:
            known = (*design.factors, *design.covariates)
            raise ModelError(one_of(name, known, name="standardise at"))
        elif isinstance(value, bool) or not np.isfinite(_number(name, value)):
            raise ModelError(f"standardise at: {name!r} needs a number, not {value!r}.")
    return dict(at)


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"standardise at: {name!r} needs a number, not {value!r}."
        ) from error


def _weights(fit: Any, over: str) -> FloatArray:
    """Share of each record in the average; they sum to 1."""
    n = len(fit.design.X)
    if over == "records":
        return np.full(n, 1.0 / n)
    who = subjects_of(fit)
    counts = np.bincount(who)
    return np.asarray(1.0 / counts[who] / np.count_nonzero(counts))


def _average(
    fit: Any,
    names: Sequence[str],
    cells: Sequence[tuple[Any, ...]],
    fixed: Mapping[str, Any],
    weights: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Averaged risks, shape (cells,), and their derivatives, shape (cells, k)."""
    risks, slopes = [], []
    for cell in cells:
        rows = fit.design.frame.assign(**fixed, **dict(zip(names, cell, strict=True)))
        X = keep_estimable(fit, code_rows(fit.design, rows))
        mean, slope = mean_outcome(fit, X, rows)
        risks.append(float(weights @ mean))
        slopes.append(weights @ slope)
    return np.array(risks), np.array(slopes)


def _risks(
    risks: FloatArray, cov: FloatArray, conf_level: float
) -> tuple[pd.DataFrame, FloatArray]:
    """Statistics of risks, with limits that stay between 0 and 1."""
    errors = np.sqrt(np.diagonal(cov))
    frame = _normal(risks, errors, conf_level)
    with np.errstate(divide="ignore", invalid="ignore"):
        logit = np.log(risks) - np.log1p(-risks)
        width = errors / (risks * (1.0 - risks))
    limits = _normal(logit, width, conf_level)
    for name in ("conf_low", "conf_high"):
        frame[name] = 1.0 / (1.0 + np.exp(-limits[name]))
    return frame.assign(statistic=np.nan, p_value=np.nan), cov


def _compare(
    risks: FloatArray,
    cov: FloatArray,
    pairs: Sequence[tuple[int, int]],
    measure: str,
    conf_level: float,
) -> tuple[pd.DataFrame, FloatArray]:
    """Statistics of comparisons: differences, of logarithms or logits for ratios."""
    J = np.zeros((len(pairs), len(risks)))
    value = np.empty(len(pairs))
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled, slope = {
            "risk-difference": (risks, np.ones_like(risks)),
            "risk-ratio": (np.log(risks), 1.0 / risks),
            "odds-ratio": (
                np.log(risks) - np.log1p(-risks),
                1.0 / (risks * (1.0 - risks)),
            ),
        }[measure]
    for row, (i, j) in enumerate(pairs):
        J[row, i], J[row, j] = slope[i], -slope[j]
        value[row] = scaled[i] - scaled[j]
    touched = [sorted({i, j}) for i, j in pairs]
    out = np.full((len(pairs), len(pairs)), np.nan)
    for a, first in enumerate(touched):
        for b, second in enumerate(touched):
            inner = cov[np.ix_(first, second)]
            out[a, b] = J[a, first] @ inner @ J[b, second]
    frame = _normal(value, np.sqrt(np.diagonal(out)), conf_level)
    if measure in RATIOS:
        for name in ("estimate", "conf_low", "conf_high"):
            frame[name] = np.exp(frame[name])
    return frame, out


def _normal(
    estimate: FloatArray, std_error: FloatArray, conf_level: float
) -> pd.DataFrame:
    df = np.full(len(estimate), np.inf)
    return statistics_frame(RowInference(estimate, std_error, df), conf_level)
