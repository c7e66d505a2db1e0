"""From a comparison file to its studies, or to the list of everything wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from pydantic import BaseModel, ValidationError

from outcomes.comparison.spec import ComparedStudy, Comparison, ComparisonInfo
from outcomes.errors import SpecError
from outcomes.study.analyses import TimeToEvent
from outcomes.study.endpoints import Endpoint
from outcomes.study.events import TimeToEventEndpoint
from outcomes.study.explain import did_you_mean, entry_of, explain, unknown
from outcomes.study.load import Problem, load_study, parse_yaml
from outcomes.study.spec import Study

_SECTIONS: dict[str, type[BaseModel]] = {
    "comparison": ComparisonInfo,
    "studies": ComparedStudy,
}
_EXAMPLES = {
    "studies": "{study: a-study/study.yaml, analysis: time-to-relapse}",
    "comparison": "comparison: {id: durability, title: ...}",
}


@dataclass(frozen=True, slots=True)
class Member:
    """A study of a comparison, with the analysis that is read of it."""

    file: str
    """The study file as the comparison file names it."""
    path: Path
    spec: Study
    analysis: TimeToEvent

    @property
    def id(self) -> str:
        """The id of the study."""
        return self.spec.study.id

    @property
    def endpoint(self) -> TimeToEventEndpoint:
        """What is timed."""
        return _timed(self.spec, self.analysis)

    @property
    def population(self) -> str:
        """The id of the population of the analysis."""
        if self.analysis.estimand is not None:
            return self.spec.estimand(self.analysis.estimand).population
        return self.analysis.population or ""

    @property
    def ard(self) -> str:
        """The file of results, below the folder with the results of all studies."""
        return f"{self.id}/ard/{self.analysis.id}.parquet"


@dataclass(frozen=True, slots=True)
class ComparisonFile:
    """A comparison with the studies that it names."""

    spec: Comparison
    path: Path
    members: tuple[Member, ...]


def load_comparison(path: Path) -> ComparisonFile:
    """Read a comparison file and the study files it names.

    Parameters
    ----------
    path : Path
        The comparison file; study files lie below its folder.

    Raises
    ------
    SpecError
        With all problems, one a line.
    """
    path = Path(path)
    problems: list[Problem] = []
    members: list[Member] = []
    content = _read(path)
    spec = _valid(content, problems)
    for place, entry in enumerate(_entries(spec, content)):
        where = entry_of("studies", place, entry.study)
        member = _member(path.parent, where, entry, problems)
        if member is not None:
            members.append(member)
            if spec is not None:
                problems += _undeclared_days(where, spec, member)
    problems += [Problem("studies", said) for said in _repeated(members)]
    if spec is not None and spec.comparison.id in [member.id for member in members]:
        problems.append(
            Problem(
                "comparison.id",
                f"'{spec.comparison.id}' is the id of a study, too, and names the "
                "folder of its results; choose another.",
            )
        )
    if problems or spec is None:
        lines = "\n".join(f"  {problem}" for problem in problems)
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        raise SpecError(f"{path}: {count} in the comparison file\n{lines}")
    return ComparisonFile(spec, path, tuple(members))


def _read(path: Path) -> dict[str, Any]:
    try:
        return parse_yaml(path)
    except SpecError as problem:
        said = str(problem).replace("study file", "comparison file")
        raise SpecError(f"{path}: {said}") from problem


def _valid(content: dict[str, Any], problems: list[Problem]) -> Comparison | None:
    """Validate the form; keys nobody knows are taken out, to hide nothing else."""
    try:
        return Comparison.model_validate(content)
    except ValidationError as invalid:
        errors = invalid.errors()
    problems += [Problem(*_explained(error, content), form=True) for error in errors]
    cleaned = deepcopy(content)
    for error in errors:
        if error["type"] == "extra_forbidden":
            _remove(cleaned, error["loc"])
    try:
        return Comparison.model_validate(cleaned)
    except ValidationError:
        return None


def _explained(error: Any, content: dict[str, Any]) -> tuple[str, str]:
    """Say what pydantic found, in the words of study files."""
    where, message = explain(error, content)
    location: tuple[Any, ...] = error["loc"]
    match error["type"]:
        case "extra_forbidden":
            section = _SECTIONS[location[0]] if len(location) > 1 else Comparison
            hint = did_you_mean(location[-1], section.model_fields) or " Remove it."
            return where, f"unknown key.{hint}"
        case "missing":
            return where, "is missing; every comparison needs it here."
        case "too_short" if location == ("studies",):
            return where, "a comparison is of two studies or more."
        case "model_type" | "list_type" if location and location[0] in _EXAMPLES:
            return where, f"cannot be read; write {_EXAMPLES[str(location[0])]}."
    return where, message


def _remove(content: Any, location: tuple[Any, ...]) -> None:
    for part in location[:-1]:
        content = content[part]
    content.pop(location[-1], None)


def _entries(
    spec: Comparison | None, content: dict[str, Any]
) -> Iterator[ComparedStudy]:
    """Iterate over the entries that are valid, those of a broken file, too."""
    if spec is not None:
        yield from spec.studies
        return
    listed = content.get("studies")
    for entry in listed if isinstance(listed, list) else []:
        try:
            yield ComparedStudy.model_validate(entry)
        except ValidationError:
            continue


def _member(
    folder: Path, where: str, entry: ComparedStudy, problems: list[Problem]
) -> Member | None:
    """Read a study and find its analysis; what is wrong is added to ``problems``."""
    try:
        path = _inside(folder, entry.study)
        spec = load_study(path).spec
    except SpecError as problem:
        problems.append(Problem(where, _indented(str(problem))))
        return None
    found = next((a for a in spec.analyses if a.id == entry.analysis), None)
    if isinstance(found, TimeToEvent):
        return Member(entry.study, path, spec, found)
    timed = [a.id for a in spec.analyses if isinstance(a, TimeToEvent)]
    if found is None:
        what = f"a time-to-event analysis of {spec.study.id}"
        said = unknown(entry.analysis, timed, what)
    else:
        said = (
            f"the analysis '{found.id}' asks {found.question}, not time-to-event. "
            f"Known: {', '.join(timed) or 'none is declared'}."
        )
    problems.append(Problem(where, said))
    return None


def _inside(folder: Path, file: str) -> Path:
    """Return the path of a study file, which must lie below the comparison file's."""
    pure, foreign = PurePosixPath(file), PureWindowsPath(file)
    outside = pure.is_absolute() or foreign.drive or foreign.root
    if outside or ".." in (*pure.parts, *foreign.parts):
        raise SpecError(
            f"'{file}' leaves the folder of the comparison file; put that file above "
            "its studies, and name a path below it without '..'."
        )
    # pathlib keeps the name as it was written: manifests and commands show it so
    path = folder / pure
    try:
        stays = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as problem:
        raise SpecError(f"'{file}' cannot be a file ({problem}).") from problem
    if not stays:
        raise SpecError(
            f"'{file}' leaves the folder of the comparison file through a link; copy "
            "the study there."
        )
    if not path.is_file():
        raise SpecError(f"'{file}' is no file; name the study file of a study.")
    return path


