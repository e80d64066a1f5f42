"""A pulse holds what the server tells, of every version; what it does not tell is named and is never zero."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from tests.places import own_places, system_bin
from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.history.steps import begun_anew, sample_between
from trimtab.observe.host import postmaster_of, read_host
from trimtab.observe.pulse import PulseReader
from trimtab.observe.sessions import read_sessions

pytestmark = pytest.mark.server
VERSIONS = [
    pytest.param("embedded", id="embedded"),
    pytest.param("system", id="system", marks=pytest.mark.system_postgres),
]


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    bin_ = system_bin()
    if request.param == "system" and bin_ is None:
        pytest.skip("the system has no PostgreSQL")
    binaries = Binaries.find() if request.param == "embedded" else Binaries.find(bin_)
    with own_places("ttp-"), Server.create(binaries, purpose="pulse-tests") as started:
        with psycopg.connect(started.dsn(), autocommit=True) as conn:
            conn.execute("CREATE TABLE t AS SELECT g AS id, 'x' AS f FROM generate_series(1, 1000) g")
            conn.execute("CREATE INDEX t_id ON t (id)")
            conn.execute("CREATE ROLE plain LOGIN")
        yield started


@contextmanager
def reader_of(server: Server, user: str = "trimtab") -> Iterator[PulseReader]:
    with closing(connect(server.dsn(user=user), read_only=True)) as conn:
        yield PulseReader(conn)


def test_what_happened_between_two_looks_is_counted(server: Server) -> None:
    with reader_of(server) as reader, psycopg.connect(server.dsn(), autocommit=True) as conn:
        before = reader.pulse(wall_ns=time.time_ns(), tick=time.monotonic())
        for _ in range(5):
            conn.execute("INSERT INTO t VALUES (1, 'y')")
        conn.execute("SELECT pg_stat_force_next_flush()" if server_version(reader.conn) >= 150000 else "SELECT 1")
        with psycopg.connect(server.dsn()) as other:
            other.execute("SELECT 1")
        time.sleep(1.1)  # older servers tell their counters twice a second
        after = reader.pulse(wall_ns=time.time_ns(), tick=time.monotonic())
    sample = sample_between(before, after, 1.0)
    assert sample.sums["database", "postgres", "commits"] >= 5
    assert sample.sums["wal", "bytes"] > 0
    assert begun_anew(before, after) == 0
    assert sample.means["sessions",] == 1.0
    assert ("replay_lag_seconds",) not in sample.means


def test_what_a_version_has_is_read_and_what_it_has_not_is_named(server: Server) -> None:
    with reader_of(server) as reader:
        found = reader.details()
        version = server_version(reader.conn)
    kinds = {name[0] for name in found}
    assert {"wal", "checkpoint"} <= kinds
    assert ("io" in kinds) == (version >= 160000)
    assert reader.missing == ({} if version >= 160000 else {"io": "pg_stat_io is from version 16 on"})


def test_tables_and_indexes_are_told_with_their_use(server: Server) -> None:
    with reader_of(server) as reader:
        counters, sizes = reader.relations()
    assert counters["table", "public", "t", "inserted"].value >= 1000
    assert ("index", "public", "t", "t_id", "scans") in counters
    assert sizes["index", "public", "t", "t_id", "bytes"] > 0


def test_a_setting_that_may_hold_a_secret_is_told_as_a_digest(server: Server) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute("ALTER SYSTEM SET archive_cleanup_command = 'scp -i canary-88 %f'")
        conn.execute("SELECT pg_reload_conf()")
    time.sleep(0.3)
    with reader_of(server) as reader:
        settings = reader.settings()
    assert settings["archive_cleanup_command"].startswith("md5 ")
    assert "canary-88" not in str(settings)


def test_a_role_without_rights_is_told_less_and_not_zero(server: Server) -> None:
    with reader_of(server, "plain") as reader, psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute("SELECT 1")
        pulse = reader.pulse(wall_ns=0, tick=0.0)
    assert pulse.sessions == {}
    assert ("sessions",) not in pulse.gauges
    assert reader.missing["sessions"] == "hidden from this role (GRANT pg_read_all_stats)"
    assert ("database", "postgres", "commits") in pulse.counters


def test_a_session_that_waits_says_who_holds_it_up_and_shows_no_literal(server: Server) -> None:
    with (
        reader_of(server) as reader,
        psycopg.connect(server.dsn()) as holder,
        psycopg.connect(server.dsn(), autocommit=True) as waiter,
    ):
        holder.execute("UPDATE t SET f = 'z' WHERE id = 7")
        pid = waiter.info.backend_pid
        waiter.pgconn.send_query(b"UPDATE t SET f = 'canary-99' WHERE id = 7")
        deadline = time.monotonic() + 20
        while not (found := [s for s in read_sessions(reader.conn) if s.pid == pid and s.blocked_by]):
            assert time.monotonic() < deadline
        assert found[0].blocked_by == (holder.info.backend_pid,)
        assert found[0].wait.startswith("Lock:")
        assert "canary-99" not in found[0].text
        assert found[0].text.startswith("UPDATE t SET f =")
        waits = reader.pulse(wall_ns=0, tick=0.0).sessions
        assert waits["wait", "Lock", "transactionid"] == 1
        holder.rollback()
        while waiter.pgconn.get_result():
            pass


def test_the_servers_processes_are_found_by_ours(server: Server) -> None:
    with reader_of(server) as reader:
        pid = postmaster_of(reader.conn)
        assert pid is not None
        host = read_host(pid)
        assert host is not None
        assert host.counters["cpu", "server_seconds"].value > 0
        assert host.gauges["memory", "server_bytes"] > 0
    assert read_host(2**22 - 1) is None


def server_version(conn: Connection) -> int:
    return conn.info.server_version
