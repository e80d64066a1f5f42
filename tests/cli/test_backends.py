"""`trimtab backend` and the monitor's C and K: what is shown, what is asked of a person, and what is refused."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.apply.sessions import CANARY, Application
from trimtab.cli.monitor.app import MonitorApp
from trimtab.cli.monitor.looking import Looking
from trimtab.cli.monitor.operating import Operating
from trimtab.lifecycle.collect_server import Target
from trimtab.lifecycle.dashboard_reading import DashboardReader
from trimtab.spec.load import load_spec

from .market import Market
from .program import ENTRY, Program
from .test_monitor import screen_text, seen_of

pytestmark = pytest.mark.server


@pytest.fixture
def clerk(market: Market) -> Iterator[str]:
    """An ordinary role."""
    with closing(psycopg.connect(market.dsn, autocommit=True)) as admin:
        admin.execute("CREATE ROLE clerk LOGIN")
        yield "clerk"
        admin.execute("DROP ROLE clerk")


@pytest.fixture
def application(market: Market, clerk: str) -> Iterator[Application]:
    with closing(Application.connected(market.dsn, clerk)) as found:
        yield found


@pytest.fixture
def at_once(tmp_path: Path) -> Callable[..., str]:
    """Writes the shipped specification with other limits for backends, of any age."""

    def write(**limits: object) -> str:
        shipped = load_spec()
        changed = shipped.backends.model_copy(update={"min_seconds": 0.0, **limits})
        found = replace(shipped, id="AT_ONCE", limits=shipped.limits.model_copy(update={"backends": changed}))
        path = tmp_path / "backends.yaml"
        path.write_text(json.dumps(found.document()))
        return str(path)

    return write


def test_the_list_shows_who_is_at_what_without_literals_and_what_may_be_done(
    program: Program, market: Market, application: Application, at_once: Callable[..., str]
) -> None:
    application.begin()
    with closing(Application.connected(market.dsn, "clerk")) as idle:
        shown = program.run("backend", "list", market.dsn, "--spec", at_once(terminate="refuse"), "--json")
        assert shown.code == 0, shown.stderr
        pids = [each["pid"] for each in shown.document["backends"]]
        assert application.pid in pids
        assert idle.pid not in pids
        every = program.run("backend", "list", market.dsn, "--all", "--json").document["backends"]
        assert {application.pid, idle.pid} <= {each["pid"] for each in every}
        assert {"client backend", "checkpointer"} <= {each["kind"] for each in every}
    [found] = [each for each in shown.document["backends"] if each["pid"] == application.pid]
    assert found["answers"] == {"cancel": "ask", "terminate": "backends.terminate"}
    assert (found["role"], found["database"], found["state"]) == ("clerk", market.database, "active")
    assert CANARY not in found["text"]
    plain = program.run("backend", "list", market.dsn)
    assert str(application.pid) in plain.stdout
    assert program.run("status", "--json").document["open"]["backends"] == 0


def test_without_a_terminal_nobody_was_asked(
    program: Program, market: Market, application: Application, at_once: Callable[..., str]
) -> None:
    application.begin()
    pid = str(application.pid)
    refused = program.run("backend", "cancel", pid, market.dsn, "--spec", at_once())
    assert (refused.code, refused.reason) == (5, "backend.unconfirmed")
    assert application.is_at_work()
    assert program.run("backend", "cancel", "999999", market.dsn).reason == "backend.unknown"
    other = ("--started", "2020-01-01T00:00:00.000000Z")
    assert program.run("backend", "cancel", pid, market.dsn, *other).reason == "backend.unknown"
    young = program.run("backend", "terminate", pid, market.dsn, "--spec", at_once(min_seconds=3600.0))
    assert (young.code, young.reason) == (5, "apply.specification")
    program.run("freeze", "--reason", "incident")
    frozen = program.run("backend", "cancel", pid, market.dsn, "--spec", at_once(cancel="allow"), "--json")
    assert frozen.document["error"]["code"] == "apply.frozen"
    assert application.is_at_work()
    program.run("thaw")
    allowed = program.run(
        "backend", "cancel", pid, market.dsn, "--spec", at_once(cancel="allow"), "--reason", "too long", "--json"
    )
    assert (allowed.code, allowed.document["act"], allowed.document["has_ended"]) == (0, "cancel", True)
    assert application.ended_with() == "57014"
    told = [entry for entry in program.entries() if entry.kind.value == "backend_intended"]
    assert [entry.body["reason"] for entry in told] == ["too long"]
    assert CANARY not in allowed.stdout + allowed.stderr + json.dumps([dict(entry.body) for entry in told])


@pytest.mark.parametrize("is_typed", [True, False])
def test_on_a_terminal_its_number_is_typed(
    program: Program, market: Market, application: Application, at_once: Callable[..., str], *, is_typed: bool
) -> None:
    application.begin()
    ours, theirs = pty.openpty()
    command = ["backend", "terminate", str(application.pid), market.dsn, "--spec", at_once(), "--json"]
    environ = {**os.environ, **program.environ}
    with subprocess.Popen(
        [sys.executable, "-c", ENTRY, *command], stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environ, cwd=program.directory, text=True,
    ) as running:  # fmt: skip
        os.write(ours, f"{application.pid if is_typed else 'yes'}\n".encode())
        stdout, stderr = running.communicate(timeout=60)
    os.close(theirs)
    os.close(ours)
    assert "role clerk" in stderr
    assert CANARY not in stderr
    if is_typed:
        assert (running.returncode, json.loads(stdout)["has_ended"]) == (0, True), stderr
        assert not application.is_there()
    else:
        assert (running.returncode, json.loads(stdout)["error"]["code"]) == (2, "backend.declined")
        assert application.is_at_work()


def test_an_entry_may_name_another_role_for_it(
    program: Program, market: Market, application: Application, at_once: Callable[..., str]
) -> None:
    application.begin()
    config = program.directory / "trimtab.toml"
    entry = f'[databases.shop]\ndsn = "host=/nonexistent dbname=x"\noperator_dsn = {json.dumps(market.dsn)}\n'
    config.write_text(entry + '[databases.other]\ndbname = "x"\noperator_dsn = "host=h password=secret"\n')
    assert program.run("backend", "list", "-d", "shop").reason == "config.password"
    config.write_text(entry)
    done = program.run("backend", "cancel", str(application.pid), "-d", "shop", "--spec", at_once(cancel="allow"))
    assert (done.code, done.stdout.strip()) == (0, f"cancelled: what backend {application.pid} ran")


# The monitor


def _words(text: str) -> str:
    """What stands on a screen, without the lines of its boxes."""
    return " ".join(text.replace("▌", " ").split())


class Monitor:
    """A monitor of the market, whose list holds the application's session."""

    def __init__(self, market: Market, application: Application, spec: str, ledger_path: Path) -> None:
        self.looking = Looking.at(
            [Target("shop", lambda: "host=/nonexistent dbname=x")], refresh_seconds=60.0,
            reader=DashboardReader(ledger_path), history=None,
        )  # fmt: skip
        self.looking.collecting.targets = []
        seen = seen_of("shop")
        assert seen.sessions is not None
        self.looking.live.seen("shop", replace(seen, sessions=[replace(seen.sessions[0], pid=application.pid)]))
        self.operating = Operating({"shop": lambda: market.dsn}, spec, ledger_path)

    def pressed(self, *keys: str, until: Callable[[str, MonitorApp], bool]) -> str:
        """Press keys, each when what it works on is there, and return the screen as soon as it is so."""

        async def run() -> str:
            app = MonitorApp(self.looking, self.operating)
            async with app.run_test(size=(100, 30), notifications=True) as pilot:
                await pilot.pause()
                for key in keys:
                    await pilot.press(key)
                    await app.workers.wait_for_complete()
                    await pilot.pause()
                for _ in range(200):
                    await app.workers.wait_for_complete()
                    await pilot.pause(0.02)
                    if until(text := screen_text(app), app):
                        return text
                raise AssertionError(screen_text(app))

        try:
            return asyncio.run(run())
        finally:
            self.looking.close()


