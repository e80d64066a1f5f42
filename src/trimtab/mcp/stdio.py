"""Serves one agent over stdin and stdout. Nothing but the protocol is written to stdout; a line that is too long is
dropped before it is held in memory.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import BinaryIO, cast

import anyio
import anyio.to_thread
from mcp.server.stdio import stdio_server

from trimtab.mcp.bounds import Bounds
from trimtab.mcp.server import Agents

_INSTEAD = '{"too_long": true}\n'
"""Stands for a line that was dropped: no message of the protocol, and so answered as one that cannot be read."""
MOST_BYTES = 4 * Bounds().question_bytes


def serve_stdio(agents: Agents) -> None:
    """Serve until the input ends."""
    anyio.run(_serve, agents)


def next_line(stream: BinaryIO) -> str:
    """Return the next line, "" at the end; what is longer than MOST_BYTES is read over, and told as such."""
    line = stream.readline(MOST_BYTES)
    if len(line) < MOST_BYTES or line.endswith(b"\n"):
        return line.decode("utf-8", "replace")
    while line and not line.endswith(b"\n"):
        line = stream.readline(MOST_BYTES)
    return _INSTEAD


async def _lines(stream: BinaryIO) -> AsyncIterator[str]:
    while line := await anyio.to_thread.run_sync(next_line, stream, abandon_on_cancel=True):
        yield line


async def _serve(agents: Agents) -> None:
    server = agents.server._lowlevel_server  # run_stdio_async takes no input of ours
    lines = cast("anyio.AsyncFile[str]", _lines(sys.stdin.buffer))
    async with stdio_server(lines) as (reads, writes):
        await server.run(reads, writes, server.create_initialization_options())
