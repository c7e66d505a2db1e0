"""Hazard ratios, and whether hazards are proportional.

Method: ``docs/methods/time-to-event-analysis.md``.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from outcomes.analyses.time_to_event_data import (
    EVENT,
    EventData,
    complete_rows,
    with_covariates,
    with_subject_columns,
)
from outcomes.analyses.time_to_event_sample import (
    CAUSE_SPECIFIC,
    Sample,
    add_known,
    add_limits,
    attempt,
    exponential,
    method_of,
    warned,
    without_warning,
)
from outcomes.analyses.time_to_event_smooth import local_linear
from outcomes.analyses.time_to_event_survival import words_of
from outcomes.ard.rows import ArdRows, point_level
from outcomes.errors import ModelError
from outcomes.models.survival.cox import fit_cox
from outcomes.models.survival.schoenfeld import (
    proportional_hazards,
    schoenfeld_residuals,
)
from outcomes.models.tables import tidy
from outcomes.study.analyses import TimeToEvent
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

RATIO: Final = "hazard-ratio"
CROSSING: Final = (
    "hazards are not proportional at the 5 % level: the hazard ratio is an average "
    "over time, see the difference of means"
)
_LEVEL: Final = 0.05
_NO_EVENT: Final = "no event in arm {arm}: its hazard ratio has no finite estimate"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a Cox model is fitted to.

    Attributes
    ----------
    rows : DataFrame
        Rows with all columns, of arms that have an event.
    absent : dict
        Subjects left out, by reason.
    arms : list of str
        Arms that get a hazard ratio.
    failed : dict
        The other arms, and why they have none.
    terms : list of str
        Of the formula.
    strata : list of str
        Columns.
    """

    rows: Frame
    absent: dict[str, int]
    arms: list[str]
    failed: dict[str, str]
    terms: list[str]
    strata: list[str]


def add_cox(
    spec: Study,
    analysis: TimeToEvent,
    data: EventData,
    sample: Sample,
    adqs: Frame,
    ard: ArdRows,
    *,
    residuals: bool = False,
) -> None:
    """Add hazard ratios of arms and covariates, and what they rest on.

    Parameters
    ----------
    spec : Study
        The study.
    analysis : TimeToEvent
        Names covariates, strata and cluster.
    data : EventData
        Where covariates come from.
    sample : Sample
        Rows that are fitted.
    adqs : DataFrame
        For the baseline value.
    ard : ArdRows
        Where results go.
    residuals : bool
        Also add the test of proportional hazards and the residuals behind it; where
        that of the arms says that hazards are not, their ratios have a warning.
    """
    ard = ard.at(method_id=method_of("cox", sample), method=_words(analysis, sample))
    places = [
        {"arm": arm, "comparator": sample.control, "term": RATIO}
        for arm in sample.compared
    ]
    # Errors of hazard ratios stand where they would, and so with the same warning.
    whole = ard if not places else sample.comparing(ard)
    plan = attempt(
        lambda: _plan(spec, analysis, data, sample, adqs), whole, places or [{}]
    )
    if plan is None:
        return
    for place in places:
        if place["arm"] in plan.failed:
            whole.fail(plan.failed[str(place["arm"])], **place)
    if not plan.terms:
        return
    for reason, count in plan.absent.items():
        ard.add("n", count, term="excluded", level=reason)
    left_out = [f"{n} subjects left out: {why}" for why, n in plan.absent.items()]
    ard, whole = warned(ard, *left_out), warned(whole, *left_out)
    kept = [place for place in places if place["arm"] in plan.arms]
    fit = attempt(
        lambda: _fit(analysis, sample, plan), whole, kept or [{"term": "model"}]
    )
    if fit is None:
        return
    n = int(plan.rows["USUBJID"].nunique())
    if not fit.convergence.converged:
        # The first says what happened; the others may list every empty cell.
        said = next(iter(fit.convergence.messages), "no reason known")
        ard = warned(ard, f"the model did not converge: {said}")
    ard = ard.at(n_subjects=n)
    changing: list[str] = []
    if residuals:
        tests = without_warning(ard.at(method_id="schoenfeld"), CAUSE_SPECIFIC)
        changing = _proportional(sample, plan, fit, tests)
    _ratios(analysis, sample, plan, fit, changing, ard)
    line = sample.warning_of(ard, *sample.arms).at(term="model")
    add_known(line, {"loglik": float(fit.loglik)}, "loglik")
    line.add_all({"n": n, "n_event": float(plan.rows[EVENT].sum())})


