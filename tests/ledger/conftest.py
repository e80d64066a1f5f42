"""A ledger of each store, with a clock that the test turns."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.databases import own_databases
from tests.places import own_places
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import LedgerError
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.place import name_server, server_of

TABLES = ("entries", "tree", "checkpoints")


@dataclass
class Clock:
    """UTC nanoseconds as the test wants them; each look moves it by `step_ns`."""

    now_ns: int = 1_760_000_000_000_000_000
    step_ns: int = 1

    def __call__(self) -> int:
        self.now_ns += self.step_ns
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    settings = {"max_connections": "60"}
    with own_places("ttl-"), Server.create(Binaries.find(), purpose="ledger-tests", settings=settings) as started:
        yield started


@pytest.fixture
def new_database(server: Server) -> Iterator[Callable[[], str]]:
    """Makes empty databases, gives their DSNs, and drops them."""
    with own_databases(server, "ledger") as make:
        yield make


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.server)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a ledger is to be opened that each of the stores keeps in turn."""
    path = tmp_path / "ledger.db"
    if request.param == "postgres":
        name_server(path, request.getfixturevalue("new_database")())
    return path


@pytest.fixture
def ledger(place: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger.open(place, clock=clock) as opened:
        yield opened


@pytest.fixture
def file_ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db", clock=clock) as opened:
        yield opened


def damage_at(path: Path) -> str:
    """Return how it is told that a ledger is damaged, "" when it verifies; any other error is raised."""
    try:
        with Ledger.open(path) as ledger:
            return ledger.verify().reason
    except LedgerError as error:
        if error.code != "ledger.corrupt":
            raise
        return error.code


def past_the_triggers(path: Path, *statements: str) -> None:
    """Do to the tables of a ledger, whatever keeps them, what only who owns them can do."""
    conninfo = server_of(path)
    if conninfo is None:
        with closing(sqlite3.connect(path, isolation_level=None)) as raw:
            for table in TABLES:
                for what in ("keep", "stay", "follow"):
                    raw.execute(f"DROP TRIGGER {table}_{what}")
            for statement in statements:
                raw.execute(statement)
        return
    with closing(psycopg.connect(conninfo, autocommit=True, options="-c search_path=trimtab_ledger")) as session:
        for table in TABLES:
            session.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
        for statement in statements:
            session.execute(statement.encode())
