"""T3, means from cumulative views: how much slower than its anchor each query ran, with what all queries share removed.

A loaded host slows every query down. The median of the queries whose plan did not change is that common mode; each
query is compared with what its anchor's mean and the common mode let expect. The factors are values for T1 and T4.
It never judges: it only turns counters of many queries, as arrays, into factors.

Errors and time-outs are not in such counters: whoever knows them gives them to T1 as failures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

# The median of fewer says little about the host, and one query that has really changed could move it.
LEAST_COMPANIONS = 5


def log_excess(calls: Floats, total_ms: Floats, anchor_mean_ms: Floats) -> Floats:
    """Return log(mean now / mean of the anchor) per query; nan where there was no call, no time or no anchor."""
    is_known = (calls > 0) & (total_ms > 0) & (anchor_mean_ms > 0)
    ratio = np.divide(total_ms, calls * anchor_mean_ms, out=np.ones_like(total_ms, dtype=float), where=is_known)
    return np.where(is_known, np.log(ratio), np.nan)


def common_mode(excess: Floats, is_companion: Flags) -> Floats:
    """Return, per query, the median excess of its companions: the queries whose plan did not change, without itself.

    nan where there are fewer than `LEAST_COMPANIONS` of them that were called.
    """
    serves = is_companion & ~np.isnan(excess)
    order = np.flatnonzero(serves)[np.argsort(excess[serves], kind="stable")]
    ordered = excess[order]
    count = len(ordered)
    common = np.full(len(excess), _median(ordered) if count >= LEAST_COMPANIONS else np.nan)
    if count - 1 < LEAST_COMPANIONS:
        common[order] = np.nan
        return common
    # Without itself: the middle ranks of the others, which skip its own.
    ranks = np.arange(count)
    low, high = (count - 2) // 2, (count - 1) // 2
    common[order] = (ordered[low + (ranks <= low)] + ordered[high + (ranks <= high)]) / 2
    return common


def _median(ordered: Floats) -> float:
    return float((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2)


def calls_required(anchor_calls_per_interval: Sequence[float]) -> int:
    """Return how many calls one factor needs: the median of the anchor's intervals in which there was any call.

    A mean of fewer calls than the anchor's is noisier, and would pass the anchor's limits too often.
    """
    counts = sorted(count for count in anchor_calls_per_interval if count > 0)
    return max(1, int(counts[len(counts) // 2])) if counts else 1


@dataclass(frozen=True, slots=True)
class Pooled:
    """What was counted per query since its last factor: calls, time, and the time to be expected. Three arrays.

    `skipped` counts the intervals of which the common mode was unknown: they are no evidence either way.
    """

    calls: Floats
    total_ms: Floats
    expected_ms: Floats
    skipped: NDArray[np.int64]

    @classmethod
    def empty(cls, queries: int) -> Pooled:
        """Return it for so many queries, before the first interval."""
        return cls(np.zeros(queries), np.zeros(queries), np.zeros(queries), np.zeros(queries, dtype=np.int64))


def pool(
    before: Pooled,
    calls: Floats,
    total_ms: Floats,
    *,
    anchor_mean_ms: Floats,
    common: Floats,
    required_calls: Floats,
) -> tuple[Pooled, Floats]:
    """Add an interval's counts, and return the factors that have become due: nan where calls are still too few.

    A factor is the time over the expected time, 1.0 as in the anchor; it covers the calls of one interval or of
    several. `common` is zero where the common mode is not to be removed.
    """
    if bool((calls < 0).any()) or bool((total_ms < 0).any()):
        raise ValueError("counters went backwards: an interval across a reset has no meaning")
    was_called = (calls > 0) & (anchor_mean_ms > 0)
    is_usable = was_called & ~np.isnan(common)
    factor = np.exp(np.where(is_usable, common, 0.0))
    sum_calls = before.calls + np.where(is_usable, calls, 0.0)
    sum_total = before.total_ms + np.where(is_usable, total_ms, 0.0)
    sum_expected = before.expected_ms + np.where(is_usable, calls * anchor_mean_ms * factor, 0.0)
    is_due = is_usable & (sum_calls >= required_calls)
    factors = np.divide(sum_total, sum_expected, out=np.full(len(calls), np.nan), where=is_due)
    keep = ~is_due
    after = Pooled(
        sum_calls * keep,
        sum_total * keep,
        sum_expected * keep,
        before.skipped + (was_called & ~is_usable),
    )
    return after, factors
