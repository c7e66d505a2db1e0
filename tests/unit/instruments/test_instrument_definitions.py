"""The definitions say what the published instruments say."""

from __future__ import annotations

import re

import pytest

from outcomes.errors import SpecError
from outcomes.instruments.definition import Instrument
from outcomes.instruments.registry import instrument, instrument_ids

FACTORS = {
    "mystical": [4, 5, 6, 9, 14, 15, 16, 18, 20, 21, 23, 24, 25, 26, 28],
    "positive_mood": [2, 8, 12, 17, 27, 30],
    "transcendence": [1, 7, 11, 13, 19, 22],
    "ineffability": [3, 10, 29],
}
SOCQ = {
    "mystical": [9, 12, 14, 22, 35, 36, 41, 47, 54, 55, 69, 73, 74, 77, 83],
    "positive_mood": [5, 18, 30, 43, 80, 87],
    "transcendence": [2, 15, 29, 34, 48, 65],
    "ineffability": [6, 23, 86],
}


def a_definition(**changes: object) -> dict[str, object]:
    definition: dict[str, object] = {
        "id": "TINY",
        "title": "Tiny",
        "version": "1",
        "recall": "today",
        "direction": "higher-worse",
        "source": "none",
        "items": {
            1: {"min": 0, "max": 3, "testcd": "TINY01", "name": "one"},
            2: {"min": 0, "max": 3, "testcd": "TINY02", "name": "two"},
        },
        "scores": {
            "total": {
                "label": "Total",
                "paramcd": "TINYTOT",
                "method": "sum",
                "items": [1, 2],
            }
        },
    }
    return definition | changes


def test_the_four_instruments_are_known_by_their_ids() -> None:
    assert instrument_ids() == ["CAPS-5", "HAMD17", "MADRS", "MEQ30"]


def test_an_unknown_instrument_names_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"'CAPS5' is not known.*Did you mean 'CAPS-5'"):
        instrument("CAPS5")


@pytest.mark.parametrize(
    ("id", "score", "bounds"),
    [
        ("CAPS-5", "total", (0, 80)),
        ("CAPS-5", "b", (0, 20)),
        ("CAPS-5", "c", (0, 8)),
        ("CAPS-5", "d", (0, 28)),
        ("CAPS-5", "e", (0, 24)),
        ("CAPS-5", "dissociation", (0, 8)),
        ("MADRS", "total", (0, 60)),
        ("HAMD17", "total", (0, 52)),
        ("MEQ30", "total_percent", (0, 100)),
        ("MEQ30", "total_mean", (0, 5)),
        ("MEQ30", "ineffability", (0, 100)),
    ],
)
def test_scores_have_the_published_ranges(
    id: str, score: str, bounds: tuple[int, int]
) -> None:
    assert instrument(id).bounds(score) == bounds


def test_parameter_codes_are_those_of_the_documentation() -> None:
    codes = {
        id: [
            *(s.paramcd for s in instrument(id).scores.values()),
            *(d.paramcd for d in instrument(id).derived.values()),
        ]
        for id in instrument_ids()
    }
    assert codes == {
        "CAPS-5": [
            "CAPSTOT",
            "CAPSB",
            "CAPSC",
            "CAPSD",
            "CAPSE",
            "CAPSDIS",
            "CAPSDX",
            "CAPSDXDS",
        ],
        "HAMD17": ["HAMDTOT"],
        "MADRS": ["MADRSTOT"],
        "MEQ30": [
            "MEQMYST",
            "MEQPOS",
            "MEQTRAN",
            "MEQINEF",
            "MEQTOT",
            "MEQMEAN",
            "MEQCOMP",
        ],
    }


def test_parameter_and_item_codes_are_unique_over_all_instruments() -> None:
    codes: list[str] = []
    for id in instrument_ids():
        one = instrument(id)
        codes += [i.testcd for i in one.items.values()]
        codes += [s.paramcd for s in one.scores.values()]
        codes += [d.paramcd for d in one.derived.values()]
    assert len(codes) == len(set(codes))


