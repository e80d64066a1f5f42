"""How a schema of ours in somebody's PostgreSQL database is reached by SQLAlchemy: by sessions of the one door.

What is in the schema, how durable a commit is, and what a fault means, is for the store to say.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import QueuePool

if TYPE_CHECKING:
    import psycopg

BUSY = frozenset({"55P03", "40P01"})
"""The SQLSTATEs that say that another session holds what was wanted."""


def schema_engine(conninfo: str, schema: str, *, set_up: str, lock_timeout_ms: int) -> Engine:
    """Return an engine whose tables without a schema are those of `schema`; `set_up` is run in each new session.

    What a session raises is SourceError; nothing is connected yet.
    """
    return create_engine(
        "postgresql+psycopg://",
        creator=partial(_connect, conninfo, set_up, lock_timeout_ms),
        poolclass=QueuePool,
        hide_parameters=True,
    ).execution_options(schema_translate_map={None: schema})


def take_turn(connection: Connection, lock_class: int) -> None:
    """Take the writers' advisory lock of this class, to the end of the transaction."""
    connection.exec_driver_sql("select pg_catalog.pg_advisory_xact_lock(%s, 1)", (lock_class,))


def sqlstate_of(fault: BaseException | None) -> str:
    """Return the SQLSTATE of a driver's fault, "" where the server said none."""
    return getattr(fault, "sqlstate", None) or ""


def _connect(conninfo: str, set_up: str, lock_timeout_ms: int) -> psycopg.Connection[Any]:
    """A session of the one door, made fit for SQLAlchemy: transactions, and its placeholders."""
    import psycopg

    from trimtab.db.connection import connect

    connection = connect(conninfo, read_only=False, lock_timeout_ms=lock_timeout_ms)
    try:
        connection.execute("select pg_catalog.set_config('search_path', 'pg_catalog', false)")
        connection.execute(set_up.encode())
        connection.cursor_factory = psycopg.Cursor
        connection.autocommit = False
    except BaseException:
        connection.close()
        raise
    return connection
