"""A study file judged with its raw data, before anything is written.

The plan is read, the raw files are ingested and, if nothing is wrong by then, ADSL,
ADQS and ADTTE are derived, all in memory: what derivation settles or refuses is told as
well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcomes.errors import OutcomesError

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.study import Study, StudyFile
    from outcomes.study.events import TimeToEventEndpoint

Finding = dict[str, Any]
"""A row of the issue log without its empty cells, or ``file``, ``key``, ``message``."""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found, and how far it was possible to look."""

    found: list[Finding]
    data_read: bool
    form_sound: bool = True
    """Whether the study file has its form, without which meaning is not checked."""

    @property
    def errors(self) -> int:
        """How many of them are errors."""
        return sum(one.get("severity", "error") == "error" for one in self.found)


def examine(path: Path, data_root: Path | None = None) -> Findings:
    """Return everything to be said about a study file and its raw data.

    Parameters
    ----------
    path : Path
        The study file.
    data_root : Path, optional
        Folder of the raw files, if not that of the study file.
    """
    from outcomes.displays.catalogue import display_problems
    from outcomes.ingest.read import read_sources
    from outcomes.study.load import read_study

    study, problems = read_study(path, data_root)
    stated = [(problem.where, problem.message) for problem in problems]
    if study is not None and not problems:
        stated = display_problems(study.spec)
    found: list[Finding] = [
        {"file": path.name, "key": where, "message": message}
        if where
        else {"file": path.name, "message": message}
        for where, message in stated
    ]
    form_sound = not any(problem.form for problem in problems)
    if study is None:
        return Findings(found, data_read=False, form_sound=form_sound)
    tables, issues = read_sources(study)
    found += as_records(issues)
    if tables and not stated:
        found += _derived(study, tables)
    return Findings(found, data_read=True, form_sound=form_sound)


def as_records(table: pd.DataFrame) -> list[Finding]:
    """Return the rows of a table without their empty cells."""
    rows = table.astype(object).where(table.notna(), None)
    return [
        {str(name): value for name, value in row.items() if value not in ("", None)}
        for row in rows.to_dict("records")
    ]


