"""A made-up trial and its results, small enough to read; the numbers mean nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from golden.small_times import times
from outcomes.ard.rows import ArdRows, write_ard
from outcomes.study.load import StudyFile
from outcomes.study.spec import Study

ARMS = ("PSI25", "PSI1")
VISITS = (("DAY2", 2), ("WEEK3", 22))

CONTENT: dict[str, Any] = {
    "study": {
        "id": "small",
        "title": "Small trial",
        "compound": "psilocybin",
        "indication": "depression",
        "synthetic": True,
    },
    "arms": [
        {"id": "PSI25", "label": "Psilocybin 25 mg", "active": True},
        {"id": "PSI1", "label": "Psilocybin 1 mg", "control": True},
    ],
    "visits": [
        {"id": "BASELINE", "label": "Baseline", "day": -1, "baseline": True},
        {"id": "DAY2", "label": "Day 2", "day": 2, "window": [2, 4]},
        {"id": "WEEK3", "label": "Week 3", "day": 22, "window": [19, 26]},
        {"id": "WEEK12", "label": "Week 12", "day": 85},
    ],
    "follow_up": {"start": "WEEK12"},
    "sources": {
        "dm": {
            "file": "dm.csv",
            "columns": {"USUBJID": "id", "ARMCD": "arm", "SITEID": "site"},
        },
        "cm": {"file": "cm.csv", "columns": {"USUBJID": "id"}},
        "ds": {
            "file": "ds.csv",
            "columns": {
                "USUBJID": "id",
                "DSTERM": "term",
                "DSSTDTC": "date",
                "EPOCH": "epoch",
            },
        },
        "ex": {"file": "ex.csv", "columns": {"USUBJID": "id"}},
        "qs": [
            {
                "file": "madrs.csv",
                "instrument": "MADRS",
                "items": "madrs_{item:02d}",
                "subject": "id",
                "visit": "visit",
            },
            {
                "file": "meq30.csv",
                "instrument": "MEQ30",
                "items": "meq_{item:02d}",
                "subject": "id",
                "session": "session",
                "ordering": "standalone",
            },
        ],
    },
    "populations": {
        "FAS": "RANDFL == 'Y'",
        "SAF": "TRTFL == 'Y'",
        "FUS": "RANDFL == 'Y' and FUPFL == 'Y'",
    },
    "endpoints": {
        "madrs_change": {"kind": "change", "instrument": "MADRS", "score": "total"},
        "madrs_response": {
            "kind": "response",
            "paramcd": "MADRSRSP",
            "instrument": "MADRS",
            "score": "total",
            "reduction": 50,
            "label": "MADRS response",
        },
        "relapse": {
            "kind": "time-to-event",
            "paramcd": "RELAPSE",
            "origin": "first-dose",
            "events": [
                {
                    "kind": "criterion",
                    "endpoint": "madrs_response",
                    "equals": "N",
                    "assessments": 2,
                    "apart": [5, 15],
                    "label": "Symptoms back",
                }
            ],
            "competing": [
                {
                    "kind": "withdrawal",
                    "reasons": ["ADVERSE EVENT"],
                    "label": "Withdrawal for an adverse event",
                }
            ],
            "label": "Time to relapse",
        },
    },
    "estimands": [
        {
            "id": "main",
            "endpoint": "madrs_change",
            "population": "FAS",
            "intercurrent_events": [
                {"event": "rescue", "strategy": "treatment-policy"}
            ],
        }
    ],
    "analyses": [
        {
            "id": "disposition",
            "question": "disposition",
            "population": "FAS",
            "prespecified": True,
        },
        {
            "id": "baseline",
            "question": "baseline",
            "population": "FAS",
            "prespecified": True,
            "scores": ["madrs_change"],
        },
        {
            "id": "missing",
            "question": "missingness",
            "endpoint": "madrs_change",
            "population": "FAS",
            "prespecified": True,
        },
        {
            "id": "primary",
            "question": "change",
            "estimand": "main",
            "visit": "WEEK3",
            "prespecified": True,
            "model": {"averages": {"both": ["DAY2", "WEEK3"]}, "anova": 3},
        },
        {
            "id": "checks",
            "question": "diagnostics",
            "of": "primary",
            "prespecified": True,
        },
        {
            "id": "spread",
            "question": "distribution",
            "endpoint": "madrs_change",
            "population": "FAS",
            "visit": "WEEK3",
            "prespecified": True,
        },
        {
            "id": "response",
            "question": "responders",
            "endpoints": ["madrs_response"],
            "population": "FAS",
            "visits": ["WEEK3"],
            "prespecified": True,
        },
        {
            "id": "mystical",
            "question": "predicts-outcome",
            "endpoint": "madrs_change",
            "population": "FAS",
            "visit": "WEEK3",
            "predictor": {"instrument": "MEQ30", "score": "total_percent"},
        },
        {
            "id": "course",
            "question": "longitudinal-responders",
            "endpoint": "madrs_response",
            "population": "FAS",
            "prespecified": True,
        },
        {
            "id": "clusters",
            "question": "clustering",
            "endpoint": "madrs_change",
            "population": "FAS",
            "model": {"random": {"SITEID": "1"}},
        },
        {
            "id": "relapse",
            "question": "time-to-event",
            "endpoint": "relapse",
            "population": "FAS",
            "days": [14, 84],
            "follow_up": True,
            "followed_up": "FUS",
            "entry_weights": {"history": ["madrs_change"]},
        },
    ],
}


def small_study(folder: Path, **changes: Any) -> StudyFile:
    """Return the trial, with whole sections replaced by ``changes``."""
    spec = Study.model_validate({**CONTENT, **changes})
    return StudyFile(spec, folder / "study.yaml", folder)


def write_results(folder: Path, study: StudyFile) -> None:
    """Write the ARD of every analysis and an issue log."""
    for analysis in study.spec.analyses:
        rows = ArdRows(
            study=study.spec.study.id,
            analysis=analysis.id,
            prespecified="Y" if analysis.prespecified else "N",
        )
        _RESULTS[analysis.question](rows)
        write_ard(rows, folder / "ard" / f"{analysis.id}.parquet")
    write_issues(folder)


def write_issues(folder: Path) -> None:
    """Write an issue log with one warning."""
    import pandas as pd

    from outcomes.datasets.results import ISSUES
    from outcomes.datasets.store import write_csv

    issue = {
        "stage": "ingest",
        "severity": "warning",
        "rule": "visit-outside-window",
        "file": "madrs.csv",
        "row": 7,
        "column": "date",
        "subject": "01-007",
        "value": "2025-02-30",
        "message": "the date is <b>outside</b> the window",
        "remedy": "kept",
    }
    write_csv(pd.DataFrame([issue]), folder / "adam" / "issues.csv", ISSUES)


def _share(n: float, of: float) -> dict[str, float | None]:
    return {"n": n, "denominator": of, "percent": 100 * n / of}


def disposition(rows: ArdRows) -> None:
    rows.add("n", 24, term="screened")
    rows.add_all(_share(4, 24), term="not-randomised")
    rows.add_all(_share(4, 24), term="not-randomised", level="MADRS TOO LOW")
    for arm, of in (("PSI25", 10), ("PSI1", 10), ("", 20)):
        one = rows.at(arm=arm)
        one.add_all(_share(of, 20), term="randomised")
        one.add_all(_share(of, of), term="treated-as-allocated")
        one.add_all(_share(0, of), term="not-treated")
        one.add_all(_share(of - 1, of), term="completed")
        one.add_all(_share(1, of), term="discontinued")
        one.add_all(_share(1, of), term="discontinued", level="LOST TO FOLLOW-UP")
        for population in ("FAS", "SAF"):
            one.add_all(_share(of, of), term="population", population=population)
        one.add(
            "n",
            of,
            term="analysed",
            level="primary",
            endpoint="madrs_change",
            population="FAS",
        )
        one.add("estimate", 0, term="closure", level="end-of-study")


def _moments(mean: float) -> dict[str, float | None]:
    median = mean // 1 + 0.5
    return {
        "n": 10,
        "n_missing": 0,
        "mean": mean,
        "sd": 6.254,
        "median": median,
        "q1": median - 4,
        "q3": median + 4,
        "min": mean // 1 - 9,
        "max": mean // 1 + 9,
    }


def baseline(rows: ArdRows) -> None:
    rows = rows.at(population="FAS")
    score = rows.at(term="MADRSTOT", endpoint="madrs_change", visit="BASELINE", time=-1)
    rows.add("label", text="Age (years)", term="AGE")
    rows.add("label", text="Sex", term="SEX")
    score.add("label", text="MADRS Total Score at baseline")
    for place, arm in enumerate((*ARMS, "")):
        rows.add("n", 20 if arm == "" else 10, arm=arm, term="subjects")
        rows.add_all(_moments(40.25 + place), arm=arm, term="AGE")
        score.add_all(_moments(31.75 + place), arm=arm)
        of = 20 if arm == "" else 10
        rows.add_all(_share(of / 2, of), arm=arm, term="SEX", level="F")
        rows.add_all(_share(of / 2, of), arm=arm, term="SEX", level="M")


def missingness(rows: ArdRows) -> None:
    rows = rows.at(endpoint="madrs_change", population="FAS")
    for arm in (*ARMS, ""):
        of = 20 if arm == "" else 10
        for visit, day in (("BASELINE", -1), *VISITS):
            here = rows.at(arm=arm, visit=visit, time=day)
            gone = 0 if visit == "BASELINE" else of / 10
            here.add_all(_share(of - gone, of), term="observed")
            here.add_all(_share(gone, of), term="missing")
            if gone:
                reason = "After discontinuation: ADVERSE EVENT"
                here.add("n", gone, term="missing", level=reason)
        rows.add_all(_share(of - 1, of), arm=arm, term="complete")
        rows.add_all(_share(1, of), arm=arm, term="monotone")


def change(rows: ArdRows) -> None:
    rows = rows.at(
        endpoint="madrs_change",
        population="FAS",
        estimand="main",
        method="MMRM, unstructured covariance, Kenward-Roger degrees of freedom",
    )
    start = rows.at(visit="BASELINE", time=-1, term="observed-value")
    for place, arm in enumerate(ARMS):
        start.add_all({"n": 10, "mean": 32.5 + place, "sd": 5.125}, arm=arm)
        rows.add_all(_share(0, 10), arm=arm, term="no-post-baseline")
        for visit, day in VISITS:
            here = rows.at(visit=visit, time=day, arm=arm)
            mean = -12.345 + 6 * place + day / 10
            here.add_all({"n": 9, "mean": 20.5, "sd": 8.25}, term="observed-value")
            here.add_all({"n": 9, "mean": mean, "sd": 9.5}, term="observed-change")
            here.add_all(
                {"estimate": mean, "std_error": 1.25, "df": 17.25}, term="lsmean"
            )
            for name, shift in (("conf_low", -2.5), ("conf_high", 2.5)):
                here.add(name, mean + shift, term="lsmean", conf_level=0.95)
    for visit, day in VISITS:
        here = rows.at(visit=visit, time=day, arm="PSI25", comparator="PSI1")
        here.add_all(
            {"estimate": -6.0, "std_error": 1.75, "df": 17.25, "t": -3.42857},
            term="difference",
        )
        here.add("p_value", 0.00031, term="difference")
        here.add("conf_low", -9.675, term="difference", conf_level=0.95)
        here.add("conf_high", -2.325, term="difference", conf_level=0.95)
        here.add("estimate", -1.005, term="d-baseline-sd")
        here.add("estimate", -0.635, term="d-completer-change-sd")
    for place, arm in enumerate(ARMS):
        _estimate(
            rows.at(arm=arm, level="both", term="lsmean-average"), -11.5 + 6 * place
        )
    both = rows.at(arm="PSI25", comparator="PSI1", level="both")
    both = both.at(term="difference-average")
    _estimate(both, -6.125)
    both.add_all({"t": -3.5, "p_value": 0.0027})
    for level, f in (
        ("TRT01P", 11.25),
        ("AVISIT, at BASE = 0", 4.5),
        ("TRT01P:AVISIT", 0.75),
    ):
        tests = {"f": f, "num_df": 1, "den_df": 17.25, "p_value": 0.4 / f}
        rows.add_all(tests, term="type-3-test", level=level)
    fit = rows.at(term="fit")
    fit.add_all({"n_subjects": 20, "n_records": 36, "minus_2_loglik": 251.125})
    fit.add_all({"aic": 257.125, "bic": 259.5})
    fit.add("covariance", text="us")
    test = {"f": 11.76, "num_df": 1, "den_df": 17.25, "p_value": 0.0032}
    rows.add_all(test, term="arm-by-visit")
    rows.add_all(test, term="arm-at-all-visits")


def _estimate(rows: ArdRows, value: float) -> None:
    rows.add_all({"estimate": value, "std_error": 1.75, "df": 17.25})
    rows.add("conf_low", value - 3.675, conf_level=0.95)
    rows.add("conf_high", value + 3.675, conf_level=0.95)


def diagnostics(rows: ArdRows) -> None:
    rows = rows.at(
        endpoint="madrs_change",
        population="FAS",
        estimand="main",
        method="MMRM, unstructured covariance, Kenward-Roger degrees of freedom",
    )
    for place, (visit, day) in enumerate(VISITS):
        here = rows.at(visit=visit, time=day)
        here.add_all(
            {"n": 18, "mean": 0.0125, "sd": 0.985, "skewness": -0.215, "kurtosis": 1.5},
            term="residuals",
        )
        here.add_all({"min": -2.465, "max": 3.125}, term="residuals")
        for point, x in enumerate((-1.25, 0.0, 1.25), start=1):
            at = here.at(term="residual-quantile", level=f"{point:04d}")
            p = (point - 0.375) / 3.25
            at.add_all({"probability": p, "x": x, "y": 1.1 * x + 0.05 * place})
        here.add("estimate", 9.125 + place, term="fitted-sd")
        here.add("estimate", 8.75 + place, term="empirical-sd")
    both = rows.at(visit="WEEK3", time=22, level="DAY2")
    both.add("estimate", 0.625, term="fitted-correlation")
    both.add("estimate", 0.575, term="empirical-correlation")
    for point, x in enumerate((-14.5, -9.25, -3.75), start=1):
        at = rows.at(term="residual-spread", level=f"{point:04d}")
        at.add_all({"x": x, "n": 12, "mean": 0.105 * (point - 2), "sd": 0.975})
    result = rows.at(visit="WEEK3", time=22, arm="PSI25", comparator="PSI1")
    whole = result.at(term="difference")
    _estimate(whole, -6.0)
    whole.add_all({"t": -3.42857, "p_value": 0.00031})
    left = rows.at(visit="WEEK3", time=22, term="left-out", method_id="SITEID")
    left.add("label", text="Study site")
    for site, n, value in (("01", 12, -5.25), ("02", 5, -6.625), ("03", 1, -6.0625)):
        left.add("n", n, level=site)
        line = result.at(level=site, term="difference-without", method_id="SITEID")
        _estimate(line, value)
        line.add_all({"t": value / 1.75, "p_value": -0.02 / value})


def distribution(rows: ArdRows) -> None:
    rows = rows.at(endpoint="madrs_change", population="FAS", visit="WEEK3", time=22)
    for place, arm in enumerate(ARMS):
        values = [-20.0 + 10 * place, -8.0 + 4 * place, 3.0]
        rows.add_all(
            {"n": 3, "n_missing": 7, "mean": -8.25, "sd": 11.5, "median": values[1]},
            arm=arm,
            term="observed-change",
        )
        for point, x in enumerate(values, start=1):
            here = rows.at(arm=arm, term="ecdf", level=f"{point:04d}")
            here.add_all({"x": x, "y": 100 * point / 3})


def responders(rows: ArdRows) -> None:
    rows = rows.at(endpoint="madrs_response", population="FAS", visit="WEEK3", time=22)
    for method, of in (("nri", 10), ("observed", 9)):
        for n, arm in ((6, "PSI25"), (2, "PSI1")):
            here = rows.at(method_id=method, arm=arm, term="responders")
            here.add_all(_share(n, of))
            here.add("conf_low", 10.0 * n - 9, conf_level=0.95)
            here.add("conf_high", 10.0 * n + 9, conf_level=0.95)
        against = rows.at(method_id=method, arm="PSI25", comparator="PSI1")
        against.add_all({"estimate": 40.0, "p_value": 0.0679}, term="risk-difference")
        against.add("conf_method", text="newcombe", term="risk-difference")
        against.add("conf_low", -1.36, term="risk-difference", conf_level=0.95)
        against.add("conf_high", 67.35, term="risk-difference", conf_level=0.95)
        against.add("estimate", 6.0, term="odds-ratio")
        against.add("conf_low", 0.81, term="odds-ratio", conf_level=0.95)
        against.add("conf_high", 44.35, term="odds-ratio", conf_level=0.95)


def prediction(rows: ArdRows) -> None:
    rows = rows.at(
        endpoint="madrs_change",
        population="FAS",
        visit="WEEK3",
        time=22,
        session="first",
        method="least squares within arm",
    )
    slope = {"estimate": -0.1875, "std_error": 0.05, "df": 6, "t": -3.75}
    places = [{"arm": arm} for arm in ARMS] + [{"method_id": "arm-adjusted"}]
    for at in places:
        here = rows.at(**at)
        here.add_all({**slope, "p_value": 0.0095}, term="slope")
        here.add("conf_low", -0.3098, term="slope", conf_level=0.95)
        here.add("conf_high", -0.0652, term="slope", conf_level=0.95)
        here.add("estimate", 0.405, term="r-squared")
    for arm in ARMS:
        here = rows.at(arm=arm)
        here.add("n", 10, term="subjects")
        here.add("n", 3, term="analysed")
        here.add_all(
            {"estimate": -0.555, "p_value": 0.0095}, term="partial-correlation"
        )
        here.add("conf_low", -0.8, term="partial-correlation", conf_level=0.95)
        here.add("conf_high", -0.1, term="partial-correlation", conf_level=0.95)
        for point, x in enumerate((12.5, 50.0, 90.25), start=1):
            at = here.at(term="points", level=f"{point:04d}")
            at.add_all({"x": x, "y": -x / 5})
        for end, x in enumerate((12.5, 90.25), start=1):
            here.at(term="fitted-line", level=str(end)).add_all({"x": x, "y": -x / 5})


def random_effects(rows: ArdRows, levels: dict[str, tuple[str, int, float]]) -> None:
    """Write groupings with their label, number of levels and standard deviation."""
    for name, (label, count, sd) in levels.items():
        here = rows.at(level=name)
        if count:
            here.add("n", count, term="levels")
            here.add("label", text=label, term="levels")
        for term, power in (("random-sd", 1), ("random-variance", 2)):
            here.add("estimate", sd**power, term=term)
            here.add("conf_low", (0.5 * sd) ** power, term=term, conf_level=0.95)
            here.add("conf_high", (1.75 * sd) ** power, term=term, conf_level=0.95)


def _limited(rows: ArdRows, value: float, low: float, high: float) -> None:
    rows.add("estimate", value)
    rows.add("conf_low", low, conf_level=0.95)
    rows.add("conf_high", high, conf_level=0.95)


def longitudinal(rows: ArdRows) -> None:
    rows = rows.at(
        endpoint="madrs_response",
        population="FAS",
        method="mixed logistic model, quadrature with 25 points",
    )
    for place, (visit, day) in enumerate(VISITS):
        here = rows.at(visit=visit, time=day)
        for n, arm in ((6 - place, "PSI25"), (2 + place, "PSI1")):
            here.add_all(_share(n, 9), arm=arm, term="observed")
            _limited(here.at(arm=arm, term="risk"), 11.0 * n, 9.0 * n - 5, 13.0 * n)
        against = here.at(arm="PSI25", comparator="PSI1")
        for term, value in (
            ("risk-difference", 44.0 - 22 * place),
            ("risk-ratio", 3.0 - place),
            ("odds-ratio-marginal", 6.125 - 2 * place),
            ("odds-ratio-conditional", 18.5 - 6 * place),
        ):
            given = (
                "conditional on the random effects" if "cond" in term else "marginal"
            )
            line = against.at(term=term, method=f"{rows.default('method')}; {given}")
            _limited(line, value, value / 4, 3 * value)
            p = 0.25 if place else 0.0124
            line.add_all({"std_error": 0.5, "z": 2.5, "p_value": p})
    for term in ("arm-by-visit", "arm-at-all-visits"):
        rows.add_all({"chisq": 7.25, "df": 2, "p_value": 0.0266}, term=term)
    rows.add_all({"n_subjects": 20, "n_records": 36, "converged": 1}, term="fit")
    random_effects(rows, {"USUBJID": ("Subject", 20, 2.5)})
    _limited(rows.at(term="icc", level="USUBJID"), 0.655, 0.28, 0.86)
    rows.add("scale", text="latent", term="icc", level="USUBJID")


def clustering(rows: ArdRows) -> None:
    rows = rows.at(
        endpoint="madrs_change", population="FAS", method="LMM, random intercepts, REML"
    )
    effects = {
        "USUBJID": ("Subject", 20, 8.0),
        "SITEID": ("Study site", 3, 2.0),
        "Residual": ("", 0, 5.0),
    }
    random_effects(rows, effects)
    for name, share in (("USUBJID", 0.688), ("SITEID", 0.043)):
        _limited(rows.at(term="icc", level=name), share, share / 2, share * 1.25)
        rows.add("scale", text="observed", term="icc", level=name)
        test = {
            "chisq": 10 * share,
            "df_low": 0,
            "df_high": 1,
            "p_value": 0.04 - share / 20,
        }
        rows.add_all(test, term="component-test", level=name)
    rows.add_all({"n_subjects": 20, "n_records": 38, "converged": 1}, term="fit")
    for site, n, value in (("01", 12, 1.25), ("02", 5, -1.75), ("03", 3, 0.5)):
        here = rows.at(level=site, method_id="SITEID")
        here.add("n", n, term="members")
        _limited(here.at(term="random-effect"), value, value - 2.5, value + 2.5)


_RESULTS: dict[str, Callable[[ArdRows], None]] = {
    "disposition": disposition,
    "baseline": baseline,
    "missingness": missingness,
    "change": change,
    "diagnostics": diagnostics,
    "distribution": distribution,
    "responders": responders,
    "predicts-outcome": prediction,
    "longitudinal-responders": longitudinal,
    "clustering": clustering,
    "time-to-event": times,
}
