"""Recruitment: candidates come to sites until each has randomised its number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from outcomes.errors import SpecError
from outcomes.simulate.people import Candidates, Raters, draw_candidates
from outcomes.simulate.preset import Preset
from outcomes.simulate.schedule import Schedule, draw_schedule
from outcomes.simulate.scores import FloatArray, IntArray
from outcomes.simulate.streams import Streams

ATTEMPTS = 20_000


@dataclass(frozen=True, slots=True)
class Recruits:
    """Everyone who consented, in order of subject id."""

    people: Candidates
    site: IntArray
    subject_id: list[str]
    consented: IntArray
    """Calendar day of consent."""
    failure: list[str]
    """Reason of screen failure, empty for the randomised."""

    @property
    def randomised(self) -> IntArray:
        """Rows of the randomised."""
        return np.array(
            [k for k, f in enumerate(self.failure) if not f], dtype=np.int64
        )


@dataclass(frozen=True, slots=True)
class Cohort:
    """The randomised; all arrays have one entry (or row) per subject."""

    people: Candidates
    subject_id: list[str]
    site: IntArray
    planned: IntArray
    actual: IntArray
    therapists: IntArray
    """Numbers of the two therapists within the site, shape (n, 2)."""
    team: FloatArray
    days: Schedule
    dosed_on: IntArray
    start: date

    def on(self, row: int, offset: int) -> date:
        """Return the date ``offset`` days after the first dose of a subject."""
        return self.start + timedelta(days=int(self.dosed_on[row]) + int(offset))


def recruit(
    preset: Preset, streams: Streams, raters: Raters, size: int = 1
) -> Recruits:
    """Draw candidates site by site until each has randomised its number.

    ``size`` multiplies every site, for studies of the generator itself.
    """
    quota = np.array([s.n * size for s in preset.sites])
    pool = 3 * quota + 30
    site = np.repeat(np.arange(len(quota)), pool)
    rng = streams.part("consent")
    day = rng.integers(0, preset.conduct.enrolment_days, len(site))
    order = np.lexsort((day, site))
    day = day[order]
    screened = day + rng.integers(1, 10, len(site))
    people = draw_candidates(preset, streams, screened, raters)
    other = _other_reasons(preset, streams, len(site))
    kept, reasons, ids = _walk(preset, quota, site, people.eligible, other)
    length = preset.conduct.enrolment_days
    ends = np.floor(length * rng.uniform(0.7, 1.0, len(quota))).astype(np.int64)
    consented = _stretch(day[kept], site[kept], ends)
    people = people.take(kept)
    gap = screened[kept] - day[kept]
    people = _at(people, consented + gap)
    return Recruits(people, site[kept], ids, consented, reasons)


def _at(people: Candidates, screened: IntArray) -> Candidates:
    """Return the same people interviewed on other days."""
    fields = {name: getattr(people, name) for name in Candidates.__slots__}
    return Candidates(**(fields | {"screened": screened}))


def _stretch(day: IntArray, site: IntArray, ends: IntArray) -> IntArray:
    """Stretch each site's used days so that the last consent is on its end day.

    The pool is larger than what a site needs, so its first candidates came early.
    Raters drift by less than a point a year: their screening scores stay as drawn.
    """
    out = day.copy()
    for number, end in enumerate(ends):
        rows = np.flatnonzero(site == number)
        last = max(int(day[rows].max()), 1)
        out[rows] = day[rows] * int(end) // last
    return out


def _other_reasons(preset: Preset, streams: Streams, n: int) -> list[str]:
    """Draw reasons for screen failure that have nothing to do with the score."""
    reasons = list(preset.people.screen_failures)
    shares = np.cumsum(list(preset.people.screen_failures.values()))
    place = np.searchsorted(shares, streams.part("failure").random(n), side="right")
    return [reasons[k] if k < len(reasons) else "" for k in place]


def _walk(
    preset: Preset,
    quota: IntArray,
    site: IntArray,
    eligible: NDArray[np.bool_],
    other: list[str],
) -> tuple[IntArray, list[str], list[str]]:
    """Go through each site's candidates in order until its quota is randomised."""
    name = "CAPS-5" if preset.instrument == "CAPS5" else "MADRS"
    kept: list[int] = []
    reasons: list[str] = []
    ids: list[str] = []
    for number, wanted in enumerate(quota):
        rows = np.flatnonzero(site == number)
        randomised = 0
        for seen, row in enumerate(rows, start=1):
            if randomised == wanted:
                break
            reason = other[row]
            if not eligible[row]:
                reason = f"{name} CRITERION NOT MET"
            kept.append(int(row))
            reasons.append(reason)
            ids.append(f"{preset.sites[number].id}-{seen:03d}")
            randomised += not reason
        if randomised < wanted:
            raise SpecError(f"preset {preset.id}: too few eligible candidates")
    return np.array(kept, dtype=np.int64), reasons, ids


