"""T3, means from cumulative views: how much slower than its anchor each query ran, with what all queries share removed.

A loaded host slows every query down. The median of queries of about the same duration, whose plan did not change, is
that common mode; each query is compared with what its anchor's mean and the common mode let expect. The factors are
values for T1 and T4. It never judges: it only turns counters of many queries, as arrays, into factors.

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
    Indices = NDArray[np.int64]

# The median of fewer says little about the host, and one query that has really changed could move it.
LEAST_COMPANIONS = 5
MOST_COMPANIONS = 15


def log_excess(calls: Floats, total_ms: Floats, anchor_mean_ms: Floats) -> Floats:
    """Return log(mean now / mean of the anchor) per query; nan where there was no call, no time or no anchor."""
    is_known = (calls > 0) & (total_ms > 0) & (anchor_mean_ms > 0)
    ratio = np.divide(total_ms, calls * anchor_mean_ms, out=np.ones_like(total_ms, dtype=float), where=is_known)
    return np.where(is_known, np.log(ratio), np.nan)


def nearest_companions(typical_ms: Floats, is_companion: Flags) -> Indices:
    """Return, per query, the companions that usually take about as long: by row, as indices, -1 where there is none.

    Load hits short and long queries differently. Half of the companions are taken, 5 at least and 15 at most; a query
    is no companion of itself. Those that were not called now are to be left out of `is_companion`.
    """
    known = typical_ms > 0
    among = np.flatnonzero(is_companion & known)
    count = min(MOST_COMPANIONS, max(LEAST_COMPANIONS, len(among) // 2))
    if len(among) == 0:
        return np.full((len(typical_ms), count), -1)
    logs = np.log(np.where(known, typical_ms, 1.0))
    ordered = among[np.argsort(logs[among], kind="stable")]
    # Of a sorted list the nearest are within so many places to either side.
    places = np.searchsorted(logs[ordered], logs)[:, None] + np.arange(-count, count + 1)
    within = np.clip(places, 0, len(ordered) - 1)
    candidates = ordered[within]
    distance = np.abs(logs[candidates] - logs[:, None])
    is_none = (places != within) | (candidates == np.arange(len(logs))[:, None]) | ~known[:, None]
    distance[is_none] = np.inf
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :count]
    found = np.take_along_axis(candidates, nearest, axis=1)
    return np.where(np.isinf(np.take_along_axis(distance, nearest, axis=1)), -1, found)


def common_mode(excess: Floats, companions: Indices) -> Floats:
    """Return, per query, the median excess of its companions; nan where fewer than `LEAST_COMPANIONS` have one."""
    theirs = np.sort(np.where(companions >= 0, excess[companions], np.nan), axis=1)
    counts = (~np.isnan(theirs)).sum(axis=1)
    middle = np.maximum(counts, 1)[:, None]
    low, high = (middle - 1) // 2, middle // 2
    medians = (np.take_along_axis(theirs, low, axis=1) + np.take_along_axis(theirs, high, axis=1)) / 2
    return np.asarray(np.where(counts >= LEAST_COMPANIONS, medians[:, 0], np.nan))


def excused(common: Floats) -> Floats:
    """Return how much of the common mode is taken out of a query's time: nothing where the others got faster.

    A load that all share excuses a query that is slower. That others are faster than their anchor accuses none: one
    that is as it was has not become slower. So who is called is slower than its own anchor and than the load explains.
    """
    return np.maximum(common, 0.0)


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
