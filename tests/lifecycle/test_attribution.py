"""Claims about plan flips on a real server: each kind of cause is named, proven, and told without any value."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import pytest

from trimtab.anchor.steering import steering
from trimtab.db.connection import connect
from trimtab.db.explain import explain
from trimtab.db.sql import split
from trimtab.embedded import binaries
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.lifecycle.anchoring import AnchorRequest, create
from trimtab.lifecycle.attribution import why_flipped, why_flipped_now
from trimtab.lifecycle.comparing import compare
from trimtab.lifecycle.explaining import ExplainRequest, explain_plans
from trimtab.lifecycle.watch_why import WhyRequest, why
from trimtab.model.flip import (
    Attribution,
    CauseKind,
    IndexDifference,
    ObjectStatistics,
    ParameterDifference,
    SettingDifference,
    VersionDifference,
)
from trimtab.model.plan_shape import PlanShape, plan_shape
from trimtab.model.watch import Silent
from trimtab.model.workload import Query, QueryKind
from trimtab.twin.capture import Image, read_image
from trimtab.twin.difference import Standpoint
from trimtab.twin.moments import TwinMoments

pytestmark = pytest.mark.server

_PLANTED = "Sesame"
_SCHEMA = f"""
CREATE TABLE item (id int PRIMARY KEY, kind int, city int, zip int, word text NOT NULL) WITH (autovacuum_enabled = off);
CREATE TABLE visit (at int NOT NULL, item int, kind int) PARTITION BY RANGE (at);
CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM (0) TO (5000) WITH (autovacuum_enabled = off);
CREATE TABLE visit_2 PARTITION OF visit DEFAULT WITH (autovacuum_enabled = off);
CREATE UNIQUE INDEX item_word ON item (word);
CREATE INDEX item_kind ON item (kind);
CREATE INDEX visit_kind ON visit (kind);
CREATE STATISTICS item_place ON city, zip FROM item;
INSERT INTO item SELECT n, CASE WHEN n % 10 < 9 THEN 0 ELSE n % 700 END, n % 100, n % 100 / 2, '{_PLANTED} ' || n
  FROM generate_series(1, 20000) n;
INSERT INTO visit SELECT n % 10000, 1 + n % 20000, n % 800 FROM generate_series(1, 20000) n;
VACUUM ANALYZE
"""
_numbers = itertools.count(1)


def query(text: str, *parameters: str) -> Query:
    [statement] = split(text)
    return Query(
        "q", "q", statement.text, statement.normalized_text, 1.0, QueryKind.READ, statement.parameter_count, parameters
    )


RARE = query("SELECT * FROM item WHERE kind = $1", "19")
SOME = query("SELECT * FROM item WHERE kind > $1", "400")
COMMON = query("SELECT * FROM item WHERE kind = $1", "0")
VISITS = query("SELECT * FROM visit WHERE kind = $1", "17")
PLACED = query("SELECT * FROM item WHERE city = $1 AND zip = $2 ORDER BY kind LIMIT 5", "57", "28")
JOINED = query("SELECT * FROM visit v JOIN item i ON i.kind = v.kind WHERE i.city < 50")
GROW = (
    "INSERT INTO item SELECT n, CASE WHEN n % 10 < 9 THEN 0 ELSE n % 700 END, n % 100, n % 100 / 2, 'new ' || n"
    " FROM generate_series(20001, 200000) n"
)
FOUND = query("SELECT * FROM item WHERE word = $1", f"{_PLANTED} 7")


class Database:
    """A database that changes, and what is asked of it."""

    def __init__(self, server: Server, name: str) -> None:
        self.name, self.dsn = name, server.dsn(name)

    def run(self, *statements: str) -> None:
        with closing(connect(self.dsn, read_only=False)) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def image(self) -> Image:
        return read_image(self.dsn, Binaries.find(), progress=lambda _done, _total, _what: None)

    def shape(self, asked: Query, *, generic: bool | None = None) -> PlanShape:
        with closing(connect(self.dsn, read_only=True)) as connection:
            return plan_shape(explain(connection, asked, generic=generic), self.image().source.definitions.tops())

    def why(self, asked: Query, *statements: str) -> Attribution:
        """Change it, and return why the query's plan flipped; it must."""
        old, shape = self.image(), self.shape(asked)
        self.run(*statements)
        found = why_flipped_now(old, self.dsn, asked, shape)
        assert found is not None, "the plan did not flip"
        assert _PLANTED not in repr(asdict(found))
        return found


@pytest.fixture(scope="module")
def template(counting_server: Server) -> str:
    with closing(connect(counting_server.dsn(), read_only=False)) as connection:
        connection.execute(b"CREATE DATABASE flipping")
        connection.execute(b"CREATE ROLE flipper LOGIN")
    with closing(connect(counting_server.dsn("flipping"), read_only=False)) as connection:
        for statement in _SCHEMA.split(";\n"):
            connection.execute(statement.encode())
    return "flipping"


