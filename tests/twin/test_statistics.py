"""Statistics of columns: read through the views and stored again, they are what ANALYZE made, of every type."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.column_statistics import ColumnStatistics
from trimtab.twin.statistics import read_columns, store_column_statistics, store_columns

from .conftest import SYSTEM_BIN

pytestmark = pytest.mark.server

SCHEMA = """
CREATE TYPE mood AS ENUM ('happy', 'sad', 'un''sure');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN very_positive AS positive CHECK (VALUE > 1);
CREATE DOMAIN tags AS text[];
CREATE COLLATION plain FROM "C";
CREATE SCHEMA "O'dd ""s"" here";
CREATE TABLE "O'dd ""s"" here".kinds AS SELECT
    n AS i, n::bigint % 50 AS b, n / 7.0 AS num, (n % 13)::float8 AS f, n::float4 / 3 AS r, (n % 5)::smallint AS
    s, 'te''xt "' || n % 90 AS t, ('v' || n % 400)::varchar(20) AS v, ('c' || n % 30)::char(9) AS c, ('n' || n %
    9)::name AS nm, (n % 3 = 0) AS bool, date '2020-01-01' + n % 300 AS d, timestamptz '2020-01-01 UTC' + n *
    interval '1 hour' AS tz, timestamp '2020-01-01' + n % 77 * interval '1 minute' AS ts, n % 60 * interval '1 s' AS iv,
    time '10:00' + n % 50 * interval '1 min' AS tm, md5((n % 100)::text)::uuid AS u, ('10.0.0.' ||
    n % 250)::inet AS ip, ('10.0.' || n % 250 || '.0/24')::cidr AS net, decode(md5((n % 70)::text), 'hex') AS
    bytes, (n % 8)::int::bit(3) AS bits, ('1' || n % 2)::varbit AS vb, n::oid AS oid, (n % 6)::text::xid AS x,
    jsonb_build_object('k', n % 40) AS jb, json_build_object('k', n) AS js, ARRAY[n % 10, n % 7, n % 3] AS ia,
    ARRAY['a' || n % 20, 'b,{"'] AS ta, ARRAY[]::int[] AS ea, to_tsvector('simple', 'alpha beta w' || n % 30) AS
    tsv, int4range(n % 90, n % 90 + n % 20) AS ir, CASE WHEN n % 9 = 0 THEN 'empty'::numrange ELSE numrange(n, n +
    5) END AS nr, point(n, n) AS p, (ARRAY['happy', 'sad', 'un''sure'])[1 + n % 3]::mood AS m, ROW(n % 5, 'x' || n
    % 4)::pair AS pr, (n % 30 + 1)::positive AS dom, (n % 30 + 2)::very_positive AS dom2, ARRAY['t' || n %
    5]::tags AS dtags, ARRAY[(n % 3 + 1)::positive] AS domarr, ARRAY[(ARRAY['happy', 'sad'])[1 + n % 2]::mood] AS
    ma, CASE WHEN n % 4 = 0 THEN 'null' || n END AS nul, NULL::int AS allnull, 'pg_class'::regclass AS rc, ('r' ||
    n % 9)::text COLLATE plain AS coll
  FROM generate_series(1, 3000) n;
CREATE TABLE parent (id int, k text);
CREATE TABLE child () INHERITS (parent);
INSERT INTO parent SELECT n, 'p' || n % 9 FROM generate_series(1, 500) n;
INSERT INTO child SELECT n, 'c' || n % 5 FROM generate_series(1, 900) n;
CREATE TABLE part (id int, k int) PARTITION BY HASH (id);
CREATE TABLE part_0 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO part SELECT n, n % 8 FROM generate_series(1, 1000) n;
CREATE MATERIALIZED VIEW mv AS SELECT k, count(*) FROM part GROUP BY k;
CREATE INDEX kinds_lower ON "O'dd ""s"" here".kinds (lower(t), (i % 10), (v || 'x') text_pattern_ops);
CREATE INDEX kinds_gin ON "O'dd ""s"" here".kinds USING gin ((ia || 4), to_tsvector('simple', t));
CREATE INDEX kinds_coll ON "O'dd ""s"" here".kinds ((t || 'y') COLLATE plain);
ANALYZE
"""

# A slot by its kind: operator, collation, numbers, values, and the type of the values.
STORED = """
select c.oid::regclass::text, s.staattnum, s.stainherit, s.stanullfrac, s.stawidth, s.stadistinct,
       (select json_object_agg(k.kind, json_build_array(k.op, k.coll, k.numbers::text, k.vals) order by k.kind)
          from (values (stakind1, staop1::regoperator::text, stacoll1, stanumbers1, stavalues1::text),
                       (stakind2, staop2::regoperator::text, stacoll2, stanumbers2, stavalues2::text),
                       (stakind3, staop3::regoperator::text, stacoll3, stanumbers3, stavalues3::text),
                       (stakind4, staop4::regoperator::text, stacoll4, stanumbers4, stavalues4::text),
                       (stakind5, staop5::regoperator::text, stacoll5, stanumbers5, stavalues5::text)
               ) as k(kind, op, coll, numbers, vals)
         where k.kind <> 0)
  from pg_statistic s join pg_class c on c.oid = s.starelid
 where c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
 order by 1, 2, 3
