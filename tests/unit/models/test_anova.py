"""Tests of terms: what is tested, when it cannot be, and what does not matter."""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models import anova, contrasts, emmeans, fit_mmrm, joint_test
from outcomes.models.design import code_rows
from outcomes.models.mmrm.results import MmrmFit
from unit.models.trials import make_trial

NUMBERS = ["statistic", "num_df", "den_df", "p_value"]
ARMS = ("placebo", "low", "high")
LEVELS = {"arm": list(ARMS)}
FORMULAS = [
    "base + site + arm*week",
    "base*week + arm*week + site",
    "base*arm*site + week",
    "site*arm*week",
    "week + arm:week",
    "arm:week",
    "site + arm:week + base:arm",
    "0 + arm + site + week",
    "0 + arm:week + base",
]


def _fit(formula: str, data: pd.DataFrame | None = None, **options: Any) -> MmrmFit:
    return fit_mmrm(
        f"change ~ {formula}",
        make_trial(n=120, arms=ARMS) if data is None else data,
        subject="subject",
        visit="week",
        **{"covariance": "cs", "levels": LEVELS, **options},
    )


def _row(fit: MmrmFit, term: str, kind: int = 3) -> pd.Series:
    return anova(fit, kind).set_index("term").loc[term, NUMBERS]


def _assert_same(one: Any, two: Any, rel: float = 1e-8) -> None:
    assert list(map(float, one)) == pytest.approx(list(map(float, two)), rel=rel)


def _grid(fit: MmrmFit) -> pd.DataFrame:
    """All levels, with three values of the covariate."""
    parts = {**fit.design.factors, **{name: (0.5, 1.0, 4.0) for name in ["base"]}}
    rows = pd.DataFrame(list(itertools.product(*parts.values())), columns=list(parts))
    for name, levels in fit.design.factors.items():
        rows[name] = pd.Categorical(rows[name], categories=list(levels), ordered=True)
    return rows


def _sum_to_zero_rows(fit: MmrmFit, formula: str) -> dict[str, np.ndarray]:
    """Type III by another way: the coefficients of a sum-to-zero coding of a grid."""
    from formulaic import model_matrix

    grid = _grid(fit)
    summed = re.sub(r"\b(arm|site|week)\b", r"C(\1, contr.sum)", formula)
    coded = model_matrix(summed, grid)
    change = np.linalg.pinv(coded.to_numpy(float)) @ code_rows(fit.design, grid)
    slices = coded.model_spec.term_slices
    names = {
        str(term).replace("C(", "").replace(", contr.sum)", ""): place
        for term, place in slices.items()
    }
    return {name: change[place] for name, place in names.items() if name != "1"}


def test_one_row_per_term_in_the_order_of_the_formula() -> None:
    table = anova(_fit("base + site + arm*week"))
    assert list(table.columns) == ["term", *NUMBERS]
    assert list(table["term"]) == ["base", "site", "arm", "week", "arm:week"]
    assert list(table["num_df"]) == [1.0, 2.0, 2.0, 3.0, 6.0]
    assert table.attrs["reasons"] == {}
    assert table[NUMBERS].notna().all(axis=None)
    assert anova(_fit("1"), type=2).empty


@pytest.mark.parametrize("formula", FORMULAS[:-2])
def test_type_3_is_the_test_of_sum_to_zero_coefficients(formula: str) -> None:
    fit = _fit(formula)
    expected = _sum_to_zero_rows(fit, formula)
    table = anova(fit).set_index("term")
    assert set(table.index) == set(expected)
    for term, rows in expected.items():
        if formula.startswith("0") and term == "arm":
            continue  # there it also tests the constant; see the test of no intercept
        other = joint_test(fit, rows).iloc[0]
        _assert_same(table.loc[term, NUMBERS], other[NUMBERS])


