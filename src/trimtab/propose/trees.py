"""What the planner answers each query as more and more is hidden of what it likes, asked where it can matter.

A query never costs more for an index that is there. So where the planner is shown a set and uses some of it, every
smaller set either holds these and costs the same, or misses one of them and costs no less than the set without it: a
tree, of which one path leads to any set. `explore` walks down where the bound of the whole problem rests on what nobody
asked yet: a query that no price could make use less is not asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.model.workload import Query
from trimtab.propose.atoms import Planner
from trimtab.propose.problem import Atom, Guess, Problem, useful
from trimtab.propose.relaxation import Relaxation, Relaxed

# Places in a query's tree that are looked at without asking, because the answer is known.
MAX_FREE = 400


def explore(
    problem: Problem,
    planner: Planner,
    trees: Mapping[str, Tree],
    *,
    steps: int | None = None,
    enough: Callable[[float], bool],
    weigh: Callable[[Mapping[str, Sequence[Atom]]], Relaxed | None] | None = None,
    least_ms: float = 0.0,
    seconds_left: Callable[[], float],
) -> float:
    """Ask what the bound rests on while parts of indexes are allowed; return the bound, in the model's ms.

    Ends when `enough` says so of the bound, when the bound rests on no guess any more, after so many steps, or when no
    seconds are left. `weigh` solves the program over the plans met so far without guesses: one that lowers that by
    `least_ms` or less is not asked then, and where it returns None all ends.
    """
    ask(planner, [(tree, tree.root) for tree in trees.values() if tree.root.atom is None], {})
    relaxation, parts = Relaxation(problem), dict[str, float]()
    bound, step = 0.0, 0
    while (steps is None or step < steps) and (left := seconds_left()) > 0:
        leaves = {query_id: tree.leaves(parts) for query_id, tree in trees.items()}
        met = {**problem.atoms, **{query_id: atoms for query_id, (atoms, _) in leaves.items()}}
        guesses = {query_id: guesses for query_id, (_, guesses) in leaves.items()}
        found = relaxation.solved(met, guesses, seconds=left)
        if found is None:
            break
        step, parts, bound = step + 1, dict(found.parts), max(bound, found.lower_bound)
        picked = [(query_id, guess) for query_id, some in found.guesses.items() for guess in some]
        if weigh is not None:
            known = weigh(met)
            if known is None:
                break
            ms = {(i, guess): problem.value[i] * guess.floor for i, guess in picked}
            picked = [
                (i, guess)
                for i, guess in picked
                if found.guesses[i][guess] * known.promise(i, ms[i, guess], guess.present) > least_ms
            ]
        if not picked or enough(bound):
            break
        ask(planner, [(trees[query_id], trees[query_id].open[guess]) for query_id, guess in picked], parts)
    return bound


def ask(planner: Planner, asked: Collection[tuple[Tree, Place]], parts: Mapping[str, float]) -> None:
    """Ask for these places, all together. `parts` is as in `Tree.learn`."""
    answers = planner.each([(tree.query, place.visible) for tree, place in asked])
    for (tree, place), atom in zip(asked, answers, strict=True):
        tree.learn(place, atom, parts)


@dataclass(slots=True, eq=False)
class Place:
    """Where in a tree: the sets that hold all of `present` and none of `absent`, and so are part of `visible`.

    They cost `floor` or more. `behind` are the places of the sets that lack some of the plan, once it is known: by the
    first of its indexes that is missing there.
    """

    present: frozenset[str]
    absent: frozenset[str]
    visible: frozenset[str]
    floor: float
    atom: Atom | None = None
    behind: list[tuple[str, Place]] = field(default_factory=list)


class Tree:
    """What the planner answers a query as more and more is hidden of what it likes. Its leaves share out all sets."""

    def __init__(self, problem: Problem, planner: Planner, query: Query, names: frozenset[str]) -> None:
        """`names` are the candidates that are looked at for the query."""
        self._planner = planner
        self.query = query
        self._base = Atom(frozenset(), problem.base_cost[query.id])
        self._sizes, self._budget = problem.sizes, problem.budget_bytes
        self._relevant = names & planner.usable(query)
        root = self._place(frozenset(), frozenset(), 0.0)
        assert root is not None, "nothing is within the budget"
        self.root = root
        self.open: dict[Guess, Place] = {}
        self._leaves: tuple[list[Atom], list[Guess]] = [], []
        self._answers = -1

    def leaves(self, parts: Mapping[str, float]) -> tuple[list[Atom], list[Guess]]:
        """Return the useful plans met so far, and a guess for each place behind them that was not looked at."""
        if self._answers == self._planner.answers(self.query):
            return self._leaves
        atoms, self.open = {self._base: None}, {}
        waiting, free = [self.root], MAX_FREE
        for place in waiting:
            if place.atom is None and free > 0 and (atom := self._planner.known(self.query, place.visible)):
                self.learn(place, atom, parts)
                free -= 1
            if place.atom is not None:
                atoms[place.atom] = None
                waiting += [step for _, step in place.behind]
                continue
            alone = self._planner.known(self.query, place.present)
            if alone is not None:
                atoms[alone] = None
            others = place.visible - (place.present if alone is not None else frozenset())
            if others:
                floor = min(place.floor, self._base.cost)
                self.open[Guess(place.present, others, place.absent, floor)] = place
        self._leaves = useful(list(atoms)), list(self.open)
        self._answers = self._planner.answers(self.query) if free > 0 else -1
        return self._leaves

    def atoms(self) -> list[Atom]:
        """Return the useful plans met so far."""
        return self.leaves({})[0]

    def unknown(self, chosen: frozenset[str]) -> Place | None:
        """Return the next place to ask about on the path to these; None at its end.

        At the end all that the planner uses is among these.
        """
        place: Place | None = self.root
        while place is not None:
            if place.atom is None:
                return place
            place = next((step for name, step in place.behind if name not in chosen), None)
        return None

    def learn(self, place: Place, atom: Atom, parts: Mapping[str, float]) -> None:
        """Take the planner's answer for a place. `parts` says how much of each index is wanted.

        Of what the plan uses, what is wanted least comes first: so the paths to sets without it are short.
        """
        place.atom, self._answers = atom, -1
        present = place.present
        for name in sorted(atom.indexes - present, key=lambda name: (parts.get(name, 0.0), -self._sizes[name], name)):
            step = self._place(present, place.absent | {name}, max(place.floor, atom.cost))
            if step is None:
                break
            place.behind.append((name, step))
            present |= {name}

    def _place(self, present: frozenset[str], absent: frozenset[str], floor: float) -> Place | None:
        """Return a place, where a set of it is within the budget; visible is what such a set may hold."""
        room = self._budget - sum(self._sizes[name] for name in present)
        if room < 0:
            return None
        fitting = {name for name in self._relevant - absent if self._sizes[name] <= room}
        return Place(present, absent, present | fitting, floor)
