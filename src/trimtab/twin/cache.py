"""What an engine's planner was asked and answered, by what is relevant to the question. Decides what must be asked.

A plan depends on the query, on the changes of relations that the planner looks at for it, and on settings; on nothing
else. Pure: it asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from trimtab.model.change import CreateIndex, DropIndex
from trimtab.model.plan import Plan
from trimtab.model.whatif import Hypothesis, PlanFailure, hypothesis_digest, hypothesis_table
from trimtab.model.workload import Query

Answer: TypeAlias = Plan | PlanFailure
_Table: TypeAlias = tuple[str, str]
_State: TypeAlias = tuple[frozenset[str], tuple[str, ...]]
"""Digests of the changes of indexes, whose order means nothing, and of the others, whose order can."""

_UNCHANGED: _State = (frozenset(), ())

# A text that the server cannot analyse, or an expression that it cannot work out, is that under any index.
_LASTING_CLASSES = ("0A", "22", "42")


@dataclass(frozen=True, slots=True)
class Question:
    """What a plan depends on of a query. For a generic plan `parameters` are empty."""

    text: str
    parameters: tuple[str | None, ...]
    is_generic: bool
    query: Query = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Relations:
    """(schema, table) of the relations that the planner looks at for a question.

    `near` are those that the query's text leads to, but for partitions and children that were pruned, and all that they
    inherit from. `far` has the pruned ones too: a setting, or the loss of a unique index, can bring them back. `seen`
    are the near ones without those that they inherit from.
    """

    near: frozenset[_Table] = frozenset()
    far: frozenset[_Table] = frozenset()
    seen: frozenset[_Table] = frozenset()


@dataclass(frozen=True, slots=True)
class Task:
    """Questions to be planned with these changes in force. `states` are what the answers are kept under.

    Where it `is_brief`, plans need not tell schemas and what nodes return.
    """

    changes: tuple[Hypothesis, ...]
    questions: tuple[Question, ...]
    states: tuple[_State, ...]
    is_brief: bool = False

    def pieces(self, size: int) -> Iterator[Task]:
        """Yield tasks of at most `size` questions that together are this one."""
        for start in range(0, len(self.questions), size):
            end = start + size
            yield Task(self.changes, self.questions[start:end], self.states[start:end], self.is_brief)


class PlanCache:
    """The answers so far. One whose relations are not known yet is kept for exactly the changes that it was given."""

    def __init__(self) -> None:
        self._answers: dict[tuple[Question, _State], Answer] = {}
        self._brief: dict[tuple[Question, _State], Answer] = {}  # what is told in full is not in here
        self._shared: dict[tuple[Question, str], Plan] = {}
        self._relations: dict[Question, Relations] = {}
        self.planner_calls = 0

    def unknown(self, questions: Iterable[Question]) -> list[Question]:
        """Return those whose relations are not known, each once."""
        return [question for question in dict.fromkeys(questions) if question not in self._relations]

    def learn(self, question: Question, answer: Answer, relations: Relations | None) -> None:
        """Keep the plan as things are, and the relations that the planner looked at."""
        self.planner_calls += 1
        if isinstance(answer, PlanFailure) and answer.sqlstate[:2] in _LASTING_CLASSES:
            relations = Relations()
        if relations is not None:
            self._relations[question] = relations
            self._keep(self._answers, question, _UNCHANGED, answer)

    def relations(self, question: Question) -> Relations:
        """Return the relations that the planner looked at; none where that is not known."""
        return self._relations.get(question, Relations())

    def missing(
        self, groups: Iterable[tuple[Sequence[Question], Configuration]], *, is_brief: bool = False
    ) -> list[Task]:
        """Return what must be asked before `answers_to` can tell: each question once, with what is relevant to it."""
        asked: set[tuple[Question, _State]] = set()
        tasks = []
        for questions, configuration in groups:
            found: dict[Question, _State] = {}
            needed: set[int] = set()
            for question in questions:
                relevant = configuration.relevant(self._relations.get(question))
                key = question, configuration.state(relevant)
                if self._found(key, is_brief=is_brief) is None and key not in asked:
                    asked.add(key)
                    found[question] = key[1]
                    needed.update(relevant)
            if found:
                changes = tuple(configuration.changes[number] for number in sorted(needed))
                tasks.append(Task(changes, tuple(found), tuple(found.values()), is_brief))
        return tasks

    def keep(self, task: Task, answers: Sequence[Answer]) -> None:
        """Keep the planner's answers."""
        self.planner_calls += len(answers)
        kept = self._brief if task.is_brief else self._answers
        for question, state, answer in zip(task.questions, task.states, answers, strict=True):
            self._keep(kept, question, state, answer)

    def answers_to(
        self, asked: Sequence[Question | PlanFailure], configuration: Configuration, *, is_brief: bool = False
    ) -> list[Answer]:
        """Return the answers under these changes; what failed before it was asked answers itself. Raises KeyError."""
        return [
            one if isinstance(one, PlanFailure) else self._answer(one, configuration, is_brief=is_brief)
            for one in asked
        ]

    def forget(self, change: Hypothesis) -> None:
        """Forget what was answered with this change in force."""
        digest = hypothesis_digest(change)
        for kept in (self._answers, self._brief):
            for key in [key for key in kept if digest in (*key[1][0], *key[1][1])]:
                del kept[key]

    def clear(self) -> None:
        """Forget everything."""
        self._answers.clear()
        self._brief.clear()
        self._shared.clear()
        self._relations.clear()

    def _answer(self, question: Question, configuration: Configuration, *, is_brief: bool) -> Answer:
        key = question, configuration.state(configuration.relevant(self._relations.get(question)))
        found = self._found(key, is_brief=is_brief)
        if found is None:
            raise KeyError(key)
        return found

    def _found(self, key: tuple[Question, _State], *, is_brief: bool) -> Answer | None:
        found = self._answers.get(key)
        return self._brief.get(key) if found is None and is_brief else found

    def _keep(
        self, kept: dict[tuple[Question, _State], Answer], question: Question, state: _State, answer: Answer
    ) -> None:
        if isinstance(answer, Plan) and answer.text is not None:
            # Most changes leave most plans as they were: one object serves for all.
            answer = self._shared.setdefault((question, answer.text), answer)
        kept[question, state] = answer


