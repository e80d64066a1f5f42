"""One round of a trial: every measured query in both arms, one after the other, the order by a fair coin per pair.

A query whose plan has run into its time limit before, and which finishes well within it in the after arm, is not waited
for again in the before arm: the limit stands in for its time. That is a lower bound, so the gain is not overstated; it
rests on the same plan not finishing in half its limit by itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from trimtab.model.workload import Query
from trimtab.trial.arms import Arm
from trimtab.trial.measurement import Measurement
from trimtab.trial.replay import run

if TYPE_CHECKING:
    from trimtab.db.connection import Connection

_WELL_WITHIN = 0.5


class PairRunner:
    """Runs pairs and remembers which queries need not be waited for again in the before arm."""

    def __init__(
        self,
        connection: Connection,
        before: Arm,
        after: Arm,
        limit_ms: Callable[[Query], int],
        rng: random.Random,
        hopeless: Collection[str] = (),
    ) -> None:
        """`hopeless` are the queries whose plan in the before arm is known to reach the limit."""
        self._connection = connection
        self._before = before
        self._after = after
        self._limit_ms = limit_ms
        self._rng = rng
        self.timed_out_before = set(hopeless)
        self._slowest_after: dict[str, float] = {}

    def round(self, queries: Sequence[Query]) -> dict[str, tuple[Measurement, Measurement]]:
        """Return (before, after) of each query, by id."""
        return {query.id: self._pair(query) for query in queries}

    def _pair(self, query: Query) -> tuple[Measurement, Measurement]:
        before_first = self._rng.random() < 0.5
        limit_ms = self._limit_ms(query)
        if self._is_known_to_time_out(query, limit_ms):
            after = self._run(query, self._after, limit_ms)
            before = Measurement(float(limit_ms), None, timed_out=True)
        elif before_first:
            before = self._run(query, self._before, limit_ms)
            after = self._run(query, self._after, limit_ms)
        else:
            after = self._run(query, self._after, limit_ms)
            before = self._run(query, self._before, limit_ms)
        if before.timed_out:
            self.timed_out_before.add(query.id)
        self._slowest_after[query.id] = max(self._slowest_after.get(query.id, 0.0), after.ms)
        return before, after

    def _is_known_to_time_out(self, query: Query, limit_ms: int) -> bool:
        return query.id in self.timed_out_before and self._slowest_after.get(query.id, 0.0) <= limit_ms * _WELL_WITHIN

    def _run(self, query: Query, arm: Arm, limit_ms: int) -> Measurement:
        return run(self._connection, query, arm, limit_ms=limit_ms)
