"""Times to events of trials small enough to be followed by hand.

The first dose of everybody is day 1, 2024-03-10; dates are written as days from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from trials import (
    DOSE,
    RANDOMISED,
    Frame,
    derive,
    dose,
    madrs,
    one,
    rules,
    sources,
    study,
    subject,
    tables,
)

from outcomes.datasets.adam import ADQS, ADSL, ADTTE
from outcomes.datasets.store import conform
from outcomes.derive import derive_adtte
from outcomes.derive.notes import Note
from outcomes.derive.occurrences import Run, find_run

VISITS = [("WEEK1", 8), ("WEEK2", 15), ("WEEK3", 22), ("WEEK4", 29), ("WEEK6", 43)]
EVENTS = {"file": "x.csv", "columns": {}}
ILL = {
    "kind": "threshold",
    "paramcd": "ILL",
    "instrument": "MADRS",
    "score": "total",
    "at_least": 22,
}
RESPONSE = {
    "kind": "response",
    "paramcd": "RSP",
    "instrument": "MADRS",
    "score": "total",
    "reduction": 50,
}
TIME = {"kind": "time-to-event", "paramcd": "TTE", "origin": "first-dose"}
SEEN = {"kind": "criterion", "endpoint": "ill", "label": "Ill"}
TWICE = SEEN | {"assessments": 2, "apart": [5, 15]}
RESCUE = {"kind": "medication", "label": "Rescue"}
SUICIDAL = {"kind": "adverse-event", "terms": ["Suicide attempt"], "label": "Attempt"}
LEFT = {"kind": "withdrawal", "label": "Left"}
BASE = 40
SCHEDULE = [("BASE", -1), *VISITS]


def on(day: int) -> str:
    """Return the date of a study day; there is no day 0."""
    after = day - 1 if day > 0 else day
    return str(date.fromisoformat(DOSE) + timedelta(days=after))


def plan(**endpoint: Any) -> Any:
    visits = [
        {"id": "BASE", "label": "B", "day": -1, "window": [-14, -1], "baseline": True},
        *({"id": id, "label": id, "day": day} for id, day in VISITS),
    ]
    return study(
        visits=visits,
        sources=sources(ae=EVENTS),
        endpoints={"ill": ILL, "response": RESPONSE, "time": TIME | endpoint},
    )


def record(id: str, visit: str, day: int, total: float | None, **values: Any) -> Any:
    """Return a row of ADQS: a MADRS total, analysed at a visit of the schedule."""
    planned = visit != "UNSCHEDULED"
    return {
        **{"STUDYID": "t", "USUBJID": id, "PARAMCD": "MADRSTOT", "PARAM": "MADRS"},
        **{"PARCAT1": "MADRS", "SRCDOM": "QS", "VISIT": visit, "ADT": on(day)},
        "AVISIT": visit if planned else "",
        "AVISITN": [id for id, _ in SCHEDULE].index(visit) if planned else None,
        "ANL01FL": "Y" if planned and total is not None else "",
        "AVAL": total,
        "BASE": BASE,
        **values,
    }


def course(id: str, totals: Sequence[int | str | None], **extra: int) -> list[Any]:
    """Return a baseline of 40 and a total at each visit; ``-`` is a missed one.

    None is an administration without a total; ``extra`` are unscheduled totals by
    day, as in ``d18=30``.
    """
    rows = [record(id, "BASE", -1, BASE)]
    for (visit, day), total in zip(VISITS, totals, strict=False):
        if isinstance(total, str):
            rows.append(record(id, visit, day, None, ADT=""))
        else:
            rows.append(record(id, visit, day, total))
    for name, total in extra.items():
        rows.append(record(id, "UNSCHEDULED", int(name.removeprefix("d")), total))
    return rows


def ended(day: int, term: str = "COMPLETED") -> dict[str, str]:
    """Return the columns of ADSL of somebody who completed the study, or left it."""
    if term == "COMPLETED":
        return {"EOSDT": on(day), "EOSSTT": term}
    return {"EOSDT": on(day), "EOSSTT": "DISCONTINUED", "DCSREAS": term}


def event(id: str, day: int | str, **values: Any) -> dict[str, Any]:
    when = on(day) if isinstance(day, int) else day
    return {"USUBJID": id, "AEDECOD": "Suicide attempt", "AESTDTC": when, **values}


def pill(id: str, day: int | str, category: str = "RESCUE") -> dict[str, Any]:
    when = on(day) if isinstance(day, int) else day
    return {"USUBJID": id, "CMCAT": category, "CMSTDTC": when}


def adsl(people: Mapping[str, Mapping[str, str]]) -> Frame:
    """Return ADSL of randomised subjects, all dosed on day 1, with columns changed."""
    usual = {"STUDYID": "t", "ARMCD": "HIGH", "RANDFL": "Y", "RANDDT": RANDOMISED}
    usual |= {"TRTSDT": DOSE, "EOSSTT": "ONGOING"}
    rows = [usual | {"USUBJID": id} | dict(own) for id, own in people.items()]
    return conform(pd.DataFrame(rows), ADSL)


def adqs(courses: Mapping[str, Sequence[Any]]) -> Frame:
    rows = pd.DataFrame([row for rows in courses.values() for row in rows])
    rows["ASEQ"] = rows.groupby("USUBJID").cumcount() + 1
    return conform(rows, ADQS)


def times(
    spec: Any,
    courses: Mapping[str, Sequence[Any]],
    people: Mapping[str, Mapping[str, str]] | None = None,
    **events: Sequence[Any],
) -> tuple[Frame, list[Note]]:
    """Return ADTTE and its notes; ``people`` gives other values to columns of ADSL."""
    everybody = {id: (people or {}).get(id, {}) for id in courses}
    out = derive_adtte(spec, tables(**events), adsl(everybody), adqs(courses))
    pd.testing.assert_frame_equal(conform(out.frame, ADTTE), out.frame)
    return out.frame, out.notes


def time(
    spec: Any, rows: Sequence[Any], end: Mapping[str, str] | None = None, **events: Any
) -> dict[str, Any]:
    """Return the row of one subject, A."""
    return one(times(spec, {"A": rows}, {"A": end or {}}, **events)[0])


def short(row: Mapping[str, Any]) -> tuple[int, int, str]:
    return int(row["AVAL"]), int(row["CNSR"]), row["EVNTDESC"]


def interval(row: Mapping[str, Any]) -> tuple[int, int | None]:
    right = row["RGHTDY"]
    return int(row["LEFTDY"]), None if pd.isna(right) else int(right)


TRUTH = [
    # found, days, needed, apart, first, confirming, open
    ("", [], 1, None, -1, -1, False),
    ("N", [8], 1, None, -1, -1, False),
    ("Y", [8], 1, None, 0, 0, False),
    ("NY", [8, 15], 1, None, 1, 1, False),
    ("Y", [8], 2, None, -1, -1, True),
    ("YY", [8, 15], 2, None, 0, 1, False),
    ("YNY", [8, 15, 22], 2, None, -1, -1, True),
    ("YNYY", [8, 15, 22, 29], 2, None, 2, 3, False),
    ("YYN", [8, 15, 22], 3, None, -1, -1, False),
    ("YYY", [8, 15, 22], 3, None, 0, 2, False),
    ("NYYYY", [1, 8, 15, 22, 29], 3, None, 1, 3, False),
    # the window of SUSTAIN-1, 5 to 15 days, at its borders
    ("YY", [8, 12], 2, (5, 15), -1, -1, True),
    ("YY", [8, 13], 2, (5, 15), 0, 1, False),
    ("YY", [8, 23], 2, (5, 15), 0, 1, False),
    ("YY", [8, 24], 2, (5, 15), -1, -1, True),
    # a yes too near, or too far, begins a run itself
    ("YYY", [8, 12, 18], 2, (5, 15), 1, 2, False),
    ("YYY", [8, 30, 40], 2, (5, 15), 1, 2, False),
    ("YYYY", [8, 15, 40, 47], 3, (5, 15), -1, -1, True),
    ("YYYN", [8, 15, 40, 47], 3, (5, 15), -1, -1, False),
]


@pytest.mark.parametrize(
    ("found", "days", "needed", "apart", "first", "confirming", "open_"), TRUTH
)
def test_a_run_of_yeses_is_found_as_in_the_table(
    found: str,
    days: list[int],
    needed: int,
    apart: tuple[int, int] | None,
    first: int,
    confirming: int,
    open_: bool,
) -> None:
    run = find_run(days, [one == "Y" for one in found], needed, apart)
    assert run == Run(first, confirming, open_)


COURSES = [
    # totals at days 8 15 22 29 43, needed, dated, time and censoring, interval
    ([30, 10, 10, 10, 10], 1, "first", (8, 0, "Ill"), (0, 8)),
    ([10, 30, 10, 10, 10], 1, "first", (15, 0, "Ill"), (8, 15)),
    ([10, 22, 10, 10, 10], 1, "first", (15, 0, "Ill"), (8, 15)),
    ([10, 21, 10, 10, 10], 1, "first", (43, 1, "LAST ASSESSMENT"), (43, None)),
    ([10, 30, 30, 10, 10], 2, "first", (15, 0, "Ill"), (8, 15)),
    ([10, 30, 30, 10, 10], 2, "confirming", (22, 0, "Ill"), (8, 22)),
    ([30, 10, 30, 30, 10], 2, "first", (22, 0, "Ill"), (15, 22)),
    ([10, 30, 10, 30, 10], 2, "first", (43, 1, "LAST ASSESSMENT"), (43, None)),
    # days 22 and 29 are 7 apart, 29 and 43 are 14
    ([10, 10, 10, 30, 30], 2, "first", (29, 0, "Ill"), (22, 29)),
    # an unconfirmed last yes: censored there, known to be free up to the last no
    ([10, 10, 10, 10, 30], 2, "first", (43, 1, "LAST ASSESSMENT"), (29, None)),
    # missed, and not decided: neither breaks a run, neither is a yes
    ([10, 30, "-", 30, 10], 2, "first", (15, 0, "Ill"), (8, 15)),
    ([10, 30, None, 30, 10], 2, "first", (15, 0, "Ill"), (8, 15)),
    ([10, None, 30, 10, 10], 1, "first", (22, 0, "Ill"), (8, 22)),
    # 15 to 43 days are too many
    ([10, 30, "-", "-", 30], 2, "first", (43, 1, "LAST ASSESSMENT"), (8, None)),
    ([10, 10, "-", "-", "-"], 1, "first", (15, 1, "LAST ASSESSMENT"), (15, None)),
    (["-"] * 5, 1, "first", (1, 1, "NO ASSESSMENT AFTER ORIGIN"), (0, None)),
]


@cache
def criteria(needed: int, dated: str) -> Frame:
    """Return the rows of all `COURSES` by one rule; subjects are numbered."""
    rule = (TWICE if needed == 2 else SEEN) | {"dated": dated}
    courses = {f"S{n:02d}": course(f"S{n:02d}", c[0]) for n, c in enumerate(COURSES)}
    return times(plan(events=[rule]), courses)[0]


@pytest.mark.parametrize("number", range(len(COURSES)))
def test_a_criterion_is_met_at_consecutive_assessments(number: int) -> None:
    _, needed, dated, expected, bounds = COURSES[number]
    row = one(criteria(needed, dated), USUBJID=f"S{number:02d}")
    assert short(row) == expected
    assert interval(row) == bounds
    assert row["STARTDT"] == DOSE
    assert row["ADT"] == on(expected[0])
    assert row["AVALU"] == "DAYS"


def test_an_unscheduled_assessment_counts_and_breaks_a_run() -> None:
    spec = plan(events=[TWICE])
    both = course("A", [10, 30, 30, 10, 10])
    assert short(time(spec, both)) == (15, 0, "Ill")
    between = course("A", [10, 30, 30, 10, 10], d18=10)
    assert short(time(spec, between))[1] == 1
    confirmed = course("A", [10, 30, 10, 10, 10], d20=30)
    row = time(spec, confirmed)
    assert short(row) == (15, 0, "Ill")
    assert row["SRCDOM"] == "ADQS"


def test_of_two_assessments_on_a_day_the_analysed_one_decides() -> None:
    rows = course("A", [10, 10, 10, 10, 10], d15=30)
    assert short(time(plan(events=[SEEN]), rows)) == (43, 1, "LAST ASSESSMENT")


def test_rows_made_by_rule_and_prorated_totals_of_a_derived_dataset() -> None:
    """The missed second visit is an N by rule (NRI), and no loss of response."""
    loss = {"kind": "criterion", "endpoint": "response", "equals": "N", "label": "Lost"}
    origin = {"origin": "first-response", "response": "response"}
    rule = {"instruments": {"MADRS": {"n_min": {"total": 8}}}}
    spec = study(
        **rule,
        endpoints={
            **{"ill": ILL, "response": RESPONSE},
            "lost": {**TIME, "paramcd": "LOST", "events": [loss], **origin},
            "relapse": {**TIME, "paramcd": "RELAPSE", "events": [SEEN], **origin},
        },
    )
    sdtm = tables(
        dm=[subject("A"), subject("B")],
        ex=[dose("A"), dose("B")],
        qs=[
            madrs("A", "BASE", BASE, on(-1)),
            madrs("A", "WEEK1", 10, on(8)),
            madrs("B", "BASE", BASE, on(-1)),
            madrs("B", "WEEK1", 10, on(8)),
            madrs("B", "WEEK3", None, on(22)),  # nine items of 3: a total of 30
        ],
    )
    people, records, _ = derive(spec, sdtm)
    assert "NRI" in set(records["DTYPE"])
    frame = derive_adtte(spec, sdtm, people, records).frame
    assert [short(row) for _, row in frame.iterrows()] == [
        (1, 1, "NO ASSESSMENT AFTER ORIGIN"),
        (1, 1, "NO ASSESSMENT AFTER ORIGIN"),
        (15, 0, "Lost"),
        (15, 0, "Ill"),
    ]


def test_what_may_decide_is_after_baseline_on_the_day_of_dose_or_later() -> None:
    spec = plan(events=[SEEN])
    early = [record("A", "UNSCHEDULED", -3, 30), *course("A", [10, 10, 10, 10, 10])]
    assert short(time(spec, early))[1] == 1
    same_day = course("A", [10, 10, 10, 10, 10], d1=30)
    row = time(spec, same_day)
    assert (*short(row), interval(row)) == (1, 0, "Ill", (0, 1))


CALM = [10, 10, 10, 10, 10]
TIES = [
    # events, competing, censoring, day of relapse, of attempt, of rescue
    ([SEEN, SUICIDAL], [RESCUE], [], 22, 15, None, (15, 0, "Attempt")),
    ([SEEN, SUICIDAL], [RESCUE], [], 22, 22, None, (22, 0, "Ill")),
    ([SUICIDAL, SEEN], [RESCUE], [], 22, 22, None, (22, 0, "Attempt")),
    ([SEEN], [RESCUE], [], 22, None, 21, (21, 2, "Rescue")),
    ([SEEN], [RESCUE], [], 22, None, 22, (22, 0, "Ill")),
    ([SEEN], [RESCUE], [], 22, None, 23, (22, 0, "Ill")),
    ([SEEN], [], [RESCUE], 22, None, 21, (21, 1, "Rescue")),
    ([SEEN], [], [RESCUE], 22, None, 22, (22, 0, "Ill")),
    ([SEEN], [SUICIDAL], [RESCUE], None, 20, 20, (20, 2, "Attempt")),
    ([SEEN], [SUICIDAL], [RESCUE], None, 20, 19, (19, 1, "Rescue")),
    # what would confirm comes after the event that ends the time at risk
    ([TWICE], [RESCUE], [], (22, 29), None, 25, (25, 2, "Rescue")),
    ([TWICE], [RESCUE], [], (22, 29), None, 29, (22, 0, "Ill")),
    ([TWICE], [], [RESCUE], (22, 29), None, 25, (25, 1, "Rescue")),
    ([TWICE, RESCUE], [], [], (22, 29), None, 25, (22, 0, "Ill")),
]


def relapsing(id: str, days: int | tuple[int, ...] | None) -> list[Any]:
    ill = (days,) if isinstance(days, int) else days or ()
    return course(id, [30 if day in ill else 10 for _, day in VISITS])


@cache
def ties() -> Frame:
    """Return the rows of all `TIES`: of each a subject, and an endpoint T00 T01 ...."""
    endpoints: dict[str, Any] = {"ill": ILL}
    courses: dict[str, Any] = {}
    found: dict[str, list[Any]] = {"ae": [], "cm": []}
    for n, (events, competing, censoring, ill, attempt, rescue, _) in enumerate(TIES):
        id = f"S{n:02d}"
        courses[id] = relapsing(id, ill)
        found["ae"] += [event(id, attempt)] if attempt else []
        found["cm"] += [pill(id, rescue)] if rescue else []
        rules_of = {"events": events, "competing": competing, "censoring": censoring}
        endpoints[f"time{n}"] = TIME | {"paramcd": f"T{n:02d}"} | rules_of
    visits = [visit.model_dump() for visit in plan(events=[SEEN]).visits]
    spec = study(visits=visits, endpoints=endpoints)
    return times(spec, courses, **found)[0]


@pytest.mark.parametrize("number", range(len(TIES)))
def test_the_first_of_several_wins_and_events_come_before_the_rest(number: int) -> None:
    expected = TIES[number][-1]
    row = one(ties(), USUBJID=f"S{number:02d}", PARAMCD=f"T{number:02d}")
    assert short(row) == expected
    if expected[2] in ("Attempt", "Rescue") and expected[1] == 0:
        assert interval(row) == (expected[0], expected[0])
    if expected[1]:
        assert interval(row)[1] is None
    if expected[1] == 1:
        assert row["CNSDTDSC"] == expected[2]


def test_a_competing_event_leaves_the_last_assessment_without_the_event() -> None:
    spec = plan(events=[SEEN], competing=[RESCUE])
    row = time(spec, course("A", CALM), cm=[pill("A", 25)])
    assert (*short(row), interval(row)) == (25, 2, "Rescue", (22, None))
    assert (row["SRCDOM"], row["SRCSEQ"]) == ("CM", 1)


def test_a_competing_criterion_ends_the_time_at_risk_too() -> None:
    well = {"kind": "criterion", "endpoint": "response", "label": "Well"}
    spec = plan(events=[TWICE], competing=[well])
    row = time(spec, course("A", [30, 10, 30, 30, 30]))
    assert short(row) == (15, 2, "Well")


SUSTAIN = {"name": "sustain-1-relapse", "endpoint": "ill"}
COMP = {"name": "comp004-event", "endpoint": "ill"}


def test_the_relapse_of_sustain_1_is_confirmed_after_5_to_15_days() -> None:
    gaps = {4: False, 5: True, 15: True, 16: False}
    courses = {
        f"G{gap:02d}": [
            record(f"G{gap:02d}", "BASE", -1, BASE),
            record(f"G{gap:02d}", "WEEK1", 8, 10),
            record(f"G{gap:02d}", "WEEK2", 15, 30),
            record(f"G{gap:02d}", "WEEK3", 15 + gap, 30),
        ]
        for gap in gaps
    }
    frame, notes = times(plan(preset=SUSTAIN), courses)
    for gap, met in gaps.items():
        row = one(frame, USUBJID=f"G{gap:02d}")
        late = (15 + gap, 1, "LAST ASSESSMENT")
        assert short(row) == ((15, 0, "Symptoms back") if met else late)
    (open_,) = [note for note in notes if note.rule == "event-unconfirmed"]
    assert "2 subjects whose last assessments" in open_.message
    assert "without the 2 it needs (G04, G16)" in open_.message


def test_a_preset_reads_serious_events_of_its_terms_only() -> None:
    spec = plan(preset=SUSTAIN)
    rows = course("A", CALM)
    attempt = event("A", 20)
    assert short(time(spec, rows, ae=[attempt]))[1] == 1
    serious = time(
        spec, rows, ae=[attempt | {"AESER": "Y", "AEDECOD": "suicide attempt "}]
    )
    assert short(serious) == (20, 0, "Hospitalisation or suicidal event")
    assert (serious["SRCDOM"], serious["SRCSEQ"]) == ("AE", 1)
    other = attempt | {"AESER": "Y", "AEDECOD": "Headache"}
    assert short(time(spec, rows, ae=[other]))[1] == 1
    own = plan(preset=SUSTAIN | {"terms": ["Headache"]})
    assert short(time(own, rows, ae=[other]))[:2] == (20, 0)
    uncoded = attempt | {"AESER": "Y", "AEDECOD": "", "AETERM": "Suicide attempt"}
    assert short(time(spec, rows, ae=[uncoded]))[:2] == (20, 0)


def test_the_event_of_comp004_is_the_first_of_three() -> None:
    spec = plan(preset=COMP)
    calm = course("A", CALM)
    ill = course("A", [10, 10, 30, 10, 10])
    assert short(time(spec, ill)) == (22, 0, "Symptoms back")
    assert short(time(spec, calm, cm=[pill("A", 9)])) == (9, 0, "Medication started")
    row = time(spec, ill, cm=[pill("A", 9)], ae=[event("A", 4, AESER="Y")])
    assert short(row) == (4, 0, "Hospitalisation or suicidal event")
    assert short(time(spec, calm, cm=[pill("A", 9, "CONCOMITANT")]))[1] == 1
    assert one(times(spec, {"A": calm})[0])["PARAM"] == (
        "Time to symptoms back or hospitalisation or suicidal event or medication "
        "started"
    )


def test_leaving_is_an_event_where_a_rule_says_so() -> None:
    spec = plan(events=[SEEN], competing=[LEFT | {"reasons": ["lack of efficacy"]}])
    rows = course("A", [10, 10, "-", "-", "-"])
    row = time(spec, rows, ended(20, "LACK OF EFFICACY"))
    assert (*short(row), row["SRCDOM"]) == (20, 2, "Left", "ADSL")
    other = time(spec, rows, ended(20, "ADVERSE EVENT"))
    assert short(other) == (15, 1, "DISCONTINUED: ADVERSE EVENT")
    assert other["CNSDTDSC"] == "LAST ASSESSMENT"


def test_a_first_response_is_the_origin_and_only_what_comes_after_it_counts() -> None:
    spec = plan(events=[TWICE], origin="first-response", response="response")
    row = time(spec, course("A", [30, 20, 30, 30, 10]))
    assert row["STARTDT"] == on(15)
    assert (*short(row), interval(row)) == (8, 0, "Ill", (1, 8))
    at_once = time(spec, course("A", [20, 30, 30, 10, 10]))
    assert at_once["STARTDT"] == on(8)
    assert (*short(at_once), interval(at_once)) == (8, 0, "Ill", (1, 8))


def test_the_assessment_of_the_response_is_no_relapse_itself() -> None:
    """At a baseline of 44 a total of 22 is a response, and at least 22."""
    spec = plan(events=[SEEN], origin="first-response", response="response")
    rows = [
        record("A", "WEEK1", 8, 22, BASE=44),
        record("A", "WEEK2", 15, 10, BASE=44),
    ]
    assert short(time(spec, rows)) == (8, 1, "LAST ASSESSMENT")


def test_a_relapse_without_prior_response_is_named_and_no_event() -> None:
    spec = plan(events=[SEEN, SUICIDAL], origin="first-response", response="response")
    courses = {
        "A": course("A", [10, 30, 10, 10, 10]),
        "B": course("B", [30, 30, 30, 30, 30]),
        "C": course("C", [21, 21, 21, 21, 21]),
        "D": course("D", [30, 10, 10, 10, 10]),
    }
    frame, notes = times(spec, courses, ae=[event("A", 5), event("B", 5)])
    assert frame["USUBJID"].tolist() == ["A", "D"]
    said = {note.rule: note for note in notes}
    assert "2 randomised subjects without response (B, C)" in (
        said["time-not-at-risk"].message
    )
    warned = said["relapse-without-response"]
    assert (warned.severity, "1 subject who met" in warned.message) == ("warning", True)
    assert "(B)" in warned.message
    before = [note.message for note in notes if note.rule == "event-before-origin"]
    assert any("(D)" in message for message in before)
    assert any("1 record of 'Attempt'" in m and "(A)" in m for m in before)
    assert {n.severity for n in notes if n.rule == "event-before-origin"} == {"note"}


def test_the_loss_of_response_is_not_told_of_who_never_had_one() -> None:
    loss = {"kind": "criterion", "endpoint": "response", "equals": "N", "label": "Lost"}
    spec = plan(events=[loss], origin="first-response", response="response")
    courses = {"A": course("A", [10, 30]), "B": course("B", [30, 30])}
    frame, notes = times(spec, courses)
    assert frame["EVNTDESC"].tolist() == ["Lost"]
    assert "relapse-without-response" not in rules(notes)


def test_who_has_no_origin_has_no_row() -> None:
    spec = plan(events=[SEEN])
    courses = {"A": course("A", CALM), "B": course("B", CALM)}
    undosed = {"B": {"TRTSDT": ""}}
    frame, notes = times(spec, courses, undosed)
    assert frame["USUBJID"].tolist() == ["A"]
    assert any("without first dose (B)" in note.message for note in notes)
    randomised = plan(events=[SEEN], origin="randomisation")
    frame, _ = times(randomised, courses, undosed)
    assert frame["STARTDT"].unique().tolist() == ["2024-03-05"]
    assert frame["AVAL"].tolist() == [48.0, 48.0]


def test_records_that_are_no_event_are_named() -> None:
    spec = plan(events=[RESCUE, SUICIDAL], censor="end-of-study")
    names = "ABCDE"
    courses = {id: course(id, CALM) for id in names}
    frame, notes = times(
        spec,
        courses,
        dict.fromkeys(names, ended(50)),
        cm=[pill("A", ""), pill("B", "2024-03"), pill("C", -20), pill("D", -2)],
        ae=[event("E", 90), event("A", "2024")],
    )
    assert (frame["CNSR"] == 1).all()
    assert frame["AVAL"].tolist() == [50.0] * 5
    said = [(n.rule, n.severity, n.message) for n in notes if "record" in n.message]
    for rule, severity, message in (
        (
            "event-undated",
            "warning",
            "2 records of 'Rescue' without a whole date (A, B)",
        ),
        ("event-undated", "warning", "1 record of 'Attempt' without a whole date (A)"),
        ("event-before-randomisation", "warning", "before randomisation (C)"),
        ("event-before-origin", "note", "before the origin (D)"),
        ("event-after-end", "warning", "after the end of observation (E)"),
    ):
        assert any((rule, severity) == one[:2] and message in one[2] for one in said), (
            message,
            said,
        )


def test_an_undated_record_does_not_hide_a_dated_one() -> None:
    spec = plan(events=[RESCUE])
    rows = course("A", CALM)
    assert short(
        time(spec, rows, cm=[pill("A", ""), pill("A", 30), pill("A", 12)])
    ) == (
        12,
        0,
        "Rescue",
    )


@pytest.mark.parametrize(
    ("term", "end", "expected", "dated"),
    [
        ("COMPLETED", 50, (50, 1, "COMPLETED STUDY"), "END OF STUDY"),
        (
            "LOST TO FOLLOW-UP",
            45,
            (45, 1, "DISCONTINUED: LOST TO FOLLOW-UP"),
            "END OF STUDY",
        ),
        (None, 0, (43, 1, "LAST ASSESSMENT"), "LAST ASSESSMENT"),
        ("COMPLETED", -3, (1, 1, "COMPLETED STUDY"), "ORIGIN"),
    ],
)
def test_without_an_event_time_runs_to_the_end_of_study(
    term: str | None, end: int, expected: tuple[int, int, str], dated: str
) -> None:
    spec = plan(events=[RESCUE])  # nothing that is assessed: end-of-study by default
    own = ended(end, term) if term else {}
    frame, notes = times(spec, {"A": course("A", CALM)}, {"A": own})
    row = one(frame)
    assert (*short(row), row["CNSDTDSC"]) == (*expected, dated)
    assert interval(row) == (expected[0], None)
    assert ("end-before-origin" in rules(notes)) == (end < 0)


def test_without_an_event_time_runs_to_the_last_assessment_that_could_show_it() -> None:
    spec = plan(events=[SEEN])
    rows = course("A", [10, 10, None, "-", "-"])
    row = time(spec, rows, ended(50))
    assert (*short(row), row["CNSDTDSC"]) == (
        15,
        1,
        "COMPLETED STUDY",
        "LAST ASSESSMENT",
    )
    later = time(plan(events=[SEEN], censor="end-of-study"), rows, ended(50))
    assert (*short(later), interval(later)) == (50, 1, "COMPLETED STUDY", (15, None))


def test_an_all_of_endpoint_is_decided_with_all_of_its_parts() -> None:
    both = {"kind": "all-of", "paramcd": "BOTH", "of": ["response", "low"]}
    low = ILL | {"paramcd": "LOW", "at_most": 10}
    del low["at_least"]
    content = plan(events=[SEEN])
    spec = study(
        visits=[visit.model_dump() for visit in content.visits],
        endpoints={
            "ill": ILL,
            "response": RESPONSE,
            "low": low,
            "both": both,
            "time": {
                "kind": "time-to-event",
                "paramcd": "TTE",
                "events": [{"kind": "criterion", "endpoint": "both", "label": "Both"}],
            },
        },
    )
    assert short(time(spec, course("A", [30, 15, 10, 10, 10]))) == (22, 0, "Both")
    assert short(time(spec, course("A", [30, 15, 15, 15, 15], d18=9))) == (
        18,
        0,
        "Both",
    )


def test_a_dose_before_randomisation_is_told() -> None:
    late = {"A": {"RANDDT": on(4)}}
    _, notes = times(plan(events=[SEEN]), {"A": course("A", CALM)}, late)
    assert "origin-before-randomisation" in rules(notes)


def test_an_endpoint_of_another_kind_has_no_time() -> None:
    spec = plan(events=[SEEN])
    without = spec.model_copy(update={"endpoints": {"ill": spec.endpoints["ill"]}})
    frame, notes = times(without, {"A": course("A", CALM)})
    assert notes == []
    assert frame.empty
    assert frame.columns.tolist() == ADTTE.names


def random_trial(seed: int) -> tuple[dict[str, Frame], Frame, Frame]:
    """Return SDTM tables of events, ADSL and ADQS."""
    rng = np.random.default_rng(seed)
    names = [f"S{n:02d}" for n in range(60)]
    courses, people = {}, {}
    events: dict[str, list[Any]] = {"ae": [], "cm": []}
    for id in names:
        totals = [int(x) if x < 45 else "-" for x in rng.integers(0, 50, 5)]
        extra = {f"d{day}": int(rng.integers(0, 40)) for day in rng.integers(2, 60, 2)}
        courses[id] = course(id, totals, **extra)
        for kind, make in (("ae", event), ("cm", pill)):
            if rng.random() < 0.4:
                events[kind].append(make(id, int(rng.integers(1, 60))))
        term = "COMPLETED" if rng.random() < 0.7 else "LACK OF EFFICACY"
        people[id] = ended(int(rng.integers(44, 70)), term)
    return tables(**events), adsl(people), adqs(courses)


RICH = {
    "events": [TWICE, SUICIDAL],
    "competing": [RESCUE],
    "censoring": [LEFT],
    "origin": "first-response",
    "response": "response",
}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("endpoint", [RICH, {"events": [TWICE, RESCUE]}])
def test_the_order_of_rows_does_not_matter(seed: int, endpoint: dict[str, Any]) -> None:
    spec = plan(**endpoint)
    sdtm, people, records = random_trial(seed)
    expected = derive_adtte(spec, sdtm, people, records)
    assert set(expected.frame["CNSR"]) >= {0, 1}
    mixed = {
        name: table.sample(frac=1.0, random_state=seed).reset_index(drop=True)
        for name, table in {**sdtm, "adsl": people, "adqs": records}.items()
    }
    found = derive_adtte(spec, mixed, mixed.pop("adsl"), mixed.pop("adqs"))
    pd.testing.assert_frame_equal(found.frame, expected.frame)
    assert found.notes == expected.notes


@pytest.mark.parametrize("seed", [3, 4])
def test_times_and_intervals_hold_together(seed: int) -> None:
    spec = plan(**RICH)
    frame = derive_adtte(spec, *random_trial(seed)).frame
    since = pd.to_datetime(frame["ADT"]) - pd.to_datetime(frame["STARTDT"])
    assert (frame["AVAL"] == since.dt.days + 1).all()
    assert (frame["AVAL"] >= 1).all()
    events = frame[frame["CNSR"] == 0]
    assert (events["RGHTDY"] == events["AVAL"]).all()
    exact = events["SRCDOM"] == "AE"
    assert (events.loc[exact, "LEFTDY"] == events.loc[exact, "AVAL"]).all()
    assert (events.loc[~exact, "LEFTDY"] < events.loc[~exact, "AVAL"]).all()
    rest = frame[frame["CNSR"] != 0]
    assert rest["RGHTDY"].isna().all()
    assert (rest["LEFTDY"] <= rest["AVAL"]).all()
    assert (rest["LEFTDY"] >= 1).all()
