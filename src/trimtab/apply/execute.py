"""Carries out one change on the source, and clears away what broke off. Decides nothing: `enforce` has decided.

Index work is CONCURRENT, waits for locks no longer than `lock_timeout` and tries again after a pause. Statistics and
settings are made in one transaction each, so they are whole or absent.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from trimtab.apply.patience import Patience
from trimtab.apply.state import ChangeState, Connection, blocker, build_in_progress, state_of
from trimtab.db.connection import source_error
from trimtab.errors import ApplyError, SourceError
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    DropStatistics,
    SetSetting,
    qualified,
)

if TYPE_CHECKING:
    import psycopg

_LOCKED = frozenset({"55P03", "40P01"})  # lock_not_available, deadlock_detected
_CANCELLED = "57014"
_CONNECTION_CHECK_MS = 1000
_CONNECTION_CHECK_SINCE = 140000


class UnfinishedError(ApplyError):
    """How the change stands is not known, or it stands half done: its intent stays open in the ledger for `resume`."""


@dataclass(frozen=True, slots=True)
class Execution:
    """How changes are carried out on one session: it must be in autocommit, and nobody else may use it.

    `sleep` is called between tries. `puts_back` says that an index is made again that was there before: it then goes
    where it was, whatever default_tablespace says now.
    """

    connection: Connection
    patience: Patience
    sleep: Callable[[float], None]
    puts_back: bool = False

    def carry_out(self, change: Change) -> None:
        """Do the change and see in the catalog that it is done.

        Raises ApplyError: `apply.lock_timeout`, `apply.timeout`, `apply.failed`, `apply.not_verified`; then nothing of
        it is left. Raises UnfinishedError `apply.unknown` or `apply.unfinished`. An interrupt cancels the server's work
        and passes; what could be cleared away then is.
        """
        for pause in self.patience.pauses():
            error = self._try(change)
            found = self._look(change)
            if found is ChangeState.DONE:
                return
            if error is None:
                raise _not_verified(change, found)
            if pause is None or error.code != "apply.lock_timeout":
                raise error if found is not ChangeState.HALF else _unfinished(change)
            self.sleep(pause)

    def clear(self, change: Change, patience: Patience) -> None:
        """Remove the invalid index that a broken-off build or drop left; for a drop this finishes it.

        Never touches what another session is building. Raises UnfinishedError when locks do not allow it in time.
        """
        import psycopg

        if not isinstance(change, CreateIndex | DropIndex):
            return
        for pause in patience.pauses():
            if self._look(change) is not ChangeState.HALF:
                return
            if build_in_progress(self.connection, change.schema, change.table) is None:
                with suppress(psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                    self._drop(change)
                    continue
            if pause is not None:
                self.sleep(pause)
        if self._look(change) is ChangeState.HALF:
            raise _unfinished(change)

    def _try(self, change: Change) -> ApplyError | None:
        """Try once; return why it failed. A build that failed has been cleared away."""
        import psycopg

        waits_for = blocker(self.connection, change, self.patience.lock_timeout_ms)
        if waits_for is not None:
            return _locked(change, f"server process {waits_for} has an old transaction open that it would wait for")
        try:
            self._act(change)
        except psycopg.Error as error:
            reason = _reason(change, error)
            # Another session made the object meanwhile; whatever it is, it is not ours to clear away.
            if isinstance(change, CreateIndex) and not isinstance(error, psycopg.errors.DuplicateTable):
                self.clear(change, self.patience)
            return reason
        except (KeyboardInterrupt, SystemExit):
            self.clear(change, self.patience.once())
            raise
        return None

    def _act(self, change: Change) -> None:
        self._limit(self.patience.build_timeout_ms)
        match change:
            case CreateIndex() | DropIndex():
                self.connection.execute(change.sql(concurrently=True).encode())
            case CreateStatistics():
                with self.connection.transaction():
                    self.connection.execute(change.sql().encode())
                    self.connection.execute(f"ANALYZE {qualified(change.schema, change.table)}".encode())
            case DropStatistics() | SetSetting():
                self.connection.execute(change.sql().encode())
            case _:
                assert_never(change)

    def _drop(self, change: CreateIndex | DropIndex) -> None:
        import psycopg

        self._limit(0)
        try:
            self.connection.execute(f"DROP INDEX CONCURRENTLY {qualified(change.schema, change.name)}".encode())
        except psycopg.errors.UndefinedObject:
            return  # gone meanwhile
        except psycopg.Error as error:
            if error.sqlstate in _LOCKED:
                raise
            raise _unfinished(change) from None

    def _limit(self, statement_timeout_ms: int) -> None:
        """Set the session's limits, and have the server notice within a second that this program is gone."""
        import psycopg

        self._set("lock_timeout", str(self.patience.lock_timeout_ms))
        self._set("statement_timeout", str(statement_timeout_ms))
        if self.puts_back:
            self._set("default_tablespace", "")
        if self.connection.info.server_version >= _CONNECTION_CHECK_SINCE:
            with suppress(psycopg.errors.InvalidParameterValue):  # some systems cannot
                self._set("client_connection_check_interval", str(_CONNECTION_CHECK_MS))

    def _set(self, name: str, value: str) -> None:
        self.connection.execute(b"select pg_catalog.set_config($1, $2, false)", (name, value))

    def _look(self, change: Change) -> ChangeState:
        """Return where the change stands; a lost connection means that this is not known."""
        try:
            return state_of(self.connection, change)
        except SourceError:
            raise UnfinishedError(
                f"{change.kind} broke off and the connection is lost, so it is not known what the server did",
                code="apply.unknown",
                next_step="Run `trimtab resume`: it looks in the catalog and finishes or undoes the change.",
            ) from None


def _reason(change: Change, error: psycopg.Error) -> ApplyError:
    known = source_error(error)
    if error.sqlstate in _LOCKED:
        return _locked(change, str(known))
    if error.sqlstate == _CANCELLED:
        return ApplyError(
            f"{change.kind} was not applied: it took longer than locks.build_timeout_ms, or somebody cancelled it",
            code="apply.timeout",
            next_step="Try again in a quieter moment, or raise locks.build_timeout_ms.",
        )
    return ApplyError(
        f"{change.kind} was not applied: {known}",
        code="apply.failed",
        next_step=known.next_step or "Nothing was left behind; mend the cause and run again.",
    )


def _locked(change: Change, found: str) -> ApplyError:
    return ApplyError(
        f"{change.kind} was not applied: {found}",
        code="apply.lock_timeout",
        next_step="Try again in a quieter moment, when no long transaction is open, or raise locks.lock_timeout_ms.",
    )


def _unfinished(change: Change) -> UnfinishedError:
    return UnfinishedError(
        f"{change.kind} broke off and left an invalid index that other sessions' locks do not let us remove now",
        code="apply.unfinished",
        next_step="Run `trimtab resume` when the transactions that are open on the table have ended.",
    )


def _not_verified(change: Change, found: ChangeState) -> ApplyError:
    kind = UnfinishedError if found is ChangeState.HALF else ApplyError
    return kind(
        f"{change.kind} was carried out without an error, but the catalog says: {found.value}",
        code="apply.not_verified",
        next_step="Look at the server's log for this moment, then run `trimtab resume`.",
    )
