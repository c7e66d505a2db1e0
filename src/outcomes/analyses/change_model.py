"""The model of a change analysis: fitted, put into words, and asked for its estimates.

Method: ``docs/methods/change.md``. Diagnostics fit the same model by the same code.
"""

from __future__ import annotations

from collections.abc import Mapping

from outcomes.analyses.change_data import DAY, ChangeData
from outcomes.analyses.random_effects import random_terms, random_words, shortcomings
from outcomes.errors import DataError
from outcomes.models.comparisons import contrasts
from outcomes.models.estimates import Estimates
from outcomes.models.means import emmeans
from outcomes.models.mixed.lmm import fit_lmm
from outcomes.models.mixed.results import LmmFit
from outcomes.models.mmrm.fit import fit_mmrm
from outcomes.models.mmrm.results import MmrmFit
from outcomes.study.model import (
    COORDINATE_WORDS,
    COVARIANCE_WORDS,
    DF_WORDS,
    MEANS_WORDS,
    VCOV_WORDS,
    LmmModel,
    MmrmModel,
)
from outcomes.study.spec import Study, Visit


def reference_arm(spec: Study, data: ChangeData) -> str | None:
    """Return the control arm, None where there is nothing to compare.

    Raises
    ------
    DataError
        If the control arm has no record.
    """
    if spec.control is None or len(data.people.arms) == 1:
        return None
    reference = spec.control.id
    if reference in data.empty_arms:
        raise DataError(
            f"the control arm {reference} has no change of {data.what.paramcd} in "
            f"{data.what.population}; there is nothing to compare with."
        )
    return reference


ChangeFit = MmrmFit | LmmFit


def fit_change(data: ChangeData, reference: str | None) -> ChangeFit:
    """Fit the model of a change analysis.

    Parameters
    ----------
    data : ChangeData
        The records and the model.
    reference : str or None
        The arm that comes first.

    Raises
    ------
    ModelError
        If the model cannot be fitted.
    """
    if isinstance(data.model, LmmModel):
        return _fit_lmm(data, data.model, reference)
    return _fit_mmrm(data, data.model, reference)


def _fit_lmm(data: ChangeData, model: LmmModel, reference: str | None) -> LmmFit:
    return fit_lmm(
        data.formula,
        data.modelled,
        random=random_terms(
            model.groupings, data.people.arm_variable, one_visit=len(data.visits) == 1
        ),
        method=model.method,
        df=model.df,
        preset=model.preset,
        levels=data.levels(reference),
    )


def _fit_mmrm(data: ChangeData, model: MmrmModel, reference: str | None) -> MmrmFit:
    several = len(data.people.arms) > 1
    constrained = model.constrained and several
    return fit_mmrm(
        data.formula,
        data.modelled,
        subject="USUBJID",
        visit="AVISIT",
        covariance=model.covariance,
        group=data.group,
        coordinates=DAY if model.coordinate else None,
        constrained=(data.people.arm_variable, data.start.id) if constrained else None,
        method=model.method,
        df=model.df,
        vcov=model.vcov,
        preset=model.preset,
        levels=data.levels(reference),
    )


def describe_fit(data: ChangeData, fit: ChangeFit) -> str:
    """Say in words what was fitted."""
    if isinstance(fit, LmmFit):
        return _describe_lmm(data, fit)
    covariance = f"{COVARIANCE_WORDS[fit.structure]} covariance"
    if fit.structure == "sp_exp":
        covariance += f" {COORDINATE_WORDS[data.model.coordinate]}"
    if data.model.group is not None:
        covariance += f", one for each level of {data.group}"
    constrained = (
        "one mean of all arms at baseline (constrained longitudinal data analysis), "
        if data.model.constrained and len(data.people.arms) > 1
        else ""
    )
    means = MEANS_WORDS[data.model.means]
    return (
        f"MMRM {fit.formula}, {constrained}{fit.method.upper()}, {covariance}, "
        f"{DF_WORDS[fit.df_method]}, {VCOV_WORDS[fit.vcov_method]}"
        f"{', ' if means else ''}{means}"
    )


def _describe_lmm(data: ChangeData, fit: LmmFit) -> str:
    means = MEANS_WORDS[data.model.means]
    words = DF_WORDS[fit.df_method]
    if fit.df_method == "kenward-roger":
        whose = "observed" if fit.preset == "sas_proc_mixed" else "expected"
        words += f" and standard errors, by the {whose} information"
    return (
        f"LMM {fit.formula}, {random_words(fit.random)}, {fit.method.upper()}, "
        f"{words}{', ' if means else ''}{means}"
    )


def weakness(fit: ChangeFit, labels: Mapping[str, str] | None = None) -> str:
    """Say what weakens every number of a fit; ``''`` if nothing does.

    Groupings of random effects are called as ``labels`` say.
    """
    if isinstance(fit, LmmFit):
        return shortcomings(fit.convergence, labels)
    *left, used = fit.convergence.ladder
    steps = {f"{step.covariance}: {step.message}" for step in (*left, used)}
    said = [
        f"{COVARIANCE_WORDS[step.covariance]} not used ({step.message})"
        for step in left
    ]
    if left:
        said.append(f"{COVARIANCE_WORDS[used.covariance]} used instead")
    if not fit.convergence.converged:
        said.append(f"the model did not converge: {used.message or 'no reason known'}")
    return "; ".join(said + [m for m in fit.convergence.messages if m not in steps])


def changes_of(data: ChangeData, fit: ChangeFit, conf_level: float) -> Estimates:
    """Estimate the LS mean of change of every arm at every visit after baseline.

    In a model of change these are its means; in a constrained model of the value, each
    is a contrast of two means of the arm, at the visit and at baseline.

    Returns
    -------
    Estimates
        With columns ``AVISIT`` and, with several arms, the arm.
    """
    arm = data.people.arm_variable
    weights = data.model.means
    if len(data.people.arms) == 1:
        means = emmeans(fit, "AVISIT", weights=weights, conf_level=conf_level)
    else:
        means = emmeans(fit, arm, by="AVISIT", weights=weights, conf_level=conf_level)
    if not data.model.constrained:
        return means
    return contrasts(means, reference=data.start.id, over="AVISIT")


def differences_of(
    data: ChangeData, changes: Estimates, reference: str | None
) -> Estimates | None:
    """Compare each arm with the control; None where there is nothing to compare."""
    if reference is None or len(data.empty_arms) == len(data.people.arms) - 1:
        return None
    return contrasts(changes, reference=reference, over=data.people.arm_variable)


def average_of(changes: Estimates, name: str, over: list[Visit]) -> Estimates:
    """Average changes over visits, each with the same weight.

    Returns
    -------
    Estimates
        As `changes_of`, with ``name`` in the column ``AVISIT``.
    """
    wanted = [visit.id for visit in over]
    visits = list(dict.fromkeys(changes.frame["AVISIT"]))
    weights = [(visit in wanted) / len(wanted) for visit in visits]
    return contrasts(changes, weights={name: weights}, over="AVISIT")