class Configuration:
    """The changes of one configuration, sorted for the question which of them are relevant."""

    def __init__(self, changes: Sequence[Hypothesis]) -> None:
        self.changes = changes
        self._digests = [hypothesis_digest(change) for change in changes]
        self._is_index = [isinstance(change, CreateIndex | DropIndex) for change in changes]
        self._settings: list[int] = []
        self._by_table: dict[_Table, list[int]] = {}
        self._dropping: set[_Table] = set()
        self._states: dict[tuple[int, ...], _State] = {}
        for number, change in enumerate(changes):
            table = hypothesis_table(change)
            if table is None:
                self._settings.append(number)
                continue
            self._by_table.setdefault(table, []).append(number)
            if isinstance(change, DropIndex):
                self._dropping.add(table)

    def relevant(self, relations: Relations | None) -> tuple[int, ...]:
        """Return the places of the changes that can touch a plan, in order."""
        if relations is None:
            return tuple(range(len(self.changes)))
        can_bring_back = self._settings or not self._dropping.isdisjoint(relations.far)
        tables = self._by_table.keys() & (relations.far if can_bring_back else relations.near)
        return tuple(sorted([*self._settings, *(number for table in tables for number in self._by_table[table])]))

    def state(self, numbers: tuple[int, ...]) -> _State:
        """Return what answers under the changes in these places are kept by."""
        if numbers not in self._states:
            self._states[numbers] = (
                frozenset(self._digests[number] for number in numbers if self._is_index[number]),
                tuple(self._digests[number] for number in numbers if not self._is_index[number]),
            )
        return self._states[numbers]
