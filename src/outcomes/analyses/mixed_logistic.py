"""A mixed logistic model: fitted, without groupings whose variance is zero.

Method: ``docs/methods/longitudinal-remission.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outcomes.analyses.random_effects import in_labels, random_words
from outcomes.errors import ModelError
from outcomes.study.random import SUBJECT

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.models.mixed.glmm.results import GlmmFit


@dataclass(frozen=True, slots=True)
class MixedLogistic:
    """A fit, and the groupings that it was made without.

    Attributes
    ----------
    fit : GlmmFit
        The fit.
    random : dict
        Its random effects.
    left_out : dict
        Groupings whose variances were estimated as zero, and their number of levels.
    """

    fit: GlmmFit
    random: dict[str, str]
    left_out: dict[str, int]

    def words(self, labels: Mapping[str, str]) -> str:
        """Say what was fitted; `labels` are from `grouping_labels`."""
        said = (
            f"mixed logistic model {self.fit.formula}, {random_words(self.random)}, "
            f"maximum likelihood, {integral_words(self.fit.n_quad)}"
        )
        return "; ".join([said, *self._zeros(labels)])

    def warning(self, labels: Mapping[str, str]) -> str:
        """Say what weakens every number, the integral first; ``''`` if nothing does."""
        found = self.fit.convergence
        doubts = integral_doubts(self.fit)
        said = [integral_warning(self.fit)] if doubts else []
        if not found.converged:
            said.append("the model did not converge")
        said += [in_labels(one, labels) for one in found.messages if one not in doubts]
        return "; ".join([*said, *self._zeros(labels)])

    def _zeros(self, labels: Mapping[str, str]) -> list[str]:
        return [
            f"variance of {labels.get(name, name)} estimated as zero: fitted without it"
            for name in self.left_out
        ]


def fit_mixed_logistic(
    formula: str,
    data: pd.DataFrame,
    random: Mapping[str, str],
    *,
    n_quad: int | None,
    **options: Any,
) -> MixedLogistic:
    """Fit, and fit again without groupings whose variances come out as zero.

    Without them the likelihood is the same, but its integral need not be: one random
    intercept has quadrature, where several have Laplace's approximation.

    Parameters
    ----------
    formula : str
        Of the fixed effects.
    data : DataFrame
        The records.
    random : mapping
        Grouping to terms. The subject stays, whatever its variance.
    n_quad : int, optional
        Points of the quadrature where there is one; default 25.
    **options
        Further ones of `fit_glmm`.

    Raises
    ------
    ModelError
        If the model cannot be fitted.
    """
    from outcomes.models.mixed.glmm.fit import fit_glmm

    kept = dict(random)
    left_out: dict[str, int] = {}
    while True:
        points = n_quad if _one_intercept(kept) or n_quad == 1 else None
        fit = fit_glmm(
            formula, data, random=kept, family="binomial", n_quad=points, **options
        )
        zero = _zero_groupings(fit)
        # A search that did not end says nothing of where a variance is.
        if not zero or not fit.convergence.converged:
            return MixedLogistic(fit, kept, left_out)
        left_out |= {name: fit.n_groups[name] for name in zero}
        kept = _without(fit, zero)


def _one_intercept(random: Mapping[str, str]) -> bool:
    (name, terms), *others = random.items()
    return not others and terms.strip() == "1" and not name.startswith("mm(")


def _zero_groupings(fit: GlmmFit) -> list[str]:
    """Return the groupings of which every variance is zero, the subject never."""
    zero: dict[str, bool] = {}
    for term in fit.terms_random:
        own = all(
            f"the variance of {effect} of {term.grouping} is zero" in fit.boundary
            for effect in term.effects
        )
        zero[term.grouping] = zero.get(term.grouping, True) and own
    return [name for name, all_zero in zero.items() if all_zero and name != SUBJECT]


def _without(fit: GlmmFit, zero: list[str]) -> dict[str, str]:
    """Return the random effects of a fit without some groupings.

    What was nested, ``A/B``, stands as ``A`` and ``A:B``, each with the terms of both.
    """
    gone = {name.replace(" ", "") for name in zero}
    kept: dict[str, str] = {}
    for name, terms in fit.random.items():
        parts = name.replace(" ", "").split("/")
        nested = [":".join(parts[: k + 1]) for k in range(len(parts))]
        for one in nested if len(parts) > 1 else [name]:
            if one.replace(" ", "") not in gone:
                kept[one] = terms
    if not kept:
        raise ModelError("every random effect has a variance of zero.")
    return kept


def integral_words(points: int) -> str:
    """Say how random effects were integrated out of the likelihood."""
    if points == 1:
        return "integral by Laplace's approximation"
    return f"integral by adaptive Gauss-Hermite quadrature with {points} points"


def integral_doubts(fit: GlmmFit) -> list[str]:
    """Return the messages of a fit that doubt how its integral was computed."""
    from outcomes.models.mixed.glmm.runaway import doubt_integral

    return doubt_integral(fit.optimum, fit.prepared, fit.family)


def integral_warning(fit: GlmmFit) -> str:
    """Say that the integral may be far off, and what a study file can do about it.

    Returns
    -------
    str
        ``''`` where there is no doubt.
    """
    doubts = integral_doubts(fit)
    if not doubts:
        return ""
    if fit.n_quad > 1:
        remedy = f"give n_quad more than {fit.n_quad} points"
    elif _one_intercept(fit.random):
        remedy = "leave n_quad out, or give it 25 points or more"
    else:
        remedy = (
            "drop the further groupings and slopes from random, and use n_quad (25 "
            "points or more)"
        )
    off = "MAY BE OFF" if fit.n_quad > 1 else "MAY BE FAR OFF"
    reason = "; ".join(
        one.partition(": are there")[0].removesuffix("; give a larger n_quad")
        for one in doubts
    )
    return f"THESE NUMBERS {off}: {reason}. Remedy, in the study file: {remedy}"
