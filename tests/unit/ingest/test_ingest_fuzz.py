"""Whatever the bytes of a raw file, the answer is tables or a list of problems."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_trial import RAW, Trial

from outcomes.datasets.sdtm import TABLES
from outcomes.ingest import read_sources
from outcomes.ingest.cells import iso_date, numbers_of
from outcomes.study import StudyFile

PIECES = st.sampled_from(
    [
        *(b",", b";", b"\t", b'"', b"\n", b"\r", b"\r\n", b"\0", b"\xff\xfe", b"\xfc"),
        *(b"001", b"PSI", b"2024-02-30", b"2.5", b"7", b"-1", b"1e400", b"NaN", b"NA"),
        *("\u200b".encode(), b"=1+1", b"\xef\xbb\xbf", b" ", b"WEEK3"),
    ]
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> StudyFile:
    return Trial(tmp_path_factory.mktemp("fuzz")).write()


def outcome(study: StudyFile, name: str, content: bytes) -> None:
    path = study.data_root / name
    original = path.read_bytes()
    path.write_bytes(content)
    try:
        tables, issues = read_sources(study)
    finally:
        path.write_bytes(original)
    errors = (issues["severity"] == "error").sum()
    assert bool(tables) == (errors == 0)
    for table, frame in tables.items():
        assert frame.columns.tolist() == TABLES[table].names


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=st.sampled_from(sorted(RAW)), content=st.binary(max_size=200))
def test_random_bytes(base: StudyFile, name: str, content: bytes) -> None:
    outcome(base, name, content)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_good_file_with_something_put_in(
    base: StudyFile, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(RAW)))
    content = RAW[name].encode()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        cut = data.draw(st.integers(0, 8))
        content = content[:at] + data.draw(PIECES) + content[at + cut :]
    outcome(base, name, content)


@given(st.text(max_size=30), st.sampled_from(".,"))
def test_a_number_is_read_as_python_reads_it_or_not_at_all(
    text: str, decimal: str
) -> None:
    import numpy as np

    value = numbers_of(np.array([text], dtype=object), decimal)[0]
    if not np.isnan(value):
        assert value == float(text.replace(decimal, "."))
        assert np.isfinite(value)


@given(st.dates(), st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d%b%Y"]))
def test_a_date_written_by_the_format_reads_back(day, written: str) -> None:  # type: ignore[no-untyped-def]
    if day.year >= 1000:  # strftime does not pad earlier years everywhere
        assert iso_date(day.strftime(written), written) == day.isoformat()
