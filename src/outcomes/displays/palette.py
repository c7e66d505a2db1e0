"""How arms look: one colour and one marker each, the same in every figure."""

from __future__ import annotations

from dataclasses import dataclass

from outcomes.study.spec import Study


@dataclass(frozen=True, slots=True)
class Look:
    """Colour, marker and line of one arm."""

    colour: str
    marker: str
    dash: str


INK = "#1a1a1a"
MUTED = "#5c5c5c"
RULE = "#bdbdbd"

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Okabe and Ito's palette, told apart with every common colour vision; yellow is left
out because it is lost on white paper."""
_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES = ("solid", "dashed", "dashdot", "dotted", "solid", "dashed")


def arm_looks(spec: Study) -> dict[str, Look]:
    """Return the look of each arm, by its place in the study file."""
    return {arm.id: look_at(place) for place, arm in enumerate(spec.arms)}


def look_at(place: int) -> Look:
    """Return the look of the arm at a place; past six, colours meet new markers."""
    size = len(_COLOURS)
    shift = place // size
    return Look(
        colour=_COLOURS[place % size],
        marker=_MARKERS[(place + shift) % size],
        dash=_DASHES[(place + shift) % size],
    )
