"""Endpoints of the study file: changes, yes/no criteria, and what is made of them."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from outcomes.study.base import Code, Key, Name, Once, Section, Text
from outcomes.study.events import TimeToEventEndpoint

Strategy = Literal["treatment-policy", "hypothetical", "composite"]
"""How an estimand meets an intercurrent event."""

_STRATEGY: Final[dict[str, Strategy]] = {
    "failure": "composite",
    "ignore": "treatment-policy",
    "missing": "hypothetical",
}


class ChangeEndpoint(Section):
    """Change from baseline of a score."""

    kind: Literal["change"]
    instrument: Text
    score: Key
    label: Text | None = None


class ResponseEndpoint(Section):
    """A reduction by ``reduction`` per cent of baseline, or by ``points``.

    ``strict`` asks for more than that, not at least that.
    """

    kind: Literal["response"]
    paramcd: Name
    instrument: Text
    score: Key
    reduction: int | None = Field(None, gt=0, le=100)
    points: int | None = Field(None, gt=0, le=100_000)
    strict: bool = False
    label: Text | None = None


class ThresholdEndpoint(Section):
    """A score at or below (``at_most``) or at or above (``at_least``) a value."""

    kind: Literal["threshold"]
    paramcd: Name
    instrument: Text
    score: Key
    at_most: float | None = Field(None, strict=False)
    at_least: float | None = Field(None, strict=False)
    label: Text | None = None


class StatusEndpoint(Section):
    """A derived yes/no of the instrument having a value: diagnosis is N."""

    kind: Literal["status"]
    paramcd: Name
    instrument: Text
    score: Key
    equals: Literal["Y", "N"]
    label: Text | None = None


class AllOfEndpoint(Section):
    """Several yes/no endpoints at once."""

    kind: Literal["all-of"]
    paramcd: Name
    of: Once[Key] = Field(min_length=2)
    label: Text | None = None


class SustainedEndpoint(Section):
    """A yes/no endpoint that holds at every one of several visits.

    The visits are those of the schedule ``from`` one ``to`` another, or ``visits``.
    ``missed`` says what a missed visit is, ``minimum`` how many visits at least must
    be assessed where some missed visits are passed over, ``rescue`` what visits on or
    after the first rescue medication are.
    """

    kind: Literal["sustained"]
    paramcd: Name
    of: Key
    start: Code | None = Field(None, alias="from")
    end: Code | None = Field(None, alias="to")
    visits: Once[Code] = Field(default_factory=list)
    missed: Literal["failure", "single", "ignore", "missing"] = "failure"
    minimum: int | None = Field(None, ge=1, le=1000)
    rescue: Literal["failure", "ignore", "missing"] = "failure"
    label: Text | None = None

    @property
    def strategy(self) -> Strategy:
        """How rescue is met, as an estimand calls it."""
        return _STRATEGY[self.rescue]


Endpoint = Annotated[
    ChangeEndpoint
    | ResponseEndpoint
    | ThresholdEndpoint
    | StatusEndpoint
    | AllOfEndpoint
    | SustainedEndpoint
    | TimeToEventEndpoint,
    Field(discriminator="kind"),
]
