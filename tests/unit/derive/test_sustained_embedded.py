"""Sustained endpoints of the embedded trials, recomputed from their raw files."""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from datetime import date
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from outcomes.analyses.responders import analyse
from outcomes.ard.rows import ArdRows
from outcomes.derive import derive_adqs, derive_adsl
from outcomes.ingest.read import read_sources
from outcomes.study import StudyFile, load_study
from outcomes.study.analyses import Responders
from outcomes.study.endpoints import SustainedEndpoint
from shared import ROOT

VISITS = ("WEEK3", "WEEK6", "WEEK9", "WEEK12")
PSILOCYBIN = ROOT / "data" / "psilocybin-trd"
MDMA = ROOT / "data" / "mdma-ptsd"
Rows = list[dict[str, str]]


@cache
def trial(folder: Path) -> tuple[StudyFile, pd.DataFrame, pd.DataFrame]:
    """Return an embedded trial, its ADSL and ADQS."""
    study = load_study(folder / "study.yaml", None)
    tables, _ = read_sources(study)
    adsl = derive_adsl(study.spec, tables).frame
    return study, adsl, derive_adqs(study.spec, tables, adsl).frame


@cache
def derived(folder: Path) -> pd.DataFrame:
    """Return ADQS of an embedded trial, with TRT01P of the randomised."""
    _, adsl, adqs = trial(folder)
    return adqs.merge(adsl.loc[adsl["RANDFL"] == "Y", ["USUBJID", "TRT01P"]])


