"""What whoever could create a function on the source wrote into it does no harm where the twin is planned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from trimtab.db.connection import connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.change import CreateIndex, CreateStatistics, DropStatistics
from trimtab.model.plan import Plan
from trimtab.twin.build import build
from trimtab.twin.capture import read_image
from trimtab.twin.source import Owner, Role
from trimtab.twin.twin import Twin

from .shop import query, silent

pytestmark = pytest.mark.server

# The number of rows that the planner expects is one more than the sum of what was not refused.
PLANTED = """
CREATE ROLE planter;
CREATE ROLE tenant LOGIN;
GRANT CREATE ON SCHEMA public TO planter;
SET ROLE planter;
CREATE TABLE seen (who text, may_all boolean);
CREATE FUNCTION attempts() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    attempt text;
    found int := 1;
    place int := 1;
BEGIN
    FOREACH attempt IN ARRAY array[
        'COPY (SELECT 1) TO PROGRAM ''cat > /dev/null''',
        'SELECT pg_catalog.pg_read_file(''postgresql.conf'')',
        'SELECT pg_catalog.lo_import(''/etc/hostname'')',
        'CREATE FUNCTION harm() RETURNS int LANGUAGE c AS ''libc'', ''getpid''',
        'SET ROLE trimtab',
        'SET SESSION AUTHORIZATION trimtab',
        format('ALTER ROLE %I SUPERUSER', session_user),
        'SELECT pg_catalog.trimtab_lend(''guessed'')',
        'SELECT pg_catalog.trimtab_lend(NULL)',
        'ALTER DATABASE twin SET search_path = public, pg_catalog',
        'SELECT 1 / (SELECT rolsuper::int FROM pg_catalog.pg_roles WHERE rolname = current_user)',
        'ALTER SYSTEM SET archive_command = ''true''']
    LOOP
        BEGIN
            EXECUTE attempt;
            found := found + place;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
        place := place * 2;
    END LOOP;
    -- What the session has prepared is replaced, to be given what our own statements are given.
    EXECUTE 'DEALLOCATE ALL';
    RETURN found;
