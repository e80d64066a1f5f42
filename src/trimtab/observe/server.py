"""Which server this is, its settings, and what ALTER DATABASE/ROLE SET holds on it.

Reads only what every role may read; what an ordinary role may not see is None, not an error.
"""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.db.connection import Connection
from trimtab.errors import SourceError
from trimtab.model.catalog import ServerIdentity, Setting
from trimtab.observe.reading import read


def read_server(conn: Connection) -> ServerIdentity:
    """Return which server and database `conn` is on, and as whom. Raises SourceError."""
    row = read(conn, "server")[0]
    return ServerIdentity(
        version=row["version"],
        database=row["database"],
        database_oid=row["database_oid"],
        user=row["user"],
        system_identifier=_system_identifier(conn) if row["may_read_identifier"] else None,
        started_at=row["started_at"],
        is_standby=row["is_standby"],
        is_superuser=row["is_superuser"],
        forbidden_tablespace=row["forbidden_tablespace"],
    )


def read_clock(conn: Connection) -> str:
    """Return the server's own time, UTC, ISO 8601: snapshots of one source are ordered by its clock, not by ours."""
    return str(read(conn, "server")[0]["read_at"])


def read_settings(conn: Connection) -> Mapping[str, Setting]:
    """Return the settings that planning, memory, workers, vacuum and WAL depend on, by name. Raises SourceError."""
    return {row["name"]: Setting(**row) for row in read(conn, "settings")}


def read_scoped_settings(conn: Connection) -> Mapping[tuple[str, str], str]:
    """Return what ALTER DATABASE/ROLE SET holds, by (scope, setting name). Raises SourceError.

    A scope is "database:NAME" (this database), "role:NAME", "role:NAME@database:NAME" (a role in this database) or
    "all roles". Settings of extensions and applications are left out: they can hold secrets.
    """
    return {(row["scope"], row["name"]): row["value"] for row in read(conn, "scoped_settings")}


def read_settable_scopes(conn: Connection) -> frozenset[str]:
    """Return the scopes ("database:NAME", "role:NAME") for which the session's role may set settings.

    Raises SourceError.
    """
    return frozenset(row["scope"] for row in read(conn, "settable_scopes"))


def read_extensions(conn: Connection) -> Mapping[str, str]:
    """Return the schemas of the database's extensions, by the extensions' names. Raises SourceError."""
    return {row["name"]: row["schema"] for row in read(conn, "extensions")}


def _system_identifier(conn: Connection) -> str | None:
    """Managed services revoke the function's own rights in ways that has_function_privilege does not tell."""
    try:
        return str(read(conn, "server_identifier")[0]["system_identifier"])
    except SourceError as error:
        if error.code == "source.permission":
            return None
        raise
