"""Watches a baseline, interval by interval: T3 takes out what all statements share, T4 finds what changed for good.

It says what was shown and what cannot be judged; it never acts, and never takes silence for health. Pure: the clock
and the names of statements are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from trimtab.anchor.learning import (
    COHERENCE,
    CONCURRENCY,
    LATENCY,
    PER_STATEMENT,
    RATE,
    WORK,
    Baseline,
    Sensitivity,
    aligned,
    concurrency,
)
from trimtab.anchor.track import IDLE, Advanced, Track, advance, opened
from trimtab.model.traffic import StatementKey
from trimtab.model.watched import BLOCKS, CALLS, TOTAL_MS, Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Now:
    """The dimensions in the last interval; None where nothing ran. `latency` and `work` are times the baseline's.

    `matching`, `changed` and `unknown` are shares of the time: plan and latency as in the baseline, not so, not known.
    `told` is that of statements with an open alarm.
    """

    rate: float
    latency: float | None
    work: float | None
    active: float
    concurrency: float | None
    matching: float | None
    changed: float
    unknown: float
    told: float = 0.0


@dataclass(frozen=True, slots=True)
class Vigil:
    """The state of watching. `plan_changed` is what the plan checks have found; `open_ids` the open alarms' ids by row.

    Rows of dimensions are negative in `open_ids`: -1 for the first.
    """

    baseline: Baseline
    statements: Track
    dimensions: Track
    pooled: Pooled
    plan_changed: Flags
    open_ids: Mapping[int, str]

    @classmethod
    def start(cls, baseline: Baseline) -> Vigil:
        """Return it before the first interval."""
        rows = len(baseline.keys)
        return cls(
            baseline,
            Track.start(rows),
            Track.start(len(baseline.dimension_levels)),
            Pooled.empty(rows),
            np.zeros(rows, dtype=bool),
            {},
        )

    @property
    def place(self) -> dict[StatementKey, int]:
        """Where each statement is."""
        return {key: number for number, key in enumerate(self.baseline.keys)}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one interval added: rows that are shown to be slower, those below what matters, ids of what went away.

    `common` is None where too few statements ran to tell the load. `looks` are statements that were looked at, and
    `breaches` those of them whose time was beyond all that was learnt, and the margin, or that have an open alarm.
    """

    vigil: Vigil
    now: Now
    shown: tuple[int, ...]
    shown_dimensions: tuple[int, ...]
    too_small: int
    gone: tuple[str, ...]
    values: Floats
    dimension_values: Floats
    common: float | None
    calls_per_hour: Floats
    blocks_ratio: Floats
    looks: int
    breaches: int


def observe(vigil: Vigil, interval: Interval, sensitivity: Sensitivity) -> Seen:
    """Return the state after one more interval. Alarms are opened by `open_alarms`, when they have their ids."""
    base = vigil.baseline
    now_ns = interval.start_ns + int(interval.seconds * 1e9)
    calls, total_ms, blocks = aligned(interval, vigil.place, (CALLS, TOTAL_MS, BLOCKS))
    common = _common(vigil, calls, total_ms)
    excuse = excused(common)
    pooled, factors = pool(
        vigil.pooled,
        calls,
        total_ms,
        anchor_mean_ms=base.mean_ms,
        common=excuse,
        required_calls=base.required_calls,
    )
    expected = calls * base.mean_ms * np.exp(np.where(np.isnan(excuse), 0.0, excuse))
    step = advance(
        vigil.statements,
        factors,
        limits=base.limits,
        levels=base.levels,
        found=total_ms,
        expected=expected,
        margin=sensitivity.margin,
        now_ns=now_ns,
    )
    hourly = calls / interval.seconds * 3600.0
    matters = _matters(step, base, hourly, sensitivity)
    now = _now(vigil, interval, calls, total_ms, blocks)
    # What a statement of its own explains, told or on its way, is not told a second time as a dimension.
    is_rising = (step.values > IDLE) & (step.track.effect > 1.0 + sensitivity.margin) & base.is_judged()
    # But what a dimension was told for must be back, or be told by a statement's alarm, before that one ends.
    if vigil.dimensions.is_open[LATENCY]:
        is_rising = np.zeros_like(is_rising)
    rest = ~(is_rising | vigil.statements.is_open)
    values = _values(vigil, interval, now, calls * rest, total_ms * rest, blocks * rest)
    whole = _advance_dimensions(vigil, values, sensitivity, now_ns)
    shown_dimensions = [row for row in whole.shown.tolist() if whole.track.effect[row] > 1 + sensitivity.margin]
    if LATENCY in shown_dimensions or vigil.dimensions.is_open[LATENCY]:
        shown_dimensions = [row for row in shown_dimensions if row != CONCURRENCY]
    gone = [vigil.open_ids[row] for row in step.gone.tolist() if row in vigil.open_ids]
    gone += [vigil.open_ids[-row - 1] for row in whole.gone.tolist() if -row - 1 in vigil.open_ids]
    after = replace(
        vigil,
        statements=step.track,
        dimensions=whole.track,
        pooled=pooled,
        open_ids={row: id for row, id in vigil.open_ids.items() if id not in gone},
    )
    is_known = ~np.isnan(common)
    is_look = ~np.isnan(factors) & base.is_judged()
    return Seen(
        vigil=after,
        now=now,
        shown=tuple(row for row in step.shown.tolist() if matters[row]),
        shown_dimensions=tuple(shown_dimensions),
        too_small=int((~matters[step.shown]).sum()),
        gone=tuple(gone),
        values=step.values,
        dimension_values=whole.values,
        common=float(np.exp(np.median(common[is_known]))) if is_known.any() and base.removes_common_mode else None,
        calls_per_hour=hourly,
        blocks_ratio=np.divide(blocks, calls * base.blocks, out=np.ones(len(calls)), where=calls * base.blocks > 0),
        looks=int(is_look.sum()),
        breaches=int((is_look & _breaches(vigil, factors, sensitivity.margin)).sum()),
    )


