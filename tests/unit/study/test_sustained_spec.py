from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outcomes.study import load_study, read_study
from outcomes.study.displays import endpoint_label, sustained_words

Write = Callable[..., Path]
Content = dict[str, Any]
WEEK6 = {"id": "WEEK6", "label": "Week 6", "day": 43, "window": [36, 50]}
SUSTAINED = {
    "kind": "sustained",
    "paramcd": "SUS",
    "of": "madrs_response",
    "from": "WEEK1",
    "to": "WEEK6",
}


def with_endpoint(**changes: Any) -> Callable[[Content], None]:
    """Add week 6, `SUSTAINED` and another one of it; None takes a key away."""

    def edit(content: Content) -> None:
        content["visits"].append(WEEK6)
        own = {k: v for k, v in (SUSTAINED | changes).items() if v is not None}
        content["endpoints"]["sus"] = own
        content["endpoints"]["other"] = SUSTAINED | {"paramcd": "OTHER"}

    return edit


def problems(study_file: Write, edit: Callable[[Content], None]) -> list[str]:
    return [str(problem) for problem in read_study(study_file(edit))[1]]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"from": None, "to": None, "visits": ["WEEK6", "WEEK1"]},
        {"missed": "single", "minimum": 3},
        {"missed": "ignore", "minimum": 1},
        {"missed": "missing", "rescue": "ignore"},
        {"to": "WEEK3", "label": "Early"},
    ],
)
def test_a_sustained_endpoint_is_accepted(
    study_file: Write, changes: dict[str, Any]
) -> None:
    assert problems(study_file, with_endpoint(**changes)) == []


BAD = [
    ({"of": "madrs_respons"}, ".of", "'madrs_respons' is not a yes/no endpoint"),
    ({"of": "madrs_respons"}, ".of", "Did you mean 'madrs_response'?"),
    ({"of": "madrs_change"}, ".of", "is a change; only a yes/no endpoint"),
    ({"of": "other"}, ".of", "'other' is itself sustained; name what it is of"),
    ({"of": "sus"}, ".of", "'sus' is itself sustained"),
    ({"from": "WEEK6", "to": "WEEK1"}, "", "from WEEK6 comes after to WEEK1"),
    ({"from": "WEEK2"}, ".from", "'WEEK2' is not a visit. Known: BASELINE, WEEK1"),
    ({"to": "WEEK7"}, ".to", "'WEEK7' is not a visit"),
    ({"from": "BASELINE"}, "", "BASELINE: nothing is sustained at or before"),
    ({"from": "WEEK3", "to": "WEEK3"}, "", "WEEK3 is one visit; name a range of two"),
    ({"from": None}, "", "needs either both from and to, or visits."),
    ({"from": None, "to": None}, "", "needs either both from and to, or visits."),
    ({"visits": ["WEEK1", "WEEK3"]}, "", "needs either both from and to, or visits."),
    (
        {"from": None, "visits": ["WEEK1", "WEEK3"]},
        "",
        "needs either both from and to, or visits.",
    ),
    (
        {"from": None, "to": None, "visits": ["WEEK1", "WEEK2"]},
        ".visits",
        "'WEEK2' is not a visit",
    ),
    ({"from": None, "to": None, "visits": ["WEEK1"]}, "", "WEEK1 is one visit"),
    (
        {"from": None, "to": None, "visits": ["BASELINE", "WEEK1"]},
        "",
        "BASELINE: nothing is sustained",
    ),
    ({"minimum": 2}, ".minimum", "missed: failure passes over no visit"),
    (
        {"missed": "missing", "minimum": 2},
        ".minimum",
        "missed: missing passes over no visit",
    ),
    (
        {"missed": "ignore", "minimum": 4},
        ".minimum",
        "4 is more than the 3 visits there are",
    ),
    ({"missed": "ignore", "minimum": 0}, ".minimum", "greater than or equal to 1"),
    ({"missed": "locf"}, ".missed", "is not known. Choose one of 'failure', 'single'"),
    ({"rescue": "failure"}, ".rescue", "is read from sources.cm, which is absent"),
    ({"rescue": "composite"}, ".rescue", "'failure', 'ignore' or 'missing'"),
    ({"form": "WEEK1"}, ".form", "unknown key. Did you mean 'from'?"),
    ({"start": "WEEK1"}, ".start", "unknown key"),
]


@pytest.mark.parametrize(("changes", "where", "message"), BAD)
def test_each_mistake_of_a_sustained_endpoint_is_named(
    study_file: Write, changes: dict[str, Any], where: str, message: str
) -> None:
    found = problems(study_file, with_endpoint(**changes))
    assert any(f"endpoints.sus{where}:" in one and message in one for one in found), (
        found
    )
    assert not any("endpoints.other" in one for one in found)


