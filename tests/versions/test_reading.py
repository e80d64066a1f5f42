"""On every version: the server itself refuses what is no read, once it was hardened."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest

from tests.db.test_read_check import HARDENED, LEGITIMATE, REFUSED, SCHEMA, passed_by, require_void
from trimtab.db.connection import connect
from trimtab.db.role import excess_rights
from trimtab.embedded.server import Server
from trimtab.setup_sql import hardening_sql, undo_hardening_sql

pytestmark = [pytest.mark.server, pytest.mark.versions]


@pytest.mark.usefixtures("roles")
def test_the_hardened_server_refuses_every_bypass_and_lets_pass_what_is_legitimate(server: Server, major: int) -> None:
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
        admin.execute("CREATE DATABASE hardened")
    try:
        with closing(psycopg.connect(server.dsn("hardened"), autocommit=True)) as admin:
            for statement in (SCHEMA, hardening_sql()):
                admin.execute(statement.encode())
        assert passed_by(server, {**REFUSED, **HARDENED}, "hardened") == []
        require_void(server, "hardened")
        refused = set(LEGITIMATE) - set(passed_by(server, LEGITIMATE, "hardened"))
        assert not refused or major < 17, refused  # texts of newer grammar
        conninfo = psycopg.conninfo.make_conninfo(server.dsn("hardened"), user="trimtab_explain")
        with closing(connect(conninfo, read_only=True)) as connection:
            assert excess_rights(connection) == ()
    finally:
        with closing(psycopg.connect(server.dsn("hardened"), autocommit=True)) as admin:
            admin.execute(undo_hardening_sql().encode())
        with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
            admin.execute("DROP DATABASE hardened")
