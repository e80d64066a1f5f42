"""The selection problem with parts of indexes allowed: a bound that no set beats, and which guesses it rests on.

It is solved in a small part of the time that the exact program takes, so it can be solved again after every few answers
of the planner. Decides nothing; asks no planner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.propose.problem import Atom, Guess, Problem
from trimtab.propose.solver import quiet_solver

_MIB = 1 << 20
# A guess of which less is picked is not what the bound rests on.
_LEAST_PART = 0.01


@dataclass(frozen=True, slots=True)
class Relaxed:
    """The bound in the model's ms, which part of each index would be there, and the guesses picked, by query id.

    `byte_ms` is what one more byte of the budget would save, in the model's ms.
    """

    lower_bound: float
    parts: Mapping[str, float]
    guesses: Mapping[str, Sequence[Guess]]
    byte_ms: float


def relax(
    problem: Problem,
    atoms: Mapping[str, Sequence[Atom]],
    guesses: Mapping[str, Sequence[Guess]],
    *,
    seconds: float,
) -> Relaxed | None:
    """Return what the linear program over these atoms and guesses says; None where it is not solved in the time.

    What a guess forbids, and that it needs one more index, is left out: the bound can only be lower for it.
    """
    names = sorted(
        {name for some in atoms.values() for atom in some for name in atom.indexes}
        | {name for some in guesses.values() for guess in some for name in guess.present}
    )
    # In units of the workload's cost: the solver's tolerances are absolute.
    unit = problem.base_ms / 100 or 1.0
    program = _Program([problem.charge_ms(name) / unit for name in names])
    place = {name: number for number, name in enumerate(names)}
    picks: list[tuple[str, Guess, int]] = []
    for query in problem.queries:
        value, base = problem.value[query.id] / unit, problem.base_cost[query.id]
        columns: list[int] = []
        needing: dict[str, list[int]] = {}
        for atom in atoms[query.id]:
            columns.append(program.column(value * atom.cost))
            for name in atom.indexes:
                needing.setdefault(name, []).append(columns[-1])
        for guess in guesses.get(query.id, ()):
            columns.append(program.column(value * min(guess.floor, base)))
            picks.append((query.id, guess, columns[-1]))
            for name in guess.present:
                needing.setdefault(name, []).append(columns[-1])
        program.row(columns, [1.0] * len(columns), least=1.0, most=1.0)
        for name in sorted(needing):
            program.row([*needing[name], place[name]], [*[1.0] * len(needing[name]), -1.0], most=0.0)
    sizes = [problem.sizes[name] / _MIB for name in names]
    budget = program.row([place[name] for name in names], sizes, most=problem.budget_bytes / _MIB)
    _add_limits(program, problem, place)
    solved = program.solved(seconds, budget)
    if solved is None:
        return None
    values, objective, price = solved
    found: dict[str, list[Guess]] = {}
    for query_id, guess, column in picks:
        if values[column] > _LEAST_PART:
            found.setdefault(query_id, []).append(guess)
    parts = {name: values[place[name]] for name in names}
    return Relaxed(max(objective, 0.0) * unit, parts, found, max(-price, 0.0) * unit / _MIB)


def _add_limits(program: _Program, problem: Problem, place: Mapping[str, int]) -> None:
    """The indexes on each table, and the caps. What is refused is left out: the bound is only lower for it."""
    by_table: dict[tuple[str, str], list[int]] = {}
    for name in place:
        change = problem.candidates[name]
        by_table.setdefault((change.schema, change.table), []).append(place[name])
    for table, columns in by_table.items():
        if (room := problem.max_per_table.get(table)) is not None and room < len(columns):
            program.row(columns, [1.0] * len(columns), most=float(room))
    for cap in problem.caps:
        loads = {name: cap.loads[name] for name in place if cap.loads.get(name)}
        if cap.most > 0 and sum(loads.values()) > cap.most:
            program.row([place[name] for name in loads], [load / cap.most for load in loads.values()], most=1.0)


def rounded(problem: Problem, parts: Mapping[str, float]) -> tuple[str, ...]:
    """Return an allowed set of those of which most would be there; nothing where it is among the refused."""
    chosen: list[str] = []
    room, tables = problem.budget_bytes, dict(problem.max_per_table)
    for name in sorted((name for name, part in parts.items() if part > 0), key=lambda name: (-parts[name], name)):
        change = problem.candidates[name]
        table = change.schema, change.table
        is_within = problem.sizes[name] <= room and tables.get(table, 1) > 0
        if is_within and problem.broken_cap([*chosen, name]) is None:
            chosen.append(name)
            room -= problem.sizes[name]
            if table in tables:
                tables[table] -= 1
    return () if problem.is_refused(chosen) else tuple(sorted(chosen))


class _Program:
    """A linear program whose columns are parts, from 0 to 1, as arrays: the solver's own expressions take longer."""

    def __init__(self, costs: Sequence[float]) -> None:
        self._costs = list(costs)
        self._starts, self._columns, self._factors = [0], list[int](), list[float]()
        self._least, self._most = list[float](), list[float]()

    def column(self, cost: float) -> int:
        self._costs.append(cost)
        return len(self._costs) - 1

    def row(
        self, columns: Sequence[int], factors: Sequence[float], *, least: float = -float("inf"), most: float
    ) -> int:
        self._columns += columns
        self._factors += factors
        self._starts.append(len(self._columns))
        self._least.append(least)
        self._most.append(most)
        return len(self._most) - 1

    def solved(self, seconds: float, row: int) -> tuple[Sequence[float], float, float] | None:
        """Return the columns' values, the objective, and the dual of a row; None when the time was over before."""
        import highspy
        import numpy as np

        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = len(self._costs), len(self._least)
        program.col_cost_ = np.array(self._costs)
        program.col_lower_, program.col_upper_ = np.zeros(len(self._costs)), np.ones(len(self._costs))
        program.row_lower_, program.row_upper_ = np.array(self._least), np.array(self._most)
        program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        program.a_matrix_.start_ = np.array(self._starts, dtype=np.int32)
        program.a_matrix_.index_ = np.array(self._columns, dtype=np.int32)
        program.a_matrix_.value_ = np.array(self._factors)
        solver = quiet_solver()
        solver.setOptionValue("time_limit", seconds)
        solver.setOptionValue("threads", 1)
        solver.setOptionValue("random_seed", 1)
        solver.passModel(program)
        solver.run()
        if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        solution = solver.getSolution()
        return solution.col_value, float(solver.getInfo().objective_function_value), solution.row_dual[row]
