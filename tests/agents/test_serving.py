"""How agents are served: over HTTP to two at once, behind its checks; cancelled, and killed in the middle of a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp.client import Client

from trimtab.embedded.processes import processes_in
from trimtab.errors import UsageError
from trimtab.ledger.ledger import Ledger
from trimtab.mcp.clients import MOST_SESSIONS
from trimtab.mcp.http import Door, read_tokens, refuse_open_door
from trimtab.mcp.stdio import MOST_BYTES, lines_of

from .conftest import Place, over_http, refused, told

pytestmark = [pytest.mark.server, pytest.mark.anyio]

RUN = {"database": "shop", "workload": "current"}
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "by hand", "version": "1"}}
HELLO_CALL = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


async def test_two_agents_are_served_at_once_and_share_one_long_run_a_database(place: Place) -> None:
    before = place.market.definitions()
    with place.http() as address:
        answers: dict[str, Any] = {}

        async def work(mode: str) -> None:
            async with Client(address, mode=mode) as client:
                assert told(await client.call_tool("health", {"database": "shop"}))["reachable"]
                answers[mode] = await client.call_tool("index_advise", RUN)
                assert told(await client.call_tool("ledger_verify"))["verified"]

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work, "legacy")
            tasks.start_soon(work, "auto")
        ended = sorted(refused(each) if each.is_error else "answered" for each in answers.values())
        assert ended == ["answered", "run.busy"]
        assert _status(address, {**JSON, "Host": "evil.example"}) == 421
        assert _status(address, {**JSON, "Origin": "https://evil.example"}) == 403
        assert _status(address, JSON, "x" * 300_000) == 413
        assert _status(address, {**JSON, "Content-Type": "text/plain"}) == 400
    assert place.market.definitions() == before


async def test_with_a_token_nobody_else_is_answered(place: Place, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef" * 2 + "\n")
    token.chmod(0o600)
    with place.http("--token-file", str(token), "--name", "trimtab.example") as address:
        assert _status(address, JSON) == 401
        assert _status(address, {**JSON, "Authorization": "Bearer " + "0" * 32}) == 401
        known = {**JSON, "Authorization": f"Bearer {token.read_text().strip()}"}
        assert _status(address, known) == 200
        assert _status(address, {**known, "Host": "trimtab.example"}) == 200
        assert _status(address, {**known, "Host": "other.example"}) == 421


def _status(address: str, headers: dict[str, str], body: str | None = None) -> int:
    return httpx.post(address, content=body or json.dumps(HELLO_CALL), headers=headers, timeout=30).status_code


async def test_a_client_that_floods_is_refused_and_takes_nothing_from_another(place: Place) -> None:
    tokens = place.tokens("loud", "quiet")
    with place.http("--token-file", str(place.token_file)) as address:
        known = {**JSON, "Authorization": f"Bearer {tokens['loud']}"}
        async with (
            over_http(address, tokens["loud"], "auto") as loud,
            over_http(address, tokens["quiet"], "auto") as quiet,
        ):
            for client in (loud, quiet):  # what they would do beside their first calls, and take a refusal for a fault
                assert (await client.list_tools()).tools
            ends: list[str] = []

            async def ask() -> None:
                for _ in range(13):
                    result = await loud.call_tool("fleet_list")
                    ends.append(refused(result) if result.is_error else "answered")

            async with anyio.create_task_group() as tasks:
                for _ in range(12):
                    tasks.start_soon(ask)
                for _ in range(20):
                    assert told(await quiet.call_tool("fleet_list"))
            assert set(ends) > {"answered"}
            assert set(ends) <= {"answered", "mcp.rate", "mcp.busy"}
            with httpx.Client(headers=known, timeout=30) as http:
                statuses = [http.post(address, json=HELLO_CALL).status_code for _ in range(MOST_SESSIONS)]
            assert statuses == [200] * (MOST_SESSIONS // 2) + [503] * (MOST_SESSIONS // 2)
            assert told(await quiet.call_tool("fleet_list"))
        async with over_http(address, tokens["quiet"], "legacy") as quiet:
            assert told(await quiet.call_tool("fleet_list"))


async def test_a_session_is_used_by_the_client_that_began_it_alone(place: Place) -> None:
    tokens = place.tokens("one", "other")
    with place.http("--token-file", str(place.token_file)) as address:
        one, other = ({**JSON, "Authorization": f"Bearer {token}"} for token in tokens.values())
        begun = httpx.post(address, json=HELLO_CALL, headers=one, timeout=30)
        session = {"mcp-session-id": begun.headers["mcp-session-id"]}
        for headers, status in ((other, 404), (one, 202)):
            told_of = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            assert httpx.post(address, json=told_of, headers=headers | session, timeout=30).status_code == status


async def test_a_cancelled_run_ends_and_the_server_goes_on(place: Place) -> None:
    async with place.client() as client:
        begun = anyio.Event()

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            begun.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: client.call_tool("optimize_queries", RUN, progress_callback=hear))
            await begun.wait()
            tasks.cancel_scope.cancel()
        assert told(await client.call_tool("fleet_list"))
    await _nothing_runs(place)


async def test_killed_in_the_middle_of_a_run_it_leaves_nothing_and_nothing_but_the_protocol_was_told(
    place: Place,
) -> None:
    before = place.market.everything()
    parameters = place.parameters()
    command = [parameters.command, *parameters.args]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=place.environ(), stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def send(message: object) -> None:
            assert server.stdin is not None
            server.stdin.write((message if isinstance(message, str) else json.dumps(message)) + "\n")
            server.stdin.flush()

        send({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO})
        assert json.loads(server.stdout.readline())["result"]["protocolVersion"] == "2025-06-18"
        send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        send("no json at all")
        send("x" * (2 * MOST_BYTES))
        call = {"name": "optimize_queries", "arguments": RUN, "_meta": {"progressToken": 7}}
        send({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call})
        while True:
            message = json.loads(server.stdout.readline())
            assert message["jsonrpc"] == "2.0"
            if message.get("method") == "notifications/progress" and processes_in(place.program.run_directory):
                break
        os.kill(server.pid, signal.SIGKILL)
        assert all(json.loads(line)["jsonrpc"] == "2.0" for line in server.stdout.read().splitlines())
    await _nothing_runs(place)
    assert place.market.everything() == before
    with Ledger.open(place.program.ledger_path) as ledger:
        assert ledger.verify().verified


async def _nothing_runs(place: Place) -> None:
    deadline = time.monotonic() + 120
    while processes_in(place.program.run_directory) or list(place.program.run_directory.iterdir()):
        assert time.monotonic() < deadline
        await anyio.sleep(0.2)


def test_beyond_loopback_a_token_is_needed_and_its_file_is_its_owners_alone(tmp_path: Path) -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        refuse_open_door(Door(host))
    for host in ("0.0.0.0", "10.0.0.5", "db.example"):
        with pytest.raises(UsageError) as refusal:
            refuse_open_door(Door(host))
        assert refusal.value.code == "mcp.open_door"
        refuse_open_door(Door(host, tokens={"t" * 32: ""}))
    file = tmp_path / "token"
    one, other = "t" * 32, "u" * 32
    twice = (f"a {one}\na {other}", f"a {one}\nb {one}", f"a {one}\n{other}", f"{one}\n{other}", f"a/b {one}")
    refused_texts = ("short", "two words " * 9, "\u00e9" * 40, "", f"a {one}\n" * 9_000, *twice)
    for text, mode in ((one, 0o644), *((text, 0o600) for text in refused_texts)):
        file.write_text(text)
        file.chmod(mode)
        with pytest.raises(UsageError) as refusal:
            read_tokens(file)
        assert refusal.value.code == "mcp.token"
    with pytest.raises(UsageError):
        read_tokens(tmp_path / "nothing")
    file.chmod(0o600)
    for text, tokens in ((f"{one}\n", {one: ""}), (f"a {one}\n\nb-1  {other}\n", {one: "a", other: "b-1"})):
        file.write_text(text)
        assert read_tokens(file) == tokens


async def test_a_line_that_is_too_long_is_not_held_and_the_next_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"one\n" + b"x" * (3 * MOST_BYTES) + b"\nthree\nfour")
    with path.open("rb") as stream:
        lines = [line async for line in lines_of(stream.fileno())]
    assert lines == ["one\n", '{"too_long": true}\n', "three\n", "four"]


async def test_it_ends_with_its_input_and_on_a_signal(place: Place) -> None:
    parameters = place.parameters()
    for ends_by in ("input", "signal"):
        with subprocess.Popen(
            [parameters.command, *parameters.args],
            env=place.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}) + "\n")
            server.stdin.flush()
            assert "result" in json.loads(server.stdout.readline())
            if ends_by == "signal":
                server.send_signal(signal.SIGTERM)
            else:
                server.stdin.close()
            assert server.wait(timeout=60) == (143 if ends_by == "signal" else 0)


def test_a_port_that_is_taken_is_refused(place: Place) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert place.program.run("mcp", "--http", "--port", port, "--config", place.config).reason == "mcp.port"
    assert place.program.run("mcp", "--http", "--host", "0.0.0.0", "--config", place.config).reason == "mcp.open_door"
    assert place.program.run("mcp", "--config", "/dev/null").reason == "mcp.no_database"
    assert place.program.run("mcp", "--agent", "a b", "--config", place.config).reason == "mcp.agent"
