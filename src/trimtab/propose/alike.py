"""Tells candidates apart as a query does, so that its planner is shown none of which it would take another anyway.

To a query a B-tree over columns is the list of its keys, up to the last that the query names, and what it holds beside
them where that may be all that a scan of the table must return. Of those that are alike the planner takes the smaller
one, or that of a single key, whose order it rates higher: so the others need not be shown beside these. None is of any
use of whose predicate a condition is of columns that the query does not name, nor one of whose keys it names none and
that holds too little for a scan. What is in doubt is told apart.

Costs that differ by less than one per cent the planner itself does not tell apart (STD_FUZZ_FACTOR in PostgreSQL's
pathnode.c); and a larger index that is read by more parallel workers may be the cheaper one by some more.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from trimtab.model.catalog import Table
from trimtab.model.plan import Plan
from trimtab.model.workload import Query
from trimtab.propose.candidate import Candidate
from trimtab.propose.needs import Need
from trimtab.propose.plain import SYSTEM_COLUMNS
from trimtab.propose.writes import held_columns

_WORD = re.compile(r"[^\W\d]\w*")
_Ranked: TypeAlias = tuple[str, int, bool]
"""A candidate's name, the number of what the query cannot tell from others of the same, and whether it has one key."""

# As a plan for one of these may look up one row in its order, it needs less of the table than the plan that is known.
_EXTREME = re.compile(r"\b(?:min|max)\(")


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a query shows of one table: the columns that it may name, and what each of its scans must return.

    A word of its text may be any table's column, and counts as one of each.
    """

    words: frozenset[str]
    named: frozenset[str]
    scans: Sequence[frozenset[str]]
    has_extremes: bool

    def names(self, column: str) -> bool:
        return column in self.words or column in self.named or _WORD.fullmatch(column) is None

    def may_be_covered(self, columns: frozenset[str]) -> bool:
        """Return whether these columns may be all that a scan must return."""
        return self.has_extremes or any(needed <= columns for needed in self.scans)


class Alike:
    """What candidates are to each query. `candidates` and `sizes` may grow while it is used."""

    def __init__(
        self,
        queries: Sequence[Query],
        plans: Mapping[str, Plan],
        needs: Mapping[str, Sequence[Need]],
        tables: Iterable[Table],
        candidates: Mapping[str, Candidate],
        sizes: Mapping[str, int],
    ) -> None:
        """`plans` are those without any of the candidates, and `needs` what they show, by the query's id.

        `tables` are all that they read.
        """
        self._candidates, self._sizes = candidates, sizes
        known = {(table.schema, table.name): table for table in tables}
        self._sights = {query.id: _sights(query, plans[query.id], needs[query.id], known) for query in queries}
        self._met: dict[str, set[str]] = {query.id: set() for query in queries}
        self._ranked: dict[str, list[_Ranked]] = {query.id: [] for query in queries}
        self._numbers: dict[Hashable, int] = {}
        self._columns: dict[str, frozenset[str]] = {}

    def useful(self, query_id: str, names: Collection[str]) -> frozenset[str]:
        """Return those of the names that the query may have a use for."""
        self._rank(query_id, names)
        return frozenset(name for name, _, _ in self._ranked[query_id]).intersection(names)

    def distinct(self, query_id: str, names: frozenset[str]) -> frozenset[str]:
        """Return those of the names that have to be shown to the query's planner to know what it takes of them all."""
        self._rank(query_id, names)
        kept = set[str]()
        best: dict[int, bool] = {}
        for name, form, is_of_one in self._ranked[query_id]:
            if name in names and (form not in best or (is_of_one and not best[form])):
                best[form] = is_of_one
                kept.add(name)
        return frozenset(kept)

    def _rank(self, query_id: str, names: Collection[str]) -> None:
        """Put those that are new among the others, in the order in which the planner prefers those that are alike."""
        fresh = set(names) - self._met[query_id]
        if not fresh:
            return
        self._met[query_id] |= fresh
        ranked = self._ranked[query_id]
        for name in fresh:
            if (form := self._form(query_id, name)) is not None:
                number = self._numbers.setdefault(form, len(self._numbers))
                ranked.append((name, number, len(self._candidates[name].keys) == 1))
        ranked.sort(key=lambda one: (self._sizes[one[0]], not one[2], one[0]))

    def _form(self, query_id: str, name: str) -> Hashable:
        """Return what the query cannot tell from others of the same; None where it has no use for it."""
        candidate = self._candidates[name]
        sight = self._sights[query_id].get((candidate.schema, candidate.table))
        told = [self._of_condition(candidate, condition) for condition in candidate.predicate]
        # One branch of an OR may show that it holds.
        if sight is None or not all(any(map(sight.names, columns)) for columns in told):
            return None
        if candidate.method != "btree" or any(key.expression or key.operator_class for key in candidate.keys):
            return name
        last = max((place for place, key in enumerate(candidate.keys, 1) if sight.names(key.column)), default=0)
        # What the predicate says need not be looked up.
        is_covering = sight.may_be_covered(candidate.columns.union(*told))
        if not last and not is_covering and not candidate.predicate:
            return None
        held = frozenset(column for column in candidate.included if is_covering and sight.names(column))
        # The first key counts in any case: in its order rows are read.
        return candidate.schema, candidate.table, candidate.keys[: max(last, 1)], held, candidate.predicate

    def _of_condition(self, candidate: Candidate, condition: str) -> frozenset[str]:
        """Return the columns that a condition of the candidate's predicate is of."""
        if condition not in self._columns:
            self._columns[condition] = held_columns(replace(candidate, keys=(), included=(), predicate=(condition,)))
        return self._columns[condition]


def _sights(
    query: Query, plan: Plan, needs: Sequence[Need], tables: Mapping[tuple[str, str], Table]
) -> dict[tuple[str, str], _Sight]:
    """Return what a query shows of each table that its plan reads."""
    words = frozenset(_WORD.findall(f"{query.text} {query.text.lower()}"))
    nodes = list(plan.root.walk())
    has_extremes = any(_EXTREME.search(text) for node in nodes for text in node.keys.get("Output", ()))
    used = {node.index for node in nodes if node.index is not None}
    scans: dict[tuple[str, str], list[frozenset[str]]] = {name: [] for name in plan.relations if name in tables}
    for need in needs:
        if (table := tables.get((need.schema, need.table))) is not None:
            # "*" and system columns are in no index; other words may be no columns.
            columns = frozenset(column.name for column in table.columns)
            said = {name for name in need.columns if name in columns or name == "*" or name in SYSTEM_COLUMNS}
            scans[need.schema, need.table].append(frozenset(said))
    return {
        name: _Sight(words, _named(tables[name], found, used), found, has_extremes) for name, found in scans.items()
    }


def _named(table: Table, scans: Sequence[frozenset[str]], used: Collection[str]) -> frozenset[str]:
    """Return the columns that the plan names; all where it may leave out what a partial index says."""
    if any(index.is_partial and index.name in used for index in table.indexes):
        return frozenset(column.name for column in table.columns)
    return frozenset[str]().union(*scans)
