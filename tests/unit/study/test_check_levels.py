from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from outcomes.findings import examine
from outcomes.study import load_study
from outcomes.study.check_levels import lone_levels
from shared import ROOT

Write = Callable[..., Path]
SITES = ["01", "01", "02", "02"]


def found(
    study_file: Write,
    random: dict[str, str],
    *,
    accepted: bool = False,
    **columns: Any,
) -> list[tuple[str, str, bool]]:
    """Return what is told of four subjects of FAS and one who is not in it."""

    def edit(content: dict[str, Any]) -> None:
        members = {"THERAPID": "lead", "THERAP2": "second"}
        content["sources"]["dm"]["covariates"] |= {
            name: {"column": column, "label": column, "kind": "text"}
            for name, column in members.items()
        }
        model = {"kind": "lmm", "random": random}
        content["analyses"][0] |= {"model": model, "accept_error": accepted}

    usual = {"SITEID": SITES, "THERAPID": ["A", "B", "A", "B"], "THERAP2": ["C"] * 4}
    values = {name: [*given, "Z"] for name, given in (usual | columns).items()}
    adsl = pd.DataFrame({"FASFL": [*"YYYY", "N"], **values})
    return list(lone_levels(load_study(study_file(edit)).spec, adsl))


def test_levels_with_several_subjects_are_nothing_to_tell(study_file: Write) -> None:
    assert found(study_file, {"SITEID": "1", "THERAPID": "1"}) == []
    assert found(study_file, {"mm(THERAPID, THERAP2)": "1"}) == []
    assert found(study_file, {"USUBJID": "1 + WEEK"}) == []
    # another effect than that of the subject, so that both can be told apart
    own = {"THERAPID": [*"ABCD"]}
    assert found(study_file, {"THERAPID": "0 + WEEK"}, **own) == []


ONE = "the one level '01', where a variance between levels needs two,"
OWN = "a level of its own for every subject, which the subject has already,"


@pytest.mark.parametrize(
    ("random", "columns", "name", "problem"),
    [
        ("SITEID", {"SITEID": ["01"] * 4}, "SITEID", ONE),
        ("SITEID", {"SITEID": ["01", "01", "", ""]}, "SITEID", ONE),
        ("SITEID/THERAPID", {"SITEID": ["01"] * 4}, "SITEID", ONE),
        ("SITEID", {"SITEID": [""] * 4}, "SITEID", "no value"),
        ("THERAPID", {"THERAPID": [*"ABCD"]}, "THERAPID", OWN),
        ("SITEID:THERAPID", {}, "SITEID:THERAPID", OWN),
        ("SITEID/THERAPID", {}, "SITEID:THERAPID", OWN),
        (
            "mm(THERAPID, THERAP2)",
            {"THERAPID": [*"CCCC"]},
            "mm(THERAPID, THERAP2)",
            "the one level 'C', where",
        ),
    ],
)
def test_one_level_or_one_for_every_subject_is_told(
    study_file: Write, random: str, columns: dict[str, Any], name: str, problem: str
) -> None:
    ((key, message, accepted),) = found(study_file, {random: "1"}, **columns)
    assert key == "analyses.primary.model.random"
    assert message.startswith(f"{name} has {problem}")
    assert "in population FAS; leave it out." in message
    assert not accepted


def test_a_study_may_accept_that_the_analysis_cannot_be_done(study_file: Write) -> None:
    one = {"SITEID": ["01"] * 4}
    ((_, _, accepted),) = found(study_file, {"SITEID": "1"}, accepted=True, **one)
    assert accepted


def test_check_tells_it_of_an_embedded_trial(tmp_path: Path) -> None:
    folder = ROOT / "data" / "mdma-ptsd"
    before = (folder / "study.yaml").read_text("utf-8")
    wish = 'random: {SITEID: "1", THERAPID: "1"}'
    assert before.count(wish) == 2
    path = tmp_path / "study.yaml"
    path.write_text(before.replace(wish, 'random: {TRTFL: "1"}'), encoding="utf-8")
    told = [
        (one["key"], one["message"])
        for one in examine(path, folder).found
        if one.get("severity") == "error"
    ]
    assert [key for key, _ in told] == [
        "analyses.therapist-adjusted.model.random",
        "analyses.therapists.model.random",
    ]
    assert all("TRTFL has the one level 'Y'" in message for _, message in told)