"""


def binaries(version: str) -> Binaries:
    if version == "wheel":
        return Binaries.find()
    if not (SYSTEM_BIN / "postgres").exists():
        pytest.skip(f"no PostgreSQL in {SYSTEM_BIN}")
    return Binaries.find(SYSTEM_BIN)


@pytest.fixture(scope="module", params=["wheel", pytest.param("system", marks=pytest.mark.system_postgres)])
def kinds(request: pytest.FixtureRequest, _own_places: None) -> Iterator[Connection]:
    with (
        Server.create(binaries(request.param), purpose="statistics-tests") as server,
        closing(connect(server.dsn(), read_only=False)) as connection,
    ):
        for statement in SCHEMA.split(";\n"):
            connection.execute(statement.encode())
        yield connection


def stored(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(STORED).fetchall()


def test_what_is_stored_is_what_analyze_stored(kinds: Connection) -> None:
    before = stored(kinds)
    found = read_columns(kinds, with_values=True)
    assert len(found) == len(before) > 60
    with kinds.transaction(force_rollback=True):
        kinds.execute(b"delete from pg_statistic where starelid >= 16384")
        assert store_columns(kinds, found) == []
        after = stored(kinds)
    for one, other in zip(before, after, strict=True):
        assert one == other


def test_without_values_only_numbers_travel(kinds: Connection) -> None:
    for column in read_columns(kinds, with_values=False):
        assert column.statistics == ColumnStatistics(
            column.statistics.null_fraction,
            column.statistics.width,
            column.statistics.distinct,
            column.statistics.correlation,
        )


def test_a_column_that_cannot_be_read_is_told_without_its_values_and_the_rest_is_stored(kinds: Connection) -> None:
    found = read_columns(kinds, with_values=True)
    position = next(i for i, c in enumerate(found) if c.column == "tz")
    bad = replace(found[position].statistics, common_values='{"right Sesame"}', common_shares="{0.5}")
    found[position] = replace(found[position], statistics=bad)
    with kinds.transaction(force_rollback=True):
        kinds.execute(b"delete from pg_statistic where starelid >= 16384")
        told = store_columns(kinds, found)
        assert len(stored(kinds)) == len(found) - 1
    assert len(told) == 1
    assert "column tz" in told[0]
    assert "Sesame" not in told[0]


def test_lists_that_do_not_fit_together_are_not_stored(kinds: Connection) -> None:
    facts = ColumnStatistics(0.0, 4, -1.0, common_values="{1,2,3}", common_shares="{0.5}", histogram="{1}")
    with kinds.transaction(force_rollback=True):
        assert store_column_statistics(kinds, "public", "parent", "id", facts)
        row = kinds.execute(
            b"select stakind1, stakind2 from pg_statistic where starelid = 'parent'::regclass and staattnum = 1"
            b" and not stainherit"
        ).fetchone()
    assert row == (0, 0)


def test_one_column_is_replaced_by_name_or_by_number(kinds: Connection) -> None:
    facts = ColumnStatistics(0.25, 9, 12345.0, 0.5)
    with kinds.transaction(force_rollback=True):
        assert store_column_statistics(kinds, 'O\'dd "s" here', "kinds", "t", facts)
        assert store_column_statistics(kinds, 'O\'dd "s" here', "kinds_gin", 2, facts)
        rows = kinds.execute(
            b"select stanullfrac, stadistinct, stakind1, stakind4 from pg_statistic where stadistinct = 12345"
        ).fetchall()
    assert rows == [(0.25, 12345.0, 0, 0)] * 2
