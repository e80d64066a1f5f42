"""Waits a little for tables that another session locks exclusively; of those that stay so it says which, and who.

A run reads the definition of every table that its role may read, and any of them that is locked would keep it waiting.
"""

from __future__ import annotations

import time

from trimtab.db.connection import Connection
from trimtab.errors import SourceError
from trimtab.model.change import qualified
from trimtab.observe.reading import read

PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.1


def require_unlocked(conn: Connection, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Return when no table is locked exclusively. Raises SourceError `source.locked` when one stays so for so long."""
    deadline = time.monotonic() + seconds
    while found := read(conn, "locked_tables"):
        if time.monotonic() >= deadline:
            first = found[0]
            who = "another session" if first["pid"] is None else f"server process {first['pid']}"
            how = "holds it exclusively" if first["is_held"] else "waits to hold it exclusively"
            tables = {(row["schema"], row["name"]) for row in found}
            more = f"; so are {len(tables) - 1} more tables" if len(tables) > 1 else ""
            raise SourceError(
                f"table {qualified(first['schema'], first['name'])} is locked: {who} {how}{more}",
                code="source.locked",
                next_step="Wait until that session's transaction has ended, or end it, then run again.",
            )
        time.sleep(_PAUSE_SECONDS)
