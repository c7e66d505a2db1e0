"""Which estimate of durability finds the truth, where not everybody is followed.

    OMP_NUM_THREADS=1 .venv/bin/python tests/studies/durability.py

goes on where an earlier call stopped, writes the estimates of every trial and the truth
to ``docs/studies/durability-trials.csv`` and ``...-truth.csv``, and from them the
tables of ``docs/studies/durability.md``, where purpose and design are told, and its
figure. ``--tables`` only does the latter.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import pandas as pd

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from outcomes.models.survival.entry import entry_weights
from outcomes.models.survival.followed import followed_rows
from outcomes.models.survival.kaplan_meier import kaplan_meier
from outcomes.models.survival.rmst import rmst
from studies.followed_trials import (
    ARMS,
    DAYS,
    DUE,
    SCENARIOS,
    SEED,
    TAU,
    Scenario,
    find_truth,
    simulate_trial,
)
from studies.mixed_recovery_tables import _signed, _table, exact_limits, fill

STUDIES: Final = Path(__file__).resolve().parents[2] / "docs" / "studies"
PAGE: Final = STUDIES / "durability.md"
TRIALS, TRUTH = "durability-trials.csv", "durability-truth.csv"
FIGURE: Final = "durability.svg"
N_TRIALS: Final = 1000
DIGITS: Final = 6
ESTIMATORS: Final = {
    "all": "all randomised",
    "weighted": "all randomised, weighted for entry",
    "selected": "entered follow-up (selected)",
}
QUANTITIES: Final = {
    "rmst": "difference in restricted mean, days",
    **{
        f"{arm}_{day:.0f}": f"{arm}, free of the event at day {day:.0f}"
        for arm in ARMS
        for day in DAYS
    },
}

Numbers = dict[str, float]


def analyse_trial(scenario: Scenario, index: int, seed: int = SEED) -> Numbers:
    """Simulate one trial and estimate durability in three ways."""
    data = simulate_trial(scenario, index, seed)
    rows = _weighted_rows(data)
    own = {"time": "stop", "event": "event", "entry": "start"}
    own |= {"weights": "weight", "subject": "subject"}
    plain = {"time": "time", "event": "event"}
    return {
        **_estimates("all", data, plain),
        **_estimates("selected", data[data["entered"] == 1], plain),
        **_estimates("weighted", rows, own),
    }


def _weighted_rows(data: pd.DataFrame) -> pd.DataFrame:
    """Rows before and after follow-up was due, weighted for entry after it."""
    eligible = data[(data["time"] >= DUE) & ~((data["time"] <= DUE) & data["event"])]
    weights = entry_weights(
        eligible, entered="entered", formula="~ symptoms", by="arm"
    ).frame["weight"]
    given = data.assign(weight=weights.reindex(data.index).fillna(1.0))
    return followed_rows(
        given,
        subject="subject",
        time="time",
        event="event",
        due="due",
        entered="entered",
        weight="weight",
    )


def _estimates(name: str, data: pd.DataFrame, columns: dict[str, str]) -> Numbers:
    """Survival at the days, and the difference in restricted means, with limits."""
    out: Numbers = {}
    for line in kaplan_meier(data, by="arm", **columns).at(DAYS).to_dict("records"):
        numbers = (line["survival"], line["conf_low"], line["conf_high"])
        out |= _three(f"{name}_{line['level']}_{line['time']:.0f}", numbers)
    means = rmst(data, by="arm", tau=TAU, reference=ARMS[0], **columns)
    (line,) = means[means["term"] == "difference"].to_dict("records")
    numbers = (line["estimate"], line["conf_low"], line["conf_high"])
    return out | _three(f"{name}_rmst", numbers)


def _three(name: str, numbers: tuple[float, float, float]) -> Numbers:
    return dict(zip((name, f"{name}_low", f"{name}_high"), numbers, strict=True))


def columns() -> list[str]:
    """Names of the numbers of a trial, in order."""
    return [
        f"{estimator}_{quantity}{end}"
        for estimator in ESTIMATORS
        for quantity in QUANTITIES
        for end in ("", "_low", "_high")
    ]


def run_study(path: Path, seed: int = SEED, n_trials: int = N_TRIALS) -> None:
    """Analyse what is not in the file yet, line by line."""
    done = set()
    if path.exists():
        stored = pd.read_csv(path, usecols=["scenario", "trial"])
        done = set(stored.itertuples(index=False, name=None))
    with path.open("a", encoding="utf-8", newline="\n") as stream:
        names = ["scenario", "trial", *columns()]
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        if not done:
            writer.writeheader()
        for scenario in SCENARIOS:
            for index in range(n_trials):
                if (scenario.key, index) in done:
                    continue
                found = analyse_trial(scenario, index, seed)
                shown = {k: f"{v:.{DIGITS}g}" for k, v in found.items()}
                writer.writerow({"scenario": scenario.key, "trial": index, **shown})
                stream.flush()


def recover(frame: pd.DataFrame, name: str, truth: float) -> dict[str, float]:
    """Compare the estimates of one quantity with the truth."""
    estimate = frame[name].to_numpy(dtype=float)
    low, high = (
        frame[f"{name}_{end}"].to_numpy(dtype=float) for end in ("low", "high")
    )
    known = np.isfinite(low) & np.isfinite(high)
    return {
        "bias": float(np.nanmean(estimate) - truth),
        "error": float(np.nanstd(estimate, ddof=1) / np.sqrt(len(estimate))),
        "spread": float(np.nanstd(estimate, ddof=1)),
        "covered": int(((low <= truth) & (truth <= high))[known].sum()),
        "n": int(known.sum()),
    }


def tabulate(frame: pd.DataFrame, truth: dict[str, float]) -> dict[str, str]:
    """Make the tables of the page: one for each scenario."""
    head = ["quantity", "truth", "estimate of", "bias (its error)", "SD", "covered"]
    tables = {}
    for scenario in SCENARIOS:
        own = frame[frame["scenario"] == scenario.key]
        lines = []
        for quantity, words in QUANTITIES.items():
            # probabilities as percentages, means in days
            unit = 1.0 if quantity == "rmst" else 100.0
            for key, name in ESTIMATORS.items():
                found = recover(own, f"{key}_{quantity}", truth[quantity])
                first = [words, f"{unit * truth[quantity]:.1f}"]
                lines.append(
                    [
                        *(first if key == "all" else ["", ""]),
                        name,
                        f"{_signed(unit * found['bias'], 1)} "
                        f"({unit * found['error']:.2f})",
                        f"{unit * found['spread']:.1f}",
                        _covered(int(found["covered"]), int(found["n"])),
                    ]
                )
        tables[scenario.key] = _table(head, lines)
    return tables


def _covered(covered: int, n: int) -> str:
    low, high = exact_limits(covered, n)
    return f"{100 * covered / n:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def draw(frame: pd.DataFrame, truth: dict[str, float], stream: IO[bytes]) -> None:
    """Draw the estimates of the difference in restricted means, by scenario."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    shown = {"svg.hashsalt": "durability", "svg.fonttype": "path", "font.size": 9}
    with mpl.rc_context(shown):
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        panels = figure.subplots(1, len(SCENARIOS), sharey=True)
        for axes, scenario in zip(panels, SCENARIOS, strict=True):
            own = frame[frame["scenario"] == scenario.key]
            values = [own[f"{key}_rmst"].dropna() for key in ESTIMATORS]
            parts: Any = axes.violinplot(values, widths=0.8, showmedians=True)
            for body, colour in zip(
                parts["bodies"], ("#0072B2", "#009E73", "#D55E00"), strict=True
            ):
                body.set(facecolor=colour, alpha=0.45)
            for name in ("cmedians", "cbars", "cmins", "cmaxes"):
                parts[name].set(color="#333333", linewidth=0.9)
            axes.axhline(truth["rmst"], color="black", linestyle="--", linewidth=1)
            axes.set_title(scenario.name, fontsize=9)
            axes.set_xticks([1, 2, 3], ["all", "weighted", "selected"], fontsize=8)
            axes.spines[["top", "right"]].set_visible(False)
        panels[0].set_ylabel(
            "Difference in restricted mean, days\n(active less control)"
        )
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})


def read_truth(path: Path = STUDIES / TRUTH) -> dict[str, float]:
    """Truth by quantity."""
    frame = pd.read_csv(path)
    return dict(zip(frame["quantity"], frame["value"], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", action="store_true", help="analyse nothing")
    parser.add_argument("--folder", type=Path, default=STUDIES, help="of the numbers")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--trials", type=int, default=N_TRIALS)
    given = parser.parse_args()
    trials, truth = given.folder / TRIALS, given.folder / TRUTH
    if not given.tables:
        found = pd.Series(find_truth(given.seed), name="value").rename_axis("quantity")
        found.to_csv(truth, float_format="%.6g", lineterminator="\n")
        run_study(trials, given.seed, given.trials)
    frame, known = pd.read_csv(trials), read_truth(truth)
    tables = tabulate(frame, known)
    for name, table in tables.items():
        print(f"{name}\n\n{table}\n")
    if given.folder == STUDIES:
        text = fill(PAGE.read_text(encoding="utf-8"), tables)
        PAGE.write_text(text, encoding="utf-8", newline="\n")
    with (given.folder / FIGURE).open("wb") as stream:
        draw(frame, known, stream)


if __name__ == "__main__":
    main()
