"""Survival curves, tests and restricted means: ours beside theirs, case by case.

The tests of this folder hold the comparisons against tolerances; `survival_report`
prints how far they agree. Cases on synthetic data are committed in ``reference``, the
others are read from the shared folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from outcomes.models import kaplan_meier, logrank, rmst, turnbull
from parity.mmrm_compare import Comparison
from shared import shared

REFERENCE = Path(__file__).parent / "reference"
SCALES = ("log-log", "log", "plain")
COUNTS = ("time", "n_risk", "n_event", "n_censor")
STATSMODELS_CURVES = ("visits", "exact", "ends", "late")
# With late entry theirs fails on strata and on powers of survival.
STATSMODELS_TESTS = (
    ("visits", 0.0, None),
    ("visits", 0.0, "site"),
    ("visits", 1.0, None),
    ("visits", 1.0, "site"),
    ("late", 0.0, None),
)


class Beside(Comparison):
    """Comparison in which a number that both leave out agrees."""

    @property
    def floor(self) -> float:
        """What counts as zero: a thousandth, or that of the largest of a matrix."""
        if self.kind in ("matrix", "residual"):
            return max(1e-3 * float(np.max(np.abs(self.theirs))), 1e-12)
        return 1e-8 if self.kind == "p" else 1e-3


def beside(quantity: str, kind: str, ours: Any, theirs: Any) -> Beside:
    """Put numbers side by side; nulls of a file are NaN, which both may have."""
    mine = np.ravel(np.asarray(ours, dtype=float))
    yours = np.ravel(np.asarray(theirs, dtype=float))
    if mine.shape != yours.shape or np.any(np.isnan(mine) != np.isnan(yours)):
        return Beside(quantity, kind, np.array([np.nan]), np.array([0.0]))
    known = ~np.isnan(yours)
    return Beside(quantity, kind, mine[known], yours[known])


def agree(comparisons: Iterable[Comparison], close: float) -> None:
    """Fail, naming what does, unless all numbers are within a relative difference."""
    made = [c for c in comparisons if c.theirs.size]
    assert made
    apart = [f"{c.quantity}: {c.worst:.1e}" for c in made if not c.worst <= close]
    assert not apart, "; ".join(apart)


def own_file(name: str) -> dict[str, Any]:
    """Read a committed file of reference numbers."""
    text = (REFERENCE / f"survival_{name}.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


CASES: dict[str, Any] = {case["id"]: case for case in own_file("km")["cases"]}
TURNBULL: dict[str, Any] = {case["id"]: case for case in own_file("turnbull")["cases"]}


@cache
def shared_cases() -> dict[str, Any]:
    """Read the cases of the shared file, of all kinds."""
    text = shared("references", "survival.json").read_text("utf-8")
    return {case["id"]: case for case in json.loads(text)["cases"]}


def read_shared(name: str) -> tuple[dict[str, Any], pd.DataFrame, dict[str, Any]]:
    """Return their results, the data, and the columns our functions are told."""
    case = shared_cases()[name]
    spec, data = case["spec"], pd.read_csv(shared("references", case["data"]))
    arm = spec["arm"]
    data[arm] = pd.Categorical(data[arm].astype(str), categories=spec["levels"][arm])
    return (
        case["results"],
        data,
        {"time": spec["time"], "event": spec["event"], "by": arm},
    )


def read_case(name: str) -> tuple[dict[str, Any], pd.DataFrame, dict[str, Any]]:
    """Return a committed case, its data, and the columns our functions are told."""
    case = CASES[name]
    columns = {"time": "time", "event": "event", "by": "arm"}
    if case["entering"]:
        columns["entry"] = "start"
    if case["weighted"]:
        columns |= {"weights": "weight", "subject": "id"}
    return case, pd.DataFrame(case["data"]), columns


def of(frame: pd.DataFrame, level: str) -> pd.DataFrame:
    """Return the rows of one level."""
    return frame[frame["level"] == level]


def shared_curves(name: str, scale: Any) -> list[Beside]:
    """Curves, values at days and quantiles of the shared file."""
    results, data, columns = read_shared(name)
    fit = kaplan_meier(data, **columns, conf_type=scale)
    key = scale.replace("-", "")
    out = []
    for arm, theirs in results["arms"].items():
        curve, found = of(fit.curve, arm), theirs["curve"]
        out += [beside(f"{arm}: {c}", "count", curve[c], found[c]) for c in COUNTS]
        events = curve["n_event"].sum()
        out.append(beside(f"{arm}: events", "count", events, theirs["events"]))
        at = of(fit.at(theirs["times"]), arm)
        for quantity, kind, found_here, expected in (
            ("survival", "survival", curve["survival"], found["surv"]),
            ("survival at days", "survival", at["survival"], theirs["surv"]),
            ("std_error at days", "std_error", at["std_error"], theirs["std_err"]),
            ("n_risk at days", "count", at["n_risk"], theirs["n_risk"]),
            ("conf_low at days", "limit", at["conf_low"], theirs[key]["lower"]),
            ("conf_high at days", "limit", at["conf_high"], theirs[key]["upper"]),
        ):
            label = f"{arm}, {scale}: {quantity}"
            out.append(beside(label, kind, found_here, expected))
        if scale != "plain":
            shares = theirs["quantiles"]
            ours = of(fit.quantiles(shares["probs"]), arm)
            for column, expected in (
                ("estimate", shares["estimate"]),
                ("conf_low", shares[f"{key}_lower"]),
                ("conf_high", shares[f"{key}_upper"]),
            ):
                label = f"{arm}, {scale}: quantiles, {column}"
                out.append(beside(label, "quantile", ours[column], expected))
    return out


def shared_tests(name: str) -> list[Beside]:
    """Log-rank and Peto-Peto tests of the shared file."""
    results, data, columns = read_shared(name)
    out = []
    for rho, key in ((0.0, "logrank"), (1.0, "peto_peto_rho1")):
        ours, theirs = logrank(data, **columns, rho=rho), results[key]
        test = f"rho {rho:g}"
        out.append(
            beside(f"{test}: statistic", "statistic", ours.statistic, theirs["chisq"])
        )
        for column in ("observed", "expected"):
            sums = ours.table[column]
            out.append(beside(f"{test}: {column}", "sum", sums, theirs[column]))
        if rho == 0.0:
            var = theirs["var"]["values"]
            out += [
                beside(f"{test}: df", "count", ours.df, theirs["df"]),
                beside(f"{test}: p value", "p", ours.p_value, theirs["p"]),
                beside(f"{test}: covariance", "matrix", ours.cov, var),
            ]
    return out


def shared_means(name: str) -> list[Beside]:
    """Restricted means, their differences and ratios, of the shared file."""
    results, data, columns = read_shared(name)
    out = []
    for theirs in results["rmst"]:
        ours = rmst(data, **columns, tau=theirs["tau"])
        means = ours[ours["term"] == "rmst"]
        assert means["level"].tolist() == theirs["arms"]
        difference = ours[ours["term"] == "difference"].iloc[0]
        ratio = ours[ours["term"] == "ratio"].iloc[0]
        for quantity, row, value, error in (
            ("mean", means, "rmst", "se"),
            ("mean of survfit", means, "survival_rmean", "survival_se"),
            ("difference", difference, "difference", "difference_se"),
            ("ratio", ratio, "ratio", "log_ratio_se"),
        ):
            label = f"tau {theirs['tau']}: {quantity}"
            errors = (row["std_error"], theirs[error])
            out += [
                beside(label, "mean", row["estimate"], theirs[value]),
                beside(f"{label}, std_error", "mean_error", *errors),
            ]
    return out


def curves(name: str, scale: Any) -> list[Beside]:
    """Curves and quantiles of a committed case."""
    case, data, columns = read_case(name)
    fit = kaplan_meier(data, **columns, conf_type=scale)
    kinds = dict.fromkeys(COUNTS, "count") | {"survival": "survival"}
    kinds |= {"std_error": "std_error", "conf_low": "limit", "conf_high": "limit"}
    out = []
    for theirs in case["curves"]:
        found = {
            k: np.array(v, dtype=float) for k, v in theirs["limits"][scale].items()
        }
        # R also has the times at which a row of a subject gives way to the next.
        kept = found["n_event"] + found["n_censor"] > 0
        curve = of(fit.curve, theirs["level"])
        label = f"{theirs['level']}, {scale}"
        out += [
            beside(f"{label}: {c}", kind, curve[c], found[c][kept])
            for c, kind in kinds.items()
        ]
        ours = of(fit.quantiles(case["probs"]), theirs["level"])
        out += [
            beside(f"{label}: quantiles, {c}", "quantile", ours[c], found[key])
            for c, key in (
                ("estimate", "quantile"),
                ("conf_low", "quantile_low"),
                ("conf_high", "quantile_high"),
            )
        ]
    return out


def late_at_times() -> list[Beside]:
    """Values at R's times of rows that begin late."""
    case, data, columns = read_case("late")
    fit = kaplan_meier(data, **columns)
    out = []
    for theirs in case["curves"]:
        found = theirs["limits"]["log-log"]
        at = of(fit.at(found["time"]), theirs["level"])
        censored = np.cumsum(found["n_censor"]) - found["n_censor"]
        for quantity, kind, expected in (
            ("n_risk", "count", found["n_risk"]),
            ("survival", "survival", found["survival"]),
            ("n_event", "count", np.cumsum(found["n_event"])),
            ("n_censor", "count", censored),
        ):
            label = f"{theirs['level']}: {quantity} at its times"
            out.append(beside(label, kind, at[quantity], expected))
    return out


