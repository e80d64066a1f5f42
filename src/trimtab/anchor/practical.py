"""Two gates beside the statistical one: whether a proven regression matters, and whether to act on it now or wait.

Both only hold an action back. The evidence stays as it is, and no gate makes a regression of what is not proven.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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


class Action(StrEnum):
    """What to do about a proven regression now."""

    ACT = "act"
    WAIT = "wait"
    WENT_AWAY = "went_away"


@dataclass(frozen=True, slots=True)
class WentAway:
    """How long to wait for what passes by itself, a vacuum or a backup, and the factor at which nobody waits."""

    cycle_seconds: float
    at_once_from: float = 3.0

    def action(self, *, proven_at: float, now: float, recent_effect: float, still_matters: bool) -> Action:
        """Return what to do. `recent_effect` and `still_matters` are of the last values, not of all since the change.

        Times are seconds of one clock. A clock that was set back only makes it wait.
        """
        if recent_effect >= self.at_once_from and still_matters:
            return Action.ACT
        if now - proven_at < self.cycle_seconds:
            return Action.WAIT
        return Action.ACT if still_matters else Action.WENT_AWAY
