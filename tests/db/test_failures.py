"""Server errors become codes; values and pieces of queries never reach a message."""

from __future__ import annotations

import psycopg
import pytest

from trimtab.db.connection import Connection, connect, source_error
from trimtab.db.failures import QueryTimeout, ServerError
from trimtab.embedded.server import Server


def _error(conn: Connection, text: str) -> ServerError:
    with pytest.raises(psycopg.Error) as raised:
        conn.execute(text.encode())
    return source_error(raised.value)


@pytest.mark.parametrize(
    ("text", "code", "sqlstate"),
    [
        ("SELECT * FROM missing_table", "query.failed", "42P01"),
        ("SELECT 'secret-7'::int", "query.failed", "22P02"),
        ("SELECT secret-7 secret-7", "query.failed", "42601"),
        ("INSERT INTO shipment (id) VALUES (1)", "query.failed", "23505"),
        ("SELECT pg_catalog.to_date('secret-7', 'J')", "query.failed", "22007"),
        ("DO $$ BEGIN RAISE 'secret-7'; END $$", "source.error", "P0001"),
        ("DO $$ BEGIN RAISE 'secret-7' USING ERRCODE = '42P01'; END $$", "query.failed", "42P01"),
        ("SET work_mem = 'secret-7'", "query.failed", "22023"),
        ("SELECT pg_catalog.convert('secret-\u65e5', 'UTF8', 'LATIN1')", "source.encoding", "22P05"),
    ],
)
def test_an_error_has_a_code_its_sqlstate_and_no_value(conn: Connection, text: str, code: str, sqlstate: str) -> None:
    error = _error(conn, text)
    assert (error.code, error.sqlstate) == (code, sqlstate)
    assert sqlstate in str(error)
    assert "secret" not in f"{error} {error.next_step}"


def test_names_that_the_server_misses_are_told(conn: Connection) -> None:
    assert "missing_table" in str(_error(conn, "SELECT * FROM missing_table"))


def test_a_missing_right_is_told(conn: Connection) -> None:
    conn.execute("SET ROLE reader")
    assert _error(conn, "DELETE FROM shipment").code == "source.permission"


def test_a_timeout_is_a_query_timeout(conn: Connection) -> None:
    conn.execute("SET statement_timeout = 5")
    error = _error(conn, "SELECT pg_sleep(10)")
    assert isinstance(error, QueryTimeout)
    assert error.code == "query.timeout"


def test_a_lock_that_is_not_to_be_had_is_told(any_server: Server, conn: Connection) -> None:
    with connect(any_server.dsn(), read_only=False, lock_timeout_ms=5) as other, conn.transaction():
        conn.execute("LOCK TABLE shipment")
        assert _error(other, "SELECT 1 FROM shipment").code == "source.locked"


def test_a_lost_connection_is_unreachable(any_server: Server, conn: Connection) -> None:
    pid = conn.info.backend_pid
    with connect(any_server.dsn(), read_only=False) as other:
        other.execute("SELECT pg_terminate_backend($1, 5000)", (pid,))
    assert _error(conn, "SELECT 1").code == "source.unreachable"
    assert _error(conn, "SELECT 1").code == "source.unreachable"
