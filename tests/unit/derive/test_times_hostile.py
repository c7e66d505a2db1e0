"""Data that would give a wrong time in silence, or lose somebody from a denominator."""

from __future__ import annotations

from typing import Any

import pytest
from test_follow_up import END, adsl, done, entered, hours, late, plan, refused
from test_times import RESCUE, SEEN, SUICIDAL, course, event, pill, short, times
from test_times import ended as ended_on
from test_times import plan as of_times
from trials import DOSE, derive, madrs, one, rules

from outcomes.derive.occurrences import by_record
from outcomes.errors import DataError
from outcomes.study.events import AdverseEvent

SOMEBODY = [entered("A"), done("A")]


def only(rule: str, notes: list[Any]) -> Any:
    (found,) = [note for note in notes if note.rule == rule]
    return found


@pytest.mark.parametrize("category", ["", "DISPOSITION EVENT", "PROTOCOL MILESTONE"])
@pytest.mark.parametrize("term", ["Entered follow-up", "not entered"])
def test_a_record_of_entry_without_its_epoch_is_no_end_of_the_main_study(
    category: str, term: str
) -> None:
    lost = late("B", term, END, DSCAT=category, DSTERM="DECLINED", EPOCH="")
    with pytest.raises(DataError, match=r"another EPOCH than FOLLOW-UP \(B\)"):
        adsl([*SOMEBODY, done("B"), lost], people="AB")


def test_entry_may_be_a_consent_however_that_is_spelled() -> None:
    spec = plan(follow_up={"start": "MONTH6", "entered": "Informed consent"})
    consent = late("A", "INFORMED CONSENT OBTAINED", "2024-06-10")
    frame, _ = adsl([consent, done("A")], spec)
    assert one(frame, USUBJID="A")["FUPDT"] == "2024-06-10"


def test_entry_on_several_days_and_several_reasons_are_warned_of() -> None:
    ds = [*SOMEBODY, entered("A", "2024-07-01"), entered("A"), done("B")]
    ds += [refused("B"), refused("B", "MOVED"), done("C"), refused("C"), refused("C")]
    frame, notes = adsl(ds, people="ABC")
    said = [note.message for note in notes if note.rule == "follow-up-conflict"]
    assert said == [
        "1 subject entered the follow-up on several days (A).",
        "1 subject did not enter it for several reasons (B).",
    ]
    assert one(frame, USUBJID="A")["FUPDT"] == "2024-06-10"


def test_an_assessment_after_the_end_is_kept_and_warned_of() -> None:
    spec = of_times(events=[SEEN])
    rows = course("A", [30, 20, 20], d26000=15)
    frame, notes = times(spec, {"A": rows}, {"A": ended_on(43)})
    assert short(one(frame)) == (8, 0, "Ill")
    note = only("assessment-after-end", notes)
    assert (note.severity, "(A)" in note.message) == ("warning", True)
    _, notes = times(spec, {"A": course("A", [30])}, {"A": ended_on(43)})
    assert "assessment-after-end" not in rules(notes)


@pytest.mark.parametrize("events", [[SEEN], [RESCUE]])
def test_an_origin_after_the_end_is_warned_of_whatever_censors(events: Any) -> None:
    person = {**ended_on(29), "TRTSDT": "2029-01-01"}
    frame, notes = times(
        of_times(events=events), {"A": course("A", [20])}, {"A": person}
    )
    assert one(frame)["AVAL"] == 1
    assert only("end-before-origin", notes).severity == "warning"


@pytest.mark.parametrize(
    "term", ["Suicide attempt", " SUICIDE  ATTEMPT ", "suicide\u00a0attempt"]
)
def test_blanks_and_case_of_a_term_do_not_lose_an_event(term: str) -> None:
    spec = of_times(events=[SUICIDAL])
    ae = [event("A", 10, AEDECOD=term)]
    frame, _ = times(spec, {"A": course("A", [20])}, {"A": ended_on(43)}, ae=ae)
    assert short(one(frame)) == (10, 0, "Attempt")


def test_a_name_that_no_record_has_is_told() -> None:
    spec = of_times(events=[SEEN, SUICIDAL], competing=[RESCUE])
    given = {"ae": [event("A", 9, AEDECOD="Suicde attempt")], "cm": [pill("A", 9)]}
    _, notes = times(spec, {"A": course("A", [20])}, **given)
    note = only("event-never-recorded", notes)
    assert "'Attempt' asks for (Suicide attempt)" in note.message


def test_an_event_and_a_competing_one_on_one_day_are_the_event() -> None:
    spec = of_times(events=[SUICIDAL], competing=[RESCUE])
    given = {"ae": [event("A", 9)], "cm": [pill("A", 9)]}
    frame, _ = times(spec, {"A": course("A", [20])}, **given)
    assert short(one(frame)) == (9, 0, "Attempt")


def test_a_rule_without_records_reads_an_empty_table() -> None:
    rule = AdverseEvent(kind="adverse-event", terms=["X"])
    frame, _ = adsl(SOMEBODY)
    assert by_record(rule, {}, frame.set_index("USUBJID", drop=False)).empty


@pytest.mark.parametrize(("day", "warned"), [("2024-03-11", False), (END, True)])
def test_an_hour_of_the_first_dose_on_another_day_is_warned_of(
    day: str, warned: bool
) -> None:
    spec, sdtm, *_ = hours(madrs("A", "BASE", 40, DOSE), madrs("A", "HOUR4", 12, day))
    notes = derive(spec, sdtm)[2]
    assert ("hour-on-another-day" in rules(notes)) == warned
