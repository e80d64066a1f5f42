"""Beyond this machine nobody sees anything without a login, and roles are what they are now."""

from __future__ import annotations

import base64
import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.testclient import TestClient

from trimtab.errors import ConfigError, UsageError
from trimtab.web import users
from trimtab.web.access import Access
from trimtab.web.app import PAGES
from trimtab.web.live import Live
from trimtab.web.login import own_address
from trimtab.web.sessions import IDLE_SECONDS, LENGTH_SECONDS, MOST, Sessions
from trimtab.web.site import Site, SiteOptions
from trimtab.web.users import Role, UserFile

from .conftest import Place, options_of
from .test_pages import addresses

Browse = Callable[[SiteOptions], TestClient]
PASSWORD = "a long password of carl"
ORIGIN = {"origin": "https://trimtab.example.com"}


@pytest.fixture
def remote(place: Place) -> SiteOptions:
    UserFile(place.lives.path.parent).put("carl", Role.VIEWER, PASSWORD)
    return options_of(place.lives, place.keys, hosts=frozenset({"trimtab.example.com"}), is_local=False, is_secure=True)


def _log_in(client: TestClient, name: str = "carl", password: str = PASSWORD, wanted: str = "/") -> int:
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/login").text)
    assert token is not None
    sent = {"csrf": token[1], "name": name, "password": password, "next": wanted}
    return client.post("/login", data=sent, headers=ORIGIN).status_code


def test_without_a_login_there_is_the_login_and_nothing_else(place: Place, remote: SiteOptions, browse: Browse) -> None:
    client = browse(remote)
    for path, address in addresses(place).items():
        answer = client.get(address)
        expected = 401 if path.endswith((".svg", ".json")) else 303
        assert answer.status_code == expected, path
        assert "shop" not in answer.text
    for address in ("/metrics", "/api/v1/fleet", "/api/v1/ledger", "/live"):
        assert client.get(address).status_code == 401
    for page in PAGES:
        if page.method == "POST":
            answer = client.post(page.path.replace("{request_id}", place.lives.request_id), headers=ORIGIN)
            assert answer.status_code == 401, page.path
    assert client.get("/healthz").status_code == 200


def test_a_login_begins_a_session_of_its_own_and_ends_with_it(remote: SiteOptions, browse: Browse) -> None:
    client = browse(remote)
    assert _log_in(client, password="another password") == 403
    assert client.get("/ledger").status_code == 303
    before = client.cookies.get("__Host-trimtab_session")
    assert _log_in(client, wanted="/ledger") == 303
    assert client.cookies.get("__Host-trimtab_session") not in (None, before)
    page = client.get("/ledger")
    assert page.status_code == 200
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token is not None
    assert client.post("/logout", data={"csrf": token[1]}, headers=ORIGIN).status_code == 303
    assert client.get("/ledger").status_code == 303


def test_the_cookie_is_seen_by_no_script_and_sent_by_no_other_site(remote: SiteOptions, browse: Browse) -> None:
    cookie = browse(remote).get("/login").headers["set-cookie"].lower()
    for part in ("httponly", "samesite=strict", "secure", "path=/", "__host-"):
        assert part in cookie
    assert "domain" not in cookie


def test_a_user_who_was_removed_or_given_another_role_is_so_at_once(remote: SiteOptions, browse: Browse) -> None:
    client, users = browse(remote), UserFile(remote.ledger_path.parent)
    assert _log_in(client) == 303
    assert "carl, viewer" in client.get("/ledger").text
    users.put("carl", Role.OPERATOR, PASSWORD)
    assert "carl, operator" in client.get("/ledger").text
    users.remove("carl")
    assert client.get("/ledger").status_code == 303


def test_the_line_of_events_ends_with_the_session(remote: SiteOptions) -> None:
    site, known = Site(remote), UserFile(remote.ledger_path.parent)
    access = Access(site)
    cookie, _ = site.sessions.begin("carl", Role.VIEWER)
    headers = [(b"cookie", f"{access.cookie_name}={cookie}".encode())]
    request = Request({"type": "http", "method": "GET", "client": ("192.0.2.1", 5), "headers": headers})
    line = Live(site, access.is_known, look_seconds=0.01)

    class Stays:
        looks = 0

        async def is_disconnected(self) -> bool:
            self.looks += 1
            if self.looks == 3:
                known.remove("carl")
            assert self.looks < 100
            return False

        def __getattr__(self, name: str) -> object:
            return getattr(request, name)

    async def listen() -> list[bytes]:
        return [event async for event in line._events(Stays())]  # type: ignore[arg-type]  # what it asks of a request

    assert anyio.run(listen) == [b"retry: 5000\n\n"]


def test_a_part_of_a_page_and_a_browsers_own_asking_are_told_so_and_no_login_takes_their_place(
    place: Place, remote: SiteOptions, browse: Browse
) -> None:
    """A page that is open stays as it is when its session has ended, and the browser opens no window of its own."""
    client = browse(remote)
    answer = client.get("/ledger", headers={"hx-request": "true", "sec-fetch-mode": "cors"})
    assert (answer.status_code, "www-authenticate" in answer.headers) == (401, False)
    for mode, is_asked in ((None, True), ("cors", False), ("no-cors", False), ("navigate", False)):
        for address in ("/metrics", "/api/v1/fleet", f"/approvals/{place.lives.request_id}/request.json"):
            answer = client.get(address, headers={} if mode is None else {"sec-fetch-mode": mode})
            assert (answer.status_code, "www-authenticate" in answer.headers) == (401, is_asked), (mode, address)
    form = {**ORIGIN, "sec-fetch-mode": "navigate", "sec-fetch-site": "same-origin"}
    answer = client.post(f"/approvals/{place.lives.request_id}/reject", headers=form)
    assert (answer.status_code, "www-authenticate" in answer.headers) == (401, False)
    assert "nothing was done" in answer.text


