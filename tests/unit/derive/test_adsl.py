from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from trials import (
    Note,
    dose,
    madrs,
    one,
    rules,
    sources,
    study,
    subject,
    tables,
)

from outcomes.derive import derive_adsl
from outcomes.errors import DataError


def event(id: str, term: str, reason: str = "", date: str = "2024-05-01") -> Any:
    return {
        "USUBJID": id,
        "DSCAT": "DISPOSITION EVENT",
        "DSDECOD": term,
        "DSTERM": reason,
        "DSSTDTC": date,
    }


def test_arms_are_numbered_in_the_order_of_the_study_file() -> None:
    sdtm = tables(
        dm=[subject("A", "LOW"), subject("B"), subject("C", "SCRNFAIL")],
        ex=[dose("A"), dose("B")],
    )
    adsl = derive_adsl(study(), sdtm).frame
    low, high, failed = (one(adsl, USUBJID=id) for id in "ABC")
    assert (low["TRT01P"], low["TRT01PN"], low["ARM"]) == ("LOW", 2, "Drug 1 mg")
    assert (high["TRT01P"], high["TRT01PN"], high["RANDFL"]) == ("HIGH", 1, "Y")
    assert (failed["TRT01P"], failed["RANDFL"], failed["SCRNFFL"]) == ("", "N", "Y")
    assert failed["ARM"] == "Screen Failure"
    assert pd.isna(failed["TRT01PN"])


def test_actual_arm_is_that_of_actarmcd_then_of_the_first_dose_then_planned() -> None:
    sdtm = tables(
        dm=[
            subject("A", ACTARMCD="LOW"),
            subject("B"),
            subject("C"),
            subject("D"),
            subject("E", ACTARMCD="HIGH"),
        ],
        ex=[
            dose("A"),
            dose("B") | {"EXTRT": "Drug", "EXDOSE": 1, "EXDOSU": "mg"},
            dose("C"),
        ],
    )
    adsl, notes = derive_adsl(study(), sdtm)
    assert adsl["TRT01A"].tolist() == ["LOW", "LOW", "HIGH", "", ""]
    assert adsl["TRT01AN"].dropna().tolist() == [2, 2, 1]
    differing = [n.subject for n in notes if n.rule == "actual-arm-differs"]
    assert differing == ["A", "B"]
    assumed = [n.message for n in notes if n.rule == "actual-arm-assumed"]
    assert len(assumed) == 1
    assert "(C)" in assumed[0]


def test_an_unknown_arm_is_refused_with_the_nearest() -> None:
    sdtm = tables(dm=[subject("A", "HIG"), subject("B", "ACTIVE")])
    with pytest.raises(DataError) as caught:
        derive_adsl(study(), sdtm)
    assert "'HIG' is not known" in str(caught.value)
    assert "Did you mean 'HIGH'?" in str(caught.value)
    assert "'ACTIVE' is not known" in str(caught.value)


def test_exposure_counts_sessions() -> None:
    sdtm = tables(
        dm=[subject("A"), subject("B"), subject("C")],
        ex=[
            dose("A", "2024-04-10", 2),
            dose("A", "2024-03-10", 1),
            dose("A", "2024-03-10", 1),
            dose("B", "2024-03-10", None),
            dose("B", "2024-03-20", None),
        ],
    )
    adsl = derive_adsl(study(), sdtm).frame
    assert adsl["NSESSION"].tolist() == [2, 2, 0]
    assert adsl["TRTSDT"].tolist() == ["2024-03-10", "2024-03-10", ""]
    assert adsl["TRTEDT"].tolist() == ["2024-04-10", "2024-03-20", ""]
    assert adsl["TRTFL"].tolist() == ["Y", "Y", "N"]


def test_without_exposure_data_nobody_is_said_to_be_untreated() -> None:
    spec = study(sources=sources(ex=None))
    adsl = derive_adsl(spec, tables(dm=[subject("A")])).frame
    assert one(adsl)["TRTFL"] == ""
    assert pd.isna(one(adsl)["NSESSION"])


