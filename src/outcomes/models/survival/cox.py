"""`fit_cox`: proportional hazards regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.columns import check_table
from outcomes.models.convergence import Convergence, data_messages
from outcomes.models.design import Design, build_design
from outcomes.models.estimable import find_aliased
from outcomes.models.formula import parse_formula
from outcomes.models.logistic.separation import combination
from outcomes.models.options import (
    BoolArray,
    FloatArray,
    IntArray,
    Missing,
    check_option,
)
from outcomes.models.survival import cox_inference as _inference  # noqa: F401
from outcomes.models.survival.cox_ascent import Ascent, ascend
from outcomes.models.survival.cox_concordance import concordance
from outcomes.models.survival.cox_likelihood import cumulate
from outcomes.models.survival.cox_results import CoxFit
from outcomes.models.survival.cox_risk_sets import centre_pieces, find_risk_sets
from outcomes.models.survival.cox_tests import make_tests
from outcomes.models.survival.records import Records, list_strata, read_records
from outcomes.models.survival.runaway import Runaway, tie_codes

if TYPE_CHECKING:
    import pandas as pd

Ties = Literal["efron", "breslow"]
# Rows a message names.
SHOWN: Final = 5
# Clusters below which the sandwich is known to be too small.
FEW_CLUSTERS: Final = 40


def fit_cox(
    formula: str,
    data: pd.DataFrame,
    *,
    time: str,
    event: str,
    entry: str | None = None,
    ties: Ties = "efron",
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    weights: str | None = None,
    robust: bool | None = None,
    missing: Missing = "error",
    levels: Mapping[str, Sequence[Any]] | None = None,
) -> CoxFit:
    """Fit a Cox model by maximum partial likelihood.

    Parameters
    ----------
    formula : str
        The terms, ``"BASE + TRT01P"``: columns and their products. Text, Boolean and
        Categorical columns are factors, the first level being the reference. There is
        no constant; it is part of the baseline hazard. ``"1"`` fits no coefficient.
    data : pandas.DataFrame
        One row per subject, or per interval of a subject's history.
    time, event : str
        Columns of the time, positive, and of whether it ends with an event (0 and 1).
    entry : str, optional
        Column of the time after which a row is at risk: delayed entry (left
        truncation), or the start of an interval.
    ties : str
        ``"efron"`` or ``"breslow"``: likelihood of events at one time.
    strata : str or sequence of str, optional
        Columns whose combinations have baseline hazards of their own.
    cluster : str, optional
        Column of the clusters: rows of different ones are independent.
    weights : str, optional
        Column of weights, not negative. A row with weight 0 takes no part.
    robust : bool, optional
        Whether standard errors come from the sandwich, each cluster (without one, each
        row) being a unit. Default: if there is a cluster, or a weight that is not a
        whole number.
    missing : str
        Rows that miss something are an ``"error"``, or ``"exclude"`` leaves them out
        and counts them.
    levels : mapping, optional
        Order of the levels of columns, ``{"TRT01P": ["PSI1", "PSI25"]}``.

    Returns
    -------
    CoxFit
        Converged or not: see its ``convergence``. Where the likelihood is monotone (an
        arm without events), the coefficients that run off to infinity are named there,
        and the others are those of the limit.

    Raises
    ------
    ModelError
        If the input cannot be analysed; the message names what is wrong.

    Notes
    -----
    Algebra: ``docs/methods/cox.md``.

    References
    ----------
    Cox (1972), J R Stat Soc B 34, 187-220,
    https://doi.org/10.1111/j.2517-6161.1972.tb00899.x. Efron (1977), J Am Stat Assoc
    72, 557-565. Lin and Wei (1989), J Am Stat Assoc 84, 1074-1078.

    Examples
    --------
    >>> fit = fit_cox("TRT01P", adtte, time="AVAL", event="EVENT")  # doctest: +SKIP
    >>> hazard_ratios(fit)                                          # doctest: +SKIP
    """
    check_option(ties, Ties, name="ties")
    check_option(missing, Missing, name="missing")
    levels = {} if levels is None else levels
    check_table(data, levels)
    across = tuple(list_strata(strata))
    own = [name for name in (event, entry, *across, cluster, weights) if name]
    design = _build(formula, data, time, own, levels, missing)
    records = read_records(
        data.iloc[design.rows],
        time=time,
        event=event,
        strata=across or None,
        entry=entry,
        weights=weights,
    )
    if not np.any((records.event == 1) & (records.weights > 0.0)):
        weighted = " of positive weight" if weights else ""
        raise ModelError(
            f"event: no row has an event{weighted} ({event!r} is 0 in all"
            f" {records.n_records} rows used), so there is nothing to estimate."
        )
    unit = _read_clusters(design, records, cluster, robust)
    risk = find_risk_sets(records, ties)
    columns, shift = centre_pieces(design.X, risk)
    triangle = np.asarray(np.linalg.qr(columns, mode="r"))
    aliased, undetermined = find_aliased(design, triangle)
    X = design.X[:, ~aliased]
    centred = columns[:, ~aliased], shift[:, ~aliased]
    ascent = ascend(records, risk, X, centred, ties)
    tests = make_tests(ascent, unit)
    beta = ascent.back @ ascent.peak.gamma
    return CoxFit(
        formula=formula,
        time=time,
        event=event,
        entry=entry,
        cluster=cluster,
        weighting=weights,
        strata=across,
        ties=ties,
        robust=unit is not None,
        design=design,
        aliased_mask=aliased,
        undetermined=undetermined,
        beta=beta,
        cov_model=_congruent(ascent.back, tests.model),
        cov_inference=_congruent(ascent.back, tests.used),
        loglik=ascent.peak.at.loglik,
        loglik_null=ascent.start.at.loglik,
        likelihood_ratio=tests.likelihood_ratio,
        wald=tests.wald,
        score=tests.score,
        robust_score=tests.robust_score,
        concordance=concordance(records, _predictor(X, beta, ascent)),
        records=records,
        row_labels=data.index.to_numpy()[design.rows],
        risk=ascent.risk,
        columns=ascent.columns,
        shift=ascent.shift,
        hazards=cumulate(ascent.risk, ascent.columns, beta),
        runaway=ascent.runaway,
        n_subjects=_count_subjects(records, unit, entry, cluster),
        n_records=records.n_records,
        n_events=int(np.sum(records.event == 1)),
        n_excluded=sum(design.excluded.values()),
        n_clusters=0 if unit is None else int(unit.max()) + 1,
        excluded=design.excluded,
        convergence=_tell(ascent, design, records, aliased, unit),
    )


def _build(
    formula: str,
    data: pd.DataFrame,
    time: str,
    own: Sequence[str],
    levels: Mapping[str, Sequence[Any]],
    missing: Missing,
) -> Design:
    """Build the model matrix of the complete rows, and take the constant out."""
    if not isinstance(formula, str) or "~" in formula:
        raise ModelError(
            f"formula: {formula!r} must be the terms only, as in 'BASE + TRT01P'; time"
            " and event have arguments of their own."
        )
    parsed = parse_formula(f"{time} ~ {formula}", map(str, data.columns))
    if own[0] in parsed.variables:
        raise ModelError(f"formula: {own[0]!r} is the event, and no term.")
    if missing == "error":
        _check_complete(data, (time, *own, *parsed.variables))
    design = build_design(parsed, data, keys=own, levels=levels, missing="exclude")
    if "Intercept" not in design.columns:
        raise ModelError(
            f"formula: '{formula}' leaves the constant out, and a Cox model has none;"
            " take '0' or '- 1' out of it."
        )
    kept = [j for j, name in enumerate(design.columns) if name != "Intercept"]
    return replace(
        design,
        X=np.ascontiguousarray(design.X[:, kept]),
        columns=tuple(design.columns[j] for j in kept),
    )


def _check_complete(data: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse rows that miss something, naming all of it."""
    found = []
    for name in dict.fromkeys(names):
        if list(data.columns).count(name) != 1:
            continue  # build_design says so
        absent = data[name].isna().to_numpy()
        if absent.any():
            rows = ", ".join(map(str, data.index[absent][:SHOWN]))
            found.append(f"{name!r} in {int(absent.sum())} (row {rows})")
    if found:
        raise ModelError(
            f"data: rows miss {'; '.join(found)}. Complete them, or give"
            " missing='exclude' to leave such rows out and have them counted."
        )


