"""Compute references of mixed models from definitions, without a mixed-model program.

Run from the repository root, after ``mixed_lmm.R`` and ``mixed_glmm.R``::

    python tests/parity/scripts/mixed_exact.py

(about ten minutes; names of cases such as ``"lmm visits"`` renew these only). It writes
``tests/parity/reference/mixed_exact.json``: profile intervals of variance components
under ML and REML, Satterthwaite and Kenward-Roger by expected and observed information,
errors of prediction (``parity/mixed_dense.py``); maximum likelihood of models with a
random intercept by the exact integral and by quadrature with observed curvature, and
profile intervals (``parity/mixed_quadrature.py``). A likelihood of a linear model that
is not R's stops the run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests"))

from parity import mixed_dense as dense  # noqa: E402
from parity import mixed_quadrature as scalar  # noqa: E402

FOLDER = ROOT / "tests" / "parity" / "reference"
TARGET = FOLDER / "mixed_exact.json"
DIGITS = 13
# lme4's and pbkrtest's names of groupings, where they are not ours.
GROUPING = {"lead:site": "site:lead"}
PROFILED = ("visits", "nested", "slopes-independent", "crossed")
QUADRATURE: dict[str, tuple[int, ...]] = {
    "logit": (1, 9),
    "probit": (1, 9),
    "trials": (1,),
    "poisson": (1, 9),
    "poisson-offset": (),
    "negative-binomial": (1, 9),
    "negative-binomial-offset": (),
    "cumulative": (1, 10),
    "toenail": (1,),
    "imps79-binary": (1,),
    "imps79-ordinal": (),
}
TRIMMED = 12


def plain(value: Any) -> Any:
    """Round to what is kept and turn arrays into lists."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.{DIGITS}g}")
    return value


def read(name: str) -> list[dict[str, Any]]:
    return list(json.loads((FOLDER / name).read_text(encoding="utf-8")))


def theta_of(m: dense.Dense, results: dict[str, Any]) -> np.ndarray:
    """R's variance components in the order of ours."""
    found = []
    for block in m.blocks:
        names = (
            {block.grouping, "lead"} if "mm(" in block.grouping else {block.grouping}
        )
        found += [
            np.array(c["covariance"])
            for c in results["components"]
            if GROUPING.get(c["grouping"], c["grouping"]) in names
            and tuple(c["terms"]) == block.effects
        ]
    return m.theta_of(found, results["residual_sd"])


def lmm(case: dict[str, Any], data: pd.DataFrame) -> dict[str, Any]:
    m = dense.make(case["spec"], data)
    theirs = case["results"]
    theta = theta_of(m, theirs)
    free = theta != 0.0
    inside = case["id"] != "correlation-one"
    if inside:
        theta = dense.polish(m, theta, free)
    assert abs(m.loglik(theta) - theirs["loglik"]) < 1e-8, case["id"]
    d = dense.derivatives(m, theta)
    out: dict[str, Any] = {
        "loglik": m.loglik(theta),
        "places": [
            [m.blocks[b].grouping, m.blocks[b].effects[i], m.blocks[b].effects[j]]
            for b, i, j in m.places
        ],
        "theta": theta,
        "beta": d["beta"],
        "names": m.names,
        "satterthwaite": dense.satterthwaite(d, free) if inside else None,
        "predictions": [
            {k: v[:TRIMMED] if isinstance(v, list) else v for k, v in block.items()}
            for block in dense.predictions(m, theta)
        ],
    }
    if m.reml:
        out["kenward_roger"] = {
            "expected": dense.kenward_roger(d, np.ones_like(free), "expected"),
            "observed_of_positive": dense.kenward_roger(d, free, "observed")
            if inside
            else None,
        }
    if case["id"].startswith(PROFILED):
        natural = dense.to_natural(m, theta)
        out["profile"] = [
            {"estimate": natural[k], "limits": dense.profile_interval(m, theta, k)}
            for k in range(len(theta))
        ]
    return out


def start_of(m: scalar.Scalar, results: dict[str, Any]) -> np.ndarray:
    """R's estimates as where to begin."""
    if "clmm" in results:
        best = results["clmm"][-1]
        extra = best["thresholds"]["estimate"]
        sd = best["sd"][0]
    else:
        best = results["glmmTMB"]
        sd = best["sd"][0]
        size = best["dispersion"] if m.family == "negative-binomial" else None
        extra = [np.log(size)] if size else []
    return np.array([*best["fixed"]["estimate"], np.log(sd), *extra])


