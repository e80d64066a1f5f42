"""Looks for a good set by local search over the plans known so far: greedy, then small random losses, refilled.

A second opinion beside the exact solver: it proves nothing, and asks no planner.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from trimtab.propose.problem import Problem
from trimtab.propose.reduction import reduced

# Of a set, the share that is lost before it is refilled.
LOSS = 0.3


def search(problem: Problem, *, seconds: float, seed: int) -> tuple[str, ...]:
    """Return the best set that was found in so many seconds, sorted."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    deadline = time.monotonic() + seconds
    state = _State(problem)
    _fill(state, state.names)
    best, least = frozenset[str](), problem.base_ms
    if not problem.is_refused(state.chosen):
        best, least = frozenset(state.chosen), state.objective
    while time.monotonic() < deadline and best:
        state.become(best)
        lost = rng.sample(sorted(best), max(1, round(LOSS * rng.random() * len(best))))
        for name in lost:
            state.drop(name)
        # One of the lost stays away, so that its room goes to others.
        _fill(state, [name for name in state.names if name != lost[0]])
        _fill(state, state.names)
        if state.objective < least and not problem.is_refused(state.chosen):
            best, least = frozenset(state.chosen), state.objective
    return tuple(sorted(best))


def _fill(state: _State, names: Sequence[str]) -> None:
    """Add what saves most for its size, as long as something saves more than it is charged; then drop what is idle."""
    while True:
        worth = [(state.saving(name) / (state.sizes[name] or 1), name) for name in names if state.fits(name)]
        rate, name = max(worth, default=(0.0, ""))
        if rate <= 0:
            break
        state.add(name)
    for name in sorted(state.chosen):
        before = state.objective
        state.drop(name)
        if state.objective > before:
            state.add(name)


class _State:
    """A set within the limits, and what the model says of it."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._atoms = reduced(problem)
        self._users: dict[str, list[str]] = {}
        for query_id, atoms in self._atoms.items():
            for name in {name for atom in atoms for name in (*atom.indexes, *(n for s in atom.not_under for n in s))}:
                self._users.setdefault(name, []).append(query_id)
        self.names = sorted(name for name in self._users if name in problem.sizes)
        self.sizes = problem.sizes
        self._caps = {name: [cap for cap in problem.caps if cap.loads.get(name)] for name in self.names}
        self.become(frozenset())

    def become(self, chosen: frozenset[str]) -> None:
        self.chosen = set(chosen)
        self._costs = {query_id: self._cost(query_id, chosen) for query_id in self._atoms}
        self._size = sum(self.sizes[name] for name in chosen)
        self.objective = sum(self._costs.values()) + sum(map(self._problem.charge_ms, chosen))

    def add(self, name: str) -> None:
        self.become_with(frozenset(self.chosen | {name}), name, self._problem.charge_ms(name), self.sizes[name])

    def drop(self, name: str) -> None:
        self.become_with(frozenset(self.chosen - {name}), name, -self._problem.charge_ms(name), -self.sizes[name])

    def become_with(self, chosen: frozenset[str], name: str, charge: float, size: int) -> None:
        for query_id in self._users.get(name, ()):
            cost = self._cost(query_id, chosen)
            self.objective += cost - self._costs[query_id]
            self._costs[query_id] = cost
        self.objective += charge
        self._size += size
        self.chosen = set(chosen)

    def saving(self, name: str) -> float:
        """Return what adding the index would save, its charge taken off."""
        chosen = frozenset(self.chosen | {name})
        saved = sum(self._costs[query_id] - self._cost(query_id, chosen) for query_id in self._users[name])
        return saved - self._problem.charge_ms(name)

    def fits(self, name: str) -> bool:
        if name in self.chosen or self._size + self.sizes[name] > self._problem.budget_bytes:
            return False
        more = {*self.chosen, name}
        if not all(cap.holds(more) for cap in self._caps[name]) or self._problem.is_refused(more):
            return False
        change = self._problem.candidates[name]
        room = self._problem.max_per_table.get((change.schema, change.table))
        others = (self._problem.candidates[one] for one in self.chosen)
        return room is None or sum((o.schema, o.table) == (change.schema, change.table) for o in others) < room

    def _cost(self, query_id: str, chosen: frozenset[str]) -> float:
        atoms = self._atoms[query_id]
        return self._problem.value[query_id] * min(atom.cost for atom in atoms if atom.holds_under(chosen))