def _indicators(fit: MmrmFit, term: str) -> np.ndarray:
    """All cell indicators of a term, times its covariates, over the rows used."""
    frame = fit.design.frame
    out = np.ones((len(frame), 1))
    for name in term.split(":") if term != "constant" else []:
        part = (
            pd.get_dummies(frame[name]).to_numpy(float)
            if name in fit.design.factors
            else frame[[name]].to_numpy(float)
        )
        out = (out[:, :, None] * part[:, None, :]).reshape(len(frame), -1)
    return out


def _adjusted(fit: MmrmFit, term: str, others: list[str]) -> np.ndarray:
    """Rows X1'M X, in an orthonormal basis, by singular values of indicators."""
    X1 = _indicators(fit, term)
    rest = X1
    if others:
        X0 = np.hstack([_indicators(fit, other) for other in others])
        rest = X1 - X0 @ np.linalg.lstsq(X0, X1, rcond=None)[0]
    u, size, _ = np.linalg.svd(rest, full_matrices=False)
    return u[:, size > 1e-8 * np.linalg.norm(X1)].T @ fit.design.X


@pytest.mark.parametrize("formula", FORMULAS)
def test_type_2_adjusts_for_terms_that_do_not_contain_it(formula: str) -> None:
    fit = _fit(formula, df="kenward-roger")
    table = anova(fit, type=2).set_index("term")
    assert len(table)
    for term in table.index:
        own = set(term.split(":"))
        others = [] if formula.startswith("0") else ["constant"]
        for other in table.index:
            further = set(other.split(":")) - own
            contains = own < set(other.split(":")) and "base" not in further
            if other != term and not contains:
                others.append(other)
        expected = joint_test(fit, _adjusted(fit, term, others)).iloc[0]
        _assert_same(table.loc[term, NUMBERS], expected[NUMBERS], rel=1e-7)


@pytest.mark.parametrize("formula", ["base + arm*week", "site + week*arm"])
def test_types_agree_in_balanced_data(formula: str) -> None:
    trial = make_trial(arms=ARMS, dropout=0.0, gaps=0.0)
    fit = _fit(formula, trial)
    _assert_same(
        anova(fit, 2)[NUMBERS].to_numpy().ravel(),
        anova(fit, 3)[NUMBERS].to_numpy().ravel(),
    )


def test_types_differ_where_data_are_unbalanced() -> None:
    fit = _fit("base + site*arm + week")
    assert abs(_row(fit, "arm", 2).statistic - _row(fit, "arm", 3).statistic) > 0.1
    _assert_same(_row(fit, "site:arm", 2), _row(fit, "site:arm", 3))


def test_main_effect_of_type_3_is_that_of_equally_weighted_means() -> None:
    fit = _fit("base + site + arm*week", df="satterthwaite")
    # Differences from the reference: these rows settle the degrees of freedom too.
    means = contrasts(emmeans(fit, "arm"), reference="placebo")
    _assert_same(_row(fit, "arm"), joint_test(means).iloc[0])


def test_term_without_its_margin_is_tested_within_levels() -> None:
    fit = _fit("base + week + arm:week", df="satterthwaite")
    within = contrasts(emmeans(fit, "arm", by="week"), reference="placebo")
    _assert_same(_row(fit, "arm:week"), joint_test(within).iloc[0])
    assert _row(fit, "arm:week").num_df == 8.0


def test_factor_that_interacts_with_a_covariate_is_tested_where_it_is_zero() -> None:
    fit = _fit("base*arm + week", df="satterthwaite")
    at_zero = contrasts(emmeans(fit, "arm", at={"base": 0.0}), reference="placebo")
    for kind in (2, 3):
        _assert_same(_row(fit, "arm", kind), joint_test(at_zero).iloc[0])
    slope = sum(
        emmeans(fit, "arm", at={"base": x}).L.mean(axis=0) * sign
        for x, sign in ((1.0, 1.0), (0.0, -1.0))
    )
    _assert_same(_row(fit, "base"), joint_test(fit, slope).iloc[0])


