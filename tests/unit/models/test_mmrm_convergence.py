"""A fit at its optimum says so, whatever the size of the trial or the unit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from outcomes.models import fit_mmrm
from outcomes.models.mmrm import optimise
from outcomes.models.mmrm.results import MmrmFit
from unit.models.trials import make_trial


def _large_trial(seed: int) -> pd.DataFrame:
    """Make a trial whose deviance, some 100 000, has few digits left for a step."""
    n, visits = 3000, 5
    rng = np.random.default_rng(seed)
    place = np.arange(visits)
    root = np.linalg.cholesky(100.0 * 0.7 ** np.abs(np.subtract.outer(place, place)))
    arm = rng.integers(0, 2, n)
    change = rng.standard_normal((n, visits)) @ root.T - 5.0 * arm[:, None]
    data = pd.DataFrame(
        {
            "subject": np.repeat(np.arange(n), visits),
            "week": np.tile(place, n),
            "arm": np.repeat(np.array(["A", "B"])[arm], visits),
            "base": np.repeat(rng.normal(30.0, 6.0, n), visits),
            "change": change.ravel(),
        }
    )
    return data[rng.random(len(data)) > 0.08]


def _fit(data: pd.DataFrame, *covariance: str) -> MmrmFit:
    return fit_mmrm(
        "change ~ arm*week + base*week",
        data,
        subject="subject",
        visit="week",
        covariance=covariance or ["us", "cs"],
        df="satterthwaite",
    )


# With steps judged by the deviance alone, seeds 13 and (rescaled) 4 moved on to "cs".
@pytest.mark.parametrize("seed", range(16))
def test_a_large_trial_keeps_the_first_structure(seed: int) -> None:
    record = _fit(_large_trial(seed)).convergence
    assert [step.covariance for step in record.ladder] == ["us"], record.messages
    assert record.status == "converged"
    assert record.gradient_norm < 1e-6


@pytest.mark.parametrize("seed", [1, 4, 7, 13])
@pytest.mark.parametrize("unit", [1e-3, 1e3, 1e6])
def test_the_unit_of_the_outcome_decides_nothing(seed: int, unit: float) -> None:
    data = _large_trial(seed)
    plain = _fit(data).convergence
    again = _fit(data.assign(change=data["change"] * unit)).convergence
    assert again.status == plain.status == "converged"
    assert len(again.ladder) == len(plain.ladder) == 1


def test_a_gradient_that_is_left_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    # Stopped after one step, the fit is not at its optimum, and must not say it is.
    monkeypatch.setattr(optimise, "MAX_ITERATIONS", 1)
    record = _fit(make_trial(), "us").convergence
    assert record.status == "not-converged"
    assert "Newton decrement is still" in record.messages[0]


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_singular_data_do_not_converge_in_any_unit(unit: float) -> None:
    data = make_trial(n=30, dropout=0.0, gaps=0.0)
    copied = data.loc[data["week"] == 4].assign(week=8)
    data = pd.concat([data.loc[data["week"] != 8], copied])
    fit = _fit(data.assign(change=data["change"] * unit), "us")
    assert fit.convergence.status == "not-converged"
    assert any("singular" in message for message in fit.convergence.messages)
