"""Asks the planner what each query costs beside which candidates, few times enough for hundreds of queries.

Every answer is an atom: the indexes that the plan uses, and its cost. Hiding what a plan uses shows the next best plan;
so the tree of hidden indexes, walked down far enough, holds every plan that any set of candidates can bring about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from trimtab.model.plan import Plan
from trimtab.model.whatif import WhatIf
from trimtab.model.workload import Query
from trimtab.propose.problem import Atom, Problem, useful

# Questions per query, beside one for each candidate alone.
MAX_HIDDEN = 6
MAX_REPLACED = 12
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
        return self.each([(query, offered) for query in queries], is_asked=is_asked)

    def each(self, pairs: Sequence[tuple[Query, frozenset[str]]], *, is_asked: bool = False) -> list[Atom]:
        """Return the atom of each query with its set, as `atoms` does: whatever must be asked, in one go."""
        shown = [offered & self.usable(query) for query, offered in pairs]
        found = [self._known_answer(query, s, is_asked) for (query, _), s in zip(pairs, shown, strict=True)]
        missing: dict[frozenset[str], dict[str, Query]] = {}
        for place, (query, offered) in enumerate(pairs):
            if found[place] is None:
                there = offered - self._problem.barred.get(query.id, frozenset())
                missing.setdefault(there, {})[query.id] = query
        groups = [
            (list(asked.values()), tuple(self._problem.candidates[name] for name in sorted(there)))
            for there, asked in missing.items()
        ]
        answers = self._what_if.what_if_each(groups) if groups else []
        for (there, asked), plans in zip(missing.items(), answers, strict=True):
            for query, plan in zip(asked.values(), plans, strict=True):
                atom = Atom(plan.indexes & there, plan.cost) if isinstance(plan, Plan) else self._base(query)
                self._asked[query.id][self._mask(there & self.usable(query))] = atom
        return [
            atom or self._asked[query.id][self._mask(s)]
            for (query, _), s, atom in zip(pairs, shown, found, strict=True)
        ]

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
    names = {query.id: frozenset(own.get(query.id, ())) for query in problem.queries}
    ordinary = {query_id: found - problem.special for query_id, found in names.items()}
    plain = {
        query_id: frozenset(name for name in found if not problem.candidates[name].include_columns)
        for query_id, found in ordinary.items()
    }
    searches = [_Search(problem, query, (ordinary[query.id], plain[query.id])) for query in problem.queries]
    with_special = [query for query in problem.queries if names[query.id] != ordinary[query.id]]
    everything = [_Search(problem, query, (names[query.id],)) for query in with_special]
    for several in (searches, everything):
        _carry_out(planner, several)
    peels = [_Peel(query, names[query.id]) for query in problem.queries]
    _carry_out(planner, peels)
    singles = [(peel.query, frozenset({name})) for peel in peels for name in sorted(peel.liked)]
    found: dict[str, list[Atom]] = {query.id: [] for query in problem.queries}
    for search in (*searches, *everything):
        found[search.query.id] += search.found
    for peel in peels:
        found[peel.query.id] += peel.found
    for (query, _), atom in zip(singles, planner.each(singles), strict=True):
        found[query.id].append(atom)
    for query in problem.queries:
        problem.atoms[query.id] = useful([Atom(frozenset(), problem.base_cost[query.id]), *found[query.id]])


class _Search:
    """What a query costs with everything visible, then with each index that a plan uses hidden, breadth first."""

    def __init__(self, problem: Problem, query: Query, starts: Iterable[frozenset[str]]) -> None:
        self.query = query
        self.found: list[Atom] = []
        self._worth = problem.base_cost[query.id] * (1 - LEAST_SAVING)
        self._open = list(dict.fromkeys(starts))
        self._seen = set(self._open)

    def ask(self) -> list[frozenset[str]]:
        """Return the sets to ask about next; none when all that is worth asking was."""
        return self._open[: MAX_HIDDEN - len(self.found)]

    def learn(self, visible: Sequence[frozenset[str]], atoms: Sequence[Atom]) -> None:
        """Take the answers."""
        self.found += atoms
        self._open = []
        for there, atom in zip(visible, atoms, strict=True):
            for liked in sorted(atom.indexes) if atom.cost <= self._worth else ():
                rest = there - {liked}
                if rest not in self._seen:
                    self._seen.add(rest)
                    self._open.append(rest)


class _Peel:
    """All that a query could ever use: everything is visible, then all that a plan used is hidden, until none is used.

    What is left is of no use alone either, so that most of the candidates are never asked about one by one.
    """

    def __init__(self, query: Query, names: frozenset[str]) -> None:
        self.query = query
        self.found: list[Atom] = []
        self.liked: set[str] = set()
        self._left = names

    def ask(self) -> list[frozenset[str]]:
        """Return the set to ask about next; none when the last plan used nothing of it."""
        is_over = bool(self.found) and not self.found[-1].indexes
        return [] if is_over or not self._left else [self._left]

    def learn(self, _visible: Sequence[frozenset[str]], atoms: Sequence[Atom]) -> None:
        """Take the answer."""
        [atom] = atoms
        self.found.append(atom)
        self.liked |= atom.indexes
        self._left -= atom.indexes


def _carry_out(planner: Planner, searches: Sequence[_Search | _Peel]) -> None:
    """Ask for all searches together, step by step: so there is always much to share out."""
    while asked := [(search, sets) for search in searches if (sets := search.ask())]:
        answers = iter(planner.each([(search.query, one) for search, sets in asked for one in sets]))
        for search, sets in asked:
            search.learn(sets, [next(answers) for _ in sets])


def gather_replacements(problem: Problem, planner: Planner, replacements: Mapping[str, Sequence[str]]) -> None:
    """Ask, for each plan that is worth something, what it costs with one of its indexes replaced by a wider one.

    `replacements` lists, for a candidate, those that do all that it does.
    """
    asked: list[tuple[Query, frozenset[str]]] = []
    for query in problem.queries:
        worth = problem.base_cost[query.id] * (1 - LEAST_SAVING)
        wanted = [
            atom.indexes - {name} | {other}
            for atom in problem.atoms[query.id]
            if atom.cost <= worth
            for name in sorted(atom.indexes)
            for other in replacements.get(name, ())
            if other not in atom.indexes
        ]
        asked += [(query, names) for names in list(dict.fromkeys(wanted))[:MAX_REPLACED]]
    found: dict[str, list[Atom]] = {}
    for (query, _), atom in zip(asked, planner.each(asked), strict=True):
        found.setdefault(query.id, []).append(atom)
    for query_id, atoms in found.items():
        problem.atoms[query_id] = useful([*problem.atoms[query_id], *atoms])
