"""Estimated marginal means (LS means)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError, one_of
from outcomes.models.design import Design, code_rows
from outcomes.models.estimates import Estimates, make_estimates
from outcomes.models.inference import LinearFit, check_conf_level, keep_estimable
from outcomes.models.options import FloatArray, Weights, check_option

if TYPE_CHECKING:
    import pandas as pd


def emmeans(
    fit: LinearFit,
    factors: str | Sequence[str],
    *,
    by: str | Sequence[str] = (),
    weights: Weights = "equal",
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
    conf_level : float
        Of the limits.

    Returns
    -------
    Estimates
        One row per combination, ``factors`` running fastest; covariates are at their
        mean over the records used. A mean the data do not determine (a cell without
        records) is NaN.

    Raises
    ------
    ModelError
        If a name is not a factor of the model.

    References
    ----------
    Searle, Speed and Milliken (1980), Am Stat 34, 216-221.

    Examples
    --------
    >>> emmeans(fit, "TRT01P", by="AVISIT").frame  # doctest: +SKIP
    """
    check_option(weights, Weights, name="weights")
    conf_level = check_conf_level(conf_level)
    wanted, within = _names(factors), _names(by)
    design = fit.design
    for name, option in [(n, "factors") for n in wanted] + [(n, "by") for n in within]:
        if name not in design.factors:
            raise ModelError(one_of(name, design.factors, name=f"emmeans {option}"))
    if not wanted or set(wanted) & set(within):
        raise ModelError("emmeans: name at least one factor, and none of them in 'by'.")
    shown = (*within, *wanted)
    labels = _grid(design, shown)
    L = _average_rows(design, labels, shown, weights)
    labels.insert(0, "term", _describe(labels, (*wanted, *within)))
    return make_estimates(
        labels[["term", *wanted, *within]],
        keep_estimable(fit, L),
        fit,
        factors=wanted,
        by=within,
        conf_level=conf_level,
    )


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


def _average_rows(
    design: Design, labels: pd.DataFrame, shown: Sequence[str], weights: str
) -> FloatArray:
    """Average the coded grid over the factors not shown; (len(labels), all columns)."""
    hidden = [name for name in design.factors if name not in shown]
    if not hidden:
        return code_rows(design, _with_covariates(design, labels))
    nuisance = _grid(design, hidden)
    share = _shares(design, nuisance, hidden, weights)
    full = labels.merge(nuisance, how="cross")
    coded = code_rows(design, _with_covariates(design, full))
    blocks = coded.reshape(len(labels), len(nuisance), -1)
    return np.asarray(np.einsum("lnc,n->lc", blocks, share))


def _with_covariates(design: Design, rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(**design.covariates)


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
