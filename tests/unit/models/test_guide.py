"""The code of the guide runs as it stands, in its order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
GUIDE = ROOT / "docs" / "mmrm.md"


def test_the_blocks_of_the_guide_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), names)
    assert names["fit"].convergence.converged
    constrained = names["constrained"]
    assert constrained.convergence.converged
    assert constrained.n_records == names["fit"].n_records + 120
    assert len(constrained.visits) == 7
    first = names["differences"].frame.iloc[0]
    assert first["visit"] == "W01"
    assert f"{first['estimate']:.4f}"[:6] in capsys.readouterr().out
