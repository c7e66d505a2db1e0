"""Cox models: against brute force and another program, invariance, monotone fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.models.comparisons import contrasts, joint_test
from outcomes.models.means import emmeans
from outcomes.models.survival.cox import fit_cox
from outcomes.models.survival.cox_concordance import concordance
from outcomes.models.survival.cox_inference import hazard_ratios
from outcomes.models.survival.cox_likelihood import cumulate, score_residuals
from outcomes.models.survival.cox_results import CoxFit
from outcomes.models.survival.cox_risk_sets import centre_pieces, find_risk_sets
from outcomes.models.survival.records import read_records
from outcomes.models.tables import glance, tidy


def trial(n: int = 80, seed: int = 1, most: int = 25) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    d = pd.DataFrame(
        {
            "arm": rng.choice(["a", "b", "c"], n),
            "x": np.round(rng.normal(size=n), 1),
            "site": rng.integers(0, 9, n),
            "time": rng.integers(1, most, n),
            "event": (rng.random(n) < 0.6).astype(int),
            "w": rng.uniform(0.2, 3.0, n),
        }
    )
    d["start"] = np.minimum(rng.integers(0, 15, n), d["time"] - 1)
    return d


def fit(formula: str, data: pd.DataFrame, **options: Any) -> CoxFit:
    return fit_cox(formula, data, time="time", event="event", **options)


def brute_likelihood(
    d: pd.DataFrame, X: np.ndarray, beta: np.ndarray, ties: str, by: str | None
) -> float:
    """Sum over deaths, one after the other."""
    eta, total = X @ beta, 0.0
    w, t, e = (d[k].to_numpy() for k in ("w", "time", "event"))
    start = d["start"].to_numpy()
    stratum = np.zeros(len(d)) if by is None else d[by].to_numpy()
    for s in np.unique(stratum):
        for u in np.unique(t[(e == 1) & (stratum == s)]):
            at_risk = (stratum == s) & (t >= u) & (start < u)
            dead = at_risk & (t == u) & (e == 1)
            n = dead.sum()
            risk = w * np.exp(eta)
            total += (w * eta)[dead].sum()
            for k in range(n):
                gone = k / n * risk[dead].sum() if ties == "efron" else 0.0
                total -= w[dead].mean() * np.log(risk[at_risk].sum() - gone)
    return float(total)


@pytest.mark.parametrize("by", [None, "site"])
@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_likelihood_is_that_of_a_loop_over_events(ties: Any, by: str | None) -> None:
    d = trial()
    found = fit("x + arm", d, ties=ties, entry="start", weights="w", strata=by)
    X = found.design.X
    best = brute_likelihood(d, X, found.beta, ties, by)
    assert found.loglik == pytest.approx(best, rel=1e-13)
    rng = np.random.default_rng(2)
    for _ in range(5):  # and it is the largest
        near = found.beta + 1e-3 * rng.normal(size=3)
        assert brute_likelihood(d, X, near, ties, by) < best


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_score_residuals_are_derivatives_of_the_score(ties: str) -> None:
    d = trial(30)
    options = {"time": "time", "event": "event", "entry": "start", "weights": "w"}
    X = np.column_stack([d["x"], d["arm"] == "b"]).astype(float)
    gamma = np.array([0.3, -0.4])

    def likelihood(weights: Any, beta: np.ndarray) -> float:
        risk = find_risk_sets(read_records(d.assign(w=weights), **options), ties)
        columns, _ = centre_pieces(X, risk)
        return cumulate(risk, columns, beta).loglik

    risk = find_risk_sets(read_records(d, **options), ties)
    columns, _ = centre_pieces(X, risk)
    found = score_residuals(risk, columns, cumulate(risk, columns, gamma))
    h = 1e-4
    for place, row in list(enumerate(risk.rows))[:12]:
        up, down = d["w"].copy(), d["w"].copy()
        up[row] += h
        down[row] -= h
        for j in range(2):
            step = h * np.eye(2)[j]
            mixed = (
                likelihood(up, gamma + step)
                - likelihood(up, gamma - step)
                - likelihood(down, gamma + step)
                + likelihood(down, gamma - step)
            ) / (4 * h * h)
            assert found[place, j] == pytest.approx(mixed, abs=2e-5)


@pytest.mark.parametrize("seed", range(6))
def test_concordance_is_that_of_all_pairs(seed: int) -> None:
    d = trial(60, seed, most=8)
    records = read_records(
        d, time="time", event="event", entry="start", weights="w", strata="arm"
    )
    eta = d["x"].to_numpy()
    stratum = records.stratum
    w, t, e = records.weights, records.time, records.event
    better = total = 0.0
    for i in np.flatnonzero(e):
        longer = (t > t[i]) | ((t == t[i]) & (e == 0))
        pairs = longer & (records.entry < t[i]) & (stratum == stratum[i])
        won = (eta[i] > eta) + (eta[i] == eta) / 2.0
        better += w[i] * (w * won)[pairs].sum()
        total += w[i] * w[pairs].sum()
    assert concordance(records, eta) == pytest.approx(better / total, rel=1e-13)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("entry", [None, "start"])
def test_statsmodels_has_the_same_estimates(ties: str, entry: str | None) -> None:
    from statsmodels.duration.hazard_regression import PHReg

    d = trial(150, 5)
    found = fit("x + arm", d, ties=ties, entry=entry, strata="site")
    theirs = PHReg(
        d["time"],
        found.design.X,
        status=d["event"],
        # There, who enters at the time of an event is at risk.
        entry=None if entry is None else d[entry] + 0.5,
        strata=d["site"],
        ties=ties,
    ).fit()
    assert found.beta == pytest.approx(theirs.params, rel=1e-6, abs=1e-8)
    assert np.sqrt(np.diag(found.cov_model)) == pytest.approx(theirs.bse, rel=1e-6)
    assert found.loglik == pytest.approx(theirs.llf, rel=1e-10)


def test_a_whole_weight_is_so_many_rows_with_breslow_ties() -> None:
    d = trial()
    d["k"] = np.random.default_rng(4).integers(0, 4, len(d))
    weighted = fit("x + arm", d, weights="k", ties="breslow")
    rows = fit("x + arm", d.loc[d.index.repeat(d["k"])], ties="breslow")
    assert not weighted.robust
    assert weighted.beta == pytest.approx(rows.beta, rel=1e-10)
    assert weighted.cov_model == pytest.approx(rows.cov_model, rel=1e-10)
    assert weighted.concordance == pytest.approx(rows.concordance, rel=1e-12)


def test_intervals_of_a_history_are_one_row() -> None:
    d = trial()
    whole = fit("x + arm", d, cluster="site")
    cut = d["time"] // 2
    early = d.assign(time=cut, event=0, from_=0)[cut > 0]
    late = d.assign(from_=cut)
    both = pd.concat([early, late], ignore_index=True)
    split = fit("x + arm", both, entry="from_", cluster="site")
    assert split.beta == pytest.approx(whole.beta, rel=1e-12)
    assert split.cov_inference == pytest.approx(whole.cov_inference, rel=1e-11)
    assert split.concordance == pytest.approx(whole.concordance, rel=1e-13)
    assert split.n_subjects == d["site"].nunique()


def test_order_of_rows_units_and_origins_do_not_matter() -> None:
    d = trial(200, 3)
    plain = fit("x*arm", d, cluster="site")
    moved = d.sample(frac=1.0, random_state=1)
    other = fit("x*arm", moved, cluster="site")
    assert other.beta == pytest.approx(plain.beta, rel=1e-11)
    assert other.cov_inference == pytest.approx(plain.cov_inference, rel=1e-10)
    far = fit("y + arm", d.assign(y=1e6 + 1e-3 * d["x"]))
    near = fit("x + arm", d)
    assert far.beta == pytest.approx(near.beta * [1e3, 1, 1], rel=1e-6)
    assert far.loglik == pytest.approx(near.loglik, rel=1e-9)


def test_predictors_far_apart_are_no_trouble() -> None:
    d = trial(120, 8)
    rng = np.random.default_rng(1)
    died = np.argsort(np.argsort(-40.0 * d["x"] + rng.gumbel(size=len(d)))) + 1
    found = fit("x", d.assign(time=died, event=1))
    assert found.convergence.converged
    assert np.ptp(found.design.X @ found.beta) > 100.0
    assert 20.0 < found.beta[0] < 80.0


def test_results_plug_into_tables_and_contrasts() -> None:
    d = trial(200, 2)
    found = fit("arm + x", d, cluster="site")
    table, ratios = tidy(found), hazard_ratios(found, conf_level=0.9)
    assert list(table["term"]) == ["arm[T.b]", "arm[T.c]", "x"]
    assert np.all(np.isinf(table["df"]))
    assert ratios["estimate"].to_numpy() == pytest.approx(np.exp(table["estimate"]))
    difference = contrasts(emmeans(found, "arm"), reference="a").frame
    assert difference["estimate"].to_numpy() == pytest.approx(table["estimate"][:2])
    assert difference["std_error"].to_numpy() == pytest.approx(table["std_error"][:2])
    wald = joint_test(found, np.eye(3)).iloc[0]
    assert 3 * wald["statistic"] == pytest.approx(found.wald.statistic)
    row = glance(found).iloc[0]
    assert row["n_events"] == d["event"].sum()
    assert row["n_clusters"] == 9
    assert row["aic"] == pytest.approx(6 - 2 * found.loglik)
    assert any("9 clusters" in m for m in found.convergence.messages)


def test_no_terms_leave_the_baseline_hazard() -> None:
    d = trial()
    found = fit("1", d, ties="breslow")
    assert found.loglik == found.loglik_null
    assert tidy(found).empty
    deaths = d[d["event"] == 1].groupby("time").size()
    at_risk = np.array([(d["time"] >= t).sum() for t in deaths.index])
    nelson = np.cumsum(deaths / at_risk)
    hazard = found.baseline().set_index("time")["hazard"]
    assert hazard[deaths.index].to_numpy() == pytest.approx(nelson.to_numpy())
    assert hazard.iloc[-1] == pytest.approx(nelson.iloc[-1])


def test_an_arm_without_events_runs_off_and_leaves_the_others_alone() -> None:
    d = trial()
    d.loc[d["arm"] == "b", "event"] = 0
    found = fit("arm + x", d)
    assert not found.convergence.converged
    message = found.convergence.messages[0]
    assert "no event in arm 'b'" in message
    assert "arm[T.b] runs off to minus infinity" in message
    table = tidy(found).set_index("term")
    assert table.loc["arm[T.b]", "estimate"] == -np.inf
    assert table.loc["arm[T.b]", ["std_error", "p_value", "conf_low"]].isna().all()
    others = fit("arm + x", d[d["arm"] != "b"])
    rest = tidy(others).set_index("term")
    shown = ["estimate", "std_error", "conf_high"]
    assert table.loc[rest.index, shown].to_numpy() == pytest.approx(
        rest[shown].to_numpy(), rel=1e-10
    )
    assert found.loglik == pytest.approx(others.loglik, rel=1e-13)
    assert np.isnan(glance(found)["wald"][0])
    assert found.baseline()["hazard"].isna().all()
    assert np.isnan(joint_test(found, np.eye(3))["statistic"].iloc[0])


@pytest.mark.parametrize("options", [{}, {"entry": "start"}, {"strata": "site"}])
def test_a_reference_without_events_sends_all_others_up(options: Any) -> None:
    d = trial(150)
    d.loc[d["arm"] == "a", "event"] = 0
    found = fit("arm + x", d, **options)
    difference = contrasts(emmeans(found, "arm"), pairwise=True).frame
    assert list(difference["estimate"][:2]) == [np.inf, np.inf]
    rest = tidy(fit("arm + x", d[d["arm"] != "a"], **options))
    last = difference.iloc[2]
    assert last["estimate"] == pytest.approx(rest["estimate"][0], rel=1e-9)
    assert last["std_error"] == pytest.approx(rest["std_error"][0], rel=1e-9)


def test_a_covariate_in_the_order_of_events_is_named() -> None:
    d = trial()
    d["time"], d["event"] = np.argsort(np.argsort(-d["x"], kind="stable")) + 1, 1
    found = fit("x + arm", d)
    assert not found.convergence.converged
    assert "x runs off to infinity" in found.convergence.messages[0]
    table = tidy(found).set_index("term")
    assert np.isnan(table.loc["x", "std_error"])
    # Rows with the same x still compare the arms.
    inside = fit("arm", d, strata="x")
    assert table["std_error"][1:].to_numpy() == pytest.approx(
        np.sqrt(np.diag(inside.cov_model)), rel=1e-10
    )
    # One event out of order, and there is a maximum.
    first, last = d["time"].idxmin(), d["time"].idxmax()
    d.loc[[first, last], "time"] = d.loc[[last, first], "time"].to_numpy()
    assert fit("x", d).convergence.converged


@pytest.mark.parametrize("seed", range(25))
def test_monotone_likelihoods_are_told_from_steep_ones(seed: int) -> None:
    """By linear programming over all pairs, for a handful of records."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(seed)
    n = 7
    d = pd.DataFrame(
        {
            "x": rng.integers(-1, 2, n).astype(float),
            "z": rng.integers(-1, 2, n).astype(float),
            "time": rng.integers(1, 6, n),
            "event": 1,
        }
    )
    d["start"] = np.minimum(rng.integers(0, 3, n), d["time"] - 1)
    X = d[["x", "z"]].to_numpy()
    rows = [
        X[i] - X[j]
        for i in range(n)
        for j in range(n)
        if d["time"][j] >= d["time"][i] > d["start"][j]
    ]
    found = linprog(
        -np.sum(rows, axis=0),
        A_ub=-np.array(rows),
        b_ub=np.zeros(len(rows)),
        bounds=[(-1, 1)] * 2,
    )
    fitted = fit("x + z", d, entry="start")
    assert (fitted.runaway is not None) == (found.fun < -1e-9)
    assert fitted.convergence.converged == (found.fun >= -1e-9)
