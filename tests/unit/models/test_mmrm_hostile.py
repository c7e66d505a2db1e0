"""What once gave a wrong number, a false convergence or a traceback."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models import (
    anova,
    conditional_mean,
    contrasts,
    draw_parameters,
    emmeans,
    fit_mmrm,
    joint_test,
    tidy,
)
from outcomes.models.mmrm.optimise import maximise
from outcomes.models.mmrm.results import MmrmFit
from unit.models.trials import make_trial


def _fit(data: Any, formula: str = "change ~ arm*week", **options: Any) -> MmrmFit:
    return fit_mmrm(formula, data, subject="subject", visit="week", **options)


def _balanced(n: int, K: int, seed: int, arms: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    who, week = np.repeat(np.arange(n), K), np.tile(np.arange(K), n)
    y = np.repeat(rng.normal(0, 2, n), K) + rng.normal(0, 1, n * K)
    arm = np.array(list("ABCDEFG"))[who % arms]
    return pd.DataFrame({"subject": who, "week": week, "arm": arm, "change": y})


# Joint tests


@pytest.mark.parametrize("vcov", ["cr0", "cr2"])
@pytest.mark.parametrize("df", ["satterthwaite", "residual", "asymptotic"])
def test_more_rows_than_subjects_are_no_test_under_a_sandwich(
    df: str, vcov: str
) -> None:
    fit = _fit(_balanced(4, 6, 1), covariance="cs", df=df, vcov=vcov)
    table = anova(fit).set_index("term")
    assert table.loc["week", ["statistic", "den_df", "p_value"]].isna().all()
    assert "sandwich covariance of these rows is singular" in anova(fit).attrs[
        "reasons"
    ].get("week", "")


def test_the_unit_of_a_covariate_drops_no_row_of_a_joint_test() -> None:
    data = make_trial()
    data["load"] = np.repeat(np.random.default_rng(2).normal(1.0, 0.3, 60), 4)[
        : len(data)
    ]
    found = []
    for unit in (1.0, 1e9):
        scaled = data.assign(load=data["load"] * unit)
        fit = _fit(scaled, "change ~ arm*week + arm*load")
        means = emmeans(fit, "arm", by="week")
        found.append(joint_test(contrasts(means, reference="active")))
    assert found[0].loc[0, "num_df"] == 4
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


def test_what_cancels_is_zero_and_not_tested() -> None:
    data = _balanced(70, 3, 3, arms=7)
    fit = _fit(data, constrained=("arm", 0))
    weights = {"others - A": [-1.0] + [1 / 6] * 6}
    found = contrasts(emmeans(fit, "arm", by="week"), weights=weights)
    first = found.frame.iloc[0]
    assert first["estimate"] == 0.0 == first["std_error"]
    assert not first["p_value"] < 1
    assert joint_test(found).loc[0, "num_df"] == 2


def test_between_within_does_not_count_what_cancels() -> None:
    data = _balanced(20, 10, 4)
    fit = _fit(data, covariance="cs", df="between-within")
    means = emmeans(fit, "arm", by="week")
    weights = {"late - first": [-1.0] + [1 / 9] * 9}
    late = contrasts(means, over="week", weights=weights)
    # Within subjects: 200 records, 20 subjects, 18 coefficients.
    assert list(late.frame["df"]) == [162.0, 162.0]


def test_no_degrees_of_freedom_have_a_reason() -> None:
    data = make_trial(n=6, arms=("A", "B", "C"), dropout=0.0, gaps=0.0)
    data["who"] = (
        data["subject"].map({f"P{i:03d}": i % 5 for i in range(6)}).astype("category")
    )
    fit = _fit(data, "change ~ arm + who", covariance="cs", df="between-within")
    table = joint_test(fit, np.eye(len(fit.beta))[1:3])
    if np.isnan(table.loc[0, "p_value"]):
        assert table.attrs["reason"]


# Convergence


@pytest.mark.parametrize("covariance", ["toeph", "adh", "cs", "toep"])
def test_a_level_for_each_subject_is_not_converged(covariance: str) -> None:
    data = make_trial(n=20)
    fit = _fit(data, "change ~ week + subject", covariance=covariance)
    assert not fit.convergence.converged
    assert tidy(fit)["std_error"].isna().all()


@pytest.mark.slow
def test_the_better_of_two_maxima_is_taken() -> None:
    # Two visits, few complete pairs: the likelihood has two maxima in many data sets.
    lower = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        n = 12
        data = _balanced(n, 2, seed)
        pairs = rng.choice(n, 4, replace=False)
        single = ~data["subject"].isin(pairs)
        keep = ~single | (data["week"] == (data["subject"] // 2) % 2)
        fit = _fit(data[keep], "change ~ week", covariance="csh", method="ml")
        if not fit.convergence.converged:
            continue

        for rho in (-0.8, 0.0, 0.8):
            start = np.array([fit.theta[0], fit.theta[1], rho])
            other = maximise(start, fit.problem)
            if other is not None and not other.message:
                lower += -0.5 * other.evaluation.deviance > fit.loglik + 1e-6
    assert lower == 0


def test_a_group_without_variance_is_named() -> None:
    data = _balanced(20, 3, 6)
    data.loc[data["arm"] == "B", "change"] = 5.0
    for covariance in ("us", "csh"):
        with pytest.raises(ModelError, match="of arm 'B' without remainder"):
            _fit(data, "change ~ 0 + arm:week", group="arm", covariance=covariance)


@pytest.mark.parametrize("copy", ["base", "zero"])
def test_an_outcome_that_is_a_covariate_is_named(copy: str) -> None:
    data = make_trial(visits=(1,))
    data["change"] = data["base"] if copy == "base" else 0.0
    with pytest.raises(ModelError, match="without remainder"):
        _fit(data, "change ~ base")


def test_a_sandwich_of_a_singular_fit_is_no_crash() -> None:
    data = _balanced(12, 3, 7)
    first = data["change"].to_numpy()[::3]
    data["change"] = np.repeat(first, 3) * np.tile([1.0, 2.0, 3.0], 12)
    fit = _fit(data, "change ~ week", covariance="us", vcov="cr2")
    assert not fit.convergence.converged
    assert list(tidy(fit)["term"]) == list(fit.terms)


def test_visits_of_very_different_spread_are_said_to_cost_digits() -> None:
    data = make_trial()
    data.loc[data["week"] == 8, "change"] *= 1e5
    fit = _fit(data, "change ~ arm*week")
    assert any("have lost digits" in text for text in fit.convergence.messages)
    assert not any(
        "lost digits" in text for text in _fit(make_trial()).convergence.messages
    )


def test_who_settles_a_coefficient_alone_is_said() -> None:
    data = make_trial()
    data["arm"] = data["arm"].mask(data["subject"] == "P007", "alone")
    fit = _fit(data, "change ~ arm*week", vcov="cr2")
    assert any("(first: subject P007)" in text for text in fit.convergence.messages)
    frame = emmeans(fit, "arm", by="week").frame
    assert frame.loc[frame["arm"] == "alone", "std_error"].isna().all()


# Labels


def test_levels_written_alike_are_refused() -> None:
    data = make_trial()
    data["arm"] = pd.Categorical(
        np.where(data["arm"] == "placebo", 0, 1), categories=[0, 1]
    )
    mixed = data["arm"].astype(object)
    mixed[data["subject"] == "P003"] = "1"
    data["arm"] = pd.Categorical(mixed, categories=[0, 1, "1"])
    with pytest.raises(ModelError, match="levels that are written alike: 1"):
        _fit(data)
    data["arm"] = np.where(make_trial()["arm"] == "active", "B", "B]:week[T.2")
    with pytest.raises(ModelError, match="cannot be in the level"):
        _fit(data)


def test_two_visits_with_individual_coordinates_are_not_labelled_as_visits() -> None:
    data = make_trial(visits=(1, 2))
    rng = np.random.default_rng(1)
    data["day"] = 7 * data["week"] + rng.integers(-2, 3, len(data))
    fit = _fit(data, covariance="sp_exp", coordinates="day")
    assert list(fit.covariance.index) == [0, 1]


def test_the_visit_may_be_weight_and_coordinate_when_predicting() -> None:
    data = make_trial()
    fit = _fit(data, covariance="sp_exp", coordinates="week", weights="week")
    table = conditional_mean(fit, data)
    np.testing.assert_array_equal(table["conditional_mean"], data["change"])


def test_visits_at_one_place_that_nobody_shares_can_be_fitted() -> None:
    data = make_trial()
    odd = data["subject"].str[-1].astype(int) % 2 == 1
    data = data[(odd & (data["week"] != 8)) | (~odd & (data["week"] != 4))]
    data["day"] = data["week"].replace({8: 4})
    fit = _fit(data, covariance="sp_exp", coordinates="day")
    assert fit.convergence.converged
    rng = np.random.default_rng(3)
    assert np.isfinite(draw_parameters(fit, rng, 5).theta).all()


# Misuse is answered


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"covariance": None}, "covariance: 'None' is not known"),
        ({"constrained": 5}, "give the factor and the first visit"),
        ({"levels": {"week": 3}}, "give 'week' a list of levels"),
        ({"levels": ["week"]}, "a mapping of columns is needed"),
        ({"weights": "huge"}, "huge goes from 1e-12 to 1, too far"),
        ({"weights": "tiny"}, "tiny goes from 1e-300 to 1e-300, too far"),
        ({"covariance": "sp_exp", "coordinates": "date"}, "'date' is a date"),
        ({"covariance": "sp_exp", "coordinates": "text"}, "it has text"),
    ],
)
def test_misuse_is_answered(options: dict[str, Any], says: str) -> None:
    data = make_trial()
    data["huge"] = np.where(np.arange(len(data)) == 0, 1e-12, 1.0)
    data["tiny"] = 1e-300
    data["date"] = pd.to_datetime("2024-01-01") + pd.to_timedelta(data["week"], "D")
    data["text"] = data["week"].astype(str)
    with pytest.raises(ModelError, match=says):
        _fit(data, **options)


@pytest.mark.parametrize("name", ["term", "estimate", "df", "reference", "self"])
def test_a_factor_named_as_a_result_is_refused(name: str) -> None:
    data = make_trial().rename(columns={"arm": name})
    with pytest.raises(ModelError, match="name of a column of the results"):
        _fit(data, f"change ~ {name}*week")


def test_what_is_no_table_is_refused() -> None:
    data = make_trial()
    with pytest.raises(ModelError, match="a DataFrame is needed, not a dict"):
        _fit({"change": [1.0]})
    wide = data.copy()
    wide.columns = pd.MultiIndex.from_product([["a"], data.columns])
    with pytest.raises(ModelError, match="several levels"):
        _fit(wide)
    listed = data.astype({"arm": object})
    listed.at[0, "arm"] = ["placebo"]
    with pytest.raises(ModelError, match="holds lists or mappings"):
        _fit(listed)
    with pytest.raises(ModelError, match="is not between 0 and 1"):
        tidy(_fit(data), conf_level="0.95")  # type: ignore[arg-type]


def test_a_fit_and_its_estimates_print_short() -> None:
    fit = _fit(make_trial())
    assert repr(fit).endswith("; converged>")
    assert len(repr(fit)) < 300
    means = emmeans(fit, "arm", by="week")
    assert len(repr(means).splitlines()) == len(means.frame) + 2
    assert len(repr(draw_parameters(fit, np.random.default_rng(1), 3))) < 150


def test_an_average_of_differences_keeps_what_it_is_a_difference_from() -> None:
    fit = _fit(make_trial())
    differences = contrasts(emmeans(fit, "arm", by="week"), reference="placebo")
    late = contrasts(differences, over="week", weights={"late": [0, 0, 0.5, 0.5]})
    row = late.frame.iloc[0]
    assert row["term"] == "late, active - placebo"
    assert row["reference"] == "placebo"
    means = contrasts(
        emmeans(fit, "arm", by="week"), over="week", weights={"late": [0, 0, 0.5, 0.5]}
    )
    assert means.frame["term"].tolist() == ["late, active", "late, placebo"]
    with pytest.raises(ModelError, match="must be 4 numbers"):
        contrasts(differences, over="week", weights={"late": {"4": 1}})  # type: ignore[dict-item]


def test_no_covariate_is_called_self() -> None:
    data = make_trial().rename(columns={"base": "self"})
    with pytest.raises(ModelError, match="name of a column of the results"):
        _fit(data, "change ~ self + arm*week")
