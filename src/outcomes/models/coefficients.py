"""What the coefficients of every fit have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from outcomes.models.design import Design
from outcomes.models.options import BoolArray, FloatArray

if TYPE_CHECKING:
    import pandas as pd


class Coefficients:
    """Names of coefficients, aliased or not, and their covariance.

    Attributes
    ----------
    design : Design
        Model matrix.
    aliased_mask : BoolArray, shape (all columns,)
        Columns without a coefficient.
    cov_inference : FloatArray, shape (p, p)
        Covariance of the others as used for inference.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        design: Design
        aliased_mask: BoolArray

        @property
        def cov_inference(self) -> FloatArray:
            """Covariance of the coefficients as used for inference."""

    @property
    def terms(self) -> tuple[str, ...]:
        """All columns of the model matrix, aliased ones included."""
        return self.design.columns

    @property
    def estimated_terms(self) -> tuple[str, ...]:
        """Columns that have a coefficient."""
        kept = np.flatnonzero(~self.aliased_mask)
        return tuple(self.design.columns[j] for j in kept)

    @property
    def aliased(self) -> tuple[str, ...]:
        """Columns that repeat earlier ones and have no coefficient."""
        dropped = np.flatnonzero(self.aliased_mask)
        return tuple(self.design.columns[j] for j in dropped)

    @property
    def vcov(self) -> pd.DataFrame:
        """Covariance of the coefficients as used for inference."""
        import pandas as pd

        names = list(self.estimated_terms)
        return pd.DataFrame(self.cov_inference, index=names, columns=names)
