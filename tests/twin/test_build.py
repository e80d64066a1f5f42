"""Building the twin: what it takes over, what it says it could not, what it never takes, and what it leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from trimtab.db.connection import Connection, connect
from trimtab.db.failures import ServerError
from trimtab.embedded.account import serving_account
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.places import run_root
from trimtab.embedded.server import Server
from trimtab.embedded.sweep import sweep
from trimtab.errors import LabError, SourceError
from trimtab.model.change import CreateIndex, DropIndex
from trimtab.model.plan import Plan
from trimtab.model.whatif import PlanFailure
from trimtab.model.workload import Query
from trimtab.twin.build import DATABASE as TWIN_DATABASE
from trimtab.twin.build import build as make
from trimtab.twin.capture import Image, read_image
from trimtab.twin.children import by_age
from trimtab.twin.circumstances import circumstances_of
from trimtab.twin.dump import read_schema
from trimtab.twin.fidelity import Fidelity
from trimtab.twin.twin import Twin

from .shop import DATABASE, query, silent, snapshot, workload

pytestmark = pytest.mark.server


KILLED = """
import os, signal, sys
from trimtab.embedded.binaries import Binaries
from trimtab.twin.dump import read_schema
Binaries.run = lambda *arguments, **rest: os.kill(os.getpid(), signal.SIGKILL)
read_schema(sys.argv[1], Binaries.find(), (), encoding="UTF8")
"""


def build(conninfo: str, binaries: Binaries | None = None) -> Twin:
    with closing(connect(conninfo, read_only=True)) as connection:
        facts = snapshot(connection)
    return Twin.build(conninfo, facts, binaries or Binaries.find(), progress=silent)


def fidelity(twin: Twin, conninfo: str) -> Fidelity:
    with closing(connect(conninfo, read_only=True)) as connection:
        return twin.fidelity(connection, workload())


def differences(found: Fidelity) -> list[tuple[str, str, float | None, float | None]]:
    texts = {q.id: q.text for q in workload()}
    return [
        (texts[q.query_id], q.first_difference, q.source_cost, q.twin_cost)
        for q in found.queries
        if not (q.same_shape and q.is_within_1_percent)
    ]


@pytest.fixture
def scratch(source: Server) -> Iterator[str]:
    """A conninfo of a database of its own on the source."""
    with closing(connect(source.dsn(), read_only=False)) as connection:
        connection.execute(b"CREATE DATABASE scratch")
        yield source.dsn("scratch")
        connection.execute(b"DROP DATABASE scratch WITH (FORCE)")


def run(conninfo: str, script: str) -> None:
    with closing(connect(conninfo, read_only=False)) as connection:
        for statement in script.split(";\n"):
            connection.execute(statement.encode())


def test_plans_and_costs_on_the_twin_are_those_of_the_source(source: Server, shared_twin: Twin) -> None:
    assert differences(fidelity(shared_twin, source.dsn(DATABASE))) == []
    assert shared_twin.problems == ()


def test_the_twin_holds_no_row(shared_twin: Twin) -> None:
    server = shared_twin._server
    with closing(connect(server.dsn(TWIN_DATABASE), read_only=True)) as connection:
        rows = connection.execute(
            "select c.relname, pg_relation_filepath(c.oid), c.relkind from pg_class c"
            " join pg_namespace n on n.oid = c.relnamespace"
            " where c.relkind in ('r', 'm', 'i', 't') and n.nspname !~ '^(pg_catalog|information_schema)'"
            " and n.oid > 16383 or n.nspname = 'public' and c.relkind in ('r', 'm', 'i')"
        ).fetchall()
    assert len(rows) > 20
    for _, path, kind in rows:
        file = server.data_directory / str(path)
        content = file.read_bytes()
        written = file.stat().st_blocks * 512
        if kind in ("r", "m", "t"):
            assert content.strip(b"\0") == b""
            assert written == 0 or kind == "t"
        else:
            assert written <= 8 * 8192 * 2
    assert list(server.directory.glob("schema.*")) == []


def test_the_archive_holds_the_schema_and_nothing_else(source: Server, tmp_path: Path) -> None:
    image = read_image(source.dsn(DATABASE), Binaries.find(), progress=silent)
    file = tmp_path / "schema.dump"
    file.write_bytes(image.schema)
    listed = Binaries.find().run("pg_restore", "--list", str(file)).stdout
    assert "TABLE public orders" in listed
    for kind in ("STATISTICS DATA", "TABLE DATA", "SEQUENCE SET", "BLOB"):
        assert kind not in listed


@pytest.mark.parametrize("role", [None, "reader"])
def test_a_query_that_ends_the_source_s_session_is_told_and_the_others_are_compared(
    source: Server, shop: Connection, role: str | None
) -> None:
    shop.execute(
        b"CREATE FUNCTION deadly() RETURNS int IMMUTABLE SECURITY DEFINER LANGUAGE plpgsql"
        b" AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN 1; END'"
    )
    shop.execute(b"GRANT SELECT ON customer TO reader")
    good, dsn = query("SELECT * FROM customer WHERE id = 7"), source.dsn(DATABASE)
    asked = [good, query("SELECT * FROM customer WHERE id = deadly()"), good]
    try:
        image = read_image(dsn, Binaries.find(), progress=silent)
        with (
            Twin.open(make(image, Binaries.find(), progress=silent), role=role) as twin,
            closing(connect(dsn, read_only=True)) as session,
        ):
            found = twin.fidelity(session, asked, reopen=lambda: connect(dsn, read_only=True)).queries
            assert [one.is_within_1_percent for one in found] == [True, False, True]
            assert "the source itself cannot plan it" in found[1].reason
            with closing(connect(dsn, read_only=True)) as other, pytest.raises(ServerError):
                twin.fidelity(other, asked)
            with closing(connect(dsn, read_only=True)) as other:
                found = twin.fidelity(other, asked, reopen=lambda: connect("host=/nowhere", read_only=True)).queries
            assert [one.source_cost is None for one in found] == [False, True, True]
    finally:
        shop.execute(b"DROP FUNCTION deadly()")
        shop.execute(b"REVOKE ALL ON customer FROM reader")


def test_tables_that_the_role_may_not_read_are_named_and_the_rest_is_there(source: Server, shop: Connection) -> None:
    shop.execute(b"GRANT SELECT ON customer, archive.orders, spending TO reader")
    try:
        conninfo = f"{source.dsn(DATABASE)} user=reader"
        with build(conninfo) as twin:
            told = "\n".join(twin.problems)
            assert "may not read them: 9 in all: Mixed Case." in told
            assert "extended statistics are shown to their table's owner only" in told
            [[known, unknown]] = twin.what_if(
                [query("SELECT * FROM customer WHERE region = 'south'"), query("SELECT * FROM orders")], [()]
            )
            assert isinstance(known, Plan)
            assert isinstance(unknown, PlanFailure)
            with closing(connect(conninfo, read_only=True)) as reader:
                found = twin.fidelity(reader, [query("SELECT * FROM customer WHERE region = 'south' AND referrer = 7")])
            assert differences(found) == []
    finally:
        shop.execute(b"REVOKE ALL ON customer, archive.orders, spending FROM reader")


def test_a_hidden_statistic_is_told(scratch: str, source: Server) -> None:
    run(
        scratch,
        "CREATE TABLE diary (id int, who text);\nALTER TABLE diary ENABLE ROW LEVEL SECURITY;\n"
        "CREATE POLICY mine ON diary USING (who = current_user);\nGRANT SELECT ON diary TO reader",
    )
    with build(f"{scratch} user=reader") as twin:
        assert any("row-level security" in problem and "public.diary" in problem for problem in twin.problems)


def test_names_with_backslashes_may_be_kept_from_a_role_too(scratch: str) -> None:
    run(
        scratch,
        r'CREATE SCHEMA "ba\ck"; CREATE TABLE "ba\ck"."s\t" (a int); CREATE TABLE public."s\n" (a int);'
        "CREATE TABLE seen AS SELECT 1 AS a; GRANT SELECT ON seen TO reader",
    )
    with build(f"{scratch} user=reader") as twin:
        [[seen, unseen]] = twin.what_if([query("SELECT * FROM seen"), query(r'SELECT * FROM public."s\n"')], [()])
        assert isinstance(seen, Plan)
        assert isinstance(unseen, PlanFailure)
        assert any(r"s\t" in problem for problem in twin.problems)


def test_where_keys_may_be_compressed_the_size_says_so(scratch: str) -> None:
    run(
        scratch, "CREATE TABLE wide AS SELECT n, repeat(md5(n::text), 20) AS w FROM generate_series(1, 3000) n; ANALYZE"
    )
    with build(scratch) as twin:
        long, short = (CreateIndex("public", "wide", f"i_{c}", f"({c})", (c,)) for c in ("w", "n"))
        wide, narrow = twin.size_bytes([long, short])
        assert (wide or 0) > 10 * (narrow or 0) > 0
        assert "compressed" in twin.note(long)
        assert "compressed" not in twin.note(short)


LACKING = """
CREATE SCHEMA "Ext";
CREATE EXTENSION "uuid-ossp" SCHEMA "Ext";
CREATE EXTENSION pgcrypto;
CREATE TABLE token (id uuid PRIMARY KEY DEFAULT "Ext".uuid_generate_v4(), k int, t text CHECK (digest(t, 'md5') <> ''));
INSERT INTO token (k, t) SELECT n % 100, 'x' || n FROM generate_series(1, 20000) n;
CREATE INDEX ON token (k);
CREATE INDEX ON token (encode(digest(t, 'md5'), 'hex'));
CREATE VIEW salted AS SELECT id, gen_salt('md5') AS salt FROM token WHERE k < 5;
CREATE TABLE own AS SELECT n AS a, n % 7 AS b FROM generate_series(1, 3000) n;
CREATE INDEX ON own (b);
ALTER TABLE own ENABLE ROW LEVEL SECURITY;
CREATE POLICY hashed ON own USING (encode(digest(b::text, 'md5'), 'hex') <> 'x');
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
ANALYZE
"""


@pytest.mark.system_postgres
def test_functions_of_extensions_that_it_lacks_take_no_table_from_it(older_source: Server) -> None:
    with closing(connect(older_source.dsn(), read_only=False)) as admin:
        admin.execute(b"CREATE DATABASE lacking")
        dsn = older_source.dsn("lacking")
        try:
            run(dsn, LACKING)
            image = read_image(dsn, Binaries.find(), with_ends=True, progress=silent)
            assert {one.name for one in image.source.extension_functions} == {"uuid_generate_v4", "digest", "gen_salt"}
            asked = [
                query("SELECT * FROM token WHERE k = 7"),
                query("SELECT * FROM token WHERE encode(digest(t, 'md5'), 'hex') = 'a'"),
                query("SELECT * FROM salted"),
                query("SELECT * FROM own WHERE b = 3"),
            ]
            called = query("SELECT * FROM token WHERE t = encode(digest('x'::text, 'md5'), 'hex')")
            built = make(Image.from_dict(image.to_dict()), Binaries.find(), progress=silent)
            with Twin.open(built, role="reader") as twin, closing(connect(dsn, read_only=True)) as session:
                assert any('extension "pgcrypto" is not available' in problem for problem in twin.problems)
                assert not any(f"TABLE public {name}" in str(twin.problems) for name in ("token", "own"))
                assert differences(twin.fidelity(session, asked)) == []
                [[found]] = twin.what_if([called], [()])
                assert isinstance(found, PlanFailure)
                told = twin.fidelity(session, [called]).queries[0].reason
                assert "see what could not be carried over" in told
        finally:
            admin.execute(b"DROP DATABASE lacking WITH (FORCE)")


UNLOGGED = """
CREATE UNLOGGED TABLE brief (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, q int, dep int, words int[]);
CREATE UNLOGGED TABLE child (id int REFERENCES brief, note text DEFAULT 'CREATE UNLOGGED TABLE x');
INSERT INTO brief (q, dep, words) SELECT n % 500, (n % 500) / 10, array[n % 500] FROM generate_series(1, 40000) n;
CREATE INDEX ON brief USING gin (words);
CREATE INDEX ON brief (q);
ANALYZE brief
"""


def test_what_is_unlogged_stays_as_long_as_it_is_whatever_happens_to_the_server(scratch: str) -> None:
    run(scratch, UNLOGGED)
    asked = [query("SELECT * FROM brief WHERE dep = 7"), query("SELECT * FROM brief WHERE words @> array[7]")]
    brin = CreateIndex("public", "brief", "brief_dep", "USING brin (dep)", ("dep",))
    gin = CreateIndex("public", "brief", "brief_words", "USING gin (words)", ("words",))
    with build(scratch) as twin:
        assert not any("brief" in problem for problem in twin.problems)
        with closing(connect(scratch, read_only=True)) as session:
            assert differences(twin.fidelity(session, asked)) == []
        before = _costs_of(twin, asked, brin, gin)
        twin.start_workers()  # for which the first server is stopped
        assert _costs_of(twin, [query(f"{one.text} AND 1 = 1") for one in asked], brin, gin) == before
        os.kill(twin.connection.info.backend_pid, signal.SIGKILL)
        assert _costs_of(twin, [query(f"{one.text} AND 2 = 2") for one in asked], brin, gin) == before


def _costs_of(twin: Twin, asked: list[Query], *changes: CreateIndex) -> list[float]:
    found = [plan for plans in twin.what_if(asked, [(), changes]) for plan in plans]
    assert all(isinstance(plan, Plan) for plan in found)
    return [plan.cost for plan in found if isinstance(plan, Plan)]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_source_in_another_encoding_has_a_twin_with_its_names_and_values(source: Server, encoding: str) -> None:
    with closing(connect(source.dsn(), read_only=False)) as admin:
        options = f"ENCODING '{encoding}' LOCALE_PROVIDER libc LOCALE 'C'"
        admin.execute(f"CREATE DATABASE streets TEMPLATE template0 {options}".encode())
        try:
            run(
                source.dsn("streets"),
                "CREATE TABLE straße AS SELECT n AS id, CASE WHEN n % 3 = 0 THEN 'Äpfel' ELSE 'Öl ' || n END AS größe"
                " FROM generate_series(1, 3000) n;\nCREATE INDEX ON straße (größe);\nANALYZE;\n"
                "CREATE TABLE geheim_ö (id int);\nGRANT SELECT ON straße TO reader",
            )
            conninfo = f"{source.dsn('streets')} user=reader"
            with build(conninfo) as twin, closing(connect(conninfo, read_only=True)) as reader:
                asked = [
                    query(f"SELECT * FROM straße WHERE größe {condition}")
                    for condition in ("= 'Äpfel'", "= 'Öl 7'", "> 'Öl 2'", "LIKE 'Öl 77%'")
                ]
                found = twin.fidelity(reader, asked)
                assert twin.problems == ("not on the twin, because this role may not read them: public.geheim_ö",)
                assert [q.source_cost for q in found.queries] == [q.twin_cost for q in found.queries]
                assert all(q.same_shape for q in found.queries)
        finally:
            admin.execute(b"DROP DATABASE streets WITH (FORCE)")


def test_a_column_that_was_dropped_does_not_shift_extended_statistics(shared_twin: Twin, shop: Connection) -> None:
    asked = query("SELECT city, zip, count(*) FROM orders GROUP BY city, zip")
    [[plan]] = shared_twin.what_if([asked], [()])
    assert isinstance(plan, Plan)
    row = shop.execute(b"EXPLAIN (FORMAT JSON) " + asked.text.encode()).fetchone()
    assert row is not None
    assert plan.root.rows == row[0][0]["Plan"]["Plan Rows"]


def test_of_indexes_that_cost_the_same_the_source_s_one_is_taken_by_their_ages_not_their_names(scratch: str) -> None:
    run(
        scratch,
        "CREATE TABLE twice AS SELECT n AS id, n % 900 AS x FROM generate_series(1, 30000) n;\n"
        "CREATE INDEX z_older ON twice (x);\nCREATE INDEX a_newer ON twice (x);\n"
        "CREATE UNIQUE INDEX z_unique ON twice (id);\nALTER TABLE twice ADD CONSTRAINT a_key PRIMARY KEY (id);\n"
        "CREATE TABLE parts (x int) PARTITION BY RANGE (x);\nCREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (0)"
        " TO (9999);\nINSERT INTO parts SELECT n % 900 FROM generate_series(1, 30000) n;\n"
        "CREATE INDEX z_parts ON parts (x);\nCREATE INDEX a_part ON part_1 (x);\nANALYZE",
    )
    asked = [query(f"SELECT * FROM {of}") for of in ("twice WHERE x = 5", "twice WHERE id = 5", "parts WHERE x = 5")]
    with build(scratch) as twin, closing(connect(scratch, read_only=True)) as connection:
        assert [q.first_difference for q in twin.fidelity(connection, asked).queries] == ["", "", ""]


def test_children_of_a_table_are_in_the_order_of_their_ages_not_their_names(scratch: str) -> None:
    run(
        scratch,
        "CREATE TABLE adopted (id int);\nCREATE TABLE base (id int);\nCREATE TABLE zed () INHERITS (base);\n"
        'CREATE TABLE "Mid, dle" (more int) INHERITS (base);\nCREATE TABLE abc () INHERITS (base);\n'
        'CREATE TABLE zz () INHERITS ("Mid, dle");\nCREATE TABLE aa () INHERITS ("Mid, dle");\n'
        "ALTER TABLE adopted INHERIT base;\nCREATE VIEW abc_view AS SELECT * FROM abc;\n"
        "INSERT INTO zed SELECT generate_series(1, 3000);\nANALYZE",
    )
    asked = [query(f"SELECT * FROM {name} WHERE id = 5") for name in ("base", '"Mid, dle"', "abc_view")]
    with build(scratch) as twin, closing(connect(scratch, read_only=True)) as connection:
        assert [q.first_difference for q in twin.fidelity(connection, asked).queries] == ["", "", ""]
        assert twin.problems == ()


@pytest.mark.parametrize(("needed", "expected"), [("", [1, 3, 2]), (";\tdepends on: 1 2\n", [1, 2, 3])])
def test_an_older_child_that_needs_a_younger_one_stays_behind_it(needed: str, expected: list[int]) -> None:
    lines = ["1; 1259 10 TABLE public a o", "2; 1259 30 TABLE public b o", "3; 1259 20 TABLE public c o"]
    script = "".join(
        f"-- TOC entry {n} (class 1259 OID {oid})\nCREATE TABLE {n} (\n)\nINHERITS (a);\n"
        for n, oid in ((2, 30), (3, 20))
    )
    ordered = by_age(lines, "\n".join(lines) + "\n" + needed, script)
    assert [int(line[0]) for line in ordered] == expected


def test_what_is_only_estimated_of_indexes_is_known_as_such(scratch: str) -> None:
    run(
        scratch,
        "CREATE TABLE words AS SELECT n AS id, ARRAY[n % 9] AS a FROM generate_series(1, 900) n;\n"
        "CREATE INDEX words_a ON words USING gin (a);\nCREATE INDEX words_id ON words (id);\nANALYZE",
    )
    with build(scratch) as twin:
        found = circumstances_of(twin.connection, twin._source, twin.version, is_bound=False)
    assert found.estimated == {"words_a"}
    assert found.absent == frozenset()


def test_settings_of_database_and_role_reach_the_twin(scratch: str) -> None:
    run(
        scratch,
        "CREATE SCHEMA hall;\nCREATE TABLE hall.t AS SELECT n AS id FROM generate_series(1, 50000) n;\n"
        "CREATE INDEX ON hall.t (id);\nANALYZE;\n"
        "ALTER DATABASE scratch SET random_page_cost = 9;\nALTER DATABASE scratch SET work_mem = '77MB';\n"
        "ALTER DATABASE scratch SET effective_cache_size = '3GB';\nALTER DATABASE scratch SET search_path = hall;\n"
        "ALTER DATABASE scratch SET \"TimeZone\" = 'Pacific/Kiritimati'",
    )
    with build(scratch) as twin:
        for name, value in (("random_page_cost", "9"), ("work_mem", "77MB"), ("effective_cache_size", "3GB")):
            row = twin.connection.execute(f"SHOW {name}".encode()).fetchone()
            assert row == (value,)
        assert twin.connection.execute(b"SHOW timezone").fetchone() == ("Pacific/Kiritimati",)
        asked = [query("SELECT * FROM t WHERE id = 5"), query("SELECT * FROM t WHERE id < 900")]
        with closing(connect(scratch, read_only=True)) as connection:
            found = twin.fidelity(connection, asked)
        assert all(q.same_shape and q.is_within_1_percent for q in found.queries)


def test_the_order_of_texts_decides_on_the_twin_which_index_like_can_use(source: Server) -> None:
    with closing(connect(source.dsn(), read_only=False)) as admin:
        for name, locale in (("plain", "builtin BUILTIN_LOCALE 'C' LOCALE 'C'"), ("worded", "libc LOCALE 'C.UTF-8'")):
            try:
                admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER {locale}".encode())
            except Exception:
                pytest.skip("the system has no locale C.UTF-8")
            try:
                run(
                    source.dsn(name),
                    "CREATE TABLE w AS SELECT md5(n::text) AS word FROM generate_series(1, 30000) n;\n"
                    "CREATE INDEX ON w (word);\nVACUUM ANALYZE w",
                )
                with (
                    build(source.dsn(name)) as twin,
                    closing(connect(source.dsn(name), read_only=True)) as connection,
                ):
                    [found] = twin.fidelity(connection, [query("SELECT * FROM w WHERE word LIKE 'abc%'")]).queries
                    assert twin.problems == ()
                assert found.same_shape, found.first_difference
                assert found.is_within_1_percent
            finally:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_a_missing_extension_is_named_and_the_rest_is_planned() -> None:
    home = Path(os.environ["TRIMTAB_RUN_DIR"]) / "share"
    extension = home / "extension"
    extension.mkdir(parents=True)
    (extension / "widget.control").write_text("default_version = '1'\nrelocatable = true\ntrusted = true\n")
    (extension / "widget--1.sql").write_text("CREATE DOMAIN widget AS int;")
    for path in (home, extension):
        path.chmod(0o755)
    for path in extension.iterdir():
        path.chmod(0o644)
    settings = {"extension_control_path": f"{home}:$system"}
    try:
        with Server.create(Binaries.find(), purpose="extension-tests", settings=settings) as server:
            run(
                server.dsn(),
                "CREATE EXTENSION widget;\nCREATE TABLE box (id int, what widget);\nCREATE TABLE plain (id int)",
            )
            with build(server.dsn()) as twin:
                told = "\n".join(twin.problems)
                assert 'EXTENSION - widget: extension "widget" is not available' in told
                assert "TABLE public box" in told
                assert "plain" not in told
                [[box, plain]] = twin.what_if([query("SELECT * FROM box"), query("SELECT * FROM plain")], [()])
        assert isinstance(box, PlanFailure)
        assert box.sqlstate == "42P01"
        assert isinstance(plain, Plan)
    finally:
        shutil.rmtree(home)


def test_what_acts_by_itself_or_reaches_another_server_is_left_out(scratch: str) -> None:
    run(
        scratch,
        "CREATE EXTENSION postgres_fdw;\n"
        "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere');\n"
        "CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'me', password 'right-Sesame');\n"
        "CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user 'ü;', password E'o''pen;\\n -- Sesame');\n"
        "CREATE FOREIGN TABLE away (id int) SERVER far;\n"
        "CREATE FOREIGN TABLE asking (id int) SERVER far OPTIONS (use_remote_estimate 'true');\n"
        "CREATE FUNCTION cry() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;\n"
        "CREATE TABLE t (id int);\nCREATE EVENT TRIGGER cry ON ddl_command_start EXECUTE FUNCTION cry()",
    )
    image = read_image(scratch, Binaries.find(), progress=silent)
    assert b"CREATE SERVER far" in image.schema
    assert b"Sesame" not in image.schema
    with build(scratch) as twin:
        assert twin.problems == ()
        [[plan, asking]] = twin.what_if([query("SELECT * FROM away"), query("SELECT * FROM asking")], [()])
        assert isinstance(plan, Plan)
        assert isinstance(asking, PlanFailure)  # Its estimate is the other server's, which is never asked.
        for table in ("pg_user_mapping", "pg_event_trigger"):
            assert twin.connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)
    run(scratch, "DROP EVENT TRIGGER cry")


def test_a_table_in_a_collation_that_is_not_here_is_planned_all_the_same(scratch: str) -> None:
    run(
        scratch,
        """CREATE COLLATION pg_catalog."xx_XX" (PROVIDER = libc, LOCALE = 'C.UTF-8');
