"""Who entered the follow-up, and visits some hours after a dose."""

from __future__ import annotations

from typing import Any

import pytest
from trials import (
    DOSE,
    NO_YES_NO,
    Frame,
    derive,
    dose,
    madrs,
    one,
    rules,
    sources,
    study,
    subject,
    table,
    tables,
)

from outcomes.derive import derive_adsl, derive_adtte
from outcomes.derive.notes import Note
from outcomes.errors import DataError

VISITS = [
    {"id": "BASE", "label": "B", "day": -1, "window": [-14, -1], "baseline": True},
    {"id": "WEEK3", "label": "W3", "day": 22},
    {"id": "MONTH6", "label": "M6", "day": 183},
]
END = "2024-06-01"


def plan(**changes: Any) -> Any:
    return study(
        **{"visits": VISITS, "follow_up": {"start": "MONTH6"}, "endpoints": NO_YES_NO}
        | changes
    )


def late(id: str, term: str, date: str = "", **values: str) -> dict[str, Any]:
    return {
        "USUBJID": id,
        "EPOCH": "Follow-up",
        "DSDECOD": term,
        "DSSTDTC": date,
        **values,
    }


def done(id: str, term: str = "COMPLETED", date: str = END) -> dict[str, Any]:
    return {"USUBJID": id, "EPOCH": "TREATMENT", "DSDECOD": term, "DSSTDTC": date}


def entered(id: str, date: str = "2024-06-10") -> dict[str, Any]:
    return late(id, "Entered follow-up", date, DSCAT="PROTOCOL MILESTONE")


def refused(id: str, reason: str = "DECLINED") -> dict[str, Any]:
    return late(id, "Not entered", "2024-06-10", DSTERM=reason)


def adsl(
    ds: list[Any], spec: Any = None, people: str = "A", qs: Any = ()
) -> tuple[Frame, list[Note]]:
    dm = [subject(id) for id in people] + [subject("Z", "SCRNFAIL")]
    given = tables(dm=dm, ex=[dose(id) for id in people], ds=ds, qs=qs or [])
    out = derive_adsl(spec or plan(), given)
    return out.frame, out.notes


def test_entry_reason_and_end_come_from_records_of_the_follow_up() -> None:
    frame, notes = adsl(
        [
            *(done(id) for id in "ABCD"),
            *(entered(id) for id in "ABC"),
            late("A", "COMPLETED", "2025-03-10"),
            late("B", "OTHER", "2024-12-01", DSTERM="MOVED AWAY"),
            refused("D"),
            done("E", "LACK OF EFFICACY", "2024-04-01"),
        ],
        people="ABCDE",
    )
    rows = frame.set_index("USUBJID")
    assert rows["FUPFL"].to_dict() == dict(zip("ABCDEZ", "YYYNN", strict=False)) | {
        "Z": ""
    }
    assert (
        rows["FUPSTT"].tolist() == ["COMPLETED", "DISCONTINUED", "ONGOING"] + [""] * 3
    )
    assert rows.loc["A", ["FUPDT", "FUPEDT"]].tolist() == ["2024-06-10", "2025-03-10"]
    assert rows.loc["B", "FUPDREAS"] == "MOVED AWAY"
    assert rows.loc["D", "FUPNREAS"] == "DECLINED"
    assert rows.loc["E", "FUPNREAS"] == "DISCONTINUED: LACK OF EFFICACY"
    # the main study is what its own records say
    assert rows["EOSDT"].tolist() == [END] * 4 + ["2024-04-01", ""]
    assert rows.loc["B", ["EOSSTT", "DCSREAS"]].tolist() == ["COMPLETED", ""]
    assert "follow-up-left-before" in rules(notes)
    assert rules([n for n in notes if n.severity == "warning"]) == {"stratum-missing"}


NOT_CLOSING = [
    ([done("A")], "1 randomised subject neither entered the follow-up nor have a"),
    ([], "1 randomised subject neither entered"),
    ([done("A"), late("A", "COMPLETED", "2025-01-01")], "neither entered"),
    ([done("A"), entered("A"), refused("A")], "both entered and did not enter"),
    ([done("A"), refused("A", "")], "NOT ENTERED without a reason (A); fill in DSTERM"),
    ([done("A"), entered("A", "2024-03-01")], "follow-up before being randomised (A)"),
]


@pytest.mark.parametrize(("ds", "message"), NOT_CLOSING)
def test_denominators_that_do_not_close_stop_the_derivation(
    ds: list[Any], message: str
) -> None:
    with pytest.raises(DataError) as raised:
        adsl(ds)
    assert message in str(raised.value)
    assert "(A)" in str(raised.value)


