"""Entry into the follow-up and its end, as disposition records."""

from __future__ import annotations

from outcomes.simulate.steps import NEVER
from outcomes.simulate.subjects import pick_level
from outcomes.simulate.trial import Row, Trial

EPOCH = "FOLLOW-UP"
ENTERED = "ENTERED FOLLOW-UP"
NOT_ENTERED = "NOT ENTERED"
LEFT_BEFORE = "NOT ELIGIBLE: LEFT THE TRIAL"
SITE_CLOSED = "SITE NOT PARTICIPATING"


def entry_rows(trial: Trial, reasons: list[str]) -> dict[int, list[Row]]:
    """Return each subject's records of the follow-up, nothing if there is none.

    Every randomised subject has entered it or has a reason; who entered has an end.

    Parameters
    ----------
    reasons : list of str
        Why each subject left the main study, empty for those who completed it.
    """
    par, later = trial.preset.follow_up, trial.course.later
    if par is None or later is None:
        return {}
    u = trial.streams.part("entry reasons").random((2, trial.n))
    rows: dict[int, list[Row]] = {}
    for row, subject in enumerate(trial.cohort.subject_id):
        if later.entered[row]:
            arm = trial.preset.arm_ids[int(trial.cohort.actual[row])]
            shares = {name: by[arm] for name, by in par.loss.reasons.items()}
            lost = later.left[row] != NEVER
            why = pick_level(shares, float(u[1, row])) if lost else ""
            entry = trial.iso(row, int(later.entered_on[row]))
            end = trial.iso(row, int(trial.seen_until[row]))
            rows[row] = [
                [subject, entry, "PROTOCOL MILESTONE", ENTERED, "", EPOCH],
                [subject, end, "DISPOSITION EVENT", why or "COMPLETED", why, EPOCH],
            ]
            continue
        site = trial.preset.sites[int(trial.cohort.site[row])].id
        if reasons[row]:
            why = LEFT_BEFORE
        elif site in par.entry.closed_sites:
            why = SITE_CLOSED
        else:
            why = pick_level(par.entry.reasons, float(u[0, row]))
        end = trial.iso(row, int(trial.end[row]))
        rows[row] = [[subject, end, "DISPOSITION EVENT", NOT_ENTERED, why, EPOCH]]
    return rows
