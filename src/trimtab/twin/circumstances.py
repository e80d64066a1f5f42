"""Gathers what may explain that the twin's plans differ from its source's: what it lacks, and what it only estimates.

It reads the twin's catalog, and judges nothing.
"""

from __future__ import annotations

from trimtab.db.connection import Connection
from trimtab.twin.fidelity import Circumstances
from trimtab.twin.source import Source

_INDEXES = (
    "select c.relname::text, coalesce(a.amname = 'gin', false) from pg_catalog.pg_class c"
    " left join pg_catalog.pg_am a on a.oid = c.relam where c.relkind in ('i', 'I')"
)


def circumstances_of(twin: Connection, source: Source, source_version: int, *, is_bound: bool) -> Circumstances:
    """Return the circumstances of a twin of the source, which is of `source_version` now.

    `is_bound` says that policies of row-level security may bind who plans. Raises psycopg.Error.
    """
    indexes: dict[str, bool] = {}
    for name, is_estimated in twin.execute(_INDEXES).fetchall():
        indexes[name] = indexes.get(name, False) or is_estimated
    return Circumstances(
        source_version=source_version,
        twin_version=twin.info.server_version,
        unreadable=frozenset((*source.unreadable, *source.row_security)),
        partly_hidden=frozenset(source.partly_hidden),
        # Under any schema: plans name indexes without it.
        absent=frozenset(r.name for r in source.relations if r.kind in "iI") - indexes.keys(),
        estimated=frozenset(name for name, is_estimated in indexes.items() if is_estimated),
        unknown_ends=frozenset(source.unknown_ends),
        guarded=source.guarded if is_bound else frozenset(),
        has_values=source.has_values,
    )
