"""The model of yes/no over visits: fitted, put into words, and what weakens it.

Method: ``docs/methods/longitudinal-remission.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outcomes.analyses.binary_data import BinaryData
from outcomes.analyses.mixed_logistic import fit_mixed_logistic
from outcomes.analyses.random_effects import random_terms, shortcomings
from outcomes.errors import ModelError
from outcomes.study.model import (
    DF_WORDS,
    GEE_DF_WORDS,
    GEE_WORDS,
    STRUCTURE_WORDS,
    GeeModel,
    GlmmModel,
    LogisticModel,
)

RESCUE_MODEL = "logistic regression for each visit with Firth's penalty"


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was fitted: one model of all visits, or one for each.

    Attributes
    ----------
    fits : tuple
        Each fit with the visits that it is of.
    joint : bool
        Whether one fit is of all visits, so that they can be tested together.
    words : str
        The model, in words.
    conditional : str
        What its coefficients condition on.
    warning : str
        What weakens every number.
    left_out : dict
        Groupings whose variances are zero, so that the model was fitted without them,
        and their number of levels.
    """

    fits: tuple[tuple[Any, tuple[str, ...]], ...]
    joint: bool
    words: str
    conditional: str
    warning: str = ""
    left_out: dict[str, int] = field(default_factory=dict)


class Separated(ModelError):
    """A model without finite estimates."""


def fit_longitudinal(
    data: BinaryData,
    model: GlmmModel | GeeModel | LogisticModel,
    reference: str | None,
    labels: Mapping[str, str],
) -> Fitted:
    """Fit the model of an analysis, or what the study file falls back on.

    Parameters
    ----------
    data : BinaryData
        The records.
    model : GlmmModel or GeeModel or LogisticModel
        What is fitted.
    reference : str or None
        The arm that comes first.
    labels : mapping
        What groupings are called, from `grouping_labels`.

    Raises
    ------
    ModelError
        If the model cannot be fitted and nothing is declared to fall back on.
    """
    match model:
        case GlmmModel():
            return _glmm(data, model, reference, labels)
        case GeeModel():
            return _gee(data, model, reference)
        case LogisticModel():
            return _logistic(data, model.covariates, model.penalty, reference)


def formula_of(data: BinaryData, covariates: list[str], *, by_visit: bool) -> str:
    """Return the formula: arm, visit and their interaction, and covariates.

    Parameters
    ----------
    data : BinaryData
        The records.
    covariates : list of str
        Of the model.
    by_visit : bool
        Whether each visit has a model of its own, which visit is no part of.
    """
    arm = data.people.arm_variable if len(data.people.arms) > 1 else ""
    if by_visit:
        terms = [arm, *(name for name in _without_visit(covariates) if name)]
    else:
        terms = [f"{arm}*AVISIT" if arm else "AVISIT", *covariates]
    return f"AVAL ~ {' + '.join(term for term in terms if term) or '1'}"


def _without_visit(covariates: list[str]) -> list[str]:
    """Take the visit out of products: ``BASE*AVISIT`` is ``BASE`` at one visit."""
    found: dict[str, None] = {}
    for term in covariates:
        parts = [part.strip() for part in term.split("*")]
        found["*".join(part for part in parts if part != "AVISIT")] = None
    return list(found)


def _glmm(
    data: BinaryData,
    model: GlmmModel,
    reference: str | None,
    labels: Mapping[str, str],
) -> Fitted:
    if len(data.visits) == 1:
        raise ModelError(
            f"only {data.visits[0].id} has records, where a subject has one yes or no "
            "and no effect of its own; say kind: logistic."
        )
    try:
        fitted = _mixed(data, model, reference, labels)
    except ModelError as problem:
        if model.fallback is None:
            raise ModelError(_advised(str(problem))) from problem
        return _instead(data, model, reference, str(problem))
    convergence = fitted.fits[0][0].convergence
    if convergence.converged or model.fallback is None:
        return fitted
    return _instead(data, model, reference, shortcomings(convergence))


def _mixed(
    data: BinaryData,
    model: GlmmModel,
    reference: str | None,
    labels: Mapping[str, str],
) -> Fitted:
    found = fit_mixed_logistic(
        formula_of(data, model.covariates, by_visit=False),
        data.modelled,
        random_terms(model.groupings, data.people.arm_variable, one_visit=False),
        n_quad=model.n_quad,
        df=model.df,
        levels=data.levels(reference),
    )
    return Fitted(
        fits=((found.fit, tuple(visit.id for visit in data.visits)),),
        joint=True,
        words=f"{found.words(labels)}; {DF_WORDS[model.df]}",
        conditional="conditional on covariates and on the random effects: of one "
        "subject under two treatments",
        warning=found.warning(labels),
        left_out=found.left_out,
    )


def _instead(
    data: BinaryData, model: GlmmModel, reference: str | None, why: str
) -> Fitted:
    """Fit the fallback, and say on every number that it is one."""
    found = _logistic(data, model.covariates, "firth", reference)
    warning = f"mixed model not used ({why.rstrip('.')}); {RESCUE_MODEL} used instead"
    return Fitted(
        found.fits,
        found.joint,
        found.words,
        found.conditional,
        "; ".join(part for part in (warning, found.warning) if part),
    )


def _advised(problem: str) -> str:
    """Add what a study file can say to a message about separation."""
    if "separat" not in problem:
        return problem
    return (
        f"{problem.rstrip()} In the study file: fallback: firth beside kind: glmm, or "
        "kind: logistic with penalty: firth."
    )


def _gee(data: BinaryData, model: GeeModel, reference: str | None) -> Fitted:
    from outcomes.models.gee.fit import fit_gee

    if len(data.visits) == 1:
        raise ModelError(
            f"only {data.visits[0].id} has records, so nothing is correlated; say "
            "kind: logistic."
        )
    fit = fit_gee(
        formula_of(data, model.covariates, by_visit=False),
        data.modelled,
        subject="USUBJID",
        visit="AVISIT",
        family="binomial",
        structure=model.structure,
        vcov=model.vcov,
        df=model.df,
        levels=data.levels(reference),
    )
    words = (
        f"generalised estimating equations {fit.formula}, logit link, "
        f"{STRUCTURE_WORDS[fit.structure]} working correlation, "
        f"{GEE_WORDS[fit.vcov_method]}, {GEE_DF_WORDS[fit.df_method]}; records missing "
        "completely at random given covariates"
    )
    return Fitted(
        fits=((fit, tuple(visit.id for visit in data.visits)),),
        joint=True,
        words=words,
        conditional="conditional on covariates, averaged over subjects",
        warning=shortcomings(fit.convergence),
    )


def _logistic(
    data: BinaryData,
    covariates: list[str],
    penalty: Any,
    reference: str | None,
) -> Fitted:
    """Fit a logistic regression for each visit."""
    from outcomes.models.logistic.fit import fit_logistic

    formula = formula_of(data, covariates, by_visit=True)
    levels = {k: v for k, v in data.levels(reference).items() if k != "AVISIT"}
    fits = []
    for visit in data.visits:
        rows = data.modelled[data.modelled["AVISIT"] == visit.id]
        try:
            found: Any = fit_logistic(formula, rows, penalty=penalty, levels=levels)
        except ModelError as problem:
            found = problem
        fits.append((found, (visit.id,)))
    how = "Firth's penalised likelihood" if penalty else "maximum likelihood"
    return Fitted(
        fits=tuple(fits),
        joint=False,
        words=f"logistic regression {formula} for each visit, {how}",
        conditional="conditional on covariates",
    )
