"""`fit_logistic`: logistic and probit regression with fixed effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.columns import check_table, read_numbers
from outcomes.models.convergence import Convergence, data_messages
from outcomes.models.design import Design, build_design
from outcomes.models.estimable import find_aliased
from outcomes.models.formula import parse_formula
from outcomes.models.logistic.cells import describe_separation
from outcomes.models.logistic.climb import Peak, Task, climb
from outcomes.models.logistic.links import log_coefficients
from outcomes.models.logistic.results import LogisticFit
from outcomes.models.logistic.rules import read_successes, refuse_text
from outcomes.models.logistic.separation import (
    Separation,
    find_separation,
    triangle,
)
from outcomes.models.options import (
    BinaryLink,
    BoolArray,
    FloatArray,
    Missing,
    Penalty,
    check_option,
)

if TYPE_CHECKING:
    import pandas as pd


def fit_logistic(
    formula: str,
    data: pd.DataFrame,
    *,
    penalty: Penalty | None = None,
    trials: str | None = None,
    link: BinaryLink = "logit",
    missing: Missing = "error",
    levels: Mapping[str, Sequence[Any]] | None = None,
) -> LogisticFit:
    """Fit a logistic or probit regression with fixed effects only.

    Where the columns separate the outcome (`find_separation`), a fit without penalty
    is returned as not converged, with a message that names the separation; Firth's
    penalty has finite estimates there.

    Parameters
    ----------
    formula : str
        ``"outcome ~ terms"``, as for `fit_mmrm`. The outcome is 0 or 1, or with
        ``trials`` a number of successes. Text, Boolean and Categorical columns on the
        right are factors, the first level being the reference.
    data : pandas.DataFrame
        One row per record. Records with a missing outcome are left out and counted.
    penalty : str, optional
        ``"firth"``: Jeffreys' prior as a penalty, which removes the first-order bias
        (logit only).
    trials : str, optional
        Column of the numbers of trials.
    link : str
        ``"logit"`` or ``"probit"``.
    missing : str
        Records that have an outcome and miss something else are an ``"error"``, or
        ``"exclude"`` leaves them out and counts them.
    levels : mapping, optional
        Order of the levels of columns, ``{"TRT01P": ["PSI1", "PSI25"]}``.

    Returns
    -------
    LogisticFit
        Converged or not: see its ``convergence``.

    Raises
    ------
    ModelError
        If the input cannot be analysed; the message names what is wrong.

    Notes
    -----
    Algebra: ``docs/methods/logistic.md``. Wald tests and intervals come from `tidy`;
    those by the (penalised) likelihood ratio from `profile_intervals`.

    References
    ----------
    Firth (1993), Biometrika 80, 27-38, https://doi.org/10.1093/biomet/80.1.27. Heinze
    and Schemper (2002), Stat Med 21, 2409-2419, https://doi.org/10.1002/sim.1047.

    Examples
    --------
    >>> fit = fit_logistic("AVAL ~ TRT01P + BASE", adqs)  # doctest: +SKIP
    >>> tidy(fit)                                         # doctest: +SKIP
    """
    _check_options(penalty, link, missing)
    levels = {} if levels is None else levels
    check_table(data, levels)
    parsed = parse_formula(formula, map(str, data.columns))
    if list(data.columns).count(parsed.outcome) == 1:
        refuse_text(data[parsed.outcome], parsed.outcome)
    keys = () if trials is None else (trials,)
    design = build_design(parsed, data, keys=keys, levels=levels, missing=missing)
    counts = None
    if trials is not None:
        counts = read_numbers(design.frame[trials], trials).to_numpy()
    successes, n_trials = read_successes(
        design.y, counts, parsed.outcome, trials or "trials", rows=design.rows
    )
    aliased, undetermined = find_aliased(design, triangle(design.X))
    separation = find_separation(design.X, successes, n_trials, design.columns)
    Q, R = np.linalg.qr(design.X[:, ~aliased])
    endless = penalty is None and bool(separation)
    task = Task(Q, successes, n_trials, link, penalty == "firth", endless)
    peak = climb(task, np.zeros(Q.shape[1]))
    constant = log_coefficients(successes, n_trials)
    back = np.linalg.inv(R)
    # In the original columns log|X'WX| is that of the orthonormal ones plus 2 log|R|.
    jeffreys = float(np.log(np.abs(np.diagonal(R))).sum()) if penalty else 0.0
    return LogisticFit(
        formula=str(parsed),
        link=link,
        penalty=penalty,
        trials=trials,
        design=design,
        aliased_mask=aliased,
        undetermined=undetermined,
        beta=back @ peak.at.gamma,
        cov_model=_covariance(back, peak.at.information),
        loglik=peak.at.loglik + constant,
        penalised_loglik=peak.at.value + jeffreys + constant,
        successes=successes,
        n_trials=n_trials,
        n_records=len(design.y),
        n_excluded=sum(design.excluded.values()),
        excluded=design.excluded,
        separation=separation,
        convergence=_tell(peak, design, separation, aliased, endless),
    )


def _check_options(penalty: Any, link: Any, missing: Any) -> None:
    check_option(link, BinaryLink, name="link")
    check_option(missing, Missing, name="missing")
    if penalty is None:
        return
    check_option(penalty, Penalty, name="penalty")
    if link != "logit":
        raise ModelError(
            f"penalty: 'firth' is there for the logit link only, and link is '{link}'."
            " Use link='logit', or no penalty."
        )


def _covariance(back: FloatArray, information: FloatArray) -> FloatArray:
    """Inverse of the information, in the original columns; NaN if it has none."""
    try:
        half = np.linalg.solve(np.linalg.cholesky(information), back.T)
    except np.linalg.LinAlgError:
        return np.full_like(information, np.nan)
    return np.asarray(half.T @ half)


def _tell(
    peak: Peak,
    design: Design,
    separation: Separation,
    aliased: BoolArray,
    endless: bool,
) -> Convergence:
    messages = data_messages(design, aliased)
    if separation:
        words = describe_separation(separation, design)
        remedy = (
            ": use penalty='firth', or take out or pool what separates."
            if endless
            else "; those with Firth's penalty are finite."
        )
        messages.insert(0, words + remedy)
    elif not peak.settled:
        messages.insert(
            0,
            f"Newton's method did not settle in {peak.iterations} steps: are columns of"
            " the model nearly copies of one another?",
        )
    at = peak.at
    good = peak.settled and not endless
    return Convergence(
        status="converged" if good else "not-converged",
        optimiser="newton",
        iterations=peak.iterations,
        gradient_norm=float(np.max(np.abs(at.gradient))),
        min_eigenvalue=float(np.linalg.eigvalsh(at.information)[0]),
        ladder=(),
        messages=tuple(messages),
    )
