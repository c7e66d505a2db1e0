"""A simulated trial as files: raw CSV, the study file, and the truth."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

from outcomes.simulate.assessments import experience_table, outcome_table
from outcomes.simulate.blinding import draw_expectancy, expectancy_table, guess_table
from outcomes.simulate.conduct import (
    deviation_table,
    disposition_table,
    dosing_table,
    leaving_reasons,
    medication_table,
    therapy_table,
)
from outcomes.simulate.preset import Preset, study_template
from outcomes.simulate.safety import event_table, vitals_table
from outcomes.simulate.subjects import subject_table
from outcomes.simulate.trial import Table, Trial, build_trial
from outcomes.simulate.truth import truth_of

OUTCOME_FILE = {"CAPS5": "caps5", "MADRS": "madrs"}


def raw_tables(trial: Trial) -> dict[str, Table]:
    """Return every raw file of a trial by name."""
    expectancy = draw_expectancy(trial)
    therapy, missed = therapy_table(trial)
    reasons = leaving_reasons(trial)
    tables = {
        "subjects": subject_table(trial, expectancy),
        "dosing": dosing_table(trial),
        "disposition": disposition_table(trial, reasons),
        "deviations": deviation_table(trial, missed),
        "adverse_events": event_table(trial, reasons),
        "medications": medication_table(trial),
        "therapy": therapy,
        "vitals": vitals_table(trial),
        "expectancy": expectancy_table(trial, expectancy),
        "guesses": guess_table(trial),
        OUTCOME_FILE[trial.preset.instrument]: outcome_table(trial),
        "meq30": experience_table(trial),
    }
    # Without psychotherapy nobody records contacts.
    return {k: v for k, v in tables.items() if k != "therapy" or trial.preset.contacts}


def write_trial(preset: Preset, seed: int, out: Path) -> None:
    """Simulate a trial and write its folder, each file in one step."""
    trial = build_trial(preset, seed)
    files = {
        Path("raw") / f"{name}.csv": _csv(table)
        for name, table in raw_tables(trial).items()
    }
    files[Path("truth.json")] = json.dumps(truth_of(trial), indent=1) + "\n"
    files[Path("study.yaml")] = study_template(preset.id).read_text(encoding="utf-8")
    (out / "raw").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        _write(out / name, text)


def _csv(table: Table) -> str:
    """Return a table as text with one line feed per row."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=table.delimiter, lineterminator="\n")
    writer.writerow(table.header)
    writer.writerows(table.rows)
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    """Write UTF-8 to a temporary neighbour, then rename it."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(text.encode("utf-8"))
    os.replace(part, path)
