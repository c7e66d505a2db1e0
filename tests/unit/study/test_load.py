from __future__ import annotations

import json
import re
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


QS1 = "entry 1 of sources.qs (file madrs.csv)"
QS2 = "entry 2 of sources.qs (file meq.csv)"

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
    ("sources.qs.0.visit", None, QS1, "names no visit"),
    ("sources.qs.0.items", "madrs", f"{QS1}, items", "has {item}, or with"),
    ("sources.qs.0.items", "t", f"{QS1}, items", "use totals: {score: column}"),
    ("visits.1.window", "5-12", "visits.WEEK1.window", "such as [17, 30] (given: '5"),
    ("visits.1.window", [5, 8, 12], "visits.WEEK1.window", "needs two whole numbers"),
    ("visits.1.window", [5], "visits.WEEK1.window", "is two days, [first, last]"),
    ("sources.qs.0.items", "{item.__class__}", f"{QS1}, items", "pattern"),
    ("sources.qs.0.items", "{item:0999999999d}", f"{QS1}, items", "pattern"),
    ("sources.qs.0.instrument", "MADRAS", f"{QS1}, instrument", "MADRS"),
    ("sources.qs.1.ordering", None, f"{QS2}, ordering", "several orders"),
    ("sources.qs.1.ordering", "standalne", f"{QS2}, ordering", "standalone"),
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
    ("analyses.0.id", "../up", "analyses.../up.id", "hyphens, a letter first"),
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
    ("sources.ex", None, "origin", "say origin: randomisation"),
    ("populations.DONE", "EOSSTT == 'COMPLETED'", "populations.DONE", "sources.ds"),
    ("populations.OUT", "DCSREAS != ''", "populations.OUT", "sources.ds"),
    ("populations.PP", "NMAJDEV == 0", "populations.PP", "sources.dv"),
    ("populations.NORES", "RESCDT == ''", "populations.NORES", "sources.cm"),
    ("populations.YOUNG", "SEX == 'F'", "populations.YOUNG", "SEX in sources.dm"),
    ("populations.WHEN", "RANDDT != ''", "populations.WHEN", "RANDDTC in sources.dm"),
    ("populations.FAS", "NMAJDV = 0", "populations.FAS", "Equality is written =="),
    ("study.design", "single-arm", "arms", "2 arms, but the design is single-arm"),
    ("study.design", "single-arm", "arms.PBO", "is a control, but the design"),
    ("analyses.0.question", "chnge", "analyses.primary.question", "mean 'change'?"),
    ("analyses.0.question", None, "analyses.primary.question", "None is not known"),
    (
        "endpoints.madrs_change.kind",
        "respons",
        "endpoints.madrs_change.kind",
        "'respons' is not known. Choose one of change, response, threshold, status, "
        "all-of, sustained, time-to-event. Did you mean 'response'?",
    ),
    ("endpoints.madrs_change.labl", "x", "endpoints.madrs_change", "mean 'label'?"),
    ("sources.qs.0.decimal", None, f"{QS1}, decimal", "in double quotes"),
    ("sources.qs.1.colour", "x", f"{QS2}, colour", "unknown key"),
    ("visits.1.window", ["a", 5], "entry 1 of visits.WEEK1.window", "valid integer"),
    ("arms.0", 3, "entry 1 of arms", "where keys with values are needed"),
    (
        "sources.dm.strata",
        ["THERAPIST"],
        "entry 1 of sources.dm.strata",
        "a column of ADSL or SDTM, or a PARAMCD, has 1 to 8 capitals, digits or _, a "
        "letter first (given: 'THERAPIST').",
    ),
    ("sources.dm.strata", "SITEID", "sources.dm.strata", "write a list, [SITEID]."),
    ("arms.0.id", "act", "arms.act.id", "a code has 1 to 20 capitals"),
    ("estimands.0.endpoint", "a b", "estimands.main.endpoint", "small letters"),
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


