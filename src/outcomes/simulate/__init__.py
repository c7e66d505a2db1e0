"""Synthetic trials with known truth: raw files, a study file, and what generated them.

The generating model is written out in ``docs/simulator.md``.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["presets", "simulate_trial"]


def presets() -> list[str]:
    """Return the names of the trials that can be simulated, sorted.

    Examples
    --------
    >>> presets()
    ['ketamine-trd', 'mdma-ptsd', 'psilocybin-trd']
    """
    from outcomes.simulate.preset import preset_names

    return preset_names()


def default_seed(preset: str) -> int:
    """Return the seed the embedded study of a preset was written with.

    Raises
    ------
    SpecError
        If there is no such preset.
    """
    from outcomes.simulate.preset import load_preset

    return load_preset(preset).seed


def simulate_trial(preset: str, seed: int, out: Path) -> None:
    """Write a synthetic trial: ``study.yaml``, ``raw/*.csv`` and ``truth.json``.

    The same preset and seed give the same bytes.

    Parameters
    ----------
    preset : str
        One of `presets`.
    seed : int
        Not negative; it seeds one random stream per named part of the trial.
    out : Path
        Folder to write to; made if it is not there. Files of the same names are
        replaced, each in one step.

    Raises
    ------
    SpecError
        If there is no such preset, or the seed is negative.
    """
    from outcomes.simulate.preset import load_preset
    from outcomes.simulate.writing import write_trial

    write_trial(load_preset(preset), seed, out)
