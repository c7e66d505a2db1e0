"""Leaving out a level is fitting the same model to the other records."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models.comparisons import contrasts
from outcomes.models.estimates import Estimates
from outcomes.models.inference import STATISTICS
from outcomes.models.means import emmeans
from outcomes.models.mmrm.fit import fit_mmrm
from outcomes.models.mmrm.influence import leave_one_out
from outcomes.models.mmrm.results import MmrmFit
from unit.models.trials import make_trial

FORMULA = "change ~ base*week + arm*week"
OPTIONS: dict[str, dict[str, Any]] = {
    "us, Kenward-Roger": {},
    "ml, toeph by arm, Satterthwaite": {
        "method": "ml",
        "covariance": "toeph",
        "group": "arm",
    },
    "sp_exp, weights, CR2": {
        "covariance": "sp_exp",
        "coordinates": "day",
        "weights": "weight",
        "df": "satterthwaite",
        "vcov": "cr2",
    },
    "r_mmrm, ladder": {
        "covariance": ["ar1h", "ar1"],
        "preset": "r_mmrm",
        "df": "kenward-roger",
    },
    "constrained, between-within": {
        "constrained": ("arm", 1),
        "df": "between-within",
        "levels": {"arm": ["placebo", "active"]},
    },
}


def _trial(**options: Any) -> pd.DataFrame:
    data = make_trial(**options)
    rng = np.random.default_rng(8)
    data["day"] = 7 * data["week"] + rng.integers(-2, 3, len(data))
    data["weight"] = rng.uniform(0.4, 2.5, len(data))
    return data


def _fit(data: pd.DataFrame, formula: str = FORMULA, **options: Any) -> MmrmFit:
    return fit_mmrm(formula, data, subject="subject", visit="week", **options)


def _difference(fit: MmrmFit) -> Estimates:
    return contrasts(emmeans(fit, "arm", by="week"), reference="placebo")


def _means(fit: MmrmFit) -> Estimates:
    return emmeans(fit, "arm", by="week")


@pytest.mark.parametrize("name", OPTIONS)
def test_each_site_left_out_is_the_same_call_on_the_others(name):
    data = _trial()
    options = {"levels": {"arm": ["placebo", "active"]}, **OPTIONS[name]}
    fit = _fit(data, **options)
    table = leave_one_out(fit, data, "site", _difference)
    full = _difference(fit).frame
    assert list(table.columns) == [
        *("site", "subjects_left_out", "records_left_out"),
        *full.columns,
        *("converged", "message"),
    ]
    assert list(table["site"].unique()) == ["", "S0", "S1", "S2"]
    assert table["converged"].all()
    first = table[table["site"] == ""]
    numbers = list(STATISTICS)
    assert np.array_equal(first[numbers], full[numbers], equal_nan=True)
    assert (first[["subjects_left_out", "records_left_out"]] == 0).all(axis=None)
    for site in ("S0", "S1", "S2"):
        gone = data[data["site"] == site]
        again = _difference(_fit(data.drop(gone.index), **options)).frame
        rows = table[table["site"] == site].reset_index(drop=True)
        assert (rows["subjects_left_out"] == gone["subject"].nunique()).all()
        assert (rows["records_left_out"] == len(gone)).all()
        assert (
            rows[["week", "arm"]]
            .astype(object)
            .equals(again[["week", "arm"]].astype(object))
        )
        # Under the constraint the first visit is 0 by definition, and 0/0 a NaN.
        assert np.allclose(
            rows[numbers], again[numbers], rtol=1e-9, atol=1e-12, equal_nan=True
        )


def test_each_subject_in_turn():
    data = _trial(n=20)
    fit = _fit(data, "change ~ arm*week", covariance="cs")
    table = leave_one_out(fit, data, "subject", _difference)
    assert len(table) == 4 * 21
    assert (table["subjects_left_out"].iloc[4:] == 1).all()
    assert table["records_left_out"].iloc[4:].sum() == 4 * len(data)


def test_a_site_of_the_formula_leaves_its_column_and_says_so():
    data = _trial()
    formula = FORMULA + " + site"
    fit = _fit(data, formula)
    table = leave_one_out(fit, data, "site", _means)
    # The reference level goes as well as any other; means average over the rest.
    for site in ("S0", "S2"):
        again = _means(_fit(data[data["site"] != site], formula)).frame
        rows = table[table["site"] == site]
        assert np.allclose(rows["estimate"], again["estimate"], rtol=1e-9)
        assert set(rows["message"]) == {f"site: no row used has level {site!r}"}
    assert set(table.loc[table["site"] == "", "message"]) == {""}


def test_records_without_outcome_and_excluded_ones_stay_out():
    data = _trial()
    data.loc[::9, "change"] = np.nan
    data.loc[1::9, "base"] = np.nan
    data["site"] = pd.Categorical(data["site"], ["S2", "S1", "S0", "closed"])
    fit = _fit(data, missing="exclude")
    table = leave_one_out(fit, data.set_index(data.index * 3), "site", _difference)
    assert list(table["site"].unique()) == ["", "S2", "S1", "S0"]
    assert table.groupby("site")["records_left_out"].first().sum() == fit.n_records
    again = _fit(data[data["site"] != "S1"], missing="exclude")
    rows = table[table["site"] == "S1"]
    assert np.allclose(rows["estimate"], _difference(again).frame["estimate"])


@pytest.mark.parametrize("visit", [2, 8])
def test_a_visit_only_one_site_had_still_separates_its_neighbours(visit):
    data = _trial()
    data = data[(data["week"] != visit) | (data["site"] == "S1")]
    data = data[data["week"] != 4]  # declared, and attended by nobody
    levels = {"week": [1, 2, 4, 8]}
    fit = _fit(data, "change ~ arm*week", covariance="ar1", levels=levels)
    table = leave_one_out(fit, data, "site", _difference)
    again = _fit(
        data[data["site"] != "S1"],
        "change ~ arm*week",
        covariance="ar1",
        levels=levels,
    )
    rows = table[table["site"] == "S1"]
    assert np.allclose(rows["estimate"], _difference(again).frame["estimate"])
    assert len(rows) == 2
    assert set(rows["message"]) == {f"week: no row used has level {visit}"}


def test_what_cannot_be_refitted_is_a_row_with_its_reason():
    data = _trial()
    data = data[(data["arm"] == "placebo") | (data["site"] == "S0")]
    fit = _fit(data, covariance="cs")
    table = leave_one_out(fit, data, "site", _difference)
    rows = table[table["site"] == "S0"]
    assert list(rows["week"]) == list(table.loc[table["site"] == "", "week"])
    assert rows[list(STATISTICS)].isna().all(axis=None)
    assert not rows["converged"].any()
    assert rows["message"].str.contains("one level 'placebo'").all()
    others = table[~table["site"].isin(["", "S0"])]
    assert others["estimate"].notna().all()
    # A summary that fails on what is left is a reason too.
    table = leave_one_out(
        fit, data, "arm", lambda fit: _pick(fit, ["placebo", "active"])
    )
    rows = table[table["arm_left_out"] == "active"]
    assert rows["estimate"].isna().all()
    assert rows["message"].str.contains("KeyError").all()


def _pick(fit: MmrmFit, arms: list[str]) -> Estimates:
    means = emmeans(fit, "arm")
    means.frame.set_index("arm").loc[arms]
    return means


def test_a_structure_the_rest_cannot_support_says_so():
    data = _trial(n=24)
    data["half"] = np.where(data["subject"] < "P003", "few", "many")
    fit = _fit(data, "change ~ arm*week")
    table = leave_one_out(fit, data, "half", _difference)
    rows = table[table["half"] == "many"]
    assert rows["estimate"].isna().all()
    assert rows["message"].iloc[0].startswith("no covariance structure can be fitted")


def test_a_factor_of_the_summary_keeps_its_column():
    data = _trial()
    fit = _fit(data)
    table = leave_one_out(fit, data, "week", _difference)
    counts = ["subjects_left_out", "records_left_out"]
    assert list(table.columns[:3]) == ["week_left_out", *counts]
    last = table[table["week_left_out"] == 8]
    assert list(last["week"]) == [1, 2, 4]


def test_records_without_a_level_are_in_every_fit():
    data = _trial()
    data["therapist"] = data["site"].where(data["site"] != "S2")
    fit = _fit(data)
    table = leave_one_out(fit, data, "therapist", _difference)
    assert list(table["therapist"].unique()) == ["", "S0", "S1"]
    n = int((data["site"] == "S2").sum())
    assert table.attrs["messages"] == (
        f"therapist is missing in {n} records, which are in every fit",
    )
    again = _difference(_fit(data[data["site"] != "S0"])).frame
    rows = table[table["therapist"] == "S0"]
    assert np.allclose(rows["estimate"], again["estimate"])


def test_other_data_and_columns_are_refused():
    data = _trial()
    fit = _fit(data)
    for other in (
        data.iloc[1:],
        data.sample(frac=1.0, random_state=1),
        data.assign(change=data["change"] + 1.0),
        data.assign(change="none"),
    ):
        with pytest.raises(ModelError, match="data is not what the fit was made from"):
            leave_one_out(fit, other, "site", _difference)
    with pytest.raises(ModelError, match="no column 'centre'"):
        leave_one_out(fit, data, "centre", _difference)
    with pytest.raises(ModelError, match="'study' has fewer than two levels"):
        leave_one_out(fit, data.assign(study="A"), "study", _difference)
