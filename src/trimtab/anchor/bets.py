"""What one value is worth to a gambler who bets that limits are passed more often than they may be.

The stake f at the quantile q multiplies wealth by 1 + (f / p) * (passed - p), p = 1 - q: never below 0, and at most 1
on average as long as the limit is passed with probability at most p, whatever came before. Stakes on several limits add
up in one factor, which is so too while they sum to 1 at most. It decides nothing.

Source: betting on a bounded mean, Waudby-Smith & Ramdas (2024).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from math import exp, log, log1p
from typing import TypeAlias

from trimtab.anchor.limits import QUANTILES

Stakes: TypeAlias = tuple[float, ...]
"""What is staked on each limit, in the order of `QUANTILES`."""

STAKES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Each on one limit alone: T4's bets, with equal weights."""
JOINT: tuple[tuple[Stakes, float], ...] = (
    ((0.05, 0.0, 0.0), 1.0),
    ((0.13, 0.01, 0.0), 2.0),
    ((0.27, 0.04, 0.0), 4.0),
    ((0.40, 0.16, 0.01), 2.0),
    ((0.30, 0.50, 0.10), 2.0),
    ((0.0, 0.45, 0.50), 1.0),
    ((0.0, 0.15, 0.02), 0.7),
    ((0.0, 0.02, 0.10), 0.7),
)
"""T1's bets, each on all limits, and their weights. The first six are about the best bets against slow-downs by 1.2,
1.35, 1.5, 2, 4 and 10 of lognormal times (sigma 0.6); the last two bet on what gets slower in its tail alone."""
LOG_WEIGHTS = tuple(log(weight / sum(w for _, w in JOINT)) for _, weight in JOINT)
_LARGEST_LOG = 690.0


def factor(stake: float, quantile: float, is_passed: bool) -> float:
    """Return what wealth is multiplied by."""
    return exp(log_factor(stake, 1.0 - quantile, is_passed))


def log_factor(stake: float, rate: float, is_passed: bool) -> float:
    """Return the logarithm of what wealth is multiplied by, where limits may be passed at this rate, above 0."""
    return log1p(stake * (1.0 - rate) / rate) if is_passed else log1p(-stake)


def log_joint_factor(stakes: Stakes, rates: Sequence[float], is_passed: Sequence[bool]) -> float:
    """Return the logarithm of the factor of several stakes at once, in the order of `QUANTILES`."""
    return log1p(
        sum(stake * (passed / rate - 1.0) for stake, rate, passed in zip(stakes, rates, is_passed, strict=True))
    )


@cache
def joint_stakes(tested: tuple[bool, ...]) -> tuple[Stakes, ...]:
    """Return the stakes of `JOINT` where only some limits are tested: those of one that is not go to the next lower."""
    return tuple(_moved(stakes, tested) for stakes, _ in JOINT)


def is_tested(quantiles: Iterable[float]) -> tuple[bool, ...]:
    """Return which of `QUANTILES` are among these."""
    known = set(quantiles)
    return tuple(quantile in known for quantile in QUANTILES)


def single_stakes(tested: tuple[bool, ...]) -> tuple[Stakes, ...]:
    """Return T4's stakes: each of `STAKES` on each of the limits that are tested."""
    return tuple(
        tuple(stake if place == number else 0.0 for place in range(len(QUANTILES)))
        for number, is_one in enumerate(tested)
        if is_one
        for stake in STAKES
    )


def log_wealth(stakes: Stakes, passed: Sequence[int], values: int) -> float:
    """Return the logarithm of what 1 has become after so many values, of which so many passed each limit.

    A value beyond a limit is beyond the lower ones too. `passed` is in the order of `QUANTILES`, where a limit that is
    not tested, and has no stake, may have any number from those of its neighbours.
    """
    logs = category_logs(stakes)
    counts = [values, *passed, 0]
    return sum((counts[n] - counts[n + 1]) * logs[n] for n in range(len(logs)))


def log_mean_wealth(quantiles: Sequence[float], passed: Sequence[int], values: int) -> float:
    """Return the logarithm of the weighted mean of the wealth over all joint bets: the evidence. Nothing tested: 0."""
    tested = is_tested(quantiles)
    if not any(tested):
        return 0.0
    known = dict(zip(quantiles, passed, strict=True))
    counts: list[int] = []
    for quantile in QUANTILES:
        counts.append(known.get(quantile, counts[-1] if counts else values))
    return log_mean(
        weight + log_wealth(stakes, counts, values) + log(len(JOINT))
        for stakes, weight in zip(joint_stakes(tested), LOG_WEIGHTS, strict=True)
    )


def log_mean(logs: Iterable[float]) -> float:
    """Return the logarithm of the mean of numbers that are given as logarithms; of none it is 0."""
    logs = list(logs)
    if not logs:
        return 0.0
    largest = max(logs)
    return largest + log(sum(exp(each - largest) for each in logs) / len(logs))


def as_number(log_value: float) -> float:
    """Return exp of it, kept within what a number can hold."""
    return exp(min(log_value, _LARGEST_LOG))


def _moved(stakes: Stakes, tested: tuple[bool, ...]) -> Stakes:
    moved = list(stakes)
    for number in reversed(range(len(moved))):
        lower = [place for place in range(number) if tested[place]]
        if not tested[number]:
            if lower:
                moved[lower[-1]] += moved[number]
            moved[number] = 0.0
    return tuple(moved)


@cache
def category_logs(stakes: Stakes) -> tuple[float, ...]:
    """Return the logarithms of the factors of a value that passes none of the limits, the lowest, ..., and all."""
    rates = [1.0 - quantile for quantile in QUANTILES]
    return tuple(
        log_joint_factor(stakes, rates, [place < number for place in range(len(QUANTILES))])
        for number in range(len(QUANTILES) + 1)
    )