CREATE SCHEMA "Of texts";
CREATE COLLATION "Of texts"."far away" (PROVIDER = libc, LOCALE = 'C.UTF-8');
CREATE TABLE texts (a text COLLATE "xx_XX", b text COLLATE "Of texts"."far away");
INSERT INTO texts SELECT n, n FROM generate_series(1, 3000) n;
CREATE INDEX texts_a ON texts (a); CREATE INDEX texts_b ON texts (b);
ANALYZE texts;
UPDATE pg_collation SET collcollate = 'nowhere', collctype = 'nowhere' WHERE collname = 'far away'""",
    )
    with build(scratch) as twin:
        [told] = twin.problems
        assert told.endswith("may differ: Of texts.far away")  # The other one could be made as it is.
        [plans] = twin.what_if([query(f"SELECT FROM texts WHERE {c} = '7'") for c in ("a", "b")], [()])
        assert [set(plan.indexes) for plan in plans if isinstance(plan, Plan)] == [{"texts_a"}, {"texts_b"}]


@pytest.mark.system_postgres
def test_an_older_source_is_planned_by_the_wheel(older_source: Server) -> None:
    with build(older_source.dsn(DATABASE)) as twin:
        found = fidelity(twin, older_source.dsn(DATABASE))
        summary = found.summary()
        older = older_source.binaries.version[0]
        assert twin.problems == (f"the twin is PostgreSQL 18, the source {older}: plans may differ",)
        assert float(summary["same_shape"] or 0) >= 0.9, differences(found)
        assert float(summary["within_1_percent"] or 0) >= 0.8, differences(found)


@pytest.mark.system_postgres
def test_an_older_source_is_planned_exactly_by_its_own_version(older_source: Server) -> None:
    with build(older_source.dsn(DATABASE), older_source.binaries) as twin:
        assert twin.problems == ()
        assert twin.connection.info.server_version // 10000 == older_source.binaries.version[0]
        assert differences(fidelity(twin, older_source.dsn(DATABASE))) == []
        asked = query("SELECT * FROM orders WHERE zip = 1711")
        added = CreateIndex("public", "orders", "orders_zip", "(zip) INCLUDE (city)", ("zip",), ("city",))
        dropped = DropIndex("public", "orders", "orders_pkey", "(id)", ("id",))
        by_key = query("SELECT * FROM orders WHERE id = 4711")
        [[plan, without]] = twin.what_if([asked, by_key], [(added, dropped)])
        assert isinstance(plan, Plan)
        assert plan.indexes == {"orders_zip"}
        assert isinstance(without, Plan)
        assert without.indexes == frozenset()


def test_a_standby_can_be_the_source(source: Server) -> None:
    with source.clone("standby-tests") as standby:
        standby.stop()
        signal = standby.data_directory / "standby.signal"
        signal.touch()
        os.chown(signal, standby.data_directory.stat().st_uid, standby.data_directory.stat().st_gid)
        standby.start()
        with closing(connect(standby.dsn(DATABASE), read_only=True)) as connection:
            assert connection.execute("select pg_is_in_recovery()").fetchone() == (True,)
        with build(standby.dsn(DATABASE)) as twin:
            assert differences(fidelity(twin, standby.dsn(DATABASE))) == []


def test_a_password_is_in_no_arguments(source: Server, tmp_path: Path) -> None:
    binaries = Binaries.find()
    programs = Path(os.environ["TRIMTAB_RUN_DIR"]) / "programs"
    programs.mkdir(mode=0o755)
    seen = tmp_path / "arguments"
    try:
        for program in binaries.directory.iterdir():
            (programs / program.name).symlink_to(program)
        (programs / "pg_dump").unlink()
        (programs / "pg_dump").write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" >> {seen}\nexec {binaries.directory}/pg_dump "$@"\n'
        )
        (programs / "pg_dump").chmod(0o755)
        spying = Binaries(programs, binaries.version)
        with pytest.MonkeyPatch.context() as patch:
            # The server itself runs from the real directory: its libraries are found beside it.
            create = Server.create
            patch.setattr(Server, "create", lambda _binaries, **rest: create(binaries, **rest))
            with build(f"{source.dsn(DATABASE)} password=right-Sesame", spying) as twin:
                assert twin.problems == ()
        assert "--schema-only" in seen.read_text()
        assert "right-Sesame" not in seen.read_text()
    finally:
        shutil.rmtree(programs)


def test_a_dump_that_the_source_ends_half_way_is_told_and_leaves_nothing(source: Server) -> None:
    before = set(run_root(serving_account()).iterdir())
    find = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pg_dump'"
    with (
        closing(connect(source.dsn(DATABASE), read_only=False)) as owner,
        closing(connect(source.dsn(DATABASE), read_only=False)) as other,
        owner.transaction(force_rollback=True),
        ThreadPoolExecutor(1) as pool,
    ):
        owner.execute(b"LOCK TABLE secret IN ACCESS EXCLUSIVE MODE")  # pg_dump waits for it.
        dumped = pool.submit(read_schema, source.dsn(DATABASE), Binaries.find(), (), encoding="UTF8")
        while not other.execute(f"{find} and wait_event_type = 'Lock'".encode()).fetchall():
            assert not dumped.done()
        with pytest.raises(LabError) as caught:
            dumped.result()
    assert caught.value.code == "twin.dump_failed"
    assert caught.value.next_step == "Check that the source is up, then run again."
    assert set(run_root(serving_account()).iterdir()) == before


def test_a_failed_build_leaves_nothing(source: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(run_root(serving_account()).iterdir())

    def refuse(*arguments: object, **rest: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess((), 1, "", "pg_dump: error: query failed: ERROR:  found 'a value' there")

    monkeypatch.setattr(Binaries, "run", refuse)
    with pytest.raises(LabError) as caught:
        build(source.dsn(DATABASE))
    assert caught.value.code == "twin.dump_failed"
    assert "a value" not in str(caught.value)
    assert set(run_root(serving_account()).iterdir()) == before


def test_a_schema_that_a_killed_run_was_reading_goes_with_the_next_start(source: Server, tmp_path: Path) -> None:
    root = run_root(serving_account())
    before = set(root.iterdir())
    command = [sys.executable, "-c", KILLED, source.dsn(DATABASE)]
    done = subprocess.run(command, env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []
    (left,) = (path for path in set(root.iterdir()) - before if path.is_dir())
    assert (left / "schema.filter").exists()
    assert sweep(root) == (left,)
    assert set(root.iterdir()) == before


def test_a_source_that_is_not_there_is_a_source_error() -> None:
    with pytest.raises(SourceError):
        build("host=/nowhere dbname=x")


def test_queries_on_a_table_whose_children_may_not_be_read_are_not_planned_and_told(
    source: Server, shop: Connection
) -> None:
    for text in (
        "CREATE TABLE parted (id int, at date) PARTITION BY RANGE (id)",
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (1000)",
        "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (1000) TO (9000) PARTITION BY RANGE (id)",
        "CREATE TABLE parted_2a PARTITION OF parted_2 FOR VALUES FROM (1000) TO (9000)",
        "INSERT INTO parted SELECT n, current_date FROM generate_series(1, 8000) n",
        "CREATE VIEW all_parts AS SELECT * FROM parted",
        "ANALYZE parted",
        "GRANT SELECT ON parted, parted_1, parted_2, all_parts, customer TO reader",
    ):
        shop.execute(text.encode())
    asked = [query(f"SELECT * FROM {name}") for name in ("parted", "all_parts", "parted_2", "parted_1", "customer")]
    try:
        conninfo = f"{source.dsn(DATABASE)} user=reader"
        with build(conninfo) as twin, closing(connect(conninfo, read_only=True)) as reader:
            assert any("may not read all of their children: public.parted, public.parted_2" in p for p in twin.problems)
            [answers] = twin.what_if(asked, [()])
            assert [isinstance(answer, PlanFailure) for answer in answers] == [True, True, True, False, False]
            found = twin.fidelity(reader, asked).queries
            assert [one.twin_cost is None for one in found] == [True, True, True, False, False]
            assert all("would be too low" in one.reason for one in found[:3])
            assert "all children of public.parted" in found[0].first_difference
            assert [one.is_within_1_percent for one in found[3:]] == [True, True]
        with build(source.dsn(DATABASE)) as twin:
            assert not any(isinstance(answer, PlanFailure) for answer in twin.what_if(asked, [()])[0])
    finally:
        shop.execute(b"DROP TABLE parted CASCADE")
        shop.execute(b"REVOKE ALL ON customer FROM reader")
