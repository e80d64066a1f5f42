"""What the history tells a report: the servers, the heaviest queries, and what changed between before and after.

It reads the store alone. What was not measured says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from trimtab.history.reading import MOST_ROWS, History
from trimtab.history.values import QueryPage, QueryTotals, Ran, ServerHealth, Window
from trimtab.ledger.entry import Entry, Kind
from trimtab.lifecycle.change_detail import ChangeDetail
from trimtab.lifecycle.report_figures import Stretch
from trimtab.lifecycle.reported import Measured, OnServer
from trimtab.model.strategy import Outcome

_TOP_QUERIES = 20
_MOST_ON_SERVERS, _MOST_QUERIES = 20, 10
_WAL = "wal_bytes_per_second"
_MINUTE_NS = 60 * 10**9
_LEAST_SECONDS = 60.0
"""Shorter stretches before or after a change are no measure of anything."""


@dataclass(frozen=True)
class Seen:
    """What the history tells."""

    servers: tuple[ServerHealth, ...] = ()
    queries: tuple[QueryPage, ...] = ()
    stretch: Stretch = field(default_factory=Stretch)
    costs: tuple[Measured, ...] = ()
    on_servers: tuple[OnServer, ...] = ()


@dataclass(frozen=True)
class Looking:
    """Reads the history for a window; `servers` are those that are asked for, None all."""

    history: History
    window: Window
    servers: tuple[str, ...] | None

    def seen(self, changes: Sequence[ChangeDetail]) -> Seen:
        """Return what it tells. Raises LedgerError."""
        window = self.window
        servers = self._of(self.history.fleet(window))
        names = [server.name for server in servers if server.window.measured_seconds]
        queries = tuple(self.history.top_queries(name, window, limit=_TOP_QUERIES) for name in names)
        return Seen(
            servers,
            queries,
            self._stretch(changes, servers),
            (*self._own_load(queries), *self._log_written(changes, servers)),
            tuple(self._on_servers(changes, servers)),
        )

    def _of(self, servers: Iterable[ServerHealth]) -> tuple[ServerHealth, ...]:
        wanted = self.servers
        return tuple(server for server in servers if wanted is None or server.name in wanted)

    def _stretch(self, changes: Sequence[ChangeDetail], servers: Sequence[ServerHealth]) -> Stretch:
        applied = [span for each in changes for span in _spans(each)]
        if not applied:
            return Stretch()
        window = self.window
        before = Window(window.begin_ns, min(begin for _, begin, _ in applied))
        after = Window(max(end for _, _, end in applied), window.end_ns)
        if min(before.seconds, after.seconds) < _LEAST_SECONDS:
            return Stretch(why="less than a minute lies before the first change of the window, or after the last")
        changed = {system for system, _, _ in applied}
        names = [server.name for server in servers if server.system_identifier in changed and not server.is_standby]
        if not names:
            return Stretch(why="the history has no server that was changed")
        return Stretch(
            [each for each in self.history.fleet(before) if each.name in names],
            [each for each in self.history.fleet(after) if each.name in names],
            self._queries(names, before),
            self._queries(names, after),
            "",
        )

    def _queries(self, names: Sequence[str], window: Window) -> dict[tuple[str, str], QueryTotals]:
        return {
            (name, query.query_id): query
            for name in names
            for query in self.history.top_queries(name, window, limit=MOST_ROWS).queries
        }

    def _own_load(self, pages: Sequence[QueryPage]) -> tuple[Measured, ...]:
        """Return what statements that are not the workload's took: those of Trimtab and of other monitoring."""
        window = self.window
        measured = sum(page.window.measured_seconds for page in pages)
        source = "pg_stat_statements: statements of Trimtab and of other monitoring"
        if not measured:
            why = "the history has no statements of this window"
            return (Measured("monitoring_load", "share", None, window, source, why),)
        spent = sum(page.other_ms for page in pages) / 1000
        return (
            Measured(
                "monitoring_load", "share", spent / measured, window, source,
                counted=f"of one session's time, over {measured:,.0f} measured seconds",
            ),
        )  # fmt: skip

    def _log_written(self, changes: Sequence[ChangeDetail], servers: Sequence[ServerHealth]) -> tuple[Measured, ...]:
        """Return the write-ahead log of servers while changes were made on them: theirs together with all others'."""
        window = self.window
        source = "pg_current_wal_lsn: all of the server's log while changes were made"
        names = {server.system_identifier: server.name for server in servers if not server.is_standby}
        spans = [span for each in changes for span in _spans(each) if span[0] in names]
        total, measured = 0.0, 0.0
        for system, together in _near(spans):
            wide = Window(together[0][0] - _MINUTE_NS, max(end for _, end in together) + _MINUTE_NS)
            for point in self.history.series(names[system], [_WAL], wide)[_WAL].points:
                if point.value is not None and point.seconds <= 60:
                    ends = point.at_ns + int(point.seconds * 1e9)
                    shared = sum(max(min(ends, end) - max(point.at_ns, begin), 0) for begin, end in together) / 1e9
                    total, measured = total + point.value * shared, measured + shared
        if not measured:
            why = (
                "nothing was changed where the history looks" if not spans else "it is not kept finely enough any more"
            )
            return (Measured("wal_bytes", "B", None, window, source, why),)
        whole = sum(end - begin for _, begin, end in spans) / 1e9
        counted = f"{measured:,.1f} of {whole:,.1f} seconds of changing were measured"
        return (Measured("wal_bytes", "B", total, window, source, counted=counted),)

    def _on_servers(self, changes: Sequence[ChangeDetail], servers: Sequence[ServerHealth]) -> Iterable[OnServer]:
        """Yield how the queries of kept changes did before and after, by the history; the newest changes."""
        names = {
            server.system_identifier: server.name
            for server in servers
            if server.system_identifier is not None and not server.is_standby
        }
        kept = [each for each in changes if each.card.outcome is Outcome.KEPT and each.query_ids]
        seen = [
            (each, spans)
            for each in kept[:_MOST_ON_SERVERS]
            if (spans := [span for span in _spans(each) if span[0] in names])
        ]
        wanted: dict[str, set[str]] = {}
        for each, spans in seen:
            wanted.setdefault(names[spans[0][0]], set()).update(each.query_ids[:_MOST_QUERIES])
        window = self.window
        ran = {name: self.history.ran(name, query_ids, window) for name, query_ids in wanted.items()}
        for each, spans in seen:
            name = names[spans[0][0]]
            before = Window(window.begin_ns, min(begin for _, begin, _ in spans))
            after = Window(max(end for _, _, end in spans), window.end_ns)
            if min(before.seconds, after.seconds) < _LEAST_SECONDS:
                continue
            ids = each.query_ids[:_MOST_QUERIES]
            was, now = (_mean([ran[name].get(query_id, ()) for query_id in ids], span) for span in (before, after))
            if was is not None and now is not None:
                yield OnServer(
                    each.card.strategy_id, each.card.run_id, name, was[0], now[0], was[1], now[1], before, after
                )


