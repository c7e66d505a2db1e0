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
    madrs,
    one,
    rules,
    sources,
    study,
    subject,
    tables,
)


def run(
    *records: Any, dm: Any = None, ex: Any = None, **changes: Any
) -> tuple[Frame, list[Note]]:
    """Return the MADRS totals of subject A, dosed on 2024-03-10 unless told."""
    spec = study(endpoints=NO_YES_NO, **changes)
    if dm is None:
        dosed = "A" if ex is None else ""
        adqs, notes = derive_records(spec, records, {"A": "HIGH"}, dosed)
    else:
        _, adqs, notes = derive(spec, tables(dm=dm, ex=ex, qs=records))
    return adqs[adqs["PARAMCD"] == "MADRSTOT"].reset_index(drop=True), notes


def baseline(adqs: Frame) -> dict[str, Any]:
    row = one(adqs, ABLFL="Y")
    assert (row["AVISIT"], row["ANL01FL"], row["ANL01RS"]) == ("BASE", "Y", "")
    assert row["AVISITN"] == 1
    assert row["BASE"] == row["AVAL"]
    assert pd.isna(row["CHG"])
    return row


SCREEN = madrs("A", "SCREEN", 35, "2024-02-10")
WEEK1 = madrs("A", "WEEK1", 15, "2024-03-17")


def test_baseline_is_the_last_value_before_first_dose() -> None:
    adqs, _ = run(SCREEN, madrs("A", "BASE", 30, "2024-03-09"), WEEK1)
    assert baseline(adqs)["AVAL"] == 30
    week1 = one(adqs, AVISIT="WEEK1")
    assert (week1["BASE"], week1["CHG"], week1["PCHG"]) == (30, -15, -50)
    screen = one(adqs, AVISIT="SCREEN")
    assert (screen["BASE"], screen["ANL01FL"]) == (30, "Y")
    assert pd.isna(screen["CHG"])


def test_a_baseline_visit_on_the_day_of_the_dose_is_before_it() -> None:
    adqs, _ = run(
        madrs("A", "BASE", 31, "2024-03-09"), madrs("A", "BASE", 30, "2024-03-10")
    )
    assert baseline(adqs)["AVAL"] == 30
    assert one(adqs, AVAL=31.0)["ANL01RS"] == "NOT THE BASELINE RECORD"


def test_another_visit_on_the_day_of_the_dose_is_not() -> None:
    windows = [v.model_dump() for v in study().visits]
    windows[1]["window"] = [-14, 1]
    adqs, _ = run(
        madrs("A", "BASE", 31, "2024-03-09"),
        madrs("A", "UNSCHEDULED", 30, "2024-03-10"),
        visits=windows,
    )
    assert baseline(adqs)["AVAL"] == 31
    assert one(adqs, VISIT="UNSCHEDULED")["ANL01RS"] == "NOT BEFORE FIRST DOSE"


def test_a_missing_value_at_baseline_leaves_it_to_the_one_before() -> None:
    adqs, _ = run(SCREEN, madrs("A", "BASE", None, "2024-03-09"), WEEK1)
    row = baseline(adqs)
    assert (row["AVAL"], row["VISIT"]) == (35, "SCREEN")
    assert (row["AWTARGET"], row["AWTDIFF"]) == (-1, -28)
    assert one(adqs, VISIT="BASE")["ANL01RS"] == "NO VALUE"


def test_an_unscheduled_value_can_be_the_baseline_unless_excluded() -> None:
    early = madrs("A", "UNSCHEDULED", 28, "2024-02-27")
    adqs, _ = run(SCREEN, early, WEEK1)
    assert baseline(adqs)["AVAL"] == 28
    adqs, _ = run(SCREEN, early, WEEK1, unscheduled="exclude")
    assert baseline(adqs)["AVAL"] == 35


def test_a_baseline_outside_its_window_is_still_the_baseline() -> None:
    late = madrs("A", "BASE", 30, "2024-02-20")
    adqs, _ = run(late, WEEK1, out_of_window="exclude")
    assert baseline(adqs)["ADY"] == -19


