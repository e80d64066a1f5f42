"""The line of events: it tells which part is new, shows that it stands, and ends when the browser is gone."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import anyio
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.web import live
from trimtab.web.live import Live
from trimtab.web.site import Site

from .conftest import Place


class _Browser:
    """One that stays for so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    async def is_disconnected(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def _heard(line: Live, looks: int) -> list[bytes]:
    async def listen() -> list[bytes]:
        return [event async for event in line._events(_Browser(looks))]  # type: ignore[arg-type]  # its end is all it asks

    return anyio.run(listen)


def test_what_is_new_is_told_once_and_by_its_part(place: Place) -> None:
    line = Live(Site(place.options), look_seconds=0.05, heartbeat=60)
    site_state = line._state()
    assert set(site_state) == {"freezes", "ledger", "fleet"}

    def write() -> None:
        with Ledger.open(place.lives.path) as ledger:
            ledger.append(Kind.RUN_FINISHED, {}, run_id="r-2")

    async def listen() -> list[bytes]:
        return [event async for event in line._events(_Browser(6))]  # type: ignore[arg-type]

    found: list[bytes] = []

    async def both() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(_later, write)
            found.extend(await listen())

    anyio.run(both)
    assert found[0] == b"retry: 5000\n\n"
    assert found[1:] == [b'event: changed\ndata: ["ledger"]\n\n']


def test_what_changes_once_a_page_knows_that_it_listens_is_told(place: Place) -> None:
    line = Live(Site(place.options), look_seconds=0.01, heartbeat=0.05)

    async def listen() -> list[bytes]:
        events = line._events(_Browser(3))  # type: ignore[arg-type]
        heard = [await anext(events)]
        with Ledger.open(place.lives.path) as ledger:
            ledger.append(Kind.RUN_FINISHED, {}, run_id="r-2")
        return [*heard, *[event async for event in events]]

    assert anyio.run(listen)[:2] == [b"retry: 5000\n\n", b'event: changed\ndata: ["ledger"]\n\n']


async def _later(act: Any) -> None:
    await anyio.sleep(0.1)
    await anyio.to_thread.run_sync(act)


def test_a_quiet_line_shows_that_it_stands_and_ends_with_the_browser(place: Place) -> None:
    line = Live(Site(place.options), look_seconds=0.01, heartbeat=0.02)
    assert _heard(line, 4).count(b": still here\n\n") == 2


def test_lines_that_begin_at_once_are_counted_and_none_is_left_when_browsers_go(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_LISTENERS", 3)
    line = Live(Site(place.options), look_seconds=0.01)
    scope = {"type": "http", "client": ("127.0.0.1", 5), "headers": []}

    async def gone() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def drop(_message: Any) -> None:
        raise OSError("the browser is gone")

    answers = [line.response(Request(scope, gone)) for _ in range(5)]
    assert [each.status_code for each in answers] == [200, 200, 200, 503, 503]
    for each in answers[:3]:
        with suppress(BaseExceptionGroup, OSError):
            anyio.run(each, scope, gone, drop)
    assert not line._listeners


def test_too_many_listeners_are_refused(client: TestClient, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_LISTENERS", 0)
    assert client.get("/live").status_code == 503


def test_beyond_this_machine_one_client_takes_half_of_the_lines(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_LISTENERS", 3)
    monkeypatch.setattr(live, "_OF_ONE", 1)

    def status(line: Live, address: str) -> int:
        scope = {"type": "http", "client": (address, 5), "headers": []}
        return line.response(Request(scope)).status_code

    for is_local, expected in ((False, [503, 200]), (True, [200, 200])):
        line = Live(Site(replace(place.options, is_local=is_local)))
        line._listeners["192.0.2.1"] = 1
        assert [status(line, address) for address in ("192.0.2.1", "192.0.2.2")] == expected
