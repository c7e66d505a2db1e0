"""Statistical models: frames in, frozen fits out.

Names are imported when they are first used, so that importing this package is cheap.
Inside `outcomes`, import from the defining module instead.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from outcomes.models.comparisons import contrasts, joint_test
    from outcomes.models.estimates import Estimates
    from outcomes.models.means import emmeans
    from outcomes.models.mmrm.fit import fit_mmrm
    from outcomes.models.mmrm.results import MmrmFit
    from outcomes.models.proportions import two_proportions, wilson
    from outcomes.models.tables import glance, tidy

_HOMES: Final = {
    "Estimates": "estimates",
    "MmrmFit": "mmrm.results",
    "contrasts": "comparisons",
    "emmeans": "means",
    "fit_mmrm": "mmrm.fit",
    "glance": "tables",
    "joint_test": "comparisons",
    "tidy": "tables",
    "two_proportions": "proportions",
    "wilson": "proportions",
}

__all__ = [
    "Estimates",
    "MmrmFit",
    "contrasts",
    "emmeans",
    "fit_mmrm",
    "glance",
    "joint_test",
    "tidy",
    "two_proportions",
    "wilson",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
