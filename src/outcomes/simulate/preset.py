"""Presets: the parameters of a simulated trial, as data.

Every class is a section of a preset file and every attribute one of its keys. A
mapping by arm (`ByArm`) must name exactly the arms of the trial.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from outcomes.errors import SpecError, one_of

FOLDER = Path(__file__).parent / "presets"
ByArm = dict[str, float]
Share = Literal[0, "partial", "full"]
SHARES: dict[Share, float] = {0: 0.0, "partial": 0.5, "full": 1.0}
"""How much of ``experience.slope_full`` is causal, by scenario."""


class Section(BaseModel):
    """A part of a preset: fixed, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Arm(Section):
    """An arm; ``doses`` are mg at each session, ``supplement`` mg taken later."""

    id: str
    n: int
    label: str
    active: bool
    drug: str
    doses: list[float]
    supplements: list[float] = Field(default_factory=list)
    ratio: int = Field(1, ge=1)
    """Share in a block of the randomisation."""


class Site(Section):
    """A site and how many it randomises."""

    id: str
    n: int
    region: str


class Visit(Section):
    """A scheduled contact; ``jitter`` is days early and late around ``day``.

    An ``anchor`` makes ``day`` a number of days after another visit, else it is a
    study day (1 is the first dose, there is no day 0). An ``hour`` puts an assessment
    on the day of the dose, after it. ``follow-up`` visits come after all others and are
    for those who enter the follow-up.
    """

    id: str
    kind: Literal["screening", "baseline", "dosing", "assessment", "follow-up"]
    day: int
    hour: float | None = None
    jitter: tuple[int, int]
    window: tuple[int, int]
    anchor: str | None = None

    @property
    def offset(self) -> int:
        """Days after the first dose (study day 1 is offset 0)."""
        return self.day - 1 if self.day > 0 and self.anchor is None else self.day


class Severity(Section):
    """True severity before treatment, and how it is measured."""

    mean: float
    sd: float
    screening_minimum: int
    screening_inflation: float
    severity_slope: float
    measurement_sd: float
    rater_sd: float
    rater_drift_sd: float
    raters: int
    floor_scale: float


class Course(Section):
    """Change on the latent scale and its residual covariance.

    ``target`` holds the published or intended change of each visit, ``latent`` the
    parameters that give about that once scores are bounded and made of items.
    """

    primary: str
    target: dict[str, ByArm]
    latent: dict[str, ByArm]
    growth: dict[str, float]
    heterogeneity_sd: ByArm
    skewness: float = Field(ge=0)
    autoregressive_sd: float
    autoregressive_rho_per_week: float
    site_sd: float
    therapist_sd: float


class Relapse(Section):
    """Loss of effect after a visit: hazard per week, by actual arm."""

    after: str
    weekly_hazard: ByArm
    loss: float
    time_constant_days: float


class Rescue(Section):
    """Rescue medication: logit per interval after a visit, on the last score."""

    start: str
    intercept: float
    per_ten_points: float
    centre: int
    effect: float
    ramp_days: float
    medications: list[str]
    indication: str


class Leaving(Section):
    """Leaving early: logit per interval, on the last observed score (MAR)."""

    intercept: ByArm
    per_ten_points: float
    centre: int
    reasons: dict[str, ByArm]


class Dropout(Leaving):
    """Dropout, and single interviews and items that are missing at random."""

    not_done: float
    item_skipped: float


class Entry(Section):
    """Entry into the follow-up: logit on the last score seen before it, by arm.

    ``response`` adds to the logit of who responds at that score. ``hidden`` adds per
    standard deviation of the frailty, which nobody observes: with 0, entry depends on
    observed history only.
    """

    intercept: ByArm
    per_ten_points: ByArm
    centre: int
    response: ByArm
    hidden: float = 0.0
    delay: tuple[int, int]
    closed_sites: list[str]
    reasons: dict[str, float]


class LaterRelapse(Section):
    """Loss of effect in the follow-up of who has not lost it: hazard per week.

    It is multiplied by ``exp`` of ``per_ten_points`` times the last score seen before
    the follow-up (less ``centre``, in tens) and of ``frailty`` times a standard normal.
    """

    weekly_hazard: ByArm
    per_ten_points: float
    centre: int
    frailty: float


class FollowUp(Section):
    """The observational follow-up: who enters, loss of effect, who is lost."""

    entry: Entry
    relapse: LaterRelapse
    loss: Leaving


class Experience(Section):
    """The acute experience (percent of the MEQ30 maximum) and its two roads.

    ``mean`` by arm and session; ``scale`` multiplies everything that varies.
    ``effect`` says how much of ``slope_full`` (points of outcome per percent) is
    causal; ``openness`` moves the experience, ``openness_outcome`` the outcome.
    """

    effect: Share
    slope_full: float
    mean: dict[str, list[float]]
    scale: ByArm
    openness: float
    expectancy: float
    person_sd: float
    session_sd: float
    floor_scale: float
    factor_sd: float
    item_sd: float
    openness_outcome: ByArm
    expectancy_outcome: float
    openness_expectancy: float


class Guess(Section):
    """A rating of the treatment given: latent guess before it is cut in five."""

    role: Literal["PARTICIPANT", "THERAPIST", "RATER"]
    visit: str
    mean: ByArm
    experience: float
    improvement: float
    sd: float


class Items(Section):
    """How a total is spread over items: easiness, person trait and noise."""

    easiness: list[float]
    trait_sd: float
    noise_sd: float


class Event(Section):
    """An adverse event: probability per session by arm."""

    term: str
    reported: list[str]
    soc: str
    probability: ByArm
    acute: float
    severe: float = 0.04
    serious: float = 0.0
    abuse: bool = False
    interest: str = ""
    days: float = 2.0
    minutes: float = 180.0


