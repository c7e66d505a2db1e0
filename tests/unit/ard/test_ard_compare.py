from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from outcomes.ard.compare import compare, compare_files, compare_table, read_foreign
from outcomes.ard.rows import ArdRows, write_ard
from outcomes.errors import DataError


def table(*rows: tuple[str, float | None], **columns: object) -> pd.DataFrame:
    return collection(*rows, **columns).frame()


def collection(*rows: tuple[str, float | None], **columns: object) -> ArdRows:
    ard = ArdRows(study="demo", analysis="primary", prespecified="Y", term="t")
    for statistic, value in rows:
        ard.add(statistic, value, **columns)
    return ard


NAN = float("nan")
INF = float("inf")


@pytest.mark.parametrize(
    ("a", "b", "rel", "abs", "same"),
    [
        (1.0, 1.0, 0, 0, True),
        (1.0, 1.0 + 1e-7, 1e-6, 0, True),
        (1.0, 1.0 + 1e-5, 1e-6, 0, False),
        (1.0, 1.0 + 1e-5, 1e-6, 1e-4, True),
        (0.0, 1e-9, 1e-6, 0, False),
        (0.0, 1e-9, 1e-6, 1e-8, True),
        (0.0, -0.0, 0, 0, True),
        (NAN, NAN, 0, 0, True),
        (NAN, 1.0, 1, 1, False),
        (INF, INF, 0, 0, True),
        (INF, -INF, 1, 1, False),
        (INF, 1.0, 1, 1, False),
    ],
)
def test_values_agree_within_the_larger_tolerance(
    a: float, b: float, rel: float, abs: float, same: bool
) -> None:
    found = compare(table(("estimate", a)), table(("estimate", b)), rel=rel, abs=abs)
    assert found.empty == same
    back = compare(table(("estimate", b)), table(("estimate", a)), rel=rel, abs=abs)
    assert back.empty == same


def test_what_moved_is_named_with_both_values() -> None:
    found = compare(table(("estimate", 2.0)), table(("estimate", 1.0)))
    row = found.iloc[0]
    assert (row["difference"], row["a"], row["b"]) == ("value moved", "2.0", "1.0")
    assert (row["absolute"], row["relative"]) == (1.0, 0.5)


def test_rows_of_one_side_only_are_listed() -> None:
    one = table(("estimate", 2.0), ("df", 10.0))
    two = table(("estimate", 2.0), ("std_error", 1.0))
    found = compare(one, two)
    assert found[["statistic", "difference"]].values.tolist() == [
        ["df", "only in a"],
        ["std_error", "only in b"],
    ]


def test_a_text_a_warning_and_an_error_can_move() -> None:
    one = table(("covariance", None), text="us")
    two = table(("covariance", None), text="cs", warning="fell back", error="x")
    found = compare(one, two)
    assert found["difference"].tolist() == [
        "error moved",
        "text moved",
        "warning moved",
    ]


def test_another_wording_of_the_method_is_no_difference() -> None:
    one, two = table(("n", 1.0), method="0.1"), table(("n", 1.0), method="0.2")
    assert compare(one, two).empty


def test_another_programs_table_needs_only_the_columns_that_tell() -> None:
    ours = table(("estimate", -2.8018), ("df", 150.11), visit="V7")
    theirs = pd.DataFrame(
        {"visit": ["V7", "V7"], "statistic": ["estimate", "df"], "value": [-2.8, 151.0]}
    )
    found = compare_table(ours, theirs, rel=0, abs=0.01)
    assert found["statistic"].tolist() == ["df"]
    assert list(found.columns)[:2] == ["visit", "statistic"]


def test_a_row_that_fits_several_results_asks_for_a_column() -> None:
    ard = collection(("estimate", 1.0), arm="A")
    ard.add("estimate", 2.0, arm="B")
    theirs = pd.DataFrame({"statistic": ["estimate"], "value": [1.0]})
    with pytest.raises(DataError, match="add the column arm"):
        compare_table(ard.frame(), theirs)


def test_a_foreign_row_without_a_counterpart_is_a_difference() -> None:
    theirs = pd.DataFrame({"statistic": ["aic"], "value": [1.0]})
    found = compare_table(table(("estimate", 1.0)), theirs)
    assert found["difference"].tolist() == ["only in b"]


def test_files_and_folders_compare(tmp_path: Path) -> None:
    write_ard(collection(("n", 1.0)), tmp_path / "a" / "primary.parquet")
    write_ard(collection(("n", 1.0)), tmp_path / "b" / "primary.parquet")
    found, compared = compare_files(tmp_path / "a", tmp_path / "b")
    assert found.empty
    assert compared == 1
    csv = tmp_path / "sas.csv"
    csv.write_text("\ufeffterm,statistic,value\nt,n,2\n", encoding="utf-8")
    found, compared = compare_files(tmp_path / "a" / "primary.parquet", csv)
    assert found["difference"].tolist() == ["value moved"]
    assert list(found.columns) == [
        "term",
        "statistic",
        "difference",
        "a",
        "b",
        "absolute",
        "relative",
    ]


def test_nothing_to_compare_is_no_agreement(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_ard(collection(), tmp_path / name / "primary.parquet")
    with pytest.raises(DataError, match="nothing to compare"):
        compare_files(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("statistic,value\n", "no rows"),
        ("statistic,valu\nn,1\n", "Did you mean 'value'"),
        ("term,value\nt,1\n", "no column statistic"),
        ("statistic,value\nn,one\n", "row 2, column value: 'one'"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_foreign(path)


def test_an_empty_cell_of_a_foreign_table_is_no_value(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("term,statistic,value\nt,n,\n", encoding="utf-8")
    assert compare_table(table(("n", NAN)), read_foreign(path)).empty


@pytest.mark.parametrize("row", ["estimate,1.0,surplus", "estimate"])
def test_a_ragged_foreign_table_is_refused(row: str, tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(f"statistic,value\n{row}\n")
    with pytest.raises(DataError, match=r"theirs\.csv, row 2: has [13] fields"):
        read_foreign(path)
