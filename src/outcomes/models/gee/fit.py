"""`fit_gee`: generalised estimating equations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.columns import check_table, check_visit
from outcomes.models.convergence import Convergence
from outcomes.models.design import Design, build_design
from outcomes.models.estimable import find_aliased
from outcomes.models.formula import parse_formula
from outcomes.models.gee.clusters import Clusters, check_pairs, read_clusters
from outcomes.models.gee.convergence import (
    tell_data,
    tell_few,
    tell_run_off,
    tell_trouble,
)
from outcomes.models.gee.outcome import check_outcome
from outcomes.models.gee.results import GeeFit
from outcomes.models.gee.robust import make_covariances, make_pieces
from outcomes.models.gee.run_off import find_run_off
from outcomes.models.gee.variance import spread
from outcomes.models.gee.working import SINGULAR, estimate_working
from outcomes.models.links import inverse_link, inverse_link_slope
from outcomes.models.options import (
    GEE_LINKS,
    FloatArray,
    GeeDf,
    GeeFamily,
    GeeLink,
    GeeMoments,
    GeeStructure,
    GeeVcov,
    Missing,
    check_option,
    settle_link,
)

if TYPE_CHECKING:
    import pandas as pd

# The structures for which it matters at which visit a record was made.
BY_VISIT: Final = ("ar1", "unstructured")
# Residual sum of squares, as a share of that of the outcome, that is rounding alone.
NO_RESIDUAL: Final = 1e-20


def fit_gee(
    formula: str,
    data: pd.DataFrame,
    *,
    subject: str,
    visit: str | None = None,
    family: GeeFamily = "binomial",
    link: GeeLink | None = None,
    structure: GeeStructure = "exchangeable",
    vcov: GeeVcov = "robust",
    df: GeeDf | None = None,
    moments: GeeMoments = "n",
    missing: Missing = "error",
    levels: Mapping[str, Sequence[Any]] | None = None,
) -> GeeFit:
    """Fit a marginal model of repeated outcomes by generalised estimating equations.

    Coefficients are population-averaged. They are consistent whatever the working
    correlation, if outcomes are missing completely at random; robust standard errors
    are, too.

    Parameters
    ----------
    formula : str
        ``"outcome ~ terms"``, as for `fit_mmrm`. ``visit`` is a factor in it, whatever
        its type; give a trend in time a column of its own.
    data : pandas.DataFrame
        One row per record.
    subject : str
        Column of the clusters: records of different ones are independent.
    visit : str, optional
        Column of the visits: numeric, an ordered Categorical or listed in ``levels``.
        Needed for ``"ar1"`` and ``"unstructured"``.
    family : str
        ``"binomial"`` (0 and 1), ``"gaussian"`` or ``"poisson"``. ``"poisson"`` with an
        outcome of 0 and 1 estimates log risk ratios.
    link : str, optional
        ``"logit"`` (default) or ``"probit"`` of binomial, ``"identity"`` of gaussian,
        ``"log"`` of poisson.
    structure : str
        Working correlation: ``"independence"``, ``"exchangeable"``, ``"ar1"``, whose
        distance counts places in the declared order of visits, or ``"unstructured"``.
    vcov : str
        Covariance of the coefficients: ``"robust"`` (Liang and Zeger),
        ``"mancl-derouen"`` or ``"kauermann-carroll"`` for few subjects, or ``"model"``.
    df : str, optional
        ``"asymptotic"`` (default: z and chi-squared) or ``"clusters"``: t and F with
        the number of subjects less the rank of the model matrix.
    moments : str
        Divisors of dispersion and correlation: ``"n"``, counts, as R geepack, or
        ``"n-p"``, counts less the number of coefficients, as SAS GENMOD and R gee.
    missing : str
        Records that have an outcome and miss something else are an ``"error"``, or
        ``"exclude"`` leaves them out and counts them.
    levels : mapping, optional
        Order of the levels of columns, ``{"AVISIT": ["WEEK3", "WEEK12"]}``.

    Returns
    -------
    GeeFit
        Converged or not: see its ``convergence``.

    Raises
    ------
    ModelError
        If the input cannot be analysed; the message names what is wrong.

    Notes
    -----
    Algebra, and where programs differ: ``docs/methods/gee.md``.

    References
    ----------
    Liang and Zeger (1986), Biometrika 73, 13-22,
    https://doi.org/10.1093/biomet/73.1.13.

    Examples
    --------
    >>> fit = fit_gee("AVAL ~ TRT01P*AVISITN", adqs, subject="USUBJID",
    ...               visit="AVISITN", structure="ar1")        # doctest: +SKIP
    >>> tidy(fit)                                              # doctest: +SKIP
    """
    from outcomes.models.gee.solver import solve_gee

    family, link = settle_link(family, link, GEE_LINKS)  # type: ignore[assignment]
    check_option(structure, GeeStructure, name="structure")
    check_option(vcov, GeeVcov, name="vcov")
    df_method = check_option(df or "asymptotic", GeeDf, name="df")
    check_option(moments, GeeMoments, name="moments")
    check_option(missing, Missing, name="missing")
    levels = {} if levels is None else levels
    check_table(data, levels)
    design = _build(formula, data, subject, visit, structure, levels, missing)
    check_outcome(design.y, design.formula.outcome, family)
    clusters = read_clusters(
        data,
        design,
        subject=subject,
        visit=visit,
        levels=levels,
        by_visit=structure in BY_VISIT,
    )
    check_pairs(clusters, structure, subject)
    triangle = np.asarray(np.linalg.qr(design.X, mode="r"), dtype=np.float64)
    aliased, undetermined = find_aliased(design, triangle)
    X = design.X[clusters.order][:, ~aliased]
    Q, R = np.linalg.qr(X)
    back = np.asarray(np.linalg.inv(R))
    y = design.y[clusters.order]
    origin, unit = np.zeros(X.shape[1]), 1.0
    if family == "gaussian":  # free of the outcome's unit and level
        origin = Q.T @ y
        y, unit = _standardised(y, Q @ origin, str(design.formula))
    less = X.shape[1] if moments == "n-p" else 0
    sign = 2.0 * y - 1.0 if family == "binomial" else None
    solve = partial(solve_gee, y, Q, clusters, family=family, link=str(link), less=less)
    solution = solve(structure=structure)
    run_off = _run_off(Q, solution.gamma, sign, family, str(link))
    stray = structure != "independence" and (
        bool(run_off.size) or not np.isfinite(solution.score)
    )
    if stray:  # is it the data, or the correlation alone?
        plain = solve(structure="independence").gamma
        stray = not _run_off(Q, plain, sign, family, str(link)).size
    if stray:
        solution = replace(solution, gamma=np.full_like(solution.gamma, np.nan))
        run_off = run_off[:, :0]
    eta = Q @ solution.gamma
    root = spread(family, str(link), eta)
    weights = inverse_link_slope(str(link), eta) / root
    pearson = (y - inverse_link(str(link), eta)) / root
    working = estimate_working(clusters, structure, pearson, less)
    D = weights[:, None] * Q
    smallest = working.smallest_eigenvalue()
    usable = smallest > SINGULAR and not stray
    solved = working.solve(D) if usable else D
    pieces = make_pieces(clusters, D, solved, pearson)
    found = make_covariances(vcov if usable else "model", pieces, working.scale)
    known = usable and (solution.converged or bool(run_off.size))
    used = found.used if known else np.full_like(found.used, np.nan)
    messages = [
        *tell_trouble(solution, smallest, working, stray),
        *tell_data(design, aliased, visit),
        *tell_run_off(run_off, back, X, design, aliased),
        *tell_few(found, vcov, clusters, design, subject, X.shape[1]),
        *solution.messages,
    ]
    usable = solution.converged and usable and not run_off.size
    to_beta = unit * back
    return GeeFit(
        formula=str(design.formula),
        subject=subject,
        visit=visit,
        family=family,
        link=str(link),
        structure=structure,
        moments=moments,
        df_method=df_method,
        vcov_method=vcov,
        design=design,
        aliased_mask=aliased,
        undetermined=undetermined,
        beta=back @ (origin + unit * solution.gamma),
        cov_model=_congruent(to_beta, found.model),
        cov_inference=_congruent(to_beta, used),
        scale=working.scale * unit**2,
        alpha=working.alpha,
        alpha_names=_alpha_names(structure, clusters),
        correlations=working.correlation(),
        visits=clusters.visits,
        run_off=run_off,
        to_columns=back,
        n_subjects=clusters.n_clusters,
        n_records=len(y),
        n_excluded=sum(design.excluded.values()),
        excluded=design.excluded,
        convergence=Convergence(
            status="converged" if usable else "not-converged",
            optimiser="fisher scoring",
            iterations=solution.iterations,
            gradient_norm=solution.score,
            min_eigenvalue=smallest,
            messages=tuple(messages),
        ),
    )


def _run_off(
    Q: FloatArray,
    gamma: FloatArray,
    sign: FloatArray | None,
    family: str,
    link: str,
) -> FloatArray:
    """Directions in which coefficients have run off, as `find_run_off`."""
    eta = Q @ gamma
    with np.errstate(over="ignore", invalid="ignore"):
        weights = (inverse_link_slope(link, eta) / spread(family, link, eta)) ** 2
    return find_run_off(Q, weights, gamma, sign)


def _build(
    formula: str,
    data: pd.DataFrame,
    subject: str,
    visit: str | None,
    structure: str,
    levels: Mapping[str, Sequence[Any]],
    missing: Missing,
) -> Design:
    """Build the design, visits being a factor and a key where there are any."""
    if visit is not None:
        check_visit(data, visit, levels)
    elif structure in BY_VISIT:
        raise ModelError(
            f"structure: '{structure}' depends on the visits of each {subject}; give"
            " visit=, the column of the visits."
        )
    own = () if visit is None else (visit,)
    design = build_design(
        parse_formula(formula, map(str, data.columns)),
        data,
        keys=(subject, *own),
        subject=subject,
        factors=own,
        levels=levels,
        missing=missing,
    )
    if visit is not None and structure in BY_VISIT:
        present = tuple(design.frame[visit].cat.categories)
        if len(present) == 1:
            raise ModelError(
                f"structure: '{structure}' is a correlation between visits, and all"
                f" records are at {visit} {present[0]!r}. Use"
                " structure='independence'."
            )
    return design


def _standardised(
    y: FloatArray, fitted: FloatArray, formula: str
) -> tuple[FloatArray, float]:
    """Residuals of least squares in units of their size, and that size."""
    residual = y - fitted
    if float(residual @ residual) <= NO_RESIDUAL * float(y @ y):
        raise ModelError(
            f"formula: '{formula}' reproduces the outcome exactly, so there is no"
            " residual. Take terms out, or check that the outcome is not a term."
        )
    unit = float(np.sqrt(np.mean(residual**2)))
    return residual / unit, unit


def _congruent(to_columns: FloatArray, matrix: FloatArray) -> FloatArray:
    out = to_columns @ matrix @ to_columns.T
    return np.asarray((out + out.T) / 2.0)


def _alpha_names(structure: str, clusters: Clusters) -> tuple[str, ...]:
    if structure == "independence":
        return ()
    if structure != "unstructured":
        return ("correlation",)
    names = [str(visit) for visit in clusters.visits]
    return tuple(
        f"{names[a]}, {names[b]}"
        for a, b in zip(*np.triu_indices(len(names), 1), strict=True)
    )
