"""How our SQLite files are reached by SQLAlchemy: sessions that begin nothing by themselves, and wait for one another.

What is in a file, how durable a commit is, and what a fault means, is for the store to say.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool, QueuePool
from sqlalchemy.util import LRUCache

BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
"""The primary codes that say that another process holds what was wanted."""
_BUSY_SECONDS = 30.0
_ROOM_BYTES = 64 << 10
_TRIES = 50


def file_engine(path: Path, pragmas: Sequence[str]) -> Engine:
    """Return an engine over a file that is there; each of its sessions is given the pragmas, as "name = value".

    On a disk that is mounted to be read, or is full, every read has a session of its own: one that takes the file for
    one that does not change would go on with the pages that it knows.
    """
    model = _model()
    is_pooled = _can_be_written_beside(path)
    connected: Any = partial(_connect, path, pragmas, is_pooled)
    pool = (QueuePool if is_pooled else NullPool)(connected, dialect=model.dialect)
    return Engine(pool, model.dialect, model.url, hide_parameters=True, execution_options={"compiled_cache": _COMPILED})


_COMPILED: LRUCache[Any, Any] = LRUCache(500)
"""Statements as SQLite reads them: those of one file are those of all."""


@cache
def _model() -> Engine:
    """Return an engine of no file, whose dialect serves all: to make another, and to compile for it, takes longer than
    most of what is asked.
    """
    engine = create_engine("sqlite+pysqlite://", poolclass=NullPool)
    engine.connect().close()  # its dialect asks what this SQLite can do
    return engine


def lies_still(path: Path) -> bool:
    """Return True when SQLite can make nothing beside the file, and nobody has its log open, or left something in it.

    So it is on a disk that is mounted to be read, or is full. To read what is written by way of a log, SQLite makes
    one; here it cannot. It can read the file as one that does not change, and that is so as long as nobody
    writes to it from where the disk can be written: who reads has to see whether its `stamp` is the same afterwards.
    """
    if _can_be_written_beside(path):
        return False
    log, index = (path.with_name(f"{path.name}-{each}") for each in ("wal", "shm"))
    try:
        return log.stat().st_size == 0 and not index.exists()
    except FileNotFoundError:
        return True


def stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what becomes another when the file is written to or replaced; None without one."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _can_be_written_beside(path: Path) -> bool:
    is_allowed = os.access(path.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
    return is_allowed and has_room(path.parent)


def has_room(directory: Path) -> bool:
    """Return True unless the disk is known to be so full that SQLite could not even make the index of its log."""
    try:
        disk = os.statvfs(directory)
    except OSError:
        return True
    left = disk.f_bfree if os.geteuid() == 0 else disk.f_bavail
    return disk.f_blocks == 0 or left * disk.f_frsize >= _ROOM_BYTES


def begin_writing(connection: Connection) -> None:
    """Take SQLite's write lock at the start of a transaction: what it reads first is still so when it writes."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def pragma(connection: Connection, name: str) -> int:
    """Return a pragma that is a number."""
    return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())


def use_wal(connection: Connection) -> bool:
    """Switch to the write-ahead log, which stays with the file; False where the file system does not allow it.

    SQLite does not wait for this lock by itself.
    """
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            return bool(connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar_one() == "wal")
        except OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            connection.rollback()
            time.sleep(0.01)


def is_busy(error: DBAPIError) -> bool:
    """Return True when another process holds the lock that was wanted."""
    return primary_code(error.orig) in BUSY


def primary_code(fault: BaseException | None) -> int:
    """Return SQLite's primary code of a fault, which its extended codes carry in their low byte."""
    code = getattr(fault, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else sqlite3.SQLITE_ERROR


def _connect(path: Path, pragmas: Sequence[str], is_pooled: bool) -> sqlite3.Connection:
    if is_pooled:
        return _opened(path, pragmas, is_still=False)
    tries = _TRIES
    while True:
        tries -= 1
        try:
            # Which opens the log, and keeps it from being removed.
            return _opened(path, (*pragmas, "schema_version"), is_still=lies_still(path))
        except sqlite3.OperationalError as error:  # whoever made the log removed it after it was looked for
            if tries == 0 or primary_code(error) != sqlite3.SQLITE_CANTOPEN:
                raise
        time.sleep(0.01)


def _opened(path: Path, pragmas: Sequence[str], *, is_still: bool) -> sqlite3.Connection:
    # isolation_level None: the driver begins nothing by itself. mode=rw: SQLite creates nothing by itself.
    uri = f"{path.absolute().as_uri()}?{'mode=ro&immutable=1' if is_still else 'mode=rw'}"
    connection = sqlite3.connect(uri, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)
    try:
        for each in ("trusted_schema = OFF", *pragmas):
            connection.execute(f"PRAGMA {each}").close()
    except BaseException:
        connection.close()
        raise
    return connection
