"""The embedded trials and a real one, checked against their raw files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from outcomes.datasets.adam import ADQS, ADSL
from outcomes.datasets.sdtm import TABLES
from outcomes.datasets.store import read_table
from outcomes.derive import derive_study
from outcomes.ingest import ingest_study
from outcomes.study import load_study
from shared import ROOT, shared

TRIALS = ["mdma-ptsd", "psilocybin-trd"]
Frame = pd.DataFrame


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trials")


@cache
def derived(folder: Path, study: Path, data: Path | None) -> tuple[Frame, Frame, Frame]:
    """Return ADSL, ADQS and QS."""
    file = load_study(study, data)
    ingest_study(file, folder / "sdtm")
    derive_study(file, folder / "sdtm", folder / "adam")
    return (
        read_table(folder / "adam" / "adsl.parquet", ADSL),
        read_table(folder / "adam" / "adqs.parquet", ADQS),
        read_table(folder / "sdtm" / "qs.parquet", TABLES["qs"]),
    )


def embedded(folder: Path, name: str) -> tuple[Frame, Frame, Frame]:
    return derived(folder / name, ROOT / "data" / name / "study.yaml", None)


@pytest.mark.parametrize("name", TRIALS)
def test_no_administration_is_lost(folder: Path, name: str) -> None:
    _, adqs, qs = embedded(folder, name)
    scores = adqs[adqs["SRCDOM"] == "QS"]
    there = set(zip(scores["USUBJID"], scores["SRCGRP"], strict=True))
    assert there == set(zip(qs["USUBJID"], qs["QSGRPID"], strict=True))
    assert ((adqs["ANL01FL"] == "Y") ^ (adqs["ANL01RS"] != "")).all()


@pytest.mark.parametrize("name", TRIALS)
def test_disposition_agrees_with_the_raw_file(folder: Path, name: str) -> None:
    adsl, _, _ = embedded(folder, name)
    raw = pd.read_csv(ROOT / "data" / name / "raw" / "disposition.csv", dtype="str")
    late = raw.reindex(columns=["epoch"])["epoch"] == "FOLLOW-UP"
    counts = raw.loc[~late, "event"].value_counts()
    status = adsl["EOSSTT"].value_counts()
    assert (adsl["RANDFL"] == "Y").sum() == counts["RANDOMIZED"]
    assert (adsl["SCRNFFL"] == "Y").sum() == counts["SCREEN FAILURE"]
    assert status["COMPLETED"] == counts["COMPLETED"]
    assert status["COMPLETED"] + status["DISCONTINUED"] == counts["RANDOMIZED"]
    reasons = adsl.loc[adsl["DCSREAS"] != "", "DCSREAS"].value_counts()
    assert all(counts[reason] == n for reason, n in reasons.items())
    assert (adsl.loc[adsl["SCRNFFL"] == "Y", "SCRFREAS"] != "").all()
    if late.any():
        entered = adsl["FUPFL"].value_counts()
        told = raw.loc[late, "event"].value_counts()
        assert entered["Y"] == told["ENTERED FOLLOW-UP"]
        assert entered["Y"] + entered["N"] == counts["RANDOMIZED"]
        outside = adsl[adsl["FUPFL"] == "N"]
        assert (outside["FUPNREAS"] != "").all()


@pytest.mark.parametrize("name", TRIALS)
def test_every_randomised_subject_has_a_baseline(folder: Path, name: str) -> None:
    adsl, adqs, _ = embedded(folder, name)
    code = {"mdma-ptsd": "CAPSTOT", "psilocybin-trd": "MADRSTOT"}[name]
    scores = adqs[adqs["PARAMCD"] == code]
    flagged = scores[scores["ABLFL"] == "Y"]
    randomised = set(adsl.loc[adsl["RANDFL"] == "Y", "USUBJID"])
    assert randomised <= set(flagged["USUBJID"])
    assert flagged["USUBJID"].is_unique
    assert (flagged["AVISIT"] == "BASELINE").all()


def test_totals_changes_and_response_follow_from_the_raw_items(folder: Path) -> None:
    _, adqs, _ = embedded(folder, "psilocybin-trd")
    raw = pd.read_csv(ROOT / "data" / "psilocybin-trd" / "raw" / "madrs.csv")
    sums = raw.groupby(["subject_id", "visit", "date"])["value"].agg(["sum", "count"])
    whole = sums[sums["count"] == 10]["sum"]
    scores = adqs[(adqs["PARAMCD"] == "MADRSTOT") & (adqs["NITEMS"] == 10)]
    keyed = scores.set_index(["USUBJID", "VISIT", "ADT"])["AVAL"]
    assert len(keyed) == len(whole) > 1000
    assert (keyed.sort_index().to_numpy() == whole.sort_index().to_numpy()).all()
    analysed = scores[(scores["ANL01FL"] == "Y") & scores["CHG"].notna()]
    assert (analysed["CHG"] == analysed["AVAL"] - analysed["BASE"]).all()
    rows = adqs[(adqs["PARAMCD"] == "MADRSRSP") & (adqs["DTYPE"] == "")]
    both = analysed.merge(rows, on=["USUBJID", "AVISIT"], suffixes=("", "_r"))
    assert len(both) > 900
    expected = 2 * both["AVAL"] <= both["BASE"]
    assert (both["AVALC_r"].eq("Y") == expected).all()


def test_the_real_trial_gives_the_changes_of_its_file(folder: Path) -> None:
    data = shared("data", "antidepressant-hamd17")
    study = ROOT / "examples" / "antidepressant-hamd17" / "study.yaml"
    adsl, adqs, _ = derived(folder / "hamd", study, data)
    raw = pd.read_csv(data / "antidepressant_data.csv", dtype={"PATIENT": "str"})
    raw["AVISIT"] = "VISIT" + raw["VISIT"].astype("str")
    scores = adqs[(adqs["PARAMCD"] == "HAMDTOT") & (adqs["ABLFL"] == "")]
    both = raw.merge(
        scores, left_on=["PATIENT", "AVISIT"], right_on=["USUBJID", "AVISIT"]
    )
    assert len(both) == len(raw) == len(scores) == 608
    assert (both["CHG"] == both["CHANGE"]).all()
    assert (both["BASE"] == both["BASVAL"]).all()
    assert (both["ADY"] == both["RELDAYS"]).all()
    assert (adsl["RANDFL"] == "Y").sum() == 172
