"""What an operator does on the pages is done as by the command line, by somebody who is known, and after a yes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape

import pytest
from starlette.testclient import TestClient

from tests.apply.sessions import APPLICATION, CANARY, Application
from trimtab.apply.switch import Freeze, KillSwitch
from trimtab.embedded.server import Server
from trimtab.ledger.entry import Kind
from trimtab.web.rendering import link
from trimtab.web.site import SiteOptions
from trimtab.web.users import Role, UserFile

from .conftest import Place, operated, options_of, seen_entries

Browse = Callable[[SiteOptions], TestClient]
PASSWORD = "a long password of olga"
WHO = {"operator": "olga", "password": PASSWORD}
ORIGIN = {"origin": "https://trimtab.example.com"}
ACTED = (Kind.BACKEND_INTENDED, Kind.BACKEND_DONE, Kind.BACKEND_FAILED)


@pytest.fixture
def manned(place: Place) -> Place:
    """A place with an operator, and one who only reads."""
    users = UserFile(place.lives.path.parent)
    users.put("olga", Role.OPERATOR, PASSWORD)
    users.put("carl", Role.VIEWER, PASSWORD)
    return place


def frozen(place: Place) -> list[str | None]:
    return [each.database for each in KillSwitch(place.lives.path.parent).frozen()]


def form_of(client: TestClient, address: str) -> dict[str, str]:
    """Return the hidden fields of the one form of a page that is not the log-out's."""
    found = re.findall(r'<form class="sign".*?</form>', client.get(address).text, re.DOTALL)
    assert len(found) == 1, address
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', found[0])
    return {name: unescape(value) for name, value in fields}


def sent(client: TestClient, page: str, to: str, **fields: str) -> tuple[int, str]:
    """Fill in the form of a page and send it; return the status of the answer, and the page that it leads to."""
    answer = client.post(to, data={**form_of(client, page), **fields})
    text = client.get(answer.headers["location"]).text if answer.status_code == 303 else answer.text
    return answer.status_code, unescape(text)


def test_who_freezes_says_who_they_are_once_and_every_page_shows_it(manned: Place, browse: Browse) -> None:
    client = browse(manned.options)
    assert "Nothing is frozen." in client.get("/changes").text
    status, text = sent(client, "/freezes", "/freezes/freeze", scope="everything", reason="incident 4711", **WHO)
    assert (status, "Frozen: from the next statement on" in text) == (303, True)
    assert frozen(manned) == [None]
    for address in ("/", "/changes", "/ledger", "/anchors", "/nowhere"):
        assert "everything, by olga: incident 4711" in client.get(address).text, address
    [told] = seen_entries(manned, Kind.CHANGES_FROZEN)
    assert (told.body["by"], told.body["reason"], told.body["scope"]) == ("olga", "incident 4711", "everything")
    status, _ = sent(client, "/freezes", "/freezes/freeze", scope="database", database="shop", allows_reverts="yes")
    assert (status, frozen(manned)) == (303, [None, "shop"])
    assert client.get("/api/v1/freezes").json()[1] | {"at_ns": ""} == {
        "database": "shop", "reason": "", "by": "olga", "at_ns": "", "allows_reverts": True,
    }  # fmt: skip


