"""Decides from levels measured before and after which applied strategies hold. Pure; the lifecycle does the reverting.

A query that got slower than the margin allows is laid at the door of the strategies that its trial saw touch it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.model.anchor import QueryLevel
from trimtab.model.report import Life


@dataclass(frozen=True, slots=True)
class Regression:
    """A query that is slower on the source than before, by more than the margin and the floor."""

    query_id: str
    before_ms: float
    after_ms: float


def regressions(
    before: Mapping[str, QueryLevel],
    after: Mapping[str, QueryLevel],
    *,
    max_slowdown_percent: float,
    floor_ms: float,
) -> list[Regression]:
    """Return the queries that lost, the heaviest loss first. Only queries that were run both times can be judged."""
    lost = []
    for query_id, level in after.items():
        earlier = before.get(query_id)
        if earlier is None or earlier.runs == 0 or level.runs == 0:
            continue
        loss = level.p50_ms - earlier.p50_ms
        if loss > floor_ms and loss > earlier.p50_ms * max_slowdown_percent / 100:
            lost.append(Regression(query_id, earlier.p50_ms, level.p50_ms))
    return sorted(lost, key=lambda r: (r.before_ms - r.after_ms, r.query_id))


def to_revert(lives: Sequence[Life], lost: Sequence[Regression]) -> dict[str, str]:
    """Return, by strategy id, why it must be taken back: every applied strategy that touches a regressed query.

    A trial measures just the queries that its strategy touches: by another plan, by memory, or by an index to maintain.

    The reason names the query that lost most. `lost` is as `regressions` returns it. What was applied later and rests
    on what is taken back goes with it; `lives` are in the order of their application.
    """
    reasons: dict[str, str] = {}
    for number, life in enumerate(lives):
        if not life.applied:
            continue
        touched = {query.query_id for query in life.trial.queries} if life.trial is not None else set()
        worst = next((regression for regression in lost if regression.query_id in touched), None)
        if worst is not None:
            reasons[life.strategy.id] = (
                f"{worst.query_id} took {worst.after_ms:.1f} ms on the source after, {worst.before_ms:.1f} ms before"
            )
            continue
        base = next((each for each in lives[:number] if each.strategy.id in reasons and _rests_on(life, each)), None)
        if base is not None:
            reasons[life.strategy.id] = f"it rests on {base.strategy.id}, which was taken back"
    return reasons


def _rests_on(later: Life, earlier: Life) -> bool:
    return any(one.rests_on(other) for one in later.applied for other in earlier.applied)
