"""Tables and figures of times to an event."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from golden.small_times import (
    CAUSE_SPECIFIC,
    CROSSING,
    CURVES,
    FEW,
    SELECTED,
    curve,
    quantile,
    times,
)
from golden.small_trial import CONTENT
from outcomes.ard.rows import ArdRows, point_level
from outcomes.displays.catalogue import planned_displays
from outcomes.displays.charts import (
    Curve,
    CurvesChart,
    CurvesPanel,
    Ending,
    Lane,
    LanesChart,
    LanesPanel,
    TrendPanel,
    TrendsChart,
)
from outcomes.displays.context import Context
from outcomes.displays.description import Figure, Grid, Table
from outcomes.displays.drawing.draw import draw, drawn
from outcomes.displays.drawing.style import styled
from outcomes.displays.lookup import results_of
from outcomes.displays.numbers import days, proportion
from outcomes.displays.palette import look_at
from outcomes.displays.render import described_figure, described_table
from outcomes.displays.samples import FEW_NOTE
from outcomes.study.event_words import events_words
from outcomes.study.events import TimeToEventEndpoint
from outcomes.study.spec import Study

KM = "kaplan-meier"


def content(**analysis: Any) -> dict[str, Any]:
    """Return the small trial with keys of its time-to-event analysis changed."""
    out = copy.deepcopy(CONTENT)
    out["analyses"] = [
        {k: v for k, v in {**one, **analysis}.items() if v is not None}
        if one["id"] == "relapse"
        else one
        for one in out["analyses"]
    ]
    return out


def context(id: str, rows: ArdRows, study: dict[str, Any] | None = None) -> Context:
    spec = Study.model_validate(study or CONTENT)
    display = next(d for d in planned_displays(spec) if d.id == f"relapse-{id}")
    return Context(spec, display, results_of(rows.frame()))


def table(id: str, rows: ArdRows, study: dict[str, Any] | None = None) -> Table:
    return described_table(context(id, rows, study))


def figure(id: str, rows: ArdRows, study: dict[str, Any] | None = None) -> Figure:
    return described_figure(context(id, rows, study))


def ard() -> ArdRows:
    return ArdRows(study="small", analysis="relapse", prespecified="Y")


def full() -> ArdRows:
    rows = ard()
    times(rows)
    return rows


def plain() -> ArdRows:
    return ard().at(endpoint="relapse", population="FAS")


def headers(grid: Grid) -> list[str]:
    return [group.header.text for group in grid.groups if group.header is not None]


def row_of(grid: Grid, label: str, group: str = "") -> list[str]:
    found = [
        [cell.text for cell in row.cells]
        for part in grid.groups
        if part.header is None or group in part.header.text
        for row in part.rows
        if row.header.text == label
    ]
    known = [row.header.text for part in grid.groups for row in part.rows]
    assert found, known
    return found[0]


def test_all_selected_and_weighted_stand_in_blocks_that_say_so() -> None:
    shown = table("durability", full())
    first = "Full analysis set (FAS): subjects and events"
    assert headers(shown.grid)[0] == first
    assert any(
        h.startswith("Selected: entered follow-up (FUS): K")
        for h in headers(shown.grid)
    )
    weighted = "Weighted for entry (valid only where entry depends on observed history)"
    assert f"{weighted}: comparisons" in headers(shown.grid)
    assert "Selected: entered follow-up (FUS)" in shown.heading.population
    assert "valid only where entry depends on observed history" in " ".join(
        shown.footnotes
    )


def test_warnings_that_are_joined_are_said_once_each() -> None:
    notes = table("durability", full()).footnotes
    assert notes.count(f"Warning: {SELECTED}") == 1
    assert notes.count(f"Warning: {CAUSE_SPECIFIC}") == 1


def test_a_warning_of_several_arms_is_one_that_names_them() -> None:
    notes = table("durability", full()).footnotes
    both = FEW.format("Psilocybin 25 mg and Psilocybin 1 mg")
    assert notes.count(f"Warning: {both}") == 1
    assert not any("weights of PSI" in note for note in notes)
    (apart,) = [note for note in notes if "balance after weighting" in note]
    assert apart.endswith(
        "for Sex (SEX), M; MADRS total score, last value in Psilocybin 25 mg and"
        " Psilocybin 1 mg"
    )
    rows = plain()
    for arm in ("PSI25", "PSI1"):
        curve(rows.at(arm=arm, method_id=KM), CURVES[arm], 10)
    rows.at(warning="odd").add("n", 3, arm="PSI1", method_id=KM, term="excluded")
    notes = table("durability", rows).footnotes
    assert notes[0] == "Warning: odd (Psilocybin 1 mg)"


def test_warnings_are_those_of_what_is_shown() -> None:
    for id in ("incidence", "swimmer"):
        text = " ".join(figure(id, full()).footnotes)
        assert "Warning" not in text
        assert "Selected" not in text + figure(id, full()).heading.population
    text = " ".join(figure("survival", full()).footnotes)
    assert CAUSE_SPECIFIC in text
    assert CROSSING in text


def test_arms_of_responders_are_not_those_randomised() -> None:
    study = content()
    study["endpoints"]["relapse"] |= {
        *(("origin", "first-response"), ("response", "madrs_response"))
    }
    responders = "(among responders, not randomised)"
    shown = table("durability", full(), study)
    first = "Full analysis set (FAS): comparisons"
    assert f"{first} {responders}" in headers(shown.grid)
    assert row_of(shown.grid, f"Gray's test {responders}, p value")
    chart = figure("survival", full(), study).chart
    assert isinstance(chart, CurvesChart)
    assert responders in chart.remarks[0]
    assert first in headers(table("durability", full()).grid)


def test_labels_say_what_is_adjusted_and_stratified() -> None:
    study = content(
        strata=["SEX"], cox={"covariates": ["BASE", "SITEID"], "cluster": "SITEID"}
    )
    shown = table("durability", full(), study)
    given = "baseline value (BASE) and study site identifier (SITEID)"
    model = f"Hazard ratio, adjusted for {given}"
    assert row_of(shown.grid, f"{model}, stratified by sex (SEX) (95% CI)")
    assert row_of(shown.grid, "Log-rank test, stratified by sex (SEX), p value")
    text = " ".join(shown.footnotes)
    assert "Kaplan-Meier estimates, log-rank and Gray's tests and means are not" in text
    assert "those of the unweighted Cox model only" in text
    chart = figure("survival", full(), study).chart
    assert isinstance(chart, CurvesChart)
    (remark,) = chart.remarks
    assert f": hazard ratio, adjusted for {given}" in remark
    assert "unadjusted log-rank, stratified by sex (SEX) p = 0.034" in remark


def test_few_at_risk_are_pointed_out() -> None:
    assert FEW_NOTE in table("durability", full()).footnotes
    rows = plain()
    for arm in ("PSI25", "PSI1"):
        points = ((12, 0.95, 20, 1, 0), (90, 0.95, 19, 0, 19))
        curve(rows.at(arm=arm, method_id=KM), points, 20)
    assert FEW_NOTE not in table("durability", rows).footnotes


def test_length_of_follow_up_is_explained() -> None:
    notes = table("durability", full()).footnotes
    assert "Median follow-up by the reverse Kaplan-Meier method." in notes
    rows = plain().at(arm="PSI1", method_id=KM, term="follow-up")
    rows.add("median", text="not reached")
    rows.add("max", 85.0)
    notes = table("durability", rows).footnotes
    assert any("reverse Kaplan-Meier method; NR: so many" in note for note in notes)


def test_where_subjects_are_censored_is_said_once() -> None:
    study = content()
    study["follow_up"] = {"start": "WEEK12"}
    spec = Study.model_validate(study)
    endpoint = spec.endpoints["relapse"]
    assert isinstance(endpoint, TimeToEventEndpoint)
    said = events_words(spec, endpoint)[-1]
    assert said == (
        "Subjects without an event are censored at the last assessment that could have"
        " shown one (those who did not enter the follow-up: the last such assessment"
        " before it was due)."
    )
    notes = table("durability", full(), study).footnotes
    assert sum("censored at" in note for note in notes) == 1


def test_quantiles_that_are_not_reached_are_nr_and_explained() -> None:
    shown = table("durability", full())
    assert row_of(shown.grid, "Median, day (95% CI)") == [
        "NR (NR, NR)",
        "57.5 (NR, NR)",
    ]
    assert any(note.startswith("NR, not reached") for note in shown.footnotes)


def test_survival_is_in_per_cent_with_those_at_risk_below() -> None:
    grid = table("durability", full()).grid
    assert row_of(grid, "Without event at day 14, % (95% CI)") == [
        *("90.0 (67.5, 100.0)", "80.0 (60.0, 90.0)")
    ]
    assert row_of(grid, "at risk; events so far") == ["9; 1", "8; 2"]


def test_comparisons_leave_the_control_empty() -> None:
    grid = table("durability", full()).grid
    assert row_of(grid, "Log-rank test, p value") == ["0.034", ""]
    assert row_of(grid, "Hazard ratio (95% CI)") == ["0.313 (0.0625, 1.50)", ""]
    assert row_of(grid, "proportional hazards, p value") == ["0.480", ""]
    assert row_of(grid, "Log-rank test, all arms") == [
        "\u03c7\u00b2(1) = 4.50, p = 0.034"
    ]


def test_what_ended_time_at_risk_is_counted_by_reason() -> None:
    grid = table("durability", full()).grid
    assert row_of(grid, "With event, n (%)") == ["2 (22.2)", "5 (55.6)"]
    end = "Followed to the end of the study"
    assert row_of(grid, end) == ["6 (66.7)", "3 (33.3)"]
    assert row_of(grid, "Rescue started") == ["0 (0.0)", "0 (0.0)"]
    assert row_of(grid, "Not at risk: no first dose") == ["1 (10.0)", "1 (10.0)"]


def test_cumulative_incidence_has_its_causes_as_headings() -> None:
    grid = table("durability", full()).grid
    shown = [row.header.text for part in grid.groups for row in part.rows]
    assert "Event of interest" in shown
    assert "Competing event: withdrawal for an adverse event" in shown


def test_an_arm_without_events_is_named_and_the_others_stay() -> None:
    rows = plain()
    curve(rows.at(arm="PSI25", method_id=KM), ((85, 1.0, 10, 0, 10),), 10)
    quantile(rows.at(arm="PSI25", method_id=KM), "0.5", None, None)
    rows.fail(
        "no event in arm PSI25: its hazard ratio has no finite estimate",
        arm="PSI25",
        comparator="PSI1",
        term="hazard-ratio",
        method_id="cox",
    )
    shown = table("durability", rows)
    assert shown.failures == (
        "Psilocybin 25 mg, Cox model: not computed, because no event in arm PSI25: its"
        " hazard ratio has no finite estimate.",
    )
    assert row_of(shown.grid, "Hazard ratio (95% CI)") == ["NE", ""]
    assert row_of(shown.grid, "Median, day (95% CI)")[0] == "NR (NR, NR)"
    assert figure("survival", rows).chart is not None


def test_many_rows_of_one_failure_are_one_sentence() -> None:
    rows = plain()
    for day in (14.0, 84.0):
        rows.fail("nobody is at risk.", arm="PSI1", term="day", time=day, method_id=KM)
    assert table("durability", rows).failures == (
        "Psilocybin 1 mg, Kaplan-Meier estimates: not computed, because nobody is at"
        " risk.",
    )


def test_days_beyond_what_was_followed_say_so() -> None:
    rows = plain()
    for arm in ("PSI25", "PSI1"):
        points = ((12, 0.9, 10, 1, 0), (40, 0.9, 9, 0, 9))
        curve(rows.at(arm=arm, method_id=KM), points, 10)
    grid = table("durability", rows).grid
    assert row_of(grid, "Without event at day 84, % (95% CI)")[0] == "not followed"
    chart = figure("survival", rows).chart
    assert isinstance(chart, CurvesChart)
    with styled():
        axes = drawn(chart, ()).axes[0]
    assert axes.get_xlim()[1] < 50


def test_restricted_means_name_the_horizon_that_was_used() -> None:
    rows = plain().at(method_id="rmst", time=61.0, term="mean")
    rows.add("estimate", 40.0, arm="PSI25")
    grid = table("durability", rows).grid
    assert row_of(grid, "Mean days without event to day 61 (95% CI)")[0].startswith(
        "40.0"
    )


def test_entry_closes_and_puts_the_estimates_below_each_other() -> None:
    grid = table("entry", full()).grid
    assert row_of(grid, "entered and weighted") == ["5 (50.0)", "5 (50.0)"]
    assert row_of(grid, "not entered") == ["3 (30.0)", "3 (30.0)"]
    barred = "Could not enter: site not participating"
    assert row_of(grid, barred) == ["1 (10.0)", "1 (10.0)"]
    assert row_of(grid, "Entered follow-up") == ["6 (60.0)", "6 (60.0)"]
    other = "after the event, or otherwise not eligible"
    assert row_of(grid, other) == ["1 (10.0)", "1 (10.0)"]
    assert row_of(grid, "Not entered") == ["4 (40.0)", "4 (40.0)"]
    assert row_of(grid, "Assessed at Week 12") == ["5 (50.0)", "5 (50.0)"]
    assert row_of(grid, "MADRS total score, last value") == ["\u22120.38; 0.02"] * 2
    last = grid.groups[-1]
    labels = [row.header.text for row in last.rows[:4]]
    assert labels == [
        "Median, day (95% CI)",
        "Full analysis set (FAS)",
        "Selected: entered follow-up (FUS)",
        "Weighted for entry",
    ]


def test_persons_stand_beside_weighted_numbers_at_risk() -> None:
    shown = table("durability", full()).grid
    label = "at risk; events so far"
    weighted = row_of(shown, label, "Weighted for entry")
    assert weighted == ["9.0 (4 persons); 1.0", "8.0 (4 persons); 2.0"]
    assert row_of(shown, label, "Full analysis set") == ["9; 1", "8; 2"]
    rows = [row for group in table("entry", full()).grid.groups for row in group.rows]
    texts = [cell.text for row in rows for cell in row.cells]
    assert "9.0 (4 persons)" in texts


def test_an_aliased_term_of_entry_is_said_and_explained() -> None:
    shown = table("entry", full())
    assert row_of(shown.grid, "Odds ratio of entry, Sex (SEX), M (95% CI)") == [
        *("\u2013", "aliased")
    ]
    assert any(note.startswith("Aliased: ") for note in shown.footnotes)


def test_only_a_followed_up_analysis_has_a_table_of_entry() -> None:
    spec = Study.model_validate(content(followed_up=None, entry_weights=None))
    ids = [d.id for d in planned_displays(spec)]
    assert "relapse-durability" in ids
    assert "relapse-entry" not in ids


def test_only_competing_events_have_an_incidence() -> None:
    study = content()
    del study["endpoints"]["relapse"]["competing"]
    ids = [d.id for d in planned_displays(Study.model_validate(study))]
    assert "relapse-incidence" not in ids


def test_selected_and_weighted_are_lines_of_their_own_beside_all() -> None:
    chart = figure("survival", full()).chart
    assert isinstance(chart, CurvesChart)
    assert [c.dash for c in chart.small[0].curves] == ["solid", "dashed", "dotted"]
    assert [c.look.colour for c in chart.small[1].curves] == [look_at(1).colour] * 3
    assert "Selected" in chart.styles[1][1]
    counts = dict(chart.panels[0].counts[0].lines)
    assert counts["At risk"] == ("10", "9", "8")


def test_censorings_are_ticks_and_declared_days_markers() -> None:
    chart = figure("survival", full()).chart
    assert isinstance(chart, CurvesChart)
    first = chart.panels[0].curves[0]
    assert first.lost == ((40.0, 0.9),)
    assert first.marked == ((14.0, 0.9), (84.0, 0.9))
    assert first.values[0] == 1.0


def test_caption_of_survival_says_which_line_is_selected() -> None:
    made = figure("survival", full())
    assert "dashed, Selected: entered follow-up" in made.caption
    assert "Median day" in made.alt


def test_a_band_goes_as_far_as_the_curve_falls_to_nothing() -> None:
    one = Curve(
        "A",
        look_at(0),
        (0.0, 30.0, 90.0),
        (1.0, 0.5, 0.0),
        (None, (0.3, 0.7), None),
    )
    chart = CurvesChart((CurvesPanel("", (one,)),), (90.0,), "Day", "%", whole=True)
    with styled():
        (band,) = drawn(chart, ()).axes[0].collections
    assert band.get_datalim(band.axes.transData).xmax == 90.0


def test_reasons_for_leaving_share_a_marker() -> None:
    rows = plain()
    for place, why in enumerate(("LOST TO FOLLOW-UP", "WITHDRAWAL BY SUBJECT")):
        bar = rows.at(arm="PSI25", method_id="swimmer", level=point_level(place))
        bar = bar.at(term="bar", text=f"DISCONTINUED: {why}")
        bar.add_all({"stop": 20.0 - place, "cnsr": 1})
    made = figure("swimmer", rows)
    assert isinstance(made.chart, LanesChart)
    assert [e.name for e in made.chart.endings] == ["No event: discontinued"]
    cells = [c.text for row in made.numbers.groups[0].rows for c in row.cells]
    assert "DISCONTINUED: LOST TO FOLLOW-UP" in cells


def test_swimmers_carry_ending_entry_and_answers() -> None:
    chart = figure("swimmer", full()).chart
    assert isinstance(chart, LanesChart)
    assert [e.kind for e in chart.endings] == ["event", "competing", "censored"]
    assert chart.endings[2].name == "No event: followed to the end of the study"
    lanes = chart.panels[0].lanes
    assert [lane.stop for lane in lanes] == [85.0, 60.0, 12.0]
    assert [lane.entry for lane in lanes] == [40.0, None, None]
    assert [lane.seen[0][1] for lane in lanes] == [True, True, False]


def test_hazards_have_a_panel_per_comparison_with_its_test() -> None:
    chart = figure("hazards", full()).chart
    assert isinstance(chart, TrendsChart)
    (panel,) = chart.panels
    assert panel.name.endswith("Psilocybin 1 mg: p = 0.480")
    assert len(panel.points) == 3


def test_a_single_arm_has_no_comparison() -> None:
    study = content(followed_up=None, entry_weights=None)
    study["study"]["design"] = "single-arm"
    study["arms"] = study["arms"][:1]
    study["analyses"] = [a for a in study["analyses"] if a["id"] == "relapse"]
    rows = plain()
    curve(rows.at(arm="PSI25", method_id=KM), ((12, 0.9, 10, 1, 0),), 10)
    shown = table("durability", rows, study)
    assert all("comparisons" not in header for header in headers(shown.grid))
    chart = figure("survival", rows, study).chart
    assert isinstance(chart, CurvesChart)
    assert chart.remarks == ()
    ids = [d.template for d in planned_displays(Study.model_validate(study))]
    assert "hazards" not in ids


def test_a_failed_analysis_has_no_figure() -> None:
    rows = ard()
    rows.fail("nobody has a time.", term="analysis")
    for id in ("survival", "incidence", "swimmer", "hazards"):
        made = figure(id, rows)
        assert made.chart is None
        assert "nobody has a time" in made.failures[0]
    for id in ("durability", "entry"):
        assert row_of(table(id, rows).grid, "Not computed") == ["NE", "NE"]


def test_definition_of_the_event_is_told_in_words() -> None:
    spec = Study.model_validate(CONTENT)
    endpoint = spec.endpoints["relapse"]
    assert isinstance(endpoint, TimeToEventEndpoint)
    event, origin, competing, censoring = events_words(spec, endpoint)
    assert event == (
        "Event: Symptoms back (MADRS response not met at 2 consecutive assessments 5 to"
        " 15 days apart, dated by the first one)."
    )
    assert "first dose is day 1" in origin
    assert "withdrawal for: ADVERSE EVENT" in competing
    assert "last assessment" in censoring


def test_proportions_round_as_decimals() -> None:
    rows = ard()
    rows.add("estimate", 0.0285, term="a")
    rows.add("estimate", text="not followed", term="b")
    rows.add("estimate", text="not reached", term="c")
    results = results_of(rows.frame())
    assert proportion(results.get("a", "estimate")).text == "2.9"
    assert proportion(results.get("b", "estimate")).text == "not followed"
    assert days(results.get("c", "estimate")).text == "NR"


def _curves(days: tuple[float, ...]) -> CurvesChart:
    one = Curve("A", look_at(0), (0.0, 90.0), (1.0, 0.5), (None, (0.4, 0.6)))
    return CurvesChart((CurvesPanel("", (one,)),), days, "Day", "%", whole=True)


def test_days_too_close_to_stand_below_the_axis_are_left_out() -> None:
    with styled():
        axes = drawn(_curves((1.0, 30.0, 90.0)), ()).axes[0]
    assert list(axes.get_xticks()) == [0.0, 30.0, 90.0]


@pytest.mark.parametrize("count", [1, 80])
def test_swimmers_fit_on_a_page(count: int, tmp_path: Path) -> None:
    lane = Lane(90.0, 0, 40.0, ((2.0, True), (22.0, False)))
    panels = tuple(
        LanesPanel(f"Arm {n}", look_at(n), (lane,) * count) for n in range(3)
    )
    chart = LanesChart(
        panels, (Ending("Event: x", "event"),), ("yes", "no"), "in", "Day"
    )
    with styled():
        assert drawn(chart, ()).get_figheight() < 9.0
    draw(chart, (), tmp_path, "one")
    first = (tmp_path / "one.svg").read_bytes()
    draw(chart, (), tmp_path, "one")
    assert (tmp_path / "one.svg").read_bytes() == first


def test_many_residuals_are_drawn_as_an_image() -> None:
    points = tuple((float(n), 0.1) for n in range(2001))
    panel = TrendPanel("A", look_at(0), points, points)
    with styled():
        axes = drawn(TrendsChart((panel,), "Day", "y"), ()).axes[0]
    assert any(line.get_rasterized() for line in axes.lines)


def test_points_of_a_curve_keep_their_order() -> None:
    rows = plain().at(arm="PSI25", method_id=KM, term="curve")
    for place in (10_001, 2):
        line = rows.at(level=point_level(place), time=float(place))
        line.add("estimate", 1 / place)
    chart = figure("survival", rows).chart
    assert isinstance(chart, CurvesChart)
    assert chart.panels[0].curves[0].times == (2.0, 10_001.0)
