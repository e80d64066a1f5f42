"""Servers of their own for these tests: the embedded version, and the system's older one where there is one."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.places import own_places, system_bin
from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server

_SCHEMA = """
CREATE TABLE shipment (id int PRIMARY KEY, kind text, day date, tags int[], is_open boolean, amount numeric);
INSERT INTO shipment
  SELECT n, CASE WHEN n % 100 = 0 THEN 'rare' ELSE 'common' END,
         date '2024-01-01' + n % 700, ARRAY[n], n % 2 = 0, n / 7.0
    FROM generate_series(1, 20000) n;
CREATE INDEX shipment_kind ON shipment (kind);
CREATE ROLE reader LOGIN;
CREATE ROLE stranger NOLOGIN;
CREATE ROLE guarded LOGIN PASSWORD 'right-Sesame';
GRANT SELECT ON shipment TO reader;
CREATE DATABASE closed;
REVOKE CONNECT ON DATABASE closed FROM PUBLIC;
"""


def _started(binaries: Binaries, purpose: str) -> Iterator[Server]:
    with Server.create(binaries, purpose=purpose) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            for statement in _SCHEMA.split(";\n"):
                conn.execute(statement.encode())
            conn.execute("VACUUM ANALYZE shipment")
        yield server


@pytest.fixture(scope="session", autouse=True)
def _own_places() -> Iterator[None]:
    with own_places("ttd-"):
        yield


@pytest.fixture(scope="session")
def server(_own_places: None) -> Iterator[Server]:
    yield from _started(Binaries.find(), "db-tests")


@pytest.fixture(scope="session")
def older_server(_own_places: None) -> Iterator[Server]:
    directory = system_bin()
    if directory is None:
        pytest.skip("the system has no PostgreSQL binaries")
    yield from _started(Binaries.find(directory), "db-tests-old")


@pytest.fixture(
    params=[
        pytest.param("server", marks=pytest.mark.server),
        pytest.param("older_server", marks=[pytest.mark.server, pytest.mark.system_postgres]),
    ]
)
def any_server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def conn(any_server: Server) -> Iterator[Connection]:
    with connect(any_server.dsn(), read_only=False) as connection:
        yield connection
