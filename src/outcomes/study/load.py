"""From a file on disk to a valid study, or to the list of everything wrong with it."""

from __future__ import annotations

import re
from collections.abc import Hashable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from outcomes.errors import SpecError
from outcomes.study.check import problems_of
from outcomes.study.explain import explain, explain_yaml
from outcomes.study.spec import Study, StudyInfo

_LIMIT = 2_000_000
_UNUSABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Control characters, halves of a pair and what is no character; tab and line feed
may stand in a delimiter or an expression."""
_DEPTH = 30
_COMPARISON = (
    "this is a comparison of studies; use outcomes across {} --results RESULTS --out "
    "OUT, and check the study files it names."
)
"""What is said of a file that is valid elsewhere."""
_FOR_DATA = {"arms", "visits", "sources"}
"""Sections without which raw data cannot be checked."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a study file: at which key, what, and what to do.

    ``form`` says that it is wrong in its form, so that the meaning of the section could
    not be checked.
    """

    where: str
    message: str
    form: bool = False

    def __str__(self) -> str:
        """Return the problem as one line."""
        return f"{self.where}: {self.message}" if self.where else self.message


@dataclass(frozen=True, slots=True)
class StudyFile:
    """A study with the places it was read from."""

    spec: Study
    path: Path
    data_root: Path

    def raw(self, file: str) -> Path:
        """Return the path of a raw file, which must lie inside the data root.

        Raises
        ------
        SpecError
            For an absolute path, one with ``..``, one that leaves by a link, and one
            that no file can have.
        """
        pure = PurePosixPath(file)
        foreign = PureWindowsPath(file)
        outside = pure.is_absolute() or foreign.drive or foreign.root
        if outside or ".." in (*pure.parts, *foreign.parts):
            raise SpecError(
                f"'{file}' leaves the data root; name a path below it without '..'."
            )
        if any(len(part.encode("utf-8", "replace")) > 255 for part in pure.parts):
            raise SpecError(f"'{file}' has a part that is too long for a file name.")
        root = self.data_root.resolve()
        try:
            path = (root / pure).resolve()
        except (OSError, RuntimeError, ValueError) as problem:
            raise SpecError(
                f"'{file}' cannot be a file ({problem}); correct the name or the link."
            ) from problem
        if not path.is_relative_to(root):
            raise SpecError(
                f"'{file}' leaves the data root through a link; copy the file there."
            )
        return path


def load_study(path: Path, data_root: Path | None = None) -> StudyFile:
    """Read a study file.

    Parameters
    ----------
    path : Path
        The study file.
    data_root : Path, optional
        Folder that raw files are below; the study file's own folder by default.

    Raises
    ------
    SpecError
        With all problems, one a line.
    """
    study, problems = read_study(path, data_root)
    if problems or study is None:
        lines = "\n".join(f"  {problem}" for problem in problems)
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        raise SpecError(f"{path}: {count} in the study file\n{lines}")
    return study


def read_study(
    path: Path, data_root: Path | None = None
) -> tuple[StudyFile | None, list[Problem]]:
    """Read a study file as far as it goes.

    Returns
    -------
    study : StudyFile or None
        The study; with problems, as much of it as checking raw data needs, or None
        where even that is broken.
    problems : list of Problem
        Empty if the study is valid.
    """
    path = Path(path)
    try:
        content = parse_yaml(path)
    except SpecError as problem:
        return None, [Problem("", str(problem), form=True)]
    if "comparison" in content and "study" not in content:
        return None, [Problem("comparison", _COMPARISON.format(path))]
    root = path.parent if data_root is None else Path(data_root)
    problems = (
        []
        if root.is_dir()
        else [
            Problem(
                "data_root", f"'{root}' is not a folder; name the one with raw files."
            )
        ]
    )
    content, problems = _without_unknown_keys(content, problems)
    try:
        spec = Study.model_validate(content)
        sound = set(Study.model_fields)
    except ValidationError as invalid:
        problems += [
            Problem(*explain(error, content), form=True) for error in invalid.errors()
        ]
        spec, sound = _partial(content)
    problems += [Problem(where, what) for where, what in problems_of(spec, sound)]
    checkable = sound >= _FOR_DATA
    return (StudyFile(spec, path, root) if checkable else None), problems


def _without_unknown_keys(
    content: dict[str, Any], problems: list[Problem]
) -> tuple[dict[str, Any], list[Problem]]:
    """Take out keys nobody knows, so that they hide no other problem."""
    try:
        Study.model_validate(content)
    except ValidationError as invalid:
        content, original = deepcopy(content), content
        for error in invalid.errors():
            if error["type"] == "extra_forbidden":
                problems = [*problems, Problem(*explain(error, original))]
                _remove(content, error["loc"])
    return content, problems


def _remove(content: Any, location: tuple[Any, ...]) -> None:
    """Remove the key at a location; the tags of unions are not part of the path."""
    for part in location[:-1]:
        inside = isinstance(content, dict) and part in content
        if inside or (isinstance(content, list) and isinstance(part, int)):
            content = content[part]
    content.pop(location[-1], None)


class _Loader(yaml.SafeLoader):
    """YAML without repeated keys, which would silently drop the first.

    A value that is not what it looks like (a date that no calendar has, a tag that
    does not fit) and one that cannot be printed or written are errors with their line.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Make a value, or say in which line that is impossible."""
        line = node.start_mark.line + 1
        try:
            value = super().construct_object(node, deep=deep)
        except yaml.YAMLError:
            raise
        except (
            *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
            RecursionError,
        ) as problem:
            shown = node.value if isinstance(node, yaml.ScalarNode) else "this"
            shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
            kind = node.tag.rsplit(":", 1)[-1]
            raise SpecError(
                f"line {line}: {shown!r} cannot be read as {kind}; put a text in "
                "double quotes, and correct a number or date."
            ) from problem
        if isinstance(value, int) and value.bit_length() > 63:
            raise SpecError(f"line {line}: the number is too large for anything here.")
        if isinstance(value, str):
            wrong = _UNUSABLE.search(value)
            if wrong:
                raise SpecError(
                    f"line {line}: the text holds the character "
                    f"U+{ord(wrong[0]):04X}, which cannot be shown; remove it."
                )
        return value


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    seen: set[Hashable] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if not isinstance(key, str):
            raise SpecError(f"line {line}: the key {key!r} is not text; quote it.")
        if key in seen:
            raise SpecError(f"line {line}: the key '{key}' stands twice; remove one.")
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that is one mapping, each key once.

    Raises
    ------
    SpecError
        If it cannot be read, is too large, or is something else.
    """
    try:
        raw = path.read_bytes()
    except OSError as problem:
        raise SpecError(f"cannot be read ({problem.strerror}).") from problem
    if len(raw) > _LIMIT:
        raise SpecError(f"larger than {_LIMIT} bytes; this is no study file.")
    try:
        text = raw.decode("utf-8-sig")
        _refuse_tricks(text)
        content = yaml.load(text, Loader=_Loader)
    except UnicodeDecodeError as problem:
        raise SpecError(f"byte {problem.start} is not UTF-8.") from problem
    except yaml.MarkedYAMLError as problem:
        raise SpecError(explain_yaml(problem)) from problem
    except yaml.YAMLError as problem:
        raise SpecError(f"not YAML: {problem}") from problem
    if not isinstance(content, dict):
        raise SpecError("a study file is a list of sections 'key: ...'.")
    return content


def _refuse_tricks(text: str) -> None:
    """Refuse what blows up a small file: aliases, and nesting no study needs."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise SpecError(f"line {line}: aliases (*name) are not allowed.")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH:
            raise SpecError(f"line {line}: nested too deeply.")


def _partial(content: dict[str, Any]) -> tuple[Study, set[str]]:
    """Build a study of the valid sections; say which these are.

    A study whose first section is broken gets a name, for its data can be checked.
    """
    valid: dict[str, Any] = {
        "study": StudyInfo(id="study", title="-", compound="-", indication="-")
    }
    sound = set()
    for name, field in Study.model_fields.items():
        if name not in content:
            if not field.is_required():
                sound.add(name)
            continue
        adapter: TypeAdapter[Any] = TypeAdapter(field.annotation)  # type: ignore[arg-type]
        try:
            valid[name] = adapter.validate_python(content[name])
            sound.add(name)
        except ValidationError:
            continue
    return Study.model_construct(**valid), sound
