"""Every choice of a change model in the study file reaches the results."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hand_made import Results, adqs, adsl, baseline, record, run, study, subject

from outcomes.analyses.change_fit import zero_marks
from outcomes.models.comparisons import contrasts
from outcomes.models.means import emmeans
from outcomes.models.mmrm.fit import fit_mmrm
from outcomes.models.term_tests import anova
from outcomes.study.model import COVARIANCE_WORDS, VCOV_WORDS, Covariance

CHANGE: dict[str, Any] = {
    "id": "primary",
    "question": "change",
    "estimand": "policy",
    "visit": "WEEK12",
    "prespecified": True,
}
DAYS = {"WEEK1": 8, "WEEK3": 22, "WEEK12": 85}
SOURCES: dict[str, Any] = {
    "dm": {
        "file": "dm.csv",
        "columns": {"USUBJID": "id", "ARMCD": "arm", "SITEID": "site"},
    },
    "cm": {"file": "cm.csv", "columns": {"USUBJID": "id"}},
    "ex": {"file": "ex.csv", "columns": {"USUBJID": "id"}},
    "qs": [
        {
            "file": "madrs.csv",
            "instrument": "MADRS",
            "items": "m{item}",
            "subject": "id",
            "visit": "visit",
        }
    ],
}


def people(per_arm: int = 20) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Make a trial with dropout and a known seed: (rows of ADSL, rows of ADQS)."""
    rng = np.random.default_rng(7)
    subjects, records = [], []
    for arm in ("ACT", "CTL"):
        for number in range(per_arm):
            id = f"{arm}-{number:02d}"
            base = float(rng.integers(25, 40))
            person = rng.normal(0, 4)
            site = "A" if number % 3 else "B"
            subjects.append(subject(id, arm, SITEGR1=site, SITEID=site))
            records.append({**baseline(id, base), "ADY": -1})
            for step, (visit, day) in enumerate(DAYS.items(), start=1):
                if rng.random() < 0.08 * step:
                    break
                shift = -2.0 * step if arm == "ACT" else 0.0
                noise = person + rng.normal(0, 2 + step)
                value = base - 5 + shift + 3 * (site == "B") + round(float(noise))
                late = int(rng.integers(-2, 3))
                records.append(record(id, visit, value, base, ADY=day + late))
    return subjects, records


def results(model: dict[str, Any], **more: Any) -> Results:
    subjects, records = people()
    spec = study({**CHANGE, **more, "model": model}, sources=SOURCES)
    return run(spec, adsl(*subjects), adqs(*records))


def frame_of() -> pd.DataFrame:
    """Return the records of `people` as a model takes them."""
    subjects, records = people()
    rows = pd.DataFrame(records)
    rows["AVISIT"] = rows["AVISIT"].astype(str)
    return rows.merge(pd.DataFrame(subjects)[["USUBJID", "TRT01P", "SITEGR1"]])


LEVELS = {"TRT01P": ["CTL", "ACT"], "AVISIT": [*DAYS]}
AT12 = {"visit": "WEEK12", "arm": "ACT", "comparator": "CTL"}


@pytest.mark.parametrize("structure", get_args(Covariance))
def test_every_structure_gives_the_difference_and_says_its_name(structure: str) -> None:
    found = results({"covariance": structure})
    row = found.one("difference", "estimate", **AT12)
    assert row["error"] == ""
    assert -12 < row["value"] < 0
    assert f"{COVARIANCE_WORDS[structure]} covariance" in row["method"]
    assert found.one("fit", "covariance", visit="")["text"] == structure
    assert len(found.rows(term="covariance-parameter")) > 0
    assert len(found.rows(term="residual-sd", statistic="estimate")) == 3


