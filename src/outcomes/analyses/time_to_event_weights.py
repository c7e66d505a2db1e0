"""Weights for entry into the follow-up, and the rows they are put on."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

from outcomes.analyses.selection import in_words, paramcd_of
from outcomes.analyses.time_to_event_data import (
    EVENT,
    TIME,
    EventData,
    complete_rows,
    with_subject_columns,
)
from outcomes.analyses.time_to_event_entry import eligible
from outcomes.analyses.time_to_event_sample import (
    Sample,
    add_known,
    add_limits,
    exponential,
    tried,
    warned,
)
from outcomes.ard.rows import ArdRows
from outcomes.models.survival.entry import RARE, entry_weights
from outcomes.models.survival.entry import EntryWeights as EntryModel
from outcomes.models.survival.followed import followed_rows
from outcomes.study.analyses import EntryWeights, TimeToEvent
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

ASSUMED: Final = (
    "weighted for entry into the follow-up: valid only where entry depends on nothing "
    "beyond the covariates of its model"
)
ALIASED: Final = "aliased"
_SUMMARY: Final = ("mean", "sd", "min", "max", "effective_size")
_START: Final = "START"
_WEIGHT: Final = "WEIGHT"
_FEWEST: Final = 10
"""Effective subjects below which weights of an arm are said to rest on few."""
_PER_COEFFICIENT: Final = 5
"""Of those who entered, per coefficient of the model of entry, the least without a
warning."""
_BALANCED: Final = 0.1
"""The standardised difference beyond which a covariate is not balanced."""
_RARELY: Final = "have a probability of entry below"
"""How a warning of the model begins that names subjects; ours counts them."""


@dataclass(frozen=True, slots=True)
class Weighted:
    """The weights of those who entered, and why arms have none.

    Attributes
    ----------
    by_subject : dict
        Weight by USUBJID.
    problems : dict
        By arm.
    model : EntryModel or None
        What they are from; None where no arm has any.
    """

    by_subject: dict[str, float]
    problems: dict[str, str]
    model: EntryModel | None


def weighted_sample(
    spec: Study,
    analysis: TimeToEvent,
    data: EventData,
    sample: Sample,
    adqs: Frame,
    ard: ArdRows,
) -> tuple[Sample, list[str]]:
    """Weight those who entered for those like them who did not, and say how.

    Parameters
    ----------
    spec : Study
        The study.
    analysis : TimeToEvent
        With ``entry_weights``.
    data : EventData
        Times.
    sample : Sample
        Everybody at risk, unweighted.
    adqs : DataFrame
        For the history.
    ard : ArdRows
        Where rows of method ``entry-weights`` go.

    Returns
    -------
    sample : Sample
        Rows before and after follow-up was due; arms without weights are missing, what
        is wrong with the weights of the others is ``said`` by arm.
    left_out : list of str
        What weakens every result from them: subjects left out, since they could have
        entered and lack a covariate.
    """
    plan = analysis.entry_weights or EntryWeights()
    names = [*plan.covariates, *plan.history]
    rows = _with_history(spec, data, eligible(data, analysis), plan, adqs)
    rows = with_subject_columns(rows, data.people, list(plan.covariates))
    kept, absent = complete_rows(rows, names)
    lost = set(rows["USUBJID"]) - set(kept["USUBJID"])
    ard = ard.at(
        method_id="entry-weights",
        method=in_words(
            f"logistic regression of entry on {', '.join(names) or 'nothing'}, by arm",
            "weights 1 / probability of entering",
            _truncated(plan),
        ),
    )
    for reason, count in absent.items():
        ard.add("n", count, term="excluded", level=reason)
    left_out = [f"{n} subjects left out: {why}" for why, n in absent.items()]
    ard = warned(ard, *left_out)
    for arm, why in sample.missing.items():
        ard.fail(why, arm=arm, term="weight", n_subjects=0)
    found = _weigh(kept, sample, plan)
    for arm, why in found.problems.items():
        n = int((kept[sample.arm] == arm).sum())
        ard.fail(why, arm=arm, term="weight", n_subjects=n)
    said: dict[str, list[str]] = {}
    if found.model is not None:
        said = _add_model(found.model, kept, sample, analysis.conf_level, ard)
    return replace(_followed(sample, found, lost), said=said), left_out


def _truncated(plan: EntryWeights) -> str:
    if plan.truncate is None:
        return ""
    low, high = plan.truncate
    return f"cut off at percentiles {low:g} and {high:g}"


def _with_history(
    spec: Study, data: EventData, rows: Frame, plan: EntryWeights, adqs: Frame
) -> Frame:
    """Add the last observed value of each change endpoint before the follow-up."""
    late = set(spec.follow_up_visits)
    early = [visit.id for visit in spec.visits if visit.id not in late]
    for name in plan.history:
        own = adqs[adqs["PARAMCD"] == paramcd_of(spec, name)]
        flagged = (own["ANL01FL"] == "Y") | (own["ABLFL"] == "Y")
        own = own[flagged & own["AVAL"].notna() & own["AVISIT"].isin(early)]
        order = own["AVISIT"].map({id: place for place, id in enumerate(early)})
        ordered = own.assign(place=order).sort_values(["place", "ADT", "ASEQ"])
        last = ordered.drop_duplicates("USUBJID", keep="last").set_index("USUBJID")
        rows = rows.assign(
            **{name: rows["USUBJID"].map(last["AVAL"]).astype("float64")}
        )
    return rows


def _weigh(rows: Frame, sample: Sample, plan: EntryWeights) -> Weighted:
    """Model entry in each arm; an arm in which that is impossible is left out."""
    problems = {}
    for arm in sample.arms:
        own = rows[rows[sample.arm] == arm]
        if own.empty:
            problems[arm] = f"nobody of arm {arm} could have entered the follow-up"
        elif not own["ENTERED"].any():
            problems[arm] = (
                f"nobody of arm {arm} who could have entered the follow-up did, so "
                "there is nobody to stand for them"
            )
    able = [arm for arm in sample.arms if arm not in problems]
    model, why = _model(rows, sample, able, plan)
    if why:
        alone = {arm: _model(rows, sample, [arm], plan)[1] for arm in able}
        problems |= {arm: said for arm, said in alone.items() if said}
        able = [arm for arm in able if arm not in problems]
        model, why = _model(rows, sample, able, plan)
        problems |= {arm: why for arm in able if why}
    if model is None:
        return Weighted({}, problems, None)
    weights = model.frame.loc[model.frame["entered"] == 1, "weight"]
    return Weighted(
        {str(id): float(weight) for id, weight in weights.items()}, problems, model
    )


def _model(
    rows: Frame, sample: Sample, arms: list[str], plan: EntryWeights
) -> tuple[EntryModel | None, str]:
    """Return the model of entry in some arms, or why there is none."""
    own = rows[rows[sample.arm].isin(arms)].set_index("USUBJID")
    if own.empty:
        return None, ""
    terms = " + ".join([*plan.covariates, *plan.history]) or "1"
    found, why = tried(
        lambda: entry_weights(
            own,
            entered="ENTERED",
            formula=f"~ {terms}",
            by=sample.arm,
            truncate=plan.truncate,
        )
    )
    doubtful = found is not None and any(
        one is not None and not one.converged for one in found.convergence
    )
    if doubtful:
        return None, "the model of entry did not converge; plan fewer covariates"
    return found, why


def _add_model(
    model: EntryModel, rows: Frame, sample: Sample, level: float, ard: ArdRows
) -> dict[str, list[str]]:
    """Add how weights are spread, what they balance, and what entry hangs on.

    Returns by arm what there is to be warned of.
    """
    told = {}
    for row in model.summary.to_dict("records"):
        arm = str(row["by"])
        said = [f"arm {arm}: {words}" for words in _said(model, arm, rows, sample)]
        told[arm] = [*said, *_doubts(model, arm, row)]
        line = ard.at(arm=arm, term="weight", n_subjects=row["n_eligible"])
        line = warned(line, *told[arm])
        line.add("n", row["n_entered"])
        add_known(line, row, *_SUMMARY)
    for row in model.balance.to_dict("records"):
        line = ard.at(arm=str(row["by"]), term="balance", level=str(row["term"]))
        add_known(line, row, "before", "after")
    for row in model.model.to_dict("records"):
        line = ard.at(arm=str(row["by"]), term="coefficient", level=str(row["term"]))
        _coefficient(row, level, line)
    return told


def _said(model: EntryModel, arm: str, rows: Frame, sample: Sample) -> list[str]:
    """Return what the model says of an arm, without naming subjects."""
    mine = f"{arm}: "
    said = [
        text.removeprefix(mine)
        for text in model.warnings
        if text.startswith(mine) and _RARELY not in text
    ]
    ids = rows.loc[rows[sample.arm] == arm, "USUBJID"]
    chances = model.frame.loc[ids, "probability"]
    rare = int((chances < RARE).sum())
    if rare:
        said.append(f"{rare} of {len(ids)} eligible subjects {_RARELY} {RARE}")
    return said


def _doubts(model: EntryModel, arm: str, row: dict[Hashable, Any]) -> list[str]:
    """Return why the weights of an arm may not do what they are for."""
    said = []
    if row["effective_size"] < _FEWEST:
        said.append(
            f"few entered: the weights of {arm} rest on fewer than {_FEWEST} effective "
            "subjects"
        )
    own = model.balance[model.balance["by"] == arm]
    apart = list(own.loc[own["after"].abs() > _BALANCED, "term"])
    if apart:
        said.append(
            f"balance after weighting is worse than {_BALANCED} for "
            f"{', '.join(map(str, apart))} in {arm}"
        )
    # The intercept is a coefficient, too; an aliased term has none.
    terms = model.model.loc[model.model["by"] == arm, "estimate"]
    if row["n_entered"] < _PER_COEFFICIENT * int(terms.notna().sum()):
        said.append(
            f"fewer than {_PER_COEFFICIENT} entered per coefficient of the entry model "
            f"in {arm}"
        )
    return said


def _coefficient(row: dict[Hashable, Any], level: float, ard: ArdRows) -> None:
    """Add an odds ratio of entry with Wald limits; a note where there is none."""
    if not math.isfinite(row["estimate"]):
        # The term repeats another, or is the same for all: nothing is lost by it.
        ard.add("note", text=ALIASED)
        return
    width = NormalDist().inv_cdf((1.0 + level) / 2.0) * row["std_error"]
    log = {"conf_low": row["estimate"] - width, "conf_high": row["estimate"] + width}
    ard.add("estimate", exponential(row["estimate"]))
    add_limits(ard, log, level, exponential)
    add_known(ard, row, "p_value")


def _followed(sample: Sample, found: Weighted, lost: set[str]) -> Sample:
    """Return the rows before and after follow-up was due, of arms that have weights."""
    problems = {
        arm: f"no weights in arm {arm}: {why}" for arm, why in found.problems.items()
    }
    arms = tuple(arm for arm in sample.arms if arm not in problems)
    rows = sample.frame[sample.frame[sample.arm].isin(arms)]
    rows = rows[~rows["USUBJID"].isin(lost)]
    arms = tuple(arm for arm in arms if (rows[sample.arm] == arm).any())
    gone = [arm for arm in sample.arms if arm not in (*arms, *problems)]
    problems |= {arm: f"nobody of arm {arm} has all covariates" for arm in gone}
    # Who has no weight leaves the risk sets when follow-up is due.
    known = rows["USUBJID"].isin(found.by_subject)
    weight = rows["USUBJID"].map(found.by_subject).astype("float64")
    # Whose time began in the follow-up has no day in it on which entry was due.
    due = rows["FUPDY"].where(rows["FUPDY"] >= 1, rows[TIME])
    rows = rows.assign(
        ENTERED=known.astype("int64"), DUE=due, **{_WEIGHT: weight.where(known, 1.0)}
    ).reset_index(drop=True)
    split = (
        rows.assign(**{_START: 0.0})
        if rows.empty
        else followed_rows(
            rows,
            subject="USUBJID",
            time=TIME,
            event=EVENT,
            due="DUE",
            entered="ENTERED",
            weight=_WEIGHT,
        ).rename(
            columns={
                "subject": "USUBJID",
                "start": _START,
                "stop": TIME,
                "event": EVENT,
                "weight": _WEIGHT,
            }
        )
    )
    return replace(
        sample,
        frame=split,
        arms=arms,
        missing={**sample.missing, **problems},
        entry=_START,
        weights=_WEIGHT,
    )
