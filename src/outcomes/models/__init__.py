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
    from outcomes.models.survival.competing_risks import (
        CumulativeIncidence,
        cumulative_incidence,
    )
    from outcomes.models.survival.cox import fit_cox
    from outcomes.models.survival.cox_inference import hazard_ratios
    from outcomes.models.survival.cox_results import CoxFit
    from outcomes.models.survival.entry import EntryWeights, entry_weights
    from outcomes.models.survival.followed import followed_rows
    from outcomes.models.survival.gray import GrayTest, gray_test
    from outcomes.models.survival.interval_censoring import Turnbull, turnbull
    from outcomes.models.survival.kaplan_meier import KaplanMeier, kaplan_meier
    from outcomes.models.survival.logrank import LogRank, logrank
    from outcomes.models.survival.rmst import rmst
    from outcomes.models.survival.schoenfeld import (
        proportional_hazards,
        schoenfeld_residuals,
    )
    from outcomes.models.tables import glance, tidy
    from outcomes.models.term_tests import anova

_HOMES: Final = {
    "CoxFit": "survival.cox_results",
    "CumulativeIncidence": "survival.competing_risks",
    "EntryWeights": "survival.entry",
    "Estimates": "estimates",
    "GeeFit": "gee.results",
    "GlmmFit": "mixed.glmm.results",
    "GrayTest": "survival.gray",
    "KaplanMeier": "survival.kaplan_meier",
    "LmmFit": "mixed.results",
    "LogRank": "survival.logrank",
    "LogisticFit": "logistic.results",
    "MmrmFit": "mmrm.results",
    "Standardised": "g_computation",
    "Turnbull": "survival.interval_censoring",
    "anova": "term_tests",
    "component_tests": "mixed.variance",
    "conditional_mean": "mmrm.prediction",
    "contrasts": "comparisons",
    "cumulative_incidence": "survival.competing_risks",
    "draw_parameters": "mmrm.draws",
    "emmeans": "means",
    "entry_weights": "survival.entry",
    "fit_cox": "survival.cox",
    "fit_gee": "gee.fit",
    "fit_glmm": "mixed.glmm.fit",
    "fit_lmm": "mixed.lmm",
    "fit_logistic": "logistic.fit",
    "fit_mmrm": "mmrm.fit",
    "followed_rows": "survival.followed",
    "glance": "tables",
    "gray_test": "survival.gray",
    "hazard_ratios": "survival.cox_inference",
    "icc": "mixed.variance",
    "joint_test": "comparisons",
    "kaplan_meier": "survival.kaplan_meier",
    "leave_one_out": "mmrm.influence",
    "logrank": "survival.logrank",
    "predict": "mmrm.prediction",
    "profile_intervals": "profiles",
    "proportional_hazards": "survival.schoenfeld",
    "random_effects": "mixed.blups",
    "residuals": "mmrm.residuals",
    "rmst": "survival.rmst",
    "schoenfeld_residuals": "survival.schoenfeld",
    "standardise": "g_computation",
    "tidy": "tables",
    "turnbull": "survival.interval_censoring",
    "two_proportions": "proportions",
    "variance_components": "mixed.variance",
    "wilson": "proportions",
}

__all__ = [
    "CoxFit",
    "CumulativeIncidence",
    "EntryWeights",
    "Estimates",
    "GeeFit",
    "GlmmFit",
    "GrayTest",
    "KaplanMeier",
    "LmmFit",
    "LogRank",
    "LogisticFit",
    "MmrmFit",
    "Standardised",
    "Turnbull",
    "anova",
    "component_tests",
    "conditional_mean",
    "contrasts",
    "cumulative_incidence",
    "draw_parameters",
    "emmeans",
    "entry_weights",
    "fit_cox",
    "fit_gee",
    "fit_glmm",
    "fit_lmm",
    "fit_logistic",
    "fit_mmrm",
    "followed_rows",
    "glance",
    "gray_test",
    "hazard_ratios",
    "icc",
    "joint_test",
    "kaplan_meier",
    "leave_one_out",
    "logrank",
    "predict",
    "profile_intervals",
    "proportional_hazards",
    "random_effects",
    "residuals",
    "rmst",
    "schoenfeld_residuals",
    "standardise",
    "tidy",
    "turnbull",
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