def test_standard_errors_are_those_of_the_covariance_asked_for() -> None:
    errors = {}
    for vcov in ("model", "cr0", "cr2", "cr3"):
        found = results({"df": "satterthwaite", "vcov": vcov})
        row = found.one("difference", "std_error", **AT12)
        assert VCOV_WORDS[vcov] in row["method"]
        errors[vcov] = row["value"]
    assert len(set(errors.values())) == 4
    assert errors["cr0"] < errors["cr2"] < errors["cr3"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"df": "between-within"}, "between-within degrees of freedom, model-based"),
        ({"preset": "r_mmrm"}, "Satterthwaite degrees of freedom, model-based"),
        ({"preset": "sas_proc_mixed"}, "Kenward-Roger degrees of freedom"),
        ({"preset": "r_mmrm", "df": "residual"}, "residual degrees of freedom, empir"),
        ({"vcov": "kenward-roger-linear"}, "without second derivatives"),
        ({"means": "proportional"}, "LS means weighted by records"),
    ],
)
def test_the_method_tells_what_was_chosen(model: dict[str, Any], words: str) -> None:
    assert (
        words
        in results(model).one("lsmean", "estimate", **{**AT12, "comparator": ""})[
            "method"
        ]
    )


def test_arms_have_a_covariance_each_where_grouped_by_arm() -> None:
    found = results({"covariance": "cs", "group": "arm"})
    rows = found.rows(term="residual-sd", visit="WEEK3")
    assert sorted(rows["arm"]) == ["ACT", "CTL"]
    assert rows["value"].nunique() == 2
    assert "one for each level of TRT01P" in rows["method"].iloc[0]
    fit = fit_mmrm(
        "CHG ~ TRT01P*AVISIT + BASE",
        frame_of().query("AVISIT in @DAYS"),
        subject="USUBJID",
        visit="AVISIT",
        covariance="cs",
        group="TRT01P",
        levels=LEVELS,
    )
    covariance = fit.covariance
    assert isinstance(covariance, dict)
    for arm in ("ACT", "CTL"):
        expected = np.sqrt(covariance[arm].loc["WEEK3", "WEEK3"])
        value = found.value("residual-sd", "estimate", visit="WEEK3", arm=arm)
        assert value == pytest.approx(expected, rel=1e-9)


def test_another_grouping_column_stands_in_subgroup() -> None:
    found = results({"covariance": "cs", "group": "SITEGR1"})
    rows = found.rows(term="residual-correlation", visit="WEEK12", level="WEEK1")
    assert sorted(rows["subgroup"]) == ["A", "B"]


def test_a_group_that_is_not_known_is_counted() -> None:
    subjects, records = people()
    subjects[0]["SITEGR1"] = ""
    spec = study(
        {**CHANGE, "model": {"covariance": "cs", "group": "SITEGR1"}}, sources=SOURCES
    )
    found = run(spec, adsl(*subjects), adqs(*records))
    lost = sum(row["USUBJID"] == "ACT-00" and row["AVISIT"] in DAYS for row in records)
    assert found.value("excluded", "n", level="SITEGR1 is missing") == lost > 0


def test_a_constrained_model_is_that_of_the_values_with_one_mean_at_baseline() -> None:
    found = results({"constrained": True, "covariates": ["SITEGR1"]})
    fit = fit_mmrm(
        "AVAL ~ TRT01P*AVISIT + SITEGR1",
        frame_of(),
        subject="USUBJID",
        visit="AVISIT",
        constrained=("TRT01P", "BASELINE"),
        levels={"TRT01P": ["CTL", "ACT"], "AVISIT": ["BASELINE", *DAYS]},
    )
    means = emmeans(fit, "TRT01P", by="AVISIT").frame.set_index(["AVISIT", "TRT01P"])
    at = means["estimate"]
    assert at["BASELINE", "ACT"] == pytest.approx(at["BASELINE", "CTL"], abs=1e-10)
    for arm in ("ACT", "CTL"):
        change = at["WEEK12", arm] - at["BASELINE", arm]
        value = found.value("lsmean", "estimate", visit="WEEK12", arm=arm)
        assert value == pytest.approx(change, abs=1e-9)
    row = found.one("difference", "estimate", **AT12)
    change = at["WEEK12", "ACT"] - at["WEEK12", "CTL"]
    assert row["value"] == pytest.approx(change, abs=1e-9)
    assert "one mean of all arms at baseline" in row["method"]
    assert found.rows(term="lsmean", visit="BASELINE").empty
    sds = found.rows(term="residual-sd", statistic="estimate")
    assert list(sds["visit"]) == ["BASELINE", "WEEK1", "WEEK12", "WEEK3"]


