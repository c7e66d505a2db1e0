"""Survival data that cannot be analysed, and data on the edge of what can."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models.survival.kaplan_meier import kaplan_meier
from outcomes.models.survival.logrank import logrank
from outcomes.models.survival.records import read_records
from outcomes.models.survival.rmst import rmst

GOOD: dict[str, Any] = {
    "id": [1, 2, 3, 4],
    "t": [1.0, 2.0, 3.0, 4.0],
    "e": [1, 0, 1, 0],
    "arm": ["a", "b", "a", "b"],
    "s": [0.0, 1.0, 0.0, 2.0],
    "w": [1.0, 0.5, 2.0, 0.0],
}


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({**GOOD, **columns})


def read(data: pd.DataFrame, **options: Any) -> Any:
    columns = {"time": "t", "event": "e", "by": "arm", "entry": "s", "weights": "w"}
    return read_records(data, **columns, **options)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"t": [1, -2, 0, 4]}, "'t': 2 of 4 rows are not after 0 (row 1, 2)"),
        ({"t": [1, np.nan, 3, 4]}, "'t': 1 of 4 rows are missing"),
        ({"t": [1, 2, 3, np.inf]}, "'t': 1 of 4 rows are infinite (row 3)"),
        ({"t": ["1", "x", "3", "4"]}, "'t'"),
        ({"t": pd.to_timedelta([1, 2, 3, 4], unit="D")}, "'t' is no column of numbers"),
        ({"e": [1, 0, 2, 0]}, "'e': 1 of 4 rows are none of 0, 1 (0 is censored)"),
        ({"e": [1, 0, 0.5, 0]}, "(row 2)"),
        ({"e": [1, 0, None, 0]}, "'e': 1 of 4 rows are missing"),
        ({"e": ["yes", "no", "no", "no"]}, "'e'"),
        ({"arm": ["a", None, "a", "b"]}, "'arm': 1 of 4 rows are missing"),
        ({"s": [0, 2, 0, 5]}, "'s': 2 of 4 rows are not before 't' (row 1, 3)"),
        ({"s": [0, -1, 0, 0]}, "'s': 1 of 4 rows are before 0 (row 1)"),
        ({"w": [1, -1, 1, 1]}, "'w': 1 of 4 rows are negative (row 1)"),
        ({"w": [1, np.nan, 1, 1]}, "'w': 1 of 4 rows are missing"),
        ({"w": [1, 0, 1, 0]}, "all weights of level 'b' are 0"),
    ],
)
def test_what_cannot_be_analysed_is_named(
    columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError) as error:
        read(table(**columns))
    assert message in str(error.value)


def test_all_problems_are_told_at_once_by_the_names_of_rows() -> None:
    data = table(t=[1, -2, 3, 4], e=[1, 0, 7, 0], w=[1, 1, 1, -1])
    data.index = pd.Index(["p1", "p2", "p3", "p4"])
    with pytest.raises(ModelError) as error:
        read(data)
    text = str(error.value)
    assert "'t'" in text
    assert "p2" in text
    assert "'e'" in text
    assert "p3" in text
    assert "'w'" in text
    assert "p4" in text


def test_columns_that_are_not_there_are_named() -> None:
    with pytest.raises(ModelError, match="no column 'day' for time; it has 'id'"):
        read_records(table(), time="day", event="e")
    with pytest.raises(ModelError, match="for subject"):
        read_records(table(), time="t", event="e", subject="who")
    with pytest.raises(ModelError, match="no rows"):
        read_records(table().iloc[:0], time="t", event="e")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (([0, 0], [4, 6], [0, 1]), "rows overlap an earlier row of their subject"),
        (([0, 3], [4, 6], [0, 1]), "rows overlap"),
        (([0, 4], [4, 6], [1, 1]), "rows come after an event of their subject"),
    ],
)
def test_histories_that_cannot_be_are_refused(rows: Any, message: str) -> None:
    start, stop, event = rows
    data = pd.DataFrame({"id": [1, 1], "s": start, "t": stop, "e": event})
    with pytest.raises(ModelError, match=message):
        kaplan_meier(data, time="t", event="e", entry="s", subject="id")


def test_a_subject_is_in_one_group() -> None:
    data = pd.DataFrame(
        {"id": [1, 1], "s": [0, 4], "t": [4, 6], "e": [0, 1], "arm": ["a", "b"]}
    )
    with pytest.raises(ModelError, match="another group too"):
        kaplan_meier(data, time="t", event="e", by="arm", entry="s", subject="id")


def test_rows_of_a_subject_without_entry_ask_for_it() -> None:
    data = table(id=[1, 1, 2, 3])
    with pytest.raises(ModelError, match="Give entry"):
        kaplan_meier(data, time="t", event="e", subject="id")


def test_codes_of_competing_events_are_allowed_where_asked_for() -> None:
    records = read(table(e=[1, 0, 3, 2]), codes=None)
    assert records.event.tolist() == [1, 0, 3, 2]
    with pytest.raises(ModelError, match=r"none of 0, 1, 2, \.\.\."):
        read(table(e=[1, 0, -1, 2]), codes=None)


def test_booleans_and_nullable_integers_are_read() -> None:
    for event in ([True, False, True, False], pd.array([1, 0, 1, 0], dtype="Int64")):
        assert read(table(e=event)).event.tolist() == [1, 0, 1, 0]
    missing = pd.array([True, None, True, False], dtype="boolean")
    with pytest.raises(ModelError, match="'e': 1 of 4 rows are missing"):
        read(table(e=missing))


def test_strata_of_several_columns_are_their_combinations() -> None:
    data = table(sex=["f", "m", "f", "f"], site=["x", "y", "y", "x"])
    records = read(data, strata=["sex", "site"])
    assert records.strata == (("f", "x"), ("f", "y"), ("m", "y"))
    assert records.stratum.tolist() == [0, 2, 1, 0]
    assert read(data, strata="sex").strata == ("f", "m")


@pytest.mark.parametrize("weights", [None, "w"])
def test_no_events_at_all_is_survival_of_one(weights: str | None) -> None:
    data = table(e=0, w=1.0)
    columns: dict[str, Any] = {"time": "t", "event": "e", "by": "arm"}
    km = kaplan_meier(data, **columns, weights=weights)
    assert (km.curve["survival"] == 1.0).all()
    assert (km.curve["std_error"] == 0.0).all()
    assert km.quantiles()[["estimate", "conf_low", "conf_high"]].isna().all(axis=None)
    test = logrank(data, **columns, weights=weights)
    assert np.isnan([test.statistic, test.p_value]).all()
    assert test.df == 0
    means = rmst(data, **columns, tau=3, weights=weights)
    assert means["estimate"].tolist() == [3.0, 3.0, 0.0, 1.0]
    assert means["std_error"].tolist() == [0.0, 0.0, 0.0, 0.0]
    assert means["p_value"].isna().all()


@pytest.mark.parametrize("weights", [None, "w"])
def test_all_events_at_one_time(weights: str | None) -> None:
    data = table(t=5, e=1, w=[1.0, 0.3, 2.0, 0.1])
    columns: dict[str, Any] = {"time": "t", "event": "e", "by": "arm"}
    km = kaplan_meier(data, **columns, weights=weights)
    assert km.curve["survival"].tolist() == [0.0, 0.0]
    assert km.quantiles([0.5])["estimate"].tolist() == [5.0, 5.0]
    test = logrank(data, **columns, weights=weights)
    if weights is None:
        assert np.isnan(test.statistic)
    means = rmst(data, **columns, tau=9, weights=weights)
    assert means["estimate"].tolist() == [5.0, 5.0, 0.0, 1.0]


@pytest.mark.parametrize("event", [0, 1])
@pytest.mark.parametrize("weights", [None, "w"])
def test_a_single_subject(event: int, weights: str | None) -> None:
    data = pd.DataFrame({"t": [3], "e": [event], "w": [0.4]})
    km = kaplan_meier(data, time="t", event="e", weights=weights)
    assert km.curve["survival"].tolist() == [1.0 - event]
    assert len(km.follow_up()) == 1
    assert rmst(data, time="t", event="e", tau=2, weights=weights)["estimate"][0] == 2


def test_an_arm_whose_subjects_have_all_left_leaves_the_test_standing() -> None:
    data = pd.DataFrame(
        {
            "t": [1, 2, 3, 4, 2, 3, 9, 10, 11],
            "e": [1, 0, 1, 0, 1, 0, 1, 1, 1],
            "arm": list("aaaabbbbb"),
        }
    )
    test = logrank(data, time="t", event="e", by="arm")
    early = data.assign(e=data["e"].where(data["t"] < 9, 0))
    # Events where one arm is alone compare nothing.
    alone = logrank(early, time="t", event="e", by="arm")
    assert test.statistic == pytest.approx(alone.statistic)
    assert test.df == 1


def test_options_that_are_none_are_refused() -> None:
    columns: dict[str, Any] = {"time": "t", "event": "e"}
    with pytest.raises(ModelError, match="conf_type"):
        kaplan_meier(table(), **columns, conf_type="loglog")
    with pytest.raises(ModelError, match="conf_level"):
        kaplan_meier(table(), **columns, conf_level=95)
    km = kaplan_meier(table(), **columns)
    with pytest.raises(ModelError, match="times"):
        km.at([-1])
    with pytest.raises(ModelError, match="times"):
        km.at(["x"])  # type: ignore[list-item]
    with pytest.raises(ModelError, match="probs"):
        km.quantiles([50])
    with pytest.raises(ModelError, match="one level"):
        logrank(table(arm="a"), **columns, by="arm")
    with pytest.raises(ModelError, match="rho"):
        logrank(table(), **columns, by="arm", rho=np.nan)