def test_a_baseline_visit_after_the_dose_is_not_a_baseline() -> None:
    adqs, notes = run(madrs("A", "BASE", 30, "2024-03-11"), WEEK1)
    assert (adqs["ABLFL"] == "").all()
    assert adqs["BASE"].isna().all()
    assert adqs["CHG"].isna().all()
    row = one(adqs, VISIT="BASE")
    assert (row["ANL01FL"], row["ANL01RS"]) == ("", "NOT BEFORE FIRST DOSE")
    assert {"baseline-after-dose", "no-baseline"} <= rules(notes)


def test_a_later_visit_with_an_early_date_is_not_the_baseline() -> None:
    adqs, _ = run(
        madrs("A", "BASE", 30, "2024-03-08"), madrs("A", "WEEK1", 12, "2024-03-09")
    )
    assert baseline(adqs)["AVAL"] == 30


def test_the_rule_visit_takes_the_analysed_record_of_the_visit() -> None:
    adqs, _ = run(
        SCREEN,
        madrs("A", "BASE", 30, "2024-03-11"),
        WEEK1,
        baseline={"rule": "visit"},
    )
    assert baseline(adqs)["AVAL"] == 30
    assert one(adqs, AVISIT="WEEK1")["CHG"] == -15


def test_without_a_dose_randomisation_divides() -> None:
    adqs, notes = run(
        madrs("A", "SCREEN", 35, "2024-02-10"),
        madrs("A", "BASE", 32, "2024-03-04"),
        madrs("A", "BASE", 30, "2024-03-09"),
        WEEK1,
        ex=[],
    )
    assert baseline(adqs)["AVAL"] == 32
    assert baseline(adqs)["ADY"] == -1
    assert one(adqs, AVISIT="WEEK1")["ADY"] == 13
    assert "study-day-origin" in rules(notes)


def test_without_a_dose_a_baseline_visit_after_randomisation_serves() -> None:
    adqs, _ = run(madrs("A", "BASE", 30, "2024-03-09"), WEEK1, ex=[])
    assert baseline(adqs)["AVAL"] == 30


def test_without_any_date_of_origin_the_baseline_visit_sets_it() -> None:
    adqs, notes = run(
        madrs("A", "BASE", 30, "2024-03-09"),
        WEEK1,
        dm=[subject("A", RANDDTC="")],
        ex=[],
    )
    assert baseline(adqs)["ADY"] == -1
    assert one(adqs, AVISIT="WEEK1")["ADY"] == 8
    assert any("set by the baseline visit" in note.message for note in notes)


def test_without_any_dates_the_baseline_visit_is_the_baseline() -> None:
    spec_sources = sources(ex=None, ds=None)
    adqs, _ = run(
        madrs("A", "BASE", 30),
        madrs("A", "WEEK1", 12, QSDY=7),
        dm=[subject("A", RANDDTC="")],
        ex=[],
        sources=spec_sources,
    )
    assert pd.isna(baseline(adqs)["ADY"])
    week1 = one(adqs, AVISIT="WEEK1")
    assert (week1["ADY"], week1["CHG"]) == (7, -18)


def test_with_origin_randomisation_baseline_is_still_before_the_dose() -> None:
    adqs, _ = run(madrs("A", "BASE", 30, "2024-03-09"), WEEK1, origin="randomisation")
    assert baseline(adqs)["ADY"] == 5
    assert one(adqs, AVISIT="WEEK1")["ADY"] == 13


def test_percent_change_needs_a_baseline_above_0() -> None:
    adqs, _ = run(madrs("A", "BASE", 0, "2024-03-09"), WEEK1)
    week1 = one(adqs, AVISIT="WEEK1")
    assert (week1["BASE"], week1["CHG"]) == (0, 15)
    assert pd.isna(week1["PCHG"])


def test_screen_failures_keep_their_scores() -> None:
    adqs, _ = run(
        madrs("S", "BASE", 18, "2024-02-09"), dm=[subject("S", "SCRNFAIL")], ex=[]
    )
    assert baseline(adqs)["AVAL"] == 18


@pytest.mark.parametrize("rule", ["closest", "first", "last"])
def test_the_baseline_does_not_depend_on_the_rule_for_duplicates(rule: str) -> None:
    adqs, _ = run(
        madrs("A", "BASE", 31, "2024-03-05"),
        madrs("A", "BASE", 30, "2024-03-09"),
        duplicates=rule,
    )
    assert baseline(adqs)["AVAL"] == 30
