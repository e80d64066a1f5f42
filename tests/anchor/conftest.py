"""Servers of their own for these tests, with an ordinary role: the embedded version, and an older one if any."""

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

_SCHEMA = """
CREATE TABLE parcel (id int PRIMARY KEY, kind text);
INSERT INTO parcel SELECT n, 'kind ' || n % 10 FROM generate_series(1, 5000) n;
CREATE FUNCTION sneaky() RETURNS int LANGUAGE sql AS 'INSERT INTO parcel VALUES (-1) RETURNING id';
GRANT SELECT, INSERT ON parcel TO PUBLIC;
CREATE ROLE reader LOGIN;
"""


def _system_bin() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else None


def _started(binaries: Binaries, purpose: str) -> Iterator[Server]:
    with Server.create(binaries, purpose=purpose, settings={"wal_level": "replica"}) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute(_SCHEMA.encode())
            conn.execute("ANALYZE")
        yield server


@pytest.fixture(scope="session", autouse=True)
def _own_places() -> Iterator[None]:
    path = Path(tempfile.mkdtemp(prefix="ttn-")).resolve()
    path.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIMTAB_RUN_DIR", str(path))
        yield
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def newest_server(_own_places: None) -> Iterator[Server]:
    yield from _started(Binaries.find(), "anchor-tests")


@pytest.fixture(scope="session")
def older_server(_own_places: None) -> Iterator[Server]:
    directory = _system_bin()
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
