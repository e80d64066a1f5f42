"""Reads what plans and latencies depend on: settings of roles, digests of tables and statistics, the engine, the host.

A digest says that something is another, not what it is: no value of a row leaves the statistics. Changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.db.failures import source_error
from trimtab.model.anchor import HostProbe, State, TableState
from trimtab.model.catalog import Snapshot, Table

PROBES = 5
_LIMITS = {"jit": "off", "max_parallel_workers_per_gather": "0", "transaction_read_only": "on"}


def read_state(
    connection: Connection,
    snapshot: Snapshot,
    statistics: Mapping[tuple[str, str], str],
    *,
    image_sha256: str = "",
) -> State:
    """Return the state that the snapshot tells of. `statistics` are digests by (schema, table). Raises SourceError."""
    try:
        told = connection.execute(queries.load("anchor_engine", connection.info.server_version)).fetchone()
        host = probe_host(connection)
    except psycopg.Error as error:
        raise source_error(error) from None
    engine, extensions = told or ("", {})
    scoped: dict[str, dict[str, str]] = defaultdict(dict)
    for (scope, name), value in snapshot.scoped_settings.items():
        scoped[scope][name] = value
    return State(
        scoped_settings=dict(scoped),
        tables={f"{t.schema}.{t.name}": _table(t, statistics.get((t.schema, t.name), "")) for t in snapshot.tables},
        extensions=extensions,
        engine=engine,
        host=host,
        image_sha256=image_sha256,
    )


def probe_host(connection: Connection, *, clock: Callable[[], float] = time.perf_counter) -> HostProbe:
    """Return what fixed work takes on the server's host now, and a round trip to it. Raises psycopg.Error."""
    with connection.transaction(force_rollback=True):
        for name, value in _LIMITS.items():
            connection.execute("select pg_catalog.set_config($1, $2, true)", (name, value))
        version = connection.info.server_version
        processor, memory = (
            min(_execution_ms(connection, queries.load(name, version)) for _ in range(PROBES))
            for name in ("host_probe_processor", "host_probe_memory")
        )
        trips = []
        for _ in range(PROBES):
            started = clock()
            connection.execute("select 1")
            trips.append(1000 * (clock() - started))
    return HostProbe(round(processor, 3), round(memory, 3), round(min(trips), 3))


def _table(table: Table, statistics: str) -> TableState:
    definition = [
        [[c.number, c.name, c.type_name, c.is_not_null] for c in table.columns],
        sorted([i.name, i.definition, i.is_valid] for i in table.indexes),
        sorted([k.name, list(k.columns), k.referenced_schema, k.referenced_table] for k in table.foreign_keys),
        sorted([s.schema, s.name, list(s.columns), list(s.kinds)] for s in table.statistics),
    ]
    return TableState(_digest(definition), statistics, table.rows, table.pages)


def _execution_ms(connection: Connection, text: str) -> float:
    row = connection.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {text}".encode()).fetchone()
    assert row is not None, "EXPLAIN returns one row"
    return float(row[0][0]["Execution Time"])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
