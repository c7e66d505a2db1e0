"""Random streams: one per named part, so that a new part moves no other."""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from outcomes.errors import SpecError

GENERATOR = "numpy PCG64, SeedSequence(seed, spawn_key=sha256(part))"


class Streams:
    """Hands out one generator per named part of a seeded trial."""

    def __init__(self, seed: int, prefix: str = "") -> None:
        if seed < 0:
            raise SpecError(f"seed: {seed} is negative. Give a whole number from 0.")
        self.seed = seed
        self._prefix = prefix

    def branch(self, name: str) -> Streams:
        """Return streams whose parts share no numbers with those of this object."""
        return Streams(self.seed, f"{self._prefix}{name}/")

    def part(self, name: str) -> np.random.Generator:
        """Return a fresh generator that depends on the seed and ``name`` only.

        The spawn key is the digest of the name, so a stream does not depend on how
        many others exist or on the order in which they are asked for.
        """
        key = tuple(sha256(f"{self._prefix}{name}".encode()).digest())
        sequence = np.random.SeedSequence(self.seed, spawn_key=key)
        return np.random.Generator(np.random.PCG64(sequence))
