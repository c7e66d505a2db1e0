"""The follow-up and the true times to events: entry, hazards, rules, denominators."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from outcomes.simulate.course import Conditions
from outcomes.simulate.durability import (
    History,
    Times,
    describe_times,
    incidence,
    plan_of,
    times_of,
)
from outcomes.simulate.entry import entry_rows
from outcomes.simulate.ideal import everybody, sample
from outcomes.simulate.preset import Preset, load_preset
from outcomes.simulate.steps import NEVER, expit
from outcomes.simulate.streams import Streams
from outcomes.simulate.trial import Trial, build_trial
from outcomes.simulate.truth import truth_of
from outcomes.simulate.writing import raw_tables

KETAMINE, PSILOCYBIN = load_preset("ketamine-trd"), load_preset("psilocybin-trd")
N = 8000


def changed(preset: Preset, **sections: dict[str, Any]) -> Preset:
    """Return a preset with other values in sections of its follow-up."""
    content = preset.model_dump()
    for name, values in sections.items():
        content["follow_up"][name] |= values
    return Preset.model_validate(content)


def by_arm(value: float) -> dict[str, float]:
    return dict.fromkeys(PSILOCYBIN.arm_ids, value)


@pytest.fixture(scope="module")
def trial() -> Trial:
    return build_trial(PSILOCYBIN, PSILOCYBIN.seed)


@pytest.fixture(scope="module")
def large() -> Trial:
    return build_trial(PSILOCYBIN, 7, size=20)


def last_score(trial: Trial) -> Any:
    total, done = trial.course.total, trial.course.done
    place = done.shape[1] - 1 - done[:, ::-1].argmax(axis=1)
    return total[np.arange(trial.n), place]


def test_the_follow_up_moves_no_record_of_the_main_study(trial: Trial) -> None:
    content = PSILOCYBIN.model_dump()
    content["follow_up"] = None
    content["visits"] = [v for v in content["visits"] if v["kind"] != "follow-up"]
    before = raw_tables(build_trial(Preset.model_validate(content), PSILOCYBIN.seed))
    after = raw_tables(trial)
    later = {v.id for v in PSILOCYBIN.later}
    assert before.keys() == after.keys()
    for name, table in before.items():
        rows = after[name].rows
        if name == "disposition":
            rows = [row[:-1] for row in rows if row[-1] == ""]
        elif name == "madrs":
            rows = [row for row in rows if row[1] not in later]
        elif name == "medications":
            rows = [row for row in rows if row in table.rows]
        assert rows == table.rows, name


def test_randomised_are_entered_or_have_a_reason_and_the_entered_have_an_end(
    trial: Trial,
) -> None:
    reasons = ["X" if day != NEVER else "" for day in trial.course.left]
    found = entry_rows(trial, reasons)
    assert set(found) == set(range(trial.n))
    entered = {k for k, rows in found.items() if rows[0][3] == "ENTERED FOLLOW-UP"}
    assert trial.course.later is not None
    assert entered == set(np.flatnonzero(trial.course.later.entered))
    for k, rows in found.items():
        if k in entered:
            assert [row[2] for row in rows] == [
                "PROTOCOL MILESTONE",
                "DISPOSITION EVENT",
            ]
            assert rows[0][1] < rows[1][1]
            assert rows[1][3] == "COMPLETED" or rows[1][4] == rows[1][3]
        else:
            ((_, _, _, event, reason, epoch),) = rows
            assert (event, epoch) == ("NOT ENTERED", "FOLLOW-UP")
            assert reason
    left = Counter(rows[0][4] for k, rows in found.items() if k not in entered)
    assert left["NOT ELIGIBLE: LEFT THE TRIAL"] == sum(map(bool, reasons))
    arm = [trial.preset.arm_ids[int(k)] for k in trial.cohort.planned]
    assert Counter(arm[k] for k in entered) == {"PSI25": 22, "PSI10": 19, "PSI1": 16}


def test_follow_up_interviews_are_of_those_who_entered_and_after_entry(
    trial: Trial,
) -> None:
    later, table = trial.course.later, raw_tables(trial)["madrs"]
    assert later is not None
    ids = trial.cohort.subject_id
    entered = {
        ids[k]: trial.iso(int(k), int(later.entered_on[k]))
        for k in np.flatnonzero(later.entered)
    }
    visits = {v.id for v in PSILOCYBIN.later}
    seen = [row for row in table.rows if row[1] in visits]
    assert len(seen) > 1500
    assert all(row[2] > entered[row[0]] for row in seen)


def test_entry_follows_its_logit_on_the_last_observed_score(large: Trial) -> None:
    later, par = large.course.later, PSILOCYBIN.follow_up.entry
    closed = [s.id in par.closed_sites for s in PSILOCYBIN.sites]
    there = (large.course.left == NEVER) & ~np.array(closed)[large.cohort.site]
    score = last_score(large)
    for number, arm in enumerate(PSILOCYBIN.arm_ids):
        # Within thirds of the score, as many enter as the model says: four standard
        # errors of a share.
        rows = np.flatnonzero(there & (large.cohort.actual == number))
        slope = par.per_ten_points[arm]
        chance = expit(par.intercept[arm] + slope * (score[rows] - par.centre) / 10)
        for part in np.array_split(np.argsort(score[rows], kind="stable"), 3):
            observed = later.entered[rows][part].mean()
            limit = 4 * np.sqrt(0.25 / len(part))
            assert abs(observed - chance[part].mean()) < limit
    assert not later.entered[~there].any()


@pytest.mark.parametrize("hidden", [0.0, 1.0])
def test_a_hidden_trait_matters_to_entry_only_where_asked(hidden: float) -> None:
    preset = changed(PSILOCYBIN, entry={"hidden": hidden})
    trial = build_trial(preset, 3, size=10)
    trait = trial.streams.part("frailty").standard_normal(trial.n)
    there = trial.course.left == NEVER
    entered = trial.course.later.entered
    gap = trait[entered].mean() - trait[there & ~entered].mean()
    assert (gap > 0.5) if hidden else (abs(gap) < 0.15)


def test_hazards_of_relapse_are_recovered() -> None:
    plain = changed(
        PSILOCYBIN, relapse={"per_ten_points": 0.0, "frailty": 0.0, "centre": 20}
    )
    streams = Streams(4)
    people = sample(plain, streams, N)
    everyone = Conditions(dropout=False, selection=False)
    for arm, course in everybody(plain, streams, people, everyone).items():
        weeks = 9.0
        start = course.relapsed - 22
        early = start < 7 * weeks - 14  # before anybody's week 12
        early_hazard = early.sum() / np.minimum(start, 7 * weeks - 14).sum() * 7
        assert early_hazard == pytest.approx(PSILOCYBIN.relapse.weekly_hazard[arm], 0.1)
        late = course.relapsed[course.relapsed > 105]
        late_hazard = 7.0 / (late - 105 + 0.5).mean()
        hazard = PSILOCYBIN.follow_up.relapse.weekly_hazard[arm]
        assert late_hazard == pytest.approx(hazard, 0.08)


def test_residual_symptoms_raise_the_hazard_in_the_follow_up(large: Trial) -> None:
    score = last_score(large)
    fresh = (large.course.relapsed > 105) & (large.cohort.actual == 0)
    wait = large.course.relapsed - 105
    low, high = fresh & (score < 12), fresh & (score > 22)
    assert np.median(wait[high]) < np.median(wait[low]) / 1.5


def history(**changes: Any) -> History:
    """Three subjects rated on days 1, 7 and 21 with a baseline of 40."""
    day = np.tile([1, 7, 21], (3, 1))
    never = np.full(3, NEVER)
    content = {
        "base": np.array([40, 40, 40]),
        "day": day,
        "total": np.array([[20, 25, 10], [34, 33, 35], [18, 19, 12]]),
        "seen": np.ones((3, 3), dtype=bool),
        "rescued": never,
        "serious": {},
        "end": np.array([21, 21, 21]),
    }
    return History(**(content | changes))


def test_times_follow_the_rules_of_the_study_file() -> None:
    plan = plan_of(PSILOCYBIN)
    event, lost, relapse = (
        plan.endpoints[name]
        for name in ("depressive_event", "response_lost", "relapse")
    )
    found = times_of(plan, event, history())
    assert (found.time.tolist(), found.cause.tolist()) == ([22, 2, 22], [0, 1, 0])
    rescued = history(rescued=np.array([5, NEVER, 30]))
    found = times_of(plan, event, rescued)
    assert (found.time.tolist(), found.cause.tolist()) == ([6, 2, 22], [1, 1, 0])
    suicidal = {"Suicidal ideation": np.array([NEVER, NEVER, 9])}
    assert times_of(plan, event, history(serious=suicidal)).time.tolist() == [22, 2, 10]
    # From the first response, on day 1: the second subject never has one.
    found = times_of(plan, lost, history())
    assert (found.rows.tolist(), found.time.tolist()) == ([0, 2], [7, 21])
    assert found.cause.tolist() == [1, 0]
    # Two ratings of 22 or more in a row, after the first response; an antidepressant
    # competes, also one that starts between the two.
    back = np.array([[20, 25, 22], [20, 25, 10], [20, 25, 30]])
    rescued = np.array([NEVER, NEVER, 9])
    found = times_of(plan, relapse, history(total=back, rescued=rescued))
    assert (found.time.tolist(), found.cause.tolist()) == ([7, 21, 9], [1, 0, 2])
    at_once = history(base=np.array([44, 44, 44]), total=np.tile([22, 30, 10], (3, 1)))
    assert times_of(plan, relapse, at_once).cause.tolist() == [0, 0, 0]


def test_a_rating_that_was_not_done_neither_ends_nor_extends_anything() -> None:
    plan = plan_of(PSILOCYBIN)
    seen = np.array([[True, False, True], [False, False, False], [True, True, False]])
    found = times_of(plan, plan.endpoints["response_lost"], history(seen=seen))
    assert found.rows.tolist() == [0, 2]
    assert (found.time.tolist(), found.cause.tolist()) == ([21, 7], [0, 0])


def test_incidence_is_that_of_aalen_and_johansen() -> None:
    times = Times(np.array([1, 2, 2, 3, 4]), np.array([1, 2, 0, 1, 0]), np.arange(5))
    at, found = incidence(times)
    assert at.tolist() == [1, 2, 3, 4]
    assert found[1] == pytest.approx([0.2, 0.2, 0.5, 0.5])
    assert found[2] == pytest.approx([0.0, 0.2, 0.2, 0.2])
    said = describe_times(times, 10, [1, 3, 9])
    assert said["at_risk_percent"] == 50.0
    assert said["event_free"] == {"1": 0.8, "3": 0.3, "9": None}
    assert said["median"] == 3


def test_truth_says_what_selection_does() -> None:
    truth = truth_of(build_trial(PSILOCYBIN, 5))
    events = truth["time_to_event"]["depressive_event"]

    def gap(kind: str) -> float:
        free = {arm: events[arm][kind]["event_free"]["182"] for arm in events}
        return free["PSI25"] - free["PSI10"]

    # Who entered differs more between the arms than everybody would.
    assert gap("entered_only") > 2 * gap("truth") > 0.15
    assert abs(gap("all_randomised") - gap("truth")) < 0.12
    for arm, states in events.items():
        free = states["truth"]["event_free"]
        values = [free[day] for day in ("28", "84", "182", "364")]
        assert values == sorted(values, reverse=True)
        assert states["truth"]["at_risk_percent"] == 100.0
        assert 15 < states["entered_only"]["entered_percent"] < 40, arm
    assert truth["follow_up"]["entry"]["hidden"] == 0
    relapse = truth["time_to_event"]["relapse"]["PSI25"]["truth"]
    total = (
        relapse["event_free"]["182"]
        + relapse["incidence"]["182"]
        + relapse["incidence_competing"]["182"]
    )
    assert total == pytest.approx(1.0, abs=2e-4)


def test_ketamine_works_within_a_day_and_is_lost_within_weeks() -> None:
    streams = Streams(6)
    people = sample(KETAMINE, streams, N)
    courses = everybody(KETAMINE, streams, people, Conditions(dropout=False))
    visits = [v.id for v in KETAMINE.assessments]
    share = {}
    for arm, course in courses.items():
        halved = 2 * course.total[:, 1:] <= course.total[:, [0]]
        share[arm] = dict(zip(visits, halved.mean(axis=0), strict=True))
        kept = halved[halved[:, 1]].mean(axis=0)
        share[arm]["kept"] = dict(zip(visits, kept, strict=True))
    assert share["KET"]["HOUR4"] > 0.35
    assert 0.50 < share["KET"]["DAY1"] < 0.68
    assert 0.20 < share["MID"]["DAY1"] < 0.34
    assert share["KET"]["kept"]["DAY7"] < 0.7
    assert share["KET"]["kept"]["DAY14"] < 0.4


def test_an_assessment_hours_after_the_dose_is_on_its_day_and_after_it() -> None:
    trial = build_trial(KETAMINE, 2, size=10)
    assert (trial.cohort.days["HOUR4"] == 0).all()
    assert (trial.course.left >= 0).all()
    assert trial.course.attended[:, 1].all()
    # Two of three are randomised to the first arm.
    assert (trial.cohort.planned == 0).mean() == pytest.approx(2 / 3, abs=0.02)
    matrix = np.array(
        truth_of(build_trial(KETAMINE, 2))["residual_covariance"]["by_arm"]["KET"]
    )
    assert np.isfinite(matrix).all()


def test_follow_up_and_its_visits_go_together() -> None:
    content = PSILOCYBIN.model_dump()
    content["follow_up"] = None
    with pytest.raises(ValueError, match="go together"):
        Preset.model_validate(content)
    with pytest.raises(ValueError, match=r"closed_sites: \['99'\]"):
        changed(PSILOCYBIN, entry={"closed_sites": ["99"]})
    with pytest.raises(ValueError, match=r"entry.intercept must name the arms"):
        changed(PSILOCYBIN, entry={"intercept": {"PSI25": 0.0}})
    content = KETAMINE.model_dump()
    content["visits"][2]["hour"] = 1.0
    with pytest.raises(ValueError, match="only an assessment has an hour"):
        Preset.model_validate(content)
