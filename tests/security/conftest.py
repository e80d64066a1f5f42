"""Servers of their own for these tests: the embedded version, and the system's older one where there is one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server

from .vault import NEWER_SETTINGS, SCHEMA, SETTINGS, SUPERUSER_SCHEMA


def _system_bin() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else None


def _started(binaries: Binaries, purpose: str) -> Iterator[Server]:
    settings = {**SETTINGS, **(NEWER_SETTINGS if binaries.version[0] >= 17 else {})}
    with Server.create(binaries, purpose=purpose, settings=settings) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute("CREATE DATABASE vault")
        with psycopg.connect(server.dsn("vault"), autocommit=True) as conn:
            conn.execute(SUPERUSER_SCHEMA.encode())
            conn.execute(SCHEMA.encode())
        yield server


@pytest.fixture(scope="session", autouse=True)
def _own_places() -> Iterator[None]:
    path = Path(tempfile.mkdtemp(prefix="ttv-")).resolve()
    path.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIMTAB_RUN_DIR", str(path))
        yield
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def server(_own_places: None) -> Iterator[Server]:
    yield from _started(Binaries.find(), "security-tests")


@pytest.fixture(scope="session")
def older_server(_own_places: None) -> Iterator[Server]:
    directory = _system_bin()
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
