"""What moves a simulated person from one visit to the next.

Equations: ``docs/simulator.md``. Everything is on the latent change scale until
`to_total`; dropout and rescue look only at observed totals, so dropout is missing at
random by construction.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outcomes.simulate.people import Candidates, Raters
from outcomes.simulate.preset import SHARES, Leaving, Preset
from outcomes.simulate.schedule import Schedule
from outcomes.simulate.scores import FloatArray, IntArray, to_percent, to_total
from outcomes.simulate.streams import Streams

BoolArray = NDArray[np.bool_]
NEVER = 10**6
"""Day of an event that does not happen."""


def expit(x: FloatArray) -> FloatArray:
    """Return the inverse logit."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def by_arm(preset: Preset, mapping: dict[str, float], arm: IntArray) -> FloatArray:
    """Return each subject's value of a mapping by arm."""
    return np.array(preset.by_arm(mapping), dtype=np.float64)[arm]


def draw_experience(
    preset: Preset, people: Candidates, arm: IntArray, streams: Streams
) -> tuple[FloatArray, FloatArray]:
    """Draw the experience of each session.

    Returns
    -------
    percent : FloatArray, shape (n, sessions)
        Percent of the maximum.
    deviation : FloatArray, shape (n, sessions)
        Latent experience minus the mean of its arm and session.
    """
    par = preset.experience
    n, sessions = len(arm), len(preset.dosing)
    rng = streams.part("experience")
    person = (
        par.openness * people.openness
        + par.expectancy * people.expectancy
        + par.person_sd * rng.standard_normal(n)
    )
    session = par.session_sd * rng.standard_normal((n, sessions))
    scale = by_arm(preset, par.scale, arm)
    deviation = scale[:, None] * (person[:, None] + session)
    mean = np.array([par.mean[a] for a in preset.arm_ids])[arm]
    return to_percent(mean + deviation, par.floor_scale), deviation


def person_effect(
    preset: Preset,
    people: Candidates,
    arm: IntArray,
    team: FloatArray,
    streams: Streams,
) -> FloatArray:
    """Return how much more (positive) each person changes than the mean of the arm.

    Heterogeneity (standardised gamma, long tail towards improvement), site and
    therapists, the openness that also drives experience, and expectancy.
    """
    par, rng = preset.course, streams.part("heterogeneity")
    n = len(arm)
    if par.skewness > 0:
        shape = 4.0 / par.skewness**2
        standard = (shape - rng.gamma(shape, 1.0, n)) / np.sqrt(shape)
    else:
        standard = rng.standard_normal(n)
    road = preset.experience
    return np.asarray(
        by_arm(preset, par.heterogeneity_sd, arm) * standard
        + team
        + by_arm(preset, road.openness_outcome, arm) * people.openness
        + road.expectancy_outcome * people.expectancy
    )


