"""The errors a user can meet, each saying what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class OutcomesError(Exception):
    """Root of every error this package raises on purpose.

    ``exit_code`` is what the command line returns for it.
    """

    exit_code = 1


class SpecError(OutcomesError):
    """The study file is not valid."""


class DataError(OutcomesError):
    """A raw or intermediate data file breaks its contract."""


class UsageError(OutcomesError):
    """The command was called wrongly."""

    exit_code = 2


class ModelError(OutcomesError):
    """The input of a model cannot be analysed."""

    exit_code = 3


class ConvergenceFailure(OutcomesError):
    """An analysis needs a converged fit and did not get one."""

    exit_code = 3


class RenderError(OutcomesError):
    """A display cannot be drawn from the results it was given."""


def one_of(value: object, allowed: Iterable[str], *, name: str) -> str:
    """Say that ``value`` is not an allowed one, list those and name the nearest.

    Parameters
    ----------
    value : object
        What was given.
    allowed : iterable of str
        The legal values.
    name : str
        What the value is for, as the user wrote it (an option or a key path).

    Returns
    -------
    str
        The sentence, ready to be raised.

    Examples
    --------
    >>> one_of("unstructred", ["us", "cs"], name="covariance")
    "covariance: 'unstructred' is not known. Choose one of us, cs."
    >>> one_of("u", ["us", "cs"], name="covariance")
    "covariance: 'u' is not known. Choose one of us, cs. Did you mean 'us'?"
    """
    choices = list(allowed)
    near = get_close_matches(str(value), choices, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    listed = ", ".join(choices)
    return f"{name}: '{value}' is not known. Choose one of {listed}.{hint}"
