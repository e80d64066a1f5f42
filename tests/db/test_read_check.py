"""What would do more than read is refused twice: by our check, and by the server for the role that `init` prints."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest
import yaml

from trimtab.db.connection import Connection, connect
from trimtab.db.explain import explain
from trimtab.db.read_check import why_not_read
from trimtab.db.read_only import only_reading, read_limits, require_one_query
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import TrimtabError
from trimtab.model.workload import Query, QueryKind
from trimtab.setup_sql import hardening_sql, role_sql, undo_hardening_sql
from trimtab.twin.sample import SourceSample
from trimtab.twin.sample_statements import Wanted

pytestmark = pytest.mark.server

CORPUS = Path(__file__).with_name("corpus")
_SPELLED = {"¤": "\u202e", "§": "\u200b", "¶": "\u00a0"}


def _texts(name: str, part: str) -> dict[str, str]:
    found = yaml.safe_load((CORPUS / f"{name}.yaml").read_text("utf-8"))[part]
    return {key: "".join(_SPELLED.get(c, c) for c in text) for key, text in found.items()}


REFUSED, HARDENED = _texts("bypass", "refused"), _texts("bypass", "hardened")
VOID = _texts("bypass", "void")
BYPASSES, LEGITIMATE = {**REFUSED, **HARDENED, **VOID}, _texts("legitimate", "accepted")

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
CREATE DOMAIN audited_number AS int CHECK (tells_volatile() = VALUE);
CREATE VIEW tells AS SELECT tells_volatile() AS n;
CREATE FUNCTION secret_rows() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT count(*) FROM pg_authid';
CREATE FUNCTION as_owner() RETURNS int LANGUAGE sql VOLATILE SECURITY DEFINER AS 'DELETE FROM orders RETURNING 1';
CREATE FUNCTION shadow.lower(text) RETURNS text LANGUAGE sql VOLATILE AS 'DELETE FROM orders RETURNING $1';
CREATE FUNCTION shadow.add(int, int) RETURNS int LANGUAGE sql VOLATILE AS 'DELETE FROM orders RETURNING 1';
CREATE OPERATOR shadow.+ (FUNCTION = shadow.add, LEFTARG = int, RIGHTARG = int);
CREATE VIEW sleeps AS SELECT pg_sleep(0)::text;
CREATE FUNCTION touch(orders) RETURNS int LANGUAGE sql VOLATILE SECURITY DEFINER AS 'SELECT 1';
CREATE FUNCTION last_of(int, int) RETURNS int LANGUAGE sql VOLATILE SECURITY DEFINER AS 'SELECT 1';
CREATE AGGREGATE audited (int) (SFUNC = last_of, STYPE = int);
CREATE FUNCTION shadow.same(int, int) RETURNS bool LANGUAGE sql VOLATILE SECURITY DEFINER AS 'SELECT true';
CREATE OPERATOR shadow.=== (FUNCTION = shadow.same, LEFTARG = int, RIGHTARG = int);
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE passwords (line text) SERVER files OPTIONS (filename '/etc/passwd', delimiter E'\\x01');
CREATE VIEW view_of_passwords AS SELECT line FROM passwords;
CREATE TABLE lines (line text) PARTITION BY LIST (line);
CREATE FOREIGN TABLE foreign_lines PARTITION OF lines DEFAULT
    SERVER files OPTIONS (filename '/etc/passwd', delimiter E'\\x01');
CREATE FUNCTION f(int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
CREATE FUNCTION f() RETURNS TABLE (x int) LANGUAGE sql VOLATILE AS 'SELECT 1';
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
    conninfo = server.dsn(user="trimtab_explain")
    with closing(connect(conninfo, read_only=True, statement_timeout_ms=_LIMIT_MS)) as connection:
        yield connection


@pytest.fixture
def picture(server: Server) -> Iterator[Callable[[], object]]:
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
        yield lambda: admin.execute(_PICTURE.encode()).fetchone()


def _run(connection: Connection, text: str) -> None:
    """Send the text as it is, where and how reads are run."""
    query = Query("q", "q", text, text, 1.0, QueryKind.READ, 0, ())
    with only_reading(connection, read_limits(_LIMIT_MS)):
        require_one_query(connection, query)
        explain(connection, query, analyze=True)


def passed_by(server: Server, texts: Mapping[str, str], database: str = "postgres") -> list[str]:
    """Return the names of the texts that the server runs for the role that explains, each in a session of its own."""
    passed = []
    conninfo = server.dsn(database, user="trimtab_explain")
    for name, text in texts.items():
        with closing(connect(conninfo, read_only=True, statement_timeout_ms=_LIMIT_MS)) as connection:
            try:
                _run(connection, text)
            except TrimtabError:
                continue
            passed.append(name)
            with pytest.raises(psycopg.Error):
                connection.execute(b"DELETE FROM orders")
    return passed


def require_void(server: Server, database: str = "postgres") -> None:
    """What a void text asks for is not done, whoever runs it: not a superuser's session reads a file, or misses one."""
    assert VOID == {"read_file_in_exists": "SELECT 1 WHERE EXISTS (SELECT pg_read_file('/etc/passwd'))"}
    with closing(psycopg.connect(server.dsn(database), autocommit=True)) as admin:
        for text in VOID.values():
            missing = text.replace("/etc/passwd", "/nowhere")
            assert admin.execute(missing.encode()).fetchall() == [(1,)]
            plan = admin.execute(f"EXPLAIN (VERBOSE) {missing}".encode()).fetchall()
            assert not any("pg_read_file" in line for (line,) in plan)
        right = "SELECT has_function_privilege('trimtab_explain', 'pg_read_file(text)', 'EXECUTE')"
        assert admin.execute(right).fetchone() == (False,)


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
        except TrimtabError as error:
            pytest.fail(f"{name}: {error}")


