"""Which module answers which question. Light: the planner reads it."""

from __future__ import annotations

from typing import Final

MODULES: Final[dict[str, str]] = {
    "disposition": "outcomes.analyses.disposition",
    "baseline": "outcomes.analyses.baseline",
    "missingness": "outcomes.analyses.missingness",
    "change": "outcomes.analyses.change",
    "clustering": "outcomes.analyses.clustering",
    "longitudinal-responders": "outcomes.analyses.longitudinal",
    "diagnostics": "outcomes.analyses.diagnostics",
    "distribution": "outcomes.analyses.distribution",
    "responders": "outcomes.analyses.responders",
    "predicts-outcome": "outcomes.analyses.predicts_outcome",
}
"""Each has ``analyse(spec, analysis, adsl, adqs, ard) -> None``."""
