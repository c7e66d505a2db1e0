from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from outcomes.errors import DataError
from outcomes.provenance.installation import environment, package_versions, run_facts
from outcomes.provenance.manifest import JobRecord, write_manifest

JOBS = [
    JobRecord("ingest", spec="s1", code="c1"),
    JobRecord("analyse/primary", spec="s2", code="c2"),
]


@pytest.fixture
def trial(tmp_path: Path) -> dict[str, Any]:
    raw = tmp_path / "data" / "raw"
    results = tmp_path / "results" / "trial"
    (results / "ard").mkdir(parents=True)
    raw.mkdir(parents=True)
    (raw / "madrs.csv").write_bytes(b"a\r\n1\r\n")
    (raw / "subjects.csv").write_bytes(b"b\n2\n")
    (results / "ard" / "primary.parquet").write_bytes(b"PAR1")
    (results / "report.html").write_bytes(b"<p>\xc3\xa9</p>\n")
    return {
        "study_id": "trial",
        "title": "Ein kleiner Versuch: é",
        "jobs": JOBS,
        "data_root": tmp_path / "data",
        "inputs": [raw / "subjects.csv", raw / "madrs.csv"],
        "results": results,
        "outputs": [results / "report.html", results / "ard" / "primary.parquet"],
        "seeds": {"simulate": 7, "analyse/primary": 3},
        "synthetic": True,
    }


def written(out: Path, trial: dict[str, Any]) -> dict[str, Any]:
    write_manifest(out, **trial)
    content: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return content


def test_the_manifest_names_everything_by_relative_path(
    tmp_path: Path, trial: dict[str, Any]
) -> None:
    content = written(trial["results"] / "manifest.json", trial)
    assert content["study"] == {
        "id": "trial",
        "synthetic": True,
        "title": "Ein kleiner Versuch: é",
    }
    assert content["inputs"] == [
        {
            "path": "raw/madrs.csv",
            "sha256": hashlib.sha256(b"a\r\n1\r\n").hexdigest(),
            "size": 6,
        },
        {
            "path": "raw/subjects.csv",
            "sha256": hashlib.sha256(b"b\n2\n").hexdigest(),
            "size": 4,
        },
    ]
    assert [entry["path"] for entry in content["outputs"]] == [
        "ard/primary.parquet",
        "report.html",
    ]
    assert content["jobs"] == [
        {"name": "analyse/primary", "spec": "s2", "code": "c2"},
        {"name": "ingest", "spec": "s1", "code": "c1"},
    ]
    assert list(content["seeds"]) == ["analyse/primary", "simulate"]
    assert list(content)[-1] == "run"


def test_only_the_run_block_knows_clock_and_machine(
    tmp_path: Path, trial: dict[str, Any]
) -> None:
    out = tmp_path / "manifest.json"
    early = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    content = written(out, {**trial, "started": early, "finished": early})
    assert content["run"]["started"] == "2026-01-02T03:04:05Z"
    assert content["run"]["machine"] == platform.machine()
    del content["run"]
    rest = json.dumps(content)
    assert str(tmp_path) not in rest
    assert "2026-01-02" not in rest
    assert not re.search(rf'"{platform.machine()}"|"{platform.system()}', rest)
    assert socket.gethostname() not in out.read_text(encoding="utf-8")


def test_the_order_of_arguments_and_other_runs_do_not_count(
    tmp_path: Path, trial: dict[str, Any]
) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    early = datetime(2026, 1, 1, tzinfo=UTC)
    write_manifest(first, **{**trial, "started": early, "finished": early})
    turned = {
        **trial,
        "jobs": JOBS[::-1],
        "inputs": trial["inputs"][::-1] * 2,
        "outputs": trial["outputs"][::-1] * 2,
        "seeds": dict(reversed(trial["seeds"].items())),
    }
    write_manifest(second, **turned)
    before_run = [p.read_bytes().split(b'"run": {')[0] for p in (first, second)]
    assert before_run[0] == before_run[1]
    assert first.read_bytes() != second.read_bytes()


