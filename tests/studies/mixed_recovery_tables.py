"""Tables and figure of ``docs/studies/mixed-recovery.md``, from the stored numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from studies.therapy_trials import LAST, PRIMARY, SCENARIOS, Scenario

LEVEL: Final = 0.05
# A likelihood ratio that is nothing but rounding.
ROUNDING: Final = 1e-6
MINUS: Final = "\N{MINUS SIGN}"
NAMES: Final = ("site", "therapist")
TESTS: Final = {
    "site": "sites, beside therapists",
    "therapist": "therapists, beside sites",
    "site_alone": "sites, without therapists in the model",
    "therapist_alone": "therapists, without sites in the model",
}
# Column, how it is called, and which truth it is compared with.
CHANGES: Final = {
    "kr": "linear mixed, Kenward-Roger",
    "satt": "linear mixed, Satterthwaite",
    "mmrm": "MMRM with a covariance of each arm",
}
RISKS: Final = {
    "glmm": "mixed logistic, 25 points",
    "fine": "mixed logistic, 101 points",
    "gee": "estimating equations",
    "gee_kc": "the same, Kauermann-Carroll",
}
Truth = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Recovery:
    """How estimates and limits of one quantity compare with the truth.

    Attributes
    ----------
    n : int
        Trials with an estimate.
    mean, error : float
        Mean estimate and its Monte Carlo standard error.
    bias : float
        Mean estimate less the truth.
    covered : int
        Trials whose interval holds the truth.
    n_intervals : int
        Trials with an interval.
    width : float
        Mean width of the intervals.
    """

    n: int
    mean: float
    error: float
    bias: float
    covered: int
    n_intervals: int
    width: float

    @property
    def coverage(self) -> float:
        """Share of the intervals that hold the truth."""
        return self.covered / self.n_intervals

    @property
    def limits(self) -> tuple[float, float]:
        """Exact binomial 95 % interval of the coverage."""
        return exact_limits(self.covered, self.n_intervals)


def exact_limits(count: int, n: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 % interval of a share."""
    from scipy.special import betaincinv

    low = betaincinv(count, n - count + 1, 0.025) if count else 0.0
    high = betaincinv(count + 1, n - count, 0.975) if count < n else 1.0
    return float(low), float(high)


def recover(frame: pd.DataFrame, column: str, truth: float) -> Recovery:
    """Compare a column, and those of its limits, with the truth."""
    estimate = frame[column].dropna()
    between = frame[[f"{column}_low", f"{column}_high"]].dropna()
    low, high = between.to_numpy().T
    return Recovery(
        n=len(estimate),
        mean=float(estimate.mean()),
        error=float(estimate.std() / np.sqrt(len(estimate))),
        bias=float(estimate.mean() - truth),
        covered=int(np.sum((low <= truth) & (truth <= high))),
        n_intervals=len(between),
        width=float(np.mean(high - low)) if len(between) else np.nan,
    )


def tabulate(frame: pd.DataFrame, truth: Truth) -> dict[str, str]:
    """Write the tables of the page as Markdown, by name."""
    return {
        "components": _components(frame, truth),
        "tests": _tests(frame),
        "change": _change(frame, truth),
        "remission": _remission(frame, truth),
        "odds": _odds(frame, truth),
        "failures": _failures(frame),
    }


def fill(page: str, tables: Mapping[str, str]) -> str:
    """Put the tables between the marks of the page that name them."""
    for name, table in tables.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, rest = page.split(start)
        page = f"{before}{start}\n{table}\n\n{end}{rest.split(end)[1]}"
    return page


