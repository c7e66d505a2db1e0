"""Survival by arm, compared by log-rank tests and restricted means.

Method: ``docs/methods/time-to-event-analysis.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from outcomes.analyses.selection import in_words
from outcomes.analyses.time_to_event_data import (
    EventData,
    complete_rows,
    with_subject_columns,
)
from outcomes.analyses.time_to_event_sample import (
    NOT_FOLLOWED,
    NOT_REACHED,
    Sample,
    add_known,
    add_limits,
    add_or_say,
    attempt,
    horizon_of,
    method_of,
    warned,
)
from outcomes.ard.rows import ArdRows, point_level
from outcomes.models.survival.kaplan_meier import kaplan_meier
from outcomes.models.survival.logrank import logrank
from outcomes.models.survival.rmst import rmst
from outcomes.study.analyses import TimeToEvent

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

_COUNTS: Final = ("n_risk", "n_event", "n_censor")
_UNWEIGHTED: Final = ("count_risk", "count_event")
_ROBUST: Final = "weights of rows, variance robust by subject (infinitesimal jackknife)"


def words_of(sample: Sample, *parts: str) -> str:
    """Return the method in words, with what weights do to it."""
    return in_words(*parts, _ROBUST if sample.weighted else "")


def add_survival(analysis: TimeToEvent, sample: Sample, ard: ArdRows) -> None:
    """Add curves, survival at declared days, quantiles and length of follow-up."""
    ard = ard.at(
        method_id=method_of("kaplan-meier", sample),
        method=words_of(
            sample,
            "Kaplan-Meier",
            f"limits of Greenwood's variance on the scale {analysis.interval}"
            if not sample.weighted
            else f"limits on the scale {analysis.interval}",
        ),
    )
    for arm, why in sample.missing.items():
        for place in _places(analysis, [arm]):
            ard.fail(why, n_subjects=0, **place)
    found = attempt(
        lambda: kaplan_meier(
            sample.frame,
            by=sample.arm,
            conf_type=analysis.interval,
            conf_level=analysis.conf_level,
            **sample.columns,
        ),
        ard,
        _places(analysis, sample.arms),
    )
    if found is None:
        return
    level = analysis.conf_level
    for arm in sample.arms:
        here = sample.warning_of(ard.at(arm=arm, n_subjects=sample.n(arm)), arm)
        _curve(_level(found.curve, arm), sample, arm, here.at(term="curve"), level)
    at_days = found.at([float(day) for day in sorted(analysis.days)])
    quantiles = found.quantiles(tuple(sorted(analysis.quantiles)))
    length = found.follow_up()
    for arm in sample.arms:
        here = sample.warning_of(ard.at(arm=arm, n_subjects=sample.n(arm)), arm)
        for row in _level(at_days, arm):
            line = here.at(term="day", time=row["time"])
            if sample.weighted:
                row["count_risk"] = sample.at_risk(arm, row["time"])
            _point(row, line, level, weighted=sample.weighted)
        for row in _level(quantiles, arm):
            line = here.at(term="quantile", level=f"{row['prob']:g}")
            add_or_say(line, "estimate", row["estimate"], NOT_REACHED)
            for name in ("conf_low", "conf_high"):
                add_or_say(line.at(conf_level=level), name, row[name], NOT_REACHED)
        (row,) = _level(length, arm)
        line = here.at(term="follow-up")
        add_or_say(line, "median", row["median"], NOT_REACHED)
        line.add("max", row["maximum"])


def _places(analysis: TimeToEvent, arms: Iterable[str]) -> list[dict[str, Any]]:
    """Return where the numbers of arms that a reader looks for would stand."""
    points: list[dict[str, Any]] = [
        {"term": "day", "time": float(day)} for day in analysis.days
    ]
    points += [{"term": "quantile", "level": f"{p:g}"} for p in analysis.quantiles]
    return [{"arm": arm, **point} for arm in arms for point in points]


def _level(table: Frame, arm: str) -> list[dict[Any, Any]]:
    """Return the rows of an arm."""
    return table[table["level"] == arm].to_dict("records")


def _curve(
    rows: list[dict[Any, Any]], sample: Sample, arm: str, ard: ArdRows, level: float
) -> None:
    """Add the points of a curve; the first is that of time 0, where nobody is lost."""
    n = float(sample.n(arm))
    counts = {"n_risk": n, "n_event": 0.0, "n_censor": 0.0}
    first: dict[Any, Any] = {"time": 0.0, "survival": 1.0, "std_error": 0.0, **counts}
    first |= {"conf_low": 1.0, "conf_high": 1.0}
    if sample.weighted:
        first |= {"count_risk": n, "count_event": 0.0}
    later = [row for row in rows if row["time"] > 0]
    for number, row in enumerate([first, *later]):
        line = ard.at(time=float(row["time"]), level=point_level(number))
        _point(row, line, level, weighted=sample.weighted)


def _point(
    row: Mapping[Any, Any], ard: ArdRows, level: float, *, weighted: bool
) -> None:
    """Add survival and counts; with weights, also how many subjects those are."""
    if math.isfinite(row["survival"]):
        ard.add("estimate", row["survival"])
        add_known(ard, row, "std_error")
        add_limits(ard, row, level)
    else:
        ard.add("estimate", text=NOT_FOLLOWED)
    add_known(ard, row, *_COUNTS, *(_UNWEIGHTED if weighted else ()))


def add_log_rank(
    analysis: TimeToEvent, data: EventData, sample: Sample, ard: ArdRows
) -> None:
    """Add tests of each arm against control, and of all arms at once."""
    if len(sample.arms) + len(sample.missing) < 2:
        return
    name = "log-rank-rho" if analysis.rho else "log-rank"
    rows = with_subject_columns(sample.frame, data.people, list(analysis.strata))
    rows, absent = complete_rows(rows, list(analysis.strata))
    ard = _without(
        absent,
        ard.at(
            method_id=method_of(name, sample),
            method=words_of(
                sample,
                f"G-rho test, rho = {analysis.rho:g}" if analysis.rho else "log-rank",
                f"strata {', '.join(analysis.strata)}" if analysis.strata else "",
            ),
        ),
    )
    for arm in sample.compared:
        pair = (arm, str(sample.control))
        line = ard.at(arm=arm, comparator=pair[1], n_subjects=_n(rows, sample, pair))
        _test(analysis, sample, rows, pair, sample.comparing(line, *pair))
    overall = ard.at(term="overall", n_subjects=_n(rows, sample, sample.arms))
    overall = sample.comparing(overall, *sample.arms)
    _test(analysis, sample, rows, sample.arms, overall)


def _without(absent: dict[str, int], ard: ArdRows) -> ArdRows:
    """Count who lacks a column; return a view that warns of it."""
    for reason, count in absent.items():
        ard.add("n", count, term="excluded", level=reason)
    return warned(
        ard, *(f"{n} subjects left out: {reason}" for reason, n in absent.items())
    )


def _n(rows: Frame, sample: Sample, arms: tuple[str, ...]) -> int:
    return int(rows.loc[rows[sample.arm].isin(arms), "USUBJID"].nunique())


def _test(
    analysis: TimeToEvent,
    sample: Sample,
    rows: Frame,
    arms: tuple[str, ...],
    ard: ArdRows,
) -> None:
    """Add one test, or why there is none."""
    own = rows[rows[sample.arm].isin(arms)].reset_index(drop=True)
    there = set(own[sample.arm])
    why = sample.why_not(*arms) or (
        "" if len(there) > 1 else "fewer than two arms have a subject at risk"
    )
    if not why and not own[sample.columns["event"]].any():
        why = "no event in any of these arms, so there is nothing to compare"
    if why:
        ard.fail(why)
        return
    found = attempt(
        lambda: logrank(
            own,
            by=sample.arm,
            strata=list(analysis.strata) or None,
            rho=analysis.rho,
            **sample.columns,
        ),
        ard,
        [{}],
    )
    if found is None:
        return
    if not math.isfinite(found.statistic):
        ard.fail("the test does not exist: no variance between the arms at any event.")
        return
    ard.add_all({"chisq": found.statistic, "df": found.df, "p_value": found.p_value})


def add_restricted_means(analysis: TimeToEvent, sample: Sample, ard: ArdRows) -> None:
    """Add mean days free of the event up to a horizon, and how arms compare."""
    ard = ard.at(
        method_id=method_of("rmst", sample),
        method=words_of(sample, "restricted mean survival time, area under the curve"),
    )
    if sample.arms:
        tau, said = horizon_of(analysis, sample)
    else:
        tau, said = float(analysis.horizon), ""
    ard = warned(ard.at(time=tau), said)
    for arm, why in sample.missing.items():
        ard.fail(why, arm=arm, term="mean", n_subjects=0)
    pairs = [
        {"arm": arm, "comparator": sample.control, "term": term}
        for arm in sample.compared
        for term in ("difference", "ratio")
    ]
    for place in pairs:
        why = sample.why_not(place["arm"] or "", place["comparator"] or "")
        if why:
            sample.comparing(ard).fail(why, **place)
    if not sample.arms:
        return
    control = sample.control if sample.control in sample.arms else None
    here = [arm for arm in sample.compared if arm in sample.arms and control]
    table = attempt(
        lambda: rmst(
            sample.frame,
            by=sample.arm,
            tau=tau,
            reference=control,
            conf_level=analysis.conf_level,
            **sample.columns,
        ),
        ard,
        [
            *({"arm": arm, "term": "mean"} for arm in sample.arms),
            *(place for place in pairs if place["arm"] in here),
        ],
    )
    if table is not None:
        for row in table.to_dict("records"):
            _mean(row, control, sample, ard, analysis.conf_level)


def _mean(
    row: dict[Any, Any],
    control: str | None,
    sample: Sample,
    ard: ArdRows,
    level: float,
) -> None:
    """Add a restricted mean, a difference or a ratio."""
    arm = str(row["level"])
    if row["term"] == "rmst":
        line = ard.at(arm=arm, term="mean", n_subjects=sample.n(arm))
        line = sample.warning_of(line, arm)
    elif control is None:
        return
    else:
        line = ard.at(
            arm=arm,
            comparator=control,
            term=row["term"],
            n_subjects=sample.n(arm, control),
        )
        line = sample.comparing(line, arm, control)
    if not math.isfinite(row["estimate"]):
        line.fail("the restricted mean does not exist")
        return
    line.add("estimate", row["estimate"])
    add_known(line, row, "std_error")
    add_limits(line, row, level)
    if row["term"] != "rmst":
        add_known(line, row, "p_value")
