"""`fit_glmm`: generalised linear mixed models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.convergence import Convergence, data_messages
from outcomes.models.design import Design
from outcomes.models.mixed.effects import Term
from outcomes.models.mixed.glmm.families import (
    NegativeBinomial,
    Poisson,
)
from outcomes.models.mixed.glmm.maximise import Optimum, maximise
from outcomes.models.mixed.glmm.optimise import NO_LIMIT
from outcomes.models.mixed.glmm.ordinal import threshold_slopes, thresholds
from outcomes.models.mixed.glmm.outcome import (
    check_binary_text,
    code_categories,
    read_offset,
    read_outcome,
)
from outcomes.models.mixed.glmm.prepare import Prepared, prepare
from outcomes.models.mixed.glmm.results import GlmmFit, covariances_of, theta_slices
from outcomes.models.mixed.glmm.runaway import doubt_integral, tell_runaway
from outcomes.models.mixed.glmm.start import first_guess
from outcomes.models.mixed.glmm.structure import lower
from outcomes.models.mixed.layout import Layout, lay_out
from outcomes.models.mixed.lmm import boundary_of, read_model
from outcomes.models.options import (
    GLMM_LINKS,
    FloatArray,
    GlmmDfMethod,
    GlmmFamily,
    GlmmLink,
    Missing,
    check_option,
    settle_link,
)

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_POINTS = 25
MOST_POINTS = 200
# Standard deviations of random effects, on the link scale, to start from in turn.
SPREADS = (1.0, 0.3, 0.05)


def fit_glmm(
    formula: str,
    data: pd.DataFrame,
    *,
    random: Mapping[str, str] | None = None,
    family: GlmmFamily = "binomial",
    link: GlmmLink | None = None,
    n_quad: int | None = None,
    trials: str | None = None,
    offset: str | None = None,
    df: GlmmDfMethod | None = None,
    missing: Missing = "error",
    levels: Mapping[str, Sequence[Any]] | None = None,
) -> GlmmFit:
    """Fit a generalised linear mixed model by maximum likelihood.

    Given random effects b, normal with a covariance for each grouping, outcomes are
    independent with the linear predictor ``X beta + offset + Z b``. Coefficients are
    conditional on b: odds ratios compare the same subject. What they mean for the
    population is what `standardise` is for.

    Parameters
    ----------
    formula : str
        ``"outcome ~ terms"`` as in `fit_mmrm`; text, Boolean and Categorical columns
        are factors, columns of numbers are covariates. In a cumulative model positive
        coefficients shift the outcome to higher categories.
    data : pandas.DataFrame
        One row per record.
    random : mapping of str to str
        Groupings and their effects, as in `fit_lmm`.
    family : str
        ``"binomial"`` (0 and 1, or counts with ``trials``), ``"poisson"``,
        ``"negative-binomial"`` (variance ``mu + mu^2 / k``) or ``"cumulative"``
        (ordered categories: an ordered Categorical, one in ``levels``, or integers).
    link : str, optional
        ``"logit"`` (default) or ``"probit"`` for binomial outcomes; the others have
        one link each, ``"log"`` or ``"logit"``.
    n_quad : int, optional
        Points of adaptive Gauss-Hermite quadrature. Default: where the model has one
        random effect in all, 25, doubled until the log likelihood has settled (the fit
        records how many it took); 1, Laplace's approximation, otherwise, where there is
        no choice.
    trials : str, optional
        Column of the number of trials of binomial counts.
    offset : str, optional
        Column added to the linear predictor, the logarithm of time at risk for example.
    df : str, optional
        ``"asymptotic"`` (default: normal quantiles) or ``"between-within"``, with one
        grouping.
    missing : str
        ``"error"``, or ``"exclude"`` rows that have an outcome and miss something else.
    levels : mapping, optional
        Order of the levels of columns; makes a numeric column a factor.

    Returns
    -------
    GlmmFit
        With ``convergence`` and ``boundary`` to look at: a variance at zero is
        returned and named, and so are separation and a fit that did not converge.

    Raises
    ------
    ModelError
        If an option, column or grouping is not understood, or the outcome is not one of
        its family; the message names what is wrong.

    Notes
    -----
    Algebra, and how programs differ: ``docs/methods/glmm.md``.

    References
    ----------
    Pinheiro and Chao (2006), J Comput Graph Stat 15, 58-81,
    https://doi.org/10.1198/106186006X96962.

    Examples
    --------
    >>> fit = fit_glmm("AVAL ~ TRT01P*AVISIT", adqs, random={"USUBJID": "1"},
    ...                family="binomial")                       # doctest: +SKIP
    """
    family_name, link_name = settle_link(family, link, GLMM_LINKS)
    df_method = check_option(df or "asymptotic", GlmmDfMethod, name="df")
    check_option(missing, Missing, name="missing")
    if trials is not None and family_name != "binomial":
        raise ModelError(f"trials: family '{family_name}' has no trials; leave it out.")
    categories: tuple[Any, ...] = ()
    if family_name == "cumulative":
        data, categories = code_categories(data, formula, levels)
    if family_name == "binomial":
        check_binary_text(data, formula)
    needed = tuple(name for name in (trials, offset) if name is not None)
    design, terms = read_model(
        formula, data, random, missing=missing, levels=levels, needed=needed
    )
    known = read_offset(design, offset)
    family_of, values = read_outcome(design, family_name, link_name, trials, categories)
    _check_df(df_method, terms)
    points = _points(n_quad, terms)
    _check_identified(terms, values, family_name)
    layout = lay_out(terms)
    prepared = prepare(
        design,
        layout,
        family_of,
        values,
        known,
        n_quad=points,
        thresholds=family_name == "cumulative",
    )
    prepared, optimum, poisson = _search(prepared, family_name)
    runaway = tell_runaway(optimum, prepared, design, values, family_name)
    if n_quad is None and points > 1 and not runaway:
        prepared, optimum = _refine(prepared, optimum, family_name)
        runaway = tell_runaway(optimum, prepared, design, values, family_name)
    user = _to_user(optimum, prepared, terms, family_name)
    boundary = _boundary(optimum, prepared, layout)
    if poisson:
        boundary += ("the dispersion: counts vary no more than Poisson",)
    if runaway:  # what runs off has no standard error, and what depends on it neither
        user = replace(user, covariance=np.full_like(user.covariance, np.nan))
    doubts = doubt_integral(optimum, prepared, family_name)
    p = len(user.beta)
    counts = {term.grouping: term.q for term in terms}
    psi_names, cuts = _extras(user.psi, family_name, categories)
    dispersion = None
    if family_name == "negative-binomial":
        dispersion = np.inf if poisson else float(np.exp(user.psi[0]))
    return GlmmFit(
        formula=str(design.formula),
        random=dict(random or {}),
        family=family_name,  # type: ignore[arg-type]
        link=link_name,  # type: ignore[arg-type]
        n_quad=prepared.problem.n_quad,
        df_method=df_method,  # type: ignore[arg-type]
        trials=trials,
        offset=offset,
        design=design,
        terms_random=terms,
        covariances=covariances_of(terms, user.theta),
        aliased_mask=prepared.aliased,
        undetermined=prepared.undetermined,
        beta=user.beta,
        cov_model=user.covariance[:p, :p],
        cov_inference=user.covariance[:p, :p],
        theta=user.theta,
        theta_names=_theta_names(terms),
        psi=user.psi,
        psi_names=psi_names[: len(user.psi)],
        cov_joint=user.covariance,
        dispersion=dispersion,
        thresholds=cuts,
        categories=categories,
        offset_values=known,
        trials_values=values[:, 1]
        if family_name == "binomial"
        else np.ones(len(known)),
        loglik=-0.5 * optimum.state.at.deviance,
        n_records=len(design.y),
        n_excluded=sum(design.excluded.values()),
        n_subjects=max(counts.values()),
        n_groups=counts,
        excluded=design.excluded,
        boundary=boundary,
        convergence=_tell(
            optimum, design, prepared, boundary, runaway, doubts, bool(cuts)
        ),
        prepared=prepared,
        optimum=optimum,
    )


def _points(n_quad: int | None, terms: Sequence[Term]) -> int:
    """Settle the number of quadrature points."""
    scalar = len(terms) == 1 and terms[0].c == 1 and terms[0].single
    if n_quad is None:
        return DEFAULT_POINTS if scalar else 1
    if (
        not isinstance(n_quad, Integral)
        or isinstance(n_quad, bool)
        or not 1 <= n_quad <= MOST_POINTS
    ):
        raise ModelError(
            f"n_quad: {n_quad!r} is no number of quadrature points; give a whole number"
            f" from 1 (Laplace) to {MOST_POINTS}."
        )
    if n_quad > 1 and not scalar:
        raise ModelError(
            f"n_quad: {n_quad} points are for one random effect of one grouping, where"
            " the integral of each level is one-dimensional. With slopes, several"
            " groupings or multiple membership, leave n_quad out for Laplace's"
            " approximation."
        )
    return int(n_quad)


def _check_df(df: str, terms: Sequence[Term]) -> None:
    if df == "between-within" and (
        len({term.grouping for term in terms}) > 1 or not terms[0].single
    ):
        raise ModelError(
            "df: 'between-within' divides records between and within the levels of one"
            " grouping, and there are several. Use df='asymptotic'."
        )


def _check_identified(terms: Sequence[Term], values: FloatArray, family: str) -> None:
    """Refuse levels of one binary or ordered outcome each: nothing is repeated."""
    single = family == "cumulative" or (
        family == "binomial" and bool(np.all(values[:, 1] == 1.0))
    )
    for term in terms:
        if single and term.single and term.q == len(values):
            raise ModelError(
                f"random: every level of {term.grouping!r} has one record, and one"
                " outcome that is not repeated says nothing of a variance between"
                " levels. Leave the grouping out; fit_logistic fits a model without"
                " random effects."
            )


def _search(prepared: Prepared, family: str) -> tuple[Prepared, Optimum, bool]:
    """Maximise, from further starts where the first does not lead to a maximum.

    A negative binomial distribution whose dispersion has no limit is a Poisson
    distribution, and is fitted as one; the flag says so.
    """
    problem = prepared.problem
    best: Optimum | None = None
    for spread in SPREADS:
        found = maximise(problem, first_guess(problem, spread))
        if found is None:
            continue
        if family == "negative-binomial" and found.phi[-1] > NO_LIMIT - 1.0:
            return _as_poisson(prepared, found)
        if best is None or (bool(found.message), found.state.at.deviance) < (
            bool(best.message),
            best.state.at.deviance,
        ):
            best = found
        if not best.message:
            return prepared, best, False
    if best is None:
        raise ModelError(
            "the likelihood cannot be evaluated near any start: are the offset or the"
            " covariates many orders of magnitude too large?"
        )
    return prepared, best, False


def _refine(
    prepared: Prepared, optimum: Optimum, family: str
) -> tuple[Prepared, Optimum]:
    """Double the quadrature points until the log likelihood has settled."""
    while not optimum.message and doubt_integral(optimum, prepared, family):
        points = min(2 * prepared.problem.n_quad + 1, MOST_POINTS)
        finer = replace(prepared.problem, n_quad=points)
        found = maximise(finer, optimum.phi)
        if found is None or found.message:
            break
        prepared, optimum = replace(prepared, problem=finer), found
        if points == MOST_POINTS:
            break
    return prepared, optimum


def _as_poisson(prepared: Prepared, optimum: Optimum) -> tuple[Prepared, Optimum, bool]:
    """Go on without a dispersion."""
    own = prepared.problem.family
    assert isinstance(own, NegativeBinomial)
    poisson = Poisson(own.y, np.ones(len(own.y)), own.fixed)
    problem = replace(prepared.problem, family=poisson)
    found = maximise(problem, optimum.phi[:-1])
    if found is None:  # a point the search itself has come through
        raise ModelError("the likelihood cannot be evaluated without overdispersion.")
    return replace(prepared, problem=problem), found, True


@dataclass(frozen=True, slots=True, eq=False)
class _User:
    """Parameters in the user's units, and their joint covariance."""

    beta: FloatArray
    theta: FloatArray
    psi: FloatArray
    covariance: FloatArray


