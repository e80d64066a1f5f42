"""Carries out one change on the source, and clears away what broke off. Decides nothing: `enforce` has decided.

Index work is CONCURRENT, waits for locks no longer than `lock_timeout` and tries again after a pause. Statistics and
settings are made in one transaction each, so they are whole or absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import assert_never

import psycopg

from trimtab.apply.busy import busy
from trimtab.apply.disk import full
from trimtab.apply.patience import Patience
from trimtab.apply.state import ChangeState, blocker, build_in_progress, rebuild_leftovers, state_of
from trimtab.apply.statistics_files import StatisticsFiles
from trimtab.apply.stored_statistics import statistics_of, store_statistics
from trimtab.db.connection import Connection, source_error
from trimtab.errors import ApplyError, HeldError, SourceError, TrimtabError
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    DropStatistics,
    LeaveIndex,
    RebuildIndex,
    RestoreStatistics,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
    fill,
    qualified,
)
from trimtab.spec.limits import Servers

LOCK_TIMEOUT, BUSY = "apply.lock_timeout", "apply.busy"
_LOCKED = frozenset({"55P03", "40P01"})  # lock_not_available, deadlock_detected
_CANCELLED = "57014"
_CONNECTION_CHECK_MS = 1000
_CONNECTION_CHECK_SINCE = 140000


class UnfinishedError(ApplyError):
    """How the change stands is not known, or it stands half done: its intent stays open in the ledger for `resume`."""


@dataclass(frozen=True, slots=True)
class Execution:
    """How changes are carried out on one session: it must be in autocommit, and nobody else may use it.

    `sleep` is called between tries, and `recheck` after it: it raises when the facts do not allow the change any more.
    `gate` is called immediately before each statement that writes, and raises HeldError while none may be sent.
    `puts_back` says that an index is made again that was there before: it then goes where it was, whatever
    default_tablespace says now. `limits` say when the server is too busy, and when its disk has no room for an index of
    `size_bytes`; None is never. `files` hold the statistics that are to be stored.
    """

    connection: Connection
    patience: Patience
    sleep: Callable[[float], None]
    gate: Callable[[], None]
    recheck: Callable[[], object] = lambda: None
    puts_back: bool = False
    limits: Servers | None = None
    size_bytes: int = 0
    files: StatisticsFiles | None = None

    def carry_out(self, change: Change) -> None:
        """Do the change and see in the catalog that it is done.

        Raises ApplyError: `apply.lock_timeout`, `apply.busy`, `apply.disk`, `apply.timeout`, `apply.failed`,
        `apply.not_verified`; then nothing of it is left. Raises UnfinishedError `apply.unknown` or `apply.unfinished`.
        An interrupt cancels the server's work and passes; what could be cleared away then is.
        """
        for pause in self.patience.pauses():
            error = self._blocked(change) or self._allowed(change)
            if error is None:
                return
            if pause is None or error.code not in (LOCK_TIMEOUT, BUSY):
                raise _unfinished(change) if self._look(change) is ChangeState.HALF else error
            self.sleep(pause)
            if self._look(change) is not ChangeState.HALF:  # a drop that has begun is gone on with
                self.recheck()

    def clear(self, change: Change, *, tries: int | None = None) -> None:
        """Remove the invalid index that a broken-off build, drop or rebuild left; for a drop this finishes it.

        Never touches what another session is building. Raises UnfinishedError when locks do not allow it in time.
        """
        if not isinstance(change, CreateIndex | DropIndex | RebuildIndex) or self._look(change) is not ChangeState.HALF:
            return
        for pause in self.patience.pauses(tries):
            with _unknown_if_lost(change):
                builder = build_in_progress(self.connection, change.schema, change.table)
            if builder is None:
                self._drop(change)
                if self._look(change) is not ChangeState.HALF:
                    return
            if pause is not None:
                self.sleep(pause)
        raise _unfinished(change)

    def _blocked(self, change: Change) -> ApplyError | None:
        """Say who would be waited for in vain: a build that times out at its end was work for nothing.

        Or what else the server has to do, or that its disk has no room, for which nobody waits.
        """
        no_room = None if self.limits is None else full(self.connection, change, self.size_bytes, self.limits)
        if no_room is not None:
            return ApplyError(
                f"{change.kind} was not carried out: {no_room}",
                code="apply.disk",
                next_step="Make room on the server's disk, or leave the index out; --budget makes a run add less.",
            )
        reason = None if self.limits is None else busy(self.connection, change, self.limits)
        if reason is not None:
            return ApplyError(
                f"{change.kind} was not carried out: {reason}",
                code=BUSY,
                next_step="Try again in a quieter moment, or raise servers.max_replica_lag or max_active_sessions.",
            )
        pid = blocker(self.connection, change, self.patience.lock_timeout_ms)
        return None if pid is None else _locked(change, f"server process {pid} has an old transaction open")

    def _allowed(self, change: Change) -> ApplyError | None:
        """Try, unless the gate is shut: a drop that an earlier try has begun then stands half done."""
        try:
            return self._try(change)
        except HeldError:
            if self._look(change) is ChangeState.HALF:
                raise _unfinished(change) from None
            raise

    def _try(self, change: Change) -> ApplyError | None:
        """Try once; return why it failed, or None. What a failed build left has been cleared away."""
        reason: ApplyError | None = None
        try:
            self._act(change)
        except (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateObject) as error:
            # Another session was first. Even if it made the same, it is not ours: neither to claim nor to clear away.
            raise _reason(change, error) from None
        except psycopg.Error as error:
            reason = _reason(change, error)
        except (KeyboardInterrupt, SystemExit):
            with suppress(TrimtabError, psycopg.Error):
                self.clear(change, tries=1)
            raise
        if reason is not None and isinstance(change, CreateIndex | RebuildIndex):
            self.clear(change)
        found = self._look(change)
        if found is ChangeState.DONE:
            return None
        return reason or _not_verified(change, found)

    def _act(self, change: Change) -> None:
        self._limit(self.patience.build_timeout_ms)
        self.gate()
        match change:
            case CreateIndex() | DropIndex() | RebuildIndex():
                self.connection.execute(change.sql(concurrently=True).encode())
            case CreateStatistics() | SetStatisticsTarget() | SetDistinct():
                with self.connection.transaction():
                    self.connection.execute(change.sql().encode())
                    self.gate()
                    self.connection.execute((fill(change) or "").encode())
            case RestoreStatistics():
                statistics = statistics_of(change, self.files)
                with self.connection.transaction():
                    store_statistics(self.connection, change, statistics, self.gate)
            case DropStatistics() | SetSetting():
                self.connection.execute(change.sql().encode())
            case LeaveIndex():
                return
            case _:
                assert_never(change)

    def _drop(self, change: CreateIndex | DropIndex | RebuildIndex) -> None:
        """Drop the leftovers, unless one is gone meanwhile or cannot be locked now: the next look tells."""
        names = [change.name]
        if isinstance(change, RebuildIndex):
            with _unknown_if_lost(change):
                names = rebuild_leftovers(self.connection, change)
        try:
            self._limit(0)
            for name in names:
                self.gate()
                self.connection.execute(f"DROP INDEX CONCURRENTLY {qualified(change.schema, name)}".encode())
        except (psycopg.errors.UndefinedObject, psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            return
        except (psycopg.Error, HeldError):
            raise _unfinished(change) from None

    def _limit(self, statement_timeout_ms: int) -> None:
        """Set the session's limits, and have the server notice within a second that this program is gone."""
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
        with _unknown_if_lost(change):
            return state_of(self.connection, change)


