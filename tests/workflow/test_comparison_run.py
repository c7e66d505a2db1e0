"""A comparison in the workflow: made after its studies, and remade only for them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from clones import Clone, digests

from shared import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("comparison")]

STUDIES = ("ketamine-trd", "mdma-ptsd")
KEPT = ("disposition", "response-kept")
STEPS = {f"durability/across.{step}" for step in ("display", "report", "manifest")}


def edit(path: Path, id: str, **keys: Any) -> None:
    content = yaml.safe_load(path.read_text("utf-8"))
    next(a for a in content["analyses"] if a["id"] == id).update(keys)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Return a folder with two short studies and their comparison, all made."""
    root = tmp_path_factory.mktemp("comparison") / "a clone"
    root.mkdir()
    for name in ("Snakefile", "requirements.lock"):
        shutil.copy(ROOT / name, root)
    for name in ("workflow", "profiles", *(f"data/{id}" for id in STUDIES)):
        shutil.copytree(ROOT / name, root / name)
    for id in STUDIES:
        path = root / f"data/{id}/study.yaml"
        content = yaml.safe_load(path.read_text("utf-8"))
        content["analyses"] = [a for a in content["analyses"] if a["id"] in KEPT]
        content.pop("displays", None)
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    compared = yaml.safe_load((ROOT / "data/durability.yaml").read_text("utf-8"))
    compared["studies"] = [
        {"study": f"{id}/study.yaml", "analysis": "response-kept"} for id in STUDIES
    ]
    text = yaml.safe_dump(compared, sort_keys=False)
    (root / "data/durability.yaml").write_text(text, encoding="utf-8")
    config = {
        "studies": {id: {"study": f"data/{id}/study.yaml"} for id in STUDIES},
        "comparisons": {"durability": {"file": "data/durability.yaml"}},
    }
    (root / "config").mkdir()
    (root / "config/config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    clone = Clone(root)
    run = clone.snakemake("-c2")
    assert run.returncode == 0, run.stdout + run.stderr
    return clone


def test_a_comparison_is_made_and_nothing_runs_again(done: Clone) -> None:
    for name in ("report.html", "manifest.json", "tables/durability-days.html"):
        assert (done.root / "results/durability" / name).is_file()
    assert done.planned() == set()


def test_it_is_the_same_bytes_without_snakemake(done: Clone) -> None:
    words = ("--results", "results", "--out", "elsewhere/durability")
    run = done.outcomes("across", "data/durability.yaml", *words)
    assert run.returncode == 0, run.stderr
    without = ("manifest.json",)
    assert digests(done.root / "elsewhere/durability", without=without) == digests(
        done.root / "results/durability", without=without
    )


def test_only_the_named_analyses_touch_it(done: Clone, tmp_path: Path) -> None:
    shutil.copytree(done.root, tmp_path / "a clone")
    clone = Clone(tmp_path / "a clone")
    path = clone.root / "data/ketamine-trd/study.yaml"
    edit(path, "disposition", title="Another title")
    planned = clone.planned()
    assert "ketamine-trd/report" in planned
    assert not planned & STEPS
    edit(path, "response-kept", conf_level=0.9)
    assert clone.planned() >= STEPS
