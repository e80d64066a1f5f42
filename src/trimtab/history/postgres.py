"""A history in a schema of a PostgreSQL database, for a fleet that several machines look at: the same tables.

Writers of one server take turns by an advisory lock for the time of a write. Its faults are ours, without its words.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from trimtab.errors import SourceError
from trimtab.history.faults import busy, newer, unwritable
from trimtab.history.schema import METADATA, SCHEMA_VERSION
from trimtab.history.store import Dialect, HistoryStore
from trimtab.history.tiers import Retention

if TYPE_CHECKING:
    import psycopg

SCHEMA = "trimtab_history"
LOCK_CLASS = 0x54724873  # "TrHs" in ASCII
_LOCK_TIMEOUT_MS = 30_000
_BUSY = frozenset({"55P03", "40P01"})


def open_postgres(conninfo: str, retention: Retention) -> HistoryStore:
    """Open the history of a database, or create its schema. Raises LedgerError `history.*`."""
    from trimtab.db.dsn import describe

    name = f"of {describe(conninfo)}"
    with _faults(name):
        engine = create_engine(
            "postgresql+psycopg://", creator=partial(_connect, conninfo), poolclass=QueuePool, hide_parameters=True
        ).execution_options(schema_translate_map={None: SCHEMA})
        try:
            with engine.connect() as connection:
                _prepare(connection, name)
        except BaseException:
            engine.dispose()
            raise
    return HistoryStore(engine, Dialect(name, partial(_faults, name), _lock), retention)


def _connect(conninfo: str) -> psycopg.Connection[Any]:
    """A session of the one door, made fit for SQLAlchemy: transactions, and its placeholders."""
    import psycopg

    from trimtab.db.connection import connect

    connection = connect(conninfo, read_only=False, lock_timeout_ms=_LOCK_TIMEOUT_MS)
    try:
        connection.execute("select pg_catalog.set_config('search_path', 'pg_catalog', false)")
        # A round that a crash takes away is counted again: nobody waits for the disk.
        connection.execute("select pg_catalog.set_config('synchronous_commit', 'off', false)")
        connection.cursor_factory = psycopg.Cursor
        connection.autocommit = False
    except BaseException:
        connection.close()
        raise
    return connection


def _lock(connection: Connection) -> None:
    connection.exec_driver_sql("select pg_catalog.pg_advisory_xact_lock(%s, 1)", (LOCK_CLASS,))


def _prepare(connection: Connection, name: str) -> None:
    is_there = "select to_regclass(%s)"
    if connection.exec_driver_sql(is_there, (f"{SCHEMA}.version",)).scalar_one() is None:
        _lock(connection)
        if connection.exec_driver_sql(is_there, (f"{SCHEMA}.version",)).scalar_one() is None:
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            METADATA.create_all(connection, checkfirst=False)
            connection.exec_driver_sql(f"CREATE TABLE {SCHEMA}.version (version integer NOT NULL)")
            connection.exec_driver_sql(f"INSERT INTO {SCHEMA}.version VALUES ({SCHEMA_VERSION})")  # noqa: S608
    version = connection.exec_driver_sql(f"SELECT version FROM {SCHEMA}.version").scalar_one()  # noqa: S608
    if version != SCHEMA_VERSION:
        raise newer(name, version, SCHEMA_VERSION)
    connection.commit()


@contextmanager
def _faults(name: str) -> Iterator[None]:
    try:
        yield
    except SourceError as error:
        raise unwritable(name, str(error)) from None
    except DBAPIError as error:
        sqlstate = getattr(error.orig, "sqlstate", None) or ""
        if sqlstate in _BUSY:
            raise busy(name) from None
        raise unwritable(name, f"its server says {sqlstate}" if sqlstate else "the connection was lost") from None
