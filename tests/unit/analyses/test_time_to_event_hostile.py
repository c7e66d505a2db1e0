from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from event_made import (
    ACTIVE,
    CONTROL,
    KEPT,
    RELAPSE,
    adtte,
    arms_of,
    run,
    timed,
    trial_of,
)
from hand_made import STUDY, adsl, subject

KM = "kaplan-meier"
PAIR = {"arm": "ACT", "comparator": "CTL"}
THREE = [
    {"id": "ACT", "label": "Active", "active": True},
    {"id": "LOW", "label": "Low dose", "active": True},
    {"id": "CTL", "label": "Control", "control": True},
]
QUIET = [("L1", 30.0, 1), ("L2", 40.0, 1), ("L3", 50.0, 1)]


def test_an_arm_without_events_stays_at_one_and_harms_nobody() -> None:
    subjects, times = arms_of(ACT=ACTIVE, LOW=QUIET, CTL=CONTROL)
    found = run(trial_of(KEPT, arms=THREE), subjects, times)
    assert found.value("day", "estimate", arm="LOW", time=40, method_id=KM) == 1
    median = found.one("quantile", "estimate", arm="LOW", level="0.5", method_id=KM)
    assert median["text"] == "not reached"
    failed = found.one(
        "hazard-ratio", "estimate", arm="LOW", comparator="CTL", method_id="cox"
    )
    assert failed["error"].startswith("no event in arm LOW")
    # The hazard ratio of the other arm is the one without these rows.
    alone = run(trial_of(KEPT), *arms_of(ACT=ACTIVE, CTL=CONTROL))
    key = {"method_id": "cox", **PAIR}
    both = [one.value("hazard-ratio", "estimate", **key) for one in (found, alone)]
    assert both[0] == pytest.approx(both[1])
    assert found.value("overall", "df", method_id="log-rank") == 2


def test_an_arm_with_nobody_at_risk_is_rows_with_errors() -> None:
    subjects, times = arms_of(ACT=ACTIVE, LOW=QUIET, CTL=CONTROL)
    times = times[~times["USUBJID"].str.startswith("L")]
    found = run(trial_of(KEPT, arms=THREE), subjects, times)
    key = {"arm": "LOW", "method_id": KM}
    for place in ({"term": "day", "time": 12}, {"term": "quantile", "level": "0.5"}):
        (row,) = found.rows(**place, **key).to_dict("records")
        assert "no subject of arm LOW" in row["error"]
    assert found.value("at-risk", "n", arm="LOW", method_id="counts") == 0
    reasons = found.value(
        "not-at-risk", "n", arm="LOW", level="NO FIRST DOSE", method_id="counts"
    )
    assert reasons == 3
    low = found.rows(arm="LOW", comparator="CTL")
    assert (low["error"] != "").all()
    assert set(low["method_id"]) == {"log-rank", "cox", "rmst"}
    assert found.one("hazard-ratio", "estimate", method_id="cox", **PAIR)["error"] == ""


def test_a_control_arm_with_nobody_at_risk_leaves_curves() -> None:
    subjects, times = arms_of(ACT=ACTIVE, CTL=CONTROL)
    times = times[times["USUBJID"].str.startswith("A")]
    found = run(trial_of(KEPT), subjects, times)
    assert found.value("day", "estimate", arm="ACT", time=12, method_id=KM) == 0.8
    for term in ("difference", "ratio"):
        (row,) = found.rows(term=term, method_id="rmst").to_dict("records")
        assert "no subject of arm CTL" in row["error"]
    assert (
        "CTL" in found.one("hazard-ratio", "estimate", **PAIR, method_id="cox")["error"]
    )


def test_everybody_censored_says_that_there_is_nothing_to_compare() -> None:
    active = [(id, day, 1) for id, day, _ in ACTIVE]
    control = [(id, day, 1) for id, day, _ in CONTROL]
    found = run(trial_of(KEPT), *arms_of(ACT=active, CTL=control))
    assert found.value("day", "estimate", arm="CTL", time=40, method_id=KM) == 1
    for method, term in (("log-rank", ""), ("cox", "hazard-ratio")):
        row = found.one(term, "estimate", method_id=method, **PAIR)
        assert row["error"].startswith("no event")
    # The mean is then the horizon itself.
    assert found.value("mean", "estimate", arm="ACT", time=50, method_id="rmst") == 50


def test_one_event_in_all_is_analysed() -> None:
    active = [(id, day, 0 if id == "A1" else 1) for id, day, _ in ACTIVE]
    control = [(id, day, 1) for id, day, _ in CONTROL]
    found = run(trial_of(KEPT), *arms_of(ACT=active, CTL=control))
    assert found.value("", "df", method_id="log-rank", **PAIR) == 1
    failed = found.one("hazard-ratio", "estimate", method_id="cox", **PAIR)
    assert failed["error"].startswith("no event in arm CTL")
    assert not found.rows(method_id="analysis").shape[0]


