from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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


@pytest.mark.parametrize("name", ["mdma-ptsd", "psilocybin-trd"])
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
