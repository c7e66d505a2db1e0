"""A made-up trial with sites and pairs of therapists, drawn from a fixed seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hand_made import STUDY, adqs, adsl, baseline, record, subject

VISITS = ("WEEK1", "WEEK3", "WEEK12")
DAYS = {"WEEK1": 8, "WEEK3": 22, "WEEK12": 85}
SOURCES: dict[str, Any] = {
    **STUDY["sources"],
    "dm": {
        **STUDY["sources"]["dm"],
        "columns": {"USUBJID": "id", "ARMCD": "arm", "SITEID": "site"},
        "covariates": {
            "THERAPID": {"column": "lead", "label": "Lead therapist"},
            "THERAP2": {"column": "second", "label": "Second therapist"},
        },
    },
}
"""Sources that declare sites and therapists."""


def subjects(n: int = 60, **more: Any) -> list[dict[str, Any]]:
    """Return rows of ADSL: six sites with three therapists each, two arms in turn."""
    rows = []
    for k in range(n):
        site = f"{k % 6 + 1:02d}"
        lead = k // 6 % 3
        rows.append(
            subject(
                f"{k + 1:03d}",
                "ACT" if (k + k // 6) % 2 else "CTL",
                SITEID=site,
                SITEGR1=site,
                THERAPID=f"{site}-T{lead + 1}",
                THERAP2=f"{site}-T{(lead + 1) % 3 + 1}",
                **more,
            )
        )
    return rows


def changes(
    people: list[dict[str, Any]], *, sd_site: float = 4.0, seed: int = 4
) -> list[dict[str, Any]]:
    """Return rows of ADQS: baseline and three visits of everybody."""
    rng = np.random.default_rng(seed)
    sites = {f"{k:02d}": sd_site * rng.standard_normal() for k in range(1, 7)}
    rows = []
    for one in people:
        base = round(30 + 4 * rng.standard_normal())
        own = 4 * rng.standard_normal() + sites[one["SITEID"]]
        rows.append(baseline(one["USUBJID"], base))
        for place, visit in enumerate(VISITS):
            better = 6.0 if one["ARMCD"] == "ACT" else 2.0
            value = base - better - place + own + 2 * rng.standard_normal()
            rows.append(record(one["USUBJID"], visit, round(value, 2), base))
    return rows


def answers(
    people: list[dict[str, Any]],
    *,
    seed: int = 7,
    rates: tuple[float, float] = (0.6, 0.3),
) -> list[dict[str, Any]]:
    """Return rows of ADQS: baseline totals, and a yes or no at three visits."""
    rng = np.random.default_rng(seed)
    rows = []
    for one in people:
        base = round(30 + 4 * rng.standard_normal())
        rows.append(baseline(one["USUBJID"], base))
        own = 1.5 * rng.standard_normal()
        rate = rates[0] if one["ARMCD"] == "ACT" else rates[1]
        for visit in VISITS:
            chance = 1 / (1 + np.exp(-(np.log(rate / (1 - rate)) + own)))
            rows.append(yes_or_no(one["USUBJID"], visit, int(rng.random() < chance)))
    return rows


def yes_or_no(
    id: str, visit: str, yes: int, *, made: bool = False, **more: Any
) -> dict[str, Any]:
    """Return a yes/no row of ADQS with its dates, as derive gives them."""
    day = DAYS[visit]
    start = pd.Timestamp("2024-01-01")
    observed = {
        "ADY": day,
        "ADT": (start + pd.Timedelta(days=day - 1)).strftime("%Y-%m-%d"),
    }
    row = record(id, visit, yes, PARAMCD="RESP", PARAM="Response", AWTARGET=day)
    return {**row, **({"DTYPE": "NRI"} if made else observed), **more}


def frames(
    people: list[dict[str, Any]], rows: list[dict[str, Any]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ADSL and ADQS."""
    return adsl(*people), adqs(*rows)
