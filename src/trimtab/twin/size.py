"""How large a B-tree would be: a model of what CREATE INDEX writes, from the planner's statistics. Pure.

A leaf tuple is 8 bytes, a NULL bitmap where there are NULLs, the aligned columns, and a 4-byte line pointer; leaves
are filled up to the fill factor. Equal keys share tuples ("posting lists", since version 13) where the types allow it,
so the size depends on how often a key repeats. The rules are those of PostgreSQL's nbtsort.c and nbtdedup.c.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, exp, expm1, floor, prod

PAGE_BYTES = 8192
_PAGE_ROOM = PAGE_BYTES - 24 - 16
_LEAF_FILL_PERCENT, _INNER_FILL_PERCENT = 90, 70
_LINE_POINTER = 4
_TID_BYTES = 6
_MAX_POSTING_BYTES = 808
_NULL_BITMAP = 8
_TUPLE_HEADER = 8
_MEAN_PADDING = 3.5
TRIED_WIDTHS, _PACES, _SHORT_BYTES = 101, (1, 37, 59, 83), 127
_NULLABLE = 4
"""Of so many columns, those with most NULLs, the patterns of NULLs are told apart."""
_UNEVEN_REPEATS = 30
"""From so many repeats on, the average says enough of how large the groups of equal keys are."""

Groups = Mapping[frozenset[int], float]
"""Numbers of distinct groups by the columns' attribute numbers, as extended statistics know them."""
KeyGroups = Sequence[tuple[float, float]]
"""(distinct keys, how many rows each of them has): together all the rows of an index."""


@dataclass(frozen=True, slots=True)
class IndexedColumn:
    """A column as statistics know it.

    `width` is the average in bytes with a varlena's header, `alignment` in bytes, `distinct` as in pg_stats: a count,
    or negative a share of the rows. `common_values` most common values make up `common_share` of the rows. `number` is
    the attribute number, 0 for an expression.

    What follows `number` is for other access methods: the operator class and its options, the width of the column's own
    value (an array, a document), the shares of the rows that have the most common values, and elements, and how many
    elements a row has on average; 0 where that is not known. `widths` are those of some values, where they vary.
    """

    width: float
    alignment: int
    null_share: float
    distinct: float
    is_variable: bool = False
    common_share: float = 0.0
    common_values: int = 0
    number: int = 0
    operator_class: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    stored_width: float = 0.0
    frequencies: tuple[float, ...] = ()
    elements: tuple[float, ...] = ()
    element_count: float = 0.0
    widths: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TreeSize:
    """Pages of the whole index, and the level of its root (0: the root is a leaf)."""

    pages: int
    level: int

    @property
    def size_bytes(self) -> int:
        """The size in bytes."""
        return self.pages * PAGE_BYTES


@dataclass(frozen=True, slots=True)
class _Leaves:
    """What goes into the leaves: items, their bytes with line pointers, and whether they are all of one size."""

    items: float
    size: float
    is_even: bool


def btree_size(
    rows: float,
    keys: Sequence[IndexedColumn],
    included: Sequence[IndexedColumn] = (),
    *,
    table_rows: float | None = None,
    groups: Groups | None = None,
    repeats: KeyGroups = (),
    wider: float = 0.0,
    is_deduplicated: bool = True,
    fill_percent: int | None = None,
) -> TreeSize:
    """Return the size that CREATE INDEX would give an index on `rows` of the table's `table_rows`.

    `repeats` says how often the keys occur, where a sample was counted; else it follows from the columns and `groups`.
    A key of them is by `wider` bytes longer than a row's on average: keys that occur often tend to be short.
    """
    if rows < 1:
        return TreeSize(1, 0)
    if is_deduplicated and repeats:
        leaves = _counted(repeats, keys, wider)
    elif is_deduplicated:
        leaves = _deduplicated(rows, max(table_rows or rows, rows), keys, groups or {})
    else:
        columns = [*keys, *included]
        leaves = _Leaves(rows, rows * (_tuple_bytes(columns) + _LINE_POINTER), _is_even(columns))
    pivot = _tuple_bytes(keys)
    return _tree(_leaf_pages(leaves, fill_percent or _LEAF_FILL_PERCENT, pivot), pivot)


def tree_of(pages: int, keys: Sequence[IndexedColumn]) -> TreeSize:
    """Return the level of an index whose length is known."""
    pivot = _tuple_bytes(keys)
    leaves = max(floor((pages - 1) * (1 - 1 / _fanout(pivot))), 1)
    return TreeSize(pages, _tree(leaves, pivot).level)


