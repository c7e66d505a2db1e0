"""Weights of entry into a follow-up, and the rows they are used in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models.logistic.fit import fit_logistic
from outcomes.models.survival.competing_risks import cumulative_incidence
from outcomes.models.survival.entry import entry_weights
from outcomes.models.survival.followed import followed_rows
from outcomes.models.survival.kaplan_meier import kaplan_meier

ROLES = {
    "subject": "ID",
    "time": "AVAL",
    "event": "EVENT",
    "due": "FUPDY",
    "entered": "IN",
    "weight": "W",
}
ROWS = {"time": "stop", "event": "event", "entry": "start", "weights": "weight"}


def eligible(n: int = 300, seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "BASE": rng.normal(31.0, 5.0, n).round(1),
            "SITE": rng.choice(["S1", "S2", "S3"], n),
            "ARM": rng.choice(["PSI1", "PSI25"], n),
        },
        index=[f"01-{i:03}" for i in range(n)],
    )
    eta = 0.4 - 0.12 * (data["BASE"] - 31.0) + 0.8 * (data["SITE"] == "S2")
    return data.assign(IN=(rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(int))


def trial(n: int = 120, seed: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "ID": [f"S{i}" for i in range(n)],
            "ARM": rng.choice(["A", "B"], n),
            "AVAL": rng.integers(1, 200, n).astype(float),
            "EVENT": rng.choice([0, 1], n),
            "FUPDY": rng.choice([84.0, 85.0, 86.0], n),
            "IN": 1,
            "W": 1.0,
        }
    )


def test_weights_are_inverse_fitted_probabilities() -> None:
    data = eligible()
    found = entry_weights(data, entered="IN", formula="~ BASE + SITE")
    fit = fit_logistic("IN ~ BASE + SITE", data)
    p = fit.inverse_link(fit.design.X @ fit.beta)
    np.testing.assert_allclose(found.frame["probability"], p, rtol=1e-12)
    came = data["IN"] == 1
    np.testing.assert_allclose(found.frame["weight"][came], 1.0 / p[came], rtol=1e-12)
    assert found.frame["weight"][~came].isna().all()
    assert found.frame.index.equals(data.index)
    assert found.warnings == ()
    assert list(found.model["term"]) == list(fit.terms)


def test_the_summary_has_kishs_size_and_balance_is_of_means() -> None:
    data = eligible()
    found = entry_weights(data, entered="IN", formula="IN ~ BASE + SITE")
    w = found.frame["weight"].dropna()
    row = found.summary.iloc[0]
    assert (row["n_eligible"], row["n_entered"]) == (300, int(data["IN"].sum()))
    assert row["effective_size"] == pytest.approx(w.sum() ** 2 / (w**2).sum())
    assert row["probability_min"] == found.frame["probability"].min()
    came = data["IN"] == 1
    balance = found.balance.set_index("term")
    assert list(balance.index) == ["BASE", "SITE[S1]", "SITE[S2]", "SITE[S3]"]
    shift = (data["BASE"][came].mean() - data["BASE"].mean()) / data["BASE"].std()
    assert balance.loc["BASE", "before"] == pytest.approx(shift)
    after = np.average(data["BASE"][came], weights=w) - data["BASE"].mean()
    assert balance.loc["BASE", "after"] == pytest.approx(after / data["BASE"].std())
    assert (balance["after"].abs() < 0.5 * balance["before"].abs().max()).all()


def test_a_saturated_model_balances_exactly() -> None:
    found = entry_weights(eligible(), entered="IN", formula="~ SITE")
    np.testing.assert_allclose(found.balance["after"], 0.0, atol=1e-10)
    w = found.frame["weight"].dropna()
    assert w.sum() == pytest.approx(300.0, rel=1e-10)


def test_groups_have_models_of_their_own() -> None:
    data = eligible()
    both = entry_weights(data, entered="IN", formula="~ BASE", by="ARM")
    one = entry_weights(data[data["ARM"] == "PSI25"], entered="IN", formula="~ BASE")
    np.testing.assert_allclose(
        both.frame.loc[data["ARM"] == "PSI25", "weight"], one.frame["weight"]
    )
    for table in (both.model, both.balance, both.summary):
        assert set(table["by"]) == {"PSI1", "PSI25"}


def test_truncation_is_at_percentiles_of_all_who_entered() -> None:
    data = eligible()
    free = entry_weights(data, entered="IN", formula="~ BASE", by="ARM")
    cut = entry_weights(
        data, entered="IN", formula="~ BASE", by="ARM", truncate=(5, 95)
    )
    w = free.frame["weight"].dropna()
    low, high = np.percentile(w, [5, 95])
    np.testing.assert_allclose(cut.frame["weight"].dropna(), w.clip(low, high))
    assert cut.truncated == int(((w < low) | (w > high)).sum()) > 0
    assert cut.summary["max"].max() == pytest.approx(high)


def test_separation_takes_firths_penalty_and_says_so() -> None:
    data = eligible()
    data.loc[data["SITE"] == "S1", "IN"] = 1
    found = entry_weights(data, entered="IN", formula="~ BASE + SITE")
    (warning,) = found.warnings
    assert "Firth's penalty is used" in warning
    assert "SITE 'S1'" in warning
    assert found.frame["probability"].max() < 1.0
    fit = fit_logistic("IN ~ BASE + SITE", data, penalty="firth")
    np.testing.assert_allclose(
        found.frame["probability"], fit.inverse_link(fit.design.X @ fit.beta)
    )


def test_a_group_that_entered_as_a_whole_has_weights_of_one() -> None:
    data = eligible()
    data.loc[data["ARM"] == "PSI1", "IN"] = 1
    found = entry_weights(data, entered="IN", formula="~ BASE", by="ARM")
    assert found.warnings == ("PSI1: everybody eligible entered; weights are 1",)
    assert (found.frame.loc[data["ARM"] == "PSI1", "weight"] == 1.0).all()
    assert set(found.model["by"]) == {"PSI25"}
    assert found.convergence[0] is None
    whole = entry_weights(data.assign(IN=1), entered="IN", formula="~ BASE")
    assert whole.model.empty
    assert whole.summary.loc[0, "effective_size"] == pytest.approx(300.0)


def test_subjects_who_hardly_enter_are_named() -> None:
    data = eligible()
    late = data.index[data["SITE"] == "S3"]
    data.loc[late, "IN"] = 0
    data.loc[late[:2], "IN"] = 1
    found = entry_weights(data, entered="IN", formula="~ SITE")
    (warning,) = found.warnings
    assert "probability of entry below 0.05" in warning
    assert late[0] in warning


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"BASE": np.nan}, {}, "'BASE': 300 of 300 subjects miss it.*subject 01-000"),
        ({"IN": 2}, {}, "neither 0 nor 1"),
        ({"IN": 0}, {}, "none of the 300 eligible subjects entered"),
        ({}, {"by": "SITE"}, "'SITE' is also by"),
        ({}, {"by": "ARMS"}, "no column 'ARMS' for by"),
        ({}, {"formula": "BASE"}, "must be a text such as"),
        ({}, {"formula": "ARM ~ BASE"}, "'ARM' is on its left"),
        ({}, {"formula": "~ BASES"}, "Did you mean 'BASE'"),
        ({}, {"truncate": (99, 1)}, "two percentiles"),
        ({}, {"truncate": 99}, "two percentiles"),
    ],
)
def test_bad_input_is_named(change: Any, options: Any, words: str) -> None:
    data = eligible().assign(**change)
    with pytest.raises(ModelError, match=words):
        entry_weights(data, **({"entered": "IN", "formula": "~ BASE + SITE"} | options))


def test_a_group_nobody_of_which_entered_is_named() -> None:
    data = eligible()
    data.loc[data["ARM"] == "PSI25", "IN"] = 0
    with pytest.raises(ModelError, match="PSI25: none of the"):
        entry_weights(data, entered="IN", formula="~ BASE", by="ARM")


def test_rows_are_cut_when_the_follow_up_was_due() -> None:
    data = trial(5).assign(
        AVAL=[40.0, 85.0, 120.0, 120.0, 86.0],
        EVENT=[1, 1, 2, 1, 0],
        FUPDY=85.0,
        IN=[0, 1, 1, 0, 1],
        W=[np.nan, 3.0, 2.5, np.nan, 1.5],
    )
    rows = followed_rows(data, **ROLES)
    assert rows.drop(columns="ARM").to_numpy().tolist() == [
        ["S0", 0.0, 40.0, 1, 1.0],
        ["S1", 0.0, 85.0, 1, 1.0],
        ["S2", 0.0, 85.0, 0, 1.0],
        ["S2", 85.0, 120.0, 2, 2.5],
        ["S3", 0.0, 85.0, 0, 1.0],
        ["S4", 0.0, 85.0, 0, 1.0],
        ["S4", 85.0, 86.0, 0, 1.5],
    ]
    first = data.set_index("ID")["ARM"]
    assert rows["ARM"].tolist() == first.loc[rows["subject"]].tolist()


@pytest.mark.parametrize("seed", range(4))
def test_with_weights_of_one_and_all_entered_nothing_changes(seed: int) -> None:
    data = trial(seed=seed)
    rows = followed_rows(data, **ROLES)
    whole = kaplan_meier(data, time="AVAL", event="EVENT", by="ARM").curve
    cut = kaplan_meier(rows, by="ARM", subject="subject", **ROWS).curve
    known = whole["survival"] > 0  # where it is 0 only the jackknife has a number
    cut.loc[~known, "std_error"] = np.nan
    pd.testing.assert_frame_equal(cut, whole, check_dtype=False, rtol=1e-12)
    again = cumulative_incidence(rows, by="ARM", subject="subject", **ROWS).curve
    first = cumulative_incidence(data, time="AVAL", event="EVENT", by="ARM").curve
    pd.testing.assert_frame_equal(again, first, check_dtype=False, rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"AVAL": 0.0}, "'AVAL': 120 of 120 subjects are not after 0 .*ID S0"),
        ({"FUPDY": np.nan}, "'FUPDY': 120 of 120 subjects have no finite number"),
        ({"EVENT": 0.5}, "none of 0, 1, 2"),
        ({"IN": np.nan}, "neither 0 nor 1"),
        ({"W": np.nan}, "entered and have no positive weight"),
        ({"ID": "S1"}, "have a row already"),
        ({"stop": 1.0}, "'stop' is the name of a column of the result"),
    ],
)
def test_rows_that_cannot_be_cut_are_named(change: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        followed_rows(trial().assign(**change), **ROLES)


def test_weights_recover_the_curve_that_the_enrolled_alone_miss() -> None:
    rng = np.random.default_rng(20)
    n, due, days = 6000, 85.0, np.array([120.0, 182.0, 364.0])
    x = rng.normal(size=n)
    rate = 0.004 * np.exp(0.9 * x)
    event = rng.exponential(1.0 / rate)
    grid = np.linspace(-6.0, 6.0, 2001)
    density = np.exp(-(grid**2) / 2.0)
    truth = [
        np.average(np.exp(-0.004 * np.exp(0.9 * grid) * day), weights=density)
        for day in days
    ]
    came = rng.random(n) < 1.0 / (1.0 + np.exp(-(-0.5 - 1.2 * x)))
    time = np.minimum(event, 365.0)
    data = pd.DataFrame(
        {
            "ID": np.arange(n),
            "X": x,
            "AVAL": time,
            "EVENT": (event <= 365.0).astype(int),
            "FUPDY": due,
            "IN": (came & (time > due)).astype(int),
        }
    )
    at_due = data[data["AVAL"] > due]
    weights = entry_weights(at_due, entered="IN", formula="~ X").frame["weight"]
    rows = followed_rows(data.assign(W=weights), **ROLES)
    weighted = kaplan_meier(rows, subject="subject", **ROWS).at(days)
    alone = kaplan_meier(data[came], time="AVAL", event="EVENT").at(days)
    plain = kaplan_meier(rows.assign(weight=1.0), subject="subject", **ROWS).at(days)
    error = weighted["std_error"]
    assert (np.abs(weighted["survival"] - truth) < 3.0 * error).all()
    assert (error < 0.015).all()
    assert (np.abs(alone["survival"] - truth) > 8.0 * error).all()
    # Censoring those who did not enter, without weights, is not enough.
    assert np.abs(plain["survival"] - truth)[2] > 5.0 * error[2]


@pytest.mark.slow
def test_weighted_limits_cover_the_truth_in_repeated_trials() -> None:
    rng = np.random.default_rng(77)
    n, days = 600, np.array([120.0, 182.0, 364.0])
    grid = np.linspace(-6.0, 6.0, 2001)
    density = np.exp(-(grid**2) / 2.0)
    rate = 0.004 * np.exp(0.6 * grid)
    truth = [np.average(np.exp(-rate * day), weights=density) for day in days]
    errors, covered = [], []
    for _ in range(150):
        x = rng.normal(size=n)
        event = rng.exponential(1.0 / (0.004 * np.exp(0.6 * x)))
        came = rng.random(n) < 1.0 / (1.0 + np.exp(-(0.2 - 0.8 * x)))
        data = pd.DataFrame(
            {
                "ID": np.arange(n),
                "X": x,
                "AVAL": np.minimum(event, 365.0),
                "EVENT": (event <= 365.0).astype(int),
                "FUPDY": 85.0,
                "IN": (came & (event > 85.0)).astype(int),
            }
        )
        at_due = data[data["AVAL"] > 85.0]
        weights = entry_weights(at_due, entered="IN", formula="~ X").frame["weight"]
        rows = followed_rows(data.assign(W=weights), **ROLES)
        at = kaplan_meier(rows, subject="subject", **ROWS).at(days)
        errors.append(at["survival"] - truth)
        covered.append((at["conf_low"] < truth) & (truth < at["conf_high"]))
    bias, spread = np.mean(errors, axis=0), np.std(errors, axis=0)
    assert (np.abs(bias) < 3.0 * spread / np.sqrt(150)).all()
    # Three standard errors of a share of 150.
    assert (np.mean(covered, axis=0) > 0.95 - 3.0 * np.sqrt(0.95 * 0.05 / 150)).all()
