"""What makes the server itself keep a text from doing more than reading, whatever has been thought of the text.

A transaction that is made read-only by a SELECT at its begin: that takes a snapshot, from where on the server refuses
SET TRANSACTION READ WRITE. A savepoint in it, in which no snapshot can be exported. And the text sent once as what a
cursor is declared for: the server's own parser takes nothing there but one SELECT or VALUES, and asks for every right
that it needs. Where the server was hardened (`setup_sql`), the role READER, which has less than the session's. Sessions
that only read send one statement at a time (`connect`). Judges no text: `db.read_check` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg

from trimtab.db.connection import Connection
from trimtab.db.failures import source_error
from trimtab.model.workload import Query

READER = "trimtab_read"
CHECK_LIMITS: Mapping[str, str] = {"transaction_read_only": "on", "statement_timeout": "30000", "jit": "off"}
"""The settings of a transaction that asks about a text. To compile what asks the catalog takes longer than to ask."""
_CURSOR = '"trimtab read"'
# Where another database was hardened, and not this one, the role has no tables here, and may set what it likes.
# Names mean what they meant: "$user" is another one then.
_BECOME_READER = b"""
select pg_catalog.set_config('search_path', coalesce((select pg_catalog.string_agg(pg_catalog.quote_ident(s), ', ')
                                                        from pg_catalog.unnest(pg_catalog.current_schemas(false)) s),
                                                     ''), true),
       pg_catalog.set_config('role', rolname, true) from pg_catalog.pg_roles
 where rolname = $1 and pg_catalog.pg_has_role(session_user, oid, 'member')
   and not pg_catalog.has_function_privilege(oid, 'pg_catalog.set_config(text, text, boolean)', 'execute')"""


def read_limits(statement_timeout_ms: int) -> Mapping[str, str]:
    """Return the settings, by set_config(..., true), of one transaction in which the server lets nothing be written."""
    return {"transaction_read_only": "on", "statement_timeout": str(statement_timeout_ms)}


@contextmanager
def only_reading(connection: Connection, settings: Mapping[str, str]) -> Iterator[None]:
    """A read-only transaction with these settings, those of `read_limits` among them, that is always rolled back.

    It is of the role READER, where there is one that the session's user may be: that one cannot set anything, and so
    not leave it. The connection is in no transaction. Raises SourceError when it cannot be begun.
    """
    try:
        with connection.transaction(force_rollback=True):
            for name, value in settings.items():
                connection.execute("select pg_catalog.set_config($1, $2, true)", (name, value))
            connection.execute(_BECOME_READER, (READER,))
            with connection.transaction(force_rollback=True):
                yield
    except psycopg.Error as error:
        raise source_error(error) from None


def require_one_query(connection: Connection, query: Query) -> None:
    """Have the server refuse what is not one SELECT or VALUES that this role may run; nothing of it is run.

    To be called in `only_reading`. Raises what `source_error` makes of the server's refusal.
    """
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {query.text}".encode(), query.parameters)
    except psycopg.Error as error:
        raise source_error(error) from None
