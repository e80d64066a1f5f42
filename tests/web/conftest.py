"""A site over a ledger with strategies at every stage, anchors, and a history with hostile names."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from starlette.testclient import TestClient

from tests.apply.sessions import Application
from tests.lifecycle.lives import Lives, write_lives
from tests.places import own_places
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.history.reading import History, open_history
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.spec.load import load_spec
from trimtab.web.app import web_app
from trimtab.web.site import SiteOptions

from .browsing import CHROMIUM
from .histories import write_history

HOST = "127.0.0.1:8321"


@dataclass(frozen=True)
class Place:
    """A state directory with all that pages look at."""

    lives: Lives
    options: SiteOptions
    keys: Path


def options_of(lives: Lives, keys: Path, **changed: object) -> SiteOptions:
    history = lives.path.with_name("history.db")
    found = SiteOptions(
        ledger_path=lives.path,
        open_history=lambda: History(open_history(history)),
        hosts=frozenset({"127.0.0.1", "localhost", "[::1]"}),
        key_path=lambda name: keys / f"{name}.pem",
    )
    return replace(found, **changed)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def read_place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One that no test writes to."""
    return make_place(tmp_path_factory.mktemp("site"))


def make_place(directory: Path) -> Place:
    """Its history's clock stands still: what is new stays new, however long a session of tests takes."""
    lives = write_lives(directory / "ledger.db")
    path, now_ns = directory / "history.db", time.time_ns()
    write_history(path, now_ns)
    keys = directory / "keys"
    options = options_of(lives, keys, open_history=lambda: History(open_history(path), clock=lambda: now_ns))
    return Place(lives, options, keys)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """One of the test's own, without a history."""
    lives = write_lives(tmp_path / "ledger.db")
    return Place(lives, options_of(lives, tmp_path / "keys"), tmp_path / "keys")


@pytest.fixture(scope="session")
def client(read_place: Place) -> Iterator[TestClient]:
    """A browser on this machine."""
    with TestClient(web_app(read_place.options), base_url=f"http://{HOST}", follow_redirects=False) as found:
        yield found


@pytest.fixture
def browse() -> Iterator[Callable[[SiteOptions], TestClient]]:
    """Gives browsers to sites."""
    opened: list[TestClient] = []

    def begin(options: SiteOptions) -> TestClient:
        scheme = "https" if options.is_secure else "http"
        host = "trimtab.example.com" if not options.is_local else HOST
        found = TestClient(web_app(options), base_url=f"{scheme}://{host}", follow_redirects=False)
        opened.append(found)
        found.__enter__()
        return found

    yield begin
    for each in opened:
        each.__exit__(None, None, None)


@pytest.fixture(scope="session")
def busy_server() -> Iterator[Server]:
    """A server with an ordinary role, whose sessions may be ended."""
    with own_places("ttw-"), Server.create(Binaries.find(), purpose="web-tests") as server:
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute("CREATE ROLE clerk LOGIN")
        yield server


@pytest.fixture
def application(busy_server: Server) -> Iterator[Application]:
    """A session of that role."""
    with closing(Application.connected(busy_server.dsn(), "clerk")) as found:
        yield found


def operated(place: Place, server: Server, **limits: object) -> SiteOptions:
    """A site whose one server can be operated, by the shipped specification with other limits for backends."""
    shipped = load_spec()
    changed = shipped.backends.model_copy(update={"min_seconds": 0.0, **limits})
    found = replace(shipped, id="AT_ONCE", limits=shipped.limits.model_copy(update={"backends": changed}))
    path = place.lives.path.with_name("backends.yaml")
    path.write_text(json.dumps(found.document()))
    return replace(place.options, specification=path, operators={"shop": server.dsn})


def seen_entries(place: Place, *kinds: Kind) -> list[Entry]:
    """The ledger's entries of these kinds."""
    with Ledger.open(place.lives.path) as ledger:
        return [entry for entry in ledger.entries() if entry.kind in kinds]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real browser, of playwright's. Its loop runs as long as it: no longer than a module's tests."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield found
        found.close()
