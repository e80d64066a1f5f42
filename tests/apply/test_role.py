"""A role that may do more than the work needs is refused, unless the user says that it may."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from trimtab.db.connection import connect
from trimtab.db.role import (
    ALLOWED,
    APPLYING,
    MONITORING,
    READING,
    SIGNALLING,
    Work,
    excess_rights,
    reading,
    refuse_overprivileged,
)
from trimtab.embedded.server import Server
from trimtab.errors import RefusedError
from trimtab.lifecycle.recover import recovering
from trimtab.setup_sql import role_sql
from trimtab.spec.load import load_spec

from .shop import Shop

pytestmark = pytest.mark.server

# How a role can be too much, and what is said of it.
TOO_MUCH = {
    "CREATE ROLE x LOGIN SUPERUSER": ("superuser",),
    "CREATE ROLE x LOGIN CREATEROLE": ("createrole",),
    "CREATE ROLE x LOGIN CREATEDB": ("createdb",),
    "CREATE ROLE x LOGIN REPLICATION": ("replication",),
    "CREATE ROLE x LOGIN IN ROLE pg_execute_server_program": ("pg_execute_server_program",),
    "CREATE ROLE x LOGIN IN ROLE pg_read_server_files, pg_write_server_files": (
        "pg_read_server_files",
        "pg_write_server_files",
    ),
    "CREATE ROLE x LOGIN IN ROLE pg_write_all_data": ("pg_write_all_data",),
    "CREATE ROLE x LOGIN IN ROLE pg_signal_backend": ("pg_signal_backend",),
    "CREATE ROLE x LOGIN; GRANT ALTER SYSTEM ON PARAMETER archive_command TO x": ("ALTER SYSTEM of archive_command",),
    "CREATE ROLE x LOGIN; GRANT SET ON PARAMETER session_preload_libraries TO x": ("SET of session_preload_libraries",),
    "CREATE ROLE x LOGIN; GRANT EXECUTE ON FUNCTION pg_read_file(text) TO x": ("EXECUTE on pg_read_file",),
    "CREATE ROLE x LOGIN; GRANT EXECUTE ON FUNCTION pg_reload_conf() TO x;"
    " GRANT EXECUTE ON FUNCTION pg_promote(boolean, int) TO x": ("EXECUTE on pg_promote", "EXECUTE on pg_reload_conf"),
    "CREATE ROLE x LOGIN IN ROLE pg_maintain": ("pg_maintain",),
    "CREATE ROLE y; CREATE ROLE x LOGIN NOINHERIT IN ROLE y; GRANT EXECUTE ON FUNCTION lo_export(oid, text) TO y": (
        "EXECUTE on lo_export",
    ),
    "CREATE ROLE x LOGIN NOINHERIT; GRANT trimtab TO x": ("superuser",),  # by SET ROLE
    "CREATE ROLE x LOGIN; CREATE ROLE y CREATEROLE; GRANT y TO x": ("createrole",),
}
ENOUGH = (
    "CREATE ROLE x LOGIN",
    "CREATE ROLE x LOGIN BYPASSRLS IN ROLE pg_monitor, pg_read_all_data",
    "CREATE ROLE x LOGIN IN ROLE keeper",
    "CREATE ROLE x LOGIN; GRANT UPDATE ON pg_authid TO x",  # which the server refuses to all but superusers
    "CREATE ROLE x LOGIN; GRANT SET ON PARAMETER log_min_duration_statement TO x",
)


@pytest.fixture
def admin(newest_server: Server) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with closing(psycopg.connect(newest_server.dsn(), autocommit=True)) as admin:
        yield admin
        for name in ("x", "y"):
            if admin.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).fetchone() is not None:
                admin.execute(f"DROP OWNED BY {name}".encode())
                admin.execute(f"DROP ROLE {name}".encode())


def _as_x(server: Server) -> str:
    return psycopg.conninfo.make_conninfo(server.dsn(), user="x")


@pytest.mark.parametrize(("made", "expected"), TOO_MUCH.items(), ids=lambda value: str(value)[:40])
def test_what_a_role_can_do_beyond_its_work_is_found_and_refused(
    newest_server: Server, admin: psycopg.Connection[tuple[object, ...]], made: str, expected: tuple[str, ...]
) -> None:
    admin.execute(made.encode())
    with closing(connect(_as_x(newest_server), read_only=False)) as connection:
        assert excess_rights(connection)[: len(expected)] == expected
        for work, code in (
            (APPLYING, "apply.overprivileged"),
            (READING, "read.overprivileged"),
            (MONITORING, "read.overprivileged"),
        ):
            with pytest.raises(RefusedError) as refused:
                refuse_overprivileged(connection, work, {})
            assert refused.value.code == code
            assert expected[0] in str(refused.value)
            assert work.role in refused.value.next_step
        for other in ("0", "no", "true", ""):
            with pytest.raises(RefusedError):
                refuse_overprivileged(connection, READING, {ALLOWED: other})
        refuse_overprivileged(connection, READING, {ALLOWED: "1"})


# How one role can look like another, and still be what it was by RESET.
DISGUISED = {
    "CREATE ROLE y; CREATE ROLE x LOGIN SUPERUSER": ("-c role=y", "superuser"),
    "CREATE ROLE y; CREATE ROLE x LOGIN SUPERUSER IN ROLE y; ALTER ROLE x SET role = 'y'": ("", "superuser"),
    "CREATE ROLE y; CREATE ROLE x LOGIN CREATEROLE IN ROLE y": ("-c role=y", "createrole"),
    "CREATE ROLE y; CREATE ROLE x LOGIN IN ROLE y, pg_write_all_data": ("-c role=y", "pg_write_all_data"),
    "CREATE ROLE y CREATEDB; CREATE ROLE x LOGIN IN ROLE y": ("-c role=y", "createdb"),
}


@pytest.mark.parametrize(("made", "how"), DISGUISED.items(), ids=lambda value: str(value)[-40:])
def test_a_role_in_the_guise_of_another_is_found_and_refused(
    newest_server: Server, admin: psycopg.Connection[tuple[object, ...]], made: str, how: tuple[str, str]
) -> None:
    admin.execute(made.encode())
    options, expected = how
    conninfo = psycopg.conninfo.make_conninfo(_as_x(newest_server), options=options)
    with closing(connect(conninfo, read_only=False)) as connection:
        assert connection.execute(b"select current_user::text").fetchone() == ("y",)
        assert expected in excess_rights(connection)
        with pytest.raises(RefusedError) as refused:
            refuse_overprivileged(connection, APPLYING, {})
        assert refused.value.code == "apply.overprivileged"


@pytest.mark.parametrize(
    ("language", "body", "expected"),
    [
        ("sql", "SELECT pg_stat_file($1) IS NOT NULL", ()),
        ("plpgsql", "BEGIN RETURN true; END", ("EXECUTE on pg_file_rename",)),
    ],
)
def test_a_function_of_adminpack_that_everybody_may_call_counts_unless_it_is_written_in_sql(
    newest_server: Server,
    admin: psycopg.Connection[tuple[object, ...]],
    language: str,
    body: str,
    expected: tuple[str, ...],
) -> None:
    # Up to PostgreSQL 16 adminpack has pg_file_rename(text, text) in SQL: what it calls is asked for with its caller's
    # rights.
    name = "pg_catalog.pg_file_rename(text, text)"
    admin.execute("CREATE ROLE x LOGIN; SET allow_system_table_mods = on")
    admin.execute(f"CREATE FUNCTION {name} RETURNS bool LANGUAGE {language} AS $${body}$$".encode())
    try:
        with closing(connect(_as_x(newest_server), read_only=False)) as connection:
            assert excess_rights(connection) == expected
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(b"SELECT pg_stat_file('postgresql.conf')")
    finally:
        admin.execute(f"DROP FUNCTION {name}".encode())


def test_who_connected_counts_whatever_user_the_session_has(
    newest_server: Server, admin: psycopg.Connection[tuple[object, ...]]
) -> None:
    admin.execute("CREATE ROLE y; CREATE ROLE x LOGIN SUPERUSER")
    with closing(connect(_as_x(newest_server), read_only=False)) as connection:
        connection.execute(b"SET SESSION AUTHORIZATION y")
        assert connection.execute(b"select session_user::text").fetchone() == ("y",)
        assert excess_rights(connection) == ("superuser",)


@pytest.mark.parametrize("made", ENOUGH)
def test_a_role_with_what_it_needs_is_taken(
    newest_server: Server, admin: psycopg.Connection[tuple[object, ...]], made: str
) -> None:
    admin.execute(made.encode())
    with closing(connect(_as_x(newest_server), read_only=False)) as connection:
        refuse_overprivileged(connection, APPLYING, {})


def test_a_session_that_reads_is_given_to_a_role_that_reads_alone(
    newest_server: Server, admin: psycopg.Connection[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ALLOWED)

    def code_of(work: Work) -> str:
        try:
            with closing(reading(_as_x(newest_server), work=work)) as session:
                assert session.execute(b"select current_setting('default_transaction_read_only')").fetchone() == ("on",)
        except RefusedError as refused:
            return refused.code
        return ""

    mine = "select count(*) from pg_stat_activity where usename = 'x'"
    admin.execute("CREATE ROLE x LOGIN IN ROLE pg_monitor")
    assert [code_of(work) for work in (READING, MONITORING, SIGNALLING)] == ["", "", ""]
    admin.execute("GRANT pg_signal_backend TO x")
    assert [code_of(work) for work in (READING, MONITORING, SIGNALLING)] == [
        "read.overprivileged",
        "read.overprivileged",
        "",
    ]
    for _ in range(1000):  # none that was refused stays open
        if admin.execute(mine.encode()).fetchone() == (0,):
            return
        time.sleep(0.01)
    pytest.fail("a session stays open")


def test_the_roles_that_init_prints_are_no_more_than_enough(
    newest_server: Server, admin: psycopg.Connection[tuple[object, ...]]
) -> None:
    admin.execute(role_sql().encode())
    try:
        for role in ("trimtab_monitor", "trimtab_explain", "trimtab_apply"):
            conninfo = psycopg.conninfo.make_conninfo(newest_server.dsn(), user=role)
            with closing(connect(conninfo, read_only=False)) as connection:
                assert excess_rights(connection) == ()
    finally:
        admin.execute("DROP ROLE trimtab_monitor; DROP ROLE trimtab_explain; DROP ROLE trimtab_apply")


def test_a_superuser_gets_no_enforcement_point_unless_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ALLOWED)
    with pytest.raises(RefusedError, match="superuser"), recovering(shop.dsn, shop.ledger_path, load_spec()):
        pass
    monkeypatch.setenv(ALLOWED, "1")
    with recovering(shop.dsn, shop.ledger_path, load_spec()) as (_, enforcer, _snapshot):
        assert not enforcer.connection.closed
