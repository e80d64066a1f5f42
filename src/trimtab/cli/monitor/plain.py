"""The monitor as plain text and as JSON: for `--once`, `--plain` (screen readers, pipes) and `--json`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from trimtab.api_history import HistoryEvent, ServerHealth
from trimtab.cli.monitor.words import NOT_MEASURED, cut, number, seconds
from trimtab.cli.text import printable, utc_time
from trimtab.errors import TrimtabError
from trimtab.lifecycle.dashboard import Dashboard, Figure

SCHEMA = "trimtab.monitor/v1"
_TOLD = (
    ("transactions_per_second", "transactions"),
    ("calls_per_second", "executions"),
    ("mean_execution_ms", "mean"),
    ("active_sessions", "at work"),
    ("blocked_sessions", "blocked"),
    ("replication_lag_seconds", "lag"),
)


def text_of(
    board: Dashboard,
    servers: Sequence[ServerHealth],
    events: Sequence[HistoryEvent],
    trouble: TrimtabError | None = None,
) -> list[str]:
    """Return the fleet in sentences, a line each: no column has to be guessed, and nothing stands in colour alone."""
    lines = [f"trimtab monitor, {utc_time(board.at_ns)} UTC, values over {seconds(board.window_seconds)}"]
    if trouble is not None:
        lines.append(f"Trouble: {printable(str(trouble))} [{trouble.code}]")
    for group in board.groups:
        lines.append(f"{group.title}:")
        lines += [f"  {figure_line(figure)}" for figure in group.figures]
    lines.append(f"Servers, {len(servers)}:")
    lines += [f"  {server_line(server)}" for server in servers]
    if events:
        lines.append("Events, the newest first:")
        lines += [f"  {event_line(event)}" for event in events]
    return lines


def figure_line(figure: Figure) -> str:
    """Return a figure with its source, or why it is not measured."""
    if figure.value is None:
        return f"{figure.label}: {NOT_MEASURED} ({printable(figure.why)})"
    return f"{figure.label}: {number(figure.value, figure.unit)} [{printable(figure.source)}]"


def server_line(server: ServerHealth) -> str:
    """Return a server in a sentence."""
    parts = [f"{cut(server.name, 60)}: {server.state}"]
    if server.state != "up":
        parts.append(f"because {server.code}" if server.code else "never looked at")
        age = server.missing.get("age", "never had values")
        parts.append(age if server.age_seconds is None else f"values {seconds(server.age_seconds)} old")
    for name, label in _TOLD:
        metric = server.metrics[name]
        if metric.value is not None:
            parts.append(f"{label} {number(metric.value, metric.unit)}")
    return ", ".join(parts)


def event_line(event: HistoryEvent) -> str:
    """Return an event in a line."""
    words = ", ".join(f"{key}={value}" for key, value in event.detail.items())
    return printable(
        f"{utc_time(event.at_ns)} {event.server}: {event.kind.replace('_', ' ')} {words}".rstrip(), limit=400
    )


def document_of(
    board: Dashboard,
    servers: Sequence[ServerHealth],
    events: Sequence[HistoryEvent],
    trouble: TrimtabError | None = None,
) -> dict[str, object]:
    """Return the fleet as JSON takes it."""
    return {
        "schema": SCHEMA,
        "at_ns": board.at_ns,
        "window_seconds": board.window_seconds,
        "trouble": None if trouble is None else trouble.as_dict(),
        "groups": {group.name: [asdict(figure) for figure in group.figures] for group in board.groups},
        "servers": [server_document(server) for server in servers],
        "events": [
            {"at_ns": event.at_ns, "server": event.server, "kind": event.kind, "detail": dict(event.detail)}
            for event in events
        ],
    }


def server_document(server: ServerHealth) -> Mapping[str, object]:
    """Return a server as JSON takes it; metrics that are not measured are null, with the reason."""
    values = asdict(server)
    values["metrics"] = {
        name: {"value": metric.value, "unit": metric.unit, "source": metric.source, "why": metric.why}
        for name, metric in server.metrics.items()
    }
    return values