def raw(folder: Path, name: str) -> Rows:
    with (folder / "raw" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def day_one(folder: Path) -> dict[str, date]:
    """Return the first dose of each randomised subject, else its randomisation."""
    found = {
        row["subject_id"]: date.fromisoformat(row["randomised_date"])
        for row in raw(folder, "subjects")
        if row["randomised_date"]
    }
    doses = defaultdict(list)
    for row in raw(folder, "dosing"):
        doses[row["subject_id"]].append(date.fromisoformat(row["date"]))
    return found | {id: min(days) for id, days in doses.items() if id in found}


def rescue_day(folder: Path) -> dict[str, date]:
    start = day_one(folder)
    found: dict[str, date] = {}
    for row in raw(folder, "medications"):
        id = row["subject_id"]
        if row["category"] != "RESCUE" or id not in start or not row["start_date"]:
            continue
        began = date.fromisoformat(row["start_date"])
        if began >= start[id]:
            found[id] = min(began, found.get(id, began))
    return found


def totals() -> dict[tuple[str, str, date], Fraction]:
    """Return MADRS totals by subject, nominal visit and date; 9 of 10 items suffice."""
    items = defaultdict(list)
    for row in raw(PSILOCYBIN, "madrs"):
        if row["value"] not in ("", "NA", "."):
            place = (row["subject_id"], row["visit"], date.fromisoformat(row["date"]))
            items[place].append(int(row["value"]))
    return {
        place: Fraction(10 * sum(values), len(values))
        for place, values in items.items()
        if len(values) >= 9
    }


def by_visit() -> dict[str, dict[str, tuple[Fraction, date]]]:
    """Return baseline ('') and the rating of each visit, of each subject."""
    plan = yaml.safe_load((PSILOCYBIN / "study.yaml").read_text("utf-8"))["visits"]
    window = {visit["id"]: visit["window"] for visit in plan}
    target = {visit["id"]: visit["day"] for visit in plan}
    start = day_one(PSILOCYBIN)
    best: dict[str, dict[str, tuple[tuple[Any, ...], Fraction, date]]]
    best = defaultdict(dict)
    for (id, nominal, when), value in totals().items():
        if id not in start:
            continue
        since = (when - start[id]).days
        day = since + 1 if since >= 0 else since
        fits = [v for v, (low, high) in window.items() if low <= day <= high]
        visit = nominal if nominal in window else (fits[0] if fits else "?")
        early = day < 1 or (nominal == "BASELINE" and day == 1)
        if early and visit in ("SCREENING", "BASELINE"):
            rank: tuple[Any, ...] = (day, nominal != "UNSCHEDULED")
            if "" not in best[id] or rank > best[id][""][0]:
                best[id][""] = (rank, value, when)
        elif visit in VISITS:
            distance = abs(day - target[visit])
            rank = (-distance, day, nominal != "UNSCHEDULED")
            if visit not in best[id] or rank > best[id][visit][0]:
                best[id][visit] = (rank, value, when)
    return {
        id: {visit: (value, when) for visit, (_, value, when) in found.items()}
        for id, found in best.items()
    }


def sustained_by_hand(seen: dict[str, bool], rescued: set[str]) -> list[str]:
    """Say of each visit whether all through it are a yes, none missed or rescued."""
    out, state = [], "Y"
    for visit in VISITS:
        if visit in rescued or not seen.get(visit, False):
            state = "N"
        out.append(state)
    return out


@pytest.mark.parametrize("kind", ["response", "remission"])
def test_sustained_response_and_remission_follow_from_the_raw_items(kind: str) -> None:
    code = {"response": "MADRSSRS", "remission": "MADRSSRM"}[kind]
    adqs = derived(PSILOCYBIN)
    rows = adqs[adqs["PARAMCD"] == code]
    ratings, rescue = by_visit(), rescue_day(PSILOCYBIN)
    target = {"WEEK3": 22, "WEEK6": 43, "WEEK9": 64, "WEEK12": 85}
    start = day_one(PSILOCYBIN)
    assert set(rows["USUBJID"]) == set(start)
    assert (rows.groupby("USUBJID").size() == len(VISITS)).all()
    yes = 0
    for id, own in rows.groupby("USUBJID"):
        found = ratings.get(str(id), {})
        base = found[""][0]
        seen, rescued = {}, set()
        for visit in VISITS:
            if visit in found:
                value, when = found[visit]
                # as the simulator counts: half of baseline or less
                seen[visit] = 2 * value <= base if kind == "response" else value <= 10
            began = rescue.get(str(id))
            if began is not None:
                since = (began - start[str(id)]).days + 1
                here = (when - began).days >= 0 if visit in found else False
                if here or (visit not in found and since <= target[visit]):
                    rescued.add(visit)
        wanted = sustained_by_hand(seen, rescued)
        assert own["AVALC"].tolist() == wanted, id
        # known without a rule: all through it seen, or a no among what was seen
        observed = [
            through <= set(seen)
            or bool(through & rescued)
            or not all(seen[visit] for visit in through & set(seen))
            for through in (set(VISITS[: n + 1]) for n in range(len(VISITS)))
        ]
        assert [kind != "NRI" for kind in own["DTYPE"]] == observed, id
        yes += wanted[-1] == "Y"
    assert yes > 10


def test_complete_ratings_give_the_rate_that_generated_them() -> None:
    """Of those rated at all visits, whatever rescue: the truth within chance.

    The simulator counts everybody as followed up, by treatment policy. Three and a
    half standard errors, for there are three arms.
    """
    truth = json.loads((PSILOCYBIN / "truth.json").read_text("utf-8"))
    arms = truth["effects"]["realised"]["treatment_policy"]["arms"]
    adqs = derived(PSILOCYBIN)
    response = adqs[(adqs["PARAMCD"] == "MADRSRSP") & (adqs["DTYPE"] != "NRI")]
    response = response[response["AVISIT"].isin(VISITS)]
    sustained = adqs[(adqs["PARAMCD"] == "MADRSSRS") & (adqs["AVISIT"] == "WEEK12")]
    for arm, values in arms.items():
        own = response[response["TRT01P"] == arm].groupby("USUBJID")["AVAL"]
        complete = own.min()[own.size() == len(VISITS)]
        p = values["rates_percent_primary"]["sustained_response"] / 100
        error = math.sqrt(p * (1 - p) / len(complete))
        assert len(complete) > 50
        assert abs(complete.mean() - p) < 3.5 * error, arm
        # rescue and missed visits can only take a yes away
        here = sustained[sustained["TRT01P"] == arm]
        assert here["AVAL"].sum() <= complete.sum()


@pytest.mark.parametrize(
    ("code", "of"), [("CAPSSLOD", "CAPSLOD"), ("CAPSSREM", "CAPSREM")]
)
def test_sustained_loss_of_diagnosis_follows_from_its_visits(
    code: str, of: str
) -> None:
    adqs = derived(MDMA)
    visits, target = ["POST2", "WEEK18"], {"POST2": 52, "WEEK18": 113}
    parts = adqs[(adqs["PARAMCD"] == of) & (adqs["DTYPE"] != "NRI")]
    seen = {(row.USUBJID, row.AVISIT): row for row in parts.itertuples() if row.AVISIT}
    rescue, start = rescue_day(MDMA), day_one(MDMA)
    rows = adqs[adqs["PARAMCD"] == code]
    assert set(rows["USUBJID"]) == set(start)
    by_rescue = 0
    for id, own in rows.groupby("USUBJID"):
        state, wanted = "Y", []
        for visit in visits:
            row = seen.get((id, visit))
            began = rescue.get(str(id))
            day = row.ADY if row is not None else target[visit]
            after = began is not None and day >= (began - start[str(id)]).days + 1
            by_rescue += after and row is not None and row.AVALC == "Y"
            if row is None or row.AVALC == "N" or after:
                state = "N"
            wanted.append(state)
        assert own["AVISIT"].tolist() == visits
        assert own["AVALC"].tolist() == wanted, id
    assert by_rescue > 0


@pytest.mark.parametrize(
    ("folder", "code", "visit"),
    [
        (PSILOCYBIN, "MADRSSRS", "WEEK12"),
        (PSILOCYBIN, "MADRSSRM", "WEEK12"),
        (MDMA, "CAPSSLOD", "WEEK18"),
        (MDMA, "CAPSSREM", "WEEK18"),
    ],
)
def test_the_analysis_counts_the_last_visit(
    folder: Path, code: str, visit: str
) -> None:
    study, adsl, adqs = trial(folder)
    analysis = study.spec.analysis("sustained")
    assert isinstance(analysis, Responders)
    ard = ArdRows(study=study.spec.study.id, analysis="sustained", prespecified="Y")
    analyse(study.spec, analysis, adsl, adqs, ard)
    rows = ard.frame()
    (endpoint,) = [
        id
        for id in analysis.endpoints
        if isinstance(study.spec.endpoints[id], SustainedEndpoint)
        and study.spec.endpoints[id].paramcd == code  # type: ignore[union-attr]
    ]
    found = derived(folder)
    found = found[(found["PARAMCD"] == code) & (found["AVISIT"] == visit)]
    rows = rows[(rows["endpoint"] == endpoint) & (rows["term"] == "responders")]
    assert set(rows["visit"]) == {visit}
    assert rows["method"].str.contains("no from rescue medication on").all()
    for method, own in (("nri", found), ("observed", found[found["DTYPE"] != "NRI"])):
        for arm, here in own.groupby("TRT01P"):
            line = rows[(rows["arm"] == arm) & (rows["method_id"] == method)]
            value = line.set_index("statistic")["value"]
            assert value["n"] == here["AVAL"].sum()
            assert value["denominator"] == len(here)


def test_an_endpoint_without_an_estimand_says_how_it_meets_rescue() -> None:
    study, adsl, adqs = trial(PSILOCYBIN)
    analysis = study.spec.analysis("sustained")
    named = analysis.model_copy(update={"estimands": {}, "population": "FAS"})
    assert isinstance(named, Responders)
    counts = []
    for one in (analysis, named):
        ard = ArdRows(study="psilocybin-trd", analysis="sustained", prespecified="Y")
        analyse(study.spec, one, adsl, adqs, ard)  # type: ignore[arg-type]
        rows = ard.frame()
        said = rows.loc[rows["term"] == "responders", "method"]
        assert said.str.contains("(composite)", regex=False).all()
        counts.append(rows.loc[rows["statistic"] == "n", "value"].tolist())
    assert counts[0] == counts[1]
