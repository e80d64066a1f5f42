"""Claims about Ctrl-C and SIGTERM at any moment of a run: its exit code, nothing left running or half applied."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

import pytest

from .market import Market
from .program import Ended, Program, Strike
from .test_kill import OPEN_NOTHING

pytestmark = [pytest.mark.server, pytest.mark.slow]

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.fixture
def lab(new_market: Callable[[], Market]) -> Market:
    return new_market()


def _assert_interrupted(ended: Ended, number: signal.Signals) -> None:
    assert ended.code == CODES[number], ended.stderr
    assert "Traceback" not in ended.stderr
    assert "trimtab: interrupted" in ended.stderr
    assert ended.stdout == ""


def _assert_nothing_is_held(market: Market) -> None:
    with market.session() as conn:
        held = conn.execute("SELECT FROM pg_stat_activity WHERE application_name = 'trimtab' AND state = 'active'")
        assert held.fetchall() == []
        deadline = time.monotonic() + 30
        while conn.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").fetchall():
            assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("trial_finished", signal.SIGTERM),
        ("apply_intended", signal.SIGINT),
        ("apply_done", signal.SIGINT),
        ("apply_done", signal.SIGTERM),
        ("anchor_recorded", signal.SIGINT),
        ("strategy_settled kept", signal.SIGTERM),
    ],
)
def test_interrupted_at_a_boundary_of_stages(
    market: Market, lab: Market, program: Program, brief: tuple[str, ...], kind: str, number: signal.Signals
) -> None:
    before = market.definitions()
    strike = Strike(number, "after", kind)
    running = program.start("optimize", market.dsn, *brief, "--lab", lab.dsn, "--apply", strike=strike)
    ended = running.wait()
    _assert_interrupted(ended, number)
    assert "no change was left half done" in ended.stderr
    status = program.succeed("status", "--json").document
    assert status["open"] == OPEN_NOTHING
    assert len(status["applied"]) == (kind == "strategy_settled kept")
    different = set(market.definitions()) ^ set(before)
    assert len(different) == len(status["applied"]), different
    [run] = program.succeed("history", "--json").document["runs"]
    assert run["state"] == "failed"
    lives = {entry.text("strategy_id") for entry in program.entries() if entry.kind == "apply_intended"}
    for strategy_id in lives:
        outcome = program.succeed("show", strategy_id, "--json").document["outcome"]
        assert outcome in ("reverted", "failed", "kept")
    program.succeed("revert", "--all", market.dsn)
    assert market.definitions() == before
    _assert_nothing_is_held(market)
    program.assert_nothing_left()


@pytest.mark.parametrize("seed", range(4))
def test_interrupted_at_a_random_moment(market: Market, program: Program, brief: tuple[str, ...], seed: int) -> None:
    chance = random.Random(seed)
    number = (signal.SIGINT, signal.SIGTERM)[seed % 2]
    before = market.definitions()
    running = program.start("optimize", market.dsn, *brief, "--apply")
    while running.is_running() and not program.entries():
        time.sleep(0.01)
    time.sleep(chance.uniform(0.0, 3.0))
    running.send(number)
    ended = running.wait()
    if ended.code != 0:  # it may have been quicker
        _assert_interrupted(ended, number)
    status = program.succeed("status", "--json").document
    assert status["open"] == OPEN_NOTHING
    # What was settled before stands; no more than that.
    assert len(set(market.definitions()) ^ set(before)) == len(status["applied"])
    _assert_nothing_is_held(market)
    program.assert_nothing_left()


@pytest.mark.parametrize("pause", [0.0, 0.03, 0.3])
def test_an_impatient_second_interrupt_leaves_nothing_running(
    market: Market, program: Program, brief: tuple[str, ...], pause: float
) -> None:
    running = program.start("optimize", market.dsn, *brief)
    while running.is_running() and len(list(program.run_directory.iterdir())) == 0:
        time.sleep(0.01)
    for _ in range(3):
        running.send(signal.SIGINT)
        time.sleep(pause)
    ended = running.wait()
    assert ended.code == 130
    assert "Traceback" not in ended.stderr
    _assert_nothing_is_held(market)
    program.assert_nothing_left()


@pytest.mark.parametrize("number", CODES)
def test_interrupted_while_the_server_waits_for_another_session(
    market: Market, lab: Market, program: Program, brief: tuple[str, ...], number: signal.Signals
) -> None:
    """What the other session's locks do not let us take back is said, and taken back by the next resume."""
    before = market.definitions()
    strike = Strike(signal.SIGSTOP, "after", "apply_intended")
    running = program.start("optimize", market.dsn, *brief, "--lab", lab.dsn, "--apply", strike=strike)
    running.wait_until_stopped()
    with market.session() as conn, market.session() as other:
        conn.execute(
            "BEGIN; UPDATE orders SET note = note WHERE id = 1; UPDATE stock SET amount = amount WHERE sku = 1"
        )
        conn.execute("UPDATE customer SET region = region WHERE id = 1")
        running.send(signal.SIGCONT)
        waiting = "SELECT FROM pg_stat_activity WHERE application_name = 'trimtab' AND wait_event_type = 'Lock'"
        while not other.execute(waiting.encode()).fetchall():
            assert running.is_running()
        running.send(number)
        ended = running.wait()
        conn.execute("ROLLBACK")
    _assert_interrupted(ended, number)
    program.assert_nothing_left()
    is_open = program.succeed("status", "--json").document["open"]["intents"] > 0
    assert ("run `trimtab resume`" in ended.stderr) is is_open
    program.succeed("resume", market.dsn)
    assert market.definitions() == before
    assert program.succeed("status", "--json").document["open"] == OPEN_NOTHING
