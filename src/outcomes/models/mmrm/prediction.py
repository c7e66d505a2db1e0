"""Means of new rows, and what a subject's observed visits say of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.inference import (
    RowInference,
    check_conf_level,
    evaluate_estimable,
    on_response,
    statistics_frame,
)
from outcomes.models.mmrm.histories import Histories, code_new_rows, read_histories
from outcomes.models.mmrm.patterns import euclidean
from outcomes.models.mmrm.results import MmrmFit
from outcomes.models.options import (
    BoolArray,
    FloatArray,
    IntArray,
    Scale,
    check_option,
)

if TYPE_CHECKING:
    import pandas as pd

# Rows evaluated at once: their degrees of freedom need (rows, m, p) numbers.
CHUNK = 1024
COLUMNS = ("estimate", "std_error", "df", "conf_low", "conf_high")


@dataclass(frozen=True, slots=True)
class Conditional:
    """Missing records of subjects alike, given their observed ones.

    Attributes
    ----------
    rows : IntArray, shape (n, k)
        Row number in the data of each missing record, in visit order.
    visits : IntArray, shape (k,)
        Their visits, as places in ``fit.visits``.
    group : int
        Covariance group of the subjects.
    mean : FloatArray, shape (n, k)
        Expected outcome.
    covariance : FloatArray, shape (n, k, k) or (1, k, k)
        Covariance of the outcomes; one for all subjects where it is the same.
    """

    rows: IntArray
    visits: IntArray
    group: int
    mean: FloatArray
    covariance: FloatArray


def predict(
    fit: Any, data: pd.DataFrame, conf_level: float = 0.95, scale: Scale = "link"
) -> pd.DataFrame:
    """Estimate the mean outcome of each row of new data.

    The limits are those of the mean, as for an LS mean; a single outcome varies more.
    Of a model with a link it is the linear predictor, unless ``scale`` says otherwise;
    of a mixed model the mean at random effects of zero, without offset.

    Parameters
    ----------
    fit : object
        A fit of any family.
    data : pandas.DataFrame
        Rows with the columns on the right of the formula.
    conf_level : float
        Of the limits.
    scale : str
        ``"link"`` or ``"response"``, as in `emmeans`.

    Returns
    -------
    pandas.DataFrame
        ``estimate std_error df conf_low conf_high``, row by row with the index of
        ``data``. Rows that miss a covariate, or whose mean the fit does not determine,
        are NaN and counted in ``attrs["messages"]``.

    Raises
    ------
    ModelError
        If a column is missing or a level is not one of the fit.

    Notes
    -----
    Equation (P2) in ``docs/methods/mmrm-prediction.md``.

    Examples
    --------
    >>> predict(fit, pd.DataFrame({"ARM": ["A"], "VISIT": [4]}))  # doctest: +SKIP
    """
    conf_level = check_conf_level(conf_level)
    L, messages = code_new_rows(fit, data)
    parts = [
        evaluate_estimable(fit, L[at : at + CHUNK])
        for at in range(0, max(len(L), 1), CHUNK)
    ]
    table = statistics_frame(
        RowInference(
            np.concatenate([part.estimate for part in parts]),
            np.concatenate([part.std_error for part in parts]),
            np.concatenate([part.df for part in parts]),
        ),
        conf_level,
    )
    if check_option(scale, Scale, name="scale") == "response":
        table = on_response(table, fit)
    table = table.loc[:, list(COLUMNS)].set_axis(data.index, axis=0)
    table.attrs["messages"] = messages
    return table


def conditional_mean(fit: MmrmFit, data: pd.DataFrame) -> pd.DataFrame:
    """Predict missing outcomes from the observed ones of the same subject.

    At the estimates of the coefficients and of the covariance: their uncertainty is
    not in ``conditional_sd``.

    Parameters
    ----------
    fit : MmrmFit
        A fit.
    data : pandas.DataFrame
        One row per subject and visit, with all columns of the fit; the outcome is
        missing where it is wanted. Subjects need not be those of the fit.

    Returns
    -------
    pandas.DataFrame
        The subject, the visit, ``observed mean conditional_mean conditional_sd``, row
        by row with the index of ``data``. A row with an outcome has that as its
        conditional mean, and no spread; without any outcome of the subject the
        conditional mean is the mean. Rows that miss a covariate have no mean, are not
        conditioned on, and are counted in ``attrs["messages"]``.

    Raises
    ------
    ModelError
        If a column is missing, a level or visit is not one of the fit, or a subject
        has two records at a visit.

    See Also
    --------
    conditional_distribution : at any parameters, with covariances.

    Notes
    -----
    Equations (P3) and (P4) in ``docs/methods/mmrm-prediction.md``.

    References
    ----------
    Anderson (2003), An Introduction to Multivariate Statistical Analysis, theorem
    2.5.1.

    Examples
    --------
    >>> conditional_mean(fit, adqs)["conditional_mean"]  # doctest: +SKIP
    """
    import pandas as pd

    known = read_histories(fit, data)
    marginal = known.X @ fit.beta
    shift, cov, which = _condition(fit, known, fit.theta, marginal)
    spread = np.sqrt(np.diagonal(cov, axis1=1, axis2=2))[which]
    wanted = known.table[known.wanted]
    conditional, sd = known.y.copy(), np.where(np.isfinite(known.y), 0.0, np.nan)
    root = np.sqrt(known.records.weights[wanted])
    conditional[wanted] = marginal[wanted] + shift[known.wanted] / root
    sd[wanted] = spread[known.wanted] / root
    numbers = {
        "observed": known.y,
        "mean": marginal,
        "conditional_mean": conditional,
        "conditional_sd": sd,
    }
    labels = data[[fit.subject, fit.visit]]
    table = pd.concat([labels, pd.DataFrame(numbers, index=labels.index)], axis=1)
    table.attrs["messages"] = known.messages
    return table


def conditional_distribution(
    fit: MmrmFit,
    data: pd.DataFrame | Histories,
    *,
    beta: FloatArray | None = None,
    theta: FloatArray | None = None,
) -> tuple[Conditional, ...]:
    """Distribution of the missing outcomes given the observed ones, for imputation.

    Parameters
    ----------
    fit : MmrmFit
        A fit.
    data : pandas.DataFrame or Histories
        As for `conditional_mean`, or what `read_histories` made of it.
    beta : FloatArray, shape (p,), optional
        Coefficients, those of the fit by default.
    theta : FloatArray, shape (m,), optional
        Covariance parameters, those of the fit by default.

    Returns
    -------
    tuple of Conditional
        Every record without an outcome once, subjects with the same group, observed
        and missing visits together.

    Raises
    ------
    ModelError
        As `conditional_mean`; also where a record has no mean, since what is to be
        imputed must not be left out unseen, and where ``theta`` has no valid
        covariance.

    Notes
    -----
    Equations (P3) and (P4) in ``docs/methods/mmrm-prediction.md``.

    Examples
    --------
    >>> known = read_histories(fit, adqs)  # doctest: +SKIP
    >>> for beta, theta in zip(draws.beta, draws.theta):  # doctest: +SKIP
    ...     blocks = conditional_distribution(fit, known, beta=beta, theta=theta)
    """
    known = data if isinstance(data, Histories) else read_histories(fit, data)
    if known.messages:
        raise ModelError(
            f"data: {'; '.join(known.messages)}. Complete such rows, or leave them out."
        )
    theta = _sized(theta, fit.theta, "theta")
    marginal = known.X @ _sized(beta, fit.beta, "beta")
    shift, cov, which = _condition(fit, known, theta, marginal)
    root = np.sqrt(known.records.weights)
    weighted = not np.all(root == 1.0)
    out = []
    for who in known.kinds:
        visits = np.flatnonzero(known.wanted[who[0]])
        rows = known.table[np.ix_(who, visits)]
        # With coordinates of their own subjects of a kind differ in covariance.
        alike = which[who] if fit.problem.structure.spatial else which[who[:1]]
        own = cov[alike[:, None, None], visits[:, None], visits]
        if weighted:
            own = own / root[rows][:, :, None] / root[rows][:, None, :]
        mean = marginal[rows] + shift[np.ix_(who, visits)] / root[rows]
        group = int(known.pattern_group[known.pattern[who[0]]])
        out.append(Conditional(rows, visits, group, mean, own))
    return tuple(out)


def _sized(value: FloatArray | None, default: FloatArray, name: str) -> FloatArray:
    if value is None:
        return default
    given = np.asarray(value, dtype=float)
    if given.shape != default.shape or not np.isfinite(given).all():
        raise ModelError(
            f"{name}: {len(default)} finite numbers are needed, as fit.{name} has, and"
            f" an array of shape {given.shape} was given."
        )
    return given


def _condition(
    fit: MmrmFit, known: Histories, theta: FloatArray, marginal: FloatArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Condition on the observed records of each subject, equations (P3) and (P4).

    Everything is in units of weight one, in which all subjects of a pattern share
    their covariance.

    Returns
    -------
    tuple
        How far the observed records move the mean of each visit, (S, K); the
        covariance that is left, (V, K, K); which of those is a subject's, (S,).
    """
    sigma, seen, which = _sigma(fit, known, theta)
    present = seen.astype(float)
    padded = sigma * present[:, :, None] * present[:, None, :]
    own = np.arange(present.shape[1])
    padded[:, own, own] += 1.0 - present
    try:
        np.linalg.cholesky(sigma)
        inverse_roots = np.linalg.inv(np.linalg.cholesky(padded))
    except np.linalg.LinAlgError as error:
        raise ModelError(
            "theta: the covariance these parameters have is not positive definite."
        ) from error
    half = inverse_roots @ (sigma * present[:, :, None])
    left = sigma - np.swapaxes(half, 1, 2) @ half
    slopes = np.swapaxes(half, 1, 2) @ inverse_roots
    root = np.sqrt(known.records.weights)
    scaled = np.zeros(known.table.shape)
    rows = known.table[known.observed]
    scaled[known.observed] = root[rows] * (known.y[rows] - marginal[rows])
    shift = (slopes[which] @ scaled[:, :, None])[:, :, 0]
    left[:, own, own] = np.maximum(left[:, own, own], 0.0)  # of observed visits: zero
    return shift, left, which


