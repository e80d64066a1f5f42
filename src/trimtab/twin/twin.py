"""The statistics twin as the rooms above see it: build it, ask it what-if, ask how faithful it is, throw it away.

A hypothetical index is a real, empty index of the right length and height, made once and shown only to the
configuration that asks for it. Every answer is a plan of PostgreSQL's own planner; no query is ever run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

import psycopg

from trimtab.db import queries as sql
from trimtab.db.connection import Connection, connect
from trimtab.db.explain import explain
from trimtab.db.failures import source_error
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import TrimtabError
from trimtab.model.catalog import Snapshot
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    DropStatistics,
    SetSetting,
    change_digest,
    touched_table,
)
from trimtab.model.plan import Plan
from trimtab.model.whatif import PlanFailure
from trimtab.model.workload import Query
from trimtab.twin.build import DATABASE, build
from trimtab.twin.fidelity import Fidelity, compare
from trimtab.twin.hypothetical import HypotheticalIndexes

# What the planner reads, beside the tables' statistics: categories of pg_settings.
_PLANNER_SETTINGS = (
    "enable_",
    "cpu_",
    "geqo",
    "jit_above_cost",
    "jit_inline_above_cost",
    "jit_optimize_above_cost",
    "parallel_",
    "min_parallel_",
    "max_parallel_workers_per_gather",
    "seq_page_cost",
    "random_page_cost",
    "effective_cache_size",
    "effective_io_concurrency",
    "work_mem",
    "hash_mem_multiplier",
    "from_collapse_limit",
    "join_collapse_limit",
    "cursor_tuple_fraction",
    "constraint_exclusion",
    "plan_cache_mode",
    "recursive_worktable_factor",
    "debug_parallel_query",
    "search_path",
)


class Twin:
    """A running twin. Use it as a context manager: it is gone afterwards."""

    def __init__(self, server: Server, connection: Connection, problems: tuple[str, ...]) -> None:
        self._server = server
        self._connection = connection
        self._indexes = HypotheticalIndexes(server, connection)
        self._statistics: dict[str, tuple[object, ...]] = {}
        self._cache: dict[tuple[str, frozenset[str]], Plan | PlanFailure] = {}
        self._relations: dict[str, frozenset[tuple[str, str]]] = {}
        self.problems = problems
        self.planner_calls = 0

    @classmethod
    def build(
        cls, conninfo: str, snapshot: Snapshot, binaries: Binaries, *, progress: Callable[[int, int, str], None]
    ) -> Twin:
        """Return the twin of the source. `problems` tells what could not be carried over. Raises LabError."""
        built = build(conninfo, binaries, progress=progress)
        try:
            connection = connect(built.server.dsn(DATABASE), read_only=False)
            refused = _take_over_settings(connection, snapshot)
        except BaseException:
            built.server.destroy()
            raise
        return cls(built.server, connection, (*built.problems, *refused))

    def __enter__(self) -> Twin:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Throw the twin away."""
        self._connection.close()
        self._server.destroy()

    def what_if(
        self, queries: Sequence[Query], configurations: Sequence[tuple[Change, ...]]
    ) -> list[list[Plan | PlanFailure]]:
        """Return, per configuration, the plan of each query. Answers are kept by what is relevant to the query."""
        self._learn_relations(queries)
        wanted = [change for changes in configurations for change in changes if isinstance(change, CreateIndex)]
        self._indexes.ensure(wanted)
        return [self._plans(queries, tuple(changes)) for changes in configurations]

    def size_bytes(self, changes: Sequence[CreateIndex]) -> list[int | None]:
        """Return the estimated sizes of indexes that do not exist yet; None for one that the server would refuse."""
        self._indexes.ensure(changes)
        return [self._indexes.size_bytes(change) for change in changes]

    def import_statistics(self, change: CreateStatistics, lab: Connection) -> None:
        """Take from the lab what the statistics object would hold; until then it has no effect on the twin's plans."""
        rows = lab.execute(sql.load("twin_extended", lab.info.server_version)).fetchall()
        for row in rows:
            if (row[0], row[1]) == (change.schema, change.name):
                self._statistics[change_digest(change)] = row
        self._cache = {key: plan for key, plan in self._cache.items() if change_digest(change) not in key[1]}

    def fidelity(self, source: Connection, queries: Sequence[Query]) -> Fidelity:
        """Compare the twin's plans with the source's own, as it is."""
        [mine] = self.what_if(queries, [()])
        theirs: list[Plan | PlanFailure] = []
        for query in queries:
            try:
                theirs.append(explain(source, query))
            except TrimtabError as error:
                theirs.append(PlanFailure("", str(error)))
        return compare(queries, theirs, mine)

    def _plans(self, queries: Sequence[Query], changes: tuple[Change, ...]) -> list[Plan | PlanFailure]:
        keys = {query.id: (query.id, self._relevant(query, changes)) for query in queries}
        missing = [query for query in queries if keys[query.id] not in self._cache]
        if missing:
            for query, plan in zip(missing, self._ask(missing, changes), strict=True):
                self._cache[keys[query.id]] = plan
        return [self._cache[keys[query.id]] for query in queries]

    def _relevant(self, query: Query, changes: Sequence[Change]) -> frozenset[str]:
        """Return the digests of the changes that can touch the query's plan."""
        relations = self._relations.get(query.id)
        return frozenset(
            change_digest(change)
            for change in changes
            if relations is None or (table := touched_table(change)) is None or table in relations
        )

    def _learn_relations(self, queries: Sequence[Query]) -> None:
        unknown = [query for query in queries if query.id not in self._relations]
        for query, plan in zip(unknown, self._ask(unknown, ()) if unknown else [], strict=True):
            self._cache[query.id, frozenset()] = plan
            if isinstance(plan, Plan):
                # A plan can leave out relations that constraint exclusion or a constant made needless; what it
                # leaves out for such reasons no index brings back.
                self._relations[query.id] = plan.relations

    def _ask(self, queries: Sequence[Query], changes: Sequence[Change]) -> list[Plan | PlanFailure]:
        """Plan the queries with these changes in force, in one transaction that is rolled back."""
        connection = self._connection
        answers: list[Plan | PlanFailure] = []
        with connection.transaction(force_rollback=True):
            failure = self._set_up(changes)
            for query in queries:
                answers.append(failure or self._plan(query))
        return answers

    def _set_up(self, changes: Sequence[Change]) -> PlanFailure | None:
        connection = self._connection
        try:
            self._indexes.show([c for c in changes if isinstance(c, CreateIndex)])
            self._indexes.hide([c for c in changes if isinstance(c, DropIndex)])
            for change in changes:
                if isinstance(change, SetSetting):
                    _set_locally(connection, change)
                elif isinstance(change, CreateStatistics) and change_digest(change) in self._statistics:
                    connection.execute(change.sql().encode())
                    values = self._statistics[change_digest(change)]
                    connection.execute(sql.load("twin_extended_store", connection.info.server_version), values)
                elif isinstance(change, DropStatistics):
                    connection.execute(change.sql().encode())
        except psycopg.Error as error:
            return PlanFailure(error.sqlstate or "", str(source_error(error)))
        return None

    def _plan(self, query: Query) -> Plan | PlanFailure:
        self.planner_calls += 1
        try:
            with self._connection.transaction():
                return explain(self._connection, query)
        except TrimtabError as error:
            return PlanFailure(error.code, str(error))


def _set_locally(connection: Connection, change: SetSetting) -> None:
    if change.value is None:
        connection.execute(f'SET LOCAL "{change.name}" TO DEFAULT'.encode())
    else:
        connection.execute("select pg_catalog.set_config($1, $2, true)", (change.name, change.value))


def _take_over_settings(connection: Connection, snapshot: Snapshot) -> list[str]:
    """Set the source's planner settings on the twin's session; return what the twin's version refused."""
    refused = []
    for name, value in _planner_settings(snapshot).items():
        try:
            connection.execute("select pg_catalog.set_config($1, $2, false)", (name, value))
        except psycopg.Error as error:
            refused.append(f"setting {name} was not taken over: {source_error(error)}")
    return refused


def _planner_settings(snapshot: Snapshot) -> Mapping[str, str]:
    return {
        name: setting.value + (setting.unit if setting.unit not in (None, "8kB") else "")
        for name, setting in snapshot.settings.items()
        if name.startswith(_PLANNER_SETTINGS) or name == "jit"
    }
