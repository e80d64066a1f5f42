"""`trimtab collect`, `ingest` and `monitor` as programs, and the original's two lines of monitoring as written."""

from __future__ import annotations

import json
import shlex
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from trimtab.api_history import open_history
from trimtab.cli.collecting import _Teller
from trimtab.history.faults import busy

from .market import CANARY, Market
from .program import Program

pytestmark = [pytest.mark.server]
AS_WRITTEN = (
    "monitor_optimization --databases=all --realtime=true --compliance=enabled",
    "monitor_db_optimization --spec_id=DATABASE_OPTIMIZATION_SPEC_V4 --realtime=true",
)


@pytest.fixture
def configured(program: Program, market: Market) -> Program:
    text = f'[databases.production_db]\ndsn = "{market.dsn}"\n[databases.gone]\ndsn = "host=/nonexistent dbname=x"\n'
    (program.directory / "trimtab.toml").write_text(text)
    return program


def test_what_collect_writes_the_history_tells(configured: Program, market: Market) -> None:
    running = configured.start("collect", "--for", "3", "--interval", "500ms", "--pulse", "200ms", "--json")
    with closing(psycopg.connect(market.dsn, autocommit=True)) as conn:
        while running.is_running():
            conn.execute(f"SELECT id FROM customer WHERE email = '{CANARY}'".encode())
    ended = running.wait()
    assert ended.code == 0, ended.stderr
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {"gone"} == {event["server"] for event in events if event["kind"] == "unreachable"}
    with open_history(configured.ledger_path) as history:
        states = {server.name: server.state for server in history.fleet()}
        assert states == {"production_db": "up", "gone": "down"}
        [query] = history.top_queries("production_db", history.last(60), search="from customer where email").queries
        assert query.calls > 0
        assert CANARY not in query.text
    assert CANARY.encode() not in configured.ledger_path.with_name("history.db").read_bytes()
    assert CANARY not in ended.stdout + ended.stderr


@pytest.mark.parametrize("line", AS_WRITTEN, ids=["monitor_optimization", "monitor_db_optimization"])
def test_the_originals_lines_run_as_written(configured: Program, line: str) -> None:
    ended = configured.succeed(*shlex.split(line))
    titles = ("Status and compliance", "Query optimisation", "Performance anchors", "Resources", "Query performance")
    assert [line.rstrip(":") for line in ended.stdout.splitlines() if line.rstrip(":") in titles] == list(titles)
    assert "production_db: up" in ended.stdout
    assert "gone: down, because source.unreachable" in ended.stdout


def test_json_is_one_document_with_all_that_the_screens_show(configured: Program) -> None:
    document = configured.succeed("monitor", "--databases", "production_db", "--once", "--json").document
    assert document["schema"] == "trimtab.monitor/v1"
    [server] = document["servers"]
    assert server["state"] == "up"
    assert server["metrics"]["transactions_per_second"]["value"] > 0
    assert server["metrics"]["replication_lag_bytes"]["why"] == "it has no replica"


def test_a_log_is_taken_in_once(program: Program, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    sql = f"SELECT id FROM customer WHERE email = '{CANARY}'"
    log.write_text(f"2026-09-21 14:13:20.000 UTC [7] LOG:  duration: 2.500 ms  statement: {sql}\n" * 3)
    told = [program.succeed("ingest", log, "--server", "shop", "--json").document for _ in range(2)]
    assert [each["executions"] for each in told] == [3, 0]
    assert CANARY.encode() not in program.ledger_path.with_name("history.db").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("collect",), "collect.nothing"),
        (("monitor", "--once"), "collect.nothing"),
        (("ingest", "nothing.log", "--server", "shop"), "logs.unreadable"),
        (("ingest", "trimtab.toml", "--server", "shop", "--format", "xml"), "ingest.format"),
        (("monitor", "--refresh", "1h"), "monitor.refresh"),
        (("monitor_optimization", "--realtime=perhaps"), "monitor.realtime"),
        (("monitor_optimization", "--compliance=maybe"), "monitor.compliance"),
        (("monitor_db_optimization", "--spec_id=NO_SUCH"), "spec.unknown_id"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(program: Program, arguments: tuple[str, ...], code: str) -> None:
    ended = program.run(*arguments)
    assert (ended.code, ended.reason) == (2, code)


def test_a_name_that_the_configuration_does_not_have_is_refused(configured: Program) -> None:
    ended = configured.run("collect", "--databases", "production_db,else\x1b[31m")
    assert (ended.code, ended.reason) == (2, "collect.unknown")
    assert "\x1b" not in ended.stderr


def test_two_collectors_of_one_database_are_one_too_many(configured: Program) -> None:
    first = configured.start("collect", "--databases", "production_db")
    while first.is_running() and not configured.ledger_path.with_name("history.db").exists():
        time.sleep(0.05)
    second = configured.run("collect", "--databases", "production_db", "--for", "0.1")
    assert (second.code, second.reason) == (8, "collect.busy")
    first.send(15)
    assert first.wait().code == 143


def test_a_store_that_is_full_is_told_until_it_is_not_and_anew_the_next_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    teller = _Teller(as_json=True, is_quiet=False)
    for _ in range(2):
        teller.trouble("shop", busy("history.db"))
        teller.trouble("shop", busy("history.db"))
        teller.kept("shop")
        teller.kept("shop")
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["kind"] for each in told] == ["trouble", "trouble_over"] * 2
