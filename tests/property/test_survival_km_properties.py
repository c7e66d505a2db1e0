"""What must not change a survival curve, and what it must agree with by algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcomes.models.survival.kaplan_meier import kaplan_meier
from outcomes.models.survival.logrank import logrank
from outcomes.models.survival.rmst import rmst

FEW = settings(max_examples=8, deadline=None, derandomize=True)
COLUMNS = {"time": "t", "event": "e", "by": "arm"}
ESTIMATES = ["survival", "std_error", "conf_low", "conf_high"]
seeds = st.integers(1, 10_000)


def draw(seed: int, n: int = 40, *, late: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "id": np.arange(n),
            "t": np.ceil(rng.exponential(60.0, n) / 7.0) * 7.0,
            "e": rng.random(n) < 0.6,
            "arm": np.array(["A", "B"])[np.arange(n) % 2],
            "site": rng.choice(["S1", "S2"], n),
            "w": rng.uniform(0.5, 2.0, n),
        }
    )
    entry = np.floor(rng.random(n) * data["t"]) if late else np.zeros(n)
    return data.assign(entry=entry)


def same(ours: pd.DataFrame, theirs: pd.DataFrame, rtol: float = 1e-10) -> None:
    a, b = ours.reset_index(drop=True), theirs.reset_index(drop=True)
    pd.testing.assert_frame_equal(a, b, rtol=rtol, atol=1e-12, check_dtype=False)


@FEW
@given(seed=seeds, late=st.booleans())
def test_order_of_rows_does_not_matter(seed: int, late: bool) -> None:
    data = draw(seed, late=late)
    mixed = data.sample(frac=1.0, random_state=seed)
    more: dict[str, Any] = {"entry": "entry", "weights": "w"}
    same(
        kaplan_meier(mixed, **COLUMNS, **more).curve,
        kaplan_meier(data, **COLUMNS, **more).curve,
    )
    ours, theirs = (logrank(d, **COLUMNS, entry="entry") for d in (mixed, data))
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-10, nan_ok=True)


@FEW
@given(seed=seeds, unit=st.sampled_from([1 / 7, 24.0, 1000.0]))
def test_unit_of_time_does_not_matter(seed: int, unit: float) -> None:
    data = draw(seed)
    scaled = data.assign(t=data["t"] * unit)
    ours, theirs = (kaplan_meier(d, **COLUMNS) for d in (scaled, data))
    same(ours.curve[ESTIMATES], theirs.curve[ESTIMATES])
    a = rmst(scaled, **COLUMNS, tau=35.0 * unit)
    b = rmst(data, **COLUMNS, tau=35.0)
    factor = np.where(b["term"] == "ratio", 1.0, unit)
    for column in ("estimate", "std_error", "conf_low", "conf_high"):
        np.testing.assert_allclose(a[column], b[column] * factor, rtol=1e-9)


@FEW
@given(seed=seeds)
def test_rows_cut_in_pieces_give_the_same_curve(seed: int) -> None:
    data = draw(seed)
    cut = data["t"] > 30.0
    first = data.assign(t=np.minimum(data["t"], 30.0), e=data["e"] & ~cut)
    pieces = pd.concat([first, data[cut].assign(entry=30.0)])
    more = {"entry": "entry", "subject": "id"}
    same(
        kaplan_meier(pieces, **COLUMNS, **more).curve[[*ESTIMATES, "n_risk"]],
        kaplan_meier(data, **COLUMNS).curve[[*ESTIMATES, "n_risk"]],
    )
    weighted, whole = (
        kaplan_meier(d, **COLUMNS, **more, weights="w") for d in (pieces, data)
    )
    same(weighted.curve[ESTIMATES], whole.curve[ESTIMATES])
    ours, theirs = (logrank(d, **COLUMNS, **more, weights="w") for d in (pieces, data))
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9)
    a, b = (rmst(d, **COLUMNS, **more, weights="w", tau=42.0) for d in (pieces, data))
    same(a, b)


@FEW
@given(seed=seeds, weight=st.sampled_from([1.0, 0.25, 3.0]))
def test_equal_weights_give_greenwoods_errors(seed: int, weight: float) -> None:
    data = draw(seed).assign(w=weight)
    plain = kaplan_meier(data, **COLUMNS).curve
    robust = kaplan_meier(data, **COLUMNS, weights="w").curve
    some = (plain["survival"] > 0).to_numpy()
    same(robust[some][ESTIMATES], plain[some][ESTIMATES], rtol=1e-7)
    assert robust["n_risk"].to_numpy() == pytest.approx(plain["n_risk"] * weight)
    a = rmst(data, **COLUMNS, tau=35.0)
    b = rmst(data, **COLUMNS, weights="w", tau=35.0)
    same(a, b, rtol=1e-8)


@FEW
@given(seed=seeds)
def test_weights_that_are_counts_are_rows(seed: int) -> None:
    data = draw(seed)
    data["w"] = 1.0 + data["id"] % 3
    rows = data.loc[data.index.repeat(data["w"].astype(int))]
    weighted = kaplan_meier(data, **COLUMNS, weights="w").curve
    repeated = kaplan_meier(rows, **COLUMNS).curve
    names = ["level", "time", "n_risk", "n_event", "n_censor", "survival"]
    same(weighted[names], repeated[names])


@settings(max_examples=4, deadline=None, derandomize=True)
@given(seed=seeds)
def test_influence_is_the_derivative_in_the_weights(seed: int) -> None:
    """Errors of (3) and (8) from numerical derivatives, one subject at a time."""
    data = draw(seed, n=10, late=True)
    columns = {"time": "t", "event": "e", "entry": "entry", "weights": "w"}
    tau = float(data["t"].max())
    if not data["e"][data["t"] == tau].all():
        tau = float(data["t"].median())
    at = [tau / 2]
    h, survival, area = 1e-6, [], []
    for i in data.index:
        found = []
        for sign in (1.0, -1.0):
            w = data["w"].where(data.index != i, data["w"] * (1.0 + sign * h))
            moved = data.assign(w=w)
            found.append(
                (
                    kaplan_meier(moved, **columns).at(at)["survival"][0],
                    rmst(moved, **columns, tau=tau)["estimate"][0],
                )
            )
        (s1, a1), (s0, a0) = found
        survival.append((s1 - s0) / (2 * h))
        area.append((a1 - a0) / (2 * h))
    ours = kaplan_meier(data, **columns).at(at)["std_error"][0]
    assert ours == pytest.approx(np.linalg.norm(survival), rel=1e-5, abs=1e-8)
    ours = rmst(data, **columns, tau=tau)["std_error"][0]
    assert ours == pytest.approx(np.linalg.norm(area), rel=1e-5, abs=1e-6)


@FEW
@given(seed=seeds, rho=st.sampled_from([0.0, 0.5, 1.0]), strata=st.booleans())
def test_logrank_is_the_sum_of_tables(seed: int, rho: float, strata: bool) -> None:
    """Against a loop over strata and times, with late entry."""
    data = draw(seed, late=True)
    observed = expected = variance = 0.0
    for _, part in data.groupby("site" if strata else lambda _: 0):
        pooled = 1.0
        for t in np.sort(part["t"].unique()):
            risk = (part["entry"] < t) & (part["t"] >= t)
            died = risk & (part["t"] == t) & part["e"]
            mine = part["arm"] == "B"
            n, d, n1, d1 = (x.sum() for x in (risk, died, risk & mine, died & mine))
            factor = pooled**rho
            observed += factor * d1
            expected += factor * d * n1 / n
            if n > 1:
                share = n1 / n
                variance += factor**2 * share * (1 - share) * d * (n - d) / (n - 1)
            pooled *= 1 - d / n
    by = {"strata": "site"} if strata else {}
    ours = logrank(data, **COLUMNS, entry="entry", rho=rho, **by)
    assert ours.table["observed"][1] == pytest.approx(observed)
    assert ours.table["expected"][1] == pytest.approx(expected)
    assert ours.cov[1, 1] == pytest.approx(variance)
    assert ours.statistic == pytest.approx((observed - expected) ** 2 / variance)


@FEW
@given(seed=seeds)
def test_counts_close_and_curves_fall(seed: int) -> None:
    data = draw(seed)
    fit = kaplan_meier(data, **COLUMNS)
    times = np.arange(0.0, 200.0, 3.0)
    for level, at in fit.at(times).groupby("level"):
        rows = data[data["arm"] == level]
        before = [int((rows["e"] & (rows["t"] < t)).sum()) for t in times]
        assert (at["n_risk"] + before + at["n_censor"] == len(rows)).all()
        assert (np.diff(at["survival"].dropna()) <= 0.0).all()
    for _, curve in fit.curve.groupby("level"):
        inside = curve.dropna()
        assert (inside["conf_low"] <= inside["survival"]).all()
        assert (inside["survival"] <= inside["conf_high"]).all()


@pytest.mark.slow
def test_limits_and_restricted_means_cover() -> None:
    """Log-log limits at one day, weighted limits and means: 95 % of 2,000 trials."""
    rng = np.random.default_rng(20250615)
    n, trials, hits = 120, 2000, np.zeros(3)
    day, tau, rate = 40.0, 60.0, 0.01
    truth = np.exp(-rate * day)
    area = (1.0 - np.exp(-rate * tau)) / rate
    for _ in range(trials):
        own, lost = rng.exponential(1 / rate, n), rng.uniform(30.0, 200.0, n)
        data = pd.DataFrame(
            {"t": np.minimum(own, lost), "e": own <= lost, "w": rng.uniform(0.5, 2, n)}
        )
        plain = kaplan_meier(data, time="t", event="e").at([day]).iloc[0]
        robust = kaplan_meier(data, time="t", event="e", weights="w").at([day]).iloc[0]
        mean = rmst(data, time="t", event="e", tau=tau, weights="w").iloc[0]
        for k, (row, value) in enumerate(
            ((plain, truth), (robust, truth), (mean, area))
        ):
            hits[k] += row["conf_low"] <= value <= row["conf_high"]
    assert np.all(np.abs(hits / trials - 0.95) < 0.02)
