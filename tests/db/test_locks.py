"""One run at a time on a database, seen by real sessions."""

from __future__ import annotations

import time

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from trimtab.db.connection import Connection, connect
from trimtab.db.locks import hold_database
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import BusyError


def test_a_second_session_is_refused_and_told_who_holds_the_database(any_server: Server, conn: Connection) -> None:
    with hold_database(conn), connect(any_server.dsn(), read_only=True) as other:
        with pytest.raises(BusyError) as refused, hold_database(other):
            pass
        assert refused.value.code == "run.busy"
        assert str(conn.info.backend_pid) in str(refused.value)
        assert "since 2" in str(refused.value)
    with connect(any_server.dsn(), read_only=True) as other, hold_database(other):
        pass


def test_a_role_that_may_only_read_holds_and_is_refused(any_server: Server, conn: Connection) -> None:
    as_reader = make_conninfo(any_server.dsn(), user="reader")
    with connect(as_reader, read_only=True) as reader:
        with hold_database(reader):
            pass
        with hold_database(conn), pytest.raises(BusyError) as refused, hold_database(reader):
            pass
    assert str(conn.info.backend_pid) in str(refused.value)


@pytest.mark.server
def test_a_standby_is_held_like_any_other() -> None:
    with Server.create(Binaries.find(), purpose="standby", settings={"wal_level": "replica"}) as standby:
        standby.stop()
        (standby.data_directory / "standby.signal").touch(mode=0o644)
        standby.start()
        with connect(standby.dsn(), read_only=True) as first, connect(standby.dsn(), read_only=True) as second:
            assert first.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
            with hold_database(first), pytest.raises(BusyError) as refused, hold_database(second):
                pass
            assert str(first.info.backend_pid) in str(refused.value)


def test_another_database_is_another_lock(any_server: Server, conn: Connection) -> None:
    with hold_database(conn), connect(any_server.dsn("closed"), read_only=True) as other, hold_database(other):
        pass


def test_a_failure_inside_gives_the_lock_back(any_server: Server, conn: Connection) -> None:
    def fail() -> None:
        with hold_database(conn):
            conn.autocommit = False
            conn.execute("SELECT 1/0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        fail()
    with connect(any_server.dsn(), read_only=True) as other, hold_database(other):
        pass


def test_a_session_that_ends_gives_the_lock_back(any_server: Server) -> None:
    first = connect(any_server.dsn(), read_only=True)
    with hold_database(first):
        first.close()
    with connect(any_server.dsn(), read_only=True) as other, hold_database(other):
        pass


def test_a_session_that_is_about_to_end_is_waited_for(any_server: Server) -> None:
    first = connect(any_server.dsn(), read_only=True)

    def sleep(seconds: float) -> None:
        first.close()
        time.sleep(seconds)

    with hold_database(first), connect(any_server.dsn(), read_only=True) as other:
        with hold_database(other, wait_seconds=30.0, sleep=sleep):
            pass
        assert first.closed


def test_a_session_that_does_not_end_is_not_waited_for_longer(any_server: Server, conn: Connection) -> None:
    slept: list[float] = []
    with (
        hold_database(conn),
        connect(any_server.dsn(), read_only=True) as other,
        pytest.raises(BusyError) as refused,
        hold_database(other, wait_seconds=2.0, sleep=slept.append),
    ):
        pass
    assert refused.value.code == "run.busy"
    assert sum(slept) == pytest.approx(2.0, abs=0.1)
