"""Log-rank tests: by hand, and what the result holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from outcomes.models.survival.logrank import logrank


@pytest.fixture
def trial() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    n = 90
    return pd.DataFrame(
        {
            "t": np.ceil(rng.exponential(30.0, n)),
            "e": (rng.random(n) < 0.7).astype(int),
            "arm": np.array(["a", "b", "c"])[np.arange(n) % 3],
            "site": rng.choice(["x", "y"], n),
            "w": rng.uniform(0.5, 2.0, n),
        }
    )


def test_two_groups_by_hand() -> None:
    data = pd.DataFrame({"t": [1, 2, 3, 4], "e": [1, 1, 1, 0], "arm": list("abab")})
    # Of a: 1/2 + 1/3 + 1/2; variances 1/4 + 2/9 + 1/4.
    test = logrank(data, time="t", event="e", by="arm")
    assert test.table["observed"].tolist() == [2, 1]
    assert test.table["expected"].tolist() == pytest.approx([4 / 3, 5 / 3])
    assert test.cov[0, 0] == pytest.approx(13 / 18)
    assert test.statistic == pytest.approx((2 / 3) ** 2 / (13 / 18))
    assert (test.df, test.rho, test.robust, test.n_strata) == (1, 0.0, False, 1)


def test_observed_and_expected_have_one_sum(trial: pd.DataFrame) -> None:
    for options in ({}, {"rho": 1.0}, {"strata": "site"}, {"weights": "w"}):
        test = logrank(trial, time="t", event="e", by="arm", **options)
        table = test.table
        assert table["observed"].sum() == pytest.approx(table["expected"].sum())
        assert test.cov.sum(axis=1) == pytest.approx(np.zeros(3), abs=1e-10)
        assert table["n"].tolist() == [30, 30, 30]
        assert test.df == 2


def test_the_names_of_levels_do_not_matter(trial: pd.DataFrame) -> None:
    other = trial.assign(arm=trial["arm"].map({"a": "z", "b": "y", "c": "x"}))
    for options in ({}, {"rho": 0.5}, {"weights": "w", "strata": "site"}):
        ours, theirs = (
            logrank(d, time="t", event="e", by="arm", **options) for d in (other, trial)
        )
        assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-10)


def test_the_scale_of_weights_does_not_matter(trial: pd.DataFrame) -> None:
    ours, theirs = (
        logrank(d, time="t", event="e", by="arm", weights="w", rho=1.0)
        for d in (trial.assign(w=trial["w"] * 40.0), trial)
    )
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-10)
    assert ours.robust


def test_an_arm_without_events_is_compared(trial: pd.DataFrame) -> None:
    data = trial.assign(e=trial["e"].where(trial["arm"] != "c", 0))
    test = logrank(data, time="t", event="e", by="arm")
    assert test.table["observed"][2] == 0
    assert test.table["expected"][2] > 5
    assert test.df == 2
    assert test.p_value < 0.001


def test_strata_in_which_an_arm_is_alone_add_nothing(trial: pd.DataFrame) -> None:
    alone = trial[trial["arm"] == "a"].assign(site="z")
    ours = logrank(
        pd.concat([trial, alone]), time="t", event="e", by="arm", strata="site"
    )
    theirs = logrank(trial, time="t", event="e", by="arm", strata="site")
    assert ours.statistic == pytest.approx(theirs.statistic)
    assert ours.n_strata == 3


def test_arms_never_at_risk_together_cost_a_degree_of_freedom() -> None:
    rows = {"t": [1, 2, 3, 1, 2, 3], "e": 1, "s": 0.0, "arm": list("aaabbb")}
    first = pd.DataFrame(rows)
    later = first.assign(t=first["t"] + 10, s=10.0)
    later["arm"] = later["arm"].map({"a": "c", "b": "d"})
    both = pd.concat([first.assign(t=[1, 3, 5, 2, 4, 6]), later])
    test = logrank(both, time="t", event="e", by="arm", entry="s")
    assert test.df == 2
    assert np.isfinite(test.statistic)


@pytest.mark.slow
def test_the_weighted_test_keeps_its_level() -> None:
    rng = np.random.default_rng(3)
    n, trials, rejected = 160, 2000, 0
    for _ in range(trials):
        own, lost = rng.exponential(50.0, n), rng.uniform(20.0, 120.0, n)
        data = pd.DataFrame(
            {
                "t": np.minimum(own, lost),
                "e": (own <= lost).astype(int),
                "arm": np.arange(n) % 2,
                "w": rng.gamma(2.0, size=n),
            }
        )
        test = logrank(data, time="t", event="e", by="arm", weights="w")
        rejected += test.p_value < 0.05
    assert 0.035 < rejected / trials < 0.065
