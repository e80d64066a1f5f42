"""Hypothetical indexes against the same indexes really built on the source, and files of every length."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from statistics import median

import pytest

from trimtab.db.connection import Connection, connect
from trimtab.db.explain import explain
from trimtab.embedded.server import Server
from trimtab.model.change import CreateIndex, change_digest
from trimtab.model.plan import Plan
from trimtab.twin.build import DATABASE as TWIN_DATABASE
from trimtab.twin.pages import PAGE_BYTES, SEGMENT_PAGES, length_of, set_length
from trimtab.twin.twin import Twin

from .shop import DATABASE, query, silent, snapshot

pytestmark = pytest.mark.server

# What is indexed, and the queries that the index serves.
PAIRS = (
    ("orders", "(city)", "SELECT * FROM orders WHERE city = 'city7'"),
    ("orders", "(city)", "SELECT count(*) FROM orders WHERE city IN ('city7', 'city9')"),
    ("orders", "(zip, status)", "SELECT id FROM orders WHERE zip = 170 AND status = 'done'"),
    ("orders", "(zip, status)", "SELECT min(zip) FROM orders"),
    ("orders", "(status, placed)", "SELECT * FROM orders WHERE status = 'done' ORDER BY placed DESC LIMIT 20"),
    ("orders", "(status, placed)", "SELECT * FROM orders WHERE status = 'open' AND placed > '2025-01-01'"),
    ("orders", "(placed)", "SELECT max(placed) FROM orders"),
    ("orders", "(placed)", "SELECT sum(total) FROM orders WHERE placed BETWEEN '2024-05-01' AND '2024-05-09'"),
    ("orders", "(placed) INCLUDE (total)", "SELECT sum(total) FROM orders WHERE placed < '2024-03-01'"),
    ("orders", "(total)", "SELECT id FROM orders WHERE total < 60"),
    ("orders", "(total DESC NULLS LAST, id)", "SELECT total FROM orders ORDER BY total DESC NULLS LAST, id LIMIT 9"),
    ("orders", "(note)", "SELECT id FROM orders WHERE note IS NULL AND zip = 11"),
    ("orders", "(note, zip)", "SELECT id FROM orders WHERE note = 'xx' AND zip < 40"),
    ("orders", "(customer_id, placed)", "SELECT * FROM orders WHERE customer_id = 5 ORDER BY placed"),
    ("orders", "(customer_id, placed, total)", "SELECT c.email, sum(o.total) FROM customer c"
     " JOIN orders o ON o.customer_id = c.id WHERE c.referrer = 30 GROUP BY 1"),
    ("orders", "(city) WHERE status = 'open'", "SELECT id FROM orders WHERE status = 'open' AND city = 'city10'"),
    ("orders", "(zip) WITH (fillfactor = 60)", "SELECT * FROM orders WHERE zip < 30"),
    ("orders", "(status) WITH (deduplicate_items = off)", "SELECT count(*) FROM orders WHERE status = 'open'"),
    ("customer", "(region, born)", "SELECT * FROM customer WHERE region = 'south' AND born > '2000-01-01'"),
    ("customer", "(born)", "SELECT * FROM customer ORDER BY born LIMIT 50"),
    ("customer", "(email text_pattern_ops)", "SELECT * FROM customer WHERE email LIKE 'mail00%'"),
    ("customer", "(referrer, id)", "SELECT count(*) FROM customer a"
     " JOIN customer b ON b.referrer = a.id WHERE a.id < 8"),
    ("event_2025", "(kind, at)", "SELECT * FROM event WHERE kind = 3 AND at >= '2025-06-01' AND at < '2025-06-09'"),
    ("spending", "(customer_id) INCLUDE (total)", "SELECT total FROM spending WHERE customer_id = 77"),
)  # fmt: skip


def indexes() -> list[CreateIndex]:
    return [CreateIndex("public", table, f"tried_{n}", tail, ()) for n, (table, tail, _) in enumerate(PAIRS)]


def _twin_of(server: Server) -> Twin:
    with closing(connect(server.dsn(DATABASE), read_only=True)) as connection:
        facts = snapshot(connection)
    return Twin.build(server.dsn(DATABASE), facts, server.binaries, progress=silent)


@pytest.fixture(scope="module", params=["source", "older_source"])
def costs(request: pytest.FixtureRequest) -> list[tuple[Plan, Plan]]:
    """The plan on a twin of the same version and the source's own with the index really built, of each pair."""
    server: Server = request.getfixturevalue(request.param)
    found = []
    with closing(connect(server.dsn(DATABASE), read_only=False)) as connection, _twin_of(server) as twin:
        for change, (_, _, text) in zip(indexes(), PAIRS, strict=True):
            [[expected]] = twin.what_if([query(text)], [(change,)])
            assert isinstance(expected, Plan), expected
            with connection.transaction(force_rollback=True):
                connection.execute(change.sql(concurrently=False).encode())
                found.append((expected, explain(connection, query(text))))
    return found


