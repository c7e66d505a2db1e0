"""Trials with a follow-up that not everybody enters, and what is true of them.

The design is told in ``docs/studies/durability.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

FloatArray = NDArray[np.float64]

SEED: Final = 617000
ARMS: Final = ("control", "active")
PER_ARM: Final = 150
WEEKLY_HAZARD: Final = np.array([0.035, 0.020])
LIABILITY: Final = 0.7
"""Log hazard ratio of one standard deviation of liability."""
LOST_PER_WEEK: Final = 0.003
VISITS: Final = np.array([8, 22, 43, 64, 85, 127, 183, 239, 295, 365], dtype=float)
DUE: Final = 85.0
"""Day on which the main study ends and the follow-up begins."""
TAU: Final = 365.0
DAYS: Final = (183.0, 365.0)
ENTRY_RELAPSED: Final = np.array([0.60, 0.10])
"""Probability of entry of who had the event before, by arm."""
N_TRUTH: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Scenario:
    """What entry depends on among those who are free of the event, by arm.

    The logit of entry is ``intercept`` plus ``observed`` times the standardised score
    last seen plus ``hidden`` times the liability, which nobody sees.
    """

    key: str
    name: str
    intercept: tuple[float, float]
    observed: tuple[float, float] = (0.0, 0.0)
    hidden: tuple[float, float] = (0.0, 0.0)


SCENARIOS: Final = (
    Scenario("status", "arm and event only", (-0.6, 0.8)),
    Scenario("observed", "also symptoms last seen", (-0.6, 0.8), observed=(0.9, -1.3)),
    Scenario("hidden", "also what nobody recorded", (-0.6, 0.8), hidden=(0.9, -1.3)),
    Scenario("everybody", "everybody enters", (40.0, 40.0)),
)


def draw_people(rng: np.random.Generator, arm: NDArray[np.intp]) -> pd.DataFrame:
    """Draw people: symptoms last seen, and when the event is seen at a visit."""
    n = len(arm)
    liability = rng.standard_normal(n)
    seen = 0.8 * liability + 0.6 * rng.standard_normal(n)
    weekly = WEEKLY_HAZARD[arm] * np.exp(LIABILITY * liability)
    onset = 7.0 * rng.exponential(1.0, n) / weekly
    place = np.searchsorted(VISITS, onset)
    event = np.append(VISITS, np.inf)[place]
    return pd.DataFrame(
        {"arm": arm, "liability": liability, "symptoms": seen, "event_day": event}
    )


def simulate_trial(scenario: Scenario, index: int, seed: int = SEED) -> pd.DataFrame:
    """Simulate one trial: a row for each of those randomised.

    Returns
    -------
    DataFrame
        ``subject arm symptoms time event entered due``: days from the origin, whether
        the event was seen, whether the follow-up was entered.
    """
    rng = np.random.default_rng([seed, index])
    people = draw_people(rng, np.repeat(np.arange(2), PER_ARM))
    n, arm = len(people), people["arm"].to_numpy()
    lost = 7.0 * rng.exponential(1.0, n) / LOST_PER_WEEK
    logit = (
        np.array(scenario.intercept)[arm]
        + np.array(scenario.observed)[arm] * people["symptoms"].to_numpy()
        + np.array(scenario.hidden)[arm] * people["liability"].to_numpy()
    )
    free = people["event_day"].to_numpy() > DUE
    chance = np.where(free, expit(logit), ENTRY_RELAPSED[arm])
    if scenario.key == "everybody":
        chance = np.ones(n)
    entered = (rng.random(n) < chance) & (lost > DUE)
    last = np.where(entered, np.minimum(lost, TAU), np.minimum(lost, DUE))
    # somebody is known to be free of the event at the last visit that took place
    attended = np.append(0.0, VISITS)[np.searchsorted(VISITS, last, side="right")]
    seen = people["event_day"].to_numpy() <= attended
    time = np.where(seen, people["event_day"].to_numpy(), np.maximum(attended, 1.0))
    return pd.DataFrame(
        {
            "subject": np.arange(n),
            "arm": pd.Categorical.from_codes(arm, categories=list(ARMS)),
            "symptoms": people["symptoms"],
            "time": time,
            "event": seen.astype(int),
            "entered": entered.astype(int),
            "due": np.full(n, DUE),
        }
    )


def find_truth(seed: int = SEED, n: int = N_TRUTH) -> dict[str, float]:
    """Find what an endless trial, in which all are followed, would find."""
    rng = np.random.default_rng([seed, 1_000_000])
    days = np.arange(TAU)
    means, out = [], {}
    for place, arm in enumerate(ARMS):
        people = draw_people(rng, np.full(n // 2, place))
        event = np.sort(people["event_day"].to_numpy())
        for day in DAYS:
            after = np.searchsorted(event, day, side="right")
            out[f"{arm}_{day:.0f}"] = 1.0 - after / len(event)
        free = 1.0 - np.searchsorted(event, days, side="right") / len(event)
        means.append(float(free.sum()))
    return {**out, "rmst": means[1] - means[0]}