def _indented(message: str) -> str:
    return message.replace("\n", "\n  ")


def _undeclared_days(where: str, spec: Comparison, member: Member) -> Iterator[Problem]:
    absent = [str(d) for d in spec.ordered_days if d not in member.analysis.days]
    if absent:
        word = "day" if len(absent) == 1 else "days"
        yield Problem(
            where,
            f"the analysis '{member.analysis.id}' does not state survival at "
            f"{word} {', '.join(absent)}; add {'it' if len(absent) == 1 else 'them'} "
            f"to its 'days' in {member.file} (those beyond the follow-up are shown as "
            "not followed), or take them out here.",
        )


def _repeated(members: list[Member]) -> Iterator[str]:
    for id, count in Counter(member.id for member in members).items():
        if count > 1:
            yield f"the study '{id}' stands {count} times; each study once."


def _timed(spec: Study, analysis: TimeToEvent) -> TimeToEventEndpoint:
    id = analysis.endpoint
    if analysis.estimand is not None:
        id = spec.estimand(analysis.estimand).endpoint
    endpoint: Endpoint = spec.endpoints[id or ""]
    if not isinstance(endpoint, TimeToEventEndpoint):
        raise SpecError(
            f"analyses.{analysis.id}: '{id}' is no endpoint of kind time-to-event; "
            "name one."
        )
    return endpoint
