"""How often a service level is breached: breaches per million observations, at most how many, the sigma level of it.

The level is that of the upper bound, one-sided and without the shift by 1.5 that "six sigma" tables add: 3.4 per
million are 4.5 here. It is a number with a confidence, never a badge.

Source: Clopper & Pearson (1934). Observations are taken as independent: breaches in bursts need a longer watch.
"""

from __future__ import annotations

from math import ceil, log, log1p
from statistics import NormalDist

from trimtab.anchor.binomial import rate_upper_bound
from trimtab.model.latency import Latency
from trimtab.model.stability import Stability

CONFIDENCE = 0.95
EXECUTIONS, LOOKS = "executions", "looks"
MOST_SIGMAS = 8.0
_MILLION = 1e6


def stability(
    observed: int, breaches: int, *, unit: str = EXECUTIONS, confidence: float = CONFIDENCE
) -> Stability | None:
    """Return how stable so many observations show a level to be; None without any. Failures are breaches."""
    if observed == 0 and breaches == 0:
        return None
    bound = rate_upper_bound(breaches, observed, confidence)
    return Stability(
        observed,
        breaches,
        unit,
        confidence,
        _MILLION * breaches / observed,
        _MILLION * bound,
        max(sigma_level(bound), -MOST_SIGMAS),
    )


def service_level_ms(was: Latency, margin: float) -> float:
    """Return the level that an anchor's executions give: the slowest of them, plus the margin."""
    return was.max_ms * (1.0 + margin)


def breaches(now: Latency, level_ms: float) -> int:
    """Return how many executions failed or took longer; those that failed are taken for the slowest."""
    return max(now.beyond(level_ms), now.errors)


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
