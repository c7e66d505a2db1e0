from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcomes.errors import DataError
from outcomes.provenance.digests import digest, file_digest, seed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('aé\u2028"', max_size=4),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab", max_size=3), inner),
    max_leaves=8,
)


def test_a_digest_is_sha256_of_canonical_json() -> None:
    canonical = '{"a":[1,2.5,true,null],"b":"é"}'
    expected = hashlib.sha256(canonical.encode("utf-8")).hexdigest()
    assert digest({"b": "é", "a": (1, 2.5, True, None)}) == expected


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text("abc", max_size=3), JSON))
def test_the_order_of_keys_does_not_count(value: dict[str, object]) -> None:
    assert digest(dict(reversed(value.items()))) == digest(value)


def test_different_values_differ() -> None:
    values = [1, 1.0, True, "1", [1], [[1]], {"1": 1}, None, 0.1, 0.1 + 2**-56, [1, 2]]
    assert len({digest(value) for value in values}) == len(values)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"value\.model\[1\] is .*only finite"):
        digest({"model": [0.0, value]})


@pytest.mark.parametrize(
    "value", [Path("a"), date(2026, 1, 1), {1, 2}, b"x", object(), 1j]
)
def test_an_unknown_type_is_refused_with_its_place(value: object) -> None:
    kind = type(value).__name__
    with pytest.raises(TypeError, match=rf"value\.model\[0\] is a {kind}"):
        digest({"model": [value]})


@pytest.mark.parametrize("key", [1, None, True, 1.5])
def test_a_key_that_is_not_text_is_refused(key: object) -> None:
    with pytest.raises(TypeError, match="keys are text"):
        digest({key: 1})


def test_a_file_digest_is_of_the_bytes_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    content = b"a,b\r\n1,2\r\n" * 100_000
    path.write_bytes(content)
    assert file_digest(path) == hashlib.sha256(content).hexdigest()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.csv: there is no such file"):
        file_digest(tmp_path / "gone.csv")


def test_a_seed_is_the_first_63_bits_of_the_digest_of_its_parts() -> None:
    whole = hashlib.sha256(b'["psilocybin-trd","primary",0]').digest()
    assert seed("psilocybin-trd", "primary", 0) == int.from_bytes(whole[:8]) // 2


def test_seeds_keep_their_parts_apart() -> None:
    parts = [("a", "bc"), ("ab", "c"), ("abc",), ("a", "bc", 0), ("a", "bc", "0")]
    assert len({seed(*each) for each in parts}) == len(parts)


def test_a_seed_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one part"):
        seed()
