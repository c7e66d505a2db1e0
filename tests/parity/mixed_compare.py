"""Ours beside the references, quantity by quantity, for mixed models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from outcomes import models
from outcomes.models import contrasts, emmeans, glance, joint_test, tidy
from parity import mixed_cases as cases
from parity.mmrm_cases import numbers, order_of
from parity.mmrm_compare import Comparison


def compare(what: str, kind: str, ours: Any, theirs: Any) -> Comparison:
    """Put two sets of numbers side by side."""
    return Comparison(what, kind, numbers(ours), numbers(theirs))


def _table(title: str, ours: pd.DataFrame, theirs: dict[str, Any]) -> list[Comparison]:
    pairs = (
        ("estimate", "estimate", "estimate"),
        ("std_error", "se", "std_error"),
        ("df", "df", "df"),
        ("statistic", "t", "statistic"),
        ("statistic", "z", "statistic"),
        ("p_value", "p", "p"),
        ("conf_low", "lower", "limit"),
        ("conf_high", "upper", "limit"),
    )
    return [
        compare(f"{title}: {mine}", kind, ours[mine], theirs[yours])
        for mine, yours, kind in pairs
        if yours in theirs
    ]


def _rows(fit: Any, names: list[str]) -> pd.DataFrame:
    return tidy(fit).iloc[order_of(names, fit, all_terms=True)]


def _matrix(fit: Any, ours: np.ndarray, names: list[str], theirs: Any) -> Comparison:
    at = order_of(names, fit)
    values = theirs["values"] if isinstance(theirs, dict) else theirs
    return compare("covariance", "matrix", ours[np.ix_(at, at)], values)


def _spread(fit: Any, theirs: list[dict[str, Any]]) -> list[Comparison]:
    """Compare SDs and covariances of random effects, block by block."""
    out = []
    for block in theirs:
        grouping = cases.grouping_of(block["grouping"], fit)
        terms = [cases.term_of(term) for term in block["terms"]]
        own = fit.random_covariance[grouping].loc[terms, terms].to_numpy()
        title = f"{grouping}, {' and '.join(terms)}"
        sd = np.sqrt(np.diag(own))
        out.append(compare(f"SD of {title}", "sd", sd, block["sd"]))
        out.append(
            compare(f"covariance of {title}", "sd_matrix", own, block["covariance"])
        )
    return out


def _shared_blocks(random: dict[str, Any]) -> list[dict[str, Any]]:
    """Read the blocks of the shared files; lme4 counts repeats (Subject.1)."""
    return [
        {
            "grouping": name.split(".")[0],
            "terms": block["terms"],
            "sd": block["sd"],
            "covariance": block["covariance"]["values"],
        }
        for name, block in random.items()
    ]


def _modes(fit: Any, theirs: list[dict[str, Any]], kind: str) -> list[Comparison]:
    tables = {}
    for key, how in (("conditional_sd", "known"), ("prediction_error", "estimated")):
        if theirs and (key in theirs[0] or key == "conditional_sd"):
            frame = models.random_effects(fit, fixed=how)
            frame = frame.assign(level=frame["level"].astype(str))
            tables[key] = frame.set_index(["grouping", "term", "level"])
    out = []
    for block in theirs:
        grouping = cases.grouping_of(block["grouping"], fit)
        term = cases.term_of(block["term"])
        keys = [
            (grouping, term, cases.level_of(str(level), grouping))
            for level in block["level"]
        ]
        ours = tables["conditional_sd"].loc[keys]
        title = f"{grouping} {term}"
        out.append(
            compare(f"modes, {title}", kind, ours["estimate"], block["estimate"])
        )
        for key, table in tables.items():
            if key in block:
                ours = table.loc[keys, "std_error"]
                what = f"{key.replace('_', ' ')}, {title}"
                out.append(compare(what, f"{kind}_sd", ours, block[key]))
    return out


def _shared_modes(
    blocks: dict[str, Any], random: dict[str, Any]
) -> list[dict[str, Any]]:
    """Modes of the shared files: per grouping, one column per effect."""
    out = []
    for name, block in blocks.items():
        terms = [
            term
            for key, part in random.items()
            if key.split(".")[0] == name
            for term in part["terms"]
        ]
        for k, term in enumerate(terms):
            values = [row[k] for row in block["values"]]
            out.append(
                {
                    "grouping": name,
                    "term": term,
                    "level": block["level"],
                    "estimate": values,
                }
            )
    return out


def _joint(
    fit: Any, title: str, rows: list[str], block: dict[str, Any]
) -> list[Comparison]:
    L = np.zeros((len(rows), len(fit.beta)))
    L[np.arange(len(rows)), order_of(rows, fit)] = 1.0
    ours = joint_test(fit, L).iloc[0]
    return [
        compare(f"F test {title}: {what}", kind, [a], [b])
        for what, kind, a, b in (
            ("F", "f", ours.statistic, block["F"]),
            ("numerator df", "count", ours.num_df, block["num_df"]),
            ("df", "f_df", ours.den_df, block.get("denom_df", block.get("den_df"))),
            ("p", "p", ours.p_value, block["p"]),
        )
    ]


def lmm_shared(name: str) -> list[Comparison]:
    """Compare likelihood, coefficients, components, Satterthwaite and modes."""
    fit = cases.lmm_fit("shared", name)
    theirs = cases.shared_case("lmm", name)["results"]
    names = theirs["fixed"]["names"]
    fixed = {**theirs["fixed"], "df": theirs["fixed"]["df_satterthwaite"]}
    out = [
        compare("records", "count", [fit.n_records], [theirs["n_obs"]]),
        compare("log likelihood", "loglik", [fit.loglik], [theirs["logLik"]]),
        *_table("coefficients", _rows(fit, names), fixed),
        _matrix(fit, fit.cov_model, names, theirs["vcov"]),
        compare(
            "residual SD",
            "sd",
            [np.sqrt(fit.residual_variance)],
            [theirs["residual_sd"]],
        ),
        *_spread(fit, _shared_blocks(theirs["random"])),
        *_modes(fit, _shared_modes(theirs["blups"], theirs["random"]), "mode"),
    ]
    for test, block in theirs.get("F_tests", {}).items():
        out += _joint(fit, test, block["L"]["rows"], block["satterthwaite"])
    return out


def lmm_shared_kenward_roger(name: str) -> list[Comparison]:
    """Kenward-Roger of pbkrtest in lmm.json."""
    fit = cases.lmm_fit("shared", name, "kenward-roger")
    theirs = cases.shared_case("lmm", name)["results"]
    names = theirs["fixed"]["names"]
    found = theirs["kenward_roger"]
    out = [
        *_table("coefficients", _rows(fit, names), found),
        _matrix(fit, fit.cov_inference, names, found["vcov"]),
    ]
    for test, block in theirs.get("F_tests", {}).items():
        out += _joint(fit, test, block["L"]["rows"], block["kenward_roger"])
    return out


def lmm_own(name: str) -> list[Comparison]:
    """Likelihood, coefficients, components, Satterthwaite and modes of lme4."""
    fit = cases.lmm_fit("own", name)
    theirs = cases.own("lmm", name)["results"]
    names = theirs["fixed"]["names"]
    out = [
        compare("records", "count", [fit.n_records], [theirs["n_records"]]),
        compare("log likelihood", "loglik", [fit.loglik], [theirs["loglik"]]),
        *_table("coefficients", _rows(fit, names), theirs["fixed"]),
        _matrix(fit, fit.cov_model, names, theirs["vcov"]),
        compare(
            "residual SD",
            "sd",
            [np.sqrt(fit.residual_variance)],
            [theirs["residual_sd"]],
        ),
        *_spread(fit, theirs["components"]),
        *_modes(fit, theirs["modes"], "mode"),
    ]
    for test, block in theirs.get("f_tests", {}).items():
        out += _joint(fit, test, block["rows"], block["satterthwaite"])
    if "means" in theirs:
        out += _means(fit, theirs["means"]["satterthwaite"])
    return out


def lmm_criteria(name: str) -> list[Comparison]:
    """AIC and BIC as lme4 counts: coefficients, variances and covariances."""
    theirs = cases.own("lmm", name)["results"]
    row = glance(cases.lmm_fit("own", name)).iloc[0]
    return [
        compare(
            "AIC, BIC", "loglik", [row.aic, row.bic], [theirs["aic"], theirs["bic"]]
        )
    ]


def lmm_own_kenward_roger(name: str) -> list[Comparison]:
    """Kenward-Roger of pbkrtest on the synthetic trial."""
    fit = cases.lmm_fit("own", name, "kenward-roger")
    theirs = cases.own("lmm", name)["results"]
    names = theirs["fixed"]["names"]
    found = theirs["kenward_roger"]
    out = [
        *_table("coefficients", _rows(fit, names), found),
        _matrix(fit, fit.cov_inference, names, found["vcov"]),
    ]
    for test, block in theirs.get("f_tests", {}).items():
        if "kenward_roger" in block:
            out += _joint(fit, test, block["rows"], block["kenward_roger"])
    if "means" in theirs:
        out += _means(fit, theirs["means"]["kenward_roger"])
    return out


def _means(fit: Any, theirs: dict[str, Any]) -> list[Comparison]:
    means = emmeans(fit, "arm", by="visit")
    differences = contrasts(means, reference="control")
    out = []
    for title, found in (("means", means), ("differences", differences)):
        block = theirs[title]
        frame = found.frame
        keys = list(zip(frame["arm"], frame["visit"], strict=True))
        arms = [a.split(" - ")[0] for a in block["arm"]]
        at = [keys.index(key) for key in zip(arms, block["visit"], strict=True)]
        block = {k: v for k, v in block.items() if title == "differences" or k != "p"}
        out += _table(f"LS {title}", frame.iloc[at], block)
    return out


def lmm_tests(name: str) -> list[Comparison]:
    """Log likelihoods of the model with and without each component."""
    theirs = cases.own("lmm", name)["results"]
    fit = cases.lmm_fit("own", name)
    frame = models.component_tests(fit)
    out = []
    for key, block in theirs["reduced"].items():
        grouping, term = (key, "Intercept")
        if key.startswith("subject:"):
            grouping, term = key.split(":")
        at = (frame["grouping"] == grouping) & (frame["term"] == term)
        (row,) = frame[at].itertuples()
        which = f"loglik_{fit.method}"
        out += [
            compare(
                f"{key}, full", "loglik", [row.loglik_full], [theirs["full"][which]]
            ),
            compare(f"{key}, reduced", "loglik", [row.loglik_reduced], [block[which]]),
        ]
    return out


def lmm_exact(name: str) -> list[Comparison]:
    """Answers by definition: both Kenward-Rogers, Satterthwaite, modes."""
    theirs = cases.exact("lmm", name)
    fit = cases.lmm_fit("own", name)
    names = theirs["names"]
    out = [
        compare("log likelihood", "loglik", [fit.loglik], [theirs["loglik"]]),
        compare(
            "coefficients", "estimate", fit.beta[order_of(names, fit)], theirs["beta"]
        ),
        *_components_exact(fit, theirs),
        *_modes(fit, theirs["predictions"], "mode"),
    ]
    if theirs["satterthwaite"]:
        ours = _rows(fit, names)["df"]
        out.append(compare("df", "df", ours, theirs["satterthwaite"]))
    for preset, key in (
        ("r_lmertest", "expected"),
        ("sas_proc_mixed", "observed_of_positive"),
    ):
        if theirs.get("kenward_roger", {}).get(key):
            adjusted = cases.lmm_fit("own", name, "kenward-roger", preset=preset)
            found = theirs["kenward_roger"][key]
            ours = _rows(adjusted, names)
            out += [
                compare(
                    f"{preset}: std_error", "std_error", ours["std_error"], found["se"]
                ),
                compare(f"{preset}: df", "df", ours["df"], found["df"]),
                _matrix(adjusted, adjusted.cov_inference, names, found["vcov"]),
            ]
    return out


def _components_exact(fit: Any, theirs: dict[str, Any]) -> list[Comparison]:
    ours = [
        fit.random_covariance[grouping].loc[cases.term_of(a), cases.term_of(b)]
        for grouping, a, b in theirs["places"]
    ]
    return [
        compare("variances and covariances", "sd_matrix", ours, theirs["theta"][:-1]),
        compare(
            "residual variance", "sd", [fit.residual_variance], theirs["theta"][-1:]
        ),
    ]


def glmm_by(name: str, engine: str, points: int) -> list[Comparison]:
    """Compare a generalised model with an engine, at its number of points."""
    fit = cases.glmm_fit("own", name, points)
    results = cases.own("glmm", name)["results"]
    found = results[engine]
    blocks = found if isinstance(found, list) else [{**found, "nAGQ": 1}]
    theirs = next(b for b in blocks if b["nAGQ"] == points)
    return [
        *glmm_likelihood(fit, name, engine, theirs),
        *_glmm_fixed(fit, theirs),
        *_glmm_spread(fit, theirs),
        *_modes(fit, _modes_of(engine, name, theirs), "mode"),
    ]


def _modes_of(engine: str, name: str, theirs: dict[str, Any]) -> list[dict[str, Any]]:
    """Read conditional modes; lme4's SDs for a probit are of the expected curvature."""
    blocks: list[dict[str, Any]] = theirs.get("modes", [])
    if engine == "lme4" and cases.own("glmm", name)["spec"].get("link") == "probit":
        return [{k: b[k] for k in b if k != "conditional_sd"} for b in blocks]
    return blocks