END $$;
CREATE FUNCTION attempted() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN public.attempts(); END $$;
CREATE FUNCTION noted(i int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.seen SELECT current_user, rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user;
    RETURN true;
EXCEPTION WHEN read_only_sql_transaction THEN
    RETURN true;
END $$;
CREATE FUNCTION wrapped(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN PERFORM public.noted(i); RETURN i; END $$;
CREATE FUNCTION apart(float8, float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN PERFORM public.noted(1); RETURN $1 - $2; END $$;
CREATE TYPE span AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = apart);
CREATE FUNCTION moved() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    ALTER DATABASE twin SET search_path = public, pg_catalog;
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    RETURN true;
END $$;
CREATE DOMAIN moving AS int CHECK (moved());
CREATE DOMAIN rewritten AS int CHECK (ts_rewrite('a'::tsquery,
  $q$SELECT 'a'::tsquery, 'b'::tsquery WHERE public.noted(1)$q$) IS NOT NULL);
-- Better matches than PostgreSQL's own, for whoever looks for names here.
CREATE FUNCTION "unnest"(int2[]) RETURNS SETOF int2 LANGUAGE plpgsql AS $$
BEGIN PERFORM public.noted(1); RETURN QUERY SELECT pg_catalog.unnest($1); END $$;
CREATE FUNCTION same(oid, regclass) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN PERFORM public.noted(1); RETURN $1 OPERATOR(pg_catalog.=) $2::oid; END $$;
CREATE OPERATOR = (LEFTARG = oid, RIGHTARG = regclass, FUNCTION = same);
CREATE DOMAIN checked AS int CHECK (noted(VALUE));
CREATE DOMAIN plain AS int CHECK (VALUE >= 0);
CREATE TABLE planted (i int, a int, c checked, list checked[], p plain[], s span, r rewritten[],
  m moving[] DEFAULT '{1}'::moving[]);
INSERT INTO planted
  SELECT n, n % 9, n % 5, ARRAY[n % 3]::checked[], ARRAY[n % 4]::plain[], span(n % 7, n % 7 + 1),
         ARRAY[n % 5]::rewritten[]
    FROM generate_series(1, 2000) n;
CREATE STATISTICS planted_known ON i, a FROM planted;
CREATE STATISTICS planted_spans (mcv) ON a, s FROM planted;
RESET ROLE;
CREATE FUNCTION harmless(t int) RETURNS boolean LANGUAGE sql LEAKPROOF IMMUTABLE AS $$ SELECT t > 100 $$;
CREATE CAST (varchar AS int8) WITH INOUT AS IMPLICIT;
CREATE CAST (text AS json) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (date AS int4) WITHOUT FUNCTION;
CREATE FUNCTION as_bool(float8) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT $1 > 0 $$;
CREATE CAST (float8 AS bool) WITH FUNCTION as_bool(float8);
CREATE TABLE coded (code varchar, other int);
CREATE VIEW decoded AS SELECT code::int8 AS number FROM coded;
CREATE TABLE owned (id int, who name);
INSERT INTO owned SELECT n, CASE WHEN n % 100 = 0 THEN 'tenant' ELSE 'other' END FROM generate_series(1, 5000) n;
ALTER TABLE owned ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON owned USING (who = session_user);
GRANT SELECT ON owned TO PUBLIC;
TRUNCATE seen;
ANALYZE
"""
ASKED = query("SELECT * FROM generate_series(1, attempted())")
SCANNED = query("SELECT * FROM planted WHERE a = 3 AND i = 9")


@pytest.fixture(scope="module", params=["bundled", pytest.param("system", marks=pytest.mark.system_postgres)])
def planted(request: pytest.FixtureRequest, _own_places: None) -> Iterator[Server]:
    system = Path("/usr/lib/postgresql/15/bin")
    if request.param == "system" and not (system / "postgres").exists():
        pytest.skip(f"no PostgreSQL in {system}")
    binaries = Binaries.find(system if request.param == "system" else None)
    with Server.create(binaries, purpose="planted") as server:
        with closing(connect(server.dsn(), read_only=False)) as admin:
            admin.execute(PLANTED.encode())
        yield server


@pytest.fixture(scope="module")
def twin(planted: Server) -> Iterator[Twin]:
    image = read_image(planted.dsn(), planted.binaries, progress=silent)
    with Twin.open(build(image, planted.binaries, progress=silent), workers=1) as twin:
        twin.sample_from(planted.dsn())
        yield twin


def rows(twin: Twin, *changes: CreateIndex | CreateStatistics | DropStatistics) -> int:
    [[plan]] = twin.what_if([ASKED], [changes])
    assert isinstance(plan, Plan), plan
    return int(plan.root.rows)


def test_a_function_that_planning_calls_has_no_special_right(planted: Server, twin: Twin) -> None:
    with closing(connect(planted.dsn(), read_only=False)) as admin:  # What they would be if it had.
        found = admin.execute("select attempts()").fetchone()
        assert found is not None
        assert found[0] > 1
    assert rows(twin) == 1
    # With an index shown, and after a question that was set up with a superuser's rights.
    index = CreateIndex("public", "planted", "planted_i", "USING btree (i)", ("i",))
    statistics = CreateStatistics("public", "planted", "planted_more", ("i", "a"), ("ndistinct", "dependencies", "mcv"))
    dropped = DropStatistics("public", "planted", "planted_known", ("i", "a"), ("ndistinct",))
    known, shown = twin.what_if([SCANNED, ASKED], [(), (index, statistics, dropped)])
    assert isinstance(known[0], Plan)
    assert isinstance(shown[0], Plan)
    assert "planted_i" in shown[0].indexes
    assert twin.refusal(statistics) is None
    for answer in (known[1], shown[1]):
        assert isinstance(answer, Plan), answer
        assert answer.root.rows == 1
    assert rows(twin, index) == 1


def test_values_are_stored_and_indexes_made_without_calling_the_sources_functions(twin: Twin) -> None:
    [[plan]] = twin.what_if([query("SELECT * FROM planted WHERE list = ARRAY[1]::checked[]")], [()])
    assert isinstance(plan, Plan)
    made = [
        CreateIndex("public", "planted", "planted_e", "USING btree (wrapped(i))", ()),
        CreateIndex("public", "planted", "planted_p", "USING btree (i) WHERE a < wrapped(7)", ("i",)),
    ]
    assert None not in twin.size_bytes(made)
    with closing(connect(twin._server.dsn("twin"), read_only=True)) as admin:
        assert admin.execute("select distinct may_all from public.seen").fetchall() in ([], [(False,)])
        checks = admin.execute(
            "select t.typname, pg_get_expr(c.conbin, 0) from pg_constraint c join pg_type t on t.oid = c.contypid"
            " where c.oid >= 16384 order by 1"
        ).fetchall()
        stored = admin.execute("select count(*) from pg_stats where tablename = 'planted'").fetchone()
        lists = admin.execute("select count(*) from pg_stats_ext where most_common_vals is not null").fetchone()
        assert (stored, lists) == ((8,), (2,))
        assert admin.execute("show search_path").fetchone() == ("",)
    assert checks == [(name, "true") for name in ("checked", "moving", "plain", "rewritten")]


def test_a_leakproof_function_is_there_and_is_one(twin: Twin) -> None:
    assert not [problem for problem in twin.problems if "harmless" in problem]
    found = twin.connection.execute("select proleakproof from pg_proc where proname = 'harmless'").fetchall()
    assert found == [(True,)]


def test_casts_that_call_nobodys_function_are_there(planted: Server, twin: Twin) -> None:
    told = [problem for problem in twin.problems if "CAST" in problem]
    assert len(told) == 2
    for refused in ("CAST (date AS integer)", "CAST (double precision AS boolean)"):
        assert any(refused in problem for problem in told)
    texts = "SELECT * FROM coded JOIN planted ON coded.code = planted.i::int8", "SELECT * FROM decoded"
    [plans] = twin.what_if([query(text) for text in texts], [()])
    assert all(isinstance(plan, Plan) for plan in plans), plans
    with closing(connect(planted.dsn(), read_only=True)) as source:
        assert [q.reason for q in twin.fidelity(source, [query(text) for text in texts]).queries] == ["", ""]


def test_a_cast_that_a_file_claims_is_no_way_to_an_unsafe_one(planted: Server) -> None:
    image = read_image(planted.dsn(), planted.binaries, progress=silent)
    claimed = (("int8", "text", "i", "b"), ("text", "_int8", "i", "b"), ("point", "text", "i); DROP TABLE seen", "i"))
    facts = replace(image.source, casts=claimed)
    with Twin.open(build(replace(image, source=facts), planted.binaries, progress=silent)) as twin:
        row = twin.connection.execute(
            "select count(*) from pg_cast where oid >= 16384 and castsource < 16384 and casttarget < 16384"
        ).fetchone()
    assert row == (0,)


def test_the_session_is_the_planning_roles(planted: Server) -> None:
    asked = query("SELECT * FROM owned")
    image = read_image(planted.dsn(), planted.binaries, progress=silent)
    with Twin.open(build(image, planted.binaries, progress=silent), workers=1, role="tenant") as twin:
        [[plan]] = twin.what_if([asked], [()])
        assert twin.connection.execute("select session_user::text").fetchone() == ("tenant",)
    assert isinstance(plan, Plan)
    assert plan.root.rows == pytest.approx(50, rel=0.5)


def test_no_role_of_the_source_has_what_predefined_roles_may(planted: Server) -> None:
    image = read_image(planted.dsn(), planted.binaries, progress=silent)
    harm = Role("harm", False, ("harm", "pg_execute_server_program"))
    program = Role("pg_execute_server_program", False, ("pg_execute_server_program",))
    facts = replace(
        image.source, roles=(harm, program), owners=(Owner("public", "owned", "pg_execute_server_program"),)
    )
    with Twin.open(build(replace(image, source=facts), planted.binaries, progress=silent), role="harm") as twin:
        text = "select pg_has_role('harm', 'pg_execute_server_program', 'member'), relowner::regrole::text"
        row = twin.connection.execute(f"{text} from pg_class where relname = 'owned'".encode()).fetchone()
    assert row == (False, '"the source\'s pg_execute_server_program"')
