"""Covariance structures: derivatives against differences, both parameterisations."""

from __future__ import annotations

import numpy as np
import pytest

from outcomes.models.mmrm.covariance import STRUCTURES

VISITS = ("W1", "W2", "W4", "W8")
STEP = 1e-5


def distance_of(name: str) -> np.ndarray:
    # A visit nobody attended leaves a gap in the places; coordinates are any numbers.
    places = np.array([0.0, 1.0, 2.5, 7.0] if name == "sp_exp" else [0.0, 1, 3, 4])
    return np.abs(places[:, None] - places)


def theta_of(name: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    root = rng.normal(size=(4, 4)) * 0.3 + np.eye(4) * [2.0, 3.0, 2.5, 4.0]
    distance = distance_of(name)
    return STRUCTURES[name].start(root @ root.T, distance), distance


def differences(function, theta: np.ndarray) -> np.ndarray:
    """Central differences of an array-valued function, the parameter's axis first."""
    size = STEP * np.maximum(np.abs(theta), 1.0)
    out = []
    for step in np.diag(size):
        out.append((function(theta + step) - function(theta - step)) / 2 / step.sum())
    return np.array(out)


@pytest.mark.parametrize("name", STRUCTURES)
def test_derivatives_are_those_of_the_covariance(name):
    structure = STRUCTURES[name]
    theta, distance = theta_of(name)
    first = structure.first(theta, distance)
    second = structure.second(theta, distance)
    assert len(structure.names(VISITS, distance)) == len(theta) == len(first)
    assert np.allclose(
        first, differences(lambda t: structure.sigma(t, distance), theta), atol=1e-7
    )
    assert np.allclose(
        second, differences(lambda t: structure.first(t, distance), theta), atol=1e-7
    )
    assert structure.linear == (not second.any())


@pytest.mark.parametrize("name", STRUCTURES)
def test_derivatives_in_the_free_parameters(name):
    structure = STRUCTURES[name]
    theta, distance = theta_of(name)
    eta = structure.to_free(theta, distance)
    assert np.allclose(structure.from_free(eta, distance), theta, rtol=1e-12)

    def sigma(free: np.ndarray) -> np.ndarray:
        return structure.sigma(structure.from_free(free, distance), distance)

    def first(free: np.ndarray) -> np.ndarray:
        return structure.in_free(structure.from_free(free, distance), distance)[0]

    D, D2 = structure.in_free(theta, distance)
    assert np.allclose(D, differences(sigma, eta), atol=1e-6)
    assert np.allclose(D2, differences(first, eta), atol=1e-6)


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_start_is_positive_definite_however_odd_the_data(name):
    structure = STRUCTURES[name]
    signs = np.array([1.0, -1, 1, -1])
    odd = 0.97 * np.outer(signs, signs) + 0.03 * np.eye(4)
    distance = distance_of(name)
    sigma = structure.sigma(structure.start(odd, distance), distance)
    assert np.linalg.eigvalsh(sigma)[0] > 0.01


def test_individual_coordinates_add_an_axis():
    structure = STRUCTURES["sp_exp"]
    theta, distance = theta_of("sp_exp")
    many = np.stack([distance, 2.0 * distance])
    assert structure.sigma(theta, many).shape == (2, 4, 4)
    for alone, both in (
        (structure.first, structure.first(theta, many)),
        (structure.second, structure.second(theta, many)),
        (lambda t, d: structure.in_free(t, d)[1], structure.in_free(theta, many)[1]),
    ):
        for i in range(2):
            assert np.allclose(both[..., i, :, :], alone(theta, many[i]))


def test_no_covariance_is_nan_and_not_an_error():
    for name, theta in {
        "ar1": [1.0, 1.2],
        "ad": [1.0, 0.2, -1.0, 0.3],
        "sp_exp": [1.0, -0.5],
        "csh": [1.0, -1.0, 2.0, 2.0, 0.1],
    }.items():
        sigma = STRUCTURES[name].sigma(np.array(theta), distance_of(name))
        assert np.isnan(sigma).any(), name
