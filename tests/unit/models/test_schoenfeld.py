"""Schoenfeld residuals and the test of proportional hazards."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

from outcomes.errors import ModelError
from outcomes.models.survival.cox import fit_cox
from outcomes.models.survival.schoenfeld import (
    proportional_hazards,
    schoenfeld_residuals,
)


def trial(n: int = 100, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    d = pd.DataFrame(
        {
            "arm": rng.choice(["a", "b", "c"], n),
            "x": rng.normal(size=n),
            "site": rng.choice(["N", "S"], n),
        },
        index=[f"r{i}" for i in range(n)],
    )
    died = np.ceil(30 * rng.exponential(np.exp(-0.4 * d["x"]), n))
    left = rng.integers(1, 60, n)
    d["time"], d["event"] = np.minimum(died, left), (died <= left).astype(int)
    return d


def test_residuals_add_up_to_the_score() -> None:
    d = trial()
    fit = fit_cox("arm + x", d, time="time", event="event", strata="site")
    plain = schoenfeld_residuals(fit, scaled=False)
    assert len(plain) == fit.n_events
    assert plain[list(fit.estimated_terms)].sum().to_numpy() == pytest.approx(
        np.zeros(3), abs=1e-9
    )
    assert (d.loc[plain["row"], "time"].to_numpy() == plain["time"]).all()
    assert (d.loc[plain["row"], "site"].to_numpy() == plain["stratum"]).all()
    scaled = schoenfeld_residuals(fit)
    assert scaled["x"].mean() == pytest.approx(
        fit.beta[list(fit.estimated_terms).index("x")]
    )


def test_the_test_does_not_depend_on_units_or_on_the_origin_of_time() -> None:
    d = trial()
    options = {"time": "time", "event": "event"}
    first = proportional_hazards(fit_cox("arm + x", d, **options), "identity")
    far = d.assign(time=7.0 * d["time"] + 100.0, x=1e5 + 1e-3 * d["x"])
    other = proportional_hazards(fit_cox("arm + x", far, **options), "identity")
    assert list(first["term"]) == ["arm", "x", "GLOBAL"]
    assert list(first["df"]) == [2, 1, 3]
    assert other["chisq"].to_numpy() == pytest.approx(
        first["chisq"].to_numpy(), rel=1e-6
    )


def test_it_is_the_score_test_of_a_coefficient_that_changes() -> None:
    """Against a fit of x*time, histories being cut at each event time."""
    d = trial(60)
    fit = fit_cox("x", d, time="time", event="event", ties="breslow")
    found = proportional_hazards(fit, "identity")
    cuts = np.unique(d.loc[d["event"] == 1, "time"])
    rows = []
    for _, r in d.iterrows():
        ends = [*cuts[cuts < r["time"]], r["time"]]
        starts = [0.0, *ends[:-1]]
        for a, b in zip(starts, ends, strict=True):
            rows.append((a, b, int(b == r["time"] and r["event"]), r["x"], r["x"] * b))
    long = pd.DataFrame(rows, columns=["start", "time", "event", "x", "xt"])
    larger = fit_cox(
        "x + xt", long, time="time", event="event", entry="start", ties="breslow"
    )
    gain = 2 * (larger.loglik - fit.loglik)
    assert found["chisq"][0] == pytest.approx(gain, rel=0.1)
    assert found["chisq"][0] == pytest.approx(found["chisq"][1])


def test_it_holds_its_level_under_proportional_hazards() -> None:
    values = [
        proportional_hazards(
            fit_cox("x", trial(80, seed), time="time", event="event"), "rank"
        )["p_value"][0]
        for seed in range(100)
    ]
    assert kstest(values, "uniform").pvalue > 0.01


def test_one_event_time_has_no_test() -> None:
    d = trial().assign(time=5.0)
    found = proportional_hazards(fit_cox("x", d, time="time", event="event"))
    assert found["chisq"].isna().all()


def test_fits_without_an_answer_are_refused() -> None:
    d = trial()
    d.loc[d["arm"] == "b", "event"] = 0
    endless = fit_cox("arm + x", d, time="time", event="event")
    with pytest.raises(ModelError, match="did not converge: monotone"):
        proportional_hazards(endless)
    with pytest.raises(ModelError, match="did not converge"):
        schoenfeld_residuals(endless)
    with pytest.raises(ModelError, match="no coefficients"):
        proportional_hazards(fit_cox("1", d, time="time", event="event"))
    with pytest.raises(ModelError, match="transform"):
        proportional_hazards(
            fit_cox("x", d, time="time", event="event"),
            "sqrt",  # type: ignore[arg-type]
        )
    with pytest.raises(ModelError, match="a CoxFit is needed"):
        proportional_hazards(None)  # type: ignore[arg-type]
