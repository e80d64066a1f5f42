"""Statistics of an expression as ANALYZE would collect them for an index on it, computed by the source over a sample.

Nothing but the statistics leaves the source: shares, widths, most common values or elements, bounds of a histogram. The
rules are those of PostgreSQL's analyze.c, ts_typanalyze.c and array_typanalyze.c.
"""

# ruff: noqa: S608 - what is put together are expressions that the twin's server wrote out of its catalog
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt

import psycopg

from trimtab.db.connection import Connection
from trimtab.db.failures import source_error
from trimtab.model.column_statistics import ColumnStatistics
from trimtab.twin.groups import estimated_distinct
from trimtab.twin.repeat import sampled_rows
from trimtab.twin.statistics import store_column_statistics

DEFAULT_TARGET = 100
"""PostgreSQL's own default of default_statistics_target."""
_WIDEST = 1024
"""Bytes, uncompressed, above which ANALYZE does not compare a value."""
_ELEMENTS = 10
"""Most common elements for each of the target."""


@dataclass(frozen=True, slots=True)
class ExpressionStatistics:
    """The fields of pg_stats; arrays of values are in the server's text form, None where there are none.

    `rows` is how many were read.
    """

    null_share: float
    width: int
    distinct: float
    common_values: str | None = None
    common_shares: tuple[float, ...] | None = None
    histogram: str | None = None
    correlation: float | None = None
    elements: str | None = None
    element_shares: tuple[float, ...] | None = None
    element_counts: tuple[float, ...] | None = None
    rows: int = 0

    def as_column(self) -> ColumnStatistics:
        """Return them as the twin stores statistics of columns."""
        return ColumnStatistics(
            null_fraction=self.null_share,
            width=self.width,
            distinct=self.distinct,
            correlation=self.correlation,
            common_values=self.common_values,
            common_shares=_text(self.common_shares),
            histogram=self.histogram,
            elements=self.elements,
            element_shares=_text(self.element_shares),
            element_counts=_text(self.element_counts),
        )


@dataclass(frozen=True, slots=True)
class _Ranked:
    """What the first reading counts: rows, those not NULL, those not too wide, and how often values occur."""

    rows: int
    known: int
    narrow: int
    width: float
    distinct: int
    repeated: int
    once: int
    correlation: float | None
    counts: Sequence[int]


def compute(
    connection: Connection,
    source: str,
    expression: str,
    predicate: str | None,
    all_rows: float,
    target: int = DEFAULT_TARGET,
    *,
    with_values: bool = True,
) -> ExpressionStatistics | None:
    """Return the statistics of `expression` over the rows of `source` (FROM and after) that satisfy the predicate.

    `target` is the statistics target, above 0. Without values nothing that comes of it is a value of a row. None when
    there are no such rows. Runs in a read-only transaction.
    """
    base = _base(source, expression, predicate)
    found_types = sampled_rows(connection, f"{base} SELECT pg_catalog.pg_typeof(v)::text, count(*) FROM s GROUP BY 1")
    if not found_types:
        return None
    kind, rows = str(found_types[0][0]), int(found_types[0][1])
    if kind == "tsvector":
        found = _lexemes(connection, base, rows, target) if with_values else _plain(connection, base)
        return replace(found, rows=rows)
    try:
        with connection.transaction():
            found = _scalar(connection, base, kind, all_rows, target, with_values=with_values)
    except psycopg.errors.UndefinedFunction:  # No order, or not even equality: nothing is known of its values.
        found = replace(_plain(connection, base), distinct=0.0)
    if kind.endswith("[]") and with_values:
        found = _with_elements(connection, base, found, target)
    return replace(found, rows=rows)


def is_wide(value: str, type_name: str) -> str:
    """Return the SQL condition that a value, not NULL, of that type is too wide to be compared by ANALYZE.

    In an array a value is uncompressed, behind a head; an array in an array has only its second dimension more.
    """
    head = 8 if type_name.endswith("[]") else 24
    return f"pg_catalog.pg_column_size(array[{value}]) > {_WIDEST + head}"


def store(maker: Connection, indexes: Sequence[int], statistics: Mapping[int, ExpressionStatistics]) -> tuple[str, ...]:
    """Give the twin's indexes these statistics, by the column's position; return what could not be stored."""
    if not statistics or not indexes:
        return ()
    name = (
        "select n.nspname::text, c.relname::text from pg_catalog.pg_class c"
        " join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = $1::bigint::oid"
    )
    try:
        for oid in indexes:
            schema, relation = maker.execute(name, (oid,)).fetchall()[0]
            for position, told in statistics.items():
                if not store_column_statistics(maker, schema, relation, position, told.as_column()):
                    return ("statistics of its expressions were not stored: the twin cannot read their values",)
    except psycopg.Error as error:
        if maker.closed:
            raise
        return (f"statistics of its expressions were not stored: {source_error(error)}",)
    return ()


