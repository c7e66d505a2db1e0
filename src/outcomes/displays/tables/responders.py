"""Yes/no endpoints: proportions by arm and differences from the control, by visit."""

from __future__ import annotations

from collections.abc import Callable

from outcomes.displays.context import Context, arm_columns, kept, not_computed
from outcomes.displays.description import Cell, Grid, Row, RowGroup, Table, joined, text
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import (
    COUNT,
    PERCENT,
    interval,
    number,
    p_value,
    with_brackets,
)
from outcomes.displays.numbers import ratio as as_ratio
from outcomes.study.analyses import Responders
from outcomes.study.displays import (
    endpoint_label,
    reduction_words,
    score_label,
    status_words,
    sustained_words,
    threshold_words,
)
from outcomes.study.endpoints import (
    AllOfEndpoint,
    ChangeEndpoint,
    ResponseEndpoint,
    StatusEndpoint,
    SustainedEndpoint,
    ThresholdEndpoint,
)
from outcomes.study.event_words import events_words
from outcomes.study.events import TimeToEventEndpoint
from outcomes.study.spec import Study

_PerArm = Callable[[str], Cell]

_STUB = "Endpoint, visit and statistic"
_METHODS = (
    ("nri", "Missing = no"),
    ("observed", "Observed cases"),
)
_TERMS = {
    "responders": "Proportions",
    "risk-difference": "Differences",
    "odds-ratio": "Odds ratios",
}


def build(context: Context) -> Table:
    """Build the table of yes/no endpoints."""
    columns = tuple(arm_columns(context, {}))
    if context.failed:
        grid = not_computed(columns, _STUB)
    else:
        groups = [
            _group(context, endpoint, visit)
            for endpoint in _endpoints(context)
            for visit in context.later_visits
        ]
        grid = Grid(_STUB, columns, tuple(group for group in groups if group.rows))
    return Table(
        context.heading,
        grid,
        context.footnotes(grid, *_notes(context)),
        context.failures(),
    )


def _group(context: Context, endpoint: str, visit: str) -> RowGroup:
    rows: list[Row] = []
    for method, words in _METHODS:
        part = kept(_rows(context, endpoint, visit, method))
        if part:
            rows += [Row(text(words), (Cell(),), 1, wide=True), *part]
    label = endpoint_label(context.spec, endpoint)
    header = text(f"{label}: {context.visit_label(visit)}")
    return RowGroup(tuple(rows), header)


def _rows(context: Context, endpoint: str, visit: str, method: str) -> list[Row]:
    control = context.spec.control
    against = control.id if control else ""

    def get(term: str, arm: str, statistic: str, comparator: str = "") -> Result | None:
        return context.results.get(
            term,
            statistic,
            visit=visit,
            arm=arm,
            comparator=comparator,
            method_id=method,
            endpoint=endpoint,
        )

    def share(arm: str, statistic: str) -> Cell:
        digits = COUNT if statistic in ("n", "denominator") else PERCENT
        return number(get("responders", arm, statistic), digits)

    def compared(label: str, cell: _PerArm) -> Row:
        cells = tuple(
            Cell() if arm.id == against else cell(arm.id) for arm in context.spec.arms
        )
        return Row(text(label), cells, 2)

    def difference(arm: str, statistic: str) -> Cell:
        return number(get("risk-difference", arm, statistic, against), PERCENT)

    def ratio(arm: str, statistic: str) -> Cell:
        return as_ratio(get("odds-ratio", arm, statistic, against))

    arms = [arm.id for arm in context.spec.arms]
    rows = [
        Row(
            text("n/N (%)"),
            tuple(
                with_brackets(
                    joined(share(arm, "n"), "/", share(arm, "denominator")),
                    share(arm, "percent"),
                )
                for arm in arms
            ),
            2,
        ),
        Row(
            text(f"{context.confidence} CI, %"),
            tuple(
                interval(share(arm, "conf_low"), share(arm, "conf_high"))
                for arm in arms
            ),
            2,
        ),
    ]
    if control is None:
        return rows
    rows += [
        compared(
            f"Difference from {control.label}, points",
            lambda arm: difference(arm, "estimate"),
        ),
        compared(
            f"{context.confidence} CI of difference",
            lambda arm: interval(
                difference(arm, "conf_low"), difference(arm, "conf_high")
            ),
        ),
        compared(
            "p value",
            lambda arm: p_value(get("risk-difference", arm, "p_value", against)),
        ),
        compared(
            f"Odds ratio ({context.confidence} CI)",
            lambda arm: with_brackets(
                ratio(arm, "estimate"),
                interval(ratio(arm, "conf_low"), ratio(arm, "conf_high")),
            ),
        ),
    ]
    return rows


