"""Servers of their own for these tests, with an ordinary role: the embedded version, and an older one if any."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.places import own_places, system_bin
from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server

_SCHEMA = """
CREATE TABLE parcel (id int PRIMARY KEY, kind text);
INSERT INTO parcel SELECT n, 'kind ' || n % 10 FROM generate_series(1, 5000) n;
CREATE FUNCTION sneaky() RETURNS int LANGUAGE sql AS 'INSERT INTO parcel VALUES (-1) RETURNING id';
GRANT SELECT, INSERT ON parcel TO PUBLIC;
CREATE ROLE reader LOGIN;
"""


def _started(binaries: Binaries, purpose: str) -> Iterator[Server]:
    with Server.create(binaries, purpose=purpose, settings={"wal_level": "replica"}) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute(_SCHEMA.encode())
            conn.execute("ANALYZE")
        yield server


@pytest.fixture(scope="session", autouse=True)
def _own_places() -> Iterator[None]:
    with own_places("ttn-"):
        yield


@pytest.fixture(scope="session")
def newest_server(_own_places: None) -> Iterator[Server]:
    yield from _started(Binaries.find(), "anchor-tests")


@pytest.fixture(scope="session")
def older_server(_own_places: None) -> Iterator[Server]:
    directory = system_bin()
    if directory is None:
        pytest.skip("the system has no PostgreSQL binaries")
    yield from _started(Binaries.find(directory), "anchor-tests-old")


@pytest.fixture(
    params=[
        pytest.param("newest_server", marks=pytest.mark.server),
        pytest.param("older_server", marks=[pytest.mark.server, pytest.mark.system_postgres]),
    ]
)
def any_server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def reader(any_server: Server) -> Iterator[Connection]:
    """An ordinary role, in a session that could write."""
    conninfo = psycopg.conninfo.make_conninfo(any_server.dsn(), user="reader")
    with connect(conninfo, read_only=False) as connection:
        yield connection