class Safety(Section):
    """Adverse events, concomitant drugs and vital signs."""

    events: list[Event]
    site_reporting_sd: float
    concomitant: dict[str, str]
    concomitant_mean: float
    peak_systolic: ByArm
    decimal_comma: bool


class Contact(Section):
    """Therapy contacts of one kind, days relative to a visit."""

    kind: Literal["PREPARATION", "INTEGRATION"]
    visit: str
    days: list[int]
    minutes: float


class People(Section):
    """Who takes part."""

    age: tuple[float, float, int, int]
    female: float
    race: dict[str, float]
    hispanic: float
    prior_use: float
    prior_use_column: str
    flags: dict[str, float]
    counts: dict[str, dict[str, float]]
    screen_failures: dict[str, float]


class Conduct(Section):
    """Calendar, and what does not go as planned."""

    start: date
    enrolment_days: int
    dosing_minutes: float
    dose_column: str = "dose_mg"
    unscheduled: float
    duplicates: int
    wrong_arm: tuple[str, str] | None
    deviations: dict[str, float]
    strata: Literal["site", "region"]


class Preset(Section):
    """The whole preset."""

    id: str
    version: int
    title: str
    seed: int
    instrument: Literal["CAPS5", "MADRS"]
    block: int
    arms: list[Arm]
    sites: list[Site]
    visits: list[Visit]
    people: People
    conduct: Conduct
    severity: Severity
    items: Items
    experience: Experience
    course: Course
    relapse: Relapse | None
    rescue: Rescue
    dropout: Dropout
    follow_up: FollowUp | None = None
    guesses: list[Guess]
    contacts: list[Contact]
    safety: Safety

    @property
    def arm_ids(self) -> list[str]:
        """Arm ids in the order of the preset; arrays by arm follow it."""
        return [arm.id for arm in self.arms]

    @property
    def dosing(self) -> list[Visit]:
        """Dosing visits: session 1 is the first."""
        return [v for v in self.visits if v.kind == "dosing"]

    @property
    def assessments(self) -> list[Visit]:
        """Post-baseline assessments of the main study, in order."""
        return [v for v in self.visits if v.kind == "assessment"]

    @property
    def later(self) -> list[Visit]:
        """Assessments of the follow-up, in order."""
        return [v for v in self.visits if v.kind == "follow-up"]

    @property
    def maximum(self) -> tuple[int, int]:
        """Number of items of the total, and the highest score of one."""
        return {"CAPS5": (20, 4), "MADRS": (10, 6)}[self.instrument]

    def by_arm(self, mapping: dict[str, float]) -> list[float]:
        """Return the values of a mapping in the order of the arms."""
        return [mapping[arm] for arm in self.arm_ids]

    @model_validator(mode="after")
    def _arms_agree(self) -> Preset:
        known = set(self.arm_ids)
        for where, mapping in _arm_mappings(self):
            if set(mapping) != known:
                raise ValueError(f"{where} must name the arms {sorted(known)}")
        if sum(s.n for s in self.sites) != sum(a.n for a in self.arms):
            raise ValueError("sites and arms do not randomise the same number")
        if len(self.items.easiness) != self.maximum[0]:
            raise ValueError(f"items.easiness needs {self.maximum[0]} numbers")
        visits = {v.id for v in self.assessments}
        for name in ("target", "latent", "growth"):
            if set(getattr(self.course, name)) != visits:
                raise ValueError(f"course.{name} must name {sorted(visits)}")
        return self

    @model_validator(mode="after")
    def _follow_up_agrees(self) -> Preset:
        if (self.follow_up is None) != (not self.later):
            raise ValueError("follow_up and visits of kind follow-up go together")
        if self.follow_up is not None:
            if self.relapse is None:
                raise ValueError("a follow_up needs relapse")
            known = {site.id for site in self.sites}
            unknown = set(self.follow_up.entry.closed_sites) - known
            if unknown:
                raise ValueError(f"follow_up.entry.closed_sites: {sorted(unknown)}")
        if any(v.hour is not None and v.kind != "assessment" for v in self.visits):
            raise ValueError("only an assessment has an hour")
        return self


def _arm_mappings(preset: Preset) -> list[tuple[str, dict[str, object]]]:
    """List every mapping by arm in a preset with where it stands."""
    found: list[tuple[str, dict[str, object]]] = []

    def walk(where: str, value: object) -> None:
        if isinstance(value, BaseModel):
            for key in type(value).model_fields:
                walk(f"{where}.{key}" if where else key, getattr(value, key))
        elif isinstance(value, list):
            for number, entry in enumerate(value):
                walk(f"{where}[{number}]", entry)
        elif isinstance(value, dict):
            if any(str(key) in preset.arm_ids for key in value):
                found.append((where, value))
            else:
                for key, entry in value.items():
                    walk(f"{where}.{key}", entry)

    walk("", preset)
    return found


def preset_names() -> list[str]:
    """Return the names of the committed presets, sorted."""
    return sorted(
        path.name.removesuffix(".preset.yaml") for path in FOLDER.glob("*.preset.yaml")
    )


def load_preset(name: str) -> Preset:
    """Read a preset by name.

    Raises
    ------
    SpecError
        If there is no such preset, or its file is not valid.
    """
    if name not in preset_names():
        raise SpecError(one_of(name, preset_names(), name="preset"))
    path = FOLDER / f"{name}.preset.yaml"
    try:
        return Preset.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as problem:
        raise SpecError(f"preset {name}: {problem}") from problem


def study_template(name: str) -> Path:
    """Return the path of the study file that belongs to a preset."""
    return FOLDER / f"{name}.study.yaml"
