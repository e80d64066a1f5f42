"""Decides what ran between two readings of a server's counters, and when nothing can be said of that. Pure.

Counters are never differenced across a reset, a restart, a fail-over, a step of a clock or, statement by statement,
where they began anew. What is left out is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.model.watched import CALLS, TOTAL_MS, Gap, Instance, Interval, Reading

if TYPE_CHECKING:
    import numpy as np

LARGEST_STEP_SECONDS = 2.0
"""By how much two clocks may drift apart in one interval before one of them is taken to have been set."""
LONGEST_SECONDS = 3600.0
_ROUNDING = 1e-12


def gap_between(before: Reading, after: Reading) -> Gap | None:
    """Return why the two must not be differenced, or None when they may."""
    was, now = before.instance, after.instance
    if was.system_identifier != now.system_identifier or _has_failed_over(was, now):
        return Gap.FAILED_OVER
    if was.version != now.version:
        return Gap.UPGRADED
    if was.started_at != now.started_at:
        return Gap.RESTARTED
    if was.reset != now.reset:
        return Gap.RESET
    seconds = seconds_between(before, after)
    wall = (after.wall_ns - before.wall_ns) / 1e9
    if seconds <= 0 or abs(wall - seconds) > LARGEST_STEP_SECONDS or abs(_server(was, now) - seconds) > _drift(seconds):
        return Gap.CLOCK_STEPPED
    if seconds > LONGEST_SECONDS:
        return Gap.TOO_LONG
    if after.since.any():
        return None
    # Before version 1.11 nobody tells whether a statement was forgotten and has come back in between, nor of a reset of
    # some alone; before 1.9 of no eviction and no reset at all. Then the counters themselves show it.
    return Gap.EVICTED if was.evictions != now.evictions else _forgotten(before, after)


def seconds_between(before: Reading, after: Reading) -> float:
    """Return how long it was by our monotonic clock, or by the server's when we were restarted in between."""
    if before.tick is not None and after.tick is not None:
        return after.tick - before.tick
    return _server(before.instance, after.instance)


def interval_between(before: Reading, after: Reading) -> Interval | Gap:
    """Return what ran between two readings, or why nobody knows."""
    import numpy as np

    gap = gap_between(before, after)
    if gap is not None:
        return gap
    # Statements that were not there before have begun from nothing, where they were not forgotten meanwhile.
    place = {key: number for number, key in enumerate(before.keys)}
    where = np.array([place.get(key, -1) for key in after.keys], dtype=np.int64)
    is_old = where >= 0
    first = np.zeros_like(after.counts)
    first[is_old] = before.counts[where[is_old]]
    steps = after.counts - first
    is_same = _is_one_count(before, after, where, is_old)
    shrank = (steps[:, CALLS] < 0) | (steps[:, TOTAL_MS] < -_ROUNDING * first[:, TOTAL_MS])
    is_usable = is_same & ~shrank
    ran = is_usable & (steps[:, CALLS] > 0)
    lost = len(before.keys) - int(is_old.sum())
    return Interval(
        start_ns=before.wall_ns,
        seconds=seconds_between(before, after),
        active_sessions=(before.instance.active_sessions + after.instance.active_sessions) / 2,
        keys=tuple(key for key, has_run in zip(after.keys, ran.tolist(), strict=True) if has_run),
        counts=np.maximum(steps[ran], 0.0),
        begun_anew=int((~is_usable).sum()) + lost,
        evictions=max((after.instance.evictions or 0) - (before.instance.evictions or 0), 0),
    )


def _forgotten(before: Reading, after: Reading) -> Gap | None:
    """Return what counters tell that are gone, or smaller than before: the others may have begun anew too."""
    last = dict(zip(after.keys, after.counts[:, (CALLS, TOTAL_MS)].tolist(), strict=True))
    gone = 0
    for key, (calls, total_ms) in zip(before.keys, before.counts[:, (CALLS, TOTAL_MS)].tolist(), strict=True):
        now = last.get(key)
        gone += now is None or now[0] < calls or now[1] < total_ms * (1 - _ROUNDING)
    if not gone:
        return None
    return Gap.RESET if gone == len(before.keys) else Gap.EVICTED


def _is_one_count(before: Reading, after: Reading, where: np.ndarray, is_old: np.ndarray) -> np.ndarray:
    """Return, per statement of the later reading, whether it was counted on since the earlier one or begun after it."""
    import numpy as np

    if not after.since.any():
        return np.ones(len(after.keys), dtype=bool)
    same = np.zeros(len(after.keys), dtype=bool)
    same[is_old] = before.since[where[is_old]] == after.since[is_old]
    began_after = after.since >= before.instance.clock
    return np.asarray(same | (~is_old & began_after))


def _has_failed_over(was: Instance, now: Instance) -> bool:
    if was.is_standby != now.is_standby:
        return True
    if was.timeline is not None and now.timeline is not None and was.timeline != now.timeline:
        return True
    # The log of one server only grows: a smaller position is another server's, which was behind.
    return was.wal_bytes is not None and now.wal_bytes is not None and now.wal_bytes < was.wal_bytes


def _server(was: Instance, now: Instance) -> float:
    return now.clock - was.clock


def _drift(seconds: float) -> float:
    """A reading may be slow: its own clock is read at its beginning, the server's a little later."""
    return LARGEST_STEP_SECONDS + seconds * 0.01
