"""On every version: a fleet's history is written and kept; what a version does not count is told, never invented."""

from __future__ import annotations

import json

import pytest

from tests.cli.market import READS, Market
from tests.cli.program import Program
from trimtab import api

pytestmark = [pytest.mark.server, pytest.mark.versions]
MISSING = {13: {"wal", "io"}, 14: {"io"}, 15: {"io"}, 16: set(), 17: set()}


def test_a_history_is_collected_and_kept_in_the_same_version(
    market: Market, program: Program, empty: str, major: int
) -> None:
    (program.directory / "trimtab.toml").write_text(
        f"[databases.shop]\ndsn = {json.dumps(market.dsn)}\n[history]\nstore = {json.dumps(empty)}\n", "utf-8"
    )
    running = program.start("collect", "--interval", "1s", "--pulse", "500ms", "--for", "3", "--json")
    while running.is_running():
        market.play()
    ended = running.wait()
    assert ended.code == 0, ended.stderr
    with api.open_history(store=empty) as history:
        window = history.last(60)
        [server] = history.fleet(window)
        assert (server.state, server.version // 10000, set(server.missing)) == ("up", major, MISSING[major])
        unknown = {
            name for name, metric in server.metrics.items() if metric.value is None and " from version " in metric.why
        }
        assert bool(unknown) is bool(MISSING[major])
        assert (server.metrics["calls_per_second"].value or 0.0) > 0
        assert len(history.top_queries("shop", window).queries) >= len(READS) + 1
        assert {table.table for table in history.tables("shop", window).tables} >= {"orders", "stock", "customer"}
    looked = program.succeed("monitor", "--json", "--for", "1").stdout.splitlines()
    [seen] = json.loads(looked[-1])["servers"]
    assert (seen["name"], seen["state"], seen["version"]) == ("shop", "up", server.version)