def test_the_server_itself_refuses_every_bypass_and_nothing_is_left(
    server: Server, picture: Callable[[], object]
) -> None:
    before = picture()
    assert passed_by(server, REFUSED) == []
    assert picture() == before


_RIGHTS = """
SELECT (SELECT md5(string_agg(oid || g::text, ',' ORDER BY oid, g::text)) FROM pg_proc,
               aclexplode(coalesce(proacl, acldefault('f', proowner))) g),
       (SELECT md5(string_agg(oid || g::text, ',' ORDER BY oid, g::text)) FROM pg_class,
               aclexplode(coalesce(relacl, acldefault('r', relowner))) g WHERE relkind IN ('r', 'v', 'm')),
       (SELECT string_agg(r.rolname || m.rolname, ',' ORDER BY 1) FROM pg_auth_members
          JOIN pg_roles r ON r.oid = roleid JOIN pg_roles m ON m.oid = member),
       (SELECT string_agg(rolname, ',' ORDER BY 1) FROM pg_roles)
"""


def test_where_it_was_hardened_the_server_refuses_every_bypass(server: Server, picture: Callable[[], object]) -> None:
    assert passed_by(server, HARDENED) == list(HARDENED)
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
        admin.execute("CREATE ROLE application LOGIN; CREATE ROLE alone LOGIN NOINHERIT")
        admin.execute("CREATE SCHEMA trimtab_explain; GRANT USAGE ON SCHEMA trimtab_explain TO trimtab_explain")
        rights = admin.execute(_RIGHTS).fetchone()
        for _ in range(2):
            admin.execute(hardening_sql().encode())
        before = picture()
        assert passed_by(server, {**REFUSED, **HARDENED}) == []
        require_void(server)
        assert picture() == before
        assert passed_by(server, LEGITIMATE) == list(LEGITIMATE)
        # Names mean as the reading role what they mean in its session.
        with closing(connect(server.dsn(user="trimtab_explain"), read_only=True)) as own:
            path = own.execute(b"SELECT current_schemas(false), current_user").fetchone()
            with only_reading(own, {}):
                assert own.execute(b"SELECT current_schemas(false), session_user").fetchone() == path
                assert own.execute(b"SELECT current_user").fetchone() == ("trimtab_read",)
        # What sessions of ours need they have still: random rows, that are the same ones each time.
        sample = SourceSample(server.dsn(user="trimtab_explain"))
        [measured] = sample.measure(("public", "orders"), [Wanted(keys=("city",), predicate="id > 5")])
        assert (measured.refusal, measured.share) == ("", 0.75)
        for other in ("application", "alone"):
            admin.execute(f"SET ROLE {other}; SELECT pg_advisory_xact_lock(1); NOTIFY channel; RESET ROLE")
            admin.execute(f"SET ROLE {other}; SELECT tells_volatile(), set_config('work_mem', '4MB', true); RESET ROLE")
        admin.execute("REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA pg_catalog, public, shadow FROM alone")
        admin.execute("REVOKE SELECT ON pg_user_mappings, information_schema.user_mapping_options FROM alone")
        admin.execute(undo_hardening_sql().encode())
        assert admin.execute(_RIGHTS).fetchone() == rights
        assert passed_by(server, HARDENED) == list(HARDENED)
        admin.execute("DROP ROLE application, alone; DROP SCHEMA trimtab_explain")
        with pytest.raises(psycopg.errors.RaiseException, match="not hardened"):
            admin.execute(undo_hardening_sql().encode())


