"""Mixed logistic models: groupings without variance, and integrals in doubt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from clustered import SOURCES, VISITS, frames, subjects, yes_or_no
from hand_made import Results, baseline, run, study

from outcomes.analyses.mixed_logistic import fit_mixed_logistic
from outcomes.models.mixed.glmm.fit import fit_glmm

LABELS = {"USUBJID": "Subject", "SITEID": "Study site"}
FORMULA = "AVAL ~ TRT01P*AVISIT"
LEVELS = {"TRT01P": ["CTL", "ACT"], "AVISIT": list(VISITS)}
BOTH = {"USUBJID": "1", "SITEID": "1"}


@pytest.fixture(scope="module")
def people() -> list[Any]:
    return subjects(72)


def lasting(
    people: list[Any], sites: dict[str, float], *, spread: float = 4.0
) -> list[Any]:
    """Rows of subjects who mostly keep their answer, with effects of sites."""
    rng = np.random.default_rng(3)
    rows = []
    for place, one in enumerate(people):
        rows.append(baseline(one["USUBJID"], 30))
        # The same spread in every site: none of it lies between them.
        own = spread * (((place // 6) * 5 % 12) / 5.5 - 1.0) + sites[one["SITEID"]]
        own += 1.5 if one["ARMCD"] == "ACT" else -1.5
        for visit in VISITS:
            chance = 1 / (1 + np.exp(-own))
            rows.append(yes_or_no(one["USUBJID"], visit, int(rng.random() < chance)))
    return rows


@pytest.fixture(scope="module")
def alike(people: list[Any]) -> list[Any]:
    return lasting(people, {f"{k:02d}": 0.0 for k in range(1, 7)})


@pytest.fixture(scope="module")
def apart(people: list[Any]) -> list[Any]:
    return lasting(
        people, {f"{k:02d}": 4.0 * (k - 3.5) for k in range(1, 7)}, spread=9.0
    )


def used(people: list[Any], rows: list[Any]) -> pd.DataFrame:
    subject_rows, records = frames(people, rows)
    found = records[records["PARAMCD"] == "RESP"]
    return found.merge(subject_rows[["USUBJID", "TRT01P", "SITEID"]])


def course(people: list[Any], rows: list[Any], **model: Any) -> Results:
    wish = {"id": "course", "question": "longitudinal-responders", "model": model}
    target = {"endpoint": "response", "population": "FAS"}
    return run(study({**wish, **target}, sources=SOURCES), *frames(people, rows))


def test_a_site_without_variance_does_not_change_a_number(
    people: list[Any], alike: list[Any]
) -> None:
    with_site = course(people, alike, covariates=[], random={"SITEID": "1"})
    without = course(people, alike, covariates=[])
    compared = {"visit": "WEEK3", "arm": "ACT", "comparator": "CTL"}
    for term in ("risk-difference", "odds-ratio-conditional"):
        for name in ("estimate", "std_error", "p_value"):
            assert with_site.value(term, name, **compared) == pytest.approx(
                without.value(term, name, **compared), rel=1e-9
            )
    row = with_site.one("risk-difference", "estimate", **compared)
    said = "variance of Study site estimated as zero: fitted without it"
    assert said in row["warning"]
    assert said in row["method"]
    assert "quadrature with 25 points" in row["method"]
    assert "random intercept of USUBJID, maximum" in row["method"]
    assert with_site.value("random-sd", "estimate", level="SITEID") == 0.0
    assert with_site.value("levels", "n", level="SITEID") == 6
    assert not (with_site.frame["error"] != "").any()


def test_points_of_the_study_file_are_used_once_one_intercept_is_left(
    people: list[Any], alike: list[Any]
) -> None:
    data = used(people, alike)
    found = fit_mixed_logistic(FORMULA, data, BOTH, n_quad=40, levels=LEVELS)
    assert found.left_out == {"SITEID": 6}
    assert found.fit.n_quad == 40
    plain = fit_glmm(
        FORMULA,
        data,
        random={"USUBJID": "1"},
        family="binomial",
        n_quad=40,
        levels=LEVELS,
    )
    assert found.fit.loglik == pytest.approx(plain.loglik, abs=1e-9)


def test_a_nested_grouping_leaves_what_has_a_variance(
    people: list[Any], alike: list[Any]
) -> None:
    data = used(people, alike).assign(HALF=lambda d: d["USUBJID"].str[-1])
    random = {"USUBJID": "1", "SITEID/HALF": "1"}
    found = fit_mixed_logistic(FORMULA, data, random, n_quad=None, levels=LEVELS)
    assert "SITEID" in found.left_out
    assert set(found.fit.random) == {"USUBJID", "SITEID:HALF"} - set(found.left_out)


def test_a_doubtful_integral_comes_first_and_names_its_remedy(
    people: list[Any], apart: list[Any]
) -> None:
    data = used(people, apart)
    found = fit_mixed_logistic(FORMULA, data, BOTH, n_quad=None, levels=LEVELS)
    assert found.left_out == {}
    assert found.fit.n_quad == 1
    said = found.warning(LABELS)
    assert said.startswith("THESE NUMBERS MAY BE FAR OFF: random effects have a")
    assert "drop the further groupings and slopes from random, and use n_quad" in said
    assert "are there enough" not in said


@pytest.mark.parametrize(
    ("points", "spread", "remedy"),
    [
        (1, 7.0, "leave n_quad out, or give it 25 points or more"),
        (3, 4.0, "give n_quad more than 3 points"),
    ],
)
def test_one_intercept_has_the_remedy_of_more_points(
    people: list[Any], points: int, spread: float, remedy: str
) -> None:
    rows = lasting(people, {f"{k:02d}": 0.0 for k in range(1, 7)}, spread=spread)
    found = course(people, rows, covariates=[], n_quad=points)
    row = found.one("risk", "estimate", visit="WEEK3", arm="ACT")
    assert row["warning"].startswith("THESE NUMBERS")
    assert row["warning"].endswith(f"Remedy, in the study file: {remedy}")
    assert 0 < row["value"] < 100


def test_a_fit_without_doubt_has_no_warning(
    people: list[Any], alike: list[Any]
) -> None:
    data = used(people, alike)
    one = {"USUBJID": "1"}
    found = fit_mixed_logistic(FORMULA, data, one, n_quad=60, levels=LEVELS)
    assert found.warning(LABELS) == ""