def test_a_constrained_model_keeps_whom_a_model_of_change_loses() -> None:
    subjects, records = people()
    lonely = [subject("ACT-98"), subject("CTL-99", "CTL")]
    for one in lonely:
        one["SITEGR1"] = "A"
    only_first = {**baseline("ACT-98", 30.0), "ADY": -1}
    only_later = record("CTL-99", "WEEK3", 22.0, ADY=22)
    data = adsl(*subjects, *lonely), adqs(*records, only_first, only_later)
    whole = run(study({**CHANGE, "model": {"constrained": True}}), *data)
    change = run(study({**CHANGE, "model": {"covariates": []}}), *data)
    assert whole.value("fit", "n_subjects") == 42
    for term in ("arm-at-all-visits", "arm-by-visit"):
        assert whole.one(term, "f")["n_subjects"] == 42
    assert change.value("fit", "n_subjects") <= 40
    assert change.value("excluded", "n", level="NO BASELINE VALUE") == 1
    assert whole.rows(term="excluded", level="NO BASELINE VALUE").empty
    key = {"visit": "WEEK3", "arm": "CTL"}
    assert (
        whole.value("observed-value", "n", **key)
        == whole.value("observed-change", "n", **key) + 1
    )
    # Who has a later value alone has no change either, though the model uses it.
    for arm, more in (("ACT", 1), ("CTL", 1)):
        n = whole.value("no-post-baseline", "n", arm=arm)
        assert n == change.value("no-post-baseline", "n", arm=arm) >= more


def test_the_baseline_record_counts_for_baseline_wherever_it_was_made() -> None:
    subjects, records = people()
    for row in records:
        if row["AVISIT"] == "BASELINE":
            row["AVISIT"] = ""
    found = run(
        study({**CHANGE, "model": {"constrained": True}}),
        adsl(*subjects),
        adqs(*records),
    )
    same = results({"constrained": True})
    assert found.value("difference", "estimate", **AT12) == pytest.approx(
        same.value("difference", "estimate", **AT12), rel=1e-12
    )


@pytest.mark.parametrize("constrained", [False, True])
def test_an_average_is_that_of_its_visits(*, constrained: bool) -> None:
    names = {"late": ["WEEK3", "WEEK12"], "all": [*DAYS]}
    found = results({"constrained": constrained, "averages": names})
    for name, visits in names.items():
        key = {"arm": "ACT", "comparator": "CTL"}
        parts = [found.value("difference", "estimate", visit=v, **key) for v in visits]
        row = found.one("difference-average", "estimate", visit="", level=name, **key)
        assert row["value"] == pytest.approx(np.mean(parts), abs=1e-9)
        means = [found.value("lsmean", "estimate", visit=v, arm="CTL") for v in visits]
        mean = found.value(
            "lsmean-average", "estimate", visit="", level=name, arm="CTL"
        )
        assert mean == pytest.approx(np.mean(means), abs=1e-9)
        limits = found.rows(term="difference-average", level=name)
        assert {"std_error", "df", "t", "p_value", "conf_low", "conf_high"} <= set(
            limits["statistic"]
        )
    everybody = found.one("lsmean-average", "estimate", level="all", arm="ACT")
    at1 = found.one("lsmean", "estimate", visit="WEEK1", arm="ACT")
    assert everybody["n_subjects"] >= at1["n_subjects"]


