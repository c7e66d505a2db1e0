from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hand_made import (
    Results,
    adqs,
    adsl,
    baseline,
    experience,
    record,
    run,
    study,
    subject,
)
from scipy import stats

from outcomes.analyses.partial_correlation import partial_correlation
from outcomes.analyses.predicts_outcome import Line, regress
from outcomes.errors import ModelError

MYSTICAL: dict[str, Any] = {
    "id": "mystical",
    "question": "predicts-outcome",
    "estimand": "policy",
    "visit": "WEEK3",
    "predictor": {"instrument": "MEQ30", "score": "total_percent"},
}
Rows = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def trial(per_arm: int = 15) -> Rows:
    """Make a trial with a known seed: (rows of ADSL, rows of ADQS)."""
    rng = np.random.default_rng(7)
    subjects, records = [], []
    for arm in ("ACT", "CTL"):
        for number in range(per_arm):
            id = f"{arm}{number:02d}"
            base = float(rng.integers(25, 40))
            score = float(rng.uniform(20, 90)) - 15 * (arm == "CTL")
            change = round(-0.2 * score - 0.3 * (base - 30) + rng.normal(0, 4))
            subjects.append(subject(id, arm, SITEGR1="ABC"[number % 3], NSESSION=2))
            records.append(baseline(id, base))
            records.append(record(id, "WEEK3", base + change, base, ADY=22))
            records.append(experience(id, score, 1, ADY=1))
            records.append(experience(id, score / 2, 2, ADY=15))
    return subjects, records


def results(rows: Rows | None = None, **more: Any) -> Results:
    subjects, records = trial() if rows is None else rows
    return run(study({**MYSTICAL, **more}), adsl(*subjects), adqs(*records))


