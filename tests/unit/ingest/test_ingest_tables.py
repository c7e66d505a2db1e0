"""What clean raw files become."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
from tiny_trial import Trial

from outcomes.datasets.results import ISSUES
from outcomes.datasets.sdtm import TABLES
from outcomes.datasets.store import read_csv, read_table
from outcomes.errors import DataError
from outcomes.ingest import ingest_study, tables_of

Maker = Callable[[], Trial]


def test_a_clean_study_gives_its_tables_and_an_empty_log(trial: Trial) -> None:
    tables, issues = trial.read()
    assert list(tables) == ["dm", "suppdm", "ex", "qs"]
    assert len(issues) == 0
    for name, frame in tables.items():
        assert frame.columns.tolist() == TABLES[name].names


def test_subjects_keep_leading_zeros_and_empty_actual_arm(trial: Trial) -> None:
    dm = trial.tables()["dm"]
    assert dm["USUBJID"].tolist() == ["001", "002", "003"]
    assert dm["ARMCD"].tolist() == ["PSI", "PBO", "SCRNFAIL"]
    assert dm["ACTARMCD"].tolist() == ["PSI", "PBO", ""]
    assert dm["AGE"].tolist() == [34.0, 41.0, 29.0]
    assert dm["RANDDTC"].tolist() == ["2024-01-10", "2024-01-11", ""]
    assert dm[["STUDYID", "SRCFILE", "SRCROW"]].iloc[2].tolist() == [
        "tiny",
        "raw/subjects.csv",
        4,
    ]


def test_covariates_go_to_suppdm_where_they_have_a_value(trial: Trial) -> None:
    trial.source("dm")["covariates"]["YEARS"] = {
        "column": "age",
        "label": "Years",
        "kind": "number",
    }
    supp = trial.tables()["suppdm"]
    assert supp[["USUBJID", "QNAM", "QLABEL", "QVAL"]].to_numpy().tolist() == [
        ["001", "REGION", "Region", "North"],
        ["001", "YEARS", "Years", "34"],
        ["002", "REGION", "Region", "South"],
        ["002", "YEARS", "Years", "41"],
        ["003", "YEARS", "Years", "29"],
    ]


def test_exposure_is_typed_and_numbered_by_date(trial: Trial) -> None:
    raw = trial.raw["raw/doses.csv"]
    assert isinstance(raw, str)
    trial.raw["raw/doses.csv"] = raw + "001,2024-01-02,PSILOCYBIN,10.5,\n"
    ex = trial.tables()["ex"]
    assert ex["EXSEQ"].tolist() == [1, 2]
    assert ex["EXSTDTC"].tolist() == ["2024-01-02", "2024-01-15"]
    assert ex["EXDOSE"].tolist() == [10.5, 25.0]
    assert ex["EXDOSU"].tolist() == ["mg", "mg"]
    assert ex["SESSION"].fillna(0).tolist() == [0, 1]
    assert ex["SRCROW"].tolist() == [3, 2]


def test_items_are_rows_with_one_group_per_administration(trial: Trial) -> None:
    qs = trial.tables()["qs"]
    madrs = qs[(qs["USUBJID"] == "001") & (qs["VISIT"] == "WEEK3")]
    assert madrs["QSTESTCD"].tolist() == [f"MADRS1{n:02d}" for n in range(1, 11)]
    assert madrs["QSITEM"].tolist() == list(range(1, 11))
    assert set(madrs["QSGRPID"]) == {"MADRS:WEEK3:2024-02-05"}
    assert set(madrs["QSEVALID"]) == {"R2"}
    assert madrs["QSSTRESN"].tolist() == [1.0] * 10
    assert madrs["QSORRES"].tolist() == ["1"] * 10
    assert set(qs[qs["QSCAT"] == "MEQ30"]["QSGRPID"]) == {"MEQ30:S1:2024-01-15"}
    one = qs[qs["USUBJID"] == "001"]
    assert one["QSSEQ"].tolist() == list(range(1, 51))
    assert one["QSDTC"].is_monotonic_increasing


def test_an_instrument_marked_not_done_is_one_row(trial: Trial) -> None:
    qs = trial.tables()["qs"]
    row = qs[(qs["USUBJID"] == "002") & (qs["VISIT"] == "WEEK3")].to_dict("records")
    assert len(row) == 1
    assert row[0]["QSTESTCD"] == "QSALL"
    assert row[0]["QSSTAT"] == "NOT DONE"
    assert row[0]["QSREASND"] == "INSTRUMENT NOT DONE"
    assert row[0]["SRCROW"] == 5
    assert np.isnan(row[0]["QSSTRESN"])


@pytest.mark.parametrize(
    ("flag", "done"), [("N", True), ("0", True), ("true", False), ("ill", False)]
)
def test_a_flag_is_not_done_unless_it_says_no(
    trial: Trial, flag: str, done: bool
) -> None:
    answers = "1,1,1,1,1,1,1,1,1,1" if done else ",,,,,,,,,"
    trial.replace("madrs", "Y,,,,,,,,,,", f"{flag},{answers}")
    qs = trial.tables()["qs"]
    rows = qs[(qs["USUBJID"] == "002") & (qs["VISIT"] == "WEEK3")]
    assert len(rows) == (10 if done else 1)


def test_skipped_and_not_applicable_items_are_kept_apart(trial: Trial) -> None:
    trial.source("madrs")["not_applicable"] = ["NA"]
    trial.replace("madrs", "R2,,1,1,1", "R2,,1,NA,.")
    qs = trial.tables()["qs"]
    rows = qs[(qs["USUBJID"] == "001") & (qs["VISIT"] == "WEEK3")]
    assert rows["QSREASND"].tolist()[:4] == ["", "NOT APPLICABLE", "ITEM SKIPPED", ""]
    assert rows["QSSTAT"].tolist()[:4] == ["", "NOT DONE", "NOT DONE", ""]
    assert rows["QSORRES"].tolist()[:4] == ["1", "", "", "1"]


def test_a_row_without_any_answer_is_counted_and_kept_as_not_done(
    trial: Trial,
) -> None:
    trial.replace("madrs", "R2,,1,1,1,1,1,1,1,1,1,1", "R2,,,,,,,,,,,")
    tables, issues = trial.read()
    qs = tables["qs"]
    rows = qs[(qs["USUBJID"] == "001") & (qs["VISIT"] == "WEEK3")]
    assert rows["QSTESTCD"].tolist() == ["QSALL"]
    note = issues.to_dict("records")
    assert [(n["severity"], n["rule"], n["row"]) for n in note] == [
        ("note", "no-answer", 3)
    ]
    assert note[0]["message"] == "1 administration of MADRS without any answer."
    assert note[0]["value"] == ""


def test_counts_stand_in_messages_and_not_for_values(trial: Trial) -> None:
    trial.replace("madrs", "R2,,1,1,1,1,1,1,1,1,1,1", "R2,,,,,,,,,,,")
    trial.replace("madrs", "R1,,4,4,4,4,4,4,4,4,4,4", "R1,,,,,,,,,,,\n")
    _, issues = trial.read()
    said = {n["rule"]: (n["message"], n["value"]) for n in issues.to_dict("records")}
    assert said == {
        "blank-row": ("1 blank row.", ""),
        "no-answer": (
            "2 administrations of MADRS without any answer, the first in row 3.",
            "",
        ),
    }


def test_codes_of_sex_that_cdisc_does_not_have_are_warned_of(trial: Trial) -> None:
    add = "004,PSI,PSI,30,woman,2024-01-10,North\n005,PSI,PSI,30,woman,2024-01-10,North"
    trial.replace("subjects", "29,F,,\n", f"29,,,\n{add}\n006,PSI,PSI,30,U,,\n")
    trial.replace("subjects", "41,M", "41,2")
    tables, issues = trial.read()
    assert tables["dm"]["SEX"].tolist() == ["F", "2", "", "woman", "woman", "U"]
    found = issues[issues["rule"] == "sex-code"]
    assert set(found["severity"]) == {"warning"}
    assert found[["row", "column", "value"]].to_numpy().tolist() == [
        [3, "sex", "2"],
        [5, "sex", "woman"],
    ]
    assert "it stands in 1 row." in found["message"].iloc[0]
    assert "it stands in 2 rows." in found["message"].iloc[1]
    assert "Map it under sources.dm.values.SEX" in found["remedy"].iloc[0]
    trial.source("dm")["values"] = {"SEX": {"2": "F", "woman": "F"}}
    assert "sex-code" not in set(trial.read()[1]["rule"])


def test_long_and_wide_layouts_give_the_same_table(another: Maker) -> None:
    wide = another()
    wide.replace("madrs", "R2,,1,1,1", "R2,,1,,2")
    long = another()
    entry = long.source("madrs")
    del entry["items"]
    entry |= {"layout": "long", "item": "item", "value": "value"}
    lines = []
    text = wide.raw["raw/madrs.csv"]
    assert isinstance(text, str)
    for line in text.splitlines()[1:]:
        subject, visit, date, rater, flag, *values = line.split(",")
        if flag:
            lines.append(f"{subject},{visit},{date},{rater},{flag},,")
        for n, value in enumerate(values, start=1):
            if value:
                lines.append(f"{subject},{visit},{date},{rater},,{n:02d},{value}")
    header = "subject_id,visit,date,rater,not_done,item,value"
    # The rows of an administration need not stand together.
    long.raw["raw/madrs.csv"] = "\n".join([header, *reversed(lines)]) + "\n"
    names = [n for n in TABLES["qs"].names if n != "SRCROW"]
    left, right = wide.tables()["qs"][names], long.tables()["qs"][names]
    assert left.equals(right)


def test_items_of_a_long_file_may_be_named_by_their_codes(trial: Trial) -> None:
    entry = trial.source("madrs")
    for key in ("items", "rater", "not_done"):
        del entry[key]
    entry |= {"layout": "long", "item": "code", "value": "score"}
    rows = [f"001,BASELINE,2024-01-14,MADRS1{n:02d},{n % 7}" for n in range(1, 11)]
    trial.raw["raw/madrs.csv"] = "\n".join(
        ["subject_id,visit,date,code,score", *rows, ""]
    )
    qs = trial.tables()["qs"]
    madrs = qs[qs["QSCAT"] == "MADRS"]
    assert madrs["QSSTRESN"].tolist() == [n % 7 for n in range(1, 11)]
    assert madrs["SRCROW"].tolist() == list(range(2, 12))


def test_items_are_put_into_the_instruments_own_order(another: Maker) -> None:
    by_factor = another()
    by_factor.source("meq")["ordering"] = "by_factor"
    meq = by_factor.tables()["qs"].query("QSCAT == 'MEQ30'")
    # Position 30 of the form by factor is item 29 of the instrument.
    assert meq["QSITEM"].tolist() == list(range(1, 31))
    assert meq.loc[meq["QSSTRESN"] == 0, "QSITEM"].tolist() == [29]
    assert meq.loc[meq["QSSTRESN"] == 0, "QSTESTCD"].tolist() == ["MEQ3029"]
    socq = another()
    socq.source("meq")["ordering"] = "socq100"
    numbers = [2, 5, 6, 9, 12, 14, 15, 18, 22, 23, 29, 30, 34, 35, 36, 41, 43, 47, 48]
    numbers += [54, 55, 65, 69, 73, 74, 77, 80, 83, 86, 87]
    text = socq.raw["raw/meq.csv"]
    assert isinstance(text, str)
    header = ",".join(["subject_id,session,date", *(f"meq{n}" for n in numbers)])
    socq.raw["raw/meq.csv"] = "\n".join([header, *text.splitlines()[1:], ""])
    meq = socq.tables()["qs"].query("QSCAT == 'MEQ30'")
    assert meq.loc[meq["QSSTRESN"] == 0, "QSITEM"].tolist() == [30]


def test_totals_are_rows_named_by_their_parameter(trial: Trial) -> None:
    trial.source("dm").update(file="raw/all.csv", rows="distinct")
    trial.source("dm")["columns"] = {"USUBJID": "id", "ARMCD": "arm"}
    del trial.source("dm")["covariates"], trial.source("dm")["strata"]
    del trial.spec["sources"]["ex"]
    common = {"file": "raw/all.csv", "instrument": "HAMD17", "subject": "id"}
    trial.spec["sources"]["qs"] = [
        common
        | {"totals": {"total": "base"}, "at_visit": "BASELINE"}
        | {"rows": "distinct"},
        common
        | {"totals": {"total": "score"}, "visit": "v", "day": "day"}
        | {"visit_values": {"7": "WEEK3"}},
    ]
    trial.raw["raw/all.csv"] = (
        "id,arm,base,v,day,score\n1503,PSI,32,7,21,20\n1503,PSI,32,WEEK3,25,18\n"
        "1504,PBO,20,7,22,NA\n"
    )
    tables, issues = trial.read()
    assert tables["dm"]["USUBJID"].tolist() == ["1503", "1504"]
    qs = tables["qs"]
    assert qs["QSGRPID"].tolist() == [
        "HAMD17:BASELINE",
        "HAMD17:WEEK3:D21",
        "HAMD17:WEEK3:D25",
        "HAMD17:BASELINE",
        "HAMD17:WEEK3:D22",
    ]
    assert qs["QSTESTCD"].tolist() == ["HAMDTOT"] * 4 + ["QSALL"]
    assert qs["QSSTRESN"].tolist()[:4] == [32, 20, 18, 20]
    assert qs["QSITEM"].isna().all()
    assert qs["QSDY"].fillna(0).tolist() == [0, 21, 25, 0, 22]
    notes = issues[["rule", "value"]].to_numpy().tolist()
    assert notes == [
        ["no-answer", ""],
        ["repeated-rows", ""],
        ["repeated-rows", ""],
    ]


def test_value_maps_constants_and_missing_codes(trial: Trial) -> None:
    dm = trial.source("dm")
    dm["values"] = {
        "ARMCD": {"25mg": "PSI", "": "SCRNFAIL"},
        "SEX": {"1": "F", "2": "M"},
        "ACTARMCD": {"none": ""},
    }
    dm["missing"] = ["-99"]
    dm["constants"] = {"SITEID": "S1"}
    trial.raw["raw/subjects.csv"] = (
        "subject_id,arm,actual_arm,age,sex,randomised,region\n"
        "001,25mg,PSI,-99,1,2024-01-10,North\n002,PBO,PBO,41,2,2024-01-11,\n"
        "003,,none,29,3,,\n"
    )
    tables, issues = trial.read()
    frame = tables["dm"]
    assert frame["ARMCD"].tolist() == ["PSI", "PBO", "SCRNFAIL"]
    assert frame["ACTARMCD"].tolist() == ["PSI", "PBO", ""]
    assert frame["SEX"].tolist() == ["F", "M", "3"]
    assert frame["AGE"].isna().tolist() == [True, False, False]
    assert frame["SITEID"].tolist() == ["S1"] * 3
    found = issues.to_dict("records")
    assert [(i["severity"], i["rule"], i["row"], i["value"]) for i in found] == [
        ("warning", "value-not-mapped", 4, "3")
    ]


def test_an_empty_arm_may_be_declared_as_never_randomised(trial: Trial) -> None:
    trial.spec["not_randomised"] = [""]
    trial.replace("subjects", "003,SCRNFAIL,", "003,,")
    assert trial.tables()["dm"]["ARMCD"].tolist() == ["PSI", "PBO", "NOTASSGN"]


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ("utf-8", "utf-8"),
        ("utf-8", "utf-8-sig"),
        ("latin-1", "latin-1"),
        ("cp1252", "cp1252"),
        ("utf-16", "utf-16"),
        ("utf-16", "utf-16-le"),
        ("utf-16", "utf-16-be"),
    ],
)
def test_encodings_give_the_same_text(trial: Trial, declared: str, codec: str) -> None:
    trial.source("dm")["encoding"] = declared
    trial.replace("subjects", "North", "Årø")
    text = trial.raw["raw/subjects.csv"]
    assert isinstance(text, str)
    trial.raw["raw/subjects.csv"] = text.encode(codec)
    supp = trial.tables()["suppdm"]
    assert supp["QVAL"].tolist()[0] == "Årø"
    assert supp["USUBJID"].tolist()[0] == "001"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(trial: Trial, delimiter: str, end: str) -> None:
    trial.source("dm")["delimiter"] = delimiter
    text = trial.raw["raw/subjects.csv"]
    assert isinstance(text, str)
    text = text.replace(",", delimiter).replace("\n", end)
    trial.raw["raw/subjects.csv"] = text.encode()
    assert trial.tables()["dm"]["USUBJID"].tolist() == ["001", "002", "003"]


def test_decimal_comma_and_date_format(trial: Trial) -> None:
    trial.source("ex").update(delimiter=";", decimal=",", date_format="%d.%m.%Y")
    trial.raw["raw/doses.csv"] = (
        "subject_id;date;drug;dose;session\n001;15.01.2024;P;12,5;1\n"
    )
    ex = trial.tables()["ex"]
    assert ex["EXDOSE"].tolist() == [12.5]
    assert ex["EXSTDTC"].tolist() == ["2024-01-15"]


def test_rows_are_counted_as_a_spreadsheet_does(trial: Trial) -> None:
    trial.raw["raw/subjects.csv"] = (
        "subject_id,arm,actual_arm,age,sex,randomised,region\n"
        '001,PSI,PSI,34,F,2024-01-10,"North\nWest"\n'
        "\n"
        " 002 , PBO ,PBO,41,M,2024-01-11,=1+1\n"
    )
    tables, issues = trial.read()
    assert tables["dm"]["SRCROW"].tolist() == [2, 4]
    assert tables["dm"]["USUBJID"].tolist() == ["001", "002"]
    assert tables["suppdm"]["QVAL"].tolist() == ["North\nWest", "=1+1"]
    assert issues[["rule", "row", "value"]].to_numpy().tolist() == [
        ["blank-row", 3, ""]
    ]


def test_two_records_of_a_visit_on_different_dates_are_legal(trial: Trial) -> None:
    raw = trial.raw["raw/madrs.csv"]
    assert isinstance(raw, str)
    trial.raw["raw/madrs.csv"] = (
        raw
        + "001,WEEK3,2024-02-07,R2,,2,2,2,2,2,2,2,2,2,2\n"
        + "001,UNSCHEDULED,2024-02-20,R2,,2,2,2,2,2,2,2,2,2,2\n"
        + "001,UNSCHEDULED,2024-02-21,R2,,2,2,2,2,2,2,2,2,2,2\n"
    )
    groups = set(trial.tables()["qs"]["QSGRPID"])
    assert {
        "MADRS:WEEK3:2024-02-05",
        "MADRS:WEEK3:2024-02-07",
        "MADRS:UNSCHEDULED:2024-02-20",
    } <= groups


def test_tables_do_not_depend_on_the_order_of_rows(another: Maker) -> None:
    straight, turned = another(), another()
    for name, text in turned.raw.items():
        assert isinstance(text, str)
        header, *rows = text.splitlines()
        turned.raw[name] = "\n".join([header, *reversed(rows), ""])
    left, right = straight.tables(), turned.tables()
    for name in left:
        a, b = (t[name].drop(columns="SRCROW") for t in (left, right))
        assert a.equals(b), name


def test_items_no_endpoint_needs_may_be_absent(trial: Trial) -> None:
    entry = trial.source("madrs")
    entry |= {"instrument": "CAPS-5", "items": "caps{item}"}
    trial.spec["endpoints"] = {
        "change": {"kind": "change", "instrument": "CAPS-5", "score": "total"}
    }
    header = ",".join(f"caps{n}" for n in range(1, 21))
    trial.raw["raw/madrs.csv"] = (
        f"subject_id,visit,date,rater,not_done,{header}\n"
        f"001,BASELINE,2024-01-14,R1,,{','.join(['2'] * 20)}\n"
    )
    tables, issues = trial.read()
    assert (tables["qs"]["QSCAT"] == "CAPS-5").sum() == 20
    assert set(issues["rule"]) == {"item-not-collected"}
    assert issues["column"].tolist() == [f"caps{n}" for n in range(21, 31)]
    trial.spec["endpoints"]["lost"] = {
        "kind": "status",
        "paramcd": "LOST",
        "instrument": "CAPS-5",
        "score": "diagnosis",
        "equals": "N",
    }
    assert [e["column"] for e in trial.errors()] == [f"caps{n}" for n in range(22, 26)]


def test_tables_and_log_are_written(trial: Trial) -> None:
    trial.replace("madrs", "R2,,1,1,1,1,1,1,1,1,1,1", "R2,,,,,,,,,,,")
    study = trial.write()
    out = trial.folder / "out"
    issues = ingest_study(study, out)
    names = sorted(path.name for path in out.iterdir())
    assert names == [
        "dm.parquet",
        "ex.parquet",
        "issues.csv",
        "qs.parquet",
        "suppdm.parquet",
    ]
    assert tables_of(study.spec) == ["dm", "suppdm", "ex", "qs"]
    assert read_csv(out / "issues.csv", ISSUES).equals(issues)
    assert len(issues) == 1
    dm = read_table(out / "dm.parquet", TABLES["dm"])
    assert dm["USUBJID"].tolist() == ["001", "002", "003"]


def test_the_same_files_give_the_same_bytes(trial: Trial) -> None:
    study = trial.write()
    for name in ("one", "two"):
        ingest_study(study, trial.folder / name)
    for path in (trial.folder / "one").iterdir():
        assert path.read_bytes() == (trial.folder / "two" / path.name).read_bytes()


def test_with_an_error_nothing_is_written_and_all_are_listed(trial: Trial) -> None:
    trial.replace("subjects", "002,PBO", "002,PBX")
    trial.replace("madrs", "R2,,1", "R2,,9")
    out = trial.folder / "out"
    with pytest.raises(DataError) as caught:
        ingest_study(trial.write(), out)
    assert str(caught.value).splitlines() == [
        "study.yaml: 2 problems in the raw data",
        "  raw/madrs.csv, row 3, column madrs_01, subject 001: '9' is out of range: "
        "item 1 of MADRS goes from 0 to 6. Correct it in the source.",
        "  raw/subjects.csv, row 3, column arm, subject 002: 'PBX' is no arm (PSI, PBO"
        "; not randomised: SCRNFAIL). Did you mean 'PBO'? Correct it, or map it under "
        "sources.dm.values.ARMCD.",
    ]
    assert not out.exists()


def test_importing_the_stage_loads_no_scientific_package() -> None:
    code = (
        "import sys, outcomes.ingest, outcomes.ingest.read;"
        "heavy = ('numpy', 'pandas', 'pyarrow', 'scipy');"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_trial_of_usual_size_is_read_fast(trial: Trial) -> None:
    subjects = [f"{n:03d}" for n in range(1, 234)]
    trial.raw["raw/subjects.csv"] = SUBJECTS_HEADER + "".join(
        f"{s},PSI,PSI,30,F,2024-01-10,North\n" for s in subjects
    )
    entry = trial.source("madrs")
    for key in ("items", "rater", "not_done"):
        del entry[key]
    entry |= {"layout": "long", "item": "item", "value": "value"}
    trial.spec["visits"] = [
        {"id": f"V{v}", "label": f"V{v}", "day": 1 + 7 * v} for v in range(8)
    ]
    trial.raw["raw/madrs.csv"] = "subject_id,visit,date,item,value\n" + "".join(
        f"{s},V{v},2024-03-{v + 1:02d},{n},{n % 7}\n"
        for s in subjects
        for v in range(8)
        for n in range(1, 11)
    )
    study = trial.write()
    start = time.process_time()
    ingest_study(study, trial.folder / "out")
    assert time.process_time() - start < 2.0


SUBJECTS_HEADER = "subject_id,arm,actual_arm,age,sex,randomised,region\n"
