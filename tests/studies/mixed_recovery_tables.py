"""Tables and figure of ``docs/studies/mixed-recovery.md``, from the stored numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from studies.therapy_trials import LAST, PRIMARY, SCENARIOS, Scenario

LEVEL: Final = 0.05
MINUS: Final = "\N{MINUS SIGN}"
NAMES: Final = {"site": "site", "therapist": "therapist"}
# Column, how it is called, and which truth it is compared with.
CHANGES: Final = {
    "kr": "linear mixed, Kenward-Roger",
    "satt": "linear mixed, Satterthwaite",
    "mmrm": "MMRM with a covariance of each arm",
}
RISKS: Final = {
    "glmm": "mixed logistic",
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
    from scipy.stats import binomtest

    found = binomtest(count, n).proportion_ci(0.95, method="exact")
    return float(found.low), float(found.high)


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
    for part in NAMES:
        p = own[f"{part}_p"].dropna()
        line = [part, f"{len(p)}", f"{100 * (own[part] == 0.0).mean():.1f}"]
        for level in (0.10, LEVEL, 0.01):
            count = int((p < level).sum())
            low, high = exact_limits(count, len(p))
            line.append(
                f"{100 * count / len(p):.1f} ({100 * low:.1f} to {100 * high:.1f})"
            )
        rows.append(line)
    head = ["effect", "trials", "variance at zero, %"]
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


def draw(frame: pd.DataFrame, truth: Truth, stream: Any, kind: str) -> None:
    """Draw estimates against truth, and coverage; ``kind`` is svg or png."""
    from matplotlib.figure import Figure

    from outcomes.displays.drawing.style import light_grid, styled

    with styled():
        figure = Figure(figsize=(9.0, 5.0))
        panels = figure.subplots(1, 3, width_ratios=[1.0, 1.0, 1.0])
        _draw_components(panels[0], frame, truth)
        _draw_risks(panels[1], frame, truth)
        _draw_coverage(panels[2], frame, truth)
        for axes, letter in zip(panels, "abc", strict=True):
            axes.set_title(letter, loc="left", fontsize=10, fontweight="bold")
            light_grid(axes, "x")
            axes.tick_params(axis="y", length=0)
        figure.subplots_adjust(
            left=0.155, right=0.985, top=0.93, bottom=0.11, wspace=0.95
        )
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(
            stream, format=kind, metadata=metadata if kind == "svg" else None
        )


SHORT: Final = {
    "trial": "as it happens",
    "complete": "nobody leaves",
    "even": "arms vary alike",
    "large": "88 sites",
    "neither": "no effect",
}


def _boxes(
    axes: Any, rows: Sequence[tuple[str, np.ndarray, float]], colour: Callable[..., str]
) -> None:
    """Draw median, quartiles, 5 to 95 % and mean of each row, and its truth."""
    from outcomes.displays.palette import INK

    for place, (_, values, true) in enumerate(rows):
        low, quarter, half, three, high = np.quantile(
            values, [0.05, 0.25, 0.5, 0.75, 0.95]
        )
        shade = colour(place)
        axes.plot([low, high], [place, place], color=shade, linewidth=1.2)
        axes.plot([quarter, three], [place, place], color=shade, linewidth=6.0)
        axes.plot([half], [place], marker="|", color="white", markersize=8.0)
        axes.plot(
            [values.mean()],
            [place],
            marker="o",
            markersize=3.5,
            color="white",
            markeredgecolor=INK,
            markeredgewidth=0.8,
        )
        axes.plot([true, true], [place - 0.38, place + 0.38], color=INK, linewidth=1.4)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)


def _draw_components(axes: Any, frame: pd.DataFrame, truth: Truth) -> None:
    from outcomes.displays.palette import look_at

    rows = []
    for scenario in SCENARIOS:
        own = _own(frame, scenario)
        for part in NAMES:
            values = own[part].dropna().to_numpy()
            if len(values):
                name = f"{SHORT[scenario.key]}, {part}"
                rows.append((name, values, truth[scenario.key][f"{part}_sd"]))
    _boxes(axes, rows, lambda place: look_at(place % 2).colour)
    axes.set_xlabel("Standard deviation, points")
    axes.set_xlim(left=-0.3)


def _draw_risks(axes: Any, frame: pd.DataFrame, truth: Truth) -> None:
    from outcomes.displays.palette import look_at

    models = {"glmm": "mixed logistic", "gee": "equations"}
    rows = []
    for scenario in SCENARIOS:
        own = _own(frame, scenario)
        for visit in (PRIMARY, LAST):
            for model, name in models.items():
                values = 100 * own[f"{model}_{visit}"].dropna().to_numpy()
                if len(values):
                    label = f"{SHORT[scenario.key]},\n{visit.lower()}, {name}"
                    true = 100 * truth[scenario.key][f"rd_{visit}"]
                    rows.append((label, values, true))
    _boxes(axes, rows, lambda place: look_at(2 + place % 2).colour)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows], fontsize=6.5)
    axes.set_xlabel("Risk difference, percentage points")


def _draw_coverage(axes: Any, frame: pd.DataFrame, truth: Truth) -> None:
    from outcomes.displays.palette import INK, look_at

    wanted = [
        ("site", "site_sd", "SD of sites"),
        ("therapist", "therapist_sd", "SD of therapists"),
        ("kr", "difference", "change, Kenward-Roger"),
        ("satt", "difference", "change, Satterthwaite"),
        ("mmrm", "difference", "change, MMRM by arm"),
        (f"glmm_{PRIMARY}", f"rd_{PRIMARY}", "risk, week 3"),
        (f"gee_{PRIMARY}", f"rd_{PRIMARY}", "risk, week 3, equations"),
        (f"gee_kc_{PRIMARY}", f"rd_{PRIMARY}", "risk, week 3, K-C"),
        (f"glmm_{LAST}", f"rd_{LAST}", "risk, week 12"),
        (f"gee_{LAST}", f"rd_{LAST}", "risk, week 12, equations"),
    ]
    shown = [scenario for scenario in SCENARIOS if scenario.key in ("trial", "even")]
    for number, scenario in enumerate(shown):
        own = _own(frame, scenario)
        look = look_at(4 * number)
        for place, (column, true, _) in enumerate(wanted):
            found = recover(own, column, truth[scenario.key][true])
            if not found.n_intervals:
                continue
            y = place - 0.15 + 0.3 * number
            low, high = found.limits
            axes.plot([100 * low, 100 * high], [y, y], color=look.colour, linewidth=1.2)
            axes.plot(
                [100 * found.coverage],
                [y],
                marker=look.marker,
                markersize=4.5,
                color=look.colour,
                linestyle="none",
                label=SHORT[scenario.key] if place == 0 else None,
            )
    axes.axvline(95.0, color=INK, linewidth=0.9)
    axes.set_yticks(range(len(wanted)), [name for _, _, name in wanted], fontsize=8)
    axes.set_ylim(len(wanted) - 0.4, -0.6)
    axes.set_xlabel("Coverage of 95 % intervals, %")
    axes.legend(loc="lower left", fontsize=7, handletextpad=0.3)
