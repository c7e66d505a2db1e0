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
    baselines,
    run,
    small,
    timed,
    trial_of,
)
from hand_made import STUDY as SMALL
from hand_made import Results, adqs, adsl, answer, baseline, subject

from outcomes.analyses.time_to_event_cox import CROSSING
from outcomes.analyses.time_to_event_sample import AMONG_RESPONDERS
from outcomes.models.survival.cox import fit_cox
from outcomes.models.survival.kaplan_meier import kaplan_meier
from outcomes.models.survival.logrank import logrank
from outcomes.models.survival.rmst import rmst
from outcomes.models.tables import tidy

KM = "kaplan-meier"
PAIR = {"arm": "ACT", "comparator": "CTL"}


@pytest.fixture(scope="module")
def found() -> Results:
    return small()


def test_survival_at_declared_days_is_the_product_by_hand(found: Results) -> None:
    by_hand = {("ACT", 12): 4 / 5, ("ACT", 40): 8 / 15, ("CTL", 12): 3 / 5}
    for (arm, day), share in by_hand.items():
        key = {"arm": arm, "time": day, "method_id": KM}
        assert found.value("day", "estimate", **key) == pytest.approx(share)
    # At risk just before the day, events through it, censored before it.
    counts = {"n_risk": 2, "n_event": 2, "n_censor": 1}
    for name, n in counts.items():
        assert found.value("day", name, arm="ACT", time=40, method_id=KM) == n
    greenwood = 0.8 * math.sqrt(1 / (5 * 4))
    error = found.value("day", "std_error", arm="ACT", time=12, method_id=KM)
    assert error == pytest.approx(greenwood)


def test_a_day_after_the_arm_was_last_followed_has_no_survival(found: Results) -> None:
    row = found.one("day", "estimate", arm="ACT", time=55, method_id=KM)
    assert math.isnan(row["value"])
    assert row["text"] == "not followed"
    assert found.value("day", "n_risk", arm="ACT", time=55, method_id=KM) == 0
    # The other arm has one subject at risk until day 60.
    assert found.value("day", "n_risk", arm="CTL", time=55, method_id=KM) == 1


def test_a_curve_begins_at_one_with_everybody_at_risk(found: Results) -> None:
    key = {"term": "curve", "method_id": KM, "arm": "ACT", "level": "0000"}
    rows = found.rows(**key).set_index("statistic")["value"]
    assert rows["estimate"] == 1
    assert rows["n_risk"] == 5
    assert set(found.rows(**key)["time"]) == {0}
    last = found.rows(**{**key, "arm": "CTL", "level": "0005"})
    assert set(last["time"]) == {60}
    assert last.set_index("statistic")["value"]["estimate"] == 0


def test_a_quantile_that_is_not_reached_says_so(found: Results) -> None:
    key = {"level": "0.5", "method_id": KM}
    assert found.value("quantile", "estimate", arm="CTL", **key) == 15
    for name in ("estimate", "conf_high"):
        row = found.one("quantile", name, arm="ACT", **key)
        assert math.isnan(row["value"])
        assert row["text"] == "not reached"
        assert row["error"] == ""


def test_counts_close(found: Results) -> None:
    for arm, events in (("ACT", 2), ("CTL", 4)):
        key = {"arm": arm, "method_id": "counts"}
        assert found.value("population", "n", **key) == 5
        assert found.value("at-risk", "n", **key) == 5
        assert found.value("event", "n", level="any", **key) == events
        assert found.value("event", "percent", level="any", **key) == 20 * events
        here = found.value("event", "n", level="Symptoms back", **key)
        assert here == events
        ended = found.value("censored", "n", level="COMPLETED STUDY", **key)
        assert ended == 5 - events


def test_the_log_rank_test_is_observed_less_expected(found: Results) -> None:
    expected = 1 / 2 + 2 * 5 / 9 + 4 / 7 + 3 / 4
    variance = 1 / 4 + 2 * (5 / 9) * (4 / 9) * (7 / 8) + 12 / 49 + 3 / 16
    chisq = (2 - expected) ** 2 / variance
    key = {"method_id": "log-rank"}
    assert found.value("", "chisq", **PAIR, **key) == pytest.approx(chisq)
    # With two arms that of all is the same.
    assert found.value("overall", "chisq", **key) == pytest.approx(chisq)
    assert found.value("overall", "df", **key) == 1


