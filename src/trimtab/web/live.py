"""Server-sent events: tells a page that there is something new, and which part; the page fetches it as it always does.

An event carries no data of a database. Between events a comment shows every few seconds that the line still stands, so
that a browser that is gone is noticed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from trimtab.api_operations import frozen
from trimtab.errors import TrimtabError
from trimtab.web.limits import client_key
from trimtab.web.site import Site

LOOK_SECONDS, HEARTBEAT_SECONDS = 2.0, 15.0
MOST_LISTENERS = 64
_OF_ONE = MOST_LISTENERS // 2


class _Line(StreamingResponse):
    """The stream to one page; `ended` is called when it is over, however it ends."""

    def __init__(self, events: AsyncIterator[bytes], ended: Callable[[], None]) -> None:
        headers = {"x-accel-buffering": "no", "cache-control": "no-store"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


class Live:
    """The line to the pages; at most so many of them at once, and beyond this machine half of them by one client.

    `is_known` is asked again and again: who may not listen any more hears no more.
    """

    def __init__(
        self,
        site: Site,
        is_known: Callable[[Request], bool] = lambda _: True,
        *,
        look_seconds: float = LOOK_SECONDS,
        heartbeat: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._site, self._is_known = site, is_known
        self._look_seconds, self._heartbeat = look_seconds, heartbeat
        self._listeners: Counter[str] = Counter()

    def response(self, request: Request) -> Response:
        """Return the stream, or 503 where too many listen: a page works without it."""
        client = client_key(request.client)
        of_one = MOST_LISTENERS if self._site.options.is_local else _OF_ONE
        if self._listeners.total() >= MOST_LISTENERS or self._listeners[client] >= of_one:
            return Response("too many pages listen\n", 503, {"retry-after": "60"}, media_type="text/plain")
        # It counts from here on: what begins at once with others would not be seen by them.
        self._listeners[client] += 1
        return _Line(self._events(request), lambda: self._gone(client))

    def _gone(self, client: str) -> None:
        self._listeners[client] -= 1
        if not self._listeners[client]:
            del self._listeners[client]

    async def _events(self, request: Request) -> AsyncIterator[bytes]:
        # What changes once the page knows that it listens is told.
        known, quiet = await anyio.to_thread.run_sync(self._state), 0.0
        yield b"retry: 5000\n\n"
        while not await request.is_disconnected():
            await anyio.sleep(self._look_seconds)
            if not await anyio.to_thread.run_sync(self._is_known, request):
                return
            now = await anyio.to_thread.run_sync(self._state)
            changed = [name for name, state in now.items() if state != known.get(name)]
            known = now
            if changed:
                yield f"event: changed\ndata: {json.dumps(changed)}\n\n".encode()
                quiet = 0.0
                continue
            quiet += self._look_seconds
            if quiet >= self._heartbeat:
                yield b": still here\n\n"
                quiet = 0.0

    def _state(self) -> dict[str, object]:
        """What tells that something is new: the freezes, the ledger's head, the moment of each server's last values."""
        found: dict[str, object] = {"freezes": frozen(ledger_path=self._site.options.ledger_path)}
        try:
            found["ledger"] = self._site.ledger().head
        except TrimtabError as error:
            found["ledger"] = error.code
        try:
            fleet = self._site.history.fleet()
            now = self._site.now_ns()
            found["fleet"] = [
                (each.name, each.state, None if each.age_seconds is None else round(now / 1e9 - each.age_seconds))
                for each in fleet
            ]
        except TrimtabError as error:
            found["fleet"] = error.code
        return found
