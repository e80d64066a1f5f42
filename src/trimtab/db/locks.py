"""Holds a database for one run: a session-level advisory lock, which ends with the session, however that ends.

Works for a read-only role and on a standby. Waits for a moment where that is asked for, and never ends another session.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg.pq import TransactionStatus

from trimtab.db.connection import Connection, source_error
from trimtab.db.queries import load
from trimtab.errors import BusyError

# "TrTb" in ASCII: the first key of the lock; the second is the database's oid.
LOCK_CLASS = 0x54725462
DEAD_SESSION_SECONDS = 5.0
"""For so long the session of a run that was killed may go on holding the database: the server is yet to notice."""
_LOOK_AGAIN_SECONDS = 0.1


@contextmanager
def hold_database(
    conn: Connection, *, wait_seconds: float = 0.0, sleep: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """Hold the connection's database against other runs of Trimtab, until the block ends.

    The same session may hold it twice. Raises BusyError `run.busy` when another session holds it, and still does after
    `wait_seconds`; SourceError when the server refuses. Needs a session of its own: a pooler in transaction mode would
    hand the lock to others.
    """
    try:
        waited = 0.0
        while not _is_taken(conn):
            if waited >= wait_seconds:
                raise _busy(conn)
            sleep(_LOOK_AGAIN_SECONDS)
            waited += _LOOK_AGAIN_SECONDS
    except psycopg.Error as exc:
        raise source_error(exc) from None
    try:
        yield
    finally:
        _release(conn)


def _is_taken(conn: Connection) -> bool:
    row = conn.execute(load("lock_database", conn.info.server_version).encode(), (LOCK_CLASS,)).fetchone()
    return row is not None and row[0] is True


def _release(conn: Connection) -> None:
    """A lost connection has released the lock already."""
    with suppress(psycopg.Error):
        if conn.info.transaction_status == TransactionStatus.INERROR:
            conn.rollback()
        conn.execute(load("unlock_database", conn.info.server_version).encode(), (LOCK_CLASS,))


def _busy(conn: Connection) -> BusyError:
    row = conn.execute(load("lock_holder", conn.info.server_version).encode(), (LOCK_CLASS,)).fetchone()
    found = "another session holds it"
    if row is not None:
        since = f", connected since {row[1]}" if row[1] is not None else ""
        found = f"server process {row[0]} holds it{since}"
    return BusyError(
        f"a run on database {conn.info.dbname} is refused: {found}",
        code="run.busy",
        next_step="Wait for the other run to end, or stop it.",
    )