def test_a_hypothetical_index_costs_what_the_real_one_costs(costs: list[tuple[Plan, Plan]]) -> None:
    used = [(a, b) for n, (a, b) in enumerate(costs) if f"tried_{n}" in b.indexes]
    assert len(used) >= 20
    errors = [abs(expected.cost / real.cost - 1) for expected, real in used]
    # With a real index the planner reads the column's true ends, which ANALYZE's sample may have missed.
    assert max(errors) <= 0.08
    assert median(errors) <= 0.01


def test_the_planner_chooses_a_hypothetical_index_where_it_chooses_the_real_one(costs: list[tuple[Plan, Plan]]) -> None:
    assert [a.indexes for a, _ in costs] == [b.indexes for _, b in costs]


def test_the_ends_of_a_hypothetical_index_can_be_probed(shared_twin: Twin) -> None:
    """The planner reads an index's first and last entry where a value is beyond the histogram."""
    [placed] = [i for i, (_, tail, _) in zip(indexes(), PAIRS, strict=True) if tail == "(placed)"][:1]
    texts = (
        "SELECT * FROM orders WHERE placed > '2099-01-01'",
        "SELECT * FROM orders WHERE placed < '1999-01-01'",
        "SELECT * FROM orders a JOIN archive.orders b ON a.id = b.id ORDER BY a.id",
        "SELECT * FROM orders WHERE id > 99999999",
        "SELECT min(placed), max(placed) FROM orders",
    )
    [answers] = shared_twin.what_if([query(text) for text in texts], [(placed,)])
    assert all(isinstance(answer, Plan) for answer in answers)


def test_a_session_that_knows_a_table_sees_its_length_after_indexes_were_made(shared_twin: Twin) -> None:
    counting = query("SELECT count(*) FROM orders")
    [[before]] = shared_twin.what_if([counting], [()])
    shared_twin.size_bytes([CreateIndex("public", "orders", f"length_{n}", f"(id, {c})", ()) for n, c in
                            enumerate(("zip", "city", "note"))])  # fmt: skip
    shared_twin._cache.clear()
    assert shared_twin.what_if([counting], [()]) == [[before]]


@pytest.fixture
def large_twin(source: Server) -> Iterator[Twin]:
    """A twin whose table of orders is a little over two gigabytes long."""
    with _twin_of(source) as twin:
        with closing(connect(twin._server.dsn(TWIN_DATABASE), read_only=False)) as connection:
            row = connection.execute("select pg_relation_filepath('public.orders')").fetchone()
            connection.execute(
                "update pg_class set reltuples = 2e7, relpages = $1 where oid = 'public.orders'::regclass",
                (2 * SEGMENT_PAGES + 100,),
            )
        assert row is not None
        set_length(twin._server.data_directory / row[0], 2 * SEGMENT_PAGES + 100)
        yield twin


def test_indexes_can_be_made_on_a_table_of_several_segments(large_twin: Twin) -> None:
    scan = query("SELECT * FROM orders")
    [[before]] = large_twin.what_if([scan], [()])
    assert isinstance(before, Plan)
    assert before.cost > 2 * SEGMENT_PAGES
    for n in range(3):
        change = CreateIndex("public", "orders", f"large_{n}", "(id, placed)", ())
        [size] = large_twin.size_bytes([change])
        assert size is not None
        assert size > 5e8
        large_twin._cache.clear()
        assert large_twin.what_if([scan], [()]) == [[before]]
        asked = query("SELECT * FROM orders WHERE id = 5 AND placed = '2024-02-02'")
        [[plan]] = large_twin.what_if([asked], [(change,)])
        assert isinstance(plan, Plan)
    with closing(connect(large_twin._server.dsn(TWIN_DATABASE), read_only=True)) as connection:
        row = connection.execute(
            "select pg_relation_size('public.orders'), pg_relation_filepath('public.orders')"
        ).fetchone()
    assert row is not None
    assert row[0] == (2 * SEGMENT_PAGES + 100) * PAGE_BYTES
    file = large_twin._server.data_directory / row[1]
    assert length_of(file) == 2 * SEGMENT_PAGES + 100
    assert all(part.stat().st_blocks == 0 for part in file.parent.glob(f"{file.name}*") if "_" not in part.name)


def test_the_catalog_knows_the_rows_of_a_hypothetical_index(shared_twin: Twin, shop: Connection) -> None:
    change = CreateIndex("public", "orders", "orders_rows", "(zip) WHERE status = 'open'", ())
    [size] = shared_twin.size_bytes([change])
    with closing(connect(shared_twin._server.dsn(TWIN_DATABASE), read_only=True)) as connection:
        row = connection.execute(
            "select reltuples, relpages, pg_relation_size(oid), (select reltuples from pg_class where oid ="
            " 'public.orders'::regclass) from pg_class where oid = any ($1)",
            (shared_twin._indexes._oids[change_digest(change)],),
        ).fetchone()
    assert row is not None
    rows, pages, length, table_rows = row
    assert rows == pytest.approx(2400, rel=0.3)
    assert pages * PAGE_BYTES == size == length
    assert table_rows == 120000
