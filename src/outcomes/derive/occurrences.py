"""When each rule of a time to an event was met: by assessments, or by a record.

The rules, with truth tables: ``docs/methods/times.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from outcomes.datasets.sdtm import TABLES
from outcomes.datasets.store import empty
from outcomes.derive.days import ordinals
from outcomes.study.events import AdverseEvent, Criterion, Medication, Withdrawal

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.datasets.store import Frame

COLUMNS = ["USUBJID", "day", "left", "SRCDOM", "SRCSEQ"]
"""``day`` and ``left`` are days since 1970. ``left`` is NaN where the day of the event
is known; else it is the last day known to be free of it, ``-inf`` where none is."""


class Run(NamedTuple):
    """The first run of yeses that is long enough: positions, -1 where there is none.

    ``open`` says that the assessments end within a run that is still too short.
    """

    first: int
    confirming: int
    open: bool


def find_run(
    days: Sequence[float],
    yes: Sequence[bool],
    needed: int,
    apart: tuple[int, int] | None = None,
) -> Run:
    """Find the first ``needed`` consecutive yeses, each ``apart`` from the one before.

    Parameters
    ----------
    days : sequence of float
        Days of the assessments that could be decided, ascending.
    yes : sequence of bool
        What they found.
    needed : int
        How many in a row.
    apart : tuple of int, optional
        Fewest and most days between one and the next. A yes at another distance does
        not confirm the one before, and begins a run itself.

    Examples
    --------
    >>> find_run([8, 15, 22, 29], [True, False, True, True], 2, (5, 15))
    Run(first=2, confirming=3, open=False)
    >>> find_run([8, 12], [True, True], 2, (5, 15))
    Run(first=-1, confirming=-1, open=True)
    """
    length = 0
    for place, held in enumerate(yes):
        if not held:
            length = 0
            continue
        near = (
            length == 0
            or apart is None
            or apart[0] <= days[place] - days[place - 1] <= apart[1]
        )
        length = length + 1 if near else 1
        if length == needed:
            return Run(place - needed + 1, place, open=False)
    return Run(-1, -1, open=length > 0)


def by_assessment(rule: Criterion, seen: Frame) -> tuple[Frame, list[str]]:
    """Return who met a criterion and when, and whose last yes was not confirmed.

    Parameters
    ----------
    rule : Criterion
        The rule.
    seen : DataFrame
        Its endpoint, decided (`outcomes.derive.assessed.decided`), of the time at risk.

    Returns
    -------
    met : DataFrame
        `COLUMNS`, one row per subject who met it.
    unconfirmed : list of str
        Subjects.
    """
    import pandas as pd

    names = seen["USUBJID"].to_numpy()
    days = seen["day"].to_numpy(dtype=np.float64)
    yes = holds(rule, seen)
    sequence = seen["ASEQ"].to_numpy()
    bounds = [*np.flatnonzero(np.r_[True, names[1:] != names[:-1]]), len(names)]
    met: list[tuple[str, float, float, str, int]] = []
    unconfirmed = []
    for low, high in pairwise(bounds) if len(names) else ():
        run = find_run(
            days[low:high].tolist(),
            yes[low:high].tolist(),
            rule.assessments,
            rule.apart,
        )
        if run.first < 0:
            unconfirmed += [str(names[low])] * run.open
            continue
        free = np.flatnonzero(~yes[low : low + run.first])
        left = float(days[low + free[-1]]) if len(free) else -np.inf
        at = low + (run.first if rule.dated == "first" else run.confirming)
        met.append((str(names[low]), float(days[at]), left, "ADQS", int(sequence[at])))
    return pd.DataFrame(met, columns=COLUMNS), unconfirmed


def holds(rule: Criterion, seen: Frame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Say at which assessments the endpoint of a rule has the value it asks for."""
    wanted = 1.0 if rule.equals == "Y" else 0.0
    return np.asarray(seen["value"].to_numpy(dtype=np.float64) == wanted, dtype=bool)


def by_record(
    rule: AdverseEvent | Medication | Withdrawal,
    tables: Mapping[str, Frame],
    people: Frame,
) -> Frame:
    """Return every record that a rule asks for; ``day`` is NaN where it has no date.

    Parameters
    ----------
    rule : AdverseEvent or Medication or Withdrawal
        The rule.
    tables : mapping of str to DataFrame
        SDTM tables; ``ae`` and ``cm`` are read.
    people : DataFrame
        ADSL of the randomised, by USUBJID, which says who left, when and why.

    Returns
    -------
    DataFrame
        `COLUMNS`.
    """
    match rule:
        case AdverseEvent():
            ae = _table(tables, "ae")
            wanted = _folded(_term(ae), rule.terms)
            if rule.serious:
                wanted &= ae["AESER"].str.strip().str.upper().isin(["Y", "YES"])
            return _dated(ae[wanted], "AE", people)
        case Medication():
            cm = _table(tables, "cm")
            return _dated(cm[_folded(cm["CMCAT"], rule.categories)], "CM", people)
    return _withdrawn(rule, people)


def absent_names(
    rule: AdverseEvent | Medication | Withdrawal, tables: Mapping[str, Frame]
) -> list[str]:
    """Return the names that a rule asks for, if no record of anybody has any of them.

    Nobody's having left for a reason is no sign of a misspelt one.
    """
    match rule:
        case AdverseEvent():
            names, known = rule.terms, _term(_table(tables, "ae"))
        case Medication():
            names, known = rule.categories, _table(tables, "cm")["CMCAT"]
        case Withdrawal():
            return []
    return [] if _folded(known, names).any() else list(names)


def _term(ae: Frame) -> pd.Series[Any]:
    return ae["AEDECOD"].where(ae["AEDECOD"].str.strip() != "", ae["AETERM"])


def _table(tables: Mapping[str, Frame], name: str) -> Frame:
    return tables[name] if name in tables else empty(TABLES[name])


def _folded(values: pd.Series[Any], names: Sequence[str]) -> pd.Series[bool]:
    """Say which texts are one of several; case and number of blanks do not count."""
    known = [" ".join(name.split()).casefold() for name in names]
    return values.str.split().str.join(" ").str.casefold().isin(known)


def _dated(rows: Frame, domain: str, people: Frame) -> Frame:
    own = rows[rows["USUBJID"].isin(people.index)]
    return own.assign(
        day=ordinals(own[f"{domain}STDTC"]),
        left=np.nan,
        SRCDOM=domain,
        SRCSEQ=own[f"{domain}SEQ"],
    )[COLUMNS]


def _withdrawn(rule: Withdrawal, people: Frame) -> Frame:
    """Return who left the main study or the follow-up."""
    import pandas as pd

    parts = []
    for status, reason, date in (
        ("EOSSTT", "DCSREAS", "EOSDT"),
        ("FUPSTT", "FUPDREAS", "FUPEDT"),
    ):
        left = people[status] == "DISCONTINUED"
        if rule.reasons:
            left &= _folded(people[reason], rule.reasons)
        own = people[left]
        parts.append(
            pd.DataFrame(
                {
                    "USUBJID": own.index.to_numpy(dtype=object),
                    "day": ordinals(own[date]),
                    "left": np.nan,
                    "SRCDOM": "ADSL",
                    "SRCSEQ": pd.NA,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