def _notes(context: Context) -> list[str]:
    analysis = context.analysis
    notes = []
    if isinstance(analysis, Responders):
        for id in analysis.endpoints:
            rule = rule_of(context.spec, id)
            if rule:
                notes.append(f"{endpoint_label(context.spec, id)}: {rule}.")
    notes.append(
        "Missing = no: N is the population, and a subject without a value counts as"
        " not having reached the endpoint. Observed cases: N is the subjects with a"
        " value."
    )
    endpoints = [context.spec.endpoints[id] for id in _endpoints(context)]
    sustained = [one for one in endpoints if isinstance(one, SustainedEndpoint)]
    if sustained:
        notes.append(
            "Observed cases of a sustained endpoint leave out the subjects who are a no"
            " for missed visits alone. A no that was observed decides, whichever other"
            " visits were missed"
            + (
                "; so does rescue medication where it counts as no."
                if any(one.rescue == "failure" for one in sustained)
                else "."
            )
        )
    notes += _methods(context)
    notes.append(_disagreement(context))
    control = context.spec.control
    if control is not None:
        notes.append(
            f"Differences are arm minus {control.label}, in percentage points."
            " p values and intervals are not adjusted for multiple comparisons."
        )
    notes.append("CI, confidence interval.")
    return notes


def _endpoints(context: Context) -> list[str]:
    return list(getattr(context.analysis, "endpoints", []))


def _disagreement(context: Context) -> str:
    """Say that limits and p value of a difference belong to different methods."""
    found = context.results.having("risk-difference", statistic="conf_method")
    if not any(row.text == "newcombe" for row in found):
        return ""
    return (
        "Limits of differences are Newcombe's (hybrid score), which have no test of"
        " their own; the p value is that of the Miettinen-Nurminen score test. Near"
        " significance the two may disagree: limits without 0 beside a p value that is"
        " not significant, or the reverse."
    )


def _methods(context: Context) -> list[str]:
    """Say how everything was computed, and what is special to each kind of number.

    What all kinds share is said for missing as no and for observed cases apart, since
    each has its denominator and meets rescue medication in its own words.
    """
    notes = []
    shared: set[str] = set()
    for method, name in _METHODS:
        by_endpoint: dict[tuple[str, ...], list[str]] = {}
        for endpoint in _endpoints(context):
            common = _common(context, method, endpoint)
            shared.update(common)
            if common:
                by_endpoint.setdefault(common, []).append(endpoint)
        for common, endpoints in by_endpoint.items():
            of = ", ".join(endpoint_label(context.spec, id) for id in endpoints)
            place = f"{name} ({of})" if len(by_endpoint) > 1 else name
            notes.append(f"{place}: {'; '.join(common)}.")
    for term, name in _TERMS.items():
        phrases = context.method_phrases(term)
        own = [phrase for phrase in phrases if phrase not in shared]
        if own:
            notes.append(f"{name}: {'; '.join(own)}.")
    return notes


def _common(context: Context, method: str, endpoint: str) -> tuple[str, ...]:
    """Return what is said of every kind of number of one method and endpoint."""
    said = [
        context.method_phrases(term, method_id=method, endpoint=endpoint)
        for term in _TERMS
    ]
    present = [phrases for phrases in said if phrases]
    if len(present) == 1:
        # No differences: what is special to proportions is how their limits are made.
        return tuple(phrase for phrase in present[0] if "limits" not in phrase)
    return tuple(
        phrase
        for phrase in (present[0] if present else [])
        if all(phrase in phrases for phrases in present)
    )


def rule_of(spec: Study, id: str) -> str:
    """Say when a yes/no endpoint is reached."""
    endpoint = spec.endpoints[id]
    match endpoint:
        case ResponseEndpoint():
            return f"{score_label(spec, id)} {reduction_words(endpoint)} from baseline"
        case ThresholdEndpoint():
            return f"{score_label(spec, id)} {threshold_words(endpoint)}"
        case StatusEndpoint():
            return f"{score_label(spec, id)} {status_words(endpoint)}"
        case AllOfEndpoint():
            parts = " and ".join(endpoint_label(spec, part) for part in endpoint.of)
            return f"all of {parts}"
        case SustainedEndpoint():
            return sustained_words(spec, endpoint)
        case TimeToEventEndpoint():
            return " ".join(events_words(spec, endpoint))
        case ChangeEndpoint():
            return ""
