"""Small synthetic trials for the tests of the models."""

from __future__ import annotations

import numpy as np
import pandas as pd


def make_trial(
    seed: int = 1,
    *,
    n: int = 60,
    visits: tuple[int, ...] = (1, 2, 4, 8),
    arms: tuple[str, ...] = ("placebo", "active"),
    dropout: float = 0.12,
    gaps: float = 0.05,
) -> pd.DataFrame:
    """Make a parallel trial with dropout and gaps; missing records are absent rows."""
    rng = np.random.default_rng(seed)
    K = len(visits)
    distance = np.abs(np.subtract.outer(np.arange(K), np.arange(K)))
    sd = np.linspace(4.0, 7.0, K)
    sigma = 0.6**distance * np.outer(sd, sd) + 4.0
    rows = []
    for i in range(n):
        arm = i % len(arms)
        base = rng.normal(30.0, 5.0)
        change = rng.multivariate_normal(
            -2.0 - 0.3 * (base - 30.0) - arm * np.linspace(1.0, 4.0, K), sigma
        )
        stays = np.cumprod(rng.random(K) > dropout).astype(bool)
        stays[0] = True
        stays &= rng.random(K) > gaps
        site = f"S{rng.integers(3)}"
        rows += [
            (f"P{i:03d}", arms[arm], site, base, visits[k], change[k])
            for k in range(K)
            if stays[k]
        ]
    return pd.DataFrame(
        rows, columns=["subject", "arm", "site", "base", "week", "change"]
    )
