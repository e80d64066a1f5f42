"""Waits a little for tables that another session locks exclusively; of those that stay so it says which, and who.

A run reads the definition of every table that its role may read, and any of them that is locked would keep it waiting.
It waits in the server's own queue, one table at a time, each in a transaction of its own: a vacuum that cuts off a
table's end, and autovacuum, give way to whom they see waiting; and who holds no other lock can be in no deadlock.
"""

from __future__ import annotations

import time

from psycopg.rows import DictRow

from trimtab.db.connection import Connection, ServerError
from trimtab.errors import SourceError
from trimtab.model.change import qualified
from trimtab.observe.reading import Rows, read

PATIENCE_SECONDS = 10.0
_LOCK_NOT_AVAILABLE = "55P03"


def require_unlocked(conn: Connection, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Return when each table that is locked exclusively has come free or is gone; `conn` is in no transaction.

    Raises SourceError `source.locked` when one stays locked for so long.
    """
    deadline = time.monotonic() + seconds
    for oid in dict.fromkeys(row["oid"] for row in read(conn, "locked_tables")):
        if _comes_free(conn, oid, deadline - time.monotonic()):
            continue
        rows = read(conn, "locked_tables")
        if first := next((row for row in rows if row["oid"] == oid), None):
            raise _locked(first, rows)


def _comes_free(conn: Connection, oid: int, seconds: float) -> bool:
    """Wait for the table by the lock that its size is read with: for it, unlike LOCK TABLE, no right is needed."""
    limit_ms = max(1, round(seconds * 1000))  # 0 would be without end.
    try:
        read(conn, "wait_for_table", (oid, str(limit_ms)))
    except ServerError as error:
        if error.sqlstate != _LOCK_NOT_AVAILABLE:
            raise
        return False
    return True


def _locked(first: DictRow, rows: Rows) -> SourceError:
    who = "another session" if first["pid"] is None else f"server process {first['pid']}"
    how = "holds it exclusively" if first["is_held"] else "waits to hold it exclusively"
    others = len({row["oid"] for row in rows}) - 1
    more = f"; so are {others} more tables" if others else ""
    return SourceError(
        f"table {qualified(first['schema'], first['name'])} is locked: {who} {how}{more}",
        code="source.locked",
        next_step="Wait until that session's transaction has ended, or end it, then run again.",
    )
