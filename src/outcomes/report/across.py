"""Writes the page of a comparison: its displays, and the results of each study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from outcomes.comparison.files import display_files
from outcomes.comparison.load import ComparisonFile, Member
from outcomes.comparison.results import compared_results
from outcomes.datasets.store import atomic
from outcomes.errors import RenderError
from outcomes.report.appendix import Part, part_of
from outcomes.report.collect import Display, read_display
from outcomes.report.page import filled, prepared
from outcomes.report.titles import analysis_title
from outcomes.study.displays import population_words
from outcomes.study.event_words import events_words


@dataclass(frozen=True, slots=True)
class StudyLine:
    """One study of the comparison, in the words of its study file."""

    id: str
    title: str
    compound: str
    indication: str
    design: str
    arms: str
    population: str
    definition: str
    analysis: str
    label: str


def write_across(comparison: ComparisonFile, results: Path, out: Path) -> None:
    """Write ``report.html`` into the results folder of a comparison.

    Parameters
    ----------
    comparison : ComparisonFile
        The comparison.
    results : Path
        Folder with the results of the studies, one folder each.
    out : Path
        Results folder of the comparison, with its ``tables`` and ``figures``.

    Raises
    ------
    DataError
        If the results of a study are absent, no ARD, or of another study or analysis.
    RenderError
        If a display is absent or of another comparison, or shows a number that is not
        in the results.
    """
    frames = compared_results(comparison, results)
    appendix: list[Part] = [
        part_of(m.analysis.id, _study_title(m), frames[m.id])
        for m in comparison.members
    ]
    known = {line.result_id for part in appendix for line in part.lines}
    displays = [prepared(display, known) for display in _displays(comparison, out)]
    html = filled(
        "across.html.j2",
        info=comparison.spec.comparison,
        days=comparison.spec.ordered_days,
        synthetic=any(m.spec.study.synthetic for m in comparison.members),
        all_synthetic=all(m.spec.study.synthetic for m in comparison.members),
        studies=[_line(member) for member in comparison.members],
        displays=displays,
        appendix=appendix,
        count=sum(len(part.lines) for part in appendix),
    )
    with atomic(out / "report.html") as stream:
        stream.write(html)


def _study_title(member: Member) -> str:
    return f"{member.id}: {analysis_title(member.spec, member.analysis)}"


def _displays(comparison: ComparisonFile, out: Path) -> list[Display]:
    id = comparison.spec.comparison.id
    found = []
    for name, kind in display_files(id):
        path = out / f"{kind}s" / f"{name}.json"
        display = read_display(path)
        if (display.study, display.id, display.kind) != (id, name, kind):
            raise RenderError(
                f"{path}: this is the {display.kind} {display.id} of {display.study}, "
                f"not the {kind} {name} of {id}; make the displays again."
            )
        found.append(display)
    return found


def _line(member: Member) -> StudyLine:
    spec, info = member.spec, member.spec.study
    single = info.design == "single-arm"
    return StudyLine(
        id=info.id,
        title=info.title,
        compound=info.compound,
        indication=info.indication,
        design="single-arm" if single else "parallel-group, randomised",
        arms=", ".join(arm.label for arm in spec.arms),
        population=population_words(member.population, enrolled=single),
        definition=" ".join(events_words(spec, member.endpoint)),
        analysis=analysis_title(spec, member.analysis),
        label="PRE-SPECIFIED" if member.analysis.prespecified else "EXPLORATORY",
    )
