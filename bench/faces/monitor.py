"""The monitor over 47 embedded servers with load, at a refresh of a second, in a terminal of 160 by 50.

Goals: 0.6 of a core and 350 MB for Trimtab; 1 % of a core of each server for being looked at, which is what the process
that serves the monitor there uses. The load is small statements, some a second on each server, from one process.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import psycopg

from bench.results_file import write
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server

SERVERS, SECONDS, WARM_UP_SECONDS = 47, 60.0, 20.0
GOAL_CORES, GOAL_MB, GOAL_SERVER_SHARE = 0.6, 350.0, 0.01
_STATEMENTS = (
    "SELECT count(*) FROM t WHERE id < %s",
    "SELECT f FROM t WHERE id = %s",
    "UPDATE t SET f = f WHERE id = %s",
)
_SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "shared_buffers": "16MB",
    "max_connections": "10",
}


def measure(servers: int = SERVERS, seconds: float = SECONDS) -> None:
    """Run it, print what it took, and write the result."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faces-monitor-")))
        started = [
            stack.enter_context(Server.create(Binaries.find(), purpose=f"bench-{number}", settings=_SETTINGS))
            for number in range(servers)
        ]
        for server in started:
            _filled(server)
        _configured(directory, started)
        stack.enter_context(_load(started))
        program = stack.enter_context(_monitor(directory))
        time.sleep(WARM_UP_SECONDS)
        backends = {server: _backend(server) for server in started}
        began, cpu = time.monotonic(), _cpu(program.pid)
        served = {server: _cpu(pid) for server, pid in backends.items()}
        time.sleep(seconds)
        elapsed = time.monotonic() - began
        cores = (_cpu(program.pid) - cpu) / elapsed
        memory_mb, peak_mb = _memory_mb(program.pid)
        shares = [(_cpu(backends[server]) - before) / elapsed for server, before in served.items()]
    print(f"{servers} servers at 1 s for {elapsed:.0f} s: {cores:.2f} cores (goal {GOAL_CORES}), {memory_mb:.0f} MB")
    print(f"  peak {peak_mb:.0f} MB (goal {GOAL_MB:g}); of a server's core, median {100 * median(shares):.2f} %,")
    print(f"  most {100 * max(shares):.2f} % (goal {100 * GOAL_SERVER_SHARE:g} %)")
    write(
        "faces_monitor",
        {
            "servers": servers, "seconds": round(elapsed, 1), "cores": round(cores, 3),
            "memory_mb": round(memory_mb, 1), "peak_memory_mb": round(peak_mb, 1),
            "server_share_median": round(median(shares), 5),
            "server_share_most": round(max(shares), 5), "goal_cores": GOAL_CORES, "goal_memory_mb": GOAL_MB,
            "goal_server_share": GOAL_SERVER_SHARE, "load_average": os.getloadavg()[0],
        },
    )  # fmt: skip


def _filled(server: Server) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute("CREATE EXTENSION pg_stat_statements")
        conn.execute("CREATE TABLE t AS SELECT g AS id, repeat('x', 40) AS f FROM generate_series(1, 2000) g")
        conn.execute("CREATE INDEX ON t (id)")


def _configured(directory: Path, servers: list[Server]) -> None:
    entries = [f'[databases.server{n:02d}]\ndsn = "{server.dsn()}"\n' for n, server in enumerate(servers)]
    (directory / "trimtab.toml").write_text("".join(entries) + f'[defaults]\nstate = "{directory}/state"\n')


@contextmanager
def _load(servers: list[Server]) -> Iterator[None]:
    """Work on all servers from a process of its own, until the end."""
    command = [sys.executable, "-m", "bench.faces.monitor", "--load", *(server.dsn() for server in servers)]
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.kill()


def _worked(dsns: list[str]) -> None:
    connections = [psycopg.connect(dsn, autocommit=True) for dsn in dsns]
    for turn in range(1 << 30):
        began = time.monotonic()
        for number, conn in enumerate(connections):
            conn.execute(_STATEMENTS[(turn + number) % len(_STATEMENTS)], (turn % 2000,))
        time.sleep(max(0.25 - (time.monotonic() - began), 0.01))


@contextmanager
def _monitor(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The monitor as a person starts it, in a pseudo-terminal that is read all the time."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
    program = shutil.which("trimtab")
    assert program is not None, "the benchmark runs in an environment where trimtab is installed"
    environment = {**os.environ, "TERM": "xterm-256color"}

    def drained() -> None:
        try:
            while os.read(mine, 65_536):
                pass
        except OSError:
            return

    command = [program, "monitor"]
    with subprocess.Popen(command, cwd=directory, stdin=its, stdout=its, stderr=its, env=environment) as process:
        threading.Thread(target=drained, daemon=True).start()
        try:
            yield process
        finally:
            os.write(mine, b"q")
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
            os.close(its)
            os.close(mine)


def _backend(server: Server) -> int:
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        row = conn.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'trimtab monitor'").fetchone()
    assert row is not None, "the monitor looks at this server"
    return int(row[0])


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> tuple[float, float]:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return tuple(int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--load", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--servers", type=int, default=SERVERS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    if given.load:
        _worked(given.load)
    else:
        measure(given.servers, given.seconds)
