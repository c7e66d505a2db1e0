"""Cox models and competing risks: ours beside R's, case by case."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from outcomes.models import (
    CoxFit,
    CumulativeIncidence,
    cumulative_incidence,
    fit_cox,
    gray_test,
    hazard_ratios,
    proportional_hazards,
    schoenfeld_residuals,
    tidy,
)
from parity.survival_compare import Beside, beside, own_file, shared_cases
from shared import shared

COX_FILE = own_file("cox")
COX: dict[str, Any] = {case["id"]: case for case in COX_FILE["cases"]}
COMPETING: dict[str, Any] = {
    case["id"]: case for case in own_file("competing")["cases"]
}
PLAIN = ("visits", "exact", "small", "ends")
BY_ROWS = ("split", "weighted", "late")
STATSMODELS_COX = (
    "veteran-efron",
    "veteran-interaction-strata",
    "ties-strata-cluster",
    "ties-two-strata-breslow",
    "delayed-entry",
)
TRANSFORMS = ("km", "rank", "identity", "log")


@cache
def cox(name: str) -> CoxFit:
    """Fit a committed case."""
    options = dict(COX[name]["options"])
    data = pd.DataFrame(COX_FILE["data"][COX[name]["data"]])
    return fit_cox(options.pop("formula"), data, **options)


def _results(name: str) -> dict[str, Any]:
    found: dict[str, Any] = COX[name]["results"]
    return found


def cox_estimates(name: str) -> list[Beside]:
    """Coefficients and both covariances."""
    fit, r = cox(name), _results(name)
    counts = ((fit.n_records, fit.n_events), (r["n"], r["events"]))
    return [
        beside("coefficients", "estimate", fit.beta, r["estimate"]),
        beside("model-based covariance", "matrix", fit.cov_model, r["naive_vcov"]),
        beside("covariance", "matrix", fit.vcov, r["vcov"]),
        beside("records and events", "count", *counts),
    ]


def cox_tests(name: str) -> list[Beside]:
    """Likelihoods and tests of all coefficients."""
    fit, r = cox(name), _results(name)
    gain = 2 * (r["loglik"] - r["loglik_null"])
    out = [
        beside("log likelihood", "loglik", fit.loglik, r["loglik"]),
        beside("log likelihood at zero", "loglik", fit.loglik_null, r["loglik_null"]),
        beside("Wald", "statistic", fit.wald.statistic, r["wald"]),
        beside("score", "statistic", fit.score.statistic, r["score"]),
        beside("likelihood ratio", "statistic", fit.likelihood_ratio.statistic, gain),
    ]
    assert (fit.robust_score is None) == (r["robust_score"] is None)
    if fit.robust_score is not None:
        pair = (fit.robust_score.statistic, r["robust_score"])
        out.append(beside("robust score", "statistic", *pair))
    return out


def cox_concordance(name: str) -> list[Beside]:
    """Concordance of the linear predictor."""
    pair = (cox(name).concordance, _results(name)["concordance"])
    return [beside("concordance", "concordance", *pair)]


def cox_proportionality(name: str, transform: Any) -> list[Beside]:
    """Compare the tests of proportional hazards, by term."""
    found = proportional_hazards(cox(name), transform)
    r = _results(name)["zph"][transform]
    assert list(found["term"]) == r["term"]
    assert list(found["df"]) == r["df"]
    label = f"cox.zph, {transform}"
    return [
        beside(f"{label}: statistic", "zph", found["chisq"], r["chisq"]),
        beside(f"{label}: p value", "p", found["p_value"], r["p"]),
    ]


def cox_baseline(name: str, centred: bool) -> list[Beside]:
    """Cumulative baseline hazard, at means or at zero."""
    found = cox(name).baseline(centred=centred)
    r = _results(name)["baseline" if centred else "baseline_at_zero"]
    if "stratum" in r:
        # R drops "name=" of one column of strata, and pads levels of several.
        plain = [", ".join(p.strip() for p in s.split(",")) for s in r["stratum"]]
        assert list(found["stratum"]) == plain
    where = "at means" if centred else "at zero"
    return [
        beside(f"baseline {where}: time", "count", found["time"], r["time"]),
        beside(f"baseline {where}: hazard", "hazard", found["hazard"], r["hazard"]),
    ]


def cox_residuals(name: str, scaled: bool) -> list[Beside]:
    """Schoenfeld residuals."""
    fit, r = cox(name), _results(name)
    found = schoenfeld_residuals(fit, scaled=scaled)
    key = "scaled_schoenfeld" if scaled else "schoenfeld"
    theirs = np.reshape(np.array(r[key], dtype=float), (len(found), -1))
    ours = found[list(fit.estimated_terms)].to_numpy(copy=True)
    # Events at one time have no order.
    for rows in found.groupby(["stratum", "time"], sort=False).indices.values():
        for values in (ours, theirs):
            block = values[rows]
            values[rows] = block[np.lexsort(np.round(block, 8).T)]
    label = f"{'scaled ' if scaled else ''}Schoenfeld residuals"
    times = (found["time"], r["residual_times"])
    return [
        beside(f"{label}: time", "count", *times),
        beside(label, "residual", ours, theirs),
    ]


def cox_shared(name: str) -> list[Beside]:
    """Everything the shared file has of a Cox model."""
    case = shared_cases()[name]
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
    table, zph = tidy(fit), proportional_hazards(fit)
    limits = hazard_ratios(fit)[["conf_low", "conf_high"]]
    first = r["baseline_cumhaz_at_mean_first8"]
    baseline = fit.baseline().head(8)
    assert list(zph["term"]) == r["zph"]["rows"]
    errors = np.sqrt(np.diag(fit.cov_model))
    out = [
        beside("records", "count", fit.n_records, r["n"]),
        beside("events", "count", fit.n_events, r["events"]),
        beside("coefficients", "estimate", table["estimate"], r["estimate"]),
        beside("model-based standard errors", "std_error", errors, r["se"]),
        beside("covariance", "matrix", fit.vcov, r["vcov"]["values"]),
        beside("log likelihood", "loglik", fit.loglik, r["loglik"]),
        beside("log likelihood at zero", "loglik", fit.loglik_null, r["loglik_null"]),
        beside("Wald", "statistic", fit.wald.statistic, r["wald"]),
        beside("score", "statistic", fit.score.statistic, r["score"]),
        beside("z", "statistic", table["statistic"], r["z"]),
        beside("p values", "p", table["p_value"], r["p"]),
        beside("limits of hazard ratios", "limit", limits, r["hr_ci95"]["values"]),
        beside("concordance", "concordance", fit.concordance, r["concordance"]),
        beside("cox.zph, km: statistic", "zph", zph["chisq"], r["zph"]["chisq"]),
        beside("cox.zph, km: p value", "p", zph["p_value"], r["zph"]["p"]),
        beside("baseline: time", "count", baseline["time"], first["time"]),
        beside("baseline: hazard", "hazard", baseline["hazard"], first["hazard"]),
    ]
    if r["robust_se"] is not None:
        assert fit.robust_score is not None
        pair = (fit.robust_score.statistic, r["robust_score"])
        robust = (table["std_error"], r["robust_se"])
        out += [
            beside("robust standard errors", "std_error", *robust),
            beside("robust score", "statistic", *pair),
        ]
    return out


def statsmodels_cox(name: str, clusters: bool = False) -> list[Beside]:
    """Estimates and errors of `PHReg`, which has no weights.

    Its sandwich over clusters is compared in place of the model-based errors if asked.
    """
    from statsmodels.duration.hazard_regression import PHReg

    fit, options = cox(name), COX[name]["options"]
    data = pd.DataFrame(COX_FILE["data"][COX[name]["data"]])
    entry, strata = options.get("entry"), options.get("strata")
    theirs = PHReg(
        data[options["time"]],
        fit.design.X,
        status=data[options["event"]],
        # There, who enters at the time of an event is at risk; times are whole days.
        entry=None if entry is None else data[entry] + 0.5,
        strata=None if strata is None else data.groupby(strata).ngroup(),
        ties=options.get("ties", "efron"),
    )
    if clusters:
        errors = np.sqrt(np.diag(fit.vcov))
        robust = theirs.fit(groups=data[options["cluster"]]).bse
        return [beside("robust standard errors", "std_error", errors, robust)]
    found = theirs.fit()
    errors = np.sqrt(np.diag(fit.cov_model))
    return [
        beside("coefficients", "estimate", fit.beta, found.params),
        beside("model-based standard errors", "std_error", errors, found.bse),
        beside("log likelihood", "loglik", fit.loglik, found.llf),
    ]


def competing(name: str, **options: Any) -> CumulativeIncidence:
    """Fit a committed case of competing risks."""
    data = pd.DataFrame(COMPETING[name]["data"])
    if name in BY_ROWS:
        options |= {"entry": "start", "weights": "weight", "subject": "id"}
    return cumulative_incidence(data, time="time", event="event", by="arm", **options)


def _numbers(values: Any) -> np.ndarray:
    return np.array(values, dtype=float)


def _by_cause(found: CumulativeIncidence, level: str, name: str, times: Any) -> Any:
    """One column of the curve per cause, at some of its times."""
    curve = found.curve[found.curve["level"] == level]
    wide = curve.pivot_table(index="time", columns="cause", values=name, dropna=False)
    return wide.loc[times].to_numpy()


def _common(found: CumulativeIncidence, level: str, theirs: Any) -> tuple[Any, Any]:
    """Find times of both; survfit also lists the ends of rows that go on."""
    times = _numbers(theirs["time"])
    own = found.paths[found.levels.index(level)].time
    assert np.isin(own, times).all()
    return own, np.isin(times, own)


def incidence(name: str) -> list[Beside]:
    """Incidence of each cause, survival and records at risk."""
    found = competing(name)
    out = []
    for level, theirs in COMPETING[name]["curves"].items():
        _, kept = _common(found, level, theirs)
        path = found.paths[found.levels.index(level)]
        estimate = _numbers(theirs["estimate"])[kept]
        causes = estimate.shape[1]
        assert not path.estimate[:, causes:].any()
        survival = _numbers(theirs["survival"])[kept]
        # Multi-state survfit of this version counts rows, whatever their weights.
        at_risk = _numbers(theirs["n_risk"])[kept].astype(int)
        ours = path.estimate[:, :causes]
        out += [
            beside(f"{level}: incidence", "incidence", ours, estimate),
            beside(f"{level}: survival", "survival", path.survival, survival),
            beside(f"{level}: rows at risk", "count", path.count_risk, at_risk),
        ]
    return out


def incidence_errors(name: str, scale: Any) -> list[Beside]:
    """Compare standard errors and limits of incidences."""
    found = competing(name, conf_type=scale)
    place = COMPETING[name]["limits"].index(scale)
    out = []
    for level, theirs in COMPETING[name]["curves"].items():
        times, kept = _common(found, level, theirs)
        for column, kind, values in (
            ("std_error", "std_error", theirs["std_error"]),
            ("conf_low", "limit", theirs["low"][place]),
            ("conf_high", "limit", theirs["high"][place]),
        ):
            want = _numbers(values)[kept]
            ours = _by_cause(found, level, column, times)[:, : want.shape[1]]
            out.append(beside(f"{level}, {scale}: {column}", kind, ours, want))
    return out


def one_cause() -> list[Beside]:
    """Weights that change within subjects, all causes made one."""
    data = pd.DataFrame(COMPETING["split"]["data"])
    found = cumulative_incidence(
        data.assign(any=(data["event"] > 0).astype(int)),
        time="time",
        event="any",
        by="arm",
        entry="start",
        weights="weight",
        subject="id",
    )
    out = []
    for level, theirs in COMPETING["split"]["one_cause"].items():
        _, kept = _common(found, level, theirs)
        path = found.paths[found.levels.index(level)]
        survival = _numbers(theirs["survival"])[kept]
        errors = (path.std_error[:, 0], _numbers(theirs["std_error"])[kept])
        label = f"{level}, one cause"
        out += [
            beside(f"{label}: survival", "survival", path.survival, survival),
            beside(f"{label}: std_error", "std_error", *errors),
        ]
    return out


def aalen(name: str) -> list[Beside]:
    """Incidences and Aalen's variances of `cuminc`."""
    found = competing(name, variance="aalen")
    out = []
    for key, theirs in COMPETING[name]["cuminc"].items():
        level, cause = key.split()
        path = found.paths[found.levels.index(level)]
        j = found.causes.index(int(cause))
        place = np.searchsorted(path.time, _numbers(theirs["time"]), side="right")
        for quantity, kind, ours, want in (
            ("incidence", "incidence", path.estimate[:, j], theirs["estimate"]),
            ("variance", "variance", path.std_error[:, j] ** 2, theirs["variance"]),
        ):
            steps = np.concatenate([[0.0], ours])[place]
            out.append(beside(f"{level}, cause {cause}: {quantity}", kind, steps, want))
    return out


def gray(name: str) -> list[Beside]:
    """Gray's tests of `cuminc`."""
    data = pd.DataFrame(COMPETING[name]["data"])
    out = []
    for theirs in COMPETING[name]["tests"]:
        for cause, statistic, df, p_value in zip(
            theirs["cause"],
            theirs["statistic"],
            np.atleast_1d(theirs["df"]),
            theirs["p_value"],
            strict=True,
        ):
            ours = gray_test(
                data,
                time="time",
                event="event",
                by="arm",
                cause=cause,
                rho=theirs["rho"],
                strata="site" if theirs["strata"] else None,
            )
            label = f"Gray, cause {cause}, rho {theirs['rho']:g}"
            label += ", strata" if theirs["strata"] else ""
            out += [
                beside(f"{label}: statistic", "statistic", ours.statistic, statistic),
                beside(f"{label}: df", "count", ours.df, df),
                beside(f"{label}: p value", "p", ours.p_value, p_value),
            ]
    return out
