"""A history in a schema of a PostgreSQL database, for a fleet that several machines look at: the same tables.

Writers of one server take turns by an advisory lock for the time of a write. Its faults are ours, without its words.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from trimtab.db.schema_engine import BUSY, has_table, made_fit, schema_engine, sqlstate_of, take_turn
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
_NOT_WAITED_FOR = "select pg_catalog.set_config('synchronous_commit', 'off', false)"
"""A round that a crash takes away is counted again: nobody waits for the disk."""


def open_postgres(conninfo: str, retention: Retention) -> HistoryStore:
    """Open the history of a database, or create its schema. Raises LedgerError `history.*`."""
    from trimtab.db.dsn import describe

    name = f"of {describe(conninfo)}"
    with _faults(name):
        engine = schema_engine(partial(_connect, conninfo), SCHEMA)
        try:
            with engine.connect() as connection:
                _prepare(connection, name)
        except BaseException:
            engine.dispose()
            raise
    return HistoryStore(
        engine, Dialect(name, partial(_faults, name), partial(take_turn, lock_class=LOCK_CLASS)), retention
    )


def _connect(conninfo: str) -> psycopg.Connection[Any]:
    from trimtab.db.connection import connect

    return made_fit(connect(conninfo, read_only=False, lock_timeout_ms=_LOCK_TIMEOUT_MS), _NOT_WAITED_FOR)


def _prepare(connection: Connection, name: str) -> None:
    if not has_table(connection, SCHEMA, "version"):
        take_turn(connection, LOCK_CLASS)
        if not has_table(connection, SCHEMA, "version"):
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
        sqlstate = sqlstate_of(error.orig)
        if sqlstate in BUSY:
            raise busy(name) from None
        raise unwritable(name, f"its server says {sqlstate}" if sqlstate else "the connection was lost") from None
