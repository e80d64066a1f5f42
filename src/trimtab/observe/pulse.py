"""Reads how a server is at one moment in few cheap queries: sessions, waits, counters of databases, WAL, I/O, replicas.

Reads no text of a statement. What this role, version or service does not show is left out: not measured is not zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from trimtab.db.connection import Connection, source_error
from trimtab.db.queries import load
from trimtab.errors import SourceError
from trimtab.model.pulse import Counted, MetricName, Pulse
from trimtab.model.watched import Instance, Reading
from trimtab.observe.reading import read

_DATABASE_COUNTERS = (
    "commits", "rollbacks", "blocks_read", "blocks_hit", "temporary_files", "temporary_bytes", "deadlocks",
    "conflicts", "read_ms", "write_ms",
)  # fmt: skip
_IO = ("reads", "read_bytes", "read_ms", "writes", "write_bytes", "write_ms", "hits", "evictions", "fsyncs")
_ALWAYS: tuple[MetricName, ...] = (
    ("sessions",),
    ("active_sessions",),
    ("waiting_sessions",),
    ("blocked_sessions",),
    ("idle_in_transaction_sessions",),
)
_MOST_RELATIONS = 1000


@dataclass(slots=True)
class PulseReader:
    """Reads one server over one session. `missing` says what is not measured there, and why."""

    conn: Connection
    system_identifier: str | None = None
    timeline: int | None = None
    missing: dict[str, str] = field(default_factory=dict[str, str])
    _prepares: bool = True

    def pulse(self, *, wall_ns: int, tick: float) -> Pulse:
        """Return the server now. The clocks are the caller's, read when this was called. Raises SourceError."""
        row = self._row("collect_pulse")
        instance = Instance(
            version=row["version"], started_at=row["started_at"], is_standby=row["is_standby"], clock=row["clock"],
            wal_bytes=row["wal_bytes"], active_sessions=0, system_identifier=self.system_identifier,
            timeline=self.timeline,
        )  # fmt: skip
        sessions, gauges = self._sessions(row)
        gauges |= _lags(row)
        counters = _databases(row["databases"] or [])
        if row["wal_bytes"] is not None and not row["is_standby"]:
            counters["wal", "bytes"] = Counted(float(row["wal_bytes"]))
        return Pulse(
            _moment(instance, wall_ns, tick), row["database"], row["max_connections"], gauges, sessions, counters
        )

    def _sessions(self, row: DictRow) -> tuple[dict[MetricName, int], dict[MetricName, float]]:
        """Return who is at work; a role to which others' sessions are hidden would see none, which is no number."""
        if not row["sees_sessions"]:
            self.missing["sessions"] = "hidden from this role (GRANT pg_read_all_stats)"
            return {}, {}
        self.missing.pop("sessions", None)
        sessions, gauges = _sessions(row["sessions"] or [])
        if row["oldest_transaction_seconds"] is not None:
            gauges["oldest_transaction_seconds",] = max(row["oldest_transaction_seconds"], 0.0)
        return sessions, gauges

    def details(self) -> Mapping[MetricName, Counted]:
        """Return what is read more seldom: WAL, checkpoints and I/O. Raises SourceError when the session is lost."""
        found: dict[MetricName, Counted] = {}
        for row in self._rows("collect_wal", "wal", "pg_stat_wal is from version 14 on"):
            for name in ("records", "full_page_images", "buffers_full"):
                found["wal", name] = Counted(float(row[name]), row["reset"] or "")
        for row in self._rows("collect_checkpoints", "checkpoints", ""):
            for name in ("timed", "requested", "buffers_written"):
                found["checkpoint", name] = Counted(float(row[name]), row["reset"] or "")
        for row in self._rows("collect_io", "io", "pg_stat_io is from version 16 on"):
            for name in _IO:
                key = ("io", row["backend_type"], row["object"], row["context"], name)
                found[key] = Counted(float(row[name]), row["reset"] or "")
        return found

    def relations(self, block_bytes: int = 8192) -> tuple[Mapping[MetricName, Counted], Mapping[MetricName, float]]:
        """Return what was counted of tables and indexes, and how large they are. Raises SourceError."""
        counters: dict[MetricName, Counted] = {}
        sizes: dict[MetricName, float] = {}
        for row in read(self.conn, "collect_relations", (_MOST_RELATIONS,)):
            if row["kind"] == "index":
                index = ("index", row["schema"], row["table"], row["index"])
                for name in ("scans", "rows_read"):
                    counters[*index, name] = Counted(float(row[name]))
                sizes[*index, "bytes"] = float(row["pages"] * block_bytes)
                continue
            table = ("table", row["schema"], row["table"])
            for name in ("scans", "rows_read", "index_scans", "inserted", "updated", "deleted"):
                counters[*table, name] = Counted(float(row[name]))
            sizes |= {
                (*table, "live_rows"): float(row["live_rows"]),
                (*table, "dead_rows"): float(row["dead_rows"]),
                (*table, "bytes"): float(row["pages"] * block_bytes),
            }
        return counters, sizes

    def settings(self) -> Mapping[str, str]:
        """Return the settings that are not defaults; of those that may hold secrets a digest. Raises SourceError."""
        return {
            row["name"]: row["value"] + (" (waits for a restart)" if row["pending_restart"] else "")
            for row in read(self.conn, "collect_settings")
        }

    def _row(self, name: str) -> DictRow:
        """Return the one row of a query that is planned once a session, where what stands in between lets us."""
        text = load(name, self.conn.info.server_version).encode()
        cursor = self.conn.cursor(row_factory=dict_row)
        try:
            try:
                found = cursor.execute(text, prepare=self._prepares).fetchone()
            except (psycopg.errors.InvalidSqlStatementName, psycopg.errors.DuplicatePreparedStatement):
                self._prepares = False  # a pooler gives each transaction another session
                found = cursor.execute(text, prepare=False).fetchone()
        except psycopg.Error as error:
            raise source_error(error) from None
        assert found is not None, "the query has no FROM"
        return found

    def _rows(self, name: str, what: str, since: str) -> list[DictRow]:
        if what in self.missing:
            return []
        try:
            return read(self.conn, name)
        except KeyError:
            self.missing[what] = since
        except SourceError as error:
            if self.conn.closed:
                raise
            self.missing[what] = error.code
        return []


