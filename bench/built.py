"""Chosen sets of indexes, really built: what the planner says then, and how long the queries run.

It changes the loaded database only while it measures. Decides nothing about the sets.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import median

import psycopg

from trimtab.db.connection import Connection, connect
from trimtab.db.explain import explain
from trimtab.model.change import CreateIndex, qualified
from trimtab.model.plan import Plan
from trimtab.model.workload import Query

MB = 1_000_000


def built_cost(dsn: str, queries: Sequence[Query], changes: Sequence[CreateIndex]) -> dict[str, object]:
    """Return the share and the size with the indexes built; they are gone again afterwards.

    Statistics of expressions come into being by ANALYZE, which draws another sample of all columns: so the cost without
    the indexes is asked after it too.
    """
    with closing(connect(dsn, read_only=False)) as connection:
        connection.execute(b"begin")
        started = time.perf_counter()
        for change in changes:
            connection.execute(change.sql(concurrently=False).encode())
        seconds = time.perf_counter() - started
        connection.execute(b"analyze")
        names = [qualified(change.schema, change.name) for change in changes]
        row = connection.execute(
            "select coalesce(sum(pg_relation_size(n::regclass)), 0)::bigint from unnest($1::text[]) n", (names,)
        ).fetchone()
        after = _cost(connection, queries)
        _drop(connection, changes)
        before = _cost(connection, queries)
        connection.execute(b"rollback")
    assert row is not None, "a sum is one row"
    return {
        "built_cost_share": round(after / before, 4),
        "built_size_mb": round(row[0] / MB, 1),
        "build_seconds": round(seconds, 1),
    }


def _cost(connection: Connection, queries: Sequence[Query]) -> float:
    return sum(explain(connection, query).cost for query in queries)


@dataclass(frozen=True, slots=True)
class RunTime:
    """Seconds of all queries under one set, their share of those without indexes, and how many reached the limit."""

    seconds: float
    share: float
    stopped: int


def baseline_ms(dsn: str, queries: Sequence[Query], *, limit_seconds: float) -> dict[str, float]:
    """Return how long each query runs as things are, by its id: its second run, or the limit where it is reached."""
    found: dict[str, float] = {}
    with closing(connect(dsn, read_only=False)) as connection:
        for query in queries:
            first = _seconds(connection, query, (), limit_seconds)
            again = first if first >= limit_seconds else _seconds(connection, query, (), limit_seconds)
            found[query.id] = 1000 * again
    return found


def run_times(
    dsn: str, queries: Sequence[Query], sets: Sequence[Sequence[CreateIndex]], *, rounds: int, limit_seconds: float
) -> list[RunTime]:
    """Return the run time of the queries without indexes and under each set; of each query the rounds' median counts.

    All indexes of all sets are built once; a set is what a transaction leaves when it drops the others, and is rolled
    back. Query by query each set has its turn, another one first in each round, so that drift falls on all. Sets that
    give a query the same plan share its measurement. A query that reaches the limit counts as the limit and is not run
    again under that plan.
    """
    everything = {qualified(one.schema, one.name): one for changes in sets for one in changes}
    arms: list[tuple[CreateIndex, ...]] = [(), *map(tuple, sets)]
    others = [[one for one in everything.values() if one not in arm] for arm in arms]
    with closing(connect(dsn, read_only=False)) as builder:
        for change in everything.values():
            builder.execute(change.sql(concurrently=False).encode())
        try:
            with closing(connect(dsn, read_only=False)) as connection:
                plans = [_plans(connection, queries, drops) for drops in others]
                times = [
                    _times(connection, query, [of_arm[number] for of_arm in plans], others, rounds, limit_seconds)
                    for number, query in enumerate(queries)
                ]
        finally:
            _drop(builder, tuple(everything.values()))
    sums = [sum(of_query[arm] for of_query in times) for arm in range(len(arms))]
    stopped = [sum(of_query[arm] >= limit_seconds for of_query in times) for arm in range(len(arms))]
    return [RunTime(seconds, seconds / sums[0], count) for seconds, count in zip(sums, stopped, strict=True)]


def _drop(connection: Connection, changes: Sequence[CreateIndex]) -> None:
    for change in changes:
        connection.execute(f"drop index {qualified(change.schema, change.name)}".encode())


def _plans(connection: Connection, queries: Sequence[Query], drops: Sequence[CreateIndex]) -> list[Plan]:
    with connection.transaction(force_rollback=True):
        _drop(connection, drops)
        return [explain(connection, query) for query in queries]


def _times(
    connection: Connection,
    query: Query,
    plans: Sequence[Plan],
    others: Sequence[Sequence[CreateIndex]],
    rounds: int,
    limit_seconds: float,
) -> list[float]:
    """Return the query's seconds in each arm."""
    distinct: list[Plan] = []
    for plan in plans:
        if plan not in distinct:
            distinct.append(plan)
    drops = [others[plans.index(plan)] for plan in distinct]
    seconds: list[list[float]] = [[] for _ in distinct]
    # The first run warms the cache, and counts only when it is stopped.
    if _seconds(connection, query, drops[0], limit_seconds) >= limit_seconds:
        seconds[0].append(limit_seconds)
    for number in range(rounds):
        for step in range(len(distinct)):
            at = (number + step) % len(distinct)
            if not seconds[at] or seconds[at][-1] < limit_seconds:
                seconds[at].append(_seconds(connection, query, drops[at], limit_seconds))
    # The median of what was run before the limit was reached would hide that it was.
    level = [limit_seconds if found[-1] >= limit_seconds else median(found) for found in seconds]
    return [level[distinct.index(plan)] for plan in plans]


def _seconds(connection: Connection, query: Query, drops: Sequence[CreateIndex], limit_seconds: float) -> float:
    try:
        with connection.transaction(force_rollback=True):
            _drop(connection, drops)
            explain(connection, query)  # The session reads anew what the drops made it forget, before the clock runs.
            connection.execute(f"set local statement_timeout = {int(limit_seconds * 1000)}".encode())
            started = time.perf_counter()
            connection.execute(query.text.encode()).fetchall()
            seconds = time.perf_counter() - started
            connection.execute(b"set local statement_timeout = 0")  # Undoing the drops is not the query's time.
            return seconds
    except psycopg.errors.QueryCanceled:
        return limit_seconds
