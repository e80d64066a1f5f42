"""Fills a selection problem with atoms: what the planner answers where it can matter for the choice.

Two ways, over each query's own candidates. Where what a query likes is dear, at the prices that the budget makes, the
dearer half of it is hidden, until what is left is worth its price: few questions lead to plans with small indexes. And
the queries' trees are walked down as `explore` says. How many questions that takes depends on the workload and the
budget, and on nothing that a faster machine would change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from trimtab.model.workload import Query
from trimtab.propose.atoms import Planner
from trimtab.propose.problem import Atom, Problem, useful
from trimtab.propose.relaxation import Relaxation, Relaxed
from trimtab.propose.trees import Tree, explore

# Steps of each of the two ways, and how many queries' steps there may be in all: the programs grow with the queries.
MAX_STEPS, LEAST_STEPS, QUERY_STEPS = 24, 2, 12_000
# Of what at least so much would be there, the price is paid already.
WANTED = 0.1
# A guess that promises to save less than its query's part of this share of the workload's cost is not asked.
UNASKED = 0.005
# What is known reaches the bound when it is within this share of it: about as near as the program is solved.
REACHED = 0.002
# It has settled when so many steps made less than this share of a difference to it.
SETTLED, PATIENCE = 0.001, 4


def gather_atoms(problem: Problem, planner: Planner, own: Mapping[str, Sequence[str]]) -> None:
    """Add to the problem's atoms. `own` lists each query's candidate names."""
    steps = min(max(QUERY_STEPS // max(len(problem.queries), 1), LEAST_STEPS), MAX_STEPS)
    for query in problem.queries:
        problem.atoms.setdefault(query.id, [Atom(frozenset(), problem.base_cost[query.id])])
    _probe(problem, planner, own, steps)
    trees = {query.id: Tree(problem, planner, query, frozenset(own.get(query.id, ()))) for query in problem.queries}

    reached: list[float] = []
    relaxation = Relaxation(problem)

    def is_enough(bound: float, met: Mapping[str, Sequence[Atom]]) -> bool:
        every = {i: useful([*atoms, *problem.atoms[i]]) for i, atoms in met.items()}
        known = relaxation.solved(every, {}, seconds=math.inf)
        if known is None:
            return True
        reached.append(known.lower_bound)
        is_settled = len(reached) > PATIENCE and reached[-1] > reached[-1 - PATIENCE] * (1 - SETTLED)
        return is_settled or reached[-1] <= bound * (1 + REACHED)

    explore(
        problem,
        planner,
        trees,
        steps=steps,
        enough=is_enough,
        least_ms=UNASKED * problem.base_ms / max(len(problem.queries), 1),
        seconds_left=lambda: math.inf,
    )
    for query in problem.queries:
        problem.atoms[query.id] = useful([*problem.atoms[query.id], *trees[query.id].atoms()])


class _Chain:
    """What a query would use as what it likes and nobody would pay for is hidden, the dearest half at a time."""

    def __init__(self, problem: Problem, query: Query, names: frozenset[str]) -> None:
        self.query = query
        self._problem, self._names = problem, names
        self._asked: set[frozenset[str]] = set()
        self.next: frozenset[str] | None = names or None

    def begin(self, known: Relaxed) -> None:
        """Begin with what the query alone could pay for at these prices; with nothing where that was asked before."""
        problem, own = self._problem, self.query
        # No query can save more than it costs.
        most = problem.value[own.id] * problem.base_cost[own.id]
        there = frozenset(name for name in self._names if self._price(name, known) <= most)
        self.next = there if there and there not in self._asked else None

    def learn(self, atom: Atom, known: Relaxed) -> None:
        """Take the answer to `next`."""
        assert self.next is not None, "it was asked"
        self._asked.add(self.next)
        unwanted = [name for name in atom.indexes if known.parts.get(name, 0.0) < WANTED]
        if unwanted:
            unwanted.sort(key=lambda name: (-self._price(name, known), name))
            there = self.next - set(unwanted[: (len(unwanted) + 1) // 2])
            self.next = there if there and there not in self._asked else None
        else:
            self.begin(known)

    def _price(self, name: str, known: Relaxed) -> float:
        charged = known.byte_ms * self._problem.sizes[name] + self._problem.charge_ms(name)
        return charged * (1 - known.parts.get(name, 0.0))


def _probe(problem: Problem, planner: Planner, own: Mapping[str, Sequence[str]], steps: int) -> None:
    """Ask what each query would use at the prices that the budget makes of what is known, which makes them better."""
    chains = [_Chain(problem, query, planner.usable(query) & set(own.get(query.id, ()))) for query in problem.queries]
    relaxation = Relaxation(problem)
    known = relaxation.solved(problem.atoms, {}, seconds=math.inf)
    if known is not None and known.byte_ms > 0:
        for chain in chains:
            chain.begin(known)
    for _ in range(steps):
        asked = [(chain, chain.next) for chain in chains if chain.next is not None]
        if not asked:
            break
        answers = planner.each([(chain.query, there) for chain, there in asked])
        for (chain, _), atom in zip(asked, answers, strict=True):
            problem.atoms[chain.query.id] = useful([*problem.atoms[chain.query.id], atom])
        known = relaxation.solved(problem.atoms, {}, seconds=math.inf)
        if known is None:
            break
        for (chain, _), atom in zip(asked, answers, strict=True):
            chain.learn(atom, known)
