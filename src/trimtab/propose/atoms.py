"""Asks the planner what each query costs beside which candidates, few times enough for hundreds of queries.

Every answer is an atom: the indexes that the plan uses, and its cost. Hiding what a plan uses shows the next best plan;
so the tree of hidden indexes, walked down far enough, holds every plan that any set of candidates can bring about.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from trimtab.model.plan import Plan
from trimtab.model.whatif import WhatIf
from trimtab.model.workload import Query
from trimtab.propose.problem import Atom, Problem, useful

# Questions per query, beside one for each candidate alone.
MAX_HIDDEN = 24
MAX_REPLACED = 32
# A plan that saves less than this is no reason to look below it, or for others like it.
LEAST_SAVING = 0.02


class Planner:
    """Answers what queries cost beside sets of candidates, and remembers it. `relevant` names what each can use.

    A plan that was chosen with more to choose from, and uses nothing that is gone, is taken for the answer without
    asking: it is the best of more, and still possible.
    """

    def __init__(self, problem: Problem, what_if: WhatIf, relevant: Mapping[str, Iterable[str]]) -> None:
        self._problem = problem
        self._what_if = what_if
        self._asked: dict[str, dict[int, Atom]] = {query.id: {} for query in problem.queries}
        self._bits: dict[str, int] = {}
        self.relevant: dict[str, frozenset[str]] = {q: frozenset(names) for q, names in relevant.items()}

    def atoms(self, queries: Sequence[Query], names: Iterable[str], *, is_asked: bool = False) -> list[Atom]:
        """Return each query's atom when these candidates are there; one that cannot be planned costs what it did.

        With `is_asked` the planner is asked for just this set, unless it was before.
        """
        offered = frozenset(names)
        shown = {query.id: offered & self.usable(query) for query in queries}
        found = {query.id: self._known_answer(query, shown[query.id], is_asked) for query in queries}
        missing: dict[frozenset[str], list[Query]] = {}
        for query in queries:
            if found[query.id] is None:
                barred = self._problem.barred.get(query.id, frozenset())
                missing.setdefault(offered - barred, []).append(query)
        for there, asked in missing.items():
            [plans] = self._what_if.what_if(asked, [tuple(self._problem.candidates[name] for name in sorted(there))])
            for query, plan in zip(asked, plans, strict=True):
                atom = Atom(plan.indexes & there, plan.cost) if isinstance(plan, Plan) else self._base(query)
                self._asked[query.id][self._mask(shown[query.id])] = found[query.id] = atom
        return [found[query.id] or self._base(query) for query in queries]

    def usable(self, query: Query) -> frozenset[str]:
        """Return the candidates that the query could use."""
        return self.relevant.get(query.id, frozenset()) - self._problem.barred.get(query.id, frozenset())

    def known(self, query: Query, names: Iterable[str]) -> Atom | None:
        """Return the query's atom when these candidates are there, None when the planner would have to be asked."""
        return self._known_answer(query, frozenset(names) & self.usable(query), is_asked=False)

    def _known_answer(self, query: Query, shown: frozenset[str], is_asked: bool) -> Atom | None:
        if not shown:
            return self._base(query)
        mask, asked = self._mask(shown), self._asked[query.id]
        if is_asked or mask in asked:
            return asked.get(mask)
        fitting = (atom for more, atom in asked.items() if not mask & ~more and atom.indexes <= shown)
        return next(fitting, None)

    def _base(self, query: Query) -> Atom:
        return Atom(frozenset(), self._problem.base_cost[query.id])

    def _mask(self, names: Iterable[str]) -> int:
        mask = 0
        for name in names:
            mask |= 1 << self._bits.setdefault(name, len(self._bits))
        return mask


def gather_atoms(problem: Problem, planner: Planner, own: Mapping[str, Sequence[str]]) -> None:
    """Fill the problem's atoms. `own` lists each query's candidate names."""
    for query in problem.queries:
        names = frozenset(own.get(query.id, ()))
        ordinary = names - problem.special
        plain = frozenset(name for name in ordinary if not problem.candidates[name].include_columns)
        found = _without_what_is_liked(problem, planner, query, dict.fromkeys((ordinary, plain)))
        if names != ordinary:
            found += _without_what_is_liked(problem, planner, query, [names])
        found += [planner.atoms([query], [name])[0] for name in sorted(names)]
        problem.atoms[query.id] = useful([Atom(frozenset(), problem.base_cost[query.id]), *found])


def _without_what_is_liked(
    problem: Problem, planner: Planner, query: Query, starts: Iterable[frozenset[str]]
) -> list[Atom]:
    """Ask with everything visible, then with each index that a plan uses hidden, breadth first."""
    found: list[Atom] = []
    open_sets = deque(starts)
    seen = set(open_sets)
    worth = problem.base_cost[query.id] * (1 - LEAST_SAVING)
    while open_sets and len(found) < MAX_HIDDEN:
        visible = open_sets.popleft()
        [atom] = planner.atoms([query], visible)
        found.append(atom)
        if atom.cost > worth:
            continue
        for liked in sorted(atom.indexes):
            rest = visible - {liked}
            if rest not in seen:
                seen.add(rest)
                open_sets.append(rest)
    return found


def gather_replacements(problem: Problem, planner: Planner, replacements: Mapping[str, Sequence[str]]) -> None:
    """Ask, for each plan that is worth something, what it costs with one of its indexes replaced by a wider one.

    `replacements` lists, for a candidate, those that do all that it does.
    """
    for query in problem.queries:
        atoms = problem.atoms[query.id]
        worth = problem.base_cost[query.id] * (1 - LEAST_SAVING)
        wanted = [
            atom.indexes - {name} | {other}
            for atom in atoms
            if atom.cost <= worth
            for name in sorted(atom.indexes)
            for other in replacements.get(name, ())
            if other not in atom.indexes
        ]
        found = [planner.atoms([query], names)[0] for names in list(dict.fromkeys(wanted))[:MAX_REPLACED]]
        problem.atoms[query.id] = useful([*atoms, *found])
