"""The cases of the mixed-model parity suite, and how ours is fitted to them.

Three sources: ``lmm.json`` and ``glmm.json`` of the shared references, R's answers on
the synthetic trial of ``reference/mixed_trial.csv``, and answers computed from
definitions on the same trial. The synthetic ones are committed and run anywhere; trials
that are not ours are read from the shared folder.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from outcomes import models
from parity.mmrm_cases import shared_cases
from shared import shared

REFERENCE = Path(__file__).resolve().parent / "reference"

SHARED_LMM = (
    "sleepstudy-slope-reml",
    "sleepstudy-uncorrelated-reml",
    "sleepstudy-slope-ml",
    "sleepstudy-uncorrelated-ml",
    "penicillin-crossed-reml",
    "pastes-nested-reml",
    "madrs120-piecewise-site-reml",
    "madrs120-therapist-site-reml",
    "madrs200-piecewise-reml",
    "madrs200-piecewise-ml",
    "caps60-subject-reml",
)
SHARED_GLMM = (
    *(f"cbpp-agq{q}" for q in (1, 2, 5, 9, 15, 25)),
    *(f"response200-ri-agq{q}" for q in (1, 15, 31)),
    "response200-slope-laplace",
    "response200-subject-site-laplace",
)
OWN_LMM = (
    "visits",
    "visits-ml",
    "nested",
    "nested-ml",
    "interaction",
    "crossed-ml",
    "multiple-membership",
    "slopes-independent",
    "slopes-independent-ml",
    "slopes-correlated",
    "slope-only",
    "variance-zero",
    "correlation-one",
)
AT_BOUNDARY = ("variance-zero", "correlation-one")
# By R's programs and the numbers of quadrature points they were run with.
OWN_GLMM: dict[str, tuple[int, ...]] = {
    "logit": (1, 9, 25),
    "probit": (1, 9, 25),
    "logit-crossed": (1,),
    "trials-crossed": (1,),
    "trials": (1, 25),
    "logit-slopes-independent": (1,),
    "poisson": (1, 9, 25),
    "poisson-offset": (1, 9, 25),
    "negative-binomial": (1,),
    "negative-binomial-offset": (1,),
    "cumulative": (10, 25),
    "cumulative-crossed": (1,),
    "toenail": (1, 21),
    "imps79-binary": (1, 21),
    "imps79-ordinal": (1, 21),
    "imps79-ordinal-slope": (1,),
}
REAL = ("toenail", "imps79-binary", "imps79-ordinal", "imps79-ordinal-slope")
LEVELS = {"arm": ["control", "active"]}
# lme4 names an interaction of groupings its own way round, and has none for mm().
R_GROUPING = {"lead:site": "site:lead"}


@cache
def _committed(name: str) -> Any:
    return json.loads((REFERENCE / name).read_text(encoding="utf-8"))


def own(kind: str, name: str) -> dict[str, Any]:
    """Return a case of R on the synthetic trial; ``kind`` is lmm or glmm."""
    return next(c for c in _committed(f"mixed_{kind}.json") if c["id"] == name)


def exact(kind: str, name: str) -> dict[str, Any]:
    """Return the answers computed from definitions."""
    return dict(_committed("mixed_exact.json")[f"{kind} {name}"])


def has_exact(kind: str, name: str) -> bool:
    """Say whether there are such answers."""
    return f"{kind} {name}" in _committed("mixed_exact.json")


@cache
def trial() -> pd.DataFrame:
    """Read the synthetic trial."""
    return pd.read_csv(REFERENCE / "mixed_trial.csv")


@cache
def data_of(name: str) -> pd.DataFrame:
    """Read the data of a case; skips the test where they are not here."""
    if name == "toenail":
        data = pd.read_csv(shared("data", "mixed-logistic-benchmarks", "toenail.csv"))
        return data.assign(bad=(data["outcome"] != "none or mild").astype(int))
    if name == "imps79":
        return pd.read_csv(
            shared("data", "nimh-schizophrenia-imps79", "schizophrenia.csv")
        )
    return trial()


@cache
def shared_data(file: str, derived: tuple[tuple[str, str], ...]) -> pd.DataFrame:
    """Read the data of a shared case with the columns it derives."""
    data = pd.read_csv(shared("references", *Path(file).parts))
    for name, how in derived:
        if how.startswith(("min", "max")):
            inner, bound = how[4:-1].split(", ")
            value = data.eval(inner)
            low, high = (None, bound) if how[:3] == "min" else (bound, None)
            data[name] = value.clip(
                lower=None if low is None else float(low),
                upper=None if high is None else float(high),
            )
        else:
            data[name] = data.eval(how)
    return data


def shared_case(kind: str, name: str) -> dict[str, Any]:
    """Return a case of lmm.json or glmm.json."""
    return shared_cases(f"{kind}.json")[name]


def shared_random(spec: dict[str, Any]) -> dict[str, str]:
    """Write the random effects of a shared case as ours are."""
    if isinstance(spec["random"], str):
        groups = spec["group"] if isinstance(spec["group"], list) else [spec["group"]]
        return {group: spec["random"] for group in groups}
    parts: dict[str, list[list[str]]] = {}
    for block in spec["random"]:
        terms = block["terms"]
        terms = [terms] if isinstance(terms, str) else terms
        parts.setdefault(block["group"], []).append(terms)
    out = {}
    for group, blocks in parts.items():
        if len(blocks) == 1:
            out[group] = " + ".join(blocks[0])
        else:
            first, *others = (block[0] for block in blocks)
            out[group] = f"{first} || {' + '.join(others)}"
    return out


def _common(spec: dict[str, Any], data: pd.DataFrame) -> dict[str, Any]:
    used = {*spec["formula"].replace("*", " ").split()}
    levels = {  # levels of a column of numbers are numbers, text in the JSON file
        k: [
            data[k].dtype.type(value) if data[k].dtype.kind == "i" else value
            for value in v
        ]
        for k, v in spec.get("levels", {}).items()
        if k in used
    }
    return {"random": spec["random"], "levels": levels or None, "missing": "exclude"}


def spec_of(source: str, kind: str, name: str) -> tuple[dict[str, Any], pd.DataFrame]:
    """Say a case in our words: formula, random effects, options, data."""
    if source == "own":
        found = own(kind, name)
        levels = {} if name in REAL else LEVELS
        return {**found["spec"], "levels": levels}, data_of(found["data"])
    found = shared_case(kind, name)
    spec = found["spec"]
    out = {
        "formula": f"{spec['outcome']} ~ {spec['fixed']}",
        "random": shared_random(spec),
        "levels": dict(spec.get("levels", {})),
    }
    if kind == "lmm":
        out["method"] = "reml" if spec["reml"] else "ml"
    else:
        out |= {"family": "binomial", "trials": spec.get("size")}
    derived = tuple(spec.get("derived", {}).items())
    return out, shared_data(found["data"], derived)


@cache
def lmm_fit(source: str, name: str, df: str = "satterthwaite", **options: Any) -> Any:
    """Fit a linear mixed model of a case; ``source`` is own or shared."""
    spec, data = spec_of(source, "lmm", name)
    options.setdefault("method", spec["method"])
    return models.fit_lmm(
        spec["formula"], data, df=df, **_common(spec, data), **options
    )


@cache
def lmm_profiles(name: str) -> pd.DataFrame:
    """Profile the variance components of one of our cases."""
    return models.variance_components(lmm_fit("own", name))


@cache
def glmm_fit(source: str, name: str, n_quad: int | None) -> Any:
    """Fit a generalised one."""
    spec, data = spec_of(source, "glmm", name)
    offset = spec.get("offset")
    if offset:
        data = data.assign(log_days=np.log(data["days"]))
        offset = "log_days"
    return models.fit_glmm(
        spec["formula"],
        data,
        family=spec["family"],
        link=spec.get("link"),
        trials=spec.get("trials"),
        offset=offset,
        n_quad=n_quad,
        **_common(spec, data),
    )


def grouping_of(name: str, fit: Any) -> str:
    """Our name of one of R's groupings."""
    name = R_GROUPING.get(name, name)
    if name not in fit.n_groups:
        (name,) = (g for g in fit.n_groups if g.startswith("mm("))
    return name


def term_of(name: str) -> str:
    """Our name of one of R's random effects."""
    return "Intercept" if name == "(Intercept)" else name


def level_of(level: str, grouping: str) -> str:
    """Our name of one of R's levels; lme4 turns ``site:lead`` round."""
    if ":" not in grouping or grouping.startswith("mm("):
        return level
    parts = level.split(":")
    return ":".join(sorted(parts, key=lambda part: part.startswith("T")))
