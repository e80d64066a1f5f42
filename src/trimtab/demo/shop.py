"""Opens the demo's shop: an embedded server with the generated data, its indexes, and traffic in pg_stat_statements."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path

from trimtab.db.connection import Connection, connect
from trimtab.demo.data import load
from trimtab.demo.workload import run_workload
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.watch import Watcher

DATABASE, OWNER, ROLE = "shop", "shop_owner", "trimtab_apply"
SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "shared_buffers": "512MB",
    "max_connections": "50",
}


@contextmanager
def open_shop(binaries: Binaries, *, seed: int, scale: float, watcher: Watcher) -> Iterator[Server]:
    """Yield a server that holds the loaded, indexed, analysed shop and its traffic; it is gone afterwards."""
    watcher.stage("shop", "")
    with Server.create(binaries, purpose="demo", settings=SETTINGS) as server:
        with closing(connect(server.dsn(), read_only=False)) as connection:
            connection.execute(f'CREATE DATABASE "{DATABASE}"'.encode())
        dsn = server.dsn(DATABASE)
        started = time.monotonic()
        rows = load(
            dsn,
            seed=seed,
            scale=scale,
            progress=lambda what, done: watcher.progress(f"loading {what}", done, 0),
        )
        loaded = time.monotonic() - started
        watcher.stage("shop", f"{sum(rows.values()):,} rows in {len(rows)} tables loaded in {loaded:.1f} s")
        with closing(connect(dsn, read_only=False)) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            _give_to_owner(connection)
        calls = run_workload(
            dsn, seed=seed, progress=lambda done, total: watcher.progress("the shop's traffic", done, total)
        )
        watcher.stage("shop", f"{calls:,} statements of traffic, seen by pg_stat_statements")
        yield server


def dsn_of(server: Server) -> str:
    """Return how the demo's optimizer reaches the shop: as the role that `init` prints, which may do no more."""
    from psycopg.conninfo import make_conninfo

    return make_conninfo(server.dsn(DATABASE), user=ROLE)


def _give_to_owner(connection: Connection) -> None:
    """The shop belongs to a role of its own, and the optimizer's is a member of it."""
    from trimtab.setup_sql import role_sql

    connection.execute(f"CREATE ROLE {OWNER}; {role_sql()}; GRANT {OWNER} TO {ROLE}".encode())
    tables = "select pg_catalog.quote_ident(tablename) from pg_catalog.pg_tables where schemaname = 'public'"
    for (table,) in connection.execute(tables.encode()).fetchall():
        connection.execute(f"ALTER TABLE public.{table} OWNER TO {OWNER}".encode())
    connection.execute(f"ALTER DATABASE {DATABASE} OWNER TO {OWNER}; GRANT CREATE ON SCHEMA public TO {OWNER}".encode())


def specification_path() -> Path:
    """Return the demo's specification, which the shop's owner might have written."""
    return Path(str(files("trimtab.demo") / "specification.yaml"))
