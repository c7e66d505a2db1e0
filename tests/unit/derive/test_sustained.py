from __future__ import annotations

from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from trials import (
    derive,
    derive_records,
    dose,
    madrs,
    not_done,
    one,
    rules,
    study,
    subject,
    tables,
)

from outcomes.derive.endpoints import label_of
from outcomes.derive.sustained import Held, hold

Frame = pd.DataFrame
Seen = Literal["Y", "N", "-"]
"""What a visit shows; ``-`` where it was missed."""
NAN = float("nan")
NUMBER = {"Y": 1.0, "N": 0.0, "-": NAN}
LETTER = {1.0: "Y", 0.0: "N"}


def held(pattern: str, rescued_from: int = 99, **rule: Any) -> Held:
    found = np.array([[NUMBER[one] for one in pattern]])
    rescued = np.array([[visit >= rescued_from for visit in range(len(pattern))]])
    return hold(found, rescued, **rule)


def letters(found: Held) -> str:
    return "".join(LETTER.get(value, "?") for value in found.value[0])


def by_hand(
    pattern: str, rescued_from: int, missed: str, rescue: str, minimum: int | None
) -> str:
    """Decide a pattern visit by visit, as the methods page says it in words."""
    visits = list(pattern)
    if rescue == "failure":
        visits = ["N" if n >= rescued_from else v for n, v in enumerate(visits)]
    elif rescue == "missing":
        visits = ["-" if n >= rescued_from else v for n, v in enumerate(visits)]
    allowed = len(visits) - (minimum or 0)
    out, state = "", "Y"
    for number, visit in enumerate(visits):
        if visit == "-":
            if missed == "single":
                around = "".join(visits[number - 1 : number + 2]) if number else ""
                passes = around == "Y-Y" and allowed > 0
            else:
                passes = missed == "ignore" and number > 0 and allowed > 0
            if passes:
                allowed -= 1
            elif missed == "missing":
                state = "?" if state == "Y" else state
            else:
                state = "N"
        elif visit == "N":
            state = "N"
        out += state
    return out


MISSED = ("failure", "single", "ignore", "missing")
RESCUE = ("failure", "ignore", "missing")
RULES = [
    (missed, rescue, minimum)
    for missed in MISSED
    for rescue in RESCUE
    for minimum in ((None,) if missed in ("failure", "missing") else (None, 2, 3, 4))
]


@pytest.mark.parametrize(("missed", "rescue", "minimum"), RULES)
def test_every_pattern_of_four_visits_is_decided_as_by_hand(
    missed: str, rescue: str, minimum: int | None
) -> None:
    patterns = list(product("YN-", repeat=4))
    cases = [(p, start) for p in patterns for start in (0, 1, 2, 3, 99)]
    found = np.array([[NUMBER[one] for one in p] for p, _ in cases])
    rescued = np.array([[n >= start for n in range(4)] for _, start in cases])
    result = hold(found, rescued, missed=missed, rescue=rescue, minimum=minimum)
    for row, (pattern, start) in enumerate(cases):
        got = "".join(LETTER.get(value, "?") for value in result.value[row])
        wanted = by_hand("".join(pattern), start, missed, rescue, minimum)
        assert got == wanted, (pattern, start)


@pytest.mark.parametrize("missed", MISSED)
def test_without_a_missed_visit_and_rescue_every_rule_says_the_same(
    missed: str,
) -> None:
    for pattern in product("YN", repeat=4):
        first_no = pattern.index("N") if "N" in pattern else 4
        assert letters(held("".join(pattern), missed=missed)) == (
            "Y" * first_no + "N" * (4 - first_no)
        )


# The table of docs/methods/sustained.md: failure, single, ignore, missing.
TABLE = [
    ("YYYY", ("Y", "Y", "Y", "Y")),
    ("YNYY", ("N", "N", "N", "N")),
    ("Y-YY", ("N", "Y", "Y", "?")),
    ("Y--Y", ("N", "N", "Y", "?")),
    ("Y-Y-", ("N", "N", "Y", "?")),
    ("YYY-", ("N", "N", "Y", "?")),
    ("Y-NY", ("N", "N", "N", "N")),
    ("-YYY", ("N", "N", "N", "?")),
    ("----", ("N", "N", "N", "?")),
]


@pytest.mark.parametrize(("pattern", "values"), TABLE)
def test_the_published_truth_table_holds(pattern: str, values: tuple[str, ...]) -> None:
    got = tuple(letters(held(pattern, missed=rule))[-1] for rule in MISSED)
    assert got == values


def test_a_single_missed_visit_is_a_yes_already_at_that_visit() -> None:
    assert letters(held("Y-YY", missed="single")) == "YYYY"
    assert letters(held("Y-NY", missed="single")) == "YNNN"


