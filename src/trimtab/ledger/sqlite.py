"""A ledger in a SQLite file: its safety settings, its schema, its upgrade from earlier versions.

Every commit is on disk when it returns (WAL journal, synchronous=FULL). One writer at a time: a write takes SQLite's
write lock at its start, so what it reads first is still so when it inserts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, LargeBinary, Select, cast
from sqlalchemy.event import listen

from trimtab.durable import sync_directory
from trimtab.ledger.chain import Row
from trimtab.ledger.faults import corrupt, gone, ledger_faults, newer, unwritable
from trimtab.ledger.merkle import GrowingTree
from trimtab.ledger.schema import CHECKPOINTS, ENTRIES, KEYS_INDEX, METADATA, SCHEMA_VERSION, TREE, WITHOUT_WITHHELD
from trimtab.ledger.store import MOVED, Dialect, Store
from trimtab.ledger.withheld import DIRECTORY_SUFFIX, OpeningFiles
from trimtab.sqlite_file import begin_writing, file_engine, pragma, use_wal

APPLICATION_ID = 0x5472696D  # "Trim", which file(1) and we recognise the file by
_EARLIEST_VERSION, _FIRST_WITH_TREE = 1, 4
"""Files of these versions are taken over: the kinds of entries only grew, the tree is made from what is there."""
_PRAGMAS = ("synchronous = FULL", "fullfsync = ON", "cell_size_check = ON")
_UPGRADED_ROWS = 500

_KEPT = "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
# The INSERT triggers refuse INSERT OR REPLACE, which deletes without firing delete triggers, and any fork of the chain.
_ENTRY_TRIGGERS = (
    f"CREATE TRIGGER entries_keep BEFORE UPDATE ON entries {_KEPT}",
    f"CREATE TRIGGER entries_stay BEFORE DELETE ON entries {_KEPT}",
    "CREATE TRIGGER entries_follow BEFORE INSERT ON entries"
    " WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM entries)"
    " OR NEW.prev_hash IS NOT coalesce((SELECT hash FROM entries ORDER BY seq DESC LIMIT 1), printf('%064d', 0))"
    " BEGIN SELECT RAISE(ABORT, 'an entry follows the last one'); END",
)
_TREE_TRIGGERS = (
    f"CREATE TRIGGER tree_keep BEFORE UPDATE ON tree {_KEPT}",
    f"CREATE TRIGGER tree_stay BEFORE DELETE ON tree {_KEPT}",
    "CREATE TRIGGER tree_follow BEFORE INSERT ON tree"
    " WHEN EXISTS (SELECT 1 FROM tree WHERE seq = NEW.seq AND level = NEW.level)"
    " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    f"CREATE TRIGGER checkpoints_keep BEFORE UPDATE ON checkpoints {_KEPT}",
    f"CREATE TRIGGER checkpoints_stay BEFORE DELETE ON checkpoints {_KEPT}",
    "CREATE TRIGGER checkpoints_follow BEFORE INSERT ON checkpoints"
    " WHEN EXISTS (SELECT 1 FROM checkpoints WHERE size = NEW.size)"
    " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
)
_FENCED = ("entries", "checkpoints")
FENCE = tuple(
    f"CREATE TRIGGER IF NOT EXISTS {table}_gone BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, '{MOVED}'); END"
    for table in _FENCED
)
# Bytes, not values: a text that is not UTF-8 or a number of the wrong type must be named, not choke the driver.
_BYTES = [cast(column, LargeBinary).label(column.name) for column in ENTRIES.columns if column.name != "seq"]
_SELECT = ENTRIES.select().with_only_columns(ENTRIES.c.seq, *_BYTES)


def open_sqlite(path: Path) -> Store:
    """Open the file, or create it with mode 0600. Raises LedgerError corrupt, newer, unwritable or busy."""
    with ledger_faults(path):
        _create_file(path)
        dialect = Dialect(
            name=str(path),
            faults=partial(ledger_faults, path),
            begin=partial(_begin, path, _file_at(path)),
            entries=_SELECT,
            row=lambda found: Row(*found),
            corrupt=partial(corrupt, path),
            fence=FENCE,
            unfence=tuple(f"DROP TRIGGER IF EXISTS {table}_gone" for table in _FENCED),
        )
        engine = file_engine(path, _PRAGMAS)
        listen(engine, "connect", lambda _session, record: record.info.update(file=_file_at(path)))
        store = Store(engine, dialect, OpeningFiles(path.with_name(path.name + DIRECTORY_SUFFIX), _begin_withholding))
        try:
            with engine.connect() as connection:
                _prepare(connection, path, store)
        except BaseException:
            engine.dispose()
            raise
    return store


def _begin(
    path: Path, opened: tuple[int, int] | None, connection: Connection, query: Select[Any]
) -> Sequence[Any] | None:
    begin_writing(connection)
    # SQLite goes on with a file that has no name any more, where nobody would find the entry.
    if not (_file_at(path) == opened == connection.info["file"]):
        raise gone(path)
    return connection.execute(query).one_or_none()


def _file_at(path: Path) -> tuple[int, int] | None:
    """Return which file has that name, None for none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _begin_withholding(connection: Connection) -> None:
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _create_file(path: Path) -> None:
    """Make the file with the right mode before SQLite opens it: its journal and shared memory take the mode over."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    sync_directory(path.parent)


def _prepare(connection: Connection, path: Path, store: Store) -> None:
    if pragma(connection, "user_version") == 0:
        _refuse_foreign(connection, path)
        if not use_wal(connection):
            raise unwritable(path, "its file system does not allow SQLite's write-ahead log")
        _create_schema(connection)
    if pragma(connection, "application_id") != APPLICATION_ID:
        raise corrupt(path, "it is another program's database")
    version = pragma(connection, "user_version")
    if _EARLIEST_VERSION <= version < WITHOUT_WITHHELD:
        _upgrade(connection, store)
    elif version not in (WITHOUT_WITHHELD, SCHEMA_VERSION):
        raise newer(str(path), version, SCHEMA_VERSION)


def _refuse_foreign(connection: Connection, path: Path) -> None:
    objects = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
    connection.rollback()
    # A ledger that another process is creating this moment has its version and its tables from one transaction.
    if objects and pragma(connection, "user_version") == 0:
        raise corrupt(path, "it is another program's database")


def _create_schema(connection: Connection) -> None:
    connection.rollback()
    begin_writing(connection)
    if pragma(connection, "user_version") == 0:
        METADATA.create_all(connection)
        for trigger in (*_ENTRY_TRIGGERS, *_TREE_TRIGGERS):
            connection.exec_driver_sql(trigger)
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.commit()


def _upgrade(connection: Connection, store: Store) -> None:
    """Make what earlier versions did not have: the tree of the entries that are there."""
    connection.rollback()
    begin_writing(connection)
    if pragma(connection, "user_version") < _FIRST_WITH_TREE:
        for table in (TREE, CHECKPOINTS):
            table.create(connection)
        KEYS_INDEX.create(connection)
        for trigger in _TREE_TRIGGERS:
            connection.exec_driver_sql(trigger)
        tree = GrowingTree()
        for rows in _pages(connection):
            store.insert_nodes(connection, rows, tree)
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.commit()


def _pages(connection: Connection) -> Iterator[list[Row]]:
    found = (Row(*row) for row in connection.execute(_SELECT.order_by(ENTRIES.c.seq)))
    while page := list(islice(found, _UPGRADED_ROWS)):
        yield page
