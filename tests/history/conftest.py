"""A history of each store, with a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.databases import own_databases
from tests.places import own_places
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.history.reading import open_history
from trimtab.history.store import HistoryStore


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One that counts statements and keeps histories."""
    settings = {"shared_preload_libraries": "pg_stat_statements", "track_io_timing": "on"}
    with own_places("tth-"), Server.create(Binaries.find(), purpose="history-tests", settings=settings) as started:
        yield started


@pytest.fixture
def new_database(server: Server) -> Iterator[Callable[[], str]]:
    """Makes empty databases, gives their DSNs, and drops them."""
    with own_databases(server, "history") as make:
        yield make


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.server)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HistoryStore]:
    """A history that each of the stores keeps in turn."""
    place: Path | str = tmp_path / "history.db"
    if request.param == "postgres":
        place = request.getfixturevalue("new_database")()
    with open_history(place) as opened:
        yield opened
