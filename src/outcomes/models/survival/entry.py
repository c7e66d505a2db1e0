"""Inverse-probability weights for who entered a follow-up.

Numbered equations are in ``docs/methods/entry-weights.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.columns import check_table, code_levels, declared_order, is_factor
from outcomes.models.convergence import Convergence
from outcomes.models.formula import Formula, parse_formula
from outcomes.models.logistic.fit import fit_logistic
from outcomes.models.logistic.results import LogisticFit
from outcomes.models.options import BoolArray, FloatArray
from outcomes.models.survival.records import name_rows
from outcomes.models.tables import tidy

if TYPE_CHECKING:
    import pandas as pd

# Probability of entry below which subjects like these are hardly represented.
RARE: Final = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class EntryWeights:
    """Weights of those who entered a follow-up, and how well they do.

    Attributes
    ----------
    frame : pandas.DataFrame
        ``entered probability weight``, with the index of the data. ``weight`` is NaN
        for who did not enter.
    model : pandas.DataFrame
        Coefficients (log odds ratios of entry) as from `tidy`, after a column ``by``.
        A level in which everybody entered has none.
    balance : pandas.DataFrame
        ``by term before after``: standardised difference of the mean of each covariate
        (each level of a factor) between those who entered and all eligible, without and
        with the weights, (3).
    summary : pandas.DataFrame
        ``by n_eligible n_entered mean sd min max effective_size`` of the weights, and
        the range of probabilities, ``probability_min probability_max``.
    warnings : tuple of str
        What to tell the reader.
    convergence : tuple of Convergence or None
        Of the model in each level; None where everybody entered.
    truncated : int
        Weights cut off.
    """

    frame: pd.DataFrame
    model: pd.DataFrame
    balance: pd.DataFrame
    summary: pd.DataFrame
    warnings: tuple[str, ...]
    convergence: tuple[Convergence | None, ...]
    truncated: int

    def __repr__(self) -> str:
        entered = int(self.summary["n_entered"].sum())
        size = float(self.summary["effective_size"].sum())
        return (
            f"<Entry weights: {entered} of {len(self.frame)} entered, effective size"
            f" {size:.1f}, {len(self.warnings)} warnings>"
        )


def entry_weights(
    data: pd.DataFrame,
    *,
    entered: str,
    formula: str,
    by: str | None = None,
    truncate: tuple[float, float] | None = None,
) -> EntryWeights:
    """Weigh those who entered a follow-up by the inverse of their chance to enter.

    Weighted, they stand for all eligible, if entry depends on nothing but what is in
    the formula and everybody could have entered.

    Parameters
    ----------
    data : pandas.DataFrame
        One row per eligible subject; messages name subjects by the index.
    entered : str
        Column of 1 for who entered, 0 for who did not.
    formula : str
        ``"~ BASE + RESPONSE"``: what entry may have depended on. Text, Boolean and
        Categorical columns are factors.
    by : str, optional
        Column of the groups in each of which a model of its own is fitted.
    truncate : tuple of float, optional
        Percentiles of the weights of all who entered, all groups together, beyond which
        weights are cut off, such as (1, 99).

    Returns
    -------
    EntryWeights

    Raises
    ------
    ModelError
        If a covariate is missing (naming subjects), nobody of a group entered, or the
        formula cannot be read.

    Notes
    -----
    The model is a logistic regression; where the covariates separate who entered from
    who did not, Firth's penalty is used and a warning says so.

    References
    ----------
    Robins and Finkelstein (2000), Biometrics 56, 779-788,
    https://doi.org/10.1111/j.0006-341X.2000.00779.x. Cole and Hernan (2008), Am J
    Epidemiol 168, 656-664, https://doi.org/10.1093/aje/kwn164.

    Examples
    --------
    >>> entry_weights(eligible, entered="IN", formula="~ BASE")  # doctest: +SKIP
    """
    import pandas as pd

    check_table(data, {})
    parsed = _read_formula(formula, entered, by, data)
    came, groups = _read(data, entered, parsed, by)
    probability = np.ones(len(data))
    models: list[pd.DataFrame] = []
    warnings: list[str] = []
    convergence: list[Convergence | None] = []
    for level, here in groups:
        if came[here].all():
            convergence.append(None)
            warnings.append(f"{_whose(level)}everybody eligible entered; weights are 1")
            continue
        fit = _fit(parsed, data.loc[here], entered, came[here], level, warnings)
        probability[here] = fit.inverse_link(
            fit.design.X[:, ~fit.aliased_mask] @ fit.beta
        )
        convergence.append(fit.convergence)
        table = tidy(fit)
        table.insert(0, "by", [level] * len(table))
        models.append(table)
    warnings += _positivity(data, probability, groups)
    weight, truncated = _truncate(1.0 / probability, came, truncate)
    columns = ["by", "term", "estimate", "std_error", "df", "statistic", "p_value"]
    columns += ["conf_low", "conf_high"]
    return EntryWeights(
        frame=pd.DataFrame(
            {
                "entered": came.astype(int),
                "probability": probability,
                "weight": np.where(came, weight, np.nan),
            },
            index=data.index,
        ),
        model=pd.concat(models, ignore_index=True)
        if models
        else pd.DataFrame(columns=columns),
        balance=_balance(data, parsed, came, weight, groups),
        summary=_summary(came, weight, probability, groups),
        warnings=tuple(warnings),
        convergence=tuple(convergence),
        truncated=truncated,
    )


Groups = list[tuple[Any, BoolArray]]


def _read_formula(
    formula: str, entered: str, by: str | None, data: pd.DataFrame
) -> Formula:
    """Put the outcome on the left of the formula, and check both."""
    problems = [
        f"data has no column {name!r} for {role}; it has"
        f" {', '.join(map(repr, map(str, data.columns)))}."
        for role, name in (("entered", entered), ("by", by))
        if name is not None and name not in data.columns
    ]
    if problems:
        raise ModelError(" ".join(problems))
    if not isinstance(formula, str) or formula.count("~") != 1:
        raise ModelError(
            f"formula: {formula!r} must be a text such as '~ BASE + RESPONSE'."
        )
    left, right = (part.strip() for part in formula.split("~"))
    if left not in ("", entered):
        raise ModelError(
            f"formula: '{left}' is on its left, but entered is {entered!r}. Write"
            f" '~ {right}'."
        )
    parsed = parse_formula(f"{entered} ~ {right}", map(str, data.columns))
    if by is not None and by in parsed.variables:
        raise ModelError(
            f"formula: {by!r} is also by, within whose levels it does not vary. Take it"
            " out of one of them."
        )
    return parsed


def _read(
    data: pd.DataFrame, entered: str, parsed: Formula, by: str | None
) -> tuple[BoolArray, Groups]:
    """Read who entered, and the groups, or say all that is wrong."""
    import pandas as pd

    problems = []

    def tell(name: str, wrong: BoolArray, what: str) -> None:
        if wrong.any():
            problems.append(
                f"{name!r}: {int(wrong.sum())} of {len(wrong)} subjects {what}"
                f" (subject {name_rows(data.index, wrong)})."
            )

    needed = dict.fromkeys((entered, *parsed.variables, *([by] if by else [])))
    for name in needed:
        if list(data.columns).count(name) > 1:
            raise ModelError(f"data has more than one column {name!r}.")
        missing = data[name].isna().to_numpy(dtype=bool)
        tell(name, missing, "miss it; complete it or leave it out of the formula")
    numeric = pd.to_numeric(data[entered], errors="coerce")
    values = numeric.to_numpy(dtype=float, na_value=np.nan)
    known = data[entered].notna().to_numpy(dtype=bool)
    tell(entered, known & ~np.isin(values, (0.0, 1.0)), "are neither 0 nor 1")
    if problems:
        raise ModelError(" ".join(problems))
    came = values == 1.0
    groups: Groups = [("", np.ones(len(data), dtype=bool))]
    if by is not None:
        order = declared_order(data[by], by, {})
        codes = np.asarray(code_levels(data[by], order).codes)
        groups = [(v, codes == k) for k, v in enumerate(order) if np.any(codes == k)]
    problems = [
        f"{_whose(level)}none of the {int(here.sum())} eligible subjects entered:"
        " nobody can stand for them. Leave the group out, or pool it."
        for level, here in groups
        if not came[here].any()
    ]
    if problems:
        raise ModelError(" ".join(problems))
    return came, groups


def _whose(level: Any) -> str:
    return f"{level}: " if level != "" else ""


def _fit(
    parsed: Formula,
    rows: pd.DataFrame,
    entered: str,
    came: BoolArray,
    level: Any,
    warnings: list[str],
) -> LogisticFit:
    """Fit the model of entry in one group, with Firth's penalty where it is needed."""
    data = rows.assign(**{entered: came.astype(float)})
    fit = fit_logistic(str(parsed), data)
    if fit.convergence.converged:
        return fit
    why = fit.convergence.messages[0]
    fit = fit_logistic(str(parsed), data, penalty="firth")
    warnings.append(
        f"{_whose(level)}Firth's penalty is used, as the model of entry without it has"
        f" no finite estimates ({why.split(': use penalty')[0]})"
    )
    if not fit.convergence.converged:
        warnings.append(
            f"{_whose(level)}the model of entry did not converge; its weights cannot be"
            " relied on"
        )
    return fit


