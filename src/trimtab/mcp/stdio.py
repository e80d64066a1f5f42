"""Serves one agent over stdin and stdout. Nothing but the protocol is written to stdout; a line that is too long is
dropped before it is held in memory.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from typing import cast

import anyio
from mcp.server.stdio import stdio_server

from trimtab.mcp.bounds import Bounds
from trimtab.mcp.server import Agents

_INSTEAD = '{"too_long": true}\n'
"""Stands for a line that was dropped: no message of the protocol, and so answered as one that cannot be read."""
MOST_BYTES = 4 * Bounds().question_bytes
_PIECE_BYTES = 64 * 1024


def serve_stdio(agents: Agents) -> None:
    """Serve until the input ends."""
    anyio.run(_serve, agents)


async def lines_of(descriptor: int) -> AsyncIterator[str]:
    """Yield the lines; what is longer than MOST_BYTES is read over, and told as such.

    No thread waits for them: one that does would keep the process from ending.
    """
    held, is_too_long = b"", False
    while piece := await _piece(descriptor):
        *whole, held = (held + piece).split(b"\n")
        for line in whole:
            yield _INSTEAD if is_too_long or len(line) > MOST_BYTES else line.decode("utf-8", "replace") + "\n"
            is_too_long = False
        if len(held) > MOST_BYTES:
            held, is_too_long = b"", True
    if held or is_too_long:
        yield _INSTEAD if is_too_long else held.decode("utf-8", "replace")


async def _piece(descriptor: int) -> bytes:
    try:
        await anyio.wait_readable(descriptor)
    except PermissionError:  # a plain file is always readable
        await anyio.sleep(0)
    return os.read(descriptor, _PIECE_BYTES)


async def _serve(agents: Agents) -> None:
    server = agents.server._lowlevel_server  # run_stdio_async takes no input of ours
    lines = cast("anyio.AsyncFile[str]", lines_of(sys.stdin.fileno()))
    async with stdio_server(lines) as (reads, writes):
        await server.run(reads, writes, server.create_initialization_options())
