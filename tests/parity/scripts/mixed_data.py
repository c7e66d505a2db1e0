"""Make the synthetic trial the mixed-model references are computed from.

Run from the repository root::

    python tests/parity/scripts/mixed_data.py

It writes ``tests/parity/reference/mixed_trial.csv``: 84 subjects at six sites, two
therapists each, up to five visits, and outcomes of several kinds. Two of them put a
mixed model at its boundary: ``even`` varies less between sites than chance would have
it, and ``fan`` is made of lines that meet before the first visit, so that intercept and
slope go together.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

TARGET = Path(__file__).resolve().parents[1] / "reference" / "mixed_trial.csv"
SEED = 20261
SUBJECTS, SITES, THERAPISTS = 84, 6, 10
WEEKS = (1, 2, 4, 8, 12)
KNOT = 4


def _subjects(rng: np.random.Generator) -> pd.DataFrame:
    place = np.arange(SUBJECTS)
    lead = place % THERAPISTS
    step = rng.integers(1, THERAPISTS, SUBJECTS)
    return pd.DataFrame(
        {
            "subject": [f"S{i + 1:02d}" for i in place],
            "site": [f"site{i}" for i in rng.integers(1, SITES + 1, SUBJECTS)],
            "lead": [f"T{i:02d}" for i in lead],
            "second": [f"T{i:02d}" for i in (lead + step) % THERAPISTS],
            "arm": rng.permutation(np.repeat(["control", "active"], SUBJECTS // 2)),
            "baseline": rng.normal(32.0, 4.5, SUBJECTS).round(1),
        }
    )


def _records(subjects: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """One record for every visit before dropout, a few visits missed."""
    last = np.where(rng.random(SUBJECTS) < 0.25, rng.integers(2, 5, SUBJECTS), 5)
    rows = [
        {**subject, "visit": f"W{week:02d}", "week": week}
        for i, subject in enumerate(subjects.to_dict("records"))
        for k, week in enumerate(WEEKS)
        if k < last[i] and not (k > 0 and rng.random() < 0.05)
    ]
    data = pd.DataFrame(rows)
    data["early"] = data["week"].clip(upper=KNOT)
    data["late"] = (data["week"] - KNOT).clip(lower=0)
    return data


def _effects(names: pd.Series, sd: float, rng: np.random.Generator) -> np.ndarray:
    levels = sorted(set(names))
    drawn = dict(zip(levels, rng.normal(0.0, sd, len(levels)), strict=True))
    return names.map(drawn).to_numpy()


def _scores(data: pd.DataFrame, rng: np.random.Generator) -> None:
    n, week, active = len(data), data["week"].to_numpy(), data["arm"] == "active"
    subject, both = data["subject"], data["site"] + data["lead"]
    mean = 4.0 - 0.35 * (data["baseline"] - 32) - 0.3 * week - 0.4 * week * active
    therapists = _effects(data["lead"], 3.0, rng)
    by_name = dict(zip(data["lead"], therapists, strict=True))
    guides = 0.5 * (therapists + data["second"].map(by_name))
    data["score"] = (
        mean
        + guides
        + _effects(data["site"], 1.5, rng)
        + _effects(both, 2.0, rng)
        + _effects(subject, 3.0, rng)
        + _effects(subject, 0.3, rng) * data["early"]
        + _effects(subject, 0.4, rng) * data["late"]
        + rng.normal(0.0, 2.5, n)
    ).round(2)
    noise = _effects(subject, 2.0, rng) + rng.normal(0.0, 2.0, n)
    noise -= pd.Series(noise).groupby(data["site"]).transform("mean")
    data["even"] = (mean + noise).round(2)
    tilt = _effects(subject, 0.5, rng)
    data["fan"] = (mean + tilt * (week + 3) + rng.normal(0.0, 2.0, n)).round(2)


def _counts(data: pd.DataFrame, rng: np.random.Generator) -> None:
    n, week, active = len(data), data["week"].to_numpy(), data["arm"] == "active"
    line = -0.8 + 0.06 * week + 0.12 * week * active - 0.03 * (data["baseline"] - 32)
    own = _effects(data["subject"], 1.6, rng)
    slope = _effects(data["subject"], 0.3, rng) * week
    site, lead = _effects(data["site"], 0.6, rng), _effects(data["lead"], 0.9, rng)
    latent = line + own + slope + site + lead
    data["response"] = (latent + rng.logistic(size=n) > 0).astype(int)
    data["items"] = rng.integers(4, 11, n)
    share = 1 / (1 + np.exp(-(line + 0.6 * own + site + lead)))
    data["endorsed"] = rng.binomial(data["items"], share)
    data["days"] = rng.integers(5, 15, n)
    rate = np.exp(-2.0 - 0.04 * week - 0.05 * week * active + 0.5 * own)
    data["events"] = rng.poisson(rate * data["days"])
    data["bursts"] = rng.poisson(rate * data["days"] * rng.gamma(1.5, 1 / 1.5, n))
    severity = -(line + 0.8 * own) + rng.logistic(size=n)
    data["severity"] = 1 + np.searchsorted([-0.8, 0.9, 2.2], severity)


def main() -> None:
    rng = np.random.default_rng(SEED)
    data = _records(_subjects(rng), rng)
    _scores(data, rng)
    _counts(data, rng)
    data.to_csv(TARGET, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
