"""What stands before every page: Host and Origin, sizes, how often; and the headers that every answer has.

A name that this server is not reached by is refused, so that no other site's page can reach it under a name of its own
(DNS rebinding). It knows no page and no user.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trimtab.web.limits import RateLimit, client_key

MOST_BODY_BYTES = 256 * 1024
MOST_TARGET_BYTES = 4096
PAGE_POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
PLOT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""A picture is a document of its own, shown by <img>: its style is in it, and nothing else is loaded or run."""
HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class TooLargeError(Exception):
    """A body that is longer than any that is taken."""


class Guard:
    """The ASGI middleware. `hosts` are the names by which the server is reached, lower case, each with its port or
    without where any will do; `scheme` is how a browser reaches it; `limit` is None where only this machine can.
    """

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], scheme: str, limit: RateLimit | None) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._scheme = scheme
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _plain(_with_headers(send), *refusal)
            return
        try:
            await self._app(scope, _bounded(receive), _with_headers(send))
        except TooLargeError:
            await _plain(_with_headers(send), 413, f"a body of more than {MOST_BODY_BYTES} bytes was refused")

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str, str] | tuple[int, str] | None:
        if len(scope.get("raw_path", b"")) + len(scope.get("query_string", b"")) > MOST_TARGET_BYTES:
            return 414, "the address was refused: it is too long"
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return 421, "the name by which this server was asked is not one of its names; see --name of trimtab serve"
        if scope["method"] not in _SAFE:
            origin, site = headers.get("origin"), headers.get("sec-fetch-site")
            if origin is not None and origin.lower() != f"{self._scheme}://{hosts[0].lower()}":
                return 403, "the form was refused: it is another site's"
            if site is not None and site != "same-origin":
                return 403, "the form was refused: it is another site's"
            length = headers.get("content-length")
            if length is not None and (not length.isdigit() or int(length) > MOST_BODY_BYTES):
                return 413, f"a body of more than {MOST_BODY_BYTES} bytes was refused"
        if self._limit is not None:
            wait = self._limit.wait_seconds(client_key(scope.get("client")))
            if wait:
                return 429, "too many requests; wait a moment", f"{max(1, round(wait))}"
        return None

    def _is_ours(self, host: str) -> bool:
        return host.lower() in self._hosts or _without_port(host.lower()) in self._hosts


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _bounded(receive: Receive) -> Receive:
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > MOST_BODY_BYTES:
                raise TooLargeError
        return message

    return bounded


def _with_headers(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return with_headers


async def _plain(send: Send, status: int, text: str, retry_after: str | None = None) -> None:
    body = f"trimtab: {text}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if retry_after is not None:
        headers.append((b"retry-after", retry_after.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
