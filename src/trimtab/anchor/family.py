"""Many queries, one error rate: which share of alpha each gets, and which of them are found when only few may be false.

It weighs evidence that others made; it never tests a query.

Sources: weighted Bonferroni (Genovese, Roeder & Wasserman, 2006), safe whenever one stops; e-BH (Wang & Ramdas, 2022),
under any dependence, but not on running maxima (Tavyrikov et al., 2025).
"""

from __future__ import annotations

from collections.abc import Mapping


def shared_error_rates(total_ms: Mapping[str, float], error_rate: float) -> dict[str, float]:
    """Return alpha of each query: the family's alpha by its share of total time. Queries without time get none.

    Limits, and so the number of values that an anchor needs, are made with the query's own alpha.
    """
    if any(value < 0 for value in total_ms.values()):
        raise ValueError("no time is negative")
    sum_ms = sum(total_ms.values())
    return {query: error_rate * (value / sum_ms) for query, value in total_ms.items() if value > 0}


def found_by_e_bh(current_e_values: Mapping[str, float], false_share: float) -> frozenset[str]:
    """Return the queries that have changed, so that of them at most `false_share` are wrong on average (FDR).

    Only for evidence as it is now, `ExceedanceTest.e_value`: a `peak` is no e-value, and breaks the guarantee. It holds
    for the evidence given that the limits are right; with those of `shared_error_rates` of alpha, add alpha / 2.
    """
    if not 0.0 < false_share < 1.0 or any(value < 0 for value in current_e_values.values()):
        raise ValueError("a share between 0 and 1, and no negative evidence")
    ordered = sorted(current_e_values, key=lambda query: (-current_e_values[query], query))
    count = len(ordered)
    found = max(
        (rank for rank, query in enumerate(ordered, 1) if current_e_values[query] * rank * false_share >= count),
        default=0,
    )
    return frozenset(ordered[:found])
