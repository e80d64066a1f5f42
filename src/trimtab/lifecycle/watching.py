"""Takes the counters of pg_stat_statements around the changes, and waits for the application's statements to run.

It reads and hands over: `settle.traffic` judges. Only a workload that came from pg_stat_statements is watched; without
traffic it does not wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.lifecycle.workshop import Workshop
from trimtab.model.change import CreateIndex, DropIndex
from trimtab.model.report import Life
from trimtab.model.traffic import Counters, StatementKey
from trimtab.model.workload import Workload
from trimtab.observe.statements import ORIGIN
from trimtab.observe.traffic import read_counters, statements_of
from trimtab.observe.written import TableName, family_of, tables_of_writes
from trimtab.settle.traffic import Judged, Margin, Unjudged, Window, can_be_judged, is_quiet, judge_traffic

# Traffic that does not show within so long is no traffic.
QUIET_SECONDS = 3.0
_POLL_SECONDS = 0.25
UNREADABLE = "the application's statements were not judged: their counters could not be read"


@dataclass(frozen=True, slots=True)
class Seen:
    """What watching found. `touched` are the statements, by id of the query, that each strategy touches, by its id.

    `told` says it in one sentence; it is "" where there was nothing to watch.
    """

    judged: Judged = field(default_factory=Judged)
    touched: Mapping[str, frozenset[str]] = field(default_factory=dict)
    told: str = ""


def first_counters(workshop: Workshop, workload: Workload) -> Counters | None:
    """Return what the server has counted up to now; None where the run does not watch it, or it cannot be read."""
    return read_counters(workshop.source) if is_watched(workshop, workload) else None


def is_watched(workshop: Workshop, workload: Workload) -> bool:
    """Return whether the run is to watch the application's statements."""
    has_counters = workload.origin == ORIGIN
    return workshop.request.apply and has_counters and workshop.specification.settle.watch_seconds > 0


@dataclass(slots=True)
class Watching:
    """Watches one landing: `before_changes`, the changes, `after_changes`, then `watch`.

    `counted` is the reading of the run's beginning; without it nothing can be judged.
    """

    workshop: Workshop
    workload: Workload
    counted: Counters | None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _before: Counters | None = None
    _after: Counters | None = None
    _changed_at: float = 0.0
    _known: Mapping[StatementKey, str] = field(default_factory=dict)
    _written: Mapping[str, frozenset[TableName]] = field(default_factory=dict)

    def before_changes(self) -> None:
        """Take the counters, and see which tables are written to, while nothing has been changed yet."""
        if self.counted is not None:
            self.workshop.watcher.progress("looking at the application's statements", 0, 0)
            self._written = tables_of_writes(self.workshop.source, self.workload.queries)
            # The texts stand in the counters: after a reset nobody knows whose they were.
            self._known = statements_of(self.workshop.source, self.workload.queries)
            self._before = read_counters(self.workshop.source)

    def after_changes(self) -> None:
        """Take the counters as soon as the last change has been made."""
        if self._before is not None:
            self._changed_at = self.clock()
            self._after = read_counters(self.workshop.source)

    def watch(self, standing: Sequence[Life]) -> Seen:
        """Wait for the statements that the standing strategies touch, and return how they have fared."""
        if not is_watched(self.workshop, self.workload):
            return Seen()
        if self.counted is None or self._before is None or self._after is None:
            return Seen(told=UNREADABLE)
        touched = {life.strategy.id: self._touched_by(life) for life in standing}
        query_ids = frozenset().union(*touched.values())
        if not query_ids:
            return Seen()
        keys = {key: query_id for key, query_id in self._known.items() if query_id in query_ids}
        before = Window(self.counted, self._before)
        is_worth_it = can_be_judged(before, keys)
        end, seconds = self._end(self._after, keys) if is_worth_it else (self._after, 0.0)
        if end is None:
            return Seen(told=UNREADABLE)
        limits = self.workshop.specification.settle
        margin = Margin(limits.max_slowdown_percent, limits.slowdown_floor_ms, limits.error_rate)
        others = self._known.keys() - keys.keys()
        judged = judge_traffic(before, Window(self._after, end), keys, others, margin)
        unknown = len(query_ids - set(keys.values()))
        return Seen(judged, touched, _told(judged, unknown, seconds))

    def _touched_by(self, life: Life) -> frozenset[str]:
        """Return the queries that its trial measured, and the writes to the tables of its indexes."""
        statements = {query.id: query.statement_id for query in self.workload.queries}
        tried = life.trial.queries if life.trial is not None else ()
        measured = {statements.get(query.query_id, query.query_id) for query in tried}
        changes = [applied.change for applied in life.applied]
        tables = {(c.schema, c.table) for c in changes if isinstance(c, CreateIndex | DropIndex)}
        if not tables:
            return frozenset(measured)
        family = family_of(self.workshop.source, tables)
        return frozenset(measured) | {query_id for query_id, names in self._written.items() if names & family}

    def _end(self, after: Counters, keys: Mapping[StatementKey, str]) -> tuple[Counters | None, float]:
        """Return the counters at the end of watching, and how many seconds that was after the last change."""
        total = self.workshop.specification.settle.watch_seconds
        is_awaited = True
        while (elapsed := self.clock() - self._changed_at) < total:
            if is_awaited and elapsed >= QUIET_SECONDS:
                is_awaited = False
                counted = read_counters(self.workshop.source)
                if counted is None or is_quiet(Window(after, counted), keys):
                    return counted, elapsed
            self.workshop.watcher.progress("watching the application's statements", int(elapsed), max(1, int(total)))
            self.sleep(min(_POLL_SECONDS, total - elapsed))
        return read_counters(self.workshop.source), elapsed


def _told(judged: Judged, unknown: int, seconds: float) -> str:
    unjudged = {**judged.unjudged, **({Unjudged.UNKNOWN: unknown} if unknown else {})}
    watched = f"watched for {seconds:.0f} s" if seconds else "not watched"
    told = f"{watched}: {judged.judged} of the statements that the changes touch judged"
    if judged.slowed:
        told += f", {len(judged.slowed)} of them slower than before"
    if unjudged:
        reasons = ", ".join(f"{count} {reason.value}" for reason, count in sorted(unjudged.items()))
        told += f"; {sum(unjudged.values())} not judged ({reasons})"
    return told
