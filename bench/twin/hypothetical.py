"""Hypothetical against really built: a query's cost with the index on the twin, and with the real one on the source.

Each candidate is built really, every query that names its table is planned, and the index is dropped again. A pair
counts when the real plan uses the index; of each index at most MAX_PAIRS pairs, the first by name, so that no table of
dates decides the figures. The same pairs on the older source are also asked of HypoPG, where it is installed.
Statistics, pages and rows of the table are the same before and after a build: see parking.py. The twin may read bounded
samples of the source; what it answers without stands beside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from typing import Any

from bench.twin import hypopg
from bench.twin.designs import Design, candidates
from bench.twin.numbers import share, spread
from bench.twin.parking import build, drop
from bench.twin.part import Part
from bench.twin.sources import Database, Source, Sources, say
from bench.twin.twins import open_twin, twin_binaries
from trimtab.db.connection import Connection, connect
from trimtab.db.explain import explain
from trimtab.errors import TrimtabError
from trimtab.model.plan import Plan, PlanNode
from trimtab.model.whatif import PlanFailure
from trimtab.model.workload import Query
from trimtab.twin.twin import Twin

GOALS = {"pairs": 100, "median_percent": 0.1, "p90_percent": 1.0, "max_percent": 8.0}
MAX_PAIRS = 6
NO_SAMPLE = "_no_sample"
WORST = 10

Row = dict[str, Any]


def run(sources: Sources) -> dict[str, object]:
    with ThreadPoolExecutor() as pool:  # The sources at the same time: half of the work is planning, on one core each.
        rows = list(chain.from_iterable(pool.map(_of_source, filter(None, (sources.current, sources.older)))))
    return {"goals": GOALS, "summary": _summaries(rows), "pairs": rows}


def _of_source(source: Source) -> list[Row]:
    rows: list[Row] = []
    for database in source.databases:
        say(f"hypothetical: {database.name} on {source.major}")
        rows += _of_database(source, database)
    return rows


def _of_database(source: Source, database: Database) -> list[Row]:
    designs = candidates(database.name)
    with closing(connect(database.dsn, read_only=False)) as connection:
        hypothetical_pages = hypopg.sizes(connection, [design.change for design in designs])
        rows = [row for design in designs for row in _real(connection, database, design)]
        for row in rows:
            row |= {"source": source.major}
        hypopg.ask(connection, rows)
        for row in rows:
            row["hypopg_size_ratio"] = _ratio(hypothetical_pages.get(row["index"]), row["real_bytes"])
    for binaries in twin_binaries(source):
        for with_sample in (True, False):
            with open_twin(database, binaries, workers=1, with_sample=with_sample) as opened:
                engine = f"twin_{opened.major}" + ("" if with_sample else NO_SAMPLE)
                if not any(engine in row for row in rows):
                    _ask(opened.twin, rows, engine)
    return [{key: row[key] for key in row if key not in ("design", "asked", "plan")} for row in rows]


def _ask(twin: Twin, rows: list[Row], engine: str) -> None:
    """Add the twin's answer to each row."""
    changes = {row["index"]: row["design"].change for row in rows}
    sizes = dict(zip(changes, twin.size_bytes(list(changes.values())), strict=True))
    for index, change in changes.items():
        mine = [row for row in rows if row["index"] == index]
        [plans] = twin.what_if([row["asked"] for row in mine], [(change,)])
        for row, plan in zip(mine, plans, strict=True):
            row[engine] = _answer(row, plan, sizes[index])


def _real(connection: Connection, database: Database, design: Design) -> Iterator[Row]:
    """Yield a row per query whose plan on the source uses the really built index."""
    table = design.change.table
    build(connection, design, database.parked)
    row = connection.execute("select pg_relation_size($1::regclass)", (design.change.name,)).fetchone()
    assert row is not None
    found = 0
    for query in _naming(table, database.snapshot.workload.queries):
        plan = _plan(connection, query)
        if plan is None or design.change.name not in plan.indexes:
            continue
        yield {
            "database": database.name,
            "query": query.name,
            "index": design.definition,
            "kind": design.kind,
            "real_bytes": row[0],
            "real_cost": plan.cost,
            "design": design,
            "asked": query,
            "plan": plan,
        }
        found += 1
        if found == MAX_PAIRS:
            break
    drop(connection, design, database.parked)


def _naming(table: str, queries: Sequence[Query]) -> list[Query]:
    word = re.compile(rf"\b{table}\b")
    return sorted((query for query in queries if word.search(query.text)), key=lambda query: query.name)


def _plan(connection: Connection, query: Query) -> Plan | None:
    try:
        return explain(connection, query)
    except TrimtabError:
        return None


