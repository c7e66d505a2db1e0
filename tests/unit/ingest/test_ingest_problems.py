"""Every kind of bad input is an error that names its place; nothing is written."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from tiny_trial import MADRS_ITEMS, MEQ_ITEMS, Trial

from outcomes.errors import DataError
from outcomes.ingest import ingest_study, read_sources
from outcomes.study import StudyFile
from outcomes.study.spec import Study

SUBJECTS_FILE = "raw/subjects.csv"
MADRS_FILE = "raw/madrs.csv"


def add(trial: Trial, file: str, line: str) -> None:
    text = trial.raw[f"raw/{file}.csv"]
    assert isinstance(text, str)
    trial.raw[f"raw/{file}.csv"] = text + line + "\n"


# One value: (file, old, new) and (rule, row, column, subject, value), part of message

CELLS: dict[str, tuple[tuple[str, str, str], tuple[Any, ...], str]] = {
    "unknown arm": (
        ("subjects", "002,PBO", "002,PLACEB"),
        ("unknown-arm", 3, "arm", "002", "PLACEB"),
        "'PLACEB' is no arm (PSI, PBO; not randomised: SCRNFAIL).",
    ),
    "unknown actual arm": (
        ("subjects", "PBO,PBO", "PBO,PS1"),
        ("unknown-arm", 3, "actual_arm", "002", "PS1"),
        "Did you mean 'PSI'?",
    ),
    "empty arm": (
        ("subjects", "003,SCRNFAIL", "003,"),
        ("arm-missing", 4, "arm", "003", ""),
        "the arm is empty.",
    ),
    "age is a word": (
        ("subjects", ",41,", ",forty,"),
        ("not-a-number", 3, "age", "002", "forty"),
        "'forty' is not a number.",
    ),
    "overflowing number": (
        ("subjects", ",41,", ",1e400,"),
        ("not-a-number", 3, "age", "002", "1e400"),
        "'1e400' is not a number.",
    ),
    "infinity": (
        ("subjects", ",41,", ",inf,"),
        ("not-a-number", 3, "age", "002", "inf"),
        "'inf' is not a number.",
    ),
    "nan": (
        ("subjects", ",41,", ",NaN,"),
        ("not-a-number", 3, "age", "002", "NaN"),
        "'NaN' is not a number.",
    ),
    "thousands separator": (
        ("doses", ",25,", ',"1,025.0",'),
        ("not-a-number", 2, "dose", "001", "1,025.0"),
        "'1,025.0' is not a number.",
    ),
    "decimal comma": (
        ("doses", ",25,", ',"2,5",'),
        ("not-a-number", 2, "dose", "001", "2,5"),
        'it would be one with decimal: ",".',
    ),
    "session of nought": (
        ("doses", "25,1", "25,0"),
        ("not-an-integer", 2, "session", "001", "0"),
        "'0' is not a whole number of 1 or more.",
    ),
    "session and a half": (
        ("meq", "001,1,", "001,1.5,"),
        ("not-an-integer", 2, "session", "001", "1.5"),
        "'1.5' is not a whole number of 1 or more.",
    ),
    "no session": (
        ("meq", "001,1,", "001,,"),
        ("session-missing", 2, "session", "001", ""),
        "no visit says where the row belongs",
    ),
    "impossible date": (
        ("madrs", "2024-01-15", "2023-02-30"),
        ("date", 4, "date", "002", "2023-02-30"),
        "'2023-02-30' is no calendar date written %Y-%m-%d.",
    ),
    "unreadable date": (
        ("madrs", "2024-01-15", "15 Jan"),
        ("date", 4, "date", "002", "15 Jan"),
        "'15 Jan' is no calendar date",
    ),
    "date of a dose": (
        ("doses", "2024-01-15", "2024-13-01"),
        ("date", 2, "date", "001", "2024-13-01"),
        "no calendar date",
    ),
    "no date of a dose": (
        ("doses", "2024-01-15", ""),
        ("empty-value", 2, "date", "001", ""),
        "EXSTDTC (Start Date of Treatment) is empty",
    ),
    "item out of range": (
        ("madrs", "R2,,1,1", "R2,,1,7"),
        ("out-of-range", 3, "madrs_02", "001", "7"),
        "'7' is out of range: item 2 of MADRS goes from 0 to 6.",
    ),
    "negative item": (
        ("madrs", "R2,,1,1", "R2,,1,-1"),
        ("out-of-range", 3, "madrs_02", "001", "-1"),
        "'-1' is out of range",
    ),
    "item and a half": (
        ("madrs", "R2,,1,1", "R2,,1,2.5"),
        ("item-not-an-integer", 3, "madrs_02", "001", "2.5"),
        "'2.5' is not a whole number; item 2 of MADRS takes 0 to 6.",
    ),
    "item is a word": (
        ("madrs", "R2,,1,1", "R2,,1,mild"),
        ("not-a-number", 3, "madrs_02", "001", "mild"),
        "'mild' is not a number.",
    ),
    "unknown visit": (
        ("madrs", "001,WEEK3", "001,WEEK 3"),
        ("unknown-visit", 3, "visit", "001", "WEEK 3"),
        "'WEEK 3' is neither in the schedule (BASELINE, WEEK3) nor an unscheduled "
        "visit. Did you mean 'WEEK3'?",
    ),
    "no visit": (
        ("madrs", "001,WEEK3", "001,"),
        ("visit-missing", 3, "visit", "001", ""),
        "the visit is empty.",
    ),
    "subject not in dm": (
        ("madrs", "001,WEEK3", "01,WEEK3"),
        ("subject-not-in-dm", 3, "subject_id", "01", "01"),
        "subject '01' is not in the file of subjects (dm). Did you mean '001'?",
    ),
    "dose of a stranger": (
        ("doses", "001,", "999,"),
        ("subject-not-in-dm", 2, "subject_id", "999", "999"),
        "subject '999' is not in the file of subjects",
    ),
    "no subject": (
        ("madrs", "001,WEEK3", ",WEEK3"),
        ("empty-value", 3, "subject_id", "", ""),
        "the subject is empty",
    ),
    "no subject in dm": (
        ("subjects", "003,", ","),
        ("empty-value", 4, "subject_id", "", ""),
        "USUBJID (Unique Subject Identifier) is empty",
    ),
    "not done but answered": (
        ("madrs", "R1,Y,,", "R1,Y,,3"),
        ("not-done-answered", 5, "madrs_02", "002", "3"),
        "is marked as not done (not_done), but has answers.",
    ),
    "invisible character": (
        ("subjects", "North", "No\u200brth"),
        ("invisible-character", 2, "region", "", "No\\u200brth"),
        "holds the invisible character U+200B.",
    ),
    "control character": (
        ("subjects", "North", "No\x07rth"),
        ("invisible-character", 2, "region", "", "No\\x07rth"),
        "holds the invisible character U+0007.",
    ),
    "too many fields": (
        ("subjects", "2024-01-10,North", "2024-01-10,North,East"),
        ("ragged-row", 2, "", "", "001,PSI,PSI,34,F,2024-01-10,North,East"),
        "has 8 fields, the header has 7.",
    ),
    "open quotation mark": (
        ("subjects", "2024-01-11,South", '2024-01-11,"South'),
        ("quotes", 3, "", "", ""),
        "cannot be split into fields from here on",
    ),
    "text after a quotation mark": (
        ("subjects", "2024-01-11,South", '2024-01-11,"South"east'),
        ("quotes", 3, "", "", ""),
        "Look for a quotation mark",
    ),
    "duplicated header": (
        ("subjects", "age,sex", "age,age"),
        ("duplicate-column", 1, "age", "", ""),
        "2 columns are called 'age'.",
    ),
}


@pytest.mark.parametrize("case", CELLS)
def test_a_bad_value_is_an_error_naming_its_place(trial: Trial, case: str) -> None:
    (file, old, new), (rule, row, column, subject, value), message = CELLS[case]
    if case == "duplicated header":
        del trial.source("dm")["columns"]["SEX"]
    trial.replace(file, old, new)
    found = [e for e in trial.errors() if not _follows(case, e)]
    assert len(found) == 1, found
    error = found[0]
    assert error["file"] == f"raw/{file}.csv"
    assert error["stage"] == "ingest"
    row_found = error["row"]
    assert (error["rule"], row_found, error["column"]) == (rule, row, column)
    assert (error["subject"], error["value"]) == (subject, value)
    assert message in f"{error['message']} {error['remedy']}"
    assert error["remedy"]


def _follows(case: str, error: dict[str, Any]) -> bool:
    """Say whether an error is the rightful consequence of a lost row or file."""
    lost = case in {"too many fields", "no subject in dm"}
    return lost and error["rule"] == "subject-not-in-dm"


def test_all_problems_come_at_once(trial: Trial) -> None:
    trial.replace("subjects", "002,PBO", "002,X")
    trial.replace("subjects", "2024-01-10", "2024-01-32")
    trial.replace("madrs", "R2,,1,1", "R2,,9,2.5")
    trial.replace("madrs", "002,BASELINE", "004,BASE")
    trial.raw["raw/doses.csv"] = None
    rules = sorted(e["rule"] for e in trial.errors())
    assert rules == [
        "date",
        "item-not-an-integer",
        "missing-file",
        "out-of-range",
        "subject-not-in-dm",
        "unknown-arm",
        "unknown-visit",
    ]


def test_every_offending_row_is_named(trial: Trial) -> None:
    for n in (8, 9, 10):
        add(trial, "madrs", f"{n:03d},BASELINE,2024-01-15,R1,,4,4,4,4,4,4,4,4,4,4")
    assert [(e["row"], e["value"]) for e in trial.errors()] == [
        (6, "008"),
        (7, "009"),
        (8, "010"),
    ]


# Duplicates


def test_a_subject_may_stand_once(trial: Trial) -> None:
    add(trial, "subjects", "001,PSI,PSI,34,F,2024-01-10,North")
    assert trial.place() == (
        "duplicate-subject",
        SUBJECTS_FILE,
        5,
        "subject_id",
        "001",
        "001",
    )
    assert trial.error()["message"] == "subject '001' stands already in row 2."


def test_values_of_a_repeated_subject_must_agree(trial: Trial) -> None:
    trial.source("dm")["rows"] = "distinct"
    add(trial, "subjects", "001,PSI,PSI,35,F,2024-01-10,North")
    assert trial.place() == ("subject-conflict", SUBJECTS_FILE, 5, "age", "001", "35")
    assert trial.error()["message"] == (
        "subject '001' has '35' here, but '34' in row 2."
    )


def test_the_same_administration_twice_is_an_error(trial: Trial) -> None:
    add(trial, "madrs", "001,WEEK3,2024-02-05,R2,,2,2,2,2,2,2,2,2,2,2")
    assert trial.place() == (
        "duplicate-administration",
        MADRS_FILE,
        6,
        "visit",
        "001",
        "WEEK3",
    )
    assert trial.error()["message"] == (
        "MADRS of subject '001' at WEEK3 stands already in row 3 of raw/madrs.csv, on "
        "the same date (2024-02-05)."
    )


def test_the_same_session_twice_on_a_date_is_an_error(trial: Trial) -> None:
    add(trial, "meq", "001,1,2024-01-15," + ",".join(["2"] * 29) + ",0")
    assert trial.place() == (
        "duplicate-administration",
        "raw/meq.csv",
        3,
        "session",
        "001",
        "1",
    )


def test_an_administration_in_two_files_is_an_error(trial: Trial) -> None:
    entry = dict(trial.source("madrs"), file="raw/more.csv")
    trial.spec["sources"]["qs"].append(entry)
    trial.raw["raw/more.csv"] = (
        f"subject_id,visit,date,rater,not_done,{MADRS_ITEMS}\n"
        "002,BASELINE,2024-01-15,R9,,1,1,1,1,1,1,1,1,1,1\n"
    )
    error = trial.error()
    assert (error["rule"], error["file"]) == (
        "duplicate-administration",
        "raw/more.csv",
    )
    assert "already in row 4 of raw/madrs.csv" in error["message"]


def test_another_date_is_an_error_only_if_the_study_says_so(trial: Trial) -> None:
    add(trial, "madrs", "001,WEEK3,2024-02-07,R2,,2,2,2,2,2,2,2,2,2,2")
    trial.tables()
    trial.spec["duplicates"] = "error"
    error = trial.error()
    assert (error["rule"], error["row"]) == ("duplicate-administration", 6)
    assert "on another date, and the study says duplicates: error" in error["message"]


# Long files


def as_long(trial: Trial, *rows: str) -> None:
    entry = trial.source("madrs")
    del entry["items"], entry["not_done"]
    entry |= {"layout": "long", "item": "item", "value": "value"}
    complete = [f"001,BASELINE,2024-01-14,R1,{n},{n - 1}" for n in range(1, 7)]
    complete += [f"001,BASELINE,2024-01-14,R1,{n},3" for n in range(7, 11)]
    lines = ["subject_id,visit,date,rater,item,value", *complete, *rows, ""]
    trial.raw[MADRS_FILE] = "\n".join(lines)


def test_an_item_of_a_long_file_may_stand_once(trial: Trial) -> None:
    as_long(trial, "001,BASELINE,2024-01-14,R1,4,2")
    assert trial.place() == ("duplicate-record", MADRS_FILE, 12, "item", "001", "4")
    assert "stands already in row 5" in trial.error()["message"]


@pytest.mark.parametrize("item", ["11", "0", "x", "", "MEQ3001"])
def test_an_item_of_a_long_file_must_exist(trial: Trial, item: str) -> None:
    as_long(trial, f"001,WEEK3,2024-02-05,R1,{item},2")
    assert trial.place() == ("unknown-item", MADRS_FILE, 12, "item", "001", item)
    assert "is no item of MADRS: 1 to 10." in trial.error()["message"]


def test_an_item_out_of_range_in_a_long_file(trial: Trial) -> None:
    as_long(trial, "001,WEEK3,2024-02-05,R1,2,7")
    assert trial.place() == ("out-of-range", MADRS_FILE, 12, "value", "001", "7")


def test_one_administration_has_one_rater(trial: Trial) -> None:
    as_long(trial, "001,WEEK3,2024-02-05,R1,1,2", "001,WEEK3,2024-02-05,R2,2,2")
    assert trial.place() == ("rater-conflict", MADRS_FILE, 13, "rater", "001", "R2")


def test_an_item_that_occurs_nowhere_is_an_error(trial: Trial) -> None:
    as_long(trial)
    text = trial.raw[MADRS_FILE]
    assert isinstance(text, str)
    trial.raw[MADRS_FILE] = text.replace("001,BASELINE,2024-01-14,R1,10,3\n", "")
    error = trial.error()
    assert (error["rule"], error["value"]) == ("item-not-collected", "10")
    assert error["message"] == "item 10 of MADRS stands in no row."


# MEQ30


def test_meq30_coded_from_one_is_said_so_once(trial: Trial) -> None:
    trial.raw["raw/meq.csv"] = (
        f"subject_id,session,date,{MEQ_ITEMS}\n"
        f"001,1,2024-01-15,{','.join(['6', '1'] * 15)}\n"
    )
    error, *single = trial.errors()
    assert (error["rule"], error["row"], error["column"]) == (
        "coded-from-one",
        2,
        "meq1",
    )
    assert (error["subject"], error["value"]) == ("001", "6")
    assert {e["rule"] for e in single} == {"out-of-range"}
    assert len(single) == 15
    assert error["message"] == (
        "MEQ30 looks coded 1-6: 6 stands in 15 answers and 0 in none; nothing is "
        "corrected silently."
    )
    assert error["remedy"] == "Recode it to 0-5 in the source."


def test_a_six_beside_a_nought_is_out_of_range(trial: Trial) -> None:
    trial.replace("meq", "2024-01-15,3", "2024-01-15,6")
    assert trial.place() == ("out-of-range", "raw/meq.csv", 2, "meq1", "001", "6")


def test_meq30_without_ordering_is_an_error(trial: Trial) -> None:
    del trial.source("meq")["ordering"]
    error = trial.error()
    assert (error["rule"], error["file"]) == ("study-file", "raw/meq.csv")
    assert (
        "MEQ30 needs an ordering: one of standalone, by_factor, socq100"
        in (error["message"])
    )


# Totals


@pytest.mark.parametrize(
    ("value", "rule"), [("61", "out-of-range"), ("-1", "out-of-range"), ("x", "not")]
)
def test_totals_are_checked_against_their_range(
    trial: Trial, value: str, rule: str
) -> None:
    entry = trial.source("madrs")
    for key in ("items", "rater", "not_done"):
        del entry[key]
    entry["totals"] = {"total": "score"}
    trial.raw[MADRS_FILE] = (
        f"subject_id,visit,date,score\n001,BASELINE,2024-01-14,{value}\n"
    )
    error = trial.error()
    assert error["rule"].startswith(rule)
    assert (error["row"], error["column"], error["value"]) == (2, "score", value)


# Files


def test_a_missing_file_names_the_nearest(trial: Trial) -> None:
    trial.source("madrs")["file"] = "raw/madr.csv"
    error = trial.error()
    assert (error["rule"], error["file"]) == ("missing-file", "raw/madr.csv")
    assert "Did you mean 'madrs.csv'?" in error["remedy"]
    assert str(trial.folder) not in error["message"] + error["remedy"]


def test_a_folder_is_no_file(trial: Trial) -> None:
    trial.source("madrs")["file"] = "raw"
    assert trial.error()["rule"] == "unreadable-file"


@pytest.mark.parametrize("file", ["../secret.csv", "/etc/passwd", "raw/../../x.csv"])
def test_a_path_outside_the_data_root_is_refused(trial: Trial, file: str) -> None:
    trial.source("madrs")["file"] = file
    error = trial.error()
    assert (error["rule"], error["file"]) == ("path", file)
    assert "leaves the data root" in error["message"]


def test_a_link_out_of_the_data_root_is_refused(trial: Trial) -> None:
    outside = trial.folder / "outside.csv"
    outside.write_text("x")
    root = trial.folder / "root"
    (root / "raw").mkdir(parents=True)
    for name, text in trial.raw.items():
        assert isinstance(text, str)
        (root / name).write_text(text)
    (root / "raw" / "madrs.csv").unlink()
    (root / "raw" / "madrs.csv").symlink_to(outside)
    trial.raw = {}
    study = trial.write()
    issues = read_sources(StudyFile(study.spec, study.path, root))[1]
    assert issues["rule"].tolist() == ["path"]
    assert "through a link" in issues["message"][0]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"  \r\n"])
def test_an_empty_file(trial: Trial, content: bytes) -> None:
    trial.raw[MADRS_FILE] = content
    assert trial.place() == ("empty-file", MADRS_FILE, *_nowhere()[:1], "", "", "")


def _nowhere() -> tuple[Any, ...]:
    class Absent:
        def __eq__(self, other: object) -> bool:
            return other is None or other != other or str(other) == "<NA>"

    return (Absent(),)


@pytest.mark.parametrize("blank", ["", "\n", ",,,,\n"])
def test_a_file_with_a_header_only(trial: Trial, blank: str) -> None:
    text = trial.raw[MADRS_FILE]
    assert isinstance(text, str)
    trial.raw[MADRS_FILE] = text.splitlines()[0] + "\n" + blank
    assert trial.place() == ("no-rows", MADRS_FILE, 1, "", "", "")


def test_a_blank_first_row_is_no_header(trial: Trial) -> None:
    text = trial.raw[MADRS_FILE]
    assert isinstance(text, str)
    trial.raw[MADRS_FILE] = "\n" + text
    error = trial.error()
    assert (error["rule"], error["row"]) == ("header", 1)


@pytest.mark.parametrize(
    ("other", "said", "written"),
    [(";", "';' (semicolon)", '";"'), ("\t", "'\\t' (tab)", '"\\t"')],
)
def test_a_wrong_delimiter_is_named(
    trial: Trial, other: str, said: str, written: str
) -> None:
    text = trial.raw[MADRS_FILE]
    assert isinstance(text, str)
    trial.raw[MADRS_FILE] = text.replace(",", other)
    error = trial.error()
    assert (error["rule"], error["row"]) == ("delimiter", 1)
    assert f"the delimiter ',' (comma), but holds {said} 14 times" in error["message"]
    assert error["remedy"] == f"Declare delimiter: {written}."
    declared = yaml.safe_load(written)
    assert declared == other


def test_bytes_that_are_not_utf8_are_placed(trial: Trial) -> None:
    text = trial.raw[SUBJECTS_FILE]
    assert isinstance(text, str)
    content = text.replace("South", "Süd").encode("latin-1")
    trial.raw[SUBJECTS_FILE] = content
    error = trial.error()
    place = content.index(b"\xfc")
    assert (error["rule"], error["row"], error["value"]) == ("encoding", 3, "0xfc")
    assert f"byte {place} (0xfc) is not utf-8" in error["message"]
    assert "encoding: cp1252" in error["message"]


@pytest.mark.parametrize("declared", ["utf-8", "latin-1"])
def test_nul_bytes_are_placed(trial: Trial, declared: str) -> None:
    trial.source("dm")["encoding"] = declared
    text = trial.raw[SUBJECTS_FILE]
    assert isinstance(text, str)
    trial.raw[SUBJECTS_FILE] = text.replace("South", "Sou\0th").encode()
    error = trial.error()
    assert (error["rule"], error["row"]) == ("nul-byte", 3)
    assert "holds a NUL byte" in error["message"]


@pytest.mark.parametrize(
    ("declared", "codec", "message"),
    [
        ("utf-8", "utf-16", "begins with the mark of utf-16, but utf-8 is declared"),
        ("latin-1", "utf-16", "begins with the mark of utf-16, but latin-1"),
        ("cp1252", "utf-8-sig", "begins with the mark of utf-8, but cp1252"),
        ("utf-16", "utf-8", "is not UTF-16, which is declared for it"),
        ("utf-8", "utf-16-le", "holds a NUL byte"),
    ],
)
def test_another_encoding_than_declared(
    trial: Trial, declared: str, codec: str, message: str
) -> None:
    trial.source("dm")["encoding"] = declared
    text = trial.raw[SUBJECTS_FILE]
    assert isinstance(text, str)
    trial.raw[SUBJECTS_FILE] = text.encode(codec)
    assert message in trial.error()["message"]


def test_a_missing_column_names_the_nearest(trial: Trial) -> None:
    trial.replace("subjects", "subject_id", "subjid")
    error = trial.error()
    assert (error["rule"], error["row"], error["column"]) == (
        "missing-column",
        1,
        "subject_id",
    )
    assert error["message"] == (
        "there is no column 'subject_id'. Did you mean 'subjid'?"
    )


def test_a_column_that_is_mapped_already_is_not_what_is_meant(trial: Trial) -> None:
    trial.source("dm")["columns"]["SITEID"] = "ages"
    assert trial.error()["message"] == "there is no column 'ages'."
    trial.source("dm")["columns"]["SITEID"] = "regions"
    assert trial.error()["message"] == "there is no column 'regions'."
    del trial.source("dm")["covariates"], trial.source("dm")["strata"]
    assert "Did you mean 'region'?" in trial.error()["message"]


def test_items_and_places_are_not_suggested_for_each_other(trial: Trial) -> None:
    trial.source("madrs")["rater"] = "madrs_1"
    assert trial.error()["message"] == "there is no column 'madrs_1'."
    trial.source("madrs")["rater"] = "rater"
    trial.replace("madrs", "madrs_07,", "madrs_7,")
    assert "Did you mean 'madrs_7'?" in trial.error()["message"]


DATES = {
    "%d.%m.%Y": ("15.01.2024", "02.03.2024"),
    "%d/%m/%Y": ("15/01/2024", "02/03/2024"),
    "%m/%d/%Y": ("01/15/2024", "03/02/2024"),
    "%Y/%m/%d": ("2024/01/15", "2024/03/02"),
    "%d-%b-%Y": ("15-Jan-2024", "02-MAR-2024"),
}


@pytest.mark.parametrize("written", DATES)
def test_a_usual_format_of_all_dates_is_suggested(trial: Trial, written: str) -> None:
    for old, new in zip(("2024-01-10", "2024-01-11"), DATES[written], strict=True):
        trial.replace("subjects", old, new)
    for error in trial.errors():
        assert error["rule"] == "date"
        assert error["remedy"].startswith(f'Declare date_format: "{written}"; every')
    trial.source("dm")["date_format"] = written
    assert trial.tables()["dm"]["RANDDTC"].tolist()[:2] == ["2024-01-15", "2024-03-02"]


def test_a_format_is_suggested_only_where_it_is_certain(trial: Trial) -> None:
    trial.replace("subjects", "2024-01-10", "02/03/2024")
    assert trial.error()["remedy"] == (
        "Correct it, or declare date_format, or list it under missing."
    )
    trial.replace("subjects", "2024-01-11", "04/03/2024")
    assert trial.errors()[0]["remedy"] == (
        'Declare date_format: "%d/%m/%Y" or "%m/%d/%Y"; the dates can be read as each.'
    )


def test_an_entry_of_questionnaires_is_counted_from_one(trial: Trial) -> None:
    trial.source("madrs")["layout"] = "long"
    error = trial.error()
    assert error["message"].startswith(
        "entry 1 of sources.qs (file raw/madrs.csv): needs one of"
    )


def test_one_cause_with_many_rows_is_a_few_lines(trial: Trial) -> None:
    for number in range(10, 15):
        add(trial, "subjects", f"0{number},PSI,PSI,old,F,2024-01-10,North")
    add(trial, "subjects", "020,PSI,PSI,30,F,yesterday,North")
    with pytest.raises(DataError) as raised:
        ingest_study(trial.write(), trial.folder / "out")
    lines = str(raised.value).splitlines()
    assert "6 problems" in lines[0]
    assert [line.split(": ")[0].strip() for line in lines[1:]] == [
        "raw/subjects.csv, row 10, column randomised, subject 020",
        "raw/subjects.csv, row 5, column age, subject 010",
        "raw/subjects.csv, row 6, column age, subject 011",
        "raw/subjects.csv, row 7, column age, subject 012",
        "raw/subjects.csv, column age",
    ]
    assert lines[5].endswith("and 2 more rows.")
    assert len(trial.errors()) == 6


def test_a_missing_item_column(trial: Trial) -> None:
    trial.replace("madrs", "madrs_07", "madrs_7")
    error = trial.error()
    assert (error["rule"], error["column"]) == ("missing-column", "madrs_07")
    assert "Did you mean 'madrs_7'?" in error["message"]


def test_no_item_column_at_all_is_one_problem(trial: Trial) -> None:
    trial.source("madrs")["items"] = "MADRS{item}"
    error = trial.error()
    assert (error["rule"], error["column"]) == ("missing-column", "MADRS{item}")
    assert (
        "no column reads like 'MADRS{item}': 'MADRS1' to 'MADRS10'."
        in (error["message"])
    )


def test_without_a_readable_dm_subjects_are_not_judged(trial: Trial) -> None:
    trial.raw[SUBJECTS_FILE] = None
    trial.replace("madrs", "R2,,1,1", "R2,,1,7")
    assert [e["rule"] for e in trial.errors()] == ["missing-file", "out-of-range"]


def test_a_bad_date_format_is_one_problem(trial: Trial) -> None:
    trial.source("madrs")["date_format"] = "YYYY-MM-DD"
    error = trial.error()
    assert (error["rule"], error["column"]) == ("date-format", "date")
    assert "'YYYY-MM-DD' does not give day, month and year" in error["message"]


# The mapping in the study file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"columns": {"USUBJID": "subject_id", "ARMCD": "arm", "SEXX": "sex"}},
            "SEXX is not a variable to map. Did you mean 'SEX'?",
        ),
        (
            {"columns": {"USUBJID": "subject_id", "ARMCD": "arm", "STUDYID": "sex"}},
            "STUDYID is not a variable to map.",
        ),
        ({"values": {"RACE": {"1": "X"}}}, "values.RACE: RACE has no column."),
        ({"constants": {"SEX": "F"}}, "SEX has a column and a constant; keep one."),
        (
            {"covariates": {"AGE": {"column": "age", "label": "Age"}}, "strata": []},
            "covariates.AGE: AGE is a variable of DM or ADSL.",
        ),
    ],
)
def test_a_mapping_that_does_not_hold(
    trial: Trial, change: dict[str, Any], message: str
) -> None:
    trial.source("dm").update(change)
    assert message in trial.error()["message"]


def test_a_required_variable_without_column(trial: Trial) -> None:
    del trial.source("ex")["columns"]["EXSTDTC"]
    assert "columns: EXSTDTC is missing" in trial.error()["message"]


def test_a_constant_is_checked_as_a_cell_is(trial: Trial) -> None:
    del trial.source("ex")["columns"]["EXDOSE"]
    trial.source("ex")["constants"] = {"EXDOSE": "much"}
    error = trial.error()
    assert (error["rule"], error["column"]) == ("not-a-number", "constants.EXDOSE")


def test_a_broken_study_file_still_has_its_data_checked(trial: Trial) -> None:
    del trial.spec["endpoints"], trial.spec["analyses"]
    trial.spec["unscheduled_visits"] = 7
    trial.spec["duplicates"] = "closet"
    trial.replace("madrs", "R2,,1,1", "R2,,1,7")
    assert trial.place() == ("out-of-range", MADRS_FILE, 3, "madrs_02", "001", "7")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instrument": "MADR"}, "'MADR' is not known"),
        ({"totals": {"total": "x"}}, "needs one of: items (wide)"),
        ({"layout": "long", "items": None}, "layout: long needs item and value"),
        ({"ordering": "own"}, "ordering 'own' is not one of"),
        ({"items": None, "totals": {"sum": "x"}}, "MADRS has no score sum"),
    ],
)
def test_a_source_that_contradicts_itself_is_an_error_not_a_crash(
    trial: Trial, change: dict[str, Any], message: str
) -> None:
    trial.source("madrs").update(change)
    error = trial.error()
    assert error["rule"] == "study-file"
    assert message in error["message"]


def test_problems_are_not_listed_twice(trial: Trial) -> None:
    trial.spec["sources"]["qs"].append(
        dict(trial.source("meq"), at_session=2, session=None)
    )
    trial.replace("meq", "001,1", "009,1")
    assert trial.place()[0] == "subject-not-in-dm"


def test_the_spec_is_not_changed_by_reading(trial: Trial) -> None:
    study = trial.write()
    before = study.spec.model_dump()
    ingest_study(study, trial.folder / "out")
    assert study.spec == Study.model_validate(before)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
def test_a_file_of_nothing_but_a_mark_is_empty(trial: Trial, encoding: str) -> None:
    trial.source("dm")["encoding"] = encoding
    trial.raw[SUBJECTS_FILE] = "\ufeff".encode(
        "utf-16-le" if encoding == "utf-16" else encoding
    )
    assert [e["message"] for e in trial.errors()] == ["is empty."]


@pytest.mark.parametrize(
    ("character", "point"),
    [
        ("\u00ad", "U+00AD"),
        ("\u200d", "U+200D"),
        ("\ufe0f", "U+FE0F"),
        ("\U000e0100", "U+E0100"),
        ("\u3164", "U+3164"),
        ("\u00a0", "U+00A0"),
        ("\u2009", "U+2009"),
        ("\t", "U+0009"),
        ("\n", "U+000A"),
        ("\uff11", "U+FF11"),
    ],
)
@pytest.mark.parametrize("file", ["subjects", "doses", "meq"])
def test_an_id_with_a_character_nobody_sees_is_an_error(
    trial: Trial, file: str, character: str, point: str
) -> None:
    id = f'"0{character}01"'
    trial.replace(file, "001,", f"{id},")
    own = [e for e in trial.errors() if e["rule"] == "invisible-in-id"]
    assert [(e["file"], e["row"]) for e in own] == [(f"raw/{file}.csv", 2)]
    assert f"holds {point}:" in own[0]["message"]
    if point != "U+FF11":  # that one is seen, but taken for another
        assert character not in own[0]["message"]


def test_an_id_may_have_plain_spaces_and_letters_of_any_script(trial: Trial) -> None:
    for file in ("subjects", "doses", "madrs", "meq"):
        text = trial.raw[f"raw/{file}.csv"]
        assert isinstance(text, str)
        trial.raw[f"raw/{file}.csv"] = text.replace("001,", "\u00c4 \u03b1-1,")
    assert "\u00c4 \u03b1-1" in trial.tables()["dm"]["USUBJID"].tolist()


@pytest.mark.parametrize("age", ["-1", "121", "999", "1984"])
def test_an_age_nobody_has_is_an_error(trial: Trial, age: str) -> None:
    trial.replace("subjects", ",41,", f",{age},")
    assert trial.place() == ("implausible-age", SUBJECTS_FILE, 3, "age", "002", age)


def test_ages_at_the_ends_are_possible(trial: Trial) -> None:
    trial.replace("subjects", ",41,", ",120,")
    trial.replace("subjects", ",34,", ",0,")
    assert trial.tables()["dm"]["AGE"].tolist()[:2] == [0, 120]


@pytest.mark.parametrize("date", ["1899-12-31", "2101-01-01", "0001-01-01"])
def test_a_date_of_no_trial_is_an_error(trial: Trial, date: str) -> None:
    trial.replace("subjects", "2024-01-11", date)
    rule = trial.place()[0]
    assert rule == "implausible-date"
    assert "1900-01-01" in trial.error()["message"]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("2024-01-11", "\uff12024-01-11", "date"),
        (",41,", ",\uff14\uff11,", "not-a-number"),
    ],
)
def test_full_width_digits_are_no_digits(
    trial: Trial, old: str, new: str, rule: str
) -> None:
    trial.replace("subjects", old, new)
    assert trial.place()[0] == rule


def test_a_large_export_of_unknown_ids_is_checked_in_seconds(trial: Trial) -> None:
    n = 30_000
    subjects = "".join(f"S{k:05d},PSI,PSI,34,F,2024-01-10,North\n" for k in range(4000))
    trial.raw[SUBJECTS_FILE] = str(trial.raw[SUBJECTS_FILE]) + subjects
    rows = "".join(f"T{k:06d},2024-01-15,PSI,25,1\n" for k in range(n))
    trial.raw["raw/doses.csv"] = "subject_id,date,drug,dose,session\n" + rows
    start = time.process_time()
    found = [e for e in trial.errors() if e["rule"] == "subject-not-in-dm"]
    assert len(found) >= n
    # comparing every id with every subject took several minutes
    assert time.process_time() - start < 20


def test_many_repeated_subjects_are_reported_in_seconds(trial: Trial) -> None:
    n = 20_000
    line = "001,PSI,PSI,34,F,2024-01-10,North\n"
    trial.raw[SUBJECTS_FILE] = str(trial.raw[SUBJECTS_FILE]) + line * n
    start = time.process_time()
    found = [e for e in trial.errors() if e["rule"] == "duplicate-subject"]
    assert len(found) == n
    assert time.process_time() - start < 10


def test_tables_of_sources_that_are_gone_are_removed(trial: Trial) -> None:
    out = trial.folder / "out"
    ingest_study(trial.write(), out)
    mine = out / "mine.parquet"
    mine.write_bytes(b"x")
    assert (out / "ex.parquet").exists()
    del trial.spec["sources"]["ex"]
    ingest_study(trial.write(), out)
    assert not (out / "ex.parquet").exists()
    assert mine.exists()
