"""Time to an event: how long it is kept off, by arm, and who is known to have.

Method: ``docs/methods/time-to-event-analysis.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from outcomes.analyses.describe import share
from outcomes.analyses.selection import Cohort, cohort, fail_empty_arms, in_words
from outcomes.analyses.time_to_event_causes import add_incidence, add_intervals
from outcomes.analyses.time_to_event_cox import add_cox
from outcomes.analyses.time_to_event_data import ANY, EventData, event_data
from outcomes.analyses.time_to_event_entry import add_entry
from outcomes.analyses.time_to_event_sample import (
    CAUSE_SPECIFIC,
    Sample,
    attempt,
    plain_sample,
    warned,
)
from outcomes.analyses.time_to_event_survival import (
    add_log_rank,
    add_restricted_means,
    add_survival,
)
from outcomes.analyses.time_to_event_swimmer import add_swimmers
from outcomes.analyses.time_to_event_weights import ASSUMED, weighted_sample
from outcomes.ard.rows import ArdRows
from outcomes.errors import DataError
from outcomes.study.analyses import TimeToEvent
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

SELECTED = (
    "selected: only those who entered the follow-up, which happened after randomisation"
)


def analyse(
    spec: Study,
    analysis: TimeToEvent,
    adsl: Frame,
    adqs: Frame,
    adtte: Frame,
    ard: ArdRows,
) -> None:
    """Add the results of one analysis of a time to an event.

    Parameters
    ----------
    spec : Study
        The study; without a control arm nothing is compared.
    analysis : TimeToEvent
        The analysis. With ``followed_up`` the same is done in those who entered the
        follow-up, marked as selected, and entry is counted; with ``entry_weights``
        also in all, weighted for entry.
    adsl, adqs, adtte : DataFrame
        The datasets.
    ard : ArdRows
        Where results go. What cannot be estimated is a row with an error there; it
        takes nothing else down.

    Raises
    ------
    DataError
        If nobody has a time, or times cannot be right.
    """
    data = event_data(spec, analysis, adsl, adtte)
    own = ard.at(
        endpoint=data.what.endpoint,
        population=data.what.population,
        estimand=data.what.estimand,
    )
    fail_empty_arms(data.people, own)
    add_counts(data, own)
    sample = plain_sample(spec, data)
    cause_specific = _cause_specific(data, own)
    _estimates(spec, analysis, data, sample, adqs, cause_specific, residuals=True)
    if data.competing:
        add_incidence(analysis, data, sample, own)
    if analysis.interval_censored:
        add_intervals(analysis, sample, own)
    add_swimmers(spec, data, adqs, own)
    if analysis.followed_up is None:
        return
    add_entry(spec, analysis, data, adqs, own)
    _followed_up(spec, analysis, data, adsl, adqs, own)
    if analysis.entry_weights is not None:
        _weighted(spec, analysis, data, sample, adqs, own)


def _cause_specific(data: EventData, ard: ArdRows) -> ArdRows:
    return warned(ard, CAUSE_SPECIFIC) if data.competing else ard


def _estimates(
    spec: Study,
    analysis: TimeToEvent,
    data: EventData,
    sample: Sample,
    adqs: Frame,
    ard: ArdRows,
    *,
    residuals: bool = False,
) -> None:
    """Add survival, its comparisons and hazard ratios of a sample."""
    add_survival(analysis, sample, ard)
    add_log_rank(analysis, data, sample, ard)
    add_cox(spec, analysis, data, sample, adqs, ard, residuals=residuals)
    add_restricted_means(analysis, sample, ard)


def add_counts(data: EventData, ard: ArdRows) -> None:
    """Add who is at risk and how that ended, by arm; the counts close.

    The population is those at risk and those not, by reason; those at risk had the
    event, a competing one, or were censored. Kinds of events that nobody had are 0.
    """
    ard = ard.at(method_id="counts", method=in_words("counts of subjects"))
    frame, absent = data.frame, data.absent
    ended = {
        term: frame[frame["CNSR"] == code]
        for term, code in (("event", 0), ("censored", 1), ("competing", 2))
    }
    for arm, subjects in data.people.by_arm(total=False):
        n = len(subjects)
        here = ard.at(arm=arm, n_subjects=n)
        here.add("n", n, term="population")
        ids = set(subjects["USUBJID"])
        at_risk = int(frame["USUBJID"].isin(ids).sum())
        _share(here.at(term="at-risk"), at_risk, n)
        for reason in sorted(set(absent.values())):
            count = sum(why == reason for id, why in absent.items() if id in ids)
            _share(here.at(term="not-at-risk", level=reason), count, n)
        for term, rows in ended.items():
            mine = rows[rows["USUBJID"].isin(ids)]
            if term != "competing" or data.competing:
                _share(here.at(term=term, level=ANY), len(mine), at_risk)
            for label in sorted({*rows["EVNTDESC"], *data.kinds.get(term, ())}):
                count = int((mine["EVNTDESC"] == label).sum())
                _share(here.at(term=term, level=label), count, at_risk)


def _share(ard: ArdRows, n: int, denominator: int) -> None:
    """Add a count, its denominator, and the percentage where there is one."""
    counts = share(n, denominator)
    ard.add_all({"n": counts["n"], "denominator": counts["denominator"]})
    if denominator:
        ard.add("percent", counts["percent"])


def _followed_up(
    spec: Study,
    analysis: TimeToEvent,
    data: EventData,
    adsl: Frame,
    adqs: Frame,
    ard: ArdRows,
) -> None:
    """Add the same of those who entered the follow-up, marked as selected."""
    population = analysis.followed_up or ""
    # who entered is no population of the estimand
    ard = warned(ard.at(population=population, estimand=""), SELECTED)
    people = attempt(
        lambda: _entered(spec, population, data, adsl), ard, [{"term": "subjects"}]
    )
    if people is None:
        return
    chosen = data.restricted(people)
    fail_empty_arms(people, ard)
    add_counts(chosen, ard)
    sample = plain_sample(spec, chosen)
    _estimates(spec, analysis, chosen, sample, adqs, _cause_specific(chosen, ard))


def _entered(spec: Study, population: str, data: EventData, adsl: Frame) -> Cohort:
    """Return the followed-up population, which has to be one.

    Raises
    ------
    DataError
        If somebody in it did not enter the follow-up, or is not of the population
        analysed, so that no denominator would close.
    """
    people = cohort(spec, population, adsl)
    ids, flag = people.subjects["USUBJID"], people.subjects["FUPFL"]
    stray = ~ids.isin(data.people.subjects["USUBJID"])
    for bad, what in (
        (flag != "Y", "did not enter the follow-up"),
        (stray, f"are not in {data.people.population}"),
    ):
        if bad.any():
            raise DataError(
                f"{int(bad.sum())} subjects of {population} {what}; followed_up names "
                f"those of {data.people.population} who entered (FUPFL == 'Y')."
            )
    return people


def _weighted(
    spec: Study,
    analysis: TimeToEvent,
    data: EventData,
    sample: Sample,
    adqs: Frame,
    ard: ArdRows,
) -> None:
    """Add the same of all, weighted for entry into the follow-up."""
    found = attempt(
        lambda: weighted_sample(spec, analysis, data, sample, adqs, ard),
        ard.at(method_id="entry-weights"),
        [{"term": "weight"}],
    )
    if found is None:
        return
    weighted, left_out = found
    ard = warned(_cause_specific(data, ard), ASSUMED, *left_out)
    _estimates(spec, analysis, data, weighted, adqs, ard)
