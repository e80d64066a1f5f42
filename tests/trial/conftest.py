"""One source server for the room, and clone labs of it, in places of their own."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.catalog import ServerIdentity, Setting, Snapshot, Table
from trimtab.model.workload import Query, QueryKind, Workload
from trimtab.trial.lab import Lab, open_clone_lab
from trimtab.trial.run import TrialLimits, Trials

# Account 7 has the latest events only, and the table does not lie in the order of time: the planner takes an index on
# `at` to find the first ten of them soon, and has to walk all of it.
SHOP = """
create table events (
    id bigint primary key, account integer not null, at timestamptz not null, kind text not null, amount numeric);
insert into events
select g, case when turn >= 198000 then 7 else (g % 100) + 100 end,
       timestamptz '2026-01-01' + turn * interval '1 minute', repeat('k', 1 + (g % 7)::int), g % 1000
  from (select g, (g * 7919) % 200000 as turn from generate_series(1, 200000) g) numbered;
create index events_account_twin on events (amount);
create index events_account_twin_2 on events (amount);
create table notes (id integer primary key, text text);
insert into notes select g, 'note' from generate_series(1, 100) g;
create view quiet as select * from notes;
create role reader login in role pg_read_all_data;
"""
Undo = Callable[[str], None]
LIMITS = TrialLimits(max_pairs=40, max_seconds=60.0, statement_timeout_ms=20_000)


# Enough to see what is measured and what is left behind, too few to decide.
FEW_PAIRS = replace(LIMITS, max_pairs=2)


def read(name: str, text: str, *, weight: float = 1.0, parameters: tuple[str, ...] = ()) -> Query:
    return Query(name, name, text, text, weight, QueryKind.READ, len(parameters), parameters)


def write(name: str, text: str, *, weight: float = 1.0) -> Query:
    return Query(name, name, text, text, weight, QueryKind.WRITE)


def snapshot_of(connection: Connection, queries: tuple[Query, ...] = ()) -> Snapshot:
    row = connection.execute(
        "select current_database(), d.oid, current_user, (select system_identifier::text from pg_control_system()),"
        " pg_postmaster_start_time() from pg_database d where datname = current_database()"
    ).fetchone()
    assert row is not None
    settings = connection.execute("select name, setting, unit, context, source from pg_settings").fetchall()
    tables = connection.execute(
        "select relname, oid from pg_class where relkind = 'r' and relnamespace = 2200::regnamespace"
    )
    return Snapshot(
        server=ServerIdentity(
            connection.info.server_version, row[0], int(row[1]), row[2], row[3], row[4].isoformat(), False, True
        ),
        tables=tuple(Table("public", name, int(oid), "r", 0, 0, 0, ()) for name, oid in tables),
        settings={s[0]: Setting(s[0], s[1], s[2], s[3], s[4], is_default=s[4] == "default") for s in settings},
        workload=Workload(queries, "file"),
        taken_at="2026-01-01T00:00:00Z",
    )


@pytest.fixture(scope="session")
def run_directory() -> Iterator[Path]:
    """Where this room's servers live."""
    made = {name: Path(tempfile.mkdtemp(prefix="ttt-")).resolve() for name in ("TRIMTAB_RUN_DIR", "TRIMTAB_CACHE")}
    before = {name: os.environ.get(name) for name in made}
    for name, path in made.items():
        path.chmod(0o711)
        os.environ[name] = str(path)
    yield made["TRIMTAB_RUN_DIR"]
    for name, path in made.items():
        shutil.rmtree(path)
        value = before[name]
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    return Binaries.find()


@pytest.fixture(scope="session")
def source(run_directory: Path, binaries: Binaries) -> Iterator[Server]:
    with Server.create(binaries, purpose="source of trial tests") as server:
        with closing(connect(server.dsn(), read_only=False)) as connection:
            connection.execute(SHOP.encode())
            connection.execute("vacuum analyze")
        yield server


@pytest.fixture(scope="session")
def snapshot(source: Server) -> Snapshot:
    with closing(connect(source.dsn(), read_only=True)) as connection:
        return snapshot_of(connection)


@pytest.fixture(scope="session")
def reader_conninfo(source: Server) -> str:
    """The source, as a role that can read everything and change nothing."""
    return make_conninfo(source.dsn(), user="reader")


@pytest.fixture(scope="session")
def shared_lab(reader_conninfo: str, snapshot: Snapshot, binaries: Binaries) -> Iterator[Lab]:
    with open_clone_lab(reader_conninfo, snapshot, binaries, max_size_bytes=10**9) as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    """The clone, as it was cloned: whatever a test does in it is rolled back."""
    yield shared_lab
    shared_lab.connection.execute("ROLLBACK")


@pytest.fixture
def undo(lab: Lab) -> Iterator[Undo]:
    """Take back, the last first, what a test had to commit in the clone."""
    statements: list[str] = []
    yield statements.append
    lab.connection.execute("ROLLBACK")
    for statement in reversed(statements):
        lab.connection.execute(statement.encode())


@pytest.fixture
def trials(lab: Lab) -> Trials:
    return Trials(lab, LIMITS, random.Random(4))
