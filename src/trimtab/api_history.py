"""The history of a fleet for faces: opens it, and hands on what it answers. Reads the store, and no server.

`open_history` gives a History; its methods and their frozen values are in `history/reading.py` and `history/values.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.history.metrics import METRICS, MetricKind
from trimtab.history.tiers import DAY, HOUR, MINUTE, RAW, Retention
from trimtab.history.values import (
    QUERY_SORTS,
    DatabaseRow,
    HistoryEvent,
    IndexPage,
    IndexUse,
    IoProfile,
    IoRow,
    Latency,
    Metric,
    PlanSeen,
    Point,
    QueryLife,
    QueryPage,
    QueryTotals,
    Replica,
    Replication,
    Series,
    ServerHealth,
    ServerStatus,
    TablePage,
    TableUse,
    Wait,
    WaitProfile,
    Window,
)

if TYPE_CHECKING:
    from trimtab.config import HistoryKept
    from trimtab.history.reading import History
    from trimtab.lifecycle.ledger_view import LedgerView
    from trimtab.lifecycle.query_marks import Mark

__all__ = [
    "METRICS",
    "QUERY_SORTS",
    "DatabaseRow",
    "HistoryEvent",
    "IndexPage",
    "IndexUse",
    "IoProfile",
    "IoRow",
    "Latency",
    "Metric",
    "MetricKind",
    "PlanSeen",
    "Point",
    "QueryLife",
    "QueryPage",
    "QueryTotals",
    "Replica",
    "Replication",
    "Series",
    "ServerHealth",
    "ServerStatus",
    "TablePage",
    "TableUse",
    "Wait",
    "WaitProfile",
    "Window",
    "history_place",
    "open_history",
    "query_marks",
    "retention_of",
]
HISTORY_NAME = "history.db"


def history_place(ledger_path: Path, store: str | None = None) -> Path | str:
    """Return where the history is kept: in a file beside the ledger, or in the database that `store` names."""
    return store if store is not None else ledger_path.with_name(HISTORY_NAME)


def query_marks(
    query_id: str,
    window: Window,
    *,
    ledger_path: Path | None = None,
    system_identifier: str | None = None,
    database: str = "",
    view: LedgerView | None = None,
) -> Sequence[Mark]:
    """Return what to mark in one query's life: changes that touch it, made and taken back, anchors, alarms, plans.

    A change touches a query when its trial measured it, when a lock of its holds the query's plan, or when it was
    proposed for it: each mark has that as its evidence. The oldest first; of one server and database where they are
    given, by the server's own identifier and name. `view` is the ledger where it was read already. Raises LedgerError.
    """
    from trimtab.lifecycle.query_marks import Where, marks
    from trimtab.paths import ledger_path as own_ledger

    path = view.path if view is not None else ledger_path or own_ledger()
    where = Where(system_identifier, database)
    return marks(path, query_id, window, where=where, entries=None if view is None else view.entries)


def retention_of(kept: HistoryKept) -> Retention:
    """Return for how long trimtab.toml wants the history kept."""
    default = Retention()
    wanted = {RAW: kept.raw, MINUTE: kept.minutes, HOUR: kept.hours, DAY: kept.days}
    seconds = {tier: default.seconds[tier] if length is None else length for tier, length in wanted.items()}
    executions = default.executions_seconds if kept.executions is None else kept.executions
    return Retention(seconds, executions)


def open_history(
    ledger_path: Path | None = None,
    *,
    store: str | None = None,
    retention: Retention | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> History:
    """Open the history of this machine (beside its ledger), or the one that a database keeps for a fleet.

    `store` is that database's conninfo (`history.store` of trimtab.toml). A history that was never written is empty.
    Raises LedgerError `history.*`.
    """
    from trimtab.history.reading import History
    from trimtab.history.reading import open_history as opened
    from trimtab.paths import ledger_path as own_ledger

    return History(opened(history_place(ledger_path or own_ledger(), store), retention), clock)
