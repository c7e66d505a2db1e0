"""`fit_mmrm`: the mixed model for repeated measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.columns import check_table, check_visit
from outcomes.models.design import build_design
from outcomes.models.formula import parse_formula
from outcomes.models.mmrm.convergence import lost_digits, tell_convergence
from outcomes.models.mmrm.kenward_roger import Curvature, adjusted_covariance
from outcomes.models.mmrm.ladder import climb_down
from outcomes.models.mmrm.likelihood import Problem
from outcomes.models.mmrm.optimise import UNDETERMINED, Optimum
from outcomes.models.mmrm.records import Records, read_records
from outcomes.models.mmrm.results import MmrmFit
from outcomes.models.mmrm.sandwich import make_sandwich
from outcomes.models.options import (
    SANDWICH,
    Covariance,
    DfMethod,
    FloatArray,
    Method,
    Missing,
    Preset,
    VcovMethod,
    check_option,
    inference_pair,
)

if TYPE_CHECKING:
    import pandas as pd

CURVATURE: Final[dict[str, Curvature]] = {
    "kenward-roger": "natural",
    "kenward-roger-linear": "none",
    "kenward-roger-mmrm": "free",
}


def fit_mmrm(
    formula: str,
    data: pd.DataFrame,
    *,
    subject: str,
    visit: str,
    covariance: Covariance | Sequence[Covariance] = "us",
    group: str | None = None,
    weights: str | None = None,
    coordinates: str | Sequence[str] | None = None,
    constrained: tuple[str, Any] | None = None,
    method: Method = "reml",
    df: DfMethod | None = None,
    vcov: VcovMethod | None = None,
    preset: Preset | None = None,
    missing: Missing = "error",
    levels: Mapping[str, Sequence[Any]] | None = None,
) -> MmrmFit:
    """Fit a mixed model for repeated measures.

    The residuals of one subject have a common covariance over visits; there are no
    random effects. Records with a missing outcome are left out and counted; a subject
    contributes the visits it has.

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
        ``us`` unstructured; ``toeph toep`` Toeplitz; ``ar1h ar1`` first-order
        autoregressive; ``csh cs`` compound symmetry; ``adh ad`` first-order
        ante-dependence, each with a variance for each visit or one for all;
        ``sp_exp`` exponential in the distance between coordinates. A sequence is a
        ladder: the next is tried where one cannot be fitted; `MmrmFit.convergence`
        says so.
    group : str, optional
        Column, constant within subjects; each of its levels has its own covariance.
    weights : str, optional
        Column of positive weights: a residual has its variance divided by them.
    coordinates : str or sequence of str, optional
        Columns of numbers between which ``sp_exp`` measures (Euclidean) distance.
    constrained : tuple, optional
        A factor, the arm as a rule, and the first visit: ``("TRT01P", "BASELINE")``.
        The levels share their mean there, which is constrained longitudinal data
        analysis of an outcome that includes baseline.
    method : str
        ``"reml"`` or ``"ml"``.
    df : str, optional
        ``"kenward-roger"`` (default with REML), ``"satterthwaite"`` (default with ML),
        ``"between-within"``, ``"residual"`` or ``"asymptotic"``.
    vcov : str, optional
        ``"kenward-roger"`` (SAS ``ddfm=kr``), ``"kenward-roger-linear"`` (SAS
        ``ddfm=kr(linear)``), ``"kenward-roger-mmrm"`` (R mmrm ``"Kenward-Roger"``),
        ``"model"``, or a sandwich over subjects, ``"cr0"``, ``"cr2"`` or ``"cr3"``.
        Default: what ``df`` implies.
    preset : str, optional
        ``"sas_proc_mixed"`` or ``"r_mmrm"``: what ``df`` and ``vcov`` default to.
    missing : str
        Records that have an outcome and miss something else are an ``"error"``, or
        ``"exclude"`` leaves them out and counts them.
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
    places = _coordinates(coordinates, ladder)
    check_option(method, Method, name="method")
    check_option(missing, Missing, name="missing")
    df_method, vcov_method = inference_pair(df, vcov, method=method, preset=preset)
    levels = {} if levels is None else levels
    check_table(data, levels)
    check_visit(data, visit, levels)
    design = build_design(
        parse_formula(formula, map(str, data.columns)),
        data,
        keys=(subject, visit, *(name for name in (group, weights) if name), *places),
        subject=subject,
        factors=(visit,),
        levels=levels,
        constrained=_constraint(constrained, visit),
        missing=missing,
    )
    records = read_records(
        data,
        design,
        subject=subject,
        visit=visit,
        group=group,
        weights=weights,
        coordinates=places,
        levels=levels,
    )
    steps, prepared, problem, optimum = climb_down(
        ladder, design, records, reml=method == "reml"
    )
    at = optimum.evaluation
    cov_theta = _inverse_information(optimum)
    back = np.asarray(np.linalg.inv(prepared.R), dtype=np.float64)
    sandwich = None
    alone: tuple[str, ...] = ()
    if vcov_method in SANDWICH:
        sandwich = make_sandwich(
            vcov_method, design, records, prepared, problem, optimum, subject
        )
        used, alone = sandwich.covariance, sandwich.messages
    else:
        used = _inference_covariance(vcov_method, problem, optimum, cov_theta)
    return MmrmFit(
        formula=str(design.formula),
        subject=subject,
        visit=visit,
        group=group,
        weights=weights,
        coordinates=places,
        constrained=constrained,
        structure=steps[-1].covariance,
        method=method,
        df_method=df_method,
        vcov_method=vcov_method,
        design=design,
        aliased_mask=prepared.aliased,
        undetermined=prepared.undetermined,
        beta=prepared.ols + back @ at.beta,
        cov_model=_congruent(back, at.Phi),
        cov_inference=_congruent(back, used),
        jacobian=_congruent(back, optimum.derivatives.jacobian),
        theta=optimum.theta,
        theta_names=_theta_names(problem, records),
        cov_theta=cov_theta,
        sigma=problem.sigma(optimum.theta),
        visits=records.visits,
        groups=records.groups if group is not None else (),
        loglik=-0.5 * at.deviance,
        n_subjects=records.n_subjects,
        n_records=prepared.n_records,
        n_excluded=sum(design.excluded.values()),
        excluded=design.excluded,
        convergence=tell_convergence(
            optimum,
            steps,
            design,
            prepared.aliased,
            (*lost_digits(at.Phi, used), *alone),
        ),
        records=records,
        problem=problem,
        origin=prepared.ols,
        to_columns=back,
        sandwich=sandwich,
    )


