"""What the model of a change analysis, and diagnostics of one, must say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from outcomes.datasets.adam import ADSL
from outcomes.errors import ModelError
from outcomes.study.analyses import Change, Diagnostics, OfEndpoint
from outcomes.study.explain import unknown
from outcomes.study.model import LmmModel, MmrmModel
from outcomes.study.needs import lacking
from outcomes.study.spec import Study

Found = Iterator[tuple[str, str]]
"""Pairs of key path and message."""

IDENTIFIERS = ("STUDYID", "USUBJID", "SUBJID", "TRT01P", "TRT01A", "ARMCD")
"""Columns that say who a subject is and which arm it is in."""
ARM_LIKE = (*IDENTIFIERS[3:], "ARM", "ACTARMCD", "ACTARM")
_WITHIN = ("AVISIT", "VISIT", "SESSION", "ADY")


def adsl_columns(spec: Study) -> dict[str, str]:
    """Map every column ADSL will have, population flags aside, to its kind."""
    known: dict[str, str] = {column.name: column.kind for column in ADSL.columns}
    declared = spec.sources.dm.covariates
    return known | {name: covariate.kind for name, covariate in declared.items()}


def groups(spec: Study) -> list[str]:
    """Return the columns of text of ADSL, known here, by which subjects are grouped."""
    return [
        name
        for name, kind in adsl_columns(spec).items()
        if kind == "text"
        and name not in (*IDENTIFIERS, *ARM_LIKE)
        and not lacking(spec, name)
    ]


def endpoint_of(spec: Study, analysis: OfEndpoint) -> str:
    """Return the endpoint that an analysis names, '' where that is unclear."""
    if analysis.estimand is None:
        return analysis.endpoint or ""
    found = [e.endpoint for e in spec.estimands if e.id == analysis.estimand]
    return found[0] if found else ""


def covariates(terms: Sequence[str], known: Sequence[str], where: str) -> Found:
    """Yield parts of covariates that are no column, or none to adjust for."""
    for term in terms:
        for part in term.split("*"):
            name = part.strip()
            if name not in known:
                offered = [one for one in known if one not in IDENTIFIERS]
                yield where, unknown(name, offered, "a column")
            elif name in IDENTIFIERS:
                yield where, f"{name} is no covariate."


def model(spec: Study, own: MmrmModel, where: str) -> Found:
    """Yield what is wrong with the MMRM of a change analysis."""
    known = [*adsl_columns(spec), "BASE", "AVISIT"]
    yield from covariates(own.covariates, known, f"{where}.covariates")
    if own.constrained:
        yield from _constrained(own, where)
    yield from _ladder(own, where)
    if own.group is not None:
        yield from _group(spec, own.group, f"{where}.group")
    yield from _inference(own, where)
    yield from averages(spec, own.averages, f"{where}.averages")


def _ladder(own: MmrmModel, where: str) -> Found:
    if not own.ladder:
        yield f"{where}.covariance", "is empty; name a structure, such as us."
    for name, count in Counter(own.ladder).items():
        if count > 1:
            yield f"{where}.covariance", f"'{name}' stands {count} times; once only."
    if own.coordinates is not None and "sp_exp" not in own.ladder:
        yield (
            f"{where}.coordinates",
            "is for covariance: sp_exp only, which is not named; add it, or remove "
            "coordinates.",
        )


def _constrained(own: MmrmModel, where: str) -> Found:
    if own.anova == 2:
        yield (
            f"{where}.anova",
            "type 2 adjusts a term for others, and a constrained model ties arms and "
            "visits together; say anova: 3.",
        )
    for term in own.covariates:
        if "BASE" in [part.strip() for part in term.split("*")]:
            yield (
                f"{where}.covariates",
                f"{term}: in a constrained model the baseline is part of the outcome; "
                "remove BASE, or constrained.",
            )


def _group(spec: Study, name: str, where: str) -> Found:
    """Refuse what is no text column of ADSL, for one subject has one covariance."""
    columns = adsl_columns(spec)
    if name == "arm":
        if len(spec.arms) == 1:
            yield where, "'arm' needs several arms, and the study has one."
    elif name in ARM_LIKE:
        yield where, f"{name} is the arm; write group: arm."
    elif name in IDENTIFIERS:
        yield where, f"{name} is another one for every subject, so no group."
    elif name in _WITHIN:
        yield (
            where,
            f"{name} is not constant within a subject, and one subject has one "
            "covariance; name a column of ADSL, or arm.",
        )
    elif name == "BASE" or columns.get(name, "text") != "text":
        yield where, f"{name} is a number; a group is a column of text."
    elif name not in columns:
        yield where, unknown(name, ["arm", *groups(spec)], "a column of ADSL, or arm")
    elif lack := lacking(spec, name):
        yield where, f"{name} is not known without {lack}; add that."


def _inference(own: MmrmModel, where: str) -> Found:
    """Refuse pairs of df and vcov that do not belong together, as the models do."""
    clash = own.method == "ml" and own.df == "kenward-roger"
    if clash:
        yield f"{where}.df", "kenward-roger needs method: reml."
    if own.vcov is None:
        return
    # Imported here because it costs what a study without the key need not pay.
    from outcomes.models.options import inference_pair

    try:
        method = "reml" if clash else own.method
        inference_pair(own.df, own.vcov, method=method, preset=own.preset)
    except ModelError as problem:
        key, _, message = str(problem).partition(": ")
        # Where the file names no df, the message is about what vcov implies.
        place = key if key != "df" or own.df is not None else "vcov"
        yield f"{where}.{place}", message


def averages(spec: Study, named: dict[str, list[str]], where: str) -> Found:
    """Yield what is wrong with averages over visits."""
    first = spec.baseline_visit
    later = [visit.id for visit in spec.visits if visit.time > first.time]
    for name, visits in named.items():
        for visit in visits:
            if visit == first.id:
                yield (
                    f"{where}.{name}",
                    f"{visit} is the baseline; averages are of changes after it.",
                )
            elif visit not in later:
                yield f"{where}.{name}", unknown(visit, later, "a visit after baseline")


def diagnostics(spec: Study, analysis: Diagnostics, where: str) -> Found:
    """Yield what is wrong with diagnostics: the analysis, and columns to leave out."""
    changes = [other.id for other in spec.analyses if isinstance(other, Change)]
    if analysis.of not in changes:
        yield f"{where}.of", unknown(analysis.of, changes, "an analysis of change")
    else:
        change = spec.analysis(analysis.of)
        if isinstance(change, Change) and isinstance(change.model, LmmModel):
            yield (
                f"{where}.of",
                f"the model of {analysis.of} is an lmm, and diagnostics are of an mmrm;"
                " name an analysis with that.",
            )
    if analysis.population is not None:
        yield where, "takes its population from the analysis it is of; remove it."
    columns = adsl_columns(spec)
    for name in analysis.leave_out:
        place = f"{where}.leave_out"
        if name in (*IDENTIFIERS, *ARM_LIKE):
            yield (
                place,
                f"{name} tells single subjects or arms; name a column of sites or "
                "therapists.",
            )
        elif name not in columns:
            yield place, unknown(name, columns, "a column of ADSL")
        elif columns[name] != "text":
            yield place, f"{name} is a number; name a column of text."
        elif lack := lacking(spec, name):
            yield (
                place,
                f"{name} is not known without {lack}; add that, or name other columns "
                "(leave_out: [] for none).",
            )