def test_a_horizon_beyond_the_follow_up_of_an_arm_gives_way(found: Results) -> None:
    key = {"time": 50, "method_id": "rmst"}
    by_hand = {"ACT": 10 + 20 * 0.8 + 20 * 8 / 15, "CTL": 5 + 4 + 3 + 35 * 0.4}
    for arm, area in by_hand.items():
        row = found.one("mean", "estimate", arm=arm, **key)
        assert row["value"] == pytest.approx(area)
        assert "horizon 50 days in place of 60: arm ACT" in row["warning"]
    apart = by_hand["ACT"] - by_hand["CTL"]
    ratio = by_hand["ACT"] / by_hand["CTL"]
    value = found.value("difference", "estimate", **PAIR, **key)
    assert value == pytest.approx(apart)
    assert found.value("ratio", "estimate", **PAIR, **key) == pytest.approx(ratio)


def test_all_numbers_are_those_of_the_models_themselves() -> None:
    found = small(rho=1.0, interval="log", conf_level=0.9, tau=45)
    subjects, times = arms_of(ACT=ACTIVE, CTL=CONTROL)
    data = times.merge(subjects[["USUBJID", "TRT01P"]], on="USUBJID")
    data = data.assign(AVAL=data["AVAL"].astype(float), E=(data["CNSR"] == 0) * 1)
    told: dict[str, Any] = {"time": "AVAL", "event": "E", "by": "TRT01P"}
    km = kaplan_meier(data, **told, conf_type="log", conf_level=0.9).at([12.0])
    act = km[km["level"] == "ACT"].iloc[0]
    for name in ("conf_low", "conf_high"):
        value = found.value("day", name, arm="ACT", time=12, method_id=KM)
        assert value == pytest.approx(act[name], rel=1e-12)
    test = logrank(data, **told, rho=1.0)
    value = found.value("", "chisq", method_id="log-rank-rho", **PAIR)
    assert value == pytest.approx(test.statistic, rel=1e-12)
    means = rmst(data, **told, tau=45, reference="CTL", conf_level=0.9)
    ratio = means[means["term"] == "ratio"].iloc[0]
    for name in ("estimate", "std_error", "conf_low", "conf_high", "p_value"):
        value = found.value("ratio", name, time=45, method_id="rmst", **PAIR)
        assert value == pytest.approx(ratio[name], rel=1e-12)
    fit = fit_cox(
        "TRT01P", data, time="AVAL", event="E", levels={"TRT01P": ["CTL", "ACT"]}
    )
    row = tidy(fit, 0.9).iloc[0]
    key = {"method_id": "cox", **PAIR}
    for name, value in (
        ("estimate", math.exp(row["estimate"])),
        ("conf_low", math.exp(row["conf_low"])),
        ("conf_high", math.exp(row["conf_high"])),
        ("std_error", row["std_error"]),
        ("z", row["statistic"]),
        ("p_value", row["p_value"]),
    ):
        assert found.value("hazard-ratio", name, **key) == pytest.approx(value)
    assert found.value("model", "loglik", method_id="cox") == pytest.approx(fit.loglik)
    assert found.value("model", "n_event", method_id="cox") == 6


def test_residuals_have_one_point_for_each_event(found: Results) -> None:
    rows = found.rows(term="residual", method_id="schoenfeld", statistic="residual")
    assert list(rows["time"]) == [5, 10, 10, 15, 30, 60]
    assert found.value("GLOBAL", "df", method_id="schoenfeld") == 1
    one = found.value("hazard-ratio", "p_value", method_id="schoenfeld", **PAIR)
    assert one == found.value("GLOBAL", "p_value", method_id="schoenfeld")


def test_who_misses_a_covariate_is_left_out_of_the_model_and_counted() -> None:
    subjects, times = arms_of(ACT=ACTIVE, CTL=CONTROL)
    records = baselines(subjects)
    records = records[records["USUBJID"] != "A2"]
    spec = trial_of({**KEPT, "cox": {"covariates": ["BASE"]}})
    found = run(spec, subjects, times, records)
    key = {"method_id": "cox"}
    excluded = found.one("excluded", "n", level="BASE is missing", **key)
    assert excluded["value"] == 1
    ratio = found.one("hazard-ratio", "estimate", **PAIR, **key)
    assert "1 subjects left out: BASE is missing" in ratio["warning"]
    assert found.value("model", "n", **key) == 9
    assert found.one("BASE", "estimate", **key)["error"] == ""
    # Nothing else needs a baseline.
    assert found.value("day", "n_risk", arm="ACT", time=12, method_id=KM) == 4


