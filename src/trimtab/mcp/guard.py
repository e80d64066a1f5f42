"""Stands before every request: how large it is, how many there are, which arguments a tool has. Refuses; does nothing.

It is where calls are logged, to stderr: whose, the tool's name, how it ended, how long it took. Never an argument.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from trimtab.errors import TrimtabError
from trimtab.mcp.answering import refusal, refuse_unknown_arguments
from trimtab.mcp.bounds import Flood, refuse_large
from trimtab.mcp.caller import caller, calling
from trimtab.mcp.clients import caller_of
from trimtab.mcp.untrusted import neutral

_log = logging.getLogger("trimtab.mcp")
_COUNTED = frozenset({"tools/call", "resources/read", "tools/list", "resources/list", "resources/templates/list"})


@dataclass(frozen=True, slots=True)
class Guard:
    """The middleware. `tools` are all that there are, by name."""

    flood: Flood
    tools: Mapping[str, Tool]

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Let the request through, or answer it with its refusal."""
        if ctx.request_id is None or ctx.method not in _COUNTED:
            return await call_next(ctx)
        started = time.monotonic()
        with calling(caller_of(ctx.request)):
            return await self._counted(ctx, call_next, started)

    async def _counted(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext, started: float) -> HandlerResult:
        try:
            refuse_large(len(json.dumps(ctx.params or {})), self.flood.bounds, is_answer=False)
            with self.flood.call():
                return await self._called(ctx, call_next, started)
        except TrimtabError as error:
            _log.warning("%s%s refused: %s", _whose(), ctx.method, error.code)
            if ctx.method == "tools/call":
                return refusal(error)
            raise MCPError(code=INVALID_PARAMS, message=f"refused: {error.code}") from None

    async def _called(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext, started: float) -> HandlerResult:
        if ctx.method != "tools/call":
            return await call_next(ctx)
        params = ctx.params or {}
        name, arguments = str(params.get("name")), params.get("arguments")
        tool = self.tools.get(name)
        if tool is not None and isinstance(arguments, Mapping):
            unknown = refuse_unknown_arguments(arguments, tool)
            if unknown is not None:
                return unknown
        result = await call_next(ctx)
        is_error = result.get("isError") if isinstance(result, dict) else getattr(result, "is_error", False)
        took_ms = (time.monotonic() - started) * 1000
        _log.info("%s%s %s in %.0f ms", _whose(), neutral(name, 60), "refused" if is_error else "answered", took_ms)
        return result


def _whose() -> str:
    key = caller().key
    return f"{key}: " if key else ""
