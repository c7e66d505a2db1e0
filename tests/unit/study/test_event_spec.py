"""Times to events, a follow-up and hours in the study file."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import VALID
from outcomes.findings import beyond_schedule
from outcomes.study import load_study
from outcomes.study.base_score import base_score
from outcomes.study.event_words import events_words
from outcomes.study.events import PresetRule, preset_rules
from outcomes.study.load import read_study

Content = dict[str, Any]
Write = Callable[[Callable[[Content], None]], Path]

VISITS = [
    *copy.deepcopy(VALID["visits"]),
    {"id": "MONTH6", "label": "Month 6", "day": 183},
    {"id": "YEAR1", "label": "Year 1", "day": 365},
]
ILL = {
    "kind": "threshold",
    "paramcd": "MADRS22",
    "instrument": "MADRS",
    "score": "total",
    "at_least": 22,
}
CRITERION = {"kind": "criterion", "endpoint": "ill", "assessments": 2, "apart": [5, 15]}
RELAPSE = {
    "kind": "time-to-event",
    "paramcd": "TTREL",
    "origin": "first-response",
    "response": "madrs_response",
    "events": [CRITERION],
    "competing": [{"kind": "medication"}],
}
DEPRESSIVE = {
    "kind": "time-to-event",
    "paramcd": "TTDEP",
    "preset": {"name": "comp004-event", "endpoint": "ill"},
}
LEAVING = {
    "kind": "time-to-event",
    "paramcd": "TTLEFT",
    "events": [{"kind": "withdrawal"}],
}
KEPT = {
    "id": "kept",
    "question": "time-to-event",
    "endpoint": "relapse",
    "population": "FAS",
    "days": [28, 84, 182],
    "strata": ["SITEID"],
    "cox": {"covariates": ["BASE", "AGE"], "cluster": "SITEID"},
    "follow_up": True,
    "followed_up": "FUS",
    "entry_weights": {
        "covariates": ["AGE"],
        "history": ["madrs_change"],
        "truncate": [1, 99],
    },
}
SUSTAINED = {
    "kind": "sustained",
    "paramcd": "SUST",
    "of": "madrs_response",
    "from": "WEEK3",
    "to": "YEAR1",
}


def source(file: str, *names: str) -> Content:
    return {"file": file, "columns": {name: name.lower() for name in names}}


def complete(content: Content) -> None:
    """Make of the valid study one with a follow-up and times to events."""
    content["visits"] = copy.deepcopy(VISITS)
    content["follow_up"] = {"start": "MONTH6"}
    own = content["sources"]
    own["ae"] = source("ae.csv", "USUBJID", "AEDECOD", "AESER", "AESTDTC")
    own["cm"] = source("cm.csv", "USUBJID", "CMCAT", "CMSTDTC")
    own["ds"] = source(
        "ds.csv", "USUBJID", "DSDECOD", "DSTERM", "DSSTDTC", "EPOCH", "DSCAT"
    )
    content["populations"]["FUS"] = "RANDFL == 'Y' and FUPFL == 'Y'"
    content["endpoints"] |= copy.deepcopy(
        {"ill": ILL, "relapse": RELAPSE, "depressive": DEPRESSIVE, "leaving": LEAVING}
    )
    content["analyses"].append(copy.deepcopy(KEPT))


def changed(path: str, value: Any) -> Callable[[Content], None]:
    """Return an edit of the complete study; the value ``None`` removes a key."""

    def edit(content: Content) -> None:
        complete(content)
        *before, last = path.split("/")
        place: Any = content
        for key in before:
            place = place[int(key) if isinstance(place, list) else key]
        if value is None:
            del place[last]
        else:
            place[int(last) if isinstance(place, list) else last] = value

    return edit


def test_a_study_with_all_of_it_is_valid(study_file: Write) -> None:
    spec = load_study(study_file(complete)).spec
    assert spec.follow_up_visits == ["MONTH6", "YEAR1"]
    assert base_score(spec, "relapse", None) == ("MADRS", "total")
    assert base_score(spec, "depressive", None) == ("MADRS", "total")
    assert base_score(spec, "leaving", None) == ("", "")


E = "endpoints/relapse"
A = "analyses/2"
BAD = [
    ("follow_up/start", "MONTH9", "follow_up.start", "Did you mean 'MONTH6'"),
    ("follow_up/start", "BASELINE", "follow_up.start", "no visit after baseline"),
    ("follow_up/start", "WEEK1", "follow_up.start", "main study has none"),
    ("follow_up/entered", "not entered", "follow_up.not_entered", "must differ"),
    ("follow_up", None, "populations.FUS", "FUPFL is not known without the section"),
    ("follow_up", None, "analyses.kept.followed_up", "the study has no follow-up"),
    ("sources/ds", None, "follow_up", "read from sources.ds, which is absent"),
    ("sources/ds/columns/EPOCH", None, "follow_up", "needs EPOCH in sources.ds"),
    ("sources/ds/columns/DSTERM", None, "follow_up", "needs DSTERM in sources.ds"),
    # endpoints
    (f"{E}/events", [], "endpoints.relapse", "has no event; give a preset, or"),
    (
        f"{E}/events/0/endpoint",
        "il",
        "entry 1 of endpoints.relapse.events, endpoint",
        "'ill'",
    ),
    (f"{E}/events/0/endpoint", "madrs_change", "events, endpoint", "is a change"),
    (f"{E}/events/0/endpoint", "leaving", "events, endpoint", "is itself a time"),
    (f"{E}/events/0/apart", [15, 5], "events, apart", "ends before it begins"),
    (f"{E}/events/0/apart", [0, 5], "events, apart", "at least 1 day apart"),
    (f"{E}/events/0/apart", [5], "apart, value 2", "[fewest, most]"),
    (f"{E}/events/0/apart", "5-15", "apart", "two whole numbers, such as [5, 15] (giv"),
    (f"{E}/events/0/apart", 15, "apart", "two whole numbers, such as [5, 15]"),
    (f"{A}/entry_weights/truncate", "1-99", "truncate", "percentiles, such as [1, 99]"),
    (f"{E}/events/0/assessments", 1, "events, apart", "say assessments: 2"),
    (f"{E}/events/0/kind", "criterium", "events, kind", "Did you mean 'criterion'?"),
    (f"{E}/events/0/terms", ["x"], "entry 1 of endpoints.relapse.events", "belongs to"),
    (f"{E}/response", None, "endpoints.relapse.response", "is missing: origin"),
    (f"{E}/origin", "first-dose", "endpoints.relapse.response", "remove one"),
    (f"{E}/response", "relapse", "endpoints.relapse.response", "is itself a time"),
    (f"{E}/paramcd", "TTDEP", "endpoints", "'TTDEP' stands for 2 parameters"),
    (f"{E}/paramcd", "MADRSTOT", "endpoints", "'MADRSTOT' stands for 2 parameters"),
    ("endpoints/depressive/preset/endpoint", "ill2", "preset.endpoint", "'ill2' is"),
    ("endpoints/depressive/preset/name", "comp4", "preset.name", "comp004-event"),
    ("endpoints/depressive/preset/apart", [5, 15], "preset.apart", "assessments: 2"),
    ("endpoints/depressive/preset/terms", [], "preset.terms", "is empty"),
    (
        "sources/ae",
        None,
        "endpoints.depressive",
        "read from sources.ae, which is absent",
    ),
    ("sources/ae/columns/AESER", None, "endpoints.depressive", "needs AESER"),
    ("sources/cm", None, "endpoints.relapse", "read from sources.cm"),
    ("sources/cm/columns/CMSTDTC", None, "endpoints.relapse", "needs CMSTDTC"),
    ("sources/ds", None, "endpoints.leaving", "'withdrawal' is read from sources.ds"),
    ("sources/ex", None, "endpoints.leaving.origin", "first-dose needs sources.ex"),
    # rules that contradict each other, or name nothing
    ("follow_up/entered", "Completed", "follow_up.entered", "something else in ds"),
    ("follow_up/not_entered", " ", "follow_up.not_entered", "something else in ds"),
    (f"{E}/events/0/label", "any", "events, label", "stands for something else"),
    (f"{E}/events/0/label", "Last assessment", "events, label", "something else"),
    (f"{E}/competing/0/label", "DISCONTINUED: x", "competing, label", "something"),
    (f"{E}/competing/0/categories", [" "], "competing, categories", "blank name"),
    ("endpoints/leaving/events/0/reasons", [""], "events, reasons", "at least 1"),
    ("endpoints/leaving/events/0/reasons", [" "], "events, reasons", "blank name"),
    ("endpoints/depressive/preset/terms", [" "], "preset.terms", "blank name"),
    (f"{E}/competing/0", CRITERION, "endpoints.relapse.competing", "never happens"),
    (f"{E}/censoring", [{"kind": "medication"}], "censoring", "is in competing, too"),
    (
        "endpoints/depressive/competing",
        [{"kind": "medication", "categories": ["Rescue", "OTHER"]}],
        "endpoints.depressive.competing",
        "is an event, too",
    ),
    (
        "endpoints/depressive/competing",
        [{"kind": "withdrawal", "label": "Symptoms back"}],
        "depressive.competing, label",
        "the two must differ",
    ),
    # analyses
    (f"{A}/entry_weights/covariates", ["FUPFL"], "covariates", "known only after"),
    (f"{A}/cox/covariates", ["EOSSTT"], "cox.covariates", "known only after"),
    (f"{A}/strata", ["FUPNREAS"], "analyses.kept.strata", "known only after"),
    (f"{A}/endpoint", "madrs_response", "analyses.kept", "of kind time-to-event"),
    (f"{A}/endpoint", "madrs_change", "analyses.kept", "is a change; this question"),
    ("analyses/1/endpoints", ["relapse"], "analyses.responders", "a time to an event"),
    ("estimands/0/endpoint", "relapse", "analyses.primary", "ask question: time-to"),
    (f"{A}/days", [84, 28], "analyses.kept.days", "do not ascend"),
    (f"{A}/days", [0, 28], "analyses.kept.days", "from 1"),
    (f"{A}/days", [28, 28], "analyses.kept.days", "stands 2 times"),
    (f"{A}/days", [], "analyses.kept.days", "at least 1"),
    (f"{A}/quantiles", [0.5, 1.0], "analyses.kept.quantiles", "not between 0 and 1"),
    (f"{A}/strata", ["AGE"], "analyses.kept.strata", "is a number"),
    (f"{A}/strata", ["TRT01P"], "analyses.kept.strata", "is the arm"),
    (f"{A}/strata", ["REGION"], "analyses.kept.strata", "'REGION' is not a column"),
    (f"{A}/cox/covariates", ["SITEID"], "cox.covariates", "one of strata, too"),
    (f"{A}/cox/covariates", ["TRT01P"], "cox.covariates", "in the model already"),
    (f"{A}/cox/covariates", ["USUBJID"], "cox.covariates", "is no covariate"),
    (f"{A}/cox/covariates", ["WEIGHT"], "cox.covariates", "'WEIGHT' is not a column"),
    (f"{A}/cox/covariates", ["SEX"], "cox.covariates", "not known without SEX"),
    (f"{A}/cox/cluster", "SUBJID", "cox.cluster", "tells single subjects"),
    (f"{A}/endpoint", "leaving", "cox.covariates", "BASE is of no score"),
    (f"{A}/follow_up", False, "analyses.kept.followed_up", "say follow_up: true"),
    (f"{A}/followed_up", "FUPS", "analyses.kept.followed_up", "Did you mean 'FUS'"),
    (f"{A}/followed_up", "FAS", "analyses.kept.followed_up", "population analysed"),
    (f"{A}/followed_up", None, "analyses.kept.entry_weights", "needs followed_up"),
    (f"{A}/entry_weights", {}, "analyses.kept.entry_weights", "covariates or history"),
    (
        f"{A}/entry_weights/history",
        ["madrs_response"],
        "analyses.kept.entry_weights.history",
        "not an endpoint of kind change",
    ),
    (f"{A}/entry_weights/truncate", [99, 1], "entry_weights.truncate", "percentiles"),
    (f"{A}/entry_weights/covariates", ["X"], "entry_weights.covariates", "'X' is not"),
    ("analyses/0/visit", "MONTH6", "analyses.primary", "say follow_up: true, or"),
    (
        "analyses/1/visits",
        ["WEEK3", "YEAR1"],
        "analyses.responders",
        "YEAR1: visits of",
    ),
]


@pytest.mark.parametrize(("path", "value", "where", "message"), BAD)
def test_each_mistake_about_times_is_named_with_its_place(
    study_file: Write, path: str, value: Any, where: str, message: str
) -> None:
    problems = read_study(study_file(changed(path, value)))[1]
    told = [str(problem) for problem in problems]
    assert any(where in one and message in one for one in told), told


def test_a_follow_up_visit_may_be_analysed_where_the_analysis_says_so(
    study_file: Write,
) -> None:
    def edit(content: Content) -> None:
        complete(content)
        content["endpoints"]["lasting"] = dict(SUSTAINED)
        content["analyses"][1] |= {"endpoints": ["madrs_response", "lasting"]}

    problems = read_study(study_file(edit))[1]
    assert [str(problem) for problem in problems] == [
        "analyses.responders: 'lasting' reaches into the follow-up (MONTH6, YEAR1); "
        "say follow_up: true."
    ]

    def saying_so(content: Content) -> None:
        edit(content)
        content["analyses"][1]["follow_up"] = True

    assert read_study(study_file(saying_so))[1] == []

    def without(content: Content) -> None:
        content["analyses"][1]["follow_up"] = True

    (problem,) = read_study(study_file(without))[1]
    assert problem.where == "analyses.responders.follow_up"


RESCUE = {"kind": "medication", "categories": [" rescue "]}
STRATEGIES = [
    ({"events": [CRITERION, RESCUE], "competing": []}, "composite"),
    ({"competing": [RESCUE]}, "hypothetical"),
    ({"censoring": [RESCUE], "competing": []}, "hypothetical"),
    ({"competing": []}, "treatment-policy"),
    ({"competing": [RESCUE | {"categories": ["OTHER"]}]}, "treatment-policy"),
    (
        {"preset": {"name": "comp004-event", "endpoint": "ill"}, "competing": []},
        "composite",
    ),
]


@pytest.mark.parametrize(("rules", "own"), STRATEGIES)
def test_an_estimand_meets_rescue_as_its_endpoint_does(
    study_file: Write, rules: Content, own: str
) -> None:
    for strategy in ("composite", "hypothetical", "treatment-policy"):

        def edit(content: Content, strategy: str = strategy) -> None:
            complete(content)
            content["endpoints"]["relapse"] |= copy.deepcopy(rules)
            event = {"event": "rescue", "strategy": strategy}
            content["estimands"].append(
                {
                    "id": "lasting",
                    "endpoint": "relapse",
                    "population": "FAS",
                    "intercurrent_events": [event],
                }
            )

        problems = [str(problem) for problem in read_study(study_file(edit))[1]]
        assert bool(problems) == (strategy != own), (strategy, problems)
        assert all(f"which is {own}" in problem for problem in problems)


PRESET_LABELS = {
    "Serious suicidal event": ["Suicidal ideation", " suicide  Attempt"],
    "Hospitalisation or suicidal event": ["Suicidal ideation", "Depression"],
}


@pytest.mark.parametrize("label", PRESET_LABELS)
@pytest.mark.parametrize("name", ["sustain-1-relapse", "comp004-event"])
def test_a_preset_calls_its_adverse_events_what_they_are(name: Any, label: str) -> None:
    terms = PRESET_LABELS[label]
    rules = preset_rules(PresetRule(name=name, endpoint="ill", terms=terms))
    assert rules[1].label == label
    usual = preset_rules(PresetRule(name=name, endpoint="ill"))
    assert usual[1].label == "Hospitalisation or suicidal event"


def test_a_label_that_says_what_a_rule_asks_for_is_said_once(study_file: Write) -> None:
    def edit(content: Content) -> None:
        complete(content)
        content["endpoints"]["ill"]["label"] = "A total of 22"
        content["endpoints"]["relapse"]["events"][0] = {
            "kind": "criterion",
            "endpoint": "ill",
            "label": "A total of 22",
        }

    spec = load_study(study_file(edit)).spec
    said = events_words(spec, spec.endpoints["relapse"])  # type: ignore[arg-type]
    assert said[0] == "Event: A total of 22 at an assessment."


BEYOND = [
    # (origin, days, tau, keys of what is beyond); the last visit is on day 365, or 358
    # days after the first rating that can be a response
    ("first-dose", [28, 365], None, set()),
    ("first-dose", [28, 366], 365, {"days"}),
    ("first-dose", [28, 366], None, {"days", "tau"}),
    ("first-dose", [28], 366, {"tau"}),
    ("first-response", [28, 361], None, set()),
    ("first-response", [28, 362], 361, {"days"}),
    # the baseline is the earliest day on which anybody can have been randomised
    ("randomisation", [28, 366], None, set()),
    ("randomisation", [28, 367], 84, {"days"}),
]


@pytest.mark.parametrize(("origin", "days", "tau", "keys"), BEYOND)
def test_days_beyond_the_last_planned_visit_are_told(
    study_file: Write, origin: str, days: list[int], tau: int | None, keys: set[str]
) -> None:
    def edit(content: Content) -> None:
        complete(content)
        content["endpoints"]["relapse"]["origin"] = origin
        if origin != "first-response":
            del content["endpoints"]["relapse"]["response"]
        content["analyses"][2] |= {"days": days, "tau": tau}

    found = list(beyond_schedule(load_study(study_file(edit)).spec))
    assert {key for key, *_ in found} == {f"analyses.kept.{key}" for key in keys}
    assert all("YEAR1" in message and accepted for _, message, accepted in found)


HOURS = [
    {"id": "BASELINE", "label": "Baseline", "day": 1, "baseline": True},
    {"id": "HOUR4", "label": "4 h", "day": 1, "hour": 4},
    {"id": "DAY1", "label": "24 h", "day": 2, "window": [2, 3]},
    {"id": "WEEK1", "label": "Week 1", "day": 8},
    {"id": "WEEK3", "label": "Week 3", "day": 22},
]


def with_hours(**changes: Any) -> Callable[[Content], None]:
    def edit(content: Content) -> None:
        content["visits"] = copy.deepcopy(HOURS)
        content["visits"][1] |= changes

    return edit


def test_two_visits_share_a_day_where_their_hours_differ(study_file: Write) -> None:
    spec = load_study(study_file(with_hours())).spec
    assert [visit.time for visit in spec.visits[:3]] == [1.0, 1 + 4 / 24, 2.0]

    def analysed(content: Content) -> None:
        with_hours()(content)
        content["analyses"][0]["visit"] = "HOUR4"
        content["analyses"][1]["visits"] = ["HOUR4", "DAY1"]

    assert read_study(study_file(analysed))[1] == []


@pytest.mark.parametrize(
    ("changes", "where", "message"),
    [
        ({"window": [1, 1]}, "visits.HOUR4.window", "told by its name only"),
        ({"day": -1}, "visits.HOUR4.hour", "which day -1 is before"),
        ({"baseline": True}, "visits", "two baselines"),
        ({"hour": None}, "visits.HOUR4", "day 1 does not come after day 1"),
        ({"hour": 24}, "visits.DAY1", "day 2 does not come after day 1, hour 24"),
        ({"hour": 0}, "visits.HOUR4.hour", "greater than 0"),
        ({"hour": 25}, "visits.HOUR4.hour", "less than or equal to 24"),
    ],
)
def test_each_mistake_about_hours_is_named(
    study_file: Write, changes: Content, where: str, message: str
) -> None:
    problems = read_study(study_file(with_hours(**changes)))[1]
    told = [str(problem) for problem in problems]
    assert any(one.startswith(where) and message in one for one in told), told


def test_a_baseline_has_no_hour(study_file: Write) -> None:
    def edit(content: Content) -> None:
        content["visits"] = copy.deepcopy(HOURS)
        content["visits"][0]["hour"] = 1

    problems = [str(problem) for problem in read_study(study_file(edit))[1]]
    assert any("a baseline is before it" in one for one in problems)
