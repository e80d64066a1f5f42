"""Opens connections to PostgreSQL: the only place that does. Decides how a session of ours is set up and named.

Says in our own words why a server could not be used; libpq's words are not repeated, since they can hold pieces of a
misread connection string. Never retries, never changes anything on the server.
"""

from __future__ import annotations

import logging
import os
import re
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import psycopg
from psycopg import generators, waiting
from psycopg._queries import PostgresQuery
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import Diagnostic
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.rows import TupleRow

from trimtab.db.dsn import conninfo_for, describe, invalid
from trimtab.db.failures import QueryTimeout, ServerError, source_error
from trimtab.errors import SourceError, UsageError

__all__ = ["Connection", "Notice", "QueryTimeout", "ServerError", "connect", "notices", "source_error"]

Connection: TypeAlias = psycopg.Connection[TupleRow]

APPLICATION_NAME = "trimtab"
OLDEST_VERSION = 130000
_CONNECT_TIMEOUT_SECONDS = 10
_IDLE_IN_TRANSACTION_MS = 15 * 60 * 1000
_KEPT_NOTICES = 100
_SETTLE_SECONDS = 5.0
_CANCELS = 10

# What psycopg ignores while a transaction is rolled back it would print, with the server's words, when nobody logs.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice or warning of the server: severity as the server writes it, SQLSTATE. Its text may hold values."""

    severity: str
    sqlstate: str
    text: str


_NOTICES: weakref.WeakKeyDictionary[Connection, deque[Notice]] = weakref.WeakKeyDictionary()


class _Session(psycopg.Connection[TupleRow]):
    """After an interrupt it is idle or closed.

    psycopg cancels what runs, and reads its end by the generator that was interrupted. Where the signal came while that
    ran, there is nothing left of it, and the session would stay busy: no rollback and no cleaning up would be possible.
    """

    def wait(self, gen: PQGen[_Value], interval: float = 0.1, timeout: float | None = None) -> _Value:
        try:
            return super().wait(gen, interval, timeout)
        except KeyboardInterrupt:
            self._settle()
            raise

    def _settle(self) -> None:
        link = self.pgconn
        if link.pipeline_status != PipelineStatus.OFF:
            link.finish()
        elif link.transaction_status == TransactionStatus.ACTIVE:
            try:
                self._read_to_the_end()
            except psycopg.Error:
                link.finish()
            if link.transaction_status == TransactionStatus.ACTIVE:  # it copies, or only a part was sent
                link.finish()

    def _read_to_the_end(self) -> None:
        """Cancel again and again: a server forgets a request that reaches it before the statement does."""
        link = self.pgconn
        for _ in range(_CANCELS):
            try:
                waiting.wait(generators.fetch_many(link), link.socket, timeout=_SETTLE_SECONDS / _CANCELS)
            except psycopg.OperationalError:
                self.cancel_safe(timeout=_SETTLE_SECONDS)
            else:
                return


class _OneStatement(psycopg.RawCursor[TupleRow]):
    """Sends each text by the extended protocol, in which the server refuses more than one statement."""

    def _execute_send(self, query: PostgresQuery, *, force_extended: bool = False, binary: bool | None = None) -> None:
        super()._execute_send(query, force_extended=True, binary=binary)


def connect(conninfo: str, *, read_only: bool, statement_timeout_ms: int = 0, lock_timeout_ms: int = 0) -> Connection:
    """Return an open connection in autocommit mode, application_name "trimtab", texts with `$n` placeholders.

    Timeouts are milliseconds, 0 is none, and replace what the role or the database has set. `read_only` makes every
    transaction read-only, and a text of several statements is refused by the server. Raises SourceError:
    source.unreachable, source.authentication, source.no_database,
    source.permission, source.too_old (before 13), source.busy; UsageError `dsn.invalid` for what is no conninfo, for
    a service that is not defined, and for a value that libpq refuses, wherever it comes from.
    """
    conninfo = conninfo_for(conninfo, None)
    where = describe(conninfo)
    try:
        connection = _Session.connect(
            _session_conninfo(conninfo),
            autocommit=True,
            cursor_factory=_OneStatement if read_only else psycopg.RawCursor,
            prepare_threshold=None,
        )
    except psycopg.Error as exc:
        raise _untried(exc, conninfo) or _connect_error(exc, where) from None
    try:
        _require_version(connection, where)
        _NOTICES[connection] = deque(maxlen=_KEPT_NOTICES)
        connection.add_notice_handler(_keeper(_NOTICES[connection]))
        _set_up(connection, read_only, statement_timeout_ms, lock_timeout_ms)
    except psycopg.Error as exc:
        connection.close()
        raise source_error(exc) from None
    except BaseException:
        connection.close()
        raise
    return connection


def notices(connection: Connection) -> tuple[Notice, ...]:
    """Return the last notices that the server sent on this connection, oldest first; at most 100 are kept."""
    return tuple(_NOTICES.get(connection, ()))


def _session_conninfo(conninfo: str) -> str:
    given = conninfo_to_dict(conninfo)
    is_timed = given.get("connect_timeout") or os.environ.get("PGCONNECT_TIMEOUT")
    return make_conninfo(
        conninfo,
        application_name=APPLICATION_NAME,
        client_encoding="UTF8",
        connect_timeout=given.get("connect_timeout") if is_timed else _CONNECT_TIMEOUT_SECONDS,
    )


def _require_version(connection: Connection, where: str) -> None:
    version = connection.info.server_version
    if version < OLDEST_VERSION:
        found = connection.info.parameter_status("server_version") or str(version)
        raise SourceError(
            f"{where} is refused: it runs version {found}, and 13 is the oldest that can be used",
            code="source.too_old",
            next_step="Upgrade the server to PostgreSQL 13 or newer.",
        )


