"""Dosing, therapy contacts, disposition, protocol deviations, medications."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from outcomes.simulate.entry import entry_rows
from outcomes.simulate.schedule import study_day
from outcomes.simulate.steps import NEVER
from outcomes.simulate.subjects import pick_level
from outcomes.simulate.trial import Row, Table, Trial

SUPPLEMENT_TAKEN = 0.92
CONTACT_MISSED = 0.015
MAJOR = frozenset(
    {
        "RATER TOLD OF TREATMENT",
        "PROHIBITED MEDICATION TAKEN",
        "WRONG TREATMENT GIVEN",
    }
)


def dosing_table(trial: Trial) -> Table:
    """Return the raw file of doses taken: one row per capsule time."""
    header = (
        "subject_id",
        "session",
        "dose_number",
        "date",
        "time",
        "drug",
        trial.preset.conduct.dose_column,
    )
    rows: list[Row] = []
    n = trial.n
    for session, visit in enumerate(trial.preset.dosing):
        rng = trial.streams.part(f"dosing {visit.id}")
        minute, taken = rng.integers(0, 12, n) * 5, rng.random(n) < SUPPLEMENT_TAKEN
        for row, subject in enumerate(trial.cohort.subject_id):
            offset = int(trial.cohort.days[visit.id][row])
            if not trial.there(row, offset):
                continue
            arm = trial.preset.arms[int(trial.cohort.actual[row])]
            start: Row = [subject, session + 1]
            day, clock = trial.iso(row, offset), f"{int(minute[row]):02d}"
            rows.append(
                [*start, 1, day, f"09:{clock}", arm.drug, f"{arm.doses[session]:g}"]
            )
            if arm.supplements and taken[row]:
                more = f"{arm.supplements[session]:g}"
                rows.append([*start, 2, day, f"11:{clock}", arm.drug, more])
    return Table(header, sorted(rows, key=lambda r: (r[0], r[1], r[2])))


def therapy_table(trial: Trial) -> tuple[Table, list[tuple[int, int]]]:
    """Return the raw file of therapy contacts: one row per therapist.

    Returns
    -------
    table : Table
        Two rows per contact.
    missed : list of (row, day)
        Contacts that were due and did not take place.
    """
    header = (
        "subject_id",
        "contact",
        "kind",
        "session",
        "date",
        "minutes",
        "therapist",
        "role",
    )
    rng = trial.streams.part("therapy")
    rows: list[Row] = []
    missed: list[tuple[int, int]] = []
    for row, subject in enumerate(trial.cohort.subject_id):
        number = 0
        for kind, session, offset, minutes in _contacts(trial, row):
            luck, moved, length = rng.random(), int(rng.integers(-1, 2)), rng.normal()
            if kind != "DOSING" and (offset + moved) * offset > 0:
                offset += moved
            if not trial.there(row, offset):
                continue
            if kind != "DOSING" and luck < CONTACT_MISSED:
                missed.append((row, offset))
                continue
            number += 1
            lasted = max(5 * round(minutes * (1.0 + 0.08 * length) / 5.0), 30)
            start: Row = [
                subject,
                number,
                kind,
                session,
                trial.iso(row, offset),
                lasted,
            ]
            rows.append([*start, trial.therapist(row, 0), "LEAD"])
            rows.append([*start, trial.therapist(row, 1), "ASSISTANT"])
    return Table(header, rows), missed


def _contacts(trial: Trial, row: int) -> list[tuple[str, int, int, float]]:
    """Return kind, session, day and planned minutes of a subject's contacts."""
    dosing = [v.id for v in trial.preset.dosing]
    due: list[tuple[str, int, int, float]] = []
    for contact in trial.preset.contacts:
        session = dosing.index(contact.visit) + 1
        dosed = int(trial.cohort.days[contact.visit][row])
        due += [
            (contact.kind, session, dosed + day, contact.minutes)
            for day in contact.days
        ]
    length = trial.preset.conduct.dosing_minutes
    for session, visit in enumerate(dosing, start=1):
        due.append(("DOSING", session, int(trial.cohort.days[visit][row]), length))
    return sorted(due, key=lambda contact: (contact[2], contact[0]))


def leaving_reasons(trial: Trial) -> list[str]:
    """Return why each subject left the study, empty for those who completed it."""
    u = trial.streams.part("reasons").random(trial.n)
    reasons = []
    for row in range(trial.n):
        arm = trial.preset.arm_ids[int(trial.cohort.actual[row])]
        shares = {name: by[arm] for name, by in trial.preset.dropout.reasons.items()}
        left = trial.course.left[row] != NEVER
        reasons.append(pick_level(shares, float(u[row])) if left else "")
    return reasons


