"""Input that cannot be analysed gets a cause with a name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models.mixed.glmm.fit import fit_glmm
from unit.models.glmm_trials import make_outcomes

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
