"""T4, for watching without an end: the Shiryaev-Roberts e-detector, which finds a change whose start nobody knows.

While nothing has changed, the mean number of looks until an alarm is at least the alarm level, and an alarm within n
looks has probability at most n / level, whatever the values do between the limits. It never acts.

Source: e-detectors, Shin, Ramdas & Rinaldo (2024), with M(t) = (M(t - 1) + 1) * L(t); the bets are those of T1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from trimtab.anchor.bets import STAKES, factor
from trimtab.anchor.limits import Limits

_LARGEST = 1e300


def alarm_level(queries: int, looks_per_day: float, days_per_false_alarm: float) -> float:
    """Return the level at which so many watched queries give one false alarm in so many days, on average at most.

    `looks_per_day` are those of one query. 500 queries, looked at each minute, one alarm in 30 days: 2.16e7.
    """
    if queries < 1 or looks_per_day <= 0 or days_per_false_alarm <= 0:
        raise ValueError("at least one query, and looks and days above 0")
    return max(queries * looks_per_day * days_per_false_alarm, 1.0)


@dataclass(frozen=True, slots=True)
class OnsetDetector:
    """Evidence per limit and stake, in this order, that a change began at some look. `observe` returns the next one.

    `looks` counts from the last restart.
    """

    limits: Limits
    level: float
    looks: int = 0
    failures: int = 0
    evidence: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.evidence:
            object.__setattr__(self, "evidence", (0.0,) * (len(self.limits.limits) * len(STAKES)))

    def observe(self, value: float | None) -> OnsetDetector:
        """Return the detector after one more look; None is an error or a time-out."""
        factors = [
            factor(stake, limit.quantile, is_passed)
            for limit, is_passed in zip(self.limits.limits, self.limits.passed(value), strict=True)
            for stake in STAKES
        ]
        return replace(
            self,
            looks=self.looks + 1,
            failures=self.failures + (value is None or value == float("inf")),
            evidence=tuple(
                min((held + 1.0) * each, _LARGEST) for held, each in zip(self.evidence, factors, strict=True)
            ),
        )

    def restarted(self) -> OnsetDetector:
        """Return it as at the start: after an alarm was dealt with, or a new anchor was accepted."""
        return OnsetDetector(self.limits, self.level)

    @property
    def value(self) -> float:
        """The evidence now, which is compared with the level: the mean over limits and stakes."""
        return sum(self.evidence) / len(self.evidence) if self.evidence else 0.0

    @property
    def is_alarm(self) -> bool:
        """Whether a change is to be told now."""
        return self.value >= self.level
