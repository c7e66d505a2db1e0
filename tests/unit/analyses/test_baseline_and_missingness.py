from __future__ import annotations

import copy

import pandas as pd
import pytest
from hand_made import STUDY, adqs, adsl, baseline, record, run, study, subject

BASELINE = {"id": "demog", "question": "baseline", "population": "FAS"}
MISSING = {"id": "gaps", "question": "missingness", "estimand": "policy"}


def test_characteristics_are_described_by_arm_and_together() -> None:
    subjects = adsl(
        subject("1", AGE=30, SEX="F"),
        subject("2", AGE=40, SEX=""),
        subject("3", "CTL", AGE=None, SEX="M"),
    )
    records = adqs(baseline("1", 30), baseline("3", 34), record("1", "WEEK1", 9, 30))
    spec = study({**BASELINE, "scores": ["change"]})
    found = run(spec, subjects, records)
    assert found.value("subjects", "n", arm="ACT") == 2
    assert found.value("AGE", "mean", arm="ACT") == 35
    assert found.value("AGE", "n_missing", arm="CTL") == 1
    assert pd.isna(found.value("AGE", "mean", arm="CTL"))
    assert found.value("AGE", "sd") == pytest.approx(50**0.5)
    assert found.value("SEX", "percent", arm="ACT", level="F") == 50
    assert found.value("SEX", "n", arm="ACT", level="Missing") == 1
    assert found.value("SEX", "n", arm="ACT", level="M") == 0
    assert found.one("SEX", "label")["text"] == "Sex"
    score = found.one("MADRSTOT", "mean")
    assert (score["value"], score["endpoint"], score["visit"]) == (
        32,
        "change",
        "BASELINE",
    )
    assert found.value("MADRSTOT", "n_missing", arm="ACT") == 1
    assert found.rows(statistic="p_value").empty


def test_a_variable_that_was_not_derived_is_the_one_row() -> None:
    covariates = {"PRIOR": {"column": "prior", "label": "Prior use"}}
    sources = copy.deepcopy(STUDY["sources"])
    sources["dm"]["covariates"] = covariates
    spec = study({**BASELINE, "variables": ["PRIOR"]}, sources=sources)
    found = run(spec, adsl(subject("1")), adqs(baseline("1", 30)))
    assert len(found.frame) == 1
    assert "'PRIOR' is not known" in found.one("analysis", "estimate")["error"]
    found = run(spec, adsl(subject("1", PRIOR="Y")), adqs(baseline("1", 30)))
    assert found.one("PRIOR", "label")["text"] == "Prior use"


def test_a_population_with_somebody_of_no_arm_is_refused() -> None:
    found = run(study(BASELINE), adsl(subject("1", TRT01P="")), adqs(baseline("1", 30)))
    assert "1 subjects without an arm" in found.one("analysis", "estimate")["error"]


def test_missing_values_are_counted_by_visit_reason_and_pattern() -> None:
    gone = {"EOSSTT": "DISCONTINUED", "DCSREAS": "ADVERSE EVENT"}
    subjects = adsl(
        subject("1"),
        subject("2"),
        subject("3", **gone),
        subject("4"),
        subject("5", "CTL", **gone),
    )
    rows = [baseline(id, 30) for id in "12345"]
    rows += [record("1", visit, 9, 30) for visit in ("WEEK1", "WEEK3", "WEEK12")]
    rows += [record("2", visit, 9, 30) for visit in ("WEEK1", "WEEK12")]
    rows += [record("3", "WEEK1", 9, 30)]
    rows += [record("4", visit, 9, 30) for visit in ("WEEK1", "WEEK3")]
    found = run(study(MISSING), subjects, adqs(*rows))
    here = {"visit": "WEEK3", "arm": "ACT"}
    assert found.value("observed", "n", **here) == 2
    assert found.value("observed", "percent", **here) == 50
    assert found.value("missing", "n", **here) == 2
    assert found.value("missing", "n", level="Intermittent", **here) == 1
    left = "After discontinuation: ADVERSE EVENT"
    assert found.value("missing", "n", level=left, **here) == 1
    assert found.value("missing", "n", visit="WEEK12", level=left) == 2
    assert found.value("missing", "n", visit="WEEK12", level="Other") == 1
    assert found.value("observed", "n", visit="BASELINE") == 5
    patterns = {
        term: found.value(term, "n")
        for term in ("complete", "monotone", "intermittent", "never-observed")
    }
    assert patterns == {
        "complete": 1,
        "monotone": 2,
        "intermittent": 1,
        "never-observed": 1,
    }


def test_a_visit_without_the_instrument_is_not_missing() -> None:
    rows = [baseline("1", 30), record("1", "WEEK3", 9, 30)]
    found = run(study(MISSING), adsl(subject("1")), adqs(*rows))
    assert set(found.frame["visit"]) == {"", "BASELINE", "WEEK3"}
    assert found.value("complete", "n") == 1


def test_values_that_a_strategy_drops_are_missing_for_it() -> None:
    rows = [baseline("1", 30), record("1", "WEEK1", 9, 30)]
    rows += [record("1", "WEEK3", 9, 30, ICE1FL="Y")]
    subjects, records = adsl(subject("1")), adqs(*rows)
    kept = run(study(MISSING), subjects, records)
    assert kept.value("missing", "n", visit="WEEK3") == 0
    dropped = run(study({**MISSING, "estimand": "no-rescue"}), subjects, records)
    assert dropped.value("missing", "n", visit="WEEK3", level="After rescue") == 1
