"""Speed: what-if calls per second over TPC-H, beside the planner's own time and beside HypoPG.

What a call takes beyond the planner's own time is told for TPC-DS and the demo's shop too.

A call is one query planned under one configuration, asked as `trimtab indexes` asks: by `what_if_each`, whose plans are
told in brief. No two calls are alike, so that no cache answers. Each configuration holds one hypothetical index on each
of the larger tables. The indexes are made before, which is timed apart. The arms take turns, round by round. The
planner's own time is the sum of EXPLAIN's "Planning Time" for the same queries and configurations, on another twin by a
session of its own; `explain_alone` is the rate of that session, which sends one EXPLAIN after the other and does
nothing else. "Planning Time" leaves out parsing, parse analysis and rewriting, without which no planner can be asked:
the server tells them by its own statistics (`log_parser_stats`), and the overhead beyond these too stands beside.
HypoPG runs on the older source, whose planner is older too: once as its users run it (reset, create, EXPLAIN for each
call), and once with reset and creation once per configuration.

Goals: at least 700 calls/s on one connection, at least 1.7 times that on two cores, at most 30 % beyond the planner's
own time.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import chain, cycle, islice, permutations
from statistics import median
from typing import Any, TypeAlias

import psycopg

from bench.twin import hypopg
from bench.twin.part import Part
from bench.twin.sources import Database, Source, Sources
from bench.twin.twins import OpenTwin, open_twin
from trimtab.db.connection import Connection, connect
from trimtab.model.catalog import Table
from trimtab.model.change import CreateIndex
from trimtab.model.plan import Plan
from trimtab.model.workload import Query
from trimtab.twin.database import DATABASE
from trimtab.twin.twin import Twin

GOALS = {"calls_per_second": 700, "two_cores_ratio": 1.7, "overhead_percent": 30}
ROUNDS = 3
# Configurations of a round: a round of TPC-DS plans 99 queries, each for some ten times as long as one of TPC-H.
PER_ROUND = {"tpch": 24, "tpcds": 3, "shop": 24}
RATED = "tpch"
MIN_ROWS, MAX_WIDTH_BYTES = 5_000, 40

Configuration: TypeAlias = tuple[CreateIndex, ...]

_ELAPSED = re.compile(r"([0-9.]+) s elapsed")


def run(sources: Sources) -> dict[str, object]:
    databases = {database.name: database for database in sources.current.databases}
    rated = databases[RATED]
    rates: dict[str, list[float]] = {}
    beyond = {
        name: _beyond(database, rates if database is rated else {}, sources.older if database is rated else None)
        for name, database in databases.items()
    }
    rounds = _rounds(rated)
    with open_twin(rated, workers=2) as both:
        both.twin.size_bytes(_changes(rounds))
        both.twin.start_workers()
        queries = _never_asked_alike(both.twin, rated, rounds)
        _twin_seconds(both.twin, queries, rounds[0])
        for configurations in rounds[1:]:
            seconds, calls, _ = _twin_seconds(both.twin, queries, configurations)
            rates.setdefault("twin_two_cores", []).append(calls / seconds)
    return {
        "goals": GOALS,
        "calls_per_second": {name: _spread(values) for name, values in rates.items()},
        "workloads": beyond,
        "two_cores_ratio": round(median(rates["twin_two_cores"]) / median(rates["twin"]), 2),
    }


def _beyond(database: Database, rates: dict[str, list[float]], older: Source | None) -> dict[str, object]:
    """Return what a call takes beyond the planner's own time; add calls per second to `rates`."""
    rounds = _rounds(database)
    changes = _changes(rounds)
    overheads: list[float] = []
    overheads_of_asking: list[float] = []
    planning: list[float] = []
    parsing: list[float] = []
    with open_twin(database, workers=1) as one, open_twin(database, workers=1) as other:
        queries = _never_asked_alike(one.twin, database, rounds)
        started = time.perf_counter()
        refused = sum(size is None for size in one.twin.size_bytes(changes))
        making = time.perf_counter() - started
        other.twin.size_bytes(changes)
        with closing(other.twin._open_session(other.server)) as planner, closing(_parser(other)) as parser:
            warm, *measured = rounds
            _twin_seconds(one.twin, queries, warm)
            _planning_seconds(planner, other.twin, queries, warm)
            for configurations in measured:
                seconds, calls, costs = _twin_seconds(one.twin, queries, configurations)
                started = time.perf_counter()
                own, own_costs = _planning_seconds(planner, other.twin, queries, configurations)
                rates.setdefault("explain_alone", []).append(calls / (time.perf_counter() - started))
                if costs != own_costs:
                    raise SystemExit("the planner alone came to other costs than the twin: the arms differ")
                rates.setdefault("twin", []).append(calls / seconds)
                overheads.append(100 * (seconds / own - 1))
                planning.append(1000 * own / calls)
                before = _parsing_seconds(parser, other.twin, queries, configurations)
                overheads_of_asking.append(100 * (seconds / (own + before) - 1))
                parsing.append(1000 * before / calls)
                if older is not None:
                    for name, rate in _hypopg_rates(older, configurations).items():
                        rates.setdefault(name, []).append(rate)
    return {
        "queries": len(queries),
        "indexes": len(changes),
        "indexes_refused": refused,
        "make_indexes_seconds": round(making, 3),
        "calls_per_round": len(queries) * len(rounds[0]),
        "planning_ms_per_call": _spread(planning),
        "parsing_ms_per_call": _spread(parsing),
        "overhead_percent": _spread(overheads),
        "overhead_beyond_parsing_and_planning_percent": _spread(overheads_of_asking),
    }


