"""Importing the package costs nothing until a model is used."""

from __future__ import annotations

import doctest
import subprocess
import sys
from importlib import import_module

import pytest

import outcomes.models as models


def test_importing_the_package_loads_no_scientific_library() -> None:
    code = (
        "import sys, outcomes.models\n"
        "print(sorted({'numpy', 'pandas', 'scipy', 'formulaic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_fitting_loads_neither_scipy_stats_nor_statsmodels() -> None:
    code = (
        "import sys\n"
        "from outcomes.models import fit_mmrm, emmeans, contrasts, two_proportions\n"
        "two_proportions(1, 5, 2, 5)\n"
        "print(sorted({'statsmodels', 'scipy.stats', 'formulaic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_every_promised_name_is_there_and_is_what_its_module_defines() -> None:
    for name in models.__all__:
        assert getattr(models, name).__name__ == name
    assert dir(models) == sorted(models.__all__)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fit_everything'"):
        models.fit_everything  # noqa: B018


@pytest.mark.parametrize(
    ("module", "examples"),
    [("formula", 1), ("proportions", 3), ("satterthwaite", 2)],
)
def test_examples_in_docstrings_are_right(module: str, examples: int) -> None:
    result = doctest.testmod(import_module(f"outcomes.models.{module}"))
    assert result.failed == 0
    assert result.attempted == examples
