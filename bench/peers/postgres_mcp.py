"""Asks the adviser of `postgres-mcp` for a set of indexes; runs by the Python that it is installed for.

It is called below the MCP tool, which takes ten queries at most; its own defaults hold but for budget and width. This
file counts what it asks the planner, and decides nothing.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from importlib.metadata import version
from typing import Any

import psycopg
from postgres_mcp.index.dta_calc import DatabaseTuningAdvisor
from postgres_mcp.sql import SqlDriver

MIB_PER_MB = 1e6 / 2**20


class CountingDriver(SqlDriver):  # type: ignore[misc]
    planner_calls = 0

    async def execute_query(self, query: Any, *args: Any, **more: Any) -> Any:
        self.planner_calls += query.count("EXPLAIN (")
        return await super().execute_query(query, *args, **more)


def qualified(dsn: str, text: str) -> str:
    """Return the query as the server writes it, every column with its table; as it is where no view can be made of it.

    The adviser takes a column without its table for a column of each table, and ends when there is none.
    """
    with psycopg.connect(dsn) as connection:
        try:
            connection.execute(f"create temporary view asked as {text}".encode())
        except psycopg.errors.DuplicateColumn:
            connection.rollback()
            return text
        row = connection.execute("select pg_get_viewdef('asked'::regclass)").fetchone()
        connection.rollback()
    assert row is not None
    return str(row[0])


async def analyzed(driver: SqlDriver, texts: list[str], budget_mib: int, columns: int) -> Any:
    adviser = DatabaseTuningAdvisor(driver, max_index_width=columns)
    return await adviser.analyze_workload(query_list=texts, max_index_size_mb=budget_mib)


async def answer(asked: dict[str, Any]) -> dict[str, object]:
    budget = int(asked["budget_mb"] * MIB_PER_MB)
    driver = CountingDriver(engine_url=asked["dsn"])
    texts = [qualified(asked["dsn"], text) for text in asked["queries"].values()]
    # One query that it cannot take, such as one with a derived table, ends the whole: those are found beforehand.
    texts = [text for text in texts if not (await analyzed(driver, [text], budget, 1)).error]
    driver.planner_calls, started = 0, time.perf_counter()
    found = await analyzed(driver, texts, budget, asked["max_columns"])
    seconds = time.perf_counter() - started
    await driver.connect().close()
    if found.error:
        raise SystemExit(found.error)
    return {
        "indexes": [[one.table, list(one.columns)] for one in found.recommendations],
        "planner_calls": driver.planner_calls,
        "seconds": seconds,
        "queries_taken": len(texts),
        "version": version("postgres-mcp"),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(answer(json.load(sys.stdin)))))