def test_an_average_over_a_visit_without_values_is_an_error() -> None:
    subjects, records = people()
    records = [row for row in records if row["AVISIT"] != "WEEK3"]
    spec = study({**CHANGE, "model": {"averages": {"late": ["WEEK3", "WEEK12"]}}})
    found = run(spec, adsl(*subjects), adqs(*records))
    row = found.one("lsmean-average", "estimate", level="late")
    assert row["error"] == "no value to analyse at Week 3, so no average over it."
    assert found.rows(term="difference-average").empty
    assert found.value("difference", "estimate", **AT12) < 0


@pytest.mark.parametrize("kind", [2, 3])
def test_every_term_is_tested_where_asked_for(kind: int) -> None:
    found = results({"anova": kind, "covariates": ["BASE*AVISIT", "SITEGR1"]})
    rows = found.rows(term=f"type-{kind}-test")
    assert set(rows["level"]) == {
        *("TRT01P", "AVISIT, at BASE = 0", "BASE", "SITEGR1"),
        *("TRT01P:AVISIT", "BASE:AVISIT"),
    }
    assert set(rows["statistic"]) == {"f", "num_df", "den_df", "p_value"}
    for statistic in ("f", "num_df", "den_df", "p_value"):
        both = [
            found.value(f"type-{kind}-test", statistic, level="TRT01P:AVISIT"),
            found.value("arm-by-visit", statistic),
        ]
        assert both[0] == pytest.approx(both[1], rel=1e-8)
    assert results({}).rows(term=f"type-{kind}-test").empty


def test_terms_that_a_covariate_multiplies_are_tested_where_it_is_zero() -> None:
    terms = ["A", "V", "X", "Y", "A:V", "X:V", "X:Y", "X:A:V"]
    assert zero_marks(terms, {"A", "V"}) == {
        "A": ", at X = 0",
        "V": ", at X = 0",
        "X": ", at Y = 0",
        "Y": ", at X = 0",
        "A:V": ", at X = 0",
        "X:V": "",
        "X:Y": "",
        "X:A:V": "",
    }
    assert set(zero_marks(["A", "V", "X", "A:V"], {"A", "V"}).values()) == {""}


@pytest.mark.parametrize("kind", [2, 3])
def test_a_test_at_zero_moves_with_the_zero_of_the_covariate(kind: int) -> None:
    def tests(shift: float) -> pd.Series[float]:
        rows = frame_of().query("AVISIT in @DAYS")
        fit = fit_mmrm(
            "CHG ~ TRT01P*AVISIT + BASE*AVISIT",
            rows.assign(BASE=rows["BASE"] - shift),
            subject="USUBJID",
            visit="AVISIT",
            covariance="cs",
            levels=LEVELS,
        )
        return anova(fit, type=kind).set_index("term")["statistic"]

    raw, centred = tests(0.0), tests(32.0)
    marks = zero_marks(list(raw.index), LEVELS)
    moved = {term for term in raw.index if abs(raw[term] / centred[term] - 1) > 1e-4}
    assert moved == {term for term, mark in marks.items() if mark} == {"AVISIT"}


def test_a_spatial_covariance_falls_with_the_days_between_visits() -> None:
    found = results({"covariance": "sp_exp"})
    near = found.value("residual-correlation", "estimate", visit="WEEK3", level="WEEK1")
    far = found.value("residual-correlation", "estimate", visit="WEEK12", level="WEEK1")
    assert far == pytest.approx(near ** ((85 - 8) / (22 - 8)), rel=1e-8)
    assert (
        "spatial exponential covariance over target days of the visits"
        in (found.one("difference", "estimate", **AT12)["method"])
    )


