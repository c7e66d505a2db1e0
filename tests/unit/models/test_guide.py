"""The code of the guide runs as it stands, in its order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models import kaplan_meier

ROOT = Path(__file__).resolve().parents[3]


def _run(page: str) -> dict[str, Any]:
    """Run the blocks of a page one after the other."""
    guide = ROOT / "docs" / page
    blocks = re.findall(r"```python\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(guide), "exec"), names)
    return names


def test_the_blocks_of_the_guide_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    names = _run("mmrm.md")
    assert names["fit"].convergence.converged
    constrained = names["constrained"]
    assert constrained.convergence.converged
    assert constrained.n_records == names["fit"].n_records + 120
    assert len(constrained.visits) == 7
    first = names["differences"].frame.iloc[0]
    assert first["visit"] == "W01"
    assert f"{first['estimate']:.4f}"[:6] in capsys.readouterr().out


def test_the_blocks_of_the_mixed_guide_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    names = _run("mixed.md")
    for name in ("fit", "glmm", "gee", "firth"):
        assert names[name].convergence.converged
    assert names["fit"].n_groups == {"subject": 84, "lead": 10, "site": 6}
    assert set(names["risks"].frame["effect"]) == {"marginal"}
    shown = capsys.readouterr().out
    assert "lead" in shown
    assert "marginal" in shown
    assert not names["plain"].convergence.converged
    assert "separation" in names["plain"].convergence.messages[0]


def test_the_blocks_of_the_survival_guide_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    names = _run("survival.md")
    assert names["cox"].convergence.converged
    assert names["cox"].n_events == names["data"]["event"].sum()
    assert names["interval"].converged
    assert not names["endless"].convergence.converged
    # Some quantile is not reached, as the page says.
    assert names["fit"].quantiles([0.75])["estimate"].isna().any()
    # Until the follow-up is due all randomised count once, weighted or not.
    before = [names[fit].at([84])["survival"] for fit in ("fit", "followed")]
    assert before[0].tolist() == pytest.approx(before[1].tolist())
    balance = names["weights"].balance
    assert (balance["after"].abs() < balance["before"].abs() / 2).all()
    shown = capsys.readouterr().out
    # ADTTE gives what was made without it; CNSR itself is something else.
    pd.testing.assert_frame_equal(names["from_adtte"].curve, names["fit"].curve)
    told = [names[fit].at([182])["survival"].to_numpy() for fit in ("right", "wrong")]
    assert (abs(told[0] - told[1]) > 0.2).all()
    with pytest.raises(ModelError, match="CNSR"):
        kaplan_meier(names["times"], event="CNSR", **names["days"])
    assert "no event in arm 'active'" in shown
    assert "Gray's test of cause 1" in shown
