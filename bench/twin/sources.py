"""Opens the source servers of the benchmark: TPC-H, TPC-DS and the demo's shop, loaded and analysed.

One server per major version: 18 of the wheel, and 15 where the system has its binaries, which also may have HypoPG.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import tpcds_data, tpch_data
from bench.twin.extra_tables import EXTRA_TABLES
from bench.twin.parking import Parked, park_all
from trimtab.db.connection import Connection, connect
from trimtab.demo import data as shop_data
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import EmbeddedError
from trimtab.model.catalog import Snapshot
from trimtab.observe.snapshot import take_snapshot

OLDER_MAJOR = 15
PLACES = ("/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin")
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "maintenance_work_mem": "512MB"}
SHOP_SEED = 42


@dataclass(frozen=True, slots=True)
class Database:
    """One loaded database: how to connect to it, its workload, and the parked statistics of expression indexes."""

    name: str
    dsn: str
    snapshot: Snapshot
    parked: Parked


@dataclass(frozen=True, slots=True)
class Source:
    """One source server with its databases."""

    binaries: Binaries
    server: Server
    databases: tuple[Database, ...]

    @property
    def major(self) -> int:
        """The major version."""
        return self.binaries.version[0]


@dataclass(frozen=True, slots=True)
class Sources:
    """The source of the wheel's version, and the older one where there are binaries of it."""

    current: Source
    older: Source | None


def older_binaries() -> Binaries | None:
    """Return the system's binaries of the older major version, None where there are none."""
    for place in PLACES:
        try:
            return Binaries.find(Path(place.format(OLDER_MAJOR)))
        except EmbeddedError:
            continue
    return None


@contextmanager
def open_sources(*, scale: float = 1.0, with_older: bool = True) -> Iterator[Sources]:
    """Yield the loaded sources; they are gone afterwards. Both are loaded at the same time."""
    older = older_binaries() if with_older else None
    if with_older and older is None:
        say(f"no binaries of PostgreSQL {OLDER_MAJOR} here: what needs them is left out")
    tpch_data.generate(scale)
    tpcds_data.generate(scale)
    with ExitStack() as stack:
        servers = [
            stack.enter_context(Server.create(binaries, purpose="bench-twin", settings=SETTINGS))
            for binaries in (Binaries.find(), older)
            if binaries is not None
        ]
        started = time.monotonic()
        with ThreadPoolExecutor(len(servers)) as pool:
            loaded = list(pool.map(lambda server: _load(server, scale), servers))
        say(f"{len(loaded)} source servers with {len(LOADERS)} databases each in {time.monotonic() - started:.0f} s")
        yield Sources(loaded[0], loaded[1] if older else None)


def _load(server: Server, scale: float) -> Source:
    with closing(connect(server.dsn(), read_only=False)) as connection:
        for name in LOADERS:
            connection.execute(f"create database {name}".encode())
    databases = []
    for name, (load, write_workload) in LOADERS.items():
        dsn = server.dsn(name)
        with closing(connect(dsn, read_only=False)) as connection:
            load(dsn, connection, scale)
            connection.execute(b"create extension pg_trgm")
            connection.execute(EXTRA_TABLES[name].encode())
            connection.execute(b"vacuum analyze")
            parked = park_all(connection, name)
        with tempfile.TemporaryDirectory() as directory, closing(connect(dsn, read_only=True)) as connection:
            workload = Path(directory) / "workload.sql"
            write_workload(workload)
            snapshot = take_snapshot(connection, workload, seed=1, progress=lambda _done, _total, _what: None)
        databases.append(Database(name, dsn, snapshot, parked))
    return Source(server.binaries, server, tuple(databases))


def _load_shop(dsn: str, _connection: Connection, scale: float) -> None:
    shop_data.load(dsn, seed=SHOP_SEED, scale=scale, progress=lambda _what, _done: None)


def _write_shop(path: Path) -> None:
    path.write_text(Path(shop_data.__file__).with_name("workload.sql").read_text())


LOADERS: Mapping[str, tuple[Callable[[str, Connection, float], None], Callable[[Path], None]]] = {
    "tpch": (
        lambda _dsn, connection, scale: tpch_data.load(connection, scale),
        lambda path: tpch_data.write_workload(path, tpch_data.queries()),
    ),
    "tpcds": (
        lambda _dsn, connection, scale: tpcds_data.load(connection, scale),
        lambda path: tpch_data.write_workload(path, tpcds_data.queries()),
    ),
    "shop": (_load_shop, _write_shop),
}


def say(text: str) -> None:
    """Tell the user where the benchmark is."""
    print(text, file=sys.stderr, flush=True)
