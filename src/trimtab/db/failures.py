"""What an error of PostgreSQL means for the user: its SQLSTATE becomes a code, a message and a next step.

The server's own words are kept only where they can hold nothing but names; values and fragments of a query are left
out. Never decides what to do about an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trimtab.errors import SourceError

if TYPE_CHECKING:
    import psycopg


class ServerError(SourceError):
    """The server refused or broke off a statement. `sqlstate` is its five characters, "" when the link was lost."""

    def __init__(self, message: str, *, code: str, next_step: str = "", sqlstate: str = "") -> None:
        super().__init__(message, code=code, next_step=next_step)
        self.sqlstate = sqlstate


class QueryTimeout(ServerError):  # noqa: N818 - what happened, not a fault of the server
    """A statement reached statement_timeout or was cancelled; the code is `query.timeout`."""


_LOST = ("source.unreachable", "Check that the server is up and try again; what was in progress is rolled back.")
_RIGHTS = ("source.permission", "Grant the missing right; `trimtab init` prints the SQL for least-privilege roles.")
_LOCKED = ("source.locked", "Another session holds a lock; try again in a quieter moment.")
_UNSUITABLE = ("query.failed", "Check the statement on its own with EXPLAIN, on this database and search_path.")
_NOT_UTF8 = (
    "source.encoding",
    "Some text of this database is not what its encoding says (SQL_ASCII checks nothing), or has no form in UTF-8: "
    "dump it, and restore it into a database with the true encoding of its text.",
)

# Looked up by the whole SQLSTATE, then by its class (the first two characters).
_MEANING: dict[str, tuple[str, str]] = {
    "08": _LOST,
    "57P01": _LOST,
    "57P02": _LOST,
    "57P03": ("source.unreachable", "The server is starting up or shutting down; try again in a moment."),
    "57P05": _LOST,
    "25P03": _LOST,
    "28": ("source.authentication", "Check user, password and pg_hba.conf; a passfile or PGPASSWORD gives a password."),
    "3D": ("source.no_database", "Check the database's name; `psql -l` lists what is there."),
    "42501": _RIGHTS,
    "25006": ("source.read_only", "The session or the server is read-only: connect to the primary to change things."),
    "53300": ("source.busy", "All connections are taken; free one or try again later."),
    "53100": ("source.disk_full", "Free disk space on the server, then run again."),
    "53200": ("source.out_of_memory", "The server ran out of memory; lower work_mem or run in a quieter moment."),
    "53": ("source.exhausted", "The server ran out of a resource; its log says which."),
    "55P03": _LOCKED,
    "40P01": _LOCKED,
    "40": ("source.conflict", "The transaction met another one; run again."),
    "57014": ("query.timeout", "Raise the statement timeout or leave the statement out."),
    "0A": ("query.unsupported", "This server cannot do it; a newer version or another statement form may."),
    "42": _UNSUITABLE,
    "22": _UNSUITABLE,
    "22021": _NOT_UTF8,
    "22P05": _NOT_UTF8,
    "23": _UNSUITABLE,
    "XX": ("source.internal", "The server met an internal fault; its log has the details."),
}
_UNKNOWN = ("source.error", "The server's log has the details.")

# The quoted parts of these messages are names of objects, roles, types or settings, never values.
_NAMES_ONLY = re.compile(
    r"0A000|2BP01|23502|23503|23505|23514|23P01|25006|25P02|25P03|26000|28000|28P01|3D000|3F000|40P01|42501|42602|42622"
    r"|4270[234]|42710|4272[35]|42803|42804|42809|42846|42883|42939|42P01|42P02|42P0[4-7]|42P09|42P1[078]|42P20"
    r"|53[1-4]00|55000|55006|55P03|57014|57P0[1-5]"
)
# Classes of the server itself; their other messages are kept without what is quoted or follows a colon.
_SERVER_CLASSES = frozenset({"08", "0A", "21", "22", "23", "25", "40", "42", "53", "54", "55", "57", "58", "XX"})
_QUOTED = re.compile(r"\"[^\"]*\"|'(?:[^']|'')*'|\d{3,}")


def source_error(exc: psycopg.Error) -> ServerError:
    """Return the error of ours for one of psycopg's, with its `sqlstate`; QueryTimeout for a cancelled statement."""
    sqlstate = exc.sqlstate or ""
    is_lost = not sqlstate and _is_connection_loss(exc)
    code, next_step = _LOST if is_lost else _MEANING.get(sqlstate) or _MEANING.get(sqlstate[:2]) or _UNKNOWN
    kind = QueryTimeout if sqlstate == "57014" else ServerError
    said = "the connection was lost" if is_lost else server_words(exc)
    where = f" (SQLSTATE {sqlstate})" if sqlstate else ""
    return kind(
        f"the server refused or broke off a statement: {said}{where}", code=code, next_step=next_step, sqlstate=sqlstate
    )


def server_words(exc: psycopg.Error) -> str:
    """Return the server's primary message, without anything that could be a value or a piece of a query."""
    sqlstate = exc.sqlstate or ""
    primary = exc.diag.message_primary
    # RAISE in a function of the user's may put any text under any SQLSTATE.
    if not primary or exc.diag.source_function == "exec_stmt_raise":
        return type(exc).__name__
    if _NAMES_ONLY.fullmatch(sqlstate):
        return primary
    if sqlstate[:2] not in _SERVER_CLASSES:
        return type(exc).__name__
    return _QUOTED.sub("…", primary.partition(": ")[0])


def _is_connection_loss(exc: psycopg.Error) -> bool:
    import psycopg

    return isinstance(exc, psycopg.OperationalError | psycopg.InterfaceError)
