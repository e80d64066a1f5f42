"""How large a B-tree would be: a model of what CREATE INDEX writes, from the planner's statistics. Pure.

Leaf tuples are 8 bytes, a NULL bitmap where there are NULLs, the aligned columns, and a 4-byte line pointer; pages hold
them up to the fill factor. Equal keys share a tuple (deduplication, since version 13) where the types allow it: its size
depends on how often a key repeats, so on the number of distinct values of the column group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp

PAGE_BYTES = 8192
_PAGE_ROOM = PAGE_BYTES - 24 - 16
_LEAF_FILL, _INNER_FILL = 0.90, 0.70
_LINE_POINTER = 4
_TID_BYTES = 6
_MAX_POSTING_BYTES = 812
_NULL_BITMAP = 8
_TUPLE_HEADER = 8


@dataclass(frozen=True, slots=True)
class IndexedColumn:
    """A column as statistics know it: average width in bytes (a varlena's header included), alignment in bytes, share of
    NULLs, and the number of distinct values.
    """

    width: float
    alignment: int
    null_share: float
    distinct: float


@dataclass(frozen=True, slots=True)
class TreeSize:
    """Pages of the whole index, and the level of its root (0: the root is a leaf)."""

    pages: int
    level: int

    @property
    def size_bytes(self) -> int:
        """The size in bytes."""
        return self.pages * PAGE_BYTES


def btree_size(
    rows: float, keys: Sequence[IndexedColumn], included: Sequence[IndexedColumn] = (), *, is_deduplicated: bool = True
) -> TreeSize:
    """Return the size that CREATE INDEX would give."""
    if rows < 1:
        return TreeSize(1, 0)
    bare = _tuple_bytes([*keys, *included])
    leaf_bytes = rows * (bare + _LINE_POINTER)
    if is_deduplicated and not included:
        distinct = _distinct(rows, keys)
        leaf_bytes = distinct * _group_bytes(rows / distinct, bare)
    room = (_PAGE_ROOM - bare) * _LEAF_FILL  # a high key takes a tuple's place
    leaves = max(ceil(leaf_bytes / room), 1)
    return _with_inner_pages(leaves, _tuple_bytes(keys))


def tree_of(leaf_and_inner_pages: int, keys: Sequence[IndexedColumn]) -> TreeSize:
    """Return the level of an index whose length is known."""
    return TreeSize(leaf_and_inner_pages, _with_inner_pages(max(leaf_and_inner_pages - 1, 1), _tuple_bytes(keys)).level)


def _with_inner_pages(leaves: int, pivot_bytes: float) -> TreeSize:
    fanout = max(_PAGE_ROOM * _INNER_FILL / (pivot_bytes + _LINE_POINTER), 2.0)
    pages, level, here = 1 + leaves, 0, leaves
    while here > 1:
        here = ceil(here / fanout)
        pages += here
        level += 1
    return TreeSize(pages, level)


def _tuple_bytes(columns: Sequence[IndexedColumn]) -> float:
    """Return the size of one tuple: header, NULL bitmap when some row needs one, aligned columns, aligned whole."""
    has_nulls = 1.0
    offset = 0.0
    for column in columns:
        has_nulls *= 1.0 - column.null_share
        step = column.alignment if float(column.width).is_integer() else 1
        offset = ceil(offset / step) * step if step > 1 else offset + (column.alignment - 1) / 2
        offset += column.width * (1.0 - column.null_share)
    data = offset + (1.0 - has_nulls) * _NULL_BITMAP
    exact = float(data).is_integer()
    aligned = ceil(data / 8) * 8 if exact else data + 3.5
    return _TUPLE_HEADER + aligned


def _distinct(rows: float, keys: Sequence[IndexedColumn]) -> float:
    product = 1.0
    for column in keys:
        product *= max(column.distinct, 1.0) + (1.0 if column.null_share > 0 else 0.0)
    return max(min(product, rows), 1.0)


def _group_bytes(repeats: float, bare: float) -> float:
    """Return the leaf bytes of one distinct key that occurs `repeats` times on average."""
    if repeats >= 30:
        return _posting_bytes(repeats, bare)
    # Few repeats vary much from key to key: average over a Poisson distribution of at least one.
    rate = _zero_truncated_rate(repeats)
    weight, total, mass = rate * exp(-rate), 0.0, 0.0
    for count in range(1, 80):
        total += weight * _posting_bytes(count, bare)
        mass += weight
        weight *= rate / (count + 1)
    return total / mass if mass > 0 else bare + _LINE_POINTER


def _posting_bytes(count: float, bare: float) -> float:
    if count < 2:
        return bare + _LINE_POINTER
    most = max((_MAX_POSTING_BYTES - bare) // _TID_BYTES, 2)
    full, rest = divmod(count, most)
    size = full * (_aligned(bare + most * _TID_BYTES) + _LINE_POINTER)
    if rest >= 2:
        size += _aligned(bare + rest * _TID_BYTES) + _LINE_POINTER
    elif rest > 0:
        size += bare + _LINE_POINTER
    return size


def _zero_truncated_rate(mean: float) -> float:
    """Return the rate of a Poisson distribution whose mean, given at least one, is `mean`. By fixed-point iteration."""
    if mean <= 1.0001:
        return 1e-3
    rate = mean - 1.0 if mean < 2 else mean
    for _ in range(60):
        rate = mean * (1.0 - exp(-rate))
    return max(rate, 1e-3)


def _aligned(size: float) -> float:
    return ceil(size / 8) * 8
