"""Whether a mean is a number does not depend on a covariate's unit or origin."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from outcomes.models import emmeans, fit_mmrm
from outcomes.models.mmrm.results import MmrmFit

# What each covariate z of size 1 is turned into: offset and size.
ORIGINS = [
    (0.0, 1.0),
    (2024.0, 1.0),
    (45_000.0, 1.0),
    (45_000.0, 30.0),
    (0.0, 1e9),
    (7e9, 1e9),
    (0.0, 1e-9),
    (1.7e9, 86_400.0),  # seconds since 1970, some days apart
]


def _data(seed: int, *, left: int) -> pd.DataFrame:
    """Make two arms and two visits; arm B keeps so many records of visit 1."""
    rng = np.random.default_rng(seed)
    n = 30
    data = pd.DataFrame(
        {
            "subject": np.repeat(np.arange(n), 2),
            "visit": np.tile([0, 1], n),
            "arm": np.repeat(["A", "B"] * (n // 2), 2),
            "z": np.repeat(rng.normal(0.0, 1.0, n), 2),
        }
    )
    noise = np.repeat(rng.normal(0.0, 1.0, n), 2) + rng.normal(0.0, 1.0, 2 * n)
    data["y"] = noise + data["z"]
    cell = data[(data["arm"] == "B") & (data["visit"] == 1)].index
    return data.drop(cell[left:])


def _fit(formula: str, data: pd.DataFrame) -> MmrmFit:
    return fit_mmrm(formula, data, subject="subject", visit="visit", covariance="cs")


def _means(formula: str, data: pd.DataFrame) -> pd.DataFrame:
    return emmeans(_fit(formula, data), "arm", by="visit").frame


@pytest.mark.parametrize(
    ("formula", "left", "known"),
    [
        ("y ~ arm*visit + x", 0, [True, True, True, False]),  # an empty cell
        ("y ~ arm*visit*x", 0, [True, True, True, False]),
        ("y ~ arm*visit*x", 1, [True, True, True, False]),  # a slope from one record
        ("y ~ arm*visit*x", 2, [True, True, True, True]),
        ("y ~ arm + visit + x", 0, [True, True, True, True]),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_origin_and_unit_of_a_covariate_decide_nothing(
    seed: int, formula: str, left: int, known: list[bool]
) -> None:
    data = _data(seed, left=left)
    plain = _means(formula, data.assign(x=data["z"]))
    assert list(plain["estimate"].notna()) == known
    for offset, size in ORIGINS:
        found = _means(formula, data.assign(x=offset + size * data["z"]))
        assert list(found["estimate"].notna()) == known, (offset, size)
        # A variance at the mean of x is a difference of squares of its offset.
        rtol = 1e-7 + 1e-14 * (offset / size) ** 2
        np.testing.assert_allclose(found["estimate"], plain["estimate"], rtol=rtol)
        np.testing.assert_allclose(found["std_error"], plain["std_error"], rtol=rtol)


@pytest.mark.parametrize(("offset", "size"), ORIGINS)
def test_a_copy_in_another_unit_changes_no_mean(offset: float, size: float) -> None:
    data = _data(3, left=0)
    plain = _means("y ~ arm*visit + z", data)
    data["copy"] = offset + size * data["z"]
    fit = _fit("y ~ arm*visit + z + copy", data)
    assert len(fit.aliased) == 2
    assert {"z", "copy"} & set(fit.aliased)
    found = emmeans(fit, "arm", by="visit").frame
    np.testing.assert_allclose(found["estimate"], plain["estimate"], rtol=1e-7)
    assert list(found["estimate"].notna()) == [True, True, True, False]


def test_two_covariates_far_from_zero_and_their_product() -> None:
    data = _data(4, left=2)  # two records, four coefficients in their cell
    rng = np.random.default_rng(5)
    other = np.repeat(rng.normal(0.0, 1.0, 30), 2)[data.index]
    for offset in (0.0, 2024.0):
        found = _means(
            "y ~ arm*visit*x*w", data.assign(x=data["z"] + offset, w=other + offset)
        )
        assert list(found["estimate"].notna()) == [True, True, True, False], offset


def test_a_constant_covariate_costs_no_mean() -> None:
    data = _data(6, left=30)
    plain = _means("y ~ arm*visit", data)
    found = _means("y ~ arm*visit*x", data.assign(x=2024.1))
    np.testing.assert_allclose(found["estimate"], plain["estimate"], rtol=1e-9)


def test_a_column_dropped_as_hardly_moving_takes_no_mean_with_it() -> None:
    data = _data(7, left=30).assign(x=lambda d: d["z"] + 10_000.0)
    fit = _fit("y ~ arm*visit + x + q", data.assign(q=data["x"] ** 2))
    assert fit.aliased == ("q",)  # within 1e-7 of a straight line in x
    found = emmeans(fit, "arm", by="visit").frame
    plain = _means("y ~ arm*visit + x", data)
    np.testing.assert_allclose(found["estimate"], plain["estimate"], rtol=1e-6)


def test_without_the_main_effect_the_origin_is_part_of_the_model() -> None:
    data = _data(8, left=0).assign(x=lambda d: d["z"] + 3.0)
    fit = _fit("y ~ visit + arm:visit:x", data)
    found = emmeans(fit, "arm", by="visit").frame["estimate"]
    assert list(found.notna()) == [True, True, True, False]
