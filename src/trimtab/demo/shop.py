"""Opens the demo's shop: an embedded server with the generated data, its indexes, and traffic in pg_stat_statements."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path

from trimtab.db.connection import connect
from trimtab.demo.data import load
from trimtab.demo.workload import run_workload
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.watch import Watcher

DATABASE = "shop"
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
        calls = run_workload(
            dsn, seed=seed, progress=lambda done, total: watcher.progress("the shop's traffic", done, total)
        )
        watcher.stage("shop", f"{calls:,} statements of traffic, seen by pg_stat_statements")
        yield server


def specification_path() -> Path:
    """Return the demo's specification, which the shop's owner might have written."""
    return Path(str(files("trimtab.demo") / "specification.yaml"))
