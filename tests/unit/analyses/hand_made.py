"""Small trials made by hand: a study file as a dict, ADSL and ADQS as lists of rows."""

from __future__ import annotations

import copy
from typing import Any

import pandas as pd

from outcomes.analyses.run import results_of
from outcomes.datasets.adam import ADQS, ADSL
from outcomes.datasets.store import conform
from outcomes.study.check import problems_of
from outcomes.study.spec import Study

STUDY: dict[str, Any] = {
    "study": {
        "id": "small",
        "title": "A small trial",
        "compound": "psilocybin",
        "indication": "depression",
    },
    "arms": [
        {"id": "ACT", "label": "Active", "active": True},
        {"id": "CTL", "label": "Control", "control": True},
    ],
    "visits": [
        {"id": "BASELINE", "label": "Baseline", "day": -1, "baseline": True},
        {"id": "WEEK1", "label": "Week 1", "day": 8},
        {"id": "WEEK3", "label": "Week 3", "day": 22},
        {"id": "WEEK12", "label": "Week 12", "day": 85},
    ],
    "sources": {
        "dm": {"file": "dm.csv", "columns": {"USUBJID": "id", "ARMCD": "arm"}},
        "cm": {"file": "cm.csv", "columns": {"USUBJID": "id"}},
        "ex": {"file": "ex.csv", "columns": {"USUBJID": "id"}},
        "qs": [
            {
                "file": "madrs.csv",
                "instrument": "MADRS",
                "items": "m{item}",
                "subject": "id",
                "visit": "visit",
            },
            {
                "file": "meq.csv",
                "instrument": "MEQ30",
                "ordering": "standalone",
                "items": "q{item}",
                "subject": "id",
                "session": "session",
            },
        ],
    },
    "populations": {"FAS": "RANDFL == 'Y'", "SAF": "TRTFL == 'Y'"},
    "endpoints": {
        "change": {"kind": "change", "instrument": "MADRS", "score": "total"},
        "response": {
            "kind": "response",
            "paramcd": "RESP",
            "instrument": "MADRS",
            "score": "total",
            "reduction": 50,
        },
    },
    "estimands": [
        {
            "id": "policy",
            "endpoint": "change",
            "population": "FAS",
            "intercurrent_events": [
                {"event": "rescue", "strategy": "treatment-policy"}
            ],
        },
        {
            "id": "no-rescue",
            "endpoint": "change",
            "population": "FAS",
            "intercurrent_events": [{"event": "rescue", "strategy": "hypothetical"}],
        },
        {
            "id": "strict",
            "endpoint": "response",
            "population": "FAS",
            "intercurrent_events": [{"event": "rescue", "strategy": "composite"}],
        },
    ],
}


def study(*analyses: dict[str, Any], **sections: Any) -> Study:
    """Return the small study with these analyses; sections replace its own."""
    content = {**copy.deepcopy(STUDY), **sections, "analyses": list(analyses)}
    spec = Study.model_validate(content)
    assert problems_of(spec, Study.model_fields) == []
    return spec


def subject(id: str, arm: str = "ACT", **more: Any) -> dict[str, Any]:
    """Return a row of ADSL: a randomised, treated completer unless said otherwise."""
    return {
        "STUDYID": "small",
        "USUBJID": id,
        "ARMCD": arm,
        "TRT01P": arm,
        "TRT01A": arm,
        "EOSSTT": "COMPLETED",
        **{flag: "Y" for flag in ("RANDFL", "TRTFL", "COMPLFL", "FASFL", "SAFFL")},
        **more,
    }


def screen_failure(id: str, reason: str = "") -> dict[str, Any]:
    """Return a row of ADSL of somebody who was not randomised."""
    flags = dict.fromkeys(("RANDFL", "TRTFL", "COMPLFL", "FASFL", "SAFFL"), "N")
    more = {
        "TRT01P": "",
        "TRT01A": "",
        "EOSSTT": "",
        "SCRFREAS": reason,
        "SCRNFFL": "Y",
    }
    return subject(id, "SCRNFAIL", **{**flags, **more})


def record(
    id: str, visit: str, aval: float | None, base: float | None = None, **more: Any
) -> dict[str, Any]:
    """Return a row of ADQS: an analysed MADRS total."""
    row = {
        "STUDYID": "small",
        "USUBJID": id,
        "PARAMCD": "MADRSTOT",
        "PARAM": "MADRS Total Score",
        "PARCAT1": "MADRS",
        "AVISIT": visit,
        "AVAL": aval,
        "ANL01FL": "Y",
        **more,
    }
    if base is not None:
        row["BASE"] = base
        row["CHG"] = None if aval is None else aval - base
    return row


def baseline(id: str, aval: float) -> dict[str, Any]:
    """Return the baseline row of ADQS of a subject."""
    return record(id, "BASELINE", aval, ABLFL="Y", BASE=aval)


def answer(
    id: str, visit: str, yes: int | None, *, made: bool = False, rescued: bool = False
) -> dict[str, Any]:
    """Return a yes/no row of ADQS, observed or made by the rule for missing ones."""
    more = {"DTYPE": "NRI" if made else "", "ICE1FL": "Y" if rescued else ""}
    return {
        **record(id, visit, yes, **more),
        "PARAMCD": "RESP",
        "PARAM": "Response",
    }


def experience(id: str, score: float | None, session: int = 1, **more: Any) -> Any:
    """Return a row of ADQS of the MEQ30 total of a session."""
    return {
        **record(id, "", score, SESSION=session, **more),
        "PARAMCD": "MEQTOT",
        "PARAM": "MEQ30 Total",
        "PARCAT1": "MEQ30",
    }


def adsl(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return ADSL."""
    return conform(pd.DataFrame(list(rows)), ADSL)


def adqs(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return ADQS; rows are numbered by subject."""
    frame = pd.DataFrame(list(rows))
    frame["ASEQ"] = frame.groupby("USUBJID").cumcount() + 1
    return conform(frame, ADQS)


class Results:
    """The rows of one analysis, asked for by their key."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def rows(self, **key: Any) -> pd.DataFrame:
        """Return the rows with these columns."""
        keep = pd.Series(True, index=self.frame.index)
        for name, value in key.items():
            keep &= self.frame[name] == value
        return self.frame[keep]

    def one(self, term: str, statistic: str, **key: Any) -> Any:
        """Return the one row of a term and statistic; unnamed key columns are empty."""
        used = dict.fromkeys(("arm", "level", "comparator"), "")
        found = self.rows(term=term, statistic=statistic, **{**used, **key})
        assert len(found) == 1, f"{term} {statistic} {key}: {len(found)} rows"
        return found.iloc[0]

    def value(self, term: str, statistic: str, **key: Any) -> float:
        """Return the value of `one`."""
        return float(self.one(term, statistic, **key)["value"])


def run(spec: Study, subjects: pd.DataFrame, records: pd.DataFrame) -> Results:
    """Do the first analysis of a study."""
    return Results(results_of(spec, spec.analyses[0], subjects, records).frame())
