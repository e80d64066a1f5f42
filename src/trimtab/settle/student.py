"""The quantile of Student's t distribution, for any number of degrees of freedom. Nothing is judged here."""

from __future__ import annotations

from math import atan, cos, exp, lgamma, log, pi, sin, sqrt, tan
from statistics import NormalDist

# Above it the two distributions differ by less than the numbers that are put in.
_NEARLY_NORMAL = 10_000.0
_INTERVALS = 200
_STEPS = 60
_TERMS = 60
_RESOLUTION = 1e-15


def t_quantile(share: float, freedom: float) -> float:
    """Return what a t variable of so many degrees of freedom (1 or more) stays below with the probability `share`."""
    if not 0.0 < share < 1.0 or freedom < 1.0:
        raise ValueError("a share between 0 and 1, and at least one degree of freedom")
    if freedom >= _NEARLY_NORMAL:
        return NormalDist().inv_cdf(share)
    if share < 0.5:
        return -t_quantile(1.0 - share, freedom)
    # An angle, t = tan(angle) * sqrt(freedom), makes the density one that is smooth on a bounded range. There the
    # distribution function is concave: from the normal's quantile, which lies below, no step of Newton's goes too far.
    angle = atan(NormalDist().inv_cdf(share) / sqrt(freedom))
    for _ in range(_STEPS):
        if angle < pi / 4:
            missing = share - 0.5 - _between_zero_and(angle, freedom)
        else:
            missing = _beyond(angle, freedom) - (1.0 - share)
        step = missing / (_factor(freedom) * exp((freedom - 1) * log(cos(angle))))
        angle = min(angle + step, pi / 2)
        if step < _RESOLUTION:
            break
    return sqrt(freedom) * tan(angle)


def _factor(freedom: float) -> float:
    return exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2)) / sqrt(pi)


def _between_zero_and(angle: float, freedom: float) -> float:
    """Simpson's rule over the density, cos(u) ** (freedom - 1) up to a factor."""
    step = angle / _INTERVALS
    total = 0.0
    for number in range(_INTERVALS + 1):
        weight = 1 if number in (0, _INTERVALS) else (4 if number % 2 else 2)
        total += weight * cos(number * step) ** (freedom - 1)
    return _factor(freedom) * total * step / 3


def _beyond(angle: float, freedom: float) -> float:
    """The tail from an angle of pi / 4 or more, where few degrees end steeply and Simpson's rule errs.

    The binomial series of s ** (freedom - 1) / sqrt(1 - s ** 2), term by term; s is the cosine, at most 0.71.
    """
    end = sin(pi / 2 - angle)
    total, power = 0.0, 1.0
    for number in range(_TERMS):
        total += power / (freedom + 2 * number)
        power *= end**2 * (2 * number + 1) / (2 * number + 2)
    return _factor(freedom) * total * exp(freedom * log(end))
