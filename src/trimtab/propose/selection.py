"""Chooses the set of indexes with the least workload time within the limits: the solver's set, checked by the planner.

The planner is asked under the set that the solver chose. Where it differs from the model, its answer becomes an atom,
and the program is solved again, until both agree. The order of the result says what each index adds to those before it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from trimtab.model.change import CreateIndex
from trimtab.model.workload import Query
from trimtab.propose.atoms import Planner
from trimtab.propose.ordering import best_first
from trimtab.propose.problem import Atom, Problem, Refused, useful
from trimtab.propose.proof import prove
from trimtab.propose.relaxation import Relaxation, rounded
from trimtab.propose.solver import SOLVER_SECONDS, solve
from trimtab.propose.solvers import Attempt, attempts

MAX_ROUNDS = 6
# Model and planner agree when a query's costs differ by no more.
TOLERANCE = 0.002


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen indexes, best first, with what each adds; all figures are in the model's ms.

    A group of several indexes is worth something only as a whole. `objective` is `cost_after` and what the indexes are
    charged; no set of the candidates does better than `lower_bound`, None where no proof was asked for. `users` are the
    ids of the queries whose plan uses an index, by its name. `attempts` are the solvers' sets where several were asked.
    """

    chosen: tuple[tuple[tuple[CreateIndex, ...], float], ...]
    cost_before: float
    cost_after: float
    objective: float
    lower_bound: float | None
    rounds: int
    users: Mapping[str, tuple[str, ...]]
    attempts: tuple[Attempt, ...] = ()


def select(
    problem: Problem, planner: Planner, *, proof_seconds: float = 0.0, solver: str = "exact", seed: int = 1
) -> Selection:
    """Return the best set that planner and solver agree on, or the best seen when the rounds are used up.

    With another `solver` of SOLVERS that one is tried beside the exact one, and the better set by the planner is taken.

    With `proof_seconds` it is then proven how far it is from the best, for at most about so long; better sets that turn
    up on the way are taken.
    """
    started = time.monotonic()
    truth = Truth(problem, planner)
    best: tuple[str, ...] = ()
    rounds, is_news, bound = 0, True, None
    while is_news and rounds < MAX_ROUNDS:
        chosen, reachable = solve(problem, start=best or _first(problem))
        rounds += 1
        is_news = _learn(problem, truth, chosen)
        allowed = truth.allowed_part(chosen)
        if allowed != chosen:
            is_news = True
            _ask_instead(problem, planner, frozenset(chosen) - frozenset(allowed))
        best = min(best, allowed, key=truth.objective)
        # News that cancel out are none: the planner says what the program says of its best.
        is_news = is_news and abs(truth.objective(best) - reachable) > TOLERANCE * reachable
    tried: tuple[Attempt, ...] = ()
    if solver != "exact":
        exact = best, time.monotonic() - started
        tried = attempts(solver, problem, truth.objective, exact=exact, mend=truth.allowed_part, seed=seed)
        best = min(tried, key=lambda attempt: attempt.objective).names
    if proof_seconds > 0:
        proof = prove(problem, planner, best, truth.objective, seconds=proof_seconds)
        best, bound = proof.names, proof.lower_bound
    best = _without_needless(truth, best)
    _learn(problem, truth, best)  # What is asked of the model from now on is about this set.
    groups = best_first(problem, planner, best)
    while truth.worsened(_names(groups), is_asked=True):
        groups.pop()  # What was left out had hidden it.
    names = _names(groups)
    users: dict[str, list[str]] = {name: [] for name in names}
    for query_id, atom in truth.atoms(names, is_asked=True).items():
        for name in atom.indexes:
            users[name].append(query_id)
    return Selection(
        chosen=tuple((tuple(problem.candidates[name] for name in group), gain) for group, gain in groups),
        cost_before=problem.base_ms,
        cost_after=truth.workload_ms(names),
        objective=truth.objective(names),
        lower_bound=bound,
        rounds=rounds,
        users={name: tuple(query_ids) for name, query_ids in users.items()},
        attempts=tried,
    )


