"""`fit_mmrm`: the mixed model for repeated measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.design import Design, build_design, declared_order
from outcomes.models.formula import parse_formula
from outcomes.models.mmrm.covariance import STRUCTURES, Structure
from outcomes.models.mmrm.kenward_roger import adjusted_covariance
from outcomes.models.mmrm.likelihood import Problem
from outcomes.models.mmrm.optimise import Optimum, maximise
from outcomes.models.mmrm.prepare import Prepared, check_structure, pose, prepare
from outcomes.models.mmrm.results import Convergence, LadderStep, MmrmFit
from outcomes.models.options import (
    Covariance,
    DfMethod,
    FloatArray,
    Method,
    VcovMethod,
    check_option,
    inference_pair,
)

if TYPE_CHECKING:
    import pandas as pd

OFFENDERS_SHOWN = 3


def fit_mmrm(
    formula: str,
    data: pd.DataFrame,
    *,
    subject: str,
    visit: str,
    covariance: Covariance | Sequence[Covariance] = "us",
    method: Method = "reml",
    df: DfMethod | None = None,
    vcov: VcovMethod | None = None,
    levels: Mapping[str, Sequence[Any]] | None = None,
) -> MmrmFit:
    """Fit a mixed model for repeated measures.

    The residuals of one subject have a common covariance over visits; there are no
    random effects. Records with a missing outcome or covariate are left out and
    counted; a subject contributes the visits it has.

    Parameters
    ----------
    formula : str
        ``"outcome ~ terms"`` with column names joined by ``: * + -``, ``0``, ``1`` and
        parentheses. Text, Boolean and Categorical columns are factors with treatment
        coding, the first level being the reference (Categorical order, else sorted);
        columns of numbers (objects that are numbers included) are covariates, except
        ``visit``, which is always a factor.
    data : pandas.DataFrame
        One row per subject and visit.
    subject : str
        Column that tells subjects apart.
    visit : str
        Column of the visits: numeric, an ordered Categorical or listed in ``levels``.
    covariance : str or sequence of str
        ``"us"`` unstructured, ``"cs"`` compound symmetry, ``"ar1"`` first-order
        autoregressive over the places in the visit order. A sequence is a ladder:
        the next is tried where one cannot be fitted; `MmrmFit.convergence` says so.
    method : str
        ``"reml"`` or ``"ml"``.
    df : str, optional
        ``"kenward-roger"`` (default with REML), ``"satterthwaite"`` (default with ML),
        ``"residual"`` or ``"asymptotic"``.
    vcov : str, optional
        ``"model"``, ``"kenward-roger"`` (SAS ``ddfm=kr``) or ``"kenward-roger-linear"``
        (SAS ``ddfm=kr(linear)``). Default: what ``df`` implies.
    levels : mapping, optional
        Order of the levels of columns, ``{"AVISIT": ["WEEK3", "WEEK12"]}``.

    Returns
    -------
    MmrmFit
        Converged or not: see its ``convergence``.

    Raises
    ------
    ModelError
        If the input cannot be analysed; the message names what is wrong.

    Notes
    -----
    Algebra, and the spelling of each option in SAS and R: ``docs/methods/mmrm.md``.

    References
    ----------
    Kenward and Roger (1997), Biometrics 53, 983-997,
    https://doi.org/10.2307/2533558.

    Examples
    --------
    >>> fit = fit_mmrm("CHG ~ BASE*AVISITN + TRT01P*AVISITN", adqs,
    ...                subject="USUBJID", visit="AVISITN")      # doctest: +SKIP
    >>> tidy(fit)                                               # doctest: +SKIP
    """
    ladder = _ladder(covariance)
    check_option(method, Method, name="method")
    df_method, vcov_method = inference_pair(df, vcov, method=method)
    design, prepared, visits, positions = _read(
        formula, data, subject, visit, dict(levels or {})
    )
    steps, problem, optimum = _climb_down(
        ladder, prepared, positions, visits, reml=method == "reml"
    )
    at = optimum.evaluation
    cov_theta = _inverse_information(optimum)
    adjusted = _inference_covariance(vcov_method, problem, optimum, cov_theta)
    back = np.asarray(np.linalg.inv(prepared.R), dtype=np.float64)
    return MmrmFit(
        formula=str(design.formula),
        subject=subject,
        visit=visit,
        structure=steps[-1].covariance,
        method=method,
        df_method=df_method,
        vcov_method=vcov_method,
        design=design,
        aliased_mask=prepared.aliased,
        undetermined=prepared.undetermined,
        beta=prepared.ols + back @ at.beta,
        cov_model=_congruent(back, at.Phi),
        cov_inference=_congruent(back, adjusted),
        jacobian=_congruent(back, optimum.derivatives.jacobian),
        theta=optimum.theta,
        theta_names=problem.structure.names([str(value) for value in visits]),
        cov_theta=cov_theta,
        sigma=problem.structure.sigma(optimum.theta, positions),
        visits=visits,
        loglik=-0.5 * at.deviance,
        n_subjects=prepared.n_subjects,
        n_records=prepared.data.n_records,
        n_excluded=sum(design.excluded.values()),
        excluded=design.excluded,
        convergence=_convergence(optimum, steps, design, prepared.aliased),
    )


def _read(
    formula: str,
    data: pd.DataFrame,
    subject: str,
    visit: str,
    levels: dict[str, Sequence[Any]],
) -> tuple[Design, Prepared, tuple[Any, ...], FloatArray]:
    """Check the input and bring it to arrays; also the visits and their places."""
    import pandas as pd

    if data.empty:
        raise ModelError("data has no rows.")
    parsed = parse_formula(formula, map(str, data.columns))
    _check_visit(data, visit, levels)
    design = build_design(
        parsed, data, keys=(subject, visit), factors=(visit,), levels=levels
    )
    frame = design.frame
    _check_duplicates(frame, subject, visit)
    visits = tuple(frame[visit].cat.categories)
    order = declared_order(data[visit], visit, levels)
    prepared = prepare(
        design,
        pd.factorize(frame[subject])[0].astype(np.intp),
        frame[visit].cat.codes.to_numpy().astype(np.intp),
        len(visits),
    )
    positions = np.array([order.index(value) for value in visits], dtype=float)
    return design, prepared, visits, positions


def _congruent(to_columns: FloatArray, matrix: FloatArray) -> FloatArray:
    """Take a covariance (or a stack of derivatives of one) to the user's columns."""
    out = to_columns @ matrix @ to_columns.T
    return np.asarray((out + np.swapaxes(out, -1, -2)) / 2.0)


