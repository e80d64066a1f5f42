"""Claims about the generated shop: what a seed decides, what the rows are like, and which traps lie in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg
import pytest

from trimtab.demo.catalogue import CUSTOMERS, PRODUCTS, WAREHOUSES_PER_PRODUCT
from trimtab.demo.data import digest, generators, load
from trimtab.demo.sales import ORDERS
from trimtab.errors import UsageError

from .conftest import SCALE, SEED, SmallShop


@pytest.fixture
def shop(small_shop: SmallShop) -> Iterator[psycopg.Connection]:
    with psycopg.connect(small_shop.dsn, autocommit=True) as connection:
        yield connection


def one(shop: psycopg.Connection, query: bytes) -> Sequence[object]:
    row = shop.execute(query).fetchone()
    assert row is not None
    return row


def test_the_same_seed_and_scale_give_the_same_bytes() -> None:
    assert digest(3, 0.01) == digest(3, 0.01)


def test_another_seed_gives_other_bytes() -> None:
    assert digest(3, 0.01) != digest(4, 0.01)


def test_these_bytes_are_those_of_every_machine() -> None:
    assert digest(42, 0.01) == "75cee7f2624b77cc9c2fec7acd59f44b11fac48f71fc20f985cf5466f2a9cad3"


def test_the_full_shop_has_over_two_million_rows_in_at_least_twelve_tables() -> None:
    tables = [make().row_count for make in generators(42, 1.0)]
    assert len(tables) >= 12
    assert sum(tables) >= 2_000_000


def test_no_table_has_columns_of_different_lengths() -> None:
    for make in generators(SEED, 0.01):
        assert len({len(column) for column in make().columns.values()}) == 1


@pytest.mark.server
def test_what_load_returns_is_what_the_database_holds(small_shop: SmallShop, shop: psycopg.Connection) -> None:
    counted = {table: one(shop, f'SELECT count(*) FROM "{table}"'.encode())[0] for table in small_shop.rows}
    assert small_shop.rows["orders"] == round(ORDERS * SCALE)
    assert small_shop.rows["customers"] == round(CUSTOMERS * SCALE)
    assert small_shop.rows["inventory"] == round(PRODUCTS * SCALE) * WAREHOUSES_PER_PRODUCT
    assert {table for table, count in counted.items() if not count} == set()
    assert counted["suppliers"] == small_shop.rows["suppliers"]
    assert counted["shipments"] == small_shop.rows["shipments"]


@pytest.mark.server
def test_every_table_reports_its_progress_up_to_its_last_row(small_shop: SmallShop) -> None:
    last = dict(small_shop.reports)
    assert {table: last[table] for table in small_shop.rows} == small_shop.rows


@pytest.mark.server
def test_a_database_that_has_tables_is_refused(small_shop: SmallShop) -> None:
    with pytest.raises(UsageError) as refusal:
        load(small_shop.dsn, scale=0.01, progress=lambda what, count: None)
    assert refusal.value.code == "demo.database_not_empty"


@pytest.mark.server
@pytest.mark.parametrize(
    ("table", "decides", "decided"),
    [
        ("customers", "city", "region, country"),
        ("products", "brand", "category, department"),
        ("orders", "country", "storefront, currency, tax_zone"),
    ],
)
def test_correlated_columns_follow_from_one(shop: psycopg.Connection, table: str, decides: str, decided: str) -> None:
    query = f"SELECT count(DISTINCT {decides}), count(DISTINCT ({decides}, {decided})) FROM {table}"
    alone, together = one(shop, query.encode())
    assert alone == together


@pytest.mark.server
def test_only_young_orders_are_open_and_only_delivered_ones_have_a_delivery(shop: psycopg.Connection) -> None:
    query = (
        b"SELECT count(*) FILTER (WHERE status IN ('pending', 'paid') AND ordered_at < '2025-12-27'),"
        b" count(*) FILTER (WHERE (status = 'delivered') <> (delivered_at IS NOT NULL)) FROM orders"
    )
    assert tuple(one(shop, query)) == (0, 0)


@pytest.mark.server
def test_customers_and_products_are_skewed(shop: psycopg.Connection) -> None:
    query = (
        b"SELECT max(n) > 20 * avg(n) FROM (SELECT count(*) AS n FROM order_items GROUP BY product_id) AS per_product"
    )
    assert one(shop, query)[0] is True
    query = b"SELECT max(n) > 10 * avg(n) FROM (SELECT count(*) AS n FROM orders GROUP BY customer_id) AS per_customer"
    assert one(shop, query)[0] is True


@pytest.mark.server
def test_the_very_late_shipments_are_all_recent_and_lie_anywhere(shop: psycopg.Connection) -> None:
    query = (
        b"SELECT count(*) FILTER (WHERE very_late), avg(1 - place) FILTER (WHERE very_late) < 0.1,"
        b" abs(corr(place, id)) < 0.1 FROM (SELECT id, delivered_at - promised_at > interval '8 days' AS very_late,"
        b" percent_rank() OVER (ORDER BY shipped_at) AS place FROM shipments) AS placed"
    )
    late, are_recent, is_unordered = one(shop, query)
    assert isinstance(late, int)
    assert late > 0
    assert are_recent
    assert is_unordered


@pytest.mark.server
def test_one_index_repeats_another_and_one_begins_another(shop: psycopg.Connection) -> None:
    rows = shop.execute(
        "SELECT a.relname, b.relname, i.indkey::text = j.indkey::text"
        " FROM pg_index i JOIN pg_index j ON i.indrelid = j.indrelid AND i.indexrelid <> j.indexrelid"
        " AND (j.indkey::text = i.indkey::text OR starts_with(j.indkey::text, i.indkey::text || ' '))"
        " JOIN pg_class a ON a.oid = i.indexrelid JOIN pg_class b ON b.oid = j.indexrelid"
        " WHERE NOT i.indisunique AND NOT j.indisunique"
    ).fetchall()
    assert set(rows) == {
        ("stock_movements_tracking_idx", "stock_movements_tracking_code_idx", True),
        ("stock_movements_tracking_code_idx", "stock_movements_tracking_idx", True),
        ("stock_movements_product_idx", "stock_movements_product_counted_idx", False),
    }


@pytest.mark.server
def test_new_rows_get_ids_behind_the_loaded_ones(shop: psycopg.Connection) -> None:
    with shop.transaction(force_rollback=True):
        highest = one(shop, b"SELECT max(id) FROM reviews")[0]
        query = (
            b"INSERT INTO reviews (product_id, customer_id, rating, created_at, title)"
            b" VALUES (1, 1, 5, now(), 'new') RETURNING id"
        )
        fresh = one(shop, query)[0]
    assert isinstance(highest, int)
    assert isinstance(fresh, int)
    assert fresh > highest


@pytest.mark.server
def test_every_table_has_planner_statistics(shop: psycopg.Connection) -> None:
    query = (
        b"SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples < 1"
    )
    assert one(shop, query)[0] == 0
