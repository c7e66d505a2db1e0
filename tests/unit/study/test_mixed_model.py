from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from outcomes.models import options
from outcomes.study import model
from outcomes.study.base_score import base_score
from outcomes.study.load import load_study, read_study
from outcomes.study.model import ClusteringModel, GlmmModel, LmmModel
from outcomes.study.random import are_terms, groupings, is_grouping

Content = dict[str, Any]
Write = Callable[..., Path]


def problems(study_file: Write, edit: Callable[[Content], None]) -> list[str]:
    _, found = read_study(study_file(edit))
    return [f"{problem.where}: {problem.message}" for problem in found]


def prepared(content: Content) -> None:
    """Give the valid study therapists, a diagnosis and a clustering analysis."""
    covariates = content["sources"]["dm"]["covariates"]
    covariates["THERAPID"] = {"column": "lead", "label": "Lead therapist"}
    covariates["THERAP2"] = {"column": "second", "label": "Second therapist"}
    covariates["SCORE"] = {"column": "score", "label": "Score", "kind": "number"}
    content["endpoints"]["both"] = {
        "kind": "all-of",
        "paramcd": "BOTH",
        "of": ["madrs_response", "low"],
    }
    content["endpoints"]["low"] = {
        "kind": "threshold",
        "paramcd": "LOW",
        "instrument": "MADRS",
        "score": "total",
        "at_most": 10,
    }


def with_lmm(**wishes: Any) -> Callable[[Content], None]:
    def edit(content: Content) -> None:
        prepared(content)
        content["analyses"][0]["model"] = {"kind": "lmm", **wishes}

    return edit


def with_analysis(**analysis: Any) -> Callable[[Content], None]:
    def edit(content: Content) -> None:
        prepared(content)
        content["analyses"].append({"id": "further", "population": "FAS", **analysis})

    return edit


def over_time(**more: Any) -> Callable[[Content], None]:
    wishes = {"question": "longitudinal-responders", "endpoint": "madrs_response"}
    return with_analysis(**{**wishes, **more})


def clusters(**more: Any) -> Callable[[Content], None]:
    usual = {
        "question": "clustering",
        "endpoint": "madrs_change",
        "model": {"random": {"SITEID": "1"}},
    }
    return with_analysis(**{**usual, **more})


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (model.LmmDf, options.MixedDfMethod),
        (model.LmmPreset, options.MixedPreset),
        (model.GlmmDf, options.GlmmDfMethod),
        (model.GeeStructure, options.GeeStructure),
        (model.GeeVcov, options.GeeVcov),
        (model.GeeDf, options.GeeDf),
    ],
)
def test_the_study_file_offers_what_the_models_do(ours: Any, theirs: Any) -> None:
    assert set(get_args(ours)) == set(get_args(theirs))


def test_every_choice_has_its_words() -> None:
    assert set(model.STRUCTURE_WORDS) == set(get_args(model.GeeStructure))
    assert set(model.GEE_WORDS) == set(get_args(model.GeeVcov))
    assert set(model.GEE_DF_WORDS) == set(get_args(model.GeeDf))
    assert set(get_args(model.LmmDf)) <= set(model.DF_WORDS)
    assert set(get_args(model.GlmmDf)) <= set(model.DF_WORDS)


@pytest.mark.parametrize(
    "text", ["SITEID", "SITEID:THERAPID", "SITEID/THERAPID", "mm(THERAPID, THERAP2)"]
)
def test_a_grouping_is_a_column_or_a_form_of_several(text: str) -> None:
    assert is_grouping(text)


@pytest.mark.parametrize(
    "text", ["", "siteid", "mm(A)", "mm(A B)", "A+B", "A::B", "mm(A, B", "C(SITEID)"]
)
def test_anything_else_is_no_grouping(text: str) -> None:
    assert not is_grouping(text)