class Stepper:
    """The state of a running course of ``n`` people."""

    def __init__(
        self,
        preset: Preset,
        people: Candidates,
        arm: IntArray,
        team: FloatArray,
        days: Schedule,
        dosed_on: IntArray,
        raters: Raters,
        streams: Streams,
    ) -> None:
        self.preset, self.people, self.arm, self.days = preset, people, arm, days
        self.dosed_on, self.raters, self.streams = dosed_on, raters, streams
        self.hours = {v.id: v.hour for v in preset.visits}
        self.n = len(arm)
        self.percent, self.deviation = draw_experience(preset, people, arm, streams)
        self.person = person_effect(preset, people, arm, team, streams)
        self.relapsed = self.draw_relapse()
        self.rescued = np.full(self.n, NEVER, dtype=np.int64)
        self.left = np.full(self.n, NEVER, dtype=np.int64)
        start = streams.part("fluctuation baseline").standard_normal(self.n)
        self.fluctuation = preset.course.autoregressive_sd * start
        self.frailty: FloatArray = streams.part("frailty").standard_normal(self.n)

    def draw_relapse(self) -> IntArray:
        """Draw the day from which the effect fades: exponential after a visit."""
        par = self.preset.relapse
        if par is None:
            return np.full(self.n, NEVER, dtype=np.int64)
        wait = self.streams.part("relapse").standard_exponential(self.n)
        hazard = by_arm(self.preset, par.weekly_hazard, self.arm)
        with np.errstate(divide="ignore"):
            days = np.minimum(7.0 * wait / hazard, NEVER / 2)
        start: IntArray = self.days[par.after] + 1
        return np.asarray(start + np.floor(days).astype(np.int64))

    def fluctuate(self, before: str, visit: str) -> None:
        """Move the autoregressive part on by the days between two visits."""
        par = self.preset.course
        weeks = (self.days[visit] - self.days[before]) / 7.0
        keep = par.autoregressive_rho_per_week**weeks
        z = self.streams.part(f"fluctuation {visit}").standard_normal(self.n)
        fresh = par.autoregressive_sd * np.sqrt(1.0 - keep**2) * z
        self.fluctuation = keep * self.fluctuation + fresh

    def _logit(
        self, visit: str, before: str, last: IntArray, slope: float
    ) -> FloatArray:
        """Return what the interval's length and the last score add to a logit."""
        weeks = (self.days[visit] - self.days[before]) / 7.0
        return np.asarray(np.log(weeks) + slope * last / 10.0)

    def _within(self, before: str, visit: str, u: FloatArray) -> IntArray:
        """Return a day after one visit, and after the first dose, before the next.

        Everybody randomised is dosed, as in the trials the presets are shaped like.
        """
        start = np.maximum(self.days[before], 0)
        room = np.maximum(self.days[visit] - start - 1, 0)
        step = np.minimum(1 + np.floor(u * room).astype(np.int64), room)
        return np.asarray(start + step)

    def maybe_rescue(self, before: str, visit: str, last: IntArray) -> None:
        """Start rescue medication in the interval, more often at higher scores."""
        par, rng = self.preset.rescue, self.streams.part(f"rescue {visit}")
        u = rng.random((2, self.n))
        order = [v.id for v in (*self.preset.assessments, *self.preset.later)]
        if before not in order or order.index(before) < order.index(par.start):
            return
        logit = par.intercept + self._logit(
            visit, before, last - par.centre, par.per_ten_points
        )
        starts = (u[0] < expit(logit)) & (self.rescued == NEVER) & (self.left == NEVER)
        day = self._within(before, visit, u[1])
        self.rescued = np.where(starts, day, self.rescued)

    def maybe_leave(
        self, before: str, visit: str, last: IntArray, par: Leaving
    ) -> None:
        """Let subjects leave before the visit, by arm and last observed score.

        Nobody leaves before the dose, also where the visit is hours after it.
        """
        rng = self.streams.part(f"dropout {visit}")
        u = rng.random((2, self.n))
        logit = by_arm(self.preset, par.intercept, self.arm) + self._logit(
            visit, before, last - par.centre, par.per_ten_points
        )
        due = self.days[visit]
        leaves = (u[0] < expit(logit)) & (self.left == NEVER) & (due > 0)
        day = self._within(before, visit, u[1])
        self.left = np.where(leaves, np.minimum(day, due - 1), self.left)

    def relapse_again(self, day: IntArray, last: IntArray) -> None:
        """Draw the loss of effect anew for who has not lost it when follow-up begins.

        The hazard depends on the last score seen before ``day`` and on a frailty that
        leaves no other trace.
        """
        assert self.preset.follow_up is not None
        par = self.preset.follow_up.relapse
        log_hazard = (
            np.log(by_arm(self.preset, par.weekly_hazard, self.arm))
            + par.per_ten_points * (last - par.centre) / 10.0
            + par.frailty * self.frailty
        )
        wait = self.streams.part("relapse follow-up").standard_exponential(self.n)
        days = np.minimum(7.0 * wait / np.exp(log_hazard), NEVER / 2)
        start = day + 1 + np.floor(days).astype(np.int64)
        self.relapsed = np.where(self.relapsed > day, start, self.relapsed)

    def _change(self, visit: str) -> FloatArray:
        """Return the latent change at a visit."""
        par, road = self.preset.course, self.preset.experience
        day = self.days[visit]
        # An assessment hours after a dose is on its day, and after it.
        sees = day + (self.hours.get(visit) is not None)
        held = np.stack([self.days[v.id] < sees for v in self.preset.dosing], axis=1)
        felt = (self.deviation * held).sum(axis=1) / np.maximum(held.sum(axis=1), 1)
        causal = SHARES[road.effect] * road.slope_full
        centred = self.people.severity - self.preset.severity.mean
        more = (
            self.person + causal * felt + self.preset.severity.severity_slope * centred
        )
        level = visit if visit in par.latent else self.preset.assessments[-1].id
        change = by_arm(self.preset, par.latent[level], self.arm)
        change = change + par.growth[level] * more
        if self.preset.relapse is not None:
            fading = self.preset.relapse
            since = np.maximum(day - self.relapsed, 0)
            lost = fading.loss * -np.expm1(-since / fading.time_constant_days)
            change = np.where(change < 0, change * (1.0 - lost), change)
        since = np.maximum(day - self.rescued, 0)
        rescue = self.preset.rescue
        helped: FloatArray = rescue.effect * -np.expm1(-since / rescue.ramp_days)
        return np.asarray(change + helped)

    def observe(self, visit: str, *, baseline: bool) -> tuple[IntArray, IntArray]:
        """Return the score a rater gives at a visit, and which rater."""
        par = self.preset.severity
        rng = self.streams.part(f"rating {visit}")
        rater = rng.integers(0, len(self.raters.severity), self.n)
        noise = par.measurement_sd * rng.standard_normal(self.n)
        change = np.zeros(self.n) if baseline else self._change(visit)
        latent = (
            self.people.severity
            + change
            + self.fluctuation
            + self.raters.effect(rater, self.dosed_on + self.days[visit])
            + noise
        )
        n_items, highest = self.preset.maximum
        return to_total(latent, par.floor_scale, n_items * highest), rater
