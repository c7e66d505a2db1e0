"""Means on the scale of the outcome."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from outcomes.errors import ModelError
from outcomes.models import (
    anova,
    contrasts,
    emmeans,
    fit_glmm,
    fit_lmm,
    fit_logistic,
    glance,
    predict,
    standardise,
    two_proportions,
)
from unit.models.trials import make_trial

TRIAL = pd.DataFrame(
    {"arm": ["a"] * 40 + ["b"] * 50, "y": [1] * 12 + [0] * 28 + [1] * 30 + [0] * 20}
)


def test_response_scale_of_a_saturated_model_is_the_proportion() -> None:
    fit = fit_logistic("y ~ arm", TRIAL)
    found = emmeans(fit, "arm", scale="response").frame
    np.testing.assert_allclose(found["estimate"], [0.3, 0.6], rtol=1e-9)
    wald = np.sqrt([0.3 * 0.7 / 40, 0.6 * 0.4 / 50])
    np.testing.assert_allclose(found["std_error"], wald, rtol=1e-7)
    link = emmeans(fit, "arm").frame
    np.testing.assert_allclose(found["conf_low"], expit(link["conf_low"]), rtol=1e-12)
    assert found["p_value"].tolist() == link["p_value"].tolist()


def test_contrasts_stay_on_the_link_scale() -> None:
    fit = fit_logistic("y ~ arm", TRIAL)
    log_ratio = contrasts(emmeans(fit, "arm", scale="response"), reference="a").frame
    odds = two_proportions(30, 50, 12, 40, measure="odds-ratio", method="wald")
    ratio = np.exp(float(log_ratio["estimate"].iloc[0]))
    assert ratio == pytest.approx(float(odds["estimate"].iloc[0]), rel=1e-8)


def test_a_linear_model_has_one_scale() -> None:
    fit = fit_lmm("change ~ arm", make_trial(), random={"subject": "1"})
    both = [emmeans(fit, "arm", scale=scale).frame for scale in ("link", "response")]
    pd.testing.assert_frame_equal(*both)


def test_another_scale_is_refused() -> None:
    fit = fit_logistic("y ~ arm", TRIAL)
    with pytest.raises(ModelError, match="scale: 'odds' is not known"):
        emmeans(fit, "arm", scale="odds")


def test_predictions_have_both_scales() -> None:
    fit = fit_logistic("y ~ arm", TRIAL)
    rows = pd.DataFrame({"arm": ["a", "b"]})
    link, response = (predict(fit, rows, scale=scale) for scale in ("link", "response"))
    np.testing.assert_allclose(response["estimate"], [0.3, 0.6], rtol=1e-9)
    np.testing.assert_allclose(expit(link["estimate"]), [0.3, 0.6], rtol=1e-9)


def test_what_a_user_of_r_types_first_is_answered() -> None:
    trial = make_trial()
    with pytest.raises(ModelError, match=r"Random effects go in random=\{'id': '1'\}"):
        fit_lmm("change ~ arm + (1|subject)", trial)
    with pytest.raises(ModelError, match="random: give groupings and their effects"):
        fit_lmm("change ~ arm", trial)
    fit = fit_lmm("change ~ arm", trial, random={"subject": "1"})
    with pytest.raises(ModelError, match="tests the terms of one fit"):
        anova(fit, fit)


def test_a_numeric_arm_has_no_levels_to_set() -> None:
    fit = fit_logistic("y ~ arm", TRIAL.assign(arm=(TRIAL["arm"] == "b").astype(int)))
    with pytest.raises(ModelError, match=r"a column of numbers.*levels=\{'arm'"):
        standardise(fit, "arm")


def test_glance_of_a_generalised_mixed_model_counts_all_parameters() -> None:
    trial = make_trial().assign(y=lambda rows: (rows["change"] < -2).astype(int))
    fit = fit_glmm("y ~ arm", trial, random={"subject": "1"})
    row = glance(fit).iloc[0]
    assert row["n_parameters"] == 3
    assert row["aic"] == pytest.approx(-2 * fit.loglik + 6)
    assert row["n_quad"] == 25
