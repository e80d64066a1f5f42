"""Servers of their own for these tests, with pg_stat_statements: the embedded version, and an older one if any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.places import own_places, system_bin
from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server

_SETTINGS = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "all"}

_SCHEMA = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")


def _started(binaries: Binaries, purpose: str) -> Iterator[Server]:
    with Server.create(binaries, purpose=purpose, settings=_SETTINGS) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute(_SCHEMA.encode())
        yield server


@pytest.fixture(scope="session", autouse=True)
def _own_places() -> Iterator[None]:
    with own_places("tto-"):
        yield


@pytest.fixture(scope="session")
def newest_server(_own_places: None) -> Iterator[Server]:
    yield from _started(Binaries.find(), "observe-tests")


@pytest.fixture(scope="session")
def older_server(_own_places: None) -> Iterator[Server]:
    directory = system_bin()
    if directory is None:
        pytest.skip("the system has no PostgreSQL binaries")
    yield from _started(Binaries.find(directory), "observe-tests-old")


@pytest.fixture(
    params=[
        pytest.param("newest_server", marks=pytest.mark.server),
        pytest.param("older_server", marks=[pytest.mark.server, pytest.mark.system_postgres]),
    ]
)
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def conn(server: Server) -> Iterator[Connection]:
    """A read-only connection, as a run has it."""
    with connect(server.dsn(), read_only=True) as connection:
        yield connection


@pytest.fixture
def reader(server: Server) -> Iterator[Connection]:
    """A read-only connection of a role that may read two tables only."""
    with connect(f"{server.dsn()} user=reader", read_only=True) as connection:
        yield connection


@pytest.fixture
def owner(server: Server) -> Iterator[Connection]:
    """The application's side: a connection that may write. pg_stat_statements starts empty."""
    with connect(server.dsn(), read_only=False) as connection:
        connection.execute("SELECT pg_stat_statements_reset()")
        yield connection
