"""The embedded trials: same bytes, the right counts, legal values, ordered dates."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from outcomes.errors import SpecError
from outcomes.simulate import default_seed, presets, simulate_trial
from outcomes.simulate.preset import load_preset
from outcomes.study import load_study

DATA = Path(__file__).resolve().parents[3] / "data"
KETAMINE, MDMA, PSILOCYBIN = "ketamine-trd", "mdma-ptsd", "psilocybin-trd"
ARMS = {
    KETAMINE: {"KET": 49, "MID": 24},
    MDMA: {"MDMA": 53, "PBO": 51},
    PSILOCYBIN: {"PSI25": 79, "PSI10": 75, "PSI1": 79},
}
OUTCOME = {KETAMINE: "madrs", MDMA: "caps5", PSILOCYBIN: "madrs"}
THERAPY = [MDMA, PSILOCYBIN]
LATER = "FOLLOW-UP"

Rows = list[dict[str, str]]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def raw(study: str, name: str) -> Rows:
    path = DATA / study / "raw" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        first = file.readline()
        file.seek(0)
        return list(csv.DictReader(file, delimiter=";" if ";" in first else ","))


def randomised(study: str) -> dict[str, dict[str, str]]:
    rows = raw(study, "subjects")
    return {r["subject_id"]: r for r in rows if r["arm"] != "SCRNFAIL"}


def truth(study: str) -> dict[str, Any]:
    return json.loads((DATA / study / "truth.json").read_text(encoding="utf-8"))


def first_dose(study: str) -> dict[str, date]:
    found: dict[str, date] = {}
    for row in raw(study, "dosing"):
        day = date.fromisoformat(row["date"])
        found[row["subject_id"]] = min(found.get(row["subject_id"], day), day)
    return found


def ends(study: str) -> dict[str, tuple[date, str]]:
    return {
        r["subject_id"]: (date.fromisoformat(r["date"]), r["event"])
        for r in raw(study, "disposition")
        if r["category"] == "DISPOSITION EVENT" and r.get("epoch", "") == ""
    }


def last_seen(study: str) -> dict[str, date]:
    end = {s: day for s, (day, _) in ends(study).items()}
    for r in raw(study, "disposition"):
        if r.get("epoch") == LATER:
            day = date.fromisoformat(r["date"])
            end[r["subject_id"]] = max(end[r["subject_id"]], day)
    return end


def test_presets_are_the_three_trials() -> None:
    assert presets() == [KETAMINE, MDMA, PSILOCYBIN]


@pytest.mark.parametrize("study", ARMS)
def test_embedded_study_is_what_the_preset_and_its_seed_write(
    study: str, tmp_path: Path
) -> None:
    simulate_trial(study, default_seed(study), tmp_path / "a")
    assert contents(tmp_path / "a") == contents(DATA / study)
    simulate_trial(study, default_seed(study), tmp_path / "a")
    assert contents(tmp_path / "a") == contents(DATA / study)


def test_another_seed_gives_another_trial_of_the_same_shape(tmp_path: Path) -> None:
    simulate_trial(MDMA, default_seed(MDMA) + 1, tmp_path)
    new, old = contents(tmp_path), contents(DATA / MDMA)
    assert new.keys() == old.keys()
    same = {name for name in new if new[name] == old[name]}
    assert same == {"study.yaml"}


def test_unknown_preset_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="Did you mean 'mdma-ptsd'"):
        simulate_trial("mdma-ptds", 1, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_negative_seed_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="negative"):
        simulate_trial(MDMA, -1, tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("study", ARMS)
def test_files_have_line_feeds_and_nothing_temporary_is_left(study: str) -> None:
    files = contents(DATA / study)
    assert sum(map(len, files.values())) < 1_500_000
    assert not [name for name in files if name.endswith(".part")]
    for name, content in files.items():
        assert b"\r" not in content, name
        assert content.endswith(b"\n"), name
        content.decode("utf-8")


@pytest.mark.parametrize("study", ARMS)
def test_arms_have_the_published_numbers(study: str) -> None:
    subjects = randomised(study)
    assert Counter(r["arm"] for r in subjects.values()) == ARMS[study]
    consented = raw(study, "subjects")
    assert len({r["subject_id"] for r in consented}) == len(consented)
    failures = [r for r in raw(study, "disposition") if r["event"] == "SCREEN FAILURE"]
    assert len(failures) == len(consented) - len(subjects) > 5
    assert all(r["reason"] for r in failures)


def test_mdma_trial_loses_one_active_and_nine_control_participants() -> None:
    arm = {s: r["arm"] for s, r in randomised(MDMA).items()}
    left = Counter(
        arm[s]
        for s, (_, event) in ends(MDMA).items()
        if s in arm and event != "COMPLETED"
    )
    assert left == {"MDMA": 1, "PBO": 9}
    assert truth(MDMA)["this_trial"]["not_completed"] == {"MDMA": 1, "PBO": 9}


@pytest.mark.parametrize("study", ARMS)
def test_every_randomised_subject_ends_once_and_is_dosed(study: str) -> None:
    subjects = randomised(study)
    final = [
        r["subject_id"]
        for r in raw(study, "disposition")
        if r["category"] == "DISPOSITION EVENT"
        and r["subject_id"] in subjects
        and r.get("epoch", "") == ""
    ]
    assert sorted(final) == sorted(subjects)
    assert set(first_dose(study)) == set(subjects)


def test_sites_number_as_published_and_some_are_small() -> None:
    for study, number, least in ((KETAMINE, 3, 16), (MDMA, 13, 1), (PSILOCYBIN, 22, 1)):
        sites = Counter(r["site"] for r in randomised(study).values())
        assert len(sites) == number
        assert min(sites.values()) == least


def test_one_participant_of_one_trial_got_another_arm() -> None:
    differ = [
        (r["arm"], r["actual_arm"])
        for study in ARMS
        for r in randomised(study).values()
        if r["arm"] != r["actual_arm"]
    ]
    assert differ == [("PSI10", "PSI25")]
    wrong = [
        r for r in raw(PSILOCYBIN, "deviations") if r["term"] == "WRONG TREATMENT GIVEN"
    ]
    (told,) = truth(PSILOCYBIN)["this_trial"]["actual_arm_differs"]
    assert [r["subject_id"] for r in wrong] == [told["subject_id"]]
    doses = {r["subject_id"]: r["dose_mg"] for r in raw(PSILOCYBIN, "dosing")}
    for subject, row in randomised(PSILOCYBIN).items():
        assert f"PSI{doses[subject]}" == row["actual_arm"]


@pytest.mark.parametrize("study", ARMS)
def test_dates_of_a_participant_are_in_order(study: str) -> None:
    dosed = first_dose(study)
    screened = {
        r["subject_id"]: r["date"]
        for r in raw(study, OUTCOME[study])
        if r["visit"] == "SCREENING"
    }
    for subject, row in randomised(study).items():
        days = [
            row["consent_date"],
            screened[subject],
            row["randomised_date"],
            dosed[subject].isoformat(),
            ends(study)[subject][0].isoformat(),
        ]
        assert days == sorted(days), subject


@pytest.mark.parametrize("study", ARMS)
def test_nothing_is_observed_after_a_participant_has_left(study: str) -> None:
    end = last_seen(study)
    columns = {
        OUTCOME[study]: "date",
        "meq30": "date",
        "guesses": "date",
        "dosing": "date",
        **({"therapy": "date"} if study in THERAPY else {}),
        "vitals": "date",
        "deviations": "date",
        "adverse_events": "start_date",
        "medications": "start_date",
    }
    for name, column in columns.items():
        for row in raw(study, name):
            day = date.fromisoformat(row[column])
            assert day <= end[row["subject_id"]], (name, row)


@pytest.mark.parametrize("study", ARMS)
def test_scheduled_visits_follow_each_other_without_a_return(study: str) -> None:
    preset = load_preset(study)
    visits = [*preset.assessments, *preset.later]
    order = {v.id: k for k, v in enumerate(visits)}
    seen: dict[str, dict[int, str]] = defaultdict(dict)
    for row in raw(study, OUTCOME[study]):
        if row["visit"] in order:
            seen[row["subject_id"]].setdefault(order[row["visit"]], row["date"])
    for dates in seen.values():
        assert sorted(dates) == list(range(len(dates)))
        days = [dates[k] for k in range(len(dates))]
        assert days == sorted(days)
        assert len(set(days)) == len(days)


@pytest.mark.parametrize("study", THERAPY)
def test_therapists_come_in_twos_and_belong_to_the_site(study: str) -> None:
    contacts: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in raw(study, "therapy"):
        contacts[row["subject_id"], row["contact"]].append(row)
    for (subject, _), pair in contacts.items():
        assert [r["role"] for r in pair] == ["LEAD", "ASSISTANT"]
        assert len({r["therapist"] for r in pair}) == 2
        assert all(r["therapist"].startswith(subject[:2] + "-T") for r in pair)
    kinds = Counter(pair[0]["kind"] for pair in contacts.values())
    assert set(kinds) == {"PREPARATION", "DOSING", "INTEGRATION"}
    assert kinds["DOSING"] == len(
        {(r["subject_id"], r["session"]) for r in raw(study, "dosing")}
    )


@pytest.mark.parametrize("study", ARMS)
def test_data_are_untidy_in_the_ways_the_study_file_settles(study: str) -> None:
    rows = raw(study, OUTCOME[study])
    interviews = {(r["subject_id"], r["visit"], r["date"]) for r in rows}
    per_visit = Counter((s, v) for s, v, _ in interviews if v != "UNSCHEDULED")
    repeats = sum(count > 1 for count in per_visit.values())
    assert repeats == load_preset(study).conduct.duplicates
    assert max(per_visit.values()) == 2
    assert sum(v == "UNSCHEDULED" for _, v, _ in interviews) >= 3
    undone = {(r["subject_id"], r["date"]) for r in rows if r["not_done"] == "Y"}
    assert len(undone) >= 1
    known = set(raw_ids(study))
    assert {r["subject_id"] for r in rows} <= known


def raw_ids(study: str) -> list[str]:
    return [r["subject_id"] for r in raw(study, "subjects")]


def test_madrs_items_are_whole_and_in_range() -> None:
    skipped = 0
    per = Counter()
    for row in raw(PSILOCYBIN, "madrs"):
        per[row["subject_id"], row["visit"], row["date"]] += 1
        if row["not_done"] == "Y":
            assert row["value"] == ""
        elif row["value"] == "":
            skipped += 1
        else:
            assert row["value"] in set("0123456")
    assert set(per.values()) == {10}
    assert 1 <= skipped < 40


def test_experience_items_are_whole_and_in_range() -> None:
    for study in ARMS:
        blank = 0
        for row in raw(study, "meq30"):
            items = [v for k, v in row.items() if k.startswith("meq_")]
            assert len(items) == 30
            assert set(items) <= set("012345") | {""}
            assert row["not_done"] == "" or set(items) == {""}
            blank += row["not_done"] == "" and "" in items
        assert blank < 20


def test_every_randomised_mdma_participant_met_the_criteria_at_screening() -> None:
    subjects = randomised(MDMA)
    for row in raw(MDMA, "caps5"):
        if row["visit"] != "SCREENING" or row["subject_id"] not in subjects:
            continue
        items = [int(row[f"caps5_{k:02d}"]) for k in range(1, 21)]
        present = [value >= 2 for value in items]
        assert sum(items) >= 28
        assert sum(present[0:5]) >= 1
        assert sum(present[5:7]) >= 1
        assert sum(present[7:14]) >= 2
        assert sum(present[14:20]) >= 2
        assert int(row["caps5_22"]) >= 1
        assert max(int(row[f"caps5_{k}"]) for k in (23, 24, 25)) >= 2
        assert row["caps5_28"] == "N/A"


def test_caps5_items_are_in_range_and_a_quarter_is_dissociative() -> None:
    subjects = randomised(MDMA)
    subtype = 0
    for row in raw(MDMA, "caps5"):
        for number in (*range(1, 21), *range(23, 31)):
            value = row[f"caps5_{number:02d}"]
            assert value in {"0", "1", "2", "3", "4", "", "N/A"}
        if row["visit"] == "BASELINE":
            assert row["subject_id"] in subjects
            subtype += max(int(row["caps5_29"]), int(row["caps5_30"])) >= 2
    assert 0.15 <= subtype / len(subjects) <= 0.31


def test_screening_scores_fall_towards_the_mean_at_baseline() -> None:
    total: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    subjects = randomised(PSILOCYBIN)
    for row in raw(PSILOCYBIN, "madrs"):
        if row["subject_id"] in subjects and row["value"]:
            total[row["visit"]][row["subject_id"]] += int(row["value"])
    mean = {v: sum(t.values()) / len(t) for v, t in total.items()}
    assert min(total["SCREENING"].values()) >= 22
    assert min(total["BASELINE"].values()) < 22
    assert mean["SCREENING"] > mean["BASELINE"]


def test_vitals_of_the_european_trial_have_semicolons_and_decimal_commas() -> None:
    path = DATA / PSILOCYBIN / "raw" / "vitals.csv"
    header, first = path.read_text(encoding="utf-8").splitlines()[:2]
    assert header.startswith("subject_id;session;")
    assert first.split(";")[-1].count(",") == 1
    assert all("," in r["temperature"] for r in raw(PSILOCYBIN, "vitals"))
    assert all("." in r["temperature"] for r in raw(MDMA, "vitals"))


@pytest.mark.parametrize("study", ARMS)
def test_events_include_neutral_and_abuse_related_ones(study: str) -> None:
    rows = raw(study, "adverse_events")
    abuse = [r for r in rows if r["abuse_related"] == "Y"]
    assert "Euphoric mood" in {r["term"] for r in abuse}
    assert {"POSITIVE", "NEUTRAL", "NEGATIVE"} <= {r["valence"] for r in abuse}
    assert {r["severity"] for r in rows} == {"MILD", "MODERATE", "SEVERE"}
    for row in rows:
        assert (row["onset_in_session"] == "Y") == (row["hours_after_dose"] != "")
        assert row["end_date"] == "" or row["end_date"] >= row["start_date"]


@pytest.mark.parametrize("study", ARMS)
def test_everybody_guesses_after_dosing_and_at_the_end(study: str) -> None:
    rows = raw(study, "guesses")
    preset = load_preset(study)
    asked = {(r["role"], r["visit"]) for r in rows}
    assert asked == {(g.role, g.visit) for g in preset.guesses}
    assert len({r["guess"] for r in rows}) == 5
    assert all(0 <= int(r["confidence"]) <= 100 for r in rows)
    assert all((r["guess"] == "DO NOT KNOW") == (r["reason"] == "") for r in rows)


@pytest.mark.parametrize("study", ARMS)
def test_expectancy_is_asked_before_randomisation_and_before_the_dose(
    study: str,
) -> None:
    rows = raw(study, "expectancy")
    subjects, dosed = randomised(study), first_dose(study)
    assert len(rows) == 2 * len(subjects)
    for row in rows:
        values = [int(row[f"sets_{k:02d}"]) for k in range(1, 7)]
        assert all(1 <= v <= 7 for v in values)
        subject = subjects[row["subject_id"]]
        if row["visit"] == "BASELINE":
            assert row["date"] <= subject["randomised_date"]
            assert f"{sum(values[::2]) / 3:.2f}" == subject["expectancy_positive"]
        else:
            assert row["date"] == dosed[row["subject_id"]].isoformat()


@pytest.mark.parametrize("study", ARMS)
def test_study_file_is_valid_and_agrees_with_the_preset(study: str) -> None:
    spec = load_study(DATA / study / "study.yaml").spec
    preset = load_preset(study)
    assert spec.study.id == study
    assert spec.study.synthetic
    assert [(a.id, a.label) for a in spec.arms] == [
        (a.id, a.label) for a in preset.arms
    ]
    planned = [v for v in preset.visits if v.kind != "dosing"]
    windows = {v.id: v.window if v.hour is None else None for v in planned}
    assert {v.id: v.window for v in spec.visits} == windows
    assert {v.id: v.hour for v in spec.visits} == {v.id: v.hour for v in planned}
    assert spec.follow_up_visits == [v.id for v in preset.later]
    assert {v.id for v in spec.visits if v.baseline} == {"BASELINE"}
    named = [spec.sources.dm.file, *(s.file for s in spec.sources.qs)]
    assert all((DATA / study / name).is_file() for name in named)


@pytest.mark.parametrize("study", ARMS)
def test_columns_named_by_the_study_file_exist(study: str) -> None:
    sources = load_study(DATA / study / "study.yaml").spec.sources
    for name in ("dm", "ex", "ds", "dv", "ae", "cm", "pr"):
        source = getattr(sources, name)
        if name == "pr" and study not in THERAPY:
            assert source is None
            continue
        header = set(raw(study, Path(source.file).stem)[0])
        assert set(source.columns.values()) <= header, name
    assert {c.column for c in sources.dm.covariates.values()} <= set(
        raw(study, "subjects")[0]
    )
