"""Reads what partitions, children and their indexes belong to: plans of any of them are then of one shape."""

from __future__ import annotations

from trimtab.db.connection import Connection
from trimtab.model.plan_shape import topmost
from trimtab.observe.reading import read


def read_parents(conn: Connection) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the topmost parent of each, by (schema, name), as `plan_shape` takes it. Raises SourceError."""
    rows = read(conn, "twin_parents")
    return topmost([((row["schema"], row["name"]), (row["parent_schema"], row["parent"])) for row in rows])
