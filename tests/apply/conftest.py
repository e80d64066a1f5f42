"""Servers of their own for these tests: the embedded version, and an older one where there is one."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.places import own_places, system_bin
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.embedded.template import copy_strategy

from .shop import SCHEMA, Shop, wait_until
from .victims import Victims, started

_numbers = itertools.count(1)


def _started(binaries: Binaries, purpose: str) -> Iterator[Server]:
    with Server.create(binaries, purpose=purpose, settings={"autovacuum": "off"}) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute("CREATE ROLE keeper LOGIN")
            conn.execute("CREATE ROLE stranger LOGIN")
            conn.execute("CREATE DATABASE template_shop OWNER keeper")
        with psycopg.connect(server.dsn("template_shop"), autocommit=True) as conn:
            conn.execute(SCHEMA.encode())
        yield server


@pytest.fixture(scope="session", autouse=True)
def _own_places() -> Iterator[None]:
    with own_places("tta-"):
        yield


@pytest.fixture(scope="session")
def newest_server(_own_places: None) -> Iterator[Server]:
    yield from _started(Binaries.find(), "apply-tests")


@pytest.fixture(scope="session")
def older_server(_own_places: None) -> Iterator[Server]:
    directory = system_bin()
    if directory is None:
        pytest.skip("the system has no PostgreSQL binaries")
    yield from _started(Binaries.find(directory), "apply-tests-old")


def _shop(server: Server, ledger_path: Path) -> Iterator[Shop]:
    shop = Shop(server, f"Shop {next(_numbers)}", ledger_path)
    copying = copy_strategy(server.binaries.version[0])
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{shop.database}" TEMPLATE template_shop {copying}'.encode())
        with shop.stack:
            yield shop
        conn.execute(f'DROP DATABASE "{shop.database}" WITH (FORCE)'.encode())


@pytest.fixture
def shop(newest_server: Server, tmp_path: Path) -> Iterator[Shop]:
    yield from _shop(newest_server, tmp_path / "ledger.db")


@pytest.fixture(
    params=[
        pytest.param("newest_server", marks=pytest.mark.server),
        pytest.param("older_server", marks=[pytest.mark.server, pytest.mark.system_postgres]),
    ]
)
def any_shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    yield from _shop(request.getfixturevalue(request.param), tmp_path / "ledger.db")


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    with started() as found:
        yield found


@pytest.fixture
def replicated(_own_places: None, tmp_path: Path) -> Iterator[tuple[Shop, Server]]:
    settings = {"wal_level": "replica", "max_wal_senders": "4", "hot_standby": "on", "autovacuum": "off"}
    with Server.create(Binaries.find(), purpose="primary", settings=settings) as primary:
        with psycopg.connect(primary.dsn(), autocommit=True) as admin:
            admin.execute("CREATE ROLE keeper LOGIN")
            admin.execute(SCHEMA.encode())
        backup = primary.directory / "backup"
        made = primary.run("pg_basebackup", f"--pgdata={backup}", "--write-recovery-conf", "--checkpoint=fast")
        assert made.returncode == 0, made.stderr
        owner = primary.data_directory.stat()
        for path in (backup, *backup.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        more = {**settings, "wal_receiver_status_interval": "1"}
        with Server.create(Binaries.find(), purpose="standby", settings=more, data_directory=backup) as standby:
            shop = Shop(primary, "postgres", tmp_path / "ledger.db")
            with shop.stack:
                wait_until(shop, "exists (select from pg_stat_replication where state = 'streaming')")
                yield shop, standby
