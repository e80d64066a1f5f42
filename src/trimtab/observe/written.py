"""Tells which tables the workload's writes reach, by their plans on the source. Plans only; nothing is run or judged.

What triggers and foreign keys go on to write stands in no plan: the lab's trial looks for that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

from trimtab.db.connection import Connection
from trimtab.db.explain import explain
from trimtab.errors import TrimtabError
from trimtab.model.change import qualified
from trimtab.model.workload import Query
from trimtab.observe.reading import read

TableName: TypeAlias = tuple[str, str]
"""(schema, name) of a table."""


def tables_of_writes(conn: Connection, queries: Iterable[Query]) -> Mapping[str, frozenset[TableName]]:
    """Return the tables in the plans of the writes among the queries, by query id.

    What cannot be planned is left out. Raises SourceError when the connection is lost.
    """
    found: dict[str, frozenset[TableName]] = {}
    for query in queries:
        if query.is_read:
            continue
        try:
            plan = explain(conn, query)
        except TrimtabError:
            if conn.closed:
                raise
            continue
        if any(node.node_type == "ModifyTable" for node in plan.root.walk()):
            found[query.id] = plan.relations
    return found


def family_of(conn: Connection, tables: Collection[TableName]) -> frozenset[TableName]:
    """Return the tables with all their partitions and parents: the names under which a write may reach them."""
    given = [qualified(schema, name) for schema, name in sorted(tables)]
    return frozenset(tables) | {(row["schema"], row["name"]) for row in read(conn, "table_family", (given,))}
