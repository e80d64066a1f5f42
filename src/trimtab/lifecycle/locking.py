"""Locks plans on the source: sets a lock, sees that it holds, takes it back; and goes through the leases one by one.

Everything is set and taken back by the enforcement point, as in a run. A lock that does not bring the anchored plan
back is taken back at once; a query whose plan was flipped twice within a day is left alone until a person says so.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.anchor.holding import settings_for
from trimtab.anchor.lease import (
    ACTIVE,
    DAY_NS,
    MOST_FLIPS,
    TTL_DAYS,
    Expected,
    Lease,
    LeaseState,
    Note,
    flips,
    lease_body,
    leases,
)
from trimtab.apply.enforce import Enforcer, database_body
from trimtab.apply.statistics_files import DIRECTORY, StatisticsFiles
from trimtab.errors import ForbiddenError, RefusedError, SourceError, TrimtabError, UsageError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import applied_changes, intents
from trimtab.lifecycle.approving import waiting_in
from trimtab.lifecycle.generic_switch import shape_of_draws
from trimtab.lifecycle.governing import governing, named
from trimtab.lifecycle.journal import Journal
from trimtab.lifecycle.lock_look import undone
from trimtab.lifecycle.recover import recover, recovering
from trimtab.lifecycle.same_server import require_same_server
from trimtab.lifecycle.workshop import READ_TIMEOUT_MS
from trimtab.model.applied import Applied
from trimtab.model.approval import ApprovalRequest
from trimtab.model.change import Change, RestoreStatistics
from trimtab.model.strategy import Outcome, Strategy, Verdict
from trimtab.model.workload import Query
from trimtab.observe.parents import read_parents

if TYPE_CHECKING:
    from trimtab.model.catalog import Snapshot

PROPOSER = "lock"


@dataclass(frozen=True, slots=True)
class LockRequest:
    """A lock to be set. `query` has the text, and the values with which it is to be planned; neither is kept.

    `changes` are those of a mechanism, `mechanism` its name. `role` is whose settings the plan is looked at with, ""
    for our own. `size_bytes` is what a new index will take. `is_confirmed` says that a person wants it though the plan
    was flipped twice today, or was frozen.
    """

    conninfo: str
    ledger_path: Path
    query: Query
    expected: Expected
    changes: tuple[Change, ...]
    mechanism: str
    anchor_id: str = ""
    role: str = ""
    spec: str | Path | None = None
    ttl_days: float = TTL_DAYS
    size_bytes: int = 0
    is_confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """How the source does without a lock: as well as with it, or not, or it could not be told; and why, in words."""

    is_as_good: bool | None
    reason: str


TryWithout = Callable[[Lease, Query, tuple[Applied, ...]], Tried]
"""Tries a lease's query without its changes, away from the source: `lifecycle/lock_trial.py` does it in the lab."""


@dataclass(frozen=True, slots=True)
class _Desk:
    """What one call works with."""

    conninfo: str
    ledger: Ledger
    enforcer: Enforcer
    snapshot: Snapshot
    clock: Callable[[], int]

    @property
    def database(self) -> dict[str, object]:
        return database_body(self.snapshot.server)

    def known(self) -> tuple[Lease, ...]:
        return leases(self.ledger.entries(), self.clock(), database=self.database)

    def note(self, lease: Lease, note: Note, reason: str) -> Lease:
        """Write the note and return the lease as the ledger has it then."""
        body = lease_body(lease, note, self.database, reason)
        self.ledger.append(Kind.LEASE_NOTED, body, run_id=self.enforcer.run_id)
        return next(found for found in self.known() if found.id == lease.id)

    def journal(self) -> Journal:
        return Journal(self.ledger, self.enforcer.run_id)

    def shape(self, query: Query, expected: Expected, role: str, changes: Sequence[Change]) -> str:
        """Ask in a new session: one of before has the settings of before."""
        from trimtab.db.role import APPLYING, reading

        settings = settings_for(self.enforcer.look(), role, changes)
        with closing(reading(self.conninfo, work=APPLYING, statement_timeout_ms=READ_TIMEOUT_MS)) as connection:
            require_same_server(connection, self.snapshot.server)
            return shape_of_draws(connection, query, expected, settings, read_parents(connection), changes)


