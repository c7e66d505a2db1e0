"""Competing events, and times known as intervals only.

Method: ``docs/methods/time-to-event-analysis.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from outcomes.analyses.describe import numbers
from outcomes.analyses.selection import in_words
from outcomes.analyses.time_to_event_data import (
    CAUSE,
    OF_INTEREST,
    TIME,
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
    warned,
)
from outcomes.ard.rows import ArdRows, point_level
from outcomes.models.survival.competing_risks import cumulative_incidence
from outcomes.models.survival.gray import gray_test
from outcomes.models.survival.interval_censoring import turnbull
from outcomes.study.analyses import TimeToEvent

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

_COUNTS: Final = ("n_risk", "n_event", "n_censor")
OPEN: Final = "open"
_LEFT: Final = "left"
_RIGHT: Final = "right"


def add_incidence(
    analysis: TimeToEvent, data: EventData, sample: Sample, ard: ArdRows
) -> None:
    """Add the cumulative incidence of each cause by arm, and Gray's tests."""
    causes = {OF_INTEREST: 1, **data.causes}
    curves = ard.at(
        method_id="aalen-johansen",
        method=in_words(
            "Aalen-Johansen cumulative incidence",
            f"limits on the scale {analysis.interval}",
        ),
    )
    for arm, why in sample.missing.items():
        for place in _places(analysis, [arm], causes):
            curves.fail(why, n_subjects=0, **place)
    _incidence(analysis, sample, causes, curves)
    if sample.control is None or len(sample.arms) + len(sample.missing) < 2:
        return
    rows = with_subject_columns(sample.frame, data.people, list(analysis.strata))
    rows, absent = complete_rows(rows, list(analysis.strata))
    tests = ard.at(
        method_id="gray",
        method=in_words(
            "Gray's test of equal cumulative incidence",
            f"strata {', '.join(analysis.strata)}" if analysis.strata else "",
        ),
    )
    for reason, count in absent.items():
        tests.add("n", count, term="excluded", level=reason)
    tests = warned(tests, *(f"{n} subjects left out: {w}" for w, n in absent.items()))
    for label, code in causes.items():
        own = tests.at(subgroup=label)
        for arm in sample.compared:
            pair = (arm, str(sample.control))
            line = sample.comparing(own.at(arm=arm, comparator=pair[1]))
            _gray(analysis, sample, rows, pair, code, line)
        overall = sample.comparing(own.at(term="overall"))
        _gray(analysis, sample, rows, sample.arms, code, overall)


def _places(
    analysis: TimeToEvent, arms: Any, causes: Mapping[str, int]
) -> list[dict[str, Any]]:
    return [
        {"arm": arm, "subgroup": label, "term": "day", "time": float(day)}
        for arm in arms
        for label in causes
        for day in analysis.days
    ]


def _incidence(
    analysis: TimeToEvent, sample: Sample, causes: dict[str, int], ard: ArdRows
) -> None:
    """Add the curves of all causes, and their values at the declared days."""
    found = attempt(
        lambda: cumulative_incidence(
            sample.frame,
            time=TIME,
            event=CAUSE,
            by=sample.arm,
            conf_type=analysis.interval,
            conf_level=analysis.conf_level,
        ),
        ard,
        _places(analysis, sample.arms, causes),
    )
    if found is None:
        return
    days = found.at([float(day) for day in sorted(analysis.days)])
    for label, code in causes.items():
        for arm in sample.arms:
            here = ard.at(arm=arm, subgroup=label, n_subjects=sample.n(arm))
            _curve(_of(found.curve, arm, code), sample.n(arm), analysis, here)
            for row in _of(days, arm, code):
                _point(row, analysis, here.at(term="day", time=row["time"]))


def _of(table: Frame, arm: str, code: int) -> list[dict[Any, Any]]:
    """Return the rows of a cause in an arm.

    A cause that nobody had has no rows; it gets those of another, with nothing in them.
    """
    known = (table["cause"] == code).any()
    keep = table["cause"] == (code if known else table["cause"].iloc[0])
    rows = table[keep & (table["level"] == arm)]
    if not known:
        none = rows["estimate"].where(rows["estimate"].isna(), 0.0)
        rows = rows.assign(estimate=none, std_error=0.0, n_event=0.0)
        rows = rows.assign(conf_low=math.nan, conf_high=math.nan)
    return rows.to_dict("records")


