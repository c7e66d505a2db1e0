from __future__ import annotations

from typing import Any

import pandas as pd
from hand_made import adqs, adsl, baseline, record, run, screen_failure, study, subject

DISPOSITION = {"id": "flow", "question": "disposition", "population": "FAS"}
PRIMARY = {
    "id": "primary",
    "question": "change",
    "estimand": "policy",
    "visit": "WEEK3",
    "prespecified": True,
}


def people(**of_last: Any) -> pd.DataFrame:
    gone = {"EOSSTT": "DISCONTINUED", "COMPLFL": "N"}
    return adsl(
        subject("1"),
        subject("2", DCSREAS="LOST TO FOLLOW-UP", **gone),
        subject("3", TRT01A="CTL"),
        subject("4", "CTL", TRTFL="N", SAFFL="N", TRT01A="", **gone),
        subject("5", "CTL", **of_last),
        screen_failure("6", "TOO MILD"),
        screen_failure("7", "TOO MILD"),
        screen_failure("8"),
    )


def records() -> pd.DataFrame:
    return adqs(
        baseline("1", 30),
        record("1", "WEEK3", 10, 30),
        baseline("2", 30),
        record("5", "WEEK1", 20),
        record("3", "WEEK1", 20, 31),
    )


def test_everybody_is_counted_once_on_the_way() -> None:
    found = run(study(DISPOSITION, PRIMARY), people(), records())
    assert found.value("screened", "n") == 8
    assert found.value("not-randomised", "n") == 3
    assert found.value("not-randomised", "percent") == 37.5
    assert found.value("not-randomised", "n", level="TOO MILD") == 2
    assert found.value("not-randomised", "n", level="Reason not given") == 1
    assert found.value("randomised", "n") == 5
    assert found.value("randomised", "percent", arm="ACT") == 60
    assert found.value("treated-as-allocated", "n", arm="ACT") == 2
    assert found.value("treated-otherwise", "n", arm="ACT") == 1
    assert found.value("not-treated", "n", arm="CTL") == 1
    assert found.value("completed", "n") == 3
    assert found.value("discontinued", "n", arm="ACT", level="LOST TO FOLLOW-UP") == 1
    assert found.value("discontinued", "n", arm="CTL", level="Reason not given") == 1
    assert found.value("discontinued", "n", arm="ACT", level="Reason not given") == 0
    assert found.value("discontinued", "n", arm="CTL", level="LOST TO FOLLOW-UP") == 0
    assert (found.frame["error"] == "").all()


def test_treatment_that_is_not_recorded_is_not_no_treatment() -> None:
    subjects = people().assign(TRTFL="", TRT01A="")
    found = run(study(DISPOSITION), subjects, records())
    row = found.one("treatment-unknown", "label")
    assert (row["text"], row["n_subjects"]) == ("not recorded", 5)
    assert "who was treated is not known" in row["warning"]
    for term in ("treated-as-allocated", "treated-otherwise", "not-treated"):
        assert found.rows(term=term).empty


def test_a_subject_of_unknown_treatment_is_not_untreated() -> None:
    subjects = people()
    subjects.loc[subjects["USUBJID"] == "5", "TRTFL"] = ""
    found = run(study(DISPOSITION), subjects, records())
    assert found.value("not-treated", "n", arm="CTL") == 1
    assert found.value("treatment-unknown", "n", arm="CTL") == 1
    assert found.value("treatment-unknown", "n", arm="ACT") == 0
    assert found.value("treated-as-allocated", "n", arm="CTL") == 0


def test_a_study_that_randomised_nobody_says_so() -> None:
    found = run(study(DISPOSITION), adsl(screen_failure("1")), records())
    assert found.one("randomised", "estimate")["error"] == "nobody was randomised."


def test_an_analysis_of_nobody_analyses_none() -> None:
    plan = study(DISPOSITION, PRIMARY)
    nobody = people().assign(FASFL="N")
    found = run(plan, nobody, records())
    assert found.value("analysed", "n", level="primary") == 0
    assert (found.frame["error"] == "").all()


