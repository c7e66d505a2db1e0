from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
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


def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    (tmp_path / "ard").mkdir()
    stale = tmp_path / "ard" / ".primary.parquet.abc.partial"
    stale.write_bytes(b"half")
    kept = tmp_path / "ard" / "primary.parquet"
    kept.write_bytes(b"whole")
    remove_partial(tmp_path)
    assert not stale.exists()
    assert kept.exists()
