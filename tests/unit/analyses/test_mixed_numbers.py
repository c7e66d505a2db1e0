"""Numbers of the mixed-model analyses of an embedded trial, recomputed from raw items.

Scoring, visits, baselines, rescue and all estimation are done here again by other
means: a grid in place of quadrature, Henderson's equations in place of sums by subject,
numeric derivatives of dense matrices in place of analytic ones. Nothing of the package
is used but what is tested.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from outcomes.analyses.run import results_of
from outcomes.derive import derive_adqs, derive_adsl
from outcomes.ingest.read import read_sources
from outcomes.study import load_study
from shared import ROOT

FOLDER = ROOT / "data" / "mdma-ptsd"
ARMS = ("MDMA", "PBO")
# Visit: target day and window, as the plan has them.
VISITS = {"POST1": (22, 15, 27), "POST2": (52, 46, 62), "WEEK18": (113, 90, 135)}
CELLS = [(arm, visit) for arm in ARMS for visit in VISITS]
Z = float(stats.norm.ppf(0.975))

Floats = NDArray[np.float64]
Key = tuple[str, str, str, str]
Row = dict[str, Any]


# What the package says.


@cache
def datasets() -> tuple[Any, Any, Any]:
    study = load_study(FOLDER / "study.yaml", None)
    tables, _ = read_sources(study)
    adsl = derive_adsl(study.spec, tables).frame
    return study.spec, adsl, derive_adqs(study.spec, tables, adsl).frame


@cache
def results(id: str) -> dict[Key, float]:
    """Return values by term, visit, arm (or grouping) and statistic."""
    spec, adsl, adqs = datasets()
    frame = results_of(spec, spec.analysis(id), adsl, adqs).frame()
    assert not frame["error"].any()
    return {
        (row.term, row.visit, row.arm or row.level, row.statistic): row.value
        for row in frame.itertuples()
    }


def agree(found: dict[Key, float], expected: dict[Key, float], rel: float) -> None:
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=rel, abs=1e-9), key


# The raw files.


def raw(name: str) -> Iterator[Row]:
    with (FOLDER / "raw" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def study_day(day: date, first: date) -> int:
    """Study day; the day before day 1 is day -1."""
    between = (day - first).days
    return between + 1 if between >= 0 else between


def criterion(row: Row, items: range, least: int, n: int) -> str:
    """Y, N or undecided, of at least n items of at least some value."""
    texts = [row[f"caps5_{item:02d}"] for item in items]
    yes = sum(text not in ("", "N/A") and int(text) >= least for text in texts)
    if yes >= n:
        return "Y"
    return "" if yes + texts.count("") >= n else "N"


def every(parts: list[str]) -> str:
    if "N" in parts:
        return "N"
    return "" if "" in parts else "Y"


def ratings() -> Iterator[Row]:
    """Total, diagnosis and remission of each rating that was done."""
    for place, row in enumerate(raw("caps5")):
        if row["not_done"] == "Y":
            continue
        items = [row[f"caps5_{item:02d}"] for item in range(1, 21)]
        total = None if "" in items else sum(map(int, items))
        diagnosis = every(
            [
                criterion(row, range(1, 6), 2, 1),
                criterion(row, range(6, 8), 2, 1),
                criterion(row, range(8, 15), 2, 2),
                criterion(row, range(15, 21), 2, 2),
                criterion(row, range(22, 23), 1, 1),
                criterion(row, range(23, 26), 2, 1),
            ]
        )
        yield {
            "subject": row["subject_id"],
            "visit": row["visit"],
            "date": date.fromisoformat(row["date"]),
            "total": total,
            "diagnosis": diagnosis,
            "place": place,
        }


@cache
def subjects() -> dict[str, Row]:
    """Arm, clusters, first dose and first rescue of the randomised."""
    found = {
        row["subject_id"]: {**row, "first": row["randomised_date"], "rescue": None}
        for row in raw("subjects")
        if row["arm"] in ARMS
    }
    dosed: set[str] = set()
    for row in raw("dosing"):
        subject = found[row["subject_id"]]
        earliest = min(subject["first"], row["date"])
        subject["first"] = earliest if row["subject_id"] in dosed else row["date"]
        dosed.add(row["subject_id"])
    for row in raw("medications"):
        subject = found.get(row["subject_id"], {})
        if row["category"] == "RESCUE" and row["start_date"] >= subject["first"]:
            day = study_day(
                *map(date.fromisoformat, (row["start_date"], subject["first"]))
            )
            subject["rescue"] = min(day, subject["rescue"] or day)
    return found


@cache
def analysed() -> tuple[dict[tuple[str, str, str], Row], dict[str, int]]:
    """Find the rating that counts at each visit, and totals at baseline."""
    candidates: dict[tuple[str, str, str], list[Row]] = {}
    before: dict[str, list[Row]] = {}
    for rating in ratings():
        subject = subjects().get(rating["subject"])
        if subject is None:
            continue
        day = study_day(rating["date"], date.fromisoformat(subject["first"]))
        rating["day"] = day
        unscheduled = rating["visit"] == "UNSCHEDULED"
        if unscheduled:
            inside = [v for v, (_, low, high) in VISITS.items() if low <= day <= high]
            rating["visit"] = inside[0] if inside else ""
        rating["rank"] = (unscheduled, -rating["place"])
        if day < 1 and rating["total"] is not None and rating["visit"] not in VISITS:
            before.setdefault(rating["subject"], []).append(rating)
        if rating["visit"] in VISITS:
            for score in ("total", "diagnosis"):
                if rating[score] not in (None, ""):
                    key = rating["subject"], rating["visit"], score
                    candidates.setdefault(key, []).append(rating)

    def nearest(key: tuple[str, str, str]) -> Row:
        target = VISITS[key[1]][0]
        return min(
            candidates[key],
            key=lambda r: (abs(r["day"] - target), -r["day"], r["rank"]),
        )

    last = {s: max(rows, key=lambda r: r["day"])["total"] for s, rows in before.items()}
    return {key: nearest(key) for key in candidates}, last


def answer(subject: str, visit: str, endpoint: str) -> tuple[str, int]:
    """Loss of diagnosis or remission, and the study day of what tells."""
    ratings, _ = analysed()
    of = [ratings.get((subject, visit, score)) for score in ("diagnosis", "total")]
    lost = "" if of[0] is None else "YN"[of[0]["diagnosis"] == "Y"]
    low = "" if of[1] is None else "NY"[of[1]["total"] <= 11]
    value = lost if endpoint == "loss" else every([lost, low])
    days = [each["day"] for each in (of[:1] if endpoint == "loss" else of) if each]
    return value, max(days, default=VISITS[visit][0])


def after_rescue(subject: str, day: int) -> bool:
    rescue = subjects()[subject]["rescue"]
    return rescue is not None and day >= rescue


def courses(endpoint: str) -> tuple[list[tuple[str, int, int, float]], int, int]:
    """Subject, cell, answer and baseline; how many were counted as no, and left out."""
    _, base = analysed()
    rows, counted, missing = [], 0, 0
    for subject, about in subjects().items():
        for visit in VISITS:
            value, day = answer(subject, visit, endpoint)
            rescued = after_rescue(subject, day)
            if not value and not rescued:
                missing += 1
                continue
            counted += not value
            cell = CELLS.index((about["arm"], visit))
            rows.append(
                (subject, cell, int(value == "Y" and not rescued), base[subject])
            )
    return rows, counted, missing


# Yes/no over visits.


def laid_out(endpoint: str) -> tuple[Floats, Floats, list[list[int]], Floats]:
    """Model matrix of cells and baseline, answers, records and baselines by subject."""
    rows, _, _ = courses(endpoint)
    middle = float(np.mean([row[3] for row in rows]))
    X = np.zeros((len(rows), len(CELLS) + 1))
    for i, (_, cell, _, base) in enumerate(rows):
        X[i, [cell, -1]] = 1.0, base - middle
    groups: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault(row[0], []).append(i)
    bases = np.array([X[records[0], -1] for records in groups.values()])
    return X, np.array([float(row[2]) for row in rows]), list(groups.values()), bases


def effects(
    risk: Callable[[int], tuple[float, Floats]], theta: Floats, cov: Floats
) -> dict[Key, float]:
    """Risks, differences and ratios with standard errors by the delta method."""
    out: dict[Key, float] = {}

    def put(term: str, visit: str, arm: str, values: Row) -> None:
        out.update({(term, visit, arm, name): value for name, value in values.items()})

    for j, visit in enumerate(VISITS):
        (p1, g1), (p0, g0) = risk(j), risk(j + len(VISITS))
        for arm, p, g in (("MDMA", p1, g1), ("PBO", p0, g0)):
            se = np.sqrt(g @ cov @ g)
            side = Z * se / (p * (1 - p))
            low, high = (1 / (1 + (1 - p) / p * np.exp(s * side)) for s in (1, -1))
            values = {
                "estimate": p,
                "std_error": se,
                "conf_low": low,
                "conf_high": high,
            }
            put("risk", visit, arm, {name: 100 * v for name, v in values.items()})
        d, se = p1 - p0, np.sqrt((g1 - g0) @ cov @ (g1 - g0))
        difference = {
            "estimate": 100 * d,
            "std_error": 100 * se,
            "conf_low": 100 * (d - Z * se),
            "conf_high": 100 * (d + Z * se),
            "p_value": 2 * stats.norm.sf(abs(d / se)),
        }
        put("risk-difference", visit, "MDMA", difference)
        o1, o0 = p1 * (1 - p1), p0 * (1 - p0)
        contrast = np.zeros(len(theta))
        contrast[[j, j + len(VISITS)]] = 1.0, -1.0
        for term, log, slope in (
            ("risk-ratio", np.log(p1 / p0), g1 / p1 - g0 / p0),
            (
                "odds-ratio-marginal",
                np.log(p1 / (1 - p1) / p0 * (1 - p0)),
                g1 / o1 - g0 / o0,
            ),
            ("odds-ratio-conditional", contrast @ theta, contrast),
        ):
            se = np.sqrt(slope @ cov @ slope)
            limits = np.exp(log + np.array([-1.0, 0.0, 1.0]) * Z * se)
            names = ("conf_low", "estimate", "conf_high")
            put(term, visit, "MDMA", dict(zip(names, limits, strict=True)))
            put(term, visit, "MDMA", {"std_error": se})
    n = len(VISITS)
    all_visits = np.eye(n, len(theta))
    all_visits[:, n : 2 * n] -= np.eye(n)
    for term, L in (
        ("arm-at-all-visits", all_visits),
        ("arm-by-visit", all_visits[1:] - all_visits[0]),
    ):
        wald = L @ theta @ np.linalg.solve(L @ cov @ L.T, L @ theta)
        p = stats.chi2.sf(wald, len(L))
        put(term, "", "", {"chisq": wald, "df": len(L), "p_value": p})
    return out


def test_counts_of_the_courses_are_those_of_the_raw_items() -> None:
    for id, endpoint in (
        ("remission-course", "remission"),
        ("diagnosis-course", "loss"),
    ):
        rows, counted, missing = courses(endpoint)
        found = results(id)
        assert found["counted-as-no", "", "", "n"] == counted == 1
        assert found["excluded", "", "NO VALUE (LEFT MISSING)", "n"] == missing
        assert found["fit", "", "", "n_records"] == len(rows)
        for cell, (arm, visit) in enumerate(CELLS):
            answers = [row[2] for row in rows if row[1] == cell]
            assert found["observed", visit, arm, "n"] == sum(answers)
            assert found["observed", visit, arm, "denominator"] == len(answers)


def test_remission_course_agrees_with_a_likelihood_integrated_on_a_grid() -> None:
    X, y, groups, bases = laid_out("remission")
    p = X.shape[1]
    z = np.linspace(-8.5, 8.5, 421)
    density = stats.norm.pdf(z) * (z[1] - z[0])
    subject = np.empty(len(y), dtype=int)
    for i, records in enumerate(groups):
        subject[records] = i

    def score(theta: Floats) -> tuple[float, Floats, Floats]:
        """-log L, its gradient, and scores by Fisher's identity; exact on the grid."""
        eta = (X @ theta[:p])[:, None] + theta[p] * z
        log = np.zeros((len(groups), len(z)))
        np.add.at(log, subject, y[:, None] * eta - np.logaddexp(0.0, eta))
        joint = np.exp(log) * density
        likelihood = joint.sum(axis=1)
        residual = (y[:, None] - 1 / (1 + np.exp(-eta))) * (
            joint / likelihood[:, None]
        )[subject]
        gradient = np.append(X.T @ residual.sum(axis=1), (residual @ z).sum())
        return -float(np.log(likelihood).sum()), -gradient, likelihood

    start = np.append(np.full(p - 1, -3.0), [-0.2, 2.0])
    theta = optimize.minimize(
        lambda t: score(t)[:2], start, jac=True, method="BFGS", options={"gtol": 1e-6}
    ).x
    for _ in range(2):
        step = 1e-4 * np.append(np.ones(p - 1), [0.05, 1.0])
        H = np.array(
            [
                (score(theta + e)[1] - score(theta - e)[1]) / (2 * e.sum())
                for e in np.diag(step)
            ]
        )
        theta = theta - np.linalg.solve((H + H.T) / 2, score(theta)[1])
    cov = np.linalg.inv((H + H.T) / 2)

    def risk(cell: int) -> tuple[float, Floats]:
        mu = 1 / (
            1 + np.exp(-(theta[cell] + theta[p - 1] * bases[:, None] + theta[p] * z))
        )
        slope = mu * (1 - mu)
        g = np.zeros(p + 1)
        g[cell] = (slope @ density).mean()
        g[p - 1] = (slope @ density * bases).mean()
        g[p] = (slope @ (z * density)).mean()
        return float((mu @ density).mean()), g

    found = results("remission-course")
    sd = float(theta[p])
    expected = effects(risk, theta, cov) | {
        ("fit", "", "", "loglik"): -score(theta)[0],
        ("random-sd", "", "USUBJID", "estimate"): sd,
        ("icc", "", "USUBJID", "estimate"): sd**2 / (sd**2 + np.pi**2 / 3),
    }
    # What 25 points of quadrature leave of the integral.
    agree(found, expected, rel=2e-3)


