"""What a trial must show and what it may cost: the numbers that a trial is run under."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class TrialRules(Protocol):
    """The part of a specification that governs trials."""

    @property
    def error_rate(self) -> float: ...  # noqa: D102
    @property
    def min_gain_percent(self) -> float: ...  # noqa: D102
    @property
    def max_query_slowdown_percent(self) -> float: ...  # noqa: D102
    @property
    def slowdown_floor_ms(self) -> float: ...  # noqa: D102
    @property
    def statement_timeout_ms(self) -> int: ...  # noqa: D102
    @property
    def max_seconds(self) -> float: ...  # noqa: D102
    @property
    def max_pairs(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """The limits of one trial.

    `error_rate` is the chance to accept a change that does nothing. `min_gain_percent` of the measured queries'
    weighted time must be saved. No query may become slower by more than `max_query_slowdown_percent` and
    `slowdown_floor_ms`. One run may take `statement_timeout_ms`, one strategy `max_seconds` and `max_pairs` pairs, its
    builds `build_timeout_ms`. Rebuilding an index must free `min_freed_bytes` and `min_freed_percent` of it.
    """

    error_rate: float = 0.01
    min_gain_percent: float = 5.0
    max_query_slowdown_percent: float = 10.0
    slowdown_floor_ms: float = 2.0
    statement_timeout_ms: int = 60_000
    max_seconds: float = 300.0
    max_pairs: int = 60
    build_timeout_ms: int = 1_800_000
    min_freed_bytes: int = 0
    min_freed_percent: float = 0.0

    @classmethod
    def of(cls, rules: TrialRules) -> TrialLimits:
        """Return the limits that a specification's trial rules set."""
        return cls(
            error_rate=rules.error_rate,
            min_gain_percent=rules.min_gain_percent,
            max_query_slowdown_percent=rules.max_query_slowdown_percent,
            slowdown_floor_ms=rules.slowdown_floor_ms,
            statement_timeout_ms=rules.statement_timeout_ms,
            max_seconds=rules.max_seconds,
            max_pairs=rules.max_pairs,
        )

    @property
    def margin(self) -> float:
        """The gain to show, as before/after - 1: to save 20 % is to be 1.25 times as fast."""
        return 1.0 / (1.0 - min(self.min_gain_percent, 99.0) / 100.0) - 1.0

    @property
    def slowdown_margin(self) -> float:
        """The loss that a single query may not exceed, as after/before - 1."""
        return self.max_query_slowdown_percent / 100.0