def arrays(arm: str, session: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return predictor, baseline and change of an arm."""
    frame = adqs(*trial()[1])
    own = frame[frame["USUBJID"].str.startswith(arm)]
    score = own[(own["PARAMCD"] == "MEQTOT") & (own["SESSION"] == session)]
    last = own[own["AVISIT"] == "WEEK3"]
    return tuple(  # type: ignore[return-value]
        column.to_numpy("float64")
        for column in (score["AVAL"], last["BASE"], last["CHG"])
    )


def residual(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    X = np.column_stack([np.ones(len(x)), x])
    return y - X @ np.linalg.lstsq(X, y)[0]


def test_the_slope_is_that_of_least_squares_in_closed_form() -> None:
    found = results()
    x, base, y = arrays("ACT")
    # Frisch and Waugh: regress residuals on residuals.
    rx, ry = residual(x, base), residual(y, base)
    slope = float(rx @ ry / (rx @ rx))
    df = len(x) - 3
    error = math.sqrt(float(((ry - slope * rx) ** 2).sum()) / df / float(rx @ rx))
    assert found.value("slope", "estimate", arm="ACT", method_id="") == pytest.approx(
        slope
    )
    assert found.value("slope", "std_error", arm="ACT") == pytest.approx(error)
    assert found.value("slope", "df", arm="ACT") == df
    t = slope / error
    assert found.value("slope", "t", arm="ACT") == pytest.approx(t)
    assert found.value("slope", "p_value", arm="ACT") == (
        pytest.approx(2 * stats.t.sf(abs(t), df))
    )
    low = slope - stats.t.ppf(0.975, df) * error
    assert found.value("slope", "conf_low", arm="ACT") == pytest.approx(low)
    assert (found.frame["error"] == "").all()


def test_the_partial_correlation_is_that_of_residuals() -> None:
    found = results()
    x, base, y = arrays("CTL")
    r = float(np.corrcoef(residual(x, base), residual(y, base))[0, 1])
    assert found.value("partial-correlation", "estimate", arm="CTL") == pytest.approx(r)
    # Its p value is that of the slope.
    assert found.value("partial-correlation", "p_value", arm="CTL") == pytest.approx(
        found.value("slope", "p_value", arm="CTL")
    )
    half = 1.959963984540054 / math.sqrt(len(x) - 1 - 3)
    low = found.value("partial-correlation", "conf_low", arm="CTL")
    assert low == pytest.approx(math.tanh(math.atanh(r) - half))


def test_the_fitted_line_runs_through_the_mean_of_what_was_observed() -> None:
    found = results()
    x, _, y = arrays("ACT")
    ends = found.rows(term="fitted-line", arm="ACT")
    xs = ends[ends["statistic"] == "x"]["value"].tolist()
    ys = ends[ends["statistic"] == "y"]["value"].tolist()
    assert xs == [x.min(), x.max()]
    at_mean = np.interp(x.mean(), xs, ys)
    assert at_mean == pytest.approx(y.mean())


def test_points_cannot_be_traced_to_subjects() -> None:
    found = results()
    points = found.rows(term="points", arm="ACT")
    x = points[points["statistic"] == "x"]["value"]
    assert len(x) == 15
    assert x.is_monotonic_increasing
    assert (
        not found.frame.astype("str")
        .apply(lambda c: c.str.contains("ACT0"))
        .any()
        .any()
    )


def test_the_pooled_slope_has_arm_in_the_model_and_is_secondary() -> None:
    found = results()
    parts = [
        np.column_stack([*arrays(arm), np.full(15, arm == "CTL")])
        for arm in ("ACT", "CTL")
    ]
    x, base, y, arm = np.vstack(parts).T
    X = np.column_stack([np.ones(30), x, base, arm])
    slope = np.linalg.lstsq(X, y)[0][1]
    row = found.one("slope", "estimate", method_id="arm-adjusted")
    assert row["value"] == pytest.approx(slope)
    assert "secondary" in row["method"]
    assert "association, not cause" in row["method"]
    assert found.value("slope", "df", method_id="arm-adjusted") == 26


def test_the_last_session_is_the_last_one_a_subject_had() -> None:
    subjects, records = trial()
    subjects[0]["NSESSION"] = 1
    subjects[1]["NSESSION"] = 3
    found = results(
        (subjects, records), predictor={**MYSTICAL["predictor"], "session": "last"}
    )
    assert set(found.frame["session"]) == {"last"}
    # Three sessions, but no questionnaire at the third: missing, not the second.
    assert found.value("missing-predictor", "n", arm="ACT") == 1
    first, halves = arrays("ACT")[0], arrays("ACT", session=2)[0]
    expected = sorted([first[0], *halves[2:]])
    points = found.rows(term="points", arm="ACT", statistic="x")["value"]
    assert points.tolist() == pytest.approx(expected)


def test_who_is_missing_is_counted() -> None:
    subjects, records = trial()
    gone = [
        r for r in records if not (r["USUBJID"] == "ACT00" and r["PARAMCD"] == "MEQTOT")
    ]
    gone = [r for r in gone if not (r["USUBJID"] == "ACT01" and r["AVISIT"] == "WEEK3")]
    found = results((subjects, gone))
    counts = {
        term: found.value(term, "n", arm="ACT")
        for term in ("subjects", "analysed", "missing-predictor", "missing-outcome")
    }
    assert counts == {
        "subjects": 15,
        "analysed": 13,
        "missing-predictor": 1,
        "missing-outcome": 1,
    }


def test_a_text_covariate_is_coded_by_the_levels_that_are_there() -> None:
    subjects, records = trial()
    subjects[3]["SITEGR1"] = ""
    found = results((subjects, records), covariates=["BASE", "SITEGR1"])
    assert found.value("slope", "df", arm="CTL") == 15 - 5
    assert found.value("missing-covariate", "n", arm="ACT") == 1
    assert found.value("slope", "df", arm="ACT") == 14 - 5


def test_a_constant_predictor_in_one_arm_fails_there_only() -> None:
    subjects, records = trial()
    for row in records:
        if row["PARAMCD"] == "MEQTOT" and row["USUBJID"].startswith("CTL"):
            row["AVAL"] = 5.0
    found = results((subjects, records))
    row = found.one("slope", "estimate", arm="CTL")
    assert row["error"] == "PREDICTOR has the same value in all 15 subjects."
    assert found.one("slope", "estimate", arm="ACT")["error"] == ""


def test_too_few_subjects_are_said_to_be_too_few() -> None:
    found = results(trial(per_arm=3))
    row = found.one("slope", "estimate", arm="ACT")
    assert row["error"] == "3 subjects are too few for PREDICTOR, BASE; 4 are needed."


@pytest.mark.parametrize("column", ["ADY", "ADT"])
def test_a_predictor_measured_after_the_outcome_is_refused(column: str) -> None:
    subjects, records = trial()
    late = {"ADY": 23, "ADT": "2026-03-02"}[column]
    early = {"ADY": 22, "ADT": "2026-03-01"}[column]
    for row in records:
        row.pop("ADY", None)
        if row["USUBJID"] == "ACT00":
            row[column] = late if row.get("SESSION") == 1 else early
    found = results((subjects, records))
    assert len(found.frame) == 1
    error = found.one("analysis", "estimate")["error"]
    assert "measured after WEEK3 in 1 subjects (first: ACT00)" in error


def test_a_predictor_of_the_same_day_is_allowed() -> None:
    subjects, records = trial()
    for row in records:
        row["ADY"] = 22
    assert (
        results((subjects, records)).one("slope", "estimate", arm="ACT")["error"] == ""
    )


def test_partial_correlation_of_columns_that_determine_each_other_is_refused() -> None:
    x = pd.Series([1.0, 2.0, 3.0, 4.0, 6.0], name="x")
    y = pd.Series([2.0, 1.0, 4.0, 3.0, 5.0], name="y")
    twin = pd.DataFrame({"z": 2 * x + 1})
    with pytest.raises(ModelError, match="x, z determine each other"):
        partial_correlation(x, y, twin, 0.95)
    with pytest.raises(ModelError, match="y has the same value"):
        partial_correlation(x, 0 * y, pd.DataFrame(index=x.index), 0.95)


def test_without_covariates_it_is_pearsons_correlation() -> None:
    x = pd.Series([1.0, 2.0, 3.0, 4.0, 6.0], name="x")
    y = pd.Series([2.0, 1.0, 4.0, 3.0, 5.0], name="y")
    found = partial_correlation(x, y, pd.DataFrame(index=x.index), 0.9)
    r, p = stats.pearsonr(x, y)
    assert found.estimate == pytest.approx(r)
    assert found.p_value == pytest.approx(p)
    limits = stats.pearsonr(x, y).confidence_interval(0.9)
    assert (found.conf_low, found.conf_high) == pytest.approx((limits.low, limits.high))


def test_the_method_is_in_words() -> None:
    found = results(estimand=None, endpoint="change", population="FAS")
    method = found.one("slope", "estimate", arm="ACT")["method"]
    assert "change on MEQ30 Total adjusted for BASE" in method
    assert "records after rescue medication kept as observed" in method
    assert "total_percent" not in method


@pytest.mark.parametrize(
    ("origin", "unit"),
    [(2.0**27, 1.0), (0.0, 1e16), (0.0, 1e-14), (-(2.0**30), 2.0**-10)],
)
def test_the_slope_knows_no_origin_or_unit_of_a_column(
    origin: float, unit: float
) -> None:
    rng = np.random.default_rng(3)
    x, z = rng.integers(0, 4096, (2, 30)) / 1024
    y = pd.Series(2 * x - 3 * z + rng.normal(0, 0.5, 30), name="CHG")

    def fitted(x: np.ndarray, z: np.ndarray) -> Line:
        return regress(pd.Series(x, name="X"), y, pd.DataFrame({"Z": z}), 0.95)

    plain = fitted(x, z)
    assert abs(plain.slope["estimate"] - 2) < 0.5
    covariate, predictor = fitted(x, origin + unit * z), fitted(origin + unit * x, z)
    for name, value in plain.slope.items():
        same = pytest.approx(value, rel=1e-8)
        scaled = (
            unit if name in ("estimate", "std_error", "conf_low", "conf_high") else 1
        )
        assert covariate.slope[name] == same
        assert predictor.slope[name] * scaled == same
    for other, at in ((covariate, 1.5), (predictor, origin + unit * 1.5)):
        assert other.r_squared == pytest.approx(plain.r_squared, rel=1e-8)
        assert other.at(at) == pytest.approx(plain.at(1.5), rel=1e-8)
    with pytest.raises(ModelError, match="determine each other"):
        fitted(x, origin + unit * x)
    r = [
        partial_correlation(
            pd.Series(x, name="X"), y, pd.DataFrame({"Z": column}), 0.95
        ).estimate
        for column in (z, origin + unit * z)
    ]
    assert r[1] == pytest.approx(r[0], rel=1e-8)


def test_subjects_without_a_covariate_are_in_no_result() -> None:
    subjects, records = trial()
    for row in subjects[:3]:
        row["SITEGR1"] = ""
    covariates = ["BASE", "SITEGR1"]
    found = results((subjects, records), covariates=covariates)
    only = results((subjects[3:], records), covariates=covariates)
    assert found.value("missing-covariate", "n", arm="ACT") == 3
    assert found.value("analysed", "n", arm="ACT") == 12
    row, same = (part.one("slope", "estimate", arm="ACT") for part in (found, only))
    assert (row["value"], row["n_subjects"]) == (same["value"], 12)
    assert len(found.rows(term="points", statistic="x", arm="ACT")) == 12
