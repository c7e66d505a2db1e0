"""What SAS printed, brought to the form of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from outcomes.models.mmrm.results import MmrmFit
from parity.mmrm_cases import SAS_PRINTED, case, data_of, fit_spec, shared_cases
from shared import shared

# SAS stops at a relative change of 1e-8 in its objective: up to 1.2e-4 in an SE.
SAS_STOP = 2e-4
SAS_LOGLIK = 2e-5
# At the covariance parameters SAS itself printed, to 4 to 6 digits.
SAS_THETA = 2e-5
# In these listings SAS numbers the visits as it met them in records with an outcome.
MET_ORDER = {
    name: (1, 2, 3, 0)
    for name in SAS_PRINTED
    if name.startswith(("sas-intercept-us", "sas-full-us"))
}


def visit_order(name: str) -> tuple[int, ...]:
    """Where SAS's first, second, ... visit is among ours."""
    return MET_ORDER.get(name, (0, 1, 2, 3))


def printed_parameters(name: str) -> list[dict[str, Any]]:
    """Covariance parameters SAS stopped at, as printed."""
    results = case(name)["results"]
    printed: list[dict[str, Any]] = results.get("fit", results)["covariance_parameters"]
    return printed


def our_parameter(name: str, parameter: str, sigma: np.ndarray) -> float:
    """One of SAS's covariance parameters, from a residual covariance (K, K)."""
    order = visit_order(name)
    kind, _, places = parameter.rstrip(")").partition("(")
    if kind in ("UN", "Var"):
        at = [order[int(i) - 1] for i in places.split(",")]
        return float(sigma[at[0], at[-1]])
    if kind in ("AR", "ARH", "CSH"):
        return float(sigma[0, 1] / np.sqrt(sigma[0, 0] * sigma[1, 1]))
    if kind == "CS":
        return float(sigma[0, 1])
    exchangeable = case(name)["spec"]["covariance"] == "cs"
    return float(sigma[0, 0] - (sigma[0, 1] if exchangeable else 0.0))


def printed_sigma(name: str) -> np.ndarray:
    """Residual covariance at the parameters SAS printed, (G, K, K), groups in order."""
    groups: dict[Any, dict[str, float]] = {}
    for p in printed_parameters(name):
        groups.setdefault(p["group"], {})[p["name"]] = p["estimate"]
    return np.stack([_sigma(name, values) for values in groups.values()])


def _sigma(name: str, values: dict[str, float]) -> np.ndarray:
    order = visit_order(name)
    K = len(order)
    lag = np.abs(np.arange(K)[:, None] - np.arange(K))
    if "UN(1,1)" in values:
        sigma = np.zeros((K, K))
        for parameter, value in values.items():
            a, b = (order[int(i) - 1] for i in parameter[3:-1].split(","))
            sigma[a, b] = sigma[b, a] = value
        return sigma
    if "Var(1)" in values:
        sd = np.zeros(K)
        for i in range(K):
            sd[order[i]] = np.sqrt(values[f"Var({i + 1})"])
        rho = values["CSH"] if "CSH" in values else values["ARH(1)"]
        power = np.minimum(lag, 1) if "CSH" in values else lag
        return np.asarray(sd[:, None] * rho**power * sd)
    residual = values["Residual"] if "Residual" in values else values["Variance"]
    if "CS" in values:
        return np.asarray(values["CS"] + residual * np.eye(K))
    return np.asarray(residual * values["AR(1)"] ** lag)


def theta_of(fit: MmrmFit, sigma: np.ndarray) -> np.ndarray:
    """Our natural parameters of a residual covariance, (G, K, K)."""
    return np.concatenate([_theta(fit.structure, one) for one in sigma])


def _theta(structure: str, sigma: np.ndarray) -> np.ndarray:
    variances = np.diagonal(sigma)
    rho = sigma[0, 1] / np.sqrt(variances[0] * variances[1])
    if structure == "us":
        return sigma[np.tril_indices(len(sigma))]
    if structure == "cs":
        return np.array([sigma[0, 1], variances[0] - sigma[0, 1]])
    if structure == "ar1":
        return np.array([variances[0], rho])
    return np.append(variances, rho)  # ar1h, csh


# Results of SAS that came without a listing, one file each: file, then our options. The
# file of sp_exp holds KR(LINEAR) with two coordinates (differences.md, 13).
SAS_ALONE: dict[str, tuple[str, str, dict[str, Any]]] = {
    "toep": ("toep", "kenward-roger", {}),
    "toeph": ("toeph", "kenward-roger", {}),
    "adh": ("adh", "kenward-roger", {}),
    "sp_exp": (
        "spexp",
        "kenward-roger-linear",
        {"coordinates": ["VISITN", "VISITN2"]},
    ),
}


def sas_alone(structure: str) -> Any:
    """Read the difference of the arms in SAS, one row."""
    name = f"sas_kr_{SAS_ALONE[structure][0]}.csv"
    return pd.read_csv(shared("data", "mmrm-reference", name)).iloc[0]


def fit_alone(structure: str, **options: Any) -> MmrmFit:
    """Fit the model of `sas_alone`; ``options`` replace those of the table."""
    _, vcov, spatial = SAS_ALONE[structure]
    spec = {**shared_cases("sas.json")["sas-kr-us"]["spec"], "covariance": structure}
    spec |= spatial | {k: v for k, v in options.items() if k != "vcov"}
    data = data_of("data/fev_data.csv")
    return fit_spec(spec, data, "kenward-roger", options.get("vcov", vcov))
