"""The height of B-trees as the source's planner shows it, against what the pages themselves say."""

from __future__ import annotations

from contextlib import closing

import pytest

from trimtab.db.connection import Connection, connect
from trimtab.embedded.server import Server
from trimtab.twin.heights import Heights, read_heights

from .shop import DATABASE

pytestmark = pytest.mark.server


def test_every_height_that_is_shown_is_the_real_one(shop: Connection) -> None:
    heights = read_heights(shop)
    assert heights.refused == ()
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
    assert heights.levels == real
    assert set(heights.levels.values()) >= {1, 2} or set(heights.levels.values()) == {1}


def test_a_role_without_rights_learns_nothing_and_nothing_fails(source: Server) -> None:
    with closing(connect(f"{source.dsn(DATABASE)} user=reader", read_only=True)) as connection:
        assert read_heights(connection) == Heights({}, ())
        assert connection.execute("select current_setting('cpu_operator_cost')").fetchone() == ("0.0025",)


def test_an_index_that_cannot_be_asked_about_is_told_and_hides_no_other(source: Server) -> None:
    """It is on what this role may not execute."""
    with closing(connect(source.dsn(DATABASE), read_only=False)) as owner:
        owner.execute(b"CREATE SCHEMA tall")
        owner.execute(b"GRANT USAGE ON SCHEMA tall TO reader")
        owner.execute(
            b"CREATE FUNCTION tall.low(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN $1; END $$"
        )
        for name in ("asked", "refused"):
            owner.execute(
                f"CREATE TABLE tall.{name} AS SELECT n, n::text AS t FROM generate_series(1, 3000) n".encode()
            )
            owner.execute(f"GRANT SELECT ON tall.{name} TO reader".encode())
        owner.execute(b"CREATE INDEX asked_t ON tall.asked (t)")
        owner.execute(b"CREATE INDEX refused_t ON tall.refused (tall.low(t))")
        owner.execute(b"REVOKE EXECUTE ON FUNCTION tall.low(text) FROM PUBLIC")
        try:
            with closing(connect(f"{source.dsn(DATABASE)} user=reader", read_only=True)) as connection:
                heights = read_heights(connection)
        finally:
            owner.execute(b"DROP SCHEMA tall CASCADE")
    assert heights.levels["tall", "asked_t"] == 1
    assert heights.refused == (("tall", "refused_t"),)
