"""What `tidy`, `emmeans`, `contrasts` and `joint_test` ask of any fit.

A family of models registers `evaluate_rows` and `evaluate_jointly` for its fit class;
the functions users call are written once, on top of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from numbers import Real
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.design import Design
from outcomes.models.estimable import Undetermined
from outcomes.models.options import BoolArray, FloatArray

if TYPE_CHECKING:
    import pandas as pd

# Rows of a joint test that depend on the others to this share of their length go.
REDUNDANT = 1e-8

STATISTICS = (
    "estimate",
    "std_error",
    "df",
    "statistic",
    "p_value",
    "conf_low",
    "conf_high",
)


class LinearFit(Protocol):
    """A fit with coefficients on a design."""

    @property
    def design(self) -> Design:
        """Model matrix and levels."""

    @property
    def aliased_mask(self) -> BoolArray:
        """Columns without a coefficient."""

    @property
    def undetermined(self) -> Undetermined:
        """Directions the data do not determine."""

    @property
    def cov_model(self) -> FloatArray:
        """Model-based covariance of the coefficients."""


@dataclass(frozen=True, slots=True)
class RowInference:
    """Estimates, standard errors and degrees of freedom, each of shape (r,)."""

    estimate: FloatArray
    std_error: FloatArray
    df: FloatArray


@dataclass(frozen=True, slots=True)
class JointTest:
    """F statistic with its numerator and denominator degrees of freedom.

    Where the test does not exist, the two floats are NaN and ``reason`` says why.
    """

    statistic: float
    num_df: int
    den_df: float
    reason: str = ""


@singledispatch
def evaluate_rows(fit: Any, L: FloatArray) -> RowInference:
    """Estimate each row of ``L @ beta``; L has shape (r, p)."""
    raise ModelError(f"{type(fit).__name__} is not a fit this function knows.")


@singledispatch
def evaluate_jointly(fit: Any, L: FloatArray) -> JointTest:
    """Test ``L @ beta = 0`` for linearly independent rows."""
    raise ModelError(f"{type(fit).__name__} is not a fit this function knows.")


def check_conf_level(conf_level: float) -> float:
    """Return the confidence level if it is one."""
    if not isinstance(conf_level, Real) or not 0.0 < conf_level < 1.0:
        raise ModelError(
            f"conf_level: {conf_level!r} is not between 0 and 1, as 0.95 is."
        )
    return float(conf_level)


def statistics_frame(rows: RowInference, conf_level: float) -> pd.DataFrame:
    """Turn estimates into the columns every result frame has.

    Parameters
    ----------
    rows : RowInference
        From `evaluate_rows`; NaN rows stay NaN.
    conf_level : float
        Of the two-sided limits.

    Returns
    -------
    pandas.DataFrame
        Columns ``STATISTICS``.
    """
    import pandas as pd
    from scipy.special import ndtr, ndtri, stdtr, stdtrit

    conf_level = check_conf_level(conf_level)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = rows.estimate / rows.std_error
    size = -np.abs(statistic)
    finite = np.where(np.isinf(rows.df), 1.0, rows.df)
    p_value = np.where(np.isinf(rows.df), 2 * ndtr(size), 2 * stdtr(finite, size))
    tail = (1.0 + conf_level) / 2.0
    quantile = np.where(np.isinf(rows.df), ndtri(tail), stdtrit(finite, tail))
    return pd.DataFrame(
        {
            "estimate": rows.estimate,
            "std_error": rows.std_error,
            "df": rows.df,
            "statistic": statistic,
            "p_value": p_value,
            "conf_low": rows.estimate - quantile * rows.std_error,
            "conf_high": rows.estimate + quantile * rows.std_error,
        }
    )


def on_response(table: pd.DataFrame, fit: Any) -> pd.DataFrame:
    """Carry estimates on the link scale to that of the outcome.

    Standard errors go by the delta method; limits are carried over.
    """
    from outcomes.models.links import inverse_link, inverse_link_slope

    link = getattr(fit, "link", "identity")
    table = table.copy()
    table["std_error"] *= inverse_link_slope(link, table["estimate"].to_numpy())
    for name in ("estimate", "conf_low", "conf_high"):
        table[name] = inverse_link(link, table[name].to_numpy())
    return table


def keep_estimable(fit: LinearFit, L: FloatArray) -> FloatArray:
    """Take rows over all columns to rows over coefficients.

    Parameters
    ----------
    fit : LinearFit
        Any fit on a design.
    L : FloatArray, shape (r, all columns)
        Rows over all columns of the model matrix.

    Returns
    -------
    FloatArray, shape (r, p)
        Over the columns that have a coefficient; a row the data do not determine is
        NaN throughout.
    """
    short = L[:, ~fit.aliased_mask].astype(float)
    short[fit.undetermined.touched_by(L)] = np.nan
    return short


def evaluate_estimable(fit: Any, L: FloatArray) -> RowInference:
    """`evaluate_rows` with NaN for NaN rows; L has shape (r, p)."""
    known = np.all(np.isfinite(L), axis=1)
    out = RowInference(*(np.full(len(L), np.nan) for _ in range(3)))
    if known.any():
        found = evaluate_rows(fit, L[known])
        out.estimate[known] = found.estimate
        out.std_error[known] = found.std_error
        out.df[known] = found.df
    return out


def independent_rows(L: FloatArray, cov_beta: FloatArray) -> FloatArray:
    """Keep the rows that do not depend on those before them.

    Rows are judged as estimates, by their covariance, so that the unit of a covariate
    does not matter.
    """
    kept: list[int] = []
    basis: list[FloatArray] = []
    values, vectors = np.linalg.eigh(cov_beta)
    scaled = L @ (vectors * np.sqrt(np.maximum(values, 0.0)))
    for i, row in enumerate(scaled):
        rest = row.copy()
        for _ in range(2):
            for direction in basis:
                rest = rest - direction * (direction @ rest)
        left = float(np.linalg.norm(rest))
        if left > REDUNDANT * float(np.linalg.norm(row)):
            kept.append(i)
            basis.append(rest / left)
    return L[kept]
