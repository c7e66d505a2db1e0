from __future__ import annotations

import csv
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hand_made import (
    Results,
    adqs,
    adsl,
    baseline,
    record,
    run,
    study,
    subject,
)

from shared import shared

CHANGE: dict[str, Any] = {
    "id": "primary",
    "question": "change",
    "estimand": "policy",
    "visit": "WEEK12",
    "prespecified": True,
}
VISITS = ("WEEK1", "WEEK3", "WEEK12")


def trial(
    *, per_arm: int = 12, arms: tuple[str, ...] = ("ACT", "CTL"), effect: float = -6.0
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Make complete data with a known seed: (rows of ADSL, rows of ADQS)."""
    rng = np.random.default_rng(20260101)
    subjects, records = [], []
    for arm in arms:
        for number in range(per_arm):
            id = f"{arm}-{number:02d}"
            base = float(rng.integers(25, 40))
            person = rng.normal(0, 4)
            subjects.append(subject(id, arm, SITEGR1="A" if number % 2 else "B"))
            records.append(baseline(id, base))
            for step, visit in enumerate(VISITS, start=1):
                shift = effect * step / 3 if arm == "ACT" else 0.0
                change = -5 + shift + person + rng.normal(0, 3)
                records.append(record(id, visit, base + round(float(change)), base))
    return subjects, records


def results(analysis: dict[str, Any] = CHANGE, **sections: Any) -> Results:
    subjects, records = trial()
    return run(study(analysis, **sections), adsl(*subjects), adqs(*records))


def test_the_real_trial_gives_the_numbers_of_sas() -> None:
    path = shared("data", "antidepressant-hamd17", "antidepressant_data.csv")
    with path.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    subjects, records = {}, []
    for row in rows:
        id, base = row["PATIENT"], float(row["BASVAL"])
        if id not in subjects:
            subjects[id] = subject(id, row["THERAPY"])
            records.append(baseline(id, base))
        visit = f"VISIT{row['VISIT']}"
        records.append(record(id, visit, float(row["HAMDTL17"]), base))
        assert float(row["CHANGE"]) == float(row["HAMDTL17"]) - base
    for row in records:
        row["PARAMCD"] = "HAMDTOT"
    spec = study(
        {
            **CHANGE,
            "visit": "VISIT7",
            "estimand": None,
            "endpoint": "change",
            "population": "FAS",
            "model": {"covariates": ["BASE*AVISIT"], "covariance": "us"},
        },
        arms=[
            {"id": "DRUG", "label": "Drug", "active": True},
            {"id": "PLACEBO", "label": "Placebo", "control": True},
        ],
        visits=[
            {"id": "VISIT0", "label": "Baseline", "day": -1, "baseline": True},
            *(
                {"id": f"VISIT{visit}", "label": f"Visit {visit}", "day": day}
                for visit, day in ((4, 8), (5, 15), (6, 29), (7, 43))
            ),
        ],
        sources={
            "dm": {"file": "a.csv", "columns": {"USUBJID": "id", "ARMCD": "arm"}},
            "qs": [
                {
                    "file": "a.csv",
                    "instrument": "HAMD17",
                    "totals": {"total": "t"},
                    "subject": "id",
                    "visit": "visit",
                }
            ],
        },
        origin="randomisation",
        populations={"FAS": "RANDFL == 'Y'"},
        endpoints={
            "change": {"kind": "change", "instrument": "HAMD17", "score": "total"}
        },
        estimands=[],
    )
    found = run(spec, adsl(*subjects.values()), adqs(*records))
    at7 = {"visit": "VISIT7", "arm": "DRUG", "comparator": "PLACEBO"}
    assert found.value("difference", "estimate", **at7) == pytest.approx(
        -2.8018, abs=6e-5
    )
    assert found.value("difference", "std_error", **at7) == pytest.approx(
        1.1163, abs=6e-5
    )
    # 150.11 is of a run that stopped early; see docs/validation/differences.md.
    assert found.value("difference", "df", **at7) == pytest.approx(150.11, rel=1e-4)
    assert found.value("difference", "p_value", **at7) == pytest.approx(
        0.01314, abs=6e-6
    )
    assert found.value("fit", "minus_2_loglik") == pytest.approx(3494.2029, abs=6e-5)
    for visit, estimate, error in (
        ("VISIT4", 0.092, 0.683),
        ("VISIT5", -1.403, 0.924),
        ("VISIT6", -2.225, 1.001),
    ):
        key = {**at7, "visit": visit}
        assert found.value("difference", "estimate", **key) == pytest.approx(
            estimate, abs=6e-4
        )
        assert found.value("difference", "std_error", **key) == pytest.approx(
            error, abs=6e-4
        )
    # LS means as printed by SAS.
    lsmean = found.value("lsmean", "estimate", visit="VISIT7", arm="DRUG")
    assert lsmean == pytest.approx(-7.6239, abs=6e-5)
    assert found.value("fit", "n_subjects") == 172
    assert found.value("fit", "n_records") == 608
    assert found.value("fit", "converged") == 1
    assert found.one("fit", "covariance")["text"] == "us"
    assert (found.frame["error"] == "").all()
    assert (found.frame["warning"] == "").all()


def test_observed_values_and_changes_are_described_at_every_visit() -> None:
    subjects, records = trial()
    found = run(study(CHANGE), adsl(*subjects), adqs(*records))
    frame = adqs(*records)
    own = frame[frame["USUBJID"].str.startswith("ACT") & (frame["AVISIT"] == "WEEK3")]
    key = {"visit": "WEEK3", "arm": "ACT"}
    assert found.value("observed-change", "n", **key) == 12
    assert found.value("observed-change", "mean", **key) == pytest.approx(
        own["CHG"].mean()
    )
    assert found.value("observed-value", "sd", **key) == pytest.approx(
        own["AVAL"].std()
    )
    base = found.value("observed-value", "mean", visit="BASELINE", arm="ACT")
    assert base == pytest.approx(own["BASE"].mean())


def test_complete_data_give_ancova_at_a_single_visit() -> None:
    """With one visit the model is an analysis of covariance with n - 3 df."""
    subjects, records = trial()
    one = [row for row in records if row["AVISIT"] in ("BASELINE", "WEEK1")]
    found = run(study({**CHANGE, "visit": "WEEK1"}), adsl(*subjects), adqs(*one))
    frame = adqs(*one)
    frame = frame[frame["AVISIT"] == "WEEK1"]
    y = frame["CHG"].to_numpy()
    X = np.column_stack(
        [
            np.ones(24),
            frame["USUBJID"].str.startswith("ACT").to_numpy(),
            frame["BASE"].to_numpy(),
        ]
    ).astype(float)
    beta, rss, *_ = np.linalg.lstsq(X, y)
    error = np.sqrt(rss[0] / 21 * np.linalg.inv(X.T @ X)[1, 1])
    key = {"visit": "WEEK1", "arm": "ACT", "comparator": "CTL"}
    assert found.value("difference", "estimate", **key) == pytest.approx(beta[1])
    assert found.value("difference", "std_error", **key) == pytest.approx(error)
    assert found.value("difference", "df", **key) == pytest.approx(21)
    assert found.rows(term="arm-by-visit").empty
    f = found.value("arm-at-all-visits", "f")
    assert f == pytest.approx((beta[1] / error) ** 2)


def test_effect_sizes_divide_by_the_spread_their_name_says() -> None:
    subjects, records = trial()
    found = run(study(CHANGE), adsl(*subjects), adqs(*records))
    frame = adqs(*records).assign(arm=lambda f: f["USUBJID"].str[:3])
    key = {"visit": "WEEK12", "arm": "ACT", "comparator": "CTL"}

    def within(rows: pd.DataFrame, column: str) -> float:
        return float(np.sqrt(rows.groupby("arm")[column].var().mean()))

    spread = within(frame[frame["ABLFL"] == "Y"], "AVAL")
    difference = found.value("difference", "estimate", **key)
    assert found.value("d-baseline-sd", "sd", **key) == pytest.approx(spread)
    assert found.value("d-baseline-sd", "estimate", **key) == pytest.approx(
        difference / spread
    )
    last = frame[frame["AVISIT"] == "WEEK12"]
    means = last.groupby("arm")["CHG"].mean()
    expected = (means["ACT"] - means["CTL"]) / within(last, "CHG")
    assert found.value("d-completer-change-sd", "estimate", **key) == pytest.approx(
        expected
    )


def test_complete_balanced_data_test_the_interaction_with_two_degrees_of_freedom() -> (
    None
):
    found = results()
    assert found.value("arm-by-visit", "num_df") == 2
    assert found.value("arm-at-all-visits", "num_df") == 3
    assert 0 < found.value("arm-at-all-visits", "p_value") < 0.05
    assert "Kenward-Roger" in found.one("arm-by-visit", "f")["method"]


def test_a_record_is_identified_as_documented() -> None:
    key = {"visit": "WEEK3", "arm": "ACT", "comparator": "CTL"}
    row = results().one("difference", "estimate", **key)
    assert row["result_id"] == (
        "primary.change.FAS.estimand:policy.WEEK3.ACT.vs.CTL.difference.estimate"
    )
    assert (row["time"], row["n_subjects"], row["prespecified"]) == (22, 24, "Y")
    assert "treatment policy" in row["method"]


def test_a_hypothetical_strategy_drops_and_counts_records_after_rescue() -> None:
    subjects, records = trial()
    hit = [r for r in records if r["USUBJID"] == "ACT-00" and r["AVISIT"] != "BASELINE"]
    for row in hit[1:]:
        row["ICE1FL"] = "Y"
        row["AVAL"], row["CHG"] = 60.0, 60.0 - row["BASE"]
    spec = study(CHANGE, {**CHANGE, "id": "b", "estimand": "no-rescue"})
    subjects_, records_ = adsl(*subjects), adqs(*records)
    kept = run(spec, subjects_, records_)
    flipped = study({**CHANGE, "estimand": "no-rescue"})
    dropped = run(flipped, subjects_, records_)
    assert kept.value("fit", "n_records") == 72
    assert dropped.value("fit", "n_records") == 70
    assert dropped.value("excluded", "n", level="AFTER RESCUE MEDICATION") == 2
    assert kept.rows(term="excluded").empty
    assert "hypothetical" in dropped.one("fit", "n_records")["method"]
    key = {"visit": "WEEK12", "arm": "ACT", "comparator": "CTL"}
    gap = kept.value("difference", "estimate", **key)
    assert gap > dropped.value("difference", "estimate", **key)


def test_records_that_are_not_used_are_counted_with_a_reason() -> None:
    subjects, records = trial()
    twice = {**records[1], "ANL01FL": "", "ANL01RS": "ANOTHER RECORD IS ANALYSED"}
    none = record("CTL-99", "WEEK1", 20)
    subjects += [subject("CTL-99", "CTL"), subject("CTL-98", "CTL")]
    found = run(study(CHANGE), adsl(*subjects), adqs(*records, twice, none))
    assert found.value("excluded", "n", level="ANOTHER RECORD IS ANALYSED") == 1
    assert found.value("excluded", "n", level="NO BASELINE VALUE") == 1
    assert found.value("no-post-baseline", "n", arm="CTL") == 2
    assert found.value("no-post-baseline", "denominator", arm="CTL") == 14


def test_a_site_covariate_and_a_missing_one_are_handled() -> None:
    subjects, records = trial()
    subjects[0]["SITEGR1"] = ""
    model = {"covariates": ["BASE", "SITEGR1"], "covariance": "cs"}
    found = run(study({**CHANGE, "model": model}), adsl(*subjects), adqs(*records))
    assert found.value("excluded", "n", level="SITEGR1 is missing") == 3
    assert found.value("fit", "n_subjects") == 23
    assert "SITEGR1" in found.one("fit", "aic")["method"]


def test_the_safety_population_goes_by_treatment_received() -> None:
    subjects, records = trial()
    subjects[0]["TRT01A"] = "CTL"
    direct = {**CHANGE, "estimand": None, "endpoint": "change"}
    key = {"visit": "WEEK1", "arm": "CTL"}
    counts = {}
    for population in ("FAS", "SAF"):
        spec = study({**direct, "population": population})
        found = run(spec, adsl(*subjects), adqs(*records))
        counts[population] = found.value("observed-change", "n", **key)
    assert counts == {"FAS": 12, "SAF": 13}


def test_a_single_arm_has_means_and_nothing_to_compare() -> None:
    subjects, records = trial(arms=("ACT",))
    info = {
        "id": "open",
        "title": "Open label",
        "compound": "x",
        "indication": "y",
        "design": "single-arm",
    }
    spec = study(CHANGE, study=info, arms=[{"id": "ACT", "label": "A", "active": True}])
    found = run(spec, adsl(*subjects), adqs(*records))
    assert found.one("lsmean", "estimate", visit="WEEK3", arm="ACT")["error"] == ""
    assert found.rows(term="difference").empty
    assert found.rows(term="d-baseline-sd").empty
    mean = found.value("observed-change", "mean", visit="WEEK3", arm="ACT")
    assert found.value("lsmean", "estimate", visit="WEEK3", arm="ACT") == (
        pytest.approx(mean)
    )


def test_three_arms_are_each_compared_with_the_control() -> None:
    subjects, records = trial(arms=("ACT", "LOW", "CTL"))
    arms = [
        {"id": "ACT", "label": "High", "active": True},
        {"id": "LOW", "label": "Low", "active": True},
        {"id": "CTL", "label": "Control", "control": True},
    ]
    found = run(study(CHANGE, arms=arms), adsl(*subjects), adqs(*records))
    rows = found.rows(term="difference", statistic="estimate", visit="WEEK12")
    assert set(zip(rows["arm"], rows["comparator"], strict=True)) == {
        ("ACT", "CTL"),
        ("LOW", "CTL"),
    }
    assert found.value("arm-by-visit", "num_df") == 4


def test_an_arm_without_records_at_a_visit_has_an_error_there_only() -> None:
    subjects, records = trial()
    some = [
        row
        for row in records
        if not (row["USUBJID"].startswith("CTL") and row["AVISIT"] == "WEEK12")
    ]
    found = run(study(CHANGE), adsl(*subjects), adqs(*some))
    row = found.one("lsmean", "estimate", visit="WEEK12", arm="CTL")
    assert "not estimable" in row["error"]
    key = {"visit": "WEEK3", "arm": "ACT", "comparator": "CTL"}
    assert found.one("difference", "estimate", **key)["error"] == ""
    joint = found.one("arm-at-all-visits", "estimate")
    assert "not all rows are estimable" in joint["error"]


def test_a_fit_that_fell_back_says_so_in_every_row_of_the_model() -> None:
    subjects, records = trial(per_arm=2)
    model = {"covariates": ["BASE"], "covariance": ["us", "cs"]}
    found = run(study({**CHANGE, "model": model}), adsl(*subjects), adqs(*records))
    assert found.one("fit", "covariance")["text"] == "cs"
    assert found.one("ladder", "covariance", level="1")["text"] == "us"
    assert found.value("ladder", "converged", level="1") == 0
    model_rows = found.rows(term="lsmean")
    (warning,) = set(model_rows["warning"])
    reason = found.one("ladder", "covariance", level="1")["warning"]
    assert warning.startswith(
        f"unstructured not used ({reason}); compound symmetry used instead"
    )
    assert warning.count(reason) == 1
    assert (found.rows(term="observed-change")["warning"] == "").all()


@pytest.mark.parametrize("rows", ["none", "unknown parameter"])
def test_nothing_to_analyse_is_one_row_with_the_reason(rows: str) -> None:
    subjects, records = trial(per_arm=2)
    records = [row for row in records if row["AVISIT"] == "BASELINE"]
    if rows == "unknown parameter":
        records = [{**row, "PARAMCD": "OTHER"} for row in records]
    found = run(study(CHANGE), adsl(*subjects), adqs(*records))
    assert len(found.frame) == 1
    row = found.one("analysis", "estimate")
    assert row["result_id"] == "primary.term:analysis.estimate"
    assert "MADRSTOT" in row["error"]


def test_the_order_of_rows_does_not_matter() -> None:
    subjects, records = trial()
    forward = run(study(CHANGE), adsl(*subjects), adqs(*records))
    frame = adqs(*records).iloc[::-1].reset_index(drop=True)
    back = run(study(CHANGE), adsl(*reversed(subjects)), frame)
    assert list(back.frame["result_id"]) == list(forward.frame["result_id"])
    np.testing.assert_allclose(
        back.frame["value"], forward.frame["value"], rtol=1e-8, atol=1e-10
    )


def test_records_up_to_baseline_are_not_called_excluded() -> None:
    subjects, records = trial(per_arm=6)
    again = record(
        "ACT-00", "BASELINE", 30, ANL01FL="", ANL01RS="NOT THE BASELINE RECORD"
    )
    found = run(study(CHANGE), adsl(*subjects), adqs(*records, again))
    assert found.rows(term="excluded").empty


def test_an_arm_without_subjects_has_errors_in_its_places() -> None:
    subjects, records = trial(per_arm=6)
    arms = [
        {"id": "ACT", "label": "High", "active": True},
        {"id": "LOW", "label": "Low", "active": True},
        {"id": "CTL", "label": "Control", "control": True},
    ]
    found = run(study(CHANGE, arms=arms), adsl(*subjects), adqs(*records))
    for term, comparator in (("lsmean", ""), ("difference", "CTL")):
        key = {"visit": "WEEK3", "comparator": comparator}
        assert found.one(term, "estimate", arm="LOW", **key)["error"] == (
            "not estimable: the arm has no record."
        )
        assert found.one(term, "estimate", arm="ACT", **key)["error"] == ""


def test_a_control_arm_without_subjects_leaves_nothing_to_compare() -> None:
    subjects, records = trial(per_arm=6, arms=("ACT",))
    found = run(study(CHANGE), adsl(*subjects), adqs(*records))
    error = found.one("analysis", "estimate")["error"]
    assert error.startswith("the control arm CTL has no change of MADRSTOT in FAS")


def test_no_number_is_of_records_without_a_covariate() -> None:
    subjects, records = trial()
    for row in subjects[:4]:
        row["SITEGR1"] = ""
    model = {"covariates": ["BASE", "SITEGR1"], "covariance": "cs"}
    spec = study({**CHANGE, "model": model})
    found = run(spec, adsl(*subjects), adqs(*records))
    gone = {row["USUBJID"] for row in subjects[:4]}
    left = [row for row in records if row["USUBJID"] not in gone]
    only = run(spec, adsl(*subjects[4:]), adqs(*left))
    at = {"visit": "WEEK12", "arm": "ACT"}
    for term, statistic in (
        *(("observed-change", name) for name in ("n", "mean", "sd")),
        ("observed-value", "n"),
        ("lsmean", "estimate"),
        *(("d-completer-change-sd", name) for name in ("estimate", "sd")),
        ("arm-by-visit", "f"),
    ):
        key = dict(at) if term != "arm-by-visit" else {}
        if term.startswith("d-"):
            key["comparator"] = "CTL"
        a, b = (part.one(term, statistic, **key) for part in (found, only))
        assert a["value"] == pytest.approx(b["value"], rel=1e-12)
        assert a["n_subjects"] == b["n_subjects"]
    assert found.one("lsmean", "estimate", **at)["n_subjects"] == 8
    assert found.one("arm-by-visit", "f")["n_subjects"] == 20
    assert found.value("fit", "n_subjects") == 20
    assert found.value("no-post-baseline", "n", arm="ACT") == 4
    assert found.value("excluded", "n", level="SITEGR1 is missing") == 12


@pytest.mark.parametrize(("f", "p"), [(float("nan"), float("nan")), (-0.2, 1.0)])
def test_a_joint_test_that_does_not_exist_is_an_error_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, f: float, p: float
) -> None:
    def without(*_: object) -> pd.DataFrame:
        row = {"statistic": f, "num_df": 2.0, "den_df": 3.0, "p_value": p}
        table = pd.DataFrame([row])
        table.attrs["reason"] = "the moments have no match."
        return table

    monkeypatch.setattr("outcomes.analyses.change.joint_test", without)
    found = results()
    for term in ("arm-by-visit", "arm-at-all-visits"):
        assert found.one(term, "estimate")["error"] == "the moments have no match."
        assert found.rows(term=term, statistic="f").empty
