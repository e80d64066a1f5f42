"""One source server for these tests and one twin of it, and places of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.places import own_places
from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.twin.twin import Twin

from .shop import DATABASE, SCHEMA, silent, snapshot, workload

# Another installation can take its place, to test another version.
SYSTEM_BIN = Path(os.environ.get("TRIMTAB_TEST_PG_BIN", "/usr/lib/postgresql/15/bin"))


def fill(server: Server) -> None:
    """Make the shop: not durable, so that the tests start soon."""
    with closing(connect(server.dsn(), read_only=False)) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())
        connection.execute(b"CREATE ROLE reader LOGIN")
    with closing(connect(server.dsn(DATABASE), read_only=False)) as connection:
        connection.execute(SCHEMA.encode())
        connection.execute(b"VACUUM ANALYZE")


@pytest.fixture(scope="session", autouse=True)
def _own_places() -> Iterator[None]:
    with own_places("ttw-"):
        yield


@pytest.fixture(scope="session")
def source(_own_places: None) -> Iterator[Server]:
    settings = {"wal_level": "replica", "max_wal_senders": "2", "hot_standby": "on"}
    with Server.create(Binaries.find(), purpose="twin-tests", settings=settings) as server:
        fill(server)
        yield server


@pytest.fixture(scope="session")
def older_source(_own_places: None) -> Iterator[Server]:
    if not (SYSTEM_BIN / "postgres").exists():
        pytest.skip(f"no PostgreSQL in {SYSTEM_BIN}")
    with Server.create(Binaries.find(SYSTEM_BIN), purpose="twin-tests-15") as server:
        fill(server)
        yield server


@pytest.fixture
def shop(source: Server) -> Iterator[Connection]:
    with closing(connect(source.dsn(DATABASE), read_only=False)) as connection:
        yield connection


@pytest.fixture(scope="session")
def shared_twin(source: Server) -> Iterator[Twin]:
    """A twin for tests that end nothing; what one of them asks must not matter to the others."""
    with closing(connect(source.dsn(DATABASE), read_only=True)) as connection:
        facts = snapshot(connection, workload())
    with Twin.build(source.dsn(DATABASE), facts, Binaries.find(), progress=silent) as twin:
        yield twin