def test_randomisation_date_is_that_of_dm_else_of_ds() -> None:
    sdtm = tables(
        dm=[subject("A"), subject("B", RANDDTC=""), subject("C", "SCRNFAIL")],
        ds=[
            event("A", "RANDOMIZED", date="2024-03-06")
            | {"DSCAT": "PROTOCOL MILESTONE"},
            event("B", "Randomised", date="2024-03-07")
            | {"DSCAT": "PROTOCOL MILESTONE"},
            event("C", "RANDOMIZED"),
        ],
    )
    adsl, notes = derive_adsl(study(), sdtm)
    assert adsl["RANDDT"].tolist() == ["2024-03-05", "2024-03-07", ""]
    assert [n.subject for n in notes if n.rule == "randomisation-date"] == ["A"]
    assert "randomised-without-arm" in rules(notes)


def test_disposition_gives_status_reason_and_completion() -> None:
    sdtm = tables(
        dm=[*(subject(id) for id in "ABCD"), subject("S", "SCRNFAIL")],
        ds=[
            event("A", "COMPLETED"),
            event("B", "Lost to Follow-up", date="2024-04-01"),
            event("C", "OTHER", "moved away"),
            event("S", "SCREEN FAILURE", "MADRS below 20", "2024-02-20"),
        ],
    )
    adsl = derive_adsl(study(), sdtm).frame.set_index("USUBJID")
    assert adsl["EOSSTT"].tolist() == [
        "COMPLETED",
        "DISCONTINUED",
        "DISCONTINUED",
        "ONGOING",
        "",
    ]
    assert adsl["DCSREAS"].tolist() == ["", "LOST TO FOLLOW-UP", "moved away", "", ""]
    assert adsl["COMPLFL"].tolist() == ["Y", "N", "N", "N", "N"]
    assert adsl["SCRFREAS"].tolist() == ["", "", "", "", "MADRS below 20"]
    assert adsl.loc["S", "EOSDT"] == "2024-02-20"


def conflicts(notes: list[Note]) -> dict[str, str]:
    return {
        f"{n.subject}: {n.message}": n.remedy
        for n in notes
        if n.rule == "disposition-conflict"
    }


def test_contradictory_disposition_is_settled_by_rule_and_noted() -> None:
    sdtm = tables(
        dm=[*(subject(id) for id in "ABCD"), subject("S", "SCRNFAIL")],
        ds=[
            event("A", "COMPLETED"),
            event("A", "ADVERSE EVENT", date="2024-06-01"),
            event("B", "WITHDRAWAL BY SUBJECT", date="2024-04-01"),
            event("B", "DEATH", date="2024-04-09"),
            event("C", "COMPLETED", date="2024-05-02"),
            event("C", "COMPLETED", date="2024-05-01"),
            event("D", "SCREEN FAILURE"),
            event("S", "COMPLETED"),
        ],
    )
    adsl, notes = derive_adsl(study(), sdtm)
    frame = adsl.set_index("USUBJID")
    assert frame["DCSREAS"].tolist() == ["ADVERSE EVENT", "DEATH", "", "", ""]
    assert frame["EOSDT"].tolist()[:3] == ["2024-06-01", "2024-04-09", "2024-05-01"]
    assert frame.loc["D", "EOSSTT"] == "ONGOING"
    assert frame.loc["S", "COMPLFL"] == "N"
    assert len(conflicts(notes)) == 5
    assert conflicts(notes)["A: COMPLETED and ADVERSE EVENT."] == (
        "counts as discontinued"
    )


def test_disposition_records_of_other_categories_are_counted() -> None:
    record = event("A", "FOLLOW-UP ENTERED") | {"DSCAT": "OTHER EVENT"}
    adsl, notes = derive_adsl(study(), tables(dm=[subject("A")], ds=[record]))
    assert one(adsl)["EOSSTT"] == "ONGOING"
    assert "disposition-unused" in rules(notes)


def test_without_disposition_the_last_visit_makes_a_completer() -> None:
    spec = study(sources=sources(ds=None))
    sdtm = tables(
        dm=[subject("A"), subject("B")],
        qs=[madrs("A", "WEEK3", 10, "2024-04-01"), madrs("B", "WEEK1", 10)],
    )
    adsl, notes = derive_adsl(spec, sdtm)
    assert adsl["COMPLFL"].tolist() == ["Y", "N"]
    assert adsl["EOSSTT"].tolist() == ["", ""]
    assert "no-disposition" in rules(notes)