def test_diagnosis_course_agrees_with_estimating_equations_subject_by_subject() -> None:
    X, y, groups, bases = laid_out("loss")
    p = X.shape[1]
    beta, alpha = np.zeros(p), 0.0
    for _ in range(60):
        mu = 1 / (1 + np.exp(-X @ beta))
        r = (y - mu) / np.sqrt(mu * (1 - mu))
        pairs = sum(len(g) * (len(g) - 1) / 2 for g in groups)
        products = sum((r[g].sum() ** 2 - r[g] @ r[g]) / 2 for g in groups)
        alpha = products / pairs / (r @ r / len(y))
        parts = []
        for g in groups:
            root = np.sqrt(mu[g] * (1 - mu[g]))
            R = alpha + (1 - alpha) * np.eye(len(g))
            D = X[g] * root[:, None] ** 2
            parts.append((g, D, D.T @ np.linalg.inv(root[:, None] * R * root)))
        B = sum(DV @ D for _, D, DV in parts)
        beta = beta + np.linalg.solve(B, sum(DV @ (y - mu)[g] for g, _, DV in parts))
    bread, meat = np.linalg.inv(B), np.zeros((p, p))
    for g, D, DV in parts:
        s = DV @ np.linalg.solve(np.eye(len(g)) - D @ bread @ DV, (y - mu)[g])
        meat += np.outer(s, s)

    def risk(cell: int) -> tuple[float, Floats]:
        mean = 1 / (1 + np.exp(-(beta[cell] + beta[-1] * bases)))
        slope, g = mean * (1 - mean), np.zeros(p)
        g[cell], g[-1] = slope.mean(), (slope * bases).mean()
        return float(mean.mean()), g

    found = results("diagnosis-course")
    agree(found, effects(risk, beta, bread @ meat @ bread), rel=1e-7)
    correlation = [v for key, v in found.items() if key[0] == "working-correlation"]
    assert correlation == pytest.approx([alpha], rel=1e-8)