@pytest.fixture
def database(counting_server: Server, template: str) -> Iterator[Database]:
    name = f"flipped_{next(_numbers)}"
    with closing(connect(counting_server.dsn(), read_only=False)) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        database = Database(counting_server, name)
        database.run(f"ALTER DATABASE {name} SET max_parallel_workers_per_gather = 0")
        yield database
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_a_dropped_index_is_named_among_other_changes_and_its_proof_holds(database: Database) -> None:
    found = database.why(RARE, "DROP INDEX item_kind", "ANALYZE item", "CREATE INDEX item_zip ON item (zip)")
    assert (found.kind, found.causes) == (CauseKind.INDEX, (IndexDifference("public", "item_kind", "item", "dropped"),))
    assert found.old.indexes == {"item_kind"}
    assert found.new.lines == ("Seq Scan on public.item",)
    as_it_is, restored = found.proof[0], found.proof[-1]
    assert (as_it_is.without, as_it_is.shape, as_it_is.is_old_shape) == ((), found.new.hash, False)
    assert (restored.without, restored.shape, restored.is_old_shape) == (found.causes, found.old.hash, True)
    assert as_it_is.cost is not None
    assert restored.cost is not None
    assert restored.cost < as_it_is.cost
    assert found.engine_version // 10000 == 18


def test_an_index_of_all_partitions_is_named_as_one(database: Database) -> None:
    found = database.why(VISITS, "DROP INDEX visit_kind")
    assert found.causes == (IndexDifference("public", "visit_kind", "visit", "dropped"),)
    assert len(found.old.lines) == 2  # Both partitions are one.


def test_a_dropped_unique_index_is_named_though_none_can_be_thought_there(database: Database) -> None:
    found = database.why(FOUND, "DROP INDEX item_word")
    assert found.causes == (IndexDifference("public", "item_word", "item", "dropped"),)


def test_a_created_index_is_named(database: Database) -> None:
    found = database.why(query("SELECT * FROM item WHERE zip = 7"), "CREATE INDEX item_zip ON item (zip)")
    assert found.causes == (IndexDifference("public", "item_zip", "item", "created"),)


def test_analyze_after_a_skewed_load_is_named_with_its_table(database: Database) -> None:
    found = database.why(RARE, "UPDATE item SET kind = 19 WHERE id % 2 = 0", "ANALYZE item", "ANALYZE visit")
    assert found.kind is CauseKind.STATISTICS
    assert [str(cause) for cause in found.causes] == ["statistics of public.item"]


def test_a_setting_is_named_with_its_level(database: Database) -> None:
    found = database.why(RARE, f"ALTER DATABASE {database.name} SET random_page_cost = 400", "ANALYZE item")
    assert found.causes == (SettingDifference("random_page_cost", "database", database.name),)


def test_two_settings_of_which_neither_alone_restores_the_plan_are_named_together(database: Database) -> None:
    scope = f"ALTER DATABASE {database.name} SET"
    found = database.why(
        SOME, f"{scope} enable_bitmapscan = off", f"{scope} random_page_cost = 400", f"{scope} work_mem = '9MB'"
    )
    assert found.kind is CauseKind.SETTING
    assert {getattr(cause, "name", "") for cause in found.causes} == {"enable_bitmapscan", "random_page_cost"}


def test_a_setting_of_the_function_that_runs_the_query_is_named(database: Database) -> None:
    database.run("CREATE FUNCTION rare() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM item WHERE kind > 400'")
    old, shape = database.image(), database.shape(SOME)
    database.run("ALTER FUNCTION rare() SET enable_bitmapscan = off")
    with closing(connect(database.dsn, read_only=True)) as connection:
        now = plan_shape(explain(connection, SOME, settings={"enable_bitmapscan": "off"}), {})
    found = why_flipped(old, database.image(), SOME, (shape, now), standpoint=Standpoint(function="public.rare()"))
    assert found.causes == (SettingDifference("enable_bitmapscan", "function", "public.rare()"),)


def test_a_setting_of_the_role_that_runs_the_query_is_named(database: Database, counting_server: Server) -> None:
    database.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO flipper")
    old, shape = database.image(), database.shape(SOME)
    database.run(f"ALTER ROLE flipper IN DATABASE {database.name} SET enable_bitmapscan = off")
    with closing(connect(counting_server.dsn(database.name, user="flipper"), read_only=True)) as connection:
        now = plan_shape(explain(connection, SOME), {})
    found = why_flipped(old, database.image(), SOME, (shape, now), standpoint=Standpoint("flipper"))
    assert found.causes == (SettingDifference("enable_bitmapscan", "role in database", "flipper"),)


def test_lost_extended_statistics_are_named(database: Database) -> None:
    found = database.why(PLACED, "DROP STATISTICS item_place")
    assert found.causes == (ObjectStatistics("public", "item_place", "public", "item", "dropped"),)
    assert found.kind is CauseKind.EXTENDED_STATISTICS


def test_ten_times_the_rows_is_growth(database: Database) -> None:
    found = database.why(JOINED, GROW, "ANALYZE item")
    assert found.kind is CauseKind.DATA_GROWTH
    assert {getattr(cause, "table", "") for cause in found.causes} == {"item"}


