"""Reads what a server and its machine use of CPU and memory, where the server runs on this machine (Linux).

A server that is reached by a socket is looked up by the process that serves us, whose parent is its first one. Reads
`/proc` alone, and gives nothing where it cannot be sure that a process is the server's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trimtab.db.connection import Connection
from trimtab.model.pulse import Counted, MetricName

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Host:
    """What was read: `counters` in seconds of CPU, `gauges` in bytes."""

    counters: Mapping[MetricName, Counted]
    gauges: Mapping[MetricName, float]


def postmaster_of(conn: Connection) -> int | None:
    """Return the process id of the server's first process on this machine, None where it is not here."""
    if not conn.info.host.startswith("/"):
        return None
    serving = _stat(conn.info.backend_pid)
    if serving is None or not serving.name.startswith("postgres"):
        return None
    first = _stat(serving.parent)
    return serving.parent if first is not None and first.name.startswith(("postgres", "postmaster")) else None


def read_host(postmaster: int) -> Host | None:
    """Return what the server's processes and this machine have used so far; None when the server is gone."""
    first = _stat(postmaster)
    if first is None:
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    used = first.cpu + first.cpu_of_ended
    memory = 0
    for child in _children(postmaster):
        found = _stat(child)
        if found is not None:
            used += found.cpu + found.cpu_of_ended
            memory += _private_bytes(child)
    total, busy = _machine_cpu()
    gauges: dict[MetricName, float] = {
        ("memory", "server_bytes"): float(memory + _private_bytes(postmaster)),
        **_machine_memory(),
    }
    counters: dict[MetricName, Counted] = {
        ("cpu", "server_seconds"): Counted(used / ticks),
        ("cpu", "host_seconds"): Counted(total / ticks),
        ("cpu", "host_busy_seconds"): Counted(busy / ticks),
    }
    return Host(counters, gauges)


@dataclass(frozen=True, slots=True)
class _Process:
    name: str
    parent: int
    cpu: int
    cpu_of_ended: int


def _stat(pid: int) -> _Process | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text("ascii", "replace")
        name = text[text.index("(") + 1 : text.rindex(")")]
        fields = text[text.rindex(")") + 2 :].split()
        return _Process(name, int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14]))
    except (OSError, ValueError, IndexError):
        return None


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in (_PROC / str(pid) / "task" / str(pid) / "children").read_text().split()]
    except (OSError, ValueError):
        return []


def _private_bytes(pid: int) -> int:
    """Resident memory that is not shared: shared buffers would count once a process."""
    try:
        fields = (_PROC / str(pid) / "statm").read_text().split()
        return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _machine_cpu() -> tuple[int, int]:
    """Return ticks that went by on all CPUs, and those in which they were at work."""
    try:
        fields = [int(field) for field in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return 0, 0
    return sum(fields), sum(fields) - fields[3] - fields[4]


def _machine_memory() -> dict[MetricName, float]:
    try:
        lines = (_PROC / "meminfo").read_text().splitlines()
        known = {line.partition(":")[0]: float(line.split()[1]) * 1024 for line in lines[:8]}
    except (OSError, ValueError, IndexError):
        return {}
    if "MemTotal" not in known or "MemAvailable" not in known:
        return {}
    return {("memory", "total_bytes"): known["MemTotal"], ("memory", "available_bytes"): known["MemAvailable"]}
