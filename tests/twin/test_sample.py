"""What is counted over a sample of the source, where values are odd."""

from __future__ import annotations

from contextlib import closing

import pytest

from trimtab.db.connection import connect
from trimtab.embedded.server import Server
from trimtab.twin.sample import SourceSample, Wanted

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
    assert sorted(counts.occurrences) == [(30, 3), (90, 1)]
