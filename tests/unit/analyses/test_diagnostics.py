from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hand_made import Results, adqs, adsl, run, study
from scipy import stats
from test_change_models import AT12, CHANGE, DAYS, LEVELS, SOURCES, frame_of, people

from outcomes.analyses.residual_checks import quantile_points, shape, spread
from outcomes.models.mmrm.fit import fit_mmrm
from outcomes.models.mmrm.residuals import residuals

CHECKS: dict[str, Any] = {
    "id": "checks",
    "question": "diagnostics",
    "of": "primary",
    "prespecified": True,
}
Rows = list[dict[str, Any]]


def results(
    model: dict[str, Any] | None = None,
    subjects: Rows | None = None,
    records: Rows | None = None,
    sections: dict[str, Any] | None = None,
    **more: Any,
) -> Results:
    """Return the diagnostics of a change analysis of `people`."""
    own = people()
    spec = study(
        {**CHECKS, **more},
        {**CHANGE, "model": model or {"covariance": "cs"}},
        **{"sources": SOURCES, **(sections or {})},
    )
    return run(
        spec,
        adsl(*(own[0] if subjects is None else subjects)),
        adqs(*(own[1] if records is None else records)),
    )


def fit_of(frame: pd.DataFrame) -> Any:
    return fit_mmrm(
        "CHG ~ TRT01P*AVISIT + BASE",
        frame.query("AVISIT in @DAYS"),
        subject="USUBJID",
        visit="AVISIT",
        covariance="cs",
        levels=LEVELS,
    )


def test_normalised_residuals_are_described_by_visit() -> None:
    found = results()
    frame = residuals(fit_of(frame_of()), "normalised")
    for visit in DAYS:
        values = frame.loc[frame["AVISIT"] == visit, "residual"].to_numpy()
        for statistic, expected in (
            ("n", len(values)),
            ("mean", values.mean()),
            ("sd", values.std(ddof=1)),
            ("skewness", stats.skew(values, bias=False)),
            ("kurtosis", stats.kurtosis(values, bias=False)),
            ("min", values.min()),
            ("max", values.max()),
        ):
            value = found.value("residuals", statistic, visit=visit)
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-12)
        points = found.rows(term="residual-quantile", visit=visit, statistic="y")
        assert list(points["value"]) == pytest.approx(sorted(values), abs=1e-9)
        assert points["level"].iloc[0] == "0001"


@pytest.mark.parametrize("n", [61, 95, 200, 233, 1000])
def test_of_many_residuals_the_extremes_are_always_shown(n: int) -> None:
    values = np.random.default_rng(3).normal(size=n)
    values[7] = -12.5
    points = pd.DataFrame(quantile_points(values))
    assert 45 <= len(points) <= 60
    place = np.array([*range(1, 6), *range(n - 4, n + 1)])
    ends = points.iloc[[*range(5), *range(-5, 0)]]
    assert list(ends["y"]) == list(np.sort(values)[place - 1])
    assert list(ends["probability"]) == pytest.approx((place - 0.375) / (n + 0.25))
    assert list(points["x"]) == pytest.approx(stats.norm.ppf(points["probability"]))
    assert points["x"].is_monotonic_increasing
    assert points["y"].is_monotonic_increasing
    if n == 1000:
        assert points["probability"].iloc[5] == pytest.approx(0.01)
        low = np.sort(values)[9:11].mean()
        assert points["y"].iloc[5] == pytest.approx(low)


def test_few_residuals_are_all_shown() -> None:
    assert len(quantile_points(np.arange(60.0))) == 60
    few = quantile_points(np.array([3.0, 1.0, 2.0]))
    assert [one["y"] for one in few] == [1, 2, 3]
    assert few[1]["x"] == pytest.approx(0.0, abs=1e-12)
    assert quantile_points(np.array([])) == []


