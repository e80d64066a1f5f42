"""Makes alarms of what a vigil has shown, with all that weighs them, and brings each to the ledger once.

It judges nothing and acts on nothing: an alarm is a record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from trimtab.anchor.common_mode import Pooled
from trimtab.anchor.effect import EffectSize
from trimtab.anchor.learning import RATE, Baseline, Sensitivity
from trimtab.anchor.limits import QUANTILES, Limits, limits_of
from trimtab.anchor.power import smallest_effect
from trimtab.anchor.practical import lost_seconds_per_hour
from trimtab.anchor.verdict import onset_verdict
from trimtab.anchor.vigil import Seen, look_at
from trimtab.anchor.watched_dimensions import ROWS, TESTS
from trimtab.lifecycle.watch_store import WatchStore
from trimtab.model.paired_power import POWER
from trimtab.model.watched import Alarm, Interval, Unjudged


def alarms_of(
    seen: Seen,
    interval: Interval,
    sensitivity: Sensitivity,
    *,
    names: Sequence[str],
    plans: Sequence[str],
    level_of: str,
    unjudged: Sequence[Unjudged],
    causes: Mapping[int, Mapping[str, object]],
    attributions: Mapping[int, Mapping[str, object] | None],
    effects: Mapping[int, tuple[float, float] | None],
    now_ns: int,
) -> dict[int, Alarm]:
    """Return the alarms by row; dimensions have negative rows, -1 the first.

    `names` and `plans` are by the baseline's rows: what each statement is called, and how its plan stands. `level_of`
    is where the level comes from. `causes` say what made each, by row, where anything is known; `attributions` whether
    the statements' plans are to be explained; `effects` are bounds of their factors.
    """
    shared = {
        "margin": sensitivity.margin,
        "error_rate_of_all_limits": sensitivity.error_rate,
        "days_per_false_alarm": sensitivity.days_per_false_alarm,
        "seconds_per_look": sensitivity.seconds_per_look,
        "power": POWER,
        "common_mode": None if seen.common is None else round(seen.common, 4),
        "active_sessions": interval.active_sessions,
        "family": len(seen.vigil.baseline.keys),
        "not_judged": [
            {"reason": each.reason, "statements": each.statements, "share": round(each.share, 6)} for each in unjudged
        ],
    }
    found = {}
    for row in seen.shown:
        low, high = effects.get(row) or (None, None)
        bounds = {"factor_low": _rounded(low), "factor_high": _rounded(high)}
        body = {**shared, **_of_statement(seen, sensitivity, row), **bounds, "cause": causes.get(row)}
        body |= {"plan": plans[row], "level_of": level_of, "attribution": attributions.get(row)}
        found[row] = _alarm(seen, names[row], row, body, now_ns)
    for row in seen.shown_dimensions:
        if row == RATE:
            continue
        body = {**shared, **_of_dimension(seen, row), "cause": causes.get(-row - 1)}
        found[-row - 1] = _alarm(seen, ROWS[row], -row - 1, body, now_ns)
    return found


def since_rising(seen: Seen, row: int) -> int:
    """Return since when a statement's evidence has risen, UTC nanoseconds."""
    return int(seen.vigil.statements.rising_ns[row])


def effect_bounds(seen: Seen, row: int, intervals: Sequence[Interval], error_rate: float) -> tuple[float, float] | None:
    """Return bounds of a statement's factor over these intervals; None where it was looked at too seldom."""
    size, pooled = EffectSize(), Pooled.empty(1)
    for interval in intervals:
        pooled, factor = look_at(seen.vigil, interval, row, pooled)
        if factor is not None and factor > 0.0:
            size = size.observe(factor)
    return size.interval(error_rate)


def to_ledger(store: WatchStore, ledger_path: Path, database: Mapping[str, object]) -> int:
    """Write the alarms that the ledger does not have yet, and return how many. Raises LedgerError.

    A death in between leaves an alarm in the ledger that is not noted here: it is found there by its id.
    """
    waiting = store.unrecorded_alarms()
    if not waiting:
        return 0
    from trimtab.ledger.entry import Kind
    from trimtab.ledger.ledger import Ledger

    with Ledger.open(ledger_path) as ledger:
        known = {entry.body.get("alarm_id"): entry.seq for entry in ledger.entries(Kind.WATCH_ALARMED)}
        for kept in waiting:
            seq = known.get(kept.alarm.id)
            if seq is None:
                seq = ledger.append(Kind.WATCH_ALARMED, alarm_body(kept.alarm, database)).seq
            with store.writing():
                store.note_ledger(kept.alarm.id, seq)
    return len(waiting)


