"""What the history of the fleet tells an agent: states, numbers of a window, queries, a query over a day.

It reads the store that `trimtab collect` writes, and no server. What is not collected is told as that.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from trimtab.api_history import history_place
from trimtab.cli.collecting import history_of
from trimtab.cli.commands import ledger_of
from trimtab.config import Config
from trimtab.errors import UsageError
from trimtab.history.reading import History
from trimtab.mcp.answers import Collected, HistoryPoint, QueryHistory, TopQueries, TopQuery
from trimtab.mcp.paging import next_cursor, offset_of

_DAY_SECONDS = 86_400
_POINTS = 48
_EVENTS = 20


def collected_states(config: Config) -> Mapping[str, str]:
    """Return the state of each database that is collected, by name. Raises LedgerError `history.*`."""
    try:
        with _history(config) as history:
            return {each.name: each.state for each in history.fleet()}
    except UsageError:
        return {}


def collected(config: Config, name: str) -> Collected:
    """Return the numbers of a database of the last quarter of an hour. Raises LedgerError `history.*`."""
    try:
        with _history(config) as history:
            health = history.server(name).health
    except UsageError:
        return Collected(state="not collected", age_seconds=None, metrics={})
    metrics = {metric.name: metric.value for metric in health.metrics.values()}
    return Collected(
        state=health.state, age_seconds=health.age_seconds, why_no_age=health.missing.get("age"), metrics=metrics
    )


def collected_queries(
    config: Config, name: str, seconds: int, order_by: str, *, cursor: str | None, limit: int
) -> TopQueries:
    """Return a page of the queries of a window. Raises UsageError `history.no_server`, `mcp.cursor`."""
    of = f"top_queries {order_by} {seconds}"
    offset = offset_of(cursor, of)
    with _history(config) as history:
        found = history.top_queries(name, history.last(seconds), sort=order_by, limit=limit, offset=offset)
    end = offset + len(found.queries)
    return TopQueries(
        database=name,
        source=found.source,
        counted_since=_at(found.window.begin_ns),
        measured_seconds=found.window.measured_seconds,
        order_by=order_by,
        queries=[
            TopQuery(
                query_id=each.query_id,
                text=each.text,
                kind="",
                calls=each.calls,
                total_ms=round(each.total_ms, 3),
                mean_ms=round(each.mean_ms or 0.0, 4),
                share=round(each.share, 6),
            )
            for each in found.queries
        ],
        next_cursor=next_cursor(of, end) if end < found.total else None,
    )


def last_day(config: Config, name: str, query_id: str) -> QueryHistory | None:
    """Return a query over the last day, None where it was not collected."""
    try:
        with _history(config) as history:
            life = history.query(name, query_id, history.last(_DAY_SECONDS))
    except UsageError:
        return None
    means = life.series["mean_ms"]
    calls = {point.at_ns: point.value for point in life.series["calls_per_second"].points}
    points = means.points[-_POINTS:]
    return QueryHistory(
        measured_seconds=means.window.measured_seconds,
        calls=life.totals.calls,
        mean_ms=life.totals.mean_ms,
        p50_ms=life.latency.p50_ms,
        p95_ms=life.latency.p95_ms,
        p99_ms=life.latency.p99_ms,
        points=[
            HistoryPoint(
                at=_at(point.at_ns),
                seconds=point.seconds,
                mean_ms=point.value,
                calls_per_second=calls.get(point.at_ns),
            )
            for point in points
        ],
        plan_shapes=[plan.shape for plan in life.plans][:_EVENTS],
        events=[event.kind for event in islice(life.events, _EVENTS)],
    )


def is_collected(config: Config) -> bool:
    """Return whether there is a history to open; opening makes one."""
    place = history_place(ledger_of(config), config.history.store)
    return not isinstance(place, Path) or place.exists()


def _history(config: Config) -> History:
    """Open the history, and make none. Raises UsageError `mcp.not_collected`, LedgerError `history.*`."""
    if not is_collected(config):
        raise UsageError(
            "there is no history: nothing was collected yet",
            code="mcp.not_collected",
            next_step="A person starts `trimtab collect`; leave window_seconds out until then.",
        )
    return history_of(config)


def _at(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="seconds")