def glmm_likelihood(
    fit: Any, name: str, engine: str, theirs: dict[str, Any]
) -> list[Comparison]:
    """Compare log likelihoods; lme4's lacks constants above one point."""
    spec = cases.own("glmm", name)["spec"]
    constants = spec["family"] == "poisson" or "trials" in spec
    if engine == "lme4" and theirs["nAGQ"] > 1 and constants:
        return []
    return [compare("log likelihood", "loglik", [fit.loglik], [theirs["loglik"]])]


def _glmm_fixed(fit: Any, theirs: dict[str, Any]) -> list[Comparison]:
    names = theirs["fixed"]["names"]
    out = _table("coefficients", _rows(fit, names), theirs["fixed"])
    if "vcov" in theirs:
        out.append(_matrix(fit, fit.cov_model, names, theirs["vcov"]))
    if "thresholds" in theirs:
        out.append(
            compare(
                "thresholds",
                "estimate",
                list(fit.thresholds.values()),
                theirs["thresholds"]["estimate"],
            )
        )
    if theirs.get("dispersion"):
        out.append(
            compare("dispersion", "sd", [fit.dispersion], [theirs["dispersion"]])
        )
    return out


def _glmm_spread(fit: Any, theirs: dict[str, Any]) -> list[Comparison]:
    if "components" in theirs:
        return _spread(fit, theirs["components"])
    if "covariance" in theirs:
        (found,) = fit.random_covariance.values()
        (whole,) = theirs["covariance"].values()
        return [compare("covariance of effects", "sd_matrix", found, whole)]
    groups = theirs.get("groups") or list(fit.n_groups)
    out = []
    seen: dict[str, int] = {}
    for group, sd in zip(groups, theirs["sd"], strict=True):
        grouping = group.split(".")[0]
        k = seen.get(grouping, 0)
        seen[grouping] = k + 1
        ours = np.sqrt(fit.random_covariance[grouping].iloc[k, k])
        out.append(compare(f"SD of {group}", "sd", [ours], [sd]))
    return out


