"""What the tools answer about databases, rules and the ledger, as their schemas have it. Values without any decision.

Fields that hold words of a database or its users are of the types of `untrusted.py`; all others hold ids, digests,
numbers and words of Trimtab's own. Times are UTC, ISO 8601; what was not measured is null.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from trimtab.mcp.untrusted import UntrustedName, UntrustedText


class Answer(BaseModel):
    """An answer, or a part of one."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseEntry(Answer):
    """A database that may be named in other tools."""

    database: str = Field(description="The name by which tools know it.")
    where: str = Field(description="database@host:port, as trimtab.toml has it.")
    standbys: int
    changes_standing: int | None = Field(description="Of Trimtab's. Null where only a service file names the database.")
    proposals_waiting: int | None
    watch_state: str = Field(description="What `trimtab watch` says, or 'not watched'.")
    open_alarms: int
    collected_state: str = Field(description="What `trimtab collect` says, or 'not collected'.")


class Fleet(Answer):
    """The databases of trimtab.toml. No server was asked."""

    databases: list[DatabaseEntry]
    workloads: list[str] = Field(description="Names of workload files that tools take.")
    next_cursor: str | None


class Alarm(Answer):
    """An open alarm of `trimtab watch`: a statement or a dimension that is proven worse than its level."""

    alarm_id: str
    subject: UntrustedName
    since: str | None
    factor: float | None = Field(description="How many times as long it takes.")


class Health(Answer):
    """A database as it is at this moment. Counters are since counted_since."""

    database: str
    reachable: bool
    why_not: str = Field(description="The code of why it cannot be reached, or ''.")
    version: str | None = None
    is_standby: bool | None = None
    started_at: str | None = None
    sessions: int | None = None
    max_connections: int | None = None
    active_sessions: int | None = None
    idle_in_transaction: int | None = None
    waiting_for_locks: int | None = None
    longest_transaction_seconds: float | None = None
    cache_hit_share: float | None = None
    deadlocks: int | None = None
    temporary_bytes: int | None = None
    size_bytes: int | None = None
    transaction_age: int | None = None
    invalid_indexes: int | None = None
    counted_since: str | None = None
    watch_state: str = "not watched"
    open_alarms: list[Alarm] = Field(default_factory=list)
    changes_standing: int = 0
    proposals_waiting: int = 0
    changes_are_frozen: bool = False


class Collected(Answer):
    """What `trimtab collect` keeps of a database: numbers of the last quarter of an hour; null: not measured."""

    state: str = Field(description="up, down, stale (nobody looks now), new, or 'not collected'.")
    age_seconds: float | None = Field(description="How old the last values are.")
    why_no_age: str | None = Field(default=None, description="Why that is not known: they are dated later than now.")
    metrics: dict[str, float | None] = Field(description="By the names of docs/history.md.")


class MonitoredDatabase(Answer):
    """A database at this moment, and over the last quarter of an hour."""

    now: Health
    collected: Collected


class Monitored(Answer):
    """Databases at this moment, those that cannot be reached too."""

    read_at: str
    databases: list[MonitoredDatabase]
    spec_id: str
    applied_changes: int = Field(
        description="Changes that were applied, on all databases, and judged again: the newest 5,000 of the ledger."
    )
    compliant_share: float | None = Field(
        description="Share of them that comply, by a second evaluation of the ledger's entries; null without any."
    )
    judged_by_specification: int = Field(
        description="Of how many the specification that governed them is at hand: its rules were evaluated anew too."
    )
    next_cursor: str | None


class TopQuery(Answer):
    """A query, with constants taken out of its text."""

    query_id: str
    text: UntrustedText
    kind: str = Field(description="read or write")
    calls: float
    total_ms: float
    mean_ms: float
    share: float = Field(description="Of the time of all queries that are told, 0 to 1.")


class TopQueries(Answer):
    """The heaviest queries, by the counters of now, or of a window of the history."""

    database: str
    source: str
    counted_since: str | None
    measured_seconds: float | None = Field(description="Of a window of the history: how much of it was measured.")
    order_by: str
    queries: list[TopQuery]
    next_cursor: str | None


class PlanShown(Answer):
    """A plan's shape: what does what with which table and index. It holds no literal."""

    of: str = Field(description="'now', or the id of an anchor.")
    shape: str = Field(description="16 hexadecimal digits that are equal for equal shapes; '' where it is not known.")
    lines: list[UntrustedText]
    cost: float | None
    is_generic: bool = Field(description="Planned for any values of its parameters.")
    note: str = ""


class AnchoredLevel(Answer):
    """The level of a query in an anchor."""

    anchor_id: str
    p50_ms: float | None
    p90_ms: float | None
    runs: int
    calls: int | None
    mean_ms: float | None


