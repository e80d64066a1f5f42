"""Makes a baseline of a stretch of intervals: per statement what is normal, and how far a factor may go by chance.

Where an anchor knows a statement its level is taken, and only the spread is learnt: what had got slow before anybody
watched is then not taken for normal. What ran too seldom gets no limits, and is told as not judged. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trimtab.anchor.common_mode import (
    LEAST_COMPANIONS,
    Pooled,
    common_mode,
    excused,
    log_excess,
    nearest_companions,
    pool,
)
from trimtab.anchor.limits import limits_of
from trimtab.anchor.many import limit_rows
from trimtab.anchor.onset import alarm_level
from trimtab.anchor.practical import Practical
from trimtab.model.traffic import StatementKey
from trimtab.model.watched import BLOCKS, CALLS, TOTAL_MS, Interval, Reference, References

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Singles = NDArray[np.float32]

MOST_STATEMENTS = 5000
RATE, LATENCY, WORK, CONCURRENCY, COHERENCE = range(5)
"""The rows of the dimensions' values: each is larger the worse it is."""
PER_STATEMENT = ("mean_ms", "blocks", "share", "required_calls", "limits", "levels", "is_anchored")
"""The arrays of a baseline that have a row per statement, beside the factors."""
_LEAST_MS = 1e-6
_COLUMNS = 6


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What an alarm must pass. `error_rate` is alpha of the limits of all statements together.

    `seconds_per_look` is the watcher's interval; `margin` what counts as the same, as a share.
    """

    seconds_per_look: float
    error_rate: float = 0.01
    margin: float = 0.10
    days_per_false_alarm: float = 30.0
    practical: Practical = field(default_factory=Practical)

    @property
    def looks_per_day(self) -> float:
        """How often a statement that always runs is looked at."""
        return 86400.0 / self.seconds_per_look


@dataclass(frozen=True, slots=True)
class Baseline:
    """A row per statement. `levels` are what T4's evidence is compared with, `limits` are nan where there is none.

    `factors` are what the limits were made of (nan: none in that interval). The same of the dimensions, in five rows;
    `slope` and `offset` are those of log latency against log(1 + active sessions).
    """

    keys: tuple[StatementKey, ...]
    mean_ms: Floats
    blocks: Floats
    share: Floats
    required_calls: Floats
    limits: Floats
    levels: Floats
    is_anchored: NDArray[np.bool_]
    factors: NDArray[np.float32]
    dimension_limits: Floats
    dimension_levels: Floats
    dimension_values: Floats
    rate: Floats
    usual_rate: float
    usual_share: float
    slope: float = 0.0
    offset: float = 0.0

    @property
    def removes_common_mode(self) -> bool:
        """Whether there are enough statements to tell the load from a change of one of them."""
        return len(self.keys) > LEAST_COMPANIONS

    def is_judged(self) -> NDArray[np.bool_]:
        """Return, per statement, whether it has any limit."""
        return np.asarray(~np.isnan(self.limits).all(axis=1))


def learn(
    intervals: Sequence[Interval],
    sensitivity: Sensitivity,
    references: References | None = None,
    leave_out: Collection[StatementKey] = (),
) -> Baseline:
    """Return the baseline of what ran, the heaviest statements first; at most `MOST_STATEMENTS`."""
    totals = _totals(intervals)
    whole_ms = sum(total[TOTAL_MS] for total in totals.values())
    left = {key: total for key, total in totals.items() if key not in leave_out}
    keys = tuple(sorted(left, key=lambda key: (-left[key][TOTAL_MS], key))[:MOST_STATEMENTS])
    sums = np.array([left[key] for key in keys], dtype=float).reshape(len(keys), _COLUMNS)
    mean_ms = np.maximum(sums[:, TOTAL_MS] / np.maximum(sums[:, CALLS], 1.0), _LEAST_MS)
    blocks = sums[:, BLOCKS] / np.maximum(sums[:, CALLS], 1.0)
    share = sums[:, TOTAL_MS] / max(whole_ms, _LEAST_MS)
    calls, total_ms, of_blocks = _matrices(intervals, keys)
    required = _required(calls)
    factors = _factors(calls, total_ms, mean_ms, required)
    limits = _limits(factors, share, sensitivity)
    known = [(references or {}).get(key[1]) for key in keys]
    rate = np.array([float(i.counts[:, CALLS].sum()) / i.seconds for i in intervals])
    latency, work = _ratio(total_ms.sum(axis=1), calls @ mean_ms), _ratio(of_blocks.sum(axis=1), calls @ blocks)
    active = np.array([interval.active_sessions for interval in intervals])
    values, slope, offset = _dimension_values(rate, latency, work, active)
    is_judged = ~np.isnan(limits).all(axis=1)
    usual_share = float(share[is_judged].sum())
    each = np.array([float(interval.counts[:, TOTAL_MS].sum()) for interval in intervals])
    of_judged = np.divide(total_ms[:, is_judged].sum(axis=1), each, out=np.zeros(len(each)), where=each > 0)
    values = np.vstack([values, usual_share / np.maximum(of_judged, 1e-9)])
    return Baseline(
        keys=keys,
        mean_ms=_of_anchor(known, mean_ms, lambda reference: reference.mean_ms),
        blocks=_of_anchor(known, blocks, lambda reference: reference.blocks_per_call),
        share=share,
        required_calls=required,
        limits=limits,
        levels=alarm_level(1, sensitivity.looks_per_day, sensitivity.days_per_false_alarm)
        / np.maximum(share, 1.0 / 1e9),
        is_anchored=np.array([reference is not None for reference in known], dtype=bool),
        factors=factors.T.astype(np.float32),
        dimension_limits=_dimension_limits(values, sensitivity),
        dimension_levels=np.full(
            len(values), alarm_level(len(values), sensitivity.looks_per_day, sensitivity.days_per_false_alarm)
        ),
        dimension_values=values,
        rate=rate,
        usual_rate=float(np.median(rate)),
        usual_share=usual_share,
        slope=slope,
        offset=offset,
    )


def only_judged(base: Baseline) -> Baseline:
    """Return the baseline of those statements that have a limit."""
    rows = np.flatnonzero(base.is_judged())
    arrays: dict[str, Any] = {name: getattr(base, name)[rows] for name in (*PER_STATEMENT, "factors")}
    return replace(base, keys=tuple(base.keys[row] for row in rows), **arrays)


def aligned(interval: Interval, place: dict[StatementKey, int], columns: Sequence[int]) -> Floats:
    """Return the columns of the interval's counts in a baseline's order: a row per column, 0 where it did not run."""
    found = np.zeros((len(columns), len(place)))
    at = np.array([place.get(key, -1) for key in interval.keys], dtype=np.int64)
    is_known = at >= 0
    for row, column in enumerate(columns):
        found[row, at[is_known]] = interval.counts[is_known, column]
    return found


def concurrency(latency: float, active: float, slope: float, offset: float) -> float:
    """Return how much longer calls took than with so many active sessions before."""
    return float(np.exp(np.log(max(latency, _LEAST_MS)) - offset - slope * np.log1p(active)))


def _totals(intervals: Sequence[Interval]) -> dict[StatementKey, Floats]:
    totals: dict[StatementKey, Floats] = {}
    for interval in intervals:
        for key, row in zip(interval.keys, interval.counts, strict=True):
            totals[key] = totals[key] + row if key in totals else row
    return totals


def _matrices(intervals: Sequence[Interval], keys: Sequence[StatementKey]) -> tuple[Singles, Singles, Singles]:
    """Calls, time and blocks: a row per interval. Single precision: there may be millions."""
    place = {key: number for number, key in enumerate(keys)}
    found = np.zeros((3, len(intervals), len(keys)), dtype=np.float32)
    for number, interval in enumerate(intervals):
        found[:, number] = aligned(interval, place, (CALLS, TOTAL_MS, BLOCKS))
    return found[0], found[1], found[2]


def _required(calls: Singles) -> Floats:
    """What `calls_required` says, for all statements at once."""
    ran = (calls > 0).sum(axis=0)
    ordered = np.sort(calls, axis=0)
    middle = np.clip(calls.shape[0] - ran + ran // 2, 0, max(calls.shape[0] - 1, 0))
    if not calls.size:
        return np.ones(calls.shape[1])
    return np.asarray(np.maximum(ordered[middle, np.arange(calls.shape[1])].astype(float), 1.0))


def _factors(calls: Singles, total_ms: Singles, mean_ms: Floats, required: Floats) -> Singles:
    rows, statements = calls.shape
    found = np.full((rows, statements), np.nan, dtype=np.float32)
    pooled = Pooled.empty(statements)
    companions, of_whom = np.zeros((statements, 0), dtype=np.int64), b""
    for number in range(rows):
        now_calls, now_ms = calls[number].astype(float), total_ms[number].astype(float)
        common = np.zeros(statements)
        if statements > LEAST_COMPANIONS:
            excess = log_excess(now_calls, now_ms, mean_ms)
            was_called = ~np.isnan(excess)
            if was_called.tobytes() != of_whom:
                companions, of_whom = nearest_companions(mean_ms, was_called), was_called.tobytes()
            common = excused(common_mode(excess, companions))
        pooled, found[number] = pool(
            pooled, now_calls, now_ms, anchor_mean_ms=mean_ms, common=common, required_calls=required
        )
    return found


def _limits(factors: Singles, share: Floats, sensitivity: Sensitivity) -> Floats:
    found = []
    for column, part in zip(factors.T, share, strict=True):
        values = [float(value) for value in column[~np.isnan(column)]]
        error_rate = max(sensitivity.error_rate * float(part), 1e-12)
        found.append(limits_of(values, error_rate=error_rate, margin=sensitivity.margin))
    return limit_rows(found) if found else np.zeros((0, 3))


def _dimension_values(rate: Floats, latency: Floats, work: Floats, active: Floats) -> tuple[Floats, float, float]:
    """The dimensions' values, a row each, and the line of latency against active sessions."""
    slope, offset = _fit(np.log1p(active), np.log(np.maximum(latency, _LEAST_MS)))
    values = np.full((4, len(rate)), np.inf)
    np.divide(np.median(rate), rate, out=values[RATE], where=rate > 0)
    values[LATENCY], values[WORK] = latency, work
    values[CONCURRENCY] = [concurrency(a, b, slope, offset) for a, b in zip(latency, active, strict=True)]
    return values, slope, offset


def _ratio(found: Floats | Singles, expected: Floats) -> Floats:
    return np.asarray(np.divide(found, expected, out=np.ones(len(found)), where=expected > 0))


def _fit(x: Floats, y: Floats) -> tuple[float, float]:
    """Least squares, the slope kept from 0 (sessions do not matter) to 1 (they share one processor)."""
    if not len(x):
        return 0.0, 0.0
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread > 0 else 0.0
    slope = min(max(slope, 0.0), 1.0)
    return slope, float(y.mean()) - slope * float(x.mean())


def _dimension_limits(values: Floats, sensitivity: Sensitivity) -> Floats:
    each = sensitivity.error_rate / len(values)
    return limit_rows(
        [limits_of([float(v) for v in row], error_rate=each, margin=sensitivity.margin) for row in values]
    )


def _of_anchor(known: Sequence[Reference | None], learnt: Floats, of: Callable[[Reference], float]) -> Floats:
    return np.array([own if ref is None else of(ref) for ref, own in zip(known, learnt, strict=True)], dtype=float)
