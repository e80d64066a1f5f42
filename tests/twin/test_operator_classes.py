"""Operator classes of the user's own are on the twin where they do no harm, and no superuser ever calls them there."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from trimtab.db.confined import OWNER
from trimtab.db.connection import Connection, connect
from trimtab.db.operator_classes import Member, OperatorFamily, create_operator_families, read_operator_families
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.change import CreateIndex
from trimtab.model.plan import Plan
from trimtab.twin.build import build
from trimtab.twin.capture import Image, read_image
from trimtab.twin.heights import read_heights
from trimtab.twin.image import load, save
from trimtab.twin.twin import Twin

from .shop import query, silent

pytestmark = pytest.mark.server

# Numbers of a sequence outlive the transaction that took them.
CLASS = '"Own Types"."Any ""case"""'
PAIR = '"Own Types"."Pair"'
HEAD = """
CREATE SCHEMA "Own Types";
CREATE SEQUENCE calls;
CREATE SEQUENCE calls_by_superusers;
CREATE FUNCTION noted() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('public.calls');
    IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
        PERFORM nextval('public.calls_by_superusers');
    END IF;
EXCEPTION WHEN read_only_sql_transaction THEN NULL;
END $$;
"""
BODY = "LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM public.noted(); RETURN"
SIGNS = {"<": 1, "<=": 2, "=": 3, ">=": 4, ">": 5}


def ordered(left: str, right: str, key: str) -> str:
    """Return the functions and operators `<#`, `<=#`... that compare by `key`."""
    made = []
    for sign, number in SIGNS.items():
        name = f"same{number}"
        made.append(f"CREATE FUNCTION {name}({left}, {right}) RETURNS bool {BODY} {key.format(sign)}; END $$;")
        estimates = "eqsel" if sign == "=" else "scalarltsel" if "<" in sign else "scalargtsel"
        extra = ", COMMUTATOR = =#, HASHES, MERGES" if sign == "=" and left == right else ""
        operands = f"LEFTARG = {left}, RIGHTARG = {right}, RESTRICT = {estimates}"
        made.append(f"CREATE OPERATOR {sign}# (FUNCTION = {name}, {operands}{extra});")
    compared = f"CASE WHEN {key.format('<')} THEN -1 WHEN {key.format('=')} THEN 0 ELSE 1 END"
    made.append(f"CREATE FUNCTION compared({left}, {right}) RETURNS int {BODY} {compared}; END $$;")
    return "\n".join(made)


def listed(left: str, right: str) -> str:
    return ", ".join(f"OPERATOR {number} {sign}# ({left}, {right})" for sign, number in SIGNS.items())