def _constraint(given: Any, visit: str) -> tuple[str, str, Any] | None:
    if given is None:
        return None
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ModelError(
            "constrained: give the factor and the first visit, as in"
            " ('TRT01P', 'BASELINE')."
        )
    return given[0], visit, given[1]


def _coordinates(
    given: str | Sequence[str] | None, ladder: Sequence[str]
) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given or ())
    if names and "sp_exp" not in ladder:
        raise ModelError("coordinates: only covariance 'sp_exp' uses them; leave out.")
    if "sp_exp" in ladder and not names:
        raise ModelError(
            "covariance: 'sp_exp' measures distances, so give coordinates=, a column of"
            " days for example."
        )
    return names


def _theta_names(problem: Problem, records: Records) -> tuple[str, ...]:
    visits = [str(value) for value in records.visits]
    names: list[str] = []
    for group, part in zip(records.groups, problem.parts, strict=True):
        prefix = f"{group}: " if records.group_name else ""
        own = problem.structure.names(visits, part.distance)
        names += [prefix + name for name in own]
    return tuple(names)


def _congruent(to_columns: FloatArray, matrix: FloatArray) -> FloatArray:
    """Take a covariance (or a stack of derivatives of one) to the user's columns."""
    out = to_columns @ matrix @ to_columns.T
    return np.asarray((out + np.swapaxes(out, -1, -2)) / 2.0)


def _ladder(covariance: str | Sequence[str]) -> tuple[str, ...]:
    if not isinstance(covariance, str | Sequence):
        covariance = str(covariance)  # answered with the list of structures
    ladder = (covariance,) if isinstance(covariance, str) else tuple(covariance)
    if not ladder:
        raise ModelError("covariance: the list is empty; name at least one structure.")
    return tuple(check_option(name, Covariance, name="covariance") for name in ladder)


def _inverse_information(optimum: Optimum) -> FloatArray:
    """Covariance of theta: inverse of the observed information, NaN if it has none."""
    information = 0.5 * optimum.derivatives.hessian
    if not optimum.min_eigenvalue > UNDETERMINED:
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
    return adjusted_covariance(problem, optimum, cov_theta, CURVATURE[vcov])
