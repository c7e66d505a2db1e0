"""Estimated marginal means (LS means)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from numbers import Real
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from outcomes.errors import ModelError, one_of
from outcomes.models.design import Design, code_rows
from outcomes.models.estimates import Estimates, make_estimates
from outcomes.models.inference import (
    LinearFit,
    check_conf_level,
    keep_estimable,
    on_response,
)
from outcomes.models.options import FloatArray, Scale, Weights, check_option

if TYPE_CHECKING:
    import pandas as pd

# Records coded at once by counterfactual means: bounds the memory of a large trial.
CHUNK: Final = 65_536


def emmeans(
    fit: LinearFit,
    factors: str | Sequence[str],
    *,
    by: str | Sequence[str] = (),
    weights: Weights = "equal",
    at: Mapping[str, float] | None = None,
    scale: Scale = "link",
    conf_level: float = 0.95,
) -> Estimates:
    """Estimate the mean outcome at each level of one or more factors.

    Parameters
    ----------
    fit : MmrmFit
        A fit.
    factors : str or sequence of str
        Factors of the model whose levels are wanted, the arm as a rule.
    by : str or sequence of str
        Factors to stay within, the visit as a rule.
    weights : str
        How the factors that are not named are averaged over: ``"equal"`` gives each
        combination of their levels the same weight (SAS LSMEANS, R emmeans),
        ``"proportional"`` its share of the records used (SAS ``OM``).
        ``"counterfactual"`` averages the predictions for the records used, each with
        the named factors set to the levels and all else as observed (g-computation; R
        emmeans ``counterfactuals``). It counts records, not subjects: one with more
        visits counts more. Standard errors are conditional on the factors and
        covariates observed.
    at : mapping, optional
        Covariates at these values, ``{"BASE": 30.0}``; the others are at their mean
        over the records used (counterfactual: as observed).
    scale : str
        ``"link"``: the linear predictor; ``"response"``: its inverse link, with
        standard errors by the delta method and limits carried over. In a mixed model
        that is the mean of a participant whose random effects are zero, and not of the
        population (see `standardise`). Contrasts stay on the link scale.
    conf_level : float
        Of the limits.

    Returns
    -------
    Estimates
        One row per combination, ``factors`` running fastest. A mean the data do not
        determine (a cell without records) is NaN.

    Raises
    ------
    ModelError
        If a name is not a factor of the model, or one in ``at`` no covariate of it.

    Notes
    -----
    Equations: ``docs/methods/anova.md``.

    References
    ----------
    Searle, Speed and Milliken (1980), Am Stat 34, 216-221.

    Examples
    --------
    >>> emmeans(fit, "TRT01P", by="AVISIT").frame  # doctest: +SKIP
    """
    check_option(weights, Weights, name="weights")
    check_option(scale, Scale, name="scale")
    conf_level = check_conf_level(conf_level)
    wanted, within = _names(factors), _names(by)
    design = fit.design
    for name, option in [(n, "factors") for n in wanted] + [(n, "by") for n in within]:
        if name not in design.factors:
            raise ModelError(one_of(name, design.factors, name=f"emmeans {option}"))
    if not wanted or set(wanted) & set(within):
        raise ModelError("emmeans: name at least one factor, and none of them in 'by'.")
    fixed = _fixed_covariates(design, at or {})
    shown = (*within, *wanted)
    labels = _grid(design, shown)
    if weights == "counterfactual":
        L = _average_predictions(design, labels, fixed)
    else:
        L = _average_rows(design, labels, weights, design.covariates | fixed)
    labels.insert(0, "term", _describe(labels, (*wanted, *within)))
    found = make_estimates(
        labels[["term", *wanted, *within]],
        keep_estimable(fit, L),
        fit,
        factors=wanted,
        by=within,
        conf_level=conf_level,
    )
    if scale == "link":
        return found
    return replace(found, frame=on_response(found.frame, fit))


def _names(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _grid(design: Design, names: Sequence[str]) -> pd.DataFrame:
    """All combinations of levels, the last name running fastest."""
    import pandas as pd

    rows = list(product(*(design.factors[name] for name in names)))
    return pd.DataFrame(rows, columns=list(names))


def _describe(labels: pd.DataFrame, names: Sequence[str]) -> list[str]:
    return [
        ", ".join(str(value) for value in row)
        for row in labels[list(names)].itertuples(index=False)
    ]


def _fixed_covariates(design: Design, at: Mapping[str, float]) -> dict[str, float]:
    """Check the covariates that are to be at given values."""
    for name, value in at.items():
        if name in design.factors:
            raise ModelError(
                f"emmeans at: {name!r} is a factor; name it in 'factors' or 'by', and"
                " take the rows of the level wanted."
            )
        if name not in design.covariates:
            if not design.covariates:
                raise ModelError(f"emmeans at: {name!r}: the model has no covariates.")
            raise ModelError(one_of(name, design.covariates, name="emmeans at"))
        number = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
        if not (number and np.isfinite(value)):
            raise ModelError(f"emmeans at: {name!r} must be a number, not {value!r}.")
    return {name: float(value) for name, value in at.items()}


def _average_rows(
    design: Design, labels: pd.DataFrame, weights: str, covariates: dict[str, float]
) -> FloatArray:
    """Average the coded grid over the factors not shown; (len(labels), all columns)."""
    hidden = [name for name in design.factors if name not in labels.columns]
    if not hidden:
        return code_rows(design, labels.assign(**covariates))
    nuisance = _grid(design, hidden)
    share = _shares(design, nuisance, hidden, weights)
    full = labels.merge(nuisance, how="cross")
    coded = code_rows(design, full.assign(**covariates))
    blocks = coded.reshape(len(labels), len(nuisance), -1)
    return np.asarray(np.einsum("lnc,n->lc", blocks, share))


def _average_predictions(
    design: Design, labels: pd.DataFrame, fixed: dict[str, float]
) -> FloatArray:
    """Average the coded records with the shown factors set; (len(labels), columns).

    Records that agree in everything not set are coded once and counted, so that a
    trial whose covariates belong to subjects is coded by subject, not by record.
    """
    set_here = {*labels.columns, *fixed}
    rest = [name for name in design.formula.variables if name not in set_here]
    if not rest:
        return code_rows(design, labels.assign(**fixed))
    records = design.frame.groupby(rest, observed=True, sort=False).size()
    counts = records.to_numpy(dtype=float)
    others = records.index.to_frame(index=False).assign(**fixed)
    L = np.zeros((len(labels), len(design.columns)))
    for start in range(0, len(others), CHUNK):
        part = others.iloc[start : start + CHUNK]
        share = counts[start : start + CHUNK] / len(design.frame)
        for i, level in enumerate(labels.itertuples(index=False, name=None)):
            setting = dict(zip(labels.columns, level, strict=True))
            L[i] += np.dot(share, code_rows(design, part.assign(**setting)))
    return L


def _shares(
    design: Design, nuisance: pd.DataFrame, hidden: list[str], weights: str
) -> FloatArray:
    if weights == "equal":
        return np.full(len(nuisance), 1.0 / len(nuisance))
    counts: dict[tuple[Any, ...], int] = {}
    for key in design.frame[hidden].itertuples(index=False, name=None):
        counts[key] = counts.get(key, 0) + 1
    keys = nuisance.itertuples(index=False, name=None)
    return np.array([counts.get(key, 0) for key in keys]) / len(design.frame)
