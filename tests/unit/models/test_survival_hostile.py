"""Survival data on which a number could be wrong and look right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models.survival.competing_risks import cumulative_incidence
from outcomes.models.survival.cox import fit_cox
from outcomes.models.survival.entry import entry_weights
from outcomes.models.survival.followed import followed_rows
from outcomes.models.survival.gray import gray_test
from outcomes.models.survival.interval_censoring import turnbull
from outcomes.models.survival.kaplan_meier import kaplan_meier
from outcomes.models.survival.logrank import logrank
from outcomes.models.survival.rmst import rmst
from outcomes.models.survival.schoenfeld import proportional_hazards

END: dict[str, Any] = {"time": "t", "event": "e"}


def table(**columns: Any) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    arms = {"arm": np.resize(["a", "b"], n)}
    return pd.DataFrame({"t": np.arange(1.0, n + 1), "e": [1] * n} | arms | columns)


def softmax_newton(data: pd.DataFrame, beta: Any) -> tuple[Any, Any]:
    """Cox by Breslow, each risk set summed on its own from its largest hazard."""
    X, t = data[["x", "z"]].to_numpy(), data["t"].to_numpy()
    for _ in range(30):
        score, info = np.zeros(2), np.zeros((2, 2))
        for i in range(len(t)):
            if not data["e"].iloc[i]:
                continue
            risk = (data["t"] >= t[i]) & (data["s"] < t[i])
            here = (risk & (data["g"] == data["g"].iloc[i])).to_numpy()
            eta = X[here] @ beta
            share = np.exp(eta - eta.max())
            share /= share.sum()
            away = X[here] - share @ X[here]
            score += X[i] - share @ X[here]
            info += (away.T * share) @ away
        beta = beta + np.linalg.solve(info, score)
    return beta, np.sqrt(np.diag(np.linalg.inv(info)))


def assert_softmax(data: pd.DataFrame, **options: Any) -> None:
    fit = fit_cox("x + z", data, ties="breslow", **END, **options)
    assert fit.convergence.converged
    beta, errors = softmax_newton(data, np.array(fit.beta))
    assert np.asarray(fit.beta) == pytest.approx(beta, abs=1e-9)
    assert np.sqrt(np.diag(fit.cov_model)) == pytest.approx(errors, rel=1e-8)


@pytest.mark.parametrize("slope", [2.0, 5.0])
def test_late_entries_whose_hazards_drift_apart(slope: float) -> None:
    rng = np.random.default_rng(2)
    n = 100
    s = np.round(np.sort(rng.uniform(0, 20, n)), 3)
    x = s + rng.normal(size=n)
    span = rng.exponential(np.exp(-slope * (x - s)))
    lost = rng.exponential(3.0, n)
    t = s + np.maximum(0.001, np.minimum(span, lost))
    d = table(t=t, e=(span <= lost).astype(int), s=s, x=x, z=rng.normal(size=n))
    assert_softmax(d.assign(g=0), entry="s")


@pytest.mark.parametrize("slope", [8.0, 12.0])
def test_strata_do_not_leave_rounding_to_one_another(slope: float) -> None:
    rng = np.random.default_rng(3)
    n = 120
    x, z, g = rng.normal(size=n), rng.normal(size=n), rng.integers(0, 4, n)
    t = pd.Series(rng.gumbel(size=n) - slope * x).rank().to_numpy()
    assert_softmax(table(t=t, x=x, z=z, g=g, s=-np.ones(n)), strata="g")


@pytest.mark.parametrize("apart", [1e-5, 1e-7])
def test_proportional_hazards_of_columns_that_are_nearly_copies(apart: float) -> None:
    rng = np.random.default_rng(5)
    n = 120
    x, q = rng.normal(size=n), rng.normal(size=n)
    d = table(t=rng.exponential(size=n), x=x, q=q, y=x + apart * q)
    plain = proportional_hazards(fit_cox("x + q", d, **END))
    near = proportional_hazards(fit_cox("x + y", d, **END))
    assert near["chisq"].iloc[-1] == pytest.approx(plain["chisq"].iloc[-1], rel=1e-6)


def test_proportional_hazards_do_not_depend_on_an_origin() -> None:
    rng = np.random.default_rng(6)
    n = 120
    d = table(t=rng.exponential(size=n), x=rng.normal(size=n))
    found, moved = (
        proportional_hazards(fit_cox("x * arm", data, **END))["chisq"].iloc[-1]
        for data in (d, d.assign(x=d["x"] + 1e6))
    )
    assert moved == pytest.approx(found, rel=1e-6)


def test_jackknife_errors_after_heavy_subjects_have_gone() -> None:
    rng = np.random.default_rng(8)
    n = 60
    d = table(t=rng.permutation(n) + 1.0, w=10.0 ** rng.uniform(-4, 4, n))
    d["e"] = rng.integers(0, 2, n)
    curve = kaplan_meier(d, weights="w", **END).curve
    d = d.sort_values("t")
    w = d["w"].to_numpy().astype(np.longdouble)
    influence, survival = np.zeros(n, dtype=np.longdouble), np.longdouble(1.0)
    for i in range(n - 1):
        if d["e"].iloc[i]:
            # The event is alone, so what is left is summed without differences.
            left = w[i + 1 :].sum()
            risk = left + w[i]
            influence[i + 1 :] += w[i + 1 :] * w[i] / risk / left
            influence[i] -= w[i] / risk
            survival *= left / risk
        error = float(survival * np.sqrt(np.sum(influence**2)))
        assert curve["std_error"].iloc[i] == pytest.approx(error, rel=1e-10)


def test_follow_up_does_not_depend_on_the_scale_of_weights() -> None:
    rng = np.random.default_rng(1)
    for _ in range(40):
        s = np.array([0.0, 0.0, 0.0, 3.0, 3.5])
        d = table(t=[1, 2, 2.5, 4, 5], e=[1, 0, 0, 0, 0], s=s, w=rng.uniform(0.1, 9, 5))
        found = {
            kaplan_meier(d.assign(w=d["w"] * k), entry="s", weights="w", **END)
            .follow_up()["median"]
            .item()
            for k in (1.0, 1e-5, 3.7)
        }
        assert len(found) == 1
        assert found <= {2.0, 2.5}


@pytest.mark.parametrize("unit", [1 / 365.25, 1e-12, 86400.0, 1e9])
def test_units_of_time_do_not_matter(unit: float) -> None:
    rng = np.random.default_rng(9)
    d = table(t=rng.integers(1, 30, 50), e=rng.integers(0, 3, 50))
    d["x"] = rng.normal(size=50)
    d["one"] = (d["e"] == 1).astype(int)
    other = d.assign(t=d["t"] * unit)
    end: dict[str, Any] = {"time": "t", "event": "one", "by": "arm"}
    a, b = kaplan_meier(d, **end), kaplan_meier(other, **end)
    assert b.curve["survival"].tolist() == a.curve["survival"].tolist()
    assert b.quantiles()["estimate"].to_numpy() == pytest.approx(
        a.quantiles()["estimate"].to_numpy() * unit, nan_ok=True, rel=1e-12, abs=0.0
    )
    assert logrank(other, **end).statistic == logrank(d, **end).statistic
    means = rmst(other, tau=20 * unit, **end)["estimate"][0]
    assert means == pytest.approx(
        rmst(d, tau=20, **end)["estimate"][0] * unit, rel=1e-12, abs=0.0
    )
    competing: dict[str, Any] = {"time": "t", "event": "e", "by": "arm"}
    assert gray_test(other, **competing).statistic == pytest.approx(
        gray_test(d, **competing).statistic
    )
    fits = [fit_cox("x", data, time="t", event="one") for data in (d, other)]
    assert fits[0].beta == pytest.approx(fits[1].beta)


def test_one_time_far_out_does_not_tie_the_others() -> None:
    d = table(t=[1.0, 2.0, 3.0, 1e12], e=[1, 1, 1, 0])
    assert kaplan_meier(d, **END).curve["time"].tolist() == [1.0, 2.0, 3.0, 1e12]
    ends = pd.DataFrame({"l": [1.0, 2, 3, 1], "r": [2.0, 3, 4, 1e12]})
    found = turnbull(ends, left="l", right="r").intervals
    assert found["left"].tolist() == [1.0, 2.0, 3.0]


def test_times_asked_for_meet_those_there_are() -> None:
    d = table(t=[0.1 + 0.2, 1.0 / 3.0], e=[1, 0])
    assert kaplan_meier(d, **END).at([0.3])[
        ["n_risk", "n_event"]
    ].to_numpy().tolist() == [[2, 1]]
    assert cumulative_incidence(d, **END).at([0.3])["estimate"].item() == 0.5
    last = table(t=[0.3, 0.3], e=[1, 0])
    assert kaplan_meier(last, **END).at([0.1 + 0.2])["survival"].item() == 0.5
    assert rmst(last, tau=0.1 + 0.2, **END)["estimate"].item() == pytest.approx(0.3)
    ends = pd.DataFrame({"l": [0.1 + 0.2, 1.0], "r": [0.1 + 0.2, 1.0]})
    at = turnbull(ends, left="l", right="r").at([0.3])
    assert at["survival_low"].item() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"t": [1e308, 2, 3, 4]}, "'t': 1 of 4 rows are beyond 1e100"),
        ({"t": np.array([1e-310, 2, 3, 4])}, "nearer to 0 than 1e-100"),
        ({"w": [1e200] * 4}, "'w': 4 of 4 rows are beyond"),
        ({"t": np.array([1 + 1j, 2, 3, 4])}, "no column of numbers, but complex128"),
        ({"t": pd.Series([1 + 1j, 2, 3, 4], dtype=object)}, "complex"),
    ],
)
def test_numbers_that_cannot_be_computed_with(change: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        kaplan_meier(table(**{"w": [1.0] * 4} | change), weights="w", **END)


@pytest.mark.parametrize("code", [1e20, 2.0**63])
def test_codes_that_no_integer_holds(code: float) -> None:
    d = table(e=[code, 0, 1, 2])
    with pytest.raises(ModelError, match="'e': 1 of 4 rows are none of 0, 1, 2"):
        cumulative_incidence(d, **END)


@pytest.mark.parametrize("times", ["x", None, [None], [[1, 2]], [np.nan], {"a": 1}])
def test_times_and_shares_that_are_none(times: Any) -> None:
    d = table(e=[1, 0, 1, 1])
    ends = pd.DataFrame({"l": [0.0, 1], "r": [1.0, 2]})
    interval = turnbull(ends, left="l", right="r")
    for ask in (
        *(kaplan_meier(d, **END).at, kaplan_meier(d, **END).quantiles),
        *(cumulative_incidence(d, **END).at, interval.at, interval.quantiles),
    ):
        with pytest.raises(ModelError):
            ask(times)


def test_arguments_of_other_types_are_refused() -> None:
    d = table(e=[1, 0, 1, 1])
    with pytest.raises(ModelError, match="strata"):
        logrank(d, by="arm", strata=5, **END)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="strata"):
        fit_cox("arm", d, strata=5, **END)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="reference"):
        rmst(d, by="arm", tau=2, reference=np.array(["a", "b"]), **END)
    with pytest.raises(ModelError, match="event: give the name of a column"):
        kaplan_meier(d.rename(columns={"e": 1}), time="t", event=1)  # type: ignore[arg-type]
    assert gray_test(d, by="arm", cause=np.int64(1), **END).cause == 1  # type: ignore[arg-type]


def test_a_constant_covariate_is_balanced() -> None:
    d = pd.DataFrame({"came": np.resize([1, 0, 1], 60), "c": 0.1})
    balance = entry_weights(d, entered="came", formula="~ c").balance
    assert balance[["before", "after"]].to_numpy().tolist() == [[0.0, 0.0]]


ROLES: dict[str, Any] = {"subject": "id", "time": "t", "event": "e", "due": "due"}
ROLES |= {"entered": "came", "weight": "w"}


def eligible(**columns: Any) -> pd.DataFrame:
    good = {"id": ["a", "b"], "t": [120.0, 50.0], "e": [1, 0], "due": [85.0, 85.0]}
    return pd.DataFrame(good | {"came": [1, 0], "w": [1.25, np.nan]} | columns)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"due": pd.to_datetime(["2020-01-01"] * 2)}, "'due' is no column of numbers"),
        ({"t": pd.to_timedelta([120, 50], unit="D")}, "'t' is no column of numbers"),
        ({"t": np.array([120 + 1j, 50])}, "'t' is no column of numbers"),
        ({"e": [1e20, 0]}, "'e': 1 of 2 subjects are none of"),
        ({"due": [0.0, np.inf]}, "'due': 1 of 2 subjects have no finite number"),
        ({"w": [1e-320, 1.0]}, "no positive weight"),
    ],
)
def test_follow_up_that_cannot_be_read(change: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        followed_rows(eligible(**change), **ROLES)


def test_an_event_on_the_day_due_is_not_split() -> None:
    rows = followed_rows(eligible(t=[0.1 + 0.2, 50.0], due=[0.3, 85.0]), **ROLES)
    assert rows["event"].tolist() == [1, 0]


def test_columns_carried_along_are_carried_once() -> None:
    d = pd.concat(
        [eligible(), pd.DataFrame([[1, 2], [3, 4]], columns=["x", "x"])], axis=1
    )
    rows = followed_rows(d, **ROLES)
    assert rows.columns.tolist()[-2:] == ["x", "x"]
    assert rows.shape[1] == 7
