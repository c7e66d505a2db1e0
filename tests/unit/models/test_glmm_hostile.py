"""Input that cannot be analysed gets a cause with a name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, log_expit, logsumexp

from outcomes.errors import ModelError
from outcomes.models.g_computation import standardise
from outcomes.models.mixed.glmm.fit import fit_glmm
from outcomes.models.mixed.glmm.maximise import maximise
from outcomes.models.mixed.glmm.problem import Problem
from outcomes.models.mixed.glmm.start import first_guess
from outcomes.models.mixed.variance import component_tests
from outcomes.models.profiles import profile_intervals
from outcomes.models.tables import tidy
from unit.models.glmm_trials import grid_loglik, make_outcomes

DATA = make_outcomes("logit", n=20)
BINOMIAL: dict[str, Any] = {"random": {"id": "1"}, "family": "binomial"}
POISSON: dict[str, Any] = {"random": {"id": "1"}, "family": "poisson"}
CUMULATIVE: dict[str, Any] = {"random": {"id": "1"}, "family": "cumulative"}
BOTH = {"id": "1", "site": "1"}

HOSTILE: dict[str, tuple[pd.DataFrame, dict[str, Any], str]] = {
    "family": (DATA, {**BINOMIAL, "family": "binomal"}, "Did you mean 'binomial'"),
    "link": (DATA, {**POISSON, "link": "logit"}, "link of family 'poisson'"),
    "values": (DATA.assign(y=DATA.y + 1), BINOMIAL, "must be 0 or 1"),
    "text": (DATA.assign(y="yes"), BINOMIAL, "it has the text 'yes'"),
    "all equal": (DATA.assign(y=1), BINOMIAL, "is 1 in all"),
    "successes": (DATA.assign(y=3, n=2), {**BINOMIAL, "trials": "n"}, "more successes"),
    "no trials": (DATA.assign(n=0), {**BINOMIAL, "trials": "n"}, "no trials in 'n'"),
    "trials": (DATA, {**POISSON, "trials": "n"}, "has no trials"),
    "negative": (DATA.assign(y=-1), POISSON, "takes counts, and 'y' has -1"),
    "share": (DATA.assign(y=0.5), POISSON, "takes counts, and 'y' has 0.5"),
    "zeros": (DATA.assign(y=0), POISSON, "is 0 in all"),
    "offset text": (DATA, {**POISSON, "offset": "visit"}, "it has text"),
    "time at risk": (
        DATA.assign(days=800.0),
        {**POISSON, "offset": "days"},
        "Give the logarithm of a time at risk",
    ),
    "endless offset": (DATA.assign(o=1e300), {**BINOMIAL, "offset": "o"}, "1e+300"),
    "large counts": (DATA.assign(y=DATA.y * 1e13), POISSON, "counts up to 1e+13"),
    "offset": (DATA, {**POISSON, "offset": "zz"}, "no column 'zz'"),
    "binary": (DATA, CUMULATIVE, "needs three categories"),
    "gap": (
        DATA.assign(y=np.where(DATA.t > 1, 4, DATA.y)),
        CUMULATIVE,
        "no record has 'y' 2, 3",
    ),
    "no order": (DATA.assign(y=DATA.visit), CUMULATIVE, "the order of the categories"),
    "shares": (DATA.assign(y=DATA.t), CUMULATIVE, "takes ordered categories"),
    "points": (DATA, {**BINOMIAL, "n_quad": 0}, "no number of quadrature points"),
    "half points": (DATA, {**BINOMIAL, "n_quad": 2.5}, "no number of quadrature"),
    "slopes": (
        DATA,
        {**BINOMIAL, "random": {"id": "1 + t"}, "n_quad": 9},
        "leave n_quad out for Laplace",
    ),
    "groupings": (DATA, {**BINOMIAL, "random": BOTH, "n_quad": 9}, "Laplace"),
    "df": (DATA, {**BINOMIAL, "df": "satterthwaite"}, "df: 'satterthwaite'"),
    "two groupings": (
        DATA,
        {**BINOMIAL, "random": BOTH, "df": "between-within"},
        "there are several",
    ),
    "one record": (DATA.drop_duplicates("id"), BINOMIAL, "has one record"),
    "one level": (DATA.assign(id=1), BINOMIAL, "has the one level"),
    "grouping": (DATA, {**BINOMIAL, "random": {"idd": "1"}}, "Did you mean 'id'"),
    "no mapping": (DATA, {**BINOMIAL, "random": "id"}, "random: give groupings"),
    "no table": (DATA.y, BINOMIAL, "a DataFrame is needed"),
    "covariate": (
        DATA.assign(x=np.where(DATA.x > 0, np.nan, DATA.x)),
        BINOMIAL,
        "missing='exclude'",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_the_cause_is_named(case: str) -> None:
    data, options, message = HOSTILE[case]
    with pytest.raises(ModelError) as error:
        fit_glmm("y ~ arm*t + x", data, **options)
    assert message in str(error.value)


def test_a_cumulative_model_needs_its_intercept() -> None:
    data = make_outcomes("cumulative", n=20)
    with pytest.raises(ModelError, match="Leave the intercept in"):
        fit_glmm("y ~ 0 + arm", data, **CUMULATIVE)


def test_an_outcome_of_booleans_is_binary() -> None:
    plain = fit_glmm("y ~ arm", DATA, **BINOMIAL)
    logical = fit_glmm("y ~ arm", DATA.assign(y=DATA.y == 1), **BINOMIAL)
    np.testing.assert_array_equal(plain.beta, logical.beta)


ORDERED = make_outcomes("cumulative", n=24)


@pytest.mark.parametrize("extreme", [1, 4])
def test_an_arm_in_an_outer_category_separates_a_cumulative_model(extreme: int) -> None:
    data = ORDERED.assign(y=ORDERED.y.where(ORDERED.arm == "A", extreme))
    fit = fit_glmm("y ~ arm + t", data, **CUMULATIVE)
    assert not fit.convergence.converged
    assert "coefficients of arm[T.B] have no finite" in fit.convergence.messages[0]


def test_a_covariate_that_orders_the_categories_separates_them() -> None:
    cuts = np.quantile(ORDERED.t + ORDERED.x, [0.3, 0.6])
    score = ORDERED.t + ORDERED.x
    data = ORDERED.assign(y=np.digitize(score, cuts), score=score)
    fit = fit_glmm("y ~ score", data, n_quad=5, **CUMULATIVE)
    assert not fit.convergence.converged
    assert "score" in fit.convergence.messages[0]


def test_an_arm_in_a_middle_category_is_no_separation() -> None:
    data = ORDERED.assign(y=ORDERED.y.where(ORDERED.arm == "A", 2))
    fit = fit_glmm("y ~ arm + t", data, **CUMULATIVE)
    assert fit.convergence.converged
    assert np.isfinite(tidy(fit)["std_error"].iloc[1:]).all()


@pytest.mark.parametrize("size", [1.0, 1e3, 1e6])
def test_counts_of_any_size_have_a_negative_binomial_fit(size: float) -> None:
    rng = np.random.default_rng(5)
    data = DATA.assign(y=np.round(size * 5.0 * rng.gamma(0.5, 2.0, len(DATA))))
    fit = fit_glmm("y ~ arm", data, random={"id": "1"}, family="negative-binomial")
    assert fit.convergence.converged
    assert fit.loglik == pytest.approx(grid_loglik(fit), abs=1e-6 * len(data))
    far = component_tests(fit)
    assert (far["loglik_reduced"] <= far["loglik_full"] + 1e-6).all()


def make_few_visits(seed: int = 3) -> pd.DataFrame:
    """Simulate subjects with so few visits that their slopes are hardly seen."""
    rng = np.random.default_rng(seed)
    n, visits = int(rng.integers(20, 61)), int(rng.integers(3, 9))
    subject, t = np.repeat(np.arange(n), visits), np.tile(np.arange(visits), n)
    spread, slope = rng.choice([0, 0.5, 1, 2]), rng.choice([0, 0.2, 0.5, 1.0])
    rho, b = rng.uniform(-0.9, 0.9), rng.normal(size=(n, 2))
    b[:, 1] = rho * b[:, 0] + np.sqrt(1 - rho**2) * b[:, 1]
    arm = subject % 2
    eta = -2 + 0.4 * t + 0.3 * arm * t + spread * b[subject, 0]
    y = rng.random(len(t)) < expit(eta + slope * t * b[subject, 1])
    kept = t < rng.integers(2, visits + 3, n)[subject]
    data = pd.DataFrame({"id": subject, "t": t * 1.0, "arm": arm, "y": y.astype(int)})
    return data[kept].reset_index(drop=True)


def exact_deviance(problem: Problem, phi: np.ndarray) -> float:
    """Integrate over both effects of each group on a grid."""
    theta, beta, _ = problem.split(phi)
    z = np.linspace(-8, 8, 201)
    u = np.stack(np.meshgrid(z, z, indexing="ij"))
    b = np.einsum("ij,jkl->ikl", np.array([[theta[0], 0], theta[1:]]), u)
    s, family, known = problem.structure, problem.family, problem.X @ beta
    total = 0.0
    for group in range(s.G):
        log = -0.5 * (u**2).sum(axis=0) + 2.0 * np.log(z[1] - z[0])
        for i in np.flatnonzero(s.group == group):
            eta = known[i] + s.Z[0, i] * b[0] + s.Z[1, i] * b[1]
            log = log + log_expit(eta if family.y[i] else -eta)
        total += s.count[group] * (logsumexp(log) - np.log(2 * np.pi))
    return -2.0 * total


def test_a_wide_maximum_of_laplace_s_approximation_is_not_sought() -> None:
    """It is higher, and an artefact: the likelihood itself is far lower there."""
    fit = fit_glmm("y ~ arm*t", make_few_visits(), random={"id": "1 + t"})
    problem = fit.prepared.problem
    wide = maximise(problem, first_guess(problem, 2.0))
    assert fit.convergence.converged
    assert wide is not None
    assert wide.state.at.deviance < -2.0 * fit.loglik - 10.0
    here = exact_deviance(problem, fit.optimum.phi)
    assert here == pytest.approx(-2.0 * fit.loglik, abs=2.5)
    assert exact_deviance(problem, wide.phi) > here + 30.0


@pytest.mark.parametrize("seed", [37, 39, 51, 53])
def test_an_effect_that_is_absent_beside_another_may_be_there_without_it(
    seed: int,
) -> None:
    data, options = make_few_visits(seed), {"family": "binomial", "n_quad": 1}
    fit = fit_glmm("y ~ arm*t", data, random={"id": "1 || t"})
    assert fit.boundary
    found = component_tests(fit).set_index("term")["loglik_reduced"]
    for gone, left in (("Intercept", "0 + t"), ("t", "1")):
        reduced = fit_glmm("y ~ arm*t", data, random={"id": left}, **options)
        assert found[gone] == pytest.approx(reduced.loglik, abs=1e-6)


def test_names_that_are_no_names_are_refused() -> None:
    fit = fit_glmm("y ~ arm", DATA, **BINOMIAL)
    with pytest.raises(ModelError, match="terms: '3'"):
        profile_intervals(fit, terms=3)  # type: ignore[call-overload]
    for wrong in ({"by": 3}, {"at": 3}):
        with pytest.raises(ModelError, match="standardise"):
            standardise(fit, "arm", **wrong)
    with pytest.raises(ModelError, match="NoneType is no fitted model"):
        standardise(None, "arm")
    none = standardise(fit, "arm", by=None).frame
    pd.testing.assert_frame_equal(none, standardise(fit, "arm", by=()).frame)