def test_shape_is_unknown_of_few_or_equal_residuals() -> None:
    assert np.isnan(shape(np.array([1.0]))["skewness"])
    assert np.isnan(shape(np.array([1.0, 2.0, 4.0]))["kurtosis"])
    assert np.isnan(shape(np.array([2.0, 2.0, 2.0, 2.0]))["skewness"])


def test_spread_is_by_tenths_that_never_part_equal_values() -> None:
    frame = pd.DataFrame(
        {"fitted": [1.0] * 15 + list(range(2, 17)), "residual": np.arange(30.0)}
    )
    rows = spread(frame)
    assert sum(row["n"] for row in rows) == 30
    assert rows[0] == {
        "x": 1.0,
        "n": 15.0,
        "mean": 7.0,
        "sd": pytest.approx(np.arange(15.0).std(ddof=1)),
    }
    assert len(rows) < 10
    assert [row["x"] for row in rows] == sorted(row["x"] for row in rows)


def test_the_order_of_records_does_not_matter() -> None:
    subjects, records = people()
    turned = results(subjects=subjects[::-1], records=records[::-1]).frame
    same = results().frame
    assert list(turned["result_id"]) == list(same["result_id"])
    assert turned["value"].to_numpy() == pytest.approx(
        same["value"].to_numpy(), rel=1e-7, abs=1e-9, nan_ok=True
    )


def test_correlations_stand_beside_those_of_the_residuals() -> None:
    found = results()
    frame = frame_of()
    fit = fit_of(frame)
    raw = residuals(fit, "raw").pivot(
        index="USUBJID", columns="AVISIT", values="residual"
    )
    key = {"visit": "WEEK12", "level": "WEEK1"}
    row = found.one("empirical-correlation", "estimate", **key)
    assert row["value"] == pytest.approx(raw["WEEK12"].corr(raw["WEEK1"]), rel=1e-9)
    assert row["n_subjects"] == int(raw[["WEEK12", "WEEK1"]].notna().all(axis=1).sum())
    sigma = fit.covariance
    fitted = sigma.loc["WEEK12", "WEEK1"] / np.sqrt(
        sigma.loc["WEEK12", "WEEK12"] * sigma.loc["WEEK1", "WEEK1"]
    )
    value = found.value("fitted-correlation", "estimate", **key)
    assert value == pytest.approx(fitted, rel=1e-9)
    assert found.value("empirical-sd", "estimate", visit="WEEK3") == pytest.approx(
        raw["WEEK3"].std(ddof=1), rel=1e-9
    )


@pytest.mark.parametrize("group", ["arm", "SITEGR1"])
def test_each_covariance_group_has_correlations_of_its_own(group: str) -> None:
    found = results({"covariance": "cs", "group": group})
    column = "arm" if group == "arm" else "subgroup"
    levels = ["ACT", "CTL"] if group == "arm" else ["A", "B"]
    for term in ("fitted-correlation", "empirical-correlation"):
        rows = found.rows(term=term, visit="WEEK12", level="WEEK3")
        assert sorted(rows[column]) == levels
        assert rows["value"].nunique() == 2
    n = found.rows(term="empirical-sd", visit="WEEK1")["n_subjects"]
    assert n.sum() == found.value("residuals", "n", visit="WEEK1")


def test_each_site_is_left_out_in_turn() -> None:
    found = results()
    frame = frame_of()
    for site in ("A", "B"):
        row = found.one(
            "difference-without", "estimate", level=site, method_id="SITEID", **AT12
        )
        subjects, records = people()
        out = {one["USUBJID"] for one in subjects if one["SITEID"] == site}
        rest = run(
            study({**CHANGE, "model": {"covariance": "cs"}}, sources=SOURCES),
            adsl(*(one for one in subjects if one["USUBJID"] not in out)),
            adqs(*(one for one in records if one["USUBJID"] not in out)),
        )
        for statistic in ("estimate", "std_error", "conf_low", "conf_high", "p_value"):
            key = {**AT12, "level": site, "method_id": "SITEID"}
            assert found.value("difference-without", statistic, **key) == pytest.approx(
                rest.value("difference", statistic, **AT12), rel=1e-6
            )
        assert row["n_subjects"] == rest.value("fit", "n_subjects")
        seen = set(frame.query("AVISIT in @DAYS")["USUBJID"])
        n = found.value("left-out", "n", level=site, method_id="SITEID")
        assert n == len(out & seen)
    label = found.one("left-out", "label", method_id="SITEID")
    assert label["text"] == "Study site"
    whole = run(
        study({**CHANGE, "model": {"covariance": "cs"}}, sources=SOURCES),
        adsl(*people()[0]),
        adqs(*people()[1]),
    )
    assert found.value("difference", "estimate", **AT12) == pytest.approx(
        whole.value("difference", "estimate", **AT12), rel=1e-12
    )


