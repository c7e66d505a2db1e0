"""Ours beside R's, quantity by quantity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from outcomes.models import contrasts, emmeans, glance, joint_test, tidy
from outcomes.models.mmrm.covariance import STRUCTURES
from outcomes.models.mmrm.results import MmrmFit
from parity.mmrm_cases import METHODS, case, fit_case, numbers, order_of, r_name
from parity.mmrm_theta import covariance_of_sigma, spatial_covariance


@dataclass(frozen=True)
class Comparison:
    """Numbers of ours beside theirs; ``kind`` settles the tolerance."""

    quantity: str
    kind: str
    ours: np.ndarray
    theirs: np.ndarray

    @property
    def floor(self) -> float:
        """What counts as zero: matrices and coefficients are compared as wholes."""
        if self.kind in ("estimate", "matrix"):
            return 1e-3 * float(np.max(np.abs(self.theirs)))
        return 1e-8

    @property
    def relative(self) -> np.ndarray:
        """Differences as shares of theirs."""
        size = np.maximum(np.abs(self.theirs), self.floor)
        return np.asarray(np.abs(self.ours - self.theirs) / size)

    @property
    def worst(self) -> float:
        """Largest relative difference; NaN on one side only is infinite."""
        if self.ours.shape != self.theirs.shape or np.isnan(self.relative).any():
            return float("inf")
        return float(np.max(self.relative))


def compare_fit(name: str) -> list[Comparison]:
    """Likelihood, criteria, coefficients and covariances."""
    fit = fit_case(name)
    found = case(name)
    theirs = found["results"]["fit"]
    row = glance(fit).iloc[0]
    columns = ("loglik", "deviance", "aic", "aicc", "bic")
    names = ("logLik", "deviance", "AIC", "AICc", "BIC")
    terms, estimates, aliased = (
        theirs["beta"][key] for key in ("names", "estimate", "aliased")
    )
    kept = [i for i, gone in enumerate(aliased) if not gone]
    assert {r_name(term) for term in fit.aliased} == {
        r_name(terms[i]) for i, gone in enumerate(aliased) if gone
    }
    out = [
        Comparison(
            "log likelihood, AIC, AICc, BIC",
            "loglik",
            numbers([row[c] for c in columns]),
            numbers([theirs[n] for n in names]),
        ),
        Comparison(
            "records, subjects, visits",
            "count",
            numbers([fit.n_records, fit.n_subjects, len(fit.visits)]),
            numbers([theirs[n] for n in ("n_obs", "n_subjects", "n_visits")]),
        ),
        Comparison(
            "coefficients",
            "estimate",
            fit.beta[order_of([terms[i] for i in kept], fit)],
            numbers([estimates[i] for i in kept]),
        ),
        Comparison(
            "model-based covariance",
            "matrix",
            *_matrices(fit, fit.cov_model, theirs["beta_vcov"]),
        ),
    ]
    return out + _compare_covariance(fit, theirs, found["spec"])


def _matrices(
    fit: MmrmFit, ours: np.ndarray, theirs: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Both covariances of coefficients over the coefficients there are."""
    values = full_matrix(theirs)
    names = theirs["rows"]
    known = [i for i in range(len(names)) if not np.isnan(values[i, i])]
    at = order_of([names[i] for i in known], fit)
    assert len(at) == len(fit.beta)
    return ours[np.ix_(at, at)], values[np.ix_(known, known)]


def full_matrix(block: dict[str, Any]) -> np.ndarray:
    """Read a matrix, or a symmetric one of which the lower triangle was kept."""
    if "values" in block:
        return numbers(block["values"])
    size = len(block["rows"])
    full = np.zeros((size, size))
    full[np.tril_indices(size)] = block["lower"]
    return np.asarray(full + full.T - np.diag(np.diagonal(full)))


def _compare_covariance(
    fit: MmrmFit, theirs: dict[str, Any], spec: dict[str, Any]
) -> list[Comparison]:
    """Sigma of each group, and the covariance of its elements."""
    if spec["covariance"] == "sp_exp":
        return _compare_spatial(fit, theirs)
    blocks = theirs["covariance"]
    sigma = fit.sigma
    if spec["group"]:
        theirs_sigma = np.stack([full_matrix(blocks[g]) for g in fit.groups])
        assert set(blocks) == set(fit.groups)
    else:
        theirs_sigma = full_matrix(blocks)[None]
    out = [Comparison("residual covariance", "matrix", sigma, theirs_sigma)]
    if "theta_vcov" in theirs:
        K = len(fit.visits)
        expected = covariance_of_sigma(
            numbers(theirs["theta"]),
            full_matrix(theirs["theta_vcov"]),
            spec["covariance"],
            K,
            len(sigma),
        )
        ours = elements_covariance(fit)
        out.append(Comparison("its covariance", "information", ours, expected))
    return out


def elements_covariance(fit: MmrmFit) -> np.ndarray:
    """Covariance of the elements of Sigma, groups one after the other."""
    K = len(fit.visits)
    lower = np.tril_indices(K)
    places = np.arange(K * 1.0)
    distance = np.abs(places[:, None] - places)
    n = len(lower[0])
    m = len(fit.theta) // len(fit.sigma)
    slopes = np.zeros((n * len(fit.sigma), len(fit.theta)))
    for g in range(len(fit.sigma)):
        own = slice(g * m, (g + 1) * m)
        first = STRUCTURES[fit.structure].first(fit.theta[own], distance)
        slopes[g * n : (g + 1) * n, own] = first[:, lower[0], lower[1]].T
    return np.asarray(slopes @ fit.cov_theta @ slopes.T)


