"""Decides whether a further session is on the server whose facts were read. Never opens one, and changes nothing.

A connection string can name several hosts, and a name can move to another server between two connects: then what was
read on one would be changed, or measured, on another.
"""

from __future__ import annotations

from trimtab.db.connection import Connection
from trimtab.errors import SourceError
from trimtab.model.catalog import ServerIdentity


def require_same_server(connection: Connection, server: ServerIdentity) -> Connection:
    """Return the session. Raises SourceError `source.another_server` when it is on another server or database."""
    from trimtab.observe.server import read_server

    if not read_server(connection).is_same_as(server):
        raise SourceError(
            f"a further session on {server.database} was refused: it reached another server, or another database, than "
            "the one whose facts were read",
            code="source.another_server",
            next_step="Name one host, or add target_session_attrs=read-write, and run again; after a failover just run "
            "again.",
        )
    return connection
