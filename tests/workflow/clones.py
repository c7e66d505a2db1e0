from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shared import ROOT

TRIAL = "mdma-ptsd"
KEPT = ("disposition", "primary")
"""Analyses of the small trial: enough to have every stage, and to change one."""


@dataclass(frozen=True)
class Clone:
    """A folder with the workflow and one small study."""

    root: Path

    @property
    def study(self) -> Path:
        return self.root / "data" / TRIAL / "study.yaml"

    @property
    def results(self) -> Path:
        return self.root / "results" / TRIAL

    def edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        content = yaml.safe_load(self.study.read_text("utf-8"))
        change(content)
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        self.study.write_text(text, encoding="utf-8")

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", *words]

    def snakemake(
        self, *words: str, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.root,
            capture_output=True,
            text=True,
            env={**os.environ, **(env or {})},
            timeout=600,
            check=False,
        )

    def outcomes(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "outcomes", *words],
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def planned(self, *words: str, env: dict[str, str] | None = None) -> set[str]:
        """Return the names of the jobs a dry run would execute, targets aside."""
        done = self.snakemake("-n", "-c1", *words, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        text = done.stdout + done.stderr
        named = [
            line.split()[1].rstrip(":")
            for line in text.splitlines()
            if line.startswith(("rule ", "localrule "))
        ]
        jobs = {name.removeprefix(f"{TRIAL}.") for name in named} - {"all"}
        return {name.replace(".", "/", 1) for name in jobs}


def digests(folder: Path, *, without: Iterable[str] = ()) -> dict[str, str]:
    """Map every file below a folder to its SHA-256."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in without
    }


def make_clone(root: Path) -> Clone:
    root.mkdir(parents=True, exist_ok=True)
    for name in ("Snakefile", "requirements.lock"):
        shutil.copy(ROOT / name, root)
    for name in ("workflow", "profiles", f"data/{TRIAL}"):
        shutil.copytree(ROOT / name, root / name)
    (root / "config").mkdir()
    config = {"studies": {TRIAL: {"study": f"data/{TRIAL}/study.yaml"}}}
    (root / "config/config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    clone = Clone(root)

    def shorten(content: dict[str, Any]) -> None:
        content["analyses"] = [a for a in content["analyses"] if a["id"] in KEPT]
        content.pop("displays", None)

    clone.edit(shorten)
    return clone
