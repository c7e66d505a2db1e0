from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from golden.small_trial import CONTENT, diagnostics
from outcomes.ard.rows import ArdRows
from outcomes.displays.catalogue import planned_displays
from outcomes.displays.charts import (
    ForestChart,
    HeatChart,
    Interval,
    ResidualsChart,
)
from outcomes.displays.context import Context
from outcomes.displays.description import Figure, Table
from outcomes.displays.drawing.draw import drawn
from outcomes.displays.drawing.style import styled
from outcomes.displays.lookup import results_of
from outcomes.displays.render import described_figure, described_table
from outcomes.study.spec import Study

Fill = Callable[[ArdRows], None]


def context(template: str, fill: Fill = diagnostics, **sections: Any) -> Context:
    """Return a display of the diagnostics, of results that ``fill`` writes."""
    spec = Study.model_validate({**copy.deepcopy(CONTENT), **sections})
    rows = ArdRows(study="small", analysis="checks", prespecified="Y")
    fill(rows)
    id = f"checks-{template}"
    display = next(d for d in planned_displays(spec) if d.id == id)
    return Context(spec, display, results_of(rows.frame()))


def figure(template: str, fill: Fill = diagnostics, **sections: Any) -> Figure:
    return described_figure(context(template, fill, **sections))


def table(template: str, fill: Fill = diagnostics, **sections: Any) -> Table:
    return described_table(context(template, fill, **sections))


def texts(shown: Table | Figure) -> dict[tuple[str, str], list[str]]:
    grid = shown.grid if isinstance(shown, Table) else shown.numbers
    return {
        (g.header.text if g.header else "", row.header.text): [
            c.text for c in row.cells
        ]
        for g in grid.groups
        for row in g.rows
    }


def test_a_quantile_plot_has_a_panel_for_each_visit() -> None:
    chart = figure("residuals").chart
    assert isinstance(chart, ResidualsChart)
    assert [panel.name for panel in chart.panels] == ["Day 2", "Week 3"]
    assert chart.panels[1].points[0] == (-1.25, 1.1 * -1.25 + 0.05)
    assert [one.at for one in chart.bins] == [-14.5, -9.25, -3.75]
    assert chart.y_label == "Normalised residual"
    shown = figure("residuals")
    assert "dashed lines: \u00b11, the standard deviation expected" in shown.caption
    assert "the five most extreme of each end" in " ".join(shown.footnotes)
    checks = texts(table("checks"))
    assert checks["Normalised residuals", "Minimum"] == ["\u22122.47", "\u22122.47"]
    assert checks["Normalised residuals", "Maximum"] == ["3.13", "3.13"]
    assert "Week 3 skewness \u22120.22, excess kurtosis 1.50" in shown.alt
    lines = texts(shown)
    assert lines["Day 2", "0.192"] == ["\u22121.25", "\u22121.38"]
    key = "Residuals by fitted value", "Fitted \u221214.50"
    assert lines[key] == ["mean \u22120.11, SD 0.98, n = 12"]


def test_fitted_and_empirical_correlations_stand_side_by_side() -> None:
    shown = figure("correlation")
    assert isinstance(shown.chart, HeatChart)
    ((fitted, empirical),) = shown.chart.pairs
    assert (fitted.name, empirical.name) == ("Fitted", "Empirical")
    assert [cell.text for cell in fitted.cells] == ["9.13", "0.63", "10.13"]
    assert [cell.value for cell in empirical.cells] == [None, 0.575, None]
    assert texts(shown)["", "Day 2 and Week 3"] == ["0.63", "0.58"]
    assert "Fitted correlations from 0.63 to 0.63" in shown.alt
    for notes in (shown.footnotes, table("checks").footnotes):
        assert "divide by n\u00a0\u2212\u00a01, where REML" in " ".join(notes)
        assert "where values are missing" in " ".join(notes)


def grouped(rows: ArdRows) -> None:
    for arm in ("PSI25", "PSI1"):
        for visit, day in (("DAY2", 2), ("WEEK3", 22)):
            here = rows.at(visit=visit, time=day, arm=arm)
            here.add("estimate", 9.0, term="fitted-sd")
            here.add("estimate", 8.0, term="empirical-sd")
            if visit == "WEEK3":
                here.add("estimate", 0.5, term="fitted-correlation", level="DAY2")
                here.fail("too few", term="empirical-correlation", level="DAY2")


