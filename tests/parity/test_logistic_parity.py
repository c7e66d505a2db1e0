"""Logistic and probit regression against R, with Firth's penalty and without."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import chdtrc

from outcomes.models.logistic.fit import fit_logistic
from outcomes.models.logistic.links import log_coefficients
from outcomes.models.logistic.profile import profile_intervals, profile_test
from outcomes.models.logistic.results import LogisticFit, summary_row
from shared import shared

CASES = {
    case["id"]: case
    for case in json.loads(
        (Path(__file__).parent / "reference" / "logistic_cases.json").read_text("utf-8")
    )
}
FIRTH = [name for name in CASES if CASES[name]["spec"]["penalty"]]
ML = [name for name in CASES if name not in FIRTH]
# glm() was run to a relative change of 1e-15 and brglm2 to a score of 1e-12.
ESTIMATES = 1e-7
LOGLIK = 1e-9
# Their root search stops at 1e-11, on a likelihood that optim() maximised to half of
# the digits of its argument.
LIMITS = 1e-6
STATISTIC = 1e-8


@cache
def fitted(name: str) -> LogisticFit:
    case = CASES[name]
    spec = case["spec"]
    return fit_logistic(
        f"{spec['outcome']} ~ {spec['fixed']}",
        pd.DataFrame(case["data"]),
        trials=spec["trials"],
        link=spec["link"],
        penalty=spec["penalty"],
    )


def theirs(name: str) -> Any:
    return CASES[name]["results"]


def order(name: str) -> list[int]:
    """Places of our terms among theirs."""
    known = {_plain(term): i for i, term in enumerate(theirs(name)["names"])}
    return [known[_plain(term)] for term in fitted(name).terms]


def _plain(term: str) -> str:
    return term.replace("(", "").replace(")", "").replace("[T.", "").replace("]", "")


@pytest.mark.parametrize("name", CASES)
def test_estimates_and_their_covariance(name: str) -> None:
    fit, results, places = fitted(name), theirs(name), order(name)
    assert fit.convergence.converged
    assert fit.beta == pytest.approx(
        np.array(results["estimate"])[places], rel=ESTIMATES, abs=1e-9
    )
    vcov = np.array(results["vcov"])[np.ix_(places, places)]
    assert fit.cov_model == pytest.approx(vcov, rel=ESTIMATES, abs=1e-10)
    assert fit.loglik == pytest.approx(results["loglik"], abs=LOGLIK)
    row = summary_row(fit)
    assert row["aic"] == pytest.approx(results["aic"], abs=2 * LOGLIK)
    if name in ML:
        assert row["bic"] == pytest.approx(results["bic"], abs=2 * LOGLIK)


@pytest.mark.parametrize("name", CASES)
def test_profile_limits_and_tests(name: str) -> None:
    rows, results, places = profile_intervals(fitted(name)), theirs(name), order(name)
    for limit in ("conf_low", "conf_high"):
        expected = np.array(results[limit])[places]
        assert rows[limit].to_numpy() == pytest.approx(expected, rel=LIMITS)
    statistic = np.array(results["statistic"])[places]
    assert rows.statistic.to_numpy() == pytest.approx(
        statistic, rel=1e-6, abs=STATISTIC
    )
    assert rows.p_value.to_numpy() == pytest.approx(chdtrc(1, statistic), rel=1e-4)


@pytest.mark.parametrize("name", FIRTH)
def test_penalised_likelihood_and_the_test_of_all_terms(name: str) -> None:
    fit, results = fitted(name), theirs(name)
    constant = log_coefficients(fit.successes, fit.n_trials)
    assert fit.penalised_loglik - constant == pytest.approx(
        results["penalised"], abs=LOGLIK
    )
    test = profile_test(fit, fit.terms[1:]).iloc[0]
    assert test.statistic == pytest.approx(results["all_but_first"], abs=STATISTIC)
    assert test.df == len(fit.terms) - 1


@pytest.mark.parametrize("name", ["separated-firth", "complete-firth"])
def test_cases_meant_to_be_separated_are(name: str) -> None:
    assert fitted(name).separation.kind == (
        "complete" if name == "complete-firth" else "quasi-complete"
    )


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_statsmodels_agrees(link: str) -> None:
    from statsmodels.genmod.families import Binomial, links
    from statsmodels.genmod.generalized_linear_model import GLM

    fit = fitted(f"trial-{link}")
    family = Binomial(links.Logit() if link == "logit" else links.Probit())
    other = GLM(fit.design.y, fit.design.X, family=family).fit(tol=1e-14, maxiter=100)
    assert fit.beta == pytest.approx(other.params, rel=1e-8)
    assert np.sqrt(np.diagonal(fit.cov_model)) == pytest.approx(other.bse, rel=1e-7)
    assert fit.loglik == pytest.approx(other.llf, abs=1e-9)


def test_the_shared_case_of_g_computation() -> None:
    """The fit behind it; glm() stopped at its default tolerance there."""
    path = shared("references", "proportions.json")
    cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
    case = next(case for case in cases if case["id"] == "gcomp-week12")
    data = pd.read_csv(path.parent / case["data"]).dropna(subset=["response"])
    fit = fit_logistic("response ~ arm + baseline", data, levels=case["spec"]["levels"])
    results = case["results"]
    assert fit.beta == pytest.approx(results["estimate"], rel=1e-7)
    assert np.sqrt(np.diagonal(fit.cov_model)) == pytest.approx(results["se"], rel=1e-5)
    assert fit.loglik == pytest.approx(results["logLik"], abs=1e-8)
    risks = []
    for arm in case["spec"]["levels"]["arm"]:
        X = fit.design.X.copy()
        X[:, 1] = arm == "active"
        risks.append(fit.inverse_link(X @ fit.beta).mean())
    assert risks == pytest.approx(results["risk"], rel=1e-7)