def test_a_declared_column_has_its_label() -> None:
    subjects, records = people()
    for place, one in enumerate(subjects):
        one["THERID"] = f"T{place % 4}"
    dm = {
        **SOURCES["dm"],
        "covariates": {"THERID": {"column": "t", "label": "Lead therapist"}},
    }
    found = results(
        subjects=subjects,
        records=records,
        sections={"sources": {**SOURCES, "dm": dm}},
        leave_out=["SITEID", "THERID"],
    )
    label = found.one("left-out", "label", method_id="THERID")
    assert label["text"] == "Lead therapist"
    rows = found.rows(
        term="difference-without", statistic="estimate", method_id="THERID"
    )
    assert list(rows["level"]) == ["T0", "T1", "T2", "T3"]
    assert rows["error"].eq("").all()


def test_nothing_is_left_out_where_nothing_is_named() -> None:
    found = results(leave_out=[])
    assert found.rows(term="left-out").empty
    assert found.rows(term="difference-without").empty
    assert not found.rows(term="residuals").empty


def _sites(values: list[str]) -> Rows:
    subjects, _ = people()
    for place, one in enumerate(subjects):
        one["SITEID"] = values[place] if place < len(values) else values[-1]
    return subjects


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        (
            [""],
            "SITEID is empty for everybody in the analysis, so nothing to leave out.",
        ),
        (["01"], "SITEID has the one value 01; without it nobody is left."),
    ],
)
def test_a_study_without_several_sites_says_so(sites: list[str], message: str) -> None:
    found = results(subjects=_sites(sites))
    errors = found.frame[found.frame["error"] != ""]
    assert list(errors["error"]) == [message]
    assert not found.rows(term="residuals").empty


def test_a_site_with_one_subject_is_left_out_like_any() -> None:
    found = results(subjects=_sites(["07", "01"]))
    key = {"level": "07", "method_id": "SITEID"}
    assert found.value("left-out", "n", **key) == 1
    assert found.one("difference-without", "estimate", **AT12, **key)["error"] == ""


def test_subjects_without_a_site_are_in_every_refit() -> None:
    found = results(subjects=_sites(["", "", "01", "02", "02"]))
    key = {"method_id": "SITEID"}
    assert found.value("left-out", "n", level="Missing", **key) == 2
    rows = found.rows(term="difference-without", statistic="estimate")
    assert list(rows["level"]) == ["01", "02"]


def test_a_refit_that_cannot_be_made_is_a_row_with_the_reason() -> None:
    subjects, records = people()
    for one in subjects:
        one["SITEID"] = "01" if one["TRT01P"] == "CTL" else "02"
    found = results(subjects=subjects, records=records)
    rows = found.rows(term="difference-without", statistic="estimate")
    assert list(rows["level"]) == ["01", "02"]
    assert rows["value"].isna().all()
    assert list(rows["error"]) == [
        "not estimable: no subject of CTL is left without 01.",
        "not estimable: no subject of ACT is left without 02.",
    ]
    assert list(rows["arm"]) == ["ACT", "ACT"]


