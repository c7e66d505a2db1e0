"""The job list of a comparison: what stands side by side, made of results of studies.

A plan as `outcomes.plan` makes one of a study; the studies are planned there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from outcomes.comparison.files import display_outputs
from outcomes.comparison.load import ComparisonFile, Member, load_comparison
from outcomes.plan import Job, orphans_of
from outcomes.provenance.digests import digest
from outcomes.provenance.sources import Sources

STEPS = ("display", "report", "manifest")
"""What `outcomes across` does, in this order."""

_SECTIONS = (
    "arms",
    "endpoints",
    "estimands",
    "origin",
    "populations",
    "study",
    "visits",
)
"""Of each study file, beside its analysis: whom and what the words are about."""
_WORKER = {
    "display": "outcomes.displays.across",
    "report": "outcomes.report.across",
    "manifest": "outcomes.provenance.manifest",
}


class ComparisonPlan:
    """The jobs of one comparison, in an order in which they can run.

    Inputs of another study begin with ``../``: they lie in its results folder, beside
    that of the comparison.
    """

    def __init__(self, comparison: ComparisonFile) -> None:
        self.comparison = comparison
        self._content = comparison.spec.model_dump(mode="json")
        self._sources = Sources()

    @classmethod
    def of(cls, path: Path) -> ComparisonPlan:
        """Read a comparison file and plan it.

        Raises
        ------
        SpecError
            If it is not valid, or a study that it names.
        """
        return cls(load_comparison(path))

    @property
    def id(self) -> str:
        """The id of the comparison."""
        return self.comparison.spec.comparison.id

    @property
    def path(self) -> Path:
        """The comparison file."""
        return self.comparison.path

    @cached_property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs."""
        return tuple(self._jobs())

    @property
    def results_read(self) -> list[str]:
        """The results of studies, below the folder with the results of all."""
        return [member.ard for member in self.comparison.members]

    def job(self, step: str) -> Job:
        """Return one job."""
        return next(job for job in self.jobs if job.id == step)

    def orphans(self, results: Path) -> list[Path]:
        """Return files of an earlier plan: results that no job of this one makes."""
        return orphans_of(self.jobs, results)

    def problems_with(self, studies: Mapping[str, Path]) -> list[str]:
        """Say which studies are not among those that are run.

        Parameters
        ----------
        studies : mapping of str to Path
            Id to study file, of the studies that are run.

        Returns
        -------
        list of str
            What to add or correct, one sentence each; empty if nothing.
        """
        problems = []
        for member in self.comparison.members:
            if member.id not in studies:
                problems.append(
                    f"the study '{member.id}' is not run; add it to studies: "
                    f"{member.id}: {{study: {member.path.as_posix()}}}."
                )
            elif studies[member.id].resolve() != member.path.resolve():
                problems.append(
                    f"the study '{member.id}' is {member.path.as_posix()} here, but "
                    f"{studies[member.id].as_posix()} in studies; name the same file."
                )
        return problems

    def _jobs(self) -> Iterator[Job]:
        results = tuple(f"../{file}" for file in self.results_read)
        shown = tuple(display_outputs(self.id))
        yield self._job("display", results, shown)
        yield self._job("report", (*results, *shown), ("report.html",))
        yield self._job(
            "manifest", (*results, *shown, "report.html"), ("manifest.json",)
        )

    def _job(self, step: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Job:
        return Job(
            stage="across",
            id=step,
            raw=(),
            inputs=inputs,
            outputs=outputs,
            spec=digest(self._slice()),
            data=digest({}),
            code=digest([self._sources.digest(_WORKER[step])]),
        )

    def _slice(self) -> dict[str, Any]:
        """Return what the jobs read: the comparison, and of each study its words."""
        members = [_slice_of(member) for member in self.comparison.members]
        return {**self._content, "studies": members}


def _slice_of(member: Member) -> dict[str, Any]:
    content = member.spec.model_dump(mode="json")
    analysis = member.analysis.model_dump(mode="json", exclude={"accept_error"})
    return {**{name: content[name] for name in _SECTIONS}, "analysis": analysis}