def test_everybody_who_is_not_counted_is_named_at_once() -> None:
    people = [f"S{n}" for n in range(9)]
    given = tables(
        dm=[subject(id) for id in people],
        ds=[
            *(done(id) for id in people),
            refused("S0", ""),
            entered("S1", "2024-01-01"),
        ],
        qs=madrs("S2", "MONTH6", 10, "2024-02-01"),
    )
    with pytest.raises(DataError) as raised:
        derive_adsl(plan(), given)
    lines = str(raised.value).splitlines()
    assert len(lines) == 4
    assert "7 randomised subjects neither" in lines[0]
    assert all(id in lines[0] for id in people[2:])
    assert "1 visit of the follow-up dated before randomisation (S2 MONTH6)" in lines[3]


SUSPICIOUS = [
    ("follow-up-before-end", [entered("A", "2024-05-20")], "(A)"),
    ("follow-up-entry-undated", [entered("A", "")], "(A)"),
    (
        "follow-up-end-before-entry",
        [entered("A"), late("A", "COMPLETED", "2024-06-02")],
        "(A)",
    ),
    ("follow-up-end-undated", [entered("A"), late("A", "COMPLETED")], "(A)"),
    ("follow-up-end-without-entry", [refused("A"), late("A", "DEATH", END)], "(A)"),
    ("follow-up-not-randomised", [entered("A"), entered("Z")], "(Z)"),
    (
        "disposition-conflict",
        [entered("A"), late("A", "COMPLETED", END), late("A", "LOST", END)],
        "of the follow-up: COMPLETED and LOST",
    ),
]


@pytest.mark.parametrize(("rule", "ds", "message"), SUSPICIOUS)
def test_what_does_not_fit_together_is_warned_of(
    rule: str, ds: list[Any], message: str
) -> None:
    _, notes = adsl([done("A"), *ds])
    (note,) = [note for note in notes if note.rule == rule]
    assert note.severity == "warning"
    assert message in note.message


@pytest.mark.parametrize(
    ("record", "date", "rule"),
    [
        (refused("A"), "2024-09-08", "follow-up-assessment-uninvited"),
        (entered("A"), "2024-06-09", "follow-up-assessment-early"),
        (entered("A"), "2024-06-10", None),
    ],
)
def test_assessments_of_who_was_not_there_are_warned_of(
    record: Any, date: str, rule: str | None
) -> None:
    _, notes = adsl([done("A"), record], qs=madrs("A", "MONTH6", 10, date))
    found = {name for name in rules(notes) if name.startswith("follow-up")}
    assert found == ({rule} if rule else set())


def test_an_entry_without_an_end_of_the_main_study_is_warned_of() -> None:
    frame, notes = adsl([entered("A")])
    assert one(frame, USUBJID="A")["EOSSTT"] == "ONGOING"
    assert "follow-up-without-end" in rules(notes)


def test_records_of_a_follow_up_that_the_study_has_not_are_not_used() -> None:
    frame, notes = adsl([done("A"), entered("A")], plan(follow_up=None))
    row = one(frame, USUBJID="A")
    assert [row["FUPFL"], row["EOSSTT"]] == ["", "COMPLETED"]
    assert "follow-up-not-declared" in rules(notes)


def test_who_completed_is_seen_at_the_last_visit_of_the_main_study() -> None:
    qs = madrs("A", "WEEK3", 10, "2024-03-31")
    _, notes = adsl([done("A"), refused("A")], qs=qs)
    assert "completed-unseen" not in rules(notes)
    spec = plan(sources=sources(ds=None), follow_up=None)
    frame, _ = adsl([], spec, qs=qs)
    assert one(frame, USUBJID="A")["COMPLFL"] == "N"


TIME = {
    "kind": "time-to-event",
    "paramcd": "TTR",
    "events": [{"kind": "medication", "label": "Rescue"}],
    "competing": [{"kind": "withdrawal", "reasons": ["DEATH"], "label": "Death"}],
}