def _mean(queries: Iterable[Sequence[Ran]], window: Window) -> tuple[float, float] | None:
    """Return ms per execution and executions, of the stretches that lie wholly in the window."""
    inside = [
        each for query in queries for each in query if window.begin_ns <= each.begin_ns and each.end_ns <= window.end_ns
    ]
    calls = sum(each.calls for each in inside)
    return (sum(each.total_ms for each in inside) / calls, calls) if calls else None


def _spans(change: ChangeDetail) -> list[tuple[str, int, int]]:
    """Return where and when changes were made: the server's identifier, begin and end."""
    begun: dict[str, Entry] = {}
    found = []
    for entry in change.entries:
        intent_id = str(entry.body.get("intent_id"))
        if entry.kind is Kind.APPLY_INTENDED:
            begun[intent_id] = entry
        elif entry.kind is Kind.APPLY_DONE and intent_id in begun:
            database = begun[intent_id].body.get("database")
            system = database.get("system_identifier") if isinstance(database, dict) else None
            if isinstance(system, str) and system:
                found.append((system, begun[intent_id].at_ns, entry.at_ns))
    return found


def _near(spans: Iterable[tuple[str, int, int]]) -> list[tuple[str, list[tuple[int, int]]]]:
    """Return spans by server, in order; those of less than an hour between them together: they are read at once."""
    found: list[tuple[str, list[tuple[int, int]]]] = []
    for system, begin_ns, end_ns in sorted(spans):
        if found and found[-1][0] == system and begin_ns - found[-1][1][-1][1] < 60 * _MINUTE_NS:
            found[-1][1].append((begin_ns, end_ns))
        else:
            found.append((system, [(begin_ns, end_ns)]))
    return found