def _text(numbers: Sequence[float] | None) -> str | None:
    return None if numbers is None else "{" + ",".join(map(repr, numbers)) + "}"


def _base(source: str, expression: str, predicate: str | None) -> str:
    condition = "true" if predicate is None else f"({predicate}) IS TRUE"
    return (
        f"WITH r AS MATERIALIZED (SELECT ({expression}) AS v, {condition} AS passes, tableoid AS part, ctid AS tid"
        f" {source}), s AS (SELECT v, part, tid FROM r WHERE passes)"
    )


def _ranked(base: str, kind: str) -> str:
    return (
        f"{base}, known AS (SELECT v, pg_catalog.row_number() OVER (ORDER BY part, tid) AS place,"
        f" pg_catalog.row_number() OVER (ORDER BY v, part, tid) AS sorted"
        f" FROM s WHERE v IS NOT NULL AND NOT {is_wide('v', kind)}),"
        f" vals AS (SELECT v, count(*) AS n, min(sorted) AS first FROM known GROUP BY v),"
        f" ranked AS (SELECT v, n, pg_catalog.row_number() OVER (ORDER BY n DESC, first) AS rank FROM vals)"
    )


def _scalar(
    connection: Connection, base: str, kind: str, all_rows: float, target: int, *, with_values: bool
) -> ExpressionStatistics:
    ranked = _ranked(base, kind)
    [row] = sampled_rows(
        connection,
        f"{ranked} SELECT (SELECT count(*) FROM s), (SELECT count(v) FROM s), (SELECT count(*) FROM known),"
        f" (SELECT coalesce(avg(pg_catalog.pg_column_size(v)), 0)::float8 FROM s WHERE v IS NOT NULL),"
        f" (SELECT count(*) FROM vals), (SELECT count(*) FROM vals WHERE n > 1),"
        f" (SELECT count(*) FROM vals WHERE n = 1),"
        f" (SELECT pg_catalog.corr(place, sorted) FROM known),"
        f" array(SELECT n::int FROM ranked WHERE rank <= {target} AND n > 1 ORDER BY rank)",
    )
    seen = _Ranked(*row)
    null_share = 1 - seen.known / seen.rows
    total = max(all_rows, float(seen.rows))
    distinct = _distinct(seen, total, null_share)
    if not with_values:
        return ExpressionStatistics(null_share, round(seen.width), distinct, correlation=seen.correlation)
    kept = _kept(seen, distinct, null_share, total, target)
    positions = _positions(seen.narrow - sum(seen.counts[:kept]), seen.distinct - kept, target)
    [told] = sampled_rows(
        connection,
        f"{ranked}, rest AS (SELECT v, pg_catalog.row_number() OVER (ORDER BY v) - 1 AS at FROM known"
        f" WHERE v NOT IN (SELECT v FROM ranked WHERE rank <= {kept}))"
        f" SELECT (SELECT pg_catalog.array_agg(pg_catalog.format('%s', v) ORDER BY rank)::text"
        f" FROM ranked WHERE rank <= {kept}),"
        f" (SELECT pg_catalog.array_agg(pg_catalog.format('%s', v) ORDER BY at)::text FROM rest"
        f" WHERE at IN (SELECT pg_catalog.unnest($1::bigint[])))",
        (positions,),
    )
    return ExpressionStatistics(
        null_share=null_share,
        width=round(seen.width),
        distinct=distinct,
        common_values=told[0],
        common_shares=tuple(n / seen.rows for n in seen.counts[:kept]) if kept else None,
        histogram=told[1] if positions else None,
        correlation=seen.correlation,
    )


def _distinct(seen: _Ranked, total: float, null_share: float) -> float:
    """Return n_distinct as pg_stats has it: negative for a share of the rows."""
    if seen.repeated == 0:
        return -(1 - null_share)
    if seen.narrow == seen.known and seen.once == 0:
        found = float(seen.distinct)
    else:
        # Each value that was too wide to be compared counts as one that occurs once.
        once = seen.once + seen.known - seen.narrow
        repeats = (seen.narrow - seen.once) / seen.repeated
        found = estimated_distinct([(1, once), (repeats, seen.repeated)], total / seen.rows)
        found = min(float(round(found)), total)
    return -found / total if found > 0.1 * total else found


