"""Makes executions of entries: what a session's messages say of one execution is brought together.

A duration and auto_explain's plan are two messages of one execution; with log_statement a text and its duration are.
Only ids of texts are kept between messages. Everything that makes no execution is counted by its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from trimtab.model.execution import Execution
from trimtab.observe.logs.entry import Entry
from trimtab.observe.logs.messages import Kind, Said, said_of
from trimtab.observe.logs.plans import explained
from trimtab.observe.logs.text_ids import TextIds
from trimtab.observe.text_identity import TextIdentity

_MOST_SESSIONS = 10_000
_NS_PER_MS = 1_000_000
# How much the beginning that a duration tells may differ from when the statement was logged: times may be in seconds.
_STALE_NS = 1_500_000_000
# The executor's time, which auto_explain tells, is a part of the statement's; both are rounded.
_ROUNDING_MS = 0.002


@dataclass(slots=True)
class _Session:
    """What waits for a session's next message: a statement that began, and an execution that may get its other half.

    `is_simple` is of the held execution: the plan of what was sent as text is told before its duration. `is_prepared`
    is of what began: an EXECUTE. `is_old` says that nothing came since the last look.
    """

    began: TextIdentity | None = None
    began_ns: int = 0
    held: Execution | None = None
    is_simple: bool = False
    is_prepared: bool = False
    is_old: bool = False


class Sessions:
    """All sessions of one log. With `database` only that one's executions are told."""

    def __init__(self, left_out: Counter[str], *, database: str | None = None, since_ns: int = 0) -> None:
        self._left_out = left_out
        self._database = database
        self._since_ns = since_ns
        self._ids = TextIds()
        self._sessions: dict[str, _Session] = {}

    def take(self, entry: Entry) -> Sequence[Execution]:
        """Return the executions that are whole, now that this entry is known."""
        is_error = entry.is_error
        said = said_of(entry.message, entry.detail) if not is_error else None
        reason = self._refusal(entry, said, is_error)
        whole: Sequence[Execution] = ()
        if reason is not None:
            self._left_out[reason] += 1
        elif said is None:
            whole = self._failed(entry)
        elif said.kind is Kind.BEGAN:
            self._begin(entry, said)
        elif said.kind is Kind.PLAN:
            whole = self._planned(entry, said)
        else:
            whole = self._lasted(entry, said)
        return whole if len(self._sessions) <= _MOST_SESSIONS else (*whole, *self._forgotten())

    def look(self) -> Iterator[Execution]:
        """Yield what has waited since before the last look: its other half does not come."""
        for session in self._sessions.values():
            if session.is_old and session.held is not None:
                yield session.held
                session.held = None
            session.is_old = True
        self._sessions = {name: s for name, s in self._sessions.items() if s.held or s.began or not s.is_old}

    def end(self) -> Iterator[Execution]:
        """Yield all that waits."""
        sessions, self._sessions = self._sessions, {}
        yield from (session.held for session in sessions.values() if session.held is not None)

    def _refusal(self, entry: Entry, said: Said | None, is_error: bool | None) -> str | None:
        """Return why an entry makes no execution, as far as that is known without its statement's text."""
        if entry.is_worker:
            return "worker"
        if self._database is not None and entry.database not in (None, self._database):
            return "other_database"
        if said is None and not is_error:
            return "other_message" if entry.is_english or is_error is False else "localized"
        if said is not None and said.kind is Kind.LEFT_OUT:
            return said.reason
        if self._database is not None and entry.database is None:
            return "no_database"
        if entry.time_ns is None:
            return "no_time"
        if entry.time_ns < self._since_ns:
            return "before"
        if said is None and not entry.statement:
            return "no_error_statement"
        return "nested" if said is not None and said.kind is Kind.PLAN and entry.is_nested else None

    def _begin(self, entry: Entry, said: Said) -> None:
        self._left_out["began"] += 1
        if entry.session is not None:
            session = self._session(entry.session)
            session.began, session.began_ns = self._ids.of(said.text), entry.time_ns or 0
            session.is_prepared, session.is_old = said.is_prepared, False

    def _failed(self, entry: Entry) -> list[Execution]:
        identity = self._ids.of(entry.statement)
        session = None if entry.session is None else self._session(entry.session)
        duration_ms: float | None = None
        whole: list[Execution] = []
        if session is not None:
            if session.held is not None:
                whole.append(session.held)
            if session.began == identity:
                duration_ms = ((entry.time_ns or 0) - session.began_ns) / _NS_PER_MS
            session.held = session.began = None
        if identity.query_id is None or identity.is_cursor or identity.is_prepare:
            self._left_out[identity.reason or "utility"] += 1
        else:
            whole.append(_execution(entry, identity.query_id, duration_ms, is_error=True))
        return whole

    def _lasted(self, entry: Entry, said: Said) -> Sequence[Execution]:
        session = None if entry.session is None else self._session(entry.session)
        identity = self._ids.of(said.text) if said.text else self._begun(entry, said, session)
        is_prepared = said.is_prepared or (not said.text and session is not None and session.is_prepared)
        if session is not None:
            session.began = None
        if isinstance(identity, str):
            self._left_out[identity] += 1
        elif identity.query_id is None or identity.is_cursor:
            self._left_out[identity.reason or "cursor"] += 1
        elif identity.is_prepare and not is_prepared:
            self._left_out["utility"] += 1
        else:
            # The server's id is that of the statement EXECUTE.
            own = entry._replace(server_query_id=None) if is_prepared else entry
            execution = _execution(own, identity.query_id, said.duration_ms)
            return self._hold(session, execution, is_simple=said.is_simple and bool(said.text))
        return ()

    def _begun(self, entry: Entry, said: Said, session: _Session | None) -> TextIdentity | str:
        """Return which statement a duration without a text is of, or why that is not known."""
        if session is None:
            return "no_session"
        began_ns = (entry.time_ns or 0) - round(said.duration_ms * _NS_PER_MS)
        if session.began is None or session.began_ns < began_ns - _STALE_NS:
            return "no_statement"
        return session.began

    def _planned(self, entry: Entry, said: Said) -> Sequence[Execution]:
        told = explained(said.text)
        if told is None:
            self._left_out["plan_unread"] += 1
            return ()
        identity = self._ids.of(told.text)
        if identity.query_id is None:
            self._left_out[identity.reason] += 1
            return ()
        # A cursor is closed by another statement, whose id stands in the entry.
        own_id = told.server_query_id or (None if identity.is_cursor else entry.server_query_id)
        own = entry._replace(server_query_id=own_id)
        execution = _execution(own, identity.query_id, said.duration_ms, plan_shape=told.shape)
        session = None if entry.session is None else self._session(entry.session)
        return self._hold(session, execution, is_simple=False)

    def _hold(self, session: _Session | None, execution: Execution, *, is_simple: bool) -> Sequence[Execution]:
        """Bring an execution together with the one that waits, or let it wait in its place."""
        if session is None:
            return (execution,)
        held = session.held
        whole = None if held is None else _whole(held, execution, held_is_simple=session.is_simple)
        if whole is not None:
            session.held = None
            return (whole,)
        session.held, session.is_simple, session.is_old = execution, is_simple, False
        return () if held is None else (held,)

    def _session(self, name: str) -> _Session:
        session = self._sessions.get(name)
        if session is None:
            session = self._sessions[name] = _Session()
        return session

    def _forgotten(self) -> Sequence[Execution]:
        """Forget the oldest session, and return what it held."""
        oldest = self._sessions.pop(next(iter(self._sessions)))
        return () if oldest.held is None else (oldest.held,)


def _whole(first: Execution, second: Execution, *, held_is_simple: bool) -> Execution | None:
    """Return what two messages say of one execution, or None when they are of two."""
    if first.query_id != second.query_id or (first.plan_shape is None) == (second.plan_shape is None):
        return None
    planned, timed = (first, second) if second.plan_shape is None else (second, first)
    if timed is first and held_is_simple:
        return None
    assert planned.duration_ms is not None, "auto_explain tells a duration"
    if timed.duration_ms is None or planned.duration_ms > timed.duration_ms + _ROUNDING_MS:
        return None
    server_query_id = planned.server_query_id or timed.server_query_id
    return replace(timed, plan_shape=planned.plan_shape, server_query_id=server_query_id)


def _execution(
    entry: Entry, query_id: str, duration_ms: float | None, *, plan_shape: str | None = None, is_error: bool = False
) -> Execution:
    assert entry.time_ns is not None, "entries without a time are refused before"
    return Execution(
        entry.time_ns,
        query_id,
        entry.server_query_id,
        entry.database,
        entry.role,
        duration_ms,
        plan_shape,
        is_error,
    )
