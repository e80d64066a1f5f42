"""What the planner answers each query as more and more is hidden of what it likes, asked where it can matter.

A query never costs more for an index that is there. So where the planner is shown a set and uses some of it, every
smaller set either holds these and costs the same, or misses one of them and costs no less than the set without it: a
tree, of which one path leads to any set. `explore` walks down where the bound of the whole problem rests on what nobody
asked yet: a query that no price could make use less is not asked again.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import accumulate
from operator import or_

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
        least = {**problem.atoms, **{query_id: some.least for query_id, some in leaves.items()}}
        found = relaxation.solved(least, {query_id: some.needed for query_id, some in leaves.items()}, seconds=left)
        if found is None:
            break
        step, parts, bound = step + 1, dict(found.parts), max(bound, found.lower_bound)
        asked = [query_id for query_id in found.guesses if problem.takes_part(query_id, step)] or list(found.guesses)
        picked = [(query_id, guess) for query_id in asked for guess in found.guesses[query_id]]
        if weigh is not None:
            known = weigh({**problem.atoms, **{query_id: some.atoms for query_id, some in leaves.items()}})
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
        places = [(trees[query_id], trees[query_id].open[guess]) for query_id, guess in picked]
        # What the query costs without any more may show that it is not worth asking what it would cost with more.
        planner.each([(tree.query, place.present) for tree, place in places if tree.asks_alone(place)])
        ask(planner, [(tree, place) for tree, place in places if not tree.asks_alone(place)], parts)
    return bound


def ask(planner: Planner, asked: Collection[tuple[Tree, Place]], parts: Mapping[str, float]) -> None:
    """Ask for these places, all together. `parts` is as in `Tree.learn`."""
    answers = planner.each([(tree.query, tree.visible(place)) for tree, place in asked])
    for (tree, place), atom in zip(asked, answers, strict=True):
        tree.learn(place, atom, parts)


@dataclass(slots=True, eq=False)
class Place:
    """Where in a tree: the sets that hold all of `present` and none of `absent`.

    For more there is room for the `fitting` smallest alone. They cost `floor` or more, and without any but those of
    `present` as much as `alone`, once it is known. `behind` are the places of the sets that lack some of the plan, once
    that is known: by the first of its indexes that is missing there. `looked_at` tells how many of the planner's
    answers were looked through for one. `guess` is that of the place, None where none is worth it, as it was made for
    `guessed_for`: the index that is missing for all that stands behind it too, and whether `alone` was known.
    """

    present: frozenset[str]
    absent: frozenset[str]
    fitting: int
    floor: float
    present_bits: int
    absent_bits: int
    atom: Atom | None = None
    alone: Atom | None = None
    behind: list[tuple[str, Place]] = field(default_factory=list)
    looked_at: int = 0
    guess: Guess | None = None
    guessed_for: tuple[str | None, bool] | None = None


@dataclass(frozen=True, slots=True)
class Leaves:
    """What is known of a query: plans, and guesses where nobody asked; useful ones alone.

    `least` are the plans, and what sets cost no less than that are not worth a look. `needed` are the guesses but for
    those that need more than another one, which costs no more: a bound that leaves out what guesses forbid does without
    these.
    """

    atoms: list[Atom]
    least: list[Atom]
    guesses: list[Guess]
    needed: list[Guess]


class Tree:
    """What the planner answers a query as more and more is hidden of what it likes. Its leaves share out all sets."""

    def __init__(
        self, problem: Problem, planner: Planner, query: Query, names: frozenset[str], *, least_ms: float = 0.0
    ) -> None:
        """`names` are the candidates that are looked at for the query.

        Where sets can cost less than known by no more than `least_ms`, in the model's ms, they are not looked at.
        """
        self._planner = planner
        self.query = query
        self._base = Atom(frozenset(), problem.base_cost[query.id])
        self._sizes, self._budget = problem.sizes, problem.budget_bytes
        self._least = least_ms / problem.value[query.id] if problem.value[query.id] > 0 else math.inf
        usable = names & planner.usable(query)
        self._by_size = sorted(usable, key=lambda name: (self._sizes[name], name))
        self._size_of = [self._sizes[name] for name in self._by_size]
        self._bit = {name: planner.bits(query, (name,)) for name in self._by_size}
        # The bits of so many of the smallest.
        self._smallest = list(accumulate(self._bit.values(), or_, initial=0))
        root = self._place(frozenset(), frozenset(), 0.0)
        assert root is not None, "nothing is within the budget"
        self.root = root
        self.open: dict[Guess, Place] = {}
        self._ends, self._parents, self._met = [root], list[Place](), {self._base: None}
        self._leaves = Leaves([], [], [], [])
        self._answers = -1

    def leaves(self, parts: Mapping[str, float]) -> Leaves:
        """Return what is known; what others asked is taken into account."""
        answers = self._planner.answers(self.query)
        if self._answers == answers:
            return self._leaves
        waiting, self._ends, free = self._ends, [], MAX_FREE
        for place in waiting:
            if free > 0:
                since, place.looked_at = place.looked_at, answers
                if place.atom is None and (atom := self._known(self._visible_bits(place), since)) is not None:
                    self.learn(place, atom, parts)
                    free -= 1
                place.alone = place.alone or self._known(place.present_bits, since)
            if place.alone is not None:
                self._met[place.alone] = None
            if place.atom is not None:
                self._met[place.atom] = None
                self._parents.append(place)
                waiting += [step for _, step in place.behind]
            else:
                self._ends.append(place)
        self._leaves = self._sorted()
        self._answers = answers if free > 0 else -1
        return self._leaves

    def asks_alone(self, place: Place) -> bool:
        """Return whether to ask first what the query costs with no more than what is there for sure."""
        return self._least > 0 and place.alone is None

    def _known(self, bits: int, since: int) -> Atom | None:
        return self._planner.known(self.query, bits, since=since)

    def _sorted(self) -> Leaves:
        """Tell what is worth a look from what is not."""
        floors, needed, self.open = list[Atom](), list[Guess](), {}
        for parent in self._parents:
            steps = [place for _, place in parent.behind]
            asked = max((number for number, place in enumerate(steps, 1) if place.atom is not None), default=0)
            is_needed = True
            for number, (name, place) in enumerate(parent.behind):
                if place.atom is not None:
                    continue
                floor = min(place.floor, self._base.cost)
                if place.alone is not None and place.alone.cost - floor <= self._least:
                    # All that stands behind it here needs more, and costs no less.
                    floors.append(Atom(place.present, floor))
                    break
                guess = self._guess(place, floor, None if number < asked else name)
                if guess is not None:
                    self.open[guess] = place
                    needed += [guess] if is_needed else []
                    is_needed = False
                if number >= asked:
                    break
        atoms = useful(list(self._met))
        return Leaves(atoms, useful([*atoms, *floors]) if floors else atoms, list(self.open), needed)

    def _guess(self, place: Place, floor: float, missing: str | None) -> Guess | None:
        """Return a guess for a place, and with the index that is `missing` there for all that stand behind it too."""
        is_known_alone = place.alone is not None
        if place.guessed_for != (missing, is_known_alone):
            absent, others = place.absent, self.visible(place)
            if missing is not None:
                absent, others = absent - {missing}, others | {missing}
            if is_known_alone:
                others -= place.present
            place.guess = Guess(place.present, others, absent, floor) if others else None
            place.guessed_for = missing, is_known_alone
        return place.guess

    def atoms(self) -> list[Atom]:
        """Return the useful plans met so far."""
        return self.leaves({}).atoms

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

    def visible(self, place: Place) -> frozenset[str]:
        """Return what the place's sets may hold."""
        return place.present.union(self._by_size[: place.fitting]) - place.absent

    def _place(self, present: frozenset[str], absent: frozenset[str], floor: float) -> Place | None:
        """Return a place, where a set of it is within the budget."""
        room = self._budget - sum(self._sizes[name] for name in present)
        if room < 0:
            return None
        fitting = bisect_right(self._size_of, room)
        present_bits, absent_bits = (reduce(or_, (self._bit[name] for name in names), 0) for names in (present, absent))
        return Place(present, absent, fitting, floor, present_bits, absent_bits)

    def _visible_bits(self, place: Place) -> int:
        return (place.present_bits | self._smallest[place.fitting]) & ~place.absent_bits
