"""Draws the frontier: how little the workload can cost for how much storage, in one call.

Each point is the best set by the model for one budget, and what the planner says that it costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trimtab.propose.problem import Problem
from trimtab.propose.selection import Truth
from trimtab.propose.solver import solve

POINTS = 12
POINT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Point:
    """A set of indexes that no other one beats in both: its bytes, and the workload's cost in the model's ms."""

    size_bytes: int
    cost: float
    names: tuple[str, ...]


def frontier(problem: Problem, truth: Truth, chosen: Sequence[str]) -> list[Point]:
    """Return the points from nothing to the chosen set, the smallest first, without those that another one beats."""
    top = sum(problem.sizes[name] for name in chosen)
    sets = [(), tuple(sorted(chosen))]
    for step in range(1, POINTS):
        # Narrow steps where storage is little: there the curve is steep.
        budget = int(top * (step / POINTS) ** 2)
        sets.append(truth.allowed_part(solve(replace(problem, budget_bytes=budget), seconds=POINT_SECONDS)[0]))
    points = [_point(problem, truth, names) for names in dict.fromkeys(sets)]
    found: list[Point] = []
    for point in sorted(points, key=lambda point: (point.size_bytes, point.cost)):
        if not found or point.cost < found[-1].cost:
            found.append(point)
    return found


def _point(problem: Problem, truth: Truth, names: Sequence[str]) -> Point:
    return Point(sum(problem.sizes[name] for name in names), truth.workload_ms(names), tuple(names))