def described(m: scalar.Scalar, t: np.ndarray, cov: np.ndarray) -> dict[str, Any]:
    z, curvature = scalar.mode_of(m, t)
    sd = np.exp(t[m.p])
    return {
        "points": m.points,
        "loglik": scalar.loglik(m, t),
        "names": m.names,
        "estimate": t[: m.p],
        "se": np.sqrt(np.diag(cov))[: m.p],
        "vcov": cov[: m.p, : m.p],
        "sd": sd,
        "log_sd_se": np.sqrt(cov[m.p, m.p]),
        "extra": np.exp(t[m.p + 1 :]) if m.family.startswith("neg") else t[m.p + 1 :],
        "extra_se": np.sqrt(np.diag(cov))[m.p + 1 :],
        "level": m.levels[:TRIMMED],
        "mode": (z * sd)[:TRIMMED],
        "conditional_sd": (sd / np.sqrt(curvature))[:TRIMMED],
    }


def marginal(m: scalar.Scalar, t: np.ndarray, cov: np.ndarray) -> dict[str, Any]:
    """Risks of the arms at week 12, averaged over subjects' effects; delta method."""
    assert m.names[1:3] == ("arm[T.active]", "week")
    rows = np.array([[1.0, 0.0, 12.0, 0.0], [1.0, 1.0, 12.0, 12.0]])
    weights = stats.norm.pdf(scalar.GRID) * (scalar.GRID[1] - scalar.GRID[0])
    of = stats.norm.cdf if m.link == "probit" else expit

    def risks(q: np.ndarray) -> np.ndarray:
        eta = (rows @ q[: m.p])[:, None] + np.exp(q[m.p]) * scalar.GRID
        return np.asarray(of(eta) @ weights)

    slope = scalar.differences(risks, t, np.full(len(t), 0.002)).T
    joint = slope @ cov @ slope.T
    risk = risks(t)
    return {
        "week": 12,
        "risk": risk,
        "risk_se": np.sqrt(np.diag(joint)),
        "difference": risk[1] - risk[0],
        "difference_se": np.sqrt(joint[0, 0] + joint[1, 1] - 2 * joint[0, 1]),
    }


def glmm(case: dict[str, Any], data: pd.DataFrame) -> dict[str, Any]:
    m = scalar.make(case["spec"], data, None)
    t, cov = scalar.maximise(m, start_of(m, case["results"]))
    out = {"exact": described(m, t, cov), "quadrature": []}
    names = (*m.names, "log sd", *(["extra"] * (len(t) - m.p - 1)))
    out["exact"]["profile"] = [
        {"parameter": names[k], "limits": scalar.profile_limits(m, t, cov, k)}
        for k in range(m.p + 1)
    ]
    if case["id"] in ("logit", "probit"):
        out["exact"]["marginal"] = marginal(m, t, cov)
    for points in QUADRATURE[case["id"]]:
        by = scalar.with_points(m, points)
        out["quadrature"].append(described(by, *scalar.maximise(by, t)))
    return out


def shared_data(name: str) -> pd.DataFrame | None:
    """Read the trials beside the repository, where they are."""
    base = ROOT.parent / "shared" / "data"
    toenail = base / "mixed-logistic-benchmarks" / "toenail.csv"
    imps = base / "nimh-schizophrenia-imps79" / "schizophrenia.csv"
    path = toenail if name == "toenail" else imps
    if not path.exists():
        return None
    data = pd.read_csv(path)
    if name == "toenail":
        data["bad"] = (data["outcome"] != "none or mild").astype(int)
    return data.assign(days=1)


def main(wanted: list[str]) -> None:
    trial = pd.read_csv(FOLDER / "mixed_trial.csv")
    runs: dict[str, tuple[Any, dict[str, Any], pd.DataFrame]] = {}
    for case in read("mixed_lmm.json"):
        runs[f"lmm {case['id']}"] = (lmm, case, trial)
    for case in read("mixed_glmm.json"):
        data = trial if case["data"].endswith(".csv") else shared_data(case["data"])
        if case["id"] in QUADRATURE and data is not None:
            runs[f"glmm {case['id']}"] = (glmm, case, data)
    for name, (compute, case, data) in runs.items():
        if not wanted or name in wanted:
            found = plain(compute(case, data))
            kept = json.loads(TARGET.read_text()) if TARGET.exists() else {}
            kept = {
                key: (kept | {name: found})[key]
                for key in runs
                if key in kept or key == name
            }
            text = json.dumps(kept, separators=(",", ":"))
            TARGET.write_text(text + "\n", encoding="utf-8")
            print(name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
