from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from trials import (
    NO_YES_NO,
    Frame,
    Note,
    derive,
    derive_records,
    dose,
    madrs,
    meq,
    not_done,
    one,
    rules,
    study,
    subject,
    tables,
)

from outcomes.errors import DataError

BASE = madrs("A", "BASE", 30, "2024-03-09")


def run(*records: Any, **changes: Any) -> tuple[Frame, list[Note]]:
    """Return the scores of subject A, dosed on 2024-03-10, and the notes."""
    spec = study(endpoints=NO_YES_NO, **changes)
    adqs, notes = derive_records(spec, [BASE, *records], {"A": "HIGH"}, "A")
    return adqs[adqs["SRCDOM"] == "QS"].reset_index(drop=True), notes


def test_a_scheduled_record_keeps_its_visit_and_knows_its_window() -> None:
    adqs, notes = run(madrs("A", "WEEK1", 20, "2024-03-22"))
    row = one(adqs, VISIT="WEEK1")
    assert (row["AVISIT"], row["AVISITN"], row["ADY"]) == ("WEEK1", 2, 13)
    assert (row["AWTARGET"], row["AWTDIFF"]) == (8, 5)
    assert (row["AWLO"], row["AWHI"]) == (5, 11)
    assert row["ANL01FL"] == "Y"
    assert "out-of-window" in rules(notes)


def test_out_of_window_records_can_be_excluded() -> None:
    adqs, _ = run(madrs("A", "WEEK1", 20, "2024-03-22"), out_of_window="exclude")
    row = one(adqs, VISIT="WEEK1")
    assert (row["ANL01FL"], row["ANL01RS"]) == ("", "OUT OF WINDOW")


def test_difference_to_target_skips_day_0() -> None:
    adqs, _ = run(madrs("A", "BASE", 33, "2024-03-10"))
    assert one(adqs, ADT="2024-03-10")["AWTDIFF"] == 1
    assert one(adqs, ADT="2024-03-09")["AWTDIFF"] == 0


@pytest.mark.parametrize(
    ("date", "visit", "reason"),
    [
        ("2024-03-14", "WEEK1", ""),
        ("2024-03-20", "WEEK1", ""),
        ("2024-03-21", "", "UNSCHEDULED, IN NO WINDOW"),
        ("2024-03-28", "WEEK3", ""),
        ("", "", "UNSCHEDULED, NO STUDY DAY"),
    ],
)
def test_unscheduled_records_go_by_date(date: str, visit: str, reason: str) -> None:
    adqs, notes = run(madrs("A", "UNSCHEDULED", 20, date))
    row = one(adqs, VISIT="UNSCHEDULED")
    assert (row["AVISIT"], row["ANL01RS"]) == (visit, reason)
    assert row["ANL01FL"] == ("Y" if visit else "")
    assert ("unscheduled-by-date" if visit else "not-analysed") in rules(notes)


def test_unscheduled_records_can_be_excluded() -> None:
    adqs, _ = run(madrs("A", "UNSCHEDULED", 20, "2024-03-17"), unscheduled="exclude")
    row = one(adqs, VISIT="UNSCHEDULED")
    assert (row["AVISIT"], row["ANL01FL"]) == ("", "")
    assert row["ANL01RS"] == "UNSCHEDULED"
    assert row["CHG"] == -10


def test_unscheduled_records_can_be_an_error_naming_them() -> None:
    with pytest.raises(DataError, match=r"A MADRS 2024-03-17.*set unscheduled"):
        run(madrs("A", "UNSCHEDULED", 20, "2024-03-17"), unscheduled="error")


def test_a_visit_that_is_not_in_the_schedule_is_refused() -> None:
    with pytest.raises(DataError, match=r"'WEEK2' is not known.*Did you mean"):
        run(madrs("A", "WEEK2", 20, "2024-03-17"))


# Day 8 is 2024-03-17: two days early, one late and one (unscheduled) late.
SEVERAL = [
    madrs("A", "WEEK1", 21, "2024-03-15"),
    madrs("A", "WEEK1", 22, "2024-03-18"),
    madrs("A", "UNSCHEDULED", 23, "2024-03-20"),
]


@pytest.mark.parametrize(
    ("rule", "value"), [("closest", 22), ("first", 21), ("last", 23)]
)
def test_one_of_several_records_is_analysed(rule: str, value: int) -> None:
    adqs, _ = run(*SEVERAL, duplicates=rule)
    at = adqs[adqs["AVISIT"] == "WEEK1"]
    assert one(at, ANL01FL="Y")["AVAL"] == value
    others = at[at["ANL01FL"] == ""]
    assert others["ANL01RS"].tolist() == ["ANOTHER RECORD IS ANALYSED"] * 2


def test_duplicates_can_be_an_error_naming_them() -> None:
    with pytest.raises(DataError, match=r"A WEEK1 MADRS.*set duplicates"):
        run(*SEVERAL, duplicates="error")


def test_of_equally_close_records_the_latest_is_analysed() -> None:
    early = madrs("A", "WEEK1", 21, "2024-03-16")
    late = madrs("A", "WEEK1", 25, "2024-03-18")
    for records in ([early, late], [late, early]):
        adqs, _ = run(*records)
        assert one(adqs, AVISIT="WEEK1", ANL01FL="Y")["AVAL"] == 25


