from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from golden.small_trial import CONTENT, small_study, write_issues, write_results
from outcomes.ard.rows import ArdRows, read_ard, write_ard
from outcomes.displays.render import render_displays
from outcomes.errors import DataError, RenderError
from outcomes.report.write import write_report
from outcomes.study.load import StudyFile

# what they share is made once
pytestmark = pytest.mark.xdist_group("report")

EVIL = "<script>alert('x')</script>"


class Page(HTMLParser):
    """What tests ask of a page: ids, links, attributes, and what is inside what."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.loose_tables = 0
        self.values: list[str] = []
        self._open: list[tuple[str, str]] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given.get("href", ""))
            if given.get("class") == "value":
                self.values.append(given["href"])
        self.sources += [given[name] for name in ("src", "xlink:href") if name in given]
        if tag not in ("a",) and "href" in given:
            self.sources.append(given["href"])
        if tag == "table" and not any(c.startswith("scroll") for _, c in self._open):
            self.loose_tables += 1
        if tag not in ("meta", "link", "br", "img", "input"):
            self._open.append((tag, given.get("class", "")))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyFile, Path, str]:
    folder = tmp_path_factory.mktemp("report")
    study = small_study(folder)
    write_results(folder, study)
    ids = [analysis.id for analysis in study.spec.analyses]
    render_displays(study, ids, folder / "ard", folder)
    write_report(study, folder)
    return study, folder, (folder / "report.html").read_text(encoding="utf-8")


def test_every_link_has_its_target_and_every_id_is_unique(
    made: tuple[StudyFile, Path, str],
) -> None:
    page = Page(made[2])
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith("#") for link in page.links)
    assert {link[1:] for link in page.links} <= set(page.ids)


def test_every_number_of_every_display_links_to_its_row(
    made: tuple[StudyFile, Path, str],
) -> None:
    _, folder, html = made
    page = Page(html)
    known = set(read_ard(folder)["result_id"])
    assert {value[1:] for value in page.values} <= known
    shown = set()
    for path in folder.glob("*s/*.json"):
        content = json.loads(path.read_text("utf-8"))
        fragment = content.get("html") or content["numbers"]
        shown |= set(re.findall(r'data-result-id="([^"]+)"', fragment))
    assert {value[1:] for value in page.values} == shown
    assert known <= set(page.ids), "every ARD row stands in the appendix"


def test_report_reaches_for_nothing_outside(made: tuple[StudyFile, Path, str]) -> None:
    html = made[2]
    page = Page(html)
    assert not re.search(r"https?:", html)
    assert not re.search(r"@import|@font-face|url\((?!#)", html)
    assert all(s.startswith(("#", "data:image/")) for s in page.sources)
    assert not {"link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert page.tags.count("script") == 1


def test_policy_admits_the_one_script_and_nothing_else(
    made: tuple[StudyFile, Path, str],
) -> None:
    html = made[2]
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert f"script-src 'sha256-{digest}'" in policy[1]
    assert "connect-src" not in policy[1]


def test_displays_stand_in_order_of_their_numbers(
    made: tuple[StudyFile, Path, str],
) -> None:
    order = re.findall(
        r'<section class="display-section" id="display-([\w-]+)"', made[2]
    )
    assert order == [
        "disposition-counts",
        "baseline-characteristics",
        "missing-observed",
        "primary-estimates",
        "primary-over-time",
        "clusters-components",
        "relapse-survival",
        "response-rates",
        "spread-ecdf",
        "course-probabilities",
        "relapse-durability",
        "relapse-incidence",
        "relapse-entry",
        "relapse-swimmer",
        "mystical-scatter",
        "relapse-hazards",
        "mystical-coefficients",
        "course-probability-curves",
        "clusters-caterpillar",
        "checks-checks",
        "checks-residuals",
        "checks-correlation",
        "checks-left-out",
        "checks-influence",
    ]
    headings = re.findall(r'<h2 id="section-[^"]*">([^<]*)', made[2])
    assert headings == ["14.1 Study population", "14.2 Efficacy", "16.1 Diagnostics"]


def test_every_display_is_labelled_and_marked_synthetic(
    made: tuple[StudyFile, Path, str],
) -> None:
    sections = made[2].split('<section class="display-section"')[1:]
    assert len(sections) == 24
    for section in sections:
        assert re.search(r">(PRE-SPECIFIED|EXPLORATORY)</span>", section)
        assert ">SYNTHETIC DATA</span>" in section
    assert '<p class="banner" role="note">SYNTHETIC DATA.' in made[2]


def test_figures_have_alternative_text_and_their_numbers(
    made: tuple[StudyFile, Path, str],
) -> None:
    figures = re.findall(r"<figure>.*?</figure>", made[2], re.DOTALL)
    assert len(figures) == 12
    for figure in figures:
        assert re.search(r'<svg [^>]*role="img"', figure)
        assert re.search(r'aria-label="[^"]{40,}"', figure)
        assert "<style" not in figure
    assert made[2].count('<details class="numbers') == 12


def test_study_is_told_in_words(made: tuple[StudyFile, Path, str]) -> None:
    html = made[2]
    for words in (
        "parallel-group, randomised, 2 arms",
        "change from baseline in the MADRS total score",
        "reduction by at least 50% of the MADRS total score",
        "rescue medication by the treatment-policy strategy",
        "19 to 26",
        "RANDFL == &#39;Y&#39;",
    ):
        assert words in html


def test_issue_log_is_summed_up_and_escaped(made: tuple[StudyFile, Path, str]) -> None:
    html = made[2]
    assert "visit-outside-window" in html
    assert "madrs.csv, row 7, date, subject 01-007" in html
    assert "the date is &lt;b&gt;outside&lt;/b&gt; the window" in html


def test_tables_scroll_in_their_own_box_on_a_phone(
    made: tuple[StudyFile, Path, str],
) -> None:
    html = made[2]
    assert Page(html).loose_tables == 0
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in html
    assert re.search(r"\.scroll \{ overflow-x: auto; max-width: 100%", html)
    assert re.search(r"th\.stub \{ position: sticky; left: 0", html)
    assert re.search(r"figure \.drawing \{ overflow-x: auto", html)


def test_print_has_page_rules(made: tuple[StudyFile, Path, str]) -> None:
    html = made[2]
    assert "@page" in html
    assert "@media print" in html
    assert "break-inside: avoid" in html


def test_same_results_give_the_same_bytes(made: tuple[StudyFile, Path, str]) -> None:
    study, folder, html = made
    write_report(study, folder)
    assert (folder / "report.html").read_text(encoding="utf-8") == html


def test_report_of_failed_analyses_says_so(tmp_path: Path) -> None:
    study = small_study(tmp_path)
    for analysis in study.spec.analyses:
        rows = ArdRows(study="small", analysis=analysis.id, prespecified="N")
        rows.fail(f"nobody was observed {EVIL}", term="analysis")
        write_ard(rows, tmp_path / "ard" / f"{analysis.id}.parquet")
    write_issues(tmp_path)
    ids = [analysis.id for analysis in study.spec.analyses]
    render_displays(study, ids, tmp_path / "ard", tmp_path)
    write_report(study, tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert html.count(">Not computed, because nobody was observed") == 24
    assert "error: nobody was observed" in html
    assert Page(html).tags.count("script") == 1


def test_markup_of_the_study_is_escaped(tmp_path: Path) -> None:
    content = copy.deepcopy(CONTENT)
    content["study"].update(title=EVIL, compound=EVIL, synthetic=False)
    content["arms"][1]["label"] = EVIL
    content["visits"][1]["label"] = EVIL
    content["analyses"][3]["title"] = EVIL
    content["estimands"][0]["label"] = EVIL
    content["endpoints"]["madrs_response"]["label"] = EVIL
    study = small_study(tmp_path, **content)
    write_results(tmp_path, study)
    render_displays(study, ["primary"], tmp_path / "ard", tmp_path)
    write_report(study, tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert Page(html).tags.count("script") == 1
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert") > 8
    assert "SYNTHETIC" not in html


def test_displays_left_from_an_earlier_study_file_are_not_shown(
    made: tuple[StudyFile, Path, str], tmp_path: Path
) -> None:
    _, folder, _ = made
    content = copy.deepcopy(CONTENT)
    content["analyses"] = [a for a in content["analyses"] if a["id"] != "spread"]
    content["displays"] = [{"id": "mystical-scatter", "omit": True}]
    for part in ("tables", "figures", "ard", "adam"):
        (tmp_path / part).symlink_to(folder / part)
    write_report(small_study(tmp_path, **content), tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "display-primary-over-time" in html
    assert "spread-ecdf" not in html
    assert "display-mystical-scatter" not in html


def test_display_older_than_the_results_stops_the_report(tmp_path: Path) -> None:
    study = small_study(tmp_path)
    write_results(tmp_path, study)
    render_displays(study, ["primary-estimates"], tmp_path / "ard", tmp_path)
    rows = ArdRows(study="small", analysis="primary", prespecified="Y")
    rows.add("n", 1, term="observed-value", arm="PSI25")
    write_ard(rows, tmp_path / "ard" / "primary.parquet")
    with pytest.raises(RenderError, match="make the displays again"):
        write_report(study, tmp_path)


def test_report_without_results_says_which_stage_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run the stage before"):
        write_report(small_study(tmp_path), tmp_path)


def test_broken_description_is_named(tmp_path: Path) -> None:
    study = small_study(tmp_path)
    write_results(tmp_path, study)
    path = tmp_path / "tables" / "primary-estimates.json"
    path.parent.mkdir()
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(RenderError, match=r"primary-estimates\.json"):
        write_report(study, tmp_path)


def test_summary_says_whose_study_days_count_from_another_day(tmp_path: Path) -> None:
    import pandas as pd

    from outcomes.datasets.results import ISSUES
    from outcomes.datasets.store import write_csv

    study = small_study(tmp_path)
    write_results(tmp_path, study)
    message = "2 subjects without first dose: day 1 is the date of randomisation."
    row = {
        "stage": "derive",
        "severity": "note",
        "rule": "study-day-origin",
        "file": "adqs",
        "column": "ADY",
        "message": message,
        "remedy": "origin: first-dose",
    }
    write_csv(pd.DataFrame([row]), tmp_path / "adam" / "issues.csv", ISSUES)
    write_report(study, tmp_path)
    html = (tmp_path / "report.html").read_text("utf-8")
    assert f"which is day 1; there is no day 0. {message} " in html
    assert "Follow-up begins with Week 12; not everybody enters it" in html


def test_populations_have_their_words_beside_their_rule(
    made: tuple[StudyFile, Path, str],
) -> None:
    line = "<dt>Full analysis set (FAS)</dt><dd><code>RANDFL == &#39;Y&#39;</code></dd>"
    assert line in made[2]


def test_an_analysis_without_a_title_is_called_by_what_it_does(
    made: tuple[StudyFile, Path, str],
) -> None:
    for title in (
        "Change from baseline: MADRS total score, Week 3 (primary)",
        "Yes/no endpoints: MADRS response (response)",
        "Prediction of change: MADRS total score, by MEQ30 total, Week 3",
        "Disposition (disposition)",
    ):
        assert f'<th class="stub" scope="row">{title}' in made[2]
        assert f"<summary>{title}" in made[2]


def test_one_arm_is_enrolled_in_the_summary() -> None:
    from outcomes.report.summary import summary_of
    from outcomes.study.spec import Study

    content = copy.deepcopy(CONTENT)
    content["study"]["design"] = "single-arm"
    content["origin"] = "randomisation"
    content["arms"] = content["arms"][:1]
    content["populations"]["RAND"] = "RANDFL == 'Y'"
    summary = summary_of(Study.model_validate(content), [])
    assert summary.day_one == "enrolment"
    names = [population.name for population in summary.populations]
    assert names[-1] == "All enrolled subjects (RAND)"


def test_displays_of_an_earlier_question_are_not_read(tmp_path: Path) -> None:
    study = small_study(tmp_path)
    write_results(tmp_path, study)
    orphan = tmp_path / "tables" / "primary-counts.json"
    orphan.parent.mkdir()
    content = {"id": "primary-counts", "analysis": "primary", "kind": "table"}
    orphan.write_text(json.dumps(content), encoding="utf-8")
    write_report(study, tmp_path)
    assert "primary-counts" not in (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("key", "value"), [("study", "other"), ("analysis", "spread"), ("id", "x")]
)
def test_a_display_of_something_else_stops_the_report(
    tmp_path: Path, key: str, value: str
) -> None:
    study = small_study(tmp_path)
    write_results(tmp_path, study)
    render_displays(study, ["primary-estimates"], tmp_path / "ard", tmp_path)
    path = tmp_path / "tables" / "primary-estimates.json"
    content = {**json.loads(path.read_text("utf-8")), key: value}
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RenderError, match=r"primary-estimates\.json: this is"):
        write_report(study, tmp_path)


def test_results_of_another_study_stop_the_report(tmp_path: Path) -> None:
    study = small_study(tmp_path)
    write_results(tmp_path, study)
    rows = ArdRows(study="other", analysis="primary", prespecified="Y")
    rows.add("n", 1, term="observed-value", arm="PSI25")
    write_ard(rows, tmp_path / "ard" / "primary.parquet")
    with pytest.raises(DataError, match=r"primary\.parquet: its study is other"):
        write_report(study, tmp_path)
