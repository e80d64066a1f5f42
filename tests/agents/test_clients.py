"""What stands before the protocol over HTTP: clients told apart by token or address, each held to its share."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hypothesis import given
from hypothesis import strategies as st
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from trimtab.mcp.bounds import Bounds
from trimtab.mcp.clients import MOST_SESSIONS, Clients, caller_of
from trimtab.web.limits import client_key

TOKENS = {"t" * 32: "one", "u" * 32: "other"}
BOUNDS = Bounds(calls_per_second=1.0, burst=100)


class Protocol:
    """In place of the protocol: it says who asked, and opens a session for whom it is asked without one."""

    def __init__(self) -> None:
        self.sessions: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        who, headers = caller_of(request), {}
        if "mcp-session-id" not in request.headers and "mcp-protocol-version" not in request.headers:
            self.sessions.append(f"session {len(self.sessions)}")
            headers["mcp-session-id"] = self.sessions[-1]
        await PlainTextResponse(f"{who.key}, {who.agent}", headers=headers)(scope, receive, send)


def _app(
    protocol: Protocol, tokens: dict[str, str], clock: Callable[[], float] = lambda: 0.0, bounds: Bounds = BOUNDS
) -> tuple[Clients, Callable[[str], TestClient]]:
    security = TransportSecuritySettings(allowed_hosts=["testserver"], allowed_origins=["http://testserver"])
    app = Clients(protocol, tokens, bounds, clock, lambda: protocol.sessions, security)
    return app, lambda address: TestClient(app, client=(address, 5))


def _clients(
    protocol: Protocol, tokens: dict[str, str], clock: Callable[[], float] = lambda: 0.0, bounds: Bounds = BOUNDS
) -> Callable[[str], TestClient]:
    return _app(protocol, tokens, clock, bounds)[1]


def _as(token: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", **more}


def test_a_client_is_told_by_its_token_and_without_tokens_by_its_address() -> None:
    asked = _clients(Protocol(), TOKENS)("192.0.2.1")
    for token, name in TOKENS.items():
        assert asked.get("/", headers=_as(token)).text == f"token {name}, {name}"
    for wrong in ({}, _as("v" * 32), {"authorization": "t" * 32}, _as("t" * 31), _as("\u00e9" * 32)):
        sent = {key.encode(): value.encode("latin-1") for key, value in wrong.items()}
        answer = asked.get("/", headers=sent)
        assert (answer.status_code, answer.text) == (401, "a token is needed")
    twice = [("authorization", f"Bearer {token}") for token in TOKENS]
    assert asked.get("/", headers=twice).status_code == 401
    forged = {"x-forwarded-for": "192.0.2.9"}
    assert _clients(Protocol(), {})("192.0.2.1").get("/", headers=forged).text == "address 192.0.2.1, "


def test_who_asks_too_often_waits_and_others_do_not() -> None:
    now = [0.0]
    asked = _clients(Protocol(), TOKENS, lambda: now[0], Bounds(calls_per_second=0.25, burst=2))("192.0.2.1")
    modern = {"mcp-protocol-version": "2026-07-28"}

    def statuses(headers: dict[str, str], times: int) -> list[int]:
        return [asked.get("/", headers=headers | modern).status_code for _ in range(times)]

    one, other = (_as(token) for token in TOKENS)
    assert statuses(one, 10) == [200] * 8 + [429] * 2
    assert asked.get("/", headers=one | modern).headers["retry-after"] == "1"
    assert statuses(other, 3) == [200] * 3
    assert statuses({}, 10) == [401] * 8 + [429] * 2
    now[0] = 2.0
    assert statuses(one, 3) == [200, 200, 429]


def test_a_page_of_another_site_takes_nothing_of_the_share_of_who_asks_from_the_same_machine() -> None:
    asked = _clients(Protocol(), {}, bounds=Bounds(calls_per_second=0.25, burst=1))("127.0.0.1")
    modern = {"mcp-protocol-version": "2026-07-28"}

    def statuses(headers: dict[str, str], times: int) -> list[int]:
        return [asked.post("/", headers=headers | modern).status_code for _ in range(times)]

    assert statuses({"origin": "https://evil.example"}, 2) == [403] * 2
    assert statuses({"host": "evil.example"}, 1) == [421]
    assert statuses({"sec-fetch-site": "cross-site"}, 2) == [403, 429]
    assert statuses({"origin": "http://testserver", "sec-fetch-site": "cross-site"}, 2) == [200] * 2
    assert statuses({}, 3) == [200, 200, 429]


def test_one_client_opens_half_of_the_sessions_and_again_when_some_have_ended() -> None:
    protocol = Protocol()
    asked = _clients(protocol, TOKENS)("192.0.2.1")
    one, other = (_as(token) for token in TOKENS)

    def opened(headers: dict[str, str], times: int) -> list[int]:
        return [asked.get("/", headers=headers).status_code for _ in range(times)]

    most = MOST_SESSIONS // 2
    assert opened(one, most + 2) == [200] * most + [503] * 2
    assert opened(_as("t" * 32, **{"mcp-protocol-version": "2026-07-28"}), 2) == [200] * 2  # which opens none
    assert opened(_as("t" * 32, **{"mcp-session-id": "session 3"}), 2) == [200] * 2
    assert opened(other, 2) == [200] * 2
    protocol.sessions[3:5] = ["ended", "ended too"]
    assert opened(one, 4) == [200] * 2 + [503] * 2


def test_a_session_that_was_answered_counts_once_while_its_request_ends() -> None:
    statuses: list[int] = []
    most = MOST_SESSIONS // 2

    class Slow(Protocol):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await super().__call__(scope, receive, send)
            if len(self.sessions) == most - 1:  # answered, not ended: the client asks for the last that it may have

                async def noted(message: Message) -> None:
                    statuses.extend([message["status"]] if message["type"] == "http.response.start" else [])

                await app(scope, receive, noted)

    app, asked = _app(Slow(), TOKENS)
    for _ in range(most - 1):
        assert asked("192.0.2.1").get("/", headers=_as("t" * 32)).status_code == 200
    assert statuses == [200]


def test_a_session_may_end_before_the_request_that_opened_it() -> None:
    class Brief(Protocol):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if self.sessions:
                await PlainTextResponse("no more", 400)(scope, receive, send)
                return
            await super().__call__(scope, receive, send)
            self.sessions[:] = ["another client's"]

            async def unheard(_: Message) -> None:
                pass

            await app(scope, receive, unheard)

    app, asked = _app(Brief(), TOKENS)
    assert asked("192.0.2.1").get("/", headers=_as("t" * 32)).status_code == 200
    assert app._held == {}


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), max_size=4))
def test_a_network_of_ipv6_is_one_client(addresses: Iterable[tuple[int, int]]) -> None:
    import ipaddress

    for network, host in addresses:
        whole = ipaddress.IPv6Address((network << 64) + host)
        first = ipaddress.IPv6Address(network << 64)
        if whole.ipv4_mapped is None and first.ipv4_mapped is None:
            assert client_key((str(whole), 1)) == client_key((str(first), 2))
    assert client_key(("192.0.2.1", 1)) != client_key(("192.0.2.2", 1))
    assert client_key(("::ffff:192.0.2.1", 1)) == "192.0.2.1"
    assert client_key(("testclient", 1)) == "testclient"
    assert client_key(None) == ""
