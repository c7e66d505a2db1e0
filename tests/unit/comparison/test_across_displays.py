from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from three_trials import DAYS, TRIALS, kept_results, write_all_results, write_trials

from outcomes.ard.rows import ArdRows, read_ard, write_ard
from outcomes.comparison.load import load_comparison
from outcomes.comparison.results import compared_results, traced
from outcomes.displays.across import render_across
from outcomes.displays.across_context import AcrossContext, across_context
from outcomes.displays.across_figure import figure_across
from outcomes.displays.across_table import table_across
from outcomes.displays.description import Grid, Row
from outcomes.errors import DataError, RenderError
from outcomes.report.across import write_across


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("across")
    write_trials(made / "data")
    write_all_results(made / "results")
    return made


@pytest.fixture(scope="module")
def context(folder: Path) -> AcrossContext:
    comparison = load_comparison(folder / "data/durability.yaml")
    return across_context(comparison, folder / "results")


def rows_of(grid: Grid) -> Iterator[tuple[str, Row]]:
    """Iterate over the rows, each with the heading above it."""
    for group in grid.groups:
        for row in group.rows:
            yield group.header.text if group.header else "", row


def test_each_arm_stands_with_its_denominators(context: AcrossContext) -> None:
    grid = table_across(context).grid
    headers = [group.header.text for group in grid.groups if group.header]
    assert headers[0] == "Psilocybin, treatment-resistant depression (long)"
    assert headers[1] == (
        "PSILOCYBIN high dose (active): N 50; at risk 40; events 30; median in days"
        " (95% CI) 105 (75, NR); days followed: median 367; longest 372"
    )
    assert len(headers) == 9
    assert [column.header.text for column in grid.columns] == [
        f"Day {day}" for day in (7, 28, 84, 182, 364)
    ]


def test_what_nobody_was_followed_for_is_said_and_not_drawn_on(
    context: AcrossContext,
) -> None:
    cells = {
        (header, row.header.text): [cell.text for cell in row.cells]
        for header, row in rows_of(table_across(context).grid)
    }
    (arm,) = {header for header, _ in cells if header.startswith("MDMA high")}
    assert cells[arm, "Without event, % (95% CI)"] == [
        "96.8 (86.8, 100.0)",
        "87.9 (77.9, 97.9)",
        "67.8 (57.8, 77.8)",
        "not followed",
        "not followed",
    ]
    assert cells[arm, "At risk"] == ["39", "35", "27", "0", "0"]
    chart = figure_across(context).chart
    assert chart is not None
    panels = chart.panels  # type: ignore[union-attr]
    assert [len(panel.courses[0].points) for panel in panels] == [5, 3, 2]
    assert [panel.until for panel in panels] == [372.0, 127.0, 29.0]
    assert max(day for day, _ in panels[2].courses[0].steps) == 29.0


def test_everybody_having_had_the_event_is_an_estimate(folder: Path) -> None:
    comparison = load_comparison(folder / "data/durability.yaml")
    results = folder / "all gone"
    write_all_results(results)
    path = results / "short/ard/kept.parquet"
    frame = read_ard(path)
    day = (frame["arm"] == "KET") & (frame["term"] == "day") & (frame["time"] > 29)
    gone = day & (frame["statistic"] == "estimate")
    frame.loc[gone, ["value", "text"]] = [0.0, ""]
    _rewrite(frame, path)
    made = across_context(comparison, results)
    short = made.studies[2]
    # the results of the study have it, so that all its displays show it
    assert short.estimate_with_limits("KET", 84).text.startswith("0.0")
    assert short.estimate_with_limits("MID", 84).text == "not followed"
    chart = figure_across(made).chart
    assert [point.day for point in chart.panels[2].courses[0].points] == list(DAYS)  # type: ignore[union-attr]
    assert short.until() == DAYS[-1]


def _rewrite(frame: Any, path: Path) -> None:
    from outcomes.datasets.results import ARD
    from outcomes.datasets.store import write_table

    write_table(frame, path, ARD)


def test_every_number_names_its_study_and_its_row(
    context: AcrossContext, folder: Path
) -> None:
    known = {
        traced(id, result)
        for id in TRIALS
        for result in read_ard(folder / "results" / id / "ard")["result_id"]
    }
    for grid in (table_across(context).grid, figure_across(context).numbers):
        shown = {id for cell in grid.cells() for id in cell.result_ids}
        assert len(shown) > 50
        assert shown <= known
        assert {id.split(".")[0] for id in shown} == set(TRIALS)


