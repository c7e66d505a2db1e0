"""Cumulative incidence and Gray's test against R survival and cmprsk."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.models.survival.competing_risks import (
    CumulativeIncidence,
    cumulative_incidence,
)
from outcomes.models.survival.gray import gray_test

REFERENCE = Path(__file__).parent / "reference" / "survival_competing.json"
# Both sides are closed formulas: what is left is rounding (measured: 1e-14 at most).
REL, ABS = 1e-11, 1e-13
PLAIN = ("visits", "exact", "small", "ends")
BY_ROWS = ("split", "weighted", "late")


@cache
def cases() -> dict[str, Any]:
    return {case["id"]: case for case in json.loads(REFERENCE.read_text())["cases"]}


def fit(name: str, **options: Any) -> CumulativeIncidence:
    data = pd.DataFrame(cases()[name]["data"])
    if name in BY_ROWS:
        options |= {"entry": "start", "weights": "weight", "subject": "id"}
    return cumulative_incidence(data, time="time", event="event", by="arm", **options)


def numbers(values: Any) -> Any:
    return np.array(values, dtype=float)


def columns(found: CumulativeIncidence, level: str, name: str, times: Any) -> Any:
    """One column of the curve per cause, at some of its times."""
    curve = found.curve[found.curve["level"] == level]
    wide = curve.pivot_table(index="time", columns="cause", values=name, dropna=False)
    return wide.loc[times].to_numpy()


def common(found: CumulativeIncidence, level: str, theirs: Any) -> tuple[Any, Any]:
    """Find times of both; survfit also lists the ends of rows that go on."""
    times = numbers(theirs["time"])
    own = found.paths[found.levels.index(level)].time
    assert np.isin(own, times).all()
    return own, np.isin(times, own)


def test_every_case_is_used() -> None:
    assert set(cases()) == {*PLAIN, *BY_ROWS}


@pytest.mark.parametrize("name", [*PLAIN, *BY_ROWS])
def test_estimates_match_survfit(name: str) -> None:
    found = fit(name)
    for level, theirs in cases()[name]["curves"].items():
        _, kept = common(found, level, theirs)
        path = found.paths[found.levels.index(level)]
        estimate = numbers(theirs["estimate"])[kept]
        causes = estimate.shape[1]
        np.testing.assert_allclose(path.estimate[:, :causes], estimate, REL, ABS)
        assert not path.estimate[:, causes:].any()
        np.testing.assert_allclose(
            path.survival, numbers(theirs["survival"])[kept], REL, ABS
        )
        # Multi-state survfit of this version counts rows, whatever their weights.
        np.testing.assert_array_equal(
            path.count_risk, numbers(theirs["n_risk"])[kept].astype(int)
        )


@pytest.mark.parametrize("name", [*PLAIN, "weighted", "late"])
@pytest.mark.parametrize("scale", ["log-log", "log", "plain"])
def test_standard_errors_and_limits_match_survfit(name: str, scale: str) -> None:
    found = fit(name, conf_type=scale)
    place = cases()[name]["limits"].index(scale)
    for level, theirs in cases()[name]["curves"].items():
        times, kept = common(found, level, theirs)
        for column, values in (
            ("std_error", theirs["std_error"]),
            ("conf_low", theirs["low"][place]),
            ("conf_high", theirs["high"][place]),
        ):
            want = numbers(values)[kept]
            ours = columns(found, level, column, times)[:, : want.shape[1]]
            np.testing.assert_allclose(ours, want, REL, ABS, err_msg=column)


def test_weights_that_change_within_subjects_match_survfit_of_one_cause() -> None:
    data = pd.DataFrame(cases()["split"]["data"])
    found = cumulative_incidence(
        data.assign(any=(data["event"] > 0).astype(int)),
        time="time",
        event="any",
        by="arm",
        entry="start",
        weights="weight",
        subject="id",
    )
    for level, theirs in cases()["split"]["one_cause"].items():
        _, kept = common(found, level, theirs)
        path = found.paths[found.levels.index(level)]
        survival = numbers(theirs["survival"])[kept]
        std_error = numbers(theirs["std_error"])[kept]
        np.testing.assert_allclose(path.survival, survival, REL, ABS)
        np.testing.assert_allclose(path.std_error[:, 0], std_error, REL, ABS)


@pytest.mark.parametrize("name", PLAIN)
def test_aalens_variance_matches_cuminc(name: str) -> None:
    found = fit(name, variance="aalen")
    for key, theirs in cases()[name]["cuminc"].items():
        level, cause = key.split()
        path = found.paths[found.levels.index(level)]
        j = found.causes.index(int(cause))
        place = np.searchsorted(path.time, numbers(theirs["time"]), side="right")
        for ours, want in (
            (path.estimate[:, j], theirs["estimate"]),
            (path.std_error[:, j] ** 2, theirs["variance"]),
        ):
            steps = np.concatenate([[0.0], ours])[place]
            np.testing.assert_allclose(steps, numbers(want), REL, ABS)


@pytest.mark.parametrize("name", PLAIN)
def test_grays_test_matches_cuminc(name: str) -> None:
    data = pd.DataFrame(cases()[name]["data"])
    for theirs in cases()[name]["tests"]:
        strata = "site" if theirs["strata"] else None
        for cause, statistic, df, p_value in zip(
            theirs["cause"],
            theirs["statistic"],
            np.atleast_1d(theirs["df"]),
            theirs["p_value"],
            strict=True,
        ):
            ours = gray_test(
                data,
                time="time",
                event="event",
                by="arm",
                cause=cause,
                rho=theirs["rho"],
                strata=strata,
            )
            assert ours.statistic == pytest.approx(statistic, rel=1e-10)
            assert ours.df == df
            assert ours.p_value == pytest.approx(p_value, rel=1e-10)