def test_of_records_of_one_day_the_scheduled_one_is_analysed() -> None:
    planned = madrs("A", "WEEK1", 21, "2024-03-18")
    extra = madrs("A", "UNSCHEDULED", 25, "2024-03-18")
    for rule in ("closest", "first", "last"):
        adqs, _ = run(planned, extra, duplicates=rule)
        assert one(adqs, AVISIT="WEEK1", ANL01FL="Y")["AVAL"] == 21


def test_a_record_without_a_value_never_wins() -> None:
    adqs, _ = run(
        madrs("A", "WEEK1", None, "2024-03-17"), madrs("A", "WEEK1", 24, "2024-03-20")
    )
    assert one(adqs, AVISIT="WEEK1", ANL01FL="Y")["AVAL"] == 24
    assert one(adqs, ADT="2024-03-17")["ANL01RS"] == "NO VALUE"


def test_a_record_without_a_date_loses_against_one_with_a_date() -> None:
    undated = madrs("A", "WEEK1", 21, "")
    adqs, notes = run(undated, madrs("A", "WEEK1", 25, "2024-03-20"))
    assert one(adqs, AVISIT="WEEK1", ANL01FL="Y")["AVAL"] == 25
    assert pd.isna(one(adqs, AVAL=21.0)["ADY"])
    assert "no-study-day" in rules(notes)


def test_an_instrument_not_done_is_a_record_without_a_value() -> None:
    adqs, _ = run(not_done("A", "WEEK3"))
    row = one(adqs, AVISIT="WEEK3")
    assert row["ANL01RS"] == "INSTRUMENT NOT DONE"
    assert (row["ANL01FL"], row["SRCGRP"]) == ("", "MADRS-A-WEEK3-ND")


def test_a_day_without_a_date_is_taken_as_it_is() -> None:
    adqs, _ = run(madrs("A", "UNSCHEDULED", 20, "", QSDY=9))
    row = one(adqs, VISIT="UNSCHEDULED")
    assert (row["ADY"], row["AVISIT"], row["AWTDIFF"]) == (9, "WEEK1", 1)


def test_a_date_outranks_a_day() -> None:
    adqs, _ = run(madrs("A", "WEEK1", 20, "2024-03-17", QSDY=20))
    assert one(adqs, VISIT="WEEK1")["ADY"] == 8


def test_day_0_is_refused() -> None:
    with pytest.raises(DataError, match="there is no day 0"):
        run(madrs("A", "WEEK1", 20, "", QSDY=0))


def test_session_scores_keep_their_session_and_have_no_visit() -> None:
    adqs, _ = run(
        meq("A", 1, 3), meq("A", 2, 4, "2024-04-10"), meq("A", 2, 5, "2024-04-11")
    )
    total = adqs[adqs["PARAMCD"] == "MEQTOT"]
    assert set(total["AVISIT"]) == {""}
    assert total["AVISITN"].isna().all()
    analysed = total[total["ANL01FL"] == "Y"]
    assert analysed["SESSION"].tolist() == [1, 2]
    assert analysed["AVAL"].tolist() == [60.0, 100.0]
    assert total["BASE"].isna().all()
    assert (total["ABLFL"] == "").all()
    complete = one(adqs, PARAMCD="MEQCOMP", SESSION=1)
    assert (complete["AVALC"], complete["AVAL"]) == ("Y", 1.0)


def test_records_on_or_after_rescue_are_flagged() -> None:
    sdtm = tables(
        dm=[subject("A")],
        ex=[dose("A")],
        cm=[{"USUBJID": "A", "CMCAT": "RESCUE", "CMSTDTC": "2024-03-17"}],
        qs=[
            BASE,
            madrs("A", "WEEK1", 20, "2024-03-17"),
            madrs("A", "WEEK3", 20, "", QSDY=23),
        ],
    )
    _, adqs, _ = derive(study(), sdtm)
    scores = adqs[adqs["PARAMCD"] == "MADRSTOT"]
    assert scores["ICE1FL"].tolist() == ["", "Y", "Y"]
    observed = adqs[(adqs["PARAMCD"] == "MADRSRSP") & (adqs["DTYPE"] != "NRI")]
    assert observed["ICE1FL"].tolist() == ["Y", "Y"]


def test_rows_of_one_administration_must_agree() -> None:
    rows = madrs("A", "WEEK1", 20, "2024-03-17")
    rows[3]["QSDTC"] = "2024-03-18"
    with pytest.raises(DataError, match="whose rows disagree"):
        run(rows)


def test_a_subject_that_is_not_in_dm_is_refused() -> None:
    with pytest.raises(DataError, match=r"1 subject not in dm \(Z\)"):
        run(madrs("Z", "WEEK1", 20, "2024-03-17"))


def test_an_answer_that_stands_twice_is_refused() -> None:
    rows = madrs("A", "WEEK1", 20, "2024-03-17")
    with pytest.raises(DataError, match="stand twice in one administration"):
        run([*rows, rows[0]])


def test_a_score_of_items_never_collected_is_left_out_and_noted() -> None:
    answers = [row for row in meq("A", 1, 3) if row["QSITEM"] not in (3, 10, 29)]
    adqs, notes = run(answers)
    assert "MEQINEF" not in set(adqs["PARAMCD"])
    assert {"MEQMYST", "MEQTOT", "MEQCOMP"} <= set(adqs["PARAMCD"])
    assert [n.value for n in notes if n.rule == "score-not-collected"] == ["MEQINEF"]