def test_without_a_start_the_oldest_output_tells(
    tmp_path: Path, trial: dict[str, Any]
) -> None:
    moment = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
    os.utime(trial["outputs"][0], (moment.timestamp(), moment.timestamp()))
    content = written(tmp_path / "manifest.json", trial)
    assert content["run"]["started"] == "2026-05-06T07:08:09Z"
    assert content["run"]["finished"] >= content["run"]["started"]


def test_the_file_is_the_same_on_every_platform_and_whole_or_untouched(
    tmp_path: Path, trial: dict[str, Any]
) -> None:
    out = tmp_path / "deep" / "manifest.json"
    write_manifest(out, **trial)
    before = out.read_bytes()
    assert before.endswith(b"}\n")
    assert b"\r" not in before
    assert "é".encode() in before
    trial["outputs"][0].unlink()
    with pytest.raises(DataError):
        write_manifest(out, **trial)
    assert out.read_bytes() == before
    assert [path.name for path in out.parent.iterdir()] == ["manifest.json"]


def test_a_file_outside_its_folder_is_refused(
    tmp_path: Path, trial: dict[str, Any]
) -> None:
    stray = tmp_path / "stray.csv"
    stray.write_text("x\n")
    detour = trial["data_root"] / ".." / "stray.csv"
    out = tmp_path / "manifest.json"
    with pytest.raises(DataError, match=r"stray\.csv: lies outside data_root"):
        write_manifest(out, **{**trial, "inputs": [detour]})
    with pytest.raises(DataError, match=r"stray\.csv: lies outside the results"):
        write_manifest(out, **{**trial, "outputs": [stray]})
    assert not out.exists()


def test_a_missing_output_is_named(tmp_path: Path, trial: dict[str, Any]) -> None:
    gone = trial["results"] / "gone.svg"
    with pytest.raises(DataError, match=r"gone\.svg: there is no such file"):
        write_manifest(tmp_path / "m.json", **{**trial, "outputs": [gone]})


def test_two_jobs_of_one_name_are_refused(
    tmp_path: Path, trial: dict[str, Any]
) -> None:
    jobs = [*JOBS, JobRecord("ingest", spec="s9", code="c9")]
    with pytest.raises(DataError, match="job ingest: is in the plan twice"):
        write_manifest(tmp_path / "m.json", **{**trial, "jobs": jobs})


def test_the_environment_lists_direct_dependencies_sorted() -> None:
    here = environment()
    assert here == environment()
    assert list(here["packages"]) == sorted(here["packages"])
    assert {"numpy", "pandas", "pyarrow", "scipy", "pyyaml"} <= set(here["packages"])
    assert here["packages"]["numpy"] == __import__("numpy").__version__
    assert here["python"]["version"] == platform.python_version()


def test_extras_are_no_direct_dependencies_and_a_missing_one_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = ["numpy>=2", 'python-docx ; extra == "office"', "No_Such.Thing[a]>1"]
    monkeypatch.setattr("importlib.metadata.requires", lambda name: wanted)
    found = package_versions()
    assert list(found) == ["no-such-thing", "numpy"]
    assert found["no-such-thing"] == "not installed"


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        run_facts(started=datetime(2026, 1, 1))


def test_importing_provenance_loads_no_scientific_package() -> None:
    program = (
        "import sys, outcomes.provenance as p\n"
        "p.Sources, p.digest, p.environment(), p.write_manifest\n"
        "heavy = {'numpy', 'pandas', 'scipy', 'pyarrow', 'yaml', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"


def test_every_exported_name_is_there() -> None:
    import outcomes.provenance as provenance

    for name in provenance.__all__:
        assert callable(getattr(provenance, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        provenance.nothing  # noqa: B018
