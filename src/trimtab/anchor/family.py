"""Many queries, one error rate: which share of alpha each gets. It weighs, and never tests a query.

Source: weighted Bonferroni (Genovese, Roeder & Wasserman, 2006), safe whenever one stops and under any dependence.
"""

from __future__ import annotations

from collections.abc import Mapping

EQUALLY = 0.5
"""This part of alpha is shared equally, so that a rare query can be judged at all; the rest by the time."""


def shared_error_rates(total_ms: Mapping[str, float], error_rate: float) -> dict[str, float]:
    """Return alpha of each query: half of the family's alpha equally, half by its share of total time.

    Limits, and so the number of values that an anchor needs, are made with the query's own alpha.
    """
    if any(value < 0 for value in total_ms.values()):
        raise ValueError("no time is negative")
    sum_ms = sum(total_ms.values())
    equally = EQUALLY if sum_ms > 0 else 1.0
    return {
        query: error_rate * (equally / len(total_ms) + (1.0 - equally) * (value / sum_ms if sum_ms > 0 else 0.0))
        for query, value in total_ms.items()
    }
