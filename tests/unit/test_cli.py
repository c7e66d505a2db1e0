from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from outcomes.ard.rows import ArdRows, point_level, write_ard
from outcomes.cli import main
from shared import ROOT

STUDY = ROOT / "data/mdma-ptsd/study.yaml"

BREAKS = """
import sys, resource
sys.argv = ["outcomes", "--help"]
from outcomes.cli import main
try:
    main()
except SystemExit:
    pass
heavy = {"numpy", "pandas", "scipy", "matplotlib", "pyarrow", "statsmodels",
         "pingouin", "formulaic", "pydantic", "snakemake"} & set(sys.modules)
assert not heavy, heavy
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="resource is POSIX")
def test_help_is_light() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BREAKS], capture_output=True, text=True, check=True
    )
    assert "simulate" in done.stdout
    assert float(done.stderr) < 0.3


@pytest.mark.parametrize("words", [[], ["fly"], ["analyse", str(STUDY)], ["compare"]])
def test_a_wrong_call_exits_with_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(words)
    assert raised.value.code == 2


def test_an_unknown_id_exits_with_2_and_names_the_nearest(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = str(tmp_path)
    words = ["analyse", str(STUDY), "primry", "--adam", folder, "--out", folder]
    assert main(words) == 2
    assert "Did you mean 'primary'?" in capsys.readouterr().err


def test_a_negative_tolerance_is_a_wrong_call(tmp_path: Path) -> None:
    assert main(["compare", str(tmp_path), str(tmp_path), "--rel", "-1"]) == 2


def test_a_stage_without_its_input_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = str(tmp_path / "nothing")
    words = ["derive", str(STUDY), "--sdtm", folder, "--out", str(tmp_path)]
    assert main(words) == 1
    assert "DataError" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ketamine-trd", "mdma-ptsd", "psilocybin-trd"])
def test_the_embedded_trials_are_clean(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["check", str(ROOT / "data" / name / "study.yaml")]) == 0
    assert "0 errors" in capsys.readouterr().err


def test_check_prints_json_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(STUDY), "--json", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert {issue["severity"] for issue in json.loads(captured.out)} <= {
        "note",
        "warning",
    }
    assert captured.err == ""


def test_check_tells_what_derivation_settles(
    capsys: pytest.CaptureFixture[str],
) -> None:
    began = time.process_time()
    assert main(["check", str(STUDY), "--quiet"]) == 0
    assert time.process_time() - began < 6.0
    out = capsys.readouterr().out
    assert "note: adqs, column ANL01RS" in out
    assert "ANOTHER RECORD IS ANALYSED: 3 administrations of CAPS-5" in out
    assert "UNSCHEDULED, IN NO WINDOW: 5 administrations" in out
    assert "form the group 'POOLED'" in out


def _edited(folder: Path, edit: Callable[[dict[str, Any]], None]) -> list[str]:
    content = yaml.safe_load(STUDY.read_text("utf-8"))
    edit(content)
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return ["check", str(path), "--data-root", str(STUDY.parent), "--quiet"]


def test_check_says_what_had_to_wait_for_the_form(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def form(content: dict[str, Any]) -> None:
        content["analyses"][0]["population"] = 3

    def meaning(content: dict[str, Any]) -> None:
        content["analyses"][0]["population"] = "FSA"

    for edit, waits in ((form, True), (meaning, False)):
        assert main(_edited(tmp_path, edit)[:-1]) == 1
        said = capsys.readouterr().err.rstrip()
        sentence = "Checks of the plan's meaning wait until its form is right."
        assert said.endswith(sentence) == waits


def test_what_derivation_refuses_is_an_error_of_check(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def edit(content: dict[str, Any]) -> None:
        content["unscheduled"] = "error"

    assert main(_edited(tmp_path, edit)) == 1
    out = capsys.readouterr().out
    (line,) = [one for one in out.splitlines() if one.startswith("error:")]
    assert "unscheduled administrations (01-008" in line


def test_an_analysis_of_a_visit_without_records_is_an_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    year = {"id": "YEAR1", "label": "Year 1", "day": 365}

    def edit(content: dict[str, Any]) -> None:
        content["visits"].append(year)
        for analysis in content["analyses"]:
            if analysis["id"] in ("primary", "distribution"):
                analysis["visit"] = "YEAR1"
            if analysis["id"] == "distribution":
                analysis["accept_error"] = True
            if analysis["id"] == "responders":
                analysis["visits"] = ["WEEK18", "YEAR1"]
            if analysis["id"] == "primary":
                analysis["model"]["averages"] = {"late": ["WEEK18", "YEAR1"]}

    assert main([*_edited(tmp_path, edit), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    told = [f for f in found if "at YEAR1" in f["message"] and "key" in f]
    assert {(f["severity"], f["key"]) for f in told} == {
        ("error", "analyses.primary.visit"),
        ("error", "analyses.primary.model.averages.late"),
        ("warning", "analyses.distribution.visit"),
        ("error", "analyses.responders.visits"),
    }
    assert told[0]["message"] == (
        "no record of CAPS-5 has a value at YEAR1; visits with one: SCREENING, "
        "BASELINE, POST1, POST2, WEEK18."
    )


def test_one_cause_with_many_rows_is_shown_by_its_first(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def edit(content: dict[str, Any]) -> None:
        content["sources"]["ex"]["date_format"] = "%d.%m.%Y"

    words = _edited(tmp_path, edit)
    assert main(words) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all('Declare date_format: "%Y-%m-%d"' in line for line in lines[:3])
    assert lines[3].startswith("error: raw/dosing.csv, column date: and ")
    assert lines[3].endswith(" more rows (--json lists all).")
    assert main([*words, "--json"]) == 1
    listed = json.loads(capsys.readouterr().out)
    assert len(listed) == 3 + int(re.findall(r"and (\d+)", lines[3])[0])


def test_a_file_that_is_no_yaml_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("sources:\n  dm:\n    decimal: ,\n", encoding="utf-8")
    assert main(["check", str(path), "--quiet"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("error: study.yaml: line 3: expected the node content")
    assert "needs double quotes" in out


def _ards(folder: Path, number: int) -> tuple[str, str]:
    for name, shift in (("one", 0.0), ("two", 1.0)):
        rows = ArdRows(study="demo", analysis="primary", prespecified="Y")
        for place in range(number):
            level = point_level(place)
            rows.add("estimate", 10.0 + place + shift, level=level, term="point")
        (folder / name).mkdir()
        write_ard(rows, folder / name / "primary.parquet")
    return str(folder / "one"), str(folder / "two")


def test_compare_shows_what_tells_differences_apart(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one, two = _ards(tmp_path, 60)
    assert main(["compare", one, two, "--quiet"]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert lines[0] == "all of study demo, analysis primary, term point"
    header = ["level", "statistic", "difference", "a", "b", "absolute", "relative"]
    assert lines[1].split() == header
    assert lines[2].split()[:2] == ["0000", "estimate"]
    assert len(lines) == 2 + 50 + 1
    assert lines[-1] == "and 10 more (--json lists all)"
    assert main(["compare", one, two, "--json", "--quiet"]) == 1
    assert len(json.loads(capsys.readouterr().out)) == 60
    assert main(["compare", one, one, "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_compare_says_what_is_not_there_and_its_tolerances(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one, _ = _ards(tmp_path, 1)
    for name in ("none", "none.parquet", "none.csv"):
        assert main(["compare", one, str(tmp_path / name)]) == 1
        assert "no such ARD file or folder" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    shown = capsys.readouterr().out
    assert "relative tolerance (1e-06)" in shown
    assert "absolute tolerance (0)" in shown


def test_check_lists_all_problems_of_plan_and_data_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "trial"
    shutil.copytree(STUDY.parent, folder)
    content = yaml.safe_load((folder / "study.yaml").read_text("utf-8"))
    content["study"]["colour"] = "blue"
    content["analyses"][0]["prespecfied"] = True
    content["populations"]["FAS"] = "__import__('os').system('true')"
    (folder / "study.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    caps = (folder / "raw/caps5.csv").read_text("utf-8").splitlines()
    header = caps[0].split(",")
    item, date, visit, subject = (
        header.index(name) for name in ("caps5_03", "date", "visit", "subject_id")
    )
    for row, column, value in (
        (1, item, "7"),
        (2, item, "1.5"),
        (3, date, "2023-02-30"),
        (4, visit, "WEEK17"),
        (5, subject, "99-999"),
    ):
        cells = caps[row].split(",")
        cells[column] = value
        caps[row] = ",".join(cells)
    (folder / "raw/caps5.csv").write_text("\n".join(caps) + "\n", encoding="utf-8")
    subjects = (folder / "raw/subjects.csv").read_text("utf-8").splitlines()
    subjects[1] = subjects[1].replace(",MDMA,", ",MDAM,").replace(",PBO,", ",MDAM,", 1)
    (folder / "raw/subjects.csv").write_text("\n".join(subjects) + "\n", "utf-8")
    (folder / "raw/dosing.csv").unlink()
    (folder / "raw/deviations.csv").write_bytes(b"\xff\xfe\x00\x01")
    (folder / "raw/medications.csv").write_bytes(b"")
    before = sorted(path.name for path in folder.rglob("*"))

    assert main(["check", str(folder / "study.yaml")]) == 1
    out = capsys.readouterr().out
    for part in (
        "study.colour",
        "analyses.disposition.prespecfied",
        "Did you mean 'prespecified'?",
        "row 2, column caps5_03",
        "'7'",
        "row 3, column caps5_03",
        "'1.5'",
        "'2023-02-30'",
        "'WEEK17'",
        "'WEEK18'",
        "99-999",
        "dosing.csv",
        "deviations.csv",
        "medications.csv",
    ):
        assert part in out, part
    assert "Traceback" not in out
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_check_tells_of_a_population_that_calls_something(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    content = yaml.safe_load(STUDY.read_text("utf-8"))
    content["populations"]["FAS"] = "__import__('os').system('true')"
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    words = ["check", str(path), "--data-root", str(STUDY.parent)]
    assert main(words) == 1
    assert "populations.FAS" in capsys.readouterr().out


def test_simulate_and_schema_write_what_is_committed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["simulate", "mdma-ptsd", "--out", str(tmp_path), "--quiet"]) == 0
    assert (tmp_path / "truth.json").read_bytes() == (
        STUDY.parent / "truth.json"
    ).read_bytes()
    assert main(["simulate", "mdma", "--out", str(tmp_path)]) == 1
    assert "mdma-ptsd" in capsys.readouterr().err
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Study"


@pytest.mark.parametrize("below", ["", "/a", "/a/b"])
def test_an_out_that_is_a_file_is_refused_in_one_sentence(
    below: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    assert main(["run", str(STUDY), "--out", f"{tmp_path}/file{below}"]) == 2
    said = capsys.readouterr().err
    assert "is a file; name a folder" in said
    assert said.count("\n") == 1


def test_what_the_system_refuses_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mdma-ptsd").write_text("x")
    assert main(["run", str(STUDY), "--out", str(tmp_path), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "mdma-ptsd" in said
    assert said.count("\n") == 1
    assert main(["run", str(STUDY), "--out", str(tmp_path / ("a" * 300))]) == 2
    assert "too long" in capsys.readouterr().err


def test_an_empty_out_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["run", str(STUDY), "--out", ""])
    assert raised.value.code == 2
    assert "the path is empty" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--rel", "--abs"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
def test_a_tolerance_is_a_number_of_0_or_more(
    option: str, value: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    rows = ArdRows(study="t", analysis="x", prespecified="Y")
    rows.add("estimate", 1.0)
    write_ard(rows, path)
    assert main(["compare", str(path), str(path), f"{option}={value}"]) == 2
    assert main(["compare", str(path), str(path), f"{option}=0.1"]) == 0


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
@pytest.mark.parametrize("json_too", [[], ["--json"]])
def test_a_terminal_without_a_letter_gets_it_spelled_out(
    encoding: str, json_too: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "study.yaml"
    path.write_text('study: {id: t, titl: "\N{GREEK SMALL LETTER ALPHA}"}\n\u03b2: 1\n')
    done = subprocess.run(
        [sys.executable, "-m", "outcomes", "check", str(path), *json_too],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=False,
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    said = done.stdout.decode(encoding)
    assert ("\\u03b2" if encoding != "utf-8" else "\u03b2") in said
    if json_too:
        assert any(one.get("key") == "\u03b2" for one in json.loads(said))


def test_the_manifest_removes_what_no_job_makes_any_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = yaml.safe_load(STUDY.read_text(encoding="utf-8"))
    few = ("disposition", "primary")
    content["analyses"] = [one for one in content["analyses"] if one["id"] in few]
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump(content), encoding="utf-8")
    shutil.copytree(STUDY.parent / "raw", tmp_path / "raw")
    assert main(["run", str(study), "--out", str(tmp_path), "--quiet"]) == 0
    results = tmp_path / "mdma-ptsd"
    for name in ("ard/older.parquet", "sdtm/older.parquet"):
        (results / name).write_bytes(b"x")
    stale = results / "ard/.primary.parquet.x1.partial"
    foreign = results / ".mine.partial"
    for path in (stale, foreign):
        path.write_bytes(b"x")
    capsys.readouterr()
    words = [str(study), "--results", str(results), "--quiet"]
    assert main(["accept", str(tmp_path / "none.yaml"), *words[1:]]) == 1
    assert stale.exists()
    assert main(["accept", *words]) == 0
    assert not stale.exists()
    assert foreign.exists()
    capsys.readouterr()
    assert main(["manifest", *words]) == 0
    assert capsys.readouterr().err == (
        "removed 2 files of an earlier plan: ard/older.parquet, sdtm/older.parquet\n"
    )
    assert not (results / "ard/older.parquet").exists()
    assert (results / "ard/primary.parquet").exists()
    assert main(["manifest", *words]) == 0
    assert capsys.readouterr().err == ""