@pytest.mark.parametrize("name", ["TRTFL", "TRTSDT", "TRTEDT", "NSESSION"])
def test_exposure_is_unknown_without_its_source(study_file: Write, name: str) -> None:
    def edit(content: Content) -> None:
        content["origin"] = "randomisation"
        content["populations"]["DOSED"] = (
            f"{name} != {0 if name == 'NSESSION' else repr('')}"
        )

    assert read_study(study_file(edit))[1] == []

    def without(content: Content) -> None:
        edit(content)
        content["sources"]["ex"] = None

    (problem,) = read_study(study_file(without))[1]
    assert problem.where == "populations.DOSED"
    assert f"{name} is not known without sources.ex; add that" in problem.message


def test_a_safety_population_needs_the_arm_received(study_file: Write) -> None:
    def edit(content: Content) -> None:
        content["origin"] = "randomisation"
        content["populations"]["SAF"] = "RANDFL == 'Y'"
        content["sources"]["ex"] = None

    (problem,) = read_study(study_file(edit))[1]
    assert "ACTARMCD in sources.dm.columns or sources.ex" in problem.message

    def collected(content: Content) -> None:
        edit(content)
        content["sources"]["dm"]["columns"]["ACTARMCD"] = "got"

    assert read_study(study_file(collected))[1] == []


def test_what_needs_no_further_source_is_left_alone(study_file: Write) -> None:
    def edit(content: Content) -> None:
        content["origin"] = "randomisation"
        content["sources"]["ex"] = None
        content["populations"]["DONE"] = "COMPLFL == 'Y' and FASFL == 'Y'"
        content["baseline"] = {"rule": "last-before-first-dose"}

    assert read_study(study_file(edit))[1] == []


@pytest.mark.parametrize(
    "endpoint",
    [
        {"kind": "change"},
        {"kind": "response", "paramcd": "X", "points": 5},
        {"kind": "threshold", "paramcd": "X", "at_least": 60},
    ],
)
def test_an_endpoint_needs_an_instrument_with_visits(
    study_file: Write, endpoint: Content
) -> None:
    def edit(content: Content) -> None:
        named = {"instrument": "MEQ30", "score": "total_percent"}
        content["endpoints"]["mystical"] = endpoint | named

    (problem,) = read_study(study_file(edit))[1]
    assert problem.where == "endpoints.mystical"
    assert "MEQ30 has sources with sessions only" in problem.message

    def at_a_visit(content: Content) -> None:
        edit(content)
        content["sources"]["qs"][1]["at_visit"] = "WEEK1"

    assert read_study(study_file(at_a_visit))[1] == []


def test_a_missing_question_is_told_with_the_list(study_file: Write) -> None:
    def edit(content: Content) -> None:
        del content["analyses"][0]["question"]
        del content["analyses"][0]["id"]

    first = read_study(study_file(edit))[1][0]
    assert first.where == "entry 1 of analyses, question"
    assert "is missing; choose one of disposition, baseline, missingness," in (
        first.message
    )


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


def test_problems_of_form_are_told_from_those_of_meaning(study_file: Write) -> None:
    for path, value, form in (
        ("analyses.0.visit", 3, [True]),
        ("analyses.0.visit", "WEEK4", [False]),
        ("study.colour", "blue", [False]),
    ):
        problems = read_study(study_file(_set(path, value)))[1]
        assert [problem.form for problem in problems] == form


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
        ("a:\n  decimal: ,\n", "line 2: expected the node content, but found ','; a"),
        ("a: {delimiter: |}\n", "needs double quotes"),
        ("a: {date_format: %d.%m.%Y}\n", "needs double quotes"),
        ("a:\n  items: {item:02d}_x\n", "begins with ' or {"),
        ("a:\n\tb: 1\n", "indent with spaces"),
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


def test_a_comparison_file_is_told_from_a_study_file(tmp_path: Path) -> None:
    path = tmp_path / "durability.yaml"
    path.write_text("comparison: {id: durability}\ndays: [7]\nstudies: []\n")
    study, problems = read_study(path)
    assert study is None
    (problem,) = problems
    assert problem.where == "comparison"
    assert "use outcomes across " in problem.message
    assert "durability.yaml" in problem.message


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


