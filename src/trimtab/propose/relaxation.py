"""The selection problem with parts of indexes allowed: a bound that no set beats, and which guesses it rests on.

It is solved in a small part of the time that the exact program takes, and again after every few answers of the planner.
Decides nothing; asks no planner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trimtab.propose.problem import Atom, Guess, Problem
from trimtab.propose.program import Program

_MIB = 1 << 20
# A guess of which less is picked is not what the bound rests on.
_LEAST_PART = 0.01
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class Relaxed:
    """The bound in the model's ms, which part of each index would be there, and of each guess picked, by query id.

    `byte_ms` is what one more byte of the budget would save, in the model's ms. So are these: `dues` is what each query
    costs with its shares in the indexes that it uses, `shares` what a query pays of an index, by both, and `unpaid`
    what is left of an index's price, which nobody would pay.
    """

    lower_bound: float
    parts: Mapping[str, float]
    guesses: Mapping[str, Mapping[Guess, float]]
    byte_ms: float
    dues: Mapping[str, float]
    shares: Mapping[tuple[str, str], float]
    unpaid: Mapping[str, float]

    def promise(self, query_id: str, ms: float, names: Iterable[str] = ()) -> float:
        """Return what the bound would fall by, at most, if the query took so many ms by a plan with these indexes."""
        return self.dues[query_id] - ms - sum(self.shares.get((query_id, name), 0.0) for name in names)


class Relaxation:
    """The program of one problem. It is kept between solutions, of which each goes on from the one before."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        # In units of the workload's cost: the solver's tolerances are absolute.
        self._unit = problem.base_ms / 100 or 1.0
        self._program = Program({})
        self._budget = self._program.row(most=problem.budget_bytes / _MIB)
        self._one = {query.id: self._program.row(least=1.0, most=1.0) for query in problem.queries}
        self._tables = {table: self._program.row(most=float(room)) for table, room in problem.max_per_table.items()}
        self._caps = [(cap, self._program.row(most=1.0)) for cap in problem.caps if cap.most > 0]
        self._has: dict[str, int] = {}
        self._needs: dict[tuple[str, str], int] = {}
        self._picks: dict[tuple[str, Atom | Guess], int] = {}
        self._open: frozenset[tuple[str, Atom | Guess]] = frozenset()

    def solved(
        self, atoms: Mapping[str, Sequence[Atom]], guesses: Mapping[str, Sequence[Guess]], *, seconds: float
    ) -> Relaxed | None:
        """Return what the program over these atoms and guesses says; None where it is not solved in the time.

        What a guess forbids, and that it needs one more index, is left out: the bound can only be lower for it.
        """
        wanted: dict[tuple[str, Atom | Guess], frozenset[str]] = {}
        for query in self._problem.queries:
            wanted |= {(query.id, atom): atom.indexes for atom in atoms[query.id]}
            wanted |= {(query.id, guess): guess.present for guess in guesses.get(query.id, ())}
        self._add(wanted)
        for pick in self._open ^ wanted.keys():
            self._program.limit(self._picks[pick], float(pick in wanted))
        self._open = frozenset(wanted)
        solution = self._program.solved(seconds)
        if solution is None:
            return None
        # Each of these is copied whenever it is looked at.
        values, reduced, prices, unit = solution.col_value, solution.col_dual, solution.row_dual, self._unit
        found: dict[str, dict[Guess, float]] = {}
        used = set[str]()
        for pick, needed in wanted.items():
            query_id, kind = pick
            part = values[self._picks[pick]]
            if part > _NOTHING:
                used |= needed
            if part > _LEAST_PART and isinstance(kind, Guess):
                found.setdefault(query_id, {})[kind] = part
        objective = float(self._program.solver.getInfo().objective_function_value)
        return Relaxed(
            lower_bound=max(objective, 0.0) * unit,
            # What costs nothing may be there without being used.
            parts={name: values[column] if name in used else 0.0 for name, column in self._has.items()},
            guesses=found,
            byte_ms=max(-prices[self._budget], 0.0) * unit / _MIB,
            dues={query_id: prices[row] * unit for query_id, row in self._one.items()},
            shares={pair: max(-prices[row], 0.0) * unit for pair, row in self._needs.items()},
            unpaid={name: max(reduced[column], 0.0) * unit for name, column in self._has.items()},
        )

    def _add(self, wanted: Mapping[tuple[str, Atom | Guess], frozenset[str]]) -> None:
        """Add the columns and rows that are missing for these picks: first indexes, then rows, then the picks."""
        program, problem = self._program, self._problem
        fresh = [pick for pick in wanted if pick not in self._picks]
        names = {name for pick in fresh for name in wanted[pick]}
        for name in sorted(names - self._has.keys()):
            rows, factors = self._loads(name)
            self._has[name] = program.column(problem.charge_ms(name) / self._unit, rows, factors)
        for query_id, name in sorted({(pick[0], name) for pick in fresh for name in wanted[pick]}):
            if (query_id, name) not in self._needs:
                self._needs[query_id, name] = program.row([self._has[name]], [-1.0], most=0.0)
        for pick in fresh:
            query_id, kind = pick
            cost = kind.cost if isinstance(kind, Atom) else min(kind.floor, problem.base_cost[query_id])
            rows = [self._one[query_id], *(self._needs[query_id, name] for name in sorted(wanted[pick]))]
            self._picks[pick] = program.column(problem.value[query_id] / self._unit * cost, rows, [1.0] * len(rows))
        self._open |= frozenset(fresh)

    def _loads(self, name: str) -> tuple[list[int], list[float]]:
        """The budget, the indexes on each table, and the caps. What is refused is left out: the bound is only lower."""
        change = self._problem.candidates[name]
        rows, factors = [self._budget], [self._problem.sizes[name] / _MIB]
        if (row := self._tables.get((change.schema, change.table))) is not None:
            rows.append(row)
            factors.append(1.0)
        for cap, row in self._caps:
            if load := cap.loads.get(name):
                rows.append(row)
                factors.append(load / cap.most)
        return rows, factors


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