def means(name: str) -> list[Beside]:
    """Restricted means of a committed case; nothing where R has none."""
    case, data, columns = read_case(name)
    out = []
    for theirs in (c for c in case["curves"] if c["rmst"]):
        found = theirs["rmst"]
        ours = of(rmst(data, **columns, tau=found["tau"]), theirs["level"])
        row = ours[ours["term"] == "rmst"]
        label = f"{theirs['level']}: restricted mean"
        if "estimate" in found:
            out.append(beside(label, "mean", row["estimate"], found["estimate"]))
        errors = (row["std_error"], found["std_error"])
        out.append(beside(f"{label}, std_error", "mean_error", *errors))
    return out


def tests(name: str) -> list[Beside]:
    """Tests of `survdiff` on a committed case without weights."""
    case, data, columns = read_case(name)
    out = []
    for theirs in case["tests"]:
        strata = None if theirs["strata"] == "none" else theirs["strata"]
        ours = logrank(data, **columns, strata=strata, rho=theirs["rho"])
        label = f"rho {theirs['rho']:g}, strata {theirs['strata']}"
        out += [
            beside(f"{label}: {c}", "sum", ours.table[c], theirs[c])
            for c in ("observed", "expected")
        ]
        out.append(beside(f"{label}: covariance", "matrix", ours.cov, theirs["cov"]))
        if name == "early":
            # survdiff says 0 with no degree of freedom; there is no test.
            assert theirs["statistic"] == 0
            assert np.isnan(ours.statistic)
            assert ours.df == 0
        else:
            pair = (ours.statistic, theirs["statistic"])
            out.append(beside(f"{label}: statistic", "statistic", *pair))
    return out