def _answer(row: Row, plan: Plan | PlanFailure, size: int | None) -> Row:
    if isinstance(plan, PlanFailure):
        return {"cost": None, "error_percent": None, "why": f"not planned: {plan.reason}"}
    real: Plan = row["plan"]
    ratio = _ratio(size, row["real_bytes"])
    if ratio is None:
        return {"cost": None, "error_percent": None, "why": "the index is not estimated"}
    return {
        "cost": plan.cost,
        "error_percent": error_percent(plan.cost, real.cost),
        "same_shape": plan.shape_hash == real.shape_hash,
        "size_ratio": ratio,
        "why": _why(real, plan, row["design"].change.name, ratio),
    }


def error_percent(cost: float, real: float) -> float:
    """Return by how many percent of the real cost a cost is off."""
    return round(100 * abs(cost - real) / real, 4)


def _why(real: Plan, twin: Plan, index: str, ratio: float) -> str:
    """Say what differs first: whether the index is used, its rows, its size, or something beside it."""
    if index not in twin.indexes:
        return f"the index is not used on the twin; size x {ratio}"
    mine, theirs = _scan(twin, index), _scan(real, index)
    if mine.rows != theirs.rows:
        return f"{theirs.rows:g} rows of the index with the real one, {mine.rows:g} on the twin; size x {ratio}"
    shape = "" if real.shape_hash == twin.shape_hash else "; another shape"
    return f"index scan costs {theirs.total_cost:g} really, {mine.total_cost:g} on the twin; size x {ratio}{shape}"


def _scan(plan: Plan, index: str) -> PlanNode:
    return next(node for node in plan.root.walk() if node.index == index)


def _ratio(estimate: int | None, real: int) -> float | None:
    return None if estimate is None else round(estimate / real, 3)


def _summaries(rows: list[Row]) -> list[Row]:
    """Per source and engine: all of its pairs; and on pairs that HypoPG answered, both engines."""
    found = []
    for source in sorted({row["source"] for row in rows}, reverse=True):
        mine = [row for row in rows if row["source"] == source]
        engines = sorted({key for row in mine for key in row if re.fullmatch(r"twin_.*|hypopg", key)})
        both = [row for row in mine if "hypopg" in row]
        for engine in engines:
            found.append(_summary(source, engine, "all", [row for row in mine if engine in row]))
            if both and engine != "hypopg":
                found.append(_summary(source, engine, "those of HypoPG", both))
    return found


def _summary(source: int, engine: str, which: str, rows: list[Row]) -> Row:
    answers = [row[engine] for row in rows]
    errors = [answer["error_percent"] for answer in answers if answer["error_percent"] is not None]
    numbers = spread(errors)
    is_same = engine == f"twin_{source}"
    reached = None
    if is_same and which == "all" and errors:
        goals = {"pairs": len(errors) >= GOALS["pairs"]}
        goals |= {name: (numbers[name] or 0) <= GOALS[f"{name}_percent"] for name in ("median", "p90", "max")}
        reached = goals
    return {
        "source": source,
        "engine": engine,
        "pairs": which,
        "indexes": len({(row["database"], row["index"]) for row in rows}),
        **numbers,
        "not_answered": len(rows) - len(errors),
        "same_shape": share(sum(bool(answer.get("same_shape")) for answer in answers), len(rows)),
        "reached": reached,
    }


def show(result: dict[str, Any]) -> None:
    print(
        f"{'source':>6} {'engine':>17} {'pairs':>16} {'count':>6} {'median %':>8} {'p90 %':>9} {'max %':>9}"
        f" {'shape':>7}"
    )
    for one in result["summary"]:
        print(
            f"{one['source']:>6} {one['engine']:>17} {one['pairs']:>16} {one['count']:>6} {one['median']!s:>8} "
            f"{one['p90']!s:>9} {one['max']!s:>9} {one['same_shape']!s:>7}"
        )
    for engine in dict.fromkeys((one["source"], one["engine"]) for one in result["summary"]):
        _show_worst(result["pairs"], *engine)


def _show_worst(rows: list[Row], source: int, engine: str) -> None:
    mine = [row for row in rows if row["source"] == source and engine in row]
    failed = [row for row in mine if row[engine]["error_percent"] is None]
    answered = [row for row in mine if row[engine]["error_percent"] is not None]
    print(f"worst of {engine} on {source} ({len(failed)} not answered):")
    for row in sorted(answered, key=lambda row: -row[engine]["error_percent"])[:WORST]:
        print(
            f"  {row[engine]['error_percent']:9.3f} %  {row['database']} {row['query']} | {row['index']} | "
            f"{row[engine]['why']}"
        )


PART = Part("hypothetical", run, show)

if __name__ == "__main__":
    PART.main()
