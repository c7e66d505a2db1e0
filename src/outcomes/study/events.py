"""Endpoints that are times: what counts as the event, from when, and what ends it.

What each key means, with the presets and their sources: ``docs/methods/times.md``.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from outcomes.study.base import Key, Name, Once, Section, Text

EventPreset = Literal["sustain-1-relapse", "comp004-event"]
"""Published rules for relapse that an endpoint may take."""

MEDICATION_CATEGORY: Final = "RESCUE"


class EventRule(Section):
    """One way in which an event is recorded; ``label`` is its EVNTDESC."""

    label: Text | None = None


class Criterion(EventRule):
    """A yes/no endpoint has a value at ``assessments`` consecutive assessments.

    ``apart`` are the fewest and most days between two of them. The event is dated by
    the first of them, or by the ``confirming`` one.
    """

    kind: Literal["criterion"]
    endpoint: Key
    equals: Literal["Y", "N"] = "Y"
    assessments: int = Field(1, ge=1, le=10)
    apart: tuple[int, int] | None = Field(None, strict=False)
    dated: Literal["first", "confirming"] = "first"


class AdverseEvent(EventRule):
    """An adverse event of one of several dictionary terms, ``serious`` ones only."""

    kind: Literal["adverse-event"]
    terms: Once[Text] = Field(min_length=1)
    serious: bool = False


class Medication(EventRule):
    """The start of a medication of one of several categories (CMCAT)."""

    kind: Literal["medication"]
    categories: Once[Text] = Field(
        default_factory=lambda: [MEDICATION_CATEGORY], min_length=1
    )


class Withdrawal(EventRule):
    """Leaving the study or its follow-up, for one of ``reasons`` if there are any."""

    kind: Literal["withdrawal"]
    reasons: Once[Text] = Field(default_factory=list)


AnyEventRule = Annotated[
    Criterion | AdverseEvent | Medication | Withdrawal, Field(discriminator="kind")
]


class PresetRule(Section):
    """A published rule, with what may be changed in it.

    ``endpoint`` is the yes/no endpoint that says that symptoms are back; ``terms`` and
    ``apart`` stand in place of those of the preset.
    """

    name: EventPreset
    endpoint: Key
    terms: Once[Text] | None = None
    assessments: int | None = Field(None, ge=1, le=10)
    apart: tuple[int, int] | None = Field(None, strict=False)


class TimeToEventEndpoint(Section):
    """Days from an origin to the first of several events.

    ``origin: first-response`` is the first assessment with a yes to ``response``;
    who never has one is not at risk. An event of ``competing`` ends the time at risk
    as an outcome of its own, one of ``censoring`` without any. ``censor`` says how long
    somebody without an event is known to be free of it.
    """

    kind: Literal["time-to-event"]
    paramcd: Name
    origin: Literal["randomisation", "first-dose", "first-response"] = "first-dose"
    response: Key | None = None
    preset: PresetRule | None = None
    events: list[AnyEventRule] = Field(default_factory=list)
    competing: list[AnyEventRule] = Field(default_factory=list)
    censoring: list[AnyEventRule] = Field(default_factory=list)
    censor: Literal["last-assessment", "end-of-study"] | None = None
    label: Text | None = None

    @property
    def rules(self) -> list[AnyEventRule]:
        """The events, those of the preset first."""
        return [*(preset_rules(self.preset) if self.preset else []), *self.events]

    @property
    def everything(self) -> list[AnyEventRule]:
        """All rules: events, competing events, censoring events."""
        return [*self.rules, *self.competing, *self.censoring]

    @property
    def parts(self) -> list[str]:
        """The yes/no endpoints that the rules and the origin read."""
        read = [
            rule.endpoint for rule in self.everything if isinstance(rule, Criterion)
        ]
        return list(dict.fromkeys([*read, *([self.response] if self.response else [])]))

    @property
    def settled_censor(self) -> Literal["last-assessment", "end-of-study"]:
        """``censor``; by default the last assessment where one can be the event."""
        if self.censor is not None:
            return self.censor
        seen = any(isinstance(rule, Criterion) for rule in self.rules)
        return "last-assessment" if seen else "end-of-study"


_SUICIDAL: Final = (
    "Completed suicide",
    "Suicide attempt",
    "Suicidal behaviour",
    "Suicidal ideation",
    "Intentional self-injury",
    "Depression suicidal",
)
_WORSENING: Final = (
    "Depression",
    "Major depression",
    "Depressed mood",
    "Hospitalisation",
)


def preset_rules(preset: PresetRule) -> list[AnyEventRule]:
    """Return the rules of a preset.

    ``sustain-1-relapse``: symptoms at two consecutive assessments 5 to 15 days apart,
    or a serious suicidal or worsening event (Daly et al., JAMA Psychiatry
    2019;76:893-903). ``comp004-event``: symptoms at one assessment, a medication
    started, or such an event (the follow-up of Goodwin et al., N Engl J Med
    2022;387:1637-1648). Which terms are meant is not published: ``terms`` says.
    """
    confirmed = preset.name == "sustain-1-relapse"
    terms = list(preset.terms or (*_SUICIDAL, *_WORSENING))
    rules: list[AnyEventRule] = [
        Criterion(
            kind="criterion",
            endpoint=preset.endpoint,
            assessments=preset.assessments or (2 if confirmed else 1),
            apart=preset.apart or ((5, 15) if confirmed else None),
            label="Symptoms back",
        ),
        AdverseEvent(
            kind="adverse-event",
            terms=terms,
            serious=True,
            label=_serious_label(terms),
        ),
    ]
    if not confirmed:
        rules.append(Medication(kind="medication", label="Medication started"))
    return rules


def _serious_label(terms: list[str]) -> str:
    """Name the adverse events of a preset by what its terms can be."""
    suicidal = {term.casefold() for term in _SUICIDAL}
    if all(" ".join(term.split()).casefold() in suicidal for term in terms):
        return "Serious suicidal event"
    return "Hospitalisation or suicidal event"
