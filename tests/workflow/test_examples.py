from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from outcomes.ard.rows import read_ard
from shared import ROOT, shared

EXAMPLE = ROOT / "examples/antidepressant-hamd17"


def test_the_real_trial_gives_the_figures_of_sas_and_r(tmp_path: Path) -> None:
    """SAS PROC MIXED and R mmrm, REML, unstructured, Kenward-Roger.

    The df reported elsewhere is 150.11; at the exact optimum it is 150.1018, and p is
    0.0131349 (docs/validation/differences.md, section 5).
    """
    root = shared("data", "antidepressant-hamd17", "antidepressant_data.csv").parent
    places = ("--data-root", str(root), "--out", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "outcomes", "run", str(EXAMPLE / "study.yaml"), *places],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = tmp_path / "antidepressant-hamd17"
    assert (results / "report.html").is_file()
    ard = read_ard(results / "ard/primary.parquet")

    def value(term: str, statistic: str, visit: str = "") -> float:
        rows = ard[
            (ard["term"] == term)
            & (ard["statistic"] == statistic)
            & (ard["visit"] == visit)
        ]
        assert len(rows) == 1
        return float(rows["value"].iloc[0])

    assert value("fit", "minus_2_loglik") == pytest.approx(3494.2029, abs=5e-5 + 1e-9)
    expected = {"VISIT5": (-1.403, 0.924), "VISIT6": (-2.225, 1.001)}
    for visit, (estimate, error) in expected.items():
        assert value("difference", "estimate", visit) == pytest.approx(
            estimate, abs=5e-4
        )
        assert value("difference", "std_error", visit) == pytest.approx(error, abs=5e-4)
    assert value("difference", "estimate", "VISIT7") == pytest.approx(-2.8018, abs=5e-5)
    assert value("difference", "std_error", "VISIT7") == pytest.approx(1.1163, abs=5e-5)
    assert value("difference", "df", "VISIT7") == pytest.approx(150.11, rel=1e-4)
    assert value("difference", "df", "VISIT7") == pytest.approx(150.1018, abs=5e-5)
    assert value("difference", "p_value", "VISIT7") == pytest.approx(
        0.0131349, abs=5e-8
    )


def test_the_config_of_the_example_names_its_study() -> None:
    config = yaml.safe_load((EXAMPLE / "config.yaml").read_text("utf-8"))
    (entry,) = config["studies"].values()
    assert (ROOT / entry["study"]).is_file()