def test_each_covariance_group_has_a_pair_of_its_own() -> None:
    shown = figure("correlation", grouped)
    assert isinstance(shown.chart, HeatChart)
    names = [[heat.name for heat in pair] for pair in shown.chart.pairs]
    assert names == [
        ["Fitted, Psilocybin 25 mg", "Empirical, Psilocybin 25 mg"],
        ["Fitted, Psilocybin 1 mg", "Empirical, Psilocybin 1 mg"],
    ]
    assert texts(shown)["Psilocybin 1 mg", "Day 2 and Week 3"] == ["0.50", "NE"]
    assert shown.failures == (
        "Week 3, Psilocybin 1 mg, Day 2, empirical correlation: not computed, because"
        " too few.",
        "Week 3, Psilocybin 25 mg, Day 2, empirical correlation: not computed, because"
        " too few.",
    )
    with styled():
        drawn(shown.chart, ())


def test_levels_of_another_column_are_named_as_they_are() -> None:
    def fill(rows: ArdRows) -> None:
        for site in ("02", "01"):
            here = rows.at(visit="WEEK3", time=22, subgroup=site)
            here.add("estimate", 9.0, term="fitted-sd")
            here.add("estimate", 8.0, term="empirical-sd")

    shown = figure("correlation", fill)
    assert isinstance(shown.chart, HeatChart)
    assert [pair[0].name for pair in shown.chart.pairs] == ["Fitted, 01", "Fitted, 02"]


def test_what_is_left_out_stands_beside_the_whole() -> None:
    shown = figure("influence")
    assert isinstance(shown.chart, ForestChart)
    (panel,) = shown.chart.panels
    assert panel.name == "Psilocybin 25 mg"
    assert panel.whole == Interval(-6.0, -9.675, -2.325)
    assert [line.name for line in shown.chart.lines] == [
        "Left out: Study site",
        "without 01 (12 left out)",
        "without 02 (5 left out)",
        "without 03 (1 left out)",
    ]
    assert shown.chart.lines[0].heading
    assert shown.chart.lines[2].intervals == (Interval(-6.625, -10.3, -2.95),)
    assert "Difference from Psilocybin 1 mg" in shown.caption
    assert "weighs heavily in the result" in shown.caption
    assert not any("empty" in note for note in shown.footnotes)
    assert "from \u22126.63 to \u22125.25 with one part left out" in shown.alt
    lines = texts(table("left-out"))
    assert lines["", "All subjects"] == [
        *("", "\u22126.00 (1.75)", "\u22129.68, \u22122.33", "<0.001")
    ]
    assert lines["Left out: Study site", "without 03"][:2] == ["1", "\u22126.06 (1.75)"]


def test_a_refit_that_failed_is_marked_and_named() -> None:
    def fill(rows: ArdRows) -> None:
        diagnostics(rows)
        left = rows.at(visit="WEEK3", time=22, method_id="SITEID", level="04")
        left = left.at(endpoint="madrs_change", population="FAS", estimand="main")
        left.add("n", 9, term="left-out")
        left.fail(
            "not estimable: no arm is left.",
            arm="PSI25",
            comparator="PSI1",
            term="difference-without",
        )

    shown = table("left-out", fill)
    assert texts(shown)["Left out: Study site", "without 04"][0] == "9"
    assert texts(shown)["Left out: Study site", "without 04"][1].startswith("NE")
    assert shown.failures == (
        "Week 3, Psilocybin 25 mg, without 04, difference: not computed, because no"
        " arm is left.",
    )
    assert "NE: no arm is left." in shown.footnotes
    assert "Places left empty: no arm is left." in figure("influence", fill).footnotes
    chart = figure("influence", fill).chart
    assert isinstance(chart, ForestChart)
    assert chart.lines[-1].intervals == (None,)
    with styled():
        drawn(chart, ())


def test_subjects_without_a_value_are_counted_in_a_footnote() -> None:
    def fill(rows: ArdRows) -> None:
        diagnostics(rows)
        left = rows.at(visit="WEEK3", time=22, method_id="SITEID", level="Missing")
        left = left.at(endpoint="madrs_change", population="FAS", estimand="main")
        left.add("n", 4, term="left-out")

    note = "Subjects without a value, who are in every fit: Study site: 4."
    for shown in (table("left-out", fill), figure("influence", fill)):
        assert note in shown.footnotes
    assert note not in table("left-out").footnotes


