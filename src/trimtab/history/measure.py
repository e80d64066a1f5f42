"""Makes metrics, series and a server's health of samples. Pure: clocks come in as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimtab.history.facts import ServerFacts
from trimtab.history.metrics import METRICS, MetricKind
from trimtab.history.sample import Sample, joined_samples
from trimtab.history.values import Metric, Point, Series, ServerHealth, Window
from trimtab.ledger.moment import seconds_ahead

_LATE_INTERVALS = 3
_LEAST_LATE_SECONDS = 30.0


def joined_window(samples: Sequence[Sample], window: Window) -> Sample:
    """Return one sample of a window; an empty one where nothing was measured."""
    return joined_samples(window.begin_ns, samples) if samples else Sample(window.begin_ns, 0.0)


def metrics_of(facts: ServerFacts, whole: Sample, window: Window) -> Mapping[str, Metric]:
    """Return all metrics of a server in a window, by name."""
    return {name: metric_of(kind, facts.missing, whole, window) for name, kind in METRICS.items()}


def metric_of(kind: MetricKind, missing: Mapping[str, str], whole: Sample, window: Window) -> Metric:
    """Return one metric, with the reason where it was not measured."""
    value = kind.make(whole) if whole.seconds else None
    why = ""
    if value is None:
        why = missing.get(kind.part) or (kind.otherwise if whole.seconds else "nothing was measured in this window")
    return Metric(kind.name, kind.unit, value, kind.source, window, why)


def series_of(kind: MetricKind, samples: Sequence[Sample], window: Window) -> Series:
    """Return a metric over time."""
    points = tuple(Point(sample.start_ns, sample.seconds, kind.make(sample)) for sample in samples)
    return Series(kind.name, kind.unit, kind.source, window, points)


def health_of(facts: ServerFacts, whole: Sample, window: Window, now_ns: int) -> ServerHealth:
    """Return how a server is now, and its metrics of a window."""
    missing, age = dict(facts.missing), None
    if ahead := seconds_ahead(facts.last_ns, now_ns):
        missing["age"] = (
            f"its last values are dated {ahead:,.0f} s later than it is here:"
            " the clock of the collector, or that of this machine, was wrong"
        )
    elif facts.last_ns:
        age = max((now_ns - facts.last_ns) / 1e9, 0.0)
    return ServerHealth(
        name=facts.name,
        where=facts.where,
        state=state_of(facts, now_ns),
        state_since_ns=facts.state_since_ns,
        age_seconds=age,
        code=facts.code,
        system_identifier=facts.system_identifier,
        database=facts.database,
        version=facts.version,
        is_standby=facts.is_standby,
        max_connections=facts.max_connections,
        missing=missing,
        metrics=metrics_of(facts, whole, window),
        window=window,
    )


def state_of(facts: ServerFacts, now_ns: int) -> str:
    """Return up, down, stale or new. Of values that are later than now nobody knows how old they are."""
    if not facts.tried_ns:
        return "new"
    late = max(facts.interval_seconds * _LATE_INTERVALS, _LEAST_LATE_SECONDS)
    # A server that is down is tried again ever more seldom, once a minute at last.
    is_late = now_ns - facts.tried_ns > (late if facts.is_up else max(late, 150.0)) * 1e9
    if is_late or seconds_ahead(facts.tried_ns, now_ns):
        return "stale"
    return "up" if facts.is_up else "down"
