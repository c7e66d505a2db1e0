"""Cox models of data that are wrong, or nearly empty."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models.survival.cox import fit_cox
from outcomes.models.survival.cox_results import CoxFit
from outcomes.models.survival.schoenfeld import proportional_hazards
from outcomes.models.tables import glance, tidy


def trial(n: int = 60, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    d = pd.DataFrame(
        {
            "arm": rng.choice(["a", "b"], n),
            "x": rng.normal(size=n),
            "site": rng.choice(["N", "S", "W"], n),
            "time": rng.integers(1, 40, n).astype(float),
            "event": (rng.random(n) < 0.5).astype(int),
            "w": rng.uniform(0.5, 2.0, n),
        },
        index=[f"r{i}" for i in range(n)],
    )
    d["start"] = np.floor(d["time"] / 3)
    return d


def fit(formula: str, data: pd.DataFrame, **options: Any) -> CoxFit:
    return fit_cox(formula, data, time="time", event="event", **options)


def test_no_events_are_an_error() -> None:
    d = trial()
    with pytest.raises(ModelError, match=r"no row has an event .*0 in all 60 rows"):
        fit("x", d.assign(event=0))
    d["w"] = np.where(d["event"] == 1, 0.0, 1.0)
    with pytest.raises(ModelError, match="an event of positive weight"):
        fit("x", d, weights="w")


def test_one_event_has_no_maximum_or_one() -> None:
    d = trial()
    d["event"] = 0
    d.loc["r5", ["time", "event"]] = [1.0, 1]
    inner = d.assign(x=np.where(d.index == "r5", 0.1, d["x"]))
    found = fit("x", inner)
    assert found.convergence.converged
    assert found.n_events == 1
    top = fit("x", d.assign(x=np.where(d.index == "r5", 9.0, d["x"])))
    assert not top.convergence.converged
    assert "x runs off to infinity" in top.convergence.messages[0]
    alone = d.copy()
    alone.loc["r5", "time"] = 99.0  # nobody to compare with
    found = fit("x", alone)
    assert found.aliased == ("x",)
    assert tidy(found)["estimate"].isna().all()


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_events_all_at_one_time(ties: Any) -> None:
    d = trial().assign(time=5.0)
    found = fit("x + arm", d, ties=ties)
    assert found.convergence.converged
    # Nobody is known to have lasted longer than another, but for the censored.
    assert 0.0 <= found.concordance <= 1.0
    every = fit("x", d.assign(event=1), ties=ties)
    assert np.isnan(every.concordance)
    assert np.isfinite(every.loglik)


def test_a_stratum_without_events_takes_no_part() -> None:
    d = trial()
    d.loc[d["site"] == "S", "event"] = 0
    found = fit("x + arm", d, strata="site", cluster="site")
    others = fit("x + arm", d[d["site"] != "S"], strata="site")
    assert found.beta == pytest.approx(others.beta, rel=1e-12)
    assert found.n_records == 60
    quiet = found.baseline().query("stratum == 'S'")
    assert len(quiet) > 0
    assert (quiet["hazard"] == 0.0).all()


def test_columns_that_tell_nothing_are_aliased() -> None:
    d = trial().assign(flat=1e9 + 0.1, again=lambda t: 3.0 - 2.0 * t["x"])
    d["by_site"] = d["site"].map({"N": 1.0, "S": 2.0, "W": 4.0})
    found = fit("x + flat + again + by_site + arm", d, strata="site")
    assert set(found.aliased) == {"flat", "again", "by_site"}
    assert found.convergence.converged
    assert any("repeat earlier ones" in m for m in found.convergence.messages)
    plain = fit("x + arm", d, strata="site")
    assert found.loglik == pytest.approx(plain.loglik, rel=1e-13)
    table = tidy(found).set_index("term")
    assert table.loc["flat"].isna().all()
    assert glance(found)["rank"][0] == 2


def test_a_column_known_by_the_history_alone_is_aliased() -> None:
    """Two groups that are never at risk together have no hazard ratio."""
    d = trial()
    late = d.index[::2]
    d["group"] = 0.0
    d.loc[late, "group"] = 1.0
    d.loc[late, "time"] += 100.0
    d.loc[late, "start"] += 100.0
    found = fit("x + group", d, entry="start")
    assert found.aliased == ("group",)
    assert found.convergence.converged


def test_everything_missing_is_named_at_once() -> None:
    d = trial()
    d.loc["r1", "x"] = np.nan
    d.loc[["r2", "r3"], "time"] = np.nan
    d.loc["r4", "site"] = None
    with pytest.raises(ModelError) as caught:
        fit("x + arm", d, cluster="site")
    text = str(caught.value)
    for part in ("'x' in 1 (row r1)", "'time' in 2 (row r2, r3)", "'site' in 1"):
        assert part in text
    found = fit("x + arm", d, cluster="site", missing="exclude")
    assert found.n_records == 56
    assert found.n_excluded == 4
    assert sum(found.excluded.values()) == 4


@pytest.mark.parametrize(
    ("changes", "options", "parts"),
    [
        ({"time": 0.0}, {}, ["'time'", "not after 0", "r0"]),
        ({"event": 2}, {}, ["'event'", "none of 0, 1"]),
        ({"w": -1.0}, {"weights": "w"}, ["'w'", "negative", "r0"]),
        ({"w": np.inf}, {"weights": "w"}, ["'w'", "infinite"]),
        ({"start": 99.0}, {"entry": "start"}, ["'start'", "not before 'time'"]),
    ],
)
def test_values_that_cannot_be_are_named(
    changes: dict[str, Any], options: dict[str, Any], parts: list[str]
) -> None:
    d = trial()
    for name, value in changes.items():
        d[name] = d[name].astype(object if name == "event" else float)
        d.loc["r0", name] = value
    with pytest.raises(ModelError) as caught:
        fit("x", d, **options)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("formula", "options", "part"),
    [
        ("time ~ x", {}, "the terms only"),
        ("x + 0", {}, "a Cox model has none"),
        ("event + x", {}, "is the event"),
        ("y", {}, "y"),
        ("x", {"ties": "exact"}, "efron"),
        ("x", {"missing": "drop"}, "missing"),
        ("x", {"cluster": "nowhere"}, "nowhere"),
        ("x", {"cluster": "site", "robust": False}, "cluster"),
        ("x", {"robust": "yes"}, "robust"),
        ("x", {"strata": "nowhere"}, "nowhere"),
    ],
)
def test_calls_that_are_wrong_say_so(
    formula: str, options: dict[str, Any], part: str
) -> None:
    with pytest.raises(ModelError, match=part):
        fit(formula, trial(), **options)


def test_weights_of_zero_take_no_part() -> None:
    d = trial()
    d["w"] = np.where(np.arange(60) % 4 == 0, 0.0, d["w"])
    found = fit("x + arm", d, weights="w", cluster="site")
    fewer = fit("x + arm", d[d["w"] > 0], weights="w", cluster="site")
    assert found.beta == pytest.approx(fewer.beta, rel=1e-12)
    assert found.cov_inference == pytest.approx(fewer.cov_inference, rel=1e-11)
    assert found.concordance == pytest.approx(fewer.concordance, rel=1e-12)


def test_one_cluster_leaves_no_standard_error() -> None:
    found = fit("x + arm", trial().assign(one="only"), cluster="one")
    assert np.isfinite(found.beta).all()
    assert found.robust_score is not None
    assert np.isnan(found.robust_score.statistic)
    assert np.isnan(found.wald.statistic)


def test_an_outlier_of_any_size_does_not_crash() -> None:
    d = trial()
    for place in (d["time"].idxmin(), d["time"].idxmax()):
        for value in (1e3, 1e6, 1e12):
            wild = d.assign(x=np.where(d.index == place, value, d["x"]))
            found = fit("x + arm", wild)
            assert tidy(found)["term"].tolist() == ["x", "arm[T.b]"]
            if not found.convergence.converged:
                assert "outlying" in found.convergence.messages[0]


@pytest.mark.parametrize("entry", [None, "start"])
def test_hazards_too_far_apart_to_be_computed_together(entry: str | None) -> None:
    """Who outlasts all others is as good as never at risk, however far out."""
    d = trial().assign(event=1).sort_values("time")
    d["start"] = np.where(np.arange(60) < 30, 0.0, d["time"].iloc[0])
    rows = [d.assign(x=np.where(d.index == d.index[-1], v, d["x"])) for v in (1e3, 1e5)]
    near, far = (fit("x + arm", r, entry=entry, cluster="site") for r in rows)
    assert far.convergence.converged
    eta = far.design.X @ far.beta
    assert np.ptp(eta) > 1000.0
    assert far.beta == pytest.approx(near.beta, rel=1e-8)
    assert far.loglik == pytest.approx(near.loglik, rel=1e-12)
    assert far.cov_inference == pytest.approx(near.cov_inference, rel=1e-6)
    tests = [proportional_hazards(f, "rank")["chisq"][1] for f in (near, far)]
    assert tests[0] == pytest.approx(tests[1], rel=1e-6)


def test_a_thousand_small_strata() -> None:
    rng = np.random.default_rng(1)
    n = 2000
    d = pd.DataFrame({"pair": np.repeat(np.arange(n // 2), 2), "event": 1})
    d["x"] = rng.normal(size=n)
    d["time"] = rng.exponential(np.exp(-0.7 * d["x"])) * 100.0 + 1e-3
    found = fit("x", d, strata="pair")
    # A pair is a logistic comparison: the first event against the difference.
    gap = np.diff(d["x"].to_numpy().reshape(-1, 2), axis=1).ravel()
    first = np.where(np.diff(d["time"].to_numpy().reshape(-1, 2)).ravel() > 0, 1, -1)
    margin = -gap * first
    score = (margin / (1.0 + np.exp(margin * found.beta[0]))).sum()
    assert score == pytest.approx(0.0, abs=1e-8)