def allocate(preset: Preset, streams: Streams, site: IntArray, size: int) -> IntArray:
    """Randomise in permuted blocks within site, arms by their ``ratio``.

    Sequences are drawn again until the arms have the numbers of the preset, which
    conditions the randomisation on the published arm sizes. With ``size`` above 1
    the first draw is taken.
    """
    rng = streams.part("randomisation")
    n_arms, ratios = len(preset.arms), [arm.ratio for arm in preset.arms]
    wanted = np.array([arm.n for arm in preset.arms])
    for _ in range(ATTEMPTS):
        arm = np.empty(len(site), dtype=np.int64)
        for number in range(len(preset.sites)):
            rows = np.flatnonzero(site == number)
            blocks = -(-len(rows) // preset.block)
            block = np.repeat(
                np.arange(n_arms), np.array(ratios) * (preset.block // sum(ratios))
            )
            sequence = rng.permuted(np.tile(block, (blocks, 1)), axis=1).ravel()
            arm[rows] = sequence[: len(rows)]
        if size > 1 or np.array_equal(np.bincount(arm, minlength=n_arms), wanted):
            return arm
    raise SpecError(f"preset {preset.id}: no allocation gives the wanted arm sizes")


def _teams(
    preset: Preset, streams: Streams, site: IntArray
) -> tuple[IntArray, FloatArray]:
    """Give each subject two different therapists of the site, and their effect.

    The effect is that of the site plus the mean of the two therapists'.
    """
    rng = streams.part("therapists")
    par = preset.course
    pair = np.empty((len(site), 2), dtype=np.int64)
    effect = np.empty(len(site))
    for number in range(len(preset.sites)):
        rows = np.flatnonzero(site == number)
        staff = max(3, 2 + len(rows) // 5)
        of_site = par.site_sd * rng.standard_normal()
        of_staff = par.therapist_sd * rng.standard_normal(staff)
        for row in rows:
            first = int(rng.integers(0, staff))
            second = (first + 1 + int(rng.integers(0, staff - 1))) % staff
            pair[row] = first, second
            effect[row] = of_site + 0.5 * (of_staff[first] + of_staff[second])
    return pair, effect


def form_cohort(
    preset: Preset, streams: Streams, recruits: Recruits, size: int
) -> Cohort:
    """Randomise the eligible, give them therapists and a calendar."""
    rows = recruits.randomised
    site = recruits.site[rows]
    planned = allocate(preset, streams, site, size)
    people = recruits.people.take(rows)
    therapists, team = _teams(preset, streams, site)
    days = draw_schedule(preset, streams, len(rows))
    return Cohort(
        people,
        [recruits.subject_id[k] for k in rows],
        site,
        planned,
        _actual(preset, streams, planned),
        therapists,
        team,
        days,
        people.screened - days["SCREENING"],
        preset.conduct.start,
    )


def _actual(preset: Preset, streams: Streams, planned: IntArray) -> IntArray:
    """Return the arms as treated: the preset may have one subject get another's."""
    actual = planned.copy()
    if preset.conduct.wrong_arm is not None:
        meant, given = (preset.arm_ids.index(a) for a in preset.conduct.wrong_arm)
        rows = np.flatnonzero(planned == meant)
        actual[int(streams.part("wrong arm").choice(rows))] = given
    return actual
