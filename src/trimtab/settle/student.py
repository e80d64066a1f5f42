"""The quantile of Student's t distribution, for any number of degrees of freedom. Nothing is judged here."""

from __future__ import annotations

from math import cos, exp, lgamma, log, pi, sqrt, tan
from statistics import NormalDist

# Above it the two distributions differ by less than the numbers that are put in.
_NEARLY_NORMAL = 10_000.0
_INTERVALS = 200
_HALVINGS = 60


def t_quantile(share: float, freedom: float) -> float:
    """Return what a t variable of so many degrees of freedom (1 or more) stays below with the probability `share`."""
    if not 0.0 < share < 1.0 or freedom < 1.0:
        raise ValueError("a share between 0 and 1, and at least one degree of freedom")
    if freedom >= _NEARLY_NORMAL:
        return NormalDist().inv_cdf(share)
    if share < 0.5:
        return -t_quantile(1.0 - share, freedom)
    # An angle, t = tan(angle) * sqrt(freedom), makes the density one that is smooth on a bounded range.
    low, high = 0.0, pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if 0.5 + _between_zero_and(middle, freedom) >= share else (middle, high)
    return sqrt(freedom) * tan((low + high) / 2)


def _between_zero_and(angle: float, freedom: float) -> float:
    """Simpson's rule over the density, cos(u) ** (freedom - 1) up to a factor."""
    factor = exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2)) / sqrt(pi)
    step = angle / _INTERVALS
    total = 0.0
    for number in range(_INTERVALS + 1):
        weight = 1 if number in (0, _INTERVALS) else (4 if number % 2 else 2)
        value = cos(number * step)
        total += weight * (exp((freedom - 1) * log(value)) if value > 0.0 else float(freedom == 1.0))
    return factor * total * step / 3
