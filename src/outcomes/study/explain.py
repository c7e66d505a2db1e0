"""What is wrong with a study file, in our words and at the place as it was written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import yaml

from outcomes.study.base import FORMS
from outcomes.study.spec import Study

Found = tuple[str, str]
"""Key path and message."""

_QUOTES = (
    (
        re.compile(r"found ','|cannot start any token|expected alphabetic or numeric"),
        "a text such as ',' or '%d.%m.%Y' needs double quotes, as in decimal: \",\".",
    ),
    (
        re.compile(r"mapping values are not allowed"),
        "a text with ': ' in it needs double quotes; a key begins a line of its own.",
    ),
    (
        re.compile(r"<scalar>"),
        "a text that begins with ' or { needs double quotes around all of it.",
    ),
)


_EXAMPLES = {"random": '{SITEID: "1"}'}
"""Of keys whose own keys the author chooses."""

_PAIRS = {
    "window": "a window is two days, [first, last]",
    "apart": "apart is two numbers of days, [fewest, most]",
    "truncate": "truncate is two percentiles, [lowest, highest]",
}
_TWO = {
    "window": "two whole numbers, such as [17, 30]",
    "apart": "two whole numbers, such as [5, 15]",
    "truncate": "two percentiles, such as [1, 99]",
}
"""What stands in a list of two values."""


def entry_of(section: str, position: int, file: str | None = None) -> str:
    """Name an entry of a list whose entries have no id, counted from 1.

    Examples
    --------
    >>> entry_of("sources.qs", 0, "madrs.csv")
    'entry 1 of sources.qs (file madrs.csv)'
    """
    named = f" (file {file})" if file else ""
    return f"entry {position + 1} of {section}{named}"


def did_you_mean(value: object, known: Iterable[str]) -> str:
    """Return ' Did you mean ...?' with the nearest known name, or ''."""
    near = get_close_matches(str(value), list(known), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def unknown(value: str, known: Iterable[str], what: str) -> str:
    """Say that a value is none of the known ones, and name the nearest."""
    names = list(known)
    listed = ", ".join(names) if names else "none is declared"
    return f"'{value}' is not {what}. Known: {listed}.{did_you_mean(value, names)}"


def explain_yaml(problem: yaml.MarkedYAMLError) -> str:
    """Say in which line YAML broke off, and what most often does that."""
    mark = problem.problem_mark
    place = f"line {mark.line + 1}: " if mark else ""
    said = str(problem.problem)
    if "'\\t'" in said:
        return f"{place}{said}; indent with spaces, not with tabs."
    hint = next((hint for pattern, hint in _QUOTES if pattern.search(said)), "")
    return f"{place}{said}; {hint}" if hint else f"{place}{said}"


def explain(error: Any, content: dict[str, Any]) -> Found:
    """Say what pydantic found; ``content`` is the study file as read."""
    location: tuple[Any, ...] = error["loc"]
    where, kind = _place(location, content), error["type"]
    given = repr(error["input"])
    if len(given) > 60:
        given = given[:57] + "..."
    match kind:
        case "value_error":  # one of ours
            return where, f"{error['ctx']['error']}."
        case "string_pattern_mismatch" if "\\x00-" in error["ctx"]["pattern"]:
            return where, f"{given} holds a control character; remove it."
        case "string_pattern_mismatch" if error["ctx"]["pattern"] in FORMS:
            return where, f"{FORMS[error['ctx']['pattern']]} (given: {given})."
        case "list_type" if isinstance(error["input"], str):
            return where, f"{given} is no list; write a list, [{error['input'][:50]}]."
        case "extra_forbidden":
            other = _of_another_kind(location)
            if other:
                return where, f"unknown key{other}"
            hint = did_you_mean(location[-1], known_keys(location)) or " Remove it."
            return where, f"unknown key.{hint}"
        case "missing":
            if isinstance(location[-1], int):
                return where, f"is missing; {_pair(location)}."
            return where, "is missing; every study needs it here."
        case "tuple_type" | "too_long" if str(location[-1]) in _TWO:
            return where, f"needs {_TWO[str(location[-1])]} (given: {given})."
        case "union_tag_invalid" | "union_tag_not_found":
            return _tag(error, where)
        case "literal_error":
            return where, _literal(error, given)
        case "string_type":
            return where, f"{given} is not text; put it in double quotes."
        case "model_type" | "model_attributes_type" | "dict_type":
            example = _EXAMPLES.get(str(location[-1]), "")
            such_as = f", such as {example}" if example else ""
            return where, f"{given} stands where keys with values are needed{such_as}."
    message = str(error["msg"])
    return where, f"{message[0].lower()}{message[1:]} (given: {given})."


def _pair(location: tuple[Any, ...]) -> str:
    """Say what the two values of a list are."""
    of = str(location[-2]) if len(location) > 1 else ""
    return _PAIRS.get(of, f"{of} is two values")


def _tag(error: Any, where: str) -> Found:
    """Explain a ``question`` or ``kind`` that is absent or that nobody knows."""
    key = error["ctx"]["discriminator"].strip("'")
    node = _node(error["loc"])
    tags = {ref: tag for tag, ref in node["discriminator"]["mapping"].items()}
    known = [tags[kind["$ref"]] for kind in node["oneOf"]]
    listed = ", ".join(known)
    place = _joined(where, key)
    if error["type"] == "union_tag_not_found":
        return place, f"is missing; choose one of {listed}."
    value = error["input"].get(key)
    hint = did_you_mean(value, known)
    return place, f"{value!r} is not known. Choose one of {listed}.{hint}"


def _literal(error: Any, given: str) -> str:
    expected = error["ctx"]["expected"]
    allowed = re.findall(r"'([^']*)'", expected)
    hint = did_you_mean(error["input"], allowed)
    if "," in allowed and error["input"] in (None, ""):
        hint = " Put it in double quotes."
    return f"{given} is not known. Choose one of {expected}.{hint}"


def _joined(where: str, key: str) -> str:
    """Put a key behind a place: a dot, or a comma behind an entry of a list."""
    if not where:
        return key
    last = where.rsplit(", ", 1)[-1]
    return f"{where}, {key}" if last.startswith("entry ") else f"{where}.{key}"


def _place(location: tuple[Any, ...], content: Any) -> str:
    """Name the place of a problem as the author wrote it: ids for list positions."""
    place = ""
    for depth, part in enumerate(location):
        if isinstance(content, list) and isinstance(part, int):
            if part >= len(content):  # a list that is too short
                return f"{place}, value {part + 1}"
            content = content[part]
            entry = content if isinstance(content, dict) else {}
            if isinstance(entry.get("id"), str):
                place = _joined(place, entry["id"])
                continue
            file = entry.get("file")
            place = entry_of(place, part, file if isinstance(file, str) else None)
        elif isinstance(content, dict) and part in content:
            content = content[part]
            place = _joined(place, str(part))
        elif depth == len(location) - 1 and not isinstance(content, str):
            # Behind a text there is only what pydantic calls the kind of it.
            place = _joined(place, str(part))
    return place


def known_keys(location: tuple[Any, ...]) -> list[str]:
    """Return the keys that are legal beside the one at a location."""
    return list(_node(location[:-1]).get("properties", {}))


def _of_another_kind(location: tuple[Any, ...]) -> str:
    """Say to which other ``kind`` of the same thing a key belongs, '' if to none."""
    *before, tag, key = ("", "", *location)
    union = _node(tuple(before[2:])).get("discriminator", {})
    if union.get("propertyName") != "kind" or tag not in union["mapping"]:
        return ""
    kinds = [
        kind for kind in union["mapping"] if key in known_keys((*before[2:], kind, key))
    ]
    if not kinds:
        return ""
    return (
        f" of kind: {tag}; it belongs to kind: {' or '.join(kinds)}. Remove it, or "
        "choose that kind."
    )


def _node(location: tuple[Any, ...]) -> dict[str, Any]:
    """Return the schema at a location.

    A union is entered through the tag that pydantic puts into the location.
    """
    schema = Study.model_json_schema()
    node: dict[str, Any] = schema
    for part in location:
        node = _resolve(schema, node)
        if isinstance(part, int):
            node = node.get("items", {})
        elif part in node.get("properties", {}):
            node = node["properties"][part]
        elif "discriminator" in node:
            node = {"$ref": node["discriminator"]["mapping"].get(part, "")}
        elif node.get("patternProperties"):
            node = next(iter(node["patternProperties"].values()))
        elif isinstance(node.get("additionalProperties"), dict):
            node = node["additionalProperties"]
    return _resolve(schema, node)


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while True:
        if node.get("$ref"):
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        elif "anyOf" in node:
            node = next((n for n in node["anyOf"] if n.get("type") != "null"), {})
        else:
            return node
