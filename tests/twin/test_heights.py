"""The height of B-trees as the source's planner shows it, against what the pages themselves say."""

from __future__ import annotations

from contextlib import closing

import pytest

from trimtab.db.connection import Connection, connect
from trimtab.embedded.server import Server
from trimtab.twin.heights import read_heights

from .shop import DATABASE

pytestmark = pytest.mark.server


def test_every_height_that_is_shown_is_the_real_one(shop: Connection) -> None:
    heights = read_heights(shop)
    shop.execute(b"CREATE EXTENSION IF NOT EXISTS pageinspect")
    real = {
        (schema, name): level
        for schema, name, level in shop.execute(
            "select n.nspname, c.relname, m.level from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " join pg_am a on a.oid = c.relam and a.amname = 'btree'"
            " cross join lateral bt_metap(format('%I.%I', n.nspname, c.relname)) m"
            " where n.nspname in ('public', 'archive', 'Mixed Case') and c.relkind = 'i'"
            " and pg_relation_size(c.oid) > 16384"
        )
    }
    shop.execute(b"DROP EXTENSION pageinspect")
    assert heights == real
    assert set(heights.values()) >= {1, 2} or set(heights.values()) == {1}


def test_a_role_without_rights_learns_nothing_and_nothing_fails(source: Server) -> None:
    with closing(connect(f"{source.dsn(DATABASE)} user=reader", read_only=True)) as connection:
        assert read_heights(connection) == {}
        assert connection.execute("select current_setting('cpu_operator_cost')").fetchone() == ("0.0025",)
