"""Every page answers, shows what it should, and shows nothing of what names and texts want a browser to do."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.lifecycle.lives import HOSTILE
from trimtab.history.facts import ServerFacts
from trimtab.history.reading import open_history
from trimtab.web.app import PAGES, web_app
from trimtab.web.rendering import link
from trimtab.web.site import SiteOptions

from .conftest import HOST, Place, options_of
from .histories import DOWN, QUERY, UP


def addresses(place: Place) -> dict[str, str]:
    """Return an address of every page that is read, by the page's path."""
    lives = place.lives
    return {
        "/": "/",
        "/server": link("/server", server=UP),
        "/server/plot.svg": link("/server/plot.svg", server=UP, metric="calls_per_second"),
        "/workload": link("/workload", server=UP),
        "/query": link("/query", server=UP, query=QUERY),
        "/query/plot.svg": link("/query/plot.svg", server=UP, query=QUERY),
        "/indexes": link("/indexes", server=UP),
        "/changes": "/changes",
        "/changes/all": "/changes/all",
        "/changes/{strategy_id}": f"/changes/{lives.kept}",
        "/approvals/{request_id}": f"/approvals/{lives.request_id}",
        "/approvals/{request_id}/request.json": f"/approvals/{lives.request_id}/request.json",
        "/anchors": "/anchors",
        "/specifications": "/specifications",
        "/specifications/one": "/specifications/one?name=DB_GOVERNANCE_SPEC_V2",
        "/specifications/difference": "/specifications/difference?before=DATABASE_OPTIMIZATION_SPEC_V4"
        "&after=DB_GOVERNANCE_SPEC_V2",
        "/ledger": "/ledger",
        "/ledger/verified": "/ledger/verified",
        "/ledger/{seq}": "/ledger/3",
        "/ledger/{seq}/proof.json": "/ledger/3/proof.json",
        "/activity": "/activity",
        "/freezes": "/freezes",
    }


class _Seen(HTMLParser):
    """What a browser would find."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts = 0
        self.in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.in_script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self.in_script and data.strip():
            self.scripts += 1
        self.in_script = False


def _seen(text: str) -> _Seen:
    seen = _Seen()
    seen.feed(text)
    return seen


def test_every_page_that_is_read_has_an_address_here(read_place: Place) -> None:
    read = {page.path for page in PAGES if page.method == "GET"}
    # Anchors, advice, and what an operator is asked have places of their own.
    assert read - set(addresses(read_place)) == {
        "/anchors/{anchor_id}", "/anchors/{anchor_id}/plot.svg", "/indexes/frontier.svg", "/activity/end",
        "/freezes/thaw",
    }  # fmt: skip


def test_every_page_answers(client: TestClient, read_place: Place) -> None:
    for path, address in addresses(read_place).items():
        answer = client.get(address)
        assert answer.status_code == 200, (path, answer.text[:400])


def _pages(client: TestClient, place: Place) -> Iterator[tuple[str, str]]:
    extra = (
        f"/changes/{place.lives.refused}", f"/changes/{place.lives.waiting}", f"/changes/{place.lives.reverted}",
        link("/server", server=DOWN), link("/workload", server=DOWN), link("/indexes", server=DOWN),
        link("/query", server=DOWN, query="q3"), link("/changes/all", search=HOSTILE), "/changes/nothing", "/nowhere",
        link("/server", server=HOSTILE), link("/specifications/one", name=HOSTILE),
        link("/workload", server=UP, search=HOSTILE),
    )  # fmt: skip
    for address in (*addresses(place).values(), *extra):
        answer = client.get(address)
        if answer.headers["content-type"].startswith("text/html"):
            yield address, answer.text


def test_what_never_changes_is_read_before_it_serves(read_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(name: str) -> None:
        raise AssertionError(f"a page waited for {name}")

    with TestClient(web_app(read_place.options), base_url=f"http://{HOST}") as started:
        monkeypatch.setattr("trimtab.spec.load.load_spec", read)
        for path in ("/specifications", "/specifications/one?name=DB_GOVERNANCE_SPEC_V2"):
            assert started.get(path).status_code == 200


def test_no_name_and_no_text_becomes_markup_or_moves_a_line(client: TestClient, read_place: Place) -> None:
    met = 0
    for address, text in _pages(client, read_place):
        seen = _seen(text)
        assert seen.scripts == 0, address
        assert "<script>alert" not in text, address
        # A field's value is what is sent back, as it is; all that is shown is escaped.
        shown = re.sub(r'value="[^"]*"', "", text)
        assert not re.search("[\u202e\u200b\x00-\x08\x0b-\x1f]", shown), address
        met += "alert(1)" in text
        for tag, attributes in seen.tags:
            assert not any(name.startswith("on") or name == "style" for name in attributes), (address, tag)
            target = attributes.get("href") or attributes.get("src") or attributes.get("action") or ""
            assert target.startswith(("/", "#")) or target == "", (address, target)
            assert not target.startswith("//"), address
    assert met >= 6  # they were there, in words


def test_no_page_asks_another_site_for_anything(client: TestClient, read_place: Place) -> None:
    for address, text in _pages(client, read_place):
        assert not re.findall(r"""(?:src|href|action)=["'](?:https?:)?//""", text), address
    for name in ("site.css", "site.js", "uPlot.min.css"):
        assert "http" not in client.get(f"/static/{name}").text.replace("http://www.w3.org", "")


