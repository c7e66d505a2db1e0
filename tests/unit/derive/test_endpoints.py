from __future__ import annotations

from fractions import Fraction
from typing import Any

import pandas as pd
import pytest
from trials import (
    Frame,
    Note,
    derive,
    derive_records,
    dose,
    madrs,
    not_done,
    one,
    rules,
    sources,
    study,
    subject,
    tables,
)

from outcomes.datasets.sdtm import NOT_APPLICABLE
from outcomes.derive.endpoints import decide, exact, label_of
from outcomes.errors import SpecError
from outcomes.study.endpoints import ResponseEndpoint, StatusEndpoint, ThresholdEndpoint

NAN = float("nan")


def response(**rule: Any) -> ResponseEndpoint:
    return ResponseEndpoint.model_validate(
        {
            "kind": "response",
            "paramcd": "R",
            "instrument": "MADRS",
            "score": "total",
            **rule,
        }
    )


def threshold(**rule: Any) -> ThresholdEndpoint:
    return ThresholdEndpoint.model_validate(
        {
            "kind": "threshold",
            "paramcd": "T",
            "instrument": "MADRS",
            "score": "total",
            **rule,
        }
    )


def decided(endpoint: Any, *pairs: tuple[float, float]) -> list[float | None]:
    """Decide pairs of baseline and value; None is undecidable."""
    frame = pd.DataFrame(pairs, columns=["BASE", "AVAL"], dtype="float64")
    return [None if v != v else v for v in decide(endpoint, frame)]


@pytest.mark.parametrize(
    ("base", "strict", "highest"),
    [(31, False, 15), (30, False, 15), (30, True, 14), (31, True, 15), (1, False, 0)],
)
def test_half_of_baseline_is_decided_exactly(
    base: int, strict: bool, highest: int
) -> None:
    endpoint = response(reduction=50, strict=strict)
    pairs = [(base, value) for value in range(61)]
    expected = [float(value <= highest) for value in range(61)]
    assert decided(endpoint, *pairs) == expected


def test_every_whole_score_is_decided_as_integers_decide() -> None:
    for reduction in (10, 25, 30, 50, 75, 90, 100):
        pairs = [(base, value) for base in range(1, 61) for value in range(61)]
        expected = [
            float(100 * (base - value) >= reduction * base) for base, value in pairs
        ]
        assert decided(response(reduction=reduction), *pairs) == expected


def test_fractions_are_decided_as_fractions() -> None:
    # 10/9 of 18 is 20 and of 9 is 10; a third of a mean is no double.
    assert decided(response(reduction=50), (10 / 9 * 18, 10 / 9 * 9)) == [1.0]
    assert decided(response(reduction=70), (1.0, 0.3), (0.1, 0.03)) == [1.0, 1.0]
    assert decided(response(reduction=50, strict=True), (2 / 3, 1 / 3)) == [0.0]
    assert exact(100 * 91 / 150) == Fraction(182, 3)


def test_percent_of_no_baseline_cannot_be_decided() -> None:
    pairs = [(0, 0), (NAN, 3), (-2, -4), (20, NAN)]
    assert decided(response(reduction=50), *pairs) == [None] * 4


def test_points_are_decided_at_any_baseline() -> None:
    pairs = [(40, 30), (40, 31), (0, 0), (NAN, 3), (5, 0)]
    assert decided(response(points=10), *pairs) == [1, 0, 0, None, 0]
    assert decided(response(points=10, strict=True), *pairs[:2]) == [0, 0]


def test_thresholds_include_their_bound() -> None:
    pairs = [(NAN, 10), (NAN, 11), (NAN, 10.5), (30, NAN)]
    assert decided(threshold(at_most=10), *pairs) == [1, 0, 0, None]
    assert decided(threshold(at_least=10.5), *pairs) == [0, 1, 1, None]
    assert decided(threshold(at_most=0.1), (1, 0.1), (1, 0.2)) == [1, 0]
    assert decided(threshold(at_least=0), (1, 0), (1, -1)) == [1, 0]


def test_status_compares_a_yes_no() -> None:
    endpoint = StatusEndpoint(
        kind="status", paramcd="S", instrument="CAPS-5", score="diagnosis", equals="N"
    )
    frame = pd.DataFrame({"AVALC": ["N", "Y", ""]})
    values = decide(endpoint, frame).tolist()
    assert values[:2] == [1.0, 0.0]
    assert values[2] != values[2]


def run(*records: Any, **changes: Any) -> tuple[Frame, list[Note]]:
    """Return ADQS of subjects A (dosed) and B (randomised only)."""
    people = {"A": "HIGH", "B": "LOW", "S": "SCRNFAIL"}
    return derive_records(study(**changes), records, people, "A")


