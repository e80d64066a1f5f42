"""Reading what a person wrote: CREATE INDEX, CREATE STATISTICS, names of indexes and columns, name=value."""

from __future__ import annotations

import pytest

from trimtab.db.connection import Connection
from trimtab.errors import UsageError
from trimtab.model.change import DropStatistics
from trimtab.model.whatif import CreateExpressionStatistics, DropStatisticsElsewhere, StatisticsTarget
from trimtab.twin.ddl import create_index, create_statistics, drop, set_setting, statistics_target

pytestmark = pytest.mark.server


@pytest.mark.parametrize(
    ("text", "tail"),
    [
        ("CREATE INDEX i ON orders (city)", "USING btree (city)"),
        ("create index concurrently if not exists i on only public.orders(city desc)", "USING btree (city desc)"),
        (
            "CREATE INDEX i ON orders USING gin (to_tsvector('simple', note)) WITH (fastupdate = off) -- so",
            "USING gin (to_tsvector('simple', note)) WITH (fastupdate = off)",
        ),
        (
            "/* a */ CREATE INDEX i /* b */ ON orders /* c */ (lower(city)) INCLUDE (zip) WHERE status = 'on (x)' ;",
            "USING btree (lower(city)) INCLUDE (zip) WHERE status = 'on (x)'",
        ),
    ],
)
def test_the_definition_is_taken_over_as_written(shop: Connection, text: str, tail: str) -> None:
    change = create_index(text, shop, 1)
    assert (change.schema, change.table, change.name, change.tail) == ("public", "orders", "i", tail)


def test_names_and_columns(shop: Connection) -> None:
    change = create_index("CREATE INDEX ON orders (city, lower(note), zip) INCLUDE (total)", shop, 7)
    assert (change.name, change.key_columns, change.include_columns) == ("hypothetical_7", ("city", "zip"), ("total",))
    odd = create_index('CREATE INDEX ON "Mixed Case"."Wäre ""1"" Lager" ("Teil Nr")', shop, 1)
    assert (odd.schema, odd.table, odd.tail) == ("Mixed Case", 'Wäre "1" Lager', 'USING btree ("Teil Nr")')


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("CREATE UNIQUE INDEX ON orders (id)", "twin.index_statement"),
        ("SELECT 1", "twin.index_statement"),
        ("CREATE INDEX ON orders (", "twin.index_statement"),
        ("CREATE INDEX ON orders (id); CREATE INDEX ON orders (id)", "twin.index_statement"),
        ("", "twin.index_statement"),
        ("CREATE INDEX ON ONLY event (at)", "twin.index_statement"),
        ("CREATE INDEX ON nothing (id)", "twin.no_such_table"),
        ("CREATE INDEX ON pg_class (relpages)", "twin.no_such_table"),
        ("CREATE INDEX ON information_schema.sql_features (feature_id)", "twin.no_such_table"),
        ("CREATE INDEX ON open_orders (id)", "twin.no_such_table"),
        ("CREATE INDEX ON nowhere.orders (id)", "twin.no_such_table"),
    ],
)
def test_what_cannot_be_hypothetical_is_refused(shop: Connection, text: str, code: str) -> None:
    with pytest.raises(UsageError) as refused:
        create_index(text, shop, 1)
    assert refused.value.code == code


def test_statistics_are_read_with_their_columns_and_kinds(shop: Connection) -> None:
    change = create_statistics("CREATE STATISTICS ON city, zip FROM orders", shop, 3)
    assert (change.schema, change.table, change.name) == ("public", "orders", "hypothetical_3")
    assert (change.columns, change.kinds) == (("city", "zip"), ("ndistinct", "dependencies", "mcv"))
    text = (
        'create statistics "Mixed Case"."S ""1""" (MCV) on "select", "größe" from only "Mixed Case"."Wäre ""1"" Lager"'
    )
    odd = create_statistics(text, shop, 1)
    assert (odd.schema, odd.table, odd.name) == ("Mixed Case", 'Wäre "1" Lager', 'S "1"')
    assert (odd.columns, odd.kinds) == (("select", "größe"), ("mcv",))