def _words(analysis: TimeToEvent, sample: Sample) -> str:
    model = analysis.cox
    strata = f"strata {', '.join(analysis.strata)}" if analysis.strata else ""
    robust = f"robust errors by {model.cluster}" if model.cluster else ""
    given = ", ".join(model.covariates)
    if sample.control:
        given = f"arm, adjusted for {given}" if given else "arm"
    return words_of(
        sample,
        f"Cox regression on {given or 'nothing'}",
        f"ties {model.ties}",
        strata,
        "" if sample.weighted else robust,
        "Wald limits on the log scale",
    )


def _plan(
    spec: Study,
    analysis: TimeToEvent,
    data: EventData,
    sample: Sample,
    adqs: Frame,
) -> Plan:
    """Settle rows, arms and terms of the model."""
    covariates = list(analysis.cox.covariates)
    cluster = [analysis.cox.cluster] if analysis.cox.cluster else []
    needed = [*covariates, *analysis.strata, *cluster]
    rows = sample.frame
    if "BASE" in covariates:
        based = with_covariates(spec, data, ["BASE"], adqs).set_index("USUBJID")
        rows = rows.assign(BASE=rows["USUBJID"].map(based["BASE"]))
    others = [name for name in needed if name != "BASE"]
    rows = with_subject_columns(rows, data.people, others)
    rows, absent = complete_rows(rows, needed)
    strata = list(analysis.strata)
    if sample.control is None:
        # Nothing is compared, but arms may have a baseline hazard each.
        if len(sample.arms) > 1:
            strata = [*dict.fromkeys([*strata, sample.arm])]
        return Plan(rows, absent, [], {}, covariates, strata)
    failed = _impossible(sample, rows)
    arms = [arm for arm in sample.compared if arm not in failed]
    if not arms:
        return Plan(rows, absent, [], failed, [], strata)
    # An arm without events has weight 0 in every risk set at the maximum, where its
    # coefficient is minus infinity: without its rows, the others have the same maximum.
    here = rows[sample.arm].isin([*arms, str(sample.control)])
    rows = rows[here].reset_index(drop=True)
    return Plan(rows, absent, arms, failed, [sample.arm, *covariates], strata)


def _impossible(sample: Sample, rows: Frame) -> dict[str, str]:
    """Say of each arm that cannot have a hazard ratio why."""
    control = str(sample.control)
    events = rows.groupby(sample.arm)[EVENT].sum()
    out = {}
    for arm in sample.compared:
        why = sample.why_not(arm, control)
        if not why:
            lost = [a for a in (arm, control) if a not in events.index]
            none = [a for a in (arm, control) if not events.get(a, 0)]
            if lost:
                why = f"no subject of arm {lost[0]} has all covariates"
            elif len(none) == 2:
                why = f"no event in arms {arm} and {control}: nothing to compare"
            elif none:
                why = _NO_EVENT.format(arm=none[0])
        if why:
            out[arm] = why
    return out


def _fit(analysis: TimeToEvent, sample: Sample, plan: Plan) -> Any:
    """Fit the model."""
    if not plan.rows[EVENT].any():
        raise ModelError("no event among those at risk, so there is no model to fit.")
    columns = {name: v for name, v in sample.columns.items() if name != "subject"}
    cluster = "USUBJID" if sample.weighted else analysis.cox.cluster
    if cluster is not None and plan.rows[cluster].nunique() < 2:
        raise ModelError(
            f"{cluster} is the same for everybody who is analysed, and robust errors "
            "need two clusters or more; take out cox.cluster, or name another column."
        )
    levels = {}
    if sample.control is not None and sample.arm in plan.terms:
        levels = {sample.arm: [sample.control, *plan.arms]}
    return fit_cox(
        " + ".join(plan.terms),
        plan.rows,
        ties=analysis.cox.ties,
        strata=plan.strata or None,
        cluster=cluster,
        levels=levels or None,
        **columns,
    )


