"""The legal values of every modelling option, in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from outcomes.errors import ModelError, one_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]

Covariance = Literal[
    "us", "toeph", "toep", "ar1h", "ar1", "csh", "cs", "adh", "ad", "sp_exp"
]
Method = Literal["reml", "ml"]
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
Missing = Literal["error", "exclude"]
Preset = Literal["sas_proc_mixed", "r_mmrm"]
MixedDfMethod = Literal["satterthwaite", "kenward-roger", "residual", "asymptotic"]
MixedPreset = Literal["r_lmertest", "sas_proc_mixed"]
GlmmFamily = Literal["binomial", "poisson", "negative-binomial", "cumulative"]
GlmmLink = Literal["logit", "probit", "log"]
GlmmDfMethod = Literal["asymptotic", "between-within"]
GeeFamily = Literal["binomial", "gaussian", "poisson"]
GeeLink = Literal["logit", "probit", "identity", "log"]
GeeStructure = Literal["independence", "exchangeable", "ar1", "unstructured"]
GeeVcov = Literal["robust", "mancl-derouen", "kauermann-carroll", "model"]
GeeDf = Literal["asymptotic", "clusters"]
GeeMoments = Literal["n", "n-p"]
BinaryLink = Literal["logit", "probit"]
Penalty = Literal["firth"]
Scale = Literal["link", "response"]
Weights = Literal["equal", "proportional", "counterfactual"]
Interval = Literal["profile"]
FixedEffects = Literal["estimated", "known"]
Measure = Literal["risk", "risk-difference", "risk-ratio", "odds-ratio"]
Over = Literal["subjects", "records"]
ResidualKind = Literal["raw", "pearson", "normalised"]
ProportionMeasure = Literal["risk-difference", "risk-ratio", "odds-ratio"]
ProportionMethod = Literal[
    "newcombe", "miettinen-nurminen", "mee", "agresti-caffo", "wald"
]

SANDWICH: Final = ("cr0", "cr2", "cr3")
LEGAL_VCOV: Final[dict[str, tuple[str, ...]]] = {
    "kenward-roger": ("kenward-roger", "kenward-roger-linear", "kenward-roger-mmrm"),
    "satterthwaite": ("model", *SANDWICH),
    "between-within": ("model", *SANDWICH),
    "residual": ("model", *SANDWICH),
    "asymptotic": ("model", *SANDWICH),
}
"""For each way to get degrees of freedom, the covariances of the coefficients that
belong with it, the default first (the table in ``docs/methods/mmrm.md``)."""

PRESETS: Final[dict[str, dict[str, str]]] = {
    "sas_proc_mixed": {"df": "kenward-roger"},
    "r_mmrm": {
        "df": "satterthwaite",
        "kenward-roger": "kenward-roger-mmrm",
        "residual": "cr0",
    },
}
"""For each preset, the default of ``df``, and of ``vcov`` for those values of ``df``
where it is not the first of ``LEGAL_VCOV``. PROC MIXED's own default of ``DDFM`` is
not meant here, but ``METHOD=REML DDFM=KR``, which analysis plans ask for."""

GLMM_LINKS: Final[dict[str, tuple[str, ...]]] = {
    "binomial": ("logit", "probit"),
    "poisson": ("log",),
    "negative-binomial": ("log",),
    "cumulative": ("logit",),
}
GEE_LINKS: Final[dict[str, tuple[GeeLink, ...]]] = {
    "binomial": ("logit", "probit"),
    "gaussian": ("identity",),
    "poisson": ("log",),
}
"""Links of each family, the default first."""

LEGAL_PROPORTION: Final[dict[str, tuple[str, ...]]] = {
    "risk-difference": get_args(ProportionMethod),
    "risk-ratio": ("wald",),
    "odds-ratio": ("wald",),
}
"""For each measure of two proportions, the interval methods it has."""


def check_option(value: object, literal: Any, *, name: str) -> str:
    """Return ``value`` if it is one of the values of ``literal``.

    Raises
    ------
    ModelError
        Otherwise, listing the legal values and the nearest one.
    """
    allowed = get_args(literal)
    if value not in allowed:
        raise ModelError(one_of(value, allowed, name=name))
    return str(value)


def settle_link(
    family: object, link: object, links: Mapping[str, Sequence[str]]
) -> tuple[str, str]:
    """Return the family and its link, the first one for ``None``.

    Raises
    ------
    ModelError
        If the family does not exist or does not have the link.
    """
    if not isinstance(family, str) or family not in links:
        raise ModelError(one_of(family, tuple(links), name="family"))
    own = links[family]
    if link is not None and link not in own:
        raise ModelError(one_of(link, own, name=f"link of family '{family}'"))
    return family, own[0] if link is None else str(link)


def inference_pair(
    df: str | None, vcov: str | None, *, method: str, preset: str | None = None
) -> tuple[DfMethod, VcovMethod]:
    """Settle the pair of ``df`` and ``vcov``, filling in what follows from the rest.

    Parameters
    ----------
    df, vcov : str or None
        As the user gave them. ``None`` for ``df`` is what ``vcov`` implies, else that
        of the preset, else Kenward-Roger under REML and Satterthwaite under ML;
        ``None`` for ``vcov`` is what ``df`` and the preset imply.
    method : str
        ``"reml"`` or ``"ml"``.
    preset : str, optional
        Another program whose defaults to take.

    Returns
    -------
    tuple of str
        The degrees-of-freedom method and the covariance of the coefficients.

    Raises
    ------
    ModelError
        If the pair is not in the table of legal pairs, or Kenward-Roger is asked for
        with maximum likelihood.
    """
    defaults: dict[str, str] = {}
    if preset is not None:
        defaults = PRESETS[check_option(preset, Preset, name="preset")]
    if vcov is not None:
        check_option(vcov, VcovMethod, name="vcov")
    if df is None:
        df = _default_df(vcov, method, defaults.get("df", "kenward-roger"))
    check_option(df, DfMethod, name="df")
    if df == "kenward-roger" and method != "reml":
        raise ModelError(
            "df: 'kenward-roger' is defined for REML only, and method is 'ml'. Use"
            " method='reml', or df='satterthwaite'."
        )
    legal = LEGAL_VCOV[df]
    if vcov is not None and vcov not in legal:
        raise ModelError(
            f"vcov: '{vcov}' does not go with df='{df}'. With it, choose one of"
            f" {', '.join(legal)}."
        )
    return df, (vcov or defaults.get(df, legal[0]))  # type: ignore[return-value]


def _default_df(vcov: str | None, method: str, usual: str) -> str:
    if vcov in LEGAL_VCOV["kenward-roger"]:
        return "kenward-roger"
    if vcov is not None or method != "reml":
        return "satterthwaite"
    return usual
