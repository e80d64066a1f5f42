from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from trimtab.db.connection import connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.processes import processes_in
from trimtab.embedded.server import Server
from trimtab.embedded.sweep import sweep
from trimtab.errors import LabError, SourceError
from trimtab.model.catalog import Snapshot
from trimtab.model.change import CreateIndex
from trimtab.model.strategy import Strategy
from trimtab.model.workload import Workload
from trimtab.observe.catalog import read_tables
from trimtab.trial.clone import create_database
from trimtab.trial.lab import Lab, open_clone_lab, open_dsn_lab
from trimtab.trial.run import Trials

from .conftest import LIMITS, read, snapshot_of

SYSTEM_BIN = "/usr/lib/postgresql/15/bin"

pytestmark = pytest.mark.server

INDEX = Strategy(
    (CreateIndex("public", "events", "account_x", "USING btree (account)", ("account",)),),
    "test",
    "title",
    "reason",
    (),
)
BY_ACCOUNT = read("by_account", "select sum(amount) from events where account = 150")


def names(run_directory: Path) -> set[str]:
    return {path.name for path in run_directory.iterdir()}


def indexes(dsn: str) -> set[str]:
    with closing(connect(dsn, read_only=True)) as connection:
        return {
            str(row[0]) for row in connection.execute("select indexname from pg_indexes where schemaname = 'public'")
        }


@pytest.fixture(scope="module")
def copy_dsn(source: Server) -> Iterator[str]:
    """A second database with the source's tables, on the same server."""
    with closing(connect(source.dsn("template1"), read_only=False)) as admin:
        admin.execute("create database copy template postgres")
        admin.execute("create database elsewhere")
        yield source.dsn("copy")
        admin.execute("drop database copy with (force)")
        admin.execute("drop database elsewhere with (force)")


# Its check knows a customer where it was made, and no longer in the lab.
STRICT = """
create function known(who text) returns boolean language plpgsql as $$
begin
    if current_database() <> 'strict' then raise 'unknown customer %', who; end if;
    return true;
end $$;
create table customer (email text check (known(email)));
insert into customer values ('alice@example.org');
"""
# Names, values, a table that nobody else may read, and a partitioned table with statistics of its own.
STREETS = """
create table straße (id integer primary key, größe text);
insert into straße select g, case when g % 3 = 0 then 'Äpfel' else 'Öl ' || g end from generate_series(1, 3000) g;
create table geheim_ö (id integer);
revoke all on geheim_ö from public;
create table städte (ort text) partition by list (ort);
create table köln partition of städte for values in ('Köln');
insert into städte select 'Köln' from generate_series(1, 100);
grant select on straße, städte, köln to lodger;
analyze;
"""
# One of each sort of table that a role may not see all of, and a large object.
GUARDED = """
create table open (id integer); insert into open values (1);
create table guarded (id integer, who text); insert into guarded values (1, 'a');
alter table guarded enable row level security;
create policy mine on guarded using (who = current_user);
create table closed (id serial, other integer generated always as identity);
create sequence turns;
select setval('turns', 7);
select lo_create(0);
grant select on open, guarded to lodger;
"""
OWNER = """
import pickle, sys
from trimtab.embedded.binaries import Binaries
from trimtab.trial.lab import open_clone_lab
open_clone_lab(sys.argv[1], pickle.load(sys.stdin.buffer), Binaries.find(), max_size_bytes=10**9)
"""


def wait_for_dumps(source: Server, which: str, count: int) -> None:
    """Wait until so many sessions of pg_dump are like that."""
    deadline = time.monotonic() + 60
    asked = f"select from pg_stat_activity where application_name = 'pg_dump' and {which}"
    with closing(connect(source.dsn(), read_only=True)) as connection:
        while len(connection.execute(asked.encode()).fetchall()) != count:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def terminate(source_dsn: str, lab: Lab) -> None:
    with closing(connect(source_dsn, read_only=False)) as admin:
        admin.execute("select pg_terminate_backend($1::int, 5000)", (str(lab.connection.info.backend_pid),))


def test_a_clone_has_the_sources_rows_indexes_and_visibility(lab: Lab, source: Server) -> None:
    for text in (
        "select count(*), sum(amount), min(at), max(at) from events",
        "select array_agg(indexname order by indexname) from pg_indexes where schemaname = 'public'",
        "select relallvisible > 0.9 * relpages, reltuples from pg_class where relname = 'events'",
        "select encoding, datcollate, datctype from pg_database where datname = current_database()",
    ):
        with closing(connect(source.dsn(), read_only=True)) as connection:
            assert lab.connection.execute(text.encode()).fetchall() == connection.execute(text.encode()).fetchall()
    assert lab.size_bytes > 10 * 1024**2
    assert lab.notes == ()
    assert "clone" in lab.describe()