# Sustained endpoints.


def test_sustained_endpoints_agree_with_the_raw_items() -> None:
    spec, adsl, adqs = datasets()
    frame = results_of(spec, spec.analysis("sustained"), adsl, adqs).frame()
    for endpoint, of in (
        ("sustained_loss", "loss"),
        ("sustained_remission", "remission"),
    ):
        for arm in ARMS:
            yes = seen = 0
            members = [s for s, about in subjects().items() if about["arm"] == arm]
            for subject in members:
                both = [answer(subject, visit, of) for visit in ("POST2", "WEEK18")]
                rescued = [after_rescue(subject, day) for _, day in both]
                values = [value for value, _ in both]
                # A no that was observed decides, whatever was missed beside it.
                seen += all(values) or "N" in values or any(rescued)
                yes += values == ["Y", "Y"] and not any(rescued)
            rows = frame[(frame["endpoint"] == endpoint) & (frame["arm"] == arm)]
            rows = rows[rows["term"] == "responders"]
            for method, N in (("nri", len(members)), ("observed", seen)):
                own = rows[rows["method_id"] == method].set_index("statistic")["value"]
                centre = (yes + Z**2 / 2) / (N + Z**2)
                half = Z / (N + Z**2) * np.sqrt(yes * (N - yes) / N + Z**2 / 4)
                assert (own["n"], own["denominator"]) == (yes, N)
                assert own["conf_low"] == pytest.approx(
                    100 * (centre - half), rel=1e-12
                )
                assert own["conf_high"] == pytest.approx(
                    100 * (centre + half), rel=1e-12
                )


