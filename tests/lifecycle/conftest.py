"""A server that counts statements, databases with an application at work in them, and landings on them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.places import own_places
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server

from . import lockable
from .application import SCHEMA, Application

_numbers = itertools.count(1)
LOCKING_SETTINGS = {
    "autovacuum": "off",
    "max_parallel_workers_per_gather": "0",
    "random_page_cost": "1.1",
    "jit": "off",
    "default_statistics_target": "200",  # so that ANALYZE reads all rows, and finds the same each time
}


@pytest.fixture(scope="session")
def counting_server() -> Iterator[Server]:
    with own_places("ttl-"):
        settings = {"shared_preload_libraries": "pg_stat_statements", "max_connections": "40"}
        with Server.create(Binaries.find(), purpose="lifecycle-tests", settings=settings) as server:
            yield server


@pytest.fixture
def new_application(counting_server: Server, tmp_path: Path) -> Iterator[Callable[[], Application]]:
    """Makes databases, and ends the application and drops them."""
    made: list[Application] = []

    def make() -> Application:
        made.append(Application(counting_server, f"desk_{next(_numbers)}", tmp_path / "ledger.db"))
        with psycopg.connect(counting_server.dsn(), autocommit=True) as conn:
            conn.execute(f'CREATE DATABASE "{made[-1].database}" STRATEGY file_copy'.encode())
        made[-1].run(*SCHEMA)
        return made[-1]

    yield make
    for application in made:
        application.end()
    with psycopg.connect(counting_server.dsn(), autocommit=True) as conn:
        for application in made:
            conn.execute(f'DROP DATABASE "{application.database}" WITH (FORCE)'.encode())


@pytest.fixture
def application(new_application: Callable[[], Application]) -> Application:
    return new_application()


@pytest.fixture(scope="session")
def locking_server() -> Iterator[Server]:
    """One that may be restarted; nothing but the tests analyses its tables."""
    settings = LOCKING_SETTINGS
    with own_places("ttk-"), Server.create(Binaries.find(), purpose="locking-tests", settings=settings) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute("CREATE ROLE app LOGIN IN ROLE pg_read_all_data")
            conn.execute("CREATE DATABASE template_lockable")
        with psycopg.connect(server.dsn("template_lockable"), autocommit=True) as conn:
            for statement in lockable.STATEMENTS:
                conn.execute(statement.encode())
        yield server


@pytest.fixture
def place(locking_server: Server, tmp_path: Path) -> Iterator[lockable.Lockable]:
    name = f"Lock {next(_numbers)}"
    with psycopg.connect(locking_server.dsn(), autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}" TEMPLATE template_lockable STRATEGY file_copy'.encode())
    made = lockable.Lockable(locking_server, name, tmp_path / "ledger.db")
    with made.stack:
        yield made
    with psycopg.connect(locking_server.dsn(), autocommit=True) as conn:
        conn.execute(f'ALTER ROLE app IN DATABASE "{name}" RESET ALL'.encode())
        conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
