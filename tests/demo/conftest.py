"""A small shop in a server of its own: loaded once, for all the claims about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from trimtab.demo.data import load
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server

SCALE = 0.05
SEED = 7


@dataclass(frozen=True)
class SmallShop:
    server: Server
    dsn: str
    rows: dict[str, int]
    reports: list[tuple[str, int]]


@pytest.fixture(scope="session")
def small_shop() -> Iterator[SmallShop]:
    settings = {"shared_preload_libraries": "pg_stat_statements"}
    with Server.create(Binaries.find(), purpose="test-demo", settings=settings) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE shop")
        reports: list[tuple[str, int]] = []
        dsn = server.dsn("shop")
        rows = load(dsn, seed=SEED, scale=SCALE, progress=lambda what, count: reports.append((what, count)))
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
        yield SmallShop(server, dsn, rows, reports)