def _sigma(
    fit: MmrmFit, known: Histories, theta: FloatArray
) -> tuple[FloatArray, BoolArray, IntArray]:
    """Covariance and observed visits of each pattern, and the pattern of each subject.

    Where distances are between coordinates each subject is a pattern.
    """
    structure, parts = fit.problem.structure, fit.problem.parts
    thetas = fit.problem.by_part(theta)
    if not structure.spatial:
        each = np.stack(
            [
                structure.sigma(own, part.distance)
                for own, part in zip(thetas, parts, strict=True)
            ]
        )
        sigma = each[known.pattern_group]
        _check_finite(sigma)
        return sigma, known.patterns, known.pattern
    present = known.table >= 0
    places = known.records.coordinates[known.table] * present[:, :, None]
    distance = euclidean(places)
    group = known.pattern_group[known.pattern]
    sigma = np.empty_like(distance)
    for g, own in enumerate(thetas):
        sigma[group == g] = structure.sigma(own, distance[group == g])
    _check_finite(sigma)
    pairs = present[:, :, None] & present[:, None, :]
    sigma = np.where(pairs, sigma, np.eye(len(fit.visits)))
    return sigma, known.observed, np.arange(len(present))


def _check_finite(sigma: FloatArray) -> None:
    if not np.isfinite(sigma).all():
        raise ModelError("theta: the structure has no covariance at these parameters.")