def test_expressions_of_statistics_are_taken_over_as_they_are_written(shop: Connection) -> None:
    text = (
        "create statistics (mcv) -- of two\n on lower(city), zip /* of\n it */, (substring(city from 1 for 2)),"
        " (array[zip, (zip + 1)] -- both\n || 3) from orders -- all"
    )
    found = create_statistics(text, shop, 4)
    assert found == CreateExpressionStatistics(
        "public", "orders", "hypothetical_4", ("zip",), ("mcv",),
        ("lower(city)", "(substring(city from 1 for 2))", "(array[zip, (zip + 1)] -- both\n || 3)"),
    )  # fmt: skip
    alone = create_statistics("CREATE STATISTICS ON (zip / 10) FROM orders", shop, 1)
    assert (alone.columns, alone.kinds) == ((), ())
    assert alone.sql() == 'CREATE STATISTICS "public"."hypothetical_1" ON ((zip / 10)) FROM "public"."orders"'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("CREATE STATISTICS s ON city, zip FROM orders, customer", "twin.statistics_statement"),
        ("CREATE STATISTICS s ON city, zip FROM (SELECT 1) o", "twin.statistics_statement"),
        ("CREATE STATISTICS archive.s ON city, zip FROM orders", "twin.statistics_statement"),
        ("CREATE STATISTICS s ON city, zip FROM orders; DROP TABLE orders", "twin.statistics_statement"),
        ("CREATE INDEX ON orders (city)", "twin.statistics_statement"),
        ("CREATE STATISTICS", "twin.statistics_statement"),
        ("", "twin.statistics_statement"),
        ("CREATE STATISTICS s ON a, b FROM nothing", "twin.no_such_table"),
    ],
)
def test_statistics_that_cannot_be_hypothetical_are_refused(shop: Connection, text: str, code: str) -> None:
    with pytest.raises(UsageError) as refused:
        create_statistics(text, shop, 1)
    assert refused.value.code == code


def test_a_target_is_a_column_and_a_number(shop: Connection) -> None:
    assert statistics_target("orders.city=1000", shop) == StatisticsTarget("public", "orders", "city", 1000)
    assert statistics_target("Archive.orders.Total = -1", shop) == StatisticsTarget("archive", "orders", "total", -1)
    odd = statistics_target('"Mixed Case"."Wäre ""1"" Lager"."Teil Nr"=0', shop)
    assert odd == StatisticsTarget("Mixed Case", 'Wäre "1" Lager', "Teil Nr", 0)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("city=100", "twin.target"),
        ("orders.city", "twin.target"),
        ("orders.city=", "twin.target"),
        ("orders.city=much", "twin.target"),
        ("=100", "twin.target"),
        ("", "twin.target"),
        ("a.b.c.d=100", "twin.target"),
        ("orders.*=100", "twin.target"),
        ("orders.city AS x=100", "twin.target"),
        ("orders.city FROM orders=100", "twin.target"),
        ("orders.city, orders.zip=100", "twin.target"),
        ("orders.city; DROP TABLE orders; SELECT a.b=100", "twin.target"),
        ("orders.city\0=100", "twin.target"),
        ("nothing.city=100", "twin.no_such_table"),
    ],
)
def test_what_is_no_target_is_refused(shop: Connection, text: str, code: str) -> None:
    with pytest.raises(UsageError) as refused:
        statistics_target(text, shop)
    assert refused.value.code == code


def test_an_index_is_found_by_its_written_name(shop: Connection) -> None:
    found = drop("orders_pkey", shop)
    assert (found.schema, found.table, found.name) == ("public", "orders", "orders_pkey")
    assert drop("archive.orders_pkey", shop).schema == "archive"


def test_a_statistics_object_is_found_by_its_written_name(shop: Connection) -> None:
    kinds = ("ndistinct", "dependencies", "mcv")
    found = DropStatistics("public", "orders", "orders_city_zip", ("city", "zip"), kinds)
    for name in ("orders_city_zip", "ORDERS_city_zip", 'public."orders_city_zip"'):
        assert drop(name, shop) == found
    with shop.transaction(force_rollback=True):
        shop.execute("CREATE STATISTICS archive.elsewhere (mcv) ON city, status FROM orders")
        assert drop("archive.elsewhere", shop) == DropStatisticsElsewhere(
            "archive", "orders", "elsewhere", ("status", "city"), ("mcv",), "public"
        )


@pytest.mark.parametrize(
    "name", ["absent", "orders", 'a"b', "", "a.b.c.d", "x; drop table orders", "archive.orders_city_zip", '"Orders"']
)
def test_what_is_no_index_and_no_statistics_object_is_refused(shop: Connection, name: str) -> None:
    with pytest.raises(UsageError) as refused:
        drop(name, shop)
    assert refused.value.code == "twin.no_such_index"


def test_a_setting_is_a_name_and_a_value() -> None:
    change = set_setting(" work_mem = 64MB ")
    assert (change.name, change.value) == ("work_mem", "64MB")
    assert set_setting("search_path=").value == ""
    for text in ("work_mem", "=1", ""):
        with pytest.raises(UsageError) as refused:
            set_setting(text)
        assert refused.value.code == "twin.setting"
