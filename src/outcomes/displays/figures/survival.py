"""Share of subjects without the event over time, with the counts behind it."""

from __future__ import annotations

from outcomes.displays.charts import CurvesChart, CurvesPanel
from outcomes.displays.context import Context
from outcomes.displays.curves import CURVE_STYLES, block_of, curve_of, numbers_of
from outcomes.displays.description import Figure
from outcomes.displays.numbers import days as in_days
from outcomes.displays.numbers import interval, p_value, ratio
from outcomes.displays.samples import (
    KM,
    Sample,
    among_responders,
    at,
    day_label,
    days_of,
    definition_notes,
    event_label,
    few_note,
    having,
    method_note,
    samples_of,
)
from outcomes.displays.tables.event_tests import (
    adjusted,
    hazard_ratio,
    log_rank_p,
    model_notes,
    stratified,
)


def build(context: Context) -> Figure:
    """Build the figure of Kaplan-Meier curves."""
    samples = samples_of(context)
    chart = _chart(context, samples)
    drawn = any(curve.times for curve in chart.panels[0].curves)
    numbers = numbers_of(context, samples, KM, "Without event, %")
    return Figure(
        context.heading,
        chart if drawn else None,
        _caption(context, samples),
        _alt(context, samples) if drawn else "No figure: the results are absent.",
        numbers,
        context.footnotes(numbers, *_notes(context, samples)),
        context.failures(),
    )


def _chart(context: Context, samples: list[Sample]) -> CurvesChart:
    arms = [arm.id for arm in context.spec.arms]
    whole = samples[0]
    lines = (("At risk", "n_risk"), ("Events", "n_event"), ("Censored", "n_censor"))
    panel = CurvesPanel(
        "",
        tuple(curve_of(context, whole, arm, KM) for arm in arms),
        tuple(block_of(context, whole, arm, KM, lines) for arm in arms),
    )
    beside = _beside(context, samples) if len(samples) > 1 else ()
    return CurvesChart(
        panels=(panel,),
        days=tuple(days_of(context)),
        x_label=day_label(context),
        y_label=f"Without event, % ({context.confidence} CI)",
        whole=True,
        small=beside,
        styles=tuple(
            (
                CURVE_STYLES[place],
                f"{sample.label}{', as above' * (not place)}",
            )
            for place, sample in enumerate(samples)
        )
        if beside
        else (),
        remarks=_remarks(context, whole),
    )


def _beside(context: Context, samples: list[Sample]) -> tuple[CurvesPanel, ...]:
    """Set the estimates of each arm on one pair of axes."""
    return tuple(
        CurvesPanel(
            arm.label,
            tuple(
                curve_of(context, sample, arm.id, KM, place)
                for place, sample in enumerate(samples)
            ),
        )
        for arm in context.spec.arms
    )


def _remarks(context: Context, sample: Sample) -> tuple[str, ...]:
    """Say how each arm compares with the control, where that was computed."""
    control = context.spec.control
    if control is None:
        return ()
    given = f"{adjusted(context)}{stratified(context)}"
    comma = "," if given else ""
    plain = "unadjusted " if adjusted(context) else ""
    said = []
    for arm in context.active_arms:
        words = []
        found = {
            name: hazard_ratio(context, sample, arm.id, control.id, name)
            for name in ("estimate", "conf_low", "conf_high")
        }
        if found["estimate"] is not None and found["estimate"].value is not None:
            limits = interval(ratio(found["conf_low"]), ratio(found["conf_high"]))
            words.append(
                f"hazard ratio{given}{comma} {ratio(found['estimate']).text}"
                f" ({limits.text})"
            )
        p = log_rank_p(context, sample, "log-rank", arm.id, control.id)
        if p is not None and p.value is not None:
            shown = p_value(p).text
            sign = "" if shown[:1] in "<>" else "= "
            test = f"{plain}log-rank{stratified(context)} p"
            words.append(f"{test} {sign}{shown}".replace("p <", "p < "))
        if words:
            said.append(
                f"{arm.label} against {control.label}{among_responders(context)}:"
                f" {'; '.join(words)}"
            )
    return tuple(said)


def _caption(context: Context, samples: list[Sample]) -> str:
    said = (
        f"{event_label(context)}: share of subjects without the event by arm"
        f" (Kaplan-Meier, with {context.confidence} confidence bands). Markers:"
        " declared days; vertical ticks: subjects censored. Below: subjects at risk"
        " just before each day, events through it, and censored before it."
    )
    if len(samples) > 1:
        labels = [sample.label for sample in samples]
        styles = ("solid", "dashed", "dotted")
        listed = "; ".join(
            f"{style}, {label}" for style, label in zip(styles, labels, strict=False)
        )
        said += f" Lower panels, by arm: {listed}."
    return said


def _alt(context: Context, samples: list[Sample]) -> str:
    medians = []
    for sample in samples:
        each = [
            f"{arm.label} {middle}"
            for arm in context.spec.arms
            for middle in [_median(context, sample, arm.id)]
        ]
        medians.append(f"{sample.label}: {'; '.join(each)}")
    return (
        "Step curves of the share of subjects without the event"
        f" ({event_label(context)}) over days, one per arm, falling from 100%."
        " Median day of the event. "
        f"{'. '.join(medians)}. NR is not reached."
    )


def _median(context: Context, sample: Sample, arm: str) -> str:
    found = [
        row
        for row in having(context, sample, KM, "quantile", statistic="estimate")
        if row.arm == arm and row.level and float(row.level) == 0.5
    ]
    result = at(context, sample, KM, "quantile", "estimate", arm=arm, level="0.5")
    return in_days(found[0] if found else result).text


def _notes(context: Context, samples: list[Sample]) -> list[str]:
    return [
        *definition_notes(context),
        method_note(context, "Curves", "day", KM),
        few_note(context, samples),
        *model_notes(context, samples[0]),
        "Counts of days too close to each other to stand below the axis are in the"
        " table of numbers.",
    ]
