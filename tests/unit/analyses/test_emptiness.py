"""Whatever is absent from the data becomes rows with a plain sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hand_made import (
    Results,
    adqs,
    adsl,
    answer,
    baseline,
    experience,
    record,
    run,
    study,
    subject,
)

Frame = pd.DataFrame
Loss = Callable[[Frame, Frame], tuple[Frame, Frame]]

ANALYSES: dict[str, dict[str, Any]] = {
    "disposition": {"population": "FAS"},
    "baseline": {"population": "FAS", "scores": ["change"]},
    "missingness": {"estimand": "policy"},
    "change": {
        "estimand": "no-rescue",
        "visit": "WEEK3",
        "model": {"covariates": ["BASE", "SITEGR1"]},
    },
    "distribution": {"estimand": "policy", "visit": "WEEK3"},
    "responders": {"endpoints": ["response"], "population": "FAS", "visits": ["WEEK3"]},
    "predicts-outcome": {
        "estimand": "policy",
        "visit": "WEEK3",
        "predictor": {"instrument": "MEQ30", "score": "total_percent"},
        "covariates": ["BASE", "SITEGR1"],
    },
}
OF_A_VISIT = ("change", "distribution", "responders", "predicts-outcome")
SENTENCE = "no value to analyse at WEEK3, the visit of this analysis."


def whole() -> tuple[Frame, Frame]:
    rng = np.random.default_rng(1)
    subjects, rows = [], []
    for arm in ("ACT", "CTL"):
        for number in range(8):
            id, base = f"{arm}{number}", float(rng.integers(25, 40))
            more = {"AGE": 40 + number, "SEX": "FM"[number % 2]}
            site = "AB"[number // 2 % 2]
            subjects.append(subject(id, arm, SITEGR1=site, NSESSION=1, **more))
            rows.append(baseline(id, base))
            for visit in ("WEEK1", "WEEK3", "WEEK12"):
                value = base - float(rng.integers(0, 20))
                rows.append(record(id, visit, value, base))
                rows.append(answer(id, visit, int(value < base / 2)))
            rows.append(experience(id, float(rng.uniform(20, 90)), ADY=1))
    return adsl(*subjects), adqs(*rows)


def without(keep: Callable[[Frame], Any]) -> Loss:
    return lambda people, rows: (people, rows[keep(rows)].reset_index(drop=True))


def emptied(keep: Callable[[Frame], Any]) -> Loss:
    """Values that are there as rows but not as numbers."""

    def lose(people: Frame, rows: Frame) -> tuple[Frame, Frame]:
        gone = ~keep(rows)
        return people, rows.assign(
            AVAL=rows["AVAL"].mask(gone), CHG=rows["CHG"].mask(gone)
        )

    return lose


LOSSES: dict[str, Loss] = {
    "all records": without(lambda rows: rows["AVISIT"] == "NEVER"),
    "all subjects": lambda people, rows: (people.iloc[:0], rows),
    "everything": lambda people, rows: (people.iloc[:0], rows.iloc[:0]),
    "the population": lambda people, rows: (people.assign(FASFL="N"), rows),
    "flags": lambda people, rows: (people, rows.assign(ANL01FL="")),
    "before rescue": lambda people, rows: (people, rows.assign(ICE1FL="Y")),
    "covariate": lambda people, rows: (people.assign(SITEGR1=""), rows),
    "all but one": lambda people, rows: (
        people.head(1),
        rows[rows["USUBJID"] == "ACT0"].reset_index(drop=True),
    ),
    "all but baseline": without(lambda rows: rows["AVISIT"] == "BASELINE"),
    "all but sessions": without(lambda rows: rows["AVISIT"] == ""),
    "baseline values": lambda people, rows: (
        people,
        rows.assign(BASE=np.nan, CHG=np.nan),
    ),
}
for _arm in ("ACT", "CTL"):
    LOSSES |= {
        f"subjects of {_arm}": lambda people, rows, arm=_arm: (
            people[people["TRT01P"] != arm].reset_index(drop=True),
            rows,
        ),
        f"records of {_arm}": without(
            lambda rows, arm=_arm: ~rows["USUBJID"].str.startswith(arm)
        ),
        f"covariate of {_arm}": lambda people, rows, arm=_arm: (
            people.assign(SITEGR1=people["SITEGR1"].mask(people["TRT01P"] == arm, "")),
            rows,
        ),
    }
for _visit in ("BASELINE", "WEEK1", "WEEK3", "WEEK12", ""):
    LOSSES |= {
        f"rows at '{_visit}'": without(
            lambda rows, visit=_visit: rows["AVISIT"] != visit
        ),
        f"values at '{_visit}'": emptied(
            lambda rows, visit=_visit: rows["AVISIT"] != visit
        ),
        f"rows of ACT at '{_visit}'": without(
            lambda rows, visit=_visit: (
                (rows["AVISIT"] != visit) | ~rows["USUBJID"].str.startswith("ACT")
            )
        ),
    }


def after(question: str, loss: str) -> Results:
    spec = study({"id": "a", "question": question, **ANALYSES[question]})
    return run(spec, *LOSSES[loss](*whole()))


@pytest.mark.parametrize("question", ANALYSES)
def test_a_whole_trial_has_no_errors(question: str) -> None:
    found = run(
        study({"id": "a", "question": question, **ANALYSES[question]}), *whole()
    )
    assert (found.frame["error"] == "").all()


@pytest.mark.parametrize("question", ANALYSES)
@pytest.mark.parametrize("loss", LOSSES)
def test_no_loss_of_data_stops_an_analysis(question: str, loss: str) -> None:
    found = after(question, loss)
    assert len(found.frame)
    said = found.frame.loc[found.frame["error"] != "", "error"]
    assert said.str.endswith(".").all()
    assert found.frame.loc[found.frame["error"] != "", "value"].isna().all()


@pytest.mark.parametrize("question", OF_A_VISIT)
@pytest.mark.parametrize("loss", ["rows at 'WEEK3'", "values at 'WEEK3'"])
def test_the_visit_of_an_analysis_without_values_is_named(
    question: str, loss: str
) -> None:
    found = after(question, loss)
    row = found.one("visit", "estimate")
    assert (row["error"], row["visit"], row["time"]) == (SENTENCE, "WEEK3", 22)


def test_other_visits_of_the_model_stand_without_that_of_the_analysis() -> None:
    found = after("change", "rows at 'WEEK3'")
    assert set(found.rows(term="difference")["visit"]) == {"WEEK1", "WEEK12"}
    assert (found.rows(term="difference")["error"] == "").all()


@pytest.mark.parametrize("question", ["baseline", "distribution", "responders"])
def test_an_arm_with_nobody_is_named(question: str) -> None:
    row = after(question, "subjects of ACT").one("subjects", "estimate", arm="ACT")
    assert row["error"] == "no subject of FAS is in this arm."


def test_nobody_is_complete_where_no_visit_has_a_record() -> None:
    found = after("missingness", "all but baseline")
    sentence = "no record of MADRSTOT at a visit after baseline."
    assert found.one("observed", "estimate")["error"] == sentence
    assert found.rows(term="complete").empty


def test_a_score_without_records_leaves_the_variables() -> None:
    found = after("baseline", "all but sessions")
    assert "no record of MADRSTOT" in found.one("MADRSTOT", "estimate")["error"]
    assert found.value("AGE", "n") == 16


def test_a_model_without_its_only_active_arm_has_means_of_the_control() -> None:
    found = after("change", "records of ACT")
    assert (
        found.rows(term="lsmean", statistic="estimate", arm="CTL")["error"].eq("").all()
    )
    lost = found.rows(term="difference")
    assert set(lost["error"]) == {"not estimable: the arm has no record."}