def look_at(vigil: Vigil, interval: Interval, row: int, before: Pooled) -> tuple[Pooled, float | None]:
    """Return one statement's factor in an interval, a load that all share removed, and what is pooled of it since.

    None where it has not run often enough since its last factor.
    """
    base = vigil.baseline
    calls, total_ms = aligned(interval, vigil.place, (CALLS, TOTAL_MS))
    common = excused(_common(vigil, calls, total_ms))
    only = slice(row, row + 1)
    pooled, factors = pool(
        before,
        calls[only],
        total_ms[only],
        anchor_mean_ms=base.mean_ms[only],
        common=common[only],
        required_calls=base.required_calls[only],
    )
    return pooled, None if np.isnan(factors[0]) else float(factors[0])


def open_alarms(vigil: Vigil, ids: Mapping[int, str]) -> Vigil:
    """Return the state with these alarms open, by row; dimensions have negative rows."""
    rows = np.array([row for row in ids if row >= 0], dtype=np.int64)
    whole = np.array([-row - 1 for row in ids if row < 0], dtype=np.int64)
    return replace(
        vigil,
        statements=opened(vigil.statements, rows),
        dimensions=opened(vigil.dimensions, whole),
        open_ids={**vigil.open_ids, **ids},
    )


def closed(vigil: Vigil) -> Vigil:
    """Return the state without any open alarm; evidence stays."""
    return replace(
        vigil,
        statements=replace(vigil.statements, is_open=np.zeros_like(vigil.statements.is_open)),
        dimensions=replace(vigil.dimensions, is_open=np.zeros_like(vigil.dimensions.is_open)),
        open_ids={},
    )


def grown(vigil: Vigil, more: Baseline, *, unseen_since_ns: int) -> Vigil:
    """Return the state with further statements; those that have not run since that time are forgotten, but if open."""
    base, track = vigil.baseline, vigil.statements
    kept = np.flatnonzero((track.seen_ns >= unseen_since_ns) | track.is_open | (track.seen_ns == 0))
    rows = np.concatenate([kept, np.full(len(more.keys), -1, dtype=np.int64)])
    width = max(base.factors.shape[1], more.factors.shape[1])
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(base, name)[kept], getattr(more, name)]) for name in PER_STATEMENT
    }
    joined = replace(
        base,
        keys=tuple(base.keys[row] for row in kept) + more.keys,
        factors=np.vstack([_widened(base.factors[kept], width), _widened(more.factors, width)]),
        **arrays,
    )
    fresh = Pooled.empty(len(more.keys))
    new_row = {int(old): new for new, old in enumerate(kept)}
    return replace(
        vigil,
        baseline=joined,
        statements=track.kept(rows),
        pooled=Pooled(*(np.concatenate([getattr(vigil.pooled, name)[kept], getattr(fresh, name)]) for name in _POOLED)),
        plan_changed=np.concatenate([vigil.plan_changed[kept], np.zeros(len(more.keys), dtype=bool)]),
        open_ids={row if row < 0 else new_row[row]: id for row, id in vigil.open_ids.items()},
    )


_LEAST_SHARE = 0.01
_POOLED = ("calls", "total_ms", "expected_ms", "skipped")


