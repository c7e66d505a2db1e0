"""Means on the scale of the outcome."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from outcomes.errors import ModelError
from outcomes.models import contrasts, emmeans, fit_lmm, fit_logistic, two_proportions
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