def test_a_clone_plans_with_the_sources_settings(
    source: Server, snapshot: Snapshot, binaries: Binaries, run_directory: Path
) -> None:
    changed = {"work_mem": "12345", "random_page_cost": "1.7", "shared_buffers": "4096", "jit": "off"}
    settings = dict(snapshot.settings)
    for name, value in changed.items():
        settings[name] = replace(settings[name], value=value)
    told: list[tuple[int, int, str]] = []
    before = names(run_directory)
    with open_clone_lab(
        source.dsn(),
        replace(snapshot, settings=settings),
        binaries,
        max_size_bytes=10**9,
        progress=lambda done, total, what: told.append((done, total, what)),
    ) as lab:
        rows = lab.connection.execute("select name, setting from pg_settings where name = any($1)", (list(changed),))
        assert {str(name): str(value) for name, value in rows} == changed
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert told[-1][0] == told[-1][1]
    assert names(run_directory) == before


def test_a_source_larger_than_allowed_is_refused_and_nothing_is_started(
    source: Server, snapshot: Snapshot, binaries: Binaries, run_directory: Path
) -> None:
    before = names(run_directory)
    with pytest.raises(LabError) as refused:
        open_clone_lab(source.dsn(), snapshot, binaries, max_size_bytes=1024**2)
    assert refused.value.code == "lab.too_large"
    assert names(run_directory) == before


def test_a_role_that_may_not_read_a_table_gets_no_clone_and_leaves_nothing(
    source: Server, snapshot: Snapshot, binaries: Binaries, run_directory: Path
) -> None:
    with closing(connect(source.dsn(), read_only=False)) as admin:
        admin.execute("create role stranger login")
    before = names(run_directory)
    with pytest.raises(LabError) as refused:
        open_clone_lab(make_conninfo(source.dsn(), user="stranger"), snapshot, binaries, max_size_bytes=10**9)
    assert refused.value.code == "lab.dump_failed"
    assert "permission denied" in str(refused.value)
    assert names(run_directory) == before


def test_what_could_not_be_restored_is_named_without_a_value(source: Server, binaries: Binaries) -> None:
    with closing(connect(source.dsn(), read_only=False)) as admin:
        admin.execute("create database strict template template0")
        try:
            with closing(connect(source.dsn("strict"), read_only=False)) as connection:
                connection.execute(STRICT.encode())
                strict = snapshot_of(connection)
            with open_clone_lab(source.dsn("strict"), strict, binaries, max_size_bytes=10**9) as lab:
                assert lab.notes == (
                    "not restored in the lab: TABLE DATA public customer: a function of the database's own failed",
                )
        finally:
            admin.execute("drop database strict with (force)")


@contextmanager
def database_of(server: Server, options: str, script: str) -> Iterator[str]:
    """A database of its own, and the role `lodger`; yields the DSN of its owner."""
    with closing(connect(server.dsn(), read_only=False)) as admin:
        admin.execute("create role lodger login")
        admin.execute(f"create database house template template0 {options}".encode())
        try:
            with closing(connect(server.dsn("house"), read_only=False)) as connection:
                connection.execute(script.encode())
            yield server.dsn("house")
        finally:
            admin.execute("drop database house with (force)")
            admin.execute("drop role lodger")


def seen_by(dsn: str) -> Snapshot:
    with closing(connect(dsn, read_only=True)) as connection:
        return replace(snapshot_of(connection), tables=read_tables(connection))


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "UTF8"])
def test_a_source_in_any_encoding_is_cloned_with_its_names_values_and_order(
    source: Server, binaries: Binaries, encoding: str
) -> None:
    options = f"encoding '{encoding}' locale_provider libc locale 'C'"
    with database_of(source, options, STREETS) as dsn:
        lodger = make_conninfo(dsn, user="lodger")
        with open_clone_lab(lodger, seen_by(lodger), binaries, max_size_bytes=10**9) as lab:
            for text, found in (
                ("select count(*), max(größe) from straße", (3000, "Öl 998")),
                ("select reltuples from pg_class where relname = 'städte'", (100.0,)),
                (
                    "select pg_encoding_to_char(encoding), datlocprovider, datcollate, datctype from pg_database"
                    " where datname = current_database()",
                    (encoding, "c", "C", "C"),
                ),
            ):
                assert lab.connection.execute(text.encode()).fetchone() == found
            assert [note.rpartition(": ")[2] for note in lab.notes] == ["public.geheim_ö"]


