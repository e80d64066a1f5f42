"""The five dimensions of a performance state, each with a level, a band, and the test that compares others with it.

Pure. What was not counted is not measured, and says why; nothing is estimated.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from trimtab.model.anchor import Dimension, QueryLevel

MARGIN = 0.10
"""By how much a level may differ before anyone would act, as a share."""
THROUGHPUT, LATENCY, EFFICIENCY, CONCURRENCY, COHERENCE = NAMES = (
    "query_throughput",
    "response_latency",
    "resource_efficiency",
    "concurrency_performance",
    "quantum_coherence",
)
_TESTS = {
    THROUGHPUT: "the rate's ratio, within the margin and three standard deviations of a Poisson count",
    LATENCY: "executions: T1; means: Fieller's bound of their ratio, over queries; the common change taken out",
    EFFICIENCY: "the ratio of blocks per call, over the queries of both",
    CONCURRENCY: "the ratio of time per call and busy session, over the queries of both",
    COHERENCE: "share of the time of queries whose plan is the same and whose latency is not judged slower",
}
_UNITS = {
    THROUGHPUT: "calls/s",
    LATENCY: "ms per call",
    EFFICIENCY: "blocks per call",
    CONCURRENCY: "ms per call and busy session",
    COHERENCE: "share of time",
}


def dimensions(levels: Sequence[QueryLevel], seconds: float | None, *, margin: float = MARGIN) -> tuple[Dimension, ...]:
    """Return the five, of the queries' levels and the length of the window in which was counted."""
    counted = [level.counted for level in levels if level.counted is not None]
    calls = sum(c.calls for c in counted)
    if not calls:
        return tuple(not_measured(name, "the server counted no execution of the workload's queries") for name in NAMES)
    total_ms = sum(c.mean_ms * c.calls for c in counted)
    mean_ms = total_ms / calls
    blocks = sum(c.blocks * c.calls for c in counted) / calls
    known = sum(level.counted.share for level in levels if level.counted is not None and level.plan_shape)
    rated: list[Dimension]
    if seconds is None or seconds <= 0:
        why = "nobody knows since when the server counts"
        rated = [not_measured(THROUGHPUT, why), not_measured(CONCURRENCY, why)]
    else:
        busy = total_ms / 1000 / seconds
        rated = [
            _around(THROUGHPUT, calls / seconds, max(margin, 3 / sqrt(calls)), f"{calls} calls in {seconds:.0f} s"),
            _around(CONCURRENCY, mean_ms / max(busy, 1.0), margin, f"{busy:.3g} sessions were busy on average"),
        ]
    throughput, concurrency = rated
    return (
        throughput,
        _around(LATENCY, mean_ms, margin),
        _around(EFFICIENCY, blocks, margin),
        concurrency,
        Dimension(
            COHERENCE, _UNITS[COHERENCE], round(min(known, 1.0), 6), round(max(known - margin, 0.0), 6), 1.0,
            _TESTS[COHERENCE], "by definition: the time of the queries whose plan is anchored",
        ),
    )  # fmt: skip


def not_measured(name: str, why: str) -> Dimension:
    """Return a dimension of which nothing is known."""
    return Dimension(name, _UNITS[name], None, None, None, _TESTS[name], why)


def _around(name: str, level: float, margin: float, note: str = "") -> Dimension:
    low, high = level / (1 + margin), level * (1 + margin)
    return Dimension(name, _UNITS[name], round(level, 6), round(low, 6), round(high, 6), _TESTS[name], note)