def test_time_runs_to_the_end_of_the_follow_up_of_who_entered() -> None:
    spec = plan(endpoints=NO_YES_NO | {"time": TIME})
    ds = [
        *(done(id) for id in "ABCDE"),
        *(entered(id) for id in "ABE"),
        late("A", "COMPLETED", "2025-03-10"),
        late("B", "LOST TO FOLLOW-UP", "2024-12-01"),
        late("E", "DEATH", "2024-12-01"),
        refused("C"),
        refused("D"),
    ]
    sdtm = tables(
        dm=[subject(id) for id in "ABCDE"],
        ex=[dose(id) for id in "ABCDE"],
        ds=ds,
        qs=madrs("A", "BASE", 30, "2024-03-09"),
        cm=[{"USUBJID": "D", "CMCAT": "RESCUE", "CMSTDTC": "2024-05-01"}],
    )
    people, records, _ = derive(spec, sdtm)
    frame = derive_adtte(spec, sdtm, people, records).frame.set_index("USUBJID")
    assert frame["EVNTDESC"].to_dict() == {
        "A": "COMPLETED STUDY",
        "B": "DISCONTINUED: LOST TO FOLLOW-UP",
        "C": "NOT ENTERED FOLLOW-UP",
        "D": "Rescue",
        "E": "Death",
    }
    assert frame["CNSR"].tolist() == [1, 1, 1, 0, 2]
    assert frame["CNSDTDSC"].tolist() == [
        *["END OF FOLLOW-UP"] * 2,
        "END OF STUDY",
        "",
        "",
    ]
    assert frame["ADT"].tolist()[:3] == ["2025-03-10", "2024-12-01", END]
    # entry is 92 days after the dose, the end of the main study 83
    assert frame["FUPDY"].tolist() == [93, 93, 84, 84, 93]


HOURS = [
    {"id": "BASE", "label": "B", "day": 1, "baseline": True},
    {"id": "HOUR4", "label": "4 h", "day": 1, "hour": 4},
    {"id": "DAY1", "label": "24 h", "day": 2, "window": [2, 3]},
]
RELAPSE = {
    "kind": "time-to-event",
    "paramcd": "TTR",
    "origin": "first-response",
    "response": "response",
    "events": [{"kind": "criterion", "endpoint": "ill", "label": "Ill"}],
}


def hours(*rows: Any) -> tuple[Any, dict[str, Frame], Frame, Frame]:
    spec = study(
        visits=HOURS,
        endpoints={
            "response": study().endpoints["response"].model_dump(),
            "ill": {
                "kind": "threshold",
                "paramcd": "ILL",
                "instrument": "MADRS",
                "score": "total",
                "at_least": 22,
            },
            "relapse": RELAPSE,
        },
    )
    sdtm = tables(dm=[subject("A")], ex=[dose("A")], qs=list(rows))
    people, records, _ = derive(spec, sdtm)
    return spec, sdtm, people, records


def test_a_visit_hours_after_the_dose_is_after_baseline() -> None:
    spec, sdtm, people, records = hours(
        madrs("A", "BASE", 40, DOSE),
        madrs("A", "HOUR4", 12, DOSE),
        madrs("A", "DAY1", 30, "2024-03-11"),
    )
    totals = records[records["PARAMCD"] == "MADRSTOT"].set_index("AVISIT")
    assert totals["ABLFL"].to_dict() == {"BASE": "Y", "HOUR4": "", "DAY1": ""}
    assert totals["ADY"].tolist() == [1, 1, 2]
    assert totals["CHG"].tolist()[1:] == [-28.0, -10.0]
    row = one(derive_adtte(spec, sdtm, people, records).frame)
    assert (row["STARTDT"], row["AVAL"], row["CNSR"]) == (DOSE, 2.0, 0)


def test_a_visit_with_an_hour_is_the_baseline_of_nobody() -> None:
    _, _, _, records = hours(madrs("A", "HOUR4", 12, DOSE))
    assert set(records["ABLFL"]) == {""}


def test_an_unscheduled_record_is_never_put_to_an_hour() -> None:
    _, _, _, records = hours(
        madrs("A", "BASE", 40, DOSE), madrs("A", "UNSCHEDULED", 30, DOSE, tag="u")
    )
    rows = records[(records["VISIT"] == "UNSCHEDULED")]
    assert set(rows["AVISIT"]) == {""}
    assert set(rows["ANL01RS"]) == {"UNSCHEDULED, IN NO WINDOW"}


def test_an_epoch_is_read_whatever_its_spelling() -> None:
    spellings = ["FOLLOW-UP", " follow up ", "Follow_Up", "FOLLOWUP"]
    ds = [
        {"USUBJID": f"S{n}", "EPOCH": epoch, "DSDECOD": "X", "DSSTDTC": END}
        for n, epoch in enumerate([*spellings, "", "TREATMENT"])
    ]
    from outcomes.derive.disposition import in_follow_up

    assert in_follow_up(table("ds", ds)).tolist() == [True] * 4 + [False] * 2
