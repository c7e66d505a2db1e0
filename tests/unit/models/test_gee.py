"""`fit_gee`: options, named causes of bad input, and what a fit answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models.comparisons import contrasts, joint_test
from outcomes.models.gee.fit import fit_gee
from outcomes.models.gee.results import GeeFit, summary_row
from outcomes.models.means import emmeans
from outcomes.models.mmrm.fit import fit_mmrm
from outcomes.models.tables import tidy
from outcomes.models.term_tests import anova

ORDER = ["W1", "W2", "W4", "W12"]
LEVELS = {"visit": ORDER}
FAMILY_OUTCOME = {"binomial": "yes", "gaussian": "score", "poisson": "count"}


def make_trial(n: int = 60, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"id": np.repeat(np.arange(n), 4), "visit": np.tile(ORDER, n)})
    data["arm"] = np.where(data["id"] % 2 == 0, "A", "B")
    own = rng.normal(size=n)[data["id"]]
    data["base"] = rng.normal(size=n)[data["id"]]
    data["yes"] = (rng.random(4 * n) < 0.5 + 0.2 * np.tanh(own)).astype(int)
    data["score"] = 20.0 + own + rng.normal(size=4 * n)
    data["count"] = rng.poisson(np.exp(0.6 + 0.3 * own))
    return data


TRIAL = make_trial()
GAPS = TRIAL[np.random.default_rng(9).random(len(TRIAL)) > 0.2]


def fit(
    data: pd.DataFrame = TRIAL, formula: str = "yes ~ arm*visit", **o: Any
) -> GeeFit:
    options: dict[str, Any] = {"subject": "id", "visit": "visit", "levels": LEVELS}
    return fit_gee(formula, data, **{**options, **o})


def by_hand(found: GeeFit, data: pd.DataFrame, power: float) -> np.ndarray:
    """Sandwich of the definition, a loop over subjects."""
    X = found.design.X
    eta = X @ found.beta
    mean, slope = found.inverse_link(eta), found.inverse_link_slope(eta)
    spread = {
        "binomial": mean * (1 - mean),
        "gaussian": np.ones_like(mean),
        "poisson": mean,
    }[found.family]
    places = data["visit"].map(ORDER.index).to_numpy()
    whole = found.correlations
    if found.structure in ("independence", "exchangeable"):
        off = found.alpha[0] if len(found.alpha) else 0.0
        whole = np.full((4, 4), off) + (1 - off) * np.eye(4)
    bread, parts = np.zeros((X.shape[1],) * 2), []
    for who in data["id"].unique():
        own = np.flatnonzero((data["id"] == who).to_numpy())
        D = X[own] * slope[own, None]
        root = np.sqrt(spread[own])
        R = whole[np.ix_(places[own], places[own])]
        V = np.linalg.inv(R * np.outer(root, root))
        bread += D.T @ V @ D
        parts.append((D, V, (found.design.y - mean)[own]))
    inverse = np.linalg.inv(bread)
    meat = np.zeros_like(bread)
    for D, V, residual in parts:
        values, vectors = np.linalg.eig(np.eye(len(D)) - D @ inverse @ D.T @ V)
        A = (vectors * values.astype(complex) ** power) @ np.linalg.inv(vectors)
        score = D.T @ V @ (A.real @ residual)
        meat += np.outer(score, score)
    return inverse @ meat @ inverse


@pytest.mark.parametrize(
    "structure", ["independence", "exchangeable", "ar1", "unstructured"]
)
@pytest.mark.parametrize("family", FAMILY_OUTCOME)
def test_sandwiches_are_those_of_the_definition(family: Any, structure: Any) -> None:
    powers = {"robust": 0.0, "kauermann-carroll": -0.5, "mancl-derouen": -1.0}
    for vcov, power in powers.items():
        found = fit(
            GAPS,
            f"{FAMILY_OUTCOME[family]} ~ base + arm*visit",
            family=family,
            structure=structure,
            vcov=vcov,
        )
        assert found.convergence.converged
        expected = by_hand(found, GAPS, power)
        assert found.cov_inference == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("structure", ["exchangeable", "ar1", "unstructured"])
def test_estimating_equations_are_solved(structure: Any) -> None:
    found = fit(GAPS, "yes ~ base + arm", structure=structure, link="probit")
    whole = found.correlation.to_numpy()
    X, mean = found.design.X, found.inverse_link(found.design.X @ found.beta)
    slope = found.inverse_link_slope(X @ found.beta)
    total = np.zeros(X.shape[1])
    places = GAPS["visit"].map(ORDER.index).to_numpy()
    for who in GAPS["id"].unique():
        own = np.flatnonzero((GAPS["id"] == who).to_numpy())
        root = np.sqrt(mean[own] * (1 - mean[own]))
        own_places = places[own] if structure != "exchangeable" else np.arange(len(own))
        V = whole[np.ix_(own_places, own_places)] * np.outer(root, root)
        D = X[own] * slope[own, None]
        total += D.T @ np.linalg.solve(V, found.design.y[own] - mean[own])
    assert np.abs(total).max() < 1e-6


def test_balanced_gaussian_is_least_squares_with_the_plain_sandwich() -> None:
    found = fit(formula="score ~ arm", family="gaussian", structure="exchangeable")
    means = TRIAL.groupby("arm")["score"].mean()
    assert found.beta == pytest.approx([means["A"], means["B"] - means["A"]])


def test_order_of_records_and_unit_of_the_outcome_do_not_matter() -> None:
    first = fit(GAPS, "score ~ base + arm*visit", family="gaussian", structure="ar1")
    mixed = GAPS.sample(frac=1.0, random_state=4)
    mixed = mixed.assign(score=1e6 + 1e3 * mixed["score"])
    other = fit(mixed, "score ~ base + arm*visit", family="gaussian", structure="ar1")
    assert other.beta[1:] / 1e3 == pytest.approx(first.beta[1:], rel=1e-7)
    assert other.cov_inference / 1e6 == pytest.approx(first.cov_inference, rel=1e-6)
    assert other.alpha == pytest.approx(first.alpha, rel=1e-8)
    assert other.scale == pytest.approx(1e6 * first.scale, rel=1e-8)


def test_a_missing_visit_is_a_gap_for_ar1() -> None:
    three = TRIAL[TRIAL["visit"] != "W2"]
    gap = fit(three, "yes ~ arm", structure="ar1")
    shift = fit(
        three, "yes ~ arm", structure="ar1", levels={"visit": ["W1", "W4", "W12"]}
    )
    a, b = gap.alpha[0], shift.alpha[0]
    assert gap.correlation.loc["W1", "W4"] == pytest.approx(a**2)
    assert shift.correlation.loc["W1", "W4"] == pytest.approx(b)
    assert abs(a - b) > 0.01
    assert "visit: no row used has level 'W2'" in gap.convergence.messages


def test_moments_n_p_divides_by_less() -> None:
    plain = fit(formula="score ~ 1", family="gaussian", structure="unstructured")
    less = fit(
        formula="score ~ 1", family="gaussian", structure="unstructured", moments="n-p"
    )
    n = len(TRIAL)
    assert less.scale / plain.scale == pytest.approx(n / (n - 1), rel=1e-2)
    ratio = (less.alpha * less.scale) / (plain.alpha * plain.scale)
    assert ratio == pytest.approx(60 / 59, rel=1e-2)
    assert less.alpha_names[0] == "W1, W2"


def test_tables_means_contrasts_and_tests() -> None:
    found = fit(structure="unstructured", df="clusters", vcov="mancl-derouen")
    table = tidy(found)
    assert (table["df"] == 60 - 8).all()
    means = emmeans(found, "arm", by="visit")
    share = TRIAL[TRIAL["visit"] == "W12"].groupby("arm")["yes"].mean()
    at_end = means.frame[means.frame["visit"] == "W12"].set_index("arm")["estimate"]
    for arm in ("A", "B"):
        fitted = found.inverse_link(np.array(at_end[arm]))
        assert fitted == pytest.approx(share[arm], rel=1e-6)
    differences = contrasts(means, reference="A")
    test = joint_test(differences)
    assert test.loc[0, "num_df"] == 4
    assert test.loc[0, "den_df"] == 52
    assert anova(found)["term"].tolist() == ["arm", "visit", "arm:visit"]
    first = differences.frame.loc[0]
    one = joint_test(found, differences.L[:1])
    assert one.loc[0, "statistic"] == pytest.approx(first["statistic"] ** 2)
    assert one.loc[0, "p_value"] == pytest.approx(first["p_value"])


def test_asymptotic_is_the_default() -> None:
    table = tidy(fit())
    assert np.isinf(table["df"]).all()


def test_summary_row() -> None:
    row = summary_row(fit(df="clusters"))
    assert row["method"] == "gee"
    assert row["covariance"] == "exchangeable"
    assert (row["n_subjects"], row["n_records"], row["rank"]) == (60, 240, 8)
    assert row["converged"] is True
    assert -1 < row["alpha"] < 1
    assert np.isnan(summary_row(fit(structure="unstructured"))["alpha"])


def test_slope_is_the_derivative() -> None:
    eta = np.linspace(-3.0, 3.0, 7)
    for outcome, family, link in (
        ("yes", "binomial", "logit"),
        ("yes", "binomial", "probit"),
        ("count", "poisson", "log"),
        ("score", "gaussian", "identity"),
    ):
        found = fit(formula=f"{outcome} ~ arm", family=family, link=link)
        change = found.inverse_link(eta + 1e-5) - found.inverse_link(eta - 1e-5)
        assert found.inverse_link_slope(eta) == pytest.approx(change / 2e-5, rel=1e-8)


def test_missing_outcomes_are_counted_and_aliased_columns_named() -> None:
    data = TRIAL.assign(twin=TRIAL["arm"], yes=TRIAL["yes"].where(TRIAL.index % 7 > 0))
    found = fit(data, "yes ~ arm + twin")
    assert found.excluded == {"yes is missing": found.n_excluded}
    assert found.n_excluded == 35
    assert found.aliased == ("twin[T.B]",)
    assert np.isnan(tidy(found)["estimate"].iloc[-1])
    assert any("twin[T.B]" in text for text in found.convergence.messages)


def test_numeric_visit_in_the_formula_is_a_factor_and_said_so() -> None:
    data = TRIAL.assign(
        visit=TRIAL["visit"].map({"W1": 1, "W2": 2, "W4": 4, "W12": 12})
    )
    found = fit(data, levels=None, structure="ar1")
    assert len(found.beta) == 8
    assert any("a trend needs a column" in text for text in found.convergence.messages)


EMPTY = TRIAL.assign(
    yes=TRIAL["yes"].where(~((TRIAL["arm"] == "B") & (TRIAL["visit"] == "W12")), 0)
)


@pytest.mark.parametrize(
    "structure", ["independence", "exchangeable", "ar1", "unstructured"]
)
@pytest.mark.parametrize("link", ["logit", "probit"])
def test_separation_is_named_and_spares_the_rest(structure: Any, link: Any) -> None:
    found = fit(EMPTY, structure=structure, link=link)
    assert found.convergence.status == "not-converged"
    said = [m for m in found.convergence.messages if "separation" in m]
    assert len(said) == 1
    assert "arm[T.B]:visit[T.W12]" in said[0]
    table = tidy(found).set_index("term")
    assert np.isnan(table.loc["arm[T.B]:visit[T.W12]", "std_error"])
    others = table.drop("arm[T.B]:visit[T.W12]")
    assert (others["std_error"] > 0.1).all()
    means = contrasts(emmeans(found, "arm", by="visit"), reference="A").frame
    assert means["std_error"].isna().tolist() == [False, False, False, True]
    assert "run off" in anova(found).attrs["reasons"]["arm:visit"]


def test_complete_separation_by_a_covariate() -> None:
    found = fit(TRIAL.assign(yes=(TRIAL["base"] > 0).astype(int)), "yes ~ base")
    assert not found.convergence.converged
    assert any("separation" in text for text in found.convergence.messages)
    assert tidy(found)["std_error"].isna().all()


def test_an_empty_cell_of_counts_runs_off_too() -> None:
    here = (TRIAL["arm"] == "B") & (TRIAL["visit"] == "W12")
    data = TRIAL.assign(count=TRIAL["count"].where(~here, 0))
    found = fit(data, "count ~ arm*visit", family="poisson")
    assert not found.convergence.converged
    assert np.isnan(tidy(found)["std_error"].iloc[-1])


def test_a_correlation_that_is_none_is_marked() -> None:
    rng = np.random.default_rng(1)
    wide = rng.normal(size=(20, 4))
    wide[:, 3] = wide[:, 0] + wide[:, 1]
    data = pd.DataFrame(
        {"id": np.repeat(np.arange(20), 4), "visit": np.tile([1, 2, 3, 4], 20)}
    ).assign(score=wide.ravel())
    first = (data["id"] % 3 == 0) & (data["visit"] == 1)
    second = (data["id"] % 3 == 1) & (data["visit"] == 2)
    found = fit(
        data[~(first | second)],
        "score ~ 1",
        family="gaussian",
        structure="unstructured",
        levels=None,
    )
    assert not found.convergence.converged
    assert any("positive definite" in text for text in found.convergence.messages)
    assert np.isnan(found.cov_inference).all()
    assert np.isfinite(found.beta).all()


def test_fewer_subjects_than_coefficients_is_said() -> None:
    few = TRIAL[TRIAL["id"] < 6]
    found = fit(few, "score ~ arm*visit", family="gaussian", df="clusters")
    assert any("6 subjects for 8" in text for text in found.convergence.messages)
    assert tidy(found)["p_value"].isna().all()
    plain = fit(few, "score ~ arm*visit", family="gaussian")
    every = joint_test(plain, np.eye(8))
    assert "singular" in every.attrs["reason"]
    assert np.isnan(every.loc[0, "p_value"])


def test_a_subject_alone_in_an_arm() -> None:
    data = TRIAL.assign(arm=np.where(TRIAL["id"] == 5, "C", TRIAL["arm"]))
    with pytest.raises(ModelError, match="rests on it alone"):
        fit(data, "score ~ arm", family="gaussian", vcov="mancl-derouen")
    found = fit(data, "score ~ arm", family="gaussian", vcov="kauermann-carroll")
    assert any("id 5" in text for text in found.convergence.messages)


def test_few_subjects_are_warned_of() -> None:
    few = TRIAL[TRIAL["id"] < 20]
    found = fit(few, "score ~ arm", family="gaussian")
    assert any("too small as a rule" in text for text in found.convergence.messages)
    corrected = fit(few, "score ~ arm", family="gaussian", vcov="mancl-derouen")
    assert corrected.convergence.messages == ()


@pytest.mark.parametrize(
    ("data", "options", "match"),
    [
        (TRIAL.assign(yes=TRIAL["yes"] + 1), {}, r"must be 0 or 1 .* have 2 \("),
        (TRIAL.assign(yes=0), {}, "is 0 in all 240 records"),
        (pd.concat([TRIAL, TRIAL.head(2)]), {}, "2 pairs of id and visit"),
        (TRIAL, {"formula": "score ~ arm", "family": "poisson"}, "must be a count"),
        (TRIAL, {"levels": None}, "the order of 'visit' is not known"),
        (
            TRIAL,
            {"visit": None, "structure": "ar1", "formula": "yes ~ arm"},
            "give visit=",
        ),
        (TRIAL, {"visit": "week"}, "no column 'week'"),
        (TRIAL, {"structure": "ar"}, "Did you mean 'ar1'"),
        (TRIAL, {"vcov": "mancl"}, "vcov: 'mancl' is not known"),
        (TRIAL, {"df": "residual"}, "df: 'residual' is not known"),
        (TRIAL, {"moments": "n-1"}, "moments: 'n-1' is not known"),
        (TRIAL, {"family": "binomal"}, "Did you mean 'binomial'"),
        (TRIAL, {"link": "log"}, "link of family 'binomial': 'log' is not known"),
        (
            TRIAL[TRIAL["visit"] == "W1"],
            {"structure": "ar1", "formula": "yes ~ arm"},
            "all records are at visit 'W1'",
        ),
        (
            TRIAL[TRIAL["visit"] == "W1"],
            {"formula": "yes ~ arm"},
            "every id has one record",
        ),
        (
            TRIAL[(TRIAL["id"] % 2 == 0) == TRIAL["visit"].isin(["W1", "W2"])],
            {"structure": "unstructured", "formula": "yes ~ arm"},
            "no id has records at both W1 and W4",
        ),
        (
            TRIAL[TRIAL["id"] < 4],
            {"structure": "unstructured", "moments": "n-p"},
            "leaves nothing to divide by",
        ),
        (
            TRIAL.assign(twice=2.0 * TRIAL["score"]),
            {"formula": "score ~ twice", "family": "gaussian"},
            "reproduces the outcome exactly",
        ),
    ],
)
def test_bad_input_has_a_named_cause(
    data: pd.DataFrame, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(ModelError, match=match):
        fit(data, **options)


@pytest.mark.parametrize("visit", ["visit", "week"])
def test_visits_are_refused_in_the_words_of_fit_mmrm(visit: str) -> None:
    said = []
    for call in (fit_gee, fit_mmrm):
        with pytest.raises(ModelError) as caught:
            call("score ~ arm", TRIAL, subject="id", visit=visit)
        said.append(str(caught.value))
    assert said[0] == said[1]
