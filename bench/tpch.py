"""TPC-H, 22 queries, from the primary keys only: measured before and after `trimtab optimize --apply`.

The program is run as its user runs it, on an embedded server. A query that reaches the time limit counts as the limit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import fmean, median
from typing import Any

from bench.results_file import write
from bench.tpch_data import DATABASE, queries, tpch_server, write_workload
from trimtab.db.connection import Connection, connect
from trimtab.db.explain import explain
from trimtab.embedded.server import Server
from trimtab.model.workload import Query, QueryKind


def main() -> None:
    arguments = _arguments()
    texts = queries()
    with tempfile.TemporaryDirectory() as directory, tpch_server(arguments.scale) as server:
        workload = Path(directory) / "tpch.sql"
        write_workload(workload, texts)
        before = _measure(server, texts, arguments.runs, arguments.limit)
        document, seconds, peak_mib = _optimize(server, workload, Path(directory), arguments.budget)
        after = _measure(server, texts, arguments.runs, arguments.limit)
        paired = _paired(server, texts, _kept_indexes(document), arguments.pairs, arguments.limit)
    result = _result(before, after, document) | {
        "paired": paired,
        # The others run the identical plan: what differs there is this machine's noise.
        "slowest_change_percent_paired": round(max((row["change_percent"] for row in paired), default=0.0), 1),
    }
    result |= {"scale": arguments.scale, "optimize_seconds": round(seconds, 1), "peak_mib": round(peak_mib, 1)}
    _print(result)
    print(f"written to {write('tpch', result).relative_to(Path.cwd())}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=3, help="runs per query; the median counts")
    parser.add_argument("--pairs", type=int, default=7, help="pairs per query whose plan the kept changes touched")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds after which a query is stopped")
    parser.add_argument("--budget", default="2GB")
    return parser.parse_args()


def _measure(server: Server, texts: dict[str, str], runs: int, limit: float) -> dict[str, dict[str, float | bool]]:
    import psycopg

    levels: dict[str, dict[str, float | bool]] = {}
    with closing(connect(server.dsn(DATABASE), read_only=False, statement_timeout_ms=int(limit * 1000))) as connection:
        for name, text in texts.items():
            times: list[float] = []
            timed_out = False
            for number in range(runs + 1):
                started = time.perf_counter()
                try:
                    connection.execute(text.encode()).fetchall()
                except psycopg.errors.QueryCanceled:
                    timed_out = True
                    times = [limit]
                    break
                if number:  # the first run warms the cache
                    times.append(time.perf_counter() - started)
            levels[name] = {"seconds": median(times), "timed_out": timed_out}
            print(f"  {name} {'≥' if timed_out else ' '} {median(times):8.3f} s", file=sys.stderr)
    return levels


def _optimize(server: Server, workload: Path, directory: Path, budget: str) -> tuple[dict[str, object], float, float]:
    program = Path(sys.executable).parent / "trimtab"
    command: list[str | Path] = [program, "optimize", server.dsn(DATABASE), "--workload", workload, "--budget", budget]
    output = directory / "report.json"
    started = time.monotonic()
    with output.open("w") as file:
        process = subprocess.Popen(
            [*command, "--apply", "--json"],
            stdout=file,
            env={**os.environ, "TRIMTAB_STATE": str(directory)},
        )
        peak_kib = 0
        while process.poll() is None:
            peak_kib = max(peak_kib, _peak_kib(process.pid))
            time.sleep(0.2)
    if process.returncode != 0:
        raise SystemExit(f"trimtab optimize ended with {process.returncode}")
    return json.loads(output.read_text()), time.monotonic() - started, peak_kib / 1024


def _kept_indexes(document: dict[str, object]) -> list[str]:
    """Return the statements that drop the indexes that were kept."""
    strategies = document["strategies"]
    assert isinstance(strategies, list)
    kept = [change for s in strategies if s["outcome"] == "kept" for change in s["changes"]]
    return [c["inverse_sql"].replace(" CONCURRENTLY", "") for c in kept if c["kind"] == "create_index"]


def _paired(server: Server, texts: dict[str, str], drops: list[str], pairs: int, limit: float) -> list[dict[str, Any]]:
    """Time each query whose plan differs without and with the kept indexes, in turn, so that drift falls on both.

    "Without" is a transaction that drops them and is rolled back. A query that reaches the limit is timed once.
    """
    rows: list[dict[str, Any]] = []
    with closing(connect(server.dsn(DATABASE), read_only=False, statement_timeout_ms=int(limit * 1000))) as connection:
        for name, text in texts.items():
            if _shape(connection, text, []) == _shape(connection, text, drops):
                continue
            times: dict[bool, list[float]] = {False: [], True: []}
            for number in range(pairs + 1):
                for has_indexes in (number % 2 == 0, number % 2 != 0):
                    seconds = _seconds(connection, text, [] if has_indexes else drops, limit)
                    times[has_indexes].append(seconds)
                if max(*times[False], *times[True]) >= limit:
                    break
            # The first pair warms the cache.
            without, with_them = (median(times[arm][1:] or times[arm]) for arm in (False, True))
            rows.append(
                {
                    "query": name,
                    "without_s": round(without, 4),
                    "with_s": round(with_them, 4),
                    "change_percent": round(100 * (with_them / without - 1), 1),
                    "pairs": len(times[True]),
                }
            )
    return rows


def _shape(connection: Connection, text: str, drops: list[str]) -> str:
    query = Query("q", "q", text, text, 1.0, QueryKind.READ)
    with connection.transaction(force_rollback=True):
        for statement in drops:
            connection.execute(statement.encode())
        return explain(connection, query).shape_hash


def _seconds(connection: Connection, text: str, drops: list[str], limit: float) -> float:
    import psycopg

    with connection.transaction(force_rollback=True):
        for statement in drops:
            connection.execute(statement.encode())
        started = time.perf_counter()
        try:
            with connection.transaction():
                connection.execute(text.encode()).fetchall()
        except psycopg.errors.QueryCanceled:
            return limit
        return time.perf_counter() - started


def _peak_kib(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


def _result(
    before: dict[str, dict[str, float | bool]], after: dict[str, dict[str, float | bool]], document: dict[str, object]
) -> dict[str, object]:
    rows = [
        {
            "query": name,
            "before_s": round(before[name]["seconds"], 4),
            "after_s": round(after[name]["seconds"], 4),
            "before_timed_out": before[name]["timed_out"],
            "speed_up_percent": round(100 * (before[name]["seconds"] / after[name]["seconds"] - 1), 1),
            "time_saved_percent": round(100 * (1 - after[name]["seconds"] / before[name]["seconds"]), 1),
        }
        for name in before
    ]
    total_before = sum(float(level["seconds"]) for level in before.values())
    total_after = sum(float(level["seconds"]) for level in after.values())
    finished = [row for row in rows if not row["before_timed_out"]]
    strategies = document["strategies"]
    assert isinstance(strategies, list)
    return {
        "queries": rows,
        "total_before_s": round(total_before, 3),
        "total_after_s": round(total_after, 3),
        "total_saved_percent": round(100 * (1 - total_after / total_before), 1),
        "total_saved_percent_without_timed_out": round(
            100 * (1 - sum(_number(r["after_s"]) for r in finished) / sum(_number(r["before_s"]) for r in finished)), 1
        ),
        "mean_speed_up_percent": round(fmean(_number(row["speed_up_percent"]) for row in rows), 1),
        "mean_speed_up_percent_without_timed_out": round(
            fmean(_number(row["speed_up_percent"]) for row in finished), 1
        ),
        "mean_time_saved_percent": round(fmean(_number(row["time_saved_percent"]) for row in rows), 1),
        "slowest_change_percent": round(max(-_number(row["time_saved_percent"]) for row in rows), 1),
        "kept": [s["title"] for s in strategies if s["outcome"] == "kept"],
        "outcomes": {s["id"]: s["outcome"] for s in strategies},
        "stages": document["stages"],
        "twin": document["twin"],
    }


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _print(result: dict[str, object]) -> None:
    rows = result["queries"]
    assert isinstance(rows, list)
    print(f"{'query':>6} {'before s':>10} {'after s':>10} {'speed-up':>10} {'saved':>8}")
    for row in rows:
        mark = "≥" if row["before_timed_out"] else " "
        print(
            f"{row['query']:>6} {mark}{row['before_s']:9.3f} {row['after_s']:10.3f} "
            f"{row['speed_up_percent']:9.1f}% {row['time_saved_percent']:7.1f}%"
        )
    for key, value in result.items():
        if key == "paired":
            for pair in result["paired"]:  # type: ignore[attr-defined]
                print("paired:", pair)
        elif key != "queries":
            print(f"{key}: {value}")


if __name__ == "__main__":
    main()