def _kept(seen: _Ranked, distinct: float, null_share: float, total: float, target: int) -> int:
    """Return how many of the most common values are worth keeping: analyze_mcv_list, and the shortcut before it."""
    if seen.repeated == seen.distinct and seen.narrow == seen.known and distinct > 0 and seen.distinct <= target:
        return seen.distinct
    number = len(seen.counts)
    if seen.rows >= total or number == 0:
        return number
    values = distinct if distinct > 0 else -distinct * total
    together = float(sum(seen.counts[:-1]))
    while number > 0:
        selectivity = min(max(1 - together / seen.rows - null_share, 0.0), 1.0)
        others = values - (number - 1)
        if others > 1:
            selectivity /= others
        count, n = seen.counts[number - 1], seen.rows
        k = total * count / n
        variance = n * k * (total - k) * (total - n) / (total * total * (total - 1))
        if count > selectivity * n + 2 * sqrt(max(variance, 0.0)) + 0.5:
            break
        number -= 1
        if number:
            together -= seen.counts[number - 1]
    return number


def _positions(values: int, distinct: int, target: int) -> list[int]:
    """Return which of the sorted values are the histogram's bounds."""
    bounds = min(distinct, target + 1)
    return [i * (values - 1) // (bounds - 1) for i in range(bounds)] if bounds >= 2 else []


def _plain(connection: Connection, base: str) -> ExpressionStatistics:
    [row] = sampled_rows(
        connection,
        f"{base} SELECT 1 - count(v)::float8 / count(*), coalesce(avg(pg_catalog.pg_column_size(v)), 0)::float8 FROM s",
    )
    return ExpressionStatistics(null_share=row[0], width=round(row[1]), distinct=-1.0 + row[0])


def _lexemes(connection: Connection, base: str, rows: int, target: int) -> ExpressionStatistics:
    plain = _plain(connection, base)
    known = rows * (1 - plain.null_share)
    elements = "pg_catalog.unnest(pg_catalog.tsvector_to_array(v)) e"
    order = 'pg_catalog.octet_length(e), e COLLATE "C"'
    most = _ELEMENTS * target
    found = _elements(connection, base, elements, order, most, _least_share(most + 10))
    if found is None:
        return plain
    texts, counts = found
    shares = tuple(n / known for n in counts)
    return ExpressionStatistics(
        plain.null_share,
        plain.width,
        plain.distinct,
        elements=texts,
        element_shares=(*shares, min(shares), max(shares)),
    )


def _with_elements(connection: Connection, base: str, told: ExpressionStatistics, target: int) -> ExpressionStatistics:
    steps, most = max(target, 2) - 1, _ELEMENTS * target
    [row] = sampled_rows(
        connection,
        f"{base}, c AS (SELECT (SELECT count(DISTINCT e) FROM pg_catalog.unnest(v) e) AS n,"
        f" pg_catalog.array_position(v, NULL) IS NOT NULL AS has_null FROM s WHERE v IS NOT NULL)"
        f" SELECT count(*), avg(n)::float8, avg(has_null::int)::float8,"
        f" pg_catalog.percentile_disc(array(SELECT i / {steps}.0"
        f" FROM pg_catalog.generate_series(0, {steps}) i)) WITHIN GROUP (ORDER BY n) FROM c",
    )
    known, mean, null_share, counts = row
    elements = "(SELECT DISTINCT x FROM pg_catalog.unnest(v) x WHERE x IS NOT NULL) q(e)"
    found = _elements(connection, base, elements, "e", most, _least_share(most)) if known else None
    if found is None:
        return told
    shares = tuple(n / known for n in found[1])
    return ExpressionStatistics(
        told.null_share,
        told.width,
        told.distinct,
        told.common_values,
        told.common_shares,
        told.histogram,
        told.correlation,
        elements=found[0],
        element_shares=(*shares, min(shares), max(shares), null_share),
        element_counts=(*(float(n) for n in counts), mean),
    )


def _least_share(places: int) -> float:
    """Return the share of all elements below which lossy counting with so many places tells nothing."""
    return 9 * 7 / (places * 1000)


def _elements(
    connection: Connection, base: str, elements: str, order: str, most: int, least_share: float
) -> tuple[str, list[int]] | None:
    """Return the most common elements as text, in the order in which they are stored, and in how many rows each is."""
    [row] = sampled_rows(
        connection,
        f"{base}, n AS (SELECT e, count(*)::int AS n, pg_catalog.sum(count(*)) OVER () AS all_of_them"
        f" FROM s CROSS JOIN LATERAL {elements} WHERE v IS NOT NULL GROUP BY e),"
        f" top AS (SELECT e, n FROM n WHERE n > {least_share:.9f} * all_of_them ORDER BY n DESC, e LIMIT {most})"
        f" SELECT pg_catalog.array_agg(e::text ORDER BY {order})::text,"
        f" pg_catalog.array_agg(n ORDER BY {order}) FROM top",
    )
    return None if row[0] is None else (row[0], row[1])