def test_decided_records_are_rows_and_all_else_is_filled_in() -> None:
    adqs, notes = run(
        madrs("A", "BASE", 31, "2024-03-09"),
        madrs("A", "WEEK1", 15, "2024-03-17"),
        madrs("A", "WEEK3", None, "2024-03-31"),
        madrs("B", "BASE", 30, "2024-03-04"),
        madrs("S", "BASE", 12, "2024-03-04"),
    )
    rows = adqs[adqs["PARAMCD"] == "MADRSRSP"]
    assert set(rows["USUBJID"]) == {"A", "B"}
    assert (rows["ANL01FL"] == "Y").all()
    observed = one(rows, DTYPE="")
    assert (observed["USUBJID"], observed["AVISIT"]) == ("A", "WEEK1")
    assert (observed["AVALC"], observed["AVAL"]) == ("Y", 1.0)
    assert (observed["SRCDOM"], observed["SRCGRP"]) == (
        "ADQS",
        "MADRS-A-WEEK1-2024-03-17",
    )
    filled = rows[rows["DTYPE"] == "NRI"]
    assert filled[["USUBJID", "AVISIT"]].to_numpy().tolist() == [
        ["A", "WEEK3"],
        ["B", "WEEK1"],
        ["B", "WEEK3"],
    ]
    assert set(filled["AVALC"]) == {"N"}
    assert set(filled["AVAL"]) == {0.0}
    assert set(filled["SRCGRP"]) == {""}
    assert filled["ADY"].isna().all()
    assert filled["AWTARGET"].tolist() == [22, 8, 22]
    assert "non-responder" in rules(notes)


def test_each_randomised_subject_has_one_row_per_visit_and_endpoint() -> None:
    adqs, _ = run(
        madrs("A", "BASE", 31, "2024-03-09"),
        madrs("A", "WEEK1", 15, "2024-03-17"),
        madrs("A", "WEEK1", 15, "2024-03-18"),
        madrs("A", "WEEK3", 15, "2024-03-31"),
    )
    rows = adqs[adqs["PARAMCD"].isin(["MADRSRSP", "MADRSREM"])]
    counts = rows.groupby(["PARAMCD", "USUBJID", "AVISIT"]).size()
    assert len(counts) == 2 * 2 * 2
    assert (counts == 1).all()


def test_a_percentage_of_baseline_0_is_filled_in_and_noted() -> None:
    adqs, notes = run(
        madrs("A", "BASE", 0, "2024-03-09"), madrs("A", "WEEK1", 0, "2024-03-17")
    )
    own = adqs[(adqs["USUBJID"] == "A") & (adqs["AVISIT"] == "WEEK1")]
    assert one(own, PARAMCD="MADRSRSP")["DTYPE"] == "NRI"
    assert one(own, PARAMCD="MADRSREM")["AVALC"] == "Y"
    undecidable = [n.message for n in notes if n.rule == "endpoint-undecidable"]
    assert undecidable == [
        "MADRSRSP: 1 analysed record after baseline cannot be decided (A)."
    ]


def test_a_visit_the_instrument_does_not_have_is_not_filled_in() -> None:
    adqs, _ = run(
        madrs("A", "BASE", 30, "2024-03-09"),
        madrs("A", "WEEK1", 15, "2024-03-17"),
        madrs("A", "UNSCHEDULED", 10, "2024-04-01"),
    )
    rows = adqs[adqs["PARAMCD"] == "MADRSRSP"]
    assert set(rows.loc[rows["DTYPE"] == "NRI", "AVISIT"]) == {"WEEK1"}
    adqs, _ = run(madrs("A", "BASE", 30, "2024-03-09"), not_done("A", "WEEK3"))
    rows = adqs[adqs["PARAMCD"] == "MADRSRSP"]
    assert set(rows["AVISIT"]) == {"WEEK3"}


CAPS = {1: 2, 6: 2, 8: 2, 9: 2, 15: 2, 16: 2, 22: 1, 23: 2}


def caps(id: str, visit: str, date: str, **changes: int | None) -> list[dict[str, Any]]:
    """Return a CAPS-5 that just meets the diagnosis (total 12), items changed."""
    items: dict[int, int | None] = {item: 0 for item in range(1, 31)}
    items.update(CAPS)
    items.update({int(name[1:]): value for name, value in changes.items()})
    return [
        {
            "USUBJID": id,
            "QSCAT": "CAPS-5",
            "QSGRPID": f"CAPS-{id}-{visit}",
            "QSTESTCD": f"CAPS5{item:02d}",
            "QSITEM": item,
            "QSSTRESN": value,
            "VISIT": visit,
            "QSDTC": date,
        }
        for item, value in items.items()
    ]


