"""Changes with random effects, and how much lies between sites and therapists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from clustered import (
    SOURCES,
    VISITS,
    answers,
    changes,
    frames,
    subjects,
)
from hand_made import Results, record, run, study

from outcomes.models.mixed.blups import random_effects
from outcomes.models.mixed.lmm import fit_lmm
from outcomes.models.mixed.variance import component_tests

# what they share is made once
pytestmark = pytest.mark.xdist_group("mixed")

BOTH = {"SITEID": "1", "mm(THERAPID, THERAP2)": "1"}
MEAN = {"visit": "WEEK3", "arm": "ACT"}
COMPARED = {**MEAN, "comparator": "CTL"}


def change(people: list[Any], rows: list[Any], **model: Any) -> Results:
    wish = {"id": "primary", "question": "change", "estimand": "policy"}
    spec = study({**wish, "visit": "WEEK3", "model": model}, sources=SOURCES)
    return run(spec, *frames(people, rows))


def lmm(people: list[Any], rows: list[Any], **model: Any) -> Results:
    return change(people, rows, kind="lmm", **model)


def clusters(
    people: list[Any], rows: list[Any], endpoint: str = "change", **more: Any
) -> Results:
    model = more.pop("model", {"random": BOTH})
    wish = {"id": "who", "question": "clustering", "endpoint": endpoint, **more}
    spec = study({**wish, "population": "FAS", "model": model}, sources=SOURCES)
    return run(spec, *frames(people, rows))


def failed(found: Results) -> str:
    rows = found.rows(term="analysis")
    assert len(rows) == 1
    return str(rows["error"].iloc[0])


@pytest.fixture(scope="module")
def people() -> list[Any]:
    return subjects()


@pytest.fixture(scope="module")
def rows(people: list[Any]) -> list[Any]:
    return changes(people)


@pytest.fixture(scope="module")
def linear(people: list[Any], rows: list[Any]) -> Results:
    return lmm(
        people, rows, random=BOTH, anova=3, averages={"late": ["WEEK3", "WEEK12"]}
    )


@pytest.fixture(scope="module")
def clustered(people: list[Any], rows: list[Any]) -> Results:
    return clusters(people, rows)


def test_a_subject_intercept_is_compound_symmetry(
    people: list[Any], rows: list[Any]
) -> None:
    random = lmm(people, rows)
    residual = change(people, rows, covariance="cs", df="satterthwaite")
    for statistic in ("estimate", "std_error", "df", "conf_low", "p_value"):
        assert random.value("difference", statistic, **COMPARED) == pytest.approx(
            residual.value("difference", statistic, **COMPARED), rel=1e-4
        )
    assert random.value("fit", "loglik") == pytest.approx(
        residual.value("fit", "loglik"), rel=1e-8
    )


def test_it_has_the_rows_that_tables_of_change_show(linear: Results) -> None:
    for term in ("lsmean", "observed-value", "observed-change"):
        assert len(linear.rows(term=term, visit="WEEK3", arm="ACT"))
    terms = {"difference", "difference-average", "lsmean-average", "type-3-test"}
    terms |= {"arm-by-visit", "arm-at-all-visits", "d-baseline-sd", "excluded"}
    assert terms - {"excluded"} <= set(linear.frame["term"])
    assert not (linear.frame["error"] != "").any()


def test_every_number_of_it_is_that_of_the_model(
    people: list[Any], rows: list[Any], linear: Results
) -> None:
    subject_rows, records = frames(people, rows)
    used = records[records["CHG"].notna()].merge(
        subject_rows[["USUBJID", "TRT01P", "SITEID", "THERAPID", "THERAP2"]]
    )
    fit = fit_lmm(
        "CHG ~ TRT01P*AVISIT + BASE",
        used,
        random={"USUBJID": "1", **BOTH},
        levels={"TRT01P": ["CTL", "ACT"], "AVISIT": list(VISITS)},
    )
    assert linear.value("fit", "loglik") == pytest.approx(fit.loglik, rel=1e-12)
    sd = float(np.sqrt(fit.random_covariance["SITEID"].to_numpy()[0, 0]))
    assert linear.value("random-sd", "estimate", level="SITEID") == pytest.approx(sd)
    assert linear.value("random-sd", "estimate", level="Residual") ** 2 == (
        pytest.approx(fit.residual_variance)
    )


def test_the_method_names_random_effects_and_degrees_of_freedom(
    linear: Results,
) -> None:
    method = linear.one("difference", "estimate", **COMPARED)["method"]
    assert "random intercepts of USUBJID, SITEID and mm(THERAPID, THERAP2)" in method
    assert "REML, Satterthwaite degrees of freedom" in method


def test_kenward_roger_says_whose_information(
    people: list[Any], rows: list[Any]
) -> None:
    wish = {"df": "kenward-roger", "preset": "sas_proc_mixed"}
    found = lmm(people, rows, **wish)
    method = found.one("difference", "estimate", **COMPARED)["method"]
    assert "Kenward-Roger degrees of freedom and standard errors, by the obs" in method


def test_groupings_have_levels_and_labels(linear: Results) -> None:
    assert linear.value("levels", "n", level="USUBJID") == 60
    assert linear.value("levels", "n", level="SITEID") == 6
    name = "mm(THERAPID, THERAP2)"
    assert linear.value("levels", "n", level=name) == 18
    label = linear.one("levels", "label", level=name)["text"]
    assert label == "Lead therapist and Second therapist, in equal shares"


def test_one_visit_leaves_out_the_subject(people: list[Any], rows: list[Any]) -> None:
    one = [row for row in rows if row["AVISIT"] in ("BASELINE", "WEEK3")]
    found = lmm(people, one, random={"SITEID": "1"})
    assert set(found.rows(term="levels", statistic="n")["level"]) == {"SITEID"}
    assert found.value("fit", "n_subjects") == 60


def test_a_slope_over_weeks_needs_two_visits(
    people: list[Any], rows: list[Any]
) -> None:
    one = [row for row in rows if row["AVISIT"] in ("BASELINE", "WEEK3")]
    said = failed(lmm(people, one, random={"SITEID": "0 + WEEK"}))
    assert "SITEID has a slope over WEEK, but only one visit has records" in said


def test_a_slope_is_over_weeks_since_the_origin(
    people: list[Any], rows: list[Any]
) -> None:
    found = lmm(people, rows, random={"USUBJID": "1 + WEEK"})
    place = {"level": "USUBJID", "subgroup": "WEEK"}
    assert len(found.rows(term="random-sd", statistic="estimate", **place)) == 1
    assert found.rows(term="icc").empty


def test_arms_may_differ_between_sites(people: list[Any], rows: list[Any]) -> None:
    found = lmm(people, rows, random={"SITEID": "0 + arm"})
    own = found.rows(term="random-sd", statistic="estimate", level="SITEID")
    assert len(own) == 2
    assert own["subgroup"].str.contains("ACT|CTL").all()


def test_one_level_is_no_grouping(rows: list[Any]) -> None:
    same = [{**one, "SITEID": "01"} for one in subjects()]
    said = failed(lmm(same, rows, random={"SITEID": "1"}))
    assert "'SITEID' has the one level '01'" in said


def test_a_variance_at_zero_is_a_row_with_a_warning(people: list[Any]) -> None:
    flat = changes(people, sd_site=0.0, seed=2)
    found = lmm(people, flat, random={"SITEID": "1"})
    row = found.one("random-sd", "estimate", level="SITEID")
    assert row["value"] == pytest.approx(0, abs=1e-4)
    assert "at the boundary: the variance of Study site is zero" in row["warning"]
    assert row["error"] == ""


def test_a_second_therapist_may_be_missing_but_not_both(rows: list[Any]) -> None:
    lacking = subjects()
    lacking[0]["THERAP2"] = ""
    lacking[1]["THERAPID"] = lacking[1]["THERAP2"] = ""
    lacking[2]["SITEID"] = ""
    found = lmm(lacking, rows, random=BOTH)
    assert found.value("fit", "n_subjects") == 58
    gone = "THERAPID and THERAP2 are missing"
    assert found.value("excluded", "n", level=gone) == 3
    assert found.value("excluded", "n", level="SITEID is missing") == 3
    assert found.value("observed-value", "n", visit="WEEK3", arm="CTL") == 29


def test_shares_of_variance_are_variances_over_their_sum(clustered: Results) -> None:
    parts = clustered.rows(term="random-variance", statistic="estimate")
    total = parts["value"].sum()
    for level in ("USUBJID", *BOTH):
        own = clustered.value("random-variance", "estimate", level=level)
        share = clustered.value("icc", "estimate", level=level)
        assert share == pytest.approx(own / total)
    assert clustered.one("icc", "scale", level="SITEID")["text"] == "observed"


def test_limits_of_a_variance_are_those_of_the_sd_squared(clustered: Results) -> None:
    for name in ("estimate", "conf_low", "conf_high"):
        sd = clustered.value("random-sd", name, level="SITEID")
        variance = clustered.value("random-variance", name, level="SITEID")
        assert variance == pytest.approx(sd**2)
    low, high = (
        clustered.value("random-sd", name, level="SITEID")
        for name in ("conf_low", "conf_high")
    )
    assert low < clustered.value("random-sd", "estimate", level="SITEID") < high


def test_predictions_and_tests_are_those_of_the_model(
    people: list[Any], rows: list[Any], clustered: Results
) -> None:
    subject_rows, records = frames(people, rows)
    used = records[records["CHG"].notna()].merge(
        subject_rows[["USUBJID", "TRT01P", "SITEID", "THERAPID", "THERAP2"]]
    )
    fit = fit_lmm(
        "CHG ~ TRT01P*AVISIT + BASE",
        used,
        random={"USUBJID": "1", **BOTH},
        levels={"TRT01P": ["ACT", "CTL"], "AVISIT": list(VISITS)},
    )
    tested = component_tests(fit).set_index("grouping")
    assert clustered.value("component-test", "chisq", level="SITEID") == (
        pytest.approx(tested.loc["SITEID", "statistic"], rel=1e-6)
    )
    table = random_effects(fit)
    own = table[(table["grouping"] == "SITEID") & (table["level"] == "02")].iloc[0]
    for name in ("estimate", "std_error", "conf_low", "conf_high"):
        found = clustered.value("random-effect", name, level="02", method_id="SITEID")
        assert found == pytest.approx(own[name], rel=1e-6)


def test_subjects_are_counted_for_both_of_their_therapists(
    clustered: Results,
) -> None:
    place = {"method_id": "mm(THERAPID, THERAP2)"}
    counts = clustered.rows(term="members", statistic="n", **place)
    assert len(counts) == 18
    assert counts["value"].sum() == 2 * 60
    sites = clustered.rows(term="members", statistic="n", method_id="SITEID")
    assert sites["value"].tolist() == [10.0] * 6


def test_nobody_predicts_effects_of_subjects(clustered: Results) -> None:
    assert set(clustered.rows(term="random-effect")["method_id"]) == set(BOTH)


def test_nested_therapists_are_named_within_their_site(
    people: list[Any], rows: list[Any]
) -> None:
    wish = {"random": {"SITEID/THERAPID": "1"}}
    found = clusters(people, rows, model=wish)
    label = found.one("levels", "label", level="SITEID:THERAPID")["text"]
    assert label == "Lead therapist within Study site"
    one = {"level": "01:01-T1", "method_id": "SITEID:THERAPID"}
    assert found.value("members", "n", **one) == 4


def test_visits_named_are_the_only_ones_used(
    people: list[Any], rows: list[Any]
) -> None:
    late = [record("001", "WEEK12", 30.0, 30.0, ANL01FL="", ANL01RS="DUPLICATE")]
    found = clusters(people, rows + late, visits=["WEEK3"])
    assert found.value("visits", "n") == 1
    assert found.value("fit", "n_records") == 60
    assert found.rows(term="excluded").empty


def test_a_visit_without_a_value_is_an_error_row(
    people: list[Any], rows: list[Any]
) -> None:
    early = [row for row in rows if row["AVISIT"] != "WEEK12"]
    found = clusters(people, early, visits=["WEEK3", "WEEK12"])
    (row,) = found.rows(term="visit").to_dict("records")
    assert (row["visit"], found.value("visits", "n")) == ("WEEK12", 1)
    assert "no value to analyse at WEEK12" in row["error"]


def test_yes_and_no_have_shares_on_the_latent_scale(people: list[Any]) -> None:
    wish = {"random": {"SITEID": "1"}}
    found = clusters(people, answers(people), "response", model=wish)
    assert found.one("icc", "scale", level="SITEID")["text"] == "latent"
    variances = found.rows(term="random-variance", statistic="estimate")
    total = variances["value"].sum() + np.pi**2 / 3
    own = found.value("random-variance", "estimate", level="USUBJID")
    assert found.value("icc", "estimate", level="USUBJID") == pytest.approx(own / total)
    method = found.one("icc", "estimate", level="SITEID")["method"]
    assert "integral by Laplace's approximation" in method
    assert len(found.rows(term="random-effect", statistic="estimate")) == 6
