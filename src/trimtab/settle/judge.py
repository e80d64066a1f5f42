"""Decides from what was measured before and after which applied strategies hold. Pure; the lifecycle reverts.

A query that got slower than the margin allows is laid at the door of the strategies that its trial saw touch it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.model.anchor import QueryLevel
from trimtab.model.change import CreateIndex, CreateStatistics
from trimtab.model.report import Life
from trimtab.settle.traffic import Slowed

_GAINS_BY_PLANS = CreateIndex | CreateStatistics


@dataclass(frozen=True, slots=True)
class Regression:
    """A query that is slower on the source than before, by more than the margin and the floor."""

    query_id: str
    before_ms: float
    after_ms: float

    @property
    def reason(self) -> str:
        """Say it in one sentence."""
        return f"{self.query_id} took {self.after_ms:.1f} ms on the source after, {self.before_ms:.1f} ms before"


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
