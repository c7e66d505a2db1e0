"""Raw data of a follow-up, of hours after a dose, and of times to events."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from tiny_trial import Trial

from outcomes.findings import examine

DISPOSITION = """\
subject_id,date,epoch,event,reason
001,2024-04-01,TREATMENT,COMPLETED,
001,2024-04-10,FOLLOW-UP,ENTERED FOLLOW-UP,
002,2024-04-02,TREATMENT,COMPLETED,
002,2024-04-09,FOLLOW-UP,NOT ENTERED,DECLINED
"""
DS = {
    "file": "raw/disposition.csv",
    "columns": {
        "USUBJID": "subject_id",
        "DSSTDTC": "date",
        "EPOCH": "epoch",
        "DSDECOD": "event",
        "DSTERM": "reason",
    },
}
RELAPSE = {
    "kind": "time-to-event",
    "paramcd": "TTREL",
    "origin": "randomisation",
    "events": [{"kind": "criterion", "endpoint": "ill"}],
}
ILL = {
    "kind": "threshold",
    "paramcd": "ILL",
    "instrument": "MADRS",
    "score": "total",
    "at_least": 22,
}


@pytest.fixture
def followed(trial: Trial) -> Trial:
    """Return a trial whose second subject did not enter the follow-up."""
    trial.raw["raw/disposition.csv"] = DISPOSITION
    trial.spec["sources"]["ds"] = DS
    trial.spec["visits"].append({"id": "MONTH6", "label": "Month 6", "day": 183})
    trial.spec["follow_up"] = {"start": "MONTH6"}
    trial.spec["endpoints"] |= {"ill": ILL, "relapse": RELAPSE}
    trial.spec["populations"]["FUS"] = "FUPFL == 'Y'"
    trial.spec["analyses"].append(
        {
            "id": "durability",
            "question": "time-to-event",
            "endpoint": "relapse",
            "population": "FAS",
            "follow_up": True,
            "followed_up": "FUS",
            "days": [28],
        }
    )
    return trial


def found(trial: Trial) -> list[dict[str, Any]]:
    """Return what `check` tells of errors and of times."""
    study = trial.write()
    study.path.write_text(yaml.safe_dump(trial.spec, sort_keys=False), "utf-8")
    every = examine(study.path).found
    return [
        one
        for one in every
        if one.get("severity", "error") == "error" or one.get("file") == "adtte"
    ]


def test_the_epoch_of_a_record_is_read_as_any_other_column(followed: Trial) -> None:
    ds = followed.tables()["ds"]
    assert ds["EPOCH"].tolist() == ["TREATMENT", "FOLLOW-UP"] * 2
    assert ds["DSTERM"].tolist() == ["", "", "", "DECLINED"]


def test_an_epoch_may_be_mapped(followed: Trial) -> None:
    own = DS | {"values": {"EPOCH": {"FOLLOW-UP": "FU", "TREATMENT": ""}}}
    followed.spec["sources"]["ds"] = own
    assert followed.tables()["ds"]["EPOCH"].tolist() == ["", "FU", "", "FU"]


def test_two_visits_on_one_date_are_two_administrations(trial: Trial) -> None:
    hours = {"id": "HOUR4", "label": "4 h", "day": 1, "hour": 4}
    trial.spec["visits"].insert(1, hours)
    trial.replace("madrs", "001,WEEK3,2024-02-05", "001,HOUR4,2024-01-14")
    qs = trial.tables()["qs"]
    own = qs[(qs["USUBJID"] == "001") & (qs["QSCAT"] == "MADRS")]
    assert own["QSGRPID"].unique().tolist() == [
        "MADRS:BASELINE:2024-01-14",
        "MADRS:HOUR4:2024-01-14",
    ]


def test_check_derives_the_times_and_says_how_many_events(followed: Trial) -> None:
    (note,) = found(followed)
    assert note["message"] == "TTREL: 2 subjects at risk, 0 events, 2 censored."


def test_check_tells_denominators_that_do_not_close(followed: Trial) -> None:
    followed.replace(
        "disposition", "002,2024-04-09,FOLLOW-UP,NOT ENTERED,DECLINED\n", ""
    )
    followed.replace("madrs", "001,WEEK3,2024-02-05", "001,MONTH6,2024-01-09")
    told = [one["message"] for one in found(followed)]
    assert len(told) == 2
    assert "1 randomised subject neither entered the follow-up nor have" in told[0]
    assert "(002)" in told[0]
    assert "1 visit of the follow-up dated before randomisation (001 MONTH6)" in told[1]


def test_check_tells_an_analysis_of_nobody(followed: Trial) -> None:
    followed.replace("disposition", "ENTERED FOLLOW-UP,", "NOT ENTERED,MOVED")
    errors = [one for one in found(followed) if one["file"] != "adtte"]
    (only,) = errors
    assert only["key"] == "analyses.durability.followed_up"
    assert "nobody of FUS is at risk of TTREL" in only["message"]
    followed.spec["analyses"][-1]["accept_error"] = True
    assert [one for one in found(followed) if one["file"] != "adtte"] == []
