"""What a statistics object would hold after ANALYZE, computed by the source over a sample of its table.

Nothing but what such objects hold leaves the source: numbers of groups, degrees of dependency, most common combinations
and their shares. The rules are those of PostgreSQL's mvdistinct.c, dependencies.c and mcv.c. A value's rank among the
values of its column stands for it, so that all sets of columns are counted over numbers.
"""

# ruff: noqa: S608 - what is put together are quoted names, expressions as the twin's server wrote them, and numbers
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import floor

from trimtab.db.connection import Connection
from trimtab.twin.common_values import CommonValues
from trimtab.twin.expression_statistics import is_wide
from trimtab.twin.groups import estimated_distinct
from trimtab.twin.repeat import sampled_rows
from trimtab.twin.sample_statements import Sampled

_AT_ONCE = 64
"""Sets of columns that one statement counts: all of six columns, a quarter of those of eight, the most there can be."""


@dataclass(frozen=True, slots=True)
class ObjectStatistics:
    """What an object on columns numbered from 1 holds, of `rows` sampled rows; None is what was not asked or not found.

    `ndistinct` and `dependencies` are texts as PostgreSQL writes them.
    """

    rows: int
    ndistinct: str | None = None
    dependencies: str | None = None
    common: CommonValues | None = None


@dataclass(frozen=True, slots=True)
class _Set:
    """A set of columns, by their places: groups of equal rows, those of one row, and rows in groups that agree.

    `agreeing[i]` are the rows of the groups within which column i has one value. Rows with a value that is too wide to
    be compared are in no such group.
    """

    groups: int
    single: int
    rows: int
    agreeing: tuple[int, ...]


def compute(
    connection: Connection,
    source: Sampled,
    columns: Mapping[str, str],
    numbers: Sequence[int],
    kinds: Sequence[str],
    target: int,
) -> ObjectStatistics:
    """Return what the object would hold.

    `columns` are SQL with its type: names of columns in the table's order, then expressions; `numbers` are what the
    object calls them. `target` is how many items its list has at most.

    Runs in a read-only transaction. Raises psycopg.Error.
    """
    sets = _sets(connection, source, columns)
    everything = frozenset(range(len(columns)))
    if everything not in sets:
        return ObjectStatistics(0)
    rows = sets[everything].rows
    total = max(source.all_rows, float(rows))
    return ObjectStatistics(
        rows=rows,
        ndistinct=_ndistinct(sets, numbers, total) if "ndistinct" in kinds else None,
        dependencies=_dependencies(sets, numbers) if "dependencies" in kinds else None,
        common=_common(connection, source, columns, rows, total, target) if "mcv" in kinds else None,
    )


def _ranks(source: Sampled, columns: Mapping[str, str]) -> str:
    """Return the WITH of the sample `s`, its ranks `coded` (k0, k1, ...; NULL is a value), and their groups `g`.

    `wide` has a bit for each column whose value is too wide, the first column's highest, as grouping() has them.
    """
    names = ", ".join(f"{column} AS c{n}" for n, column in enumerate(columns))
    ranks = ", ".join(f"pg_catalog.dense_rank() OVER (ORDER BY c{n})::int AS k{n}" for n in range(len(columns)))
    wide = " | ".join(
        f"CASE WHEN {is_wide(f'c{n}', kind)} THEN {_bit(n, len(columns))} ELSE 0 END"
        for n, kind in enumerate(columns.values())
    )
    return (
        f"WITH s AS MATERIALIZED (SELECT {names}, pg_catalog.row_number() OVER () AS place {source.text}),"
        f" coded AS MATERIALIZED (SELECT {ranks}, {wide} AS wide, place FROM s),"
        f" g AS MATERIALIZED (SELECT {_keys(len(columns))}, wide, count(*)::int AS n, min(place) AS place"
        f" FROM coded GROUP BY {_keys(len(columns))}, wide)"
    )


def _keys(count: int) -> str:
    return ", ".join(f"k{n}" for n in range(count))


def _bit(place: int, count: int) -> int:
    return 1 << (count - 1 - place)


def _sets(connection: Connection, source: Sampled, columns: Mapping[str, str]) -> dict[frozenset[int], _Set]:
    count = len(columns)
    everything = [places for size in range(1, count + 1) for places in combinations(range(count), size)]
    found: dict[frozenset[int], _Set] = {}
    for start in range(0, len(everything), _AT_ONCE):
        found |= _some_sets(connection, source, columns, everything[start : start + _AT_ONCE])
    return found


