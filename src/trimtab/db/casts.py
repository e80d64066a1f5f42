"""Carries casts between PostgreSQL's own types to a throw-away server: only a superuser may define these.

Those are carried that run nobody's code: by the types' own input and output, or between texts that are stored alike.
"""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.model.change import qualified

Cast = tuple[str, str, str, str]
"""Source and target type, pg_cast.castcontext and pg_cast.castmethod."""

_CONTEXTS = {"i": " AS IMPLICIT", "a": " AS ASSIGNMENT", "e": ""}
# Of other types that are stored alike, a value could be one that the target's functions cannot read without harm.
_TEXTS = {"text", "varchar", "bpchar", "json", "xml"}


def read_casts(source: Connection) -> list[Cast]:
    """Return the user's own casts between PostgreSQL's types that call no function."""
    return [tuple(row) for row in source.execute(queries.load("casts", source.info.server_version)).fetchall()]


def create_casts(admin: Connection, casts: Iterable[Cast]) -> set[str]:
    """Create them as a superuser; return the entries of an archive that are done with this: `CAST - CAST (a AS b)`.

    `casts` may be anybody's words. One that is refused here is left to the archive, and what the server says is told.
    """
    done = set()
    for source, target, context, method in casts:
        is_harmless = method == "i" or (method == "b" and {source, target} <= _TEXTS)
        if not is_harmless or context not in _CONTEXTS:
            continue
        types = qualified("pg_catalog", source), qualified("pg_catalog", target)
        how = "WITH INOUT" if method == "i" else "WITHOUT FUNCTION"
        try:
            with admin.transaction():
                admin.execute(f"CREATE CAST ({types[0]} AS {types[1]}) {how}{_CONTEXTS[context]}".encode())
                row = admin.execute(
                    "select pg_catalog.format_type($1::pg_catalog.regtype, null),"
                    " pg_catalog.format_type($2::pg_catalog.regtype, null)",
                    types,
                ).fetchone()
        except psycopg.Error:
            if admin.closed:
                raise
            continue
        assert row is not None, "the query returns one row"
        done.add(f"CAST - CAST ({row[0]} AS {row[1]})")
    return done
