"""``model`` of a change analysis, and what its choices are called.

The values are those of `outcomes.models.options`, written out again so that reading a
study file imports nothing scientific; a test holds the two together.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from outcomes.study.base import Code, Id, Once, Section, Text

Covariance = Literal[
    "us", "toeph", "toep", "ar1h", "ar1", "csh", "cs", "adh", "ad", "sp_exp"
]
DfMethod = Literal[
    "kenward-roger", "satterthwaite", "between-within", "residual", "asymptotic"
]
VcovMethod = Literal[
    "model",
    "kenward-roger",
    "kenward-roger-linear",
    "kenward-roger-mmrm",
    "cr0",
    "cr2",
    "cr3",
]
Preset = Literal["sas_proc_mixed", "r_mmrm"]
Means = Literal["equal", "proportional", "counterfactual"]

COVARIANCE_WORDS: Final[dict[str, str]] = {
    "us": "unstructured",
    "toeph": "heterogeneous Toeplitz",
    "toep": "Toeplitz",
    "ar1h": "heterogeneous first-order autoregressive",
    "ar1": "first-order autoregressive",
    "csh": "heterogeneous compound symmetry",
    "cs": "compound symmetry",
    "adh": "heterogeneous first-order ante-dependence",
    "ad": "first-order ante-dependence",
    "sp_exp": "spatial exponential",
}
DF_WORDS: Final[dict[str, str]] = {
    "kenward-roger": "Kenward-Roger",
    "satterthwaite": "Satterthwaite",
    "between-within": "between-within",
    "residual": "residual",
    "asymptotic": "no (normal approximation)",
}
VCOV_WORDS: Final[dict[str, str]] = {
    "model": "model-based standard errors",
    "kenward-roger": "Kenward-Roger standard errors",
    "kenward-roger-linear": "Kenward-Roger standard errors without second derivatives",
    "kenward-roger-mmrm": "Kenward-Roger standard errors in the parameters of R mmrm",
    "cr0": "empirical (sandwich) standard errors",
    "cr2": "empirical (sandwich) standard errors, bias-reduced (CR2)",
    "cr3": "empirical (sandwich) standard errors, jackknife-like (CR3)",
}
MEANS_WORDS: Final[dict[str, str]] = {
    "equal": "",
    "proportional": "LS means weighted by records",
    "counterfactual": "LS means averaged over predictions for all records",
}
COORDINATE_WORDS: Final[dict[str, str]] = {
    "target-day": "over target days of the visits",
    "observed-day": "over days observed",
}


def _two(visits: list[str]) -> list[str]:
    if len(visits) < 2:
        raise ValueError("one visit is no average; name two or more")
    return visits


def _covariates(others: dict[str, Any]) -> list[str]:
    """Return the covariates of a model that names none."""
    return [] if others.get("constrained") else ["BASE"]


def _one_or_several(value: object) -> str:
    return "several" if isinstance(value, list) else "one"


Ladder = Annotated[
    Annotated[Covariance, Tag("one")] | Annotated[list[Covariance], Tag("several")],
    Discriminator(_one_or_several),
]
"""One covariance structure, or several to fall back along.

Told apart by what stands there, so that a wrong name is one problem, not one for each.
"""


class MmrmModel(Section):
    """``model`` of a change analysis: arm by visit plus covariates.

    ``constrained`` analyses the value itself, baseline included, with one mean of all
    arms at baseline (constrained longitudinal data analysis).
    """

    kind: Literal["mmrm"] = "mmrm"
    constrained: bool = False
    covariates: Once[Text] = Field(default_factory=_covariates)
    covariance: Ladder = "us"
    group: Text | None = None
    coordinates: Literal["target-day", "observed-day"] | None = None
    method: Literal["reml", "ml"] = "reml"
    df: DfMethod | None = None
    vcov: VcovMethod | None = None
    preset: Preset | None = None
    means: Means = "equal"
    averages: dict[Id, Annotated[Once[Code], AfterValidator(_two)]] = Field(
        default_factory=dict
    )
    anova: Literal[2, 3] | None = None

    @property
    def ladder(self) -> list[Covariance]:
        """The covariance structures, in the order in which they are tried."""
        if isinstance(self.covariance, list):
            return self.covariance
        return [self.covariance]

    @property
    def coordinate(self) -> str:
        """Where ``sp_exp`` places records in time; ``''`` without it."""
        if "sp_exp" not in self.ladder:
            return ""
        return self.coordinates or "target-day"
