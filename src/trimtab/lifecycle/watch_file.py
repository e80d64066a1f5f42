"""The file that a watcher writes: its tables, its mode, who holds it, and what its faults are called.

One writer holds it by a lock that the kernel releases when the writer dies; readers need none. Rows are no matter here.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trimtab.embedded.file_lock import try_lock
from trimtab.errors import BusyError, LedgerError

SCHEMA_VERSION = 1
APPLICATION_ID = 0x54726957  # "TriW"
MOST_BYTES = 1 << 30
_BUSY_SECONDS = 10.0
_SCHEMA = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE blobs (name TEXT PRIMARY KEY, value BLOB NOT NULL)",
    "CREATE TABLE statements (number INTEGER PRIMARY KEY, role_oid INTEGER NOT NULL, query_id INTEGER NOT NULL,"
    " is_top_level INTEGER NOT NULL, name TEXT NOT NULL, is_workload INTEGER NOT NULL, seen_ns INTEGER NOT NULL,"
    " shape TEXT NOT NULL DEFAULT '', UNIQUE (role_oid, query_id, is_top_level))",
    "CREATE TABLE slots (tier INTEGER NOT NULL, start_ns INTEGER NOT NULL, seconds REAL NOT NULL,"
    " active REAL NOT NULL, statements INTEGER NOT NULL, numbers BLOB NOT NULL, counts BLOB NOT NULL,"
    " PRIMARY KEY (tier, start_ns)) WITHOUT ROWID",
    "CREATE TABLE events (id INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL)",
    "CREATE TABLE alarms (id TEXT PRIMARY KEY, at_ns INTEGER NOT NULL, subject TEXT NOT NULL, key TEXT,"
    " evidence TEXT NOT NULL, ledger_seq INTEGER, ended_ns INTEGER, ended_because TEXT)",
)


def lock_path(path: Path) -> Path:
    """Return the file whose lock says that a watcher runs."""
    return path.with_suffix(".lock")


def runs_now(path: Path) -> int | None:
    """Return the process that holds the file, None when nobody does."""
    try:
        descriptor = os.open(lock_path(path), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if try_lock(descriptor):
            return None
        words = os.read(descriptor, 32).decode("ascii", "replace").strip()
        return int(words) if words.isdigit() else 0
    finally:
        os.close(descriptor)


def held(path: Path) -> int:
    """Hold a lock file and return its descriptor. Raises BusyError `watch.busy`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    if not try_lock(descriptor):
        words = os.read(descriptor, 32).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise BusyError(
            f"watching was refused: process {words or 'unknown'} watches this database already",
            code="watch.busy",
            next_step="`trimtab watch --status` tells what it sees; end it before you start another one.",
        )
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def open_database(path: Path, *, is_writer: bool) -> sqlite3.Connection:
    """Open a file that is there. Raises sqlite3.Error."""
    uri = f"{path.absolute().as_uri()}?mode={'rw' if is_writer else 'ro'}"
    connection = sqlite3.connect(uri, timeout=_BUSY_SECONDS, isolation_level=None, uri=True)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        if is_writer:
            # The last second may be lost with the machine's power, never the file: what is lost is counted again.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA journal_size_limit = 4194304")
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables in a new file; refuse what is not ours. Raises LedgerError."""
    [version] = connection.execute("PRAGMA user_version").fetchone()
    [objects] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version == 0 and objects == 0:
        [page_bytes] = connection.execute("PRAGMA page_size").fetchone()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA max_page_count = {MOST_BYTES // page_bytes}")
        connection.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    require_known(connection, path)


def require_known(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse another program's file, one that was never begun, and a later version's. Raises LedgerError."""
    [application] = connection.execute("PRAGMA application_id").fetchone()
    [version] = connection.execute("PRAGMA user_version").fetchone()
    [objects] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == version == objects == 0:
        raise LedgerError(
            f"the watch's file {path} holds nothing yet: it could not be begun, most likely because the disk was full",
            code="watch.store_empty",
            next_step="Make room and start `trimtab watch` again: it begins the file then.",
        )
    if application != APPLICATION_ID:
        raise _corrupt(path, "it is another program's database")
    if version != SCHEMA_VERSION:
        raise LedgerError(
            f"the watch's file {path} was refused: its version is {version}, this Trimtab knows {SCHEMA_VERSION}",
            code="watch.store_newer",
            next_step="Use the version of Trimtab that wrote it, or a later one; or move the file away to begin anew.",
        )


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Raise LedgerError `watch.store_unwritable` or `watch.store_corrupt` for the faults of the block."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise _corrupt(path, str(error)) from None
        raise _unwritable(path, str(error)) from None
    except OSError as error:
        raise _unwritable(path, error.strerror or type(error).__name__) from None


def _unwritable(path: Path, found: str) -> LedgerError:
    return LedgerError(
        f"the watch's file {path} cannot be used: {found}",
        code="watch.store_unwritable",
        next_step="Make room, or give this user the right to write there; what was seen meanwhile is counted again.",
    )


def _corrupt(path: Path, found: str) -> LedgerError:
    return LedgerError(
        f"the watch's file {path} cannot be trusted: {found}",
        code="watch.store_corrupt",
        next_step="Move the file away: the watcher then learns anew. Alarms are in the ledger too.",
    )