def _rounds(database: Database) -> list[list[Configuration]]:
    """Return the configurations of a round that warms up and of ROUNDS that count.

    A table of few columns repeats its indexes.
    """
    per_round = PER_ROUND[database.name]
    wanted = (ROUNDS + 1) * per_round
    larger = [table for table in database.snapshot.tables if table.rows >= MIN_ROWS]
    per_table = [list(islice(cycle(found), wanted)) for table in larger if (found := list(_indexes(table)))]
    configurations = list(zip(*per_table, strict=True))
    return [configurations[first : first + per_round] for first in range(0, wanted, per_round)]


def _never_asked_alike(twin: Twin, database: Database, rounds: Sequence[Sequence[Configuration]]) -> list[Query]:
    """Return the queries that read a table whose index is another one in each configuration: no cache answers these."""
    made = Counter((change.schema, change.table) for change in _changes(rounds))
    differing = {table for table, count in made.items() if count == sum(map(len, rounds))}
    queries = database.snapshot.workload.queries
    [plans] = twin.what_if(queries, [()])
    return [
        query
        for query, plan in zip(queries, plans, strict=True)
        if isinstance(plan, Plan) and plan.relations & differing
    ]


def _changes(rounds: Sequence[Sequence[Configuration]]) -> list[CreateIndex]:
    return list(dict.fromkeys(chain.from_iterable(chain.from_iterable(rounds))))


def _indexes(table: Table) -> Iterator[CreateIndex]:
    """Yield indexes on two, then three of the table's columns in every order; long texts are left out."""
    columns = [column.name for column in table.columns if 0 < (column.average_width or 0) <= MAX_WIDTH_BYTES]
    for number, keys in enumerate(chain(permutations(columns, 2), permutations(columns, 3)), 1):
        yield CreateIndex(
            table.schema, table.name, f"speed_{table.name}_{number:03}", f"USING btree ({', '.join(keys)})", keys
        )


def _twin_seconds(
    twin: Twin, queries: Sequence[Query], configurations: Sequence[Configuration]
) -> tuple[float, int, list[float]]:
    before = twin.planner_calls
    started = time.perf_counter()
    answers = twin.what_if_each([(queries, configuration) for configuration in configurations])
    costs = [plan.cost if isinstance(plan, Plan) else -1.0 for plans in answers for plan in plans]
    seconds = time.perf_counter() - started
    calls = twin.planner_calls - before
    if calls < len(queries) * len(configurations):
        raise SystemExit(f"only {calls} planner calls for {len(costs)} answers: some came from a cache")
    return seconds, calls, costs


def _planning_seconds(
    connection: Connection, twin: Twin, queries: Sequence[Query], configurations: Sequence[Configuration]
) -> tuple[float, list[float]]:
    """Return the seconds that the planner itself took, as EXPLAIN tells them, and the costs."""
    milliseconds = 0.0
    costs = []
    for configuration in configurations:
        with connection.transaction(force_rollback=True):
            for statement in twin._indexes.switches(configuration):
                connection.execute(statement.text.encode(), statement.values)
            for query in queries:
                row = connection.execute(f"explain (format json, summary) {query.text}".encode()).fetchone()
                assert row is not None
                milliseconds += row[0][0]["Planning Time"]
                costs.append(float(row[0][0]["Plan"]["Total Cost"]))
    return milliseconds / 1000, costs


