"""Runs a long piece of work in a process of its own: told how far it is, ended when nobody waits for it any more.

The process is asked once, tells lines of JSON, and ends by itself when this one dies: then its servers are removed and
nothing stays half done. What it does is in `job_process.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream
from mcp.server.mcpserver import Context

from trimtab.errors import TrimtabError
from trimtab.mcp.desk import Desk
from trimtab.mcp.untrusted import neutral

GRACE_SECONDS = 60.0
"""So long a process that was told to end may clean up, before it is killed; then the next start cleans up."""
_MOST_CHARACTERS = 16 * 1024 * 1024


async def run_job(desk: Desk, kind: str, arguments: Mapping[str, object], context: Context[Any, Any]) -> dict[str, Any]:
    """Return the document of the work's result. Raises the TrimtabError that it ended with.

    When the caller is cancelled, the process is told to end, and waited for.
    """
    order = {
        "kind": kind,
        "config": None if desk.config.path is None else str(desk.config.path),
        "agent": [desk.asking.name, desk.asking.tools_digest],
        "arguments": dict(arguments),
    }
    process = await anyio.open_process(
        [sys.executable, "-m", "trimtab.mcp.job_process"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None
    )
    try:
        assert process.stdin is not None
        await process.stdin.send(json.dumps(order).encode() + b"\n")
        return await _followed(process, context)
    finally:
        with anyio.CancelScope(shield=True):
            await _ended(process)


async def _followed(process: Process, context: Context[Any, Any]) -> dict[str, Any]:
    """Pass on how far it is, and return its result."""
    assert process.stdout is not None
    rest, seen = "", 0
    async for piece in TextReceiveStream(process.stdout, errors="replace"):
        seen += len(piece)
        if seen > _MOST_CHARACTERS:
            break
        *lines, rest = (rest + piece).split("\n")
        for line in lines:
            told = json.loads(line)
            if "progress" in told:
                done, total, what = told["progress"]
                await context.report_progress(float(done), float(total) or None, neutral(str(what), 200))
            elif "error" in told:
                error = told["error"]
                raise TrimtabError(error["message"], code=error["code"], next_step=error["next_step"])
            else:
                return dict(told["result"])
    raise TrimtabError(
        "the run ended without a result",
        code="mcp.job_ended",
        next_step="`trimtab status` tells what is open; a person runs `trimtab resume` where something is.",
    )


async def _ended(process: Process) -> None:
    """Close what it was asked by, which tells it to end, and wait; kill it when it takes too long."""
    if process.stdin is not None:
        await process.stdin.aclose()
    if process.returncode is None:
        with anyio.move_on_after(GRACE_SECONDS):
            await process.wait()
    if process.returncode is None:
        process.kill()
    await process.aclose()
