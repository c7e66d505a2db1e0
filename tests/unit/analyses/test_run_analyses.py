from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hand_made import adqs, adsl, baseline, record, screen_failure, study, subject

from outcomes.analyses import run as running
from outcomes.analyses.registry import MODULES
from outcomes.ard.rows import ArdRows, read_ard
from outcomes.datasets.adam import ADQS, ADSL
from outcomes.datasets.store import empty, write_table
from outcomes.errors import ConvergenceFailure, DataError, ModelError, UsageError
from outcomes.study.analyses import AnyAnalysis
from outcomes.study.load import StudyFile

FLOW = {"id": "flow", "question": "disposition", "population": "FAS"}
MISSING = {"id": "gaps", "question": "missingness", "estimand": "policy"}


@pytest.fixture
def adam(tmp_path: Path) -> Path:
    people = adsl(subject("1"), subject("2", "CTL"), screen_failure("3"))
    rows = adqs(baseline("1", 30), record("1", "WEEK3", 10, 30), baseline("2", 31))
    write_table(people, tmp_path / "adam" / "adsl.parquet", ADSL)
    write_table(rows, tmp_path / "adam" / "adqs.parquet", ADQS)
    return tmp_path / "adam"


def study_file(*analyses: dict[str, object]) -> StudyFile:
    return StudyFile(study(*analyses), Path("study.yaml"), Path())


def test_each_analysis_gives_one_file(adam: Path, tmp_path: Path) -> None:
    running.run_analyses(
        study_file(FLOW, MISSING), ["flow", "gaps"], adam, tmp_path / "ard"
    )
    frame = read_ard(tmp_path / "ard")
    assert set(frame["analysis"]) == {"flow", "gaps"}
    assert set(frame["study"]) == {"small"}
    assert frame["result_id"].is_unique
    assert frame["method"].str.contains("outcomes 0.").all()


def test_results_are_the_same_bytes_twice(adam: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        running.run_analyses(study_file(MISSING), ["gaps"], adam, tmp_path / folder)
    one, two = (tmp_path / folder / "gaps.parquet" for folder in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_an_unknown_analysis_writes_nothing(adam: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'flow'"):
        running.run_analyses(
            study_file(FLOW, MISSING), ["gaps", "flo"], adam, tmp_path / "ard"
        )
    assert not (tmp_path / "ard").exists()


@pytest.mark.parametrize(
    "problem",
    [
        ModelError("no"),
        DataError("no"),
        ConvergenceFailure("no"),
        np.linalg.LinAlgError("no"),
    ],
)
def test_an_analysis_that_fails_is_one_row_and_takes_no_other_down(
    adam: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    def analyse(*parts: object) -> None:
        ard = parts[-1]
        assert isinstance(ard, ArdRows)
        ard.add("n", 1)
        raise problem

    monkeypatch.setattr("outcomes.analyses.disposition.analyse", analyse)
    running.run_analyses(
        study_file(FLOW, MISSING), ["flow", "gaps"], adam, tmp_path / "ard"
    )
    failed = read_ard(tmp_path / "ard" / "flow.parquet")
    assert len(failed) == 1
    assert failed["result_id"].item() == "flow.term:analysis.estimate"
    assert "no" in failed["error"].item()
    assert (read_ard(tmp_path / "ard" / "gaps.parquet")["error"] == "").all()


def test_a_mistake_of_the_programmer_is_not_swallowed(
    adam: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def analyse(*parts: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("outcomes.analyses.disposition.analyse", analyse)
    with pytest.raises(KeyError):
        running.run_analyses(study_file(FLOW), ["flow"], adam, tmp_path / "ard")


def test_every_question_of_the_study_file_has_a_module() -> None:
    union = get_args(get_args(AnyAnalysis)[0])
    questions = {
        get_args(kind.model_fields["question"].annotation)[0] for kind in union
    }
    assert questions == set(MODULES)
    for module in MODULES.values():
        assert callable(import_module(module).analyse)


def test_the_registry_and_rounding_import_nothing_heavy() -> None:
    names = ["outcomes.analyses.registry", "outcomes.ard.rounding"]
    code = (
        f"import sys\nfor name in {names}: __import__(name)\n"
        "heavy = {'pandas', 'numpy', 'scipy', 'statsmodels', 'pingouin', 'pyarrow'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_datasets_of_another_study_are_refused(adam: Path, tmp_path: Path) -> None:
    people = adsl(subject("1"), subject("2", "CTL"), screen_failure("3"))
    write_table(people.assign(STUDYID="other"), adam / "adsl.parquet", ADSL)
    with pytest.raises(
        DataError, match=r"adsl\.parquet: STUDYID is other, .* of small"
    ):
        running.run_analyses(study_file(FLOW), ["flow"], adam, tmp_path / "ard")
    assert not (tmp_path / "ard").exists()


def test_records_of_nobody_in_adsl_are_refused(adam: Path, tmp_path: Path) -> None:
    write_table(adsl(subject("2", "CTL")), adam / "adsl.parquet", ADSL)
    with pytest.raises(DataError, match=r"1 subjects are not in adsl \(1\)"):
        running.run_analyses(study_file(FLOW), ["flow"], adam, tmp_path / "ard")


@pytest.mark.parametrize("name", ["adsl", "adqs"])
def test_a_dataset_without_rows_is_refused(
    adam: Path, tmp_path: Path, name: str
) -> None:
    schema = {"adsl": ADSL, "adqs": ADQS}[name]
    write_table(empty(schema), adam / f"{name}.parquet", schema)
    with pytest.raises(DataError, match=rf"{name}\.parquet: no row"):
        running.run_analyses(study_file(FLOW), ["flow"], adam, tmp_path / "ard")


@pytest.mark.parametrize("times", [0, 2])
def test_rows_that_are_no_table_fail_their_analysis_alone(
    adam: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    def analyse(*parts: object) -> None:
        ard = parts[-1]
        assert isinstance(ard, ArdRows)
        for _ in range(times):
            ard.add("n", 1, term="screened")

    monkeypatch.setattr("outcomes.analyses.disposition.analyse", analyse)
    running.run_analyses(
        study_file(FLOW, MISSING), ["flow", "gaps"], adam, tmp_path / "ard"
    )
    failed = read_ard(tmp_path / "ard" / "flow.parquet")
    assert failed["result_id"].tolist() == ["flow.term:analysis.estimate"]
    reason = "repeat a key" if times else "no result at all"
    assert reason in failed["error"].item()
    assert len(read_ard(tmp_path / "ard" / "gaps.parquet")) > 1