@pytest.mark.parametrize("model", [{}, {"constrained": True, "covariates": []}])
def test_an_arm_that_a_refit_lacks_has_a_row_with_the_reason(
    model: dict[str, Any],
) -> None:
    subjects, records = people()
    third = [one["USUBJID"] for one in subjects if one["TRT01P"] == "ACT"][:8]
    for one in subjects:
        if one["USUBJID"] in third:
            one |= {"TRT01P": "LOW", "TRT01A": "LOW", "SITEID": "01"}
        else:
            one["SITEID"] = "02" if int(one["USUBJID"][-2:]) % 3 else "01"
    found = results(
        {"covariance": "cs", **model},
        subjects=subjects,
        records=records,
        sections={
            "arms": [
                {"id": "ACT", "label": "Active", "active": True},
                {"id": "LOW", "label": "Low", "active": True},
                {"id": "CTL", "label": "Control", "control": True},
            ]
        },
    )
    rows = found.rows(term="difference-without", statistic="estimate")
    told = {(r.level, r.arm): r.error for r in rows.itertuples()}
    assert told == {
        ("01", "ACT"): "",
        ("01", "LOW"): "not estimable: no subject of LOW is left without 01.",
        ("02", "ACT"): "",
        ("02", "LOW"): "",
    }


def test_one_arm_is_judged_by_its_mean() -> None:
    subjects, records = people()
    single = {
        "study": {
            "id": "small",
            "title": "t",
            "compound": "c",
            "indication": "i",
            "design": "single-arm",
        },
        "arms": [{"id": "ACT", "label": "Active", "active": True}],
    }
    found = results(
        subjects=subjects[:20],
        records=[row for row in records if row["USUBJID"].startswith("ACT")],
        sections=single,
    )
    assert (found.frame["error"] == "").all()
    key = {"visit": "WEEK12", "arm": "ACT"}
    whole = found.value("lsmean", "estimate", **key)
    rest = found.rows(term="lsmean-without", statistic="estimate")
    assert rest["value"].between(whole - 4, whole + 4).all()
    assert list(rest["level"]) == ["A", "B"]


def test_one_visit_has_no_correlation_and_no_traceback() -> None:
    subjects, records = people()
    few = [row for row in records if row["AVISIT"] in ("BASELINE", "WEEK12")]
    found = results(subjects=subjects, records=few)
    assert (found.frame["error"] == "").all()
    assert found.rows(term="fitted-correlation").empty
    assert found.value("residuals", "n", visit="WEEK12") > 20


def test_two_visits_that_nobody_shares_are_an_error_of_that_pair() -> None:
    subjects, records = people()
    keep = [
        row
        for row in records
        if row["AVISIT"] == "BASELINE"
        or (row["AVISIT"] == "WEEK1") == (int(row["USUBJID"][-2:]) % 2 == 0)
    ]
    found = results(subjects=subjects, records=keep)
    row = found.one("empirical-correlation", "estimate", visit="WEEK12", level="WEEK1")
    assert row["error"] == "only 0 subjects have both visits; 3 are needed."


def test_a_visit_without_values_leaves_the_rest() -> None:
    subjects, records = people()
    keep = [row for row in records if row["AVISIT"] != "WEEK12"]
    found = results(subjects=subjects, records=keep)
    row = found.one("visit", "estimate", visit="WEEK12")
    assert row["error"].startswith("no value to analyse at WEEK12")
    assert not found.rows(term="residuals").empty
    assert found.rows(term="left-out").empty


def test_nobody_to_analyse_is_one_row() -> None:
    found = results(records=[people()[1][0]])
    assert len(found.frame) == 1
    assert "has a change of MADRSTOT" in found.one("analysis", "estimate")["error"]


def test_a_constrained_model_has_residuals_at_baseline_too() -> None:
    found = results({"constrained": True, "covariance": "us"})
    assert found.value("residuals", "n", visit="BASELINE") == 40
    assert (
        found.one(
            "difference-without", "estimate", level="A", method_id="SITEID", **AT12
        )["error"]
        == ""
    )
