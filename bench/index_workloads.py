"""The workloads of index selection: which queries count, and a server that holds their tables without any index."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bench import tpcds_data, tpch_data
from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.catalog import Snapshot
from trimtab.observe.snapshot import take_snapshot

LOADERS: dict[str, tuple[Callable[[Connection, float], None], Callable[[], dict[str, str]]]] = {
    "tpch": (tpch_data.load, tpch_data.queries),
    "tpcds": (tpcds_data.load, tpcds_data.queries),
}
# Queries whose costs drown all others: left out, as in the published comparisons.
LEFT_OUT = {
    "tpch": {"q02", "q17", "q20"},
    "tpcds": {"q04", "q06", "q09", "q10", "q11", "q32", "q35", "q41", "q95"},
}
_BARE = """
do $$ declare one record; begin
  for one in select conrelid::regclass as owner, conname from pg_constraint
              where connamespace = 'public'::regnamespace and contype in ('f', 'p', 'u') order by contype loop
    execute format('alter table %s drop constraint %I', one.owner, one.conname);
  end loop;
  for one in select indexrelid::regclass as name from pg_index join pg_class c on c.oid = indexrelid
              where relnamespace = 'public'::regnamespace loop
    execute format('drop index %s', one.name);
  end loop;
end $$
"""


def texts(name: str) -> dict[str, str]:
    """Return the queries of the workload by name."""
    return {query: text for query, text in LOADERS[name][1]().items() if query not in LEFT_OUT[name]}


@contextmanager
def loaded(name: str, scale: float, binaries: Binaries) -> Iterator[Server]:
    """Yield a server of these binaries with the database, without keys and indexes; it is gone afterwards."""
    with Server.create(binaries, purpose="bench-indexes", settings=tpch_data.SETTINGS) as server:
        with closing(connect(server.dsn(), read_only=False)) as connection:
            connection.execute(f"create database {name}".encode())
        with closing(connect(server.dsn(name), read_only=False)) as connection:
            LOADERS[name][0](connection, scale)
            connection.execute(_BARE.encode())
            connection.execute(b"vacuum analyze")
        yield server


def snapshot(name: str, connection: Connection) -> Snapshot:
    """Return what is there, with the workload."""
    with tempfile.TemporaryDirectory() as directory:
        workload = Path(directory) / "workload.sql"
        tpch_data.write_workload(workload, texts(name))
        return take_snapshot(connection, workload, seed=1, progress=silent)


def silent(_done: int, _total: int, _what: str) -> None:
    """Show no progress."""
