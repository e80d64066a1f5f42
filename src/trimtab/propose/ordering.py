"""Orders a chosen set by what each index adds to those before it, and leaves out what adds too little at the end.

The model ranks; what is added is the planner's word. Only queries that the model knows a better plan for are asked
about: another could only add to the gain. So thousands of queries and of indexes can be ordered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import TypeAlias

from trimtab.model.workload import Query
from trimtab.propose.atoms import Planner
from trimtab.propose.problem import Problem

# Groups of one size that the planner is asked about, where the one that the model ranks first does not pay.
MAX_ASKED = 12

NOTICED = 0.0005
"""A saving of a query's that is a smaller share of the workload's cost is taken from the model: it orders nothing."""

Group: TypeAlias = tuple[str, ...]


def best_first(problem: Problem, planner: Planner, chosen: Sequence[str]) -> list[tuple[Group, float]]:
    """Return the chosen in groups, best first, with what each adds, in the model's ms.

    Where none of the rest adds enough alone, but two of them or all do, these stay together as one group.
    """
    left = sorted(chosen)
    model = _Model(problem, left)
    truth = _Truth(problem, planner, model, left)
    groups: list[tuple[Group, float]] = []
    while left:
        group, gain = _best_group(problem, model, truth, left)
        if not group:
            break
        groups.append((group, gain))
        model.take(group)
        truth.take(group)
        left = [name for name in left if name not in group]
    return groups


def _best_group(problem: Problem, model: _Model, truth: _Truth, left: Sequence[str]) -> tuple[Group, float]:
    """Return the best single index, else the best pair, else all that is left, and its gain; nothing when none pays."""
    for groups in _by_size(model, left):
        promised = {group: model.gain(group) - sum(map(problem.charge_ms, group)) for group in groups}
        ranked = sorted(groups, key=lambda group: -promised[group])
        # Mostly the first; the model may not know what some are worth without others, and then more are asked.
        for several in (ranked[:1], ranked[1:MAX_ASKED]):
            gains = {group: truth.gain(group) for group in several}
            net = {group: gain - sum(map(problem.charge_ms, group)) for group, gain in gains.items()}
            best = max(several, key=lambda group: net[group], default=())
            if best and net[best] > 0:
                return best, gains[best]
    return (), 0.0


def _by_size(model: _Model, left: Sequence[str]) -> Iterator[list[Group]]:
    """Yield the single indexes, the pairs, and all together; larger groups are made only where they are wanted."""
    yield [(name,) for name in left]
    yield model.pairs(left)
    yield [tuple(left)]


class _Model:
    """What the atoms promise of groups beside those that were taken."""

    def __init__(self, problem: Problem, names: Sequence[str]) -> None:
        everything = frozenset(names)
        self._value = problem.value
        self._atoms = {q: [a for a in atoms if a.indexes <= everything] for q, atoms in problem.atoms.items()}
        self._users: dict[str, list[str]] = {name: [] for name in names}
        self._wanted: dict[str, set[str]] = {}
        for query_id, atoms in self._atoms.items():
            sets = [atom.indexes for atom in atoms] + [others for atom in atoms for others in atom.not_under]
            self._wanted[query_id] = {name for some in sets for name in some if name in self._users}
            for name in self._wanted[query_id]:
                self._users[name].append(query_id)
        self._taken: frozenset[str] = frozenset()
        self._costs = {query_id: self.cost(query_id, self._taken) for query_id in self._atoms}
        self._gains: dict[Group, float] = {}

    def gain(self, group: Group) -> float:
        """Return what the group would save now."""
        if group not in self._gains:
            there = self._taken | set(group)
            users = dict.fromkeys(query_id for name in group for query_id in self._users[name])
            self._gains[group] = sum(self._value[q] * (self._costs[q] - self.cost(q, there)) for q in users)
        return self._gains[group]

    def pairs(self, left: Sequence[str]) -> list[Group]:
        """Return the pairs that share a query: of others each would pay alone."""
        rest = set(left)
        found: set[Group] = set()
        for wanted in self._wanted.values():
            found.update(combinations(sorted(wanted & rest), 2))
        return sorted(found)

    def take(self, group: Group) -> None:
        """Let the group be there from now on."""
        self._taken |= set(group)
        users = {query_id for name in group for query_id in self._users[name]}
        for query_id in users:
            self._costs[query_id] = self.cost(query_id, self._taken)
        stale = {name for query_id in users for name in self._wanted[query_id]}
        self._gains = {known: gain for known, gain in self._gains.items() if stale.isdisjoint(known)}

    def cost(self, query_id: str, there: frozenset[str]) -> float:
        """Return what the query costs with these indexes, as far as the model knows."""
        return min(atom.cost for atom in self._atoms[query_id] if atom.holds_under(there))


class _Truth:
    """What the planner says of groups beside those that were taken."""

    def __init__(self, problem: Problem, planner: Planner, model: _Model, names: Sequence[str]) -> None:
        self._problem = problem
        self._planner = planner
        self._model = model
        self._noticed = NOTICED * sum(problem.value[q] * cost for q, cost in problem.base_cost.items())
        self._taken: Group = ()
        self._costs = dict(problem.base_cost)
        self._least: dict[str, list[tuple[Query, float]]] = {name: [] for name in names}
        """For each index the queries with a plan that uses it and others of these, and the least cost of such."""
        self._wanted: dict[str, frozenset[str]] = {}
        """What a known plan of a query uses. The others are not shown to it: the more there is, the longer it plans."""
        there = frozenset(names)
        for query in problem.queries:
            least: dict[str, float] = {}
            for atom in problem.atoms[query.id]:
                if atom.indexes <= there:
                    least |= {name: min(least.get(name, atom.cost), atom.cost) for name in atom.indexes}
            self._wanted[query.id] = frozenset(least)
            for name, cost in least.items():
                self._least[name].append((query, cost))

    def gain(self, group: Group) -> float:
        """Return what the group saves."""
        return sum(self._problem.value[q] * (self._costs[q] - cost) for q, cost in self._with(group))

    def take(self, group: Group) -> None:
        """Let the group be there from now on."""
        self._costs.update(self._with(group))
        self._taken += group

    def _with(self, group: Group) -> Iterable[tuple[str, float]]:
        users = [user for name in group for user in self._least[name]]
        promised: dict[str, float] = {}
        for query, least in users:
            saved = self._problem.value[query.id] * (self._costs[query.id] - least)
            promised[query.id] = max(saved, promised.get(query.id, 0.0))
        hopeful = {query.id: query for query, _ in users if promised[query.id] > 0.0}
        noticed = {query_id: query for query_id, query in hopeful.items() if promised[query_id] > self._noticed}
        # What is worth little anyway is asked for every bit of it: else it would be kept for nothing.
        queries = list((noticed or hopeful).values())
        there = frozenset((*self._taken, *group))
        atoms = self._planner.each([(query, there & self._wanted[query.id]) for query in queries])
        small = hopeful.keys() - noticed.keys() if noticed else ()
        return [
            *((query.id, atom.cost) for query, atom in zip(queries, atoms, strict=True)),
            *((query_id, min(self._costs[query_id], self._model.cost(query_id, there))) for query_id in sorted(small)),
        ]
