from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outcomes.errors import SpecError
from outcomes.study import load_study, read_study
from outcomes.study.schema import schema_text
from shared import ROOT

Write = Callable[..., Path]
Content = dict[str, Any]


def test_a_valid_study_loads_and_knows_its_control(study_file: Write) -> None:
    study = load_study(study_file())
    assert study.spec.control is not None
    assert study.spec.control.id == "PBO"
    assert study.spec.baseline_visit.id == "BASELINE"


def _set(path: str, value: Any) -> Callable[[Content], None]:
    def edit(content: Content) -> None:
        node: Any = content
        *parents, last = path.split(".")
        for part in parents:
            node = node[int(part) if part.isdigit() else part]
        if last.isdigit():
            node[int(last)] = value
        else:
            node[last] = value

    return edit


BAD = [
    ("study.compund", "x", "study.compund", "unknown key. Did you mean 'compound'?"),
    ("analyses.0.vist", "WEEK3", "analyses.primary.vist", "Did you mean 'visit'?"),
    ("arms.0.control", True, "arms", "two controls (ACT, PBO)"),
    ("arms.1.control", False, "arms", "no arm is marked 'control: true'"),
    ("visits.1.window", [5, 20], "visits", "overlap"),
    ("visits.1.window", [11, 5], "visits.WEEK1", "ends before it begins"),
    ("visits.1.window", [9, 11], "visits.WEEK1", "outside its window"),
    ("visits.1.day", 0, "visits.WEEK1", "day 0 does not exist"),
    ("visits.2.day", 8, "visits.WEEK3", "does not come after"),
    ("visits.2.baseline", True, "visits", "two baselines"),
    ("sources.qs.0.visit", None, "sources.qs.1", "names no visit"),
    ("sources.qs.0.items", "madrs", "sources.qs.1.items", "match pattern"),
    ("sources.qs.0.items", "{item.__class__}", "sources.qs.1.items", "pattern"),
    ("sources.qs.0.items", "{item:0999999999d}", "sources.qs.1.items", "pattern"),
    ("sources.qs.0.instrument", "MADRAS", "sources.qs.1.instrument", "MADRS"),
    ("sources.qs.1.ordering", None, "sources.qs.2.ordering", "several orders"),
    ("sources.qs.1.ordering", "standalne", "sources.qs.2.ordering", "standalone"),
    ("sources.dm.columns", {"USUBJID": "s"}, "sources.dm.columns", "ARMCD is missing"),
    ("sources.dm.strata", ["REGION"], "sources.dm.strata", "REGION"),
    ("populations.FAS", "__import__('os')", "populations.FAS", "not allowed"),
    ("populations.FAS", "RANDFL.x == 'Y'", "populations.FAS", "not allowed"),
    ("populations.FAS", "RANDFLAG == 'Y'", "populations.FAS", "'RANDFL'"),
    ("populations.FAS", "AGE > 'x'", "populations.FAS", "AGE is a number"),
    ("populations.FAS", "RANDFL ==", "populations.FAS", "cannot be read"),
    ("populations.FAS", "not " * 600 + "AGE > 1", "populations.FAS", "at most 400"),
    ("populations.RAND", "AGE > 18", "populations.RAND", "RANDFL is a standard"),
    ("estimands.0.population", "ITT", "estimands.main", "'ITT' is not a population"),
    ("estimands.0.endpoint", "madrs_chng", "estimands.main", "'madrs_change'"),
    ("analyses.0.visit", "WEEK4", "analyses.primary", "'WEEK4' is not a visit"),
    ("analyses.0.visit", "BASELINE", "analyses.primary", "is the baseline"),
    ("analyses.0.estimand", None, "analyses.primary", "needs either an estimand"),
    ("analyses.0.population", "FAS", "analyses.primary", "from the estimand"),
    ("analyses.0.id", "responders", "analyses", "stands 2 times"),
    ("analyses.0.id", "../up", "analyses.../up.id", "pattern"),
    ("analyses.0.model", {"covariates": ["BSAE"]}, "analyses.primary.model", "BASE"),
    (
        "analyses.0.model",
        {"method": "ml", "df": "kenward-roger"},
        "analyses.primary.model.df",
        "needs method: reml",
    ),
    (
        "analyses.0.model",
        {"covariance": "unstructured"},
        "analyses.primary.model.covariance",
        "is not known",
    ),
    ("analyses.1.endpoints", ["madrs_change"], "analyses.responders", "is a change"),
    ("analyses.1.population", None, "analyses.responders", "needs a population"),
    ("endpoints.madrs_response.points", 10, "endpoints.madrs_response", "either"),
    ("endpoints.madrs_response.score", "sum", "endpoints.madrs_response", "total"),
    ("endpoints.madrs_response.paramcd", "MADRSTOT", "endpoints", "2 parameters"),
]


@pytest.mark.parametrize(("path", "value", "where", "message"), BAD)
def test_each_mistake_is_named_with_its_place(
    study_file: Write, path: str, value: Any, where: str, message: str
) -> None:
    _, problems = read_study(study_file(_set(path, value)))
    assert any(
        problem.where.startswith(where) and message in problem.message
        for problem in problems
    ), [str(problem) for problem in problems]


def test_all_problems_are_reported_at_once(study_file: Write) -> None:
    def edit(content: Content) -> None:
        content["study"]["colour"] = "blue"
        content["analyses"][0]["visit"] = 3
        del content["arms"]

    with pytest.raises(SpecError) as raised:
        load_study(study_file(edit))
    text = str(raised.value)
    assert "3 problems" in text
    for where in ("study.colour", "analyses.primary.visit", "arms"):
        assert where in text


def test_a_broken_analysis_leaves_the_data_checkable(study_file: Write) -> None:
    study, problems = read_study(study_file(_set("analyses.0.visit", 3)))
    assert problems
    assert study is not None
    assert [arm.id for arm in study.spec.arms] == ["ACT", "PBO"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("study: {id: a}\nstudy: {id: b}\n", "the key 'study' stands twice"),
        ("a: &x 1\nb: *x\n", "aliases"),
        ("a: [1,\n", "line 2"),
        ("- 1\n", "list of sections"),
        ("1: x\n", "not text"),
        ("a: !!python/object/apply:os.system ['true']\n", "could not determine"),
        ("[" * 50_000, "nested too deeply"),
    ],
)
def test_yaml_that_would_mislead_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    study, problems = read_study(path)
    assert study is None
    assert message in str(problems[0])


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(b"study: \xff\xfe")
    assert "not UTF-8" in str(read_study(path)[1][0])
    path.write_bytes(b"study: \x00")
    assert read_study(path)[0] is None


def test_an_absent_study_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        load_study(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "file", ["../x.csv", "/etc/passwd", "a/../../x", "..\\x", "C:\\x", "\\x"]
)
def test_raw_files_stay_in_the_data_root(study_file: Write, file: str) -> None:
    study = load_study(study_file())
    with pytest.raises(SpecError, match="leaves the data root"):
        study.raw(file)


def test_a_link_out_of_the_data_root_is_refused(
    study_file: Write, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.csv"
    outside.write_text("x", encoding="utf-8")
    study = load_study(study_file())
    (study.data_root / "link.csv").symlink_to(outside)
    with pytest.raises(SpecError, match="through a link"):
        study.raw("link.csv")


def test_the_exported_schema_is_current() -> None:
    exported = (ROOT / "workflow/schemas/study.schema.json").read_text("utf-8")
    assert exported == schema_text(), (
        "run: outcomes schema > workflow/schemas/study.schema.json"
    )
    assert json.loads(exported)["title"] == "Study"