def _compare_spatial(fit: MmrmFit, theirs: dict[str, Any]) -> list[Comparison]:
    """sp_exp: the covariance at distances 0 and 1, and that of variance and range."""
    variance, reach = fit.theta
    ours = variance * np.exp(-np.array([0.0, 1.0]) / reach)
    expected = full_matrix(theirs["covariance"])[0]
    theta = numbers(theirs["theta"])
    rho = expected[1] / expected[0]
    np.testing.assert_allclose(
        spatial_covariance(theta, np.array([0.0, 1.0])), expected, rtol=1e-12
    )
    # range = -1 / log rho, rho = plogis(theta): d range / d theta = range^2 (1 - rho)
    slope = np.diag([expected[0], (1.0 - rho) / np.log(rho) ** 2])
    of_theirs = slope @ full_matrix(theirs["theta_vcov"]) @ slope
    return [
        Comparison("residual covariance", "matrix", ours, expected),
        Comparison("its covariance", "information", fit.cov_theta, of_theirs),
    ]


def compare_inference(
    name: str, method: str, *, ours: tuple[str, str] | None = None
) -> list[Comparison]:
    """Covariance, coefficients, LS means, differences and F tests of one method.

    ``ours`` names another pair of options than the one that is R's.
    """
    fit = fit_case(name, *(ours or METHODS[method]))
    found = case(name)
    theirs = found["results"]["inference"][method]
    out = [_compare_vcov(fit, found["results"], theirs["vcov"])]
    out += _compare_table("coefficients", *_coefficients(fit, theirs["coefficients"]))
    if "lsmeans" in theirs:
        out += _compare_means(fit, theirs["lsmeans"], found["spec"])
    for test, block in theirs.get("F_tests", {}).items():
        out += _compare_joint(fit, test, block)
    return out


def _compare_vcov(fit: MmrmFit, results: dict[str, Any], block: Any) -> Comparison:
    if block == "fit":  # trimmed: that of the fit, or of another method
        block = results["fit"]["beta_vcov"]
    elif isinstance(block, str):
        block = results["inference"][block]["vcov"]
    return Comparison("covariance", "matrix", *_matrices(fit, fit.cov_inference, block))


def _coefficients(fit: MmrmFit, block: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    kept = [i for i, value in enumerate(block["estimate"]) if value is not None]
    at = order_of([block["names"][i] for i in kept], fit, all_terms=True)
    columns = ("estimate", "se", "df", "t", "p")
    return tidy(fit).iloc[at], {c: [block[c][i] for i in kept] for c in columns}


TABLE = {
    "estimate": ("estimate", "estimate"),
    "std_error": ("se", "std_error"),
    "df": ("df", "df"),
    "statistic": ("t", "statistic"),
    "p_value": ("p", "p"),
    "conf_low": ("lower", "limit"),
    "conf_high": ("upper", "limit"),
}


def _compare_table(title: str, ours: Any, theirs: dict[str, Any]) -> list[Comparison]:
    return [
        Comparison(
            f"{title}: {mine}",
            kind,
            ours[mine].to_numpy(dtype=float),
            numbers(theirs[yours]),
        )
        for mine, (yours, kind) in TABLE.items()
        if yours in theirs
    ]


def _compare_means(
    fit: MmrmFit, theirs: dict[str, Any], spec: dict[str, Any]
) -> list[Comparison]:
    arm = next(name for name in ("ARMCD", "arm") if name in fit.design.factors)
    means = emmeans(fit, arm, by=fit.visit)
    first = spec["levels"][arm][0]
    both = {
        "means": (means, theirs["means"]["arm"]),
        "differences": (
            contrasts(means, reference=first),
            [c.split(" - ")[0] for c in theirs["differences"]["contrast"]],
        ),
    }
    out: list[Comparison] = []
    for part, (found, arms) in both.items():
        frame, block = found.frame, theirs[part]
        keys = list(zip(frame[arm], frame[fit.visit], strict=True))
        at = [keys.index(key) for key in zip(arms, block["visit"], strict=True)]
        assert len(at) == len(frame)
        out += _compare_table(f"LS {part}", frame.iloc[at], block)
        if "L" in block:
            columns = order_of(block["L"]["cols"], fit)
            rows = found.L[np.ix_(at, columns)]
            out.append(
                Comparison(
                    f"LS {part}: rows", "estimate", rows, full_matrix(block["L"])
                )
            )
    return out


def _compare_joint(fit: MmrmFit, test: str, block: dict[str, Any]) -> list[Comparison]:
    """Compare one F test; its rows pick the coefficients they are named after."""
    names = block["L"]["rows"]
    L = np.zeros((len(names), len(fit.beta)))
    L[np.arange(len(names)), order_of(names, fit)] = 1.0
    if "values" in block["L"]:
        given = full_matrix(block["L"])
        np.testing.assert_array_equal(L[:, order_of(block["L"]["cols"], fit)], given)
    ours = joint_test(fit, L).iloc[0]
    return [
        Comparison(f"F test {test}: {what}", kind, numbers([a]), numbers([b]))
        for what, kind, a, b in (
            ("F", "f", ours.statistic, block["F"]),
            ("numerator df", "count", ours.num_df, block["num_df"]),
            ("df", "df", ours.den_df, block["denom_df"]),
            ("p", "p", ours.p_value, block["p"]),
        )
    ]