def _place(sample: Sample, plan: Plan, term: str) -> dict[str, Any]:
    """Return where a coefficient's results stand: at its arm, or under its name.

    A test of the whole factor is one of the arm where there is only one to compare.
    """
    for arm in plan.arms:
        alone = term == sample.arm and len(plan.arms) == 1
        if alone or term == f"{sample.arm}[T.{arm}]":
            return {"arm": arm, "comparator": sample.control, "term": RATIO}
    return {"term": term}


def _ratios(
    analysis: TimeToEvent,
    sample: Sample,
    plan: Plan,
    fit: Any,
    changing: list[str],
    ard: ArdRows,
) -> None:
    """Add the exponential of each coefficient."""
    for row in tidy(fit, analysis.conf_level).to_dict("records"):
        place = _place(sample, plan, str(row["term"]))
        line = ard.at(**place)
        if "comparator" in place:
            pair = (place["arm"], place["comparator"])
            line = sample.comparing(line.at(n_subjects=sample.n(*pair)), *pair)
            line = warned(line, CROSSING if pair[0] in changing else "")
        else:
            line = sample.warning_of(line, *sample.arms)
        why = _unusable(row, fit)
        if why:
            line.fail(why)
            continue
        line.add("estimate", math.exp(row["estimate"]))
        line.add("std_error", row["std_error"])
        add_limits(line, row, analysis.conf_level, exponential)
        line.add_all({"z": row["statistic"], "p_value": row["p_value"]})


def _unusable(row: dict[Hashable, Any], fit: Any) -> str:
    """Say why a coefficient is no answer; '' if it is one."""
    if math.isfinite(row["estimate"]) and math.isfinite(row["std_error"]):
        return ""
    said = [text for text in fit.convergence.messages if str(row["term"]) in text]
    return "; ".join(said) or (
        "not estimable: the coefficient runs off, or repeats another term"
    )


def _proportional(sample: Sample, plan: Plan, fit: Any, ard: ArdRows) -> list[str]:
    """Add the test of proportional hazards, and the residuals of the arms.

    Returns the arms whose hazard is not proportional by it; the test is of all arms
    together where several are compared.
    """
    ard = ard.at(
        method=words_of(
            sample,
            "score test of a coefficient that changes with the Kaplan-Meier transform "
            "of time; scaled Schoenfeld residuals, local linear smooth",
        )
    )
    places = [{"term": term} for term in ("GLOBAL",)]
    if not all(math.isfinite(value) for value in tidy(fit)["std_error"]):
        ard.fail("not tested: a coefficient of the model is no number", **places[0])
        return []
    tests = attempt(lambda: proportional_hazards(fit, transform="km"), ard, places)
    if tests is None:
        return []
    changing: list[str] = []
    for row in tests.to_dict("records"):
        line = ard.at(**_place(sample, plan, str(row["term"])))
        if math.isfinite(row["p_value"]):
            line.add_all({name: row[name] for name in ("chisq", "df", "p_value")})
            if row["term"] == sample.arm and row["p_value"] < _LEVEL:
                changing = plan.arms
        else:
            line.fail("the test does not exist: too few events")
    table = attempt(lambda: schoenfeld_residuals(fit, scaled=True), ard, places)
    if table is not None:
        for arm in plan.arms:
            _residuals(sample, arm, table, ard)
    return changing


def _residuals(sample: Sample, arm: str, table: Frame, ard: ArdRows) -> None:
    """Add the residuals of an arm at the events of the model, in order of time."""
    name = f"{sample.arm}[T.{arm}]"
    if name not in table:
        return
    rows = table.sort_values("time", kind="stable")
    times, values = rows["time"].to_numpy(float), rows[name].to_numpy(float)
    smooth = local_linear(times, values)
    line = ard.at(arm=arm, comparator=sample.control, term="residual")
    for number, (time, value, mean) in enumerate(
        zip(times, values, smooth, strict=True), start=1
    ):
        point = line.at(time=float(time), level=point_level(number))
        point.add("residual", value)
        add_known(point, {"smooth": mean}, "smooth")
