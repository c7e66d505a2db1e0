"""What a figure draws, as data: the values of ARD rows, and how arms look.

Coordinates are unrounded ARD values; nothing here is computed from them.
"""

from __future__ import annotations

from dataclasses import dataclass

from outcomes.displays.across_chart import AcrossChart
from outcomes.displays.palette import Look


@dataclass(frozen=True, slots=True)
class Estimate:
    """One point with its interval; ``place`` is the index of a tick."""

    place: int
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Course:
    """The estimates of one arm over time, and the count to print below each tick."""

    name: str
    look: Look
    estimates: tuple[Estimate, ...]
    counts: tuple[str, ...]
    observed: tuple[Estimate, ...] = ()
    """Without a model, drawn beside as open markers."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A visit on the time axis: ``time`` in days since the origin."""

    time: float
    label: str


@dataclass(frozen=True, slots=True)
class CoursesChart:
    """Estimates with intervals over time, by arm."""

    ticks: tuple[Tick, ...]
    start: Tick | None
    """The baseline, where change is zero by definition; None leaves it out."""
    courses: tuple[Course, ...]
    x_label: str
    y_label: str
    counts_label: str
    observed_label: str = ""
    """What open markers are, where there are any."""
    percent: bool = False
    """Whether the values are percentages, whose axis begins at 0 and ends by 100."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The cumulative distribution of one arm: ``percent`` reached at each ``value``."""

    name: str
    look: Look
    values: tuple[float, ...]
    percents: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StepsChart:
    """Cumulative distributions by arm."""

    steps: tuple[Steps, ...]
    x_label: str
    y_label: str
    hint: str


@dataclass(frozen=True, slots=True)
class Cloud:
    """Points of one arm and the ends of its fitted line."""

    name: str
    look: Look
    points: tuple[tuple[float, float], ...]
    line: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class CloudsChart:
    """Scatter of two measurements by arm."""

    clouds: tuple[Cloud, ...]
    x_label: str
    y_label: str


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Quantiles of residuals at one visit: (normal, residual) pairs."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Bin:
    """Residuals of records with like fitted values; ``sd`` is None of a single one."""

    at: float
    mean: float
    sd: float | None


@dataclass(frozen=True, slots=True)
class ResidualsChart:
    """Normal quantile plots by visit, and spread of residuals against fitted values."""

    panels: tuple[Quantiles, ...]
    bins: tuple[Bin, ...]
    x_label: str
    y_label: str
    fitted_label: str


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One cell of a matrix; ``value`` is None on the diagonal and where unknown."""

    row: int
    column: int
    value: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Heat:
    """A lower triangle of correlations with standard deviations on its diagonal."""

    name: str
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True, slots=True)
class HeatChart:
    """Pairs of matrices, one below the other; ``names`` are those of rows."""

    pairs: tuple[tuple[Heat, Heat], ...]
    names: tuple[str, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its limits."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ForestLine:
    """A line of a forest plot: one interval per panel, None where there is none.

    A ``heading`` has none at all.
    """

    name: str
    intervals: tuple[Interval | None, ...]
    heading: bool = False


@dataclass(frozen=True, slots=True)
class ForestPanel:
    """A panel of a forest plot; ``whole`` is drawn as a line and a band."""

    name: str
    look: Look
    whole: Interval


@dataclass(frozen=True, slots=True)
class ForestChart:
    """Results with one part left out in turn, beside the whole."""

    panels: tuple[ForestPanel, ...]
    lines: tuple[ForestLine, ...]
    x_label: str


@dataclass(frozen=True, slots=True)
class Effect:
    """A predicted effect of one site or therapist, with how many subjects it saw."""

    name: str
    count: int
    interval: Interval


@dataclass(frozen=True, slots=True)
class EffectsPanel:
    """The effects of one grouping in the order in which they are drawn.

    ``note`` is drawn in their place where they are all zero.
    """

    name: str
    effects: tuple[Effect, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class EffectsChart:
    """Predicted effects of sites and therapists, sorted, around zero."""

    panels: tuple[EffectsPanel, ...]
    x_label: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A step function of time; limits are None where they do not exist.

    ``marked`` are its values at declared days, ``lost`` those where somebody was
    censored. ``dash`` names the line.
    """

    name: str
    look: Look
    times: tuple[float, ...]
    values: tuple[float, ...]
    limits: tuple[tuple[float, float] | None, ...]
    marked: tuple[tuple[float, float], ...] = ()
    lost: tuple[tuple[float, float], ...] = ()
    dash: str = "solid"
    band: bool = True


@dataclass(frozen=True, slots=True)
class CountLines:
    """Counts of one arm below the days: lines of a label and one text per day."""

    name: str
    look: Look
    lines: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class CurvesPanel:
    """Curves on one pair of axes; ``counts`` stand below them."""

    title: str
    curves: tuple[Curve, ...]
    counts: tuple[CountLines, ...] = ()


@dataclass(frozen=True, slots=True)
class CurvesChart:
    """Step functions of time as proportions: wide panels, then small ones beside.

    ``whole`` draws the vertical axis to 100%. ``styles`` say what the lines of small
    panels are: dash and words. ``remarks`` stand under the legend.
    """

    panels: tuple[CurvesPanel, ...]
    days: tuple[float, ...]
    x_label: str
    y_label: str
    whole: bool
    small: tuple[CurvesPanel, ...] = ()
    styles: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lane:
    """The time of one subject: how long, how it ended (index of an ending), and when.

    ``seen`` are assessments: day and whether the answer was yes.
    """

    stop: float
    ending: int
    entry: float | None
    seen: tuple[tuple[float, bool], ...]


@dataclass(frozen=True, slots=True)
class LanesPanel:
    """The subjects of one arm, in the order in which they are drawn."""

    name: str
    look: Look
    lanes: tuple[Lane, ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """A way in which time ends; ``kind`` is event, competing or censored."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class LanesChart:
    """One bar per subject, in a panel per arm.

    ``seen`` are the words for assessments with yes and with no, ``entry`` that for the
    mark of entry into the follow-up.
    """

    panels: tuple[LanesPanel, ...]
    endings: tuple[Ending, ...]
    seen: tuple[str, str] | None
    entry: str
    x_label: str


@dataclass(frozen=True, slots=True)
class TrendPanel:
    """Points over time with a smooth line, of one comparison."""

    name: str
    look: Look
    points: tuple[tuple[float, float], ...]
    smooth: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class TrendsChart:
    """Points with a smooth over time, around zero."""

    panels: tuple[TrendPanel, ...]
    x_label: str
    y_label: str
    remark: str = ""
    """Stands above the panels."""


Chart = (
    CoursesChart
    | StepsChart
    | CloudsChart
    | ResidualsChart
    | HeatChart
    | ForestChart
    | EffectsChart
    | CurvesChart
    | LanesChart
    | TrendsChart
    | AcrossChart
)
