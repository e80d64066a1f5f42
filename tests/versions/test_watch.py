"""On every version: levels are anchored and compared, and what runs is watched by what the server's counters tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.market import READS, Market
from tests.cli.program import Program

pytestmark = [pytest.mark.server, pytest.mark.versions]


def test_levels_are_anchored_verified_and_compared(
    market: Market, program: Program, workload: Path, major: int
) -> None:
    market.play()
    first = program.succeed("anchor", "create", market.dsn, "--workload", workload, "--runs", "3", "--json").document
    anchor = first["anchor"]
    assert anchor["server_version"] // 10000 == major
    assert {level["runs"] for level in anchor["queries"]} == {0, 3}
    counted = program.succeed("anchor", "create", market.dsn, "--json").document["anchor"]
    assert counted["origin"] == "pg_stat_statements"
    assert all(level["counted"]["calls"] > 0 for level in counted["queries"])
    assert program.succeed("anchor", "verify", "--json").document["anchors"] == [anchor["id"], counted["id"]]
    market.execute("DROP INDEX orders_status", "ALTER TABLE stock DROP CONSTRAINT stock_pkey")
    compared = program.run("anchor", "compare", anchor["id"], "--json")
    print(compared.document)
    assert compared.code == 0


def test_rounds_are_watched_and_a_reset_is_never_differenced(market: Market, program: Program, major: int) -> None:
    market.play()
    program.succeed("watch", market.dsn, "--once")
    market.play()
    program.succeed("watch", market.dsn, "--once")
    market.execute("SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = current_database()")
    market.play()
    program.succeed("watch", market.dsn, "--once")
    [status] = program.run("watch", "--status", "--json").document["watches"]
    assert status["statements"] >= len(READS) + 1
    assert (status["plans"]["checked"], status["plans"]["not_checked"]) == (2, {})
    gaps = [event["detail"]["code"] for event in status["events"] if event["kind"] == "gap"]
    assert gaps == ([] if major >= 17 else ["reset"])  # since 17 each counter tells when it began
