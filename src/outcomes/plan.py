"""The job list of a study: inputs, outputs, command, and what a job depends on.

The Snakefile turns these jobs into rules, `outcomes run` executes them one after the
other. Neither knows anything about a study that does not stand here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from outcomes.analyses.registry import MODULES
from outcomes.displays.catalogue import (
    PlannedDisplay,
    display_problems,
    outputs_of,
    planned_displays,
)
from outcomes.errors import SpecError
from outcomes.ingest.tables import tables_of
from outcomes.provenance.digests import digest
from outcomes.provenance.sources import Sources
from outcomes.study.load import StudyFile, load_study
from outcomes.study.spec import OfEndpoint, Responders

STAGES = ("ingest", "derive", "analyse", "display", "report", "manifest", "accept")

_INGEST = (
    "arms",
    "duplicates",
    "not_randomised",
    "sources",
    "unscheduled_visits",
    "visits",
)
_DERIVE = (
    *_INGEST,
    "baseline",
    "endpoints",
    "instruments",
    "origin",
    "out_of_window",
    "populations",
    "sites",
    "unscheduled",
)
_ANALYSE = ("arms", "populations", "visits")
_DISPLAY = ("arms", "endpoints", "estimands", "populations", "study", "visits")


@dataclass(frozen=True, slots=True)
class Job:
    """One step: its files below the study's results folder, and its command.

    Attributes
    ----------
    stage : str
        One of `STAGES`, and the verb of the command.
    id : str
        Analysis or display; ``''`` for stages with one job.
    raw : tuple of str
        Raw files, below the data root.
    inputs, outputs : tuple of str
        Files below the results folder of the study, with forward slashes.
    spec : str
        Digest of the slice of the study file that the job reads.
    code : str
        Digest of the code that the job runs.
    """

    stage: str
    id: str
    raw: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    spec: str
    code: str

    @property
    def name(self) -> str:
        """Name of the job, unique in its plan."""
        return f"{self.stage}/{self.id}" if self.id else self.stage

    def command(
        self, study: Path, results: Path, data_root: Path | None = None
    ) -> list[str]:
        """Return the words of the command line behind ``python -m outcomes``.

        Parameters
        ----------
        study : Path
            The study file.
        results : Path
            The results folder of the study.
        data_root : Path, optional
            Where raw files are, if not beside the study file.
        """
        out = results.as_posix()
        words = [self.stage, study.as_posix(), *([self.id] if self.id else [])]
        match self.stage:
            case "ingest":
                words += ["--out", f"{out}/sdtm"]
            case "derive":
                words += ["--sdtm", f"{out}/sdtm", "--out", f"{out}/adam"]
            case "analyse":
                words += ["--adam", f"{out}/adam", "--out", f"{out}/ard"]
            case "display":
                words += ["--ard", f"{out}/ard", "--out", out]
            case _:
                words += ["--results", out]
        if data_root is not None and self.stage in ("ingest", "manifest"):
            words += ["--data-root", data_root.as_posix()]
        return words


class Plan:
    """The jobs of one study, in an order in which they can run."""

    def __init__(self, study: StudyFile) -> None:
        self.study = study
        self._content = study.spec.model_dump(mode="json")
        self._sources = Sources()

    @classmethod
    def of(cls, path: Path, data_root: Path | None = None) -> Plan:
        """Read a study file and plan it.

        Raises
        ------
        SpecError
            If the study file is not valid.
        """
        study = load_study(path, data_root)
        problems = display_problems(study.spec)
        if problems:
            lines = "\n".join(f"  {where}: {message}" for where, message in problems)
            raise SpecError(f"{path}: the displays cannot be planned\n{lines}")
        return cls(study)

    @cached_property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs."""
        return tuple(self._jobs())

    def job(self, stage: str, id: str = "") -> Job:
        """Return one job."""
        return next(j for j in self.jobs if (j.stage, j.id) == (stage, id))

    def ids(self, stage: str) -> list[str]:
        """Return the ids of the jobs of a stage."""
        return [job.id for job in self.jobs if job.stage == stage]

    def raw_files(self) -> tuple[str, ...]:
        """Return the raw files that exist; `outcomes ingest` reports the others."""
        sources = self.study.spec.sources
        tables = [getattr(sources, name) for name in type(sources).model_fields]
        named = [t.file for t in tables if t is not None and not isinstance(t, list)]
        named += [source.file for source in sources.qs]
        return tuple(
            file for file in dict.fromkeys(named) if self.study.raw(file).is_file()
        )

    def _jobs(self) -> Iterator[Job]:
        spec = self.study.spec
        sdtm = tuple(f"sdtm/{name}.parquet" for name in tables_of(spec))
        yield self._job(
            "ingest",
            raw=self.raw_files(),
            outputs=(*sdtm, "sdtm/issues.csv"),
            spec=self._slice(*_INGEST),
        )
        adam = ("adam/adsl.parquet", "adam/adqs.parquet")
        yield self._job(
            "derive",
            inputs=(*sdtm, "sdtm/issues.csv"),
            outputs=(*adam, "adam/issues.csv"),
            spec=self._slice(*_DERIVE),
        )
        ards = []
        for analysis in spec.analyses:
            ards.append(f"ard/{analysis.id}.parquet")
            yield self._job(
                "analyse",
                analysis.id,
                inputs=adam,
                outputs=(ards[-1],),
                spec=self._analysis_slice(analysis.id),
                modules=(MODULES[analysis.question],),
            )
        shown = []
        for display in planned_displays(spec):
            shown += outputs_of(display)
            yield self._display_job(display)
        yield self._job(
            "report",
            inputs=(*ards, *shown, "adam/issues.csv"),
            outputs=("report.html",),
            spec=self._slice(*self._content),
        )
        yield self._job(
            "manifest",
            raw=self.raw_files(),
            inputs=(
                *(*sdtm, "sdtm/issues.csv"),
                *(*adam, "adam/issues.csv"),
                *(*ards, *shown, "report.html"),
            ),
            outputs=("manifest.json", "issues.csv"),
            spec=self._slice(*self._content),
        )
        yield self._job(
            "accept",
            inputs=(*ards, "manifest.json"),
            outputs=("accepted.csv",),
            spec=self._slice("analyses"),
        )

    def _display_job(self, display: PlannedDisplay) -> Job:
        return self._job(
            "display",
            display.id,
            inputs=(f"ard/{display.analysis}.parquet",),
            outputs=tuple(outputs_of(display)),
            spec=digest(
                {
                    "display": [display.number, display.title, *display.footnotes],
                    "analysis": self._analysis(display.analysis),
                    "study": self._slice(*_DISPLAY),
                }
            ),
        )

    def _job(
        self,
        stage: str,
        id: str = "",
        *,
        outputs: tuple[str, ...],
        spec: str,
        raw: tuple[str, ...] = (),
        inputs: tuple[str, ...] = (),
        modules: tuple[str, ...] = (),
    ) -> Job:
        return Job(
            stage=stage,
            id=id,
            raw=raw,
            inputs=inputs,
            outputs=outputs,
            spec=spec,
            code=self._code((_WORKER[stage], *modules)),
        )

    def _code(self, modules: tuple[str, ...]) -> str:
        return digest([self._sources.digest(module) for module in modules])

    def _slice(self, *sections: str) -> str:
        chosen = {name: self._content[name] for name in sections}
        return digest({"id": self.study.spec.study.id, **chosen})

    def _analysis(self, id: str) -> dict[str, Any]:
        return next(a for a in self._content["analyses"] if a["id"] == id)

    def _analysis_slice(self, id: str) -> str:
        """Digest what one analysis reads: itself, its estimands and endpoints."""
        spec = self.study.spec
        analysis = spec.analysis(id)
        estimands: list[str] = []
        endpoints: list[str] = []
        if isinstance(analysis, OfEndpoint):
            estimands = [analysis.estimand] if analysis.estimand else []
            endpoints = [analysis.endpoint] if analysis.endpoint else []
        elif isinstance(analysis, Responders):
            estimands = list(analysis.estimands.values())
            endpoints = list(analysis.endpoints)
        else:
            endpoints = list(getattr(analysis, "scores", []))
        endpoints += [spec.estimand(name).endpoint for name in estimands]
        return digest(
            {
                "analysis": self._analysis(id),
                "estimands": [
                    e for e in self._content["estimands"] if e["id"] in estimands
                ],
                "endpoints": {
                    name: self._content["endpoints"][name] for name in sorted(endpoints)
                },
                "study": self._slice(*_ANALYSE),
            }
        )


_WORKER = {
    "ingest": "outcomes.ingest.read",
    "derive": "outcomes.derive.stage",
    "analyse": "outcomes.analyses.run",
    "display": "outcomes.displays.render",
    "report": "outcomes.report.write",
    "manifest": "outcomes.provenance.manifest",
    "accept": "outcomes.ard.accept",
}
"""The module that does the work of each stage; its import closure is digested."""