def _ladder(covariance: str | Sequence[str]) -> tuple[str, ...]:
    ladder = (covariance,) if isinstance(covariance, str) else tuple(covariance)
    if not ladder:
        raise ModelError("covariance: the list is empty; name at least one structure.")
    return tuple(check_option(name, Covariance, name="covariance") for name in ladder)


def _check_visit(
    data: pd.DataFrame, visit: str, levels: Mapping[str, Sequence[Any]]
) -> None:
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if visit not in data.columns:
        raise ModelError(
            f"data has no column {visit!r} for visit; it has"
            f" {', '.join(map(repr, map(str, data.columns)))}."
        )
    if list(data.columns).count(visit) > 1:
        raise ModelError(f"data has more than one column {visit!r}.")
    dtype = data[visit].dtype
    ordered = isinstance(dtype, pd.CategoricalDtype) and bool(dtype.ordered)
    numeric = is_numeric_dtype(dtype) and not is_bool_dtype(dtype)
    if not (visit in levels or ordered or numeric):
        raise ModelError(
            f"visit: the order of {visit!r} is not known, and sorting text puts WEEK12"
            f" before WEEK3. Give levels={{{visit!r}: [...]}} in order, or make it"
            " numeric or an ordered Categorical."
        )


def _check_duplicates(frame: pd.DataFrame, subject: str, visit: str) -> None:
    repeated = frame.duplicated([subject, visit], keep=False)
    if not repeated.any():
        return
    pairs = frame.loc[repeated, [subject, visit]].drop_duplicates()
    shown = ", ".join(
        f"{who} at {when}"
        for who, when in pairs.head(OFFENDERS_SHOWN).itertuples(index=False)
    )
    raise ModelError(
        f"{len(pairs)} pairs of {subject} and {visit} have more than one record (first:"
        f" {shown}). Keep one record per subject and visit."
    )


