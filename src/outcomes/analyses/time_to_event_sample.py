"""The rows that survival models read, plain or weighted, and how failures are said."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from outcomes.analyses.time_to_event_data import EVENT, TIME, EventData
from outcomes.ard.rows import ArdRows
from outcomes.errors import ConvergenceFailure, DataError, ModelError
from outcomes.study.analyses import TimeToEvent
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

T = TypeVar("T")
NOT_REACHED: Final = "not reached"
NOT_FOLLOWED: Final = "not followed"
CAUSE_SPECIFIC: Final = "cause-specific: competing events are censored"
AMONG_RESPONDERS: Final = (
    "among responders only: these are not the arms as randomised, and the comparison "
    "is not a randomised one"
)
_APART: Final = "; "
"""Stands between two warnings, and thus in none."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows with a time, an event and an arm, one or several for each subject.

    Attributes
    ----------
    frame : DataFrame
        The rows; ``USUBJID``, the arm, and the columns that the rest names.
    arm : str
        Column of the arm.
    arms : tuple of str
        Arms that have rows, in the order of the study.
    missing : dict
        The other arms, and why they have none.
    control : str or None
        The arm others are compared with; None where nothing is compared.
    entry : str or None
        Column of the day after which a row is at risk.
    weights : str or None
        Column of weights.
    caveat : str
        What every comparison of arms is warned of; '' if nothing.
    said : dict
        By arm, what each of its numbers is warned of, comparisons included.
    """

    frame: Frame
    arm: str
    arms: tuple[str, ...]
    missing: dict[str, str]
    control: str | None
    entry: str | None = None
    weights: str | None = None
    caveat: str = ""
    said: dict[str, list[str]] = field(default_factory=dict)

    @property
    def weighted(self) -> bool:
        """Whether rows are weighted."""
        return self.weights is not None

    @property
    def columns(self) -> dict[str, Any]:
        """The columns as the models name them."""
        named = {"time": TIME, "event": EVENT}
        if not self.weighted:
            return named
        further = {"entry": self.entry, "weights": self.weights}
        return {**named, **further, "subject": "USUBJID"}

    @property
    def compared(self) -> list[str]:
        """The arms that are compared with control, those without rows too."""
        if self.control is None:
            return []
        every = [*self.arms, *self.missing]
        return [arm for arm in every if arm != self.control]

    def of(self, *arms: str) -> Frame:
        """Return the rows of some arms."""
        keep = self.frame[self.arm].isin(arms)
        return self.frame[keep].reset_index(drop=True)

    def n(self, *arms: str) -> int:
        """Count the subjects of some arms, of all without any."""
        rows = self.of(*arms) if arms else self.frame
        return int(rows["USUBJID"].nunique())

    def events(self, arm: str) -> int:
        """Count the events of an arm, unweighted."""
        return int(self.of(arm)[EVENT].sum())

    def at_risk(self, arm: str, day: float) -> int:
        """Count the subjects of an arm at risk just before a day, unweighted."""
        rows = self.of(arm)
        there = rows[TIME] >= day
        if self.entry is not None:
            there &= rows[self.entry] < day
        return int(rows.loc[there, "USUBJID"].nunique())

    def why_not(self, *arms: str) -> str:
        """Say why arms cannot be compared; '' if they can."""
        return "; ".join(self.missing[arm] for arm in arms if arm in self.missing)

    def warning_of(self, ard: ArdRows, *arms: str) -> ArdRows:
        """Return a view with what numbers of some arms are warned of."""
        return warned(ard, *(word for arm in arms for word in self.said.get(arm, [])))

    def comparing(self, ard: ArdRows, *arms: str) -> ArdRows:
        """Return a view with what a comparison of some arms is warned of."""
        return self.warning_of(warned(ard, self.caveat), *arms)

    def last_followed(self, arm: str) -> float:
        """Return the day up to which survival of an arm is known.

        Infinite where the largest time is an event of everybody then at risk: survival
        is 0 from there on.
        """
        rows = self.of(arm)
        last = float(rows[TIME].max())
        censored = (rows[TIME] == last) & (rows[EVENT] == 0)
        return last if censored.any() else math.inf


def plain_sample(spec: Study, data: EventData) -> Sample:
    """Return everybody at risk, one row each."""
    there = data.arms
    missing = {
        arm: f"no subject of arm {arm} in {data.people.population} is at risk"
        for arm in data.people.arms
        if arm not in there
    }
    return Sample(
        frame=data.frame,
        arm=data.people.arm_variable,
        arms=tuple(there),
        missing=missing,
        control=control_of(spec, data),
        caveat=AMONG_RESPONDERS if data.endpoint.origin == "first-response" else "",
    )


def control_of(spec: Study, data: EventData) -> str | None:
    """Return the arm others are compared with, None in a single-arm study."""
    if spec.control is None or len(data.people.arms) == 1:
        return None
    return spec.control.id


def method_of(base: str, sample: Sample) -> str:
    """Return a method's id: that of the weighted one where rows are."""
    return f"{base}-weighted" if sample.weighted else base


