from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes.ard.identifier import result_id
from outcomes.datasets.results import KEY

PRIMARY = {
    "study": "demo",
    "analysis": "primary",
    "endpoint": "madrs_change",
    "population": "FAS",
    "visit": "WEEK3",
    "time": 22.0,
    "arm": "PSI25",
    "comparator": "PSI1",
    "term": "difference",
    "statistic": "estimate",
}


def test_a_result_of_an_arm_at_a_visit_reads_like_a_sentence() -> None:
    expected = "primary.madrs_change.FAS.WEEK3.PSI25.vs.PSI1.difference.estimate"
    assert result_id(PRIMARY) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ({"population": "FAS", "term": "AGE"}, "a.population:FAS.term:AGE.n"),
        ({"arm": "FAS", "term": "AGE"}, "a.arm:FAS.term:AGE.n"),
        ({"level": "White, other"}, "a.level:White~2C~20other.n"),
        ({"level": "5 §"}, "a.level:5~20~C2~A7.n"),
        ({"conf_level": 0.95}, "a.conf_level:0_95.n"),
        ({"time": -14.0}, "a.time:-14.n"),
        ({"visit": "WEEK3", "time": 22.0}, "a.visit:WEEK3.n"),
    ],
)
def test_parts_without_all_usual_ones_carry_their_name(
    key: dict[str, object], expected: str
) -> None:
    assert result_id({"analysis": "a", "statistic": "n", **key}) == expected


texts = st.text(alphabet="aA0.:~-_ vs2é", max_size=4)
numbers = st.sampled_from([None, float("nan"), 0.0, 0.9, 0.95, 1.0, 22.0, -1.5, 1e-7])
keys = st.fixed_dictionaries(
    {name: numbers if name in ("time", "conf_level") else texts for name in KEY}
).filter(lambda key: key["analysis"] and key["statistic"])


def _meaning(key: dict[str, object]) -> tuple[object, ...]:
    """Return what of a key can differ in a study with one day per visit."""
    parts = []
    for name in KEY[1:]:
        value = key[name]
        if value is None or value != value or (name == "time" and key["visit"]):
            value = ""
        parts.append(value)
    return tuple(parts)


@given(one=keys, two=keys)
def test_two_keys_of_a_study_never_share_an_identifier(
    one: dict[str, object], two: dict[str, object]
) -> None:
    assert (result_id(one) == result_id(two)) == (_meaning(one) == _meaning(two))


def test_the_same_texts_in_other_places_give_another_identifier() -> None:
    places = ["endpoint", "population", "visit", "arm", "term", "level", "subgroup"]
    ids = set()
    for skipped in [*places, ""]:
        for second in places:
            key = {name: "X" for name in places if name not in (skipped, second)}
            ids.add((result_id({"analysis": "a", "statistic": "n", **key}), *key))
    assert len({id for id, *_ in ids}) == len(ids)


@given(key=keys)
def test_an_identifier_is_safe_in_a_url_and_in_html(key: dict[str, object]) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.:~-]+", result_id(key))
