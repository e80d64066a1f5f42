"""Claims about two moments on a twin: with differences taken back it plans as the source did, at the same costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from trimtab.db.connection import connect
from trimtab.db.explain import explain
from trimtab.embedded.server import Server
from trimtab.model.flip import IndexDifference, ObjectStatistics, SchemaDifference, TableSize, TableStatistics
from trimtab.model.plan import Plan
from trimtab.model.plan_shape import plan_shape
from trimtab.model.whatif import PlanFailure
from trimtab.model.workload import Query
from trimtab.twin.moments import TwinMoments

from .shop import query
from .test_difference import Database

pytestmark = pytest.mark.server

_SCHEMA = """
CREATE TABLE item (id int PRIMARY KEY, kind int, city int, zip int, word text) WITH (autovacuum_enabled = off);
CREATE TABLE visit (at int NOT NULL, item int, kind int) PARTITION BY RANGE (at);
CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM (0) TO (5000) WITH (autovacuum_enabled = off);
CREATE TABLE visit_2 PARTITION OF visit DEFAULT WITH (autovacuum_enabled = off);
CREATE INDEX item_kind ON item (kind);
CREATE INDEX visit_kind ON visit (kind);
CREATE STATISTICS item_place ON city, zip FROM item;
INSERT INTO item SELECT n, n % 700, n % 100, n % 100 / 2, 'word ' || n FROM generate_series(1, 20000) n;
INSERT INTO visit SELECT n % 10000, 1 + n % 20000, n % 800 FROM generate_series(1, 20000) n;
VACUUM ANALYZE
"""
_QUERIES = (
    query("SELECT * FROM item WHERE kind = 17"),
    query("SELECT * FROM item WHERE kind BETWEEN 205 AND 250 ORDER BY word LIMIT 3"),
    query("SELECT city, zip, count(*) FROM item GROUP BY city, zip"),
    query("SELECT * FROM item WHERE city = 57 AND zip = 28 ORDER BY kind LIMIT 5"),
    query("SELECT * FROM visit WHERE kind = 17"),
    query("SELECT * FROM visit v JOIN item i ON i.id = v.item WHERE v.kind < 60 AND v.at < 3000"),
)
_TOPS = {
    ("public", f"visit_{n}{tail}"): ("public", f"visit{top}")
    for n in (1, 2)
    for tail, top in (("", ""), ("_kind_idx", "_kind"))
}
_CHANGES = (
    "INSERT INTO item SELECT n, n % 7, n % 100, n % 90, 'late' FROM generate_series(20001, 60000) n",
    "UPDATE visit SET kind = 17 WHERE at % 3 = 0",
    "ANALYZE",
    "DROP INDEX visit_kind",
    "DROP STATISTICS item_place",
    "CREATE INDEX item_zip ON item (zip)",
    "ALTER DATABASE moments SET random_page_cost = 1.5",
)


@pytest.fixture
def database(source: Server) -> Iterator[Database]:
    with closing(connect(source.dsn(), read_only=False)) as connection:
        connection.execute(b"CREATE DATABASE moments")
        found = Database(source, "moments")
        found.run(*_SCHEMA.split(";\n"))
        yield found
        connection.execute(b"DROP DATABASE moments WITH (FORCE)")


def costs(database: Database) -> list[tuple[str, float]]:
    """Shapes and costs on the source itself."""
    with closing(connect(database.dsn, read_only=True)) as connection:
        plans = [explain(connection, one) for one in _QUERIES]
    return [(plan_shape(plan, _TOPS).hash, plan.cost) for plan in plans]


def told(answers: list[Plan | PlanFailure]) -> list[tuple[str, float]]:
    return [(plan_shape(answer, _TOPS).hash, answer.cost) for answer in answers if isinstance(answer, Plan)]


def test_without_every_difference_plans_and_costs_are_those_of_before(database: Database) -> None:
    old, before = database.image(), costs(database)
    database.run(*_CHANGES)
    new, after = database.image(), costs(database)
    now, then, again = [], [], []
    for one in _QUERIES:
        with TwinMoments(old, new, one) as moments:
            assert {type(d) for d in moments.differences} >= {TableStatistics, TableSize, IndexDifference}
            now.append(moments.planned((), is_generic=False))
            then.append(moments.planned(moments.differences, is_generic=False))
            again.append(moments.planned((), is_generic=False))
    assert told(now) == told(again) == after
    assert [shape for shape, _ in told(then)] == [shape for shape, _ in before]
    # Of an index that is thought there the height and length are estimated.
    assert [cost for _, cost in told(then)] == pytest.approx([cost for _, cost in before], rel=0.02)
    assert before != after


def test_with_the_old_schema_only_what_is_asked_is_taken_back(database: Database) -> None:
    old = database.image()
    database.run(*_CHANGES, "ALTER TABLE item ADD COLUMN since int")
    new, after = database.image(), costs(database)
    schema = SchemaDifference("public", "item")
    for one, (shape, cost) in zip(_QUERIES, after, strict=True):
        with TwinMoments(old, new, one) as moments:
            assert schema in moments.differences
            found = moments.planned((schema,), is_generic=False)
            assert isinstance(found, Plan)
            assert moments.shape_of(found).hash == shape
            # The new column makes rows wider, which costs nothing but for memory.
            assert found.cost == pytest.approx(cost, rel=0.02)


def test_lengths_alone_and_statistics_alone_are_taken_back_apart(database: Database) -> None:
    counted = query("SELECT * FROM item")
    old = database.image()
    database.run(_CHANGES[0], "ANALYZE item")

    def rows(moments: TwinMoments, *kinds: type) -> float:
        wanted = [one for one in moments.differences if isinstance(one, kinds)]
        found = moments.planned(wanted, is_generic=False)
        assert isinstance(found, Plan)
        return found.root.rows

    with TwinMoments(old, database.image(), counted) as moments:
        assert moments.relations == {("public", "item")}
        assert rows(moments) == 60_000
        assert rows(moments, TableSize, TableStatistics) == 20_000
        assert rows(moments, TableSize) == pytest.approx(20_000, rel=0.1)
        assert rows(moments, TableStatistics) == pytest.approx(60_000, rel=0.1)


def test_statistics_that_an_object_lost_are_taken_back(database: Database) -> None:
    old, before = database.image(), costs(database)[2]
    database.run("ALTER TABLE item ALTER COLUMN zip TYPE bigint", "ANALYZE visit")
    with TwinMoments(old, database.image(), _QUERIES[2]) as moments:
        [emptied] = [one for one in moments.differences if isinstance(one, ObjectStatistics)]
        assert emptied.how == "emptied"
        found = moments.planned(moments.differences, is_generic=False)
        assert isinstance(found, Plan)
        assert (moments.shape_of(found).hash, found.cost) == before


def test_what_only_can_be_planned_for_any_values_is(database: Database) -> None:
    image = database.image()
    for text, values, modes in (
        ("SELECT * FROM item WHERE kind = $1", (), (True,)),
        ("SELECT * FROM item WHERE kind = $1", ("3",), (False, True)),
        ("SELECT * FROM item", (), (False,)),
    ):
        asked: Query = query(text, *values)
        with TwinMoments(image, image, asked) as moments:
            assert moments.modes == modes
            assert all(isinstance(moments.planned((), is_generic=mode), Plan) for mode in modes)
