"""The size study, and that it does what its page says."""

from __future__ import annotations

import numpy as np
import pytest

from shared import ROOT
from studies import mmrm_size
from studies.dropout_trials import (
    ARMS,
    CORRELATION,
    PER_ARM,
    SEED,
    VISITS,
    simulate_trial,
)
from studies.mmrm_size import (
    METHODS,
    NUMBERS,
    TrialResult,
    analyse_trial,
    monte_carlo_half_width,
    run_study,
    summarise,
    tabulate,
)

PAGE = ROOT / "docs" / "studies" / "mmrm-size.md"


def _result(p_value: float, structure: str = "us") -> TrialResult:
    one = dict.fromkeys(NUMBERS, 1.0)
    one |= {"estimate": 1.0 - p_value, "p_value": p_value}
    one |= {"conf_low": 0.1 if p_value < 0.05 else -0.1}
    if np.isnan(p_value):
        one = dict.fromkeys(NUMBERS, np.nan)
    row = [one[name] for name in NUMBERS]
    return TrialResult(structure, (), np.array([row] * len(METHODS)))


def test_trial_can_be_made_again_alone() -> None:
    again = simulate_trial(7)
    assert again.equals(simulate_trial(7))
    assert not np.isclose(again["base"].iloc[0], simulate_trial(8)["base"].iloc[0])
    assert not again.equals(simulate_trial(7, seed=SEED + 1))
    spawned = np.random.SeedSequence(SEED).spawn(8)[7]
    first = np.random.default_rng(spawned).normal(0.0, 5.0)
    assert again["base"].iloc[0] == 30.0 + first


def test_a_quarter_has_left_by_the_last_visit_and_nobody_returns() -> None:
    trials = [simulate_trial(i, seed=1) for i in range(400)]
    left = 0
    for trial in trials:
        last = trial.groupby("subject")["visit"].agg(["max", "size"])
        assert len(last) == PER_ARM * len(ARMS)
        assert (last["max"] == last["size"]).all()
        left += int((last["max"] < VISITS[-1]).sum())
    total = len(trials) * PER_ARM * len(ARMS)
    assert left / total == pytest.approx(0.25, abs=3 * np.sqrt(0.25 * 0.75 / total))


def test_who_is_worse_leaves_more_often() -> None:
    trials = [simulate_trial(i, seed=1) for i in range(200)]
    stayed, left = [], []
    for trial in trials:
        n_visits = trial.groupby("subject")["visit"].size()
        first = trial[trial["visit"] == VISITS[0]].set_index("subject")["change"]
        left += list(first[n_visits == 1])
        stayed += list(first[n_visits > 1])
    assert np.mean(left) > np.mean(stayed) + 2.0


def test_covariance_is_a_covariance_without_pattern() -> None:
    assert np.linalg.eigvalsh(CORRELATION)[0] > 0.1
    assert len(np.unique(CORRELATION[np.tril_indices(4, -1)])) == 6


def test_result_does_not_depend_on_the_processes() -> None:
    many = run_study(3, seed=1, processes=2)
    for index, result in enumerate(many):
        alone = analyse_trial(index, 1)
        assert alone.structure == result.structure
        np.testing.assert_allclose(alone.numbers, result.numbers, rtol=1e-9)


def test_trial_without_a_converged_fit_does_not_reject() -> None:
    results = [_result(0.01), _result(0.5), _result(np.nan, ""), _result(0.02, "cs")]
    kenward_roger = summarise(results)[0]
    assert kenward_roger.rejections == 2
    assert kenward_roger.size == 2 / 4
    assert kenward_roger.size_us == 1 / 2
    assert kenward_roger.size_fitted == 2 / 3
    assert kenward_roger.coverage == 1 / 3
    assert kenward_roger.n_missing == 1
    assert "| none converged | 1 |" in tabulate(results)


def test_structures_are_tried_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = simulate_trial(0, seed=1)
    stayed = trial.groupby("subject")["visit"].transform("max") == VISITS[-1]
    never_both = trial[~(stayed & (trial["visit"] == VISITS[0]))]  # so us is unknown
    monkeypatch.setattr(mmrm_size, "simulate_trial", lambda index, seed: never_both)
    found = analyse_trial(0, 1)
    assert found.structure in ("toeph", "ar1h", "cs")
    assert found.refused[0].startswith("us: 0 subjects have both")
    assert np.isfinite(found.numbers[0]).all()


def test_data_that_cannot_be_fitted_count_as_no_rejection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    constant = simulate_trial(0, seed=1).assign(change=0.0)
    monkeypatch.setattr(mmrm_size, "simulate_trial", lambda index, seed: constant)
    found = analyse_trial(0, 1)
    assert found.structure == ""
    assert "no variance to estimate" in found.refused[0]
    assert np.isnan(found.numbers).all()
    assert summarise([found, _result(0.5), _result(0.01)])[0].size == 1 / 3


def test_monte_carlo_interval_is_that_of_the_page() -> None:
    assert round(100 * monte_carlo_half_width(10_000), 3) == 0.427


@pytest.mark.slow
def test_kenward_roger_keeps_its_level() -> None:
    results = run_study()
    primary = summarise(results)[0]
    assert primary.name == "Kenward-Roger"
    assert abs(primary.size - 0.05) <= monte_carlo_half_width(len(results))
    assert tabulate(results) in PAGE.read_text(encoding="utf-8")
