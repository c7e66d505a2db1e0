"""`fit_lmm`: the linear mixed model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.columns import check_table
from outcomes.models.convergence import Convergence, data_messages
from outcomes.models.design import Design, build_design
from outcomes.models.fixed_part import orthonormalise
from outcomes.models.formula import parse_formula
from outcomes.models.mixed.effects import (
    Term,
    check_members,
    columns_needed,
    read_terms,
    without_members,
)
from outcomes.models.mixed.grouping import Request, read_random
from outcomes.models.mixed.layout import Layout, lay_out, spread
from outcomes.models.mixed.moments import factor_of, gather
from outcomes.models.mixed.newton import DECREMENT_LIMIT, Optimum, minimise
from outcomes.models.mixed.results import LmmFit
from outcomes.models.mixed.small_sample import small_sample
from outcomes.models.options import (
    FloatArray,
    Method,
    Missing,
    MixedDfMethod,
    MixedPreset,
    check_option,
)

if TYPE_CHECKING:
    import pandas as pd

# Residual sum of squares, as a share of that of the outcome, that is rounding alone.
NO_RESIDUAL = 1e-20
# Share of what the formula leaves below which residuals are too small to compute with.
TINY_RESIDUAL = 1e-8
# Share of random effects outside the model matrix that is rounding.
NOTHING_LEFT = 1e-10
# Share of a standard deviation that is independent of the others', that is none.
DEGENERATE = 1e-6


def fit_lmm(
    formula: str,
    data: pd.DataFrame,
    *,
    random: Mapping[str, str] | None = None,
    method: Method = "reml",
    df: MixedDfMethod | None = None,
    preset: MixedPreset | None = None,
    missing: Missing = "error",
    levels: Mapping[str, Sequence[Any]] | None = None,
) -> LmmFit:
    """Fit a linear mixed model with any number of nested or crossed groupings.

    The outcome is ``X beta + Z b + e``: effects b of the levels of a grouping are
    normal with a covariance of their own, residuals e are normal and independent.

    Parameters
    ----------
    formula : str
        ``"outcome ~ terms"`` as in `fit_mmrm`; text, Boolean and Categorical columns
        are factors, columns of numbers are covariates.
    data : pandas.DataFrame
        One row per record.
    random : mapping of str to str
        Groupings and their effects. A grouping is a column, ``"SITEID:THERAPID"`` for
        each combination, ``"SITEID/THERAPID"`` for both, nested, or ``"mm(THER1,
        THER2)"`` where a record belongs in equal shares to the levels named in several
        columns (a missing one leaves the share to the others). Effects are ``"1"``,
        ``"1 + WEEK"`` (correlated), ``"1 || WEEK"`` (independent) or ``"0 + WEEK"``.
    method : str
        ``"reml"`` or ``"ml"``.
    df : str, optional
        ``"satterthwaite"`` (default), ``"kenward-roger"`` (REML only; adjusts standard
        errors too), ``"residual"`` or ``"asymptotic"``.
    preset : str, optional
        What Kenward-Roger takes the precision of variance components from:
        ``"r_lmertest"`` (default) the expected information, as R pbkrtest;
        ``"sas_proc_mixed"`` the observed information without components at their
        boundary, as SAS.
    missing : str
        ``"error"``, or ``"exclude"`` rows that have an outcome and miss something else.
    levels : mapping, optional
        Order of the levels of columns; makes a numeric column a factor.

    Returns
    -------
    LmmFit
        With ``convergence`` and ``boundary`` to look at: a variance at zero is
        returned and named, and so is a fit that did not converge.

    Raises
    ------
    ModelError
        If an option, column or grouping is not understood, a grouping has one level, no
        level shows a slope, or the data leave nothing to estimate.

    Notes
    -----
    Algebra, and how programs differ: ``docs/methods/mixed.md``.

    References
    ----------
    Bates, Maechler, Bolker and Walker (2015), J Stat Softw 67(1),
    https://doi.org/10.18637/jss.v067.i01; Kenward and Roger (1997), Biometrics 53,
    983-997.

    Examples
    --------
    >>> fit = fit_lmm("CHG ~ BASE + TRT01P*WEEK", adqs,
    ...               random={"USUBJID": "1 + WEEK", "SITEID": "1"})  # doctest: +SKIP
    """
    check_option(method, Method, name="method")
    check_option(missing, Missing, name="missing")
    kind = check_option(df or "satterthwaite", MixedDfMethod, name="df")
    whose = check_option(preset or "r_lmertest", MixedPreset, name="preset")
    if kind == "kenward-roger" and method != "reml":
        raise ModelError(
            "df: 'kenward-roger' is defined for REML only, and method is 'ml'. Use"
            " method='reml', or df='satterthwaite'."
        )
    reml = method == "reml"
    design, terms = read_model(formula, data, random, missing=missing, levels=levels)
    _check_identified(terms, design)
    layout = lay_out(terms)
    fixed = orthonormalise(design)
    _check_left(terms, fixed.Q)
    projected = fixed.Q.T @ design.y
    rest = design.y - fixed.Q @ projected
    if rest @ rest <= NO_RESIDUAL * (design.y @ design.y):
        raise ModelError(
            f"the formula explains '{design.formula.outcome}' without remainder (is it"
            " constant, or a copy of a covariate?): there is no variance to estimate."
        )
    moments = gather(layout, fixed.Q, rest)
    optimum = minimise(moments, reml=reml)
    if optimum is None:
        raise ModelError(
            "the likelihood cannot be evaluated: the random effects leave no residual."
            " Take effects or groupings out."
        )
    covariances, boundary = _covariances(optimum, layout, moments.scale)
    found = small_sample(optimum, moments, df=kind, preset=whose, reml=reml)
    counts = {term.grouping: term.q for term in terms}
    deviance = optimum.at.deviance + (fixed.log_det if reml else 0.0)
    share = optimum.at.sigma2 * len(rest) / float(rest @ rest)
    convergence = _tell(optimum, design, fixed.aliased, boundary, found.messages, share)
    return LmmFit(
        formula=str(design.formula),
        random=dict(random or {}),
        method=method,
        df_method=kind,  # type: ignore[arg-type]
        preset=whose,  # type: ignore[arg-type]
        design=design,
        terms_random=terms,
        covariances=covariances,
        residual_variance=optimum.at.sigma2,
        aliased_mask=fixed.aliased,
        undetermined=fixed.undetermined,
        beta=fixed.to_columns @ (projected + optimum.at.beta),
        cov_model=fixed.back(optimum.at.sigma2 * optimum.at.Phi),
        cov_inference=fixed.back(found.adjusted),
        jacobian=fixed.back(found.jacobian),
        cov_theta=found.cov_theta,
        loglik=-0.5 * deviance,
        n_records=len(design.y),
        n_excluded=sum(design.excluded.values()),
        n_subjects=max(counts.values()),
        n_groups=counts,
        excluded=design.excluded,
        boundary=boundary,
        convergence=convergence,
        moments=moments,
        optimum=optimum,
        origin=fixed.to_columns @ projected,
        to_columns=fixed.to_columns,
        log_det=fixed.log_det,
    )


def read_model(
    formula: str,
    data: pd.DataFrame,
    random: Mapping[str, str] | None,
    *,
    missing: Missing,
    levels: Mapping[str, Sequence[Any]] | None,
    needed: Sequence[str] = (),
) -> tuple[Design, tuple[Term, ...]]:
    """Read the fixed and random effects of a mixed model.

    Parameters
    ----------
    formula, data, random, missing, levels
        As given to `fit_lmm`.
    needed : sequence of str
        Further columns every record must have.

    Returns
    -------
    tuple
        The design and the random effects of its records.

    Raises
    ------
    ModelError
        Naming what is not understood.
    """
    levels = {} if levels is None else levels
    check_table(data, levels)
    names = list(map(str, data.columns))
    parsed = parse_formula(formula, names)
    requests = read_random(random, outcome=parsed.outcome, columns=names)
    check_members(requests, data, parsed.outcome)
    used, lost = _with_members(data, requests, parsed.outcome, missing)
    keys = tuple(dict.fromkeys((*columns_needed(requests), *needed)))
    design = build_design(
        parsed,
        used,
        keys=keys,
        subject=keys[0] if keys else None,
        levels=levels,
        missing=missing,
    )
    terms = read_terms(requests, used, design, levels)
    design.excluded.update(lost)
    return design, terms


def _with_members(
    data: pd.DataFrame, requests: Sequence[Request], outcome: str, missing: Missing
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Leave out, or refuse, records that name no member of a multiple membership."""
    lost = without_members(data, requests) & data[outcome].notna().to_numpy()
    if not lost.any():
        return data, {}
    names = ", ".join(r.grouping for r in requests if r.multiple)
    if missing == "error":
        raise ModelError(
            f"{int(lost.sum())} rows with an outcome name no member of {names}."
            " Complete them, or give missing='exclude' to leave them out and have them"
            " counted."
        )
    return data.loc[~lost], {f"no member of {names}": int(lost.sum())}


