"""Solves the selection problem exactly, over the atoms known so far, as a mixed-integer program (HiGHS).

One atom is picked per query, or a guess where nobody asked, and the union of their indexes is paid for within the
budget. Asks no planner; prints nothing. The formulation is that of Dash, Polyzotis and Ailamaki, CoPhy (VLDB 2011).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from trimtab.propose.problem import Atom, Guess, Problem
from trimtab.propose.reduction import reduced

if TYPE_CHECKING:
    import highspy

SOLVER_SECONDS = 20.0
# Closer than the cost model itself can tell sets apart.
RELATIVE_GAP = 0.002
_LEAST_GAP = 1e-9
_MIB = 1 << 20


def solve(
    problem: Problem,
    *,
    seconds: float = SOLVER_SECONDS,
    relative_gap: float = RELATIVE_GAP,
    start: Collection[str] = (),
) -> tuple[tuple[str, ...], float]:
    """Return the names of the best set, sorted, and the proven lower bound of its objective, in the model's ms.

    It ends when the set is proven to be within `relative_gap` of the best, or after so many seconds. `start` is an
    allowed set that is known already: what is returned is no worse by the model.
    """
    return _solve(problem, reduced(problem), {}, seconds, relative_gap, start)


def solve_with_guesses(
    problem: Problem,
    atoms: Mapping[str, Sequence[Atom]],
    guesses: Mapping[str, Sequence[Guess]],
    *,
    seconds: float = SOLVER_SECONDS,
    relative_gap: float = RELATIVE_GAP,
) -> tuple[tuple[str, ...], float]:
    """Return, as `solve` does, the best set by atoms and guesses, and the bound that no set of candidates can beat."""
    return _solve(problem, atoms, guesses, seconds, relative_gap)


def _solve(
    problem: Problem,
    atoms: Mapping[str, Sequence[Atom]],
    guesses: Mapping[str, Sequence[Guess]],
    seconds: float,
    relative_gap: float,
    start: Collection[str] = (),
) -> tuple[tuple[str, ...], float]:
    used = {name for found in atoms.values() for atom in found for name in atom.indexes}
    used |= {name for found in guesses.values() for guess in found for name in (*guess.present, *guess.others)}
    if not used:
        return (), problem.base_ms
    # One that no query wants may yet make an allowed set of a refused one.
    used |= {name for refused in problem.refused for name in refused.absent} & problem.candidates.keys()
    solver = quiet_solver()
    solver.setOptionValue("time_limit", seconds)
    solver.setOptionValue("mip_rel_gap", relative_gap)
    solver.setOptionValue("mip_abs_gap", _LEAST_GAP)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("random_seed", 1)
    # In units of the workload's cost: the solver's tolerances are absolute.
    unit = problem.base_ms / 100 or 1.0
    has = {name: solver.addBinary(obj=problem.charge_ms(name) / unit) for name in sorted(used)}
    for query in problem.queries:
        _add_query(solver, atoms[query.id], guesses.get(query.id, ()), has, problem.value[query.id] / unit)
    _add_limits(solver, problem, has)
    if start and used.issuperset(start):
        places = [variable.index for variable in has.values()]
        solver.setSolution(len(places), places, [float(name in start) for name in has])
    solver.minimize()
    values = solver.getSolution().col_value
    # Out of time before any solution was found: nothing is always one.
    chosen = tuple(name for name in has if values and values[has[name].index] > 0.5)
    return chosen, max(float(solver.getInfo().mip_dual_bound), 0.0) * unit


def _add_query(
    solver: highspy.Highs,
    atoms: Sequence[Atom],
    guesses: Sequence[Guess],
    has: dict[str, highspy.highs_var],
    value: float,
) -> None:
    """Pick one atom or guess of a query: what it needs must be there, and nothing beside which it does not hold."""
    picks = []
    needing: dict[str, list[highspy.highs_var]] = {}
    barring: dict[str, list[highspy.highs_var]] = {}
    for atom in atoms:
        pick = solver.addVariable(lb=0, ub=1, obj=value * atom.cost)
        picks.append(pick)
        for name in atom.indexes:
            needing.setdefault(name, []).append(pick)
        for others in sorted(atom.not_under, key=sorted):
            if others <= has.keys():
                solver.addConstr(pick + sum(has[name] for name in sorted(others)) <= len(others))
    for guess in guesses:
        pick = solver.addVariable(lb=0, ub=1, obj=value * guess.floor)
        picks.append(pick)
        solver.addConstr(pick <= sum(has[name] for name in sorted(guess.others)))
        for name in guess.present:
            needing.setdefault(name, []).append(pick)
        for name in guess.absent & has.keys():
            barring.setdefault(name, []).append(pick)
    solver.addConstr(sum(picks) == 1)
    # One row per index, not per atom: as only one is picked this says the same, and leaves less to branch on.
    for name in sorted(needing):
        solver.addConstr(sum(needing[name]) <= has[name])
    for name in sorted(barring):
        solver.addConstr(sum(barring[name]) + has[name] <= 1)


def _add_limits(solver: highspy.Highs, problem: Problem, has: dict[str, highspy.highs_var]) -> None:
    """The budget, the number of indexes on each table, the caps, and the sets that were refused."""
    sizes = {name: problem.sizes[name] / _MIB for name in has}
    solver.addConstr(sum(sizes[name] * has[name] for name in has) <= problem.budget_bytes / _MIB)
    by_table: dict[tuple[str, str], list[highspy.highs_var]] = {}
    for name, variable in has.items():
        change = problem.candidates[name]
        by_table.setdefault((change.schema, change.table), []).append(variable)
    for table, variables in by_table.items():
        room = problem.max_per_table.get(table)
        if room is not None and len(variables) > room:
            solver.addConstr(sum(variables) <= room)
    for cap in problem.caps:
        loads = {name: cap.loads[name] for name in has if cap.loads.get(name)}
        if sum(loads.values()) > cap.most:
            # In units of the limit: the solver's tolerances are absolute. What is beyond it alone is so by any amount.
            shares = {name: load / cap.most if load <= cap.most else 2.0 for name, load in loads.items()}
            solver.addConstr(sum(share * has[name] for name, share in shares.items()) <= 1)
    for refused in sorted(problem.refused, key=lambda one: (sorted(one.present), sorted(one.absent))):
        if refused.present <= has.keys():
            gone = sum(1 - has[name] for name in sorted(refused.present))
            solver.addConstr(gone + sum(has[name] for name in sorted(refused.absent & has.keys())) >= 1)


def quiet_solver() -> highspy.Highs:
    """Return a solver that prints nothing, not even the banner that its constructor prints while output is on."""
    import highspy

    class Quiet(highspy.Highs):  # type: ignore[misc]
        def enableCallbacks(self) -> None:  # noqa: N802 - the base class names it
            self.silent()
            super().enableCallbacks()

    return Quiet()
