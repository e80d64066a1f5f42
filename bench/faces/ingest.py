"""A log into the history: 1,247,893 executions of a jsonlog, ingested, fingerprinted and stored. Goal: 60 s.

The log is made here, of 400 different statements with other literals each time, and written before the clock starts.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from bench.results_file import write
from trimtab.history.reading import open_history
from trimtab.lifecycle.ingesting import LogRequest, ingest
from trimtab.observe.logs.source import LocalLogs

EXECUTIONS = 1_247_893
GOAL_SECONDS = 60.0
_STATEMENTS = 400
_SESSIONS = 50
_BEGIN = 1_790_000_000.0


def measure(executions: int = EXECUTIONS) -> None:
    """Run it, print what it took, and write the result."""
    with tempfile.TemporaryDirectory(prefix="faces-ingest-") as name:
        log = Path(name) / "postgresql.json"
        made(log, executions)
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        with open_history(Path(name) / "history.db") as store:
            found = ingest(store, LogRequest("bench", LocalLogs([log])))
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        stored = (Path(name) / "history.db").stat().st_size
        badger = pgbadger(log)
        log_bytes = log.stat().st_size
    assert found.tally.executions == executions, found.tally
    print(f"{executions:,} executions of {found.queries} queries, {log_bytes / 1e6:.0f} MB of jsonlog")
    print(
        f"  ingested and stored in {seconds:.1f} s ({cpu:.1f} s of CPU), {stored / 1e6:.1f} MB; goal {GOAL_SECONDS:g} s"
    )
    told = "not installed" if badger is None else f"{badger['seconds']} s ({badger['cpu_seconds']} s of CPU)"
    print(f"  pgBadger on the same file: {told}")
    write(
        "faces_ingest",
        {
            "executions": executions,
            "queries": found.queries,
            "log_bytes": log_bytes,
            "seconds": round(seconds, 2),
            "cpu_seconds": round(cpu, 2),
            "stored_bytes": stored,
            "peak_memory_kib": after.ru_maxrss,
            "goal_seconds": GOAL_SECONDS,
            "pgbadger": badger,
        },
    )


def made(log: Path, executions: int) -> None:
    """Write a jsonlog as log_min_duration_statement = 0 makes it."""
    random_ = random.Random(20_260_901)
    texts = [
        f"SELECT c{n}, name FROM t{n % 37} WHERE id = {{}} AND name = 'n{{}}' ORDER BY c{n}" for n in range(_STATEMENTS)
    ]
    fixed = {
        "user": "app", "dbname": "shop", "remote_host": "10.0.0.1", "remote_port": 4000, "error_severity": "LOG",
        "backend_type": "client backend", "application_name": "web", "ps": "SELECT", "txid": 0,
        "session_start": "2026-09-01 00:00:00 UTC",
    }  # fmt: skip
    with log.open("w") as file:
        for number in range(executions):
            at = _BEGIN + number * 0.0005
            session = random_.randrange(_SESSIONS)
            text = random_.choice(texts).format(random_.randrange(10**6), random_.randrange(10**6))
            line = {
                "timestamp": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d} UTC",
                "pid": 1000 + session, "session_id": f"6a{session:04x}.{session:x}", "line_num": number,
                "vxid": f"{session}/{number}", "query_id": random_.randrange(1, 1 << 60), **fixed,
                "message": f"duration: {random_.expovariate(0.3):.3f} ms  statement: {text}",
            }  # fmt: skip
            file.write(json.dumps(line) + "\n")


def pgbadger(log: Path) -> dict[str, object] | None:
    """Return how long pgBadger takes for the same file, where it is installed: one process, as it is by itself."""
    program = shutil.which("pgbadger")
    if program is None:
        return None
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="faces-badger-") as out:
        command = [program, "-q", "-f", "jsonlog", "-o", f"{out}/out.html", str(log)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"version": version, "seconds": round(time.perf_counter() - began, 2), "cpu_seconds": round(cpu, 2)}