def _to_user(
    optimum: Optimum, prepared: Prepared, terms: Sequence[Term], family: str
) -> _User:
    """Take parameters to the user's units; all of it linear but the thresholds."""
    theta, beta, psi = prepared.problem.split(optimum.phi)
    m, p, r = len(theta), len(beta), len(psi)
    size = np.concatenate(
        [
            scale[np.tril_indices(term.c)[0]]
            for term, scale in zip(terms, prepared.scales, strict=True)
        ]
    )
    J = np.zeros((p + m + r, m + p + r))
    J[:p, m : m + p] = prepared.to_columns
    J[p + np.arange(m), np.arange(m)] = 1.0 / size
    J[p + m :, m + p :] = np.eye(r)
    user = prepared.to_columns @ beta
    if family == "cumulative":
        J[p + m :, m + p :] = threshold_slopes(psi)
        J[p + m :, m : m + p] = prepared.centre @ prepared.to_columns
        psi = thresholds(psi) + prepared.centre @ user
    return _User(user, theta / size, psi, J @ optimum.covariance @ J.T)


def _theta_names(terms: Sequence[Term]) -> tuple[str, ...]:
    names = []
    for term in terms:
        for j, k in zip(*np.tril_indices(term.c), strict=True):
            names.append(f"{term.grouping}: {term.effects[j]}, factor {k + 1}")
    return tuple(names)


