"""Tables and figures of models with random effects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from golden.small_trial import CONTENT, clustering, longitudinal, random_effects
from outcomes.ard.rows import ArdRows
from outcomes.displays.catalogue import planned_displays
from outcomes.displays.charts import Effect, EffectsChart, EffectsPanel, Interval
from outcomes.displays.context import Context
from outcomes.displays.description import Figure, Grid, Table
from outcomes.displays.drawing.draw import draw, drawn
from outcomes.displays.drawing.effects import draw_effects
from outcomes.displays.drawing.style import styled
from outcomes.displays.lookup import results_of
from outcomes.displays.numbers import ratio
from outcomes.displays.render import described_figure, described_table
from outcomes.study.spec import Study


def context(id: str, rows: ArdRows, **changes: Any) -> Context:
    content = {**CONTENT, **changes}
    spec = Study.model_validate(content)
    display = next(d for d in planned_displays(spec) if d.id == id)
    return Context(spec, display, results_of(rows.frame()))


def ard(analysis: str) -> ArdRows:
    return ArdRows(study="small", analysis=analysis, prespecified="Y")


def labels(grid: Grid) -> list[str]:
    return [row.header.text for group in grid.groups for row in group.rows]


def row_of(grid: Grid, label: str) -> list[str]:
    found = [
        [cell.text for cell in row.cells]
        for group in grid.groups
        for row in group.rows
        if row.header.text == label
    ]
    assert len(found) >= 1, labels(grid)
    return found[0]


def course() -> ArdRows:
    rows = ard("course")
    longitudinal(rows)
    return rows


def clusters() -> ArdRows:
    rows = ard("clusters")
    clustering(rows)
    return rows


def table(id: str, rows: ArdRows, **changes: Any) -> Table:
    return described_table(context(id, rows, **changes))


def figure(id: str, rows: ArdRows, **changes: Any) -> Figure:
    return described_figure(context(id, rows, **changes))


def test_each_odds_ratio_says_which_it_is() -> None:
    shown = [
        label
        for label in labels(table("course-probabilities", course()).grid)
        if "odds ratio" in label
    ]
    assert shown
    assert all("Marginal" in label or "onditional" in label for label in shown)


def test_joint_tests_without_degrees_of_freedom_are_chi_squared() -> None:
    grid = table("course-probabilities", course()).grid
    assert row_of(grid, "Arm by visit (log odds)") == [
        "\u03c7\u00b2(2) = 7.25, p = 0.027"
    ]


def test_joint_tests_with_them_are_f() -> None:
    rows = ard("course").at(endpoint="madrs_response", population="FAS")
    rows.add_all(
        {"f": 3.5, "num_df": 2, "den_df": 17.25, "p_value": 0.0001}, term="arm-by-visit"
    )
    grid = table("course-probabilities", rows).grid
    assert row_of(grid, "Arm by visit (log odds)") == ["F(2, 17.3) = 3.50, p < 0.001"]


def test_the_column_of_the_control_compares_nothing() -> None:
    grid = table("course-probabilities", course()).grid
    assert row_of(grid, "Risk ratio (95% CI)") == ["3.00 (0.750, 9.00)", ""]


def test_visits_that_count_as_no_are_told() -> None:
    rows = course()
    rows.add("n", 3, term="counted-as-no")
    notes = " ".join(table("course-probabilities", rows).footnotes)
    assert "visits without a value that count so: 3" in notes


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({}, "what was observed of the subject"),
        ({"kind": "gee"}, "missing completely at random"),
        ({"kind": "logistic"}, "at random given covariates."),
    ],
)
def test_what_is_missing_is_taken_as_each_model_takes_it(
    model: dict[str, Any], words: str
) -> None:
    analyses = [
        {**one, "model": model} if one["id"] == "course" else one
        for one in CONTENT["analyses"]
    ]
    for id in ("course-probabilities", "course-probability-curves"):
        rows = course()
        make = figure if "curves" in id else table
        notes = " ".join(make(id, rows, analyses=analyses).footnotes)
        assert words in notes


def test_a_failed_analysis_says_so() -> None:
    rows = ard("course")
    rows.fail("the outcome is 0 in all 30 records.", term="analysis")
    made = table("course-probabilities", rows)
    assert row_of(made.grid, "Not computed") == ["NE", "NE"]
    assert figure("course-probability-curves", rows).chart is None
    assert "the outcome is 0" in made.failures[0]


def test_curves_have_what_was_observed_beside_the_model() -> None:
    chart = figure("course-probability-curves", course()).chart
    first = chart.courses[0]  # type: ignore[union-attr]
    assert [round(one.value, 1) for one in first.observed] == [66.7, 55.6]
    assert [one.value for one in first.estimates] == [66.0, 55.0]
    assert chart.percent  # type: ignore[union-attr]
    assert chart.start is None  # type: ignore[union-attr]


def test_percentages_end_at_a_hundred(tmp_path: Path) -> None:
    made = figure("course-probability-curves", course())
    draw(made.chart, made.failures, tmp_path, "curves")
    first = (tmp_path / "curves.svg").read_bytes()
    draw(made.chart, made.failures, tmp_path, "curves")
    assert (tmp_path / "curves.svg").read_bytes() == first


def test_components_put_the_subject_first_and_the_residual_last() -> None:
    grid = table("clusters-components", clusters()).grid
    assert labels(grid)[:3] == ["Subject", "Study site", "Residual"]
    assert row_of(grid, "Study site") == [
        *("3", "2.00", "1.00, 3.50", "0.043", "0.022, 0.054", "0.43", "0.038")
    ]
    assert row_of(grid, "Residual")[3:] == ["", "", "", ""]


def test_effects_of_arms_and_weeks_are_named_and_correlated() -> None:
    rows = clusters()
    line = rows.at(endpoint="madrs_change", population="FAS", level="SITEID")
    for effect in ("TRT01P[T.PSI25]", "WEEK"):
        line.add("estimate", 1.5, term="random-sd", subgroup=effect)
    line.add("estimate", -0.4, term="random-correlation", subgroup="Intercept, WEEK")
    grid = table("clusters-components", rows).grid
    against = "Psilocybin 25 mg against Psilocybin 1 mg"
    assert row_of(grid, "Study site, change per week")[1] == "1.50"
    assert row_of(grid, f"Study site, effect of {against}")[1] == "1.50"
    assert "Study site, in Psilocybin 1 mg" in labels(grid)
    assert (
        row_of(grid, "Study site, correlation: in Psilocybin 1 mg and change per week")[
            1
        ]
        == "\u22120.40"
    )


def test_shares_on_a_latent_scale_are_said_to_be() -> None:
    rows = ard("clusters").at(endpoint="madrs_change", population="FAS")
    random_effects(rows, {"SITEID": ("Study site", 3, 0.5)})
    rows.add("estimate", 0.07, term="icc", level="SITEID")
    rows.add("scale", text="latent", term="icc", level="SITEID")
    notes = " ".join(table("clusters-components", rows).footnotes)
    assert "\u03c0\u00b2/3" in notes
    assert "(log odds)" in notes


def test_the_caterpillar_is_sorted_and_counts_subjects() -> None:
    chart = figure("clusters-caterpillar", clusters()).chart
    assert isinstance(chart, EffectsChart)
    (panel,) = chart.panels
    assert [(one.name, one.count) for one in panel.effects] == [
        ("02", 5),
        ("03", 3),
        ("01", 12),
    ]
    assert panel.note == ""


def test_a_variance_of_zero_is_words_and_no_row_of_points() -> None:
    rows = ard("clusters").at(endpoint="madrs_change", population="FAS")
    for site in ("01", "02"):
        here = rows.at(level=site, method_id="SITEID", term="random-effect")
        for name in ("estimate", "conf_low", "conf_high"):
            here.add(name, 0.0, conf_level=None if name == "estimate" else 0.95)
    made = figure("clusters-caterpillar", rows)
    assert isinstance(made.chart, EffectsChart)
    assert "estimated as zero" in made.chart.panels[0].note
    assert "all 2 are zero" in made.alt


def many(count: int, name: str = "Therapist") -> EffectsPanel:
    effects = tuple(
        Effect(
            f"T{k:03d}", 1 + k % 9, Interval(k / count - 0.5, k / count - 1, k / count)
        )
        for k in range(count)
    )
    return EffectsPanel(name, effects)


@pytest.mark.parametrize("count", [1, 20, 55, 90, 400])
def test_any_number_of_levels_goes_on_a_page(count: int) -> None:
    with styled():
        made = draw_effects(EffectsChart((many(count), many(3, "Site")), "Effect"))
    width, height = made.get_size_inches()
    assert width == pytest.approx(6.5)
    assert 1.0 < height < 9.0
    named = [tick.get_text() for tick in made.axes[0].get_yticklabels()]
    assert bool(named) == (count <= 54)


def test_open_markers_of_the_last_arm_stay_inside() -> None:
    made = figure("course-probability-curves", course())
    with styled():
        drawn_here = drawn(made.chart, ())
        box = drawn_here.get_tightbbox()
        width, height = drawn_here.get_size_inches()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height


def test_groupings_beyond_two_go_below() -> None:
    with styled():
        two = draw_effects(EffectsChart((many(5), many(5)), "Effect"))
        three = draw_effects(EffectsChart((many(5), many(5), many(5)), "Effect"))
    assert len(three.axes) == 3
    assert three.get_figheight() > two.get_figheight()


def test_a_note_takes_the_place_of_axes() -> None:
    empty = EffectsPanel("Site", many(3).effects, "Every effect is zero.")
    with styled():
        made = draw_effects(EffectsChart((empty,), "Effect"))
    assert not made.axes[0].axison
    assert not [text for text in made.texts if text.get_text() == "Effect"]


def test_the_table_of_change_shows_random_effects_in_place_of_a_covariance() -> None:
    rows = ard("primary").at(endpoint="madrs_change", population="FAS")
    rows.add_all(
        {"n_subjects": 20, "n_records": 38, "minus_2_loglik": 250.5}, term="fit"
    )
    effects = {"SITEID": ("Study site", 3, 2.0), "Residual": ("", 0, 5.0)}
    random_effects(rows, effects)
    made = table("primary-estimates", rows)
    assert row_of(made.grid, "SD, Study site (95% CI)") == ["2.00 (1.00, 3.50)"]
    assert row_of(made.grid, "\u22122 log likelihood") == ["250.50"]
    assert "Covariance" not in labels(made.grid)
    assert "SDs are those of random effects" in " ".join(made.footnotes)


def test_zero_predictions_have_one_row_and_no_interval() -> None:
    rows = ard("clusters").at(endpoint="madrs_change", population="FAS")
    for site in ("01", "02", "03"):
        here = rows.at(level=site, method_id="SITEID", term="random-effect")
        here.add("estimate", 0.0)
    grid = figure("clusters-caterpillar", rows).numbers
    assert labels(grid) == ["All 3 levels"]
    assert "estimated as zero" in row_of(grid, "All 3 levels")[0]
    assert grid.columns[-1].header.text == "95% PI"


def test_words_stand_below_points_and_leave_no_half_empty() -> None:
    empty = EffectsPanel("Site", (), "Every effect is zero.")
    with styled():
        made = draw_effects(EffectsChart((empty, many(5)), "Effect"))
    points, words = made.axes
    assert not words.axison
    assert points.get_position().width > 0.7
    assert words.get_position().y1 < points.get_position().y0


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (139.63, "140"),
        (2953.23, "2953"),
        (13.94, "13.9"),
        (9.996, "10.0"),
        (6.6, "6.60"),
        (1.0, "1.00"),
        (0.9996, "1.00"),
        (0.0512, "0.0512"),
        (0.0, "0.00"),
    ],
)
def test_ratios_have_three_significant_digits(value: float, shown: str) -> None:
    rows = ard("course").at(endpoint="madrs_response", population="FAS")
    rows.add("estimate", value, term="risk-ratio")
    assert ratio(results_of(rows.frame()).rows[0]).text == shown


def test_estimating_equations_have_an_odds_ratio_given_covariates() -> None:
    analyses = [
        {**one, "model": {"kind": "gee"}} if one["id"] == "course" else one
        for one in CONTENT["analyses"]
    ]
    rows = course()
    line = rows.at(endpoint="madrs_response", population="FAS")
    for pair, value in (("BASELINE, WEEK6", 0.25), ("WEEK3, WEEK6", 0.5)):
        line.add("estimate", value, term="working-correlation", level=pair)
    shown = labels(table("course-probabilities", rows, analyses=analyses).grid)
    assert "Odds ratio given covariates (95% CI)" in shown
    assert not [label for label in shown if "onditional" in label]
    assert len([label for label in shown if "correlation, " in label]) >= 2


def test_effects_of_arms_leave_no_share_and_say_why() -> None:
    rows = ard("clusters").at(endpoint="madrs_change", population="FAS")
    random_effects(rows, {"SITEID": ("Study site", 3, 0.5)})
    notes = " ".join(table("clusters-components", rows).footnotes)
    assert "No share of variance is given: with random slopes" in notes


def test_a_restricted_likelihood_is_called_so() -> None:
    rows = ard("primary").at(endpoint="madrs_change", population="FAS")
    line = rows.at(method="LMM CHG ~ BASE, random intercept of SITEID, REML")
    line.add("minus_2_loglik", 250.5, term="fit")
    made = table("primary-estimates", rows)
    assert row_of(made.grid, "\u22122 restricted log likelihood") == ["250.50"]


def test_warnings_are_the_first_footnotes() -> None:
    rows = course()
    rows.add("n", 1, term="levels", level="SITEID", warning="numbers may be off")
    made = table("course-probabilities", rows)
    assert made.footnotes[0] == "Warning: numbers may be off"
