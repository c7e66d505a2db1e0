"""The job list of a study: inputs, outputs, command, and what a job depends on.

The Snakefile turns these jobs into rules, `outcomes run` executes them one after the
other. Neither knows anything about a study that does not stand here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from outcomes.analyses.registry import MODULES, datasets_of
from outcomes.displays.catalogue import (
    PlannedDisplay,
    display_problems,
    outputs_of,
    planned_displays,
)
from outcomes.errors import SpecError
from outcomes.ingest.tables import tables_of
from outcomes.provenance.digests import digest, file_digest
from outcomes.provenance.sources import Sources
from outcomes.study.analyses import (
    AnyAnalysis,
    BaselineCharacteristics,
    Change,
    Clustering,
    Diagnostics,
    Disposition,
    LongitudinalResponders,
    OfEndpoint,
    PredictsOutcome,
    Responders,
    TimeToEvent,
)
from outcomes.study.endpoints import AllOfEndpoint, SustainedEndpoint
from outcomes.study.events import TimeToEventEndpoint
from outcomes.study.load import StudyFile, load_study
from outcomes.study.model import LmmModel

STAGES = ("ingest", "derive", "analyse", "display", "report", "manifest", "accept")

_INGEST = (
    "arms",
    "duplicates",
    "instruments",
    "not_randomised",
    "sources",
    "unscheduled_visits",
    "visits",
)
_DERIVE = (
    *_INGEST,
    "baseline",
    "endpoints",
    "follow_up",
    "origin",
    "out_of_window",
    "populations",
    "sites",
    "unscheduled",
)
_ANALYSE = ("arms", "follow_up", "populations", "visits")
_DISPLAY = (
    "arms",
    "endpoints",
    "estimands",
    "follow_up",
    "origin",
    "populations",
    "study",
    "visits",
)


@dataclass(frozen=True, slots=True)
class Job:
    """One step: its files below the study's results folder, and its command.

    Attributes
    ----------
    stage : str
        One of `STAGES`, or ``across`` for a comparison; the verb of the command.
    id : str
        Analysis, display or step of a comparison; ``''`` for stages with one job.
    raw : tuple of str
        Raw files, below the data root.
    inputs, outputs : tuple of str
        Files below the results folder of the study, with forward slashes. A comparison
        reads results of studies, which begin with ``../``.
    spec : str
        Digest of the slice of the study file that the job reads.
    data : str
        Digest of the contents of ``raw``: a file may be replaced by an older one.
    code : str
        Digest of the code that the job runs.
    """

    stage: str
    id: str
    raw: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    spec: str
    data: str
    code: str

    @property
    def name(self) -> str:
        """Name of the job, unique in its plan."""
        return f"{self.stage}/{self.id}" if self.id else self.stage

    @property
    def rule(self) -> str:
        """Name without a slash: a cluster makes file names of the names of rules."""
        return self.name.replace("/", ".")

    def command(
        self, study: Path, results: Path, data_root: Path | None = None
    ) -> list[str]:
        """Return the words of the command line behind ``python -m outcomes``.

        Parameters
        ----------
        study : Path
            The study file, or the comparison file.
        results : Path
            The results folder of the study, or of the comparison.
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
            case "across":
                words += ["--results", results.parent.as_posix(), "--out", out]
            case _:
                words += ["--results", out]
        if data_root is not None and self.stage in ("ingest", "manifest"):
            words += ["--data-root", data_root.as_posix()]
        return words


