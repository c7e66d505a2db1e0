"""The legal values of every modelling option, in one place."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from outcomes.errors import ModelError, one_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]

Covariance = Literal["us", "cs", "ar1"]
Method = Literal["reml", "ml"]
DfMethod = Literal["kenward-roger", "satterthwaite", "residual", "asymptotic"]
VcovMethod = Literal["model", "kenward-roger", "kenward-roger-linear"]
Weights = Literal["equal", "proportional"]
ProportionMeasure = Literal["risk-difference", "risk-ratio", "odds-ratio"]
ProportionMethod = Literal[
    "newcombe", "miettinen-nurminen", "mee", "agresti-caffo", "wald"
]

LEGAL_VCOV: Final[dict[str, tuple[str, ...]]] = {
    "kenward-roger": ("kenward-roger", "kenward-roger-linear"),
    "satterthwaite": ("model",),
    "residual": ("model",),
    "asymptotic": ("model",),
}
"""For each way to get degrees of freedom, the covariances of the coefficients that
belong with it, the default first (the table in ``docs/methods/mmrm.md``)."""

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


def inference_pair(
    df: str | None, vcov: str | None, *, method: str
) -> tuple[DfMethod, VcovMethod]:
    """Settle the pair of ``df`` and ``vcov``, filling in what follows from the rest.

    Parameters
    ----------
    df, vcov : str or None
        As the user gave them. ``None`` for ``df`` is Kenward-Roger under REML and
        Satterthwaite under ML; ``None`` for ``vcov`` is what ``df`` implies.
    method : str
        ``"reml"`` or ``"ml"``.

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
    if vcov is not None:
        check_option(vcov, VcovMethod, name="vcov")
    if df is None:
        adjusted = vcov in LEGAL_VCOV["kenward-roger"]
        df = "kenward-roger" if method == "reml" else "satterthwaite"
        if vcov == "model" and df == "kenward-roger":
            df = "satterthwaite"
        elif adjusted:
            df = "kenward-roger"
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
    return df, (vcov or legal[0])  # type: ignore[return-value]