@contextmanager
def _unknown_if_lost(change: Change) -> Iterator[None]:
    """A connection that is lost while we look means that nobody knows how the change stands."""
    try:
        yield
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
            f"{change.kind} was not carried out: it took longer than locks.build_timeout_ms, or somebody cancelled it",
            code="apply.timeout",
            next_step="Try again in a quieter moment, or raise locks.build_timeout_ms.",
        )
    return ApplyError(
        f"{change.kind} was not carried out: {known}",
        code="apply.failed",
        next_step=known.next_step or "Nothing was left behind; mend the cause and run again.",
    )


def _locked(change: Change, found: str) -> ApplyError:
    return ApplyError(
        f"{change.kind} was not carried out: {found}",
        code=LOCK_TIMEOUT,
        next_step="Try again in a quieter moment, when no long transaction is open, or raise locks.lock_timeout_ms.",
    )


def _unfinished(change: Change) -> UnfinishedError:
    return UnfinishedError(
        f"{change.kind} broke off and left an invalid index that others' locks, or a freeze, do not let us remove now",
        code="apply.unfinished",
        next_step="Run `trimtab resume` when the transactions that are open on the table, or the freeze, have ended.",
    )


def _not_verified(change: Change, found: ChangeState) -> ApplyError:
    kind = UnfinishedError if found is ChangeState.HALF else ApplyError
    return kind(
        f"{change.kind} was carried out without an error, but the catalog says: {found.value}",
        code="apply.not_verified",
        next_step="Look at the server's log for this moment, then run `trimtab resume`.",
    )