def test_a_strange_visit_hides_no_baseline_and_is_told_once(study_file: Write) -> None:
    """The analysis at another visit is not blamed for visits that are not known."""

    def edit(content: Content) -> None:
        visits = ["BASELINE", "WEEK1", "WEEK24"]
        with_endpoint(**{"from": None, "to": None, "visits": visits})(content)
        content["analyses"].append(
            {
                "id": "rates",
                "question": "responders",
                "endpoints": ["sus"],
                "population": "FAS",
                "visits": ["WEEK6"],
            }
        )

    strange, early = problems(study_file, edit)
    assert strange.startswith("endpoints.sus.visits: 'WEEK24' is not a visit")
    assert early.startswith("endpoints.sus: BASELINE: nothing is sustained at or")


def test_an_all_of_is_not_made_of_sustained_endpoints(study_file: Write) -> None:
    def edit(content: Content) -> None:
        with_endpoint()(content)
        content["endpoints"]["both"] = {
            "kind": "all-of",
            "paramcd": "BOTH",
            "of": ["sus", "madrs_response"],
        }

    (problem,) = problems(study_file, edit)
    assert "'sus' is not a yes/no endpoint of a score" in problem


@pytest.mark.parametrize(
    ("rescue", "strategy"),
    [
        ("failure", "composite"),
        ("ignore", "treatment-policy"),
        ("missing", "hypothetical"),
    ],
)
def test_an_estimand_meets_rescue_as_its_endpoint_does(
    study_file: Write, rescue: str, strategy: str
) -> None:
    def edit(content: Content) -> None:
        with_endpoint(rescue=rescue)(content)
        content["sources"]["cm"] = {"file": "cm.csv", "columns": {"USUBJID": "s"}}
        content["estimands"] += [
            {
                "id": f"sus-{name}",
                "endpoint": "sus",
                "population": "FAS",
                "intercurrent_events": [{"event": "rescue", "strategy": name}],
            }
            for name in ("composite", "treatment-policy", "hypothetical")
        ]

    found = problems(study_file, edit)
    assert len(found) == 2
    assert not any(f"estimands.sus-{strategy}:" in one for one in found)
    assert all(f"says rescue: {rescue}, which is {strategy}" in one for one in found)


@pytest.mark.parametrize("question", ["responders", "longitudinal-responders"])
def test_an_analysis_asks_a_sustained_endpoint_at_its_visits(
    study_file: Write, question: str
) -> None:
    def edit(content: Content) -> None:
        with_endpoint(**{"from": "WEEK3"})(content)
        named = (
            {"endpoints": ["madrs_response", "sus"]}
            if question == "responders"
            else {"endpoint": "sus", "baseline": "madrs_change"}
        )
        content["analyses"][1] = {
            "id": "responders",
            "question": question,
            "population": "FAS",
            "visits": ["WEEK1", "WEEK6"],
            **named,
        }

    told = [one for one in problems(study_file, edit) if "no value at" in one]
    assert len(told) == 1
    assert "analyses.responders.visits" in told[0]
    assert "has no value at WEEK1; its visits are WEEK3, WEEK6." in told[0]


def test_the_visits_of_an_endpoint_are_in_the_order_of_the_schedule(
    study_file: Write,
) -> None:
    edit = with_endpoint(**{"from": None, "to": None, "visits": ["WEEK6", "WEEK1"]})
    spec = load_study(study_file(edit)).spec
    sus, other = spec.endpoints["sus"], spec.endpoints["other"]
    assert [v.id for v in spec.visits_of(sus)] == ["WEEK1", "WEEK6"]  # type: ignore[arg-type]
    assert [v.id for v in spec.visits_of(other)] == ["WEEK1", "WEEK3", "WEEK6"]  # type: ignore[arg-type]


def test_a_sustained_endpoint_is_told_in_words(study_file: Write) -> None:
    edit = with_endpoint(missed="single", minimum=2)
    spec = load_study(study_file(edit)).spec
    label = "Response: MADRS total score reduced by at least 50%"
    assert endpoint_label(spec, "sus") == (
        f"{label}, sustained from Week 1 through Week 6"
    )
    assert sustained_words(spec, spec.endpoints["sus"]) == (  # type: ignore[arg-type]
        f"{label} at every visit from Week 1 through Week 6 (at an earlier visit: "
        "through that visit; a single missed visit between two visits with a yes "
        "counts as yes, any other missed visit as no; at least 2 of 3 visits assessed; "
        "no from rescue medication on)"
    )
