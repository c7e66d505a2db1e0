"""The study file: the statistical analysis plan as data.

Every class is a section of the file, every attribute a key. Unknown keys are errors.
What the file may say about its parts together is checked in `outcomes.study.check`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from outcomes.study.analyses import AnyAnalysis
from outcomes.study.base import (
    Code,
    Day,
    Expression,
    FileName,
    Id,
    ItemPattern,
    Key,
    Name,
    Once,
    Section,
    Text,
)
from outcomes.study.endpoints import Endpoint, Strategy, SustainedEndpoint


class StudyInfo(Section):
    """Who and what: ``study``."""

    id: Id
    title: Text
    compound: Text
    indication: Text
    design: Literal["parallel", "single-arm"] = "parallel"
    synthetic: bool = False


class Arm(Section):
    """One entry of ``arms``; the order is that of tables, the control comes last."""

    id: Code
    label: Text
    active: bool = False
    control: bool = False


class Visit(Section):
    """One entry of ``visits``: ``day`` is the study day (there is no day 0).

    ``hour`` is that of an assessment on the day of a dose, counted from the dose.
    """

    id: Code
    label: Text
    day: Day
    hour: float | None = Field(None, gt=0, le=24, strict=False)
    window: tuple[Day, Day] | None = Field(None, strict=False)
    baseline: bool = False

    @property
    def time(self) -> float:
        """The day with its hour as a part of it: where it stands on an axis of time."""
        return self.day + (self.hour or 0.0) / 24.0


class RawFile(Section):
    """How a raw CSV file is written."""

    file: FileName
    delimiter: Literal[",", ";", "\t", "|"] = ","
    encoding: Literal["utf-8", "latin-1", "cp1252", "utf-16"] = "utf-8"
    decimal: Literal[".", ","] = "."
    missing: list[str] = Field(default_factory=lambda: ["", "NA", "."])
    date_format: Text = "%Y-%m-%d"


class TableSource(RawFile):
    """A raw file that gives one SDTM table: SDTM variable to raw column.

    ``rows: distinct`` is for a file that repeats a subject's values on many rows:
    they are taken once, and must agree.
    """

    columns: dict[Name, Text]
    values: dict[Name, dict[str, str]] = Field(default_factory=dict)
    constants: dict[Name, Text] = Field(default_factory=dict)
    rows: Literal["all", "distinct"] = "all"


class Covariate(Section):
    """A further subject-level column of ``dm`` that the study declares."""

    column: Text
    label: Text
    kind: Literal["text", "number"] = "text"


class SubjectSource(TableSource):
    """``sources.dm``."""

    covariates: dict[Name, Covariate] = Field(default_factory=dict)
    strata: Once[Name] = Field(default_factory=list)


class QuestionnaireSource(RawFile):
    """One entry of ``sources.qs``.

    Items are wide (``items: "caps5_{item:02d}"``, one column each), or long
    (``layout: long`` with ``item`` and ``value`` naming columns). A source without
    items gives ``totals``: score of the instrument to column.
    """

    instrument: Text
    layout: Literal["wide", "long"] = "wide"
    items: ItemPattern | None = None
    item: Text | None = None
    value: Text | None = None
    totals: dict[Key, Text] = Field(default_factory=dict)
    subject: Text
    visit: Text | None = None
    at_visit: Code | None = None
    visit_values: dict[str, Code] = Field(default_factory=dict)
    session: Text | None = None
    at_session: int | None = Field(None, ge=1, le=1000)
    date: Text | None = None
    day: Text | None = None
    rater: Text | None = None
    not_done: Text | None = None
    not_applicable: list[str] = Field(default_factory=list)
    ordering: Key | None = None
    version: Text | None = None
    rows: Literal["all", "distinct"] = "all"


class Sources(Section):
    """``sources``: raw file to SDTM table."""

    dm: SubjectSource
    ex: TableSource | None = None
    ds: TableSource | None = None
    dv: TableSource | None = None
    ae: TableSource | None = None
    cm: TableSource | None = None
    pr: TableSource | None = None
    qs: list[QuestionnaireSource] = Field(min_length=1)


class Baseline(Section):
    """``baseline``: which record ABLFL marks.

    ``last-before-first-dose`` takes the last non-missing value before the first dose
    (before randomisation where nobody has a dose); ``visit`` takes the baseline visit.
    """

    rule: Literal["last-before-first-dose", "visit"] = "last-before-first-dose"


class FollowUp(Section):
    """``follow_up``: a later part of the study that not everybody enters.

    It begins with the visit ``start``. Who entered, when, and why the others did not
    is in ``ds``, in records with EPOCH ``FOLLOW-UP``: the milestone ``entered`` of
    those who did, an event ``not_entered`` with a reason of those who did not.
    """

    start: Code
    label: Text = "Follow-up"
    entered: Text = "ENTERED FOLLOW-UP"
    not_entered: Text = "NOT ENTERED"


class Sites(Section):
    """``sites``: sites with fewer randomised subjects are pooled into one group."""

    pool_below: int = Field(1, ge=1, le=100_000)
    pooled_label: Text = "POOLED"


class InstrumentRules(Section):
    """``instruments.<ID>``: what the SAP settles about scoring.

    ``n_min`` is the smallest number of answered items a score needs; below the full
    number the score is prorated (person mean) and marked. ``criteria`` names, for a
    yes/no of the instrument, the criteria that apply where not all do.
    """

    n_min: dict[Key, int] = Field(default_factory=dict)
    criteria: dict[Key, Once[str]] = Field(default_factory=dict)


class IntercurrentEvent(Section):
    """One intercurrent event of an estimand and its strategy (ICH E9(R1))."""

    event: Literal["rescue"]
    strategy: Strategy


class Estimand(Section):
    """One entry of ``estimands``."""

    id: Id
    endpoint: Key
    population: Code
    label: Text | None = None
    intercurrent_events: list[IntercurrentEvent] = Field(default_factory=list)


class Display(Section):
    """One entry of ``displays``: change what a display says, never its numbers."""

    id: Id
    number: Text | None = None
    title: Text | None = None
    footnotes: list[Text] = Field(default_factory=list)
    omit: bool = False


class Study(Section):
    """The whole study file."""

    study: StudyInfo
    arms: list[Arm] = Field(min_length=1)
    origin: Literal["first-dose", "randomisation"] = "first-dose"
    visits: list[Visit] = Field(min_length=1)
    follow_up: FollowUp | None = None
    unscheduled: Literal["by-date", "exclude", "error"] = "by-date"
    unscheduled_visits: list[str] = Field(default_factory=lambda: ["UNSCHEDULED"])
    out_of_window: Literal["keep", "exclude"] = "keep"
    duplicates: Literal["closest", "first", "last", "error"] = "closest"
    not_randomised: list[str] = Field(default_factory=lambda: ["SCRNFAIL"])
    sources: Sources
    baseline: Baseline = Field(default_factory=Baseline)
    sites: Sites = Field(default_factory=Sites)
    instruments: dict[str, InstrumentRules] = Field(default_factory=dict)
    populations: dict[Code, Expression] = Field(min_length=1)
    endpoints: dict[Key, Endpoint] = Field(min_length=1)
    estimands: list[Estimand] = Field(default_factory=list)
    analyses: list[AnyAnalysis] = Field(min_length=1)
    displays: list[Display] = Field(default_factory=list)

    @property
    def control(self) -> Arm | None:
        """The arm others are compared with, if the study has one."""
        return next((arm for arm in self.arms if arm.control), None)

    @property
    def baseline_visit(self) -> Visit:
        """The visit marked as baseline, else the first."""
        return next((v for v in self.visits if v.baseline), self.visits[0])

    @property
    def follow_up_visits(self) -> list[str]:
        """The visits of the follow-up, none where the study has no follow-up."""
        ids = [visit.id for visit in self.visits]
        if self.follow_up is None or self.follow_up.start not in ids:
            return []
        return ids[ids.index(self.follow_up.start) :]

    def without_follow_up(self) -> Study:
        """Return the study as it is up to its follow-up: without the later visits."""
        late = self.follow_up_visits
        if not late:
            return self
        return self.model_copy(
            update={"visits": [visit for visit in self.visits if visit.id not in late]}
        )

    def visit(self, id: str) -> Visit:
        """Return the visit called ``id``."""
        return next(v for v in self.visits if v.id == id)

    def visits_of(self, endpoint: SustainedEndpoint) -> list[Visit]:
        """Return the visits at which a sustained endpoint must hold, in order.

        None, if the endpoint names a visit that does not exist.
        """
        ids = [visit.id for visit in self.visits]
        if endpoint.visits:
            return [visit for visit in self.visits if visit.id in endpoint.visits]
        if endpoint.start not in ids or endpoint.end not in ids:
            return []
        first, last = ids.index(endpoint.start), ids.index(endpoint.end)
        return self.visits[first : last + 1]

    def estimand(self, id: str) -> Estimand:
        """Return the estimand called ``id``."""
        return next(e for e in self.estimands if e.id == id)

    def analysis(self, id: str) -> AnyAnalysis:
        """Return the analysis called ``id``."""
        return next(a for a in self.analyses if a.id == id)
