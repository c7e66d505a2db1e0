"""The covariance structures of the residuals of one subject.

A new structure is a correlation here and a line in ``STRUCTURES``.
"""

from __future__ import annotations

from typing import Final

from outcomes.models.mmrm.covariance.ante_dependence import ANTE_DEPENDENCE
from outcomes.models.mmrm.covariance.autoregressive import AUTOREGRESSIVE
from outcomes.models.mmrm.covariance.exchangeable import EXCHANGEABLE
from outcomes.models.mmrm.covariance.exponential import EXPONENTIAL
from outcomes.models.mmrm.covariance.linear import compound_symmetry, toeplitz
from outcomes.models.mmrm.covariance.scaled import heterogeneous, homogeneous
from outcomes.models.mmrm.covariance.structure import Structure
from outcomes.models.mmrm.covariance.toeplitz import TOEPLITZ
from outcomes.models.mmrm.covariance.unstructured import UNSTRUCTURED

STRUCTURES: Final[dict[str, Structure]] = {
    structure.name: structure
    for structure in (
        UNSTRUCTURED,
        heterogeneous("toeph", "heterogeneous Toeplitz", TOEPLITZ),
        toeplitz(homogeneous("toep", "Toeplitz", TOEPLITZ)),
        heterogeneous(
            "ar1h", "heterogeneous first-order autoregressive", AUTOREGRESSIVE
        ),
        homogeneous("ar1", "first-order autoregressive", AUTOREGRESSIVE),
        heterogeneous("csh", "heterogeneous compound symmetry", EXCHANGEABLE),
        compound_symmetry(homogeneous("cs", "compound symmetry", EXCHANGEABLE)),
        heterogeneous("adh", "heterogeneous ante-dependence", ANTE_DEPENDENCE),
        homogeneous("ad", "ante-dependence", ANTE_DEPENDENCE),
        homogeneous("sp_exp", "spatial exponential", EXPONENTIAL),
    )
}

__all__ = ["STRUCTURES", "Structure"]
