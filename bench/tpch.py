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

from bench.results_file import write
from bench.tpch_data import DATABASE, queries, tpch_server, write_workload
from trimtab.db.connection import connect
from trimtab.embedded.server import Server


def main() -> None:
    arguments = _arguments()
    texts = queries()
    with tempfile.TemporaryDirectory() as directory, tpch_server(arguments.scale) as server:
        workload = Path(directory) / "tpch.sql"
        write_workload(workload, texts)
        before = _measure(server, texts, arguments.runs, arguments.limit)
        document, seconds, peak_mib = _optimize(server, workload, Path(directory), arguments.budget)
        after = _measure(server, texts, arguments.runs, arguments.limit)
    result = _result(before, after, document)
    result |= {"scale": arguments.scale, "optimize_seconds": round(seconds, 1), "peak_mib": round(peak_mib, 1)}
    _print(result)
    print(f"written to {write('tpch', result).relative_to(Path.cwd())}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=3, help="runs per query; the median counts")
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
            [*command, "--apply", "--json"], stdout=file, env={**os.environ, "TRIMTAB_STATE": str(directory)}
        )
        peak_kib = 0
        while process.poll() is None:
            peak_kib = max(peak_kib, _peak_kib(process.pid))
            time.sleep(0.2)
    if process.returncode != 0:
        raise SystemExit(f"trimtab optimize ended with {process.returncode}")
    return json.loads(output.read_text()), time.monotonic() - started, peak_kib / 1024


def _peak_kib(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


def _result(
    before: dict[str, dict[str, float | bool]], after: dict[str, dict[str, float | bool]], document: dict[str, object]
) -> dict[str, object]:
    measured = document["queries"]
    assert isinstance(measured, list)
    replanned = {query["name"] for query in measured if query["plan_changed"]}
    rows = [
        {
            "query": name,
            "plan_changed": name in replanned,
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
        # The others run the identical plan: what differs there is this machine's noise.
        "slowest_change_percent_of_changed_plans": round(
            max((-_number(row["time_saved_percent"]) for row in rows if row["plan_changed"]), default=0.0), 1
        ),
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
        if key != "queries":
            print(f"{key}: {value}")


if __name__ == "__main__":
    main()
