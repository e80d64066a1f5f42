"""Explains what became of an anchor: which queries are slower and by what, which plans are others now, and why.

What differs is taken back on the twin. The source is read, and asked for plans; no query of it is run, and nothing is
changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from trimtab.anchor.holding import settings_for
from trimtab.anchor.record import Measuring, measure_levels
from trimtab.anchor.store import AnchorStore
from trimtab.db.connection import Connection, source_error
from trimtab.db.role import reading
from trimtab.embedded.binaries import Binaries
from trimtab.errors import AnchorError, LabError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.anchor_chain import put_back_names, store_of
from trimtab.lifecycle.anchoring import READ_TIMEOUT_MS
from trimtab.lifecycle.attribution import why_flipped
from trimtab.lifecycle.compared_queries import Pair
from trimtab.lifecycle.generic_switch import How, TwoForms, attributed, two_forms
from trimtab.lifecycle.level_now import level_now
from trimtab.lifecycle.slowing import Slowed, Slowing, slowing
from trimtab.model.anchor import Anchor, AnchoredPlan, QueryLevel
from trimtab.model.catalog import ServerIdentity, version_text
from trimtab.model.flip import Attribution
from trimtab.model.plan_shape import PlanShape
from trimtab.model.watch import Watcher
from trimtab.model.workload import Query
from trimtab.observe.parents import read_parents
from trimtab.observe.snapshot import take_snapshot
from trimtab.twin.capture import Image, read_image
from trimtab.twin.definitions import read_definitions
from trimtab.twin.difference import Standpoint, effective_settings, same_indexes
from trimtab.twin.image import load
from trimtab.twin.moments import TwinMoments

MOST = 20


@dataclass(frozen=True, slots=True)
class ExplainRequest:
    """What is to be explained: an anchor of this machine, and its database as it is now.

    `workload` has the texts, which the anchor has not: a file, statements, or None for pg_stat_statements. `query_ids`
    are those to explain, None for all whose plan changed; `role` is whose settings they are planned with, "" for our
    own; at most `MOST`, the heaviest first. With `only_plans` nobody is asked which queries are slower.
    """

    conninfo: str
    ledger_path: Path
    name: str
    workload: Path | tuple[str, ...] | None = None
    query_ids: tuple[str, ...] | None = None
    pg_bin: Path | None = None
    seed: int = 1
    role: str = ""
    only_plans: bool = False


@dataclass(frozen=True, slots=True)
class ExplainedPlan:
    """One query. `attribution` is None where its plan is as it was, or could not be compared: `note` says which."""

    query_id: str
    share: float
    attribution: Attribution | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ExplainedAnchor:
    """What became of an anchor's plans: how many are as they were, how many cannot be compared, and of others why.

    `slowing` are the queries that take longer, whatever their plan is, and by what; None of another server. `alarms`
    are what a watcher has found out of these queries since the anchor, the newest last, as the ledger has it.
    """

    anchor_id: str
    same: int
    unknown: int
    changed: tuple[ExplainedPlan, ...]
    missing: tuple[str, ...]
    is_other_server: bool = False
    slowing: Slowing | None = None
    alarms: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the source told: its workload, the levels of then and now of each wanted query that can be planned, those
    whose plan is another one, and those that may get the one for any values in place of the one for their own.
    """

    queries: Mapping[str, Query]
    pairs: tuple[Pair, ...]
    changed: tuple[Pair, ...]
    two_forms: tuple[TwoForms, ...]
    slower: Slowing | None
    version: int
    is_other: bool
    stand_for: Mapping[str, str]


