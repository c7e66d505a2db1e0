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
    from outcomes.models.mmrm.draws import draw_parameters
    from outcomes.models.mmrm.fit import fit_mmrm
    from outcomes.models.mmrm.influence import leave_one_out
    from outcomes.models.mmrm.prediction import conditional_mean, predict
    from outcomes.models.mmrm.residuals import residuals
    from outcomes.models.mmrm.results import MmrmFit
    from outcomes.models.proportions import two_proportions, wilson
    from outcomes.models.tables import glance, tidy
    from outcomes.models.term_tests import anova

_HOMES: Final = {
    "Estimates": "estimates",
    "MmrmFit": "mmrm.results",
    "anova": "term_tests",
    "conditional_mean": "mmrm.prediction",
    "contrasts": "comparisons",
    "draw_parameters": "mmrm.draws",
    "emmeans": "means",
    "fit_mmrm": "mmrm.fit",
    "glance": "tables",
    "joint_test": "comparisons",
    "leave_one_out": "mmrm.influence",
    "predict": "mmrm.prediction",
    "residuals": "mmrm.residuals",
    "tidy": "tables",
    "two_proportions": "proportions",
    "wilson": "proportions",
}

__all__ = [
    "Estimates",
    "MmrmFit",
    "anova",
    "conditional_mean",
    "contrasts",
    "draw_parameters",
    "emmeans",
    "fit_mmrm",
    "glance",
    "joint_test",
    "leave_one_out",
    "predict",
    "residuals",
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