def test_without_an_intercept_a_second_factor_leaves_the_first_its_contrasts() -> None:
    with_, without = _fit("arm + week"), _fit("0 + arm + week")
    for kind in (2, 3):
        _assert_same(_row(without, "arm", kind), _row(with_, "arm", kind))
    assert _row(_fit("0 + arm"), "arm").num_df == 3.0


def test_neither_order_nor_names_of_levels_matter() -> None:
    trial = make_trial(arms=ARMS)
    plain = anova(_fit("base + site*arm + week", trial))
    turned = anova(_fit("base + site*arm + week", trial, levels={"arm": ARMS[::-1]}))
    _assert_same(plain[NUMBERS].to_numpy().ravel(), turned[NUMBERS].to_numpy().ravel())
    odd = {"placebo": "a:b[T.x]", "low": "b:site[T.S1]", "high": "1"}
    named = trial.assign(arm=trial["arm"].map(odd), week=trial["week"] + 0.5)
    renamed = anova(
        _fit("base + site*arm + week", named, levels={"arm": list(odd.values())})
    )
    _assert_same(plain[NUMBERS].to_numpy().ravel(), renamed[NUMBERS].to_numpy().ravel())
    boolean = trial[trial["arm"] != "low"].assign(arm=lambda d: d["arm"] == "high")
    assert _row(_fit("arm*week", boolean, levels=None), "arm").num_df == 1.0


@pytest.mark.parametrize("df", ["satterthwaite", "residual", "asymptotic"])
def test_inference_is_that_of_the_fit(df: str) -> None:
    fit = _fit("base + arm*week", df=df)
    rows = np.zeros((6, len(fit.terms)))
    places = [j for j, name in enumerate(fit.terms) if "arm" in name and "week" in name]
    rows[np.arange(6), places] = 1.0
    _assert_same(_row(fit, "arm:week"), joint_test(fit, rows).iloc[0])


# --- what cannot be tested ------------------------------------------------------------


def _without_cell() -> pd.DataFrame:
    trial = make_trial(arms=ARMS)
    return trial[~((trial["arm"] == "high") & (trial["week"] == 8))]


def test_empty_cell_takes_the_tests_that_need_it_and_no_other() -> None:
    fit = _fit("base + site + arm*week", _without_cell())
    table = anova(fit)
    reasons = table.attrs["reasons"]
    assert set(reasons) == {"arm", "week", "arm:week"}
    assert reasons["arm:week"] == (
        "1 of 6 degrees of freedom not estimable: no record has arm 'high' and week 8"
    )
    lost = table.set_index("term")[NUMBERS].isna().all(axis=1)
    assert set(lost[lost].index) == set(reasons)
    site = [j for j, name in enumerate(fit.terms) if name.startswith("site")]
    expected = joint_test(fit, np.eye(len(fit.terms))[site]).iloc[0]
    _assert_same(_row(fit, "site"), expected)


def test_type_2_main_effects_survive_an_empty_cell() -> None:
    fit = _fit("base + site + arm*week", _without_cell(), df="residual")
    table = anova(fit, type=2)
    assert set(table.attrs["reasons"]) == {"arm:week"}
    rows = _adjusted(fit, "arm", ["constant", "base", "site", "week"])
    _assert_same(_row(fit, "arm", 2), joint_test(fit, rows).iloc[0], rel=1e-7)


def test_copy_of_a_factor_leaves_neither_a_test() -> None:
    trial = make_trial(arms=ARMS).assign(centre=lambda d: d["site"])
    for kind in (2, 3):
        table = anova(_fit("site + centre + arm*week", trial), kind)
        reasons = table.attrs["reasons"]
        assert set(reasons) == {"site", "centre"}
        assert "2 of 2 degrees of freedom not estimable" in reasons["site"]
        assert "columns of the model repeat others: centre[T.S1]" in reasons["centre"]
        clean = anova(_fit("site + arm*week", trial), kind).set_index("term")
        kept = table.set_index("term").loc[["arm", "week", "arm:week"], NUMBERS]
        _assert_same(
            kept.to_numpy().ravel(), clean.loc[kept.index, NUMBERS].to_numpy().ravel()
        )


