"""Reads what an approval is bound to and no catalog tells: owner, storage, policies, constraints, all of it as digests.

It is asked of the tables alone that a strategy touches, when people are asked, and again before what they approved.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import psycopg

from trimtab.apply.approved_facts import touched_tables
from trimtab.db.connection import Connection, source_error
from trimtab.db.queries import load
from trimtab.model.catalog import Snapshot
from trimtab.model.strategy import Strategy


def with_bound(connection: Connection, strategy: Strategy, snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with `bound` of the tables that the strategy touches, as it is now. Raises SourceError."""
    touched = {table.oid for table in touched_tables(strategy, snapshot)}
    if not touched:
        return snapshot
    found: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    try:
        query = load("catalog_bound", connection.info.server_version).encode()
        for oid, kind, digest in connection.execute(query, (sorted(touched),)):
            found[oid].append((kind, digest))
    except psycopg.Error as error:
        raise source_error(error) from None
    tables = (replace(t, bound=tuple(found[t.oid])) if t.oid in touched else t for t in snapshot.tables)
    return replace(snapshot, tables=tuple(tables))
