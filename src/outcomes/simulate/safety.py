"""Adverse events and vital signs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.simulate.preset import Event, Preset
from outcomes.simulate.schedule import Schedule
from outcomes.simulate.scores import IntArray
from outcomes.simulate.steps import NEVER, by_arm
from outcomes.simulate.streams import Streams
from outcomes.simulate.trial import Row, Table, Trial

HOURS = (0, 1, 2, 4, 6)
"""Hours after the dose at which vital signs are taken."""
SHAPE = (0.0, 0.7, 1.0, 0.6, 0.2)
"""Share of the peak effect at those hours."""
LATEST = 21
"""Events not acute start 1 to this many days after a session."""


@dataclass(frozen=True, slots=True)
class _Luck:
    """Uniform numbers of one possible event, each for one question."""

    happens: float
    acute: float
    start: float
    length: float
    severity: float
    serious: float
    related: float
    wording: float
    valence: float


def event_table(trial: Trial, reasons: list[str]) -> Table:
    """Return the raw file of adverse events."""
    header = (
        "subject_id",
        "session",
        "term",
        "reported_term",
        "soc",
        "start_date",
        "end_date",
        "hours_after_dose",
        "duration_minutes",
        "severity",
        "serious",
        "relationship",
        "action",
        "outcome",
        "onset_in_session",
        "abuse_related",
        "special_interest",
        "valence",
    )
    par = trial.preset.safety
    sd = par.site_reporting_sd
    z = trial.streams.part("site reporting").standard_normal(len(trial.preset.sites))
    reporting = np.exp(sd * z - sd**2 / 2.0)[trial.cohort.site]
    rows: list[Row] = []
    for session, visit in enumerate(trial.preset.dosing, start=1):
        for event in par.events:
            part = f"event {visit.id} {event.term}"
            u = trial.streams.part(part).random((trial.n, 9))
            chance = by_arm(trial.preset, event.probability, trial.cohort.actual)
            for row in np.flatnonzero(u[:, 0] < chance * reporting):
                luck = _Luck(*map(float, u[row]))
                offset = int(trial.cohort.days[visit.id][row])
                rows += _event(trial, int(row), session, offset, event, luck)
    rows += _withdrawals(trial, reasons)
    return Table(header, sorted(rows, key=lambda r: (str(r[0]), str(r[5]), str(r[2]))))


def _event(
    trial: Trial, row: int, session: int, dosed: int, event: Event, luck: _Luck
) -> list[Row]:
    """Return the row of an event, none if the subject had left by then."""
    acute = luck.acute < event.acute
    begins = dosed if acute else dosed + 1 + int(luck.start * LATEST)
    if not (trial.there(row, dosed) and trial.there(row, begins)):
        return []
    later = [v.id for v in trial.preset.dosing][session:]
    if any(trial.cohort.days[v][row] <= begins for v in later) and not acute:
        return []
    hours = f"{0.5 + 4.5 * luck.start:.1f}" if acute else ""
    minutes = 5 * round(max(event.minutes * (0.3 + 1.4 * luck.length), 10) / 5)
    ends = begins if acute else begins + int(event.days * 2.0 * luck.length)
    ongoing = ends > trial.end[row]
    severe = 1.0 - event.severe
    level = "MILD" if luck.severity < 0.68 * severe else "MODERATE"
    if luck.severity >= severe:
        level = "SEVERE"
    related = luck.related < (0.9 if acute else 0.35)
    return [
        [
            trial.cohort.subject_id[row],
            session,
            event.term,
            event.reported[int(luck.wording * len(event.reported))],
            event.soc,
            trial.iso(row, begins),
            "" if ongoing else trial.iso(row, ends),
            hours,
            minutes if acute else "",
            level,
            "Y" if luck.serious < event.serious else "N",
            "RELATED" if related else "NOT RELATED",
            "NONE",
            "NOT RECOVERED" if ongoing else "RECOVERED",
            "Y" if acute else "N",
            "Y" if event.abuse else "N",
            event.interest,
            _valence(event, acute, luck.valence),
        ]
    ]


def _valence(event: Event, acute: bool, u: float) -> str:
    """Return how the participant rated an acute event; others are not rated."""
    if not acute:
        return ""
    positive = 0.6 if event.abuse else 0.02
    if u < positive:
        return "POSITIVE"
    return "NEUTRAL" if u < positive + (1.0 - positive) * 0.4 else "NEGATIVE"


def serious_days(
    preset: Preset, streams: Streams, arm: IntArray, days: Schedule
) -> dict[str, IntArray]:
    """Return the day a serious event of each term starts, NEVER where there is none.

    Sites report here as they do on average.
    """
    found: dict[str, IntArray] = {}
    for session in preset.dosing:
        dosed = days[session.id]
        for event in preset.safety.events:
            if event.serious == 0:
                continue
            u = streams.part(f"event {session.id} {event.term}").random((len(arm), 9))
            chance = by_arm(preset, event.probability, arm)
            happens = (u[:, 0] < chance) & (u[:, 5] < event.serious)
            later = 1 + np.floor(u[:, 2] * LATEST).astype(np.int64)
            begins = dosed + np.where(u[:, 1] < event.acute, 0, later)
            before = found.get(event.term, np.full(len(arm), NEVER, dtype=np.int64))
            found[event.term] = np.where(happens, np.minimum(before, begins), before)
    return found


def _withdrawals(trial: Trial, reasons: list[str]) -> list[Row]:
    """Return the events that made subjects leave."""
    rows: list[Row] = []
    for row, reason in enumerate(reasons):
        if reason != "ADVERSE EVENT":
            continue
        end = int(trial.end[row])
        days = [int(trial.cohort.days[v.id][row]) for v in trial.preset.dosing]
        session = sum(day <= end for day in days)
        begins = max(end - 2, days[session - 1])
        action = "DRUG WITHDRAWN" if session < len(days) else "NOT APPLICABLE"
        start: Row = [
            trial.cohort.subject_id[row],
            session,
            "Anxiety",
            "severe anxiety",
        ]
        when: Row = [trial.iso(row, begins), "", "", ""]
        rest: Row = ["SEVERE", "N", "RELATED", action, "NOT RECOVERED"]
        soc = "Psychiatric disorders"
        rows.append([*start, soc, *when, *rest, "N", "N", "", ""])
    return rows


def vitals_table(trial: Trial) -> Table:
    """Return the raw file of vital signs in the dosing sessions.

    A European export has semicolons between fields and a comma in numbers.
    """
    header = (
        "subject_id",
        "session",
        "date",
        "hour",
        "systolic",
        "diastolic",
        "pulse",
        "temperature",
        "weight_kg",
    )
    comma = trial.preset.safety.decimal_comma

    def number(x: float) -> str:
        return f"{x:.1f}".replace(".", ",") if comma else f"{x:.1f}"

    n = trial.n
    rng = trial.streams.part("vitals persons")
    z = rng.standard_normal((4, n))
    peak = by_arm(
        trial.preset, trial.preset.safety.peak_systolic, trial.cohort.actual
    ) * np.exp(0.3 * z[0])
    weight = np.clip(77.0 + 15.0 * z[3], 45.0, 140.0)
    rows: list[Row] = []
    for session, visit in enumerate(trial.preset.dosing, start=1):
        rng = trial.streams.part(f"vitals {visit.id}")
        e = rng.standard_normal((n, len(HOURS), 4))
        for row, subject in enumerate(trial.cohort.subject_id):
            offset = int(trial.cohort.days[visit.id][row])
            if not trial.there(row, offset):
                continue
            for k, hour in enumerate(HOURS):
                up = SHAPE[k] * peak[row]
                rows.append(
                    [
                        subject,
                        session,
                        trial.iso(row, offset),
                        hour,
                        round(120 + 9 * z[1, row] + up + 5 * e[row, k, 0]),
                        round(76 + 6 * z[1, row] + 0.5 * up + 4 * e[row, k, 1]),
                        round(72 + 7 * z[2, row] + 0.8 * up + 5 * e[row, k, 2]),
                        number(36.6 + 0.015 * up + 0.2 * e[row, k, 3]),
                        number(weight[row]) if hour == 0 else "",
                    ]
                )
    rows.sort(key=lambda r: (str(r[0]), r[1], r[3]))
    return Table(header, rows, ";" if comma else ",")
