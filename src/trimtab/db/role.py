"""Refuses to work with a role that may do more than the work needs, unless the user has said that it may.

Whoever takes over a session of a superuser has the server, and the machine. What may be done with it is looked at in
each session of a source, before anything is read or changed; it takes no right away. Sessions that only read a source
are opened here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection, connect, source_error
from trimtab.errors import RefusedError

ALLOWED = "TRIMTAB_ALLOW_OVERPRIVILEGED"


@dataclass(frozen=True, slots=True)
class Work:
    """What a session of a source is for: in words, the role for it, the code of a refusal, and the rights it needs.

    No work needs what `excess_rights` finds, but for `needs`.
    """

    name: str
    role: str
    code: str
    needs: frozenset[str] = frozenset()


READING = Work("reading", "trimtab_explain", "read.overprivileged")
MONITORING = Work("monitoring", "trimtab_monitor", "read.overprivileged")
APPLYING = Work("applying", "trimtab_apply", "apply.overprivileged")
SIGNALLING = Work("signalling backends", "trimtab_signal", "apply.overprivileged", frozenset({"pg_signal_backend"}))


def reading(
    conninfo: str, *, work: Work = READING, statement_timeout_ms: int = 0, lock_timeout_ms: int = 0
) -> Connection:
    """Return a session that the server keeps reading, as `connect` opens it, of a role that may not do too much.

    Raises RefusedError of the work's code, and what `connect` raises.
    """
    connection = connect(
        conninfo, read_only=True, statement_timeout_ms=statement_timeout_ms, lock_timeout_ms=lock_timeout_ms
    )
    try:
        refuse_overprivileged(connection, work)
    except BaseException:
        connection.close()
        raise
    return connection


def excess_rights(connection: Connection) -> tuple[str, ...]:
    """Return what the session's role may do beyond its work: "superuser", "createrole", "EXECUTE on lo_export"...

    So may who connected and the session's user: a role that a setting put in their place is no more than a disguise.
    BYPASSRLS is not among them: a clone of tables with row-level security needs it. Raises SourceError.
    """
    try:
        query = queries.load("role_rights", connection.info.server_version)
        rows = connection.execute(query, (connection.info.user,)).fetchall()
    except psycopg.Error as error:
        raise source_error(error) from None
    return tuple(str(what) for (what,) in rows)


def refuse_overprivileged(connection: Connection, work: Work, environ: Mapping[str, str] = os.environ) -> None:
    """Refuse a role that could do more than the work needs: RefusedError of the work's code. Raises SourceError."""
    if environ.get(ALLOWED) == "1":
        return
    found = [what for what in excess_rights(connection) if what not in work.needs]
    if found:
        raise RefusedError(
            f"role {connection.info.user} was refused: {work.name} does not need {', '.join(found)}, which it has",
            code=work.code,
            next_step=f"Connect as {work.role}, which `trimtab init` prints; or give --allow-overprivileged "
            f"(or {ALLOWED}=1) to go on with it this time.",
        )
