"""Profile likelihood intervals of the coefficients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from outcomes.errors import ModelError, one_of
from outcomes.models.inference import check_conf_level
from outcomes.models.mixed.glmm.results import GlmmFit
from outcomes.models.mixed.profile import hold, limit
from outcomes.models.mixed.variance import surface
from outcomes.models.options import FloatArray
from outcomes.models.profiles import profile_intervals

if TYPE_CHECKING:
    import pandas as pd

LOST = "the profile of the likelihood could not be followed for: "


@profile_intervals.register(GlmmFit)
def _(
    fit: GlmmFit,
    terms: str | Sequence[str] | None = None,
    conf_level: float = 0.95,
) -> pd.DataFrame:
    import pandas as pd
    from scipy.special import chdtrc, chdtri

    rise = float(chdtri(1, 1.0 - check_conf_level(conf_level)))
    if not fit.convergence.converged:
        raise ModelError("profile_intervals: the fit did not converge.")
    wanted = fit.terms if terms is None else terms
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        wanted = (wanted,)
    wanted = tuple(wanted)
    for name in wanted:
        if name not in fit.terms:
            raise ModelError(one_of(name, fit.terms, name="terms"))
    names = list(fit.estimated_terms)
    over = surface(fit)
    m = fit.prepared.problem.structure.n_theta
    places = m + np.arange(len(fit.beta))
    rows = []
    for name in wanted:
        if name not in names:  # it repeats earlier columns
            rows.append((name, *[np.nan] * 5))
            continue
        j = names.index(name)
        spread = float(np.sqrt(fit.cov_model[j, j]))
        quantity = partial(_coefficient, fit.prepared.to_columns[j] / spread, m)
        ends = [
            spread
            * limit(
                over.deviance,
                quantity,
                start=over.start,
                places=places,
                best=over.best,
                rise=rise,
                width=float(np.sqrt(rise)),
                side=side,
            )
            for side in (-1, 1)
        ]
        none = hold(over.deviance, quantity, 0.0, over.start, places)
        statistic = np.nan if none is None else max(none.deviance - over.best, 0.0)
        rows.append((name, fit.beta[j], *ends, statistic, float(chdtrc(1, statistic))))
    columns = ["term", "estimate", "conf_low", "conf_high", "statistic", "p_value"]
    frame = pd.DataFrame(rows, columns=columns)
    estimated = frame["term"].isin(names)
    lost = frame.loc[estimated & frame.isna().any(axis=1), "term"]
    frame.attrs["reason"] = LOST + ", ".join(lost) if len(lost) else ""
    return frame


def _coefficient(row: FloatArray, m: int, phi: FloatArray) -> float:
    """One coefficient, in standard errors, of parameters with m elements before."""
    return float(row @ phi[m : m + len(row)])
