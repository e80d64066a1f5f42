"""What `trimtab watch` costs: over 5,000 distinct statements that all run, at an interval of 10 s, on a real server.

The watcher is a process of its own. First it runs fast until it has read and learnt all statements (told apart), then
at 10 s for some minutes, in which its processor time and memory, those of its session on the server, and those of the
whole server are taken. One command: `python -m bench.anchors.watch [MINUTES] [--plain]`.

The watcher runs with what the unit of docs/watch.md sets for its memory; `--plain` leaves that out. Where the machine
takes back memory that rests, a round costs what it takes to bring it again: `rested_memory_times` tells how many times
as long a walk over Python's objects takes after ten seconds of rest, in a process of its own before the rest.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from bench.results_file import write
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

STATEMENTS, COLUMNS = 5000, 72
RATE = 1000
"""Calls per second that the application makes: each statement runs twice in 10 s."""
INTERVAL, WARM_INTERVAL = 10.0, 0.5
LEARN_ROUNDS = 360
MINUTES = 5.0
LIMITS = {"watcher_core_percent": 2.0, "watcher_rss_mb": 150.0, "server_cpu_percent": 1.0}
SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.max": "10000",
    "max_connections": "20",
}


def main() -> None:
    if sys.argv[1:2] == ["--client"]:
        with suppress(KeyboardInterrupt):
            work(sys.argv[2])
        return
    if sys.argv[1:2] == ["--walk"]:
        print(rested_memory_times())
        return
    arguments = [argument for argument in sys.argv[1:] if argument != "--plain"]
    minutes = float(arguments[0]) if arguments else MINUTES
    memory = {} if "--plain" in sys.argv else _unit_memory()
    walk = subprocess.run([sys.executable, "-m", "bench.anchors.watch", "--walk"], stdout=subprocess.PIPE, check=True)
    with tempfile.TemporaryDirectory(prefix="ttb-") as scratch:
        Path(scratch).chmod(0o711)
        os.environ["TRIMTAB_STATE"] = scratch
        with Server.create(Binaries.find(), purpose="bench-watch", settings=SETTINGS) as server:
            prepare(server)
            with _process([sys.executable, "-m", "bench.anchors.watch", "--client", server.dsn()]):
                filled = _wait_until_filled(server)
                learning = warm_up(server, memory)
                found = measure(server, minutes, memory)
    result: dict[str, object] = {
        "statements": filled,
        "calls_per_second": RATE,
        "interval_seconds": INTERVAL,
        "minutes": minutes,
        "memory": memory,
        "rested_memory_times": float(walk.stdout),
        **found,
        "learning": learning,
        "limits": LIMITS,
        "within": {name: bool(float(str(found[name])) <= limit) for name, limit in LIMITS.items()},
    }
    for name, value in result.items():
        print(f"{name:>24}: {value}")
    print(f"written to {write('anchors_watch', result).relative_to(Path.cwd())}")


def prepare(server: Server) -> None:
    columns = [f"c{number}" for number in range(COLUMNS)]
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute("CREATE EXTENSION pg_stat_statements")
        values = ", ".join(f"g % {number + 2} AS {name}" for number, name in enumerate(columns))
        conn.execute(f"CREATE TABLE wide AS SELECT g AS id, {values} FROM generate_series(1, 10000) g".encode())
        conn.execute("ALTER TABLE wide ADD PRIMARY KEY (id)")
        conn.execute("ANALYZE wide")


def work(dsn: str) -> None:
    """Run all statements in turn, at a steady rate, until killed."""
    pairs = itertools.permutations(range(COLUMNS), 2)
    texts = [f"SELECT c{a}, c{b} FROM wide WHERE id = %s".encode() for a, b in itertools.islice(pairs, STATEMENTS)]
    batch = RATE // 10
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as conn:
        due, number = time.monotonic(), 0
        while True:
            with conn.pipeline():
                for _ in range(batch):
                    conn.execute(texts[number % STATEMENTS], (number % 10000 + 1,))
                    number += 1
            due = max(due + 0.1, time.monotonic() - 1.0)
            time.sleep(max(due - time.monotonic(), 0.0))


def rested_memory_times() -> float:
    """How many times as long a walk over many objects takes after a rest as it takes at once."""
    objects = [{"number": number, "pair": (number, number + 1)} for number in range(100_000)]
    seconds = []
    for rest in (0.0, 0.0, INTERVAL):
        time.sleep(rest)
        started = time.process_time()
        sum(each["pair"][1] for each in objects)  # type: ignore[index]
        seconds.append(time.process_time() - started)
    return round(seconds[2] / seconds[1], 1)


def warm_up(server: Server, memory: dict[str, str]) -> dict[str, object]:
    """Let a watcher read all statements and learn; return what that took."""
    with _watcher(server, WARM_INTERVAL, memory) as watcher:
        while True:
            status = _status()
            if status and status["state"] == "watching" and status["judged"] and not _unread(status):
                break
            if watcher.poll() is not None:
                raise SystemExit(f"the watcher ended: {watcher.returncode}")
            time.sleep(5.0)
        rounds, cpu = int(str(status["rounds"])), _cpu(watcher.pid)
        return {
            "rounds": rounds,
            "cpu_seconds": round(cpu, 2),
            "core_percent_at_10_s": round(100 * cpu / rounds / INTERVAL, 2),
            "rss_mb": round(_rss(watcher.pid) / 2**20, 1),
        }


def measure(server: Server, minutes: float, memory: dict[str, str]) -> dict[str, object]:
    """Return what the watcher costs at 10 s, once it knows everything."""
    with _watcher(server, INTERVAL, memory) as watcher:
        time.sleep(2 * INTERVAL + 1)
        session, postmaster = _session(server), _postmaster(server)
        before = _cpu(watcher.pid), _cpu(session), _server_cpu(postmaster)
        began, largest = time.monotonic(), 0
        while time.monotonic() - began < minutes * 60:
            time.sleep(1.0)
            largest = max(largest, _rss(watcher.pid))
        seconds = time.monotonic() - began
        after = _cpu(watcher.pid), _cpu(session), _server_cpu(postmaster)
        own, theirs, whole = (now - then for now, then in zip(after, before, strict=True))
        status = _status()
    cores = os.cpu_count() or 1
    return {
        "watcher_core_percent": round(100 * own / seconds, 3),
        "watcher_rss_mb": round(largest / 2**20, 1),
        "server_cpu_percent": round(100 * theirs / seconds / cores, 3),
        "server_core_percent": round(100 * theirs / seconds, 3),
        "of_the_server_s_own_work_percent": round(100 * theirs / whole, 2) if whole else None,
        "server_whole_core_percent": round(100 * whole / seconds, 1),
        "rounds": status["rounds"],
        "skipped_ticks": status["skipped_ticks"],
        "judged": status["judged"],
        "judged_share": round(float(str(status["judged_share"])), 4),
        "open_alarms": len(status["open_alarms"]),  # type: ignore[arg-type]
        "store_mb": round(status["store"]["size_bytes"] / 2**20, 1),  # type: ignore[index]
    }


@contextmanager
def _watcher(server: Server, interval: float, memory: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    program = str(Path(sys.executable).parent / "trimtab")
    options = ["--interval", f"{interval:g}s", "--learn", str(LEARN_ROUNDS), "--quiet"]
    with _process([program, "watch", server.dsn(), *options], memory) as process:
        yield process


def _unit_memory() -> dict[str, str]:
    """What the unit of the documentation sets for the watcher's memory."""
    page = (Path(__file__).parents[2] / "docs" / "watch.md").read_text("utf-8")
    return dict(re.findall(r"^Environment=(PYTHONMALLOC|GLIBC_TUNABLES)=(.+)$", page, re.MULTILINE))