def _read_clusters(
    design: Design, records: Records, cluster: str | None, robust: bool | None
) -> IntArray | None:
    """Return the unit of the sandwich each row belongs to, or None without one."""
    import pandas as pd

    if robust not in (None, True, False):
        raise ModelError(f"robust: give True, False or None, not {robust!r}.")
    if robust is False and cluster is not None:
        raise ModelError(
            f"robust: False leaves nothing for cluster={cluster!r} to do. Take one of"
            " them out."
        )
    fractions = bool(np.any(records.weights != np.floor(records.weights)))
    if not (robust or cluster is not None or (robust is None and fractions)):
        return None
    if cluster is None:
        return np.arange(records.n_records, dtype=np.intp)
    codes = pd.factorize(design.frame[cluster])[0]
    return np.asarray(codes, dtype=np.intp)


def _count_subjects(
    records: Records, unit: IntArray | None, entry: str | None, cluster: str | None
) -> int:
    if unit is None or entry is None or cluster is None:
        return records.n_records
    return int(unit.max()) + 1


def _predictor(X: FloatArray, beta: FloatArray, ascent: Ascent) -> FloatArray:
    """Linear predictor of each row, the same to the last bit for rows that agree."""
    eta = np.zeros(len(X))
    for j, slope in enumerate(beta):
        eta += slope * (X[:, j] - X[0, j])
    if ascent.runaway is None:
        return eta
    # Infinitely more of a direction comes first, the finite part second.
    ahead = tie_codes(ascent.order)
    return np.asarray(eta + ahead * (1.0 + 2.0 * float(np.ptp(eta))))


