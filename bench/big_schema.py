"""A generated source of many objects: tables with several indexes each, and partitioned tables; and one of a terabyte.

Every table has rows enough that its B-trees have a level above the leaves, and is analysed. The terabyte has none: its
files are sparse, and its counts are written into the catalog, so that the source itself is quick to make.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from trimtab.db.connection import connect
from trimtab.embedded.server import Server
from trimtab.twin.pages import set_btree_height, set_length

TABLES = 2000
INDEXES_PER_TABLE = 4
PARTITIONED_TABLES = 10
PARTITIONS = 50
ROWS = 500
TERABYTE_PAGES = 2**40 // 8192
TERABYTE_ROWS = 10_000_000_000
_INDEX_PAGES, _INDEX_LEVEL = 27_400_000, 3
_SESSIONS = 2
_PER_TRANSACTION = 50

_TABLE = """
create table t{n} (id bigint primary key, owner integer not null, kind text not null, code varchar(20),
    amount numeric(12,2), made_at timestamptz not null, note text);
insert into t{n} select i, i * 7 % {owners}, 'kind ' || i % 9, case when i % 3 = 0 then 'c' || i end, i % 977,
    '2024-01-01'::timestamptz + i * interval '17 min', repeat('n', i % 40) from generate_series(1, {rows}) i;
create index on t{n} (owner, made_at);
create index on t{n} (made_at);
create index on t{n} (code) where code is not null;
analyze t{n};
"""
_PARENT = """
create table p{n} (id bigint, region integer not null, made_at timestamptz not null, amount numeric(12,2),
    primary key (id, region)) partition by list (region);
"""
_PARTITION = """
create table p{n}_{m} partition of p{n} for values in ({m});
insert into p{n} select i, {m}, '2024-01-01'::timestamptz + i * interval '17 min', i % 977
    from generate_series(1, {rows}) i;
"""


def create_big_schema(server: Server, database: str) -> dict[str, int]:
    """Create the database of many objects; return how many of each it has."""
    _create_database(server, database)
    dsn = server.dsn(database)
    with ThreadPoolExecutor(_SESSIONS) as pool:
        list(pool.map(lambda text: _execute(dsn, text), _statements()))
    _execute(dsn, "".join(f"analyze p{n};" for n in range(PARTITIONED_TABLES)))
    with closing(connect(dsn, read_only=True)) as connection:
        row = connection.execute(
            "select count(*) filter (where relkind = 'r' and not relispartition),"
            " count(*) filter (where relkind = 'r' and relispartition), count(*) filter (where relkind = 'i')"
            " from pg_class where relnamespace = 'public'::regnamespace"
        ).fetchone()
    assert row is not None
    return {"tables": row[0], "partitions": row[1], "indexes": row[2]}


def create_terabyte(server: Server, database: str) -> None:
    """Create a database whose one table and its index have the length of a terabyte and more, and take no disk."""
    _create_database(server, database)
    dsn = server.dsn(database)
    with closing(connect(dsn, read_only=False)) as connection:
        connection.execute(
            b"create table terabyte (id bigint primary key, kind integer, note text);"
            b"insert into terabyte select i, i % 9, repeat('n', 60) from generate_series(1, 1000) i;"
            b"analyze terabyte"
        )
        connection.execute(b"checkpoint")
        [table, index] = [
            server.data_directory / path
            for (path,) in connection.execute(
                "select pg_relation_filepath(oid) from pg_class where relname in ('terabyte', 'terabyte_pkey')"
                " order by relkind desc"
            ).fetchall()
        ]
        for name, pages in (("terabyte", TERABYTE_PAGES), ("terabyte_pkey", _INDEX_PAGES)):
            connection.execute(
                "update pg_class set relpages = $2, reltuples = $3 where oid = $1::regclass",
                (name, pages, TERABYTE_ROWS),
            )
    server.stop()
    set_length(table, TERABYTE_PAGES)
    set_length(index, _INDEX_PAGES)
    set_btree_height(index, _INDEX_LEVEL)
    server.start()


def _statements() -> Iterator[str]:
    for first in range(0, TABLES, _PER_TRANSACTION):
        numbers = range(first, min(first + _PER_TRANSACTION, TABLES))
        yield "".join(_TABLE.format(n=n, rows=ROWS, owners=20 + n % 50) for n in numbers)
    for n in range(PARTITIONED_TABLES):
        parts = "".join(_PARTITION.format(n=n, m=m, rows=ROWS) for m in range(PARTITIONS))
        yield _PARENT.format(n=n) + parts


def _create_database(server: Server, database: str) -> None:
    _execute(server.dsn(), f"create database {database}")


def _execute(dsn: str, text: str) -> None:
    with closing(connect(dsn, read_only=False)) as connection:
        connection.execute(text.encode())
