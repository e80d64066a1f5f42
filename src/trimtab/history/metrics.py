"""What the numbers of a sample mean: each metric's name, unit and source, and how it is made. Pure.

A metric that cannot be made of what was measured is None: it is not zero, and not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from trimtab.history.sample import Name, Sample


@dataclass(frozen=True, slots=True)
class MetricKind:
    """A metric: its name, its unit ("" for a plain number), the view that it is from, and what it says.

    `make` makes it of a sample. `part` is under which name a server's facts say why it is missing there, `otherwise`
    what it means that it is missing where they do not.
    """

    name: str
    unit: str
    source: str
    meaning: str
    make: Callable[[Sample], float | None]
    part: str = ""
    otherwise: str = "there was nothing to measure it by"


def _mean(*name: str) -> Callable[[Sample], float | None]:
    return lambda sample: sample.means.get(name)


def _peak(*name: str) -> Callable[[Sample], float | None]:
    return lambda sample: sample.peaks.get(name)


def _ratio(
    above: Callable[[Sample], float | None], below: Callable[[Sample], float | None]
) -> Callable[[Sample], float | None]:
    def make(sample: Sample) -> float | None:
        top, bottom = above(sample), below(sample)
        return top / bottom if top is not None and bottom else None

    return make


def _sum(*name: str) -> Callable[[Sample], float | None]:
    return lambda sample: sample.sums.get(name)


def _all(first: str, *last: str) -> Callable[[Sample], float | None]:
    """Return the sum over all names that begin so and end with one of these."""

    def make(sample: Sample) -> float | None:
        found = [value for name, value in sample.sums.items() if name[0] == first and name[-1] in last]
        return sum(found) if found else None

    return make


def _highest(first: str, last: str) -> Callable[[Sample], float | None]:
    def make(sample: Sample) -> float | None:
        found = [value for name, value in sample.means.items() if name[0] == first and name[-1] == last]
        return max(found) if found else None

    return make


def _lag_seconds(sample: Sample) -> float | None:
    own = sample.means.get(("replay_lag_seconds",))
    return own if own is not None else _highest("replica", "lag_seconds")(sample)


def _used_memory(sample: Sample) -> float | None:
    total, free = sample.means.get(("memory", "total_bytes")), sample.means.get(("memory", "available_bytes"))
    return 1 - free / total if total and free is not None else None


def _busy_seconds(sample: Sample) -> float | None:
    total = sample.sums.get(("statement", "total_ms"))
    return None if total is None else total / 1000


def _seconds(sample: Sample) -> float | None:
    return sample.seconds or None


_ROUND, _STATEMENTS = _sum("round", "seconds"), _sum("statement", "seconds")
_LOOKS = "pg_stat_activity, sampled"
_KINDS = (
    MetricKind("calls_per_second", "1/s", "pg_stat_statements", "executions of the workload's statements",
               _ratio(_sum("statement", "calls"), _STATEMENTS), "statements"),
    MetricKind("mean_execution_ms", "ms", "pg_stat_statements", "mean time of an execution",
               _ratio(_sum("statement", "total_ms"), _sum("statement", "calls")), "statements"),
    MetricKind("busy_sessions", "", "pg_stat_statements", "time of executions, over time",
               _ratio(_busy_seconds, _STATEMENTS), "statements"),
    MetricKind("rows_per_second", "1/s", "pg_stat_statements", "rows that statements returned or wrote",
               _ratio(_sum("statement", "rows"), _STATEMENTS), "statements"),
    MetricKind("transactions_per_second", "1/s", "pg_stat_database", "commits and rollbacks of all databases",
               _ratio(_all("database", "commits", "rollbacks"), _seconds)),
    MetricKind("rollback_ratio", "", "pg_stat_database", "rollbacks, of all transactions",
               _ratio(_all("database", "rollbacks"), _all("database", "commits", "rollbacks"))),
    MetricKind("cache_hit_ratio", "", "pg_stat_database", "blocks found in shared buffers, of those asked for",
               _ratio(_all("database", "blocks_hit"), _all("database", "blocks_hit", "blocks_read"))),
    MetricKind("blocks_read_per_second", "1/s", "pg_stat_database", "blocks that were not in shared buffers",
               _ratio(_all("database", "blocks_read"), _seconds)),
    MetricKind("temporary_bytes_per_second", "B/s", "pg_stat_database", "bytes written to temporary files",
               _ratio(_all("database", "temporary_bytes"), _seconds)),
    MetricKind("deadlocks", "", "pg_stat_database", "deadlocks in the window", _all("database", "deadlocks")),
    MetricKind("conflicts", "", "pg_stat_database", "queries cancelled by recovery in the window",
               _all("database", "conflicts")),
    MetricKind("sessions", "", _LOOKS, "sessions of clients, on average", _mean("sessions"), "sessions"),
    MetricKind("active_sessions", "", _LOOKS, "sessions at work, on average", _mean("active_sessions"), "sessions"),
    MetricKind("active_sessions_peak", "", _LOOKS, "sessions at work, at most", _peak("active_sessions"), "sessions"),
    MetricKind("waiting_sessions", "", _LOOKS, "sessions at work that wait for something", _mean("waiting_sessions"),
               "sessions"),
    MetricKind("blocked_sessions", "", _LOOKS, "sessions that wait for a lock", _mean("blocked_sessions"), "sessions"),
    MetricKind("idle_in_transaction_sessions", "", _LOOKS, "sessions that hold a transaction open and do nothing",
               _mean("idle_in_transaction_sessions"), "sessions"),
    MetricKind("oldest_transaction_seconds", "s", _LOOKS, "age of the oldest transaction, at most",
               _peak("oldest_transaction_seconds"), "sessions", "no transaction was open when it was looked at"),
    MetricKind("clock_ahead_seconds", "s", "clock_timestamp", "how far the server's clock is ahead; negative is behind",
               _mean("clock_ahead_seconds")),
    MetricKind("wal_bytes_per_second", "B/s", "pg_current_wal_lsn", "write-ahead log",
               _ratio(_sum("wal", "bytes"), _seconds)),
    MetricKind("full_page_images_per_second", "1/s", "pg_stat_wal", "whole pages in the write-ahead log",
               _ratio(_sum("wal", "full_page_images"), _ROUND), "wal"),
    MetricKind("requested_checkpoints", "", "pg_stat_checkpointer or pg_stat_bgwriter",
               "checkpoints in the window that did not wait for their time", _sum("checkpoint", "requested"),
               "checkpoints"),
    MetricKind("read_bytes_per_second", "B/s", "pg_stat_io", "bytes that the server read from files",
               _ratio(_all("io", "read_bytes"), _ROUND), "io"),
    MetricKind("write_bytes_per_second", "B/s", "pg_stat_io", "bytes that the server wrote to files",
               _ratio(_all("io", "write_bytes"), _ROUND), "io"),
    MetricKind("replication_lag_seconds", "s", "pg_stat_replication, pg_last_xact_replay_timestamp",
               "of a primary its slowest replica's, of a standby its own", _lag_seconds, "",
               "it has no replica and is none"),
    MetricKind("replication_lag_bytes", "B", "pg_stat_replication", "log that the slowest replica still has to replay",
               _highest("replica", "lag_bytes"), "", "it has no replica"),
    MetricKind("server_cpu_cores", "", "/proc", "CPUs that the server's processes kept busy",
               _ratio(_sum("cpu", "server_seconds"), _ROUND), "host"),
    MetricKind("host_cpu_ratio", "", "/proc", "share of the machine's CPUs that were at work",
               _ratio(_sum("cpu", "host_busy_seconds"), _sum("cpu", "host_seconds")), "host"),
    MetricKind("host_memory_ratio", "", "/proc", "share of the machine's memory that is not available", _used_memory,
               "host"),
    MetricKind("server_memory_bytes", "B", "/proc", "memory of the server's processes without what they share",
               _mean("memory", "server_bytes"), "host"),
)  # fmt: skip
METRICS: Mapping[str, MetricKind] = MappingProxyType({kind.name: kind for kind in _KINDS})


def below(sample: Mapping[Name, float], *first: str) -> dict[Name, dict[str, float]]:
    """Return the numbers of all names that begin so, by what stands between that and the last part."""
    found: dict[Name, dict[str, float]] = {}
    for name, value in sample.items():
        if name[: len(first)] == first and len(name) > len(first):
            found.setdefault(name[len(first) : -1], {})[name[-1]] = value
    return found
