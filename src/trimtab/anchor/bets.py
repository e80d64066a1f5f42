"""What one value is worth to a gambler who bets that limits are passed more often than they may be.

The stake f at the quantile q multiplies wealth by 1 + (f / p) * (passed - p), p = 1 - q: never below 0, and at most 1
on average as long as the limit is passed with probability at most p, whatever came before. It decides nothing.

Source: betting on a bounded mean, Waudby-Smith & Ramdas (2024).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from math import exp, log, log1p

STAKES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
_LARGEST_LOG = 690.0


def factor(stake: float, quantile: float, is_passed: bool) -> float:
    """Return what wealth is multiplied by."""
    return exp(log_factor(stake, 1.0 - quantile, is_passed))


def log_factor(stake: float, rate: float, is_passed: bool) -> float:
    """Return the logarithm of what wealth is multiplied by, where limits may be passed at this rate, above 0."""
    return log1p(stake * (1.0 - rate) / rate) if is_passed else log1p(-stake)


@cache
def _logs(stake: float, quantile: float) -> tuple[float, float]:
    """The logarithms of both factors: passed, and not."""
    return log_factor(stake, 1.0 - quantile, True), log_factor(stake, 1.0 - quantile, False)


def log_wealth(stake: float, quantile: float, passed: int, values: int) -> float:
    """Return the logarithm of what 1 has become after so many values, of which `passed` were beyond the limit."""
    won, lost = _logs(stake, quantile)
    return passed * won + (values - passed) * lost


def log_mean_wealth(quantiles: Sequence[float], passed: Sequence[int], values: int) -> float:
    """Return the logarithm of the mean wealth over all stakes and quantiles: the evidence. Nothing tested gives 0."""
    return log_mean(
        log_wealth(stake, quantile, count, values)
        for quantile, count in zip(quantiles, passed, strict=True)
        for stake in STAKES
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
