"""Cumulative incidence: identities, weights, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models.survival import aalen_johansen
from outcomes.models.survival.competing_risks import cumulative_incidence
from outcomes.models.survival.kaplan_meier import kaplan_meier

COLUMNS = {"time": "AVAL", "event": "CAUSE"}


def trial(n: int = 80, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "ID": np.arange(n),
            "ARM": rng.choice(["A", "B"], n),
            "AVAL": 7.0 * rng.integers(1, 14, n),
            "CAUSE": rng.choice([0, 1, 2], n, p=[0.3, 0.4, 0.3]),
            "W": rng.uniform(0.3, 3.0, n).round(3),
        }
    )


def split(data: pd.DataFrame, due: float = 40.0) -> pd.DataFrame:
    """Rows through a day with weight 1, and after it with the weight of the subject."""
    late = data["AVAL"] > due
    first = data.assign(
        START=0.0,
        AVAL=np.where(late, due, data["AVAL"]),
        CAUSE=np.where(late, 0, data["CAUSE"]),
        W=1.0,
    )
    return pd.concat([first, data[late].assign(START=due)], ignore_index=True)


def test_incidences_and_survival_add_up_to_one() -> None:
    data = trial()
    fit = cumulative_incidence(data, by="ARM", **COLUMNS)
    whole = data.assign(ANY=(data["CAUSE"] > 0).astype(int))
    km = kaplan_meier(whole, time="AVAL", event="ANY", by="ARM").curve
    sums = fit.curve.groupby(["level", "time"])["estimate"].sum()
    np.testing.assert_allclose(sums + km["survival"].to_numpy(), 1.0, atol=1e-14)


@pytest.mark.parametrize("weights", [None, "W"])
def test_one_cause_is_the_complement_of_kaplan_meier(weights: str | None) -> None:
    data = trial().assign(CAUSE=lambda d: (d["CAUSE"] == 1).astype(int))
    fit = cumulative_incidence(data, weights=weights, **COLUMNS).curve
    km = kaplan_meier(data, time="AVAL", event="CAUSE", weights=weights).curve
    known = km["survival"] > 0
    np.testing.assert_allclose(fit["estimate"], 1.0 - km["survival"], atol=1e-14)
    np.testing.assert_allclose(
        fit["std_error"][known], km["std_error"][known], atol=1e-14
    )


def test_statsmodels_has_the_same_estimates_and_standard_errors() -> None:
    from statsmodels.duration.survfunc import CumIncidenceRight

    data = trial()
    theirs = CumIncidenceRight(data["AVAL"].to_numpy(), data["CAUSE"].to_numpy())
    path = cumulative_incidence(data, **COLUMNS).paths[0]
    place = np.searchsorted(path.time, theirs.times, side="right") - 1
    for j in range(2):
        np.testing.assert_allclose(path.estimate[place, j], theirs.cinc[j], atol=1e-14)
        np.testing.assert_allclose(
            path.std_error[place, j], theirs.cinc_se[j], atol=1e-14
        )


def test_jackknife_with_equal_weights_is_the_delta_method() -> None:
    data = trial().assign(W=2.5)
    plain = cumulative_incidence(data, **COLUMNS).curve
    robust = cumulative_incidence(data, weights="W", **COLUMNS).curve
    np.testing.assert_allclose(robust["std_error"], plain["std_error"], atol=1e-15)


def test_weighted_standard_errors_are_derivatives_in_the_weights_of_subjects() -> None:
    rows = split(trial(25))
    options: dict[str, Any] = COLUMNS | {
        "entry": "START",
        "weights": "W",
        "subject": "ID",
    }
    fit = cumulative_incidence(rows, **options)
    step, squares = 1e-5, 0.0
    for subject in rows["ID"].unique():
        up, down = (
            cumulative_incidence(
                rows.assign(W=rows["W"] * np.where(rows["ID"] == subject, factor, 1.0)),
                **options,
            )
            .paths[0]
            .estimate
            for factor in (1.0 + step, 1.0 - step)
        )
        squares = squares + ((up - down) / (2.0 * step)) ** 2
    np.testing.assert_allclose(fit.paths[0].std_error, np.sqrt(squares), rtol=1e-6)


def test_subjects_in_several_blocks_give_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = split(trial())
    options: dict[str, Any] = {"entry": "START", "weights": "W", "subject": "ID"}
    whole = cumulative_incidence(rows, **COLUMNS, **options).curve
    monkeypatch.setattr(aalen_johansen, "BLOCK", 60)
    parts = cumulative_incidence(rows, **COLUMNS, **options).curve
    np.testing.assert_allclose(parts["std_error"], whole["std_error"], rtol=1e-12)


def test_whole_weights_are_copies_and_rows_that_go_on_are_no_censoring() -> None:
    data = trial().assign(W=lambda d: 1 + d["ID"] % 3)
    weighted = cumulative_incidence(data, weights="W", **COLUMNS).curve
    copies = data.loc[data.index.repeat(data["W"])]
    copied = cumulative_incidence(copies, **COLUMNS).curve
    for name in ("time", "n_risk", "n_event", "n_censor", "estimate"):
        np.testing.assert_allclose(weighted[name], copied[name], atol=1e-14)
    rows = split(trial().assign(W=1.0))
    again = cumulative_incidence(rows, entry="START", subject="ID", **COLUMNS).curve
    pd.testing.assert_frame_equal(
        again, cumulative_incidence(trial(), **COLUMNS).curve, rtol=1e-13
    )


def test_counts_at_days_close() -> None:
    data = trial()
    fit = cumulative_incidence(data, by="ARM", **COLUMNS)
    days = [0, 1, 7, 20, 21, 91, 92]
    at = fit.at(days).set_index(["level", "cause", "time"])
    size = data["ARM"].value_counts()
    for level in ("A", "B"):
        for day in days:
            here = data[data["ARM"] == level]
            row = at.loc[(level, 1, day)]
            before = (here["AVAL"] < day) & (here["CAUSE"] > 0)
            assert row["n_risk"] + row["n_censor"] + before.sum() == size[level]
            assert (
                row["n_event"] == ((here["AVAL"] <= day) & (here["CAUSE"] == 1)).sum()
            )
        assert at.loc[(level, 1, 0), "estimate"] == 0.0
        assert np.isnan(at.loc[(level, 1, 0), "conf_low"])
        left = fit.paths[fit.levels.index(level)].survival[-1]
        assert np.isnan(at.loc[(level, 2, 92), "estimate"]) == (left > 0.0)


def test_incidence_stays_where_everybody_had_an_event() -> None:
    data = pd.DataFrame({"AVAL": [2.0, 4.0, 4.0], "CAUSE": [1, 2, 1]})
    last = cumulative_incidence(data, **COLUMNS).at([100.0])
    assert last["estimate"].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert last["std_error"].tolist() == pytest.approx([np.sqrt(2 / 27)] * 2)


def test_a_level_without_events_has_an_incidence_of_zero() -> None:
    data = trial()
    data.loc[data["ARM"] == "B", "CAUSE"] = 0
    curve = cumulative_incidence(data, by="ARM", **COLUMNS).curve
    none = curve[curve["level"] == "B"]
    assert set(none["cause"]) == {1, 2}
    assert not none["estimate"].any()
    assert not none["std_error"].any()
    assert none["conf_low"].isna().all()
    empty = cumulative_incidence(data[data["ARM"] == "B"], **COLUMNS)
    assert empty.causes == (1,)


def test_the_order_of_rows_does_not_matter() -> None:
    data = split(trial())
    options: dict[str, Any] = {"entry": "START", "weights": "W", "subject": "ID"}
    whole = cumulative_incidence(data, by="ARM", **COLUMNS, **options).curve
    mixed = data.sample(frac=1.0, random_state=1)
    again = cumulative_incidence(mixed, by="ARM", **COLUMNS, **options).curve
    pd.testing.assert_frame_equal(whole, again, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"AVAL": 0.0}, {}, "are not after 0"),
        ({"CAUSE": 1.5}, {}, "none of 0, 1, 2"),
        ({"CAUSE": -1}, {}, "none of 0, 1, 2"),
        ({"W": -1.0}, {"weights": "W"}, "are negative"),
        ({}, {"conf_type": "loglog"}, "Did you mean 'log-log'"),
        ({}, {"variance": "delt"}, "Did you mean 'delta'"),
        ({}, {"variance": "aalen", "weights": "W"}, "no form for weights"),
        ({}, {"conf_level": 95}, "between 0 and 1"),
    ],
)
def test_bad_input_is_named(change: Any, options: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        cumulative_incidence(trial().assign(**change), **COLUMNS, **options)


@pytest.mark.parametrize("times", [[-1.0], [np.nan], [np.inf]])
def test_times_that_are_none_are_refused(times: list[float]) -> None:
    with pytest.raises(ModelError, match="0 or more"):
        cumulative_incidence(trial(), **COLUMNS).at(times)
