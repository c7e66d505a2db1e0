"""Where tests find the data sets that are not part of this repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def shared(*parts: str) -> Path:
    """Return a path below the shared data folder, or skip the calling test.

    The folder is ``../shared``, seen from the repository; ``OUTCOMES_SHARED`` names
    another.
    """
    folder = Path(os.environ.get("OUTCOMES_SHARED", ROOT.parent / "shared"))
    path = folder.joinpath(*parts)
    if not path.exists():
        pytest.skip(
            f"needs {'/'.join(parts)} of the shared data sets, which are not here"
        )
    return path
