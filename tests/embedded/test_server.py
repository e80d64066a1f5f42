from __future__ import annotations

import os
import stat
from pathlib import Path

import psycopg
import pytest

from trimtab.embedded import postmaster
from trimtab.embedded.account import serving_account
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.processes import processes_in
from trimtab.embedded.server import Server
from trimtab.errors import EmbeddedError

pytestmark = pytest.mark.server


def _value(server: Server, query: str) -> object:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def _execute(server: Server, statement: str) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(statement.encode())


def _setting(server: Server, name: str) -> object:
    return _value(server, f"SELECT current_setting('{name}')")


def test_a_new_server_answers_and_goes_without_a_trace(binaries: Binaries, run_directory: Path) -> None:
    with Server.create(binaries, purpose="claims") as server:
        assert server.is_running
        assert _value(server, "SELECT current_user") == "trimtab"
        assert _setting(server, "server_version").__str__().startswith(f"{binaries.version[0]}.")
        assert _setting(server, "cluster_name") == "trimtab claims"
        assert _setting(server, "server_encoding") == "UTF8"
        assert _setting(server, "data_checksums") == "off"
        assert server.data_directory.is_relative_to(server.directory)
        assert server.size_bytes() > 10_000_000
    assert not server.is_running
    assert processes_in(server.directory) == {}
    assert list(run_directory.iterdir()) == []


def test_it_listens_on_one_socket_in_a_closed_directory_only(binaries: Binaries) -> None:
    with Server.create(binaries, purpose="closed") as server:
        assert _setting(server, "listen_addresses") == ""
        socket = Path(str(_setting(server, "unix_socket_directories")).strip('"'))
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        assert stat.S_IMODE((socket / ".s.PGSQL.5432").stat().st_mode) == 0o700
        assert stat.S_IMODE(server.data_directory.stat().st_mode) == 0o700
        # Around both: as root the account that serves passes through, and nobody else does.
        around = server.directory.stat()
        account = serving_account()
        assert stat.S_IMODE(around.st_mode) == (0o700 if account is None else 0o710)
        assert around.st_gid == (os.getegid() if account is None else account.gid)
        assert stat.S_IMODE((server.directory / "server.log").stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops its rights")
def test_root_hands_the_server_and_its_data_to_another_account(binaries: Binaries) -> None:
    with Server.create(binaries, purpose="root") as server:
        pids = processes_in(server.directory)
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in pids}
        assert owners == {server.data_directory.stat().st_uid}
        assert 0 not in owners
        assert server.directory.stat().st_uid == 0


def test_settings_override_the_throw_away_defaults(binaries: Binaries) -> None:
    settings = {"autovacuum": "on", "shared_preload_libraries": "pg_stat_statements", "search_path": "a'b\\c"}
    with Server.create(binaries, purpose="x'y\\z", settings=settings) as server:
        assert _setting(server, "autovacuum") == "on"
        assert _setting(server, "fsync") == "off"
        assert _setting(server, "search_path") == "a'b\\c"
        assert _setting(server, "shared_preload_libraries") == "pg_stat_statements"
        assert _setting(server, "cluster_name") == "trimtab x'y\\z"


def test_alter_system_still_counts_after_a_restart(binaries: Binaries) -> None:
    with Server.create(binaries, purpose="alter") as server:
        _execute(server, "ALTER SYSTEM SET work_mem = '77MB'")
        server.restart()
        assert _setting(server, "work_mem") == "77MB"


def test_a_server_that_cannot_start_tells_its_log_and_leaves_nothing(binaries: Binaries, run_directory: Path) -> None:
    with pytest.raises(EmbeddedError) as refused:
        Server.create(binaries, purpose="bad", settings={"shared_buffers": "no size"})
    assert refused.value.code == "embedded.start_failed"
    assert 'invalid value for parameter "shared_buffers"' in str(refused.value)
    assert processes_in(run_directory) == {}
    assert list(run_directory.iterdir()) == []


