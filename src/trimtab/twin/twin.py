"""The statistics twin as the rooms above see it: build it, ask it what-if, ask how faithful it is, throw it away.

A hypothetical index is a real, empty index of the right length and height, made once and shown only to the
configuration that asks for it. Every answer is a plan of PostgreSQL's own planner; no query is ever run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TypeAlias

import psycopg

from trimtab.db.connection import Connection, connect
from trimtab.db.explain import explain
from trimtab.db.failures import ServerError, source_error
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
from trimtab.twin.build import DATABASE, build, lost
from trimtab.twin.capture import read_image
from trimtab.twin.extended import ExtendedValues, may_read_values, read_values, store_values
from trimtab.twin.fidelity import Fidelity, compare
from trimtab.twin.hypothetical import HypotheticalIndexes
from trimtab.twin.settings import set_locally, take_over_settings

_Asked: TypeAlias = tuple[str, tuple[str | None, ...]]
"""What a plan depends on of a query: its text and its parameters."""


class Twin:
    """A running twin. Use it as a context manager: it is gone afterwards."""

    def __init__(self, server: Server, connection: Connection, problems: tuple[str, ...]) -> None:
        self._server = server
        self._connection = connection
        self._indexes = HypotheticalIndexes(server, connection)
        self._statistics: dict[str, tuple[ExtendedValues, ...]] = {}
        self._cache: dict[tuple[_Asked, frozenset[str]], Plan | PlanFailure] = {}
        self._plans_by_cost: dict[tuple[_Asked, float], Plan] = {}
        self._relations: dict[_Asked, frozenset[tuple[str, str]]] = {}
        self.problems = problems
        self.planner_calls = 0

    @classmethod
    def build(
        cls,
        conninfo: str,
        snapshot: Snapshot,  # noqa: ARG003 - the facts are read anew, with the schema
        binaries: Binaries,
        *,
        progress: Callable[[int, int, str], None],
    ) -> Twin:
        """Return the twin of the source. `problems` tells what could not be carried over. Raises LabError."""
        built = build(read_image(conninfo, binaries, progress=progress), binaries, progress=progress)
        connection = None
        try:
            connection = connect(built.server.dsn(DATABASE), read_only=False)
            refused = take_over_settings(connection, built.source)
        except BaseException:
            if connection is not None:
                connection.close()
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
        self._indexes.close()
        self._connection.close()
        self._server.destroy()

    def what_if(
        self, queries: Sequence[Query], configurations: Sequence[tuple[Change, ...]]
    ) -> list[list[Plan | PlanFailure]]:
        """Return, per configuration, the plan of each query. Answers are kept by what is relevant to the query.

        An index that the server would refuse is as if it were not there; a configuration that cannot be set up fails
        each of its queries. Raises LabError `twin.lost` when the twin ended.
        """
        with self._alive():
            self._learn_relations(queries)
            self._indexes.ensure([c for changes in configurations for c in changes if isinstance(c, CreateIndex)])
            return [self._plans(queries, changes) for changes in configurations]

    def size_bytes(self, changes: Sequence[CreateIndex]) -> list[int | None]:
        """Return the estimated sizes of indexes that do not exist yet; None for one that the server would refuse."""
        with self._alive():
            self._indexes.ensure(changes)
        return [self._indexes.size_bytes(change) for change in changes]

    def import_statistics(self, change: CreateStatistics, lab: Connection) -> None:
        """Take from the lab what the statistics object holds there; until then it has no effect on the twin's plans.

        Where the lab's role may not read it, `problems` says so. Raises ServerError when the lab fails.
        """
        digest = change_digest(change)
        try:
            if not may_read_values(lab):
                self.problems += (f"the lab's role may not read what {change.schema}.{change.name} holds",)
                return
            values = tuple(v for v in read_values(lab) if (v.schema, v.name) == (change.schema, change.name))
        except psycopg.Error as error:
            raise source_error(error) from None
        self._statistics[digest] = values
        self._cache = {key: plan for key, plan in self._cache.items() if digest not in key[1]}

    def fidelity(self, source: Connection, queries: Sequence[Query]) -> Fidelity:
        """Compare the twin's plans with the source's own, as it is. Raises ServerError when the source is lost."""
        [mine] = self.what_if(queries, [()])
        theirs: list[Plan | PlanFailure] = []
        for query in queries:
            try:
                theirs.append(explain(source, query))
            except TrimtabError as error:
                if source.closed:
                    raise
                theirs.append(_failure(error))
        return compare(queries, theirs, mine)

    def _plans(self, queries: Sequence[Query], changes: Sequence[Change]) -> list[Plan | PlanFailure]:
        keys = [(_asked(query), self._relevant(query, changes)) for query in queries]
        missing = {key: query for key, query in zip(keys, queries, strict=True) if key not in self._cache}
        if missing:
            answers = self._ask(tuple(missing.values()), changes)
            self._cache.update((key, self._shared(key[0], a)) for key, a in zip(missing, answers, strict=True))
        return [self._cache[key] for key in keys]

    def _shared(self, asked: _Asked, answer: Plan | PlanFailure) -> Plan | PlanFailure:
        """Return the equal plan that is there already: most changes leave most plans as they were."""
        if isinstance(answer, PlanFailure):
            return answer
        known = self._plans_by_cost.setdefault((asked, answer.cost), answer)
        return known if known == answer else answer

    def _relevant(self, query: Query, changes: Sequence[Change]) -> frozenset[str]:
        """Return the digests of the changes that can touch the query's plan."""
        relations = self._relations.get(_asked(query))
        if any(isinstance(change, SetSetting) for change in changes):
            relations = None  # A setting can bring back what the plan left out, as constraint_exclusion does.
        return frozenset(
            change_digest(change) for change in changes if relations is None or touched_table(change) in relations
        )

    def _learn_relations(self, queries: Sequence[Query]) -> None:
        unknown = [query for query in queries if _asked(query) not in self._relations]
        for query, plan in zip(unknown, self._plans(unknown, ()), strict=True):
            if isinstance(plan, Plan):
                # A plan can leave out relations that constraint exclusion or a constant made needless; what it
                # leaves out for such reasons no index brings back.
                self._relations[_asked(query)] = plan.relations

    def _ask(self, queries: Sequence[Query], changes: Sequence[Change]) -> list[Plan | PlanFailure]:
        """Plan the queries with these changes in force, in one transaction that is rolled back."""
        with self._connection.transaction(force_rollback=True):
            failure = self._set_up(changes)
            return [failure or self._plan(query) for query in queries]

    def _set_up(self, changes: Sequence[Change]) -> PlanFailure | None:
        try:
            self._indexes.show([c for c in changes if isinstance(c, CreateIndex)])
            self._indexes.hide([c for c in changes if isinstance(c, DropIndex)])
            for change in changes:
                if isinstance(change, SetSetting):
                    set_locally(self._connection, change)
                elif isinstance(change, CreateStatistics):
                    self._create_statistics(change)
                elif isinstance(change, DropStatistics):
                    self._connection.execute(change.sql().encode())
        except psycopg.Error as error:
            if self._connection.closed:
                raise
            return PlanFailure(error.sqlstate or "", str(source_error(error)))
        return None

    def _create_statistics(self, change: CreateStatistics) -> None:
        values = self._statistics.get(change_digest(change), ())
        if values:
            self._connection.execute(change.sql().encode())
        for value in values:
            store_values(self._connection, value)

    def _plan(self, query: Query) -> Plan | PlanFailure:
        self.planner_calls += 1
        try:
            with self._connection.transaction():
                return explain(self._connection, query)
        except TrimtabError as error:
            if self._connection.closed:
                raise
            return _failure(error)

    @contextmanager
    def _alive(self) -> Iterator[None]:
        """Say in our own words that the twin ended, whoever notices."""
        try:
            yield
        except psycopg.Error as error:
            raise lost(error) from None
        except TrimtabError as error:
            if not self._connection.closed and self._server.is_running:
                raise
            raise lost(psycopg.OperationalError()) from error


def _asked(query: Query) -> _Asked:
    return query.text, query.parameters


def _failure(error: TrimtabError) -> PlanFailure:
    return PlanFailure(error.sqlstate if isinstance(error, ServerError) else "", str(error))
