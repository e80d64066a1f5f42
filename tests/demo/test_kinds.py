"""Every kind of index is found on the demo's shop where it is right: as a query asks, and where there is room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from trimtab.api import IndexWishes, advise_indexes
from trimtab.demo.data import load
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.lifecycle.indexes import Advice

pytestmark = [pytest.mark.server, pytest.mark.slow]

DAY = "SELECT count(*), max(id) FROM stock_movements WHERE moved_at >= '2025-12-29' AND moved_at < '2025-12-31'"


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    with Server.create(Binaries.find(), purpose="test-kinds") as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE shop")
        load(server.dsn("shop"), seed=42, scale=0.6, progress=lambda _what, _count: None)
        yield server.dsn("shop")


def advice(dsn: str, directory: Path, *queries: str, budget: int | None = None) -> Advice:
    return advise_indexes(
        dsn,
        workload=queries,
        objectives=("speed",),
        budget_bytes=budget,
        lab="none",
        wishes=IndexWishes(seconds=0),
        ledger_path=directory / "ledger.db",
    )


@pytest.mark.parametrize(
    ("kind", "text", "definition"),
    [
        ("expression", "SELECT id FROM customers WHERE lower(email) = 'mona.lark@shop.example'", "(lower(email))"),
        ("include", "SELECT session_id FROM events WHERE product_id = 217", 'INCLUDE ("session_id")'),
        ("gin", """SELECT count(*) FROM events WHERE payload @> '{"path": "/p/217"}'""", 'gin ("payload"'),
        ("partial", "SELECT id FROM payments WHERE state = 'disputed' ORDER BY paid_at LIMIT 9", "WHERE (state ="),
    ],
)
def test_it_is_found_where_a_query_asks_for_it(
    shop: str, tmp_path: Path, kind: str, text: str, definition: str
) -> None:
    found = advice(shop, tmp_path, text)
    chosen = [index for index in found.indexes if kind in index.kinds]
    assert [definition in index.change.sql() for index in chosen] == [True], found.lacking
    assert found.cost_after < 0.5 * found.cost_before


def test_a_brin_index_is_found_where_a_b_tree_has_no_room(shop: str, tmp_path: Path) -> None:
    [large] = advice(shop, tmp_path, DAY).indexes
    assert "btree" in large.kinds
    [small] = advice(shop, tmp_path, DAY, budget=large.size_bytes // 4).indexes
    assert small.kinds == ("brin",)
    assert 'USING brin ("moved_at")' in small.change.sql()


def test_what_another_index_makes_needless_is_found(shop: str, tmp_path: Path) -> None:
    found = advice(shop, tmp_path, DAY)
    names = {life.strategy.title.rpartition(".")[2]: life.strategy.evidence["case"] for life in found.drops}
    assert names == {"stock_movements_tracking_idx": "duplicate", "stock_movements_product_idx": "redundant"}
