"""What a watcher reads of a server in one round, and what it makes of it: readings, intervals, baselines, alarms.

Values only, as arrays with a row per statement, because there are thousands. No text of a statement is in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from trimtab.model.traffic import StatementKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

CALLS, TOTAL_MS, SQUARES, ROWS, BLOCKS, TEMPORARY_BLOCKS = range(6)
"""The columns of a reading's and an interval's counts. Squares are the sum of the squares of the executions' ms."""


class Gap(StrEnum):
    """Why two readings are not differenced: what happened in between, in words for people."""

    NOT_BEFORE = "there is no earlier reading"
    RESET = "the counters were reset"
    RESTARTED = "the server was restarted"
    FAILED_OVER = "another server took over"
    UPGRADED = "the server's version changed"
    CLOCK_STEPPED = "a clock was set"
    EVICTED = "the server forgot statements, and does not tell since when it counts each"
    TOO_LONG = "too much time passed"
    UNREADABLE = "the server could not be read"


@dataclass(frozen=True, slots=True)
class Instance:
    """The server at one moment. None is what it does not tell; `clock` is its own, in seconds since the epoch.

    `evictions` is how often pg_stat_statements had to forget statements, `active_sessions` who was at work beside us.
    """

    version: int
    started_at: float
    is_standby: bool
    clock: float
    wal_bytes: int | None = None
    active_sessions: int = 0
    system_identifier: str | None = None
    timeline: int | None = None
    reset: str = ""
    evictions: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters at one moment: a row of `counts` per key, and `since` when each began, 0.0 where nobody tells.

    `wall_ns` is our clock; `tick` our monotonic clock in seconds, which has no meaning after a restart of ours.
    `hidden` are statements of roles that do not show us theirs; `hidden_share` is their share of the time since the
    counters began.
    """

    instance: Instance
    wall_ns: int
    tick: float | None
    keys: tuple[StatementKey, ...]
    counts: Floats
    since: Floats
    hidden: int = 0
    hidden_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Interval:
    """What ran between two readings: a row of `counts` per statement that ran.

    `begun_anew` are statements whose counters cannot be differenced.
    """

    start_ns: int
    seconds: float
    active_sessions: float
    keys: tuple[StatementKey, ...]
    counts: Floats
    begun_anew: int = 0
    evictions: int = 0


@dataclass(frozen=True, slots=True)
class Reference:
    """What a statement is held to, from an anchor. `plan_shape` is "" where none is known."""

    mean_ms: float
    blocks_per_call: float
    share: float
    plan_shape: str = ""


References: TypeAlias = Mapping[int, Reference]
"""By the id that the server gives to a statement."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A change for the worse that was shown. `subject` is a statement's name or a dimension; `key` a statement's.

    `evidence` holds numbers and names only: what was seen, how sure it is, and what could not be judged.
    """

    id: str
    at_ns: int
    subject: str
    key: StatementKey | None
    evidence: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Watched:
    """One of the five dimensions now: `is_inside` is None where nothing can be said, and `note` says why."""

    name: str
    unit: str
    level: float | None
    low: float | None
    high: float | None
    test: str
    is_inside: bool | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Statements, or their share of the time, that no verdict covers, and why."""

    reason: str
    statements: int
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a round came to: the dimensions, new alarms, those that went away (ids), and what is not judged."""

    dimensions: Sequence[Watched] = ()
    alarms: Sequence[Alarm] = ()
    gone: Sequence[str] = ()
    unjudged: Sequence[Unjudged] = field(default=())
    judged: int = 0
    judged_share: float = 0.0