def test_effects_are_an_intercept_a_slope_or_arms() -> None:
    good = ["1", "1 + WEEK", "1 || WEEK", "0 + WEEK", "1 + arm", "0+arm"]
    assert all(are_terms(text) for text in good)
    bad = ["0", "", "WEEK", "1 + AGE", "1 || arm", "1 + WEEK + arm", "exp(1)"]
    assert not any(are_terms(text) for text in bad)


def test_the_subject_is_there_unless_it_is_named() -> None:
    plain = LmmModel.model_validate({"kind": "lmm", "random": {"SITEID": 1}})
    assert [(one.name, one.terms) for one in plain.groupings] == [
        ("USUBJID", "1"),
        ("SITEID", "1"),
    ]
    own = {"kind": "lmm", "random": {"SITEID": "1", "USUBJID": "1 + WEEK"}}
    named = LmmModel.model_validate(own).groupings
    assert [(one.name, one.terms) for one in named] == [
        ("SITEID", "1"),
        ("USUBJID", "1 + WEEK"),
    ]


def test_members_are_told_from_columns_that_are_crossed() -> None:
    members, nested = groupings({"mm(THERAPID, THERAP2)": "1", "SITEID/THERAPID": "1"})
    assert (members.columns, members.multiple) == (("THERAPID", "THERAP2"), True)
    assert (nested.columns, nested.multiple) == (("SITEID", "THERAPID"), False)


def test_a_valid_study_may_have_all_of_them(study_file: Write) -> None:
    both = {"SITEID": "1", "mm(THERAPID, THERAP2)": "1"}

    def edit(content: Content) -> None:
        with_lmm(random=both, df="kenward-roger", averages={"all": ["WEEK1", "WEEK3"]})(
            content
        )
        for id, analysis in {
            "glmm": {"endpoint": "madrs_response", "model": {"n_quad": 15}},
            "gee": {"endpoint": "low", "model": {"kind": "gee", "structure": "ar1"}},
            "firth": {
                "endpoint": "both",
                "baseline": "madrs_change",
                "visits": ["WEEK3"],
                "model": {"kind": "logistic", "penalty": "firth"},
            },
        }.items():
            question = {"question": "longitudinal-responders", "population": "FAS"}
            content["analyses"].append({"id": id, **question, **analysis})
        for id, endpoint in (("sites", "madrs_change"), ("yes", "low")):
            content["analyses"].append(
                {
                    "id": id,
                    "question": "clustering",
                    "endpoint": endpoint,
                    "population": "FAS",
                    "model": {"random": {**both}, "covariates": ["BASE*AVISIT"]},
                }
            )

    spec = load_study(study_file(edit)).spec
    kinds = [getattr(a, "model", None) for a in spec.analyses]
    assert isinstance(kinds[0], LmmModel)
    assert isinstance(kinds[2], GlmmModel)
    assert isinstance(kinds[5], ClusteringModel)


LMM_BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"random": {"SITEIDD": "1"}}, "random", "Did you mean 'SITEID'?"),
    ({"random": {"mm(THERAPID)": "1"}}, "random", "'mm(THERAPID)' is no grouping"),
    ({"random": {"SITEID": "1 + AGE"}}, "random", "'1 + AGE' of SITEID is not under"),
    ({"random": {"SCORE": "1"}}, "random", "SCORE is a number"),
    ({"random": {"TRT01P": "1"}}, "random", "TRT01P is the arm"),
    ({"random": {"SITEID:USUBJID": "1"}}, "random", "tells single subjects"),
    ({"random": {"USUBJID": "1 + arm"}}, "random", "a subject has one arm"),
    ({"random": {"SEX": "1"}}, "random", "SEX is not known without SEX in sources.dm"),
    ({"random": {"SITEID:SITEID": "1"}}, "random", "names a column twice"),
    (
        {"random": {"SITEID": "1", "SITEID/THERAPID": "1"}},
        "random",
        "SITEID is there 2 times",
    ),
    (
        {"covariates": ["BASE", "SITEGR1"], "random": {"SITEID": "1"}},
        "random",
        "SITEGR1 is a covariate, so that nothing is left",
    ),
    ({"covariates": ["BASEE"]}, "covariates", "Did you mean 'BASE'?"),
    ({"df": "kenward-roger", "method": "ml"}, "df", "needs method: reml"),
    ({"preset": "sas_proc_mixed"}, "preset", "about df: kenward-roger only"),
    ({"averages": {"all": ["WEEK1", "WEK3"]}}, "averages.all", "'WEEK3'"),
    (
        {"covariance": "us"},
        "covariance",
        "unknown key of kind: lmm; it belongs to kind: mmrm. Remove it",
    ),
    ({"covariats": []}, "covariats", "unknown key. Did you mean 'covariates'?"),
    ({"random": ["SITEID"]}, "random", 'are needed, such as {SITEID: "1"}.'),
    ({"df": "between-within"}, "df", "'satterthwaite'"),
]


