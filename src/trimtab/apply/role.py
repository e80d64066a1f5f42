"""Refuses to work with a role that may do more than the work needs, unless the user has said that it may.

Whoever takes over a session of a superuser has the server, and the machine. What may be done with it is looked at once,
before anything is read or changed; it takes no right away.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection, source_error
from trimtab.errors import RefusedError

ALLOWED = "TRIMTAB_ALLOW_OVERPRIVILEGED"
SIGNAL = "pg_signal_backend"


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


def refuse_overprivileged(
    connection: Connection, environ: Mapping[str, str] = os.environ, *, signals: bool = False
) -> None:
    """Refuse a role that could do more than change indexes, statistics and settings: `apply.overprivileged`.

    With `signals` the work is to signal backends, for which PostgreSQL has a right of its own.
    """
    if environ.get(ALLOWED) == "1":
        return
    found = [what for what in excess_rights(connection) if not (signals and what == SIGNAL)]
    if found:
        work, role = ("signalling backends", "trimtab_signal") if signals else ("applying", "trimtab_apply")
        raise RefusedError(
            f"role {connection.info.user} was refused: {work} does not need {', '.join(found)}, which it has",
            code="apply.overprivileged",
            next_step=f"Connect as {role}, which `trimtab init` prints; or give --allow-overprivileged "
            f"(or {ALLOWED}=1) to go on with it this time.",
        )


def overprivileged_told(connection: Connection, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the warning for a role that only reads and could do more, or nothing."""
    found = () if environ.get(ALLOWED) == "1" else excess_rights(connection)
    if not found:
        return ()
    return (
        f"role {connection.info.user} has {', '.join(found)}, which reading does not need: connect as trimtab_explain, "
        "which `trimtab init` prints",
    )


def overprivileged_events(
    connection: Connection, environ: Mapping[str, str] = os.environ
) -> list[tuple[str, Mapping[str, object]]]:
    """Return that warning as the event that who reads unattended tells, or none."""
    return [("overprivileged", {"found": found}) for found in overprivileged_told(connection, environ)]
