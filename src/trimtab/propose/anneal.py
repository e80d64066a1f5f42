"""Writes the selection problem as a binary quadratic model and gives it to samplers of the dimod interface.

Simulated annealing, path-integral (simulated quantum) annealing and tabu search run here; a quantum annealer's sampler
has the same interface. A sample may break the rules that penalties only ask for, so it is mended, and what comes of it
is the planner's to judge. Needs the extra `anneal`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from trimtab.errors import UsageError
from trimtab.propose.problem import Atom, Problem
from trimtab.propose.reduction import reduced

SAMPLERS = ("simulated annealing", "path integral", "tabu")
# Sizes are counted in this many steps of the budget, rounded up: so few bits of slack suffice.
_STEPS = 63
_SWEEPS = 400


def anneal(problem: Problem, sampler: str, *, seconds: float, seed: int) -> tuple[str, ...]:
    """Return the best set that the sampler finds in about so many seconds, sorted and within the limits.

    Raises UsageError `solver.missing` where the extra is not installed.
    """
    atoms = reduced(problem)
    model = _model(problem, atoms)
    best: tuple[str, ...] = ()
    least = problem.base_ms
    for sample in _samples(model, sampler, seconds, seed):
        names = _mended(problem, atoms, sample)
        value = problem.objective(names)
        if value < least:
            best, least = names, value
    return best


def _model(problem: Problem, atoms: Mapping[str, Sequence[Atom]]) -> Any:
    """One variable for each index and for each atom; penalties are what breaking a rule could gain at most."""
    dimod = _module("dimod")
    model = dimod.BinaryQuadraticModel("BINARY")
    unit = problem.base_ms / 1000 or 1.0
    used = sorted({name for found in atoms.values() for atom in found for name in atom.indexes})
    reach = dict.fromkeys(used, 0.0)
    for name in used:
        model.add_linear(("index", name), problem.charge_ms(name) / unit)
    for query in problem.queries:
        found = atoms[query.id]
        worst, value = max(atom.cost for atom in found), problem.value[query.id] / unit
        penalty = value * (worst - min(atom.cost for atom in found)) + 1e-6
        picks = [("atom", query.id, number) for number in range(len(found))]
        for pick, atom in zip(picks, found, strict=True):
            model.add_linear(pick, value * atom.cost)
            for name in atom.indexes:  # picked without its index
                model.add_linear(pick, penalty)
                model.add_quadratic(pick, ("index", name), -penalty)
                reach[name] = max(reach[name], penalty)
            for others in atom.not_under:  # a set of several is told by its first alone: a rule too strict is mended
                model.add_quadratic(pick, ("index", min(others)), penalty)
        model.add_linear_equality_constraint([(pick, 1.0) for pick in picks], penalty + value * worst, -1.0)
    step = problem.budget_bytes / _STEPS or 1.0
    terms = [(("index", name), -int(-problem.sizes[name] // step)) for name in used]
    if sum(size for _, size in terms) > _STEPS:
        model.add_linear_inequality_constraint(
            terms, lagrange_multiplier=max(reach.values()), label="budget", constant=0, lb=0, ub=_STEPS
        )
    return model


def _samples(model: Any, sampler: str, seconds: float, seed: int) -> Iterator[Mapping[object, int]]:
    """Yield samples, the first reads' first, until the time is over; at least one read is finished."""
    samplers = _module("dwave.samplers")
    deadline = time.monotonic() + seconds

    def is_over() -> bool:
        return time.monotonic() > deadline

    reads: dict[str, Callable[[int], Any]] = {
        "simulated annealing": lambda n: samplers.SimulatedAnnealingSampler().sample(
            model, num_reads=4, num_sweeps=_SWEEPS, seed=seed + n, interrupt_function=is_over
        ),
        "path integral": lambda n: samplers.PathIntegralAnnealingSampler().sample(
            model, num_reads=4, num_sweeps=_SWEEPS, seed=seed + n, interrupt_function=is_over
        ),
        "tabu": lambda n: samplers.TabuSampler().sample(
            model, num_reads=1, seed=seed + n, timeout=max(int(1000 * seconds / 4), 1)
        ),
    }
    number = 0
    while number == 0 or not is_over():
        for sample in reads[sampler](number).samples():
            yield dict(sample)
        number += 1


def _mended(problem: Problem, atoms: Mapping[str, Sequence[Atom]], sample: Mapping[object, int]) -> tuple[str, ...]:
    """Return the sample's indexes without those that no query would use, cut to the limits where they go beyond."""
    chosen = {key[1] for key, value in sample.items() if value and isinstance(key, tuple) and key[0] == "index"}
    while True:
        held = frozenset(chosen)
        best = [min((a for a in found if a.holds_under(held)), key=lambda a: a.cost) for found in atoms.values()]
        chosen = {name for atom in best for name in atom.indexes}
        over = _beyond(problem, chosen)
        if not over:
            return tuple(sorted(chosen))
        without = {name: problem.workload_ms(chosen - {name}) - problem.charge_ms(name) for name in over}
        rate = {name: without[name] / (problem.sizes[name] or 1) for name in over}
        chosen.remove(min(sorted(over), key=lambda name: (without[name], rate[name])))


def _beyond(problem: Problem, chosen: set[str]) -> set[str]:
    """Return those of which one must go: all where the budget is broken, those that load a broken cap or make a
    query worse than allowed, those of a table that holds too many.
    """
    if sum(problem.sizes[name] for name in chosen) > problem.budget_bytes:
        return chosen
    tables: dict[tuple[str, str], set[str]] = {}
    for name in chosen:
        change = problem.candidates[name]
        tables.setdefault((change.schema, change.table), set()).add(name)
    cap = problem.broken_cap(chosen)
    if cap is not None:
        return {name for name in chosen if cap.loads.get(name)}
    for refused in problem.refused:
        if refused.holds(frozenset(chosen)):
            return set(refused.present)
    crowded = (names for table, names in tables.items() if len(names) > problem.max_per_table.get(table, len(names)))
    return next(crowded, set())


def _module(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise UsageError(
            "the annealing samplers are not installed",
            code="solver.missing",
            next_step="Install Trimtab with its extra: pip install 'trimtab[anneal]'.",
        ) from None
