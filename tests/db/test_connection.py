"""Real servers refuse and accept; what is asserted is the code that scripts rely on, and that no secret is shown."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from trimtab.db.connection import Connection, connect, notices, source_error
from trimtab.embedded.server import Server
from trimtab.errors import SourceError, UsageError


def _value(conn: Connection, text: str) -> object:
    row = conn.execute(text.encode()).fetchone()
    assert row is not None
    return row[0]


def _refused(conninfo: str) -> SourceError:
    with pytest.raises(SourceError) as refused:
        connect(conninfo, read_only=True)
    assert refused.value.next_step
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    return refused.value


def test_a_session_is_ours_autocommits_and_takes_dollar_parameters(conn: Connection) -> None:
    assert conn.autocommit
    assert _value(conn, "SHOW application_name") == "trimtab"
    assert conn.execute("SELECT $1::int + 1, 100 % 7", (41,)).fetchone() == (42, 2)
    assert _value(conn, "SELECT 'a' LIKE '%a'") is True


def test_a_read_only_session_cannot_write(any_server: Server) -> None:
    with connect(any_server.dsn(), read_only=True) as conn:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as refused:
            conn.execute("CREATE TABLE nothing ()")
        assert source_error(refused.value).code == "source.read_only"


def test_timeouts_replace_those_of_the_role(any_server: Server) -> None:
    with connect(any_server.dsn(), read_only=False) as owner:
        owner.execute("ALTER ROLE reader SET statement_timeout = '5s'")
        owner.execute("ALTER ROLE reader SET default_transaction_read_only = on")
    as_reader = make_conninfo(any_server.dsn(), user="reader")
    with connect(as_reader, read_only=False) as conn:
        assert _value(conn, "SHOW statement_timeout") == "0"
        assert _value(conn, "SHOW transaction_read_only") == "off"
    with connect(as_reader, read_only=True, statement_timeout_ms=1500, lock_timeout_ms=20) as conn:
        assert _value(conn, "SHOW statement_timeout") == "1500ms"
        assert _value(conn, "SHOW lock_timeout") == "20ms"


def test_the_users_own_options_stay(any_server: Server) -> None:
    with connect(make_conninfo(any_server.dsn(), options="-c search_path=elsewhere"), read_only=True) as conn:
        assert _value(conn, "SHOW search_path") == "elsewhere"


def test_notices_are_kept_and_not_printed(conn: Connection, capfd: pytest.CaptureFixture[str]) -> None:
    conn.execute("DO $$ BEGIN RAISE WARNING 'mind the gap'; END $$")
    assert [notice.text for notice in notices(conn)] == ["mind the gap"]
    assert capfd.readouterr() == ("", "")


class _InterruptedOnceSent(psycopg.RawCursor[Any]):
    """Raises where a signal's handler can: in psycopg's own code, after the statement has left and before its end."""

    def _execute_send(self, *args: Any, **kwargs: Any) -> None:
        super()._execute_send(*args, **kwargs)
        raise KeyboardInterrupt


class _InterruptedOnceAnswered(psycopg.RawCursor[Any]):
    """The same, when the server has begun to answer: a slow one would be cancelled before it begins to copy."""

    def _execute_send(self, *args: Any, **kwargs: Any) -> None:
        super()._execute_send(*args, **kwargs)
        assert select.select([self.connection.pgconn.socket], [], [], 60.0)[0]
        raise KeyboardInterrupt


def _interrupt(conn: Connection, statement: bytes, by: type[psycopg.RawCursor[Any]] = _InterruptedOnceSent) -> None:
    usual = conn.cursor_factory
    conn.cursor_factory = by
    try:
        conn.execute(statement)
    finally:
        conn.cursor_factory = usual


@pytest.mark.parametrize("statement", [b"SELECT pg_sleep(60)", b"SELECT 1", b"no such statement"])
def test_a_session_is_free_after_an_interrupt_wherever_it_comes(conn: Connection, statement: bytes) -> None:
    conn.execute("CREATE TEMP TABLE kept AS SELECT 1 AS n")

    def delete() -> None:
        with conn.transaction(force_rollback=True):
            conn.execute("DELETE FROM kept")
            with conn.transaction():
                _interrupt(conn, statement)

    with pytest.raises(KeyboardInterrupt):
        delete()
    assert _value(conn, "SELECT count(*) FROM kept") == 1


def test_a_request_to_cancel_that_the_server_forgot_is_made_again(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one is that reaches it before the statement does."""
    monkeypatch.setattr(conn, "_try_cancel", lambda *, timeout: None)
    with pytest.raises(KeyboardInterrupt):
        _interrupt(conn, b"SELECT pg_sleep(60)")
    assert _value(conn, "SELECT 1") == 1


