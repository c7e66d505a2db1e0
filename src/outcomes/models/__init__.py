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
    from outcomes.models.g_computation import Standardised, standardise
    from outcomes.models.gee.fit import fit_gee
    from outcomes.models.gee.results import GeeFit
    from outcomes.models.logistic.fit import fit_logistic
    from outcomes.models.logistic.results import LogisticFit
    from outcomes.models.means import emmeans
    from outcomes.models.mixed.blups import random_effects
    from outcomes.models.mixed.glmm.fit import fit_glmm
    from outcomes.models.mixed.glmm.results import GlmmFit
    from outcomes.models.mixed.lmm import fit_lmm
    from outcomes.models.mixed.results import LmmFit
    from outcomes.models.mixed.variance import component_tests, icc, variance_components
    from outcomes.models.mmrm.draws import draw_parameters
    from outcomes.models.mmrm.fit import fit_mmrm
    from outcomes.models.mmrm.influence import leave_one_out
    from outcomes.models.mmrm.prediction import conditional_mean, predict
    from outcomes.models.mmrm.residuals import residuals
    from outcomes.models.mmrm.results import MmrmFit
    from outcomes.models.profiles import profile_intervals
    from outcomes.models.proportions import two_proportions, wilson
    from outcomes.models.tables import glance, tidy
    from outcomes.models.term_tests import anova

_HOMES: Final = {
    "Estimates": "estimates",
    "GeeFit": "gee.results",
    "GlmmFit": "mixed.glmm.results",
    "LmmFit": "mixed.results",
    "LogisticFit": "logistic.results",
    "MmrmFit": "mmrm.results",
    "Standardised": "g_computation",
    "anova": "term_tests",
    "component_tests": "mixed.variance",
    "conditional_mean": "mmrm.prediction",
    "contrasts": "comparisons",
    "draw_parameters": "mmrm.draws",
    "emmeans": "means",
    "fit_gee": "gee.fit",
    "fit_glmm": "mixed.glmm.fit",
    "fit_lmm": "mixed.lmm",
    "fit_logistic": "logistic.fit",
    "fit_mmrm": "mmrm.fit",
    "glance": "tables",
    "icc": "mixed.variance",
    "joint_test": "comparisons",
    "leave_one_out": "mmrm.influence",
    "predict": "mmrm.prediction",
    "profile_intervals": "profiles",
    "random_effects": "mixed.blups",
    "residuals": "mmrm.residuals",
    "standardise": "g_computation",
    "tidy": "tables",
    "two_proportions": "proportions",
    "variance_components": "mixed.variance",
    "wilson": "proportions",
}

__all__ = [
    "Estimates",
    "GeeFit",
    "GlmmFit",
    "LmmFit",
    "LogisticFit",
    "MmrmFit",
    "Standardised",
    "anova",
    "component_tests",
    "conditional_mean",
    "contrasts",
    "draw_parameters",
    "emmeans",
    "fit_gee",
    "fit_glmm",
    "fit_lmm",
    "fit_logistic",
    "fit_mmrm",
    "glance",
    "icc",
    "joint_test",
    "leave_one_out",
    "predict",
    "profile_intervals",
    "random_effects",
    "residuals",
    "standardise",
    "tidy",
    "two_proportions",
    "variance_components",
    "wilson",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
