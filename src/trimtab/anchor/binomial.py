"""Exact binomial sums: distribution, quantile, and the bounds of Clopper and Pearson for a rate. It judges nothing.

Sources: Clopper & Pearson (1934); the incomplete beta function by its continued fraction (Lentz, 1976).
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, expm1, lgamma, log, log1p

_PRECISION = 1e-15
_TINY = 1e-300
# The fraction takes about the square root of the number of trials: enough for more than 10 ** 12 of them.
_LARGEST_DEPTH = 5_000_000
# From a logarithm of -690 to the last digit of a double.
_HALVINGS = 62


def binomial_cdf(count: int, trials: int, rate: float) -> float:
    """Return the probability of at most `count` hits in so many independent trials at this rate."""
    if trials < 0 or not 0.0 <= rate <= 1.0:
        raise ValueError("no negative number of trials, and a rate from 0 to 1")
    if count < 0:
        return 0.0
    if count >= trials or rate == 0.0:
        return 1.0
    if rate == 1.0:
        return 0.0
    return _incomplete_beta(trials - count, count + 1, 1.0 - rate, log1p(-rate), log(rate))


def binomial_tail(count: int, trials: int, rate: float) -> float:
    """Return the probability of `count` hits or more; small ones keep their precision."""
    if count <= 0:
        return 1.0
    if count > trials or rate == 0.0:
        return 0.0
    if rate == 1.0:
        return 1.0
    return _incomplete_beta(count, trials - count + 1, rate, log(rate), log1p(-rate))


def binomial_quantile(share: float, trials: int, rate: float) -> int:
    """Return the smallest count that is not exceeded with a probability of at least `share`."""
    if not 0.0 <= share <= 1.0:
        raise ValueError("a share from 0 to 1")
    low, high = 0, trials
    while low < high:
        middle = (low + high) // 2
        # What lies above is compared, because near 1 the distribution itself has no digits left.
        low, high = (low, middle) if binomial_tail(middle + 1, trials, rate) <= 1.0 - share else (middle + 1, high)
    return low


def rate_upper_bound(count: int, trials: int, confidence: float) -> float:
    """Return the one-sided upper bound of Clopper and Pearson: a larger rate gives so few hits too rarely."""
    _require_counts(count, trials, confidence)
    if count == trials:
        return 1.0
    if count == 0:
        return -expm1(log(1.0 - confidence) / trials)
    return _bisect(lambda rate: binomial_cdf(count, trials, rate) > 1.0 - confidence)


def rate_lower_bound(count: int, trials: int, confidence: float) -> float:
    """Return the one-sided lower bound of Clopper and Pearson: a smaller rate gives so many hits too rarely."""
    _require_counts(count, trials, confidence)
    if count == 0:
        return 0.0
    return _bisect(lambda rate: binomial_tail(count, trials, rate) <= 1.0 - confidence)


def _require_counts(count: int, trials: int, confidence: float) -> None:
    if not 0 <= count <= trials or trials < 1 or not 0.0 < confidence < 1.0:
        raise ValueError("at least one trial, no more hits than trials, and a confidence between 0 and 1")


def _bisect(is_below: Callable[[float], bool]) -> float:
    """The rate at which a claim that holds for small rates ends. Small rates are searched by their logarithm."""
    low, high = log(_TINY), 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(exp(middle)) else (low, middle)
    return exp(high)


def _incomplete_beta(a: float, b: float, x: float, log_x: float, log_rest: float) -> float:
    """The regularised incomplete beta function at x, whose logarithm and that of 1 - x are given."""
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log_x + b * log_rest)
    if x < (a + 1.0) / (a + b + 2.0):
        return min(front * _fraction(a, b, x) / a, 1.0)
    return max(1.0 - front * _fraction(b, a, 1.0 - x) / b, 0.0)


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction, from the front."""
    numerator, denominator = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    denominator = 1.0 / (denominator if abs(denominator) > _TINY else _TINY)
    value = denominator
    for depth in range(1, _LARGEST_DEPTH):
        twice = 2 * depth
        even = depth * (b - depth) * x / ((a + twice - 1.0) * (a + twice))
        odd = -(a + depth) * (a + b + depth) * x / ((a + twice) * (a + twice + 1.0))
        for term in (even, odd):
            denominator = 1.0 + term * denominator
            denominator = 1.0 / (denominator if abs(denominator) > _TINY else _TINY)
            numerator = 1.0 + term / numerator
            numerator = numerator if abs(numerator) > _TINY else _TINY
            value *= numerator * denominator
        if abs(numerator * denominator - 1.0) < _PRECISION:
            return value
    raise ArithmeticError("the continued fraction of the incomplete beta function did not settle")
