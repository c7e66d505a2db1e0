"""The covariance structures of the residuals of one subject.

A new structure is a module here with one ``Structure`` and a line in ``STRUCTURES``.
"""

from __future__ import annotations

from typing import Final

from outcomes.models.mmrm.covariance.autoregressive import AUTOREGRESSIVE
from outcomes.models.mmrm.covariance.compound_symmetry import COMPOUND_SYMMETRY
from outcomes.models.mmrm.covariance.structure import Structure
from outcomes.models.mmrm.covariance.unstructured import UNSTRUCTURED

STRUCTURES: Final[dict[str, Structure]] = {
    structure.name: structure
    for structure in (UNSTRUCTURED, COMPOUND_SYMMETRY, AUTOREGRESSIVE)
}

__all__ = ["STRUCTURES", "Structure"]
