"""What one site or therapist does to the result: each left out in turn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from outcomes.analyses.change_data import ChangeData
from outcomes.analyses.change_model import changes_of, differences_of
from outcomes.ard.rows import ArdRows
from outcomes.errors import DataError
from outcomes.models.estimates import Estimates
from outcomes.models.mmrm.influence import leave_one_out
from outcomes.models.mmrm.results import MmrmFit

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

UNKNOWN: Final = "Missing"
"""Level of the subjects who have no value in a column; they are in every refit."""
LEFT_OUT: Final = "left-out"


def add_influence(
    data: ChangeData,
    fit: MmrmFit,
    reference: str | None,
    *,
    columns: Mapping[str, str],
    level: float,
    ard: ArdRows,
) -> None:
    """Add the result at the visit of the analysis, whole and with parts left out.

    The result is the difference of every arm from the control, or the LS mean of the
    one arm where there is no control.

    Parameters
    ----------
    data : ChangeData
        The records and the model.
    fit : MmrmFit
        Its fit.
    reference : str or None
        The control arm.
    columns : mapping
        Columns of ADSL, each value of which is left out in turn, and their labels.
    level : float
        Confidence level.
    ard : ArdRows
        Where results go.

    Raises
    ------
    DataError
        If ADSL lacks a column.
    """
    ard = ard.at(visit=data.visit.id, time=data.visit.time, comparator=reference or "")
    term = "lsmean" if reference is None else "difference"

    def result(of: MmrmFit) -> Estimates:
        changes = changes_of(data, of, level)
        return differences_of(data, changes, reference) or changes

    whole = _here(data, result(fit).frame)
    for row in whole:
        _add(row, level, ard.at(term=term, n_subjects=fit.n_subjects))
    for column, label in columns.items():
        here = ard.at(term=f"{term}-without", method_id=column)
        here.add("label", term=LEFT_OUT, comparator="", text=label)
        rows = _with_column(data, column)
        counts = rows.groupby(column)["USUBJID"].nunique()
        unknown = rows.loc[rows[column].isna(), "USUBJID"].nunique()
        if unknown:
            here.add("n", unknown, term=LEFT_OUT, comparator="", level=UNKNOWN)
        if len(counts) < 2:
            here.fail(_too_few(column, list(counts.index)), comparator="")
            continue
        for value, n in counts.items():
            here.add("n", n, term=LEFT_OUT, comparator="", level=str(value))
        found = leave_one_out(fit, rows, column, result)
        for value, n in counts.items():
            line = here.at(level=str(value), n_subjects=fit.n_subjects - int(n))
            rest = rows.loc[rows[column] != value, data.people.arm_variable]
            reasons = _reasons(whole, set(rest), reference, str(value))
            for arm, reason in reasons.items():
                line.fail(reason, arm=arm)
            for row in _here(data, found[found[column] == value]):
                if row["arm"] not in reasons:
                    _add(row, level, line)


def _here(data: ChangeData, frame: Frame) -> list[dict[Any, Any]]:
    """Return the estimates at the visit of the analysis, each with its ``arm``."""
    rows = frame[frame["AVISIT"] == data.visit.id].to_dict("records")
    arm, only = data.people.arm_variable, data.people.arms[0]
    return [{**row, "arm": str(row.get(arm, only))} for row in rows]


def _reasons(
    whole: list[dict[Any, Any]], left: set[str], reference: str | None, value: str
) -> dict[str, str]:
    """Say of each arm with a result why it has none of a refit to the arms left."""
    reasons = {}
    for row in whole:
        absent = [arm for arm in (row["arm"], reference) if arm and arm not in left]
        if absent:
            reasons[row["arm"]] = (
                f"not estimable: no subject of {absent[0]} is left without {value}."
            )
    return reasons


def _with_column(data: ChangeData, column: str) -> Frame:
    """Return the records of the model with a column of ADSL, null where unknown."""
    subjects = data.people.subjects
    if column not in subjects.columns:
        raise DataError(f"adsl has no {column}; derive it again with this column.")
    values = subjects.set_index("USUBJID")[column].astype(object)
    values = values.where(values.notna() & (values != ""), None)
    return data.modelled.assign(**{column: data.modelled["USUBJID"].map(values)})


def _too_few(column: str, values: list[Any]) -> str:
    if not values:
        return (
            f"{column} is empty for everybody in the analysis, so nothing to leave out."
        )
    return f"{column} has the one value {values[0]}; without it nobody is left."


def _add(row: dict[Any, Any], level: float, ard: ArdRows) -> None:
    line = ard.at(arm=row["arm"])
    message = str(row.get("message", ""))
    if not math.isfinite(row["estimate"]):
        line.fail(message or "not estimable: an arm has no record at this visit.")
        return
    if not row.get("converged", True):
        line = line.at(warning=f"a refit did not converge: {message}")
    line.add_all({name: row[name] for name in ("estimate", "std_error", "df")})
    if line.default("comparator"):
        line.add_all({"t": row["statistic"], "p_value": row["p_value"]})
    for name in ("conf_low", "conf_high"):
        line.add(name, row[name], conf_level=level)
