"""Chooses the set of indexes with the least workload time within the limits, exactly, over what the planner answers.

For each query the planner is asked with all its candidates visible, with each alone, and with each of those it liked
hidden. Every answer is an *atom*: the indexes that the plan uses, and its cost. A mixed-integer program picks one atom
per query and pays for the union of indexes. Then the planner is asked under the chosen set; where it differs from the
model, its answer becomes a new atom, and the program is solved again. It never runs a query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trimtab.model.change import CreateIndex
from trimtab.model.plan import Plan
from trimtab.model.whatif import WhatIf
from trimtab.model.workload import Query

if TYPE_CHECKING:
    import highspy

MAX_ROUNDS = 5
SOLVER_SECONDS = 20.0
# Closer than the cost model itself can tell sets apart.
RELATIVE_GAP = 0.002
# An index must earn its keep: below this share of the workload's cost it is noise of the cost model.
LEAST_GAIN = 0.005


@dataclass(frozen=True, slots=True)
class Atom:
    """One answer of the planner: with (at least) these indexes, the query costs this much."""

    indexes: frozenset[str]
    cost: float


@dataclass(slots=True)
class Problem:
    """The selection problem: candidates with sizes and cost to the writes; queries and what a cost unit is worth.

    `value` is weighted ms per cost unit, `keep_ms` the weighted ms that an index adds to the writes.
    """

    candidates: Mapping[str, CreateIndex]
    sizes: Mapping[str, int]
    keep_ms: Mapping[str, float]
    queries: Sequence[Query]
    value: Mapping[str, float]
    base_cost: Mapping[str, float]
    budget_bytes: int
    max_per_table: Mapping[tuple[str, str], int]
    atoms: dict[str, list[Atom]] = field(default_factory=dict)

    @property
    def base_ms(self) -> float:
        """The weighted time of the workload as it is, in the model's ms."""
        return sum(self.value[query.id] * self.base_cost[query.id] for query in self.queries)


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen indexes, best first, with what each adds; `cost_after` and `lower_bound` are in the model's ms.

    A group of several indexes is worth something only as a whole.
    """

    chosen: tuple[tuple[tuple[CreateIndex, ...], float], ...]
    cost_before: float
    cost_after: float
    lower_bound: float
    rounds: int


def gather_atoms(problem: Problem, what_if: WhatIf, relevant: Mapping[str, Sequence[str]]) -> None:
    """Ask the planner for each query's atoms. `relevant` lists each query's candidate names."""
    for query in problem.queries:
        names = list(relevant.get(query.id, ()))
        atoms = [Atom(frozenset(), problem.base_cost[query.id])]
        if names:
            everything = tuple(problem.candidates[name] for name in names)
            [ideal] = _ask(what_if, query, [everything])
            configurations: list[tuple[CreateIndex, ...]] = [(problem.candidates[name],) for name in names]
            if ideal is not None:
                atoms.append(ideal)
                for liked in sorted(ideal.indexes):
                    configurations.append(tuple(problem.candidates[n] for n in names if n != liked))
            atoms += [atom for atom in _ask(what_if, query, configurations) if atom is not None]
        problem.atoms[query.id] = _useful(atoms)


def select(problem: Problem, what_if: WhatIf, relevant: Mapping[str, Sequence[str]]) -> Selection:
    """Solve, ask the planner under the answer, and solve again until they agree or the rounds are used up."""
    chosen, bound = _solve(problem)
    rounds = 1
    while _learn(problem, what_if, relevant, chosen) and rounds < MAX_ROUNDS:
        chosen, bound = _solve(problem)
        rounds += 1
    ordered = _best_first(problem, what_if, relevant, chosen)
    after = _workload_ms(problem, what_if, relevant, [name for names, _ in ordered for name in names])
    groups = tuple((tuple(problem.candidates[name] for name in names), gain) for names, gain in ordered)
    return Selection(groups, problem.base_ms, after, bound, rounds)


def _learn(problem: Problem, what_if: WhatIf, relevant: Mapping[str, Sequence[str]], chosen: Sequence[str]) -> bool:
    """Add the planner's answers under the chosen set as atoms; return True when one of them was news to the model."""
    is_news = False
    for query in problem.queries:
        mine = [name for name in chosen if name in relevant.get(query.id, ())]
        if not mine:
            continue
        [atom] = _ask(what_if, query, [tuple(problem.candidates[name] for name in mine)])
        if atom is None:
            continue
        promised = min(a.cost for a in problem.atoms[query.id] if a.indexes <= set(mine))
        if abs(atom.cost - promised) > 0.01 * max(promised, 1e-9):
            # The planner may answer worse than the best atom promised: then that atom holds for its set only.
            kept = [a for a in problem.atoms[query.id] if not (a.indexes <= set(mine) and a.cost < atom.cost * 0.99)]
            problem.atoms[query.id] = [*kept, atom]
            is_news = True
    return is_news


