"""The index selection problem as values: candidates, what they cost to keep, and what the planner answered so far.

Decides nothing: `atoms` asks, `solver` solves, `selection` goes on until both agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.model.change import CreateIndex
from trimtab.model.workload import Query

# What the solver's tolerance may leave above a limit.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Atom:
    """One answer of the planner: with these indexes the query costs this much, whatever else is there.

    Save for `not_under`: beside any of these sets, the planner was seen to do worse.
    """

    indexes: frozenset[str]
    cost: float
    not_under: frozenset[frozenset[str]] = frozenset()

    def holds_under(self, chosen: frozenset[str]) -> bool:
        """True when a model that knows this atom expects its cost with the chosen indexes."""
        return self.indexes <= chosen and not any(others <= chosen for others in self.not_under)


@dataclass(frozen=True, slots=True)
class Guess:
    """What nobody asked the planner yet: with all of `present`, some of `others`, none of `absent` it costs no less."""

    present: frozenset[str]
    others: frozenset[str]
    absent: frozenset[str]
    floor: float


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit on a sum: what the chosen indexes load is `most` at most. `name` says to people what it is a limit of."""

    name: str
    loads: Mapping[str, float]
    most: float

    def holds(self, names: Iterable[str]) -> bool:
        """True when these indexes are within the limit."""
        return sum(self.loads.get(name, 0.0) for name in names) <= self.most * (1 + _ROUNDING) + _ROUNDING


@dataclass(frozen=True, slots=True)
class Refused:
    """Sets under which the planner was seen to make a query worse than allowed: all of `present`, none of `absent`."""

    present: frozenset[str]
    absent: frozenset[str]

    def holds(self, chosen: frozenset[str]) -> bool:
        """True when the chosen are such a set."""
        return self.present <= chosen and not self.absent & chosen


@dataclass(slots=True)
class Problem:
    """The selection problem: candidates with sizes and cost to the writes; queries and what a cost unit is worth.

    `value` is weighted ms per cost unit, `keep_ms` the weighted ms that an index adds to the writes. `atoms` grows.
    `noise_ms` is what an index on a table must save beyond that, so that its gain is no noise. `special` are the
    candidates that are no plain B-trees. `barred` names, by query, those that must not be promised to it: a plan for
    any parameters has no use for them. `caps` are limits beside the budget and the tables' own. A set under which a
    query costs more than `max_regression` over its cost without any, as a share, is among `refused`, which grows.
    `effort` is how many times as long as a simple query's a query's planning takes, 1 where it does not say.
    """

    candidates: Mapping[str, CreateIndex]
    sizes: Mapping[str, int]
    keep_ms: Mapping[str, float]
    queries: Sequence[Query]
    value: Mapping[str, float]
    base_cost: Mapping[str, float]
    budget_bytes: int
    max_per_table: Mapping[tuple[str, str], int]
    atoms: dict[str, list[Atom]] = field(default_factory=dict)
    noise_ms: Mapping[tuple[str, str], float] = field(default_factory=dict)
    special: frozenset[str] = frozenset()
    barred: Mapping[str, frozenset[str]] = field(default_factory=dict)
    caps: Sequence[Cap] = ()
    max_regression: float | None = None
    refused: set[Refused] = field(default_factory=set)
    effort: Mapping[str, float] = field(default_factory=dict)

    @property
    def base_ms(self) -> float:
        """The weighted time of the workload as it is, in the model's ms."""
        return sum(self.value[query.id] * self.base_cost[query.id] for query in self.queries)

    def part_ms(self, share: float) -> float:
        """Return one query's equal part of this share of the workload's time as it is, in the model's ms."""
        return share * self.base_ms / max(len(self.queries), 1)

    def takes_part(self, query_id: str, step: int) -> bool:
        """True where the planner is asked about a query in this step, should it matter: in fewer if that takes long."""
        return step % max(round(self.effort.get(query_id, 1.0)), 1) == 0

    def workload_ms(self, names: Iterable[str]) -> float:
        """The weighted time of the workload with these indexes, as far as the atoms know."""
        chosen = frozenset(names)
        return sum(self.value[query.id] * self.promised(query.id, chosen) for query in self.queries)

    def promised(self, query_id: str, chosen: frozenset[str]) -> float:
        """The least cost of a query with these indexes, as far as the atoms know."""
        return min(atom.cost for atom in self.atoms[query_id] if atom.holds_under(chosen))

    def objective(self, names: Iterable[str]) -> float:
        """What the set is judged by, as far as the atoms know: the workload's time, and what it is charged."""
        chosen = list(names)
        return self.workload_ms(chosen) + sum(self.charge_ms(name) for name in chosen)

    def has_no_room(self, names: Iterable[str]) -> bool:
        """True when these are more than one of their tables may have."""
        tables = [(self.candidates[name].schema, self.candidates[name].table) for name in names]
        return any(tables.count(table) > self.max_per_table.get(table, len(tables)) for table in tables)

    def broken_cap(self, names: Iterable[str]) -> Cap | None:
        """Return a cap that these indexes go beyond, None where all hold."""
        chosen = list(names)
        return next((cap for cap in self.caps if not cap.holds(chosen)), None)

    def is_refused(self, names: Iterable[str]) -> bool:
        """True when the set was seen to make a query worse than allowed."""
        chosen = frozenset(names)
        return any(refused.holds(chosen) for refused in self.refused)

    def charge_ms(self, name: str) -> float:
        """What an index must save to be worth having: its cost to the writes, and the least gain that is no noise."""
        change = self.candidates[name]
        return self.keep_ms.get(name, 0.0) + self.noise_ms.get((change.schema, change.table), 0.0)


def useful(atoms: Sequence[Atom]) -> list[Atom]:
    """Return the atoms, cheapest first, without those that use all that another uses which costs no more, always."""
    found: list[Atom] = []
    always: list[frozenset[str]] = []
    for atom in sorted(atoms, key=lambda atom: (atom.cost, len(atom.indexes), sorted(atom.indexes))):
        if any(indexes <= atom.indexes for indexes in always):
            continue
        found.append(atom)
        if not atom.not_under:
            always.append(atom.indexes)
    return found
