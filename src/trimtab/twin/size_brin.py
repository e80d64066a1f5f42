"""How large a BRIN index would be: a map and one summary for every range of the table's pages. Pure.

What a summary holds is decided by the operator class: two values, a union, a Bloom filter, or some values. The rules
are those of PostgreSQL's brin_tuple.c, brin_bloom.c and brin_minmax_multi.c.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, log

from trimtab.twin.size import PAGE_BYTES, IndexedColumn, aligned

_ROOM = PAGE_BYTES - 24 - 8
_MAP_ITEMS = _ROOM // 6
_LINE_POINTER = 4
_HEADER = 5
_MOST_ROWS_PER_PAGE = 291
_COMPRESSED_FROM = 508
_LEAST_SAVED = 0.75
_BLOOM_DISTINCT, _BLOOM_FALSE, _BLOOM_LEAST = -0.1, 0.01, 16
_MULTI_VALUES, _MULTI_KEPT, _MULTI_HEADER = 32, 0.56, 20


@dataclass(frozen=True, slots=True)
class BrinSize:
    """Pages of the whole index and of its map."""

    pages: int
    map_pages: int


def brin_size(table_pages: int, per_range: int, columns: Sequence[IndexedColumn], table_rows: float) -> BrinSize:
    """Return the size of an index over `table_pages`, one summary for each `per_range` of them."""
    ranges = max(ceil(table_pages / per_range), 1)
    rows = table_rows / ranges
    size = 0.0
    for column in columns:
        size = _after(size, column, rows, per_range)
    # With every range alike, a column without any NULL needs no bitmap; else two bits for each column.
    has_nulls = any(column.null_share > 0 for column in columns)
    header = aligned(_HEADER + (ceil(len(columns) / 4) if has_nulls else 0))
    item = aligned(header + size) + _LINE_POINTER
    map_pages = brin_map_pages(table_pages, per_range)
    return BrinSize(1 + map_pages + ceil(ranges / max(int(_ROOM / item), 1)), map_pages)


def brin_map_pages(table_pages: int, per_range: int) -> int:
    """Return the pages of the map from ranges to summaries."""
    return ceil(max(ceil(table_pages / per_range), 1) / _MAP_ITEMS)


def _after(end: float, column: IndexedColumn, rows: float, per_range: int) -> float:
    """Return where the column's summary ends when the one before ended at `end`."""
    name = column.operator_class
    if "_bloom_" in name:
        return end + 1 + _compressed(*_bloom_bytes(column, rows, per_range))
    if "_minmax_multi_" in name:
        most = float(column.options.get("values_per_range", _MULTI_VALUES))
        values = _values(column, rows)
        values = values if values <= most else most * _MULTI_KEPT
        size = 1 + _MULTI_HEADER - 4 + values * column.width
        return end + (size if size < _COMPRESSED_FROM else _compressed(size, 1.0))
    if "_inclusion_" in name:
        return aligned(end, column.alignment) + column.width + 2
    return aligned(aligned(end, column.alignment) + column.width, column.alignment) + column.width


def _values(column: IndexedColumn, rows: float) -> float:
    """Return how many distinct values the rows of one range have, if they lie anywhere."""
    distinct = column.distinct if column.distinct > 0 else -column.distinct * rows
    known = rows * (1 - column.null_share)
    return max(distinct * (1 - exp(-known / max(distinct, 1.0))) if distinct < known else known, 1.0)


def _bloom_bytes(column: IndexedColumn, rows: float, per_range: int) -> tuple[float, float]:
    """Return the filter's bytes and the share of them that is not zero."""
    most = _MOST_ROWS_PER_PAGE * per_range
    expected = float(column.options.get("n_distinct_per_range", _BLOOM_DISTINCT))
    expected = min(max(-expected * most if expected < 0 else expected, _BLOOM_LEAST), most)
    wrong = float(column.options.get("false_positive_rate", _BLOOM_FALSE))
    bits = ceil(-expected * log(wrong) / log(2) ** 2)
    size = ceil(bits / 8)
    hashes = round(log(2) * bits / expected)
    return 16 + size, 1 - exp(-hashes * _values(column, rows) / size)


def _compressed(size: float, share: float) -> float:
    """Return the size after compression, which is tried from some size on, of bytes of which `share` is not zero."""
    if size < _COMPRESSED_FROM:
        return size
    small = size * min(share * 2.2, 1.0) + size / 90
    return small if small <= size * _LEAST_SAVED else size