def _solve(problem: Problem) -> tuple[list[str], float]:
    """Return the names chosen by the mixed-integer program, and its proven bound, in the model's ms."""
    solver = _quiet_solver()
    solver.setOptionValue("time_limit", SOLVER_SECONDS)
    solver.setOptionValue("mip_rel_gap", RELATIVE_GAP)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("random_seed", 1)
    used = sorted({name for atoms in problem.atoms.values() for atom in atoms for name in atom.indexes})
    threshold = problem.base_ms * LEAST_GAIN
    has = {name: solver.addBinary(obj=problem.keep_ms.get(name, 0.0) + threshold) for name in used}
    for query in problem.queries:
        atoms = problem.atoms[query.id]
        picks = [solver.addVariable(lb=0, ub=1, obj=problem.value[query.id] * atom.cost) for atom in atoms]
        solver.addConstr(sum(picks) == 1)
        for pick, atom in zip(picks, atoms, strict=True):
            for name in sorted(atom.indexes):
                solver.addConstr(pick <= has[name])
    if used:
        scale = 1 << 20
        solver.addConstr(sum(problem.sizes[name] / scale * has[name] for name in used) <= problem.budget_bytes / scale)
        for table, room in problem.max_per_table.items():
            here = [has[name] for name in used if _table(problem.candidates[name]) == table]
            if len(here) > room:
                solver.addConstr(sum(here) <= room)
    solver.minimize()
    values = solver.getSolution().col_value
    bound = float(solver.getInfo().mip_dual_bound)
    return [name for name in used if values[has[name].index] > 0.5], bound


def _quiet_solver() -> highspy.Highs:
    """Return a solver that prints nothing, not even the banner that its constructor prints while output is on."""
    import highspy

    class Quiet(highspy.Highs):  # type: ignore[misc]
        def enableCallbacks(self) -> None:  # noqa: N802 - the base class names it
            self.silent()
            super().enableCallbacks()

    return Quiet()


def _best_first(
    problem: Problem, what_if: WhatIf, relevant: Mapping[str, Sequence[str]], chosen: Sequence[str]
) -> list[tuple[tuple[str, ...], float]]:
    """Order the chosen by what each adds to those before it; leave out what adds nothing at the end.

    Where none of the rest gains anything alone but all of them do, they stay together as one group.
    """
    left = sorted(chosen)
    ordered: list[tuple[tuple[str, ...], float]] = []
    least = problem.base_ms * LEAST_GAIN
    now = _workload_ms(problem, what_if, relevant, [])
    while left:
        taken = [name for names, _ in ordered for name in names]
        together = now - _workload_ms(problem, what_if, relevant, [*taken, *left])
        if together <= least:
            break
        totals = {name: _workload_ms(problem, what_if, relevant, [*taken, name]) for name in left}
        best = min(left, key=lambda name: (totals[name] + problem.keep_ms.get(name, 0.0), name))
        gain = now - totals[best]
        if gain <= least:
            ordered.append((tuple(left), together))
            break
        ordered.append(((best,), gain))
        now = totals[best]
        left.remove(best)
    return ordered


def _workload_ms(
    problem: Problem, what_if: WhatIf, relevant: Mapping[str, Sequence[str]], names: Sequence[str]
) -> float:
    total = 0.0
    for query in problem.queries:
        mine = [name for name in names if name in relevant.get(query.id, ())]
        cost = problem.base_cost[query.id]
        if mine:
            [atom] = _ask(what_if, query, [tuple(problem.candidates[name] for name in mine)])
            cost = atom.cost if atom is not None else cost
        total += problem.value[query.id] * cost
    return total


def _ask(what_if: WhatIf, query: Query, configurations: Sequence[tuple[CreateIndex, ...]]) -> list[Atom | None]:
    answers = what_if.what_if([query], [tuple(sorted(c, key=lambda x: x.name)) for c in configurations])
    atoms: list[Atom | None] = []
    for configuration, [plan] in zip(configurations, answers, strict=True):
        offered = {change.name for change in configuration}
        is_plan = isinstance(plan, Plan)
        atoms.append(Atom(frozenset(plan.indexes & offered), plan.cost) if is_plan else None)  # type: ignore[union-attr]
    return atoms


def _useful(atoms: Sequence[Atom]) -> list[Atom]:
    """Drop atoms that use more indexes than another one which costs no more."""
    best: dict[frozenset[str], float] = {}
    for atom in atoms:
        best[atom.indexes] = min(atom.cost, best.get(atom.indexes, atom.cost))
    kept = [
        Atom(indexes, cost)
        for indexes, cost in best.items()
        if not any(other < indexes and price <= cost for other, price in best.items())
    ]
    return sorted(kept, key=lambda atom: (atom.cost, sorted(atom.indexes)))


def _table(change: CreateIndex) -> tuple[str, str]:
    return change.schema, change.table