def _set_up(connection: Connection, read_only: bool, statement_timeout_ms: int, lock_timeout_ms: int) -> None:
    """By SET, not by startup options: poolers refuse those. Only names that this server knows are set."""
    wanted = {
        "default_transaction_read_only": "on" if read_only else "off",
        "statement_timeout": str(statement_timeout_ms),
        "lock_timeout": str(lock_timeout_ms),
        "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_MS),
        "idle_session_timeout": "0",
        "standard_conforming_strings": "on",  # so that texts mean to the server what they mean to our parser
        "transaction_timeout": "0",
    }
    connection.execute(
        "select pg_catalog.set_config(w.name, w.value, false)"
        " from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as w(name, value)"
        # Not by pg_settings: the server would make a row of each setting that it has, at every start of a session.
        " where pg_catalog.current_setting(w.name, true) is not null",
        (list(wanted), list(wanted.values())),
    )


def _keeper(kept: deque[Notice]) -> Callable[[Diagnostic], None]:
    """Return a handler that holds the deque, not the connection: a cycle would keep the connection alive."""

    def keep(diagnostic: Diagnostic) -> None:
        kept.append(
            Notice(diagnostic.severity or "", diagnostic.sqlstate or "", diagnostic.message_primary or ""),
        )

    return keep


# What libpq says before it tries to connect.
_UNTRIED = r"^connection is bad: "
_NO_SERVICE = re.compile(_UNTRIED + 'definition of service ".*" not found')
_NO_SERVICE_FILE = re.compile(_UNTRIED + 'service file ".*" not found')
_BAD_SERVICE_FILE = re.compile(_UNTRIED + r".* (?:not supported |too long )?in service file \"")
_BAD_VALUE = re.compile(
    _UNTRIED + r'invalid (?:integer value ".*" for connection option "(?P<option>\w+)"|(?P<name>\w+) (?:value|number):)'
)


def _untried(exc: psycopg.Error, conninfo: str) -> UsageError | None:
    """Return the refusal of what no connection was tried with, by libpq's words; None when it has tried."""
    words = str(exc)
    service = conninfo_to_dict(conninfo).get("service") or os.environ.get("PGSERVICE")
    if _NO_SERVICE.search(words) or _NO_SERVICE_FILE.search(words):
        found = (
            "there is no such file as PGSERVICEFILE names" if _NO_SERVICE_FILE.search(words) else "it is not defined"
        )
        return invalid(
            f"service {service} was not found: {found}",
            next_step=f"Define [{service}] in ~/.pg_service.conf (PGSERVICEFILE names another file), "
            "or in pg_service.conf of libpq's system directory (PGSYSCONFDIR names another).",
        )
    if _BAD_SERVICE_FILE.search(words):
        return invalid(
            f"service {service} cannot be read: its file holds a line that libpq does not take",
            next_step="Write one libpq parameter a line there, as in host=db.example; a service names no other one.",
        )
    if refused := _BAD_VALUE.search(words):
        found = f"libpq does not take its {refused['option'] or refused['name']}"
    elif isinstance(exc, psycopg.ProgrammingError):
        found = "a value in it is not of its kind"
    else:
        return None
    return invalid(found, next_step="Correct it where it is set: in the DSN, in its service or in a PG* variable.")


# The server's message is in its own language (lc_messages); what libpq itself knows is asked first.
_NO_DATABASE = re.compile(r'database ".*" (?:does not exist|is not currently accepting connections)')
_TOO_MANY = re.compile(r"too many (?:clients|connections)|remaining connection slots")
_RIGHTS = re.compile(r"permission denied|must be superuser|is not permitted to log in")
_AUTHENTICATION = re.compile(
    r"authentication failed|no pg_hba.conf entry|pg_hba.conf rejects|no password supplied|"
    r'role ".*" does not exist|password|certificate|SCRAM|GSSAPI',
    re.IGNORECASE,
)
_STARTING = re.compile(r"the database system is (?:starting up|shutting down|in recovery mode)|not yet accepting")


def _connect_error(exc: psycopg.Error, where: str) -> SourceError:
    """Sort a failed connection by libpq's words, which are not repeated."""
    words = str(exc)
    if _TOO_MANY.search(words):
        code, found, next_step = "source.busy", "it has no free connection", "Free a connection or try again later."
    elif _NO_DATABASE.search(words):
        code, found = "source.no_database", "there is no such database, or it accepts no connections"
        next_step = "Check the database's name; `psql -l` lists what is there."
    elif _RIGHTS.search(words):
        code, found = "source.permission", "the role may not connect"
        next_step = "Grant CONNECT on the database to the role, or use a role with LOGIN."
    elif _is_authentication(exc) or _AUTHENTICATION.search(words):
        code, found = "source.authentication", "it does not accept this user with these credentials"
        next_step = "Check user, password and pg_hba.conf; a passfile or PGPASSWORD gives a password."
    else:
        code, found, next_step = "source.unreachable", _unreachable(exc, words), "Check host, port and that it is up."
    return SourceError(f"cannot use {where}: {found}", code=code, next_step=next_step)


def _is_authentication(exc: psycopg.Error) -> bool:
    """True when the server asked for a password that was missing or wrong."""
    link = exc.pgconn
    return link is not None and bool(link.needs_password)


def _unreachable(exc: psycopg.Error, words: str) -> str:
    if isinstance(exc, psycopg.errors.ConnectionTimeout) or "timeout" in words:
        return "no answer in time"
    if _STARTING.search(words):
        return "it is starting up or shutting down"
    if "Connection refused" in words:
        return "the connection was refused"
    if "could not translate host name" in words or "failed to resolve" in words:
        return "the host name is not known"
    if "No such file" in words:
        return "there is no server at this socket"
    return "no server answered"
