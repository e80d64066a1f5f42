"""What the tools answer about proposals, runs and anchors that were taken, as their schemas have it. Values alone."""

from __future__ import annotations

from pydantic import Field

from trimtab.mcp.answers import Answer, BrokenRule
from trimtab.mcp.untrusted import UntrustedName, UntrustedText


class TrialTold(Answer):
    """A paired measurement in the lab."""

    before_ms: float
    after_ms: float
    pairs: int
    decision: str
    reason: UntrustedText


class PredictionTold(Answer):
    """What was expected, before it was measured."""

    low: float
    mid: float
    high: float
    before: float
    unit: str
    confidence: float


class StrategyTold(Answer):
    """A strategy of a run, and where it ended: proven is what may be approved."""

    strategy_id: str
    proposer: str
    title: UntrustedText
    outcome: str
    note: UntrustedText
    statements: list[UntrustedText]
    inverse_statements: list[UntrustedText]
    size_bytes: int
    violations: list[BrokenRule]
    prediction: PredictionTold | None
    trial: TrialTold | None


class Optimized(Answer):
    """A run of the lifecycle up to the trial. Nothing was applied; what is proven waits when it was proposed."""

    run_id: str
    database: str
    queries: int
    strategies: list[StrategyTold]
    strategies_left_out: int = Field(description="Strategies beyond those told here; evidence://RUN_ID has all.")
    before_ms: float | None = Field(description="The workload's time in the lab, weighted by executions.")
    after_ms: float | None
    waiting: int = Field(description="Strategies of it that wait for people's approval.")
    messages: list[UntrustedText]
    next_step: str


class IndexAdvised(Answer):
    """An index of the best set."""

    strategy_id: str
    statement: UntrustedText
    size_bytes: int
    value: float | None = Field(description="What it saves, in the unit of the costs.")
    write_cost: float | None
    outcome: str
    queries: list[UntrustedName]


class IndexGone(Answer):
    """An index that can go, or be rebuilt, or be merged."""

    strategy_id: str
    what: str = Field(description="drop, merge or rebuild")
    statements: list[UntrustedText]
    reason: UntrustedText
    size_bytes: int
    outcome: str


class FrontierPoint(Answer):
    """What so many bytes of new indexes bring the workload's cost to; no other set of that size does better."""

    size_bytes: int
    indexes: int
    cost: float


class IndexesAdvised(Answer):
    """The best set of indexes for the workload, with the proof of how good it is. Nothing was applied."""

    run_id: str
    database: str
    computed_at: str
    source: str
    frontier: list[FrontierPoint]
    indexes: list[IndexAdvised]
    tidying: list[IndexGone]
    cost_before: float
    cost_after: float
    unit: str
    lower_bound: float | None = Field(description="No set of these candidates costs less; null without a proof.")
    gap: float | None
    size_bytes: int
    health_score: float
    problems: list[UntrustedText]
    next_step: str


class AnchorTaken(Answer):
    """A signed record of the performance of now."""

    anchor_id: str
    database: str
    permanence: str
    digest: str
    queries: int
    dimensions: dict[str, float | None] = Field(description="The five dimensions' levels; null: not measured.")
    problems: list[UntrustedText]


class ChangeEntry(Answer):
    """A proposal: what it would do, who asked, and how it stands (waiting, approved, rejected, applied)."""

    strategy_id: str
    request_id: str
    state: str
    database: UntrustedName
    title: UntrustedText
    statements: list[UntrustedText]
    inverse_statements: list[UntrustedText]
    risk: str
    needed: int = Field(description="So many people must approve it.")
    approved_by: list[str]
    proposed_by: str
    spec_id: str
    trial: TrialTold | None


class LifeEvent(Answer):
    """One entry of the ledger about a strategy."""

    seq: int
    at: str
    kind: str
    run_id: str | None
    hash: str


class ChangeStatus(Answer):
    """Proposals, the newest first; of one that was named, its life in the ledger too."""

    changes: list[ChangeEntry]
    outcome: str | None = Field(description="Of the one that was named: where it ended last, such as kept or reverted.")
    standing: int | None = Field(description="Of the one that was named: how many of its changes stand applied.")
    life: list[LifeEvent]
    how_it_is_applied: str
    next_cursor: str | None


class Proposed(Answer):
    """What became of a proposal: examined, and left waiting when it was proven."""

    run_id: str | None = Field(description="Null where the rules refused it before anything was tried.")
    strategy: StrategyTold
    is_waiting: bool
    request_id: str | None
    needed: int | None = Field(description="So many people must approve it.")
    next_step: str
