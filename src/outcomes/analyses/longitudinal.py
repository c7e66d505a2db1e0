"""A yes/no endpoint over visits: probabilities by arm, and how they compare.

Method: ``docs/methods/longitudinal-remission.md``.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Final

from outcomes.analyses.binary_data import BinaryData, binary_data
from outcomes.analyses.describe import share
from outcomes.analyses.longitudinal_model import Fitted, fit_longitudinal
from outcomes.analyses.random_effects import (
    add_convergence,
    add_left_out,
    add_mixed_fit,
    grouping_labels,
)
from outcomes.analyses.selection import fail_empty_arms, fail_visit, in_words
from outcomes.ard.rows import ArdRows
from outcomes.errors import DataError, ModelError
from outcomes.models.comparisons import contrasts, joint_test
from outcomes.models.estimates import Estimates
from outcomes.models.g_computation import standardise
from outcomes.models.means import emmeans
from outcomes.models.options import Measure
from outcomes.models.profiles import profile_intervals
from outcomes.study.analyses import LongitudinalResponders
from outcomes.study.model import GlmmModel
from outcomes.study.spec import Study, Visit

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

MARGINAL: Final = (
    "marginal (population-averaged): predictions averaged over the subjects used, "
    "as if all were in the arm"
)
_INTEGRATED: Final = ", random effects integrated out"
_PROFILE: Final = "limits and test by the profile of the penalised likelihood"
_DELTA: Final = "limits by the delta method"
_MEASURES: Final[tuple[tuple[Measure, str, float], ...]] = (
    ("risk-difference", "risk-difference", 100.0),
    ("risk-ratio", "risk-ratio", 1.0),
    ("odds-ratio", "odds-ratio-marginal", 1.0),
)
"""Measure of `standardise`, its term in the ARD, and the scale it is given on."""


def analyse(
    spec: Study,
    analysis: LongitudinalResponders,
    adsl: Frame,
    adqs: Frame,
    ard: ArdRows,
) -> None:
    """Add the results of one analysis of yes/no over visits.

    Parameters
    ----------
    spec : Study
        The study; without a control arm nothing is compared.
    analysis : LongitudinalResponders
        The analysis; without visits, all after baseline.
    adsl, adqs : DataFrame
        The datasets. Records that a rule made (DTYPE ``NRI``) are not used, but where
        a composite strategy says no of them.
    ard : ArdRows
        Where results go.

    Raises
    ------
    DataError
        If there is nothing to analyse.
    ModelError
        If the model cannot be fitted.
    """
    model = analysis.model
    found = model.groupings if isinstance(model, GlmmModel) else []
    data = binary_data(spec, analysis, model.covariates, found, adsl, adqs)
    reference = _reference(spec, data)
    ard = ard.at(
        endpoint=data.what.endpoint,
        population=data.what.population,
        estimand=data.what.estimand,
    )
    handling = data.what.handling
    _observed(data, ard.at(method=in_words("observed cases", handling)))
    labels = grouping_labels(spec, found)
    fitted = fit_longitudinal(data, model, reference, labels)
    modelled = ard.at(
        method=in_words(fitted.words, handling),
        warning=fitted.warning,
        n_subjects=data.n_subjects,
    )
    _add_fit(data, fitted, labels, analysis.conf_level, modelled)
    days = {visit.id: visit for visit in data.visits}
    for fit, visits in fitted.fits:
        here = [days[id] for id in visits]
        if isinstance(fit, ModelError):
            _fail(data, here, reference, str(fit), modelled)
            continue
        _estimates(data, fitted, fit, here, reference, analysis.conf_level, modelled)


def _reference(spec: Study, data: BinaryData) -> str | None:
    """Return the control arm, None where there is nothing to compare."""
    if spec.control is None or len(data.people.arms) == 1:
        return None
    if spec.control.id in data.empty_arms:
        raise DataError(
            f"the control arm {spec.control.id} has no value of {data.what.paramcd} in "
            f"{data.what.population}; there is nothing to compare with."
        )
    return spec.control.id


def _observed(data: BinaryData, ard: ArdRows) -> None:
    """Count yes among the records that the model uses, and who has none."""
    fail_empty_arms(data.people, ard)
    seen = {visit.id for visit in data.visits}
    for visit in data.wanted:
        if visit.id not in seen:
            fail_visit(visit, ard)
            continue
        for arm in data.people.arms:
            values = data.at(visit.id, arm)["AVAL"]
            counts = share(int((values == 1).sum()), len(values))
            ard.add_all(
                counts,
                visit=visit.id,
                time=visit.time,
                arm=arm,
                term="observed",
                n_subjects=len(values),
            )
    used = set(data.modelled["USUBJID"])
    for arm, subjects in data.people.by_arm():
        n = len(subjects)
        without = int((~subjects["USUBJID"].isin(used)).sum())
        ard.add_all(share(without, n), arm=arm, term="no-post-baseline", n_subjects=n)


def _add_fit(
    data: BinaryData,
    fitted: Fitted,
    labels: dict[str, str],
    conf_level: float,
    ard: ArdRows,
) -> None:
    """Add what is to be known about the fit, or about that of every visit."""
    if data.what.strategy == "composite":
        ard.add("n", data.counted_as_no, term="counted-as-no")
    fit = fitted.fits[0][0]
    if fitted.joint and hasattr(fit, "n_groups"):
        add_mixed_fit(fit, data.excluded, labels, conf_level=conf_level, ard=ard)
        add_left_out(fitted.left_out, labels, ard)
        return
    for reason, count in data.excluded.items():
        ard.add("n", count, term="excluded", level=reason)
    sizes = {"n_subjects": data.n_subjects, "n_records": len(data.modelled)}
    ard.add_all(sizes, term="fit")
    if fitted.joint:
        add_convergence(fit.convergence, ard)
        for name, value in zip(fit.alpha_names, fit.alpha, strict=True):
            ard.add("estimate", value, term="working-correlation", level=str(name))


def _estimates(
    data: BinaryData,
    fitted: Fitted,
    fit: Any,
    visits: list[Visit],
    reference: str | None,
    conf_level: float,
    ard: ArdRows,
) -> None:
    """Add probabilities and comparisons of one fit, and its joint tests."""
    if not fitted.joint:
        lost = _unusable(fit)
        if lost:
            _fail(data, visits, reference, lost, ard)
            return
        # Each visit has messages of its own, as that a penalty made up for separation.
        said = [ard.default("warning"), *fit.convergence.messages]
        ard = ard.at(warning="; ".join(part for part in said if part))
    _marginal(data, fitted, fit, visits, reference, conf_level, ard)
    _fail_empty(data, visits, reference, ard)
    if reference is None:
        return
    compared = _conditional(data, fitted, fit, visits, reference, conf_level, ard)
    if fitted.joint and compared is not None and not data.empty_arms:
        _joint(compared, ard.at(term="arm-at-all-visits"))
        first = visits[0].id
        if len(visits) > 1:
            differ = contrasts(compared, reference=first, over="AVISIT")
            _joint(differ, ard.at(term="arm-by-visit"))


def _unusable(fit: Any) -> str:
    """Say why the regression of a visit cannot be used; '' if it can."""
    if fit.convergence.converged:
        return ""
    said = "; ".join(fit.convergence.messages) or "it did not converge"
    if fit.penalty is None and fit.runs_off:
        return f"{said.rstrip('.')}. In the study file: penalty: firth."
    return f"the model did not converge: {said}"


def _marginal(
    data: BinaryData,
    fitted: Fitted,
    fit: Any,
    visits: list[Visit],
    reference: str | None,
    conf_level: float,
    ard: ArdRows,
) -> None:
    """Add population-averaged probabilities, differences and ratios."""
    arm = data.people.arm_variable
    integrated = _INTEGRATED if hasattr(fit, "n_groups") else ""
    ard = ard.at(
        method=in_words(
            fitted.words, f"{MARGINAL}{integrated}", _DELTA, data.what.handling
        )
    )
    by = ("AVISIT",) if fitted.joint else ()
    several = len(data.people.arms) > 1
    factor, within = (arm, by) if several else ("AVISIT", ())
    risks = standardise(fit, factor, measure="risk", by=within, conf_level=conf_level)
    for row in risks.frame.to_dict("records"):
        line = ard.at(term="risk", **_place(data, row, visits, ""))
        _add(line, row, 100.0, conf_level, compared=False)
    if reference is None:
        return
    for measure, term, scale in _MEASURES:
        found = standardise(
            fit,
            arm,
            measure=measure,
            reference=reference,
            by=by,
            conf_level=conf_level,
        )
        for row in found.frame.to_dict("records"):
            line = ard.at(term=term, **_place(data, row, visits, reference))
            _add(line, row, scale, conf_level, compared=True)


def _conditional(
    data: BinaryData,
    fitted: Fitted,
    fit: Any,
    visits: list[Visit],
    reference: str,
    conf_level: float,
    ard: ArdRows,
) -> Estimates | None:
    """Add odds ratios of the model itself; return what they are exponentials of."""
    arm = data.people.arm_variable
    if len(data.empty_arms) == len(data.people.arms) - 1:
        return None
    by = ("AVISIT",) if fitted.joint else ()
    means = emmeans(fit, arm, by=by, conf_level=conf_level)
    compared = contrasts(means, reference=reference, over=arm)
    ard = ard.at(term="odds-ratio-conditional")
    penalised = getattr(fit, "penalty", None) is not None
    limits = _PROFILE if penalised else "Wald limits on the log scale"
    words = (fitted.words, fitted.conditional, limits, data.what.handling)
    for row in compared.frame.to_dict("records"):
        line = ard.at(**_place(data, row, visits, reference), method=in_words(*words))
        if penalised and math.isfinite(row["estimate"]):
            row = {**row, **_profiled(fit, f"{arm}[T.{row[arm]}]", conf_level)}
        ratio = {k: _exp(row[k]) for k in ("estimate", "conf_low", "conf_high")}
        _add(line, {**row, **ratio}, 1.0, conf_level, compared=True)
    return compared


def _profiled(fit: Any, term: str, conf_level: float) -> dict[Hashable, Any]:
    """Return limits and test of a log odds ratio by the penalised likelihood.

    Wald's are poor where Firth's penalty is needed: the likelihood is skew there.
    """
    found = profile_intervals(fit, term, conf_level).iloc[0]
    same: dict[Hashable, Any] = {
        n: float(found[n]) for n in ("conf_low", "conf_high", "p_value")
    }
    return {**same, "chisq": float(found["statistic"])}


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _place(
    data: BinaryData, row: dict[Any, Any], visits: list[Visit], reference: str
) -> dict[str, Any]:
    """Return where a result stands: visit, arm and comparator."""
    arm = str(row.get(data.people.arm_variable, data.people.arms[0]))
    visit = str(row.get("AVISIT", visits[0].id))
    day = next(v.time for v in visits if v.id == visit)
    arms = [name for name in (arm, reference) if name]
    n = sum(len(data.at(visit, name)) for name in arms)
    return {
        "visit": visit,
        "time": day,
        "arm": arm,
        "comparator": reference,
        "n_subjects": n,
    }


def _add(
    ard: ArdRows,
    row: dict[Any, Any],
    scale: float,
    conf_level: float,
    *,
    compared: bool,
) -> None:
    """Add an estimate with its limits; ratios have the SE of their logarithm."""
    if not math.isfinite(row["estimate"]):
        ard.fail("not estimable: an arm has no record at this visit.")
        return
    ard.add("estimate", scale * row["estimate"])
    ard.add("std_error", scale * row["std_error"])
    for name in ("conf_low", "conf_high"):
        if math.isfinite(row[name]):
            ard.add(name, scale * row[name], conf_level=conf_level)
    if not compared:
        return
    if "chisq" in row:
        ard.add("chisq", row["chisq"])
    elif math.isfinite(row["df"]):
        ard.add_all({"df": row["df"], "t": row["statistic"]})
    else:
        ard.add("z", row["statistic"])
    ard.add("p_value", row["p_value"])


def _joint(what: Estimates, ard: ArdRows) -> None:
    """Add a joint test: chi-squared, or F where there are degrees of freedom."""
    if not math.isfinite(what.fit.cov_model.sum()):
        ard.fail("not estimable: a coefficient runs off and has no standard error.")
        return
    try:
        table = joint_test(what)
    except ModelError as problem:
        ard.fail(str(problem))
        return
    row = table.iloc[0]
    if not 0 <= row["p_value"] <= 1:
        ard.fail(str(table.attrs.get("reason") or "the test does not exist."))
    elif math.isfinite(row["den_df"]):
        ard.add_all({"f": row["statistic"], "num_df": row["num_df"]})
        ard.add_all({"den_df": row["den_df"], "p_value": row["p_value"]})
    else:
        ard.add("chisq", row["statistic"] * row["num_df"])
        ard.add_all({"df": row["num_df"], "p_value": row["p_value"]})


def _fail_empty(
    data: BinaryData, visits: list[Visit], reference: str | None, ard: ArdRows
) -> None:
    """Say of each arm without any record that it has no result."""
    for arm in data.empty_arms:
        for visit in visits:
            here = ard.at(visit=visit.id, time=visit.time, arm=arm, n_subjects=0)
            here.fail("not estimable: the arm has no record.", term="risk")
            if reference is not None:
                line = here.at(comparator=reference, term="risk-difference")
                line.fail("not estimable: the arm has no record.")


def _fail(
    data: BinaryData,
    visits: list[Visit],
    reference: str | None,
    reason: str,
    ard: ArdRows,
) -> None:
    """Say of every arm at some visits why it has no result."""
    for visit in visits:
        here = ard.at(visit=visit.id, time=visit.time)
        for arm in data.people.arms:
            line = here.at(arm=arm, n_subjects=len(data.at(visit.id, arm)))
            line.fail(reason, term="risk")
            if reference is not None and arm != reference:
                line.at(comparator=reference).fail(reason, term="risk-difference")
