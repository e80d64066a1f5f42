"""Proves how far a set of indexes is from the best, by a bound that no set of candidates can beat.

A query never costs more for an index that is there. So where the planner is shown a set and uses some of it, every
smaller set either holds these and costs the same, or misses one of them and costs no less than the set without it: a
tree, of which one path leads to any set. A program over the plans met so far, and guesses for what is behind them,
gives the bound and a set that would reach it; the paths to that set are walked, and it is solved again, until bound and
truth meet or the effort is spent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from trimtab.propose.atoms import Planner
from trimtab.propose.problem import Problem, useful
from trimtab.propose.solver import solve, solve_with_guesses
from trimtab.propose.trees import Tree, ask, explore

# Of the gap that is left, the part to which a program over guesses is solved.
ROUGH = 4
# What could lower the bound by less than its query's part of this share of the workload's cost is not asked.
UNASKED = 0.002
# Of the time, what is left for a last set in any case.
LEAST_LEFT = 0.1
# Closer than this the costs themselves do not tell sets apart.
ENOUGH = 0.005


@dataclass(frozen=True, slots=True)
class Proof:
    """The best set seen, its objective, and the bound that no set of the candidates can beat, in the model's ms."""

    names: tuple[str, ...]
    objective: float
    lower_bound: float
    rounds: int

    @property
    def gap(self) -> float:
        """How much less the best could cost, as a share of the objective."""
        return gap_between(self.lower_bound, self.objective)

    def or_better(self, names: tuple[str, ...], objective: float) -> Proof:
        """Return the proof with this set, where it is the better one."""
        return replace(self, names=names, objective=objective) if objective < self.objective else self


def gap_between(lower_bound: float, objective: float) -> float:
    """Return how much less than the objective the best could be, as a share of it."""
    return max(0.0, 1 - lower_bound / objective) if objective > 0 else 0.0


def prove(
    problem: Problem,
    planner: Planner,
    names: Sequence[str],
    objective: Callable[[Sequence[str]], float],
    *,
    seconds: float,
    gap: float = ENOUGH,
) -> Proof:
    """Return the best set found, starting from `names`, and the proven bound, after at most about so many seconds.

    `objective` is what the planner says of a whole set. Ends early when the gap is closed.
    """
    deadline = time.monotonic() + seconds
    least_ms = problem.part_ms(UNASKED)
    trees = {
        query.id: Tree(problem, planner, query, planner.usable(query), least_ms=least_ms) for query in problem.queries
    }
    reached = objective(names)
    bound = explore(
        problem,
        planner,
        trees,
        enough=lambda bound: gap_between(bound, reached) <= gap,
        seconds_left=lambda: deadline - time.monotonic(),
    )
    proof = Proof(tuple(names), reached, bound, 0)
    if proof.gap > gap:
        # What was asked for the bound may show a better set, whatever the time.
        met = {i: useful([*problem.atoms[i], *tree.atoms()]) for i, tree in trees.items()}
        left = max(deadline - time.monotonic(), seconds * LEAST_LEFT)
        chosen, _ = solve(replace(problem, atoms=met), seconds=left, start=names)
        proof = proof.or_better(chosen, objective(chosen))
    tried: set[tuple[str, ...]] = set()
    is_exact = False
    while proof.gap > gap and (left := deadline - time.monotonic()) > 0:
        leaves = {query_id: tree.leaves({}) for query_id, tree in trees.items()}
        chosen, bound = solve_with_guesses(
            problem,
            {query_id: some.least for query_id, some in leaves.items()},
            {query_id: some.guesses for query_id, some in leaves.items()},
            seconds=left,
            # While the guesses are rough, so is the answer; it is the guesses that take the time to mend.
            relative_gap=gap / 2 if is_exact else max(gap / 2, proof.gap / ROUGH),
        )
        proof = Proof(proof.names, proof.objective, max(proof.lower_bound, bound), proof.rounds + 1)
        if chosen in tried and is_exact:
            break
        is_exact = chosen in tried
        tried.add(chosen)
        if not _follow(planner, list(trees.values()), frozenset(chosen), deadline):
            return proof
        proof = proof.or_better(chosen, objective(chosen))
    return proof


def _follow(planner: Planner, trees: Sequence[Tree], chosen: frozenset[str], deadline: float) -> bool:
    """Ask along the paths to the chosen, of all queries together; False when the time was over before their ends."""
    while asked := [(tree, place) for tree in trees if (place := tree.unknown(chosen)) is not None]:
        if time.monotonic() > deadline:
            return False
        ask(planner, asked, {})
    return True