def test_columns_stand_in_the_order_of_the_study_file() -> None:
    def fill(rows: ArdRows) -> None:
        diagnostics(rows)
        for column, label in (("AREA", "Area"), ("OTHER", "No longer asked for")):
            left = rows.at(term="left-out", visit="WEEK3", time=22, method_id=column)
            left = left.at(endpoint="madrs_change", population="FAS", estimand="main")
            left.add("label", text=label)
            left.add("n", 3, level="north")

    content = copy.deepcopy(CONTENT)["analyses"]
    own = next(a for a in content if a["id"] == "checks")
    own["leave_out"] = ["SITEID", "AREA"]
    headers = [
        group.header.text
        for group in table("left-out", fill, analyses=content).grid.groups
        if group.header
    ]
    assert headers == [
        f"Left out: {one}" for one in ("Study site", "Area", "No longer asked for")
    ]


def test_one_arm_has_its_mean_left_out_from() -> None:
    def fill(rows: ArdRows) -> None:
        here = rows.at(visit="WEEK3", time=22, arm="PSI25")
        left = here.at(method_id="SITEID", level="01")
        rows.at(method_id="SITEID", visit="WEEK3", time=22).add(
            "label", term="left-out", text="Study Site Identifier"
        )
        left.add("n", 4, term="left-out", arm="")
        for line, term in ((here, "lsmean"), (left, "lsmean-without")):
            line = line.at(term=term)
            line.add_all({"estimate": -9.0, "std_error": 1.0, "df": 9})
            line.add("conf_low", -11.0, conf_level=0.95)
            line.add("conf_high", -7.0, conf_level=0.95)

    single = {
        "study": {**CONTENT["study"], "design": "single-arm"},
        "arms": [CONTENT["arms"][0]],
    }
    shown = figure("influence", fill, **single)
    assert isinstance(shown.chart, ForestChart)
    assert shown.caption.startswith("LS mean change in MADRS total score at Week 3")
    columns = [
        column.header.text for column in table("left-out", fill, **single).grid.columns
    ]
    assert columns == ["Subjects left out", "LS mean (SE)", "95% CI"]


def test_diagnostics_without_parts_to_leave_out_have_no_such_display() -> None:
    content = copy.deepcopy(CONTENT)
    own = next(a for a in content["analyses"] if a["id"] == "checks")
    own["leave_out"] = []
    ids = [d.id for d in planned_displays(Study.model_validate(content))]
    assert "checks-correlation" in ids
    assert not {"checks-influence", "checks-left-out"} & set(ids)


@pytest.mark.parametrize(("arms", "lines"), [(1, 1), (2, 30), (5, 2)])
def test_forests_of_many_arms_and_parts_are_drawn_whole(arms: int, lines: int) -> None:
    from outcomes.displays.charts import ForestLine, ForestPanel
    from outcomes.displays.palette import look_at

    one = Interval(-3.0, -8.0, 2.0)
    chart = ForestChart(
        tuple(
            ForestPanel(f"Arm with a long name {i}", look_at(i), one)
            for i in range(arms)
        ),
        (
            ForestLine("Study Site Identifier", (), heading=True),
            *(
                ForestLine(f"A hospital called number {i} (n = 12)", (one,) * arms)
                for i in range(lines)
            ),
        ),
        "Difference from a control with quite a long name in a score (95% CI)",
    )
    _nothing_is_cut(chart)


def test_many_visits_with_long_names_fit() -> None:
    from outcomes.displays.charts import Heat, HeatCell

    names = tuple(f"After session number {i}" for i in range(14))
    cells = tuple(
        HeatCell(i, j, None if i == j else -0.5, "\u22120.50")
        for i in range(14)
        for j in range(i + 1)
    )
    pair = Heat("Fitted", cells), Heat("Empirical", cells)
    _nothing_is_cut(HeatChart((pair, pair), names, "Correlation"))


def test_one_and_seven_panels_of_residuals_fit() -> None:
    from outcomes.displays.charts import Bin, Quantiles

    for count in (1, 7):
        panels = tuple(
            Quantiles("A visit with a rather long name", ((-9.0, -9.5), (9.0, 9.5)))
            for _ in range(count)
        )
        bins = (Bin(1.0, 0.5, None), Bin(2.0, -0.5, 1.0))
        _nothing_is_cut(ResidualsChart(panels, bins, "x", "y", "fitted " * 20))


def _nothing_is_cut(chart: Any) -> None:
    with styled():
        shown = drawn(chart, ())
        box = shown.get_tightbbox()
    assert box.x0 >= -0.01
    assert box.y0 >= -0.01
    assert box.x1 <= shown.get_figwidth() + 0.01
    assert box.y1 <= shown.get_figheight() + 0.01