@contextmanager
def _process(command: list[str], environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _status() -> dict[str, object]:
    program = str(Path(sys.executable).parent / "trimtab")
    done = subprocess.run([program, "watch", "--status", "--json"], capture_output=True, check=False)
    try:
        found = json.loads(done.stdout)["watches"][0]
    except (ValueError, KeyError, IndexError):
        return {}
    assert isinstance(found, dict)
    return found


def _unread(status: dict[str, object]) -> bool:
    reasons = [each["reason"] for each in status["not_judged"]]  # type: ignore[attr-defined]
    return "not read yet" in reasons


def _wait_until_filled(server: Server) -> int:
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        while True:
            row = conn.execute(
                "SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%FROM wide WHERE%'"
            ).fetchone()
            assert row is not None
            if row[0] >= STATEMENTS:
                return int(row[0])
            time.sleep(1.0)


def _session(server: Server) -> int:
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        row = conn.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'trimtab watch'").fetchone()
        assert row is not None, "the watcher has no session"
        return int(row[0])


def _postmaster(server: Server) -> int:
    return int((server.data_directory / "postmaster.pid").read_text().split()[0])


def _stat(pid: int) -> list[str]:
    """The fields of a process from its state on: the name before them may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _cpu(pid: int) -> float:
    """Seconds of processor time of a process."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss(pid: int) -> int:
    """Bytes of memory of a process."""
    return int(_stat(pid)[21]) * os.sysconf("SC_PAGE_SIZE")


def _server_cpu(postmaster: int) -> float:
    """Seconds of a server, of the processes that have ended too."""
    while True:
        fields = _stat(postmaster)
        ended = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        with suppress(FileNotFoundError, ProcessLookupError):  # one has ended since: it counts among the ended now
            return ended + _cpu(postmaster) + sum(_cpu(int(child)) for child in children)


if __name__ == "__main__":
    main()
