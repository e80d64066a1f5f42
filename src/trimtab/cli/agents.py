"""`trimtab mcp`: shuts the enforcement point of this process, and serves agents; on stdout is the protocol alone."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from trimtab.cli.extras import require_extra
from trimtab.cli.text import printable, say

_WHY_SHUT = "this process serves agents, which change nothing"


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `trimtab mcp`, as given."""

    http: bool = False
    host: str = "127.0.0.1"
    port: int = 8750
    names: tuple[str, ...] = ()
    token_file: Path | None = None
    agent: str = "mcp"
    allow_sql: bool = False
    tools: bool = False
    config: Path | None = None


def serve(asked: Asked, *, as_json: bool) -> None:
    """Serve agents until the input ends, or a signal comes; with `tools` print what they would be offered."""
    require_extra("trimtab mcp", "agents", "mcp", code="mcp.not_installed")
    from trimtab.apply.shut import shut
    from trimtab.mcp.desk import Desk
    from trimtab.mcp.server import agents_server

    shut(_WHY_SHUT)
    _log_to_stderr()
    desk = Desk.open(asked.config, asked.agent, allows_sql=asked.allow_sql)
    agents = agents_server(desk)
    if asked.tools:
        _show_tools(agents, as_json=as_json)
    elif asked.http:
        from trimtab.mcp.http import Door, read_tokens, serve_http

        tokens = {} if asked.token_file is None else read_tokens(asked.token_file)
        serve_http(agents, Door(asked.host, asked.port, asked.names, tokens), desk, _announce)
    else:
        from trimtab.mcp.stdio import serve_stdio

        if sys.stdin.isatty():
            say("trimtab mcp: waits for a client's messages on stdin (docs/agents.md); --tools lists what it offers")
        serve_stdio(agents)


def _announce(address: str) -> None:
    say(f"trimtab mcp: {address}")


def _show_tools(agents: object, *, as_json: bool) -> None:
    import anyio

    from trimtab.cli.commands import print_json
    from trimtab.mcp.server import Agents

    assert isinstance(agents, Agents)
    tools = anyio.run(agents.server.list_tools)
    if as_json:
        print_json(
            {
                "schema": "trimtab.mcp.tools/v1",
                "tools_digest": agents.tools_digest,
                "tools": [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools],
            }
        )
        return
    for tool in tools:
        first = (tool.description or "").splitlines()[0]
        print(f"{tool.name:<36} {first}")
    print(f"digest of this list: {agents.tools_digest}")


class _OneLine(logging.Formatter):
    """Keeps a record on one line, without secrets and without a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        from trimtab.db.dsn import redact

        return printable(redact(f"{record.levelname.lower()} {record.name}: {record.getMessage()}"), limit=1000)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("trimtab.mcp").setLevel(logging.INFO)
