"""Keys that a first sample shows too seldom are counted again, a share of them but in more blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from psycopg.rows import TupleRow

from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.change import CreateIndex
from trimtab.twin import repeat, sample
from trimtab.twin.groups import KeyCounts, PickedKeys, is_uneven, key_groups
from trimtab.twin.sample import SourceSample
from trimtab.twin.sample_statements import MOST_PICKED, Wanted
from trimtab.twin.twin import Twin

from .shop import DATABASE, silent, snapshot

pytestmark = pytest.mark.server

TABLE = ("public", "uneven")
# 70,000 keys of one row, which are long, 10,000 of two and 500 of fifty, which are short; their rows lie anywhere.
DATA = b"""
CREATE TABLE uneven AS
SELECT k AS number, CASE WHEN k <= 70000 THEN md5(k::text) || md5((-k)::text) ELSE 'key ' || k END AS word,
       CASE WHEN k % 2 = 0 THEN k END AS half, n <= 1 AS is_first,
       row_number() OVER (ORDER BY hashint8(k * 64 + n)) AS id
  FROM generate_series(1::bigint, 80500) k,
       generate_series(1, CASE WHEN k <= 70000 THEN 1 WHEN k <= 80000 THEN 2 ELSE 50 END) n
 ORDER BY id
"""
KEYS_OF = {1: 70_000, 2: 10_000, 50: 500}


@pytest.fixture(scope="module")
def uneven(source: Server) -> Iterator[Connection]:
    with closing(connect(source.dsn(DATABASE), read_only=False)) as connection:
        connection.execute(DATA)
        connection.execute(b"VACUUM ANALYZE uneven")
        yield connection
        connection.execute(b"DROP TABLE uneven")


def counted(source: Server, wanted: Wanted) -> KeyCounts:
    [measured] = SourceSample(source.dsn(DATABASE)).measure(TABLE, [wanted])
    assert measured.refusal == ""
    assert measured.key_counts is not None
    return measured.key_counts


@pytest.mark.usefixtures("uneven")
def test_all_rows_of_a_picked_key_are_counted_where_all_blocks_are_read(source: Server) -> None:
    counts = counted(source, Wanted(keys=('"word"',)))
    assert counts.picked is not None
    assert counts.picked.part == 1.0
    assert counts.picked.key_share == pytest.approx(30_000 / 115_000, rel=0.1)
    found: dict[float, int] = {}
    for _, keys, rows in counts.picked.occurrences:
        found[rows / keys] = found.get(rows / keys, 0) + keys
    assert set(found) == set(KEYS_OF)
    assert {rows: keys / counts.picked.key_share for rows, keys in found.items()} == {
        rows: pytest.approx(keys, rel=0.05 if keys > 1000 else 0.3) for rows, keys in KEYS_OF.items()
    }
    assert counts.width > counts.row_width > 0


@pytest.mark.usefixtures("uneven")
def test_keys_of_several_columns_with_nulls_and_a_predicate_are_picked_too(source: Server) -> None:
    counts = counted(source, Wanted(keys=('"half"', '"word"', '"is_first"'), predicate="number > 60000"))
    assert counts.picked is not None
    rows = sum(rows for _, _, rows in counts.picked.occurrences)
    assert rows / counts.picked.key_share == pytest.approx(55_000, rel=0.05)
    # The first of a key's rows is another key than the rest.
    assert {rows / keys for _, keys, rows in counts.picked.occurrences} == {1.0, 49.0}


@pytest.mark.usefixtures("uneven")
def test_keys_that_the_first_sample_shows_often_enough_are_not_counted_again(source: Server) -> None:
    assert counted(source, Wanted(keys=('"is_first"',))).picked is None
    assert counted(source, Wanted(keys=('"number" % 2000',))).picked is None


def test_where_the_second_count_is_refused_the_first_holds(source: Server, uneven: Connection) -> None:
    row = uneven.execute(
        b"SELECT id FROM uneven WHERE id NOT IN (SELECT id FROM uneven"
        b" TABLESAMPLE SYSTEM ((SELECT 100 * 30000 / reltuples FROM pg_class WHERE relname = 'uneven')) REPEATABLE (1))"
        b" LIMIT 1"
    ).fetchone()
    assert row is not None
    # Only the second count meets the row whose key cannot be computed.
    counts = counted(source, Wanted(keys=(f"1000000 / (id - {row[0]})", '"word"')))
    assert counts.picked is None
    assert counts.rows == pytest.approx(30_000, rel=0.2)


def test_sizes_rest_on_them(source: Server, uneven: Connection) -> None:
    changes = [CreateIndex("public", "uneven", f"u{n}", tail, ()) for n, tail in enumerate(("(word)", "(half, word)"))]
    with Twin.build(source.dsn(DATABASE), snapshot(uneven), Binaries.find(), progress=silent) as twin:
        twin.sample_from(source.dsn(DATABASE))
        estimates = twin.size_bytes(changes)
    ratios = {}
    for change, estimate in zip(changes, estimates, strict=True):
        uneven.execute(change.sql(concurrently=False).encode())
        row = uneven.execute("select pg_relation_size($1::regclass)", (change.name,)).fetchone()
        assert row is not None
        assert estimate is not None
        ratios[change.tail] = estimate / row[0]
    assert {tail: ratio for tail, ratio in ratios.items() if not 0.9 <= ratio <= 1.1} == {}


def test_keys_of_one_row_each_are_not_counted_again(source: Server, uneven: Connection) -> None:
    del uneven
    counts = counted(source, Wanted(keys=('"id"',)))
    assert counts.picked is None
    assert sum(keys for keys, _ in key_groups(counts, 115_000)) == pytest.approx(115_000, rel=0.02)


@pytest.mark.usefixtures("uneven")
@pytest.mark.parametrize("most", [MOST_PICKED, 100])
def test_indexes_with_a_column_in_common_are_counted_by_one_reading_unless_it_picks_too_much(
    source: Server, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    texts: list[str] = []

    def sampled_rows(connection: Connection, text: str) -> list[TupleRow]:
        texts.append(text)
        return repeat.sampled_rows(connection, text)

    monkeypatch.setattr(sample, "sampled_rows", sampled_rows)
    monkeypatch.setattr(sample, "MOST_PICKED", most)
    wanted = [Wanted(keys=keys, picked_by=('"word"',)) for keys in (('"word"',), ('"is_first"', '"word"'))]
    measured = SourceSample(source.dsn(DATABASE)).measure(TABLE, wanted)
    assert len([text for text in texts if "hashtext" in text]) == (1 if most > 100 else 3)
    for one, rows_of_a_key in zip(measured, ({1.0, 2.0, 50.0}, {1.0, 49.0}), strict=True):
        assert one.key_counts is not None
        picked = one.key_counts.picked
        assert picked is not None
        assert {rows / keys for _, keys, rows in picked.occurrences} == rows_of_a_key
        rows = sum(rows for _, _, rows in picked.occurrences)
        assert rows / picked.key_share == pytest.approx(115_000, rel=0.1)


def test_of_a_part_it_shows_whether_keys_differ_in_how_often_they_occur() -> None:
    even = PickedKeys(1.0, 0.1, ((1, 2000, 2000), (2, 100, 200), (3, 3, 9)))
    uneven = PickedKeys(1.0, 0.1, ((1, 2000, 2000), (2, 100, 200), (3, 60, 180), (5, 60, 300), (8, 60, 480)))
    assert [is_uneven(even), is_uneven(uneven), is_uneven(replace(uneven, part=1.0))] == [False, True, False]
