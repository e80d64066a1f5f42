"""The size model against B-trees that PostgreSQL really built, and what holds for any sizes."""

from __future__ import annotations

from contextlib import closing
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.db.connection import connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.change import CreateIndex
from trimtab.twin.size import IndexedColumn, btree_size, distinct_keys, tree_of
from trimtab.twin.size_tree import gist_pages
from trimtab.twin.twin import Twin

from .shop import silent, snapshot

DATA = """
CREATE TABLE sample AS SELECT
    n AS unique_int, n::bigint AS unique_big, n / 5 AS five_times, (n * 7919) % 60000 AS scattered,
    CASE WHEN n % 9 = 0 THEN 'yes' ELSE 'no' END AS two_texts, n % 1000 AS thousand, n % 997 AS other_thousand,
    n::numeric / 7 AS long_numeric, (n % 5000)::numeric AS whole_numeric, md5(n::text) AS hash,
    'user' || n % 40000 || '@example.org' AS mail, repeat('t', n % 90) AS ragged, md5(n::text)::uuid AS uuid,
    timestamptz '2024-01-01 UTC' + n * interval '1 minute' AS at, date '2000-01-01' + (n * 17) % 2999 AS day,
    CASE WHEN n % 2 = 0 THEN n END AS half_null, CASE WHEN n % 20 = 0 THEN n END AS mostly_null,
    n % 400 AS city, n % 400 * 3 AS zip, n % 2 = 0 AS flag, n::float8 AS float, (n % 30000)::smallint AS small,
    (power(n % 317, 3))::int % 100000 AS skewed, CASE WHEN n % 3 = 0 THEN 'note ' || n END AS maybe_text,
    jsonb_build_object('n', n % 700) AS document, n::bpchar(12) AS padded,
    n % 3000 AS thrice
  FROM generate_series(1, 150000) n;
CREATE STATISTICS sample_place (ndistinct) ON city, zip, thousand FROM sample;
VACUUM ANALYZE sample
"""
TAILS = (
    "(unique_int)",
    "(unique_big)",
    "(five_times)",
    "(scattered)",
    "(two_texts)",
    "(thousand)",
    "(unique_int, thousand)",
    "(thousand, other_thousand)",
    "(thousand, flag, day)",
    "(five_times) INCLUDE (thousand, hash)",
    "(day) INCLUDE (unique_big)",
    "(long_numeric)",
    "(whole_numeric)",
    "(hash)",
    "(mail)",
    "(ragged)",
    "(uuid)",
    "(at)",
    "(day)",
    "(half_null)",
    "(mostly_null)",
    "(half_null, thousand)",
    "(city, zip)",
    "(zip, thousand, city)",
    "(flag)",
    "(float)",
    "(small)",
    "(skewed)",
    "(maybe_text)",
    "(two_texts, at DESC)",
    "(half_null, mostly_null)",
    "(thousand, flag)",
    "(maybe_text, thousand) INCLUDE (half_null)",
    "(document)",
    "(padded)",
    "(flag, small, uuid)",
    "(unique_int) WITH (fillfactor = 50)",
    "(at) WHERE two_texts = 'yes'",
    "(five_times) WHERE flag",
)


UNKNOWN = "(thousand, thrice)"


def _sizes() -> dict[str, tuple[int, int]]:
    """The estimated and the real size of each index in bytes, by what it is on."""
    changes = [CreateIndex("public", "sample", f"i{n}", tail, ()) for n, tail in enumerate((*TAILS, UNKNOWN))]
    found = {}
    with (
        Server.create(Binaries.find(), purpose="size-tests", settings={"maintenance_work_mem": "128MB"}) as server,
        closing(connect(server.dsn(), read_only=False)) as connection,
    ):
        for statement in DATA.split(";\n"):
            connection.execute(statement.encode())
        facts = snapshot(connection)
        with Twin.build(server.dsn(), facts, Binaries.find(), progress=silent) as twin:
            estimates = twin.size_bytes(changes)
        for change, estimate in zip(changes, estimates, strict=True):
            connection.execute(change.sql(concurrently=False).encode())
            row = connection.execute("select pg_relation_size($1::regclass)", (change.name,)).fetchone()
            assert row is not None
            assert estimate is not None
            found[change.tail] = estimate, row[0]
    return found


