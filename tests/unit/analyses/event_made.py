"""Small trials with times to an event, made by hand."""

from __future__ import annotations

import copy
from typing import Any

import pandas as pd
from hand_made import STUDY, Results, adqs, adsl, baseline, study, subject

from outcomes.analyses.run import results_of
from outcomes.datasets.adam import ADTTE
from outcomes.datasets.store import conform
from outcomes.study.spec import Study

RELAPSE: dict[str, Any] = {
    "kind": "time-to-event",
    "paramcd": "RELAPSE",
    "events": [{"kind": "criterion", "endpoint": "response", "equals": "N"}],
}
KEPT: dict[str, Any] = {
    "id": "kept",
    "question": "time-to-event",
    "endpoint": "relapse",
    "population": "FAS",
    "days": [12, 40, 55],
    "tau": 60,
}
FOLLOWED: dict[str, Any] = {
    **KEPT,
    "follow_up": True,
    "followed_up": "FUS",
    "entry_weights": {"history": ["change"]},
    "tau": 100,
    "days": [50, 100],
}

Time = tuple[str, float, int]
"""Subject, day, CNSR."""

ACTIVE: list[Time] = [
    ("A1", 10, 0),
    ("A2", 20, 1),
    ("A3", 30, 0),
    ("A4", 40, 1),
    ("A5", 50, 1),
]
CONTROL: list[Time] = [
    ("C1", 5, 0),
    ("C2", 10, 0),
    ("C3", 15, 0),
    ("C4", 20, 1),
    ("C5", 60, 0),
]
_WORDS = {0: "Symptoms back", 1: "COMPLETED STUDY", 2: "Rescue"}


def trial_of(*analyses: dict[str, Any], **sections: Any) -> Study:
    """Return the small study with a time to relapse; sections replace its own."""
    endpoints = {**copy.deepcopy(STUDY["endpoints"]), "relapse": RELAPSE}
    sources = copy.deepcopy(STUDY["sources"])
    columns = ("USUBJID", "DSDECOD", "DSTERM", "DSSTDTC", "DSCAT", "EPOCH")
    sources["ds"] = {"file": "ds.csv", "columns": {name: name for name in columns}}
    columns = ("USUBJID", "CMCAT", "CMTRT", "CMSTDTC")
    sources["cm"] = {"file": "cm.csv", "columns": {name: name for name in columns}}
    sources["dm"]["columns"] |= {"SITEID": "site", "SEX": "sex"}
    whole = {"endpoints": endpoints, "sources": sources, **sections}
    return study(*analyses, **whole)


def followed_trial(*analyses: dict[str, Any], **sections: Any) -> Study:
    """Return it with a follow-up from week 12."""
    populations = {**STUDY["populations"], "FUS": "FUPFL == 'Y'"}
    return trial_of(
        *analyses,
        populations=populations,
        follow_up={"start": "WEEK12"},
        **sections,
    )


def timed(id: str, aval: float | None, cnsr: int, **more: Any) -> dict[str, Any]:
    """Return a row of ADTTE; the interval is that of an exactly dated event."""
    return {
        "STUDYID": "small",
        "USUBJID": id,
        "PARAMCD": "RELAPSE",
        "PARAM": "Time to relapse (days)",
        "STARTDT": "2024-01-01",
        "ADT": "2024-02-01",
        "AVAL": aval,
        "AVALU": "DAYS",
        "CNSR": cnsr,
        "EVNTDESC": _WORDS.get(cnsr, "Unknown"),
        "LEFTDY": aval,
        "RGHTDY": aval if cnsr == 0 else None,
        **more,
    }


def adtte(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return ADTTE."""
    columns = [column.name for column in ADTTE.columns]
    return conform(pd.DataFrame(list(rows), columns=columns), ADTTE)


def arms_of(**arms: list[Time]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ADSL and ADTTE of arms."""
    people = [subject(id, arm) for arm, own in arms.items() for id, _, _ in own]
    rows = [timed(*time) for own in arms.values() for time in own]
    return adsl(*people), adtte(*rows)


def baselines(adsl: pd.DataFrame) -> pd.DataFrame:
    """Return ADQS with a baseline of everybody, in no order."""
    ids = sorted(adsl["USUBJID"])
    return adqs(*(baseline(id, 30.0 + 7 * n % 5) for n, id in enumerate(ids)))


def run(
    spec: Study,
    subjects: pd.DataFrame,
    times: pd.DataFrame,
    records: pd.DataFrame | None = None,
) -> Results:
    """Do the first analysis of a study."""
    if records is None:
        records = baselines(subjects)
    found = results_of(spec, spec.analyses[0], subjects, records, times)
    return Results(found.frame())


def small(**analysis: Any) -> Results:
    """Analyse the two arms above."""
    return run(trial_of({**KEPT, **analysis}), *arms_of(ACT=ACTIVE, CTL=CONTROL))
