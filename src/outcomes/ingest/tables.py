"""The tables that ingest writes; known to other stages as `outcomes.study.tables`."""

from __future__ import annotations

from outcomes.study.tables import OPTIONAL, tables_of

__all__ = ["OPTIONAL", "tables_of"]
