"""What a result was made from: source digests, environment, manifest.

Only the standard library is imported here, because the planner asks for digests each
time the workflow is read. The names below load on first use; inside the package import
them from the module that defines them, so that the source digest sees it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outcomes.provenance.digests import digest, file_digest, seed
    from outcomes.provenance.installation import environment, run_facts
    from outcomes.provenance.manifest import JobRecord, write_manifest
    from outcomes.provenance.sources import Sources, closure, source_digest

__all__ = [
    "JobRecord",
    "Sources",
    "closure",
    "digest",
    "environment",
    "file_digest",
    "run_facts",
    "seed",
    "source_digest",
    "write_manifest",
]

_DEFINED_IN = {
    "JobRecord": "manifest",
    "Sources": "sources",
    "closure": "sources",
    "digest": "digests",
    "environment": "installation",
    "file_digest": "digests",
    "run_facts": "installation",
    "seed": "digests",
    "source_digest": "sources",
    "write_manifest": "manifest",
}


def __getattr__(name: str) -> object:
    if name not in _DEFINED_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_DEFINED_IN[name]}"), name)
