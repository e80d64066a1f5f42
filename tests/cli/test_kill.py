"""Claims about `kill -9` of a whole run between any two stages: resume leaves it done or undone, never half."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from trimtab.embedded.sweep import sweep
from trimtab.ledger.ledger import Ledger

from .market import Market
from .program import Program, Strike

pytestmark = [pytest.mark.server, pytest.mark.slow]

KILLED_DEMO = """
import os, signal
import trimtab.demo.shop
from trimtab.cli.demonstration import run
trimtab.demo.shop.open_shop = lambda *arguments, **rest: os.kill(os.getpid(), signal.SIGKILL)
run(seed=1, scale=0.01, keep=False, pg_bin=None, as_json=True, is_quiet=True)
"""
OPEN_NOTHING = {"intents": 0, "unsettled": 0, "runs": [], "backends": 0}

# Before anything is applied, while it is, and when it is but is not settled.
MOMENTS = (
    ("after", "run_started", 1),
    ("before", "strategy_validated", 1),
    ("after", "trial_finished", 2),
    ("before", "apply_intended", 1),
    ("after", "apply_intended", 1),
    ("before", "apply_done", 1),
    ("after", "apply_done", 1),
    ("before", "apply_done", 3),
    ("before", "anchor_recorded", 1),
    ("after", "anchor_recorded", 1),
    ("after", "strategy_settled kept", 1),
    ("before", "run_finished", 1),
)


@pytest.fixture
def lab(new_market: Callable[[], Market]) -> Market:
    """A database for trials: it needs no time to be cloned."""
    return new_market()


def _kill(program: Program, options: tuple[str, ...], moment: tuple[str, str, int]) -> None:
    running = program.start("optimize", *options, strike=Strike(signal.SIGKILL, *moment))
    ended = running.wait()
    assert ended.code == -signal.SIGKILL, (moment, ended.stderr)
    assert ended.stdout == ""


def _status(program: Program) -> dict[str, Any]:
    found = program.succeed("status", "--json").document
    assert found["ledger"]["verified"] is True
    return found


def _assert_is_what_the_ledger_tells(program: Program, market: Market, before: list[tuple[str, str]]) -> int:
    """Nothing is open, and the catalog differs by just what stands applied; return how much that is."""
    status = _status(program)
    assert status["open"] == OPEN_NOTHING
    different = set(market.definitions()) ^ set(before)
    assert len(different) == len(status["applied"])
    for applied in status["applied"]:
        assert any(name.strip('"') in applied["sql"] for name, _ in different), (applied, different)
    with Ledger.open(program.ledger_path) as ledger:
        assert ledger.verify().verified
    return len(status["applied"])


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: " ".join(map(str, moment)))
def test_resume_finishes_or_undoes_a_killed_run(
    market: Market, lab: Market, program: Program, brief: tuple[str, ...], moment: tuple[str, str, int]
) -> None:
    before = market.definitions()
    _kill(program, (market.dsn, *brief, "--lab", lab.dsn, "--apply"), moment)
    assert _status(program)["open"] != OPEN_NOTHING
    document = program.succeed("resume", market.dsn, "--json").document
    assert document["schema"] == "trimtab.resume/v1"
    kept = _assert_is_what_the_ledger_tells(program, market, before)
    if moment == ("before", "run_finished", 1):
        assert kept > 1
    elif moment[1] == "strategy_settled kept":
        assert kept == 1
    else:
        assert market.definitions() == before
    if moment[1] == "apply_intended":
        again = program.succeed("resume", market.dsn, "--json").document
        assert (again["reconciled"], again["reverted"]) == ([], [])
    if kept:
        program.succeed("revert", "--all", market.dsn)
        assert market.definitions() == before
    assert lab.definitions() == before


def test_the_next_run_that_may_apply_mends_a_killed_one_by_itself(
    market: Market, lab: Market, program: Program, brief: tuple[str, ...]
) -> None:
    options = (market.dsn, *brief, "--lab", lab.dsn)
    before = market.definitions()
    _kill(program, (*options, "--apply"), ("before", "apply_done", 2))
    half = market.definitions()
    assert half != before

    only_looked = program.succeed("optimize", *options, "--json")
    assert "trimtab resume" in only_looked.stderr
    assert market.definitions() == half

    mended = program.succeed("optimize", *options, "--apply", "--json")
    assert "an earlier run was interrupted: 1 interrupted changes answered, 2 taken back" in mended.stderr
    assert _assert_is_what_the_ledger_tells(program, market, before) > 1
    runs = program.succeed("history", "--json").document["runs"]
    assert [run["state"] for run in runs] == ["finished", "finished", "reconciled"]
    program.assert_nothing_left()


def test_what_a_killed_run_left_running_is_gone_after_the_next_one(
    market: Market, program: Program, brief: tuple[str, ...]
) -> None:
    """Its twin and its clone, with their directories."""
    _kill(program, (market.dsn, *brief, "--quiet"), ("after", "strategy_proposed", 1))
    assert len([path for path in program.run_directory.iterdir() if path.is_dir()]) == 2
    program.succeed("optimize", market.dsn, *brief, "--lab", "none")
    program.assert_nothing_left()
    assert _status(program)["open"]["intents"] == 0


def test_a_killed_demonstration_leaves_its_ledger_where_the_next_start_clears_it_away(program: Program) -> None:
    command = [sys.executable, "-c", KILLED_DEMO]
    done = subprocess.run(command, env=dict(program.environ), cwd=program.directory, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.suffix for path in sorted(program.run_directory.iterdir())] == ["", ".owner"]
    sweep(program.run_directory)
    program.assert_nothing_left()


def test_killed_while_the_server_works_for_it(
    market: Market, lab: Market, program: Program, brief: tuple[str, ...]
) -> None:
    """The server goes on, or leaves an invalid index: resume waits for it and clears that away."""
    before = market.definitions()
    strike = Strike(signal.SIGSTOP, "after", "apply_intended")
    running = program.start("optimize", market.dsn, *brief, "--lab", lab.dsn, "--apply", strike=strike)
    running.wait_until_stopped()
    with market.session() as conn:
        conn.execute(
            "BEGIN; UPDATE orders SET note = note WHERE id = 1; UPDATE stock SET amount = amount WHERE sku = 1"
        )
        conn.execute("UPDATE customer SET region = region WHERE id = 1")
        running.send(signal.SIGCONT)
        waiting = "SELECT FROM pg_stat_activity WHERE application_name = 'trimtab' AND wait_event_type = 'Lock'"
        with market.session() as other:
            while not other.execute(waiting.encode()).fetchall():
                assert running.is_running()
        running.send(signal.SIGKILL)
        assert running.wait().code == -signal.SIGKILL
        conn.execute("ROLLBACK")
    program.succeed("resume", market.dsn)
    assert _assert_is_what_the_ledger_tells(program, market, before) == 0
    assert market.definitions() == before
