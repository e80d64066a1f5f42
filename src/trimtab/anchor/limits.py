"""The limits of the exceedance tests: order statistics of the anchor's values, so high that each is surely a quantile.

A limit is below the true quantile with probability at most alpha / 6 (three quantiles use half of alpha; the tests use
the other half). What the anchor has too few values for is dropped and named. Nothing is tested here.

Source: distribution-free confidence bounds for quantiles by order statistics (David & Nagaraja, 2003, section 7.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf, isnan, log

from trimtab.anchor.binomial import binomial_quantile
from trimtab.model.paired import RESOLUTION_MS

QUANTILES = (0.5, 0.9, 0.99)
# Limits and evidence have half of alpha each, and the limits share theirs.
_SHARES_OF_ALPHA = 2 * len(QUANTILES)


class Direction(StrEnum):
    """What is to be shown: that the new values are larger, or, with the roles swapped, smaller."""

    SLOWER = "slower"
    FASTER = "faster"


class Why(StrEnum):
    """Why a quantile is not tested."""

    TOO_FEW = "too_few"
    ANCHOR_FAILS = "anchor_fails"


@dataclass(frozen=True, slots=True)
class Limit:
    """What may be passed by at most the share `1 - quantile` of the values; `value` has the margin in it."""

    quantile: float
    value: float


@dataclass(frozen=True, slots=True)
class Dropped:
    """A quantile that is not tested: the anchor has fewer values than `needed`, or too many of them are failures."""

    quantile: float
    why: Why
    needed: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What new values are compared with. `margin` 0.05: what is up to 5 % worse is no regression.

    Nor is what is less than `least_difference` worse, in the values' unit: a clock's steps, a process switch.

    With the direction FASTER quantiles are counted from the slow end: 0.9 is what a tenth of the anchor's values are
    below.
    """

    error_rate: float
    margin: float
    least_difference: float
    reference_count: int
    direction: Direction
    limits: tuple[Limit, ...]
    dropped: tuple[Dropped, ...]

    def passed(self, value: float | None) -> tuple[bool, ...]:
        """Return, per limit, whether a value is beyond it. None and infinity are an error or a time-out.

        A failure is slower than every limit, and never faster than one.
        """
        found = inf if value is None else value
        if isnan(found) or found < 0:
            raise ValueError("a value is a number from 0, or None for a failure")
        if self.direction is Direction.SLOWER:
            return tuple(found > limit.value for limit in self.limits)
        return tuple(max(found, RESOLUTION_MS) < limit.value for limit in self.limits)


def values_needed(quantile: float, error_rate: float) -> int:
    """Return how many values an anchor needs for a limit at this quantile."""
    return ceil(log(error_rate / _SHARES_OF_ALPHA) / log(quantile))


def limits_of(
    values: Sequence[float | None],
    *,
    error_rate: float,
    margin: float,
    least_difference: float = 0.0,
    direction: Direction = Direction.SLOWER,
    quantiles: Sequence[float] = QUANTILES,
) -> Limits:
    """Return the limits of an anchor's values, in milliseconds or any other unit; None is an error or a time-out.

    At most three quantiles, because each has a sixth of alpha.
    """
    if not 0.0 < error_rate < 1.0 or margin < 0.0 or least_difference < 0.0 or len(quantiles) > len(QUANTILES):
        raise ValueError("an error rate between 0 and 1, margins from 0, and at most three quantiles")
    ordered = sorted(inf if value is None else value for value in values)
    if any(isnan(value) or value < 0 for value in ordered):
        raise ValueError("a value is a number from 0, or None for a failure")
    if direction is Direction.FASTER:
        ordered = [1.0 / max(value, RESOLUTION_MS) for value in reversed(ordered)]
    limits: list[Limit] = []
    dropped: list[Dropped] = []
    for quantile in quantiles:
        needed = values_needed(quantile, error_rate)
        # The rank, from 0: that of the notes' k = quantile + 1, from 1.
        rank = binomial_quantile(1.0 - error_rate / _SHARES_OF_ALPHA, len(ordered), quantile)
        if len(ordered) < needed or rank >= len(ordered):
            dropped.append(Dropped(quantile, Why.TOO_FEW, needed))
        elif _is_failure(ordered[rank], direction):
            dropped.append(Dropped(quantile, Why.ANCHOR_FAILS, needed))
        else:
            limits.append(Limit(quantile, _moved(ordered[rank], margin, least_difference, direction)))
    return Limits(error_rate, margin, least_difference, len(ordered), direction, tuple(limits), tuple(dropped))


def _moved(value: float, margin: float, least_difference: float, direction: Direction) -> float:
    """The limit with its margins, in the values' unit; `value` is the reciprocal where less is looked for."""
    if direction is Direction.SLOWER:
        return max(value * (1.0 + margin), value + least_difference)
    return min(1.0 / (value * (1.0 + margin)), 1.0 / value - least_difference)


def _is_failure(value: float, direction: Direction) -> bool:
    return value == (inf if direction is Direction.SLOWER else 0.0)