def _curve(
    rows: list[dict[Any, Any]], n: int, analysis: TimeToEvent, ard: ArdRows
) -> None:
    first: dict[Any, Any] = {"time": 0.0, "n_risk": float(n), "n_event": 0.0}
    first |= {"n_censor": 0.0, "estimate": 0.0, "std_error": 0.0}
    # The first day is known, so that there are no limits of it.
    first |= {"conf_low": math.nan, "conf_high": math.nan}
    later = [row for row in rows if row["time"] > 0]
    for number, row in enumerate([first, *later]):
        line = ard.at(term="curve", time=float(row["time"]), level=point_level(number))
        _point(row, analysis, line)


def _point(row: Mapping[Any, Any], analysis: TimeToEvent, ard: ArdRows) -> None:
    if math.isfinite(row["estimate"]):
        ard.add("estimate", row["estimate"])
        add_known(ard, row, "std_error")
        add_limits(ard, row, analysis.conf_level)
    else:
        ard.add("estimate", text=NOT_FOLLOWED)
    add_known(ard, row, *_COUNTS)


def _gray(
    analysis: TimeToEvent,
    sample: Sample,
    rows: Frame,
    arms: tuple[str, ...],
    code: int,
    ard: ArdRows,
) -> None:
    """Add one test, or why there is none."""
    own = rows[rows[sample.arm].isin(arms)].reset_index(drop=True)
    ard = ard.at(n_subjects=len(own))
    why = sample.why_not(*arms) or (
        ""
        if own[sample.arm].nunique() > 1
        else "fewer than two arms have a subject at risk"
    )
    if not why and not (own[CAUSE] == code).any():
        why = "no such event in any of these arms, so there is nothing to compare"
    if why:
        ard.fail(why)
        return
    found = attempt(
        lambda: gray_test(
            own,
            time=TIME,
            event=CAUSE,
            by=sample.arm,
            cause=code,
            strata=list(analysis.strata) or None,
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


def add_intervals(analysis: TimeToEvent, sample: Sample, ard: ArdRows) -> None:
    """Add survival from the intervals in which events happened (Turnbull)."""
    import numpy as np

    ard = ard.at(
        method_id="turnbull",
        method=in_words(
            "nonparametric maximum likelihood for interval-censored times (Turnbull)"
        ),
    )
    places = [{"term": "day", "time": float(day)} for day in sorted(analysis.days)] + [
        {"term": "quantile", "level": f"{p:g}"} for p in sorted(analysis.quantiles)
    ]
    for arm, why in sample.missing.items():
        for place in places:
            ard.fail(why, arm=arm, n_subjects=0, **place)
    left, right = numbers(sample.frame["LEFTDY"]), numbers(sample.frame["RGHTDY"])
    event = sample.frame[CAUSE].to_numpy() == 1
    # Nothing known of the days before is an interval from day 0; who had no event is
    # known free of it up to the left bound, which without one is the time itself.
    time = numbers(sample.frame[TIME])
    left = np.where(np.isnan(left), np.where(event, 0.0, time), left)
    right = np.where(event, np.where(np.isnan(right), time, right), np.inf)
    rows = sample.frame.assign(**{_LEFT: left, _RIGHT: right})
    for arm in sample.arms:
        own = rows[rows[sample.arm] == arm].reset_index(drop=True)
        here = ard.at(arm=arm, n_subjects=len(own))
        _turnbull(analysis, own, places, here)


def _turnbull(
    analysis: TimeToEvent, own: Frame, places: list[dict[str, Any]], ard: ArdRows
) -> None:
    """Add the estimate of one arm."""
    found = attempt(
        lambda: turnbull(own, left=_LEFT, right=_RIGHT, conf_level=analysis.conf_level),
        ard,
        places,
    )
    if found is None:
        return
    if not found.converged:
        ard = warned(ard, "the maximum was not reached: read it as approximate")
    table = found.intervals.to_dict("records")
    for number, row in enumerate(table, start=1):
        line = ard.at(term="interval", level=point_level(number))
        line.add("left", row["left"])
        add_or_say(line, "right", row["right"], OPEN)
        line.add("mass", row["mass"])
    days = found.at([float(day) for day in sorted(analysis.days)])
    for row in days.to_dict("records"):
        line = ard.at(term="day", time=float(row["time"]))
        add_or_say(line, "low", row["survival_low"], NOT_FOLLOWED)
        add_or_say(line, "high", row["survival_high"], NOT_FOLLOWED)
        add_limits(line, row, analysis.conf_level)
    for row in found.quantiles(tuple(sorted(analysis.quantiles))).to_dict("records"):
        line = ard.at(term="quantile", level=f"{row['prob']:g}")
        add_or_say(line, "low", row["low"], NOT_REACHED)
        add_or_say(line, "high", row["high"], NOT_REACHED)