def test_a_server_that_never_gets_ready_is_given_up(
    binaries: Binaries, run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postmaster, "_START_SECONDS", 0.0)
    monkeypatch.setattr(postmaster, "_is_ready", lambda data_directory, pid: False)
    with pytest.raises(EmbeddedError) as refused:
        Server.create(binaries, purpose="slow")
    assert refused.value.code == "embedded.start_failed"
    assert "did not take connections" in str(refused.value)
    assert processes_in(run_directory) == {}
    assert list(run_directory.iterdir()) == []


def test_a_failed_restart_tells_only_what_was_logged_since(binaries: Binaries) -> None:
    with Server.create(binaries, purpose="restart") as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET max_connections = 1")
            connection.execute("DO $$ BEGIN RAISE LOG 'an earlier secret'; END $$")
        with pytest.raises(EmbeddedError) as refused:
            server.restart()
        assert refused.value.code == "embedded.start_failed"
        assert "max_wal_senders" in str(refused.value) or "connections" in str(refused.value)
        assert "an earlier secret" not in str(refused.value)
        assert not server.is_running


def test_statements_that_fail_are_not_logged(binaries: Binaries) -> None:
    with Server.create(binaries, purpose="log") as server:
        with pytest.raises(psycopg.errors.UndefinedTable):
            _execute(server, "SELECT 'hush' FROM absent")
        assert "hush" not in (server.directory / "server.log").read_text()


def test_what_was_committed_survives_a_stop(binaries: Binaries) -> None:
    with Server.create(binaries, purpose="stop") as server:
        _execute(server, "CREATE TABLE t AS SELECT 42 AS n")
        server.stop()
        server.stop()
        assert not server.is_running
        server.start()
        server.start()
        assert _value(server, "SELECT n FROM t") == 42


def test_destroying_again_does_nothing_and_using_it_is_refused(binaries: Binaries) -> None:
    server = Server.create(binaries, purpose="twice")
    server.destroy()
    server.destroy()
    for use in (server.start, server.stop, lambda: server.clone("x"), lambda: server.run("psql")):
        with pytest.raises(EmbeddedError) as refused:
            use()
        assert refused.value.code == "embedded.destroyed"


def test_a_server_that_was_killed_is_destroyed_all_the_same(binaries: Binaries, run_directory: Path) -> None:
    with Server.create(binaries, purpose="crash") as server:
        for pid in processes_in(server.directory):
            os.kill(pid, 9)
    assert list(run_directory.iterdir()) == []


def test_a_forked_child_leaves_its_parents_server_alone(binaries: Binaries) -> None:
    with Server.create(binaries, purpose="fork") as server:
        child = os.fork()
        if child == 0:
            server.destroy()
            os._exit(0)
        os.waitpid(child, 0)
        assert _value(server, "SELECT 1") == 1


def test_two_run_at_once_and_know_nothing_of_each_other(binaries: Binaries) -> None:
    with Server.create(binaries, purpose="one") as one, Server.create(binaries, purpose="two") as two:
        _execute(one, "CREATE TABLE only_here (n int)")
        assert _value(one, "SELECT to_regclass('only_here') IS NOT NULL") is True
        assert _value(two, "SELECT to_regclass('only_here') IS NULL") is True
        one.destroy()
        assert _value(two, "SELECT 1") == 1


@pytest.mark.parametrize("is_running", [True, False])
def test_a_clone_has_the_same_rows_and_is_independent(binaries: Binaries, is_running: bool) -> None:
    with Server.create(binaries, purpose="source", settings={"work_mem": "9MB"}) as source:
        _execute(source, "CREATE TABLE t AS SELECT n FROM generate_series(1, 1000) n")
        _execute(source, "CREATE UNLOGGED TABLE u AS SELECT 7 AS n")
        _execute(source, "ALTER SYSTEM SET random_page_cost = 1.5")
        if not is_running:
            source.stop()
        with source.clone("copy") as copy:
            assert source.is_running is is_running
            assert _value(copy, "SELECT sum(n) FROM t") == 500500
            assert _value(copy, "SELECT n FROM u") == 7
            assert _setting(copy, "work_mem") == "9MB"
            assert _setting(copy, "random_page_cost") == "1.5"
            assert _setting(copy, "cluster_name") == "trimtab copy"
            _execute(copy, "DELETE FROM t")
            if not is_running:
                source.start()
            assert _value(source, "SELECT sum(n) FROM t") == 500500
            source.destroy()
            assert _value(copy, "SELECT count(*) FROM t") == 0


