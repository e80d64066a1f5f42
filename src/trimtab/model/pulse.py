"""A server at one moment as a collector reads it: gauges that are looked at, counters that only grow. Values only.

Names are paths whose first part is ours; later parts may be the server's own words, and are not to be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from trimtab.model.watched import Reading

MetricName: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter's value, and since when the server counts it, "" where it does not tell."""

    value: float
    reset: str = ""


@dataclass(frozen=True, slots=True)
class Pulse:
    """One look at a server. `moment` is who it is and when, without statements.

    `gauges` are numbers at this moment, `sessions` numbers of sessions by what they do (none of them is zero), and
    `counters` what only grows.
    """

    moment: Reading
    database: str
    max_connections: int
    gauges: Mapping[MetricName, float] = field(default_factory=dict[MetricName, float])
    sessions: Mapping[MetricName, int] = field(default_factory=dict[MetricName, int])
    counters: Mapping[MetricName, Counted] = field(default_factory=dict[MetricName, Counted])