def test_the_minimum_limits_how_many_missed_visits_are_passed_over() -> None:
    assert letters(held("Y-Y-Y", missed="single", minimum=4)) == "YYYNN"
    assert letters(held("Y---", missed="ignore", minimum=2)) == "YYYN"
    assert letters(held("Y---", missed="ignore")) == "YYYY"


def test_a_value_never_rises() -> None:
    for missed, rescue, minimum in RULES:
        for pattern in product("YN-", repeat=4):
            text = letters(
                held("".join(pattern), 2, missed=missed, rescue=rescue, minimum=minimum)
            )
            assert list(text) == sorted(text, key="Y?N".index), (pattern, text)


# --- in a trial -------------------------------------------------------------------

DATES = {"WEEK1": "2024-03-17", "WEEK3": "2024-03-31", "WEEK6": "2024-04-21"}
RESPONSE = {
    "kind": "response",
    "paramcd": "MADRSRSP",
    "instrument": "MADRS",
    "score": "total",
    "reduction": 50,
}


def trial(patterns: dict[str, str], **rule: Any) -> tuple[Frame, list[Any]]:
    """Derive a trial whose subjects show a pattern at WEEK1, WEEK3 and WEEK6."""
    visits = [visit.model_dump() for visit in study().visits]
    visits.append({"id": "WEEK6", "label": "Week 6", "day": 43, "window": [36, 50]})
    asked = {"from": "WEEK1", "to": "WEEK6"} if "visits" not in rule else {}
    content: dict[str, Any] = {"kind": "sustained", "paramcd": "SUS", "of": "response"}
    endpoints = {"sus": content | asked | rule, "response": RESPONSE}
    records = []
    for id, pattern in patterns.items():
        records.append(madrs(id, "BASE", 30, "2024-03-09"))
        for visit, seen in zip(DATES, pattern, strict=True):
            if seen == "-":
                records.append(not_done(id, visit))
            else:
                total = 10 if seen == "Y" else 25
                records.append(madrs(id, visit, total, DATES[visit]))
    spec = study(visits=visits, endpoints=endpoints)
    people = dict.fromkeys(patterns, "HIGH")
    adqs, notes = derive_records(spec, records, people, list(patterns))
    return adqs[adqs["PARAMCD"] == "SUS"], notes


def test_there_is_a_row_at_every_visit_and_it_joins_its_source() -> None:
    rows, _ = trial({"A": "YYN"})
    assert rows["AVISIT"].tolist() == ["WEEK1", "WEEK3", "WEEK6"]
    assert rows["AVALC"].tolist() == ["Y", "Y", "N"]
    assert rows["AVAL"].tolist() == [1.0, 1.0, 0.0]
    assert set(rows["DTYPE"]) == {""}
    assert set(rows["SRCDOM"]) == {"ADQS"}
    assert rows["SRCGRP"].tolist() == [
        f"MADRS-A-{visit}-{date}" for visit, date in DATES.items()
    ]
    assert set(rows["ANL01FL"]) == {"Y"}
    assert set(rows["PARCAT1"]) == {"MADRS"}
    assert rows["BASE"].isna().all()


def test_a_missed_visit_is_a_row_that_says_by_which_rule() -> None:
    rows, notes = trial({"A": "Y-Y", "B": "YYY"})
    own = rows[rows["USUBJID"] == "A"]
    assert own["AVALC"].tolist() == ["Y", "N", "N"]
    assert own["DTYPE"].tolist() == ["", "NRI", "NRI"]
    assert own["SRCDOM"].tolist() == ["ADQS", "ADSL", "ADQS"]
    assert own["SRCGRP"].tolist()[1] == ""
    gap = one(own, AVISIT="WEEK3")
    assert pd.isna(gap["ADY"])
    assert gap["ADT"] == gap["VISIT"] == ""
    assert gap["AWTARGET"] == 22
    assert gap["PARAM"] == one(own, AVISIT="WEEK1")["PARAM"]
    assert [note.message for note in notes if note.rule == "sustained-missed"] == [
        "SUS: 1 randomised subject with 1 visit missed from WEEK1 to WEEK6, of whom 1 "
        "no for that alone, 0 yes all the same, 0 undecided (A)."
    ]


def test_a_single_missed_visit_is_passed_over_and_marked() -> None:
    rows, notes = trial({"A": "Y-Y", "B": "Y--", "C": "Y-N"}, missed="single")
    own = rows[rows["USUBJID"] == "A"]
    assert own["AVALC"].tolist() == ["Y", "Y", "Y"]
    assert own["DTYPE"].tolist() == ["", "GAP", "GAP"]
    lost = rows[rows["USUBJID"] == "B"]
    assert lost["AVALC"].tolist() == ["Y", "N", "N"]
    assert lost["DTYPE"].tolist() == ["", "NRI", "NRI"]
    seen = rows[rows["USUBJID"] == "C"]
    assert seen["AVALC"].tolist() == ["Y", "N", "N"]
    assert seen["DTYPE"].tolist() == ["", "NRI", "GAP"]
    (message,) = [n.message for n in notes if n.rule == "sustained-missed"]
    assert "1 no for that alone, 1 yes all the same, 0 undecided" in message