def test_settings_that_restore_the_plan_after_growth_do_so_on_the_source(database: Database) -> None:
    old, shape = database.image(), database.shape(JOINED)
    database.run(GROW, "ANALYZE item")
    now = database.shape(JOINED)
    assert now.hash != shape.hash
    with TwinMoments(old, database.image(), JOINED) as moments:
        settings = steering(moments, shape, now)
    assert settings is not None
    with closing(connect(database.dsn, read_only=True)) as connection:
        steered = explain(connection, JOINED, settings=settings)
    assert plan_shape(steered, old.source.definitions.tops()).hash == shape.hash


def test_a_switch_to_a_generic_plan_is_named_though_statistics_moved_too(database: Database) -> None:
    old, custom = database.image(), database.shape(COMMON)
    database.run("ANALYZE item", "ANALYZE visit")
    generic = database.shape(COMMON, generic=True)
    assert custom.hash != generic.hash
    found = why_flipped(old, database.image(), COMMON, (custom, generic))
    assert found.kind is CauseKind.GENERIC_PLAN
    assert {trial.is_generic for trial in found.proof} == {False, True}


def test_values_of_another_class_are_named(database: Database) -> None:
    image = database.image()
    shapes = database.shape(RARE), database.shape(COMMON)
    assert shapes[0].hash != shapes[1].hash
    found = why_flipped(image, image, COMMON, shapes, others=[RARE], was_generic=False)
    assert found.causes == (ParameterDifference(),)


def test_a_view_that_is_defined_otherwise_is_named(database: Database) -> None:
    database.run("CREATE VIEW chosen AS SELECT * FROM item WHERE kind = 19")
    found = database.why(
        query("SELECT * FROM chosen"), "CREATE OR REPLACE VIEW chosen AS SELECT * FROM item WHERE kind % 700 = 19"
    )
    assert (found.kind, [str(cause) for cause in found.causes]) == (CauseKind.SCHEMA, ["schema of public.chosen"])


def test_what_no_difference_explains_is_not_attributed(database: Database) -> None:
    image = database.image()
    shapes = database.shape(RARE), database.shape(COMMON)
    assert not why_flipped(image, image, RARE, shapes).is_attributed
    found = why_flipped(image, image, COMMON, shapes, was_generic=False)
    assert (found.kind, found.causes) == (None, ())


def test_a_plan_that_is_as_it_was_has_no_cause(database: Database) -> None:
    old, shape = database.image(), database.shape(RARE)
    database.run("ANALYZE")
    assert why_flipped_now(old, database.dsn, RARE, shape) is None


@pytest.mark.system_postgres
def test_an_upgrade_is_named_where_only_the_planner_of_before_makes_the_old_plan(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = sorted(Path("/usr/lib/postgresql").glob("15/bin"))
    if not places:
        pytest.skip("the system has no PostgreSQL 15")
    older, ledger = Binaries.find(places[0]), tmp_path / "ledger.db"
    # PostgreSQL 16 began to read a DISTINCT aggregate's input in the order of an index.
    asked = query("SELECT count(DISTINCT kind), sum(kind) FROM item")
    with Server.create(older, purpose="flip-15") as server:
        with closing(connect(server.dsn(), read_only=False)) as connection:
            for statement in _SCHEMA.split(";\n"):
                connection.execute(statement.encode())
        before = create(AnchorRequest(server.dsn(), ledger, (asked.text,)), Silent()).anchor
    database.run("ALTER TABLE item ALTER word SET STATISTICS 10", "ANALYZE item")
    request = ExplainRequest(database.dsn, ledger, before.id, (asked.text,))
    [plan] = explain_plans(request, Silent()).changed
    assert plan.attribution is not None
    assert (plan.attribution.kind, plan.attribution.causes) == (CauseKind.VERSION, (VersionDifference(15, 18),))
    # On the old programs, with the statistics of now: nothing else was taken back.
    assert (plan.attribution.proof[-1].without, plan.attribution.proof[-1].is_old_shape) == (
        (VersionDifference(15, 18),),
        True,
    )
    # A watcher's inquiry into an alarm goes the same way.
    [level] = before.queries
    told = why(WhyRequest(database.dsn, str(ledger), before.id, level.query_id, "", asked.text, ""))
    assert cast("dict[str, Any]", told["found"])["kind"] == "version"
    after = create(AnchorRequest(database.dsn, ledger, (asked.text,)), Silent()).anchor
    compared = compare(before, after, error_rate=0.01, margin=0.1)
    assert f"the server was PostgreSQL {older.version[0]}.{older.version[1]} and is" in " ".join(compared.differences)
    # Where the programs of then are not at hand, nobody guesses.
    monkeypatch.setattr(binaries, "_local_directories", lambda _major: iter(()))
    [plan] = explain_plans(request, Silent()).changed
    assert plan.attribution is not None
    assert plan.attribution.kind is None
    assert "no programs of PostgreSQL 15 are on this machine" in plan.attribution.reason
    [plan] = explain_plans(replace(request, pg_bin=places[0]), Silent()).changed
    assert plan.attribution is not None
    assert plan.attribution.kind is CauseKind.VERSION
