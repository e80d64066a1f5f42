"""A gate beside the statistical one: whether a proven regression matters.

It only holds an alarm back. The evidence stays as it is, and no gate makes a regression of what is not proven.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Practical:
    """The least that matters: slower by this share, and by so many seconds of database time per hour. Both count."""

    least_share: float = 0.10
    least_seconds_per_hour: float = 10.0

    def matters(self, effect: float, *, anchor_mean_ms: float, calls_per_hour: float) -> bool:
        """Return whether a slow-down by the factor `effect` matters to this query."""
        return (
            effect >= 1.0 + self.least_share
            and lost_seconds_per_hour(effect, anchor_mean_ms=anchor_mean_ms, calls_per_hour=calls_per_hour)
            >= self.least_seconds_per_hour
        )


def lost_seconds_per_hour(effect: float, *, anchor_mean_ms: float, calls_per_hour: float) -> float:
    """Return the database time that the slow-down costs; negative for a gain."""
    return (effect - 1.0) * anchor_mean_ms * calls_per_hour / 1000.0
