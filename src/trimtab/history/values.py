"""What the history answers, as frozen values: numbers carry their window and their source, and None is not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

QUERY_SORTS = ("total_ms", "calls", "mean_ms", "rows", "blocks", "temporary_blocks", "deviation_ms", "first_ns")
"""The fields by which a page of queries can be ordered, the most first."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time in UTC nanoseconds, from `begin_ns` to before `end_ns`.

    `measured_seconds` is how much of it was measured: less than its length where nobody looked, or the server was
    gone. `step` is how finely it is told at its beginning: raw, minute, hour or day.
    """

    begin_ns: int
    end_ns: int
    measured_seconds: float = 0.0
    step: str = "raw"

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end_ns - self.begin_ns) / 1e9


@dataclass(frozen=True, slots=True)
class Metric:
    """One number. `value` None is not measured, and `why` says why, as far as that is known."""

    name: str
    unit: str
    value: float | None
    source: str
    window: Window
    why: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """A number of one stretch: it begins at `at_ns` and lasts `seconds`."""

    at_ns: int
    seconds: float
    value: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """A metric over time. Stretches in which nobody looked have no point."""

    name: str
    unit: str
    source: str
    window: Window
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """A server in the list of a fleet. `state` is up, down, stale (nobody looks now) or new (nobody has yet).

    `age_seconds` is how old its last values are, None when there are none, or they are dated later than now, which
    `missing` then says under "age"; `code` says why it is down, `missing` what is not measured there and why.
    `metrics` are of the window, by name.
    """

    name: str
    where: str
    state: str
    state_since_ns: int
    age_seconds: float | None
    code: str
    system_identifier: str | None
    database: str
    version: int
    is_standby: bool
    max_connections: int | None
    missing: Mapping[str, str]
    metrics: Mapping[str, Metric]
    window: Window


@dataclass(frozen=True, slots=True)
class Ran:
    """How often a query ran in one stretch of time, and for how many ms in all."""

    begin_ns: int
    end_ns: int
    calls: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class QueryTotals:
    """What one query did in a window. Sums are over all roles; `mean_ms` is None where it did not run.

    `text` has no literals, and is "" where it is not known. `share` is of the time of the workload.
    """

    query_id: str
    text: str
    is_workload: bool
    calls: float
    total_ms: float
    mean_ms: float | None
    deviation_ms: float | None
    rows: float
    blocks: float
    temporary_blocks: float
    share: float
    first_ns: int
    seen_ns: int


@dataclass(frozen=True, slots=True)
class QueryPage:
    """A page of queries; `total` is how many there are in all, `rest` what is not kept one by one.

    `other_ms` is the time of statements that are not the workload's: of Trimtab and of monitoring, on the page or not.
    """

    server: str
    window: Window
    source: str
    sort: str
    total: int
    offset: int
    queries: Sequence[QueryTotals]
    rest: QueryTotals | None
    other_ms: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Of single executions of a log: quantiles in milliseconds, None where none ran. `executions` with errors."""

    executions: int
    errors: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    source: str
    window: Window


@dataclass(frozen=True, slots=True)
class PlanSeen:
    """A plan of a query as auto_explain told it: its shape, when it was seen first and last, and how it did."""

    shape: str
    first_ns: int
    last_ns: int
    executions: int
    mean_ms: float | None


@dataclass(frozen=True, slots=True)
class QueryLife:
    """One query over time: series by name, single executions, plans, and what happened meanwhile."""

    server: str
    totals: QueryTotals
    series: Mapping[str, Series]
    latency: Latency
    plans: Sequence[PlanSeen]
    events: Sequence[HistoryEvent]


@dataclass(frozen=True, slots=True)
class Wait:
    """What sessions at work waited for: how many on average, and their share of all at work. CPU is no wait."""

    kind: str
    event: str
    sessions: float
    share: float


@dataclass(frozen=True, slots=True)
class WaitProfile:
    """Waits of a window, the most first. `why` says why they are not measured, where they are not."""

    server: str
    window: Window
    source: str
    waits: Sequence[Wait]
    why: str = ""


@dataclass(frozen=True, slots=True)
class IoRow:
    """Who read and wrote how much in a window; `read_ms` and `write_ms` are zero without track_io_timing."""

    backend_type: str
    object: str
    context: str
    reads: float
    read_bytes: float
    read_ms: float
    writes: float
    write_bytes: float
    write_ms: float
    hits: float
    evictions: float
    fsyncs: float


@dataclass(frozen=True, slots=True)
class IoProfile:
    """I/O of a window, the most bytes first; `rows` is None where it is not measured, and `why` says why."""

    server: str
    window: Window
    source: str
    rows: Sequence[IoRow] | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica of a server, by its application name: how far behind it is, on average and at most."""

    name: str
    lag_seconds: float | None
    lag_seconds_peak: float | None
    lag_bytes: float | None
    lag_bytes_peak: float | None


@dataclass(frozen=True, slots=True)
class Replication:
    """Replicas of a server; of a standby `replay_lag_seconds` is its own lag."""

    server: str
    window: Window
    source: str
    replicas: Sequence[Replica]
    replay_lag_seconds: float | None


@dataclass(frozen=True, slots=True)
class DatabaseRow:
    """What was counted of one database of a server in a window."""

    name: str
    commits: float | None
    rollbacks: float | None
    cache_hit_ratio: float | None
    temporary_bytes: float | None
    deadlocks: float | None
    conflicts: float | None


@dataclass(frozen=True, slots=True)
class TableUse:
    """How a table was used in a window, and how large it is: None where that is not known."""

    schema: str
    table: str
    scans: float | None
    rows_read: float | None
    index_scans: float | None
    inserted: float | None
    updated: float | None
    deleted: float | None
    live_rows: float | None
    dead_rows: float | None
    size_bytes: float | None


@dataclass(frozen=True, slots=True)
class IndexUse:
    """How an index was used in a window, and how large it is: None where that is not known."""

    schema: str
    table: str
    index: str
    scans: float | None
    rows_read: float | None
    size_bytes: float | None


@dataclass(frozen=True, slots=True)
class TablePage:
    """A page of tables, by what was asked for."""

    server: str
    window: Window
    source: str
    total: int
    offset: int
    tables: Sequence[TableUse]


@dataclass(frozen=True, slots=True)
class IndexPage:
    """A page of indexes, by what was asked for."""

    server: str
    window: Window
    source: str
    total: int
    offset: int
    indexes: Sequence[IndexUse]


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """Something that happened to a server. `detail` may hold names of the server's: they are not to be trusted."""

    id: int
    server: str
    at_ns: int
    kind: str
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server now and in a window: its health, its databases, its waits, its settings that are not defaults."""

    health: ServerHealth
    databases: Sequence[DatabaseRow]
    waits: WaitProfile
    replication: Replication
    settings: Mapping[str, str]
