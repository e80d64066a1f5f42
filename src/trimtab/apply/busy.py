"""Says when a server has other worries than more work: replicas that are behind, sessions that wait. It only looks."""

from __future__ import annotations

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection, source_error
from trimtab.model.change import Change, CreateIndex, RebuildIndex, fill
from trimtab.spec.limits import Servers


def busy(connection: Connection, change: Change, limits: Servers) -> str | None:
    """Return why the server should not be given this work now, or None. Raises SourceError when it cannot be asked.

    Only what reads a table counts as work; what writes the catalog alone does not.
    """
    if not isinstance(change, CreateIndex | RebuildIndex) and fill(change) is None:
        return None
    try:
        row = connection.execute(queries.load("server_load", connection.info.server_version)).fetchone()
    except psycopg.Error as error:
        raise source_error(error) from None
    assert row is not None, "the query returns one row"
    behind_bytes, active_sessions = row
    most_bytes = limits.max_replica_lag_bytes
    if behind_bytes > most_bytes:
        return f"a replica has {behind_bytes:,} bytes of the log to replay, the limit is {most_bytes:,}"
    if active_sessions > limits.max_active_sessions:
        return f"{active_sessions} sessions are at work, the limit is {limits.max_active_sessions}"
    return None
