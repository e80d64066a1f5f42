"""Building: seconds and real disk of a twin of TPC-DS, of a schema of thousands of objects, and of a terabyte.

Goals: TPC-DS in 3 seconds; 2,000 tables with 8,000 indexes and 500 partitions in 45 seconds and 1.5 GB of real disk; a
terabyte-sized table costs no disk (measured: against the twin of an empty database).
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

from bench.big_schema import TERABYTE_PAGES, create_big_schema, create_terabyte
from bench.twin.part import Part
from bench.twin.sources import Database, Sources, say
from bench.twin.twins import open_twin
from trimtab.db.connection import connect
from trimtab.db.explain import explain
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.plan import Plan
from trimtab.observe.snapshot import take_snapshot

GOALS = {"tpcds_seconds": 3.0, "big_schema_seconds": 45.0, "big_schema_gib": 1.5, "terabyte_mib": 10.0}
RUNS = 5
_SETTINGS = {"max_wal_size": "8GB", "max_locks_per_transaction": "512"}


def run(sources: Sources) -> dict[str, object]:
    tpcds = next(database for database in sources.current.databases if database.name == "tpcds")
    result: dict[str, object] = {"goals": GOALS, "tpcds": _repeated(tpcds)}
    with Server.create(Binaries.find(), purpose="bench-big", settings=_SETTINGS) as server:
        started = time.monotonic()
        counts = create_big_schema(server, "big")
        create_terabyte(server, "terabyte")
        with closing(connect(server.dsn(), read_only=False)) as connection:
            connection.execute(b"create database empty")
        say(f"building: the generated sources in {time.monotonic() - started:.0f} s")
        big = _database(server, "big", "select * from t7 where owner = 3 order by made_at")
        result["big_schema"] = {**counts, **_once(big)}
        empty = _once(_database(server, "empty", "select 1"))
        huge = _once(_database(server, "terabyte", "select kind from terabyte where id between 10 and 20"))
        more = (huge["real_bytes"] - empty["real_bytes"]) / 2**20
        result["terabyte"] = {"table_bytes": TERABYTE_PAGES * 8192, "more_than_empty_mib": round(more, 2), **huge}
    return result


def _repeated(database: Database) -> dict[str, Any]:
    seconds = []
    for _ in range(RUNS):
        with open_twin(database) as opened:
            seconds.append(opened.seconds)
            real = opened.server.size_bytes()
    return {
        "seconds_median": round(median(seconds), 3),
        "seconds_max": round(max(seconds), 3),
        "runs": RUNS,
        "real_bytes": real,
    }


def _once(database: Database) -> dict[str, Any]:
    queries = database.snapshot.workload.queries
    with open_twin(database) as opened, closing(connect(database.dsn, read_only=True)) as source:
        [[plan]] = opened.twin.what_if(queries, [()])
        return {
            "seconds": round(opened.seconds, 3),
            "real_bytes": opened.server.size_bytes(),
            "apparent_bytes": _apparent_bytes(opened.server.data_directory),
            "source_cost": explain(source, queries[0]).cost,
            "twin_cost": plan.cost if isinstance(plan, Plan) else None,
            "problems": list(opened.twin.problems),
        }


def _database(server: Server, name: str, query: str) -> Database:
    dsn = server.dsn(name)
    with tempfile.TemporaryDirectory() as directory, closing(connect(dsn, read_only=True)) as connection:
        workload = Path(directory) / "workload.sql"
        workload.write_text(f"-- name: one\n{query};\n")
        snapshot = take_snapshot(connection, workload, seed=1, progress=lambda _done, _total, _what: None)
    return Database(name, dsn, snapshot, {})


def _apparent_bytes(directory: Path) -> int:
    return sum(
        os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(directory) for name in names
    )


def show(result: dict[str, Any]) -> None:
    tpcds, big, huge = result["tpcds"], result["big_schema"], result["terabyte"]
    print(
        f"TPC-DS: ready in {tpcds['seconds_median']} s (median of {tpcds['runs']}, max {tpcds['seconds_max']}), ",
        end="",
    )
    print(f"{tpcds['real_bytes'] / 2**20:.0f} MiB of disk; goal {GOALS['tpcds_seconds']} s")
    print(
        f"{big['tables']} tables, {big['indexes']} indexes, {big['partitions']} partitions: {big['seconds']} s, "
        f"{big['real_bytes'] / 2**30:.2f} GiB of disk; goals {GOALS['big_schema_seconds']} s, "
        f"{GOALS['big_schema_gib']} GiB"
    )
    print(
        f"a terabyte: {huge['seconds']} s, {huge['more_than_empty_mib']} MiB more than the twin of an empty database; "
        f"files look like {huge['apparent_bytes'] / 2**40:.2f} TiB; cost {huge['source_cost']} on the source, "
        f"{huge['twin_cost']} on the twin"
    )
    for one in (big, huge):
        for problem in one["problems"]:
            print(f"       {problem}")


PART = Part("building", run, show)

if __name__ == "__main__":
    PART.main()