def test_consent_is_a_date_or_a_milestone() -> None:
    consent = event("B", "INFORMED CONSENT OBTAINED", date="2024-01-31")
    sdtm = tables(
        dm=[subject("A"), subject("B", RFICDTC=""), subject("C", RFICDTC="")],
        ds=[consent | {"DSCAT": "PROTOCOL MILESTONE"}],
    )
    adsl, notes = derive_adsl(study(), sdtm)
    assert adsl["ENRLFL"].tolist() == ["Y", "Y", "N"]
    assert adsl["RFICDT"].tolist() == ["2024-02-01", "2024-01-31", ""]
    assert "randomised-without-consent" in rules(notes)


def test_no_record_of_consent_at_all_says_nothing_about_anybody() -> None:
    adsl, notes = derive_adsl(study(), tables(dm=[subject("A", RFICDTC="")]))
    assert one(adsl)["ENRLFL"] == "Y"
    assert "no-consent-record" in rules(notes)


def test_major_deviations_are_counted() -> None:
    sdtm = tables(
        dm=[subject("A"), subject("B")],
        dv=[
            {"USUBJID": "A", "DVCAT": "MAJOR"},
            {"USUBJID": "A", "DVCAT": "Major"},
            {"USUBJID": "A", "DVCAT": "MINOR"},
        ],
    )
    assert derive_adsl(study(), sdtm).frame["NMAJDEV"].tolist() == [2, 0]
    spec = study(sources=sources(dv=None))
    assert derive_adsl(spec, sdtm).frame["NMAJDEV"].isna().all()


def rescue(id: str, date: str, category: str = "RESCUE") -> dict[str, str]:
    return {"USUBJID": id, "CMCAT": category, "CMSTDTC": date}


def test_rescue_counts_from_the_first_dose_or_randomisation() -> None:
    sdtm = tables(
        dm=[*(subject(id) for id in "ABCD"), subject("S", "SCRNFAIL")],
        ex=[dose("A"), dose("B"), dose("D")],
        cm=[
            rescue("A", "2024-03-09"),
            rescue("A", "2024-04-02"),
            rescue("A", "2024-04-01"),
            rescue("A", "2024-03-20", "CONCOMITANT"),
            rescue("B", "2024-03-10"),
            rescue("C", "2024-03-05"),
            rescue("D", ""),
            rescue("S", "2024-04-01"),
        ],
    )
    adsl, notes = derive_adsl(study(), sdtm)
    assert adsl["RESCDT"].tolist() == ["2024-04-01", "2024-03-10", "2024-03-05", "", ""]
    not_counted = [n for n in notes if n.rule == "rescue-not-counted"]
    assert len(not_counted) == 3


def test_strata_are_joined_for_the_randomised() -> None:
    sdtm = tables(
        dm=[subject("A"), subject("B", SITEID="S2"), subject("C", "SCRNFAIL")],
        suppdm=[
            {"USUBJID": "A", "QNAM": "TRD", "QVAL": "Y"},
            {"USUBJID": "A", "QNAM": "PRIOR", "QVAL": "12"},
        ],
    )
    adsl, notes = derive_adsl(study(), sdtm)
    assert adsl["STRATAR"].tolist() == ["S1/Y", "S2/", ""]
    assert "stratum-missing" in rules(notes)
    assert adsl["TRD"].tolist() == ["Y", "", ""]
    assert adsl["PRIOR"].dtype.kind == "f"
    assert adsl["PRIOR"].tolist()[0] == 12.0


def test_a_numeric_stratum_stands_without_decimals() -> None:
    dm = sources()["dm"] | {"strata": ["AGE", "SITEID"]}
    sdtm = tables(dm=[subject("A", AGE=41), subject("B"), subject("C", AGE=40.5)])
    adsl = derive_adsl(study(sources=sources(dm=dm)), sdtm).frame
    assert adsl["STRATAR"].tolist() == ["41/S1", "/S1", "40.5/S1"]


def test_a_number_that_is_none_is_refused() -> None:
    sdtm = tables(
        dm=[subject("A")], suppdm=[{"USUBJID": "A", "QNAM": "PRIOR", "QVAL": "often"}]
    )
    with pytest.raises(DataError, match=r"PRIOR is declared a number, but is 'often'"):
        derive_adsl(study(), sdtm)


def test_a_covariate_may_not_take_the_place_of_a_column() -> None:
    dm = sources()["dm"]
    dm["covariates"] = {"AGE": {"column": "a", "label": "Age"}}
    dm["strata"] = []
    with pytest.raises(DataError, match="ADSL has a column AGE already"):
        derive_adsl(study(sources=sources(dm=dm)), tables(dm=[subject("A")]))
