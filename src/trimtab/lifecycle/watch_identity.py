"""Which database a watcher watches, and where it keeps what it has seen. Reads nothing but the session it is given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from trimtab.db.connection import Connection
from trimtab.model.catalog import ServerIdentity

DIRECTORY = "watch"


def store_path(ledger_path: Path, identity: Mapping[str, object]) -> Path:
    """Return the file of a database's watcher: it is beside the ledger."""
    name = f"{identity['system_identifier']} {identity['database']} {identity['database_oid']}"
    return ledger_path.parent / DIRECTORY / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.db"


def identity_of(server: ServerIdentity, conn: Connection) -> dict[str, object]:
    """Return it. Where the server does not tell its identifier, its address has to do."""
    known = server.system_identifier or f"{conn.info.host}:{conn.info.port}"
    return {"system_identifier": known, "database": server.database, "database_oid": server.database_oid}
