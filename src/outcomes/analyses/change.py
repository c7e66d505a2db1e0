"""Change from baseline by a mixed model for repeated measures, or with random effects.

Method: ``docs/methods/change.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from outcomes.analyses.change_data import ChangeData, change_data
from outcomes.analyses.change_fit import add_fit, add_test, add_tests
from outcomes.analyses.change_model import (
    average_of,
    changes_of,
    describe_fit,
    differences_of,
    fit_change,
    reference_arm,
    weakness,
)
from outcomes.analyses.describe import moments, numbers, share
from outcomes.analyses.effect_size import add_effect_sizes
from outcomes.analyses.random_effects import grouping_labels
from outcomes.analyses.selection import fail_visit, in_words
from outcomes.ard.rows import ArdRows
from outcomes.errors import ModelError
from outcomes.models.comparisons import contrasts, joint_test
from outcomes.models.estimates import Estimates
from outcomes.study.analyses import Change
from outcomes.study.model import LmmModel
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame


def analyse(
    spec: Study, analysis: Change, adsl: Frame, adqs: Frame, ard: ArdRows
) -> None:
    """Add the results of one change analysis.

    Parameters
    ----------
    spec : Study
        The study; without a control arm nothing is compared.
    analysis : Change
        The analysis.
    adsl, adqs : DataFrame
        The datasets.
    ard : ArdRows
        Where results go.

    Raises
    ------
    DataError
        If there is nothing to analyse.
    ModelError
        If the model cannot be fitted.
    """
    data = change_data(spec, analysis, adsl, adqs)
    reference = reference_arm(spec, data)
    fit = fit_change(data, reference)
    ard = ard.at(
        endpoint=data.what.endpoint,
        population=data.what.population,
        estimand=data.what.estimand,
    )
    observed = ard.at(method=in_words("observed cases", data.what.handling))
    _observed(data, observed)
    if data.visit not in data.visits:
        fail_visit(data.visit, ard.at(method=in_words(data.what.handling)))
    model = data.model
    labels = (
        grouping_labels(spec, model.groupings) if isinstance(model, LmmModel) else {}
    )
    modelled = ard.at(
        method=in_words(describe_fit(data, fit), data.what.handling),
        warning=weakness(fit, labels),
    )
    add_fit(spec, data, fit, modelled)
    add_tests(data, fit, modelled)
    changes = changes_of(data, fit, analysis.conf_level)
    differences = differences_of(data, changes, reference)
    _visit_by_visit(data, changes, differences, reference, modelled)
    _averages(spec, data, changes, reference, modelled)
    if differences is not None and reference is not None:
        _joint_tests(differences, data, modelled.at(n_subjects=data.n_subjects))
        add_effect_sizes(data, differences.frame, reference, observed, modelled)


def _observed(data: ChangeData, ard: ArdRows) -> None:
    """Describe values and changes as observed, by visit and arm."""
    first = data.start
    used = set(data.records.loc[data.records["CHG"].notna(), "USUBJID"])
    for arm, subjects in data.people.by_arm(total=False):
        own = data.baseline.reindex(subjects["USUBJID"]).dropna()
        ard.add_all(
            moments(own),
            visit=first.id,
            time=first.time,
            arm=arm,
            term="observed-value",
            n_subjects=len(own),
        )
    for visit in data.visits:
        here = ard.at(visit=visit.id, time=visit.time)
        for arm in data.people.arms:
            values = numbers(data.at(visit.id, arm)["AVAL"])
            changes = data.changes(visit.id, arm)
            line = here.at(arm=arm)
            line.add_all(moments(values), term="observed-value", n_subjects=len(values))
            line.add_all(
                moments(changes), term="observed-change", n_subjects=len(changes)
            )
    for arm, subjects in data.people.by_arm():
        n = len(subjects)
        without = int((~subjects["USUBJID"].isin(used)).sum())
        ard.add_all(share(without, n), arm=arm, term="no-post-baseline", n_subjects=n)


def _visit_by_visit(
    data: ChangeData,
    changes: Estimates,
    differences: Estimates | None,
    reference: str | None,
    ard: ArdRows,
) -> None:
    """Add LS means, and differences from the control where there is one."""
    places: dict[str, dict[str, Any]] = {
        visit.id: {"visit": visit.id, "time": visit.time} for visit in data.visits
    }
    visits = {visit.id: [visit.id] for visit in data.visits}
    means = ard.at(term="lsmean")
    _add_estimates(data, changes, "", visits, places, means)
    _fail_empty_arms(data, places, means)
    if reference is None:
        return
    compared = ard.at(term="difference", comparator=reference)
    if differences is not None:
        _add_estimates(data, differences, reference, visits, places, compared)
    _fail_empty_arms(data, places, compared)


def _averages(
    spec: Study,
    data: ChangeData,
    changes: Estimates,
    reference: str | None,
    ard: ArdRows,
) -> None:
    """Add LS means and differences of averages over visits."""
    there = {visit.id: visit for visit in data.visits}
    for name, ids in data.model.averages.items():
        means = ard.at(term="lsmean-average")
        compared = ard.at(term="difference-average", comparator=reference or "")
        absent = [spec.visit(id).label for id in ids if id not in there]
        if absent:
            means.fail(
                f"no value to analyse at {', '.join(absent)}, so no average over it.",
                level=name,
                n_subjects=0,
            )
            continue
        average = average_of(changes, name, [there[id] for id in ids])
        places: dict[str, dict[str, Any]] = {name: {"level": name}}
        _add_estimates(data, average, "", {name: ids}, places, means)
        _fail_empty_arms(data, places, means)
        if reference is None:
            continue
        differences = differences_of(data, average, reference)
        if differences is not None:
            _add_estimates(data, differences, reference, {name: ids}, places, compared)
        _fail_empty_arms(data, places, compared)


def _fail_empty_arms(
    data: ChangeData, places: dict[str, dict[str, Any]], ard: ArdRows
) -> None:
    """Say of each arm without any record that it has no result."""
    if len(data.people.arms) == 1:
        return
    for arm in data.empty_arms:
        for place in places.values():
            here = ard.at(**place, arm=arm, n_subjects=0)
            here.fail("not estimable: the arm has no record.")


def _add_estimates(
    data: ChangeData,
    found: Estimates,
    comparator: str,
    visits: dict[str, list[str]],
    places: dict[str, dict[str, Any]],
    ard: ArdRows,
) -> None:
    """Add estimates by what stands in their column AVISIT: a visit, or an average."""
    variable = data.people.arm_variable
    for row in found.frame.to_dict("records"):
        of = row["AVISIT"]
        arm = str(row.get(variable, data.people.arms[0]))
        line = ard.at(
            **places[of],
            arm=arm,
            n_subjects=_subjects(data, visits[of], arm, comparator),
        )
        _add_estimate(line, row, found.conf_level)


def _subjects(data: ChangeData, visits: list[str], *arms: str) -> int:
    """Count the subjects of some arms who have a record at one of some visits."""
    rows = data.records
    here = rows["AVISIT"].isin(visits) & rows[data.people.arm_variable].isin(arms)
    return int(rows.loc[here, "USUBJID"].nunique())


def _add_estimate(ard: ArdRows, row: dict[Any, Any], conf_level: float) -> None:
    if math.isnan(row["estimate"]):
        ard.fail("not estimable: an arm has no record at this visit.")
        return
    ard.add_all({name: row[name] for name in ("estimate", "std_error", "df")})
    if ard.default("comparator"):
        ard.add_all({"t": row["statistic"], "p_value": row["p_value"]})
    for name in ("conf_low", "conf_high"):
        ard.add(name, row[name], conf_level=conf_level)


def _joint_tests(differences: Estimates, data: ChangeData, ard: ArdRows) -> None:
    """Test that arms differ nowhere, and that they differ alike at all visits."""
    _joint(lambda: differences, ard.at(term="arm-at-all-visits"))
    if len(data.visits) > 1:
        first = data.visits[0].id
        _joint(
            lambda: contrasts(differences, reference=first, over="AVISIT"),
            ard.at(term="arm-by-visit"),
        )


def _joint(what: Callable[[], Estimates], ard: ArdRows) -> None:
    try:
        table = joint_test(what())
    except ModelError as problem:
        ard.fail(str(problem))
        return
    add_test(table.iloc[0].to_dict(), str(table.attrs.get("reason") or ""), ard)
