"""The cases of the MMRM parity suite: where they are, and how ours is fitted to them.

Cases on synthetic trials are committed in ``reference``; cases on public data sets are
read from the shared folder. Every case and every inference block of ``mmrm.json``, and
every case of ``sas.json``, is named here, and a test says so where the folder is there.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.models import fit_mmrm
from outcomes.models.mmrm.results import MmrmFit
from shared import shared

REFERENCE = Path(__file__).resolve().parent / "reference"

# R's name of a method: our df and vcov. Its "Residual" comes with the sandwich.
METHODS = {
    "satterthwaite": ("satterthwaite", "model"),
    "kenward_roger": ("kenward-roger", "kenward-roger-mmrm"),
    "kenward_roger_linear": ("kenward-roger", "kenward-roger-linear"),
    "residual": ("residual", "cr0"),
    "between_within": ("between-within", "model"),
    "empirical_cr0": ("satterthwaite", "cr0"),
    "empirical_cr2": ("satterthwaite", "cr2"),
    "empirical_cr3": ("satterthwaite", "cr3"),
}
KENWARD_ROGER = ("satterthwaite", "kenward_roger", "kenward_roger_linear")
SANDWICH = ("empirical_cr0", "empirical_cr2", "empirical_cr3")
ALL = tuple(METHODS)

STRUCTURES = ("us", "ar1", "ar1h", "cs", "csh", "toep", "toeph", "ad", "adh")

SYNTHETIC: dict[str, tuple[str, ...]] = {
    "madrs120-us-reml": ALL,
    "madrs120-toeph-reml": KENWARD_ROGER,
    "madrs120-adh-reml": KENWARD_ROGER,
    "madrs120-csh-reml": KENWARD_ROGER,
    "madrs120-ar1h-reml": KENWARD_ROGER,
    "madrs120-site-us-reml": KENWARD_ROGER,
    "caps60-us-reml": ALL,
    "caps60-cs-reml": KENWARD_ROGER,
    "caps60-toep-reml": KENWARD_ROGER,
    "caps60-ar1-reml": KENWARD_ROGER,
    "madrs200-us-reml": KENWARD_ROGER,
    "madrs200-ar1h-reml": KENWARD_ROGER,
}
PUBLIC: dict[str, tuple[str, ...]] = {
    **{f"fev-{name}-reml": KENWARD_ROGER for name in STRUCTURES},
    "fev-us-reml": ALL,
    "fev-ar1h-reml": KENWARD_ROGER + SANDWICH,
    "fev-cs-reml": KENWARD_ROGER + SANDWICH,
    **{f"fev-{name}-ml": ("satterthwaite",) for name in STRUCTURES},
    "fev-baseline-us-reml": KENWARD_ROGER,
    "fev-grouped-us-reml": KENWARD_ROGER,
    "fev-grouped-ar1h-reml": KENWARD_ROGER,
    "fev-grouped-cs-reml": KENWARD_ROGER,
    "fev-weighted-us-reml": KENWARD_ROGER + SANDWICH,
    "fev-weighted-toeph-reml": KENWARD_ROGER,
    "fev-spexp-reml": KENWARD_ROGER,
    "fev-aliased-us-reml": KENWARD_ROGER,
}
R_CASES = {**SYNTHETIC, **PUBLIC}

SAS_KR = ("sas-kr-us", "sas-kr-ar1", "sas-kr-ar1h", "sas-kr-cs", "sas-kr-csh")
SAS_PRINTED = (
    *(
        f"sas-intercept-{s}-{m}"
        for s in ("us", "ar1", "ar1h", "cs")
        for m in ("reml", "ml")
    ),
    *(f"sas-grouped-{s}-{m}" for s in ("ar1", "cs") for m in ("reml", "ml")),
    "sas-full-us-reml",
    "sas-full-us-ml",
)
SAS_EMPIRICAL = tuple(
    f"sas-empirical-{s}{w}-reml" for s in ("us", "cs") for w in ("", "-weighted")
)


@cache
def shared_cases(name: str) -> dict[str, dict[str, Any]]:
    """All cases of a file of the shared references; skips where it is not here."""
    path = shared("references", name)
    content = json.loads(path.read_text(encoding="utf-8"))
    return {case["id"]: case for case in content["cases"]}


@cache
def _committed() -> dict[str, dict[str, Any]]:
    cases = json.loads((REFERENCE / "mmrm.json").read_text(encoding="utf-8"))
    return {case["id"]: case for case in cases}


def case(name: str) -> dict[str, Any]:
    """Return a case; skips the test where it needs data that are not here."""
    if name in _committed():
        return _committed()[name]
    return shared_cases("sas.json" if name.startswith("sas") else "mmrm.json")[name]


@cache
def data_of(name: str) -> pd.DataFrame:
    """Read the CSV file a case names."""
    here = REFERENCE / Path(name).name
    path = here if here.exists() else shared("references", *Path(name).parts)
    return pd.read_csv(path)


def fit_spec(spec: dict[str, Any], data: pd.DataFrame, df: str, vcov: str) -> MmrmFit:
    """Fit the model of a case through the public function."""
    levels = dict(spec["levels"])
    if "derived" in spec:  # the one case that has some: a copy of SEX
        data = data.assign(SEX2=data["SEX"])
        levels["SEX2"] = levels["SEX"]
    visit = spec["visit"] or "AVISIT"  # sp_exp names coordinates only
    group = spec.get("group")
    terms = spec["fixed"].replace("*", " ").replace("+", " ").split()
    used = {*terms, visit, group}
    return fit_mmrm(
        f"{spec['outcome']} ~ {spec['fixed']}",
        data,
        subject=spec["subject"],
        visit=visit,
        covariance=spec["covariance"],
        group=group,
        weights=spec.get("weights"),
        coordinates=spec.get("coordinates"),
        method="reml" if spec["reml"] else "ml",
        df=df,
        vcov=vcov,
        levels={name: order for name, order in levels.items() if name in used},
    )


@cache
def fit_case(name: str, df: str = "satterthwaite", vcov: str = "model") -> MmrmFit:
    """Fit a case."""
    found = case(name)
    return fit_spec(found["spec"], data_of(found["data"]), df, vcov)


def blocks() -> list[Any]:
    """Every inference block of every case against R."""
    return [
        pytest.param(name, method, id=f"{name}-{method}")
        for name, methods in R_CASES.items()
        for method in methods
    ]


def r_name(term: str) -> tuple[str, ...]:
    """Bring a coefficient name of either program to one form."""
    term = "(Intercept)" if term == "Intercept" else term
    return tuple(sorted(term.replace("[T.", "").replace("]", "").split(":")))


def order_of(names: list[str], fit: MmrmFit, *, all_terms: bool = False) -> list[int]:
    """Where R's coefficients are among ours."""
    ours = [r_name(term) for term in (fit.terms if all_terms else fit.estimated_terms)]
    return [ours.index(r_name(name)) for name in names]


def numbers(values: Any) -> np.ndarray:
    """Turn a block of a reference into an array."""
    return np.array(values, dtype=float)
