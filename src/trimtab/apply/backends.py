"""The one place from which a backend of a source is cancelled or terminated: the enforcement point's other door.

In this order: fresh facts, the effective specification, the person's word, the role's right, the kill switch, how much
was done already, the intent in the ledger, the switch again, the act, a look at what came of it, the result there. The
statement that acts looks once more, at the same moment, whether it still is that backend at that work. Nothing of a
statement's text goes into the ledger. Change windows do not bind it: they are for what can wait.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import psycopg

from trimtab.apply.enforce import database_body
from trimtab.apply.shut import refuse_when_shut
from trimtab.apply.state import own_session
from trimtab.apply.switch import KillSwitch
from trimtab.db.connection import Connection, source_error
from trimtab.db.queries import load
from trimtab.errors import ForbiddenError, HeldError, RefusedError, SourceError, TrimtabError, UsageError
from trimtab.ledger.backend_acts import BACKEND_KINDS, backend_intents
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.moment import latest_ns
from trimtab.ledger.required import Required
from trimtab.model.backend import AT_A_STATEMENT, Backend, BackendAct, BackendEnded, BackendOrder
from trimtab.model.catalog import ServerIdentity
from trimtab.spec.specification import Specification
from trimtab.validate.backends import asks_first, judge_backend

_HOUR_NS = 3600 * 10**9
_LOOKS = 20
_LOOK_SECONDS = 0.1
_NO_RIGHT = "42501"  # insufficient_privilege


@dataclass(frozen=True, slots=True)
class BackendEnforcer:
    """Cancels and terminates backends of one server. `look` reads a backend by its number, now; None: there is none.

    `connection` is a session of its own, in autocommit; it needs no right to write. `sleep` is called between two looks
    at what came of it; `now_ns` gives UTC nanoseconds.
    """

    connection: Connection
    ledger: Ledger
    specification: Specification
    server: ServerIdentity
    look: Callable[[int], Backend | None]
    sleep: Callable[[float], None] = time.sleep
    now_ns: Callable[[], int] = time.time_ns

    def __post_init__(self) -> None:
        refuse_when_shut()

    def carry_out(self, order: BackendOrder) -> BackendEnded:
        """Cancel or terminate the backend that was meant, or refuse; return what came of it.

        Raises UsageError `backend.unknown`; ForbiddenError `apply.specification`; RefusedError `backend.unconfirmed`,
        `backend.role`, `backend.moved_on`; HeldError `apply.frozen`, `apply.rate`; SourceError; LedgerError, and then
        nothing was done unless it says otherwise.
        """
        backend = self._found(order)
        self._refuse_forbidden(order, backend)
        self._refuse_unconfirmed(order)
        refuse_powerless(order.act, backend)
        self._refuse_frozen(backend)
        pace = self._paced()
        intent = {"intent_id": uuid.uuid4().hex}
        self.ledger.append(Kind.BACKEND_INTENDED, {**intent, **self._intended(order, backend)}, require=pace)
        started = time.monotonic()
        try:
            self._refuse_frozen(backend)
            self._signal(order, backend)
        except SourceError as error:
            if not self.connection.closed:
                self._append(Kind.BACKEND_FAILED, {**intent, "code": error.code, "message": str(error)})
            raise  # a lost connection leaves it open: nobody knows what the server did
        except TrimtabError as error:
            self._append(Kind.BACKEND_FAILED, {**intent, "code": error.code, "message": str(error)})
            raise
        has_ended = self._watched(order.act, backend)
        seconds = time.monotonic() - started
        self._append(Kind.BACKEND_DONE, {**intent, "seconds": round(seconds, 6), "has_ended": has_ended})
        return BackendEnded(intent["intent_id"], order.act, backend, has_ended, seconds)

    def _found(self, order: BackendOrder) -> Backend:
        backend = self.look(order.pid)
        if backend is None or (backend.started_at and backend.started_at != order.started_at):
            raise unknown_backend(order.pid)
        if backend.started_at and backend.since != order.since:
            raise _moved_on(order.act, backend)
        return backend

    def _refuse_forbidden(self, order: BackendOrder, backend: Backend) -> None:
        now_unix = latest_ns(self.ledger.last(), self.now_ns()) // 10**9
        verdict = judge_backend(order.act, backend, self.specification, now_unix=now_unix)
        if not verdict.compliant:
            told = "; ".join(f"{violation.rule_id}: {violation.message}" for violation in verdict.violations)
            raise ForbiddenError(
                f"nothing was done to backend {backend.pid}: {told}",
                code="apply.specification",
                next_step=f"{self.specification.id} says so; whoever answers for the server can still do it by psql.",
                verdict=verdict,
            )

    def _refuse_unconfirmed(self, order: BackendOrder) -> None:
        if asks_first(order.act, self.specification) and not order.is_confirmed:
            raise RefusedError(
                f"nothing was done to backend {order.pid}: the specification wants a person to confirm it",
                code="backend.unconfirmed",
                next_step="Run it on a terminal, in `trimtab monitor` or on the web page: each shows it, and asks.",
            )

    def _refuse_frozen(self, backend: Backend) -> None:
        switch = KillSwitch(self.ledger.path.parent)
        for database in dict.fromkeys((self.server.database, backend.database)):
            switch.refuse(database, is_revert=False)

    def _paced(self) -> Required:
        """Refuse more than the specification allows, by the ledger as it is; return what the intent has to require.

        Two programs may both have room left for one: whoever writes the second intent is counted again.
        """
        last = self.ledger.last()
        after = 0 if last is None else last.seq
        known = [entry for kind in BACKEND_KINDS for entry in self.ledger.entries(kind) if entry.seq <= after]
        self._refuse_pace(known)

        def judge(newer: Iterator[Entry]) -> None:
            more = [entry for entry in newer if entry.kind in BACKEND_KINDS]
            if more:
                self._refuse_pace([*known, *more])

        return Required(judge, after=after)

    def _refuse_pace(self, entries: Iterable[Entry]) -> None:
        database, since_ns = database_body(self.server), self.now_ns() - _HOUR_NS
        count = sum(
            intent.intended.at_ns > since_ns and intent.is_on_server(database) and not intent.is_failed
            for intent in backend_intents(sorted(entries, key=lambda entry: entry.seq))
        )
        limit = self.specification.backends.max_per_hour
        if count >= limit:
            raise HeldError(
                f"nothing was done: it would be {count + 1} backends within an hour, and backends.max_per_hour allows "
                f"{limit}",
                code="apply.rate",
                next_step="Wait, and look for what makes so many of them.",
            )

    def _intended(self, order: BackendOrder, backend: Backend) -> dict[str, object]:
        """What the ledger is told of it: never its text, nor a name that its client chose."""
        said = {"reason": order.reason} if order.reason else {}
        return {
            "act": order.act.value,
            "pid": backend.pid,
            "started_at": backend.started_at,
            "since": backend.since,
            "role": backend.role,
            "backend_database": backend.database,
            "state": backend.state,
            "database": database_body(self.server),
            "server_started_at": self.server.started_at,
            "session": own_session(self.connection),
            "by": order.by,
            "via": order.via,
            "is_confirmed": order.is_confirmed,
            "spec_digest": self.specification.digest,
            **said,
        }

    def _signal(self, order: BackendOrder, backend: Backend) -> None:
        """Send the signal, in the statement that looks whether it still is that backend, at that work."""
        text = load("signal_backend", self.connection.info.server_version).encode()
        least = self.specification.backends.min_seconds
        asked = (order.act.value, backend.pid, backend.started_at, backend.since, least)
        try:
            row = self.connection.execute(text, asked).fetchone()
        except psycopg.Error as error:
            if error.sqlstate == _NO_RIGHT:
                raise _powerless(order.act, backend) from None
            raise source_error(error) from None
        if row is None or row[0] is not True:
            raise _moved_on(order.act, backend)

    def _watched(self, act: BackendAct, backend: Backend) -> bool:
        """Return whether it has ended, looking for two seconds at most; what cannot be seen has not been seen to."""
        for number in range(_LOOKS):
            try:
                if is_over(act, backend.started_at, backend.since, self.look(backend.pid)):
                    return True
            except SourceError:
                return False
            if number + 1 < _LOOKS:
                self.sleep(_LOOK_SECONDS)
        return False

    def _append(self, kind: Kind, body: dict[str, object]) -> None:
        self.ledger.append(kind, body)


def is_over(act: BackendAct, started_at: str, since: str, found: Backend | None) -> bool:
    """True when what the act was to end is not there any more: the backend, or of a cancel what it ran since then."""
    if found is None or found.started_at != started_at:
        return True
    return act is BackendAct.CANCEL and (found.since != since or found.state not in AT_A_STATEMENT)


def refuse_powerless(act: BackendAct, backend: Backend) -> None:
    """Refuse what the session's role may not signal: RefusedError `backend.role`."""
    if not backend.may_signal:
        raise _powerless(act, backend)


def unknown_backend(pid: int) -> UsageError:
    """Return the error that says that there is no such backend, or a later one of the same number."""
    return UsageError(
        f"nothing was done: there is no backend {pid}, or not the one that was meant",
        code="backend.unknown",
        next_step="It has ended; `trimtab backend list` shows those that there are.",
    )


def _powerless(act: BackendAct, backend: Backend) -> RefusedError:
    return RefusedError(
        f"nothing was done: this role may not {act.value} backend {backend.pid}",
        code="backend.role",
        next_step="Connect as trimtab_signal, which `trimtab init` prints; trimtab.toml names it by operator_dsn.",
    )


def _moved_on(act: BackendAct, backend: Backend) -> RefusedError:
    what = "runs another statement, or none" if act is BackendAct.CANCEL else "is at something else, or has ended"
    return RefusedError(
        f"nothing was done: backend {backend.pid} {what} by now",
        code="backend.moved_on",
        next_step="Look again, and decide anew.",
    )
