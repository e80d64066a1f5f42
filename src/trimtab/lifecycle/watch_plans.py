"""Checks, a few statements a round, whether the plans of the heaviest ones are still those of the baseline.

EXPLAIN only, never ANALYZE: nothing of the workload runs. Texts stay in memory. What has no plan that could be
compared is told with the reason.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.db.connection import Connection
from trimtab.db.explain import explain
from trimtab.errors import TrimtabError
from trimtab.model.plan_shape import plan_shape, renamed
from trimtab.model.traffic import StatementKey
from trimtab.model.workload import Query
from trimtab.observe.own_statements import SystemNames
from trimtab.observe.parents import read_parents
from trimtab.observe.watched import Source, describe, read_texts

CHECKED_STATEMENTS = 100
"""So many of the heaviest statements are checked, in turn."""
PER_ROUND = 2
PARENTS_EVERY_ROUNDS = 60
"""Partitions are folded into their parents, as an anchor does; which there are is read again so often."""
_KEPT_TEXTS = 2 * CHECKED_STATEMENTS


@dataclass(frozen=True, slots=True)
class Checked:
    """A statement's plan now: its shape, or "" and why there is none to compare."""

    key: StatementKey
    shape: str
    why: str = ""


@dataclass(slots=True)
class PlanChecks:
    """Goes round the heaviest statements. It remembers texts, and why a statement has no plan.

    `index_names` are as in `renamed`.
    """

    system: SystemNames
    index_names: Mapping[str, str] = field(default_factory=dict)
    _queries: OrderedDict[StatementKey, Query | None] = field(default_factory=OrderedDict)
    _why_not: dict[StatementKey, str] = field(default_factory=dict)
    _checked: set[StatementKey] = field(default_factory=set)
    _turn: int = 0
    _rounds: int = 0
    _parents: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def check(
        self,
        conn: Connection,
        source: Source,
        heaviest: Sequence[StatementKey],
        suspects: Sequence[StatementKey] = (),
    ) -> list[Checked]:
        """Return the plans of this round's statements: of those that are suspect, and of the next in turn.

        Raises SourceError when the connection is lost.
        """
        if self._rounds % PARENTS_EVERY_ROUNDS == 0:
            self._parents = read_parents(conn)
        self._rounds += 1
        turn = list(heaviest[:CHECKED_STATEMENTS])
        start = self._turn % max(len(turn), 1)
        chosen = [*suspects, *(turn[start:] + turn[:start])[:PER_ROUND]]
        self._turn = start + PER_ROUND
        self._read_texts(conn, source, turn, chosen)
        return [self._one(conn, key) for key in dict.fromkeys(chosen)]

    def query_of(self, conn: Connection, source: Source, key: StatementKey) -> Query | None:
        """Return what EXPLAIN takes of a statement, None where it has no plan. Raises SourceError."""
        self._read_texts(conn, source, [], [key])
        return self._queries.get(key)

    def relations(self, conn: Connection, source: Source, key: StatementKey) -> frozenset[tuple[str, str]] | None:
        """Return the tables, with their schemas, that a statement's plan reads or writes; None where it has no plan.

        Raises SourceError when the connection is lost.
        """
        query = self.query_of(conn, source, key)
        if query is None:
            return None
        try:
            return explain(conn, query).relations
        except TrimtabError:
            if conn.closed:
                raise
            return None

    def reasons(self) -> Counter[str]:
        """Return why statements among the heaviest have no plan to compare, and how many."""
        return Counter(self._why_not.values())

    @property
    def checked(self) -> int:
        """How many statements had a plan at their last check."""
        return len(self._checked)

    def _read_texts(
        self, conn: Connection, source: Source, turn: Sequence[StatementKey], chosen: Sequence[StatementKey]
    ) -> None:
        """The server reads all texts from its file for any of them: so those of all that come in turn are taken."""
        if all(key in self._queries for key in chosen):
            return
        wanted = [key for key in dict.fromkeys([*chosen, *turn]) if key not in self._queries]
        texts = read_texts(conn, source, wanted)
        for key in wanted:
            found = describe(texts[key[1]], self.system) if key[1] in texts else None
            self._queries[key] = None if found is None else found.query
            why = "its text is lost or hidden" if found is None else found.why
            if why:
                self._why_not[key] = why
        while len(self._queries) > _KEPT_TEXTS:
            self._queries.popitem(last=False)

    def _one(self, conn: Connection, key: StatementKey) -> Checked:
        query = self._queries.get(key)
        if query is None:
            self._checked.discard(key)
            return Checked(key, "", self._why_not.get(key, "it has no plan"))
        try:
            shape = plan_shape(renamed(explain(conn, query), self.index_names), self._parents).hash
        except TrimtabError as error:
            if conn.closed:
                raise
            self._why_not[key] = f"it cannot be planned here ({error.code})"
            self._checked.discard(key)
            return Checked(key, "", self._why_not[key])
        self._why_not.pop(key, None)
        self._checked.add(key)
        return Checked(key, shape)