class HistoryPoint(Answer):
    """A stretch of a query's history."""

    at: str
    seconds: float
    mean_ms: float | None
    calls_per_second: float | None


class QueryHistory(Answer):
    """A query over the last day, as `trimtab collect` and the server's log have it."""

    measured_seconds: float
    calls: float
    mean_ms: float | None
    p50_ms: float | None = Field(description="Of single executions of the log; null where none were read.")
    p95_ms: float | None
    p99_ms: float | None
    points: list[HistoryPoint]
    plan_shapes: list[str] = Field(description="Plans that auto_explain told of, by shape.")
    events: list[str] = Field(description="Kinds of what happened to the server meanwhile, the newest first.")


class QueryDetail(Answer):
    """A query of now: counters, plan (planned, not run), and the level that it is held to."""

    database: str
    counted_since: str | None
    query: TopQuery
    plan: PlanShown | None
    why_no_plan: str
    level: AnchoredLevel | None
    is_anchored_plan: bool | None = Field(description="Whether the plan is that of the anchor; null: not known.")
    last_day: QueryHistory | None = Field(description="Null where nothing is collected.")


class PlanComparison(Answer):
    """Two plans of one query, by shape."""

    database: str
    query_id: str
    earlier: PlanShown
    later: PlanShown
    is_same: bool | None
    only_earlier: list[UntrustedText]
    only_later: list[UntrustedText]
    earlier_level: AnchoredLevel | None
    later_level: AnchoredLevel | None


class AnchorEntry(Answer):
    """An anchor of the database, and how it stands."""

    anchor_id: str
    taken_at: str
    permanence: str
    state: str
    queries: int
    is_reference: bool


class JudgedQuery(Answer):
    """A query that is proven slower or faster than in the anchor before."""

    query_id: str
    judgement: str
    ratio: float | None = Field(description="Later over earlier.")
    at_least: float
    same_plan: bool | None


class AnchorsChecked(Answer):
    """Anchors of a database: whether the chain holds, which one counts, what the last two say."""

    database: str
    chain_is_verified: bool
    flaw: str
    anchors: list[AnchorEntry]
    reference: str | None
    compared: list[str] = Field(description="The ids of the two anchors that were compared, or none.")
    finding: str | None = Field(description="worse, better, same or unknown; null where nothing was compared.")
    judged: list[JudgedQuery]
    open_alarms: list[Alarm]
    next_cursor: str | None


class SecurityDifference(Answer):
    """One thing that is another one than in the baseline."""

    code: str
    effect: str = Field(description="weakened, strengthened, neutral or unknown, which counts as weakened.")
    path: UntrustedName
    before: UntrustedText
    after: UntrustedText


class SecurityDiff(Answer):
    """A server beside its signed baseline."""

    database: str
    preserved: bool
    baseline_taken_at: str
    differences: list[SecurityDifference]
    next_cursor: str | None


class LedgerVerified(Answer):
    """Whether the ledger is as it was written and signed; and from which entry on its times are ahead of the clock."""

    entries: int
    verified: bool
    first_bad: int | None
    reason: str
    head: str
    signed_entries: int
    witnesses: int
    first_ahead: int | None
    ahead_seconds: float


class Spec(Answer):
    """A specification as it is enforced, with all that it inherits."""

    spec_id: str
    revision: int
    description: str
    digest: str
    chain: list[str]
    document: str = Field(description="The effective document, as JSON.")


class BrokenRule(Answer):
    """A rule that a proposal breaks."""

    rule: str
    severity: str
    path: str
    expected: UntrustedText
    actual: UntrustedText
    message: UntrustedText


class Judged(Answer):
    """What the specification says of the changes, on the facts of now. Nothing was written, and nothing tried."""

    strategy_id: str
    compliant: bool
    score: float | None = Field(description="0 to 100; it ranks and never decides.")
    violations: list[BrokenRule]
    warnings: list[BrokenRule]
    spec_id: str
    spec_digest: str
    statements: list[UntrustedText] = Field(description="What would be run, if people apply it.")


class Setup(Answer):
    """What there is, and what a person has to run so that Trimtab can work with least privilege."""

    spec_id: str
    spec_digest: str
    databases: list[str]
    role_sql: str = Field(description="For a person, to read and run as a superuser. No tool runs it.")
    note: str


class ReadRows(Answer):
    """Rows of a read, as text; null is NULL."""

    database: str
    columns: list[UntrustedName]
    rows: list[list[UntrustedText | None]]
    is_cut: bool = Field(description="There are more rows, or larger ones, than these.")
