"""What linear and generalised mixed models have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outcomes.models.coefficients import Coefficients
from outcomes.models.convergence import Convergence
from outcomes.models.mixed.effects import Term
from outcomes.models.options import FloatArray

if TYPE_CHECKING:
    import pandas as pd


class MixedEffects(Coefficients):
    """Random effects of a fit, and how it is shown."""

    __slots__ = ()

    if TYPE_CHECKING:
        formula: str
        random: dict[str, str]
        df_method: str
        terms_random: tuple[Term, ...]
        covariances: tuple[FloatArray, ...]
        loglik: float
        n_records: int
        n_groups: dict[str, int]
        boundary: tuple[str, ...]
        convergence: Convergence

    @property
    def random_covariance(self) -> dict[str, pd.DataFrame]:
        """Covariance of the effects of each grouping, blocks put together."""
        import pandas as pd
        from scipy.linalg import block_diag

        found: dict[str, pd.DataFrame] = {}
        for grouping in dict.fromkeys(term.grouping for term in self.terms_random):
            own = [
                (term, covariance)
                for term, covariance in zip(
                    self.terms_random, self.covariances, strict=True
                )
                if term.grouping == grouping
            ]
            names = [name for term, _ in own for name in term.effects]
            whole = block_diag(*(covariance for _, covariance in own))
            found[grouping] = pd.DataFrame(whole, index=names, columns=names)
        return found

    def describe(self, kind: str, how: str) -> str:
        """Sum a fit up in a line."""
        ended = "converged" if self.convergence.converged else "DID NOT CONVERGE"
        groups = ", ".join(f"{n} {name}" for name, n in self.n_groups.items())
        edge = f"; at the boundary: {', '.join(self.boundary)}" if self.boundary else ""
        return (
            f"<{kind} {self.formula}, random {self.random}: {how}; {self.n_records}"
            f" records of {groups}; df {self.df_method}; log likelihood"
            f" {self.loglik:.4f}; {ended}{edge}>"
        )
