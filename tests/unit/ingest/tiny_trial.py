"""A tiny study whose raw files a test can break one line at a time."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from pandas import DataFrame
from pydantic import ValidationError

from outcomes.ingest import read_sources
from outcomes.study import Study, StudyFile, read_study

MADRS_ITEMS = ",".join(f"madrs_{n:02d}" for n in range(1, 11))
MEQ_ITEMS = ",".join(f"meq{n}" for n in range(1, 31))

SUBJECTS = """\
subject_id,arm,actual_arm,age,sex,randomised,region
001,PSI,PSI,34,F,2024-01-10,North
002,PBO,PBO,41,M,2024-01-11,South
003,SCRNFAIL,,29,F,,
"""
MADRS = f"""\
subject_id,visit,date,rater,not_done,{MADRS_ITEMS}
001,BASELINE,2024-01-14,R1,,3,3,3,3,3,3,3,3,3,0
001,WEEK3,2024-02-05,R2,,1,1,1,1,1,1,1,1,1,1
002,BASELINE,2024-01-15,R1,,4,4,4,4,4,4,4,4,4,4
002,WEEK3,2024-02-06,R1,Y,,,,,,,,,,
"""
MEQ = f"""\
subject_id,session,date,{MEQ_ITEMS}
001,1,2024-01-15,{",".join(["3"] * 29)},0
"""
DOSES = """\
subject_id,date,drug,dose,session
001,2024-01-15,PSILOCYBIN,25,1
"""

SPEC: dict[str, Any] = {
    "study": {
        "id": "tiny",
        "title": "Tiny",
        "compound": "psilocybin",
        "indication": "depression",
    },
    "arms": [
        {"id": "PSI", "label": "Psilocybin", "active": True},
        {"id": "PBO", "label": "Placebo", "control": True},
    ],
    "visits": [
        {"id": "BASELINE", "label": "Baseline", "day": -1, "baseline": True},
        {"id": "WEEK3", "label": "Week 3", "day": 22, "window": [19, 26]},
    ],
    "sources": {
        "dm": {
            "file": "raw/subjects.csv",
            "columns": {
                "USUBJID": "subject_id",
                "ARMCD": "arm",
                "ACTARMCD": "actual_arm",
                "AGE": "age",
                "SEX": "sex",
                "RANDDTC": "randomised",
            },
            "covariates": {"REGION": {"column": "region", "label": "Region"}},
            "strata": ["REGION"],
        },
        "ex": {
            "file": "raw/doses.csv",
            "columns": {
                "USUBJID": "subject_id",
                "EXSTDTC": "date",
                "EXTRT": "drug",
                "EXDOSE": "dose",
                "SESSION": "session",
            },
            "constants": {"EXDOSU": "mg"},
        },
        "qs": [
            {
                "file": "raw/madrs.csv",
                "instrument": "MADRS",
                "items": "madrs_{item:02d}",
                "subject": "subject_id",
                "visit": "visit",
                "date": "date",
                "rater": "rater",
                "not_done": "not_done",
            },
            {
                "file": "raw/meq.csv",
                "instrument": "MEQ30",
                "ordering": "standalone",
                "items": "meq{item}",
                "subject": "subject_id",
                "session": "session",
                "date": "date",
            },
        ],
    },
    "populations": {"FAS": "RANDFL == 'Y'"},
    "endpoints": {
        "madrs_change": {"kind": "change", "instrument": "MADRS", "score": "total"}
    },
    "analyses": [{"id": "flow", "question": "disposition", "population": "FAS"}],
}
RAW = {
    "raw/subjects.csv": SUBJECTS,
    "raw/doses.csv": DOSES,
    "raw/madrs.csv": MADRS,
    "raw/meq.csv": MEQ,
}


class Trial:
    """A folder with the study file and raw files; `write` makes the `StudyFile`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec = copy.deepcopy(SPEC)
        self.raw: dict[str, str | bytes | None] = dict(RAW)

    def source(self, name: str) -> dict[str, Any]:
        """Return an entry of ``sources``: dm, ex, madrs or meq."""
        sources = self.spec["sources"]
        position = {"madrs": 0, "meq": 1}
        entry: dict[str, Any] = (
            sources["qs"][position[name]] if name in position else sources[name]
        )
        return entry

    def replace(self, file: str, old: str, new: str) -> None:
        """Change one place of a raw file; the place must be there."""
        text = self.raw[f"raw/{file}.csv"]
        assert isinstance(text, str)
        assert old in text
        self.raw[f"raw/{file}.csv"] = text.replace(old, new, 1)

    def write(self) -> StudyFile:
        for name, content in self.raw.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif content is not None:
                path.write_text(content, encoding="utf-8", newline="")
        file = self.folder / "study.yaml"
        try:  # a valid study needs no file to be read, which takes most of the time
            return StudyFile(Study.model_validate(self.spec), file, self.folder)
        except ValidationError:
            pass
        file.write_text(yaml.safe_dump(self.spec, sort_keys=False), encoding="utf-8")
        study, _ = read_study(file)
        assert study is not None
        return study

    def read(self) -> tuple[dict[str, DataFrame], DataFrame]:
        return read_sources(self.write())

    def tables(self) -> dict[str, DataFrame]:
        """Return the tables; there must be no error."""
        tables, issues = self.read()
        assert issues.loc[issues["severity"] == "error", "message"].tolist() == []
        return tables

    def errors(self) -> list[dict[str, Any]]:
        tables, issues = self.read()
        assert tables == {}
        found: list[dict[str, Any]] = issues[issues["severity"] == "error"].to_dict(
            "records"
        )
        return found

    def error(self) -> dict[str, Any]:
        """Return the one error there is."""
        found = self.errors()
        assert len(found) == 1, [e["message"] for e in found]
        return found[0]

    def place(self) -> tuple[str, str, Any, str, str, str]:
        """Return rule, file, row, column, subject and value of the one error."""
        e = self.error()
        return e["rule"], e["file"], e["row"], e["column"], e["subject"], e["value"]
