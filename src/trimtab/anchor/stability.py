"""How often a service level is breached: breaches per million executions, at most how many, and the sigma level of it.

The level is that of the upper bound, one-sided and without the shift by 1.5 that "six sigma" tables add: 3.4 per
million are 4.5 here. It is a number with a confidence, never a badge.

Source: Clopper & Pearson (1934). It takes executions as independent: breaches that come in bursts need a longer watch.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, log1p
from statistics import NormalDist

from trimtab.anchor.binomial import rate_upper_bound

CONFIDENCE = 0.95
_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Stability:
    """What was counted, and what it supports. `sigma_level` may be negative: most executions are breaches then."""

    executions: int
    breaches: int
    confidence: float
    breaches_per_million: float
    at_most_per_million: float
    sigma_level: float


def stability(executions: int, breaches: int, *, confidence: float = CONFIDENCE) -> Stability | None:
    """Return how stable so many executions show a query to be; None without any. Errors and time-outs are breaches."""
    if executions == 0 and breaches == 0:
        return None
    bound = rate_upper_bound(breaches, executions, confidence)
    return Stability(
        executions,
        breaches,
        confidence,
        _MILLION * breaches / executions,
        _MILLION * bound,
        sigma_level(bound),
    )


def sigma_level(rate: float) -> float:
    """Return how many standard deviations a normal variable exceeds with this probability, one-sided, unshifted."""
    if rate >= 1.0:
        return float("-inf")
    return -NormalDist().inv_cdf(rate) if rate > 0.0 else float("inf")


def executions_needed(per_million: float, *, confidence: float = CONFIDENCE) -> int:
    """Return how many executions without a breach support a bound: 881,097 for 3.4 per million at 95 %."""
    if not 0.0 < per_million < _MILLION:
        raise ValueError("a rate per million, above 0")
    return ceil(log(1.0 - confidence) / log1p(-per_million / _MILLION))
