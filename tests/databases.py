"""Empty databases for a test, on a server that it is given. They are gone afterwards."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg

from trimtab.embedded.server import Server
from trimtab.embedded.template import copy_strategy

_numbers = itertools.count(1)


@contextmanager
def own_databases(server: Server, prefix: str) -> Iterator[Callable[[], str]]:
    """Give what makes a database and returns its DSN; drop them all at the end."""
    made: list[str] = []

    def make() -> str:
        made.append(f"{prefix}_{next(_numbers)}")
        with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
            admin.execute(f"CREATE DATABASE {made[-1]} {copy_strategy(server.binaries.version[0])}".encode())
        return server.dsn(made[-1])

    yield make
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
        for name in made:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
