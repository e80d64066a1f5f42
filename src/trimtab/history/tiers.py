"""How finely the history is kept, and for how long: raw readings, minutes, hours and days.

Pure: it says what is due, `store.py` does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

RAW, MINUTE, HOUR, DAY = range(4)
SECOND_NS = 10**9
LENGTH_NS: Mapping[int, int] = MappingProxyType(
    {MINUTE: 60 * SECOND_NS, HOUR: 3600 * SECOND_NS, DAY: 86_400 * SECOND_NS}
)
TIER_NAMES: Mapping[int, str] = MappingProxyType({RAW: "raw", MINUTE: "minute", HOUR: "hour", DAY: "day"})
KEPT_STATEMENTS = 5000
"""So many of the heaviest statements of a stretch are kept one by one; the rest as one, under number 0."""
FINE: Mapping[int, int] = MappingProxyType({RAW: 400, MINUTE: 400, HOUR: 1500})
"""Of one thing, a server or a query, so many points of a tier are read at most."""
WIDE: Mapping[int, int] = MappingProxyType({RAW: 60, MINUTE: 60, HOUR: 100})
"""Of all queries at once."""


@dataclass(frozen=True, slots=True)
class Retention:
    """For how many seconds each tier is kept, and single executions and events."""

    seconds: Mapping[int, float] = field(
        default_factory=lambda: {RAW: 3600.0, MINUTE: 30 * 86_400.0, HOUR: 400 * 86_400.0, DAY: 5 * 366 * 86_400.0}
    )
    executions_seconds: float = 30 * 86_400.0
    events: int = 100_000


def tier_for(begin_ns: int, end_ns: int, now_ns: int, retention: Retention, points: Mapping[int, int]) -> int:
    """Return the finest tier that still holds the beginning of a stretch, and makes of it no more points than these."""
    for tier, most in points.items():
        is_kept = now_ns - begin_ns <= retention.seconds[tier] * SECOND_NS
        step_ns = LENGTH_NS.get(tier, 10 * SECOND_NS)
        if is_kept and (end_ns - begin_ns) / step_ns <= most:
            return tier
    return DAY