def test_factor_nested_in_another_says_what_is_lost() -> None:
    trial = make_trial(arms=ARMS)
    number = trial["subject"].str[1:].astype(int)
    trial["clinic"] = trial["site"] + "-" + (number % 2).astype(str)
    for kind in (2, 3):
        reasons = anova(_fit("site + clinic + week", trial), kind).attrs["reasons"]
        assert set(reasons) == {"site", "clinic"}
        assert reasons["clinic"].startswith("2 of 5 degrees of freedom not estimable")


def test_factor_with_one_level_has_nothing_to_compare() -> None:
    one = make_trial(arms=("active",))
    table = anova(_fit("base + arm*week", one, levels=None))
    reasons = table.attrs["reasons"]
    assert set(reasons) == {"arm", "arm:week"}
    assert "arm has the one level 'active'" in reasons["arm"]
    alone = anova(_fit("base + week", one, levels=None)).set_index("term")
    _assert_same(table.set_index("term").loc["week", NUMBERS], alone.loc["week"])


def test_test_that_does_not_exist_is_named() -> None:
    fit = _fit("base + arm*week")
    broken = dataclasses.replace(fit, cov_theta=np.full_like(fit.cov_theta, np.nan))
    table = anova(broken)
    assert table["statistic"].isna().all()
    assert set(table.attrs["reasons"]) == set(table["term"])


@pytest.mark.parametrize("shift", [0.0, 2024.0, 1.7e9])
def test_origin_of_a_covariate_does_not_decide_what_is_estimable(shift: float) -> None:
    trial = _without_cell()
    size = 86_400.0 if shift > 1e6 else 1.0
    moved = trial.assign(day=shift + size * (trial["base"] - 30.0))
    for kind in (2, 3):
        table = anova(_fit("arm*week + day*site", moved), kind)
        expected = {"arm:week"} | ({"arm", "week"} if kind == 3 else set())
        assert set(table.attrs["reasons"]) == expected
        # The slopes do not know where the day count begins.
        still = anova(_fit("arm*week + base*site", trial), kind).set_index("term")
        slope = table.set_index("term").loc["day", NUMBERS]
        _assert_same(slope, still.loc["base", NUMBERS], rel=1e-5)


def test_constrained_factor_is_tested_where_it_is_free() -> None:
    fit = _fit("base + arm*week", constrained=("arm", 1), df="satterthwaite")
    differences = contrasts(emmeans(fit, "arm", by="week"), reference="placebo")
    free = differences.frame["week"].to_numpy() != 1
    whole = joint_test(fit, differences.L[free]).iloc[0]
    _assert_same(_row(fit, "arm:week")[:2], whole[:2])
    average = contrasts(emmeans(fit, "arm"), reference="placebo")
    _assert_same(_row(fit, "arm"), joint_test(average).iloc[0])
    with pytest.raises(ModelError, match=r"constrained at the first visit.*type=3"):
        anova(fit, type=2)
    outside = _fit("base + arm + week", constrained=("arm", 1))
    with pytest.raises(ModelError, match="interaction of arm, week that is no term"):
        anova(outside)


@pytest.mark.parametrize("kind", [1, 4, "III", None])
def test_other_types_are_refused(kind: Any) -> None:
    with pytest.raises(ModelError, match="Choose 2 or 3"):
        anova(_fit("arm + week"), type=kind)


def test_what_is_no_fit_is_refused() -> None:
    with pytest.raises(ModelError, match="DataFrame is not a fit"):
        anova(pd.DataFrame())  # type: ignore[arg-type]