def test_selected_samples_and_comparisons_are_not_read(folder: Path) -> None:
    comparison = load_comparison(folder / "data/durability.yaml")
    for frame in compared_results(comparison, folder / "results").values():
        assert set(frame["population"]) == {"FAS"}
        assert set(frame["comparator"]) == {""}
        assert set(frame["method_id"]) == {"counts", "kaplan-meier"}


def test_footnotes_say_that_this_is_no_comparison_and_what_differs(
    context: AcrossContext,
) -> None:
    notes = table_across(context).footnotes
    text = " ".join(notes)
    assert "This is no randomised comparison." in text
    assert "nothing is pooled" in text
    assert "different kinds of events" in text
    assert "(alike within each of these: long, middle; short)" in text
    assert notes[2].startswith("Ketamine, treatment-resistant depression (short).")
    assert "2 consecutive assessments" in notes[2]
    assert "Synthetic data: simulated subjects, no real ones." in notes
    heading = table_across(context).heading
    assert (heading.label, heading.synthetic) == ("EXPLORATORY", True)


def test_the_figure_is_told_in_words(context: AcrossContext) -> None:
    figure = figure_across(context)
    assert "3 panels, one per study" in figure.alt
    assert "KETAMINE high dose 87.9% at day 28" in figure.alt
    assert "95% confidence limits" in figure.caption
    assert "their definitions of the event differ" in figure.caption
    notes = " ".join(figure.footnotes)
    assert "long, middle, short: time begins with the first response" in notes
    assert "fewer than 10 at risk" in notes


def test_studies_of_one_name_are_told_apart_and_may_define_alike(
    tmp_path: Path,
) -> None:
    def alike(content: dict[str, Any]) -> None:
        content["study"] |= {"compound": "psilocybin", "indication": "depression"}
        content["endpoints"]["kept"]["events"][0].pop("assessments", None)

    path = write_trials(tmp_path / "data", long=alike, middle=alike, short=alike)
    write_all_results(tmp_path / "results")
    made = across_context(load_comparison(path), tmp_path / "results")
    figure = figure_across(made)
    names = [panel.name for panel in figure.chart.panels]  # type: ignore[union-attr]
    assert names == [f"Psilocybin, depression ({id})" for id in TRIALS]
    assert "definitions of the event differ" not in figure.caption
    header = table_across(made).grid.groups[0].header
    assert header is not None
    assert header.text == "Psilocybin, depression (long)"


def test_files_are_the_same_bytes_twice_and_the_page_links_every_number(
    folder: Path,
) -> None:
    comparison = load_comparison(folder / "data/durability.yaml")
    results = folder / "results"
    made = []
    for name in ("one", "two"):
        render_across(comparison, results, folder / name)
        write_across(comparison, results, folder / name)
        files = sorted(path for path in (folder / name).rglob("*") if path.is_file())
        made.append({path.name: path.read_bytes() for path in files})
    assert made[0] == made[1]
    assert len(made[0]) == 7
    page = made[0]["report.html"].decode("utf-8")
    assert not re.search(r"https?:", page)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    links = set(re.findall(r'href="#([^"]+)"', page))
    assert links <= set(ids)
    assert "Trial of ketamine" in page
    said = json.loads(made[0]["durability-panels.json"])
    assert (said["study"], said["kind"]) == ("durability", "figure")


def test_a_result_that_failed_is_said_and_takes_nothing_down(folder: Path) -> None:
    comparison = load_comparison(folder / "data/durability.yaml")
    results = folder / "failed"
    write_all_results(results)
    rows = ArdRows(study="short", analysis="kept", prespecified="N")
    rows.fail("nobody responded", term="analysis")
    write_ard(rows, results / "short/ard/kept.parquet")
    context = across_context(comparison, results)
    table = table_across(context)
    (failure,) = table.failures
    assert failure.endswith("not computed, because nobody responded.")
    cells = [
        cell.text
        for header, row in rows_of(table.grid)
        if header.startswith("KETAMINE")
        for cell in row.cells
    ]
    assert set(cells) == {"\u2013"}
    assert figure_across(context).chart is not None


def test_results_that_are_absent_or_of_others_are_named(folder: Path) -> None:
    comparison = load_comparison(folder / "data/durability.yaml")
    with pytest.raises(DataError, match="run the study long first"):
        across_context(comparison, folder / "nothing")
    results = folder / "mixed"
    write_all_results(results)
    write_ard(kept_results("long"), results / "short/ard/kept.parquet")
    with pytest.raises(DataError, match="its study is long, not short"):
        across_context(comparison, results)
    with pytest.raises(RenderError, match="not a description of a display"):
        write_across(comparison, folder / "results", folder / "empty")
