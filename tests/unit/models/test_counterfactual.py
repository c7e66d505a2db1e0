"""Means of counterfactual predictions, and means at stated covariate values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models import contrasts, emmeans, fit_mmrm, means
from outcomes.models.design import code_rows
from outcomes.models.mmrm.results import MmrmFit
from unit.models.trials import make_trial

NUMBERS = ["estimate", "std_error", "df", "conf_low", "conf_high"]
ADDITIVE = "base + site + arm*week"
INTERACTING = "base*site + arm*week + base*arm"


def _fit(formula: str, **options: Any) -> MmrmFit:
    return fit_mmrm(
        f"change ~ {formula}",
        options.pop("data", make_trial(n=90)),
        subject="subject",
        visit="week",
        levels={"arm": ["placebo", "active"]},
        **options,
    )


def _predict(fit: MmrmFit, **setting: Any) -> tuple[float, float]:
    """Mean of the predictions with columns set, and its standard error, all at once."""
    rows = code_rows(fit.design, fit.design.frame.assign(**setting)).mean(axis=0)
    return float(rows @ fit.beta), float(np.sqrt(rows @ fit.cov_inference @ rows))


@pytest.mark.parametrize("formula", [ADDITIVE, INTERACTING])
def test_counterfactual_mean_is_the_mean_of_the_predictions(formula: str) -> None:
    fit = _fit(formula)
    frame = emmeans(fit, "arm", by="week", weights="counterfactual").frame
    assert len(frame) == 8
    for _, row in frame.iterrows():
        estimate, std_error = _predict(fit, arm=row["arm"], week=row["week"])
        assert row["estimate"] == pytest.approx(estimate, rel=1e-10)
        assert row["std_error"] == pytest.approx(std_error, rel=1e-10)
    alone = emmeans(fit, "arm", weights="counterfactual").frame.set_index("arm")
    for arm in ("placebo", "active"):  # the visits as observed
        estimate, std_error = _predict(fit, arm=arm)
        assert alone.estimate[arm] == pytest.approx(estimate, rel=1e-10)
        assert alone.std_error[arm] == pytest.approx(std_error, rel=1e-10)


def test_records_are_averaged_not_subjects() -> None:
    fit = _fit(ADDITIVE)
    used = fit.design.frame
    per_subject = used.drop_duplicates("subject")
    assert used["base"].mean() != pytest.approx(per_subject["base"].mean(), abs=1e-3)
    found = emmeans(fit, "arm", by="week", weights="counterfactual")
    place = fit.terms.index("base")
    np.testing.assert_allclose(found.L[:, place], used["base"].mean(), rtol=1e-12)


def test_without_covariate_interactions_it_is_the_proportional_mean() -> None:
    fit = _fit(ADDITIVE)
    one = emmeans(fit, "arm", by="week", weights="counterfactual")
    two = emmeans(fit, "arm", by="week", weights="proportional")
    np.testing.assert_allclose(one.L, two.L, atol=1e-12)
    pd.testing.assert_frame_equal(one.frame, two.frame, rtol=1e-9)
    # A site whose slope differs makes them differ.
    fit = _fit(INTERACTING)
    one = emmeans(fit, "arm", weights="counterfactual")
    two = emmeans(fit, "arm", weights="proportional")
    gap = (one.frame["estimate"] - two.frame["estimate"]).abs()
    assert gap.min() > 1e-4


def test_with_all_factors_named_and_no_covariate_nothing_is_averaged() -> None:
    fit = _fit("arm*week")
    one = emmeans(fit, "arm", by="week", weights="counterfactual").frame
    pd.testing.assert_frame_equal(one, emmeans(fit, "arm", by="week").frame)


def test_cutting_the_records_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = _fit(INTERACTING)
    whole = emmeans(fit, "arm", by="week", weights="counterfactual").L
    monkeypatch.setattr(means, "CHUNK", 7)
    cut = emmeans(fit, "arm", by="week", weights="counterfactual").L
    np.testing.assert_allclose(cut, whole, rtol=1e-12, atol=1e-12)


def test_contrasts_of_counterfactual_means_are_average_effects() -> None:
    fit = _fit("base*arm + week")
    effect = contrasts(
        emmeans(fit, "arm", weights="counterfactual"), reference="placebo"
    ).frame
    active, _ = _predict(fit, arm="active")
    placebo, _ = _predict(fit, arm="placebo")
    assert effect.estimate[0] == pytest.approx(active - placebo, rel=1e-9)


def test_a_level_somebody_could_not_have_is_missing() -> None:
    trial = make_trial(n=90)
    trial = trial[~((trial["arm"] == "active") & (trial["site"] == "S2"))]
    fit = _fit("base + arm*site + week", data=trial)
    frame = emmeans(fit, "arm", weights="counterfactual").frame.set_index("arm")
    assert np.isnan(frame.estimate["active"])
    assert np.isfinite(frame.estimate["placebo"])


# --- covariates at stated values ------------------------------------------------------


def test_covariates_are_where_they_are_asked_to_be() -> None:
    data = make_trial(n=90).assign(age=lambda d: 40.0 + d["base"] % 7)
    fit = _fit("base*arm + age + site + week", data=data)
    mean = float(fit.design.frame["base"].mean())
    for weights in ("equal", "proportional"):
        plain = emmeans(fit, "arm", weights=weights)
        same = emmeans(fit, "arm", weights=weights, at={"base": mean})
        pd.testing.assert_frame_equal(plain.frame, same.frame, rtol=1e-12)
    low, high = (emmeans(fit, "arm", at={"base": x}) for x in (20, 21.0))
    beta = dict(zip(fit.terms, fit.beta, strict=True))
    step = (high.frame["estimate"] - low.frame["estimate"]).tolist()
    assert step == pytest.approx(
        [beta["base"], beta["base"] + beta["base:arm[T.active]"]], rel=1e-8
    )
    place = fit.terms.index("age")  # the other one stays at its mean
    np.testing.assert_allclose(low.L[:, place], fit.design.frame["age"].mean())


def test_counterfactual_takes_a_stated_value_for_every_record() -> None:
    fit = _fit(INTERACTING)
    frame = emmeans(fit, "arm", weights="counterfactual", at={"base": 25.0}).frame
    for _, row in frame.iterrows():
        estimate, std_error = _predict(fit, arm=row["arm"], base=25.0)
        assert row["estimate"] == pytest.approx(estimate, rel=1e-10)
        assert row["std_error"] == pytest.approx(std_error, rel=1e-10)


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ({"bse": 1.0}, "emmeans at: 'bse' is not known.*Did you mean 'base'"),
        ({"site": 1.0}, "'site' is a factor; name it in 'factors' or 'by'"),
        ({"base": float("nan")}, "'base' must be a number, not nan"),
        ({"base": "30"}, "'base' must be a number, not '30'"),
        ({"base": True}, "'base' must be a number, not True"),
        ({"base": None}, "'base' must be a number, not None"),
    ],
)
def test_wrong_values_are_answered(at: Any, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        emmeans(_fit(ADDITIVE), "arm", at=at)


def test_model_without_covariates_has_none_to_set() -> None:
    with pytest.raises(ModelError, match="'base': the model has no covariates"):
        emmeans(_fit("arm*week"), "arm", at={"base": 1.0})
