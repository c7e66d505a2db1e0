"""Whether the model of a change analysis fits, and what its result hangs on.

Method: ``docs/methods/diagnostics.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from outcomes.analyses.change_data import change_data
from outcomes.analyses.change_model import (
    describe_fit,
    fit_change,
    reference_arm,
    weakness,
)
from outcomes.analyses.influence import add_influence
from outcomes.analyses.residual_checks import add_correlations, add_residuals
from outcomes.analyses.selection import column_label, fail_visit, in_words
from outcomes.ard.rows import ArdRows
from outcomes.errors import DataError
from outcomes.models.mmrm.results import MmrmFit
from outcomes.study.analyses import Change, Diagnostics
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame


def analyse(
    spec: Study, analysis: Diagnostics, adsl: Frame, adqs: Frame, ard: ArdRows
) -> None:
    """Add the diagnostics of the model of a change analysis.

    Parameters
    ----------
    spec : Study
        The study, with the analysis that this one is of.
    analysis : Diagnostics
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
    change = spec.analysis(analysis.of)
    if not isinstance(change, Change):
        raise DataError(f"{analysis.of} is no analysis of change; name one in 'of'.")
    data = change_data(spec, change, adsl, adqs)
    reference = reference_arm(spec, data)
    fit = fit_change(data, reference)
    if not isinstance(fit, MmrmFit):
        raise DataError(f"the model of {analysis.of} is no mmrm; name one in 'of'.")
    ard = ard.at(
        endpoint=data.what.endpoint,
        population=data.what.population,
        estimand=data.what.estimand,
        method=in_words(describe_fit(data, fit), data.what.handling),
        warning=weakness(fit),
    )
    add_residuals(data, fit, ard)
    add_correlations(data, fit, ard)
    if not analysis.leave_out:
        return
    if data.visit not in data.visits:
        fail_visit(data.visit, ard)
        return
    columns = {name: column_label(spec, name) for name in analysis.leave_out}
    add_influence(
        data, fit, reference, columns=columns, level=change.conf_level, ard=ard
    )