def distinct_keys(rows: float, table_rows: float, keys: Sequence[IndexedColumn], groups: Groups) -> float:
    """Return how many distinct keys `rows` of `table_rows` have.

    Extended statistics say it for the columns they cover; other columns count as independent. Of `n` possible keys,
    `rows` draws meet `n (1 - exp(-rows / n))`.
    """
    counts = {key.number or -place: _distinct(key, table_rows) for place, key in enumerate(keys, 1)}
    left = set(counts)
    factors: list[float] = []
    while known := max((g for g in groups if len(g) > 1 and g <= left), key=len, default=None):
        factors.append(groups[known])
        left -= known
    factors += [counts[number] for number in left]
    possible = prod(factors)
    if len(factors) > 1:
        possible = max(-possible * expm1(-table_rows / possible), *factors)
    possible = max(min(possible, table_rows), 1.0)
    if rows < table_rows:
        possible *= 1.0 - (1.0 - rows / table_rows) ** (table_rows / possible)
    return max(min(possible, rows), 1.0)


def _distinct(column: IndexedColumn, table_rows: float) -> float:
    values = column.distinct if column.distinct > 0 else -column.distinct * table_rows
    return max(values, 1.0)


def _counted(repeats: KeyGroups, keys: Sequence[IndexedColumn], wider: float) -> _Leaves:
    bare, items, size = _tuple_bytes(keys), 0.0, 0.0
    if any(key.is_variable for key in keys):
        bare = max(bare + wider, _TUPLE_HEADER + 8.0)
    for count, times in repeats:
        part = _scaled(count, _group(max(times, 1.0), bare))
        items, size = items + part[0], size + part[1]
    is_even = len(repeats) == 1 and repeats[0][1] <= 1.001
    return _Leaves(max(items, 1.0), size, is_even and _is_even(keys))


def _deduplicated(rows: float, table_rows: float, keys: Sequence[IndexedColumn], groups: Groups) -> _Leaves:
    """Add up what the rows of each pattern of NULLs need: where a column is NULL it makes no keys distinct."""
    items = size = 0.0
    is_even = True
    counted = [replace(key, distinct=_distinct(key, table_rows)) for key in keys]
    for share, present in _null_patterns(counted):
        bitmap = _NULL_BITMAP if len(present) < len(keys) else 0
        part = _without_nulls(rows * share, table_rows * share, present, groups, _tuple_bytes(present) + bitmap)
        items, size, is_even = items + part.items, size + part.size, is_even and part.is_even
    return _Leaves(max(items, 1.0), size, is_even and _is_even(keys))


def _null_patterns(keys: Sequence[IndexedColumn]) -> list[tuple[float, list[IndexedColumn]]]:
    """Return (share of the rows, columns that are not NULL there), taking columns as independent."""
    nullable = sorted((k for k in keys if k.null_share > 0), key=lambda k: k.null_share)[-_NULLABLE:]
    patterns: list[tuple[float, list[IndexedColumn]]] = [(1.0, [])]
    for key in keys:
        known = replace(key, null_share=0.0, common_share=_share_of_known(key))
        with_it = [(share * (1.0 - key.null_share), [*present, known]) for share, present in patterns]
        if key in nullable:
            patterns = with_it + [(share * key.null_share, present) for share, present in patterns]
        else:
            patterns = [(share, [*present, known]) for share, present in patterns]
    return [(share, present) for share, present in patterns if share > 0]


def _share_of_known(key: IndexedColumn) -> float:
    return min(key.common_share / (1.0 - key.null_share), 1.0) if key.null_share < 1 else 0.0


def _without_nulls(
    rows: float, table_rows: float, keys: Sequence[IndexedColumn], groups: Groups, bare: float
) -> _Leaves:
    if rows < 1:
        return _Leaves(rows, rows * (bare + _LINE_POINTER), True)
    distinct = distinct_keys(rows, table_rows, keys, groups)
    share, values = (keys[0].common_share, keys[0].common_values) if len(keys) == 1 else (0.0, 0)
    items = size = 0.0
    rare_rows, rare_values = rows * (1.0 - share), distinct - values
    if values and rare_values >= 0:
        items, size = _scaled(values, _posting(max(rows * share / values, 1.0), bare))
    else:
        values, rare_rows, rare_values = 0, rows, distinct
    repeats = rare_rows / rare_values if rare_values >= 1 else 0.0
    if repeats > 0:
        rare = _scaled(min(rare_values, rare_rows), _group(max(repeats, 1.0), bare))
        items, size = items + rare[0], size + rare[1]
    return _Leaves(items, size, not values and (repeats <= 1.001 or repeats >= _MAX_POSTING_BYTES))


def _is_even(columns: Sequence[IndexedColumn]) -> bool:
    return not any(column.is_variable or column.null_share > 0 for column in columns)


def _leaf_pages(leaves: _Leaves, fill_percent: int, bare: float) -> int:
    """A leaf ends when less is free than the fill factor leaves; its last tuple then becomes the next one's first.

    What a posting list takes beyond a `bare` tuple does not count then, since the leaf's high key has none.
    """
    room = _PAGE_ROOM - _LINE_POINTER - PAGE_BYTES * (100 - fill_percent) // 100
    item = leaves.size / leaves.items
    per_page = floor(room / item) if leaves.is_even else room / item - 0.5
    posting = item - bare - _LINE_POINTER
    if posting > bare:
        per_page = max(min((room + posting) / item - 0.5, (_PAGE_ROOM - _LINE_POINTER) / item - 1.5), per_page)
    return max(ceil(leaves.items / max(per_page, 1.0)), 1)