def test_many_people_at_one_address_can_log_in(remote: SiteOptions, browse: Browse) -> None:
    users, one = UserFile(remote.ledger_path.parent), browse(remote)
    for number in range(7):
        users.put(f"person{number}", Role.VIEWER, PASSWORD)
        assert _log_in(one, f"person{number}") == 303
        one.cookies.clear()
    basic = {"authorization": "Basic " + base64.b64encode(f"carl:{PASSWORD}".encode()).decode()}
    assert one.get("/metrics", headers=basic).status_code == 200
    assert [_log_in(one, password=f"guess number {n}") for n in range(6)] == [403] * 5 + [429]


def test_guesses_are_counted_by_name_and_by_who_asks(remote: SiteOptions, browse: Browse) -> None:
    client = browse(remote)
    assert [_log_in(client, password=f"guess number {n}") for n in range(6)] == [403] * 5 + [429]
    assert _log_in(client) == 429


def test_programs_log_in_by_http_basic_and_only_to_read(place: Place, remote: SiteOptions, browse: Browse) -> None:
    client = browse(remote)
    basic = {"authorization": "Basic " + base64.b64encode(f"carl:{PASSWORD}".encode()).decode()}
    assert client.get("/metrics", headers=basic).status_code == 200
    assert client.get("/api/v1/ledger", headers=basic).status_code == 200
    reject = f"/approvals/{place.lives.request_id}/reject"
    assert client.post(reject, headers={**basic, **ORIGIN}).status_code == 401
    for wrong in (
        "Basic !!!",
        "Basic " + base64.b64encode(b"carl").decode(),
        "Bearer x",
        "Basic " + base64.b64encode(b"carl:no").decode(),
    ):
        assert client.get("/metrics", headers={"authorization": wrong}).status_code == 401
    UserFile(remote.ledger_path.parent).remove("carl")
    assert client.get("/metrics", headers=basic).status_code == 401


@given(st.text(max_size=40))
def test_nobody_is_sent_to_another_site(given_address: str) -> None:
    found = own_address(given_address)
    assert found.startswith("/")
    assert not found.startswith(("//", "/\\"))
    assert "\\" not in found


@pytest.mark.parametrize("address", ["//evil.example", "/\\evil.example", "https://evil.example", "", "javascript:x"])
def test_addresses_of_other_sites_become_the_first_page(address: str) -> None:
    assert own_address(address) == "/"


def test_sessions_end_by_age_and_idleness_and_are_bounded() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    cookie, _ = sessions.begin("ann", Role.VIEWER)
    now[0] = IDLE_SECONDS + 1
    assert sessions.find(cookie) is None
    cookie, _ = sessions.begin("ann", Role.VIEWER)
    while now[0] < LENGTH_SECONDS + IDLE_SECONDS:
        now[0] += IDLE_SECONDS / 2
        sessions.find(cookie)
    now[0] += IDLE_SECONDS
    assert sessions.find(cookie) is None
    first, _ = sessions.begin("ann", Role.VIEWER)
    for _ in range(MOST):
        sessions.begin("", Role.VIEWER)
    assert sessions.find(first) is None
    assert sessions.find("x" * 500) is None


def test_the_users_file_holds_no_password_and_is_its_owners_alone(tmp_path: Path) -> None:
    users = UserFile(tmp_path)
    users.put("ann", Role.APPROVER, PASSWORD)
    [path] = tmp_path.iterdir()
    assert path.stat().st_mode & 0o077 == 0
    assert PASSWORD not in path.read_text("utf-8")
    assert users.verified("ann", PASSWORD) is not None
    assert users.verified("ann", PASSWORD + "x") is None
    assert users.verified("nobody", PASSWORD) is None
    assert [(user.name, user.role) for user in users.users()] == [("ann", Role.APPROVER)]


@pytest.mark.parametrize(
    ("name", "password"), [("a b", PASSWORD), ("", PASSWORD), ("ann", "short"), ("ann", "x" * 2000)]
)
def test_what_is_no_user_is_refused(tmp_path: Path, name: str, password: str) -> None:
    with pytest.raises(UsageError) as refused:
        UserFile(tmp_path).put(name, Role.VIEWER, password)
    assert refused.value.code == "web.user"


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", json.dumps({"format": "trimtab.web.users/v1", "users": [{}]}), "\x00"]
)
def test_a_users_file_that_is_none_lets_nobody_in(tmp_path: Path, text: str) -> None:
    (tmp_path / "web-users.json").write_text(text, "utf-8")
    with pytest.raises(ConfigError) as refused:
        UserFile(tmp_path).verified("ann", PASSWORD)
    assert refused.value.code == "web.users"


def test_a_users_file_that_cannot_be_written_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users_of = UserFile(tmp_path)
    users_of.put("carl", Role.VIEWER, PASSWORD)
    monkeypatch.setattr(users, "write_durably", Mock(side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    with pytest.raises(ConfigError, match="left as it is") as refused:
        users_of.put("dora", Role.VIEWER, PASSWORD)
    assert (refused.value.code, "Make room" in refused.value.next_step) == ("web.users", True)
    assert [each.name for each in users_of.users()] == ["carl"]