def alarm_body(alarm: Alarm, database: Mapping[str, object]) -> dict[str, object]:
    """Return the alarm as the ledger writes it. Ids of the server are texts: they pass what a JSON number holds."""
    return {
        "alarm_id": alarm.id,
        "database": dict(database),
        "subject": alarm.subject,
        "statement": None if alarm.key is None else [str(alarm.key[0]), str(alarm.key[1]), alarm.key[2]],
        "at": at_text(alarm.at_ns),
        "evidence": dict(alarm.evidence),
    }


def cause_word(alarm: Alarm) -> str:
    """Return what made an alarm, in a word or two."""
    cause = alarm.evidence.get("cause")
    kind = cause.get("kind") if isinstance(cause, Mapping) else None
    return "not found" if kind is None else str(kind)


def at_text(at_ns: int, timespec: str = "seconds") -> str:
    """Return a time of ours as people read it: UTC, ISO 8601."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec=timespec)


def at_ns_of(text: str) -> int:
    """Return the time that `at_text` wrote. Raises ValueError."""
    return int(datetime.fromisoformat(text).timestamp() * 1e9)


def _alarm(seen: Seen, subject: str, row: int, evidence: Mapping[str, object], now_ns: int) -> Alarm:
    key = seen.vigil.baseline.keys[row] if row >= 0 else None
    digest = hashlib.sha256(f"{now_ns} {subject} {key}".encode()).hexdigest()
    return Alarm(f"w-{digest[:12]}", now_ns, subject, key, evidence)


def _of_statement(seen: Seen, sensitivity: Sensitivity, row: int) -> dict[str, object]:
    base, track = seen.vigil.baseline, seen.vigil.statements
    effect, mean_ms, share = float(track.effect[row]), float(base.mean_ms[row]), float(base.share[row])
    hourly = float(seen.calls_per_hour[row])
    limits, values = _limits(base, row, sensitivity)
    verdict = onset_verdict(
        limits,
        values,
        looks=int(track.looks[row]),
        value=float(seen.values[row]),
        level=float(base.levels[row]),
        skipped=int(seen.vigil.pooled.skipped[row]),
    )
    return {
        "test": "T3, T4",
        "baseline_ms": round(mean_ms, 6),
        "factor": round(effect, 4),
        "rising_since": at_text(int(track.rising_ns[row]), "milliseconds"),
        "looks": verdict.observations,
        "evidence": _shown(verdict.e_value),
        "needed": _shown(verdict.needed_e_value),
        "error_rate": limits.error_rate,
        "share_of_time": round(share, 6),
        "quantiles": [limit.quantile for limit in limits.limits],
        "quantiles_dropped": [
            {"quantile": d.quantile, "needed": d.needed, "found": len(values)} for d in verdict.dropped
        ],
        "smallest_effect": _rounded(verdict.smallest_effect),
        "calls_per_hour": round(hourly),
        "lost_seconds_per_hour": round(lost_seconds_per_hour(effect, anchor_mean_ms=mean_ms, calls_per_hour=hourly), 1),
        "blocks_factor": round(float(seen.blocks_ratio[row]), 4),
        "intervals_without_common_mode": verdict.skipped,
    }


def _of_dimension(seen: Seen, row: int) -> dict[str, object]:
    base, track = seen.vigil.baseline, seen.vigil.dimensions
    return {
        "test": TESTS[ROWS[row]],
        "factor": round(float(track.effect[row]), 4),
        "rising_since": at_text(int(track.rising_ns[row])),
        "looks": int(track.looks[row]),
        "evidence": _shown(float(seen.dimension_values[row])),
        "needed": _shown(float(base.dimension_levels[row])),
        "quantiles": [q for q, limit in zip(QUANTILES, base.dimension_limits[row], strict=True) if not np.isnan(limit)],
    }


def smallest_visible(base: Baseline, row: int, looks: int, sensitivity: Sensitivity) -> float | None:
    """Return the factor that so many looks would have shown of a statement, None where none could be yet."""
    limits, values = _limits(base, row, sensitivity)
    return _rounded(smallest_effect(limits, values, looks, needed=float(base.levels[row]), is_onset=True))


def _limits(base: Baseline, row: int, sensitivity: Sensitivity) -> tuple[Limits, list[float]]:
    """Return the limits that a statement is held to, and the factors that they were made of."""
    factors = base.factors[row]
    values = [float(value) for value in factors[~np.isnan(factors)]]
    error_rate = max(sensitivity.error_rate * float(base.share[row]), 1e-12)
    return limits_of(values, error_rate=error_rate, margin=sensitivity.margin), values


def _shown(value: float) -> float:
    """Evidence may be astronomically large: three digits are enough, and all that JSON needs."""
    return float(f"{min(value, 1e300):.3g}")


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(value, 3)
