"""What a study asks of its sources that none of them can give.

Without these checks nothing would fail: a population would be empty, or a change would
have no record, and a table would say so only at the end.
"""

from __future__ import annotations

from collections.abc import Iterator

from outcomes.errors import SpecError
from outcomes.study.endpoints import AllOfEndpoint, SustainedEndpoint
from outcomes.study.events import (
    AdverseEvent,
    AnyEventRule,
    Medication,
    TimeToEventEndpoint,
    Withdrawal,
)
from outcomes.study.expression import parse
from outcomes.study.spec import Study

_EVENTS = {
    "TRTFL": "ex",
    "TRTSDT": "ex",
    "TRTEDT": "ex",
    "NSESSION": "ex",
    "EOSSTT": "ds",
    "EOSDT": "ds",
    "DCSREAS": "ds",
    "SCRFREAS": "ds",
    "NMAJDEV": "dv",
    "RESCDT": "cm",
}
"""Columns of ADSL that are unknown for everybody without a table."""

_OF_FOLLOW_UP = ("FUPFL", "FUPDT", "FUPNREAS", "FUPEDT", "FUPSTT", "FUPDREAS")

_SUBJECT: dict[str, tuple[str, str | None]] = {
    "SUBJID": ("SUBJID", None),
    "SITEID": ("SITEID", None),
    "SITEGR1": ("SITEID", None),
    "AGE": ("AGE", None),
    "SEX": ("SEX", None),
    "RACE": ("RACE", None),
    "ETHNIC": ("ETHNIC", None),
    "ACTARMCD": ("ACTARMCD", None),
    "ACTARM": ("ACTARMCD", None),
    "RFICDT": ("RFICDTC", "ds"),
    "RANDDT": ("RANDDTC", "ds"),
    "TRT01A": ("ACTARMCD", "ex"),
    "TRT01AN": ("ACTARMCD", "ex"),
}
"""Columns of ADSL that come from a variable of DM, or from a table in its place."""

_AS_TREATED = ("SAF", "SAFETY")
"""Populations whose subjects stand in the arm that they received."""


def unmet_needs(spec: Study) -> Iterator[tuple[str, str]]:
    """Yield key path and message of everything asked that no source gives.

    Parameters
    ----------
    spec : Study
        A study; ``sources``, ``origin``, ``follow_up``, ``populations`` and
        ``endpoints`` are read.
    """
    if spec.origin == "first-dose" and spec.sources.ex is None:
        yield (
            "origin",
            "first-dose needs sources.ex; add it, or say origin: randomisation.",
        )
    yield from _follow_up(spec)
    yield from _populations(spec)
    yield from _endpoints(spec)


def _follow_up(spec: Study) -> Iterator[tuple[str, str]]:
    if spec.follow_up is None:
        return
    if spec.sources.ds is None:
        yield (
            "follow_up",
            "who entered is read from sources.ds, which is absent; add that, with a "
            "column for EPOCH.",
        )
        return
    for name in ("EPOCH", "DSSTDTC", "DSTERM"):
        if name not in spec.sources.ds.columns:
            yield (
                "follow_up",
                f"needs {name} in sources.ds.columns, "
                f"{_DISPOSITION[name]}; name its raw column.",
            )


_DISPOSITION = {
    "EPOCH": "which tells records of the follow-up (FOLLOW-UP) from those of the main "
    "study",
    "DSSTDTC": "the date of entry and of the end",
    "DSTERM": "the reason of those who did not enter",
}


def _populations(spec: Study) -> Iterator[tuple[str, str]]:
    for id, source in spec.populations.items():
        try:
            columns = list(parse(source).columns)
        except SpecError:
            continue  # reported as an expression that cannot be read
        for name in columns:
            absent = lacking(spec, name)
            if absent:
                yield (
                    f"populations.{id}",
                    f"{name} is not known without {absent}; add that, or leave "
                    f"{name} out of the population.",
                )
        absent = lacking(spec, "TRT01A") if id in _AS_TREATED else ""
        if absent and "TRT01A" not in columns:
            yield (
                f"populations.{id}",
                "counts subjects in the arm they received, which is not known without "
                f"{absent}; add that, or give the population another id.",
            )


def lacking(spec: Study, name: str) -> str:
    """Return which source would make a column of ADSL known, '' if it is.

    Parameters
    ----------
    spec : Study
        A study; ``sources`` is read.
    name : str
        A column.
    """
    table: str | None
    if name in _OF_FOLLOW_UP:
        return "" if spec.follow_up is not None else "the section follow_up"
    if name in _EVENTS:
        variable, table = "", _EVENTS[name]
    elif name in _SUBJECT:
        variable, table = _SUBJECT[name]
    else:
        return ""
    dm = spec.sources.dm
    if variable and (variable in dm.columns or variable in dm.constants):
        return ""
    if table and getattr(spec.sources, table) is not None:
        return ""
    ways = [f"{variable} in sources.dm.columns"] if variable else []
    ways += [f"sources.{table}"] if table else []
    return " or ".join(ways)


def _endpoints(spec: Study) -> Iterator[tuple[str, str]]:
    for id, endpoint in spec.endpoints.items():
        if isinstance(endpoint, AllOfEndpoint | SustainedEndpoint):
            continue  # its parts are endpoints, too
        if isinstance(endpoint, TimeToEventEndpoint):
            yield from _times(spec, endpoint, f"endpoints.{id}")
            continue
        own = [s for s in spec.sources.qs if s.instrument == endpoint.instrument]
        if own and not any(source.visit or source.at_visit for source in own):
            yield (
                f"endpoints.{id}",
                f"{endpoint.instrument} has sources with sessions only, so there is no "
                f"visit at which '{endpoint.kind}' could be told; give a source visit "
                "or at_visit, or use the score as a predictor (predicts-outcome).",
            )


def _times(
    spec: Study, endpoint: TimeToEventEndpoint, where: str
) -> Iterator[tuple[str, str]]:
    """Yield what the origin and the rules of an endpoint read and no source gives."""
    if endpoint.origin == "first-dose" and spec.sources.ex is None:
        yield (
            f"{where}.origin",
            "first-dose needs sources.ex; add it, or say origin: randomisation.",
        )
    date = lacking(spec, "RANDDT")
    if endpoint.origin == "randomisation" and date:
        yield f"{where}.origin", f"the date of randomisation needs {date}; add that."
    needs = {need for rule in endpoint.everything for need in _read_by(rule)}
    for table, names, what in sorted(needs):
        source = getattr(spec.sources, table)
        if source is None:
            yield where, f"{what} is read from sources.{table}, which is absent."
            continue
        for name in names:
            if name not in source.columns and name not in source.constants:
                yield (
                    where,
                    f"{what} needs {name} in sources.{table}.columns; name its raw "
                    "column.",
                )


def _read_by(rule: AnyEventRule) -> list[tuple[str, tuple[str, ...], str]]:
    """Return the table that a rule reads, its variables, and what the rule is."""
    match rule:
        case AdverseEvent(serious=serious):
            names = ("AEDECOD", "AESTDTC", *(["AESER"] if serious else []))
            return [("ae", names, f"the rule '{rule.kind}'")]
        case Medication():
            return [("cm", ("CMCAT", "CMSTDTC"), f"the rule '{rule.kind}'")]
        case Withdrawal():
            return [("ds", ("DSSTDTC",), f"the rule '{rule.kind}'")]
    return []
