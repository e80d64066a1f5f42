"""Looks up what names of relations mean to a session. It asks by name here alone; the other queries take oids."""

from __future__ import annotations

from collections.abc import Collection

from trimtab.db.connection import Connection
from trimtab.observe.names import TableName
from trimtab.observe.reading import read


def relation_oids(conn: Connection, tables: Collection[TableName]) -> dict[TableName, int]:
    """Return the oids of the relations that exist and whose schema the role may use, by names as written.

    Raises SourceError.
    """
    wanted = sorted(tables)
    rows = read(conn, "relation_oids", ([schema for schema, _ in wanted], [name for _, name in wanted]))
    return {(row["schema"], row["name"]): row["oid"] for row in rows}
