"""Whether mixed models give back what simulated trials were made with.

    OMP_NUM_THREADS=1 .venv/bin/python tests/studies/mixed_recovery.py

goes on where an earlier call stopped, writes the estimates of every trial and the truth
to ``docs/studies/mixed-recovery-trials.csv`` and ``...-truth.csv``, and from them the
tables of ``docs/studies/mixed-recovery.md``, where purpose and design are told, and its
figure. ``--tables`` only does the latter.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from outcomes.errors import ModelError
from outcomes.models import standardise
from outcomes.models.comparisons import contrasts
from outcomes.models.gee.fit import fit_gee
from outcomes.models.means import emmeans
from outcomes.models.mixed.glmm.fit import fit_glmm
from outcomes.models.mixed.lmm import fit_lmm
from outcomes.models.mixed.variance import (
    Target,
    _interval,
    component_tests,
    surface,
)
from outcomes.models.mmrm.fit import fit_mmrm
from studies.therapy_trials import (
    ARM,
    CONTROL,
    EARLY,
    LAST,
    PRIMARY,
    SCENARIOS,
    SEED,
    Scenario,
    find_truth,
    simulate_trial,
)

STUDIES: Final = Path(__file__).resolve().parents[2] / "docs" / "studies"
PAGE: Final = STUDIES / "mixed-recovery.md"
TRIALS, TRUTH = "mixed-recovery-trials.csv", "mixed-recovery-truth.csv"
FIGURE: Final = "mixed-recovery.svg"
CHANGE: Final = "change ~ arm*visit + base"
YES_NO: Final = "remission ~ arm*visit + base"
RANDOM: Final = {"subject": "1", "site": "1", "mm(ther1, ther2)": "1"}
SITE, THERAPIST = 1, 2  # places in RANDOM
POINTS: Final = 101
DIGITS: Final = 5

Numbers = dict[str, float]


def analyse_trial(scenario: Scenario, index: int, seed: int = SEED) -> Numbers:
    """Simulate one trial and fit every model; NaN where there is no estimate."""
    data = simulate_trial(scenario, index, seed)
    early = data[data["visit"].isin(EARLY)]
    early = early.assign(visit=early["visit"].cat.remove_unused_categories())
    out = _try(_linear, early, scenario)
    if scenario.further:
        out |= _try(_further, early)
    if scenario.yes_no:
        # In the arm between, nobody at all is in remission at some visit now and then.
        two = data[data["arm"].isin([CONTROL, ARM])]
        two = two.assign(arm=two["arm"].cat.remove_unused_categories())
        out |= _try(_mixed_logistic, two) | _try(_gee, two)
        if scenario.further:
            out |= _try(_more_points, two)
    return out


def _try(analyse: Callable[..., Numbers], *given: Any) -> Numbers:
    """Analyse; a trial that cannot be analysed has no numbers and is counted."""
    try:
        return analyse(*given)
    except ModelError:
        return {}


def _linear(data: pd.DataFrame, scenario: Scenario) -> Numbers:
    """Linear mixed model: components, their tests and limits, the difference."""
    fit = fit_lmm(CHANGE, data, random=RANDOM, df="kenward-roger")
    out: Numbers = {"lmm_converged": float(fit.convergence.converged)}
    if not fit.convergence.converged:
        return out
    over = surface(fit)
    kind = "profile" if scenario.intervals else None
    for place, name in ((SITE, "site"), (THERAPIST, "therapist")):
        # `variance_components` computes these and those of two more rows.
        found = _interval(over, Target("sd", place, (0,)), 0.95, kind)
        out |= dict(zip(_three(name), found, strict=True))
    if scenario.site_sd == 0.0:
        tests = component_tests(fit)
        for place, name in ((SITE, "site"), (THERAPIST, "therapist")):
            out[f"{name}_lr"] = float(tests["statistic"].iloc[place])
            out[f"{name}_p"] = float(tests["p_value"].iloc[place])
        out |= _each_alone(data)
    return out | _difference(fit, "kr")


def _each_alone(data: pd.DataFrame) -> Numbers:
    """Test sites and therapists in models that do not have the other."""
    out: Numbers = {}
    groupings = list(RANDOM)
    for place, name in ((SITE, "site"), (THERAPIST, "therapist")):
        random = {"subject": "1", groupings[place]: "1"}
        fit = fit_lmm(CHANGE, data, random=random)
        if fit.convergence.converged:
            line = component_tests(fit).iloc[1]
            out[f"{name}_alone_lr"] = float(line["statistic"])
            out[f"{name}_alone_p"] = float(line["p_value"])
    return out


def _further(data: pd.DataFrame) -> Numbers:
    """Compute the difference with Satterthwaite's degrees of freedom, and by an MMRM.

    The MMRM has a covariance of each arm, and neither sites nor therapists.
    """
    fit = fit_lmm(CHANGE, data, random=RANDOM, df="satterthwaite")
    out = _difference(fit, "satt") if fit.convergence.converged else {}
    by_arm = fit_mmrm(CHANGE, data, subject="subject", visit="visit", group="arm")
    return out | _difference(by_arm, "mmrm") if by_arm.convergence.converged else out


def _difference(fit: Any, name: str) -> Numbers:
    """Difference of the mean change at the primary visit."""
    rows = contrasts(emmeans(fit, "arm", by="visit"), reference=CONTROL).frame
    return _only(rows[(rows["arm"] == ARM) & (rows["visit"] == PRIMARY)], name)


def _mixed_logistic(data: pd.DataFrame) -> Numbers:
    """Mixed logistic model: conditional odds ratio and marginal risks."""
    fit = fit_glmm(YES_NO, data, random={"subject": "1"}, n_quad=25)
    out: Numbers = {"glmm_converged": float(fit.convergence.converged)}
    if not fit.convergence.converged:
        return out
    out["glmm_sd"] = float(np.sqrt(fit.covariances[0][0, 0]))
    rows = contrasts(emmeans(fit, "arm", by="visit"), reference=CONTROL).frame
    chosen = rows[(rows["arm"] == ARM) & (rows["visit"] == PRIMARY)]
    out |= {k: float(np.exp(v)) for k, v in _only(chosen, "or_conditional").items()}
    for visit in (PRIMARY, LAST):
        out |= _risks(fit, f"glmm_{visit}", visit, "risk-difference")
    return out | _risks(fit, "or_marginal", PRIMARY, "odds-ratio")


def _more_points(data: pd.DataFrame) -> Numbers:
    """Mixed logistic model with as many points as its wide random effect needs."""
    fit = fit_glmm(YES_NO, data, random={"subject": "1"}, n_quad=POINTS)
    out: Numbers = {"fine_converged": float(fit.convergence.converged)}
    if not fit.convergence.converged:
        return out
    out["fine_sd"] = float(np.sqrt(fit.covariances[0][0, 0]))
    for visit in (PRIMARY, LAST):
        out |= _risks(fit, f"fine_{visit}", visit, "risk-difference")
    return out


def _gee(data: pd.DataFrame) -> Numbers:
    """Marginal model, with the usual robust errors and those for few subjects."""
    given = {"subject": "subject", "visit": "visit"}
    fit = fit_gee(YES_NO, data, **given)
    out: Numbers = {"gee_converged": float(fit.convergence.converged)}
    if not fit.convergence.converged:
        return out
    for visit in (PRIMARY, LAST):
        out |= _risks(fit, f"gee_{visit}", visit, "risk-difference")
    fit = fit_gee(YES_NO, data, vcov="kauermann-carroll", **given)
    return out | _risks(fit, f"gee_kc_{PRIMARY}", PRIMARY, "risk-difference")


def _risks(fit: Any, name: str, visit: str, measure: Any) -> Numbers:
    """Marginal comparison at one visit."""
    rows = standardise(
        fit, "arm", measure=measure, reference=CONTROL, at={"visit": visit}
    ).frame
    return _only(rows[rows["arm"] == ARM], name)


def _only(row: pd.DataFrame, name: str) -> Numbers:
    (line,) = row.to_dict("records")
    names = ("estimate", "conf_low", "conf_high")
    return {key: float(line[k]) for key, k in zip(_three(name), names, strict=True)}


def _three(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low", f"{name}_high"


def columns() -> list[str]:
    """Names of the numbers of a trial, in order."""
    names = ["lmm_converged"]
    for part in ("site", "therapist"):
        names += [*_three(part), f"{part}_lr", f"{part}_p"]
        names += [f"{part}_alone_lr", f"{part}_alone_p"]
    names += [*_three("kr"), *_three("satt"), *_three("mmrm")]
    names += ["glmm_converged", "glmm_sd", *_three("or_conditional")]
    names += [*_three("or_marginal"), "gee_converged"]
    for model in ("glmm", "gee"):
        for visit in (PRIMARY, LAST):
            names += _three(f"{model}_{visit}")
    names += [*_three(f"gee_kc_{PRIMARY}"), "fine_converged", "fine_sd"]
    return [*names, *_three(f"fine_{PRIMARY}"), *_three(f"fine_{LAST}")]


def run_study(path: Path, seed: int = SEED, share: float = 1.0) -> None:
    """Analyse what is not in the file yet, line by line, all scenarios in turn."""
    done = set()
    if path.exists():
        done = {(line["scenario"], int(line["trial"])) for line in _lines(path)}
    with path.open("a", encoding="utf-8", newline="\n") as stream:
        names = ["scenario", "trial", *columns()]
        writer = csv.DictWriter(stream, names, lineterminator="\n", restval="")
        if not done:
            writer.writeheader()
        for index in range(max(scenario.n_trials for scenario in SCENARIOS)):
            for scenario in SCENARIOS:
                enough = index >= share * scenario.n_trials
                if enough or (scenario.key, index) in done:
                    continue
                found = analyse_trial(scenario, index, seed)
                shown = {
                    k: f"{v:.{DIGITS}g}" for k, v in found.items() if np.isfinite(v)
                }
                writer.writerow({"scenario": scenario.key, "trial": index, **shown})
                stream.flush()


def _lines(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def sort_trials(path: Path) -> None:
    """Put the file in order of scenarios."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    place = {scenario.key: k for k, scenario in enumerate(SCENARIOS)}
    order = sorted(
        range(len(frame)),
        key=lambda k: (place[frame["scenario"][k]], int(frame["trial"][k])),
    )
    frame.iloc[order].to_csv(path, index=False, lineterminator="\n")