def glmm_exact(name: str, points: int | None, n_quad: int) -> list[Comparison]:
    """Compare a generalised model with the same integral by definition."""
    theirs = cases.exact("glmm", name)
    block = theirs["exact"]
    if points is not None:
        block = next(b for b in theirs["quadrature"] if b["points"] == points)
    fit = cases.glmm_fit("own", name, n_quad)
    names = block["names"]
    ours = _rows(fit, names)
    ((grouping, spread),) = fit.random_covariance.items()
    modes = {
        **block,
        "grouping": grouping,
        "term": "Intercept",
        "estimate": block["mode"],
    }
    out = [
        compare("log likelihood", "loglik", [fit.loglik], [block["loglik"]]),
        compare("estimate", "estimate", ours["estimate"], block["estimate"]),
        compare("std_error", "std_error", ours["std_error"], block["se"]),
        _matrix(fit, fit.cov_model, names, block["vcov"]),
        compare("SD", "sd", [np.sqrt(spread.iloc[0, 0])], [block["sd"]]),
        *_modes(fit, [modes], "mode"),
    ]
    family = cases.own("glmm", name)["spec"]["family"]
    if family == "cumulative":
        out.append(
            compare(
                "thresholds", "estimate", list(fit.thresholds.values()), block["extra"]
            )
        )
    elif block["extra"]:
        out.append(compare("dispersion", "sd", [fit.dispersion], block["extra"]))
    return out


