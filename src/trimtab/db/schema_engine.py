"""How a schema of ours in somebody's PostgreSQL database is reached by SQLAlchemy, with sessions of the one door.

It opens none: who may write where stays in sight in the store that does. What is in the schema, how durable a commit
is, and what a fault means, is for the store to say too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import QueuePool

if TYPE_CHECKING:
    import psycopg

BUSY = frozenset({"55P03", "40P01"})
"""The SQLSTATEs that say that another session holds what was wanted."""


def schema_engine(opened: Callable[[], psycopg.Connection[Any]], schema: str) -> Engine:
    """Return an engine whose tables without a schema are those of `schema`; `opened` gives it its sessions.

    Nothing is connected yet.
    """
    return create_engine(
        "postgresql+psycopg://", creator=opened, poolclass=QueuePool, hide_parameters=True
    ).execution_options(schema_translate_map={None: schema})


def made_fit(connection: psycopg.Connection[Any], set_up: str) -> psycopg.Connection[Any]:
    """Return a session of the one door as SQLAlchemy needs it: with its placeholders.

    It begins no transaction by itself: `take_turn` does, and what only reads needs none. `set_up` is run in it. The
    session is closed when that fails. Raises SourceError.
    """
    import psycopg

    try:
        connection.execute("select pg_catalog.set_config('search_path', 'pg_catalog', false)")
        # What is read after a turn was waited for must be what is there then, whatever the role's default is.
        connection.execute("select pg_catalog.set_config('default_transaction_isolation', 'read committed', false)")
        # What a policy hides is an error, not what is not there.
        connection.execute("select pg_catalog.set_config('row_security', 'off', false)")
        connection.execute(set_up.encode())
        connection.cursor_factory = psycopg.Cursor
    except BaseException:
        connection.close()
        raise
    return connection


def turn(lock_class: int) -> str:
    """Return what begins a transaction, and takes the writers' advisory lock of this class to its end."""
    return f"BEGIN; SELECT pg_catalog.pg_advisory_xact_lock({lock_class:d}, 1)"


def take_turn(connection: Connection, lock_class: int) -> None:
    """Begin a transaction and take the writers' lock, in one message."""
    connection.exec_driver_sql(turn(lock_class))


@contextmanager
def driven(connection: Connection) -> Iterator[psycopg.Connection[Any]]:
    """Yield the driver's session of a connection, for several statements in one message: SQLAlchemy knows of none.

    What a session says is raised as the driver says it. One that is lost is not used again, nor are others of its pool.
    """
    session: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    try:
        yield session
    except BaseException as error:
        if session.closed:
            connection.invalidate(error)
            connection.engine.dispose()
        raise


def has_table(connection: Connection, schema: str, name: str) -> bool:
    """Return True when the table is there, for who has waited too.

    `to_regclass` says that it is not, after another session has made it, until this one takes notice of that: it
    remembers what it did not find.
    """
    query = (
        "select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = %s and c.relname = %s)"
    )
    return bool(connection.exec_driver_sql(query, (schema, name)).scalar_one())


def sqlstate_of(fault: BaseException | None) -> str:
    """Return the SQLSTATE of a driver's fault, "" where the server said none."""
    return getattr(fault, "sqlstate", None) or ""
