from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from event_made import FOLLOWED, adtte, followed_trial, run, timed
from hand_made import STUDY, Results, adqs, adsl, answer, baseline, record, subject

from outcomes.analyses.time_to_event_data import event_data
from outcomes.analyses.time_to_event_entry import eligible
from outcomes.analyses.time_to_event_sample import warned, without_warning
from outcomes.ard.rows import ArdRows
from outcomes.models.survival.kaplan_meier import kaplan_meier
from outcomes.study.analyses import TimeToEvent

KM = "kaplan-meier"
DUE = 85
PAIR = {"arm": "ACT", "comparator": "CTL"}

Member = tuple[str, float, int, bool, float]
"""Arm, day, CNSR, entered, last score before the follow-up."""


def made(*members: Member) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return ADSL, ADTTE and ADQS of subjects of whom follow-up was due on day 85."""
    people, times, records = [], [], []
    for n, (arm, day, cnsr, entered, score) in enumerate(members):
        id = f"S{n:02d}"
        later = (
            {"FUPFL": "Y", "FUSFL": "Y", "FUPDT": "2024-03-25", "FUPSTT": "COMPLETED"}
            if entered
            else {"FUPFL": "N", "FUSFL": "N", "FUPNREAS": "Moved away"}
        )
        people.append(subject(id, arm, **later))
        why = (
            "NOT ENTERED FOLLOW-UP" if cnsr == 1 and not entered else "COMPLETED STUDY"
        )
        more = {"EVNTDESC": why} if cnsr == 1 else {}
        times.append(timed(id, day, cnsr, FUPDY=DUE, **more))
        records += [baseline(id, 30.0), record(id, "WEEK1", 28.0)]
        records.append(record(id, "WEEK3", score))
        if entered:
            records.append(answer(id, "WEEK12", 1))
    return adsl(*people), adtte(*times), adqs(*records)


def of_arm(arm: str, *, worse: float = 1.0) -> list[Member]:
    """Return an arm in which every second of the ill and most of the well entered.

    The well keep their response, the ill lose it on days 90 and 95.
    """
    well: list[Member] = [(arm, 200.0, 1, True, 5.0) for _ in range(4)]
    well += [(arm, 85.0, 1, False, 5.0)]
    ill: list[Member] = [(arm, 89.0 + worse, 0, True, 20.0)]
    ill += [(arm, 95.0, 0, True, 20.0)]
    ill += [(arm, 85.0, 1, False, 20.0) for _ in range(2)]
    early: list[Member] = [(arm, 20.0, 0, False, 25.0)]
    return [*well, *ill, *early]


@pytest.fixture(scope="module")
def found() -> Results:
    return run_made([*of_arm("ACT"), *of_arm("CTL", worse=2.0)])


def run_made(members: list[Member], **weights: Any) -> Results:
    plan = {"history": ["change"], **weights}
    spec = followed_trial({**FOLLOWED, "entry_weights": plan})
    subjects, times, records = made(*members)
    return run(spec, subjects, times, records)


def test_entry_counts_close(found: Results) -> None:
    key = {"arm": "ACT", "method_id": "entry"}
    value = {
        term: found.value(term, "n", **key)
        for term in ("randomised", "eligible", "entered", "not-entered")
    }
    assert value == {"randomised": 10, "eligible": 9, "entered": 6, "not-entered": 4}
    assert found.value("not-entered", "n", level="Moved away", **key) == 4
    assert found.value("without-record", "n", **key) == 0
    assert found.value("ended", "n", level="COMPLETED", **key) == 6
    assert found.value("ended", "percent", level="COMPLETED", **key) == 100
    seen = found.one("assessed", "n", visit="WEEK12", **key)
    assert (seen["value"], seen["time"]) == (6, 85)
    assert found.value("entered", "percent", **key) == 60


def test_weights_are_one_over_the_share_that_entered(found: Results) -> None:
    # Two values of history: the model is saturated, 4 of 5 and 2 of 4 entered.
    key = {"arm": "ACT", "method_id": "entry-weights"}
    assert found.value("weight", "n", **key) == 6
    assert found.value("weight", "min", **key) == pytest.approx(5 / 4)
    assert found.value("weight", "max", **key) == pytest.approx(2)
    assert found.value("weight", "mean", **key) == pytest.approx(9 / 6)
    size = 81 / (4 * (5 / 4) ** 2 + 2 * 4)
    assert found.value("weight", "effective_size", **key) == pytest.approx(size)
    after = found.value("balance", "after", level="change", **key)
    assert after == pytest.approx(0, abs=1e-8)
    assert found.value("balance", "before", level="change", **key) < -0.1
    odds = found.value("coefficient", "estimate", level="change", **key)
    assert odds == pytest.approx((1 / 4) ** (1 / 15))


def test_weighted_survival_is_that_of_all_by_hand(found: Results) -> None:
    # Of 10, one event on day 20; then 9 weighted at risk, two of weight 2 with events.
    key = {"arm": "ACT", "time": 100}
    weighted = found.value("day", "estimate", method_id=f"{KM}-weighted", **key)
    assert weighted == pytest.approx(0.9 * 7 / 9 * 5 / 7)
    every = found.value("day", "estimate", method_id=KM, population="FAS", **key)
    assert every == pytest.approx(0.9 * 5 / 6 * 4 / 5)
    selected = found.value("day", "estimate", method_id=KM, population="FUS", **key)
    assert selected == pytest.approx(5 / 6 * 4 / 5)
    risk = found.one("day", "n_risk", method_id=f"{KM}-weighted", **key)
    assert risk["value"] == pytest.approx(5)
    # The same as subjects: four with 5/4 each.
    point = found.rows(
        term="curve", arm="ACT", method_id=f"{KM}-weighted", statistic="count_risk"
    )
    assert point.set_index("time")["value"][200] == 4


def test_weighted_limits_are_robust_by_subject(found: Results) -> None:
    rows = []
    for n, (_, day, cnsr, entered, score) in enumerate(of_arm("ACT")):
        first = {"id": n, "start": 0.0, "stop": min(day, DUE), "w": 1.0}
        rows.append({**first, "event": int(cnsr == 0 and day <= DUE)})
        if day > DUE and entered:
            w = 5 / 4 if score == 5 else 2.0
            later = {"id": n, "start": DUE, "stop": day, "event": int(cnsr == 0)}
            rows.append({**later, "w": w})
    told: dict[str, Any] = {"time": "stop", "event": "event", "entry": "start"}
    direct = kaplan_meier(pd.DataFrame(rows), **told, weights="w", subject="id")
    for name in ("std_error", "conf_low", "conf_high"):
        key = {"arm": "ACT", "time": 100, "method_id": f"{KM}-weighted"}
        value = found.value("day", name, **key)
        assert value == pytest.approx(direct.at([100.0])[name].iloc[0], rel=1e-6)


def test_every_weighted_result_is_there_and_says_what_it_assumes(
    found: Results,
) -> None:
    for method, term in (
        ("log-rank-weighted", ""),
        ("cox-weighted", "hazard-ratio"),
        ("rmst-weighted", "difference"),
    ):
        rows = found.rows(method_id=method, term=term, **PAIR)
        assert (rows["error"] == "").all()
        assert rows["warning"].str.contains("valid only where entry").all()
        assert (rows["population"] == "FAS").all()
        assert "p_value" in set(rows["statistic"])
    assert not found.rows(method_id="schoenfeld-weighted").shape[0]


def test_the_followed_up_are_marked_as_selected(found: Results) -> None:
    rows = found.rows(population="FUS")
    assert set(rows["method_id"]) == {"counts", KM, "log-rank", "cox", "rmst"}
    assert rows["warning"].str.startswith("selected:").all()
    key = {"arm": "ACT", "method_id": "counts", "population": "FUS"}
    assert found.value("population", "n", **key) == 6
    others = found.rows(population="FAS")
    assert not others["warning"].str.contains("selected").any()


def test_an_arm_that_nobody_entered_has_errors_and_the_other_its_weights() -> None:
    nobody = [
        (arm, min(day, 85.0), cnsr if day <= 85 else 1, False, score)
        for arm, day, cnsr, _, score in of_arm("CTL")
    ]
    found = run_made([*of_arm("ACT"), *nobody])
    failed = found.one("weight", "estimate", arm="CTL", method_id="entry-weights")
    assert "nobody of arm CTL who could have entered" in failed["error"]
    key = {"method_id": f"{KM}-weighted", "time": 100}
    assert found.one("day", "estimate", arm="CTL", **key)["error"] != ""
    weighted = found.value("day", "estimate", arm="ACT", **key)
    assert weighted == pytest.approx(0.9 * 5 / 9)
    for method in ("log-rank-weighted", "cox-weighted", "rmst-weighted"):
        rows = found.rows(method_id=method, **PAIR)
        assert len(rows)
        assert (rows["error"] != "").all()
    # What needs no weights is there.
    row = found.one(
        "hazard-ratio", "estimate", method_id="cox", population="FAS", **PAIR
    )
    assert row["error"] == ""
    empty = found.rows(population="FUS", arm="CTL", term="subjects")
    assert len(empty) == 1


def test_an_arm_that_everybody_entered_has_weights_of_one() -> None:
    every = [
        (arm, day, cnsr, True, score) for arm, day, cnsr, _, score in of_arm("CTL")
    ]
    found = run_made([*of_arm("ACT"), *every])
    key = {"arm": "CTL", "method_id": "entry-weights"}
    row = found.one("weight", "max", **key)
    assert row["value"] == 1
    assert "weights are 1" in row["warning"]
    assert not found.rows(term="coefficient", **key).shape[0]


def test_where_nobody_entered_at_all_there_is_nothing_but_errors_of_weights() -> None:
    members: list[Member] = [
        (arm, min(day, 85.0), cnsr if day <= 85 else 1, False, score)
        for arm, day, cnsr, _, score in [*of_arm("ACT"), *of_arm("CTL")]
    ]
    found = run_made(members)
    rows = found.rows(population="FUS")
    assert list(rows["term"]) == ["subjects"]
    assert "population FUS has no subject" in rows["error"].iloc[0]
    weighted = found.frame[found.frame["method_id"].str.endswith("-weighted")]
    assert len(weighted)
    assert (weighted["error"] != "").all()
    key = {"arm": "ACT", "time": 50, "method_id": KM}
    assert found.value("day", "estimate", **key) == pytest.approx(0.9)


def test_the_followed_up_without_anybody_at_risk_are_errors() -> None:
    subjects, times, records = made(*of_arm("ACT"), *of_arm("CTL"))
    gone = subjects.loc[subjects["FUPFL"] == "Y", "USUBJID"]
    times = times[~times["USUBJID"].isin(gone)]
    found = run(followed_trial(FOLLOWED), subjects, times, records)
    rows = found.rows(population="FUS", method_id=KM)
    assert set(rows["term"]) == {"day", "quantile"}
    assert rows["error"].str.contains("in FUS is at risk").all()
    assert found.value("at-risk", "n", arm="ACT", population="FUS") == 0


def test_a_single_arm_is_weighted_and_not_compared() -> None:
    info = {**STUDY["study"], "design": "single-arm"}
    arms = [{"id": "ACT", "label": "Active", "active": True}]
    spec = followed_trial(FOLLOWED, study=info, arms=arms)
    found = run(spec, *made(*of_arm("ACT")))
    key = {"arm": "ACT", "time": 100, "method_id": f"{KM}-weighted"}
    assert found.value("day", "estimate", **key) == pytest.approx(0.5)
    assert (found.frame["comparator"] == "").all()
    assert (found.frame["error"] == "").all()


def test_separated_entry_has_finite_weights_and_a_warning() -> None:
    members = [
        (arm, day, cnsr, entered if score < 10 else False, score)
        for arm, day, cnsr, entered, score in of_arm("ACT")
        if not (score < 10 and not entered)
    ]
    found = run_made([*members, *of_arm("CTL")])
    row = found.one("weight", "max", arm="ACT", method_id="entry-weights")
    assert np.isfinite(row["value"])
    assert "Firth" in row["warning"]
    ratio = found.one("hazard-ratio", "estimate", method_id="cox-weighted", **PAIR)
    assert "arm ACT: Firth" in ratio["warning"]


def test_truncated_weights_are_cut_off() -> None:
    found = run_made([*of_arm("ACT"), *of_arm("CTL")], truncate=[0, 50])
    key = {"arm": "ACT", "method_id": "entry-weights"}
    row = found.one("weight", "max", **key)
    assert row["value"] == pytest.approx(5 / 4)
    assert "cut off at percentiles 0 and 50" in row["method"]


def test_who_could_enter_and_has_no_history_is_left_out_and_counted() -> None:
    members = [*of_arm("ACT"), *of_arm("CTL")]
    subjects, times, records = made(*members)
    spec = followed_trial(FOLLOWED)
    records = records[(records["USUBJID"] != "S00") | (records["PARAMCD"] == "RESP")]
    found = run(spec, subjects, times, records)
    row = found.one(
        "excluded", "n", level="change is missing", method_id="entry-weights"
    )
    assert row["value"] == 1
    day = found.one("day", "n_event", arm="ACT", time=50, method_id=f"{KM}-weighted")
    assert "1 subjects left out: change is missing" in day["warning"]
    assert day["n_subjects"] == 9


@pytest.mark.parametrize(
    ("change", "is_eligible"),
    [
        ({}, True),
        ({"AVAL": 80.0}, True),  # the last assessment was a little earlier
        ({"AVAL": 80.0, "EVNTDESC": "Rescue started"}, False),  # a rule censored it
        ({"AVAL": 85.0, "CNSR": 0}, False),  # the event on the day itself
        ({"AVAL": 86.0, "CNSR": 0}, True),
        ({"AVAL": 85.0, "CNSR": 2}, False),
        ({"FUPDY": None}, False),
        ({"FUPDY": -3}, False),  # at risk only since the follow-up
    ],
)
def test_who_is_eligible(change: dict[str, Any], is_eligible: bool) -> None:
    subjects, times, _ = made(*of_arm("ACT"))
    for name, value in change.items():
        times.loc[times["USUBJID"] == "S00", name] = value
    spec = followed_trial(FOLLOWED)
    analysis = spec.analyses[0]
    assert isinstance(analysis, TimeToEvent)
    found = eligible(event_data(spec, analysis, subjects, times), analysis)
    assert ("S00" in set(found["USUBJID"])) is is_eligible


def test_who_left_the_main_study_could_not_enter_and_has_a_reason() -> None:
    subjects, times, records = made(*of_arm("ACT"), *of_arm("CTL"))
    subjects.loc[subjects["USUBJID"] == "S04", ["EOSSTT", "DCSREAS", "FUPNREAS"]] = [
        "DISCONTINUED",
        "LOST TO FOLLOW-UP",
        "",
    ]
    subjects.loc[subjects["USUBJID"] == "S07", "FUPNREAS"] = ""
    found = run(followed_trial(FOLLOWED), subjects, times, records)
    key = {"arm": "ACT", "method_id": "entry"}
    assert found.value("eligible", "n", **key) == 8
    level = "DISCONTINUED: LOST TO FOLLOW-UP"
    assert found.value("not-entered", "n", level=level, **key) == 1
    silent = found.one("without-record", "n", **key)
    assert silent["value"] == 1
    assert "neither entered nor have a reason" in silent["warning"]


def test_who_could_not_have_entered_is_represented_by_nobody() -> None:
    subjects, times, records = made(*of_arm("ACT"), *of_arm("CTL"))
    # Of the ill who did not enter, one at a site that took no part.
    subjects.loc[subjects["USUBJID"] == "S07", "FUPNREAS"] = "Site  not participating"
    plan = {"history": ["change"]} | {
        "not_eligible": ["SITE NOT PARTICIPATING", "Never said"]
    }
    spec = followed_trial({**FOLLOWED, "entry_weights": plan})
    found = run(spec, subjects, times, records)
    key = {"arm": "ACT", "method_id": "entry"}
    barred = found.rows(term="could-not-enter", statistic="n", **key)
    assert dict(zip(barred["level"], barred["value"], strict=True)) == {
        "Site  not participating": 1,
        "Never said": 0,
    }
    assert found.value("eligible", "n", **key) == 8
    # Four of five and two of three entered.
    key = {"arm": "ACT", "method_id": "entry-weights"}
    assert found.value("weight", "min", **key) == pytest.approx(5 / 4)
    assert found.value("weight", "max", **key) == pytest.approx(3 / 2)
    key = {"arm": "ACT", "method_id": f"{KM}-weighted"}
    # Until the follow-up was due everybody counts, also who could not enter.
    assert found.value("day", "n_risk", time=50, **key) == 9
    assert found.value("day", "estimate", time=100, **key) == pytest.approx(0.9 * 5 / 8)


def test_entered_and_eligible_close() -> None:
    late = ("ACT", 30.0, 0, True, 25.0)  # entered after the event
    found = run_made([*of_arm("ACT"), late, *of_arm("CTL")])
    key = {"arm": "ACT", "method_id": "entry"}
    terms = ("eligible", "eligible-entered", "eligible-not-entered")
    counts = [found.value(term, "n", **key) for term in terms]
    assert counts == [9, 6, 3]
    assert found.value("entered-otherwise", "n", **key) == 1
    assert found.value("entered", "n", **key) == 7
    assert not found.rows(term="could-not-enter").shape[0]


def test_weighted_days_count_persons_beside_sums_of_weights(found: Results) -> None:
    key = {"arm": "ACT", "method_id": f"{KM}-weighted", "time": 100}
    assert found.value("day", "count_risk", **key) == 4
    assert found.value("day", "n_risk", **key) == pytest.approx(5)
    key = {"arm": "ACT", "method_id": f"{KM}-weighted", "time": 50}
    assert found.value("day", "count_risk", **key) == 9
    plain = found.rows(term="day", method_id=KM)
    assert "count_risk" not in set(plain["statistic"])


def test_weights_that_rest_on_few_warn_the_numbers_of_their_arm() -> None:
    many = [member for _ in range(4) for member in of_arm("CTL")]
    found = run_made([*of_arm("ACT"), *many])
    few = "few entered: the weights of ACT rest on fewer than 10 effective subjects"
    per = "fewer than 5 entered per coefficient of the entry model in ACT"
    for method, term, arm in (
        (f"{KM}-weighted", "day", "ACT"),
        (f"{KM}-weighted", "curve", "ACT"),
        ("rmst-weighted", "mean", "ACT"),
        ("rmst-weighted", "difference", "ACT"),
        ("log-rank-weighted", "", "ACT"),
        ("log-rank-weighted", "overall", ""),
        ("cox-weighted", "hazard-ratio", "ACT"),
        ("entry-weights", "weight", "ACT"),
    ):
        rows = found.rows(method_id=method, term=term, arm=arm)
        assert len(rows)
        for warning in rows["warning"]:
            assert {few, per} <= set(warning.split("; "))
    others = found.rows(arm="CTL")
    assert not others["warning"].str.contains("entry model|few entered").any()
    plain = found.rows(arm="ACT", method_id=KM)
    assert not plain["warning"].str.contains("weight").any()


def test_weights_that_balance_nothing_say_of_what() -> None:
    found = run_made([*of_arm("ACT"), *of_arm("CTL")], truncate=[0, 50])
    key = {"arm": "ACT", "method_id": f"{KM}-weighted", "time": 100}
    warning = found.one("day", "estimate", **key)["warning"]
    assert "balance after weighting is worse than 0.1 for change in ACT" in warning


def test_a_term_that_repeats_another_is_a_note() -> None:
    same = [(arm, day, cnsr, came, 5.0) for arm, day, cnsr, came, _ in of_arm("ACT")]
    found = run_made([*same, *of_arm("CTL")])
    key = {"arm": "ACT", "method_id": "entry-weights", "level": "change"}
    (row,) = found.rows(term="coefficient", **key).to_dict("records")
    assert (row["statistic"], row["text"], row["error"]) == ("note", "aliased", "")
    # Six of nine entered, and nothing tells who.
    assert found.value("weight", "max", arm="ACT") == pytest.approx(3 / 2)


def test_no_message_of_a_model_falls_apart_into_several_warnings() -> None:
    ard = warned(warned(ArdRows(), "one; two"), "three", "one, two")
    assert ard.default("warning") == "one, two; three"
    assert without_warning(ard, "three").default("warning") == "one, two"