def glmm_shared(name: str) -> list[Comparison]:
    """lme4 in glmm.json, at its number of points."""
    found = cases.shared_case("glmm", name)
    theirs, points = found["results"], found["spec"]["nAGQ"]
    fit = cases.glmm_fit("shared", name, points)
    names = theirs["fixed"]["names"]
    modes = _shared_modes(theirs["conditional_modes_first12"], theirs["random"])
    out = [
        compare("records", "count", [fit.n_records], [theirs["n_obs"]]),
        *_table("coefficients", _rows(fit, names), theirs["fixed"]),
        _matrix(fit, fit.cov_model, names, theirs["vcov"]),
        *_spread(fit, _shared_blocks(theirs["random"])),
        *_modes(fit, modes, "mode"),
    ]
    if points == 1 or not found["spec"].get("size"):
        out.append(
            compare("log likelihood", "loglik", [fit.loglik], [theirs["lme4_logLik"]])
        )
    if "glmmTMB" in theirs:
        tmb = theirs["glmmTMB"]
        at = order_of(names, fit)
        out += [
            compare("glmmTMB: log likelihood", "tmb", [fit.loglik], [tmb["logLik"]]),
            compare("glmmTMB: estimate", "tmb", fit.beta[at], tmb["fixed"]),
        ]
    return out


