from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shared import ROOT

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("make") is None,
    reason="needs make and a POSIX shell",
)

OLD = """#!/bin/sh
case "$2" in
  *print*) echo 3.9 ;;
  *version_info*) exit 1 ;;
esac
"""
WITHOUT_VENV = """#!/bin/sh
case "$2" in *ensurepip*) exit 1 ;; esac
case "$1" in -m) echo "must not be reached" >&2 ;; esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "a clone"
    made.mkdir()
    for name in (
        "Makefile",
        "requirements.lock",
        "requirements-build.lock",
        "pyproject.toml",
    ):
        shutil.copy(ROOT / name, made)
    return made


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *words], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (OLD, "outcomes needs Python 3.11 or newer, and"),
        (WITHOUT_VENV, "outcomes needs the venv module with pip, and"),
        (None, "does not run here: install Python"),
    ],
)
@pytest.mark.parametrize("target", ["venv", "run", "test"])
def test_a_machine_that_lacks_something_gets_one_sentence(
    folder: Path, script: str | None, sentence: str, target: str
) -> None:
    python = folder / "python"
    if script is not None:
        python.write_text(script, encoding="utf-8")
        python.chmod(0o755)
    done = make(folder, target, f"PYTHON={python}")
    said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode != 0
    assert len(said) == 1, done.stderr
    assert sentence in said[0]
    assert not (folder / ".venv").exists()


def test_help_lists_every_target(folder: Path) -> None:
    done = make(folder, "help")
    assert done.returncode == 0
    for target in ("venv", "run", "test", "lint", "clean", "help"):
        assert f"make {target}" in done.stdout
    assert make(folder).stdout == done.stdout


def test_the_locks_name_no_address_and_pin_every_file() -> None:
    for name in ("requirements.lock", "requirements-build.lock"):
        lines = (ROOT / name).read_text("utf-8").splitlines()
        assert not [line for line in lines if "//" in line]
        pinned = [line for line in lines if "==" in line]
        assert pinned
        assert all(line.rstrip().endswith("\\") for line in pinned)


def test_no_source_names_an_address_of_a_registry_or_a_machine_path() -> None:
    # assembled, so that this file does not hold what it looks for
    words = ["/".join(("", *parts)) for parts in (("home", ""), ("root", ""))]
    tracked = [*(ROOT / "src").rglob("*.py"), *(ROOT / "workflow").rglob("*.smk")]
    for path in tracked:
        content = path.read_text("utf-8")
        assert not [word for word in words if word in content], path
