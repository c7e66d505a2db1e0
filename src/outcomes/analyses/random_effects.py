"""What every analysis with random effects says of them: in words, and as rows."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from outcomes.analyses.selection import column_label
from outcomes.ard.rows import ArdRows
from outcomes.errors import ModelError
from outcomes.models.mixed.variance import icc, variance_components
from outcomes.study.random import ARM, SUBJECT, WEEK, Grouping
from outcomes.study.spec import Study

if TYPE_CHECKING:
    from outcomes.models.mixed.glmm.results import GlmmFit
    from outcomes.models.mixed.results import LmmFit

    MixedFit = LmmFit | GlmmFit

INTERCEPT: Final = "Intercept"
RESIDUAL: Final = "Residual"


class HasConvergence(Protocol):
    """How an optimisation went, whatever the model."""

    @property
    def converged(self) -> bool:
        """Whether the fit may be used."""

    @property
    def messages(self) -> tuple[str, ...]:
        """Everything worth reading."""


def random_terms(
    found: Sequence[Grouping], arm_variable: str, *, one_visit: bool
) -> dict[str, str]:
    """Return ``random`` as the models take it.

    Parameters
    ----------
    found : sequence of Grouping
        Of the study file, the subject among them.
    arm_variable : str
        The column that ``arm`` stands for.
    one_visit : bool
        Whether every subject has one record: its effect is then part of the residual,
        and is left out.

    Raises
    ------
    ModelError
        If a slope over time is asked for where there is one visit.
    """
    slopes = [one.name for one in found if WEEK in one.effects]
    if one_visit and slopes:
        raise ModelError(
            f"random: {slopes[0]} has a slope over WEEK, but only one visit has "
            "records; name more visits, or leave the slope out."
        )
    kept = [one for one in found if not (one_visit and one.columns == (SUBJECT,))]
    return {one.name: one.terms.replace(ARM, arm_variable) for one in kept}


def grouping_labels(spec: Study, found: Sequence[Grouping]) -> dict[str, str]:
    """Return what the groupings of a model are called, by the name the model has.

    Parameters
    ----------
    spec : Study
        The study, whose declared covariates have labels.
    found : sequence of Grouping
        Of the study file, the subject among them.
    """
    labels = {}
    for one in found:
        names = [
            "Subject" if name == SUBJECT else column_label(spec, name)
            for name in one.columns
        ]
        if one.multiple:
            shared = f"{' and '.join(names)}, in equal shares"
            labels[f"mm({', '.join(one.columns)})"] = shared
        elif "/" in one.name:
            for depth in range(len(names)):
                within = " within ".join(reversed(names[: depth + 1]))
                labels[":".join(one.columns[: depth + 1])] = within
        else:
            labels[":".join(one.columns)] = " by ".join(names)
    return labels


def random_words(random: Mapping[str, str]) -> str:
    """Say which effects are random.

    Examples
    --------
    >>> random_words({"USUBJID": "1", "SITEID": "1"})
    'random intercepts of USUBJID and SITEID'
    >>> random_words({"USUBJID": "1 + WEEK", "SITEID": "1"})
    'random intercept of SITEID, random effects 1 + WEEK of USUBJID'
    """
    plain = [name for name, terms in random.items() if terms == "1"]
    said = []
    if plain:
        names = " and ".join([", ".join(plain[:-1]), plain[-1]][len(plain) == 1 :])
        said.append(f"random intercept{'s' * (len(plain) > 1)} of {names}")
    said += [
        f"random effects {terms} of {name}"
        for name, terms in random.items()
        if terms != "1"
    ]
    return ", ".join(said)


def shortcomings(
    convergence: HasConvergence, labels: Mapping[str, str] | None = None
) -> str:
    """Say what weakens every number of a fit; ``''`` if nothing does.

    Parameters
    ----------
    convergence : Convergence
        Of the fit.
    labels : mapping, optional
        What groupings are called, from `grouping_labels`.
    """
    said = [] if convergence.converged else ["the model did not converge"]
    named = [in_labels(one, labels or {}) for one in convergence.messages]
    return "; ".join([*said, *named])


def in_labels(message: str, labels: Mapping[str, str]) -> str:
    """Put what groupings are called into a message of a fit.

    Examples
    --------
    >>> in_labels("the variance of Intercept of SITEID is zero", {"SITEID": "Site"})
    'the variance of Site is zero'
    """
    for name in sorted(labels, key=len, reverse=True):
        place = rf"(?:\b{INTERCEPT} of )?(?<![\w:(]){re.escape(name)}(?![\w:])"
        message = re.sub(rf"{place}(?= is zero| are collinear)", labels[name], message)
    return message


def add_convergence(convergence: HasConvergence, ard: ArdRows) -> None:
    """Add whether a fit converged; if not, also the error row that says so."""
    ard.add("converged", float(convergence.converged), term="fit")
    if convergence.converged:
        return
    reason = "; ".join(convergence.messages) or "no reason known"
    ard.fail(
        f"the model did not converge: {reason}. Its numbers are marked; plan a simpler "
        "model.",
        term="fit",
    )


def add_mixed_fit(
    fit: MixedFit,
    excluded: Mapping[str, int],
    labels: Mapping[str, str],
    *,
    conf_level: float,
    ard: ArdRows,
) -> None:
    """Add size, likelihood, convergence, variance components and ICCs of a fit.

    Parameters
    ----------
    fit : LmmFit or GlmmFit
        The fit.
    excluded : mapping
        Records that were not used, by reason.
    labels : mapping
        What groupings are called, from `grouping_labels`.
    conf_level : float
        Of the profile limits.
    ard : ArdRows
        Where rows go; ``n_subjects`` is set.
    """
    n_subjects = int(ard.default("n_subjects"))
    sizes = {"n_subjects": n_subjects, "n_records": fit.n_records}
    likelihood = {"loglik": fit.loglik, "minus_2_loglik": -2.0 * fit.loglik}
    ard.add_all({**sizes, **likelihood}, term="fit")
    add_convergence(fit.convergence, ard)
    for grouping, count in fit.n_groups.items():
        here = ard.at(term="levels", level=grouping)
        here.add("n", count)
        here.add("label", text=labels.get(grouping, grouping))
    for reason, count in {**excluded, **fit.excluded}.items():
        ard.add("n", count, term="excluded", level=reason)
    add_components(fit, conf_level, ard)


def add_left_out(
    left_out: Mapping[str, int], labels: Mapping[str, str], ard: ArdRows
) -> None:
    """Add groupings that a model was fitted without: levels, and a variance of zero."""
    for name, count in left_out.items():
        here = ard.at(level=name)
        here.add("n", count, term="levels")
        here.add("label", text=labels.get(name, name), term="levels")
        for term in ("random-sd", "random-variance"):
            here.add("estimate", 0.0, term=term)


def add_components(fit: MixedFit, conf_level: float, ard: ArdRows) -> None:
    """Add standard deviations, variances and correlations, and shares of variance.

    Limits of a variance are those of the standard deviation, squared: a profile does
    not depend on the scale. With random slopes a share of variance depends on the
    covariate, so there are no rows of it.
    """
    try:
        table = variance_components(fit, conf_level=conf_level, interval="profile")
    except ModelError as problem:
        ard.fail(str(problem), term="random-sd")
        return
    for row in table.to_dict("records"):
        residual = row["parameter"] == "residual sd"
        name = RESIDUAL if residual else str(row["grouping"])
        here = ard.at(level=name, subgroup=effect_name(row["term"]))
        if row["parameter"] == "correlation":
            _add_correlation(row, conf_level, here.at(term="random-correlation"))
            continue
        add_limited(row, conf_level, here.at(term="random-sd"))
        squared = {k: row[k] ** 2 for k in ("estimate", "conf_low", "conf_high")}
        add_limited(squared, conf_level, here.at(term="random-variance"))
    if any(terms.strip() != "1" for terms in fit.random.values()):
        return
    for row in icc(fit, conf_level=conf_level, interval="profile").to_dict("records"):
        line = ard.at(term="icc", level=str(row["grouping"]))
        line.add("scale", text=str(row["scale"]))
        add_limited(row, conf_level, line)


def _add_correlation(row: Mapping[Any, Any], conf_level: float, ard: ArdRows) -> None:
    """Add a correlation; there is none where a variance is zero, which its row says."""
    if not math.isnan(row["estimate"]):
        add_limited(row, conf_level, ard)


def effect_name(term: Any) -> str:
    """Return the name of a random effect in the ARD: that of an intercept is empty."""
    name = str(term).strip("()")
    return "" if name == INTERCEPT else name


def add_limited(row: Mapping[Any, Any], conf_level: float, ard: ArdRows) -> None:
    """Add an estimate with the limits that it has."""
    if math.isnan(row["estimate"]):
        ard.fail("not estimable from these data.")
        return
    ard.add("estimate", row["estimate"])
    for name in ("conf_low", "conf_high"):
        if math.isfinite(row[name]):
            ard.add(name, row[name], conf_level=conf_level)
