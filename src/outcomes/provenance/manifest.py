"""The manifest: which inputs, code and settings gave which outputs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from outcomes.datasets.results import ISSUES
from outcomes.datasets.store import atomic, read_csv, write_csv
from outcomes.errors import DataError
from outcomes.provenance.digests import file_digest
from outcomes.provenance.installation import environment, run_facts

MANIFEST_VERSION = 1


@dataclass(frozen=True, slots=True, order=True)
class JobRecord:
    """One job of the plan as the manifest lists it.

    Parameters
    ----------
    name : str
        Name of the job, unique in the plan.
    spec : str
        Digest of the slice of the study file the job reads.
    code : str
        Source digest of the module that does the work.
    """

    name: str
    spec: str
    code: str


def write_manifest(
    out: Path,
    *,
    kind: Literal["study", "comparison"] = "study",
    study_id: str,
    title: str,
    jobs: Iterable[JobRecord],
    data_root: Path,
    inputs: Iterable[Path],
    results: Path,
    outputs: Iterable[Path],
    seeds: Mapping[str, int] | None = None,
    synthetic: bool = False,
    started: datetime | None = None,
    finished: datetime | None = None,
) -> None:
    """Write the manifest of a study or comparison, atomically and in a fixed order.

    Everything but the last block, ``run``, is the same bytes for the same inputs, code
    and installation. ``run`` alone holds the clock and the machine.

    Parameters
    ----------
    out : Path
        The file, usually ``results/<study>/manifest.json``.
    kind : str
        What the identity and the results are of: a study, or a comparison of several,
        whose inputs are results of these.
    study_id, title : str
        From the study file, or the comparison file.
    jobs : iterable of JobRecord
        The plan; any order.
    data_root, results : Path
        Folders that inputs and outputs are named relative to.
    inputs, outputs : iterable of Path
        Files, absolute or relative to the working folder; any order, repeats allowed.
    seeds : mapping of str to int, optional
        Seed of each job that draws random numbers.
    synthetic : bool
        Whether the data are simulated.
    started, finished : datetime, optional
        With a time zone. Default: when the first output was written, and now.

    Raises
    ------
    DataError
        If a file is missing or lies outside its folder, or two jobs share a name.
    """
    made = sorted(set(outputs))
    content: dict[str, Any] = {
        "manifest": MANIFEST_VERSION,
        kind: {"id": study_id, "synthetic": synthetic, "title": title},
        "environment": environment(),
        "inputs": [
            {"path": name, "sha256": file_digest(path), "size": path.stat().st_size}
            for name, path in _below(data_root, inputs, "data_root")
        ],
        "outputs": [
            {"path": name, "sha256": file_digest(path)}
            for name, path in _below(results, made, "the results folder")
        ],
        "jobs": [asdict(job) for job in _unique(jobs)],
        "seeds": dict(sorted((seeds or {}).items())),
        "run": run_facts(started=started or _first_written(made), finished=finished),
    }
    with atomic(out) as stream:
        stream.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def copy_issues(source: Path, out: Path) -> None:
    """Write the issue log beside the manifest, checked against its schema.

    Parameters
    ----------
    source : Path
        The log of the last stage that adds to it.
    out : Path
        Where it shall stand.

    Raises
    ------
    DataError
        If it cannot be read or breaks its schema.
    """
    write_csv(read_csv(source, ISSUES), out, ISSUES)


def _below(folder: Path, paths: Iterable[Path], what: str) -> list[tuple[str, Path]]:
    """Name files relative to a folder, sorted by that name."""
    base = folder.resolve()
    named: dict[str, Path] = {}
    for path in paths:
        # resolve only the parent: an output may be a link, and its own name counts
        full = path.parent.resolve() / path.name
        if not full.is_relative_to(base):
            raise DataError(
                f"{path.as_posix()}: lies outside {what}, {folder.as_posix()}."
                " The manifest names files below it only."
            )
        named[full.relative_to(base).as_posix()] = path
    return sorted(named.items())


def _unique(jobs: Iterable[JobRecord]) -> list[JobRecord]:
    ordered = sorted(jobs)
    for first, second in pairwise(ordered):
        if first.name == second.name:
            raise DataError(f"job {first.name}: is in the plan twice. Rename one.")
    return ordered


def _first_written(paths: list[Path]) -> datetime | None:
    """Return when the oldest output was written: the best trace of the start."""
    times = [path.stat().st_mtime for path in paths if path.is_file()]
    return datetime.fromtimestamp(min(times), UTC) if times else None
