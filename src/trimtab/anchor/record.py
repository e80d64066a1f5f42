"""Measures the level of a database and makes the Anchor of it.

Reads run in read-only transactions with a time limit; writes, and what may run in a clone alone, are planned only.
Nothing is changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from statistics import median, quantiles

import psycopg

from trimtab.db import queries as sql
from trimtab.db.connection import Connection, source_error
from trimtab.db.explain import QueryTimeout, explain
from trimtab.db.read_check import why_not_read
from trimtab.db.read_only import CHECK_LIMITS, only_reading, read_limits, require_one_query
from trimtab.errors import TrimtabError
from trimtab.model.anchor import Anchor, AnchoredPlan, Coordinate, QueryLevel
from trimtab.model.catalog import Snapshot
from trimtab.model.latency import Latency
from trimtab.model.plan import Plan
from trimtab.model.plan_shape import PlanShape, plan_shape, renamed
from trimtab.model.workload import Query
from trimtab.version import __version__


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
    parents: Mapping[tuple[str, str], tuple[str, str]] | None = None,
    index_names: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.monotonic,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    unmeasured: Callable[[str], None] = lambda _query_id: None,
) -> dict[str, QueryLevel]:
    """Return the level of each query that can be planned, by query id.

    A run that reaches the time limit counts as the limit. Each query is run once before any is run again, so that how
    often they are run does not decide which are run at all. When `max_seconds` are used up the rest is planned, not
    run; `unmeasured` is given the ids of those that could have been. What cannot be planned is left out, and what
    cannot be run, or is not known to only read, has no times. `parents` are as in `plan_shape`, `index_names` as in
    `renamed`; `settings` are in force meanwhile. Raises SourceError when the connection is lost.
    """
    found: dict[str, tuple[Query, _Runs, PlanShape, Plan, PlanShape | None]] = {}
    again = how.runs > 1 and how.reads_are_run
    total = len(queries) * (2 if again else 1)
    deadline = clock() + how.max_seconds
    limits = {**(settings or {}), **read_limits(how.statement_timeout_ms)}
    for number, query in enumerate(queries):
        progress(number, total)
        try:
            plan = explain(connection, query, settings=limits)
        except TrimtabError:
            if connection.closed:
                raise
            continue
        runs = _Runs()
        may_run = how.reads_are_run and query.is_read and query.is_runnable and not query.clone_only
        if may_run and _is_read(connection, query, limits):
            if clock() < deadline:
                _run(connection, query, how, limits, runs, 1, lambda: True)
            else:
                unmeasured(query.id)
        shape = plan_shape(renamed(plan, index_names or {}), parents)
        generic = _generic_plan(connection, query, limits)
        generic_shape = None if generic is None else plan_shape(renamed(generic, index_names or {}), parents)
        found[query.id] = query, runs, shape, plan, generic_shape
    for number, query in enumerate(queries if again else ()):
        progress(len(queries) + number, total)
        runs = found[query.id][1] if query.id in found else _Runs()
        if runs.times and not runs.errors:
            _run(connection, query, how, limits, runs, how.runs, lambda: clock() < deadline)
    return {
        query.id: replace(
            _level(query, runs, shape.hash),
            generic_shape="" if generic_shape is None else generic_shape.hash,
            cost=round(plan.cost, 2),
            plan=AnchoredPlan.of(shape),
            generic_plan=None if generic_shape is None else AnchoredPlan.of(generic_shape),
        )
        for query, runs, shape, plan, generic_shape in found.values()
    }


def make_anchor(
    connection: Connection,
    snapshot: Snapshot,
    levels: Mapping[str, QueryLevel],
    change_ids: tuple[str, ...],
    *,
    now_ns: int,
) -> Anchor:
    """Return the anchor of these levels, with the server's coordinate and its non-default settings.

    What this server or role does not tell of the coordinate is "" or, for the timeline, 0. Raises SourceError.
    """
    wal_position, timeline = _told(connection, "coordinate") or ("", 0)
    (epoch,) = _told(connection, "statistics_epoch") or ("",)
    server = snapshot.server
    return Anchor(
        id=f"a-{now_ns:x}",
        coordinate=(now_ns, str(wal_position), int(str(timeline)), str(epoch)),
        database=server.database,
        server_version=server.version,
        queries=tuple(levels.values()),
        settings={s.name: s.value for s in snapshot.settings.values() if not s.is_default},
        change_ids=change_ids,
        server=server.of_database,
        is_standby=server.is_standby,
        tool=__version__,
        origin=snapshot.workload.origin,
        since=snapshot.workload.since,
        until=snapshot.taken_at,
        left_out=len(snapshot.workload.skipped),
    )


def anchor_to_dict(anchor: Anchor) -> dict[str, object]:
    """Return the anchor as the ledger writes it: no text, no literal; nanoseconds as a string (RFC 8785 numbers)."""
    return {
        "anchor_id": anchor.id,
        "coordinate": coordinate_to_dict(anchor.coordinate),
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
        "permanence": anchor.permanence.value,
    }


def coordinate_to_dict(coordinate: Coordinate) -> dict[str, str | int]:
    """Return the coordinate as documents write it."""
    now_ns, wal_position, timeline, epoch = coordinate
    return {
        "time_ns": str(now_ns),
        "wal_position": wal_position,
        "timeline": timeline,
        "statistics_epoch": epoch,
    }


def _told(connection: Connection, name: str) -> tuple[object, ...] | None:
    """Return the row of a catalog query, or None where a managed service does not answer it."""
    try:
        text = sql.load(name, connection.info.server_version)
        return connection.execute(text.encode()).fetchone()
    except psycopg.Error as error:
        if connection.closed:
            raise source_error(error) from None
        return None


def _generic_plan(connection: Connection, query: Query, limits: Mapping[str, str]) -> Plan | None:
    """Return the plan for any parameters, None where there is none."""
    if not query.parameter_count:
        return None
    try:
        return explain(connection, query, generic=True, settings=limits)
    except TrimtabError:
        if connection.closed:
            raise
        return None


@dataclass(slots=True)
class _Runs:
    """The times of one query's runs in ms, and how many of these reached the time limit."""

    times: list[float] = field(default_factory=list)
    errors: int = 0