def test_every_page_has_what_keyboards_and_readers_need(client: TestClient, read_place: Place) -> None:
    for address, text in _pages(client, read_place):
        seen = _seen(text)
        names = [tag for tag, _ in seen.tags]
        assert names.count("h1") == 1, address
        assert names.count("main") == 1, address
        assert ("a", {"class": "skip", "href": "#main"}) in seen.tags, address
        assert all(attributes.get("alt") for tag, attributes in seen.tags if tag == "img"), address
        assert '<html lang="en">' in text


def test_what_was_not_measured_says_so_and_is_no_number(client: TestClient) -> None:
    text = client.get("/").text
    assert "not measured" in text
    server = client.get(link("/server", server=UP)).text
    assert re.search(r"host cpu ratio</th><td class=\"n\"><span class=\"none\">not measured</span>", server)
    assert "it is on another machine" in server


def test_a_server_that_is_down_keeps_its_last_values_greyed_with_their_age(client: TestClient) -> None:
    text = client.get("/").text
    row = next(row for row in text.split("<tr") if "billing" in row)
    assert 'class="old"' in row
    assert "source.unreachable" in row
    assert re.search(r"\d+ (?:min|s) old", row)


def test_a_change_tells_its_whole_life(client: TestClient, read_place: Place) -> None:
    text = client.get(f"/changes/{read_place.lives.kept}").text
    for told in (
        "CREATE INDEX CONCURRENTLY", "DROP INDEX CONCURRENTLY", "interval at 90 %", "proven faster in 12 pairs",
        "Rounds (12)", "index.added", "stands", "signed checkpoint", "Interval of the change",
    ):  # fmt: skip
        assert told in text, told


def test_a_query_shows_plans_and_changes_on_its_plot(client: TestClient) -> None:
    text = client.get(link("/query/plot.svg", server=UP, query=QUERY)).text
    assert re.search(r'class="event"><title>[^<]*applied', text)
    page = client.get(link("/query", server=UP, query=QUERY)).text
    assert "What happened to it" in page
    assert "its trial measured 9.5 ms to 1.25 ms in 12 pairs: faster (entry " in page


def test_a_history_that_cannot_be_read_takes_only_its_own_pages(tmp_path: Path, read_place: Place) -> None:
    broken = tmp_path / "history.db"
    broken.write_bytes(b"this is no database" * 100)
    from trimtab.history.reading import History, open_history

    options = options_of(read_place.lives, tmp_path, open_history=lambda: History(open_history(broken)))
    with TestClient(web_app(options), base_url=f"http://{HOST}") as client:
        first = client.get("/")
        assert (first.status_code, "history." in first.text) == (200, True)
        assert client.get("/changes").status_code == 200
        refused = client.get(link("/server", server=UP))
        assert refused.status_code == 503
        assert client.get("/healthz").status_code == 503


def test_a_ledger_without_an_entry_has_pages_too(tmp_path: Path) -> None:
    from trimtab.history.reading import History, open_history
    from trimtab.web.site import SiteOptions

    options = SiteOptions(
        tmp_path / "ledger.db", lambda: History(open_history(tmp_path / "history.db")),
        frozenset({"127.0.0.1"}), lambda name: tmp_path / name,
    )  # fmt: skip
    with TestClient(web_app(options), base_url=f"http://{HOST}") as client:
        for address in ("/", "/workload", "/changes", "/changes/all", "/indexes", "/anchors", "/ledger"):
            assert client.get(address).status_code == 200, address


@pytest.mark.parametrize("code", ["source.unreachable", "read.overprivileged"])
def test_a_server_that_never_answered_is_shown_with_the_reason(
    place: Place, browse: Callable[[SiteOptions], TestClient], code: str
) -> None:
    now_ns = time.time_ns()
    with open_history(place.lives.path.with_name("history.db")) as store, store.writing() as connection:
        facts = ServerFacts("young", where="db:5432", code=code, state_since_ns=now_ns, tried_ns=now_ns)
        store.put_facts(connection, store.server_id(connection, facts), facts)
    browser = browse(place.options)
    for address in ("/", link("/server", server="young")):
        page = browser.get(address)
        assert page.status_code == 200
        assert code in page.text