@dataclass(frozen=True, slots=True)
class Truth:
    """What the planner, not the model, says of whole sets."""

    problem: Problem
    planner: Planner

    def atoms(self, names: Iterable[str], *, is_asked: bool = False) -> dict[str, Atom]:
        """Return each query's atom under this set, by the query's id."""
        queries = self.problem.queries
        found = self.planner.atoms(queries, names, is_asked=is_asked)
        return {query.id: atom for query, atom in zip(queries, found, strict=True)}

    def workload_ms(self, names: Iterable[str]) -> float:
        """Return the weighted time of the workload under this set."""
        value = self.problem.value
        return sum(value[query_id] * atom.cost for query_id, atom in self.atoms(names).items())

    def worsened(self, names: Iterable[str], *, is_asked: bool = False) -> dict[str, Atom]:
        """Return the atoms, by query, of those that this set makes worse than allowed; it is refused from now on.

        With `is_asked` no answer is taken over from a larger set.
        """
        limit, base = self.problem.max_regression, self.problem.base_cost
        if limit is None:
            return {}
        chosen = frozenset(names)
        most = {query_id: cost * (1 + limit) * (1 + TOLERANCE) for query_id, cost in base.items()}
        atoms = self.atoms(chosen, is_asked=is_asked)
        suspects = [query for query in self.problem.queries if atoms[query.id].cost > most[query.id]]
        # Answers that were taken over from a larger set do for choosing, not for a refusal.
        answers = zip(suspects, self.planner.atoms(suspects, chosen, is_asked=True), strict=True)
        found = {query.id: atom for query, atom in answers if atom.cost > most[query.id]}
        for query in suspects:
            if query.id in found:
                usable = self.planner.usable(query)
                self.problem.refused.add(Refused(usable & chosen, usable - chosen))
        return found

    def allowed_part(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the set without what the planner uses where it makes a query worse than allowed; sorted."""
        left = frozenset(names)
        while worse := self.worsened(left):
            used = frozenset(name for atom in worse.values() for name in atom.indexes)
            usable = frozenset(n for q in self.problem.queries if q.id in worse for n in self.planner.usable(q))
            left -= used or usable
        return tuple(sorted(left))

    def objective(self, names: Sequence[str]) -> float:
        """Return what the set is judged by: the workload's time, and what the indexes are charged.

        Without end for one that makes a query worse than allowed.
        """
        if self.worsened(names):
            return math.inf
        return self.workload_ms(names) + sum(self.problem.charge_ms(name) for name in names)


def _without_needless(truth: Truth, names: Sequence[str]) -> tuple[str, ...]:
    """Return the set without what the others can do nearly as well: it saves less than it is charged."""
    problem, left = truth.problem, frozenset(names)
    atoms = truth.atoms(left)
    users = {name: _users(problem, atoms, left, name) for name in names}
    # Mostly all are needed, and the query that should miss one most shows it: no more than this is asked then.
    truth.planner.each([(queries[0], left - {name}) for name, queries in users.items() if queries])
    for name in sorted(left, key=lambda name: (-problem.charge_ms(name), name)):
        without: dict[str, Atom] = {}
        saved = 0.0
        for some in (users[name][:1], [query for query in problem.queries if name in atoms[query.id].indexes]):
            asked = [query for query in some if query.id not in without]
            answers = truth.planner.each([(query, left - {name}) for query in asked])
            without |= {query.id: atom for query, atom in zip(asked, answers, strict=True)}
            saved = sum(problem.value[i] * (atom.cost - atoms[i].cost) for i, atom in without.items())
            if saved > problem.charge_ms(name):
                break
        if saved <= problem.charge_ms(name) and not truth.worsened(left - {name}):
            left -= {name}
            atoms |= without
    return tuple(sorted(left))


def _users(problem: Problem, atoms: Mapping[str, Atom], chosen: frozenset[str], name: str) -> list[Query]:
    """Return the queries that use the index, first those that by the model would lose most without it."""
    found = [query for query in problem.queries if name in atoms[query.id].indexes]
    loss = {i: problem.value[i] * (problem.promised(i, chosen - {name}) - atoms[i].cost) for i in (q.id for q in found)}
    return sorted(found, key=lambda query: -loss[query.id])


def _first(problem: Problem) -> tuple[str, ...]:
    """Return a set to begin with, by the problem with parts of indexes allowed."""
    relaxed = Relaxation(problem).solved(problem.atoms, {}, seconds=SOLVER_SECONDS)
    return () if relaxed is None else rounded(problem, relaxed.parts)


def _names(groups: Iterable[tuple[tuple[str, ...], float]]) -> list[str]:
    return [name for group, _ in groups for name in group]


def _learn(problem: Problem, truth: Truth, names: Iterable[str]) -> bool:
    """Correct the atoms by the planner's answers under this set; return True when one was news to the model."""
    is_news = False
    chosen = frozenset(names)
    for query_id, answer in truth.atoms(chosen).items():
        known = problem.atoms[query_id]
        promised = problem.promised(query_id, chosen)
        if abs(answer.cost - promised) <= TOLERANCE * max(promised, answer.cost):
            continue
        is_news = True
        corrected = [_corrected(atom, chosen, answer.cost) for atom in known]
        problem.atoms[query_id] = [*(atom for atom in corrected if atom is not None), answer]
    return is_news


def _ask_instead(problem: Problem, planner: Planner, gone: frozenset[str]) -> None:
    """Ask what the queries that would use these do without them: nobody did while they were the best."""
    users = [query for query in problem.queries if any(atom.indexes & gone for atom in problem.atoms[query.id])]
    answers = planner.each([(query, planner.usable(query) - gone) for query in users])
    for query, atom in zip(users, answers, strict=True):
        problem.atoms[query.id] = useful([*problem.atoms[query.id], atom])


def _corrected(atom: Atom, chosen: frozenset[str], cost: float) -> Atom | None:
    """Return the atom, not to hold beside the chosen where it promised too much; None when these are its own."""
    if not atom.holds_under(chosen) or atom.cost >= cost * (1 - TOLERANCE):
        return atom
    others = chosen - atom.indexes
    return replace(atom, not_under=atom.not_under | {others}) if others else None