def _parser(opened: OpenTwin) -> Connection:
    """Return a superuser's session, which may have the server tell what it spends before it plans."""
    connection = connect(opened.server.dsn(DATABASE), read_only=False)
    path = opened.twin.connection.execute("select pg_catalog.current_setting('search_path')").fetchone()
    assert path is not None, "the query returns one row"
    for name, value in (("search_path", path[0]), ("log_parser_stats", "on"), ("client_min_messages", "log")):
        connection.execute("select pg_catalog.set_config($1, $2, false)", (name, value))
    return connection


def _parsing_seconds(
    connection: Connection, twin: Twin, queries: Sequence[Query], configurations: Sequence[Configuration]
) -> float:
    """Return the seconds of parsing, parse analysis and rewriting, as the server tells them."""
    seconds = 0.0
    for configuration in configurations:
        with connection.transaction(force_rollback=True):
            for statement in twin._indexes.switches(configuration):
                connection.execute(statement.text.encode(), statement.values)
            told: list[str] = []

            def tell(notice: psycopg.errors.Diagnostic, told: list[str] = told) -> None:
                told.append(notice.message_detail or "")

            connection.add_notice_handler(tell)
            for query in queries:
                connection.execute(f"explain (format json) {query.text}".encode())
            connection.remove_notice_handler(tell)
        seconds += sum(float(number) for text in told for number in _ELAPSED.findall(text))
    return seconds


def _hypopg_rates(source: Source, configurations: Sequence[Configuration]) -> dict[str, float]:
    tpch = next(database for database in source.databases if database.name == "tpch")
    texts = [query.text for query in tpch.snapshot.workload.queries]
    with closing(connect(tpch.dsn, read_only=False)) as connection:
        if not hypopg.install(connection):
            return {}
        started = time.perf_counter()
        for configuration in configurations:
            for text in texts:
                _hypopg_show(connection, configuration)
                connection.execute(f"explain (format json) {text}".encode()).fetchone()
        each_call = len(texts) * len(configurations) / (time.perf_counter() - started)
        started = time.perf_counter()
        for configuration in configurations:
            _hypopg_show(connection, configuration)
            for text in texts:
                connection.execute(f"explain (format json) {text}".encode()).fetchone()
        each_configuration = len(texts) * len(configurations) / (time.perf_counter() - started)
    return {"hypopg_reset_per_call": each_call, "hypopg_reset_per_configuration": each_configuration}


def _hypopg_show(connection: Connection, configuration: Configuration) -> None:
    connection.execute(b"select hypopg_reset()")
    for change in configuration:
        hypopg.create(connection, change)


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": round(median(values), 2), "min": round(min(values), 2), "max": round(max(values), 2)}


def show(result: dict[str, Any]) -> None:
    for name, rate in result["calls_per_second"].items():
        print(f"{name:>32}: {rate['median']:8.0f} calls/s ({rate['min']:.0f} to {rate['max']:.0f})")
    for name, told in result["workloads"].items():
        overhead, asking = told["overhead_percent"], told["overhead_beyond_parsing_and_planning_percent"]
        print(
            f"{name}: planner's own time {told['planning_ms_per_call']['median']} ms per call; beyond it "
            f"{overhead['median']} % ({overhead['min']} to {overhead['max']}); goal {GOALS['overhead_percent']} %"
        )
        print(
            f"{name}: parsing, analysis and rewriting {told['parsing_ms_per_call']['median']} ms per call; "
            f"beyond these and planning {asking['median']} % ({asking['min']} to {asking['max']})"
        )
        print(f"{name}: {told['indexes']} hypothetical indexes made in {told['make_indexes_seconds']} s", end="")
        print(f" ({told['indexes_refused']} refused)" if told["indexes_refused"] else "")
    print(f"two cores: {result['two_cores_ratio']} times one; goal {GOALS['two_cores_ratio']}")


PART = Part("speed", run, show)

if __name__ == "__main__":
    PART.main()