def disposition_table(trial: Trial, reasons: list[str]) -> Table:
    """Return the raw file of disposition: consent, randomisation, failure, end."""
    later = entry_rows(trial, reasons)
    more: Row = [""] if later else []
    header = ("subject_id", "date", "category", "event", "reason")
    columns = (*header, "epoch") if later else header
    milestone, event = "PROTOCOL MILESTONE", "DISPOSITION EVENT"
    place = {s: k for k, s in enumerate(trial.cohort.subject_id)}
    rows: list[Row] = []
    recruits, start = trial.recruits, trial.cohort.start
    wait = trial.streams.part("failure date").integers(1, 8, len(recruits.failure))
    for row, subject in enumerate(recruits.subject_id):
        consent = start + timedelta(days=int(recruits.consented[row]))
        rows.append(
            [
                subject,
                consent.isoformat(),
                milestone,
                "INFORMED CONSENT OBTAINED",
                "",
                *more,
            ]
        )
        if subject not in place:
            screened = int(recruits.people.screened[row] + wait[row])
            day = (start + timedelta(days=screened)).isoformat()
            why = recruits.failure[row]
            rows.append([subject, day, event, "SCREEN FAILURE", why, *more])
            continue
        k = place[subject]
        randomised = trial.iso(k, trial.cohort.days["BASELINE"][k])
        rows.append([subject, randomised, milestone, "RANDOMIZED", "", *more])
        end = trial.iso(k, int(trial.end[k]))
        reason = reasons[k]
        rows.append([subject, end, event, reason or "COMPLETED", reason, *more])
        rows += later.get(k, [])
    return Table(columns, rows)


def deviation_table(trial: Trial, missed: list[tuple[int, int]]) -> Table:
    """Return the raw file of protocol deviations."""
    found: list[tuple[int, int, str, str]] = []
    for row, offset in missed:
        found.append((row, offset, "THERAPY CONTACT MISSED", ""))
    for row in map(int, np.flatnonzero(trial.cohort.planned != trial.cohort.actual)):
        planned, given = (
            trial.preset.arm_ids[int(a[row])]
            for a in (trial.cohort.planned, trial.cohort.actual)
        )
        found.append((row, 0, "WRONG TREATMENT GIVEN", f"{given} instead of {planned}"))
    found += _out_of_window(trial)
    for term, share in trial.preset.conduct.deviations.items():
        u = trial.streams.part(f"deviation {term}").random((2, trial.n))
        for row in map(int, np.flatnonzero(u[0] < share)):
            found.append((row, int(u[1, row] * max(int(trial.end[row]), 1)), term, ""))
    header = ("subject_id", "date", "category", "term", "detail")
    rows: list[Row] = [
        [
            trial.cohort.subject_id[row],
            trial.iso(row, offset),
            "MAJOR" if term in MAJOR else "MINOR",
            term,
            detail or f"{term.capitalize()}.",
        ]
        for row, offset, term, detail in sorted(found)
    ]
    return Table(header, rows)


def _out_of_window(trial: Trial) -> list[tuple[int, int, str, str]]:
    """Return the assessments that took place outside their window."""
    found = []
    done, preset = trial.course.done[:, 1:], trial.preset
    visits = list(preset.assessments)
    if trial.course.later is not None:
        done = np.concatenate([done, trial.course.later.done], axis=1)
        visits += preset.later
    for column, visit in enumerate(visits):
        low, high = visit.window
        for row in np.flatnonzero(done[:, column]):
            offset = int(trial.cohort.days[visit.id][row])
            day = study_day(offset)
            if not low <= day <= high:
                detail = f"{visit.id} on day {day}, window {low} to {high}"
                found.append((int(row), offset, "VISIT OUT OF WINDOW", detail))
    return found


def medication_table(trial: Trial) -> Table:
    """Return the raw file of medications: rescue and concomitant."""
    header = (
        "subject_id",
        "medication",
        "category",
        "indication",
        "start_date",
        "end_date",
    )
    par, safety = trial.preset.rescue, trial.preset.safety
    rng = trial.streams.part("medications")
    pick = rng.integers(0, len(par.medications), trial.n)
    number = rng.poisson(safety.concomitant_mean, trial.n)
    drugs = list(safety.concomitant)
    rows: list[Row] = []
    for row, subject in enumerate(trial.cohort.subject_id):
        chosen = rng.permutation(len(drugs))[: int(number[row])]
        for k in chosen:
            u = rng.random(3)
            start = int(-60 + u[0] * (60 + max(int(trial.end[row]), 1)))
            stop = start + int(u[1] * 40)
            over = u[2] < 0.6 and stop <= trial.end[row]
            end = trial.iso(row, stop) if over else ""
            drug = drugs[k]
            day = trial.iso(row, start)
            rows.append(
                [subject, drug, "CONCOMITANT", safety.concomitant[drug], day, end]
            )
        rescued = int(trial.course.rescued[row])
        if rescued != NEVER and rescued <= trial.seen_until[row]:
            drug = par.medications[pick[row]]
            day = trial.iso(row, rescued)
            rows.append([subject, drug, "RESCUE", par.indication, day, ""])
    return Table(header, sorted(rows, key=lambda r: (r[0], r[4], r[1])))