def _derived(study: StudyFile, tables: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    """Derive in memory; yield notes, and refusals as errors."""
    from outcomes.derive import derive_adqs, derive_adsl, derive_adtte
    from outcomes.derive.notes import as_issues
    from outcomes.study.check_levels import lone_levels

    file = study.path.name
    try:
        adsl = derive_adsl(study.spec, tables)
        adqs = derive_adqs(study.spec, tables, adsl.frame)
        adtte = derive_adtte(study.spec, tables, adsl.frame, adqs.frame)
    except OutcomesError as problem:
        for line in str(problem).splitlines():
            yield {
                "stage": "derive",
                "severity": "error",
                "file": file,
                "message": line,
            }
        return
    yield from as_records(as_issues([*adsl.notes, *adqs.notes, *adtte.notes]))
    for key, message, accepted in (
        *_empty_visits(study.spec, adqs.frame),
        *_nobody_at_risk(study.spec, adsl.frame, adtte.frame),
        *beyond_schedule(study.spec),
        *lone_levels(study.spec, adsl.frame),
    ):
        yield {
            "severity": "warning" if accepted else "error",
            "file": file,
            "key": key,
            "message": message,
        }


def _empty_visits(spec: Study, adqs: pd.DataFrame) -> Iterator[tuple[str, str, bool]]:
    """Yield analyses of a visit at which an instrument of theirs has no value.

    The third part says that the study accepts that the analysis cannot be done.
    """
    values = adqs[adqs["AVAL"].notna() & (adqs["SRCDOM"] == "QS")]
    held = values.groupby("PARCAT1")["AVISIT"].agg(set).to_dict()
    for analysis in spec.analyses:
        for key, endpoint, visits in _asked(spec, analysis):
            for name in _instruments(spec, endpoint):
                there = [v.id for v in spec.visits if v.id in held.get(name, set())]
                for visit in visits:
                    if visit not in there:
                        message = (
                            f"no record of {name} has a value at {visit}; visits "
                            f"with one: {', '.join(there) or 'none'}."
                        )
                        where = f"analyses.{analysis.id}.{key}"
                        yield where, message, analysis.accept_error


def _nobody_at_risk(
    spec: Study, adsl: pd.DataFrame, adtte: pd.DataFrame
) -> Iterator[tuple[str, str, bool]]:
    """Yield analyses of a time to an event for which nobody of a population is at risk.

    The third part says that the study accepts that the analysis cannot be done.
    """
    from outcomes.study.analyses import TimeToEvent

    for analysis in spec.analyses:
        if not isinstance(analysis, TimeToEvent):
            continue
        estimand = analysis.estimand and spec.estimand(analysis.estimand)
        key = estimand.endpoint if estimand else analysis.endpoint
        named = estimand.population if estimand else analysis.population
        code = getattr(spec.endpoints[key or ""], "paramcd", "")
        people = adtte.loc[adtte["PARAMCD"] == code, "USUBJID"]
        own = adsl[adsl["USUBJID"].isin(people)]
        for where, population in (
            ("population", named),
            ("followed_up", analysis.followed_up),
        ):
            if population and not (own[f"{population}FL"] == "Y").any():
                yield (
                    f"analyses.{analysis.id}.{where}",
                    f"nobody of {population} is at risk of {code}: no row of adtte.",
                    analysis.accept_error,
                )


def beyond_schedule(spec: Study) -> Iterator[tuple[str, str, bool]]:
    """Yield days and horizons that lie beyond the last visit a study has planned.

    The third part, always true, says that they are legal: a comparison of studies asks
    for the same days of studies of different lengths.
    """
    from outcomes.study.analyses import TimeToEvent
    from outcomes.study.events import TimeToEventEndpoint

    for analysis in spec.analyses:
        if not isinstance(analysis, TimeToEvent):
            continue
        estimand = analysis.estimand and spec.estimand(analysis.estimand)
        endpoint = spec.endpoints[
            (estimand.endpoint if estimand else analysis.endpoint) or ""
        ]
        if not isinstance(endpoint, TimeToEventEndpoint):
            continue
        longest = _longest(spec, endpoint)
        late = [day for day in analysis.days if day > longest]
        planned = (
            f"the last visit planned, {spec.visits[-1].id}, is on day {longest} since "
            f"the {endpoint.origin.replace('-', ' ')} at the latest"
        )
        if late:
            listed = ", ".join(map(str, late))
            message = f"{planned}, before {listed}: survival is not followed there."
            yield f"analyses.{analysis.id}.days", message, True
        if analysis.horizon > longest:
            message = (
                f"{planned}, before the horizon of restricted means, "
                f"{analysis.horizon}: it will give way. Declare tau within the plan."
            )
            yield f"analyses.{analysis.id}.tau", message, True


def _longest(spec: Study, endpoint: TimeToEventEndpoint) -> int:
    """Return the last planned day since the earliest day an origin can have.

    Visits count from ``spec.origin``; randomisation comes before a first dose by days
    that no plan states, at most by all that are before it.
    """
    last = spec.visits[-1].window[1] if spec.visits[-1].window else spec.visits[-1].day
    origin = 1
    if endpoint.origin == "first-response":
        after = [visit for visit in spec.visits if visit.time > 1]
        first = after[0] if after else spec.visits[-1]
        origin = max(first.window[0] if first.window else first.day, 1)
    elif endpoint.origin == "randomisation" and spec.origin == "first-dose":
        origin = min(spec.visits[0].day + 1, 1)
    return max(last, 1) - origin + 1


def _asked(spec: Study, analysis: Any) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yield key, endpoint and visits of what an analysis asks for by name."""
    visit = getattr(analysis, "visit", None)
    if visit is not None:
        by_estimand = analysis.estimand is not None
        named = spec.estimand(analysis.estimand).endpoint if by_estimand else None
        yield "visit", named or analysis.endpoint, [visit]
        averages = analysis.model.averages if analysis.question == "change" else {}
        for name, visits in averages.items():
            yield f"model.averages.{name}", named or analysis.endpoint, visits
    for endpoint in getattr(analysis, "endpoints", []):
        yield "visits", endpoint, analysis.visits


def _instruments(spec: Study, key: str) -> list[str]:
    endpoint = spec.endpoints[key]
    parts = getattr(endpoint, "of", None)
    if parts is None:
        return [endpoint.instrument]  # type: ignore[union-attr]
    if isinstance(parts, str):
        return _instruments(spec, parts)
    names = [name for part in parts for name in _instruments(spec, part)]
    return list(dict.fromkeys(names))


def lines_of_findings(found: Sequence[Finding]) -> list[str]:
    """Return findings as lines; of one cause with many rows, the first few."""
    from outcomes.ingest.issues import FEW, further, grouped, line_of

    lines: list[str] = []
    for group in grouped(found):
        severity = group[0].get("severity", "error")
        named = ("row", "column", "key", "subject", "value")
        own = [line_of(one, named) for one in group[:FEW]]
        own += further(group, " (--json lists all)")
        lines += [f"{severity}: {line}" for line in own]
    return lines
