"""The statistics twin as the rooms above see it: build it, ask it what-if, ask how faithful it is, throw it away.

A hypothetical index is a real, empty index of the right length and height, made once and shown only to the
configuration that asks for it. Every answer is a plan of PostgreSQL's own planner; no query is ever run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from types import TracebackType

import psycopg

from trimtab.db.connection import Connection, connect
from trimtab.db.failures import source_error
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import TrimtabError
from trimtab.model.catalog import Snapshot
from trimtab.model.change import CreateIndex, CreateStatistics, qualified
from trimtab.model.plan import Plan
from trimtab.model.whatif import CreateExpressionStatistics, Hypothesis, PlanFailure, StatisticsTarget
from trimtab.model.workload import Query
from trimtab.twin.build import DATABASE, Built, build, lost
from trimtab.twin.cache import Configuration, PlanCache, Question
from trimtab.twin.capture import read_image
from trimtab.twin.circumstances import circumstances_of
from trimtab.twin.dump import without_policies
from trimtab.twin.engine import Engine
from trimtab.twin.engines import Engines
from trimtab.twin.extended import ExtendedValues, may_read_values, read_values
from trimtab.twin.fidelity import INCOMPLETE, UNGUARDED, Fidelity, compare, listed
from trimtab.twin.hypothetical import HypotheticalIndexes
from trimtab.twin.hypothetical_statistics import HypotheticalStatistics
from trimtab.twin.privileges import PLANNER, create_functions
from trimtab.twin.roles import admit, name_on_twin, planning_role, resolved_search_path, search_in
from trimtab.twin.sample import SourceSample
from trimtab.twin.session import question_of
from trimtab.twin.settings import take_over_settings
from trimtab.twin.source import Role, Source
from trimtab.twin.source_plans import plans_of_source

_PLANNING_LIMIT_MS = 60_000
"""A function that the planner calls may read a table, and the twin's are as long as the source's."""


class Twin:
    """A running twin. Use it as a context manager: it is gone afterwards."""

    def __init__(
        self,
        server: Server,
        open_session: Callable[[Server], Connection],
        source: Source,
        problems: tuple[str, ...],
        secret: str,
        *,
        workers: int | None = None,
        role: str | None = None,
    ) -> None:
        """Take over a running server. `open_session` connects to it, or to a copy, as who plans there.

        `role` is the one of the source that plans, None the twin's own; `secret` is that of `create_functions`.
        """
        self._engines = Engines(Engine(server, open_session, secret, source.version), workers)
        self._open_session = open_session
        self._role = role
        self._statistics = HypotheticalStatistics(has_values=source.has_values)
        self._cache = PlanCache()
        self._source = source
        self._problems = problems
        self._unguarded = frozenset(
            table for table in without_policies(problems, source.guarded) if self._is_bound_in(table)
        )

    @classmethod
    def build(
        cls,
        conninfo: str,
        snapshot: Snapshot,  # noqa: ARG003 - the facts are read anew, with the schema
        binaries: Binaries,
        *,
        progress: Callable[[int, int, str], None],
        workers: int | None = None,
        role: str | None = None,
    ) -> Twin:
        """Return the twin of the source. `problems` tells what could not be carried over. Raises LabError.

        It plans on `workers` servers at once when there is work enough: as many as there are processors by default.
        `role` is as in `open`.
        """
        image = read_image(conninfo, binaries, with_ends=True, progress=progress)
        planning_role(image.source, role)  # Told before there is anything to wait for.
        return cls.open(build(image, binaries, progress=progress), workers, role=role)

    @classmethod
    def open(cls, built: Built, workers: int | None = None, *, role: str | None = None) -> Twin:
        """Return the twin of a server that was built, which it takes over: it goes with the twin, or at a failure.

        It plans as this role of the source: with its settings, and the policies of row-level security that bind it.
        Without one it plans as the role that read the source where policies bind that, else without any policies. Who
        plans has no special right, so that a function of the source's that planning calls has none either.
        Raises LabError, and UsageError `twin.unknown_role`.
        """
        refused: list[str] = []
        planning: Role | None = None

        def open_session(server: Server) -> Connection:
            name = None if planning is None else planning.name
            user = PLANNER if name is None else name_on_twin(name)
            connection = connect(
                server.dsn(DATABASE, user=user), read_only=False, statement_timeout_ms=_PLANNING_LIMIT_MS
            )
            try:
                refused[:] = take_over_settings(connection, built.source, name)
                if name is not None:
                    search_in(connection, resolved_search_path(connection))
            except BaseException:
                connection.close()
                raise
            return connection

        try:
            planning = planning_role(built.source, role)
            told, secret = _admitted(built, planning)
            name = None if planning is None else planning.name
            twin = cls(built.server, open_session, built.source, built.problems, secret, workers=workers, role=name)
        except BaseException:
            built.server.destroy()
            raise
        twin._problems += (*told, *refused)
        return twin

    def __enter__(self) -> Twin:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be carried over, or could not be done since."""
        return self._problems + self._engines.problems

    @property
    def planner_calls(self) -> int:
        """Planner calls made so far."""
        return self._cache.planner_calls

    @property
    def version(self) -> int:
        """The version of its servers, as server_version_num: 180006."""
        return self.connection.info.server_version

    @property
    def role(self) -> str | None:
        """The role of the source that it plans as; None is one of the twin's own, which no policies bind."""
        return self._role

    @property
    def connection(self) -> Connection:
        """A session of the first server, with the source's settings, to look names up in."""
        return self._engines.first.connection

    @property
    def workers(self) -> int:
        """Servers that plan now."""
        return len(self._engines.all)

    def close(self) -> None:
        """Throw the twin away."""
        self._engines.close()

    def start_workers(self) -> None:
        """Start all the servers that may plan, instead of when there is work enough for them. Raises LabError."""
        with self._alive():
            self._engines.grow()

    def what_if(
        self,
        queries: Sequence[Query],
        configurations: Sequence[tuple[Hypothesis, ...]],
        *,
        generic: bool | None = None,
    ) -> list[list[Plan | PlanFailure]]:
        """Return, per configuration, the plan of each query. Answers are kept by what is relevant to the query.

        `generic` is as in `WhatIf`. An index or a statistics object that the server would refuse is as if it were not
        there, and so are statistics that nothing tells of: `refusal` says why. A configuration that cannot be set up
        fails each of its queries, and so does a query whose planning ends the server: it is brought back for the
        others. Raises LabError `twin.lost` when it cannot be.
        """
        asked = [question_of(query, generic) for query in queries]
        return self._answers([(asked, changes) for changes in configurations], is_brief=False)

    def what_if_each(
        self, groups: Sequence[tuple[Sequence[Query], tuple[Hypothesis, ...]]]
    ) -> list[list[Plan | PlanFailure]]:
        """Return, per group, the plan of each of its queries under its changes, in brief, shared out to the engines.

        Raises LabError `twin.lost` when the twin ended.
        """
        asked = [([question_of(query, None) for query in queries], changes) for queries, changes in groups]
        return self._answers(asked, is_brief=True)

    def _answers(
        self, groups: Sequence[tuple[Sequence[Question | PlanFailure], tuple[Hypothesis, ...]]], *, is_brief: bool
    ) -> list[list[Plan | PlanFailure]]:
        sorted_changes = [Configuration(changes) for _, changes in groups]
        questions = [[question for question in asked if isinstance(question, Question)] for asked, _ in groups]
        with self._alive():
            self._learn([question for some in questions for question in some])
            groups = [([self._unless_lacking(one) for one in asked], changes) for asked, changes in groups]
            questions = [[question for question in asked if isinstance(question, Question)] for asked, _ in groups]
            self._ensure(list(dict.fromkeys(c for _, changes in groups for c in changes if isinstance(c, CreateIndex))))
            tasks = self._cache.missing(zip(questions, sorted_changes, strict=True), is_brief=is_brief)
            for task in tasks:
                self._told(task.changes)
            self._engines.spread(
                self._engines.pieces(tasks),
                lambda engine, task: engine.ask(task, self._statistics),
                self._cache.keep,
            )
            pairs = zip(groups, sorted_changes, strict=True)
            return [self._cache.answers_to(asked, changed, is_brief=is_brief) for (asked, _), changed in pairs]

    def size_bytes(self, changes: Sequence[CreateIndex]) -> list[int | None]:
        """Return the estimated sizes of indexes that do not exist yet; None for one that the server would refuse."""
        with self._alive():
            self._ensure(changes)
        return [self._indexes.size_bytes(change) for change in changes]

    def sample_from(self, conninfo: str | None) -> None:
        """Let hypothetical indexes and statistics rest on bounded samples of this source; None: on none.

        It is read only when one needs it. What was measured stays as it is.
        """
        sample = None if conninfo is None else SourceSample(conninfo, with_values=self._source.has_values)
        self._engines.each(lambda engine: engine.indexes.sample_from(sample))
        for hypothesis in self._statistics.sample_from(sample):
            self._cache.forget(hypothesis)

    def note(self, change: CreateIndex | CreateStatistics | StatisticsTarget, among: Sequence[Hypothesis] = ()) -> str:
        """Return what a hypothetical object rests on, "" where the twin's own column statistics tell all.

        `among` is the configuration that it is part of: targets of its columns decide what a statistics object holds.
        """
        with self._alive():
            if not isinstance(change, CreateIndex):
                self._told([change, *among])
                return self._statistics.told(change, [change, *among]).note
            self._ensure([change])
        return "; ".join(self._indexes.notes(change))

    def refusal(
        self, change: CreateIndex | CreateStatistics | StatisticsTarget, among: Sequence[Hypothesis] = ()
    ) -> str | None:
        """Return why a hypothetical object has no effect, None when it is in force. `among` as in `note`."""
        with self._alive():
            if not isinstance(change, CreateIndex):
                self._told([change, *among])
                return self._statistics.told(change, [change, *among]).refusal or None
            self._ensure([change])
            return self._indexes.refusal(change, among)

    def relations_of(self, query: Query, *, generic: bool | None = None) -> frozenset[tuple[str, str]]:
        """Return (schema, table) of what the planner looks at for the query, and all that they inherit from.

        None of them where it cannot be planned. Raises LabError `twin.lost`.
        """
        question = question_of(query, generic)
        if isinstance(question, PlanFailure):
            return frozenset()
        with self._alive():
            self._learn([question])
        return self._cache.relations(question).near

    def restate(self, source: Source) -> None:
        """Give it the statistics, counts and lengths of `source`, which has the relations that it was built with.

        Its settings stay. Raises LabError `twin.lost`.
        """
        with self._alive():
            self._engines.each(lambda engine: engine.restate(self._source, source))
        self._cache.clear()
        self._source = source

    def take_statistics(self, change: CreateStatistics, values: tuple[ExtendedValues, ...]) -> None:
        """Let a hypothetical statistics object hold these values: they go before what a sample of the source says."""
        self._statistics.take(change, values)
        self._cache.forget(change)

    def connect_read_only(self) -> Connection:
        """Return a new session of the first server, for a reader of its catalog; it ends when more engines start."""
        connection = self._open_session(self._server)
        connection.execute("select pg_catalog.set_config('default_transaction_read_only', 'on', false)")
        return connection

    def import_statistics(self, change: CreateStatistics, lab: Connection) -> None:
        """Take from the lab what the statistics object holds there: it goes before what a sample of the source says.

        Where the lab's role may not read it, `problems` says so. Raises ServerError when the lab fails.
        """
        try:
            if not may_read_values(lab):
                self._problems += (f"the lab's role may not read what {change.schema}.{change.name} holds",)
                return
            values = tuple(v for v in read_values(lab) if (v.schema, v.name) == (change.schema, change.name))
        except psycopg.Error as error:
            raise source_error(error) from None
        self.take_statistics(change, values)

    def fidelity(
        self, source: Connection, queries: Sequence[Query], *, reopen: Callable[[], Connection] | None = None
    ) -> Fidelity:
        """Compare the twin's plans with the source's own, as it is, asked as the same role where the twin has one.

        `reopen` gives another session of the source where this one ends: then only the query that it ended with is not
        planned. Without it raises ServerError when the source is lost; and what `asked_as` raises.
        """
        version = source.info.server_version
        [mine] = self.what_if(queries, [()])
        theirs = plans_of_source(source, queries, self._role, reopen)
        known = circumstances_of(self.connection, self._source, version, is_bound=self._role is not None)
        return compare(queries, theirs, mine, known)

    @property
    def _server(self) -> Server:
        return self._engines.first.server

    @property
    def _indexes(self) -> HypotheticalIndexes:
        return self._engines.first.indexes

    def _learn(self, questions: Sequence[Question]) -> None:
        self._engines.spread(
            self._cache.unknown(questions),
            lambda engine, question: engine.learn(question),
            lambda question, found: self._cache.learn(question, *found),
        )

    def _is_bound_in(self, table: tuple[str, str]) -> bool:
        """Return whether policies bind who plans when this table is read."""
        query = b"select pg_catalog.row_security_active(pg_catalog.to_regclass($1))"
        row = self.connection.execute(query, (qualified(*table),)).fetchone()
        return row is not None and row[0] is True

    def _unless_lacking(self, asked: Question | PlanFailure) -> Question | PlanFailure:
        """Return a failure for a question on a table of which the twin lacks children, or policies.

        Its costs would be too low: without a policy no row may be read.
        """
        incomplete = frozenset(self._source.incomplete)
        if not incomplete | self._unguarded or isinstance(asked, PlanFailure):
            return asked
        seen = self._cache.relations(asked).seen
        if lacking := seen & incomplete:
            found = f"the role that read the source may not read all children of {listed(lacking)}"
            return PlanFailure(INCOMPLETE, found)
        if lacking := seen & self._unguarded:
            return PlanFailure(UNGUARDED, f"a policy of {listed(lacking)} is not on the twin")
        return asked

    def _ensure(self, changes: Sequence[CreateIndex]) -> None:
        """Make the indexes on all engines, in one order, so that they plan alike."""
        if changes:
            self._engines.each(lambda engine: engine.steadily(lambda: engine.indexes.ensure(changes)))

    def _told(self, changes: Sequence[Hypothesis]) -> None:
        """Learn what hypothetical statistics among the changes would hold."""
        first = self._engines.first

        def ensure() -> None:
            has_expressions = any(isinstance(change, CreateExpressionStatistics) for change in changes)
            path = resolved_search_path(first.connection) if has_expressions else ""
            self._statistics.ensure(first.indexes.maker, changes, path)

        first.steadily(ensure)

    @contextmanager
    def _alive(self) -> Iterator[None]:
        """Say in our own words that the twin ended, whoever notices. An interrupt may have left a session at work."""
        try:
            for engine in self._engines.all:
                engine.revive()
                engine.be_idle()
            yield
        except psycopg.Error as error:
            raise lost(error) from None
        except TrimtabError as error:
            if all(engine.is_alive for engine in self._engines.all):
                raise
            raise lost(psycopg.OperationalError()) from error


def _admitted(built: Built, role: Role | None) -> tuple[list[str], str]:
    """Let the role plan on a server that may be copied; return in words what could not be done, and the secret."""
    try:
        with closing(connect(built.server.dsn(DATABASE), read_only=False)) as twin:
            return admit(twin, built.source, role), create_functions(twin)
    except psycopg.Error as error:
        raise lost(error) from None
