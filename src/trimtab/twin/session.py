"""One session of a server that plans questions: in one go where all goes well, one by one where something fails.

Whatever is set for it is rolled back. Decides nothing about what is set, and never runs a query.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.db.explain import GENERIC_FORGET, GENERIC_SETTING, explain_statements, no_plan, planned_generic, text_of
from trimtab.db.failures import source_error
from trimtab.db.pipeline import Pipeline, Statement
from trimtab.errors import TrimtabError
from trimtab.model.change import SetSetting, quote_identifier
from trimtab.model.plan import Plan
from trimtab.model.whatif import PlanFailure
from trimtab.model.workload import Query
from trimtab.twin.cache import Answer, Question, Relations, Task

_BEGIN, _ROLLBACK = Statement("BEGIN"), Statement("ROLLBACK")
_SAVEPOINT, _ROLLBACK_TO = Statement("SAVEPOINT trimtab"), Statement("ROLLBACK TO SAVEPOINT trimtab")


def question_of(query: Query, generic: bool | None) -> Question | PlanFailure:
    """Return what is asked for a query; `generic` as in `WhatIf.what_if`. A failure where its values are missing."""
    try:
        is_generic = planned_generic(query, generic)
    except TrimtabError as error:
        return PlanFailure("", str(error))
    return Question(query.text, () if is_generic else query.parameters, is_generic, query)


def setting_statement(change: SetSetting) -> Statement:
    """Return what sets it until the open transaction ends."""
    if change.scope == "function":
        return Statement(change.sql())  # the session's own setting would plan the caller's statements with it too
    if change.value is None:
        return Statement(f"SET LOCAL {quote_identifier(change.name)} TO DEFAULT")
    return Statement("select pg_catalog.set_config($1, $2, true)", (change.name, change.value))


class Session:
    """Plans on one connection. `read` makes a Plan of EXPLAIN's text; `role` is who plans, where it is another one."""

    def __init__(
        self, connection: Connection, *, read: Callable[[str], Plan] = Plan.unread, role: str | None = None
    ) -> None:
        self.connection = connection
        self._read = read
        # What a question is set up with may be more than the role may do.
        self._become = [] if role is None else [Statement(f"SET LOCAL ROLE {quote_identifier(role)}")]
        self._pipeline = Pipeline(connection)
        self._relations = Statement(queries.load("plan_relations", connection.info.server_version))
        # For our own statements; a query is planned by EXPLAIN, which does not look at it.
        connection.execute("select pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', false)")
        self._pipeline.prepare(self._relations.text)

    def prepare(self, text: str) -> None:
        """Have the server remember a statement that questions are often set up with."""
        self._pipeline.prepare(text)

    def learn(self, question: Question) -> tuple[Answer, Relations | None]:
        """Return the plan as things are, and what the planner looked at for it; None when it failed."""
        setting = [*self._become, *([GENERIC_SETTING] if question.is_generic else [])]
        explain = explain_statements(question.query, is_generic=question.is_generic)
        self.be_idle()
        try:
            results = self._pipeline.run([_BEGIN, *setting, *explain, self._relations, _ROLLBACK])
        except (psycopg.Error, ValueError) as error:
            return self._failure(error, _ROLLBACK), None
        seen = results[-2]
        rows = [
            tuple((seen.get_value(row, column) or b"").decode() for column in range(4)) for row in range(seen.ntuples)
        ]
        relations = Relations(
            near=frozenset((schema, name) for schema, name, is_near, _ in rows if is_near == "t"),
            far=frozenset((schema, name) for schema, name, *_ in rows),
            seen=frozenset((schema, name) for schema, name, _, is_seen in rows if is_seen == "t"),
        )
        return self._answer(question, text_of(results[1 + len(setting) :])), relations

    def ask(self, task: Task, set_up: Sequence[Statement]) -> list[Answer]:
        """Return the plans with `set_up` in force. What cannot be set up fails all of them."""
        setting = [*self._become, *([GENERIC_SETTING] if any(q.is_generic for q in task.questions) else [])]
        before = [_BEGIN, *set_up, *setting]
        explains = [_explains(question, is_brief=task.is_brief) for question in task.questions]
        asked = [question for question, several in zip(task.questions, explains, strict=True) for _ in several]
        answers: list[Answer] = []

        def take(place: int, result: PGresult) -> None:
            """Read a plan while the server makes the next one."""
            if len(before) <= place < len(before) + len(asked) and result.nfields:
                answers.append(self._answer(asked[place - len(before)], text_of([result])))

        self.be_idle()
        try:
            self._pipeline.run([*before, *(s for several in explains for s in several), _ROLLBACK], take)
        except (psycopg.Error, ValueError) as error:
            self._failure(error, _ROLLBACK)
            return self.ask_singly(task, lambda: self._run(set_up))
        return answers

    def ask_singly(self, task: Task, set_up: Callable[[], None]) -> list[Answer]:
        """Return the plans with what `set_up` does in force, so that what fails spoils nothing else."""
        self.be_idle()
        with self.connection.transaction(force_rollback=True):
            try:
                set_up()
                self._run([*self._become, GENERIC_SETTING])
            except (psycopg.Error, ValueError) as error:
                if self.connection.closed:
                    raise
                return [_failed(error)] * len(task.questions)
            return [self._ask_one(question, is_brief=task.is_brief) for question in task.questions]

    def _ask_one(self, question: Question, *, is_brief: bool) -> Answer:
        self._run([_SAVEPOINT])
        try:
            results = self._pipeline.run([*_explains(question, is_brief=is_brief), _ROLLBACK_TO])
        except (psycopg.Error, ValueError) as error:
            return self._failure(error, _ROLLBACK_TO)
        return self._answer(question, text_of(results))

    def be_idle(self) -> None:
        """Leave the transaction that an interrupt may have left behind."""
        if self.connection.info.transaction_status != TransactionStatus.IDLE:
            self.connection.rollback()

    def _run(self, statements: Sequence[Statement]) -> None:
        for statement in statements:
            self.connection.execute(statement.text.encode(), statement.values)

    def _failure(self, error: psycopg.Error | ValueError, undo: Statement) -> PlanFailure:
        """Put the session right again, and say what failed. Raises the error when the session is lost."""
        if self.connection.closed:
            raise error
        if self.connection.info.transaction_status != TransactionStatus.IDLE:
            self._run([undo])
        with suppress(psycopg.Error), self.connection.transaction():
            self._run([GENERIC_FORGET])  # Prepared statements outlive a rollback; mostly there is none.
        return _failed(error)

    def _answer(self, question: Question, text: str) -> Answer:
        try:
            return self._read(text)
        except ValueError:
            return PlanFailure("", str(no_plan(question.query)))


def _explains(question: Question, *, is_brief: bool) -> list[Statement]:
    return explain_statements(question.query, is_generic=question.is_generic, is_brief=is_brief)


def _failed(error: psycopg.Error | ValueError) -> PlanFailure:
    if isinstance(error, psycopg.Error):
        return PlanFailure(error.sqlstate or "", str(source_error(error)))
    return PlanFailure("", "its text holds a character that no server can be sent")
