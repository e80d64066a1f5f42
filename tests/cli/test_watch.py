"""`trimtab watch` as a program: beside its status, through kill -9 and Ctrl-C, and refused where it should be."""

from __future__ import annotations

import json
import signal
import time
from contextlib import closing
from typing import Any

import psycopg
import pytest

from trimtab.cli.watching import dimension_line
from trimtab.lifecycle.watch_store import WatchStore

from .market import CANARY, Market
from .program import LONGEST_SECONDS, Program, Running

pytestmark = [pytest.mark.server]
FAST = ("--interval", "200ms", "--learn", "30", "--json")


@pytest.mark.parametrize(
    ("is_inside", "level", "told"),
    [
        (True, 1.0, "response_latency: inside, 1 ratio, band 0.5 to 2"),
        (True, 3.0, "response_latency: inside, 3 ratio, band 0.5 to 2 (this look is outside: told when it lasts)"),
        (False, 3.0, "response_latency: OUTSIDE, 3 ratio, band 0.5 to 2"),
        (False, 1.0, "response_latency: OUTSIDE, 1 ratio, band 0.5 to 2 (back: over when it lasts)"),
    ],
)
def test_a_dimension_whose_look_is_not_as_its_state_says_why(is_inside: bool, level: float, told: str) -> None:
    dimension = {"name": "response_latency", "is_inside": is_inside, "level": level, "unit": "ratio"}
    assert dimension_line({**dimension, "low": 0.5, "high": 2.0, "note": ""}) == told


def _work(market: Market) -> None:
    with closing(psycopg.connect(market.dsn, autocommit=True)) as conn:
        conn.execute(f"SELECT id FROM customer WHERE email = '{CANARY}'".encode())
        conn.execute("SELECT sku FROM stock WHERE warehouse = 7 AND amount = 13")


def _status(program: Program) -> dict[str, Any]:
    ended = program.run("watch", "--status", "--json")
    found = ended.document.get("watches", [{}])[0]
    assert isinstance(found, dict)
    return found


def _wait_for(program: Program, running: Running, market: Market, rounds: int) -> dict[str, Any]:
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        _work(market)
        status = _status(program)
        if status.get("running") and status.get("rounds", 0) >= rounds:
            return status
        assert running.is_running()
    raise AssertionError("the watcher makes no rounds")


def test_killed_between_rounds_it_goes_on_where_it_was(market: Market, program: Program) -> None:
    running = program.start("watch", market.dsn, *FAST)
    _wait_for(program, running, market, rounds=3)
    refused = program.run("watch", market.dsn, "--once")
    assert (refused.code, refused.reason) == (8, "watch.busy")
    running.send(signal.SIGKILL)
    assert running.wait().code == -signal.SIGKILL
    after = program.run("watch", "--status", "--json")
    assert (after.code, after.reason) == (9, "watch.not_running")
    [left] = after.document["watches"]
    assert (left["running"], left["state"]) == (False, "stopped")
    again = program.start("watch", market.dsn, *FAST)
    status = _wait_for(program, again, market, rounds=2)
    assert status["learnt_rounds"] >= 1
    again.send(signal.SIGINT)
    ended = again.wait()
    assert ended.code == 130
    assert _status(program)["state"] == "stopped"
    events = [event["kind"] for event in _status(program)["events"]]
    assert events[0] == "stopped"
    assert events.count("started") == 2
    program.assert_nothing_left()


def test_each_round_is_a_document_and_no_literal_is_in_any(market: Market, program: Program) -> None:
    _work(market)
    ended = program.succeed("watch", market.dsn, *FAST, "--for", "2")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {line["schema"] for line in lines} == {"trimtab.watch.round/v1"}
    assert {line["state"] for line in lines} == {"learning"}
    [path] = (program.ledger_path.parent / "watch").glob("*.db")
    assert path.stat().st_mode & 0o777 == 0o600
    assert CANARY not in ended.stdout
    assert CANARY.encode() not in path.read_bytes()


