"""How an optimisation went, and what else of a fit is worth reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from outcomes.models.design import Design
from outcomes.models.options import BoolArray

Status = Literal["converged", "not-converged"]


@dataclass(frozen=True, slots=True)
class LadderStep:
    """One covariance structure that was tried.

    Attributes
    ----------
    covariance : str
        Structure.
    converged : bool
        Whether it gave a usable fit.
    message : str
        Why not, or empty.
    """

    covariance: str
    converged: bool
    message: str


@dataclass(frozen=True, slots=True)
class Convergence:
    """How the optimisation went.

    Attributes
    ----------
    status : str
        ``"converged"`` or ``"not-converged"``.
    optimiser : str
        What was used, such as ``"newton"`` or ``"newton, fisher scoring"``.
    iterations : int
        Steps.
    gradient_norm : float
        Largest element of the gradient of the log likelihood, in parameters scaled
        free of the outcome's unit.
    min_eigenvalue : float
        Smallest eigenvalue of the observed information, scaled likewise.
    ladder : tuple of LadderStep
        The structures tried, the one in the fit last.
    messages : tuple of str
        Everything worth reading, data findings included.
    """

    status: Status
    optimiser: str
    iterations: int
    gradient_norm: float
    min_eigenvalue: float
    ladder: tuple[LadderStep, ...] = ()
    messages: tuple[str, ...] = ()

    @property
    def converged(self) -> bool:
        """Whether the fit may be used."""
        return self.status == "converged"


def data_messages(
    design: Design, aliased: BoolArray, further: Sequence[str] = ()
) -> list[str]:
    """Put together what was noticed in the data and in the model matrix."""
    messages = [*design.messages, *further]
    names = [design.columns[j] for j in np.flatnonzero(aliased)]
    if names:
        messages += _empty_cells(design)
        messages.append(
            "columns that repeat earlier ones have no coefficient: " + ", ".join(names)
        )
    return messages


def _empty_cells(design: Design) -> list[str]:
    """Name the combinations of two interacting factors that no record has."""
    found: dict[str, None] = {}
    for term in design.spec.terms:
        names = [str(f) for f in term.factors if str(f) in design.factors]
        for i, b in enumerate(names):
            for a in names[:i]:
                present = set(zip(design.frame[a], design.frame[b], strict=True))
                for x in design.factors[a]:
                    for y in design.factors[b]:
                        if (x, y) not in present:
                            found[f"no record has {a} {x!r} and {b} {y!r}"] = None
    return list(found)
