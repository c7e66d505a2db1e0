"""How much of an endpoint lies between sites and between therapists.

Method: ``docs/methods/therapist-site.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from outcomes.analyses.binary_data import binary_data
from outcomes.analyses.change_data import select_changes
from outcomes.analyses.mixed_logistic import (
    integral_doubts,
    integral_warning,
    integral_words,
)
from outcomes.analyses.random_effects import (
    add_limited,
    add_mixed_fit,
    effect_name,
    grouping_labels,
    random_terms,
    random_words,
    shortcomings,
)
from outcomes.analyses.selection import (
    Cohort,
    Target,
    fail_visit,
    in_words,
    post_baseline,
    target,
)
from outcomes.ard.rows import ArdRows
from outcomes.errors import ModelError
from outcomes.models.mixed.blups import random_effects
from outcomes.models.mixed.variance import component_tests
from outcomes.study.analyses import Clustering
from outcomes.study.endpoints import ChangeEndpoint
from outcomes.study.model import ClusteringModel, LmmModel
from outcomes.study.random import SUBJECT, Grouping
from outcomes.study.spec import Study, Visit

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

_NOTHING: Final = 1e-6
"""Standard errors of predictions that are rounding of zero."""


@dataclass(frozen=True, slots=True)
class _Data:
    """Records of either kind of endpoint.

    Attributes
    ----------
    what : Target
        Endpoint, population, estimand.
    people : Cohort
        The population.
    visits : list of Visit
        Those with a record, in order.
    modelled : DataFrame
        One row per subject and visit.
    outcome : str
        ``CHG`` or ``AVAL``.
    excluded : dict
        Records that are not used, by reason.
    """

    what: Target
    people: Cohort
    visits: list[Visit]
    modelled: Frame
    outcome: str
    excluded: dict[str, int]

    @property
    def n_subjects(self) -> int:
        """Subjects whose records the model uses."""
        return int(self.modelled["USUBJID"].nunique())


def analyse(
    spec: Study, analysis: Clustering, adsl: Frame, adqs: Frame, ard: ArdRows
) -> None:
    """Add variance components, shares of variance, their tests and the predictions.

    Parameters
    ----------
    spec : Study
        The study.
    analysis : Clustering
        The analysis; without visits, all after baseline.
    adsl, adqs : DataFrame
        The datasets.
    ard : ArdRows
        Where results go.

    Raises
    ------
    DataError
        If there is nothing to analyse.
    ModelError
        If the model cannot be fitted.
    """
    data = _select(spec, analysis, adsl, adqs)
    named = analysis.visits
    seen = {visit.id for visit in data.visits}
    ard = ard.at(
        endpoint=data.what.endpoint,
        population=data.what.population,
        estimand=data.what.estimand,
    )
    for visit in post_baseline(spec):
        if visit.id in named and visit.id not in seen:
            fail_visit(visit, ard.at(method=in_words(data.what.handling)))
    control = spec.control.id if spec.control is not None else None
    fit, words = _fit(data, analysis.model, control)
    labels = grouping_labels(spec, analysis.model.groupings)
    level = analysis.conf_level
    ard = ard.at(
        method=in_words(words, data.what.handling),
        warning=_weakness(data, fit, labels),
        n_subjects=data.n_subjects,
    )
    add_mixed_fit(fit, data.excluded, labels, conf_level=level, ard=ard)
    ard.add("n", len(data.visits), term="visits")
    _tests(fit, ard)
    _predictions(data, analysis.model.groupings, fit, level, ard)


def _select(spec: Study, analysis: Clustering, adsl: Frame, adqs: Frame) -> _Data:
    model = analysis.model
    endpoint = spec.endpoints[target(spec, analysis).endpoint]
    if not isinstance(endpoint, ChangeEndpoint):
        yes = binary_data(spec, analysis, model.covariates, model.groupings, adsl, adqs)
        return _Data(
            yes.what, yes.people, yes.visits, yes.modelled, "AVAL", yes.excluded
        )
    named = analysis.visits
    visits = [v for v in post_baseline(spec) if not named or v.id in named]
    linear = LmmModel(
        kind="lmm",
        covariates=model.covariates,
        random=model.random,
        method=model.method or "reml",
    )
    data = select_changes(spec, analysis, linear, visits, visits[-1], adsl, adqs)
    return _Data(
        data.what, data.people, data.visits, data.modelled, "CHG", data.excluded
    )


def _weakness(data: _Data, fit: Any, labels: dict[str, str]) -> str:
    """Say what weakens every number, a doubtful integral before all else.

    A grouping stays whatever its variance: how large it may be is what is asked here.
    """
    doubts = [] if data.outcome == "CHG" else integral_doubts(fit)
    rest = [one for one in fit.convergence.messages if one not in doubts]
    known = replace(fit.convergence, messages=tuple(rest))
    first = integral_warning(fit) if doubts else ""
    return "; ".join(part for part in (first, shortcomings(known, labels)) if part)


def _fit(data: _Data, model: ClusteringModel, control: str | None) -> tuple[Any, str]:
    """Fit the mixed model of the endpoint; return it and what it is in words.

    The control comes first, so that random effects of arms are those against it.
    """
    arm = data.people.arm_variable
    present = set(data.modelled[arm])
    ordered = sorted(data.people.arms, key=lambda name: name != control)
    arms = [name for name in ordered if name in present]
    levels = {arm: arms, "AVISIT": [visit.id for visit in data.visits]}
    random = random_terms(model.groupings, arm, one_visit=len(data.visits) == 1)
    formula = _formula(data, model.covariates, several=len(arms) > 1)
    if data.outcome == "CHG":
        from outcomes.models.mixed.lmm import fit_lmm

        method = model.method or "reml"
        linear = fit_lmm(
            formula, data.modelled, random=random, method=method, levels=levels
        )
        words = f"LMM {linear.formula}, {random_words(random)}, {method.upper()}"
        return linear, words
    from outcomes.models.mixed.glmm.fit import fit_glmm

    fit = fit_glmm(
        formula,
        data.modelled,
        random=random,
        family="binomial",
        n_quad=model.n_quad,
        levels=levels,
    )
    return fit, (
        f"mixed logistic model {fit.formula}, {random_words(random)}, maximum "
        f"likelihood, {integral_words(fit.n_quad)}"
    )


def _formula(data: _Data, covariates: list[str], *, several: bool) -> str:
    """Return the formula: arm and visit, as far as there are several of them."""
    arm = data.people.arm_variable if several else ""
    visit = "AVISIT" if len(data.visits) > 1 else ""
    both = "*".join(part for part in (arm, visit) if part)
    terms = []
    for term in covariates:
        parts = [part.strip() for part in term.split("*")]
        kept = [part for part in parts if visit or part != "AVISIT"]
        terms.append("*".join(kept))
    named = [term for term in (both, *dict.fromkeys(terms)) if term]
    return f"{data.outcome} ~ {' + '.join(named) or '1'}"


def _tests(fit: Any, ard: ArdRows) -> None:
    """Add the likelihood-ratio test of every variance that the model could do without.

    The test is on the boundary of the parameter space, so that its statistic is a
    mixture of two chi-squared variables.
    """
    try:
        table = component_tests(fit)
    except ModelError as problem:
        ard.fail(str(problem), term="component-test")
        return
    for row in table.to_dict("records"):
        line = ard.at(
            term="component-test",
            level=str(row["grouping"]),
            subgroup=effect_name(row["term"]),
        )
        if not 0 <= row["p_value"] <= 1:
            line.fail("the model without this effect could not be fitted.")
            continue
        line.add("chisq", row["statistic"])
        for name in ("df_low", "df_high", "p_value"):
            line.add(name, row[name])
        line.add("loglik", row["loglik_reduced"])


def _predictions(
    data: _Data,
    found: list[Grouping],
    fit: Any,
    conf_level: float,
    ard: ArdRows,
) -> None:
    """Add the predicted effect of every site and therapist, with how many it saw."""
    table = random_effects(fit, conf_level=conf_level)
    table = table[table["grouping"] != SUBJECT]
    counts = {
        str(name): _subjects(data, one)
        for one in found
        for name in _names(one)
        if one.columns != (SUBJECT,)
    }
    for grouping, rows in table.groupby("grouping", sort=False):
        seen = counts.get(_plain(str(grouping)), {})
        place = ard.at(method_id=str(grouping), term="random-effect")
        done = set()
        for row in rows.to_dict("records"):
            level = str(row["level"])
            n = seen.get(level, 0)
            line = place.at(level=level, n_subjects=n)
            if level not in done:
                line.add("n", n, term="members")
                done.add(level)
            effect = line.at(subgroup=effect_name(row["term"]))
            if row["std_error"] <= _NOTHING:
                # A variance of zero says nothing of how near to zero the effect is.
                effect.add("estimate", 0.0)
                continue
            add_limited(row, conf_level, effect)
            effect.add("std_error", row["std_error"])


def _plain(name: str) -> str:
    return name.replace(" ", "")


def _names(one: Grouping) -> list[str]:
    """Return what the models call a grouping; ``A/B`` is ``A`` and ``A:B``."""
    if "/" in one.name:
        return [":".join(one.columns[: k + 1]) for k in range(len(one.columns))]
    return [_plain(one.name)]


def _subjects(data: _Data, one: Grouping) -> dict[str, int]:
    """Count the subjects of each level; one with two members counts for both."""
    rows = data.modelled.drop_duplicates("USUBJID")
    counts: dict[str, int] = {}
    if one.multiple:
        for row in rows[list(one.columns)].itertuples(index=False):
            for name in {str(value) for value in row if isinstance(value, str)}:
                counts[name] = counts.get(name, 0) + 1
        return counts
    heads = range(1, len(one.columns) + 1) if "/" in one.name else [len(one.columns)]
    for depth in heads:
        parts = rows[list(one.columns[:depth])].astype(str)
        for name in parts.agg(":".join, axis=1):
            counts[name] = counts.get(name, 0) + 1
    return counts