def test_hardening_gives_no_role_more_than_it_had(server: Server) -> None:
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
        admin.execute("CREATE DATABASE narrow")
    try:
        with closing(psycopg.connect(server.dsn("narrow"), autocommit=True)) as admin:
            admin.execute("CREATE TABLE open (a int); CREATE TABLE salary (a int); CREATE TABLE own (a int)")
            admin.execute("ALTER TABLE own ENABLE ROW LEVEL SECURITY; INSERT INTO own VALUES (1)")
            admin.execute(
                "REVOKE pg_read_all_data FROM trimtab_explain, trimtab_apply; ALTER ROLE trimtab_explain BYPASSRLS"
            )
            admin.execute(
                "GRANT SELECT ON open TO trimtab_explain; GRANT SELECT ON own TO trimtab_explain, trimtab_apply"
            )
            seen = _readable(server)
            admin.execute(hardening_sql().encode())
            assert _readable(server) == seen
            assert admin.execute("SELECT pg_has_role('trimtab_apply', 'trimtab_read', 'member')").fetchone() == (False,)
            admin.execute("GRANT pg_read_all_data TO trimtab_apply; ALTER ROLE trimtab_explain NOBYPASSRLS")
            admin.execute(hardening_sql().encode())
            assert admin.execute("SELECT pg_has_role('trimtab_apply', 'trimtab_read', 'member')").fetchone() == (True,)
            admin.execute("REVOKE pg_read_all_data FROM trimtab_apply")
            admin.execute("CREATE POLICY theirs ON own TO trimtab_explain USING (a > 1)")
            with pytest.raises(psycopg.errors.RaiseException, match="policy theirs on own"):
                admin.execute(hardening_sql().encode())
            admin.execute("DROP POLICY theirs ON own")
            # In a database that was not hardened reads are run as before, by who may read there.
            admin.execute("GRANT pg_read_all_data TO trimtab_explain")
            assert passed_by(server, LEGITIMATE) == list(LEGITIMATE)
            admin.execute("REVOKE pg_read_all_data FROM trimtab_explain")
            admin.execute(undo_hardening_sql().encode())
            assert _readable(server) == {**seen, "trimtab_explain": {"open": 0, "own": 0}}
            admin.execute("ALTER ROLE trimtab_monitor RENAME TO another")
            with pytest.raises(psycopg.errors.RaiseException, match="no role trimtab_monitor"):
                admin.execute(hardening_sql().encode())
            admin.execute("ALTER ROLE another RENAME TO trimtab_monitor; CREATE ROLE trimtab_read LOGIN")
            with pytest.raises(psycopg.errors.RaiseException, match="trimtab_read already"):
                admin.execute(hardening_sql().encode())
            admin.execute("DROP ROLE trimtab_read")
    finally:
        with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
            admin.execute("DROP DATABASE narrow")
            admin.execute("GRANT pg_read_all_data TO trimtab_explain, trimtab_apply")
            admin.execute("ALTER ROLE trimtab_explain NOBYPASSRLS")


def _readable(server: Server) -> dict[str, dict[str, int]]:
    """Return how many rows each role reads, by the tables that it may read."""
    found: dict[str, dict[str, int]] = {"trimtab_explain": {}, "trimtab_apply": {}}
    for role, tables in found.items():
        conninfo = server.dsn("narrow", user=role)
        with closing(connect(conninfo, read_only=True)) as connection:
            for table in ("open", "salary", "own"):
                for become in (connection.transaction(), only_reading(connection, {})):
                    with suppress(psycopg.Error, TrimtabError), become:
                        [[count]] = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()
                        tables[table] = max(count, tables.get(table, 0))
    return found


