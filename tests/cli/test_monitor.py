"""The monitor's screens and plain text say what was measured, at both sizes, and nothing of a server's can forge them.

Screens are rendered to text and read; what they show are values as collectors hand them over.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.lifecycle.advised import write_advice
from trimtab.cli.monitor.app import MonitorApp
from trimtab.cli.monitor.looking import Looking
from trimtab.cli.monitor.operating import Operating
from trimtab.cli.monitor.plain import document_of, text_of
from trimtab.cli.monitor.words import number, seconds, trail
from trimtab.history.facts import ServerFacts
from trimtab.history.sample import Sample
from trimtab.lifecycle.collect_server import Seen, Target
from trimtab.lifecycle.dashboard_reading import DashboardReader
from trimtab.model.watched import Interval
from trimtab.model.workload import Query, QueryKind
from trimtab.observe.sessions import Session
from trimtab.observe.watched import Described

SIZES = pytest.mark.parametrize("size", [(80, 24), (160, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
EVIL = "evil\x1b[2J[red]\u202eforged\nline"
KEY = (10, 77, True)
TEXT = "SELECT name FROM agent WHERE id = $1"


def seen_of(name: str, *, is_up: bool = True, tps: float = 50.0, blocked: float = 0.0) -> Seen:
    now = time.time_ns()
    facts = ServerFacts(
        name, where=f"{name}:5432", database="shop", version=180002, is_up=is_up, code="" if is_up else "source.busy",
        state_since_ns=now, first_ns=now, last_ns=now, tried_ns=now, interval_seconds=1.0, max_connections=100,
    )  # fmt: skip
    sample = Sample(
        now - 10**9, 1.0,
        {("database", "shop", "commits"): tps, ("database", "shop", "rollbacks"): 0.0,
         ("database", "shop", "blocks_hit"): 90.0, ("database", "shop", "blocks_read"): 10.0,
         ("statement", "seconds"): 1.0, ("statement", "calls"): 40.0, ("statement", "total_ms"): 80.0,
         ("wait", "Lock", "tuple"): 1.0},
        {("sessions",): 7.0, ("active_sessions",): 2.0, ("blocked_sessions",): blocked, ("waiting_sessions",): 1.0,
         ("idle_in_transaction_sessions",): 0.0},
    )  # fmt: skip
    query = Query("q1", "q1", TEXT, TEXT, 1.0, QueryKind.READ, 1)
    interval = Interval(now - 10**9, 1.0, 1.0, (KEY,), np.array([[40.0, 80.0, 200.0, 40.0, 120.0, 0.0]]))
    session = Session(4711, "app", "shop", "web", "active", "Lock:tuple", 12.5, (99,), "UPDATE t SET a = 0")
    return Seen(
        facts, now, sample if is_up else None, None, interval if is_up else None,
        {KEY: Described("q1", True, query)}, None, [("gap", {"why": "the server was restarted"})], [session],
    )  # fmt: skip


@pytest.fixture
def looking(tmp_path: Path) -> Iterator[Looking]:
    names = ("shop", "billing", EVIL)
    found = Looking.at(
        [Target(name, lambda: "host=/nonexistent dbname=x") for name in names],
        refresh_seconds=60.0, reader=DashboardReader(tmp_path / "ledger.db"), history=None,
    )  # fmt: skip
    found.collecting.targets = []  # what is shown is handed over by the tests
    found.live.seen("shop", seen_of("shop", tps=80.0))
    found.live.seen("billing", seen_of("billing", tps=20.0, blocked=3.0))
    found.live.seen(EVIL, seen_of(EVIL))
    found.live.seen(EVIL, replace(seen_of(EVIL, is_up=False), interval=None, sample=None))
    yield found
    found.close()


def screen_text(app: MonitorApp) -> str:
    lines = ["".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()]
    return "\n".join(lines)


def shown(looking: Looking, size: tuple[int, int], *keys: str) -> str:
    async def run() -> str:
        app = MonitorApp(looking, Operating({}, None, looking.reader.ledger_path))
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            for key in keys:
                await pilot.press(key)
                await pilot.pause()
            return screen_text(app)

    return asyncio.run(run())


@SIZES
def test_the_fleet_is_shown_with_its_numbers(looking: Looking, size: tuple[int, int]) -> None:
    text = shown(looking, size)
    [shop] = [line for line in text.splitlines() if "shop" in line and "up" in line and "trimtab" not in line]
    assert "80" in shop
    assert "2.00 ms" in shop
    assert "2 of 3 servers up" in text
    assert all(len(line) <= size[0] for line in text.splitlines())
    assert len(text.splitlines()) <= size[1]


@SIZES
def test_a_server_that_is_down_keeps_its_last_values_with_their_age(looking: Looking, size: tuple[int, int]) -> None:
    [line] = [line for line in shown(looking, size).splitlines() if "evil" in line]
    assert " down " in line
    assert "50" in line
    assert " s" in line or " ms" in line


@SIZES
def test_names_of_servers_forge_nothing(looking: Looking, size: tuple[int, int]) -> None:
    text = shown(looking, size)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "evil\\x1b[2J" in text  # shown, not obeyed, and not taken as markup
    assert not [line for line in text.splitlines() if line.strip().startswith("line")]


def test_the_six_groups_stand_beside_the_fleet_where_there_is_room_and_on_a_key_elsewhere(looking: Looking) -> None:
    titles = ("Status and compliance", "Query optimisation", "Performance anchors", "Resources")
    wide, narrow, asked = shown(looking, (160, 50)), shown(looking, (80, 24)), shown(looking, (80, 24), "d")
    assert all(title in wide for title in titles)
    assert "Status and compliance" not in narrow
    assert "Status and compliance" in asked
    assert "there is no ledger yet" in wide


@pytest.mark.parametrize(("size", "keys"), [((80, 24), "d"), ((160, 50), "")])
def test_a_figure_of_the_groups_stands_on_one_line_with_its_value(
    looking: Looking, size: tuple[int, int], keys: str
) -> None:
    text = shown(looking, size, *keys)
    assert re.search(r"Servers that answer, of 3 +2\b", text), text
    assert re.search(r"Databases with changes in place +- ", text), text


@SIZES
def test_a_server_shows_its_queries_and_on_a_key_its_sessions(looking: Looking, size: tuple[int, int]) -> None:
    text = shown(looking, size, "enter")
    assert "q1" in text
    assert TEXT[:20] in text
    assert "Lock:tuple 1" in text
    assert "100.0 %" in text
    sessions = shown(looking, size, "enter", "v")
    assert "4711" in sessions
    assert "99" in sessions
    assert "12 s" in sessions


@SIZES
def test_a_query_shows_its_text_its_window_and_its_source(looking: Looking, size: tuple[int, int]) -> None:
    text = shown(looking, size, "enter", "enter")
    assert TEXT in text
    assert "source: pg_stat_statements" in text
    assert "calls 40" in text
    assert "none is known" in text


@SIZES
def test_events_board_and_help_open_and_close(looking: Looking, size: tuple[int, int]) -> None:
    assert "gap why=the server was restarted" in shown(looking, size, "e")
    assert "there is no ledger yet" in shown(looking, size, "b")
    assert "copy the row" in shown(looking, size, "question_mark")
    assert "servers up" in shown(looking, size, "question_mark", "escape", "e", "escape")


@SIZES
def test_what_storage_for_indexes_buys_is_shown_as_it_was_computed(looking: Looking, size: tuple[int, int]) -> None:
    assert "not measured: no advice was computed yet" in shown(looking, size, "i")
    write_advice(looking.reader.ledger_path, name=EVIL)
    text = shown(looking, size, "i")
    for told in (
        "shop, 2001-09-09 01:46:40 UTC, run r-1",
        "source: trimtab indexes, the planner",
        "8192 bytes",
        "9.5 to 1.5",
    ):
        assert told in text, told
    assert "evil\\x1b[2J" in text
    assert all(len(line) <= size[0] for line in text.splitlines())


def test_servers_are_sorted_and_filtered(looking: Looking) -> None:
    def order(*keys: str) -> list[str]:
        rows = shown(looking, (80, 24), *keys).splitlines()
        return [name for line in rows for name in ("shop", "billing", "evil") if line.strip().startswith(name)]

    assert order() == ["shop", "billing", "evil"]
    assert order("s") == ["shop", "evil", "billing"]
    assert order("slash", *"bill", "enter") == ["billing"]
    assert order("slash", *"bill", "escape") == ["shop", "billing", "evil"]


def test_a_pause_is_told_and_ends(looking: Looking) -> None:
    assert "PAUSED" in shown(looking, (80, 24), "space")
    assert "PAUSED" not in shown(looking, (80, 24), "space")


@SIZES
def test_without_colour_nothing_is_lost(
    looking: Looking, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    coloured = shown(looking, size)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = shown(looking, size)

    def words(text: str) -> list[str]:
        return [word for word in text.split() if word.isalpha() and len(word) > 2]

    assert words(plain) == words(coloured)


@SIZES
def test_a_ledger_that_cannot_be_believed_is_told_wherever_one_looks(looking: Looking, size: tuple[int, int]) -> None:
    looking.reader.ledger_path.write_bytes(b"no ledger" * 500)
    first = next(line for line in shown(looking, size).splitlines() if "trimtab monitor" in line)
    assert "[ledger.corrupt]" in first
    assert "2 of 3 servers up" in first
    told = (looking.dashboard(), looking.live.fleet(), looking.live.events(), looking.trouble)
    lines = text_of(*told)
    assert lines[1].startswith("Trouble: ")
    assert lines[1].endswith("[ledger.corrupt]")
    assert "  Changes in place: not measured (it cannot be believed [ledger.corrupt])" in lines
    assert not [line for line in lines if "there is no ledger yet" in line or "there is no anchor" in line]
    document = document_of(*told)
    assert isinstance(document["trouble"], dict)
    assert document["trouble"]["code"] == "ledger.corrupt"
    looking.reader.ledger_path.unlink()
    looking.tick = lambda: time.monotonic() + 60
    assert document_of(looking.dashboard(), (), (), looking.trouble)["trouble"] is None


def test_plain_text_says_all_in_sentences(looking: Looking) -> None:
    lines = text_of(looking.dashboard(), looking.live.fleet(), looking.live.events())
    assert "  shop: up, transactions 80/s, executions 40/s, mean 2.00 ms, at work 2, blocked 0" in lines
    [down] = [line for line in lines if "evil" in line and "down" in line]
    assert "because source.busy" in down
    assert "values" in down
    assert "  Replication lag, largest: not measured (it has no replica)" in lines
    assert all("\x1b" not in line and "\n" not in line for line in lines)


def test_json_has_every_figure_with_its_source(looking: Looking) -> None:
    document = document_of(looking.dashboard(), looking.live.fleet(), looking.live.events())
    groups = document["groups"]
    assert isinstance(groups, dict)
    assert list(groups) == ["status", "optimization", "anchors", "resources", "performance", "distribution"]
    assert all(figure["source"] or figure["why"] for figures in groups.values() for figure in figures)
    assert all(figure["why"] for figures in groups.values() for figure in figures if figure["value"] is None)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (number(None), "-"), (number(0.947, "ratio"), "94.7 %"), (number(1_247_893, "1/s"), "1.25 M/s"),
        (number(12.3, "ms"), "12.3 ms"), (number(3, ""), "3"), (seconds(7500), "2h05m"), (seconds(0.00012), "0.12 ms"),
        (trail([0, 4, 8, None], 6), "  ▁▅█ "), (trail([1, 2], 2, is_plain=True), "=#"),
    ],
)  # fmt: skip
def test_numbers_are_short(found: str, expected: str) -> None:
    assert found == expected
