"""Small trials made by hand: a study and SDTM frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import pandas as pd

from outcomes.datasets.sdtm import TABLES
from outcomes.datasets.store import conform
from outcomes.derive import derive_adqs, derive_adsl
from outcomes.derive.notes import Note
from outcomes.study import Study

Frame = pd.DataFrame

NO_YES_NO = {"c": {"kind": "change", "instrument": "MADRS", "score": "total"}}
"""Endpoints of a study that is not about yes/no endpoints."""
DOSE = "2024-03-10"
RANDOMISED = "2024-03-05"


def study(**changes: Any) -> Study:
    """Return a study of two arms and four visits; keys replace top-level sections."""
    content: dict[str, Any] = {
        "study": {"id": "t", "title": "T", "compound": "c", "indication": "i"},
        "arms": [
            {"id": "HIGH", "label": "Drug 25 mg", "active": True},
            {"id": "LOW", "label": "Drug 1 mg", "control": True},
        ],
        "visits": [
            {"id": "SCREEN", "label": "Screening", "day": -28, "window": [-42, -15]},
            {
                "id": "BASE",
                "label": "Baseline",
                "day": -1,
                "window": [-14, -1],
                "baseline": True,
            },
            {"id": "WEEK1", "label": "Week 1", "day": 8, "window": [5, 11]},
            {"id": "WEEK3", "label": "Week 3", "day": 22, "window": [19, 26]},
        ],
        "sources": {
            "dm": {
                "file": "dm.csv",
                "columns": {"USUBJID": "id", "ARMCD": "arm"},
                "covariates": {
                    "TRD": {"column": "trd", "label": "Resistant"},
                    "PRIOR": {"column": "prior", "label": "Uses", "kind": "number"},
                },
                "strata": ["SITEID", "TRD"],
            },
            "ex": {"file": "ex.csv", "columns": {}},
            "ds": {"file": "ds.csv", "columns": {}},
            "dv": {"file": "dv.csv", "columns": {}},
            "cm": {"file": "cm.csv", "columns": {}},
            "qs": [
                {
                    "file": "m.csv",
                    "instrument": "MADRS",
                    "items": "q{item}",
                    "subject": "id",
                    "visit": "visit",
                },
                {
                    "file": "e.csv",
                    "instrument": "MEQ30",
                    "items": "q{item}",
                    "subject": "id",
                    "session": "session",
                    "ordering": "standalone",
                },
            ],
        },
        "populations": {"FAS": "RANDFL == 'Y'"},
        "endpoints": {
            "change": {"kind": "change", "instrument": "MADRS", "score": "total"},
            "response": {
                "kind": "response",
                "paramcd": "MADRSRSP",
                "instrument": "MADRS",
                "score": "total",
                "reduction": 50,
            },
            "remission": {
                "kind": "threshold",
                "paramcd": "MADRSREM",
                "instrument": "MADRS",
                "score": "total",
                "at_most": 10,
            },
        },
        "analyses": [
            {"id": "d", "question": "disposition", "population": "FAS"},
        ],
    }
    content.update(changes)
    return Study.model_validate(content)


def sources(**changes: Any) -> dict[str, Any]:
    """Return the sources of `study` with some replaced (None takes one away)."""
    own = study().sources.model_dump()
    own = {key: value for key, value in own.items() if value is not None}
    own.update(changes)
    return {key: value for key, value in own.items() if value is not None}


def table(name: str, rows: Sequence[Mapping[str, Any]]) -> Frame:
    """Return an SDTM table of rows; study id and sequence numbers are filled in."""
    schema = TABLES[name]
    frame = pd.DataFrame(list(rows))
    if frame.empty:
        return conform(pd.DataFrame(columns=schema.names), schema)
    frame["STUDYID"] = "t"
    sequence = f"{name.upper()}SEQ"
    if schema.column(sequence) is not None and sequence not in frame.columns:
        frame[sequence] = frame.groupby("USUBJID").cumcount() + 1
    return conform(frame, schema)


def subject(id: str, arm: str = "HIGH", **values: Any) -> dict[str, Any]:
    randomised = {"RANDDTC": RANDOMISED} if arm != "SCRNFAIL" else {}
    start = {"SITEID": "S1", "RFICDTC": "2024-02-01"}
    return {"USUBJID": id, "ARMCD": arm, **start, **randomised, **values}


def dose(id: str, date: str = DOSE, session: int | None = 1) -> dict[str, Any]:
    return {"USUBJID": id, "EXTRT": "drug", "EXSTDTC": date, "SESSION": session}


def madrs(
    id: str, visit: str, total: int | None, date: str = "", **values: Any
) -> list[dict[str, Any]]:
    """Return the ten items of one administration; without a total item 1 is skipped."""
    spread = [3] * 10 if total is None else _spread(total, 10, 6)
    # An empty date cannot keep two administrations at one visit apart.
    group = f"MADRS-{id}-{visit}-{date}{values.pop('tag', '')}"
    rows = []
    for item, value in enumerate(spread, start=1):
        skipped = total is None and item == 1
        rows.append(
            {
                "USUBJID": id,
                "QSCAT": "MADRS",
                "QSGRPID": group,
                "QSTESTCD": f"MADRS{100 + item}",
                "QSITEM": item,
                "QSSTRESN": None if skipped else value,
                "QSSTAT": "NOT DONE" if skipped else "",
                "QSREASND": "ITEM SKIPPED" if skipped else "",
                "VISIT": visit,
                "QSDTC": date,
                **values,
            }
        )
    return rows


def not_done(id: str, visit: str) -> list[dict[str, Any]]:
    return [
        {
            "USUBJID": id,
            "QSCAT": "MADRS",
            "QSGRPID": f"MADRS-{id}-{visit}-ND",
            "QSTESTCD": "QSALL",
            "QSSTAT": "NOT DONE",
            "QSREASND": "INSTRUMENT NOT DONE",
            "VISIT": visit,
        }
    ]


def meq(id: str, session: int, value: int, date: str = DOSE) -> list[dict[str, Any]]:
    return [
        {
            "USUBJID": id,
            "QSCAT": "MEQ30",
            "QSGRPID": f"MEQ30-{id}-{session}-{date}",
            "QSTESTCD": f"MEQ30{item:02d}",
            "QSITEM": item,
            "QSSTRESN": value,
            "SESSION": session,
            "QSDTC": date,
        }
        for item in range(1, 31)
    ]


def _spread(total: int, items: int, highest: int) -> list[int]:
    full, rest = divmod(total, items)
    out = [full + (item < rest) for item in range(items)]
    assert sum(out) == total
    assert max(out) <= highest
    return out


def tables(**given: Sequence[Mapping[str, Any]]) -> dict[str, Frame]:
    """Return SDTM tables; a list of lists of rows (administrations) is flattened."""
    out = {}
    for name, entries in given.items():
        rows: list[Mapping[str, Any]] = []
        for entry in entries:
            rows += entry if isinstance(entry, list) else [entry]
        out[name] = table(name, rows)
    return out


def derive(spec: Study, sdtm: dict[str, Frame]) -> tuple[Frame, Frame, list[Note]]:
    """Return ADSL, ADQS and all notes."""
    adsl = derive_adsl(spec, sdtm)
    adqs = derive_adqs(spec, sdtm, adsl.frame)
    return adsl.frame, adqs.frame, [*adsl.notes, *adqs.notes]


@cache
def _adsl(people: tuple[tuple[str, str], ...], dosed: tuple[str, ...]) -> Frame:
    dm = [subject(id, arm) for id, arm in people]
    sdtm = tables(dm=dm, ex=[dose(id) for id in dosed])
    return derive_adsl(study(), sdtm).frame


def derive_records(
    spec: Study, records: Sequence[Any], people: Mapping[str, str], dosed: Sequence[str]
) -> tuple[Frame, list[Note]]:
    """Return ADQS and its notes of plain subjects (id to arm), some dosed on `DOSE`.

    ADSL is that of the default study, made once for the same people.
    """
    adsl = _adsl(tuple(people.items()), tuple(dosed))
    adqs = derive_adqs(spec, tables(qs=records), adsl)
    return adqs.frame, adqs.notes


def one(frame: Frame, **where: Any) -> dict[str, Any]:
    """Return the only row in which columns have values."""
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1, frame.to_string()
    return frame.iloc[0].to_dict()


def rules(notes: list[Note]) -> set[str]:
    return {note.rule for note in notes}
