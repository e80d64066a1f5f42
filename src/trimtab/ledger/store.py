"""The ledger's SQLite file: its schema, its safety settings and its transactions. Knows rows, not what they mean.

Every commit is on disk when it returns (WAL journal, synchronous=FULL). One writer at a time: a write takes SQLite's
write lock at its start, so what it reads first is still so when it inserts.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Column, Connection, Engine, Integer, LargeBinary, MetaData, Table, Text, cast, create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from trimtab.errors import LedgerError
from trimtab.ledger.chain import Row
from trimtab.ledger.entry import Entry
from trimtab.ledger.faults import corrupt, is_busy, ledger_faults, unwritable

SCHEMA_VERSION = 3
_EARLIEST_VERSION = 1
"""Files of this version on have the same tables, and kinds of entries that this one knows: they are taken over."""
APPLICATION_ID = 0x5472696D  # "Trim", which file(1) and we recognise the file by
_BUSY_SECONDS = 30.0
_PAGE_ROWS = 500

_METADATA = MetaData()
_ENTRIES = Table(
    "entries",
    _METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at_ns", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("run_id", Text, nullable=True),
    Column("body", Text, nullable=False),
    Column("prev_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
# The third refuses INSERT OR REPLACE, which deletes without firing delete triggers, and any fork of the chain.
_TRIGGERS = (
    "CREATE TRIGGER entries_keep BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER entries_stay BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER entries_follow BEFORE INSERT ON entries"
    " WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM entries)"
    " OR NEW.prev_hash IS NOT coalesce((SELECT hash FROM entries ORDER BY seq DESC LIMIT 1), printf('%064d', 0))"
    " BEGIN SELECT RAISE(ABORT, 'an entry follows the last one'); END",
)
# Bytes, not values: a text that is not UTF-8 or a number of the wrong type must be named, not choke the driver.
_BYTES = [cast(column, LargeBinary).label(column.name) for column in _ENTRIES.columns if column.name != "seq"]
_SELECT = _ENTRIES.select().with_only_columns(_ENTRIES.c.seq, *_BYTES)


class Store:
    """An open ledger file. Safe to use from several threads; several processes may have the same file open."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self.path = path

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open the file, or create it with mode 0600. Raises LedgerError corrupt, newer, unwritable or busy."""
        with ledger_faults(path):
            _create_file(path)
            engine = create_engine(
                "sqlite+pysqlite://",
                creator=lambda: _connect(path),
                poolclass=QueuePool,
                hide_parameters=True,
            )
            try:
                with engine.connect() as connection:
                    _prepare(connection, path)
            except BaseException:
                engine.dispose()
                raise
        return cls(engine, path)

    def close(self) -> None:
        """Close every connection to the file."""
        self._engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Hold the write lock; commit durably at the end, or leave nothing when the block raises."""
        with ledger_faults(self.path), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def insert(self, connection: Connection, entry: Entry, body: bytes) -> None:
        """Write the entry, whose canonical body is `body`, within a `writing` block."""
        values = {
            "seq": entry.seq,
            "at_ns": entry.at_ns,
            "kind": entry.kind.value,
            "run_id": entry.run_id,
            "body": body.decode("utf-8"),
            "prev_hash": entry.prev_hash,
            "hash": entry.hash,
        }
        connection.execute(_ENTRIES.insert().values(**values))

    def last_row(self, connection: Connection | None = None) -> Row | None:
        """Return the row of the highest number, or None when there is none."""
        query = _SELECT.order_by(_ENTRIES.c.seq.desc()).limit(1)
        if connection is not None:
            found = connection.execute(query).one_or_none()
        else:
            with ledger_faults(self.path), self._engine.connect() as reading:
                found = reading.execute(query).one_or_none()
        return None if found is None else Row(*found)

    def rows(self, kind: str | None = None, run_id: str | None = None) -> Iterator[Row]:
        """Yield the rows in order, page by page; no transaction stays open between two of them."""
        query = _SELECT.order_by(_ENTRIES.c.seq).limit(_PAGE_ROWS)
        if kind is not None:
            query = query.where(_ENTRIES.c.kind == kind)
        if run_id is not None:
            query = query.where(_ENTRIES.c.run_id == run_id)
        after: int | None = None
        while True:
            page = query if after is None else query.where(_ENTRIES.c.seq > after)
            with ledger_faults(self.path), self._engine.connect() as connection:
                found = connection.execute(page).all()
            if not found:
                return
            yield from (Row(*row) for row in found)
            after = found[-1][0]


def _create_file(path: Path) -> None:
    """Make the file with the right mode before SQLite opens it: its journal and shared memory take the mode over."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _connect(path: Path) -> sqlite3.Connection:
    # isolation_level None: the driver begins nothing by itself. mode=rw: SQLite creates nothing by itself.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)
    try:
        for pragma in ("synchronous = FULL", "fullfsync = ON", "trusted_schema = OFF", "cell_size_check = ON"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: Connection, path: Path) -> None:
    if _pragma(connection, "user_version") == 0:
        _refuse_foreign(connection, path)
        _use_wal(connection, path)
        _create_schema(connection)
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise corrupt(path, "it is another program's database")
    version = _pragma(connection, "user_version")
    if _EARLIEST_VERSION <= version < SCHEMA_VERSION:
        connection.rollback()
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.commit()
    elif version != SCHEMA_VERSION:
        raise LedgerError(
            f"the ledger {path} was refused: its schema version is {version}, this Trimtab knows {SCHEMA_VERSION}",
            code="ledger.newer",
            next_step="Use the version of Trimtab that wrote it, or a later one.",
        )


def _refuse_foreign(connection: Connection, path: Path) -> None:
    objects = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
    connection.rollback()
    # A ledger that another process is creating this moment has its version and its tables from one transaction.
    if objects and _pragma(connection, "user_version") == 0:
        raise corrupt(path, "it is another program's database")


def _use_wal(connection: Connection, path: Path) -> None:
    """Switch the journal mode, which stays with the file. SQLite does not wait for this lock by itself."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            mode = connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar_one()
            break
        except OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            connection.rollback()
            time.sleep(0.01)
    if mode != "wal":
        raise unwritable(path, "its file system does not allow SQLite's write-ahead log")


def _create_schema(connection: Connection) -> None:
    connection.rollback()
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    if _pragma(connection, "user_version") == 0:
        _METADATA.create_all(connection)
        for trigger in _TRIGGERS:
            connection.exec_driver_sql(trigger)
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.commit()


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
