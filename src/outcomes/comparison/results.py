"""The results of a compared analysis that are shown, as its study computed them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from outcomes.ard.rows import read_ard
from outcomes.comparison.load import ComparisonFile, Member
from outcomes.errors import DataError
from outcomes.study.displays import not_of

if TYPE_CHECKING:
    import pandas as pd

COUNTS: Final = "counts"
CURVE: Final = "kaplan-meier"
MEDIAN: Final = "0.5"

_COUNTED: Final = ("population", "at-risk", "event", "competing")
_DAY: Final = ("estimate", "conf_low", "conf_high", "n_risk", "n_event")
_QUANTILE: Final = ("estimate", "conf_low", "conf_high")
_FOLLOWED: Final = ("median", "max")


def traced(study: str, result_id: str) -> str:
    """Return the identifier of a result among several studies.

    A ``result_id`` is unique within its study; no id of a study has a dot.

    Examples
    --------
    >>> traced("small", "kept.arm:PSI25.term:day.estimate")
    'small.kept.arm:PSI25.term:day.estimate'
    """
    return f"{study}.{result_id}"


def compared_results(
    comparison: ComparisonFile, results: Path
) -> dict[str, pd.DataFrame]:
    """Read what is shown of every study.

    Parameters
    ----------
    comparison : ComparisonFile
        The comparison.
    results : Path
        Folder with the results of the studies, one folder each.

    Returns
    -------
    dict of str to DataFrame
        By study: the rows of the ARD that are shown, and those that say why there is
        no result; ``result_id`` has the study before it.

    Raises
    ------
    DataError
        If the results of a study are absent, no ARD, or of another study or analysis.
    """
    days = comparison.spec.ordered_days
    return {
        member.id: _shown(member, results / member.ard, days)
        for member in comparison.members
    }


def _shown(member: Member, path: Path, days: list[int]) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(
            f"{path}: there is no such file; run the study {member.id} first, or give "
            "--results the folder that holds the results of its studies."
        )
    frame = read_ard(path)
    analysis = member.analysis.id
    problem = not_of(member.id, analysis, frame["study"], frame["analysis"])
    if problem:
        raise DataError(f"{path}: {problem}.")
    _refuse_older(member, path, frame)
    of_all = frame["population"].isin(["", member.population])
    plain = (frame["comparator"] == "") & (frame["subgroup"] == "")
    whole = (frame["term"] == "analysis") & (frame["error"] != "")
    out = frame[whole | (of_all & plain & _wanted(frame, days))].copy()
    out["result_id"] = [traced(member.id, id) for id in out["result_id"]]
    return out


def _refuse_older(member: Member, path: Path, frame: pd.DataFrame) -> None:
    """Refuse results of another endpoint, population or confidence level.

    Those are said beside the numbers as the study file has them now.
    """
    rows = frame[(frame["method_id"] == CURVE) & (frame["error"] == "")]
    endpoint = member.analysis.endpoint
    if member.analysis.estimand is not None:
        endpoint = member.spec.estimand(member.analysis.estimand).endpoint
    level = member.analysis.conf_level
    said = [
        what
        for what, differs in (
            ("endpoint", (~rows["endpoint"].isin(["", endpoint])).any()),
            (
                "population",
                len(rows) and member.population not in set(rows["population"]),
            ),
            ("conf_level", (~rows["conf_level"].isin([level]))[_limits(rows)].any()),
        )
        if differs
    ]
    if said:
        raise DataError(
            f"{path}: the results of '{member.analysis.id}' are of another "
            f"{' and '.join(said)} than {member.file} has; run the study "
            f"{member.id} again."
        )


def _limits(rows: pd.DataFrame) -> pd.Series[bool]:
    return rows["statistic"].isin(["conf_low", "conf_high"])


def _wanted(frame: pd.DataFrame, days: list[int]) -> pd.Series[bool]:
    """Mark counts, survival at the days, the curve, its median, the follow-up."""
    term, statistic = frame["term"], frame["statistic"]
    curve = frame["method_id"] == CURVE
    failed = frame["error"] != ""
    day = (term == "day") & frame["time"].isin([float(day) for day in days])
    quantile = (term == "quantile") & (frame["level"] == MEDIAN)
    counted = (frame["method_id"] == COUNTS) & term.isin(_COUNTED)
    return (
        (counted & ((statistic == "n") | failed))
        | (curve & day & (statistic.isin(_DAY) | failed))
        | (curve & quantile & (statistic.isin(_QUANTILE) | failed))
        | (curve & (term == "follow-up") & (statistic.isin(_FOLLOWED) | failed))
        | (curve & (term == "curve") & (statistic == "estimate"))
    )