def lock(request: LockRequest, *, clock: Callable[[], int] = time.time_ns) -> Lease:
    """Set the lock and return its lease: `verified`, or `not_held` when the plan did not come back and nothing stands.

    What an earlier run left open is mended first. Raises RefusedError `lock.held` when a lease of the query has this
    lock already, `lock.frozen` when the plan was flipped too often; and what applying raises: then nothing stands.
    """
    with recovering(
        request.conninfo, request.ledger_path, governing(request.spec, request.ledger_path), _run_id()
    ) as opened:
        desk = _Desk(request.conninfo, *opened, clock)
        recover(desk.ledger, desk.enforcer, desk.snapshot)
        strategy = _strategy(request)
        now_ns = clock()
        lease = Lease(
            id=f"l-{uuid.uuid4().hex[:10]}",
            query_id=request.query.id,
            anchor_id=request.anchor_id,
            expected=request.expected,
            strategy_id=strategy.id,
            mechanism=request.mechanism,
            role=request.role,
            created_ns=now_ns,
            expires_ns=now_ns + int(request.ttl_days * DAY_NS),
            flips=0,
            state=LeaseState.PROPOSED,
        )
        _make_way(desk, lease)
        _refuse_flipping(desk, lease, is_confirmed=request.is_confirmed)
        desk.journal().proposed(strategy)
        desk.note(lease, Note.PROPOSED, strategy.reason)
        try:
            applied = desk.enforcer.apply(strategy)
        except TrimtabError as error:
            if isinstance(error, ForbiddenError) and isinstance(error.verdict, Verdict):
                desk.journal().validated(strategy, error.verdict)
            desk.journal().ended(strategy.id, Outcome.FAILED, str(error))
            if isinstance(error, RefusedError):  # then nothing of it was begun
                desk.note(lease, Note.NOT_HELD, str(error))
            raise
        desk.note(lease, Note.ENFORCED, "its changes stand")
        return _settled(desk, request, lease, strategy, applied)


def verify(
    conninfo: str, ledger_path: Path, lease_id: str, query: Query, *, clock: Callable[[], int] = time.time_ns
) -> Lease:
    """Look whether the lock still holds, note it, and return the lease: `verified`, or `broken`. Changes nothing.

    Raises UsageError `lock.unknown`, `lock.not_active`, `lock.another_query`; SourceError.
    """
    with recovering(conninfo, ledger_path, named(None, ledger_path), _run_id()) as opened:
        desk = _Desk(conninfo, *opened, clock)
        lease = _active(desk, lease_id)
        if query.id != lease.query_id:
            raise UsageError(
                f"lease {lease_id} was not looked at: it is of the query {lease.query_id}, not of {query.id}",
                code="lock.another_query",
                next_step="Give the query that the lease was made for.",
            )
        return _looked_at(desk, lease, query)


