from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from golden.small_trial import CONTENT, small_study, write_results
from outcomes.ard.rounding import format_number, format_p
from outcomes.ard.rows import ArdRows, read_ard, write_ard
from outcomes.displays.catalogue import planned_displays
from outcomes.displays.context import Context
from outcomes.displays.description import Cell, Grid, Part, Row, RowGroup, Table, text
from outcomes.displays.html import table_fragment
from outcomes.displays.lookup import Result, results_of
from outcomes.displays.numbers import (
    ABSENT,
    NOT_ESTIMABLE,
    number,
    p_value,
    with_brackets,
)
from outcomes.displays.render import (
    described_figure,
    described_table,
    render_displays,
)
from outcomes.errors import DataError, RenderError, SpecError
from outcomes.study.load import StudyFile

EVIL = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyFile, Path]:
    folder = tmp_path_factory.mktemp("made")
    study = small_study(folder)
    write_results(folder, study)
    return study, folder


def contexts(study: StudyFile, folder: Path) -> list[Context]:
    return [
        Context(
            study.spec,
            display,
            results_of(read_ard(folder / "ard" / f"{display.analysis}.parquet")),
        )
        for display in planned_displays(study.spec)
    ]


def grid_of(context: Context) -> Grid:
    if context.display.kind == "table":
        return described_table(context).grid
    return described_figure(context).numbers


def context_of(made: tuple[StudyFile, Path], id: str) -> Context:
    return next(c for c in contexts(*made) if c.display.id == id)


def failed(folder: Path, error: str = "the model could not be fitted") -> StudyFile:
    study = small_study(folder)
    for analysis in study.spec.analyses:
        rows = ArdRows(study="small", analysis=analysis.id, prespecified="Y")
        rows.fail(error, term="analysis")
        write_ard(rows, folder / "ard" / f"{analysis.id}.parquet")
    return study


def test_every_number_shown_is_its_ard_value_rounded(
    made: tuple[StudyFile, Path],
) -> None:
    for context in contexts(*made):
        rows = {row.result_id: row for row in context.results.rows}
        parts = [part for cell in grid_of(context).cells() for part in cell.parts]
        numbers = [part for part in parts if part.result_id]
        assert numbers, context.display.id
        for part in numbers:
            row = rows[part.result_id]
            assert part.text in forms_of(row), (context.display.id, part, row)


def forms_of(row: Result) -> set[str]:
    """All that a row may look like: its value at some number of digits, or its text."""
    if row.value is None:
        return {row.text.replace("not reached", "NR"), "unstructured"}
    if row.method_id == "swimmer" and row.text:
        return {row.text, format_number(row.value, 0)}
    forms = {format_number(row.value, digits) for digits in range(5)}
    if row.method_id.startswith(("kaplan-meier", "aalen-johansen")):
        # A share of subjects, in per cent.
        forms.add(format_number(round(100 * row.value, 10), 1))
    if row.statistic == "p_value":
        forms = {format_p(row.value), format_p(row.value).lstrip("<>")}
    return {form.replace("-", "\u2212") for form in forms}


def test_no_digit_stands_in_a_body_cell_without_a_row(
    made: tuple[StudyFile, Path],
) -> None:
    for context in contexts(*made):
        for group in grid_of(context).groups:
            for cell in (cell for row in group.rows for cell in row.cells):
                loose = [p.text for p in cell.parts if not p.result_id]
                assert not re.search(r"\d", "".join(loose)), context.display.id


def test_difference_is_shown_in_the_arm_and_not_in_the_control(
    made: tuple[StudyFile, Path],
) -> None:
    table = described_table(context_of(made, "primary-estimates"))
    week3 = next(g for g in table.grid.groups if "Week 3" in g.header.text)
    row = next(r for r in week3.rows if r.header.text.startswith("Difference"))
    assert [cell.text for cell in row.cells] == ["\u22126.00 (1.75)", ""]
    assert row.cells[0].result_ids[0] == (
        "primary.madrs_change.FAS.estimand:main.WEEK3.PSI25.vs.PSI1.difference.estimate"
    )


