"""Decides from what was measured before and after which applied strategies hold. Pure; the lifecycle reverts.

A query that got slower than the margin allows, or of which that cannot be ruled out, is laid at the door
of the strategies that its trial saw touch it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from trimtab.model.anchor import QueryLevel
from trimtab.model.change import CreateIndex, CreateStatistics
from trimtab.model.report import Life
from trimtab.settle.traffic import Slowed

_GAINS_BY_PLANS = CreateIndex | CreateStatistics


@dataclass(frozen=True, slots=True)
class Regression:
    """A query that is slower on the source than before, by more than the margin and the floor, or not known not to be.

    `before_ms` is None where no time was left to run it before, `after_ms` where it could not be run after;
    `is_timeout` where a run after reached the time limit, which no run before did: then `after_ms` is no estimate.
    """

    query_id: str
    before_ms: float | None
    after_ms: float | None
    is_timeout: bool = False

    @property
    def loss_ms(self) -> float:
        """What it lost at each execution; infinite where that is not known."""
        if self.before_ms is None or self.after_ms is None or self.is_timeout:
            return inf
        return self.after_ms - self.before_ms

    @property
    def reason(self) -> str:
        """Say it in one sentence."""
        if self.before_ms is None:
            return f"{self.query_id} was not measured on the source: settle.max_seconds were used up"
        if self.after_ms is None:
            return f"{self.query_id} could not be run on the source after, and took {self.before_ms:.1f} ms before"
        if self.is_timeout:
            return f"{self.query_id} reached its time limit on the source after, {self.before_ms:.1f} ms before"
        return f"{self.query_id} took {self.after_ms:.1f} ms on the source after, {self.before_ms:.1f} ms before"


def regressions(
    before: Mapping[str, QueryLevel],
    after: Mapping[str, QueryLevel],
    *,
    max_slowdown_percent: float,
    floor_ms: float,
    unmeasured: Collection[str] = (),
) -> list[Regression]:
    """Return the queries that lost, the heaviest loss first.

    What ran before has to be seen to run after: not to be able to, or to reach the time limit, is a loss. So is being
    one of `unmeasured`, for which no time was left before. What cannot be run at all is judged by nobody here.
    """
    lost = [Regression(query_id, None, None) for query_id in unmeasured]
    for query_id, earlier in before.items():
        if earlier.runs == 0:
            continue
        later = after.get(query_id)
        if later is None or later.runs == 0:
            lost.append(Regression(query_id, earlier.p50_ms, None))
            continue
        found = Regression(query_id, earlier.p50_ms, later.p50_ms, _timeouts(later) > 0 and _timeouts(earlier) == 0)
        if found.loss_ms > floor_ms and found.loss_ms > earlier.p50_ms * max_slowdown_percent / 100:
            lost.append(found)
    return sorted(lost, key=lambda r: (-r.loss_ms, r.query_id))


def _timeouts(level: QueryLevel) -> int:
    return 0 if level.latency is None else level.latency.errors


def unused(lives: Sequence[Life], before: Mapping[str, QueryLevel], after: Mapping[str, QueryLevel]) -> dict[str, str]:
    """Return, by id, why an applied strategy whose gain is another plan has none on the source.

    Indexes and statistics are such changes, settings need not be. A trial says of which queries the plan changed.
    """
    found: dict[str, str] = {}
    for life in lives:
        changes = life.strategy.changes
        if not life.applied or life.trial is None or not all(isinstance(c, _GAINS_BY_PLANS) for c in changes):
            continue
        ids = {query.query_id for query in life.trial.queries if query.plan_changed}
        planned = ids & before.keys() & after.keys()
        if not all(before[query_id].plan_shape == after[query_id].plan_shape for query_id in planned) or not ids:
            continue
        found[life.strategy.id] = (
            "the source plans every query as before: it differs from the lab"
            if planned
            else "none of the queries that it is for can be planned on the source now"
        )
    return found


def kept_told(life: Life, after: Mapping[str, QueryLevel], judged: Collection[str], touched: Collection[str]) -> str:
    """Return what to say of a strategy that is kept: by what was measured on the source, or that nothing was.

    `judged` are the queries whose own executions were judged, `touched` those that the strategy touches beside those
    that its trial measured.
    """
    tried = {query.query_id for query in life.trial.queries} if life.trial is not None else set()
    every = tried.union(touched)
    if not every:
        return "no query of the workload is touched by it"
    if any(query_id in after and after[query_id].runs > 0 for query_id in tried) or not every.isdisjoint(judged):
        return "holds on the source"
    return "stands by its plans alone: nothing that it touches was measured on the source, nor counted there"


def to_revert(
    lives: Sequence[Life],
    lost: Sequence[Regression | Slowed],
    unused: Mapping[str, str] | None = None,
    touched: Mapping[str, frozenset[str]] | None = None,
) -> dict[str, str]:
    """Return, by strategy id, why it must be taken back: what touches a regressed query, and what is `unused`.

    A trial measures just the queries that its strategy touches: by another plan, by memory, or by an index to maintain.
    `touched` has more of them, by the strategy's id: writes that the lab could not run.

    The reason names the first of `lost` that the strategy touches. What was applied later and rests on what is taken
    back goes with it; `lives` are in the order of their application.
    """
    reasons: dict[str, str] = {}
    for number, life in enumerate(lives):
        if not life.applied:
            continue
        ids = {query.query_id for query in life.trial.queries} if life.trial is not None else set()
        ids |= (touched or {}).get(life.strategy.id, frozenset())
        worst = next((regression for regression in lost if regression.query_id in ids), None)
        if worst is not None:
            reasons[life.strategy.id] = worst.reason
            continue
        if unused is not None and life.strategy.id in unused:
            reasons[life.strategy.id] = unused[life.strategy.id]
            continue
        base = next((each for each in lives[:number] if each.strategy.id in reasons and _rests_on(life, each)), None)
        if base is not None:
            reasons[life.strategy.id] = f"it rests on {base.strategy.id}, which was taken back"
    return reasons


def _rests_on(later: Life, earlier: Life) -> bool:
    return any(one.rests_on(other) for one in later.applied for other in earlier.applied)
