"""The questionnaires this package knows: one YAML file each."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml

from outcomes.errors import SpecError, one_of
from outcomes.instruments.definition import Instrument

READS = ("instruments/definitions/*.yaml",)


@cache
def _definitions() -> dict[str, Instrument]:
    folder = files("outcomes.instruments") / "definitions"
    found = {}
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".yaml"):
            content = yaml.safe_load(entry.read_text(encoding="utf-8"))
            definition = Instrument.model_validate(content)
            found[definition.id] = definition
    return found


def instrument_ids() -> list[str]:
    """Return the ids of all known instruments."""
    return list(_definitions())


def instrument(id: str) -> Instrument:
    """Return the definition of an instrument.

    Raises
    ------
    SpecError
        If there is none of that id; the message lists those there are.
    """
    try:
        return _definitions()[id]
    except KeyError:
        raise SpecError(one_of(id, instrument_ids(), name="instrument")) from None