def _some_sets(
    connection: Connection, source: Sampled, columns: Mapping[str, str], chosen: Sequence[tuple[int, ...]]
) -> dict[frozenset[int], _Set]:
    count = len(columns)
    listed = ", ".join("(" + ", ".join(f"k{n}" for n in places) + ")" for places in chosen)
    narrow = [f"FILTER (WHERE wide & {_bit(n, count)} = 0)" for n in range(count)]
    seen = ", ".join(
        f"min(k{n}) {only} AS low{n}, max(k{n}) {only} AS high{n}, (sum(n) {only})::int AS rows{n}"
        for n, only in enumerate(narrow)
    )
    agreeing = ", ".join(
        f"coalesce(sum(rows{n}) FILTER (WHERE low{n} = high{n} AND wide & ~missing = 0), 0)" for n in range(count)
    )
    rows = sampled_rows(
        connection,
        f"{_ranks(source, columns)}, sets AS (SELECT grouping({_keys(count)}) AS missing, sum(n)::int AS n,"
        f" bit_or(wide) AS wide, {seen} FROM g GROUP BY GROUPING SETS ({listed}))"
        f" SELECT missing, count(*), count(*) FILTER (WHERE n = 1), sum(n), {agreeing}"
        f" FROM sets GROUP BY missing",
    )
    return {
        frozenset(n for n in range(count) if not missing & _bit(n, count)): _Set(groups, single, all_rows, tuple(agree))
        for missing, groups, single, all_rows, *agree in rows
    }


def _ndistinct(sets: dict[frozenset[int], _Set], numbers: Sequence[int], total: float) -> str:
    found, count = {}, len(numbers)
    for size in range(2, count + 1):
        for places in combinations(range(count), size):
            one = sets[frozenset(places)]
            others = one.groups - one.single
            occurrences: list[tuple[float, int]] = [(1, one.single)]
            if others:
                occurrences.append(((one.rows - one.single) / others, others))
            distinct = estimated_distinct(occurrences, total / one.rows)
            found[", ".join(str(numbers[n]) for n in places)] = floor(distinct + 0.5)
    return json.dumps(found)


def _dependencies(sets: dict[frozenset[int], _Set], numbers: Sequence[int]) -> str | None:
    """Return the degrees above 0, in PostgreSQL's order: of two that are equally strong the planner takes the later."""
    found, count = {}, len(numbers)
    for size in range(1, count):
        for places in combinations(range(count), size):
            one = sets[frozenset(places)]
            for implied in range(count):
                if implied not in places and one.agreeing[implied]:
                    key = f"{', '.join(str(numbers[n]) for n in places)} => {numbers[implied]}"
                    found[key] = one.agreeing[implied] / one.rows
    return json.dumps(found) if found else None


def _common(
    connection: Connection, source: Sampled, columns: Mapping[str, str], rows: int, total: float, target: int
) -> CommonValues | None:
    count = len(columns)
    # "%s" writes a value as its type does; a cast to text can differ.
    texts = ", ".join(
        f"CASE WHEN s.c{n} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', s.c{n}) END" for n in range(count)
    )
    alone = ", ".join(f"f{n} AS (SELECT k{n}, sum(n) AS n FROM listed GROUP BY k{n})" for n in range(count))
    joins = " ".join(f"JOIN f{n} ON f{n}.k{n} = top.k{n}" for n in range(count))
    base = " * ".join(f"(f{n}.n::float8 / {rows})" for n in range(count))
    order = "ORDER BY top.n DESC, " + ", ".join(f"top.k{n}" for n in range(count))
    [row] = sampled_rows(
        connection,
        f"{_ranks(source, columns)}, listed AS MATERIALIZED (SELECT * FROM g WHERE wide = 0), {alone},"
        f" top AS MATERIALIZED (SELECT * FROM listed top WHERE n >= $1::float8 {order} LIMIT {target})"
        f" SELECT pg_catalog.array_agg(array[{texts}] {order})::text,"
        f" pg_catalog.array_agg(top.n::float8 / {rows} {order})::text, pg_catalog.array_agg({base} {order})::text"
        f" FROM top JOIN s ON s.place = top.place {joins}",
        (_least_count(rows, total),),
    )
    return None if row[0] is None else CommonValues(*row)


def _least_count(rows: int, total: float) -> float:
    """Return how often a combination of the sample occurs at least if its share is to be trusted (mcv.c)."""
    below = total - rows + 0.04 * rows * (total - 1)
    return rows * (total - rows) / below if below else 0.0
