"""Fills a selection problem with atoms: what the planner answers where it can matter for the choice.

Two ways, over each query's own candidates. Where what a query likes is dear, at the prices that the budget makes, the
dearer half of it is hidden, until what is left is worth its price: few questions lead to plans with small indexes. And
the queries' trees are walked down as `explore` says. Both leave hidden what a query could never pay for: the planner
takes many times as long where it sees many indexes. How many questions that takes depends on the workload and the
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
# What promises less than its query's part of this share of the workload's cost is not asked.
UNASKED = 0.005
# An index is shown to a query that could pay for one part in so many of it: others may pay for the rest.
SHARERS = 3
# What is known reaches the bound when it is within this share of it: about as near as the program is solved.
REACHED = 0.002
# It has settled when so many steps made less than this share of a difference to it.
SETTLED, PATIENCE = 0.001, 8


def gather_atoms(problem: Problem, planner: Planner, own: Mapping[str, Sequence[str]]) -> None:
    """Add to the problem's atoms. `own` lists the candidate names of each query that is to be asked about."""
    for query in problem.queries:
        problem.atoms.setdefault(query.id, [Atom(frozenset(), problem.base_cost[query.id])])
    queries = [query for query in problem.queries if query.id in own]
    steps = min(max(QUERY_STEPS // max(len(problem.queries), 1), LEAST_STEPS), MAX_STEPS)
    least_ms = problem.part_ms(UNASKED)
    chains = [_Chain(problem, query, planner.usable(query) & set(own[query.id])) for query in queries]
    known = _probe(problem, planner, chains, steps, least_ms)
    trees = {
        chain.query.id: Tree(problem, planner, chain.query, chain.names if known is None else chain.affordable(known))
        for chain in chains
    }
    relaxation = Relaxation(problem)
    reached: list[float] = []

    def weigh(met: Mapping[str, Sequence[Atom]]) -> Relaxed | None:
        every = {i: useful([*atoms, *problem.atoms[i]]) for i, atoms in met.items()}
        known = relaxation.solved(every, {}, seconds=math.inf)
        reached.append(0.0 if known is None else known.lower_bound)
        return known

    def is_enough(bound: float) -> bool:
        is_settled = len(reached) > PATIENCE and reached[-1] > reached[-1 - PATIENCE] * (1 - SETTLED)
        return is_settled or reached[-1] <= bound * (1 + REACHED)

    explore(
        problem,
        planner,
        trees,
        steps=steps,
        enough=is_enough,
        weigh=weigh,
        least_ms=least_ms,
        seconds_left=lambda: math.inf,
    )
    for query_id, tree in trees.items():
        problem.atoms[query_id] = useful([*problem.atoms[query_id], *tree.atoms()])


class _Chain:
    """What a query would use as what it likes and nobody would pay for is hidden, the dearest half at a time."""

    def __init__(self, problem: Problem, query: Query, names: frozenset[str]) -> None:
        self.query, self.names = query, names
        self.next: frozenset[str] | None = names or None
        self._problem = problem
        self._costs: dict[frozenset[str], float] = {}

    def promise(self, known: Relaxed) -> float:
        """Return what the answer to `next` can bring at most, in ms: it costs no less than what was seen of more."""
        if self.next is None:
            return 0.0
        floor = max((cost for names, cost in self._costs.items() if self.next <= names), default=0.0)
        return known.promise(self.query.id, self._problem.value[self.query.id] * floor)

    def affordable(self, known: Relaxed) -> frozenset[str]:
        """Return those of its indexes that the query could pay for at these prices."""
        return self._affordable(self.names, self._costs.get(self.names, 0.0), known)

    def begin(self, known: Relaxed) -> None:
        """Begin with what the query could pay for at these prices; with nothing where that was asked before."""
        self._continue(self.affordable(known))

    def learn(self, atom: Atom, known: Relaxed) -> None:
        """Take the answer to `next`."""
        assert self.next is not None, "it was asked"
        self._costs[self.next] = atom.cost
        dear = sorted((-price, name) for name in atom.indexes if (price := self._price(name, known)) > 0)
        if dear:
            hidden = {name for _, name in dear[: (len(dear) + 1) // 2]}
            self._continue(self._affordable(self.next - hidden, atom.cost, known))
        else:
            self.begin(known)

    def _continue(self, there: frozenset[str]) -> None:
        self.next = there if there and there not in self._costs else None

    def _affordable(self, names: frozenset[str], floor: float, known: Relaxed) -> frozenset[str]:
        """Return those of the names that may be worth their price where the query costs `floor` with all of them."""
        most = SHARERS * known.promise(self.query.id, self._problem.value[self.query.id] * floor)
        return frozenset(name for name in names if self._price(name, known) <= most)

    def _price(self, name: str, known: Relaxed) -> float:
        """Return what the query pays for the index, or would have to, because nobody does."""
        whole = known.byte_ms * self._problem.sizes[name] + self._problem.charge_ms(name)
        return known.shares.get((self.query.id, name), 0.0) + known.unpaid.get(name, whole)


def _probe(problem: Problem, planner: Planner, chains: Sequence[_Chain], steps: int, least_ms: float) -> Relaxed | None:
    """Ask what each query would use at the prices that the budget makes of what is known, which makes them better.

    Return the last of these.
    """
    relaxation = Relaxation(problem)
    known = relaxation.solved(problem.atoms, {}, seconds=math.inf)
    if known is not None and known.byte_ms > 0:
        for chain in chains:
            chain.begin(known)
    asked = [(chain, chain.next) for chain in chains if chain.next is not None]
    for step in range(1, steps + 1):
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
        asked = [(chain, chain.next) for chain in chains if chain.next is not None and chain.promise(known) > least_ms]
        asked = [pair for pair in asked if problem.takes_part(pair[0].query.id, step)] or asked
    return known
