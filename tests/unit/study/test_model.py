from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from outcomes.errors import SpecError
from outcomes.models import options
from outcomes.study import model
from outcomes.study.load import load_study, read_study
from outcomes.study.model import MmrmModel

Content = dict[str, Any]
Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Covariance", "Covariance"),
        ("DfMethod", "DfMethod"),
        ("VcovMethod", "VcovMethod"),
        ("Preset", "Preset"),
        ("Means", "Weights"),
    ],
)
def test_the_study_file_offers_what_the_models_do(ours: str, theirs: str) -> None:
    assert get_args(getattr(model, ours)) == get_args(getattr(options, theirs))


def test_every_choice_has_its_words() -> None:
    assert set(model.COVARIANCE_WORDS) == set(get_args(model.Covariance))
    assert set(model.DF_WORDS) == set(get_args(model.DfMethod))
    assert set(model.VCOV_WORDS) == set(get_args(model.VcovMethod))
    words = [*model.COVARIANCE_WORDS.values(), *model.VCOV_WORDS.values()]
    assert len(set(words)) == len(words)


def test_a_constrained_model_has_no_covariate_by_default() -> None:
    assert MmrmModel.model_validate({"constrained": True}).covariates == []
    assert MmrmModel.model_validate({}).covariates == ["BASE"]


def test_a_spatial_covariance_goes_by_target_days_unless_told() -> None:
    assert MmrmModel.model_validate({"covariance": ["us", "cs"]}).coordinate == ""
    assert MmrmModel.model_validate({"covariance": "sp_exp"}).coordinate == "target-day"
    observed = {"covariance": ["us", "sp_exp"], "coordinates": "observed-day"}
    assert MmrmModel.model_validate(observed).coordinate == "observed-day"


def with_model(**wishes: Any) -> Callable[[Content], None]:
    def edit(content: Content) -> None:
        content["analyses"][0]["model"] = wishes

    return edit


WHERE = "analyses.primary.model"
BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"group": "SITEIDD"}, "group", "Did you mean 'SITEID'?"),
    ({"group": "AGE"}, "group", "AGE is a number"),
    ({"group": "BASE"}, "group", "BASE is a number"),
    ({"group": "AVISIT"}, "group", "not constant within a subject"),
    ({"group": "TRT01P"}, "group", "write group: arm"),
    ({"group": "USUBJID"}, "group", "another one for every subject"),
    ({"group": "SEX"}, "group", "not known without SEX in sources.dm.columns"),
    ({"coordinates": "target-day"}, "coordinates", "sp_exp only"),
    ({"coordinates": "day", "covariance": "sp_exp"}, "coordinates", "'observed-day'"),
    ({"constrained": True, "covariates": ["BASE"]}, "covariates", "remove BASE"),
    (
        {"constrained": True, "covariates": ["AGE", "BASE*AVISIT"]},
        "covariates",
        "BASE*AVISIT: in a constrained model",
    ),
    ({"df": "kenward-roger", "method": "ml"}, "df", "needs method: reml"),
    ({"df": "kenward-roger", "vcov": "cr2"}, "vcov", "does not go with"),
    ({"df": "satterthwaite", "vcov": "kenward-roger"}, "vcov", "choose one of model"),
    ({"vcov": "kenward-roger", "method": "ml"}, "vcov", "REML only"),
    ({"vcov": "cr1"}, "vcov", "is not known"),
    ({"df": "between within"}, "df", "mean 'between-within'?"),
    ({"preset": "sas"}, "preset", "'sas_proc_mixed'"),
    ({"means": "observed"}, "means", "Choose one of 'equal', 'proportional'"),
    ({"constrained": True, "anova": 2}, "anova", "say anova: 3"),
    ({"anova": 1}, "anova", "Choose one of 2 or 3"),
    ({"averages": {"late": ["WEEK1", "WEEK4"]}}, "averages.late", "'WEEK4' is not a"),
    ({"averages": {"late": ["BASELINE", "WEEK1"]}}, "averages.late", "is the baseline"),
    ({"averages": {"late": ["WEEK3"]}}, "averages.late", "one visit is no average"),
    ({"averages": {"late": ["WEEK3", "WEEK3"]}}, "averages.late", "stands 2 times"),
    ({"averages": {"Late": ["WEEK1", "WEEK3"]}}, "averages.Late", "small letters"),
    ({"covariance": ["us", "toeplitz"]}, "covariance", "mean 'toep"),
    ({"weights": "n"}, "weights", "unknown key"),
]


