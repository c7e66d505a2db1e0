"""Yes/no endpoints by visit and arm: proportions and risk differences.

Method: ``docs/methods/responders.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from outcomes.analyses.describe import share
from outcomes.analyses.selection import (
    Cohort,
    Target,
    analysed,
    cohort,
    estimand_target,
    fail_empty_arms,
    fail_visit,
    in_words,
    paramcd_of,
    scheduled,
)
from outcomes.ard.rows import ArdRows
from outcomes.errors import DataError
from outcomes.models.proportions import two_proportions, wilson
from outcomes.study.analyses import Responders
from outcomes.study.endpoints import SustainedEndpoint
from outcomes.study.spec import Study, Visit

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

NRI: Final = "nri"
OBSERVED: Final = "observed"
_DENOMINATOR: Final = {
    NRI: "missing = non-responder, denominator all subjects of the population",
    OBSERVED: "observed cases, denominator subjects with a value",
}
_INTERVAL: Final = {
    "newcombe": "Newcombe's hybrid score interval",
    "miettinen-nurminen": "Miettinen-Nurminen score interval",
}


@dataclass(frozen=True, slots=True)
class Count:
    """Responders among subjects."""

    responders: int
    subjects: int


def analyse(
    spec: Study, analysis: Responders, adsl: Frame, adqs: Frame, ard: ArdRows
) -> None:
    """Add proportions of responders and their differences from the control arm.

    Parameters
    ----------
    spec : Study
        The study.
    analysis : Responders
        The analysis; without visits, all scheduled ones after baseline. A visit at
        which nobody was observed is an error row: missing = non-responder would make
        everybody there a non-responder.
    adsl, adqs : DataFrame
        The datasets. Records with DTYPE ``NRI`` are those that a rule made; observed
        cases leave them out. A no of a sustained endpoint that an earlier visit
        decided is observed, at visits that were missed, too.
    ard : ArdRows
        Where results go.

    Raises
    ------
    DataError
        If an endpoint has values other than 0 and 1, or a population nobody.
    """
    for endpoint in analysis.endpoints:
        what = _target(spec, analysis, endpoint)
        people = cohort(spec, what.population, adsl)
        own = ard.at(
            endpoint=endpoint, population=what.population, estimand=what.estimand
        )
        fail_empty_arms(people, own)
        found = adqs[adqs["PARAMCD"] == what.paramcd]
        visits = _visits(spec, analysis, found)
        if not visits:
            own.fail(
                f"no record of {what.paramcd} at a visit after baseline; see the "
                "issue log of derive for why.",
                term="responders",
                n_subjects=0,
            )
        records = _records(found, what, visits)
        observed = records[
            (records["DTYPE"] != "NRI")
            & records["USUBJID"].isin(people.subjects["USUBJID"])
        ]
        seen = set(observed.loc[observed["SRCDOM"] != "ADSL", "AVISIT"])
        for visit in visits:
            if visit.id not in seen:
                fail_visit(visit, own)
                continue
            rows = records[records["AVISIT"] == visit.id]
            here = own.at(visit=visit.id, time=visit.time)
            for method in (NRI, OBSERVED):
                counts = counts_by_arm(people, rows, method)
                _report(spec, analysis, counts, what, here.at(method_id=method))


def _target(spec: Study, analysis: Responders, endpoint: str) -> Target:
    named = analysis.estimands.get(endpoint)
    if named is not None:
        return estimand_target(spec, spec.estimand(named))
    population = analysis.population or ""
    declared = spec.endpoints[endpoint]
    # a sustained endpoint has met rescue medication before, and says how
    strategy = declared.strategy if isinstance(declared, SustainedEndpoint) else ""
    return Target(endpoint, population, "", paramcd_of(spec, endpoint), strategy)


def _visits(spec: Study, analysis: Responders, found: Frame) -> list[Visit]:
    """Return the visits to report: those named, else those with any record.

    Where an instrument is not scheduled nobody is a non-responder.
    """
    if analysis.visits:
        return [visit for visit in spec.visits if visit.id in analysis.visits]
    return scheduled(spec, found)


def _records(found: Frame, what: Target, visits: list[Visit]) -> Frame:
    """Return the analysed records of an endpoint, its strategy applied."""
    rows = analysed(found, visits).copy()
    if not rows["AVAL"].isin([0, 1]).all():
        raise DataError(f"{what.paramcd}: AVAL of a yes/no endpoint must be 0 or 1.")
    rescued = rows["ICE1FL"] == "Y"
    if what.strategy == "hypothetical":
        rows = rows[~rescued]
    elif what.strategy == "composite":
        rows.loc[rescued, "AVAL"] = 0.0
    return rows


def counts_by_arm(people: Cohort, records: Frame, method: str) -> dict[str, Count]:
    """Count responders by arm at one visit.

    Parameters
    ----------
    people : Cohort
        The population.
    records : DataFrame
        ``USUBJID AVAL DTYPE`` of one endpoint and visit, at most one per subject.
    method : str
        ``"nri"``: all subjects of the arm are in the denominator, and those without a
        yes are non-responders. ``"observed"``: only subjects with an observed value.

    Returns
    -------
    dict
        Arm to count, in the order of the study.
    """
    if method == OBSERVED:
        records = records[records["DTYPE"] != "NRI"]
    values = records.set_index("USUBJID")["AVAL"]
    out = {}
    for arm, subjects in people.by_arm(total=False):
        own = values.reindex(subjects["USUBJID"])
        n = len(own) if method == NRI else int(own.notna().sum())
        out[arm] = Count(int((own == 1).sum()), n)
    return out


def _report(
    spec: Study,
    analysis: Responders,
    counts: dict[str, Count],
    what: Target,
    ard: ArdRows,
) -> None:
    method = str(ard.default("method_id"))
    words = (_DENOMINATOR[method], what.handling)
    for arm, count in counts.items():
        line = ard.at(
            arm=arm,
            term="responders",
            n_subjects=count.subjects,
            method=in_words(*words, "Wilson limits"),
        )
        add_proportion(line, count, analysis.conf_level)
    control = spec.control
    if control is None:
        return
    for arm, count in counts.items():
        if arm == control.id:
            continue
        pair = ard.at(
            arm=arm,
            comparator=control.id,
            n_subjects=count.subjects + counts[control.id].subjects,
        )
        _compare(pair, count, counts[control.id], analysis, words)


def add_proportion(ard: ArdRows, count: Count, conf_level: float) -> None:
    """Add ``n denominator percent`` and Wilson limits, or why there are none."""
    if not count.subjects:
        ard.fail("no subject has a value.")
        return
    ard.add_all(share(count.responders, count.subjects))
    found = wilson(count.responders, count.subjects, conf_level).iloc[0]
    _limits(ard, found, 100.0, conf_level)


def _limits(ard: ArdRows, found: Any, scale: float, conf_level: float) -> None:
    for name in ("conf_low", "conf_high"):
        if not math.isnan(found[name]):
            ard.add(name, scale * found[name], conf_level=conf_level)


def _compare(
    ard: ArdRows,
    arm: Count,
    control: Count,
    analysis: Responders,
    words: tuple[str, ...],
) -> None:
    """Add risk difference (percentage points) and odds ratio.

    The p value is that of the score test, from which Miettinen-Nurminen limits come;
    Newcombe's have no test of their own, so both methods are named.
    """
    difference = ard.at(
        term="risk-difference",
        method=in_words(
            *words, _INTERVAL[analysis.interval], "p: Miettinen-Nurminen score test"
        ),
    )
    if not (arm.subjects and control.subjects):
        difference.fail("an arm has no subject with a value.")
        return
    table = (arm.responders, arm.subjects, control.responders, control.subjects)
    level = analysis.conf_level
    found = two_proportions(*table, method=analysis.interval, conf_level=level).iloc[0]
    score = two_proportions(*table, method="miettinen-nurminen", conf_level=level)
    difference.add("estimate", 100.0 * found["estimate"])
    _limits(difference, found, 100.0, level)
    difference.add("p_value", score["p_value"].iloc[0])
    difference.add("conf_method", text=analysis.interval)
    difference.add("p_method", text="score")
    ratio = two_proportions(
        *table, measure="odds-ratio", method="wald", conf_level=level
    )
    odds = ard.at(
        term="odds-ratio", method=in_words(*words, "Wald limits on the log scale")
    )
    row = ratio.iloc[0]
    if not math.isfinite(row["estimate"]):
        odds.add(
            "estimate", row["estimate"], warning="an arm has no event or only events"
        )
        return
    if math.isnan(row["conf_low"]):
        odds = odds.at(warning="no limits: an arm has no event or only events")
    odds.add("estimate", row["estimate"])
    _limits(odds, row, 1.0, level)