def _own(frame: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    return frame[frame["scenario"] == scenario.key]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _signed(value: float, places: int) -> str:
    return f"{value:+.{places}f}".replace("-", MINUS)


def _coverage(found: Recovery) -> str:
    if not found.n_intervals:
        return ""
    low, high = found.limits
    return f"{100 * found.coverage:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _components(frame: pd.DataFrame, truth: Truth) -> str:
    rows = []
    for scenario in SCENARIOS:
        own = _own(frame, scenario)
        if not len(own) or scenario.site_sd == 0.0:
            continue
        for part in NAMES:
            true = truth[scenario.key][f"{part}_sd"]
            found = recover(own, part, true)
            square = own[part].dropna() ** 2
            error = square.std() / np.sqrt(len(square))
            rows.append(
                [
                    scenario.name,
                    part,
                    f"{found.n}",
                    f"{true:.2f}",
                    f"{found.mean:.2f} ({found.error:.2f})",
                    f"{true**2:.1f}",
                    f"{square.mean():.1f} ({error:.1f})",
                    f"{100 * (own[part] == 0.0).mean():.0f}",
                    _coverage(found),
                    f"{found.width:.1f}" if found.n_intervals else "",
                ]
            )
    head = ["scenario", "effect", "trials", "true SD", "mean SD", "true variance"]
    head += ["mean variance", "at zero, %", "coverage, %", "mean width"]
    return _table(head, rows)


def _tests(frame: pd.DataFrame) -> str:
    (null,) = (s for s in SCENARIOS if s.site_sd == 0.0)
    own = _own(frame, null)
    rows = []
    for part, name in TESTS.items():
        p = own[f"{part}_p"].dropna()
        line = [name, f"{len(p)}", f"{100 * (own[f'{part}_lr'] < ROUNDING).mean():.1f}"]
        for level in (0.10, LEVEL, 0.01):
            count = int((p < level).sum())
            low, high = exact_limits(count, len(p))
            line.append(
                f"{100 * count / len(p):.1f} ({100 * low:.1f} to {100 * high:.1f})"
            )
        rows.append(line)
    head = ["test of", "trials", "statistic zero, %"]
    head += ["size at 10 %", "size at 5 %", "size at 1 %"]
    return _table(head, rows)


def _change(frame: pd.DataFrame, truth: Truth) -> str:
    rows = []
    for scenario in SCENARIOS:
        own = _own(frame, scenario)
        true = truth[scenario.key]["difference"]
        for column, name in CHANGES.items():
            if not own[column].notna().any():
                continue
            found = recover(own, column, true)
            rows.append(
                [
                    scenario.name,
                    name,
                    f"{found.n}",
                    _signed(true, 2),
                    f"{_signed(found.bias, 2)} ({found.error:.2f})",
                    _coverage(found),
                    f"{found.width:.2f}",
                ]
            )
    head = ["scenario", "method", "trials", "truth", "bias", "coverage, %"]
    return _table([*head, "mean width"], rows)


def _remission(frame: pd.DataFrame, truth: Truth) -> str:
    rows = []
    for scenario in SCENARIOS:
        own = _own(frame, scenario)
        for visit in (PRIMARY, LAST):
            true = truth[scenario.key][f"rd_{visit}"]
            for model, name in RISKS.items():
                column = f"{model}_{visit}"
                if column not in own or not own[column].notna().any():
                    continue
                found = recover(own, column, true)
                rows.append(
                    [
                        scenario.name,
                        visit,
                        name,
                        f"{found.n}",
                        f"{100 * true:.1f}",
                        f"{_signed(100 * found.bias, 2)} ({100 * found.error:.2f})",
                        _coverage(found),
                        f"{100 * found.width:.1f}",
                    ]
                )
    head = ["scenario", "visit", "method", "trials", "truth", "bias"]
    return _table([*head, "coverage, %", "mean width"], rows)


def _odds(frame: pd.DataFrame, truth: Truth) -> str:
    rows = []
    for scenario in SCENARIOS:
        own = _own(frame, scenario)
        if not own["or_marginal"].notna().any():
            continue
        true = truth[scenario.key][f"or_{PRIMARY}"]
        found = recover(own, "or_marginal", true)
        rows.append(
            [
                scenario.name,
                f"{found.n}",
                f"{own['glmm_sd'].median():.1f}",
                f"{true:.2f}",
                f"{own['or_marginal'].median():.2f}",
                _coverage(found),
                f"{own['or_conditional'].median():.0f}",
            ]
        )
    head = ["scenario", "trials", "median SD of subjects", "true marginal odds ratio"]
    head += ["median marginal odds ratio", "its coverage, %"]
    return _table([*head, "median conditional odds ratio"], rows)


def _failures(frame: pd.DataFrame) -> str:
    rows = []
    for scenario in SCENARIOS:
        own = _own(frame, scenario)
        line = [scenario.name, f"{len(own)}"]
        for model in ("lmm", "glmm", "gee"):
            asked = model == "lmm" or scenario.yes_no
            count = int((own[f"{model}_converged"] != 1.0).sum())
            line.append(f"{count}" if asked else "")
        given = own[["site", "therapist"]].dropna()
        missing = own[["site_low", "site_high", "therapist_low", "therapist_high"]]
        line.append(
            f"{int(missing.isna().any(axis=1).sum())}" if scenario.intervals else ""
        )
        line.append(f"{100 * (given == 0.0).any(axis=1).mean():.0f}")
        rows.append(line)
    head = ["scenario", "trials", "linear model not converged"]
    head += ["mixed logistic not converged", "estimating equations not converged"]
    return _table([*head, "a profile limit missing", "a variance at zero, %"], rows)


SHORT: Final = {
    "trial": "as it happens",
    "complete": "nobody leaves",
    "even": "nobody leaves,\narms vary alike",
    "large": "88 sites",
    "neither": "no effect of\nsite or therapist",
}
MODELS: Final = {"glmm": "mixed logistic", "gee": "estimating equations"}
APART = 0.2


def draw(frame: pd.DataFrame, truth: Truth, stream: Any, kind: str) -> None:
    """Draw estimates against truth, and coverage; ``kind`` is svg or png."""
    from matplotlib.figure import Figure

    from outcomes.displays.drawing.style import light_grid, styled

    with styled():
        figure = Figure(figsize=(9.0, 3.9))
        panels = [
            figure.add_axes((left, 0.13, width, 0.71))
            for left, width in ((0.125, 0.23), (0.385, 0.23), (0.775, 0.21))
        ]
        _draw_components(panels[0], frame, truth)
        _draw_risks(panels[1], frame, truth)
        _draw_coverage(panels[2], frame, truth)
        for axes, letter in zip(panels, "abc", strict=True):
            axes.set_title(letter, loc="left", fontsize=10, fontweight="bold", pad=24)
            light_grid(axes, "x")
            axes.tick_params(axis="y", length=0)
            axes.legend(
                loc="lower left",
                bbox_to_anchor=(-0.05, 0.985),
                ncols=2,
                fontsize=7.5,
                handletextpad=0.4,
                handlelength=1.2,
                columnspacing=1.0,
            )
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(
            stream, format=kind, metadata=metadata if kind == "svg" else None
        )


def _box(axes: Any, y: float, values: np.ndarray, true: float, **look: Any) -> None:
    """Draw median, quartiles, 5 to 95 % and mean, and the truth."""
    from outcomes.displays.palette import INK

    low, quarter, half, three, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    colour = look["color"]
    axes.plot([low, high], [y, y], color=colour, linewidth=1.2)
    axes.plot([quarter, three], [y, y], linewidth=6.5, solid_capstyle="butt", **look)
    axes.plot([half, half], [y - 0.11, y + 0.11], color="white", linewidth=1.4)
    axes.plot(
        [values.mean()],
        [y],
        marker="o",
        markersize=3.5,
        color="white",
        markeredgecolor=INK,
        markeredgewidth=0.8,
    )
    axes.plot([true, true], [y - APART, y + APART], color=INK, linewidth=1.4)


def _draw_pairs(
    axes: Any, frame: pd.DataFrame, columns: Mapping[str, str], true: Callable[..., Any]
) -> None:
    """Draw two boxes for each scenario, one for each column."""
    from outcomes.displays.palette import look_at

    labelled = set()
    for place, scenario in enumerate(SCENARIOS):
        own = _own(frame, scenario)
        for number, (column, name) in enumerate(columns.items()):
            values = own[column].dropna().to_numpy()
            if len(values):
                look = {"color": look_at(number).colour}
                if name not in labelled:
                    look["label"] = name
                    labelled.add(name)
                y = place - APART + 2.0 * APART * number
                _box(axes, y, *true(scenario, column, values), **look)
    axes.set_ylim(len(SCENARIOS) - 0.45, -0.55)


def _draw_components(axes: Any, frame: pd.DataFrame, truth: Truth) -> None:
    _draw_pairs(
        axes,
        frame,
        {"site": "sites", "therapist": "therapists"},
        lambda scenario, column, values: (
            values,
            truth[scenario.key][f"{column}_sd"],
        ),
    )
    names = [SHORT[scenario.key] for scenario in SCENARIOS]
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("Standard deviation, points")
    axes.set_xlim(left=-0.3)


def _draw_risks(axes: Any, frame: pd.DataFrame, truth: Truth) -> None:
    from outcomes.displays.palette import MUTED

    _draw_pairs(
        axes,
        frame,
        {f"{model}_{PRIMARY}": name for model, name in MODELS.items()},
        lambda scenario, column, values: (
            100.0 * values,
            100.0 * truth[scenario.key][f"rd_{PRIMARY}"],
        ),
    )
    axes.set_yticks(range(len(SCENARIOS)), [""] * len(SCENARIOS))
    axes.text(
        0.5,
        len(SCENARIOS) - 1,
        "not fitted",
        ha="center",
        va="center",
        transform=axes.get_yaxis_transform(),
        fontsize=8,
        color=MUTED,
    )
    axes.set_xlabel("Difference in remission, week 3, %")


COVERAGES: Final = (
    ("site", "site_sd", "SD of sites"),
    ("therapist", "therapist_sd", "SD of therapists"),
    ("kr", "difference", "change, Kenward-Roger"),
    ("satt", "difference", "change, Satterthwaite"),
    ("mmrm", "difference", "change, MMRM by arm"),
    (f"glmm_{PRIMARY}", f"rd_{PRIMARY}", "week 3, mixed logistic"),
    (f"fine_{PRIMARY}", f"rd_{PRIMARY}", "week 3, 101 points"),
    (f"gee_{PRIMARY}", f"rd_{PRIMARY}", "week 3, equations"),
    (f"gee_kc_{PRIMARY}", f"rd_{PRIMARY}", "week 3, equations, KC"),
    (f"glmm_{LAST}", f"rd_{LAST}", "week 12, mixed logistic"),
    (f"fine_{LAST}", f"rd_{LAST}", "week 12, 101 points"),
    (f"gee_{LAST}", f"rd_{LAST}", "week 12, equations"),
)


def _draw_coverage(axes: Any, frame: pd.DataFrame, truth: Truth) -> None:
    from outcomes.displays.palette import INK, look_at

    shown = {"trial": "as it happens", "even": "arms vary alike"}
    for number, (key, name) in enumerate(shown.items()):
        own = frame[frame["scenario"] == key]
        look = look_at(2 + number)
        for place, (column, true, _) in enumerate(COVERAGES):
            found = recover(own, column, truth[key][true])
            if not found.n_intervals:
                continue
            y = place - 0.15 + 0.3 * number
            limits = [100.0 * limit for limit in found.limits]
            axes.plot(limits, [y, y], color=look.colour, linewidth=1.2)
            axes.plot(
                [100.0 * found.coverage],
                [y],
                marker=look.marker,
                markersize=4.0,
                color=look.colour,
                linestyle="none",
                label=name if place == 0 else None,
            )
    axes.axvline(95.0, color=INK, linewidth=0.9, zorder=1)
    names = [name for _, _, name in COVERAGES]
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("Coverage of 95 % intervals, %")
