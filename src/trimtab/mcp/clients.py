"""Tells clients over HTTP apart, by token or by address, and holds each to its share, so that none takes it all.

It stands before the protocol: how often a client asks, and how many sessions it has open. Calls are counted by
`guard.py`, for whom this says who is calling.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Mapping
from typing import Any

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trimtab.mcp.bounds import Bounds
from trimtab.mcp.caller import Caller
from trimtab.web.limits import RateLimit, client_key

MOST_SESSIONS = 64
_SESSIONS_OF_ONE = MOST_SESSIONS // 2
_REQUESTS_A_CALL = 4
"""So many requests over HTTP a call may take: those that open a session, hear, cancel and end are requests too."""
_SCOPE = "trimtab.caller"
_SESSION = "mcp-session-id"
_FIRST_VERSION = HANDSHAKE_PROTOCOL_VERSIONS[0]
"""What a request speaks that names no version of the protocol."""


def caller_of(request: Any) -> Caller:
    """Return who sent a request over HTTP; None stands for stdio, where there is one client."""
    found = None if request is None else request.scope.get(_SCOPE)
    return found if isinstance(found, Caller) else Caller()


class Clients:
    """The ASGI middleware. `tokens` has the name of each token; without any, clients are told apart by address.

    `open_sessions` are the ids of those that there are. A session is used only by the client that began it. What
    `security` refuses may be sent by another site's page, in the browser of who has a share here: it takes none of it.
    """

    def __init__(
        self,
        app: ASGIApp,
        tokens: Mapping[str, str],
        bounds: Bounds,
        clock: Callable[[], float],
        open_sessions: Callable[[], Collection[str]],
        security: TransportSecuritySettings,
    ) -> None:
        self._app, self._tokens, self._open_sessions = app, tokens, open_sessions
        self._security = TransportSecurityMiddleware(security)
        self._limit = RateLimit(_REQUESTS_A_CALL * bounds.burst, _REQUESTS_A_CALL * bounds.calls_per_second, clock)
        self._held: dict[str, set[object]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or hand it on with who sent it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, address = Headers(scope=scope), client_key(scope.get("client"))
        foreign = await self._security.validate_request(Request(scope)) or _anothers_page(headers)
        who = None if foreign is not None else self._caller(headers, address)
        wait = self._limit.wait_seconds(f"unknown {address}" if who is None else who.key)
        if wait:
            later = {"Retry-After": f"{max(1, round(wait))}"}
            await PlainTextResponse("too many requests; wait a moment", 429, later)(scope, receive, send)
        elif foreign is not None:
            await foreign(scope, receive, send)
        elif who is None:
            asked = {"WWW-Authenticate": "Bearer"}
            await PlainTextResponse("a token is needed", 401, asked)(scope, receive, send)
        else:
            user = AuthenticatedUser(AccessToken(token="", client_id=who.key, scopes=[]))  # whose a session is
            handed_on = {**scope, _SCOPE: who, "user": user}
            if _opens_a_session(headers):
                await self._opened(who.key, handed_on, receive, send)
            else:
                await self._app(handed_on, receive, send)

    def _caller(self, headers: Headers, address: str) -> Caller | None:
        if not self._tokens:
            return Caller(f"address {address}")
        given = headers.getlist("authorization")
        if len(given) != 1:
            return None
        sent = given[0].encode("latin-1")
        known = [name for token, name in self._tokens.items() if hmac.compare_digest(sent, f"Bearer {token}".encode())]
        return Caller(f"token {known[0]}", known[0]) if known else None

    async def _opened(self, key: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what opens a session, and note which one it is; too many of one client are refused."""
        is_open = self._open_sessions()
        held = {each for each in self._held.get(key, ()) if not isinstance(each, str) or each in is_open}
        self._held[key] = held
        if len(held) >= _SESSIONS_OF_ONE:
            refused = PlainTextResponse("too many open sessions of yours", 503, {"Retry-After": "60"})
            await refused(scope, receive, send)
            return
        opening = object()
        held.add(opening)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                session = Headers(raw=list(message["headers"])).get(_SESSION)
                if session is not None:  # the answer may be there, and the next request, before this one has ended
                    self._held[key].discard(opening)
                    self._held[key].add(session)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            left = self._held.get(key, set())
            left.discard(opening)
            if not left:  # its session may have ended before it, and another request have found none
                self._held.pop(key, None)


def _anothers_page(headers: Headers) -> Response | None:
    """Refuse what a browser asks for a page, as for its picture, without the origin: it says that it is another's."""
    is_anothers = "origin" not in headers and headers.get("sec-fetch-site") == "cross-site"
    return PlainTextResponse("the request was refused: it is another site's", 403) if is_anothers else None


def _opens_a_session(headers: Headers) -> bool:
    version = headers.get("mcp-protocol-version", _FIRST_VERSION)
    return _SESSION not in headers and version in HANDSHAKE_PROTOCOL_VERSIONS