def _common(vigil: Vigil, calls: Floats, total_ms: Floats) -> Floats:
    base = vigil.baseline
    if len(base.keys) <= LEAST_COMPANIONS:
        return np.zeros(len(base.keys))
    # A level of an anchor may be a faster machine's: what all share is then a constant, and goes too.
    companions = ~vigil.plan_changed & ~vigil.statements.is_open
    excess = log_excess(calls, total_ms, base.mean_ms)
    found = common_mode(excess, nearest_companions(base.mean_ms, companions & ~np.isnan(excess)))
    if int((companions & (base.mean_ms > 0)).sum()) <= LEAST_COMPANIONS:
        # Of nearly all of them the plan changed, or an alarm is open: what they share now is no load that excuses.
        return np.where(np.isnan(found), 0.0, found)
    return found


def _breaches(vigil: Vigil, factors: Floats, margin: float) -> Flags:
    """Return which statements are beyond their service level: the slowest look while it was learnt, and the margin."""
    found = vigil.statements.is_open.copy()
    rows = np.flatnonzero(np.where(np.isnan(factors), 0.0, factors) > 1.0 + margin)
    slowest = np.nan_to_num(vigil.baseline.factors[rows], nan=0.0).max(axis=1, initial=0.0)
    found[rows] |= factors[rows] > slowest * (1.0 + margin)
    return found


def _matters(step: Advanced, base: Baseline, hourly: Floats, sensitivity: Sensitivity) -> Flags:
    matters = np.zeros(len(base.keys), dtype=bool)
    effect = step.track.effect
    for row in step.shown.tolist():
        matters[row] = sensitivity.practical.matters(
            float(effect[row]), anchor_mean_ms=float(base.mean_ms[row]), calls_per_hour=float(hourly[row])
        )
    return matters


def _now(vigil: Vigil, interval: Interval, calls: Floats, total_ms: Floats, blocks: Floats) -> Now:
    base = vigil.baseline
    whole = float(interval.counts[:, TOTAL_MS].sum())
    rate = float(interval.counts[:, CALLS].sum()) / interval.seconds
    known = float(total_ms.sum())
    if known <= 0.0 or whole <= 0.0:
        return Now(rate, None, None, interval.active_sessions, None, None, 0.0, 1.0)
    latency = known / float((calls * base.mean_ms).sum())
    expected_blocks = float((calls * base.blocks).sum())
    is_changed = vigil.plan_changed | vigil.statements.is_open
    is_matching = ~is_changed & base.is_judged()
    return Now(
        rate=rate,
        latency=latency,
        work=float(blocks.sum()) / expected_blocks if expected_blocks > 0 else None,
        active=interval.active_sessions,
        concurrency=concurrency(latency, interval.active_sessions, base.slope, base.offset),
        matching=float(total_ms[is_matching].sum()) / whole,
        changed=float(total_ms[is_changed].sum()) / whole,
        unknown=1.0 - float(total_ms[is_changed | is_matching].sum()) / whole,
        told=float(total_ms[vigil.statements.is_open].sum()) / whole,
    )


def _values(vigil: Vigil, interval: Interval, now: Now, calls: Floats, total_ms: Floats, blocks: Floats) -> Floats:
    """The dimensions' values, larger the worse; nan where nothing ran. Calls, time and blocks are of the rest alone."""
    base = vigil.baseline
    values = np.full(len(base.dimension_levels), np.nan)
    values[RATE] = base.usual_rate / now.rate if now.rate > 0 else np.inf
    expected_ms, expected_blocks = float((calls * base.mean_ms).sum()), float((calls * base.blocks).sum())
    if expected_ms > 0:
        values[LATENCY] = float(total_ms.sum()) / expected_ms
        values[CONCURRENCY] = concurrency(float(values[LATENCY]), interval.active_sessions, base.slope, base.offset)
    if expected_blocks > 0:
        values[WORK] = float(blocks.sum()) / expected_blocks
    if now.matching is not None:
        values[COHERENCE] = base.usual_share / max(now.matching + now.told, _LEAST_SHARE)
    return values


def _advance_dimensions(vigil: Vigil, values: Floats, sensitivity: Sensitivity, now_ns: int) -> Advanced:
    is_seen = ~np.isnan(values)
    return advance(
        vigil.dimensions,
        values,
        limits=vigil.baseline.dimension_limits,
        levels=vigil.baseline.dimension_levels,
        found=np.where(is_seen, np.minimum(values, 1e9), 0.0),
        expected=is_seen.astype(float),
        margin=sensitivity.margin,
        now_ns=now_ns,
    )


def _widened(factors: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    missing = width - factors.shape[1]
    return np.pad(factors, ((0, 0), (0, missing)), constant_values=np.nan) if missing else factors