def test_strata_are_those_of_the_test_and_of_the_model() -> None:
    subjects, times = arms_of(ACT=ACTIVE, CTL=CONTROL)
    sites = ["1", "2"] * 5
    sites[-1] = ""
    subjects = subjects.assign(SITEID=sites)
    spec = trial_of({**KEPT, "strata": ["SITEID"]})
    found = run(spec, subjects, times)
    data = times.merge(subjects[["USUBJID", "TRT01P", "SITEID"]], on="USUBJID")
    data = data[data["SITEID"] != ""].assign(E=lambda d: (d["CNSR"] == 0) * 1)
    data = data.assign(AVAL=data["AVAL"].astype(float)).reset_index(drop=True)
    told: dict[str, Any] = {"time": "AVAL", "event": "E", "strata": ["SITEID"]}
    test = logrank(data, by="TRT01P", **told)
    row = found.one("overall", "chisq", method_id="log-rank")
    assert row["value"] == pytest.approx(test.statistic)
    assert "strata SITEID" in row["method"]
    assert "1 subjects left out: SITEID is missing" in row["warning"]
    fit = fit_cox("TRT01P", data, levels={"TRT01P": ["CTL", "ACT"]}, **told)
    ratio = found.value("hazard-ratio", "estimate", method_id="cox", **PAIR)
    assert ratio == pytest.approx(math.exp(tidy(fit)["estimate"].iloc[0]))


def test_competing_events_have_an_incidence_and_mark_the_rest() -> None:
    active = [("A1", 10.0, 0), ("A2", 20.0, 2), ("A3", 30.0, 0), ("A4", 40.0, 1)]
    control = [("C1", 5.0, 2), ("C2", 10.0, 0), ("C3", 15.0, 0), ("C4", 50.0, 1)]
    found = run(trial_of(KEPT), *arms_of(ACT=active, CTL=control))
    key = {"method_id": "aalen-johansen", "arm": "ACT", "time": 40}
    # Of four: 1/4; then of those left 1/3 to rescue, 1/2 of the rest to the event.
    assert found.value("day", "estimate", subgroup="event", **key) == pytest.approx(
        1 / 2
    )
    rescued = found.value("day", "estimate", subgroup="Rescue", **key)
    assert rescued == pytest.approx(1 / 4)
    for method, term in ((KM, "day"), ("cox", "hazard-ratio"), ("log-rank", "overall")):
        rows = found.rows(method_id=method, term=term)
        assert rows["warning"].str.contains("cause-specific").all()
    test = found.one("", "p_value", method_id="gray", subgroup="event", **PAIR)
    assert 0 < test["value"] <= 1
    assert found.value("competing", "n", arm="ACT", level="any") == 1
    assert found.value("competing", "n", arm="ACT", level="Rescue") == 1


def test_competing_events_alone_leave_the_event_an_incidence_of_zero() -> None:
    active = [("A1", 10.0, 2), ("A2", 20.0, 1)]
    control = [("C1", 5.0, 2), ("C2", 60.0, 1)]
    found = run(trial_of(KEPT), *arms_of(ACT=active, CTL=control))
    key = {"method_id": "aalen-johansen", "arm": "CTL", "time": 12}
    assert found.value("day", "estimate", subgroup="event", **key) == 0
    assert found.value("day", "estimate", subgroup="Rescue", **key) == 1 / 2
    assert found.value("day", "n_risk", subgroup="event", **key) == 1
    row = found.one("", "estimate", method_id="gray", subgroup="event", **PAIR)
    assert "no such event" in row["error"]
    assert (
        "no event" in found.one("", "estimate", method_id="log-rank", **PAIR)["error"]
    )


