"""What a lab lacks of what planning rests on, by table: there its plans and times say nothing of the source.

A dump that could not be restored whole, a copy that somebody made by hand: an index that is missing there would be
proven anew, and kept. It compares two catalogs, and changes neither.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from trimtab.db import queries as sql
from trimtab.model.change import touched_table
from trimtab.model.plan import Plan
from trimtab.trial.build import family_of

if TYPE_CHECKING:
    from trimtab.db.connection import Connection
    from trimtab.model.strategy import Strategy
    from trimtab.model.workload import Query

_ROWS, _ENOUGH = "rows", 0.5
"""Of the rows that statistics tell of, the share that a lab must have: fewer, and other plans are the best."""

Lacking: TypeAlias = Mapping[tuple[str, str], str]
"""What is missing in the lab, in words, by (schema, table)."""


def lacking(source: Connection, lab: Connection) -> Lacking:
    """Return what the lab lacks, by table; what hangs by partitions or children that it lacks, too."""
    missing: dict[tuple[str, str], list[str]] = {}
    parted = set()
    there = _objects(lab)
    for (schema, table, what), detail in sorted(_objects(source).items()):
        found = there.get((schema, table, what))
        if found is not None and (found == detail if what != _ROWS else float(found) >= _ENOUGH * float(detail)):
            continue
        missing.setdefault((schema, table), []).append(what)
        if what.startswith("part "):
            parted.add((schema, table))
    told = {table: _told(table, what) for table, what in missing.items()}
    for parent in parted:  # A plan names the parts alone.
        for member in family_of(lab, {parent}):
            told.setdefault(member, told[parent])
    return told


def unlike_queries(queries: Sequence[Query], plans: Mapping[str, Plan], lacking: Lacking) -> dict[str, str]:
    """Return, by query id, what the lab lacks of the tables in the query's plan; without those it lacks nothing of.

    What a function of the user's reads stands in no plan, so it may be anything that is lacking.
    """
    found = {query_id: first_lack(plan.relations, lacking) for query_id, plan in plans.items()}
    found |= {query.id: first_lack(lacking, lacking) for query in queries if query.hides_work}
    return {query_id: what for query_id, what in found.items() if what is not None}


def first_lack(tables: Collection[tuple[str, str]], lacking: Lacking) -> str | None:
    """Return what the lab lacks of the first of these tables that it lacks anything of, or None."""
    return next((lacking[table] for table in sorted(tables) if table in lacking), None)


def tables_of(strategy: Strategy) -> frozenset[tuple[str, str]]:
    """Return (schema, table) of the tables whose indexes or statistics the strategy changes."""
    return frozenset(table for change in strategy.changes if (table := touched_table(change)) is not None)


def _objects(connection: Connection) -> dict[tuple[str, str, str], str]:
    """Return what it is alike by, of each object, by (schema, table, what it is)."""
    rows = connection.execute(sql.load("planning_objects", connection.info.server_version).encode()).fetchall()
    return {(str(schema), str(table), str(what)): str(detail) for schema, table, what, detail in rows}


def _told(table: tuple[str, str], what: list[str]) -> str:
    if "the table itself" in what:
        return f"table {'.'.join(table)}"
    more = f" and {len(what) - 1} more" if len(what) > 1 else ""
    return f"{what[0]}{more} of {'.'.join(table)}"