@pytest.mark.parametrize(
    ("pattern", "values", "kinds"),
    [
        ("N-Y", "NNN", ["", "GAP", "GAP"]),
        ("-NY", "NNN", ["NRI", "GAP", "GAP"]),
        ("Y-N", "YNN", ["", "NRI", "GAP"]),
        ("YN-", "YNN", ["", "", "GAP"]),
        ("Y-Y", "YNN", ["", "NRI", "NRI"]),
        ("---", "NNN", ["NRI", "NRI", "NRI"]),
    ],
)
def test_an_observed_no_decides_whichever_visits_were_missed(
    pattern: str, values: str, kinds: list[str]
) -> None:
    rows, notes = trial({"A": pattern, "B": "YYY"})
    own = rows[rows["USUBJID"] == "A"]
    assert "".join(own["AVALC"]) == values
    assert own["DTYPE"].tolist() == kinds
    alone = int(kinds[-1] == "NRI")
    (message,) = [n.message for n in notes if n.rule == "sustained-missed"]
    assert f"{alone} no for that alone" in message


@pytest.mark.parametrize("rescue", RESCUE)
def test_observed_cases_are_what_is_known_without_a_rule_for_missed_visits(
    rescue: str,
) -> None:
    patterns = [p for p in product("YN-", repeat=4) for _ in range(5)]
    found = np.array([[NUMBER[one] for one in p] for p in patterns])
    rescued = np.array([[n >= i % 5 for n in range(4)] for i in range(len(patterns))])
    counting = hold(found, rescued, missed="failure", rescue=rescue)
    unknown = hold(found, rescued, missed="missing", rescue=rescue)
    observed = np.where(counting.counted, NAN, counting.value)
    np.testing.assert_array_equal(observed, unknown.value)
    assert not unknown.counted.any()
    assert counting.counted.any()


def test_what_is_undecided_has_no_row_and_an_observed_no_decides() -> None:
    rows, notes = trial({"A": "Y-Y", "B": "N-Y", "C": "Y-N"}, missed="missing")
    seen = {
        id: dict(zip(own["AVISIT"], own["AVALC"], strict=True))
        for id, own in rows.groupby("USUBJID")
    }
    assert seen == {
        "A": {"WEEK1": "Y"},
        "B": {"WEEK1": "N", "WEEK3": "N", "WEEK6": "N"},
        "C": {"WEEK1": "Y", "WEEK6": "N"},
    }
    assert one(rows, USUBJID="B", AVISIT="WEEK3")["DTYPE"] == "GAP"
    (message,) = [n.message for n in notes if n.rule == "sustained-missed"]
    assert "0 no for that alone, 0 yes all the same, 1 undecided (A, B, C)" in message


RESCUED = {"failure": ["Y", "N", "N"], "ignore": ["Y", "Y", "Y"]}


@pytest.mark.parametrize("rescue", ["failure", "ignore", "missing"])
def test_rescue_ends_what_is_sustained_unless_it_is_ignored(rescue: str) -> None:
    content = {"kind": "sustained", "paramcd": "SUS", "of": "response"}
    asked = {"visits": ["WEEK1", "WEEK3", "WEEK6"], "rescue": rescue}
    visits = [v.model_dump() for v in study().visits]
    spec = study(
        visits=[*visits, _LATE],
        endpoints={"response": RESPONSE, "sus": content | asked},
    )
    sdtm = tables(
        dm=[subject("A"), subject("B")],
        ex=[dose("A"), dose("B")],
        cm=[
            {"USUBJID": id, "CMCAT": "RESCUE", "CMSTDTC": DATES["WEEK3"]}
            for id in ("A", "B")
        ],
        qs=[
            *(madrs("A", visit, 10, date) for visit, date in DATES.items()),
            madrs("A", "BASE", 30, "2024-03-09"),
            madrs("B", "BASE", 30, "2024-03-09"),
            madrs("B", "WEEK1", 10, DATES["WEEK1"]),
        ],
    )
    _, adqs, notes = derive(spec, sdtm)
    rows = adqs[adqs["PARAMCD"] == "SUS"]
    own = rows[rows["USUBJID"] == "A"]
    if rescue == "missing":  # then by the rule for missed visits
        assert own["AVALC"].tolist() == ["Y", "N", "N"]
        assert own["DTYPE"].tolist() == ["", "NRI", "NRI"]
        assert own["ICE1FL"].tolist() == ["", "", ""]
    else:
        assert own["AVALC"].tolist() == RESCUED[rescue]
        assert set(own["DTYPE"]) == {""}
        assert own["ICE1FL"].tolist() == ["", "Y", "Y"]
    missed = rows[rows["USUBJID"] == "B"]
    assert missed["AVALC"].tolist() == ["Y", "N", "N"]
    # rescue that counts as no says so by itself
    by = "GAP" if rescue == "failure" else "NRI"
    assert missed["DTYPE"].tolist() == ["", by, by]
    told = [n.message for n in notes if n.rule == "sustained-rescue"]
    # week 3 is the day on which rescue began: on or after
    wanted = (
        "SUS: 1 randomised subject with a yes at 2 visits on or after rescue "
        "medication from WEEK1 to WEEK6 (A)."
    )
    assert told == ([] if rescue == "ignore" else [wanted])


