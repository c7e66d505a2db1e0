"""What the sections of a study file must say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from itertools import pairwise

from outcomes.datasets.adam import ADQS, ADSL
from outcomes.datasets.sdtm import DM
from outcomes.errors import SpecError
from outcomes.instruments.registry import instrument, instrument_ids
from outcomes.study.check_analyses import analyses
from outcomes.study.check_endpoints import endpoints, strategy_problem, sustained
from outcomes.study.check_events import follow_up, times
from outcomes.study.check_events import strategy_problem as time_strategy_problem
from outcomes.study.check_model import Found, adsl_columns
from outcomes.study.endpoints import ChangeEndpoint, SustainedEndpoint
from outcomes.study.events import TimeToEventEndpoint
from outcomes.study.explain import entry_of, unknown
from outcomes.study.expression import parse
from outcomes.study.needs import unmet_needs
from outcomes.study.spec import Study, Visit


def problems_of(spec: Study, sound: Collection[str]) -> list[tuple[str, str]]:
    """Return every contradiction between the sections of a study.

    Parameters
    ----------
    spec : Study
        A study.
    sound : collection of str
        The sections that are valid by themselves; a check that needs another is left
        out, for its problems would be those of the section again.
    """
    return [
        problem
        for check, needed in _CHECKS.items()
        if set(needed.split()) <= set(sound)
        for problem in check(spec)
    ]


def _ids(spec: Study) -> Found:
    for section, ids in (
        ("arms", [a.id for a in spec.arms]),
        ("visits", [v.id for v in spec.visits]),
        ("estimands", [e.id for e in spec.estimands]),
        ("analyses", [a.id for a in spec.analyses]),
        ("displays", [d.id for d in spec.displays]),
    ):
        for id, count in Counter(ids).items():
            if count > 1:
                yield section, f"the id '{id}' stands {count} times; ids are unique."
    codes = [
        e.paramcd for e in spec.endpoints.values() if not isinstance(e, ChangeEndpoint)
    ]
    for source in {source.instrument for source in spec.sources.qs}:
        if source in instrument_ids():
            definition = instrument(source)
            codes += [score.paramcd for score in definition.scores.values()]
            codes += [derived.paramcd for derived in definition.derived.values()]
    for code, count in Counter(codes).items():
        if count > 1:
            yield "endpoints", f"the paramcd '{code}' stands for {count} parameters."


def _arms(spec: Study) -> Found:
    controls = [a.id for a in spec.arms if a.control]
    if len(controls) > 1:
        yield "arms", f"two controls ({', '.join(controls)}); mark one arm only."
    if not controls and spec.study.design == "parallel":
        yield "arms", "no arm is marked 'control: true', but the design is parallel."
    if spec.study.design == "single-arm":
        if len(spec.arms) > 1:
            yield (
                "arms",
                f"{len(spec.arms)} arms, but the design is single-arm; keep one, or "
                "say design: parallel.",
            )
        for id in controls:
            yield f"arms.{id}", "is a control, but the design is single-arm."
    for arm in spec.arms:
        if arm.active and arm.control:
            yield f"arms.{arm.id}", "is both active and control; choose one."
        if arm.id in spec.not_randomised:
            yield f"arms.{arm.id}", "is also listed in not_randomised."


def _visits(spec: Study) -> Found:
    marked = [v.id for v in spec.visits if v.baseline]
    if len(marked) > 1:
        yield "visits", f"two baselines ({', '.join(marked)}); mark one visit only."
    before: Visit | None = None
    for visit in spec.visits:
        where = f"visits.{visit.id}"
        if visit.day == 0:
            yield where, "day 0 does not exist: the day before day 1 is day -1."
        if before is not None and visit.time <= before.time:
            yield (
                where,
                f"{_when(visit)} does not come after {_when(before)}; order them.",
            )
        before = visit
        if visit.hour is not None:
            yield from _hour(spec, visit, where)
        if visit.id in spec.unscheduled_visits:
            yield where, "is also listed in unscheduled_visits."
        if visit.window is None:
            continue
        low, high = visit.window
        if low > high:
            yield where, f"window [{low}, {high}] ends before it begins."
        elif not low <= visit.day <= high:
            yield where, f"day {visit.day} is outside its window [{low}, {high}]."
    windows = sorted((v.window, v.id) for v in spec.visits if v.window)
    for (first, one), (second, two) in pairwise(windows):
        if first[1] >= second[0]:
            yield (
                "visits",
                f"windows of {one} [{first[0]}, {first[1]}] and {two} "
                f"[{second[0]}, {second[1]}] overlap; they must not share a day.",
            )


def _when(visit: Visit) -> str:
    at = f", hour {visit.hour:g}" if visit.hour is not None else ""
    return f"day {visit.day}{at}"


def _hour(spec: Study, visit: Visit, where: str) -> Found:
    """Yield what is wrong with a visit some hours after a dose."""
    if visit.window is not None:
        yield (
            f"{where}.window",
            "a visit with an hour is told by its name only, for a date has no hours; "
            "remove window, or hour.",
        )
    if visit.day < 1:
        yield (
            f"{where}.hour",
            f"is counted from a dose, which day {visit.day} is before; remove hour.",
        )
    if visit.id == spec.baseline_visit.id:
        yield (
            f"{where}.hour",
            "is counted from a dose, and a baseline is before it; remove hour, or "
            "mark another visit.",
        )


def _sources(spec: Study) -> Found:
    dm = spec.sources.dm
    for needed in ("USUBJID", "ARMCD"):
        if needed not in dm.columns and needed not in dm.constants:
            yield "sources.dm.columns", f"{needed} is missing; name its raw column."
    for name in dm.strata:
        if name not in dm.covariates and name not in dm.columns:
            known = [*dm.columns, *dm.covariates]
            yield "sources.dm.strata", unknown(name, known, "a column of dm")
    for position, source in enumerate(spec.sources.qs):
        where = entry_of("sources.qs", position, source.file)
        ways = [source.items is not None, source.layout == "long", bool(source.totals)]
        if sum(ways) != 1:
            ways_in_words = "items (wide), layout: long with item and value, totals"
            yield where, f"needs one of: {ways_in_words}."
        if source.layout == "long" and not (source.item and source.value):
            yield where, "layout: long needs item and value, the names of two columns."
        if source.visit and source.at_visit:
            yield where, "names both visit and at_visit; choose one."
        if source.session and source.at_session:
            yield where, "names both session and at_session; choose one."
        if not (source.visit or source.at_visit or source.session or source.at_session):
            yield where, "names no visit, at_visit, session or at_session."
        visits = [v.id for v in spec.visits] + spec.unscheduled_visits
        for id in [*source.visit_values.values(), *filter(None, [source.at_visit])]:
            if id not in visits:
                yield where, unknown(id, visits, "a visit")


def _instruments(spec: Study) -> Found:
    known = instrument_ids()
    for name, rules in spec.instruments.items():
        if name not in known:
            yield f"instruments.{name}", unknown(name, known, "an instrument")
            continue
        scores = instrument(name).scores
        for score, n_min in rules.n_min.items():
            where = f"instruments.{name}.n_min.{score}"
            if score not in scores:
                yield where, unknown(score, scores, "a score")
            elif not 1 <= n_min <= len(scores[score].items):
                yield where, f"{n_min} is not from 1 to {len(scores[score].items)}."
        for name_of, criteria in rules.criteria.items():
            where = f"instruments.{name}.criteria.{name_of}"
            derived = instrument(name).derived.get(name_of)
            if derived is None:
                yield where, unknown(name_of, instrument(name).derived, "a yes/no")
                continue
            for criterion in criteria:
                if criterion not in derived.criteria:
                    yield where, unknown(criterion, derived.criteria, "a criterion")
    for position, source in enumerate(spec.sources.qs):
        where = entry_of("sources.qs", position, source.file)
        if source.instrument not in known:
            yield (
                f"{where}, instrument",
                unknown(source.instrument, known, "an instrument"),
            )
            continue
        definition = instrument(source.instrument)
        orderings = list(definition.orderings)
        if orderings and source.ordering is None and not source.totals:
            yield (
                f"{where}, ordering",
                (
                    f"is missing: items of {definition.id} circulate in several "
                    "orders, and column names do not tell which. Choose one of "
                    f"{', '.join(orderings)}."
                ),
            )
        elif source.ordering and source.ordering not in orderings:
            yield (
                f"{where}, ordering",
                unknown(source.ordering, orderings, "an ordering"),
            )
        for score in source.totals:
            if score not in definition.scores:
                yield (
                    f"{where}, totals.{score}",
                    unknown(score, definition.scores, f"a score of {definition.id}"),
                )


def _covariates(spec: Study) -> Found:
    flags = {f"{id}FL": id for id in spec.populations}
    for name in spec.sources.dm.covariates:
        where = f"sources.dm.covariates.{name}"
        if ADSL.column(name) or DM.column(name) or ADQS.column(name):
            yield where, "is the name of a standard variable; choose another."
        elif name in flags:
            yield where, f"is the flag of population {flags[name]}; choose another."


def _populations(spec: Study) -> Found:
    flags = dict.fromkeys([f"{id}FL" for id in spec.populations], "text")
    columns = adsl_columns(spec) | flags
    for id, source in spec.populations.items():
        where = f"populations.{id}"
        if len(id) > 6:
            yield where, "six characters at most, so that <ID>FL is eight."
        if ADSL.column(f"{id}FL"):
            yield where, f"{id}FL is a standard variable; choose another id."
        try:
            expression = parse(source)
        except SpecError as problem:
            yield where, str(problem)
            continue
        for name in expression.columns:
            if name not in columns:
                yield where, unknown(name, columns, "a column of ADSL")
        for name, constant in expression.comparisons:
            if name in columns and isinstance(constant, str) != (
                columns[name] == "text"
            ):
                kind = "text" if columns[name] == "text" else "a number"
                yield where, f"{name} is {kind}; {constant!r} is not."


def _estimands(spec: Study) -> Found:
    for estimand in spec.estimands:
        where = f"estimands.{estimand.id}"
        if estimand.endpoint not in spec.endpoints:
            yield where, unknown(estimand.endpoint, spec.endpoints, "an endpoint")
        if estimand.population not in spec.populations:
            yield where, unknown(estimand.population, spec.populations, "a population")
        endpoint = spec.endpoints.get(estimand.endpoint)
        change = isinstance(endpoint, ChangeEndpoint)
        for event in estimand.intercurrent_events:
            if isinstance(endpoint, SustainedEndpoint):
                yield from strategy_problem(estimand, event, endpoint, where)
            if isinstance(endpoint, TimeToEventEndpoint):
                yield from time_strategy_problem(estimand, event, endpoint, where)
            if event.strategy == "composite" and change:
                yield where, "composite is for a yes/no endpoint, not for a change."
            if spec.sources.cm is None:
                yield (
                    where,
                    "the event 'rescue' is read from sources.cm, which is absent.",
                )


_CHECKS: dict[Callable[[Study], Found], str] = {
    _ids: "arms visits sources endpoints estimands analyses displays",
    _arms: "study arms not_randomised",
    _visits: "visits unscheduled_visits",
    _sources: "visits unscheduled_visits sources",
    _instruments: "sources instruments",
    _covariates: "sources populations",
    _populations: "sources populations",
    endpoints: "sources endpoints",
    sustained: "visits sources endpoints",
    follow_up: "visits follow_up",
    times: "sources endpoints",
    unmet_needs: "sources origin follow_up populations endpoints",
    _estimands: "sources populations endpoints estimands",
    analyses: "arms visits follow_up sources populations endpoints estimands analyses",
}
"""Each check, and the sections it compares."""