def glmm_shared_exact(name: str, n_quad: int) -> list[Comparison]:
    """Compare with the exact maximum of glmm.json, with enough points."""
    found = cases.shared_case("glmm", name)
    theirs = found["results"]["exact_ml"]
    fit = cases.glmm_fit("shared", name, n_quad)
    names = found["results"]["fixed"]["names"]
    ours = _rows(fit, names)
    ((_, spread),) = fit.random_covariance.items()
    return [
        compare("log likelihood", "loglik", [fit.loglik], [theirs["logLik"]]),
        compare("estimate", "estimate", ours["estimate"], theirs["fixed"]),
        compare("std_error", "std_error", ours["std_error"], theirs["se"]),
        compare("SD", "sd", [np.sqrt(spread.iloc[0, 0])], [theirs["sd"]]),
    ]


def places(name: str) -> list[int]:
    """Find the rows of exact profiles (column by column, residual last) in ours."""
    frame = cases.lmm_profiles(name)
    keys = [
        (row.grouping, frozenset(row.term.split(", ")) if row.term else frozenset())
        for row in frame.itertuples()
    ]
    theirs = cases.exact("lmm", name)["places"]
    wanted = [
        (g, frozenset((cases.term_of(a), cases.term_of(b)))) for g, a, b in theirs
    ]
    return [keys.index(key) for key in wanted] + [len(keys) - 1]
