"""The look-ups that no plan shows: for each row that a query deletes, the server looks for rows that refer to it.

They are made queries of their own, as the server runs them, so that what saves them can be chosen like anything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trimtab.model.catalog import ForeignKey, Snapshot, Table
from trimtab.model.change import qualified, quote_identifier
from trimtab.model.plan import Plan
from trimtab.model.workload import Query, QueryKind
from trimtab.propose.plain import is_indexed


@dataclass(frozen=True, slots=True)
class Lookup:
    """The look-up under one foreign key for one query: `times` each time the query runs, as the planner expects."""

    query: Query
    parent: Query
    times: float


def lookups_of(snapshot: Snapshot, queries: Sequence[Query], plans: Mapping[str, Plan]) -> list[Lookup]:
    """Return the look-ups of the queries' deletes under foreign keys whose columns no index begins with.

    Those of the rows, too, that foreign keys delete in turn: as many as refer to one row on average.
    """
    referring: dict[tuple[str, str], list[tuple[Table, ForeignKey]]] = {}
    for table in snapshot.tables:
        for key in table.foreign_keys if table.kind == "r" else ():
            referring.setdefault((key.referenced_schema, key.referenced_table), []).append((table, key))
    found = []
    for query in queries:
        deleted = dict(_deleted(plans[query.id]))
        waiting = list(deleted)
        for referenced in waiting:
            of_all = snapshot.table(*referenced)
            for table, key in referring.get(referenced, ()):
                if not is_indexed(key.columns, table):
                    found.append(Lookup(_query(query, table, key), query, deleted[referenced]))
                name = table.schema, table.name
                if key.cascades and name not in deleted and of_all is not None:
                    deleted[name] = deleted[referenced] * max(table.rows, 0.0) / max(of_all.rows, 1.0)
                    waiting.append(name)
    return found


def _deleted(plan: Plan) -> Iterator[tuple[tuple[str, str], float]]:
    for node in plan.root.walk():
        if node.operation == "Delete" and node.schema and node.relation:
            yield (node.schema, node.relation), max([1.0, *(child.rows for child in node.children)])


def _query(parent: Query, table: Table, key: ForeignKey) -> Query:
    where = " AND ".join(f"x.{quote_identifier(column)} = ${n}" for n, column in enumerate(key.columns, 1))
    text = f"SELECT 1 FROM ONLY {qualified(table.schema, table.name)} x WHERE {where} FOR KEY SHARE OF x"  # noqa: S608 - quoted
    name = f"{parent.id}/{table.schema}.{table.name}.{key.name}"
    return Query(name, name, text, text, parent.weight, QueryKind.READ, len(key.columns))