SECTION_OF = {
    "StudyInfo": "study",
    "Arm": "arms",
    "Visit": "arms",
    "Baseline": "arms",
    "FollowUp": "arms",
    "Criterion": "endpoints",
    "AdverseEvent": "endpoints",
    "Medication": "endpoints",
    "Withdrawal": "endpoints",
    "PresetRule": "endpoints",
    "Sites": "sites",
    "InstrumentRules": "sites",
    "IntercurrentEvent": "estimands",
    "Estimand": "estimands",
    "Display": "displays",
}
"""Section of the documentation, by its first word, that must tell a class's keys."""


def _section_of(name: str) -> str:
    if name.endswith("Endpoint"):
        return "endpoints"
    if name.endswith(("Source", "Sources", "Covariate")):
        return "sources"
    return SECTION_OF.get(name, "analyses")


def test_every_key_is_documented_where_it_belongs() -> None:
    def words(text: str) -> set[str]:
        code = re.findall(r"```.*?```|`[^`\n]+`", text, flags=re.DOTALL)
        return set(re.findall(r"\w+", " ".join(code)))

    text = (ROOT / "docs/study-file.md").read_text("utf-8")
    _, *parts = re.split(r"^## (?=`)", text, flags=re.MULTILINE)
    told = {re.match(r"`(\w+)", part)[1]: words(part) for part in parts}  # type: ignore[index]
    told["sources"] |= words((ROOT / "docs/ingest.md").read_text("utf-8"))
    schema = json.loads(schema_text())
    absent = {
        f"{name}.{key}"
        for name, section in schema["$defs"].items()
        for key in section["properties"]
        if key not in told[_section_of(name)]
    }
    absent |= set(schema["properties"]) - set().union(*told.values())
    assert absent == set()


def test_the_exported_schema_is_current() -> None:
    exported = (ROOT / "workflow/schemas/study.schema.json").read_text("utf-8")
    assert exported == schema_text(), (
        "run: outcomes schema > workflow/schemas/study.schema.json"
    )
    assert json.loads(exported)["title"] == "Study"


LINES = [
    ("  title: A tiny trial\n", "  title: 2021-02-30\n", "line 3", "date"),
    ("  day: 8\n", '  day: !!int "abc"\n', "'abc'", "as int"),
    ("  day: 8\n", '  day: !!float "abc"\n', "'abc'", "as float"),
    ("  day: 8\n", "  day: 0b_\n", "'0b_'", "as int"),
    ("  day: 8\n", "  day: " + "9" * 5000 + "\n", "line ", "as int"),
    ("  day: 8\n", "  day: " + "9" * 400 + "\n", "line ", "too large"),
    ("  day: 8\n", "  day: 0x" + "f" * 9000 + "\n", "line ", "too large"),
    ("synthetic: true", "synthetic: !!bool maybe", "'maybe'", "as bool"),
    ("synthetic: true", "synthetic: !!timestamp x", "'x'", "as timestamp"),
    ("synthetic: true", "synthetic: !!map [x]", "line 6", "as map"),
    ("title: A tiny trial", 'title: "a\\ud800b"', "line 3", "U+D800"),
    ("title: A tiny trial", 'title: "a\\0b"', "line 3", "U+0000"),
    ("label: Week 1", 'label: "W\\e[31m"', "line ", "U+001B"),
    ("file: madrs.csv", 'file: "\\0.csv"', "line", "U+0000"),
    ("label: Week 1", 'label: "W\\n1"', "visits.WEEK1.label", "control character"),
    ("label: Week 1", 'label: "W\\t1"', "visits.WEEK1.label", "control character"),
    ("label: Week 1", 'label: "W\\u20281"', "visits.WEEK1.label", "control character"),
]


