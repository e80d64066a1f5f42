"""A market with a workload, an agent's configuration, and real clients that start `trimtab mcp` as agents' hosts do."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from tests.cli.conftest import (  # noqa: F401 - fixtures
    market,
    market_server,
    new_market,
    program,
    roles,
    zygote,
)
from tests.cli.market import SPECIFICATION, Market, write_workload
from tests.cli.program import ENTRY, Program
from trimtab.mcp.bounds import Bounds
from trimtab.mcp.desk import Desk
from trimtab.mcp.server import agents_server

ERAS = ("legacy", "auto")
PASSPHRASE = "anns long passphrase"
ANN = {"TRIMTAB_PASSPHRASE_COMMAND": f"echo '{PASSPHRASE}'", "TRIMTAB_ACTOR": "somebody"}
Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass(frozen=True)
class Place:
    """Where an agent's server works: its configuration, and the people's command line beside it."""

    config: Path
    market: Market
    program: Program
    stderr: Path

    def environ(self) -> dict[str, str]:
        """What the server is started with."""
        return {**self.program.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def parameters(self, *options: str) -> StdioServerParameters:
        """How a client starts the server."""
        arguments = ["-c", ENTRY, "mcp", "--config", str(self.config), *options]
        return StdioServerParameters(
            command=sys.executable, args=arguments, env=self.environ(), cwd=str(self.program.directory)
        )

    @contextmanager
    def http(self, *options: str) -> Iterator[str]:
        """A server over HTTP, until a signal ends it; its address."""
        command = [sys.executable, "-c", ENTRY, "mcp", "--http", "--port", "0", "--config", str(self.config), *options]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=self.environ(), stderr=pipe, stdout=pipe, text=True) as process:
            try:
                assert process.stderr is not None
                yield process.stderr.readline().split()[-1]
            finally:
                process.send_signal(signal.SIGTERM)
                stdout, _ = process.communicate(timeout=60)
                assert (process.returncode, stdout) == (143, "")

    def tokens(self, *agents: str) -> dict[str, str]:
        """Give each of these agents a token; returns them, and `token_file` is where the server reads them."""
        found = {name: hashlib.sha256(name.encode()).hexdigest() for name in agents}
        self.token_file.touch(mode=0o600)
        self.token_file.write_text("".join(f"{name} {token}\n" for name, token in found.items()))
        return found

    @property
    def token_file(self) -> Path:
        """Where the tokens are."""
        return self.config.with_name("tokens")

    @asynccontextmanager
    async def connected(self, *options: str, mode: str = "auto", **given: Any) -> AsyncIterator[Client]:
        """A client of a server of its own, over stdio."""
        with self.stderr.open("a") as log:
            transport = stdio_client(self.parameters(*options), errlog=log)
            async with Client(transport, mode=mode, **given) as client:
                yield client

    @asynccontextmanager
    async def client(self, *, mode: str = "auto", bounds: Bounds | None = None, **given: Any) -> AsyncIterator[Client]:
        """A client of a server in this process: the same server, without a process to start."""
        desk = Desk.open(self.config, "mcp", allows_sql=bool(given.pop("allows_sql", False)))
        agents = agents_server(desk if bounds is None else replace(desk, bounds=bounds))
        async with Client(agents.server, mode=mode, **given) as client:
            yield client


@asynccontextmanager
async def over_http(
    address: str, token: str, mode: str, trusting: ssl.SSLContext | None = None
) -> AsyncIterator[Client]:
    """A client of a server over HTTP, with its token; over TLS it trusts who `trusting` does."""
    headers = {"Authorization": f"Bearer {token}"}
    verify = True if trusting is None else trusting
    async with (
        httpx2.AsyncClient(headers=headers, verify=verify, timeout=httpx2.Timeout(30, read=300)) as http,
        Client(streamable_http_client(address, http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.fixture
def place(
    program: Program,  # noqa: F811
    market: Market,  # noqa: F811
    roles: None,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    for name in ("TRIMTAB_CACHE", "TRIMTAB_RUN_DIR", "TRIMTAB_STATE", "TMPDIR", "HOME"):
        monkeypatch.setenv(name, program.environ[name])
    market.play()
    workload = write_workload(tmp_path / "current.sql", reads=2)
    pin = program.succeed("approver-key", "ann", "--json", environ=ANN).document["pin"]
    specification = tmp_path / "approved.yaml"
    needs = {"low": "one", "medium": "one", "high": "one", "approvers": [pin]}
    specification.write_text(f"{SPECIFICATION}  approvals: {json.dumps(needs)}\n", "utf-8")
    config = tmp_path / "trimtab.toml"
    config.write_text(
        f'[databases.shop]\ndsn = "{market.dsn_of("trimtab_explain")}"\n'
        f'[databases.gone]\ndsn = "host=/nowhere dbname=gone"\n'
        f'[workloads]\ncurrent = "{workload}"\n'
        f'[defaults]\nspec = "{specification}"\n',
        "utf-8",
    )
    yield Place(config, market, program, tmp_path / "server.stderr")
    program.assert_nothing_left()


def told(result: CallToolResult) -> dict[str, Any]:
    """The structured answer of a call that was answered."""
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


def refused(result: CallToolResult) -> str:
    """The code of a call that was refused."""
    assert result.is_error
    [content] = result.content
    return str(json.loads(getattr(content, "text", ""))["error"]["code"])