def test_caps5_clusters_split_items_1_to_20() -> None:
    scores = instrument("CAPS-5").scores
    clusters = [n for key in "bcde" for n in scores[key].items]
    assert clusters == list(range(1, 21)) == scores["total"].items


def test_hamd17_items_have_the_published_ranges() -> None:
    items = instrument("HAMD17").items
    assert [n for n, item in items.items() if item.max == 4] == [
        *(1, 2, 3, 7, 8, 9, 10, 11, 15)
    ]
    assert [n for n, item in items.items() if item.max == 2] == [
        *(4, 5, 6, 12, 13, 14, 16, 17)
    ]


def test_meq30_factors_partition_the_thirty_items() -> None:
    scores = instrument("MEQ30").scores
    assert {name: scores[name].items for name in FACTORS} == FACTORS
    assert sorted(n for items in FACTORS.values() for n in items) == [*range(1, 31)]


def test_ranks_of_the_socq_numbers_are_the_meq30_numbers() -> None:
    order = instrument("MEQ30").orderings["socq100"]
    numbers = sorted(n for items in SOCQ.values() for n in items)
    assert len(set(numbers)) == 30
    assert order == {n: rank for rank, n in enumerate(numbers, start=1)}
    for factor, socq in SOCQ.items():
        assert [order[n] for n in socq] == FACTORS[factor]


def test_by_factor_lists_the_factors_one_after_the_other() -> None:
    order = instrument("MEQ30").orderings["by_factor"]
    own = [order[position] for position in range(1, 31)]
    assert [set(own[:15]), set(own[15:21]), set(own[21:27]), set(own[27:])] == [
        set(items) for items in FACTORS.values()
    ]


def test_standalone_is_the_instruments_own_order() -> None:
    meq = instrument("MEQ30")
    assert meq.positions("standalone") == meq.positions() == {n: n for n in meq.items}


def test_no_definition_holds_the_wording_of_an_item() -> None:
    for id in instrument_ids():
        for item in instrument(id).items.values():
            assert len(item.name) <= 40
            assert not re.search(r"[.?!]", item.name)


def test_items_of_follows_what_a_yes_no_requires() -> None:
    caps = instrument("CAPS-5")
    assert caps.items_of("c") == [6, 7]
    assert caps.items_of("dissociative")[-2:] == [29, 30]
    narrow = {"diagnosis": ["B", "C"]}
    assert caps.items_of("dissociative", narrow) == [1, 2, 3, 4, 5, 6, 7, 29, 30]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {
                "scores": {
                    "total": {
                        "label": "Total",
                        "paramcd": "T",
                        "method": "sum",
                        "items": [1, 9],
                    }
                }
            },
            r"TINY.total: items \[9\] are used but not defined",
        ),
        (
            {
                "scores": {
                    "total": {
                        "label": "Total",
                        "paramcd": "T",
                        "method": "sum",
                        "items": [1, 1],
                    }
                }
            },
            "TINY.total: an item stands twice",
        ),
        (
            {
                "scores": {
                    "total": {
                        "label": "Total",
                        "paramcd": "T",
                        "method": "sum",
                        "items": [1, 2],
                        "n_min": 3,
                    }
                }
            },
            "n_min 3 is not from 1 to 2",
        ),
        ({"orderings": {"other": {1: 1, 2: 1}}}, "ordering other does not name every"),
        (
            {
                "derived": {
                    "case": {
                        "label": "Case",
                        "paramcd": "TINYTOT",
                        "criteria": {"A": {"kind": "sum", "items": [1], "at_least": 1}},
                    }
                }
            },
            "a paramcd stands twice",
        ),
        (
            {
                "derived": {
                    "case": {
                        "label": "Case",
                        "paramcd": "CASE",
                        "requires": ["later"],
                        "criteria": {},
                    }
                }
            },
            "case requires later",
        ),
    ],
)
def test_a_definition_that_contradicts_itself_is_refused(
    changes: dict[str, object], message: str
) -> None:
    Instrument.model_validate(a_definition())
    with pytest.raises(SpecError, match=message):
        Instrument.model_validate(a_definition(**changes))