_COMPARED = """
CREATE FUNCTION compared(int, int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT $1 - $2';
CREATE OPERATOR CLASS odd FOR TYPE int USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 compared(int, int);
"""
_CAST = """
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION told(pair) RETURNS text LANGUAGE sql VOLATILE AS $$SELECT ''$$;
CREATE CAST (pair AS text) WITH FUNCTION told(pair)
"""
_POLICY = """
ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON customer USING (id = tells_volatile());
"""
_DOMAIN = """
CREATE DOMAIN even AS int CHECK (tells_volatile() = VALUE);
CREATE DOMAIN small AS even;
CREATE TYPE two AS (a small);
"""


_NOTHING = "RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';"
_TAKES_SMALL = f"CREATE FUNCTION takes(small) {_NOTHING}"
_DEFAULT = f"CREATE FUNCTION by_default(a int DEFAULT tells_volatile()) {_NOTHING}"
_ATOMIC = "CREATE FUNCTION atomic() RETURNS int LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT tells_volatile(); END"
_CAST_TO_JSON = """
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION told(pair) RETURNS json LANGUAGE sql VOLATILE AS $$SELECT '{}'::json$$;
CREATE CAST (pair AS json) WITH FUNCTION told(pair);
CREATE TABLE pairs (p pair);
"""
_NEGATED = """
CREATE FUNCTION safe(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR public.==== (FUNCTION = safe, LEFTARG = int, RIGHTARG = int, RESTRICT = neqsel);
CREATE OPERATOR public.!==== (FUNCTION = shadow.same, LEFTARG = int, RIGHTARG = int, NEGATOR = OPERATOR(public.====));
"""
_TOUCHED = """
CREATE TABLE touchable (touched int);
CREATE FUNCTION touched(touchable) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
CREATE FUNCTION touched(record) RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN 1; END';
"""
_BECOMES = "CREATE FUNCTION becomes() RETURNS int LANGUAGE sql STABLE SET role = 'trimtab_explain' AS 'SELECT 1'"
_RANGE = """
CREATE FUNCTION apart(int, int) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT 1.0::float8';
CREATE TYPE span AS RANGE (SUBTYPE = int, SUBTYPE_DIFF = apart);
ALTER FUNCTION apart(int, int) VOLATILE;
CREATE TABLE spans (s span);
"""
_VIEW_BY_OPERATOR = """
CREATE OPERATOR shadow.= (FUNCTION = shadow.same, LEFTARG = int, RIGHTARG = int);
SET LOCAL search_path = shadow, public, pg_catalog;
CREATE VIEW public.differing AS SELECT id IS DISTINCT FROM 3 AS differs FROM orders;
SET LOCAL search_path TO DEFAULT;
"""


