"""The cases of the MMRM parity suite and how ours are put beside theirs.

Cases on synthetic trials are committed in ``reference``; cases on public data sets are
read from the shared folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from outcomes.models import contrasts, emmeans, fit_mmrm, glance, joint_test, tidy
from outcomes.models.mmrm.covariance import STRUCTURES
from outcomes.models.mmrm.kenward_roger import adjusted_covariance
from outcomes.models.mmrm.likelihood import differentiate, evaluate
from outcomes.models.mmrm.prepare import pose, prepare
from outcomes.models.mmrm.results import MmrmFit
from shared import shared

REFERENCE = Path(__file__).resolve().parent / "reference"

SYNTHETIC = (
    "caps60-us-reml",
    "caps60-cs-reml",
    "caps60-ar1-reml",
    "madrs120-us-reml",
    "madrs120-site-us-reml",
    "madrs200-us-reml",
)
PUBLIC = (
    "fev-us-reml",
    "fev-cs-reml",
    "fev-ar1-reml",
    "fev-us-ml",
    "fev-cs-ml",
    "fev-ar1-ml",
    "fev-baseline-us-reml",
    "fev-aliased-us-reml",
)
SAS_KR = ("sas-kr-us", "sas-kr-cs", "sas-kr-ar1")
SAS_PRINTED = (
    "sas-intercept-us-reml",
    "sas-intercept-us-ml",
    "sas-intercept-ar1-reml",
    "sas-intercept-ar1-ml",
    "sas-intercept-cs-reml",
    "sas-intercept-cs-ml",
    "sas-full-us-reml",
    "sas-full-us-ml",
)
# R's name for a method: our df and vcov. Its kenward_roger differentiates in other
# parameters (docs/validation/differences.md) and is not ours.
METHODS = {
    "satterthwaite": ("satterthwaite", "model"),
    "kenward_roger_linear": ("kenward-roger", "kenward-roger-linear"),
}


@dataclass(frozen=True)
class Comparison:
    """Numbers of ours beside theirs; ``kind`` settles the tolerance."""

    quantity: str
    kind: str
    ours: np.ndarray
    theirs: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        return np.abs(self.ours - self.theirs)

    @property
    def worst(self) -> float:
        """Largest relative difference, against the largest number of the group."""
        size = np.maximum(np.abs(self.theirs), self.floor)
        return float(np.max(self.difference / size))

    @property
    def floor(self) -> float:
        """What counts as zero: matrices and coefficients are compared as wholes."""
        if self.kind in ("estimate", "matrix"):
            return 1e-3 * float(np.max(np.abs(self.theirs)))
        return 1e-8


@cache
def _file(name: str) -> dict[str, dict[str, Any]]:
    path = shared("references", name)
    content = json.loads(path.read_text(encoding="utf-8"))
    return {case["id"]: case for case in content["cases"]}


@cache
def _committed() -> dict[str, dict[str, Any]]:
    cases = json.loads((REFERENCE / "mmrm.json").read_text(encoding="utf-8"))
    return {case["id"]: case for case in cases}


def case(name: str) -> dict[str, Any]:
    """Return a case; skips the test where it needs data that are not here."""
    if name in SYNTHETIC:
        return _committed()[name]
    return _file("sas.json" if name.startswith("sas") else "mmrm.json")[name]


@cache
def _data(name: str) -> pd.DataFrame:
    here = REFERENCE / Path(name).name
    path = here if here.exists() else shared("references", *Path(name).parts)
    return pd.read_csv(path)


@cache
def fit_case(name: str, df: str, vcov: str) -> MmrmFit:
    """Fit a case through the public function."""
    spec = case(name)["spec"]
    data = _data(case(name)["data"])
    if "derived" in spec:  # the one case that has some: a copy of SEX
        data = data.assign(SEX2=data["SEX"])
        spec = {**spec, "levels": {**spec["levels"], "SEX2": spec["levels"]["SEX"]}}
    used = [*spec["fixed"].replace("*", " ").replace("+", " ").split(), spec["visit"]]
    return fit_mmrm(
        f"{spec['outcome']} ~ {spec['fixed']}",
        data,
        subject=spec["subject"],
        visit=spec["visit"],
        covariance=spec["covariance"],
        method="reml" if spec["reml"] else "ml",
        df=df,
        vcov=vcov,
        levels={k: v for k, v in spec["levels"].items() if k in used},
    )


# In these SAS took the visits in the order it met them in records with an outcome.
SAS_VISITS = {name: (1, 2, 3, 0) for name in SAS_PRINTED}


def sas_theta(name: str) -> np.ndarray:
    """Covariance parameters SAS stopped at, as printed, in our order."""
    results = case(name)["results"]
    printed = results.get("fit", results)["covariance_parameters"]
    values = np.array([p["estimate"] for p in printed])
    if printed[0]["name"] == "AR(1)":
        return values[::-1]
    if printed[0]["name"] == "CS":
        return values
    sigma = np.zeros((4, 4))
    order = np.array(SAS_VISITS.get(name, range(4)))
    for p in printed:
        a, b = (int(i) - 1 for i in p["name"][3:-1].split(","))
        sigma[order[a], order[b]] = sigma[order[b], order[a]] = p["estimate"]
    return sigma[np.tril_indices(4)]


def at_theta(fit: MmrmFit, theta: np.ndarray) -> MmrmFit:
    """Everything a fit says, at other covariance parameters than the best ones."""
    frame = fit.design.frame
    subjects = pd.factorize(frame[fit.subject])[0]
    visits = frame[fit.visit].cat.codes.to_numpy(dtype=np.intp)
    K = len(fit.visits)
    ready = prepare(fit.design, subjects, visits, K)
    structure = STRUCTURES[fit.structure]
    problem = pose(ready, structure, np.arange(K * 1.0), reml=fit.method == "reml")
    at = evaluate(theta, problem)
    assert at is not None
    derivatives = differentiate(theta, at, problem)
    cov_theta = np.linalg.inv(0.5 * derivatives.hessian)
    used = at.Phi
    if fit.vcov_method != "model":
        curved = fit.vcov_method == "kenward-roger" and not structure.linear
        used = adjusted_covariance(
            Phi=at.Phi,
            jacobian=derivatives.jacobian,
            cov_theta=cov_theta,
            first=structure.first(theta, problem.positions),
            second=structure.second(theta, problem.positions) if curved else None,
            W=at.W,
            U=at.U[:, :, :-1],
            pattern=ready.data.pattern,
        )
    back = np.linalg.inv(ready.R)
    return replace(
        fit,
        theta=theta,
        beta=ready.ols + back @ at.beta,
        cov_model=back @ at.Phi @ back.T,
        cov_inference=back @ used @ back.T,
        jacobian=back @ derivatives.jacobian @ back.T,
        cov_theta=cov_theta,
        loglik=-0.5 * at.deviance,
    )


def r_name(term: str) -> tuple[str, ...]:
    """Bring a coefficient name of either program to one form."""
    term = "(Intercept)" if term == "Intercept" else term
    return tuple(sorted(term.replace("[T.", "").replace("]", "").split(":")))


def _order(names: list[str], fit: MmrmFit, *, all_terms: bool = False) -> list[int]:
    ours = [r_name(term) for term in (fit.terms if all_terms else fit.estimated_terms)]
    return [ours.index(r_name(name)) for name in names]


def _numbers(values: Any) -> np.ndarray:
    return np.array(values, dtype=float)


def compare_fit(name: str) -> list[Comparison]:
    """Likelihood, criteria, coefficients and covariances."""
    fit = fit_case(name, "satterthwaite", "model")
    theirs = case(name)["results"]["fit"]
    row = glance(fit).iloc[0]
    columns = ("loglik", "deviance", "aic", "aicc", "bic")
    names = ("logLik", "deviance", "AIC", "AICc", "BIC")
    known = [
        (n, e)
        for n, e, gone in zip(
            *(theirs["beta"][k] for k in ("names", "estimate", "aliased")), strict=True
        )
        if not gone
    ]
    vcov = theirs["beta_vcov"]
    at = _order(vcov["rows"], fit)
    return [
        Comparison(
            "log likelihood, AIC, AICc, BIC",
            "loglik",
            _numbers([row[c] for c in columns]),
            _numbers([theirs[n] for n in names]),
        ),
        Comparison(
            "coefficients",
            "estimate",
            fit.beta[_order([n for n, _ in known], fit)],
            _numbers([e for _, e in known]),
        ),
        Comparison(
            "model-based covariance",
            "matrix",
            fit.cov_model[np.ix_(at, at)],
            _numbers(vcov["values"]),
        ),
        Comparison(
            "residual covariance",
            "matrix",
            fit.sigma,
            _numbers(theirs["covariance"]["values"]),
        ),
    ]


def compare_inference(name: str, method: str) -> list[Comparison]:
    """Coefficient table, LS means, differences and F tests of one method."""
    fit = fit_case(name, *METHODS[method])
    theirs = case(name)["results"]["inference"][method]
    found = _compare_table("coefficients", _coefficients(fit, theirs), {})
    if "lsmeans" in theirs:
        found += _compare_means(fit, theirs["lsmeans"], case(name)["spec"])
    for test, block in theirs.get("F_tests", {}).items():
        L = np.zeros((len(block["L"]["values"]), len(fit.beta)))
        L[:, _order(block["L"]["cols"], fit)] = _numbers(block["L"]["values"])
        ours = joint_test(fit, L).iloc[0]
        found += [
            Comparison(f"F test {test}: {what}", kind, _numbers([a]), _numbers([b]))
            for what, kind, a, b in (
                ("F", "f", ours.statistic, block["F"]),
                ("df", "df", ours.den_df, block["denom_df"]),
                ("p", "p", ours.p_value, block["p"]),
            )
        ]
        assert ours.num_df == block["num_df"]
    return found


def _coefficients(fit: MmrmFit, theirs: dict[str, Any]) -> Any:
    block = theirs["coefficients"]
    names = [
        n
        for n, e in zip(block["names"], block["estimate"], strict=True)
        if e is not None
    ]
    at = _order(names, fit, all_terms=True)
    keep = [i for i, e in enumerate(block["estimate"]) if e is not None]
    other = {k: [block[k][i] for i in keep] for k in ("estimate", "se", "df", "t", "p")}
    return tidy(fit).iloc[at], other


def _compare_table(title: str, pair: Any, extra: dict[str, str]) -> list[Comparison]:
    ours, theirs = pair
    columns = {
        "estimate": ("estimate", "estimate"),
        "std_error": ("se", "std_error"),
        "df": ("df", "df"),
        "statistic": ("t", "statistic"),
        "p_value": ("p", "p"),
        "conf_low": ("lower", "estimate"),
        "conf_high": ("upper", "estimate"),
    }
    return [
        Comparison(
            f"{title}: {mine}",
            kind,
            ours[mine].to_numpy(dtype=float),
            _numbers(theirs[yours]),
        )
        for mine, (yours, kind) in columns.items()
        if yours in theirs
    ]


def _compare_means(
    fit: MmrmFit, theirs: dict[str, Any], spec: dict[str, Any]
) -> list[Comparison]:
    arm = next(name for name in ("ARMCD", "arm") if name in fit.design.factors)
    means = emmeans(fit, arm, by=spec["visit"])
    first = spec["levels"][arm][0]
    both = {
        "means": (means.frame, theirs["means"]["arm"]),
        "differences": (
            contrasts(means, reference=first).frame,
            [c.split(" - ")[0] for c in theirs["differences"]["contrast"]],
        ),
    }
    found: list[Comparison] = []
    for part, (frame, arms) in both.items():
        keys = list(zip(frame[arm], frame[spec["visit"]], strict=True))
        at = [keys.index(key) for key in zip(arms, theirs[part]["visit"], strict=True)]
        assert len(at) == len(frame)
        found += _compare_table(f"LS {part}", (frame.iloc[at], theirs[part]), {})
    return found