def test_p_below_a_thousandth_is_not_written_as_equal(
    made: tuple[StudyFile, Path],
) -> None:
    table = described_table(context_of(made, "primary-estimates"))
    texts = {
        (g.header.text, row.header.text): row.cells[0].text
        for g in table.grid.groups
        for row in g.rows
        if g.header is not None
    }
    assert texts["Week 3 (visit of the analysis)", "p value"] == "<0.001"
    assert texts["Model", "Arm by visit"] == "F(1, 17.3) = 11.76, p = 0.003"
    tests = "Tests of fixed effects, type III"
    assert texts[tests, "Arm by visit"] == "F(1, 17.3) = 0.75, p = 0.533"
    assert texts[tests, "Visit, at BASE = 0"] == "F(1, 17.3) = 4.50, p = 0.089"
    average = "Average of Day 2, Week 3 (both)"
    assert texts[average, "95% CI of difference"] == "\u22129.80, \u22122.45"


def _constrained(folder: Path) -> Table:
    analyses = copy.deepcopy(CONTENT["analyses"])
    own = next(one for one in analyses if one["id"] == "primary")
    own["model"] = {"constrained": True, "anova": 3}

    def rows(ard: ArdRows) -> None:
        test = {"f": 2.0, "num_df": 2, "den_df": 9.5, "p_value": 0.2}
        ard.add_all(test, term="arm-by-visit")
        ard.add_all(test, term="type-3-test", level="TRT01P:AVISIT")
        ard.add_all(test, term="type-3-test", level="AGE")

    return described_table(only(folder, "primary-estimates", rows, analyses=analyses))


def test_arm_by_visit_from_baseline_has_a_name_of_its_own(
    tmp_path: Path, made: tuple[StudyFile, Path]
) -> None:
    shown = _constrained(tmp_path)
    labels = [row.header.text for group in shown.grid.groups for row in group.rows]
    assert labels[0] == "Arm by visit"
    assert labels.count("Arm by visit") == 1
    assert "Arm by visit, from baseline" in labels
    assert not any("= 0" in note for note in shown.footnotes)
    notes = described_table(context_of(made, "primary-estimates")).footnotes
    assert any("where the covariate is zero" in note for note in notes)


def test_an_average_that_could_not_be_computed_is_told_in_words(tmp_path: Path) -> None:
    def rows(ard: ArdRows) -> None:
        for term, arm in (("lsmean-average", ""), ("difference-average", "PSI25")):
            ard.fail("no value at Day 2.", term=term, level="both", arm=arm)

    assert described_table(only(tmp_path, "primary-estimates", rows)).failures == (
        "Average over both, LS mean: not computed, because no value at Day 2.",
        "Psilocybin 25 mg, average over both, difference: not computed, because no"
        " value at Day 2.",
    )


def test_a_fallback_is_warned_of_once(tmp_path: Path) -> None:
    said = "unstructured not used (why); compound symmetry used instead"

    def rows(ard: ArdRows) -> None:
        ard.add("covariance", text="us", term="ladder", level="1", warning="why")
        ard.add("covariance", text="cs", term="fit", warning=said)

    notes = described_table(only(tmp_path, "primary-estimates", rows)).footnotes
    assert [note for note in notes if "Warning" in note] == [f"Warning: {said}"]


def test_primary_table_names_model_direction_and_effect_sizes(
    made: tuple[StudyFile, Path],
) -> None:
    notes = " ".join(described_table(context_of(made, "primary-estimates")).footnotes)
    for needed in (
        "unstructured covariance, Kenward-Roger",
        "arm minus Psilocybin 1 mg: negative values favour the arm",
        "pooled SD at baseline",
        "pooled SD of change",
    ):
        assert needed in notes


def test_change_table_says_of_whom_baseline_and_later_visits_are(
    made: tuple[StudyFile, Path],
) -> None:
    notes = " ".join(described_table(context_of(made, "primary-estimates")).footnotes)
    assert "At baseline: n, mean and SD are of all subjects of the population" in notes
    assert "every other factor equal weight and put covariates at their mean" in notes
    assert "p values and intervals are not adjusted for multiple comparisons" in notes


