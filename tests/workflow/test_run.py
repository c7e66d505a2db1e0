from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from clones import TRIAL, Clone, digests, make_clone

from shared import ROOT

pytestmark = pytest.mark.xdist_group("workflow")

CLOCK = ("manifest.json",)
"""The one file with a clock in it, in its run block."""


def manifest(clone: Clone) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((clone.results / "manifest.json").read_text())
    assert content.pop("run")
    return content


def test_a_run_makes_everything_the_plan_promises(finished: Clone) -> None:
    for name in ("report.html", "manifest.json", "issues.csv", "accepted.csv"):
        assert (finished.results / name).is_file()
    listed = {entry["path"] for entry in manifest(finished)["outputs"]}
    made = set(digests(finished.results))
    assert made - listed == {"manifest.json", "accepted.csv"}
    assert listed <= made


def test_nothing_runs_again_when_nothing_changed(finished: Clone) -> None:
    assert finished.planned() == set()


def test_one_core_and_two_give_the_same_bytes(finished: Clone, clone: Clone) -> None:
    done = clone.snakemake("-c1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert digests(clone.results, without=CLOCK) == digests(
        finished.results, without=CLOCK
    )
    assert manifest(clone) == manifest(finished)


def test_the_plan_without_snakemake_gives_the_same_bytes(
    finished: Clone, clone: Clone
) -> None:
    done = clone.outcomes("run", str(clone.study), "--out", "results")
    assert done.returncode == 0, done.stderr
    assert digests(clone.results, without=CLOCK) == digests(
        finished.results, without=CLOCK
    )


@pytest.mark.slow
def test_compare_finds_two_runs_identical_and_names_what_moved(
    finished: Clone, copy_of_finished: Clone
) -> None:
    ours, theirs = finished.results / "ard", copy_of_finished.results / "ard"
    done = finished.outcomes("compare", str(ours), str(theirs))
    assert done.returncode == 0, done.stdout
    assert "identical" in done.stderr

    def edit(content: dict[str, Any]) -> None:
        for analysis in content["analyses"]:
            if analysis["id"] == "primary":
                analysis["model"]["covariance"] = "cs"

    copy_of_finished.edit(edit)
    assert copy_of_finished.snakemake("-c2").returncode == 0
    done = finished.outcomes("compare", str(ours), str(theirs))
    assert done.returncode == 1
    assert "primary" in done.stdout


def test_editing_one_analysis_plans_only_what_depends_on_it(
    copy_of_finished: Clone,
) -> None:
    def edit(content: dict[str, Any]) -> None:
        for analysis in content["analyses"]:
            if analysis["id"] == "primary":
                analysis["conf_level"] = 0.9

    copy_of_finished.edit(edit)
    planned = copy_of_finished.planned()
    assert "analyse/primary" in planned
    for other in ("ingest", "derive", "analyse/disposition"):
        assert other not in planned
    assert not {name for name in planned if name.startswith("display/disposition")}
    assert {"report", "manifest", "accept"} <= planned


def test_editing_a_model_plans_what_uses_it_and_nothing_else(
    copy_of_finished: Clone, tmp_path: Path
) -> None:
    package = tmp_path / "src" / "outcomes"
    shutil.copytree(ROOT / "src/outcomes", package)
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    elsewhere = {"PYTHONPATH": str(package.parent)}
    assert copy_of_finished.planned(env=elsewhere) == set()
    with (package / "models/mmrm/likelihood.py").open("a") as stream:
        stream.write("\n# a change\n")
    planned = copy_of_finished.planned(env=elsewhere)
    assert "analyse/primary" in planned
    assert not {"ingest", "derive", "analyse/disposition"} & planned


def test_a_raw_file_replaced_by_an_older_one_is_read_again(
    copy_of_finished: Clone,
) -> None:
    raw = copy_of_finished.study.parent / "raw/caps5.csv"
    old = raw.read_text("utf-8")
    raw.write_text(old.replace(",0,1,", ",1,0,", 1), encoding="utf-8")
    assert raw.read_text("utf-8") != old
    os.utime(raw, (1_500_000_000, 1_500_000_000))
    assert "ingest" in copy_of_finished.planned()


