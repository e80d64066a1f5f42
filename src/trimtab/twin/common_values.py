"""Makes the list of common values of several columns in PostgreSQL's own bytes, from what the views show of it.

Their layout depends on every type's own. So the twin's server makes the list: it analyses a temporary table that holds
the list's items and nothing else; then the shares are written over those that it found (mcv.c: the items come last).
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from trimtab.db.confined import OWNER
from trimtab.db.connection import Connection

_TABLE, _OBJECT = "trimtab_items", "trimtab_list"
_SHARES = struct.Struct("=dd")


@dataclass(frozen=True, slots=True)
class CommonValues:
    """Texts of PostgreSQL arrays: the items (an array of two dimensions), their shares, and those if independent."""

    values: str
    shares: str
    base_shares: str


def common_values_bytes(
    twin: Connection, relation: str, columns: Sequence[str], order: Sequence[int], common: CommonValues
) -> bytes | None:
    """Return the bytes of the list for these columns (SQL, of `relation`); None when the twin cannot make it.

    `order[i]` is the place of column i in an item. Nothing else on the twin changes.
    """
    try:
        with twin.transaction(force_rollback=True):
            return _made(twin, relation, columns, order, common)
    except (psycopg.Error, ValueError):
        if twin.closed:
            raise
        return None


def _made(
    twin: Connection, relation: str, columns: Sequence[str], order: Sequence[int], common: CommonValues
) -> bytes | None:
    row = twin.execute(
        "select $1::text[], $2::float8[], $3::float8[]", (common.values, common.shares, common.base_shares)
    ).fetchone()
    assert row is not None, "a query without a table gives a row"
    items = [tuple(item[place] for place in order) for item in row[0]]
    shares = list(zip(row[1], row[2], strict=True))
    names = [f"c{number}" for number in range(len(columns))]
    listed = ", ".join(f"{column} AS {name}" for column, name in zip(columns, names, strict=True))
    # The server's own texts of its columns and of its table.
    twin.execute(f"CREATE TEMP TABLE {_TABLE} AS SELECT {listed} FROM {relation} WITH NO DATA".encode())  # noqa: S608
    # ANALYZE calls functions of types as the table's owner, and anybody can have made those.
    twin.execute(f"ALTER TABLE {_TABLE} OWNER TO {OWNER}".encode())
    for name in names:
        twin.execute(f"ALTER TABLE {_TABLE} ALTER COLUMN {name} SET STATISTICS 10000".encode())
    places = ", ".join(f"${number}" for number in range(1, len(names) + 1))
    with twin.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {_TABLE} VALUES ({places})".encode(), items)  # noqa: S608
    twin.execute(f"CREATE STATISTICS pg_temp.{_OBJECT} (mcv) ON {', '.join(names)} FROM {_TABLE}".encode())
    twin.execute(f"ANALYZE {_TABLE}".encode())
    made = twin.execute(
        "select d.stxdmcv::bytea,"
        " array(select m.values from pg_catalog.pg_mcv_list_items(d.stxdmcv) m order by m.index)"
        " from pg_catalog.pg_statistic_ext_data d join pg_catalog.pg_statistic_ext s on s.oid = d.stxoid"
        " where s.stxrelid = pg_catalog.to_regclass($1) and d.stxdmcv is not null",
        (f"pg_temp.{_TABLE}",),
    ).fetchone()
    return None if made is None else with_shares(made[0], [tuple(item) for item in made[1]], items, shares)


def with_shares(
    data: bytes,
    made: Sequence[tuple[str | None, ...]],
    items: Sequence[tuple[str | None, ...]],
    shares: Sequence[tuple[float, float]],
) -> bytes | None:
    """Return the list's bytes with these shares of these items, in their order; None if it is of other items."""
    found: dict[tuple[str | None, ...], list[int]] = defaultdict(list)
    for place, item in enumerate(made):
        found[item].append(place)
    if len(made) != len(items) or any(item not in found for item in items):
        return None
    dimensions = len(items[0])
    size = 3 * dimensions + _SHARES.size  # of each column a null flag and a number of two bytes
    start = len(data) - size * len(items)
    result = bytearray(data[:start])
    for item, both in zip(items, shares, strict=True):
        if not found[item]:
            return None
        place = start + size * found[item].pop(0)
        record = bytearray(data[place : place + size])
        _SHARES.pack_into(record, dimensions, *both)
        result += record
    return bytes(result)