def _extras(
    psi: FloatArray, family: str, categories: tuple[Any, ...]
) -> tuple[tuple[str, ...], dict[str, float]]:
    """Names of the further parameters, and thresholds by name."""
    if family == "negative-binomial":
        return ("log dispersion",), {}
    names = tuple(f"{low}|{high}" for low, high in pairwise(categories))
    return names, dict(zip(names, map(float, psi), strict=True))


def _boundary(optimum: Optimum, prepared: Prepared, layout: Layout) -> tuple[str, ...]:
    """Say which spreads are zero, and which effects collinear."""
    theta = prepared.problem.split(optimum.phi)[0]
    found: list[str] = []
    for term, own in zip(layout.terms, theta_slices(layout.terms), strict=True):
        found += boundary_of(term, lower(theta[own], term.c))
    return tuple(found)


def _tell(
    optimum: Optimum,
    design: Design,
    prepared: Prepared,
    boundary: Sequence[str],
    runaway: str,
    doubts: Sequence[str],
    thresholds: bool,
) -> Convergence:
    """Put together how the search went and what else is worth reading."""
    messages = [text for text in (runaway or optimum.message,) if text]
    messages += [*doubts, *(f"at the boundary: {text}" for text in boundary)]
    aliased = prepared.aliased.copy()
    if thresholds:
        aliased[design.columns.index("Intercept")] = False
        messages.append("thresholds stand for the intercept, which has no coefficient")
    return Convergence(
        status="not-converged" if runaway or optimum.message else "converged",
        optimiser="quasi-newton, newton",
        iterations=optimum.state.steps,
        gradient_norm=optimum.gradient_norm,
        min_eigenvalue=optimum.min_eigenvalue,
        ladder=(),
        messages=tuple(messages + data_messages(design, aliased)),
    )
