"""Statements sent together: their results, their failures, and a session that can be used afterwards."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import closing

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult

from trimtab.db.connection import Connection, connect
from trimtab.db.pipeline import Pipeline, Statement
from trimtab.embedded.server import Server

COUNT = "select count(*)::text || $1 from shipment where id < $2::int"


def values(pipeline: Pipeline, *statements: Statement) -> list[bytes | None]:
    return [result.get_value(0, 0) for result in pipeline.run(statements) if result.ntuples]


def test_results_come_in_order_with_their_values(conn: Connection) -> None:
    pipeline = Pipeline(conn)
    pipeline.prepare(COUNT)
    pipeline.prepare(COUNT)
    asked = [Statement("BEGIN"), Statement(COUNT, ("ä", "5")), Statement("select 'x'"), Statement("ROLLBACK")]
    assert values(pipeline, *asked) == ["4ä".encode(), b"x"]
    assert values(pipeline, Statement(COUNT, (None, "5")), Statement("select 7")) == [None, b"7"]
    assert conn.info.transaction_status == TransactionStatus.IDLE
    assert conn.execute("select 1").fetchone() == (1,)


def test_what_fails_is_raised_and_undoes_the_rest(conn: Connection) -> None:
    pipeline = Pipeline(conn)
    asked = [Statement("create table never (n int)"), Statement("select 1 / 0"), Statement("select nothing")]
    with pytest.raises(psycopg.errors.DivisionByZero):
        pipeline.run(asked)
    assert conn.info.transaction_status == TransactionStatus.IDLE
    assert conn.execute("select to_regclass('never')").fetchone() == (None,)
    with pytest.raises(psycopg.errors.UndefinedColumn):
        pipeline.prepare("select nothing")


def test_each_result_is_taken_in_order_until_one_fails(conn: Connection) -> None:
    pipeline = Pipeline(conn)
    taken: list[tuple[int, bytes | None]] = []

    def take(place: int, result: PGresult) -> None:
        taken.append((place, result.get_value(0, 0)))

    pipeline.run([Statement(f"select {n}") for n in range(40)], take)
    assert taken == [(n, str(n).encode()) for n in range(40)]
    taken.clear()
    with pytest.raises(psycopg.errors.DivisionByZero):
        pipeline.run([Statement("select 1"), Statement("select 1 / 0"), Statement("select 3")], take)
    assert taken == [(0, b"1")]


def test_an_error_of_who_takes_a_result_leaves_the_session_usable(conn: Connection) -> None:
    def take(_place: int, _result: PGresult) -> None:
        raise LookupError

    pipeline = Pipeline(conn)
    fills = Statement("select repeat('x', 100000)")  # else the server keeps the first result back until it has slept
    with pytest.raises(LookupError):
        pipeline.run([Statement("select 1"), fills, Statement("select pg_sleep(60)"), Statement("select 3")], take)
    assert values(pipeline, Statement("select 5")) == [b"5"]


@pytest.mark.parametrize("text", ["select 1; drop table shipment", "select '\0'", "select '\ud800'"])
def test_a_text_is_one_statement_that_can_be_sent(conn: Connection, text: str) -> None:
    with pytest.raises((psycopg.Error, ValueError)):
        Pipeline(conn).run([Statement(text)])
    assert values(Pipeline(conn), Statement("select count(*) from shipment"))


def test_what_cannot_be_sent_leaves_the_session_usable(conn: Connection) -> None:
    pipeline = Pipeline(conn)
    with pytest.raises(psycopg.Error):
        pipeline.run([Statement("BEGIN"), Statement("select 1", ("x",) * 70_000)])
    conn.rollback()
    assert values(pipeline, Statement("select 5")) == [b"5"]


def test_more_than_the_buffers_hold(conn: Connection) -> None:
    many = [Statement("select repeat($1, 40000)", ("x" * 50,))] * 60
    results = values(Pipeline(conn), *many)
    assert [len(result or b"") for result in results] == [2_000_000] * 60
    long = "select length('" + "y" * 2_000_000 + "')"
    assert values(Pipeline(conn), *[Statement(long)] * 10) == [b"2000000"] * 10


def test_a_lost_session_is_raised(conn: Connection, any_server: Server) -> None:
    with closing(connect(any_server.dsn(), read_only=False)) as other:
        other.execute("select pg_terminate_backend($1)", (conn.info.backend_pid,))
    with pytest.raises(psycopg.Error):
        Pipeline(conn).run([Statement("select 1")])
    assert conn.closed
    with pytest.raises(psycopg.Error):
        Pipeline(conn).run([Statement("select 1")])


def test_an_interrupt_cancels_what_runs_and_leaves_the_session_usable(conn: Connection) -> None:
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.5, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        Pipeline(conn).run([Statement("BEGIN"), Statement("select pg_sleep(60)"), Statement("select 1")])
    timer.join()
    assert time.monotonic() - started < 50  # It did not wait for the end.
    conn.rollback()
    assert values(Pipeline(conn), Statement("select 5")) == [b"5"]
