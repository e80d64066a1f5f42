"""A history in a SQLite file: its mode, its settings, its faults. Its last second may go with the machine's power."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from trimtab.errors import LedgerError
from trimtab.history.faults import busy, corrupt, newer, unwritable
from trimtab.history.schema import METADATA, SCHEMA_VERSION
from trimtab.history.store import Dialect, HistoryStore
from trimtab.history.tiers import Retention
from trimtab.sqlite_file import BUSY, begin_writing, file_engine, pragma, primary_code, use_wal

APPLICATION_ID = 0x54726948  # "TriH"
_PRAGMAS = ("synchronous = NORMAL", "journal_size_limit = 16777216")
_PAGE_BYTES = 16_384
"""Rows are some kilobytes: of smaller pages each would leave a third empty."""
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def open_sqlite(path: Path, retention: Retention) -> HistoryStore:
    """Open the file, or create it with mode 0600. Raises LedgerError `history.*`."""
    dialect = Dialect(str(path), partial(_faults, path), begin_writing)
    with _faults(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        engine = file_engine(path, _PRAGMAS)
        try:
            with engine.connect() as connection:
                _prepare(connection, path)
        except BaseException:
            engine.dispose()
            raise
    return HistoryStore(engine, dialect, retention)


def _prepare(connection: Connection, path: Path) -> None:
    if pragma(connection, "user_version") == 0:
        objects = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
        if objects and pragma(connection, "user_version") == 0:
            raise corrupt(path, "it is another program's database")
        connection.rollback()
        connection.exec_driver_sql(f"PRAGMA page_size = {_PAGE_BYTES}")
        use_wal(connection)
        begin_writing(connection)
        if pragma(connection, "user_version") == 0:
            METADATA.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.commit()
    if pragma(connection, "application_id") != APPLICATION_ID:
        raise corrupt(path, "it is another program's database")
    version = pragma(connection, "user_version")
    if version != SCHEMA_VERSION:
        raise newer(str(path), version, SCHEMA_VERSION)


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise _ours(path, error.orig) from None
    except (sqlite3.Error, OSError) as error:
        raise _ours(path, error) from None


def _ours(path: Path, fault: BaseException | None) -> LedgerError:
    if isinstance(fault, OSError):
        return unwritable(path, fault.strerror or type(fault).__name__)
    code = primary_code(fault)
    if code in BUSY:
        return busy(path)
    return corrupt(path, str(fault)) if code in _DAMAGED else unwritable(path, str(fault))