def test_thawing_asks_first_and_ends_the_one_that_is_meant(manned: Place, browse: Browse) -> None:
    switch = KillSwitch(manned.lives.path.parent)
    switch.freeze(Freeze(None, "incident", "ann", 1))
    switch.freeze(Freeze("sh<op>&", "repair", "ann", 1))
    client = browse(manned.options)
    page = link("/freezes/thaw", scope="database", database="sh<op>&")
    assert page.replace("&", "&amp;") in client.get("/freezes").text
    status, text = sent(client, page, "/freezes/thaw", **WHO)
    assert (status, "web.unconfirmed" in text) == (400, True)
    assert len(frozen(manned)) == 2
    status, text = sent(client, page, "/freezes/thaw", confirmed="yes", **WHO)
    assert (status, "Thawed." in text) == (303, True)
    assert frozen(manned) == [None]
    [told] = seen_entries(manned, Kind.CHANGES_THAWED)
    assert (told.body["thawed_by"], told.body["frozen_database"]) == ("olga", "sh<op>&")
    assert client.get(page).status_code == 404


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({}, 403, "web.login"),
        ({"operator": "olga", "password": "a wrong password"}, 403, "web.login"),
        ({"operator": "carl", "password": PASSWORD}, 403, "web.role"),
        ({**WHO, "scope": "database"}, 400, "web.parameter"),
        ({**WHO, "scope": "nothing"}, 400, "web.parameter"),
        ({**WHO, "reason": "password=secret of somebody"}, 400, "usage.reason"),
        ({**WHO, "reason": "x" * 501}, 400, "usage.reason"),
    ],
)
def test_what_is_refused_freezes_nothing(
    manned: Place, browse: Browse, fields: dict[str, str], status: int, code: str
) -> None:
    client = browse(manned.options)
    found, text = sent(client, "/freezes", "/freezes/freeze", **{"scope": "everything", **fields})
    assert (found, code in text) == (status, True), text
    assert frozen(manned) == []
    assert PASSWORD not in text


def test_guesses_are_counted_here_too(manned: Place, browse: Browse) -> None:
    client = browse(manned.options)
    guesses = [
        sent(client, "/freezes", "/freezes/freeze", scope="everything", operator="olga", password=f"guess number {n}")[
            0
        ]
        for n in range(6)
    ]
    assert guesses == [403] * 5 + [429]
    assert frozen(manned) == []


def test_a_form_without_its_token_does_nothing(manned: Place, browse: Browse) -> None:
    client = browse(manned.options)
    client.get("/freezes")
    for to in ("/freezes/freeze", "/freezes/thaw", "/activity/end"):
        assert client.post(to, data={"scope": "everything", "csrf": "no", **WHO}).status_code == 403
    assert frozen(manned) == []


def _remote(place: Place, browse: Browse, role: Role, options: SiteOptions | None = None) -> TestClient:
    from dataclasses import replace

    UserFile(place.lives.path.parent).put("dora", role, PASSWORD)
    found = options_of(place.lives, place.keys) if options is None else options
    hosts = frozenset({"trimtab.example.com"})
    client = browse(replace(found, hosts=hosts, is_local=False, is_secure=True))
    client.headers.update(ORIGIN)
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/login").text)
    assert token is not None
    assert not re.search("frozen|incident", client.get("/login").text, re.IGNORECASE)
    assert client.post("/login", data={"csrf": token[1], "name": "dora", "password": PASSWORD}).status_code == 303
    return client


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER])
def test_beyond_this_machine_only_an_operator_operates(manned: Place, browse: Browse, role: Role) -> None:
    KillSwitch(manned.lives.path.parent).freeze(Freeze(None, "incident", "ann", 1))
    client = _remote(manned, browse, role)
    page = client.get("/freezes")
    assert (page.status_code, "/freezes/freeze" in page.text, 'href="/activity"' in page.text) == (200, False, False)
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token is not None
    for to in ("/freezes/freeze", "/freezes/thaw", "/activity/end"):
        answer = client.post(to, data={"csrf": token[1], "scope": "everything", "confirmed": "yes", **WHO})
        assert (answer.status_code, "web.role" in answer.text) == (403, True), to
    for address in (
        "/activity",
        "/activity?server=shop",
        "/activity/end?server=shop",
        "/freezes/thaw?scope=everything",
    ):
        assert client.get(address).status_code == 403
    assert frozen(manned) == [None]


def test_beyond_this_machine_the_login_is_who_it_is(
    manned: Place, browse: Browse, busy_server: Server, application: Application
) -> None:
    client = _remote(manned, browse, Role.OPERATOR, operated(manned, busy_server))
    assert 'name="password"' not in client.get("/freezes").text
    assert sent(client, "/freezes", "/freezes/freeze", scope="database", database="elsewhere")[0] == 303
    assert seen_entries(manned, Kind.CHANGES_FROZEN)[0].body["by"] == "dora"
    seen = application.begin()
    page = link("/activity/end", server="shop", act="cancel", pid=seen.pid, started=seen.started_at)
    assert sent(client, page, "/activity/end", confirmed="yes")[0] == 303
    assert application.ended_with() == "57014"
    assert seen_entries(manned, Kind.BACKEND_INTENDED)[0].body["by"] == "dora"


