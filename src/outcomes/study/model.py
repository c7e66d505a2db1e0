"""``model`` of an analysis, and what its choices are called.

The values are those of `outcomes.models.options`, written out again so that reading a
study file imports nothing scientific; a test holds the two together.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from outcomes.study.base import Code, Id, Once, Section, Text
from outcomes.study.random import SUBJECT, Grouping, groupings

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
LmmDf = Literal["satterthwaite", "kenward-roger", "residual", "asymptotic"]
LmmPreset = Literal["r_lmertest", "sas_proc_mixed"]
GlmmDf = Literal["asymptotic", "between-within"]
GeeStructure = Literal["independence", "exchangeable", "ar1", "unstructured"]
GeeDf = Literal["asymptotic", "clusters"]
GeeVcov = Literal["robust", "mancl-derouen", "kauermann-carroll", "model"]
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
    "kenward-roger": "Kenward-Roger degrees of freedom",
    "satterthwaite": "Satterthwaite degrees of freedom",
    "between-within": "between-within degrees of freedom",
    "residual": "residual degrees of freedom",
    "asymptotic": "normal approximation",
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
STRUCTURE_WORDS: Final[dict[str, str]] = {
    "independence": "independence",
    "exchangeable": "exchangeable",
    "ar1": "first-order autoregressive",
    "unstructured": "unstructured",
}
GEE_WORDS: Final[dict[str, str]] = {
    "robust": "robust (sandwich) standard errors",
    "mancl-derouen": "robust standard errors with the correction of Mancl and DeRouen",
    "kauermann-carroll": (
        "robust standard errors with the correction of Kauermann and Carroll"
    ),
    "model": "model-based standard errors",
}
GEE_DF_WORDS: Final[dict[str, str]] = {
    "asymptotic": "normal approximation",
    "clusters": "as many degrees of freedom as subjects less coefficients",
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


def _one_as_text(value: object) -> object:
    """Take the number 1, which is what YAML reads, as the intercept it means."""
    return "1" if type(value) is int and value == 1 else value


Effects = dict[Text, Annotated[Text, BeforeValidator(_one_as_text)]]
"""Random effects: grouping to terms, ``{SITEID: "1", "mm(THERAPID, THERAP2)": "1"}``.

The subject has an intercept unless the study says something else of it.
"""


class _Mixed(Section):
    """A model with random effects."""

    random: Effects = Field(default_factory=dict)

    @property
    def groupings(self) -> list[Grouping]:
        """The groupings that ``random`` names, and the subject before them."""
        named = groupings(self.random)
        there = any(one.columns == (SUBJECT,) for one in named)
        return named if there else [Grouping(SUBJECT, (SUBJECT,), False, "1"), *named]


class LmmModel(_Mixed):
    """``model`` of a change analysis: random effects in place of a covariance."""

    kind: Literal["lmm"]
    covariates: Once[Text] = Field(default_factory=lambda: ["BASE"])
    method: Literal["reml", "ml"] = "reml"
    df: LmmDf = "satterthwaite"
    preset: LmmPreset | None = None
    means: Means = "equal"
    averages: dict[Id, Annotated[Once[Code], AfterValidator(_two)]] = Field(
        default_factory=dict
    )
    anova: Literal[2, 3] | None = None

    @property
    def constrained(self) -> bool:
        """Whether baseline is part of the outcome: never here."""
        return False

    @property
    def group(self) -> str | None:
        """Column whose levels have a covariance each: none here."""
        return None

    @property
    def coordinate(self) -> str:
        """Where a covariance places records in time: nowhere here."""
        return ""


class GlmmModel(_Mixed):
    """``model`` of yes/no over visits: random effects on the logit scale.

    ``fallback`` is what is done where the model cannot be fitted, as under separation.
    """

    kind: Literal["glmm"] = "glmm"
    covariates: Once[Text] = Field(default_factory=lambda: ["BASE"])
    n_quad: int | None = Field(None, ge=1, le=200)
    df: GlmmDf = "asymptotic"
    fallback: Literal["firth"] | None = None


class GeeModel(Section):
    """``model`` of yes/no over visits: generalised estimating equations."""

    kind: Literal["gee"]
    covariates: Once[Text] = Field(default_factory=lambda: ["BASE"])
    structure: GeeStructure = "exchangeable"
    vcov: GeeVcov = "robust"
    df: GeeDf = "asymptotic"


class LogisticModel(Section):
    """``model`` of yes/no over visits: a logistic regression for each visit."""

    kind: Literal["logistic"]
    covariates: Once[Text] = Field(default_factory=lambda: ["BASE"])
    penalty: Literal["firth"] | None = None


class ClusteringModel(_Mixed):
    """``model`` of an analysis of sites and therapists.

    ``kind`` follows from the endpoint: ``lmm`` for a change, ``glmm`` for yes/no.
    """

    kind: Literal["lmm", "glmm"] | None = None
    random: Effects = Field(min_length=1)
    covariates: Once[Text] = Field(default_factory=lambda: ["BASE"])
    method: Literal["reml", "ml"] | None = None
    n_quad: int | None = Field(None, ge=1, le=200)


def _kind_or(usual: str) -> BeforeValidator:
    """Give a model that names no kind the usual one."""

    def named(value: object) -> object:
        if isinstance(value, dict) and "kind" not in value:
            return {"kind": usual, **value}
        return value

    return BeforeValidator(named)


ChangeModel = Annotated[
    Annotated[MmrmModel | LmmModel, Field(discriminator="kind")], _kind_or("mmrm")
]
ResponderModel = Annotated[
    Annotated[GlmmModel | GeeModel | LogisticModel, Field(discriminator="kind")],
    _kind_or("glmm"),
]
