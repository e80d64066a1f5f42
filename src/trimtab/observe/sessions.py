"""Reads who is at work on a server at this moment. Texts leave this file without their literals.

It stops nobody: cancelling is for the enforcement point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.db.connection import Connection
from trimtab.observe.logs.text_ids import masked_for_sight
from trimtab.observe.reading import read

MOST_SESSIONS = 200


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is not idle. `seconds` is how long its statement runs, or its transaction is open; None: not told.

    `blocked_by` are the processes that hold what it waits for. `text` has no literals, "" where it is hidden. All
    texts are the server's, and not to be trusted.
    """

    pid: int
    role: str
    database: str
    application: str
    state: str
    wait: str
    seconds: float | None
    blocked_by: Sequence[int]
    text: str


def read_sessions(conn: Connection, limit: int = MOST_SESSIONS) -> Sequence[Session]:
    """Return the sessions at work, those first that have been for longest. Raises SourceError."""
    return [
        Session(
            row["pid"], row["role"], row["database"], row["application"], row["state"], row["wait"], row["seconds"],
            tuple(row["blocked_by"]), " ".join(masked_for_sight(row["text"] or "").split()),
        )
        for row in read(conn, "monitor_sessions", (limit,))
    ]  # fmt: skip
