from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from outcomes.plan import STAGES, Job, Plan
from outcomes.plan_across import ComparisonPlan
from shared import ROOT

STUDIES = sorted((ROOT / "data").glob("*/study.yaml"))
STUDY = ROOT / "data/mdma-ptsd/study.yaml"
"""The one that is edited; the others are only planned."""


def plan_after(tmp_path: Path, change: Any) -> Plan:
    content = yaml.safe_load(STUDY.read_text("utf-8"))
    change(content)
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return Plan.of(path, STUDY.parent)


def changed(before: Plan, after: Plan) -> set[str]:
    """Name the jobs whose own parameters differ."""
    old = {job.name: job for job in before.jobs}
    return {job.name for job in after.jobs if old.get(job.name) != job}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan.of(STUDY)


def test_the_embedded_trials_are_there() -> None:
    assert [path.parent.name for path in STUDIES] == [
        "ketamine-trd",
        "mdma-ptsd",
        "psilocybin-trd",
    ]


def test_the_embedded_comparison_is_of_the_embedded_trials() -> None:
    plan = ComparisonPlan.of(ROOT / "data/durability.yaml")
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
    assert config["comparisons"] == {plan.id: {"file": "data/durability.yaml"}}
    studies = {id: ROOT / entry["study"] for id, entry in config["studies"].items()}
    assert plan.problems_with(studies) == []
    made = {
        f"../{path.parent.name}/{file}"
        for path in STUDIES
        for job in Plan.of(path).jobs
        for file in job.outputs
    }
    assert set(plan.job("display").inputs) <= made


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.parent.name)
def test_every_input_of_a_job_is_made_by_an_earlier_one(path: Path) -> None:
    jobs = Plan.of(path).jobs
    assert len(jobs) > 20
    assert {job.stage for job in jobs} == set(STAGES)
    made: set[str] = set()
    for job in jobs:
        assert set(job.inputs) <= made, job.name
        assert not made & set(job.outputs), job.name
        assert job.outputs, job.name
        made |= set(job.outputs)
    names = [job.name for job in jobs]
    assert len(set(names)) == len(names)


def test_the_raw_files_are_inputs_of_ingest_only_and_of_the_manifest(
    plan: Plan,
) -> None:
    assert len(plan.job("ingest").raw) > 5
    assert {job.stage for job in plan.jobs if job.raw} == {"ingest", "manifest"}


def test_file_names_are_safe_everywhere(plan: Plan) -> None:
    outputs = [file for job in plan.jobs for file in job.outputs]
    assert len({file.lower() for file in outputs}) == len(outputs)
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-_./")
    assert all(set(file) <= allowed for file in outputs)


def _edit_analysis(content: dict[str, Any]) -> None:
    found = next(a for a in content["analyses"] if a["id"] == "primary")
    found["conf_level"] = 0.9


def test_editing_an_analysis_touches_it_and_what_shows_it(
    plan: Plan, tmp_path: Path
) -> None:
    touched = changed(plan, plan_after(tmp_path, _edit_analysis))
    # Diagnostics are of the analysis, so that they read it too.
    own = {"analyse/primary", "analyse/primary-diagnostics"}
    files = {"ard/primary.parquet", "ard/primary-diagnostics.parquet"}
    shown = {job.name for job in plan.jobs if files & set(job.inputs)}
    assert {name for name in touched if name.startswith("analyse")} == own
    assert touched <= shown | own | {"report", "manifest", "accept"}


def test_diagnostics_touch_nothing_but_themselves(plan: Plan, tmp_path: Path) -> None:
    def edit(content: dict[str, Any]) -> None:
        found = next(a for a in content["analyses"] if a["question"] == "diagnostics")
        found["leave_out"] = []

    touched = changed(plan, plan_after(tmp_path, edit))
    assert {name for name in touched if name.startswith("analyse")} == {
        "analyse/primary-diagnostics"
    }
    after = plan_after(tmp_path, edit)
    assert "primary-diagnostics-influence" not in after.ids("display")
    assert "primary-diagnostics-residuals" in after.ids("display")


@pytest.mark.parametrize("key", ["averages", "group"])
def test_a_choice_of_the_model_touches_its_analysis_only(
    key: str, plan: Plan, tmp_path: Path
) -> None:
    def edit(content: dict[str, Any]) -> None:
        found = next(a for a in content["analyses"] if a["id"] == "per-protocol")
        found["model"][key] = (
            {"late": ["POST2", "WEEK18"]} if key == "averages" else "arm"
        )

    touched = changed(plan, plan_after(tmp_path, edit))
    names = {name for name in touched if name.startswith("analyse")}
    # Disposition counts whom the prespecified analyses of change analyse.
    assert names == {"analyse/per-protocol", "analyse/disposition"}


def test_editing_a_label_of_a_display_touches_no_analysis(
    plan: Plan, tmp_path: Path
) -> None:
    id = plan.ids("display")[0]

    def edit(content: dict[str, Any]) -> None:
        content["displays"] = [{"id": id, "title": "Another title"}]

    touched = changed(plan, plan_after(tmp_path, edit))
    assert f"display/{id}" in touched
    assert not {name for name in touched if name.startswith(("analyse", "derive"))}


def test_editing_an_endpoint_touches_derive_and_not_ingest(
    plan: Plan, tmp_path: Path
) -> None:
    def edit(content: dict[str, Any]) -> None:
        for endpoint in content["endpoints"].values():
            if endpoint["kind"] == "response":
                endpoint["strict"] = True

    touched = changed(plan, plan_after(tmp_path, edit))
    assert "derive" in touched
    assert "ingest" not in touched
    assert "analyse/primary" not in touched


def test_the_command_of_a_job_names_its_files(plan: Plan) -> None:
    job: Job = plan.job("analyse", "primary")
    words = job.command(Path("data/x/study.yaml"), Path("results/x"))
    assert words == [
        "analyse",
        "data/x/study.yaml",
        "primary",
        "--adam",
        "results/x/adam",
        "--out",
        "results/x/ard",
    ]
