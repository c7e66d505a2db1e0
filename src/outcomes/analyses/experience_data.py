"""The subjects of an experience analysis: predictor, outcome and covariates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from outcomes.analyses.selection import (
    Cohort,
    Target,
    after_rescue,
    analysed,
    at_parameter,
    cohort,
    covariate_names,
    score_paramcd,
    target,
)
from outcomes.errors import DataError, ModelError, one_of
from outcomes.study.analyses import PredictsOutcome
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

PREDICTOR: Final = "PREDICTOR"
OUTCOME: Final = "CHG"
ARM: Final = "ARM"


@dataclass(frozen=True, slots=True)
class ExperienceData:
    """What an experience analysis works on.

    Attributes
    ----------
    what : Target
        Endpoint, population, estimand.
    people : Cohort
        The population.
    subjects : DataFrame
        One row per subject of the population: ``USUBJID ARM PREDICTOR CHG`` and the
        covariates; what is missing is null.
    covariates : tuple of str
        Columns of covariates.
    """

    what: Target
    people: Cohort
    subjects: Frame
    covariates: tuple[str, ...]

    def of_arm(self, arm: str) -> Frame:
        """Return the subjects of an arm, or all for ``''``."""
        return self.subjects[self.subjects[ARM] == arm] if arm else self.subjects

    def complete(self, rows: Frame) -> Frame:
        """Return the subjects with everything the model needs."""
        return rows.dropna(subset=[PREDICTOR, OUTCOME, *self.covariates])


def coded(rows: Frame, columns: Iterable[str]) -> Frame:
    """Return numeric columns as they are, text as indicators of all levels but one.

    Levels are those that the rows have, so that one nobody has costs no column.
    """
    import pandas as pd

    parts: list[pd.Series[float]] = []
    for name in columns:
        if rows[name].dtype.kind in "iuf":
            parts.append(rows[name])
        else:
            # Written out: of no rows at all, pandas makes a column of no known width.
            for level in sorted(rows[name].unique())[1:]:
                is_level = (rows[name] == level).astype("float64")
                parts.append(is_level.rename(f"{name}_{level}"))
    return pd.concat(parts, axis=1) if parts else pd.DataFrame(index=rows.index)


def experience_data(
    spec: Study, analysis: PredictsOutcome, adsl: Frame, adqs: Frame
) -> ExperienceData:
    """Join predictor and outcome, one row per subject.

    Raises
    ------
    DataError
        If either has no record, or a predictor was measured after its outcome.
    ModelError
        If a covariate is not a column.
    """
    import pandas as pd

    what = target(spec, analysis)
    people = cohort(spec, what.population, adsl)
    visit = spec.visit(analysis.visit)
    outcome = analysed(at_parameter(adqs, what.paramcd), [visit])
    outcome = outcome[~after_rescue(outcome, what.strategy)].set_index("USUBJID")
    predictor = _predictor(analysis, people, adqs)
    ids = pd.Index(people.subjects["USUBJID"])
    _check_order(analysis, predictor.reindex(ids), outcome.reindex(ids))
    out = pd.DataFrame(
        {
            "USUBJID": ids,
            ARM: people.subjects[people.arm_variable].to_numpy(),
            PREDICTOR: predictor["AVAL"].reindex(ids).to_numpy("float64"),
            OUTCOME: outcome["CHG"].reindex(ids).to_numpy("float64"),
        }
    )
    covariates = _covariates(analysis, people, adqs, what)
    out = pd.concat([out, covariates], axis=1)
    return ExperienceData(what, people, out, tuple(map(str, covariates.columns)))


def _predictor(analysis: PredictsOutcome, people: Cohort, adqs: Frame) -> Frame:
    """Return the record of the wanted session, by USUBJID.

    ``first`` is the first session of the study; ``last`` the last one a subject had,
    whether its questionnaire was filled in or not.
    """
    part = analysis.predictor
    rows = at_parameter(adqs, score_paramcd(part.instrument, part.score))
    rows = rows[rows["SESSION"].notna() & (rows["ANL01FL"] == "Y")]
    if rows.empty:
        raise DataError(
            f"{part.instrument} has no analysed record with a dosing session; see the "
            "issue log of derive for why."
        )
    first = int(rows["SESSION"].min())
    if part.session == "first":
        wanted = rows["SESSION"] == first
    else:
        own = rows.groupby("USUBJID")["SESSION"].max()
        had = people.subjects.set_index("USUBJID")["NSESSION"]
        last = had.fillna(own.reindex(had.index))
        wanted = rows["SESSION"] == rows["USUBJID"].map(last)
    rows = rows[wanted.fillna(False)]
    doubled = rows["USUBJID"].duplicated()
    if doubled.any():
        raise DataError(
            f"{part.instrument}: {rows.loc[doubled, 'USUBJID'].iloc[0]} has two "
            "analysed records of one session."
        )
    return rows.set_index("USUBJID")


def _check_order(analysis: PredictsOutcome, predictor: Frame, outcome: Frame) -> None:
    """Refuse a predictor that was measured after what it is to predict."""
    later = (predictor["ADY"] > outcome["ADY"]).fillna(False).astype(bool)
    dated = (predictor["ADT"] != "") & (outcome["ADT"] != "")
    dated &= predictor["ADT"].notna() & outcome["ADT"].notna()
    later |= dated & (predictor["ADT"].str[:10] > outcome["ADT"].str[:10])
    if later.any():
        part = analysis.predictor
        raise DataError(
            f"{part.instrument} of the {part.session} session was measured after "
            f"{analysis.visit} in {int(later.sum())} subjects (first: "
            f"{later.index[later][0]}); choose a later visit or session: first."
        )


def _covariates(
    analysis: PredictsOutcome, people: Cohort, adqs: Frame, what: Target
) -> Frame:
    """Return the covariates by row of the population; an empty text is missing."""
    import pandas as pd

    out = pd.DataFrame(index=people.subjects.index)
    for name in covariate_names(analysis.covariates):
        if name == "BASE":
            rows = at_parameter(adqs, what.paramcd).drop_duplicates("USUBJID")
            base = rows.set_index("USUBJID")["BASE"]
            out[name] = base.reindex(people.subjects["USUBJID"]).to_numpy("float64")
        elif name in people.subjects.columns:
            values = people.subjects[name]
            if values.dtype.kind in "iuf":
                out[name] = values.astype("float64")
            else:
                out[name] = values.astype(object).where(values != "", None)
        else:
            known = ["BASE", *people.subjects.columns]
            raise ModelError(one_of(name, known, name=f"{analysis.id}.covariates"))
    return out
