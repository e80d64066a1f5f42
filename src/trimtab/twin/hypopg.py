"""What-if on a server that has HypoPG: the other engine behind the port, for who has the extension and wants no twin.

Its hypothetical indexes live in one session and go with it; the server's catalog and data are never touched. A session
that ends is opened again, three times at most: others use this server. It knows no GIN, GiST, SP-GiST or partitioned
index, hides nothing, and estimates sizes and costs by its own rules.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType

import psycopg

from trimtab.db import queries as sql
from trimtab.db.connection import Connection
from trimtab.db.failures import source_error
from trimtab.db.role import reading
from trimtab.errors import SourceError
from trimtab.model.change import CreateIndex, SetSetting, quote_identifier
from trimtab.model.plan import Plan
from trimtab.model.whatif import Hypothesis, PlanFailure, hypothesis_digest
from trimtab.model.workload import Query
from trimtab.twin.cache import Answer, Configuration, PlanCache, Question, Relations, Task
from trimtab.twin.endings import answered, learned, steadily
from trimtab.twin.roles import asked_as, settings_of
from trimtab.twin.session import Session, question_of, setting_statement

_MOST_SHOWN = 500
"""HypoPG takes oids that the server does not use itself; there are some 2,500."""
_INDEX = re.compile(r'"Index Name": "<(\d+)>(?:[^"\\]|\\.)*"')
_OWN_WORDS = re.compile(r'hypopg: (?:access method|column) "[^"]*" (?:is not supported|does not exist)')
"""What HypoPG says, under the SQLSTATE of an internal fault, that holds nothing but names."""

ENDED = PlanFailure("57P02", "the session on the server ended, twice, while this was planned")
_MOST_REVIVALS = 3
"""A query that ends its session may end the server, which is not ours."""
_REVIVAL_SECONDS, _PAUSE_SECONDS = 20.0, 0.2
_PASSING = ("source.unreachable", "source.busy")
"""What a server is while it starts again."""


class HypoPG:
    """A session on the source, pinned. Use it as a context manager."""

    def __init__(self, open_session: Callable[[], tuple[Connection, str]], role: str | None = None) -> None:
        """Take over a session, and the schema that HypoPG is in, from `open_session`, and another where it ends."""
        self._open_session = open_session
        self._role = role
        self._revivals = 0
        self._cache = PlanCache()
        self._shown: dict[str, int] = {}  # oids by digest, in this session
        self._names: dict[int, str] = {}  # what the changes call them
        self._sizes: dict[str, int] = {}
        self._refused: dict[str, str] = {}
        self._begin()

    @classmethod
    def connect(cls, conninfo: str, *, statement_timeout_ms: int = 60_000, role: str | None = None) -> HypoPG:
        """Return the engine on this server; a role that may read the tables suffices.

        With `role` it plans as that one, of which the connecting role has to be a member. Raises SourceError: those of
        `connect`, `source.no_hypopg`, and what `asked_as` raises.
        """

        def open_session() -> tuple[Connection, str]:
            connection = reading(conninfo, statement_timeout_ms=statement_timeout_ms)
            try:
                schema = _schema(connection)
                if role is not None:
                    with asked_as(connection, role):
                        pass
                    for setting in settings_of(connection, role):
                        connection.execute("select pg_catalog.set_config($1, $2, false)", setting)
            except BaseException:
                connection.close()
                raise
            return connection, schema

        with _told():
            return cls(open_session, role)

    def __enter__(self) -> HypoPG:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session, and its hypothetical indexes with it."""
        self._connection.close()

    @property
    def is_alive(self) -> bool:
        """Whether its session can be used."""
        return not self._connection.closed

    def revive(self) -> None:
        """Open another session where this one ended; it has no hypothetical index yet. Raises SourceError.

        A server that starts again, or has no free connection, is waited for, twenty seconds at most.
        """
        if self.is_alive:
            return
        self._revivals += 1
        if self._revivals > _MOST_REVIVALS:
            raise SourceError(
                f"the session with HypoPG was opened again {_MOST_REVIVALS} times, and ended again",
                code="source.unreachable",
                next_step="Look into the server's log for why; `--engine twin` asks nothing of the server.",
            )
        self._connection.close()
        deadline = time.monotonic() + _REVIVAL_SECONDS
        while not self.is_alive:
            try:
                self._begin()
            except SourceError as error:
                if error.code not in _PASSING or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)

    @property
    def planner_calls(self) -> int:
        """Planner calls made so far."""
        return self._cache.planner_calls

    def what_if(
        self,
        queries: Sequence[Query],
        configurations: Sequence[tuple[Hypothesis, ...]],
        *,
        generic: bool | None = None,
    ) -> list[list[Plan | PlanFailure]]:
        """Return, per configuration, the plan of each query, as `WhatIf` has it.

        An index that HypoPG refuses is as if it were not there; a change that it cannot imagine, as a drop, fails the
        queries that it could matter to. A query that ends the session, twice, fails alone. Raises SourceError when no
        session can be had, or the fourth one ended.
        """
        asked = [question_of(query, generic) for query in queries]
        questions = [question for question in asked if isinstance(question, Question)]
        sorted_changes = [Configuration(changes) for changes in configurations]
        with _told():
            for question in self._cache.unknown(questions):
                self._cache.learn(question, *self._learned(question))
            for task in self._cache.missing((questions, configuration) for configuration in sorted_changes):
                self.revive()
                self._cache.keep(task, answered(self, task, self._ask, ENDED))
        return [self._cache.answers_to(asked, configuration) for configuration in sorted_changes]

    def what_if_each(
        self, groups: Sequence[tuple[Sequence[Query], tuple[Hypothesis, ...]]]
    ) -> list[list[Plan | PlanFailure]]:
        """Return, per group, the plan of each of its queries under its changes. Raises SourceError."""
        return [self.what_if(queries, [changes])[0] for queries, changes in groups]

    def size_bytes(self, changes: Sequence[CreateIndex]) -> list[int | None]:
        """Return HypoPG's estimates of their sizes; None for one that it refuses. Raises SourceError."""
        with _told():
            steadily(self, partial(self._measure, changes))
        return [self._sizes.get(hypothesis_digest(change)) for change in changes]

    def refusal(self, change: CreateIndex, among: Sequence[Hypothesis] = ()) -> str | None:
        """Return why HypoPG refuses the index, None when it does not. Raises SourceError."""
        with _told():
            steadily(self, partial(self._measure, [change]))
        return self._refused.get(hypothesis_digest(change))

    def _begin(self) -> None:
        """Open a session; hypothetical indexes of another one are none of its."""
        self._connection, schema = self._open_session()
        try:
            self._session = Session(self._connection, read=self._read, role=self._role)
        except BaseException:
            self._connection.close()
            raise
        self._schema = quote_identifier(schema)
        self._shown, self._names = {}, {}

    def _learned(self, question: Question) -> tuple[Answer, Relations | None]:
        """Return the plan as things are, and the relations; a query that ends the session is not asked again."""
        answer, relations = learned(self, partial(self._learn, question), ENDED)
        return answer, Relations() if answer is ENDED else relations

    def _learn(self, question: Question) -> tuple[Answer, Relations | None]:
        self._show({})
        return self._session.learn(question)

    def _ask(self, task: Task) -> list[Answer]:
        beyond = [c.kind for c in task.changes if not isinstance(c, CreateIndex | SetSetting)]
        indexes = {hypothesis_digest(c): c for c in task.changes if isinstance(c, CreateIndex)}
        if beyond or len(indexes) > _MOST_SHOWN:
            told = f"{beyond[0]}: it only adds indexes" if beyond else f"more than {_MOST_SHOWN} indexes at once"
            return [PlanFailure("0A000", f"HypoPG cannot imagine {told}")] * len(task.questions)
        self._show(indexes)
        settings = [setting_statement(c) for c in task.changes if isinstance(c, SetSetting)]
        return self._session.ask(task, settings)

    def _measure(self, changes: Sequence[CreateIndex]) -> None:
        known = self._sizes.keys() | self._refused.keys()
        unknown = [change for change in changes if hypothesis_digest(change) not in known]
        for start in range(0, len(unknown), _MOST_SHOWN):
            self._show({hypothesis_digest(change): change for change in unknown[start : start + _MOST_SHOWN]})

    def _show(self, wanted: dict[str, CreateIndex]) -> None:
        """Let the session have these hypothetical indexes and no others."""
        gone = [digest for digest in self._shown if digest not in wanted]
        if gone:
            oids = [self._shown.pop(digest) for digest in gone]
            dropped = f"{self._schema}.hypopg_drop_index(w.oid)"
            text = f"select {dropped} from pg_catalog.unnest($1::oid[]) as w(oid)"  # noqa: S608
            self._connection.execute(text.encode(), (oids,))
        for digest, change in wanted.items():
            if digest not in self._shown and digest not in self._refused:
                self._create(digest, change)

    def _create(self, digest: str, change: CreateIndex) -> None:
        made = f"{self._schema}.hypopg_create_index($1::text)"
        size = f"{self._schema}.hypopg_relation_size(m.indexrelid)"
        text = f"select m.indexrelid::bigint, {size} from {made} as m"  # noqa: S608
        try:
            row = self._connection.execute(text.encode(), (change.sql(concurrently=False),)).fetchone()
        except ValueError as error:
            self._refused[digest] = str(error)
            return
        except psycopg.Error as error:
            if self._connection.closed:
                raise
            own = _OWN_WORDS.fullmatch(error.diag.message_primary or "")
            self._refused[digest] = own[0] if own else str(source_error(error))
            return
        if row is None:
            self._refused[digest] = "its definition is not one CREATE INDEX statement"
            return
        self._shown[digest], self._sizes[digest] = row
        self._names[row[0]] = change.name

    def _read(self, text: str) -> Plan:
        """Return the plan with the changes' own names of the indexes: HypoPG's have an oid and the columns."""
        return Plan.unread(_INDEX.sub(lambda found: f'"Index Name": {json.dumps(self._names[int(found[1])])}', text))


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise source_error(error) from None


def _schema(connection: Connection) -> str:
    row = connection.execute(sql.load("hypopg", connection.info.server_version)).fetchone()
    assert row is not None, "the query returns one row"
    schema, is_available = row
    if schema is None:
        raise SourceError(
            "HypoPG cannot be used: the extension is not in this database",
            code="source.no_hypopg",
            next_step=("" if is_available else "Install HypoPG's package on the server. ")
            + "Run CREATE EXTENSION hypopg as a superuser, or use the statistics twin, which needs no extension.",
        )
    return str(schema)
