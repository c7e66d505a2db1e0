"""Who comes to screening: latent traits, the screening score, and eligibility."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outcomes.simulate.preset import Preset
from outcomes.simulate.scores import (
    FloatArray,
    IntArray,
    meets_symptoms,
    spread,
    to_total,
)
from outcomes.simulate.streams import Streams

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Raters:
    """Central raters: points too severe at the start, and points more per year."""

    severity: FloatArray
    drift: FloatArray

    def effect(self, rater: IntArray, calendar: IntArray) -> FloatArray:
        """Return what a rater adds on a day of the trial's calendar."""
        years = calendar / DAYS_PER_YEAR
        return np.asarray(self.severity[rater] + self.drift[rater] * years)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Latent traits of ``n`` people and their screening interview (``J`` items)."""

    severity: FloatArray
    openness: FloatArray
    expectancy: FloatArray
    trait: FloatArray
    screened: IntArray
    """Calendar day of the screening interview."""
    rater: IntArray
    total: IntArray
    items: IntArray
    eligible: NDArray[np.bool_]

    def take(self, rows: IntArray) -> Candidates:
        """Return the candidates of the given rows."""
        return Candidates(*(getattr(self, name)[rows] for name in self.__slots__))


def draw_raters(preset: Preset, streams: Streams, number: int) -> Raters:
    """Draw the severities and yearly drifts of ``number`` raters."""
    rng = streams.part("raters")
    pair = rng.standard_normal((number, 2))
    severity = preset.severity
    return Raters(severity.rater_sd * pair[:, 0], severity.rater_drift_sd * pair[:, 1])


def draw_candidates(
    preset: Preset, streams: Streams, screened: IntArray, raters: Raters
) -> Candidates:
    """Draw people and their screening interview.

    Openness and expectancy are standard normal and correlated. The screening score
    is severity plus inflation, fluctuation, rater and measurement error; choosing by
    it makes later scores regress to the mean.

    Parameters
    ----------
    screened : IntArray, shape (n,)
        Calendar day of each interview.
    """
    n = len(screened)
    rng = streams.part("people")
    par = preset.severity
    severity = par.mean + par.sd * rng.standard_normal(n)
    openness = rng.standard_normal(n)
    r = preset.experience.openness_expectancy
    expectancy = r * openness + np.sqrt(1.0 - r * r) * rng.standard_normal(n)
    n_items, highest = preset.maximum
    trait = preset.items.trait_sd * streams.part("traits").standard_normal((n, n_items))
    trait += np.array(preset.items.easiness)

    rng = streams.part("screening")
    rater = rng.integers(0, len(raters.severity), n)
    wobble = np.hypot(par.measurement_sd, preset.course.autoregressive_sd)
    latent = (
        severity
        + par.screening_inflation
        + raters.effect(rater, screened)
        + wobble * rng.standard_normal(n)
    )
    total = to_total(latent, par.floor_scale, n_items * highest)
    noise = preset.items.noise_sd * rng.standard_normal((n, n_items))
    items = spread(total, trait + noise, highest)
    eligible = total >= par.screening_minimum
    if preset.instrument == "CAPS5":
        eligible &= meets_symptoms(items)
    return Candidates(
        severity,
        openness,
        expectancy,
        trait,
        screened,
        rater,
        total,
        items,
        np.asarray(eligible),
    )