def test_a_locale_that_is_not_known_here_leaves_the_encoding_as_it_is(binaries: Binaries, run_directory: Path) -> None:
    wanted = {"encoding_name": "LATIN1", "datlocprovider": "c", "datcollate": "xx_XX", "datctype": "xx_XX"}
    with Server.create(binaries, purpose="strange locale") as server:
        with closing(connect(server.dsn(), read_only=False)) as admin:
            note = create_database(admin, wanted)
        with closing(connect(server.dsn("lab"), read_only=True)) as connection:
            row = connection.execute(
                "select pg_encoding_to_char(encoding), datlocprovider, datcollate from pg_database"
                " where datname = current_database()"
            ).fetchone()
    assert note == "the lab sorts text by byte: this machine does not know the source's locale xx_XX"
    assert row == ("LATIN1", "c", "C")


@pytest.fixture(params=["bundled", pytest.param("system", marks=pytest.mark.system_postgres)])
def programs(request: pytest.FixtureRequest, binaries: Binaries) -> Binaries:
    """What both the source and its lab run on."""
    if request.param == "bundled":
        return binaries
    if not Path(SYSTEM_BIN, "postgres").exists():
        pytest.skip(f"no PostgreSQL in {SYSTEM_BIN}")
    return Binaries.find(Path(SYSTEM_BIN))


def test_what_a_role_may_not_see_and_large_objects_are_left_out_and_named(
    programs: Binaries, run_directory: Path
) -> None:
    with (
        Server.create(programs, purpose="guarded source") as server,
        database_of(server, "", GUARDED) as dsn,
    ):
        lodger = make_conninfo(dsn, user="lodger")
        with open_clone_lab(lodger, seen_by(lodger), programs, max_size_bytes=10**9) as lab:
            tables = lab.connection.execute("select relname from pg_stat_user_tables").fetchall()
            assert tables == [("open",)]
            guarded, closed, anew, large = lab.notes
            assert lab.connection.execute("select nextval('turns')").fetchone() == (1,)
        assert "row-level security" in guarded
        assert "BYPASSRLS" in guarded
        assert guarded.endswith(": public.guarded")
        assert "may not read" in closed
        assert closed.endswith(": public.closed")
        assert anew.endswith(": public.turns")
        assert "large objects" in large
        with closing(connect(dsn, read_only=False)) as owner:
            owner.execute(
                "alter role lodger bypassrls; grant select on closed to lodger;"
                " grant select on all sequences in schema public to lodger;"
                " select lo_unlink(oid) from pg_largeobject_metadata"
            )
        with open_clone_lab(lodger, seen_by(lodger), programs, max_size_bytes=10**9) as lab:
            assert lab.connection.execute("select count(*) from guarded").fetchone() == (1,)
            assert lab.notes == ()


def test_older_programs_than_the_source_are_refused(
    source: Server, snapshot: Snapshot, binaries: Binaries, run_directory: Path
) -> None:
    newer = replace(snapshot, server=replace(snapshot.server, version=990000))
    before = names(run_directory)
    with pytest.raises(LabError) as refused:
        open_clone_lab(source.dsn(), newer, binaries, max_size_bytes=10**9)
    assert refused.value.code == "lab.binaries_too_old"
    assert names(run_directory) == before


def test_a_source_that_is_not_there_is_a_source_error(snapshot: Snapshot, binaries: Binaries, source: Server) -> None:
    with pytest.raises(SourceError):
        open_clone_lab(source.dsn("no_such_database"), snapshot, binaries, max_size_bytes=10**9)


def test_the_source_itself_is_never_the_lab(source: Server, snapshot: Snapshot) -> None:
    with pytest.raises(LabError) as refused:
        open_dsn_lab(source.dsn(), snapshot)
    assert refused.value.code == "lab.is_source"


def test_a_database_without_the_workloads_tables_is_refused(source: Server, snapshot: Snapshot, copy_dsn: str) -> None:
    with pytest.raises(LabError) as refused:
        open_dsn_lab(source.dsn("elsewhere"), replace(snapshot, workload=Workload((BY_ACCOUNT,), "file")))
    assert refused.value.code == "lab.schema_differs"