@pytest.mark.parametrize(("wishes", "key", "message"), LMM_BAD)
def test_each_mistake_in_a_linear_mixed_model_is_named(
    study_file: Write, wishes: dict[str, Any], key: str, message: str
) -> None:
    (found,) = problems(study_file, with_lmm(**wishes))
    assert found.startswith(f"analyses.primary.model.{key}: ")
    assert message in found


def test_all_mistakes_of_a_model_are_told_at_once(study_file: Write) -> None:
    wishes = {
        "random": {"SITEIDD": "1", "SCORE": "1", "THERAPID": "2"},
        "method": "ml",
        "df": "kenward-roger",
        "covariates": ["NOBODY"],
    }
    assert len(problems(study_file, with_lmm(**wishes))) == 5


OVER_TIME_BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"endpoint": "madrs_change"}, "", "is a change; this question needs yes/no"),
    ({"endpoint": "both"}, ".baseline", "is missing: BASE is a covariate"),
    ({"endpoint": "both", "baseline": "low"}, ".baseline", "of kind change"),
    (
        {"baseline": "madrs_change", "model": {"covariates": []}},
        ".baseline",
        "is for the covariate BASE",
    ),
    ({"visits": ["WEEK3"]}, ".visits", "say kind: logistic in place of glmm"),
    ({"visits": ["WEEK1", "WEK3"]}, ".visits", "Did you mean 'WEEK3'?"),
    ({"visits": ["BASELINE", "WEEK3"]}, ".visits", "is the baseline"),
    (
        {"model": {"n_quad": 15, "random": {"SITEID": "1"}}},
        ".model.n_quad",
        "15 points are for one random intercept",
    ),
    (
        {"model": {"n_quad": 15, "random": {"USUBJID": "1 + WEEK"}}},
        ".model.n_quad",
        "USUBJID: 1 + WEEK",
    ),
    (
        {"model": {"df": "between-within", "random": {"SITEID": "1"}}},
        ".model.df",
        "one grouping",
    ),
    (
        {"model": {"kind": "logistic", "covariates": ["BASE*AVISIT"]}},
        ".model.covariates",
        "leave AVISIT out",
    ),
    (
        {"model": {"kind": "gee", "n_quad": 3}},
        ".model.n_quad",
        "unknown key of kind: gee; it belongs to kind: glmm.",
    ),
    (
        {"model": {"structure": "ar1"}},
        ".model.structure",
        "unknown key of kind: glmm; it belongs to kind: gee.",
    ),
    (
        {"model": {"kind": "gee", "penalty": "firth"}},
        ".model.penalty",
        "it belongs to kind: logistic.",
    ),
    ({"model": {"kind": "gee", "quads": 3}}, ".model.quads", "unknown key. Remove it."),
    ({"model": {"kind": "glm"}}, ".model.kind", "Did you mean 'glmm'?"),
    ({"model": {"kind": "gee", "structure": "us"}}, ".model.structure", "exchangeable"),
]


@pytest.mark.parametrize(("wishes", "key", "message"), OVER_TIME_BAD)
def test_each_mistake_in_an_analysis_over_visits_is_named(
    study_file: Write, wishes: dict[str, Any], key: str, message: str
) -> None:
    (found,) = problems(study_file, over_time(**wishes))
    assert found.startswith(f"analyses.further{key}: ")
    assert message in found