def test_intervals_give_bounds() -> None:
    rows = [
        timed("A1", 20, 0, LEFTDY=10, RGHTDY=20),
        timed("A2", 30, 0, LEFTDY=20, RGHTDY=30),
        timed("A3", 40, 1, LEFTDY=40),
        timed("A4", 40, 1, LEFTDY=40),
        timed("C1", 40, 1, LEFTDY=40),
    ]
    people = [subject(f"A{n}") for n in range(1, 5)] + [subject("C1", "CTL")]
    spec = trial_of({**KEPT, "interval_censored": True, "days": [15, 20, 35]})
    found = run(spec, adsl(*people), adtte(*rows))
    key = {"method_id": "turnbull", "arm": "ACT"}
    assert found.value("interval", "mass", level="0001", **key) == pytest.approx(1 / 4)
    bounds = [found.value("day", name, time=15, **key) for name in ("low", "high")]
    assert bounds == pytest.approx([3 / 4, 1])
    bounds = [found.value("day", name, time=35, **key) for name in ("low", "high")]
    assert bounds == pytest.approx([1 / 2, 1 / 2])


def test_a_bar_for_each_subject_longest_first_and_nameless() -> None:
    subjects, times = arms_of(ACT=ACTIVE, CTL=CONTROL)
    times = times.assign(STARTDT="2024-01-02")
    records = [
        {**answer("A5", "WEEK1", 1), "ADT": "2024-01-09"},
        {**answer("A5", "WEEK3", 0), "ADT": "2024-01-22"},
        {**answer("A5", "WEEK12", None), "ADT": "2024-03-25"},
        {**answer("A1", "WEEK3", 0, made=True), "ADT": ""},
        {**answer("A1", "WEEK1", 1), "ADT": "2023-12-31"},
    ]
    spec = trial_of(KEPT)
    found = run(spec, subjects, times, adqs(*records, baseline("A1", 30)))
    key = {"method_id": "swimmer", "arm": "ACT"}
    bars = found.rows(term="bar", statistic="stop", **key)
    assert list(bars["value"]) == [50, 40, 30, 20, 10]
    assert list(bars["level"]) == ["0001", "0002", "0003", "0004", "0005"]
    assert bars["text"].iloc[0] == "COMPLETED STUDY"
    assert found.value("bar", "cnsr", level="0005", **key) == 0
    seen = found.rows(term="assessment", **key)
    assert list(zip(seen["level"], seen["time"], seen["value"], strict=True)) == [
        ("0001", 8, 1),
        ("0001", 21, 0),
    ]
    values = found.frame[["level", "text", "result_id"]].to_numpy().ravel()
    assert not any(f"A{n}" in str(value) for n in range(1, 6) for value in values)


def test_a_single_arm_has_survival_and_no_comparison() -> None:
    subjects, times = arms_of(ACT=ACTIVE)
    info = {**SMALL["study"], "design": "single-arm"}
    arms = [{"id": "ACT", "label": "Active", "active": True}]
    found = run(trial_of(KEPT, study=info, arms=arms), subjects, times)
    assert found.value("day", "estimate", arm="ACT", time=12, method_id=KM) == 0.8
    assert not set(found.frame["method_id"]) & {"log-rank", "cox", "schoenfeld"}
    assert (found.frame["comparator"] == "").all()
    assert (found.frame["error"] == "").all()
    base = {**KEPT, "cox": {"covariates": ["BASE"]}}
    found = run(trial_of(base, study=info, arms=arms), subjects, times)
    assert found.value("BASE", "estimate", method_id="cox") > 0


def test_treatment_received_is_the_arm_in_the_safety_population() -> None:
    subjects, times = arms_of(ACT=ACTIVE, CTL=CONTROL)
    subjects.loc[subjects["USUBJID"] == "A1", "TRT01A"] = "CTL"
    found = run(trial_of({**KEPT, "population": "SAF"}), subjects, times)
    assert found.value("population", "n", arm="CTL", method_id="counts") == 6