def test_limits_and_p_value_of_different_methods_are_explained(
    made: tuple[StudyFile, Path],
) -> None:
    notes = " ".join(described_table(context_of(made, "response-rates")).footnotes)
    assert "Newcombe's (hybrid score)" in notes
    assert "Miettinen-Nurminen score test" in notes
    assert "may disagree" in notes


def only(
    folder: Path, id: str, rows: Callable[[ArdRows], None], **changes: Any
) -> Context:
    """Return the context of a display whose analysis has these rows only."""
    study = small_study(folder, **changes)
    analysis = next(d.analysis for d in planned_displays(study.spec) if d.id == id)
    write_results(folder, study)
    ard = ArdRows(study="small", analysis=analysis, prespecified="Y")
    rows(ard)
    write_ard(ard, folder / "ard" / f"{analysis}.parquet")
    return context_of((study, folder), id)


def test_treatment_that_is_not_recorded_is_said_so(tmp_path: Path) -> None:
    def rows(ard: ArdRows) -> None:
        ard.add("n", 3, term="screened")
        ard.add(
            "label",
            text="not recorded",
            term="treatment-unknown",
            warning="who was treated is not known",
        )

    table = described_table(only(tmp_path, "disposition-counts", rows))
    html = re.sub(r"<[^>]+>", "", table_fragment(table))
    assert "Treatment:not recorded" in html
    assert "Not treated" not in html
    assert "Warning: who was treated is not known" in table.footnotes


def test_subjects_of_one_arm_are_enrolled_not_randomised(tmp_path: Path) -> None:
    def rows(ard: ArdRows) -> None:
        ard.add("n", 4, term="screened")
        ard.add_all({"n": 1, "percent": 25}, term="not-randomised")
        ard.add("n", 3, term="randomised")
        ard.add("n", 3, term="population", population="RAND")
        ard.add("estimate", 0, term="closure", level="screened")
        ard.add("estimate", 0, term="closure", level="end-of-study")

    table = described_table(
        only(
            tmp_path,
            "disposition-counts",
            rows,
            study={**CONTENT["study"], "design": "single-arm"},
            arms=[CONTENT["arms"][0]],
            populations={"RAND": "RANDFL == 'Y'", **CONTENT["populations"]},
        )
    )
    html = re.sub(r"<[^>]+>", "", table_fragment(table))
    assert "andomised" not in html
    for needed in ("Enrolled", "Not enrolled", "All enrolled subjects (RAND)"):
        assert needed in html
    assert (
        "Checked, and all subjects add up: screened = enrolled + not enrolled; "
        "enrolled = completed + discontinued + ongoing." in table.footnotes
    )


def test_the_visit_of_the_analysis_without_values_is_named(tmp_path: Path) -> None:
    def rows(ard: ArdRows) -> None:
        ard.add("n", 3, term="observed-value", visit="BASELINE", time=-1, arm="PSI1")
        ard.fail("no value.", term="visit", visit="WEEK3", time=22)

    context = only(tmp_path, "primary-estimates", rows)
    said = "Week 3: not computed, because no value."
    assert described_table(context).failures == (said,)
    assert described_table(context).grid.groups[0].header == text("Baseline")
    figure = next(
        c
        for c in contexts(small_study(tmp_path), tmp_path)
        if c.display.id == "primary-over-time"
    )
    assert described_figure(figure).failures == (said,)


def test_endpoints_without_a_label_are_called_by_their_parts() -> None:
    from outcomes.study.displays import endpoint_label
    from outcomes.study.spec import Study

    score = {"instrument": "MADRS", "score": "total"}
    endpoints = {
        "one": {"kind": "response", "paramcd": "A", "reduction": 50, **score},
        "two": {"kind": "threshold", "paramcd": "B", "at_most": 10, **score},
        "both": {"kind": "all-of", "paramcd": "C", "of": ["one", "two"]},
        "down": {"kind": "change", **score},
    }
    spec = Study.model_validate({**CONTENT, "endpoints": endpoints})
    assert endpoint_label(spec, "one") == (
        "Response: MADRS total score reduced by at least 50%"
    )
    assert endpoint_label(spec, "two") == "MADRS total score of 10 or less"
    assert endpoint_label(spec, "both").endswith(
        "50% and MADRS total score of 10 or less"
    )
    assert endpoint_label(spec, "down") == "Change in MADRS total score"


