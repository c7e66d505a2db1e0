"""Change from baseline by a mixed model for repeated measures.

Method: ``docs/methods/change.md``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from outcomes.analyses.change_data import ChangeData, change_data
from outcomes.analyses.describe import moments, numbers, share
from outcomes.analyses.effect_size import add_effect_sizes
from outcomes.analyses.selection import fail_visit, in_words
from outcomes.ard.rows import ArdRows
from outcomes.errors import DataError, ModelError
from outcomes.models.comparisons import contrasts, joint_test
from outcomes.models.estimates import Estimates
from outcomes.models.means import emmeans
from outcomes.models.mmrm.fit import fit_mmrm
from outcomes.models.mmrm.results import MmrmFit
from outcomes.models.tables import glance
from outcomes.study.spec import Change, Study, Visit

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

_COVARIANCE = {
    "us": "unstructured",
    "cs": "compound symmetry",
    "ar1": "first-order autoregressive",
}
_DF = {
    "kenward-roger": "Kenward-Roger",
    "satterthwaite": "Satterthwaite",
    "residual": "residual",
    "asymptotic": "no (normal approximation)",
}


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
    reference = spec.control.id if spec.control and len(data.people.arms) > 1 else None
    if reference in data.empty_arms:
        raise DataError(
            f"the control arm {reference} has no change of {data.what.paramcd} in "
            f"{data.what.population}; there is nothing to compare with."
        )
    model = analysis.model
    fit = fit_mmrm(
        data.formula,
        data.records,
        subject="USUBJID",
        visit="AVISIT",
        covariance=model.covariance,
        method=model.method,
        df=model.df,
        levels=data.levels(reference),
    )
    ard = ard.at(
        endpoint=data.what.endpoint,
        population=data.what.population,
        estimand=data.what.estimand,
    )
    observed = ard.at(method=in_words("observed cases", data.what.handling))
    _observed(spec, data, observed)
    if data.visit not in data.visits:
        fail_visit(data.visit, ard.at(method=in_words(data.what.handling)))
    modelled = ard.at(
        method=in_words(describe_fit(fit), data.what.handling), warning=weakness(fit)
    )
    _fit(data, fit, modelled)
    differences = _estimates(data, fit, analysis.conf_level, reference, modelled)
    if differences is not None and reference is not None:
        _joint_tests(differences, data, modelled)
        add_effect_sizes(data, differences.frame, reference, observed, modelled)


def describe_fit(fit: MmrmFit) -> str:
    """Say in words what was fitted."""
    return (
        f"MMRM {fit.formula}, {fit.method.upper()}, "
        f"{_COVARIANCE[fit.structure]} covariance, {_DF[fit.df_method]} "
        f"degrees of freedom"
    )


def weakness(fit: MmrmFit) -> str:
    """Say what weakens every number of a fit; ``''`` if nothing does."""
    messages = "; ".join(fit.convergence.messages)
    if fit.convergence.converged:
        return messages
    return f"the model did not converge: {messages or 'no reason known'}"


def _observed(spec: Study, data: ChangeData, ard: ArdRows) -> None:
    """Describe values and changes as observed, by visit and arm."""
    first = spec.baseline_visit
    used = set(data.records["USUBJID"])
    for arm, subjects in data.people.by_arm(total=False):
        own = data.baseline.reindex(subjects["USUBJID"]).dropna()
        ard.add_all(
            moments(own),
            visit=first.id,
            time=first.day,
            arm=arm,
            term="observed-value",
            n_subjects=len(own),
        )
    for visit in data.visits:
        here = ard.at(visit=visit.id, time=visit.day)
        for arm in data.people.arms:
            rows = _at(data, visit, arm)
            line = here.at(arm=arm, n_subjects=len(rows))
            line.add_all(moments(numbers(rows["AVAL"])), term="observed-value")
            line.add_all(moments(numbers(rows["CHG"])), term="observed-change")
    for arm, subjects in data.people.by_arm():
        n = len(subjects)
        without = int((~subjects["USUBJID"].isin(used)).sum())
        ard.add_all(share(without, n), arm=arm, term="no-post-baseline", n_subjects=n)


def _at(data: ChangeData, visit: Visit, arm: str) -> Frame:
    rows = data.records
    return rows[(rows["AVISIT"] == visit.id) & (rows[data.people.arm_variable] == arm)]


def _fit(data: ChangeData, fit: MmrmFit, ard: ArdRows) -> None:
    """Add what is to be known about the fit itself."""
    row = glance(fit).iloc[0]
    ard = ard.at(n_subjects=fit.n_subjects)
    ard.add_all(
        {
            "n_subjects": row["n_subjects"],
            "n_records": row["n_records"],
            "loglik": row["loglik"],
            "minus_2_loglik": row["deviance"],
            "aic": row["aic"],
            "bic": row["bic"],
            "converged": float(fit.convergence.converged),
        },
        term="fit",
    )
    ard.add("covariance", term="fit", text=fit.structure)
    for number, step in enumerate(fit.convergence.ladder, start=1):
        line = ard.at(term="ladder", level=str(number), warning=step.message)
        line.add("covariance", text=step.covariance)
        line.add("converged", float(step.converged))
    days = {visit.id: visit.day for visit in data.visits}
    for i, visit in enumerate(fit.visits):
        here = ard.at(visit=visit, time=days[visit])
        deviation = math.sqrt(fit.sigma[i, i])
        here.add("estimate", deviation, term="residual-sd")
        for j in range(i):
            other = fit.visits[j]
            both = fit.sigma[i, j] / math.sqrt(fit.sigma[j, j]) / deviation
            here.add("estimate", both, term="residual-correlation", level=other)
    for reason, count in {**data.excluded, **fit.excluded}.items():
        ard.add("n", count, term="excluded", level=reason)


def _estimates(
    data: ChangeData,
    fit: MmrmFit,
    conf_level: float,
    reference: str | None,
    ard: ArdRows,
) -> Estimates | None:
    """Add LS means, and differences from the control where there is one."""
    arm = data.people.arm_variable
    if len(data.people.arms) == 1:
        means = emmeans(fit, "AVISIT", conf_level=conf_level)
        means.frame[arm] = data.people.arms[0]
        _add_estimates(data, means, "lsmean", ard)
        return None
    means = emmeans(fit, arm, by="AVISIT", conf_level=conf_level)
    _add_estimates(data, means, "lsmean", ard)
    _fail_empty_arms(data, ard.at(term="lsmean"))
    if reference is None:
        return None
    if len(data.empty_arms) == len(data.people.arms) - 1:
        # Only the control is there: no difference is left to compute.
        _fail_empty_arms(data, ard.at(term="difference", comparator=reference))
        return None
    differences = contrasts(means, reference=reference)
    _add_estimates(data, differences, "difference", ard)
    _fail_empty_arms(data, ard.at(term="difference", comparator=reference))
    return differences


def _fail_empty_arms(data: ChangeData, ard: ArdRows) -> None:
    """Say of each arm without any record that it has no result."""
    for arm in data.empty_arms:
        for visit in data.visits:
            here = ard.at(visit=visit.id, time=visit.day, arm=arm, n_subjects=0)
            here.fail("not estimable: the arm has no record.")


def _add_estimates(data: ChangeData, found: Estimates, term: str, ard: ArdRows) -> None:
    days = {visit.id: visit for visit in data.visits}
    for row in found.frame.to_dict("records"):
        visit = days[row["AVISIT"]]
        arm = str(row[data.people.arm_variable])
        comparator = str(row.get("reference", ""))
        sizes = [len(_at(data, visit, a)) for a in (arm, comparator) if a]
        line = ard.at(
            visit=visit.id,
            time=visit.day,
            arm=arm,
            comparator=comparator,
            term=term,
            n_subjects=sum(sizes),
        )
        _add_estimate(line, row, found.conf_level)


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
    ard = ard.at(n_subjects=len(set(data.records["USUBJID"])))
    _joint(lambda: differences, ard.at(term="arm-at-all-visits"))
    if len(data.visits) > 1:
        first = data.visits[0].id
        _joint(
            lambda: contrasts(differences, reference=first, over="AVISIT"),
            ard.at(term="arm-by-visit"),
        )


def _joint(what: Any, ard: ArdRows) -> None:
    try:
        table = joint_test(what())
    except ModelError as problem:
        ard.fail(str(problem))
        return
    row = table.iloc[0]
    # NaN compares false, so that this covers a test that does not exist.
    if not (row["statistic"] >= 0 and 0 <= row["p_value"] <= 1):
        reason = table.attrs.get("reason") or "the test does not exist for this fit."
        ard.fail(str(reason))
        return
    ard.add("f", row["statistic"])
    ard.add_all({name: row[name] for name in ("num_df", "den_df", "p_value")})
