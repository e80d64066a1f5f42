"""Answers questions about servers over time from a store of the history: the fleet, a server, its queries, one query.

It reads the store alone and no server. Each stretch is told as finely as it is kept; what was not measured is None.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType

from trimtab.errors import UsageError
from trimtab.history.facts import ServerFacts
from trimtab.history.measure import health_of, joined_window, metrics_of, series_of
from trimtab.history.metrics import METRICS
from trimtab.history.profiles import databases_of, index_page, io_profile, replication_of, table_page, wait_profile
from trimtab.history.queries import latency_of, life_series, page_of, plans_of, ran_by_id
from trimtab.history.sample import Sample
from trimtab.history.slots import Slot
from trimtab.history.store import PART, PULSE, RELATIONS, Event, HistoryStore, no_such_server
from trimtab.history.tiers import DAY, FINE, HOUR, LENGTH_NS, RAW, SECOND_NS, TIER_NAMES, WIDE, Retention, tier_for
from trimtab.history.values import (
    QUERY_SORTS,
    HistoryEvent,
    IndexPage,
    IoProfile,
    Metric,
    QueryLife,
    QueryPage,
    Ran,
    Replication,
    Series,
    ServerHealth,
    ServerStatus,
    TablePage,
    WaitProfile,
    Window,
)

RECENT_SECONDS = 60.0
STATUS_SECONDS = 900.0
MOST_ROWS = 1000


class History:
    """An open history. Safe to use from several threads; a collector may write meanwhile.

    All methods raise UsageError `history.no_server` for a name that is not in it, `history.page` for a page or an order
    that is none, and LedgerError `history.*` when the store cannot be read.
    """

    def __init__(self, store: HistoryStore, clock: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self._clock = clock

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def __enter__(self) -> History:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """What messages call the store; without a password."""
        return self._store.name

    def last(self, seconds: float) -> Window:
        """Return the window of the last so many seconds."""
        now_ns = self._clock()
        return Window(now_ns - int(seconds * SECOND_NS), now_ns)

    def facts(self, name: str) -> ServerFacts:
        """Return what is known of a server beside its numbers."""
        return self._server(name)[1]

    def fleet(self, window: Window | None = None) -> Sequence[ServerHealth]:
        """Return all servers by name, with their metrics of a window (the last minute)."""
        window = window or self.last(RECENT_SECONDS)
        return [self._health(server, facts, window) for server, facts in self._store.servers()]

    def server(self, name: str, window: Window | None = None) -> ServerStatus:
        """Return one server in a window (the last quarter of an hour)."""
        server, facts = self._server(name)
        window = window or self.last(STATUS_SECONDS)
        samples, measured = self._samples(server, PULSE, window)
        whole = joined_window(samples, measured)
        return ServerStatus(
            health_of(facts, whole, measured, self._clock()),
            databases_of(whole),
            wait_profile(name, whole, measured, facts.missing.get("sessions", "")),
            replication_of(name, whole, measured),
            dict(facts.settings),
        )

    def metrics(self, name: str, window: Window | None = None) -> Mapping[str, Metric]:
        """Return all metrics of a server in a window (the last quarter of an hour), by name."""
        server, facts = self._server(name)
        samples, measured = self._samples(server, PULSE, window or self.last(STATUS_SECONDS))
        return metrics_of(facts, joined_window(samples, measured), measured)

    def series(self, name: str, metrics: Sequence[str], window: Window) -> Mapping[str, Series]:
        """Return metrics over time, by name. Raises UsageError `history.no_metric` for one that there is not."""
        unknown = [metric for metric in metrics if metric not in METRICS]
        if unknown:
            raise UsageError(
                f"there is no metric {unknown[0]!r}",
                code="history.no_metric",
                next_step=f"Known are: {', '.join(METRICS)}.",
            )
        server, _ = self._server(name)
        samples, measured = self._samples(server, PULSE, window)
        return {metric: series_of(METRICS[metric], samples, measured) for metric in metrics}

    def calls(self, window: Window) -> float | None:
        """Return how many executions of the workload were counted on all servers; None where nobody looked."""
        found = [
            sample.sums[name]
            for server, _ in self._store.servers()
            for sample in self._samples(server, PULSE, window)[0]
            if (name := ("statement", "calls")) in sample.sums
        ]
        return sum(found) if found else None

    def top_queries(
        self,
        name: str,
        window: Window,
        *,
        sort: str = "total_ms",
        limit: int = 50,
        offset: int = 0,
        search: str = "",
        is_workload: bool | None = True,
    ) -> QueryPage:
        """Return a page of the queries that ran, the most by `sort` first.

        `search` wants words in the text or the id; `is_workload` None takes those of Trimtab and of monitoring too.
        """
        _require_page(limit, offset)
        if sort not in QUERY_SORTS:
            raise _bad_page(f"there is no order {sort!r}", f"Known are: {', '.join(QUERY_SORTS)}.")
        server, _ = self._server(name)
        slots, measured = self._slots(server, window)
        return page_of(
            name, measured, slots, partial(self._store.labels, server), partial(self._store.statements, server),
            sort=sort, limit=limit, offset=offset, search=search, is_workload=is_workload,
        )  # fmt: skip

    def query(self, name: str, query_id: str, window: Window) -> QueryLife:
        """Return one query over time. Raises UsageError `history.no_query` for one that was never seen there."""
        server, _ = self._server(name)
        statements = self._store.statements_named(server, query_id)
        chunks = self._store.executions(server, window.begin_ns, window.end_ns)
        latency = latency_of(chunks, query_id, window)
        if not statements and not latency.executions:
            raise UsageError(
                f"{query_id} was never seen on {name}",
                code="history.no_query",
                next_step="`top_queries` lists the queries that ran, with their ids.",
            )
        numbers = [each.number for each in statements]
        slots: list[Slot] = []
        measured = window
        for part in sorted({number // PART for number in numbers}):
            found, measured = self._slots(server, window, part)
            slots += found
        busy = self._samples(server, PULSE, window)[0]
        totals, series = life_series(query_id, statements, slots, measured, busy)
        return QueryLife(
            name, totals, series, latency, plans_of(chunks, query_id, window),
            self.events(server=name, window=window, limit=MOST_ROWS),
        )  # fmt: skip

    def ran(self, name: str, query_ids: Collection[str], window: Window) -> Mapping[str, Sequence[Ran]]:
        """Return when queries ran in a window, by their ids: stretch by stretch, as finely as one query is told.

        A query that was not seen there is left out. Many queries cost little more than one.
        """
        server, _ = self._server(name)
        names = {
            each.number: query_id
            for query_id in sorted(set(query_ids))
            for each in self._store.statements_named(server, query_id)
        }
        parts = sorted({number // PART for number in names})
        return ran_by_id((slot for part in parts for slot in self._slots(server, window, part)[0]), names)

    def waits(self, name: str, window: Window | None = None) -> WaitProfile:
        """Return what sessions at work waited for (in the last quarter of an hour)."""
        server, facts = self._server(name)
        samples, measured = self._samples(server, PULSE, window or self.last(STATUS_SECONDS))
        return wait_profile(name, joined_window(samples, measured), measured, facts.missing.get("sessions", ""))

    def io(self, name: str, window: Window | None = None) -> IoProfile:
        """Return who read and wrote how much (in the last quarter of an hour), from PostgreSQL 16 on."""
        server, facts = self._server(name)
        samples, measured = self._samples(server, PULSE, window or self.last(STATUS_SECONDS))
        return io_profile(name, joined_window(samples, measured), measured, facts.missing.get("io", ""))

    def replication(self, name: str, window: Window | None = None) -> Replication:
        """Return how far replicas were behind (in the last quarter of an hour)."""
        server, _ = self._server(name)
        samples, measured = self._samples(server, PULSE, window or self.last(STATUS_SECONDS))
        return replication_of(name, joined_window(samples, measured), measured)

    def tables(
        self, name: str, window: Window, *, sort: str = "rows_read", limit: int = 50, offset: int = 0
    ) -> TablePage:
        """Return a page of the tables, the most by `sort` (a field of TableUse) first."""
        _require_page(limit, offset)
        samples, measured = self._samples(self._server(name)[0], RELATIONS, window)
        return table_page(name, samples, measured, sort=sort, limit=limit, offset=offset)

    def indexes(self, name: str, window: Window, *, sort: str = "scans", limit: int = 50, offset: int = 0) -> IndexPage:
        """Return a page of the indexes, the most by `sort` (a field of IndexUse) first."""
        _require_page(limit, offset)
        samples, measured = self._samples(self._server(name)[0], RELATIONS, window)
        return index_page(name, samples, measured, sort=sort, limit=limit, offset=offset)

    def events(
        self,
        *,
        server: str | None = None,
        window: Window | None = None,
        kinds: Sequence[str] | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> Sequence[HistoryEvent]:
        """Return what happened, the newest first: of all servers or one, of all kinds or some."""
        _require_page(limit, offset)
        numbers = None if server is None else [self._server(server)[0]]
        names = {number: facts.name for number, facts in self._store.servers()}
        span = window or Window(0, 1 << 62)
        found = self._store.events(
            servers=numbers, kinds=kinds, begin_ns=span.begin_ns, end_ns=span.end_ns, limit=limit, offset=offset
        )
        return [_event(each, names) for each in found]

    def _server(self, name: str) -> tuple[int, ServerFacts]:
        known = self._store.servers()
        for number, facts in known:
            if facts.name == name:
                return number, facts
        raise no_such_server(name, [facts.name for _, facts in known])

    def _health(self, server: int, facts: ServerFacts, window: Window) -> ServerHealth:
        samples, measured = self._samples(server, PULSE, window)
        return health_of(facts, joined_window(samples, measured), measured, self._clock())

    def _samples(self, server: int, kind: int, window: Window) -> tuple[list[Sample], Window]:
        """Return samples of a window, as finely as it is kept, and the window as it was measured."""
        found: list[Sample] = []
        begin_ns, first = window.begin_ns, self._tier(window, FINE)
        lowest = first
        for tier in self._tiers(first, kind):
            part = self._store.samples(server, kind, tier, begin_ns, window.end_ns)
            found += part
            lowest = tier
            begin_ns = _end_of(tier, (sample.start_ns for sample in part), begin_ns)
        measured = sum(sample.seconds for sample in found)
        return found, Window(window.begin_ns, window.end_ns, measured, TIER_NAMES[first if found else lowest])

    def _slots(self, server: int, window: Window, part: int | None = None) -> tuple[list[Slot], Window]:
        found: list[Slot] = []
        begin_ns, first = window.begin_ns, self._tier(window, WIDE if part is None else FINE)
        for tier in range(first, RAW - 1, -1):
            slots = self._store.slots(server, tier, begin_ns, window.end_ns, part)
            found += slots
            begin_ns = _end_of(tier, (slot.start_ns for slot in slots), begin_ns)
        seconds = {slot.start_ns: slot.seconds for slot in found}
        return found, Window(window.begin_ns, window.end_ns, sum(seconds.values()), TIER_NAMES[first])

    def _tier(self, window: Window, points: Mapping[int, int]) -> int:
        return tier_for(window.begin_ns, window.end_ns, self._clock(), self._store.retention, points)

    @staticmethod
    def _tiers(first: int, kind: int) -> Sequence[int]:
        """What is not rolled up yet is told by the tiers below; the use of tables has no minutes."""
        tiers = range(first, RAW - 1, -1)
        return tiers if kind == PULSE else [tier for tier in tiers if tier in (RAW, HOUR, DAY)]


def open_history(place: Path | str, retention: Retention | None = None) -> HistoryStore:
    """Open the store at a place: a file, or the conninfo of a database. Raises LedgerError `history.*`."""
    from trimtab.history.postgres import open_postgres
    from trimtab.history.sqlite import open_sqlite

    kept = retention or Retention()
    return open_sqlite(place, kept) if isinstance(place, Path) else open_postgres(place, kept)


def _end_of(tier: int, starts: Iterable[int], begin_ns: int) -> int:
    """Return until when a tier tells; what was set aside of it, where a clock was set back, is no end of it."""
    length_ns = LENGTH_NS.get(tier)
    return (
        begin_ns
        if length_ns is None
        else max((at + length_ns for at in starts if not at % length_ns), default=begin_ns)
    )


def _event(event: Event, names: Mapping[int, str]) -> HistoryEvent:
    return HistoryEvent(event.id, names.get(event.server, ""), event.at_ns, event.kind, event.detail)


def _require_page(limit: int, offset: int) -> None:
    if not 1 <= limit <= MOST_ROWS or offset < 0:
        raise _bad_page(f"a page of {limit} from {offset} on was refused", f"Ask for 1 to {MOST_ROWS}, from 0 on.")


def _bad_page(found: str, next_step: str) -> UsageError:
    return UsageError(found, code="history.page", next_step=next_step)
