from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from outcomes.datasets.adam import ADSL
from outcomes.datasets.results import ISSUES
from outcomes.datasets.schema import Schema, integer, number, text
from outcomes.datasets.store import (
    atomic,
    conform,
    read_csv,
    read_table,
    remove_partial,
    write_csv,
    write_table,
)
from outcomes.errors import DataError

THING = Schema(
    "thing",
    "Things",
    (
        text("NAME", "Name", required=True),
        integer("N", "Count"),
        number("X", "Value"),
        text("NOTE", "Note"),
    ),
    key=("NAME",),
)


def frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"NAME": ["b", "a"], **columns})


def test_a_table_comes_back_as_it_was_written_sorted_and_typed(tmp_path: Path) -> None:
    path = tmp_path / "thing.parquet"
    write_table(frame(N=[1, None], X=[0.1, np.nan], NOTE=["é", None]), path, THING)
    back = read_table(path, THING)
    assert back["NAME"].tolist() == ["a", "b"]
    assert back["N"].tolist() == [pd.NA, 1]
    assert back["X"].iloc[1] == 0.1
    assert np.isnan(back["X"].iloc[0])
    assert back["NOTE"].tolist() == ["", "é"]
    again = tmp_path / "again.parquet"
    write_table(back, again, THING)
    assert again.read_bytes() == path.read_bytes()


def test_the_order_of_rows_and_columns_does_not_matter(tmp_path: Path) -> None:
    one = frame(N=[1, 2], X=[1.5, 2.5])
    write_table(one, tmp_path / "one.parquet", THING)
    write_table(one.iloc[::-1, ::-1], tmp_path / "two.parquet", THING)
    first, second = ((tmp_path / f"{n}.parquet").read_bytes() for n in ("one", "two"))
    assert first == second


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"N": ["x", 1]}, "thing.N: not integer"),
        ({"N": [1.5, 1]}, "thing.N: not integer"),
        ({"X": ["1,5", 1]}, "thing.X: not number"),
        ({"NAME": ["a", ""]}, "thing.NAME is empty in 1 of 2 rows"),
        ({"NAME": ["a", "a"]}, "1 rows repeat a key"),
        ({"OTHER": [1, 2]}, "columns OTHER do not belong"),
    ],
)
def test_what_breaks_the_contract_is_named(
    columns: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        conform(frame(**columns), THING)


def test_an_open_table_takes_further_columns(tmp_path: Path) -> None:
    subjects = pd.DataFrame(
        {
            "STUDYID": "s",
            "USUBJID": ["1", "2"],
            "ARMCD": "A",
            "FASFL": ["Y", "N"],
            "BMI": [22.5, None],
        }
    )
    write_table(subjects, tmp_path / "adsl.parquet", ADSL)
    back = read_table(tmp_path / "adsl.parquet", ADSL)
    assert back["FASFL"].tolist() == ["Y", "N"]
    assert back["BMI"].iloc[0] == 22.5


def test_files_that_are_no_table_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "none.parquet", THING)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 this is none PAR1")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_table(tmp_path / "bad.parquet", THING)
    write_table(frame(), tmp_path / "thing.parquet", THING)
    with pytest.raises(DataError, match="columns USUBJID"):
        read_table(
            tmp_path / "thing.parquet",
            Schema("other", "Other", (text("USUBJID", "Subject"),), ("USUBJID",)),
        )


def test_text_that_looks_like_a_formula_is_defused_and_comes_back(
    tmp_path: Path,
) -> None:
    log = pd.DataFrame(
        {
            "stage": "ingest",
            "severity": "note",
            "rule": "r",
            "value": ["=1+1", "+x", "-3", "@a", "plain", "'quoted"],
            "message": "m",
        }
    )
    write_csv(log, tmp_path / "issues.csv", ISSUES)
    written = (tmp_path / "issues.csv").read_text("utf-8")
    assert ",=1+1" not in written
    assert "\r" not in written
    back = read_csv(tmp_path / "issues.csv", ISSUES)
    assert sorted(back["value"]) == sorted(log["value"])


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("before", encoding="utf-8")

    def write_half() -> None:
        with atomic(path) as stream:
            stream.write("half")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        write_half()
    assert path.read_text("utf-8") == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_leftovers_of_planned_files_alone_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "ard"
    folder.mkdir()
    stale = folder / ".primary.parquet.abc.partial"
    kept = [
        folder / "primary.parquet",
        folder / ".notes.partial",
        folder / ".primary.parquet.of.mine.partial",
        folder / ".other.parquet.abc.partial",
        tmp_path / ".primary.parquet.abc.partial",
    ]
    for path in (stale, *kept):
        path.write_bytes(b"x")
    remove_partial([folder / "primary.parquet", tmp_path / "absent" / "x.csv"])
    assert not stale.exists()
    assert all(path.exists() for path in kept)


def _table(path: Path, n: int = 400) -> None:
    names = [f"s{number:03d}" for number in range(n)]
    values = np.random.default_rng(5).normal(size=n)
    write_table(pd.DataFrame({"NAME": names, "X": values}), path, THING)


def test_a_damaged_byte_of_the_data_is_never_read(tmp_path: Path) -> None:
    path = tmp_path / "thing.parquet"
    _table(path)
    whole, expected = path.read_bytes(), read_table(path, THING)
    data = pq.read_metadata(path)
    columns = [data.row_group(0).column(k) for k in range(data.num_columns)]
    end = max(c.data_page_offset + c.total_compressed_size for c in columns)
    refused = []
    for place in range(4, min(end, len(whole)), 97):
        path.write_bytes(
            whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :]
        )
        try:
            back = read_table(path, THING)
        except DataError as problem:
            refused.append(str(problem))
        else:  # a bit that means nothing: a statistic in a page header
            pd.testing.assert_frame_equal(back, expected)
    assert len(refused) > 10
    assert all("thing.parquet" in message for message in refused)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": ["0", "1"]}, "column X holds"),
        ({"N": [True, False]}, "column N holds"),
        ({"N": [1.5, 2.0]}, "thing.N: not integer"),
        ({"NAME": ["a", "a"]}, "repeat a key"),
        ({"NAME": ["a", ""]}, "NAME is empty"),
    ],
)
def test_a_table_with_wrong_types_or_keys_is_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "thing.parquet"
    write_table(frame(N=[1, 2], X=[0.1, 0.2]), path, THING)
    pd.read_parquet(path).assign(**change).to_parquet(path)
    with pytest.raises(DataError, match=rf"thing\.parquet: .*{message}"):
        read_table(path, THING)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\xff" * 400])
def test_what_is_no_table_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "thing.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"thing\.parquet"):
        read_table(path, THING)
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(DataError, match=r"folder\.parquet"):
        read_table(tmp_path / "folder.parquet", THING)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"NAME,N,X,NOTE\na,1,2,x,y\n", "row 2: has 5 fields"),
        (b"NAME,N,X,NOTE\na,1,2\n", "row 2: has 3 fields"),
        (b"NAME,N,X,NOTE\n\xff,1,2,x\n", "cannot be read"),
        (b'NAME,N,X,NOTE\n"a,1,2,x\n', "cannot be read"),
        (b"NAME,N,X,NAME\na,1,2,x\n", "several columns"),
        (b"NAME,N\na,1\n", "columns X, NOTE are missing"),
        (b"NAME,N,X,NOTE\na,one,2,x\n", "not integer"),
    ],
)
def test_a_broken_csv_table_is_refused(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "thing.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"thing\.csv.*{message}"):
        read_csv(path, THING)
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match=r"thing\.csv"):
        read_csv(path, THING)
