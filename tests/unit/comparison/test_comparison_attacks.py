"""What must not be compared in silence, and where a comparison must not write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from three_trials import write_all_results, write_trials

from outcomes.cli import main
from outcomes.comparison.kinds import kind_of_event
from outcomes.comparison.load import load_comparison
from outcomes.comparison.results import compared_results
from outcomes.errors import DataError


def test_the_results_of_a_study_are_never_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, results = write_trials(tmp_path / "data"), tmp_path / "results"
    write_all_results(results)
    kept = results / "short/tables/short.html"
    kept.parent.mkdir()
    kept.write_text("of the study", encoding="utf-8")
    words = ["across", str(file), "--results", str(results), "--out"]
    assert main([*words, str(results / "short")]) == 2
    assert "holds the results of a study (ard)" in capsys.readouterr().err
    assert kept.is_file()
    assert not (results / "short/report.html").exists()


@pytest.mark.parametrize(("key", "value"), [("conf_level", 0.9), ("population", "PPS")])
def test_results_of_an_earlier_study_file_are_not_called_what_it_says_now(
    tmp_path: Path, key: str, value: Any
) -> None:
    def change(content: dict[str, Any]) -> None:
        content["populations"] = {**content["populations"], "PPS": "RANDFL == 'Y'"}
        content["analyses"][0][key] = value

    write_all_results(tmp_path)
    (tmp_path / "data").mkdir()
    comparison = load_comparison(write_trials(tmp_path / "data", middle=change))
    with pytest.raises(DataError, match=f"another {key} .*run the study middle again"):
        compared_results(comparison, tmp_path)


def test_what_a_criterion_asks_for_is_part_of_its_kind(tmp_path: Path) -> None:
    def gained(content: dict[str, Any]) -> None:
        content["endpoints"]["kept"]["events"][0]["equals"] = "Y"

    def apart(content: dict[str, Any]) -> None:
        content["endpoints"]["kept"]["events"][0]["apart"] = [5, 15]  # of two

    plain = load_comparison(write_trials(tmp_path / "a"))
    other = load_comparison(write_trials(tmp_path / "b", long=gained, short=apart))
    alike = [
        kind_of_event(one) == kind_of_event(two)
        for one, two in zip(plain.members, other.members, strict=True)
    ]
    assert alike == [False, True, False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [x]\nb: [*a, *a]\n", "aliases"),
        ("comparison: !!python/object/apply:os.system [ls]\n", "tag"),
        ("comparison:\n  <<: {id: x, title: t}\n", "tag"),
        ("a: " + "[" * 60 + "]" * 60, "nested too deeply"),
        ("", "a comparison file is a list of sections"),
        ("- a\n", "a comparison file is a list of sections"),
    ],
)
def test_tricks_of_yaml_are_refused(
    tmp_path: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "durability.yaml"
    path.write_text(text, encoding="utf-8")
    folder = str(tmp_path)
    assert main(["across", str(path), "--results", folder, "--out", folder]) == 1
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
