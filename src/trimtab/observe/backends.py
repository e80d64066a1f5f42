"""Reads backends as they are at this moment, with what an act on one of them is judged by. It acts on none.

Texts leave this file without their literals.
"""

from __future__ import annotations

from trimtab.db.connection import Connection
from trimtab.model.backend import Backend
from trimtab.observe.logs.text_ids import masked_for_sight
from trimtab.observe.reading import read

MOST_BACKENDS = 200


def read_backends(conn: Connection, *, every: bool = False, limit: int = MOST_BACKENDS) -> tuple[Backend, ...]:
    """Return the backends of clients that are not idle, or with `every` all processes but this session's.

    Those that have been at it for longest come first. Raises SourceError.
    """
    return _read(conn, None, every=every, limit=limit)


def read_backend(conn: Connection, pid: int) -> Backend | None:
    """Return the backend of that number, None where there is none. Raises SourceError."""
    found = _read(conn, pid, every=True, limit=1)
    return found[0] if found else None


def _read(conn: Connection, pid: int | None, *, every: bool, limit: int) -> tuple[Backend, ...]:
    return tuple(
        Backend(
            row["pid"], row["started_at"], row["since"], row["kind"], row["role"], row["database"], row["application"],
            row["state"], row["wait"], row["seconds"], tuple(row["blocked_by"]), row["is_superuser"], row["is_own"],
            row["may_signal"], " ".join(masked_for_sight(row["text"] or "").split()),
        )
        for row in read(conn, "backends", (pid, every, limit))
    )  # fmt: skip