def test_a_covariate_that_tells_all_events_is_an_error_of_its_row() -> None:
    subjects, times = arms_of(ACT=ACTIVE, CTL=CONTROL)
    events = dict(zip(times["USUBJID"], times["CNSR"] == 0, strict=True))
    subjects["SEX"] = ["F" if events[id] else "M" for id in subjects["USUBJID"]]
    spec = trial_of({**KEPT, "cox": {"covariates": ["SEX"]}})
    found = run(spec, subjects, times)
    rows = found.rows(method_id="cox", statistic="estimate")
    sex = rows[rows["term"].str.startswith("SEX")].iloc[0]
    assert sex["error"] != ""
    assert math.isnan(sex["value"])
    finite = rows["value"].dropna()
    assert (finite < 1e3).all()


def test_a_parameter_without_records_is_one_row_that_says_what_to_do() -> None:
    subjects, times = arms_of(ACT=ACTIVE, CTL=CONTROL)
    found = run(trial_of(KEPT), subjects, times.assign(PARAMCD="OTHER"))
    (row,) = found.frame.to_dict("records")
    assert row["term"] == "analysis"
    assert "adtte has no record of RELAPSE" in row["error"]
    assert "issue log of derive" in row["error"]


def test_an_empty_dataset_is_the_same_row() -> None:
    subjects, _ = arms_of(ACT=ACTIVE, CTL=CONTROL)
    found = run(trial_of(KEPT), subjects, adtte())
    assert "adtte has no record of RELAPSE" in found.frame["error"].iloc[0]


def test_impossible_times_are_named_all_at_once() -> None:
    people = adsl(subject("1"), subject("2"), subject("3", "CTL"))
    rows = [timed("1", 0, 0), timed("2", -3, 1), timed("3", 5, 7)]
    found = run(trial_of(KEPT), people, adtte(*rows))
    (row,) = found.frame.to_dict("records")
    assert "2 records have AVAL before the origin (below 1) (1, 2)" in row["error"]
    assert "1 records have a CNSR other than 0, 1 and 2 (3)" in row["error"]


def test_who_is_not_at_risk_is_counted_by_reason() -> None:
    people = adsl(
        subject("1", TRTSDT="2024-01-01"),
        subject("2", TRTSDT="2024-01-01"),
        subject("3"),
        subject("4", "CTL", TRTSDT="2024-01-01"),
        subject("5", "CTL", RANDFL="N", FASFL="Y"),
    )
    rows = [timed("1", 10, 0), timed("2", None, 1), timed("4", 20, 1)]
    found = run(trial_of(KEPT), people, adtte(*rows))
    counted = found.rows(term="not-at-risk", statistic="n", method_id="counts")
    by_reason = counted.groupby("level")["value"].sum().to_dict()
    assert by_reason == {
        "NO FIRST DOSE": 1,
        "NO TIME IN ADTTE": 1,
        "NOT RANDOMISED": 1,
    }
    whole = found.rows(term="population", statistic="n")["value"].sum()
    at_risk = found.rows(term="at-risk", statistic="n")["value"].sum()
    assert whole == at_risk + sum(by_reason.values())


def test_a_baseline_that_is_nobodys_fails_the_model_alone() -> None:
    rule: dict[str, Any] = {"kind": "medication"}
    endpoints = {
        **copy.deepcopy(STUDY["endpoints"]),
        "relapse": {**RELAPSE, "events": [rule]},
    }
    spec = trial_of(KEPT, endpoints=endpoints)
    analysis = spec.analyses[0]
    model = analysis.cox.model_copy(update={"covariates": ["BASE"]})
    changed = analysis.model_copy(update={"cox": model})
    spec = spec.model_copy(update={"analyses": [changed]})
    found = run(spec, *arms_of(ACT=ACTIVE, CTL=CONTROL))
    row = found.one("hazard-ratio", "estimate", method_id="cox", **PAIR)
    assert "BASE is nobody's" in row["error"]
    assert found.value("day", "estimate", arm="ACT", time=12, method_id=KM) == 0.8


def test_a_description_that_is_a_name_of_the_results_is_refused() -> None:
    subjects, times = arms_of(ACT=ACTIVE, CTL=CONTROL)
    times.loc[0, ["CNSR", "EVNTDESC"]] = [2, "event"]
    found = run(trial_of(KEPT), subjects, times)
    assert "give the rule another label" in found.frame["error"].iloc[0]


def test_order_of_rows_does_not_matter() -> None:
    subjects, times = arms_of(ACT=ACTIVE, CTL=CONTROL)
    spec = trial_of({**KEPT, "cox": {"covariates": ["BASE"]}})
    there = run(spec, subjects, times).frame
    back = run(spec, subjects.iloc[::-1], times.iloc[::-1]).frame
    same = there.merge(back, on="result_id", suffixes=("", "_back"))
    assert len(same) == len(there) == len(back)
    close = (same["value"] - same["value_back"]).abs().fillna(0.0)
    assert close.max() < 1e-9