CARRIED = f"""
{ordered("text", "text", "lower($1) {} lower($2)")}
{ordered("int4", "int4", "-$1 {} -$2")}
{ordered("int8", "int8", "-$1 {} -$2")}
{ordered("int4", "int8", "-$1::int8 {} -$2")}
CREATE OPERATOR CLASS {CLASS} FOR TYPE text USING btree AS
  {listed("text", "text")}, FUNCTION 1 compared(text, text);
CREATE FUNCTION hashed(text) RETURNS int {BODY} hashtext(lower($1)); END $$;
CREATE FUNCTION hashed(text, int8) RETURNS int8 {BODY} hashtextextended(lower($1), $2); END $$;
CREATE OPERATOR CLASS any_case FOR TYPE text USING hash AS
  OPERATOR 1 =# (text, text), FUNCTION 1 hashed(text), FUNCTION 2 hashed(text, int8);
CREATE TYPE "Own Types"."Pair" AS (a int, b int);
{ordered(PAIR, PAIR, "($1).b {} ($2).b")}
CREATE OPERATOR CLASS by_b FOR TYPE {PAIR} USING btree AS {listed(PAIR, PAIR)}, FUNCTION 1 compared({PAIR}, {PAIR});
{ordered("int4[]", "int4[]", "cardinality($1) {} cardinality($2)")}
CREATE OPERATOR CLASS by_length FOR TYPE int4[] USING btree AS
  {listed("int4[]", "int4[]")}, FUNCTION 1 compared(int4[], int4[]);
CREATE OPERATOR FAMILY backward USING btree;
CREATE OPERATOR CLASS backward4 FOR TYPE int4 USING btree FAMILY backward AS
  {listed("int4", "int4")}, FUNCTION 1 compared(int4, int4);
CREATE OPERATOR CLASS backward8 FOR TYPE int8 USING btree FAMILY backward AS
  {listed("int8", "int8")}, FUNCTION 1 compared(int8, int8);
ALTER OPERATOR FAMILY backward USING btree ADD {listed("int4", "int8")}, FUNCTION 1 compared(int4, int8);
"""
REFUSED = f"""
{ordered("json", "json", "$1::text {} $2::text")}
CREATE OPERATOR CLASS claims FOR TYPE int4 USING btree AS
  OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 compared(int4, int4);
CREATE OPERATOR CLASS ruling DEFAULT FOR TYPE json USING btree AS
  {listed("json", "json")}, FUNCTION 1 compared(json, json);
CREATE FUNCTION inside(int4, int4) RETURNS int LANGUAGE internal IMMUTABLE AS 'btint4cmp';
CREATE OPERATOR CLASS inner_ops FOR TYPE int4 USING btree AS {listed("int4", "int4")}, FUNCTION 1 inside(int4, int4);
CREATE OPERATOR CLASS borrowed FOR TYPE int4 USING btree AS
  {listed("int4", "int4")}, FUNCTION 1 pg_catalog.btint4cmp(int4, int4);
CREATE OPERATOR CLASS lying FOR TYPE int4 USING btree AS
  {listed("int4", "int4")}, FUNCTION 1 (int4, int4) compared(text, text);
-- Of one name: one of the two is there.
CREATE OPERATOR CLASS any_case FOR TYPE int4 USING btree AS
  {listed("int4", "int4")}, FUNCTION 1 inside(int4, int4);
CREATE TYPE span AS RANGE (SUBTYPE = text, SUBTYPE_OPCLASS = {CLASS});
CREATE TABLE parted (word text) PARTITION BY RANGE (word {CLASS});
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('a') TO ('m');
CREATE TABLE spans (s span);
INSERT INTO spans SELECT span('a' || n, 'b' || n) FROM generate_series(1, 300) n;
"""
TABLES = f"""
CREATE TABLE words (id int, big bigint, word text, other text);
INSERT INTO words SELECT n, n % 5000, 'Word' || n % 3000, 'o' || n % 10 FROM generate_series(1, 20000) n;
CREATE INDEX words_any_case ON words (word {CLASS}, id);
CREATE INDEX words_hashed ON words USING hash (word any_case);
CREATE UNIQUE INDEX words_backward ON words (id backward4 DESC NULLS LAST);
CREATE TABLE pairs AS
  SELECT row(n, n % 100)::{PAIR} AS pair, array_fill(1, ARRAY[n % 200]) AS list FROM generate_series(1, 3000) n;
CREATE INDEX pairs_pair ON pairs (pair by_b);
CREATE INDEX pairs_list ON pairs (list by_length);
CREATE VIEW sorted AS SELECT * FROM words ORDER BY word USING <#;
ANALYZE
"""
ASKED = (
    "SELECT * FROM words WHERE word =# 'word17' AND id < 100",
    "SELECT * FROM words WHERE word <# 'word100'",
    "SELECT * FROM words WHERE id <# 20",
    "SELECT * FROM words WHERE id <# 20::bigint",
    "SELECT * FROM words ORDER BY word USING <# LIMIT 3",
    "SELECT * FROM words ORDER BY id USING >#",
    f"SELECT * FROM pairs WHERE pair =# row(1, 7)::{PAIR}",
    "SELECT * FROM pairs WHERE list <# ARRAY[1, 2, 3]",
    "SELECT * FROM words a JOIN words b ON a.word =# b.word WHERE a.id = 3",
)
NAMES = {
    ("Own Types", 'Any "case"', "btree"),
    *(("public", name, "btree") for name in ("backward", "by_b", "by_length")),
    ("public", "any_case", "hash"),
}


