"""Means, contrasts of them, contrasts of those, and joint tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models import contrasts, emmeans, fit_mmrm, joint_test, tidy
from outcomes.models.mmrm.results import MmrmFit
from unit.models.trials import make_trial

NUMBERS = [
    "estimate",
    "std_error",
    "df",
    "statistic",
    "p_value",
    "conf_low",
    "conf_high",
]


@pytest.fixture(scope="module")
def fit() -> MmrmFit:
    return fit_mmrm(
        "change ~ base + site + arm*week",
        make_trial(arms=("placebo", "low", "high")),
        subject="subject",
        visit="week",
        levels={"arm": ["placebo", "low", "high"]},
    )


def test_columns_are_those_promised(fit: MmrmFit) -> None:
    assert list(tidy(fit).columns) == ["term", *NUMBERS]
    means = emmeans(fit, "arm", by="week")
    assert list(means.frame.columns) == ["term", "arm", "week", *NUMBERS]
    assert list(means.frame["arm"][:3]) == ["placebo", "low", "high"]
    assert list(means.frame["week"][:3]) == [1, 1, 1]
    found = contrasts(means, reference="placebo")
    assert list(found.frame.columns) == ["term", "arm", "week", "reference", *NUMBERS]
    assert list(found.frame["term"][:3]) == [
        "low - placebo, 1",
        "high - placebo, 1",
        "low - placebo, 2",
    ]
    assert set(found.frame["reference"]) == {"placebo"}
    assert means.L.shape == (12, len(fit.beta))
    np.testing.assert_allclose(means.L @ fit.beta, means.frame["estimate"], rtol=1e-12)


def test_means_put_covariates_at_their_mean_and_factors_at_equal_weights(
    fit: MmrmFit,
) -> None:
    beta = dict(zip(fit.terms, fit.beta, strict=True))
    sites = [f"site[T.S{i}]" for i in (1, 2)]
    base = float(fit.design.frame["base"].mean())
    by_hand = (
        beta["Intercept"]
        + beta["base"] * base
        + sum(beta[s] for s in sites) / 3
        + beta["arm[T.low]"]
        + beta["week[T.4]"]
        + beta["arm[T.low]:week[T.4]"]
    )
    frame = emmeans(fit, "arm", by="week").frame.set_index(["arm", "week"])
    assert frame.estimate["low", 4] == pytest.approx(by_hand, rel=1e-12)


def test_proportional_weights_are_shares_of_records(fit: MmrmFit) -> None:
    beta = dict(zip(fit.terms, fit.beta, strict=True))
    used = fit.design.frame
    share = used["site"].value_counts(normalize=True)
    equal = emmeans(fit, "arm", by="week").frame
    weighted = emmeans(fit, "arm", by="week", weights="proportional").frame
    shift = sum(beta[f"site[T.{s}]"] * (share[s] - 1 / 3) for s in ("S1", "S2"))
    np.testing.assert_allclose(weighted["estimate"] - equal["estimate"], shift)
    # The proportional grand mean of a model with all main effects is the plain mean
    # of the fitted values.
    fitted = float(np.mean(fit.design.X @ fit.beta))
    plain = fit_mmrm(
        "change ~ base + site + arm", used, subject="subject", visit="week"
    )
    table = emmeans(plain, ["arm", "site"]).frame.set_index(["arm", "site"])
    counts = used.groupby(["arm", "site"], observed=True).size()
    average = np.average(table.estimate[counts.index], weights=counts)
    assert average == pytest.approx(np.mean(plain.design.X @ plain.beta), rel=1e-12)
    assert np.isfinite(fitted)


def test_pairwise_is_all_pairs(fit: MmrmFit) -> None:
    frame = contrasts(emmeans(fit, "arm"), pairwise=True).frame
    assert list(zip(frame["arm"], frame["reference"], strict=True)) == [
        ("low", "placebo"),
        ("high", "placebo"),
        ("high", "low"),
    ]
    assert frame.estimate[2] == pytest.approx(frame.estimate[1] - frame.estimate[0])


def test_named_weights(fit: MmrmFit) -> None:
    means = emmeans(fit, "arm", by="week")
    found = contrasts(means, weights={"dose": [-1, 0.5, 0.5]}).frame
    plain = contrasts(means, reference="placebo").frame
    expected = plain.groupby("week")["estimate"].mean()
    np.testing.assert_allclose(found["estimate"], expected, rtol=1e-10)
    assert set(found["arm"]) == {"dose"}
    assert list(found["term"][:2]) == ["dose, 1", "dose, 2"]


def test_differences_in_differences_compose(fit: MmrmFit) -> None:
    means = emmeans(fit, "arm", by="week")
    arms = contrasts(means, reference="placebo")
    one = contrasts(arms, reference=1, over="week").frame
    weeks = contrasts(means, reference=1, over="week")
    two = contrasts(weeks, reference="placebo", over="arm").frame
    key = ["arm", "week"]
    pd.testing.assert_frame_equal(
        one.sort_values(key)[NUMBERS].reset_index(drop=True),
        two.sort_values(key)[NUMBERS].reset_index(drop=True),
        rtol=1e-7,
    )
    term = fit.terms.index("arm[T.high]:week[T.8]")
    direct = tidy(fit).iloc[term]
    last = one.set_index(key).loc[("high", 8)]
    for column in NUMBERS:
        assert last[column] == pytest.approx(direct[column], rel=1e-8)
    assert last["term"] == "(high - placebo, 8) - (high - placebo, 1)"
    assert last["reference"] == 1


def test_pairwise_contrasts_can_be_contrasted_over_visits(fit: MmrmFit) -> None:
    pairs = contrasts(emmeans(fit, "arm", by="week"), pairwise=True)
    found = contrasts(pairs, reference=1, over="week").frame
    assert len(found) == 9
    row = found.loc[found["term"] == "(high - low, 8) - (high - low, 1)"]
    assert len(row) == 1


def test_joint_test_of_estimates_is_that_of_their_rows(fit: MmrmFit) -> None:
    means = emmeans(fit, "arm", by="week")
    interaction = contrasts(
        contrasts(means, reference="placebo"), reference=1, over="week"
    )
    L = np.zeros((6, len(fit.terms)))
    rows = [i for i, t in enumerate(fit.terms) if "arm" in t and "week" in t]
    L[np.arange(6), rows] = 1.0
    one, two = joint_test(interaction), joint_test(fit, L)
    assert list(one.columns) == ["statistic", "num_df", "den_df", "p_value"]
    np.testing.assert_allclose(one.to_numpy(), two.to_numpy(), rtol=1e-8)
    # Rows that follow from others change nothing: all pairs span the same space.
    every = contrasts(contrasts(means, pairwise=True), pairwise=True, over="week")
    np.testing.assert_allclose(joint_test(every).to_numpy(), two.to_numpy(), rtol=1e-7)


def test_one_row_joint_test_is_the_squared_t(fit: MmrmFit) -> None:
    for df in ("kenward-roger", "satterthwaite", "residual", "asymptotic"):
        other = fit_mmrm(
            "change ~ base + arm*week",
            make_trial(),
            subject="subject",
            visit="week",
            df=df,
        )
        row = tidy(other).iloc[2]
        joint = joint_test(other, np.eye(len(other.beta))[2]).iloc[0]
        assert joint.statistic == pytest.approx(row.statistic**2, rel=1e-10)
        assert joint.p_value == pytest.approx(row.p_value, rel=1e-8)


def test_limits_follow_the_level(fit: MmrmFit) -> None:
    wide = contrasts(emmeans(fit, "arm", conf_level=0.99), reference="placebo")
    narrow = contrasts(emmeans(fit, "arm"), reference="placebo", conf_level=0.5)
    assert wide.conf_level == 0.99
    assert (wide.frame["conf_low"] < narrow.frame["conf_low"]).all()
    assert (tidy(fit, 0.9)["conf_low"] > tidy(fit, 0.95)["conf_low"]).all()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda f: emmeans(f, "base"), "emmeans factors: 'base' is not known"),
        (lambda f: emmeans(f, "arm", by="wek"), "Did you mean 'week'"),
        (lambda f: emmeans(f, "arm", by="arm"), "none of them in 'by'"),
        (lambda f: emmeans(f, []), "at least one factor"),
        (lambda f: emmeans(f, "arm", weights="equals"), "Did you mean 'equal'"),
        (lambda f: emmeans(f, "arm", conf_level=95), "not between 0 and 1"),
        (lambda f: tidy(f, 1.0), "not between 0 and 1"),
        (lambda f: contrasts(emmeans(f, "arm")), "give one of reference"),
        (
            lambda f: contrasts(emmeans(f, "arm"), reference="low", pairwise=True),
            "give one of reference",
        ),
        (
            lambda f: contrasts(emmeans(f, "arm"), reference="plcebo"),
            "Did you mean 'placebo'",
        ),
        (
            lambda f: contrasts(emmeans(f, "arm"), reference="low", over="weeks"),
            "over: 'weeks' is not known",
        ),
        (
            lambda f: contrasts(emmeans(f, "arm"), weights={"d": [1, -1]}),
            "weights 'd' must be 3 numbers",
        ),
        (lambda f: joint_test(f), "give the rows"),
        (lambda f: joint_test(f, [[1.0, 2.0]]), "L has 2 columns"),
        (lambda f: joint_test(f, np.zeros((1, len(f.beta)))), "no row to test"),
        (lambda f: joint_test(emmeans(f, "arm"), [[1.0]]), "bring their own rows"),
        (lambda _: joint_test("no fit", [[1.0]]), "is not a fit"),
    ],
)
def test_wrong_questions_are_answered(fit: MmrmFit, call: Any, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        call(fit)
