"""Fidelity: plans and costs of the twin against the source's own, with the indexes that exist.

Three workloads: TPC-H (22 queries), TPC-DS (99), the demo's shop. Goals for the same major version: at least 99 % of
the costs within 1 %, at least 98 % of the shapes equal. A twin of another version than its source is reported only.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

from bench.twin.numbers import share
from bench.twin.part import Part
from bench.twin.sources import Database, Source, Sources
from bench.twin.twins import OpenTwin, open_twin, twin_binaries
from trimtab.db.connection import connect

GOALS = {"within_1_percent": 0.99, "same_shape": 0.98}


def run(sources: Sources) -> dict[str, object]:
    runs: list[dict[str, Any]] = []
    for source in (sources.current, sources.older):
        if source is not None:
            runs += _of_source(source)
    return {"goals_same_version": GOALS, "runs": runs}


def _of_source(source: Source) -> list[dict[str, Any]]:
    runs: dict[int, dict[str, Any]] = {}
    for binaries in twin_binaries(source):
        workloads = []
        for database in source.databases:
            with open_twin(database, binaries) as opened:
                major = opened.major
                if major in runs:
                    break  # These binaries gave way to those of a version that was measured already.
                workloads.append(_of_workload(database, opened))
        if workloads:
            runs[major] = _summed(source.major, major, workloads)
    return list(runs.values())


def _of_workload(database: Database, opened: OpenTwin) -> dict[str, Any]:
    queries = database.snapshot.workload.queries
    with closing(connect(database.dsn, read_only=True)) as connection:
        found = opened.twin.fidelity(connection, queries)
    names = {query.id: query.name for query in queries}
    rows = [
        {
            "query": names[one.query_id],
            "source_cost": one.source_cost,
            "twin_cost": one.twin_cost,
            "within_1_percent": one.is_within_1_percent,
            "same_shape": one.same_shape,
            "first_difference": one.first_difference,
        }
        for one in found.queries
    ]
    return {
        "database": database.name,
        **_shares(rows),
        "skipped": [{"query": s.name, "code": s.code} for s in database.snapshot.workload.skipped],
        "problems": list(opened.twin.problems),
        "build_seconds": round(opened.seconds, 3),
        "queries": rows,
    }


def _summed(source_major: int, twin_major: int, workloads: list[dict[str, Any]]) -> dict[str, Any]:
    rows = [row for workload in workloads for row in workload["queries"]]
    shares = _shares(rows)
    is_same = source_major == twin_major
    reached = {name: shares[name] >= goal for name, goal in GOALS.items()} if is_same else {}
    return {"source": source_major, "twin": twin_major, **shares, "reached": reached, "workloads": workloads}


def _shares(rows: list[dict[str, Any]]) -> dict[str, Any]:
    count = len(rows)
    return {
        "count": count,
        "within_1_percent": share(sum(row["within_1_percent"] for row in rows), count),
        "same_shape": share(sum(row["same_shape"] for row in rows), count),
    }


def show(result: dict[str, Any]) -> None:
    print(f"{'source':>6} {'twin':>5} {'workload':>9} {'queries':>8} {'costs within 1 %':>17} {'same shape':>11}")
    for one in result["runs"]:
        for row in (*one["workloads"], {"database": "all", **one}):
            print(
                f"{one['source']:>6} {one['twin']:>5} {row['database']:>9} {row['count']:>8} "
                f"{row['within_1_percent']:>16.2%} {row['same_shape']:>10.2%}"
            )
        for workload in one["workloads"]:
            print_problems(workload)
            for row in workload["queries"]:
                # Between versions other shapes are the rule: those of equal costs are in the file alone.
                if not (row["within_1_percent"] and (row["same_shape"] or one["source"] != one["twin"])):
                    print(
                        f"       {workload['database']} {row['query']}: {row['source_cost']} on the source,"
                        f" {row['twin_cost']} on the twin; {row['first_difference'] or 'same shape'}"
                    )


def print_problems(workload: dict[str, Any]) -> None:
    for problem in workload["problems"]:
        print(f"       {workload['database']}: {problem}")
    for skipped in workload["skipped"]:
        print(f"       {workload['database']} {skipped['query']} was skipped: {skipped['code']}")


PART = Part("fidelity", run, show)

if __name__ == "__main__":
    PART.main()
