"""Tells candidates apart as a query does, so that its planner is shown none of which it would take another anyway.

To a query a B-tree over columns is the list of its keys, up to the last that the query names, and what it holds beside
them where that is all that a scan of the table must return. Of those that are alike the planner takes the smaller one,
or that of a single key, whose order it rates higher: so the others need not be shown beside these. None is of any use
whose predicate is of a column that the query does not name. The planner itself tells apart no costs that differ by less
than one per cent (STD_FUZZ_FACTOR in PostgreSQL's pathnode.c), and takes several times as long where it sees all.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from trimtab.model.plan import Plan
from trimtab.model.workload import Query
from trimtab.propose.candidate import Candidate
from trimtab.propose.needs import needs_of
from trimtab.propose.writes import held_columns

_WORD = re.compile(r"[^\W\d]\w*")
_Ranked: TypeAlias = tuple[str, int, bool]
"""A candidate's name, the number of what the query cannot tell from others of the same, and whether it has one key."""


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a query shows of one table: the columns that it names, and what each of its scans must return.

    A word of its text may be any table's column, and counts as one of each.
    """

    words: frozenset[str]
    named: frozenset[str]
    scans: Sequence[frozenset[str]]

    def names(self, column: str) -> bool:
        return column in self.words or column in self.named or _WORD.fullmatch(column) is None


class Alike:
    """What candidates are to each query. `candidates` and `sizes` may grow while it is used."""

    def __init__(
        self,
        queries: Sequence[Query],
        plans: Mapping[str, Plan],
        candidates: Mapping[str, Candidate],
        sizes: Mapping[str, int],
    ) -> None:
        """`plans` are those without any of the candidates, by the query's id."""
        self._candidates, self._sizes = candidates, sizes
        self._sights = {query.id: _sights(query, plans[query.id]) for query in queries}
        self._met: dict[str, set[str]] = {query.id: set() for query in queries}
        self._ranked: dict[str, list[_Ranked]] = {query.id: [] for query in queries}
        self._numbers: dict[Hashable, int] = {}
        self._of_predicate: dict[str, frozenset[str]] = {}

    def useful(self, query_id: str, names: Iterable[str]) -> frozenset[str]:
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

    def _rank(self, query_id: str, names: Iterable[str]) -> None:
        """Put those that are new among the others, in the order in which the planner prefers those that are alike."""
        fresh = self._met[query_id].symmetric_difference(names).difference(self._met[query_id])
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
        told = self._told(name) if candidate.predicate else frozenset[str]()
        if sight is None or not all(map(sight.names, told)):
            return None
        if candidate.method != "btree" or any(key.expression or key.operator_class for key in candidate.keys):
            return name
        keys = [key if sight.names(key.column) else None for key in candidate.keys]
        while keys and keys[-1] is None:
            keys.pop()
        # What the predicate says need not be looked up.
        columns = candidate.columns | told
        is_covering = any(needed <= columns for needed in sight.scans)
        if not keys and not is_covering and not candidate.predicate:
            return None
        held = frozenset(column for column in candidate.included if is_covering and sight.names(column))
        return candidate.schema, candidate.table, tuple(keys), held, candidate.predicate

    def _told(self, name: str) -> frozenset[str]:
        """Return the columns that the predicate is of."""
        if name not in self._of_predicate:
            self._of_predicate[name] = held_columns(replace(self._candidates[name], keys=(), included=()))
        return self._of_predicate[name]


def _sights(query: Query, plan: Plan) -> dict[tuple[str, str], _Sight]:
    """Return what a query shows of each table that its plan reads."""
    words = frozenset(_WORD.findall(f"{query.text} {query.text.lower()}"))
    scans: dict[tuple[str, str], list[frozenset[str]]] = {table: [] for table in plan.relations}
    for need in needs_of(plan):
        scans.setdefault((need.schema, need.table), []).append(frozenset(need.columns))
    return {table: _Sight(words, frozenset[str]().union(*found), found) for table, found in scans.items()}
