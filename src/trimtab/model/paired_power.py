"""T2, for a pair of arms whose order a coin decides: the smallest effect that the paired test could have shown.

The test itself is `model.paired.PairedTest`, the one that trials use: valid under any drift and any tail, because only
the coin is random. It measures nothing, and never changes what was decided.
"""

from __future__ import annotations

from math import exp, log, log1p, sqrt
from statistics import NormalDist

from trimtab.model.paired import BETS, CLIP_SCALES, PairedTest

POWER = 0.8
_HALVINGS = 60


def smallest_paired_effect(test: PairedTest, *, power: float = POWER) -> float | None:
    """Return the factor between the arms that so many pairs would have shown with about this probability.

    The scores are taken as normal with the test's own scale, cut to -1..1. None where no effect could have been shown.
    """
    if test.pairs == 0:
        return None
    needed = log(len(BETS) / test.error_rate)
    if _log_wealth(test, 1.0, power) < needed:
        return None
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if _log_wealth(test, middle, power) >= needed else (middle, high)
    return exp(log1p(test.margin) + high * CLIP_SCALES * test.scale)


def _log_wealth(test: PairedTest, score: float, power: float) -> float:
    """The best bet's wealth after pairs of this mean score, less what chance may take from it."""
    spread = 1.0 / CLIP_SCALES
    shortfall = NormalDist().inv_cdf(power) * spread * sqrt(test.pairs)
    return max(
        test.pairs * (log1p(bet * score) - (bet * spread / (1.0 + bet * score)) ** 2 / 2)
        - bet / (1.0 + bet * score) * shortfall
        for bet in BETS
    )
