from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

VALID: dict[str, Any] = {
    "study": {
        "id": "tiny",
        "title": "A tiny trial",
        "compound": "psilocybin",
        "indication": "depression",
        "synthetic": True,
    },
    "arms": [
        {"id": "ACT", "label": "Active", "active": True},
        {"id": "PBO", "label": "Placebo", "control": True},
    ],
    "visits": [
        {
            "id": "BASELINE",
            "label": "Baseline",
            "day": -1,
            "window": [-7, -1],
            "baseline": True,
        },
        {"id": "WEEK1", "label": "Week 1", "day": 8, "window": [5, 11]},
        {"id": "WEEK3", "label": "Week 3", "day": 22, "window": [19, 26]},
    ],
    "sources": {
        "dm": {
            "file": "subjects.csv",
            "columns": {
                "USUBJID": "subject",
                "ARMCD": "arm",
                "SITEID": "site",
                "AGE": "age",
            },
            "covariates": {"PRIORUSE": {"column": "prior", "label": "Prior use"}},
        },
        "ex": {
            "file": "doses.csv",
            "columns": {"USUBJID": "subject", "EXSTDTC": "date"},
        },
        "qs": [
            {
                "file": "madrs.csv",
                "instrument": "MADRS",
                "items": "madrs_{item:02d}",
                "subject": "subject",
                "visit": "visit",
                "date": "date",
            },
            {
                "file": "meq.csv",
                "instrument": "MEQ30",
                "ordering": "standalone",
                "items": "meq{item}",
                "subject": "subject",
                "session": "session",
                "date": "date",
            },
        ],
    },
    "populations": {"FAS": "RANDFL == 'Y'"},
    "endpoints": {
        "madrs_change": {"kind": "change", "instrument": "MADRS", "score": "total"},
        "madrs_response": {
            "kind": "response",
            "paramcd": "MADRSRSP",
            "instrument": "MADRS",
            "score": "total",
            "reduction": 50,
        },
    },
    "estimands": [{"id": "main", "endpoint": "madrs_change", "population": "FAS"}],
    "analyses": [
        {"id": "primary", "question": "change", "estimand": "main", "visit": "WEEK3"},
        {
            "id": "responders",
            "question": "responders",
            "endpoints": ["madrs_response"],
            "population": "FAS",
        },
    ],
}

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def study_file(tmp_path: Path) -> Callable[[Edit], Path]:
    """Write the valid study after an edit, and return its path."""

    def write(edit: Edit = lambda content: None) -> Path:
        content = copy.deepcopy(VALID)
        edit(content)
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return path

    return write
