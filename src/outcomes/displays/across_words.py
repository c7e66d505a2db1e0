"""What the displays of several studies say about themselves."""

from __future__ import annotations

from typing import Final, Literal

from outcomes.comparison.files import display_id
from outcomes.comparison.kinds import instruments_of, kind_of_event
from outcomes.comparison.load import ComparisonFile, Member
from outcomes.displays.description import Grid, Heading
from outcomes.displays.numbers import ABSENT, NOT_ESTIMABLE, NOT_REACHED
from outcomes.displays.samples import FEW_NOTE
from outcomes.study.displays import population_words
from outcomes.study.event_words import events_words

NOT_FOLLOWED: Final = "not followed"

_CAUTION = (
    "This is no randomised comparison. The studies may differ in population,"
    " indication, arms, design, definition of the event and length of follow-up;"
    " nothing is pooled, and no test is made between studies. Read the definitions"
    " before setting one study beside another."
)
_SCALE = (
    "Kaplan-Meier estimates of each study, by arm. Days count from the origin of each"
    " study, which is day 1, so that the days elapsed since it are one fewer. N: the"
    " analysis population. At risk, beside N: subjects of the population with a time at"
    " risk; at a day: subjects followed without event until just before it. Events: up"
    " to and including the day. Median of the days followed: reverse Kaplan-Meier"
    " method."
)


def heading_across(
    comparison: ComparisonFile, kind: Literal["table", "figure"]
) -> Heading:
    """Return the heading of a display: what no study has planned is exploratory."""
    info = comparison.spec.comparison
    table = kind == "table"
    counted = "numbers at risk and estimates" if table else "estimates"
    return Heading(
        id=display_id(info.id, kind),
        analysis=info.id,
        kind=kind,
        number="1",
        name="Table 1" if table else "Figure 1",
        title=f"{info.title}: {counted} by study, at declared days",
        population="The analysis population of each study, as its study file says",
        label="EXPLORATORY",
        synthetic=any(m.spec.study.synthetic for m in comparison.members),
    )


def definitions_across(comparison: ComparisonFile) -> tuple[str, ...]:
    """Say of whom and what the numbers of each study are, in the words of its file."""
    said = []
    for member in comparison.members:
        single = member.spec.study.design == "single-arm"
        people = population_words(member.population, enrolled=single)
        words = " ".join(events_words(member.spec, member.endpoint))
        said.append(f"{name_of(member)} ({member.id}). {people}. {words}")
    return tuple(said)


def name_of(member: Member) -> str:
    """Return what a study is called: compound and indication."""
    info = member.spec.study
    return f"{info.compound[:1].upper()}{info.compound[1:]}, {info.indication}"


def footnotes_across(
    comparison: ComparisonFile, grid: Grid, *, few: bool
) -> tuple[str, ...]:
    """Return the footnotes that both displays have.

    ``few`` says that limits at a shown day rest on few subjects.
    """
    members = comparison.members
    notes = [_CAUTION, *_within(members), *_differences(members), _SCALE]
    notes += [FEW_NOTE] * few + _legend(grid)
    notes += comparison.spec.comparison.footnotes
    synthetic = [m.id for m in members if m.spec.study.synthetic]
    if synthetic:
        which = "" if len(synthetic) == len(members) else f" of {', '.join(synthetic)}"
        notes.append(f"Synthetic data{which}: simulated subjects, no real ones.")
    return tuple(notes)


def definitions_differ(members: tuple[Member, ...]) -> bool:
    """Tell whether the studies count different events, or differ in what ends time."""
    found = {
        (kind_of_event(member), events_words(member.spec, member.endpoint)[0])
        for member in members
    }
    return len(found) > 1


def _within(members: tuple[Member, ...]) -> list[str]:
    """Say what the arms of one study are: as randomised, or those who responded."""
    several = [member for member in members if len(member.spec.arms) > 1]
    late = [m.id for m in several if m.endpoint.origin == "first-response"]
    notes = []
    if several:
        notes.append("Tests between arms of one study are in the report of that study.")
    if late:
        notes.append(
            f"{', '.join(late)}: time begins with the first response, so that even the"
            " arms within a study consist of responders only and are not those"
            " randomised."
        )
    return [" ".join(notes)] if notes else []


def _differences(members: tuple[Member, ...]) -> list[str]:
    """Say in what the definitions of the studies differ."""
    notes = []
    kinds: dict[tuple[object, ...], list[str]] = {}
    for member in members:
        kinds.setdefault(kind_of_event(member), []).append(member.id)
    if len(kinds) > 1:
        alike = "; ".join(", ".join(ids) for ids in kinds.values())
        notes.append(
            "Warning: the studies count different kinds of events, or count time from"
            f" different origins (alike within each of these: {alike}). Table 1"
            " has the definitions among its footnotes."
        )
    instruments = instruments_of(members)
    if len({frozenset(instruments_of([member])) for member in members}) > 1:
        notes.append(
            f"Events are judged on different scales: {', '.join(instruments)}."
        )
    return notes


def _legend(grid: Grid) -> list[str]:
    marks = [part.text for cell in grid.cells() for part in cell.parts]
    meanings = (
        (NOT_FOLLOWED, "the day is after the last one observed in the arm"),
        (NOT_REACHED, "not reached"),
        (NOT_ESTIMABLE, "not estimable"),
        (ABSENT, "not available"),
    )
    said = [f"{mark}, {meaning}" for mark, meaning in meanings if mark in marks]
    return ["; ".join([*said, "CI, confidence interval"]) + "."]
