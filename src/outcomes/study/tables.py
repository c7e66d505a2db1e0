"""Which tables a study's sources give, known without reading any of them."""

from __future__ import annotations

from outcomes.study.spec import Study

OPTIONAL = ("ex", "ds", "dv", "ae", "cm", "pr")


def tables_of(spec: Study) -> list[str]:
    """Return the names of the SDTM tables that ingest writes, in a fixed order.

    Parameters
    ----------
    spec : Study
        A study; only its ``sources`` are looked at.

    Returns
    -------
    list of str
        ``dm``, ``suppdm``, those of ``ex ds dv ae cm pr`` that have a source, ``qs``.
    """
    given = [name for name in OPTIONAL if getattr(spec.sources, name) is not None]
    return ["dm", "suppdm", *given, "qs"]