def _climb_down(
    ladder: Sequence[str],
    prepared: Prepared,
    positions: FloatArray,
    visits: Sequence[Any],
    *,
    reml: bool,
) -> tuple[tuple[LadderStep, ...], Problem, Optimum]:
    """Try the structures in turn; the steps taken, that of the returned fit last."""
    steps: list[LadderStep] = []
    fitted: list[tuple[LadderStep, Problem, Optimum]] = []
    for name in ladder:
        # With one visit every structure is the same single variance.
        structure = STRUCTURES[name if len(visits) > 1 else "us"]
        refused = check_structure(prepared, structure, visits)
        optimum = None
        if not refused:
            problem = pose(prepared, structure, positions, reml=reml)
            optimum = _solve(prepared, problem)
            refused = "the likelihood cannot be evaluated"
        if optimum is None:
            steps.append(LadderStep(name, False, refused))
            continue
        step = LadderStep(name, not optimum.message, optimum.message)
        fitted.append((step, problem, optimum))
        if step.converged:
            break
        steps.append(step)
    if not fitted:
        raise ModelError(_no_structure(steps))
    step, problem, optimum = fitted[-1]
    others = [other for other in steps if other is not step]
    return (*others, step), problem, optimum


def _no_structure(steps: Sequence[LadderStep]) -> str:
    reasons = "; ".join(f"{step.covariance}: {step.message}" for step in steps)
    hint = ""
    if [step.covariance for step in steps] == ["us"]:
        hint = " Give covariance as a list with simpler structures to fall back to."
    return f"no covariance structure can be fitted: {reasons}.{hint}"


def _solve(prepared: Prepared, problem: Problem) -> Optimum | None:
    """Maximise from the empirical covariance, then from independence if need be."""
    structure: Structure = problem.structure
    optimum = maximise(structure.start(prepared.S, problem.positions), problem)
    if optimum is not None and not optimum.message:
        return optimum
    diagonal = np.diag(np.diagonal(prepared.S))
    again = maximise(structure.start(diagonal, problem.positions), problem)
    if again is None:
        return optimum
    if optimum is None or not again.message:
        return again
    lower = again.evaluation.deviance < optimum.evaluation.deviance
    return again if lower else optimum


def _inverse_information(optimum: Optimum) -> FloatArray:
    """Covariance of theta: inverse of the observed information, NaN if it has none."""
    information = 0.5 * optimum.derivatives.hessian
    if not optimum.min_eigenvalue > 0:
        return np.full_like(information, np.nan)
    size = np.sqrt(np.diagonal(information))
    scaled = np.linalg.inv(information / size[:, None] / size[None, :])
    return np.asarray((scaled + scaled.T) / 2.0 / size[:, None] / size[None, :])


def _inference_covariance(
    vcov: VcovMethod, problem: Problem, optimum: Optimum, cov_theta: FloatArray
) -> FloatArray:
    at = optimum.evaluation
    if vcov == "model":
        return at.Phi
    if not np.all(np.isfinite(cov_theta)):  # unknown, not unadjusted
        return np.full_like(at.Phi, np.nan)
    structure = problem.structure
    curved = vcov == "kenward-roger" and not structure.linear
    return adjusted_covariance(
        Phi=at.Phi,
        jacobian=optimum.derivatives.jacobian,
        cov_theta=cov_theta,
        first=structure.first(optimum.theta, problem.positions),
        second=structure.second(optimum.theta, problem.positions) if curved else None,
        W=at.W,
        U=at.U[:, :, :-1],
        pattern=problem.data.pattern,
    )


def _convergence(
    optimum: Optimum,
    steps: tuple[LadderStep, ...],
    design: Design,
    aliased: Any,
) -> Convergence:
    messages = [f"{step.covariance}: {step.message}" for step in steps if step.message]
    messages += design.messages
    names = [design.columns[j] for j in np.flatnonzero(aliased)]
    if names:
        messages += _empty_cells(design)
        messages.append(
            "columns that repeat earlier ones have no coefficient: " + ", ".join(names)
        )
    return Convergence(
        status="not-converged" if optimum.message else "converged",
        optimiser="newton, fisher scoring" if optimum.scored else "newton",
        iterations=optimum.iterations,
        gradient_norm=optimum.gradient_norm,
        min_eigenvalue=optimum.min_eigenvalue,
        ladder=steps,
        messages=tuple(messages),
    )


def _empty_cells(design: Design) -> list[str]:
    """Name the combinations of two interacting factors that no record has."""
    found: dict[str, None] = {}
    for term in design.spec.terms:
        names = [str(f) for f in term.factors if str(f) in design.factors]
        for i, b in enumerate(names):
            for a in names[:i]:
                present = set(zip(design.frame[a], design.frame[b], strict=True))
                for x in design.factors[a]:
                    for y in design.factors[b]:
                        if (x, y) not in present:
                            found[f"no record has {a} {x!r} and {b} {y!r}"] = None
    return list(found)