@pytest.mark.parametrize(
    ("planted", "text"),
    [
        (_COMPARED, "SELECT id FROM orders ORDER BY id"),
        (f"{_CAST} AS IMPLICIT", "SELECT lower(note) FROM orders"),
        (_CAST, "SELECT CAST(note AS text) FROM orders"),
        (_POLICY, "SELECT * FROM customer"),
        (_DOMAIN, "SELECT 2::even"),
        (_DOMAIN, "SELECT 2::small"),
        (_DOMAIN, "SELECT ROW(2)::two"),
        ("CREATE VIEW above AS SELECT * FROM tells", "SELECT * FROM above"),
        (_BECOMES, "SELECT becomes()"),
        (_DEFAULT, "SELECT by_default()"),
        (_ATOMIC, "SELECT atomic()"),
        (_RANGE, "SELECT * FROM spans"),
        (_VIEW_BY_OPERATOR, "SELECT * FROM differing"),
        (f"{_DOMAIN} {_TAKES_SMALL}", "SELECT takes(2)"),
        (f"{_DOMAIN} CREATE FUNCTION even(bool) {_NOTHING}", "SELECT even(id) FROM orders"),
        (_DOMAIN, "SELECT (note).even FROM orders"),
        (_DOMAIN, "SELECT jsonb_populate_record(o, '{}') FROM orders o"),
        (_DOMAIN, "SELECT pg_input_is_valid('2', 'even')"),
        (_DOMAIN, "SELECT record_in('(2)', 'two'::regtype, -1) IS NULL"),
        (_RANGE, "SELECT range_in('[1,2]', (SELECT 'span'::regtype::oid), -1)"),
        (f"{_DOMAIN} CREATE DOMAIN again AS int CHECK (VALUE::even > 0)", "SELECT 2::again"),
        ("CREATE DOMAIN same AS int CHECK (VALUE OPERATOR(shadow.===) 1)", "SELECT 2::same"),
        (_CAST_TO_JSON, "SELECT to_jsonb(p) FROM pairs p"),
        (_NEGATED, "SELECT 1 WHERE NOT (1 ==== 1)"),
        (f"CREATE FUNCTION locks(a bool DEFAULT pg_try_advisory_lock(7)) {_NOTHING}", "SELECT locks()"),
        ("CREATE DOMAIN sleepy AS int CHECK (pg_sleep(0)::text = '')", "SELECT 5::sleepy"),
        (f"{_DOMAIN} CREATE TABLE arrays (a even[])", "SELECT coalesce(a, '{4}') FROM arrays"),
        (f"{_DOMAIN} CREATE TABLE evens (a even)", "SELECT '(4)'::evens"),
        (f"{_DOMAIN} CREATE TABLE evens (a even)", "SELECT coalesce(e, '(4)') FROM evens e"),
        (f"{_DOMAIN} CREATE TABLE evens (a even); CREATE FUNCTION of(evens) {_NOTHING}", "SELECT of(row(4))"),
        (_TOUCHED, "SELECT o.touched FROM touchable AS o(x)"),
        (_TOUCHED, "SELECT u.touched FROM (touchable a JOIN touchable b USING (touched) AS u)"),
        (
            "CREATE FUNCTION note(orders) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1'",
            "SELECT (o).note FROM orders o",
        ),
        ("CREATE AGGREGATE sets (text, bool) (SFUNC = set_config, STYPE = text)", "SELECT sets('x', true)"),
    ],
)
def test_our_check_looks_at_whatever_a_text_reaches(server: Server, planted: str, text: str) -> None:
    with closing(psycopg.connect(server.dsn(), autocommit=True, cursor_factory=psycopg.RawCursor)) as connection:
        with connection.transaction(force_rollback=True):
            connection.execute(planted.encode())
            connection.execute(b"SET LOCAL ROLE trimtab_explain")
            found = why_not_read(connection, text)
            assert found is not None
            assert found.code == "sql.volatile"
        is_safe_without = not any(part in text for part in ("even", "(o)", "populate"))
        if (" FROM orders" in text and is_safe_without) or " customer" in text:
            assert why_not_read(connection, text) is None


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM pg_stat_activity",
        "SELECT query FROM pg_stat_get_activity(1) q",
        "SELECT pg_stat_get_backend_activity(i) FROM pg_stat_get_backend_idset() i",
        "SELECT histogram_bounds::text FROM pg_stats WHERE tablename = 'pg_authid'",
        "SELECT stavalues1 FROM pg_catalog.pg_statistic",
        "SELECT chunk_data FROM pg_toast.pg_toast_1418",
        "SELECT setconfig FROM pg_db_role_setting",
        "SELECT ftoptions FROM pg_foreign_table",
        "SELECT option_value FROM information_schema.foreign_server_options",
        "SELECT rolconfig FROM pg_roles",
        "SELECT * FROM pg_user",
        "TABLE pg_roles",
        "SELECT r FROM pg_roles r",
        "SELECT (r).rolconfig FROM (SELECT rolname, pg_roles AS r FROM pg_roles) s",
        "SELECT l FROM pg_roles AS r(a, b, c, d, e, f, g, h, i, j, k, l)",
    ],
)
def test_what_others_run_and_values_of_all_tables_are_not_read(reader: Connection, text: str) -> None:
    found = why_not_read(reader, text)
    assert found is not None
    assert found.code == "sql.not_a_read"


_CAST_TO_DATE = """
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION dated(pair) RETURNS date LANGUAGE sql VOLATILE AS 'SELECT current_date';
CREATE CAST (pair AS date) WITH FUNCTION dated(pair);
"""