# Sites and therapists.


@cache
def changes() -> tuple[Floats, Floats, dict[str, Floats], dict[str, list[str]]]:
    """Return model matrix (cells, baseline by visit), changes, indicators, levels."""
    found, base = analysed()
    X, y, who = [], [], []
    order = list(VISITS)
    for (subject, visit, score), rating in found.items():
        if score != "total" or subject not in base:
            continue
        row = np.zeros(len(CELLS) + len(VISITS))
        row[CELLS.index((subjects()[subject]["arm"], visit))] = 1.0
        row[len(CELLS) + order.index(visit)] = base[subject]
        X.append(row)
        y.append(float(rating["total"] - base[subject]))
        about = subjects()[subject]
        who.append((subject, about["site"], about["lead_therapist"]))
    matrix = np.array(X)
    covariate = matrix[:, len(CELLS) :]
    covariate -= (covariate != 0) * covariate.sum() / len(y)
    indicators, names = {}, {}
    for k, grouping in enumerate(("USUBJID", "SITEID", "THERAPID")):
        names[grouping] = sorted({each[k] for each in who})
        columns = [names[grouping].index(each[k]) for each in who]
        indicators[grouping] = np.eye(len(names[grouping]))[columns]
    return matrix, np.array(y), indicators, names


def restricted(v: Floats, groupings: list[str]) -> tuple[float, Floats, Floats]:
    """-2 restricted log likelihood, coefficients and their covariance; v: variances."""
    X, y, indicators, _ = changes()
    V = v[-1] * np.eye(len(y))
    for variance, grouping in zip(v[:-1], groupings, strict=True):
        V += variance * indicators[grouping] @ indicators[grouping].T
    L = np.linalg.cholesky(V)
    A = np.linalg.solve(L, np.column_stack([X, y]))
    Q = A[:, :-1].T @ A[:, :-1]
    beta = np.linalg.solve(Q, A[:, :-1].T @ A[:, -1])
    rest = A[:, -1] - A[:, :-1] @ beta
    deviance = (
        (len(y) - X.shape[1]) * np.log(2 * np.pi)
        + 2 * np.log(np.diag(L)).sum()
        + np.linalg.slogdet(Q)[1]
        + rest @ rest
    )
    return float(deviance), beta, np.linalg.inv(Q)