def _sessions(rows: list[list[Any]]) -> tuple[dict[MetricName, int], dict[MetricName, float]]:
    """Return sessions by state and by what those at work wait for, and the sums that are always there."""
    sessions: dict[MetricName, int] = {}
    gauges: dict[MetricName, float] = dict.fromkeys(_ALWAYS, 0.0)
    for state, kind, event, count in rows:
        sessions["state", state] = sessions.get(("state", state), 0) + count
        gauges["sessions",] += count
        if state == "active":
            sessions["wait", kind, event] = count
            gauges["active_sessions",] += count
            gauges["waiting_sessions",] += count if kind != "CPU" else 0
            gauges["blocked_sessions",] += count if kind == "Lock" else 0
        elif state.startswith("idle in transaction"):
            gauges["idle_in_transaction_sessions",] += count
    return sessions, gauges


def _lags(row: DictRow) -> dict[MetricName, float]:
    found: dict[MetricName, float] = {}
    if row["is_standby"] and row["replay_lag_seconds"] is not None:
        found["replay_lag_seconds",] = max(row["replay_lag_seconds"], 0.0)
    for name, _state, _sync, seconds, behind in row["replicas"] or []:
        if behind is not None:
            found["replica", name, "lag_bytes"] = max(float(behind), 0.0)
            # A replica that has all tells no lag; one that has not, and tells none, is not measured.
            if seconds is not None or behind <= 0:
                found["replica", name, "lag_seconds"] = max(float(seconds or 0.0), 0.0)
    return found


def _databases(rows: list[list[Any]]) -> dict[MetricName, Counted]:
    found: dict[MetricName, Counted] = {}
    for name, *values, reset in rows:
        for what, value in zip(_DATABASE_COUNTERS, values, strict=True):
            found["database", name, what] = Counted(float(value), reset or "")
    return found


def _moment(instance: Instance, wall_ns: int, tick: float) -> Reading:
    import numpy as np

    return Reading(instance, wall_ns, tick, (), np.zeros((0, 6)), np.zeros(0))
