"""Statistics from a sample: objects and targets plan as the source does after ANALYZE, and leave nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pytest

from trimtab.db.connection import Connection, connect
from trimtab.db.explain import explain
from trimtab.embedded.server import Server
from trimtab.model.change import CreateIndex, CreateStatistics, DropStatistics, quote_identifier
from trimtab.model.plan import Plan
from trimtab.model.whatif import CreateExpressionStatistics, Hypothesis, StatisticsTarget
from trimtab.twin.build import build as build_server
from trimtab.twin.capture import read_image
from trimtab.twin.common_values import CommonValues
from trimtab.twin.extended import ExtendedValues, read_values
from trimtab.twin.statistics import StoredColumn, read_columns
from trimtab.twin.statistics_sample import _note, _Part, _sample_rows
from trimtab.twin.twin import Twin

from .shop import query, silent, snapshot
from .test_statistics import binaries

pytestmark = pytest.mark.server

KINDS = ("ndistinct", "dependencies", "mcv")
# ANALYZE reads each of these tables as a whole, and no two combinations at the end of a list are equally common.
SCHEMA = """
CREATE TYPE mood AS ENUM ('happy', 'sad', 'un''sure');
CREATE DOMAIN word AS text;
CREATE TABLE place (id int, city text, zip int, region char(9), open bool, net inet, at timestamptz, cost numeric,
                    note word, tags int[], body tsvector, during int4range, json json, wide text);
INSERT INTO place SELECT n, 'c ''"' || z / 5, z, 'r' || z / 40, z % 2 = 0, ('10.0.' || z % 9 || '.1')::inet,
       timestamptz '2020-01-01 UTC' + z % 50 * interval '1 day', (z % 13)::numeric / 4,
       CASE WHEN n % 3 > 0 THEN 'w' || z % 30 END, array[z % 20, z % 7], to_tsvector('simple', 'a' || z % 90),
       int4range(z, z + 9), to_json(z), CASE WHEN n % 20 > 0 THEN repeat(md5(n::text), 1 + n % 2 * 40)
            ELSE (SELECT string_agg(md5((n * i)::text), '') FROM generate_series(1, 90) i) END
  FROM (SELECT n, floor(400 * (n * 7919 % 20011 / 20011.0) ^ 2)::int AS z FROM generate_series(1, 5000) n) r;
