"""Holds a query to the plan that an anchor has: finds why it is another now, and locks by what takes the cause away.

The ways are tried in the order of `anchor.mechanism`, each as a lease that is verified at once; one that does not bring
the plan back is taken back before the next. Nothing is done where nothing is proven to differ.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.anchor.lease import TTL_DAYS, Expected, Lease, LeaseState
from trimtab.anchor.mechanism import Capability, Choice, Mechanism, MechanismKind, Situation, choose, scopes_of
from trimtab.apply.enforce import database_body
from trimtab.db.role import APPLYING, reading
from trimtab.errors import ForbiddenError, RefusedError, UsageError
from trimtab.lifecycle.anchor_chain import store_of
from trimtab.lifecycle.anchoring import READ_TIMEOUT_MS
from trimtab.lifecycle.explaining import ExplainRequest, explain_plans, is_of_another_server
from trimtab.lifecycle.governing import governing, named
from trimtab.lifecycle.lock_situation import situation_of
from trimtab.lifecycle.lock_steering import steering_choice
from trimtab.lifecycle.lock_trial import trying_in_lab
from trimtab.lifecycle.locking import LockRequest, Tried, TryWithout, known_leases, lock, review
from trimtab.model.applied import Applied
from trimtab.model.catalog import Snapshot
from trimtab.model.flip import Attribution, SettingDifference
from trimtab.model.watch import Watcher
from trimtab.model.workload import Query
from trimtab.observe.snapshot import take_snapshot
from trimtab.spec.specification import Specification
from trimtab.twin.image import load


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """What is to be held: the plan of one query, as an anchor of this machine has it.

    `role` is who runs the query, "" for anybody; the others are as in `ExplainRequest` and `LockRequest`.
    """

    conninfo: str
    ledger_path: Path
    name: str
    query_id: str
    workload: Path | tuple[str, ...] | None = None
    role: str = ""
    spec: str | Path | None = None
    ttl_days: float = TTL_DAYS
    is_confirmed: bool = False
    pg_bin: Path | None = None
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Held:
    """What became of it: why the plan was another one, the lease that was verified, or None, and all that was tried."""

    anchor_id: str
    query_id: str
    attribution: Attribution
    lease: Lease | None
    tried: tuple[tuple[str, str], ...]
    closed: tuple[tuple[str, str], ...]


def hold(request: HoldRequest, watcher: Watcher) -> Held:
    """Lock the query's anchored plan on the source, as the specification allows.

    Where nothing that takes the cause away does, settings that steer the planner are looked for. Raises RefusedError
    `lock.unchanged` when the plan is the anchored one, `lock.unexplained` when nothing was proven; and what explaining
    and locking raise: `done` of a refusal is then the `Held`, with the cause and all that was tried.
    """
    store = store_of(request.ledger_path)
    anchor = store.find(request.name).anchor
    snapshot = _snapshot(request.conninfo, request.workload, request.seed, watcher)
    if is_of_another_server(anchor, snapshot.server) and not request.is_confirmed:
        raise RefusedError(
            f"{request.query_id} was not locked: {anchor.id} is of another server, or of another database",
            code="lock.other_server",
            next_step="Look where the connection leads. Where the server was upgraded or restored, add --confirm.",
        )
    attribution = _attribution(request, watcher)
    path = store.statistics(anchor)
    assert path is not None, "it was explained by them"
    old = load(path)
    specification = governing(request.spec, request.ledger_path)
    query = snapshot.workload.query(request.query_id)
    situation = situation_of(attribution, old, snapshot, specification, request.ledger_path)
    level = anchor.query(request.query_id)
    is_generic = level is not None and attribution.old.hash == level.generic_shape != level.plan_shape
    capability = _capability(snapshot, request.role, specification)
    attempts = _Attempts(request, query, situation, attribution, anchor.id, is_generic=is_generic)
    attempts.try_all(choose(situation, capability))
    if attempts.lease is None and attempts.can_go_on:
        steering = steering_choice(
            request.conninfo,
            request.ledger_path,
            snapshot,
            query,
            attribution,
            old,
            specification,
            capability,
            role=request.role,
            is_generic=is_generic,
            pg_bin=request.pg_bin,
            watcher=watcher,
        )
        attempts.try_all(steering)
    if attempts.lease is None and attempts.refusal is not None:
        attempts.refusal.done = attempts.held()
        raise attempts.refusal
    return attempts.held()


@dataclass(frozen=True, slots=True)
class ReviewRequest:
    """Which locks are to be reviewed: those of a database whose queries the workload has; renewed for `ttl_days`."""

    conninfo: str
    ledger_path: Path
    workload: Path | tuple[str, ...] | None = None
    spec: str | Path | None = None
    ttl_days: float = TTL_DAYS
    pg_bin: Path | None = None
    seed: int = 1


def review_all(request: ReviewRequest, watcher: Watcher) -> list[Lease]:
    """Review the locks; the lab is made only where one has run out. Raises what `review` and the lab raise."""
    snapshot = _snapshot(request.conninfo, request.workload, request.seed, watcher)
    queries = {query.id: query for query in snapshot.workload.queries}
    database = database_body(snapshot.server)
    known = known_leases(request.ledger_path, database=database)
    with ExitStack() as stack:
        try_without: TryWithout = _nobody_tries
        if any(lease.state is LeaseState.EXPIRED and lease.query_id in queries for lease in known):
            specification = named(request.spec, request.ledger_path)
            in_lab = trying_in_lab(
                request.conninfo,
                specification=specification,
                pg_bin=request.pg_bin,
                seed=request.seed,
                watcher=watcher,
            )
            try_without = stack.enter_context(in_lab)
        return review(
            request.conninfo, request.ledger_path, queries, try_without, spec=request.spec, ttl_days=request.ttl_days
        )


def _nobody_tries(_lease: Lease, _query: Query, _applied: tuple[Applied, ...]) -> Tried:
    return Tried(None, "it ran out meanwhile: the next review tries without it")


def _snapshot(conninfo: str, workload: Path | tuple[str, ...] | None, seed: int, watcher: Watcher) -> Snapshot:
    with closing(reading(conninfo, work=APPLYING, statement_timeout_ms=READ_TIMEOUT_MS)) as source:
        return take_snapshot(
            source,
            workload,
            seed=seed,
            progress=lambda done, total, what: watcher.progress(what, done, total),
        )


def _attribution(request: HoldRequest, watcher: Watcher) -> Attribution:
    explained = explain_plans(
        ExplainRequest(
            request.conninfo,
            request.ledger_path,
            request.name,
            request.workload,
            (request.query_id,),
            request.pg_bin,
            request.seed,
            request.role,
        ),
        watcher,
    )
    if request.query_id in explained.missing:
        raise UsageError(
            f"{request.query_id} was not locked: the workload of now does not have it",
            code="lock.no_query",
            next_step="Give a workload that holds the query: its text is needed to see which plan it gets.",
        )
    if not explained.changed:
        raise RefusedError(
            f"{request.query_id} was not locked: its plan is the one that {explained.anchor_id} has",
            code="lock.unchanged",
            next_step="Nothing needs to be done; a lock takes away what made a plan another one.",
        )
    [plan] = explained.changed
    if plan.attribution is None or not plan.attribution.is_attributed:
        found = plan.note if plan.attribution is None else plan.attribution.reason
        raise RefusedError(
            f"{request.query_id} was not locked: nobody knows why its plan is another one ({found})",
            code="lock.unexplained",
            next_step="`trimtab anchor explain` shows what was tried; nothing is changed on a guess.",
        )
    return plan.attribution


@dataclass(slots=True)
class _Attempts:
    """Tries ways one after another, and remembers what became of each. `refusal` is the first that forbade one."""

    request: HoldRequest
    query: Query
    situation: Situation
    attribution: Attribution
    anchor_id: str
    is_generic: bool
    lease: Lease | None = None
    refusal: RefusedError | None = None
    can_go_on: bool = True
    tried: list[tuple[str, str]] = field(default_factory=list)
    closed: list[tuple[str, str]] = field(default_factory=list)

    def try_all(self, choice: Choice) -> None:
        """Try the ways until one holds. What the specification forbids is told, and the next is tried.

        Who is refused for another reason, as by a lock that is held or frozen, would be refused each time.
        """
        self.closed += [(kind.value, reason) for kind, reason in choice.closed]
        for mechanism in choice.mechanisms:
            if self.lease is not None or not self.can_go_on:
                return
            if not mechanism.changes:
                self.tried.append((mechanism.kind.value, mechanism.reason))
                continue
            try:
                lease = lock(self._request(mechanism))
            except RefusedError as error:
                self.tried.append((mechanism.kind.value, str(error)))
                self.refusal = self.refusal or error
                self.can_go_on = isinstance(error, ForbiddenError)
                continue
            self.tried.append((mechanism.kind.value, lease.reason))
            if lease.is_active:
                self.lease = lease

    def held(self) -> Held:
        """Return what became of it."""
        return Held(self.anchor_id, self.query.id, self.attribution, self.lease, tuple(self.tried), tuple(self.closed))

    def _request(self, mechanism: Mechanism) -> LockRequest:
        is_mode = mechanism.kind is MechanismKind.PLAN_CACHE_MODE or any(
            isinstance(cause, SettingDifference) and cause.name == "plan_cache_mode"
            for cause in self.attribution.causes
        )
        is_index = mechanism.kind is MechanismKind.INDEX
        names = dict(zip((i.name for i in self.situation.indexes), self.situation.index_names, strict=True))
        request = self.request
        return LockRequest(
            conninfo=request.conninfo,
            ledger_path=request.ledger_path,
            query=self.query,
            expected=Expected(
                self.attribution.old.hash,
                "prepared" if is_mode else "generic" if self.is_generic else "custom",
                names if is_index else None,
            ),
            changes=mechanism.changes,
            mechanism=mechanism.kind.value,
            anchor_id=self.anchor_id,
            role=request.role,
            spec=request.spec,
            ttl_days=request.ttl_days,
            size_bytes=self.situation.index_bytes if is_index else 0,
            is_confirmed=request.is_confirmed,
        )


def _capability(snapshot: Snapshot, role: str, specification: Specification) -> Capability:
    server = snapshot.server
    return Capability(
        server_version=server.version,
        settable=snapshot.settable_scopes,
        # Without a role nobody knows who runs the query: what holds for the database holds for all.
        scopes=scopes_of(role, server.database) if role else (("database", server.database),),
        owned=frozenset((table.schema, table.name) for table in snapshot.tables if table.is_owned),
        extensions=snapshot.extensions,
        most_target=specification.limits.statistics.max_target,
    )
