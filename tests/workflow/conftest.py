from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from clones import Clone, make_clone


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return make_clone(tmp_path / "a clone")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Return a clone whose run is complete; tests must not change it."""
    made = make_clone(tmp_path_factory.mktemp("finished") / "a clone")
    done = made.snakemake("-c2")
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture
def copy_of_finished(finished: Clone, tmp_path: Path) -> Clone:
    """Return a copy of the complete clone, to be changed."""
    shutil.copytree(finished.root, tmp_path / "a clone", symlinks=True)
    return Clone(tmp_path / "a clone")
