"""Tests of terms and counterfactual means against R and SAS."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.models import anova, emmeans, fit_mmrm, joint_test
from outcomes.models.mmrm.results import MmrmFit
from parity.by_subject import at_theta
from parity.mmrm_cases import case, fit_case
from parity.sas_cases import printed_sigma, theta_of

REFERENCE = Path(__file__).resolve().parent / "reference"
CASES = {
    found["id"]: found
    for found in json.loads((REFERENCE / "anova.json").read_text(encoding="utf-8"))
}
OLS = [name for name, found in CASES.items() if found["spec"]["kind"] == "ols"]
LMM = [name for name, found in CASES.items() if found["spec"]["kind"] == "lmm"]
MEANS = [name for name, found in CASES.items() if found["spec"]["kind"] == "means"]
NUMBERS = ["statistic", "num_df", "den_df", "p_value"]
# Both sides are closed forms.
CLOSED_FORM = 1e-9
# lmerTest's optimiser stops early, and its derivatives are numerical.
OPTIMISED = {"statistic": 2e-5, "num_df": 0.0, "den_df": 2e-4, "p_value": 2e-4}
# A hypothesis of theirs tested on our fit; their rows are rounded (zapsmall).
SAME_ROWS = 2e-6
# SAS stops at a relative change of 1e-8 in its objective.
SAS_STOP = 2e-4
SAS_FULL = ("sas-full-us-reml", "sas-full-us-ml")
R_INTERACTIONS = {
    "caps60-us-reml": {"interaction": "arm:visit"},
    "madrs120-us-reml": {
        "arm_by_visit": "arm:visit",
        "baseline_by_visit": "baseline:visit",
    },
    "madrs120-site-us-reml": {"site": "site"},
}


def _key(term: str) -> tuple[str, ...]:
    """Bring the name of a term or column of either program to one form."""
    term = "(Intercept)" if term == "Intercept" else term
    return tuple(sorted(term.replace("[T.", "").replace("]", "").split(":")))


@cache
def _fit(name: str, covariance: str, df: str) -> MmrmFit:
    spec = CASES[name]["spec"]
    data = pd.read_csv(REFERENCE / CASES[name]["data"])
    if "visit" in spec:
        data = data[data["visit"] == spec["visit"]]
    return fit_mmrm(
        f"{spec['outcome']} ~ {spec['fixed']}",
        data,
        subject="subject",
        visit="visit",
        covariance=covariance,
        df=df,
        levels={"visit": ["W02", "W04", "W08", "W12"]},
    )


def _ours(fit: MmrmFit, kind: int) -> dict[tuple[str, ...], Any]:
    table = anova(fit, type=kind)
    assert table.attrs["reasons"] == {}
    return {_key(row["term"]): row[NUMBERS] for _, row in table.iterrows()}


@pytest.mark.parametrize("kind", [2, 3])
@pytest.mark.parametrize("name", OLS)
def test_analysis_of_covariance_matches_r(name: str, kind: int) -> None:
    ours = _ours(_fit(name, "us", "residual"), kind)
    theirs = CASES[name]["results"][f"type_{kind}"]
    assert len(theirs["term"]) == len(ours)
    for i, term in enumerate(theirs["term"]):
        row = [theirs[column][i] for column in NUMBERS]
        assert list(ours[_key(term)]) == pytest.approx(row, rel=CLOSED_FORM), term


@pytest.mark.parametrize("kind", [2, 3])
@pytest.mark.parametrize("name", LMM)
def test_repeated_measures_match_lmertest(name: str, kind: int) -> None:
    fit = _fit(name, "cs", "satterthwaite")
    ours = _ours(fit, kind)
    theirs = CASES[name]["results"][f"type_{kind}"]
    places = [_key(column) for column in theirs["columns"]]
    order = [places.index(_key(column)) for column in fit.terms]
    assert len(theirs["term"]) == len(ours)
    for i, term in enumerate(theirs["term"]):
        mine = ours[_key(term)]
        for column, tolerance in OPTIMISED.items():
            assert mine[column] == pytest.approx(theirs[column][i], rel=tolerance), term
        # The same hypothesis: their rows, which they print, tested on our fit.
        rows = np.array(theirs["L"][i], dtype=float)[:, order]
        same = joint_test(fit, rows).iloc[0]
        for column in ("statistic", "num_df"):
            assert mine[column] == pytest.approx(same[column], rel=SAME_ROWS), term


@pytest.mark.parametrize("name", R_INTERACTIONS)
def test_highest_terms_match_the_f_tests_of_r_mmrm(name: str) -> None:
    fit = fit_case(name, "satterthwaite", "model")
    tests = case(name)["results"]["inference"]["satterthwaite"]["F_tests"]
    for kind in (2, 3):  # nothing contains these terms, so the types agree
        ours = _ours(fit, kind)
        for theirs, term in R_INTERACTIONS[name].items():
            block = tests[theirs]
            row = [block[key] for key in ("F", "num_df", "denom_df", "p")]
            assert list(ours[_key(term)]) == pytest.approx(row, rel=1e-7), term


@pytest.mark.parametrize("name", SAS_FULL)
def test_type_3_table_matches_sas_to_its_digits(name: str) -> None:
    best = fit_case(name, "satterthwaite", "model")
    # At the covariance parameters SAS stopped at and printed, to the last digit.
    there = at_theta(best, theta_of(best, printed_sigma(name)))
    for fit, stopped in ((best, SAS_STOP), (there, 0.0)):
        ours = _ours(fit, 3)
        table = case(name)["results"]["type3"]
        assert len(table) == len(ours)
        for theirs in table:
            mine = ours[_key(theirs["effect"].replace("*", ":"))]
            assert mine["num_df"] == theirs["num_df"]
            chi_square = mine["statistic"] * mine["num_df"]
            for value, printed, unit in (  # without decimals, and with two
                (mine["den_df"], theirs["denom_df"], 0.5),
                (mine["statistic"], theirs["F"], 0.005),
                (chi_square, theirs["chisq"], 0.005),
            ):
                assert abs(value - printed) <= unit + stopped * printed


@pytest.mark.parametrize("name", MEANS)
def test_means_match_emmeans(name: str) -> None:
    fit = _fit(name, "us", "residual")
    results = CASES[name]["results"]
    found = {
        "counterfactual": emmeans(fit, "arm", weights="counterfactual"),
        "predict": emmeans(fit, "arm", weights="counterfactual"),
        "at_40": emmeans(fit, "arm", at={"baseline": 40.0}),
        "proportional": emmeans(fit, "arm", weights="proportional"),
    }
    for key, means in found.items():
        ours = means.frame.set_index("arm")
        theirs = pd.DataFrame(results[key]).set_index("arm")
        assert set(ours.index) == set(theirs.index)
        for column in theirs.columns:
            np.testing.assert_allclose(
                ours.loc[theirs.index, column],
                theirs[column],
                rtol=CLOSED_FORM,
                err_msg=f"{key} {column}",
            )
