"""The solvers side by side: each gets as long as the exact one took, and the planner judges what each found.

The best set by the planner is taken, whoever found it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trimtab.propose.anneal import SAMPLERS, anneal
from trimtab.propose.local import search
from trimtab.propose.problem import Problem

LEAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one solver found: the set, its objective by the planner in the model's ms, and the seconds it had."""

    solver: str
    names: tuple[str, ...]
    objective: float
    seconds: float


def attempts(
    solver: str,
    problem: Problem,
    objective: Callable[[Sequence[str]], float],
    *,
    exact: tuple[Sequence[str], float],
    mend: Callable[[Sequence[str]], tuple[str, ...]] = tuple,
    seed: int = 1,
) -> tuple[Attempt, ...]:
    """Return what the solver, or each of its samplers, found, after the exact one's set; `exact` is set and seconds.

    `mend` takes out of a set what only the planner knows not to be allowed.
    """
    names, took = exact
    found = [Attempt("exact", tuple(names), objective(names), took)]
    seconds = max(took, LEAST_SECONDS)
    for name in SAMPLERS if solver == "anneal" else ("local",):
        started = time.monotonic()
        if name == "local":
            chosen = search(problem, seconds=seconds, seed=seed)
        else:
            chosen = anneal(problem, name, seconds=seconds, seed=seed)
        chosen = mend(chosen)
        found.append(Attempt(name, chosen, objective(chosen), time.monotonic() - started))
    return tuple(found)
