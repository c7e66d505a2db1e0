"""Dates of which only the month or the year is known: kept, counted, of some tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tiny_trial import Trial

from outcomes.derive.subjects import rescue_dates

MEDICATIONS = """\
subject_id,category,start,end
001,RESCUE,2024-03,2024
001,RESCUE,2024-03-20,
002,CONCOMITANT,2019,2024-04-01
002,RESCUE,2024-02-12,
"""
STARTS = {
    "ae": ("AESTDTC", "AEENDTC"),
    "cm": ("CMSTDTC", "CMENDTC"),
    "dv": ("DVSTDTC",),
    "pr": ("PRSTDTC",),
}
KEPT = "Kept as written, and not used where a day is needed."


@pytest.fixture
def medicated(trial: Trial) -> Trial:
    trial.raw["raw/medications.csv"] = MEDICATIONS
    trial.spec["sources"]["cm"] = {
        "file": "raw/medications.csv",
        "columns": {
            "USUBJID": "subject_id",
            "CMCAT": "category",
            "CMSTDTC": "start",
            "CMENDTC": "end",
        },
    }
    return trial


def test_partial_dates_stay_as_written_with_one_warning_per_column(
    medicated: Trial,
) -> None:
    tables, issues = medicated.read()
    cm = tables["cm"].sort_values("SRCROW")
    assert cm["CMSTDTC"].tolist() == ["2024-03", "2024-03-20", "2019", "2024-02-12"]
    assert cm["CMENDTC"].tolist() == ["2024", "", "2024-04-01", ""]
    assert issues["rule"].tolist() == ["partial-date"] * 2
    start, end = issues.sort_values("column", ascending=False).to_dict("records")
    assert start["severity"] == "warning"
    assert (start["file"], start["row"]) == ("raw/medications.csv", 2)
    assert (start["column"], start["value"]) == ("start", "2024-03")
    assert start["message"] == (
        "2 of 4 dates are partial (a year, or a year and a month), of 2 subjects "
        "('001', '002')."
    )
    assert start["remedy"] == KEPT
    assert end["message"].startswith("1 of 2 dates is partial")


def test_many_subjects_are_counted(medicated: Trial) -> None:
    for n in range(3, 8):
        medicated.replace("subjects", "003,", f"1{n:02d},PSI,,29,F,,\n003,")
        medicated.replace("medications", "002,CON", f"1{n:02d},OTHER,2020,\n002,CON")
    _, issues = medicated.read()
    found = issues.loc[issues["column"] == "start", "message"].item()
    assert "of 7 subjects ('001', '103', '104' and 4 more)" in found


@pytest.mark.parametrize("name", STARTS)
def test_events_and_interventions_may_have_them(trial: Trial, name: str) -> None:
    for variable in STARTS[name]:
        trial.raw["raw/events.csv"] = "subject_id,date\n001,2024-02\n002,2024\n"
        trial.spec["sources"][name] = {
            "file": "raw/events.csv",
            "columns": {"USUBJID": "subject_id", variable: "date"},
        }
        assert trial.tables()[name][variable].tolist() == ["2024-02", "2024"]


@pytest.mark.parametrize(
    ("file", "old"),
    [("subjects", "2024-01-10"), ("doses", "2024-01-15"), ("madrs", "2024-02-05")],
)
@pytest.mark.parametrize("new", ["2024-01", "2024"])
def test_dates_of_the_design_are_whole(
    trial: Trial, file: str, old: str, new: str
) -> None:
    trial.replace(file, old, new)
    error = trial.error()
    assert error["message"] == f"'{new}' is no calendar date written %Y-%m-%d."
    assert "2019" not in error["remedy"]


def test_disposition_is_dated_by_whole_dates(trial: Trial) -> None:
    trial.raw["raw/ends.csv"] = "subject_id,date,event\n001,2024-04,COMPLETED\n"
    trial.spec["sources"]["ds"] = {
        "file": "raw/ends.csv",
        "columns": {"USUBJID": "subject_id", "DSSTDTC": "date", "DSDECOD": "event"},
    }
    assert trial.error()["rule"] == "date"


@pytest.mark.parametrize(
    "value", ["2024-00", "2024-13", "2024-3", "24-03", "2024-03-", "2024-UN", "UN 2024"]
)
def test_what_only_looks_partial_is_an_error(medicated: Trial, value: str) -> None:
    medicated.replace("medications", "RESCUE,2024-03,", f"RESCUE,{value},")
    error = medicated.error()
    assert (error["rule"], error["value"]) == ("date", value)
    assert error["remedy"].endswith(
        "If the day is not known, write the month or the year: 2019-08, 2019."
    )


@pytest.mark.parametrize("value", ["1899", "1899-12", "2101", "9999-01"])
def test_an_implausible_year_is_one_without_a_day_too(
    medicated: Trial, value: str
) -> None:
    medicated.replace("medications", "RESCUE,2024-03,", f"RESCUE,{value},")
    assert medicated.error()["rule"] == "implausible-date"


@pytest.mark.parametrize("value", ["1900", "1900-01", "2100", "2100-12"])
def test_the_first_and_the_last_plausible_year_are_taken(
    medicated: Trial, value: str
) -> None:
    medicated.replace("medications", "RESCUE,2024-03,", f"RESCUE,{value},")
    assert value in medicated.tables()["cm"]["CMSTDTC"].tolist()


@pytest.mark.parametrize("value", ["03.2024", "2024-03", "2024"])
def test_in_another_format_the_message_says_how(medicated: Trial, value: str) -> None:
    medicated.spec["sources"]["cm"]["date_format"] = "%d.%m.%Y"
    medicated.raw["raw/medications.csv"] = (
        f"subject_id,category,start,end\n001,RESCUE,20.03.2024,\n002,RESCUE,{value},\n"
    )
    error = medicated.error()
    assert error["message"] == f"'{value}' is no calendar date written %d.%m.%Y."
    assert error["remedy"].endswith(
        "If the day of some is not known, write the column in ISO 8601 (2019-08-24, "
        '2019-08, 2019) with date_format: "%Y-%m-%d".'
    )


def test_a_constant_has_a_day(medicated: Trial) -> None:
    source: dict[str, Any] = medicated.spec["sources"]["cm"]
    del source["columns"]["CMENDTC"]
    source["constants"] = {"CMENDTC": "2024"}
    assert medicated.error()["column"] == "constants.CMENDTC"


def test_no_day_is_made_of_them(medicated: Trial) -> None:
    import pandas as pd

    cm = medicated.tables()["cm"]
    since = pd.Series("2024-01-01", index=pd.Index(["001", "002"], name="USUBJID"))
    dates, notes = rescue_dates(cm, since)
    assert dates.tolist() == ["2024-03-20", "2024-02-12"]
    assert [(note.severity, note.rule) for note in notes] == [
        ("warning", "rescue-not-counted")
    ]
    alone = cm[cm["CMSTDTC"].str.len() < 10]
    assert np.array_equal(rescue_dates(alone, since)[0], ["", ""])