def test_an_interrupt_ends_a_copy_and_a_pipeline_by_closing(
    any_server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    with closing(connect(any_server.dsn(), read_only=False)) as conn:
        copy = b"COPY (SELECT generate_series(1, 1000000)) TO STDOUT"
        with pytest.raises(KeyboardInterrupt), conn.transaction():
            _interrupt(conn, copy, by=_InterruptedOnceAnswered)
        assert conn.closed
    with closing(connect(any_server.dsn(), read_only=False)) as conn:
        with pytest.raises(KeyboardInterrupt), conn.pipeline():
            _interrupt(conn, b"SELECT pg_sleep(60)")
        assert conn.closed
    assert capfd.readouterr().err == ""


@pytest.mark.server
def test_a_service_file_and_the_environment_lead_to_the_server(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = psycopg.conninfo.conninfo_to_dict(server.dsn())
    services = tmp_path / "services"
    services.write_text(f"[mine]\nhost={place['host']}\nport={place['port']}\nuser=reader\ndbname=postgres\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    with connect("service=mine", read_only=True) as conn:
        assert _value(conn, "SELECT current_user") == "reader"
    monkeypatch.setenv("PGHOST", str(place["host"]))
    monkeypatch.setenv("PGPORT", str(place["port"]))
    monkeypatch.setenv("PGUSER", "reader")
    monkeypatch.setenv("PGDATABASE", "postgres")
    with connect("", read_only=True) as conn:
        assert _value(conn, "SELECT current_user") == "reader"


@pytest.fixture
def guarded_conninfo(server: Server) -> Iterator[str]:
    """The role `guarded` must give its password while this lasts."""
    rules = server.data_directory / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all guarded scram-sha-256\n{before}")
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute("SELECT pg_reload_conf()")
        yield make_conninfo(server.dsn(), user="guarded")
        rules.write_text(before)
        conn.execute("SELECT pg_reload_conf()")


@pytest.mark.server
def test_a_wrong_or_missing_password_is_told_without_it(guarded_conninfo: str, tmp_path: Path) -> None:
    for password in ("wrong-Sesame", None):
        refused = _refused(make_conninfo(guarded_conninfo, password=password, passfile=str(tmp_path / "none")))
        assert refused.code == "source.authentication"
        assert "Sesame" not in f"{refused} {refused.next_step}"


@pytest.mark.server
def test_a_passfile_gives_the_password(guarded_conninfo: str, tmp_path: Path) -> None:
    passfile = tmp_path / "pass"
    passfile.write_text("*:*:*:guarded:right-Sesame\n")
    passfile.chmod(0o600)
    with connect(make_conninfo(guarded_conninfo, passfile=str(passfile)), read_only=True) as conn:
        assert _value(conn, "SELECT current_user") == "guarded"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"dbname": "nowhere"}, "source.no_database"),
        ({"user": "nobody-of-ours"}, "source.authentication"),
        ({"user": "stranger"}, "source.permission"),
        ({"dbname": "closed", "user": "reader"}, "source.permission"),
    ],
)
def test_each_refusal_of_the_server_has_its_code(any_server: Server, changed: dict[str, str], code: str) -> None:
    assert _refused(make_conninfo(any_server.dsn(), **changed)).code == code