def _check_identified(terms: Sequence[Term], design: Design) -> None:
    """Refuse effects as many as records: they are the residuals again."""
    n = len(design.y)
    for term in terms:
        if term.q * term.c >= n:
            effects = " and ".join(term.effects)
            raise ModelError(
                f"random: {term.grouping!r} has {term.q} levels with {effects}, that is"
                f" {term.q * term.c} effects on {n} records, which cannot be told from"
                " the residuals. Leave an effect or the grouping out."
            )


def _check_left(terms: Sequence[Term], Q: FloatArray) -> None:
    """Refuse effects that the formula has for every level already."""
    for term in terms:
        Z = spread(term)
        whole = np.asarray(Z.power(2).sum(axis=0)).reshape(term.q, term.c)  # type: ignore[attr-defined]
        taken = np.square(Z.T @ Q).sum(axis=1).reshape(term.q, term.c)  # type: ignore[attr-defined]
        left = 1.0 - taken.sum(axis=0) / whole.sum(axis=0)
        for j in np.flatnonzero(left < NOTHING_LEFT):
            raise ModelError(
                f"random: the formula determines {term.effects[j]!r} of every level of"
                f" {term.grouping!r}, so nothing is left to vary between them. Take the"
                " grouping out of the formula, or leave it out of the random effects."
            )