def curvature(f: Callable[[Floats], float], at: Floats, step: Floats) -> Floats:
    """Second differences."""
    k = len(at)
    H = np.zeros((k, k))
    for i in range(k):
        for j in range(i + 1):
            a, b = step[i] * np.eye(k)[i], step[j] * np.eye(k)[j]
            cross = f(at + a + b) - f(at + a - b) - f(at - a + b) + f(at - a - b)
            H[i, j] = H[j, i] = cross / (4 * step[i] * step[j])
    return H


def test_differences_and_blups_agree_with_dense_matrices() -> None:
    """Therapists' variance is zero here, which is checked first."""
    both = ["USUBJID", "SITEID"]
    found = results("therapists")
    for grouping in both:  # the estimates are where the restricted likelihood is flat
        assert found["random-variance", "", grouping, "estimate"] > 0
    assert found["random-variance", "", "THERAPID", "estimate"] == 0
    v = np.array(
        [found["random-variance", "", g, "estimate"] for g in (*both, "Residual")]
    )
    deviance, beta, cov = restricted(v, both)
    assert found["fit", "", "", "minus_2_loglik"] == pytest.approx(deviance, abs=1e-7)
    step = 0.003 * v

    def least(x: Floats) -> float:
        return restricted(x, both)[0]

    H = curvature(least, v, step)
    slope = np.array(
        [(least(v + e) - least(v - e)) / (2 * e.sum()) for e in np.diag(step)]
    )
    newton = np.linalg.solve(H, slope) / np.sqrt(np.diag(2 * np.linalg.inv(H)))
    assert np.all(np.abs(newton) < 1e-4)  # in standard errors of the variances
    more = restricted(np.insert(v, 2, 0.05), [*both, "THERAPID"])[0]
    assert more > deviance  # therapists are no better with a variance

    W = np.linalg.inv(H / 2)
    bends = [
        (restricted(v + e, both)[2] - restricted(v - e, both)[2]) / (2 * e.sum())
        for e in np.diag(step)
    ]
    expected: dict[Key, float] = {}
    for j, visit in enumerate(VISITS):
        contrast = np.zeros(len(beta))
        contrast[[j, j + len(VISITS)]] = 1.0, -1.0
        variance = contrast @ cov @ contrast
        g = np.array([contrast @ bend @ contrast for bend in bends])
        df = 2 * variance**2 / (g @ W @ g)
        estimate, se = contrast @ beta, np.sqrt(variance)
        half = stats.t.ppf(0.975, df) * se
        for name, value in (
            ("estimate", estimate),
            ("std_error", se),
            ("df", df),
            ("conf_low", estimate - half),
            ("conf_high", estimate + half),
            ("p_value", 2 * stats.t.sf(abs(estimate / se), df)),
        ):
            expected["difference", visit, "MDMA", name] = value
        expected["lsmean", visit, "MDMA", "estimate"] = beta[j]
        expected["lsmean", visit, "MDMA", "std_error"] = np.sqrt(cov[j, j])
    agree(results("therapist-adjusted"), expected, rel=2e-4)

    X, y, indicators, names = changes()
    A = np.hstack([X, indicators["USUBJID"], indicators["SITEID"]])
    sizes = [len(names[g]) for g in both]
    M = A.T @ A / v[2]
    M[X.shape[1] :, X.shape[1] :] += np.diag(np.repeat(1 / v[:2], sizes))
    inverse = np.linalg.inv(M)  # Henderson's equations
    solution = inverse @ A.T @ y / v[2]
    first = X.shape[1] + sizes[0]
    sites: dict[Key, float] = {}
    for k, site in enumerate(names["SITEID"]):
        sites["random-effect", "", site, "estimate"] = solution[first + k]
        sites["random-effect", "", site, "std_error"] = np.sqrt(
            inverse[first + k, first + k]
        )
    agree(found, sites, rel=1e-7)
