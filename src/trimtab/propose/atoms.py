"""Asks the planner what a query costs beside which candidates, and never twice what is known already.

Every answer is an atom: the indexes that the plan uses, and its cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

from trimtab.model.plan import Plan
from trimtab.model.whatif import WhatIf
from trimtab.model.workload import Query
from trimtab.propose.problem import Atom, Problem

# So many are shown, whether or not a query can tell them apart.
MANY = 32


class Planner:
    """Answers what queries cost beside sets of candidates, and remembers it. `relevant` names what each can use.

    `distinct` returns, of the names that a query with this id could use, those that must be shown to know what it takes
    of them all.

    A plan that was chosen with more to choose from, and uses nothing that is gone, is taken for the answer without
    asking: it is the best of more, and still possible.
    """

    def __init__(
        self,
        problem: Problem,
        what_if: WhatIf,
        relevant: Mapping[str, Iterable[str]],
        distinct: Callable[[str, frozenset[str]], frozenset[str]] = lambda _query_id, names: names,
    ) -> None:
        self._problem = problem
        self._what_if = what_if
        self._distinct = distinct
        self._asked: dict[str, dict[int, Atom]] = {query.id: {} for query in problem.queries}
        # What was shown and what was used, as bits.
        self._answers: dict[str, list[tuple[int, int, Atom]]] = {query.id: [] for query in problem.queries}
        self._bits: dict[str, dict[str, int]] = {query.id: {} for query in problem.queries}
        self.relevant: dict[str, frozenset[str]] = {q: frozenset(names) for q, names in relevant.items()}

    def atoms(self, queries: Sequence[Query], names: Iterable[str], *, is_asked: bool = False) -> list[Atom]:
        """Return each query's atom when these candidates are there; one that cannot be planned costs what it did.

        With `is_asked` the planner is asked for just this set, unless it was before.
        """
        offered = frozenset(names)
        return self.each([(query, offered) for query in queries], is_asked=is_asked)

    def each(self, pairs: Sequence[tuple[Query, frozenset[str]]], *, is_asked: bool = False) -> list[Atom]:
        """Return the atom of each query with its set, as `atoms` does: whatever must be asked, in one go."""
        shown = [self.bits(query, offered) for query, offered in pairs]
        found = [
            self._asked[query.id].get(bits) if is_asked and bits else self.known(query, bits)
            for (query, _), bits in zip(pairs, shown, strict=True)
        ]
        missing: dict[frozenset[str], dict[str, list[int]]] = {}
        for place, (query, offered) in enumerate(pairs):
            if found[place] is None:
                there = offered - self._problem.barred.get(query.id, frozenset())
                if not is_asked and shown[place].bit_count() > MANY:
                    there = self._distinct(query.id, there & self.usable(query))
                    if (atom := self.known(query, self.bits(query, there))) is not None:
                        found[place] = self._noted(query, atom, {shown[place]})
                        continue
                missing.setdefault(there, {}).setdefault(query.id, []).append(place)
        groups = [
            (
                [pairs[places[0]][0] for places in asked.values()],
                tuple(self._problem.candidates[name] for name in sorted(there)),
            )
            for there, asked in missing.items()
        ]
        answers = self._what_if.what_if_each(groups) if groups else []
        for (there, asked), plans in zip(missing.items(), answers, strict=True):
            for places, plan in zip(asked.values(), plans, strict=True):
                query = pairs[places[0]][0]
                atom = Atom(plan.indexes & there, plan.cost) if isinstance(plan, Plan) else self._base(query)
                if not atom.indexes <= self.usable(query):
                    # It has a use for what nobody expected.
                    self.relevant[query.id] |= atom.indexes
                bits = self.bits(query, there)
                self._asked[query.id][bits] = atom
                # The planner would say the same of all that it was not shown.
                self._noted(query, atom, {bits, *(shown[place] | bits for place in places)})
                for place in places:
                    found[place] = atom
        assert all(atom is not None for atom in found), "each was known or asked"
        return [atom for atom in found if atom is not None]

    def usable(self, query: Query) -> frozenset[str]:
        """Return the candidates that the query could use."""
        relevant, barred = self.relevant.get(query.id, frozenset()), self._problem.barred.get(query.id)
        return relevant - barred if barred else relevant

    def answers(self, query: Query) -> int:
        """Return how many of the planner's answers are known for this query, for `known`."""
        return len(self._answers[query.id])

    def bits(self, query: Query, names: Iterable[str]) -> int:
        """Return those of the names that the query could use as the bits of a number, for `known`."""
        return self._mask(query, self.usable(query).intersection(names))

    def known(self, query: Query, bits: int, *, since: int = 0) -> Atom | None:
        """Return the query's atom when these candidates are there, None when the planner would have to be asked.

        So many of the query's answers are not looked through: they were before.
        """
        if not bits:
            return self._base(query)
        if (atom := self._asked[query.id].get(bits)) is not None:
            return atom
        later = islice(self._answers[query.id], since, None)
        return next((atom for shown, used, atom in later if not bits & ~shown and not used & ~bits), None)

    def _noted(self, query: Query, atom: Atom, shown: set[int]) -> Atom:
        """Remember the answer for each of these sets, as bits, and return it."""
        used = self._mask(query, atom.indexes)
        self._answers[query.id] += [(bits, used, atom) for bits in sorted(shown)]
        return atom

    def _base(self, query: Query) -> Atom:
        return Atom(frozenset(), self._problem.base_cost[query.id])

    def _mask(self, query: Query, names: Iterable[str]) -> int:
        bits, mask = self._bits[query.id], 0
        for name in names:
            mask |= bits.get(name) or bits.setdefault(name, 1 << len(bits))
        return mask