@pytest.mark.parametrize(("old", "new", "where", "message"), LINES)
def test_what_yaml_cannot_make_of_a_value_is_told_with_its_line(
    old: str, new: str, where: str, message: str, study_file: Write
) -> None:
    path = study_file()
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    problems = read_study(path)[1]
    assert any(where in str(p) and message in str(p) for p in problems), problems
    with pytest.raises(SpecError):
        load_study(path)


REFUSED = [
    ("visits.1.day", 36501, "visits.WEEK1.day", "36500"),
    ("visits.1.window", [5], "visits.WEEK1.window, value 2", "[first, last]"),
    ("visits.1.window", [5, 9, 11], "visits.WEEK1.window", "needs two whole"),
    ("visits.1.window", [-99999, 11], "visits.WEEK1.window", "36500"),
    ("sources.qs.1.at_session", 0, f"{QS2}, at_session", "greater than or equal to 1"),
    ("sources.qs.1.at_session", 1001, f"{QS2}, at_session", "1000"),
    ("sources.qs.0.file", "a" * 300, "sources.qs", "at most 200"),
    ("analyses.0.conf_level", float("nan"), "analyses.primary.conf_level", "finite"),
    ("analyses.1.endpoints", ["madrs_response"] * 2, "endpoints", "stands 2 times"),
    ("analyses.1.visits", ["WEEK1", "WEEK1"], "analyses.responders.visits", "2 times"),
    ("sources.dm.strata", ["SITEID", "SITEID"], "sources.dm.strata", "'SITEID' stands"),
    (
        "analyses.0.model",
        {"covariates": ["BASE", "AGE", "BASE"]},
        "analyses.primary.model.covariates",
        "'BASE' stands 2 times",
    ),
    (
        "analyses.0.model",
        {"covariance": ["us", "us"]},
        "analyses.primary.model.covariance",
        "'us' stands 2 times",
    ),
    ("analyses.0.model", {"covariance": []}, "model.covariance", "is empty"),
]


@pytest.mark.parametrize(("path", "value", "where", "message"), REFUSED)
def test_numbers_without_bounds_and_repeats_are_refused(
    path: str, value: Any, where: str, message: str, study_file: Write
) -> None:
    problems = read_study(study_file(_set(path, value)))[1]
    told = [str(problem) for problem in problems]
    assert any(where in one and message in one for one in told), told


@pytest.mark.parametrize(
    ("covariates", "message"),
    [
        (["BASE", "AGE"], ""),
        (["USUBJID"], "USUBJID is no covariate"),
        (["GARBAGE"], "'GARBAGE' is not a column"),
        (["AGE", "AGE"], "'AGE' stands 2 times"),
    ],
)
def test_covariates_of_a_predictor_are_columns_to_adjust_for(
    covariates: list[str], message: str, study_file: Write
) -> None:
    def edit(content: Content) -> None:
        content["analyses"].append(
            {
                "id": "experience",
                "question": "predicts-outcome",
                "estimand": "main",
                "visit": "WEEK3",
                "predictor": {"instrument": "MEQ30", "score": "total"},
                "covariates": covariates,
            }
        )

    problems = read_study(study_file(edit))[1]
    told = [str(p) for p in problems if "covariates" in p.where]
    assert bool(told) == bool(message)
    assert all("analyses.experience.covariates" in one for one in told)
    assert all(message in one for one in told)


def test_a_population_may_be_a_folded_text(study_file: Write) -> None:
    edit = _set("populations.FAS", "RANDFL == 'Y' and AGE > 17\n")
    assert load_study(study_file(edit)).spec.populations["FAS"].endswith("\n")


@pytest.mark.parametrize("name", ["raw/" + "\N{GRINNING FACE}" * 70, "loop/x.csv"])
def test_a_name_that_no_file_can_have_is_told(name: str, study_file: Write) -> None:
    path = study_file()
    (path.parent / "loop").symlink_to("loop")
    study = load_study(path)
    with pytest.raises(SpecError, match=r"too long|cannot be a file"):
        study.raw(name)