CREATE FUNCTION half(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 / 2';
CREATE TABLE nothing (a int, b int);
CREATE TABLE secret (a int, b int);
INSERT INTO secret SELECT n % 50, n % 50 FROM generate_series(1, 5000) n;
CREATE TABLE guarded (a int, b int);
INSERT INTO guarded SELECT n % 50, n % 50 FROM generate_series(1, 5000) n;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON guarded USING (a < 3);
CREATE SCHEMA "Odd";
CREATE TABLE "Odd"."Ta ""1"" ble" ("Teil Nr" int, "select" text, "d'x" mood);
INSERT INTO "Odd"."Ta ""1"" ble" SELECT k, CASE WHEN k % 3 > 0 THEN 's' || k / 2 END,
       (ARRAY['happy', 'sad', 'un''sure'])[1 + k % 3]::mood
  FROM (SELECT floor(30 * (n / 9000.0) ^ 2)::int AS k FROM generate_series(1, 8999) n) r;
CREATE TABLE log (at int, kind int, sub int) PARTITION BY RANGE (at);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (5000);
CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM (5000) TO (20000) PARTITION BY RANGE (at);
CREATE TABLE log_2a PARTITION OF log_2 DEFAULT;
INSERT INTO log SELECT n, n % 500, n % 500 / 5 FROM generate_series(0, 12000) n;
CREATE TABLE parent (x int, y int);
CREATE TABLE child () INHERITS (parent);
INSERT INTO child SELECT n % 90, n % 30 FROM generate_series(1, 4000) n;
INSERT INTO parent SELECT n % 50, n % 25 FROM generate_series(1, 3000) n;
CREATE TABLE big AS SELECT n, n % 1000 AS a, n % 1000 / 5 AS b, n % 50003 AS c FROM generate_series(1, 100000) n;
CREATE STATISTICS old_one (ndistinct) ON city, zip FROM place;
CREATE ROLE reader LOGIN;
GRANT SELECT ON ALL TABLES IN SCHEMA public, "Odd" TO reader;
GRANT USAGE ON SCHEMA "Odd" TO reader;
REVOKE SELECT ON secret FROM reader
"""
ODD = 'FROM "Odd"."Ta ""1"" ble"'
GROUPED = "SELECT city, zip, count(*) FROM place GROUP BY city, zip"
OBJECTS = (
    (("public", "place"), ("zip", "city"), ("ndistinct",), GROUPED),
    (("public", "place"), ("note", "zip", "region"), ("ndistinct",),
     "SELECT region, zip, note FROM place GROUP BY note, region, zip"),
    (("public", "place"), ("note", "at"), ("ndistinct",), "SELECT note, at FROM place GROUP BY note, at"),
    (("public", "place"), ("city", "zip"), ("dependencies",),
     "SELECT * FROM place WHERE city = 'c ''\"4' AND zip = 22"),
    (("public", "place"), ("region", "city", "zip"), ("dependencies",),
     "SELECT * FROM place WHERE city = 'c ''\"4' AND zip = 22 AND region = 'r0'"),
    (("public", "place"), ("note", "zip"), ("dependencies",), "SELECT * FROM place WHERE note = 'w5' AND zip = 35"),
    (("public", "place"), ("wide", "zip", "id"), ("dependencies", "mcv"),
     "SELECT * FROM place WHERE zip = 7 AND id = 9"),
    (("public", "place"), ("city", "zip"), ("mcv",), "SELECT * FROM place WHERE city = 'c ''\"0' AND zip = 3"),
    (("public", "place"), ("open", "net", "at"), ("mcv",),
     "SELECT * FROM place WHERE open AND net = '10.0.2.1' AND at > '2020-02-01 UTC'"),
    (("public", "place"), ("cost", "note", "region"), ("mcv",),
     "SELECT * FROM place WHERE note IS NULL AND cost = 0.25 AND region = 'r0'"),
    (("public", "place"), ("city", "zip", "note", "cost"), KINDS,
     "SELECT city, zip, note, cost FROM place WHERE city = 'c ''\"0' AND zip = 3 GROUP BY city, zip, note, cost"),
    (("Odd", 'Ta "1" ble'), ("Teil Nr", "select"), KINDS, f'SELECT * {ODD} WHERE "Teil Nr" = 4 AND "select" = \'s2\''),
    (("Odd", 'Ta "1" ble'), ("d'x", "select", "Teil Nr"), KINDS,
     f'SELECT * {ODD} WHERE "select" IS NULL AND "d\'x" = \'happy\''),
    (("public", "log"), ("kind", "sub"), KINDS, "SELECT kind, sub FROM log GROUP BY kind, sub"),
    (("public", "parent"), ("x", "y"), KINDS, "SELECT * FROM parent WHERE x = 3 AND y = 3"),
    (("public", "parent"), ("x", "y"), KINDS, "SELECT * FROM ONLY parent WHERE x = 3 AND y = 3"),
    (("public", "place"), ("city", "zip", "region", "open", "net", "at", "cost"), ("ndistinct",),
     "SELECT city, zip, region, net, cost FROM place GROUP BY city, zip, region, net, cost"),
)  # fmt: skip
# Columns, expressions, kinds.
EXPRESSIONS: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], str], ...] = (
    ((), ("lower(city)",), (), "SELECT * FROM place WHERE lower(city) = 'c ''\"4'"),
    ((), ("zip / 10",), (), "SELECT zip / 10, count(*) FROM place GROUP BY zip / 10"),
    ((), ("pg_catalog.date_trunc('week', at AT TIME ZONE 'UTC')",), (),
     "SELECT * FROM place WHERE date_trunc('week', at AT TIME ZONE 'UTC') > '2020-02-01'"),
    (("region", "city"), ("half(zip)",), KINDS,
     "SELECT * FROM place WHERE half(zip) = 7 AND city = 'c ''\"2' AND region = 'r0'"),
    ((), ("zip % 5", "half(zip)"), ("ndistinct", "mcv"),
     "SELECT zip % 5, half(zip), count(*) FROM place WHERE zip % 5 = 1 GROUP BY zip % 5, half(zip)"),
    (("note",), ("coalesce(note, 'none')", "tags || 1"), ("ndistinct", "dependencies"),
     "SELECT * FROM place WHERE note = 'w5' AND coalesce(note, 'none') = 'w5'"),
)  # fmt: skip
TARGETS = (
    ("place", "zip", 400, "SELECT * FROM place WHERE zip = 399"),
    ("place", "zip", 3, "SELECT * FROM place WHERE zip = 60"),
    ("place", "zip", -1, "SELECT * FROM place WHERE zip < 60"),
    ("place", "id", 1000, "SELECT * FROM place WHERE id < 17"),
    ("place", "id", 1, "SELECT * FROM place WHERE id < 170"),
    ("place", "note", 10, "SELECT * FROM place WHERE note = 'w17'"),
    ("place", "region", 2, "SELECT * FROM place WHERE region = 'r5'"),
    ("place", "tags", 2, "SELECT * FROM place WHERE tags @> '{13}'"),
    ("place", "body", 4, "SELECT * FROM place WHERE body @@ 'a33'"),
    ("place", "wide", 10000, "SELECT * FROM place WHERE wide < 'a'"),
    ("log", "kind", 700, "SELECT * FROM log WHERE kind = 3"),
    ("log", "kind", 7, "SELECT a.sub FROM log a JOIN log b USING (kind) WHERE a.at < 6000"),
    ("log_1", "kind", 7, "SELECT * FROM log WHERE kind = 3"),
    ("parent", "x", 2, "SELECT * FROM parent WHERE x = 3"),
)


@pytest.fixture(scope="module", params=["wheel", pytest.param("system", marks=pytest.mark.system_postgres)])
def server(request: pytest.FixtureRequest, _own_places: None) -> Iterator[Server]:
    with Server.create(binaries(request.param), purpose="twin-tests") as made:
        with closing(connect(made.dsn(), read_only=False)) as connection:
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement.encode())
            connection.execute(b"VACUUM ANALYZE")
        yield made


@pytest.fixture(scope="module")
def twin(server: Server) -> Iterator[Twin]:
    with build(server) as twin:
        twin.sample_from(server.dsn())
        yield twin


@pytest.fixture
def source(server: Server) -> Iterator[Connection]:
    with closing(connect(server.dsn(), read_only=False)) as connection:
        yield connection


def build(server: Server) -> Twin:
    with closing(connect(server.dsn(), read_only=True)) as connection:
        facts = snapshot(connection)
    return Twin.build(server.dsn(), facts, server.binaries, progress=silent)


def made(number: int) -> CreateStatistics:
    (schema, table), columns, kinds, _ = OBJECTS[number]
    return CreateStatistics(schema, table, f"made_{number}", columns, kinds)


def costs(twin: Twin, text: str, *configurations: tuple[Hypothesis, ...]) -> list[float]:
    answers = twin.what_if([query(text)], configurations)
    assert all(isinstance(plan, Plan) for [plan] in answers), answers
    return [plan.cost for [plan] in answers if isinstance(plan, Plan)]


def analysed(source: Connection, hypotheses: Sequence[CreateStatistics | StatisticsTarget]) -> None:
    for one in hypotheses:
        source.execute(one.sql().encode())
    for schema, table in dict.fromkeys((one.schema, one.table) for one in hypotheses):
        source.execute(f"ANALYZE {quote_identifier(schema)}.{quote_identifier(table)}".encode())


def agree(twin: Twin, source: Connection, text: str, *hypotheses: CreateStatistics | StatisticsTarget) -> None:
    with agreed(twin, source, text, *hypotheses):
        pass


@contextmanager
def agreed(
    twin: Twin, source: Connection, text: str, *hypotheses: CreateStatistics | StatisticsTarget
) -> Iterator[None]:
    """The twin plans as if they were there. What follows sees the source after ANALYZE, for as long as it takes."""
    [[mine]] = twin.what_if([query(text)], [hypotheses])
    assert [twin.refusal(one, hypotheses) for one in hypotheses] == [None] * len(hypotheses)
    with source.transaction(force_rollback=True):
        analysed(source, hypotheses)
        theirs = explain(source, query(text))
        yield
    assert isinstance(mine, Plan)
    assert mine.shape_hash == theirs.shape_hash
    assert mine.cost == pytest.approx(theirs.cost, rel=1e-6)
    assert mine.root.rows == theirs.root.rows


def objects_of(connection: Connection, name: str) -> list[ExtendedValues]:
    return [values for values in read_values(connection) if values.name == name]


def columns_of(connection: Connection, table: str, column: str) -> list[StoredColumn]:
    return [c for c in read_columns(connection, with_values=True) if (c.relation, c.column) == (table, column)]


@pytest.mark.parametrize("number", range(len(OBJECTS)))
def test_an_object_plans_and_holds_as_after_analyze(twin: Twin, source: Connection, number: int) -> None:
    change = made(number)
    with agreed(twin, source, OBJECTS[number][3], change):
        theirs = objects_of(source, change.name)
    maker = twin._indexes.maker
    with maker.transaction(force_rollback=True):
        assert twin._statistics.store(maker, change, [])
        mine = objects_of(maker, change.name)
    for one, other in zip(mine, theirs, strict=True):
        assert (one.is_inherited, one.ndistinct, one.dependencies) == (
            other.is_inherited,
            other.ndistinct,
            other.dependencies,
        )
        assert_equal_lists(source, one.common, other.common)


@pytest.mark.parametrize("number", range(len(EXPRESSIONS)))
def test_an_object_on_expressions_plans_and_holds_as_after_analyze(twin: Twin, source: Connection, number: int) -> None:
    columns, expressions, kinds, text = EXPRESSIONS[number]
    change = CreateExpressionStatistics("public", "place", f"of_{number}", columns, kinds, expressions)
    if source.info.server_version < 140000:
        assert twin.refusal(change)
        return
    with agreed(twin, source, text, change):
        [theirs] = objects_of(source, change.name)
    maker = twin._indexes.maker
    with maker.transaction(force_rollback=True):
        assert twin._statistics.store(maker, change, [])
        [mine] = objects_of(maker, change.name)
    assert (mine.ndistinct, mine.dependencies) == (theirs.ndistinct, theirs.dependencies)
    assert_equal_lists(source, mine.common, theirs.common)
    for one, other in zip(mine.expressions, theirs.expressions, strict=True):
        assert (one.null_fraction, one.distinct) == (other.null_fraction, other.distinct)
        assert one.histogram == other.histogram
    [[without], [again]] = twin.what_if([query(text)], [(), (change,)])
    assert isinstance(without, Plan)
    assert isinstance(again, Plan)
    assert without.root.rows != again.root.rows


def assert_equal_lists(connection: Connection, one: CommonValues | None, other: CommonValues | None) -> None:
    """Of combinations that are equally common ANALYZE keeps any, in any order."""
    found = []
    for common in (one, other):
        texts = common and (common.values, common.shares, common.base_shares)
        row = connection.execute(b"select $1::text[], $2::float8[], $3::float8[]", texts or (None,) * 3).fetchone()
        assert row is not None
        items, shares, base_shares = (part or [] for part in row)
        found.append((shares, {tuple(item): base for item, base in zip(items, base_shares, strict=True)}, items))
    (shares, bases, items), (other_shares, other_bases, other_items) = found
    assert shares == other_shares
    sure = [{tuple(i) for i, s in zip(of, shares, strict=True) if s > shares[-1]} for of in (items, other_items)]
    assert sure[0] == sure[1]
    for item in bases.keys() & other_bases.keys():
        assert bases[item] == pytest.approx(other_bases[item])


def test_an_object_makes_a_difference_and_leaves_nothing(twin: Twin) -> None:
    before, with_it, after = costs(twin, OBJECTS[2][3], (), (made(2),), ())
    assert before == after != with_it
    assert objects_of(twin.connection, "made_2") == []
    text = b"select count(*) from pg_catalog.pg_class where relname like 'trimtab%'"
    assert twin.connection.execute(text).fetchone() == (0,)


@pytest.mark.parametrize("number", range(len(TARGETS)))
def test_a_target_plans_and_gives_as_after_analyze(twin: Twin, source: Connection, number: int) -> None:
    table, column, target, text = TARGETS[number]
    wanted = StatisticsTarget("public", table, column, target)
    with agreed(twin, source, text, wanted):
        theirs = columns_of(source, table, column)
    maker = twin._indexes.maker
    with maker.transaction(force_rollback=True):
        assert twin._statistics.store(maker, wanted, [])
        assert columns_of(maker, table, column) == theirs


def test_a_target_leaves_nothing(twin: Twin) -> None:
    wanted = StatisticsTarget("public", "place", "zip", 3)
    before = read_columns(twin.connection, with_values=True)
    without, with_it, again = costs(twin, "SELECT * FROM place WHERE zip = 61", (), (wanted,), ())
    assert without == again
    [[rare], [common]] = twin.what_if([query("SELECT * FROM place WHERE zip = 398")], [(), (wanted,)])
    assert isinstance(rare, Plan)
    assert isinstance(common, Plan)
    assert rare.root.rows != common.root.rows
    assert with_it
    assert read_columns(twin.connection, with_values=True) == before


def test_target_0_leaves_the_statistics_that_are_there(twin: Twin) -> None:
    nothing = StatisticsTarget("public", "place", "zip", 0)
    without, with_it = costs(twin, "SELECT * FROM place WHERE zip = 399", (), (nothing,))
    assert without == with_it
    assert twin.refusal(nothing) is None
    assert "leaves the statistics" in twin.note(nothing)


def test_an_object_s_list_is_as_long_as_the_targets_of_its_columns(twin: Twin, source: Connection) -> None:
    longer = StatisticsTarget("public", "place", "zip", 250)
    agree(twin, source, "SELECT * FROM place WHERE city = 'c ''\"7' AND zip = 38", made(7), longer)
    idle: list[Hypothesis] = [StatisticsTarget("public", "place", "zip", 0), made(7)]
    assert "its statistics target is 0" in (twin.refusal(made(7), idle) or "")
    assert twin.refusal(made(7)) is None


def test_an_object_takes_the_place_of_another(twin: Twin, source: Connection) -> None:
    drop = DropStatistics("public", "place", "old_one", ("city", "zip"), ("ndistinct",))
    same = CreateStatistics("public", "place", "old_one", ("city", "zip"), KINDS)
    text = "SELECT * FROM place WHERE city = 'c ''\"0' AND zip = 3"
    [mine] = costs(twin, text, (drop, same))
    with source.transaction(force_rollback=True):
        source.execute(drop.sql().encode())
        analysed(source, [same])
        assert mine == pytest.approx(explain(source, query(text)).cost, rel=1e-6)


def test_of_a_large_table_a_sample_is_read(twin: Twin, source: Connection) -> None:
    change = CreateStatistics("public", "big", "big_ab", ("a", "b"), KINDS)
    [mine] = costs(twin, "SELECT a, b FROM big GROUP BY a, b", (change,))
    note = twin.note(change)
    with source.transaction(force_rollback=True):
        analysed(source, [change])
        real = explain(source, query("SELECT a, b FROM big GROUP BY a, b"))
    assert mine == pytest.approx(real.cost, rel=0.01)
    assert 28_000 < int(note.split()[1]) < 32_000
    wanted = StatisticsTarget("public", "big", "c", 300)
    assert 85_000 < int(twin.note(wanted).split()[1]) < 95_000
    [values] = twin._statistics.told(wanted).columns
    assert -1 <= values.statistics.distinct < -0.4


REFUSED = (
    (StatisticsTarget("public", "place", "zip", 10_001), "0 to 10000"),
    (StatisticsTarget("public", "place", "zip", -2), "0 to 10000"),
    (StatisticsTarget("public", "place", "zip", 10**30), "0 to 10000"),
    (StatisticsTarget("public", "place", "Zip", 10), 'no column "Zip"'),
    (StatisticsTarget("public", "place", "ctid", 10), 'no column "ctid"'),
    (StatisticsTarget("public", "place", "during", 10), "int4range"),
    (StatisticsTarget("public", "absent", "zip", 10), "no table"),
    (StatisticsTarget("public", "nothing", "a", 10), "no rows"),
    (StatisticsTarget("public", "secret", "a", 10), "permission"),
    (StatisticsTarget("public", "guarded", "a", 10), "row-level security"),
    (StatisticsTarget("public", "pl\0ace", "a", 10), "NUL"),
    (CreateStatistics("public", "place", "s", ("zip", "absent"), KINDS), "absent"),
    (CreateStatistics("public", "place", "s", ("zip", "json"), KINDS), "json"),
    (CreateStatistics("public", "place", "s", ("zip",), KINDS), "at least 2 columns"),
    (CreateStatistics("public", "place", "s", ("zip", "zip"), KINDS), "uplicate"),
    (CreateStatistics("public", "place", "s", ("zip", "city"), ("other",)), "unrecognized statistics kind"),
    (CreateStatistics("public", "place", "s", ("zip", "ci\0ty"), KINDS), "NUL"),
    (CreateStatistics("public", "absent", "s", ("zip", "city"), KINDS), "absent"),
    (CreateStatistics("public", "nothing", "s", ("a", "b"), KINDS), "no rows"),
    (CreateStatistics("public", "secret", "s", ("a", "b"), KINDS), "permission"),
    (CreateStatistics("public", "guarded", "s", ("a", "b"), KINDS), "row-level security"),
)


def test_what_is_refused_is_told_and_the_rest_goes_on(server: Server) -> None:
    with build(server) as twin:
        twin.sample_from(f"{server.dsn()} user=reader")
        everything = (*(one for one, _ in REFUSED), made(2))
        [[plan], [good]] = twin.what_if([query(OBJECTS[2][3])], [everything, (made(2),)])
        assert isinstance(plan, Plan)
        assert isinstance(good, Plan)
        assert plan.cost == good.cost
        for one, reason in REFUSED:
            assert reason in (twin.refusal(one) or ""), one
        assert twin.refusal(made(2)) is None
        [[of_secret]] = twin.what_if([query("SELECT * FROM secret WHERE a = 1")], [everything])
        assert isinstance(of_secret, Plan)


def test_without_a_sample_it_has_no_effect_until_there_is_one(server: Server) -> None:
    with build(server) as twin:
        change, wanted = made(2), StatisticsTarget("public", "place", "zip", 3)
        before, without = costs(twin, OBJECTS[2][3], (), (change, wanted))
        assert before == without
        for one in (change, wanted):
            assert twin.note(one) == twin.refusal(one) == "no sample of the source: it has no effect"
        twin.sample_from(server.dsn())
        [with_it] = costs(twin, OBJECTS[2][3], (change, wanted))
        assert with_it != before
        assert twin.refusal(change) is None


def test_without_values_none_is_asked_for(server: Server) -> None:
    image = read_image(server.dsn(), server.binaries, with_values=False, progress=silent)
    with Twin.open(build_server(image, server.binaries, progress=silent)) as twin:
        twin.sample_from(server.dsn())
        counted, listed, wanted = made(10), made(7), StatisticsTarget("public", "place", "zip", 3)
        assert twin.note(counted).endswith("without common values")
        [values] = twin._statistics.told(counted).objects
        assert values.ndistinct is not None
        assert values.common is None
        for one in (listed, wanted):
            assert twin.refusal(one) == "without values it has no effect"
        if server.binaries.version[0] >= 14:
            lowered = CreateExpressionStatistics("public", "place", "lowered", (), (), ("lower(city)",))
            assert twin.note(lowered).startswith("sampled")
            [[of_city]] = [values.expressions for values in twin._statistics.told(lowered).objects]
            assert (of_city.common_values, of_city.histogram) == (None, None)
            assert of_city.distinct
        shaped = CreateIndex("public", "place", "shaped", "((lower(city)), tags)", ())
        assert twin.note(shaped).startswith("sampled")
        told = b"select count(n_distinct), count(most_common_vals), count(histogram_bounds) from pg_catalog.pg_stats"
        assert twin.connection.execute(told + b" where tablename like 'trimtab_h%'").fetchone() == (1, 0, 0)


def test_more_rows_are_read_for_a_higher_target_up_to_a_limit() -> None:
    assert [_sample_rows(target) for target in (1, 100, 101, 1000, 10_000)] == [
        30_000,
        30_000,
        30_300,
        300_000,
        300_000,
    ]
    large, small = (_Part("public", "t", False, 9, rows) for rows in (300_001.0, 300_000.0))
    assert _note(299_990, 10_000, [large]) == "sampled 299990 rows of the source: ANALYZE would read up to 3000000"
    assert _note(300_000, 10_000, [small]) == _note(300_000, 1000, [large]) == "sampled 300000 rows of the source"


def test_a_source_that_does_not_answer_is_told(server: Server) -> None:
    with build(server) as twin:
        twin.sample_from("host=/nowhere dbname=x")
        before, without = costs(twin, OBJECTS[2][3], (), (made(2),))
        assert before == without
        assert twin.note(made(2)).startswith("not sampled: ")


def test_what_the_lab_made_goes_before_the_sample(server: Server, source: Connection) -> None:
    with build(server) as twin:
        twin.sample_from(server.dsn())
        change = made(2)
        before, sampled = costs(twin, OBJECTS[2][3], (), (change,))
        with source.transaction(force_rollback=True):
            source.execute(b"DELETE FROM place WHERE note IS NOT NULL OR id > 200")
            analysed(source, [change])
            twin.import_statistics(change, source)
        source.execute(b"ANALYZE place")  # No rollback takes back how many rows ANALYZE has counted.
        [imported] = costs(twin, OBJECTS[2][3], (change,))
        assert len({before, sampled, imported}) == 3
        assert "lab" in twin.note(change)


def test_several_engines_give_the_same_answers_and_ask_the_source_once(server: Server) -> None:
    configurations: list[tuple[Hypothesis, ...]] = [(made(n),) for n in (0, 2, 3, 7)]
    configurations += [(StatisticsTarget("public", "place", "zip", 3), made(2))]
    texts = [query(OBJECTS[n][3]) for n in (0, 2, 3, 7)]
    with build(server) as one:
        one.sample_from(server.dsn())
        alone = one.what_if(texts, configurations)
    with closing(connect(server.dsn(), read_only=True)) as connection:
        facts = snapshot(connection)
    with Twin.build(server.dsn(), facts, server.binaries, progress=silent, workers=2) as twin:
        twin.sample_from(server.dsn())
        twin.start_workers()
        assert twin.workers == 2
        assert twin.what_if(texts, configurations) == alone
        twin.sample_from("host=/nowhere dbname=x")
        twin._cache.clear()
        assert twin.what_if(texts, configurations) == alone


def test_what_crosses_is_statistics_and_the_source_is_only_read(server: Server, source: Connection) -> None:
    counter = b"select pg_catalog.sum(xact_commit) >= 0, (select count(*) from pg_statistic_ext) from pg_stat_database"
    before = source.execute(counter).fetchone()
    with build(server) as twin:
        twin.sample_from(f"{server.dsn()} options='-c default_transaction_read_only=on'")
        assert twin.refusal(made(10)) is None
        assert twin.connection.execute(b"select count(*) from place").fetchone() == (0,)
    assert source.execute(counter).fetchone() == before
