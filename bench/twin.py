"""The statistics twin on TPC-H scale 1: seconds until it is ready, and its plan costs against the source's."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median

from bench.results_file import write
from bench.tpch_data import DATABASE, queries, tpch_server, write_workload
from trimtab.db.connection import connect
from trimtab.embedded.binaries import Binaries
from trimtab.observe.snapshot import take_snapshot
from trimtab.twin.twin import Twin

RUNS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, tpch_server(1.0) as server:
        workload = Path(directory) / "tpch.sql"
        write_workload(workload, queries())
        with closing(connect(server.dsn(DATABASE), read_only=True)) as source:
            snapshot = take_snapshot(source, workload, seed=1, progress=lambda _done, _total, _what: None)
            seconds = []
            for _ in range(RUNS):
                started = time.perf_counter()
                with Twin.build(
                    server.dsn(DATABASE), snapshot, Binaries.find(), progress=lambda _done, _total, _what: None
                ) as twin:
                    seconds.append(time.perf_counter() - started)
                    fidelity = twin.fidelity(source, snapshot.workload.queries)
    summary = fidelity.summary()
    rows = [
        {
            "query": next(q.name for q in snapshot.workload.queries if q.id == f.query_id),
            "source_cost": f.source_cost,
            "twin_cost": f.twin_cost,
            "same_shape": f.same_shape,
        }
        for f in fidelity.queries
    ]
    result: dict[str, object] = {
        "ready_seconds_median": round(median(seconds), 3),
        "ready_seconds_max": round(max(seconds), 3),
        "runs": RUNS,
        "summary": summary,
        "queries": rows,
    }
    for row in rows:
        print(f"{row['query']:>6} {row['source_cost']:>14} {row['twin_cost']:>14}  same shape: {row['same_shape']}")
    print(f"ready in {median(seconds):.2f} s (median of {RUNS}, max {max(seconds):.2f}); {summary}")
    print(f"written to {write('twin', result).relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