CLUSTERS_BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"model": {"random": {"USUBJID": "1"}}}, ".model.random", "the subject only"),
    ({"model": {"random": {}}}, ".model.random", "at least 1 item"),
    (
        {"model": {"kind": "glmm", "random": {"SITEID": "1"}}},
        ".model.kind",
        "whose model is lmm",
    ),
    (
        {"model": {"n_quad": 9, "random": {"SITEID": "1"}}},
        ".model.n_quad",
        "a change has no integral",
    ),
    (
        {"endpoint": "low", "model": {"method": "ml", "random": {"SITEID": "1"}}},
        ".model.method",
        "Remove method",
    ),
    ({"baseline": "madrs_change"}, ".baseline", "has its own baseline"),
]


@pytest.mark.parametrize(("wishes", "key", "message"), CLUSTERS_BAD)
def test_each_mistake_in_an_analysis_of_clusters_is_named(
    study_file: Write, wishes: dict[str, Any], key: str, message: str
) -> None:
    (found,) = problems(study_file, clusters(**wishes))
    assert found.startswith(f"analyses.further{key}: ")
    assert message in found


def test_a_model_of_clusters_must_be_given(study_file: Write) -> None:
    def edit(content: Content) -> None:
        clusters()(content)
        del content["analyses"][-1]["model"]

    (found,) = problems(study_file, edit)
    assert found.startswith("analyses.further.model: is missing")


def test_an_unknown_grouping_is_offered_only_what_may_be_one(
    study_file: Write,
) -> None:
    (found,) = problems(study_file, with_lmm(random={"CLINIC": "1"}))
    known = found.partition("Known: ")[2].rstrip(".").split(", ")
    assert {"SITEID", "SITEGR1", "THERAPID"} <= set(known)
    for name in known:
        assert problems(study_file, with_lmm(random={name: "1"})) == [], name


def test_an_unknown_covariate_is_not_offered_who_a_subject_is(
    study_file: Write,
) -> None:
    (found,) = problems(study_file, with_lmm(covariates=["CLINIC"]))
    known = found.partition("Known: ")[2].rstrip(".").split(", ")
    assert {"AGE", "BASE", "SITEID"} <= set(known)
    for name in known:
        assert problems(study_file, with_lmm(covariates=[name])) == [], name


@pytest.mark.parametrize("wrong", [{"instrument": "MADR"}, {"score": "totl"}])
def test_a_score_that_does_not_exist_is_told_once(
    study_file: Write, wrong: Content
) -> None:
    def edit(content: Content) -> None:
        over_time(endpoint="low")(content)
        content["endpoints"]["low"] |= wrong

    (found,) = problems(study_file, edit)
    assert found.startswith("endpoints.low.")


def test_diagnostics_are_not_of_a_linear_mixed_model(study_file: Write) -> None:
    def edit(content: Content) -> None:
        with_lmm()(content)
        wish = {"id": "checks", "question": "diagnostics", "of": "primary"}
        content["analyses"].append(wish)

    (found,) = problems(study_file, edit)
    assert "analyses.checks.of: the model of primary is an lmm" in found


def test_arms_vary_between_sites_only_where_there_are_several(
    study_file: Write,
) -> None:
    def edit(content: Content) -> None:
        with_lmm(random={"SITEID": "1 + arm"})(content)
        content["study"]["design"] = "single-arm"
        content["arms"] = [copy.deepcopy(content["arms"][0])]

    (found,) = problems(study_file, edit)
    assert "'arm' needs several arms" in found


def test_the_baseline_is_of_the_score_behind_a_yes_or_of_the_one_named(
    study_file: Write,
) -> None:
    spec = load_study(study_file(prepared)).spec
    assert base_score(spec, "madrs_response", None) == ("MADRS", "total")
    assert base_score(spec, "both", None) == ("", "")
    assert base_score(spec, "both", "madrs_change") == ("MADRS", "total")