@pytest.mark.server
def test_a_full_server_is_busy(server: Server) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as owner:
        owner.execute("ALTER ROLE reader CONNECTION LIMIT 0")
        try:
            assert _refused(make_conninfo(server.dsn(), user="reader")).code == "source.busy"
        finally:
            owner.execute("ALTER ROLE reader CONNECTION LIMIT -1")


def test_nobody_at_the_address_is_unreachable(tmp_path: Path) -> None:
    assert _refused(f"host={tmp_path} dbname=a").code == "source.unreachable"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert (
            _refused(f"host=127.0.0.1 port={port} connect_timeout=2 dbname=a sslmode=disable").code
            == "source.unreachable"
        )
    assert _refused(f"host=127.0.0.1 port={port} dbname=a").code == "source.unreachable"


def _invalid(conninfo: str) -> UsageError:
    with pytest.raises(UsageError) as refused:
        connect(conninfo, read_only=True)
    assert refused.value.code == "dsn.invalid"
    return refused.value


def test_a_service_without_a_definition_is_told_as_that(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    services = tmp_path / "services"
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    missing = _invalid("service=password dbname=a")
    assert "service password was not found: there is no such file" in str(missing)
    services.write_text("[other]\nhost=/nowhere\n[bad]\nhost=/nowhere\nbogus=1\n")
    refused = _invalid("service=password dbname=a")
    assert "service password was not found: it is not defined" in str(refused)
    for place in ("PGSERVICEFILE", "~/.pg_service.conf", "PGSYSCONFDIR"):
        assert place in refused.next_step
    assert "service bad cannot be read" in str(_invalid("service=bad"))
    monkeypatch.setenv("PGSERVICE", "mine")
    assert "service mine was not found" in str(_invalid(""))
    monkeypatch.delenv("PGSERVICE")
    assert _refused("service=other").code == "source.unreachable"


@pytest.mark.parametrize(
    ("conninfo", "environ", "found"),
    [
        ("host=127.0.0.1 port=99999", {}, "its port is not between 1 and 65535"),
        ("postgresql://h1:5432,h2:0/a", {}, "its port is not between 1 and 65535"),
        ("host=127.0.0.1", {"PGPORT": "99999"}, "libpq does not take its port"),
        ("host=/nowhere", {"PGPORT": "abc"}, "libpq does not take its port"),
        ("host=127.0.0.1 sslmode=secret", {}, "libpq does not take its sslmode"),
        ("host=127.0.0.1 connect_timeout=secret", {}, "a value in it is not of its kind"),
    ],
)
def test_a_value_that_libpq_refuses_is_no_unreachable_server(
    monkeypatch: pytest.MonkeyPatch, conninfo: str, environ: dict[str, str], found: str
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    refused = _invalid(conninfo)
    assert found in str(refused)
    assert "secret" not in str(refused) + refused.next_step


def test_what_is_no_connection_string_is_refused_without_repeating_it() -> None:
    with pytest.raises(UsageError) as refused:
        connect("host=h password=my secret", read_only=True)
    assert refused.value.code == "dsn.invalid"
    assert "secret" not in str(refused.value)


def test_a_server_before_13_is_too_old() -> None:
    """No such binaries are at hand: a socket speaks the first words of the protocol for one."""

    def answer(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(4096)
            status = b"server_version\x0012.22\x00"
            peer.sendall(b"R\0\0\0\x08\0\0\0\0" + b"S" + (len(status) + 4).to_bytes(4, "big") + status)
            peer.sendall(b"Z\0\0\0\x05I")
            peer.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listening = threading.Thread(target=answer, args=(listener,))
        listening.start()
        port = listener.getsockname()[1]
        refused = _refused(f"host=127.0.0.1 port={port} user=u dbname=a sslmode=disable gssencmode=disable")
        listening.join()
    assert refused.code == "source.too_old"
    assert "12.22" in str(refused)
