from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_trial import Trial


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


@pytest.fixture
def another(tmp_path: Path) -> Callable[[], Trial]:
    """Make further trials in folders of their own."""
    made: list[Trial] = []

    def make() -> Trial:
        made.append(Trial(tmp_path / f"trial{len(made)}"))
        return made[-1]

    return make
