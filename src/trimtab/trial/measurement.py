"""What one run of a query gave, and what the runs of one query in both arms say about it.

A query that becomes slower rejects a strategy whatever the total says, so every measured query is judged on its own.
Nothing here is dropped: a run that timed out or failed counts as the time limit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median

from trimtab.model.paired import PairedTest, log_gain
from trimtab.model.plan import Plan
from trimtab.model.strategy import QueryTrial

LEAST_PAIRS_FOR_MEDIAN = 3


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run: milliseconds of planning and execution, and the run plan. `sqlstate` tells why a run did not finish.

    A run that timed out or failed has the time limit as `ms` and no plan.
    """

    ms: float
    plan: Plan | None
    timed_out: bool = False
    sqlstate: str = ""

    @property
    def is_finished(self) -> bool:
        """True when the query ran to its end."""
        return not self.timed_out and not self.sqlstate


class Standing(StrEnum):
    """What can be said of one query in a trial."""

    WORSE = "worse"
    NOT_WORSE = "not_worse"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class QuerySeries:
    """The pairs of one query so far. `slower` is the mirrored test: evidence of a loss beyond the margin.

    A loss counts only above `floor_ms` per execution: a write that goes from 0.02 to 0.03 ms has paid for its new
    index, it is not a slower query, unless it is run so often that its floor is lower. The weighted total still holds
    every such loss. `carried_ms` is what strategies that were accepted before have cost the query: small losses of many
    strategies are one loss. `is_watched` says that the query may not lose, and is no part of the weighted total.
    """

    query_id: str
    weight: float
    plan_changed: bool
    slower: PairedTest
    floor_ms: float
    carried_ms: float = 0.0
    before: tuple[float, ...] = ()
    after: tuple[float, ...] = ()
    timed_out: int = 0
    fails_only_after: bool = False
    is_watched: bool = False

    def observe(self, before: Measurement, after: Measurement) -> QuerySeries:
        """Return the series with one more pair."""
        return replace(
            self.check(before, after),
            slower=self.slower.observe(-log_gain(before.ms, after.ms)),
            before=(*self.before, before.ms),
            after=(*self.after, after.ms),
        )

    def check(self, before: Measurement, after: Measurement) -> QuerySeries:
        """Return the series with only the failures of a pair noted: what a discarded, cold pair can still say."""
        is_far = after.ms > before.ms * (1.0 + self.slower.margin) and after.ms - before.ms > self.floor_ms
        return replace(
            self,
            timed_out=self.timed_out + before.timed_out + after.timed_out,
            fails_only_after=self.fails_only_after or (before.is_finished and not after.is_finished and is_far),
        )

    @property
    def before_ms(self) -> float:
        """Median of the before arm, ms; 0 without pairs."""
        return median(self.before) if self.before else 0.0

    @property
    def after_ms(self) -> float:
        """Median of the after arm, ms; 0 without pairs."""
        return median(self.after) if self.after else 0.0

    @property
    def loses(self) -> bool:
        """True when it lost, and with what it lost before by more than the margin and by more than the floor."""
        lost_ms = self.after_ms - self.before_ms
        in_all_ms, at_first_ms = lost_ms + self.carried_ms, self.before_ms - self.carried_ms
        return lost_ms > 0 and in_all_ms > self.floor_ms and in_all_ms > at_first_ms * self.slower.margin

    def standing(self, *, is_final: bool) -> Standing:
        """Return what can be said now; at the end of a trial the medians decide what the evidence left open."""
        if self.fails_only_after or (self.loses and self.slower.is_proven):
            return Standing.WORSE
        if len(self.before) < LEAST_PAIRS_FOR_MEDIAN:
            return Standing.UNDECIDED
        if not self.loses:
            return Standing.NOT_WORSE
        return Standing.WORSE if is_final else Standing.UNDECIDED

    def as_trial(self) -> QueryTrial:
        """Return the series as the trial reports it."""
        return QueryTrial(
            query_id=self.query_id,
            before_ms=self.before_ms,
            after_ms=self.after_ms,
            pairs=len(self.before),
            plan_changed=self.plan_changed,
            verdict=self.standing(is_final=True).value,
            timed_out=self.timed_out,
        )
