"""The study of durability, and that its page says what its numbers do."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from studies import durability
from studies.durability import (
    FIGURE,
    PAGE,
    STUDIES,
    TRIALS,
    analyse_trial,
    columns,
    draw,
    read_truth,
    recover,
    run_study,
    tabulate,
)
from studies.followed_trials import DUE, SCENARIOS, find_truth, simulate_trial
from studies.mixed_recovery_tables import exact_limits, fill

AGAIN = 3


@pytest.fixture(scope="module")
def stored() -> pd.DataFrame:
    return pd.read_csv(STUDIES / TRIALS)


def _covered(frame: pd.DataFrame, scenario: str, estimator: str) -> float:
    own = frame[frame["scenario"] == scenario]
    found = recover(own, f"{estimator}_rmst", read_truth()["rmst"])
    return found["covered"] / found["n"]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.key)
def test_trials_come_out_as_stored(stored, scenario) -> None:
    for index in range(AGAIN):
        (line,) = stored[
            (stored["scenario"] == scenario.key) & (stored["trial"] == index)
        ].to_dict("records")
        found = analyse_trial(scenario, index)
        for name in columns():
            assert found[name] == pytest.approx(line[name], rel=2e-5, nan_ok=True), name


def test_study_is_whole(stored) -> None:
    assert list(stored.columns) == ["scenario", "trial", *columns()]
    counts = stored.groupby("scenario")["trial"].nunique()
    assert counts.to_dict() == dict.fromkeys(
        (scenario.key for scenario in SCENARIOS), durability.N_TRIALS
    )


def test_all_and_weighted_cover_where_entry_follows_the_event(stored) -> None:
    for estimator in ("all", "weighted"):
        assert 0.93 <= _covered(stored, "status", estimator) <= 0.97
    assert _covered(stored, "status", "selected") < 0.80


def test_weighted_covers_where_entry_follows_symptoms(stored) -> None:
    assert 0.93 <= _covered(stored, "observed", "weighted") <= 0.97
    assert _covered(stored, "observed", "selected") < 0.80


def test_weights_change_nothing_where_everybody_enters(stored) -> None:
    own = stored[stored["scenario"] == "everybody"]
    np.testing.assert_allclose(own["weighted_rmst"], own["all_rmst"], rtol=1e-4)


def test_truth_is_found_again() -> None:
    found, known = find_truth(seed=1, n=200_000), read_truth()
    for name, value in known.items():
        assert found[name] == pytest.approx(value, abs=2.0 if name == "rmst" else 0.01)


def test_entry_is_what_the_scenario_says() -> None:
    data = pd.concat([simulate_trial(SCENARIOS[0], k) for k in range(60)])
    free = data[(data["time"] >= DUE) & ~((data["time"] == DUE) & (data["event"] == 1))]
    shares = free.groupby("arm", observed=True)["entered"].mean()
    for arm, logit in zip(("control", "active"), SCENARIOS[0].intercept, strict=True):
        assert shares[arm] == pytest.approx(1 / (1 + np.exp(-logit)), abs=0.03)


def test_study_goes_on_where_it_stopped(tmp_path, monkeypatch) -> None:
    calls = []

    def analyse(scenario, index, seed):
        calls.append((scenario.key, index))
        return dict.fromkeys(columns(), index / 7.0)

    monkeypatch.setattr(durability, "analyse_trial", analyse)
    path = tmp_path / "trials.csv"
    run_study(path, n_trials=2)
    once = path.read_bytes()
    path.write_bytes(b"".join(once.splitlines(keepends=True)[:4]))
    run_study(path, n_trials=2)
    assert path.read_bytes() == once
    assert len(calls) == 8 + 5


def test_page_says_what_the_numbers_do(stored) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert fill(text, tabulate(stored, read_truth())) == text


def test_figure_is_that_of_the_numbers(stored) -> None:
    stream = io.BytesIO()
    draw(stored, read_truth(), stream)
    assert stream.getvalue() == (STUDIES / FIGURE).read_bytes()


@pytest.mark.slow
def test_another_seed_finds_the_same(tmp_path) -> None:
    path = tmp_path / "trials.csv"
    run_study(path, seed=981, n_trials=100)
    frame = pd.read_csv(path)
    for scenario, estimator in (("status", "all"), ("observed", "weighted")):
        low, high = exact_limits(round(100 * _covered(frame, scenario, estimator)), 100)
        assert low <= 0.95 <= high
    assert _covered(frame, "status", "selected") < 0.80
    assert _covered(frame, "observed", "selected") < 0.80
