"""Makes a selection problem smaller without changing its best value: what can never be part of it, or need not, goes.

An atom is needless beside a cheaper one that uses fewer indexes. An index is needless beside another on its table that
is no larger, is charged no more, loads no cap more, and can stand in for it in every atom at no higher cost.
Facility-location programs are often solved at their root after this, where the solver's own presolve may take minutes
to find the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimtab.propose.problem import Atom, Problem, useful


def reduced(problem: Problem) -> dict[str, list[Atom]]:
    """Return the atoms by query that are worth choosing from, those of indexes within the budget."""
    fitting = {name for name, size in problem.sizes.items() if size <= problem.budget_bytes}
    atoms = {
        query.id: useful([atom for atom in problem.atoms[query.id] if atom.indexes <= fitting])
        for query in problem.queries
    }
    needless = _needless(problem, atoms)
    return {query_id: [atom for atom in found if not atom.indexes & needless] for query_id, found in atoms.items()}


def _needless(problem: Problem, atoms: Mapping[str, Sequence[Atom]]) -> set[str]:
    """Return the indexes for which one of those that stay can always stand in."""
    using: dict[str, list[tuple[str, Atom]]] = {}
    cost: dict[tuple[str, frozenset[str]], float] = {}
    special: set[str] = set()  # What does not only help is judged by the solver.
    for query_id, found in atoms.items():
        for atom in found:
            if atom.not_under:
                special.update(atom.indexes, *atom.not_under)
            else:
                cost[query_id, atom.indexes] = atom.cost
            for name in atom.indexes:
                using.setdefault(name, []).append((query_id, atom))
    for refused in problem.refused:
        special |= refused.present | refused.absent
    loads: dict[str, dict[int, float]] = {name: {} for name in using}
    for number, cap in enumerate(problem.caps):
        for name in cap.loads.keys() & using.keys():
            loads[name][number] = cap.loads[name]
    base = {query_id: cost.get((query_id, frozenset()), float("inf")) for query_id in atoms}

    def costs_no_more(other: str, name: str) -> bool:
        is_lighter = all(load <= loads[name].get(number, 0.0) for number, load in loads[other].items())
        return is_lighter and problem.charge_ms(other) <= problem.charge_ms(name)

    def stands_in(other: str, name: str) -> bool:
        for query_id, atom in using[name]:
            rest = atom.indexes - {name}
            known = (cost.get((query_id, rest | {other})), cost.get((query_id, frozenset({other}))), base[query_id])
            if min(c for c in known if c is not None) > atom.cost:
                return False
        return True

    gains = {name: sum(base[query_id] - atom.cost for query_id, atom in found) for name, found in using.items()}
    by_table: dict[tuple[str, str], list[str]] = {}
    needless: set[str] = set()
    for name in sorted(
        using.keys() - special, key=lambda name: (problem.sizes[name], problem.charge_ms(name), -gains[name], name)
    ):
        change = problem.candidates[name]
        staying = by_table.setdefault((change.schema, change.table), [])
        if any(costs_no_more(other, name) and stands_in(other, name) for other in staying):
            needless.add(name)
        else:
            staying.append(name)
    return needless
