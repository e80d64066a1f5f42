"""Measures the level of a database and makes the Anchor of it.

Reads run in read-only transactions with a time limit; writes are planned only. Nothing is changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING, TypeAlias

from trimtab.db import queries as sql
from trimtab.db.explain import QueryTimeout, explain
from trimtab.errors import SourceError
from trimtab.model.anchor import Anchor, QueryLevel
from trimtab.model.catalog import Snapshot
from trimtab.model.workload import Query

if TYPE_CHECKING:
    import psycopg

    Connection: TypeAlias = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Measuring:
    """How a level is taken: runs per read query, the time limit of one run, and of all of them together."""

    runs: int
    statement_timeout_ms: int
    max_seconds: float
    reads_are_run: bool = True


def measure_levels(
    connection: Connection,
    queries: Sequence[Query],
    how: Measuring,
    *,
    clock: Callable[[], float] = time.monotonic,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, QueryLevel]:
    """Return the level of each query that can be planned, by query id.

    A run that reaches the time limit counts as the limit. When `max_seconds` are used up the rest is planned, not run.
    """
    levels: dict[str, QueryLevel] = {}
    deadline = clock() + how.max_seconds
    for number, query in enumerate(queries):
        progress(number, len(queries))
        try:
            shape = explain(connection, query).shape_hash
        except SourceError:
            continue
        times: list[float] = []
        if how.reads_are_run and query.is_read and query.is_runnable:
            times = _run(connection, query, how, lambda: clock() < deadline)
        levels[query.id] = _level(query, times, shape)
    return levels


def make_anchor(
    connection: Connection,
    snapshot: Snapshot,
    levels: Mapping[str, QueryLevel],
    change_ids: tuple[str, ...],
    *,
    now_ns: int,
) -> Anchor:
    """Return the anchor of these levels, with the server's coordinate and its non-default settings."""
    row = connection.execute(sql.load("coordinate", connection.info.server_version)).fetchone()
    assert row is not None
    wal_position, timeline, epoch = str(row[0]), int(str(row[1])), str(row[2])
    return Anchor(
        id=f"a-{now_ns:x}",
        coordinate=(now_ns, wal_position, timeline, epoch),
        database=snapshot.server.database,
        server_version=snapshot.server.version,
        queries=tuple(levels.values()),
        settings={s.name: s.value for s in snapshot.settings.values() if not s.is_default},
        change_ids=change_ids,
    )


def anchor_to_dict(anchor: Anchor) -> dict[str, object]:
    """Return the anchor as the ledger writes it: no text, no literal; nanoseconds as a string (RFC 8785 numbers)."""
    now_ns, wal_position, timeline, epoch = anchor.coordinate
    return {
        "anchor_id": anchor.id,
        "coordinate": {
            "time_ns": str(now_ns),
            "wal_position": wal_position,
            "timeline": timeline,
            "statistics_epoch": epoch,
        },
        "database": anchor.database,
        "server_version": anchor.server_version,
        "queries": [
            {
                "query_id": level.query_id,
                "weight": level.weight,
                "runs": level.runs,
                "p50_ms": round(level.p50_ms, 4),
                "p90_ms": round(level.p90_ms, 4),
                "max_ms": round(level.max_ms, 4),
                "plan_shape": level.plan_shape,
            }
            for level in anchor.queries
        ],
        "settings": dict(anchor.settings),
        "change_ids": list(anchor.change_ids),
        "permanence": anchor.permanence,
    }


def _run(connection: Connection, query: Query, how: Measuring, has_time: Callable[[], bool]) -> list[float]:
    times: list[float] = []
    for _ in range(how.runs):
        if not has_time():
            break
        try:
            times.append(explain(connection, query, analyze=True).total_ms)
        except QueryTimeout:
            times.append(float(how.statement_timeout_ms))
            break
        except SourceError:
            break
    return times


def _level(query: Query, times: Sequence[float], shape: str) -> QueryLevel:
    ninety = quantiles(times, n=10)[-1] if len(times) > 1 else (times[0] if times else 0.0)
    return QueryLevel(
        query_id=query.id,
        weight=query.weight,
        runs=len(times),
        p50_ms=median(times) if times else 0.0,
        p90_ms=min(ninety, max(times, default=0.0)),
        max_ms=max(times, default=0.0),
        plan_shape=shape,
    )
