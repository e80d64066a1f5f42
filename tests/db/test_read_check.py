"""What would do more than read is refused twice: by our check, and by the server for the role that `init` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import yaml

from trimtab.db.connection import Connection, connect
from trimtab.db.read_check import why_not_read
from trimtab.db.read_only import read_limits
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.setup_sql import role_sql

pytestmark = pytest.mark.server

CORPUS = Path(__file__).with_name("corpus")
_SPELLED = {"¤": "\u202e", "§": "\u200b", "¶": "\u00a0"}


def _texts(name: str, part: str) -> dict[str, str]:
    found = yaml.safe_load((CORPUS / f"{name}.yaml").read_text("utf-8"))[part]
    return {key: "".join(_SPELLED.get(c, c) for c in text) for key, text in found.items()}


REFUSED, HARMLESS = _texts("bypass", "refused"), _texts("bypass", "harmless")
BYPASSES, LEGITIMATE = {**REFUSED, **HARMLESS}, _texts("legitimate", "accepted")

SCHEMA = """
CREATE TYPE mood AS ENUM ('happy', 'sad');
CREATE TABLE customer (id int PRIMARY KEY, name text);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, day date, city text, zip text, note text);
CREATE TABLE document (id int PRIMARY KEY, payload jsonb);
CREATE VIEW open_orders AS SELECT * FROM orders WHERE day > '2024-01-01';
CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM orders;
CREATE SEQUENCE order_number;
GRANT ALL ON SEQUENCE order_number TO PUBLIC;
INSERT INTO customer SELECT n, 'name ' || n FROM generate_series(1, 5) n;
INSERT INTO orders SELECT n, 1 + n % 5, date '2024-01-01' + n, 'a', 'z', 'x' FROM generate_series(1, 20) n;
INSERT INTO document VALUES (1, '{"a": {"b": 1}}');
CREATE SCHEMA shadow;
GRANT USAGE ON SCHEMA shadow TO PUBLIC;
CREATE FUNCTION doubled(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n';
CREATE FUNCTION wipe_rows() RETURNS int LANGUAGE sql VOLATILE AS 'DELETE FROM orders RETURNING 1';
CREATE FUNCTION tells_volatile() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
CREATE FUNCTION as_owner() RETURNS int LANGUAGE sql VOLATILE SECURITY DEFINER AS 'DELETE FROM orders RETURNING 1';
CREATE FUNCTION shadow.lower(text) RETURNS text LANGUAGE sql VOLATILE AS 'DELETE FROM orders RETURNING $1';
CREATE FUNCTION shadow.add(int, int) RETURNS int LANGUAGE sql VOLATILE AS 'DELETE FROM orders RETURNING 1';
CREATE OPERATOR shadow.+ (FUNCTION = shadow.add, LEFTARG = int, RIGHTARG = int);
CREATE PROCEDURE wipe() LANGUAGE sql AS 'DELETE FROM orders';
CREATE EXTENSION dblink;
CREATE EXTENSION tablefunc;
CREATE EXTENSION pg_stat_statements;
"""

_PICTURE = """
SELECT (SELECT md5(string_agg(c::text || c.xmin::text, ',' ORDER BY c.oid)) FROM pg_class c),
       (SELECT md5(string_agg(t::text || t.xmin::text || t.xmax::text, ',' ORDER BY id)) FROM orders t),
       (SELECT md5(string_agg(p::text || p.xmin::text, ',' ORDER BY oid)) FROM pg_proc p),
       (SELECT md5(string_agg(r::text, ',' ORDER BY oid)) FROM pg_authid r),
       (SELECT coalesce(string_agg(s::text, ','), '') FROM pg_db_role_setting s),
       (SELECT coalesce(string_agg(s::text, ','), '') FROM pg_file_settings s),
       (SELECT last_value::text || is_called FROM order_number),
       (SELECT count(*) FROM pg_largeobject_metadata),
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
       (SELECT count(*) FROM pg_replication_slots),
       (SELECT md5(string_agg(s::text, ',' ORDER BY starelid, staattnum)) FROM pg_statistic s),
       (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()),
       (SELECT count(*) FROM pg_prepared_statements)
"""
_LIMIT_MS = 1000


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    settings = {"shared_preload_libraries": "pg_stat_statements", "autovacuum": "off", "wal_level": "logical"}
    with Server.create(Binaries.find(), purpose="read-check", settings=settings) as server:
        with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
            admin.execute(SCHEMA.encode())
            admin.execute(role_sql().encode())
        yield server


@pytest.fixture
def reader(server: Server) -> Iterator[Connection]:
    conninfo = psycopg.conninfo.make_conninfo(server.dsn(), user="trimtab_explain")
    with closing(connect(conninfo, read_only=True, statement_timeout_ms=_LIMIT_MS)) as connection:
        yield connection


@pytest.fixture
def picture(server: Server) -> Iterator[Callable[[], object]]:
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
        yield lambda: admin.execute(_PICTURE.encode()).fetchone()


def _run(connection: Connection, text: str) -> None:
    """Send the text as it is, where reads are run."""
    with connection.transaction(force_rollback=True):
        for name, value in read_limits(_LIMIT_MS).items():
            connection.execute("select pg_catalog.set_config($1, $2, true)", (name, value))
        cursor = connection.execute(text.encode())
        if cursor.description is not None:
            cursor.fetchall()


def test_both_corpora_are_large_enough() -> None:
    assert len(REFUSED) >= 100
    assert len(LEGITIMATE) >= 100


def test_our_check_refuses_every_bypass(reader: Connection) -> None:
    assert [name for name, text in BYPASSES.items() if why_not_read(reader, text) is None] == []


def test_our_check_accepts_everything_legitimate(reader: Connection) -> None:
    found = {name: why_not_read(reader, text) for name, text in LEGITIMATE.items()}
    assert {name: danger for name, danger in found.items() if danger is not None} == {}


def test_the_server_runs_everything_legitimate_for_the_role_that_explains(reader: Connection) -> None:
    for name, text in LEGITIMATE.items():
        try:
            _run(reader, text)
        except psycopg.Error as error:
            pytest.fail(f"{name}: {error}")


def test_the_server_itself_refuses_every_bypass_and_nothing_is_left(
    server: Server, picture: Callable[[], object]
) -> None:
    before, passed = picture(), []
    conninfo = psycopg.conninfo.make_conninfo(server.dsn(), user="trimtab_explain")
    for name, text in REFUSED.items():
        with closing(connect(conninfo, read_only=True, statement_timeout_ms=_LIMIT_MS)) as connection:
            try:
                _run(connection, text)
            except psycopg.Error:
                continue
            passed.append(name)
    assert passed == []
    assert picture() == before


def test_what_the_server_lets_pass_leaves_nothing(server: Server, picture: Callable[[], object]) -> None:
    before = picture()
    conninfo = psycopg.conninfo.make_conninfo(server.dsn(), user="trimtab_explain")
    for text in HARMLESS.values():
        with closing(connect(conninfo, read_only=True, statement_timeout_ms=_LIMIT_MS)) as connection:
            try:
                _run(connection, text)
                with pytest.raises(psycopg.Error):
                    connection.execute(b"DELETE FROM orders")
            except psycopg.Error:
                pass
    assert picture() == before


WRITES = (
    "INSERT INTO orders VALUES (-1)",
    "UPDATE orders SET note = 'x'",
    "DELETE FROM orders",
    "TRUNCATE orders",
    "CREATE TABLE stolen (a int)",
    "CREATE INDEX ON orders (day)",
    "DROP TABLE orders",
    "ALTER TABLE orders ADD COLUMN a int",
    "CREATE STATISTICS s ON city, zip FROM orders",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'",
    "ALTER DATABASE postgres SET work_mem = '64MB'",
    "ALTER SYSTEM SET work_mem = '64MB'",
    "CREATE ROLE thief",
    "GRANT trimtab_apply TO trimtab_explain",
    "SET ROLE trimtab_apply",
    "COMMENT ON TABLE orders IS 'x'",
    "REFRESH MATERIALIZED VIEW totals",
    "COPY orders TO PROGRAM 'id'",
)


@pytest.mark.parametrize("role", ["trimtab_monitor", "trimtab_explain"])
def test_a_role_that_only_reads_cannot_write_even_in_a_session_that_may(
    server: Server, picture: Callable[[], object], role: str
) -> None:
    before = picture()
    conninfo = psycopg.conninfo.make_conninfo(server.dsn(), user=role)
    with closing(connect(conninfo, read_only=False)) as connection:
        for statement in WRITES:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    assert picture() == before


def test_the_role_that_applies_can_write_what_its_owners_own_and_no_more(server: Server) -> None:
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
        admin.execute("CREATE ROLE keeper; ALTER TABLE document OWNER TO keeper; GRANT keeper TO trimtab_apply")
        admin.execute("GRANT CREATE ON SCHEMA public TO trimtab_apply")
        conninfo = psycopg.conninfo.make_conninfo(server.dsn(), user="trimtab_apply")
        with closing(connect(conninfo, read_only=False)) as connection:
            connection.execute(b"CREATE INDEX document_id ON document (id)")
            connection.execute(b"DROP INDEX document_id")
            for statement in (b"CREATE INDEX ON orders (day)", b"DELETE FROM orders", b"ALTER SYSTEM RESET ALL"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
        admin.execute("REVOKE CREATE ON SCHEMA public FROM trimtab_apply; REVOKE keeper FROM trimtab_apply")
