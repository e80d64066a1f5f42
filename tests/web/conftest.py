"""A site over a ledger with strategies at every stage, anchors, and a history with hostile names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.lifecycle.lives import Lives, write_lives
from trimtab.history.reading import History, open_history
from trimtab.web.app import web_app
from trimtab.web.site import SiteOptions

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