def test_comparisons_among_responders_say_that_they_are_not_randomised() -> None:
    endpoint = {
        **RELAPSE,
        "origin": "first-response",
        "response": "response",
        "competing": [{"kind": "medication", "label": "Rescue"}],
    }
    spec = trial_of(
        KEPT, endpoints={**copy.deepcopy(SMALL["endpoints"]), "relapse": endpoint}
    )
    active = [*ACTIVE, ("A6", 12.0, 2)]
    control = [*CONTROL, ("C6", 30.0, 2)]
    found = run(spec, *arms_of(ACT=active, CTL=control))
    for method, term in (
        ("log-rank", ""),
        ("log-rank", "overall"),
        ("cox", "hazard-ratio"),
        ("rmst", "difference"),
        ("rmst", "ratio"),
        ("gray", ""),
        ("gray", "overall"),
    ):
        rows = found.rows(method_id=method, term=term)
        assert len(rows)
        assert rows["warning"].str.contains(AMONG_RESPONDERS, regex=False).all()
    for method, term in (
        (KM, "day"),
        ("rmst", "mean"),
        ("cox", "model"),
        ("counts", "event"),
        ("aalen-johansen", "day"),
    ):
        rows = found.rows(method_id=method, term=term)
        assert len(rows)
        assert not rows["warning"].str.contains("responders").any()


def test_only_what_censors_competing_events_is_cause_specific() -> None:
    active = [*ACTIVE, ("A6", 12.0, 2)]
    spec = trial_of({**KEPT, "interval_censored": True})
    found = run(spec, *arms_of(ACT=active, CTL=CONTROL))
    marked = found.rows()[found.rows()["warning"].str.contains("cause-specific")]
    assert set(marked["method_id"]) == {KM, "log-rank", "cox", "rmst"}
    assert {"turnbull", "aalen-johansen", "gray", "swimmer", "schoenfeld"} <= set(
        found.rows()["method_id"]
    )


def test_an_incidence_begins_at_zero_without_limits() -> None:
    active = [*ACTIVE, ("A6", 12.0, 2)]
    found = run(trial_of(KEPT), *arms_of(ACT=active, CTL=CONTROL))
    key = {"method_id": "aalen-johansen", "arm": "ACT", "subgroup": "event"}
    first = found.rows(term="curve", level="0000", **key).set_index("statistic")
    assert first["value"]["estimate"] == 0
    assert not {"conf_low", "conf_high"} & set(first.index)


def test_rules_that_nobody_met_are_counted_as_nobody() -> None:
    medication = {"kind": "medication", "label": "Rescue started"}
    left: dict[str, Any] = {"kind": "withdrawal", "reasons": ["Lost"]}
    back = {**RELAPSE["events"][0], "label": "Symptoms back"}
    endpoint = {**RELAPSE, "events": [back, medication]}
    endpoint["competing"] = [left]
    endpoints = {**copy.deepcopy(SMALL["endpoints"]), "relapse": endpoint}
    found = run(trial_of(KEPT, endpoints=endpoints), *arms_of(ACT=ACTIVE, CTL=CONTROL))
    counts = found.rows(method_id="counts", statistic="n", arm="ACT")
    by_kind = counts.set_index(["term", "level"])["value"]
    assert by_kind["event"].to_dict() == {
        "Rescue started": 0,
        "Symptoms back": 2,
        "any": 2,
    }
    assert by_kind["competing"].to_dict() == {"Withdrawal: Lost": 0, "any": 0}


def test_hazards_that_cross_warn_of_one_ratio() -> None:
    early = [(f"A{n}", float(n), 0) for n in range(1, 11)]
    stay = [(f"B{n}", 100.0, 1) for n in range(10)]
    late = [(f"C{n}", 50.0 + n, 0) for n in range(16)]
    found = run(trial_of(KEPT), *arms_of(ACT=[*early, *stay], CTL=late))
    tested = found.value("hazard-ratio", "p_value", method_id="schoenfeld", **PAIR)
    assert tested < 0.05
    rows = found.rows(method_id="cox", term="hazard-ratio")
    assert rows["warning"].str.contains(CROSSING, regex=False).all()
    others = found.rows()[found.rows()["warning"].str.contains("not proportional")]
    assert set(others["method_id"]) == {"cox"}
    assert not small().rows()["warning"].str.contains("not proportional").any()


def test_the_model_says_what_it_is_adjusted_for() -> None:
    found = small(cox={"covariates": ["BASE"]})
    row = found.one("hazard-ratio", "estimate", method_id="cox", **PAIR)
    assert row["method"].startswith("Cox regression on arm, adjusted for BASE; ")
