"""What the computation stood on: Python, packages, lock; and the facts of one run."""

from __future__ import annotations

import hashlib
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from outcomes import __version__

_DISTRIBUTION = "outcomes"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def lock_file(root: Path) -> Path | None:
    """Find the lock of the checkout that a package folder belongs to.

    Parameters
    ----------
    root : Path
        The package folder, ``src/outcomes`` in a checkout.

    Returns
    -------
    Path or None
        ``requirements.lock``; None where the package is installed without one.
    """
    if root.parent.name != "src":
        return None
    lock = root.parent.parent / "requirements.lock"
    return lock if lock.is_file() else None


def package_versions() -> dict[str, str]:
    """Return the installed versions of the packages this one depends on directly.

    Returns
    -------
    dict of str to str
        Sorted by name; ``not installed`` where a dependency is missing.
    """
    from importlib import metadata

    versions: dict[str, str] = {}
    for requirement in metadata.requires(_DISTRIBUTION) or []:
        if "extra ==" in requirement:
            continue
        match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
        if match is None:
            continue
        name = re.sub(r"[-_.]+", "-", match.group()).lower()
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return dict(sorted(versions.items()))


def environment() -> dict[str, Any]:
    """Return what decides the numbers, the same on every run of one installation.

    Returns
    -------
    dict
        ``outcomes`` (version), ``python`` (implementation and version), ``packages``
        (direct dependencies, sorted), ``lock`` (SHA-256 of requirements.lock with line
        ends made equal, or None).
    """
    import platform

    lock = lock_file(Path(__file__).resolve().parents[1])
    sha256 = None
    if lock is not None:
        content = lock.read_bytes().replace(b"\r\n", b"\n")
        sha256 = hashlib.sha256(content).hexdigest()
    return {
        "lock": sha256,
        "outcomes": __version__,
        "packages": package_versions(),
        "python": {
            "implementation": platform.python_implementation(),
            "version": platform.python_version(),
        },
    }


def run_facts(
    *, started: datetime | None = None, finished: datetime | None = None
) -> dict[str, Any]:
    """Return the facts of this run: clock and machine, for the manifest's run block.

    They differ between runs and machines and decide no number, except that linear
    algebra libraries differ in the last bits. Imports numpy. Host, user and paths are
    left out.

    Parameters
    ----------
    started, finished : datetime, optional
        With a time zone. Default: not stated, and now.

    Returns
    -------
    dict
        ``blas`` (name, version, threads), ``finished`` and, if given, ``started``
        (UTC, to the second), ``machine``, ``os``.

    Raises
    ------
    ValueError
        If a time has no time zone.
    """
    import platform

    facts: dict[str, Any] = {
        "blas": _blas(),
        "finished": _utc(finished or datetime.now(UTC)),
        "machine": platform.machine(),
        "os": f"{platform.system()} {platform.release()}",
    }
    if started is not None:
        facts["started"] = _utc(started)
    return dict(sorted(facts.items()))


def _utc(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("a time in the manifest needs a time zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _blas() -> dict[str, Any]:
    """Name the linear algebra numpy was built with, and the threads it may use."""
    import numpy as np

    built: Any = np.show_config(mode="dicts")
    library = built["Build Dependencies"]["blas"]
    return {
        "name": library["name"],
        "threads": {name: os.environ[name] for name in _THREADS if name in os.environ},
        "version": library["version"],
    }