def test_a_no_by_rescue_is_not_counted_as_one_of_a_missed_visit() -> None:
    found = held("Y--", rescued_from=1)
    assert letters(found) == "YNN"
    assert not found.counted.any()
    found = held("Y--", rescued_from=2)
    assert found.counted[0].tolist() == [False, True, False]


def test_a_prorated_score_marks_what_rests_on_it() -> None:
    visits = [v.model_dump() for v in study().visits]
    skipped = madrs("A", "WEEK1", None, DATES["WEEK1"])
    for row in skipped[1:]:
        row["QSSTRESN"] = 1
    content = {"kind": "sustained", "paramcd": "SUS", "of": "response"}
    spec = study(
        visits=visits,
        instruments={"MADRS": {"n_min": {"total": 9}}},
        endpoints={
            "response": RESPONSE,
            "sus": content | {"from": "WEEK1", "to": "WEEK3"},
        },
    )
    records = [
        madrs("A", "BASE", 30, "2024-03-09"),
        skipped,
        madrs("A", "WEEK3", 10, DATES["WEEK3"]),
    ]
    adqs, _ = derive_records(spec, records, {"A": "HIGH"}, ["A"])
    rows = adqs[adqs["PARAMCD"] == "SUS"]
    assert rows["AVALC"].tolist() == ["Y", "Y"]
    assert rows["DTYPE"].tolist() == ["PRORATED", "PRORATED"]


def test_named_visits_may_leave_some_out() -> None:
    rows, _ = trial({"A": "YNY"}, visits=["WEEK6", "WEEK1"])
    assert rows["AVISIT"].tolist() == ["WEEK1", "WEEK6"]
    assert rows["AVALC"].tolist() == ["Y", "Y"]


def test_a_visit_that_the_instrument_does_not_have_is_told() -> None:
    visits = [v.model_dump() for v in study().visits]
    content = {"kind": "sustained", "paramcd": "SUS", "of": "response"}

    def run(start: str, end: str, *seen: str) -> tuple[Frame, list[Any]]:
        endpoints = {
            "response": RESPONSE,
            "sus": content | {"from": start, "to": end},
        }
        spec = study(visits=[*visits, _LATE], endpoints=endpoints)
        records = [madrs("A", "BASE", 30, "2024-03-09")]
        records += [madrs("A", visit, 10, DATES[visit]) for visit in seen]
        adqs, notes = derive_records(spec, records, {"A": "HIGH"}, ["A"])
        return adqs[adqs["PARAMCD"] == "SUS"], notes

    rows, notes = run("WEEK1", "WEEK6", "WEEK1", "WEEK3")
    assert rows["AVISIT"].tolist() == ["WEEK1", "WEEK3"]
    (note,) = [n for n in notes if n.rule == "sustained-not-scheduled"]
    assert note.severity == "warning"
    assert "no administration at WEEK6" in note.message
    rows, notes = run("WEEK1", "WEEK3", "WEEK3")
    assert rows.empty
    (note,) = [n for n in notes if n.rule == "sustained-not-scheduled"]
    assert "has no rows" in note.remedy
    # a visit between the two that nobody has is none of the instrument's
    rows, notes = run("WEEK1", "WEEK6", "WEEK1", "WEEK6")
    assert rows["AVALC"].tolist() == ["Y", "Y"]
    assert "sustained-not-scheduled" not in rules(notes)


_LATE = {"id": "WEEK6", "label": "Week 6", "day": 43, "window": [36, 50]}


def test_the_label_says_what_and_where() -> None:
    base = {"kind": "sustained", "paramcd": "SUS", "of": "remission"}
    old = study().model_dump()["endpoints"]
    for asked, words in (
        ({"from": "WEEK1", "to": "WEEK3"}, "from Week 1 through Week 3"),
        ({"visits": ["WEEK1", "WEEK3"]}, "at Week 1, Week 3"),
    ):
        spec = study(endpoints=old | {"sus": base | asked})
        assert label_of(spec, "sus") == (
            f"MADRS Total Score of at most 10, Sustained {words}"
        )
