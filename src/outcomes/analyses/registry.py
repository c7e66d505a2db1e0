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
    "time-to-event": "outcomes.analyses.time_to_event",
    "predicts-outcome": "outcomes.analyses.predicts_outcome",
}
"""Each has ``analyse(spec, analysis, *datasets, ard) -> None``."""

_USUAL: Final = ("adsl", "adqs")
_READS: Final = {"time-to-event": ("adsl", "adqs", "adtte")}


def datasets_of(question: str) -> tuple[str, ...]:
    """Name the ADaM datasets that the module of a question reads, in its order."""
    return _READS.get(question, _USUAL)
