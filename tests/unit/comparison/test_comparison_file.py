from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from three_trials import write_trials

from outcomes.comparison.load import load_comparison
from outcomes.errors import SpecError


def said(folder: Path, change: Callable[[dict[str, Any]], None], **studies: Any) -> str:
    with pytest.raises(SpecError) as raised:
        load_comparison(write_trials(folder, change, **studies))
    return str(raised.value)


def test_a_valid_file_gives_its_studies_in_order(tmp_path: Path) -> None:
    comparison = load_comparison(write_trials(tmp_path))
    assert [member.id for member in comparison.members] == ["long", "middle", "short"]
    assert comparison.spec.ordered_days == [7, 28, 84, 182, 364]
    first = comparison.members[0]
    assert first.ard == "long/ard/kept.parquet"
    assert first.population == "FAS"
    assert first.endpoint.parts == ["madrs_response"]


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["comparison"]["titel"] = "x"
        content["dais"] = [7]
        content["studies"][0]["analisis"] = "kept"
        content["studies"][1]["analysis"] = "flow"
        content["studies"][2]["analysis"] = "kep"
        content["studies"].append({"study": "gone/study.yaml", "analysis": "kept"})

    text = said(tmp_path, change)
    assert "6 problems in the comparison file" in text
    assert "comparison.titel: unknown key. Did you mean 'title'?" in text
    assert "dais: unknown key. Did you mean 'days'?" in text
    assert "analisis: unknown key. Did you mean 'analysis'?" in text
    assert "'flow' asks disposition, not time-to-event. Known: kept." in text
    assert "'kep' is not a time-to-event analysis of short. Known: kept." in text
    assert "Did you mean 'kept'?" in text
    assert "'gone/study.yaml' is no file" in text


def test_a_day_that_is_not_declared_says_which_to_add(tmp_path: Path) -> None:
    def shorter(content: dict[str, Any]) -> None:
        content["analyses"][0]["days"] = [7, 28, 84]

    text = said(tmp_path, lambda content: None, middle=shorter)
    assert "1 problem in the comparison file" in text
    assert "'kept' does not state survival at days 182, 364; add them to" in text
    assert "middle/study.yaml" in text


def test_a_study_stands_once_and_its_id_is_not_that_of_the_comparison(
    tmp_path: Path,
) -> None:
    def change(content: dict[str, Any]) -> None:
        content["studies"][1] = dict(content["studies"][0])
        content["comparison"]["id"] = "long"

    text = said(tmp_path, change)
    assert "the study 'long' stands 2 times; each study once." in text
    assert "comparison.id: 'long' is the id of a study, too" in text


def test_a_broken_study_is_explained_with_its_own_problems(tmp_path: Path) -> None:
    text = said(
        tmp_path,
        lambda content: None,
        short=lambda content: content["study"].update(compund="x"),
    )
    assert "entry 3 of studies" in text
    assert "Did you mean 'compound'?" in text


@pytest.mark.parametrize(
    "file",
    ["../elsewhere/study.yaml", "/elsewhere/study.yaml", "C:/study.yaml", "..\\x"],
)
def test_no_path_leaves_the_folder_of_the_file(tmp_path: Path, file: str) -> None:
    def change(content: dict[str, Any]) -> None:
        content["studies"][0]["study"] = file

    assert "leaves the folder of the comparison file" in said(tmp_path, change)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_no_link_leaves_the_folder_of_the_file(tmp_path: Path) -> None:
    write_trials(tmp_path / "outside")
    path = write_trials(tmp_path / "here")
    (path.parent / "long/study.yaml").unlink()
    (path.parent / "long/study.yaml").symlink_to(
        tmp_path / "outside" / "long/study.yaml"
    )
    with pytest.raises(SpecError, match="through a link"):
        load_comparison(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: c.update(days=[]), "days: list should have at least 1 item"),
        (lambda c: c.update(days=[7, 7]), "days: '7' stands 2 times; once only."),
        (lambda c: c.update(days=[0]), "greater than or equal to 1"),
        (lambda c: c.pop("studies"), "studies: is missing; every comparison"),
        (lambda c: c.update(studies=c["studies"][:1]), "is of two studies or more"),
        (lambda c: c.update(comparison="x"), "write comparison: {id: durability"),
        (lambda c: c["comparison"].update(id="A b"), "small letters, digits"),
    ],
)
def test_the_form_is_explained(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    assert sentence in said(tmp_path, change)


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "durability.yaml"
    with pytest.raises(SpecError, match=r"durability\.yaml: cannot be read"):
        load_comparison(path)
    path.write_text("comparison: *name\n", encoding="utf-8")
    with pytest.raises(SpecError, match="aliases"):
        load_comparison(path)