def test_a_database_that_its_owner_made_read_only_is_refused(source: Server, snapshot: Snapshot, copy_dsn: str) -> None:
    with closing(connect(source.dsn(), read_only=False)) as admin:
        admin.execute("alter database elsewhere set default_transaction_read_only = on")
        with pytest.raises(LabError) as refused:
            open_dsn_lab(source.dsn("elsewhere"), snapshot)
        admin.execute("alter database elsewhere reset default_transaction_read_only")
    assert refused.value.code == "lab.read_only"


def test_a_role_that_does_not_own_the_tables_is_refused(snapshot: Snapshot, copy_dsn: str) -> None:
    with pytest.raises(LabError) as refused:
        open_dsn_lab(make_conninfo(copy_dsn, user="reader"), snapshot)
    assert refused.value.code == "lab.permission"


def test_a_lab_that_cannot_be_reached_is_a_lab_error(source: Server, snapshot: Snapshot) -> None:
    with pytest.raises(LabError) as refused:
        open_dsn_lab(source.dsn("no_such_database"), snapshot)
    assert refused.value.code == "lab.no_database"


def test_a_plain_name_is_a_database_of_the_environments_server(
    source: Server, snapshot: Snapshot, copy_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = conninfo_to_dict(copy_dsn)
    for variable, key in (("PGHOST", "host"), ("PGUSER", "user")):
        monkeypatch.setenv(variable, str(given[key]))
    with open_dsn_lab("copy", snapshot) as lab:
        assert lab.connection.info.dbname == "copy"
        assert lab.describe() == f"database copy@{given['host']}:5432"


def test_a_named_database_is_as_it_was_after_the_trials(snapshot: Snapshot, copy_dsn: str) -> None:
    before = indexes(copy_dsn)
    with open_dsn_lab(copy_dsn, snapshot) as lab:
        trials = Trials(lab, LIMITS, random.Random(1))
        trials.make(INDEX)
        trials.keep(INDEX)
    assert indexes(copy_dsn) == before


def test_a_lab_connection_that_is_killed_ends_the_trials_and_leaves_nothing(
    source: Server, snapshot: Snapshot, copy_dsn: str
) -> None:
    before = indexes(copy_dsn)
    with open_dsn_lab(copy_dsn, snapshot) as lab:
        trials = Trials(lab, LIMITS, random.Random(1))
        trials.make(INDEX)
        trials.keep(INDEX)
        terminate(source.dsn(), lab)
        with pytest.raises(LabError) as lost:
            trials.baseline([BY_ACCOUNT])
        assert lost.value.code == "lab.connection_lost"
        with pytest.raises(LabError):
            trials.trial(INDEX, [BY_ACCOUNT])
    assert indexes(copy_dsn) == before


def test_a_lab_connection_that_is_killed_within_a_trial_leaves_nothing(
    source: Server, snapshot: Snapshot, copy_dsn: str
) -> None:
    before = indexes(copy_dsn)
    with open_dsn_lab(copy_dsn, snapshot) as lab:
        suicide = read("suicide", "select pg_terminate_backend(pg_backend_pid()) from events where account = 150")
        with pytest.raises(LabError) as lost:
            Trials(lab, LIMITS, random.Random(1)).trial(INDEX, [suicide])
        assert lost.value.code == "lab.connection_lost"
    assert indexes(copy_dsn) == before


def test_closing_a_lab_twice_does_nothing(snapshot: Snapshot, copy_dsn: str) -> None:
    lab = open_dsn_lab(copy_dsn, snapshot)
    lab.close()
    lab.close()
    with pytest.raises(LabError) as closed:
        Trials(lab, LIMITS, random.Random(1))
    assert closed.value.code == "lab.connection_lost"


def test_a_dump_of_a_killed_run_ends_with_the_next_start(
    source: Server, snapshot: Snapshot, binaries: Binaries, run_directory: Path
) -> None:
    """It runs where its caller is, and waits for a table that somebody holds."""
    before = names(run_directory)
    with closing(connect(source.dsn(), read_only=False)) as holder:
        holder.execute("begin; lock table notes in access exclusive mode")
        places = {**os.environ, "TRIMTAB_RUN_DIR": str(run_directory)}
        command = [sys.executable, "-c", OWNER, source.dsn()]
        with subprocess.Popen(command, stdin=subprocess.PIPE, env=places) as owner:
            assert owner.stdin is not None
            pickle.dump(snapshot, owner.stdin)
            owner.stdin.close()
            wait_for_dumps(source, "wait_event_type = 'Lock'", 1)
            owner.kill()
        (left,) = (run_directory / name for name in names(run_directory) - before if "." not in name)
        assert "pg_dump" in processes_in(left).values()
        assert sweep(run_directory) == (left,)
        assert processes_in(left) == {}
        assert names(run_directory) == before
        wait_for_dumps(source, "true", 0)  # the source works for it no longer, though the table is still held


@pytest.mark.system_postgres
def test_an_older_source_is_cloned_into_a_newer_lab(binaries: Binaries, run_directory: Path) -> None:
    if not Path(SYSTEM_BIN, "postgres").exists():
        pytest.skip(f"no PostgreSQL in {SYSTEM_BIN}")
    with Server.create(Binaries.find(Path(SYSTEM_BIN)), purpose="older source") as older:
        with closing(connect(older.dsn(), read_only=False)) as connection:
            connection.execute("create table t as select g as id from generate_series(1, 1000) g")
            connection.execute("set work_mem = '7MB'")
            snapshot = snapshot_of(connection)
        with open_clone_lab(older.dsn(), snapshot, binaries, max_size_bytes=10**9) as lab:
            row = lab.connection.execute("select count(*), current_setting('work_mem') from t").fetchone()
            assert row == (1000, "7MB")
            assert lab.notes == ("the lab is PostgreSQL 18, the source 15: plans and times may differ",)


# What a user without any special right left behind: a check, an index and a function that act as whoever runs them.
PLANTED = """
grant create on schema public to lodger;
set role lodger;
create table seen (who text, may_all boolean);
create function noted(i integer) returns boolean language plpgsql as $$
begin
    insert into public.seen select current_user, rolsuper from pg_roles where rolname = current_user;
    return true;
end $$;
create function outside() returns text language plpgsql as $$
begin
    copy (select 1) to program 'cat > /dev/null';
    return 'a program ran';
exception when insufficient_privilege then return 'refused';
end $$;
create function wrapped(i integer) returns integer language plpgsql immutable as $$
begin perform public.noted(i); return i; end $$;
create table planted (i integer check (noted(i)));
insert into planted values (1);
create index planted_wrapped_idx on planted (wrapped(i));
reset role;
"""


def test_nothing_of_the_sources_runs_as_a_superuser(programs: Binaries, run_directory: Path) -> None:
    with Server.create(programs, purpose="planted source") as server, database_of(server, "", PLANTED) as dsn:
        with open_clone_lab(dsn, seen_by(dsn), programs, max_size_bytes=10**9) as lab:
            assert lab.connection.execute("select outside()").fetchone() == ("refused",)
            seen = lab.connection.execute("select distinct who, may_all from seen order by 1").fetchall()
            assert lab.clone_dsn is not None
            with closing(connect(lab.clone_dsn, read_only=False)) as other:
                assert other.execute("select outside()").fetchone() == ("refused",)
        with closing(connect(dsn, read_only=False)) as owner:
            owner.execute("drop owned by lodger")
    assert seen == [("lodger", False), ("trimtab_owner", False)]


TRUSTED = """
create table codes (id integer primary key, code text);
create function plain(t text) returns boolean language sql leakproof immutable as $$ select t <> 'leakproof' $$;
create function plain(t text, leakproof integer) returns boolean language sql immutable
    begin atomic select leakproof > 0; end;
create cast (varchar as int8) with inout as implicit;
create view numbered as select * from codes where code::varchar = 7::int8;
create view chosen as select * from codes where plain(code) and plain(code, 1);
create extension citext schema public;
create table words (word citext, check (plain(word::text)));
insert into words values ('Up');
"""


def test_extensions_and_functions_that_a_superuser_alone_may_define_are_in_the_lab(
    source: Server, binaries: Binaries
) -> None:
    with database_of(source, "", TRUSTED) as dsn:
        with closing(connect(dsn, read_only=True)) as connection:
            snapshot = replace(snapshot_of(connection), extensions={"citext": "public"})
        with open_clone_lab(dsn, snapshot, binaries, max_size_bytes=10**9) as lab:
            assert lab.notes == ()
            found = lab.connection.execute(
                "select proleakproof from pg_proc where proname = 'plain' order by pronargs"
            ).fetchall()
            assert found == [(True,), (False,)]
            assert lab.connection.execute("select count(*) from words where word = 'UP'").fetchone() == (1,)
            lab.connection.execute("select * from chosen")
            lab.connection.execute("select * from numbered")