def orphans_of(jobs: Iterable[Job], results: Path) -> list[Path]:
    """Return files of an earlier plan: results that none of these jobs makes.

    Only names such as jobs give are looked at; what a person put there stays.
    """
    made = {results / file for job in jobs for file in job.outputs}
    kinds = {(path.parent, path.suffix) for path in made if path.parent != results}
    found = {
        path for folder, suffix in kinds for path in folder.glob(f"[a-z]*{suffix}")
    }
    return sorted(path for path in found - made if path.is_file())


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

    @property
    def path(self) -> Path:
        """The study file."""
        return self.study.path

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

    def orphans(self, results: Path) -> list[Path]:
        """Return files of an earlier plan: results that no job of this one makes.

        Only names such as jobs give are looked at; what a person put there stays.
        """
        return orphans_of(self.jobs, results)

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
            spec={**self._sections(*_INGEST), "scores": self._scores_used()},
        )
        adam = tuple(f"adam/{name}.parquet" for name in ("adsl", "adqs", "adtte"))
        yield self._job(
            "derive",
            inputs=(*sdtm, "sdtm/issues.csv"),
            outputs=(*adam, "adam/issues.csv"),
            spec=self._sections(*_DERIVE),
        )
        ards = []
        for analysis in spec.analyses:
            ards.append(f"ard/{analysis.id}.parquet")
            yield self._job(
                "analyse",
                analysis.id,
                inputs=tuple(
                    f"adam/{name}.parquet" for name in datasets_of(analysis.question)
                ),
                outputs=(ards[-1],),
                spec=self._analysis_slice(analysis),
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
            spec=self._content,
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
            spec=self._content,
        )
        yield self._job(
            "accept",
            inputs=(*ards, "manifest.json"),
            outputs=("accepted.csv",),
            spec=self._sections("analyses"),
        )

    def _display_job(self, display: PlannedDisplay) -> Job:
        return self._job(
            "display",
            display.id,
            inputs=(f"ard/{display.analysis}.parquet",),
            outputs=tuple(outputs_of(display)),
            # numbers and titles depend on the other analyses, and are settled here
            spec={
                **self._sections(*_DISPLAY),
                "analyses": self._with_subject(display.analysis),
                "displays": [display.number, display.title, *display.footnotes],
            },
        )

    def _job(
        self,
        stage: str,
        id: str = "",
        *,
        outputs: tuple[str, ...],
        spec: dict[str, Any],
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
            spec=digest(spec),
            data=digest({file: file_digest(self.study.raw(file)) for file in raw}),
            code=digest([self._sources.digest(m) for m in (_WORKER[stage], *modules)]),
        )

    def _sections(self, *sections: str) -> dict[str, Any]:
        """Return sections of the study file; the id of the study is always read."""
        chosen = {name: self._content[name] for name in sections}
        return {"study": {"id": self.study.spec.study.id}, **chosen}

    def _analysis(self, id: str, *without: str) -> dict[str, Any]:
        """Return an analysis, less the keys that a job does not read."""
        found = next(a for a in self._content["analyses"] if a["id"] == id)
        return {k: v for k, v in found.items() if k not in ("accept_error", *without)}

    def _with_subject(self, id: str, *without: str) -> list[dict[str, Any]]:
        """Return an analysis and, where it is about another, that one behind it."""
        analysis = self.study.spec.analysis(id)
        about = [analysis.of] if isinstance(analysis, Diagnostics) else []
        return [self._analysis(name, *without) for name in (id, *about)]

    def _scores_used(self) -> list[list[str]]:
        """Return instrument and score of endpoints and predictors, as ingest asks."""
        spec = self.study.spec
        parts: list[Any] = list(spec.endpoints.values())
        parts += [a.predictor for a in spec.analyses if isinstance(a, PredictsOutcome)]
        used = {(p.instrument, p.score) for p in parts if hasattr(p, "instrument")}
        return [list(pair) for pair in sorted(used)]

    def _with_parts(self, endpoints: list[str]) -> list[str]:
        """Return endpoints and those that they are made of, however deep, once each."""
        found: dict[str, None] = {}
        waiting = list(endpoints)
        while waiting:
            name = waiting.pop(0)
            if name in found:
                continue
            found[name] = None
            match self.study.spec.endpoints[name]:
                case TimeToEventEndpoint() as timed:
                    waiting += timed.parts
                case AllOfEndpoint(of=parts):
                    waiting += parts
                case SustainedEndpoint(of=part):
                    waiting.append(part)
        return list(found)

    def _analysis_slice(self, analysis: AnyAnalysis) -> dict[str, Any]:
        """Return what one analysis reads: itself, its estimands and endpoints."""
        spec = self.study.spec
        estimands: list[str] = []
        endpoints: list[str] = []
        counted: list[AnyAnalysis] = []
        about: list[AnyAnalysis] = []
        labels: dict[str, Any] = {}
        match analysis:
            case Disposition():
                # counts whom the prespecified analyses of change analyse
                counted = [
                    a for a in spec.analyses if isinstance(a, Change) and a.prespecified
                ]
            case Diagnostics():
                about = [spec.analysis(analysis.of)]
                labels = self._content["sources"]["dm"]["covariates"]
            case BaselineCharacteristics():
                endpoints = list(analysis.scores)
                labels = self._content["sources"]["dm"]["covariates"]
            case LongitudinalResponders() | Clustering():
                endpoints = [analysis.baseline] if analysis.baseline else []
                labels = self._content["sources"]["dm"]["covariates"]
            case Change(model=LmmModel()):
                labels = self._content["sources"]["dm"]["covariates"]
            case TimeToEvent():
                entry = analysis.entry_weights
                endpoints = list(entry.history) if entry is not None else []
                labels = self._content["sources"]["dm"]["covariates"]
            case Responders():
                estimands = list(analysis.estimands.values())
                endpoints = list(analysis.endpoints)
        for part in (analysis, *counted, *about):
            if isinstance(part, OfEndpoint):
                estimands += [part.estimand] if part.estimand else []
                endpoints += [part.endpoint] if part.endpoint else []
        endpoints += [spec.estimand(name).endpoint for name in estimands]
        if isinstance(analysis, TimeToEvent):
            endpoints = self._with_parts(endpoints)
        return {
            **self._sections(*_ANALYSE),
            "analyses": [
                *self._with_subject(analysis.id, "title"),
                *(self._analysis(a.id, "title", "conf_level") for a in counted),
            ],
            "covariates": labels,
            "estimands": [
                e for e in self._content["estimands"] if e["id"] in estimands
            ],
            "endpoints": {
                name: self._content["endpoints"][name] for name in sorted(endpoints)
            },
        }


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