def test_what_only_looks_like_it_is_read(server: Server) -> None:
    with (
        closing(psycopg.connect(server.dsn(), autocommit=True, cursor_factory=psycopg.RawCursor)) as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute(b"CREATE EXTENSION pg_trgm; CREATE EXTENSION citext")
        # A column of that name is the column; a function without arguments is never an attribute.
        connection.execute(b"CREATE FUNCTION note(orders) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1'")
        connection.execute(b"CREATE FUNCTION city() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1'")
        # Rows that are kept were made by what is volatile once; what casts a type matters to who casts it.
        connection.execute(b"CREATE MATERIALIZED VIEW kept AS SELECT n FROM tells; GRANT SELECT ON kept TO PUBLIC")
        connection.execute(_CAST_TO_DATE.encode())
        connection.execute(b"SET LOCAL ROLE trimtab_explain")
        for text in (
            "SELECT o.note, o.city FROM orders o JOIN customer c ON c.id = o.customer_id",
            "WITH o AS (SELECT city FROM orders) SELECT o.city FROM o",
            "SELECT name OPERATOR(public.%) 'x' FROM customer",
            "SELECT name::citext = 'NAME 1' FROM customer",
            "SELECT n FROM kept",
            "SELECT count(*)::int, extract(year FROM day), now() AT TIME ZONE 'UTC' FROM orders GROUP BY day",
        ):
            assert why_not_read(connection, text) is None, text


def test_settings_are_read_where_none_holds_a_password(server: Server, reader: Connection) -> None:
    texts = (
        "SELECT name, setting FROM pg_settings",
        "SELECT current_setting(lower('PRIMARY_CONNINFO'))",
        "SELECT current_setting('Primary_conninfo', true)",
        "SELECT current_setting('primary_conninfo_and_more'::varchar(16))",
        "SELECT current_setting('primary_conninfo '::char(30)::text)",
    )
    harmless = "SELECT current_setting('app.tenant', true)"
    assert [why_not_read(reader, text) for text in texts] == [None] * len(texts)
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
        try:
            admin.execute("ALTER SYSTEM SET primary_conninfo = 'postgresql://me:hunter2@nowhere/'")
            admin.execute("SELECT pg_reload_conf()")
            _wait_until_a_primary_is_named(reader, is_named=True)
            assert None not in [why_not_read(reader, text) for text in texts]
            assert why_not_read(reader, harmless) is None
            assert why_not_read(reader, harmless.replace("tenant'", "tenant'::text")) is None
        finally:
            admin.execute("ALTER SYSTEM RESET primary_conninfo")
            admin.execute("SELECT pg_reload_conf()")
            _wait_until_a_primary_is_named(reader, is_named=False)


def _wait_until_a_primary_is_named(connection: Connection, *, is_named: bool) -> None:
    for _ in range(1000):
        row = connection.execute(b"SELECT current_setting('primary_conninfo') <> ''").fetchone()
        if row == (is_named,):
            return
        time.sleep(0.01)
    raise AssertionError("the setting was never read again")


def test_the_roles_page_names_what_is_void_and_how_many_bypasses_there_are() -> None:
    page = (Path(__file__).parents[2] / "docs" / "roles.md").read_text("utf-8")
    assert re.findall(r"^    (SELECT .+)$", page, re.MULTILINE) == list(VOID.values())
    refused = len(REFUSED) + len(HARDENED)
    assert refused == len(BYPASSES) - len(VOID)
    assert f"of {refused} texts" in page
    assert f"{len(REFUSED)} with the roles as they are printed, and all {refused} with the" in page


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
    conninfo = server.dsn(user=role)
    with closing(connect(conninfo, read_only=False)) as connection:
        for statement in WRITES:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    assert picture() == before


def test_the_role_that_applies_can_write_what_its_owners_own_and_no_more(server: Server) -> None:
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
        admin.execute("CREATE ROLE keeper; ALTER TABLE document OWNER TO keeper; GRANT keeper TO trimtab_apply")
        admin.execute("GRANT CREATE ON SCHEMA public TO trimtab_apply")
        conninfo = server.dsn(user="trimtab_apply")
        with closing(connect(conninfo, read_only=False)) as connection:
            connection.execute(b"CREATE INDEX document_id ON document (id)")
            connection.execute(b"DROP INDEX document_id")
            for statement in (b"CREATE INDEX ON orders (day)", b"DELETE FROM orders", b"ALTER SYSTEM RESET ALL"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
        admin.execute("REVOKE CREATE ON SCHEMA public FROM trimtab_apply; REVOKE keeper FROM trimtab_apply")
