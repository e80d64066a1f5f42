"""The level before any change: times and run plans of each query, and how noisy they are.

From runs of the same arm (A/A pairs) it derives the noise scale of the sequential test and the time limit of a run. It
never compares two arms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from trimtab.model.paired import log_gain, noise_scale
from trimtab.model.plan import Plan
from trimtab.model.workload import Query
from trimtab.trial.arms import Arm
from trimtab.trial.measurement import Measurement
from trimtab.trial.replay import run

if TYPE_CHECKING:
    from trimtab.db.connection import Connection

# A run that takes ten times as long as before, and a second more, has said what it had to say.
_PATIENCE = 10.0
_PATIENCE_MS = 1000.0
_SECONDS_PER_QUERY = 15.0


@dataclass(frozen=True, slots=True)
class Baseline:
    """Times in ms and the last run plan, by query id. `failures` has the SQLSTATE of what cannot be run in this lab.

    A query that reaches its time limit has that limit as its only time, and no plan.
    """

    times: Mapping[str, tuple[float, ...]]
    plans: Mapping[str, Plan]
    failures: Mapping[str, str]

    @property
    def median_ms(self) -> dict[str, float]:
        """The median time of each query, ms."""
        return {query_id: median(times) for query_id, times in self.times.items()}

    def scale(self, query_id: str) -> float:
        """Return the noise scale of one query's log ratios."""
        return noise_scale(_successive(self.times.get(query_id, ())))

    def total_scale(self, weights: Mapping[str, float]) -> float:
        """Return the noise scale of the weighted total over these queries, from their runs in order."""
        known = {query_id: self.times[query_id] for query_id in weights if query_id in self.times}
        if not known:
            return noise_scale(())
        runs = max(len(times) for times in known.values())
        totals = [
            sum(weights[query_id] * times[min(number, len(times) - 1)] for query_id, times in known.items())
            for number in range(runs)
        ]
        return noise_scale(_successive(totals))

    def limit_ms(self, query_id: str, largest_ms: int) -> int:
        """Return the time limit of a run in either arm: generous beside the baseline, never above `largest_ms`."""
        times = self.times.get(query_id)
        if times is None:
            return largest_ms
        level = median(times)
        return min(largest_ms, int(max(level * _PATIENCE, level + _PATIENCE_MS)))


def take_baseline(
    connection: Connection,
    queries: Sequence[Query],
    arm: Arm,
    *,
    runs: int,
    limit_ms: int,
    clock: Callable[[], float],
    progress: Callable[[int, int], None],
) -> Baseline:
    """Run each query once cold, then up to `runs` times; a slow one fewer times, but at least once more."""
    times: dict[str, tuple[float, ...]] = {}
    plans: dict[str, Plan] = {}
    failures: dict[str, str] = {}
    for number, query in enumerate(queries):
        progress(number, len(queries))
        seen = _runs(connection, query, arm, runs=runs, limit_ms=limit_ms, clock=clock)
        broken = next((one.sqlstate for one in seen if one.sqlstate), "")
        if broken:
            failures[query.id] = broken
            continue
        times[query.id] = tuple(one.ms for one in seen)
        if seen[-1].plan is not None:
            plans[query.id] = seen[-1].plan
    return Baseline(times, plans, failures)


def _runs(
    connection: Connection, query: Query, arm: Arm, *, runs: int, limit_ms: int, clock: Callable[[], float]
) -> list[Measurement]:
    started = clock()
    cold = run(connection, query, arm, limit_ms=limit_ms)
    if not cold.is_finished:
        return [cold]
    warm: list[Measurement] = []
    while len(warm) < runs and (not warm or clock() - started < _SECONDS_PER_QUERY):
        warm.append(run(connection, query, arm, limit_ms=limit_ms))
        if not warm[-1].is_finished:
            break
    return warm or [cold]


def _successive(times: Sequence[float]) -> list[float]:
    return [log_gain(first, second) for first, second in pairwise(times)]
