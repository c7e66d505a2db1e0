"""Residuals of an MMRM: raw, in standard deviations, and freed of correlation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from outcomes.models.mmrm.results import MmrmFit
from outcomes.models.mmrm.subjects import Block, subject_blocks
from outcomes.models.options import FloatArray, ResidualKind, check_option

if TYPE_CHECKING:
    import pandas as pd


def residuals(fit: MmrmFit, kind: ResidualKind = "raw") -> pd.DataFrame:
    """Tabulate what the fit leaves of each record.

    Parameters
    ----------
    fit : MmrmFit
        A fit.
    kind : str
        ``"raw"``: observed less fitted. ``"pearson"``: divided by its standard
        deviation, weights included. ``"normalised"``: premultiplied by the inverse of
        the lower Cholesky factor of the subject's covariance, in visit order, so that
        the residuals of one subject have no correlation left and variance one (nlme
        ``type="normalized"``, SAS ``VCIRY``).

    Returns
    -------
    pandas.DataFrame
        The subject, the visit, ``observed fitted residual``; one row per record used,
        in the order of ``fit.design.frame``. Observed and fitted are as observed
        whatever the kind.

    Raises
    ------
    ModelError
        If ``kind`` is none of these.

    Notes
    -----
    Equation (P1) in ``docs/methods/mmrm-prediction.md``.

    References
    ----------
    Fitzmaurice, Laird and Ware (2011), Applied Longitudinal Analysis, chapter 10,
    https://doi.org/10.1002/9781119513469.

    Examples
    --------
    >>> residuals(fit, "normalised")["residual"].std()  # doctest: +SKIP
    """
    import pandas as pd

    check_option(kind, ResidualKind, name="kind")
    design = fit.design
    fitted = design.X[:, ~fit.aliased_mask] @ fit.beta
    raw = design.y - fitted
    residual = raw
    if kind != "raw":
        residual = np.empty_like(raw)
        whiten = _divided if kind == "pearson" else _decorrelated
        for block in subject_blocks(fit):
            residual[block.rows] = whiten(raw[block.rows], block)
    numbers = {"observed": design.y, "fitted": fitted, "residual": residual}
    labels = design.frame[[fit.subject, fit.visit]]
    return pd.concat([labels, pd.DataFrame(numbers, index=labels.index)], axis=1)


def _divided(r: FloatArray, block: Block) -> FloatArray:
    """Divide by the standard deviations; (n, k)."""
    return np.asarray(r / np.sqrt(np.diagonal(block.sigma, axis1=1, axis2=2)))


def _decorrelated(r: FloatArray, block: Block) -> FloatArray:
    """Solve ``L u = r`` for each subject; (n, k)."""
    roots = np.linalg.cholesky(block.sigma)
    return np.asarray(np.linalg.solve(roots, r[:, :, None])[:, :, 0])
