"""Asks the source's planner how high each B-tree is: its length alone leaves a choice, and costs depend on it.

The startup cost of reading an index in order is 50 operators per level and one per doubling of its entries; with an
operator's cost set to 1 the height can be read from it. Plans are made, nothing is run; what the planner does not show
is left to the size model. Source: btcostestimate in PostgreSQL's selfuncs.c.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection

_OPERATORS_PER_PAGE = 50
_HIGHEST = 8
_TABLES_AT_ONCE = 50
_SETTINGS = {
    "cpu_operator_cost": "1",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "enable_incremental_sort": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}


@dataclass(frozen=True, slots=True)
class Heights:
    """The level of the root, by (schema, name) of the index, and the indexes whose question the source refused."""

    levels: Mapping[tuple[str, str], int]
    refused: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Question:
    index: tuple[str, str]
    relation: str
    text: bytes


def read_heights(connection: Connection) -> Heights:
    """Return the heights of those B-trees that the planner shows.

    A plan locks its table and all its indexes until the transaction ends: so each transaction plans few tables.
    """
    probes = connection.execute(queries.load("twin_probes", connection.info.server_version)).fetchall()
    # Small ones need no asking.
    levels: dict[tuple[str, str], int] = {(schema, index): 1 for schema, index, _, order, _ in probes if order is None}
    refused: list[tuple[str, str]] = []
    questions = [
        _Question((schema, index), relation, _probe(relation, order, predicate))
        for schema, index, relation, order, predicate in probes
        if order is not None
    ]
    for batch in _batches(questions):
        found = _answers(connection, batch)
        for question in batch if found is None else ():
            alone = _answers(connection, [question])
            levels |= alone or {}
            refused += [question.index] if alone is None else []
        levels |= found or {}
    return Heights(levels, tuple(refused))


def _batches(questions: Sequence[_Question]) -> Iterator[list[_Question]]:
    by_relation: dict[str, list[_Question]] = {}
    for question in questions:
        by_relation.setdefault(question.relation, []).append(question)
    relations = list(by_relation.values())
    for start in range(0, len(relations), _TABLES_AT_ONCE):
        yield [question for of_one in relations[start : start + _TABLES_AT_ONCE] for question in of_one]


def _answers(connection: Connection, questions: Sequence[_Question]) -> dict[tuple[str, str], int] | None:
    """Return the heights that their plans show, None when the source refuses one of them."""
    try:
        return _shown(connection, questions)
    except psycopg.Error:
        if connection.closed:
            raise
        return None


def _shown(connection: Connection, questions: Sequence[_Question]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    # In a pipeline: a distant source answers all of them in one round trip.
    with connection.transaction(force_rollback=True), connection.pipeline():
        for name, value in _SETTINGS.items():
            connection.execute("select pg_catalog.set_config($1, $2, true)", (name, value))
        answers = [(question.index, connection.execute(question.text)) for question in questions]
        for index, answer in answers:
            row = answer.fetchone()
            height = None if row is None else _height(row[0][0]["Plan"], index[1])
            if height is not None:
                found[index] = height
    return found


def _probe(relation: str, order: str, predicate: str | None) -> bytes:
    condition = "" if predicate is None else f" WHERE {predicate}"
    return f"EXPLAIN (FORMAT JSON) SELECT FROM ONLY {relation}{condition} ORDER BY {order}".encode()


def _height(node: dict[str, object], index: str) -> int | None:
    startup = node.get("Startup Cost")
    if node.get("Index Name") != index or not isinstance(startup, float | int):
        return None  # Another index gives the same order, and is cheaper.
    height = int(startup // _OPERATORS_PER_PAGE) - 1
    return height if 0 <= height <= _HIGHEST else None