def test_remission_is_loss_of_diagnosis_and_a_low_total() -> None:
    qs = [
        {
            "file": "c.csv",
            "instrument": "CAPS-5",
            "items": "q{item}",
            "subject": "id",
            "visit": "visit",
        }
    ]
    endpoints = {
        "remission": {"kind": "all-of", "paramcd": "REM", "of": ["loss", "low"]},
        "response": {
            "kind": "response",
            "paramcd": "RSP",
            "instrument": "CAPS-5",
            "score": "total",
            "points": 10,
        },
        "loss": {
            "kind": "status",
            "paramcd": "LOSS",
            "instrument": "CAPS-5",
            "score": "diagnosis",
            "equals": "N",
        },
        "low": {
            "kind": "threshold",
            "paramcd": "LOW",
            "instrument": "CAPS-5",
            "score": "total",
            "at_most": 11,
        },
    }
    people = ["A", "B", "C", "D"]
    week1 = [
        caps("A", "WEEK1", "2024-03-17"),  # total 12, diagnosis
        caps("B", "WEEK1", "2024-03-17", q6=1),  # total 11, none
        caps("C", "WEEK1", "2024-03-17", q20=None, q6=0),  # no total, no diagnosis
        caps("D", "WEEK1", "2024-03-17", q20=None),  # no total, diagnosis
    ]
    sdtm = tables(
        dm=[subject(id) for id in people],
        ex=[dose(id) for id in people],
        qs=[
            *(caps(id, "BASE", "2024-03-09", q2=4, q3=4, q4=4) for id in people),
            *week1,
        ],
    )
    spec = study(sources=sources(qs=qs), endpoints=endpoints)
    _, adqs, _ = derive(spec, sdtm)
    at = adqs[adqs["AVISIT"] == "WEEK1"].set_index(["PARAMCD", "USUBJID"])

    def seen(code: str) -> list[tuple[str, str]]:
        rows = at.loc[code]
        return list(zip(rows["AVALC"], rows["DTYPE"], strict=True))

    assert seen("CAPSDX") == [("Y", ""), ("N", ""), ("N", ""), ("Y", "")]
    assert seen("LOSS") == [("N", ""), ("Y", ""), ("Y", ""), ("N", "")]
    assert seen("LOW") == [("N", ""), ("Y", ""), ("N", "NRI"), ("N", "NRI")]
    # C is undecidable (true and unknown), D is decided (false and unknown).
    assert seen("REM") == [("N", ""), ("Y", ""), ("N", "NRI"), ("N", "")]
    assert seen("RSP") == [("Y", ""), ("Y", ""), ("N", "NRI"), ("N", "NRI")]
    assert at.loc[("REM", "D"), "SRCGRP"] == "CAPS-D-WEEK1"
    assert at.loc[("REM", "D"), "PARCAT1"] == "CAPS-5"
    diagnosis = adqs[(adqs["PARAMCD"] == "CAPSDX") & (adqs["AVISIT"] == "BASE")]
    assert (diagnosis["ABLFL"] == "Y").all()
    assert (at.loc["CAPSDX", "BASE"] == 1.0).all()
    assert at.loc["CAPSDX", "CHG"].isna().all()


def test_an_item_that_does_not_apply_decides_where_a_skipped_one_does_not() -> None:
    qs = [
        {
            "file": "c.csv",
            "instrument": "CAPS-5",
            "items": "q{item}",
            "subject": "id",
            "visit": "visit",
        }
    ]
    endpoints = {"change": {"kind": "change", "instrument": "CAPS-5", "score": "total"}}
    # distress and social impairment are mild; work is what decides
    skipped = caps("A", "WEEK1", "2024-03-17", q23=1, q24=1, q25=None)
    without_work = caps("B", "WEEK1", "2024-03-17", q23=1, q24=1, q25=None)
    for row in without_work:
        if row["QSITEM"] == 25:
            row |= {"QSSTAT": "NOT DONE", "QSREASND": NOT_APPLICABLE}
    sdtm = tables(
        dm=[subject("A"), subject("B")],
        ex=[dose("A"), dose("B")],
        qs=[
            *caps("A", "BASE", "2024-03-09"),
            *caps("B", "BASE", "2024-03-09"),
            *skipped,
            *without_work,
        ],
    )
    spec = study(sources=sources(qs=qs), endpoints=endpoints)
    _, adqs, _ = derive(spec, sdtm)
    rows = adqs[(adqs["PARAMCD"] == "CAPSDX") & (adqs["AVISIT"] == "WEEK1")]
    assert dict(zip(rows["USUBJID"], rows["AVALC"], strict=True)) == {"A": "", "B": "N"}


def test_labels_say_what_was_asked_or_what_the_study_file_says() -> None:
    spec = study()
    assert label_of(spec, "response") == ("MADRS Total Score Reduced by at least 50 %")
    assert label_of(spec, "remission") == "MADRS Total Score of at most 10"


def test_a_code_that_is_a_score_is_refused() -> None:
    endpoints = study().model_dump()["endpoints"]
    endpoints["response"]["paramcd"] = "MADRSTOT"
    with pytest.raises(SpecError, match="'MADRSTOT' is a score of MADRS"):
        run(madrs("A", "BASE", 31, "2024-03-09"), endpoints=endpoints)
