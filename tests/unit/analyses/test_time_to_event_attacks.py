"""Analyses of times that must say what is wrong instead of giving a number."""

from __future__ import annotations

import pytest
from event_made import (
    ACTIVE,
    CONTROL,
    FOLLOWED,
    KEPT,
    arms_of,
    followed_trial,
    run,
    trial_of,
)
from test_time_to_event_entry import made, of_arm

from outcomes.study.analyses import TimeToEvent
from outcomes.study.check_events import time_to_event

PEOPLE = [*of_arm("ACT"), *of_arm("CTL")]


def test_the_followed_up_are_those_who_entered() -> None:
    subjects, times, records = made(*PEOPLE)
    subjects["FUSFL"] = "Y"
    found = run(followed_trial(FOLLOWED), subjects, times, records)
    rows = found.rows(population="FUS")
    assert len(rows) == 1
    assert "8 subjects of FUS did not enter the follow-up" in rows["error"].iloc[0]
    day = {"arm": "ACT", "time": 50, "method_id": "kaplan-meier"}
    assert found.value("day", "estimate", **day) == pytest.approx(0.9)


def test_the_followed_up_are_part_of_the_population() -> None:
    subjects, times, records = made(*PEOPLE)
    subjects.loc[subjects["USUBJID"] == "S00", "FASFL"] = "N"
    found = run(followed_trial(FOLLOWED), subjects, times, records)
    (error,) = found.rows(population="FUS")["error"]
    assert "1 subjects of FUS are not in FAS" in error


def test_one_cluster_gives_no_robust_errors_and_says_so() -> None:
    spec = trial_of({**KEPT, "cox": {"cluster": "SITEID"}})
    subjects, times = arms_of(ACT=ACTIVE, CTL=CONTROL)
    subjects["SITEID"] = "01"
    found = run(spec, subjects, times)
    key = {"arm": "ACT", "comparator": "CTL", "method_id": "cox"}
    failed = found.one("hazard-ratio", "estimate", **key)
    assert "SITEID is the same for everybody" in failed["error"]


def test_counts_and_survival_of_strata_with_empty_cells() -> None:
    spec = trial_of({**KEPT, "strata": ["SITEID"]})
    subjects, times = arms_of(ACT=ACTIVE, CTL=CONTROL)
    # Nobody of a stratum has somebody of the other arm beside them.
    subjects["SITEID"] = subjects["USUBJID"].str[0]
    found = run(spec, subjects, times)
    key = {"arm": "ACT", "comparator": "CTL"}
    assert found.one("", "estimate", method_id="log-rank", **key)["error"]
    assert found.one("hazard-ratio", "estimate", method_id="cox", **key)["error"]
    day = {"arm": "ACT", "time": 12, "method_id": "kaplan-meier"}
    assert found.value("day", "estimate", **day) == pytest.approx(0.8)


def test_reasons_of_not_entering_need_a_follow_up() -> None:
    reasons = ["SITE NOT PARTICIPATING"]
    weights = {"history": ["change"], "not_eligible": reasons}
    spec = followed_trial({**FOLLOWED, "entry_weights": weights})
    (analysis,) = spec.analyses
    assert isinstance(analysis, TimeToEvent)
    assert not list(time_to_event(spec, analysis, "here"))
    without = spec.model_copy(update={"follow_up": None})
    found = dict(time_to_event(without, analysis, "here"))
    assert "the study has none" in found["here.entry_weights.not_eligible"]
