"""Decides how the demo's random numbers are drawn: from one raw 64-bit stream per table, so that the same seed gives
the same data with every version of numpy. It never draws from a shared or global generator.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class Draws:
    """One table's stream of random numbers.

    Only the bit generator's raw output is used: numpy promises that it never changes, and promises nothing of the kind
    for the distributions of `numpy.random.Generator` (NEP 19).
    """

    def __init__(self, seed: int, stream: str) -> None:
        key = zlib.crc32(stream.encode())
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, key]))

    def uniform(self, count: int) -> Floats:
        """Return `count` numbers in [0, 1)."""
        raw = self._bits.random_raw(count)
        return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def integers(self, count: int, low: int, high: int) -> Integers:
        """Return `count` integers in [low, high)."""
        drawn: Integers = low + np.floor(self.uniform(count) * (high - low)).astype(np.int64)
        return drawn

    def chance(self, count: int, probability: float) -> NDArray[np.bool_]:
        """Return `count` booleans that are true with that probability."""
        return self.uniform(count) < probability

    def weighted(self, count: int, weights: Sequence[float] | Floats) -> Integers:
        """Return `count` positions, each drawn in proportion to its weight."""
        edges = np.cumsum(np.asarray(weights, dtype=np.float64))
        picked = np.searchsorted(edges, self.uniform(count) * edges[-1], side="right")
        drawn: Integers = np.minimum(picked, len(edges) - 1).astype(np.int64)
        return drawn

    def zipf(self, count: int, size: int, exponent: float) -> Integers:
        """Return `count` positions in [0, size); the r-th most frequent has a share in proportion to r**-exponent.

        Ranks are scattered over the positions, so that the frequent ones do not lie side by side.
        """
        weights = np.arange(1, size + 1, dtype=np.float64) ** -exponent
        return self.permutation(size)[self.weighted(count, weights)]

    def permutation(self, size: int) -> Integers:
        """Return the integers 0 .. size-1 in random order."""
        return np.argsort(self.uniform(size), kind="stable").astype(np.int64)

    def hexadecimal(self, count: int) -> list[str]:
        """Return `count` texts of 16 hexadecimal digits."""
        return [f"{word:016x}" for word in self._bits.random_raw(count).tolist()]
