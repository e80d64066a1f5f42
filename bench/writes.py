"""What one more index costs: each inserted row ms, WAL bytes and blocks, by access method; each query its planning.

On an embedded server.

Tables that differ by one index take the same rows in turns; what is printed is the difference to the one without any.
The prices of `trimtab.propose.writes` are of this kind.
"""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path
from statistics import median

from bench.results_file import write
from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server

KINDS = {
    "btree, growing key": "USING btree (id)",
    "btree, random key": "USING btree (random)",
    "btree, random text": "USING btree (digest)",
    "btree, wide": "USING btree (random, digest) INCLUDE (id)",
    "hash": "USING hash (digest)",
    "brin": "USING brin (id)",
    "gin, 5 items": "USING gin (items)",
    "gist": "USING gist (span)",
}
_PLANNED = 1_000
_ROW = (
    "n AS id, (pg_catalog.hashint8(n + $1::int8) & 1073741823) AS random,"
    " pg_catalog.md5((n + $1::int8)::text) AS digest,"
    " ARRAY(SELECT pg_catalog.hashint8(n * 5 + i) & 4095 FROM pg_catalog.generate_series(1, 5) i) AS items,"
    " int4range((n % 100000)::int, (n % 100000)::int + 10) AS span"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000, help="rows that the tables have at first")
    parser.add_argument("--inserted", type=int, default=20_000, help="rows that are inserted at once")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with (
        Server.create(Binaries.find(), purpose="bench-writes") as server,
        closing(connect(server.dsn(), read_only=False)) as connection,
    ):
        rows = _measure(connection, arguments.rows, arguments.inserted, arguments.rounds)
        planning = _planning(connection)
    for row in [*rows, planning]:
        print(row)
    print(f"written to {write('writes', {'kinds': rows, 'planning': planning}).relative_to(Path.cwd())}")


def _measure(connection: Connection, rows: int, inserted: int, rounds: int) -> list[dict[str, object]]:
    tables = {kind: f"t{number}" for number, kind in enumerate(["none", *KINDS])}
    for kind, table in tables.items():
        connection.execute(
            f"CREATE TABLE {table} AS SELECT {_ROW} FROM pg_catalog.generate_series(1, {rows}::int8) n".encode(), (0,)
        )
        if kind in KINDS:
            connection.execute(f"CREATE INDEX ON {table} {KINDS[kind]}".encode())
        connection.execute(f"VACUUM ANALYZE {table}".encode())
    seen: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in tables}
    for number in range(rounds):
        start = rows + number * inserted
        for kind, table in tables.items():
            seen[kind].append(_insert(connection, table, start, inserted))
    base = [median(values) for values in zip(*seen["none"], strict=True)]
    found: list[dict[str, object]] = []
    for kind in KINDS:
        each = [median(values) - b for values, b in zip(zip(*seen[kind], strict=True), base, strict=True)]
        ms, wal, blocks = (value / inserted for value in each)
        found.append(
            {"kind": kind, "us_per_row": round(1000 * ms, 2), "wal_bytes": round(wal, 1), "blocks": round(blocks, 2)}
        )
    return found


def _planning(connection: Connection) -> dict[str, object]:
    """Return by how much each of sixteen indexes lengthens the planning of a query on their table, in µs."""
    connection.execute(b"CREATE TABLE planned AS SELECT * FROM t0")
    connection.execute(b"ANALYZE planned")
    bare = _planning_ms(connection)
    columns = ("id", "random", "digest", "items")
    for first in columns:
        for second in columns:
            keys = first if first == second else f"{first}, {second}"
            connection.execute(f"CREATE INDEX ON planned ({keys})".encode())
    added = _planning_ms(connection) - bare
    return {"bare_us": round(1000 * bare, 2), "us_per_index": round(1000 * added / len(columns) ** 2, 2)}


def _planning_ms(connection: Connection) -> float:
    text = b"EXPLAIN (SUMMARY, FORMAT JSON) SELECT * FROM planned WHERE id = 7 AND random > 9"
    found = []
    for _ in range(_PLANNED):
        [[told]] = connection.execute(text).fetchall()
        [document] = told if isinstance(told, list) else json.loads(told)
        found.append(float(document["Planning Time"]))
    return median(found)


def _insert(connection: Connection, table: str, start: int, count: int) -> tuple[float, float, float]:
    """Return ms, WAL bytes and blocks asked for."""
    text = (
        f"EXPLAIN (ANALYZE, BUFFERS, WAL, TIMING OFF, FORMAT JSON) INSERT INTO {table}"
        f" SELECT {_ROW} FROM pg_catalog.generate_series({start + 1}::int8, {start + count}::int8) n"
    )
    [[told]] = connection.execute(text.encode(), (start,)).fetchall()
    [document] = told if isinstance(told, list) else json.loads(told)
    plan = document["Plan"]
    blocks = sum(plan[name] for name in ("Shared Hit Blocks", "Shared Read Blocks"))
    return document["Execution Time"], float(plan["WAL Bytes"]), float(blocks)


if __name__ == "__main__":
    main()
