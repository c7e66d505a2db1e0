"""The analyses of a study file: one class for each question a plan can ask."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from outcomes.study.base import Code, Id, Key, Name, Once, Section, Text
from outcomes.study.model import (
    ChangeModel,
    ClusteringModel,
    GlmmModel,
    MmrmModel,
    ResponderModel,
)


class Analysis(Section):
    """What every entry of ``analyses`` has."""

    id: Id
    title: Text | None = None
    prespecified: bool = False
    accept_error: bool = False
    population: Code | None = None
    follow_up: bool = False
    """Whether records of the follow-up are analysed, too."""


class OfEndpoint(Analysis):
    """An analysis of one endpoint, named by an estimand or directly."""

    estimand: Id | None = None
    endpoint: Key | None = None
    conf_level: float = Field(0.95, gt=0, lt=1)


class Disposition(Analysis):
    """CONSORT counts."""

    question: Literal["disposition"]


class BaselineCharacteristics(Analysis):
    """Baseline characteristics by arm: ADSL columns and baseline scores."""

    question: Literal["baseline"]
    variables: Once[Name] = Field(default_factory=lambda: ["AGE", "SEX"])
    scores: Once[Key] = Field(default_factory=list)


class Missingness(OfEndpoint):
    """Observed and missing by visit and arm."""

    question: Literal["missingness"]


class Change(OfEndpoint):
    """Change from baseline by MMRM, or LMM; ``visit`` is the primary one."""

    question: Literal["change"]
    visit: Code
    model: ChangeModel = Field(default_factory=MmrmModel)


class Diagnostics(Analysis):
    """Whether the model of a change analysis fits, and what it hangs on.

    ``of`` is that analysis; ``leave_out`` names columns of ADSL, each value of which is
    left out in turn.
    """

    question: Literal["diagnostics"]
    of: Id
    leave_out: Once[Name] = Field(default_factory=lambda: ["SITEID"])


class Distribution(OfEndpoint):
    """Cumulative distribution of change at a visit, observed cases."""

    question: Literal["distribution"]
    visit: Code


class Responders(Analysis):
    """Yes/no endpoints: proportions and risk differences by visit."""

    question: Literal["responders"]
    endpoints: Once[Key] = Field(min_length=1)
    visits: Once[Code] = Field(default_factory=list)
    estimands: dict[Key, Id] = Field(default_factory=dict)
    missing: Literal["non-responder"] = "non-responder"
    interval: Literal["newcombe", "miettinen-nurminen"] = "newcombe"
    conf_level: float = Field(0.95, gt=0, lt=1)


class LongitudinalResponders(OfEndpoint):
    """A yes/no endpoint over visits by one model: probabilities, odds ratios.

    ``baseline`` is the change endpoint whose baseline value is BASE, where the
    endpoint is not itself made of a score.
    """

    question: Literal["longitudinal-responders"]
    visits: Once[Code] = Field(default_factory=list)
    baseline: Key | None = None
    model: ResponderModel = Field(default_factory=GlmmModel)


class Clustering(OfEndpoint):
    """How much of an endpoint lies between sites and between therapists."""

    question: Literal["clustering"]
    visits: Once[Code] = Field(default_factory=list)
    baseline: Key | None = None
    model: ClusteringModel


class CoxModel(Section):
    """The Cox model of a time-to-event analysis: the arm and ``covariates``.

    ``cluster`` gives standard errors that are robust to dependence within its levels.
    """

    covariates: Once[Name] = Field(default_factory=list)
    ties: Literal["efron", "breslow"] = "efron"
    cluster: Name | None = None


class EntryWeights(Section):
    """What entry into the follow-up may depend on, for inverse-probability weights.

    ``covariates`` are columns of ADSL, ``history`` change endpoints: the last value
    observed before the follow-up. ``truncate`` are the percentiles beyond which weights
    are cut off. ``not_eligible`` are reasons of not entering (FUPNREAS) for which
    somebody could not have entered: nobody stands for those who have one.
    """

    covariates: Once[Name] = Field(default_factory=list)
    history: Once[Key] = Field(default_factory=list)
    truncate: tuple[float, float] | None = Field(None, strict=False)
    not_eligible: Once[Text] = Field(default_factory=list)


class TimeToEvent(OfEndpoint):
    """Time to an event: survival, log-rank, Cox, restricted means, competing risks.

    ``days`` are the days since the origin at which survival is stated, ``tau`` the
    horizon of restricted means (the last of ``days`` by default). ``followed_up`` names
    the population that entered the follow-up: it is shown beside all, as selected.
    """

    question: Literal["time-to-event"]
    days: Once[int] = Field(min_length=1)
    quantiles: Once[float] = Field(default_factory=lambda: [0.25, 0.5, 0.75])
    interval: Literal["log-log", "log", "plain"] = "log-log"
    tau: int | None = Field(None, ge=1, le=36_500)
    strata: Once[Name] = Field(default_factory=list)
    rho: float = Field(0.0, ge=0, le=1, strict=False)
    cox: CoxModel = Field(default_factory=CoxModel)
    interval_censored: bool = False
    followed_up: Code | None = None
    entry_weights: EntryWeights | None = None

    @property
    def horizon(self) -> int:
        """The horizon of restricted means, in days since the origin."""
        return self.tau if self.tau is not None else max(self.days)


class Predictor(Section):
    """The experience score of a dosing session."""

    instrument: Text
    score: Key
    session: Literal["first", "last"] = "first"


class PredictsOutcome(OfEndpoint):
    """An experience score against change, within arm, adjusted for baseline."""

    question: Literal["predicts-outcome"]
    visit: Code
    predictor: Predictor
    covariates: Once[Name] = Field(default_factory=lambda: ["BASE"])


AnyAnalysis = Annotated[
    Disposition
    | BaselineCharacteristics
    | Missingness
    | Change
    | Diagnostics
    | Distribution
    | Responders
    | LongitudinalResponders
    | Clustering
    | TimeToEvent
    | PredictsOutcome,
    Field(discriminator="question"),
]
