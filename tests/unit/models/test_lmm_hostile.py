"""Linear mixed models: what is asked wrongly, and data that are hard or hopeless."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from outcomes.errors import ModelError
from outcomes.models import (
    component_tests,
    fit_lmm,
    random_effects,
    tidy,
    variance_components,
)
from outcomes.models.mixed.results import LmmFit
from unit.models.lmm_dense import CASES, dense_of, make_sessions

FORMULA = "y ~ arm*t + x"


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Sessions, with a constant, and the arm of the subject and not of the session."""
    found = make_sessions(1)
    who = found["id"].str[1:].astype(int)
    return found.assign(own=np.where(who % 2, "B", "A"), one=1.0, c=3.0)


def _fit(data: pd.DataFrame, random: Any, **options: Any) -> LmmFit:
    return fit_lmm(options.pop("formula", FORMULA), data, random=random, **options)


# What is not understood


@pytest.mark.parametrize(
    "terms",
    [
        *("", " ", "0", "-1", "1 - 1", "2", "1.5", "1 +", "--t", "1|t", "1 + t | id"),
        *("__import__('os')", "1 + `t`", "1 + 'a'", "log(t)", "I(t)", "np.exp(t)"),
        *("t**2", "y", "1 + y", "C(arm)", "{t}", "1 + t\\", "os.system", "lambda: 1"),
        *("|| t", "0 || t", "1 || ", "1 || t || x", "1 || t + t"),
        *("1 || 1", "1 || t + 1", "1 || 0 + t", "1 || t*x", "1 || t - 1", "1 || (t)"),
    ],
)
def test_effects_that_are_refused(data: pd.DataFrame, terms: str) -> None:
    with pytest.raises(ModelError, match=r"^random: "):
        _fit(data, {"site": terms})


@pytest.mark.parametrize(
    "grouping",
    [
        *("", " ", "1", ":", "/", "site:", "site/", "/site", "site+id", "site*id"),
        *("(site)", "`site`", "__import__('os')", "site/id:ther", "MM(ther, second)"),
        *("mm()", "mm(ther)", "mm(ther second)", "mm(ther, ther)", "site:site", "y"),
        *("mm(ther, nope)", "mm(mm(ther, second))", "mm(ther, second):site"),
    ],
)
def test_groupings_that_are_refused(data: pd.DataFrame, grouping: str) -> None:
    with pytest.raises(ModelError, match=r"^random: "):
        _fit(data, {grouping: "1"})


@pytest.mark.parametrize(
    "random",
    [
        *({}, None, [], "site", "1|site", {"site": 1}, {1: "1"}, {"site": None}),
        *({("site",): "1"}, {"site": ["1"]}, [("site", "1")]),
    ],
)
def test_specifications_that_are_refused(data: pd.DataFrame, random: Any) -> None:
    with pytest.raises(ModelError, match=r"^random: .*\{'USUBJID': '1 \+ WEEK'\}"):
        _fit(data, random)


def test_a_name_nearly_right_is_suggested(data: pd.DataFrame) -> None:
    for random, right in (
        ({"sites": "1"}, "site"),
        ({"mm(ther, secnd)": "1"}, "second"),
        ({"id": "1 + tt"}, "t"),
    ):
        with pytest.raises(ModelError, match=f"Did you mean '{right}'"):
            _fit(data, random)


