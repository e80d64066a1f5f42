"""Serves agents over streamable HTTP: on loopback by default, with Host and Origin checked, and a token beyond it.

It encrypts nothing: beyond this machine a proxy with TLS stands before it. One token opens it to one circle of agents.
"""

from __future__ import annotations

import hmac
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from trimtab.errors import UsageError
from trimtab.mcp.desk import Desk
from trimtab.mcp.server import Agents
from trimtab.web.listening import is_loopback, listening

PATH = "/mcp"
LEAST_TOKEN_CHARACTERS = 32
_MOST_TOKEN_BYTES = 4096
_GRACE_SECONDS = 3
_MOST_SESSIONS = 64


@dataclass(frozen=True, slots=True)
class Door:
    """Where to listen, by which other names it may be reached, and the token that opens it, None on loopback alone."""

    host: str = "127.0.0.1"
    port: int = 8750
    names: tuple[str, ...] = ()
    token: str | None = None


def read_token(path: Path) -> str:
    """Return the token of a file that only its owner may read. Raises UsageError `mcp.token`."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            token = file.read(_MOST_TOKEN_BYTES).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise _bad_token(f"it cannot be read ({getattr(error, 'strerror', None) or 'not ASCII'})") from None
    if mode & 0o077:
        raise _bad_token("others than its owner may read it")
    if len(token) < LEAST_TOKEN_CHARACTERS or not token.isprintable() or " " in token:
        raise _bad_token(f"it holds no {LEAST_TOKEN_CHARACTERS} characters or more without a space")
    return token


def refuse_open_door(door: Door) -> None:
    """Refuse to listen beyond loopback without a token: UsageError `mcp.open_door`."""
    if is_loopback(door.host) or door.token is not None:
        return
    raise UsageError(
        f"listening on {door.host} was refused: without a token anybody who reaches it could use it",
        code="mcp.open_door",
        next_step="Give --token-file FILE, with a proxy for TLS before it; or listen on 127.0.0.1.",
    )


def app_of(agents: Agents, door: Door, desk: Desk) -> ASGIApp:
    """Return the application: the token first, then Host and Origin, then the protocol."""
    names = ["127.0.0.1", "localhost", "[::1]", *door.names]
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[*door.names, *(f"{name}:*" for name in names)],
        allowed_origins=[
            origin for name in names for origin in (f"http://{name}:*", f"https://{name}:*", f"https://{name}")
        ],
    )
    app: ASGIApp = agents.server.streamable_http_app(
        streamable_http_path=PATH,
        host=door.host,
        max_request_body_size=4 * desk.bounds.question_bytes,
        max_sessions=_MOST_SESSIONS,
        transport_security=security,
    )
    return app if door.token is None else _Bearer(app, door.token)


def serve_http(agents: Agents, door: Door, desk: Desk, announce: Callable[[str], None]) -> None:
    """Serve until a signal ends it; `announce` is told the address. Raises UsageError `mcp.open_door`, `mcp.port`."""
    refuse_open_door(door)
    listener = listening(door.host, door.port, code="mcp.port")
    config = uvicorn.Config(
        app_of(agents, door, desk),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        limit_concurrency=4 * _MOST_SESSIONS,
    )
    with listener:
        announce(f"http://{door.host}:{listener.getsockname()[1]}{PATH}")
        uvicorn.Server(config).run(sockets=[listener])


@dataclass(frozen=True, slots=True)
class _Bearer:
    """Lets through who has the token; others learn nothing."""

    app: ASGIApp
    token: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_known(scope.get("headers", ())):
            refused = PlainTextResponse("a token is needed", 401, {"WWW-Authenticate": "Bearer"})
            return await refused(scope, receive, send)
        return await self.app(scope, receive, send)

    def _is_known(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        given = [value for name, value in headers if name.lower() == b"authorization"]
        wanted = b"Bearer " + self.token.encode("ascii")
        return len(given) == 1 and hmac.compare_digest(given[0], wanted)


def _bad_token(found: str) -> UsageError:
    return UsageError(
        f"the token's file was refused: {found}",
        code="mcp.token",
        next_step="Write one with `umask 077; openssl rand -hex 32 > FILE`.",
    )