# Backends


def test_who_is_at_work_is_read_anew_without_literals(
    manned: Place, browse: Browse, busy_server: Server, application: Application
) -> None:
    client = browse(operated(manned, busy_server, terminate="refuse"))
    assert 'href="/activity?server=shop"' in client.get("/activity").text
    assert str(application.pid) not in client.get("/activity?server=shop").text  # idle
    seen = application.begin()
    text = client.get("/activity?server=shop").text
    assert f"Cancel {application.pid}…" in text
    assert "backends.terminate" in text
    assert APPLICATION in text
    assert CANARY not in text
    every = client.get("/activity?server=shop&all=yes").text
    assert "checkpointer" in every
    assert "backends.not_a_client" not in every.split(f"{application.pid}")[1][:300]
    page = link("/activity/end", server="shop", act="terminate", pid=seen.pid, started=seen.started_at)
    refused = client.get(page).text
    assert "the specification lets nobody terminate" in refused
    assert 'action="/activity/end"' not in refused


@pytest.mark.parametrize(("act", "sqlstate"), [("cancel", "57014"), ("terminate", "57P01")])
def test_what_was_shown_is_ended_after_a_yes(
    manned: Place, browse: Browse, busy_server: Server, application: Application, act: str, sqlstate: str
) -> None:
    client = browse(operated(manned, busy_server))
    seen = application.begin()
    page = link("/activity/end", server="shop", act=act, pid=seen.pid, started=seen.started_at)
    assert "role clerk" in client.get(page).text
    status, text = sent(client, page, "/activity/end", **WHO)
    assert (status, "web.unconfirmed" in text) == (400, True)
    status, text = sent(client, page, "/activity/end", confirmed="yes")
    assert (status, "web.login" in text) == (403, True)
    assert application.is_at_work()
    assert seen_entries(manned, *ACTED) == []
    status, text = sent(client, page, "/activity/end", confirmed="yes", reason="too long", **WHO)
    assert status == 303
    assert {"cancel": "Cancelled: what backend", "terminate": "Terminated: backend"}[act] in text
    assert application.ended_with() == sqlstate
    intended, done = seen_entries(manned, *ACTED)
    assert {key: intended.body[key] for key in ("act", "by", "via", "is_confirmed", "reason")} == {
        "act": act, "by": "olga", "via": "web", "is_confirmed": True, "reason": "too long",
    }  # fmt: skip
    assert done.kind is Kind.BACKEND_DONE
    assert CANARY not in json.dumps([dict(entry.body) for entry in (intended, done)])
    assert client.get(page).status_code == (404 if act == "terminate" else 200)


def test_what_moved_on_or_is_frozen_meanwhile_is_left_alone(
    manned: Place, browse: Browse, busy_server: Server, application: Application
) -> None:
    client = browse(operated(manned, busy_server))
    seen = application.begin()
    page = link("/activity/end", server="shop", act="cancel", pid=seen.pid, started=seen.started_at)
    fields = {**form_of(client, page), "confirmed": "yes", **WHO}
    later = client.post("/activity/end", data={**fields, "since": "2020-01-01T00:00:00.000000Z"})
    assert (later.status_code, "backend.moved_on" in later.text) == (403, True)
    other = client.post("/activity/end", data={**fields, "started": "2020-01-01T00:00:00.000000Z"})
    assert (other.status_code, "backend.unknown" in other.text) == (400, True)
    KillSwitch(manned.lives.path.parent).freeze(Freeze(None, "incident", "ann", 1))
    held = client.post("/activity/end", data=fields)
    assert (held.status_code, "apply.frozen" in held.text) == (403, True)
    assert application.is_at_work()
    assert seen_entries(manned, *ACTED) == []


def test_a_server_that_nobody_named_is_not_asked(manned: Place, browse: Browse, busy_server: Server) -> None:
    client = browse(operated(manned, busy_server))
    for address in ("/activity?server=dbname%3Dpostgres", "/activity/end?server=x&act=cancel&pid=1&started=x"):
        assert client.get(address).status_code == 404
    assert client.get("/activity/end?server=shop&act=kill&pid=1&started=x").status_code == 400
