"""What logging single executions costs the server: pgbench with each way of it, in turns, against none.

On an embedded server. Every round runs all ways in a drawn order; what is told is the median over rounds of a way's CPU
time per transaction (all processes of the server, the one that writes the log among them) by that of the same round
without logging, with the smallest and the largest, and the rate likewise. CPU time bears other load on the machine, the
rate does not. The statements are short, so that this is near the worst case.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import time
from pathlib import Path
from statistics import median

import psycopg
from psycopg import sql

from bench.results_file import write
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.observe.logs.reader import LogReader
from trimtab.observe.logs.source import LocalLogs

_OFF = {
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_statement_sample_rate": "1",
    "auto_explain.log_min_duration": "-1",
    "auto_explain.log_analyze": "off",
    "auto_explain.log_timing": "on",
    "auto_explain.sample_rate": "1",
    "auto_explain.log_format": "json",
    "auto_explain.log_verbose": "on",
}
_PLANS = {"auto_explain.log_min_duration": "0"}
WAYS: dict[str, dict[str, str]] = {
    "none": {},
    "all durations": {"log_min_duration_statement": "0"},
    "1 % of durations": {"log_min_duration_sample": "0", "log_statement_sample_rate": "0.01"},
    "durations of 100 ms or more": {"log_min_duration_statement": "100"},
    "all plans": _PLANS,
    "1 % of plans": {**_PLANS, "auto_explain.sample_rate": "0.01"},
    "plans of 100 ms or more": {"auto_explain.log_min_duration": "100"},
    "1 % of plans, analyze, no timing": {
        **_PLANS, "auto_explain.sample_rate": "0.01",
        "auto_explain.log_analyze": "on", "auto_explain.log_timing": "off",
    },
}  # fmt: skip
_RATE = re.compile(r"tps = ([0-9.]+)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--transactions", type=int, default=2000, help="of each client of a run; of SELECTs five times")
    parser.add_argument("--scale", type=int, default=5)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    settings = {
        "logging_collector": "on",
        "log_destination": "jsonlog",
        "shared_preload_libraries": "auto_explain",
        "log_file_mode": "0644",
    }
    draw = random.Random(arguments.seed)
    with Server.create(Binaries.find(), purpose="bench-logs", settings=settings) as server:
        server.run("pgbench", "-i", "-q", "-s", str(arguments.scale))
        results = {}
        for script, options in (("select-only", ["-S"]), ("tpcb-like", [])):
            count = arguments.transactions * (5 if options else 1)
            load = [*options, "-M", "prepared", "-c", str(arguments.clients), "-t", str(count), "-n"]
            results[script] = _measure(server, load, count * arguments.clients, arguments.rounds, draw)
        reading = _reading(server)
    for script, rows in results.items():
        print(script)
        for row in rows:
            print("  ", row)
    print(reading)
    found = {"rounds": arguments.rounds, "transactions": arguments.transactions, "clients": arguments.clients}
    path = write("log_overhead", {**found, "ways": results, "reading": reading})
    print(f"written to {path.relative_to(Path.cwd())}")


def _measure(
    server: Server, load: list[str], transactions: int, rounds: int, draw: random.Random
) -> list[dict[str, object]]:
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    costs: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in draw.sample(list(WAYS), len(WAYS)):
            _set(server, WAYS[way])
            before = _cpu_seconds(server)
            done = server.run("pgbench", *load)
            costs[way].append((_cpu_seconds(server) - before) / transactions)
            found = _RATE.search(done.stdout)
            assert found is not None, "pgbench tells its rate"
            rates[way].append(float(found[1]))
    return [
        {
            "way": way,
            "cpu_us": round(1e6 * median(costs[way]), 1),
            "cpu_ratio": _ratios(costs[way], costs["none"]),
            "rate_per_second": round(median(rates[way])),
            "rate_ratio": _ratios(rates[way], rates["none"]),
        }
        for way in WAYS
    ]


def _ratios(values: list[float], bases: list[float]) -> dict[str, float]:
    ratios = sorted(value / base for value, base in zip(values, bases, strict=True))
    return {"median": round(median(ratios), 3), "least": round(ratios[0], 3), "most": round(ratios[-1], 3)}


def _cpu_seconds(server: Server) -> float:
    """Return what the postmaster, its children and those that it has outlived have used so far."""
    postmaster = int((server.data_directory / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    ticks = sum(_ticks(postmaster)) + sum(sum(_ticks(int(child))[:2]) for child in children)
    return ticks / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> list[int]:
    """Return user and system time of a process, and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return [0, 0, 0, 0]
    return [int(field) for field in fields[11:15]]


def _set(server: Server, settings: dict[str, str]) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        for name, value in {**_OFF, **settings}.items():
            conn.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.SQL(name), sql.Literal(value)))
        conn.execute("SELECT pg_reload_conf()")
    time.sleep(0.2)


def _reading(server: Server) -> dict[str, object]:
    """Return how fast the log that this made is read."""
    directory = server.data_directory / "log"
    size = sum(path.stat().st_size for path in directory.glob("*.json"))
    reader = LogReader(LocalLogs([directory]))
    begin = time.process_time()
    queries = {execution.query_id for execution in reader.read()}
    seconds = time.process_time() - begin
    tally = reader.tally
    return {
        "megabytes": round(size / 1e6, 1),
        "entries": tally.entries,
        "executions": tally.executions,
        "queries": len(queries),
        "cpu_seconds": round(seconds, 2),
        "entries_per_cpu_second": round(tally.entries / seconds),
        "left_out": dict(tally.left_out),
    }


if __name__ == "__main__":
    main()
