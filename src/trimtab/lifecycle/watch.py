"""The watcher's loop: one round after another until it is told to end, whatever becomes of the server meanwhile.

A round that takes long skips ticks, and never piles up work; a server that is gone is tried again, ever more seldom.
It reads only: acting on alarms, where that was asked for, is `lifecycle/guarding.py`'s.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from trimtab.anchor.force import reference
from trimtab.anchor.learning import Sensitivity
from trimtab.db.connection import Connection
from trimtab.db.dsn import describe
from trimtab.db.role import APPLYING, READING, reading
from trimtab.errors import AnchorError, LedgerError, SourceError, TrimtabError
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.anchor_chain import put_back_names, standings_of, store_of
from trimtab.lifecycle.watch_alarms import to_ledger
from trimtab.lifecycle.watch_causes import Surroundings
from trimtab.lifecycle.watch_identity import identity_of, store_path
from trimtab.lifecycle.watch_plans import PlanChecks
from trimtab.lifecycle.watch_proofs import LEARNT, Proofs
from trimtab.lifecycle.watch_proofs import Scene as ProofScene
from trimtab.lifecycle.watch_round import BLIND, Memory, Told, open_count
from trimtab.lifecycle.watch_store import KEPT_SLOTS, ROUND, WatchStore
from trimtab.model.anchor import Anchor
from trimtab.model.catalog import ServerIdentity
from trimtab.model.watched import Reference, References
from trimtab.observe.own_statements import SystemNames, read_system_names
from trimtab.observe.server import read_scoped_settings, read_server
from trimtab.observe.watched import Source, open_source

if TYPE_CHECKING:
    from trimtab.lifecycle.guarding import Guard

INTERVAL_SECONDS = 10.0
LEARN_ROUNDS = KEPT_SLOTS[ROUND]
LEAST_LEARN_ROUNDS = 30
APPLICATION_NAME = "trimtab watch"
LOCK_TIMEOUT_MS = 1_000
LONGEST_STATEMENT_MS = 10_000
LONGEST_BACK_OFF_SECONDS = 60.0
LOOK_SECONDS = 60.0
"""How often it is looked whether another anchor is in force, and other settings."""
AFTER_UPGRADE = (
    "After an upgrade to another major version: `trimtab anchor create`, then `anchor compare` with one of before, and "
    "`anchor explain` of that."
)


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """How a database is watched: `seconds` None is without an end; `once` is one round. `anew` forgets the baseline.

    `acts` lets it take changes of ours back, within `spec`; without it a watcher only reads.
    """

    conninfo: str
    ledger_path: Path
    interval_seconds: float = INTERVAL_SECONDS
    learn_rounds: int = LEARN_ROUNDS
    seconds: float | None = None
    once: bool = False
    anew: bool = False
    acts: bool = False
    spec: str | Path | None = None


class Listener(Protocol):
    """Who is told what happens, as it happens."""

    def told(self, at_ns: int, told: Told) -> None:
        """Take what a round came to."""

    def trouble(self, at_ns: int, error: TrimtabError, wait_seconds: float) -> None:
        """Take that the server could not be read, and when it is tried again."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """UTC nanoseconds, monotonic seconds, and waiting."""

    wall: Callable[[], int] = time.time_ns
    tick: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(slots=True)
class _Link:
    """A connection and what was found out about its server."""

    conn: Connection
    source: Source
    system: SystemNames


@dataclass(slots=True)
class _Watch:
    request: WatchRequest
    store: WatchStore
    memory: Memory
    identity: Mapping[str, object]
    server: ServerIdentity
    clocks: Clocks
    listener: Listener
    checks: PlanChecks
    link: _Link | None
    proofs: Proofs
    head: str | None
    guard: Guard | None = None
    failures: int = 0
    _ledger_failed: bool = field(default=False)
    _has_seen: bool = field(default=False)
    _looked_at: float = field(default=-math.inf)
    _settings: Mapping[tuple[str, str], str] | None = None

    def run(self) -> int:
        """Go round until the end; return how many alarms are open then."""
        began = due = self.clocks.tick()
        interval = self.request.interval_seconds
        while True:
            open_alarms, wait = self._round()
            now = self.clocks.tick()
            if self.request.once:
                return open_alarms
            due += interval
            if due < now:
                missed = math.ceil((now - due) / interval)
                self.memory.skipped_ticks += missed
                due += missed * interval
            due = max(due, now + wait)
            if self.request.seconds is not None and due - began >= self.request.seconds:
                self.clocks.sleep(max(began + self.request.seconds - now, 0.0))
                return open_alarms
            self.clocks.sleep(max(due - now, 0.0))

    def _round(self) -> tuple[int, float]:
        """Do one round; return the open alarms, and how long to wait at least because the server was not there."""
        try:
            if self.link is None:
                self.link = _link(self.request, self.identity)
            self._look_around(self.link)
            told = self.memory.round(
                self.link.conn, self.link.source, self.link.system, self.checks,
                clock=self.clocks.wall, tick=self.clocks.tick,
            )  # fmt: skip
        except SourceError as error:
            if error.code == "watch.replaced" or self.request.once:
                raise
            return self._trouble(error)
        if self.failures:
            self.memory.note(self.clocks.wall(), "reachable", {"after_failures": self.failures})
            self.failures = 0
        if told.state != BLIND:
            self._has_seen = True
        elif not self._has_seen:
            raise _blind(self.memory)
        self._to_ledger()
        told = replace(told, events=[*told.events, *self._explain(told, self.link)])
        if self.guard is not None:
            told = replace(told, events=[*told.events, *self._act(self.guard, self.link)])
        self.listener.told(self.clocks.wall(), told)
        return told.open_alarms, 0.0

    def _look_around(self, link: _Link) -> None:
        """See whether another anchor is in force by now, and other settings for databases or roles. Raises SourceError.

        Where the anchors cannot be read the one that was stays. A session keeps the settings that it began with: what
        it plans would not be what a new one does.
        """
        now = self.clocks.tick()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        with suppress(AnchorError, LedgerError):
            head = _head(self.request.ledger_path)
            if head != self.head:  # whatever is done with anchors stands there
                _take_reference(self.memory, self.request.ledger_path, self.server, self.clocks.wall())
            self.head = head
        settings = read_scoped_settings(link.conn)
        if self._settings not in (None, settings):
            link.conn.close()
            self.link = None  # until there is another
            self.link = _link(self.request, self.identity)
        self._settings = settings

    def _trouble(self, error: SourceError) -> tuple[int, float]:
        """A statement that was broken off leaves the session usable; anything else is tried on a new one."""
        self.failures += 1
        if self.link is not None:
            self.link.conn.close()
            self.link = None
        wait = min(self.request.interval_seconds * 2 ** min(self.failures - 1, 10), LONGEST_BACK_OFF_SECONDS)
        now_ns = self.clocks.wall()
        if self.failures == 1:
            self.memory.note(now_ns, "unreachable", {"code": error.code}, state="unreachable")
        self.listener.trouble(now_ns, error, wait)
        return open_count(self.memory.vigil) if self.memory.vigil is not None else 0, wait

    def _to_ledger(self) -> None:
        """An alarm that the ledger does not take now is kept, and tried again after the next round."""
        try:
            to_ledger(self.store, self.request.ledger_path, self.identity)
            self._ledger_failed = False
        except LedgerError as error:
            if error.code.startswith("watch."):
                raise
            if not self._ledger_failed:
                self.memory.note(self.clocks.wall(), "ledger_refused", {"code": error.code})
                self.listener.trouble(self.clocks.wall(), error, 0.0)
            self._ledger_failed = True

    def _explain(self, told: Told, link: _Link) -> list[tuple[str, Mapping[str, object]]]:
        """Have alarms explained, beside the rounds; where there is only one, it waits for that."""
        scene = ProofScene(
            self.memory.store,
            link.conn,
            self.clocks.wall(),
            lambda key: self.checks.query_of(link.conn, link.source, key),
        )
        return (self.proofs.finish if self.request.once else self.proofs.go_on)(scene, told.alarms)

    def _act(self, guard: Guard, link: _Link) -> list[tuple[str, Mapping[str, object]]]:
        from trimtab.lifecycle.guarding import Scene

        return guard.act(Scene(self.memory, link.conn, link.source, self.checks, self.clocks.wall()))

    def close(self) -> None:
        """Leave what a next watcher needs; a session that is lost needs no closing."""
        self.proofs.end()
        if self.link is not None:
            with suppress(Exception):
                self.link.conn.close()
        self.memory.checkpoint()
        self.memory.note(self.clocks.wall(), "stopped", {}, state="stopped")


def watch(request: WatchRequest, listener: Listener, clocks: Clocks | None = None) -> int:
    """Watch a database, and return how many alarms are open at the end.

    Raises RefusedError `read.overprivileged`; SourceError when it cannot be reached or lacks pg_stat_statements at the
    beginning, `watch.blind` when all that ran is hidden from the role then, and `watch.replaced` when another server
    answers in its place; BusyError `watch.busy`; LedgerError `watch.store_*`.
    """
    clocks = clocks or Clocks()
    link = _connected(request)
    try:
        server = read_server(link.conn)
        identity = identity_of(server, link.conn)
        path = store_path(request.ledger_path, identity)
        if request.once and not request.anew and not path.exists():
            _refuse_replaced(request.conninfo, path.parent)
        with _opened(path) as store:
            now_ns = clocks.wall()
            memory = Memory(store, Sensitivity(request.interval_seconds), request.learn_rounds)
            with store.writing():
                store.put_fact("identity", {**identity, "where": describe(request.conninfo)})
                store.put_fact("acts_on_alarms", request.acts)
            memory.resume(now_ns)
            head = _head(request.ledger_path)
            _take_reference(memory, request.ledger_path, server, now_ns)
            if request.anew:
                memory.learn_anew(now_ns, "asked for")
            memory.note(now_ns, "started", {"interval_seconds": request.interval_seconds})
            names: dict[str, str] = {}
            with suppress(LedgerError):  # watching goes on without; alarms wait until the ledger is mended
                names = put_back_names(request.ledger_path, server)
            checks = PlanChecks(link.system, names)
            guard = _guard(request, server, memory) if request.acts else None
            proofs = Proofs(request.conninfo, request.ledger_path, identity, clocks.tick)
            proofs.begin(store)
            watching = _Watch(
                request, store, memory, identity, server, clocks, listener, checks, link, proofs, head, guard
            )
            try:
                return watching.run()
            finally:
                watching.close()
    finally:
        link.conn.close()


def _blind(memory: Memory) -> SourceError:
    """Return why a watch does not begin that could only learn for ever."""
    hidden = 0 if memory.reading is None else memory.reading.hidden
    return SourceError(
        f"nothing can be watched: {hidden} statements of other roles are hidden from this one, and it has none itself",
        code="watch.blind",
        next_step="As a superuser: GRANT pg_read_all_stats TO the role; `trimtab init` prints a role that has it.",
    )


def _refuse_replaced(conninfo: str, directory: Path) -> None:
    """Refuse single rounds of what nobody has watched where another server was: they would begin anew unnoticed."""
    where = describe(conninfo)
    for path in directory.glob("*.db"):
        with suppress(LedgerError), closing(WatchStore.reader(path)) as store:
            identity = store.fact("identity")
            if isinstance(identity, dict) and identity.get("where") == where:
                raise SourceError(
                    "nothing was watched: another server, or another database of that name, was watched there before",
                    code="watch.replaced",
                    next_step=f"Look where the connection leads; with --anew this one is learnt. {AFTER_UPGRADE}",
                )


def _guard(request: WatchRequest, server: ServerIdentity, memory: Memory) -> Guard:
    """Return what acts on alarms. Raises SpecError, LedgerError: who is to act and cannot does not begin."""
    from trimtab.apply.enforce import database_body
    from trimtab.lifecycle.governing import governing
    from trimtab.lifecycle.guarding import Guard

    guard = Guard(
        request.conninfo, request.ledger_path, governing(request.spec, request.ledger_path), database_body(server)
    )
    guard.begin(memory)
    return guard


@contextmanager
def _opened(path: Path) -> Iterator[WatchStore]:
    store = WatchStore.writer(path)
    try:
        yield store
    finally:
        store.close()


def _connected(request: WatchRequest) -> _Link:
    timeout_ms = int(min(max(request.interval_seconds * 1000, 1000), LONGEST_STATEMENT_MS))
    conn = reading(
        request.conninfo,
        work=APPLYING if request.acts else READING,
        statement_timeout_ms=timeout_ms,
        lock_timeout_ms=LOCK_TIMEOUT_MS,
    )
    try:
        conn.execute("select pg_catalog.set_config('application_name', $1, false)", (APPLICATION_NAME,))
        return _Link(conn, open_source(conn), read_system_names(conn))
    except BaseException:
        conn.close()
        raise


def _link(request: WatchRequest, identity: Mapping[str, object]) -> _Link:
    """Connect again. What answers must be the server that was watched, or a standby of it that took over."""
    link = _connected(request)
    try:
        found = identity_of(read_server(link.conn), link.conn)
    except BaseException:
        link.conn.close()
        raise
    if found != identity:
        link.conn.close()
        raise SourceError(
            "watching was ended: another server, or another database of that name, answers in its place",
            code="watch.replaced",
            next_step="Start `trimtab watch` again: it learns the new one, and keeps what it knows of the old one. "
            f"{AFTER_UPGRADE}",
        )
    return link


def _take_reference(memory: Memory, ledger_path: Path, server: ServerIdentity, now_ns: int) -> None:
    """Hold the database to the anchor in force, if there is one. With another than before, or none, it is learnt anew.

    Raises AnchorError, LedgerError.
    """
    found = anchored(ledger_path, server)
    memory.shapes.references = {} if found is None else references_of(found)
    memory.level_of = LEARNT if found is None else found.id
    memory.anchored = None if found is None else Surroundings.of_anchor(found)
    kept = memory.store.fact("baseline")
    if memory.vigil is not None and isinstance(kept, dict) and kept.get("level_of") != memory.level_of:
        memory.learn_anew(now_ns, "no anchor is in force" if found is None else "another anchor is in force")


def _head(ledger_path: Path) -> str | None:
    """Return the hash of the ledger's last entry, None while there are no anchors. Raises LedgerError."""
    if not store_of(ledger_path).has_any:
        return None
    with Ledger.open(ledger_path) as ledger:
        return ledger.head


def anchored(ledger_path: Path, server: ServerIdentity) -> Anchor | None:
    """Return the anchor in force for a database, None without one.

    Raises AnchorError when the anchors are not as they were signed: a level that nobody vouches for is none.
    """
    store = store_of(ledger_path)
    if not store.has_any:
        return None
    with Ledger.open(ledger_path) as ledger:
        standing = standings_of(store, ledger)
    return reference(standing, server.of_database, is_standby=server.is_standby)


def references_of(anchor: Anchor) -> References:
    """Return the levels that an anchor holds statements to, by the ids that its server gave them."""
    return {
        int(server_id): Reference(
            level.counted.mean_ms, level.counted.blocks, level.counted.share, level.generic_shape or level.plan_shape
        )
        for level in anchor.queries
        if level.counted is not None
        for server_id in level.counted.server_ids
    }
