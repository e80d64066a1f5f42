"""Solves the selection problem exactly, over the atoms known so far, as a mixed-integer program (HiGHS).

One atom is picked per query, or a guess where nobody asked, and the union of their indexes is paid for within the
budget. Asks no planner; prints nothing. The formulation is that of Dash, Polyzotis and Ailamaki, CoPhy (VLDB 2011).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from trimtab.propose.problem import Atom, Guess, Problem
from trimtab.propose.program import Program
from trimtab.propose.reduction import reduced

SOLVER_SECONDS = 20.0
# Closer than the cost model itself can tell sets apart.
RELATIVE_GAP = 0.002
_LEAST_GAP = 1e-9
_ROUNDING = 1e-6
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
    used |= {name for found in guesses.values() for guess in found for name in guess.present | guess.others}
    if not used:
        return (), problem.base_ms
    # One that no query wants may yet make an allowed set of a refused one.
    used |= {name for refused in problem.refused for name in refused.absent} & problem.candidates.keys()
    # In units of the workload's cost: the solver's tolerances are absolute.
    unit = problem.base_ms / 100 or 1.0
    program = Program({"mip_rel_gap": relative_gap, "mip_abs_gap": _LEAST_GAP})
    has = {name: program.column(problem.charge_ms(name) / unit, is_whole=True) for name in sorted(used)}
    picks: dict[str, list[int]] = {}
    for query in problem.queries:
        costs = [atom.cost for atom in atoms[query.id]] + [guess.floor for guess in guesses.get(query.id, ())]
        picks[query.id] = [program.column(problem.value[query.id] / unit * cost) for cost in costs]
    for query in problem.queries:
        _add_query(program, atoms[query.id], guesses.get(query.id, ()), has, picks[query.id])
    _add_limits(program, problem, has)
    program.settle()
    if start and used.issuperset(start):
        import numpy as np

        places = np.array(list(has.values()), dtype=np.int32)
        program.solver.setSolution(len(places), places, np.array([float(name in start) for name in has]))
    program.run(seconds)
    values = program.solver.getSolution().col_value
    # Out of time before any solution was found: nothing is always one.
    chosen = tuple(name for name in has if values and values[has[name]] > 0.5)
    info = program.solver.getInfo()
    if start and problem.objective(chosen) > float(info.objective_function_value) * unit * (1 + _ROUNDING):
        # Where its presolve finds the optimum, HiGHS 1.16 tells of that, and hands back what it began with.
        return _solve(problem, atoms, guesses, seconds, relative_gap)
    return chosen, max(float(info.mip_dual_bound), 0.0) * unit


def _add_query(
    program: Program, atoms: Sequence[Atom], guesses: Sequence[Guess], has: Mapping[str, int], picks: Sequence[int]
) -> None:
    """Pick one atom or guess of a query: what it needs must be there, and nothing beside which it does not hold."""
    needing: dict[str, list[int]] = {}
    barring: dict[str, list[int]] = {}
    for atom, pick in zip(atoms, picks, strict=False):
        for name in atom.indexes:
            needing.setdefault(name, []).append(pick)
        for others in sorted(atom.not_under, key=sorted):
            if others <= has.keys():
                columns = [pick, *(has[name] for name in sorted(others))]
                program.row(columns, [1.0] * len(columns), most=float(len(others)))
    for guess, pick in zip(guesses, picks[len(atoms) :], strict=True):
        columns = [pick, *(has[name] for name in sorted(guess.others))]
        program.row(columns, [1.0, *[-1.0] * len(guess.others)], most=0.0)
        for name in guess.present:
            needing.setdefault(name, []).append(pick)
        for name in guess.absent & has.keys():
            barring.setdefault(name, []).append(pick)
    program.row(picks, [1.0] * len(picks), least=1.0, most=1.0)
    # One row per index, not per atom: as only one is picked this says the same, and leaves less to branch on.
    for name in sorted(needing):
        program.row([*needing[name], has[name]], [*[1.0] * len(needing[name]), -1.0], most=0.0)
    for name in sorted(barring):
        program.row([*barring[name], has[name]], [1.0] * (len(barring[name]) + 1), most=1.0)


def _add_limits(program: Program, problem: Problem, has: Mapping[str, int]) -> None:
    """The budget, the number of indexes on each table, the caps, and the sets that were refused."""
    program.row(list(has.values()), [problem.sizes[name] / _MIB for name in has], most=problem.budget_bytes / _MIB)
    by_table: dict[tuple[str, str], list[int]] = {}
    for name, column in has.items():
        change = problem.candidates[name]
        by_table.setdefault((change.schema, change.table), []).append(column)
    for table, columns in by_table.items():
        room = problem.max_per_table.get(table)
        if room is not None and len(columns) > room:
            program.row(columns, [1.0] * len(columns), most=float(room))
    for cap in problem.caps:
        loads = {name: cap.loads[name] for name in has if cap.loads.get(name)}
        if sum(loads.values()) > cap.most:
            # In units of the limit: the solver's tolerances are absolute. What is beyond it alone is so by any amount.
            shares = [load / cap.most if load <= cap.most else 2.0 for load in loads.values()]
            program.row([has[name] for name in loads], shares, most=1.0)
    for refused in sorted(problem.refused, key=lambda one: (sorted(one.present), sorted(one.absent))):
        if refused.present <= has.keys():
            # Some of those that must be there are gone, or some of those that must not are there.
            gone, come = sorted(refused.present), sorted(refused.absent & has.keys())
            factors = [*[1.0] * len(gone), *[-1.0] * len(come)]
            program.row([has[name] for name in (*gone, *come)], factors, most=float(len(gone) - 1))
