"""What stands in the monitor's tables: columns by the width of the terminal, and a row for each server, query, session.

Pure: values in, texts out. Every text of a server's is made harmless here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trimtab.api_history import QueryTotals, ServerHealth
from trimtab.cli.monitor.words import DASH, cut, number, seconds, trail, version
from trimtab.observe.sessions import Session


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, its width, whether it is a number (set to the right), the least terminal that has it."""

    key: str
    title: str
    width: int
    is_number: bool = True
    from_columns: int = 0


FLEET = (
    Column("name", "server", 16, is_number=False),
    Column("state", "state", 7, is_number=False),
    Column("age", "age", 6),
    Column("role", "role", 7, is_number=False, from_columns=100),
    Column("version", "version", 7, from_columns=100),
    Column("tps", "tx/s", 8),
    Column("calls", "calls/s", 8),
    Column("mean", "mean", 8),
    Column("active", "active", 6),
    Column("blocked", "block", 5),
    Column("sessions", "sessions", 9, from_columns=100),
    Column("hits", "hits", 7, from_columns=100),
    Column("lag", "lag", 8, from_columns=110),
    Column("cpu", "cpus", 6, from_columns=120),
    Column("io", "I/O", 9, from_columns=130),
    Column("trail", "tx/s, last looks", 20, is_number=False, from_columns=150),
)
QUERIES = (
    Column("id", "query", 12, is_number=False),
    Column("share", "share", 7),
    Column("calls", "calls", 8),
    Column("mean", "mean", 8),
    Column("rows", "rows/call", 9, from_columns=100),
    Column("blocks", "blk/call", 8, from_columns=100),
    Column("text", "text", 0, is_number=False),
)
SESSIONS = (
    Column("pid", "pid", 8),
    Column("role", "role", 10, is_number=False, from_columns=100),
    Column("database", "database", 12, is_number=False, from_columns=100),
    Column("state", "state", 10, is_number=False),
    Column("seconds", "for", 8),
    Column("wait", "wait", 18, is_number=False),
    Column("blocked_by", "held by", 8, is_number=False),
    Column("text", "text", 0, is_number=False),
)
_VALUE: dict[str, str] = {
    "tps": "transactions_per_second",
    "calls": "calls_per_second",
    "mean": "mean_execution_ms",
    "active": "active_sessions",
    "blocked": "blocked_sessions",
    "sessions": "sessions",
    "hits": "cache_hit_ratio",
    "lag": "replication_lag_seconds",
    "cpu": "server_cpu_cores",
}
_UNITS = {"tps": "", "calls": "", "hits": "ratio", "lag": "s", "mean": "ms"}
FLEET_SORTS = ("name", "tps", "calls", "mean", "active", "blocked", "lag", "age")
QUERY_ORDERS = {"t": "total_ms", "c": "calls", "m": "mean_ms", "w": "rows", "b": "blocks"}


def shown(columns: Sequence[Column], width: int) -> list[Column]:
    """Return the columns that a terminal of this width shows; the last one without a width takes what is left."""
    fitting = [column for column in columns if width >= column.from_columns]
    used = sum(column.width + 2 for column in fitting)
    return [
        column if column.width else Column(column.key, column.title, max(width - used - 4, 10), is_number=False)
        for column in fitting
    ]


def server_cells(
    server: ServerHealth, columns: Sequence[Column], values: Sequence[float | None], *, is_plain: bool
) -> list[str]:
    """Return a server's cells. One that is down keeps its last values; its age says how old they are."""
    return [_server_cell(server, column, values, is_plain=is_plain) for column in columns]


def _server_cell(server: ServerHealth, column: Column, values: Sequence[float | None], *, is_plain: bool) -> str:
    match column.key:
        case "name":
            text = cut(server.name, column.width)
        case "state":
            text = server.state
        case "age":
            text = seconds(server.age_seconds)
        case "role":
            text = DASH if not server.version else "standby" if server.is_standby else "primary"
        case "version":
            text = version(server.version)
        case "sessions":
            count = number(server.metrics["sessions"].value)
            text = f"{count}/{server.max_connections}" if server.max_connections else count
        case "io":
            found = [server.metrics[name].value for name in ("read_bytes_per_second", "write_bytes_per_second")]
            text = DASH if None in found else number(sum(value or 0.0 for value in found), "B/s")
        case "trail":
            text = trail(values, column.width, is_plain=is_plain)
        case _:
            text = number(server.metrics[_VALUE[column.key]].value, _UNITS.get(column.key, ""))
    return text.rjust(column.width) if column.is_number else text


def sorted_servers(servers: Sequence[ServerHealth], sort: str, search: str) -> list[ServerHealth]:
    """Return the servers whose name or place has the words, in an order: by name, or the most first."""
    words = search.lower().split()
    found = [
        each for each in servers if all(word in f"{each.name} {each.where} {each.state}".lower() for word in words)
    ]
    if sort == "name":
        return found
    value: Callable[[ServerHealth], float | None] = (
        (lambda each: each.age_seconds) if sort == "age" else (lambda each: each.metrics[_VALUE[sort]].value)
    )
    return sorted(found, key=lambda each: (-(value(each) if value(each) is not None else -1.0), each.name))  # type: ignore[operator]


def query_cells(query: QueryTotals, columns: Sequence[Column]) -> list[str]:
    """Return a query's cells."""
    per_call = (lambda value: value / query.calls) if query.calls else (lambda _: None)
    cells = {
        "id": query.query_id,
        "share": number(query.share, "ratio"),
        "calls": number(query.calls),
        "mean": number(query.mean_ms, "ms"),
        "rows": number(per_call(query.rows)),
        "blocks": number(per_call(query.blocks)),
        "text": query.text or "(its text is not known, or is no query)",
    }
    return [_set(cells[column.key], column) for column in columns]


def session_cells(session: Session, columns: Sequence[Column]) -> list[str]:
    """Return a session's cells."""
    cells = {
        "pid": str(session.pid),
        "role": session.role,
        "database": session.database,
        "state": session.state,
        "seconds": seconds(session.seconds),
        "wait": session.wait or DASH,
        "blocked_by": " ".join(map(str, session.blocked_by)) or DASH,
        "text": session.text or "(hidden from this role)",
    }
    return [_set(cells[column.key], column) for column in columns]


def _set(text: str, column: Column) -> str:
    found = cut(text, column.width)
    return found.rjust(column.width) if column.is_number else found
