"""What models with random effects, and analyses of yes/no over visits, must say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from outcomes.study.analyses import Clustering, LongitudinalResponders
from outcomes.study.base_score import OfOneScore
from outcomes.study.check_model import (
    ARM_LIKE,
    IDENTIFIERS,
    Found,
    adsl_columns,
    averages,
    covariates,
    endpoint_of,
    groups,
)
from outcomes.study.endpoints import ChangeEndpoint, SustainedEndpoint
from outcomes.study.explain import unknown
from outcomes.study.model import (
    ClusteringModel,
    GeeModel,
    GlmmModel,
    LmmModel,
    LogisticModel,
)
from outcomes.study.needs import lacking
from outcomes.study.random import (
    ARM,
    SUBJECT,
    Grouping,
    are_terms,
    groupings,
    is_grouping,
)
from outcomes.study.spec import Study

_FORMS = "a column of ADSL, A:B, A/B (B within A), or mm(A, B) for several members"
_SITES = ("SITEID", "SITEGR1")


def lmm(spec: Study, own: LmmModel, where: str) -> Found:
    """Yield what is wrong with the linear mixed model of a change analysis."""
    yield from _fixed(spec, own.covariates, f"{where}.covariates")
    yield from random_effects(spec, own, where)
    if own.method == "ml" and own.df == "kenward-roger":
        yield f"{where}.df", "kenward-roger needs method: reml."
    if own.preset is not None and own.df != "kenward-roger":
        yield (
            f"{where}.preset",
            "is about df: kenward-roger only; say that, or remove preset.",
        )
    yield from averages(spec, own.averages, f"{where}.averages")


def longitudinal(spec: Study, analysis: LongitudinalResponders, where: str) -> Found:
    """Yield what is wrong with an analysis of yes/no over visits."""
    model, place = analysis.model, f"{where}.model"
    yield from _visits(spec, analysis, where)
    yield from _baseline(spec, analysis, model.covariates, where)
    yield from _fixed(spec, model.covariates, f"{place}.covariates")
    if len(analysis.visits) == 1 and not isinstance(model, LogisticModel):
        yield (
            f"{where}.visits",
            f"one visit has no course, and a subject one yes or no; name two or more, "
            f"or say kind: logistic in place of {model.kind}.",
        )
    match model:
        case GlmmModel():
            yield from random_effects(spec, model, place)
            yield from _quadrature(model.n_quad, model.groupings, place)
            if model.df == "between-within" and len(_expanded(model.groupings)) > 1:
                yield (
                    f"{place}.df",
                    "between-within is for one grouping; say df: asymptotic.",
                )
        case LogisticModel():
            if len(spec.arms) == 1:
                yield (
                    f"{place}.kind",
                    "logistic regressions of each visit compare arms, and the study "
                    "has one; say kind: glmm or gee.",
                )
            for term in model.covariates:
                if "AVISIT" in _parts(term):
                    yield (
                        f"{place}.covariates",
                        f"{term}: every visit has a regression of its own; leave "
                        "AVISIT out.",
                    )
        case GeeModel():
            pass


def clustering(spec: Study, analysis: Clustering, where: str) -> Found:
    """Yield what is wrong with an analysis of sites and therapists."""
    model, place = analysis.model, f"{where}.model"
    yield from _visits(spec, analysis, where)
    yield from _baseline(spec, analysis, model.covariates, where)
    yield from _fixed(spec, model.covariates, f"{place}.covariates")
    yield from random_effects(spec, model, place)
    if all(one.columns == (SUBJECT,) for one in model.groupings):
        yield (
            f"{place}.random",
            "names the subject only, which is always in it; name sites or therapists, "
            'such as SITEID: "1".',
        )
    endpoint = spec.endpoints.get(endpoint_of(spec, analysis))
    if endpoint is not None:
        change = isinstance(endpoint, ChangeEndpoint)
        yield from _cluster_keys(model, place, change=change)


def _cluster_keys(model: ClusteringModel, where: str, *, change: bool) -> Found:
    """Refuse the keys of a linear model for yes/no, and the reverse."""
    kind = "lmm" if change else "glmm"
    what = "a change" if change else "yes/no"
    if model.kind not in (None, kind):
        yield (
            f"{where}.kind",
            f"the endpoint is {what}, whose model is {kind}; remove kind, or choose "
            "another endpoint.",
        )
    if change and model.n_quad is not None:
        yield f"{where}.n_quad", "is for yes/no endpoints; a change has no integral."
    if not change and model.method is not None:
        yield (
            f"{where}.method",
            f"{model.method} is for a change; a yes/no model is fitted by maximum "
            "likelihood. Remove method.",
        )
    if not change:
        yield from _quadrature(model.n_quad, model.groupings, where)


def random_effects(
    spec: Study, model: LmmModel | GlmmModel | ClusteringModel, where: str
) -> Found:
    """Yield what is wrong with ``random`` of a model."""
    place = f"{where}.random"
    for name, terms in model.random.items():
        if not is_grouping(name):
            yield place, f"'{name}' is no grouping; write {_FORMS}."
        elif not are_terms(terms):
            yield (
                place,
                f'\'{terms}\' of {name} is not understood; write "1", "1 + WEEK", '
                '"1 || WEEK" (independent), "0 + WEEK", "1 + arm" or "0 + arm".',
            )
    sound = {k: v for k, v in model.random.items() if is_grouping(k) and are_terms(v)}
    for one in groupings(sound):
        yield from _grouping(spec, one, place)
        yield from _fixed_and_random(one, model.covariates, place)
    for name, count in Counter(_expanded(groupings(sound))).items():
        if count > 1:
            yield place, f"{name} is there {count} times; once only."


def _expanded(found: Iterable[Grouping]) -> list[str]:
    """Name what each grouping stands for; ``A/B`` is ``A`` and ``A:B``."""
    names = []
    for one in found:
        if "/" in one.name:
            names += [":".join(one.columns[: k + 1]) for k in range(len(one.columns))]
        elif one.multiple:
            names.append(f"mm({', '.join(one.columns)})")
        else:
            names.append(":".join(one.columns))
    return names


def _grouping(spec: Study, one: Grouping, where: str) -> Found:
    columns = adsl_columns(spec)
    for name in one.columns:
        if name == SUBJECT and len(one.columns) == 1:
            continue
        if name in ARM_LIKE:
            yield where, f"{name} is the arm, whose effect is fixed; remove it."
        elif name in IDENTIFIERS:
            yield where, f"{one.name}: {name} tells single subjects; leave it out."
        elif name not in columns:
            yield where, unknown(name, groups(spec), "a column of text of ADSL")
        elif columns[name] != "text":
            yield where, f"{name} is a number; a grouping is a column of text."
        elif lack := lacking(spec, name):
            yield where, f"{name} is not known without {lack}; add that."
    if len(set(one.columns)) < len(one.columns):
        yield where, f"{one.name} names a column twice."
    if ARM in one.effects and one.columns == (SUBJECT,):
        yield where, "a subject has one arm, so arm cannot vary within USUBJID."
    elif ARM in one.effects and len(spec.arms) == 1:
        yield where, f"{one.name}: 'arm' needs several arms, and the study has one."


def _fixed_and_random(one: Grouping, terms: list[str], where: str) -> Found:
    """Refuse sites as fixed and random effects at once: nothing would be left."""
    named = {part for term in terms for part in _parts(term)}
    for name in one.columns:
        same = named & set(_SITES) if name in _SITES else named & {name}
        for fixed in sorted(same):
            yield (
                where,
                f"{one.name}: {fixed} is a covariate, so that nothing is left to vary "
                f"between levels of {name}; remove it from covariates or from random.",
            )


def _quadrature(n_quad: int | None, found: list[Grouping], where: str) -> Found:
    if n_quad is None or n_quad == 1:
        return
    if len(_expanded(found)) > 1 or not found[0].scalar:
        names = ", ".join(f"{one.name}: {one.terms}" for one in found)
        yield (
            f"{where}.n_quad",
            f"{n_quad} points are for one random intercept, and the model has "
            f"{names}; remove n_quad, and the integral is Laplace's.",
        )


def _fixed(spec: Study, terms: list[str], where: str) -> Found:
    yield from covariates(terms, [*adsl_columns(spec), "BASE", "AVISIT"], where)


def _parts(term: str) -> list[str]:
    return [part.strip() for part in term.split("*")]


def _visits(
    spec: Study, analysis: LongitudinalResponders | Clustering, where: str
) -> Found:
    first = spec.baseline_visit
    later = [visit.id for visit in spec.visits if visit.time > first.time]
    for visit in analysis.visits:
        if visit == first.id:
            yield f"{where}.visits", f"{visit} is the baseline; name visits after it."
        elif visit not in later:
            yield f"{where}.visits", unknown(visit, later, "a visit after baseline")
    endpoint = spec.endpoints.get(endpoint_of(spec, analysis))
    if isinstance(endpoint, SustainedEndpoint):
        there = [visit.id for visit in spec.visits_of(endpoint)]
        outside = [visit for visit in analysis.visits if visit not in there]
        if there and outside:
            yield (
                f"{where}.visits",
                f"the endpoint has no value at {', '.join(outside)}; its visits are "
                f"{', '.join(there)}.",
            )
        yield (
            where,
            "a sustained endpoint looks back over visits, and has rules of its own for "
            f"missed ones; name the endpoint it is of ('{endpoint.of}'), or ask "
            "question: responders.",
        )


def _baseline(
    spec: Study,
    analysis: LongitudinalResponders | Clustering,
    terms: list[str],
    where: str,
) -> Found:
    """Say where BASE is of nothing, and where a baseline is named for nothing."""
    id = endpoint_of(spec, analysis)
    changes = [k for k, e in spec.endpoints.items() if isinstance(e, ChangeEndpoint)]
    uses = any("BASE" in _parts(term) for term in terms)
    if analysis.baseline is not None and analysis.baseline not in changes:
        yield (
            f"{where}.baseline",
            unknown(analysis.baseline, changes, "an endpoint of kind change"),
        )
    elif analysis.baseline is not None and id in changes:
        yield f"{where}.baseline", "a change has its own baseline; remove the key."
    elif analysis.baseline is not None and not uses:
        yield f"{where}.baseline", "is for the covariate BASE, which is not named."
    elif analysis.baseline is None and id in spec.endpoints and uses:
        if isinstance(spec.endpoints[id], OfOneScore):
            return  # where the score does not exist, the endpoint says so
        yield (
            f"{where}.baseline",
            f"is missing: BASE is a covariate, and '{id}' is made of no single score. "
            f"Name the change whose baseline it is ({', '.join(changes)}), or give "
            "covariates without BASE.",
        )
