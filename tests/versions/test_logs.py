"""On every version: the log tells the same executions in each format that the server can write."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from tests.cli.market import Market
from trimtab.db.connection import connect
from trimtab.model.execution import Execution
from trimtab.observe.logs.reader import LogReader
from trimtab.observe.logs.server_source import ServerLogs, read_log_settings
from trimtab.observe.logs.source import LocalLogs

from .conftest import SETTINGS, log_formats

pytestmark = [pytest.mark.server, pytest.mark.versions]
ENDINGS = {"stderr": ".log", "csvlog": ".csv", "jsonlog": ".json"}
READS = (
    "SELECT count(*) FROM orders WHERE status = 'open'",
    "SELECT sku FROM stock WHERE warehouse = 7",
    "SELECT 1 / (id - id) FROM customer",
)


def _executions(market: Market, source: object, prefix: str) -> list[Execution]:
    reader = LogReader(source, log_line_prefix=prefix, log_timezone="UTC", database=market.database)  # type: ignore[arg-type]
    return list(reader.read())


def test_every_format_tells_the_same_executions(market: Market, major: int) -> None:
    market.execute(
        *(
            f'ALTER DATABASE "{market.database}" SET {name} = {value}'
            for name, value in (
                ("log_min_duration_statement", "0"),
                ("auto_explain.log_min_duration", "0"),
                ("auto_explain.log_format", "json"),
                ("auto_explain.log_verbose", "on"),
            )
        )
    )
    with psycopg.connect(market.dsn, autocommit=True) as conn:
        for number in range(4):
            for text in READS[:2]:
                conn.execute(f"{text} AND {number} = {number}".encode())
        with pytest.raises(psycopg.errors.DivisionByZero):
            conn.execute(READS[2].encode())
        conn.execute("DO $$ BEGIN RAISE LOG 'all is said'; END $$")
    files = [market.server.data_directory / "log" / f"server{ENDINGS[form]}" for form in log_formats(major)]
    _wait_for(files)
    prefix = SETTINGS["log_line_prefix"]
    told = [_executions(market, LocalLogs([file]), prefix) for file in files]
    counted = [Counter((each.query_id, each.is_error, each.plan_shape) for each in each_format) for each_format in told]
    assert all(each == counted[0] for each in counted)
    assert sorted(counted[0].values())[-2:] == [4, 4]
    assert sum(each.is_error for each in told[0]) == 1
    assert all(each.plan_shape for each in told[0] if not each.is_error)
    with connect(market.dsn, read_only=True) as conn:
        settings = read_log_settings(conn)
        over_sql = _executions(market, ServerLogs(conn), settings["log_line_prefix"])
    assert {(each.query_id, each.time_ns) for each in told[-1]} <= {(each.query_id, each.time_ns) for each in over_sql}


def _wait_for(files: list[Path]) -> None:
    until = time.monotonic() + 20
    while not all(file.exists() and b"all is said'; END" in file.read_bytes() for file in files):
        assert time.monotonic() < until, "the server does not write its log"
        time.sleep(0.02)
