"""Says what each chosen index is worth, what would stand in for it, and why a query has none.

Asks the planner for sets that lack one index; decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trimtab.propose.problem import Problem
from trimtab.propose.selection import TOLERANCE, Truth
from trimtab.propose.solver import RELATIVE_GAP, solve

# A plan that saves a smaller share of its query is no gain.
LEAST_SAVING = 0.02
# For each index that is left out to see what would take its place.
STAND_IN_SECONDS = 2.0
# What would take its place is found to within this share of what the index is worth.
STAND_IN_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Gain:
    """What a query of the workload costs without an index and with it, all other chosen ones being there."""

    query_id: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Worth:
    """What one chosen index is worth, in the model's ms weighted by executions.

    `value` is what the workload would cost more without it, `gains` by query, the largest first. `stand_ins` are what
    would be chosen instead, and `loss` how much worse the whole would be then, its price and theirs counted.
    """

    name: str
    value: float
    gains: tuple[Gain, ...]
    stand_ins: tuple[str, ...]
    loss: float


@dataclass(frozen=True, slots=True)
class Lack:
    """A query whose plan uses none of the chosen indexes, and why.

    `best` is the least that it could cost, weighted, with the candidates in `names`.
    """

    query_id: str
    reason: str
    cost: float
    best: float
    names: tuple[str, ...]

    def with_more(self, other: Lack) -> Lack:
        """Return it with the cost of the same statement with other values, and what would help there."""
        names = tuple(sorted({*self.names, *other.names}))
        return replace(self, cost=self.cost + other.cost, best=self.best + other.best, names=names)


def worths(problem: Problem, truth: Truth, names: Sequence[str], owners: Mapping[str, str]) -> list[Worth]:
    """Return what each of the chosen indexes is worth.

    `owners` gives the query that a look-up, or the same statement with other values, belongs to.
    """
    whole, objective = truth.atoms(names), truth.objective(names)
    found = []
    for name in names:
        without = truth.atoms([other for other in names if other != name])
        costs: dict[str, tuple[float, float]] = {}
        for query_id, atom in without.items():
            value, owner = problem.value[query_id], owners.get(query_id, query_id)
            before, after = costs.get(owner, (0.0, 0.0))
            costs[owner] = before + value * atom.cost, after + value * whole[query_id].cost
        gains = [Gain(i, before, after) for i, (before, after) in costs.items() if before - after > TOLERANCE * before]
        value = sum(gain.before - gain.after for gain in gains)
        stand_ins = _stand_ins(problem, truth, name, names, STAND_IN_SHARE * value / objective if objective > 0 else 0)
        instead = truth.objective(stand_ins)
        found.append(
            Worth(
                name=name,
                value=value,
                gains=tuple(sorted(gains, key=lambda gain: gain.after - gain.before)),
                stand_ins=tuple(other for other in stand_ins if other not in names),
                loss=instead - objective,
            )
        )
    return found


def lacks(
    problem: Problem,
    truth: Truth,
    names: Sequence[str],
    own: Mapping[str, Sequence[str]],
    left_out: Mapping[str, str],
    owners: Mapping[str, str],
) -> list[Lack]:
    """Return the queries that use none of the chosen, and of which nothing that belongs to them uses one.

    `own` lists the candidates that were thought of for each, `left_out` says why some of them are no candidates.
    `owners` is as in `worths`; why a statement with several values has none is said of the first.
    """
    found: dict[str, Lack] = {}
    atoms = truth.atoms(names)
    served = {owners.get(query_id, query_id) for query_id, atom in atoms.items() if atom.indexes}
    for query_id, atom in atoms.items():
        owner = owners.get(query_id, query_id)
        if owner in served or query_id not in own:
            continue
        value, best = problem.value[query_id], min(problem.atoms[query_id], key=lambda atom: atom.cost)
        if not own[query_id]:
            reason = left_out.get(query_id, "nothing that it asks wants an index that is allowed and not there already")
        elif best.cost > atom.cost * (1 - LEAST_SAVING):
            reason = "the planner gains nothing by any candidate that was thought of for it"
        elif sum(problem.sizes[name] for name in best.indexes) > problem.budget_bytes:
            reason = "what would help it is larger than the budget"
        elif problem.has_no_room(best.indexes):
            reason = "what would help it is more indexes than its table may have"
        elif (cap := problem.broken_cap(best.indexes)) is not None:
            reason = f"what would help it goes beyond {cap.name}"
        elif problem.is_refused(best.indexes):
            reason = "what would help it makes another query worse than allowed"
        else:
            reason = "what would help it costs more than it saves, or its room is worth more to others"
        helping = tuple(sorted(best.indexes)) if best.cost <= atom.cost * (1 - LEAST_SAVING) else ()
        lack = Lack(owner, reason, value * atom.cost, value * min(best.cost, atom.cost), helping)
        found[owner] = found[owner].with_more(lack) if owner in found else lack
    return list(found.values())


def _stand_ins(problem: Problem, truth: Truth, name: str, names: Sequence[str], relative_gap: float) -> tuple[str, ...]:
    """Return the best set without the index, or the chosen without it where the planner knows nothing better."""
    atoms = {
        query_id: [atom for atom in found if name not in atom.indexes] for query_id, found in problem.atoms.items()
    }
    rest = tuple(sorted(other for other in names if other != name))
    without = replace(problem, atoms=atoms)
    chosen, _ = solve(without, seconds=STAND_IN_SECONDS, relative_gap=min(relative_gap, RELATIVE_GAP), start=rest)
    return min(rest, truth.allowed_part(chosen), key=truth.objective)
