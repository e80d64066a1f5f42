"""Asks the source's planner how high each B-tree is: its length alone leaves a choice, and costs depend on it.

The startup cost of reading an index in order is 50 operators per level and one per doubling of its entries; with an
operator's cost set to 1 the height can be read from it. Plans are made, nothing is run; what the planner does not show
is left to the size model. Source: btcostestimate in PostgreSQL's selfuncs.c.
"""

from __future__ import annotations

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection

_OPERATORS_PER_PAGE = 50
_HIGHEST = 8
_SETTINGS = {
    "cpu_operator_cost": "1",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "enable_incremental_sort": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}


def read_heights(connection: Connection) -> dict[tuple[str, str], int]:
    """Return the level of the root, by (schema, name) of the index, of those B-trees that the planner shows."""
    probes = connection.execute(queries.load("twin_probes", connection.info.server_version)).fetchall()
    # Small ones need no asking.
    heights: dict[tuple[str, str], int] = {(schema, index): 1 for schema, index, _, order, _ in probes if order is None}
    try:
        # In a pipeline: a distant source answers all of them in one round trip.
        with connection.transaction(force_rollback=True), connection.pipeline():
            for name, value in _SETTINGS.items():
                connection.execute("select pg_catalog.set_config($1, $2, true)", (name, value))
            answers = [
                (schema, index, connection.execute(_probe(relation, order, predicate)))
                for schema, index, relation, order, predicate in probes
                if order is not None
            ]
            for schema, index, answer in answers:
                row = answer.fetchone()
                height = None if row is None else _height(row[0][0]["Plan"], index)
                if height is not None:
                    heights[schema, index] = height
    except psycopg.Error:
        if connection.closed:
            raise
    return heights


def _probe(relation: str, order: str, predicate: str | None) -> bytes:
    condition = "" if predicate is None else f" WHERE {predicate}"
    return f"EXPLAIN (FORMAT JSON) SELECT FROM ONLY {relation}{condition} ORDER BY {order}".encode()


def _height(node: dict[str, object], index: str) -> int | None:
    startup = node.get("Startup Cost")
    if node.get("Index Name") != index or not isinstance(startup, float | int):
        return None  # Another index gives the same order, and is cheaper.
    height = int(startup // _OPERATORS_PER_PAGE) - 1
    return height if 0 <= height <= _HIGHEST else None