def test_a_key_cancels_after_a_yes(
    market: Market, application: Application, at_once: Callable[..., str], tmp_path: Path
) -> None:
    application.begin()
    monitor = Monitor(market, application, at_once(), tmp_path / "ledger.db")
    text = monitor.pressed("enter", "v", "C", "y", until=lambda text, _: "cancelled" in text)
    assert f"cancelled: what backend {application.pid} ran" in _words(text)
    assert application.ended_with() == "57014"


def test_before_it_terminates_it_shows_whom_and_a_no_leaves_them(
    market: Market, application: Application, at_once: Callable[..., str], tmp_path: Path
) -> None:
    application.begin()
    ledger_path = tmp_path / "ledger.db"
    monitor = Monitor(market, application, at_once(), ledger_path)
    text = monitor.pressed("enter", "v", "K", until=lambda text, _: "Terminate the session" in text)
    assert "role clerk" in text
    assert f"backend {application.pid}" in text
    assert "SELECT pg_sleep(0)" in text
    monitor = Monitor(market, application, at_once(), ledger_path)
    monitor.pressed("enter", "v", "K", "Y", "n", "K", "enter", until=lambda _, app: len(app.screen_stack) == 3)
    assert application.is_at_work()


def test_what_is_refused_is_told_in_a_line_and_nobody_is_asked(
    market: Market, application: Application, at_once: Callable[..., str], tmp_path: Path
) -> None:
    application.begin()
    monitor = Monitor(market, application, at_once(cancel="refuse"), tmp_path / "ledger.db")
    text = monitor.pressed("enter", "v", "C", until=lambda text, _: "backends.cancel" in text)
    assert "the specification lets nobody cancel" in _words(text)
    assert "It cannot be put back" not in text
    gone = Monitor(market, application, at_once(), tmp_path / "ledger.db")
    with closing(psycopg.connect(market.dsn, autocommit=True)) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 20000)", (application.pid,))
    assert "backend.unknown" in gone.pressed("enter", "v", "K", until=lambda text, _: "backend.unknown" in text)


def test_of_queries_nothing_is_ended(
    market: Market, application: Application, at_once: Callable[..., str], tmp_path: Path
) -> None:
    application.begin()
    monitor = Monitor(market, application, at_once(), tmp_path / "ledger.db")
    text = monitor.pressed("enter", "C", "K", until=lambda *_: True)
    assert "cannot be put back" not in text
    assert "Terminate" not in text
    assert application.is_at_work()
