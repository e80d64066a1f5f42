"""An anchor: a performance state at one moment, per query and as a whole, with all that it depends on.

It holds no text of a query, no literal and no value of a row: digests, shapes, names, numbers and settings. What is
signed is its document (`anchor/document.py`); the ledger holds the digest of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from trimtab.model.latency import Latency
from trimtab.model.plan_shape import PlanShape

Coordinate: TypeAlias = tuple[int, str, int, str]
"""UTC nanoseconds, WAL position, timeline, statistics epoch. The first orders anchors: it grows along a chain."""


class Permanence(StrEnum):
    """How long an anchor is in force: as long as its changes stand, until a later one is accepted, or for good."""

    OPTIMIZATION_LIFETIME = "optimization_lifetime"
    PERFORMANCE_LIFETIME = "performance_lifetime"
    COSMIC = "cosmic"


@dataclass(frozen=True, slots=True)
class Counted:
    """What pg_stat_statements counted of a query in the anchor's window, over roles.

    `server_ids` are the server's own ids of it, as texts; times are in ms; `deviation_ms` is of one execution; the
    others are per call. `share` is that of the time that all queries took. `blocks_deviation` is by how much one call's
    blocks scatter, as `blocks_parts` parts of a window have shown: the server does not count it. None where there were
    too few. `since` is when the server began to count it, for each of the counters; empty where it does not tell.
    """

    server_ids: tuple[str, ...]
    calls: int
    mean_ms: float
    deviation_ms: float
    share: float
    rows: float
    blocks: float
    temporary_blocks: float
    blocks_deviation: float | None = None
    blocks_parts: int = 0
    since: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnchoredPlan:
    """A plan as an anchor keeps it: its shape as lines for people, and what it reads by (schema, name), and by
    index; `methods` are as in `PlanShape`.

    Partitions are folded into their parents. It holds no literal.
    """

    lines: tuple[str, ...]
    relations: tuple[tuple[str, str], ...]
    indexes: tuple[str, ...]
    methods: tuple[str, ...] = ()

    @classmethod
    def of(cls, shape: PlanShape) -> AnchoredPlan:
        """Return what is kept of a shape, beside its hash."""
        return cls(
            shape.lines,
            tuple(sorted(shape.relations)),
            tuple(sorted(shape.indexes)),
            tuple(sorted(shape.methods)),
        )

    def shape(self, hash: str) -> PlanShape:
        """Return the shape of that hash."""
        return PlanShape(
            hash,
            self.lines,
            frozenset(self.relations),
            frozenset(self.indexes),
            frozenset(self.methods),
        )


@dataclass(frozen=True, slots=True)
class QueryLevel:
    """The level of one query: milliseconds by quantile, the number of runs, and the plan's shape.

    `generic_shape` is that of the plan for any parameters, "" where the query has none; `cost` the planner's, of the
    plan in `plan_shape`; `plan` and `generic_plan` are what the shapes stand for. `latency` is None where it was not
    run, `counted` where the server does not tell.
    """

    query_id: str
    weight: float
    runs: int
    p50_ms: float
    p90_ms: float
    max_ms: float
    plan_shape: str
    generic_shape: str = ""
    cost: float = 0.0
    latency: Latency | None = None
    counted: Counted | None = None
    plan: AnchoredPlan | None = None
    generic_plan: AnchoredPlan | None = None


@dataclass(frozen=True, slots=True)
class TableState:
    """A table: digests of its definition (columns, indexes, keys) and of its planner statistics, and how large it is.

    `statistics` is "" where the role may not read them.
    """

    definition: str
    statistics: str
    rows: float
    pages: int


@dataclass(frozen=True, slots=True)
class HostProbe:
    """What the server's own host took for fixed work, in ms: the least of several. 0 where it was not asked."""

    processor_ms: float = 0.0
    memory_ms: float = 0.0
    round_trip_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Dimension:
    """One of the five: its level, and the band in which another level counts as the same. None: not measured.

    `test` says how a level is compared with it; `note` why it was not measured, or what it rests on.
    """

    name: str
    unit: str
    level: float | None
    low: float | None
    high: float | None
    test: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """What plans and latencies depend on, beside the settings that hold for all.

    `scoped_settings` are by scope ("role:NAME") and name, `tables` by name. `image_sha256` is the digest of the file
    that keeps the planner's statistics on the machine that took the anchor, "" where they were not kept.
    """

    scoped_settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    tables: Mapping[str, TableState] = field(default_factory=dict[str, TableState])
    extensions: Mapping[str, str] = field(default_factory=dict[str, str])
    engine: str = ""
    host: HostProbe = HostProbe()
    image_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A performance state. `coordinate` orders anchors.

    `since` and `until` are the window in which was counted, ISO 8601 in UTC; `since` is None where nobody knows.
    `server` tells one database from another: system identifier, name, oid; those of a standby are its primary's.
    `specification` is its id and digest.
    `arrival` are calls/s of all statements by hour of the week (Monday 0 h UTC first), None for hours that were not
    watched; empty where nobody watched.
    `evictions` is how often pg_stat_statements had to forget statements since its last reset, None where nobody knows.
    """

    id: str
    coordinate: Coordinate
    database: str
    server_version: int
    queries: tuple[QueryLevel, ...]
    settings: Mapping[str, str]
    change_ids: tuple[str, ...]
    permanence: Permanence = Permanence.OPTIMIZATION_LIFETIME
    server: tuple[str, str, int] = ("", "", 0)
    is_standby: bool = False
    tool: str = ""
    specification: tuple[str, str] = ("", "")
    origin: str = ""
    since: str | None = None
    until: str = ""
    left_out: int = 0
    dimensions: tuple[Dimension, ...] = ()
    state: State = State()
    arrival: tuple[float | None, ...] = ()
    evictions: int | None = None
    problems: tuple[str, ...] = ()

    def query(self, query_id: str) -> QueryLevel | None:
        """Return the level of that query, None where it is not anchored."""
        return next((level for level in self.queries if level.query_id == query_id), None)