def release(
    conninfo: str,
    ledger_path: Path,
    lease_id: str,
    reason: str,
    *,
    spec: str | Path | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> Lease:
    """Take the lock back because somebody wants it, however often the plan was flipped; return the lease, `released`.

    What others have replaced meanwhile is left alone. Raises UsageError `lock.unknown`, `lock.not_active`, and what
    reverting raises: then the rest of the lock stands, and `release` can be called again.
    """
    with recovering(conninfo, ledger_path, named(spec, ledger_path), _run_id()) as opened:
        desk = _Desk(conninfo, *opened, clock)
        released = _taken_back(desk, _active(desk, lease_id), Note.RELEASED, reason)
        _forget_statistics(desk)
        return released


def review(
    conninfo: str,
    ledger_path: Path,
    queries: Mapping[str, Query],
    try_without: TryWithout,
    *,
    spec: str | Path | None = None,
    ttl_days: float = TTL_DAYS,
    clock: Callable[[], int] = time.time_ns,
) -> list[Lease]:
    """Look at every active lease whose query is given, by id, and return them as they stand then.

    One that has not run out is verified. One that has is tried without: it is retired when the planner does as well
    alone, and renewed when it does not, or when nobody can tell. Retiring flips a plan, and so it waits when the plan
    was flipped twice within a day. Raises SourceError, LedgerError, and what reverting raises.
    """
    with recovering(conninfo, ledger_path, named(spec, ledger_path), _run_id()) as opened:
        desk = _Desk(conninfo, *opened, clock)
        recover(desk.ledger, desk.enforcer, desk.snapshot)
        seen = []
        for lease in desk.known():
            query = queries.get(lease.query_id)
            if not lease.is_active or query is None:
                continue
            if lease.state is LeaseState.EXPIRED:
                seen.append(_reviewed(desk, lease, query, try_without, ttl_days))
            else:
                seen.append(_looked_at(desk, lease, query))
        _forget_statistics(desk)
        return seen


def refuse_unleased(asked: ApprovalRequest) -> None:
    """Refuse a lock that waited and would be applied without a lease: RefusedError `approval.lock`."""
    if asked.strategy.proposer == PROPOSER:
        raise RefusedError(
            f"{asked.strategy.id} was not applied: it is a lock of a plan, which somebody has to look after",
            code="approval.lock",
            next_step="Run the `trimtab anchor lock` again that proposed it: it uses the approval.",
        )


def known_leases(
    ledger_path: Path, *, database: Mapping[str, object] | None = None, clock: Callable[[], int] = time.time_ns
) -> tuple[Lease, ...]:
    """Return the leases of the ledger, of one database or of all. Asks no server. Raises LedgerError."""
    with closing(Ledger.open(ledger_path)) as ledger:
        return leases(ledger.entries(), clock(), database=database)


def _settled(desk: _Desk, request: LockRequest, lease: Lease, strategy: Strategy, applied: Sequence[Applied]) -> Lease:
    """Keep the lock when the anchored plan is chosen now. Whatever else happens, it is taken back."""
    try:
        found = desk.shape(request.query, request.expected, request.role, strategy.changes)
    except BaseException:
        _withdraw(desk, applied)
        desk.journal().ended(strategy.id, Outcome.REVERTED, "it could not be seen whether the lock holds")
        desk.note(lease, Note.NOT_HELD, "it could not be seen whether the lock holds")
        raise
    if found == request.expected.plan_shape:
        desk.journal().ended(strategy.id, Outcome.KEPT, "the anchored plan is chosen")
        return desk.note(lease, Note.VERIFIED, "the anchored plan is chosen")
    reason = f"the plan is of the shape {found}, not of {request.expected.plan_shape}"
    _withdraw(desk, applied)
    desk.journal().ended(strategy.id, Outcome.REVERTED, reason)
    return desk.note(lease, Note.NOT_HELD, reason)


def _withdraw(desk: _Desk, applied: Sequence[Applied]) -> None:
    for each in reversed(applied):
        desk.enforcer.revert(each)


def _looked_at(desk: _Desk, lease: Lease, query: Query) -> Lease:
    changes = [applied.change for applied in _standing(desk, lease)]
    found = desk.shape(query, lease.expected, lease.role, changes)
    if found == lease.expected.plan_shape:
        return desk.note(lease, Note.VERIFIED, "the anchored plan is chosen")
    return desk.note(lease, Note.BROKEN, f"the plan is of the shape {found}, not of {lease.expected.plan_shape}")


def _reviewed(desk: _Desk, lease: Lease, query: Query, try_without: TryWithout, ttl_days: float) -> Lease:
    try:
        tried = try_without(lease, query, _standing(desk, lease))
    except SourceError:
        raise
    except TrimtabError as error:
        tried = Tried(None, f"it could not be tried without the lock: {error}")
    if tried.is_as_good and lease.flips < MOST_FLIPS:
        return _taken_back(desk, lease, Note.RETIRED, tried.reason)
    reason = tried.reason
    if tried.is_as_good:
        reason = f"it would be retired, but its plan was flipped {lease.flips} times within a day: {tried.reason}"
    renewed = replace(lease, expires_ns=desk.clock() + int(ttl_days * DAY_NS))
    return desk.note(renewed, Note.RENEWED, reason)


def _taken_back(desk: _Desk, lease: Lease, note: Note, reason: str) -> Lease:
    _withdraw(desk, _standing(desk, lease))
    desk.journal().ended(lease.strategy_id, Outcome.REVERTED, reason)
    return desk.note(lease, note, reason)


def _standing(desk: _Desk, lease: Lease) -> tuple[Applied, ...]:
    return applied_changes(desk.ledger.entries(), database=desk.database, strategy_id=lease.strategy_id)


def _forget_statistics(desk: _Desk) -> None:
    """Remove files of statistics that no change needs any more: those of what stands, is open, or waits, stay."""
    entries = tuple(desk.ledger.entries())
    changes = [c for applied in applied_changes(entries) for c in (applied.change, applied.inverse)]
    changes += [c for each in waiting_in(entries, desk.clock()) if each.is_open for c in each.request.strategy.changes]
    needed = {change.file_sha256 for change in changes if isinstance(change, RestoreStatistics)}
    for intent in intents(entries):
        if intent.result is None:
            found = (intent.intended.mapping(key).get("file_sha256") for key in ("change", "inverse"))
            needed |= {str(digest) for digest in found if digest is not None}
    files = StatisticsFiles(desk.ledger.path.parent / DIRECTORY)
    files.forget(needed, written_before=(desk.clock() - DAY_NS) / 1e9)


def _active(desk: _Desk, lease_id: str) -> Lease:
    found = next((lease for lease in desk.known() if lease.id == lease_id), None)
    if found is None:
        raise UsageError(
            f"there is no lease {lease_id} of {desk.snapshot.server.database}",
            code="lock.unknown",
            next_step="List the leases, and give the id of one of this database.",
        )
    if found.state not in ACTIVE:
        raise UsageError(
            f"lease {lease_id} was left as it is: it is {found.state.value}, and nothing of it stands",
            code="lock.not_active",
            next_step="Nothing needs to be done; make a new lock if the plan is to be held.",
        )
    return found


def _make_way(desk: _Desk, lease: Lease) -> None:
    """Refuse to set a lock that holds already. One that is broken, or was undone by others, makes way."""
    for other in desk.known():
        if other.is_active and (other.query_id, other.strategy_id) == (lease.query_id, lease.strategy_id):
            gone = undone(desk.enforcer.connection, _standing(desk, other), desk.snapshot)
            if other.state is LeaseState.BROKEN or gone:
                _taken_back(desk, other, Note.REPLACED, f"it did not hold: {lease.id} takes its place")
                continue
            raise RefusedError(
                f"the plan of {lease.query_id} was not locked again: lease {other.id} holds it by the same changes",
                code="lock.held",
                next_step=f"Release {other.id} first, or let it be reviewed.",
            )


def _refuse_flipping(desk: _Desk, lease: Lease, *, is_confirmed: bool) -> None:
    count = flips(desk.ledger.entries(), lease.query_id, desk.clock(), database=desk.database)
    if count < MOST_FLIPS:
        return
    if is_confirmed:
        desk.note(lease, Note.CONFIRMED, f"a person said to go on after {count} flips within a day")
        return
    desk.note(lease, Note.FROZEN, f"its plan was flipped {count} times within a day")
    raise RefusedError(
        f"the plan of {lease.query_id} was not locked: it was flipped {count} times within a day",
        code="lock.frozen",
        next_step="Find out why the plan does not stay, then confirm that it is to be locked all the same.",
    )


def _strategy(request: LockRequest) -> Strategy:
    sizes: dict[str, float | int | str] = {}
    for change in request.changes:
        if change.kind == "create_index" and (name := getattr(change, "name", "")):
            sizes[f"size_bytes.{name}"] = request.size_bytes
    return Strategy(
        changes=request.changes,
        proposer=PROPOSER,
        title=f"Lock the plan of {request.query.id}: {request.mechanism}",
        reason=f"the plan of the shape {request.expected.plan_shape} is to be chosen again",
        query_ids=(request.query.id,),
        size_bytes=request.size_bytes,
        evidence=sizes,
    )


def _run_id() -> str:
    return "k-" + uuid.uuid4().hex[:10]