def weighted_tests(name: str) -> list[Beside]:
    """Robust score tests at zero of `coxph` on a committed case with weights."""
    case, data, columns = read_case(name)
    out = []
    for theirs in case["scores"]:
        strata = None if theirs["strata"] == "none" else theirs["strata"]
        ours = logrank(data, **columns, strata=strata).statistic
        label = f"strata {theirs['strata']}: robust score statistic"
        out.append(beside(label, "statistic", ours, theirs["statistic"]))
    return out


def statsmodels_curves(name: str) -> list[Beside]:
    """Curves of `SurvfuncRight`, which has the times of events alone."""
    from statsmodels.duration.survfunc import SurvfuncRight

    _, data, columns = read_case(name)
    fit = kaplan_meier(data, **columns)
    out = []
    for level in fit.levels:
        rows = data[data["arm"] == level]
        entry = rows["start"] if "entry" in columns else None
        with np.errstate(divide="ignore", invalid="ignore"):
            theirs = SurvfuncRight(rows["time"], rows["event"], entry)
        ours = of(fit.curve, level)
        ours = ours[ours["n_event"] > 0]
        some = ours["survival"].to_numpy() > 0
        errors = (ours["std_error"][some], theirs.surv_prob_se[some])
        out += [
            beside(f"{level}: time", "count", ours["time"], theirs.surv_times),
            beside(f"{level}: n_risk", "count", ours["n_risk"], theirs.n_risk),
            beside(f"{level}: n_event", "count", ours["n_event"], theirs.n_events),
            beside(
                f"{level}: survival", "survival", ours["survival"], theirs.surv_prob
            ),
            beside(f"{level}: std_error", "std_error", *errors),
        ]
    return out


def statsmodels_test(name: str, rho: float, strata: str | None) -> list[Beside]:
    """Compare with the test of `survdiff` of statsmodels."""
    from statsmodels.duration.survfunc import survdiff

    _, data, columns = read_case(name)
    entry = data["start"].to_numpy() if "entry" in columns else None
    how: dict[str, Any] = {"weight_type": "fh", "fh_p": rho} if rho else {}
    by = None if strata is None else data[strata].to_numpy()
    three = (data[c].to_numpy() for c in ("time", "event", "arm"))
    statistic, p_value = survdiff(*three, strata=by, entry=entry, **how)
    ours = logrank(data, **columns, strata=strata, rho=rho)
    label = f"rho {rho:g}, strata {strata or 'none'}"
    return [
        beside(f"{label}: statistic", "statistic", ours.statistic, statistic),
        beside(f"{label}: p value", "p", ours.p_value, p_value),
    ]


def intervals(name: str) -> list[Beside]:
    """Turnbull's estimate where it is determined: at the ends of records."""
    case = TURNBULL[name]
    data = pd.DataFrame(case["data"], dtype=float)
    found = turnbull(data, left="left", right="right")
    assert found.converged
    at = found.at(case["time"])
    return [
        beside("survival, lower", "survival", at["survival_low"], case["survival"]),
        beside("survival, upper", "survival", at["survival_high"], case["survival"]),
    ]