def _positivity(
    data: pd.DataFrame, probability: FloatArray, groups: Groups
) -> list[str]:
    """Warn of subjects who hardly ever enter."""
    found = []
    for level, here in groups:
        rare = here & (probability < RARE)
        if rare.any():
            found.append(
                f"{_whose(level)}{int(rare.sum())} of {int(here.sum())} eligible"
                f" subjects have a probability of entry below {RARE} (least"
                f" {probability[rare].min():.2g}; subject"
                f" {name_rows(data.index, rare)}): few or none stand for them"
            )
    return found


def _truncate(
    weight: FloatArray, came: BoolArray, truncate: Sequence[float] | None
) -> tuple[FloatArray, int]:
    """Cut weights off at percentiles of those of all who entered."""
    if truncate is None:
        return weight, 0
    given = list(truncate) if isinstance(truncate, Sequence) else [truncate]
    if not (
        len(given) == 2
        and all(isinstance(p, Real) and not isinstance(p, bool) for p in given)
        and 0.0 <= given[0] < given[1] <= 100.0
    ):
        raise ModelError(
            f"truncate: {truncate!r} must be two percentiles between 0 and 100, the"
            " lower first, such as (1, 99)."
        )
    low, high = np.percentile(weight[came], given)
    cut = np.clip(weight, low, high)
    return cut, int(np.sum(cut[came] != weight[came]))