@pytest.mark.parametrize(
    ("low", "median", "high", "shown"),
    [
        (2.0, 4.5, 7.0, ["4.5 (4.5, 4.5)", "2, 7"]),
        (2.5, 4.75, 7.0, ["4.75 (4.75, 4.75)", "2.5, 7.0"]),
        (2.0, 13 / 3, 7.0, ["4.33 (4.33, 4.33)", "2.00, 7.00"]),
    ],
)
def test_extremes_have_the_decimals_of_the_data(
    tmp_path: Path, low: float, median: float, high: float, shown: list[str]
) -> None:
    def rows(ard: ArdRows) -> None:
        ard.add("label", text="Age", term="AGE")
        numbers = {"n": 3, "mean": 5, "sd": 1, "min": low, "max": high}
        quartiles = dict.fromkeys(("median", "q1", "q3"), median)
        ard.add_all({**numbers, **quartiles}, term="AGE", arm="PSI1")

    table = described_table(only(tmp_path, "baseline-characteristics", rows))
    assert [row.cells[1].text for row in table.grid.groups[0].rows[2:4]] == shown


def test_label_is_what_the_ard_says(made: tuple[StudyFile, Path]) -> None:
    labels = {c.display.id: c.heading.label for c in contexts(*made)}
    assert labels["primary-estimates"] == "PRE-SPECIFIED"
    assert labels["mystical-scatter"] == "EXPLORATORY"


def test_markup_of_the_study_and_of_data_is_escaped(tmp_path: Path) -> None:
    content = copy.deepcopy(CONTENT)
    content["study"]["title"] = EVIL
    content["arms"][0]["label"] = f"A {EVIL}"
    content["visits"][2]["label"] = f"V {EVIL}"
    content["endpoints"]["madrs_response"]["label"] = f"E {EVIL}"
    content["analyses"][3]["title"] = f"T {EVIL}"
    content["displays"] = [{"id": "primary-estimates", "footnotes": [f"N {EVIL}"]}]
    study = small_study(tmp_path, **content)
    write_results(tmp_path, study)
    rows = ArdRows(study="small", analysis="disposition", prespecified="Y")
    rows.add("n", 3, term="not-randomised", level=EVIL, warning=EVIL)
    write_ard(rows, tmp_path / "ard" / "disposition.parquet")
    ids = [analysis.id for analysis in study.spec.analyses]
    render_displays(study, ids, tmp_path / "ard", tmp_path)
    for path in (tmp_path / "tables").iterdir():
        shown = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            shown = json.loads(shown)["html"]
        assert "<script" not in shown
    for path in (tmp_path / "figures").glob("*.json"):
        assert "<script" not in json.loads(path.read_text(encoding="utf-8"))["numbers"]
    for path in (tmp_path / "figures").glob("*.svg"):
        assert "<script" not in path.read_text(encoding="utf-8")
    table = (tmp_path / "tables" / "primary-estimates.html").read_text("utf-8")
    assert table.count("&lt;script&gt;") >= 4