def test_paths_with_every_kind_of_character_work(tmp_path: Path) -> None:
    clone = make_clone(tmp_path / "a clone $HOME 'of' \"mine\" é;x")

    def moved(name: str) -> subprocess.CompletedProcess[str]:
        (clone.root / "data" / TRIAL).rename(clone.root / name)
        config = {"studies": {TRIAL: {"study": f"{name}/study.yaml"}}}
        text = yaml.safe_dump(config)
        (clone.root / "config/config.yaml").write_text(text, encoding="utf-8")
        done = clone.snakemake("-c2", "--until", f"{TRIAL}.derive")
        (clone.root / name).rename(clone.root / "data" / TRIAL)
        return done

    done = moved("study's $(data) *")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (clone.results / "adam/adsl.parquet").is_file()
    done = moved("st{u}dy")
    assert done.returncode != 0
    assert "takes braces in a path for" in done.stdout + done.stderr


@pytest.mark.slow
def test_a_lost_file_is_made_again(copy_of_finished: Clone) -> None:
    before = digests(copy_of_finished.results, without=CLOCK)
    (copy_of_finished.results / "ard/primary.parquet").unlink()
    assert "analyse/primary" in copy_of_finished.planned()
    assert copy_of_finished.snakemake("-c2").returncode == 0
    assert digests(copy_of_finished.results, without=CLOCK) == before


def _killed_after(clone: Clone, seconds: float) -> None:
    process = subprocess.Popen(
        clone.command("-c2"),
        cwd=clone.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(seconds)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(2.5, marks=pytest.mark.slow),
        pytest.param(4.5, marks=pytest.mark.slow),
        7.0,
        pytest.param(9.5, marks=pytest.mark.slow),
        pytest.param(13.0, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_is_finished_by_the_next_one(
    finished: Clone, tmp_path: Path, seconds: float
) -> None:
    clone = make_clone(tmp_path / "a clone")
    _killed_after(clone, seconds)
    done = clone.snakemake("-c2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert digests(clone.results, without=CLOCK) == digests(
        finished.results, without=CLOCK
    )
    assert manifest(clone) == manifest(finished)


def test_an_analysis_that_fails_stops_only_the_last_job(
    copy_of_finished: Clone,
) -> None:
    def edit(content: dict[str, Any]) -> None:
        for analysis in content["analyses"]:
            if analysis["id"] == "primary":
                analysis["population"] = "NOBODY"
                analysis.pop("estimand", None)
                analysis["endpoint"] = "caps5_change"
        content["populations"]["NOBODY"] = "AGE > 200"

    copy_of_finished.edit(edit)
    done = copy_of_finished.snakemake("-c2")
    assert done.returncode != 0
    log = (copy_of_finished.root / f"logs/{TRIAL}/accept.log").read_text()
    assert "primary" in log
    assert "accept_error" in log
    assert (copy_of_finished.results / "report.html").is_file()

    def accept(content: dict[str, Any]) -> None:
        for analysis in content["analyses"]:
            if analysis["id"] == "primary":
                analysis["accept_error"] = True

    copy_of_finished.edit(accept)
    assert copy_of_finished.snakemake("-c2").returncode == 0
    assert "primary" in (copy_of_finished.results / "accepted.csv").read_text()


def test_a_broken_study_is_explained_without_a_traceback(clone: Clone) -> None:
    clone.edit(lambda content: content["study"].update(compund="x"))
    done = clone.snakemake("-c1")
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Did you mean 'compound'?" in text
    assert "Traceback" not in text


def test_broken_raw_data_stop_the_run_and_name_the_cell(clone: Clone) -> None:
    raw = clone.study.parent / "raw/caps5.csv"
    lines = raw.read_text("utf-8").splitlines()
    header = lines[0].split(",")
    cells = lines[4].split(",")
    cells[header.index("caps5_01")] = "9"
    lines[4] = ",".join(cells)
    raw.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = clone.snakemake("-c1")
    assert done.returncode != 0
    log = (clone.root / f"logs/{TRIAL}/ingest.log").read_text()
    assert "caps5_01" in log
    assert "row 5" in log
    assert "Traceback" not in log
    assert not clone.results.exists() or not list(clone.results.rglob("*.parquet"))
