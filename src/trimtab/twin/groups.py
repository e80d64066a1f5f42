"""What a sample says of how often keys occur in all rows: how many are distinct, and how many rows each has. Pure.

The number of distinct keys is the estimate that ANALYZE uses: Haas and Stokes, "Estimating the number of classes in a
finite population" (1998), estimator Duj1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_SURE = 10
"""A key that occurs so often in a sample occurs in all rows as often as its share says."""


@dataclass(frozen=True, slots=True)
class KeyCounts:
    """Of `rows` sampled rows: for each number of occurrences, how many keys had it. `width` is a key's mean bytes."""

    rows: float
    occurrences: tuple[tuple[int, int], ...]
    width: float = 0.0

    @property
    def items(self) -> float:
        """Occurrences of all keys together."""
        return float(sum(times * keys for times, keys in self.occurrences))


def estimated_distinct(occurrences: Sequence[tuple[float, int]], scale: float) -> float:
    """Return how many keys there are where the sample is one of `scale` equal parts of all.

    `occurrences` are (times, keys that occur so often); of those that occur more than once a mean does as well.
    """
    items = sum(times * keys for times, keys in occurrences)
    seen = float(sum(keys for _, keys in occurrences))
    once = sum(keys for times, keys in occurrences if times == 1)
    if not items or not once or scale <= 1:
        return seen
    return min(max(items * seen / (items - once + once / scale), seen), items * scale)


def key_groups(counts: KeyCounts, rows: float) -> list[tuple[float, float]]:
    """Return (distinct keys, rows of each) for all `rows` from which the sample was taken, or for a part of them."""
    scale = rows / counts.rows if counts.rows else 1.0
    if scale < 1:
        return [_in_part(float(keys), times, scale) for times, keys in counts.occurrences]
    sure = [(float(keys), times * scale) for times, keys in counts.occurrences if times >= _SURE or scale == 1]
    rest = [(times, keys) for times, keys in counts.occurrences if times < _SURE and scale > 1]
    distinct = estimated_distinct(rest, scale)
    if distinct >= 1:
        sure.append((distinct, sum(times * keys for times, keys in rest) * scale / distinct))
    return sure


def _in_part(keys: float, times: int, share: float) -> tuple[float, float]:
    """Return the keys that still occur, and how often, when each row stays with the chance `share`."""
    present = max(keys * (1 - (1 - share) ** times), keys * 1e-9)
    return present, keys * times * share / present
