"""An anchor: the performance level that a run reached, per query, with the plans and settings that gave it.

It is written to the ledger, where the hash chain makes later edits visible. It holds no text and no literal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueryLevel:
    """The level of one query: milliseconds by quantile, the number of runs, and the plan's shape."""

    query_id: str
    weight: float
    runs: int
    p50_ms: float
    p90_ms: float
    max_ms: float
    plan_shape: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """A performance state. `coordinate` orders anchors: UTC nanoseconds, WAL position, timeline, statistics epoch."""

    id: str
    coordinate: tuple[int, str, int, str]
    database: str
    server_version: int
    queries: tuple[QueryLevel, ...]
    settings: Mapping[str, str]
    change_ids: tuple[str, ...]
    permanence: str = "optimization_lifetime"