@pytest.fixture(scope="module", params=["bundled", pytest.param("system", marks=pytest.mark.system_postgres)])
def owned(request: pytest.FixtureRequest, _own_places: None) -> Iterator[Server]:
    system = Path("/usr/lib/postgresql/15/bin")
    if request.param == "system" and not (system / "postgres").exists():
        pytest.skip(f"no PostgreSQL in {system}")
    binaries = Binaries.find(system if request.param == "system" else None)
    with Server.create(binaries, purpose="classes") as server:
        with closing(connect(server.dsn(), read_only=False)) as admin:
            admin.execute(f"{HEAD}{CARRIED}{REFUSED}{TABLES}".encode())
        yield server


@pytest.fixture(scope="module")
def image(owned: Server) -> Image:
    return read_image(owned.dsn(), owned.binaries, progress=silent)


@pytest.fixture(scope="module")
def twin(owned: Server, image: Image) -> Iterator[Twin]:
    with Twin.open(build(image, owned.binaries, progress=silent), workers=1) as twin:
        twin.sample_from(owned.dsn())
        yield twin


def called(connection: Connection) -> tuple[bool, bool]:
    """Return whether the functions were called, and whether they were by a superuser."""
    text = "select c.is_called, s.is_called from public.calls c, public.calls_by_superusers s"
    row = connection.execute(text).fetchone()
    assert row is not None
    return row[0], row[1]


def families(found: list[OperatorFamily]) -> set[tuple[str, str, str]]:
    return {(one.schema, one.name, one.method) for one in found}


def test_what_rests_on_them_has_the_sources_plan_and_cost(owned: Server, twin: Twin) -> None:
    queries = [query(text) for text in ASKED]
    with closing(connect(owned.dsn(), read_only=True)) as source:
        fidelity = twin.fidelity(source, queries)
    for text, one in zip(ASKED, fidelity.queries, strict=True):
        assert one.same_shape, (text, one)
        assert one.twin_cost == pytest.approx(one.source_cost, rel=0.01), (text, one)
    [plans] = twin.what_if(queries, [()])
    used = {index for plan in plans if isinstance(plan, Plan) for index in plan.indexes}
    assert used == {"words_any_case", "words_hashed", "words_backward", "pairs_pair", "pairs_list"}


def test_the_height_of_an_index_with_an_order_of_its_own_is_the_real_one(owned: Server) -> None:
    with closing(connect(owned.dsn(), read_only=False)) as admin:
        admin.execute(b"CREATE INDEX words_pattern ON words (word text_pattern_ops DESC, other)")
        admin.execute(b"CREATE EXTENSION pageinspect")
        try:
            levels = read_heights(admin).levels
            for name in ("words_any_case", "words_pattern"):
                real = admin.execute("select level from bt_metap($1)", (name,)).fetchone()
                assert real == (levels["public", name],)
        finally:
            admin.execute(b"DROP INDEX words_pattern; DROP EXTENSION pageinspect")


def test_a_hypothetical_index_may_have_such_a_class(twin: Twin) -> None:
    made = CreateIndex("public", "words", "words_other", f"USING btree (other {CLASS})", ("other",))
    [[plan]] = twin.what_if([query("SELECT * FROM words ORDER BY other USING <# LIMIT 3")], [(made,)])
    assert isinstance(plan, Plan), plan
    assert twin.refusal(made) is None
    assert plan.indexes == {"words_other"}


def test_only_what_is_not_carried_is_named(twin: Twin) -> None:
    told = [problem for problem in twin.problems if "OPERATOR" in problem]
    refused = {problem.split(": ")[1] for problem in told}
    names = ("claims", "ruling", "inner_ops", "borrowed", "lying", "any_case")
    assert refused == {f"OPERATOR {kind} public {name}" for name in names for kind in ("CLASS", "FAMILY")}
    assert len(told) == len(refused)  # the one of its name is there
    for missing in ("TYPE public span", "TABLE public parted", "VIEW public sorted"):
        assert any(f"not on the twin: {missing}:" in problem for problem in twin.problems)