def test_the_safety_population_is_counted_by_treatment_received() -> None:
    found = run(study(DISPOSITION), people(), records())
    fas = [
        found.value("population", "n", population="FAS", arm=a) for a in ("ACT", "CTL")
    ]
    saf = [
        found.value("population", "n", population="SAF", arm=a) for a in ("ACT", "CTL")
    ]
    assert fas == [3, 2]
    assert saf == [2, 2]
    row = found.one("population", "n", population="SAF", arm="ACT")
    assert "treatment received" in row["method"]


def test_subjects_with_a_change_are_analysed() -> None:
    found = run(study(DISPOSITION, PRIMARY), people(), records())
    row = found.one("analysed", "n", arm="ACT", level="primary")
    assert (row["value"], row["population"], row["estimand"]) == (2, "FAS", "policy")
    # A record without baseline has no change.
    assert found.value("analysed", "n", arm="CTL", level="primary") == 0


def test_subjects_without_a_covariate_are_not_analysed() -> None:
    model = {"covariates": ["BASE", "SITEGR1"]}
    subjects = people()
    subjects["SITEGR1"] = ["A" if id == "3" else "" for id in subjects["USUBJID"]]
    found = run(study(DISPOSITION, {**PRIMARY, "model": model}), subjects, records())
    assert found.value("analysed", "n", arm="ACT", level="primary") == 1


def test_a_subject_that_is_nowhere_at_the_end_fails_the_closure() -> None:
    found = run(study(DISPOSITION), people(EOSSTT=""), records())
    row = found.one("closure", "estimate", arm="CTL", level="end-of-study")
    assert pd.isna(row["value"])
    expected = "2 subjects are not 0 completed + 1 discontinued + 0 ongoing; 1 do not"
    assert row["error"].startswith(expected)
    assert found.value("closure", "estimate", arm="ACT", level="end-of-study") == 0


def test_a_randomised_subject_of_no_arm_fails_the_closure() -> None:
    found = run(study(DISPOSITION), people(TRT01P="THIRD", FASFL="N"), records())
    row = found.one("closure", "estimate", level="screened")
    assert "3 not randomised; 1 do not add up" in row["error"]


def test_a_study_without_disposition_events_still_has_counts() -> None:
    subjects = people()
    subjects["EOSSTT"] = ""
    found = run(study(DISPOSITION), subjects, records())
    assert found.value("completed", "n") == 3
    assert found.value("status-unknown", "n") == 2
    assert "records no end of study" in found.one("completed", "n")["warning"]
    assert found.rows(term="discontinued").empty
    assert found.rows(term="closure", level="end-of-study").empty
    assert (found.frame["error"] == "").all()


def test_an_analysis_without_records_fails_alone() -> None:
    other = adqs({**record("1", "WEEK1", 1), "PARAMCD": "OTHER"})
    found = run(study(DISPOSITION, PRIMARY), people(), other)
    row = found.one("analysed", "estimate", level="primary")
    assert "no record of MADRSTOT" in row["error"]
    assert found.value("screened", "n") == 8


def test_one_arm_is_allocated_and_not_randomised() -> None:
    info = {
        "id": "open",
        "title": "Open label",
        "compound": "x",
        "indication": "y",
        "design": "single-arm",
    }
    arms = [{"id": "ACT", "label": "Active", "active": True}]
    spec = study(DISPOSITION, study=info, arms=arms)
    found = run(spec, adsl(subject("1"), subject("2", TRT01P="CTL")), records())
    error = found.one("closure", "estimate", level="screened")["error"]
    assert "1 allocated to ACT + 0 not allocated; 1 do not add up" in error
    nobody = run(spec, adsl(screen_failure("3")), records())
    error = nobody.one("randomised", "estimate")["error"]
    assert error == "nobody was allocated."
