"""What is counted over a sample of the source, where values are odd."""

from __future__ import annotations

from contextlib import closing

import pytest

from trimtab.db.connection import connect
from trimtab.embedded.server import Server
from trimtab.twin.sample import SourceSample
from trimtab.twin.sample_statements import Wanted

from .shop import DATABASE

pytestmark = pytest.mark.server


def test_an_array_s_null_elements_are_items_without_bytes(source: Server) -> None:
    with closing(connect(source.dsn(DATABASE), read_only=False)) as connection:
        connection.execute(
            b"CREATE TABLE bags AS SELECT ARRAY[n % 3, NULL]::int[] AS bag FROM generate_series(1, 90) n"
        )
        connection.execute(b"ANALYZE bags")
        try:
            wanted = Wanted(items=(('"bag"', "pg_catalog", "array_ops"),))
            [measured] = SourceSample(source.dsn(DATABASE)).measure(("public", "bags"), [wanted])
        finally:
            connection.execute(b"DROP TABLE bags")
    [counts] = measured.item_counts
    assert counts is not None
    assert sorted(counts.occurrences) == [(30, 3, 90), (90, 1, 90)]


def test_keys_are_counted_in_blocks_and_rows(source: Server) -> None:
    with closing(connect(source.dsn(DATABASE), read_only=False)) as connection:
        # 4 rows of each number side by side, and 3 letters everywhere.
        connection.execute(
            b"CREATE TABLE sorted AS SELECT n / 4 AS number, chr(97 + n % 3) AS letter FROM generate_series(0, 3999) n"
        )
        connection.execute(b"ANALYZE sorted")
        blocks = connection.execute(
            b"SELECT count(DISTINCT b), count(DISTINCT b) FILTER (WHERE number < 500)"
            b" FROM (SELECT number, (ctid::text::point)[0] AS b FROM sorted) s"
        ).fetchone()
        try:
            wanted = [Wanted(keys=('"number"',)), Wanted(keys=('"letter"',), predicate="number < 500")]
            numbers, letters = SourceSample(source.dsn(DATABASE)).measure(("public", "sorted"), wanted)
        finally:
            connection.execute(b"DROP TABLE sorted")
    assert blocks is not None
    assert numbers.key_counts is not None
    assert letters.key_counts is not None
    assert numbers.key_counts.rows == 4000
    assert sum(keys for _, keys, _ in numbers.key_counts.occurrences) == 1000
    assert sum(keys for times, keys, _ in numbers.key_counts.occurrences if times == 1) > 1000 - blocks[0]
    assert letters.key_counts.rows == 2000
    assert sum(keys for _, keys, _ in letters.key_counts.occurrences) == 3
    assert {times for times, _, _ in letters.key_counts.occurrences} == {blocks[1]}


@pytest.mark.parametrize("limit", [-1, 1])
def test_two_sessions_tell_what_one_does_and_one_does_where_there_is_no_room(
    source: Server, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    wanted = [Wanted(keys=(f'"{name}"',), picked_by=(f'"{name}"',), predicate="a > 7") for name in "abc"]
    wanted += [
        Wanted(keys=('"a"', '"b"'), picked_by=('"a"',)),
        Wanted(keys=("a + nothing",)),
        Wanted(predicate="c = 1"),
    ]
    with closing(connect(source.dsn(DATABASE), read_only=False)) as connection:
        connection.execute(
            b"CREATE TABLE wide AS SELECT n AS a, n / 3 AS b, n % 7000 AS c, repeat('x', 4000) AS filler"
            b" FROM generate_series(1, 45000) n"
        )
        connection.execute(b"ANALYZE wide")
        connection.execute(f"CREATE ROLE narrow LOGIN CONNECTION LIMIT {limit}".encode())
        connection.execute(b"GRANT SELECT ON wide TO narrow")
        try:
            told = []
            for least_pages in (1 << 40, 0):
                monkeypatch.setattr("trimtab.twin.sample._LARGE_PAGES", least_pages)
                sample = SourceSample(source.dsn(DATABASE, user="narrow"))
                told.append(sample.measure(("public", "wide"), wanted))
        finally:
            connection.execute(b"DROP TABLE wide")
            connection.execute(b"DROP ROLE narrow")
    assert told[0] == told[1]
    assert [bool(one.refusal) for one in told[0]] == [False] * 4 + [True, False]