def _balance(
    data: pd.DataFrame,
    parsed: Formula,
    came: BoolArray,
    weight: FloatArray,
    groups: Groups,
) -> pd.DataFrame:
    """Compare who entered with all eligible, equation (3)."""
    import pandas as pd

    columns = _covariates(data, parsed)
    rows = []
    for level, here in groups:
        inside = here & came
        for term, values in columns:
            # Of a constant such as 0.1 the standard deviation is rounding, but not 0.
            varies = bool(np.ptp(values[here]) > 0.0)
            spread = float(np.std(values[here], ddof=1)) if varies else 0.0
            target = float(values[here].mean())
            shift = [
                float(np.average(values[inside], weights=w)) - target
                for w in (None, weight[inside])
            ]
            before, after = (d / spread if spread > 0.0 else 0.0 for d in shift)
            rows.append({"by": level, "term": term, "before": before, "after": after})
    return pd.DataFrame(rows, columns=["by", "term", "before", "after"])


def _covariates(data: pd.DataFrame, parsed: Formula) -> list[tuple[str, FloatArray]]:
    """Return covariates as numbers, each level of a factor as 0 and 1."""
    found = []
    for name in parsed.variables:
        column = data[name]
        if not is_factor(column, name):
            found.append((name, column.to_numpy(dtype=float)))
            continue
        for level in declared_order(column, name, {}):
            is_level = np.asarray(column == level, dtype=float)
            if is_level.any():
                found.append((f"{name}[{level}]", is_level))
    return found


def _summary(
    came: BoolArray, weight: FloatArray, probability: FloatArray, groups: Groups
) -> pd.DataFrame:
    """Describe the weights of who entered; effective size by Kish, equation (4)."""
    import pandas as pd

    rows = []
    for level, here in groups:
        w = weight[here & came]
        rows.append(
            {
                "by": level,
                "n_eligible": int(here.sum()),
                "n_entered": len(w),
                "mean": float(w.mean()),
                "sd": float(w.std(ddof=1)) if len(w) > 1 else np.nan,
                "min": float(w.min()),
                "max": float(w.max()),
                "effective_size": float(w.sum() ** 2 / np.sum(w**2)),
                "probability_min": float(probability[here].min()),
                "probability_max": float(probability[here].max()),
            }
        )
    return pd.DataFrame(rows)
