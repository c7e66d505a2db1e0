"""Yes/no endpoints over visits by one model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from clustered import (
    SOURCES,
    VISITS,
    answers,
    frames,
    subjects,
    yes_or_no,
)
from hand_made import Results, run, study

from outcomes.models.comparisons import contrasts
from outcomes.models.g_computation import standardise
from outcomes.models.logistic.fit import fit_logistic
from outcomes.models.means import emmeans
from outcomes.models.mixed.glmm.fit import fit_glmm
from outcomes.models.profiles import profile_intervals

COMPARED = {"visit": "WEEK3", "arm": "ACT", "comparator": "CTL"}
RATIOS = ("odds-ratio-marginal", "odds-ratio-conditional")


def over_time(
    people: list[Any],
    rows: list[Any],
    *,
    named: dict[str, Any] | None = None,
    sections: dict[str, Any] | None = None,
    **model: Any,
) -> Results:
    wish = {"id": "course", "question": "longitudinal-responders", "model": model}
    target = named or {"endpoint": "response", "population": "FAS"}
    spec = study({**wish, **target}, sources=SOURCES, **(sections or {}))
    return run(spec, *frames(people, rows))


def failed(found: Results) -> str:
    rows = found.rows(term="analysis")
    assert len(rows) == 1
    return str(rows["error"].iloc[0])


@pytest.fixture(scope="module")
def people() -> list[Any]:
    return subjects(80)


@pytest.fixture(scope="module")
def rows(people: list[Any]) -> list[Any]:
    return answers(people)


@pytest.fixture(scope="module")
def mixed(people: list[Any], rows: list[Any]) -> Results:
    return over_time(people, rows, n_quad=9)


def test_without_covariates_and_correlation_risks_are_proportions(
    people: list[Any], rows: list[Any]
) -> None:
    wish = {"kind": "gee", "covariates": [], "structure": "independence"}
    found = over_time(people, rows, **wish)
    for visit in VISITS:
        for arm in ("ACT", "CTL"):
            at = {"visit": visit, "arm": arm}
            assert found.value("risk", "estimate", **at) == pytest.approx(
                found.value("observed", "percent", **at)
            )
    act, control = (
        found.value("observed", "percent", visit="WEEK3", arm=arm) / 100
        for arm in ("ACT", "CTL")
    )
    difference = found.value("risk-difference", "estimate", **COMPARED)
    assert difference == pytest.approx(100 * (act - control))
    ratio = found.value("risk-ratio", "estimate", **COMPARED)
    assert ratio == pytest.approx(act / control)
    odds = act / (1 - act) / (control / (1 - control))
    for term in RATIOS:
        assert found.value(term, "estimate", **COMPARED) == pytest.approx(odds)


def test_the_numbers_are_those_of_the_mixed_model(
    people: list[Any], rows: list[Any], mixed: Results
) -> None:
    subject_rows, records = frames(people, rows)
    base = records[records["ABLFL"] == "Y"].set_index("USUBJID")["AVAL"]
    used = records[records["PARAMCD"] == "RESP"].merge(
        subject_rows[["USUBJID", "TRT01P"]]
    )
    used = used.assign(BASE=used["USUBJID"].map(base))
    fit = fit_glmm(
        "AVAL ~ TRT01P*AVISIT + BASE",
        used,
        random={"USUBJID": "1"},
        family="binomial",
        n_quad=9,
        levels={"TRT01P": ["CTL", "ACT"], "AVISIT": list(VISITS)},
    )
    found = standardise(
        fit, "TRT01P", measure="odds-ratio", reference="CTL", by="AVISIT"
    ).frame
    own = found[found["AVISIT"] == "WEEK3"].iloc[0]
    for name in ("estimate", "std_error", "conf_low", "conf_high", "p_value"):
        value = mixed.value("odds-ratio-marginal", name, **COMPARED)
        assert value == pytest.approx(own[name], rel=1e-6)
    conditional = contrasts(emmeans(fit, "TRT01P", by="AVISIT"), reference="CTL").frame
    row = conditional[conditional["AVISIT"] == "WEEK3"].iloc[0]
    assert mixed.value("odds-ratio-conditional", "std_error", **COMPARED) == (
        pytest.approx(row["std_error"], rel=1e-6)
    )


def test_the_conditional_odds_ratio_is_the_farther_from_one(mixed: Results) -> None:
    marginal, conditional = (mixed.value(t, "estimate", **COMPARED) for t in RATIOS)
    assert 1 < marginal < conditional


def test_no_odds_ratio_stands_without_saying_which_it_is(mixed: Results) -> None:
    ratios = mixed.frame[mixed.frame["term"].str.startswith("odds-ratio")]
    assert set(ratios["term"]) == set(RATIOS)
    for term, word in zip(
        RATIOS, ("marginal (population", "conditional on"), strict=True
    ):
        methods = ratios.loc[ratios["term"] == term, "method"]
        assert methods.str.contains(word, regex=False).all()
    marginal = ratios[ratios["term"] == RATIOS[0]]
    assert not marginal["method"].str.contains("conditional on").any()


def test_the_method_names_the_integral(people: list[Any], rows: list[Any]) -> None:
    found = over_time(people, rows, n_quad=1)
    method = found.one("risk", "estimate", visit="WEEK3", arm="ACT")["method"]
    assert "integral by Laplace's approximation" in method
    found = over_time(people, rows)
    method = found.one("risk", "estimate", visit="WEEK3", arm="ACT")["method"]
    assert "adaptive Gauss-Hermite quadrature with 25 points" in method


def test_visits_are_tested_together(mixed: Results) -> None:
    assert mixed.value("arm-by-visit", "df") == 2
    assert mixed.value("arm-at-all-visits", "df") == 3
    assert 0 <= mixed.value("arm-at-all-visits", "p_value") <= 1


def test_degrees_of_freedom_make_it_t_and_f(people: list[Any], rows: list[Any]) -> None:
    found = over_time(people, rows, df="between-within", n_quad=5)
    assert found.value("odds-ratio-conditional", "df", **COMPARED) < 240
    assert found.value("arm-by-visit", "num_df") == 2


def test_random_effects_have_their_rows(mixed: Results) -> None:
    assert mixed.value("levels", "n", level="USUBJID") == 80
    assert mixed.value("random-sd", "estimate", level="USUBJID") > 0
    assert mixed.one("icc", "scale", level="USUBJID")["text"] == "latent"
    assert mixed.value("fit", "converged") == 1


def test_missing_baselines_and_rows_of_a_rule_are_counted(
    people: list[Any], rows: list[Any]
) -> None:
    kept = [row for row in rows if row["USUBJID"] != "001" or not row.get("ABLFL")]
    made = [
        yes_or_no(row["USUBJID"], row["AVISIT"], 0, made=True)
        if (row["USUBJID"], row["AVISIT"]) == ("002", "WEEK12")
        else row
        for row in kept
    ]
    found = over_time(people, made, kind="gee")
    assert found.value("excluded", "n", level="BASE is missing") == 3
    assert found.value("excluded", "n", level="NO VALUE (LEFT MISSING)") == 1
    assert found.value("fit", "n_records") == 240 - 4
    assert found.value("no-post-baseline", "n") == 1
    act = found.value("observed", "denominator", visit="WEEK12", arm="ACT")
    assert act == 39


RESCUE = {
    "RESCDT": "2024-01-20",
}
ESTIMANDS = [
    {
        "id": f"by-{strategy}",
        "endpoint": "response",
        "population": "FAS",
        "intercurrent_events": [{"event": "rescue", "strategy": strategy}],
    }
    for strategy in ("treatment-policy", "hypothetical", "composite")
]


def rescued(strategy: str, people: list[Any], rows: list[Any]) -> Results:
    """Subject 002 takes rescue on day 20: a yes after it, and no value at week 12."""
    taken = [{**one, **(RESCUE if one["USUBJID"] == "002" else {})} for one in people]
    changed = []
    for row in rows:
        place = (row["USUBJID"], row["AVISIT"])
        if place == ("002", "WEEK3"):
            row = yes_or_no("002", "WEEK3", 1, ICE1FL="Y")
        elif place == ("002", "WEEK12"):
            row = yes_or_no("002", "WEEK12", 0, made=True)
        elif place == ("004", "WEEK1"):
            row = yes_or_no("004", "WEEK1", 0, made=True)
        changed.append(row)
    return over_time(
        taken,
        changed,
        kind="gee",
        named={"estimand": f"by-{strategy}"},
        sections={"estimands": ESTIMANDS},
    )


def seen(found: Results, visit: str) -> tuple[float, float]:
    return (
        found.value("observed", "n", visit=visit, arm="ACT"),
        found.value("observed", "denominator", visit=visit, arm="ACT"),
    )


def test_each_strategy_meets_rescue_in_its_way(
    people: list[Any], rows: list[Any]
) -> None:
    policy, dropped, no = (
        rescued(strategy, people, rows)
        for strategy in ("treatment-policy", "hypothetical", "composite")
    )
    yes, total = seen(policy, "WEEK3")
    assert total == 40
    assert seen(dropped, "WEEK3") == (yes - 1, 39)
    assert dropped.value("excluded", "n", level="AFTER RESCUE MEDICATION") == 1
    assert seen(no, "WEEK3") == (yes - 1, 40)


def test_a_visit_missed_after_rescue_is_a_no_by_the_composite_alone(
    people: list[Any], rows: list[Any]
) -> None:
    policy, no = (
        rescued(strategy, people, rows)
        for strategy in ("treatment-policy", "composite")
    )
    yes, total = seen(policy, "WEEK12")
    assert total == 39
    assert seen(no, "WEEK12") == (yes, 40)
    assert no.value("counted-as-no", "n") == 1
    assert seen(no, "WEEK1")[1] == 39
    assert no.value("excluded", "n", level="NO VALUE (LEFT MISSING)") == 1
    assert policy.rows(term="counted-as-no").empty


def never(people: list[Any], rows: list[Any]) -> list[Any]:
    """Nobody of the control arm says yes at week 3."""
    control = {one["USUBJID"] for one in people if one["ARMCD"] == "CTL"}
    return [
        {**row, "AVAL": 0}
        if row["USUBJID"] in control and row["AVISIT"] == "WEEK3"
        else row
        for row in rows
    ]


def test_separation_is_named_and_marked(people: list[Any], rows: list[Any]) -> None:
    found = over_time(people, never(people, rows), n_quad=5)
    (row,) = found.rows(term="fit", statistic="estimate").to_dict("records")
    assert "did not converge" in row["error"]
    assert "WEEK3" in row["error"]
    risk = found.one("risk", "estimate", visit="WEEK1", arm="ACT")
    assert "the model did not converge" in risk["warning"]


def test_a_fallback_takes_the_place_of_a_model_that_runs_off(
    people: list[Any], rows: list[Any]
) -> None:
    found = over_time(people, never(people, rows), n_quad=5, fallback="firth")
    assert not (found.frame["error"] != "").any()
    row = found.one("odds-ratio-conditional", "estimate", **COMPARED)
    assert 1 < row["value"] < 1e4
    assert "mixed model not used (the model did not converge" in row["warning"]
    assert "Firth's penalty used instead" in row["warning"]
    assert "Firth's penalised likelihood" in row["method"]
    assert found.rows(term="arm-by-visit").empty


def test_a_fallback_that_is_not_needed_is_not_used(
    people: list[Any], rows: list[Any], mixed: Results
) -> None:
    found = over_time(people, rows, n_quad=9, fallback="firth")
    assert found.value("risk", "estimate", visit="WEEK3", arm="ACT") == mixed.value(
        "risk", "estimate", visit="WEEK3", arm="ACT"
    )


def test_a_regression_without_penalty_fails_at_its_visit_alone(
    people: list[Any], rows: list[Any]
) -> None:
    found = over_time(people, never(people, rows), kind="logistic")
    (row,) = found.rows(
        term="risk", statistic="estimate", visit="WEEK3", arm="CTL"
    ).to_dict("records")
    assert "penalty: firth" in row["error"]
    assert found.value("risk", "estimate", visit="WEEK1", arm="CTL") > 0
    with_penalty = over_time(
        people, never(people, rows), kind="logistic", penalty="firth"
    )
    assert not (with_penalty.frame["error"] != "").any()


def test_a_penalised_odds_ratio_has_the_limits_of_its_profile(
    people: list[Any], rows: list[Any]
) -> None:
    wish = {"kind": "logistic", "penalty": "firth"}
    found = over_time(people, never(people, rows), **wish)
    subject_rows, records = frames(people, never(people, rows))
    base = records[records["ABLFL"] == "Y"].set_index("USUBJID")["AVAL"]
    here = (records["PARAMCD"] == "RESP") & (records["AVISIT"] == "WEEK3")
    used = records[here].merge(subject_rows[["USUBJID", "TRT01P"]])
    fit = fit_logistic(
        "AVAL ~ TRT01P + BASE",
        used.assign(BASE=used["USUBJID"].map(base)),
        penalty="firth",
        levels={"TRT01P": ["CTL", "ACT"]},
    )
    own = profile_intervals(fit, "TRT01P[T.ACT]").iloc[0]
    for name, value in (
        ("conf_low", np.exp(own["conf_low"])),
        ("conf_high", np.exp(own["conf_high"])),
        ("chisq", own["statistic"]),
        ("p_value", own["p_value"]),
    ):
        stored = found.value("odds-ratio-conditional", name, **COMPARED)
        assert stored == pytest.approx(value, rel=1e-6)
    assert found.rows(term="odds-ratio-conditional", statistic="z").empty


def test_an_arm_without_records_is_said_so(people: list[Any], rows: list[Any]) -> None:
    control = {one["USUBJID"] for one in people if one["ARMCD"] == "CTL"}
    only = [row for row in rows if row["USUBJID"] in control]
    found = over_time(people, only, kind="gee")
    (row,) = found.rows(
        term="risk-difference", statistic="estimate", visit="WEEK3"
    ).to_dict("records")
    assert row["error"] == "not estimable: the arm has no record."


def test_nobody_to_compare_with_ends_the_analysis(
    people: list[Any], rows: list[Any]
) -> None:
    active = {one["USUBJID"] for one in people if one["ARMCD"] == "ACT"}
    only = [row for row in rows if row["USUBJID"] in active]
    assert "the control arm CTL has no value" in failed(
        over_time(people, only, kind="gee")
    )


def test_one_visit_with_records_has_no_course(
    people: list[Any], rows: list[Any]
) -> None:
    one = [row for row in rows if row["AVISIT"] in ("BASELINE", "WEEK3")]
    assert "say kind: logistic" in failed(over_time(people, one))
    named = {"endpoint": "response", "population": "FAS", "visits": ["WEEK1", "WEEK3"]}
    found = over_time(people, one, kind="logistic", named=named)
    assert found.one("visit", "estimate", visit="WEEK1")["error"]


def test_values_other_than_yes_and_no_are_refused(
    people: list[Any], rows: list[Any]
) -> None:
    odd = [{**row, "AVAL": 2} if row["PARAMCD"] == "RESP" else row for row in rows]
    assert "must be 0 or 1" in failed(over_time(people, odd))


def test_one_arm_has_probabilities_and_no_comparison(rows: list[Any]) -> None:
    alone = [{**one, "ARMCD": "ACT", "TRT01P": "ACT"} for one in subjects(80)]
    sections: dict[str, Any] = {
        "arms": [{"id": "ACT", "label": "Active", "active": True}],
        "study": {
            "id": "small",
            "title": "A small trial",
            "compound": "psilocybin",
            "indication": "depression",
            "design": "single-arm",
        },
    }
    found = over_time(alone, rows, kind="gee", sections=sections)
    assert len(found.rows(term="risk", statistic="estimate")) == 3
    assert found.rows(term="risk-difference").empty
    assert not (found.frame["error"] != "").any()