def test_a_clone_that_fails_leaves_the_source_running(
    binaries: Binaries, run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trimtab.embedded import server as room

    with Server.create(binaries, purpose="source") as source:
        before = set(run_directory.iterdir())

        def fail(*_: object) -> None:
            raise EmbeddedError("no space", code="embedded.disk_full")

        monkeypatch.setattr(room, "copy_contents", fail)
        with pytest.raises(EmbeddedError) as refused:
            source.clone("copy")
        assert refused.value.code == "embedded.disk_full"
        assert set(run_directory.iterdir()) == before
        assert _value(source, "SELECT 1") == 1


def test_a_server_with_files_elsewhere_is_not_cloned(binaries: Binaries) -> None:
    with Server.create(binaries, purpose="tablespace") as source:
        elsewhere = source.directory / "s" / "space"
        elsewhere.mkdir(mode=0o700)
        os.chown(elsewhere, source.data_directory.stat().st_uid, source.data_directory.stat().st_gid)
        _execute(source, f"CREATE TABLESPACE elsewhere LOCATION '{elsewhere}'")
        with pytest.raises(EmbeddedError) as refused:
            source.clone("copy")
        assert refused.value.code == "embedded.clone_tablespaces"
        assert _value(source, "SELECT 1") == 1


def test_a_users_pg_variables_do_not_reach_the_embedded_server(
    binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGHOST": "production.invalid",
        "PGPORT": "1",
        "PGOPTIONS": "-c work_mem=1GB",
        "PGSSLMODE": "verify-full",
        "PGCHANNELBINDING": "require",
        "PGTARGETSESSIONATTRS": "standby",
    }.items():
        monkeypatch.setenv(name, value)
    with Server.create(binaries, purpose="env") as server:
        assert _setting(server, "work_mem") == "4MB"
        assert server.run("psql", "-Atc", "SHOW work_mem").stdout == "4MB\n"
        assert server.run("psql", "-At", server.dsn(), input="SHOW work_mem;").stdout == "4MB\n"


def test_dump_and_restore_move_a_database_between_servers(binaries: Binaries) -> None:
    with Server.create(binaries, purpose="from") as source, Server.create(binaries, purpose="to") as target:
        _execute(source, "CREATE TABLE t AS SELECT 'é' AS letter")
        archive = str(target.directory / "dump")
        dumped = target.run("pg_dump", "--format=directory", f"--file={archive}", source.dsn())
        assert (dumped.returncode, dumped.stderr) == (0, "")
        restored = target.run("pg_restore", "--dbname=postgres", "--jobs=2", archive)
        assert (restored.returncode, restored.stderr) == (0, "")
        assert _value(target, "SELECT letter FROM t") == "é"


def test_a_program_that_fails_tells_so_by_its_status(binaries: Binaries) -> None:
    with Server.create(binaries, purpose="fails") as server:
        done = server.run("psql", "-c", "SELECT 1/0", "-v", "ON_ERROR_STOP=1")
        assert done.returncode == 1
        assert "division by zero" in done.stderr


@pytest.mark.system_postgres
def test_local_binaries_of_an_older_version_serve_and_clone(system_binaries: Binaries, run_directory: Path) -> None:
    with Server.create(system_binaries, purpose="local") as server:
        assert _value(server, "SELECT current_setting('server_version_num')::int / 10000") == 15
        _execute(server, "CREATE TABLE t AS SELECT 1 AS n")
        with server.clone("copy") as copy:
            assert _value(copy, "SELECT n FROM t") == 1
    assert list(run_directory.iterdir()) == []


@pytest.mark.system_postgres
def test_versions_run_side_by_side(binaries: Binaries, system_binaries: Binaries) -> None:
    with Server.create(binaries, purpose="new") as new, Server.create(system_binaries, purpose="old") as old:
        assert _value(new, "SHOW server_version_num") != _value(old, "SHOW server_version_num")
