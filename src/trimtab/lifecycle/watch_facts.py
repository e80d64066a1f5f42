"""What a round leaves for the status: where the server stands, how much is judged, and what is not and why.

Pure: it puts together what others found.
"""

from __future__ import annotations

import numpy as np

from trimtab.anchor.learning import MOST_STATEMENTS
from trimtab.anchor.vigil import Seen, Vigil
from trimtab.model.watched import CALLS, TOTAL_MS, Interval, Reading, Unjudged

HIDDEN = "hidden from this role (GRANT pg_read_all_stats)"


def not_judged(
    seen: Seen | None, interval: Interval | None, *, unread: int, hidden: int, hidden_share: float
) -> list[Unjudged]:
    """Return what no verdict of this round covers. `unread` statements are not described yet."""
    found: list[Unjudged] = []
    if seen is not None and interval is not None:
        found += _of_baseline(seen, interval)
    if interval is not None and interval.begun_anew:
        found.append(Unjudged("counters began anew", interval.begun_anew))
    if unread:
        found.append(Unjudged("not read yet", unread))
    if hidden:
        found.append(Unjudged(HIDDEN, hidden, hidden_share))
    return found


def round_facts(
    reading: Reading, interval: Interval | None, seen: Seen | None, vigil: Vigil | None
) -> dict[str, object]:
    """Return the numbers of a round, by name, as JSON takes them."""
    base = vigil.baseline if vigil is not None else None
    is_judged = base.is_judged() if base is not None else np.zeros(0, dtype=bool)
    return {
        "state_since_ns": reading.wall_ns,
        "round_ns": reading.wall_ns,
        "statements": len(reading.keys),
        "calls": 0 if interval is None else int(interval.counts[:, CALLS].sum()),
        "evictions": 0 if interval is None else interval.evictions,
        "active_sessions": reading.instance.active_sessions,
        "is_standby": reading.instance.is_standby,
        "wal_bytes": reading.instance.wal_bytes,
        "timeline": reading.instance.timeline,
        "judged": int(is_judged.sum()),
        "judged_share": float(base.share[is_judged].sum()) if base is not None else 0.0,
        "common_mode": None if seen is None else seen.common,
        "plans_changed": int(vigil.plan_changed.sum()) if vigil is not None else 0,
    }


def _of_baseline(seen: Seen, interval: Interval) -> list[Unjudged]:
    base, place = seen.vigil.baseline, seen.vigil.place
    found: list[Unjudged] = []
    whole = max(float(interval.counts[:, TOTAL_MS].sum()), 1e-9)
    is_new = np.array([key not in place for key in interval.keys], dtype=bool)
    if is_new.any():
        share = float(interval.counts[is_new, TOTAL_MS].sum()) / whole
        found.append(Unjudged("new since the baseline", int(is_new.sum()), share))
    rare = ~base.is_judged()
    if rare.any():
        share = float(base.share[rare].sum())
        found.append(Unjudged("ran too seldom while it was learnt", int(rare.sum()), share))
    if len(base.keys) >= MOST_STATEMENTS:
        found.append(Unjudged(f"beyond the {MOST_STATEMENTS} heaviest", 0))
    if not base.removes_common_mode:
        found.append(Unjudged("judged without taking out the load: too few statements", len(base.keys)))
    if seen.too_small:
        found.append(Unjudged("slower, but by less than matters", seen.too_small))
    return found
