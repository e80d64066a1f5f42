"""How small an effect a test could have seen: what a verdict without evidence is worth. It never changes a verdict.

The effect is a factor that all values are multiplied by, applied to the anchor's own values; so no shape is assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, inf, log

from trimtab.anchor.bets import LOG_WEIGHTS, Stakes, is_tested, joint_stakes, log_wealth, single_stakes
from trimtab.anchor.binomial import rate_lower_bound
from trimtab.anchor.limits import QUANTILES, Direction, Limits
from trimtab.model.paired import RESOLUTION_MS
from trimtab.model.paired_power import POWER


def smallest_effect(
    limits: Limits,
    reference: Sequence[float | None],
    values: int,
    *,
    needed: float,
    power: float = POWER,
    is_onset: bool = False,
) -> float | None:
    """Return the factor, 1.0 or more, that would have been shown by so many values with probability `power`, or better.

    `reference` is what the limits were made of, `needed` the evidence that proves, by T1's bets or, with `is_onset`, by
    T4's. It looks at the last value alone, and at one limit at a time with nothing between it and the lowest, so the
    truth is a little smaller. None: no effect could have been shown yet.
    """
    ordered = sorted(inf if value is None else value for value in reference)
    if limits.direction is Direction.FASTER:
        ordered = sorted(1.0 / max(value, RESOLUTION_MS) for value in ordered)
    found: list[float] = []
    bets = _bets(limits, is_onset=is_onset)
    for limit in limits.limits:
        count = _count_needed(bets, QUANTILES.index(limit.quantile), values, log(needed))
        if count is None:
            continue
        # The rate at which so many are beyond the limit with that probability, and the value that so many reach.
        share = rate_lower_bound(count, values, 1.0 - power)
        rank = len(ordered) - ceil(share * len(ordered))
        value = ordered[max(rank, 0)]
        if limits.direction is Direction.FASTER and limit.value <= 0.0:
            continue
        bound = limit.value if limits.direction is Direction.SLOWER else 1.0 / limit.value
        if value > 0.0:
            found.append(max(bound / value, 1.0))
    return min(found, default=None)


def _bets(limits: Limits, *, is_onset: bool) -> list[tuple[Stakes, float]]:
    """Return the bets, and the logarithm of what part of the evidence each is."""
    tested = is_tested(limit.quantile for limit in limits.limits)
    if is_onset:
        single = single_stakes(tested)
        return [(stakes, -log(len(single))) for stakes in single]
    return list(zip(joint_stakes(tested), LOG_WEIGHTS, strict=True))


def _count_needed(bets: Sequence[tuple[Stakes, float]], place: int, values: int, needed: float) -> int | None:
    """The fewest values beyond the limit that alone give the evidence; None where not even all of them do."""
    low, high = 0, values + 1
    while low < high:
        middle = (low + high) // 2
        passed = [middle if number <= place else 0 for number in range(len(QUANTILES))]
        largest = max((log_wealth(stakes, passed, values) + weight for stakes, weight in bets), default=0.0)
        low, high = (low, middle) if largest >= needed else (middle + 1, high)
    return low if low <= values else None