def test_observed_days_are_those_of_the_records() -> None:
    found = results({"covariance": "sp_exp", "coordinates": "observed-day"})
    row = found.one("difference", "estimate", **AT12)
    assert "over days observed" in row["method"]
    rows = frame_of().query("AVISIT in @DAYS").copy()
    rows["days"] = rows["ADY"].astype(float) - 1
    fit = fit_mmrm(
        "CHG ~ TRT01P*AVISIT + BASE",
        rows,
        subject="USUBJID",
        visit="AVISIT",
        covariance="sp_exp",
        coordinates="days",
        levels=LEVELS,
    )
    means = emmeans(fit, "TRT01P", by="AVISIT")
    frame = contrasts(means, reference="CTL").frame.set_index("AVISIT")
    assert row["value"] == pytest.approx(frame.loc["WEEK12", "estimate"], rel=1e-9)
    # At the target days, so that one table can hold it.
    near = found.value("residual-correlation", "estimate", visit="WEEK3", level="WEEK1")
    far = found.value("residual-correlation", "estimate", visit="WEEK12", level="WEEK1")
    assert far == pytest.approx(near ** ((85 - 8) / (22 - 8)), rel=1e-8)
    assert results({"covariance": "sp_exp"}).value(
        "difference", "estimate", **AT12
    ) != pytest.approx(row["value"], rel=1e-6)


def test_observed_days_that_are_absent_or_shared_are_told() -> None:
    subjects, records = people()
    model = {"covariance": "sp_exp", "coordinates": "observed-day"}
    spec = study({**CHANGE, "model": model})
    first = next(row for row in records if row["AVISIT"] == "WEEK1")
    first["ADY"] = None
    found = run(spec, adsl(*subjects), adqs(*records))
    assert found.value("excluded", "n", level="ADY is missing") == 1
    for row in records:
        if row["USUBJID"] == first["USUBJID"]:
            row["ADY"] = 8
    found = run(spec, adsl(*subjects), adqs(*records))
    assert "share subject and study day" in found.one("analysis", "estimate")["error"]
    assert "say coordinates: target-day" in found.one("analysis", "estimate")["error"]


def test_proportional_means_follow_the_records() -> None:
    equal = results({"covariates": ["BASE", "SITEGR1"]})
    share = results({"covariates": ["BASE", "SITEGR1"], "means": "proportional"})
    # Two of three subjects are of site A, whose changes are lower by 3 points.
    key = {"visit": "WEEK12", "arm": "CTL"}
    assert share.value("lsmean", "estimate", **key) < equal.value(
        "lsmean", "estimate", **key
    )
    assert share.value("difference", "estimate", **AT12) == pytest.approx(
        equal.value("difference", "estimate", **AT12), abs=1e-9
    )


def test_one_arm_and_one_visit_are_ordinary_in_every_model() -> None:
    subjects, records = people()
    arms = [{"id": "ACT", "label": "Active", "active": True}]
    design = {
        "study": {
            "id": "small",
            "title": "t",
            "compound": "c",
            "indication": "i",
            "design": "single-arm",
        }
    }
    own = [row for row in records if row["USUBJID"].startswith("ACT")]
    few = [row for row in own if row["AVISIT"] in ("BASELINE", "WEEK12")]
    for model in ({}, {"constrained": True}, {"covariance": "cs", "vcov": "cr2"}):
        for rows in (own, few):
            spec = study({**CHANGE, "model": model}, arms=arms, **design)
            found = run(spec, adsl(*subjects[:20]), adqs(*rows))
            mean = found.one("lsmean", "estimate", visit="WEEK12", arm="ACT")
            assert mean["error"] == ""
            assert mean["value"] < 0
            assert found.rows(term="difference").empty


def test_a_ladder_records_every_step() -> None:
    subjects, records = people(per_arm=5)
    spec = study({**CHANGE, "model": {"covariance": ["us", "toeph", "cs"]}})
    keep = [
        row for row in records if row["USUBJID"] < "ACT-02" or "CTL" in row["USUBJID"]
    ]
    found = run(spec, adsl(*subjects), adqs(*keep))
    steps = found.rows(term="ladder", statistic="covariance")
    assert list(steps["text"]) == ["us", "toeph", "cs"][: len(steps)]
    assert found.rows(term="ladder", statistic="converged")["value"].iloc[-1] == 1
