"""Cox models against R survival: likelihoods, tests, residuals, baseline hazards."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.models.survival.cox import fit_cox
from outcomes.models.survival.cox_inference import hazard_ratios
from outcomes.models.survival.cox_results import CoxFit
from outcomes.models.survival.schoenfeld import (
    proportional_hazards,
    schoenfeld_residuals,
)
from outcomes.models.tables import tidy
from shared import shared

OURS = json.loads(
    (Path(__file__).parent / "reference" / "survival_cox.json").read_text("utf-8")
)
CASES = {case["id"]: case for case in OURS["cases"]}
# coxph was run to a relative change of 1e-13 of its likelihood; what is left is the
# order of sums.
REL = 1e-10
# Numbers that are differences of near ones, next to others of their size.
SMALL = 1e-11
TRANSFORMS = ("km", "rank", "identity", "log")
SHARED = (
    "lung-cox-efron",
    "lung-cox-breslow",
    "lung-cox-cluster",
    "lung-cox-strata",
    "durability200-cox",
    "durability200-cox-therapist",
)


@cache
def fitted(name: str) -> CoxFit:
    case = CASES[name]
    options = dict(case["options"])
    return fit_cox(
        options.pop("formula"), pd.DataFrame(OURS["data"][case["data"]]), **options
    )


def theirs(name: str) -> dict[str, Any]:
    results: dict[str, Any] = CASES[name]["results"]
    return results


def square(values: Any) -> np.ndarray:
    return np.atleast_2d(np.asarray(values, dtype=float))


@pytest.mark.parametrize("name", CASES)
def test_estimates_and_their_covariances(name: str) -> None:
    fit, r = fitted(name), theirs(name)
    assert fit.convergence.converged
    assert fit.beta == pytest.approx(np.atleast_1d(r["estimate"]), rel=REL)
    assert fit.cov_model == pytest.approx(square(r["naive_vcov"]), rel=REL, abs=SMALL)
    assert fit.vcov.to_numpy() == pytest.approx(square(r["vcov"]), rel=REL, abs=SMALL)
    assert (fit.n_records, fit.n_events) == (r["n"], r["events"])


@pytest.mark.parametrize("name", CASES)
def test_likelihoods_and_tests_of_all_coefficients(name: str) -> None:
    fit, r = fitted(name), theirs(name)
    assert fit.loglik == pytest.approx(r["loglik"], rel=REL)
    assert fit.loglik_null == pytest.approx(r["loglik_null"], rel=REL)
    assert fit.wald.statistic == pytest.approx(r["wald"], rel=REL)
    assert fit.score.statistic == pytest.approx(r["score"], rel=REL)
    gain = 2 * (r["loglik"] - r["loglik_null"])
    assert fit.likelihood_ratio.statistic == pytest.approx(gain, rel=REL)
    if r["robust_score"] is None:
        assert fit.robust_score is None
    else:
        assert fit.robust_score is not None
        assert fit.robust_score.statistic == pytest.approx(r["robust_score"], rel=REL)


@pytest.mark.parametrize("name", CASES)
def test_concordance(name: str) -> None:
    assert fitted(name).concordance == pytest.approx(
        theirs(name)["concordance"], rel=1e-13
    )


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", CASES)
def test_proportional_hazards(name: str, transform: Any) -> None:
    found = proportional_hazards(fitted(name), transform)
    r = theirs(name)["zph"][transform]
    assert list(found["term"]) == r["term"]
    assert list(found["df"]) == r["df"]
    assert found["chisq"].to_numpy() == pytest.approx(np.array(r["chisq"]), rel=REL)
    assert found["p_value"].to_numpy() == pytest.approx(np.array(r["p"]), rel=REL)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_baseline_hazard(name: str, centred: bool) -> None:
    found = fitted(name).baseline(centred=centred)
    r = theirs(name)["baseline" if centred else "baseline_at_zero"]
    assert list(found["time"]) == r["time"]
    assert found["hazard"].to_numpy() == pytest.approx(np.array(r["hazard"]), rel=REL)
    if "stratum" in r:
        # R drops "name=" of one column of strata, and pads levels of several.
        plain = [", ".join(p.strip() for p in s.split(",")) for s in r["stratum"]]
        assert list(found["stratum"]) == plain


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_schoenfeld_residuals(name: str, scaled: bool) -> None:
    fit, r = fitted(name), theirs(name)
    found = schoenfeld_residuals(fit, scaled=scaled)
    key = "scaled_schoenfeld" if scaled else "schoenfeld"
    values = np.reshape(np.asarray(r[key], dtype=float), (len(found), -1))
    assert found["time"].to_numpy() == pytest.approx(np.array(r["residual_times"]))
    ours = found[list(fit.estimated_terms)].to_numpy()
    # Events at one time have no order.
    keys = ["stratum", "time"]
    for _, rows in found.groupby(keys, sort=False).indices.items():
        a, b = ours[rows], values[rows]
        a, b = (m[np.lexsort(np.round(m, 8).T)] for m in (a, b))
        assert a == pytest.approx(b, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("name", SHARED)
def test_cases_of_the_shared_file(name: str) -> None:
    file = json.loads(shared("references", "survival.json").read_text("utf-8"))
    case = next(case for case in file["cases"] if case["id"] == name)
    spec, r = case["spec"], case["results"]
    fit = fit_cox(
        spec["fixed"],
        pd.read_csv(shared("references", *case["data"].split("/"))),
        time=spec["time"],
        event=spec["event"],
        ties=spec["ties"],
        strata=spec.get("strata"),
        cluster=spec["cluster"],
        levels=spec.get("levels"),
    )
    table, ratios = tidy(fit), hazard_ratios(fit)
    close = {"rel": 1e-11}
    assert (fit.n_records, fit.n_events) == (r["n"], r["events"])
    assert table["estimate"].to_numpy() == pytest.approx(
        np.array(r["estimate"]), **close
    )
    assert np.sqrt(np.diag(fit.cov_model)) == pytest.approx(np.array(r["se"]), **close)
    if r["robust_se"] is not None:
        robust = np.array(r["robust_se"])
        assert table["std_error"].to_numpy() == pytest.approx(robust, **close)
        assert fit.robust_score is not None
        assert fit.robust_score.statistic == pytest.approx(r["robust_score"], **close)
    vcov = np.array(r["vcov"]["values"])
    assert fit.vcov.to_numpy() == pytest.approx(vcov, **close)
    assert fit.loglik == pytest.approx(r["loglik"], **close)
    assert fit.loglik_null == pytest.approx(r["loglik_null"], **close)
    assert fit.wald.statistic == pytest.approx(r["wald"], **close)
    assert fit.score.statistic == pytest.approx(r["score"], **close)
    assert table["statistic"].to_numpy() == pytest.approx(np.array(r["z"]), **close)
    assert table["p_value"].to_numpy() == pytest.approx(np.array(r["p"]), **close)
    limits = ratios[["conf_low", "conf_high"]].to_numpy()
    assert limits == pytest.approx(np.array(r["hr_ci95"]["values"]), **close)
    assert fit.concordance == pytest.approx(r["concordance"], **close)
    zph = proportional_hazards(fit)
    assert list(zph["term"]) == r["zph"]["rows"]
    assert zph["chisq"].to_numpy() == pytest.approx(
        np.array(r["zph"]["chisq"]), **close
    )
    assert zph["p_value"].to_numpy() == pytest.approx(np.array(r["zph"]["p"]), **close)
    first = r["baseline_cumhaz_at_mean_first8"]
    baseline = fit.baseline().head(8)
    assert list(baseline["time"]) == first["time"]
    assert baseline["hazard"].to_numpy() == pytest.approx(
        np.array(first["hazard"]), **close
    )
