"""Predicted random effects: best linear unbiased predictors and conditional modes."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.inference import check_conf_level
from outcomes.models.mixed.derivatives import act
from outcomes.models.mixed.effects import Term
from outcomes.models.mixed.moments import factor_of
from outcomes.models.mixed.results import LmmFit
from outcomes.models.options import FixedEffects, FloatArray, check_option

if TYPE_CHECKING:
    import pandas as pd

Predicted = list[tuple[FloatArray, FloatArray]]


@singledispatch
def predicted_effects(fit: Any, *, estimated: bool) -> Predicted:
    """Effects and standard errors of each term, arrays of shape (levels, effects)."""
    raise ModelError(f"{type(fit).__name__} is not a mixed model.")


def random_effects(
    fit: Any, conf_level: float = 0.95, fixed: FixedEffects = "estimated"
) -> pd.DataFrame:
    """Predict the effect of every level of every grouping.

    Parameters
    ----------
    fit : LmmFit or GlmmFit
        A mixed model.
    conf_level : float
        Of the limits, from the normal distribution.
    fixed : str
        Whether standard errors count that the coefficients were ``"estimated"`` (as SAS
        does; linear models only) or take them as ``"known"`` (as lme4 does).

    Returns
    -------
    pandas.DataFrame
        ``grouping level term estimate std_error conf_low conf_high``. ``std_error`` is
        that of the prediction error, given the variance components: 0 where the
        variance is zero. Effects are shrunken towards zero, the more the less is known
        of a level.

    Raises
    ------
    ModelError
        If an option is not understood.

    References
    ----------
    Henderson (1975), Biometrics 31, 423-447.
    """
    import pandas as pd
    from scipy.special import ndtri

    check_option(fixed, FixedEffects, name="fixed")
    width = float(ndtri((1.0 + check_conf_level(conf_level)) / 2.0))
    found = predicted_effects(fit, estimated=fixed == "estimated")
    frames = []
    terms: tuple[Term, ...] = fit.terms_random
    for term, (effects, errors) in zip(terms, found, strict=True):
        estimate, error = effects.ravel(), errors.ravel()
        frames.append(
            pd.DataFrame(
                {
                    "grouping": term.grouping,
                    "level": np.repeat(np.array(term.levels, dtype=object), term.c),
                    "term": np.tile(np.array(term.effects, dtype=object), term.q),
                    "estimate": estimate,
                    "std_error": error,
                    "conf_low": estimate - width * error,
                    "conf_high": estimate + width * error,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


@predicted_effects.register
def _(fit: LmmFit, *, estimated: bool) -> Predicted:
    moments, optimum = fit.moments, fit.optimum
    layout, at, q, p = moments.layout, optimum.at, moments.q, moments.p
    N = np.eye(layout.C) - act(moments.A, at.H)
    U, square = act(N, moments.W), act(N, moments.A)
    F = -at.K @ at.B[:q, q:]
    # Z'V^-1 [X y], first for the groups of the first tier, then for the second
    of_groups = U[:, :, q:] + U[:, :, :q] @ F
    of_rest = at.B[:q, q:] + at.B[:q, :q] @ F
    inner = square - np.einsum(
        "gcq,qr,gdr->gcd", U[:, :, :q], at.K, U[:, :, :q], optimize=True
    )
    S = at.B[:q, :q] - at.B[:q, :q] @ at.K @ at.B[:q, :q]
    r = np.append(-at.beta, 1.0)
    known = at.Phi if estimated else np.zeros_like(at.Phi)
    found: Predicted = []
    for slot, size in zip(layout.slots, moments.scale, strict=True):
        L = factor_of(slot, layout.terms[slot.term].c, optimum.theta)
        D = L @ L.T
        if slot.inner:
            own = slot.places[0]
            ZA, ZZ = of_groups[:, own], inner[:, own][:, :, own]
        else:
            ZA = of_rest[slot.places]
            ZZ = S[slot.places[:, :, None], slot.places[:, None, :]]
        left = ZZ - np.einsum(
            "gcp,pr,gdr->gcd", ZA[..., :p], known, ZA[..., :p], optimize=True
        )
        errors = np.diagonal(D - D @ left @ D, axis1=1, axis2=2)
        spread = np.sqrt(at.sigma2 * np.maximum(errors, 0.0))
        found.append((ZA @ r @ D / size, spread / size))
    return found