class _Structure(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.headings: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.widths: list[int] = []
        self._over = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if tag == "tr":
            self.widths.append(self._over)
            self._over = 0
        if tag in ("th", "td"):
            width = int(given.get("colspan") or 1)
            self.widths[-1] += width
            self._over += width if given.get("rowspan") == "2" else 0
        if tag == "th":
            self.headings.append(given)


def test_tables_are_accessible(made: tuple[StudyFile, Path]) -> None:
    for context in contexts(*made):
        if context.display.kind != "table":
            continue
        parser = _Structure()
        parser.feed(table_fragment(described_table(context)))
        assert parser.tags.count("caption") == 1
        assert {"thead", "tbody"} <= set(parser.tags)
        scopes = {heading.get("scope") for heading in parser.headings}
        assert scopes <= {"col", "row", "rowgroup", "colgroup"}
        assert len(set(parser.widths)) == 1, "rows of different width"


def test_spanning_headings_cover_their_columns(made: tuple[StudyFile, Path]) -> None:
    from dataclasses import replace

    table = described_table(context_of(made, "primary-estimates"))
    over = text("Arms")
    columns = tuple(replace(column, span=over) for column in table.grid.columns)
    html = table_fragment(replace(table, grid=replace(table.grid, columns=columns)))
    assert '<th class="span" scope="colgroup" colspan="2">Arms</th>' in html
    assert 'rowspan="2">Visit and statistic</th>' in html


def test_numbers_in_brackets_line_up() -> None:
    from outcomes.displays.align import aligned

    def cell(n: str, percent: str) -> Cell:
        return with_brackets(Cell((Part(n, "a.n"),)), Cell((Part(percent, "a.p"),)))

    rows = (Row(text("a"), (cell("5", "4.8"),)), Row(text("b"), (cell("15", "14.4"),)))
    grid = Grid("s", (), (RowGroup(rows),), alike=True)
    shown = [row.cells[0].text for row in aligned(grid).groups[0].rows]
    assert shown == ["5 (\u20074.8)", "15 (14.4)"]


def test_failed_analysis_is_said_plainly_in_every_display(tmp_path: Path) -> None:
    study = failed(tmp_path, f"too few subjects {EVIL}")
    ids = [analysis.id for analysis in study.spec.analyses]
    render_displays(study, ids, tmp_path / "ard", tmp_path)
    descriptions = sorted(tmp_path.glob("*s/*.json"))
    assert len(descriptions) == 24
    for path in descriptions:
        content = json.loads(path.read_text(encoding="utf-8"))
        assert content["failures"] == [
            f"Not computed, because too few subjects {EVIL}."
        ]
        html = content.get("html", "")
        if content["kind"] == "table":
            assert "Not computed" in html
            assert "too few subjects &lt;script" in html
            assert NOT_ESTIMABLE in html
            assert path.with_suffix(".html").stat().st_size > 1000
        else:
            assert path.with_suffix(".svg").stat().st_size > 1000


def test_missing_and_not_estimable_numbers_are_marked_and_explained(
    tmp_path: Path,
) -> None:
    study = small_study(tmp_path)
    write_results(tmp_path, study)
    rows = ArdRows(study="small", analysis="primary", prespecified="Y")
    rows = rows.at(
        endpoint="madrs_change", population="FAS", visit="WEEK3", time=22, arm="PSI25"
    )
    rows.add("estimate", -3.0, term="lsmean")
    rows.add("std_error", None, term="lsmean", error="no df")
    write_ard(rows, tmp_path / "ard" / "primary.parquet")
    table = described_table(context_of((study, tmp_path), "primary-estimates"))
    row = table.grid.groups[0].rows[0]
    assert [cell.text for cell in row.cells] == ["\u22123.00 (NE)", ABSENT]
    assert "NE, not estimable" in table.footnotes[-2]
    assert table.failures == (
        "Week 3, Psilocybin 25 mg, LS mean: not computed, because no df.",
    )


def test_warnings_of_the_ard_become_footnotes(tmp_path: Path) -> None:
    study = small_study(tmp_path)
    rows = ArdRows(study="small", analysis="spread", prespecified="Y")
    rows.add("n", 3, term="observed-change", warning="did not converge")
    write_ard(rows, tmp_path / "ard" / "spread.parquet")
    write_results_without(tmp_path, study, "spread", write_results)
    figure = described_figure(context_of((study, tmp_path), "spread-ecdf"))
    assert "Warning: did not converge" in figure.footnotes
    assert figure.chart is None
    assert figure.alt.startswith("No figure")


def write_results_without(
    folder: Path, study: StudyFile, kept: str, write: Callable[..., Any]
) -> None:
    """Write all results but one, which is there already."""
    path = folder / "ard" / f"{kept}.parquet"
    content = path.read_bytes()
    write(folder, study)
    path.write_bytes(content)


def test_two_rows_for_one_place_stop_the_display(tmp_path: Path) -> None:
    study = small_study(tmp_path)
    write_results(tmp_path, study)
    rows = ArdRows(study="small", analysis="primary", prespecified="Y")
    for population in ("FAS", "SAF"):
        rows.add(
            "n",
            3,
            term="observed-value",
            visit="BASELINE",
            time=-1,
            arm="PSI25",
            population=population,
        )
    write_ard(rows, tmp_path / "ard" / "primary.parquet")
    with pytest.raises(RenderError, match="2 results stand for one place"):
        render_displays(study, ["primary"], tmp_path / "ard", tmp_path)


def test_ids_are_displays_or_analyses(
    made: tuple[StudyFile, Path], tmp_path: Path
) -> None:
    study, folder = made
    render_displays(study, ["primary-estimates"], folder / "ard", tmp_path)
    assert [p.name for p in sorted(tmp_path.rglob("*.*"))] == [
        "primary-estimates.html",
        "primary-estimates.json",
    ]
    with pytest.raises(SpecError, match="Did you mean 'primary-estimates'"):
        render_displays(study, ["primary-estimate"], folder / "ard", tmp_path)
    with pytest.raises(DataError, match="run the stage before"):
        render_displays(study, ["primary"], tmp_path / "nowhere", tmp_path)


def test_page_is_complete_and_reaches_for_nothing(
    made: tuple[StudyFile, Path], tmp_path: Path
) -> None:
    study, folder = made
    render_displays(study, ["primary-estimates"], folder / "ard", tmp_path)
    page = (tmp_path / "tables" / "primary-estimates.html").read_text("utf-8")
    description = json.loads(
        (tmp_path / "tables" / "primary-estimates.json").read_text("utf-8")
    )
    assert description["html"] in page
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in page
    for key in (
        "id",
        "kind",
        "number",
        "title",
        "population",
        "label",
        "footnotes",
    ):
        assert description[key]


def test_cells_of_absent_and_broken_results() -> None:
    assert number(None, 1).text == ABSENT
    assert p_value(None).text == ABSENT
    assert number(None, 1).result_ids == ()


@pytest.mark.parametrize("column", ["study", "analysis"])
def test_results_of_something_else_are_refused(tmp_path: Path, column: str) -> None:
    study = small_study(tmp_path)
    rows = ArdRows(
        **{
            "study": "small",
            "analysis": "primary",
            "prespecified": "Y",
            column: "other",
        }
    )
    rows.add("n", 1, term="observed-value", arm="PSI25")
    write_ard(rows, tmp_path / "ard" / "primary.parquet")
    with pytest.raises(RenderError, match=rf"primary\.parquet: its {column} is other"):
        render_displays(study, ["primary"], tmp_path / "ard", tmp_path)


def test_results_without_a_row_are_refused(tmp_path: Path) -> None:
    rows = ArdRows(study="small", analysis="primary", prespecified="Y")
    write_ard(rows, tmp_path / "ard" / "primary.parquet")
    with pytest.raises(RenderError, match="it has no row; do the analysis again"):
        render_displays(small_study(tmp_path), ["primary"], tmp_path / "ard", tmp_path)


def test_the_version_stands_once_and_last(tmp_path: Path) -> None:
    study = small_study(tmp_path)
    rows = ArdRows(
        study="small",
        analysis="response",
        prespecified="Y",
        endpoint="madrs_response",
        population="FAS",
        visit="WEEK3",
        time=22,
    )
    handling = "no from rescue medication on (composite); {}; outcomes 0.1.0"
    for method, words in (("nri", "denominator all"), ("observed", "those seen")):
        here = rows.at(method_id=method)
        for arm in ("PSI25", "PSI1"):
            limits = f"{words}; {handling.format('Wilson limits')}"
            here.add("n", 1, term="responders", arm=arm, method=limits)
        here.add(
            "estimate",
            1,
            term="risk-difference",
            arm="PSI25",
            comparator="PSI1",
            method=f"{words}; {handling.format('Newcombe')}",
        )
    write_ard(rows, tmp_path / "ard" / "response.parquet")
    context = next(
        Context(study.spec, display, results_of(rows.frame()))
        for display in planned_displays(study.spec)
        if display.analysis == "response"
    )
    notes = described_table(context).footnotes
    assert notes[-1] == "Computed by outcomes 0.1.0."
    assert sum("outcomes 0" in note for note in notes) == 1
    rule = "no from rescue medication on (composite)"
    assert f"Missing = no: denominator all; {rule}." in notes
    assert f"Observed cases: those seen; {rule}." in notes
    assert "Proportions: Wilson limits." in notes
    assert "Differences: Newcombe." in notes
