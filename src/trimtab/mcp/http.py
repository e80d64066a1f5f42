"""Serves agents over streamable HTTP: on loopback by default, with Host and Origin checked, and a token beyond it.

It encrypts nothing: beyond this machine a proxy with TLS stands before it. A token opens it to one client, or to one
circle of them.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp

from trimtab.errors import UsageError
from trimtab.mcp.clients import MOST_SESSIONS, Clients
from trimtab.mcp.desk import Desk
from trimtab.mcp.server import Agents
from trimtab.model.agent import Agent
from trimtab.web.listening import is_loopback, listening

PATH = "/mcp"
LEAST_TOKEN_CHARACTERS = 32
_MOST_TOKEN_BYTES = 16 * 1024
_GRACE_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Door:
    """Where to listen, by which other names it may be reached, and the tokens that open it, none on loopback alone.

    `tokens` tells whose each is: the name of an agent, or "" where one token opens it to all.
    """

    host: str = "127.0.0.1"
    port: int = 8750
    names: tuple[str, ...] = ()
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)


def read_tokens(path: Path) -> Mapping[str, str]:
    """Return whose each token is, of a file that only its owner may read: one token, or lines of `NAME TOKEN`.

    Raises UsageError `mcp.token`.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = file.read(_MOST_TOKEN_BYTES + 1).decode("ascii")
    except (OSError, ValueError) as error:
        raise _bad_token(f"it cannot be read ({getattr(error, 'strerror', None) or 'not ASCII'})") from None
    if mode & 0o077:
        raise _bad_token("others than its owner may read it")
    if len(text) > _MOST_TOKEN_BYTES:
        raise _bad_token(f"it has more than {_MOST_TOKEN_BYTES} bytes")
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if [len(line) for line in lines] not in ([1], [2] * max(1, len(lines))):
        raise _bad_token("it holds neither one token, nor lines of a name and a token")
    found = {line[-1]: line[0] if len(line) > 1 else "" for line in lines}
    if any(len(token) < LEAST_TOKEN_CHARACTERS or not token.isprintable() for token in found):
        raise _bad_token(f"it holds no {LEAST_TOKEN_CHARACTERS} characters or more without a space")
    if len(found) < len(lines) or len(set(found.values())) < len(lines):
        raise _bad_token("a name or a token stands there twice")
    for name in filter(None, found.values()):
        try:
            Agent(name, "0" * 64)
        except ValueError:
            raise _bad_token("a name is not of up to 64 letters, digits, dots, underscores and hyphens") from None
    return found


def refuse_open_door(door: Door) -> None:
    """Refuse to listen beyond loopback without a token: UsageError `mcp.open_door`."""
    if is_loopback(door.host) or door.tokens:
        return
    raise UsageError(
        f"listening on {door.host} was refused: without a token anybody who reaches it could use it",
        code="mcp.open_door",
        next_step="Give --token-file FILE, with a proxy for TLS before it; or listen on 127.0.0.1.",
    )


def app_of(agents: Agents, door: Door, desk: Desk, clock: Callable[[], float] = time.monotonic) -> ASGIApp:
    """Return the application: Host and Origin first, then who asks, then the protocol."""
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
        max_sessions=MOST_SESSIONS,
        transport_security=security,
    )
    sessions = agents.server.session_manager._server_instances  # it tells nobody else which are open
    return Clients(app, door.tokens, desk.bounds, clock, sessions.keys, security)


def serve_http(agents: Agents, door: Door, desk: Desk, announce: Callable[[str], None]) -> None:
    """Serve until a signal ends it; `announce` is told the address. Raises UsageError `mcp.open_door`, `mcp.port`."""
    refuse_open_door(door)
    listener = listening(door.host, door.port, code="mcp.port")
    config = uvicorn.Config(
        app_of(agents, door, desk),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who asks is told by the connection and the token, never by who asks
        timeout_graceful_shutdown=_GRACE_SECONDS,
        limit_concurrency=4 * MOST_SESSIONS,
    )
    with listener:
        announce(f"http://{door.host}:{listener.getsockname()[1]}{PATH}")
        uvicorn.Server(config).run(sockets=[listener])


def _bad_token(found: str) -> UsageError:
    return UsageError(
        f"the token's file was refused: {found}",
        code="mcp.token",
        next_step="Write one with `umask 077; openssl rand -hex 32 > FILE`.",
    )
