"""Claims about what differs between two images of one database: all that plans depend on, by name, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from trimtab.db.connection import connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.flip import (
    IndexDifference,
    ObjectStatistics,
    SchemaDifference,
    SettingDifference,
    TableSize,
    TableStatistics,
    VersionDifference,
)
from trimtab.twin.capture import Image, read_image
from trimtab.twin.definitions import Definitions
from trimtab.twin.difference import Standpoint, differences, same_indexes
from trimtab.twin.image import load, save

from .shop import silent

pytestmark = pytest.mark.server

_SCHEMA = """
CREATE TABLE item (id int PRIMARY KEY, kind int, place int, word text) WITH (autovacuum_enabled = off);
CREATE TABLE visit (at int, kind int) PARTITION BY RANGE (at);
CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM (0) TO (1000) WITH (autovacuum_enabled = off);
CREATE TABLE visit_2 PARTITION OF visit DEFAULT WITH (autovacuum_enabled = off);
CREATE INDEX item_kind ON item (kind) INCLUDE (place) WHERE kind > 0;
CREATE INDEX visit_kind ON visit (kind);
CREATE STATISTICS item_both ON kind, place FROM item;
CREATE VIEW kinds AS SELECT kind, count(*) FROM item GROUP BY kind;
CREATE FUNCTION visits() RETURNS bigint LANGUAGE sql SET work_mem = '4MB' AS 'SELECT count(*) FROM visit';
INSERT INTO item SELECT n, n % 50, n % 50 / 5, 'word ' || n FROM generate_series(1, 3000) n;
INSERT INTO visit SELECT n, n % 9 FROM generate_series(1, 3000) n;
CREATE TABLE aside (id int) WITH (autovacuum_enabled = off);
ANALYZE
"""


class Database:
    """A database that changes between two images of it."""

    def __init__(self, server: Server, name: str) -> None:
        self.dsn = server.dsn(name)

    def run(self, *statements: str) -> None:
        with closing(connect(self.dsn, read_only=False)) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def image(self) -> Image:
        return read_image(self.dsn, Binaries.find(), progress=silent)


@pytest.fixture
def database(source: Server) -> Iterator[Database]:
    with closing(connect(source.dsn(), read_only=False)) as connection:
        connection.execute(b"CREATE DATABASE moments")
        found = Database(source, "moments")
        found.run(*_SCHEMA.split(";\n"))
        yield found
        connection.execute(b"DROP DATABASE moments WITH (FORCE)")
        connection.execute(b"ALTER ROLE reader RESET ALL")


def test_two_images_of_one_state_differ_in_nothing(database: Database) -> None:
    assert differences(database.image(), database.image()) == ()


def test_each_change_is_one_difference_by_its_name(database: Database) -> None:
    def found(*statements: str, standpoint: Standpoint | None = None) -> set[object]:
        before = database.image()
        database.run(*statements)
        return set(differences(before, database.image(), standpoint))

    assert found("ALTER TABLE aside SET (parallel_workers = 3)") == {SchemaDifference("public", "aside")}
    assert found("DROP INDEX item_kind") == {IndexDifference("public", "item_kind", "item", "dropped")}
    made = found("CREATE INDEX item_kind ON item (place)")
    assert made == {IndexDifference("public", "item_kind", "item", "created")}
    changed = found("DROP INDEX item_kind", "CREATE INDEX item_kind ON item (place DESC)")
    assert changed == {IndexDifference("public", "item_kind", "item", "changed")}
    assert found("DROP INDEX visit_kind") == {IndexDifference("public", "visit_kind", "visit", "dropped")}
    lost = found("DROP STATISTICS item_both")
    assert lost == {ObjectStatistics("public", "item_both", "public", "item", "dropped")}
    analyzed = found("UPDATE visit SET kind = 3 WHERE at = 5", "ANALYZE visit_1")
    assert analyzed == {TableStatistics("public", "visit")}
    assert found("CREATE OR REPLACE VIEW kinds AS SELECT kind, count(*) FROM item WHERE kind > 1 GROUP BY kind") == {
        SchemaDifference("public", "kinds")
    }
    assert found("ALTER TABLE item ADD CHECK (kind < 4000)") == {SchemaDifference("public", "item")}
    assert found("CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'") == {SchemaDifference("", "")}


def test_settings_are_told_by_the_level_that_was_changed(database: Database) -> None:
    def found(*statements: str, standpoint: Standpoint | None = None) -> set[object]:
        before = database.image()
        database.run(*statements)
        return set(differences(before, database.image(), standpoint))

    reader = Standpoint("reader")
    assert found("ALTER DATABASE moments SET work_mem = '9MB'") == {
        SettingDifference("work_mem", "database", "moments")
    }
    assert found("ALTER ROLE reader SET random_page_cost = 9", standpoint=reader) == {
        SettingDifference("random_page_cost", "role", "reader")
    }
    assert found("ALTER ROLE reader SET random_page_cost = 8") == set()  # Another role's.
    assert found("ALTER ROLE reader IN DATABASE moments SET enable_sort = off", standpoint=reader) == {
        SettingDifference("enable_sort", "role in database", "reader")
    }
    assert found("ALTER SYSTEM SET seq_page_cost = 2", "SELECT pg_reload_conf()", "SELECT pg_sleep(0.2)") == {
        SettingDifference("seq_page_cost", "server", "")
    }
    database.run("ALTER SYSTEM RESET seq_page_cost", "SELECT pg_reload_conf()")
    within = Standpoint(function="public.visits()")
    changed = found("ALTER FUNCTION visits() SET work_mem = '5MB'", standpoint=within)
    assert SettingDifference("work_mem", "function", "public.visits()") in changed


def test_growth_is_told_with_the_rows_that_the_planner_takes_them_for(database: Database) -> None:
    before = database.image()
    database.run("INSERT INTO visit SELECT n % 3000, 1 FROM generate_series(1, 27000) n")
    [grown] = differences(before, database.image())
    assert isinstance(grown, TableSize)
    assert (grown.table, grown.rows_before) == ("visit", 3000)
    assert 27_000 < grown.rows_now < 33_000
    assert grown.pages_now > 5 * grown.pages_before
    database.run("ANALYZE visit")
    assert {type(one) for one in differences(before, database.image())} == {TableSize, TableStatistics}


def test_a_new_partition_is_of_the_schema_and_another_version_is_told(database: Database) -> None:
    before = database.image()
    database.run("CREATE TABLE visit_3 PARTITION OF visit FOR VALUES FROM (90000) TO (99000)")
    now = database.image()
    assert SchemaDifference("public", "visit_3") in differences(before, now)
    older = Image(replace(now.source, version=170004), now.schema)
    assert differences(older, now) == (VersionDifference(17, 18),)


def test_definitions_are_in_the_portable_file_and_in_dictionaries(database: Database, tmp_path: Path) -> None:
    image = database.image()
    save(image, tmp_path / "moments.twin")
    assert load(tmp_path / "moments.twin").source.definitions == image.source.definitions
    assert Definitions.from_dict(asdict(image.source.definitions)) == image.source.definitions
    assert Image.from_dict(image.to_dict()) == image
    tops = image.source.definitions.tops()
    assert tops["public", "visit_1"] == ("public", "visit")
    assert tops["public", "visit_1_kind_idx"] == ("public", "visit_kind")
    tails = {index.name: index.tail for index in image.source.definitions.indexes}
    assert tails["item_kind"] == "USING btree (kind) INCLUDE (place) WHERE (kind > 0)"
    assert tails["visit_kind"] == "USING btree (kind)"


def test_an_index_that_is_the_same_under_another_name_is_no_difference(database: Database) -> None:
    before = database.image()
    database.run("ALTER INDEX item_kind RENAME TO put_back")
    now = database.image()
    assert differences(before, now) == ()
    assert same_indexes(before.source.definitions, now.source.definitions) == {"put_back": "item_kind"}
    database.run("DROP INDEX put_back", "CREATE INDEX put_back ON item (kind) WHERE kind > 0")
    other = differences(before, database.image(), index_names={"put_back": "item_kind"})
    assert IndexDifference("public", "item_kind", "item", "dropped") in other
    assert IndexDifference("public", "put_back", "item", "created", "item_kind") in other
