"""Servers of their own for these tests: the embedded version, and the system's older one where there is one."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.places import own_places, system_bin
from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server

from .vault import NEWER_SETTINGS, SETTINGS, SUPERUSER_SCHEMA, schema


def _started(binaries: Binaries, purpose: str) -> Iterator[Server]:
    settings = {**SETTINGS, **(NEWER_SETTINGS if binaries.version[0] >= 17 else {})}
    with Server.create(binaries, purpose=purpose, settings=settings) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute("CREATE DATABASE vault")
        with psycopg.connect(server.dsn("vault"), autocommit=True) as conn:
            conn.execute(SUPERUSER_SCHEMA.encode())
            conn.execute(schema(binaries.version[0]).encode())
        yield server


@pytest.fixture(scope="session", autouse=True)
def _own_places() -> Iterator[None]:
    with own_places("ttv-"):
        yield


@pytest.fixture(scope="session")
def server(_own_places: None) -> Iterator[Server]:
    yield from _started(Binaries.find(), "security-tests")


@pytest.fixture(scope="session")
def older_server(_own_places: None) -> Iterator[Server]:
    directory = system_bin()
    if directory is None:
        pytest.skip("the system has no PostgreSQL binaries")
    yield from _started(Binaries.find(directory), "security-tests-old")


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
    with connect(any_server.dsn("vault"), read_only=False) as connection:
        yield connection