@pytest.mark.parametrize(("wishes", "key", "message"), BAD)
def test_each_contradiction_in_a_model_is_named_with_its_key(
    wishes: dict[str, Any], key: str, message: str, study_file: Write
) -> None:
    _, problems = read_study(study_file(with_model(**wishes)))
    found = [str(p) for p in problems if f"{WHERE}.{key}" in p.where]
    assert any(message in problem for problem in found), [str(p) for p in problems]
    assert len(problems) == 1, [str(p) for p in problems]


def test_all_contradictions_of_a_model_are_told_at_once(study_file: Write) -> None:
    wishes = {
        "constrained": True,
        "covariates": ["BASE", "AEG"],
        "covariance": ["us", "us"],
        "coordinates": "observed-day",
        "group": "AVISIT",
        "method": "ml",
        "df": "kenward-roger",
        "vcov": "cr0",
        "averages": {"late": ["WEEK1", "WEEK9"]},
    }
    path = study_file(with_model(**wishes))
    _, problems = read_study(path)
    keys = sorted(p.where.removeprefix(f"{WHERE}.") for p in problems)
    assert keys == [
        *("averages.late", "coordinates", "covariance", "covariates", "covariates"),
        *("df", "group", "vcov"),
    ]
    with pytest.raises(SpecError, match=rf"{path.name}: 8 problems in the study file"):
        load_study(path)


def test_the_whole_family_is_legal(study_file: Write) -> None:
    for wishes in (
        {"covariance": list(get_args(model.Covariance)), "coordinates": "observed-day"},
        {"group": "arm", "df": "between-within", "vcov": "cr3"},
        {"group": "SITEID", "df": "kenward-roger", "vcov": "kenward-roger-mmrm"},
        {"group": "PRIORUSE", "preset": "r_mmrm", "df": "residual"},
        {"constrained": True, "means": "proportional", "anova": 3},
        {"constrained": True, "covariates": ["AGE*AVISIT"], "method": "ml"},
        {"vcov": "cr2", "averages": {"all-of-it": ["WEEK1", "WEEK3"]}},
    ):
        assert read_study(study_file(with_model(**wishes)))[1] == []


def test_one_arm_cannot_be_grouped_by(study_file: Write) -> None:
    def edit(content: Content) -> None:
        content["study"]["design"] = "single-arm"
        content["arms"] = [content["arms"][0]]
        with_model(group="arm")(content)

    _, problems = read_study(study_file(edit))
    assert [str(p) for p in problems] == [
        f"{WHERE}.group: 'arm' needs several arms, and the study has one."
    ]


DIAGNOSTICS = {"id": "checks", "question": "diagnostics", "of": "primary"}


@pytest.mark.parametrize(
    ("wishes", "where", "message"),
    [
        ({"of": "primry"}, "analyses.checks.of", "Did you mean 'primary'?"),
        ({"of": "responders"}, "analyses.checks.of", "not an analysis of change"),
        ({"population": "FAS"}, "analyses.checks", "population from the analysis"),
        ({"leave_out": ["SITE"]}, "analyses.checks.leave_out", "mean 'SITEID'?"),
        (
            {"leave_out": ["THERAPIST"]},
            "entry 1 of analyses.checks.leave_out",
            "has 1 to 8 capitals, digits or _",
        ),
        ({"leave_out": "SITEID"}, "analyses.checks.leave_out", "a list, [SITEID]."),
        ({"leave_out": ["AGE"]}, "analyses.checks.leave_out", "AGE is a number"),
        ({"leave_out": ["USUBJID"]}, "analyses.checks.leave_out", "single subjects"),
        ({"leave_out": ["TRT01P"]}, "analyses.checks.leave_out", "or arms"),
        ({"leave_out": ["RACE"]}, "analyses.checks.leave_out", "RACE in sources.dm"),
    ],
)
def test_diagnostics_name_an_analysis_and_columns(
    wishes: dict[str, Any], where: str, message: str, study_file: Write
) -> None:
    def edit(content: Content) -> None:
        content["analyses"].append({**DIAGNOSTICS, **wishes})

    _, problems = read_study(study_file(edit))
    assert [p.where for p in problems] == [where]
    assert message in problems[0].message


def test_diagnostics_without_sites_say_what_to_do(study_file: Write) -> None:
    def edit(content: Content) -> None:
        del content["sources"]["dm"]["columns"]["SITEID"]
        content["analyses"].append(dict(DIAGNOSTICS))

    _, problems = read_study(study_file(edit))
    assert [str(p) for p in problems] == [
        "analyses.checks.leave_out: SITEID is not known without SITEID in "
        "sources.dm.columns; add that, or name other columns (leave_out: [] for none)."
    ]

    def none(content: Content) -> None:
        edit(content)
        content["analyses"][-1]["leave_out"] = []

    assert read_study(study_file(none))[1] == []
