"""The candidates of a selection that may be made, by name: how large they are, and what they cost.

Asks the what-if port for sizes; which of them are worth having is for the planner and the solver to say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from trimtab.model.catalog import Table
from trimtab.model.change import CreateIndex
from trimtab.model.plan import Plan
from trimtab.model.workload import Query
from trimtab.propose.candidate import Candidate, Origin
from trimtab.propose.context import Context
from trimtab.propose.problem import Cap
from trimtab.propose.writes import Write, own_ms, planning_ms, write_ms, writes_of

# A part that is larger than this share of the whole index is not worth its restriction.
MAX_PARTIAL_SHARE = 0.5


class Pool:
    """The candidates that may be made, by name: with their sizes, and what they are expected to cost."""

    def __init__(
        self, context: Context, queries: Sequence[Query], plans: Mapping[str, Plan], rent_per_byte: float
    ) -> None:
        self._context = context
        self._writing = [query for query in queries if not query.is_read]
        self._writes = writes_of(self._writing, plans)
        self._planning = planning_ms(queries, plans)
        self._rent_per_byte = rent_per_byte
        self.names: dict[Candidate, str] = {}
        self._left_out: dict[Candidate, str] = {}
        self.candidates: dict[str, Candidate] = {}
        self.origins: dict[str, Origin] = {}
        self.changes: dict[str, CreateIndex] = {}
        self.sizes: dict[str, int] = {}
        self.write_ms: dict[str, float] = {}
        self.keep_ms: dict[str, float] = {}

    def add(self, thought_of: Mapping[Candidate, Sequence[str]]) -> None:
        """Add those that the server would make and that are not too large, with the queries they were thought of for.

        All at once, so that what a table's indexes need is looked up once.
        """
        fresh = [candidate for candidate in thought_of if candidate not in self.names]
        changes = [candidate.change(self._context.limits.name_prefix) for candidate in fresh]
        largest = min(self._context.limits.max_index_bytes, self._context.limits.budget_bytes)
        partial = [candidate for candidate in fresh if candidate.predicate]
        over_all = [replace(candidate, predicate=()).change(self._context.limits.name_prefix) for candidate in partial]
        sizes = self._context.what_if.size_bytes([*over_all, *changes])
        whole = {one: size for one, size in zip(partial, sizes[: len(partial)], strict=True) if size is not None}
        for candidate, change, size in zip(fresh, changes, sizes[len(partial) :], strict=True):
            if size is None:
                self._left_out[candidate] = "what it asks for is an index that the server would refuse"
            elif size > largest:
                self._left_out[candidate] = "what it asks for is larger than an index may be, or than the budget"
            elif size > MAX_PARTIAL_SHARE * whole.get(candidate, math.inf):
                self._left_out[candidate] = "what it asks for is a part of nearly all rows"
            if candidate in self._left_out or size is None:
                continue
            self.names[candidate] = change.name
            self.candidates[change.name] = candidate
            self.changes[change.name] = change
            self.sizes[change.name] = size
            self.write_ms[change.name] = self._write_ms(candidate)
            planning = self._planning.get((candidate.schema, candidate.table), 0.0) * self._context.units_per_ms
            self.keep_ms[change.name] = self.write_ms[change.name] + planning + self._rent_per_byte * size
        for candidate, query_ids in thought_of.items():
            if (name := self.names.get(candidate)) is not None:
                known = self.origins.get(name, Origin(self.candidates[name].rule, ()))
                self.origins[name] = Origin(known.rule, tuple(dict.fromkeys((*known.query_ids, *query_ids))))

    def why_left_out(self, candidates: Sequence[Candidate]) -> str | None:
        """Return why those of these that may not be made are left out: the reason of most of them."""
        reasons = [self._left_out[one] for one in candidates if one in self._left_out]
        return max(reasons, key=reasons.count, default=None)

    def own_write_ms(self) -> dict[str, float]:
        """Return the weighted ms of each query that writes: as measured, or without a lab by the prices of entries."""
        if self._context.baseline_ms:
            return {query.id: self._context.time_per_cost(query, 1.0) for query in self._writing}
        found = dict.fromkeys((query.id for query in self._writing), 0.0)
        for write in self._writes:
            if (table := self._context.snapshot.table(write.schema, write.table)) is not None:
                found[write.query_id] += own_ms(write, table) * self._context.units_per_ms
        return found

    def caps(self) -> list[Cap]:
        """Return the limits on sums over the chosen."""
        limits, own = self._context.limits, self.own_write_ms()
        found = []
        if limits.max_indexes is not None:
            found.append(Cap("the number of indexes", dict.fromkeys(self.changes, 1.0), limits.max_indexes))
        if limits.max_write_overhead is not None:
            most = limits.max_write_overhead * sum(own.values())
            found.append(Cap("the write overhead", self.write_ms, most))
        if limits.max_regression is not None:
            loads = self._loads()
            found += [
                Cap(f"what {query.name} may lose", loads[query.id], limits.max_regression * own[query.id])
                for query in self._writing
            ]
        return found

    def _loads(self) -> dict[str, dict[str, float]]:
        """Return the weighted ms that each candidate adds to each query that writes, by query and name."""
        on_table: dict[tuple[str, str], list[str]] = {}
        for name, candidate in self.candidates.items():
            on_table.setdefault((candidate.schema, candidate.table), []).append(name)
        found: dict[str, dict[str, float]] = {query.id: {} for query in self._writing}
        for write in self._writes:
            if (table := self._context.snapshot.table(write.schema, write.table)) is not None:
                loads = found[write.query_id]
                for name in on_table.get((write.schema, write.table), ()):
                    loads[name] = loads.get(name, 0.0) + self._price(self.candidates[name], table, [write])
        return found

    def _write_ms(self, candidate: Candidate) -> float:
        table = self._context.snapshot.table(candidate.schema, candidate.table)
        return 0.0 if table is None else self._price(candidate, table, self._writes)

    def _price(self, candidate: Candidate, table: Table, writes: Sequence[Write]) -> float:
        return write_ms(candidate, table, writes) * self._context.units_per_ms

    @property
    def special(self) -> frozenset[str]:
        """Those that are no plain B-trees."""
        return frozenset(name for name, candidate in self.candidates.items() if not candidate.is_plain)

    def barred(self, constant: Mapping[tuple[str, str], frozenset[str]]) -> frozenset[str]:
        """Return the partial candidates whose predicate is not among a query's constant conditions."""
        return frozenset(
            name
            for name, candidate in self.candidates.items()
            if not constant.get((candidate.schema, candidate.table), frozenset()).issuperset(candidate.predicate)
        )