@pytest.mark.parametrize(
    "random",
    [
        {"site": "1", " site ": "1"},
        {"site": "1", "site/id": "1"},
        {"site/id": "1", "site:id": "1"},
        {"mm(ther,second)": "1", "mm( ther , second )": "1"},
    ],
)
def test_the_same_effect_twice_is_refused(data: pd.DataFrame, random: Any) -> None:
    with pytest.raises(ModelError, match="given twice"):
        _fit(data, random)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "REML"}, "method"),
        ({"df": "kr"}, "df"),
        ({"df": "between-within"}, "df"),
        ({"preset": "sas"}, "preset"),
        ({"missing": "drop"}, "missing"),
        ({"method": "ml", "df": "kenward-roger"}, "REML"),
    ],
)
def test_options_that_are_refused(
    data: pd.DataFrame, options: dict[str, str], said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        _fit(data, {"site": "1"}, **options)


# Data that cannot answer


@pytest.mark.parametrize(
    ("random", "said"),
    [
        ({"id": "1 + c"}, "'c' is 3 in all rows"),
        ({"id": "0 + c"}, "'c' is 3 in all rows"),
        ({"id": "1 + x"}, "no level of 'id' has two different values of 'x'"),
        (
            {"id": "1 + own"},
            r"no level of 'id' has two different values of 'own\[T.B\]",
        ),
        ({"id": "0 + own"}, r"no level of 'id' shows both 'own\[A\]' and 'own\[B\]'"),
        ({"id": "1 || own"}, r"no level of 'id' shows both 'own\[A\]' and 'own\[B\]'"),
        ({"one": "1"}, "'one' has the one level 1.0"),
        ({"c:one": "1"}, "one level '3.0:1.0'"),
        ({"record": "1"}, "'record' has 77 levels with Intercept"),
        ({"id": "1 + t + u + x:t + x:u"}, "which cannot be told from the residuals"),
    ],
)
def test_what_the_data_do_not_show_is_refused(
    data: pd.DataFrame, random: dict[str, str], said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        _fit(data.assign(record=range(len(data))), random)


def test_one_visit_shows_no_slope(data: pd.DataFrame) -> None:
    first = data[data["t"] == 0.0]
    with pytest.raises(ModelError, match="'t' is 0 in all rows"):
        _fit(first, {"site": "1 + t"}, formula="y ~ arm")


@pytest.mark.parametrize(
    "random",
    [
        {"site": "1", "therapist": "1"},
        {"site": "1 + t", "therapist": "1 || u"},
        {"site:ther": "1", "ther:site": "1"},
        {"mm(ther, second)": "1", "mm(second, ther)": "1"},
    ],
)
def test_groupings_that_divide_alike_are_refused(
    data: pd.DataFrame, random: dict[str, str]
) -> None:
    names = dict(zip(sorted(data["site"].unique()), "dcba", strict=True))
    with pytest.raises(ModelError, match=r"divide the records alike.*Leave one out"):
        _fit(data.assign(therapist=data["site"].map(names)), random)


@pytest.mark.parametrize(
    ("formula", "random"),
    [
        ("y ~ site + t", {"site": "1"}),
        ("y ~ site*t", {"id": "1", "site": "0 + t"}),
        ("y ~ id", {"site": "1", "ther": "1"}),
        ("y ~ arm*ther", {"arm:ther": "1"}),
    ],
)
def test_groupings_in_the_formula_too_are_refused(
    data: pd.DataFrame, formula: str, random: dict[str, str]
) -> None:
    # Their restricted likelihood is flat: any variance is as good as any other.
    with pytest.raises(ModelError, match="nothing is left to vary between them"):
        _fit(data, random, formula=formula)


def test_different_effects_of_groupings_that_divide_alike(data: pd.DataFrame) -> None:
    both = _fit(data.assign(same=data["id"]), {"id": "1", "same": "0 + t"})
    one = _fit(data, {"id": "1 || t"})
    assert both.loglik == pytest.approx(one.loglik, abs=1e-9)


def test_a_flat_likelihood_is_said() -> None:
    # Arms of sites, and an effect of the site besides: three variances for two.
    rng = np.random.default_rng(1)
    site = np.repeat(np.arange(12), 5)
    frame = pd.DataFrame({"site": site, "a": site % 2, "b": 1 - site % 2})
    frame["y"] = rng.normal(size=12)[site] * (1 + site % 2) + rng.normal(size=60)
    for df in ("satterthwaite", "kenward-roger"):
        fit = fit_lmm("y ~ a", frame, random={"site": "1 || a + b"}, df=df)
        if not fit.boundary:
            assert any("likelihood is flat" in m for m in fit.convergence.messages)
            assert tidy(fit)["p_value"].isna().all()
    assert not fit.boundary


def test_a_grouping_within_another_under_another_name(data: pd.DataFrame) -> None:
    pairs = data.assign(pair=data["id"].str[1:].astype(int) // 2)
    named, written = (
        _fit(pairs, random) for random in ({"pair": "1", "id": "1"}, {"pair/id": "1"})
    )
    assert named.loglik == pytest.approx(written.loglik, abs=1e-10)
    np.testing.assert_allclose(tidy(named)["df"], tidy(written)["df"], rtol=1e-6)


@pytest.mark.parametrize("missing", ["error", "exclude"])
def test_missing_groupings_and_slopes(data: pd.DataFrame, missing: str) -> None:
    holes = data.copy()
    holes.loc[2, "site"] = None
    holes.loc[[4, 5], "u"] = np.nan
    holes.loc[6, ["ther", "second"]] = None
    holes.loc[7, "y"] = np.nan
    random = {"site": "1 + u", "mm(ther, second)": "1"}
    if missing == "error":
        with pytest.raises(ModelError, match=r"name no member of mm\(ther, second\)"):
            _fit(holes, random)
        with pytest.raises(ModelError, match=r"site in 1.*u in 2"):
            _fit(holes.drop(index=6), random)
        return
    fit = _fit(holes, random, missing="exclude")
    assert fit.n_records == len(data) - 5
    assert fit.n_excluded == 5 == sum(fit.excluded.values())
    assert fit.excluded["no member of mm(ther, second)"] == 1
    whole = _fit(data.drop(index=[2, 4, 5, 6, 7]), random)
    assert fit.loglik == pytest.approx(whole.loglik, abs=1e-10)


def test_members_alone_with_a_covariate_missing(data: pd.DataFrame) -> None:
    random = {"mm(ther, second)": "1"}
    assert _fit(data, random).n_records == len(data)
    holes = data.copy()
    holes.loc[[3, 4], "x"] = np.nan
    holes.loc[5, "y"] = np.nan
    with pytest.raises(ModelError, match=r"miss x in 2 \(first: row 4, 5\)"):
        _fit(holes, random)
    fit = _fit(holes, random, missing="exclude")
    assert fit.excluded == {"y is missing": 1, "x is missing": 2}
    assert _fit(holes.drop(index=[3, 4]), random).excluded == {"y is missing": 1}


@pytest.mark.parametrize(
    ("column", "random"),
    [("ther", {"mm(ther, second)": "1"}), ("site", {"site": "1"}), ("y", {"id": "1"})],
)
def test_a_column_that_is_there_twice(
    data: pd.DataFrame, column: str, random: dict[str, str]
) -> None:
    twice = pd.concat([data, data[[column]]], axis=1)
    with pytest.raises(ModelError, match=f"more than one column '{column}'"):
        _fit(twice, random)


def test_members_that_are_lists(data: pd.DataFrame) -> None:
    lists = data.assign(second=[["T1"]] * len(data))
    with pytest.raises(ModelError, match="'second' holds lists"):
        _fit(lists, {"mm(ther, second)": "1"})


def test_levels_whose_types_have_no_order(data: pd.DataFrame) -> None:
    mixed = data.assign(second=[1 if v else None for v in data["second"].notna()])
    with pytest.raises(ModelError, match=r"'mm\(ther, second\)' mixes types"):
        _fit(mixed, {"mm(ther, second)": "1"})
    order = [1, *sorted(data["ther"].unique())]
    assert _fit(mixed, {"mm(ther, second)": "1"}, levels={"ther": order}).n_groups == {
        "mm(ther, second)": 7
    }


@pytest.mark.parametrize(
    "y", ["4.2", "1 + 2 * t", "x", "x + t * 3", "text", "inf"], ids=str
)
def test_outcomes_that_leave_no_variance(data: pd.DataFrame, y: str) -> None:
    if y == "text":
        wrong = data.assign(y="a")
    elif y == "inf":
        wrong = data.assign(y=np.inf)
    else:
        wrong = data.assign(y=data.eval(y) if y != "4.2" else 4.2)
    with pytest.raises(ModelError, match=r"without remainder|numbers|infinite"):
        _fit(wrong, {"id": "1"})


def test_an_outcome_constant_within_levels_is_said(data: pd.DataFrame) -> None:
    z = data["id"].str[1:].astype(float) ** 2
    fit = _fit(data.assign(y=z), {"id": "1"}, formula="y ~ t")
    assert not fit.convergence.converged
    assert "explain 'y' almost without remainder" in " ".join(fit.convergence.messages)


def test_as_many_coefficients_as_records(data: pd.DataFrame) -> None:
    with pytest.raises(ModelError, match="nothing is left to estimate"):
        _fit(data.iloc[:5], {"arm": "1"}, formula="y ~ t + x + u + own")
    fit = _fit(data.iloc[:6], {"ther": "1"}, formula="y ~ t + x + u")
    assert np.isfinite(fit.loglik)


# Data that are hard


@pytest.mark.parametrize("ratio", [1e2, 1e3, 1e4])
@pytest.mark.parametrize("case", ["intercept", "correlated slope", "nested", "crossed"])
def test_residuals_far_smaller_than_random_effects(case: str, ratio: float) -> None:
    frame = make_sessions(3, n=30)
    rng = np.random.default_rng(0)
    who = frame["id"].str[1:].astype(int).to_numpy()
    b, slope = rng.normal(size=(2, 30))[:, who] * ratio
    frame["y"] = 1 + b + (slope * frame["t"] if "slope" in case else 0)
    frame["y"] += rng.normal(size=len(frame))
    fit = fit_lmm("y ~ arm*t", frame, random=CASES[case][0])
    assert fit.convergence.converged
    model = dense_of(fit, frame, case, fit.design.X)
    psi = model.psi_of(fit)
    tolerance = 1e-9 * ratio
    assert fit.loglik == pytest.approx(model.loglik(psi), abs=tolerance)
    assert model.score(psi)[-1] * psi[-1] == pytest.approx(0.0, abs=tolerance)


def test_the_better_of_two_optima() -> None:
    # Found by search: one with three variances, a better one with none.
    random = CASES["factor without constant"][0]
    frame = _two_optima()
    fit = fit_lmm("y ~ t", frame, random=random, method="ml")
    model = dense_of(fit, frame, "factor without constant", fit.design.X)
    start = np.array([1.0, -0.2, 0.3, np.log(0.18)])
    climbed = minimize(lambda at: -model.loglik(model.unpack(at)), start)
    other = model.unpack(climbed.x)
    assert np.abs(model.score(other) * other[-1]).max() < 1e-3
    nothing = np.array([0.0, 0.0, 0.0, 0.241013711])
    assert model.loglik(nothing) > model.loglik(other) + 0.01
    assert fit.loglik == pytest.approx(model.loglik(nothing), abs=1e-8)


def _two_optima() -> pd.DataFrame:
    r = np.random.default_rng(100025)
    n, visits = int(r.integers(6, 14)), int(r.integers(3, 6))
    sites, sd = int(r.integers(3, 5)), float(r.choice([0, 0.3, 1, 3]))
    frame = make_sessions(100025, n=n, visits=visits, sites=sites, sd=sd)
    return frame[r.random(len(frame)) < r.choice([0.6, 0.9])]


def test_a_saddle_is_left() -> None:
    # With equal and opposite slopes the gradient of the covariance vanishes at zero.
    rng = np.random.default_rng(2)
    who = np.repeat(np.arange(20), 4)
    t = np.tile([-1.5, -0.5, 0.5, 1.5], 20)
    sign = np.where(who % 2, 1.0, -1.0)
    y = sign * (2.0 + t) + 0.3 * rng.normal(size=80)
    frame = pd.DataFrame({"y": y, "t": t, "id": who})
    fit = fit_lmm("y ~ t", frame, random={"id": "1 + t"})
    apart = fit_lmm("y ~ t", frame, random={"id": "1 || t"})
    assert fit.convergence.converged
    assert fit.loglik > apart.loglik + 5.0
    C = fit.covariances[0]
    assert C[0, 1] / np.sqrt(C[0, 0] * C[1, 1]) > 0.9


def test_no_variance_at_all_is_least_squares() -> None:
    rng = np.random.default_rng(4)
    frame = make_sessions(2)
    # Between levels less than nothing: every level has the same mean residual.
    e = rng.normal(size=len(frame))
    frame["y"] = e - pd.Series(e).groupby(frame["id"]).transform("mean")
    fit = fit_lmm("y ~ 1", frame, random={"id": "1"})
    assert fit.boundary == ("the variance of Intercept of id is zero",)
    assert fit.convergence.converged
    row = tidy(fit).iloc[0]
    assert row.std_error == pytest.approx(frame["y"].std() / np.sqrt(len(frame)))
    assert row.df == pytest.approx(len(frame) - 1)
    assert not random_effects(fit)[["estimate", "std_error"]].to_numpy().any()
    table = component_tests(fit).iloc[0]
    assert (table.statistic, table.p_value) == (0.0, 1.0)
    sd = variance_components(fit).iloc[0]
    assert sd.estimate == sd.conf_low == 0.0 < sd.conf_high


def test_a_correlation_of_one_is_said() -> None:
    fit = fit_lmm("y ~ t", make_sessions(1), random={"ther": "1 + t"})
    assert fit.boundary == ("the effects Intercept, t of ther are collinear",)
    C = fit.covariances[0]
    assert abs(C[0, 1]) == pytest.approx(np.sqrt(C[0, 0] * C[1, 1]))
    assert fit.convergence.converged
    assert tidy(fit)["df"].notna().all()


def test_aliased_columns(data: pd.DataFrame) -> None:
    plain = _fit(data, {"site/id": "1"})
    copied = data.assign(copy=2.0 * data["x"] - 1.0)
    fit = _fit(copied, {"site/id": "1"}, formula=FORMULA + " + copy")
    assert fit.aliased == ("copy",)
    assert fit.loglik == pytest.approx(plain.loglik, abs=1e-9)
    table = tidy(fit)
    assert table.loc[table["term"] == "copy", "estimate"].isna().all()
    kept = table[table["term"] != "copy"]
    np.testing.assert_allclose(kept["df"], tidy(plain)["df"], rtol=1e-6)


@pytest.mark.parametrize("kind", ["int", "float", "bool", "date", "text", "category"])
def test_levels_of_every_type(data: pd.DataFrame, kind: str) -> None:
    number = data["site"].str[-1].astype(int)
    if kind == "bool":
        number = number % 2
    levels = {
        "int": number,
        "float": number + 0.5,
        "bool": number == 1,
        "date": pd.Timestamp("2020-01-01") + pd.to_timedelta(number, "D"),
        "text": number.astype(str).astype("string"),
        "category": pd.Categorical(
            number.map("s{}".format), categories=["never", "s3", "s2", "s1", "s0"]
        ),
    }[kind]
    found = _fit(data.assign(site=levels), {"site": "1", "id": "1"})
    expected = _fit(data.assign(site=number.astype(str)), {"site": "1", "id": "1"})
    assert found.loglik == pytest.approx(expected.loglik, abs=1e-10)
    shown = random_effects(found).query("grouping == 'site'")["level"].tolist()
    if kind == "category":
        assert shown == ["s3", "s2", "s1", "s0"]
    else:
        assert shown == sorted(set(levels))


@pytest.mark.parametrize("random", [{"id": "1 + t"}, {"mm(ther, second)": "1"}])
def test_labels_of_rows_mean_nothing(data: pd.DataFrame, random: Any) -> None:
    plain = _fit(data, random)
    for index in (np.zeros(len(data), int), data["id"], range(len(data), 0, -1)):
        assert _fit(data.set_index(pd.Index(index)), random).loglik == plain.loglik


def test_many_levels_take_little_memory() -> None:
    rng = np.random.default_rng(6)
    n = 20_000
    who, site = np.repeat(np.arange(n), 4), np.repeat(rng.integers(0, 60, n), 4)
    y = (
        rng.normal(size=n)[who]
        + 0.5 * rng.normal(size=60)[site]
        + rng.normal(size=4 * n)
    )
    frame = pd.DataFrame({"y": y, "id": who, "site": site})
    tracemalloc.start()
    fit = fit_lmm("y ~ 1", frame, random={"site": "1", "id": "1"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert fit.convergence.converged
    assert peak < 400e6
    assert fit.covariances[1][0, 0] == pytest.approx(1.0, rel=0.05)