def test_no_superuser_calls_their_functions(owned: Server, twin: Twin) -> None:
    with closing(connect(owned.dsn(), read_only=False)) as admin:
        assert called(admin) == (True, True)  # What is planted tells it when one does.
    twin.what_if([query(text) for text in ASKED], [()])
    tails = (
        f"(other {CLASS})",
        f"(lower(word) {CLASS} DESC)",
        f"(word {CLASS}) WHERE word <# 'word3'",
        "(big backward8) INCLUDE (id)",
    )
    made = [CreateIndex("public", "words", f"made_{n}", f"USING btree {tail}", ()) for n, tail in enumerate(tails)]
    made.append(CreateIndex("public", "words", "made_h", "USING hash (other any_case)", ()))
    assert None not in twin.size_bytes(made)
    twin.what_if([query(text) for text in ASKED], [tuple(made)])
    with closing(connect(twin._server.dsn("twin"), read_only=True)) as admin:
        assert called(admin) == (True, False)


@pytest.mark.parametrize(
    "statement",
    [
        f"CREATE TYPE late AS RANGE (SUBTYPE = text, SUBTYPE_OPCLASS = {CLASS})",
        f"CREATE TABLE late (word text) PARTITION BY RANGE (word {CLASS})",
        "CREATE TABLE late (word text) PARTITION BY HASH (word any_case)",
        "CREATE SCHEMA late CREATE TABLE late (id int4) PARTITION BY LIST (id public.backward4)",
        "DO $$ BEGIN CREATE TABLE late (id int4) PARTITION BY RANGE (id backward4); END $$",
    ],
)
def test_what_a_superusers_session_would_compare_with_them_cannot_be_made(twin: Twin, statement: str) -> None:
    with closing(connect(twin._server.dsn("twin", user=OWNER), read_only=False)) as owner:
        owner.execute(b"SET search_path = public")
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="of the database's own"):
            owner.execute(statement.encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(b"DROP EVENT TRIGGER trimtab_guard")


def test_what_a_file_claims_is_no_way_to_an_unsafe_one(owned: Server, image: Image) -> None:
    [family] = [one for one in image.source.operator_families if one.name == "any_case"]
    [equal], [hashed, _], [of] = family.operators, family.functions, family.classes
    text, number = ("pg_catalog", "text"), ("pg_catalog", "int4")
    words = "=# (text, text), FUNCTION 1 public.hashed(text); COMMIT; DROP TABLE public.words; --"
    claimed = (
        replace(family, name="a", operators=(replace(equal, name=words),)),
        replace(family, name="b", operators=(replace(equal, name="--"),)),
        replace(family, name="c", method="gin"),
        replace(family, name="d", classes=(replace(of, name="d", type=number),)),
        replace(family, name="e", functions=(Member(1, "pg_catalog", "hashtext", text, text),)),
        replace(family, name="f", operators=(Member(1, "pg_catalog", "=", text, text),)),
        replace(family, name="g", functions=(replace(hashed, left=number, right=number),)),
        replace(family, name="h", functions=()),
        replace(family, name="\0"),
        replace(family, schema="pg_catalog", name="i"),
    )
    facts = replace(image.source, operator_families=claimed)
    with Twin.open(build(replace(image, source=facts), owned.binaries, progress=silent), workers=1) as twin:
        row = twin.connection.execute("select to_regclass('public.words') is not null").fetchone()
        opened = twin.connection.execute("select count(*) from pg_opfamily where oid >= 16384").fetchone()
        triggers = twin.connection.execute("select count(*) from pg_event_trigger").fetchone()
    assert (row, opened, triggers) == ((True,), (0,), (0,))


def test_a_file_holds_them_and_an_older_one_opens_without(image: Image, tmp_path: Path) -> None:
    assert families(list(image.source.operator_families)) == NAMES
    path = tmp_path / "x.twin"
    save(image, path)
    assert load(path) == image
    assert Image.from_dict(image.to_dict()) == image
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    facts = json.loads(members["facts.json"])
    del facts["operator_families"]
    members["facts.json"] = json.dumps(facts).encode()
    about = json.loads(members["about.json"])
    about["sha256"]["facts.json"] = hashlib.sha256(members["facts.json"]).hexdigest()
    members["about.json"] = json.dumps(about).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    assert load(path) == replace(image, source=replace(image.source, operator_families=()))


def test_one_that_is_not_as_told_is_not_made(owned: Server) -> None:
    with closing(connect(owned.dsn(), read_only=False)) as admin:
        told = read_operator_families(admin)
        assert families(told) == NAMES
        # They are there.
        assert create_operator_families(admin, told) == []
        assert admin.execute("select count(*) from pg_event_trigger").fetchone() == (0,)
