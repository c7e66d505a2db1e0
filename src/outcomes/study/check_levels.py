"""What the subjects say of groupings: levels between which nothing can vary.

Both make the fit fail, whatever is measured, so that `check` need not wait for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from outcomes.study.analyses import AnyAnalysis, OfEndpoint
from outcomes.study.model import ClusteringModel, GlmmModel, LmmModel
from outcomes.study.random import SUBJECT, Grouping
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd


def lone_levels(spec: Study, adsl: pd.DataFrame) -> Iterator[tuple[str, str, bool]]:
    """Yield groupings of random effects with one level, or one for every subject.

    Parameters
    ----------
    spec : Study
        A valid study.
    adsl : DataFrame
        Its subjects, with population flags.

    Yields
    ------
    tuple of str, str, bool
        Key path, message, and whether the study accepts that the analysis cannot be
        done.
    """
    for analysis in spec.analyses:
        model = getattr(analysis, "model", None)
        if not isinstance(model, LmmModel | GlmmModel | ClusteringModel):
            continue
        population = _population(spec, analysis)
        people = adsl[adsl[f"{population}FL"] == "Y"]
        if people.empty:
            continue
        subject = next(g for g in model.groupings if g.columns == (SUBJECT,))
        for one in model.groupings:
            alike = not one.multiple and bool(_effects(one) & _effects(subject))
            for name, levels in _levels(one, people):
                problem = _problem(levels, alike=alike)
                if problem:
                    yield (
                        f"analyses.{analysis.id}.model.random",
                        f"{name} has {problem} in population {population}; leave it "
                        "out.",
                        analysis.accept_error,
                    )


def _population(spec: Study, analysis: AnyAnalysis) -> str:
    estimand = analysis.estimand if isinstance(analysis, OfEndpoint) else None
    if estimand is not None:
        return spec.estimand(estimand).population
    return analysis.population or ""


def _effects(one: Grouping) -> set[str]:
    """Return what varies between levels: the intercept ``1``, ``WEEK``, ``arm``."""
    return {*one.effects, *(["1"] if one.terms.startswith("1") else [])}


def _levels(
    one: Grouping, people: pd.DataFrame
) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """Yield each factor that a grouping stands for, with the levels of subjects.

    ``A/B`` is ``A`` and ``A:B``. Who has no value has no level.
    """
    if one.columns == (SUBJECT,):
        return
    if one.multiple:
        named = [value for column in one.columns for value in people[column]]
        yield one.name, [(value,) for value in named if value]
        return
    depths = range(1, len(one.columns) + 1) if "/" in one.name else [len(one.columns)]
    for depth in depths:
        columns = list(one.columns[:depth])
        cells = people[columns].itertuples(index=False, name=None)
        yield ":".join(columns), [row for row in cells if all(row)]


def _problem(levels: list[tuple[str, ...]], *, alike: bool) -> str:
    """Say what is wrong with the levels that subjects have, '' if nothing is.

    ``alike`` says that an effect varies between subjects, too.
    """
    different = set(levels)
    if not different:
        return "no value"
    if len(different) == 1:
        name = ":".join(levels[0])
        return f"the one level '{name}', where a variance between levels needs two,"
    if alike and len(different) == len(levels):
        return "a level of its own for every subject, which the subject has already,"
    return ""
