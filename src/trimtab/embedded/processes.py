"""Decides which processes belong to a directory of ours, and ends them.

A process belongs when it is a PostgreSQL program (or the `cp` that fills a data directory) and works inside that
directory, or a dump or a restore whose file lies there: these may run where their caller is, whose connection strings
name files from there. Its number alone proves nothing, because numbers are reused. It never signals any other process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

_OURS = frozenset({"postgres", "initdb", "psql", "pgbench", "vacuumdb", "reindexdb", "cp"})
_ARCHIVING = frozenset({"pg_dump", "pg_restore"})
_QUIT_SECONDS = 10.0
_POLL_SECONDS = 0.01


def processes_in(directory: Path) -> dict[int, str]:
    """Return the number and the name of every PostgreSQL process that works in `directory`, or on files in there."""
    if sys.platform == "linux":
        return _by_working_directory(directory)
    return _by_command_line(directory)


def end_processes(directory: Path) -> None:
    """End every process that belongs to `directory` and wait until they are gone (about ten seconds at most).

    A postmaster is asked for an immediate shutdown first: so it removes its shared memory. A dump is asked to end: so
    it cancels what the source does for it. The rest is killed.
    """
    alive = processes_in(directory)
    if not alive:
        return
    postmaster = _postmaster(directory)
    if alive.get(postmaster) == "postgres":
        _signal(postmaster, signal.SIGQUIT, directory)
        others = {pid for pid, name in alive.items() if name != "postgres"}
    else:
        others = set(alive)
    for pid in others:
        _signal(pid, signal.SIGTERM if alive[pid] == "pg_dump" else signal.SIGKILL, directory)
    if not _wait_gone(directory):
        for pid in processes_in(directory):
            _signal(pid, signal.SIGKILL, directory)
        _wait_gone(directory)


def _by_working_directory(directory: Path) -> dict[int, str]:
    root = os.path.realpath(directory)
    numbers = (int(entry) for entry in os.listdir("/proc") if entry.isdecimal())
    return {pid: name for pid in numbers if (name := _name_inside(pid, root)) is not None}


def _name_inside(pid: int, root: str) -> str | None:
    try:
        where = os.readlink(f"/proc/{pid}/cwd")
        name = Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
        if where == root or where.startswith(root + os.sep):
            return name if name in _OURS or name.startswith("pg_") else None
        if name in _ARCHIVING and _names_a_file(Path(f"/proc/{pid}/cmdline").read_bytes(), root):
            return name
    except OSError:  # It ended meanwhile, or it is another user's.
        pass
    return None


def _names_a_file(arguments: bytes, root: str) -> bool:
    inside = os.fsencode(root + os.sep)
    return any(argument.startswith((inside, b"--file=" + inside)) for argument in arguments.split(b"\0"))


def _by_command_line(directory: Path) -> dict[int, str]:
    # Of a server only the postmaster shows its directory there; its children follow when it goes.
    listing = subprocess.run(
        ["/bin/ps", "-axo", "pid=,command="], capture_output=True, check=False, encoding="utf-8", errors="replace"
    )
    found = {}
    for line in listing.stdout.splitlines():
        number, _, command = line.strip().partition(" ")
        name = Path(command.split(" -")[0]).name
        if name in _ARCHIVING | {"postgres"} and f"{os.path.realpath(directory)}{os.sep}" in command:
            found[int(number)] = name
    return found


def _postmaster(directory: Path) -> int:
    try:
        return int((directory / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return 0


def _signal(pid: int, number: signal.Signals, directory: Path) -> None:
    with suppress(ProcessLookupError):
        if sys.platform != "linux":
            os.kill(pid, number)
            return
        # A descriptor pins the process: its number cannot pass to another one between the look and the shot.
        descriptor = os.pidfd_open(pid)
        try:
            if _name_inside(pid, os.path.realpath(directory)) is not None:
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def _wait_gone(directory: Path) -> bool:
    deadline = time.monotonic() + _QUIT_SECONDS
    while processes_in(directory):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
