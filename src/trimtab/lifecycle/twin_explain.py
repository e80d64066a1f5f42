"""What `trimtab twin explain` does: a workload's plans without and with hypothetical changes, all of them together.

A change that cannot be had is told as such, and the others are explained. Nothing here changes a source, and no query
is run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import psycopg

from trimtab.db.connection import Connection
from trimtab.errors import SourceError, UsageError
from trimtab.lifecycle.twin_origin import Origin, open_source, open_twin, told
from trimtab.lifecycle.twin_wishes import Wish, Wishes, read_wishes
from trimtab.model.change import CreateIndex, CreateStatistics
from trimtab.model.plan import Plan
from trimtab.model.watch import Watcher
from trimtab.model.whatif import Hypothesis, StatisticsTarget, WhatIf
from trimtab.model.workload import Query, Workload
from trimtab.observe.snapshot import take_snapshot
from trimtab.twin.build import lost
from trimtab.twin.hypopg import HypoPG
from trimtab.twin.roles import resolved_search_path, search_in
from trimtab.twin.twin import Twin

REFUSED = "twin.refused"
"""The code of what the server, or the engine, refuses; what cannot even be read has one of its own."""
_BEYOND_HYPOPG = "HypoPG cannot imagine it: it only adds indexes"


@dataclass(frozen=True, slots=True)
class QueryExplained:
    """One query without and with the hypothetical changes. Costs are the planner's, None where planning failed.

    `uses` are the hypothetical indexes that its plan uses; `failure` says why it was not planned, or is "".
    """

    query: Query
    cost_before: float | None
    cost_after: float | None
    uses: tuple[str, ...]
    failure: str


@dataclass(frozen=True, slots=True)
class IndexExplained:
    """A hypothetical index as it was written, and its estimated size; None with the reason why it was refused.

    `change` is None where it could not even be read; `code` is the reason's; `note` tells what the size rests on.
    """

    written: str
    change: CreateIndex | None
    size_bytes: int | None
    refusal: str
    note: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class StatisticsExplained:
    """A hypothetical statistics object: why it has no effect, or ""; the rest is as in IndexExplained."""

    written: str
    change: CreateStatistics | None
    refusal: str
    note: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class TargetExplained:
    """A hypothetical statistics target: why it has no effect, or ""; the rest is as in IndexExplained."""

    written: str
    target: StatisticsTarget | None
    refusal: str
    note: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Thought:
    """What was thought away, or a setting, as it was written: why it has no effect, or "", and the reason's code."""

    written: str
    refusal: str
    code: str


