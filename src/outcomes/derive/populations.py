"""Analysis populations: expressions over ADSL, one flag each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from outcomes.errors import DataError, OutcomesError, one_of
from outcomes.study.expression import Expression, parse, select

if TYPE_CHECKING:
    from outcomes.datasets.store import Frame


def add_flags(populations: Mapping[str, str], adsl: Frame) -> Frame:
    """Add ``<ID>FL`` (Y or N) for each population.

    An expression may use any column of ADSL and the flags of other populations.

    Parameters
    ----------
    populations : mapping of str to str
        Population id to expression.
    adsl : DataFrame
        One row per subject, conformed to its schema.

    Returns
    -------
    DataFrame
        A new frame with the flags as last columns, in the order of ``populations``.

    Raises
    ------
    DataError
        Everything wrong with any expression: unknown columns with the nearest known
        one, text compared with numbers, circles, flags that ADSL already has.
    """
    problems: list[str] = []
    waiting: dict[str, Expression] = {}
    for id, source in populations.items():
        if f"{id}FL" in adsl.columns:
            problems.append(
                f"populations.{id}: {id}FL is a column of ADSL already; "
                "choose another id."
            )
        try:
            waiting[id] = parse(source)
        except OutcomesError as problem:
            problems.append(f"populations.{id}: {problem}")
    flags = [f"{id}FL" for id in populations]
    known = [*map(str, adsl.columns), *flags]
    for id, expression in list(waiting.items()):
        unknown = [name for name in expression.columns if name not in known]
        problems += [
            f"populations.{id}: {one_of(name, known, name='column')}"
            for name in unknown
        ]
        if unknown:
            del waiting[id]
    if problems:
        raise DataError("\n".join(problems))
    out = _resolve(waiting, adsl.copy(), problems)
    if problems:
        raise DataError("\n".join(problems))
    return out[[*adsl.columns, *flags]]


def _resolve(waiting: dict[str, Expression], out: Frame, problems: list[str]) -> Frame:
    """Evaluate expressions once the flags they use are there."""
    while waiting:
        ready = [
            id
            for id, expression in waiting.items()
            if all(name in out.columns for name in expression.columns)
        ]
        if not ready:
            names = ", ".join(waiting)
            problems.append(f"populations: {names} are defined by each other.")
            return out
        for id in ready:
            try:
                held = select(waiting.pop(id), out)
            except (OutcomesError, RecursionError) as problem:
                text = str(problem) or "is nested too deeply"
                problems.append(f"populations.{id}: {text}")
                held = out["USUBJID"] == ""
            out[f"{id}FL"] = held.map({True: "Y", False: "N"}).astype("str")
    return out
