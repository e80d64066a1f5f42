"""The lab: a database in which a strategy may be tried, and the one session that tries it.

It is a clone of the source in an embedded server, or a database that its owner names. All work happens in one open
transaction that is rolled back at the end, so a lab that is closed, or whose owner is killed, has changed nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress
from types import TracebackType
from typing import TYPE_CHECKING

from trimtab.errors import LabError, SourceError
from trimtab.model.catalog import Snapshot
from trimtab.trial import clone
from trimtab.trial.clone import Progress
from trimtab.trial.lab_settings import memory_bytes, server_settings, session_settings
from trimtab.trial.suitability import require_suitable

if TYPE_CHECKING:
    from trimtab.db.connection import Connection
    from trimtab.embedded.binaries import Binaries
    from trimtab.embedded.server import Server

__all__ = ["Lab", "Progress", "open_clone_lab", "open_dsn_lab"]

_LOCK_TIMEOUT_MS = 10_000
_SESSION = """/* trimtab: plan and sort as the source does; only what this server knows and lets a session set */
select pg_catalog.set_config(s.name, w.value, false)
  from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as w(name, value)
  join pg_catalog.pg_settings s on pg_catalog.lower(s.name) = pg_catalog.lower(w.name)
 where s.context in ('user', 'superuser')"""


class Lab:
    """A place for trials. Use it as a context manager; closing it rolls everything back.

    `size_bytes` is the database's size; `notes` say where the lab differs from the source.
    """

    def __init__(
        self,
        connection: Connection,
        description: str,
        *,
        size_bytes: int,
        notes: tuple[str, ...] = (),
        server: Server | None = None,
    ) -> None:
        self.connection = connection
        self.size_bytes = size_bytes
        self.notes = notes
        self._description = description
        self._server = server

    @property
    def clone_dsn(self) -> str | None:
        """The DSN of the clone, None where the lab is a database of its owner's."""
        return None if self._server is None else clone.confined_dsn(self._server)

    def describe(self) -> str:
        """Return what the lab is, without secrets."""
        return self._description

    def begin(self) -> None:
        """Open the one transaction, if it is not open. Raises LabError `lab.connection_lost`."""
        import psycopg
        from psycopg.pq import TransactionStatus

        if self.connection.info.transaction_status == TransactionStatus.INTRANS:
            return
        try:
            self.connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        except psycopg.Error:
            raise LabError(
                "the lab's transaction could not be opened",
                code="lab.connection_lost",
                next_step="Check the lab's server and its log, then run again.",
            ) from None

    def close(self) -> None:
        """Roll everything back, close the session, and throw a clone away. Doing so again does nothing."""
        import psycopg

        with suppress(psycopg.Error):
            if not self.connection.closed:
                self.connection.execute("ROLLBACK")
        self.connection.close()
        if self._server is not None:
            self._server.destroy()
            self._server = None

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_clone_lab(
    conninfo: str,
    snapshot: Snapshot,
    binaries: Binaries,
    *,
    max_size_bytes: int,
    progress: Progress = lambda _done, _total, _what: None,
) -> Lab:
    """Return a clone of the source in an embedded server of its own: rows, indexes, fresh statistics.

    Its settings for planning and memory are the source's, `shared_buffers` at most a quarter of this machine's memory.
    Raises LabError `lab.too_large`, `lab.disk_full`, `lab.dump_failed`, `lab.restore_failed`, `lab.binaries_too_old`,
    and SourceError; then nothing is left.
    """
    from trimtab.db.connection import connect
    from trimtab.db.role import reading
    from trimtab.embedded.server import Server

    progress(0, clone.LAB_STEPS, "lab: starting")
    with closing(reading(conninfo)) as source:
        facts = clone.read_facts(source)
    clone.require_room(facts.size_bytes, max_size_bytes=max_size_bytes)
    server = Server.create(binaries, purpose="lab", settings=server_settings(snapshot.settings, memory_bytes()))
    try:
        with closing(connect(server.dsn(), read_only=False)) as admin:
            note = clone.create_database(admin, facts.database)
        notes = ((note,) if note else ()) + clone.left_out(snapshot, facts)
        notes += clone.copy_rows(server, binaries, conninfo, snapshot, facts, progress)
        clone.refresh_statistics(server, facts.analyzed_parents, progress)
        connection = _session(clone.confined_dsn(server), snapshot)
    except BaseException:
        server.destroy()
        raise
    notes += _other_version(connection, snapshot)
    version = ".".join(map(str, binaries.version))
    description = f"clone in an embedded PostgreSQL {version}"
    return Lab(connection, description, size_bytes=facts.size_bytes, notes=notes, server=server)


def open_dsn_lab(conninfo: str, snapshot: Snapshot) -> Lab:
    """Return the named database as a lab: a DSN, or a plain name on libpq's default server.

    It stays as it is: every change in it is rolled back. Raises LabError when it is the source itself
    (`lab.is_source`), a standby (`lab.standby`), read-only (`lab.read_only`), lacks what the workload needs
    (`lab.schema_differs`), is not the role's to change (`lab.permission`), or cannot be reached (`lab.unreachable` and
    the like).
    """
    from trimtab.db.dsn import describe

    try:
        connection = _session(conninfo, snapshot)
    except SourceError as error:
        raise LabError(
            f"the lab cannot be used: {error}",
            code=error.code.replace("source.", "lab.", 1),
            next_step=error.next_step,
        ) from None
    try:
        size_bytes = require_suitable(connection, snapshot)
    except BaseException:
        connection.close()
        raise
    notes = _other_version(connection, snapshot)
    return Lab(connection, f"database {describe(conninfo)}", size_bytes=size_bytes, notes=notes)


def _other_version(lab: Connection, snapshot: Snapshot) -> tuple[str, ...]:
    major, of_source = lab.info.server_version // 10000, snapshot.server.major
    if major == of_source:
        return ()
    return (f"the lab is PostgreSQL {major}, the source {of_source}: plans and times may differ",)


def _session(conninfo: str, snapshot: Snapshot) -> Connection:
    from trimtab.db.connection import connect

    connection = connect(conninfo, read_only=False, lock_timeout_ms=_LOCK_TIMEOUT_MS)
    try:
        # Between two trials the transaction stays open for as long as the other stages need.
        _set(connection, {**session_settings(snapshot.settings), "idle_in_transaction_session_timeout": "0"})
    except BaseException:
        connection.close()
        raise
    return connection


def _set(connection: Connection, wanted: Mapping[str, str]) -> None:
    """Set all at once; one by one when the lab's version does not take a value that the source's does."""
    import psycopg

    try:
        connection.execute(_SESSION, (list(wanted), list(wanted.values())))
    except psycopg.Error:
        for name, value in wanted.items():
            with suppress(psycopg.errors.InvalidParameterValue, psycopg.errors.InsufficientPrivilege):
                connection.execute(_SESSION, ([name], [value]))
