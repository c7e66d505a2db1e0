from __future__ import annotations

from pathlib import Path

import pytest

from outcomes.ard.accept import failed_analyses, write_accepted
from outcomes.ard.rows import ArdRows, read_ard, write_ard
from outcomes.datasets.results import ARD, KEY
from outcomes.errors import DataError


def rows(**more: object) -> ArdRows:
    defaults = {"study": "demo", "analysis": "primary", "prespecified": "Y"}
    return ArdRows(**{**defaults, **more})


def test_rows_have_the_defaults_of_every_view_above() -> None:
    ard = rows()
    week3 = ard.at(visit="WEEK3", time=22)
    week3.at(arm="A", term="lsmean").add("estimate", -1.5, n_subjects=7)
    ard.add("n", 3, term="screened")
    frame = ard.frame()
    assert list(frame.columns) == ARD.names
    assert len(ard) == len(frame) == 2
    row = frame[frame["statistic"] == "estimate"].iloc[0]
    assert (row["visit"], row["arm"], row["time"], row["value"]) == (
        "WEEK3",
        "A",
        22,
        -1.5,
    )
    assert frame[frame["statistic"] == "n"].iloc[0]["visit"] == ""


def test_written_results_read_back_the_same(tmp_path: Path) -> None:
    ard = rows()
    ard.add("estimate", 1 / 3, term="b", conf_level=0.95)
    ard.add("label", text="Age (years)", term="a")
    ard.fail("too few", term="c")
    write_ard(ard, tmp_path / "primary.parquet")
    back = read_ard(tmp_path / "primary.parquet")
    assert back["value"].tolist()[1] == 1 / 3
    assert back["error"].tolist() == ["", "", "too few"]
    assert not back.duplicated(list(KEY)).any()
    write_ard(ard, tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == (
        tmp_path / "primary.parquet"
    ).read_bytes()


def test_an_analysis_without_a_row_is_a_readable_file(tmp_path: Path) -> None:
    write_ard(rows(), tmp_path / "none.parquet")
    assert read_ard(tmp_path / "none.parquet").empty


def test_two_rows_of_one_key_are_refused() -> None:
    ard = rows()
    ard.add("n", 1, term="a")
    ard.add("n", 2, term="a")
    with pytest.raises(DataError, match="repeat a key"):
        ard.frame()


def test_a_visit_with_two_days_is_refused() -> None:
    ard = rows(visit="WEEK3", term="a")
    ard.add("n", 1, time=21)
    ard.add("mean", 2, time=22)
    with pytest.raises(DataError, match="WEEK3 has several planned days"):
        ard.frame()


def test_two_studies_in_one_table_are_refused() -> None:
    ard = rows()
    ard.add("n", 1)
    ard.add("n", 1, study="other")
    with pytest.raises(DataError, match="demo, other"):
        ard.frame()


def test_a_column_that_the_ard_has_not_is_a_mistake_of_the_programmer() -> None:
    with pytest.raises(TypeError, match="no column arms"):
        rows().add("n", 1, arms="A")


def test_a_folder_reads_as_one_table(tmp_path: Path) -> None:
    for id in ("one", "two"):
        ard = rows(analysis=id)
        ard.add("n", 1)
        write_ard(ard, tmp_path / "ard" / f"{id}.parquet")
    assert read_ard(tmp_path)["analysis"].tolist() == ["one", "two"]
    assert len(read_ard(tmp_path / "ard")) == 2


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.parquet file"):
        read_ard(tmp_path)


def test_failed_results_are_found_and_written(tmp_path: Path) -> None:
    ard = rows()
    ard.add("n", 1)
    ard.fail("singular", term="analysis")
    write_ard(ard, tmp_path / "primary.parquet")
    failed = failed_analyses([tmp_path / "primary.parquet"])
    assert failed[["analysis", "error"]].values.tolist() == [["primary", "singular"]]
    write_accepted(failed, tmp_path / "accepted.csv")
    text = (tmp_path / "accepted.csv").read_text(encoding="utf-8")
    assert text == (
        "analysis,result_id,error\nprimary,primary.term:analysis.estimate,singular\n"
    )
    write_accepted(failed_analyses([]), tmp_path / "none.csv")
    assert (tmp_path / "none.csv").read_text(encoding="utf-8").count("\n") == 1