def _fanout(pivot_bytes: float) -> float:
    room = _PAGE_ROOM - _LINE_POINTER - PAGE_BYTES * (100 - _INNER_FILL_PERCENT) // 100
    return max(room / (pivot_bytes + _LINE_POINTER), 2.0)


def _tree(leaves: int, pivot_bytes: float) -> TreeSize:
    fanout = _fanout(pivot_bytes)
    pages, level, here = 1 + leaves, 0, leaves
    while here > 1:
        here = ceil(here / fanout)
        pages += here
        level += 1
    return TreeSize(pages, level)


def _tuple_bytes(columns: Sequence[IndexedColumn]) -> float:
    """Return the average size of one tuple: header, NULL bitmap when some column is NULL, aligned columns and whole."""
    ragged = [column for column in columns if column.is_variable]
    if ragged and all(column.widths for column in ragged):
        return _TUPLE_HEADER + _ragged_bytes(columns, ragged)
    if ragged:
        known = [column.width * (1.0 - column.null_share) for column in columns]
        padding = sum((column.alignment - 1) / 2 for column in columns)
        some_null = 1.0 - prod(1.0 - column.null_share for column in columns)
        return _TUPLE_HEADER + max(sum(known) + padding + _MEAN_PADDING, 8.0) + some_null * _NULL_BITMAP
    return _TUPLE_HEADER + sum(
        share * (aligned(_fixed_bytes(present)) + (_NULL_BITMAP if len(present) < len(columns) else 0))
        for share, present in _null_patterns(columns)
    )


def _ragged_bytes(columns: Sequence[IndexedColumn], ragged: Sequence[IndexedColumn]) -> float:
    """Return the mean bytes after the header, over values whose widths are known."""
    import numpy as np

    share, ends = prod(1.0 - column.null_share for column in columns), np.zeros(TRIED_WIDTHS)
    for place, column in enumerate(columns):
        if column not in ragged:
            ends = np.ceil(ends / column.alignment) * column.alignment + column.width
            continue
        # Each column at another pace: their widths are independent.
        paces = np.arange(TRIED_WIDTHS) * _PACES[place % len(_PACES)] % len(column.widths)
        widths = np.array(column.widths)[paces]
        ends = np.where(widths > _SHORT_BYTES, np.ceil(ends / 4) * 4, ends) + widths
    full = float((np.ceil(np.maximum(ends, 1.0) / 8) * 8).mean())
    if share == 1.0:
        return full
    known = sum(column.width * (1.0 - column.null_share) for column in columns)
    most = sum(column.width for column in columns)
    return share * full + (1.0 - share) * (_NULL_BITMAP + max(full * min(known / most, 1.0), 8.0))


def _fixed_bytes(columns: Sequence[IndexedColumn]) -> float:
    end = 0.0
    for column in columns:
        end = aligned(end, column.alignment) + column.width
    return end


def _scaled(factor: float, item_and_bytes: tuple[float, float]) -> tuple[float, float]:
    return factor * item_and_bytes[0], factor * item_and_bytes[1]


def _group(repeats: float, bare: float) -> tuple[float, float]:
    """Return the leaf items and bytes of one distinct key that occurs `repeats` times on average."""
    if repeats >= _UNEVEN_REPEATS:
        return _posting(repeats, bare)
    # Few repeats vary much from key to key: average over a Poisson distribution of at least one.
    rate = _zero_truncated_rate(repeats)
    weight, mass, items, size = rate * exp(-rate), 0.0, 0.0, 0.0
    for count in range(1, 4 * _UNEVEN_REPEATS):
        more = _posting(count, bare)
        items, size, mass = items + weight * more[0], size + weight * more[1], mass + weight
        weight *= rate / (count + 1)
    return items / mass, size / mass


def _posting(count: float, bare: float) -> tuple[float, float]:
    """Return the items and bytes of `count` equal keys."""
    if count < 2:
        return count, count * (bare + _LINE_POINTER)
    most = max((_MAX_POSTING_BYTES - bare) // _TID_BYTES, 2)
    full, rest = divmod(count, most)
    items, size = full, full * (aligned(bare + most * _TID_BYTES) + _LINE_POINTER)
    if rest > 0:
        last = bare if rest < 2 else aligned(bare + rest * _TID_BYTES)
        items, size = items + 1, size + last + _LINE_POINTER
    return items, size


def _zero_truncated_rate(mean: float) -> float:
    """Return the rate of a Poisson distribution whose mean, given at least one, is `mean`. By fixed-point iteration."""
    if mean <= 1.0001:
        return 1e-3
    rate = mean - 1.0 if mean < 2 else mean
    for _ in range(60):
        rate = mean * (1.0 - exp(-rate))
    return max(rate, 1e-3)


def aligned(size: float, step: int = 8) -> float:
    """Return the size rounded up to a multiple of `step`."""
    return ceil(size / step) * step