def _congruent(to_columns: FloatArray, matrix: FloatArray) -> FloatArray:
    out = to_columns @ matrix @ to_columns.T
    return np.asarray((out + out.T) / 2.0)


def _tell(
    ascent: Ascent,
    design: Design,
    records: Records,
    aliased: BoolArray,
    unit: IntArray | None,
) -> Convergence:
    """Say how the fit went."""
    peak = ascent.peak
    messages = data_messages(design, aliased)
    names = tuple(design.columns[j] for j in np.flatnonzero(~aliased))
    if ascent.runaway is not None:
        messages.insert(0, _say_runaway(ascent.runaway, names, design, records))
    elif not peak.settled:
        messages.insert(
            0,
            f"Newton's method did not settle in {peak.steps} steps: are there outlying"
            " values in a covariate, or columns nearly copies of one another?",
        )
    clusters = 0 if unit is None else len(np.unique(unit))
    if 0 < clusters < FEW_CLUSTERS:
        messages.append(
            f"the robust standard errors of {clusters} clusters are too small as a rule"
        )
    values = np.linalg.eigvalsh(peak.information) if names else np.ones(1)
    good = peak.settled and ascent.runaway is None
    return Convergence(
        status="converged" if good else "not-converged",
        optimiser="newton",
        iterations=peak.steps,
        gradient_norm=float(np.max(np.abs(peak.score), initial=0.0)),
        min_eigenvalue=float(values[0]),
        messages=tuple(messages),
    )


def _say_runaway(
    runaway: Runaway, names: tuple[str, ...], design: Design, records: Records
) -> str:
    """Name the coefficients that run off, and levels without events if any."""
    eye = np.eye(len(names))
    touched = np.flatnonzero(runaway.touched(eye))
    ends = {np.inf: "runs off to infinity", -np.inf: "runs off to minus infinity"}
    limits = runaway.limits(eye[touched])
    runs = [
        f"{names[j]} {ends.get(limit, 'has no estimate')}"
        for j, limit in zip(touched, limits, strict=True)
    ]
    happened = records.event == 1
    empty = [
        f"{name} {level!r}"
        for name, levels in design.factors.items()
        for level in levels
        if not happened[(design.frame[name] == level).to_numpy()].any()
    ]
    why = (
        f"at every event {combination(runaway.direction, names)} is, of those at risk,"
        " largest in who has the event"
    )
    if empty:
        why = f"no event in {', '.join(empty)}"
    text = f"monotone likelihood, {why}: {', '.join(runs)}"
    return text + ", without a standard error; take out or pool what is compared."