@dataclass(frozen=True, slots=True)
class Explained:
    """What hypothetical changes would do to a workload. `role` is as in Checked."""

    workload: Workload
    queries: tuple[QueryExplained, ...]
    indexes: tuple[IndexExplained, ...]
    drops: tuple[Thought, ...]
    settings: tuple[Thought, ...]
    statistics: tuple[StatisticsExplained, ...]
    targets: tuple[TargetExplained, ...]
    planner_calls: int
    build_seconds: float
    engine: str
    problems: tuple[str, ...]
    role: str | None = None

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why changes have no effect, or queries were not planned; none when all is told."""
        changes: list[IndexExplained | StatisticsExplained | TargetExplained | Thought]
        changes = [*self.indexes, *self.drops, *self.settings, *self.statistics, *self.targets]
        return (
            *(f"{one.written}: {one.refusal}" for one in changes if one.refusal),
            *(f"query {one.query.name}: {one.failure}" for one in self.queries if one.failure),
        )


def explain(
    origin: Origin,
    workload: Path | None,
    wishes: Wishes,
    watcher: Watcher,
    *,
    seed: int,
    engine: str = "twin",
    generic: bool | None = None,
) -> Explained:
    """Plan a workload without and with the hypothetical changes. Raises SourceError, LabError, UsageError.

    `engine` is "twin", or "hypopg" for a server that has this extension. `generic` true plans for any parameters. What
    is wrong with one change, or with one query, is told with it.
    """
    with _asked(origin, engine, watcher) as asked:
        with nullcontext() if origin.is_live else _twin_alive(asked.reader):
            found = take_snapshot(asked.reader, workload, seed=seed, progress=told(watcher)).workload
        planner = asked.reader if asked.twin is None else asked.twin.connection
        read = read_wishes(wishes, asked.reader, planner)
        if asked.twin is None:
            read = read.with_refused(_BEYOND_HYPOPG, REFUSED)
        changes = read.changes
        before, after = asked.what_if.what_if(found.queries, [(), tuple(changes)], generic=generic)
        indexes = tuple(asked.index(wish, changes) for wish in read.indexes)
        there = [one.change for one in indexes if one.change is not None and not one.refusal]
        return Explained(
            workload=found,
            queries=tuple(
                _explained(query, b, a, there) for query, b, a in zip(found.queries, before, after, strict=True)
            ),
            indexes=indexes,
            drops=tuple(Thought(wish.written, wish.refusal, wish.code) for wish in read.drops),
            settings=tuple(Thought(wish.written, wish.refusal, wish.code) for wish in read.settings),
            statistics=tuple(
                StatisticsExplained(w.written, w.change, *asked.basis(w, changes)) for w in read.statistics
            ),
            targets=tuple(TargetExplained(w.written, w.change, *asked.basis(w, changes)) for w in read.targets),
            planner_calls=asked.what_if.planner_calls,
            build_seconds=asked.seconds,
            engine=engine,
            problems=asked.twin.problems if asked.twin is not None else (),
            role=asked.twin.role if asked.twin is not None else origin.as_role,
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What answers: an engine, a session to look names up in, and the twin when it is one."""

    what_if: WhatIf
    reader: Connection
    seconds: float
    twin: Twin | None

    def index(self, wish: Wish[CreateIndex], among: Sequence[Hypothesis]) -> IndexExplained:
        """Return what is known of it."""
        if wish.change is None:
            return IndexExplained(wish.written, None, None, wish.refusal, "", wish.code)
        if refusal := self.what_if.refusal(wish.change, among):
            return IndexExplained(wish.written, wish.change, None, refusal, "", REFUSED)
        [size_bytes] = self.what_if.size_bytes([wish.change])
        note = self.twin.note(wish.change) if self.twin is not None else "HypoPG's own estimate"
        return IndexExplained(wish.written, wish.change, size_bytes, "", note)

    def basis(
        self, wish: Wish[CreateStatistics] | Wish[StatisticsTarget], among: Sequence[Hypothesis]
    ) -> tuple[str, str, str]:
        """Return why hypothetical statistics have no effect, or "", what they rest on, and the reason's code."""
        if wish.change is None:
            return wish.refusal, "", wish.code
        assert self.twin is not None, "the other engine only adds indexes"
        if refusal := self.twin.refusal(wish.change, among):
            return refusal, "", REFUSED
        return "", self.twin.note(wish.change, among), ""


@contextmanager
def _asked(origin: Origin, engine: str, watcher: Watcher) -> Iterator[_Asked]:
    if engine == "twin":
        with open_twin(origin, watcher) as (twin, seconds), closing(_reader(origin, twin)) as reader:
            if origin.as_role is not None:  # Names mean what they mean to the role.
                search_in(reader, resolved_search_path(twin.connection))
            yield _Asked(twin, reader, seconds, twin)
        return
    if engine != "hypopg" or not origin.is_live or origin.conninfo is None:
        raise UsageError(
            f"--engine {engine} was refused: it is twin, or hypopg with a server to ask",
            code="usage.engine",
            next_step="Write --engine twin, or --engine hypopg and the DSN of a server that has the extension.",
        )
    started = time.perf_counter()
    with HypoPG.connect(origin.conninfo, role=origin.as_role) as hypopg:
        seconds = time.perf_counter() - started
        with closing(open_source(origin.conninfo)) as reader:
            yield _Asked(hypopg, reader, seconds, None)


@contextmanager
def _twin_alive(reader: Connection) -> Iterator[None]:
    """Say that the twin ended, where the session that reads is one of its own. Raises LabError `twin.lost`."""
    try:
        yield
    except SourceError:
        if not reader.closed:
            raise
        raise lost(psycopg.OperationalError()) from None


def _explained(query: Query, before: object, after: object, indexes: Sequence[CreateIndex]) -> QueryExplained:
    failed = next((answer for answer in (before, after) if not isinstance(answer, Plan)), None)
    used, read = (after.indexes, after.relations) if isinstance(after, Plan) else (frozenset(), frozenset())
    # A name that an index has already may be that one's, of another schema.
    there = before.indexes if isinstance(before, Plan) else frozenset()
    return QueryExplained(
        query=query,
        cost_before=before.cost if isinstance(before, Plan) else None,
        cost_after=after.cost if isinstance(after, Plan) else None,
        uses=tuple(
            change.name
            for change in indexes
            if change.name in used and (change.name not in there or (change.schema, change.table) in read)
        ),
        failure=getattr(failed, "reason", ""),
    )


def _reader(origin: Origin, twin: Twin) -> Connection:
    """Return a session to read the workload's surroundings from: the source where there is one, else the twin."""
    if origin.is_live and origin.conninfo is not None:
        return open_source(origin.conninfo)
    return twin.connect_read_only()
