from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from three_trials import TRIALS, write_all_results, write_trials

from outcomes.cli import main
from outcomes.plan_across import ComparisonPlan
from shared import ROOT

Change = Callable[[dict[str, Any]], None]


def digests(folder: Path, change: Change | None = None, **studies: Change) -> list[str]:
    plan = ComparisonPlan.of(write_trials(folder, change, **studies))
    return [job.spec + job.code for job in plan.jobs]


def test_jobs_read_the_named_results_and_make_what_later_ones_read(
    tmp_path: Path,
) -> None:
    plan = ComparisonPlan.of(write_trials(tmp_path))
    assert [job.name for job in plan.jobs] == [
        "across/display",
        "across/report",
        "across/manifest",
    ]
    made = {f"../{id}/ard/kept.parquet" for id in TRIALS}
    assert set(plan.job("display").inputs) == made
    for job in plan.jobs:
        assert set(job.inputs) <= made
        assert not made & set(job.outputs)
        made |= set(job.outputs)
    words = plan.job("report").command(plan.path, Path("results/durability"))
    assert words[0] == "across"
    assert words[2:] == [
        *("report", "--results", "results"),
        *("--out", "results/durability"),
    ]


def test_only_what_is_shown_touches_a_comparison(tmp_path: Path) -> None:
    before = digests(tmp_path)

    def days(content: dict[str, Any]) -> None:
        content["days"] = [7, 28]

    def other(content: dict[str, Any]) -> None:
        content["analyses"][1]["title"] = "Another title"
        content["analyses"][0]["accept_error"] = True

    def level(content: dict[str, Any]) -> None:
        content["analyses"][0]["conf_level"] = 0.9

    def label(content: dict[str, Any]) -> None:
        content["endpoints"]["madrs_response"]["label"] = "Half as ill"

    assert digests(tmp_path, long=other) == before
    assert digests(tmp_path, days) != before
    assert digests(tmp_path, short=level) != before
    assert digests(tmp_path, short=label) != before


def test_studies_that_are_not_run_are_named(tmp_path: Path) -> None:
    plan = ComparisonPlan.of(write_trials(tmp_path))
    all_of_them = {id: tmp_path / id / "study.yaml" for id in TRIALS}
    assert plan.problems_with(all_of_them) == []
    others = {"long": all_of_them["long"], "short": tmp_path / "old/study.yaml"}
    absent, moved = plan.problems_with(others)
    assert "the study 'middle' is not run; add it to studies: middle: {" in absent
    assert "name the same file" in moved


def test_the_command_does_every_step_and_writes_a_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_trials(tmp_path / "data")
    results, out = tmp_path / "results", tmp_path / "results/durability"
    words = ["across", str(file), "--results", str(results), "--out", str(out)]
    assert main(words) == 1
    assert "run the study long first" in capsys.readouterr().err
    write_all_results(results)
    (out / "tables").mkdir(parents=True, exist_ok=True)
    (out / "tables/old-days.html").write_text("of an earlier plan", encoding="utf-8")
    assert main(words) == 0
    said = capsys.readouterr().err
    assert "removed 1 file of an earlier plan: tables/old-days.html" in said
    assert "compared 3 studies" in said
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    assert manifest["comparison"]["id"] == "durability"
    assert [entry["path"] for entry in manifest["inputs"]] == [
        f"{id}/ard/kept.parquet" for id in TRIALS
    ]
    listed = {entry["path"] for entry in manifest["outputs"]}
    there = {path.relative_to(out).as_posix() for path in out.rglob("*.*")}
    assert there - listed == {"manifest.json"}
    before = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    assert main([*words[:2], "report", *words[2:], "--quiet"]) == 0
    assert (out / "report.html").read_bytes() == before


def test_an_unknown_step_is_a_wrong_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ["--results", str(tmp_path), "--out", str(tmp_path)]
    assert main(["across", "x.yaml", "dispaly", *folder]) == 2
    assert "Did you mean 'display'?" in capsys.readouterr().err


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder with the workflow and the three trials."""
    for name in ("Snakefile", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("workflow", "profiles"):
        shutil.copytree(ROOT / name, tmp_path / name)
    write_trials(tmp_path / "data")
    return tmp_path


def snakemake(folder: Path, config: dict[str, Any]) -> tuple[int, str]:
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "-c1"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_workflow_plans_a_comparison_after_its_studies(clone: Path) -> None:
    studies = {id: {"study": f"data/{id}/study.yaml"} for id in TRIALS}
    compared = {"durability": {"file": "data/durability.yaml"}}
    code, text = snakemake(clone, {"studies": studies, "comparisons": compared})
    assert code == 0, text
    assert "rule durability.across.display:" in text
    assert "results/short/ard/kept.parquet" in text
    assert "/../" not in text


def test_a_comparison_that_does_not_fit_the_configuration_is_explained(
    clone: Path,
) -> None:
    studies = {id: {"study": f"data/{id}/study.yaml"} for id in ("long", "short")}
    compared = {"lasting": {"file": "data/durability.yaml"}}
    code, text = snakemake(clone, {"studies": studies, "comparisons": compared})
    assert code != 0
    assert "calls itself 'durability'; use that as the key." in text
    assert "the study 'middle' is not run; add it to studies" in text
    assert "Traceback" not in text