def warned(ard: ArdRows, *words: str) -> ArdRows:
    """Return a view with further warnings behind those it has, each once."""
    said = str(ard.default("warning")).split(_APART)
    said += [word.replace(_APART, ", ") for word in words]
    return ard.at(warning=_APART.join(dict.fromkeys(word for word in said if word)))


def without_warning(ard: ArdRows, words: str) -> ArdRows:
    """Return a view that lacks a warning."""
    said = str(ard.default("warning")).split(_APART)
    return ard.at(warning=_APART.join(word for word in said if word != words))


def tried(compute: Callable[[], T]) -> tuple[T | None, str]:
    """Compute something; return it, or None and why it cannot be."""
    import numpy as np

    try:
        return compute(), ""
    except (ModelError, DataError, ConvergenceFailure) as problem:
        return None, str(problem)
    except np.linalg.LinAlgError as problem:
        return None, f"the linear algebra broke down ({problem})"


def attempt(
    compute: Callable[[], T], ard: ArdRows, places: Iterable[Mapping[str, Any]]
) -> T | None:
    """Compute something, or write why it could not be in the places of its results.

    Parameters
    ----------
    compute : callable
        What is tried.
    ard : ArdRows
        Where errors go.
    places : iterable of mapping
        Columns of the error rows.

    Returns
    -------
    object or None
        None if it failed.
    """
    found, reason = tried(compute)
    if reason:
        for place in places:
            ard.fail(reason, **place)
    return found


def add_limits(
    ard: ArdRows,
    row: Mapping[Any, Any],
    conf_level: float,
    transform: Callable[[float], float] = float,
) -> None:
    """Add those limits that exist."""
    for name in ("conf_low", "conf_high"):
        value = transform(row[name])
        if math.isfinite(value):
            ard.add(name, value, conf_level=conf_level)


def add_known(ard: ArdRows, row: Mapping[Any, Any], *names: str) -> None:
    """Add those statistics that are numbers."""
    for name in names:
        if name in row and math.isfinite(row[name]):
            ard.add(name, row[name])


def add_or_say(ard: ArdRows, statistic: str, value: float, words: str) -> None:
    """Add a number, or words where it is none."""
    if math.isfinite(value):
        ard.add(statistic, value)
    else:
        ard.add(statistic, text=words)


def exponential(value: float) -> float:
    """Return the exponential, infinite where it is too large."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def horizon_of(analysis: TimeToEvent, sample: Sample) -> tuple[float, str]:
    """Return the horizon of restricted means, and a warning where it had to give way.

    It is not after the day up to which survival is known in every arm.
    """
    wanted = float(analysis.horizon)
    ends = {arm: sample.last_followed(arm) for arm in sample.arms}
    first = min(ends, key=lambda arm: ends[arm])
    if ends[first] >= wanted:
        return wanted, ""
    return ends[first], (
        f"horizon {ends[first]:g} days in place of {wanted:g}: arm {first} is not "
        "followed longer"
    )
