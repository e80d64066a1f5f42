"""Proves how far a set of indexes is from the best, by a bound that no set of candidates can beat.

A query never costs more for an index that is there. So where the planner is shown a set and uses some of it, every
smaller set either holds these and costs the same, or misses one of them and costs no less than the set without it: a
tree, of which one path leads to any set. A program over the plans met so far, and guesses for what is behind them,
gives the bound and a set that would reach it; the paths to that set are walked, and it is solved again, until bound and
truth meet or the effort is spent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from trimtab.model.workload import Query
from trimtab.propose.atoms import Planner
from trimtab.propose.problem import Atom, Guess, Problem, useful
from trimtab.propose.solver import solve_with_guesses

# Places in a query's tree that are looked at without asking, because the answer is known.
MAX_FREE = 400
# Of the gap that is left, the part to which a program over guesses is solved.
ROUGH = 4
# Closer than this the costs themselves do not tell sets apart.
ENOUGH = 0.01


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
    trees = {query.id: _Tree(problem, planner, query) for query in problem.queries}
    _ask(planner, [(tree, *step) for tree in trees.values() if (step := tree.unknown(frozenset())) is not None])
    proof = Proof(tuple(names), objective(names), 0.0, 0)
    tried: set[tuple[str, ...]] = set()
    is_exact = False
    while proof.gap > gap and (left := deadline - time.monotonic()) > 0:
        leaves = {query_id: tree.leaves() for query_id, tree in trees.items()}
        chosen, bound = solve_with_guesses(
            problem,
            {query_id: useful(atoms) for query_id, (atoms, _) in leaves.items()},
            {query_id: guesses for query_id, (_, guesses) in leaves.items()},
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
        found = objective(chosen)
        if found < proof.objective:
            proof = Proof(chosen, found, proof.lower_bound, proof.rounds)
    return proof


def _follow(planner: Planner, trees: Sequence[_Tree], chosen: frozenset[str], deadline: float) -> bool:
    """Ask along the paths to the chosen, of all queries together; False when the time was over before their ends."""
    while asked := [(tree, *step) for tree in trees if (step := tree.unknown(chosen)) is not None]:
        if time.monotonic() > deadline:
            return False
        _ask(planner, asked)
    return True


def _ask(planner: Planner, asked: Sequence[tuple[_Tree, _Place, frozenset[str]]]) -> None:
    answers = planner.each([(tree.query, visible) for tree, _, visible in asked])
    for (tree, place, _), atom in zip(asked, answers, strict=True):
        tree.learn(place, atom)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the tree: the sets that hold all of `present` and none of `absent`."""

    present: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()

    def steps(self, atom: Atom) -> Iterator[tuple[str, _Place]]:
        """Yield the places behind this one, by the first index of the plan that is missing there."""
        present = self.present
        for name in sorted(atom.indexes - present):
            yield name, _Place(present, self.absent | {name})
            present |= {name}


class _Tree:
    """What the planner answers a query as more and more is hidden of what it likes. Its leaves share out all sets."""

    def __init__(self, problem: Problem, planner: Planner, query: Query) -> None:
        self._planner = planner
        self.query = query
        self._base = Atom(frozenset(), problem.base_cost[query.id])
        self._sizes, self._budget = problem.sizes, problem.budget_bytes
        self._relevant = planner.usable(query)
        self._known: dict[_Place, Atom] = {}

    def leaves(self) -> tuple[list[Atom], list[Guess]]:
        """Return the plans met so far, and a guess for each place behind them that was not looked at."""
        atoms, guesses = {self._base: None}, []
        waiting, free = [(_Place(), 0.0)], MAX_FREE
        for place, floor in waiting:
            visible = self._visible(place)
            if visible is None:
                continue
            atom = self._known.get(place)
            if atom is None and free > 0 and (atom := self._planner.known(self.query, visible)):
                self._known[place] = atom
                free -= 1
            if atom is not None:
                atoms[atom] = None
                waiting += [(step, max(floor, atom.cost)) for _, step in place.steps(atom)]
                continue
            alone = self._planner.known(self.query, place.present)
            if alone is not None:
                atoms[alone] = None
            others = visible - (place.present if alone is not None else frozenset())
            if others:
                guesses.append(Guess(place.present, others, place.absent, min(floor, self._base.cost)))
        return list(atoms), guesses

    def unknown(self, chosen: frozenset[str]) -> tuple[_Place, frozenset[str]] | None:
        """Return the next place to ask about on the path to these, and what is visible there; None at its end.

        At the end all that the planner uses is among these.
        """
        place: _Place | None = _Place()
        while place is not None:
            if place not in self._known:
                visible = self._visible(place)
                assert visible is not None, "what is chosen is within the budget"
                return place, visible
            place = next((step for name, step in place.steps(self._known[place]) if name not in chosen), None)
        return None

    def learn(self, place: _Place, atom: Atom) -> None:
        """Take the planner's answer for a place."""
        self._known[place] = atom

    def _visible(self, place: _Place) -> frozenset[str] | None:
        """Return what a set at this place may hold within the budget; None where no set of it is within."""
        room = self._budget - sum(self._sizes[name] for name in place.present)
        if room < 0:
            return None
        fitting = {name for name in self._relevant - place.absent if self._sizes[name] <= room}
        return place.present | fitting