@pytest.mark.server
def test_estimated_sizes_are_near_those_of_indexes_really_built() -> None:
    ratios = {tail: estimate / real for tail, (estimate, real) in _sizes().items()}
    # A correlation that no statistics know makes an estimate too large, never too small.
    assert ratios.pop(UNKNOWN) >= 1
    assert len(ratios) >= 25
    assert {tail: ratio for tail, ratio in ratios.items() if not 0.75 <= ratio <= 1.35} == {}
    assert median(abs(ratio - 1) for ratio in ratios.values()) <= 0.03


COLUMNS = st.builds(
    IndexedColumn,
    width=st.integers(1, 200).map(float),
    alignment=st.sampled_from([1, 2, 4, 8]),
    null_share=st.floats(0, 1),
    distinct=st.one_of(st.floats(1, 1e7), st.floats(-1, -1e-6)),
    is_variable=st.booleans(),
    common_share=st.floats(0, 1),
    common_values=st.integers(0, 100),
    number=st.integers(0, 20),
)
ROWS = st.floats(0, 1e9)


@given(ROWS, st.lists(COLUMNS, min_size=1, max_size=5), st.booleans(), st.integers(10, 100))
def test_any_statistics_give_a_tree(rows: float, keys: list[IndexedColumn], flag: bool, fill: int) -> None:
    tree = btree_size(rows, keys, is_deduplicated=flag, fill_percent=fill)
    assert tree.pages >= 1
    assert tree.level >= 0
    assert tree.level == 0 or tree.pages >= 2 + tree.level


@given(st.floats(1, 1e8), st.lists(COLUMNS, min_size=1, max_size=4))
def test_sharing_tuples_never_makes_a_tree_much_larger(rows: float, keys: list[IndexedColumn]) -> None:
    shared, single = (btree_size(rows, keys, is_deduplicated=flag) for flag in (True, False))
    assert shared.pages <= single.pages * 1.15 + 2


@given(st.floats(1, 1e8), st.floats(0.01, 1), st.lists(COLUMNS, min_size=1, max_size=4))
def test_there_are_never_more_keys_than_rows(table_rows: float, share: float, keys: list[IndexedColumn]) -> None:
    rows = max(table_rows * share, 1.0)
    assert 1 <= distinct_keys(rows, table_rows, keys, {}) <= rows


def test_known_groups_replace_the_product() -> None:
    keys = [IndexedColumn(4, 4, 0, 300, number=1), IndexedColumn(4, 4, 0, 300, number=2)]
    assert distinct_keys(1e6, 1e6, keys, {frozenset({1, 2}): 300.0}) == 300
    assert distinct_keys(1e6, 1e6, keys, {frozenset({1, 3}): 300.0}) > 80_000


@given(st.integers(2, 10_000_000), st.lists(COLUMNS, min_size=1, max_size=3))
def test_more_pages_are_never_a_lower_tree(pages: int, keys: list[IndexedColumn]) -> None:
    assert tree_of(pages, keys).level <= tree_of(pages * 2, keys).level


@pytest.mark.parametrize(("version", "pages"), [(150018, 396), (180006, 178)])
def test_ranges_of_a_gist_index_are_packed_closer_since_they_are_sorted(version: int, pages: int) -> None:
    """The pages are those of 40,000 ranges of timestamps on real servers."""
    ranges = IndexedColumn(
        width=22, alignment=1, null_share=0, distinct=-1, is_variable=True, operator_class="range_ops", stored_width=22
    )
    assert 0.7 <= gist_pages(40_000, [ranges], version=version) / pages <= 1.4
