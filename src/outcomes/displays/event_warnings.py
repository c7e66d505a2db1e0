"""Warnings of times to an event: once each, with the arms and samples they are of."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from outcomes.displays.lookup import Result
from outcomes.displays.words import entry_words
from outcomes.study.analyses import TimeToEvent
from outcomes.study.spec import Study

_WEIGHTED: Final = "-weighted"
_KM: Final = "kaplan-meier"
_COMPARED: Final = ("log-rank", "log-rank-rho", "cox")
_METHODS: Final[dict[str, tuple[str, ...]]] = {
    "durability": (
        *("counts", _KM, *_COMPARED, "schoenfeld", "rmst"),
        *("aalen-johansen", "gray", "turnbull", f"{_KM}{_WEIGHTED}"),
        *(f"{method}{_WEIGHTED}" for method in (*_COMPARED, "rmst")),
    ),
    "entry": ("entry", "entry-weights", _KM, f"{_KM}{_WEIGHTED}"),
    "survival": (_KM, f"{_KM}{_WEIGHTED}", *_COMPARED),
    "incidence": ("aalen-johansen",),
    "swimmer": ("swimmer",),
    "hazards": ("schoenfeld", "cox"),
}
"""By template, the methods whose results it shows."""
_SELECTED: Final = {
    "durability": _METHODS["durability"],
    "entry": _METHODS["entry"],
    "survival": (_KM,),
}
"""The same of those who entered the follow-up."""
_ARM: Final = "{arm}"
"""Stands for the arms in a warning that names one."""


_UNBALANCED: Final = re.compile(r"^(balance .* for )(.+)( in \{arm\})$")
"""A warning that lists terms of the entry model."""


@dataclass(slots=True)
class _Said:
    """A warning, the arms that it names, and the results that carry it."""

    named: list[str] = field(default_factory=list)
    rows: list[Result] = field(default_factory=list)


def shows_selected(template: str) -> bool:
    """Tell whether a display also shows those who entered the follow-up."""
    return template in _SELECTED


def shown_results(
    template: str, analysis: TimeToEvent, rows: Iterable[Result]
) -> list[Result]:
    """Return the results that a display is about, and those of the whole analysis.

    Parameters
    ----------
    template : str
        Of a display of a time-to-event analysis.
    analysis : TimeToEvent
        For the sample that entered the follow-up, which not all displays show.
    rows : iterable of Result
        Of the analysis.
    """
    methods = _METHODS[template]
    chosen = _SELECTED.get(template, ())
    out = []
    for row in rows:
        selected = bool(row.population) and row.population == analysis.followed_up
        if not row.method_id or row.method_id in (chosen if selected else methods):
            out.append(row)
    return out


def event_warnings(
    spec: Study, analysis: TimeToEvent, rows: Iterable[Result]
) -> list[str]:
    """Return the warnings of results, once each, in file order.

    Warnings that differ only in the arm they name are one, with the arms joined. One
    that only some arms have says which.

    Parameters
    ----------
    spec : Study
        For the arms.
    analysis : TimeToEvent
        For the sample that entered the follow-up.
    rows : iterable of Result
        The results; several warnings of one stand with ``"; "`` between them.
    """
    found: dict[str, _Said] = defaultdict(_Said)
    for row in rows:
        for part in filter(None, row.warning.split("; ")):
            pattern, label = _pattern(spec, part)
            said = found[pattern]
            said.rows.append(row)
            if label and label not in said.named:
                said.named.append(label)
    return [_words(spec, analysis, pattern, said) for pattern, said in found.items()]


def _pattern(spec: Study, warning: str) -> tuple[str, str]:
    """Return a warning without the arm it names, and the label of that arm."""
    labels = {arm.id: arm.label for arm in spec.arms}
    names = sorted({*labels, *labels.values()}, key=len, reverse=True)
    listed = "|".join(re.escape(name) for name in names)
    # An id may be an ordinary word, so that it counts only where an arm is named.
    found = re.search(rf"(?:\barm |\bin |\bof |^)({listed})(?![\w-])", warning)
    if found is None:
        return warning, ""
    name = found[1]
    start = warning[: found.start(1)].removesuffix("arm ")
    return f"{start}{_ARM}{warning[found.end(1) :]}", labels.get(name, name)


def _words(spec: Study, analysis: TimeToEvent, pattern: str, said: _Said) -> str:
    order = [arm.label for arm in spec.arms]
    words = _UNBALANCED.sub(lambda found: _covariates(spec, found), pattern)
    words = words.replace(_ARM, _listed(sorted(said.named, key=order.index)))
    of = [_sample(analysis, words, said.rows)]
    if not said.named:
        of.append(_listed(_arms(spec, said.rows)))
    whose = "; ".join(part for part in of if part)
    return f"{words} ({whose})" if whose else words


def _covariates(spec: Study, found: re.Match[str]) -> str:
    """Return a warning with the terms that it lists in words."""
    terms = [entry_words(spec, term) for term in found[2].split(", ")]
    return f"{found[1]}{'; '.join(terms)}{found[3]}"


def _arms(spec: Study, rows: list[Result]) -> list[str]:
    """Return the arms that alone have a warning; none if it is of all."""
    theirs = {row.arm for row in rows}
    compared = all(row.comparator for row in rows)
    could = {arm.id for arm in spec.arms if not (compared and arm.control)}
    if "" in theirs or theirs >= could:
        return []
    return [arm.label for arm in spec.arms if arm.id in theirs]


def _sample(analysis: TimeToEvent, words: str, rows: list[Result]) -> str:
    """Return the sample that alone has a warning, where it does not say so itself."""
    if analysis.followed_up is None or re.search("select|weight|enter|entry", words):
        return ""
    if all(row.population == analysis.followed_up for row in rows):
        return "selected"
    if all(row.method_id.endswith(_WEIGHTED) for row in rows):
        return "weighted"
    return ""


def _listed(names: list[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