def explain_plans(request: ExplainRequest, watcher: Watcher) -> ExplainedAnchor:
    """Return why plans are not those of the anchor any more.

    Raises AnchorError, also `anchor.no_statistics`, `anchor.no_query`, SourceError, WorkloadError, LabError.
    """
    store = store_of(request.ledger_path)
    anchor = store.find(request.name).anchor
    wanted = _wanted(anchor, request.query_ids)
    old = _image(store, anchor)
    seen = _seen(request, anchor, wanted, old, watcher)
    explained: list[ExplainedPlan] = []
    notes = {found.was.query_id: found.why_none for found in seen.two_forms if found.why_none}
    switches = [found for found in seen.two_forms if not found.why_none][:MOST]
    if seen.changed or switches:
        new = read_image(
            request.conninfo,
            _programs(request.pg_bin)(seen.version // 10000),
            with_values=old.source.has_values,
            progress=lambda done, total, what: watcher.progress(what, done, total),
        )
        for number, pair in enumerate(seen.changed[:MOST]):
            watcher.progress("taking back what differs", number, len(seen.changed[:MOST]))
            explained.append(_explained(old, new, pair, seen, request, anchor.server_version))
        for found in switches:
            plan = _switched(old, new, found, seen, request)
            if plan.attribution is not None:
                explained.append(plan)
            else:
                notes[plan.query_id] = plan.note
    explained += [ExplainedPlan(was.query_id, _share(was), None, "not looked at: too many changed")
                  for was, _ in seen.changed[MOST:]]  # fmt: skip
    found_in = {was.query_id for was, _ in seen.pairs}
    missing = tuple(was.query_id for was in wanted if was.query_id not in found_in)
    unknown = sum(not _is_known(was, now, seen.queries[was.query_id]) for was, now in seen.pairs)
    same = len(seen.pairs) - len(explained) - unknown
    slower = None if seen.slower is None else _with_switches(seen.slower, explained, notes)
    if request.only_plans:
        explained += [ExplainedPlan(query_id, 0.0, None, note) for query_id, note in notes.items()]
    told = () if request.only_plans else explained_alarms(request.ledger_path, anchor.id, {w.query_id for w in wanted})
    return ExplainedAnchor(anchor.id, same, unknown, tuple(explained), missing, seen.is_other, slower, told)


def _seen(
    request: ExplainRequest, anchor: Anchor, wanted: tuple[QueryLevel, ...], old: Image, watcher: Watcher
) -> _Seen:
    with closing(reading(request.conninfo, statement_timeout_ms=READ_TIMEOUT_MS)) as source:
        snapshot = take_snapshot(
            source,
            request.workload,
            seed=request.seed,
            progress=lambda done, total, what: watcher.progress(what, done, total),
        )
        stand_for = put_back_names(request.ledger_path, snapshot.server)
        names = _index_names(old, source, stand_for)
        how = How(settings_for(snapshot, request.role, ()), read_parents(source), names)
        levels = measure_levels(
            source,
            snapshot.workload.queries,
            Measuring(0, READ_TIMEOUT_MS, 0.0),
            parents=how.parents,
            index_names=names,
            settings=how.settings,
        )
        is_other = is_of_another_server(anchor, snapshot.server)
        later = None if is_other or request.only_plans else level_now(source, snapshot, levels, now_ns=time.time_ns())
        slower = None if later is None else slowing(anchor, later, only={was.query_id for was in wanted})
        queries = {query.id: query for query in snapshot.workload.queries}
        pairs = [(was, levels[was.query_id]) for was in wanted if was.query_id in levels]
        changed = [(was, now) for was, now in pairs if _flip(was, now, queries[was.query_id]) is not None]
        # A watcher asks of a query that is slower for no other reason; here it is known of which ones that is so.
        unexplained = {one.query_id for one in slower.slowed if one.kind is None} if slower is not None else set()
        suspects = [
            pair for pair in pairs if pair not in changed and (request.only_plans or pair[0].query_id in unexplained)
        ]
        found = [two_forms(source, queries[was.query_id], was, now, how, seed=request.seed) for was, now in suspects]
        changed.sort(key=lambda pair: -_share(pair[0]))
        return _Seen(
            queries,
            tuple(pairs),
            tuple(changed),
            tuple(each for each in found if each is not None),
            slower,
            source.info.server_version,
            is_other,
            stand_for,
        )


def _with_switches(slower: Slowing, explained: Sequence[ExplainedPlan], notes: Mapping[str, str]) -> Slowing:
    """Tell of queries that nothing else explains that they get the plan for any values, or why that is not told."""
    switched = {plan.query_id: plan.attribution for plan in explained if plan.attribution is not None}
    told: list[Slowed] = []
    for slowed in slower.slowed:
        found = switched.get(slowed.query_id) if slowed.kind is None else None
        if found is not None:
            told.append(replace(slowed, kind=found.kind, reason=found.reason))
        elif slowed.query_id in notes:
            told.append(replace(slowed, reason=f"{slowed.reason}; {notes[slowed.query_id]}"))
        else:
            told.append(slowed)
    return replace(slower, slowed=tuple(told))


def explained_alarms(ledger_path: Path, anchor_id: str, query_ids: Collection[str]) -> tuple[Mapping[str, object], ...]:
    """Return what a watcher has found out of alarms of these queries against an anchor. Raises LedgerError."""
    with Ledger.open(ledger_path) as ledger:
        found = [
            entry.body
            for entry in ledger.entries(Kind.WATCH_EXPLAINED)
            if entry.text("anchor_id") == anchor_id and entry.text("query_id") in query_ids
        ]
    return tuple(found[-MOST:])


def _index_names(old: Image, source: Connection, stand_for: Mapping[str, str]) -> dict[str, str]:
    """Return `stand_for` and, of indexes that are the same under another name now, the names of then."""
    try:
        same = same_indexes(old.source.definitions, read_definitions(source))
    except psycopg.Error as error:
        raise source_error(error) from None
    return {**stand_for, **{now: stand_for.get(was, was) for now, was in same.items()}}


def is_of_another_server(anchor: Anchor, server: ServerIdentity) -> bool:
    """Return whether the anchor is of another server, or database: by what both tell of themselves."""
    is_told = bool(anchor.server[0] and server.system_identifier)
    return is_told and anchor.server != server.of_database


def _wanted(anchor: Anchor, query_ids: Collection[str] | None) -> tuple[QueryLevel, ...]:
    """Return the anchor's levels of these queries, or all. An id that it does not have is refused, not "as it was"."""
    if query_ids is None:
        return anchor.queries
    unknown = sorted(set(query_ids) - {level.query_id for level in anchor.queries})
    if unknown:
        raise AnchorError(
            f"the plans of {anchor.id} were not looked at: it does not have the query {unknown[0]}",
            code="anchor.no_query",
            next_step=f"`trimtab anchor show {anchor.id}` shows the ids of its queries.",
        )
    return tuple(level for level in anchor.queries if level.query_id in query_ids)


def _image(store: AnchorStore, anchor: Anchor) -> Image:
    path = store.statistics(anchor)
    if path is None:
        raise AnchorError(
            f"the plans of {anchor.id} cannot be explained: the planner's statistics of that moment are not here",
            code="anchor.no_statistics",
            next_step="Take anchors without --no-statistics; they are kept while an anchor in force rests on them.",
        )
    return load(path)


def _flip(was: QueryLevel, now: QueryLevel, query: Query) -> tuple[PlanShape, PlanShape, bool] | None:
    """Return the old and the new shape, and whether they are for any parameters; None where the plan is as it was.

    Values that were drawn can be others at each time: of such a query the plan for any values is compared.
    """
    if not _is_known(was, now, query):
        return None
    (old_hash, old), (new_hash, new) = (_compared(level, was, now, query) for level in (was, now))
    assert old is not None and new is not None  # noqa: PT018 - both are known
    if old_hash == new_hash:
        return None
    return old.shape(old_hash), new.shape(new_hash), _is_generic(was, now, query)


def _is_known(was: QueryLevel, now: QueryLevel, query: Query) -> bool:
    """Whether both have the plan that is compared."""
    return all(_compared(level, was, now, query)[1] is not None for level in (was, now))


def _is_generic(was: QueryLevel, now: QueryLevel, query: Query) -> bool:
    return bool(query.parameter_count and was.generic_shape and now.generic_shape)


def _compared(level: QueryLevel, was: QueryLevel, now: QueryLevel, query: Query) -> tuple[str, AnchoredPlan | None]:
    is_generic = _is_generic(was, now, query) or query.is_synthetic
    return (level.generic_shape, level.generic_plan) if is_generic else (level.plan_shape, level.plan)


def _share(level: QueryLevel) -> float:
    return level.counted.share if level.counted is not None else 0.0


def _explained(
    old: Image, new: Image, pair: Pair, seen: _Seen, request: ExplainRequest, version_then: int
) -> ExplainedPlan:
    was, now = pair
    query = seen.queries[was.query_id]
    flip = _flip(was, now, query)
    assert flip is not None, "only changed plans are explained"
    before, after, is_generic = flip
    try:
        found = why_flipped(
            old,
            new,
            query,
            (before, after),
            standpoint=Standpoint(request.role or None),
            was_generic=is_generic,
            others=[q for q in seen.queries.values() if q.normalized_text == query.normalized_text and q is not query],
            index_names=seen.stand_for,
            programs=_programs(request.pg_bin),
        )
    except LabError as error:
        return ExplainedPlan(was.query_id, _share(was), None, str(error))
    if not found.is_attributed and version_then != seen.version:
        told = f"the server was PostgreSQL {version_text(version_then)} and is {version_text(seen.version)}"
        found = replace(found, reason=f"{found.reason}; {told}")
    return ExplainedPlan(was.query_id, _share(was), found)


def _switched(old: Image, new: Image, found: TwoForms, seen: _Seen, request: ExplainRequest) -> ExplainedPlan:
    was, standpoint = found.was, Standpoint(request.role or None)
    try:
        with TwinMoments(
            old,
            new,
            found.query,
            standpoint=standpoint,
            index_names=seen.stand_for,
            programs=_programs(request.pg_bin),
        ) as moments:
            told = attributed(found, moments, effective_settings(old.source, standpoint))
    except LabError as error:
        return ExplainedPlan(was.query_id, _share(was), None, str(error))
    if isinstance(told, str):
        return ExplainedPlan(was.query_id, _share(was), None, told)
    return ExplainedPlan(was.query_id, _share(was), told)


def _programs(pg_bin: Path | None) -> Callable[[int], Binaries]:
    """Return what finds the programs of a version: those of `pg_bin` where they are of it."""

    def of(major: int) -> Binaries:
        if pg_bin is not None and (named := Binaries.find(pg_bin)).version[0] == major:
            return named
        return Binaries.for_major(major)

    return of