def write_truth(path: Path) -> None:
    """Find the truth of every scenario and write it with its Monte Carlo error."""
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["scenario", "quantity", "value", "monte_carlo_error"])
        for scenario in SCENARIOS:
            for name, (value, error) in find_truth(scenario).items():
                writer.writerow([scenario.key, name, f"{value:.6g}", f"{error:.3g}"])


def read_truth(path: Path = STUDIES / TRUTH) -> dict[str, dict[str, float]]:
    """Truth by scenario and quantity."""
    out: dict[str, dict[str, float]] = {}
    for line in _lines(path):
        out.setdefault(line["scenario"], {})[line["quantity"]] = float(line["value"])
    return out


def main() -> None:
    from studies.mixed_recovery_tables import draw, fill, tabulate

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", action="store_true", help="analyse nothing")
    parser.add_argument("--folder", type=Path, default=STUDIES, help="of the numbers")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--share", type=float, default=1.0, help="of the trials")
    given = parser.parse_args()
    trials, truth = given.folder / TRIALS, given.folder / TRUTH
    if not given.tables:
        if not truth.exists():
            write_truth(truth)
        run_study(trials, given.seed, given.share)
        sort_trials(trials)
    frame, known = pd.read_csv(trials), read_truth(truth)
    tables = tabulate(frame, known)
    for name, table in tables.items():
        print(f"{name}\n\n{table}\n")
    if given.folder == STUDIES:
        text = fill(PAGE.read_text(encoding="utf-8"), tables)
        PAGE.write_text(text, encoding="utf-8", newline="\n")
    with (given.folder / FIGURE).open("wb") as stream:
        draw(frame, known, stream, "svg")


if __name__ == "__main__":
    main()