def _is_read(connection: Connection, query: Query, limits: Mapping[str, str]) -> bool:
    """Whether the text can only read, by what its names mean where it will be run. The time limit is not for this."""
    with only_reading(connection, {**limits, **CHECK_LIMITS}):
        return why_not_read(connection, query.text) is None


def _run(
    connection: Connection,
    query: Query,
    how: Measuring,
    limits: Mapping[str, str],
    runs: _Runs,
    until: int,
    has_time: Callable[[], bool],
) -> None:
    """Run the query until it has so many times, once the server has said by itself that it is one which reads."""
    try:
        with only_reading(connection, limits):
            require_one_query(connection, query)
            while len(runs.times) < until and has_time():
                runs.times.append(explain(connection, query, analyze=True).total_ms)
    except QueryTimeout:
        runs.times.append(float(how.statement_timeout_ms))
        runs.errors += 1
    except TrimtabError:
        if connection.closed:
            raise


def _level(query: Query, runs: _Runs, shape: str) -> QueryLevel:
    times = runs.times
    return QueryLevel(
        query_id=query.id,
        weight=query.weight,
        runs=len(times),
        p50_ms=median(times) if times else 0.0,
        p90_ms=quantiles(times, n=10, method="inclusive")[-1] if len(times) > 1 else max(times, default=0.0),
        max_ms=max(times, default=0.0),
        plan_shape=shape,
        latency=Latency.of(times, errors=runs.errors, random=Random(len(times))) if times else None,  # noqa: S311
    )
