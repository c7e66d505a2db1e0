"""What the displays of several studies say about themselves."""

from __future__ import annotations

from typing import Final, Literal

from outcomes.comparison.files import display_id
from outcomes.comparison.kinds import instruments_of, kind_of_event
from outcomes.comparison.load import ComparisonFile, Member
from outcomes.displays.description import Grid, Heading
from outcomes.displays.numbers import ABSENT, NOT_ESTIMABLE, NOT_REACHED
from outcomes.study.displays import population_words
from outcomes.study.event_words import events_words

NOT_FOLLOWED: Final = "not followed"

_CAUTION = (
    "This is no randomised comparison. The studies differ in population, indication,"
    " arms, design, definition of the event and length of follow-up; nothing is pooled,"
    " and no test is made between studies. Within a study, compare arms; between"
    " studies, read definitions first."
)
_SCALE = (
    "Kaplan-Meier estimates of each study, by arm. Days count from the origin of each"
    " study, which is day 1. N: the analysis population. At risk: beside N, who of it"
    " has a time at all; below a day, who is followed without event just before it."
    " Events: through the day."
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


def footnotes_across(comparison: ComparisonFile, grid: Grid) -> tuple[str, ...]:
    """Return the footnotes that both displays have."""
    members = comparison.members
    notes = [_CAUTION, *_differences(members), _SCALE, *_legend(grid)]
    notes += comparison.spec.comparison.footnotes
    synthetic = [m.id for m in members if m.spec.study.synthetic]
    if synthetic:
        which = "" if len(synthetic) == len(members) else f" of {', '.join(synthetic)}"
        notes.append(f"Synthetic data{which}: simulated subjects, no real ones.")
    return tuple(notes)


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
    if len(instruments) > 1:
        notes.append(
            f"Events are judged on different scales: {', '.join(instruments)}."
        )
    return notes


def _legend(grid: Grid) -> list[str]:
    marks = [part.text for cell in grid.cells() for part in cell.parts]
    meanings = (
        (NOT_FOLLOWED, "nobody of the arm is at risk, so that there is no estimate"),
        (NOT_REACHED, "not reached"),
        (NOT_ESTIMABLE, "not estimable"),
        (ABSENT, "not available"),
    )
    said = [f"{mark}, {meaning}" for mark, meaning in meanings if mark in marks]
    return ["; ".join([*said, "CI, confidence interval"]) + "."]
