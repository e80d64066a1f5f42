"""What a report holds, as frozen values: every number with its window and its source, or why it was not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.anchor.force import Standing
from trimtab.history.values import QueryPage, ServerHealth, Window
from trimtab.ledger.history import RunSummary
from trimtab.lifecycle.change_detail import ChangeDetail
from trimtab.lifecycle.evolving import Evolved
from trimtab.lifecycle.second_look import LookedAt
from trimtab.model.stability import Stability


@dataclass(frozen=True, slots=True)
class Measured:
    """One number. `unit` "share" is of one, "gain" a signed share, "sigma" standard deviations, else a unit or "".

    `value` None is not measured, and `why` says why. `low` and `high` are an interval at `confidence`, where one was
    measured. `counted` says of what and how many it is.
    """

    name: str
    unit: str
    value: float | None
    window: Window
    source: str
    why: str = ""
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    counted: str = ""


@dataclass(frozen=True, slots=True)
class SecuritySeen:
    """What the ledger tells of security in the window: baselines that were taken, and looks around changes.

    `undeclared` counts differences that no change declares; `taken_ns` are the moments of the baselines.
    """

    taken_ns: tuple[int, ...]
    looks: int
    differences: int
    undeclared: int
    warnings: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class WatchSeen:
    """What a watcher of this machine knows of its database; `coherence` is the level of quantum_coherence, or None."""

    database: str
    since_ns: int
    round_ns: int
    open_alarms: int
    stable: Stability | None
    coherence: float | None
    coherence_low: float | None
    coherence_high: float | None


@dataclass(frozen=True, slots=True)
class Advised:
    """Something to do next. `saved_ms` is what it is worth, None where that was not measured; `kind` says what it is.

    Milliseconds are those of the workload in the lab, weighted by executions; `low` and `high` bound them.
    """

    kind: str
    subject: str
    reason: str
    how: str
    saved_ms: float | None
    low_ms: float | None = None
    high_ms: float | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class OnServer:
    """How the queries of a change did on a server before and after it, by the history: means in ms, and executions."""

    strategy_id: str
    run_id: str | None
    server: str
    before_ms: float
    after_ms: float
    before_calls: float
    after_calls: float
    before: Window
    after: Window


@dataclass(frozen=True, slots=True)
class OptimizationReport:
    """All of it. `database` is the one that it is about, "" for all of this machine.

    `ledger_name` and `history_name` are "" where there is none. `changes` are strategies with an entry in the window,
    the newest first. `notes` say what is left out, and what is to be doubted, and why.
    """

    at_ns: int
    window: Window
    database: str
    ledger_name: str
    ledger_entries: int
    ledger_head: str
    history_name: str
    analytics: Mapping[str, Sequence[Measured]]
    runs: Sequence[RunSummary]
    changes: Sequence[ChangeDetail]
    looks: Sequence[LookedAt]
    costs: Sequence[Measured]
    on_servers: Sequence[OnServer]
    security: SecuritySeen
    anchors: Sequence[Standing]
    watched: Sequence[WatchSeen]
    lives: Sequence[Evolved]
    advised: Sequence[Advised]
    servers: Sequence[ServerHealth]
    queries: Sequence[QueryPage]
    notes: Sequence[str]
