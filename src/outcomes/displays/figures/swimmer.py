"""One bar per subject: how long without the event, and how that ended."""

from __future__ import annotations

from collections import defaultdict

from outcomes.displays.charts import Ending, Lane, LanesChart, LanesPanel
from outcomes.displays.context import Context
from outcomes.displays.description import Column, Figure, Grid, Row, RowGroup, text
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import COUNT, number, words
from outcomes.displays.samples import (
    Sample,
    at,
    day_label,
    definition_notes,
    event_endpoint,
    event_label,
    having,
    samples_of,
)
from outcomes.displays.words import ending_words
from outcomes.study.displays import decapitalised, endpoint_label
from outcomes.study.events import Criterion

_METHOD = "swimmer"
_KINDS = {0: "event", 1: "censored", 2: "competing"}
_LEFT = "DISCONTINUED"
_ORDER = ("event", "competing", "censored")
_KIND_WORDS = {
    "event": "Event",
    "competing": "Competing",
    "censored": "No event",
}


def build(context: Context) -> Figure:
    """Build the figure of the course of each subject."""
    sample = samples_of(context)[0]
    chart = _chart(context, sample)
    drawn = any(panel.lanes for panel in chart.panels)
    numbers = _numbers(context, sample)
    label = event_label(context)
    return Figure(
        context.heading,
        chart if drawn else None,
        f"{label}: each bar is one subject, from day 1 to the event or to the end of"
        " the time at risk, longest first within the arm. Markers at the end of a bar"
        " say how it ended"
        + (
            f"; dots: the analysed assessment of each visit for {_answer(context)},"
            " filled for yes and open for no" * _has_dots(chart)
        )
        + (" (beyond a bar: after its end)" * _has_dots(chart))
        + ("; orange ticks: entry into the follow-up" * bool(chart.entry))
        + ".",
        _alt(context, chart) if drawn else "No figure: the results are absent.",
        numbers,
        context.footnotes(
            numbers, *definition_notes(context), "How it ended: as recorded in ADTTE."
        ),
        context.failures(),
    )


def _chart(context: Context, sample: Sample) -> LanesChart:
    bars = having(context, sample, _METHOD, "bar")
    endings = _endings(bars)
    panels = tuple(
        LanesPanel(
            f"{arm.label} (n = {len(lanes)})", context.looks[arm.id], tuple(lanes)
        )
        for arm in context.spec.arms
        for lanes in [_lanes(context, sample, arm.id, endings)]
    )
    lanes = [lane for panel in panels for lane in panel.lanes]
    entered = any(lane.entry is not None for lane in lanes)
    answer = _answer(context)
    return LanesChart(
        panels=panels,
        endings=tuple(endings.values()),
        seen=(f"Assessment, yes: {answer}", "Assessment, no")
        if any(lane.seen for lane in lanes)
        else None,
        entry="Entered follow-up" if entered else "",
        x_label=day_label(context),
    )


def _has_dots(chart: LanesChart) -> bool:
    return chart.seen is not None


def _answer(context: Context) -> str:
    """Return the yes/no endpoint that assessments are of."""
    endpoint = event_endpoint(context)
    if endpoint is None:
        return "yes"
    criteria = [rule.endpoint for rule in endpoint.rules if isinstance(rule, Criterion)]
    read = endpoint.response or next(iter(criteria), "")
    return endpoint_label(context.spec, read) if read else "yes"


def _endings(bars: list[Result]) -> dict[tuple[str, str], Ending]:
    """Return the ways in which time ended: events, then competing, then without."""
    described = _by_subject(bars)
    found = {
        (_kind(rows), _described(rows))
        for rows in described.values()
        if "stop" in rows and rows["stop"].value is not None
    }
    order = sorted(found, key=lambda pair: (_ORDER.index(pair[0]), pair[1]))
    return {
        (kind, words): Ending(
            f"{_KIND_WORDS[kind]}: {decapitalised(ending_words(words))}", kind
        )
        for kind, words in order
    }


def _by_subject(bars: list[Result]) -> dict[tuple[str, str], dict[str, Result]]:
    found: dict[tuple[str, str], dict[str, Result]] = defaultdict(dict)
    for row in bars:
        found[row.arm, row.level][row.statistic] = row
    return found


def _kind(rows: dict[str, Result]) -> str:
    found = rows.get("cnsr")
    code = found.value if found is not None and found.value is not None else 1.0
    return _KINDS[int(code)]


def _described(rows: dict[str, Result]) -> str:
    """Return how a time ended; reasons for leaving are in the table of numbers."""
    text = next((row.text for row in rows.values() if row.text), "")
    return _LEFT if text.startswith(f"{_LEFT}:") else text


def _lanes(
    context: Context,
    sample: Sample,
    arm: str,
    endings: dict[tuple[str, str], Ending],
) -> list[Lane]:
    bars = _by_subject(having(context, sample, _METHOD, "bar"))
    entries = {
        row.level: row.value
        for row in having(context, sample, _METHOD, "follow-up", statistic="start")
        if row.arm == arm
    }
    seen: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for row in having(context, sample, _METHOD, "assessment"):
        if row.arm == arm and row.time is not None and row.value is not None:
            seen[row.level].append((row.time, row.value == 1.0))
    places = list(endings)
    lanes = []
    for (own, level), rows in sorted(bars.items()):
        stop = rows.get("stop")
        if own != arm or stop is None or stop.value is None:
            continue
        ending = places.index((_kind(rows), _described(rows)))
        lanes.append(
            Lane(stop.value, ending, entries.get(level), tuple(sorted(seen[level])))
        )
    return lanes


def _alt(context: Context, chart: LanesChart) -> str:
    sizes = "; ".join(panel.name for panel in chart.panels)
    return (
        "Swimmer plot: one horizontal bar per subject from day 1 to the event or the"
        f" end of the time at risk, a panel per arm, longest on top. {sizes}. Endings:"
        f" {'; '.join(ending.name for ending in chart.endings)}."
    )


def _numbers(context: Context, sample: Sample) -> Grid:
    """Give day and kind of the end of every bar."""
    bars = _by_subject(having(context, sample, _METHOD, "bar"))
    groups = []
    for arm in context.spec.arms:
        rows = []
        for (own, level), found in sorted(bars.items()):
            if own != arm.id:
                continue
            told = next((row for row in found.values() if row.text), None)
            entry = at(
                context, sample, _METHOD, "follow-up", "start", arm=own, level=level
            )
            cells = (
                number(found.get("stop"), COUNT),
                words(told),
                number(entry, COUNT),
            )
            rows.append(Row(text(f"Bar {int(level)}"), cells, 1))
        groups.append(RowGroup(tuple(rows), text(arm.label)))
    columns = (
        Column(text("Last day")),
        Column(text("How it ended"), align="text"),
        Column(text("Day of entry into follow-up")),
    )
    return Grid("Arm and subject", columns, tuple(g for g in groups if g.rows))