def _covariances(
    optimum: Optimum, layout: Layout, scale: Sequence[FloatArray]
) -> tuple[tuple[FloatArray, ...], tuple[str, ...]]:
    """Covariances in the user's units, and what of them lies at a boundary."""
    found: list[FloatArray] = []
    edge: list[str] = []
    for slot in layout.slots:
        term, size = layout.terms[slot.term], scale[slot.term]
        L = factor_of(slot, term.c, optimum.theta)
        found.append(optimum.at.sigma2 * (L @ L.T) / size[:, None] / size)
        edge += boundary_of(term, L)
    return tuple(found), tuple(edge)


def boundary_of(term: Term, L: FloatArray) -> list[str]:
    """Say which variances of a factor are zero, or that effects are collinear."""
    spread = np.linalg.norm(L, axis=1)
    absent = spread <= DEGENERATE
    edge = [
        f"the variance of {term.effects[k]} of {term.grouping} is zero"
        for k in np.flatnonzero(absent)
    ]
    rest = ~absent
    if rest.sum() > 1:
        shape = L[rest] / spread[rest][:, None]
        if np.linalg.svd(shape, compute_uv=False)[-1] <= 1e2 * DEGENERATE:
            names = ", ".join(np.array(term.effects)[rest])
            edge.append(f"the effects {names} of {term.grouping} are collinear")
    return edge


def _tell(
    optimum: Optimum,
    design: Design,
    aliased: Any,
    boundary: Sequence[str],
    further: Sequence[str],
    share: float,
) -> Convergence:
    values = np.linalg.eigvalsh(optimum.hessian)
    good = optimum.decrement <= DECREMENT_LIMIT
    messages = [f"at the boundary: {text}" for text in boundary]
    if not good:
        messages.append(
            f"the Newton decrement is still {optimum.decrement:.1e} after"
            f" {optimum.iterations} iterations"
        )
        if share < TINY_RESIDUAL:
            messages.append(
                f"the random effects explain '{design.formula.outcome}' almost without"
                f" remainder: the residual variance is {share:.0e} of what the formula"
                " leaves"
            )
    return Convergence(
        status="converged" if good else "not-converged",
        optimiser="newton",
        iterations=optimum.iterations,
        gradient_norm=float(np.max(np.abs(optimum.gradient))) / 2.0,
        min_eigenvalue=float(values[0]) / 2.0,
        ladder=(),
        messages=tuple(messages + data_messages(design, aliased, further)),
    )