def test_whether_it_acts_is_shown_and_a_specification_that_is_none_ends_it_at_once(
    market: Market, program: Program
) -> None:
    program.succeed("watch", market.dsn, *FAST, "--once", "--act")
    assert (_status(program)["acts_on_alarms"], _status(program)["acts"]) == (True, [])
    assert "acts on alarms: yes" in program.run("watch", "--status").stdout
    refused = program.run("watch", market.dsn, "--once", "--act", "--spec", "NO_SUCH_SPEC")
    assert (refused.code, refused.reason) == (2, "spec.unknown_id")
    program.succeed("watch", market.dsn, *FAST, "--once")
    assert _status(program)["acts_on_alarms"] is False


def test_a_round_once_says_what_it_is(market: Market, program: Program) -> None:
    ended = program.succeed("watch", market.dsn, "--once")
    assert "learning" in ended.stdout
    shown = program.run("watch", "--status")
    assert "nobody watches now" in shown.stdout
    assert "nothing is judged yet" in shown.stdout


def test_plans_that_cannot_be_looked_at_are_told_by_the_reason(market: Market, program: Program) -> None:
    market.execute("CREATE TABLE short_lived (x int)")
    for number in range(3):
        market.execute(f"SELECT count(*) FROM short_lived WHERE x = {number}")
    market.execute("DROP TABLE short_lived")
    program.succeed("watch", market.dsn, "--interval", "100ms", "--for", "3")
    not_checked = _status(program)["plans"]["not_checked"]
    shown = program.run("watch", "--status").stdout
    assert not_checked
    assert all(f"plans not checked: {count} ({reason})" in shown for reason, count in not_checked.items())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--interval", "soon"), "watch.interval"),
        (("--interval", "1ms"), "watch.interval"),
        (("--learn", "5"), "watch.learn"),
        (("--status",), "watch.none"),
        (("--status", "nowhere"), "watch.none"),
    ],
)
def test_bad_input_is_refused(program: Program, options: tuple[str, ...], reason: str) -> None:
    refused = program.run("watch", *options)
    assert (refused.code, refused.reason) == (2, reason)


def test_a_server_that_is_not_there_is_refused(program: Program) -> None:
    refused = program.run("watch", "host=127.0.0.1 port=1 dbname=x")
    assert (refused.code, refused.reason) == (3, "source.unreachable")
    assert not (program.ledger_path.parent / "watch").exists()


def test_a_file_that_cannot_be_read_does_not_hide_the_other_databases(market: Market, program: Program) -> None:
    program.succeed("watch", market.dsn, "--once")
    directory = program.ledger_path.parent / "watch"
    (directory / "empty.db").touch(0o600)
    shown = program.run("watch", "--status")
    assert (shown.code, shown.reason) == (7, "watch.store_empty")
    assert "nobody watches now" in shown.stdout
    documents = program.run("watch", "--status", "--json")
    assert len(documents.document["watches"]) == 1


def test_what_is_watched_no_more_since_another_answers_there_does_not_count(program: Program) -> None:
    directory = program.ledger_path.parent / "watch"
    for name, at_ns in (("new", 2 * 10**18), ("old", 10**18)):
        with closing(WatchStore.writer(directory / f"{name}.db")) as store, store.writing():
            store.put_fact("identity", {"database": "shop", "where": "shop@there", "system_identifier": name})
            store.put_fact("status", {"state": "stopped", "round_ns": at_ns})
    ended = program.run("watch", "--status", "--json")
    assert (ended.code, ended.reason) == (9, "watch.not_running")
    states = {each["system_identifier"]: each["state"] for each in ended.document["watches"]}
    assert states == {"new": "stopped", "old": "replaced"}
    shown = program.run("watch", "--status")
    assert "1 databases are not watched now" in shown.stderr
    assert "shop@there: replaced (another server" in shown.stdout
